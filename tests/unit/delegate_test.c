/* media/delegate: a helper gets the right to one picture out of one frame, and no other. */
#include "media_testing.h"

#include <stdlib.h>

#include "media/delegate.h"

typedef struct fixture {
    cm_epoch_page *page;
    testing_media door, attic; /* two homes */
    cm_sealer *frames, *stills;
    cm_lease *lease;
    cm_cursor cursor;
    cm_frame *keyframe;
    uint8_t record[CM_DELEGATION_SIZE];
    uint64_t number;
    cm_refusal refusal;
} fixture;

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    testing_media_init(&f->door, f->page, "verdi", "door");
    testing_media_init(&f->attic, f->page, "rossi", "attic");
    f->frames = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    f->stills = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    f->lease = testing_lease(&f->door, 1);
    f->cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    f->keyframe = testing_frame(f->frames, "picture", CM_FRAME_KEYFRAME);
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    cm_frame_release(f->keyframe, 0);
    cm_lease_destroy(f->lease);
    cm_sealer_destroy(f->frames);
    cm_sealer_destroy(f->stills);
    cm_epoch_page_destroy(f->page);
    free(f);
    return 0;
}

static cm_status delegate_by(fixture *f, const cm_lease *lease, const cm_frame *frame,
                             cm_sealer *stills, cm_instant now)
{
    f->refusal = CM_REFUSALS;
    return cm_delegate(lease, &f->cursor, frame, stills, now, f->record, &f->number, &f->refusal);
}

static cm_status delegate(fixture *f)
{
    return delegate_by(f, f->lease, f->keyframe, f->stills, (cm_instant){1});
}

static cm_delegated *delegated(fixture *f)
{
    cm_delegated *d;
    assert_int_equal(delegate(f), CM_OK);
    assert_int_equal(cm_delegated_create(f->record, &d), CM_OK);
    return d;
}

static bool read_text(void *owner, const cm_opened_frame *opened)
{
    char *text = owner;
    snprintf(text, 64, "%.*s", CM_SLICE_ARGS(opened->granules[0]));
    return true;
}

static cm_refusal open_still(const cm_lease *lease, const cm_frame *still, char text[64])
{
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_STILL);
    cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor, .owner = text};
    cm_fanout_open(fanout, still, (cm_instant){1}, &viewer, 1, read_text);
    cm_fanout_destroy(fanout);
    return viewer.refusal;
}

static void a_still_is_made_of_the_frame_and_opens_for_the_lease(void **state)
{
    fixture *f = *state;
    cm_delegated *d = delegated(f);
    cm_opened_frame opened;
    cm_frame *still;
    char text[64];
    assert_int_equal(f->refusal, CM_REFUSAL_NONE);
    assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_OK);
    assert_int_equal(opened.count, 2);
    assert_text(opened.granules[0], "picture");
    assert_text(opened.granules[1], "<>picture");
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("a still"), &still), CM_OK);
    assert_int_equal(still->number, f->number);
    assert_int_equal(still->captured.us, f->keyframe->captured.us);
    assert_int_equal(still->media_time, f->keyframe->media_time);
    assert_int_equal(still->flags, CM_FRAME_KEYFRAME);
    assert_int_equal(open_still(f->lease, still, text), CM_REFUSAL_NONE);
    assert_string_equal(text, "a still");
    cm_frame_release(still, 0);
    cm_delegated_destroy(d);
}

static void it_seals_once_and_only_after_opening(void **state)
{
    fixture *f = *state;
    cm_delegated *d = delegated(f);
    cm_opened_frame opened;
    cm_frame *still = NULL;
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("made up"), &still), CM_REFUSE);
    assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_OK);
    assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_FOREIGN);
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("one"), &still), CM_OK);
    cm_frame_release(still, 0);
    still = NULL;
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("two"), &still), CM_REFUSE);
    assert_null(still);
    cm_delegated_destroy(d);
}

static void what_it_may_not_seal_is_an_error(void **state)
{
    enum { TOO_LARGE = CM_GRANULE_MAX * CM_FRAME_GRANULES_MAX + 1 };
    fixture *f = *state;
    cm_delegated *d = delegated(f);
    cm_opened_frame opened;
    cm_frame *still = NULL;
    uint8_t *bytes = calloc(1, TOO_LARGE);
    assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_OK);
    assert_int_equal(cm_delegated_seal(d, cm_slice_over(bytes, TOO_LARGE), &still), CM_FULL);
    assert_int_equal(cm_delegated_seal(d, (cm_slice){0}, &still), CM_FULL);
    assert_null(still);
    free(bytes);
    cm_delegated_destroy(d);
}

