/* Viewers of a hub: in what order frames reach them, and what happens when they can't take them or
 * may not have them any more. */
#include <assert.h>
#include <stdlib.h>

#include "media/fault_media.h"

/* ---- position ---- */

static uint64_t oldest_position(const channel *c)
{
    return c->arrived - c->ring.count;
}

/* Of the newest keyframe; without one, of the frame that comes next. */
static uint64_t keyframe_position(const channel *c)
{
    return oldest_position(c) + c->ring.previous;
}

/* The frame this subscription gets next, or NULL at the live edge. One that has not begun, or fell
 * behind the ring, goes on at the newest keyframe. */
static cm_frame *next_frame(cm_subscription *sub)
{
    const channel *c = sub->channel;
    if (sub->blocked != NULL)
        return sub->blocked;
    const uint64_t oldest = oldest_position(c);
    const uint64_t keyframe = keyframe_position(c);
    if (sub->next < (sub->cursor.has_begun ? oldest : keyframe)) {
        sub->hub->counters.frames_skipped += sub->cursor.has_begun ? keyframe - sub->next : 0;
        sub->next = keyframe;
    }
    return cm_ring_at(&c->ring, (size_t)(sub->next - oldest));
}

/* Has yet to get frames that the ring holds from before the newest keyframe. */
static bool is_in_previous_group(const cm_subscription *sub)
{
    const bool has_begun = sub->cursor.has_begun || sub->blocked != NULL;
    return has_begun && sub->next >= oldest_position(sub->channel) &&
           sub->next < keyframe_position(sub->channel);
}

/* The previous group stays for those who are in it, and not longer. */
static void forget_unneeded(channel *c)
{
    if (c->ring.previous == 0)
        return;
    CM_LIST_EACH(&c->subscriptions, node, next)
    {
        if (is_in_previous_group(CM_HOLDER(node, cm_subscription, node)))
            return;
    }
    cm_ring_forget_previous(&c->ring);
}

static void unblock(cm_subscription *sub)
{
    cm_frame_release(sub->blocked, sub->hub->index);
    sub->blocked = NULL;
}

/* ---- one frame to some viewers ---- */

static bool deliver(void *owner, const cm_opened_frame *opened)
{
    cm_subscription *sub = owner;
    if (sub->state == SUB_CLOSED)
        return false;
    const bool is_whole = sub->events.on_frame(sub->owner, opened);
    if (sub->state == SUB_CLOSED)
        return false;
    if (!is_whole) {
        if (sub->blocked == NULL) {
            cm_frame_hold((cm_frame *)(uintptr_t)opened->frame, sub->hub->index);
            sub->blocked = (cm_frame *)(uintptr_t)opened->frame;
        }
        sub->state = SUB_BLOCKED;
        return false;
    }
    sub->hub->counters.frames_delivered++;
    if (sub->blocked != NULL)
        unblock(sub); /* its position was counted when it was begun */
    sub->state = SUB_LIVE;
    return true;
}

static void become_stale(cm_subscription *sub)
{
    if (sub->state == SUB_STALE || sub->state == SUB_CLOSED)
        return;
    sub->state = SUB_STALE;
    sub->events.on_stale(sub->owner);
}

void cm_hub_report(cm_hub *hub, const cm_camera_key *camera, cm_stream stream, cm_refusal refusal)
{
    hub->counters.refusals[refusal]++;
    if (cm_refusal_is_alarm(refusal) && hub->config.on_alarm != NULL)
        hub->config.on_alarm(hub->config.owner, camera, stream, refusal);
}

/* What to do with a viewer who got nothing of the frame at his position. */
static void refuse(cm_subscription *sub, cm_refusal refusal)
{
    cm_hub_report(sub->hub, &sub->channel->camera, sub->channel->stream, refusal);
    if (sub->state == SUB_CLOSED)
        return;
    if (refusal == CM_REFUSAL_STALE || refusal == CM_REFUSAL_RIGHT)
        become_stale(sub);
    else if (sub->blocked != NULL)
        sub->events.on_broken(sub->owner);
    else
        sub->next++; /* dropped; the cursor lets only the next keyframe follow a gap */
}

static void pass(cm_hub *hub, cm_frame *frame, cm_subscription **subs, size_t count)
{
    cm_fanout_viewer viewers[PASS_VIEWERS_MAX];
    for (size_t i = 0; i < count; i++)
        viewers[i] = (cm_fanout_viewer){
            .lease = subs[i]->lease, .cursor = &subs[i]->cursor, .owner = subs[i]};
    cm_fanout_open(hub->fanout, frame, cm_loop_now(hub->config.loop), viewers, count, deliver);
    for (size_t i = 0; i < count; i++) {
        if (viewers[i].refusal != CM_REFUSAL_NONE)
            refuse(subs[i], viewers[i].refusal);
    }
}

