/*
 * sim: virtual time: any number of loops in one thread. Time stands still while code runs and jumps
 * to the next due timer or event when nothing is left to do. Same seed, same program: same run.
 *
 * Jobs of the pool run at once when submitted and are done in the next turn. Mailboxes and tasks
 * work as usual. cm_loop_run on one of its loops runs all of them until that one is stopped, or
 * nothing is left to do; a loop that was stopped otherwise has no more turns.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_sim cm_sim;

cm_status cm_sim_create(uint64_t seed, cm_wall start, cm_sim **out);
void cm_sim_destroy(cm_sim *sim); /* after its loops */
cm_status cm_sim_loop_create(cm_sim *sim, const cm_loop_config *config, cm_loop **out);

/* Instants begin at 1,000 s. */

/* Runs everything that falls due within the next `us` of virtual time. */
void cm_sim_run_for(cm_sim *sim, int64_t us);
/* Runs until `is_done(owner)` or until `limit_us` have passed; true if done. */
bool cm_sim_run_until(cm_sim *sim, bool (*is_done)(void *owner), void *owner, int64_t limit_us);
/* From within a turn: it takes so long. Clocks that are read anew go on; the instant that the turn
 * began, which cm_loop_now() tells, does not. */
void cm_sim_spend(cm_sim *sim, int64_t us);
/* Wall time jumps (people set clocks); instants don't. */
void cm_sim_wall_jump(cm_sim *sim, int64_t us);
cm_random *cm_sim_random(cm_sim *sim);

/* Calls `run` once at `at`, before the loops have their turns of that instant: for a test's own
 * events (a cable is pulled). What belongs to a loop uses its timers. */
cm_status cm_sim_at(cm_sim *sim, cm_instant at, void (*run)(void *owner), void *owner);
