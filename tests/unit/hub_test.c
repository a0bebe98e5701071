/* media/hub, source and subscription in virtual time: who gets which frame, in what order, and what
 * happens when keys turn, viewers block, leave or come back. Those who fall behind:
 * hub_behind_test.c. */
#include "hub_rig.h"
#include "media/hub_priv.h"

/* ---- order ---- */

static void a_joiner_gets_the_cached_group_from_its_keyframe(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 5);
    rig_put_group(r, 3);
    rig_watch(r, &v, 0, 1);
    assert_int_equal(v.count, 0); /* never inside the call */
    rig_run(r, CM_MS(1));
    assert_seen(&v, 6, 4);
    rig_put(r, 0);
    assert_seen(&v, 6, 5);
    rig_leave(&v);
}

static void a_joiner_waits_for_the_first_keyframe(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(v.count, 0);
    rig_put(r, 0); /* cannot be decoded: nobody gets it */
    rig_put_group(r, 2);
    assert_seen(&v, 1, 3);
    assert_int_equal(rig_counters(r, 0).frames_dropped, 1);
    rig_leave(&v);
}

static void the_live_edge_is_opened_once_for_all_its_viewers(void **state)
{
    enum { VIEWERS = 20 };
    rig *r = *state;
    viewer *v = calloc(VIEWERS, sizeof *v);
    rig_put_group(r, 0);
    for (size_t i = 0; i < VIEWERS; i++)
        rig_watch(r, &v[i], 0, 1);
    rig_run(r, CM_MS(1));
    for (int i = 0; i < 10; i++)
        rig_put(r, 0);
    for (size_t i = 0; i < VIEWERS; i++) {
        assert_seen(&v[i], 0, 11);
        for (size_t frame = 1; frame < 11; frame++)
            assert_int_equal(v[i].passes[frame], v[0].passes[frame]);
        rig_leave(&v[i]);
    }
    assert_int_equal(v[0].passes[10] - v[0].passes[1], 9); /* and no more openings between them */
    assert_int_equal(rig_counters(r, 0).frames_delivered, VIEWERS * 11);
    free(v);
}

static void leave_both(viewer *v)
{
    rig_leave(v->other);
    rig_leave(v);
}

static void more_viewers_than_a_pass_takes_are_all_served(void **state)
{
    enum { VIEWERS = 2 * PASS_VIEWERS_MAX + 40 };
    rig *r = *state;
    viewer *v = calloc(VIEWERS, sizeof *v);
    rig_put_group(r, 0);
    for (size_t i = 0; i < VIEWERS; i++)
        rig_watch(r, &v[i], 0, 1);
    rig_run(r, CM_MS(1));
    /* The last of the first pass takes with it who would be the first of the second. */
    v[PASS_VIEWERS_MAX - 1].other = &v[PASS_VIEWERS_MAX];
    v[PASS_VIEWERS_MAX - 1].in_frame = leave_both;
    rig_put(r, 0);
    for (size_t i = 0; i < VIEWERS; i++) {
        if (v[i].sub != NULL)
            assert_seen(&v[i], 0, 2);
        rig_leave(&v[i]);
    }
    assert_int_equal(v[PASS_VIEWERS_MAX].count, 1);
    free(v);
}

static void a_blocked_viewer_gets_the_same_frame_again_and_goes_on_in_order(void **state)
{
    rig *r = *state;
    viewer slow;
    viewer quick;
    rig_put_group(r, 0);
    rig_watch(r, &slow, 0, 1);
    rig_watch(r, &quick, 0, 1);
    rig_run(r, CM_MS(1));
    slow.is_blocking = true;
    for (int i = 0; i < 4; i++)
        rig_put(r, 0);
    assert_seen(&slow, 0, 1);
    assert_int_equal(slow.offered, 2); /* offered one, then left alone */
    assert_seen(&quick, 0, 5);
    cm_subscription_resume(slow.sub);
    assert_int_equal(slow.offered, 3);
    slow.is_blocking = false;
    cm_subscription_resume(slow.sub);
    assert_seen(&slow, 0, 5);
    rig_put(r, 0);
    assert_seen(&slow, 0, 6);
    rig_leave(&slow);
    rig_leave(&quick);
}

static void a_blocked_viewer_finishes_a_frame_that_left_the_ring(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 0);
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    v.is_blocking = true;
    rig_put(r, 0);
    rig_put_group(r, 1); /* 2 and 3: the ring begins anew, only the viewer holds 1 */
    v.is_blocking = false;
    cm_subscription_resume(v.sub);
    assert_seen(&v, 0, 4);
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

