/*
 * sound_file: the format in which casement-helper hands encoded sound to the simulated camera: each
 * tone (tone.h) as a loop of frames, in a file or pipe. Big-endian.
 *
 *     header   magic "cmsound1" (8) | codec 8 | clock rate 32 | ticks of a frame 16 | frames of a
 *              loop 16 | config size 8, AAC's AudioSpecificConfig
 *     then of each of CM_TONES tones its frames, each behind its size 16
 *
 * A loop is a whole number of seconds, and begins with a beep's first sample. Nothing follows the
 * last frame.
 */
#pragma once

enum {
    CM_SOUND_FILE_MAGIC_SIZE = 8,
    CM_SOUND_FILE_AAC = 0,
    CM_SOUND_FILE_OPUS = 1,

    CM_SOUND_FILE_FRAMES_MAX = 1000,
    CM_SOUND_FILE_FRAME_MAX = 1275, /* bytes: what an RTP packet can carry */
    CM_SOUND_FILE_CONFIG_MAX = 32,
    CM_SOUND_FILE_SIZE_MAX = 64 << 20,
};
#define CM_SOUND_FILE_MAGIC "cmsound1"