static void no_other_frame_opens(void **state)
{
    fixture *f = *state;
    cm_frame *next = testing_frame(f->frames, "another", CM_FRAME_KEYFRAME);
    cm_sealer *foreign = testing_sealer(&f->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_frame *theirs = testing_frame(foreign, "theirs!", CM_FRAME_KEYFRAME);
    cm_opened_frame opened;
    cm_delegated *d = delegated(f);
    assert_int_equal(cm_delegated_open(d, next, &opened), CM_FOREIGN);
    assert_int_equal(cm_delegated_open(d, theirs, &opened), CM_FOREIGN);
    /* One that says that it is the one, and is not. */
    next->number = f->keyframe->number;
    assert_int_equal(cm_delegated_open(d, next, &opened), CM_FOREIGN);
    cm_delegated_destroy(d);

    d = delegated(f);
    theirs->camera = f->keyframe->camera;
    theirs->epoch = f->keyframe->epoch;
    theirs->number = f->keyframe->number;
    memcpy(theirs->instance, f->keyframe->instance, sizeof theirs->instance);
    assert_int_equal(cm_delegated_open(d, theirs, &opened), CM_FOREIGN);
    cm_delegated_destroy(d);
    cm_frame_release(next, 0);
    cm_frame_release(theirs, 0);
    cm_sealer_destroy(foreign);
}

static void a_changed_frame_does_not_open(void **state)
{
    fixture *f = *state;
    cm_opened_frame opened;
    const size_t size = f->keyframe->size_bytes - sizeof *f->keyframe;
    for (size_t i = 4; i < size; i++) { /* behind the two sizes: each byte of both granules */
        cm_delegated *d = delegated(f);
        f->keyframe->data[i] ^= 1;
        assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_FOREIGN);
        f->keyframe->data[i] ^= 1;
        cm_delegated_destroy(d);
    }
    cm_delegated *d = delegated(f);
    f->keyframe->captured.us++;
    assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_FOREIGN);
    cm_delegated_destroy(d);
}

