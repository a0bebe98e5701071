/* Asks: who may have which still, who waits together, and what is answered. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/secret.h"
#include "egress/still/still_priv.h"

enum {
    PROCESSES_DEFAULT = 16,
    CACHE_BYTES_DEFAULT = 32 * 1024 * 1024,
    JOB_S = 3,
    QUEUE_PATIENCE_S = 10, /* longer than any start and job; shorter than a person waits */
};

struct cm_still_request {
    cm_list node; /* in a job's requests or in the service's due */
    cm_still_service *service;
    still_job *job; /* NULL once it is due */
    cm_stream stream;
    const cm_lease *lease;
    cm_still_done *done;
    void *owner;
    cm_status status;
    cm_frame *still; /* held */
};

/* ---- life ---- */

static void answer_due(cm_timer *timer);

static cm_status configure(cm_still_service *service, const cm_still_config *config)
{
    service->config = *config;
    if (config->processes_max == 0)
        service->config.processes_max = PROCESSES_DEFAULT;
    if (config->patience_us == 0)
        service->config.patience_us = CM_SECONDS(QUEUE_PATIENCE_S);
    if (config->job_us == 0)
        service->config.job_us = CM_SECONDS(JOB_S);
    service->loop_index = cm_loop_index(config->loop);
    still_cache_init(&service->cache,
                     config->cache_bytes_max > 0 ? config->cache_bytes_max : CACHE_BYTES_DEFAULT,
                     service->loop_index);
    cm_list_init(&service->workers);
    cm_list_init(&service->due);
    cm_buffer_init(&service->stray, CM_HELPER_ANSWER_MAX);
    cm_timer_init(&service->answer, config->loop, answer_due);
    CM_TRY(cm_helper_path(config->helper_path, service->helper_path, sizeof service->helper_path));
    return cm_fanout_create(&service->fanout);
}

cm_status cm_still_service_create(const cm_still_config *config, cm_still_service **out)
{
    cm_still_service *service = calloc(1, sizeof *service);
    CM_ENSURE(service != NULL, CM_BROKEN);
    const cm_status status = configure(service, config);
    if (status != CM_OK) {
        free(service);
        return status;
    }
    *out = service;
    return CM_OK;
}

void cm_still_service_destroy(cm_still_service *service)
{
    if (service == NULL)
        return;
    while (!cm_list_is_empty(&service->workers))
        still_worker_destroy(CM_HOLDER(service->workers.next, still_worker, node));
    answer_due(&service->answer);
    cm_timer_stop(&service->answer);
    still_cache_deinit(&service->cache);
    cm_buffer_deinit(&service->stray);
    cm_fanout_destroy(service->fanout);
    free(service);
}

cm_status cm_still_service_warm(cm_still_service *service, const cm_home_id *home)
{
    still_worker *worker = NULL;
    CM_TRY(still_worker_get(service, home, &worker));
    still_worker_warm(worker);
    return CM_OK;
}

void cm_still_read_counters(const cm_still_service *service, cm_still_counters *out)
{
    *out = service->counters;
    out->cached_bytes = service->cache.bytes;
}

/* ---- refusals ---- */

void still_alarm(cm_still_service *service, const cm_camera_key *camera, cm_refusal refusal)
{
    cm_log_camera(CM_LOG_ERROR, "still", camera, "event=alarm refusal=%s",
                  cm_refusal_name(refusal));
    if (service->config.on_alarm != NULL)
        service->config.on_alarm(service->config.owner, camera, refusal);
}

static void note_refusal(cm_still_service *service, const cm_camera_key *camera, cm_refusal refusal)
{
    service->counters.refused++;
    if (cm_refusal_is_alarm(refusal))
        still_alarm(service, camera, refusal);
}

/* ---- answers ---- */

static void settle(cm_still_request *request, cm_status status, cm_frame *still)
{
    cm_still_service *service = request->service;
    if (still != NULL)
        cm_frame_hold(still, service->loop_index);
    request->still = still;
    request->status = status;
    request->job = NULL;
    cm_list_remove(&request->node);
    cm_list_add_last(&service->due, &request->node);
    cm_timer_start(&service->answer, 0);
}

