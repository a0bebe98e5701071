/* media/hub, for viewers whose network loses packets: what they have had is opened again for them
 * and nothing else is, and they begin again at the newest keyframe and never before it. */
#include "hub_rig.h"
#include "media/hub_priv.h"

enum { REMEMBERED = 4 };

/* A viewer of `door` that remembers, and what on_granules saw last. */
typedef struct again {
    rig r;
    viewer v;
    unsigned opened;
    size_t open_granules;
    char text[64];
    size_t second; /* bytes of the second granule */
} again;

static again *at; /* on_granules has the viewer for its owner */

static bool on_granules(void *owner, const cm_opened_frame *opened)
{
    assert_ptr_equal(owner, &at->v);
    at->opened++;
    at->open_granules = 0;
    for (size_t i = 0; i < opened->count; i++)
        at->open_granules += opened->granules[i].size > 0;
    assert_int_equal(cm_slice_to_cstr(opened->granules[0], at->text, sizeof at->text), CM_OK);
    at->second = opened->granules[1].size;
    return true;
}

static int setup(void **state)
{
    again *a = calloc(1, sizeof *a);
    rig_open(&a->r, 1, 0);
    rig_start(&a->r);
    rig_watch(&a->r, &a->v, 0, 1);
    assert_int_equal(cm_subscription_remember(a->v.sub, REMEMBERED), CM_OK);
    rig_run(&a->r, CM_MS(1));
    *state = at = a;
    return 0;
}

static int teardown(void **state)
{
    again *a = *state;
    rig_leave(&a->v);
    rig_close(&a->r);
    free(a);
    return 0;
}

static cm_status open_again(again *a, uint32_t delivery)
{
    a->opened = 0;
    a->text[0] = '\0';
    return cm_subscription_open_again(a->v.sub, delivery, 0, 2, on_granules);
}

static cm_lease *lease_with(again *a, size_t first_key, size_t count)
{
    cm_lease *lease;
    cm_lease_terms terms = testing_terms(&a->r.door, 2);
    terms.from = rig_now(&a->r);
    terms.until = cm_instant_after(rig_now(&a->r), CM_SECONDS(60));
    terms.keys = a->r.door.keys + first_key;
    terms.key_count = count;
    assert_int_equal(cm_lease_create(&terms, a->r.door.slot, &lease), CM_OK);
    return lease;
}

static void what_was_delivered_opens_again(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 5);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    for (uint32_t i = 0; i < REMEMBERED; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "verdi %6u", 5 - i);
        assert_int_equal(open_again(a, newest - i), CM_OK);
        assert_int_equal(a->opened, 1);
        assert_string_equal(a->text, expected);
    }
    rig_put(&a->r, 0); /* the subscription stands where it stood */
    assert_seen(&a->v, 0, 7);
    assert_int_equal(a->r.alarms, 0);
}

static void only_the_granules_that_are_wanted_are_opened(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 0);
    const uint32_t delivery = cm_subscription_delivery(a->v.sub);
    assert_int_equal(cm_subscription_open_again(a->v.sub, delivery, 1, 1, on_granules), CM_OK);
    assert_int_equal(a->open_granules, 1);
    assert_string_equal(a->text, "");
    assert_int_equal(a->second, 100);
    /* Past its end there is nothing that could prove what the frame says of itself. */
    a->opened = 0;
    assert_int_equal(cm_subscription_open_again(a->v.sub, delivery, 2, 1, on_granules), CM_REFUSE);
    assert_int_equal(a->opened, 0);
}

static void what_is_remembered_is_bounded_and_can_be_forgotten(void **state)
{
    again *a = *state;
    assert_int_equal(open_again(a, cm_subscription_delivery(a->v.sub)), CM_ABSENT);
    rig_put_group(&a->r, 9);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    assert_int_equal(open_again(a, newest - REMEMBERED), CM_ABSENT);
    assert_int_equal(open_again(a, newest + 1), CM_ABSENT);
    cm_subscription_forget(a->v.sub, newest);
    assert_int_equal(open_again(a, newest - 1), CM_ABSENT);
    assert_int_equal(open_again(a, newest), CM_OK);
    cm_subscription_forget(a->v.sub, newest - 1); /* gone already */
    cm_subscription_forget(a->v.sub, newest + 7); /* never was */
    assert_int_equal(open_again(a, newest), CM_OK);
    assert_int_equal(a->r.alarms, 0);
}

