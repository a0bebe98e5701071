/* loop: timers, tasks, jobs, lanes, mailboxes and watches, on libuv. One behaviour a case. */
#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/mailbox.h"
#include "loop/pool.h"
#include "loop/process.h"
#include "loop/watch.h"

/* ---- timers ---- */

static unsigned alarms_set;

int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *before)
{
    alarms_set++;
    return (int)syscall(SYS_timerfd_settime, fd, flags, at, before);
}

typedef struct alarm {
    cm_timer timer;
    struct notes *notes;
    char name;
    int again;           /* how often it starts itself again, after 0 */
    struct alarm *other; /* stopped when this one rings */
} alarm_clock;

typedef struct notes {
    char text[64];
    size_t count;
    size_t wanted;
} notes;

static bool has_all_notes(void *owner)
{
    const notes *n = owner;
    return n->count >= n->wanted;
}

static void ring(cm_timer *timer)
{
    alarm_clock *a = CM_HOLDER(timer, alarm_clock, timer);
    a->notes->text[a->notes->count++] = a->name;
    if (a->again-- > 0)
        cm_timer_start(timer, 0);
    if (a->other != NULL)
        cm_timer_stop(&a->other->timer);
}

static void make_alarms(alarm_clock *alarms, size_t count, cm_loop *loop, notes *n)
{
    for (size_t i = 0; i < count; i++) {
        alarms[i] = (alarm_clock){.notes = n, .name = (char)('a' + (int)i)};
        cm_timer_init(&alarms[i].timer, loop, ring);
    }
}

static void timers_ring_by_instant_and_then_by_start(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 5};
    alarm_clock alarms[5];
    make_alarms(alarms, 5, w.loop, &n);
    const cm_instant later = cm_instant_after(cm_loop_now(w.loop), CM_MS(3));
    cm_timer_start_at(&alarms[3].timer, later);
    cm_timer_start_at(&alarms[1].timer, later);
    cm_timer_start(&alarms[4].timer, CM_MS(6));
    cm_timer_start_at(&alarms[2].timer, later);
    cm_timer_start(&alarms[0].timer, CM_MS(1));
    assert_true(world_run(&w, has_all_notes, &n));
    assert_string_equal(n.text, "adbce");
    world_close(&w);
}

static void a_timer_never_rings_early(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    for (int i = 1; i < 20; i++) {
        notes n = {.wanted = 1};
        alarm_clock a;
        make_alarms(&a, 1, w.loop, &n);
        const cm_instant due = cm_instant_after(cm_loop_read_now(w.loop), i * 173);
        cm_timer_start_at(&a.timer, due);
        assert_true(world_run(&w, has_all_notes, &n));
        assert_true(cm_instant_since(cm_loop_now(w.loop), due) >= 0);
    }
    world_close(&w);
}

static void a_timer_that_starts_itself_again_lets_others_ring(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 5};
    alarm_clock alarms[2];
    make_alarms(alarms, 2, w.loop, &n);
    alarms[0].again = 3;
    cm_timer_start(&alarms[0].timer, 0);
    cm_timer_start(&alarms[1].timer, 0);
    assert_true(world_run(&w, has_all_notes, &n));
    assert_string_equal(n.text, "abaaa");
    world_close(&w);
}

static void what_is_due_already_sets_no_alarm(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 41};
    alarm_clock a;
    make_alarms(&a, 1, w.loop, &n);
    a.again = 40;
    cm_timer_start(&a.timer, 0);
    alarms_set = 0;
    assert_true(world_run(&w, has_all_notes, &n));
    assert_true(alarms_set < 10); /* the world's own */
    world_close(&w);
}

static void a_timer_stopped_by_another_in_its_turn_stays_silent(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 2};
    alarm_clock alarms[3];
    make_alarms(alarms, 3, w.loop, &n);
    alarms[0].other = &alarms[1];
    cm_timer_start(&alarms[0].timer, 0);
    cm_timer_start(&alarms[1].timer, 0);
    cm_timer_start(&alarms[2].timer, CM_MS(1));
    assert_true(world_run(&w, has_all_notes, &n));
    assert_string_equal(n.text, "ac");
    assert_false(cm_timer_is_running(&alarms[1].timer));
    world_close(&w);
}

static void a_timer_started_twice_rings_once_at_the_later_wish(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 2};
    alarm_clock alarms[2];
    make_alarms(alarms, 2, w.loop, &n);
    cm_timer_start(&alarms[0].timer, 0);
    cm_timer_start(&alarms[1].timer, CM_MS(2));
    cm_timer_start(&alarms[0].timer, CM_MS(4));
    assert_true(world_run(&w, has_all_notes, &n));
    assert_string_equal(n.text, "ba");
    world_close(&w);
}

