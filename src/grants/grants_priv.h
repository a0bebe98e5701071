/*
 * grants_priv: the shapes that cameras.c, viewers.c and grants.c share. All on the control loop but
 * for what is marked.
 */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "grants/grants.h"
#include "media/seal_mint.h"

enum {
    CM_GRANTS_HISTORY = 8,    /* epochs' keys kept for what is still cached */
    CM_GRANTS_BATCH = 16,     /* chains read by one job */
    CM_GRANTS_JOBS_MAX = 2,   /* jobs at once: the store's readers */
    CM_GRANTS_SAME_MAX = 512, /* of the queue, looked through for others of a dead token */
};

#define CM_GRANTS_COALESCE_US   CM_MS(20)
#define CM_GRANTS_LEASE_US      CM_SECONDS(60)
#define CM_GRANTS_RENEW_MIN_US  CM_SECONDS(20)
#define CM_GRANTS_RENEW_MAX_US  CM_SECONDS(40)
#define CM_GRANTS_RETRY_US      CM_MS(100)
#define CM_GRANTS_ON_ITS_WAY_US CM_MS(90) /* a set handed over within this is not lost yet */
#define CM_GRANTS_SILENCE_US    CM_SECONDS(1)
#define CM_GRANTS_ANSWER_US     CM_MS(100) /* a nudge that has no answer by then is sent again */
#define CM_GRANTS_OUTSIDE_US    CM_SECONDS(1)
#define CM_GRANTS_BEHIND_US     CM_MS(1)   /* behind the end of a lease it is decided again */
#define CM_GRANTS_JUMP_US       CM_MS(250) /* less is a clock that is being adjusted */

/* The keys of one set of sealers, as leases need them. */
typedef struct cm_grants_keys {
    uint64_t epoch;
    cm_seal_key keys[CM_STREAMS][CM_OBJECTS];
} cm_grants_keys;

typedef struct cm_grants_camera {
    cm_list node; /* in the bucket */
    cm_camera_key key;
    cm_epoch_slot *slot;
    uint64_t epoch;     /* the minimum, as published */
    uint64_t made;      /* the highest epoch that has a set */
    cm_instant made_at; /* when a set was handed over last */
    cm_grants_keys history[CM_GRANTS_HISTORY];
    size_t history_count; /* by epoch, oldest first */
    uint64_t forgotten;   /* the highest epoch of which a set had to go; 0: none */
    cm_loop *source_loop;
    cm_grants_camera_events events;
    void *owner;
} cm_grants_camera;

enum { CM_GRANTS_BUCKETS = 1024 };

struct cm_grants {
    cm_grants_config config;
    cm_secret root; /* random, of this process: parent of the epochs' secrets */
    cm_list cameras[CM_GRANTS_BUCKETS];
    size_t camera_count;
    cm_list viewers;        /* cm_viewer_session.node: all that are open */
    cm_list undecided;      /* cm_viewer_session.queue_node, in the order of their numbers */
    uint64_t last_number;   /* given to what was put there last */
    cm_list changes;        /* cm_grants_waiting: whose `done` is due */
    size_t jobs;            /* reading now */
    cm_timer decide_timer;  /* coalesces turns; also waits for room in the pool */
    cm_timer ask_timer;     /* those who ask for the first time: in the turn they come */
    cm_instant decided;     /* when a round was begun last */
    uint64_t round_until;   /* who was in the queue by then belongs to it: no further wait */
    cm_timer outside_timer; /* looks for changes by other processes */
    bool is_looking_outside;
    int64_t wall_ahead_us;     /* of CLOCK_BOOTTIME, when last looked at */
    int64_t seen_outside;      /* cm_store_outside_changes */
    uint64_t last_session;     /* number of the lease's session */
    bool is_destroyed;         /* only what is still on its way keeps the memory */
    _Atomic size_t holds;      /* the creator's, and one per message or job on its way to us */
    _Atomic uint64_t sessions; /* any loop */
    cm_grants_counters counters;
};

/* A viewer session. One piece of memory, two halves, each touched by its own loop only; what passes
 * between them are messages. It is freed on the viewer's loop by the last message. */
struct cm_viewer_session {
    /* Set once, before the first message. */
    cm_grants *grants;
    cm_loop *loop;
    cm_viewer_ask ask;
    uint64_t number;
    /* The viewer's half: its own loop. */
    cm_viewer_events events;
    void *owner;
    bool is_closed;
    bool has_ended;
    bool is_nudging; /* the nudge is on its way */
    cm_timer watchdog;
    cm_task open_task, nudge_task, close_task;
    /* The control loop's half. */
    cm_list node;
    cm_list queue_node;
    uint64_t queue_number;
    uint64_t serial; /* rises with each change that concerns it */
    bool is_read;    /* a job reads its chain */
    bool is_leaving; /* closed by its viewer; goes once no job reads for it */
    bool has_facts;
    bool has_begun;      /* had a lease */
    cm_viewing *viewing; /* what is opened under its leases counts here */
    cm_grant_facts facts;
    cm_account_id account; /* of the last evidence; a guest's is his link's maker */
    cm_camera_key camera;  /* as its row says of itself */
    const cm_zone *zone;   /* of the home's clock; may be NULL */
    cm_wall expires;
    bool is_allowed;
    bool is_ended; /* told so, or to be told again */
    cm_grant_reason reason;
    cm_watching watching; /* what is told of it */
    cm_timer renewal;
    cm_task nudged_task; /* control -> viewer: the nudge was read */
};

/* Any loop: a message or job is on its way to the control loop. */
void cm_grants_hold(cm_grants *grants);
/* It has arrived. False: grants was destroyed meanwhile (and its memory may be gone): the message
 * only frees itself. */
bool cm_grants_arrived(cm_grants *grants);

/* ---- cameras.c ---- */

cm_grants_camera *cm_grants_find_camera(cm_grants *grants, const cm_camera_key *key);
/* Publishes, before anything else. True if it rose. */
bool cm_grants_publish(cm_grants *grants, cm_grants_camera *camera, uint64_t min_epoch);
/* Makes the sets of the present and the next epoch, if they are due, and hands them over. */
void cm_grants_make_sets(cm_grants *grants, cm_grants_camera *camera);
/* The keys of these streams up to the present epoch, oldest first. */
size_t cm_grants_collect_keys(const cm_grants_camera *camera, uint32_t streams,
                              cm_seal_key out[CM_LEASE_KEYS_MAX]);
void cm_grants_free_cameras(cm_grants *grants);

/* ---- viewers.c ---- */

/* Its facts are thrown away; it is decided again from the store in the next round. */
void cm_grants_doubt(cm_viewer_session *session);
/* Begins a round when it is due. */
void cm_grants_schedule(cm_grants *grants);
void cm_grants_ask_due(cm_timer *timer);
void cm_grants_decide_due(cm_timer *timer);
void cm_grants_end_of_camera(cm_grants *grants, const cm_camera_key *key);
/* The wall's clock was set: every session is decided again, by the facts in memory. */
void cm_grants_clock_jumped(cm_grants *grants);
void cm_grants_doubt_camera(cm_grants *grants, const cm_camera_key *key);

/* ---- grants.c ---- */

/* Runs `done` of the changes whose sessions have all been decided. */
void cm_grants_settle(cm_grants *grants);
/* Its number; UINT64_MAX: the queue is empty. */
uint64_t cm_grants_first_undecided(const cm_grants *grants);
