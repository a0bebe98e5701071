/* codec_of: which codec a frame's granules are of (CM_FRAME_H265, media/frame.h), in the words of
 * proto/video. */
#pragma once

#include "media/frame.h"
#include "proto/video/codec.h"

static inline cm_video_codec cm_codec_of(const cm_frame *frame)
{
    return (frame->flags & CM_FRAME_H265) != 0 ? CM_VIDEO_H265 : CM_VIDEO_H264;
}
