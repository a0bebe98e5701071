/*
 * probe: keys for an address that is being tried out: not a camera yet, so there is no row and no
 * chain of evidence; but its picture is shown, so it goes the same sealed way as any other, under a
 * camera id that no stored camera can have ("probe!": not an id by base/id.h).
 *
 * The caller has decided that the asker may add cameras to this home (permission OWNER). One probe
 * per home at a time. Threads: control loop.
 */
#pragma once

#include "grants/grants.h"

/* The key of this home's probe. */
cm_camera_key cm_probe_key(const cm_home_id *home);

/* Sealers go to `events` on `source_loop`, as for a camera. CM_RETRY: this home's probe is under
 * way. CM_FULL. */
cm_status cm_grants_probe_begin(cm_grants *grants, const cm_home_id *home, cm_loop *source_loop,
                                const cm_grants_camera_events *events, void *owner);
/* A lease of 20 s to view what the probe received. CM_ABSENT: no probe is under way. */
cm_status cm_grants_probe_lease(cm_grants *grants, const cm_home_id *home, cm_lease **out);
/* Turns its keys: nothing of it opens any more. */
void cm_grants_probe_end(cm_grants *grants, const cm_home_id *home);
