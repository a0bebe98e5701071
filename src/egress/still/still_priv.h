/*
 * still_priv: what the parts of the still service share. still.c: asks, sharing, answers;
 * still_cache.c: sealed stills kept; still_worker.c: one helper process per home.
 *
 * An ask makes or joins a job; a job belongs to the worker of its home, first in its queue, then in
 * its flight (sent to the process, not yet answered). Everything is on the service's loop.
 */
#pragma once

#include "base/list.h"
#include "egress/helper/process.h"
#include "egress/still/still.h"

typedef struct still_worker still_worker;

/* Which picture, and how wide: stills of equal keys are the same still. */
typedef struct still_key {
    cm_camera_key camera;
    cm_stream stream;
    unsigned width;
    uint64_t epoch; /* of the keyframe */
    uint8_t instance[CM_INSTANCE_SIZE];
    uint64_t number;
} still_key;

bool still_key_equal(const still_key *a, const still_key *b);

/* ---- the cache ---- */

enum { STILL_BUCKETS = 256 };

typedef struct still_cache {
    cm_list buckets[STILL_BUCKETS]; /* by camera */
    cm_list age;                    /* least recently used first */
    size_t bytes;
    size_t bytes_max;
    unsigned loop_index;
} still_cache;

void still_cache_init(still_cache *cache, size_t bytes_max, unsigned loop_index);
void still_cache_deinit(still_cache *cache);
/* Borrowed; NULL: there is none of this very keyframe and width, sealed under `epoch`. */
cm_frame *still_cache_find(still_cache *cache, const still_key *key, uint64_t epoch);
/* What a mixed up cache would hand out: the newest still of another camera. Borrowed; NULL: none.
 */
cm_frame *still_cache_find_foreign(still_cache *cache, const cm_camera_key *camera);
/* Adds a hold. Replaces what is kept of the same camera, stream and width. */
void still_cache_put(still_cache *cache, const still_key *key, cm_frame *still);
void still_cache_forget(still_cache *cache, const cm_camera_key *camera);

/* ---- jobs ---- */

typedef struct still_job {
    cm_list node; /* in the worker's queue or flight */
    still_worker *worker;
    uint64_t id;
    still_key key;
    cm_frame *frame;                        /* held until it is sent, then NULL */
    uint8_t delegation[CM_DELEGATION_SIZE]; /* wiped when it is sent */
    uint64_t still_number;                  /* what must come back */
    uint64_t still_epoch;
    cm_wall captured;
    cm_media_time media_time;
    cm_list requests;
    cm_timer patience; /* in the queue */
    bool is_forgotten; /* its camera was: nobody else joins, and it is not kept */
} still_job;

/* Answers everyone who waits for the job, and frees it. `still` is borrowed, NULL unless CM_OK. */
void still_job_settle(still_job *job, cm_status status, cm_frame *still);
/* A still came back: looks whether it is the one that was asked for, keeps it, settles. */
void still_job_finish(still_job *job, cm_status status, cm_slice wire);
void still_job_free(still_job *job);

/* ---- workers ---- */

enum { STILL_FLIGHT_MAX = 2, STILL_QUEUE_MAX = 64, STILL_REQUESTS_MAX = 1024 };

typedef enum still_worker_state {
    STILL_WORKER_OFF,     /* no process; the worker goes when it stays so */
    STILL_WORKER_WAITING, /* for a place among the processes */
    STILL_WORKER_RUNNING,
    STILL_WORKER_ENDING,  /* told to end, or killed: its end is awaited */
    STILL_WORKER_RESTING, /* it died: back-off */
} still_worker_state;

struct still_worker {
    cm_list node;
    cm_still_service *service;
    cm_home_id home;
    still_worker_state state;
    cm_helper_process helper;
    cm_instant started;
    cm_instant used; /* when it last had something to do */
    bool was_told;   /* to end: its end is no death */
    cm_list queue, flight;
    size_t queued, in_flight, requests;
    int64_t rest_us;
    cm_timer clock; /* by state: idle or a job's limit, end of rest, going away */
};

cm_status still_worker_get(cm_still_service *service, const cm_home_id *home, still_worker **out);
/* Puts the job at the end of its queue; the caller saw that there is room. */
void still_worker_take(still_worker *worker, still_job *job);
/* Starts a process if there is none, a place is free and it need not rest. */
void still_worker_warm(still_worker *worker);
/* Its jobs are settled as CM_BROKEN, its process is killed. */
void still_worker_destroy(still_worker *worker);

/* ---- the service ---- */

struct cm_still_service {
    cm_still_config config;
    char helper_path[4096];
    unsigned loop_index;
    cm_fanout *fanout; /* proves stills before they are kept */
    still_cache cache;
    cm_list workers;
    cm_list due; /* cm_still_request.node: to be answered */
    cm_timer answer;
    uint64_t next_job;
    cm_buffer stray; /* fault injection only: the answer before this one */
    cm_still_counters counters;
};

void still_alarm(cm_still_service *service, const cm_camera_key *camera, cm_refusal refusal);
