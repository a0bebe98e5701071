/* Connections: who may have one, how long, and how they end. */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "egress/rtsp/fault_rtsp.h"
#include "egress/rtsp/rtsp_priv.h"

enum {
    CONNECTIONS_DEFAULT = 1024,
    STRANGERS_DEFAULT = 128,
    STRANGERS_ADDRESS_DEFAULT = 16,
    IPV6_SUBSCRIBER_SIZE = 8, /* a /64 */
};

/* ---- states ---- */

static void make_session(cm_rtsp_viewer *viewer)
{
    uint8_t random[(SESSION_ID_SIZE - 1) / 2];
    cm_random_fill(cm_loop_random(viewer->server->loop), random, sizeof random);
    CM_IGNORE(cm_text_to_hex(cm_slice_over(random, sizeof random), viewer->session,
                             sizeof viewer->session),
              "it fits");
}

void cm_rtsp_enter(cm_rtsp_viewer *viewer, viewer_state state)
{
    /* bit 1 << next state, by the present one */
    static const uint32_t ALLOWED[VIEWER_STATES] = {
        [VIEWER_FRESH] = 1u << VIEWER_FRESH | 1u << VIEWER_ASKING,
        [VIEWER_ASKING] = 1u << VIEWER_FRESH | 1u << VIEWER_PREPARING,
        [VIEWER_PREPARING] = 1u << VIEWER_FRESH | 1u << VIEWER_DESCRIBED,
        [VIEWER_DESCRIBED] = 1u << VIEWER_FRESH | 1u << VIEWER_READY,
        [VIEWER_READY] = 1u << VIEWER_FRESH | 1u << VIEWER_READY | 1u << VIEWER_PLAYING,
        [VIEWER_PLAYING] = 1u << VIEWER_FRESH,
    };
    cm_rtsp_counters *counters = &viewer->server->counters;
    assert((ALLOWED[viewer->state] & 1u << state) != 0);
    counters->playing -= viewer->state == VIEWER_PLAYING;
    counters->playing += state == VIEWER_PLAYING;
    if (viewer->state == VIEWER_DESCRIBED && state == VIEWER_READY)
        make_session(viewer);
    if (state == VIEWER_PLAYING)
        cm_log_camera(CM_LOG_INFO, "rtsp-out", &viewer->camera, "event=play");
    if (!viewer->is_stranger)
        viewer->since = cm_loop_now(viewer->server->loop);
    viewer->state = state;
}

/* Nothing of the camera stays; the guest is told of by whoever calls. */
static void forget(cm_rtsp_viewer *viewer)
{
    for (size_t i = 0; i < TRACKS; i++)
        cm_rtsp_track_close(&viewer->tracks[i]);
    viewer->inside = NULL;
    viewer->set_count = 0;
    viewer->guest = NULL;
    cm_timer_stop(&viewer->soon);
    cm_timer_stop(&viewer->again);
    cm_rtsp_enter(viewer, VIEWER_FRESH);
}

void cm_rtsp_leave(cm_rtsp_viewer *viewer)
{
    void *guest = viewer->guest;
    forget(viewer);
    if (guest != NULL)
        viewer->server->config.events->on_gone(guest);
}

/* ---- the end ---- */

static void free_viewer(cm_rtsp_viewer *viewer)
{
    CM_FAULT_VIEWER_REMOVE(viewer);
    cm_timer_stop(&viewer->tick);
    cm_timer_stop(&viewer->soon);
    cm_list_remove(&viewer->node);
    viewer->server->counters.connections--;
    free(viewer);
}

/* Half a packet that is out is good for nothing: then what is queued dies as well. */
static void end(cm_rtsp_viewer *viewer)
{
    const bool is_whole = viewer->inside == NULL && !viewer->is_failed;
    cm_rtsp_leave(viewer);
    if (is_whole)
        cm_rtsp_wire_destroy(viewer->wire);
    else
        cm_rtsp_wire_reset(viewer->wire);
    free_viewer(viewer);
}

static void on_gone(void *owner)
{
    end(owner);
}

void cm_rtsp_fail(cm_rtsp_viewer *viewer)
{
    viewer->is_failed = true;
    cm_timer_start(&viewer->soon, 0);
}

