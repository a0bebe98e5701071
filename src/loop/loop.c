#include <assert.h>
#include <stdlib.h>

#include "loop/loop_priv.h"

enum { JOBS_MAX_DEFAULT = 1024, SLOW_TURN_US = 5000, TIMERS_US = 5000 };

void cm_loop_init(cm_loop *loop, const cm_loop_backend *backend, const cm_loop_config *config)
{
    loop->backend = backend;
    loop->index = config->index;
    loop->jobs_max = config->jobs_max == 0 ? JOBS_MAX_DEFAULT : config->jobs_max;
    cm_heap_init(&loop->timers);
    atomic_init(&loop->posted, NULL);
    atomic_init(&loop->is_stopping, false);
}

void cm_loop_deinit(cm_loop *loop)
{
    cm_heap_deinit(&loop->timers);
}

static void run_tasks(cm_loop *loop)
{
    cm_task *last_first = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    cm_task *in_order = NULL;
    while (last_first != NULL) {
        cm_task *next = last_first->next;
        last_first->next = in_order;
        in_order = last_first;
        last_first = next;
    }
    while (in_order != NULL) {
        cm_task *task = in_order;
        in_order = task->next; /* before `run`, which may free it or post it again */
        task->run(task);
    }
}

/* One started from here on waits for the next turn, and so do those for which no time is left: they
 * can't starve the descriptors. */
static void run_timers(cm_loop *loop)
{
    const uint64_t sequence = loop->timers.sequence;
    const cm_instant began = loop->backend->read_now(loop);
    cm_timer *timer;
    while ((timer = cm_heap_take_due(&loop->timers, loop->now, sequence)) != NULL) {
        timer->on_due(timer);
        if (cm_instant_since(loop->backend->read_now(loop), began) >= TIMERS_US)
            break;
    }
}

/* False: there was nothing to do. */
static bool settle_one(cm_loop *loop)
{
    bool has_done = false;
    while (loop->jobs_open > 0 || cm_loop_has_tasks(loop)) {
        loop->backend->wait_for_jobs(loop);
        run_tasks(loop);
        has_done = true;
    }
    return has_done;
}

void cm_loop_settle(cm_loop *const *loops, size_t count)
{
    bool is_quiet;
    do {
        is_quiet = true;
        for (size_t i = 0; i < count; i++)
            is_quiet = !settle_one(loops[i]) && is_quiet;
    } while (!is_quiet);
}

void cm_loop_destroy(cm_loop *loop)
{
    if (loop == NULL)
        return;
    (void)settle_one(loop);
    loop->backend->destroy(loop);
}

void cm_loop_turn_begin(cm_loop *loop)
{
    loop->now = loop->backend->read_now(loop);
}

void cm_loop_turn_finish(cm_loop *loop)
{
    run_tasks(loop);
    run_timers(loop);
    if (cm_instant_since(loop->backend->read_now(loop), loop->now) > SLOW_TURN_US)
        loop->slow_turns++;
}

bool cm_loop_has_tasks(const cm_loop *loop)
{
    return atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL;
}

void cm_loop_run(cm_loop *loop)
{
    loop->backend->run(loop);
}

void cm_loop_stop(cm_loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    loop->backend->wake(loop);
}

unsigned cm_loop_index(const cm_loop *loop)
{
    return loop->index;
}

cm_instant cm_loop_now(const cm_loop *loop)
{
    return loop->now;
}

cm_instant cm_loop_read_now(const cm_loop *loop)
{
    return loop->backend->read_now(loop);
}

cm_wall cm_loop_wall(const cm_loop *loop)
{
    return loop->backend->read_wall(loop);
}

cm_random *cm_loop_random(cm_loop *loop)
{
    return &loop->random;
}

uint64_t cm_loop_slow_turns(const cm_loop *loop)
{
    return loop->slow_turns;
}

void cm_timer_init(cm_timer *timer, cm_loop *loop, void (*on_due)(cm_timer *timer))
{
    *timer = (cm_timer){.loop = loop, .on_due = on_due, .slot = SIZE_MAX};
}

void cm_timer_start(cm_timer *timer, int64_t after_us)
{
    cm_instant due = {.us = INT64_MAX};
    if (after_us < INT64_MAX - timer->loop->now.us)
        due = cm_instant_after(timer->loop->now, after_us);
    cm_timer_start_at(timer, due);
}

void cm_timer_start_at(cm_timer *timer, cm_instant due)
{
    cm_timer_stop(timer);
    /* One that is late already takes its place behind those that are due: run_timers relies on it.
     */
    timer->due = due.us < timer->loop->now.us ? timer->loop->now : due;
    cm_heap_add(&timer->loop->timers, timer);
}

void cm_timer_stop(cm_timer *timer)
{
    if (cm_timer_is_running(timer))
        cm_heap_remove(&timer->loop->timers, timer);
}

bool cm_timer_is_running(const cm_timer *timer)
{
    return timer->slot != SIZE_MAX;
}

void cm_loop_post(cm_loop *loop, cm_task *task)
{
    cm_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task,
                                                    memory_order_release, memory_order_relaxed));
    if (head == NULL)
        loop->backend->wake(loop);
}

static void finish_job(cm_task *task)
{
    cm_job *job = CM_HOLDER(task, cm_job, task);
    job->loop->jobs_open--;
    job->done(job);
}

void cm_job_perform(cm_job *job)
{
    job->work(job);
    job->task.run = finish_job;
    cm_loop_post(job->loop, &job->task);
}

static cm_status submit(cm_loop *loop, unsigned lane, cm_job *job)
{
    CM_ENSURE(loop->jobs_open < loop->jobs_max, CM_FULL);
    job->loop = loop;
    CM_TRY(loop->backend->submit(loop, lane, job));
    loop->jobs_open++;
    return CM_OK;
}

cm_status cm_loop_submit(cm_loop *loop, cm_job *job)
{
    return submit(loop, CM_LOOP_LANES, job);
}

cm_status cm_loop_submit_lane(cm_loop *loop, unsigned lane, cm_job *job)
{
    assert(lane < CM_LOOP_LANES);
    return submit(loop, lane, job);
}
