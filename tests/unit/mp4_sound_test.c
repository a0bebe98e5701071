/* egress/mp4 of sound: a response of its own, of AAC or of Opus, whatever a connection takes at a
 * time. */
#include "egress/mp4/mp4_priv.h"
#include "fake_http.h"
#include "sound_rig.h"

enum { TICKS = 1024, UNIT_SIZE = 200 };

typedef struct stage {
    rig r;
    microphone microphone;
    cm_mp4_muxer *muxer;
    cm_mp4_viewer *viewer;
    cm_http_request request;
    unsigned stale, ended;
} stage;

static void on_stale(void *owner)
{
    stage *s = owner;
    s->stale++;
}

static void on_end(void *owner)
{
    stage *s = owner;
    s->ended++;
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
}

static const cm_mp4_events EVENTS = {on_stale, on_end};

static int open_stage(void **state)
{
    stage *s = calloc(1, sizeof *s);
    rig_open(&s->r, 1, 0);
    rig_start(&s->r);
    microphone_open(&s->microphone, &s->r);
    assert_int_equal(cm_mp4_muxer_create(&s->muxer), CM_OK);
    s->request.room = SIZE_MAX / 2;
    *state = s;
    return 0;
}

static int close_stage(void **state)
{
    stage *s = *state;
    cm_mp4_viewer_destroy(s->viewer);
    cm_source_destroy(s->microphone.source);
    rig_close(&s->r);
    cm_mp4_muxer_destroy(s->muxer);
    fake_http_free(&s->request);
    free(s);
    return 0;
}

static void hear_stream(stage *s, cm_stream stream, cm_rights rights)
{
    const cm_mp4_config config = {.hub = s->r.hubs[0],
                                  .loop = s->r.loops[0],
                                  .muxer = s->muxer,
                                  .request = &s->request,
                                  .stream = stream,
                                  .events = &EVENTS,
                                  .owner = s};
    assert_int_equal(cm_mp4_viewer_create(&config, sound_lease(&s->r, rights, 1), &s->viewer),
                     CM_OK);
    rig_run(&s->r, CM_MS(1));
}

static void hear(stage *s, cm_rights rights)
{
    hear_stream(s, CM_STREAM_SOUND, rights);
}

static void put(stage *s, const cm_sound_format *format, size_t size)
{
    microphone_put(&s->microphone, format, size, 0);
    rig_run(&s->r, SOUND_PACKET_US);
}

/* Takes an init segment off. */
static void take_init(cm_slice *rest)
{
    cm_reader r = cm_reader_over(*rest);
    cm_fmp4_box box;
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_int_equal(box.type, CM_FMP4_TYPE('f', 't', 'y', 'p'));
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_int_equal(box.type, CM_FMP4_TYPE('m', 'o', 'o', 'v'));
    *rest = r.rest;
}

static void take_part(cm_slice *rest, unsigned serial, size_t size, cm_fmp4_audio_part *part)
{
    uint8_t storage[SOUND_BYTES_MAX];
    cm_slice sample;
    const cm_slice expected = microphone_frame(serial, &SOUND_AAC, size, storage);
    assert_int_equal(cm_fmp4_audio_part_parse(rest, part, &sample), CM_OK);
    assert_int_equal(sample.size, expected.size);
    assert_memory_equal(sample.bytes, expected.bytes, expected.size);
    assert_int_equal(part->duration, TICKS);
}

static void each_access_unit_is_a_part(void **state)
{
    stage *s = *state;
    put(s, &SOUND_AAC, UNIT_SIZE); /* what was heard before is not told, but for the newest */
    put(s, &SOUND_AAC, UNIT_SIZE);
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    const int64_t before = cm_loop_wall(s->r.loops[0]).us;
    put(s, &SOUND_AAC, UNIT_SIZE);
    put(s, &SOUND_AAC, 1500); /* of two granules */
    assert_int_equal(s->request.status, 200);
    assert_string_equal(s->request.type, "audio/mp4; codecs=\"mp4a.40.2\"");
    assert_true(s->request.no_store);
    cm_slice rest = cm_slice_over(s->request.body, s->request.size);
    cm_fmp4_audio_part first, second, third;
    take_init(&rest);
    take_part(&rest, 1, UNIT_SIZE, &first);
    take_part(&rest, 2, UNIT_SIZE, &second);
    take_part(&rest, 3, 1500, &third);
    assert_int_equal(rest.size, 0);
    assert_int_equal(second.sequence_number, first.sequence_number + 1);
    assert_int_equal(third.decode_time - second.decode_time, 320); /* 20 ms at 16 kHz */
    assert_int_equal(cm_fmp4_unix_us_of_ntp(second.capture_ntp), before);
}

