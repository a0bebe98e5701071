/* Opening: once for all viewers of a pass whose leases hold the very key, in a scratch that is
 * wiped before the pass ends. */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "media/seal_priv.h"

struct cm_fanout {
    cm_aead *aead;
    bool is_keyed;
    uint8_t
        keyed_id[16]; /* of the key that the context holds: spares keying again frame after frame */
    uint8_t *scratch; /* the open granules, then the work of the pass */
    size_t scratch_size;
    cm_writer work;
    uint64_t passes;
    cm_slice granules[CM_FRAME_GRANULES_MAX];
};

cm_status cm_fanout_create(cm_fanout **out)
{
    cm_fanout *fanout = calloc(1, sizeof *fanout);
    CM_ENSURE(fanout != NULL, CM_BROKEN);
    const cm_status status = cm_aead_create(&fanout->aead);
    if (status != CM_OK) {
        free(fanout);
        return status;
    }
    *out = fanout;
    return CM_OK;
}

void cm_fanout_destroy(cm_fanout *fanout)
{
    if (fanout == NULL)
        return;
    cm_aead_destroy(fanout->aead);
    free(fanout->scratch);
    free(fanout);
}

static cm_status use_key(cm_fanout *fanout, const cm_seal_key *key)
{
    if (fanout->is_keyed && memcmp(fanout->keyed_id, key->key_id, sizeof key->key_id) == 0)
        return CM_OK;
    fanout->is_keyed = false;
    CM_TRY(cm_aead_set_key(fanout->aead, key->key));
    cm_slice_copy(cm_slice_over(key->key_id, sizeof key->key_id), fanout->keyed_id,
                  sizeof fanout->keyed_id);
    fanout->is_keyed = true;
    return CM_OK;
}

static cm_status reserve_scratch(cm_fanout *fanout, size_t size)
{
    if (size <= fanout->scratch_size)
        return CM_OK;
    uint8_t *scratch = realloc(fanout->scratch, size);
    CM_ENSURE(scratch != NULL, CM_BROKEN);
    fanout->scratch = scratch;
    fanout->scratch_size = size;
    return CM_OK;
}

/* What is to be opened, and what as: key and number are what is expected. */
typedef struct opening {
    const cm_seal_key *key;
    uint64_t number;
    size_t first; /* granules from this one */
    size_t end;   /* to before this one */
} opening;

/* Opens granules of the frame into the scratch; the others are empty. *used_out bytes of it hold
 * pictures, also on failure. */
static cm_status open_granules(cm_fanout *fanout, const opening *o, const cm_frame *frame,
                               size_t *used_out)
{
    const cm_granule_binding binding = cm_granule_binding_of(o->key->context, o->number, frame);
    *used_out = 0;
    fanout->work = cm_writer_over(NULL, 0);
    /* Nothing in the head is proved yet. */
    CM_ENSURE(frame->count <= CM_FRAME_GRANULES_MAX, CM_FOREIGN);
    CM_TRY(reserve_scratch(fanout, 2 * frame->size_bytes));
    fanout->work = cm_writer_over(fanout->scratch + frame->size_bytes, frame->size_bytes);
    CM_TRY(use_key(fanout, o->key));
    cm_frame_walk walk = cm_frame_walk_begin(frame);
    for (uint16_t i = 0; i < frame->count; i++) {
        const cm_slice sealed = cm_frame_walk_next(&walk);
        fanout->granules[i] = (cm_slice){0};
        if (i < o->first || i >= o->end)
            continue;
        uint8_t *out = fanout->scratch + *used_out;
        CM_TRY(cm_granule_open(fanout->aead, &binding, i, sealed, out));
        fanout->granules[i] = cm_slice_over(out, sealed.size - CM_SEAL_TAG_SIZE);
        *used_out += sealed.size - CM_SEAL_TAG_SIZE;
    }
    /* Without an open granule nothing that the head says is proved. */
    return *used_out > 0 ? CM_OK : CM_FOREIGN;
}

static size_t end_of(const cm_fanout_viewer *viewer)
{
    return viewer->end > 0 ? viewer->end : CM_FRAME_GRANULES_MAX;
}

/* All that any of the viewers wants. */
static void widen(opening *o, const cm_fanout_viewer *viewers, size_t count)
{
    o->first = CM_FRAME_GRANULES_MAX;
    for (size_t i = 0; i < count; i++) {
        if (viewers[i].first < o->first)
            o->first = viewers[i].first;
        if (end_of(&viewers[i]) > o->end)
            o->end = end_of(&viewers[i]);
    }
}