static void a_group_beyond_the_bound_is_dropped_whole(void **state)
{
    (void)state;
    rig r;
    viewer early;
    viewer late;
    rig_open(&r, 1, 4096);
    rig_start(&r);
    rig_watch(&r, &early, 0, 1);
    rig_run(&r, CM_MS(1));
    for (unsigned i = 0; i < 40; i++)
        rig_put(&r, i == 0 ? CM_FRAME_KEYFRAME : 0);
    const size_t fits = early.count;
    assert_in_range(fits, 2, 39);
    assert_seen(&early, 0, fits);
    assert_int_equal(rig_counters(&r, 0).frames_dropped, 40 - fits);
    assert_int_equal(rig_counters(&r, 0).ring_bytes, 0);
    rig_watch(&r, &late, 0, 1);
    rig_run(&r, CM_MS(1));
    assert_int_equal(late.count, 0); /* never half a group */
    rig_put_group(&r, 1);
    assert_seen(&late, 40, 2);
    assert_int_equal(early.count, fits + 2);
    assert_int_equal(early.serials[fits], 40);
    assert_int_equal(r.alarms, 0);
    rig_leave(&early);
    rig_leave(&late);
    rig_close(&r);
}

static void what_a_stopped_source_left_is_forgotten(void **state)
{
    rig *r = *state;
    viewer before;
    viewer after;
    rig_watch(r, &before, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 3);
    assert_non_null(cm_source_keyframe(r->source));
    cm_source_stop(r->source);
    assert_null(cm_source_keyframe(r->source));
    assert_int_equal(rig_counters(r, 0).ring_bytes, 0);
    rig_watch(r, &after, 0, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(after.count, 0);
    assert_int_equal(rig_try_put(r, 0), CM_RETRY); /* 4: what it leans on is gone */
    rig_put_group(r, 1);                           /* 5 and 6 */
    assert_seen(&after, 5, 2);
    assert_int_equal(before.serials[4], 5);
    const cm_frame *keyframe = cm_source_keyframe(r->source);
    assert_int_equal(keyframe->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
    rig_leave(&before);
    rig_leave(&after);
}

static void a_stream_has_one_publisher(void **state)
{
    rig *r = *state;
    cm_publisher *second = NULL;
    assert_int_equal(cm_hub_publish(r->hubs[0], &r->door.camera, CM_STREAM_MAIN, &second),
                     CM_REFUSE);
    assert_null(second);
    assert_int_equal(cm_hub_publish(r->hubs[0], &r->door.camera, CM_STREAM_SUB, &second), CM_OK);
    cm_publisher_close(second);
    cm_publisher_close(NULL);
}

/* ---- leaving inside callbacks ---- */

static void viewers_may_leave_inside_on_frame(void **state)
{
    enum { VIEWERS = 6 };
    rig *r = *state;
    viewer v[VIEWERS];
    rig_put_group(r, 0);
    for (size_t i = 0; i < VIEWERS; i++)
        rig_watch(r, &v[i], 0, 1);
    rig_run(r, CM_MS(1));
    v[0].in_frame = rig_leave; /* itself */
    v[2].other = &v[3];        /* itself and the next */
    v[2].in_frame = leave_both;
    v[5].other = &v[1]; /* itself and one that was served */
    v[5].in_frame = leave_both;
    rig_put(r, 0);
    assert_int_equal(v[3].offered, 1); /* closed before its turn: nothing more */
    assert_int_equal(v[1].offered, 2);
    assert_seen(&v[4], 0, 2);
    assert_int_equal(rig_counters(r, 0).subscriptions, 1);
    rig_put(r, 0);
    assert_seen(&v[4], 0, 3);
    rig_leave(&v[4]);
}

static void the_last_two_viewers_may_leave_together(void **state)
{
    rig *r = *state;
    viewer v[2];
    rig_put_group(r, 0);
    for (size_t i = 0; i < 2; i++)
        rig_watch(r, &v[i], 1, 1); /* where nothing else keeps the channel */
    rig_run(r, CM_MS(1));
    v[0].other = &v[1];
    v[0].in_frame = leave_both;
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(rig_counters(r, 1).subscriptions, 0);
    assert_int_equal(rig_counters(r, 1).ring_bytes, 0);
}

static void close_publisher_and_leave(viewer *v)
{
    cm_publisher_close(v->publisher);
    rig_leave(v);
}

static void a_publisher_may_close_inside_on_frame(void **state)
{
    rig *r = *state;
    viewer v;
    cm_publisher *publisher;
    r->door.key_count = 0;
    cm_sealer *sealer = testing_sealer(&r->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    cm_source_destroy(r->source);
    r->source = NULL;
    assert_int_equal(cm_hub_publish(r->hubs[0], &r->door.camera, CM_STREAM_MAIN, &publisher),
                     CM_OK);
    v.publisher = publisher;
    v.in_frame = close_publisher_and_leave;
    char text[64];
    cm_plain_granule granules[2];
    const cm_plain_frame plain = rig_plain("verdi", 1, CM_FRAME_KEYFRAME, text, granules);
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_OK);
    cm_publisher_put(publisher, frame);
    assert_null(cm_hub_find(r->hubs[0], &r->door.camera, CM_STREAM_MAIN));
    cm_sealer_destroy(sealer);
}

static void viewers_may_leave_inside_on_stale(void **state)
{
    enum { VIEWERS = 5 };
    rig *r = *state;
    viewer v[VIEWERS];
    rig_put_group(r, 0);
    for (size_t i = 0; i < VIEWERS; i++)
        rig_watch(r, &v[i], 0, 1);
    rig_run(r, CM_MS(1));
    v[0].other = &v[1];
    v[0].in_stale = leave_both;
    v[3].in_stale = rig_leave;
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_run(r, CM_MS(50));
    assert_int_equal(v[0].stale, 1);
    assert_int_equal(v[1].stale, 0); /* was closed before it could hear of it */
    assert_int_equal(v[2].stale, 1);
    assert_int_equal(v[4].stale, 1);
    assert_int_equal(rig_counters(r, 0).subscriptions, 2);
    rig_leave(&v[2]);
    rig_leave(&v[4]);
}

static void the_only_viewer_may_leave_when_a_frame_finds_its_lease_over(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 0);
    rig_watch(r, &v, 1, 1);
    rig_run(r, CM_MS(1));
    v.in_stale = rig_leave;
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0); /* crosses, and finds the lease over before the timer does */
    rig_run(r, 0);
    assert_int_equal(v.stale, 1);
    assert_seen(&v, 0, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(rig_counters(r, 1).subscriptions, 0);
}

/* ---- leases ---- */

static void stale_is_said_once_per_lease(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 0);
    cm_epoch_publish(r->page, r->door.slot, 2);
    for (int i = 0; i < 5; i++)
        rig_put(r, 0);
    rig_run(r, CM_SECONDS(3));
    assert_int_equal(v.stale, 1);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 1)); /* over before it came */
    rig_run(r, CM_SECONDS(3));
    assert_int_equal(v.stale, 2);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 2));
    rig_run(r, CM_MS(1));
    assert_int_equal(v.stale, 2);
    assert_seen(&v, 0, 6);
    rig_leave(&v);
}

