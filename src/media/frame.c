#include "media/frame.h"

#include <assert.h>
#include <stdlib.h>

void cm_frame_hold(cm_frame *frame, unsigned loop_index)
{
    assert(loop_index < CM_LOOPS_MAX);
    if (frame->holds[loop_index]++ == 0)
        atomic_fetch_add_explicit(&frame->loops, 1, memory_order_relaxed);
}

void cm_frame_release(cm_frame *frame, unsigned loop_index)
{
    if (frame == NULL)
        return;
    assert(loop_index < CM_LOOPS_MAX && frame->holds[loop_index] > 0);
    if (--frame->holds[loop_index] == 0)
        cm_frame_unsend(frame);
}

void cm_frame_send(cm_frame *frame)
{
    atomic_fetch_add_explicit(&frame->loops, 1, memory_order_relaxed);
}

void cm_frame_unsend(cm_frame *frame)
{
    if (atomic_fetch_sub_explicit(&frame->loops, 1, memory_order_acq_rel) == 1)
        free(frame);
}

void cm_frame_receive(cm_frame *frame, unsigned loop_index)
{
    assert(loop_index < CM_LOOPS_MAX);
    /* The message's share becomes the loop's, unless the loop has one already. */
    if (frame->holds[loop_index]++ > 0)
        cm_frame_unsend(frame);
}

cm_frame_walk cm_frame_walk_begin(const cm_frame *frame)
{
    const cm_slice data = cm_slice_over(frame->data, frame->size_bytes - sizeof *frame);
    const size_t table = (size_t)frame->count * 2;
    return (cm_frame_walk){.sizes = cm_slice_part(data, 0, table),
                           .rest = cm_slice_from(data, table)};
}

cm_slice cm_frame_walk_next(cm_frame_walk *walk)
{
    if (walk->sizes.size < 2)
        return (cm_slice){0};
    const size_t size = (size_t)walk->sizes.bytes[0] << 8 | walk->sizes.bytes[1];
    const cm_slice granule = cm_slice_part(walk->rest, 0, size);
    walk->sizes = cm_slice_from(walk->sizes, 2);
    walk->rest = cm_slice_from(walk->rest, size);
    return granule;
}
