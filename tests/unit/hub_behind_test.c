/* media/hub and ring in virtual time: viewers who fall behind while keyframes come, what is kept
 * for them, and for how long. */
#include "hub_rig.h"
#include "media/hub_priv.h"

/* A viewer of the group that begins with the next picture, who has had its keyframe and is blocked
 * in the picture after it. */
static void watch_and_block(rig *r, viewer *v, unsigned loop)
{
    rig_watch(r, v, loop, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 0);
    rig_run(r, CM_MS(1));
    v->is_blocking = true;
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(v->offered, v->count + 1);
}

/* Goes on, until it has had `count` pictures and is blocked in the next. */
static void resume_up_to(viewer *v, size_t count)
{
    v->is_blocking = false;
    v->blocks_at = count;
    cm_subscription_resume(v->sub);
}

static void resume(viewer *v)
{
    resume_up_to(v, 0);
}

static size_t kept(const rig *r, unsigned loop)
{
    return rig_counters(r, loop).ring_bytes;
}

static void assert_saw(const viewer *v, const unsigned *expected, size_t count)
{
    assert_int_equal(v->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(v->serials[i], expected[i]);
}

/* ---- nothing is lost ---- */

static void one_blocked_across_a_keyframe_loses_nothing(void **state)
{
    rig *r = *state;
    viewer v;
    watch_and_block(r, &v, 0); /* 0, blocked in 1 */
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 2); /* 4 to 6 */
    resume(&v);
    assert_seen(&v, 0, 7);
    rig_put(r, 0);
    assert_seen(&v, 0, 8);
    assert_int_equal(rig_counters(r, 0).frames_skipped, 0);
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

static void one_blocked_again_and_again_keeps_his_place(void **state)
{
    rig *r = *state;
    viewer v;
    watch_and_block(r, &v, 0);
    for (unsigned i = 0; i < 3; i++)
        rig_put(r, 0); /* 2 to 4 */
    rig_put_group(r, 1);
    for (size_t count = 2; count <= 6; count++) {
        resume_up_to(&v, count);
        assert_seen(&v, 0, count);
    }
    resume(&v);
    assert_seen(&v, 0, 7);
    assert_int_equal(rig_counters(r, 0).frames_skipped, 0);
    rig_leave(&v);
}

/* He has had nothing yet, but a part of his first picture is out. */
static void one_blocked_in_his_first_picture_loses_nothing(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 0);
    rig_watch(r, &v, 0, 1);
    v.is_blocking = true;
    rig_run(r, CM_MS(1));
    assert_int_equal(v.offered, 1);
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 1); /* 3 and 4 */
    resume(&v);
    assert_seen(&v, 0, 5);
    rig_leave(&v);
}

/* The message with the lease is lost; the one that is asked for comes 100 ms later. The keys turned
 * in the middle of the group. */
static void one_whose_lease_comes_late_loses_nothing(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 2);
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0); /* 3: under the next key */
    rig_put(r, 0);
    rig_run(r, CM_MS(60));
    assert_int_equal(v.stale, 1);
    rig_put_group(r, 1); /* 5 and 6 */
    rig_run(r, CM_MS(40));
    assert_seen(&v, 0, 3);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 2));
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 7);
    assert_int_equal(r->alarms, 0);
    assert_int_equal(rig_counters(r, 0).frames_skipped, 0);
    rig_leave(&v);
}

static void one_on_another_loop_loses_nothing_either(void **state)
{
    rig *r = *state;
    viewer v;
    watch_and_block(r, &v, 1);
    rig_put(r, 0);
    rig_put_group(r, 2); /* 3 to 5 */
    rig_run(r, CM_MS(1));
    assert_true(kept(r, 1) > kept(r, 0)); /* where he is, and nowhere else */
    resume(&v);
    assert_seen(&v, 0, 6);
    assert_int_equal(kept(r, 1), kept(r, 0));
    rig_leave(&v);
}

/* ---- how long ---- */

