/* sound: the format in front of each frame, its walls, and what its ring keeps. */
#include <stdlib.h>

#include "media_testing.h"

#include "media/ring.h"
#include "media/sound.h"
#include "media/source.h"

static const cm_sound_format AAC = {
    .codec = CM_SOUND_AAC, .channels = 2, .rate = 48000, .config_size = 2, .config = {0x11, 0x90}};
static const cm_sound_format PCMU = {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 8000};

static cm_slice write_format(const cm_sound_format *format, uint8_t storage[CM_SOUND_FORMAT_MAX])
{
    cm_writer w = cm_writer_over(storage, CM_SOUND_FORMAT_MAX);
    assert_int_equal(cm_sound_format_write(&w, format), CM_OK);
    return cm_writer_done(&w);
}

/* ---- the format ---- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    cm_sound_format longest = AAC;
    longest.config_size = CM_SOUND_CONFIG_MAX;
    const cm_sound_format opus = {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000};
    const cm_sound_format pcma = {.codec = CM_SOUND_PCMA, .channels = 1, .rate = 16000};
    const cm_sound_format flac = {.codec = CM_SOUND_FLAC,
                                  .channels = 1,
                                  .rate = 8000,
                                  .config_size = CM_SOUND_STREAMINFO_SIZE};
    const cm_sound_format *const FORMATS[] = {&AAC, &PCMU, &longest, &opus, &pcma, &flac};
    for (size_t i = 0; i < CM_COUNT(FORMATS); i++) {
        uint8_t storage[CM_SOUND_FORMAT_MAX];
        cm_sound_format read;
        assert_int_equal(cm_sound_format_read(write_format(FORMATS[i], storage), &read), CM_OK);
        assert_true(cm_sound_format_equal(&read, FORMATS[i]));
        for (size_t other = 0; other < CM_COUNT(FORMATS); other++)
            assert_int_equal(cm_sound_format_equal(&read, FORMATS[other]), other == i);
    }
    const cm_slice expected = BYTES(97, 2, 0, 0, 0xbb, 0x80, 2, 0x11, 0x90);
    uint8_t storage[CM_SOUND_FORMAT_MAX];
    assert_true(cm_slice_equal(write_format(&AAC, storage), expected));
}

static void what_is_no_format_is_neither_read_nor_written(void **state)
{
    (void)state;
    const struct {
        cm_status status;
        cm_slice bytes;
    } CASES[] = {
        {CM_CLOSE, {0}},
        {CM_CLOSE, BYTES(0, 1, 0, 0, 0x1f, 0x40)},                    /* no size */
        {CM_CLOSE, BYTES(97, 2, 0, 0, 0xbb, 0x80, 3, 0x11, 0x90)},    /* cut short */
        {CM_CLOSE, BYTES(97, 2, 0, 0, 0xbb, 0x80, 2, 0x11, 0x90, 0)}, /* something follows */
        {CM_REFUSE, BYTES(1, 1, 0, 0, 0x1f, 0x40, 0)},                /* no such codec */
        {CM_REFUSE, BYTES(0, 0, 0, 0, 0x1f, 0x40, 0)},                /* no channel */
        {CM_REFUSE, BYTES(0, 9, 0, 0, 0x1f, 0x40, 0)},                /* too many */
        {CM_REFUSE, BYTES(0, 1, 0, 0, 0, 0, 0)},                      /* no rate */
        {CM_REFUSE, BYTES(0, 1, 0, 1, 0x77, 1, 0)},                   /* 96,001 Hz */
        {CM_REFUSE, BYTES(97, 2, 0, 0, 0xbb, 0x80, 0)},               /* AAC without config */
        {CM_REFUSE, BYTES(0, 1, 0, 0, 0x1f, 0x40, 1, 0)},             /* PCMU with one */
        {CM_REFUSE, BYTES(98, 1, 0, 0, 0x1f, 0x40, 2, 0, 20)},        /* FLAC's is another size */
        {CM_REFUSE, BYTES(98, 1, 0, 0, 0x1f, 0x40, 0)},               /* FLAC without config */
        {CM_REFUSE, BYTES(97, 2, 0, 0, 0xbb, 0x80, 35, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_sound_format read = PCMU;
        assert_int_equal(cm_sound_format_read(CASES[i].bytes, &read), CASES[i].status);
        assert_true(cm_sound_format_equal(&read, &PCMU));
    }
    cm_sound_format none = AAC;
    none.config_size = 0;
    uint8_t storage[8];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_sound_format_write(&w, &none), CM_REFUSE);
    assert_int_equal(w.used, 0);
    assert_int_equal(cm_sound_format_write(&w, &AAC), CM_FULL);
}

static void every_codec_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(cm_sound_codec_name(CM_SOUND_PCMU), "pcmu");
    assert_string_equal(cm_sound_codec_name(CM_SOUND_PCMA), "pcma");
    assert_string_equal(cm_sound_codec_name(CM_SOUND_AAC), "aac");
    assert_string_equal(cm_sound_codec_name(CM_SOUND_OPUS), "opus");
    assert_string_equal(cm_sound_codec_name(CM_SOUND_FLAC), "flac");
    assert_string_equal(cm_sound_codec_name((cm_sound_codec)1), "unknown");
}

/* ---- its walls ---- */

