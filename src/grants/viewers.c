/* Viewer sessions: asking, deciding in rounds, leases and ends. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "grants/grants_priv.h"

/* ---- messages to the viewer's loop ---- */

typedef struct viewer_message {
    cm_task task;
    cm_viewer_session *session;
    cm_lease *lease; /* NULL: the end */
    cm_grant_reason reason;
} viewer_message;

static void start_watchdog(cm_viewer_session *session, int64_t after_us)
{
    cm_timer_start(&session->watchdog, after_us > 0 ? after_us : CM_GRANTS_SILENCE_US);
}

static void give_lease(cm_viewer_session *session, cm_lease *lease)
{
    const cm_instant until = cm_lease_until(lease);
    const int64_t left = cm_instant_since(until, cm_loop_now(session->loop));
    start_watchdog(session, left - CM_SECONDS(10));
    session->events.on_lease(session->owner, lease); /* may close the session */
}

static void viewer_run(cm_task *task)
{
    viewer_message *m = CM_HOLDER(task, viewer_message, task);
    cm_viewer_session *session = m->session;
    if (session->is_closed || session->has_ended) {
        cm_lease_destroy(m->lease);
    } else if (m->lease != NULL) {
        give_lease(session, m->lease);
    } else {
        session->has_ended = true;
        cm_timer_stop(&session->watchdog);
        session->events.on_end(session->owner, m->reason);
    }
    free(m);
}

static void send_to_viewer(cm_viewer_session *session, cm_lease *lease)
{
    if (CM_FAULT(GRANTS_DROP_VIEWER)) {
        cm_lease_destroy(lease);
        return;
    }
    viewer_message *m = calloc(1, sizeof *m);
    assert(m != NULL); /* a control object of fixed size */
    *m = (viewer_message){
        .task = {.run = viewer_run}, .session = session, .lease = lease, .reason = session->reason};
    cm_loop_post(session->loop, &m->task);
}

/* ---- what is told of a session ---- */

static void tell(const cm_viewer_session *session, cm_view_event event, cm_rights rights)
{
    const cm_grants *grants = session->grants;
    if (grants->config.on_view == NULL)
        return;
    cm_view view = {.event = event,
                    .now = cm_loop_wall(grants->config.control),
                    .what = session->watching,
                    .rights = rights,
                    .reason = session->reason,
                    .is_cut = session->is_ended,
                    .seen = session->viewing};
    view.what.camera = session->ask.camera;
    view.what.path = session->ask.path;
    view.what.session = session->number;
    grants->config.on_view(grants->config.owner, &view);
}

/* ---- leases and ends ---- */

static void end(cm_viewer_session *session, cm_grant_reason reason)
{
    cm_grants *grants = session->grants;
    const bool is_refusal = !session->has_begun && !session->is_ended;
    if (session->is_allowed)
        grants->counters.cuts++;
    if (!session->is_ended)
        grants->counters.decisions_denied[reason]++;
    session->is_allowed = false;
    session->is_ended = true;
    session->has_facts = false;
    session->reason = reason;
    cm_timer_stop(&session->renewal);
    cm_secret_wipe(&session->facts, sizeof session->facts);
    if (is_refusal)
        tell(session, CM_VIEW_REFUSED, 0);
    send_to_viewer(session, NULL);
}

/* Also right behind the lease's own end, where something else may be allowed. */
static void start_renewal(cm_viewer_session *session, int64_t lease_us)
{
    const uint64_t jitter =
        cm_random_below(cm_loop_random(session->grants->config.control),
                        (uint64_t)(CM_GRANTS_RENEW_MAX_US - CM_GRANTS_RENEW_MIN_US));
    const int64_t wait = CM_GRANTS_RENEW_MIN_US + (int64_t)jitter;
    const int64_t after_end = lease_us + CM_GRANTS_BEHIND_US;
    cm_timer_start(&session->renewal, wait < after_end ? wait : after_end);
}

