/* A session: from its first check to its end. */
#include <assert.h>
#include <stdlib.h>

#include "net/rtc_priv.h"

enum {
    CONNECT_SECONDS = 30,
    CONSENT_SECONDS = 30, /* RFC 7675 5.1 */
};

const char *cm_rtc_cause_name(cm_rtc_cause cause)
{
    static const char *const NAMES[CM_RTC_CAUSES] = {
        [CM_RTC_ABSENT] = "absent",   [CM_RTC_LATE] = "late",
        [CM_RTC_FOREIGN] = "foreign", [CM_RTC_HANDSHAKE] = "handshake",
        [CM_RTC_CONSENT] = "consent", [CM_RTC_GOODBYE] = "goodbye",
        [CM_RTC_BROKEN] = "broken",
    };
    return NAMES[cause];
}

/* ---- states ---- */

#define BIT(state) (1u << (state))

static const unsigned NEXT_STATES[CM_RTC_STATES] = {
    [CM_RTC_WAITING] = BIT(CM_RTC_HANDSHAKING) | BIT(CM_RTC_ENDED),
    [CM_RTC_HANDSHAKING] = BIT(CM_RTC_CONNECTED) | BIT(CM_RTC_ENDED),
    [CM_RTC_CONNECTED] = BIT(CM_RTC_ENDED),
};

bool cm_rtc_may_turn(cm_rtc_state from, cm_rtc_state to)
{
    return (NEXT_STATES[from] & BIT(to)) != 0;
}

static void turn_to(cm_rtc_session *session, cm_rtc_state next)
{
    assert(cm_rtc_may_turn(session->state, next));
    session->state = next;
}

/* From here on nothing that arrives finds it, and nothing more is sent but the goodbye. */
static void release(cm_rtc_session *session)
{
    turn_to(session, CM_RTC_ENDED);
    cm_rtc_checker_destroy(session->checker);
    session->checker = NULL;
    cm_timer_stop(&session->timer);
    cm_rtc_arena_drop(session, NULL);
    cm_dtls_destroy(session->dtls); /* says goodbye: it still needs the path */
    session->dtls = NULL;
    cm_srtp_destroy(session->srtp);
    session->srtp = NULL;
    cm_rtc_forget(session);
    cm_ice_deinit(&session->ice);
}

static void end(cm_rtc_session *session, cm_rtc_cause cause)
{
    session->endpoint->counters.sessions_ended[cause]++;
    release(session);
    session->events->on_closed(session->owner, cause);
}

static void end_unconnected(cm_rtc_session *session)
{
    end(session, session->state == CM_RTC_WAITING ? CM_RTC_ABSENT : CM_RTC_LATE);
}

/* RFC 8445 12.1.2: a lite agent sends no media before a pair was nominated. */
static void connect_if_ready(cm_rtc_session *session)
{
    if (session->state != CM_RTC_HANDSHAKING || session->srtp == NULL || !session->is_nominated)
        return;
    turn_to(session, CM_RTC_CONNECTED);
    cm_timer_start(&session->timer, CM_SECONDS(CONSENT_SECONDS));
    session->endpoint->counters.sessions_connected++;
    session->events->on_connected(session->owner);
}

/* A full agent asks, and the answer counts (RFC 7675 5.1); a lite one is asked. So is any on a
 * connection. */
static cm_instant consented_at(const cm_rtc_session *session)
{
    const bool is_asking =
        session->checker != NULL && session->path != NULL && session->path->route.stream == NULL;
    return is_asking ? cm_ice_agent_consented(&session->checker->agent) : session->ice.heard;
}

/* Checks do not move the timer: when it is due it is looked how long they are past. */
static void on_timer(cm_timer *timer)
{
    cm_rtc_session *session = CM_HOLDER(timer, cm_rtc_session, timer);
    const cm_instant until = cm_instant_after(consented_at(session), CM_SECONDS(CONSENT_SECONDS));
    if (session->state != CM_RTC_CONNECTED)
        end_unconnected(session);
    else if (until.us > cm_loop_now(session->endpoint->loop).us)
        cm_timer_start_at(timer, until);
    else
        end(session, CM_RTC_CONSENT);
}

/* ---- what arrived ---- */

void cm_rtc_session_proven(cm_rtc_session *session, cm_rtc_pair *pair, bool is_nominated)
{
    const bool has_moved = is_nominated && session->is_nominated && session->path != pair;
    if (session->state == CM_RTC_WAITING)
        turn_to(session, CM_RTC_HANDSHAKING);
    if (is_nominated || session->path == NULL)
        session->path = pair;
    if (is_nominated)
        session->is_nominated = true;
    if (has_moved)
        session->endpoint->counters.paths_moved++;
    if (has_moved && session->state == CM_RTC_CONNECTED && session->events->on_moved != NULL)
        session->events->on_moved(session->owner);
    else
        connect_if_ready(session);
}

void cm_rtc_session_deliver(cm_rtc_session *session, cm_slice packet, bool is_rtcp)
{
    const cm_rtc_events *events = session->events;
    session->endpoint->counters.packets_in++;
    session->figures.packets_in++;
    session->figures.bytes_in += packet.size;
    if (!session->is_confirmed)
        cm_dtls_confirm(session->dtls);
    session->is_confirmed = true;
    if (is_rtcp)
        events->on_rtcp(session->owner, packet);
    else
        events->on_rtp(session->owner, packet);
}

