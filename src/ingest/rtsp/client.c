#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "ingest/rtsp/client_priv.h"

enum {
    ANSWER_SECONDS = 5,
    OPTIONS_SECONDS = 3,
    RESOLVE_SECONDS = 15, /* net gives up earlier */
    CONNECT_SECONDS = 15, /* over all addresses; each has its own limit */
    TICK_SECONDS = 1,

    SILENT_UDP_SECONDS = 3,
    SILENT_SECONDS = 10,
    PICTURE_SECONDS = 30, /* without a whole picture: a long way between keyframes is borne */

    WINDOW_SECONDS = 2,
    WINDOW_BYTES_MAX = 50000000 / 8 * WINDOW_SECONDS, /* 50 Mbit/s */
    WINDOW_MALFORMED_MAX = 30,                        /* a sound camera sends none */

    URL_MAX = CM_RTSP_URL_SIZE_MAX + 1,
    OUT_MAX = 32768,
    VIDEO_REORDER_BYTES = 65536,
    SOUND_REORDER_BYTES = 8192,
};

#define BIT(state) (1u << (state))
#define END        BIT(CM_RTSP_CLIENT_ENDED)

typedef struct state_row {
    const char *name;
    unsigned next;    // states that may follow
    unsigned limit_s; // time in it
} state_row;

/* A redirect, or a connection closed with a 401, leads back to RESOLVING. A camera that wants
 * another transport is described again before the next SETUP: some insist. */
static const state_row STATES[CM_RTSP_CLIENT_STATES] = {
    [CM_RTSP_CLIENT_NEW] = {"new", BIT(CM_RTSP_CLIENT_RESOLVING) | END, 0},
    [CM_RTSP_CLIENT_RESOLVING] = {"resolving", BIT(CM_RTSP_CLIENT_CONNECTING) | END,
                                  RESOLVE_SECONDS},
    [CM_RTSP_CLIENT_CONNECTING] = {"connecting", BIT(CM_RTSP_CLIENT_ASKING) | END, CONNECT_SECONDS},
    [CM_RTSP_CLIENT_ASKING] = {"asking",
                               BIT(CM_RTSP_CLIENT_DESCRIBING) | BIT(CM_RTSP_CLIENT_RESOLVING) | END,
                               OPTIONS_SECONDS},
    [CM_RTSP_CLIENT_DESCRIBING] = {"describing",
                                   BIT(CM_RTSP_CLIENT_SETTING_UP) | BIT(CM_RTSP_CLIENT_RESOLVING) |
                                       END,
                                   ANSWER_SECONDS},
    [CM_RTSP_CLIENT_SETTING_UP] = {"setting-up",
                                   BIT(CM_RTSP_CLIENT_SETTING_UP_SOUND) |
                                       BIT(CM_RTSP_CLIENT_STARTING) |
                                       BIT(CM_RTSP_CLIENT_DESCRIBING) |
                                       BIT(CM_RTSP_CLIENT_RESOLVING) | END,
                                   ANSWER_SECONDS},
    [CM_RTSP_CLIENT_SETTING_UP_SOUND] = {"setting-up-sound",
                                         BIT(CM_RTSP_CLIENT_STARTING) |
                                             BIT(CM_RTSP_CLIENT_RESOLVING) | END,
                                         ANSWER_SECONDS},
    [CM_RTSP_CLIENT_STARTING] = {"starting",
                                 BIT(CM_RTSP_CLIENT_PLAYING) | BIT(CM_RTSP_CLIENT_RESOLVING) | END,
                                 ANSWER_SECONDS},
    [CM_RTSP_CLIENT_PLAYING] = {"playing", BIT(CM_RTSP_CLIENT_RESOLVING) | END, TICK_SECONDS},
    [CM_RTSP_CLIENT_ENDED] = {"ended", 0, 0},
};

const char *cm_rtsp_client_state_name(cm_rtsp_client_state state)
{
    return STATES[state].name;
}

cm_rtsp_client_state cm_rtsp_client_state_of(const cm_rtsp_client *client)
{
    return client->state;
}

bool cm_rtsp_client_may_turn(cm_rtsp_client_state from, cm_rtsp_client_state to)
{
    return (STATES[from].next & BIT(to)) != 0;
}

static void begin_playing(cm_rtsp_client *c)
{
    const cm_instant now = cm_loop_now(c->config.loop);
    c->playing_since = c->last_packet = c->last_unit = c->speech.kept_up = now;
    c->keepalive_due = cm_instant_after(now, cm_client_keepalive_interval_us(c->timeout_s));
    c->report_due = cm_instant_after(now, CM_SECONDS(1));
}

