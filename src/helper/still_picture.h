/*
 * still_picture: one keyframe of H.264 or H.265 in, one JPEG out.
 *
 * Holds a decoder of each, a JPEG encoder and buffers that stay between pictures; what they held of
 * a picture is wiped before the next one and before destroy. JPEG (JFIF) is BT.601 in full range,
 * so the colours are converted from what the stream says it uses; a stream that says nothing is
 * taken to be BT.709 from 720 lines on, else BT.601, in limited range, as browsers do.
 *
 * One thread. After create nothing here opens a file or starts a thread.
 */
#pragma once

#include "media/seal.h"
#include "proto/video/codec.h"

enum { CM_PICTURE_SIDE_MAX = 8192 };

typedef struct cm_picture cm_picture;

cm_status cm_picture_create(cm_picture **out);
void cm_picture_destroy(cm_picture *picture); /* NULL is fine */

/*
 * Granules of one access unit of `codec` to a JPEG of `width` (0, or more than the picture's: its
 * own), which is borrowed until cm_picture_wipe(). CM_BROKEN: they are none, or no whole picture
 * comes out of them. CM_FULL: beyond CM_PICTURE_SIDE_MAX, or the JPEG is larger than
 * CM_HELPER_JPEG_MAX.
 */
cm_status cm_picture_make(cm_picture *picture, cm_video_codec codec, const cm_opened_frame *opened,
                          unsigned width, cm_slice *jpeg_out);
/* Forgets the picture last made, whether that worked or not. */
void cm_picture_wipe(cm_picture *picture);
