/* Full agents at work: whose check goes out when, what its answer changes, and which addresses of a
 * peer's are checked at all. */
#include <stdlib.h>

#include "net/rtc_priv.h"

enum {
    /* RFC 8445 14.2: one check each 50 ms, of all sessions together; those that answer a peer's own
     * come from there no faster than the RFC lets anyone send. */
    ORDINARY_MS = 50,
    TRIGGERED_MS = 5,
    RELAY_WAIT_MS = 50, /* for a permission */
    PORT_LEAST = 1024,
};

/* ---- bases ---- */

static size_t base_of(const cm_rtc_route *route)
{
    const cm_rtc_endpoint *endpoint = route->port->endpoint;
    return route->is_relayed ? endpoint->port_count : (size_t)(route->port - endpoint->ports);
}

static size_t list_bases(const cm_rtc_endpoint *endpoint, cm_ice_base out[CM_ICE_BASES_MAX])
{
    _Static_assert((int)CM_ICE_BASES_MAX > (int)CM_RTC_ADDRESSES_MAX, "the relay is one as well");
    cm_address relayed;
    size_t count = 0;
    for (; count < endpoint->port_count; count++)
        out[count] = (cm_ice_base){.is_v6 = endpoint->ports[count].local.is_v6};
    if (cm_rtc_relay(endpoint, &relayed) == CM_OK)
        out[count++] = (cm_ice_base){.is_v6 = relayed.is_v6, .is_relayed = true};
    return count;
}

/* ---- what the agent decided ---- */

/* The pair that it has selected, if that is known here; the one heard last where the peer reaches
 * several addresses of ours. */
static cm_rtc_pair *selected_pair(cm_rtc_session *session)
{
    size_t base;
    cm_address peer;
    cm_rtc_pair *found = NULL;
    if (!cm_ice_agent_selected(&session->checker->agent, &base, &peer))
        return NULL;
    for (size_t i = 0; i < CM_RTC_PAIRS_MAX; i++) {
        cm_rtc_pair *pair = &session->pairs[i];
        if (pair->is_used && pair->route.stream == NULL && base_of(&pair->route) == base &&
            cm_address_equal(&pair->route.peer, &peer) &&
            (found == NULL || pair->heard.us > found->heard.us))
            found = pair;
    }
    return found;
}

/* Calls events: nothing of the session may be touched afterwards. `heard`: from there, just now;
 * NULL: no news. */
static void follow(cm_rtc_session *session, cm_rtc_pair *heard)
{
    cm_rtc_pair *selected = selected_pair(session);
    if (selected != NULL && (!session->is_nominated || session->path != selected))
        cm_rtc_session_proven(session, selected, true);
    else if (heard != NULL)
        cm_rtc_session_proven(session, heard, false);
}

/* ---- pace ---- */

static void schedule_pace(cm_rtc_endpoint *endpoint)
{
    cm_rtc_pace *pace = &endpoint->pace;
    const cm_instant triggered = cm_instant_after(pace->triggered_at, CM_MS(TRIGGERED_MS));
    const cm_instant ordinary = cm_instant_after(pace->ordinary_at, CM_MS(ORDINARY_MS));
    const bool has_triggered = !cm_list_is_empty(&pace->triggered);
    if (!has_triggered && cm_list_is_empty(&pace->ordinary))
        return;
    const bool is_first =
        has_triggered && (cm_list_is_empty(&pace->ordinary) || triggered.us < ordinary.us);
    cm_timer_start_at(&pace->timer, is_first ? triggered : ordinary);
}

/* Its agent's next turn: in the queue if that is now, else when it is due. */
static void schedule(cm_rtc_checker *checker)
{
    cm_rtc_endpoint *endpoint = checker->session->endpoint;
    cm_instant due;
    cm_ice_urgency urgency;
    cm_list_remove(&checker->node);
    cm_timer_stop(&checker->timer);
    if (!cm_ice_agent_due(&checker->agent, &due, &urgency))
        return;
    if (urgency == CM_ICE_CONSENT || due.us > cm_loop_now(endpoint->loop).us) {
        cm_timer_start_at(&checker->timer, due);
        return;
    }
    cm_list_add_last(urgency == CM_ICE_TRIGGERED ? &endpoint->pace.triggered
                                                 : &endpoint->pace.ordinary,
                     &checker->node);
    schedule_pace(endpoint);
}

