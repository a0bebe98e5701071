#include "media/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "media/fault_media.h"
#include "media/hub_priv.h"

enum { RING_BYTES_DEFAULT = 16 << 20 };

size_t cm_hub_loop_of(const cm_camera_key *camera, size_t loop_count)
{
    return loop_count > 0 ? (size_t)(cm_camera_key_hash(camera) >> 32) % loop_count : 0;
}

/* ---- life ---- */

cm_status cm_hub_create(const cm_hub_config *config, cm_hub **out)
{
    cm_hub *hub = calloc(1, sizeof *hub);
    CM_ENSURE(hub != NULL, CM_BROKEN);
    hub->config = *config;
    if (hub->config.ring_bytes_max == 0)
        hub->config.ring_bytes_max = RING_BYTES_DEFAULT;
    hub->index = cm_loop_index(config->loop);
    for (size_t i = 0; i < HUB_BUCKETS; i++)
        cm_list_init(&hub->buckets[i]);
    cm_list_init(&hub->graveyard);
    cm_list_init(&hub->unused);
    cm_list_init(&hub->renewing);
    cm_list_init(&hub->joining);
    cm_timer_init(&hub->join_timer, config->loop, cm_hub_on_join_timer);
    cm_timer_init(&hub->lease_timer, config->loop, cm_hub_on_lease_timer);
    const cm_status status = cm_fanout_create(&hub->fanout);
    if (status != CM_OK) {
        free(hub);
        return status;
    }
    *out = hub;
    return CM_OK;
}

static void channel_free(channel *c)
{
    cm_list_remove(&c->node);
    cm_list_remove(&c->unused);
    cm_ring_deinit(&c->ring);
    free(c);
}

void cm_hub_destroy(cm_hub *hub)
{
    if (hub == NULL)
        return;
    cm_timer_stop(&hub->join_timer);
    cm_timer_stop(&hub->lease_timer);
    cm_hub_settle(hub);
    for (size_t i = 0; i < HUB_BUCKETS; i++)
        CM_LIST_EACH(&hub->buckets[i], node, next)
        {
            channel *c = CM_HOLDER(node, channel, node);
            assert(c->publisher == NULL && cm_list_is_empty(&c->subscriptions));
            channel_free(c);
        }
    cm_fanout_destroy(hub->fanout);
    hub->is_destroyed = true;
    if (atomic_load(&hub->posted) == 0)
        free(hub); /* otherwise the last task does, inside cm_loop_destroy */
}

/* ---- channels ---- */

static cm_list *bucket_of(cm_hub *hub, const cm_camera_key *camera, cm_stream stream)
{
    return &hub->buckets[(cm_camera_key_hash(camera) + (uint64_t)stream) % HUB_BUCKETS];
}

channel *cm_hub_find(cm_hub *hub, const cm_camera_key *camera, cm_stream stream)
{
    CM_LIST_EACH(bucket_of(hub, camera, stream), node, next)
    {
        channel *c = CM_HOLDER(node, channel, node);
        if (c->stream == stream && cm_camera_key_equal(&c->camera, camera))
            return c;
    }
    return NULL;
}

cm_status cm_hub_open_channel(cm_hub *hub, const cm_camera_key *camera, cm_stream stream,
                              channel **out)
{
    channel *c = cm_hub_find(hub, camera, stream);
    if (c == NULL) {
        c = calloc(1, sizeof *c);
        CM_ENSURE(c != NULL, CM_BROKEN);
        c->hub = hub;
        c->camera = *camera;
        c->stream = stream;
        cm_ring_init(&c->ring, hub->index, hub->config.ring_bytes_max, stream);
        cm_list_init(&c->subscriptions);
        cm_list_init(&c->unused);
        cm_list_add_last(bucket_of(hub, camera, stream), &c->node);
    }
    *out = c;
    return CM_OK;
}

