#include "helper/still.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "base/secret.h"
#include "helper/sandbox.h"
#include "helper/wire.h"

/* What a picture of 8,192 x 8,192 in BT.709 needs: 96 MiB decoded, as much for the decoder's
 * tables, 192 on the way to BT.601, 96 as that, 192 for the encoder's worst case; of address space.
 */
enum { MEMORY_MAX = 768 * 1024 * 1024 };

/* ---- one job ---- */

static cm_video_codec codec_of(const cm_frame *frame)
{
    return (frame->flags & CM_FRAME_H265) != 0 ? CM_VIDEO_H265 : CM_VIDEO_H264;
}

static cm_status make_still(still_bench *bench, cm_delegated *delegated, const cm_frame *frame,
                            unsigned width, cm_frame **out)
{
    cm_opened_frame opened;
    cm_slice jpeg;
    CM_TRY(cm_delegated_open(delegated, frame, &opened));
    CM_TRY(cm_picture_make(bench->picture, codec_of(frame), &opened, width, &jpeg));
    return cm_delegated_seal(delegated, jpeg, out);
}

static cm_status open_and_make(still_bench *bench, const cm_helper_job *job, const cm_frame *frame,
                               cm_frame **out)
{
    cm_delegated *delegated = NULL;
    CM_TRY(cm_delegated_create(job->delegation.bytes, &delegated));
    const cm_status status = make_still(bench, delegated, frame, job->width, out);
    cm_picture_wipe(bench->picture);
    cm_delegated_destroy(delegated);
    return status;
}

static cm_status do_parsed_job(still_bench *bench, const cm_helper_job *job, cm_frame **out,
                               bool *is_foreign_out)
{
    cm_frame *frame = NULL;
    CM_TRY(cm_frame_read(job->frame, 0, &frame));
    if (!bench->has_home) {
        bench->home = frame->camera.home;
        bench->has_home = true;
    }
    *is_foreign_out = !cm_home_id_equal(&frame->camera.home, &bench->home);
    const cm_status status = *is_foreign_out ? CM_FOREIGN : open_and_make(bench, job, frame, out);
    cm_frame_release(frame, 0);
    return status;
}

static cm_status write_answer(uint64_t id, cm_status status, const cm_frame *still, cm_slice *out)
{
    const size_t size = cm_helper_answer_size(still);
    uint8_t *bytes = malloc(size);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, size);
    const cm_status written = cm_helper_answer_write(&w, id, status, still);
    if (written != CM_OK) {
        free(bytes);
        return written;
    }
    *out = cm_writer_done(&w);
    return CM_OK;
}

cm_status still_do_job(still_bench *bench, uint8_t *message, size_t size, cm_slice *answer_out,
                       bool *is_foreign_out)
{
    cm_helper_job job;
    cm_frame *still = NULL;
    CM_TRY(cm_helper_job_parse(cm_slice_over(message, size), &job));
    cm_status status = do_parsed_job(bench, &job, &still, is_foreign_out);
    cm_secret_wipe(message, CM_HELPER_JOB_HEAD);
    CM_ENSURE(status != CM_CLOSE, CM_CLOSE); /* no frame, or no record: the stream is out of step */
    if (status != CM_OK && status != CM_FOREIGN && status != CM_FULL)
        status = CM_BROKEN;
    const cm_status written = write_answer(job.id, status, still, answer_out);
    cm_frame_release(still, 0);
    return written;
}

/* ---- the socket ---- */

/* CM_ABSENT: the end came before the first byte. CM_CLOSE: later, or an error. */
static cm_status read_all(uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(CM_SANDBOX_SOCKET, bytes + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        CM_ENSURE(got > 0, got == 0 && done == 0 ? CM_ABSENT : CM_CLOSE);
        done += (size_t)got;
    }
    return CM_OK;
}

static cm_status write_all(cm_slice bytes)
{
    while (bytes.size > 0) {
        const ssize_t put = write(CM_SANDBOX_SOCKET, bytes.bytes, bytes.size);
        if (put < 0 && errno == EINTR)
            continue;
        CM_ENSURE(put > 0, CM_CLOSE);
        bytes = cm_slice_from(bytes, (size_t)put);
    }
    return CM_OK;
}

static cm_status read_message(cm_buffer *in, uint8_t **message, size_t *size_out)
{
    uint8_t length[CM_HELPER_LENGTH_SIZE];
    CM_TRY(read_all(length, sizeof length));
    CM_TRY(cm_helper_length_parse(cm_slice_over(length, sizeof length), CM_HELPER_JOB_HEAD,
                                  CM_HELPER_JOB_MAX, size_out));
    CM_TRY(cm_buffer_room(in, *size_out, message));
    return read_all(*message, *size_out);
}

static cm_status serve(still_bench *bench)
{
    cm_buffer in;
    cm_buffer_init(&in, CM_HELPER_JOB_MAX);
    for (;;) {
        uint8_t *message = NULL;
        size_t size = 0;
        cm_slice answer;
        bool is_foreign = false;
        CM_TRY(read_message(&in, &message, &size));
        CM_TRY(still_do_job(bench, message, size, &answer, &is_foreign));
        const cm_status sent = write_all(answer);
        free((void *)(uintptr_t)answer.bytes);
        CM_TRY(sent);
        CM_ENSURE(!is_foreign, CM_FOREIGN);
    }
}

/* The cipher's library is loaded, and its tables are made, while that is still allowed. */
static cm_status warm_cipher(void)
{
    const uint8_t key[CM_AEAD_KEY_SIZE] = {0};
    const uint8_t nonce[CM_AEAD_NONCE_SIZE] = {0};
    uint8_t bytes[1 + CM_AEAD_TAG_SIZE] = {0};
    cm_aead *aead = NULL;
    CM_TRY(cm_aead_create(&aead));
    cm_status status = cm_aead_set_key(aead, key);
    if (status == CM_OK)
        status = cm_aead_seal(aead, nonce, (cm_slice){0}, bytes, 1);
    cm_aead_destroy(aead);
    return status;
}

#ifdef CM_FAULT_INJECTION
static cm_status read_arguments(int count, char **arguments)
{
    return count > 0 ? cm_fault_read_settings(cm_slice_of(arguments[0])) : CM_OK;
}
#else
static cm_status read_arguments(int count, char **arguments)
{
    (void)arguments;
    return count == 0 ? CM_OK : CM_REFUSE;
}
#endif

cm_status still_run(int count, char **arguments)
{
    CM_TRY(read_arguments(count, arguments));
    still_bench bench = {0};
    CM_TRY(warm_cipher());
    CM_TRY(cm_picture_create(&bench.picture));
    CM_TRY(cm_sandbox_enter(MEMORY_MAX));
    const cm_status status = serve(&bench);
    /* Not exit(), nor _exit(): what libraries and sanitizers do at the end is not allowed here. */
    (void)syscall(SYS_exit_group, status == CM_ABSENT    ? 0
                                  : status == CM_FOREIGN ? CM_HELPER_EXIT_FOREIGN
                                                         : 1);
    return status;
}
