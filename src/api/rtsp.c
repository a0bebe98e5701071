/* Who asks by RTSP: a viewer session of grants on one side, a viewer of egress/rtsp on the other,
 * and the cut between them. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct guest {
    cm_api *api;
    cm_rtsp_viewer *viewer; /* NULL: he is gone, and only the question below is still out */
    cm_asker asker;
    cm_camera_key camera;
    cm_stream stream;
    cm_viewer_session *session;
    cm_fleet_wish *wish;
    cm_lease *lease; /* the first one, until it is known whether the camera is heard */
    cm_task task;    /* to the control loop with that question, and back */
    bool is_asking;
    bool is_heard;
    bool is_admitted;
} guest;

static void guest_free(guest *g)
{
    cm_fleet_unwant(g->wish);
    g->wish = NULL;
    cm_viewer_session_close(g->session);
    g->session = NULL;
    cm_lease_destroy(g->lease);
    g->lease = NULL;
    g->viewer = NULL;
    if (!g->is_asking)
        free(g);
}

/* ---- the first lease ---- */

static void admit(guest *g)
{
    cm_lease *lease = g->lease;
    g->lease = NULL;
    g->is_admitted = true;
    g->wish = cm_fleet_want(g->api->config.fleet, &g->camera, g->stream);
    cm_api_note_use(g->api, &g->asker);
    cm_rtsp_viewer_admit(g->viewer, lease, g->is_heard);
}

static void on_answer(cm_task *task)
{
    guest *g = CM_HOLDER(task, guest, task);
    g->is_asking = false;
    if (g->viewer == NULL)
        free(g);
    else
        admit(g);
}

/* Control loop: whether a description has to wait for sound. */
static void look_for_sound(cm_task *task)
{
    guest *g = CM_HOLDER(task, guest, task);
    const cm_camera_status *status = cm_fleet_status(g->api->config.fleet, &g->camera);
    cm_sound_format format;
    g->is_heard = status != NULL && cm_sound_format_of(&status->sound, &format);
    g->task.run = on_answer;
    cm_loop_post(g->api->config.loop, &g->task);
}

/* ---- from grants ---- */

static void on_lease(void *owner, cm_lease *lease)
{
    guest *g = owner;
    if (g->is_admitted) {
        cm_rtsp_viewer_renew(g->viewer, lease);
        return;
    }
    cm_lease_destroy(g->lease);
    g->lease = lease;
    if (g->is_asking)
        return;
    if (!cm_lease_allows(lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN)) {
        admit(g);
        return;
    }
    g->is_asking = true;
    g->task.run = look_for_sound;
    cm_loop_post(g->api->config.control, &g->task);
}

/* Nothing is said of what may not be seen. */
static cm_rtsp_refusal refusal_of(cm_grant_reason reason)
{
    if (reason == CM_GRANT_DENIED_SESSION || reason == CM_GRANT_DENIED_ACCOUNT)
        return CM_RTSP_WHO;
    return reason == CM_GRANT_DENIED_TOO_MANY ? CM_RTSP_BUSY : CM_RTSP_NONE;
}

/* Refused, or cut while watching: what is on its way dies with the connection. */
static void on_end(void *owner, cm_grant_reason reason)
{
    guest *g = owner;
    cm_rtsp_viewer *viewer = g->viewer;
    const bool was_admitted = g->is_admitted;
    if (reason == CM_GRANT_DENIED_EVIDENCE)
        cm_log_camera(CM_LOG_ERROR, "rtsp-out", &g->camera, "event=evidence-alarm");
    guest_free(g);
    if (was_admitted)
        cm_rtsp_viewer_cut(viewer);
    else
        cm_rtsp_viewer_refuse(viewer, refusal_of(reason));
}

static const cm_viewer_events VIEWER_EVENTS = {on_lease, on_end};

/* ---- from the RTSP server ---- */

static cm_status open_session(guest *g)
{
    const cm_viewer_ask ask = {.asker = g->asker,
                               .camera = g->camera,
                               .streams = UINT32_C(1) << g->stream | UINT32_C(1) << CM_STREAM_SOUND,
                               .wanted = CM_RIGHT_VIEW | CM_RIGHT_LISTEN,
                               .path = CM_VIEW_RTSP};
    return cm_viewer_session_open(g->api->config.grants, g->api->config.loop, &ask, &VIEWER_EVENTS,
                                  g, &g->session);
}

static cm_status on_ask(void *owner, cm_rtsp_viewer *viewer, const cm_rtsp_ask *ask,
                        void **guest_out)
{
    cm_asker asker = {.kind = CM_ASKER_API_TOKEN};
    CM_ENSURE(cm_token_read(ask->token, CM_TOKEN_API, asker.token_hash) == CM_OK, CM_REFUSE);
    guest *g = calloc(1, sizeof *g);
    CM_ENSURE(g != NULL, CM_FULL);
    *g = (guest){.api = owner,
                 .viewer = viewer,
                 .asker = asker,
                 .camera = ask->camera,
                 .stream = ask->stream};
    if (open_session(g) != CM_OK) {
        free(g);
        return CM_FULL;
    }
    *guest_out = g;
    return CM_OK;
}

static void on_stale(void *owner)
{
    const guest *g = owner;
    cm_viewer_session_nudge(g->session);
}

static void on_gone(void *owner)
{
    guest_free(owner);
}

const cm_rtsp_events *cm_api_rtsp_events(void)
{
    static const cm_rtsp_events EVENTS = {on_ask, on_stale, on_gone};
    return &EVENTS;
}

void cm_api_set_rtsp_ports(cm_api *api, const cm_api_rtsp_ports *ports)
{
    api->rtsp = *ports;
}
