/* Stills: a lease, a sealed still made where the camera lives, opened here under that lease into
 * the answer. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "base/writer.h"

enum { STILL_MAX = 8 << 20, TRIES_MAX = 4 };

typedef struct still {
    cm_api *api;
    cm_call *call;
    cm_camera_key camera;
    cm_stream stream;
    unsigned width;
    cm_viewer_session *session;
    bool has_lease; /* one is out with the fleet; renewals are not waited for */
    bool has_ended; /* grants said no */
    unsigned tries;
    cm_buffer jpeg;
} still;

static void still_free(still *s)
{
    cm_viewer_session_close(s->session);
    cm_buffer_deinit(&s->jpeg);
    free(s);
}

/* Ends the call with a problem and the object with it. */
static void finish(still *s, const cm_call_fault *fault)
{
    cm_call *call = s->call;
    still_free(s);
    cm_call_problem(call, fault);
}

static void finish_no_such_camera(still *s)
{
    cm_call *call = s->call;
    still_free(s);
    cm_call_no_such_camera(call);
}

static const cm_call_fault BUSY = {
    503, "server-busy", "Too busy", "Too many stills are being made; try again in a moment.", NULL,
    1};

/* The camera's keys turned under way (somebody else's grant was taken, perhaps): whoever may still
 * look has a fresh lease coming. */
static void try_again(still *s)
{
    if (s->has_ended) {
        finish_no_such_camera(s);
        return;
    }
    if (s->tries == TRIES_MAX || s->call->request == NULL) {
        finish(s, &BUSY);
        return;
    }
    s->has_lease = false;
    cm_viewer_session_nudge(s->session);
}

static bool collect(void *owner, const cm_opened_frame *opened)
{
    still *s = owner;
    cm_buffer_clear(&s->jpeg);
    for (size_t i = 0; i < opened->count; i++)
        if (cm_buffer_add(&s->jpeg, opened->granules[i]) != CM_OK)
            return false;
    return true;
}

static void respond_jpeg(cm_call *call, cm_slice jpeg, cm_wall captured)
{
    char when[CM_TIME_TEXT_SIZE];
    char age[24];
    const int64_t age_us = cm_loop_wall(call->api->config.loop).us - captured.us;
    cm_writer w = cm_writer_over(age, sizeof age);
    cm_write_decimal(&w, age_us > 0 ? (uint64_t)age_us / 1000 : 0);
    call->fields[call->field_count++] = (cm_http_field){CM_TEXT("casement-capture-time"),
                                                        cm_slice_of(cm_time_text(captured, when))};
    call->fields[call->field_count++] =
        (cm_http_field){CM_TEXT("casement-age-ms"), cm_writer_done(&w)};
    cm_call_bytes(call, "image/jpeg", jpeg);
}

/* Opens the sealed still by the lease that asked for it. */
static void open_still(still *s, cm_fleet_still_answer *answer)
{
    static const cm_call_fault WRONG = {500,
                                        "server-fault",
                                        "The server failed",
                                        "The picture could not be proved to be this camera's, so "
                                        "it is not shown. The log says more.",
                                        NULL,
                                        0};
    cm_fanout_viewer viewer = {.lease = answer->lease, .cursor = &answer->cursor, .owner = s};
    cm_fanout_open(s->api->fanout, answer->still, cm_loop_now(s->api->config.loop), &viewer, 1,
                   collect);
    const cm_slice jpeg = cm_buffer_data(&s->jpeg);
    if (viewer.refusal == CM_REFUSAL_NONE && jpeg.size > 0) {
        cm_call *call = s->call;
        respond_jpeg(call, jpeg, answer->still->captured);
        still_free(s);
        return;
    }
    if (viewer.refusal == CM_REFUSAL_STALE) {
        try_again(s);
        return;
    }
    cm_log_camera(CM_LOG_ERROR, "still", &s->camera, "event=open-refused cause=%s",
                  cm_refusal_name(viewer.refusal));
    cm_hub_report(s->api->config.hub, &s->camera, s->stream, viewer.refusal);
    finish(s, &WRONG);
}