static void timers_stopped_in_any_order_stay_silent(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    world w;
    world_open(&w);
    notes n = {.wanted = 1};
    alarm_clock *alarms = calloc(COUNT, sizeof *alarms);
    alarm_clock last;
    make_alarms(alarms, COUNT, w.loop, &n);
    make_alarms(&last, 1, w.loop, &n);
    cm_random random = cm_random_seeded(7);
    for (int i = 0; i < COUNT; i++)
        cm_timer_start(&alarms[i].timer, (int64_t)cm_random_below(&random, 1000000));
    for (int i = 0; i < COUNT; i++) /* all, in another order than they would ring */
        cm_timer_stop(&alarms[i * 7 % COUNT].timer);
    cm_timer_start(&last.timer, 1);
    assert_true(world_run(&w, has_all_notes, &n));
    assert_int_equal(n.count, 1);
    free(alarms);
    world_close(&w);
}

static void take_six_ms(cm_timer *timer)
{
    const cm_instant begin = cm_loop_read_now(timer->loop);
    while (cm_instant_since(cm_loop_read_now(timer->loop), begin) < CM_MS(6))
        usleep(1000);
}

static void a_slow_turn_is_counted(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    notes n = {.wanted = 1};
    alarm_clock a;
    make_alarms(&a, 1, w.loop, &n);
    cm_timer slow;
    cm_timer_init(&slow, w.loop, take_six_ms);
    cm_timer_start(&slow, 0);
    cm_timer_start(&a.timer, CM_MS(1));
    assert_true(world_run(&w, has_all_notes, &n));
    assert_true(cm_loop_slow_turns(w.loop) >= 1);
    world_close(&w);
}

/* ---- tasks ---- */

enum { POSTERS = 4, POSTS = 5000 };

typedef struct post {
    cm_task task;
    struct counts *counts;
    int poster;
    int number;
} post;

typedef struct counts {
    cm_loop *loop;
    int next[POSTERS];
    int total;
    bool is_disordered;
} counts;

typedef struct poster {
    counts *counts;
    int index;
    post *posts;
} poster;

static void count_post(cm_task *task)
{
    post *p = CM_HOLDER(task, post, task);
    counts *c = p->counts;
    if (p->number != c->next[p->poster]++)
        c->is_disordered = true;
    c->total++;
}

static void *post_many(void *argument)
{
    const poster *p = argument;
    for (int i = 0; i < POSTS; i++) {
        p->posts[i] = (post){
            .task = {.run = count_post}, .counts = p->counts, .poster = p->index, .number = i};
        cm_loop_post(p->counts->loop, &p->posts[i].task);
    }
    return NULL;
}

static bool has_all_posts(void *owner)
{
    return ((const counts *)owner)->total == POSTERS * POSTS;
}

static void tasks_of_each_thread_keep_their_order(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    counts c = {.loop = w.loop};
    poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (poster){.counts = &c, .index = i, .posts = calloc(POSTS, sizeof(post))};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    assert_true(world_run(&w, has_all_posts, &c));
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        free(posters[i].posts);
    }
    assert_false(c.is_disordered);
    world_close(&w);
}

typedef struct chain {
    cm_task task;
    cm_loop *loop;
    cm_instant turn;
    int runs;
    bool was_same_turn;
} chain;

static void run_chain(cm_task *task)
{
    chain *c = CM_HOLDER(task, chain, task);
    c->was_same_turn = c->runs > 0 && cm_loop_now(c->loop).us == c->turn.us;
    c->turn = cm_loop_now(c->loop);
    while (cm_loop_read_now(c->loop).us == c->turn.us) /* the next turn has another instant */
        continue;
    if (++c->runs < 2)
        cm_loop_post(c->loop, task);
}

static bool ran_twice(void *owner)
{
    return ((const chain *)owner)->runs == 2;
}

static void a_task_posted_by_a_task_runs_in_the_next_turn(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    chain c = {.task = {.run = run_chain}, .loop = w.loop};
    cm_loop_post(w.loop, &c.task);
    assert_true(world_run(&w, ran_twice, &c));
    assert_false(c.was_same_turn);
    world_close(&w);
}

static void a_loop_stopped_before_it_runs_returns_at_once(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    cm_loop_stop(w.loop);
    cm_loop_run(w.loop);
    world_close(&w);
}

/* ---- the pool and its lanes ---- */

enum { JOBS = 64 };

