/*
 * clock: when a picture was captured, on the server's clock, from the camera's RTP timestamps and
 * from when its packets arrived. The camera's own idea of the time of day is never used.
 *
 * A picture can't arrive before it is captured, so arrival minus timestamp has a lower envelope:
 * the clocks' difference plus the shortest delay. The filter follows that envelope: down at once,
 * up as the least of the last two windows of 4 s says, which outlasts a stall of the network and
 * keeps up with a clock that drifts. Leaps of the sender by more than 1 s begin a new envelope. A
 * sender whose timestamps stand still, or run at a rate other than the one it declared, is not
 * believed: arrival counts until its timestamps make sense again.
 *
 * Media time is the same on 90 kHz, corrected slowly so that pictures keep their distances, and
 * strictly rising, through restarts and reconnects too. It is a decoding time: where pictures are
 * sent in another order than they are shown (B pictures: timestamps that go back), it is the
 * timestamps sorted, late by as many pictures as the order needs, which the filter learns.
 *
 * Owner: one stream, for life. One thread. No clock of its own: `now` and `wall` are passed in.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "media/kinds.h"

enum { CM_CAPTURE_REORDER_MAX = 4 };

typedef struct cm_capture_clock { /* private, all of it */
    bool is_started;
    bool has_last;
    bool is_untrusted;
    int64_t base_us;       // instant - sender's time: the envelope
    int64_t media_base_us; // the same, corrected slowly
    int64_t highest_us;    // sender's time
    int64_t last_sent_us;
    cm_instant last_now;
    unsigned equal_run;
    // the envelope's windows
    cm_instant window_began;
    int64_t window_min_us;
    int64_t previous_min_us;
    bool has_previous;
    unsigned bad_windows;
    // decoding order
    int64_t queue[CM_CAPTURE_REORDER_MAX + 1]; // sender's times, rising
    unsigned queued;
    unsigned depth;
    int64_t last_decode_us;
    bool has_decode;
    // given out
    cm_media_time last_media;
    int64_t interval_us; // between pictures, smoothed; 0: unknown
} cm_capture_clock;

typedef struct cm_capture_times {
    cm_wall captured; // never after `wall`
    cm_media_time media_time;
    uint16_t duration_ms; // three times the usual distance of pictures, at least 100
} cm_capture_times;

void cm_capture_clock_init(cm_capture_clock *c);

/* Timestamps begin anew (reconnect, another SSRC, a leap). Media time goes on rising. */
void cm_capture_clock_restart(cm_capture_clock *c);

/* A picture of timestamp `ticks` (unwrapped) of a clock of `clock_rate` ticks a second (0 counts
 * as 90,000) is whole at `now`, when the time of day is `wall`. */
void cm_capture_clock_take(cm_capture_clock *c, int64_t ticks, uint32_t clock_rate, cm_instant now,
                           cm_wall wall, cm_capture_times *out);
