#include "media/delegate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/reader.h"
#include "media/seal_priv.h"
#include "media/sound.h"

/* ---- the record ---- */

typedef struct side {
    uint8_t instance[CM_INSTANCE_SIZE];
    uint8_t key[CM_AEAD_KEY_SIZE];
    uint8_t context[32];
    uint64_t epoch;
    uint64_t number;
} side;

typedef struct record {
    cm_camera_key camera;
    cm_stream stream;
    side open;
    side seal;
    cm_stream made; /* of sound: the stream of the output; else `stream` */
} record;

static void write_side(cm_writer *w, const cm_seal_key *key, uint64_t number)
{
    cm_write_slice(w, cm_slice_over(key->instance, sizeof key->instance));
    cm_write_slice(w, cm_slice_over(key->key, sizeof key->key));
    cm_write_slice(w, cm_slice_over(key->context, sizeof key->context));
    cm_write_u64(w, key->epoch);
    cm_write_u64(w, number);
}

static void read_bytes(cm_reader *r, uint8_t *out, size_t size)
{
    const cm_slice bytes = cm_read_slice(r, size);
    if (bytes.size == size)
        cm_slice_copy(bytes, out, size);
}

static side read_side(cm_reader *r)
{
    side s = {0};
    read_bytes(r, s.instance, sizeof s.instance);
    read_bytes(r, s.key, sizeof s.key);
    read_bytes(r, s.context, sizeof s.context);
    s.epoch = cm_read_u64(r);
    s.number = cm_read_u64(r);
    return s;
}

/* Whether what `output` seals may be made of a frame of `stream`, as far as its key says. */
static bool may_become(cm_stream stream, const cm_seal_key *output)
{
    if (stream == CM_STREAM_SOUND)
        return cm_stream_is_made(output->stream) && output->kind == CM_OBJECT_FRAME;
    return !cm_stream_is_sound(stream) && output->stream == stream &&
           output->kind == CM_OBJECT_STILL;
}

/* Both rights, or why not: the key that opens the frame, and that the output's is of the same
 * camera. */
static cm_status judge(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                       const cm_sealer *output, cm_instant now, const cm_seal_key **key_out,
                       cm_refusal *refusal)
{
    *refusal = cm_lease_expect(lease, cursor, frame, now, key_out);
    CM_ENSURE(*refusal == CM_REFUSAL_NONE, CM_FOREIGN);
    *refusal = CM_REFUSAL_FOREIGN;
    CM_ENSURE(cm_camera_key_equal(&output->key.camera, &lease->terms.camera), CM_FOREIGN);
    CM_ENSURE(may_become(cursor->stream, &output->key), CM_FOREIGN);
    *refusal = CM_REFUSAL_STALE;
    CM_ENSURE(cm_sealer_is_current(output), CM_FOREIGN);
    *refusal = CM_REFUSAL_NONE;
    return CM_OK;
}

static void write_record(uint8_t out[CM_DELEGATION_SIZE], const cm_seal_key *open, uint64_t from,
                         const cm_seal_key *seal, uint64_t to)
{
    cm_writer w = cm_writer_over(out, CM_DELEGATION_SIZE);
    cm_write_slice(&w, cm_slice_over(seal->camera.home.text, CM_ID_SIZE));
    cm_write_slice(&w, cm_slice_over(seal->camera.camera.text, CM_ID_SIZE));
    cm_write_u8(&w, (uint8_t)open->stream);
    write_side(&w, open, from);
    write_side(&w, seal, to);
    cm_write_u8(&w, cm_stream_is_made(seal->stream) ? (uint8_t)seal->stream : 0);
    cm_write_zeros(&w, CM_DELEGATION_SIZE - w.used);
    assert(!w.failed);
}

static cm_status delegate(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                          cm_sealer *output, cm_instant now, uint8_t out[CM_DELEGATION_SIZE],
                          const cm_seal_key **key_out, cm_refusal *refusal)
{
    CM_TRY(judge(lease, cursor, frame, output, now, key_out, refusal));
    write_record(out, *key_out, frame->number, &output->key, output->next_number++);
    return CM_OK;
}

