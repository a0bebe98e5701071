/*
 * depacketize: RTP payloads of AAC (RFC 3640, mode AAC-hbr) to access units; and the other way, one
 * access unit to one payload.
 *
 * A state machine without clock, sockets or allocation of its own. In: payloads in the order of
 * their sequence numbers. Out: whole access units with their timestamps. Each is decodable by
 * itself, so that after a loss the next whole one is handed out, marked. Interleaving is refused.
 *
 * Life: the caller embeds it (init; nothing to deinit) and lends a cm_buffer, which is used only
 * while an access unit comes in fragments. One thread. The callback runs inside put; it must not
 * call back into the depacketizer.
 */
#pragma once

#include "base/buffer.h"
#include "proto/aac/format.h"

enum {
    CM_AAC_MAX_UNIT_BYTES = (1 << 13) - 1, /* of 13 bits: the `max` of the buffer lent */
    CM_AAC_HEADERS_SIZE = 4,               /* before a single access unit in a payload */
};

/* Borrowed for the length of the callback. */
typedef struct cm_aac_access_unit {
    cm_slice bytes;     /* raw_data_block, no ADTS; not empty */
    uint32_t timestamp; /* of RTP, in ticks of the format's clock_rate; wraps */
    bool lost_before;   /* packets or units were lost since the unit handed out before it */
} cm_aac_access_unit;

typedef void (*cm_aac_on_unit)(void *context, const cm_aac_access_unit *unit);

typedef struct cm_aac_rtp_payload {
    cm_slice payload; /* after the RTP header, without padding; borrowed for the call */
    uint32_t timestamp;
    bool marker;
    bool gap_before; /* packets between the one put before and this one are missing */
} cm_aac_rtp_payload;

typedef struct cm_aac_depacketizer {
    /* Read by anybody. */
    uint64_t units; /* handed out */
    uint64_t faults[CM_AAC_FAULT_COUNT];
    cm_aac_fault last_fault; /* of the newest put that was not CM_OK */

    /* Private. */
    cm_buffer *buffer; /* fragments of one access unit */
    cm_aac_on_unit on_unit;
    void *context;
    uint32_t frame_ticks;
    uint32_t timestamp; /* of the open fragmented unit */
    size_t unit_size;   /* what it has to become */
    bool in_fragment;
    bool gap_in_unit; /* fragments of it may be missing */
    bool lost_before;
} cm_aac_depacketizer;

/* `frame_ticks` is the format's. `buffer` has max CM_AAC_MAX_UNIT_BYTES and outlives it. */
void cm_aac_depacketizer_init(cm_aac_depacketizer *d, uint32_t frame_ticks, cm_buffer *buffer,
                              cm_aac_on_unit on_unit, void *context);

/*
 * Takes one payload; calls on_unit for each access unit that is whole. Whatever it returns, it can
 * go on with the next payload. CM_OK: taken, or passed over after a loss. CM_CLOSE: malformed.
 * CM_REFUSE: interleaved. In the last two last_fault says which; of a payload that is not CM_OK
 * nothing is handed out.
 */
cm_status cm_aac_depacketizer_put(cm_aac_depacketizer *d, const cm_aac_rtp_payload *packet);

/* Another source of packets begins (SSRC change, reconnect): as after a loss. */
void cm_aac_depacketizer_restart(cm_aac_depacketizer *d);

/* The header of a payload that holds this access unit alone, whole; the unit's bytes follow, and
 * the marker is set. CM_REFUSE if it is empty or above CM_AAC_MAX_UNIT_BYTES; CM_FULL. */
cm_status cm_aac_write_headers(cm_writer *w, size_t unit_size);
