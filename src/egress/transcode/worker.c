/* One helper process per home with listeners: started, fed, watched, ended. */
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "egress/transcode/transcode_priv.h"

enum {
    IDLE_S = 5, /* without a listener */
    JOB_S = 3,
    END_S = 1, /* between being told to end and being killed */
    REST_MIN_S = 1,
    REST_MAX_S = 30,
};

static void push(transcode_worker *worker);

/* ---- life ---- */

static transcode_worker *find(cm_transcode_service *service, const cm_home_id *home)
{
    CM_LIST_EACH(&service->workers, node, next)
    {
        transcode_worker *worker = CM_HOLDER(node, transcode_worker, node);
        if (cm_home_id_equal(&worker->home, home))
            return worker;
    }
    return NULL;
}

static void drop_all(transcode_worker *worker, cm_list *jobs)
{
    while (!cm_list_is_empty(jobs)) {
        transcode_job *job = CM_HOLDER(jobs->next, transcode_job, node);
        const cm_helper_answer failed = {.status = CM_BROKEN};
        transcode_job_finish(worker, job, &failed);
    }
}

void transcode_worker_destroy(transcode_worker *worker)
{
    cm_timer_stop(&worker->clock);
    if (worker->helper.process != NULL)
        worker->service->counters.processes--;
    cm_helper_process_deinit(&worker->helper);
    drop_all(worker, &worker->flight);
    drop_all(worker, &worker->queue);
    cm_list_remove(&worker->node);
    free(worker);
}

/* ---- start and end ---- */

static void rest(transcode_worker *worker)
{
    worker->rest_us *= 2;
    if (worker->rest_us < CM_SECONDS(REST_MIN_S))
        worker->rest_us = CM_SECONDS(REST_MIN_S);
    if (worker->rest_us > CM_SECONDS(REST_MAX_S))
        worker->rest_us = CM_SECONDS(REST_MAX_S);
    worker->state = TRANSCODE_RESTING;
    cm_timer_start(&worker->clock, worker->rest_us);
}

static void start(transcode_worker *worker)
{
    cm_transcode_service *service = worker->service;
    const bool is_full = service->counters.processes >= service->config.processes_max;
    if (is_full || cm_helper_process_start(&worker->helper) != CM_OK) {
        cm_log_home(CM_LOG_ERROR, "transcode", &worker->home, "event=start-failed cause=%s",
                    is_full ? "too-many" : "process");
        rest(worker);
        return;
    }
    service->counters.processes++;
    service->counters.helper_starts++;
    worker->state = TRANSCODE_RUNNING;
    worker->was_told = false;
    cm_timer_stop(&worker->clock);
}

static void kill_process(transcode_worker *worker, const char *cause)
{
    cm_log_home(CM_LOG_WARN, "transcode", &worker->home, "event=helper-killed cause=%s", cause);
    worker->state = TRANSCODE_ENDING;
    cm_timer_stop(&worker->clock);
    cm_helper_process_kill(&worker->helper);
}

static void tell_to_end(transcode_worker *worker)
{
    worker->was_told = true;
    worker->state = TRANSCODE_ENDING;
    cm_helper_process_hang_up(&worker->helper);
    cm_timer_start(&worker->clock, CM_SECONDS(END_S));
}

static void on_clock(cm_timer *timer)
{
    transcode_worker *worker = CM_HOLDER(timer, transcode_worker, clock);
    switch (worker->state) {
    case TRANSCODE_OFF:
        transcode_worker_destroy(worker);
        break;
    case TRANSCODE_RUNNING:
        if (!cm_list_is_empty(&worker->flight))
            kill_process(worker, "time");
        else if (worker->lanes == 0)
            tell_to_end(worker);
        break;
    case TRANSCODE_ENDING:
        cm_helper_process_kill(&worker->helper);
        break;
    case TRANSCODE_RESTING:
        worker->state = TRANSCODE_OFF;
        if (worker->lanes > 0)
            start(worker);
        else
            cm_timer_start(timer, CM_SECONDS(REST_MAX_S)); /* how long the rest is remembered */
        break;
    }
}

/* Of the oldest job, or of having nothing to do. */
static void watch_time(transcode_worker *worker)
{
    if (!cm_list_is_empty(&worker->flight))
        cm_timer_start(&worker->clock, CM_SECONDS(JOB_S));
    else if (worker->lanes == 0)
        cm_timer_start(&worker->clock, CM_SECONDS(IDLE_S));
    else
        cm_timer_stop(&worker->clock);
}

/* ---- the process ---- */

/* Answers come in the order of the jobs. */
static cm_status on_answer(void *owner, const cm_helper_answer *answer)
{
    transcode_worker *worker = owner;
    CM_ENSURE(!cm_list_is_empty(&worker->flight), CM_CLOSE);
    transcode_job *job = CM_HOLDER(worker->flight.next, transcode_job, node);
    CM_ENSURE(job->id == answer->id, CM_CLOSE);
    worker->rest_us = 0;
    transcode_job_finish(worker, job, answer);
    watch_time(worker);
    return CM_OK;
}