cm_status cm_delegate(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                      cm_sealer *stills, cm_instant now, uint8_t out[CM_DELEGATION_SIZE],
                      uint64_t *number_out, cm_refusal *refusal)
{
    const cm_seal_key *key = NULL;
    *refusal = CM_REFUSAL_FOREIGN;
    CM_ENSURE(stills->key.kind == CM_OBJECT_STILL, CM_FOREIGN);
    CM_TRY(delegate(lease, cursor, frame, stills, now, out, &key, refusal));
    *number_out = stills->next_number - 1;
    return CM_OK;
}

cm_status cm_delegate_sound(const cm_lease *lease, cm_cursor *cursor, const cm_frame *frame,
                            cm_sealer *made, cm_instant now, uint8_t out[CM_DELEGATION_SIZE],
                            uint64_t *number_out, cm_refusal *refusal)
{
    const cm_seal_key *key = NULL;
    *refusal = CM_REFUSAL_FOREIGN;
    CM_ENSURE(cm_stream_is_made(made->key.stream), CM_FOREIGN);
    CM_TRY(delegate(lease, cursor, frame, made, now, out, &key, refusal));
    *number_out = made->next_number - 1;
    cm_cursor_advance(cursor, key, frame);
    return CM_OK;
}

static cm_status read_record(const uint8_t bytes[CM_DELEGATION_SIZE], record *out)
{
    cm_reader r = cm_reader_over(cm_slice_over(bytes, CM_DELEGATION_SIZE));
    read_bytes(&r, (uint8_t *)out->camera.home.text, CM_ID_SIZE);
    read_bytes(&r, (uint8_t *)out->camera.camera.text, CM_ID_SIZE);
    const uint8_t stream = cm_read_u8(&r);
    out->open = read_side(&r);
    out->seal = read_side(&r);
    const uint8_t made = cm_read_u8(&r);
    (void)cm_read_slice(&r, r.rest.size);
    CM_TRY(cm_reader_finish(&r));
    const bool is_sound = stream == CM_STREAM_SOUND;
    CM_ENSURE(is_sound || stream < CM_PICTURE_STREAMS, CM_CLOSE);
    CM_ENSURE(is_sound ? made < CM_STREAMS && cm_stream_is_made((cm_stream)made) : made == 0,
              CM_CLOSE);
    out->stream = (cm_stream)stream;
    out->made = is_sound ? (cm_stream)made : out->stream;
    return CM_OK;
}

/* ---- frames on a wire ---- */

enum { WIRE_HEAD = 2 * CM_ID_SIZE + 2 + 8 + CM_INSTANCE_SIZE + 8 + 8 + 8 + 2 + 2 + 2 };

static cm_slice data_of(const cm_frame *frame)
{
    return cm_slice_over(frame->data, frame->size_bytes - sizeof *frame);
}

size_t cm_frame_wire_size(const cm_frame *frame)
{
    return WIRE_HEAD + data_of(frame).size;
}

void cm_frame_write(cm_writer *w, const cm_frame *frame)
{
    cm_write_slice(w, cm_slice_over(frame->camera.home.text, CM_ID_SIZE));
    cm_write_slice(w, cm_slice_over(frame->camera.camera.text, CM_ID_SIZE));
    cm_write_u8(w, (uint8_t)frame->stream);
    cm_write_u8(w, (uint8_t)frame->kind);
    cm_write_u64(w, frame->epoch);
    cm_write_slice(w, cm_slice_over(frame->instance, CM_INSTANCE_SIZE));
    cm_write_u64(w, frame->number);
    cm_write_u64(w, (uint64_t)frame->captured.us);
    cm_write_u64(w, (uint64_t)frame->media_time);
    cm_write_u16(w, frame->flags);
    cm_write_u16(w, frame->count);
    cm_write_u16(w, frame->duration_ms);
    cm_write_slice(w, data_of(frame));
}

