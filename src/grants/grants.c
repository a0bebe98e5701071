/* Creating, changes, and what is counted. */
#include "grants/grants.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "grants/grants_priv.h"

enum { CAMERAS_MAX = 10000, SESSIONS_MAX = 10000, SESSIONS_PER_ACCOUNT = 64 };

static void look_outside(cm_timer *timer);

/* The clock read anew, as that of the wall is: a turn that takes long is no jump. */
static int64_t wall_ahead(const cm_loop *control)
{
    return cm_loop_wall(control).us - cm_loop_read_now(control).us;
}

cm_status cm_grants_create(const cm_grants_config *config, cm_grants **out)
{
    cm_grants *grants = calloc(1, sizeof *grants);
    CM_ENSURE(grants != NULL, CM_BROKEN);
    grants->config = *config;
    atomic_init(&grants->holds, 1);
    if (grants->config.cameras_max == 0)
        grants->config.cameras_max = CAMERAS_MAX;
    if (grants->config.viewer_sessions_max == 0)
        grants->config.viewer_sessions_max = SESSIONS_MAX;
    if (grants->config.viewer_sessions_per_account == 0)
        grants->config.viewer_sessions_per_account = SESSIONS_PER_ACCOUNT;
    grants->wall_ahead_us = wall_ahead(config->control);
    cm_random_fill(cm_loop_random(config->control), grants->root.bytes, sizeof grants->root.bytes);
    for (size_t i = 0; i < CM_GRANTS_BUCKETS; i++)
        cm_list_init(&grants->cameras[i]);
    cm_list_init(&grants->viewers);
    cm_list_init(&grants->undecided);
    cm_list_init(&grants->changes);
    /* The first round need not wait. */
    grants->decided = cm_instant_after(cm_loop_now(config->control), -CM_GRANTS_COALESCE_US);
    cm_timer_init(&grants->decide_timer, config->control, cm_grants_decide_due);
    cm_timer_init(&grants->ask_timer, config->control, cm_grants_ask_due);
    cm_timer_init(&grants->outside_timer, config->control, look_outside);
    cm_timer_start(&grants->outside_timer, CM_GRANTS_OUTSIDE_US);
    *out = grants;
    return CM_OK;
}

void cm_grants_hold(cm_grants *grants)
{
    atomic_fetch_add(&grants->holds, 1);
}

static void release(cm_grants *grants)
{
    if (atomic_fetch_sub(&grants->holds, 1) > 1)
        return;
    cm_secret_clear(&grants->root);
    free(grants);
}

bool cm_grants_arrived(cm_grants *grants)
{
    const bool is_there = !grants->is_destroyed;
    release(grants);
    return is_there;
}

/* ---- changes ---- */

/* A change on its way to the control loop, then one whose `done` waits for its sessions. */
typedef struct waiting {
    cm_task task;
    cm_list node;
    cm_grants *grants;
    cm_change change;
    uint64_t number; /* sessions put in the queue up to this one are waited for */
    cm_task *done;
} waiting;

static bool is_any(const char text[CM_ID_SIZE])
{
    return text[0] == '\0';
}

static bool has_same_token(const cm_viewer_session *session, const cm_change *change)
{
    return cm_secret_equal(
        cm_slice_over(session->ask.asker.token_hash, sizeof session->ask.asker.token_hash),
        cm_slice_over(change->token_hash, sizeof change->token_hash));
}

static bool was_raised(const cm_change *change, const cm_camera_key *key)
{
    for (size_t i = 0; i < change->raised_count; i++)
        if (cm_camera_key_equal(&change->raised[i].camera, key))
            return true;
    return false;
}

/* May the session's decision be another one after this change? Whoever watches a camera whose keys
 * turned needs a new lease in any case. */
static bool concerns(const cm_change *change, const cm_viewer_session *session)
{
    if (was_raised(change, &session->ask.camera))
        return true;
    if (!is_any(change->home.text) && !cm_home_id_equal(&change->home, &session->ask.camera.home))
        return false;
    if (!is_any(change->camera.text) &&
        !cm_camera_id_equal(&change->camera, &session->ask.camera.camera))
        return false;
    if (change->has_token)
        return has_same_token(session, change);
    /* Before its first chain was read nobody knows whose session it is. */
    return is_any(change->account.text) || !session->is_allowed ||
           cm_account_id_equal(&change->account, &session->account);
}

/* The page first: from here on nothing opens or is sealed under the old epochs. */
static void publish(cm_grants *grants, const cm_change *change)
{
    for (size_t i = 0; i < change->raised_count; i++) {
        cm_grants_camera *camera = cm_grants_find_camera(grants, &change->raised[i].camera);
        if (camera != NULL && cm_grants_publish(grants, camera, change->raised[i].min_epoch))
            grants->counters.turns++;
    }
}

static void turn_sources(cm_grants *grants, const cm_change *change)
{
    for (size_t i = 0; i < change->raised_count; i++) {
        cm_grants_camera *camera = cm_grants_find_camera(grants, &change->raised[i].camera);
        if (camera != NULL)
            cm_grants_make_sets(grants, camera);
    }
}

static void doubt_concerned(cm_grants *grants, const cm_change *change)
{
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, node);
        if (!session->is_ended && concerns(change, session))
            cm_grants_doubt(session);
    }
}

