/*
 * world: one loop, on either back end, that a case can run until something has come true. A case
 * that takes longer than its limit fails; nothing here waits for a fixed time.
 */
#pragma once

#include "unit.h"

#include "loop/loop.h"
#include "loop/sim.h"

typedef struct world {
    cm_sim *sim; /* NULL: libuv */
    cm_loop *loop;
    cm_timer limit;
    cm_timer look;
    bool (*is_done)(void *owner);
    void *owner;
    bool has_failed;
} world;

static inline void world_limit_reached(cm_timer *timer)
{
    world *w = CM_HOLDER(timer, world, limit);
    w->has_failed = true;
    cm_loop_stop(w->loop);
}

static inline void world_look(cm_timer *timer)
{
    world *w = CM_HOLDER(timer, world, look);
    if (w->is_done(w->owner))
        cm_loop_stop(w->loop);
    else
        cm_timer_start(timer, 200);
}

static inline void world_init_timers(world *w)
{
    cm_timer_init(&w->limit, w->loop, world_limit_reached);
    cm_timer_init(&w->look, w->loop, world_look);
}

static inline void world_open(world *w)
{
    *w = (world){.loop = NULL};
    assert_int_equal(cm_loop_create(&(cm_loop_config){.index = 1}, &w->loop), CM_OK);
    world_init_timers(w);
}

static inline void world_open_sim(world *w, uint64_t seed)
{
    *w = (world){.loop = NULL};
    const cm_wall start = {.us = CM_SECONDS(1800000000)};
    assert_int_equal(cm_sim_create(seed, start, &w->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(w->sim, &(cm_loop_config){.index = 1}, &w->loop), CM_OK);
    world_init_timers(w);
}

/* False if `is_done` did not come true within ten seconds, of virtual time, or a minute on a
 * machine that may be busy. */
static inline bool world_run(world *w, bool (*is_done)(void *owner), void *owner)
{
    w->is_done = is_done;
    w->owner = owner;
    w->has_failed = false;
    cm_timer_start(&w->limit, CM_SECONDS(w->sim != NULL ? 10 : 180));
    cm_timer_start(&w->look, 0);
    cm_loop_run(w->loop);
    cm_timer_stop(&w->limit);
    cm_timer_stop(&w->look);
    return !w->has_failed;
}

static inline void world_close(world *w)
{
    cm_loop_destroy(w->loop);
    cm_sim_destroy(w->sim);
}
