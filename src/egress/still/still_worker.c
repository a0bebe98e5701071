/* One helper process per home: started, fed, watched, ended. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "egress/still/still_priv.h"

enum {
    IDLE_S = 60,
    JOB_S = 3,
    START_S = 2, /* what a process may take to begin, on top of its first job */
    END_S = 1,   /* between being told to end and being killed */
    TURN_S = 2,  /* a process serves at least so long before another home gets its place */
    REST_MIN_S = 1,
    REST_MAX_S = 30,
    LINGER_S = 60, /* how long the rest last needed is remembered */
    READ_SIZE = 256 * 1024,
};

static void push(still_worker *worker);
static void on_clock(cm_timer *timer);

/* ---- life ---- */

static still_worker *find(cm_still_service *service, const cm_home_id *home)
{
    CM_LIST_EACH(&service->workers, node, next)
    {
        still_worker *worker = CM_HOLDER(node, still_worker, node);
        if (cm_home_id_equal(&worker->home, home))
            return worker;
    }
    return NULL;
}

cm_status still_worker_get(cm_still_service *service, const cm_home_id *home, still_worker **out)
{
    still_worker *worker = find(service, home);
    if (worker == NULL) {
        worker = calloc(1, sizeof *worker);
        CM_ENSURE(worker != NULL, CM_BROKEN);
        worker->service = service;
        worker->home = *home;
        worker->fd = -1;
        cm_list_init(&worker->queue);
        cm_list_init(&worker->flight);
        cm_buffer_init(&worker->in, CM_HELPER_LENGTH_SIZE + CM_HELPER_ANSWER_MAX + READ_SIZE);
        cm_timer_init(&worker->clock, service->config.loop, on_clock);
        cm_timer_start(&worker->clock, CM_SECONDS(1));
        cm_list_add_last(&service->workers, &worker->node);
    }
    *out = worker;
    return CM_OK;
}

static void settle_all(cm_list *jobs, cm_status status)
{
    while (!cm_list_is_empty(jobs))
        still_job_settle(CM_HOLDER(jobs->next, still_job, node), status, NULL);
}

/* The message on its way has the delegation in front. */
static void drop_message(still_worker *worker)
{
    if (worker->out != NULL)
        cm_secret_wipe(worker->out, CM_HELPER_LENGTH_SIZE + CM_HELPER_JOB_HEAD);
    free(worker->out);
    worker->out = NULL;
}

static void hang_up(still_worker *worker)
{
    cm_watch_close(worker->watch);
    worker->watch = NULL;
    if (worker->fd >= 0)
        (void)close(worker->fd);
    worker->fd = -1;
    drop_message(worker);
    cm_buffer_deinit(&worker->in);
    cm_buffer_init(&worker->in, CM_HELPER_LENGTH_SIZE + CM_HELPER_ANSWER_MAX + READ_SIZE);
}

void still_worker_destroy(still_worker *worker)
{
    cm_timer_stop(&worker->clock);
    hang_up(worker);
    settle_all(&worker->flight, CM_BROKEN);
    settle_all(&worker->queue, CM_BROKEN);
    if (worker->process != NULL)
        worker->service->counters.processes--;
    cm_process_destroy(worker->process);
    cm_list_remove(&worker->node);
    free(worker);
}

/* ---- places ---- */

static still_worker *next_waiting(cm_still_service *service)
{
    CM_LIST_EACH(&service->workers, node, next)
    {
        still_worker *worker = CM_HOLDER(node, still_worker, node);
        if (worker->state == STILL_WORKER_WAITING)
            return worker;
    }
    return NULL;
}

static bool is_idle(const still_worker *worker)
{
    return worker->state == STILL_WORKER_RUNNING && worker->in_flight == 0 && worker->queued == 0;
}

/* Somebody waits for a place, and this one has nothing to do or has had its turn. */
static bool must_yield(const still_worker *worker)
{
    const cm_instant now = cm_loop_now(worker->service->config.loop);
    return next_waiting(worker->service) != NULL &&
           (worker->queued == 0 || cm_instant_since(now, worker->started) >= CM_SECONDS(TURN_S));
}

static void tell_to_end(still_worker *worker)
{
    worker->was_told = true;
    worker->state = STILL_WORKER_ENDING;
    hang_up(worker); /* it reads the end of the stream */
    cm_timer_start(&worker->clock, CM_SECONDS(END_S));
}

/* The one idle for longest makes room. */
static void end_an_idle_one(cm_still_service *service)
{
    still_worker *longest = NULL;
    CM_LIST_EACH(&service->workers, node, next)
    {
        still_worker *worker = CM_HOLDER(node, still_worker, node);
        if (is_idle(worker) && (longest == NULL || worker->used.us < longest->used.us))
            longest = worker;
    }
    if (longest != NULL)
        tell_to_end(longest);
}

/* ---- start and end ---- */

static void rest(still_worker *worker)
{
    worker->rest_us *= 2;
    if (worker->rest_us < CM_SECONDS(REST_MIN_S))
        worker->rest_us = CM_SECONDS(REST_MIN_S);
    if (worker->rest_us > CM_SECONDS(REST_MAX_S))
        worker->rest_us = CM_SECONDS(REST_MAX_S);
    worker->state = STILL_WORKER_RESTING;
    cm_timer_start(&worker->clock, worker->rest_us);
}

