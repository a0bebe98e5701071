#include "simcam/simcam_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum {
    SESSIONS_DEFAULT = 64,
    CONNECTIONS_MAX = 16384,
    PACKETS_MAX = 8 << 20, /* bytes of one picture as datagrams */
    /* Ticks that may be made up for in one turn; beyond that pictures are left out, as a camera's
     * encoder would. */
    LATE_TICKS_MAX = 2 * CM_SIMCAM_SLOTS,
    SECOND = 1000000,
};

/* ---- the wheel ---- */

static cm_instant tick_due(const cm_simcam *s, uint64_t tick)
{
    const uint64_t us = tick * SECOND / (s->fps * (uint64_t)CM_SIMCAM_SLOTS);
    return cm_instant_after(s->started, (int64_t)us);
}

static void start_trouble(void *owner, const cm_trouble *trouble)
{
    cm_simcam_camera *camera = owner;
    cm_log(CM_LOG_INFO, "simcam", "camera=cam%u trouble=%s value=%u", camera->number,
           cm_trouble_name(trouble->kind), trouble->value);
    CM_LIST_EACH(&camera->simcam->sessions, node, next)
    {
        cm_simcam_session *session = CM_HOLDER(node, cm_simcam_session, node);
        if (session->camera != camera)
            continue;
        if (trouble->kind == CM_TROUBLE_CLOSE)
            cm_simcam_session_destroy(session);
        else if (trouble->kind == CM_TROUBLE_STALE)
            cm_simcam_session_renew_nonce(session);
    }
}

static void run_tick(cm_simcam *s, uint64_t tick, cm_wall wall)
{
    const uint32_t counter = s->counter_first + (uint32_t)(tick / CM_SIMCAM_SLOTS);
    const uint32_t slot = (uint32_t)(tick % CM_SIMCAM_SLOTS);
    for (uint32_t i = slot; i < s->camera_count; i += CM_SIMCAM_SLOTS) {
        cm_simcam_camera *camera = &s->cameras[i];
        if (camera->troubles.count > 0)
            cm_troubles_run(&camera->troubles, cm_loop_now(s->loop), start_trouble, camera);
        cm_simcam_feed(camera, counter, wall);
    }
}

static void on_tick(cm_timer *timer)
{
    cm_simcam *s = CM_HOLDER(timer, cm_simcam, timer);
    const cm_instant now = cm_loop_now(s->loop);
    /* Both clocks are read at one moment: the turn may have waited for its processor since it
     * began. */
    const cm_instant read = cm_loop_read_now(s->loop);
    const cm_wall wall = cm_loop_wall(s->loop);
    while (tick_due(s, s->tick + LATE_TICKS_MAX).us < now.us)
        s->tick++;
    /* A picture is taken when it is due, however late we come to it: two never share a time. */
    for (cm_instant due = tick_due(s, s->tick); due.us <= now.us; due = tick_due(s, s->tick)) {
        const cm_wall taken = {.us = wall.us - cm_instant_since(read, due)};
        run_tick(s, s->tick++, taken);
    }
    cm_timer_start_at(&s->timer, tick_due(s, s->tick));
}

/* Tick 0 falls on a whole picture time since 1970, so that a picture's counter tells its time. */
static void start_wheel(cm_simcam *s)
{
    const uint64_t wall = (uint64_t)cm_loop_wall(s->loop).us;
    const uint64_t first = wall * s->fps / SECOND + 1;
    const uint64_t first_us = (first * SECOND + s->fps - 1) / s->fps;
    s->counter_first = (uint32_t)first;
    s->started = cm_instant_after(cm_loop_read_now(s->loop), (int64_t)(first_us - wall));
    cm_timer_init(&s->timer, s->loop, on_tick);
    cm_timer_start_at(&s->timer, s->started);
}

/* ---- making ---- */

static cm_status check_config(const cm_simcam_config *c)
{
    const uint32_t first = c->code_first > 0 ? c->code_first : 1;
    CM_ENSURE(c->camera_count > 0 && first <= 65535, CM_REFUSE);
    CM_ENSURE(c->camera_count <= 65536 - first, CM_REFUSE);
    CM_ENSURE(c->scene_count > 0 && c->name_count <= c->camera_count, CM_REFUSE);
    CM_ENSURE(c->auth == CM_SIMCAM_AUTH_NONE || c->user.size > 0, CM_REFUSE);
    CM_ENSURE(cm_simcam_sound_fits(c->sound, c->sound_set), CM_REFUSE);
    const uint16_t fps = c->scenes[0][0]->fps;
    for (size_t i = 0; i < c->scene_count; i++)
        for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
            CM_ENSURE(c->scenes[stream][i]->fps == fps, CM_REFUSE);
    return CM_OK;
}

static void init_camera(cm_simcam *s, uint32_t index, const cm_simcam_config *c)
{
    cm_simcam_camera *camera = &s->cameras[index];
    camera->simcam = s;
    camera->number = index + 1;
    camera->code = (uint16_t)((c->code_first > 0 ? c->code_first : 1) + index);
    if (index < c->name_count)
        snprintf(camera->name, sizeof camera->name, "%.*s", CM_SLICE_ARGS(c->names[index]));
    else
        snprintf(camera->name, sizeof camera->name, "Camera %u", camera->number);
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++) {
        camera->scenes[stream] = c->scenes[stream][index % c->scene_count];
        camera->shown[stream] = camera->scenes[stream];
        cm_list_init(&camera->viewers[stream]);
    }
}

