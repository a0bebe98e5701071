#include "media/ring.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void cm_ring_init(cm_ring *ring, unsigned loop_index, size_t bytes_max, cm_stream stream)
{
    *ring = (cm_ring){.loop_index = loop_index,
                      .bytes_max = bytes_max,
                      .behind_max = cm_stream_is_sound(stream) ? CM_RING_SOUND_FRAMES - 1 : 0,
                      .wants_keyframe = true};
}

void cm_ring_clear(cm_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        cm_frame_release(ring->frames[i], ring->loop_index);
    ring->count = 0;
    ring->previous = 0;
    ring->bytes = 0;
}

static void forget_oldest(cm_ring *ring, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ring->bytes -= ring->frames[i]->size_bytes;
        cm_frame_release(ring->frames[i], ring->loop_index);
    }
    ring->count -= count;
    for (size_t i = 0; i < ring->count; i++)
        ring->frames[i] = ring->frames[i + count];
}

void cm_ring_forget_previous(cm_ring *ring)
{
    forget_oldest(ring, ring->previous);
    ring->previous = 0;
}

/* Another keyframe comes: what it leaves behind are the frames of the group before it, or a number
 * of frames. */
static void begin_group(cm_ring *ring)
{
    if (ring->behind_max == 0)
        cm_ring_forget_previous(ring);
    else if (ring->count > ring->behind_max)
        forget_oldest(ring, ring->count - ring->behind_max);
    ring->previous = ring->count;
    ring->wants_keyframe = false;
}

void cm_ring_deinit(cm_ring *ring)
{
    cm_ring_clear(ring);
    free(ring->frames);
    ring->frames = NULL;
    ring->capacity = 0;
}

static cm_status make_room(cm_ring *ring, const cm_frame *frame)
{
    CM_ENSURE(frame->size_bytes <= ring->bytes_max - ring->bytes, CM_FULL);
    if (ring->count < ring->capacity)
        return CM_OK;
    const size_t capacity = ring->capacity > 0 ? ring->capacity * 2 : FIRST_CAPACITY;
    cm_frame **frames = realloc(ring->frames, capacity * sizeof *frames);
    CM_ENSURE(frames != NULL, CM_FULL);
    ring->frames = frames;
    ring->capacity = capacity;
    return CM_OK;
}

cm_status cm_ring_push(cm_ring *ring, cm_frame *frame)
{
    if ((frame->flags & CM_FRAME_KEYFRAME) != 0)
        begin_group(ring);
    CM_ENSURE(!ring->wants_keyframe, CM_RETRY);
    cm_status status = make_room(ring, frame);
    if (status != CM_OK && ring->previous > 0) {
        cm_ring_forget_previous(ring);
        status = make_room(ring, frame);
    }
    if (status != CM_OK) {
        cm_ring_clear(ring);
        ring->wants_keyframe = true;
        ring->overflows++;
        return CM_FULL;
    }
    cm_frame_hold(frame, ring->loop_index);
    ring->frames[ring->count++] = frame;
    ring->bytes += frame->size_bytes;
    return CM_OK;
}

cm_frame *cm_ring_at(const cm_ring *ring, size_t index)
{
    return index < ring->count ? ring->frames[index] : NULL;
}

cm_frame *cm_ring_keyframe(const cm_ring *ring)
{
    return cm_ring_at(ring, ring->previous);
}
