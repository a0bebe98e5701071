/* One stream of a camera: when it connects, over what, and when it tries again. */
#include <assert.h>

#include "base/log.h"
#include "ingest/backoff.h"
#include "ingest/camera_priv.h"

enum {
    LINGER_SECONDS = 10,
    STEADY_SECONDS = 10, /* live for so long: its failures are forgotten */
};

#define BIT(phase) (1u << (phase))

static const unsigned NEXT_PHASES[CM_FEED_PHASES] = {
    [CM_FEED_OFF] = BIT(CM_FEED_QUEUED),
    [CM_FEED_QUEUED] = BIT(CM_FEED_RUNNING) | BIT(CM_FEED_OFF),
    [CM_FEED_RUNNING] = BIT(CM_FEED_RESTING) | BIT(CM_FEED_OFF),
    [CM_FEED_RESTING] = BIT(CM_FEED_QUEUED) | BIT(CM_FEED_OFF),
};

bool cm_feed_phase_may_turn(cm_feed_phase from, cm_feed_phase to)
{
    return (NEXT_PHASES[from] & BIT(to)) != 0;
}

/* ---- what people see ---- */

static const char *stream_name(cm_stream which)
{
    return which == CM_STREAM_MAIN ? "main" : "sub";
}

static void log_state(const cm_feed *feed, cm_camera_state was)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    const cm_stream_status *status = feed->status;
    const bool is_well = status->state == CM_CAMERA_LIVE || status->cause == CM_CAUSE_NONE;
    cm_log_camera(is_well ? CM_LOG_INFO : CM_LOG_WARN, "ingest", &feed->camera->config.key,
                  "stream=%s event=%s was=%s cause=%s detail=%s", stream_name(feed->which),
                  cm_camera_state_name(status->state), cm_camera_state_name(was),
                  cm_camera_cause_name(status->cause),
                  cm_log_quote(cm_slice_of(status->detail), quoted));
}

void cm_feed_set_state(cm_feed *feed, cm_camera_state state, cm_camera_cause cause,
                       const char *detail)
{
    cm_stream_status *status = feed->status;
    const cm_camera_state was = status->state;
    const bool is_other = state != was || cause != status->cause;
    cm_writer w = cm_writer_over(status->detail, sizeof status->detail - 1);
    cm_write_slice(&w, cm_slice_part(cm_slice_of(detail), 0, w.capacity));
    status->detail[w.used] = '\0';
    status->state = state;
    status->cause = cause;
    cm_camera_changed(feed->camera);
    if (!is_other)
        return;
    if (state != was)
        status->since = cm_loop_wall(feed->camera->config.loop);
    log_state(feed, was);
}

static cm_camera_state state_of(cm_camera_cause cause)
{
    switch (cause) {
    case CM_CAUSE_WRONG_PASSWORD:
        return CM_CAMERA_WRONG_PASSWORD;
    case CM_CAUSE_NO_VIDEO:
    case CM_CAUSE_CODEC_UNSUPPORTED:
    case CM_CAUSE_PROTOCOL:
        return CM_CAMERA_UNSUPPORTED;
    default:
        return CM_CAMERA_UNREACHABLE;
    }
}

/* ---- phases ---- */

static void turn_to(cm_feed *feed, cm_feed_phase next)
{
    assert(cm_feed_phase_may_turn(feed->phase, next));
    feed->phase = next;
    feed->status->next_try = (cm_wall){0};
    cm_timer_stop(&feed->rest);
    if (next != CM_FEED_QUEUED && next != CM_FEED_RUNNING)
        cm_connect_ticket_give_back(feed->camera->config.gate, &feed->ticket);
}

static void drop_client(cm_feed *feed)
{
    cm_rtsp_client_counters last;
    if (feed->client == NULL)
        return;
    cm_sound_end(feed);
    cm_rtsp_client_read_counters(feed->client, &last);
    feed->past.bytes += last.bytes;
    feed->past.packets_lost += last.packets_lost;
    feed->past.malformed += last.malformed;
    feed->past.sound_packets_lost += last.sound_packets_lost;
    feed->past.sound_malformed += last.sound_malformed;
    cm_rtsp_client_destroy(feed->client);
    feed->client = NULL;
    cm_source_stop(feed->source);
}