static void after_the_cut_nothing_opens_again(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    cm_epoch_publish(a->r.page, a->r.door.slot, 2);
    assert_int_equal(open_again(a, newest), CM_REFUSE); /* at once: no timer has run */
    assert_int_equal(a->opened, 0);
    assert_int_equal(a->v.stale, 1);
    rig_run(&a->r, CM_MS(100));
    assert_int_equal(open_again(a, newest), CM_REFUSE);
    assert_int_equal(a->v.stale, 1);
    /* Who may still see gets a lease, with the old epoch's keys or without. */
    cm_subscription_renew(a->v.sub, lease_with(a, 2, 2));
    assert_int_equal(open_again(a, newest), CM_ABSENT);
    cm_subscription_renew(a->v.sub, lease_with(a, 0, 4));
    assert_int_equal(open_again(a, newest), CM_OK);
    assert_int_equal(a->r.alarms, 0);
}

static void a_lease_that_ended_by_time_opens_nothing_again(void **state)
{
    again *a = *state;
    rig_run(&a->r, CM_SECONDS(59));
    rig_put_group(&a->r, 1);
    assert_int_equal(open_again(a, cm_subscription_delivery(a->v.sub)), CM_OK);
    rig_run(&a->r, CM_MS(998)); /* 59.999 s */
    assert_int_equal(open_again(a, cm_subscription_delivery(a->v.sub)), CM_OK);
    rig_run(&a->r, CM_MS(1));
    assert_int_equal(open_again(a, cm_subscription_delivery(a->v.sub)), CM_REFUSE);
    assert_int_equal(a->opened, 0);
}

static void a_frame_from_before_a_turn_of_keys_opens_again(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    const uint32_t old = cm_subscription_delivery(a->v.sub);
    cm_epoch_publish(a->r.page, a->r.door.slot, 2);
    rig_put(&a->r, 0);
    cm_subscription_renew(a->v.sub, rig_lease(&a->r, &a->r.door, 2));
    rig_run(&a->r, CM_MS(1));
    assert_seen(&a->v, 0, 3);
    assert_int_equal(open_again(a, old), CM_OK);
    assert_string_equal(a->text, "verdi      1");
    assert_int_equal(open_again(a, old + 1), CM_OK);
    assert_string_equal(a->text, "verdi      2");
}

/* ---- a record that is wrong ---- */

static remembered_frame *record_of(again *a, uint32_t delivery)
{
    return &a->v.sub->remembered[delivery % REMEMBERED];
}