typedef struct work {
    cm_job job;
    struct bench *bench;
    int number;
    pthread_t worker;
} work;

typedef struct bench {
    work work[JOBS];
    atomic_bool is_gate_open;
    int done;
    int wanted;
    int order[JOBS];
    pthread_t loop_thread;
    bool was_done_elsewhere;
} bench;

static void wait_for_gate(cm_job *job)
{
    work *w = CM_HOLDER(job, work, job);
    w->worker = pthread_self();
    while (!atomic_load(&w->bench->is_gate_open))
        usleep(200);
}

static void note_done(cm_job *job)
{
    work *w = CM_HOLDER(job, work, job);
    bench *b = w->bench;
    b->order[b->done++] = w->number;
    if (!pthread_equal(pthread_self(), b->loop_thread))
        b->was_done_elsewhere = true;
}

static bench *make_bench(int wanted)
{
    bench *b = calloc(1, sizeof *b);
    b->wanted = wanted;
    b->loop_thread = pthread_self();
    for (int i = 0; i < JOBS; i++)
        b->work[i] =
            (work){.job = {.work = wait_for_gate, .done = note_done}, .bench = b, .number = i};
    return b;
}

static bool are_jobs_done(void *owner)
{
    const bench *b = owner;
    return b->done == b->wanted;
}

static void jobs_run_elsewhere_and_are_done_here(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    bench *b = make_bench(2);
    assert_int_equal(cm_loop_submit(w.loop, &b->work[0].job), CM_OK);
    assert_int_equal(cm_loop_submit(w.loop, &b->work[1].job), CM_OK);
    atomic_store(&b->is_gate_open, true);
    assert_true(world_run(&w, are_jobs_done, b));
    assert_false(b->was_done_elsewhere);
    assert_false(pthread_equal(b->work[0].worker, pthread_self()));
    world_close(&w);
    free(b);
}

static void open_gate(cm_job *job)
{
    work *w = CM_HOLDER(job, work, job);
    atomic_store(&w->bench->is_gate_open, true);
}

static void two_jobs_run_at_the_same_time(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    bench *b = make_bench(2);
    b->work[1].job.work = open_gate; /* the first waits for the second */
    assert_int_equal(cm_loop_submit(w.loop, &b->work[0].job), CM_OK);
    assert_int_equal(cm_loop_submit(w.loop, &b->work[1].job), CM_OK);
    assert_true(world_run(&w, are_jobs_done, b));
    assert_int_equal(b->order[0] + b->order[1], 1);
    world_close(&w);
    free(b);
}

static void jobs_past_the_bound_are_refused(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    cm_loop *narrow;
    assert_int_equal(cm_loop_create(&(cm_loop_config){.jobs_max = 3}, &narrow), CM_OK);
    bench *b = make_bench(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cm_loop_submit(narrow, &b->work[i].job), CM_OK);
    assert_int_equal(cm_loop_submit(narrow, &b->work[3].job), CM_FULL);
    assert_int_equal(cm_loop_submit_lane(narrow, 1, &b->work[3].job), CM_FULL);
    atomic_store(&b->is_gate_open, true);
    cm_loop_destroy(narrow); /* waits for them, and has them done */
    assert_int_equal(b->done, 3);
    world_close(&w);
    free(b);
}

static bool was_memory_given_back(void *owner)
{
    return cm_pool_trims() > *(const unsigned *)owner;
}