static cm_status send_check(cm_rtc_endpoint *endpoint, const cm_ice_send *send, cm_slice bytes)
{
    if (send->base == endpoint->port_count)
        return cm_rtc_relay_send(endpoint, &send->peer, bytes);
    const cm_rtc_route route = {.port = &endpoint->ports[send->base], .peer = send->peer};
    cm_rtc_send_now(&route, bytes);
    return CM_OK;
}

/* One check, if one is due. May call events. */
static void step(cm_rtc_checker *checker)
{
    cm_rtc_session *session = checker->session;
    cm_rtc_endpoint *endpoint = session->endpoint;
    const cm_instant now = cm_loop_now(endpoint->loop);
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_ice_send send;
    if (cm_ice_agent_next(&checker->agent, endpoint->hasher, now, &w, &send) == CM_OK) {
        if (send_check(endpoint, &send, cm_writer_done(&w)) == CM_RETRY)
            cm_ice_agent_postpone(&checker->agent, &send,
                                  cm_instant_after(now, CM_MS(RELAY_WAIT_MS)));
        else
            endpoint->counters.checks_sent++;
    }
    schedule(checker);
    follow(session, NULL);
}

/* Consent is not paced: it is one small datagram in five seconds. */
static void on_timer(cm_timer *timer)
{
    cm_rtc_checker *checker = CM_HOLDER(timer, cm_rtc_checker, timer);
    cm_instant due;
    cm_ice_urgency urgency;
    if (cm_ice_agent_due(&checker->agent, &due, &urgency) && urgency == CM_ICE_CONSENT)
        step(checker);
    else
        schedule(checker);
}

static cm_rtc_checker *first_of(cm_list *list)
{
    return cm_list_is_empty(list) ? NULL : CM_HOLDER(list->next, cm_rtc_checker, node);
}

static void on_pace(cm_timer *timer)
{
    cm_rtc_endpoint *endpoint = CM_HOLDER(timer, cm_rtc_endpoint, pace.timer);
    cm_rtc_pace *pace = &endpoint->pace;
    const cm_instant now = cm_loop_now(endpoint->loop);
    cm_rtc_checker *triggered = first_of(&pace->triggered);
    if (triggered != NULL && cm_instant_since(now, pace->triggered_at) >= CM_MS(TRIGGERED_MS)) {
        pace->triggered_at = now;
        step(triggered);
    }
    cm_rtc_checker *ordinary = first_of(&pace->ordinary);
    if (ordinary != NULL && cm_instant_since(now, pace->ordinary_at) >= CM_MS(ORDINARY_MS)) {
        pace->ordinary_at = now;
        step(ordinary);
    }
    schedule_pace(endpoint);
}

void cm_rtc_checks_init(cm_rtc_endpoint *endpoint)
{
    cm_list_init(&endpoint->pace.triggered);
    cm_list_init(&endpoint->pace.ordinary);
    cm_timer_init(&endpoint->pace.timer, endpoint->loop, on_pace);
}

void cm_rtc_checks_deinit(cm_rtc_endpoint *endpoint)
{
    cm_timer_stop(&endpoint->pace.timer);
}

/* ---- what arrives ---- */

void cm_rtc_checker_checked(cm_rtc_session *session, cm_rtc_pair *pair, const cm_ice_check *check,
                            const cm_ice_outcome *outcome)
{
    cm_rtc_checker *checker = session->checker;
    if (outcome->has_switched)
        cm_ice_agent_switched(&checker->agent, check->now);
    cm_ice_agent_checked(&checker->agent, base_of(&pair->route), check, outcome->is_nominated);
    schedule(checker);
    follow(session, pair);
}

void cm_rtc_take_answer(const cm_rtc_route *route, const cm_stun_message *answer)
{
    cm_rtc_endpoint *endpoint = route->port->endpoint;
    cm_rtc_session *session = cm_rtc_find_name(endpoint, cm_ice_tag_of(answer));
    if (session == NULL || route->stream != NULL) {
        endpoint->counters.malformed++;
        return;
    }
    const cm_ice_check arrived = {
        .request = answer, .from = route->peer, .now = cm_loop_now(endpoint->loop)};
    cm_rtc_checker *checker = session->checker;
    const cm_status status =
        cm_ice_agent_answered(&checker->agent, endpoint->hasher, base_of(route), &arrived);
    cm_rtc_pair *pair = status == CM_OK ? cm_rtc_prove_pair(session, route) : NULL;
    if (status == CM_ABSENT || status == CM_FOREIGN)
        endpoint->counters.checks_forged++;
    if (status == CM_OK && pair == NULL)
        endpoint->counters.checks_taken++;
    if (pair != NULL)
        endpoint->counters.checks_succeeded++;
    schedule(checker);
    follow(session, pair);
}

