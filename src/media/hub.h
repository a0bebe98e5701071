/*
 * hub: where the streams of one loop meet their viewers. One a loop.
 *
 * A source publishes each sealed frame once to its own loop's hub. Viewers subscribe at the hub of
 * their own loop; when the source lives on another loop, the frames cross once, through a bounded
 * mailbox, whatever the number of viewers (policy when it is full: drop to the next keyframe). On
 * each loop a channel keeps the ring and serves all its subscriptions in one pass of
 * cm_fanout_open.
 *
 * A subscription is either at the live edge, or behind (its viewer was blocked), or waiting for a
 * lease. It begins with the newest keyframe and is served in order. The ring keeps the group of
 * pictures before that keyframe for as long as a subscription of its loop is in it, so that nobody
 * loses pictures by a short wait; one that is later than that goes on at the newest keyframe. Of
 * sound, where every frame is a keyframe, the last CM_RING_SOUND_FRAMES stay in the same way.
 * Nothing in the clear is ever kept: a blocked viewer has the frame and an offset, and it is opened
 * again for him.
 *
 * Which loop a camera lives on is a pure function of its key (cm_hub_loop_of), so there is no map
 * to be wrong. Threads: a hub and its subscriptions belong to their loop. Hubs are tied together
 * once, before their loops run.
 */
#pragma once

#include "loop/loop.h"
#include "media/seal.h"

typedef struct cm_hub cm_hub;
typedef struct cm_publisher cm_publisher;
typedef struct cm_subscription cm_subscription;

typedef struct cm_hub_config {
    cm_loop *loop;
    const cm_epoch_page *page;
    size_t ring_bytes_max; /* per stream, with what is kept for those who are behind; 0 means 16
                              MiB */
    /* An open was refused in a way that is an alarm. On the loop. May be NULL. */
    void (*on_alarm)(void *owner, const cm_camera_key *camera, cm_stream stream,
                     cm_refusal refusal);
    void *owner;
} cm_hub_config;

cm_status cm_hub_create(const cm_hub_config *config, cm_hub **out);
/* After its publishers and subscriptions and after cm_hub_untie; before its loop is destroyed. */
void cm_hub_destroy(cm_hub *hub);
/* Makes the mailboxes between all hubs (hubs[i] on the loop of index i). */
cm_status cm_hub_tie(cm_hub *const *hubs, size_t count);
/* Undoes it, when no loop runs any more. */
void cm_hub_untie(cm_hub *const *hubs, size_t count);
size_t cm_hub_loop_of(const cm_camera_key *camera, size_t loop_count);

/* ---- sources ---- */

/* CM_REFUSE: the stream has a publisher already, or its camera lives on another loop
 * (cm_hub_loop_of), where viewers would look for it. */
cm_status cm_hub_publish(cm_hub *hub, const cm_camera_key *camera, cm_stream stream,
                         cm_publisher **out);
/* Takes the caller's hold of `frame`. Not inside a subscription's events. */
void cm_publisher_put(cm_publisher *publisher, cm_frame *frame);
/* The source stopped: what the ring holds is forgotten. */
void cm_publisher_clear(cm_publisher *publisher);
void cm_publisher_close(cm_publisher *publisher); /* NULL is fine */
/* The newest keyframe, borrowed until the loop's next turn; NULL if there is none. */
cm_frame *cm_publisher_keyframe(const cm_publisher *publisher);

/* ---- viewers ---- */

typedef struct cm_subscription_events {
    /*
     * The next frame, open. True: the viewer took all of it. False: he is blocked in it: when he
     * can go on the owner calls cm_subscription_resume() and gets the same frame again. May close
     * the subscription.
     */
    bool (*on_frame)(void *owner, const cm_opened_frame *opened);
    /* The lease is over: a new one must come by cm_subscription_renew(). Said once per lease. May
     * close the subscription. */
    void (*on_stale)(void *owner);
    /* The blocked frame can't be continued: its key is no longer allowed. Bytes of it are half-way
     * out: the connection must end, or begin again (cm_subscription_begin_again, later). */
    void (*on_broken)(void *owner);
    /* A frame at the live edge went to some viewers one after the other: said once behind them, to
     * one of them. What they put together can go out. May be NULL. */
    void (*on_pass_end)(void *owner);
} cm_subscription_events;

