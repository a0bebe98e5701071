/*
 * depacketize: RTP payloads of H.265 (RFC 7798, without decoding order numbers) to whole access
 * units.
 *
 * A state machine without clock, sockets or allocation of its own. In: payloads in the order of
 * their sequence numbers, each with its timestamp, marker and whether packets are missing before
 * it. Out: access units that a decoder can decode, beginning with an IRAP picture (IDR, CRA, BLA).
 * After a loss, a malformed payload or a unit past the bounds the unit is dropped, and all that
 * follow up to the next IRAP picture; after a CRA picture that decoding begins at, and any BLA
 * picture, its RASL pictures too (H.265 8.1.3): a decoder never gets a picture whose references are
 * missing.
 *
 * Copes with cameras that mark parameter sets or SEI as the end of a unit, that mark every slice,
 * that never mark (units then end when the timestamp changes, one packet late), that put start
 * codes or several NAL units into one payload or fragment, or set both the start and end bits.
 * Left out of the units: delimiters, fillers, ends of sequence, reserved types and layers other
 * than the base layer, which decoders of the main profiles pass over.
 *
 * Life: the caller embeds it (init; nothing to deinit) and lends a cm_buffer that it owns. One
 * thread. The callback runs inside put; it must not call back into the depacketizer.
 */
#pragma once

#include "base/buffer.h"
#include "proto/h265/nal.h"
#include "proto/h265/parameter_sets.h"

enum {
    CM_H265_MAX_NALS = 512,                   /* of one access unit */
    CM_H265_MAX_UNIT_BYTES = 8 * 1024 * 1024, /* of one access unit: the `max` of the buffer lent */
};

/* Where a NAL unit stands in cm_h265_access_unit.bytes. */
typedef struct cm_h265_nal_range {
    uint32_t offset;
    uint32_t size; /* > CM_H265_NAL_HEADER_SIZE */
} cm_h265_nal_range;

/* One coded picture with what belongs to it. Borrowed for the length of the callback. */
typedef struct cm_h265_access_unit {
    cm_slice bytes; /* not a byte stream: there may be gaps between the NAL units */
    const cm_h265_nal_range *nals;
    size_t nal_count;   /* 1 to CM_H265_MAX_NALS */
    uint32_t timestamp; /* of RTP, as it came: 90 kHz, wraps */
    bool is_keyframe;   /* an IRAP picture */
    bool is_rasl;       /* not for a decoder that begins at the CRA picture before it */
    bool has_vps;
    bool has_sps;
    bool has_pps;
    bool lost_before; /* packets or units were lost since the unit handed out before it */
} cm_h265_access_unit;

/* The i-th NAL unit, borrowed. */
cm_slice cm_h265_access_unit_nal(const cm_h265_access_unit *unit, size_t i);

/* Why a payload or unit was dropped; index of the counters. */
typedef enum cm_h265_fault {
    CM_H265_FAULT_NONE,
    CM_H265_FAULT_LOSS,           /* packets are missing */
    CM_H265_FAULT_EMPTY,          /* payload or aggregation without a NAL unit */
    CM_H265_FAULT_HEADER,         /* forbidden_zero_bit is set, or the temporal id is none */
    CM_H265_FAULT_AGGREGATE,      /* AP whose sizes go past its end */
    CM_H265_FAULT_FRAGMENT,       /* FU too short, without its start, or of another NAL type */
    CM_H265_FAULT_UNFINISHED,     /* FU without its end when another NAL unit or picture came */
    CM_H265_FAULT_DON,            /* sprop-max-don-diff > 0: decoding order numbers, unsupported */
    CM_H265_FAULT_PACI,           /* PACI packets, unsupported */
    CM_H265_FAULT_UNIT_TOO_LARGE, /* bytes */
    CM_H265_FAULT_TOO_MANY_NALS,
    CM_H265_FAULT_PARAMETER_SET,     /* one that proto/h265/parameter_sets.h refuses */
    CM_H265_FAULT_MIDDLE_OF_PICTURE, /* the first slice of a unit does not begin a picture */
    CM_H265_FAULT_COUNT,
} cm_h265_fault;

/* "loss", "decoding-order-numbers", ... for logs and counters. Static storage. */
const char *cm_h265_fault_name(cm_h265_fault fault);

typedef struct cm_h265_rtp_payload {
    cm_slice payload; /* after the RTP header, without padding; borrowed for the call */
    uint32_t timestamp;
    bool marker;
    bool gap_before; /* packets between the one put before and this one are missing */
} cm_h265_rtp_payload;

typedef void (*cm_h265_on_unit)(void *context, const cm_h265_access_unit *unit);

typedef struct cm_h265_depacketizer {
    /* Read by anybody. */
    cm_h265_parameter_sets sets; /* in-band ones as they come; put those of SDP here */
    uint64_t units;              /* handed out */
    uint64_t dropped_units;      /* known to have begun and not handed out */
    uint64_t faults[CM_H265_FAULT_COUNT];
    cm_h265_fault last_fault; /* of the newest put (or init) that was not CM_OK */
    bool is_waiting;          /* for an IRAP picture: a caller may ask the camera for one */

    /* Private. */
    cm_buffer *buffer;
    cm_h265_on_unit on_unit;
    void *context;
    cm_h265_nal_range nals[CM_H265_MAX_NALS];
    size_t nal_count;
    size_t nal_begin; /* of the NAL unit being collected, in the buffer */
    size_t scanned;   /* no start code begins before here */
    uint32_t timestamp;
    uint32_t last_timestamp;        /* of the unit that ended last */
    cm_h265_nal_type fragment_type; /* of the open fragmented NAL unit */
    cm_h265_nal_type picture;       /* of the unit's first slice; NONE before it */
    bool in_fragment;
    bool has_timestamp;
    bool has_last_timestamp;
    bool has_vps;
    bool has_sps;
    bool has_pps;
    bool gap_in_unit;       /* packets before the open unit, or of it, are missing */
    bool is_unit_lost;      /* nothing is collected until the next unit begins */
    bool is_marker_ignored; /* this camera marks every slice */
    bool skips_rasl;        /* what RASL pictures refer to was never handed out */
    bool lost_before;
} cm_h265_depacketizer;

/*
 * `buffer` is initialised by the caller with max CM_H265_MAX_UNIT_BYTES (or less), and outlives it.
 * `max_don_diff` is sprop-max-don-diff of the SDP, 0 when unsaid. Above 0 each packet carries
 * decoding order numbers (RFC 7798, 4.4.1), which we do not read: CM_REFUSE then, by the name of
 * last_fault, and nothing may be put.
 */
cm_status cm_h265_depacketizer_init(cm_h265_depacketizer *d, uint32_t max_don_diff,
                                    cm_buffer *buffer, cm_h265_on_unit on_unit, void *context);

/*
 * Takes one payload; calls on_unit zero to two times. Whatever it returns, it can go on with the
 * next payload. CM_OK: taken, or passed over after a loss. CM_CLOSE: malformed. CM_FULL: the unit
 * passed a bound. CM_REFUSE: a packetization that we do not speak. In the last three last_fault
 * says which; a caller bounds how many it bears.
 */
cm_status cm_h265_depacketizer_put(cm_h265_depacketizer *d, const cm_h265_rtp_payload *packet);

/* Another source of packets begins (SSRC change, reconnect): as after a loss; parameter sets stay.
 */
void cm_h265_depacketizer_restart(cm_h265_depacketizer *d);