/* Serves `frame`, which stands at everyone's position, and moves those positions on. */
static void serve(cm_hub *hub, cm_frame *frame, cm_subscription **subs, size_t count)
{
    bool was_blocked[PASS_VIEWERS_MAX];
    uint64_t before[PASS_VIEWERS_MAX];
    for (size_t i = 0; i < count; i++) {
        was_blocked[i] = subs[i]->blocked != NULL;
        before[i] = subs[i]->next;
    }
    hub->depth++;
    /* Held: inside, the ring or the blocked viewer may let go of it. */
    frame = cm_fault_frame(subs[0]->channel, frame);
    pass(hub, frame, subs, count);
    cm_frame_release(frame, hub->index);
    for (size_t i = 0; i < count; i++) {
        const bool is_begun = subs[i]->state == SUB_LIVE || subs[i]->state == SUB_BLOCKED;
        if (is_begun && !was_blocked[i] && subs[i]->next == before[i])
            subs[i]->next++;
    }
    hub->depth--;
}

/* Up to PASS_VIEWERS_MAX of the viewers at the live edge for whom `frame`, at `position`, is next.
 */
static size_t gather(channel *c, const cm_frame *frame, uint64_t position, cm_subscription **out)
{
    size_t count = 0;
    CM_LIST_EACH(&c->subscriptions, node, next)
    {
        cm_subscription *sub = CM_HOLDER(node, cm_subscription, node);
        if (count == PASS_VIEWERS_MAX)
            break;
        if (sub->state != SUB_LIVE || !cm_list_is_empty(&sub->waiting))
            continue;
        /* The ring began anew with this keyframe: whoever was behind it goes on here. */
        if (next_frame(sub) == frame && sub->next == position)
            out[count++] = sub;
    }
    return count;
}

void cm_channel_serve(channel *c, cm_frame *frame)
{
    cm_hub *hub = c->hub;
    cm_subscription *subs[PASS_VIEWERS_MAX];
    const uint64_t position = c->arrived - 1;
    size_t count;
    hub->depth++;
    forget_unneeded(c);
    cm_hub_check_leases(hub, false);
    /* Looked for anew each time: a callback may close any subscription. Whoever was served stands
     * further on. */
    while ((count = gather(c, frame, position, subs)) > 0)
        serve(hub, frame, subs, count);
    hub->depth--;
    cm_hub_settle(hub);
}

/* ---- one viewer, all that waits for him ---- */

static void pull(cm_subscription *sub)
{
    cm_hub *hub = sub->hub;
    hub->depth++;
    while (sub->state == SUB_LIVE || sub->state == SUB_BLOCKED) {
        cm_frame *frame = next_frame(sub);
        if (frame == NULL)
            break;
        const uint64_t before = sub->next;
        const bool was_blocked = sub->blocked != NULL;
        serve(hub, frame, &sub, 1);
        if (sub->blocked != NULL || (sub->next == before && !was_blocked))
            break;
    }
    forget_unneeded(sub->channel);
    hub->depth--;
    cm_hub_settle(hub);
}

void cm_hub_on_join_timer(cm_timer *timer)
{
    cm_hub *hub = CM_HOLDER(timer, cm_hub, join_timer);
    /* Who asks again from here on waits for the next turn. */
    cm_list due;
    cm_list_init(&due);
    cm_list_add_first(&hub->joining, &due);
    cm_list_remove(&hub->joining);
    while (!cm_list_is_empty(&due)) {
        cm_subscription *sub = CM_HOLDER(due.next, cm_subscription, waiting);
        cm_list_remove(&sub->waiting);
        pull(sub);
    }
}

static void pull_soon(cm_subscription *sub)
{
    if (cm_list_is_empty(&sub->waiting))
        cm_list_add_last(&sub->hub->joining, &sub->waiting);
    cm_timer_start(&sub->hub->join_timer, 0);
}

/* ---- leases ---- */

/* Moves those of the channel whose lease is over to `over`. */
static void find_over(channel *c, cm_instant now, cm_list *over)
{
    CM_LIST_EACH(&c->subscriptions, node, next)
    {
        cm_subscription *sub = CM_HOLDER(node, cm_subscription, node);
        if (sub->state == SUB_STALE || cm_lease_is_live(sub->lease, now))
            continue;
        sub->state = SUB_STALE;
        cm_list_remove(&sub->waiting);
        cm_list_add_last(over, &sub->waiting);
    }
}

void cm_hub_check_leases(cm_hub *hub, bool is_due)
{
    const uint64_t generation = cm_epoch_generation(hub->config.page);
    if (generation == hub->seen_generation && !is_due)
        return;
    hub->seen_generation = generation;
    const cm_instant now = cm_loop_now(hub->config.loop);
    cm_list over;
    cm_list_init(&over);
    for (size_t i = 0; i < HUB_BUCKETS; i++)
        CM_LIST_EACH(&hub->buckets[i], node, next)
    find_over(CM_HOLDER(node, channel, node), now, &over);
    /* All are found before the first is told: what it is told may make it close any of them. */
    hub->depth++;
    while (!cm_list_is_empty(&over)) {
        cm_subscription *sub = CM_HOLDER(over.next, cm_subscription, waiting);
        cm_list_remove(&sub->waiting);
        sub->events.on_stale(sub->owner);
    }
    hub->depth--;
    cm_hub_settle(hub);
}

