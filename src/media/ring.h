/*
 * ring: the sealed frames of one stream since its newest keyframe, on one loop: what a viewer who
 * joins starts with (no wait for the next keyframe). Before them, for as long as the owner wants
 * it, the group of pictures before that keyframe, for viewers who have yet to get the rest of it.
 * Of sound, whose every frame is a keyframe: the last CM_RING_SOUND_FRAMES instead of two groups.
 *
 * Bounded in bytes, and never more than two groups: a keyframe lets go of all that stood before the
 * group it ends (viewers in the middle of an older frame hold that one themselves), and the
 * previous group goes when there is no room for both. A group that passes the bound by itself is
 * dropped whole and the ring stays empty until the next keyframe: never half a group. Owner: the
 * channel it is embedded in. One loop.
 */
#pragma once

#include "media/frame.h"

enum { CM_RING_SOUND_FRAMES = 128 }; /* 2.5 s of 20 ms each; a few hundred bytes each */

typedef struct cm_ring {
    unsigned loop_index;
    size_t bytes_max;
    size_t bytes; /* of the frames held */
    cm_frame **frames;
    size_t count;
    size_t previous; /* of these, those before the newest keyframe: the first so many */
    size_t capacity;
    size_t behind_max;   /* frames that a keyframe may leave before it; 0: one group */
    bool wants_keyframe; /* nothing is taken until one comes */
    uint64_t overflows;  /* groups dropped for their size */
} cm_ring;

void cm_ring_init(cm_ring *ring, unsigned loop_index, size_t bytes_max, cm_stream stream);
void cm_ring_deinit(cm_ring *ring);

/* Adds its own hold. A keyframe makes a previous group of what stands since the one before.
 * CM_RETRY: a keyframe must come first. CM_FULL: this group is too large and was dropped. */
cm_status cm_ring_push(cm_ring *ring, cm_frame *frame);
void cm_ring_forget_previous(cm_ring *ring);
void cm_ring_clear(cm_ring *ring);

/* Oldest first, borrowed; NULL beyond the end. Index 0 is a keyframe. */
cm_frame *cm_ring_at(const cm_ring *ring, size_t index);
/* The newest one, borrowed; NULL if there is none. */
cm_frame *cm_ring_keyframe(const cm_ring *ring);
