#include "loop/pool.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "loop/loop_priv.h"

enum {
    POOL_THREADS_DEFAULT = 2,
    POOL_THREADS_MAX = 64,
    /* Shared threads give way to the loops where there are fewer processors than both: who joins
     * waits, not those who watch. */
    SHARED_NICE = 5,
    /* So many jobs that wait in the shared queue are a burst; when it is over for so long, the
     * memory that it took goes back. */
    BURST_JOBS = 32,
    CALM_S = 2,
};

typedef struct queue {
    cm_list waiting; /* cm_job.node */
    size_t waiting_count;
    pthread_cond_t has_work;
    pthread_t threads[POOL_THREADS_MAX];
    unsigned thread_count;
    unsigned thread_max;
    unsigned idle_count;
    bool had_burst;       /* and its memory was not given back */
    struct timespec calm; /* when it will be, if no other comes */
} queue;

/* Lane i is queues[i]; the shared queue is the last. Both locks: `membership` first. */
static struct {
    pthread_mutex_t membership; /* held while a loop joins or leaves, also over the threads' end */
    pthread_mutex_t lock;       /* guards what follows */
    pthread_cond_t one_posted;
    bool is_ready; /* the queues were initialised */
    bool is_ending;
    unsigned loops;
    unsigned trims;
    queue queues[CM_LOOP_LANES + 1];
} pool = {.membership = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .one_posted = PTHREAD_COND_INITIALIZER};

static void init_queues(void)
{
    for (unsigned i = 0; i <= CM_LOOP_LANES; i++) {
        queue *q = &pool.queues[i];
        cm_list_init(&q->waiting);
        pthread_cond_init(&q->has_work, NULL);
        q->thread_max = 1;
    }
    pool.is_ready = true;
}

void cm_pool_join(cm_pool_seat *seat, unsigned threads)
{
    const unsigned wanted = threads == 0 ? POOL_THREADS_DEFAULT : threads;
    seat->jobs = 0;
    pthread_mutex_lock(&pool.membership);
    pthread_mutex_lock(&pool.lock);
    if (!pool.is_ready)
        init_queues();
    queue *shared = &pool.queues[CM_LOOP_LANES];
    if (wanted > shared->thread_max)
        shared->thread_max = wanted < POOL_THREADS_MAX ? wanted : POOL_THREADS_MAX;
    pool.loops++;
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.membership);
}

static bool is_shared(const queue *q)
{
    return q == &pool.queues[CM_LOOP_LANES];
}

/* Under the lock. Handshakes and the like leave the allocator of each thread with what they needed
 * all at once: 65 KB each for a thousand of them. */
static void give_memory_back(queue *q)
{
    q->had_burst = false;
    pool.trims++;
    pthread_mutex_unlock(&pool.lock);
    (void)malloc_trim(0);
    pthread_mutex_lock(&pool.lock);
}

/* Under the lock, as the next two. */
static void note_burst(queue *q)
{
    if (!is_shared(q) || q->waiting_count < BURST_JOBS)
        return;
    q->had_burst = true;
    clock_gettime(CLOCK_MONOTONIC, &q->calm);
    q->calm.tv_sec += CALM_S;
}

static bool is_calm(const queue *q)
{
    struct timespec now;
    if (!q->had_burst)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > q->calm.tv_sec ||
           (now.tv_sec == q->calm.tv_sec && now.tv_nsec >= q->calm.tv_nsec);
}

/* Until there may be work. */
static void wait_for_work(queue *q)
{
    q->idle_count++;
    if (q->had_burst)
        (void)pthread_cond_clockwait(&q->has_work, &pool.lock, CLOCK_MONOTONIC, &q->calm);
    else
        pthread_cond_wait(&q->has_work, &pool.lock);
    q->idle_count--;
    if (is_calm(q))
        give_memory_back(q);
}

/* A pool thread: performs what waits in its queue until the pool ends. */
static void *serve(void *argument)
{
    queue *q = argument;
    if (is_shared(q))
        (void)setpriority(PRIO_PROCESS, 0, SHARED_NICE); /* on Linux of this thread alone */
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (cm_list_is_empty(&q->waiting) && !pool.is_ending)
            wait_for_work(q);
        if (cm_list_is_empty(&q->waiting))
            break;
        cm_job *job = CM_HOLDER(q->waiting.next, cm_job, node);
        cm_pool_seat *seat = &job->loop->seat;
        cm_list_remove(&job->node);
        q->waiting_count--;
        pthread_mutex_unlock(&pool.lock);
        cm_job_perform(job); /* after this the job may be gone already */
        pthread_mutex_lock(&pool.lock);
        if (--seat->jobs == 0)
            pthread_cond_broadcast(&pool.one_posted);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Under the lock. Signals are the main thread's: a pool thread takes none. */
static void start_thread(queue *q)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&q->threads[q->thread_count], NULL, serve, q) == 0)
        q->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Under both locks. */
static void end_threads(void)
{
    pool.is_ending = true;
    for (unsigned i = 0; i <= CM_LOOP_LANES; i++)
        pthread_cond_broadcast(&pool.queues[i].has_work);
    for (unsigned i = 0; i <= CM_LOOP_LANES; i++) {
        queue *q = &pool.queues[i];
        while (q->thread_count > 0) {
            const pthread_t thread = q->threads[--q->thread_count];
            pthread_mutex_unlock(&pool.lock);
            pthread_join(thread, NULL);
            pthread_mutex_lock(&pool.lock);
        }
    }
    pool.is_ending = false;
    pool.queues[CM_LOOP_LANES].thread_max = 1;
}

void cm_pool_leave(void)
{
    pthread_mutex_lock(&pool.membership);
    pthread_mutex_lock(&pool.lock);
    assert(pool.loops > 0);
    if (--pool.loops == 0)
        end_threads();
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.membership);
}

cm_status cm_pool_submit(unsigned lane, cm_job *job)
{
    queue *q = &pool.queues[lane];
    pthread_mutex_lock(&pool.lock);
    if (q->waiting_count >= q->idle_count && q->thread_count < q->thread_max)
        start_thread(q);
    const bool is_served = q->thread_count > 0;
    if (is_served) {
        cm_list_add_last(&q->waiting, &job->node);
        q->waiting_count++;
        note_burst(q);
        job->loop->seat.jobs++;
        pthread_cond_signal(&q->has_work);
    }
    pthread_mutex_unlock(&pool.lock);
    return is_served ? CM_OK : CM_BROKEN;
}

unsigned cm_pool_trims(void)
{
    pthread_mutex_lock(&pool.lock);
    const unsigned trims = pool.trims;
    pthread_mutex_unlock(&pool.lock);
    return trims;
}

void cm_pool_wait(cm_pool_seat *seat)
{
    pthread_mutex_lock(&pool.lock);
    while (seat->jobs > 0)
        pthread_cond_wait(&pool.one_posted, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}
