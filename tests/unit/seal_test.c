/* media/seal: nothing opens but the right frame, for the right lease, at its right place. */
#include "media_testing.h"

#include <stdlib.h>

#include "base/aead.h"
#include "media/seal_priv.h"

typedef struct fixture {
    cm_epoch_page *page;
    testing_media door, attic; /* two homes */
    cm_fanout *fanout;
    char seen[64]; /* what the last deliver() saw */
    int delivered;
    bool takes_all;
} fixture;

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    testing_media_init(&f->door, f->page, "verdi", "door");
    testing_media_init(&f->attic, f->page, "rossi", "attic");
    assert_int_equal(cm_fanout_create(&f->fanout), CM_OK);
    f->takes_all = true;
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    cm_fanout_destroy(f->fanout);
    cm_epoch_page_destroy(f->page);
    free(f);
    return 0;
}

static bool deliver(void *owner, const cm_opened_frame *opened)
{
    fixture *f = owner;
    f->delivered++;
    snprintf(f->seen, sizeof f->seen, "%.*s|%.*s", CM_SLICE_ARGS(opened->granules[0]),
             CM_SLICE_ARGS(opened->granules[1]));
    return f->takes_all;
}

static cm_refusal open_one(fixture *f, const cm_lease *lease, cm_cursor *cursor,
                           const cm_frame *frame)
{
    cm_fanout_viewer viewer = {.lease = lease, .cursor = cursor, .owner = f};
    f->delivered = 0;
    f->seen[0] = '\0';
    cm_fanout_open(f->fanout, frame, (cm_instant){1}, &viewer, 1, deliver);
    assert_int_equal(f->delivered, viewer.refusal == CM_REFUSAL_NONE ? 1 : 0);
    return viewer.refusal;
}

/* The room of a pass, as one viewer leaves it and the next finds it. */
typedef struct worker {
    const uint8_t *bytes;
    const uint8_t *granule;
    size_t found;
} worker;

static bool work_with(void *owner, const cm_opened_frame *opened)
{
    worker *w = owner;
    w->found = opened->work->used;
    if (w->found == 0)
        for (size_t i = 0; i < opened->count; i++)
            cm_write_slice(opened->work, opened->granules[i]);
    assert_false(opened->work->failed);
    w->bytes = opened->work->bytes;
    w->granule = opened->granules[0].bytes;
    return true;
}

static void the_room_of_a_pass_is_shared_and_wiped_with_it(void **state)
{
    fixture *f = *state;
    static const uint8_t wiped[18];
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    for (int pass = 0; pass < 2; pass++) {
        cm_cursor cursors[2];
        worker workers[2] = {0};
        cm_fanout_viewer viewers[2];
        for (size_t i = 0; i < 2; i++) {
            cursors[i] = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
            viewers[i] =
                (cm_fanout_viewer){.lease = lease, .cursor = &cursors[i], .owner = &workers[i]};
        }
        cm_fanout_open(f->fanout, frame, (cm_instant){1}, viewers, 2, work_with);
        assert_int_equal(workers[0].found, 0);
        assert_int_equal(workers[1].found, 7 + 9);
        /* The memory is the fan-out's for its next pass. */
        assert_memory_equal(workers[1].bytes, wiped, 7 + 9);
        assert_memory_equal(workers[1].granule, wiped, 7 + 9);
    }
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static void a_frame_opens_for_its_lease_and_reads_as_it_was(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_NONE);
    assert_string_equal(f->seen, "picture|<>picture");
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static bool holds(const cm_frame *frame, const char *text)
{
    return memmem(frame, frame->size_bytes, text, strlen(text)) != NULL;
}

static void what_is_stored_does_not_hold_the_picture(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    assert_false(holds(frame, "picture"));
    assert_true(holds(frame, "verdi")); /* the search itself works */
    cm_frame_release(frame, 0);
    cm_sealer_destroy(sealer);
}

static void a_foreign_frame_is_refused_whatever_it_says_of_itself(void **state)
{
    fixture *f = *state;
    cm_sealer *door = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *attic = testing_sealer(&f->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *own = testing_frame(door, "mine", CM_FRAME_KEYFRAME);
    cm_frame *foreign = testing_frame(attic, "theirs", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, foreign), CM_REFUSAL_FOREIGN);
    /* The slot of a ring swapped: the foreign bytes stand behind our own head. */
    foreign->camera = own->camera;
    assert_int_equal(open_one(f, lease, &cursor, foreign), CM_REFUSAL_KEY);
    memcpy(foreign->instance, own->instance, sizeof own->instance);
    assert_int_equal(open_one(f, lease, &cursor, foreign), CM_REFUSAL_SEAL);
    assert_string_equal(f->seen, "");
    cm_frame_release(own, 0);
    cm_frame_release(foreign, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(door);
    cm_sealer_destroy(attic);
}

/* Its key had no place in the lease any more: not shown, and nobody's fault. */
static void a_frame_older_than_all_keys_is_a_gap(void **state)
{
    fixture *f = *state;
    cm_sealer *old = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *present = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 3);
    cm_lease_terms terms = testing_terms(&f->door, 3);
    terms.keys += --terms.key_count;
    terms.key_count = 1;
    cm_lease *lease;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frame = testing_frame(old, "old", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_GAP);
    frame->epoch = 3; /* one that only says that it is of the lease's epoch */
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_KEY);
    assert_string_equal(f->seen, "");
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(old);
    cm_sealer_destroy(present);
}

