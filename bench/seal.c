/*
 * bench/seal: what sealing and opening one granule of 1,136 bytes costs, on each cipher that this
 * machine has, with the limit beside it: the bare cipher call on the same bytes in the same run.
 * JSON to standard output; times are the best of several rounds, in nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "media/seal_priv.h"

enum { ROUNDS = 9, FRAMES = 2000, GRANULES = 11 };

static double now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        abort();
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef struct stand {
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_seal_key key;
    cm_sealer *sealer;
    cm_lease *lease;
    cm_fanout *fanout;
    cm_plain_granule granules[GRANULES];
    cm_plain_frame plain;
    uint8_t bytes[CM_GRANULE_MAX + CM_SEAL_TAG_SIZE];
} stand;

static void must(cm_status status)
{
    if (status != CM_OK)
        abort();
}

static void open_stand(stand *s)
{
    cm_random random = cm_random_seeded(1);
    cm_camera_key camera;
    cm_secret secret;
    must(cm_home_id_parse(CM_TEXT("verdi"), &camera.home));
    must(cm_camera_id_parse(CM_TEXT("door"), &camera.camera));
    cm_random_fill(&random, secret.bytes, sizeof secret.bytes);
    cm_random_fill(&random, s->bytes, sizeof s->bytes);
    must(cm_epoch_page_create(1, &s->page));
    must(cm_epoch_slot_take(s->page, &camera, 1, &s->slot));
    cm_seal_key_make(&secret, &camera, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1, &random, &s->key);
    must(cm_sealer_create(&s->key, s->slot, &s->sealer));
    const cm_lease_terms terms = {.camera = camera,
                                  .streams = 1,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = 1,
                                  .until = {CM_SECONDS(60)},
                                  .keys = &s->key,
                                  .key_count = 1};
    must(cm_lease_create(&terms, s->slot, &s->lease));
    must(cm_fanout_create(&s->fanout));
    for (size_t i = 0; i < GRANULES; i++)
        s->granules[i].body = cm_slice_over(s->bytes, CM_GRANULE_MAX);
    s->plain =
        (cm_plain_frame){.granules = s->granules, .count = GRANULES, .flags = CM_FRAME_KEYFRAME};
}

static void close_stand(stand *s)
{
    cm_fanout_destroy(s->fanout);
    cm_lease_destroy(s->lease);
    cm_sealer_destroy(s->sealer);
    cm_epoch_page_destroy(s->page);
}

/* The bare cipher: as many calls on as many bytes, the context keyed once. Sealing seals its own
 * output again: of no account for the time. */
static double cipher_ns(const char *backend, bool is_sealing)
{
    static uint8_t bytes[CM_GRANULE_MAX + CM_AEAD_TAG_SIZE];
    static uint8_t plain[CM_GRANULE_MAX];
    static const uint8_t key[CM_AEAD_KEY_SIZE] = {1};
    uint8_t nonce[CM_AEAD_NONCE_SIZE] = {0};
    static const uint8_t associated[CM_ASSOCIATED_SIZE];
    const cm_slice bound = cm_slice_over(associated, sizeof associated);
    cm_aead *aead;
    double best = 1e18;
    must(cm_aead_create_on(backend, &aead));
    must(cm_aead_set_key(aead, key));
    must(cm_aead_seal(aead, nonce, bound, bytes, CM_GRANULE_MAX));
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = now_ns();
        for (int i = 0; i < FRAMES * GRANULES; i++)
            must(is_sealing
                     ? cm_aead_seal(aead, nonce, bound, bytes, CM_GRANULE_MAX)
                     : cm_aead_open(aead, nonce, bound, cm_slice_over(bytes, sizeof bytes), plain));
        const double each = (now_ns() - begin) / (FRAMES * GRANULES);
        best = each < best ? each : best;
    }
    cm_aead_destroy(aead);
    return best;
}

static bool take(void *owner, const cm_opened_frame *opened)
{
    (void)opened;
    ++*(uint64_t *)owner;
    return true;
}

/* Sealing makes and frees the frame too, as a ring does. */
static void measure(stand *s, double *seal_ns, double *open_ns)
{
    static cm_frame *frames[FRAMES];
    *seal_ns = *open_ns = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns();
        for (int i = 0; i < FRAMES; i++) {
            must(cm_seal_frame(s->sealer, &s->plain, 0, &frames[i % 64]));
            cm_frame_release(frames[i % 64], 0);
        }
        const double seal = (now_ns() - begin) / FRAMES;
        cm_frame *frame;
        must(cm_seal_frame(s->sealer, &s->plain, 0, &frame));
        uint64_t taken = 0;
        begin = now_ns();
        for (int i = 0; i < FRAMES; i++) {
            cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
            cm_fanout_viewer viewer = {.lease = s->lease, .cursor = &cursor, .owner = &taken};
            cm_fanout_open(s->fanout, frame, (cm_instant){1}, &viewer, 1, take);
        }
        const double open = (now_ns() - begin) / FRAMES;
        if (taken != FRAMES)
            abort();
        cm_frame_release(frame, 0);
        *seal_ns = seal < *seal_ns ? seal : *seal_ns;
        *open_ns = open < *open_ns ? open : *open_ns;
    }
}

int main(void)
{
    /* Which cipher the whole path uses is decided once a process: CASEMENT_AEAD=evp asks. */
    const char *backend = cm_aead_backend();
    const double target = cm_slice_equal(cm_slice_of(backend), CM_TEXT("evp")) ? 1200 : 400;
    stand s = {0};
    double seal;
    double open;
    open_stand(&s);
    measure(&s, &seal, &open);
    close_stand(&s);
    const double limit_seal = cipher_ns(backend, true);
    const double limit_open = cipher_ns(backend, false);
    printf("{\"bench\":\"seal\",\"cipher\":\"%s\",\"granule_bytes\":%d,\"granules\":%d,"
           "\"seal_granule_ns\":%.1f,\"seal_limit_ns\":%.1f,\"open_granule_ns\":%.1f,"
           "\"open_limit_ns\":%.1f,\"seal_frame_ns\":%.0f,\"open_frame_ns\":%.0f,"
           "\"target_granule_ns\":%.0f,\"met\":%s}\n",
           backend, CM_GRANULE_MAX, GRANULES, seal / GRANULES, limit_seal, open / GRANULES,
           limit_open, seal, open, target,
           seal / GRANULES <= target && open / GRANULES <= target ? "true" : "false");
    return 0;
}
