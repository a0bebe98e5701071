/* Keys and epochs of cameras, and their way to the sources. */
#include <assert.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/writer.h"
#include "grants/grants_priv.h"

void cm_sealer_set_clear(cm_sealer_set *set)
{
    for (size_t stream = 0; stream < CM_STREAMS; stream++)
        for (size_t object = 0; object < CM_OBJECTS; object++) {
            cm_sealer_destroy(set->sealers[stream][object]);
            set->sealers[stream][object] = NULL;
        }
}

/* ---- messages to the source's loop ---- */

typedef struct source_message {
    cm_task task;
    cm_camera_key camera;
    cm_grants_camera_events events;
    void *owner;
    bool is_last;
    cm_sealer_set set;
} source_message;

static void source_run(cm_task *task)
{
    source_message *m = CM_HOLDER(task, source_message, task);
    if (!m->is_last)
        m->events.on_sealers(m->owner, &m->camera, &m->set);
    else if (m->events.on_gone != NULL)
        m->events.on_gone(m->owner, &m->camera);
    cm_sealer_set_clear(&m->set);
    free(m);
}

static source_message *source_message_make(const cm_grants_camera *camera)
{
    source_message *m = calloc(1, sizeof *m);
    assert(m != NULL); /* a control object of fixed size */
    m->task.run = source_run;
    m->camera = camera->key;
    m->events = camera->events;
    m->owner = camera->owner;
    return m;
}

static void source_send(const cm_grants_camera *camera, source_message *m)
{
    if (!m->is_last && CM_FAULT(GRANTS_DROP_SOURCE)) {
        cm_sealer_set_clear(&m->set);
        free(m);
        return;
    }
    cm_loop_post(camera->source_loop, &m->task);
}

/* ---- keys ---- */

/* A secret for each set made, never used for another: also one that is made again for an epoch
 * whose first set was lost gets keys of its own, so no two sealers share one. */
static void make_keys(cm_grants *grants, const cm_camera_key *camera, uint64_t epoch,
                      cm_grants_keys *out)
{
    cm_random *random = cm_loop_random(grants->config.control);
    uint8_t context[sizeof *camera + 8 + 16];
    uint8_t fresh[16];
    cm_random_fill(random, fresh, sizeof fresh);
    cm_writer w = cm_writer_over(context, sizeof context);
    cm_write_slice(&w, cm_slice_over(camera, sizeof *camera));
    cm_write_u64(&w, epoch);
    cm_write_slice(&w, cm_slice_over(fresh, sizeof fresh));
    CM_AUTO(cm_secret_clear) cm_secret secret;
    cm_secret_derive(&grants->root, "epoch of a camera", cm_writer_done(&w), &secret);
    out->epoch = epoch;
    for (size_t stream = 0; stream < CM_STREAMS; stream++)
        for (size_t object = 0; object < CM_OBJECTS; object++)
            if (cm_stream_has((cm_stream)stream, (cm_object)object))
                cm_seal_key_make(&secret, camera, (cm_stream)stream, (cm_object)object, epoch,
                                 random, &out->keys[stream][object]);
}

/* The place for a further set, by its epoch; the oldest goes when all are taken. */
static cm_grants_keys *next_place(cm_grants_camera *camera, uint64_t epoch)
{
    if (camera->history_count == CM_GRANTS_HISTORY) {
        camera->forgotten = camera->history[0].epoch;
        for (size_t i = 1; i < CM_GRANTS_HISTORY; i++)
            camera->history[i - 1] = camera->history[i];
        camera->history_count--;
    }
    size_t at = camera->history_count++;
    for (; at > 0 && camera->history[at - 1].epoch > epoch; at--)
        camera->history[at] = camera->history[at - 1];
    return &camera->history[at];
}