static void a_record_that_points_at_another_cameras_frame_opens_nothing(void **state)
{
    again *a = *state;
    char text[64];
    cm_plain_granule granules[2];
    cm_frame *foreign;
    cm_sealer *attic = testing_sealer(&a->r.attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    const cm_plain_frame plain = rig_plain("rossi", 1, CM_FRAME_KEYFRAME, text, granules);
    assert_int_equal(cm_seal_frame(attic, &plain, 0, &foreign), CM_OK);
    rig_put_group(&a->r, 1);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    cm_frame *own = record_of(a, newest)->frame;
    record_of(a, newest)->frame = foreign;
    assert_int_equal(open_again(a, newest), CM_REFUSE);
    assert_int_equal(a->r.alarm, CM_REFUSAL_FOREIGN);
    foreign->camera = own->camera; /* with our head, too */
    foreign->number = own->number;
    for (size_t i = 0; i < CM_INSTANCE_SIZE; i++)
        foreign->instance[i] = own->instance[i];
    assert_int_equal(open_again(a, newest), CM_REFUSE);
    assert_int_equal(a->r.alarm, CM_REFUSAL_SEAL);
    assert_int_equal(a->opened, 0);
    record_of(a, newest)->frame = own;
    assert_int_equal(open_again(a, newest), CM_OK);
    cm_frame_release(foreign, 0);
    cm_sealer_destroy(attic);
}

static void a_record_of_another_frame_of_the_same_camera_opens_nothing(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    cm_frame *own = record_of(a, newest)->frame;
    record_of(a, newest)->frame = record_of(a, newest - 1)->frame;
    assert_int_equal(open_again(a, newest), CM_REFUSE);
    assert_int_equal(a->r.alarm, CM_REFUSAL_SEAL);
    record_of(a, newest)->frame = own;
    /* One that says it was delivered and was not. */
    record_of(a, newest)->delivered.number++;
    assert_int_equal(open_again(a, newest), CM_REFUSE);
    assert_int_equal(a->r.alarm, CM_REFUSAL_REPLAY);
    assert_int_equal(a->opened, 0);
}

/* ---- a frame that is under way ---- */

static void a_blocked_frame_opens_again_and_is_still_blocked(void **state)
{
    again *a = *state;
    a->v.is_blocking = true;
    rig_put_group(&a->r, 1);
    assert_int_equal(a->v.offered, 1);
    const uint32_t delivery = cm_subscription_delivery(a->v.sub);
    assert_int_equal(open_again(a, delivery), CM_OK);
    assert_string_equal(a->text, "verdi      0");
    cm_subscription_resume(a->v.sub); /* offered again: still the same delivery */
    assert_int_equal(cm_subscription_delivery(a->v.sub), delivery);
    assert_int_equal(open_again(a, delivery), CM_OK);
    a->v.is_blocking = false;
    cm_subscription_resume(a->v.sub);
    assert_seen(&a->v, 0, 2);
    assert_int_equal(open_again(a, delivery), CM_OK);
    assert_int_equal(cm_subscription_delivery(a->v.sub), delivery + 1);
    assert_int_equal(a->r.alarms, 0);
}

typedef struct slices {
    cm_subscription *sub;
    size_t open[8]; /* granules that were open, call by call */
    unsigned calls;
    unsigned passes; /* ended */
    bool is_blocking;
} slices;

static bool take_slice(void *owner, const cm_opened_frame *opened)
{
    slices *s = owner;
    assert_in_range(s->calls, 0, CM_COUNT(s->open) - 1);
    for (size_t i = 0; i < opened->count; i++)
        s->open[s->calls] += opened->granules[i].size > 0;
    s->calls++;
    return !s->is_blocking;
}

static void ignore(void *owner)
{
    (void)owner;
}

static void count_pass(void *owner)
{
    slices *s = owner;
    s->passes++;
}

static const cm_subscription_events SLICE_EVENTS = {
    .on_frame = take_slice, .on_stale = ignore, .on_broken = ignore, .on_pass_end = count_pass};

static void watch_slices(again *a, slices *s)
{
    assert_int_equal(cm_hub_subscribe(a->r.hubs[0], rig_lease(&a->r, &a->r.door, 1), CM_STREAM_MAIN,
                                      &SLICE_EVENTS, s, &s->sub),
                     CM_OK);
    rig_run(&a->r, CM_MS(1));
}

static void what_is_left_of_a_blocked_frame_is_opened_alone(void **state)
{
    again *a = *state;
    slices s = {.is_blocking = true};
    watch_slices(a, &s);
    rig_put_group(&a->r, 1);
    cm_subscription_resume_at(s.sub, 1, 1);
    cm_subscription_resume(s.sub);
    s.is_blocking = false;
    cm_subscription_resume_at(s.sub, 1, 1); /* the frame after it comes whole */
    const size_t expected[] = {2, 1, 2, 1, 2};
    assert_int_equal(s.calls, CM_COUNT(expected));
    for (size_t i = 0; i < CM_COUNT(expected); i++)
        assert_int_equal(s.open[i], expected[i]);
    cm_subscription_close(s.sub);
}

/* What was asked of one frame is not asked of the next. */
static void a_slice_that_is_refused_is_forgotten(void **state)
{
    again *a = *state;
    slices s = {.is_blocking = true};
    watch_slices(a, &s);
    rig_put_group(&a->r, 0);
    cm_epoch_publish(a->r.page, a->r.door.slot, 2);
    cm_subscription_resume_at(s.sub, 100, 1);
    s.is_blocking = false;
    cm_subscription_renew(s.sub, lease_with(a, 2, 2)); /* the blocked frame's key is not in it */
    rig_run(&a->r, CM_MS(1));
    assert_int_equal(cm_subscription_begin_again(s.sub), CM_OK);
    cm_subscription_resume_at(s.sub, 100, 1); /* blocked in nothing */
    rig_put_group(&a->r, 0);
    rig_run(&a->r, CM_MS(1));
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.open[1], 2);
    assert_int_equal(a->r.alarms, 0);
    cm_subscription_close(s.sub);
}