static cm_status read_head(cm_reader *r, cm_frame *head)
{
    read_bytes(r, (uint8_t *)head->camera.home.text, CM_ID_SIZE);
    read_bytes(r, (uint8_t *)head->camera.camera.text, CM_ID_SIZE);
    const uint8_t stream = cm_read_u8(r);
    const uint8_t kind = cm_read_u8(r);
    head->epoch = cm_read_u64(r);
    read_bytes(r, head->instance, CM_INSTANCE_SIZE);
    head->number = cm_read_u64(r);
    head->captured.us = (int64_t)cm_read_u64(r);
    head->media_time = (int64_t)cm_read_u64(r);
    head->flags = cm_read_u16(r);
    head->count = cm_read_u16(r);
    head->duration_ms = cm_read_u16(r);
    CM_ENSURE(!r->failed, CM_CLOSE);
    CM_ENSURE(stream < CM_STREAMS && kind < CM_OBJECTS, CM_CLOSE);
    CM_ENSURE(cm_stream_has((cm_stream)stream, (cm_object)kind), CM_CLOSE);
    head->stream = (cm_stream)stream;
    head->kind = (cm_object)kind;
    return CM_OK;
}

/* The table of sizes must describe exactly what follows it. */
static cm_status check_data(cm_slice data, uint16_t count)
{
    cm_reader sizes = cm_reader_over(cm_slice_part(data, 0, (size_t)count * 2));
    size_t total = (size_t)count * 2;
    for (uint16_t i = 0; i < count; i++) {
        const uint16_t size = cm_read_u16(&sizes);
        CM_ENSURE(size > CM_SEAL_TAG_SIZE && size <= CM_GRANULE_MAX + CM_SEAL_TAG_SIZE, CM_CLOSE);
        total += size;
    }
    CM_TRY(cm_reader_finish(&sizes));
    return total == data.size ? CM_OK : CM_CLOSE;
}

cm_status cm_frame_read(cm_slice wire, unsigned loop_index, cm_frame **out)
{
    assert(loop_index < CM_LOOPS_MAX);
    cm_reader r = cm_reader_over(wire);
    cm_frame head = {0};
    CM_TRY(read_head(&r, &head));
    CM_ENSURE(head.count > 0 && head.count <= CM_FRAME_GRANULES_MAX, CM_CLOSE);
    const cm_slice data = r.rest;
    CM_TRY(check_data(data, head.count));
    cm_frame *frame = malloc(sizeof *frame + data.size);
    CM_ENSURE(frame != NULL, CM_BROKEN);
    *frame = head;
    frame->size_bytes = sizeof *frame + data.size;
    frame->loops = 1;
    frame->holds[loop_index] = 1;
    cm_slice_copy(data, frame->data, data.size);
    *out = frame;
    return CM_OK;
}

/* ---- in the helper ---- */

struct cm_delegated {
    record record;
    cm_aead *aead;
    bool is_opened; /* whole */
    bool is_used;
    cm_wall captured; /* of the opened frame, as the next */
    cm_media_time media_time;
    uint8_t *plain;
    size_t plain_size;
    cm_slice granules[CM_FRAME_GRANULES_MAX];
};

cm_status cm_delegated_create(const uint8_t bytes[CM_DELEGATION_SIZE], cm_delegated **out)
{
    cm_delegated *d = calloc(1, sizeof *d);
    CM_ENSURE(d != NULL, CM_BROKEN);
    cm_status status = read_record(bytes, &d->record);
    if (status == CM_OK)
        status = cm_aead_create(&d->aead);
    if (status != CM_OK) {
        cm_delegated_destroy(d);
        return status;
    }
    *out = d;
    return CM_OK;
}

void cm_delegated_destroy(cm_delegated *d)
{
    if (d == NULL)
        return;
    if (d->plain != NULL)
        cm_secret_wipe(d->plain, d->plain_size);
    free(d->plain);
    cm_aead_destroy(d->aead);
    cm_secret_wipe(&d->record, sizeof d->record);
    free(d);
}

const cm_camera_key *cm_delegated_camera(const cm_delegated *d)
{
    return &d->record.camera;
}

cm_stream cm_delegated_stream(const cm_delegated *d)
{
    return d->record.made;
}

static bool is_the_one(const record *r, const cm_frame *frame)
{
    if (CM_FAULT(SEALING_OFF))
        return true;
    return cm_camera_key_equal(&frame->camera, &r->camera) && frame->stream == r->stream &&
           frame->kind == CM_OBJECT_FRAME && frame->epoch == r->open.epoch &&
           frame->number == r->open.number &&
           memcmp(frame->instance, r->open.instance, CM_INSTANCE_SIZE) == 0;
}

