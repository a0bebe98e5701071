/* What tests of media/ share: cameras, keys, sealers, leases and frames made without grants. Tests
 * only: see media/seal_mint.h. */
#pragma once

#include <stdio.h>

#include "media/seal_mint.h"
#include "unit.h"

static inline cm_camera_key testing_camera(const char *home, const char *camera)
{
    cm_camera_key key;
    assert_int_equal(cm_home_id_parse(cm_slice_of(home), &key.home), CM_OK);
    assert_int_equal(cm_camera_id_parse(cm_slice_of(camera), &key.camera), CM_OK);
    return key;
}

/* One camera with a page slot and keys per epoch, sealers and leases on demand. */
typedef struct testing_media {
    cm_random random;
    cm_camera_key camera;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_secret epoch_secret;
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    size_t key_count;
} testing_media;

static inline void testing_media_init(testing_media *t, cm_epoch_page *page, const char *home,
                                      const char *camera)
{
    *t = (testing_media){.random = cm_random_seeded(strlen(home) * 31 + strlen(camera)),
                         .page = page};
    t->camera = testing_camera(home, camera);
    cm_random_fill(&t->random, t->epoch_secret.bytes, sizeof t->epoch_secret.bytes);
    assert_int_equal(cm_epoch_slot_take(page, &t->camera, 1, &t->slot), CM_OK);
}

static inline cm_sealer *testing_sealer(testing_media *t, cm_stream stream, cm_object kind,
                                        uint64_t epoch)
{
    cm_sealer *sealer;
    cm_seal_key *key = &t->keys[t->key_count++];
    cm_seal_key_make(&t->epoch_secret, &t->camera, stream, kind, epoch, &t->random, key);
    assert_int_equal(cm_sealer_create(key, t->slot, &sealer), CM_OK);
    return sealer;
}

static inline cm_lease_terms testing_terms(const testing_media *t, uint64_t epoch)
{
    return (cm_lease_terms){.session = 1,
                            .camera = t->camera,
                            .streams = 3,
                            .rights = CM_RIGHT_VIEW,
                            .epoch = epoch,
                            .from = {0},
                            .until = {CM_SECONDS(60)},
                            .keys = t->keys,
                            .key_count = t->key_count};
}

static inline cm_lease *testing_lease(const testing_media *t, uint64_t epoch)
{
    cm_lease *lease;
    const cm_lease_terms terms = testing_terms(t, epoch);
    assert_int_equal(cm_lease_create(&terms, t->slot, &lease), CM_OK);
    return lease;
}

/* A frame of two granules: `text`, and `text` again behind a two-byte head. */
static inline cm_frame *testing_frame(cm_sealer *sealer, const char *text, uint16_t flags)
{
    const cm_plain_granule granules[] = {
        {.body = cm_slice_of(text)},
        {.head = {'<', '>'}, .head_size = 2, .body = cm_slice_of(text)},
    };
    const cm_plain_frame plain = {
        .granules = granules, .count = 2, .flags = flags, .captured = {1000}, .media_time = 90};
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_OK);
    return frame;
}