/* ---- failing ---- */

static bool is_slow(const cm_rtsp_end *end)
{
    switch (end->cause) {
    case CM_CAUSE_ADDRESS_REFUSED:
    case CM_CAUSE_WRONG_PASSWORD:
    case CM_CAUSE_NO_VIDEO:
    case CM_CAUSE_CODEC_UNSUPPORTED:
        return true;
    default:
        return end->is_abusive;
    }
}

/* PLAY was answered, and nothing came: the other transport may do, at once the first time. Who
 * named a port for UDP and then was silent may send from another. */
static bool flip(cm_feed *feed, const cm_rtsp_end *end)
{
    if (!end->is_silent)
        return false;
    const bool is_first = !feed->has_flipped;
    feed->takes_any_port = feed->takes_any_port || end->is_udp;
    feed->is_udp = !end->is_udp;
    feed->has_flipped = true;
    return is_first;
}

static void rest(cm_feed *feed, int64_t us)
{
    const cm_wall wall = cm_loop_wall(feed->camera->config.loop);
    turn_to(feed, CM_FEED_RESTING);
    feed->status->next_try = (cm_wall){wall.us + us};
    cm_timer_start(&feed->rest, us);
    cm_camera_changed(feed->camera);
}

static void on_end(void *owner, const cm_rtsp_end *end)
{
    cm_feed *feed = owner;
    const cm_loop *loop = feed->camera->config.loop;
    const bool was_live = feed->status->state == CM_CAMERA_LIVE;
    if (was_live &&
        cm_instant_since(cm_loop_now(loop), feed->live_since) >= CM_SECONDS(STEADY_SECONDS))
        feed->failures = 0;
    feed->failures++;
    feed->status->reconnects++;
    const bool is_flipped = flip(feed, end);
    drop_client(feed);
    if (is_flipped) {
        rest(feed, 0);
        return;
    }
    /* What was live a moment ago is first tried again. */
    const bool is_short = was_live && state_of(end->cause) == CM_CAMERA_UNREACHABLE;
    cm_feed_set_state(feed, is_short ? CM_CAMERA_CONNECTING : state_of(end->cause), end->cause,
                      end->detail);
    rest(feed,
         cm_backoff_us(feed->failures, is_slow(end), cm_loop_random(feed->camera->config.loop)));
}

/* ---- connecting ---- */

static bool may_connect(void *owner, const cm_address *address)
{
    const cm_feed *feed = owner;
    const cm_camera_config *config = &feed->camera->config;
    return config->events->may_connect(config->owner, &config->key, address);
}

static void on_playing(void *owner, bool is_udp)
{
    cm_feed *feed = owner;
    cm_connect_ticket_give_back(feed->camera->config.gate, &feed->ticket);
    feed->status->is_udp = is_udp;
    cm_sound_review(feed);
}

static void on_unit(void *owner, const cm_ingest_unit *unit)
{
    cm_publish_unit(owner, unit);
}

static void on_sound(void *owner, const cm_ingest_sound *sound)
{
    cm_sound_put(owner, sound);
}

static const cm_rtsp_client_events CLIENT_EVENTS = {.may_connect = may_connect,
                                                    .on_playing = on_playing,
                                                    .on_unit = on_unit,
                                                    .on_sound = on_sound,
                                                    .on_end = on_end};

