#include "media/seal_mint.h"

#include <assert.h>
#include <stdlib.h>

#include "base/writer.h"
#include "media/seal_priv.h"

/* Everything that a key is bound to, in one fixed layout. */
static cm_slice write_identity(const cm_seal_key *key, uint8_t storage[128])
{
    cm_writer w = cm_writer_over(storage, 128);
    cm_write_slice(&w, cm_slice_over(key->camera.home.text, CM_ID_SIZE));
    cm_write_slice(&w, cm_slice_over(key->camera.camera.text, CM_ID_SIZE));
    cm_write_u8(&w, (uint8_t)key->stream);
    cm_write_u8(&w, (uint8_t)key->kind);
    cm_write_u64(&w, key->epoch);
    cm_write_slice(&w, cm_slice_over(key->instance, CM_INSTANCE_SIZE));
    cm_slice identity;
    const cm_status status = cm_writer_finish(&w, &identity);
    assert(status == CM_OK); /* 90 bytes: a mistake of ours otherwise */
    return identity;
}

void cm_seal_key_make(const cm_secret *epoch_secret, const cm_camera_key *camera, cm_stream stream,
                      cm_object kind, uint64_t epoch, cm_random *random, cm_seal_key *out)
{
    *out = (cm_seal_key){.camera = *camera, .stream = stream, .kind = kind, .epoch = epoch};
    cm_random_fill(random, out->instance, sizeof out->instance);
    cm_random_fill(random, out->key_id, sizeof out->key_id);
    uint8_t storage[128];
    const cm_slice identity = write_identity(out, storage);
    cm_secret derived;
    cm_secret_derive(epoch_secret, "casement media key", identity, &derived);
    for (size_t i = 0; i < sizeof out->key; i++)
        out->key[i] = derived.bytes[i];
    cm_secret_clear(&derived);
    cm_secret_hash(identity, out->context);
}

cm_status cm_sealer_create(const cm_seal_key *key, const cm_epoch_slot *slot, cm_sealer **out)
{
    cm_sealer *sealer = calloc(1, sizeof *sealer);
    CM_ENSURE(sealer != NULL, CM_BROKEN);
    *sealer =
        (cm_sealer){.key = *key, .slot = slot, .camera_tag = cm_camera_key_hash(&key->camera)};
    *out = sealer;
    return CM_OK;
}

cm_status cm_lease_create(const cm_lease_terms *terms, const cm_epoch_slot *slot, cm_lease **out)
{
    CM_ENSURE(terms->key_count <= CM_LEASE_KEYS_MAX, CM_REFUSE);
    CM_ENSURE(terms->until.us >= terms->from.us, CM_REFUSE);
    CM_ENSURE(cm_instant_since(terms->until, terms->from) <= CM_SECONDS(60), CM_REFUSE);
    CM_ENSURE((terms->streams & ~cm_streams_within(terms->rights)) == 0, CM_REFUSE);
    for (size_t i = 0; i < terms->key_count; i++) {
        const cm_seal_key *key = &terms->keys[i];
        CM_ENSURE(cm_camera_key_equal(&key->camera, &terms->camera), CM_REFUSE);
        CM_ENSURE((terms->streams >> key->stream & 1) == 1, CM_REFUSE);
        CM_ENSURE(i == 0 || key->epoch >= terms->keys[i - 1].epoch, CM_REFUSE);
    }
    cm_lease *lease = calloc(1, cm_lease_size(terms->key_count));
    CM_ENSURE(lease != NULL, CM_BROKEN);
    lease->terms = *terms;
    lease->terms.keys = NULL;
    lease->terms.viewing = cm_viewing_hold(terms->viewing);
    lease->slot = slot;
    lease->camera_tag = cm_camera_key_hash(&terms->camera);
    for (size_t i = 0; i < terms->key_count; i++)
        lease->keys[i] = terms->keys[i];
    *out = lease;
    return CM_OK;
}