static void after_a_burst_of_jobs_memory_goes_back(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    unsigned before = cm_pool_trims();
    bench *b = make_bench(JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(cm_loop_submit(w.loop, &b->work[i].job), CM_OK);
    atomic_store(&b->is_gate_open, true);
    assert_true(world_run(&w, are_jobs_done, b));
    assert_true(world_run(&w, was_memory_given_back, &before));
    assert_int_equal(cm_pool_trims(), before + 1); /* once for all of it */
    world_close(&w);
    free(b);
}

static void a_lane_keeps_the_order_on_one_thread_for_all_loops(void **state)
{
    (void)state;
    world w, other;
    world_open(&w);
    world_open(&other);
    bench *b = make_bench(JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(cm_loop_submit_lane(w.loop, 0, &b->work[i].job), CM_OK);
    bench *elsewhere = make_bench(1);
    atomic_store(&elsewhere->is_gate_open, true);
    assert_int_equal(cm_loop_submit_lane(other.loop, 0, &elsewhere->work[0].job), CM_OK);
    atomic_store(&b->is_gate_open, true);
    assert_true(world_run(&w, are_jobs_done, b));
    assert_true(world_run(&other, are_jobs_done, elsewhere));
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(b->order[i], i);
        assert_true(pthread_equal(b->work[i].worker, elsewhere->work[0].worker));
    }
    world_close(&w);
    world_close(&other);
    free(b);
    free(elsewhere);
}

/* ---- mailboxes ---- */

typedef struct inbox {
    cm_mailbox *mailbox;
    uintptr_t next;
    uintptr_t wanted;
    bool is_disordered;
    uintptr_t destroy_at;
    atomic_uint full_count;
} inbox;

static uintptr_t dropped;

static void count_drop(void *message)
{
    (void)message;
    dropped++;
}

static void take_message(void *owner, void *message)
{
    inbox *in = owner;
    if ((uintptr_t)message != ++in->next)
        in->is_disordered = true;
    if (in->next == in->destroy_at) {
        cm_mailbox_destroy(in->mailbox, count_drop);
        in->mailbox = NULL;
    }
}

static bool has_messages(void *owner)
{
    const inbox *in = owner;
    return in->next >= in->wanted;
}

static void *message(uintptr_t number)
{
    return (void *)number; /* never followed */
}

static void *send_many(void *argument)
{
    inbox *in = argument;
    for (uintptr_t i = 1; i <= in->wanted;) {
        if (cm_mailbox_send(in->mailbox, message(i)) == CM_OK) {
            i++;
        } else {
            atomic_fetch_add(&in->full_count, 1);
            usleep(100);
        }
    }
    return NULL;
}

static void a_mailbox_carries_everything_in_order_between_threads(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    inbox in = {.wanted = 50000};
    assert_int_equal(cm_mailbox_create(w.loop, 100, take_message, &in, &in.mailbox), CM_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_many, &in), 0);
    assert_true(world_run(&w, has_messages, &in));
    pthread_join(thread, NULL);
    assert_false(in.is_disordered);
    cm_mailbox_destroy(in.mailbox, NULL);
    world_close(&w);
}

static void a_full_mailbox_says_so_and_has_room_after_delivery(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    inbox in = {.wanted = 8};
    assert_int_equal(cm_mailbox_create(w.loop, 5, take_message, &in, &in.mailbox), CM_OK);
    for (uintptr_t i = 1; i <= 8; i++) /* rounded up to 8 */
        assert_int_equal(cm_mailbox_send(in.mailbox, message(i)), CM_OK);
    assert_int_equal(cm_mailbox_send(in.mailbox, message(9)), CM_FULL);
    assert_true(world_run(&w, has_messages, &in));
    assert_int_equal(cm_mailbox_send(in.mailbox, message(9)), CM_OK);
    dropped = 0;
    cm_mailbox_destroy(in.mailbox, count_drop);
    assert_int_equal(dropped, 1);
    assert_int_equal(in.next, 8);
    world_close(&w);
}

static void a_mailbox_may_be_destroyed_by_its_message(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    inbox in = {.wanted = 2, .destroy_at = 2};
    assert_int_equal(cm_mailbox_create(w.loop, 8, take_message, &in, &in.mailbox), CM_OK);
    for (uintptr_t i = 1; i <= 5; i++)
        assert_int_equal(cm_mailbox_send(in.mailbox, message(i)), CM_OK);
    dropped = 0;
    assert_true(world_run(&w, has_messages, &in));
    assert_int_equal(in.next, 2);
    assert_int_equal(dropped, 3);
    world_close(&w);
}

/* ---- watches ---- */

typedef struct guard {
    cm_watch *watch;
    int calls;
    int wanted;
    unsigned events;
    bool drains;
    bool closes;
    int fd;
} guard;

static void note_ready(void *owner, unsigned events)
{
    guard *g = owner;
    g->calls++;
    g->events |= events;
    if (g->drains) {
        char buffer[16];
        (void)!read(g->fd, buffer, sizeof buffer);
        cm_watch_drained(g->watch, events);
    }
    if (g->closes || (!g->drains && g->calls == g->wanted)) {
        cm_watch_close(g->watch);
        g->watch = NULL;
    }
}

static bool was_called_enough(void *owner)
{
    const guard *g = owner;
    return g->calls >= g->wanted;
}

static bool is_limit_reached(void *owner)
{
    const notes *n = owner;
    return n->count > 0;
}

static void wait_ms(world *w, int64_t ms)
{
    notes n = {.wanted = 1};
    alarm_clock a;
    make_alarms(&a, 1, w->loop, &n);
    cm_timer_start(&a.timer, CM_MS(ms));
    assert_true(world_run(w, is_limit_reached, &n));
}