static void the_other_stream_of_the_same_camera_is_refused(void **state)
{
    fixture *f = *state;
    cm_sealer *main_sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *sub_sealer = testing_sealer(&f->door, CM_STREAM_SUB, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frame = testing_frame(sub_sealer, "sub", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_FOREIGN);
    frame->stream = CM_STREAM_MAIN;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_KEY);
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(main_sealer);
    cm_sealer_destroy(sub_sealer);
}

static void every_changed_byte_and_field_is_refused(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    const size_t data = frame->size_bytes - sizeof *frame;
    for (size_t i = 4; i < data; i++) { /* after the table of sizes */
        cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
        frame->data[i] ^= 1;
        assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
        frame->data[i] ^= 1;
    }
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    frame->captured.us++;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
    frame->captured.us--;
    frame->media_time++;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
    frame->media_time--;
    frame->number++;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
    frame->number--;
    frame->flags |= CM_FRAME_DISCONTINUITY;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
    frame->flags &= (uint16_t)~CM_FRAME_DISCONTINUITY;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_NONE);
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static void an_old_frame_cannot_be_replayed_as_a_new_one(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *first = testing_frame(sealer, "first", CM_FRAME_KEYFRAME);
    cm_frame *second = testing_frame(sealer, "second", 0);
    cm_frame *third = testing_frame(sealer, "third", 0);
    assert_int_equal(open_one(f, lease, &cursor, second), CM_REFUSAL_GAP); /* not a beginning */
    assert_int_equal(open_one(f, lease, &cursor, first), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, third), CM_REFUSAL_GAP);
    assert_int_equal(open_one(f, lease, &cursor, second), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, first), CM_REFUSAL_REPLAY);
    assert_int_equal(open_one(f, lease, &cursor, second), CM_REFUSAL_REPLAY);
    assert_int_equal(open_one(f, lease, &cursor, third), CM_REFUSAL_NONE);
    cm_frame_release(first, 0);
    cm_frame_release(second, 0);
    cm_frame_release(third, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

/* Two sealers of one epoch: the camera's source was made anew, and grants made a set again. */
static void a_cursor_goes_back_to_its_newest_keyframe_only(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frames[4]; /* a keyframe and a picture, twice */
    assert_false(cm_cursor_rewind(&cursor));
    for (size_t i = 0; i < 4; i++) {
        frames[i] = testing_frame(sealer, "picture", i % 2 == 0 ? CM_FRAME_KEYFRAME : 0);
        assert_int_equal(open_one(f, lease, &cursor, frames[i]), CM_REFUSAL_NONE);
    }
    assert_int_equal(open_one(f, lease, &cursor, frames[2]), CM_REFUSAL_REPLAY);
    assert_true(cm_cursor_rewind(&cursor));
    assert_int_equal(open_one(f, lease, &cursor, frames[0]), CM_REFUSAL_REPLAY);
    assert_int_equal(open_one(f, lease, &cursor, frames[1]), CM_REFUSAL_REPLAY);
    assert_int_equal(open_one(f, lease, &cursor, frames[3]), CM_REFUSAL_GAP);
    assert_int_equal(open_one(f, lease, &cursor, frames[2]), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, frames[3]), CM_REFUSAL_NONE);
    for (size_t i = 0; i < 4; i++)
        cm_frame_release(frames[i], 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static void an_instance_that_was_left_is_not_gone_back_to(void **state)
{
    fixture *f = *state;
    cm_sealer *before = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *after = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *old = testing_frame(before, "old", CM_FRAME_KEYFRAME);
    cm_frame *older = testing_frame(before, "older", CM_FRAME_KEYFRAME);
    cm_frame *fresh = testing_frame(after, "fresh", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, old), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, fresh), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, older), CM_REFUSAL_REPLAY);
    cm_frame_release(old, 0);
    cm_frame_release(older, 0);
    cm_frame_release(fresh, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(before);
    cm_sealer_destroy(after);
}

