#include "api/rtc_sdp.h"

#include <stdlib.h>

#include "proto/sdp/fragment.h"

/* ---- the place ---- */

static void renew_etag(cm_rtc_place *place)
{
    cm_id_make(cm_loop_random(place->api->config.loop), place->etag);
}

void cm_rtc_place_init(cm_rtc_place *place, cm_api *api, const cm_asker *asker,
                       const cm_camera_key *camera)
{
    static const char DIGITS[] = "0123456789abcdef";
    cm_loop *loop = api->config.loop;
    char random[CM_ID_SIZE];
    *place = (cm_rtc_place){.api = api, .asker = *asker, .camera = *camera};
    cm_id_make(cm_loop_random(loop), random);
    cm_writer w = cm_writer_over(place->id, sizeof place->id);
    cm_write_format(&w, "%c%s", DIGITS[cm_loop_index(loop)], random);
    renew_etag(place);
}

bool cm_rtc_place_is_asked(const cm_rtc_place *place, const cm_call *call)
{
    return cm_slice_equal(cm_slice_of(place->id), cm_slice_of(call->parameters.ids[1])) &&
           cm_slice_equal(cm_slice_of(place->camera.camera.text),
                          cm_slice_of(call->parameters.ids[0])) &&
           cm_home_id_equal(&place->camera.home, &call->home) &&
           place->asker.kind == call->asker.kind &&
           cm_secret_equal(cm_slice_over(place->asker.token_hash, sizeof place->asker.token_hash),
                           cm_slice_over(call->asker.token_hash, sizeof call->asker.token_hash));
}

/* ---- the transport ---- */

static cm_status refuse(const cm_sdp_error *error, char detail[CM_RTC_DETAIL_SIZE])
{
    cm_writer w = cm_writer_over(detail, CM_RTC_DETAIL_SIZE - 1);
    cm_sdp_error_write(&w, error);
    detail[cm_writer_done(&w).size] = '\0';
    return CM_REFUSE;
}

static cm_fingerprint fingerprint_of(const cm_sdp_transport *peer)
{
    cm_fingerprint fingerprint = {.size = peer->fingerprint.size};
    cm_slice_copy(cm_slice_over(peer->fingerprint.bytes, peer->fingerprint.size), fingerprint.bytes,
                  sizeof fingerprint.bytes);
    return fingerprint;
}

/* A peer's addresses on the way from its text to the agent. */
typedef struct remotes {
    cm_rtc_remote list[CM_SDP_OFFER_CANDIDATE_MAX];
    size_t count;
} remotes;

/* Names stand for addresses that browsers hide behind mDNS: their own checks will say where they
 * are. */
static void add_remote(remotes *r, const cm_sdp_candidate *candidate)
{
    cm_rtc_remote *remote = &r->list[r->count];
    if (r->count == CM_COUNT(r->list) || candidate->is_name || candidate->transport != CM_SDP_UDP ||
        candidate->component != 1 ||
        cm_address_parse(candidate->address, candidate->port, &remote->address) != CM_OK)
        return;
    remote->priority = candidate->priority;
    r->count++;
}

static cm_status open_transport(cm_rtc_place *place, const cm_rtc_negotiation *n,
                                const cm_rtc_events *events, void *owner)
{
    const cm_sdp_transport *peer = cm_sdp_answer_peer(&n->answer, &n->offer);
    const cm_fingerprint fingerprint = fingerprint_of(peer);
    CM_TRY(cm_slice_to_cstr(peer->ufrag, place->remote_ufrag, sizeof place->remote_ufrag));
    CM_TRY(cm_rtc_session_create(place->api->config.rtc,
                                 &(cm_rtc_session_config){.remote_ufrag = peer->ufrag,
                                                          .fingerprints = &fingerprint,
                                                          .fingerprint_count = 1,
                                                          .events = events,
                                                          .owner = owner},
                                 &place->rtc));
    const cm_status status = cm_rtc_session_check(place->rtc, peer->pwd, n->offer.is_ice_lite);
    remotes r = {.count = 0};
    for (size_t i = 0; i < n->offer.candidate_count; i++)
        add_remote(&r, &n->offer.candidates[i].candidate);
    cm_rtc_session_add_remotes(place->rtc, r.list, r.count);
    return status == CM_ABSENT ? CM_OK : status; /* a lite agent it is then */
}

