/*
 * depacketize: RTP payloads of either codec to whole access units: proto/h264/depacketize.h or
 * proto/h265/depacketize.h, whose words hold here, behind one unit and one call.
 *
 * Life: the caller embeds it (init; nothing to deinit) and lends a cm_buffer that it owns. It is
 * not moved after init. One thread. The callback runs inside put; it must not call back.
 */
#pragma once

#include "proto/h264/depacketize.h"
#include "proto/h265/depacketize.h"
#include "proto/video/sets.h"

enum {
    CM_VIDEO_MAX_NALS = 512, /* of one access unit */
    CM_VIDEO_MAX_UNIT_BYTES =
        8 * 1024 * 1024, /* of one access unit: the `max` of the buffer lent */
};

/* One coded picture with what belongs to it. Borrowed for the length of the callback. */
typedef struct cm_video_unit {
    cm_video_codec codec;
    const cm_slice *nals;
    size_t nal_count;   /* 1 to CM_VIDEO_MAX_NALS */
    size_t size_bytes;  /* of the NAL units together */
    uint32_t timestamp; /* of RTP, as it came: 90 kHz, wraps */
    bool is_keyframe;   /* IDR of H.264; IRAP (IDR, CRA, BLA) of H.265 */
    bool has_sets;      /* one of each kind of its codec's parameter sets */
    bool lost_before;   /* packets or units were lost since the unit handed out before it */
} cm_video_unit;

typedef struct cm_video_payload {
    cm_slice bytes; /* after the RTP header, without padding; borrowed for the call */
    uint32_t timestamp;
    bool marker;
    bool gap_before; /* packets between the one put before and this one are missing */
} cm_video_payload;

typedef void (*cm_video_on_unit)(void *context, const cm_video_unit *unit);

typedef struct cm_video_depacketizer {
    cm_video_codec codec;
    cm_video_on_unit on_unit;
    void *context;
    union {
        cm_h264_depacketizer h264;
        cm_h265_depacketizer h265;
    };
} cm_video_depacketizer;

/* `buffer` is initialised by the caller with max CM_VIDEO_MAX_UNIT_BYTES (or less), and outlives
 * it. */
void cm_video_depacketizer_init(cm_video_depacketizer *d, cm_video_codec codec, cm_buffer *buffer,
                                cm_video_on_unit on_unit, void *context);
/* A parameter set that is known from elsewhere (SDP). Fails as the codec's own put does. */
cm_status cm_video_depacketizer_put_set(cm_video_depacketizer *d, cm_slice nal);
/* CM_OK: taken, or passed over after a loss. CM_CLOSE, CM_FULL, CM_REFUSE: as the codec's own. It
 * can go on whatever it returns; a caller bounds how many it bears. */
cm_status cm_video_depacketizer_put(cm_video_depacketizer *d, const cm_video_payload *payload);
/* Another source of packets begins: as after a loss; parameter sets stay. */
void cm_video_depacketizer_restart(cm_video_depacketizer *d);
/* For a keyframe: a caller may ask the sender for one. */
bool cm_video_depacketizer_is_waiting(const cm_video_depacketizer *d);
/* Good as long as `d`. */
cm_video_sets cm_video_depacketizer_sets(const cm_video_depacketizer *d);
