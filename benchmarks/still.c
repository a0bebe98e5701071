/*
 * Stills: how long from the ask to the answer. Cold: the process starts at the ask; new: its
 * process is there, the keyframe is fresh; cached: another ask for the same keyframe. Prints
 * medians as JSON. Usage: bench_still PATH_OF_casement-helper H264_FILE (one keyframe, Annex B).
 */
#include <stdio.h>
#include <stdlib.h>

#include "egress/still/still.h"
#include "media/seal_mint.h"
#include "proto/h264/packetize.h"

enum { ROUNDS = 41, COLD_ROUNDS = 9, NALS_MAX = 64, FILE_MAX = 4 << 20 };

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct bench {
    cm_loop *loop;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_hub *hub;
    cm_source *source;
    cm_lease *lease;
    cm_still_config config;
    cm_still_service *service;
    cm_plain_granule granules[CM_FRAME_GRANULES_MAX];
    size_t count;
    size_t still_bytes;
} bench;

static void want_none(void *owner, uint64_t epoch)
{
    (void)owner;
    (void)epoch;
}

static void make_camera(bench *b)
{
    cm_random random = cm_random_seeded(1);
    cm_camera_key camera;
    cm_secret secret = {{1}};
    cm_seal_key keys[2];
    cm_sealer *sealers[2];
    NEED(cm_home_id_parse(CM_TEXT("verdi"), &camera.home) == CM_OK);
    NEED(cm_camera_id_parse(CM_TEXT("door"), &camera.camera) == CM_OK);
    NEED(cm_epoch_page_create(1, &b->page) == CM_OK);
    NEED(cm_epoch_slot_take(b->page, &camera, 1, &b->slot) == CM_OK);
    for (int kind = 0; kind < 2; kind++) {
        cm_seal_key_make(&secret, &camera, CM_STREAM_MAIN, (cm_object)kind, 1, &random,
                         &keys[kind]);
        NEED(cm_sealer_create(&keys[kind], b->slot, &sealers[kind]) == CM_OK);
    }
    const cm_hub_config hub = {.loop = b->loop, .page = b->page};
    NEED(cm_hub_create(&hub, &b->hub) == CM_OK);
    const cm_source_config source = {
        .hub = b->hub, .loop = b->loop, .camera = camera, .on_want_sealers = want_none};
    NEED(cm_source_create(&source, &b->source) == CM_OK);
    NEED(cm_source_take_sealers(b->source, sealers[0], sealers[1]) == CM_OK);
    const cm_instant now = cm_loop_now(b->loop); /* what the service goes by */
    const cm_lease_terms terms = {.camera = camera,
                                  .streams = 1,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = 1,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(60)),
                                  .keys = keys,
                                  .key_count = 2};
    NEED(cm_lease_create(&terms, b->slot, &b->lease) == CM_OK);
}

static void read_keyframe(bench *b, const char *path)
{
    static uint8_t bytes[FILE_MAX];
    static cm_slice nals[NALS_MAX];
    FILE *file = fopen(path, "rb");
    NEED(file != NULL);
    cm_slice rest = cm_slice_over(bytes, fread(bytes, 1, sizeof bytes, file));
    (void)fclose(file);
    size_t nal_count = 0;
    while (nal_count < NALS_MAX && cm_h264_next_annex_b(&rest, &nals[nal_count]))
        nal_count++;
    cm_h264_packetizer cutter;
    cm_h264_granule g;
    NEED(cm_h264_packetizer_init(&cutter, nals, nal_count, CM_H264_GRANULE_BYTES) == CM_OK);
    while (b->count < CM_FRAME_GRANULES_MAX && cm_h264_packetizer_next(&cutter, &g))
        b->granules[b->count++] =
            (cm_plain_granule){.head = {g.header[0], g.header[1]},
                               .head_size = g.header_size,
                               .body = cm_slice_part(nals[g.nal], g.offset, g.size)};
}

static void show(bench *b)
{
    const cm_plain_frame plain = {
        .granules = b->granules, .count = b->count, .flags = CM_FRAME_KEYFRAME};
    NEED(cm_source_put(b->source, &plain) == CM_OK);
}

static void on_done(void *owner, cm_status status, cm_frame *still, const cm_cursor *cursor)
{
    bench *b = owner;
    (void)cursor;
    NEED(status == CM_OK);
    b->still_bytes = still->size_bytes;
    cm_frame_release(still, cm_loop_index(b->loop));
    cm_loop_stop(b->loop);
}

static int64_t ask_us(bench *b, unsigned width)
{
    cm_still_request *request;
    const cm_instant begun = cm_loop_read_now(b->loop);
    NEED(cm_still_ask(b->service, b->source, CM_STREAM_MAIN, b->lease, width, on_done, b,
                      &request) == CM_OK);
    cm_loop_run(b->loop);
    return cm_instant_since(cm_loop_read_now(b->loop), begun);
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, int64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    printf("  \"%s\": {\"p50_us\": %lld, \"worst_us\": %lld},\n", name,
           (long long)samples[count / 2], (long long)samples[count - 1]);
}

static void measure_cold(bench *b)
{
    int64_t samples[COLD_ROUNDS];
    for (size_t i = 0; i < CM_COUNT(samples); i++) {
        NEED(cm_still_service_create(&b->config, &b->service) == CM_OK);
        show(b);
        samples[i] = ask_us(b, 1280);
        cm_still_service_destroy(b->service);
    }
    print("cold", samples, CM_COUNT(samples));
}

static void measure_width(bench *b, unsigned width)
{
    int64_t fresh[ROUNDS];
    int64_t cached[ROUNDS];
    char name[64];
    for (size_t i = 0; i < ROUNDS; i++) {
        show(b);
        fresh[i] = ask_us(b, width);
        cached[i] = ask_us(b, width);
    }
    (void)snprintf(name, sizeof name, "new %u", width);
    print(name, fresh, ROUNDS);
    (void)snprintf(name, sizeof name, "cached %u", width);
    print(name, cached, ROUNDS);
    printf("  \"bytes %u\": %zu,\n", width, b->still_bytes);
}

int main(int count, char **arguments)
{
    NEED(count == 3);
    bench *b = calloc(1, sizeof *b);
    NEED(b != NULL);
    NEED(cm_loop_create(&(cm_loop_config){.index = 1}, &b->loop) == CM_OK);
    b->config = (cm_still_config){.loop = b->loop, .helper_path = arguments[1]};
    make_camera(b);
    read_keyframe(b, arguments[2]);
    printf("{\n  \"granules\": %zu,\n", b->count);
    measure_cold(b);
    NEED(cm_still_service_create(&b->config, &b->service) == CM_OK);
    const unsigned widths[] = {1280, 640, 320};
    (void)ask_us(b, 64);
    for (size_t i = 0; i < CM_COUNT(widths); i++)
        measure_width(b, widths[i]);
    cm_still_counters counters;
    cm_still_read_counters(b->service, &counters);
    printf("  \"made\": %llu, \"from_cache\": %llu\n}\n", (unsigned long long)counters.made,
           (unsigned long long)counters.from_cache);
    cm_still_service_destroy(b->service);
    cm_lease_destroy(b->lease);
    cm_source_destroy(b->source);
    cm_hub_destroy(b->hub);
    cm_epoch_page_destroy(b->page);
    cm_loop_destroy(b->loop);
    free(b);
    return 0;
}