cm_status cm_delegated_open(cm_delegated *d, const cm_frame *frame, cm_opened_frame *out)
{
    CM_ENSURE(is_the_one(&d->record, frame) && d->plain == NULL, CM_FOREIGN);
    const cm_granule_binding binding =
        cm_granule_binding_of(d->record.open.context, d->record.open.number, frame);
    d->plain_size = frame->size_bytes;
    d->plain = malloc(d->plain_size);
    CM_ENSURE(d->plain != NULL, CM_BROKEN);
    CM_TRY(cm_aead_set_key(d->aead, d->record.open.key));
    cm_frame_walk walk = cm_frame_walk_begin(frame);
    size_t used = 0;
    for (uint16_t i = 0; i < frame->count; i++) {
        const cm_slice sealed = cm_frame_walk_next(&walk);
        CM_TRY(cm_granule_open(d->aead, &binding, i, sealed, d->plain + used));
        d->granules[i] = cm_slice_over(d->plain + used, sealed.size - CM_SEAL_TAG_SIZE);
        used += d->granules[i].size;
    }
    d->is_opened = true;
    d->captured = frame->captured;
    d->media_time = frame->media_time;
    *out = (cm_opened_frame){.frame = frame, .granules = d->granules, .count = frame->count};
    return CM_OK;
}

/* Once, under the key of the record; `plain` gets the times of what was opened. */
static cm_status seal(cm_delegated *d, cm_object kind, cm_plain_frame *plain, cm_frame **out)
{
    const side *key = &d->record.seal;
    cm_sealer sealer = {.key = {.camera = d->record.camera,
                                .stream = d->record.made,
                                .kind = kind,
                                .epoch = key->epoch},
                        .next_number = key->number,
                        .aead = d->aead};
    cm_slice_copy(cm_slice_over(key->instance, sizeof key->instance), sealer.key.instance,
                  sizeof sealer.key.instance);
    cm_slice_copy(cm_slice_over(key->context, sizeof key->context), sealer.key.context,
                  sizeof sealer.key.context);
    plain->captured = d->captured;
    plain->media_time = d->media_time;
    d->is_used = true;
    CM_TRY(cm_aead_set_key(d->aead, key->key));
    return cm_seal_unchecked(&sealer, plain, 0, out);
}

cm_status cm_delegated_seal(cm_delegated *d, cm_slice output, cm_frame **out)
{
    CM_ENSURE(!d->is_used && d->is_opened && d->record.stream != CM_STREAM_SOUND, CM_REFUSE);
    const size_t count = (output.size + CM_GRANULE_MAX - 1) / CM_GRANULE_MAX;
    CM_ENSURE(count > 0 && count <= CM_FRAME_GRANULES_MAX, CM_FULL);
    cm_plain_granule *granules = calloc(count, sizeof *granules);
    CM_ENSURE(granules != NULL, CM_BROKEN);
    for (size_t i = 0; i < count; i++)
        granules[i].body = cm_slice_part(output, i * CM_GRANULE_MAX, CM_GRANULE_MAX);
    cm_plain_frame plain = {.granules = granules, .count = count, .flags = CM_FRAME_KEYFRAME};
    const cm_status status = seal(d, CM_OBJECT_STILL, &plain, out);
    free(granules);
    return status;
}

cm_status cm_delegated_seal_sound(cm_delegated *d, const cm_made_sound *sound, cm_frame **out)
{
    CM_ENSURE(!d->is_used && d->is_opened && d->record.stream == CM_STREAM_SOUND, CM_REFUSE);
    CM_ENSURE(sound->count > 0 && sound->count <= 1 + CM_SOUND_MADE_MAX, CM_FULL);
    cm_plain_granule granules[1 + CM_SOUND_MADE_MAX] = {0};
    for (size_t i = 0; i < sound->count; i++)
        granules[i].body = sound->granules[i];
    const uint16_t discontinuity = sound->is_discontinuity ? CM_FRAME_DISCONTINUITY : 0;
    cm_plain_frame plain = {.granules = granules,
                            .count = sound->count,
                            .flags = (uint16_t)(CM_FRAME_KEYFRAME | discontinuity),
                            .duration_ms = sound->duration_ms};
    return seal(d, CM_OBJECT_FRAME, &plain, out);
}
