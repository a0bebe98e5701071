/*
 * Opening a WebRTC viewer: evidence first, then transport and answer; pictures when the peer is
 * connected.
 *
 * Most wait for their first lease before they are answered. One who may speak is answered on the
 * camera's loop by the evidence alone, as a publisher is (api/whip.c); his lease comes while he
 * connects, and nothing is shown, heard or said without it.
 */
#include "api/whep.h"

#include <stdlib.h>

#include "egress/webrtc/over_rtc.h"

/* ---- life ---- */

static void whep_free(cm_whep *whep)
{
    cm_fleet_unwant(whep->wish);
    cm_fleet_unwant(whep->sound_wish);
    cm_fleet_ear_end(whep->ear);
    cm_webrtc_sound_destroy(whep->sound); /* says goodbye over what is freed next */
    cm_whep_talk_end(whep);
    cm_viewer_session_close(whep->session);
    cm_lease_destroy(whep->lease);
    cm_rtc_session_destroy(whep->place.rtc);
    cm_buffer_deinit(&whep->offer);
    cm_list_remove(&whep->node);
    free(whep);
}

static void whep_end(cm_whep *whep)
{
    cm_webrtc_viewer_destroy(whep->viewer);
    whep_free(whep);
}

void cm_wheps_end(cm_api *api)
{
    CM_LIST_EACH(&api->wheps, node, next)
    whep_end(CM_HOLDER(node, cm_whep, node));
}

static cm_rtc_place *find(cm_api *there, const cm_call *call)
{
    CM_LIST_EACH(&there->wheps, node, next)
    {
        cm_whep *whep = CM_HOLDER(node, cm_whep, node);
        if (cm_rtc_place_is_asked(&whep->place, call))
            return &whep->place;
    }
    return NULL;
}

static void end_place(cm_rtc_place *place)
{
    whep_end(CM_HOLDER(place, cm_whep, place));
}

static const cm_rtc_kind KIND = {
    .find = find,
    .end = end_place,
    .gone = {404, "no-such-viewer", "No such viewer", "This viewer has ended: open another one.",
             NULL, 0},
};

void cm_route_whep_change(cm_call *call)
{
    cm_rtc_change(call, &KIND);
}

void cm_route_whep_end(cm_call *call)
{
    cm_rtc_end(call, &KIND);
}

static json_t *describe(const cm_rtc_place *place)
{
    return json_pack("{s:o}", "speech", cm_whep_talk_json(CM_HOLDER(place, const cm_whep, place)));
}

void cm_route_whep_read(cm_call *call)
{
    cm_rtc_read(call, &KIND, describe);
}

/* Nothing more is heard; the pictures go on. */
static void end_sound(cm_whep *whep)
{
    cm_webrtc_sound_destroy(whep->sound);
    whep->sound = NULL;
    cm_fleet_ear_end(whep->ear);
    whep->ear = NULL;
}

/* ---- from the viewer of egress ---- */

static void on_stale(void *owner)
{
    const cm_whep *whep = owner;
    cm_viewer_session_nudge(whep->session);
}

static void on_viewer_end(void *owner)
{
    whep_end(owner);
}

static const cm_webrtc_events VIEWER_EVENTS = {.on_stale = on_stale, .on_end = on_viewer_end};

/* ---- from the transport ---- */

/*
 * What a path is taken to carry until its peer says more, and at the least. A home's own network is
 * no bottleneck for a camera: a keyframe that is spread as if it were would hold up the pictures
 * behind it. What comes from outside may be one.
 */
static cm_webrtc_estimate_config rates_of(const cm_whep *whep)
{
    cm_rtc_figures figures;
    cm_rtc_session_read_figures(whep->place.rtc, &figures);
    const cm_address_kind kind = cm_address_kind_of(&figures.path);
    const bool is_near =
        !figures.is_relayed && (kind == CM_ADDRESS_PRIVATE || kind == CM_ADDRESS_LOOPBACK ||
                                kind == CM_ADDRESS_LINK_LOCAL);
    return is_near ? (cm_webrtc_estimate_config){.start_bits_per_second = 20000000,
                                                 .least_bits_per_second = 10000000}
                   : (cm_webrtc_estimate_config){.start_bits_per_second = 4000000};
}

