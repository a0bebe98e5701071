/* mp4_priv: what mux.c and viewer.c share. */
#pragma once

#include "base/secret.h"
#include "base/writer.h"
#include "egress/mp4/mp4.h"
#include "proto/fmp4/fmp4.h"

enum {
    MUX_PPS_MAX = 4,
    MUX_PARTS = 2,      /* a picture's: header and sample */
    MUX_PIECES_MAX = 4, /* codec frames of a frame of sound */
    MUX_SLICES = MUX_PARTS * MUX_PIECES_MAX,
};

struct cm_mp4_muxer {
    uint64_t pass; /* what `layout` is good for */
    const cm_frame *frame;
    cm_status status;
    cm_mp4_layout layout;
    cm_slice pps[MUX_PPS_MAX];
    size_t pps_count;
#ifdef CM_FAULT_INJECTION
    struct cm_fault_parts *kept; /* of two cameras, for part.swap */
#endif
    uint8_t headers[MUX_PIECES_MAX][CM_FMP4_PART_HEADER_SIZE]; /* a picture has one */
    cm_slice
        parts[MUX_SLICES]; /* header and sample, which is in the pass's room for work, by turns */
};

typedef enum viewer_state {
    VIEWER_WAITING, /* for the first picture: nothing was answered yet */
    VIEWER_STREAMING,
    VIEWER_ENDED, /* the request is finished */
} viewer_state;

struct cm_mp4_viewer {
    cm_mp4_config config;
    cm_subscription *subscription;
    cm_camera_key camera; /* of the first lease: whose pictures the response is for */
    viewer_state state;
    cm_video_codec codec;            /* that the response was begun with, */
    cm_fmp4_sound_codec sound_codec; /* and of sound this one */
    size_t offset;         /* bytes of the present picture (with its init segment) that are out */
    bool is_begun;         /* some of the present picture was offered: it must be finished, */
    const cm_frame *begun; /* and is this one; compared, never followed */
    bool is_init_due;      /* the present picture goes behind an init segment */
    uint8_t init_hash[CM_MAC_SIZE]; /* of the parameter sets that the player knows */
    cm_timer first_frame;
};

/* Fills muxer->layout with a frame of sound. CM_CLOSE or CM_REFUSE: it is not told as MP4. */
cm_status cm_mp4_lay_out_sound(cm_mp4_muxer *muxer, const cm_opened_frame *opened);

/* Writes what the connection takes of the picture. CM_OK: all of it is out. CM_RETRY: on_drain
 * follows; CM_CLOSE: on_gone does; anything else: the picture can't be told as MP4, or is not this
 * viewer's. */
cm_status cm_mp4_write_picture(cm_mp4_viewer *viewer, const cm_opened_frame *opened);