static void a_head_that_lies_about_its_granules_is_refused(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    static cm_plain_granule granules[CM_FRAME_GRANULES_MAX];
    for (size_t i = 0; i < CM_FRAME_GRANULES_MAX; i++)
        granules[i].body = CM_TEXT("x");
    const cm_plain_frame plain = {
        .granules = granules, .count = CM_COUNT(granules), .flags = CM_FRAME_KEYFRAME};
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_OK);
    for (unsigned count = 1; count <= UINT16_MAX; count = count * 2 + 1) {
        cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
        frame->count = (uint16_t)count;
        assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_SEAL);
    }
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static void a_blocked_viewer_gets_the_same_frame_again(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *lease = testing_lease(&f->door, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frame = testing_frame(sealer, "once", CM_FRAME_KEYFRAME);
    f->takes_all = false;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_NONE);
    f->takes_all = true;
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_REPLAY);
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
}

static void a_published_epoch_ends_old_leases_and_sealers_at_once(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *next = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 2);
    cm_lease *old = testing_lease(&f->door, 1);
    cm_lease *renewed = testing_lease(&f->door, 2);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *before = testing_frame(sealer, "before", CM_FRAME_KEYFRAME);
    cm_frame *frame = NULL;
    const cm_plain_granule granule = {.body = CM_TEXT("after")};
    const cm_plain_frame plain = {.granules = &granule, .count = 1};

    cm_epoch_publish(f->page, f->door.slot, 2);

    assert_int_equal(open_one(f, old, &cursor, before), CM_REFUSAL_STALE);
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_FOREIGN);
    /* Those still allowed go on: what is cached under the old keys, then what comes under the new
     * ones. */
    assert_int_equal(open_one(f, renewed, &cursor, before), CM_REFUSAL_NONE);
    cm_sealer_skip_to(next, before->number + 1);
    cm_frame *after = testing_frame(next, "after", 0);
    assert_int_equal(open_one(f, renewed, &cursor, after), CM_REFUSAL_NONE);
    assert_int_equal(open_one(f, renewed, &cursor, before), CM_REFUSAL_REPLAY);
    cm_frame_release(before, 0);
    cm_frame_release(after, 0);
    cm_lease_destroy(old);
    cm_lease_destroy(renewed);
    cm_sealer_destroy(sealer);
    cm_sealer_destroy(next);
}

