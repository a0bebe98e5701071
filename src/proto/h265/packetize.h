/*
 * packetize: cuts an access unit into RTP payloads of a bounded size (RFC 7798, single NAL unit and
 * fragmentation unit), the granules of the sealed store; and puts granules together again as bytes
 * with 4-byte lengths. The one is the exact inverse of the other.
 *
 * Cutting yields descriptions, which copy nothing; the caller writes each where it wants it.
 * Pure, no allocation. A fragmented NAL unit is cut into parts of nearly equal size, so that no
 * tiny last packet is sent.
 */
#pragma once

#include "proto/h265/nal.h"

enum {
    CM_H265_GRANULE_BYTES = 1136, /* fits IPv6's 1,280 with TURN, SRTP tag, extensions and RTX */
    CM_H265_MIN_GRANULE_BYTES = 16,
    CM_H265_FRAGMENT_HEADER_SIZE = 3,
};

/* One payload: `header_size` bytes of header, then nals[nal].bytes[offset .. offset + size). */
typedef struct cm_h265_granule {
    uint32_t nal; /* index */
    uint32_t offset;
    uint32_t size;
    uint8_t header[CM_H265_FRAGMENT_HEADER_SIZE]; /* payload header, FU header */
    uint8_t header_size; /* 0: a single NAL unit; 3: a fragment, whose offset counts from 2 */
    bool is_last;        /* of the access unit: RTP's marker */
} cm_h265_granule;

typedef struct cm_h265_packetizer {
    const cm_slice *nals; /* borrowed */
    size_t nal_count;
    size_t max_bytes;
    size_t nal;       /* private: index of the NAL unit being cut */
    size_t offset;    /* private: what of it has been cut */
    size_t fragments; /* private: left of it */
} cm_h265_packetizer;

/* CM_REFUSE if there is no NAL unit, one has no sound header, is larger than 4 GiB or of type 48
 * or above (it would be read as another packet), or max_bytes is below CM_H265_MIN_GRANULE_BYTES.
 */
cm_status cm_h265_packetizer_init(cm_h265_packetizer *p, const cm_slice *nals, size_t nal_count,
                                  size_t max_bytes);

/* The next granule, or false and *out untouched after the last. */
bool cm_h265_packetizer_next(cm_h265_packetizer *p, cm_h265_granule *out);

/* How many granules `next` gives in all. */
size_t cm_h265_count_granules(const cm_slice *nals, size_t nal_count, size_t max_bytes);

/* Header and body, header_size + size bytes. */
void cm_h265_granule_write(cm_writer *w, const cm_slice *nals, const cm_h265_granule *granule);

/* Bytes that this granule's payload adds to its access unit with 4-byte lengths: a sample's size
 * in fMP4 is the sum (cm_h264_avcc_size of the NAL units). */
size_t cm_h265_granule_avcc_size(cm_slice payload);

/* Granules of one access unit, in order, to bytes with 4-byte lengths. */
typedef struct cm_h265_reassembler {
    cm_writer *out;                          /* borrowed */
    size_t length_at;                        /* private: of the open NAL unit's length */
    uint8_t header[CM_H265_NAL_HEADER_SIZE]; /* private: of the open NAL unit */
    bool in_fragment;                        /* private */
} cm_h265_reassembler;

void cm_h265_reassembler_init(cm_h265_reassembler *a, cm_writer *out);
/* CM_CLOSE if the payload is none that the packetizer makes in this place, CM_FULL if `out` is.
 * What `out` holds then is of no use. */
cm_status cm_h265_reassembler_put(cm_h265_reassembler *a, cm_slice payload);
/* CM_CLOSE if a fragmented NAL unit lacks its end. */
cm_status cm_h265_reassembler_finish(const cm_h265_reassembler *a);