/*
 * How long a lease of these rights may live: not beyond what the facts are worth, nor beyond the
 * first moment at which one of the rights is not given any more. Wall time is turned into an
 * interval here, and only here: the lease itself ends by CLOCK_BOOTTIME, whatever is done to the
 * wall's clock. That a clock was set is noticed within a second (cm_grants_clock_jumped).
 */
static int64_t lease_us(const cm_viewer_session *session, cm_rights rights)
{
    const cm_wall now = cm_loop_wall(session->grants->config.control);
    const cm_wall full = {.us = now.us + CM_GRANTS_LEASE_US};
    const cm_wall latest = session->expires.us < full.us ? session->expires : full;
    return cm_grant_holds_until(&session->facts, session->zone, now, rights, latest).us - now.us;
}

/* The only place where a stream gets into a lease: by what is allowed, never by what was asked
 * alone. */
static cm_status mint(cm_viewer_session *session, const cm_grants_camera *camera, cm_rights rights,
                      int64_t length_us, cm_lease **out)
{
    const cm_instant now = cm_loop_now(session->grants->config.control);
    const uint32_t streams = session->ask.streams & cm_streams_within(rights);
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    const cm_lease_terms terms = {
        .session = session->number,
        .camera = camera->key,
        .streams = streams,
        .rights = rights,
        .epoch = camera->epoch,
        .from = now,
        .until = cm_instant_after(now, length_us),
        .keys = keys,
        .key_count = cm_grants_collect_keys(camera, streams, keys),
        .viewing = session->viewing,
    };
    const cm_status status = cm_lease_create(&terms, camera->slot, out);
    cm_secret_wipe(keys, sizeof keys);
    return status;
}

static bool is_of_same(const cm_viewer_session *a, const cm_viewer_session *b)
{
    return cm_account_id_equal(&a->watching.account, &b->watching.account) &&
           cm_slice_equal(cm_slice_of(a->watching.link), cm_slice_of(b->watching.link));
}

/* Are as many open as one account, or one guest link, may have? */
static bool has_too_many(const cm_viewer_session *session)
{
    const cm_grants *grants = session->grants;
    const size_t most =
        session->facts.is_guest ? CM_LINK_VIEWERS_MAX : grants->config.viewer_sessions_per_account;
    size_t count = 0;
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        const cm_viewer_session *other = CM_HOLDER(node, cm_viewer_session, node);
        count += other->is_allowed && is_of_same(other, session) ? 1 : 0;
    }
    return count >= most;
}

static void allow(cm_viewer_session *session, cm_rights rights, bool is_renewal)
{
    cm_grants *grants = session->grants;
    if ((session->ask.streams & cm_streams_within(rights)) == 0 &&
        (rights & CM_RIGHT_PUBLISH) == 0) {
        end(session, CM_GRANT_DENIED_NO_GRANT); /* may do something here, but nothing of this */
        return;
    }
    const cm_grants_camera *camera = cm_grants_find_camera(grants, &session->camera);
    if (camera == NULL) {
        end(session, CM_GRANT_DENIED_NO_CAMERA);
        return;
    }
    if (!session->is_allowed && has_too_many(session)) {
        end(session, CM_GRANT_DENIED_TOO_MANY);
        return;
    }
    cm_lease *lease = NULL;
    const int64_t length_us = lease_us(session, rights);
    if (mint(session, camera, rights, length_us, &lease) != CM_OK) {
        cm_log_camera(CM_LOG_ERROR, "grants", &camera->key, "event=no-lease cause=memory");
        cm_timer_start(&session->renewal, CM_GRANTS_RETRY_US);
        return;
    }
    session->watching.streams = session->ask.streams & cm_streams_within(rights);
    if (!session->is_allowed)
        session->watching.since = cm_loop_wall(grants->config.control);
    session->is_allowed = true;
    if (!session->has_begun)
        tell(session, CM_VIEW_BEGAN, rights);
    session->has_begun = true;
    if (is_renewal)
        grants->counters.leases_renewed++;
    else
        grants->counters.leases_minted++;
    start_renewal(session, length_us);
    send_to_viewer(session, lease);
}