static void it_is_given_only_by_the_right_of_the_lease(void **state)
{
    fixture *f = *state;
    const cm_instant late = {CM_SECONDS(61)};
    assert_int_equal(delegate_by(f, f->lease, f->keyframe, f->stills, late), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_STALE);

    cm_sealer *foreign_stills = testing_sealer(&f->attic, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    cm_lease *foreign = testing_lease(&f->attic, 1);
    assert_int_equal(delegate_by(f, foreign, f->keyframe, foreign_stills, (cm_instant){1}),
                     CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    assert_int_equal(delegate_by(f, f->lease, f->keyframe, foreign_stills, (cm_instant){1}),
                     CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    cm_lease_destroy(foreign);
    cm_sealer_destroy(foreign_stills);

    cm_frame *between = testing_frame(f->frames, "between", 0);
    assert_int_equal(delegate_by(f, f->lease, between, f->stills, (cm_instant){1}), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_GAP);
    cm_frame_release(between, 0);
}

static void only_a_sealer_of_stills_of_that_stream_will_do(void **state)
{
    fixture *f = *state;
    cm_sealer *sub = testing_sealer(&f->door, CM_STREAM_SUB, CM_OBJECT_STILL, 1);
    assert_int_equal(delegate_by(f, f->lease, f->keyframe, sub, (cm_instant){1}), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    assert_int_equal(delegate_by(f, f->lease, f->keyframe, f->frames, (cm_instant){1}), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    cm_sealer_destroy(sub);
}

static void an_epoch_that_is_over_gives_nothing(void **state)
{
    fixture *f = *state;
    cm_epoch_publish(f->page, f->door.slot, 2);
    assert_int_equal(delegate(f), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_STALE);
}

static void every_delegation_burns_a_number(void **state)
{
    fixture *f = *state;
    assert_int_equal(delegate(f), CM_OK);
    const uint64_t first = f->number;
    assert_int_equal(delegate(f), CM_OK);
    assert_int_equal(f->number, first + 1);
    cm_frame *sealed = testing_frame(f->stills, "still", CM_FRAME_KEYFRAME);
    assert_int_equal(sealed->number, first + 2);
    cm_frame_release(sealed, 0);
}

static void answers_of_two_jobs_do_not_pass_for_each_other(void **state)
{
    fixture *f = *state;
    testing_media shed;
    testing_media_init(&shed, f->page, "verdi", "garage");
    cm_sealer *frames = testing_sealer(&shed, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(&shed, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    cm_lease *lease = testing_lease(&shed, 1);
    cm_frame *frame = testing_frame(frames, "tools", CM_FRAME_KEYFRAME);
    cm_delegated *d;
    cm_opened_frame opened;
    cm_frame *still;
    char text[64] = "";
    assert_int_equal(delegate_by(f, lease, frame, stills, (cm_instant){1}), CM_OK);
    assert_int_equal(cm_delegated_create(f->record, &d), CM_OK);
    assert_int_equal(cm_delegated_open(d, frame, &opened), CM_OK);
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("tools"), &still), CM_OK);
    assert_int_equal(open_still(f->lease, still, text), CM_REFUSAL_FOREIGN);
    still->camera = f->door.camera; /* also when it says that it is the door's */
    assert_int_equal(open_still(f->lease, still, text), CM_REFUSAL_KEY);
    memcpy(still->instance, f->door.keys[1].instance, sizeof still->instance);
    assert_int_equal(open_still(f->lease, still, text), CM_REFUSAL_SEAL);
    assert_string_equal(text, "");
    cm_frame_release(still, 0);
    cm_delegated_destroy(d);
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(frames);
    cm_sealer_destroy(stills);
}

static void a_record_that_is_none_is_refused(void **state)
{
    fixture *f = *state;
    cm_delegated *d = NULL;
    assert_int_equal(delegate(f), CM_OK);
    f->record[2 * CM_ID_SIZE] = CM_STREAM_SOUND;
    assert_int_equal(cm_delegated_create(f->record, &d), CM_CLOSE);
    assert_null(d);
    /* Any other change names another frame or key. */
    for (size_t i = 0; i < 2 * CM_ID_SIZE + 1 + 16 + 16 + 32 + 8 + 8; i++) {
        cm_opened_frame opened;
        assert_int_equal(delegate(f), CM_OK);
        f->record[i] ^= 1;
        assert_int_equal(cm_delegated_create(f->record, &d), CM_OK);
        assert_int_equal(cm_delegated_open(d, f->keyframe, &opened), CM_FOREIGN);
        cm_delegated_destroy(d);
    }
}

/* ---- sound ---- */

typedef struct sound {
    cm_sealer *heard, *opus, *stills;
    cm_lease *lease;
    cm_cursor cursor;
} sound;

static cm_lease *hearing_lease(const testing_media *media, cm_rights rights)
{
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    cm_lease_terms terms = testing_terms(media, 1);
    cm_lease *lease;
    terms.rights = rights;
    terms.streams = cm_streams_within(rights);
    terms.keys = keys;
    terms.key_count = 0;
    for (size_t i = 0; i < media->key_count; i++)
        if ((terms.streams >> media->keys[i].stream & 1) == 1)
            keys[terms.key_count++] = media->keys[i];
    assert_int_equal(cm_lease_create(&terms, media->slot, &lease), CM_OK);
    return lease;
}

static void open_sound(sound *s, testing_media *media)
{
    s->heard = testing_sealer(media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    s->opus = testing_sealer(media, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1);
    s->stills = testing_sealer(media, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    s->lease = hearing_lease(media, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    s->cursor = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
}

static void close_sound(sound *s)
{
    cm_sealer_destroy(s->heard);
    cm_sealer_destroy(s->opus);
    cm_sealer_destroy(s->stills);
    cm_lease_destroy(s->lease);
}

static cm_status delegate_sound(fixture *f, sound *s, const cm_lease *lease, const cm_frame *frame,
                                cm_sealer *made)
{
    f->refusal = CM_REFUSALS;
    return cm_delegate_sound(lease, &s->cursor, frame, made, (cm_instant){1}, f->record, &f->number,
                             &f->refusal);
}

static const cm_slice MADE[] = {{(const uint8_t *)"format", 6}, {(const uint8_t *)"word", 4}};
static const cm_made_sound WORD = {
    .granules = MADE, .count = 2, .duration_ms = 20, .is_discontinuity = true};

static void sound_is_made_of_the_frame_and_opens_for_who_may_hear(void **state)
{
    fixture *f = *state;
    sound s;
    open_sound(&s, &f->door);
    cm_frame *frame = testing_frame(s.heard, "a word", CM_FRAME_KEYFRAME);
    cm_delegated *d;
    cm_opened_frame opened;
    cm_frame *made = NULL;
    char text[64] = "";
    assert_int_equal(delegate_sound(f, &s, s.lease, frame, s.opus), CM_OK);
    assert_int_equal(cm_delegated_create(f->record, &d), CM_OK);
    assert_true(cm_camera_key_equal(cm_delegated_camera(d), &f->door.camera));
    assert_int_equal(cm_delegated_stream(d), CM_STREAM_SOUND_OPUS);
    assert_int_equal(cm_delegated_seal_sound(d, &WORD, &made), CM_REFUSE); /* not opened */
    assert_int_equal(cm_delegated_open(d, frame, &opened), CM_OK);
    assert_int_equal(cm_delegated_seal(d, CM_TEXT("a still"), &made), CM_REFUSE);
    assert_int_equal(cm_delegated_seal_sound(d, &WORD, &made), CM_OK);
    assert_int_equal(made->stream, CM_STREAM_SOUND_OPUS);
    assert_int_equal(made->kind, CM_OBJECT_FRAME);
    assert_int_equal(made->number, f->number);
    assert_int_equal(made->captured.us, frame->captured.us);
    assert_int_equal(made->media_time, frame->media_time);
    assert_int_equal(made->duration_ms, 20);
    assert_int_equal(made->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME);
    cm_fanout_viewer viewer = {.lease = s.lease, .cursor = &cursor, .owner = text};
    cm_fanout_open(fanout, made, (cm_instant){1}, &viewer, 1, read_text);
    assert_int_equal(viewer.refusal, CM_REFUSAL_NONE);
    assert_string_equal(text, "format");
    cm_fanout_destroy(fanout);
    cm_frame *again = NULL;
    assert_int_equal(cm_delegated_seal_sound(d, &WORD, &again), CM_REFUSE);
    assert_null(again);
    cm_delegated_destroy(d);
    cm_frame_release(made, 0);
    cm_frame_release(frame, 0);
    close_sound(&s);
}

static void sound_is_delegated_once_and_forward_only(void **state)
{
    fixture *f = *state;
    sound s;
    open_sound(&s, &f->door);
    cm_frame *first = testing_frame(s.heard, "one", CM_FRAME_KEYFRAME);
    cm_frame *second = testing_frame(s.heard, "two", CM_FRAME_KEYFRAME);
    assert_int_equal(delegate_sound(f, &s, s.lease, second, s.opus), CM_OK);
    assert_int_equal(delegate_sound(f, &s, s.lease, second, s.opus), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_REPLAY);
    assert_int_equal(delegate_sound(f, &s, s.lease, first, s.opus), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_REPLAY);
    cm_frame_release(first, 0);
    cm_frame_release(second, 0);
    close_sound(&s);
}

static void nobody_delegates_sound_that_he_may_not_hear(void **state)
{
    fixture *f = *state;
    sound s, other;
    open_sound(&s, &f->door);
    open_sound(&other, &f->attic);
    cm_lease *deaf = hearing_lease(&f->door, CM_RIGHT_VIEW);
    cm_frame *frame = testing_frame(s.heard, "a word", CM_FRAME_KEYFRAME);
    assert_int_equal(delegate_sound(f, &s, deaf, frame, s.opus), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_RIGHT);
    assert_int_equal(delegate_sound(f, &s, other.lease, frame, other.opus), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    /* Nor to be sealed for another camera, as itself, as a still, or as a picture. */
    cm_sealer *const wrong[] = {other.opus, s.heard, s.stills, f->stills, f->frames};
    for (size_t i = 0; i < CM_COUNT(wrong); i++) {
        assert_int_equal(delegate_sound(f, &s, s.lease, frame, wrong[i]), CM_FOREIGN);
        assert_int_equal(f->refusal, CM_REFUSAL_FOREIGN);
    }
    cm_epoch_publish(f->page, f->door.slot, 2);
    assert_int_equal(delegate_sound(f, &s, s.lease, frame, s.opus), CM_FOREIGN);
    assert_int_equal(f->refusal, CM_REFUSAL_STALE);
    cm_lease_destroy(deaf);
    cm_frame_release(frame, 0);
    close_sound(&other);
    close_sound(&s);
}

/* Neither may the record say that a picture becomes sound, or sound a picture. */
static void a_record_of_sound_and_pictures_is_none(void **state)
{
    enum { STREAM_AT = 2 * CM_ID_SIZE, MADE_AT = STREAM_AT + 1 + 2 * (16 + 16 + 32 + 8 + 8) };
    fixture *f = *state;
    sound s;
    cm_delegated *d = NULL;
    open_sound(&s, &f->door);
    cm_frame *frame = testing_frame(s.heard, "a word", CM_FRAME_KEYFRAME);
    assert_int_equal(delegate_sound(f, &s, s.lease, frame, s.opus), CM_OK);
    const uint8_t WRONG[] = {CM_STREAM_MAIN, CM_STREAM_SUB, CM_STREAM_SOUND, CM_STREAMS, 255};
    for (size_t i = 0; i < CM_COUNT(WRONG); i++) {
        f->record[MADE_AT] = WRONG[i];
        assert_int_equal(cm_delegated_create(f->record, &d), CM_CLOSE);
    }
    f->record[MADE_AT] = CM_STREAM_SOUND_FLAC;
    assert_int_equal(cm_delegated_create(f->record, &d), CM_OK);
    cm_delegated_destroy(d);
    f->record[STREAM_AT] = CM_STREAM_MAIN;
    assert_int_equal(cm_delegated_create(f->record, &d), CM_CLOSE);
    f->record[STREAM_AT] = CM_STREAM_SOUND_OPUS;
    assert_int_equal(cm_delegated_create(f->record, &d), CM_CLOSE);
    cm_frame_release(frame, 0);
    close_sound(&s);
}

/* ---- frames on a wire ---- */

static uint8_t *written(const cm_frame *frame, size_t *size)
{
    *size = cm_frame_wire_size(frame);
    uint8_t *bytes = malloc(*size);
    cm_writer w = cm_writer_over(bytes, *size);
    cm_frame_write(&w, frame);
    assert_false(w.failed);
    assert_int_equal(w.used, *size);
    return bytes;
}

static void a_frame_survives_the_wire(void **state)
{
    fixture *f = *state;
    size_t size;
    uint8_t *bytes = written(f->keyframe, &size);
    cm_frame *back;
    cm_opened_frame opened;
    assert_int_equal(cm_frame_read(cm_slice_over(bytes, size), 3, &back), CM_OK);
    assert_int_equal(back->holds[3], 1);
    cm_delegated *d = delegated(f);
    assert_int_equal(cm_delegated_open(d, back, &opened), CM_OK);
    assert_text(opened.granules[1], "<>picture");
    cm_delegated_destroy(d);
    cm_frame_release(back, 3);
    free(bytes);
}

static void a_wire_frame_of_a_wrong_size_is_refused(void **state)
{
    fixture *f = *state;
    size_t size;
    uint8_t *bytes = written(f->keyframe, &size);
    cm_frame *back = NULL;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1); /* of its own, so that reading past it is seen */
        memcpy(part, bytes, cut);
        assert_int_equal(cm_frame_read(cm_slice_over(part, cut), 0, &back), CM_CLOSE);
        free(part);
    }
    uint8_t *longer = calloc(1, size + 1);
    memcpy(longer, bytes, size);
    assert_int_equal(cm_frame_read(cm_slice_over(longer, size + 1), 0, &back), CM_CLOSE);
    assert_null(back);
    free(longer);
    free(bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_still_is_made_of_the_frame_and_opens_for_the_lease),
        CASE(it_seals_once_and_only_after_opening),
        CASE(what_it_may_not_seal_is_an_error),
        CASE(no_other_frame_opens),
        CASE(a_changed_frame_does_not_open),
        CASE(it_is_given_only_by_the_right_of_the_lease),
        CASE(only_a_sealer_of_stills_of_that_stream_will_do),
        CASE(an_epoch_that_is_over_gives_nothing),
        CASE(every_delegation_burns_a_number),
        CASE(answers_of_two_jobs_do_not_pass_for_each_other),
        CASE(a_record_that_is_none_is_refused),
        CASE(sound_is_made_of_the_frame_and_opens_for_who_may_hear),
        CASE(sound_is_delegated_once_and_forward_only),
        CASE(nobody_delegates_sound_that_he_may_not_hear),
        CASE(a_record_of_sound_and_pictures_is_none),
        CASE(a_frame_survives_the_wire),
        CASE(a_wire_frame_of_a_wrong_size_is_refused),
    };
    return cmocka_run_group_tests_name("delegate", tests, NULL, NULL);
}
