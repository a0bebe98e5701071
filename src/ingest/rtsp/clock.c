#include "ingest/rtsp/clock.h"

enum {
    US = 1000000,
    LEAP_US = US,
    WINDOW_US = 4 * US,
    BAD_PERCENT = 2, /* a clock that drifts by so much has another rate than was declared */
    BAD_WINDOWS = 2,
    EQUAL_RUN = 4,
    SLEW_FINE = 200,  /* media time is corrected by 1/200 of the time that passes … */
    SLEW_COARSE = 20, /* … or by 1/20 while it is off by more than … */
    SLEW_COARSE_US = 50000,
    DURATION_MIN_MS = 100,
    DURATION_MAX_MS = 60000,
    INTERVAL_MAX_US = 10 * US,
};

void cm_capture_clock_init(cm_capture_clock *c)
{
    *c = (cm_capture_clock){0};
}

void cm_capture_clock_restart(cm_capture_clock *c)
{
    c->is_started = false;
    c->is_untrusted = false;
    c->bad_windows = 0;
    c->equal_run = 0;
}

static int64_t us_of(int64_t ticks, uint32_t clock_rate)
{
    const int64_t rate = clock_rate > 0 ? clock_rate : 90000;
    return ticks / rate * US + ticks % rate * US / rate;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void begin(cm_capture_clock *c, int64_t sent_us, cm_instant now)
{
    c->is_started = true;
    c->base_us = c->media_base_us = now.us - sent_us;
    c->highest_us = c->last_sent_us = sent_us;
    c->last_now = c->window_began = now;
    c->window_min_us = c->base_us;
    c->has_previous = false;
    c->queued = 0;
    c->has_decode = false;
}

/* ---- the envelope ---- */

/* Does the camera's clock run at the rate it declared? Two windows in a row must say no. */
static void judge_rate(cm_capture_clock *c, int64_t elapsed_us)
{
    const int64_t drift_us = c->window_min_us - c->previous_min_us;
    const int64_t size_us = drift_us < 0 ? -drift_us : drift_us;
    if (size_us * 100 > elapsed_us * BAD_PERCENT)
        c->bad_windows++;
    else
        c->bad_windows = 0;
    if (c->bad_windows >= BAD_WINDOWS)
        c->is_untrusted = true;
    else if (c->bad_windows == 0)
        c->is_untrusted = false;
}

static void end_window(cm_capture_clock *c, cm_instant now)
{
    if (c->has_previous) {
        judge_rate(c, cm_instant_since(now, c->window_began));
        c->base_us = least(c->previous_min_us, c->window_min_us);
    }
    c->previous_min_us = c->window_min_us;
    c->has_previous = true;
    c->window_min_us = INT64_MAX;
    c->window_began = now;
}

static void follow_envelope(cm_capture_clock *c, int64_t sent_us, cm_instant now)
{
    const int64_t offset_us = now.us - sent_us;
    c->base_us = least(c->base_us, offset_us);
    c->window_min_us = least(c->window_min_us, offset_us);
    if (cm_instant_since(now, c->window_began) >= WINDOW_US)
        end_window(c, now);
}

/* Media time follows the envelope slowly; at once where it is off by a leap. */
static void correct_media(cm_capture_clock *c, cm_instant now)
{
    const int64_t off_us = c->base_us - c->media_base_us;
    const int64_t size_us = off_us < 0 ? -off_us : off_us;
    const int64_t elapsed_us = cm_instant_since(now, c->last_now);
    const int64_t step_us = elapsed_us / (size_us > SLEW_COARSE_US ? SLEW_COARSE : SLEW_FINE);
    if (size_us > LEAP_US || size_us <= step_us)
        c->media_base_us = c->base_us;
    else
        c->media_base_us += off_us < 0 ? -step_us : step_us;
}

/* ---- decoding order ---- */

static int64_t shift_queue(cm_capture_clock *c)
{
    const int64_t first = c->queue[0];
    c->queued--;
    for (unsigned i = 0; i < c->queued; i++)
        c->queue[i] = c->queue[i + 1];
    return first;
}

/* The timestamps in rising order, `depth` pictures late: a picture's decoding time. */
static int64_t decode_time(cm_capture_clock *c, int64_t sent_us)
{
    unsigned at = c->queued++;
    for (; at > 0 && c->queue[at - 1] > sent_us; at--)
        c->queue[at] = c->queue[at - 1];
    c->queue[at] = sent_us;
    int64_t decode_us;
    if (c->queued > c->depth)
        decode_us = shift_queue(c);
    else
        decode_us = c->queue[0] - (int64_t)(c->depth - c->queued + 1) * c->interval_us;
    if (c->has_decode && decode_us < c->last_decode_us && c->depth < CM_CAPTURE_REORDER_MAX)
        c->depth++;
    c->last_decode_us = decode_us;
    c->has_decode = true;
    return decode_us;
}

/* ---- */

static void note_interval(cm_capture_clock *c, cm_media_time media_time)
{
    const int64_t delta_us = (media_time - c->last_media) * 100 / 9;
    if (!c->has_last || delta_us > INTERVAL_MAX_US)
        return;
    if (c->interval_us == 0)
        c->interval_us = delta_us;
    else
        c->interval_us += (delta_us - c->interval_us) / 8;
}

static uint16_t duration_ms(const cm_capture_clock *c)
{
    const int64_t ms = 3 * c->interval_us / 1000;
    if (ms < DURATION_MIN_MS)
        return DURATION_MIN_MS;
    return (uint16_t)least(ms, DURATION_MAX_MS);
}

/* Leaps begin anew; timestamps that stand still are not believed. */
static void look_at_sender(cm_capture_clock *c, int64_t sent_us, cm_instant now)
{
    const bool is_early = now.us - sent_us < c->base_us - LEAP_US;
    const bool is_back = sent_us < c->highest_us - LEAP_US;
    if (!c->is_started || is_early || is_back) {
        begin(c, sent_us, now);
        return;
    }
    c->equal_run = sent_us == c->last_sent_us ? c->equal_run + 1 : 0;
    if (c->equal_run >= EQUAL_RUN) {
        c->is_untrusted = true;
        c->bad_windows = BAD_WINDOWS;
    }
    if (sent_us > c->highest_us)
        c->highest_us = sent_us;
}

void cm_capture_clock_take(cm_capture_clock *c, int64_t ticks, uint32_t clock_rate, cm_instant now,
                           cm_wall wall, cm_capture_times *out)
{
    const int64_t sent_us = us_of(ticks, clock_rate);
    look_at_sender(c, sent_us, now);
    follow_envelope(c, sent_us, now);
    correct_media(c, now);
    const int64_t decode_us = decode_time(c, sent_us);
    const int64_t captured_us = c->is_untrusted ? now.us : least(now.us, sent_us + c->base_us);
    const int64_t media_us = c->is_untrusted ? now.us : decode_us + c->media_base_us;
    cm_media_time media_time = media_us * 9 / 100;
    if (c->has_last && media_time <= c->last_media)
        media_time = c->last_media + 1;
    note_interval(c, media_time);
    c->last_media = media_time;
    c->has_last = true;
    c->last_sent_us = sent_us;
    c->last_now = now;
    *out = (cm_capture_times){
        .captured = {wall.us - (now.us - captured_us)},
        .media_time = media_time,
        .duration_ms = duration_ms(c),
    };
}