/* Takes the lease (also on failure). The first frame is a keyframe, from the ring if there is one,
 * in a later turn. */
cm_status cm_hub_subscribe(cm_hub *hub, cm_lease *lease, cm_stream stream,
                           const cm_subscription_events *events, void *owner,
                           cm_subscription **out);
/* Takes the lease. Also inside the events: it counts from the end of the pass on. */
void cm_subscription_renew(cm_subscription *subscription, cm_lease *lease);
void cm_subscription_resume(cm_subscription *subscription);
/* The same, with no granule of the blocked frame opened but these; what comes after it comes whole,
 * and so may the frame itself (a lease came). */
void cm_subscription_resume_at(cm_subscription *subscription, uint16_t first, uint16_t count);
void cm_subscription_close(cm_subscription *subscription); /* NULL is fine */
const cm_lease *cm_subscription_lease(const cm_subscription *subscription);

/* ---- viewers whose network loses packets ---- */

/*
 * From here on the subscription remembers the last `frames` (a power of two) that were opened for
 * it, and holds them. CM_BROKEN without memory. 32 bytes each beside the frames, which all viewers
 * share.
 *
 * Each has a number: that of the frame being delivered is cm_subscription_delivery(). What stands
 * behind it is made and kept in media: the number lets its owner have again what he has had, and
 * nothing else.
 */
cm_status cm_subscription_remember(cm_subscription *subscription, uint32_t frames);
uint32_t cm_subscription_delivery(const cm_subscription *subscription);
/* Lets go of those before `delivery`. */
void cm_subscription_forget(cm_subscription *subscription, uint32_t delivery);

/*
 * Opens `count` granules from `first` on of a frame that was delivered before, under the present
 * lease, and calls on_granules() once; the others are empty. The subscription stays where it is.
 * Not inside events (CM_RETRY).
 * CM_ABSENT: it is remembered no longer, or the lease does not have its key any more. CM_REFUSE:
 * the lease is over (on_stale comes, if it has not), or the frame is not what was delivered.
 */
cm_status cm_subscription_open_again(cm_subscription *subscription, uint32_t delivery,
                                     uint16_t first, uint16_t count,
                                     bool (*on_granules)(void *owner,
                                                         const cm_opened_frame *opened));

/*
 * Goes on at the newest keyframe, in a later turn. One that is still to come: forward to it. One
 * that was delivered: back to it and through all that followed it once more; never to an older one
 * (cm_cursor_rewind). A frame that was begun is left; all that was remembered is forgotten.
 * CM_ABSENT: there is none, nothing changes. CM_RETRY: inside events.
 */
cm_status cm_subscription_begin_again(cm_subscription *subscription);

/* What stands in the ring from a subscription's position on: inside on_frame with the frame that
 * is offered, unless it is offered again. */
typedef struct cm_backlog {
    size_t frames;
    size_t bytes; /* as they are sealed */
    size_t keyframes;
    cm_media_time newest; /* of the last of them; 0 without */
} cm_backlog;
void cm_subscription_read_backlog(const cm_subscription *subscription, cm_backlog *out);

/* For egress, which looks once more at what it is about to write: counts a refusal, with an alarm
 * where one is due. */
void cm_hub_report(cm_hub *hub, const cm_camera_key *camera, cm_stream stream, cm_refusal refusal);

typedef struct cm_hub_counters {
    uint64_t frames_in;        /* published on this loop */
    uint64_t frames_crossed;   /* sent to other loops */
    uint64_t frames_dropped;   /* mailbox full, or ring bound passed */
    uint64_t frames_delivered; /* frame x viewer */
    uint64_t frames_skipped;   /* viewers put forward to a keyframe: frames they did not get (lower
                                  bound) */
    uint64_t refusals[CM_REFUSALS];
    size_t subscriptions;
    size_t ring_bytes;
} cm_hub_counters;
void cm_hub_read_counters(const cm_hub *hub, cm_hub_counters *out); /* on its loop */