static void a_narrow_connection_gets_the_same_bytes(void **state)
{
    stage *s = *state;
    s->request.at_most = 7;
    s->request.room = 7;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    for (unsigned i = 0; i < 5; i++)
        put(s, &SOUND_AAC, UNIT_SIZE);
    for (size_t i = 0; i < 10000 && s->request.owes_drain; i++)
        fake_http_drain(&s->request, 7);
    cm_slice rest = cm_slice_over(s->request.body, s->request.size);
    cm_fmp4_audio_part part;
    take_init(&rest);
    for (unsigned i = 0; i < 5; i++)
        take_part(&rest, i, UNIT_SIZE, &part);
    assert_int_equal(rest.size, 0);
}

static void another_configuration_is_told_before_it(void **state)
{
    stage *s = *state;
    cm_sound_format stereo = SOUND_AAC;
    stereo.config[1] = 0x10;
    stereo.channels = 2;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    put(s, &SOUND_AAC, UNIT_SIZE);
    put(s, &stereo, UNIT_SIZE);
    put(s, &stereo, UNIT_SIZE);
    cm_slice rest = cm_slice_over(s->request.body, s->request.size);
    cm_fmp4_audio_part part;
    take_init(&rest);
    take_part(&rest, 0, UNIT_SIZE, &part);
    take_init(&rest);
    take_part(&rest, 1, UNIT_SIZE, &part);
    take_part(&rest, 2, UNIT_SIZE, &part);
    assert_int_equal(rest.size, 0);
}

/* The bytes of a packet say how long it sounds: 20 ms of 48 kHz. */
static void opus_goes_as_it_is(void **state)
{
    stage *s = *state;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    put(s, &SOUND_OPUS, 80);
    put(s, &SOUND_OPUS, 90);
    assert_string_equal(s->request.type, "audio/mp4; codecs=\"opus\"");
    cm_slice rest = cm_slice_over(s->request.body, s->request.size);
    take_init(&rest);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t storage[SOUND_BYTES_MAX];
        cm_fmp4_audio_part part;
        cm_slice sample;
        assert_int_equal(cm_fmp4_audio_part_parse(&rest, &part, &sample), CM_OK);
        assert_true(cm_slice_equal(sample, microphone_frame(i, &SOUND_OPUS, 80 + 10 * i, storage)));
        assert_int_equal(part.duration, 960);
    }
    assert_int_equal(rest.size, 0);
}

