/* Frames of sound to jobs, and answers to frames of what was made. */
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/secret.h"
#include "egress/transcode/transcode_priv.h"

static void note_refusal(cm_transcode_service *service, const cm_camera_key *camera,
                         cm_refusal refusal)
{
    service->counters.refused++;
    cm_log_camera(CM_LOG_ERROR, "transcode", camera, "event=alarm refusal=%s",
                  cm_refusal_name(refusal));
    if (service->config.on_alarm != NULL)
        service->config.on_alarm(service->config.owner, camera, refusal);
}

/* ---- jobs ---- */

void transcode_job_free(transcode_worker *worker, transcode_job *job)
{
    cm_list_remove(&job->node);
    worker->jobs--;
    cm_frame_release(job->frame, worker->service->loop_index);
    cm_secret_wipe(job->delegation, sizeof job->delegation);
    free(job);
}

/*
 * By the lease of any of those who listen: the first that admits it. A lease that is over, or has
 * not the right, gives nothing and is no alarm; its owner gets another one, or leaves.
 */
static cm_status delegate(transcode_lane *lane, const cm_frame *frame, cm_sealer *sealer,
                          transcode_job *job)
{
    cm_transcode_service *service = lane->owner->config.service;
    const cm_instant now = cm_loop_now(service->config.loop);
    CM_LIST_EACH(&lane->ears, node, next)
    {
        const cm_transcode_ear *ear = CM_HOLDER(node, cm_transcode_ear, node);
        cm_refusal refusal = CM_REFUSAL_NONE;
        if (cm_delegate_sound(ear->lease, &lane->cursor, frame, sealer, now, job->delegation,
                              &job->number, &refusal) == CM_OK)
            return CM_OK;
        if (cm_refusal_is_alarm(refusal))
            note_refusal(service, &lane->owner->config.camera, refusal);
    }
    return CM_REFUSE;
}

/* The frame of two cameras mixed up on the way: the one before comes in the place of this one. */
static cm_frame *chosen_frame(cm_transcode_service *service, cm_frame *frame)
{
    cm_frame *stray = service->stray;
    const bool is_other = stray != NULL && !cm_camera_key_equal(&stray->camera, &frame->camera);
    return is_other && CM_FAULT(HELPER_MIX) ? stray : frame;
}

static void keep_stray(cm_transcode_service *service, cm_frame *frame)
{
#ifdef CM_FAULT_INJECTION
    cm_frame_hold(frame, service->loop_index);
    cm_frame_release(service->stray, service->loop_index);
    service->stray = frame;
#else
    (void)service;
    (void)frame;
#endif
}

void transcode_feed(transcode_lane *lane, cm_frame *frame)
{
    cm_transcode_service *service = lane->owner->config.service;
    cm_sealer *sealer = cm_source_frame_sealer(lane->source);
    transcode_job *job = NULL;
    if (sealer != NULL && transcode_worker_has_room(lane->worker))
        job = calloc(1, sizeof *job);
    if (job == NULL) {
        service->counters.dropped++;
        return;
    }
    if (delegate(lane, frame, sealer, job) != CM_OK) {
        free(job);
        return;
    }
    job->id = ++service->last_job;
    job->lane = lane;
    job->lane_number = lane->number;
    job->epoch = cm_sealer_epoch(sealer);
    job->captured = frame->captured;
    job->media_time = frame->media_time;
    job->frame = chosen_frame(service, frame);
    cm_frame_hold(job->frame, service->loop_index);
    keep_stray(service, frame);
    service->counters.given++;
    transcode_worker_take(lane->worker, job);
}

/* ---- answers ---- */

/* What it says of itself is what was asked for; its seal is proved by each who hears it. */
static bool is_the_one(const transcode_job *job, const cm_frame *made)
{
    return cm_camera_key_equal(&made->camera, &job->lane->owner->config.camera) &&
           made->stream == job->lane->stream && made->kind == CM_OBJECT_FRAME &&
           made->epoch == job->epoch && made->number == job->number &&
           made->captured.us == job->captured.us && made->media_time == job->media_time;
}

/* CM_FOREIGN: it is another than what was asked for. CM_RETRY: its epoch is over. */
static cm_status publish(transcode_worker *worker, const transcode_job *job, cm_slice wire)
{
    cm_frame *made = NULL;
    CM_TRY(cm_frame_read(wire, worker->service->loop_index, &made));
    if (!CM_FAULT(SEALING_OFF) && !is_the_one(job, made)) {
        cm_frame_release(made, worker->service->loop_index);
        return CM_FOREIGN;
    }
    return cm_source_put_made(job->lane->source, made);
}

static void count(cm_transcode_service *service, const transcode_job *job, cm_status status)
{
    switch (status) {
    case CM_OK:
        service->counters.made++;
        break;
    case CM_ABSENT: /* nothing was full yet */
        break;
    case CM_RETRY:
        service->counters.dropped++;
        break;
    case CM_FOREIGN:
        note_refusal(service, &job->lane->owner->config.camera, CM_REFUSAL_FOREIGN);
        break;
    default:
        service->counters.failed++;
        break;
    }
}

void transcode_job_finish(transcode_worker *worker, transcode_job *job,
                          const cm_helper_answer *answer)
{
    if (job->lane != NULL) {
        cm_status status = answer->status;
        if (status == CM_OK)
            status = publish(worker, job, answer->still);
        if (job->lane != NULL) /* who hears it may have left */
            count(worker->service, job, status);
    }
    transcode_job_free(worker, job);
}
