/* hub_priv: what hub.c (channels, sources, other loops) and subscription.c (viewers) share. */
#pragma once

#include "loop/mailbox.h"
#include "media/hub.h"
#include "media/ring.h"
#include "media/seal_priv.h"

enum {
    HUB_BUCKETS = 1024,
    PASS_VIEWERS_MAX = 256, /* viewers served by one opening; more take further passes */
    MAILBOX_FRAMES = 1024,
    LEASE_TICK_MS = 20, /* how soon a turned key is noticed when no frame comes */
};

/* What a channel has of the source's loop. */
typedef enum mirror_state {
    MIRROR_NONE,
    MIRROR_ON,     /* asked for: what comes enters the ring */
    MIRROR_ENDING, /* asked to stop: what comes was on its way and is dropped, until the source's
                      loop says that nothing is any more; only then it can be asked for again */
} mirror_state;

/* One stream on one loop: the source's own, or a mirror of one that lives elsewhere. */
typedef struct channel {
    cm_list node; /* in its bucket */
    cm_hub *hub;
    cm_camera_key camera;
    cm_stream stream;
    cm_ring ring;
    uint64_t arrived; /* frames that ever entered the ring: position of the next */
    cm_list subscriptions;
    size_t viewers;          /* also those that were closed and not freed yet */
    cm_list unused;          /* in hub->unused */
    cm_publisher *publisher; /* when the source lives here */
    mirror_state mirror;
    struct {
        bool is_wanted;
        bool needs_keyframe; /* the mailbox was full */
    } remotes[CM_LOOPS_MAX]; /* loops that mirror it */
} channel;

/* Which frame was the newest. */
typedef struct frame_place {
    bool is_any;
    uint64_t epoch;
    uint8_t instance[CM_INSTANCE_SIZE];
    uint64_t number;
} frame_place;

struct cm_publisher {
    channel *channel;
    frame_place newest; /* of those put */
};

struct cm_hub {
    cm_hub_config config;
    unsigned index;
    cm_hub *const *all; /* every loop's hub; NULL until tied */
    size_t loop_count;
    cm_mailbox *from[CM_LOOPS_MAX]; /* frames of other loops; [i] is fed by loop i */
    _Atomic unsigned posted;        /* tasks on their way to this hub: it stays until they ran */
    bool is_destroyed;
    cm_fanout *fanout;
    cm_list buckets[HUB_BUCKETS];
    unsigned depth;    /* inside a pass: nothing that it may look at is freed */
    cm_list graveyard; /* subscriptions closed inside a pass */
    cm_list unused;    /* channels that lost what they were for inside a pass */
    cm_list renewing;  /* subscriptions that got a lease inside a pass */
    cm_list joining;   /* subscriptions to be served in the next turn */
    cm_timer join_timer;
    cm_timer lease_timer;
    unsigned ticks; /* of the lease timer, for the checks that time alone makes due */
    uint64_t seen_generation;
    cm_hub_counters counters;
};

typedef enum subscription_state {
    SUB_LIVE,    /* has had, or will have, every frame as it comes */
    SUB_BLOCKED, /* in the middle of `blocked` */
    SUB_STALE,   /* waits for a lease */
    SUB_CLOSED,
} subscription_state;

/* One that was opened for a subscription. */
typedef struct remembered_frame {
    cm_frame *frame; /* held; NULL: forgotten */
    cm_delivered delivered;
} remembered_frame;

struct cm_subscription {
    cm_list node;     /* in its channel, or the graveyard */
    cm_list waiting;  /* in hub->joining, or to be told that its lease is over */
    cm_list renewing; /* in hub->renewing */
    cm_hub *hub;
    channel *channel;
    cm_lease *lease;
    cm_lease *renewed; /* takes the place of `lease` when the pass under way has ended */
    cm_cursor cursor;
    uint64_t next;     /* position in the channel of the frame to be served next */
    cm_frame *blocked; /* held; the viewer has had a part of it */
    uint16_t first;    /* the granules of it that he wants, up to `end`; 0, 0: all */
    uint16_t end;
    cm_delivered delivered;       /* of the frame being delivered */
    remembered_frame *remembered; /* by number modulo remembered_max; NULL: not asked for */
    uint32_t remembered_max;
    uint32_t remembered_first; /* numbers of the oldest, */
    uint32_t remembered_next;  /* and of the next */
    subscription_state state;
    cm_subscription_events events;
    void *owner;
};

channel *cm_hub_find(cm_hub *hub, const cm_camera_key *camera, cm_stream stream);
cm_status cm_hub_open_channel(cm_hub *hub, const cm_camera_key *camera, cm_stream stream,
                              channel **out);
void cm_channel_release_if_unused(channel *c);
/* Asks the source's loop for the stream, if that is another one. */
void cm_channel_mirror(channel *c);

/* A frame has entered the ring: every subscription at the live edge gets it. */
void cm_channel_serve(channel *c, cm_frame *frame);
/* What could not be done inside a pass: renewals, and freeing what was closed. */
void cm_hub_settle(cm_hub *hub);
void cm_hub_on_join_timer(cm_timer *timer);
void cm_hub_on_lease_timer(cm_timer *timer);
/* Are all leases still good? Looks only when the page changed or `is_due`. */
void cm_hub_check_leases(cm_hub *hub, bool is_due);
