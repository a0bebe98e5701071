#include "loop/sim.h"

#include <assert.h>
#include <stdlib.h>

#include "loop/loop_priv.h"

struct cm_sim {
    cm_instant now;
    int64_t wall_ahead_us; /* of `now` */
    cm_random random;
    cm_heap events; /* sim_event.timer */
    cm_list loops;  /* sim_loop.node, in the order of their creation */
};

typedef struct sim_loop {
    cm_loop loop;
    cm_sim *sim;
    cm_list node;
} sim_loop;

typedef struct sim_event {
    cm_timer timer; /* of the sim's heap, not of a loop's */
    void (*run)(void *owner);
    void *owner;
} sim_event;

static sim_loop *of(const cm_loop *loop)
{
    return CM_HOLDER(loop, sim_loop, loop);
}

/* ---- the back end of a loop ---- */

static cm_instant read_now(const cm_loop *loop)
{
    return of(loop)->sim->now;
}

static cm_wall read_wall(const cm_loop *loop)
{
    const cm_sim *sim = of(loop)->sim;
    return (cm_wall){.us = sim->now.us + sim->wall_ahead_us};
}

static void wake(cm_loop *loop)
{
    (void)loop; /* a loop with tasks is found by looking */
}

static cm_status submit(cm_loop *loop, unsigned lane, cm_job *job)
{
    (void)loop;
    (void)lane;
    cm_job_perform(job);
    return CM_OK;
}

static void wait_for_jobs(cm_loop *loop)
{
    (void)loop; /* they were performed when submitted */
}

static void destroy(cm_loop *loop)
{
    sim_loop *l = of(loop);
    cm_list_remove(&l->node);
    cm_loop_deinit(loop);
    free(l);
}

/* ---- time ---- */

static bool has_work(const cm_loop *loop, cm_instant now)
{
    return !atomic_load(&loop->is_stopping) &&
           (cm_loop_has_tasks(loop) || cm_heap_due_us(&loop->timers) <= now.us);
}

/* One turn of each loop that has something to do now; false if none has. */
static bool turn_all(cm_sim *sim)
{
    bool has_turned = false;
    CM_LIST_EACH(&sim->loops, node, next)
    {
        cm_loop *loop = &CM_HOLDER(node, sim_loop, node)->loop;
        if (!has_work(loop, sim->now))
            continue;
        cm_loop_turn_begin(loop);
        cm_loop_turn_finish(loop);
        has_turned = true;
    }
    return has_turned;
}

static int64_t next_due_us(const cm_sim *sim)
{
    int64_t due = cm_heap_due_us(&sim->events);
    CM_LIST_EACH(&sim->loops, node, next)
    {
        const cm_loop *loop = &CM_HOLDER(node, sim_loop, node)->loop;
        const int64_t theirs = cm_heap_due_us(&loop->timers);
        if (!atomic_load(&loop->is_stopping) && theirs < due)
            due = theirs;
    }
    return due;
}

static void set_now(cm_sim *sim, int64_t us)
{
    sim->now.us = us;
    CM_LIST_EACH(&sim->loops, node, next)
    CM_HOLDER(node, sim_loop, node)->loop.now.us = us;
}

static bool run_events(cm_sim *sim)
{
    const uint64_t sequence = sim->events.sequence;
    bool has_run = false;
    cm_timer *timer;
    while ((timer = cm_heap_take_due(&sim->events, sim->now, sequence)) != NULL) {
        sim_event *event = CM_HOLDER(timer, sim_event, timer);
        const sim_event taken = *event;
        free(event);
        taken.run(taken.owner);
        has_run = true;
    }
    return has_run;
}

/* Does what is to be done at one instant, or jumps to the next one; false if there is none up to
 * `limit_us`. */
static bool step(cm_sim *sim, int64_t limit_us)
{
    const bool had_events = run_events(sim);
    if (turn_all(sim) || had_events)
        return true;
    const int64_t due = next_due_us(sim);
    if (due == INT64_MAX || due > limit_us)
        return false;
    set_now(sim, due > sim->now.us ? due : sim->now.us);
    return true;
}