/* FLAC made of G.711: each of its pieces is a part. */
static void each_piece_of_what_was_made_is_a_part(void **state)
{
    enum { PIECES = 3, SIZE = 90 };
    stage *s = *state;
    cm_source *made;
    const cm_source_config config = {.hub = s->r.hubs[0],
                                     .loop = s->r.loops[0],
                                     .camera = s->r.door.camera,
                                     .stream = CM_STREAM_SOUND_FLAC,
                                     .on_want_sealers = rig_on_want,
                                     .owner = &s->r};
    assert_int_equal(cm_source_create(&config, &made), CM_OK);
    assert_int_equal(
        cm_source_take_sealers(
            made, testing_sealer(&s->r.door, CM_STREAM_SOUND_FLAC, CM_OBJECT_FRAME, 1), NULL),
        CM_OK);
    hear_stream(s, CM_STREAM_SOUND_FLAC, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    const cm_sound_format format = {.codec = CM_SOUND_FLAC,
                                    .channels = 1,
                                    .rate = 8000,
                                    .config_size = CM_SOUND_STREAMINFO_SIZE};
    uint8_t head[CM_SOUND_FORMAT_MAX], body[SIZE] = {7};
    cm_writer w = cm_writer_over(head, sizeof head);
    assert_int_equal(cm_sound_format_write(&w, &format), CM_OK);
    cm_plain_granule granules[1 + PIECES] = {{.body = cm_writer_done(&w)}};
    for (size_t i = 1; i < CM_COUNT(granules); i++)
        granules[i].body = cm_slice_over(body, SIZE - i);
    const cm_plain_frame plain = {.granules = granules,
                                  .count = CM_COUNT(granules),
                                  .flags = CM_FRAME_KEYFRAME,
                                  .duration_ms = 20 * PIECES,
                                  .captured = {CM_SECONDS(1800000000)},
                                  .media_time = 90000};
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(cm_source_put(made, &plain), CM_OK);
    rig_run(&s->r, CM_MS(1));
    assert_string_equal(s->request.type, "audio/mp4; codecs=\"flac\"");
    cm_slice rest = cm_slice_over(s->request.body, s->request.size);
    cm_fmp4_audio_part part = {0};
    take_init(&rest);
    for (unsigned i = 0; i < 2 * PIECES; i++) {
        const uint32_t before = part.sequence_number;
        const size_t piece = i % PIECES;
        cm_slice sample;
        assert_int_equal(cm_fmp4_audio_part_parse(&rest, &part, &sample), CM_OK);
        assert_int_equal(sample.size, SIZE - 1 - piece);
        assert_int_equal(part.duration, 160);
        assert_int_equal(part.decode_time, 8000 + 160 * piece);
        assert_int_equal(cm_fmp4_unix_us_of_ntp(part.capture_ntp),
                         CM_SECONDS(1800000000) + CM_MS(20) * (int64_t)piece);
        assert_true(i == 0 || part.sequence_number > before);
    }
    assert_int_equal(rest.size, 0);
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
    cm_source_destroy(made);
}

static void what_is_not_told_as_mp4_is_made_over(void **state)
{
    (void)state;
    const cm_sound_format odd = {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 11025};
    cm_stream stream;
    assert_int_equal(cm_mp4_sound_stream(&SOUND_AAC, &stream), CM_OK);
    assert_int_equal(stream, CM_STREAM_SOUND);
    assert_int_equal(cm_mp4_sound_stream(&SOUND_OPUS, &stream), CM_OK);
    assert_int_equal(stream, CM_STREAM_SOUND);
    assert_int_equal(cm_mp4_sound_stream(&SOUND_PCMU, &stream), CM_OK);
    assert_int_equal(stream, CM_STREAM_SOUND_FLAC);
    assert_int_equal(cm_mp4_sound_stream(&odd, &stream), CM_ABSENT);
}

static void another_codec_ends_the_response(void **state)
{
    stage *s = *state;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    put(s, &SOUND_AAC, UNIT_SIZE);
    put(s, &SOUND_OPUS, 80);
    assert_int_equal(s->ended, 1);
    assert_true(s->request.was_reset);
}

static void g711_ends_the_response(void **state)
{
    stage *s = *state;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    put(s, &SOUND_AAC, UNIT_SIZE);
    put(s, &SOUND_PCMU, 160);
    assert_int_equal(s->ended, 1);
    assert_true(s->request.was_reset);
}

static void without_the_right_nothing_is_answered_but_a_problem(void **state)
{
    stage *s = *state;
    hear(s, CM_RIGHT_VIEW);
    put(s, &SOUND_AAC, UNIT_SIZE);
    rig_run(&s->r, CM_SECONDS(9));
    assert_int_equal(s->request.size, 0);
    assert_int_equal(s->request.status, 503);
    assert_string_equal(s->request.problem, "camera-not-ready");
}

static void the_cut_resets_the_connection(void **state)
{
    stage *s = *state;
    hear(s, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    put(s, &SOUND_AAC, UNIT_SIZE);
    const size_t size = s->request.size;
    cm_epoch_publish(s->r.page, s->r.door.slot, 2);
    put(s, &SOUND_AAC, UNIT_SIZE);
    assert_int_equal(s->stale, 1);
    assert_int_equal(s->request.size, size);
    cm_mp4_viewer_cut(s->viewer);
    s->viewer = NULL;
    assert_true(s->request.was_reset && s->request.was_cut);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest cases[] = {
        CASE(each_access_unit_is_a_part),
        CASE(a_narrow_connection_gets_the_same_bytes),
        CASE(another_configuration_is_told_before_it),
        CASE(opus_goes_as_it_is),
        CASE(each_piece_of_what_was_made_is_a_part),
        cmocka_unit_test(what_is_not_told_as_mp4_is_made_over),
        CASE(another_codec_ends_the_response),
        CASE(g711_ends_the_response),
        CASE(without_the_right_nothing_is_answered_but_a_problem),
        CASE(the_cut_resets_the_connection),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
