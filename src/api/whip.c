/*
 * Publishing by WebRTC (WHIP, RFC 9725): a phone's browser or OBS brings a camera its pictures.
 *
 * POST: the evidence is read and decided first; then, on the camera's own loop, the transport is
 * made. A viewer session of grants that opens no stream stays beside it, for the cut: pictures are
 * taken under a live lease with the right to publish, and for GRACE_MS after it was last seen live,
 * so that a turn of the camera's keys, after which a fresh lease comes, costs no picture.
 *
 * One publisher at a time. Who comes again with the same session or token (a page that was loaded
 * anew, OBS after its network came back) takes over from himself; another one is told 409.
 */
#include <stdlib.h>

#include "api/rtc_sdp.h"
#include "ingest/whip/receiver.h"

enum { GRACE_MS = 100 };

typedef struct whip {
    cm_list node; /* in place.api->whips */
    cm_rtc_place place;
    cm_camera_push push;
    cm_whip_media media;
    cm_whip_receiver *receiver; /* from the first packet, or the connection, on */
    cm_viewer_session *session;
    cm_lease *lease; /* the newest */
    bool was_live;
    cm_instant live; /* when the lease was last seen live, if was_live */
} whip;

/* ---- the end ---- */

static void whip_free(whip *w)
{
    cm_whip_receiver_destroy(w->receiver);
    cm_viewer_session_close(w->session);
    cm_lease_destroy(w->lease);
    cm_rtc_session_destroy(w->place.rtc);
    cm_list_remove(&w->node);
    free(w);
}

static void whip_end(whip *w, cm_camera_cause cause, const char *detail)
{
    cm_camera_push_end(&w->push, cause, detail);
    whip_free(w);
}

void cm_whips_end(cm_api *api)
{
    CM_LIST_EACH(&api->whips, node, next)
    whip_end(CM_HOLDER(node, whip, node), CM_CAUSE_NONE, "");
}

static cm_rtc_place *find(cm_api *there, const cm_call *call)
{
    CM_LIST_EACH(&there->whips, node, next)
    {
        whip *w = CM_HOLDER(node, whip, node);
        if (cm_rtc_place_is_asked(&w->place, call))
            return &w->place;
    }
    return NULL;
}

static void end_place(cm_rtc_place *place)
{
    whip_end(CM_HOLDER(place, whip, place), CM_CAUSE_NONE, "");
}

static const cm_rtc_kind KIND = {
    .find = find,
    .end = end_place,
    .gone = {404, "no-such-publisher", "No such publisher",
             "This publisher has ended: begin another one.", NULL, 0},
};

void cm_route_whip_change(cm_call *call)
{
    cm_rtc_change(call, &KIND);
}

void cm_route_whip_end(cm_call *call)
{
    cm_rtc_end(call, &KIND);
}

/* ---- from the camera ---- */

static void on_gone(cm_camera_push *push)
{
    whip_free(CM_HOLDER(push, whip, push));
}

static void read_counters(const cm_camera_push *push, cm_camera_push_counters *out)
{
    const whip *w = CM_HOLDER(push, const whip, push);
    cm_whip_counters counters = {0};
    if (w->receiver != NULL)
        cm_whip_receiver_read_counters(w->receiver, &counters);
    *out = (cm_camera_push_counters){.packets_lost = counters.lost,
                                     .malformed = counters.malformed + counters.foreign_source +
                                                  counters.foreign_type};
}

/* ---- from grants ---- */

static void on_lease(void *owner, cm_lease *lease)
{
    whip *w = owner;
    cm_lease_destroy(w->lease);
    w->lease = lease;
}

/* Refused, or cut while publishing. */
static void on_lease_end(void *owner, cm_grant_reason reason)
{
    whip *w = owner;
    if (reason == CM_GRANT_DENIED_EVIDENCE)
        cm_log_camera(CM_LOG_ERROR, "whip", &w->place.camera, "event=evidence-alarm");
    whip_end(w, CM_CAUSE_NOT_ALLOWED, cm_grant_reason_name(reason));
}

static const cm_viewer_events SESSION_EVENTS = {on_lease, on_lease_end};

static bool may_publish(whip *w)
{
    const cm_instant now = cm_loop_now(w->place.api->config.loop);
    if (w->lease != NULL && cm_lease_is_live(w->lease, now) &&
        cm_lease_has(w->lease, CM_RIGHT_PUBLISH) &&
        cm_camera_key_equal(cm_lease_camera(w->lease), &w->place.camera)) {
        w->was_live = true;
        w->live = now;
        return true;
    }
    cm_viewer_session_nudge(w->session);
    return w->was_live && cm_instant_since(now, w->live) < CM_MS(GRACE_MS);
}

/* ---- from the receiver ---- */