/* Under a lease of its own, made of the one that is at hand. Without it the pictures go on. */
static void begin_sound(cm_whep *whep)
{
    const cm_webrtc_sound_config config = {.hub = whep->place.api->config.hub,
                                           .loop = whep->place.api->config.loop,
                                           .transport = &whep->transport,
                                           .estimator = &whep->estimator,
                                           .media = whep->sound_media,
                                           .on_stale = on_stale,
                                           .owner = whep};
    cm_lease *lease;
    if (!whep->has_sound || cm_lease_narrow(whep->lease, whep->sound_stream, &lease) != CM_OK ||
        cm_webrtc_sound_create(&config, lease, &whep->sound) != CM_OK)
        return;
    if (cm_webrtc_sound_start(whep->sound) != CM_OK)
        end_sound(whep);
}

/* Connected, and under a lease. */
static void begin_pictures(cm_whep *whep)
{
    whep->transport = cm_webrtc_transport_over(whep->place.rtc);
    const cm_webrtc_estimate_config rates = rates_of(whep);
    cm_webrtc_estimate_init(&whep->estimate, &rates, cm_loop_now(whep->place.api->config.loop));
    whep->estimator = cm_webrtc_estimate_as_estimator(&whep->estimate);
    const cm_webrtc_config config = {.hub = whep->place.api->config.hub,
                                     .loop = whep->place.api->config.loop,
                                     .transport = &whep->transport,
                                     .stream = whep->stream,
                                     .media = whep->media,
                                     .estimator = &whep->estimator,
                                     .start_bits_per_second = (uint32_t)rates.start_bits_per_second,
                                     .events = &VIEWER_EVENTS,
                                     .owner = whep};
    begin_sound(whep);
    cm_lease *lease = whep->lease;
    whep->lease = NULL;
    cm_status status = cm_webrtc_viewer_create(&config, lease, &whep->viewer);
    if (status == CM_OK)
        status = cm_webrtc_viewer_start(whep->viewer);
    if (status != CM_OK)
        whep_end(whep);
}

static void on_connected(void *owner)
{
    cm_whep *whep = owner;
    whep->is_connected = true;
    if (whep->lease != NULL)
        begin_pictures(whep);
}

static void on_rtcp(void *owner, cm_slice compound)
{
    cm_whep *whep = owner;
    if (whep->sound != NULL)
        cm_webrtc_sound_rtcp(whep->sound, compound);
    if (whep->viewer != NULL)
        cm_webrtc_viewer_rtcp(whep->viewer, compound); /* may be the end of all */
}

/* A viewer of pictures sends none; one who speaks does. */
static void on_rtp(void *owner, cm_slice packet)
{
    cm_whep_talk_rtp(owner, packet);
}

static void on_closed(void *owner, cm_rtc_cause cause)
{
    cm_whep *whep = owner;
    cm_log_camera(CM_LOG_DEBUG, "whep", &whep->place.camera, "event=closed cause=%s",
                  cm_rtc_cause_name(cause));
    whep_end(whep);
}

static void on_moved(void *owner)
{
    const cm_whep *whep = owner;
    if (whep->viewer != NULL)
        cm_webrtc_viewer_moved(whep->viewer);
}

static const cm_rtc_events RTC_EVENTS = {on_connected, on_rtp, on_rtcp, on_closed, on_moved};

/* ---- the answer ---- */

static void respond_problem(cm_whep *whep, unsigned status, const char *type, const char *title,
                            const char *detail)
{
    cm_http_request *request = whep->request;
    whep->request = NULL;
    if (request != NULL)
        cm_http_respond_problem(request,
                                &(cm_http_problem){.status = status,
                                                   .type = type,
                                                   .title = title,
                                                   .detail = detail,
                                                   .retry_after_s = status == 503 ? 5 : 0});
}