void cm_rtsp_viewer_cut(cm_rtsp_viewer *viewer)
{
    viewer->server->counters.cuts++;
    forget(viewer);
    cm_rtsp_wire_reset(viewer->wire);
    free_viewer(viewer);
}

/* ---- time ---- */

static bool is_stalled(const cm_rtsp_viewer *viewer)
{
    const cm_instant now = cm_loop_now(viewer->server->loop);
    bool is_blocked = false;
    for (size_t i = 0; i < TRACKS; i++)
        is_blocked = is_blocked || viewer->tracks[i].is_blocked;
    return is_blocked &&
           cm_instant_since(now, cm_rtsp_wire_progress(viewer->wire)) > CM_SECONDS(CM_RTSP_STALL_S);
}

static void report(cm_rtsp_viewer *viewer)
{
    if (++viewer->ticks % REPORT_TICKS != 0)
        return;
    for (size_t i = 0; i < TRACKS; i++)
        if (viewer->tracks[i].has_sent)
            cm_rtsp_send_report(&viewer->tracks[i]);
}

/* False: it was too long, and the viewer is gone. */
static bool is_in_time(cm_rtsp_viewer *viewer)
{
    const int64_t age = cm_instant_since(cm_loop_now(viewer->server->loop), viewer->since);
    cm_rtsp_counters *counters = &viewer->server->counters;
    if (viewer->is_stranger && viewer->state == VIEWER_FRESH &&
        age > CM_SECONDS(CM_RTSP_STRANGER_S))
        counters->strangers_expired++;
    else if (viewer->state == VIEWER_PLAYING && is_stalled(viewer))
        counters->stalled++;
    else if (viewer->is_stranger || viewer->state == VIEWER_PLAYING ||
             age <= CM_SECONDS(CM_RTSP_IDLE_S))
        return true;
    viewer->is_failed = viewer->state == VIEWER_PLAYING;
    end(viewer);
    return false;
}

static void on_tick(cm_timer *timer)
{
    cm_rtsp_viewer *viewer = CM_HOLDER(timer, cm_rtsp_viewer, tick);
    cm_timer_start(timer, CM_MS(TICK_MS));
    if (!is_in_time(viewer))
        return;
    if (viewer->state == VIEWER_PLAYING)
        report(viewer);
}

/* Pictures that do not come, sound that does not, and what a pass may not do. */
static void on_soon(cm_timer *timer)
{
    cm_rtsp_viewer *viewer = CM_HOLDER(timer, cm_rtsp_viewer, soon);
    if (viewer->is_failed) {
        end(viewer);
    } else if (viewer->state == VIEWER_PREPARING) {
        cm_rtsp_answer_describe(viewer, viewer->tracks[TRACK_PICTURES].is_described ? 200 : 503);
    }
}

static void on_again(cm_timer *timer)
{
    cm_rtsp_viewer *viewer = CM_HOLDER(timer, cm_rtsp_viewer, again);
    for (size_t i = 0; i < TRACKS; i++)
        if (viewer->tracks[i].is_restart_due)
            cm_rtsp_track_begin_again(&viewer->tracks[i]);
}

/* ---- from the owner ---- */

void cm_rtsp_viewer_refuse(cm_rtsp_viewer *viewer, cm_rtsp_refusal refusal)
{
    static const uint16_t STATUSES[] = {
        [CM_RTSP_WHO] = 401, [CM_RTSP_NONE] = 404, [CM_RTSP_BUSY] = 503};
    viewer->guest = NULL;
    cm_rtsp_answer_describe(viewer, STATUSES[refusal]);
}

static cm_status open_tracks(cm_rtsp_viewer *viewer, cm_lease *lease, bool is_heard)
{
    cm_lease *narrow;
    rtsp_track *sound = &viewer->tracks[TRACK_SOUND];
    if (is_heard && cm_lease_narrow(lease, CM_STREAM_SOUND, &narrow) == CM_OK)
        CM_IGNORE(cm_rtsp_track_open(sound, narrow), "without memory it is silent");
    return cm_rtsp_track_open(&viewer->tracks[TRACK_PICTURES], lease);
}

