/*
 * seal_cost: what it costs to seal and to open a granule of 1,136 bytes, on both back ends of
 * AES-128-GCM: whole frames of eleven (a picture of 2 Mbit/s at 20 a second), as sources and the
 * fan-out do it. CASEMENT_AEAD=evp in the environment asks for OpenSSL's.
 *
 * Prints {"backend", "seal_us", "open_us"}: the median of `runs`, per granule.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/aead.h"
#include "common.h"
#include "media/seal_mint.h"

enum { GRANULES = 11, FRAMES = 2000, RUNS_MAX = 101 };

static uint8_t body[CM_GRANULE_MAX];

static void must(cm_status status)
{
    if (status != CM_OK)
        bench_die("media: %s", cm_status_name(status));
}

typedef struct rig {
    cm_random random;
    cm_secret secret;
    cm_camera_key camera;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_seal_key key;
    cm_fanout *fanout;
} rig;

static void prepare(rig *r)
{
    r->random = cm_random_system();
    cm_random_fill(&r->random, r->secret.bytes, sizeof r->secret.bytes);
    must(cm_home_id_parse(CM_TEXT("bench"), &r->camera.home));
    must(cm_camera_id_parse(CM_TEXT("door"), &r->camera.camera));
    must(cm_epoch_page_create(1, &r->page));
    must(cm_epoch_slot_take(r->page, &r->camera, 1, &r->slot));
    must(cm_fanout_create(&r->fanout));
}

static bool deliver(void *owner, const cm_opened_frame *opened)
{
    *(size_t *)owner += opened->count;
    return true;
}

/* Microseconds a granule. */
static double seal(rig *r, cm_frame **frames)
{
    cm_sealer *sealer;
    cm_plain_granule granules[GRANULES];
    for (size_t i = 0; i < GRANULES; i++)
        granules[i] = (cm_plain_granule){.body = cm_slice_over(body, sizeof body)};
    const cm_plain_frame plain = {
        .granules = granules, .count = GRANULES, .flags = CM_FRAME_KEYFRAME};
    cm_seal_key_make(&r->secret, &r->camera, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1, &r->random,
                     &r->key);
    must(cm_sealer_create(&r->key, r->slot, &sealer));
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < FRAMES; i++)
        must(cm_seal_frame(sealer, &plain, 0, &frames[i]));
    const int64_t took = bench_cpu_us() - began;
    cm_sealer_destroy(sealer);
    return (double)took / FRAMES / GRANULES;
}

static double open_frames(rig *r, cm_frame **frames)
{
    size_t opened = 0;
    const cm_lease_terms terms = {.session = 1,
                                  .camera = r->camera,
                                  .streams = UINT32_C(1) << CM_STREAM_MAIN,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = 1,
                                  .until = {CM_SECONDS(60)},
                                  .keys = &r->key,
                                  .key_count = 1};
    cm_lease *lease;
    must(cm_lease_create(&terms, r->slot, &lease));
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < FRAMES; i++) {
        cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor, .owner = &opened};
        cm_fanout_open(r->fanout, frames[i], (cm_instant){1}, &viewer, 1, deliver);
    }
    const int64_t took = bench_cpu_us() - began;
    cm_lease_destroy(lease);
    if (opened != FRAMES * GRANULES)
        bench_die("only %zu granules opened", opened);
    return (double)took / FRAMES / GRANULES;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    uint64_t runs = 9;
    bench_read_options(argc, argv, (const bench_option[]){{.name = "runs", .number = &runs}, {0}});
    if (runs == 0 || runs > RUNS_MAX)
        bench_die("--runs: 1 to %d", RUNS_MAX);
    rig r = {0};
    double sealing[RUNS_MAX], opening[RUNS_MAX];
    cm_frame **frames = calloc(FRAMES, sizeof(cm_frame *));
    if (frames == NULL)
        bench_die("no memory");
    prepare(&r);
    for (size_t run = 0; run < runs; run++) {
        sealing[run] = seal(&r, frames);
        opening[run] = open_frames(&r, frames);
        for (size_t i = 0; i < FRAMES; i++)
            cm_frame_release(frames[i], 0);
    }
    qsort(sealing, runs, sizeof *sealing, by_value);
    qsort(opening, runs, sizeof *opening, by_value);
    printf("{\"backend\": \"%s\", \"seal_us\": %.4f, \"open_us\": %.4f}\n", cm_aead_backend(),
           sealing[runs / 2], opening[runs / 2]);
    free(frames);
    return 0;
}
