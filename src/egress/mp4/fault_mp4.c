#include "egress/mp4/fault_mp4.h"

#ifdef CM_FAULT_INJECTION

#include <stdlib.h>

#include "base/fault.h"

/* ---- part.swap ---- */

typedef struct kept_part {
    cm_camera_key camera;
    cm_slice part;         /* ours */
    const cm_frame *frame; /* never followed */
    uint64_t pass;
} kept_part;

struct cm_fault_parts {
    kept_part parts[2]; /* of two cameras, the latest of each */
    unsigned oldest;
};

static void keep(struct cm_fault_parts *kept, const cm_mp4_layout *layout)
{
    const cm_camera_key *camera = &layout->frame->camera;
    if (!cm_camera_key_equal(&kept->parts[kept->oldest].camera, camera) &&
        cm_camera_key_equal(&kept->parts[!kept->oldest].camera, camera))
        kept->oldest = !kept->oldest;
    kept_part *place = &kept->parts[kept->oldest];
    uint8_t *bytes = malloc(layout->size);
    if (bytes == NULL)
        abort();
    cm_writer w = cm_writer_over(bytes, layout->size);
    for (size_t i = 0; i < layout->count; i++)
        cm_write_slice(&w, layout->parts[i]);
    free((void *)(uintptr_t)place->part.bytes);
    *place = (kept_part){.camera = *camera,
                         .part = cm_writer_done(&w),
                         .frame = layout->frame,
                         .pass = layout->pass};
    kept->oldest = !kept->oldest;
}

void cm_fault_layout(cm_mp4_muxer *muxer, cm_mp4_layout *layout)
{
    if (muxer->kept == NULL)
        muxer->kept = calloc(1, sizeof *muxer->kept);
    if (muxer->kept == NULL)
        abort();
    keep(muxer->kept, layout);
    for (size_t i = 0; i < CM_COUNT(muxer->kept->parts); i++) {
        const kept_part *other = &muxer->kept->parts[i];
        if (other->part.size == 0 || cm_camera_key_equal(&other->camera, &layout->frame->camera) ||
            !CM_FAULT(PART_SWAP))
            continue;
        layout->parts = &other->part;
        layout->count = 1;
        layout->size = other->part.size;
        layout->frame = other->frame;
        layout->pass = other->pass;
        return;
    }
}

void cm_fault_muxer_end(cm_mp4_muxer *muxer)
{
    if (muxer == NULL || muxer->kept == NULL)
        return;
    for (size_t i = 0; i < CM_COUNT(muxer->kept->parts); i++)
        free((void *)(uintptr_t)muxer->kept->parts[i].part.bytes);
    free(muxer->kept);
}

/* ---- write.neighbour ---- */

enum { VIEWERS_KNOWN = 512 };
static _Thread_local cm_mp4_viewer *viewers[VIEWERS_KNOWN];

void cm_fault_viewer_add(cm_mp4_viewer *viewer)
{
    for (size_t i = 0; i < VIEWERS_KNOWN; i++)
        if (viewers[i] == NULL) {
            viewers[i] = viewer;
            return;
        }
}

void cm_fault_viewer_remove(const cm_mp4_viewer *viewer)
{
    for (size_t i = 0; i < VIEWERS_KNOWN; i++)
        if (viewers[i] == viewer)
            viewers[i] = NULL;
}

bool cm_fault_misdelivered(const cm_mp4_viewer *viewer, const cm_opened_frame *opened)
{
    if (viewer->is_begun)
        return false; /* it is a whole write that is handed over */
    for (size_t i = 0; i < VIEWERS_KNOWN; i++) {
        cm_mp4_viewer *other = viewers[i];
        if (other == NULL || other->state != VIEWER_STREAMING || other->is_begun ||
            cm_camera_key_equal(&other->camera, &viewer->camera))
            continue;
        if (!CM_FAULT(WRITE_NEIGHBOUR))
            return false;
        CM_IGNORE(cm_mp4_write_picture(other, opened), "the neighbour did not ask for it");
        return true;
    }
    return false;
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_mp4_none;
#endif