static void run(cm_loop *loop)
{
    while (!atomic_load(&loop->is_stopping)) {
        if (!step(of(loop)->sim, INT64_MAX))
            break;
    }
    atomic_store(&loop->is_stopping, false);
}

static int64_t later_us(const cm_sim *sim, int64_t us)
{
    assert(us >= 0);
    return us > INT64_MAX - sim->now.us ? INT64_MAX : sim->now.us + us;
}

void cm_sim_run_for(cm_sim *sim, int64_t us)
{
    const int64_t limit_us = later_us(sim, us);
    while (step(sim, limit_us))
        continue;
    set_now(sim, limit_us > sim->now.us ? limit_us : sim->now.us);
}

bool cm_sim_run_until(cm_sim *sim, bool (*is_done)(void *owner), void *owner, int64_t limit_us)
{
    const int64_t end_us = later_us(sim, limit_us);
    while (!is_done(owner)) {
        if (!step(sim, end_us)) {
            set_now(sim, end_us > sim->now.us ? end_us : sim->now.us);
            return is_done(owner);
        }
    }
    return true;
}

void cm_sim_spend(cm_sim *sim, int64_t us)
{
    sim->now.us = later_us(sim, us);
}

void cm_sim_wall_jump(cm_sim *sim, int64_t us)
{
    sim->wall_ahead_us += us;
}

cm_random *cm_sim_random(cm_sim *sim)
{
    return &sim->random;
}

cm_status cm_sim_at(cm_sim *sim, cm_instant at, void (*run_it)(void *owner), void *owner)
{
    sim_event *event = calloc(1, sizeof *event);
    CM_ENSURE(event != NULL, CM_BROKEN);
    *event = (sim_event){.run = run_it, .owner = owner, .timer = {.slot = SIZE_MAX}};
    event->timer.due = at.us < sim->now.us ? sim->now : at;
    cm_heap_add(&sim->events, &event->timer);
    return CM_OK;
}

/* ---- life ---- */

cm_status cm_sim_create(uint64_t seed, cm_wall start, cm_sim **out)
{
    cm_sim *sim = calloc(1, sizeof *sim);
    CM_ENSURE(sim != NULL, CM_BROKEN);
    sim->now.us = CM_SECONDS(1000); /* a machine that booted a while ago */
    sim->wall_ahead_us = start.us - sim->now.us;
    sim->random = cm_random_seeded(seed);
    cm_heap_init(&sim->events);
    cm_list_init(&sim->loops);
    *out = sim;
    return CM_OK;
}

void cm_sim_destroy(cm_sim *sim)
{
    if (sim == NULL)
        return;
    assert(cm_list_is_empty(&sim->loops));
    cm_timer *timer;
    const cm_instant end = {.us = INT64_MAX};
    while ((timer = cm_heap_take_due(&sim->events, end, UINT64_MAX)) != NULL)
        free(CM_HOLDER(timer, sim_event, timer));
    cm_heap_deinit(&sim->events);
    free(sim);
}

cm_status cm_sim_loop_create(cm_sim *sim, const cm_loop_config *config, cm_loop **out)
{
    static const cm_loop_backend BACKEND = {
        .read_now = read_now,
        .read_wall = read_wall,
        .wake = wake,
        .run = run,
        .submit = submit,
        .wait_for_jobs = wait_for_jobs,
        .destroy = destroy,
    };
    sim_loop *l = calloc(1, sizeof *l);
    CM_ENSURE(l != NULL, CM_BROKEN);
    cm_loop_init(&l->loop, &BACKEND, config);
    l->sim = sim;
    l->loop.now = sim->now;
    l->loop.random = cm_random_seeded(cm_random_u64(&sim->random));
    cm_list_add_last(&sim->loops, &l->node);
    *out = &l->loop;
    return CM_OK;
}
