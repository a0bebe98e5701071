#include "media/fault_media.h"

#ifdef CM_FAULT_INJECTION

#include <stdlib.h>

#include "base/fault.h"

/* Of another camera, best of another home: its keyframe for a keyframe, its newest otherwise. Of
 * the same codec, sound for sound: what no decoder takes would harm nobody. */
static cm_frame *of_another(const channel *c, const cm_frame *frame)
{
    cm_frame *found = NULL;
    for (size_t i = 0; i < HUB_BUCKETS; i++)
        CM_LIST_EACH(&c->hub->buckets[i], node, next)
        {
            const channel *other = CM_HOLDER(node, channel, node);
            const bool is_kind = cm_stream_is_sound(c->stream) ? other->stream == c->stream
                                                               : !cm_stream_is_sound(other->stream);
            if (other->ring.count == 0 || !is_kind ||
                cm_camera_key_equal(&other->camera, &c->camera))
                continue;
            const bool is_keyframe = (frame->flags & CM_FRAME_KEYFRAME) != 0;
            cm_frame *candidate = cm_ring_at(&other->ring, is_keyframe ? 0 : other->ring.count - 1);
            if (((candidate->flags ^ frame->flags) & CM_FRAME_H265) != 0)
                continue;
            found = candidate;
            if (!cm_home_id_equal(&other->camera.home, &c->camera.home))
                return found;
        }
    return found;
}

/* The head of `frame` over the granules of `other`: never the memory itself, which others read. */
static cm_frame *refilled(const cm_frame *frame, const cm_frame *other, unsigned loop_index)
{
    const size_t size = other->size_bytes - sizeof *other;
    cm_frame *copy = malloc(sizeof *copy + size);
    if (copy == NULL)
        abort();
    *copy = *frame;
    copy->count = other->count;
    copy->size_bytes = other->size_bytes;
    copy->loops = 1;
    for (size_t i = 0; i < CM_LOOPS_MAX; i++)
        copy->holds[i] = i == loop_index;
    cm_slice_copy(cm_slice_over(other->data, size), copy->data, size);
    return copy;
}

cm_frame *cm_fault_frame(channel *c, cm_frame *frame)
{
    const unsigned loop = c->hub->index;
    cm_frame *other = of_another(c, frame);
    if (other != NULL && CM_FAULT(FRAME_REUSE))
        return refilled(frame, other, loop);
    cm_frame *oldest = cm_ring_at(&c->ring, 0);
    if (other != NULL && CM_FAULT(RING_SWAP))
        frame = other;
    else if (oldest != NULL && oldest != frame && CM_FAULT(FRAME_REPLAY))
        frame = oldest;
    cm_frame_hold(frame, loop);
    return frame;
}

cm_frame *cm_fault_again(const channel *c, cm_frame *frame)
{
    cm_frame *other = of_another(c, frame);
    return other != NULL && CM_FAULT(RTX_SWAP) ? other : frame;
}

cm_frame *cm_fault_keyframe(const channel *c, cm_frame *keyframe)
{
    cm_frame *other = keyframe != NULL ? of_another(c, keyframe) : NULL;
    return other != NULL && CM_FAULT(RING_SWAP) ? other : keyframe;
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_media_none;
#endif