/* Decides by the facts in memory. */
static void decide(cm_viewer_session *session, bool is_renewal)
{
    const cm_wall now = cm_loop_wall(session->grants->config.control);
    if (now.us >= session->expires.us)
        session->facts.session_is_live = false;
    const cm_moment moment = cm_zone_at(session->zone, now);
    const cm_grant_decision decision =
        cm_grant_decide(&session->facts, &moment, session->ask.wanted);
    if (decision.is_allowed)
        allow(session, decision.rights, is_renewal);
    else
        end(session, decision.reason);
}

static void renew(cm_timer *timer)
{
    cm_viewer_session *session = CM_HOLDER(timer, cm_viewer_session, renewal);
    if (session->has_facts)
        decide(session, true);
    else
        cm_grants_doubt(session);
}

/* ---- rounds: chains are read from the store in the pool, a batch a job ---- */

typedef struct round_item {
    cm_viewer_session *session;
    uint64_t serial;
    cm_viewer_ask ask;
    cm_status status;
    const char *cause;
    cm_evidence evidence;
} round_item;

typedef struct round_job {
    cm_job job;
    cm_grants *grants;
    cm_wall now;
    size_t count;
    round_item items[CM_GRANTS_BATCH];
} round_job;

static void round_work(cm_job *job)
{
    round_job *round = CM_HOLDER(job, round_job, job);
    for (size_t i = 0; i < round->count; i++) {
        round_item *item = &round->items[i];
        item->status =
            cm_store_evidence(round->grants->config.store, &item->ask.asker, &item->ask.camera,
                              round->now, &item->evidence, &item->cause);
    }
}

static void free_session(cm_viewer_session *session)
{
    cm_viewing_release(session->viewing);
    free(session);
}

static void free_on_its_loop(cm_task *task)
{
    free_session(CM_HOLDER(task, cm_viewer_session, close_task));
}

/* Out of every list; the viewer's loop frees it after whatever is still on its way there. */
static void let_go(cm_viewer_session *session)
{
    cm_timer_stop(&session->renewal);
    cm_list_remove(&session->node);
    cm_list_remove(&session->queue_node);
    atomic_fetch_sub(&session->grants->sessions, 1);
    session->close_task.run = free_on_its_loop;
    cm_loop_post(session->loop, &session->close_task);
}

static void alarm_of(cm_grants *grants, const cm_viewer_session *session, const char *cause)
{
    grants->counters.evidence_alarms++;
    cm_log_camera(CM_LOG_ERROR, "grants", &session->ask.camera, "event=evidence-refused cause=%s",
                  cause);
    if (grants->config.on_alarm != NULL)
        grants->config.on_alarm(grants->config.owner, &session->ask.camera, cause);
}

/* A guest is not his link's maker, whose right he borrows. */
/* Evidence of a token that is gone names nobody: who watched by it is told of at the end. */
static void name_watching(cm_viewer_session *session, const cm_evidence *e)
{
    const bool is_guest = session->facts.is_guest;
    cm_watching *watching = &session->watching;
    if (!is_guest && e->account.text[0] == '\0')
        return;
    watching->account = is_guest ? (cm_account_id){{0}} : e->account;
    CM_IGNORE(cm_slice_to_cstr(cm_slice_of(e->guest.link), watching->link, sizeof watching->link),
              "both hold CM_ID_SIZE");
    CM_IGNORE(cm_slice_to_cstr(cm_slice_of(is_guest ? e->guest.label : e->account_name),
                               watching->account_name, sizeof watching->account_name),
              "both hold CM_NAME_SIZE");
}

static void take_facts(cm_viewer_session *session, const cm_evidence *e)
{
    session->facts = cm_grant_facts_of(e);
    session->zone = e->zone;
    session->account = e->account;
    session->watching.camera = session->ask.camera;
    session->watching.path = session->ask.path;
    session->watching.session = session->number;
    session->watching.asker = session->ask.asker;
    name_watching(session, e);
    session->camera = e->camera;
    session->expires = e->expires;
    session->has_facts = true;
}