static void describe_candidates(const cm_rtc_place *place, cm_rtc_negotiation *n,
                                cm_sdp_answer_transport *transport)
{
    static const cm_sdp_candidate_type TYPES[] = {[CM_RTC_HOST] = CM_SDP_HOST,
                                                  [CM_RTC_REFLEXIVE] = CM_SDP_SERVER_REFLEXIVE,
                                                  [CM_RTC_RELAYED] = CM_SDP_RELAYED};
    cm_rtc_candidate own[CM_RTC_CANDIDATES_MAX];
    const size_t count = cm_rtc_endpoint_candidates(place->api->config.rtc, own);
    for (size_t i = 0; i < count; i++) {
        cm_writer w = cm_writer_over(n->foundations[i], sizeof n->foundations[i]);
        cm_write_format(&w, "%u", own[i].foundation);
        n->candidates[i] = (cm_sdp_candidate){
            .foundation = cm_writer_done(&w),
            .component = 1,
            .transport = own[i].is_tcp ? CM_SDP_TCP_PASSIVE : CM_SDP_UDP,
            .priority = own[i].priority,
            .address = cm_slice_of(cm_address_format_host(&own[i].address, n->hosts[i])),
            .port = own[i].address.port,
            .type = TYPES[own[i].type],
        };
        if (own[i].type == CM_RTC_HOST)
            continue;
        n->candidates[i].related_address =
            cm_slice_of(cm_address_format_host(&own[i].related, n->related[i]));
        n->candidates[i].related_port = own[i].related.port;
    }
    transport->candidates = n->candidates;
    transport->candidate_count = count;
    transport->is_complete = true;
}

static void describe_transport(const cm_rtc_place *place, cm_rtc_negotiation *n)
{
    const cm_ice_credentials *own = cm_rtc_session_local(place->rtc);
    cm_sdp_answer_transport *transport = &n->answer.transport;
    transport->is_ice_lite = cm_rtc_session_is_lite(place->rtc);
    transport->ufrag = cm_slice_of(own->ufrag);
    transport->pwd = cm_slice_of(own->pwd);
    transport->fingerprint = cm_slice_of(cm_rtc_endpoint_fingerprint(place->api->config.rtc));
    describe_candidates(place, n, transport);
}

/* Two lite agents would wait for each other for ever (RFC 8445 6.1.1). */
static cm_status refuse_if_both_are_lite(const cm_rtc_place *place, const cm_rtc_negotiation *n,
                                         char detail[CM_RTC_DETAIL_SIZE])
{
    if (!n->offer.is_ice_lite || cm_rtc_endpoint_may_check(place->api->config.rtc))
        return CM_OK;
    CM_IGNORE(cm_slice_to_cstr(CM_TEXT("The offer says a=ice-lite, and this server is an ICE-lite "
                                       "agent too: one of the two must be a full one."),
                               detail, CM_RTC_DETAIL_SIZE),
              "short enough");
    return CM_REFUSE;
}

/* ---- negotiating ---- */

cm_status cm_rtc_negotiation_begin(cm_rtc_negotiation *n, const cm_rtc_place *place, cm_slice offer,
                                   char detail[CM_RTC_DETAIL_SIZE])
{
    cm_sdp_error error;
    if (cm_sdp_offer_parse(offer, &n->offer, &error) != CM_OK)
        return refuse(&error, detail);
    CM_TRY(refuse_if_both_are_lite(place, n, detail));
    cm_sdp_answer_init(&n->answer);
    return CM_OK;
}

static cm_status write_answer(const cm_rtc_place *place, cm_rtc_negotiation *n, cm_buffer *answer)
{
    uint8_t *room;
    n->answer.session_id = cm_random_u64(cm_loop_random(place->api->config.loop)) >> 1;
    n->answer.cname = cm_slice_of(place->id);
    CM_TRY(cm_buffer_room(answer, CM_SDP_ANSWER_SIZE, &room));
    cm_writer w = cm_writer_over(room, CM_SDP_ANSWER_SIZE);
    cm_sdp_answer_write(&w, &n->offer, &n->answer);
    cm_slice text;
    CM_TRY(cm_writer_finish(&w, &text));
    cm_buffer_commit(answer, text.size);
    return CM_OK;
}

