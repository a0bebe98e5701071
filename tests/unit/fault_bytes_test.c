/*
 * The byte hooks of base/fault.h in media and MP4, each both ways: with sealing on nothing foreign
 * comes out and every fault is counted and an alarm; with sealing off the foreign bytes do come
 * out, so that the first half can fail.
 */
#include "base/fault.h"
#include "egress/mp4/mp4.h"
#include "fake_http.h"
#include "hub_rig.h"

enum { ROUNDS = 40 };

static const cm_fault_rate ALWAYS = {.fires = 1, .asked = 1};

/* ---- at the hub ---- */

typedef struct outcome {
    unsigned foreign;  /* pictures of the other home that reached a viewer */
    unsigned replayed; /* pictures that came after a later one */
    uint64_t fired;
    uint64_t refused; /* for whatever cause */
    unsigned alarms;
    unsigned delivered;
} outcome;

static void put_attic(cm_publisher *publisher, cm_sealer *sealer, unsigned serial, uint16_t flags)
{
    char text[64];
    cm_plain_granule granules[2];
    cm_frame *frame;
    const cm_plain_frame plain = rig_plain("rossi", serial, flags, text, granules);
    assert_int_equal(cm_seal_frame(sealer, &plain, 0, &frame), CM_OK);
    cm_publisher_put(publisher, frame);
}

static outcome run_hub(cm_fault fault, bool is_sealing)
{
    static viewer v;
    outcome o = {0};
    rig r;
    cm_publisher *publisher;
    cm_fault_reset();
    if (!is_sealing)
        cm_fault_set(CM_FAULT_SEALING_OFF, ALWAYS);
    rig_open(&r, 1, 0);
    rig_start(&r);
    cm_sealer *attic = testing_sealer(&r.attic, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_hub_publish(r.hubs[0], &r.attic.camera, CM_STREAM_MAIN, &publisher), CM_OK);
    rig_watch(&r, &v, 0, 1);
    rig_run(&r, CM_MS(1));
    cm_fault_set(fault, (cm_fault_rate){.fires = 1, .asked = 3});
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint16_t flags = i % 8 == 0 ? CM_FRAME_KEYFRAME : 0;
        put_attic(publisher, attic, i, flags);
        rig_put(&r, flags);
        rig_run(&r, CM_MS(50));
    }
    for (size_t i = 1; i < v.count; i++)
        o.replayed += v.serials[i] <= v.serials[i - 1];
    o.foreign = v.foreign;
    o.delivered = (unsigned)v.count;
    o.fired = cm_fault_fired(fault);
    o.alarms = r.alarms;
    const cm_hub_counters counters = rig_counters(&r, 0);
    for (size_t i = 0; i < CM_REFUSALS; i++)
        o.refused += counters.refusals[i];
    rig_leave(&v);
    cm_publisher_close(publisher);
    cm_sealer_destroy(attic);
    rig_close(&r);
    cm_fault_reset();
    return o;
}

static void check_hub(cm_fault fault)
{
    const outcome sealed = run_hub(fault, true);
    assert_true(sealed.fired >= 10);
    assert_int_equal(sealed.foreign, 0);
    assert_int_equal(sealed.replayed, 0);
    /* One that hits where a picture is missing already is refused as a gap, which is no alarm. */
    assert_true(sealed.refused >= sealed.fired);
    assert_true(sealed.alarms >= 5);
    assert_true(sealed.delivered > 0); /* the others still come */
    const outcome open = run_hub(fault, false);
    assert_true(open.fired >= 10);
    assert_true(open.foreign + open.replayed >= 10);
    assert_int_equal(open.alarms, 0);
}

static void swapped_ring_slots_show_nothing(void **state)
{
    (void)state;
    check_hub(CM_FAULT_RING_SWAP);
}

static void a_frame_filled_anew_shows_nothing(void **state)
{
    (void)state;
    check_hub(CM_FAULT_FRAME_REUSE);
}

static void an_old_frame_is_not_shown_again(void **state)
{
    (void)state;
    check_hub(CM_FAULT_FRAME_REPLAY);
}

static void without_a_fault_nothing_is_counted(void **state)
{
    (void)state;
    const outcome o = run_hub(CM_FAULT_STILL_SWAP, true); /* asked nowhere here */
    assert_int_equal(o.fired, 0);
    assert_int_equal(o.alarms, 0);
    assert_int_equal(o.delivered, ROUNDS);
}

/* ---- at the connection ---- */

typedef struct side {
    testing_media *media;
    cm_sealer *sealer;
    cm_publisher *publisher;
    cm_http_request request;
    cm_mp4_viewer *viewer;
    const char *mark;      /* in each of its pictures */
    const char *elsewhere; /* the other's */
    unsigned ended;
} side;

static void on_stale(void *owner)
{
    (void)owner;
}

static void on_end(void *owner)
{
    side *s = owner;
    s->ended++;
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
}

static const cm_mp4_events EVENTS = {on_stale, on_end};

static void open_side(rig *r, cm_mp4_muxer *muxer, side *s)
{
    s->sealer = testing_sealer(s->media, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_hub_publish(r->hubs[0], &s->media->camera, CM_STREAM_MAIN, &s->publisher),
                     CM_OK);
    s->request.room = SIZE_MAX / 2;
    const cm_mp4_config config = {.hub = r->hubs[0],
                                  .loop = r->loops[0],
                                  .muxer = muxer,
                                  .request = &s->request,
                                  .stream = CM_STREAM_MAIN,
                                  .events = &EVENTS,
                                  .owner = s};
    assert_int_equal(cm_mp4_viewer_create(&config, rig_lease(r, s->media, 1), &s->viewer), CM_OK);
}

