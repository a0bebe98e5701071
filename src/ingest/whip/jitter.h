/*
 * jitter: the packets of one RTP stream, back in order, and which of them to ask for again
 * (RFC 4585 6.2.1). Larger and more patient than proto/rtp/reorder.h, because a missing packet can
 * still come: it is asked for, some times, and given up after a while, or when CM_JITTER_SLOTS
 * numbers wait behind it.
 *
 * What comes in order passes without being copied; what is early waits, copied into storage of the
 * owner's. Late ones and duplicates are dropped.
 *
 * Life: init with storage; for each packet cm_jitter_put() followed by cm_jitter_take() until it
 * says false; on a timer while cm_jitter_has_gap(): cm_jitter_list_due() and take again. Owner: one
 * track. One thread. Bounded: the slots and the storage. No clock: `now` is passed in.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

enum {
    CM_JITTER_SLOTS = 512, /* a keyframe of 600 KB, or half a second of 9 Mbit/s */
    CM_JITTER_PACKET_MAX = 1500,
    CM_JITTER_STORAGE = CM_JITTER_SLOTS * CM_JITTER_PACKET_MAX,
    CM_JITTER_ASKS_MAX = 6, /* of one packet */
};

#define CM_JITTER_FIRST_US CM_MS(10) /* before it is asked for: paths reorder a little */
#define CM_JITTER_AGAIN_US CM_MS(70) /* between two asks: the way there and back */

typedef struct cm_jitter_slot {
    uint64_t sequence; // extended; 0: nothing is known of it
    bool is_here;      // else missing
    uint8_t asked;     // how often it was
    uint16_t size;     // when it is here
    cm_instant since;  // it was missed; then: asked for last
    cm_instant asked_at;
} cm_jitter_slot;

typedef struct cm_jitter {
    uint8_t *storage; // private, as all here but the counters
    int64_t wait_us;
    bool is_started;
    uint64_t next; // the number that is due
    uint64_t end;  // one more than the highest that came
    uint64_t gap;  // numbers given up since the last packet that was taken
    bool has_fresh;
    uint64_t fresh_sequence;
    cm_slice fresh; // the packet of the last put, still in the caller's hands
    cm_jitter_slot slots[CM_JITTER_SLOTS];

    uint64_t lost;       // numbers given up
    uint64_t late;       // came after they were given up, or twice in order
    uint64_t duplicates; // of one that waits
    uint64_t asked;      // numbers asked for, each time
} cm_jitter;

typedef struct cm_jitter_packet {
    uint64_t sequence;    // extended
    uint64_t lost_before; // numbers given up just before this one
    cm_slice bytes;       // borrowed until the next take or put
} cm_jitter_packet;

/* `storage` holds CM_JITTER_STORAGE bytes, is the owner's and outlives `j`. What is missing is
 * given up after `wait_us`. */
void cm_jitter_init(cm_jitter *j, uint8_t *storage, int64_t wait_us);
/* Forgets what waits; the next packet starts anew. Counters stay. */
void cm_jitter_reset(cm_jitter *j);

/* `packet` is at most CM_JITTER_PACKET_MAX bytes and borrowed until take says false. `sequence` is
 * extended (proto/rtp/sequence.h). */
void cm_jitter_put(cm_jitter *j, uint64_t sequence, cm_slice packet);
/* The packet that is due, or false: nothing is, yet. */
bool cm_jitter_take(cm_jitter *j, cm_instant now, cm_jitter_packet *out);

/* Something is missing, and what came after it waits. */
bool cm_jitter_has_gap(const cm_jitter *j);
/* The extended number of `sequence_number` if it is missed, or 0. */
uint64_t cm_jitter_find_missing(const cm_jitter *j, uint16_t sequence_number);
/* Those to be asked for now, rising; counts them as asked. Returns how many, at most `max`. */
size_t cm_jitter_list_due(cm_jitter *j, cm_instant now, uint16_t *out, size_t max);
