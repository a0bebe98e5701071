/*
 * scene: one encoded loop in memory, ready to have a strip put above it: parameter sets grown,
 * slices moved below the strip. Shared by every camera that shows it.
 *
 * Life: parse once, then only read: any thread. Owner: the simcam.
 */
#pragma once

#include "base/slice.h"
#include "proto/video/codec.h"
#include "simcam/font.h"
#include "simcam/h265_slice.h"
#include "simcam/slice_header.h"

typedef struct cm_scene_picture {
    cm_slice slice; /* NAL unit, in the scene's memory */
    bool is_idr;
    union {
        cm_slice_header header; /* of H.264 */
        cm_h265_slice h265;
    };
} cm_scene_picture;

typedef struct cm_scene {
    cm_video_codec codec;
    uint16_t width;
    uint16_t height;
    uint16_t fps;
    uint16_t gop; /* pictures */
    uint8_t cell; /* macroblocks to a cell of the strip */
    cm_slice vps; /* NAL units, of the whole picture; empty of H.264 */
    cm_slice sps;
    cm_slice pps;
    union {
        cm_parameters parameters; /* of H.264 */
        cm_h265_scene_sets h265;
    };
    cm_font *font;
    cm_buffer memory; /* private */
    uint32_t picture_count;
    cm_scene_picture pictures[];
} cm_scene;

/* From the bytes of a scene file, which are not needed afterwards. CM_REFUSE if they are none, or
 * not one that a strip can be put on. */
cm_status cm_scene_parse(cm_slice file, cm_scene **out);
void cm_scene_destroy(cm_scene *scene);