static void on_unit(void *owner, const cm_ingest_unit *unit)
{
    whip *w = owner;
    if (may_publish(w))
        cm_camera_push_unit(&w->push, unit);
    else
        cm_camera_push_skip(&w->push);
}

static void on_sound(void *owner, const cm_ingest_sound *sound)
{
    whip *w = owner;
    if (may_publish(w))
        cm_camera_push_sound(&w->push, sound);
}

static void on_silence(void *owner)
{
    whip *w = owner;
    cm_camera_push_silence(&w->push);
}

static void on_receiver_end(void *owner, const cm_whip_end *end)
{
    const bool is_goodbye = end->cause == CM_CAUSE_CLOSED;
    whip_end(owner, is_goodbye ? CM_CAUSE_NONE : end->cause, end->detail);
}

static const cm_whip_events RECEIVER_EVENTS = {on_unit, on_sound, on_silence, on_receiver_end};

/* ---- from the transport ---- */

static cm_status send_rtcp(void *context, cm_slice compound)
{
    const whip *w = context;
    return cm_rtc_session_send_rtcp(w->place.rtc, compound);
}

/* False: no memory. */
static bool has_receiver(whip *w)
{
    const cm_whip_config config = {.loop = w->place.api->config.loop,
                                   .media = w->media,
                                   .cname = cm_slice_of(w->place.id),
                                   .send_rtcp = send_rtcp,
                                   .context = w,
                                   .events = &RECEIVER_EVENTS,
                                   .owner = w};
    return w->receiver != NULL || cm_whip_receiver_create(&config, &w->receiver) == CM_OK;
}

static void on_connected(void *owner)
{
    whip *w = owner;
    cm_log_camera(CM_LOG_DEBUG, "whip", &w->place.camera, "event=connected");
    if (!has_receiver(w))
        whip_end(w, CM_CAUSE_CLOSED, "no memory");
}

static void on_rtp(void *owner, cm_slice packet)
{
    whip *w = owner;
    if (has_receiver(w))
        cm_whip_receiver_rtp(w->receiver, packet);
}

static void on_rtcp(void *owner, cm_slice compound)
{
    whip *w = owner;
    if (w->receiver != NULL)
        cm_whip_receiver_rtcp(w->receiver, compound);
}

static void on_closed(void *owner, cm_rtc_cause cause)
{
    static const struct {
        cm_camera_cause cause;
        const char *detail;
    } CAUSES[CM_RTC_CAUSES] = {
        [CM_RTC_ABSENT] = {CM_CAUSE_PUBLISHER_LOST, "it never reached the media port"},
        [CM_RTC_LATE] = {CM_CAUSE_PUBLISHER_LOST, "it was not connected in 30 s"},
        [CM_RTC_FOREIGN] = {CM_CAUSE_PROTOCOL, "its certificate is not the one it announced"},
        [CM_RTC_HANDSHAKE] = {CM_CAUSE_PROTOCOL, "DTLS failed"},
        [CM_RTC_CONSENT] = {CM_CAUSE_PUBLISHER_LOST, "not heard for 30 s"},
        [CM_RTC_GOODBYE] = {CM_CAUSE_NONE, ""},
        [CM_RTC_BROKEN] = {CM_CAUSE_CLOSED, "this server's transport failed"},
    };
    whip *w = owner;
    cm_log_camera(CM_LOG_DEBUG, "whip", &w->place.camera, "event=closed cause=%s",
                  cm_rtc_cause_name(cause));
    whip_end(w, CAUSES[cause].cause, CAUSES[cause].detail);
}

static const cm_rtc_events RTC_EVENTS = {on_connected, on_rtp, on_rtcp, on_closed, NULL};

/* ---- the answer: one m-line of H.264 is received, and one of Opus ---- */

static cm_status accept_video(cm_rtc_negotiation *n, size_t *index_out)
{
    static const cm_sdp_want WANT = {.codec = CM_SDP_H264, .is_any = true};
    const cm_sdp_terms terms = {.wants = &WANT, .want_count = 1, .may_receive = true};
    for (size_t i = 0; i < n->offer.media_count; i++)
        if (n->offer.medias[i].kind == CM_SDP_VIDEO &&
            cm_sdp_answer_accept(&n->answer, &n->offer, i, &terms) == CM_OK) {
            *index_out = i;
            return CM_OK;
        }
    return CM_ABSENT;
}

static void take_sound(whip *w, cm_rtc_negotiation *n, size_t index)
{
    uint32_t rtx;
    w->media.has_sound = true;
    w->media.sound_payload_type = n->answer.medias[index].choices[0].type;
    cm_sdp_offer_ssrcs(&n->offer.medias[index], &w->media.sound_ssrc, &rtx);
}