static void on_ready(void *owner)
{
    push(owner);
}

static void on_lost(void *owner, const char *cause)
{
    kill_process(owner, cause);
}

/* What its codecs remembered is gone: lanes begin anew, and are never another's before. */
static void on_exit_of_process(void *owner, int status)
{
    transcode_worker *worker = owner;
    worker->service->counters.processes--;
    drop_all(worker, &worker->flight);
    drop_all(worker, &worker->queue);
    if (!worker->was_told) {
        worker->service->counters.helper_deaths++;
        cm_log_home(CM_LOG_WARN, "transcode", &worker->home, "event=helper-died status=%d", status);
        rest(worker);
        return;
    }
    worker->state = TRANSCODE_OFF;
    if (worker->lanes > 0)
        start(worker);
    else
        cm_timer_start(&worker->clock, CM_SECONDS(IDLE_S));
}

/* ---- lanes ---- */

static cm_status create(cm_transcode_service *service, const cm_home_id *home,
                        transcode_worker **out)
{
    transcode_worker *worker = calloc(1, sizeof *worker);
    CM_ENSURE(worker != NULL, CM_BROKEN);
    const cm_helper_process_config config = {.loop = service->config.loop,
                                             .path = service->helper_path,
                                             .work = "transcode",
                                             .on_answer = on_answer,
                                             .on_ready = on_ready,
                                             .on_lost = on_lost,
                                             .on_exit = on_exit_of_process,
                                             .owner = worker};
    worker->service = service;
    worker->home = *home;
    cm_helper_process_init(&worker->helper, &config);
    cm_list_init(&worker->queue);
    cm_list_init(&worker->flight);
    cm_timer_init(&worker->clock, service->config.loop, on_clock);
    cm_list_add_last(&service->workers, &worker->node);
    *out = worker;
    return CM_OK;
}

cm_status transcode_worker_enter(transcode_lane *lane)
{
    cm_transcode_service *service = lane->owner->config.service;
    const cm_home_id *home = &lane->owner->config.camera.home;
    transcode_worker *worker = find(service, home);
    if (worker == NULL)
        CM_TRY(create(service, home, &worker));
    worker->lanes++;
    lane->worker = worker;
    lane->number = ++worker->last_lane;
    if (worker->state == TRANSCODE_OFF)
        start(worker);
    else if (worker->state == TRANSCODE_RUNNING)
        watch_time(worker);
    return CM_OK;
}

static void forget_lane(cm_list *jobs, const transcode_lane *lane)
{
    CM_LIST_EACH(jobs, node, next)
    {
        transcode_job *job = CM_HOLDER(node, transcode_job, node);
        if (job->lane == lane)
            job->lane = NULL;
    }
}

void transcode_worker_leave(transcode_lane *lane)
{
    transcode_worker *worker = lane->worker;
    forget_lane(&worker->queue, lane);
    forget_lane(&worker->flight, lane);
    lane->worker = NULL;
    worker->lanes--;
    if (worker->state == TRANSCODE_RUNNING)
        watch_time(worker);
}

/* ---- jobs ---- */

bool transcode_worker_has_room(const transcode_worker *worker)
{
    return worker->state == TRANSCODE_RUNNING && worker->jobs < JOBS_MAX;
}

void transcode_worker_take(transcode_worker *worker, transcode_job *job)
{
    cm_list_add_last(&worker->queue, &job->node);
    worker->jobs++;
    push(worker);
}

/* From the queue to the flight: from here on the job is the helper's. */
static void send_job(transcode_worker *worker, transcode_job *job)
{
    const cm_helper_job message = {.id = job->id,
                                   .lane = job->lane_number,
                                   .delegation =
                                       cm_slice_over(job->delegation, sizeof job->delegation)};
    if (cm_helper_process_give(&worker->helper, &message, job->frame) != CM_OK) {
        const cm_helper_answer failed = {.status = CM_BROKEN};
        transcode_job_finish(worker, job, &failed);
        return;
    }
    cm_frame_release(job->frame, worker->service->loop_index);
    job->frame = NULL;
    cm_secret_wipe(job->delegation, sizeof job->delegation);
    cm_list_remove(&job->node);
    const bool is_first = cm_list_is_empty(&worker->flight);
    cm_list_add_last(&worker->flight, &job->node);
    if (is_first)
        watch_time(worker);
}

static void push(transcode_worker *worker)
{
    if (worker->state != TRANSCODE_RUNNING)
        return;
    while (cm_helper_process_flush(&worker->helper) == CM_OK && !cm_list_is_empty(&worker->queue))
        send_job(worker, CM_HOLDER(worker->queue.next, transcode_job, node));
}
