/*
 * probe: tries an address out for a home: connects, learns the codec, shows one picture, and goes;
 * or says by name why not.
 *
 * Threads: cm_probe_start on any loop; the answer comes on that loop.
 */
#pragma once

#include "devices/fleet.h"
#include "grants/probe.h"

typedef struct cm_probe_ask {
    cm_home_id home;
    cm_slice main, sub, user, password; /* copied, and wiped afterwards; sub may be empty */
} cm_probe_ask;

typedef struct cm_probe_answer {
    cm_status status; /* CM_OK: the probe ran (see camera); CM_RETRY: this home's probe is under
                         way; CM_FULL, CM_BROKEN */
    cm_camera_status camera;
    cm_frame *still; /* held by the asking loop; the callback takes it. NULL without a picture */
    cm_cursor cursor;
    cm_lease *lease; /* opens it; the callback takes it. NULL likewise */
} cm_probe_answer;
typedef void cm_probe_done(void *owner, cm_probe_answer *answer);

/* `done` comes once, within about 15 s. CM_FULL: out of memory, it does not come. */
cm_status cm_probe_start(cm_fleet *fleet, cm_loop *loop, const cm_probe_ask *ask,
                         cm_probe_done *done, void *owner);