/* A chain that is newer than what was published: another process, or the message is on its way. */
static void catch_up(cm_grants *grants, const cm_evidence *e)
{
    cm_grants_camera *camera = e->camera_exists ? cm_grants_find_camera(grants, &e->camera) : NULL;
    if (camera == NULL || !cm_grants_publish(grants, camera, e->min_epoch))
        return;
    grants->counters.turns++;
    cm_grants_doubt_camera(grants, &camera->key);
    cm_grants_make_sets(grants, camera);
}

static bool is_by_same(const cm_viewer_session *a, const cm_viewer_session *b)
{
    return a->ask.asker.kind == b->ask.asker.kind &&
           cm_secret_equal(cm_slice_over(a->ask.asker.token_hash, sizeof a->ask.asker.token_hash),
                           cm_slice_over(b->ask.asker.token_hash, sizeof b->ask.asker.token_hash));
}

/* A token that is worth nothing is so for every camera: who waits to hear it of the same one need
 * not be read. Of all that could be said at once only this is, for it gives nothing to anybody. */
static void end_all_of(cm_grants *grants, const cm_viewer_session *session)
{
    size_t looked_at = 0;
    CM_LIST_EACH(&grants->undecided, node, next)
    {
        cm_viewer_session *other = CM_HOLDER(node, cm_viewer_session, queue_node);
        if (++looked_at > CM_GRANTS_SAME_MAX)
            return;
        if (!other->is_allowed || !is_by_same(other, session))
            continue;
        other->serial++;
        cm_list_remove(&other->queue_node);
        end(other, CM_GRANT_DENIED_SESSION);
    }
}

static void apply(cm_grants *grants, const round_item *item)
{
    cm_viewer_session *session = item->session;
    session->is_read = false;
    if (session->is_leaving) {
        let_go(session);
        return;
    }
    if (item->serial != session->serial)
        return; /* doubted while it was read: it is still in the queue */
    cm_list_remove(&session->queue_node);
    if (item->status == CM_OK) {
        catch_up(grants, &item->evidence);
        take_facts(session, &item->evidence);
        decide(session, false);
        if (session->is_ended && session->reason == CM_GRANT_DENIED_SESSION)
            end_all_of(grants, session);
    } else if (item->status == CM_FOREIGN) {
        alarm_of(grants, session, item->cause);
        end(session, CM_GRANT_DENIED_EVIDENCE);
    } else {
        /* The disk: no lease now, and the present one ends by itself; asked again soon. */
        cm_timer_start(&session->renewal, CM_GRANTS_RETRY_US);
    }
}

static void run_round(cm_grants *grants);

static void round_done(cm_job *job)
{
    round_job *round = CM_HOLDER(job, round_job, job);
    cm_grants *grants = round->grants;
    const bool is_there = cm_grants_arrived(grants);
    for (size_t i = 0; i < round->count; i++) {
        if (is_there)
            apply(grants, &round->items[i]);
        else if (round->items[i].session->is_leaving)
            free_session(round->items[i].session);
    }
    cm_secret_wipe(round, sizeof *round);
    free(round);
    if (!is_there)
        return;
    grants->jobs--;
    cm_grants_settle(grants);
    if (cm_grants_first_undecided(grants) <= grants->round_until)
        run_round(grants);
    else if (!cm_list_is_empty(&grants->undecided))
        cm_grants_schedule(grants);
}

/* Asked for the first time: somebody waits for a picture. */
static bool is_asking(const cm_viewer_session *session)
{
    return !session->is_allowed && !session->is_ended;
}

static void fill_round(cm_grants *grants, bool is_asking_only, round_job *round)
{
    round->now = cm_loop_wall(grants->config.control);
    CM_LIST_EACH(&grants->undecided, node, next)
    {
        cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, queue_node);
        if (session->is_read || (is_asking_only && !is_asking(session)))
            continue;
        if (round->count == CM_GRANTS_BATCH)
            break;
        session->is_read = true;
        round->items[round->count++] =
            (round_item){.session = session, .serial = session->serial, .ask = session->ask};
    }
}