static void a_published_epoch_cuts_without_any_message(void **state)
{
    rig *r = *state;
    viewer cut;
    viewer kept;
    rig_watch(r, &cut, 0, 1);
    rig_watch(r, &kept, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 9);
    cm_epoch_publish(r->page, r->door.slot, 2);
    for (int i = 0; i < 5; i++)
        rig_put(r, 0); /* the source turns by itself: these are under the next key */
    assert_seen(&cut, 0, 10);
    assert_seen(&kept, 0, 10);
    assert_int_equal(kept.stale, 1);
    cm_subscription_renew(kept.sub, rig_lease(r, &r->door, 2));
    rig_run(r, CM_MS(1));
    rig_put(r, 0);
    assert_seen(&cut, 0, 10);
    assert_seen(&kept, 0, 16); /* not one is missing over the turn */
    assert_int_equal(r->alarms, 0);
    rig_leave(&cut);
    rig_leave(&kept);
}

static void a_cut_is_noticed_when_no_frame_comes(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_put_group(r, 0);
    rig_run(r, CM_SECONDS(1));
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_run(r, CM_MS(LEASE_TICK_MS));
    assert_int_equal(v.stale, 1);
    rig_leave(&v);
}

static void a_lease_ends_by_time_alone(void **state)
{
    rig *r = *state;
    viewer quiet;
    rig_watch(r, &quiet, 0, 1);
    rig_put_group(r, 0);
    rig_run(r, CM_SECONDS(59));
    assert_int_equal(quiet.stale, 0);
    rig_run(r, CM_SECONDS(2));
    assert_int_equal(quiet.stale, 1);
    rig_put(r, 0);
    assert_seen(&quiet, 0, 1);
    cm_subscription_renew(quiet.sub, rig_lease(r, &r->door, 1));
    rig_run(r, CM_MS(1));
    assert_seen(&quiet, 0, 2);
    rig_leave(&quiet);
}

static void a_frame_at_the_very_end_of_a_lease_is_not_delivered(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_put_group(r, 0);
    rig_run(r, CM_SECONDS(60));
    rig_put(r, 0);
    assert_seen(&v, 0, 1);
    assert_int_equal(v.stale, 1);
    rig_leave(&v);
}

