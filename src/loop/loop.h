/*
 * loop: one thread's event loop: time, timers, tasks from other threads, and a pool for work that
 * blocks.
 *
 * Two back ends behind this header: libuv (a server) and virtual time (loop/sim.h: many loops in
 * one thread, hours in seconds, the same seed the same run). Code above this layer cannot tell
 * which it runs on, so it never reads a clock, sleeps, makes threads or draws randomness by other
 * means.
 *
 * Life: created before its thread runs it, destroyed after it has stopped, and after no other
 * thread can post to it any more. Jobs that are open then are waited for, and their `done` and all
 * tasks are called inside cm_loop_destroy.
 * Everything here must be called on the loop's own thread, except where "any thread" stands.
 * Objects that were started (timers, jobs, watches) belong to their owner, who stops them before
 * freeing their memory.
 */
#pragma once

#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"
#include "base/status.h"

typedef struct cm_loop cm_loop;

typedef struct cm_loop_config {
    unsigned index; /* which loop of the process this is: 0 is the control loop */
    /* For blocking work, shared by the loops of the process: the largest wish counts. 0 means 2.
     * The simulator runs jobs at once, in order. */
    unsigned pool_threads;
    size_t jobs_max; /* of this loop, waiting or running, at most; 0 means 1,024 */
} cm_loop_config;

/* A loop on libuv. CM_BROKEN if the system refuses. */
cm_status cm_loop_create(const cm_loop_config *config, cm_loop **out);
void cm_loop_destroy(cm_loop *loop); /* NULL is fine */

/*
 * For the end of a process, on one thread, after those of all these loops have ended: performs
 * their jobs and tasks, also those that these post from one to another, until none is left. Timers
 * don't run. What still waits for a message then gets it while all that it touches is there.
 */
void cm_loop_settle(cm_loop *const *loops, size_t count);

void cm_loop_run(cm_loop *loop); /* until cm_loop_stop */
void cm_loop_stop(
    cm_loop *loop); /* any thread, also a signal's task; the current turn ends first */

unsigned cm_loop_index(const cm_loop *loop);

/*
 * A turn serves descriptors, then tasks, then timers. What these post or start comes in the next
 * one. After 5 ms of timers, the others that are due wait for the next turn as well: a thousand
 * viewers who catch up do not delay the pictures that come in meanwhile. The instant this turn
 * began (cached), and the clock read anew (for measuring).
 */
cm_instant cm_loop_now(const cm_loop *loop);
cm_instant cm_loop_read_now(const cm_loop *loop);
/* Wall time: read anew. */
cm_wall cm_loop_wall(const cm_loop *loop);
cm_random *cm_loop_random(cm_loop *loop);

/* Turns that took over 5 ms since the start: a figure for /metrics. */
uint64_t cm_loop_slow_turns(const cm_loop *loop);

/* ---- timers: embedded in their owner ---- */

typedef struct cm_timer cm_timer;
struct cm_timer {
    cm_loop *loop;                   /* private */
    void (*on_due)(cm_timer *timer); /* on the loop; may start it again, stop it, free its owner */
    cm_instant due;                  /* private */
    size_t slot; /* private: place in the loop's heap; SIZE_MAX when not running */
};

void cm_timer_init(cm_timer *timer, cm_loop *loop, void (*on_due)(cm_timer *timer));
void cm_timer_start(cm_timer *timer,
                    int64_t after_us); /* starts again if it runs; 0: in the next turn */
/* Timers due in one turn run in the order of their instants, then of their starts. One in the past
 * counts as of this turn's instant. */
void cm_timer_start_at(cm_timer *timer, cm_instant due);
void cm_timer_stop(cm_timer *timer);
bool cm_timer_is_running(const cm_timer *timer);

/* ---- tasks: from any thread to the loop ---- */

typedef struct cm_task cm_task;
struct cm_task {
    void (*run)(cm_task *task); /* on the loop it was posted to; may free the task's memory */
    cm_task *next;              /* private */
};

/* Any thread. The memory is the poster's until `run` is called. Tasks of one poster run in their
 * order. */
void cm_loop_post(cm_loop *loop, cm_task *task);

/* ---- the pool: blocking work ---- */

typedef struct cm_job cm_job;
struct cm_job {
    void (*work)(cm_job *job); /* on a pool thread; touches only what the job owns */
    void (*done)(cm_job *job); /* on the loop that submitted it; may free the job */
    cm_loop *loop;             /* private */
    cm_task task;              /* private */
    cm_list node;              /* private */
};

/* CM_FULL when jobs_max are open, CM_BROKEN without a thread; `done` is then not called. */
cm_status cm_loop_submit(cm_loop *loop, cm_job *job);

/*
 * The same on one thread of its own per lane, in order: for a database connection that must see one
 * writer. A lane's thread is the same for all loops of the process. Lanes are below CM_LOOP_LANES;
 * lane 0 is the store's.
 */
enum { CM_LOOP_LANES = 4 };
cm_status cm_loop_submit_lane(cm_loop *loop, unsigned lane, cm_job *job);