void cm_rtsp_viewer_admit(cm_rtsp_viewer *viewer, cm_lease *lease, bool is_heard)
{
    assert(viewer->state == VIEWER_ASKING);
    viewer->is_stranger = false;
    viewer->wrong = 0;
    cm_rtsp_enter(viewer, VIEWER_PREPARING);
    viewer->tracks[TRACK_PICTURES].stream = viewer->stream;
    const cm_status status = open_tracks(viewer, lease, is_heard);
    cm_timer_start(&viewer->soon, status == CM_OK ? CM_SECONDS(CM_RTSP_FIRST_FRAME_S) : 0);
}

void cm_rtsp_viewer_renew(cm_rtsp_viewer *viewer, cm_lease *lease)
{
    cm_lease *narrow;
    rtsp_track *sound = &viewer->tracks[TRACK_SOUND];
    rtsp_track *pictures = &viewer->tracks[TRACK_PICTURES];
    if (sound->subscription != NULL) {
        /* The right to hear may have gone alone. */
        if (cm_lease_narrow(lease, CM_STREAM_SOUND, &narrow) == CM_OK)
            cm_subscription_renew(sound->subscription, narrow);
        else if (viewer->inside == sound)
            cm_rtsp_fail(viewer);
        else
            cm_rtsp_track_close(sound);
    }
    if (pictures->subscription != NULL)
        cm_subscription_renew(pictures->subscription, lease);
    else
        cm_lease_destroy(lease);
}

/* ---- accepting ---- */

static bool is_same_subscriber(const cm_address *a, const cm_address *b)
{
    const size_t size = a->is_v6 ? IPV6_SUBSCRIBER_SIZE : cm_address_bytes(a).size;
    return a->is_v6 == b->is_v6 &&
           cm_slice_equal(cm_slice_over(a->bytes, size), cm_slice_over(b->bytes, size));
}

/* A walk over at most connections_max, once for each that is accepted. */
static bool may_accept(cm_rtsp_server *server, const cm_address *peer)
{
    const cm_rtsp_limits *limits = &server->config.limits;
    size_t strangers = 0;
    size_t of_address = 0;
    CM_LIST_EACH(&server->viewers, node, next)
    {
        const cm_rtsp_viewer *viewer = CM_HOLDER(node, cm_rtsp_viewer, node);
        strangers += viewer->is_stranger;
        of_address += viewer->is_stranger && is_same_subscriber(&viewer->peer, peer);
    }
    return server->counters.connections < limits->connections_max &&
           strangers < limits->strangers_max && of_address < limits->strangers_address_max;
}

static void on_writable(void *owner)
{
    cm_rtsp_tracks_resume(owner);
}

static const cm_rtsp_wire_events WIRE_EVENTS = {cm_rtsp_on_request, on_writable, on_gone};

static void init_tracks(cm_rtsp_viewer *viewer)
{
    cm_random *random = cm_loop_random(viewer->server->loop);
    viewer->tracks[TRACK_SOUND].stream = CM_STREAM_SOUND;
    for (size_t i = 0; i < TRACKS; i++) {
        rtsp_track *track = &viewer->tracks[i];
        track->viewer = viewer;
        track->ssrc = (uint32_t)cm_random_u64(random);
        track->sequence = (uint16_t)cm_random_u64(random);
        track->timestamp = track->clock_offset = (uint32_t)cm_random_u64(random);
    }
}

static cm_status add_viewer(const rtsp_listener *listener, cm_tcp *tcp)
{
    cm_rtsp_server *server = listener->server;
    cm_rtsp_viewer *viewer = calloc(1, sizeof *viewer);
    if (viewer == NULL) {
        cm_tcp_reset(tcp);
        return CM_BROKEN;
    }
    *viewer = (cm_rtsp_viewer){.server = server,
                               .is_stranger = true,
                               .peer = cm_tcp_peer(tcp),
                               .since = cm_loop_now(server->loop)};
    const cm_rtsp_wire_config config = {.net = server->config.net,
                                        .tcp = tcp,
                                        .tls = listener->tls,
                                        .room = server->room,
                                        .events = &WIRE_EVENTS,
                                        .owner = viewer};
    const cm_status status = cm_rtsp_wire_create(&config, &viewer->wire);
    if (status != CM_OK) {
        free(viewer);
        return status;
    }
    init_tracks(viewer);
    cm_timer_init(&viewer->tick, server->loop, on_tick);
    cm_timer_init(&viewer->soon, server->loop, on_soon);
    cm_timer_init(&viewer->again, server->loop, on_again);
    cm_timer_start(&viewer->tick, CM_MS(TICK_MS));
    cm_list_add_last(&server->viewers, &viewer->node);
    server->counters.connections++;
    server->counters.accepted++;
    CM_FAULT_VIEWER_ADD(viewer);
    return CM_OK;
}

