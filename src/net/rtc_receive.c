/* What arrives at a port: told apart by its first byte, and taken only from whom it may come. */
#include "net/rtc_priv.h"

/* RFC 7983 7; what lies between them is nothing of ours. */
enum {
    STUN_LAST = 3,
    DTLS_FIRST = 20,
    DTLS_LAST = 63,
    RTP_FIRST = 128,
    RTP_LAST = 191,
};

/* ---- checks ---- */

static void count_refusal(cm_rtc_counters *counters, cm_status status)
{
    if (status == CM_ABSENT)
        counters->checks_unknown++;
    else if (status == CM_FULL)
        counters->checks_excessive++;
    else
        counters->checks_forged++;
}

/* An authentic check, whose answer is made. */
static void take_check(cm_rtc_session *session, const cm_rtc_route *route,
                       const cm_ice_check *check, const cm_ice_outcome *outcome, cm_slice answer)
{
    cm_rtc_counters *counters = &session->endpoint->counters;
    if (outcome->is_confirmed)
        cm_rtc_names_update(session);
    if (!outcome->is_proven) {
        counters->checks_refused++;
        cm_rtc_send_now(route, answer);
        return;
    }
    cm_rtc_pair *pair = cm_rtc_prove_pair(session, route);
    if (pair == NULL) {
        counters->checks_taken++;
        return;
    }
    if (route->stream != NULL)
        cm_rtc_stream_prove(route->stream);
    counters->checks++;
    cm_rtc_send_now(route, answer);
    /* Connections are the peer's to make, and to nominate: we check none. */
    if (session->checker != NULL && route->stream == NULL)
        cm_rtc_checker_checked(session, pair, check, outcome);
    else
        cm_rtc_session_proven(session, pair, outcome->is_nominated);
}

static void receive_stun(const cm_rtc_route *route, cm_slice datagram)
{
    cm_rtc_endpoint *endpoint = route->port->endpoint;
    cm_stun_message request;
    /* Indications keep a NAT's binding alive and say nothing. */
    if (cm_stun_parse(datagram, &request) != CM_OK || request.class == CM_STUN_INDICATION ||
        request.method != CM_STUN_BINDING) {
        endpoint->counters.malformed++;
        return;
    }
    if (request.class != CM_STUN_REQUEST) {
        cm_rtc_take_answer(route, &request);
        return;
    }
    cm_rtc_session *session = cm_rtc_find_name(endpoint, cm_ice_ufrag_of(&request));
    if (session == NULL) {
        endpoint->counters.checks_unknown++;
        return;
    }
    uint8_t storage[CM_ICE_ANSWER_MAX];
    cm_writer answer = cm_writer_over(storage, sizeof storage);
    const cm_ice_check check = {
        .request = &request, .from = route->peer, .now = cm_loop_now(endpoint->loop)};
    cm_ice_outcome outcome;
    const cm_status status =
        cm_ice_receive(&session->ice, endpoint->hasher, &check, &answer, &outcome);
    if (status != CM_OK)
        count_refusal(&endpoint->counters, status);
    else
        take_check(session, route, &check, &outcome, cm_writer_done(&answer));
}

/* ---- DTLS and SRTP ---- */

static void receive_dtls(cm_rtc_pair *pair, cm_slice datagram)
{
    cm_rtc_session *session = pair->session;
    /* Before the peer has nominated a pair the handshake goes where it comes from. */
    if (!session->is_nominated)
        session->path = pair;
    cm_dtls_receive(session->dtls, datagram);
}

static void count_failure(cm_rtc_counters *counters, cm_status status)
{
    if (status == CM_FOREIGN)
        counters->srtp_forged++;
    else if (status == CM_REFUSE)
        counters->srtp_replayed++;
    else
        counters->srtp_malformed++;
}

/* RFC 5761 4: the types of RTCP lie where RTP, muxed with it, may have no payload types. */
static bool is_rtcp(cm_slice datagram)
{
    const uint8_t type = datagram.size > 1 ? datagram.bytes[1] & 0x7F : 0;
    return type >= 64 && type <= 95;
}

static void receive_srtp(cm_rtc_session *session, cm_slice datagram)
{
    cm_rtc_endpoint *endpoint = session->endpoint;
    if (session->srtp == NULL) {
        endpoint->counters.srtp_early++;
        return;
    }
    if (datagram.size > sizeof endpoint->scratch) {
        endpoint->counters.malformed++;
        return;
    }
    uint8_t *packet = endpoint->scratch;
    size_t size = 0;
    cm_slice_copy(datagram, packet, sizeof endpoint->scratch);
    const bool has_rtcp = is_rtcp(datagram);
    const cm_status status =
        has_rtcp ? cm_srtp_unprotect_rtcp(session->srtp, packet, datagram.size, &size)
                 : cm_srtp_unprotect(session->srtp, packet, datagram.size, &size);
    if (status != CM_OK)
        count_failure(&endpoint->counters, status);
    else
        cm_rtc_session_deliver(session, cm_slice_over(packet, size), has_rtcp);
}

void cm_rtc_receive(const cm_rtc_route *route, cm_slice datagram)
{
    cm_rtc_counters *counters = &route->port->endpoint->counters;
    counters->datagrams_in++;
    counters->bytes_in += datagram.size;
    const uint8_t first = datagram.size > 0 ? datagram.bytes[0] : UINT8_MAX;
    const bool is_dtls = first >= DTLS_FIRST && first <= DTLS_LAST;
    if (first <= STUN_LAST) {
        receive_stun(route, datagram);
        return;
    }
    if (!is_dtls && (first < RTP_FIRST || first > RTP_LAST)) {
        counters->malformed++;
        return;
    }
    cm_rtc_pair *pair = cm_rtc_find_pair(route);
    if (pair == NULL)
        counters->strangers++;
    else if (is_dtls)
        receive_dtls(pair, datagram);
    else
        receive_srtp(pair->session, datagram);
}