/* The first line of Opus is heard; others are left inactive: some peers give up a rejected one. */
static void accept_sound(whip *w, cm_rtc_negotiation *n)
{
    static const cm_sdp_want WANTS[] = {
        {.codec = CM_SDP_OPUS, .is_stereo = true}, {.codec = CM_SDP_PCMU}, {.codec = CM_SDP_PCMA}};
    const cm_sdp_terms opus = {.wants = WANTS, .want_count = 1, .may_receive = true};
    const cm_sdp_terms idle = {.wants = WANTS, .want_count = CM_COUNT(WANTS), .may_idle = true};
    for (size_t i = 0; i < n->offer.media_count; i++) {
        if (n->offer.medias[i].kind != CM_SDP_AUDIO)
            continue;
        if (!w->media.has_sound && cm_sdp_answer_accept(&n->answer, &n->offer, i, &opus) == CM_OK)
            take_sound(w, n, i);
        else
            CM_IGNORE(cm_sdp_answer_accept(&n->answer, &n->offer, i, &idle), "rejected then");
    }
}

static void note_media(whip *w, cm_rtc_negotiation *n, size_t index)
{
    const cm_sdp_answer_media *media = &n->answer.medias[index];
    const cm_sdp_choice *choice = &media->choices[0];
    w->media = (cm_whip_media){
        .codec = CM_VIDEO_H264,
        .payload_type = choice->type,
        .rtx_payload_type = choice->rtx_type,
        .extensions = media->extensions,
        .has_nack = (choice->feedback & CM_SDP_NACK) != 0,
        .has_pli = (choice->feedback & CM_SDP_NACK_PLI) != 0,
        .has_fir = (choice->feedback & CM_SDP_CCM_FIR) != 0,
        .has_reduced_size = n->offer.medias[index].has_reduced_size,
    };
    cm_sdp_offer_ssrcs(&n->offer.medias[index], &w->media.ssrc, &w->media.rtx_ssrc);
}

static cm_status negotiate(whip *w, cm_slice offer, cm_buffer *answer,
                           char detail[CM_RTC_DETAIL_SIZE])
{
    size_t index;
    cm_rtc_negotiation *n = malloc(sizeof *n);
    CM_ENSURE(n != NULL, CM_FULL);
    cm_status status = cm_rtc_negotiation_begin(n, &w->place, offer, detail);
    if (status == CM_OK && accept_video(n, &index) != CM_OK) {
        CM_IGNORE(cm_slice_to_cstr(CM_TEXT("The offer brings no video that is understood: it needs "
                                           "an m=video line that sends H264 with "
                                           "packetization-mode=1."),
                                   detail, CM_RTC_DETAIL_SIZE),
                  "short enough");
        status = CM_ABSENT;
    }
    if (status == CM_OK) {
        note_media(w, n, index);
        accept_sound(w, n);
        status = cm_rtc_negotiation_finish(n, &w->place, &RTC_EVENTS, w, answer);
    }
    free(n);
    return status;
}

/* ---- the request ---- */

/* What a POST carries from the call's loop to the camera's and back. */
typedef struct opening {
    cm_camera_key camera;
    cm_evidence evidence;
    cm_api *there;
    const cm_call_fault *fault; /* NULL: it is open */
    char detail[CM_RTC_DETAIL_SIZE];
    cm_buffer answer;
    cm_rtc_place place; /* a copy, for the answer's fields */
} opening;

static void free_opening(void *data)
{
    opening *o = data;
    cm_buffer_deinit(&o->answer);
    free(o);
}

static const cm_call_fault ABSENT = {404,
                                     "no-such-camera",
                                     "No such camera",
                                     "There is no such camera here, or you may not bring it "
                                     "pictures.",
                                     NULL,
                                     0};

/* Whoever publishes there; NULL: nobody. */
static whip *find_publisher(cm_api *there, const cm_camera_key *camera)
{
    CM_LIST_EACH(&there->whips, node, next)
    {
        whip *w = CM_HOLDER(node, whip, node);
        if (cm_camera_key_equal(&w->place.camera, camera))
            return w;
    }
    return NULL;
}

static bool is_same_asker(const cm_asker *a, const cm_asker *b)
{
    return a->kind == b->kind &&
           cm_secret_equal(cm_slice_over(a->token_hash, sizeof a->token_hash),
                           cm_slice_over(b->token_hash, sizeof b->token_hash));
}

static const cm_call_fault *fault_of_push(cm_status status, const cm_camera_key *camera)
{
    static const cm_call_fault OTHER_KIND = {
        409,
        "not-a-whip-camera",
        "Another kind of camera",
        "This camera has an address that its pictures are fetched from.",
        NULL,
        0};
    static const cm_call_fault TAKEN = {
        409,
        "already-publishing",
        "Somebody brings it pictures",
        "Another device brings this camera its pictures: end that one first.",
        NULL,
        0};
    if (status == CM_OK)
        return NULL;
    if (status == CM_FOREIGN)
        cm_log_camera(CM_LOG_ERROR, "whip", camera, "event=foreign-camera-alarm");
    return status == CM_ABSENT ? &OTHER_KIND : status == CM_FULL ? &TAKEN : &ABSENT;
}

