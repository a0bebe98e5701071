/*
 * The helper's whole way from sealed sound to sealed sound made over. The first byte chooses what
 * is made (its lowest bit), the codec (the next two) and the lane (the next two, of which each is
 * one camera's); of AAC a length and that many bytes of AudioSpecificConfig follow; then codec
 * frames, each behind a length of two bytes. Keys are fixed.
 */
#include "fuzz.h"

#include "base/reader.h"
#include "helper/transcode.h"
#include "helper/wire.h"
#include "media/seal_mint.h"
#include "media/sound.h"

enum { INPUT_MAX = 16384, FRAMES_MAX = 32, LANES = 4 };

static struct {
    cm_epoch_page *page;
    cm_sealer *heard, *made[2];
    cm_lease *lease;
    cm_cursor cursors[2];
    transcode_bench bench;
    cm_media_time time;
} world;

static void make_world(void)
{
    static const cm_stream STREAMS[] = {CM_STREAM_SOUND, CM_STREAM_SOUND_OPUS,
                                        CM_STREAM_SOUND_FLAC};
    cm_random random = cm_random_seeded(1);
    cm_camera_key camera;
    cm_secret secret = {{1}};
    cm_seal_key keys[CM_COUNT(STREAMS)];
    cm_sealer **const sealers[] = {&world.heard, &world.made[0], &world.made[1]};
    cm_epoch_slot *slot;
    CHECK(cm_home_id_parse(CM_TEXT("verdi"), &camera.home) == CM_OK);
    CHECK(cm_camera_id_parse(CM_TEXT("door"), &camera.camera) == CM_OK);
    CHECK(cm_epoch_page_create(1, &world.page) == CM_OK);
    CHECK(cm_epoch_slot_take(world.page, &camera, 1, &slot) == CM_OK);
    for (size_t i = 0; i < CM_COUNT(STREAMS); i++) {
        cm_seal_key_make(&secret, &camera, STREAMS[i], CM_OBJECT_FRAME, 1, &random, &keys[i]);
        CHECK(cm_sealer_create(&keys[i], slot, sealers[i]) == CM_OK);
    }
    const cm_lease_terms terms = {.camera = camera,
                                  .streams = cm_streams_within(CM_RIGHT_LISTEN),
                                  .rights = CM_RIGHT_LISTEN,
                                  .epoch = 1,
                                  .until = {CM_SECONDS(60)},
                                  .keys = keys,
                                  .key_count = CM_COUNT(STREAMS)};
    CHECK(cm_lease_create(&terms, slot, &world.lease) == CM_OK);
    for (size_t i = 0; i < 2; i++)
        world.cursors[i] = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
}

static cm_frame *seal_sound(const cm_sound_format *format, cm_slice body)
{
    uint8_t head[CM_SOUND_FORMAT_MAX];
    cm_plain_granule granules[2 + INPUT_MAX / CM_GRANULE_MAX];
    cm_writer w = cm_writer_over(head, sizeof head);
    size_t count = 1;
    if (cm_sound_format_write(&w, format) != CM_OK)
        return NULL;
    granules[0] = (cm_plain_granule){.body = cm_writer_done(&w)};
    for (size_t at = 0; at < body.size; at += CM_GRANULE_MAX)
        granules[count++] = (cm_plain_granule){.body = cm_slice_part(body, at, CM_GRANULE_MAX)};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags = CM_FRAME_KEYFRAME,
                                  .duration_ms = 20,
                                  .media_time = world.time += 1800};
    cm_frame *frame = NULL;
    return cm_seal_frame(world.heard, &plain, 0, &frame) == CM_OK ? frame : NULL;
}

static void take_answer(cm_slice bytes, cm_stream made, uint64_t number)
{
    cm_helper_answer answer;
    cm_frame *frame = NULL;
    CHECK(cm_helper_answer_parse(cm_slice_from(bytes, CM_HELPER_LENGTH_SIZE), &answer) == CM_OK);
    if (answer.status != CM_OK)
        return;
    CHECK(cm_frame_read(answer.still, 0, &frame) == CM_OK);
    CHECK(frame->number == number && frame->stream == made && frame->media_time == world.time);
    CHECK(frame->count > 1 && frame->count <= 1 + CM_SOUND_MADE_MAX);
    CHECK(frame->duration_ms == (frame->count - 1) * CM_SOUND_MADE_MS);
    cm_frame_release(frame, 0);
}

static void do_job(const cm_frame *frame, cm_stream made, uint16_t lane)
{
    const size_t index = (size_t)(made - CM_STREAM_SOUND_OPUS);
    uint8_t record[CM_DELEGATION_SIZE];
    uint64_t number;
    cm_refusal refusal;
    CHECK(cm_delegate_sound(world.lease, &world.cursors[index], frame, world.made[index],
                            (cm_instant){1}, record, &number, &refusal) == CM_OK);
    const size_t size = cm_helper_job_size(frame);
    uint8_t *message = malloc(size);
    CHECK(message != NULL);
    cm_writer w = cm_writer_over(message, size);
    const cm_helper_job job = {
        .id = number, .lane = lane, .delegation = cm_slice_over(record, sizeof record)};
    CHECK(cm_helper_job_write(&w, &job, frame) == CM_OK);
    cm_slice bytes;
    bool is_foreign = true;
    CHECK(transcode_do_job(&world.bench, message + CM_HELPER_LENGTH_SIZE,
                           size - CM_HELPER_LENGTH_SIZE, &bytes, &is_foreign) == CM_OK);
    CHECK(!is_foreign);
    take_answer(bytes, made, number);
    free((void *)(uintptr_t)bytes.bytes);
    free(message);
}

static cm_sound_format read_format(unsigned codec, cm_reader *r)
{
    static const cm_sound_codec CODECS[] = {CM_SOUND_AAC, CM_SOUND_PCMU, CM_SOUND_PCMA,
                                            CM_SOUND_OPUS};
    cm_sound_format format = {.codec = CODECS[codec], .channels = 1, .rate = 8000};
    if (format.codec != CM_SOUND_AAC)
        return format;
    const uint8_t size = cm_read_u8(r);
    const cm_slice config = cm_read_slice(r, size % (CM_SOUND_CONFIG_MAX + 1));
    format.config_size = (uint8_t)config.size;
    cm_slice_copy(config, format.config, sizeof format.config);
    return format;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.page == NULL)
        make_world();
    if (size < 2 || size > INPUT_MAX)
        return 0;
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    const uint8_t choice = cm_read_u8(&r);
    const cm_stream made = (choice & 1) != 0 ? CM_STREAM_SOUND_FLAC : CM_STREAM_SOUND_OPUS;
    const cm_sound_format format = read_format(choice >> 1 & 3, &r);
    for (int i = 0; i < FRAMES_MAX && r.rest.size > 0; i++) {
        const size_t length = cm_read_u16(&r);
        const cm_slice body = cm_read_slice(&r, length < r.rest.size ? length : r.rest.size);
        cm_frame *frame = body.size > 0 ? seal_sound(&format, body) : NULL;
        if (frame == NULL)
            continue;
        do_job(frame, made, (uint16_t)(2 * (choice >> 3 & (LANES - 1)) + (choice & 1)));
        cm_frame_release(frame, 0);
    }
    transcode_bench_deinit(&world.bench); /* the same input, the same way */
    return 0;
}
