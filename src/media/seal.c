#include "media/seal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/writer.h"
#include "media/seal_priv.h"

enum { INDEX_AT = 58 }; /* where the associated data has the granule's number */

/* The associated data and nonce of granule `index`, as laid down in media/seal.h. */
static void bind(const cm_granule_binding *binding, uint16_t index,
                 uint8_t associated[CM_ASSOCIATED_SIZE], uint8_t nonce[CM_AEAD_NONCE_SIZE])
{
    cm_slice_copy(cm_slice_over(binding->associated, CM_ASSOCIATED_SIZE), associated,
                  CM_ASSOCIATED_SIZE);
    cm_writer w = cm_writer_over(associated + INDEX_AT, sizeof index);
    cm_write_u16(&w, index);
    /* Unique under a key as long as no number is sealed twice and a frame has fewer than 65,536
     * granules. */
    w = cm_writer_over(nonce, CM_AEAD_NONCE_SIZE);
    cm_write_u32(&w, 0);
    cm_write_u64(&w, binding->number << 16 | index);
}

cm_status cm_granule_seal(cm_aead *aead, const cm_granule_binding *binding, uint16_t index,
                          uint8_t *bytes, size_t size)
{
    uint8_t associated[CM_ASSOCIATED_SIZE];
    uint8_t nonce[CM_AEAD_NONCE_SIZE];
    if (CM_FAULT(SEALING_OFF))
        return CM_OK;
    bind(binding, index, associated, nonce);
    return cm_aead_seal(aead, nonce, cm_slice_over(associated, sizeof associated), bytes, size);
}

cm_status cm_granule_open(cm_aead *aead, const cm_granule_binding *binding, uint16_t index,
                          cm_slice sealed, uint8_t *out)
{
    uint8_t associated[CM_ASSOCIATED_SIZE];
    uint8_t nonce[CM_AEAD_NONCE_SIZE];
    CM_ENSURE(sealed.size > CM_SEAL_TAG_SIZE, CM_FOREIGN);
    if (CM_FAULT(SEALING_OFF)) {
        const size_t size = sealed.size - CM_SEAL_TAG_SIZE;
        cm_slice_copy(cm_slice_part(sealed, 0, size), out, size);
        return CM_OK;
    }
    bind(binding, index, associated, nonce);
    return cm_aead_open(aead, nonce, cm_slice_over(associated, sizeof associated), sealed, out);
}

cm_granule_binding cm_granule_binding_of(const uint8_t *context, uint64_t number,
                                         const cm_frame *frame)
{
    cm_granule_binding binding = {.number = number};
    cm_writer w = cm_writer_over(binding.associated, sizeof binding.associated);
    cm_write_slice(&w, cm_slice_over(context, 32));
    cm_write_u64(&w, number);
    cm_write_u64(&w, (uint64_t)frame->captured.us);
    cm_write_u64(&w, (uint64_t)frame->media_time);
    cm_write_u16(&w, frame->flags);
    assert(w.used == INDEX_AT);
    cm_write_u16(&w, 0);
    cm_write_u16(&w, frame->count);
    cm_write_u16(&w, frame->duration_ms);
    assert(!w.failed && w.used == CM_ASSOCIATED_SIZE);
    return binding;
}

/* ---- sealers ---- */

void cm_sealer_destroy(cm_sealer *sealer)
{
    if (sealer == NULL)
        return;
    cm_aead_destroy(sealer->aead);
    cm_secret_wipe(&sealer->key, sizeof sealer->key);
    free(sealer);
}

void cm_sealer_skip_to(cm_sealer *sealer, uint64_t number)
{
    if (number > sealer->next_number)
        sealer->next_number = number;
}

bool cm_sealer_is_current(const cm_sealer *sealer)
{
    return cm_epoch_is_current(sealer->slot, sealer->camera_tag, sealer->key.epoch);
}

bool cm_sealer_is_early(const cm_sealer *sealer)
{
    return sealer->key.epoch > 0 &&
           cm_epoch_is_current(sealer->slot, sealer->camera_tag, sealer->key.epoch - 1);
}

uint64_t cm_sealer_epoch(const cm_sealer *sealer)
{
    return sealer->key.epoch;
}

const cm_camera_key *cm_sealer_camera(const cm_sealer *sealer)
{
    return &sealer->key.camera;
}

