/*
 * The back end on libuv. What is waited for is the set of watches, which holds libuv's own
 * descriptor like any other: a turn that only sockets cause costs one system call to wait, not one
 * for libuv and one for the set. Everything else happens after it has waited, in one place, so that
 * the order within a turn is ours and the clock is read once.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "loop/loop_priv.h"
#include "loop/watch_priv.h"

typedef struct uv_backed {
    cm_loop loop;
    uv_loop_t uv;
    uv_async_t wakeup;
    bool is_busy; /* the next turn has work already: it must not wait */
    /* A timerfd and not uv_timer: it counts sleep as our instants do (leases must not outlive a
     * suspended machine), and microseconds. */
    int alarm;
    cm_watch *alarm_watch;
    int64_t alarm_us; /* what it is set to; INT64_MAX: not set */
} uv_backed;

/* The loop that this thread runs. */
static _Thread_local const cm_loop *running;

static uv_backed *backed(const cm_loop *loop)
{
    return CM_HOLDER(loop, uv_backed, loop);
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        abort();
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static cm_instant read_now(const cm_loop *loop)
{
    (void)loop;
    return (cm_instant){.us = read_clock(CLOCK_BOOTTIME)};
}

static cm_wall read_wall(const cm_loop *loop)
{
    (void)loop;
    return (cm_wall){.us = read_clock(CLOCK_REALTIME)};
}

/* The loop's own thread, in the middle of a turn, need not be told by way of the kernel. */
static void wake(cm_loop *loop)
{
    if (running == loop)
        backed(loop)->is_busy = true;
    else
        uv_async_send(&backed(loop)->wakeup);
}

static void on_wakeup(uv_async_t *wakeup)
{
    (void)wakeup;
}

static void soon(cm_loop *loop)
{
    backed(loop)->is_busy = true;
}

/* Sets the alarm for the earliest timer. One that is set too early is left: it rings once in vain,
 * which is cheaper than a system call each time a timer is put off. What is due already wants no
 * alarm, but a turn that does not wait. */
static void set_alarm(uv_backed *b)
{
    const int64_t due = cm_heap_due_us(&b->loop.timers);
    const bool has_rung = b->alarm_us <= b->loop.now.us;
    if (due <= b->loop.now.us)
        b->is_busy = true;
    if (b->is_busy || (due >= b->alarm_us && !has_rung))
        return;
    struct itimerspec at = {.it_value = {0}};
    if (due != INT64_MAX) {
        at.it_value.tv_sec = due / 1000000;
        at.it_value.tv_nsec = due % 1000000 * 1000;
    }
    if (timerfd_settime(b->alarm, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        abort();
    b->alarm_us = due;
}

/* It ends the wait: what is due runs in this turn. Edges need no reading. */
static void on_alarm(void *owner, unsigned events)
{
    cm_watch_drained(((uv_backed *)owner)->alarm_watch, events);
}

static void turn(uv_backed *b)
{
    const bool is_other_ready = cm_watch_set_wait(b->loop.watches, !b->is_busy);
    cm_loop_turn_begin(&b->loop);
    b->is_busy = false;
    if (is_other_ready)
        uv_run(&b->uv, UV_RUN_NOWAIT);
    cm_watch_set_serve(b->loop.watches);
    cm_loop_turn_finish(&b->loop);
    set_alarm(b);
}

static void run(cm_loop *loop)
{
    uv_backed *b = backed(loop);
    set_alarm(b);
    /* libuv tells the kernel of its handles when it runs. */
    uv_run(&b->uv, UV_RUN_NOWAIT);
    running = loop;
    while (!atomic_exchange(&loop->is_stopping, false))
        turn(b);
    running = NULL;
}

static cm_status submit(cm_loop *loop, unsigned lane, cm_job *job)
{
    (void)loop;
    return cm_pool_submit(lane, job);
}

static void wait_for_jobs(cm_loop *loop)
{
    cm_pool_wait(&loop->seat);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

/* Also of one that was created in part: handles that were initialised are closed. */
static void destroy(cm_loop *loop)
{
    uv_backed *b = backed(loop);
    uv_walk(&b->uv, close_handle, NULL);
    uv_run(&b->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&b->uv) != 0)
        abort();
    cm_watch_close(b->alarm_watch);
    cm_watch_set_destroy(loop->watches);
    if (b->alarm >= 0)
        close(b->alarm);
    cm_pool_leave();
    cm_loop_deinit(loop);
    free(b);
}

static const cm_loop_backend BACKEND = {
    .read_now = read_now,
    .read_wall = read_wall,
    .wake = wake,
    .run = run,
    .submit = submit,
    .wait_for_jobs = wait_for_jobs,
    .destroy = destroy,
};

static cm_status open_handles(uv_backed *b)
{
    CM_TRY(cm_watch_set_create(&b->loop, soon, &b->loop.watches));
    b->alarm = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    CM_ENSURE(b->alarm >= 0, CM_BROKEN);
    CM_ENSURE(uv_async_init(&b->uv, &b->wakeup, on_wakeup) == 0, CM_BROKEN);
    CM_TRY(cm_watch_set_include(b->loop.watches, uv_backend_fd(&b->uv)));
    CM_TRY(cm_watch_create_edge(&b->loop, b->alarm, on_alarm, b, &b->alarm_watch));
    cm_watch_want(b->alarm_watch, CM_WATCH_READ);
    return CM_OK;
}

cm_status cm_loop_create(const cm_loop_config *config, cm_loop **out)
{
    uv_backed *b = calloc(1, sizeof *b);
    CM_ENSURE(b != NULL, CM_BROKEN);
    if (uv_loop_init(&b->uv) != 0) {
        free(b);
        return CM_BROKEN;
    }
    b->alarm = -1;
    b->alarm_us = INT64_MAX;
    cm_loop_init(&b->loop, &BACKEND, config);
    b->loop.random = cm_random_system();
    cm_pool_join(&b->loop.seat, config->pool_threads);
    if (open_handles(b) != CM_OK) {
        destroy(&b->loop);
        return CM_BROKEN;
    }
    cm_loop_turn_begin(&b->loop);
    *out = &b->loop;
    return CM_OK;
}