cm_status cm_rtc_negotiation_finish(cm_rtc_negotiation *n, cm_rtc_place *place,
                                    const cm_rtc_events *events, void *owner, cm_buffer *answer)
{
    CM_TRY(open_transport(place, n, events, owner));
    describe_transport(place, n);
    return write_answer(place, n, answer);
}

/* ---- fragments ---- */

static cm_status write_restart(const cm_rtc_place *place, const cm_sdp_fragment *fragment,
                               cm_buffer *answer)
{
    uint8_t *room;
    cm_rtc_negotiation *n = malloc(sizeof *n);
    CM_ENSURE(n != NULL, CM_FULL);
    describe_transport(place, n);
    cm_status status = cm_buffer_room(answer, CM_SDP_ANSWER_SIZE, &room);
    if (status == CM_OK) {
        cm_writer w = cm_writer_over(room, CM_SDP_ANSWER_SIZE);
        cm_slice text;
        cm_sdp_fragment_write(&w, fragment, &n->answer.transport);
        status = cm_writer_finish(&w, &text);
        if (status == CM_OK)
            cm_buffer_commit(answer, text.size);
    }
    free(n);
    return status;
}

/* Of no use to a lite agent: the peer's checks say where it is. */
static void add_remotes(const cm_rtc_place *place, const cm_sdp_fragment *fragment)
{
    remotes r = {.count = 0};
    for (size_t i = 0; i < fragment->candidate_count; i++)
        add_remote(&r, &fragment->candidates[i]);
    cm_rtc_session_add_remotes(place->rtc, r.list, r.count);
}

cm_status cm_rtc_place_take_fragment(cm_rtc_place *place, cm_slice text, cm_buffer *answer,
                                     char detail[CM_RTC_DETAIL_SIZE])
{
    cm_sdp_fragment fragment;
    cm_sdp_error error;
    if (cm_sdp_fragment_parse(text, &fragment, &error) != CM_OK)
        return refuse(&error, detail);
    if (!cm_sdp_fragment_is_restart(&fragment, cm_slice_of(place->remote_ufrag))) {
        add_remotes(place, &fragment);
        return CM_OK;
    }
    CM_TRY(cm_rtc_session_restart(place->rtc, fragment.ufrag));
    if (!cm_rtc_session_is_lite(place->rtc))
        CM_TRY(cm_rtc_session_check(place->rtc, fragment.pwd, false));
    add_remotes(place, &fragment);
    CM_TRY(cm_slice_to_cstr(fragment.ufrag, place->remote_ufrag, sizeof place->remote_ufrag));
    renew_etag(place);
    return write_restart(place, &fragment, answer);
}

/* ---- 201 ---- */

void cm_rtc_place_respond(const cm_rtc_place *place, const char *kind, cm_http_request *request,
                          cm_slice answer)
{
    char location[256], etag[CM_ID_SIZE + 2];
    cm_writer l = cm_writer_over(location, sizeof location);
    cm_writer e = cm_writer_over(etag, sizeof etag);
    if (place->asker.kind == CM_ASKER_GUEST)
        cm_write_format(&l, "/api/v1/look/%s/%s", kind, place->id);
    else
        cm_write_format(&l, "/api/v1/cameras/%s/%s/%s?home=%s", place->camera.camera.text, kind,
                        place->id, place->camera.home.text);
    cm_write_format(&e, "\"%s\"", place->etag);
    const cm_http_field fields[] = {
        {CM_TEXT("content-type"), CM_TEXT("application/sdp")},
        {CM_TEXT("cache-control"), CM_TEXT("no-store")},
        {CM_TEXT("accept-patch"), CM_TEXT("application/trickle-ice-sdpfrag")},
        {CM_TEXT("location"), cm_writer_done(&l)},
        {CM_TEXT("etag"), cm_writer_done(&e)},
    };
    cm_http_respond(request, &(cm_http_response){.status = 201,
                                                 .fields = fields,
                                                 .field_count = CM_COUNT(fields),
                                                 .body = answer});
}
