/*
 * still: `casement-helper still`: takes jobs (helper/wire.h) from descriptor 3, one after the
 * other, and answers each with a sealed JPEG.
 *
 * The first job fixes the home of the process: a frame of another home is answered CM_FOREIGN, and
 * the process ends. It enters the sandbox before it reads anything and ends when the server closes
 * its end.
 */
#pragma once

#include "base/id.h"
#include "helper/still_picture.h"

/* `count` must be 0. Returns only if it could not begin. */
cm_status still_run(int count, char **arguments);

/* ---- for fuzzing and tests ---- */

typedef struct still_bench {
    cm_picture *picture;
    bool has_home;
    cm_home_id home;
} still_bench;

/*
 * Does one job: `message` is without its length; the delegation in it is wiped. CM_OK: *answer_out
 * (the caller's to free) is the whole answer. CM_CLOSE: not a job, the server is out of step.
 * *is_foreign_out: the job was of another home, and the process must end after the answer.
 */
cm_status still_do_job(still_bench *bench, uint8_t *message, size_t size, cm_slice *answer_out,
                       bool *is_foreign_out);
