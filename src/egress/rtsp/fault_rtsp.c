#include "egress/rtsp/fault_rtsp.h"

#ifdef CM_FAULT_INJECTION

#include "base/fault.h"
#include "egress/codec_of.h"

enum { NEIGHBOURS = 512 };
static _Thread_local cm_rtsp_viewer *neighbours[NEIGHBOURS];

static void replace(const cm_rtsp_viewer *present, cm_rtsp_viewer *with)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (neighbours[i] == present) {
            neighbours[i] = with;
            return;
        }
}

void cm_fault_rtsp_viewer_add(cm_rtsp_viewer *viewer)
{
    replace(NULL, viewer);
}

void cm_fault_rtsp_viewer_remove(const cm_rtsp_viewer *viewer)
{
    replace(viewer, NULL);
}

/* One who is between two frames, and would take this one for his own. */
static rtsp_track *neighbour_of(const rtsp_track *track, const cm_opened_frame *opened, size_t i)
{
    cm_rtsp_viewer *other = neighbours[i];
    const bool is_sound = track->stream == CM_STREAM_SOUND;
    if (other == NULL || other->state != VIEWER_PLAYING || other->inside != NULL ||
        cm_camera_key_equal(&other->camera, &track->viewer->camera))
        return NULL;
    rtsp_track *theirs = &other->tracks[is_sound ? TRACK_SOUND : TRACK_PICTURES];
    const bool fits = is_sound || other->codec == cm_codec_of(opened->frame);
    return fits && theirs->has_sent && theirs->begun == NULL && !theirs->is_blocked ? theirs : NULL;
}

bool cm_fault_rtsp_misdelivered(const rtsp_track *track, const cm_opened_frame *opened)
{
    if (track->begun != NULL)
        return false; /* it is a whole frame that is handed over */
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        rtsp_track *theirs = neighbour_of(track, opened, i);
        if (theirs == NULL)
            continue;
        if (!CM_FAULT(RTP_NEIGHBOUR))
            return false;
        /* What does not fit into his connection at once is left: half a packet ends it. */
        if (!cm_rtsp_write_frame(theirs, opened)) {
            if (theirs->offset > 0)
                cm_rtsp_fail(theirs->viewer);
            theirs->begun = NULL;
            theirs->next = 0;
        }
        return true;
    }
    return false;
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_rtsp_none;
#endif