static void a_watch_calls_as_long_as_its_event_holds(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    guard g = {.wanted = 3};
    assert_int_equal(cm_watch_create(w.loop, pair[0], note_ready, &g, &g.watch), CM_OK);
    assert_int_equal(write(pair[1], "x", 1), 1);
    wait_ms(&w, 2);
    assert_int_equal(g.calls, 0); /* wants nothing yet */
    cm_watch_want(g.watch, CM_WATCH_READ);
    assert_true(world_run(&w, was_called_enough, &g));
    assert_int_equal(g.events, CM_WATCH_READ);
    assert_null(g.watch); /* closed itself inside */
    wait_ms(&w, 2);
    assert_int_equal(g.calls, 3);
    close(pair[0]);
    close(pair[1]);
    world_close(&w);
}

static void a_paused_watch_is_not_called_even_for_a_hang_up(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    guard g = {.wanted = 1};
    assert_int_equal(cm_watch_create(w.loop, pair[0], note_ready, &g, &g.watch), CM_OK);
    cm_watch_want(g.watch, CM_WATCH_READ);
    cm_watch_want(g.watch, 0);
    close(pair[1]);
    wait_ms(&w, 2);
    assert_int_equal(g.calls, 0);
    cm_watch_want(g.watch, CM_WATCH_WRITE);
    assert_true(world_run(&w, was_called_enough, &g));
    close(pair[0]);
    world_close(&w);
}

static void an_edge_watch_calls_until_drained_and_again_for_more(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    guard g = {.wanted = 1, .drains = true, .fd = pair[0]};
    assert_int_equal(cm_watch_create_edge(w.loop, pair[0], note_ready, &g, &g.watch), CM_OK);
    assert_int_equal(write(pair[1], "x", 1), 1);
    wait_ms(&w, 2);
    cm_watch_want(g.watch, CM_WATCH_READ); /* what came while it wanted nothing is not lost */
    assert_true(world_run(&w, was_called_enough, &g));
    wait_ms(&w, 2);
    assert_int_equal(g.calls, 1);
    g.wanted = 2;
    assert_int_equal(write(pair[1], "y", 1), 1);
    assert_true(world_run(&w, was_called_enough, &g));
    wait_ms(&w, 2);
    assert_int_equal(g.calls, 2);
    g.drains = false;
    g.closes = true;
    g.wanted = 3;
    close(pair[1]);
    assert_true(world_run(&w, was_called_enough, &g));
    close(pair[0]);
    world_close(&w);
}

static void a_descriptor_that_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    cm_watch *watch;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(cm_watch_create(w.loop, fileno(file), note_ready, NULL, &watch), CM_BROKEN);
    assert_int_equal(cm_watch_create_edge(w.loop, -1, note_ready, NULL, &watch), CM_BROKEN);
    fclose(file);
    world_close(&w);
}

/* ---- child processes ---- */

typedef struct child {
    cm_process *process;
    int socket;
    bool has_exited;
    int status;
    bool is_destroyed_on_exit;
} child;

static void note_exit(void *owner, int status)
{
    child *c = owner;
    c->has_exited = true;
    c->status = status;
    if (c->is_destroyed_on_exit) {
        cm_process_destroy(c->process);
        c->process = NULL;
    }
}

static bool has_exited(void *owner)
{
    return ((const child *)owner)->has_exited;
}

static void child_start(child *c, cm_loop *loop, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const cm_process_config config = {
        .path = "/bin/sh", .argv = argv, .on_exit = note_exit, .owner = c};
    assert_int_equal(cm_process_create(loop, &config, &c->socket, &c->process), CM_OK);
}

/* What the script wrote to its socket, after it has ended. */
static void child_run(child *c, const char *script, char *out, size_t capacity)
{
    world w;
    world_open(&w);
    *c = (child){.is_destroyed_on_exit = true};
    child_start(c, w.loop, script);
    assert_true(world_run(&w, has_exited, c));
    const ssize_t size = read(c->socket, out, capacity - 1);
    out[size > 0 ? size : 0] = 0;
    close(c->socket);
    world_close(&w);
}

static void a_child_has_its_socket_and_nothing_else_open(void **state)
{
    (void)state;
    const int ours = dup(2); /* not closed on exec */
    child c = {.socket = -1};
    char text[256];
    child_run(&c,
              "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i >&3; "
              "i=$((i+1)); done",
              text, sizeof text);
    assert_true(WIFEXITED(c.status));
    assert_string_equal(text, "0 1 2 3 ");
    child_run(&c, "readlink /proc/self/fd/0 >&3; readlink /proc/self/fd/1 1>&3", text, sizeof text);
    assert_int_equal(strncmp(text, "/dev/null\n", 10), 0);
    close(ours);
}

