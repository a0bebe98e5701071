#include "proto/rtp/sequence.h"

/* RFC 3550 A.1 */
enum {
    MAX_DROPOUT = 3000,
    MAX_MISORDER = 100,
    CYCLE = 65536,
    NO_SUSPECT = CYCLE,
    DEFAULT_CLOCK_RATE = 90000,
};

void cm_rtp_sequence_init(cm_rtp_sequence *s)
{
    *s = (cm_rtp_sequence){.suspect = NO_SUSPECT};
}

static cm_rtp_order suspect(cm_rtp_sequence *s, uint16_t sequence_number, uint64_t *extended)
{
    if (sequence_number != s->suspect) {
        s->suspect = (uint16_t)(sequence_number + 1);
        return CM_RTP_ORDER_SUSPECT;
    }
    /* Two whole cycles on: nothing of before, however late, can be taken for a part of this. */
    s->highest = (s->highest / CYCLE + 2) * CYCLE + sequence_number;
    s->suspect = NO_SUSPECT;
    *extended = s->highest;
    return CM_RTP_ORDER_RESTARTED;
}

cm_rtp_order cm_rtp_sequence_extend(cm_rtp_sequence *s, uint16_t sequence_number,
                                    uint64_t *extended)
{
    if (!s->is_started) {
        *s = (cm_rtp_sequence){
            .is_started = true, .highest = CYCLE + sequence_number, .suspect = NO_SUSPECT};
        *extended = s->highest;
        return CM_RTP_ORDER_FIRST;
    }
    const uint16_t ahead = (uint16_t)(sequence_number - (uint16_t)s->highest);
    const uint16_t behind = (uint16_t)-ahead;
    if (ahead != 0 && ahead < MAX_DROPOUT) {
        s->highest += ahead;
        s->suspect = NO_SUSPECT;
        *extended = s->highest;
        return ahead == 1 ? CM_RTP_ORDER_NEXT : CM_RTP_ORDER_AHEAD;
    }
    if (behind <= MAX_MISORDER) {
        *extended = s->highest - behind;
        return CM_RTP_ORDER_BEHIND;
    }
    return suspect(s, sequence_number, extended);
}

void cm_rtp_timestamps_init(cm_rtp_timestamps *t, uint32_t clock_rate)
{
    *t = (cm_rtp_timestamps){.clock_rate = clock_rate > 0 ? clock_rate : DEFAULT_CLOCK_RATE};
}

/* Ticks between two arrivals. Split in seconds and rest: a year at any 32-bit rate still fits. */
static int64_t elapsed_ticks(const cm_rtp_timestamps *t, cm_instant now)
{
    const int64_t us = cm_instant_since(now, t->last_seen);
    if (us <= 0)
        return 0;
    return us / CM_SECONDS(1) * t->clock_rate + us % CM_SECONDS(1) * t->clock_rate / CM_SECONDS(1);
}

static bool is_near(int64_t distance, int64_t bound)
{
    return distance >= -bound && distance <= bound;
}

/* The signed distance from `from` to `to`, the short way round. */
static int64_t wire_distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

cm_rtp_time cm_rtp_timestamps_unwrap(cm_rtp_timestamps *t, uint32_t timestamp, cm_instant now,
                                     int64_t *ticks)
{
    cm_rtp_time kind = CM_RTP_TIME_RUNS;
    if (!t->is_started) {
        t->is_started = true;
        t->last = timestamp;
        kind = CM_RTP_TIME_FIRST;
    } else {
        const int64_t bound = (int64_t)t->clock_rate * CM_RTP_JUMP_SECONDS;
        const int64_t elapsed = elapsed_ticks(t, now);
        const int64_t step = wire_distance(t->last_wire, timestamp);
        /* Against the prediction, so that a silence longer than half the 32 bits (6.6 h at 90 kHz)
         * is told from a jump, and counts all its wraps. */
        const int64_t error =
            wire_distance((uint32_t)(t->last_wire + (uint64_t)elapsed), timestamp);
        if (is_near(error, bound)) {
            t->last += elapsed + error;
        } else if (is_near(step, bound)) {
            t->last += step;
        } else {
            t->last += elapsed > 0 ? elapsed : 1;
            kind = CM_RTP_TIME_JUMPED;
        }
    }
    t->last_wire = timestamp;
    t->last_seen = now;
    *ticks = t->last;
    return kind;
}
