/* audit_priv: what the parts of the writer share: audit.c (the queue, any thread), writer.c (its
 * thread), open.c (where an earlier process left off). */
#pragma once

#include <pthread.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "audit/index.h"
#include "audit/private.h"

/* What is being counted within its minute. */
typedef struct cm_audit_repeat_row {
    bool is_used;
    cm_audit_entry entry; /* the first; count: those after it */
} cm_audit_repeat_row;

/* The segment that is written, and how far: the writer's own once it runs. */
typedef struct cm_audit_tail {
    uint64_t sequence;
    int fd, private_fd;
    uint64_t size, private_size; /* durable bytes */
    cm_audit_chain chain;
    cm_audit_head head;
    cm_audit_index index;
} cm_audit_tail;

struct cm_audit {
    cm_audit_config config; /* its pointers are NULL: they were the caller's */
    char path[4096];
    int directory;
    cm_audit_signer signer;
    cm_secret key; /* of indexes */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex;  /* for all up to the next paragraph */
    pthread_cond_t work;    /* there is some, or it may be tried again */
    pthread_cond_t settled; /* a batch is durable, or could not be written */
    cm_buffer queue;
    uint64_t put, durable, failed; /* counts of entries: the highest of each */
    uint64_t dropped;              /* and not written down yet */
    cm_wall newest;                /* time of what was put last */
    bool is_stopping;
    cm_audit_repeat_row repeats[CM_AUDIT_REPEATS_MAX];
    cm_audit_counters counters;
    cm_audit_head head;
    uint64_t active;      /* sequence of the segment being written, */
    uint64_t active_size; /* and how much of it counts */

    /* The writer's own. */
    cm_audit_tail tail;
    cm_buffer batch;          /* taken from the queue, until it is durable */
    cm_buffer bytes, private; /* the same as it is written */
    uint64_t gap;             /* entries dropped before this batch's end */
    cm_wall batch_time;
    uint64_t batch_upto; /* `put` when it was taken */
};

/* ---- writer.c ---- */

void *cm_audit_run(void *audit);
/* A fresh segment behind `tail`, which becomes it. */
cm_status cm_audit_begin_segment(cm_audit *audit);

/* ---- open.c ---- */

/* The newest segment as it was left, or the first of a fresh log. *torn_out: bytes cut off. */
cm_status cm_audit_find_tail(cm_audit *audit, char message[CM_AUDIT_MESSAGE_SIZE],
                             uint64_t *torn_out);
