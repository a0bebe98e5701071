/*
 * fleet: the cameras of this server at work: each on the loop that its key names, with its sealers
 * from grants, its state known to the control loop, its stills made where its frames are.
 *
 * The store says which cameras there are; the fleet says how they are. Rows reach it after they
 * were committed (cm_fleet_put, cm_fleet_remove).
 *
 * Threads: belongs to the control loop; functions marked "any loop" answer on the loop that called.
 */
#pragma once

#include "egress/still/still.h"
#include "egress/transcode/transcode.h"
#include "grants/grants.h"
#include "ingest/camera.h"

typedef struct cm_fleet cm_fleet;

typedef struct cm_fleet_config {
    cm_loop *const *loops; /* [0] is the control loop; all arrays have loop_count entries and
                              outlive the fleet */
    cm_net *const *nets;
    cm_hub *const *hubs;
    cm_still_service *const *stills;
    cm_transcode_service *const *transcodes; /* NULL: no sound is made over */
    size_t loop_count;
    cm_grants *grants;
    /* Any loop: may a camera of this home be at that address? */
    bool (*may_connect)(void *owner, const cm_home_id *home, const cm_address *address);
    /* Control loop: its state changed, or its figures (at most once a second). */
    void (*on_status)(void *owner, const cm_camera_status *status);
    void *owner;
} cm_fleet_config;

cm_status cm_fleet_create(const cm_fleet_config *config, cm_fleet **out);
/* Begins to end all cameras; `done` runs on the control loop when none is left. Then destroy. */
void cm_fleet_stop(cm_fleet *fleet, cm_task *done);
void cm_fleet_destroy(cm_fleet *fleet);

/* Control loop. Adds a camera, or gives the one that is there its new name, address and login.
 * `password` may be NULL. */
cm_status cm_fleet_put(cm_fleet *fleet, const cm_stored_camera *camera, const char *password);
void cm_fleet_remove(cm_fleet *fleet, const cm_camera_key *camera);

/* Control loop. Borrowed until the next turn; NULL: no such camera. */
const cm_camera_status *cm_fleet_status(const cm_fleet *fleet, const cm_camera_key *camera);
void cm_fleet_each(const cm_fleet *fleet, void (*each)(void *owner, const cm_camera_status *status),
                   void *owner);
size_t cm_fleet_count(const cm_fleet *fleet);

/* Any loop. Somebody watches, until he doesn't any more: connects cameras that are kept on demand.
 * A wish is for the camera as it is: one that is added again under the same id is another. The end
 * comes from the loop that the wish came from. */
typedef struct cm_fleet_wish cm_fleet_wish;
cm_fleet_wish *cm_fleet_want(cm_fleet *fleet, const cm_camera_key *camera, cm_stream stream);
void cm_fleet_unwant(cm_fleet_wish *wish); /* takes it; NULL is fine */

/*
 * Any loop. Somebody hears `stream`, which is made of the camera's sound (cm_stream_is_made), until
 * he doesn't any more. It is made by the right of `lease`, which opens CM_STREAM_SOUND, and of what
 * cm_fleet_ear_renew() puts in its place; both are taken. What is made comes by the hub, to who has
 * a lease for that.
 */
typedef struct cm_fleet_ear cm_fleet_ear;
cm_fleet_ear *cm_fleet_hear(cm_fleet *fleet, const cm_camera_key *camera, cm_stream stream,
                            cm_lease *lease);
void cm_fleet_ear_renew(cm_fleet_ear *ear, cm_lease *lease);
void cm_fleet_ear_end(cm_fleet_ear *ear); /* takes it; NULL is fine */

/* On the camera's own loop, of that index (cm_hub_loop_of): the camera at work, borrowed for this
 * turn; NULL: there is none. */
cm_camera *cm_fleet_camera_here(const cm_fleet *fleet, size_t loop, const cm_camera_key *key);

/* Any loop. A still of the camera, as cm_still_ask(), on the loop where the camera lives. Takes the
 * lease; hands it back with the answer. */
typedef struct cm_fleet_still_answer {
    cm_status status;
    cm_frame *still; /* held by the asking loop; the callback takes it. NULL unless CM_OK */
    cm_cursor cursor;
    cm_lease *lease; /* the callback takes it */
} cm_fleet_still_answer;
typedef void cm_fleet_still_done(void *owner, cm_fleet_still_answer *answer);
/* `done` always comes, once; an owner that is gone must look for that itself. CM_BROKEN: no memory
 * (the lease is destroyed, no answer). */
cm_status cm_fleet_still(cm_fleet *fleet, cm_loop *loop, const cm_camera_key *camera,
                         cm_stream stream, unsigned width, cm_lease *lease,
                         cm_fleet_still_done *done, void *owner);
