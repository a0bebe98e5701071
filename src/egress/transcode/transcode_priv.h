/*
 * transcode_priv: what the parts of the service share. transcode.c: cameras and their ears; feed.c:
 * frames to jobs, answers to frames; worker.c: one helper process per home.
 *
 * A job belongs to the worker of its home: first in its queue, then in its flight (sent to the
 * process, not yet answered). Everything is on the service's loop.
 */
#pragma once

#include "egress/helper/process.h"
#include "egress/transcode/transcode.h"

enum { LANES = 2 /* streams that are made of a camera's sound */, JOBS_MAX = 256 /* of a home */ };

typedef struct transcode_worker transcode_worker;

/* One stream that is made of a camera's sound. */
typedef struct transcode_lane {
    cm_transcode *owner;
    cm_stream stream;
    cm_source *source;
    cm_list ears;
    cm_cursor cursor;         /* in the sound that it is made of */
    transcode_worker *worker; /* while there are ears */
    uint16_t number;          /* in the helper */
} transcode_lane;

struct cm_transcode {
    cm_transcode_config config;
    transcode_lane lanes[LANES];
};

typedef struct transcode_job {
    cm_list node; /* in the worker's queue or flight */
    uint64_t id;
    transcode_lane *lane; /* NULL: nobody waits for it any more */
    uint16_t lane_number;
    cm_frame *frame;                        /* held until it is sent, then NULL */
    uint8_t delegation[CM_DELEGATION_SIZE]; /* wiped when it is sent */
    uint64_t number, epoch;                 /* what must come back, with the times */
    cm_wall captured;
    cm_media_time media_time;
} transcode_job;

typedef enum transcode_worker_state {
    TRANSCODE_OFF, /* no process */
    TRANSCODE_RUNNING,
    TRANSCODE_ENDING,  /* told to end, or killed: its end is awaited */
    TRANSCODE_RESTING, /* it died, or there was no place: back-off */
} transcode_worker_state;

struct transcode_worker {
    cm_list node;
    cm_transcode_service *service;
    cm_home_id home;
    transcode_worker_state state;
    cm_helper_process helper;
    bool was_told; /* to end: its end is no death */
    size_t lanes;  /* that have ears */
    uint16_t last_lane;
    cm_list queue, flight;
    size_t jobs; /* in both */
    int64_t rest_us;
    cm_timer clock; /* by state: the oldest job's limit, idleness, end of rest, going away */
};

struct cm_transcode_service {
    cm_transcode_service_config config;
    char helper_path[4096];
    unsigned loop_index;
    cm_list workers;
    uint64_t last_job;
    cm_frame *stray; /* fault injection only: the frame before, of any camera */
    cm_transcode_counters counters;
};

/* ---- worker.c ---- */

/* A lane of the home has its first ear: from here on it has a process, if one can be had. */
cm_status transcode_worker_enter(transcode_lane *lane);
void transcode_worker_leave(transcode_lane *lane);
bool transcode_worker_has_room(const transcode_worker *worker);
void transcode_worker_take(transcode_worker *worker, transcode_job *job);
void transcode_worker_destroy(transcode_worker *worker);

/* ---- feed.c ---- */

void transcode_feed(transcode_lane *lane, cm_frame *frame);
/* The answer to it came: publishes what was made. Frees the job. */
void transcode_job_finish(transcode_worker *worker, transcode_job *job,
                          const cm_helper_answer *answer);
void transcode_job_free(transcode_worker *worker, transcode_job *job);
