/*
 * ring: the sealed frames of one stream since its newest keyframe, on one loop: what a viewer who
 * joins starts with (no wait for the next keyframe), and where one who fell behind finds his place
 * again.
 *
 * Bounded in bytes. A new keyframe lets go of what stood before it (viewers in the middle of an
 * older frame hold that one themselves). A group of pictures that passes the bound is dropped whole
 * and the ring stays empty until the next keyframe: never half a group. Owner: the channel it is
 * embedded in. One loop.
 */
#pragma once

#include "media/frame.h"

typedef struct cm_ring {
    unsigned loop_index;
    size_t bytes_max;
    size_t bytes; /* of the frames held */
    cm_frame **frames;
    size_t count;
    size_t capacity;
    bool wants_keyframe; /* nothing is taken until one comes */
    uint64_t overflows;  /* groups dropped for their size */
} cm_ring;

void cm_ring_init(cm_ring *ring, unsigned loop_index, size_t bytes_max);
void cm_ring_deinit(cm_ring *ring);

/* Adds its own hold. CM_RETRY: a keyframe must come first. CM_FULL: this group is too large and was
 * dropped. */
cm_status cm_ring_push(cm_ring *ring, cm_frame *frame);
void cm_ring_clear(cm_ring *ring);

/* Oldest first, borrowed; NULL beyond the end. Index 0 is a keyframe. */
cm_frame *cm_ring_at(const cm_ring *ring, size_t index);
