/* Live pictures, and live sound: a viewer session of grants on one side, an MP4 viewer on the
 * other, and the cut between them. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct live {
    cm_list node;
    cm_api *api;
    cm_camera_key camera;
    cm_stream stream;
    bool has_format;          /* of sound: what the camera sounds like, */
    bool has_stream;          /* and that it is told as MP4: `stream` is how */
    cm_http_request *request; /* until the first lease: then it is the viewer's */
    cm_viewer_session *session;
    cm_mp4_viewer *viewer;
    cm_fleet_wish *wish;
    cm_fleet_ear *ear; /* of sound that is made over */
} live;

static void live_free(live *l)
{
    cm_fleet_unwant(l->wish);
    cm_fleet_ear_end(l->ear);
    cm_viewer_session_close(l->session);
    cm_list_remove(&l->node);
    free(l);
}

/* ---- from the MP4 viewer ---- */

static void on_stale(void *owner)
{
    const live *l = owner;
    cm_viewer_session_nudge(l->session);
}

static void on_response_end(void *owner)
{
    live *l = owner;
    cm_mp4_viewer_destroy(l->viewer);
    live_free(l);
}

static const cm_mp4_events MP4_EVENTS = {on_stale, on_response_end};

/* ---- from grants ---- */

/* Nothing is said of what may not be seen or heard. */
static void respond_nothing_there(live *l)
{
    static const cm_http_problem NO_CAMERA = {
        .status = 404,
        .type = "no-such-camera",
        .title = "No such camera",
        .detail = "There is no such camera here, or you may not see it."};
    static const cm_http_problem NO_SOUND = {
        .status = 404,
        .type = "no-sound",
        .title = "No sound",
        .detail = "There is no sound of such a camera here, or you may not hear it."};
    cm_http_respond_problem(l->request, cm_stream_is_sound(l->stream) ? &NO_SOUND : &NO_CAMERA);
    l->request = NULL;
}

/* False: a problem was answered. Pictures are waited for, and so is sound that is known of. */
static bool is_playable(live *l)
{
    static const cm_http_problem OTHER_CODEC = {
        .status = 409,
        .type = "sound-not-playable",
        .title = "This sound is not told as MP4",
        .detail = "This camera's sound is of a kind that can't be made over."};
    if (!cm_stream_is_sound(l->stream))
        return true;
    if (!l->has_format) {
        respond_nothing_there(l);
    } else if (!l->has_stream) {
        cm_http_respond_problem(l->request, &OTHER_CODEC);
        l->request = NULL;
    }
    return l->request != NULL;
}

/* What must be made over is, by the right of those who hear it. */
static void lend(live *l, const cm_lease *lease)
{
    cm_lease *narrow;
    if (!cm_stream_is_made(l->stream) || cm_lease_narrow(lease, CM_STREAM_SOUND, &narrow) != CM_OK)
        return;
    if (l->ear != NULL)
        cm_fleet_ear_renew(l->ear, narrow);
    else
        l->ear = cm_fleet_hear(l->api->config.fleet, &l->camera, l->stream, narrow);
}

static void begin_viewing(live *l, cm_lease *lease)
{
    const cm_mp4_config config = {
        .hub = l->api->config.hub,
        .loop = l->api->config.loop,
        .muxer = l->api->muxer,
        .request = l->request,
        .stream = l->stream,
        .events = &MP4_EVENTS,
        .owner = l,
    };
    if (!is_playable(l)) {
        cm_lease_destroy(lease);
        live_free(l);
        return;
    }
    l->request = NULL;
    lend(l, lease);
    if (cm_mp4_viewer_create(&config, lease, &l->viewer) != CM_OK) {
        live_free(l);
        return;
    }
    l->wish = cm_fleet_want(l->api->config.fleet, &l->camera, l->stream);
}

static void on_lease(void *owner, cm_lease *lease)
{
    live *l = owner;
    if (l->viewer == NULL) {
        begin_viewing(l, lease);
        return;
    }
    lend(l, lease);
    cm_mp4_viewer_renew(l->viewer, lease);
}

/* Refused, or cut while watching: what is on its way dies with the connection. */
static void on_end(void *owner, cm_grant_reason reason)
{
    live *l = owner;
    if (reason == CM_GRANT_DENIED_EVIDENCE)
        cm_log_camera(CM_LOG_ERROR, "live", &l->camera, "event=evidence-alarm");
    if (l->viewer != NULL)
        cm_mp4_viewer_cut(l->viewer);
    else
        respond_nothing_there(l);
    live_free(l);
}

static const cm_viewer_events VIEWER_EVENTS = {on_lease, on_end};

/* ---- the request, while it waits for the first lease ---- */

static void on_gone(void *owner)
{
    live_free(owner);
}

static const cm_http_events WAITING_EVENTS = {NULL, on_gone};

static void open_session(cm_call *call)
{
    static const cm_call_fault BUSY = {503,
                                       "too-many-viewers",
                                       "Too many pictures at once",
                                       "This account has too many pictures open: close some.",
                                       NULL,
                                       5};
    live *l = call->data;
    if (call->request == NULL) {
        cm_call_free(call);
        return;
    }
    const bool is_sound = cm_stream_is_sound(l->stream);
    const cm_viewer_ask ask = {.asker = call->asker,
                               .camera = l->camera,
                               .streams = UINT32_C(1) << l->stream | (uint32_t)is_sound
                                                                         << CM_STREAM_SOUND,
                               .wanted = is_sound ? CM_RIGHT_VIEW | CM_RIGHT_LISTEN : CM_RIGHT_VIEW,
                               .path = CM_VIEW_MP4};
    if (cm_viewer_session_open(call->api->config.grants, call->api->config.loop, &ask,
                               &VIEWER_EVENTS, l, &l->session) != CM_OK) {
        cm_call_problem(call, &BUSY);
        return;
    }
    cm_list_add_last(&call->api->lives, &l->node);
    call->data = NULL;
    call->free_data = NULL;
    l->request = cm_call_release(call);
    cm_http_watch(l->request, &WAITING_EVENTS, l);
}

static void free_unopened(void *data)
{
    live_free(data);
}

/* NULL: a problem was answered. */
static live *begin(cm_call *call, cm_stream stream)
{
    cm_camera_key camera;
    if (!cm_call_camera(call, 0, &camera))
        return NULL;
    live *l = calloc(1, sizeof *l);
    if (l == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    *l = (live){.api = call->api, .camera = camera, .stream = stream};
    cm_list_init(&l->node);
    call->data = l;
    call->free_data = free_unopened;
    return l;
}

void cm_route_live(cm_call *call)
{
    cm_stream stream;
    if (cm_call_stream(call, &stream) && begin(call, stream) != NULL)
        open_session(call);
}

static void read_format(cm_call *call)
{
    live *l = call->data;
    const cm_camera_status *status = cm_fleet_status(call->api->config.fleet, &l->camera);
    cm_sound_format format;
    l->has_format = status != NULL && cm_sound_format_of(&status->sound, &format);
    l->has_stream = l->has_format && cm_mp4_sound_stream(&format, &l->stream) == CM_OK;
}

void cm_route_sound(cm_call *call)
{
    if (begin(call, CM_STREAM_SOUND) != NULL)
        cm_call_on_control(call, read_format, open_session);
}

void cm_lives_end(cm_api *api)
{
    CM_LIST_EACH(&api->lives, node, next)
    {
        live *l = CM_HOLDER(node, live, node);
        cm_mp4_viewer_destroy(l->viewer);
        live_free(l);
    }
}