/* Bytes of the frame's data part; CM_FULL beyond the bounds. */
static cm_status measure(const cm_plain_frame *plain, size_t *size_out)
{
    CM_ENSURE(plain->count > 0 && plain->count <= CM_FRAME_GRANULES_MAX, CM_FULL);
    size_t size = 0;
    for (size_t i = 0; i < plain->count; i++) {
        const cm_plain_granule *granule = &plain->granules[i];
        CM_ENSURE(granule->head_size <= sizeof granule->head, CM_FULL);
        CM_ENSURE(granule->body.size > 0 &&
                      granule->body.size <= CM_GRANULE_MAX - (size_t)granule->head_size,
                  CM_FULL);
        size += 2 + granule->head_size + granule->body.size + CM_SEAL_TAG_SIZE;
    }
    *size_out = size;
    return CM_OK;
}

static cm_frame *frame_create(const cm_sealer *sealer, const cm_plain_frame *plain,
                              size_t data_size, unsigned loop_index)
{
    cm_frame *frame = malloc(sizeof *frame + data_size);
    if (frame == NULL)
        return NULL;
    *frame = (cm_frame){
        .camera = sealer->key.camera,
        .stream = sealer->key.stream,
        .kind = sealer->key.kind,
        .epoch = sealer->key.epoch,
        .captured = plain->captured,
        .media_time = plain->media_time,
        .flags = plain->flags,
        .count = (uint16_t)plain->count,
        .duration_ms = plain->duration_ms,
        .size_bytes = sizeof *frame + data_size,
        .loops = 1,
    };
    cm_slice_copy(cm_slice_over(sealer->key.instance, CM_INSTANCE_SIZE), frame->instance,
                  sizeof frame->instance);
    frame->holds[loop_index] = 1;
    return frame;
}

static cm_status seal_granules(cm_sealer *sealer, const cm_plain_frame *plain, size_t data_size,
                               cm_frame *frame)
{
    const cm_granule_binding binding =
        cm_granule_binding_of(sealer->key.context, frame->number, frame);
    cm_writer sizes = cm_writer_over(frame->data, plain->count * 2);
    cm_writer w = cm_writer_over(frame->data + plain->count * 2, data_size - plain->count * 2);
    for (size_t i = 0; i < plain->count; i++) {
        const cm_plain_granule *granule = &plain->granules[i];
        uint8_t *begin = w.bytes + w.used;
        const size_t size = granule->head_size + granule->body.size;
        cm_write_slice(&w, cm_slice_over(granule->head, granule->head_size));
        cm_write_slice(&w, granule->body);
        (void)cm_write_reserve(&w, CM_SEAL_TAG_SIZE);
        cm_write_u16(&sizes, (uint16_t)(size + CM_SEAL_TAG_SIZE));
        assert(!w.failed && !sizes.failed);
        CM_TRY(cm_granule_seal(sealer->aead, &binding, (uint16_t)i, begin, size));
    }
    return CM_OK;
}

static cm_status make_cipher(cm_sealer *sealer)
{
    if (sealer->aead != NULL)
        return CM_OK;
    CM_TRY(cm_aead_create(&sealer->aead));
    return cm_aead_set_key(sealer->aead, sealer->key.key);
}

cm_status cm_seal_unchecked(cm_sealer *sealer, const cm_plain_frame *plain, unsigned loop_index,
                            cm_frame **out)
{
    assert(loop_index < CM_LOOPS_MAX);
    CM_ENSURE(sealer->next_number < UINT64_C(1) << 48, CM_FOREIGN);
    size_t data_size;
    CM_TRY(make_cipher(sealer));
    CM_TRY(measure(plain, &data_size));
    cm_frame *frame = frame_create(sealer, plain, data_size, loop_index);
    CM_ENSURE(frame != NULL, CM_BROKEN);
    frame->number = sealer->next_number++;
    const cm_status status = seal_granules(sealer, plain, data_size, frame);
    if (status != CM_OK) {
        free(frame);
        return status;
    }
    *out = frame;
    return CM_OK;
}

cm_status cm_seal_frame(cm_sealer *sealer, const cm_plain_frame *plain, unsigned loop_index,
                        cm_frame **out)
{
    CM_ENSURE(cm_sealer_is_current(sealer), CM_FOREIGN);
    return cm_seal_unchecked(sealer, plain, loop_index, out);
}

/* ---- leases ---- */

const cm_camera_key *cm_lease_camera(const cm_lease *lease)
{
    return &lease->terms.camera;
}

uint64_t cm_lease_epoch(const cm_lease *lease)
{
    return lease->terms.epoch;
}

cm_instant cm_lease_until(const cm_lease *lease)
{
    return lease->terms.until;
}

bool cm_lease_allows(const cm_lease *lease, cm_stream stream, cm_rights rights)
{
    return (lease->terms.streams >> stream & 1) == 1 && (lease->terms.rights & rights) == rights;
}

bool cm_lease_has(const cm_lease *lease, cm_rights rights)
{
    return (lease->terms.rights & rights) == rights;
}

