#include "loop/pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "loop/loop_priv.h"

enum { POOL_THREADS_DEFAULT = 2, POOL_THREADS_MAX = 64 };

typedef struct queue {
    cm_list waiting; /* cm_job.node */
    size_t waiting_count;
    pthread_cond_t has_work;
    pthread_t threads[POOL_THREADS_MAX];
    unsigned thread_count;
    unsigned thread_max;
    unsigned idle_count;
} queue;

/* Lane i is queues[i]; the shared queue is the last. Both locks: `membership` first. */
static struct {
    pthread_mutex_t membership; /* held while a loop joins or leaves, also over the threads' end */
    pthread_mutex_t lock;       /* guards what follows */
    pthread_cond_t one_posted;
    bool is_ready; /* the queues were initialised */
    bool is_ending;
    unsigned loops;
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

/* A pool thread: performs what waits in its queue until the pool ends. */
static void *serve(void *argument)
{
    queue *q = argument;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (cm_list_is_empty(&q->waiting) && !pool.is_ending) {
            q->idle_count++;
            pthread_cond_wait(&q->has_work, &pool.lock);
            q->idle_count--;
        }
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
        job->loop->seat.jobs++;
        pthread_cond_signal(&q->has_work);
    }
    pthread_mutex_unlock(&pool.lock);
    return is_served ? CM_OK : CM_BROKEN;
}

void cm_pool_wait(cm_pool_seat *seat)
{
    pthread_mutex_lock(&pool.lock);
    while (seat->jobs > 0)
        pthread_cond_wait(&pool.one_posted, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}