/* What came last under the old key did not reach this viewer: nothing leans on what he has. */
static void a_gap_at_a_turn_is_a_gap(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *next = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 2);
    cm_lease *lease = testing_lease(&f->door, 2);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *before = testing_frame(sealer, "before", CM_FRAME_KEYFRAME);
    cm_epoch_publish(f->page, f->door.slot, 2);
    assert_int_equal(open_one(f, lease, &cursor, before), CM_REFUSAL_NONE);
    for (unsigned number = 0; number < 4; number += 2) { /* one too early, one too late */
        cm_sealer_skip_to(next, number);
        cm_frame *after = testing_frame(next, "after", 0);
        assert_int_equal(after->number, number);
        assert_int_equal(open_one(f, lease, &cursor, after), CM_REFUSAL_GAP);
        cm_frame_release(after, 0);
    }
    cm_frame *keyframe = testing_frame(next, "keyframe", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, keyframe), CM_REFUSAL_NONE);
    cm_frame_release(before, 0);
    cm_frame_release(keyframe, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
    cm_sealer_destroy(next);
}

/* A camera whose keys turned many times within one group of pictures. */
static void a_frame_from_before_the_oldest_key_is_a_gap_and_no_alarm(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *next = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 2);
    cm_lease_terms terms = testing_terms(&f->door, 2);
    terms.keys = &f->door.keys[1];
    terms.key_count = 1;
    cm_lease *lease;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *old = testing_frame(sealer, "old", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, lease, &cursor, old), CM_REFUSAL_GAP);
    assert_false(cm_refusal_is_alarm(CM_REFUSAL_GAP));
    assert_string_equal(f->seen, "");
    cm_frame *unknown = testing_frame(next, "unknown", CM_FRAME_KEYFRAME);
    unknown->instance[0] ^= 1;
    assert_int_equal(open_one(f, lease, &cursor, unknown), CM_REFUSAL_KEY);
    cm_frame_release(old, 0);
    cm_frame_release(unknown, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(sealer);
    cm_sealer_destroy(next);
}

static void a_slot_of_another_camera_refuses(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    const cm_lease_terms terms = testing_terms(&f->door, 1);
    cm_lease *mixed_up;
    assert_int_equal(cm_lease_create(&terms, f->attic.slot, &mixed_up), CM_OK);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    assert_int_equal(open_one(f, mixed_up, &cursor, frame), CM_REFUSAL_STALE);
    cm_frame_release(frame, 0);
    cm_lease_destroy(mixed_up);
    cm_sealer_destroy(sealer);
}

static void a_lease_with_a_foreign_key_is_not_made(void **state)
{
    fixture *f = *state;
    cm_sealer_destroy(testing_sealer(&f->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1));
    cm_lease_terms terms = testing_terms(&f->door, 1);
    cm_lease *lease;
    terms.keys = f->attic.keys;
    terms.key_count = 1;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_REFUSE);
    cm_sealer_destroy(testing_sealer(&f->door, CM_STREAM_SUB, CM_OBJECT_FRAME, 1));
    terms = testing_terms(&f->door, 1);
    terms.streams = 1; /* main only, but the key is of sub */
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_REFUSE);
    terms = testing_terms(&f->door, 1);
    terms.until.us = CM_SECONDS(61);
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_REFUSE);
}

static void a_lease_is_good_within_its_time_only(void **state)
{
    fixture *f = *state;
    cm_lease_terms terms = testing_terms(&f->door, 1);
    cm_lease *lease;
    terms.from = (cm_instant){100};
    terms.until = (cm_instant){200};
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_OK);
    assert_false(cm_lease_is_live(lease, (cm_instant){99}));
    assert_true(cm_lease_is_live(lease, (cm_instant){100}));
    assert_true(cm_lease_is_live(lease, (cm_instant){199}));
    assert_false(cm_lease_is_live(lease, (cm_instant){200}));
    cm_lease_destroy(lease);
}