static void on_accept(void *owner, cm_tcp *tcp)
{
    const rtsp_listener *listener = owner;
    const cm_address peer = cm_tcp_peer(tcp);
    cm_rtsp_counters *counters = &listener->server->counters;
    if (!may_accept(listener->server, &peer)) {
        counters->connections_refused++;
        cm_tcp_reset(tcp);
    } else if (add_viewer(listener, tcp) != CM_OK) {
        counters->connections_refused++;
    }
}

/* ---- the server ---- */

static void log_refused(const cm_address *address, const char *cause)
{
    char text[CM_ADDRESS_TEXT_SIZE];
    cm_log(CM_LOG_ERROR, "rtsp-out", "event=listen-refused address=%s cause=%s",
           cm_address_format(address, text), cause);
}

static cm_status listen_on(cm_rtsp_server *server, size_t index)
{
    const cm_rtsp_listener_config *wanted = &server->config.listeners[index];
    if (wanted->tls == NULL && !wanted->is_plain_allowed &&
        cm_address_kind_of(&wanted->address) != CM_ADDRESS_LOOPBACK) {
        log_refused(&wanted->address, "plain-rtsp-beyond-loopback-must-be-allowed");
        return CM_REFUSE;
    }
    rtsp_listener *listener = &server->listeners[index];
    *listener = (rtsp_listener){.server = server, .tls = wanted->tls};
    const cm_tcp_listener_config config = {.address = wanted->address,
                                           .is_shared = server->config.is_shared,
                                           .connections_max =
                                               server->config.limits.connections_max + 64,
                                           .on_accept = on_accept,
                                           .owner = listener};
    const cm_status status = cm_tcp_listener_open(server->config.net, &config, &listener->listener);
    if (status != CM_OK)
        log_refused(&wanted->address, "in-use-or-not-ours");
    return status;
}

static void fill_in(cm_rtsp_limits *limits)
{
    if (limits->connections_max == 0)
        limits->connections_max = CONNECTIONS_DEFAULT;
    if (limits->strangers_max == 0)
        limits->strangers_max = STRANGERS_DEFAULT;
    if (limits->strangers_address_max == 0)
        limits->strangers_address_max = STRANGERS_ADDRESS_DEFAULT;
}

cm_status cm_rtsp_server_create(const cm_rtsp_config *config, cm_rtsp_server **out)
{
    assert(config->listener_count <= CM_RTSP_LISTENERS_MAX);
    cm_rtsp_server *server = calloc(1, sizeof *server);
    CM_ENSURE(server != NULL, CM_BROKEN);
    server->config = *config;
    server->loop = cm_net_loop(config->net);
    cm_list_init(&server->viewers);
    fill_in(&server->config.limits);
    cm_status status = cm_rtsp_wire_room_create(&server->room);
    for (size_t i = 0; i < config->listener_count && status == CM_OK; i++)
        status = listen_on(server, i);
    if (status != CM_OK) {
        cm_rtsp_server_destroy(server);
        return status;
    }
    *out = server;
    return CM_OK;
}

void cm_rtsp_server_destroy(cm_rtsp_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < CM_RTSP_LISTENERS_MAX; i++)
        cm_tcp_listener_close(server->listeners[i].listener);
    while (!cm_list_is_empty(&server->viewers))
        end(CM_HOLDER(server->viewers.next, cm_rtsp_viewer, node));
    cm_rtsp_wire_room_destroy(server->room);
    free(server);
}

cm_address cm_rtsp_server_address(const cm_rtsp_server *server, size_t listener)
{
    return cm_tcp_listener_address(server->listeners[listener].listener);
}

void cm_rtsp_read_counters(const cm_rtsp_server *server, cm_rtsp_counters *out)
{
    *out = server->counters;
}
