/* Those who hear sound made over: from the asker's loop to the camera's, with a lease that is
 * renewed. */
#include <stdlib.h>

#include "devices/fleet_priv.h"

/* The asker's, who only posts to it; what is in it belongs to the camera's loop. */
struct cm_fleet_ear {
    cm_task begin, end;
    cm_fleet *fleet;
    size_t loop; /* the camera's */
    cm_camera_key key;
    cm_stream stream;
    cm_lease *lease; /* the first, until it is used */
    cm_transcode_ear part;
};

typedef struct renewal {
    cm_task task;
    cm_fleet_ear *ear;
    cm_lease *lease;
} renewal;

/* Takes the lease. Without a camera there is nothing to hear; who asks is told so by grants. */
static void listen(cm_fleet_ear *ear, cm_lease *lease)
{
    cm_transcode *transcode = cm_fleet_transcode_here(ear->fleet, ear->loop, &ear->key);
    if (transcode == NULL)
        cm_lease_destroy(lease);
    else
        CM_IGNORE(cm_transcode_listen(transcode, &ear->part, ear->stream, lease),
                  "it is tried again with the next lease");
}

static void begin_run(cm_task *task)
{
    cm_fleet_ear *ear = CM_HOLDER(task, cm_fleet_ear, begin);
    cm_lease *lease = ear->lease;
    ear->lease = NULL;
    listen(ear, lease);
}

static void renew_run(cm_task *task)
{
    renewal *r = CM_HOLDER(task, renewal, task);
    if (r->ear->part.at == NULL)
        listen(r->ear, r->lease);
    else
        cm_transcode_renew(&r->ear->part, r->lease);
    free(r);
}

static void end_run(cm_task *task)
{
    cm_fleet_ear *ear = CM_HOLDER(task, cm_fleet_ear, end);
    cm_transcode_leave(&ear->part);
    free(ear);
}

cm_fleet_ear *cm_fleet_hear(cm_fleet *fleet, const cm_camera_key *camera, cm_stream stream,
                            cm_lease *lease)
{
    const cm_fleet_config *parts = cm_fleet_parts(fleet);
    cm_fleet_ear *ear = calloc(1, sizeof *ear);
    if (ear == NULL)
        abort(); /* a fixed-size control object */
    *ear = (cm_fleet_ear){.begin.run = begin_run,
                          .end.run = end_run,
                          .fleet = fleet,
                          .loop = cm_hub_loop_of(camera, parts->loop_count),
                          .key = *camera,
                          .stream = stream,
                          .lease = lease};
    cm_loop_post(parts->loops[ear->loop], &ear->begin);
    return ear;
}

void cm_fleet_ear_renew(cm_fleet_ear *ear, cm_lease *lease)
{
    renewal *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort(); /* a fixed-size control object */
    *r = (renewal){.task.run = renew_run, .ear = ear, .lease = lease};
    cm_loop_post(cm_fleet_parts(ear->fleet)->loops[ear->loop], &r->task);
}

void cm_fleet_ear_end(cm_fleet_ear *ear)
{
    if (ear != NULL)
        cm_loop_post(cm_fleet_parts(ear->fleet)->loops[ear->loop], &ear->end);
}