static void one_pass_serves_those_who_may_and_no_other(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *attic = testing_sealer(&f->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_lease *allowed = testing_lease(&f->door, 1);
    cm_lease *foreign = testing_lease(&f->attic, 1);
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    cm_cursor cursors[3];
    cm_fanout_viewer viewers[3];
    const cm_lease *leases[3] = {allowed, foreign, allowed};
    for (size_t i = 0; i < 3; i++) {
        cursors[i] = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
        viewers[i] = (cm_fanout_viewer){.lease = leases[i], .cursor = &cursors[i], .owner = f};
    }
    f->delivered = 0;
    cm_fanout_open(f->fanout, frame, (cm_instant){1}, viewers, 3, deliver);
    assert_int_equal(f->delivered, 2);
    assert_int_equal(viewers[0].refusal, CM_REFUSAL_NONE);
    assert_int_equal(viewers[1].refusal, CM_REFUSAL_FOREIGN);
    assert_int_equal(viewers[2].refusal, CM_REFUSAL_NONE);
    assert_false(cursors[1].has_begun);
    cm_frame_release(frame, 0);
    cm_lease_destroy(allowed);
    cm_lease_destroy(foreign);
    cm_sealer_destroy(sealer);
    cm_sealer_destroy(attic);
}

static void sizes_beyond_the_bounds_are_full(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    static const uint8_t big[CM_GRANULE_MAX + 1];
    cm_plain_granule granule = {.body = cm_slice_over(big, sizeof big)};
    cm_plain_frame plain = {.granules = &granule, .count = 1};
    cm_frame *frame = NULL;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_FULL);
    granule.body.size = 0;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_FULL);
    plain.count = 0;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_FULL);
    assert_null(frame);
    cm_sealer_destroy(sealer);
}

/* NIST GCM test case 4 with a 16-byte key (McGrew and Viega, appendix B). */
static void both_ciphers_give_the_published_bytes(void **state)
{
    (void)state;
    static const uint8_t key[] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
                                  0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
    static const uint8_t nonce[] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
                                    0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
    static const uint8_t plain[] = {
        0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
        0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
        0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
        0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
    static const uint8_t associated[] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe,
                                         0xef, 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad,
                                         0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
    static const uint8_t tag[] = {0x5b, 0xc9, 0x4f, 0xbc, 0x32, 0x21, 0xa5, 0xdb,
                                  0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47};
    static const uint8_t first[] = {0x42, 0x83, 0x1e, 0xc2};
    static const char *const names[] = {"evp", "ipsec-mb"};
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        cm_aead *aead;
        const cm_status made = cm_aead_create_on(names[i], &aead);
        if (made == CM_ABSENT && i > 0)
            continue;
        assert_int_equal(made, CM_OK);
        uint8_t bytes[sizeof plain + CM_AEAD_TAG_SIZE];
        uint8_t back[sizeof plain];
        memcpy(bytes, plain, sizeof plain);
        assert_int_equal(cm_aead_set_key(aead, key), CM_OK);
        assert_int_equal(cm_aead_seal(aead, nonce, cm_slice_over(associated, sizeof associated),
                                      bytes, sizeof plain),
                         CM_OK);
        assert_memory_equal(bytes, first, sizeof first);
        assert_memory_equal(bytes + sizeof plain, tag, sizeof tag);
        assert_int_equal(cm_aead_open(aead, nonce, cm_slice_over(associated, sizeof associated),
                                      cm_slice_over(bytes, sizeof bytes), back),
                         CM_OK);
        assert_memory_equal(back, plain, sizeof plain);
        bytes[3] ^= 1;
        assert_int_equal(cm_aead_open(aead, nonce, cm_slice_over(associated, sizeof associated),
                                      cm_slice_over(bytes, sizeof bytes), back),
                         CM_FOREIGN);
        static const uint8_t wiped[sizeof plain];
        assert_memory_equal(back, wiped, sizeof back);
        assert_int_equal(cm_aead_open(aead, nonce, cm_slice_over(associated, sizeof associated),
                                      cm_slice_over(bytes, 15), back),
                         CM_FOREIGN);
        cm_aead_destroy(aead);
    }
}