static void put_side(side *s, bool is_keyframe)
{
    static const uint8_t SPS[] = {0x67, 0x42, 0xc0, 0x0c, 0xd9, 0x01, 0x41, 0xfb,
                                  0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00,
                                  0x00, 0x03, 0x02, 0x80, 0xf1, 0x42, 0xa4, 0x80};
    static const uint8_t PPS[] = {0x68, 0xcb, 0x83, 0xcb, 0x20};
    char slice[32];
    snprintf(slice, sizeof slice, "%c%s", is_keyframe ? 0x65 : 0x61, s->mark);
    const cm_plain_granule granules[] = {{.body = cm_slice_of(slice)},
                                         {.body = cm_slice_over(SPS, sizeof SPS)},
                                         {.body = cm_slice_over(PPS, sizeof PPS)}};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = is_keyframe ? 3 : 1,
                                  .flags = is_keyframe ? CM_FRAME_KEYFRAME : 0,
                                  .duration_ms = 50};
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(s->sealer, &plain, 0, &frame), CM_OK);
    cm_publisher_put(s->publisher, frame);
}

static unsigned count_of(const cm_http_request *request, const char *mark)
{
    unsigned count = 0;
    cm_slice rest = cm_slice_over(request->body, request->size);
    for (; rest.size > 0; rest = cm_slice_from(rest, 1))
        count += cm_slice_starts(rest, cm_slice_of(mark));
    return count;
}

static outcome run_mp4(cm_fault fault, bool is_sealing)
{
    outcome o = {0};
    rig r;
    cm_mp4_muxer *muxer;
    cm_fault_reset();
    if (!is_sealing)
        cm_fault_set(CM_FAULT_SEALING_OFF, ALWAYS);
    rig_open(&r, 1, 0);
    cm_source_destroy(r.source);
    r.source = NULL;
    assert_int_equal(cm_mp4_muxer_create(&muxer), CM_OK);
    side sides[2] = {{.media = &r.door, .mark = "verdi-door", .elsewhere = "rossi-attic"},
                     {.media = &r.attic, .mark = "rossi-attic", .elsewhere = "verdi-door"}};
    for (size_t i = 0; i < 2; i++)
        open_side(&r, muxer, &sides[i]);
    rig_run(&r, CM_MS(1));
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == 8)
            cm_fault_set(fault, (cm_fault_rate){.fires = 1, .asked = 5});
        for (size_t i = 0; i < 2; i++)
            put_side(&sides[i], round % 8 == 0);
        rig_run(&r, CM_MS(50));
    }
    o.fired = cm_fault_fired(fault);
    o.alarms = r.alarms;
    for (size_t i = 0; i < 2; i++) {
        o.delivered += count_of(&sides[i].request, sides[i].mark);
        o.foreign += count_of(&sides[i].request, sides[i].elsewhere);
        cm_mp4_viewer_destroy(sides[i].viewer);
        cm_publisher_close(sides[i].publisher);
        cm_sealer_destroy(sides[i].sealer);
        fake_http_free(&sides[i].request);
    }
    cm_mp4_muxer_destroy(muxer);
    rig_close(&r);
    cm_fault_reset();
    return o;
}

static void check_mp4(cm_fault fault, uint64_t fired_min)
{
    const outcome sealed = run_mp4(fault, true);
    assert_true(sealed.fired >= fired_min);
    assert_int_equal(sealed.foreign, 0);
    assert_int_equal(sealed.alarms, sealed.fired);
    assert_true(sealed.delivered >= 16);
    const outcome open = run_mp4(fault, false);
    assert_true(open.fired >= fired_min);
    assert_true(open.foreign >= fired_min);
    assert_int_equal(open.alarms, 0);
}

static void a_swapped_part_shows_nothing(void **state)
{
    (void)state;
    check_mp4(CM_FAULT_PART_SWAP, 2); /* each ends a response: there are two */
}

static void a_write_to_the_neighbour_shows_nothing(void **state)
{
    (void)state;
    check_mp4(CM_FAULT_WRITE_NEIGHBOUR, 10);
}

static void sealing_off_leaves_pictures_in_the_clear(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1, 0);
    rig_start(&r);
    for (int is_off = 0; is_off < 2; is_off++) {
        if (is_off)
            cm_fault_set(CM_FAULT_SEALING_OFF, ALWAYS);
        rig_put_group(&r, 0);
        const cm_frame *frame = cm_source_keyframe(r.source);
        assert_int_equal(
            memmem(frame->data, frame->size_bytes - sizeof *frame, "verdi ", 6) != NULL, is_off);
    }
    assert_true(cm_fault_fired(CM_FAULT_SEALING_OFF) > 0);
    rig_close(&r);
    cm_fault_reset();
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(swapped_ring_slots_show_nothing),
        cmocka_unit_test(a_frame_filled_anew_shows_nothing),
        cmocka_unit_test(an_old_frame_is_not_shown_again),
        cmocka_unit_test(without_a_fault_nothing_is_counted),
        cmocka_unit_test(a_swapped_part_shows_nothing),
        cmocka_unit_test(a_write_to_the_neighbour_shows_nothing),
        cmocka_unit_test(sealing_off_leaves_pictures_in_the_clear),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