/* ---- life ---- */

static cm_status create(cm_rtc_session *session, bool is_peer_lite)
{
    cm_rtc_endpoint *endpoint = session->endpoint;
    cm_rtc_checker *checker = calloc(1, sizeof *checker);
    CM_ENSURE(checker != NULL, CM_BROKEN);
    checker->session = session;
    cm_ice_agent_init(&checker->agent, &session->ice, cm_loop_random(endpoint->loop), is_peer_lite,
                      cm_loop_now(endpoint->loop));
    cm_timer_init(&checker->timer, endpoint->loop, on_timer);
    cm_list_init(&checker->node);
    checker->name.session = session;
    checker->name.ufrag = cm_ice_agent_tag(&checker->agent);
    cm_list_init(&checker->name.node);
    cm_rtc_name_add(endpoint, &checker->name);
    session->checker = checker;
    return CM_OK;
}

void cm_rtc_checker_destroy(cm_rtc_checker *checker)
{
    if (checker == NULL)
        return;
    cm_list_remove(&checker->node);
    cm_list_remove(&checker->name.node);
    cm_timer_stop(&checker->timer);
    cm_ice_agent_deinit(&checker->agent);
    free(checker);
}

cm_status cm_rtc_session_check(cm_rtc_session *session, cm_slice remote_pwd, bool is_peer_lite)
{
    cm_ice_base bases[CM_ICE_BASES_MAX];
    const size_t count = list_bases(session->endpoint, bases);
    CM_ENSURE(cm_rtc_endpoint_may_check(session->endpoint), CM_ABSENT);
    CM_ENSURE(session->state != CM_RTC_ENDED, CM_REFUSE);
    if (session->checker == NULL)
        CM_TRY(create(session, is_peer_lite));
    CM_TRY(cm_ice_agent_begin(&session->checker->agent, remote_pwd, bases, count));
    schedule(session->checker);
    return CM_OK;
}

bool cm_rtc_endpoint_may_check(const cm_rtc_endpoint *endpoint)
{
    return endpoint->gather != NULL;
}

bool cm_rtc_session_is_lite(const cm_rtc_session *session)
{
    return session->checker == NULL;
}

/* ---- the peer's addresses ---- */

static bool is_at(const cm_rtc_helper *helper, const cm_address *address)
{
    return helper->is_found && cm_address_equal(&helper->address, address);
}

/* Ours, or a server's: asking ourselves tells nothing. */
static bool is_own(const cm_rtc_endpoint *endpoint, const cm_rtc_candidate *own, size_t count,
                   const cm_address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (cm_address_equal(&own[i].address, address))
            return true;
    }
    return is_at(&endpoint->gather->stun, address) || is_at(&endpoint->gather->turn, address);
}

/* Who listens on loopback alone has his peers there. */
static bool is_on_loopback(const cm_rtc_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->port_count; i++) {
        if (cm_address_kind_of(&endpoint->ports[i].local) == CM_ADDRESS_LOOPBACK)
            return true;
    }
    return false;
}

static bool may_check(const cm_rtc_endpoint *endpoint, const cm_address *address)
{
    switch (cm_address_kind_of(address)) {
    case CM_ADDRESS_PRIVATE:
    case CM_ADDRESS_PUBLIC:
        return address->port >= PORT_LEAST;
    case CM_ADDRESS_LOOPBACK:
        return address->port >= PORT_LEAST && is_on_loopback(endpoint);
    default:
        return false;
    }
}

void cm_rtc_session_add_remotes(cm_rtc_session *session, const cm_rtc_remote *remotes, size_t count)
{
    cm_rtc_endpoint *endpoint = session->endpoint;
    cm_rtc_candidate own[CM_RTC_CANDIDATES_MAX];
    if (session->checker == NULL || count == 0)
        return;
    const size_t own_count = cm_rtc_endpoint_candidates(endpoint, own);
    const cm_instant now = cm_loop_now(endpoint->loop);
    for (size_t i = 0; i < count; i++) {
        const cm_address *address = &remotes[i].address;
        if (!may_check(endpoint, address) || is_own(endpoint, own, own_count, address) ||
            cm_ice_agent_add(&session->checker->agent, address, remotes[i].priority, now) != CM_OK)
            endpoint->counters.candidates_refused++;
    }
    schedule(session->checker);
}