/* Why there is no answer. */
static cm_call_fault fault_of(cm_status status, const char *detail)
{
    if (status == CM_REFUSE)
        return (cm_call_fault){400, "bad-offer", "Offer not understood", detail, NULL, 0};
    if (status == CM_ABSENT)
        return (cm_call_fault){406, "codec-not-offered", "No codec in common", detail, NULL, 0};
    return (cm_call_fault){
        503,        "server-busy",
        "Too busy", "The server has as many WebRTC viewers as it may; try again in a moment.",
        NULL,       5};
}

static void want_pictures(cm_whep *whep)
{
    cm_fleet *fleet = whep->place.api->config.fleet;
    whep->wish = cm_fleet_want(fleet, &whep->place.camera, whep->stream);
    if (whep->has_sound)
        whep->sound_wish = cm_fleet_want(fleet, &whep->place.camera, CM_STREAM_SOUND);
}

/* Somebody hears what must be made over: that begins, by the right of his lease. */
static void begin_ear(cm_whep *whep)
{
    cm_lease *lease;
    if (whep->ear == NULL && whep->has_sound && cm_stream_is_made(whep->sound_stream) &&
        cm_lease_narrow(whep->lease, CM_STREAM_SOUND, &lease) == CM_OK)
        whep->ear = cm_fleet_hear(whep->place.api->config.fleet, &whep->place.camera,
                                  whep->sound_stream, lease);
}

static bool may_hear(const cm_whep *whep)
{
    return whep->has_stream && cm_lease_allows(whep->lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN) &&
           cm_lease_allows(whep->lease, whep->sound_stream, CM_RIGHT_LISTEN);
}

/* The first lease: whoever asks may see this camera. */
static void begin(cm_whep *whep)
{
    char detail[CM_RTC_DETAIL_SIZE];
    cm_buffer answer;
    cm_buffer_init(&answer, 64 << 10);
    whep->rights = may_hear(whep) ? CM_RIGHT_LISTEN : 0;
    const cm_status status = cm_whep_answer(whep, &RTC_EVENTS, &answer, detail);
    cm_buffer_deinit(&whep->offer);
    if (status == CM_OK) {
        want_pictures(whep);
        begin_ear(whep);
        cm_http_request *request = whep->request;
        whep->request = NULL;
        cm_rtc_place_respond(&whep->place, "whep", request, cm_buffer_data(&answer));
    } else {
        const cm_call_fault fault = fault_of(status, detail);
        respond_problem(whep, fault.status, fault.type, fault.title, fault.detail);
    }
    cm_buffer_deinit(&answer);
    if (status != CM_OK)
        whep_free(whep);
}

/* ---- from grants ---- */

/* One without the right to listen is the end of the sound. */
static void renew_sound(cm_whep *whep, const cm_lease *lease)
{
    cm_lease *narrow;
    if (whep->ear != NULL && cm_lease_narrow(lease, CM_STREAM_SOUND, &narrow) == CM_OK)
        cm_fleet_ear_renew(whep->ear, narrow);
    if (whep->sound == NULL)
        return;
    if (cm_lease_narrow(lease, whep->sound_stream, &narrow) == CM_OK)
        cm_webrtc_sound_renew(whep->sound, narrow);
    else
        end_sound(whep);
}

static void on_lease(void *owner, cm_lease *lease)
{
    cm_whep *whep = owner;
    renew_sound(whep, lease);
    cm_whep_talk_renew(whep, lease);
    if (whep->viewer != NULL) {
        cm_webrtc_viewer_renew(whep->viewer, lease);
        return;
    }
    cm_lease_destroy(whep->lease);
    whep->lease = lease;
    if (whep->place.rtc == NULL) {
        begin(whep);
        return;
    }
    begin_ear(whep);
    if (whep->is_connected)
        begin_pictures(whep);
}