void cm_client_set_state(cm_rtsp_client *c, cm_rtsp_client_state next)
{
    assert(cm_rtsp_client_may_turn(c->state, next));
    c->state = next;
    c->waiting.method = CM_RTSP_METHOD_COUNT;
    cm_timer_stop(&c->timer);
    if (STATES[next].limit_s > 0)
        cm_timer_start(&c->timer, CM_SECONDS(STATES[next].limit_s));
    if (next == CM_RTSP_CLIENT_PLAYING)
        begin_playing(c);
}

bool cm_client_is_over(const cm_rtsp_client *c)
{
    return c->state == CM_RTSP_CLIENT_ENDED;
}

/* ---- the end ---- */

static void leave(cm_rtsp_client *c)
{
    cm_resolve_cancel(c->resolve);
    c->resolve = NULL;
    if (c->tcp != NULL)
        cm_client_teardown_send(c);
    cm_client_close_connection(c);
    cm_client_udp_close(&c->track);
    cm_client_udp_close(&c->sound.track);
}

void cm_client_end(cm_rtsp_client *c, cm_camera_cause cause, const char *format, ...)
{
    if (cm_client_is_over(c))
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->end.detail, sizeof c->end.detail, format, args);
    va_end(args);
    c->end.cause = cause;
    c->end.is_udp = c->is_udp;
    c->end.is_silent =
        c->state == CM_RTSP_CLIENT_PLAYING && c->track.media.packets == 0 && !c->config.is_speaking;
    leave(c);
    cm_client_set_state(c, CM_RTSP_CLIENT_ENDED);
    cm_timer_start(&c->end_timer, 0);
}

void cm_client_end_abusive(cm_rtsp_client *c, const char *detail)
{
    if (cm_client_is_over(c))
        return;
    c->end.is_abusive = true;
    cm_client_end(c, CM_CAUSE_PROTOCOL, "%s", detail);
}

static void on_end_timer(cm_timer *timer)
{
    cm_rtsp_client *c = CM_HOLDER(timer, cm_rtsp_client, end_timer);
    const cm_rtsp_end end = c->end;
    c->config.events->on_end(c->config.owner, &end);
}

/* ---- bounds ---- */

static void roll_window(cm_rtsp_client *c)
{
    const cm_instant now = cm_loop_now(c->config.loop);
    if (cm_instant_since(now, c->window_began) < CM_SECONDS(WINDOW_SECONDS))
        return;
    c->window_began = now;
    c->window_bytes = 0;
    c->window_malformed = 0;
}

void cm_client_count_bytes(cm_rtsp_client *c, size_t size)
{
    roll_window(c);
    c->window_bytes += size;
    if (c->window_bytes > WINDOW_BYTES_MAX)
        cm_client_end_abusive(c, "sends more than 50 Mbit/s");
}

void cm_client_count_malformed(cm_rtsp_client *c)
{
    roll_window(c);
    c->counters.malformed++;
    if (++c->window_malformed > WINDOW_MALFORMED_MAX)
        cm_client_end_abusive(c, "sends packets that make no sense");
}

/* ---- time ---- */

static void look_for_silence(cm_rtsp_client *c, cm_instant now)
{
    const bool is_udp = cm_client_is_over_udp(c);
    const bool is_silent = c->track.media.packets == 0;
    const int64_t limit_us = CM_SECONDS(is_udp && is_silent ? SILENT_UDP_SECONDS : SILENT_SECONDS);
    if (cm_instant_since(now, c->last_packet) >= limit_us)
        cm_client_end(c, CM_CAUSE_NO_PICTURES, "no packet over %s for %lld s",
                      is_udp ? "UDP" : "TCP", (long long)(limit_us / CM_SECONDS(1)));
    else if (cm_instant_since(now, c->last_unit) >= CM_SECONDS(PICTURE_SECONDS))
        cm_client_end(c, CM_CAUSE_NO_PICTURES, "packets, but no whole picture for %d s",
                      PICTURE_SECONDS);
}

static void tick(cm_rtsp_client *c)
{
    const cm_instant now = cm_loop_now(c->config.loop);
    if (c->config.is_speaking)
        cm_client_speech_look(c, now);
    else
        look_for_silence(c, now);
    if (cm_client_is_over(c))
        return;
    cm_timer_start(&c->timer, CM_SECONDS(TICK_SECONDS));
    if (now.us >= c->keepalive_due.us) {
        c->keepalive_due = cm_instant_after(now, cm_client_keepalive_interval_us(c->timeout_s));
        c->keepalive.refusals = 0;
        cm_client_keepalive_send(c);
    }
    if (!cm_client_is_over(c) && now.us >= c->report_due.us)
        cm_client_report_send(c);
}

