/*
 * packetize: access units of either codec cut into RTP payloads of a bounded size, the granules of
 * the sealed store, and put together again as bytes with 4-byte lengths. proto/h264/packetize.h and
 * proto/h265/packetize.h behind one description.
 *
 * Pure, no allocation. Slices are borrowed throughout.
 */
#pragma once

#include "proto/h264/packetize.h"
#include "proto/h265/packetize.h"
#include "proto/video/codec.h"

enum {
    CM_VIDEO_GRANULE_BYTES = CM_H265_GRANULE_BYTES,
    CM_VIDEO_FRAGMENT_HEADER_MAX = CM_H265_FRAGMENT_HEADER_SIZE,
};

/* One payload: `header_size` bytes of header, then `body`. */
typedef struct cm_video_granule {
    uint8_t header[CM_VIDEO_FRAGMENT_HEADER_MAX];
    uint8_t header_size; /* 0: a single NAL unit; else of a fragment, 2 of H.264 and 3 of H.265 */
    bool is_last;        /* of the access unit: RTP's marker */
    cm_slice body;       /* part of a NAL unit */
} cm_video_granule;

typedef struct cm_video_packetizer {
    cm_video_codec codec;
    const cm_slice *nals; /* borrowed */
    union {
        cm_h264_packetizer h264;
        cm_h265_packetizer h265;
    };
} cm_video_packetizer;

/* CM_REFUSE as the codec's own. */
cm_status cm_video_packetizer_init(cm_video_packetizer *p, cm_video_codec codec,
                                   const cm_slice *nals, size_t nal_count, size_t max_bytes);
/* The next granule, or false and *out untouched after the last. */
bool cm_video_packetizer_next(cm_video_packetizer *p, cm_video_granule *out);
/* How many granules `next` gives in all. */
size_t cm_video_count_granules(cm_video_codec codec, const cm_slice *nals, size_t nal_count,
                               size_t max_bytes);

/* Bytes that this granule's payload adds to its access unit with 4-byte lengths. */
size_t cm_video_granule_avcc_size(cm_video_codec codec, cm_slice payload);

/* Granules of one access unit, in order, to bytes with 4-byte lengths. */
typedef struct cm_video_reassembler {
    cm_video_codec codec;
    union {
        cm_h264_reassembler h264;
        cm_h265_reassembler h265;
    };
} cm_video_reassembler;

void cm_video_reassembler_init(cm_video_reassembler *a, cm_video_codec codec, cm_writer *out);
/* CM_CLOSE, CM_FULL as the codec's own. */
cm_status cm_video_reassembler_put(cm_video_reassembler *a, cm_slice payload);
/* CM_CLOSE if a fragmented NAL unit lacks its end. */
cm_status cm_video_reassembler_finish(const cm_video_reassembler *a);
