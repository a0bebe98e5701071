/*
 * sequence: what RTP's short numbers mean over time. Sequence numbers (16 bits) become 64-bit ones
 * that never go back at a restart; timestamps (32 bits) become 64-bit ones that run on through
 * wraps, hours of silence, jumps and restarts of the sender.
 *
 * Owner: whoever embeds them, one per SSRC. One thread. No clock: `now` is passed in.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

typedef enum cm_rtp_order {
    CM_RTP_ORDER_FIRST,     /* nothing came before */
    CM_RTP_ORDER_NEXT,      /* one more than the highest so far */
    CM_RTP_ORDER_AHEAD,     /* some are missing before it (RFC 3550 A.1: less than MAX_DROPOUT) */
    CM_RTP_ORDER_BEHIND,    /* late or a duplicate; within MAX_MISORDER */
    CM_RTP_ORDER_SUSPECT,   /* far from everything: drop it, unless the next one follows it */
    CM_RTP_ORDER_RESTARTED, /* second in a row of a sequence that starts anew: forget what waits */
} cm_rtp_order;

typedef struct cm_rtp_sequence {
    bool is_started;  // private
    uint64_t highest; // extended; read it through the functions below
    uint32_t suspect; // private: the number that would confirm a restart, or above 65535
} cm_rtp_sequence;

void cm_rtp_sequence_init(cm_rtp_sequence *s);

/*
 * The extended number of `sequence_number` in *extended (written unless SUSPECT). The first packet
 * gets 65,536 + its number, so that earlier ones that arrive late stay above zero. After a restart
 * extended numbers go on above all earlier ones. RFC 3550 A.1 without its probation at the start:
 * the source of our packets is known by connection and SSRC.
 */
cm_rtp_order cm_rtp_sequence_extend(cm_rtp_sequence *s, uint16_t sequence_number,
                                    uint64_t *extended);

typedef enum cm_rtp_time {
    CM_RTP_TIME_FIRST,
    CM_RTP_TIME_RUNS,   /* follows what came before */
    CM_RTP_TIME_JUMPED, /* the sender's clock leapt: bridged with the time between arrivals */
} cm_rtp_time;

typedef struct cm_rtp_timestamps {
    uint32_t clock_rate;  // ticks a second
    bool is_started;      // private
    int64_t last;         // private: unwrapped, as given out
    uint32_t last_wire;   // private: its 32 bits
    cm_instant last_seen; // private
} cm_rtp_timestamps;

/* How far a timestamp may be both from its predecessor and from where elapsed time puts it. */
enum { CM_RTP_JUMP_SECONDS = 10 };

/* `clock_rate` 0 (a camera's SDP may say so) counts as 90,000. */
void cm_rtp_timestamps_init(cm_rtp_timestamps *t, uint32_t clock_rate);

/*
 * *ticks: starts at the first timestamp and runs on; goes back where the sender's does by less than
 * CM_RTP_JUMP_SECONDS (B pictures, late packets), never otherwise. After a jump it continues at the
 * last value plus the time that passed between the two arrivals (at least one tick).
 */
cm_rtp_time cm_rtp_timestamps_unwrap(cm_rtp_timestamps *t, uint32_t timestamp, cm_instant now,
                                     int64_t *ticks);
