/* mp4_priv: what mux.c and viewer.c share. */
#pragma once

#include "base/writer.h"
#include "egress/mp4/mp4.h"
#include "proto/fmp4/fmp4.h"

enum { MUX_PPS_MAX = 4, MUX_NALS_MAX = 1024 };

struct cm_mp4_muxer {
    uint64_t pass; /* what `layout` is good for */
    const cm_frame *frame;
    cm_status status;
    cm_mp4_layout layout;
    cm_slice pps[MUX_PPS_MAX];
    size_t pps_count;
    uint8_t header[CM_FMP4_PART_HEADER_SIZE];
    uint8_t small[MUX_NALS_MAX * 5]; /* lengths and headers of NAL units */
    cm_slice parts[1 + CM_FRAME_GRANULES_MAX + MUX_NALS_MAX];
};