static void channel_arrive(channel *c, cm_frame *frame)
{
    switch (cm_ring_push(&c->ring, frame)) {
    case CM_OK:
        c->arrived++;
        cm_channel_serve(c, frame);
        break;
    default:
        /* Before the first keyframe, or the group is too large: nobody could decode it. */
        c->hub->counters.frames_dropped++;
    }
}

/* ---- between loops ---- */

typedef struct mirror_request {
    cm_task task;
    cm_hub *to; /* whose loop it is on its way to */
    cm_hub *viewer_hub;
    cm_camera_key camera;
    cm_stream stream;
    frame_place newest; /* of those to be forgotten */
} mirror_request;

/* `to` stays until the request has run there. */
static void post(mirror_request *request, cm_hub *to, void (*run)(cm_task *task))
{
    request->to = to;
    request->task.run = run;
    atomic_fetch_add(&to->posted, 1);
    cm_loop_post(to->config.loop, &request->task);
}

static void request_end(mirror_request *request)
{
    cm_hub *to = request->to;
    if (atomic_fetch_sub(&to->posted, 1) == 1 && to->is_destroyed)
        free(to);
    free(request);
}

static void send_to(channel *c, unsigned loop, cm_frame *frame)
{
    const bool is_keyframe = (frame->flags & CM_FRAME_KEYFRAME) != 0;
    if (c->remotes[loop].needs_keyframe && !is_keyframe) {
        c->hub->counters.frames_dropped++;
        return;
    }
    cm_frame_send(frame);
    if (cm_mailbox_send(c->hub->all[loop]->from[c->hub->index], frame) == CM_OK) {
        c->remotes[loop].needs_keyframe = false;
        c->hub->counters.frames_crossed++;
        return;
    }
    cm_frame_unsend(frame);
    c->remotes[loop].needs_keyframe = true;
    c->hub->counters.frames_dropped++;
}

static void on_frame_from_elsewhere(void *owner, void *message)
{
    cm_hub *hub = owner;
    cm_frame *frame = message;
    cm_frame_receive(frame, hub->index);
    /* Where it goes by its own word is a matter of routing only; whether anyone may see it is the
     * lease's. */
    channel *c = cm_hub_find(hub, &frame->camera, frame->stream);
    if (c != NULL && c->mirror == MIRROR_ON)
        channel_arrive(c, frame);
    cm_frame_release(frame, hub->index);
}

/* ---- between loops: on the source's ---- */

static mirror_request *request_make(cm_hub *viewer_hub, const cm_camera_key *camera,
                                    cm_stream stream)
{
    mirror_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        abort(); /* a fixed-size control object */
    request->viewer_hub = viewer_hub;
    request->camera = *camera;
    request->stream = stream;
    return request;
}

static void on_mirror_begin(cm_task *task)
{
    mirror_request *request = CM_HOLDER(task, mirror_request, task);
    cm_hub *hub = request->to;
    channel *c;
    /* Untied: the viewers' hub may be gone already. */
    if (hub->all != NULL &&
        cm_hub_open_channel(hub, &request->camera, request->stream, &c) == CM_OK) {
        const unsigned loop = request->viewer_hub->index;
        c->remotes[loop].is_wanted = true;
        c->remotes[loop].needs_keyframe = false;
        for (size_t i = c->ring.previous; i < c->ring.count; i++)
            send_to(c, loop, cm_ring_at(&c->ring, i));
    }
    request_end(request);
}

static void on_mirror_ended(cm_task *task);

static void on_mirror_end(cm_task *task)
{
    mirror_request *request = CM_HOLDER(task, mirror_request, task);
    cm_hub *hub = request->to;
    if (hub->all != NULL) {
        channel *c = cm_hub_find(hub, &request->camera, request->stream);
        if (c != NULL) {
            c->remotes[request->viewer_hub->index].is_wanted = false;
            cm_channel_release_if_unused(c);
        }
        /* Behind every frame: a mailbox delivers by a task too, and tasks of one poster run in
         * order. */
        post(request_make(request->viewer_hub, &request->camera, request->stream),
             request->viewer_hub, on_mirror_ended);
    }
    request_end(request);
}

