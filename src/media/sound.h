/*
 * sound: what a frame of CM_STREAM_SOUND is, and of the streams made from it.
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
 * A frame of CM_STREAM_SOUND_OPUS or _FLAC is made of one of CM_STREAM_SOUND and has its times. Its
 * granules 1 and up are each a codec frame by itself, of CM_SOUND_MADE_MS: as many as were full by
 * then (what is left over comes with the next), so they begin up to CM_SOUND_MADE_MS and the
 * encoder's delay before `captured`. `duration_ms` is how long all of them sound. It is flagged
 * CM_FRAME_DISCONTINUITY where what was before did not end where it begins.
 *
 * Pure; no allocation. What is written can be read, and the other way round.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"
#include "media/kinds.h"

enum {
    CM_SOUND_CONFIG_MAX = 34, /* bytes: FLAC's; an AudioSpecificConfig is shorter */
    CM_SOUND_FORMAT_MAX = 1 + 1 + 4 + 1 + CM_SOUND_CONFIG_MAX,
    CM_SOUND_PACKET_MS = 60, /* of G.711 in one frame; longer packets are cut */
    CM_SOUND_CHANNELS_MAX = 8,
    CM_SOUND_RATE_MAX = 96000,     /* Hz */
    CM_SOUND_STREAMINFO_SIZE = 34, /* RFC 9639 8.2 */
    CM_SOUND_MADE_MS = 20,
    CM_SOUND_MADE_MAX = 8, /* codec frames of one frame that was made */
};

/* Numbers on the wire between the parts of the server: 0 and 8 as RTP has them. */
typedef enum cm_sound_codec {
    CM_SOUND_PCMU = 0,
    CM_SOUND_PCMA = 8,
    CM_SOUND_AAC = 97,
    CM_SOUND_FLAC = 98, /* made by us; no camera sends it */
    CM_SOUND_OPUS = 111,
} cm_sound_codec;

/* "pcmu", "pcma", "aac", "flac", "opus". Static storage. */
const char *cm_sound_codec_name(cm_sound_codec codec);

typedef struct cm_sound_format {
    cm_sound_codec codec;
    uint8_t channels; /* 1 to CM_SOUND_CHANNELS_MAX */
    uint32_t rate;    /* Hz, of what is heard; Opus: 48,000. 1 to CM_SOUND_RATE_MAX */
    uint8_t config_size;
    uint8_t config[CM_SOUND_CONFIG_MAX]; /* AAC: AudioSpecificConfig; FLAC: STREAMINFO; else none */
} cm_sound_format;

bool cm_sound_format_equal(const cm_sound_format *a, const cm_sound_format *b);

/* Whether sound of this format can be made over into that stream (cm_stream_is_made): into Opus
 * AAC, and G.711 of one channel; into FLAC that G.711, where a piece that can't be compressed fits
 * a granule. */
bool cm_sound_may_become(const cm_sound_format *format, cm_stream made);

/* CM_REFUSE if it is none: a number out of its bounds, AAC or FLAC without a config, another codec
 * with one; nothing is written then. CM_FULL. */
cm_status cm_sound_format_write(cm_writer *w, const cm_sound_format *format);
/* CM_CLOSE: too short, too long. CM_REFUSE as above. *out is written on CM_OK only. */
cm_status cm_sound_format_read(cm_slice granule, cm_sound_format *out);
