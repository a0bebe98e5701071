#include "helper/transcode.h"

#include <libavutil/log.h>
#include <stdlib.h>

#include "base/secret.h"
#include "helper/serve.h"

/* Of address space. A lane takes about 1 MiB; AddressSanitizer, in a debug build, keeps 256 MiB of
 * what was freed. */
enum { MEMORY_MAX = 512 * 1024 * 1024 };

/* ---- lanes ---- */

static transcode_lane *find_lane(transcode_bench *bench, uint16_t number)
{
    for (size_t i = 0; i < TRANSCODE_LANES_MAX; i++)
        if (bench->lanes[i].lane != NULL && bench->lanes[i].number == number)
            return &bench->lanes[i];
    return NULL;
}

/* An empty place, or that of the lane used longest ago. */
static transcode_lane *make_room(transcode_bench *bench)
{
    transcode_lane *place = &bench->lanes[0];
    for (size_t i = 0; i < TRANSCODE_LANES_MAX && place->lane != NULL; i++)
        if (bench->lanes[i].lane == NULL || bench->lanes[i].used < place->used)
            place = &bench->lanes[i];
    cm_lane_destroy(place->lane);
    *place = (transcode_lane){0};
    return place;
}

/* CM_FOREIGN: the lane is another camera's, or makes something else. */
static cm_status lane_of(transcode_bench *bench, uint16_t number, const cm_delegated *delegated,
                         cm_lane **out)
{
    transcode_lane *place = find_lane(bench, number);
    if (place == NULL) {
        place = make_room(bench);
        CM_TRY(cm_lane_create(cm_delegated_stream(delegated), &place->lane));
        place->number = number;
        place->camera = *cm_delegated_camera(delegated);
        place->made = cm_delegated_stream(delegated);
    }
    CM_ENSURE(cm_camera_key_equal(&place->camera, cm_delegated_camera(delegated)), CM_FOREIGN);
    CM_ENSURE(place->made == cm_delegated_stream(delegated), CM_FOREIGN);
    place->used = ++bench->jobs;
    *out = place->lane;
    return CM_OK;
}

void transcode_bench_deinit(transcode_bench *bench)
{
    for (size_t i = 0; i < TRANSCODE_LANES_MAX; i++)
        cm_lane_destroy(bench->lanes[i].lane);
    *bench = (transcode_bench){0};
}

/* ---- one job ---- */

static cm_status make_over(cm_lane *lane, cm_delegated *delegated, const cm_frame *frame,
                           cm_frame **out)
{
    cm_opened_frame opened;
    cm_made_sound sound;
    CM_TRY(cm_delegated_open(delegated, frame, &opened));
    CM_TRY(cm_lane_put(lane, &opened, &sound));
    return cm_delegated_seal_sound(delegated, &sound, out);
}

static cm_status open_and_make(transcode_bench *bench, uint16_t number, cm_delegated *delegated,
                               const cm_frame *frame, cm_frame **out)
{
    cm_lane *lane = NULL;
    CM_ENSURE(cm_stream_is_made(cm_delegated_stream(delegated)), CM_CLOSE);
    CM_TRY(lane_of(bench, number, delegated, &lane));
    const cm_status status = make_over(lane, delegated, frame, out);
    cm_lane_wipe(lane);
    return status;
}

static bool is_of_home(transcode_bench *bench, const cm_camera_key *camera)
{
    if (!bench->has_home)
        bench->home = camera->home;
    bench->has_home = true;
    return cm_home_id_equal(&camera->home, &bench->home);
}

static cm_status do_parsed_job(transcode_bench *bench, const cm_helper_job *job, cm_frame **out,
                               bool *is_foreign_out)
{
    cm_frame *frame = NULL;
    cm_delegated *delegated = NULL;
    CM_TRY(cm_frame_read(job->frame, 0, &frame));
    cm_status status = cm_delegated_create(job->delegation.bytes, &delegated);
    if (status == CM_OK) {
        *is_foreign_out = !is_of_home(bench, cm_delegated_camera(delegated));
        status =
            *is_foreign_out ? CM_FOREIGN : open_and_make(bench, job->lane, delegated, frame, out);
    }
    cm_delegated_destroy(delegated);
    cm_frame_release(frame, 0);
    return status;
}

static bool is_answer(cm_status status)
{
    return status == CM_OK || status == CM_FOREIGN || status == CM_FULL || status == CM_ABSENT;
}

cm_status transcode_do_job(transcode_bench *bench, uint8_t *message, size_t size,
                           cm_slice *answer_out, bool *is_foreign_out)
{
    cm_helper_job job;
    cm_frame *made = NULL;
    CM_TRY(cm_helper_job_parse(cm_slice_over(message, size), &job));
    cm_status status = do_parsed_job(bench, &job, &made, is_foreign_out);
    cm_secret_wipe(message, CM_HELPER_JOB_HEAD);
    CM_ENSURE(status != CM_CLOSE, CM_CLOSE); /* no frame, or no record: the stream is out of step */
    if (!is_answer(status))
        status = CM_BROKEN;
    const cm_status written = cm_helper_answer_make(job.id, status, made, answer_out);
    cm_frame_release(made, 0);
    return written;
}

/* ---- the process ---- */

static cm_status do_job(void *owner, uint8_t *message, size_t size, cm_slice *answer_out,
                        bool *is_foreign_out)
{
    return transcode_do_job(owner, message, size, answer_out, is_foreign_out);
}

cm_status transcode_run(int count, char **arguments)
{
    static transcode_bench bench;
    CM_TRY(cm_helper_prepare(count, arguments));
    av_log_set_level(AV_LOG_QUIET); /* it would tell of the sound's insides */
    return cm_helper_serve(MEMORY_MAX, do_job, &bench);
}