static void renew_now(viewer *v)
{
    cm_subscription_renew(v->sub, rig_lease(v->rig, &v->rig->door, 2));
}

static void a_lease_may_come_inside_on_stale_and_on_frame(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 0);
    v.in_stale = renew_now;
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 2);
    v.in_frame = renew_now;
    rig_put(r, 0);
    rig_put(r, 0);
    assert_seen(&v, 0, 4);
    rig_leave(&v);
}

static void renew_and_leave(viewer *v)
{
    renew_now(v);
    rig_leave(v);
}

static void one_may_leave_with_a_lease_just_come(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    v.in_frame = renew_and_leave;
    rig_put_group(r, 1);
    assert_int_equal(rig_counters(r, 0).subscriptions, 0);
}

static void a_blocked_frame_that_may_not_be_continued_breaks_the_response(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    v.is_blocking = true;
    rig_put_group(r, 0);
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_run(r, CM_MS(50));
    assert_int_equal(v.stale, 1);
    /* A lease without the old epoch's keys: this viewer may see from now on only. */
    cm_lease_terms terms = testing_terms(&r->door, 2);
    terms.from = rig_now(r);
    terms.until = cm_instant_after(rig_now(r), CM_SECONDS(60));
    terms.keys = r->door.keys + 2;
    terms.key_count = 2;
    cm_lease *lease;
    assert_int_equal(cm_lease_create(&terms, r->door.slot, &lease), CM_OK);
    v.is_blocking = false;
    cm_subscription_renew(v.sub, lease);
    rig_run(r, CM_MS(1));
    assert_int_equal(v.broken, 1);
    assert_int_equal(v.count, 0);
    rig_leave(&v);
}

/* ---- sources ---- */

static void a_source_without_sealers_fails_closed_and_asks(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1, 0);
    const cm_instant begin = rig_now(&r);
    for (int i = 0; i < 100; i++) { /* a second of pictures, the first of them a keyframe */
        assert_int_equal(rig_try_put(&r, i == 0 ? CM_FRAME_KEYFRAME : 0), CM_RETRY);
        rig_run(&r, CM_MS(10));
    }
    assert_int_equal(cm_instant_since(rig_now(&r), begin), CM_SECONDS(1));
    /* At once, then once in 100 ms, also while it waits for a keyframe. */
    assert_int_equal(r.asked, 11);
    assert_int_equal(r.asked_epoch, 0);
    cm_source_counters counters;
    cm_source_read_counters(r.source, &counters);
    assert_int_equal(counters.dropped, 100);
    assert_int_equal(rig_counters(&r, 0).frames_in, 0);
    rig_close(&r);
}

static void asking_is_bounded_also_when_each_ask_is_answered(void **state)
{
    rig *r = *state;
    cm_epoch_publish(r->page, r->door.slot, 3); /* both sets are over */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rig_try_put(r, CM_FRAME_KEYFRAME), CM_RETRY);
        r->door.key_count = 0; /* the answer is always one that is over as well */
        assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 1), CM_OK);
        rig_run(r, CM_MS(1));
    }
    assert_int_equal(r->asked, 1);
}

static void a_source_turns_by_itself_and_asks_for_what_follows(void **state)
{
    rig *r = *state;
    rig_put_group(r, 0);
    assert_int_equal(r->asked, 0);
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0);
    assert_int_equal(r->asked, 1);
    assert_int_equal(r->asked_epoch, 2);
    cm_source_counters counters;
    cm_source_read_counters(r->source, &counters);
    assert_int_equal(counters.turns, 1);
    assert_int_equal(counters.dropped, 0);
    cm_epoch_publish(r->page, r->door.slot, 3); /* nothing was sent: no picture goes out */
    assert_int_equal(rig_try_put(r, 0), CM_RETRY);
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 3), CM_OK);
    assert_int_equal(rig_try_put(r, 0), CM_RETRY); /* after a loss: from a keyframe on */
    rig_put(r, CM_FRAME_KEYFRAME);
    const cm_frame *keyframe = cm_source_keyframe(r->source);
    assert_int_equal(keyframe->epoch, 3);
    assert_int_equal(keyframe->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
    assert_int_equal(keyframe->number, 4); /* two came before it, and two that were dropped */
}

/* The message with the next set is lost, and the camera sends nothing until the keys turn again. */
static void a_source_asks_also_while_no_picture_comes(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 1);
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_run(r, CM_MS(250));
    assert_in_range(r->asked, 1, 3);
    assert_int_equal(r->asked_epoch, 2);
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 3), CM_OK);
    const unsigned asked = r->asked;
    rig_run(r, CM_SECONDS(1));
    assert_int_equal(r->asked, asked);
    cm_epoch_publish(r->page, r->door.slot, 3);
    rig_put(r, 0);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 3));
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 3);
    cm_source_stop(r->source); /* gone: it may wait */
    const unsigned until = r->asked;
    rig_run(r, CM_SECONDS(1));
    assert_int_equal(r->asked, until);
    rig_leave(&v);
}