static void the_end_of_a_pass_is_said_once(void **state)
{
    again *a = *state;
    slices s[3] = {0};
    rig_put_group(&a->r, 3);
    for (size_t i = 0; i < 3; i++) {
        watch_slices(a, &s[i]);
        assert_int_equal(s[i].calls, 4); /* all that waited for him: no pass */
        assert_int_equal(s[i].passes, 0);
    }
    rig_put(&a->r, 0);
    assert_int_equal(s[0].passes + s[1].passes + s[2].passes, 1);
    for (size_t i = 0; i < 3; i++)
        cm_subscription_close(s[i].sub);
}

/* ---- inside events ---- */

static void ask_inside(viewer *v)
{
    const uint32_t delivery = cm_subscription_delivery(v->sub);
    assert_int_equal(cm_subscription_open_again(v->sub, delivery, 0, 2, on_granules), CM_RETRY);
    assert_int_equal(cm_subscription_begin_again(v->sub), CM_RETRY);
}

static void inside_events_nothing_is_opened_again(void **state)
{
    again *a = *state;
    a->v.in_frame = ask_inside;
    rig_put_group(&a->r, 1);
    assert_seen(&a->v, 0, 2);
    assert_null(a->v.in_frame);
}

static bool leave_inside(void *owner, const cm_opened_frame *opened)
{
    (void)opened;
    at->opened++;
    rig_leave(owner);
    return true;
}

static void one_may_leave_while_it_is_opened_again(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    const uint32_t newest = cm_subscription_delivery(a->v.sub);
    assert_int_equal(cm_subscription_open_again(a->v.sub, newest, 0, 2, leave_inside), CM_OK);
    assert_int_equal(a->opened, 1);
    assert_int_equal(rig_counters(&a->r, 0).subscriptions, 0);
}

/* ---- beginning again ---- */

static void one_that_begins_again_gets_the_group_once_more(void **state)
{
    again *a = *state;
    const unsigned expected[] = {0, 1, 2, 3, 4, 2, 3, 4, 5};
    rig_put_group(&a->r, 1);
    rig_put_group(&a->r, 2);
    assert_seen(&a->v, 0, 5);
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_OK);
    assert_int_equal(a->v.count, 5); /* in a later turn */
    assert_int_equal(open_again(a, cm_subscription_delivery(a->v.sub)), CM_ABSENT);
    rig_run(&a->r, CM_MS(1));
    rig_put(&a->r, 0);
    assert_int_equal(a->v.count, CM_COUNT(expected));
    for (size_t i = 0; i < CM_COUNT(expected); i++)
        assert_int_equal(a->v.serials[i], expected[i]);
    assert_int_equal(a->r.alarms, 0);
}

static void it_goes_back_to_its_newest_keyframe_and_no_further(void **state)
{
    again *a = *state;
    channel *c = cm_hub_find(a->r.hubs[0], &a->r.door.camera, CM_STREAM_MAIN);
    rig_put_group(&a->r, 0);
    cm_frame *old = cm_ring_at(&c->ring, 0);
    cm_frame_hold(old, 0);
    rig_put_group(&a->r, 1);
    /* As if the ring had gone back: an older keyframe stands where the newest should. */
    assert_int_equal(cm_ring_push(&c->ring, old), CM_OK);
    c->arrived++;
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_OK);
    rig_run(&a->r, CM_MS(1));
    assert_seen(&a->v, 0, 3);
    assert_int_equal(a->r.alarm, CM_REFUSAL_REPLAY);
    cm_frame_release(old, 0);
}

static void one_that_is_behind_goes_forward_to_the_keyframe(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 0);
    a->v.is_blocking = true;
    rig_put(&a->r, 0);       /* 1: blocked in it */
    rig_put_group(&a->r, 2); /* 2 to 4 */
    a->v.is_blocking = false;
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_OK);
    rig_run(&a->r, CM_MS(1));
    const unsigned expected[] = {0, 2, 3, 4};
    assert_int_equal(a->v.count, CM_COUNT(expected));
    for (size_t i = 0; i < CM_COUNT(expected); i++)
        assert_int_equal(a->v.serials[i], expected[i]);
    assert_int_equal(a->r.alarms, 0);
}

static void one_blocked_in_the_keyframe_begins_it_again(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    a->v.is_blocking = true;
    rig_put_group(&a->r, 1); /* 2: blocked in it */
    a->v.is_blocking = false;
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_OK);
    rig_run(&a->r, CM_MS(1));
    assert_seen(&a->v, 0, 4);
    assert_int_equal(a->r.alarms, 0);
}