static void apply(cm_grants *grants, const cm_change *change)
{
    publish(grants, change);
    doubt_concerned(grants, change);
    turn_sources(grants, change);
}

static void changed_run(cm_task *task)
{
    waiting *w = CM_HOLDER(task, waiting, task);
    cm_grants *grants = w->grants;
    if (!cm_grants_arrived(grants)) {
        cm_change_clear(&w->change);
        free(w);
        return;
    }
    apply(grants, &w->change);
    cm_change_clear(&w->change);
    w->number = grants->last_number;
    cm_list_add_last(&grants->changes, &w->node);
    cm_grants_settle(grants);
}

void cm_grants_changed(cm_grants *grants, const cm_change *change, cm_task *done)
{
    waiting *w = calloc(1, sizeof *w);
    assert(w != NULL);
    *w = (waiting){.task = {.run = changed_run}, .grants = grants, .done = done};
    cm_list_init(&w->node);
    const cm_status status = cm_change_copy(change, &w->change);
    assert(status == CM_OK);
    (void)status;
    cm_grants_hold(grants);
    cm_loop_post(grants->config.control, &w->task);
}

uint64_t cm_grants_first_undecided(const cm_grants *grants)
{
    if (cm_list_is_empty(&grants->undecided))
        return UINT64_MAX;
    return CM_HOLDER(grants->undecided.next, cm_viewer_session, queue_node)->queue_number;
}

void cm_grants_settle(cm_grants *grants)
{
    const uint64_t first = cm_grants_first_undecided(grants);
    CM_LIST_EACH(&grants->changes, node, next)
    {
        waiting *w = CM_HOLDER(node, waiting, node);
        if (first <= w->number)
            return; /* later changes wait for at least as much */
        cm_list_remove(&w->node);
        if (w->done != NULL)
            cm_loop_post(grants->config.control, w->done);
        free(w);
    }
}

/* ---- changes by other processes ---- */

typedef struct outside_job {
    cm_job job;
    cm_grants *grants;
    cm_status status;
    int64_t seen;
    bool has_changed;
    cm_change change;
} outside_job;

static void outside_work(cm_job *job)
{
    outside_job *outside = CM_HOLDER(job, outside_job, job);
    outside->status = cm_store_outside_changes(outside->grants->config.store, &outside->seen,
                                               &outside->has_changed, &outside->change);
}

static void outside_done(cm_job *job)
{
    outside_job *outside = CM_HOLDER(job, outside_job, job);
    cm_grants *grants = outside->grants;
    if (cm_grants_arrived(grants)) {
        grants->is_looking_outside = false;
        grants->seen_outside = outside->seen;
        if (outside->status == CM_OK && outside->has_changed)
            apply(grants, &outside->change);
    }
    cm_change_clear(&outside->change);
    free(outside);
}

/* Leases were given by another time of the day. A clock that is brought nearer bit by bit adds up
 * to a jump at last. */
static void look_at_clock(cm_grants *grants)
{
    const int64_t ahead = wall_ahead(grants->config.control);
    const int64_t moved = ahead - grants->wall_ahead_us;
    if (moved > -CM_GRANTS_JUMP_US && moved < CM_GRANTS_JUMP_US)
        return;
    cm_log(CM_LOG_WARN, "grants", "event=clock-jumped by_ms=%lld", (long long)(moved / CM_MS(1)));
    grants->wall_ahead_us = ahead;
    cm_grants_clock_jumped(grants);
}

static void look_outside(cm_timer *timer)
{
    cm_grants *grants = CM_HOLDER(timer, cm_grants, outside_timer);
    cm_timer_start(timer, CM_GRANTS_OUTSIDE_US);
    look_at_clock(grants);
    if (grants->is_looking_outside)
        return;
    outside_job *outside = calloc(1, sizeof *outside);
    if (outside == NULL)
        return; /* looked at again in a second */
    *outside = (outside_job){.job = {.work = outside_work, .done = outside_done},
                             .grants = grants,
                             .seen = grants->seen_outside};
    if (cm_loop_submit_lane(grants->config.control, CM_STORE_LANE, &outside->job) != CM_OK) {
        free(outside);
        return;
    }
    cm_grants_hold(grants);
    grants->is_looking_outside = true;
}

/* ---- the rest ---- */

void cm_grants_each_viewer(cm_grants *grants, const cm_home_id *home,
                           void (*each)(void *owner, const cm_watching *watching), void *owner)
{
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        const cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, node);
        if (session->is_allowed && session->watching.streams != 0 &&
            (is_any(home->text) || cm_home_id_equal(&session->watching.camera.home, home)))
            each(owner, &session->watching);
    }
}

void cm_grants_read_counters(const cm_grants *grants, cm_grants_counters *out)
{
    *out = grants->counters;
    out->sessions_now = atomic_load(&grants->sessions);
}

void cm_grants_destroy(cm_grants *grants)
{
    if (grants == NULL)
        return;
    cm_timer_stop(&grants->decide_timer);
    cm_timer_stop(&grants->ask_timer);
    cm_timer_stop(&grants->outside_timer);
    CM_LIST_EACH(&grants->changes, node, next)
    free(CM_HOLDER(node, waiting, node));
    cm_grants_free_cameras(grants);
    grants->is_destroyed = true;
    release(grants);
}