/* A viewer, and whoever looks at what he got, can tell by the numbers alone that nothing is
 * missing. */
static void the_numbers_of_pictures_go_on_when_the_keys_turn(void **state)
{
    rig *r = *state;
    for (uint64_t epoch = 1; epoch <= 4; epoch++) {
        cm_epoch_publish(r->page, r->door.slot, epoch);
        if (epoch > 1)
            assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, epoch + 1), CM_OK);
        for (unsigned i = 0; i < 3; i++) {
            rig_put(r, CM_FRAME_KEYFRAME);
            assert_int_equal(cm_source_keyframe(r->source)->epoch, epoch);
            assert_int_equal(cm_source_keyframe(r->source)->number, r->serial - 1);
        }
    }
}

static void a_picture_left_out_has_its_number(void **state)
{
    rig *r = *state;
    rig_put_group(r, 1);
    cm_source_leave_out(r->source);
    assert_int_equal(rig_try_put(r, 0), CM_RETRY); /* leans on it */
    rig_put(r, CM_FRAME_KEYFRAME);
    assert_int_equal(cm_source_keyframe(r->source)->number, 4);
    assert_int_equal(cm_source_keyframe(r->source)->flags,
                     CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
}

static void two_turns_between_two_pictures_lose_none(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 2);
    /* As grants does it: after each turn one set more. */
    cm_epoch_publish(r->page, r->door.slot, 2);
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 3), CM_OK);
    cm_epoch_publish(r->page, r->door.slot, 3);
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 4), CM_OK);
    rig_put(r, 0);
    rig_put(r, 0);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 3));
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 5);
    cm_epoch_publish(r->page, r->door.slot, 4);
    rig_put(r, 0);
    cm_subscription_renew(v.sub, rig_lease(r, &r->door, 4));
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 6);
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

static cm_status give(rig *r, testing_media *media, cm_stream stream, cm_object first,
                      cm_object second, uint64_t second_epoch)
{
    cm_sealer *frames = testing_sealer(media, stream, first, 1);
    cm_sealer *stills = testing_sealer(media, stream, second, second_epoch);
    return cm_source_take_sealers(r->source, frames, stills);
}

/* The message with the set of an epoch is lost; the following set is there when that epoch begins.
 * Nobody has a lease for what it would seal. */
static void a_set_is_not_used_before_its_epoch_begins(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1, 0);
    assert_int_equal(rig_give_sealers(&r, &r.door, CM_STREAM_MAIN, 1), CM_OK);
    rig_put(&r, CM_FRAME_KEYFRAME);
    assert_int_equal(rig_give_sealers(&r, &r.door, CM_STREAM_MAIN, 3), CM_OK);
    cm_epoch_publish(r.page, r.door.slot, 2);
    rig_run(&r, CM_SECONDS(1));
    assert_int_equal(rig_try_put(&r, CM_FRAME_KEYFRAME), CM_RETRY);
    assert_int_equal(r.asked_epoch, 1); /* what follows it is asked for */
    assert_int_equal(rig_give_sealers(&r, &r.door, CM_STREAM_MAIN, 2), CM_OK);
    rig_put(&r, CM_FRAME_KEYFRAME);
    assert_int_equal(cm_source_keyframe(r.source)->epoch, 2);
    cm_epoch_publish(r.page, r.door.slot, 3); /* the other one was kept */
    rig_put(&r, CM_FRAME_KEYFRAME);
    assert_int_equal(cm_source_keyframe(r.source)->epoch, 3);
    rig_close(&r);
}

/* Also the very first one may be lost. */
static void the_first_set_may_come_after_the_second(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1, 0);
    assert_int_equal(rig_give_sealers(&r, &r.door, CM_STREAM_MAIN, 2), CM_OK);
    assert_int_equal(rig_try_put(&r, CM_FRAME_KEYFRAME), CM_RETRY);
    assert_int_equal(r.asked_epoch, 0);
    assert_int_equal(rig_give_sealers(&r, &r.door, CM_STREAM_MAIN, 1), CM_OK);
    rig_put(&r, CM_FRAME_KEYFRAME);
    assert_int_equal(cm_source_keyframe(r.source)->epoch, 1);
    cm_epoch_publish(r.page, r.door.slot, 2);
    rig_put(&r, CM_FRAME_KEYFRAME);
    assert_int_equal(cm_source_keyframe(r.source)->epoch, 2);
    rig_close(&r);
}