static cm_status make_sealers(const cm_grants_camera *camera, const cm_grants_keys *keys,
                              cm_sealer_set *out)
{
    out->epoch = keys->epoch;
    for (size_t stream = 0; stream < CM_STREAMS; stream++)
        for (size_t object = 0; object < CM_OBJECTS; object++)
            if (cm_stream_has((cm_stream)stream, (cm_object)object))
                CM_TRY(cm_sealer_create(&keys->keys[stream][object], camera->slot,
                                        &out->sealers[stream][object]));
    return CM_OK;
}

static void hand_over_set(cm_grants *grants, cm_grants_camera *camera, uint64_t epoch)
{
    cm_grants_keys *keys = next_place(camera, epoch);
    camera->made_at = cm_loop_now(grants->config.control);
    make_keys(grants, &camera->key, epoch, keys);
    if (epoch > camera->made)
        camera->made = epoch;
    source_message *m = source_message_make(camera);
    const cm_status status = make_sealers(camera, keys, &m->set);
    assert(status == CM_OK); /* memory of fixed size */
    (void)status;
    source_send(camera, m);
}

void cm_grants_make_sets(cm_grants *grants, cm_grants_camera *camera)
{
    if (camera->epoch == UINT64_MAX)
        return;
    while (camera->made <= camera->epoch) {
        const uint64_t next = camera->made + 1;
        hand_over_set(grants, camera, next > camera->epoch ? next : camera->epoch);
    }
}

/* The keys of these streams of one set. */
static size_t list_keys(const cm_grants_keys *set, uint32_t streams,
                        const cm_seal_key *out[CM_STREAMS * CM_OBJECTS])
{
    size_t count = 0;
    for (size_t stream = 0; stream < CM_STREAMS; stream++)
        for (size_t object = 0; (streams >> stream & 1) == 1 && object < CM_OBJECTS; object++)
            if (cm_stream_has((cm_stream)stream, (cm_object)object))
                out[count++] = &set->keys[stream][object];
    return count;
}

size_t cm_grants_collect_keys(const cm_grants_camera *camera, uint32_t streams,
                              cm_seal_key out[CM_LEASE_KEYS_MAX])
{
    const cm_seal_key *of_set[CM_STREAMS * CM_OBJECTS];
    const size_t per_set = list_keys(&camera->history[0], streams, of_set);
    size_t last = camera->history_count;
    while (last > 0 && camera->history[last - 1].epoch > camera->epoch)
        last--;
    const size_t fits = per_set > 0 ? CM_LEASE_KEYS_MAX / per_set : 0;
    size_t first = last > fits ? last - fits : 0;
    /* Of an epoch all sets or none: a viewer takes a frame from before his oldest epoch as old, and
     * one of it whose key is unknown as a wrong one. */
    while (first < last && camera->history[first].epoch <= camera->forgotten &&
           camera->history[first].epoch < camera->epoch)
        first++;
    size_t count = 0;
    for (size_t i = first; i < last; i++) {
        list_keys(&camera->history[i], streams, of_set);
        for (size_t k = 0; k < per_set; k++)
            out[count++] = *of_set[k];
    }
    return count;
}

/* ---- the table ---- */

static cm_list *bucket_of(cm_grants *grants, const cm_camera_key *key)
{
    return &grants->cameras[cm_camera_key_hash(key) % CM_GRANTS_BUCKETS];
}

cm_grants_camera *cm_grants_find_camera(cm_grants *grants, const cm_camera_key *key)
{
    CM_LIST_EACH(bucket_of(grants, key), node, next)
    {
        cm_grants_camera *camera = CM_HOLDER(node, cm_grants_camera, node);
        if (cm_camera_key_equal(&camera->key, key))
            return camera;
    }
    return NULL;
}

bool cm_grants_publish(cm_grants *grants, cm_grants_camera *camera, uint64_t min_epoch)
{
    if (min_epoch <= camera->epoch)
        return false;
    cm_epoch_publish(grants->config.page, camera->slot, min_epoch);
    camera->epoch = min_epoch;
    return true;
}