void cm_hub_on_lease_timer(cm_timer *timer)
{
    enum { FULL_CHECK_TICKS = 50 };
    cm_hub *hub = CM_HOLDER(timer, cm_hub, lease_timer);
    if (hub->counters.subscriptions == 0)
        return;
    cm_timer_start(&hub->lease_timer, CM_MS(LEASE_TICK_MS));
    hub->ticks = (hub->ticks + 1) % FULL_CHECK_TICKS;
    cm_hub_check_leases(hub, hub->ticks == 0);
}

/* ---- life ---- */

cm_status cm_hub_subscribe(cm_hub *hub, cm_lease *lease, cm_stream stream,
                           const cm_subscription_events *events, void *owner, cm_subscription **out)
{
    channel *c;
    cm_subscription *sub = calloc(1, sizeof *sub);
    if (sub == NULL || cm_hub_open_channel(hub, cm_lease_camera(lease), stream, &c) != CM_OK) {
        free(sub);
        cm_lease_destroy(lease);
        return CM_BROKEN;
    }
    *sub = (cm_subscription){.hub = hub,
                             .channel = c,
                             .lease = lease,
                             .cursor = cm_cursor_begin(stream, CM_OBJECT_FRAME),
                             .next = keyframe_position(c),
                             .state = SUB_LIVE,
                             .events = *events,
                             .owner = owner};
    cm_list_init(&sub->waiting);
    cm_list_init(&sub->renewing);
    cm_list_add_last(&c->subscriptions, &sub->node);
    c->viewers++;
    if (hub->counters.subscriptions++ == 0)
        cm_timer_start(&hub->lease_timer, CM_MS(LEASE_TICK_MS));
    cm_channel_mirror(c);
    pull_soon(sub);
    *out = sub;
    return CM_OK;
}

static void adopt(cm_subscription *sub, cm_lease *lease)
{
    cm_lease_destroy(sub->lease);
    sub->lease = lease;
    if (sub->state == SUB_STALE) {
        sub->state = sub->blocked != NULL ? SUB_BLOCKED : SUB_LIVE;
        pull_soon(sub);
    }
}

void cm_subscription_renew(cm_subscription *sub, cm_lease *lease)
{
    assert(sub->state != SUB_CLOSED);
    if (sub->hub->depth == 0) {
        adopt(sub, lease);
        return;
    }
    /* The pass under way looks at the old one. */
    cm_lease_destroy(sub->renewed);
    sub->renewed = lease;
    cm_list_remove(&sub->renewing);
    cm_list_add_last(&sub->hub->renewing, &sub->renewing);
}

void cm_subscription_resume(cm_subscription *sub)
{
    if (sub->state == SUB_BLOCKED && sub->hub->depth == 0)
        pull(sub);
    else if (sub->state == SUB_BLOCKED)
        pull_soon(sub);
}

const cm_lease *cm_subscription_lease(const cm_subscription *sub)
{
    return sub->renewed != NULL ? sub->renewed : sub->lease;
}

void cm_hub_settle(cm_hub *hub)
{
    if (hub->depth > 0)
        return;
    while (!cm_list_is_empty(&hub->renewing)) {
        cm_subscription *sub = CM_HOLDER(hub->renewing.next, cm_subscription, renewing);
        cm_lease *lease = sub->renewed;
        cm_list_remove(&sub->renewing);
        sub->renewed = NULL;
        adopt(sub, lease);
    }
    while (!cm_list_is_empty(&hub->graveyard)) {
        cm_subscription *sub = CM_HOLDER(hub->graveyard.next, cm_subscription, node);
        channel *c = sub->channel;
        cm_list_remove(&sub->node);
        cm_lease_destroy(sub->lease);
        cm_lease_destroy(sub->renewed);
        free(sub);
        c->viewers--;
        cm_channel_release_if_unused(c);
    }
    while (!cm_list_is_empty(&hub->unused)) {
        channel *c = CM_HOLDER(hub->unused.next, channel, unused);
        cm_list_remove(&c->unused);
        cm_channel_release_if_unused(c);
    }
}

void cm_subscription_close(cm_subscription *sub)
{
    if (sub == NULL)
        return;
    assert(sub->state != SUB_CLOSED);
    cm_hub *hub = sub->hub;
    sub->state = SUB_CLOSED;
    unblock(sub);
    cm_list_remove(&sub->waiting);
    cm_list_remove(&sub->renewing);
    cm_list_remove(&sub->node);
    cm_list_add_last(&hub->graveyard, &sub->node);
    forget_unneeded(sub->channel);
    hub->counters.subscriptions--;
    cm_hub_settle(hub);
}