static void sealers_of_anything_else_are_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1, 0);
    const cm_stream ours = CM_STREAM_MAIN;
    assert_int_equal(give(&r, &r.attic, ours, CM_OBJECT_FRAME, CM_OBJECT_STILL, 1), CM_REFUSE);
    assert_int_equal(give(&r, &r.door, CM_STREAM_SUB, CM_OBJECT_FRAME, CM_OBJECT_STILL, 1),
                     CM_REFUSE);
    assert_int_equal(give(&r, &r.door, ours, CM_OBJECT_STILL, CM_OBJECT_FRAME, 1), CM_REFUSE);
    assert_int_equal(give(&r, &r.door, ours, CM_OBJECT_FRAME, CM_OBJECT_STILL, 2), CM_REFUSE);
    assert_int_equal(rig_try_put(&r, CM_FRAME_KEYFRAME), CM_RETRY);
    assert_int_equal(give(&r, &r.door, ours, CM_OBJECT_FRAME, CM_OBJECT_STILL, 1), CM_OK);
    rig_put(&r, CM_FRAME_KEYFRAME);
    rig_close(&r);
}

static void a_source_lives_where_its_camera_does(void **state)
{
    rig *r = *state;
    cm_publisher *publisher = NULL;
    assert_int_equal(cm_hub_publish(r->hubs[1], &r->attic.camera, CM_STREAM_MAIN, &publisher),
                     CM_REFUSE);
    assert_null(publisher);
}

/* ---- a hub that is wrong ---- */

static cm_frame *foreign_frame(rig *r, cm_sealer *sealer, unsigned serial)
{
    char text[64];
    cm_plain_granule granules[2];
    cm_frame *frame;
    const cm_plain_frame plain = rig_plain("rossi", serial, CM_FRAME_KEYFRAME, text, granules);
    (void)r;
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_OK);
    return frame;
}

/* As if the frame had been routed into this channel. */
static void push_into(channel *c, cm_frame *frame)
{
    assert_int_equal(cm_ring_push(&c->ring, frame), CM_OK);
    c->arrived++;
    cm_channel_serve(c, frame);
    cm_frame_release(frame, 0);
}

static void a_foreign_frame_in_a_channel_reaches_nobody(void **state)
{
    rig *r = *state;
    viewer live;
    viewer late;
    cm_sealer *attic = testing_sealer(&r->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    channel *c = cm_hub_find(r->hubs[0], &r->door.camera, CM_STREAM_MAIN);
    rig_watch(r, &live, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 1);
    push_into(c, foreign_frame(r, attic, 100));
    assert_seen(&live, 0, 2);
    assert_int_equal(r->alarms, 1);
    assert_int_equal(r->alarm, CM_REFUSAL_FOREIGN);
    assert_int_equal(rig_counters(r, 0).refusals[CM_REFUSAL_FOREIGN], 1);
    /* Neither does a joiner get it, nor one whose head was mixed up with ours. */
    rig_watch(r, &late, 0, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(late.offered, 0);
    cm_frame *disguised = foreign_frame(r, attic, 101);
    disguised->camera = r->door.camera;
    push_into(c, disguised);
    assert_int_equal(r->alarm, CM_REFUSAL_KEY);
    disguised = foreign_frame(r, attic, 102);
    disguised->camera = r->door.camera;
    for (size_t i = 0; i < CM_INSTANCE_SIZE; i++)
        disguised->instance[i] = r->door.keys[0].instance[i];
    push_into(c, disguised);
    assert_int_equal(rig_counters(r, 0).refusals[CM_REFUSAL_KEY], 2);
    assert_int_equal(late.offered + live.offered, 2);
    rig_put_group(r, 1); /* and all is well again from the next keyframe on */
    assert_seen(&late, 2, 2);
    assert_seen(&live, 0, 4);
    cm_sealer_destroy(attic);
    rig_leave(&live);
    rig_leave(&late);
}

static void a_frame_of_another_camera_with_our_whole_head_does_not_open(void **state)
{
    rig *r = *state;
    viewer v;
    cm_sealer *attic = testing_sealer(&r->attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    channel *c = cm_hub_find(r->hubs[0], &r->door.camera, CM_STREAM_MAIN);
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    cm_frame *disguised = foreign_frame(r, attic, 0);
    disguised->camera = r->door.camera;
    for (size_t i = 0; i < CM_INSTANCE_SIZE; i++)
        disguised->instance[i] = r->door.keys[0].instance[i];
    push_into(c, disguised);
    assert_int_equal(v.offered, 0);
    assert_int_equal(r->alarm, CM_REFUSAL_SEAL);
    cm_sealer_destroy(attic);
    rig_leave(&v);
}

static void an_old_frame_served_again_reaches_nobody(void **state)
{
    rig *r = *state;
    viewer v;
    channel *c = cm_hub_find(r->hubs[0], &r->door.camera, CM_STREAM_MAIN);
    rig_watch(r, &v, 0, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 0);
    cm_frame *old = cm_ring_at(&c->ring, 0);
    cm_frame_hold(old, 0); /* push_into takes one */
    cm_frame_hold(old, 0);
    rig_put_group(r, 1);
    push_into(c, old);
    cm_frame_release(old, 0);
    assert_seen(&v, 0, 3);
    assert_int_equal(r->alarm, CM_REFUSAL_REPLAY);
    rig_leave(&v);
}

/* ---- two loops ---- */

static void a_frame_crosses_once_whatever_the_number_of_viewers(void **state)
{
    enum { VIEWERS = 10 };
    rig *r = *state;
    viewer v[VIEWERS];
    viewer *local = calloc(1, sizeof *local);
    rig_put_group(r, 4);
    for (size_t i = 0; i < VIEWERS; i++)
        rig_watch(r, &v[i], 1, 1);
    rig_watch(r, local, 0, 1);
    rig_run(r, CM_MS(1));
    for (int i = 0; i < 5; i++)
        rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(rig_counters(r, 0).frames_crossed, 10);
    assert_seen(local, 0, 10);
    for (size_t i = 0; i < VIEWERS; i++) {
        assert_seen(&v[i], 0, 10);
        rig_leave(&v[i]);
    }
    rig_leave(local);
    free(local);
}

static void nothing_crosses_when_nobody_is_left_there(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 1, 1);
    rig_put_group(r, 1);
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, 2);
    rig_leave(&v);
    rig_run(r, CM_MS(1));
    const uint64_t crossed = rig_counters(r, 0).frames_crossed;
    rig_put_group(r, 5);
    rig_run(r, CM_MS(1));
    assert_int_equal(rig_counters(r, 0).frames_crossed, crossed);
    assert_int_equal(rig_counters(r, 1).ring_bytes, 0);
}

static void coming_back_at_once_is_no_replay(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 3);
    rig_watch(r, &v, 1, 1);
    rig_run(r, CM_MS(1));
    /* Pictures are on their way while the last viewer leaves and another comes. */
    rig_put_group(r, 2);
    rig_leave(&v);
    rig_watch(r, &v, 1, 1);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(r->alarms, 0);
    assert_seen(&v, 4, 4);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_seen(&v, 4, 5);
    rig_leave(&v);
}

