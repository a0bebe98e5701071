#include "media/viewing.h"

#include <stdatomic.h>
#include <stdlib.h>

struct cm_viewing {
    _Atomic uint32_t holds;
    cm_viewed streams[CM_STREAMS];
};

cm_status cm_viewing_create(cm_viewing **out)
{
    cm_viewing *viewing = calloc(1, sizeof *viewing);
    CM_ENSURE(viewing != NULL, CM_BROKEN);
    atomic_init(&viewing->holds, 1);
    *out = viewing;
    return CM_OK;
}

cm_viewing *cm_viewing_hold(cm_viewing *viewing)
{
    if (viewing != NULL)
        atomic_fetch_add(&viewing->holds, 1);
    return viewing;
}

void cm_viewing_release(cm_viewing *viewing)
{
    if (viewing != NULL && atomic_fetch_sub(&viewing->holds, 1) == 1)
        free(viewing);
}

void cm_viewing_note(cm_viewing *viewing, cm_stream stream, uint64_t epoch, const cm_frame *frame)
{
    if (viewing == NULL)
        return;
    cm_viewed *seen = &viewing->streams[stream];
    /* Blocked half-way, or begun again at a keyframe: the same pictures once more. */
    if (seen->frames > 0 && epoch == seen->last_epoch && frame->number <= seen->last)
        return;
    if (seen->frames == 0) {
        seen->first = frame->number;
        seen->first_epoch = epoch;
    }
    seen->last = frame->number;
    seen->last_epoch = epoch;
    seen->frames++;
    seen->bytes += frame->size_bytes;
}

bool cm_viewing_read(const cm_viewing *viewing, cm_stream stream, cm_viewed *out)
{
    if (viewing == NULL || viewing->streams[stream].frames == 0)
        return false;
    *out = viewing->streams[stream];
    return true;
}
