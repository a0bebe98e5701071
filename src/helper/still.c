#include "helper/still.h"

#include "base/secret.h"
#include "helper/serve.h"

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
    const cm_status written = cm_helper_answer_make(job.id, status, still, answer_out);
    cm_frame_release(still, 0);
    return written;
}

/* ---- the process ---- */

static cm_status do_job(void *owner, uint8_t *message, size_t size, cm_slice *answer_out,
                        bool *is_foreign_out)
{
    return still_do_job(owner, message, size, answer_out, is_foreign_out);
}

cm_status still_run(int count, char **arguments)
{
    still_bench bench = {0};
    CM_TRY(cm_helper_prepare(count, arguments));
    CM_TRY(cm_picture_create(&bench.picture));
    return cm_helper_serve(MEMORY_MAX, do_job, &bench);
}
