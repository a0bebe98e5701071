/*
 * loop_priv: what the two back ends of the loop share. Only files of loop/ include this.
 *
 * A turn: the clock is read once, ready descriptors are served, then tasks posted before the turn
 * reached them, then timers that are due and were started before. What these cause comes next turn.
 */
#pragma once

#include <stdatomic.h>

#include "loop/heap.h"
#include "loop/loop.h"
#include "loop/pool.h"

typedef struct cm_watch_set cm_watch_set;

typedef struct cm_loop_backend {
    cm_instant (*read_now)(const cm_loop *loop);
    cm_wall (*read_wall)(const cm_loop *loop);
    void (*wake)(cm_loop *loop); /* any thread: a turn is wanted */
    void (*run)(cm_loop *loop);
    /* Which thread does it: CM_LOOP_LANES means the pool. The job is then posted back. */
    cm_status (*submit)(cm_loop *loop, unsigned lane, cm_job *job);
    void (*wait_for_jobs)(cm_loop *loop); /* until all that were submitted have been posted */
    void (*destroy)(cm_loop *loop);       /* frees the loop itself */
} cm_loop_backend;

struct cm_loop {
    const cm_loop_backend *backend;
    unsigned index;
    size_t jobs_max;
    size_t jobs_open; /* submitted, `done` not yet called */
    cm_instant now;
    cm_random random;
    cm_heap timers;
    uint64_t slow_turns;
    cm_watch_set *watches; /* NULL in the simulator */
    cm_pool_seat seat;     /* unused in the simulator */
    /* From any thread: posted, the last one first. The poster that finds it empty wakes the loop.
     */
    _Atomic(cm_task *) posted;
    atomic_bool is_stopping;
};

void cm_loop_init(cm_loop *loop, const cm_loop_backend *backend, const cm_loop_config *config);
void cm_loop_deinit(cm_loop *loop);

/* The clock, for the start of a turn. */
void cm_loop_turn_begin(cm_loop *loop);
/* Tasks and timers; then counts the turn if it was slow. */
void cm_loop_turn_finish(cm_loop *loop);
bool cm_loop_has_tasks(const cm_loop *loop);

/* Runs the job on the calling thread and posts its end to its loop. */
void cm_job_perform(cm_job *job);