static void answer_due(cm_timer *timer)
{
    cm_still_service *service = CM_HOLDER(timer, cm_still_service, answer);
    cm_list round;
    cm_list_init(&round);
    while (!cm_list_is_empty(&service->due)) {
        cm_list *node = service->due.next;
        cm_list_remove(node);
        cm_list_add_last(&round, node);
    }
    /* Those that are asked for inside come in the next turn. */
    while (!cm_list_is_empty(&round)) {
        cm_still_request *request = CM_HOLDER(round.next, cm_still_request, node);
        const cm_cursor cursor = cm_cursor_begin(request->stream, CM_OBJECT_STILL);
        const cm_still_request answered = *request;
        cm_list_remove(&request->node);
        free(request);
        answered.done(answered.owner, answered.status, answered.still,
                      answered.status == CM_OK ? &cursor : NULL);
    }
}

void cm_still_cancel(cm_still_request *request)
{
    if (request == NULL)
        return;
    still_job *job = request->job;
    cm_list_remove(&request->node);
    cm_frame_release(request->still, request->service->loop_index);
    free(request);
    if (job == NULL)
        return;
    job->worker->requests--;
    /* What nobody waits for is not begun. */
    if (cm_list_is_empty(&job->requests) && job->frame != NULL)
        still_job_free(job);
}

/* ---- jobs ---- */

void still_job_free(still_job *job)
{
    cm_timer_stop(&job->patience);
    cm_list_remove(&job->node);
    if (job->frame != NULL)
        job->worker->queued--;
    else
        job->worker->in_flight--;
    cm_frame_release(job->frame, job->worker->service->loop_index);
    cm_secret_wipe(job->delegation, sizeof job->delegation);
    free(job);
}

void still_job_settle(still_job *job, cm_status status, cm_frame *still)
{
    cm_still_counters *counters = &job->worker->service->counters;
    if (status == CM_OK)
        counters->made++;
    else
        counters->failed++;
    while (!cm_list_is_empty(&job->requests)) {
        job->worker->requests--;
        settle(CM_HOLDER(job->requests.next, cm_still_request, node), status, still);
    }
    still_job_free(job);
}

static bool never_take(void *owner, const cm_opened_frame *opened)
{
    (void)owner;
    (void)opened;
    return false;
}

/* Opens the still as those who wait for it will. CM_RETRY: none of their leases is live any more.
 */
static cm_status prove(still_job *job, const cm_frame *still, cm_refusal *refusal)
{
    cm_still_service *service = job->worker->service;
    CM_LIST_EACH(&job->requests, node, next)
    {
        const cm_still_request *request = CM_HOLDER(node, cm_still_request, node);
        cm_cursor cursor = cm_cursor_begin(job->key.stream, CM_OBJECT_STILL);
        cm_fanout_viewer viewer = {.lease = request->lease, .cursor = &cursor};
        cm_fanout_open(service->fanout, still, cm_loop_now(service->config.loop), &viewer, 1,
                       never_take);
        *refusal = viewer.refusal;
        if (viewer.refusal == CM_REFUSAL_NONE)
            return CM_OK;
        if (viewer.refusal != CM_REFUSAL_STALE)
            return CM_FOREIGN;
    }
    return CM_RETRY;
}

/* What it says of itself is what was asked for. */
static bool is_the_one(const still_job *job, const cm_frame *still)
{
    return cm_camera_key_equal(&still->camera, &job->key.camera) &&
           still->stream == job->key.stream && still->kind == CM_OBJECT_STILL &&
           still->epoch == job->still_epoch && still->number == job->still_number &&
           still->flags == CM_FRAME_KEYFRAME && still->captured.us == job->captured.us &&
           still->media_time == job->media_time;
}

static cm_status judge(still_job *job, const cm_frame *still, cm_refusal *refusal)
{
    if (CM_FAULT(SEALING_OFF))
        return CM_OK;
    *refusal = CM_REFUSAL_FOREIGN;
    CM_ENSURE(is_the_one(job, still), CM_FOREIGN);
    return prove(job, still, refusal);
}