static void one_a_whole_group_late_goes_on_at_the_newest_keyframe(void **state)
{
    static const unsigned EXPECTED[] = {0, 1, 8, 9};
    rig *r = *state;
    viewer v;
    watch_and_block(r, &v, 0);
    rig_put(r, 0);       /* 2 */
    rig_put_group(r, 4); /* 3 to 7 */
    rig_put_group(r, 1); /* 8 and 9 */
    resume(&v);
    assert_saw(&v, EXPECTED, CM_COUNT(EXPECTED));
    assert_int_equal(rig_counters(r, 0).frames_skipped, 6);
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

/* Not even when the group before is there, for somebody else. */
static void one_a_whole_group_late_does_not_begin_in_the_previous_one(void **state)
{
    static const unsigned EXPECTED[] = {0, 1, 6, 7};
    rig *r = *state;
    viewer late;
    viewer less_late;
    watch_and_block(r, &late, 0);
    rig_put(r, 0); /* 2 */
    rig_watch(r, &less_late, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 0); /* 3 */
    less_late.is_blocking = true;
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 1); /* 6 and 7 */
    resume(&late);
    assert_saw(&late, EXPECTED, CM_COUNT(EXPECTED));
    resume(&less_late);
    assert_seen(&less_late, 0, 8);
    assert_int_equal(rig_counters(r, 0).frames_skipped, 4);
    rig_leave(&late);
    rig_leave(&less_late);
}

static void what_nobody_needs_is_not_kept(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 3);
    const size_t group = kept(r, 0);
    rig_put_group(r, 3);
    assert_int_equal(kept(r, 0), group);
    v.is_blocking = true;
    rig_put(r, 0);
    v.is_blocking = false;
    rig_put_group(r, 3); /* in the last picture of its group: only he has that */
    assert_int_equal(kept(r, 0), group);
    cm_subscription_resume(v.sub);
    assert_seen(&v, 0, r->serial);
    rig_leave(&v);
    rig_put_group(r, 3);
    assert_int_equal(kept(r, 0), group);
}

static void it_goes_when_the_last_one_in_it_catches_up(void **state)
{
    rig *r = *state;
    viewer v[2];
    watch_and_block(r, &v[0], 0);
    watch_and_block(r, &v[1], 0); /* 2 and 3: a group of its own */
    rig_put(r, 0);
    resume(&v[0]);
    v[0].is_blocking = true;
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 0);
    const size_t both = kept(r, 0);
    resume(&v[0]);
    assert_int_equal(kept(r, 0), both);
    resume(&v[1]);
    assert_in_range(kept(r, 0), 1, both / 4);
    assert_seen(&v[0], 0, 8);
    rig_leave(&v[0]);
    rig_leave(&v[1]);
}

static void it_goes_when_the_last_one_in_it_leaves(void **state)
{
    rig *r = *state;
    viewer v;
    watch_and_block(r, &v, 0);
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 0);
    const size_t both = kept(r, 0);
    rig_leave(&v);
    assert_in_range(kept(r, 0), 1, both / 4);
}

static void leave_both(viewer *v)
{
    rig_leave(v->other);
    rig_leave(v);
}

/* The frame that is open is one of those that go. */
static void all_in_it_may_leave_inside_on_frame(void **state)
{
    rig *r = *state;
    viewer v[2];
    watch_and_block(r, &v[0], 0);
    rig_watch(r, &v[1], 0, 1);
    v[1].is_blocking = true;
    rig_run(r, CM_MS(1));
    rig_put(r, 0);
    rig_put(r, 0);
    rig_put_group(r, 0);
    resume_up_to(&v[0], 2);
    assert_seen(&v[0], 0, 2);
    v[0].other = &v[1];
    v[0].in_frame = leave_both;
    resume(&v[0]);
    assert_int_equal(rig_counters(r, 0).subscriptions, 0);
    assert_int_equal(cm_source_keyframe(r->source)->size_bytes, kept(r, 0));
}

/* One whose lease never comes holds it up to the next keyframe, and not beyond. */
static void nobody_holds_more_than_one_group(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 2);
    const size_t group = kept(r, 0);
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0);
    rig_put_group(r, 2);
    assert_true(kept(r, 0) > group);
    for (int i = 0; i < 5; i++) {
        rig_put_group(r, 2);
        assert_int_equal(kept(r, 0), group);
    }
    rig_leave(&v);
}

static void it_goes_when_there_is_no_room_for_both(void **state)
{
    enum { BOUND = 8192 };
    static const unsigned PUT = 60;
    (void)state;
    rig r;
    viewer v;
    rig_open(&r, 1, BOUND);
    rig_start(&r);
    watch_and_block(&r, &v, 0);
    const size_t size = kept(&r, 0) / 2;
    const unsigned fit = (unsigned)(BOUND / size);
    for (unsigned i = 2; i < fit - 2; i++)
        rig_put(&r, 0);
    const unsigned keyframe = r.serial;
    rig_put_group(&r, 1);
    assert_int_equal(kept(&r, 0), fit * size); /* full to the brim */
    rig_put(&r, 0);
    assert_int_equal(kept(&r, 0), 3 * size); /* the previous group had to go, no other */
    assert_true(r.serial < PUT);
    resume(&v);
    const unsigned expected[] = {0, 1, keyframe, keyframe + 1, keyframe + 2};
    assert_saw(&v, expected, CM_COUNT(expected));
    assert_int_equal(rig_counters(&r, 0).frames_skipped, keyframe - 2);
    assert_int_equal(rig_counters(&r, 0).frames_dropped, 0);
    assert_int_equal(r.alarms, 0);
    rig_leave(&v);
    rig_close(&r);
}