static void a_child_has_an_empty_environment_and_plain_signals(void **state)
{
    (void)state;
    assert_int_equal(setenv("CM_TEST_SECRET", "1", 1), 0);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    child c = {.socket = -1};
    char text[4096];
    child_run(&c, "/usr/bin/env >&3; grep -E 'Sig(Ign|Blk)' /proc/self/status >&3", text,
              sizeof text);
    signal(SIGPIPE, before);
    unsetenv("CM_TEST_SECRET");
    assert_null(strstr(text, "CM_TEST_SECRET"));
    assert_null(strstr(text, "HOME="));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000"));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
}

static void a_child_that_cannot_be_executed_exits_with_127(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    child c = {.socket = -1};
    const char *const argv[] = {"none", NULL};
    const cm_process_config config = {
        .path = "/nonexistent/helper", .argv = argv, .on_exit = note_exit, .owner = &c};
    assert_int_equal(cm_process_create(w.loop, &config, &c.socket, &c.process), CM_OK);
    assert_true(world_run(&w, has_exited, &c));
    assert_true(WIFEXITED(c.status) && WEXITSTATUS(c.status) == 127);
    cm_process_destroy(c.process);
    close(c.socket);
    world_close(&w);
}

static void a_killed_child_is_reported_and_a_destroyed_one_is_gone(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    child c = {.socket = -1}, d = {.socket = -1};
    child_start(&c, w.loop, "exec sleep 100");
    child_start(&d, w.loop, "exec sleep 100");
    const int pid = cm_process_pid(d.process);
    assert_int_equal(kill(pid, 0), 0);
    cm_process_destroy(d.process);
    assert_int_equal(kill(pid, 0), -1); /* not even a zombie is left */
    cm_process_kill(c.process);
    assert_true(world_run(&w, has_exited, &c));
    assert_true(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGKILL);
    assert_false(d.has_exited);
    cm_process_destroy(c.process);
    close(c.socket);
    close(d.socket);
    world_close(&w);
}

static void a_child_dies_with_its_parent(void **state)
{
    (void)state;
    int report[2];
    assert_int_equal(pipe(report), 0);
    const pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) { /* a server that starts a helper and then falls */
        world w;
        world_open(&w);
        child c = {.socket = -1};
        child_start(&c, w.loop, "echo >&3; exec sleep 100");
        char byte;
        while (read(c.socket, &byte, 1) != 1)
            usleep(1000);
        const int pid = cm_process_pid(c.process);
        (void)!write(report[1], &pid, sizeof pid);
        raise(SIGKILL);
    }
    int pid = 0;
    assert_int_equal(read(report[0], &pid, sizeof pid), sizeof pid);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    bool is_gone = false;
    for (int i = 0; i < 60000 && !is_gone; i++) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = fopen(path, "r");
        is_gone =
            file == NULL || fgets(line, sizeof line, file) == NULL || strstr(line, ") Z ") != NULL;
        if (file != NULL)
            fclose(file);
        usleep(1000);
    }
    assert_true(is_gone);
    close(report[0]);
    close(report[1]);
}

/* ---- virtual time ---- */

typedef struct beat {
    cm_timer timer;
    uint64_t count;
} beat;

static void on_beat(cm_timer *timer)
{
    CM_HOLDER(timer, beat, timer)->count++;
    cm_timer_start(timer, CM_SECONDS(1));
}

static void virtual_days_pass_at_once(void **state)
{
    (void)state;
    world w;
    world_open_sim(&w, 1);
    beat b = {.count = 0};
    cm_timer_init(&b.timer, w.loop, on_beat);
    cm_timer_start(&b.timer, CM_SECONDS(1));
    const cm_instant before = cm_loop_now(w.loop);
    const cm_wall wall = cm_loop_wall(w.loop);
    cm_sim_run_for(w.sim, CM_SECONDS(24 * 3600));
    assert_int_equal(b.count, 24 * 3600);
    assert_true(cm_instant_since(cm_loop_now(w.loop), before) == CM_SECONDS(24 * 3600));
    assert_true(cm_loop_wall(w.loop).us - wall.us == CM_SECONDS(24 * 3600));
    cm_sim_wall_jump(w.sim, -CM_SECONDS(3600));
    assert_true(cm_loop_wall(w.loop).us - wall.us == CM_SECONDS(23 * 3600));
    cm_timer_stop(&b.timer);
    world_close(&w);
}

static void note_event(void *owner)
{
    notes *n = owner;
    n->text[n->count++] = '!';
}

