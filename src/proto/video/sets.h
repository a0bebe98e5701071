/*
 * sets: the parameter sets of a stream, of either codec: what an init segment is made of, and what
 * a keyframe without its own needs before it.
 *
 * cm_video_sets is a view: the sets themselves belong to whoever holds the codec's own structure,
 * normally a depacketizer, and change with each put there. Pure.
 */
#pragma once

#include "proto/h264/parameter_sets.h"
#include "proto/h265/parameter_sets.h"
#include "proto/video/codec.h"

enum {
    /* The codec's own bounds, whichever is larger. */
    CM_VIDEO_MAX_PARAMETER_SETS = CM_H265_MAX_PARAMETER_SETS,
    CM_VIDEO_CODECS_SIZE = CM_H265_CODECS_SIZE,
};

typedef struct cm_video_sets {
    cm_video_codec codec;
    union {
        const cm_h264_parameter_sets *h264;
        const cm_h265_parameter_sets *h265;
    };
} cm_video_sets;

/* Moves with each set that differs from what was known; 0 at first. */
uint32_t cm_video_sets_generation(cm_video_sets sets);
/* The sets in the order in which they are sent, borrowed until the next put. Returns how many. 0:
 * one is lacking. */
size_t cm_video_sets_list(cm_video_sets sets, cm_slice out[CM_VIDEO_MAX_PARAMETER_SETS]);

/* What a stream says of itself. */
typedef struct cm_video_description {
    char codecs[CM_VIDEO_CODECS_SIZE]; /* RFC 6381: "avc1.42C01F", "hvc1.1.6.L93.90" */
    uint16_t width;                    /* pixels */
    uint16_t height;
} cm_video_description;

/* CM_ABSENT: no sequence parameter set is known. */
cm_status cm_video_sets_describe(cm_video_sets sets, cm_video_description *out);
/* The same of one SPS (a NAL unit). CM_CLOSE or CM_REFUSE as the parsers say. */
cm_status cm_video_describe(cm_video_codec codec, cm_slice sps, cm_video_description *out);

typedef enum cm_video_set {
    CM_VIDEO_SET_NONE, /* no parameter set */
    CM_VIDEO_SET_VPS,  /* of H.265 alone */
    CM_VIDEO_SET_SPS,
    CM_VIDEO_SET_PPS,
} cm_video_set;
cm_video_set cm_video_set_of(cm_video_codec codec, cm_slice nal);
/* Supplemental enhancement information: nothing that decoding needs. */
bool cm_video_is_sei(cm_video_codec codec, cm_slice nal);