static void on_ready(void *owner, unsigned events);
static void on_exit_of_process(void *owner, int status);

static cm_status start_process(still_worker *worker)
{
#ifdef CM_FAULT_INJECTION
    /* The helper is made wrong in the same way. */
    const char *const ARGUMENTS[] = {"casement-helper", "still", getenv("CASEMENT_FAULTS"), NULL};
#else
    static const char *const ARGUMENTS[] = {"casement-helper", "still", NULL};
#endif
    cm_still_service *service = worker->service;
    const cm_process_config config = {.path = service->helper_path,
                                      .argv = ARGUMENTS,
                                      .on_exit = on_exit_of_process,
                                      .owner = worker};
    CM_TRY(cm_process_create(service->config.loop, &config, &worker->fd, &worker->process));
    service->counters.processes++;
    service->counters.helper_starts++;
    CM_TRY(cm_watch_create(service->config.loop, worker->fd, on_ready, worker, &worker->watch));
    cm_watch_want(worker->watch, CM_WATCH_READ);
    return CM_OK;
}

static void start(still_worker *worker)
{
    cm_still_service *service = worker->service;
    if (service->counters.processes >= service->config.processes_max) {
        worker->state = STILL_WORKER_WAITING;
        cm_list_remove(&worker->node); /* behind those that wait already */
        cm_list_add_last(&service->workers, &worker->node);
        end_an_idle_one(service);
        return;
    }
    if (start_process(worker) != CM_OK) {
        cm_log_home(CM_LOG_ERROR, "still", &worker->home, "event=start-failed");
        if (worker->process != NULL)
            service->counters.processes--;
        cm_process_destroy(worker->process);
        worker->process = NULL;
        hang_up(worker);
        rest(worker);
        return;
    }
    worker->state = STILL_WORKER_RUNNING;
    worker->was_told = false;
    worker->started = worker->used = cm_loop_now(service->config.loop);
    cm_timer_start(&worker->clock, CM_SECONDS(IDLE_S));
    push(worker);
}

void still_worker_warm(still_worker *worker)
{
    if (worker->state == STILL_WORKER_OFF)
        start(worker);
}

void still_worker_take(still_worker *worker, still_job *job)
{
    cm_list_add_last(&worker->queue, &job->node);
    worker->queued++;
    if (worker->state == STILL_WORKER_OFF)
        start(worker);
    else
        push(worker);
}

static void kill_process(still_worker *worker, const char *cause)
{
    cm_log_home(CM_LOG_WARN, "still", &worker->home, "event=helper-killed cause=%s", cause);
    worker->state = STILL_WORKER_ENDING;
    cm_timer_stop(&worker->clock);
    hang_up(worker);
    cm_process_kill(worker->process);
}

static void off(still_worker *worker)
{
    worker->state = STILL_WORKER_OFF;
    if (worker->queued > 0)
        start(worker);
    else
        cm_timer_start(&worker->clock, CM_SECONDS(worker->rest_us > 0 ? LINGER_S : 1));
}

static void on_clock(cm_timer *timer)
{
    still_worker *worker = CM_HOLDER(timer, still_worker, clock);
    switch (worker->state) {
    case STILL_WORKER_OFF:
        if (worker->queued == 0 && worker->in_flight == 0)
            still_worker_destroy(worker);
        break;
    case STILL_WORKER_RUNNING:
        if (worker->in_flight > 0)
            kill_process(worker, "time");
        else
            tell_to_end(worker);
        break;
    case STILL_WORKER_ENDING:
        cm_process_kill(worker->process);
        break;
    case STILL_WORKER_RESTING:
        off(worker);
        break;
    case STILL_WORKER_WAITING:
        break;
    }
}

/* ---- answers ---- */

static void watch_time(still_worker *worker)
{
    const bool is_first = worker->used.us == worker->started.us;
    const int64_t job_s = is_first ? JOB_S + START_S : JOB_S;
    cm_timer_start(&worker->clock, CM_SECONDS(worker->in_flight > 0 ? job_s : IDLE_S));
}

/* Answers come in the order of the jobs; CM_CLOSE: it does not keep to that. */
static cm_status take_answer(still_worker *worker, cm_slice message)
{
    cm_helper_answer answer;
    CM_TRY(cm_helper_answer_parse(message, &answer));
    CM_ENSURE(!cm_list_is_empty(&worker->flight), CM_CLOSE);
    still_job *job = CM_HOLDER(worker->flight.next, still_job, node);
    CM_ENSURE(job->id == answer.id, CM_CLOSE);
    worker->used = cm_loop_now(worker->service->config.loop);
    worker->rest_us = 0;
    still_job_finish(job, answer.status, answer.still);
    watch_time(worker);
    return CM_OK;
}

