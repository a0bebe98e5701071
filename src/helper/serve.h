/*
 * serve: what every process of casement-helper that works for the server does: it takes jobs
 * (helper/wire.h) from descriptor 3, one after the other, and answers each.
 *
 * It is prepared while that is still allowed, enters the sandbox before it reads anything, and ends
 * when the server closes its end.
 */
#pragma once

#include "helper/wire.h"

/* Reads the arguments behind the job's name (there are none but in fault injection) and loads the
 * cipher's library. */
cm_status cm_helper_prepare(int count, char **arguments);

/*
 * One job: `message` is without its length; the delegation in it is to be wiped. CM_OK: *answer_out
 * is the whole answer, freed by who called. CM_CLOSE: not a job, the server is out of step.
 * *is_foreign_out: it was of another home, and the process ends after the answer.
 */
typedef cm_status cm_helper_do_job(void *owner, uint8_t *message, size_t size, cm_slice *answer_out,
                                   bool *is_foreign_out);

/* An answer with its length, on the heap. */
cm_status cm_helper_answer_make(uint64_t id, cm_status status, const cm_frame *made, cm_slice *out);

/* Enters the sandbox, with so much memory at most, and serves. Returns only if it could not begin.
 */
cm_status cm_helper_serve(size_t memory_bytes_max, cm_helper_do_job *do_job, void *owner);