static void events_and_timers_of_loops_run_in_their_order(void **state)
{
    (void)state;
    world w;
    world_open_sim(&w, 1);
    cm_loop *other;
    assert_int_equal(cm_sim_loop_create(w.sim, &(cm_loop_config){.index = 2}, &other), CM_OK);
    notes n = {.wanted = 1};
    alarm_clock first, alarms[2];
    make_alarms(alarms, 2, other, &n);
    make_alarms(&first, 1, w.loop, &n);
    first.name = 'c';
    cm_timer_start(&alarms[0].timer, CM_MS(5));
    cm_timer_start(&alarms[1].timer, CM_MS(3));
    cm_timer_start(&first.timer, CM_MS(5));
    const cm_instant at = cm_instant_after(cm_loop_now(w.loop), CM_MS(5));
    assert_int_equal(cm_sim_at(w.sim, at, note_event, &n), CM_OK);
    cm_sim_run_for(w.sim, CM_MS(4));
    assert_string_equal(n.text, "b");
    cm_sim_run_for(w.sim, CM_MS(1));
    assert_string_equal(n.text, "b!ca"); /* events, then loops as they were created */
    assert_int_equal(cm_sim_at(w.sim, cm_instant_after(at, 9), note_event, &n), CM_OK);
    cm_loop_destroy(other); /* and an event that never comes is freed with the sim */
    world_close(&w);
}

typedef struct slow_alarm {
    alarm_clock alarm;
    cm_task task;
    world *w;
} slow_alarm;

static void note_task(cm_task *task)
{
    slow_alarm *s = CM_HOLDER(task, slow_alarm, task);
    note_event(s->alarm.notes);
}

/* Rings, takes 2 ms, and the first has something else to be done. */
static void ring_slowly(cm_timer *timer)
{
    slow_alarm *s = CM_HOLDER(timer, slow_alarm, alarm.timer);
    ring(timer);
    cm_sim_spend(s->w->sim, CM_MS(2));
    if (s->alarm.name == 'a')
        cm_loop_post(s->w->loop, &s->task);
}

static void many_slow_timers_let_others_have_their_turn(void **state)
{
    (void)state;
    world w;
    world_open_sim(&w, 1);
    notes n = {.wanted = 9};
    slow_alarm alarms[8];
    for (size_t i = 0; i < CM_COUNT(alarms); i++) {
        alarms[i] = (slow_alarm){.w = &w, .task = {.run = note_task}};
        make_alarms(&alarms[i].alarm, 1, w.loop, &n);
        cm_timer_init(&alarms[i].alarm.timer, w.loop, ring_slowly);
        alarms[i].alarm.name = (char)('a' + (int)i);
        cm_timer_start(&alarms[i].alarm.timer, CM_MS(1));
    }
    cm_sim_run_for(w.sim, CM_MS(50));
    assert_string_equal(n.text, "abc!defgh"); /* 5 ms were over with the third */
    world_close(&w);
}

static void jobs_in_virtual_time_are_done_in_the_next_turn_and_in_order(void **state)
{
    (void)state;
    world w;
    world_open_sim(&w, 1);
    bench *b = make_bench(3);
    atomic_store(&b->is_gate_open, true);
    assert_int_equal(cm_loop_submit(w.loop, &b->work[0].job), CM_OK);
    assert_int_equal(cm_loop_submit_lane(w.loop, 0, &b->work[1].job), CM_OK);
    assert_int_equal(cm_loop_submit(w.loop, &b->work[2].job), CM_OK);
    assert_int_equal(b->done, 0);
    assert_true(cm_sim_run_until(w.sim, are_jobs_done, b, 0));
    for (int i = 0; i < 3; i++)
        assert_int_equal(b->order[i], i);
    free(b);
    world_close(&w);
}

static void randomness_of_a_virtual_loop_follows_the_seed(void **state)
{
    (void)state;
    uint64_t drawn[3];
    for (uint64_t i = 0; i < 3; i++) {
        world w;
        world_open_sim(&w, i < 2 ? 5 : 6);
        drawn[i] = cm_random_u64(cm_loop_random(w.loop));
        world_close(&w);
    }
    assert_true(drawn[0] == drawn[1]);
    assert_true(drawn[0] != drawn[2]);
}

