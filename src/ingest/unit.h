/*
 * unit: an access unit as it arrived, whoever sent it: what a session of a camera (RTSP) or of a
 * publisher (WHIP) hands out, and what ingest/publish.c makes a frame of.
 */
#pragma once

#include "proto/video/depacketize.h"

/* Borrowed for the callback. */
typedef struct cm_ingest_unit {
    const cm_video_unit *unit;
    cm_video_sets sets; /* known by then, of SDP and in band */
    int64_t ticks;      /* its timestamp, unwrapped */
    uint32_t clock_rate;
    bool is_restart; /* ticks have no relation to those before */
} cm_ingest_unit;