/* False: nothing to read, or no room for it. */
static bool begin_job(cm_grants *grants, bool is_asking_only)
{
    if (grants->jobs >= CM_GRANTS_JOBS_MAX)
        return false;
    round_job *round = calloc(1, sizeof *round);
    if (round == NULL)
        return false;
    *round = (round_job){.job = {.work = round_work, .done = round_done}, .grants = grants};
    fill_round(grants, is_asking_only, round);
    if (round->count > 0 && cm_loop_submit(grants->config.control, &round->job) == CM_OK) {
        cm_grants_hold(grants);
        grants->jobs++;
        return true;
    }
    if (round->count > 0) /* the pool is full */
        cm_timer_start(&grants->decide_timer, CM_MS(5));
    for (size_t i = 0; i < round->count; i++)
        round->items[i].session->is_read = false;
    free(round);
    return false;
}

/* Only its beginning is waited for: what it has not room for in one go follows at once. */
static void run_round(cm_grants *grants)
{
    while (begin_job(grants, false))
        grants->decided = cm_loop_now(grants->config.control);
    cm_grants_settle(grants);
}

void cm_grants_decide_due(cm_timer *timer)
{
    cm_grants *grants = CM_HOLDER(timer, cm_grants, decide_timer);
    grants->round_until = grants->last_number;
    run_round(grants);
}

/* Only turns are worth waiting for: they come in numbers. What is not begun here the round that is
 * due takes. */
void cm_grants_ask_due(cm_timer *timer)
{
    cm_grants *grants = CM_HOLDER(timer, cm_grants, ask_timer);
    while (begin_job(grants, true)) {
    }
}

void cm_grants_schedule(cm_grants *grants)
{
    if (cm_timer_is_running(&grants->decide_timer))
        return;
    const cm_instant next = cm_instant_after(grants->decided, CM_GRANTS_COALESCE_US);
    const int64_t wait = cm_instant_since(next, cm_loop_now(grants->config.control));
    cm_timer_start(&grants->decide_timer, wait > 0 ? wait : 0);
}

void cm_grants_doubt(cm_viewer_session *session)
{
    cm_grants *grants = session->grants;
    session->serial++;
    session->has_facts = false;
    if (session->is_leaving)
        return;
    /* One that waits already keeps its place: nothing that waits for it may be overtaken. */
    if (cm_list_is_empty(&session->queue_node)) {
        session->queue_number = ++grants->last_number;
        cm_list_add_last(&grants->undecided, &session->queue_node);
    }
    cm_grants_schedule(grants);
}

void cm_grants_doubt_camera(cm_grants *grants, const cm_camera_key *key)
{
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, node);
        if (cm_camera_key_equal(&session->ask.camera, key) && !session->is_ended)
            cm_grants_doubt(session);
    }
}

void cm_grants_clock_jumped(cm_grants *grants)
{
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, node);
        if (session->has_facts && !session->is_ended && !session->is_leaving)
            decide(session, true);
    }
}

void cm_grants_end_of_camera(cm_grants *grants, const cm_camera_key *key)
{
    CM_LIST_EACH(&grants->viewers, node, next)
    {
        cm_viewer_session *session = CM_HOLDER(node, cm_viewer_session, node);
        if (!cm_camera_key_equal(&session->ask.camera, key) || session->is_ended)
            continue;
        session->serial++;
        cm_list_remove(&session->queue_node);
        end(session, CM_GRANT_DENIED_NO_CAMERA);
    }
    cm_grants_settle(grants);
}

/* ---- the viewer's half ---- */