bool cm_lease_is_live(const cm_lease *lease, cm_instant now)
{
    return now.us >= lease->terms.from.us && now.us < lease->terms.until.us &&
           cm_epoch_is_current(lease->slot, lease->camera_tag, lease->terms.epoch);
}

void cm_lease_destroy(cm_lease *lease)
{
    if (lease == NULL)
        return;
    cm_viewing_release(lease->terms.viewing);
    cm_secret_wipe(lease, cm_lease_size(lease->terms.key_count));
    free(lease);
}

static size_t count_keys(const cm_lease *lease, cm_stream stream)
{
    size_t count = 0;
    for (size_t i = 0; i < lease->terms.key_count; i++)
        count += lease->keys[i].stream == stream ? 1 : 0;
    return count;
}

cm_status cm_lease_narrow(const cm_lease *lease, cm_stream stream, cm_lease **out)
{
    CM_ENSURE(cm_lease_allows(lease, stream, cm_right_to(stream)), CM_REFUSE);
    cm_lease *narrow = calloc(1, cm_lease_size(count_keys(lease, stream)));
    CM_ENSURE(narrow != NULL, CM_BROKEN);
    narrow->terms = lease->terms;
    narrow->terms.streams = UINT32_C(1) << stream;
    narrow->terms.key_count = 0;
    narrow->terms.viewing = cm_viewing_hold(lease->terms.viewing);
    narrow->slot = lease->slot;
    narrow->camera_tag = lease->camera_tag;
    for (size_t i = 0; i < lease->terms.key_count; i++)
        if (lease->keys[i].stream == stream)
            narrow->keys[narrow->terms.key_count++] = lease->keys[i];
    *out = narrow;
    return CM_OK;
}

/* ---- what a cursor expects ---- */

cm_cursor cm_cursor_begin(cm_stream stream, cm_object kind)
{
    return (cm_cursor){.stream = stream, .kind = kind};
}

static void copy_key_id(const uint8_t from[16], uint8_t to[16])
{
    cm_slice_copy(cm_slice_over(from, 16), to, 16);
}

bool cm_cursor_rewind(cm_cursor *cursor)
{
    if (!cursor->has_keyframe)
        return false;
    copy_key_id(cursor->keyframe_id, cursor->key_id);
    cursor->epoch = cursor->keyframe_epoch;
    cursor->next = cursor->keyframe;
    return true;
}

void cm_cursor_advance(cm_cursor *cursor, const cm_seal_key *key, const cm_frame *frame)
{
    cursor->has_begun = true;
    copy_key_id(key->key_id, cursor->key_id);
    cursor->epoch = key->epoch;
    cursor->next = frame->number + 1;
    if ((frame->flags & CM_FRAME_KEYFRAME) == 0)
        return;
    cursor->has_keyframe = true;
    copy_key_id(key->key_id, cursor->keyframe_id);
    cursor->keyframe_epoch = key->epoch;
    cursor->keyframe = frame->number;
}

const char *cm_refusal_name(cm_refusal refusal)
{
    static const char *const NAMES[CM_REFUSALS] = {"none", "stale",  "right", "foreign",
                                                   "key",  "replay", "gap",   "seal"};
    return refusal < CM_REFUSALS ? NAMES[refusal] : "unknown";
}

bool cm_refusal_is_alarm(cm_refusal refusal)
{
    return refusal == CM_REFUSAL_FOREIGN || refusal == CM_REFUSAL_KEY ||
           refusal == CM_REFUSAL_REPLAY || refusal == CM_REFUSAL_SEAL;
}

/* Cached so long ago, counted in turns, that a lease no longer carries its key: nothing is wrong,
 * but it is not for this viewer. */
static bool is_before_all_keys(const cm_lease *lease, const cm_cursor *cursor,
                               const cm_frame *frame)
{
    bool has_any = false;
    for (size_t i = 0; i < lease->terms.key_count; i++) {
        const cm_seal_key *key = &lease->keys[i];
        if (key->stream != cursor->stream || key->kind != cursor->kind)
            continue;
        if (key->epoch <= frame->epoch)
            return false;
        has_any = true;
    }
    return has_any;
}

static const cm_seal_key *key_of(const cm_lease *lease, const cm_cursor *cursor,
                                 const cm_frame *frame)
{
    for (size_t i = 0; i < lease->terms.key_count; i++) {
        const cm_seal_key *key = &lease->keys[i];
        if (key->stream == cursor->stream && key->kind == cursor->kind &&
            key->epoch == frame->epoch &&
            memcmp(key->instance, frame->instance, CM_INSTANCE_SIZE) == 0)
            return key;
    }
    return NULL;
}

