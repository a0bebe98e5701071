/*
 * stamp: what the simulated camera says of a picture in words rather than pixels: an SEI message
 * user_data_unregistered (H.264 D.1.7, H.265 D.2.7) with a UUID of our own, then camera (16 bits),
 * picture counter (32), and the time of capture in microseconds since 1970 (64), all big-endian.
 *
 * Pure.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/writer.h"
#include "proto/video/codec.h"
#include "simcam/code.h"

typedef struct cm_stamp {
    cm_code code;
    cm_wall captured;
} cm_stamp;

enum { CM_STAMP_SIZE_MAX = 64 }; /* of the NAL unit */

/* The NAL unit, with its header. */
void cm_stamp_write(cm_video_codec codec, cm_stamp stamp, cm_writer *out);
/* CM_ABSENT if the NAL unit is none of ours, of either codec. */
cm_status cm_stamp_parse(cm_slice nal, cm_stamp *out);
