/*
 * opus: what an Opus packet says of itself (RFC 6716, 3): its configuration, how many frames it
 * holds, where they stand, how long it lasts. RTP carries one packet a payload (RFC 7587, 4.2), on
 * a clock of 48,000 Hz whatever was encoded.
 *
 * Pure; decodes no sound. Padding is passed over.
 */
#pragma once

#include "base/slice.h"

enum {
    CM_OPUS_CLOCK_RATE = 48000, /* Hz, of RTP timestamps (RFC 7587, 4.1) */
    CM_OPUS_SDP_CHANNELS = 2,   /* what rtpmap always says (RFC 7587, 7) */
    CM_OPUS_MAX_FRAMES = 48,    /* of one packet */
    CM_OPUS_MAX_FRAME_BYTES = 1275,
    CM_OPUS_MAX_PACKET_TICKS = CM_OPUS_CLOCK_RATE / 1000 * 120, /* 120 ms */
};

typedef enum cm_opus_mode {
    CM_OPUS_SILK,
    CM_OPUS_HYBRID,
    CM_OPUS_CELT,
} cm_opus_mode;

typedef struct cm_opus_packet {
    uint8_t configuration; /* 0 to 31, RFC 6716 table 2 */
    cm_opus_mode mode;
    bool is_stereo;
    uint32_t frame_ticks;                /* of 48,000 Hz: 120 (2.5 ms) to 2,880 (60 ms) */
    uint32_t ticks;                      /* of the whole packet, at most CM_OPUS_MAX_PACKET_TICKS */
    size_t frame_count;                  /* 1 to CM_OPUS_MAX_FRAMES */
    cm_slice frames[CM_OPUS_MAX_FRAMES]; /* borrowed; an empty one is a frame not sent (DTX) */
} cm_opus_packet;

/* CM_CLOSE if it breaks one of the rules R1 to R7 of RFC 6716, 3.4. */
cm_status cm_opus_packet_parse(cm_slice payload, cm_opus_packet *out);