static cm_status take_answers(still_worker *worker)
{
    for (;;) {
        const cm_slice data = cm_buffer_data(&worker->in);
        size_t size = 0;
        if (data.size < CM_HELPER_LENGTH_SIZE)
            return CM_OK;
        CM_TRY(cm_helper_length_parse(cm_slice_part(data, 0, CM_HELPER_LENGTH_SIZE),
                                      CM_HELPER_ANSWER_HEAD, CM_HELPER_ANSWER_MAX, &size));
        if (data.size - CM_HELPER_LENGTH_SIZE < size)
            return CM_OK;
        CM_TRY(take_answer(worker, cm_slice_part(data, CM_HELPER_LENGTH_SIZE, size)));
        cm_buffer_consume(&worker->in, CM_HELPER_LENGTH_SIZE + size);
    }
}

/* CM_RETRY: there is no more for the moment. CM_ABSENT: its end. CM_CLOSE: nonsense. */
static cm_status receive(still_worker *worker)
{
    uint8_t *room = NULL;
    CM_TRY(cm_buffer_room(&worker->in, READ_SIZE, &room));
    const ssize_t got = read(worker->fd, room, READ_SIZE);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? CM_RETRY : CM_ABSENT;
    CM_ENSURE(got > 0, CM_ABSENT);
    cm_buffer_commit(&worker->in, (size_t)got);
    CM_TRY(take_answers(worker));
    cm_buffer_shrink(&worker->in);
    return CM_OK;
}

/* ---- jobs ---- */

static cm_status write_message(still_worker *worker, const still_job *job)
{
    const cm_helper_job wire = {.id = job->id,
                                .width = (uint16_t)job->key.width,
                                .delegation =
                                    cm_slice_over(job->delegation, sizeof job->delegation)};
    const size_t size = cm_helper_job_size(job->frame);
    uint8_t *bytes = malloc(size);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, size);
    worker->out = bytes;
    worker->out_size = size;
    worker->out_sent = 0;
    const cm_status status = cm_helper_job_write(&w, &wire, job->frame);
    if (status != CM_OK)
        drop_message(worker);
    return status;
}

/* From the queue to the flight: from here on the job is the helper's. */
static void send_job(still_worker *worker, still_job *job)
{
    if (write_message(worker, job) != CM_OK) {
        still_job_settle(job, CM_BROKEN, NULL);
        return;
    }
    cm_timer_stop(&job->patience);
    cm_frame_release(job->frame, worker->service->loop_index);
    job->frame = NULL;
    cm_secret_wipe(job->delegation, sizeof job->delegation);
    cm_list_remove(&job->node);
    cm_list_add_last(&worker->flight, &job->node);
    worker->queued--;
    if (worker->in_flight++ == 0)
        watch_time(worker);
}

/* CM_RETRY: the socket is full. */
static cm_status flush(still_worker *worker)
{
    while (worker->out != NULL) {
        const ssize_t put = send(worker->fd, worker->out + worker->out_sent,
                                 worker->out_size - worker->out_sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN ? CM_RETRY : CM_CLOSE;
        worker->out_sent += (size_t)put;
        if (worker->out_sent == worker->out_size)
            drop_message(worker);
    }
    return CM_OK;
}

static cm_status feed(still_worker *worker)
{
    for (;;) {
        CM_TRY(flush(worker));
        if (worker->in_flight >= STILL_FLIGHT_MAX || cm_list_is_empty(&worker->queue) ||
            must_yield(worker))
            return CM_OK;
        send_job(worker, CM_HOLDER(worker->queue.next, still_job, node));
    }
}

static void push(still_worker *worker)
{
    if (worker->state != STILL_WORKER_RUNNING)
        return;
    const cm_status status = feed(worker);
    if (status == CM_OK || status == CM_RETRY)
        cm_watch_want(worker->watch, CM_WATCH_READ | (status == CM_RETRY ? CM_WATCH_WRITE : 0u));
    else
        /* It is gone or going: what it still said is read when its end is known. */
        cm_watch_want(worker->watch, 0);
    if (worker->in_flight == 0 && must_yield(worker))
        tell_to_end(worker);
}

static void on_ready(void *owner, unsigned events)
{
    still_worker *worker = owner;
    if ((events & CM_WATCH_READ) != 0) {
        const cm_status status = receive(worker);
        if (status != CM_OK && status != CM_RETRY) {
            kill_process(worker, status == CM_ABSENT ? "gone" : "protocol");
            return;
        }
    }
    push(worker);
}

static void on_exit_of_process(void *owner, int status)
{
    still_worker *worker = owner;
    cm_still_service *service = worker->service;
    /* Its last words. */
    while (worker->fd >= 0 && receive(worker) == CM_OK)
        continue;
    hang_up(worker);
    cm_process_destroy(worker->process);
    worker->process = NULL;
    service->counters.processes--;
    settle_all(&worker->flight, CM_BROKEN);
    still_worker *waiting = next_waiting(service);
    if (waiting != NULL)
        start(waiting);
    if (worker->was_told) {
        off(worker);
    } else {
        service->counters.helper_deaths++;
        cm_log_home(CM_LOG_WARN, "still", &worker->home, "event=helper-died status=%d", status);
        rest(worker);
    }
}