static void a_full_mailbox_drops_to_the_next_keyframe(void **state)
{
    rig *r = *state;
    viewer v;
    rig_watch(r, &v, 1, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, MAILBOX_FRAMES + 9); /* the viewer's loop has no turn meanwhile: 10 too many */
    assert_int_equal(rig_counters(r, 0).frames_dropped, 10);
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, MAILBOX_FRAMES);
    rig_put(r, 0); /* leans on what was lost */
    rig_run(r, CM_MS(1));
    assert_seen(&v, 0, MAILBOX_FRAMES);
    const unsigned keyframe = r->serial;
    rig_put_group(r, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(v.count, MAILBOX_FRAMES + 2);
    assert_int_equal(v.serials[MAILBOX_FRAMES], keyframe);
    assert_int_equal(v.serials[MAILBOX_FRAMES + 1], keyframe + 1);
    assert_int_equal(r->alarms, 0);
    rig_leave(&v);
}

static void a_mirror_forgets_what_a_stopped_source_left(void **state)
{
    rig *r = *state;
    viewer before;
    viewer after;
    rig_watch(r, &before, 1, 1);
    rig_put_group(r, 3);
    rig_run(r, CM_MS(1));
    assert_true(rig_counters(r, 1).ring_bytes > 0);
    cm_source_stop(r->source);
    rig_run(r, CM_MS(1));
    assert_int_equal(rig_counters(r, 1).ring_bytes, 0);
    rig_watch(r, &after, 1, 1);
    rig_run(r, CM_MS(1));
    assert_int_equal(after.count, 0);
    /* What follows at once is not forgotten with it. */
    rig_put_group(r, 1);
    cm_source_stop(r->source);
    rig_put_group(r, 2);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(after.serials[after.count - 1], r->serial - 1);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_int_equal(after.serials[after.count - 1], r->serial - 1);
    rig_leave(&after);
    rig_leave(&before);
}

