/* Live pictures: a viewer session of grants on one side, an MP4 viewer on the other, and the cut
 * between them. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct live {
    cm_list node;
    cm_api *api;
    cm_camera_key camera;
    cm_stream stream;
    cm_http_request *request; /* until the first lease: then it is the viewer's */
    cm_viewer_session *session;
    cm_mp4_viewer *viewer;
    cm_fleet_wish *wish;
} live;

static void live_free(live *l)
{
    cm_fleet_unwant(l->wish);
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
    l->request = NULL;
    if (cm_mp4_viewer_create(&config, lease, &l->viewer) != CM_OK) {
        live_free(l);
        return;
    }
    l->wish = cm_fleet_want(l->api->config.fleet, &l->camera, l->stream);
}

static void on_lease(void *owner, cm_lease *lease)
{
    live *l = owner;
    if (l->viewer != NULL)
        cm_mp4_viewer_renew(l->viewer, lease);
    else
        begin_viewing(l, lease);
}

static void respond_no_such_camera(cm_http_request *request)
{
    cm_http_respond_problem(
        request,
        &(cm_http_problem){.status = 404,
                           .type = "no-such-camera",
                           .title = "No such camera",
                           .detail = "There is no such camera here, or you may not see it."});
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
        respond_no_such_camera(l->request);
    live_free(l);
}

static const cm_viewer_events VIEWER_EVENTS = {on_lease, on_end};

/* ---- the request, while it waits for the first lease ---- */

static void on_gone(void *owner)
{
    live_free(owner);
}

static const cm_http_events WAITING_EVENTS = {NULL, on_gone};

void cm_route_live(cm_call *call)
{
    static const cm_call_fault BUSY = {503,
                                       "too-many-viewers",
                                       "Too many pictures at once",
                                       "This account has too many pictures open: close some.",
                                       NULL,
                                       5};
    cm_camera_key camera;
    cm_stream stream;
    if (!cm_call_camera(call, 0, &camera) || !cm_call_stream(call, &stream))
        return;
    live *l = calloc(1, sizeof *l);
    if (l == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    *l = (live){.api = call->api, .camera = camera, .stream = stream, .request = call->request};
    cm_list_add_last(&call->api->lives, &l->node);
    const cm_viewer_ask ask = {.asker = call->asker,
                               .camera = camera,
                               .streams = UINT32_C(1) << stream,
                               .wanted = CM_RIGHT_VIEW};
    if (cm_viewer_session_open(call->api->config.grants, call->api->config.loop, &ask,
                               &VIEWER_EVENTS, l, &l->session) != CM_OK) {
        live_free(l);
        cm_call_problem(call, &BUSY);
        return;
    }
    cm_http_watch(cm_call_release(call), &WAITING_EVENTS, l);
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