static void on_still(void *owner, cm_fleet_still_answer *answer)
{
    static const cm_call_fault NOT_READY = {
        503,
        "camera-not-ready",
        "No picture yet",
        "The camera has sent no picture yet. Its state says why.",
        NULL,
        2};
    static const cm_call_fault BROKEN = {
        502,
        "picture-broken",
        "The picture could not be decoded",
        "The camera's newest picture could not be turned into a JPEG.",
        NULL,
        2};
    still *s = owner;
    const unsigned loop = cm_loop_index(s->api->config.loop); /* `s` ends below */
    switch (answer->status) {
    case CM_OK:
        open_still(s, answer);
        break;
    case CM_ABSENT:
        finish(s, &NOT_READY);
        break;
    case CM_FULL:
        finish(s, &BUSY);
        break;
    case CM_FOREIGN:
        try_again(s);
        break;
    default:
        finish(s, &BROKEN);
    }
    cm_lease_destroy(answer->lease);
    cm_frame_release(answer->still, loop);
}

static void on_lease(void *owner, cm_lease *lease)
{
    static const cm_call_fault NO_MEMORY = {
        503, "server-busy", "Too busy", "The server has no memory left for this.", NULL, 5};
    still *s = owner;
    if (s->has_lease) {
        cm_lease_destroy(lease);
        return;
    }
    s->has_lease = true;
    s->tries++;
    if (cm_fleet_still(s->api->config.fleet, s->api->config.loop, &s->camera, s->stream, s->width,
                       lease, on_still, s) != CM_OK)
        finish(s, &NO_MEMORY);
}

static void on_end(void *owner, cm_grant_reason reason)
{
    (void)reason;
    still *s = owner;
    s->has_ended = true;
    /* With a lease out, the answer is on its way and finds that the lease is over. */
    if (!s->has_lease)
        finish_no_such_camera(s);
}

/* Without a lease out nothing need come any more that would end this. */
static void on_gone(void *owner)
{
    still *s = owner;
    s->call->request = NULL;
    if (!s->has_lease)
        finish_no_such_camera(s);
}

static const cm_http_events REQUEST_EVENTS = {NULL, on_gone};

static const cm_viewer_events VIEWER_EVENTS = {on_lease, on_end};

static bool read_width(cm_call *call, unsigned *out)
{
    cm_slice text;
    uint64_t width = 0;
    *out = 0;
    const cm_status status = cm_http_query(call->request, CM_TEXT("width"), &text);
    if (status == CM_ABSENT)
        return true;
    if (status == CM_OK && cm_slice_to_u64(text, CM_STILL_WIDTH_MAX, &width) == CM_OK &&
        width >= CM_STILL_WIDTH_MIN) {
        *out = (unsigned)width;
        return true;
    }
    cm_call_problem(call,
                    &(cm_call_fault){400, "bad-width", "Not a width",
                                     "width is a number of pixels from 64 to 3840.", "width", 0});
    return false;
}

void cm_route_still(cm_call *call)
{
    static const cm_call_fault TOO_MANY = {503,
                                           "too-many-viewers",
                                           "Too many pictures at once",
                                           "This account has too many pictures open: close some.",
                                           NULL,
                                           5};
    cm_camera_key camera;
    cm_stream stream;
    unsigned width;
    if (!cm_call_camera(call, 0, &camera) || !cm_call_stream(call, &stream) ||
        !read_width(call, &width))
        return;
    still *s = calloc(1, sizeof *s);
    if (s == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    *s =
        (still){.api = call->api, .call = call, .camera = camera, .stream = stream, .width = width};
    cm_buffer_init(&s->jpeg, STILL_MAX);
    const cm_viewer_ask ask = {.asker = call->asker,
                               .camera = camera,
                               .streams = UINT32_C(1) << stream,
                               .wanted = CM_RIGHT_VIEW,
                               .path = CM_VIEW_STILL};
    if (cm_viewer_session_open(call->api->config.grants, call->api->config.loop, &ask,
                               &VIEWER_EVENTS, s, &s->session) != CM_OK)
        finish(s, &TOO_MANY);
    else
        cm_http_watch(call->request, &REQUEST_EVENTS, s);
}