static void on_timer(cm_timer *timer)
{
    cm_rtsp_client *c = CM_HOLDER(timer, cm_rtsp_client, timer);
    if (c->state == CM_RTSP_CLIENT_PLAYING) {
        tick(c);
    } else if (c->state == CM_RTSP_CLIENT_ASKING) {
        /* Some don't know OPTIONS, and say nothing. */
        cm_client_set_state(c, CM_RTSP_CLIENT_DESCRIBING);
        cm_client_request_send(c, CM_RTSP_DESCRIBE);
    } else if (c->state == CM_RTSP_CLIENT_SETTING_UP_SOUND) {
        cm_client_sound_give_up(c, "it does not answer when asked for its sound");
        cm_client_play(c);
    } else if (!cm_client_sound_forgo(c)) {
        cm_client_end(c, CM_CAUSE_TIMEOUT, "no answer while %s", STATES[c->state].name);
    }
}

/* ---- life ---- */

void cm_client_on_unit(void *client, const cm_video_unit *unit)
{
    cm_rtsp_client *c = client;
    const cm_instant now = cm_loop_now(c->config.loop);
    cm_ingest_unit told = {.unit = unit,
                           .sets = cm_video_depacketizer_sets(&c->depacketizer),
                           .clock_rate = c->track.media.clock_rate,
                           .is_restart = c->track.media.is_restart};
    c->last_unit = now;
    if (cm_rtp_timestamps_unwrap(&c->track.media.timestamps, unit->timestamp, now, &told.ticks) ==
        CM_RTP_TIME_JUMPED)
        told.is_restart = true;
    c->track.media.is_restart = false;
    c->config.events->on_unit(c->config.owner, &told);
}

static void make_names(cm_rtsp_client *c)
{
    uint8_t bytes[CM_CLIENT_CNONCE_SIZE / 2];
    cm_random *random = cm_loop_random(c->config.loop);
    cm_random_fill(random, bytes, sizeof bytes);
    CM_IGNORE(cm_text_to_hex(cm_slice_over(bytes, sizeof bytes), c->cname, sizeof c->cname),
              "it is as large as that");
    c->report_ssrc = (uint32_t)cm_random_u64(random);
}

static void init_track(cm_rtsp_client *c, cm_client_track *track, size_t reorder_bytes)
{
    track->client = c;
    track->reorder_bytes = reorder_bytes;
    cm_buffer_init(&track->url, URL_MAX);
}

cm_status cm_rtsp_client_create(const cm_rtsp_client_config *config, cm_rtsp_client **out)
{
    cm_rtsp_client *c = calloc(1, sizeof *c);
    CM_ENSURE(c != NULL, CM_BROKEN);
    c->config = *config;
    c->config.address = (cm_slice){0}; /* copied below */
    c->is_udp = config->is_udp;
    cm_buffer_init(&c->url, URL_MAX);
    cm_buffer_init(&c->base, URL_MAX);
    init_track(c, &c->track, config->is_speaking ? SOUND_REORDER_BYTES : VIDEO_REORDER_BYTES);
    c->track.put = cm_client_video_put;
    c->track.restart = cm_client_video_restart;
    init_track(c, &c->sound.track, SOUND_REORDER_BYTES);
    cm_client_sound_init(c);
    if (config->is_speaking)
        cm_client_speech_init(c);
    cm_buffer_init(&c->in, CM_RTSP_BUFFER_SIZE);
    cm_buffer_init(&c->out, OUT_MAX);
    cm_buffer_init(&c->unit, CM_VIDEO_MAX_UNIT_BYTES);
    cm_timer_init(&c->timer, config->loop, on_timer);
    cm_timer_init(&c->end_timer, config->loop, on_end_timer);
    cm_video_depacketizer_init(&c->depacketizer, CM_VIDEO_H264, &c->unit, cm_client_on_unit, c);
    c->waiting.method = c->keepalive.method = CM_RTSP_METHOD_COUNT;
    c->login.is_trusted = true;
    make_names(c);
    const cm_status status = cm_client_set_url(c, config->address);
    if (status != CM_OK) {
        cm_rtsp_client_destroy(c);
        return status;
    }
    cm_client_resolve(c);
    *out = c;
    return CM_OK;
}

void cm_rtsp_client_destroy(cm_rtsp_client *client)
{
    if (client == NULL)
        return;
    if (!cm_client_is_over(client))
        leave(client);
    cm_timer_stop(&client->timer);
    cm_timer_stop(&client->end_timer);
    cm_buffer_deinit(&client->url);
    cm_buffer_deinit(&client->base);
    cm_buffer_deinit(&client->track.url);
    cm_buffer_deinit(&client->sound.track.url);
    cm_buffer_deinit(&client->sound.unit);
    cm_buffer_deinit(&client->in);
    cm_buffer_deinit(&client->out);
    cm_buffer_deinit(&client->unit);
    free(client);
}

void cm_rtsp_client_read_counters(const cm_rtsp_client *client, cm_rtsp_client_counters *out)
{
    *out = client->counters;
    out->bytes = client->track.media.bytes;
    out->packets_lost = client->track.media.packets_lost;
    out->sound_bytes = client->sound.track.media.bytes;
    out->sound_packets_lost = client->sound.track.media.packets_lost;
    out->sound_malformed = client->sound.malformed;
}