/* Refused, or cut while watching. */
static void on_end(void *owner, cm_grant_reason reason)
{
    cm_whep *whep = owner;
    if (reason == CM_GRANT_DENIED_EVIDENCE)
        cm_log_camera(CM_LOG_ERROR, "whep", &whep->place.camera, "event=evidence-alarm");
    respond_problem(whep, 404, "no-such-camera", "No such camera",
                    "There is no such camera here, or you may not see it.");
    end_sound(whep);
    if (whep->viewer != NULL)
        cm_webrtc_viewer_cut(whep->viewer);
    whep_free(whep);
}

static const cm_viewer_events SESSION_EVENTS = {on_lease, on_end};

/* ---- the request ---- */

static void on_gone(void *owner)
{
    cm_whep *whep = owner;
    whep->request = NULL;
    whep_free(whep); /* nobody would know the session's address */
}

static const cm_http_events WAITING_EVENTS = {NULL, on_gone};

static const cm_call_fault TOO_MANY = {503,
                                       "too-many-viewers",
                                       "Too many pictures at once",
                                       "This account has too many pictures open: close some.",
                                       NULL,
                                       5};

/* A POST, until the session is on its own. */
typedef struct opening {
    cm_whep *whep; /* NULL: it is */
    /* Of one who may speak: */
    cm_api *there; /* of the camera's loop */
    cm_evidence evidence;
    bool is_open;
    cm_call_fault fault; /* unless is_open */
    char detail[CM_RTC_DETAIL_SIZE];
    cm_buffer answer;
    cm_rtc_place place; /* a copy, for the answer's fields */
} opening;

static void free_opening(void *data)
{
    opening *o = data;
    if (o->whep != NULL)
        whep_free(o->whep);
    cm_buffer_deinit(&o->answer);
    free(o);
}

static cm_status open_session(cm_whep *whep)
{
    const cm_api_config *api = &whep->place.api->config;
    const uint32_t sounds = UINT32_C(1) << CM_STREAM_SOUND | (uint32_t)whep->has_stream
                                                                 << whep->sound_stream;
    const cm_viewer_ask ask = {
        .asker = whep->place.asker,
        .camera = whep->place.camera,
        .streams = UINT32_C(1) << whep->stream | (whep->wishes.hears ? sounds : 0),
        .wanted = CM_RIGHT_VIEW | (whep->wishes.hears ? CM_RIGHT_LISTEN : 0) |
                  (whep->rights & CM_RIGHT_TALK),
        .path = CM_VIEW_WEBRTC};
    return cm_viewer_session_open(api->grants, api->loop, &ask, &SESSION_EVENTS, whep,
                                  &whep->session);
}

/* ---- one who sees, and may be heard by nobody: answered with the first lease ---- */

static void open_here(cm_call *call)
{
    opening *o = call->data;
    cm_whep *whep = o->whep;
    if (call->request == NULL) {
        cm_call_free(call);
        return;
    }
    if (open_session(whep) != CM_OK) {
        cm_call_problem(call, &TOO_MANY);
        return;
    }
    cm_list_add_last(&call->api->wheps, &whep->node);
    o->whep = NULL;
    whep->request = cm_call_release(call);
    cm_http_watch(whep->request, &WAITING_EVENTS, whep);
}

/* ---- one who may speak: on the camera's loop ---- */

static void open_there(cm_call *call)
{
    opening *o = call->data;
    cm_whep *whep = o->whep;
    const cm_camera_key camera = whep->place.camera;
    o->whep = NULL;
    cm_rtc_place_init(&whep->place, o->there, &call->asker, &camera);
    const cm_status status = cm_whep_answer(whep, &RTC_EVENTS, &o->answer, o->detail);
    o->is_open = status == CM_OK && open_session(whep) == CM_OK;
    if (!o->is_open) {
        o->fault = status != CM_OK ? fault_of(status, o->detail) : TOO_MANY;
        whep_free(whep);
        return;
    }
    cm_buffer_deinit(&whep->offer);
    want_pictures(whep);
    cm_list_add_last(&o->there->wheps, &whep->node);
    o->place = whep->place;
}

