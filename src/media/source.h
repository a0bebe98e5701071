/*
 * source: one stream of one camera being received: takes access units in the clear, seals them at
 * once, publishes them.
 *
 * It holds the sealers of the present epoch and those of the next: the moment the page of minimum
 * epochs says that the present one is over it turns by itself, without waiting for a message, and
 * no frame is lost. What it lacks it asks for, also while no picture comes; without a sealer that
 * may be used it drops (fails closed). It also keeps the still sealer, from which one-shot rights
 * are given to helper jobs (media/delegate.h). Belongs to one loop for life; survives reconnects of
 * the camera.
 */
#pragma once

#include "media/hub.h"

typedef struct cm_source cm_source;

typedef struct cm_source_config {
    cm_hub *hub;
    cm_loop *loop;
    cm_camera_key camera;
    cm_stream stream;
    /* The sealers are used up, the newest being of `epoch`: ask grants for more. At most once in
     * 100 ms. */
    void (*on_want_sealers)(void *owner, uint64_t epoch);
    void *owner;
} cm_source_config;

cm_status cm_source_create(const cm_source_config *config, cm_source **out);
void cm_source_destroy(cm_source *source); /* NULL is fine */

/* Sealers of one epoch, taken; `stills` is NULL of a stream that has none. CM_REFUSE if they are of
 * another camera, stream, kind, or of two epochs: they are destroyed then. Older epochs than known
 * are dropped. */
cm_status cm_source_take_sealers(cm_source *source, cm_sealer *frames, cm_sealer *stills);

/*
 * Seals and publishes one access unit. CM_RETRY: no sealer that may be used now, the frame is
 * dropped. CM_FULL: beyond the bounds. After a drop the next frame is marked a discontinuity.
 */
cm_status cm_source_put(cm_source *source, const cm_plain_frame *plain);
/* A picture came of which no frame can be made: it has its number all the same, and is missed. */
void cm_source_leave_out(cm_source *source);
/* The camera is gone: the ring is forgotten, the next frame is a discontinuity. */
void cm_source_stop(cm_source *source);

cm_frame *cm_source_keyframe(const cm_source *source); /* borrowed; NULL if there is none */
cm_sealer *cm_source_still_sealer(
    cm_source *source); /* borrowed, of the current epoch; NULL if there is none */
const cm_camera_key *cm_source_camera(const cm_source *source);

/* ---- of a stream whose frames a helper makes (cm_stream_is_made) ---- */

/* As cm_source_still_sealer, of frames: what delegations are made with. */
cm_sealer *cm_source_frame_sealer(cm_source *source);
/* Publishes what was sealed under such a delegation. Takes the hold, also on failure. CM_RETRY: its
 * epoch is over, and it is dropped. CM_FOREIGN: it says of itself that it is not of this stream, or
 * not behind what was published before. */
cm_status cm_source_put_made(cm_source *source, cm_frame *frame);

typedef struct cm_source_counters {
    uint64_t frames, bytes, dropped, turns;
} cm_source_counters;
void cm_source_read_counters(const cm_source *source, cm_source_counters *out);
