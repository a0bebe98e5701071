#include "egress/helper/process.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"

enum { READ_SIZE = 256 * 1024 };

cm_status cm_helper_path(const char *configured, char *out, size_t capacity)
{
    if (configured != NULL)
        return cm_slice_to_cstr(cm_slice_of(configured), out, capacity) == CM_OK ? CM_OK
                                                                                 : CM_BROKEN;
    char own[4096];
    const ssize_t size = readlink("/proc/self/exe", own, sizeof own);
    CM_ENSURE(size > 0 && (size_t)size < sizeof own, CM_BROKEN);
    size_t folder = (size_t)size;
    while (folder > 0 && own[folder - 1] != '/')
        folder--;
    cm_writer w = cm_writer_over(out, capacity);
    cm_write_slice(&w, cm_slice_over(own, folder));
    cm_write_text(&w, "casement-helper");
    cm_write_u8(&w, 0);
    return w.failed ? CM_BROKEN : CM_OK;
}

/* ---- life ---- */

static void init_buffer(cm_helper_process *p)
{
    cm_buffer_init(&p->in, CM_HELPER_LENGTH_SIZE + CM_HELPER_ANSWER_MAX + READ_SIZE);
}

void cm_helper_process_init(cm_helper_process *p, const cm_helper_process_config *config)
{
    *p = (cm_helper_process){.config = *config, .fd = -1};
    init_buffer(p);
}

/* The message on its way has the delegation in front. */
static void drop_message(cm_helper_process *p)
{
    if (p->out != NULL)
        cm_secret_wipe(p->out, CM_HELPER_LENGTH_SIZE + CM_HELPER_JOB_HEAD);
    free(p->out);
    p->out = NULL;
}

void cm_helper_process_hang_up(cm_helper_process *p)
{
    cm_watch_close(p->watch);
    p->watch = NULL;
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
    drop_message(p);
    cm_buffer_deinit(&p->in);
    init_buffer(p);
}

void cm_helper_process_kill(cm_helper_process *p)
{
    cm_helper_process_hang_up(p);
    if (p->process != NULL)
        cm_process_kill(p->process);
}

static void bury(cm_helper_process *p)
{
    cm_helper_process_hang_up(p);
    cm_process_destroy(p->process);
    p->process = NULL;
}

void cm_helper_process_deinit(cm_helper_process *p)
{
    bury(p);
    cm_buffer_deinit(&p->in);
}

/* ---- answers ---- */

static cm_status take_answers(cm_helper_process *p)
{
    for (;;) {
        const cm_slice data = cm_buffer_data(&p->in);
        cm_helper_answer answer;
        size_t size = 0;
        if (data.size < CM_HELPER_LENGTH_SIZE)
            return CM_OK;
        CM_TRY(cm_helper_length_parse(cm_slice_part(data, 0, CM_HELPER_LENGTH_SIZE),
                                      CM_HELPER_ANSWER_HEAD, CM_HELPER_ANSWER_MAX, &size));
        if (data.size - CM_HELPER_LENGTH_SIZE < size)
            return CM_OK;
        CM_TRY(cm_helper_answer_parse(cm_slice_part(data, CM_HELPER_LENGTH_SIZE, size), &answer));
        CM_TRY(p->config.on_answer(p->config.owner, &answer));
        cm_buffer_consume(&p->in, CM_HELPER_LENGTH_SIZE + size);
    }
}

/* CM_RETRY: there is no more for the moment. CM_ABSENT: its end. CM_CLOSE: nonsense. */
static cm_status receive(cm_helper_process *p)
{
    uint8_t *room = NULL;
    CM_TRY(cm_buffer_room(&p->in, READ_SIZE, &room));
    const ssize_t got = read(p->fd, room, READ_SIZE);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? CM_RETRY : CM_ABSENT;
    CM_ENSURE(got > 0, CM_ABSENT);
    cm_buffer_commit(&p->in, (size_t)got);
    CM_TRY(take_answers(p));
    cm_buffer_shrink(&p->in);
    return CM_OK;
}

static void on_ready(void *owner, unsigned events)
{
    cm_helper_process *p = owner;
    if ((events & CM_WATCH_READ) != 0) {
        const cm_status status = receive(p);
        if (status != CM_OK && status != CM_RETRY) {
            p->config.on_lost(p->config.owner, status == CM_ABSENT ? "gone" : "protocol");
            return;
        }
    }
    p->config.on_ready(p->config.owner);
}

/* ---- jobs ---- */

static cm_status write_out(cm_helper_process *p)
{
    while (p->out != NULL) {
        const ssize_t put =
            send(p->fd, p->out + p->out_sent, p->out_size - p->out_sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN ? CM_RETRY : CM_CLOSE;
        p->out_sent += (size_t)put;
        if (p->out_sent == p->out_size)
            drop_message(p);
    }
    return CM_OK;
}

cm_status cm_helper_process_flush(cm_helper_process *p)
{
    const cm_status status = write_out(p);
    const unsigned room = status == CM_RETRY ? CM_WATCH_WRITE : 0;
    cm_watch_want(p->watch, status == CM_CLOSE ? 0 : CM_WATCH_READ | room);
    return status;
}

cm_status cm_helper_process_give(cm_helper_process *p, const cm_helper_job *job,
                                 const cm_frame *frame)
{
    const size_t size = cm_helper_job_size(frame);
    uint8_t *bytes = malloc(size);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, size);
    p->out = bytes;
    p->out_size = size;
    p->out_sent = 0;
    const cm_status status = cm_helper_job_write(&w, job, frame);
    if (status != CM_OK)
        drop_message(p);
    return status;
}

/* ---- start and end ---- */

static void on_exit_of_process(void *owner, int status)
{
    cm_helper_process *p = owner;
    /* Its last words. */
    while (p->fd >= 0 && receive(p) == CM_OK)
        continue;
    bury(p);
    p->config.on_exit(p->config.owner, status);
}

static cm_status start(cm_helper_process *p)
{
#ifdef CM_FAULT_INJECTION
    /* The helper is made wrong in the same way. */
    const char *const arguments[] = {"casement-helper", p->config.work, getenv("CASEMENT_FAULTS"),
                                     NULL};
#else
    const char *const arguments[] = {"casement-helper", p->config.work, NULL};
#endif
    const cm_process_config config = {
        .path = p->config.path, .argv = arguments, .on_exit = on_exit_of_process, .owner = p};
    CM_TRY(cm_process_create(p->config.loop, &config, &p->fd, &p->process));
    CM_TRY(cm_watch_create(p->config.loop, p->fd, on_ready, p, &p->watch));
    cm_watch_want(p->watch, CM_WATCH_READ);
    return CM_OK;
}

cm_status cm_helper_process_start(cm_helper_process *p)
{
    if (start(p) == CM_OK)
        return CM_OK;
    bury(p);
    return CM_BROKEN;
}
