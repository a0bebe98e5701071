/*
 * scene_file: the format in which casement-helper hands an encoded scene to the simulated camera:
 * one stream of a loop of pictures, in a file or pipe. Big-endian.
 *
 *     header   magic "cmscene1" of H.264, "cmscene5" of H.265 (8) | width 16 | height 16 | frames
 * per second 16 | pictures per group 16 | pictures 32 | of H.265: VPS size 16, VPS | SPS size 16,
 * SPS | PPS size 16, PPS picture  size 32 | flags 8 | that many bytes: NAL units, each behind its
 * size 32
 *
 * Width and height are those of the picture with its strip; what is encoded is lower by the
 * strip's rows (code.h). A picture is one slice; the first of every group is an IDR picture, none
 * refers to a later one. The number of groups is even, so that H.264's idr_pic_id, which
 * alternates, still does where the loop closes. Nothing follows the last picture.
 */
#pragma once

enum {
    CM_SCENE_MAGIC_SIZE = 8,
    CM_SCENE_FLAG_IDR = 1,

    CM_SCENE_PICTURES_MAX = 2000,
    CM_SCENE_PICTURE_SIZE_MAX = 1 << 20,
    CM_SCENE_PARAMETERS_SIZE_MAX = 256, /* of each set */
    CM_SCENE_FILE_SIZE_MAX = 64 << 20,
};
#define CM_SCENE_MAGIC      "cmscene1"
#define CM_SCENE_MAGIC_H265 "cmscene5"