/* ---- between loops: on the viewers' ---- */

static frame_place place_of(const cm_frame *frame)
{
    frame_place place = {.is_any = true, .epoch = frame->epoch, .number = frame->number};
    for (size_t i = 0; i < CM_INSTANCE_SIZE; i++)
        place.instance[i] = frame->instance[i];
    return place;
}

static bool is_after(const cm_frame *frame, const frame_place *place)
{
    const cm_slice theirs = cm_slice_over(place->instance, CM_INSTANCE_SIZE);
    if (cm_slice_equal(cm_slice_over(frame->instance, CM_INSTANCE_SIZE), theirs))
        return frame->number > place->number;
    return frame->epoch >= place->epoch;
}

static bool is_to_be_forgotten(const cm_ring *ring, size_t count, const frame_place *newest)
{
    return count > 0 && !is_after(cm_ring_at(ring, count - 1), newest);
}

/* The source stopped. What it put afterwards may be here already: that stays, and began with a
 * keyframe. */
static void on_mirror_forget(cm_task *task)
{
    mirror_request *request = CM_HOLDER(task, mirror_request, task);
    cm_hub *hub = request->to;
    channel *c = hub->all != NULL ? cm_hub_find(hub, &request->camera, request->stream) : NULL;
    if (c != NULL && is_to_be_forgotten(&c->ring, c->ring.count, &request->newest)) {
        cm_ring_clear(&c->ring);
        c->ring.wants_keyframe = true;
    } else if (c != NULL && is_to_be_forgotten(&c->ring, c->ring.previous, &request->newest)) {
        cm_ring_forget_previous(&c->ring);
    }
    request_end(request);
}

static cm_hub *home_of(const channel *c)
{
    return c->hub->all[cm_hub_loop_of(&c->camera, c->hub->loop_count)];
}

void cm_channel_mirror(channel *c)
{
    if (c->hub->all == NULL || home_of(c) == c->hub || c->mirror != MIRROR_NONE)
        return;
    c->mirror = MIRROR_ON;
    post(request_make(c->hub, &c->camera, c->stream), home_of(c), on_mirror_begin);
}

static void mirror_end(channel *c)
{
    if (c->mirror != MIRROR_ON)
        return;
    c->mirror = MIRROR_ENDING;
    cm_ring_clear(&c->ring);
    c->ring.wants_keyframe = true;
    post(request_make(c->hub, &c->camera, c->stream), home_of(c), on_mirror_end);
}

static void on_mirror_ended(cm_task *task)
{
    mirror_request *request = CM_HOLDER(task, mirror_request, task);
    cm_hub *hub = request->to;
    channel *c = hub->all != NULL ? cm_hub_find(hub, &request->camera, request->stream) : NULL;
    if (c != NULL) {
        assert(c->mirror == MIRROR_ENDING);
        c->mirror = MIRROR_NONE;
        if (c->viewers > 0) /* who came meanwhile */
            cm_channel_mirror(c);
        else
            cm_channel_release_if_unused(c);
    }
    request_end(request);
}

void cm_channel_release_if_unused(channel *c)
{
    if (c->publisher != NULL || c->viewers > 0)
        return;
    if (c->hub->depth > 0) { /* looked at again when the pass has ended */
        cm_list_remove(&c->unused);
        cm_list_add_last(&c->hub->unused, &c->unused);
        return;
    }
    for (size_t i = 0; i < c->hub->loop_count; i++)
        if (c->remotes[i].is_wanted)
            return;
    if (c->hub->all != NULL && c->mirror != MIRROR_NONE)
        mirror_end(c);
    else
        channel_free(c);
}