static cm_status copy_text(cm_slice text, cm_slice *out)
{
    uint8_t *bytes = malloc(text.size + 1);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, text.size);
    cm_write_slice(&w, text);
    *out = cm_writer_done(&w);
    return CM_OK;
}

static unsigned largest_cell(const cm_simcam_config *c)
{
    unsigned cell = 0;
    for (size_t i = 0; i < c->scene_count; i++)
        for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
            cell = c->scenes[stream][i]->cell > cell ? c->scenes[stream][i]->cell : cell;
    return cell;
}

static cm_status open_sockets(cm_simcam *s, const cm_simcam_config *c)
{
    const cm_tcp_listener_config listener = {.address = c->listen,
                                             .connections_max = CONNECTIONS_MAX,
                                             .on_accept = cm_simcam_accept,
                                             .owner = s};
    CM_TRY(cm_tcp_listener_open(s->net, &listener, &s->listener));
    cm_udp_config udp = {.local = c->listen, .on_datagrams = cm_simcam_datagrams, .owner = s};
    udp.local.port = 0;
    return cm_udp_open_pair(s->net, &udp, &udp, &s->udp[0], &s->udp[1]);
}

static cm_status init(cm_simcam *s, cm_net *net, const cm_simcam_config *c)
{
    s->net = net;
    s->loop = cm_net_loop(net);
    s->auth = c->auth;
    s->utc_offset_s = c->utc_offset_s;
    s->sessions_max = c->sessions_max > 0 ? c->sessions_max : SESSIONS_DEFAULT;
    s->fps = c->scenes[0][0]->fps;
    s->sound = c->sound;
    s->sound_set = c->sound_set;
    s->talk = c->talk;
    s->on_heard = c->on_heard;
    s->owner = c->owner;
    s->camera_count = c->camera_count;
    cm_list_init(&s->sessions);
    cm_buffer_init(&s->packets, PACKETS_MAX);
    for (uint32_t i = 0; i < c->camera_count; i++)
        init_camera(s, i, c);
    CM_TRY(copy_text(c->user, &s->user));
    CM_TRY(copy_text(c->password, &s->password));
    CM_TRY(cm_rtsp_hasher_create(&s->hasher));
    CM_TRY(cm_darkroom_create(largest_cell(c), &s->darkroom));
    CM_TRY(open_sockets(s, c));
    start_wheel(s);
    return CM_OK;
}

cm_status cm_simcam_create(cm_net *net, const cm_simcam_config *config, cm_simcam **out)
{
    CM_TRY(check_config(config));
    cm_simcam *s = calloc(1, sizeof *s + config->camera_count * sizeof s->cameras[0]);
    CM_ENSURE(s != NULL, CM_BROKEN);
    const cm_status status = init(s, net, config);
    if (status != CM_OK) {
        cm_simcam_destroy(s);
        return status;
    }
    *out = s;
    return CM_OK;
}

void cm_simcam_destroy(cm_simcam *s)
{
    if (s == NULL)
        return;
    if (s->timer.loop != NULL)
        cm_timer_stop(&s->timer);
    CM_LIST_EACH(&s->sessions, node, next)
    cm_simcam_session_destroy(CM_HOLDER(node, cm_simcam_session, node));
    cm_tcp_listener_close(s->listener);
    cm_udp_close(s->udp[0]);
    cm_udp_close(s->udp[1]);
    cm_rtsp_hasher_destroy(s->hasher);
    cm_darkroom_destroy(s->darkroom);
    cm_buffer_deinit(&s->packets);
    for (size_t i = 0; i < CM_TONES; i++)
        cm_sound_loop_deinit(&s->sound_loops[i]);
    if (s->password.bytes != NULL)
        cm_secret_wipe((void *)(uintptr_t)s->password.bytes, s->password.size);
    free((void *)(uintptr_t)s->password.bytes);
    free((void *)(uintptr_t)s->user.bytes);
    free(s);
}

cm_address cm_simcam_address(const cm_simcam *s)
{
    return cm_tcp_listener_address(s->listener);
}

cm_status cm_simcam_trouble(cm_simcam *s, const cm_trouble_wish *wish)
{
    CM_ENSURE(wish->camera <= s->camera_count, CM_ABSENT);
    const bool is_every = wish->camera == CM_TROUBLE_EVERY_CAMERA;
    const uint32_t first = is_every ? 0 : wish->camera - 1;
    const uint32_t end = is_every ? s->camera_count : wish->camera;
    cm_status status = CM_OK;
    for (uint32_t i = first; i < end; i++) {
        const cm_status added =
            cm_troubles_add(&s->cameras[i].troubles, wish, cm_loop_now(s->loop));
        status = added != CM_OK ? added : status;
    }
    return status;
}

const cm_simcam_counters *cm_simcam_read_counters(const cm_simcam *s)
{
    return &s->counters;
}
