/* media/source, of streams that a helper makes: what comes back is published only if it is what was
 * asked for, of this camera and stream, once and in its turn. */
#include "hub_rig.h"

typedef struct made {
    cm_source *source; /* of door's sound made over to Opus */
    cm_sealer *sealer; /* its, borrowed: a helper's frames are under this key */
} made;

static void open_made(rig *r, made *m)
{
    const cm_source_config config = {.hub = r->hubs[0],
                                     .loop = r->loops[0],
                                     .camera = r->door.camera,
                                     .stream = CM_STREAM_SOUND_OPUS,
                                     .on_want_sealers = rig_on_want,
                                     .owner = r};
    assert_int_equal(cm_source_create(&config, &m->source), CM_OK);
    cm_sealer *sealer = testing_sealer(&r->door, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_source_take_sealers(m->source, sealer, NULL), CM_OK);
    m->sealer = cm_source_frame_sealer(m->source);
    assert_non_null(m->sealer);
}

static void assert_published(const made *m, uint64_t frames)
{
    cm_source_counters counters;
    cm_source_read_counters(m->source, &counters);
    assert_int_equal(counters.frames, frames);
}

static cm_frame *next(cm_sealer *sealer)
{
    return testing_frame(sealer, "a word", CM_FRAME_KEYFRAME);
}

static void what_was_made_comes_once_and_in_its_turn(void **state)
{
    rig *r = *state;
    made m;
    open_made(r, &m);
    cm_frame *first = next(m.sealer), *second = next(m.sealer), *third = next(m.sealer);
    cm_frame_hold(second, 0);
    assert_int_equal(cm_source_put_made(m.source, second), CM_OK);
    assert_ptr_equal(cm_source_keyframe(m.source), second);
    assert_int_equal(cm_source_put_made(m.source, second), CM_FOREIGN);
    assert_int_equal(cm_source_put_made(m.source, first), CM_FOREIGN);
    assert_published(&m, 1);
    assert_int_equal(cm_source_put_made(m.source, third), CM_OK);
    assert_published(&m, 2);
    cm_source_destroy(m.source);
}

static void what_was_not_asked_for_is_not_published(void **state)
{
    rig *r = *state;
    made m;
    open_made(r, &m);
    cm_sealer *const others[] = {
        testing_sealer(&r->attic, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1),
        testing_sealer(&r->door, CM_STREAM_SOUND_FLAC, CM_OBJECT_FRAME, 1),
        testing_sealer(&r->door, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1),
        testing_sealer(&r->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1),
    };
    for (size_t i = 0; i < CM_COUNT(others); i++) {
        assert_int_equal(cm_source_put_made(m.source, next(others[i])), CM_FOREIGN);
        cm_sealer_destroy(others[i]);
    }
    cm_frame *unasked = next(m.sealer);
    unasked->number += 1; /* nobody was given that one */
    assert_int_equal(cm_source_put_made(m.source, unasked), CM_FOREIGN);
    assert_int_equal(cm_source_put_made(m.source, testing_frame(m.sealer, "a word", 0)),
                     CM_FOREIGN);
    assert_published(&m, 0);
    assert_null(cm_source_keyframe(m.source));
    cm_source_destroy(m.source);
}

static void what_was_made_under_keys_that_are_over_comes_too_late(void **state)
{
    rig *r = *state;
    made m;
    open_made(r, &m);
    cm_sealer *former = testing_sealer(&r->door, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_source_put_made(m.source, next(former)), CM_RETRY);
    cm_sealer_destroy(former);
    cm_frame *late = next(m.sealer);
    cm_epoch_publish(r->page, r->door.slot, 2);
    assert_int_equal(cm_source_put_made(m.source, late), CM_RETRY);
    assert_published(&m, 0);
    cm_source_destroy(m.source);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, rig_setup_one_loop, rig_teardown)
    const struct CMUnitTest cases[] = {
        ONE(what_was_made_comes_once_and_in_its_turn),
        ONE(what_was_not_asked_for_is_not_published),
        ONE(what_was_made_under_keys_that_are_over_comes_too_late),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
