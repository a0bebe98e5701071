/* One helper process per home: started, fed, watched, ended. */
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "egress/still/still_priv.h"

enum {
    IDLE_S = 60,
    START_S = 2, /* what a process may take to begin, on top of its first job */
    END_S = 1,   /* between being told to end and being killed */
    TURN_S = 2,  /* a process serves at least so long before another home gets its place */
    REST_MIN_S = 1,
    REST_MAX_S = 30,
    LINGER_S = 60, /* how long the rest last needed is remembered */
};

static void push(still_worker *worker);
static void on_clock(cm_timer *timer);
static void init_helper(still_worker *worker);

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
        init_helper(worker);
        cm_list_init(&worker->queue);
        cm_list_init(&worker->flight);
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

void still_worker_destroy(still_worker *worker)
{
    cm_timer_stop(&worker->clock);
    if (worker->helper.process != NULL)
        worker->service->counters.processes--;
    cm_helper_process_deinit(&worker->helper);
    settle_all(&worker->flight, CM_BROKEN);
    settle_all(&worker->queue, CM_BROKEN);
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
    cm_helper_process_hang_up(&worker->helper); /* it reads the end of the stream */
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
    if (cm_helper_process_start(&worker->helper) != CM_OK) {
        cm_log_home(CM_LOG_ERROR, "still", &worker->home, "event=start-failed");
        rest(worker);
        return;
    }
    service->counters.processes++;
    service->counters.helper_starts++;
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
    cm_helper_process_kill(&worker->helper);
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
        cm_helper_process_kill(&worker->helper);
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
    const int64_t job_us = worker->service->config.job_us + (is_first ? CM_SECONDS(START_S) : 0);
    cm_timer_start(&worker->clock, worker->in_flight > 0 ? job_us : CM_SECONDS(IDLE_S));
}

/* Answers come in the order of the jobs; CM_CLOSE: it does not keep to that. */
static cm_status on_answer(void *owner, const cm_helper_answer *answer)
{
    still_worker *worker = owner;
    CM_ENSURE(!cm_list_is_empty(&worker->flight), CM_CLOSE);
    still_job *job = CM_HOLDER(worker->flight.next, still_job, node);
    CM_ENSURE(job->id == answer->id && answer->status != CM_ABSENT, CM_CLOSE);
    worker->used = cm_loop_now(worker->service->config.loop);
    worker->rest_us = 0;
    still_job_finish(job, answer->status, answer->still);
    watch_time(worker);
    return CM_OK;
}

/* ---- jobs ---- */

/* From the queue to the flight: from here on the job is the helper's. */
static void send_job(still_worker *worker, still_job *job)
{
    const cm_helper_job message = {.id = job->id,
                                   .width = (uint16_t)job->key.width,
                                   .delegation =
                                       cm_slice_over(job->delegation, sizeof job->delegation)};
    if (cm_helper_process_give(&worker->helper, &message, job->frame) != CM_OK) {
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

static void feed(still_worker *worker)
{
    while (cm_helper_process_flush(&worker->helper) == CM_OK) {
        if (worker->in_flight >= STILL_FLIGHT_MAX || cm_list_is_empty(&worker->queue) ||
            must_yield(worker))
            return;
        send_job(worker, CM_HOLDER(worker->queue.next, still_job, node));
    }
}

static void push(still_worker *worker)
{
    if (worker->state != STILL_WORKER_RUNNING)
        return;
    feed(worker);
    if (worker->in_flight == 0 && must_yield(worker))
        tell_to_end(worker);
}

static void on_ready(void *owner)
{
    push(owner);
}

static void on_lost(void *owner, const char *cause)
{
    kill_process(owner, cause);
}

static void on_exit_of_process(void *owner, int status)
{
    still_worker *worker = owner;
    cm_still_service *service = worker->service;
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

static void init_helper(still_worker *worker)
{
    const cm_helper_process_config config = {.loop = worker->service->config.loop,
                                             .path = worker->service->helper_path,
                                             .work = "still",
                                             .on_answer = on_answer,
                                             .on_ready = on_ready,
                                             .on_lost = on_lost,
                                             .on_exit = on_exit_of_process,
                                             .owner = worker};
    cm_helper_process_init(&worker->helper, &config);
}