static void stop_while_one_is_in_it(rig *r, unsigned loop)
{
    static const unsigned EXPECTED[] = {0, 1, 4, 5};
    viewer v;
    watch_and_block(r, &v, loop);
    rig_put(r, 0); /* 2 */
    cm_source_stop(r->source);
    assert_int_equal(rig_try_put(r, 0), CM_RETRY); /* 3 */
    rig_put_group(r, 1); /* 4 and 5: are there before the other loop hears that it stopped */
    rig_run(r, CM_MS(1));
    assert_int_equal(kept(r, loop), kept(r, 0));
    resume(&v);
    assert_saw(&v, EXPECTED, CM_COUNT(EXPECTED));
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

static void it_goes_with_a_source_that_stops(void **state)
{
    stop_while_one_is_in_it(*state, 0);
}

static void it_goes_with_a_source_that_stops_elsewhere(void **state)
{
    stop_while_one_is_in_it(*state, 1);
}

/* ---- who comes meanwhile ---- */

static void a_joiner_begins_at_the_newest_keyframe(void **state)
{
    rig *r = *state;
    viewer slow;
    viewer late;
    viewer elsewhere;
    watch_and_block(r, &slow, 0);
    rig_put(r, 0);
    rig_put_group(r, 1); /* 3 and 4 */
    rig_watch(r, &late, 0, 1);
    rig_watch(r, &elsewhere, 1, 1);
    rig_run(r, CM_MS(1));
    assert_seen(&late, 3, 2);
    assert_seen(&elsewhere, 3, 2);
    assert_int_equal(rig_counters(r, 0).frames_crossed, 2); /* what he needs, and no more */
    assert_int_equal(cm_source_keyframe(r->source)->media_time, 90 * 3); /* stills likewise */
    resume(&slow);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_seen(&slow, 0, 6);
    assert_seen(&late, 3, 3);
    assert_seen(&elsewhere, 3, 3);
    rig_leave(&slow);
    rig_leave(&late);
    rig_leave(&elsewhere);
}

/* He asked while the group before was the newest, and was not served yet. */
static void a_joiner_whom_a_keyframe_overtakes_begins_with_that(void **state)
{
    rig *r = *state;
    viewer slow;
    viewer joiner;
    watch_and_block(r, &slow, 0);
    rig_put(r, 0);
    rig_watch(r, &joiner, 0, 1);
    rig_put_group(r, 1); /* 3 and 4, in the same turn */
    rig_run(r, CM_MS(1));
    assert_seen(&joiner, 3, 2);
    assert_int_equal(rig_counters(r, 0).frames_skipped, 0); /* he had not begun */
    resume(&slow);
    assert_seen(&slow, 0, 5);
    rig_leave(&slow);
    rig_leave(&joiner);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one case by name */
#define ONE(name) cmocka_unit_test_setup_teardown(name, rig_setup_one_loop, rig_teardown)
#define TWO(name) cmocka_unit_test_setup_teardown(name, rig_setup_two_loops, rig_teardown)
    const struct CMUnitTest cases[] = {
        ONE(one_blocked_across_a_keyframe_loses_nothing),
        ONE(one_blocked_again_and_again_keeps_his_place),
        ONE(one_blocked_in_his_first_picture_loses_nothing),
        ONE(one_whose_lease_comes_late_loses_nothing),
        TWO(one_on_another_loop_loses_nothing_either),
        ONE(one_a_whole_group_late_goes_on_at_the_newest_keyframe),
        ONE(one_a_whole_group_late_does_not_begin_in_the_previous_one),
        ONE(what_nobody_needs_is_not_kept),
        ONE(it_goes_when_the_last_one_in_it_catches_up),
        ONE(it_goes_when_the_last_one_in_it_leaves),
        ONE(all_in_it_may_leave_inside_on_frame),
        ONE(nobody_holds_more_than_one_group),
        cmocka_unit_test(it_goes_when_there_is_no_room_for_both),
        ONE(it_goes_with_a_source_that_stops),
        TWO(it_goes_with_a_source_that_stops_elsewhere),
        TWO(a_joiner_begins_at_the_newest_keyframe),
        ONE(a_joiner_whom_a_keyframe_overtakes_begins_with_that),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
