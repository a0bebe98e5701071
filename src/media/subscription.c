/* Viewers of a hub: in what order frames reach them, and what happens when they can't take them or
 * may not have them any more. */
#include <assert.h>
#include <stdlib.h>

#include "base/fault.h"
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
    sub->first = sub->end = 0;
}

/* ---- one frame to some viewers ---- */

static void remember(cm_subscription *sub, const cm_frame *frame);

static bool deliver(void *owner, const cm_opened_frame *opened)
{
    cm_subscription *sub = owner;
    if (sub->state == SUB_CLOSED)
        return false;
    if (sub->blocked == NULL)
        remember(sub, opened->frame);
    sub->first = sub->end = 0;
    const bool is_lost = sub->cursor.has_begun && sub->blocked == NULL && CM_FAULT(FRAME_LOST);
    const bool is_whole = is_lost || sub->events.on_frame(sub->owner, opened);
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
        viewers[i] = (cm_fanout_viewer){.lease = subs[i]->lease,
                                        .cursor = &subs[i]->cursor,
                                        .owner = subs[i],
                                        .first = subs[i]->first,
                                        .end = subs[i]->end,
                                        .delivered = &subs[i]->delivered};
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

/* Tells one of those who may have got something that what they put together can go out. */
static void end_pass(cm_subscription *const *subs, size_t count)
{
    for (size_t i = count; i-- > 0;)
        if (subs[i]->state != SUB_CLOSED && subs[i]->events.on_pass_end != NULL) {
            subs[i]->events.on_pass_end(subs[i]->owner);
            return;
        }
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
    while ((count = gather(c, frame, position, subs)) > 0) {
        serve(hub, frame, subs, count);
        end_pass(subs, count);
    }
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

void cm_subscription_resume_at(cm_subscription *sub, uint16_t first, uint16_t count)
{
    if (sub->blocked == NULL)
        return;
    sub->first = first;
    sub->end = (uint16_t)(first + count);
    cm_subscription_resume(sub);
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
        free(sub->remembered);
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
    cm_subscription_forget(sub, sub->remembered_next);
    cm_list_remove(&sub->waiting);
    cm_list_remove(&sub->renewing);
    cm_list_remove(&sub->node);
    cm_list_add_last(&hub->graveyard, &sub->node);
    forget_unneeded(sub->channel);
    hub->counters.subscriptions--;
    cm_hub_settle(hub);
}

/* ---- what a viewer has had, once more ---- */

static remembered_frame *remembered_at(const cm_subscription *sub, uint32_t delivery)
{
    return &sub->remembered[delivery & (sub->remembered_max - 1)];
}

static uint32_t remembered_count(const cm_subscription *sub)
{
    return sub->remembered_next - sub->remembered_first;
}

/* Inside a pass, before the frame is offered for the first time. */
static void remember(cm_subscription *sub, const cm_frame *frame)
{
    if (sub->remembered == NULL)
        return;
    if (remembered_count(sub) == sub->remembered_max)
        cm_subscription_forget(sub, sub->remembered_first + 1);
    remembered_frame *place = remembered_at(sub, sub->remembered_next++);
    place->frame = (cm_frame *)(uintptr_t)frame;
    place->delivered = sub->delivered;
    cm_frame_hold(place->frame, sub->hub->index);
}

cm_status cm_subscription_remember(cm_subscription *sub, uint32_t frames)
{
    assert(frames > 0 && (frames & (frames - 1)) == 0 && sub->remembered == NULL);
    sub->remembered = calloc(frames, sizeof *sub->remembered);
    CM_ENSURE(sub->remembered != NULL, CM_BROKEN);
    sub->remembered_max = frames;
    return CM_OK;
}

uint32_t cm_subscription_delivery(const cm_subscription *sub)
{
    return sub->remembered_next - 1;
}

void cm_subscription_forget(cm_subscription *sub, uint32_t delivery)
{
    /* Numbers may wrap. */
    uint32_t count = delivery - sub->remembered_first;
    if (count > remembered_count(sub))
        return;
    for (; count > 0; count--)
        cm_frame_release(remembered_at(sub, sub->remembered_first++)->frame, sub->hub->index);
}

/* Not whole yet: it is the next one of the cursor, which stays there. */
static cm_refusal open_blocked(cm_subscription *sub, cm_fanout_viewer *viewer, cm_frame *frame,
                               bool (*deliver_again)(void *owner, const cm_opened_frame *opened))
{
    cm_fanout_open(sub->hub->fanout, frame, cm_loop_now(sub->hub->config.loop), viewer, 1,
                   deliver_again);
    return viewer->refusal;
}

/* What a subscription's owner is called with while it is opened again. */
typedef struct again {
    cm_subscription *sub;
    bool (*on_granules)(void *owner, const cm_opened_frame *opened);
} again;

static bool deliver_again(void *owner, const cm_opened_frame *opened)
{
    const again *a = owner;
    CM_IGNORE(a->on_granules(a->sub->owner, opened), "the subscription stays where it is");
    return false;
}

/* One frame of what is remembered, to its owner. */
static cm_refusal open_remembered(cm_subscription *sub, const remembered_frame *place,
                                  cm_fanout_viewer *viewer)
{
    cm_hub *hub = sub->hub;
    cm_frame *frame = cm_fault_again(sub->channel, place->frame);
    if (frame == sub->blocked)
        return open_blocked(sub, viewer, frame, deliver_again);
    return cm_fanout_open_again(hub->fanout, frame, &place->delivered,
                                cm_loop_now(hub->config.loop), viewer, deliver_again);
}

cm_status cm_subscription_open_again(cm_subscription *sub, uint32_t delivery, uint16_t first,
                                     uint16_t count,
                                     bool (*on_granules)(void *owner,
                                                         const cm_opened_frame *opened))
{
    cm_hub *hub = sub->hub;
    CM_ENSURE(hub->depth == 0, CM_RETRY);
    CM_ENSURE(delivery - sub->remembered_first < remembered_count(sub), CM_ABSENT);
    again a = {.sub = sub, .on_granules = on_granules};
    cm_fanout_viewer viewer = {.lease = sub->lease,
                               .cursor = &sub->cursor,
                               .owner = &a,
                               .first = first,
                               .end = (uint16_t)(first + count)};
    hub->depth++;
    const cm_refusal refusal = open_remembered(sub, remembered_at(sub, delivery), &viewer);
    if (refusal != CM_REFUSAL_NONE)
        cm_hub_report(hub, &sub->channel->camera, sub->channel->stream, refusal);
    if (refusal == CM_REFUSAL_STALE || refusal == CM_REFUSAL_RIGHT)
        become_stale(sub);
    hub->depth--;
    cm_hub_settle(hub);
    CM_ENSURE(refusal != CM_REFUSAL_GAP, CM_ABSENT);
    return refusal == CM_REFUSAL_NONE ? CM_OK : CM_REFUSE;
}

static cm_frame *newest_keyframe(const channel *c, uint64_t *position_out)
{
    for (size_t i = c->ring.count; i-- > 0;) {
        cm_frame *frame = cm_ring_at(&c->ring, i);
        *position_out = oldest_position(c) + i;
        if ((frame->flags & CM_FRAME_KEYFRAME) != 0)
            return frame;
    }
    return NULL;
}

cm_status cm_subscription_begin_again(cm_subscription *sub)
{
    uint64_t position;
    CM_ENSURE(sub->hub->depth == 0, CM_RETRY);
    const cm_frame *keyframe = newest_keyframe(sub->channel, &position);
    CM_ENSURE(keyframe != NULL, CM_ABSENT);
    const bool was_delivered = position < sub->next && keyframe != sub->blocked;
    CM_ENSURE(!was_delivered || cm_cursor_rewind(&sub->cursor), CM_ABSENT);
    cm_subscription_forget(sub, sub->remembered_next);
    unblock(sub);
    sub->next = position;
    if (sub->state == SUB_BLOCKED)
        sub->state = SUB_LIVE;
    if (sub->state == SUB_LIVE)
        pull_soon(sub);
    return CM_OK;
}

void cm_subscription_read_backlog(const cm_subscription *sub, cm_backlog *out)
{
    const channel *c = sub->channel;
    const uint64_t oldest = oldest_position(c);
    const uint64_t from = sub->next > oldest ? sub->next : oldest;
    *out = (cm_backlog){0};
    for (uint64_t position = from; position < c->arrived; position++) {
        const cm_frame *frame = cm_ring_at(&c->ring, (size_t)(position - oldest));
        out->frames++;
        out->bytes += frame->size_bytes;
        out->newest = frame->media_time;
        out->keyframes += (frame->flags & CM_FRAME_KEYFRAME) != 0;
    }
}