static void no_nonce_is_used_twice_under_a_key(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_frame *a = testing_frame(sealer, "same", CM_FRAME_KEYFRAME);
    cm_sealer_skip_to(sealer, a->number); /* is never gone back to */
    cm_frame *b = testing_frame(sealer, "same", CM_FRAME_KEYFRAME);
    assert_true(b->number > a->number);
    const size_t data = a->size_bytes - sizeof *a;
    assert_memory_not_equal(a->data + 4, b->data + 4, data - 4);
    cm_sealer *again = testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_frame *c = testing_frame(again, "same", CM_FRAME_KEYFRAME);
    assert_int_equal(c->number, a->number);
    assert_memory_not_equal(a->instance, c->instance, sizeof a->instance);
    assert_memory_not_equal(a->data + 4, c->data + 4, data - 4); /* another key */
    cm_frame_release(a, 0);
    cm_frame_release(b, 0);
    cm_frame_release(c, 0);
    cm_sealer_destroy(sealer);
    cm_sealer_destroy(again);
}

/* A viewer's second lease opens one stream of what his first opens, and nothing else. */
static void a_narrow_lease_opens_one_stream(void **state)
{
    fixture *f = *state;
    cm_sealer *sealers[] = {testing_sealer(&f->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1),
                            testing_sealer(&f->door, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1)};
    const cm_stream streams[] = {CM_STREAM_MAIN, CM_STREAM_SOUND};
    cm_lease_terms terms = testing_terms(&f->door, 1);
    cm_lease *wide, *narrow = NULL;
    terms.streams = 5;
    terms.rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &wide), CM_OK);
    assert_int_equal(cm_lease_narrow(wide, CM_STREAM_SUB, &narrow), CM_REFUSE);
    assert_null(narrow);
    assert_int_equal(cm_lease_narrow(wide, CM_STREAM_SOUND, &narrow), CM_OK);
    assert_true(cm_lease_allows(narrow, CM_STREAM_SOUND, CM_RIGHT_LISTEN));
    assert_false(cm_lease_allows(narrow, CM_STREAM_MAIN, 0));
    assert_int_equal(cm_lease_until(narrow).us, cm_lease_until(wide).us);
    for (size_t i = 0; i < 2; i++) {
        cm_frame *frame = testing_frame(sealers[i], "both", CM_FRAME_KEYFRAME);
        cm_cursor first = cm_cursor_begin(streams[i], CM_OBJECT_FRAME);
        cm_cursor second = cm_cursor_begin(streams[i], CM_OBJECT_FRAME);
        assert_int_equal(open_one(f, wide, &first, frame), CM_REFUSAL_NONE);
        assert_int_equal(open_one(f, narrow, &second, frame),
                         streams[i] == CM_STREAM_SOUND ? CM_REFUSAL_NONE : CM_REFUSAL_RIGHT);
        cm_frame_release(frame, 0);
        cm_sealer_destroy(sealers[i]);
    }
    cm_lease_destroy(narrow);
    cm_lease_destroy(wide);
}

