/*
 * reorder: RTP packets from UDP, back in order. Packets in order pass without being copied; one
 * that is early waits, copied into storage of the owner's, until the missing ones came or are given
 * up: too many numbers ahead, too long ago, or no room left. Late ones and duplicates are dropped.
 *
 * Life: init with storage, then for each packet cm_rtp_reorder_put() followed by
 * cm_rtp_reorder_take() until it says false; on a timer at cm_rtp_reorder_deadline() take again.
 * Owner: one UDP track. One thread. Bounded: CM_RTP_REORDER_SLOTS packets, storage_size bytes.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

enum { CM_RTP_REORDER_SLOTS = 64 };

typedef struct cm_rtp_reorder_config {
    uint16_t wait_packets; // give a gap up this many numbers later; 1..64, 0 means 32
    int64_t wait_us;       // or after this time; 0 means 100 ms
} cm_rtp_reorder_config;

typedef struct cm_rtp_reorder_slot {
    uint64_t sequence;
    size_t offset; // in storage
    size_t size;
    cm_instant arrived;
} cm_rtp_reorder_slot;

typedef struct cm_rtp_reorder {
    cm_rtp_reorder_config config; // private, as all here but the counters
    uint8_t *storage;
    size_t storage_size;
    bool is_started;
    bool is_pressed; // no room: give the gap up at once
    uint64_t next;   // the number that is due
    bool has_fresh;
    cm_rtp_reorder_slot fresh; // the packet of the last put, still in the caller's hands
    cm_slice fresh_bytes;
    size_t slot_count;
    cm_rtp_reorder_slot slots[CM_RTP_REORDER_SLOTS];

    uint64_t lost;       // numbers given up
    uint64_t late;       // came after they were given up
    uint64_t duplicates; // of one that waits
} cm_rtp_reorder;

typedef struct cm_rtp_reorder_packet {
    uint64_t sequence;    // extended
    uint64_t lost_before; // numbers given up just before this one
    cm_instant arrived;
    cm_slice bytes; // borrowed until the next take or put
} cm_rtp_reorder_packet;

/* `storage` is the owner's and outlives `r`; 64 KiB holds what a camera sends in 100 ms. */
void cm_rtp_reorder_init(cm_rtp_reorder *r, const cm_rtp_reorder_config *config, void *storage,
                         size_t storage_size);

/* Forgets what waits; the next packet starts anew. After CM_RTP_ORDER_RESTARTED. Counters stay. */
void cm_rtp_reorder_reset(cm_rtp_reorder *r);

/* `packet` is borrowed until take says false. `sequence` is extended (proto/rtp/sequence.h). */
void cm_rtp_reorder_put(cm_rtp_reorder *r, uint64_t sequence, cm_slice packet, cm_instant now);

/* The packet that is due, or false: nothing is, yet. */
bool cm_rtp_reorder_take(cm_rtp_reorder *r, cm_instant now, cm_rtp_reorder_packet *out);

/* When take should be called again without a put; false when nothing waits. */
bool cm_rtp_reorder_deadline(const cm_rtp_reorder *r, cm_instant *out);
