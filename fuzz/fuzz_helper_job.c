/*
 * The helper's whole way from a sealed keyframe to a sealed still, the H.264 in it being the input:
 * the first byte chooses the width, the rest is an Annex B byte stream. Keys are fixed.
 */
#include "fuzz.h"

#include "helper/still.h"
#include "helper/wire.h"
#include "media/seal_mint.h"
#include "proto/video/packetize.h"

enum { NALS_MAX = 64, INPUT_MAX = 65536, GRANULES_MAX = 256 };

static struct {
    cm_epoch_page *page;
    cm_sealer *frames, *stills;
    cm_lease *lease;
    still_bench bench;
} world;

static void make_world(void)
{
    cm_random random = cm_random_seeded(1);
    cm_camera_key camera;
    cm_secret secret = {{1}};
    cm_seal_key keys[2];
    cm_epoch_slot *slot;
    CHECK(cm_home_id_parse(CM_TEXT("verdi"), &camera.home) == CM_OK);
    CHECK(cm_camera_id_parse(CM_TEXT("door"), &camera.camera) == CM_OK);
    CHECK(cm_epoch_page_create(1, &world.page) == CM_OK);
    CHECK(cm_epoch_slot_take(world.page, &camera, 1, &slot) == CM_OK);
    for (int kind = 0; kind < 2; kind++)
        cm_seal_key_make(&secret, &camera, CM_STREAM_MAIN, (cm_object)kind, 1, &random,
                         &keys[kind]);
    CHECK(cm_sealer_create(&keys[CM_OBJECT_FRAME], slot, &world.frames) == CM_OK);
    CHECK(cm_sealer_create(&keys[CM_OBJECT_STILL], slot, &world.stills) == CM_OK);
    const cm_lease_terms terms = {.camera = camera,
                                  .streams = 1,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = 1,
                                  .until = {CM_SECONDS(60)},
                                  .keys = keys,
                                  .key_count = 2};
    CHECK(cm_lease_create(&terms, slot, &world.lease) == CM_OK);
    CHECK(cm_picture_create(&world.bench.picture) == CM_OK);
}

static cm_frame *seal_stream(cm_slice stream, cm_video_codec codec)
{
    static cm_slice nals[NALS_MAX];
    static cm_plain_granule granules[GRANULES_MAX];
    size_t nal_count = 0;
    size_t count = 0;
    cm_video_packetizer cutter;
    cm_video_granule g;
    while (nal_count < NALS_MAX && cm_h264_next_annex_b(&stream, &nals[nal_count]))
        nal_count++;
    if (cm_video_packetizer_init(&cutter, codec, nals, nal_count, CM_VIDEO_GRANULE_BYTES) != CM_OK)
        return NULL;
    while (count < GRANULES_MAX && cm_video_packetizer_next(&cutter, &g))
        granules[count++] = (cm_plain_granule){.head = {g.header[0], g.header[1], g.header[2]},
                                               .head_size = g.header_size,
                                               .body = g.body};
    const uint16_t flags = CM_FRAME_KEYFRAME | (codec == CM_VIDEO_H265 ? CM_FRAME_H265 : 0);
    const cm_plain_frame plain = {.granules = granules, .count = count, .flags = flags};
    cm_frame *frame = NULL;
    return cm_seal_frame(world.frames, &plain, 0, &frame) == CM_OK ? frame : NULL;
}

static void do_job(const cm_frame *frame, uint16_t width)
{
    const cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    uint8_t record[CM_DELEGATION_SIZE];
    uint64_t number;
    cm_refusal refusal;
    CHECK(cm_delegate(world.lease, &cursor, frame, world.stills, (cm_instant){1}, record, &number,
                      &refusal) == CM_OK);
    const size_t size = cm_helper_job_size(frame);
    uint8_t *message = malloc(size);
    CHECK(message != NULL);
    cm_writer w = cm_writer_over(message, size);
    const cm_helper_job job = {
        .id = number, .width = width, .delegation = cm_slice_over(record, sizeof record)};
    CHECK(cm_helper_job_write(&w, &job, frame) == CM_OK);
    cm_slice bytes;
    cm_helper_answer answer;
    cm_frame *still = NULL;
    bool is_foreign = true;
    CHECK(still_do_job(&world.bench, message + CM_HELPER_LENGTH_SIZE, size - CM_HELPER_LENGTH_SIZE,
                       &bytes, &is_foreign) == CM_OK);
    CHECK(!is_foreign);
    CHECK(cm_helper_answer_parse(cm_slice_from(bytes, CM_HELPER_LENGTH_SIZE), &answer) == CM_OK);
    CHECK(answer.id == number && answer.status != CM_FOREIGN);
    if (answer.status == CM_OK) {
        CHECK(cm_frame_read(answer.still, 0, &still) == CM_OK);
        CHECK(still->number == number && still->kind == CM_OBJECT_STILL);
        cm_frame_release(still, 0);
    }
    free((void *)(uintptr_t)bytes.bytes);
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.page == NULL)
        make_world();
    if (size < 2 || size > INPUT_MAX)
        return 0;
    const cm_slice input = cm_slice_over(data, size);
    /* The first byte: the still's width, and by its lowest bit the codec. */
    cm_frame *frame =
        seal_stream(cm_slice_from(input, 1), data[0] & 1 ? CM_VIDEO_H265 : CM_VIDEO_H264);
    if (frame == NULL)
        return 0;
    do_job(frame, (uint16_t)(data[0] * 16));
    cm_frame_release(frame, 0);
    return 0;
}