static void without_a_keyframe_nothing_changes(void **state)
{
    again *a = *state;
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_ABSENT);
    rig_put_group(&a->r, 1);
    cm_source_stop(a->r.source);
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_ABSENT);
    rig_put_group(&a->r, 1);
    assert_seen(&a->v, 0, 4);
}

static void one_that_waits_for_a_lease_begins_again_under_it(void **state)
{
    again *a = *state;
    rig_put_group(&a->r, 1);
    cm_epoch_publish(a->r.page, a->r.door.slot, 2);
    rig_run(&a->r, CM_MS(100));
    assert_int_equal(cm_subscription_begin_again(a->v.sub), CM_OK);
    rig_run(&a->r, CM_MS(100));
    assert_seen(&a->v, 0, 2); /* nothing without a lease */
    cm_subscription_renew(a->v.sub, lease_with(a, 0, 4));
    rig_run(&a->r, CM_MS(1));
    assert_int_equal(a->v.count, 4);
    assert_int_equal(a->v.serials[2], 0);
    assert_int_equal(a->v.serials[3], 1);
}

/* ---- how far behind ---- */

static void read_inside(viewer *v)
{
    cm_backlog backlog;
    cm_subscription_read_backlog(v->sub, &backlog);
    assert_int_equal(backlog.frames, 3);
    assert_int_equal(backlog.newest, 90 * 4);
    assert_int_equal(backlog.keyframes, 1);
    size_t bytes = 0;
    for (size_t i = 0; i < 3; i++)
        bytes +=
            cm_ring_at(&v->sub->channel->ring, v->sub->channel->ring.count - 1 - i)->size_bytes;
    assert_int_equal(backlog.bytes, bytes);
}

static void the_backlog_tells_what_is_to_come(void **state)
{
    again *a = *state;
    viewer late = {.rig = &a->r, .in_frame = read_inside};
    cm_backlog backlog;
    rig_put_group(&a->r, 1);
    rig_put_group(&a->r, 2);
    cm_subscription_read_backlog(a->v.sub, &backlog);
    assert_int_equal(backlog.frames, 0);
    assert_int_equal(backlog.bytes, 0);
    rig_watch_with(&a->r, &late, 0, rig_lease(&a->r, &a->r.door, 1));
    rig_run(&a->r, CM_MS(1));
    assert_null(late.in_frame);
    assert_seen(&late, 2, 3);
    late.is_blocking = true;
    rig_put(&a->r, 0);       /* 5: offered and not counted */
    rig_put(&a->r, 0);       /* 6 */
    rig_put_group(&a->r, 1); /* 7 and 8 */
    cm_subscription_read_backlog(late.sub, &backlog);
    assert_in_range(backlog.frames, 2, 3); /* whether or not the ring kept 6 */
    assert_int_equal(backlog.newest, 90 * 8);
    assert_int_equal(backlog.keyframes, 1);
    rig_leave(&late);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one case by name */
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
        CASE(what_was_delivered_opens_again),
        CASE(only_the_granules_that_are_wanted_are_opened),
        CASE(what_is_remembered_is_bounded_and_can_be_forgotten),
        CASE(after_the_cut_nothing_opens_again),
        CASE(a_lease_that_ended_by_time_opens_nothing_again),
        CASE(a_frame_from_before_a_turn_of_keys_opens_again),
        CASE(a_record_that_points_at_another_cameras_frame_opens_nothing),
        CASE(a_record_of_another_frame_of_the_same_camera_opens_nothing),
        CASE(a_blocked_frame_opens_again_and_is_still_blocked),
        CASE(what_is_left_of_a_blocked_frame_is_opened_alone),
        CASE(a_slice_that_is_refused_is_forgotten),
        CASE(the_end_of_a_pass_is_said_once),
        CASE(inside_events_nothing_is_opened_again),
        CASE(one_may_leave_while_it_is_opened_again),
        CASE(one_that_begins_again_gets_the_group_once_more),
        CASE(it_goes_back_to_its_newest_keyframe_and_no_further),
        CASE(one_that_is_behind_goes_forward_to_the_keyframe),
        CASE(one_blocked_in_the_keyframe_begins_it_again),
        CASE(without_a_keyframe_nothing_changes),
        CASE(one_that_waits_for_a_lease_begins_again_under_it),
        CASE(the_backlog_tells_what_is_to_come),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