static void start_client(cm_feed *feed)
{
    const cm_camera *camera = feed->camera;
    const cm_rtsp_client_config config = {.loop = camera->config.loop,
                                          .net = camera->config.net,
                                          .gate = camera->config.gate,
                                          .address = cm_slice_of(feed->address),
                                          .user = cm_slice_of(camera->user),
                                          .password = cm_slice_of(camera->password),
                                          .is_udp = feed->is_udp,
                                          .takes_any_port = feed->takes_any_port,
                                          .events = &CLIENT_EVENTS,
                                          .owner = feed};
    cm_publish_begin(feed);
    turn_to(feed, CM_FEED_RUNNING);
    if (cm_rtsp_client_create(&config, &feed->client) == CM_OK)
        return;
    /* The address was looked at when it was set: what is short is memory. */
    feed->client = NULL;
    feed->failures++;
    rest(feed, cm_backoff_us(feed->failures, false, cm_loop_random(camera->config.loop)));
}

static void on_turn(cm_connect_ticket *ticket)
{
    cm_feed *feed = CM_HOLDER(ticket, cm_feed, ticket);
    /* If it has no sealers it asks for them here, so that they are there before the first picture.
     */
    (void)cm_source_still_sealer(feed->source);
    start_client(feed);
}

static void queue(cm_feed *feed)
{
    turn_to(feed, CM_FEED_QUEUED);
    if (feed->status->state == CM_CAMERA_STOPPED)
        cm_feed_set_state(feed, CM_CAMERA_CONNECTING, CM_CAUSE_NONE, "");
    cm_connect_ticket_ask(feed->camera->config.gate, &feed->ticket);
}

static void on_rest(cm_timer *timer)
{
    queue(CM_HOLDER(timer, cm_feed, rest));
}

/* ---- wanting ---- */

static bool is_wanted(const cm_feed *feed)
{
    return feed->address != NULL && (feed->camera->config.keep_always || feed->wants > 0 ||
                                     cm_timer_is_running(&feed->linger));
}

void cm_feed_review(cm_feed *feed)
{
    if (is_wanted(feed) && feed->phase == CM_FEED_OFF)
        queue(feed);
    else if (!is_wanted(feed) && feed->phase != CM_FEED_OFF)
        cm_feed_stop(feed);
}

void cm_feed_stop(cm_feed *feed)
{
    drop_client(feed);
    cm_feed_drop_push(feed);
    if (feed->phase != CM_FEED_OFF)
        turn_to(feed, CM_FEED_OFF);
    feed->failures = 0;
    feed->has_flipped = false;
    if (feed->status->state != CM_CAMERA_STOPPED)
        cm_feed_set_state(feed, CM_CAMERA_STOPPED, CM_CAUSE_NONE, "");
}

static void on_linger(cm_timer *timer)
{
    cm_feed_review(CM_HOLDER(timer, cm_feed, linger));
}

void cm_feed_want(cm_feed *feed, bool is_wanted_now)
{
    assert(is_wanted_now || feed->wants > 0);
    feed->wants += is_wanted_now ? 1 : -1u;
    if (feed->wants > 0)
        cm_timer_stop(&feed->linger);
    else
        cm_timer_start(&feed->linger, CM_SECONDS(LINGER_SECONDS));
    cm_feed_review(feed);
}

void cm_feed_note_picture(cm_feed *feed)
{
    if (feed->status->state == CM_CAMERA_LIVE)
        return;
    feed->live_since = cm_loop_now(feed->camera->config.loop);
    feed->has_flipped = false;
    feed->is_udp = feed->status->is_udp; /* what works is tried first */
    cm_feed_set_state(feed, CM_CAMERA_LIVE, CM_CAUSE_NONE,
                      feed->client != NULL ? cm_rtsp_client_sound_refusal(feed->client) : "");
}

void cm_feed_init(cm_feed *feed, cm_camera *camera, cm_stream which)
{
    *feed = (cm_feed){.camera = camera, .which = which, .status = &camera->status.streams[which]};
    feed->is_udp = camera->config.prefers_udp;
    cm_timer_init(&feed->linger, camera->config.loop, on_linger);
    cm_timer_init(&feed->rest, camera->config.loop, on_rest);
    cm_connect_ticket_init(&feed->ticket, on_turn);
    cm_capture_clock_init(&feed->clock);
}