#ifdef CM_FAULT_INJECTION
/* Answers of two jobs mixed up: the one before comes in the place of this one, if it fires. */
static cm_status read_still(cm_still_service *service, cm_slice wire, cm_frame **out)
{
    cm_frame *mine = NULL;
    CM_TRY(cm_frame_read(wire, service->loop_index, &mine));
    *out = mine;
    if (CM_FAULT(HELPER_MIX) &&
        cm_frame_read(cm_buffer_data(&service->stray), service->loop_index, out) == CM_OK)
        cm_frame_release(mine, service->loop_index);
    cm_buffer_clear(&service->stray);
    return cm_buffer_add(&service->stray, wire);
}
#else
static cm_status read_still(cm_still_service *service, cm_slice wire, cm_frame **out)
{
    return cm_frame_read(wire, service->loop_index, out);
}
#endif

void still_job_finish(still_job *job, cm_status status, cm_slice wire)
{
    cm_still_service *service = job->worker->service;
    cm_frame *still = NULL;
    cm_refusal refusal = CM_REFUSAL_SEAL; /* the helper could not open what it was given */
    if (status == CM_OK)
        status =
            read_still(service, wire, &still) == CM_OK ? judge(job, still, &refusal) : CM_BROKEN;
    if (status == CM_FOREIGN)
        note_refusal(service, &job->key.camera, refusal);
    if (status == CM_OK && !job->is_forgotten)
        still_cache_put(&service->cache, &job->key, still);
    if (status == CM_RETRY)
        status = CM_FOREIGN; /* nobody is left whose lease would open it */
    still_job_settle(job, status, status == CM_OK ? still : NULL);
    cm_frame_release(still, service->loop_index);
}

static void out_of_patience(cm_timer *timer)
{
    still_job *job = CM_HOLDER(timer, still_job, patience);
    cm_log_home(CM_LOG_WARN, "still", &job->key.camera.home, "event=timeout");
    still_job_settle(job, CM_BROKEN, NULL);
}

/* ---- asking ---- */

typedef struct admission {
    still_key key;
    cm_frame *keyframe;   /* borrowed */
    uint64_t still_epoch; /* of the sealer */
    uint64_t still_number;
    uint8_t delegation[CM_DELEGATION_SIZE];
} admission;

static void join(still_job *job, cm_still_request *request)
{
    request->job = job;
    job->worker->requests++;
    cm_list_add_last(&job->requests, &request->node);
}

static still_job *find_job(still_worker *worker, const admission *a)
{
    cm_list *const places[] = {&worker->queue, &worker->flight};
    for (size_t i = 0; i < CM_COUNT(places); i++) {
        CM_LIST_EACH(places[i], node, next)
        {
            still_job *job = CM_HOLDER(node, still_job, node);
            if (still_key_equal(&job->key, &a->key) && job->still_epoch == a->still_epoch &&
                !job->is_forgotten)
                return job;
        }
    }
    return NULL;
}

static cm_status make_job(still_worker *worker, const admission *a, still_job **out)
{
    CM_ENSURE(worker->queued < STILL_QUEUE_MAX, CM_FULL);
    cm_still_service *service = worker->service;
    still_job *job = malloc(sizeof *job);
    CM_ENSURE(job != NULL, CM_BROKEN);
    *job = (still_job){.worker = worker,
                       .id = ++service->next_job,
                       .key = a->key,
                       .frame = a->keyframe,
                       .still_number = a->still_number,
                       .still_epoch = a->still_epoch,
                       .captured = a->keyframe->captured,
                       .media_time = a->keyframe->media_time};
    cm_writer w = cm_writer_over(job->delegation, sizeof job->delegation);
    cm_write_slice(&w, cm_slice_over(a->delegation, sizeof a->delegation));
    cm_frame_hold(job->frame, service->loop_index);
    cm_list_init(&job->node);
    cm_list_init(&job->requests);
    cm_timer_init(&job->patience, service->config.loop, out_of_patience);
    cm_timer_start(&job->patience, service->config.patience_us);
    *out = job;
    return CM_OK;
}

