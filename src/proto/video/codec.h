/*
 * codec: the video codecs that cameras send. What stands above proto/h264 and proto/h265 speaks of
 * one of these, and of either through the headers beside this one: sets.h, depacketize.h,
 * packetize.h. What is true of one codec only stays in its own folder.
 */
#pragma once

#include "base/slice.h"

typedef enum cm_video_codec {
    CM_VIDEO_H264,
    CM_VIDEO_H265,
} cm_video_codec;
enum { CM_VIDEO_CODECS = 2 };

enum { CM_VIDEO_CLOCK_RATE = 90000 }; /* of RTP, of both: RFC 6184 8.2.1, RFC 7798 7.2.1 */

/* "H264", "H265": RTP's encoding name, and what people are told. Static storage. */
const char *cm_video_codec_name(cm_video_codec codec);
/* By RTP's encoding name, without case. CM_ABSENT: neither. */
cm_status cm_video_codec_of(cm_slice encoding, cm_video_codec *out);