/* Should the asker be gone: nobody connects, and the session ends by itself. */
static void answer_opening(cm_call *call)
{
    const opening *o = call->data;
    if (!o->is_open) {
        cm_call_problem(call, &o->fault);
        return;
    }
    if (call->request != NULL)
        cm_rtc_place_respond(&o->place, "whep", call->request, cm_buffer_data(&o->answer));
    cm_call_free(call);
}

static void read_evidence(cm_call *call)
{
    opening *o = call->data;
    call->status =
        cm_store_evidence(call->api->config.store, &call->asker, &o->whep->place.camera,
                          cm_loop_wall(call->api->config.loop), &o->evidence, &call->cause);
}

/* Without the right to speak he is like any other. */
static void on_evidence(cm_call *call)
{
    opening *o = call->data;
    const cm_grant_facts facts = cm_grant_facts_of(&o->evidence);
    if (call->status == CM_FOREIGN) {
        cm_log_camera(CM_LOG_ERROR, "whep", &o->whep->place.camera, "event=evidence-alarm cause=%s",
                      call->cause != NULL ? call->cause : "unknown");
        cm_call_no_such_camera(call);
        return;
    }
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-camera");
        return;
    }
    const cm_moment at = cm_zone_at(o->evidence.zone, cm_loop_wall(call->api->config.loop));
    const cm_grant_decision decision =
        cm_grant_decide(&facts, &at, CM_RIGHT_VIEW | CM_RIGHT_LISTEN | CM_RIGHT_TALK);
    if (!decision.is_allowed || (decision.rights & CM_RIGHT_TALK) == 0) {
        open_here(call);
        return;
    }
    o->whep->rights = decision.rights;
    cm_call_on(call, o->there, open_there, answer_opening);
}

/* ---- which of the two ---- */

static void read_status(cm_call *call)
{
    cm_whep *whep = ((opening *)call->data)->whep;
    const cm_camera_status *status = cm_fleet_status(call->api->config.fleet, &whep->place.camera);
    if (status == NULL)
        return;
    whep->has_format = cm_sound_format_of(&status->sound, &whep->format);
    whep->has_stream =
        whep->has_format && cm_webrtc_sound_stream(&whep->format, &whep->sound_stream) == CM_OK;
    whep->takes_talk = status->talk.is_configured;
    CM_IGNORE(cm_slice_to_cstr(cm_slice_of(status->streams[whep->stream].codec), whep->codec,
                               sizeof whep->codec),
              "of the same size");
}

static void on_status(cm_call *call)
{
    const cm_whep *whep = ((opening *)call->data)->whep;
    if (whep->wishes.speaks && whep->takes_talk)
        cm_call_read(call, read_evidence, on_evidence);
    else
        open_here(call);
}

static cm_whep *make_whep(cm_call *call, const cm_camera_key *camera, cm_stream stream)
{
    cm_whep *whep = calloc(1, sizeof *whep);
    if (whep == NULL)
        return NULL;
    *whep = (cm_whep){.stream = stream,
                      .wishes = cm_whep_read_wishes(cm_buffer_data(&call->text)),
                      .offer = call->text};
    cm_rtc_place_init(&whep->place, call->api, &call->asker, camera);
    cm_buffer_init(&call->text, 0); /* its bytes are the session's */
    cm_list_init(&whep->node);
    return whep;
}

void cm_route_whep(cm_call *call)
{
    cm_camera_key camera;
    cm_stream stream;
    if (!cm_call_camera(call, 0, &camera) || !cm_call_stream(call, &stream))
        return;
    opening *o = calloc(1, sizeof *o);
    cm_whep *whep = o != NULL ? make_whep(call, &camera, stream) : NULL;
    if (whep == NULL) {
        free(o);
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    o->whep = whep;
    o->there = call->api->config.apis[cm_hub_loop_of(&camera, call->api->config.api_count)];
    cm_buffer_init(&o->answer, 64 << 10);
    call->data = o;
    call->free_data = free_opening;
    cm_call_on_control(call, read_status, on_status);
}