cm_status cm_grants_camera_add(cm_grants *grants, const cm_camera_key *camera, uint64_t min_epoch,
                               cm_loop *source_loop, const cm_grants_camera_events *events,
                               void *owner)
{
    CM_ENSURE(cm_grants_find_camera(grants, camera) == NULL, CM_REFUSE);
    CM_ENSURE(min_epoch > 0 && min_epoch < UINT64_MAX, CM_REFUSE);
    CM_ENSURE(grants->camera_count < grants->config.cameras_max, CM_FULL);
    cm_grants_camera *c = calloc(1, sizeof *c);
    CM_ENSURE(c != NULL, CM_BROKEN);
    const cm_status status = cm_epoch_slot_take(grants->config.page, camera, min_epoch, &c->slot);
    if (status != CM_OK) {
        free(c);
        return status;
    }
    c->key = *camera;
    c->epoch = min_epoch;
    c->source_loop = source_loop;
    c->events = *events;
    c->owner = owner;
    cm_list_add_last(bucket_of(grants, camera), &c->node);
    grants->camera_count++;
    cm_grants_make_sets(grants, c);
    cm_grants_doubt_camera(grants, camera); /* somebody may have asked before it was announced */
    return CM_OK;
}

static void forget_camera(cm_grants *grants, cm_grants_camera *camera)
{
    cm_list_remove(&camera->node);
    grants->camera_count--;
    cm_secret_wipe(camera->history, sizeof camera->history);
    free(camera);
}

void cm_grants_camera_remove(cm_grants *grants, const cm_camera_key *key)
{
    cm_grants_camera *camera = cm_grants_find_camera(grants, key);
    if (camera == NULL)
        return;
    const cm_camera_key own = camera->key; /* `key` may be the caller's copy in our own change */
    cm_grants_publish(grants, camera, UINT64_MAX);
    source_message *m = source_message_make(camera);
    m->is_last = true;
    source_send(camera, m);
    forget_camera(grants, camera);
    cm_grants_end_of_camera(grants, &own);
}

void cm_grants_free_cameras(cm_grants *grants)
{
    for (size_t i = 0; i < CM_GRANTS_BUCKETS; i++)
        CM_LIST_EACH(&grants->cameras[i], node, next)
    forget_camera(grants, CM_HOLDER(node, cm_grants_camera, node));
}

/* ---- a source asks ---- */

typedef struct want_task {
    cm_task task;
    cm_grants *grants;
    cm_camera_key camera;
    uint64_t after_epoch;
} want_task;

/*
 * A message to the source was lost. It gets fresh sets of what it lacks, never a second sealer with
 * keys that it may have; what is on its way is not made again. The keys of a set that is thought
 * lost stay in the leases: it may have arrived.
 */
static void give_again(cm_grants *grants, cm_grants_camera *camera, uint64_t after_epoch)
{
    const cm_instant now = cm_loop_now(grants->config.control);
    if (camera->epoch == UINT64_MAX || after_epoch > camera->epoch ||
        cm_instant_since(now, camera->made_at) < CM_GRANTS_ON_ITS_WAY_US)
        return;
    if (after_epoch < camera->epoch)
        hand_over_set(grants, camera, camera->epoch);
    hand_over_set(grants, camera, camera->epoch + 1);
    if (after_epoch < camera->epoch)
        cm_grants_doubt_camera(grants, &camera->key); /* leases with the fresh keys */
}

static void want_run(cm_task *task)
{
    want_task *want = CM_HOLDER(task, want_task, task);
    cm_grants_camera *camera = NULL;
    if (cm_grants_arrived(want->grants))
        camera = cm_grants_find_camera(want->grants, &want->camera);
    if (camera != NULL)
        give_again(want->grants, camera, want->after_epoch);
    free(want);
}

void cm_grants_camera_want_sealers(cm_grants *grants, const cm_camera_key *camera,
                                   uint64_t after_epoch)
{
    want_task *want = calloc(1, sizeof *want);
    if (want == NULL)
        return; /* the source asks again */
    *want = (want_task){
        .task = {.run = want_run}, .grants = grants, .camera = *camera, .after_epoch = after_epoch};
    cm_grants_hold(grants);
    cm_loop_post(grants->config.control, &want->task);
}