static void open_run(cm_task *task)
{
    cm_viewer_session *session = CM_HOLDER(task, cm_viewer_session, open_task);
    if (!cm_grants_arrived(session->grants))
        return; /* freed when it is closed */
    session->number = ++session->grants->last_session;
    cm_list_add_last(&session->grants->viewers, &session->node);
    cm_grants_doubt(session);
    cm_timer_start(&session->grants->ask_timer, 0);
}

static void nudge_answered(cm_task *task)
{
    cm_viewer_session *session = CM_HOLDER(task, cm_viewer_session, nudged_task);
    session->is_nudging = false;
}

static void nudge_run(cm_task *task)
{
    cm_viewer_session *session = CM_HOLDER(task, cm_viewer_session, nudge_task);
    if (!cm_grants_arrived(session->grants))
        return;
    if (session->is_ended)
        send_to_viewer(session, NULL);
    else if (session->has_facts)
        decide(session, true);
    else if (cm_list_is_empty(&session->queue_node))
        cm_grants_doubt(session); /* else it is being decided */
    cm_loop_post(session->loop, &session->nudged_task);
}

static void watch(cm_timer *timer)
{
    cm_viewer_session *session = CM_HOLDER(timer, cm_viewer_session, watchdog);
    start_watchdog(session, CM_GRANTS_SILENCE_US);
    cm_viewer_session_nudge(session);
}

static void close_run(cm_task *task)
{
    cm_viewer_session *session = CM_HOLDER(task, cm_viewer_session, close_task);
    session->is_leaving = true;
    if (!cm_grants_arrived(session->grants)) {
        if (!session->is_read)
            free_session(session);
        return;
    }
    if (session->has_begun)
        tell(session, CM_VIEW_ENDED, 0);
    session->is_allowed = false;
    cm_timer_stop(&session->renewal);
    cm_list_remove(&session->queue_node);
    cm_grants_settle(session->grants);
    if (!session->is_read)
        let_go(session);
}

cm_status cm_viewer_session_open(cm_grants *grants, cm_loop *loop, const cm_viewer_ask *ask,
                                 const cm_viewer_events *events, void *owner,
                                 cm_viewer_session **out)
{
    if (atomic_fetch_add(&grants->sessions, 1) >= grants->config.viewer_sessions_max) {
        atomic_fetch_sub(&grants->sessions, 1);
        return CM_FULL;
    }
    cm_viewing *viewing;
    cm_viewer_session *session = calloc(1, sizeof *session);
    if (session == NULL || cm_viewing_create(&viewing) != CM_OK) {
        free(session);
        atomic_fetch_sub(&grants->sessions, 1);
        return CM_FULL;
    }
    *session = (cm_viewer_session){.grants = grants,
                                   .loop = loop,
                                   .ask = *ask,
                                   .events = *events,
                                   .owner = owner,
                                   .viewing = viewing,
                                   .open_task = {.run = open_run},
                                   .nudge_task = {.run = nudge_run},
                                   .nudged_task = {.run = nudge_answered},
                                   .close_task = {.run = close_run}};
    cm_list_init(&session->node);
    cm_list_init(&session->queue_node);
    cm_timer_init(&session->renewal, grants->config.control, renew);
    cm_timer_init(&session->watchdog, loop, watch);
    start_watchdog(session, CM_GRANTS_SILENCE_US);
    *out = session;
    cm_grants_hold(grants);
    cm_loop_post(grants->config.control, &session->open_task);
    return CM_OK;
}

void cm_viewer_session_nudge(cm_viewer_session *session)
{
    if (session->is_nudging || session->is_closed || session->has_ended)
        return;
    start_watchdog(session, CM_GRANTS_ANSWER_US); /* the answer may be lost as well */
    session->is_nudging = true;
    cm_grants_hold(session->grants);
    cm_loop_post(session->grants->config.control, &session->nudge_task);
}

void cm_viewer_session_close(cm_viewer_session *session)
{
    if (session == NULL)
        return;
    assert(!session->is_closed);
    session->is_closed = true;
    cm_timer_stop(&session->watchdog);
    cm_grants_hold(session->grants);
    cm_loop_post(session->grants->config.control, &session->close_task);
}