/* ---- DTLS ---- */

static void on_dtls_send(void *owner, cm_slice datagram)
{
    const cm_rtc_session *session = owner;
    if (session->path != NULL)
        cm_rtc_send_now(&session->path->route, datagram);
}

static void on_dtls_failed(cm_rtc_session *session, cm_status status)
{
    switch (status) {
    case CM_RETRY:
        end_unconnected(session);
        break;
    case CM_FOREIGN:
        end(session, CM_RTC_FOREIGN);
        break;
    case CM_CLOSE:
        end(session, CM_RTC_HANDSHAKE);
        break;
    default:
        end(session, CM_RTC_BROKEN);
        break;
    }
}

static cm_status remember(const cm_rtc_session *session)
{
    return session->remembered_ssrc != 0 ? cm_srtp_remember(session->srtp, session->remembered_ssrc)
                                         : CM_OK;
}

static void on_dtls_done(void *owner, cm_status status, cm_srtp_profile profile,
                         const cm_srtp_master *ours, const cm_srtp_master *theirs)
{
    cm_rtc_session *session = owner;
    if (status != CM_OK)
        on_dtls_failed(session, status);
    else if (cm_srtp_create(profile, ours, theirs, &session->srtp) != CM_OK ||
             remember(session) != CM_OK)
        end(session, CM_RTC_BROKEN);
    else
        connect_if_ready(session);
}

static void on_dtls_closed(void *owner)
{
    end(owner, CM_RTC_GOODBYE);
}

static const cm_dtls_events DTLS_EVENTS = {
    .on_send = on_dtls_send, .on_done = on_dtls_done, .on_closed = on_dtls_closed};

/* ---- life ---- */

static void init_lists(cm_rtc_session *session)
{
    for (size_t i = 0; i < CM_COUNT(session->names); i++) {
        session->names[i].session = session;
        cm_list_init(&session->names[i].node);
    }
    for (size_t i = 0; i < CM_RTC_PAIRS_MAX; i++) {
        session->pairs[i].session = session;
        cm_list_init(&session->pairs[i].node);
    }
}

static cm_status init(cm_rtc_session *session, const cm_rtc_session_config *config)
{
    cm_rtc_endpoint *endpoint = session->endpoint;
    const cm_dtls_config dtls = {.loop = endpoint->loop,
                                 .identity = endpoint->identity,
                                 .fingerprints = config->fingerprints,
                                 .fingerprint_count = config->fingerprint_count,
                                 .counters = &endpoint->counters.dtls,
                                 .events = &DTLS_EVENTS,
                                 .owner = session};
    CM_TRY(cm_ice_init(&session->ice, cm_loop_random(endpoint->loop), config->remote_ufrag,
                       cm_loop_now(endpoint->loop)));
    return cm_dtls_create(&dtls, &session->dtls);
}

cm_status cm_rtc_session_create(cm_rtc_endpoint *endpoint, const cm_rtc_session_config *config,
                                cm_rtc_session **out)
{
    if (endpoint->counters.sessions >= endpoint->sessions_max) {
        endpoint->counters.sessions_refused++;
        return CM_FULL;
    }
    cm_rtc_session *session = calloc(1, sizeof *session);
    CM_ENSURE(session != NULL, CM_BROKEN);
    session->endpoint = endpoint;
    session->events = config->events;
    session->owner = config->owner;
    const cm_status status = init(session, config);
    if (status != CM_OK) {
        cm_ice_deinit(&session->ice);
        free(session);
        return status;
    }
    init_lists(session);
    cm_rtc_names_update(session);
    cm_timer_init(&session->timer, endpoint->loop, on_timer);
    cm_timer_start(&session->timer, CM_SECONDS(CONNECT_SECONDS));
    endpoint->counters.sessions++;
    endpoint->counters.sessions_created++;
    *out = session;
    return CM_OK;
}

void cm_rtc_session_destroy(cm_rtc_session *session)
{
    if (session == NULL)
        return;
    if (session->state != CM_RTC_ENDED)
        release(session);
    session->endpoint->counters.sessions--;
    free(session);
}

const cm_ice_credentials *cm_rtc_session_local(const cm_rtc_session *session)
{
    return cm_ice_local(&session->ice);
}

cm_status cm_rtc_session_restart(cm_rtc_session *session, cm_slice remote_ufrag)
{
    CM_ENSURE(session->state != CM_RTC_ENDED, CM_REFUSE);
    CM_TRY(cm_ice_restart(&session->ice, cm_loop_random(session->endpoint->loop), remote_ufrag));
    cm_rtc_names_update(session);
    return CM_OK;
}

bool cm_rtc_session_is_connected(const cm_rtc_session *session)
{
    return session->state == CM_RTC_CONNECTED;
}

void cm_rtc_session_read_figures(const cm_rtc_session *session, cm_rtc_figures *out)
{
    *out = session->figures;
    out->has_path = session->path != NULL;
    if (!out->has_path)
        return;
    out->path = session->path->route.peer;
    out->is_relayed = session->path->route.is_relayed;
}

cm_rtc_endpoint *cm_rtc_session_endpoint(const cm_rtc_session *session)
{
    return session->endpoint;
}
