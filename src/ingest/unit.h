/*
 * unit: an access unit, or a frame of sound, as it arrived, whoever sent it: what a session of a
 * camera (RTSP) or of a publisher (WHIP) hands out, and what ingest/publish.c and sound.c make a
 * frame of.
 */
#pragma once

#include "media/sound.h"
#include "proto/video/depacketize.h"

/* Borrowed for the callback. */
typedef struct cm_ingest_unit {
    const cm_video_unit *unit;
    cm_video_sets sets; /* known by then, of SDP and in band */
    int64_t ticks;      /* its timestamp, unwrapped */
    uint32_t clock_rate;
    bool is_restart; /* ticks have no relation to those before */
} cm_ingest_unit;

/* An AAC access unit, an Opus packet, at most CM_SOUND_PACKET_MS of G.711. Borrowed for the
 * callback. */
typedef struct cm_ingest_sound {
    const cm_sound_format *format;
    cm_slice bytes;    /* not empty */
    int64_t ticks;     /* of its first sample, unwrapped */
    uint32_t duration; /* in ticks */
    uint32_t clock_rate;
    bool lost_before; /* packets are missing before it */
    bool is_restart;  /* ticks have no relation to those before */
} cm_ingest_sound;