static void descriptors_and_children_are_refused_in_virtual_time(void **state)
{
    (void)state;
    world w;
    world_open_sim(&w, 1);
    cm_watch *watch;
    assert_int_equal(cm_watch_create(w.loop, 0, note_ready, NULL, &watch), CM_BROKEN);
    child c = {.socket = -1};
    const char *const argv[] = {"sh", NULL};
    const cm_process_config config = {.path = "/bin/sh", .argv = argv, .on_exit = note_exit};
    assert_int_equal(cm_process_create(w.loop, &config, &c.socket, &c.process), CM_BROKEN);
    world_close(&w);
}

/* ---- the end of several loops ---- */

typedef struct wanderer {
    cm_task task;
    cm_job job;
    cm_loop *loops[2];
    unsigned at, left;
    bool is_home;
} wanderer;

static void rest(cm_job *job)
{
    (void)job;
}

static void come_home(cm_job *job)
{
    CM_HOLDER(job, wanderer, job)->is_home = true;
}

/* From loop to loop, then through the pool. */
static void wander(cm_task *task)
{
    wanderer *w = CM_HOLDER(task, wanderer, task);
    if (w->left-- > 0) {
        w->at = !w->at;
        cm_loop_post(w->loops[w->at], task);
        return;
    }
    w->job = (cm_job){.work = rest, .done = come_home};
    assert_int_equal(cm_loop_submit(w->loops[w->at], &w->job), CM_OK);
}

static void loops_that_ended_settle_together(void **state)
{
    (void)state;
    wanderer w = {.task.run = wander, .left = 7};
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(cm_loop_create(&(cm_loop_config){.index = i}, &w.loops[i]), CM_OK);
    cm_loop_post(w.loops[0], &w.task);
    cm_loop_settle(w.loops, 2);
    assert_true(w.is_home);
    assert_int_equal(w.at, 1);
    cm_loop_settle(w.loops, 2); /* with nothing left */
    for (unsigned i = 0; i < 2; i++)
        cm_loop_destroy(w.loops[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_ring_by_instant_and_then_by_start),
        cmocka_unit_test(a_timer_never_rings_early),
        cmocka_unit_test(a_timer_that_starts_itself_again_lets_others_ring),
        cmocka_unit_test(what_is_due_already_sets_no_alarm),
        cmocka_unit_test(a_timer_stopped_by_another_in_its_turn_stays_silent),
        cmocka_unit_test(a_timer_started_twice_rings_once_at_the_later_wish),
        cmocka_unit_test(timers_stopped_in_any_order_stay_silent),
        cmocka_unit_test(a_slow_turn_is_counted),
        cmocka_unit_test(tasks_of_each_thread_keep_their_order),
        cmocka_unit_test(a_task_posted_by_a_task_runs_in_the_next_turn),
        cmocka_unit_test(a_loop_stopped_before_it_runs_returns_at_once),
        cmocka_unit_test(jobs_run_elsewhere_and_are_done_here),
        cmocka_unit_test(two_jobs_run_at_the_same_time),
        cmocka_unit_test(jobs_past_the_bound_are_refused),
        cmocka_unit_test(after_a_burst_of_jobs_memory_goes_back),
        cmocka_unit_test(a_lane_keeps_the_order_on_one_thread_for_all_loops),
        cmocka_unit_test(a_mailbox_carries_everything_in_order_between_threads),
        cmocka_unit_test(a_full_mailbox_says_so_and_has_room_after_delivery),
        cmocka_unit_test(a_mailbox_may_be_destroyed_by_its_message),
        cmocka_unit_test(a_watch_calls_as_long_as_its_event_holds),
        cmocka_unit_test(a_paused_watch_is_not_called_even_for_a_hang_up),
        cmocka_unit_test(an_edge_watch_calls_until_drained_and_again_for_more),
        cmocka_unit_test(a_descriptor_that_cannot_be_watched_is_refused),
        cmocka_unit_test(a_child_has_its_socket_and_nothing_else_open),
        cmocka_unit_test(a_child_has_an_empty_environment_and_plain_signals),
        cmocka_unit_test(a_child_that_cannot_be_executed_exits_with_127),
        cmocka_unit_test(a_killed_child_is_reported_and_a_destroyed_one_is_gone),
        cmocka_unit_test(a_child_dies_with_its_parent),
        cmocka_unit_test(virtual_days_pass_at_once),
        cmocka_unit_test(events_and_timers_of_loops_run_in_their_order),
        cmocka_unit_test(many_slow_timers_let_others_have_their_turn),
        cmocka_unit_test(jobs_in_virtual_time_are_done_in_the_next_turn_and_in_order),
        cmocka_unit_test(randomness_of_a_virtual_loop_follows_the_seed),
        cmocka_unit_test(descriptors_and_children_are_refused_in_virtual_time),
        cmocka_unit_test(loops_that_ended_settle_together),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
