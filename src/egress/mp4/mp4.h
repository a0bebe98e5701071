/*
 * mp4: a viewer who gets fragmented MP4 in one endless HTTP response (played through Media Source
 * Extensions).
 *
 * Every part is one picture: prft (capture time), moof, mdat. A part is a pure function of the
 * opened frame, so it is the same for all viewers of a stream: laid out once in a pass, in memory
 * that is wiped when the pass ends, and never kept. A viewer whose connection takes less
 * keeps an offset; the frame is opened and laid out again for him. The response begins with ftyp
 * and moov made from the parameter sets of the first keyframe, and again with each change of them.
 * Sound comes in the same way in a response of its own: AAC and Opus as they are, G.711 made over
 * to FLAC (cm_mp4_sound_stream). A part is one codec frame, of what was made over one after the
 * other, and the format is told before the first and with each change.
 *
 * Threads: muxer and viewers belong to one loop.
 */
#pragma once

#include "media/hub.h"
#include "media/sound.h"
#include "net/http.h"
#include "proto/fmp4/fmp4.h"
#include "proto/video/codec.h"

/* Which stream of a camera that sounds so is told as MP4. CM_ABSENT: none. */
cm_status cm_mp4_sound_stream(const cm_sound_format *format, cm_stream *out);

/* Lays parts out once per pass for all viewers of a loop. Keeps no picture: only pointers that are
 * good within the pass. */
typedef struct cm_mp4_muxer cm_mp4_muxer;
cm_status cm_mp4_muxer_create(cm_mp4_muxer **out);
void cm_mp4_muxer_destroy(cm_mp4_muxer *muxer);

typedef struct cm_mp4_viewer cm_mp4_viewer;

typedef struct cm_mp4_events {
    /* The lease is over: get another and call cm_mp4_viewer_renew(). */
    void (*on_stale)(void *owner);
    /* The response has ended: peer gone, or a fault that can't be mended within it. Destroy the
     * viewer (inside is fine). */
    void (*on_end)(void *owner);
} cm_mp4_events;

typedef struct cm_mp4_config {
    cm_hub *hub;
    cm_loop *loop;
    cm_mp4_muxer *muxer;
    cm_http_request *request; /* not begun; the viewer's from here on */
    cm_stream stream;
    int64_t first_frame_us; /* how long to wait for the first picture before 503 camera-not-ready; 0
                               means 8 s */
    const cm_mp4_events *events;
    void *owner;
} cm_mp4_config;

/* Takes the lease. On failure the request was answered (503) and on_end does not come. */
cm_status cm_mp4_viewer_create(const cm_mp4_config *config, cm_lease *lease, cm_mp4_viewer **out);
void cm_mp4_viewer_renew(cm_mp4_viewer *viewer, cm_lease *lease); /* takes it */
/* The cut: the connection is reset, so that queued bytes die. Destroys the viewer; on_end does not
 * come. */
void cm_mp4_viewer_cut(cm_mp4_viewer *viewer);
/* A response that is still open is ended: in order between two pictures, with a reset inside one,
 * with 503 before the first. NULL is fine. */
void cm_mp4_viewer_destroy(cm_mp4_viewer *viewer);

/* ---- for tests and other makers of parts ---- */

/* One picture as slices: `parts` borrow from the opened frame and from the muxer, good within the
 * pass. */
typedef struct cm_mp4_layout {
    const cm_slice *parts;
    size_t count;
    size_t size;           /* bytes of all parts */
    const cm_frame *frame; /* what it was laid out from, */
    uint64_t pass;         /* and when it was open: compared before it is written */
    cm_video_codec codec;
    cm_slice vps; /* of a keyframe, else empty; of H.264 always empty; borrowed likewise */
    cm_slice sps; /* the same */
    const cm_slice *pps;
    size_t pps_count;
    cm_slice sound_format; /* of sound, else empty: its granule 0, */
    cm_fmp4_sound sound;   /* and what that says */
} cm_mp4_layout;
/* CM_CLOSE: the frame is not what our packetiser makes, or sound that is not told as MP4. */
cm_status cm_mp4_lay_out(cm_mp4_muxer *muxer, const cm_opened_frame *opened, cm_mp4_layout *out);
