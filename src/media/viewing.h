/*
 * viewing: what one viewer session has seen: of each stream the first and the last frame that were
 * opened for it, and how many. Leases of the session share one, and opening counts in it: whoever
 * opens for somebody need not think of it.
 *
 * Counted references, any thread. Noted on the viewer's loop alone; read where the end of the
 * session is known (its message orders the two).
 */
#pragma once

#include "media/frame.h"

typedef struct cm_viewing cm_viewing;

typedef struct cm_viewed {
    uint64_t first, last; /* numbers of frames */
    uint64_t frames;      /* one that came again counts once */
    uint64_t bytes;       /* of them, sealed */
    uint64_t first_epoch, last_epoch;
} cm_viewed;

cm_status cm_viewing_create(cm_viewing **out);    /* with one hold. CM_BROKEN without memory */
cm_viewing *cm_viewing_hold(cm_viewing *viewing); /* NULL gives NULL */
void cm_viewing_release(cm_viewing *viewing);     /* NULL is fine */

/* A frame of `stream` was opened under a key of `epoch`. NULL: nobody counts. */
void cm_viewing_note(cm_viewing *viewing, cm_stream stream, uint64_t epoch, const cm_frame *frame);
/* False: nothing of this stream was seen. */
bool cm_viewing_read(const cm_viewing *viewing, cm_stream stream, cm_viewed *out);