static void turns_reach_viewers_of_the_other_loop(void **state)
{
    rig *r = *state;
    viewer cut;
    viewer kept;
    rig_watch(r, &cut, 1, 1);
    rig_watch(r, &kept, 1, 1);
    rig_put_group(r, 4);
    rig_run(r, CM_MS(1));
    rig_put(r, 0); /* on its way when the page turns: dies under the old lease */
    cm_epoch_publish(r->page, r->door.slot, 2);
    rig_put(r, 0);
    rig_run(r, CM_MS(1));
    assert_seen(&cut, 0, 5);
    assert_seen(&kept, 0, 5);
    cm_subscription_renew(kept.sub, rig_lease(r, &r->door, 2));
    rig_run(r, CM_MS(1));
    assert_seen(&kept, 0, 7);
    assert_seen(&cut, 0, 5);
    rig_leave(&cut);
    rig_leave(&kept);
}

static void everything_may_end_with_requests_on_their_way(void **state)
{
    rig *r = *state;
    viewer v;
    rig_put_group(r, 3);
    rig_watch(r, &v, 1, 1);
    rig_run(r, CM_MS(1));
    rig_put_group(r, 3); /* in the mailbox */
    rig_leave(&v);       /* asks loop 0 to stop */
    rig_watch(r, &v, 1, 1);
    rig_leave(&v);
    assert_int_equal(cm_hub_subscribe(r->hubs[1], rig_lease(r, &r->attic, 1), CM_STREAM_SUB,
                                      &RIG_EVENTS, &v, &v.sub),
                     CM_OK); /* asks loop 0 to begin */
    rig_leave(&v);
    cm_source_stop(r->source);
    /* rig_close: hubs go, then the loops run what was posted to them */
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one case by name */
#define ONE(name) cmocka_unit_test_setup_teardown(name, rig_setup_one_loop, rig_teardown)
#define TWO(name) cmocka_unit_test_setup_teardown(name, rig_setup_two_loops, rig_teardown)
    const struct CMUnitTest cases[] = {
        ONE(a_joiner_gets_the_cached_group_from_its_keyframe),
        ONE(a_joiner_waits_for_the_first_keyframe),
        ONE(the_live_edge_is_opened_once_for_all_its_viewers),
        ONE(more_viewers_than_a_pass_takes_are_all_served),
        ONE(a_blocked_viewer_gets_the_same_frame_again_and_goes_on_in_order),
        ONE(a_blocked_viewer_finishes_a_frame_that_left_the_ring),
        cmocka_unit_test(a_group_beyond_the_bound_is_dropped_whole),
        ONE(what_a_stopped_source_left_is_forgotten),
        ONE(a_stream_has_one_publisher),
        ONE(viewers_may_leave_inside_on_frame),
        ONE(a_publisher_may_close_inside_on_frame),
        TWO(the_last_two_viewers_may_leave_together),
        ONE(viewers_may_leave_inside_on_stale),
        TWO(the_only_viewer_may_leave_when_a_frame_finds_its_lease_over),
        ONE(stale_is_said_once_per_lease),
        ONE(a_published_epoch_cuts_without_any_message),
        ONE(a_cut_is_noticed_when_no_frame_comes),
        ONE(a_lease_ends_by_time_alone),
        ONE(a_frame_at_the_very_end_of_a_lease_is_not_delivered),
        ONE(a_lease_may_come_inside_on_stale_and_on_frame),
        ONE(one_may_leave_with_a_lease_just_come),
        ONE(a_blocked_frame_that_may_not_be_continued_breaks_the_response),
        cmocka_unit_test(a_source_without_sealers_fails_closed_and_asks),
        ONE(asking_is_bounded_also_when_each_ask_is_answered),
        ONE(a_source_turns_by_itself_and_asks_for_what_follows),
        ONE(a_source_asks_also_while_no_picture_comes),
        ONE(a_picture_left_out_has_its_number),
        ONE(the_numbers_of_pictures_go_on_when_the_keys_turn),
        ONE(two_turns_between_two_pictures_lose_none),
        cmocka_unit_test(a_set_is_not_used_before_its_epoch_begins),
        cmocka_unit_test(the_first_set_may_come_after_the_second),
        cmocka_unit_test(sealers_of_anything_else_are_refused),
        TWO(a_source_lives_where_its_camera_does),
        ONE(a_foreign_frame_in_a_channel_reaches_nobody),
        ONE(a_frame_of_another_camera_with_our_whole_head_does_not_open),
        ONE(an_old_frame_served_again_reaches_nobody),
        TWO(a_frame_crosses_once_whatever_the_number_of_viewers),
        TWO(nothing_crosses_when_nobody_is_left_there),
        TWO(coming_back_at_once_is_no_replay),
        TWO(a_full_mailbox_drops_to_the_next_keyframe),
        TWO(a_mirror_forgets_what_a_stopped_source_left),
        TWO(turns_reach_viewers_of_the_other_loop),
        TWO(everything_may_end_with_requests_on_their_way),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
