/*
 * depacketize: RTP payloads of H.264 (RFC 6184, packetization modes 0 and 1) to whole access units.
 *
 * A state machine without clock, sockets or allocation of its own. In: payloads in the order of
 * their sequence numbers, each with its timestamp, marker and whether packets are missing before
 * it. Out: access units that a decoder can decode, beginning with an IDR picture. After a loss, a
 * malformed payload or a unit past the bounds the unit is dropped, and all that follow up to the
 * next IDR picture: a decoder never gets a picture whose references are missing.
 *
 * Copes with cameras that mark SPS, PPS or SEI as the end of a unit, that mark every slice, that
 * never mark (units then end when the timestamp changes, one packet late), that put start codes or
 * several NAL units into one payload or fragment, or set both the start and end bits.
 * Delimiters, filler data and end-of-sequence NAL units are left out of the units.
 *
 * Life: the caller embeds it (init; nothing to deinit) and lends a cm_buffer that it owns. One
 * thread. The callback runs inside put; it must not call back into the depacketizer.
 */
#pragma once

#include "base/buffer.h"
#include "proto/h264/nal.h"
#include "proto/h264/parameter_sets.h"

enum {
    CM_H264_MAX_NALS = 512,                   /* of one access unit */
    CM_H264_MAX_UNIT_BYTES = 8 * 1024 * 1024, /* of one access unit: the `max` of the buffer lent */
};

/* Where a NAL unit stands in cm_h264_access_unit.bytes. */
typedef struct cm_h264_nal_range {
    uint32_t offset;
    uint32_t size; /* > 0 */
} cm_h264_nal_range;

/* One primary coded picture with what precedes it. Borrowed for the length of the callback. */
typedef struct cm_h264_access_unit {
    cm_slice bytes; /* not a byte stream: there may be gaps between the NAL units */
    const cm_h264_nal_range *nals;
    size_t nal_count;   /* 1 to CM_H264_MAX_NALS */
    uint32_t timestamp; /* of RTP, as it came: 90 kHz, wraps */
    bool is_keyframe;   /* has a slice of an IDR picture */
    bool has_sps;
    bool has_pps;
    bool lost_before; /* packets or units were lost since the unit handed out before it */
} cm_h264_access_unit;

/* The i-th NAL unit, borrowed. */
cm_slice cm_h264_access_unit_nal(const cm_h264_access_unit *unit, size_t i);

/* Why a payload or unit was dropped; index of the counters. */
typedef enum cm_h264_fault {
    CM_H264_FAULT_NONE,
    CM_H264_FAULT_LOSS,           /* packets are missing */
    CM_H264_FAULT_EMPTY,          /* payload or aggregation without a NAL unit */
    CM_H264_FAULT_FORBIDDEN_BIT,  /* forbidden_zero_bit is set: the sender knows it is damaged */
    CM_H264_FAULT_AGGREGATE,      /* STAP-A whose sizes go past its end */
    CM_H264_FAULT_FRAGMENT,       /* FU-A too short, without its start, or of another NAL type */
    CM_H264_FAULT_UNFINISHED,     /* FU-A without its end when another NAL unit or picture came */
    CM_H264_FAULT_PACKETIZATION,  /* STAP-B, MTAP16, MTAP24, FU-B: interleaved mode, unsupported */
    CM_H264_FAULT_UNIT_TOO_LARGE, /* bytes */
    CM_H264_FAULT_TOO_MANY_NALS,
    CM_H264_FAULT_PARAMETER_SET,     /* an SPS or PPS that proto/h264/parameter_sets.h refuses */
    CM_H264_FAULT_MIDDLE_OF_PICTURE, /* the first slice of a unit does not begin a picture */
    CM_H264_FAULT_COUNT,
} cm_h264_fault;

/* "loss", "forbidden-bit", ... for logs and counters. Static storage. */
const char *cm_h264_fault_name(cm_h264_fault fault);

typedef struct cm_h264_rtp_payload {
    cm_slice payload; /* after the RTP header, without padding; borrowed for the call */
    uint32_t timestamp;
    bool marker;
    bool gap_before; /* packets between the one put before and this one are missing */
} cm_h264_rtp_payload;

typedef void (*cm_h264_on_unit)(void *context, const cm_h264_access_unit *unit);

typedef struct cm_h264_depacketizer {
    /* Read by anybody. */
    cm_h264_parameter_sets sets; /* in-band ones as they come; put those of SDP here */
    uint64_t units;              /* handed out */
    uint64_t dropped_units;      /* known to have begun and not handed out */
    uint64_t faults[CM_H264_FAULT_COUNT];
    cm_h264_fault last_fault; /* of the newest put that was not CM_OK */
    bool is_waiting;          /* for an IDR picture: a caller may ask the camera for one */

    /* Private. */
    cm_buffer *buffer;
    cm_h264_on_unit on_unit;
    void *context;
    cm_h264_nal_range nals[CM_H264_MAX_NALS];
    size_t nal_count;
    size_t nal_begin; /* of the NAL unit being collected, in the buffer */
    size_t scanned;   /* no start code begins before here */
    uint32_t timestamp;
    uint32_t last_timestamp; /* of the unit that ended last */
    uint8_t fragment_header; /* NAL header that the open fragmented NAL unit has */
    bool in_fragment;
    bool has_timestamp;
    bool has_last_timestamp;
    bool has_slice;
    bool has_idr;
    bool has_sps;
    bool has_pps;
    bool gap_in_unit;       /* packets before the open unit, or of it, are missing */
    bool is_unit_lost;      /* nothing is collected until the next unit begins */
    bool is_marker_ignored; /* this camera marks every slice */
    bool lost_before;
} cm_h264_depacketizer;

/* `buffer` is initialised by the caller with max CM_H264_MAX_UNIT_BYTES (or less), and outlives it.
 */
void cm_h264_depacketizer_init(cm_h264_depacketizer *d, cm_buffer *buffer, cm_h264_on_unit on_unit,
                               void *context);

/*
 * Takes one payload; calls on_unit zero to two times. Whatever it returns, it can go on with the
 * next payload. CM_OK: taken, or passed over after a loss. CM_CLOSE: malformed. CM_FULL: the unit
 * passed a bound. CM_REFUSE: a packetization that we do not speak (cm_h264_nal_type_name names it).
 * In the last three last_fault says which; a caller bounds how many it bears.
 */
cm_status cm_h264_depacketizer_put(cm_h264_depacketizer *d, const cm_h264_rtp_payload *packet);

/* Another source of packets begins (SSRC change, reconnect): as after a loss; parameter sets stay.
 */
void cm_h264_depacketizer_restart(cm_h264_depacketizer *d);
