/*
 * pool: the threads of the process that do blocking work for its loops: a few that share one queue,
 * and for each lane one thread with a queue of its own. The only place of loop/ with a mutex.
 *
 * Life: counted by the loops (join and leave). Threads are started when there is work for them and
 * end when the last loop has left. Any thread may call; a loop leaves on its own.
 *
 * The shared threads are nicer than the loops. After a burst of their jobs they give back to the
 * system what memory it took.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_pool_seat { /* one per loop, embedded in it */
    size_t jobs;              /* under the pool's mutex: given, and not yet posted back */
} cm_pool_seat;

/* `threads` shared ones at least; the largest wish of all loops counts. */
void cm_pool_join(cm_pool_seat *seat, unsigned threads);
/* After cm_pool_wait. */
void cm_pool_leave(void);

/* `job->loop` is set; its seat has joined. `lane` CM_LOOP_LANES is the shared queue. CM_BROKEN when
 * there is no thread and none can be made.
 */
cm_status cm_pool_submit(unsigned lane, cm_job *job);
/* Returns when all jobs of this seat have been performed and posted. */
void cm_pool_wait(cm_pool_seat *seat);

/* How often memory was given back since the start of the process: for tests. */
unsigned cm_pool_trims(void);