static const cm_call_fault BUSY = {503,
                                   "server-busy",
                                   "Too busy",
                                   "The server has as many WebRTC sessions as it may; try again in "
                                   "a moment.",
                                   NULL,
                                   5};

static const cm_call_fault *open_parts(whip *w, opening *o, cm_slice offer)
{
    static const cm_call_fault BAD = {400, "bad-offer", "Offer not understood", NULL, NULL, 0};
    static const cm_call_fault NO_CODEC = {
        406, "codec-not-offered", "No codec in common", NULL, NULL, 0};
    const cm_status status = negotiate(w, offer, &o->answer, o->detail);
    if (status != CM_OK)
        return status == CM_REFUSE ? &BAD : status == CM_ABSENT ? &NO_CODEC : &BUSY;
    const cm_viewer_ask ask = {.asker = w->place.asker,
                               .camera = w->place.camera,
                               .wanted = CM_RIGHT_PUBLISH,
                               .path = CM_VIEW_WHIP};
    return cm_viewer_session_open(o->there->config.grants, o->there->config.loop, &ask,
                                  &SESSION_EVENTS, w, &w->session) == CM_OK
               ? NULL
               : &BUSY;
}

/* On the camera's loop. */
static void open_there(cm_call *call)
{
    opening *o = call->data;
    const cm_api_config *there = &o->there->config;
    cm_camera *camera = cm_fleet_camera_here(there->fleet, cm_loop_index(there->loop), &o->camera);
    whip *former = find_publisher(o->there, &o->camera);
    whip *w = calloc(1, sizeof *w);
    if (camera == NULL || w == NULL) {
        o->fault = camera == NULL ? &ABSENT : &BUSY;
        free(w);
        return;
    }
    if (former != NULL && is_same_asker(&former->place.asker, &call->asker))
        whip_end(former, CM_CAUSE_NONE, "");
    w->push = (cm_camera_push){.on_gone = on_gone, .read_counters = read_counters};
    cm_list_init(&w->node);
    cm_rtc_place_init(&w->place, o->there, &call->asker, &o->camera);
    o->fault = fault_of_push(cm_camera_push_begin(camera, &o->camera, &w->push), &o->camera);
    if (o->fault == NULL)
        o->fault = open_parts(w, o, cm_buffer_data(&call->text));
    if (o->fault != NULL) {
        whip_end(w, CM_CAUSE_NONE, "");
        return;
    }
    cm_list_add_last(&o->there->whips, &w->node);
    o->place = w->place;
}

static void answer_opening(cm_call *call)
{
    const opening *o = call->data;
    if (o->fault != NULL) {
        cm_call_fault fault = *o->fault;
        fault.detail = fault.detail != NULL ? fault.detail : o->detail;
        cm_call_problem(call, &fault);
        return;
    }
    if (call->request != NULL)
        cm_rtc_place_respond(&o->place, "whip", call->request, cm_buffer_data(&o->answer));
    cm_call_free(call);
}

/* ---- evidence first ---- */

static void read_evidence(cm_call *call)
{
    opening *o = call->data;
    call->status =
        cm_store_evidence(call->api->config.store, &call->asker, &o->camera,
                          cm_loop_wall(call->api->config.loop), &o->evidence, &call->cause);
}

static void on_evidence(cm_call *call)
{
    const opening *o = call->data;
    if (call->status == CM_FOREIGN)
        cm_log_camera(CM_LOG_ERROR, "whip", &o->camera, "event=evidence-alarm cause=%s",
                      call->cause != NULL ? call->cause : "unknown");
    const cm_grant_facts facts = cm_grant_facts_of(&o->evidence);
    const cm_moment at = cm_zone_at(o->evidence.zone, cm_loop_wall(call->api->config.loop));
    if (call->status == CM_OK && cm_grant_decide(&facts, &at, CM_RIGHT_PUBLISH).is_allowed)
        cm_call_on(call, o->there, open_there, answer_opening);
    else if (call->status == CM_OK || call->status == CM_FOREIGN)
        cm_call_problem(call, &ABSENT);
    else
        cm_call_fail(call, call->status, "no-such-camera");
}

void cm_route_whip(cm_call *call)
{
    cm_camera_key camera;
    if (!cm_call_camera(call, 0, &camera))
        return;
    opening *o = calloc(1, sizeof *o);
    if (o == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    o->camera = camera;
    o->there = call->api->config.apis[cm_hub_loop_of(&camera, call->api->config.api_count)];
    cm_buffer_init(&o->answer, 64 << 10);
    call->data = o;
    call->free_data = free_opening;
    cm_call_read(call, read_evidence, on_evidence);
}