cm_status cm_hub_tie(cm_hub *const *hubs, size_t count)
{
    CM_ENSURE(count > 0 && count <= CM_LOOPS_MAX, CM_REFUSE);
    for (size_t i = 0; i < count; i++) {
        hubs[i]->all = hubs;
        hubs[i]->loop_count = count;
        for (size_t j = 0; j < count; j++)
            if (i != j)
                CM_TRY(cm_mailbox_create(hubs[i]->config.loop, MAILBOX_FRAMES,
                                         on_frame_from_elsewhere, hubs[i], &hubs[i]->from[j]));
    }
    return CM_OK;
}

static void drop_frame(void *message)
{
    cm_frame_unsend(message);
}

void cm_hub_untie(cm_hub *const *hubs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hubs[i]->all = NULL;
        hubs[i]->loop_count = 0;
        for (size_t j = 0; j < count; j++) {
            cm_mailbox_destroy(hubs[i]->from[j], drop_frame);
            hubs[i]->from[j] = NULL;
        }
    }
}

/* ---- sources ---- */

cm_status cm_hub_publish(cm_hub *hub, const cm_camera_key *camera, cm_stream stream,
                         cm_publisher **out)
{
    channel *c;
    CM_ENSURE(hub->all == NULL || cm_hub_loop_of(camera, hub->loop_count) == hub->index, CM_REFUSE);
    CM_TRY(cm_hub_open_channel(hub, camera, stream, &c));
    CM_ENSURE(c->publisher == NULL, CM_REFUSE);
    c->publisher = calloc(1, sizeof *c->publisher);
    if (c->publisher == NULL) {
        cm_channel_release_if_unused(c);
        return CM_BROKEN;
    }
    c->publisher->channel = c;
    *out = c->publisher;
    return CM_OK;
}

void cm_publisher_put(cm_publisher *publisher, cm_frame *frame)
{
    channel *c = publisher->channel;
    cm_hub *hub = c->hub; /* a viewer may close the publisher inside */
    assert(hub->depth == 0);
    hub->counters.frames_in++;
    publisher->newest = place_of(frame);
    const bool is_useful = !c->ring.wants_keyframe || (frame->flags & CM_FRAME_KEYFRAME) != 0;
    for (unsigned i = 0; is_useful && i < hub->loop_count; i++)
        if (c->remotes[i].is_wanted)
            send_to(c, i, frame);
    channel_arrive(c, frame);
    cm_frame_release(frame, hub->index);
}

void cm_publisher_clear(cm_publisher *publisher)
{
    channel *c = publisher->channel;
    cm_ring_clear(&c->ring);
    c->ring.wants_keyframe = true;
    for (unsigned i = 0; publisher->newest.is_any && i < c->hub->loop_count; i++)
        if (c->remotes[i].is_wanted) {
            mirror_request *request = request_make(c->hub->all[i], &c->camera, c->stream);
            request->newest = publisher->newest;
            post(request, c->hub->all[i], on_mirror_forget);
        }
    publisher->newest = (frame_place){0};
}

void cm_publisher_close(cm_publisher *publisher)
{
    if (publisher == NULL)
        return;
    channel *c = publisher->channel;
    cm_publisher_clear(publisher);
    c->publisher = NULL;
    free(publisher);
    cm_channel_release_if_unused(c);
}

cm_frame *cm_publisher_keyframe(const cm_publisher *publisher)
{
    return cm_fault_keyframe(publisher->channel, cm_ring_keyframe(&publisher->channel->ring));
}

void cm_hub_read_counters(const cm_hub *hub, cm_hub_counters *out)
{
    *out = hub->counters;
    out->ring_bytes = 0;
    for (size_t i = 0; i < HUB_BUCKETS; i++)
        for (const cm_list *node = hub->buckets[i].next; node != &hub->buckets[i];
             node = node->next)
            out->ring_bytes += CM_HOLDER(node, const channel, node)->ring.bytes;
}