/* Not only barred by its streams: what it does not open it has no key for. */
static void a_narrow_lease_has_the_keys_of_one_stream(void **state)
{
    fixture *f = *state;
    static const cm_stream STREAMS[] = {CM_STREAM_MAIN, CM_STREAM_SOUND, CM_STREAM_SUB,
                                        CM_STREAM_SOUND, CM_STREAM_MAIN};
    for (size_t i = 0; i < CM_COUNT(STREAMS); i++)
        cm_sealer_destroy(testing_sealer(&f->door, STREAMS[i], CM_OBJECT_FRAME, 1 + i / 2));
    cm_lease_terms terms = testing_terms(&f->door, 3);
    cm_lease *wide, *narrow;
    terms.streams = 7;
    terms.rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &wide), CM_OK);
    assert_int_equal(cm_lease_narrow(wide, CM_STREAM_SOUND, &narrow), CM_OK);
    assert_int_equal(narrow->terms.key_count, 2);
    assert_null(narrow->terms.keys); /* nor is there another way to them */
    assert_memory_equal(&narrow->keys[0], &f->door.keys[1], sizeof narrow->keys[0]);
    assert_memory_equal(&narrow->keys[1], &f->door.keys[3], sizeof narrow->keys[1]);
    cm_lease_destroy(narrow);
    assert_int_equal(cm_lease_narrow(wide, CM_STREAM_SUB, &narrow), CM_OK);
    assert_int_equal(narrow->terms.key_count, 1);
    assert_memory_equal(&narrow->keys[0], &f->door.keys[2], sizeof narrow->keys[0]);
    cm_lease_destroy(narrow);
    cm_lease_destroy(wide);
}

/* Each stream asks for the right of its own, where a lease is made and where it is used. */
static void a_stream_opens_by_its_own_right(void **state)
{
    fixture *f = *state;
    cm_sealer *sealer = testing_sealer(&f->door, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    cm_lease_terms terms = testing_terms(&f->door, 1);
    cm_lease *lease = NULL;
    terms.streams = 1u << CM_STREAM_SOUND;
    terms.rights = CM_RIGHT_VIEW | CM_RIGHT_TALK;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_REFUSE);
    terms.rights = CM_RIGHT_LISTEN;
    terms.streams |= 1u << CM_STREAM_MAIN;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_REFUSE);
    assert_null(lease);
    terms.streams = 1u << CM_STREAM_SOUND;
    assert_int_equal(cm_lease_create(&terms, f->door.slot, &lease), CM_OK);
    cm_frame *frame = testing_frame(sealer, "heard", CM_FRAME_KEYFRAME);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
    assert_int_equal(open_one(f, lease, &cursor, frame), CM_REFUSAL_NONE);
    cm_frame_release(frame, 0);
    cm_sealer_destroy(sealer);
    cm_lease_destroy(lease);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)
    const struct CMUnitTest cases[] = {
        CASE(a_narrow_lease_opens_one_stream),
        CASE(a_narrow_lease_has_the_keys_of_one_stream),
        CASE(a_stream_opens_by_its_own_right),
        CASE(the_room_of_a_pass_is_shared_and_wiped_with_it),
        CASE(a_frame_opens_for_its_lease_and_reads_as_it_was),
        CASE(what_is_stored_does_not_hold_the_picture),
        CASE(a_foreign_frame_is_refused_whatever_it_says_of_itself),
        CASE(a_frame_older_than_all_keys_is_a_gap),
        CASE(the_other_stream_of_the_same_camera_is_refused),
        CASE(every_changed_byte_and_field_is_refused),
        CASE(an_old_frame_cannot_be_replayed_as_a_new_one),
        CASE(a_cursor_goes_back_to_its_newest_keyframe_only),
        CASE(an_instance_that_was_left_is_not_gone_back_to),
        CASE(a_head_that_lies_about_its_granules_is_refused),
        CASE(a_blocked_viewer_gets_the_same_frame_again),
        CASE(a_published_epoch_ends_old_leases_and_sealers_at_once),
        CASE(a_gap_at_a_turn_is_a_gap),
        CASE(a_frame_from_before_the_oldest_key_is_a_gap_and_no_alarm),
        CASE(a_slot_of_another_camera_refuses),
        CASE(a_lease_with_a_foreign_key_is_not_made),
        CASE(a_lease_is_good_within_its_time_only),
        CASE(one_pass_serves_those_who_may_and_no_other),
        CASE(sizes_beyond_the_bounds_are_full),
        CASE(both_ciphers_give_the_published_bytes),
        CASE(no_nonce_is_used_twice_under_a_key),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