static cm_opened_frame view_of(cm_fanout *fanout, const cm_frame *frame)
{
    return (cm_opened_frame){.pass = fanout->passes,
                             .frame = frame,
                             .granules = fanout->granules,
                             .count = frame->count,
                             .work = &fanout->work};
}

static void wipe(cm_fanout *fanout, size_t used)
{
    cm_secret_wipe(fanout->scratch, used);
    cm_secret_wipe(fanout->work.bytes, fanout->work.used);
}

static void note_delivery(cm_delivered *delivered, const cm_seal_key *key, const cm_frame *frame)
{
    if (delivered == NULL)
        return;
    cm_slice_copy(cm_slice_over(key->key_id, sizeof key->key_id), delivered->key_id,
                  sizeof delivered->key_id);
    delivered->number = frame->number;
}

/* Those of the viewers who hold `key` and may have this frame get it. */
static void deliver_to_holders(cm_fanout *fanout, const cm_frame *frame, const cm_seal_key *key,
                               cm_status opened, cm_instant now, cm_fanout_viewer *viewers,
                               size_t count,
                               bool (*deliver)(void *owner, const cm_opened_frame *opened))
{
    const cm_opened_frame view = view_of(fanout, frame);
    for (size_t i = 0; i < count; i++) {
        cm_fanout_viewer *viewer = &viewers[i];
        const cm_seal_key *own = NULL;
        if (viewer->is_served)
            continue;
        viewer->refusal = cm_lease_expect(viewer->lease, viewer->cursor, frame, now, &own);
        if (viewer->refusal != CM_REFUSAL_NONE) {
            viewer->is_served = true;
            continue;
        }
        if (memcmp(own->key_id, key->key_id, sizeof own->key_id) != 0)
            continue;
        viewer->is_served = true;
        note_delivery(viewer->delivered, own, frame);
        if (opened != CM_OK) {
            viewer->refusal = CM_REFUSAL_SEAL;
            continue;
        }
        cm_viewing_note(viewer->lease->terms.viewing, viewer->cursor->stream, own->epoch, frame);
        if (deliver(viewer->owner, &view))
            cm_cursor_advance(viewer->cursor, own, frame);
    }
}

void cm_fanout_open(cm_fanout *fanout, const cm_frame *frame, cm_instant now,
                    cm_fanout_viewer *viewers, size_t count,
                    bool (*deliver)(void *owner, const cm_opened_frame *opened))
{
    opening o = {0};
    widen(&o, viewers, count);
    for (size_t i = 0; i < count; i++)
        viewers[i].is_served = false;
    /* Usually one round: all viewers of a stream hold the same key. */
    for (size_t i = 0; i < count; i++) {
        if (viewers[i].is_served)
            continue;
        viewers[i].refusal =
            cm_lease_expect(viewers[i].lease, viewers[i].cursor, frame, now, &o.key);
        if (viewers[i].refusal != CM_REFUSAL_NONE) {
            viewers[i].is_served = true;
            continue;
        }
        size_t used;
        fanout->passes++;
        o.number = frame->number;
        const cm_status opened = open_granules(fanout, &o, frame, &used);
        deliver_to_holders(fanout, frame, o.key, opened, now, viewers, count, deliver);
        wipe(fanout, used);
    }
}

cm_refusal cm_fanout_open_again(cm_fanout *fanout, const cm_frame *frame,
                                const cm_delivered *delivered, cm_instant now,
                                const cm_fanout_viewer *viewer,
                                bool (*deliver)(void *owner, const cm_opened_frame *opened))
{
    opening o = {.number = delivered->number, .first = viewer->first, .end = end_of(viewer)};
    const cm_refusal refusal =
        cm_lease_expect_again(viewer->lease, viewer->cursor, delivered, frame, now, &o.key);
    if (refusal != CM_REFUSAL_NONE)
        return refusal;
    size_t used;
    fanout->passes++;
    const cm_status opened = open_granules(fanout, &o, frame, &used);
    if (opened == CM_OK) {
        const cm_opened_frame view = view_of(fanout, frame);
        CM_IGNORE(deliver(viewer->owner, &view), "the cursor stays where it is");
    }
    wipe(fanout, used);
    return opened == CM_OK ? CM_REFUSAL_NONE : CM_REFUSAL_SEAL;
}