/* Joins the job that makes this still, or makes one. */
static cm_status line_up(cm_still_request *request, const admission *a)
{
    still_worker *worker = NULL;
    CM_TRY(still_worker_get(request->service, &a->key.camera.home, &worker));
    CM_ENSURE(worker->requests < STILL_REQUESTS_MAX, CM_FULL);
    still_job *job = find_job(worker, a);
    if (job != NULL) {
        join(job, request);
        return CM_OK;
    }
    CM_TRY(make_job(worker, a, &job));
    join(job, request);
    still_worker_take(worker, job);
    return CM_OK;
}

/*
 * The lease must admit the very keyframe, also when the still is there already: the delegation that
 * proves it is used for a fresh job only, and its number is burnt otherwise.
 */
static cm_status admit(cm_still_request *request, cm_source *source, unsigned width, admission *a)
{
    cm_still_service *service = request->service;
    cm_sealer *stills = cm_source_still_sealer(source);
    a->keyframe = cm_source_keyframe(source);
    CM_ENSURE(stills != NULL && a->keyframe != NULL, CM_ABSENT);
    const cm_cursor cursor = cm_cursor_begin(request->stream, CM_OBJECT_FRAME);
    cm_refusal refusal;
    const cm_status status =
        cm_delegate(request->lease, &cursor, a->keyframe, stills, cm_loop_now(service->config.loop),
                    a->delegation, &a->still_number, &refusal);
    if (status == CM_FOREIGN)
        note_refusal(service, cm_lease_camera(request->lease), refusal);
    CM_TRY(status);
    a->still_epoch = cm_sealer_epoch(stills);
    a->key = (still_key){.camera = *cm_lease_camera(request->lease),
                         .stream = request->stream,
                         .width = width,
                         .epoch = a->keyframe->epoch,
                         .number = a->keyframe->number};
    cm_writer w = cm_writer_over(a->key.instance, sizeof a->key.instance);
    cm_write_slice(&w, cm_slice_over(a->keyframe->instance, sizeof a->keyframe->instance));
    return CM_OK;
}

static void place(cm_still_request *request, cm_source *source, unsigned width)
{
    cm_still_service *service = request->service;
    admission a;
    cm_status status = admit(request, source, width, &a);
    cm_frame *kept = NULL;
    if (status == CM_OK) {
        kept = still_cache_find(&service->cache, &a.key, a.still_epoch);
        if (kept != NULL && CM_FAULT(STILL_SWAP)) {
            cm_frame *other = still_cache_find_foreign(&service->cache, &a.key.camera);
            kept = other != NULL ? other : kept;
        }
        if (kept == NULL)
            status = line_up(request, &a);
    }
    if (kept != NULL)
        service->counters.from_cache++;
    if (kept != NULL || status != CM_OK)
        settle(request, status, kept);
    cm_secret_wipe(&a, sizeof a);
}

cm_status cm_still_ask(cm_still_service *service, cm_source *source, cm_stream stream,
                       const cm_lease *lease, unsigned width, cm_still_done *done, void *owner,
                       cm_still_request **out)
{
    CM_ENSURE(width == 0 || (width >= CM_STILL_WIDTH_MIN && width <= CM_STILL_WIDTH_MAX),
              CM_REFUSE);
    cm_still_request *request = malloc(sizeof *request);
    CM_ENSURE(request != NULL, CM_BROKEN);
    *request = (cm_still_request){
        .service = service, .stream = stream, .lease = lease, .done = done, .owner = owner};
    cm_list_init(&request->node);
    service->counters.asked++;
    place(request, source, width);
    *out = request;
    return CM_OK;
}

void cm_still_forget(cm_still_service *service, const cm_camera_key *camera)
{
    still_cache_forget(&service->cache, camera);
    CM_LIST_EACH(&service->workers, node, next)
    {
        still_worker *worker = CM_HOLDER(node, still_worker, node);
        cm_list *const places[] = {&worker->queue, &worker->flight};
        for (size_t i = 0; i < CM_COUNT(places); i++) {
            CM_LIST_EACH(places[i], job_node, next_job)
            {
                still_job *job = CM_HOLDER(job_node, still_job, node);
                if (cm_camera_key_equal(&job->key.camera, camera))
                    job->is_forgotten = true;
            }
        }
    }
}