/* Was `key` made after the one that the cursor stands in? A lease has them in the order in which
 * they were made; one that it has no longer is older than all of them. */
static bool is_later_key(const cm_lease *lease, const cm_cursor *cursor, const cm_seal_key *key)
{
    for (const cm_seal_key *later = key + 1; later < lease->keys + lease->terms.key_count; later++)
        if (memcmp(later->key_id, cursor->key_id, sizeof later->key_id) == 0)
            return false;
    return key->epoch >= cursor->epoch;
}

/* Only forward, and over a gap only onto a keyframe. */
static cm_refusal judge_position(const cm_lease *lease, const cm_cursor *cursor,
                                 const cm_seal_key *key, const cm_frame *frame)
{
    const bool is_keyframe = (frame->flags & CM_FRAME_KEYFRAME) != 0;
    if (!cursor->has_begun)
        return is_keyframe ? CM_REFUSAL_NONE : CM_REFUSAL_GAP;
    if (memcmp(cursor->key_id, key->key_id, sizeof cursor->key_id) == 0) {
        if (frame->number < cursor->next)
            return CM_REFUSAL_REPLAY;
        return frame->number == cursor->next || is_keyframe ? CM_REFUSAL_NONE : CM_REFUSAL_GAP;
    }
    if (!is_later_key(lease, cursor, key))
        return CM_REFUSAL_REPLAY;
    /* The source turned its keys, and its numbers go on. A source made anew begins with a keyframe.
     */
    return frame->number == cursor->next || is_keyframe ? CM_REFUSAL_NONE : CM_REFUSAL_GAP;
}

cm_refusal cm_lease_expect(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                           cm_instant now, const cm_seal_key **out)
{
    if (!cm_lease_is_live(lease, now))
        return CM_REFUSAL_STALE;
    if (!cm_lease_allows(lease, cursor->stream, cm_right_to(cursor->stream)))
        return CM_REFUSAL_RIGHT;
    if (CM_FAULT(SEALING_OFF)) {
        *out = &lease->keys[0];
        return CM_REFUSAL_NONE;
    }
    if (!cm_camera_key_equal(&frame->camera, &lease->terms.camera) ||
        frame->stream != cursor->stream || frame->kind != cursor->kind)
        return CM_REFUSAL_FOREIGN;
    const cm_seal_key *key = key_of(lease, cursor, frame);
    if (key == NULL)
        /* A frame of a later epoch than the lease was made for: its keys are on their way. */
        return frame->epoch > lease->terms.epoch          ? CM_REFUSAL_STALE
               : is_before_all_keys(lease, cursor, frame) ? CM_REFUSAL_GAP
                                                          : CM_REFUSAL_KEY;
    *out = key;
    return judge_position(lease, cursor, key, frame);
}

/* Has the cursor moved past `number` under `key`? A lease has its keys in the order in which they
 * were made. */
static bool has_passed(const cm_lease *lease, const cm_cursor *cursor, const cm_seal_key *key,
                       uint64_t number)
{
    if (!cursor->has_begun)
        return false;
    if (memcmp(cursor->key_id, key->key_id, sizeof key->key_id) == 0)
        return number < cursor->next;
    for (const cm_seal_key *later = key + 1; later < lease->keys + lease->terms.key_count; later++)
        if (memcmp(later->key_id, cursor->key_id, sizeof later->key_id) == 0)
            return true;
    return false;
}

cm_refusal cm_lease_expect_again(const cm_lease *lease, const cm_cursor *cursor,
                                 const cm_delivered *delivered, const cm_frame *frame,
                                 cm_instant now, const cm_seal_key **out)
{
    if (!cm_lease_is_live(lease, now))
        return CM_REFUSAL_STALE;
    if (!cm_lease_allows(lease, cursor->stream, cm_right_to(cursor->stream)))
        return CM_REFUSAL_RIGHT;
    *out = &lease->keys[0];
    if (CM_FAULT(SEALING_OFF))
        return CM_REFUSAL_NONE;
    if (!cm_camera_key_equal(&frame->camera, &lease->terms.camera) ||
        frame->stream != cursor->stream || frame->kind != cursor->kind)
        return CM_REFUSAL_FOREIGN;
    for (size_t i = 0; i < lease->terms.key_count; i++) {
        const cm_seal_key *key = &lease->keys[i];
        if (key->stream != cursor->stream || key->kind != cursor->kind ||
            memcmp(key->key_id, delivered->key_id, sizeof key->key_id) != 0)
            continue;
        *out = key;
        return has_passed(lease, cursor, key, delivered->number) ? CM_REFUSAL_NONE
                                                                 : CM_REFUSAL_REPLAY;
    }
    return CM_REFUSAL_GAP;
}