typedef struct fixture {
    cm_epoch_page *page;
    testing_media media;
    cm_sealer *sound;
} fixture;

static int open_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(cm_epoch_page_create(4, &f->page), CM_OK);
    testing_media_init(&f->media, f->page, "verdi", "door");
    f->sound = testing_sealer(&f->media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    cm_sealer_destroy(f->sound);
    cm_epoch_page_destroy(f->page);
    free(f);
    return 0;
}

static bool took(void *owner, const cm_opened_frame *opened)
{
    (void)opened;
    *(bool *)owner = true;
    return true;
}

static cm_refusal try_to_hear(const cm_lease *lease, const cm_frame *frame, bool *heard)
{
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
    cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor, .owner = heard};
    *heard = false;
    cm_fanout_open(fanout, frame, (cm_instant){1}, &viewer, 1, took);
    cm_fanout_destroy(fanout);
    return viewer.refusal;
}

static void without_the_right_there_is_no_lease_for_sound(void **state)
{
    const fixture *f = *state;
    cm_lease *lease = NULL;
    cm_lease_terms terms = testing_terms(&f->media, 1);
    terms.streams = UINT32_C(1) << CM_STREAM_SOUND;
    terms.rights = CM_RIGHT_VIEW | CM_RIGHT_TALK;
    assert_int_equal(cm_lease_create(&terms, f->media.slot, &lease), CM_REFUSE);
    terms.streams = cm_streams_within(CM_RIGHT_VIEW); /* the key is of sound all the same */
    assert_int_equal(cm_lease_create(&terms, f->media.slot, &lease), CM_REFUSE);
    terms.streams = UINT32_C(1) << CM_STREAM_MAIN; /* nor does hearing show pictures */
    terms.rights = CM_RIGHT_LISTEN;
    assert_int_equal(cm_lease_create(&terms, f->media.slot, &lease), CM_REFUSE);
    assert_null(lease);
    assert_int_equal(cm_streams_within(0), 0);
    assert_int_equal(cm_streams_within(CM_RIGHT_TALK), 0);
    assert_int_equal(cm_streams_within(CM_RIGHT_VIEW), 3);
    assert_int_equal(cm_streams_within(CM_RIGHT_LISTEN), 4 + 8 + 16);
}

static void sound_opens_under_the_right_to_listen_alone(void **state)
{
    const fixture *f = *state;
    bool heard;
    cm_frame *frame = testing_frame(f->sound, "a word", CM_FRAME_KEYFRAME);
    cm_lease_terms terms = testing_terms(&f->media, 1);
    terms.streams = UINT32_C(1) << CM_STREAM_SOUND;
    terms.rights = CM_RIGHT_LISTEN;
    cm_lease *hears = NULL, *sees = NULL;
    assert_int_equal(cm_lease_create(&terms, f->media.slot, &hears), CM_OK);
    assert_int_equal(try_to_hear(hears, frame, &heard), CM_REFUSAL_NONE);
    assert_true(heard);
    terms.streams = cm_streams_within(CM_RIGHT_VIEW);
    terms.rights = CM_RIGHT_VIEW;
    terms.key_count = 0;
    assert_int_equal(cm_lease_create(&terms, f->media.slot, &sees), CM_OK);
    assert_int_equal(try_to_hear(sees, frame, &heard), CM_REFUSAL_RIGHT);
    assert_false(heard);
    cm_frame_release(frame, 0);
    cm_lease_destroy(hears);
    cm_lease_destroy(sees);
}

/* ---- its ring ---- */

/* Each of its frames is a beginning, and who is late by a few still gets them in order. */
static void a_ring_keeps_the_last_seconds_of_sound(void **state)
{
    const fixture *f = *state;
    cm_ring ring;
    cm_ring_init(&ring, 0, 1 << 20, CM_STREAM_SOUND);
    for (int i = 0; i < 3 * CM_RING_SOUND_FRAMES; i++) {
        cm_frame *frame = testing_frame(f->sound, "a word", CM_FRAME_KEYFRAME);
        assert_int_equal(cm_ring_push(&ring, frame), CM_OK);
        cm_frame_release(frame, 0);
        assert_true(cm_ring_keyframe(&ring) == frame); /* who comes begins with the newest */
        assert_true(ring.count <= CM_RING_SOUND_FRAMES);
        assert_int_equal(ring.previous, ring.count - 1);
    }
    assert_int_equal(ring.count, CM_RING_SOUND_FRAMES);
    for (size_t i = 1; i < ring.count; i++)
        assert_int_equal(cm_ring_at(&ring, i)->number, cm_ring_at(&ring, i - 1)->number + 1);
    cm_ring_forget_previous(&ring);
    assert_int_equal(ring.count, 1);
    assert_int_equal(ring.bytes, cm_ring_at(&ring, 0)->size_bytes);
    cm_ring_deinit(&ring);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_no_format_is_neither_read_nor_written),
        cmocka_unit_test(every_codec_has_a_name),
        CASE(without_the_right_there_is_no_lease_for_sound),
        CASE(sound_opens_under_the_right_to_listen_alone),
        CASE(a_ring_keeps_the_last_seconds_of_sound),
    };
    return cmocka_run_group_tests_name("sound", tests, NULL, NULL);
}
