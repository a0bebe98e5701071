/*
 * transcode: `casement-helper transcode`: takes jobs (helper/wire.h) from descriptor 3, one after
 * the other, and answers each with a sealed frame of sound made over.
 *
 * Codecs remember: what comes out for one frame holds sound of those before. So each job names a
 * lane, and a lane is of the camera and stream of its first job: a delegation of another one for it
 * is answered CM_FOREIGN. The first job fixes the home of the process: one of another home is
 * answered CM_FOREIGN, and the process ends.
 */
#pragma once

#include "base/id.h"
#include "helper/lane.h"

/* `count` must be 0. Returns only if it could not begin. */
cm_status transcode_run(int count, char **arguments);

/* ---- for fuzzing and tests ---- */

enum { TRANSCODE_LANES_MAX = 64 }; /* the one used longest ago makes room */

typedef struct transcode_lane {
    uint16_t number;
    cm_camera_key camera;
    cm_stream made;
    uint64_t used; /* by which job */
    cm_lane *lane; /* NULL: none */
} transcode_lane;

typedef struct transcode_bench {
    bool has_home;
    cm_home_id home;
    uint64_t jobs;
    transcode_lane lanes[TRANSCODE_LANES_MAX];
} transcode_bench;

/* As still_do_job(). */
cm_status transcode_do_job(transcode_bench *bench, uint8_t *message, size_t size,
                           cm_slice *answer_out, bool *is_foreign_out);
void transcode_bench_deinit(transcode_bench *bench);
