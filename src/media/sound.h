/*
 * sound: what a frame of CM_STREAM_SOUND is.
 *
 * Kind CM_OBJECT_FRAME, always flagged CM_FRAME_KEYFRAME (hearing can begin at each). Granule 0 is
 * its format, as cm_sound_format_write lays it out; granules 1 and up are one codec frame (an AAC
 * access unit, an Opus packet, or at most CM_SOUND_PACKET_MS of G.711), cut at CM_GRANULE_MAX,
 * normally one. So each frame says under its own seal what it is, and a format can change from one
 * frame to the next.
 *
 * `captured` is the server's clock at the first sample, by the same filter as of pictures, so both
 * can be put side by side; `media_time` is 90 kHz ticks on the server's clock, strictly rising;
 * `duration_ms` is how long the codec frame sounds.
 *
 * Pure; no allocation. What is written can be read, and the other way round.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_SOUND_CONFIG_MAX = 32, /* bytes of AudioSpecificConfig */
    CM_SOUND_FORMAT_MAX = 1 + 1 + 4 + 1 + CM_SOUND_CONFIG_MAX,
    CM_SOUND_PACKET_MS = 60, /* of G.711 in one frame; longer packets are cut */
    CM_SOUND_CHANNELS_MAX = 8,
    CM_SOUND_RATE_MAX = 96000, /* Hz */
};

/* Numbers on the wire between the parts of the server: 0 and 8 as RTP has them. */
typedef enum cm_sound_codec {
    CM_SOUND_PCMU = 0,
    CM_SOUND_PCMA = 8,
    CM_SOUND_AAC = 97,
    CM_SOUND_OPUS = 111,
} cm_sound_codec;

/* "pcmu", "pcma", "aac", "opus". Static storage. */
const char *cm_sound_codec_name(cm_sound_codec codec);

typedef struct cm_sound_format {
    cm_sound_codec codec;
    uint8_t channels; /* 1 to CM_SOUND_CHANNELS_MAX */
    uint32_t rate;    /* Hz, of what is heard; Opus: 48,000. 1 to CM_SOUND_RATE_MAX */
    uint8_t config_size;
    uint8_t config[CM_SOUND_CONFIG_MAX]; /* AAC's AudioSpecificConfig; none of the others */
} cm_sound_format;

bool cm_sound_format_equal(const cm_sound_format *a, const cm_sound_format *b);

/* CM_REFUSE if it is none: a number out of its bounds, AAC without a config, another codec with
 * one; nothing is written then. CM_FULL. */
cm_status cm_sound_format_write(cm_writer *w, const cm_sound_format *format);
/* CM_CLOSE: too short, too long. CM_REFUSE as above. *out is written on CM_OK only. */
cm_status cm_sound_format_read(cm_slice granule, cm_sound_format *out);
