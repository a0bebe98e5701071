/*
 * sound_loop: a camera's sound, encoded once and played round and round: a whole number of seconds
 * in frames of one length, so that a moment of the day names a frame.
 *
 * Life: made, then only read; any number of cameras share it. Freed by its maker.
 */
#pragma once

#include "base/slice.h"
#include "proto/g711/g711.h"
#include "simcam/sound_file.h"
#include "simcam/tone.h"

typedef struct cm_sound_loop {
    uint32_t frame_ticks; /* of the RTP clock */
    uint32_t frame_us;
    size_t frame_count;
    cm_slice *frames; /* RTP payloads */
    uint8_t *bytes;   /* what they borrow */
} cm_sound_loop;

/* A second of the tone at 8,000 Hz in frames of 40 ms. CM_BROKEN without memory. */
cm_status cm_sound_loop_g711(cm_g711_law law, unsigned tone, cm_sound_loop *out);
void cm_sound_loop_deinit(cm_sound_loop *loop);
/* The frame that begins `number` frame lengths after 1970. */
cm_slice cm_sound_loop_frame(const cm_sound_loop *loop, uint64_t number);

/* All tones of a codec, as casement-helper encoded them (sound_file.h). */
typedef struct cm_sound_set {
    uint8_t codec; /* CM_SOUND_FILE_AAC, CM_SOUND_FILE_OPUS */
    uint32_t clock_rate;
    uint8_t config[CM_SOUND_FILE_CONFIG_MAX];
    uint8_t config_size;
    cm_sound_loop loops[CM_TONES];
} cm_sound_set;

/* CM_CLOSE: cut short, or something follows. CM_REFUSE: it is none. CM_BROKEN without memory. */
cm_status cm_sound_set_parse(cm_slice file, cm_sound_set **out);
void cm_sound_set_destroy(cm_sound_set *set); /* NULL is fine */
