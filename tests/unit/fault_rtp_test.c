/*
 * The hooks of base/fault.h in the WebRTC output, each both ways: with sealing on nothing foreign
 * reaches a session and every fault is an alarm; with sealing off the foreign bytes do come out, so
 * that the first half can fail.
 */
#include "base/fault.h"
#include "webrtc_rig.h"

enum { ROUNDS = 60 };

static const cm_fault_rate ALWAYS = {.fires = 1, .asked = 1};

typedef struct side {
    testing_media *media;
    cm_sealer *sealer;
    cm_publisher *publisher;
    wire_session *session;
    cm_webrtc_viewer *viewer;
    const char *mark;      /* in each of its pictures */
    const char *elsewhere; /* the other's */
} side;

typedef struct outcome {
    uint64_t fired;
    unsigned foreign; /* packets with the other home's mark */
    unsigned own;
    unsigned resent;
    unsigned alarms;
} outcome;

static void ignore(void *owner)
{
    (void)owner;
}

static const cm_webrtc_events EVENTS = {ignore, ignore};

static void open_side(rig *r, side *s)
{
    s->sealer = testing_sealer(s->media, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_hub_publish(r->hubs[0], &s->media->camera, CM_STREAM_MAIN, &s->publisher),
                     CM_OK);
    s->session = wire_open(r->loops[0]);
    const cm_webrtc_config config = {.hub = r->hubs[0],
                                     .loop = r->loops[0],
                                     .transport = &s->session->transport,
                                     .stream = CM_STREAM_MAIN,
                                     .media = {.payload_type = MEDIA_TYPE,
                                               .rtx_payload_type = RTX_TYPE,
                                               .ssrc = MEDIA_SSRC,
                                               .rtx_ssrc = RTX_SSRC,
                                               .extensions = EXTENSIONS,
                                               .cname = CM_TEXT("casement")},
                                     .events = &EVENTS,
                                     .owner = s};
    assert_int_equal(cm_webrtc_viewer_create(&config, rig_lease(r, s->media, 1), &s->viewer),
                     CM_OK);
    assert_int_equal(cm_webrtc_viewer_start(s->viewer), CM_OK);
}

static void close_side(side *s)
{
    cm_webrtc_viewer_destroy(s->viewer);
    cm_publisher_close(s->publisher);
    cm_sealer_destroy(s->sealer);
    wire_close(s->session);
}

static void put_side(side *s, bool is_keyframe)
{
    char slice[32];
    snprintf(slice, sizeof slice, "%c%s", is_keyframe ? 0x65 : 0x61, s->mark);
    const cm_plain_granule granule = {.body = cm_slice_of(slice)};
    const cm_plain_frame plain = {.granules = &granule,
                                  .count = 1,
                                  .flags = is_keyframe ? CM_FRAME_KEYFRAME : 0,
                                  .duration_ms = 50};
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(s->sealer, &plain, 0, &frame), CM_OK);
    cm_publisher_put(s->publisher, frame);
}

/* The peer did not get the newest packet of its pictures. */
static void lose_newest(side *s)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const uint16_t lost = (uint16_t)(s->viewer->sequence - 1);
    cm_rtcp_write_nack(&w, PEER_SSRC, MEDIA_SSRC, &lost, 1);
    cm_webrtc_viewer_rtcp(s->viewer, cm_writer_done(&w));
}

static unsigned count_of(const wire_session *session, const char *mark)
{
    unsigned count = 0;
    for (size_t i = 0; i < session->count; i++)
        count +=
            memmem(session->packets[i].bytes, session->packets[i].size, mark, strlen(mark)) != NULL;
    return count;
}

static void run_rounds(rig *r, side sides[2], cm_fault fault)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == 8)
            cm_fault_set(fault, (cm_fault_rate){.fires = 1, .asked = 3});
        for (size_t i = 0; i < 2; i++)
            put_side(&sides[i], round % 8 == 0);
        rig_run(r, CM_MS(25));
        for (size_t i = 0; i < 2; i++)
            lose_newest(&sides[i]);
        rig_run(r, CM_MS(25));
    }
}

static outcome run(cm_fault fault, bool is_sealing)
{
    outcome o = {0};
    rig r;
    cm_fault_reset();
    if (!is_sealing)
        cm_fault_set(CM_FAULT_SEALING_OFF, ALWAYS);
    rig_open(&r, 1, 0);
    cm_source_destroy(r.source);
    r.source = NULL;
    side sides[2] = {{.media = &r.door, .mark = "verdi-door", .elsewhere = "rossi-attic"},
                     {.media = &r.attic, .mark = "rossi-attic", .elsewhere = "verdi-door"}};
    for (size_t i = 0; i < 2; i++)
        open_side(&r, &sides[i]);
    rig_run(&r, CM_MS(1));
    run_rounds(&r, sides, fault);
    o.fired = cm_fault_fired(fault);
    o.alarms = r.alarms;
    for (size_t i = 0; i < 2; i++) {
        o.own += count_of(sides[i].session, sides[i].mark);
        o.foreign += count_of(sides[i].session, sides[i].elsewhere);
        for (size_t k = 0; k < sides[i].session->count; k++)
            o.resent += sides[i].session->packets[k].rtp.ssrc == RTX_SSRC;
        close_side(&sides[i]);
    }
    rig_close(&r);
    cm_fault_reset();
    return o;
}

static void check(cm_fault fault)
{
    const outcome sealed = run(fault, true);
    assert_true(sealed.fired >= 20);
    assert_int_equal(sealed.foreign, 0);
    assert_int_equal(sealed.alarms, sealed.fired);
    assert_true(sealed.own >= ROUNDS); /* the others still come */
    assert_true(sealed.resent > 10);
    const outcome open = run(fault, false);
    assert_true(open.fired >= 20);
    assert_true(open.foreign >= open.fired);
    assert_int_equal(open.alarms, 0);
}

static void a_packet_in_the_neighbours_session_shows_nothing(void **state)
{
    (void)state;
    check(CM_FAULT_RTP_NEIGHBOUR);
}

static void a_lost_packet_mixed_up_with_anothers_shows_nothing(void **state)
{
    (void)state;
    check(CM_FAULT_RTX_SWAP);
}

static void without_a_fault_nothing_is_counted(void **state)
{
    (void)state;
    const outcome o = run(CM_FAULT_STILL_SWAP, true); /* asked nowhere here */
    assert_int_equal(o.fired, 0);
    assert_int_equal(o.alarms, 0);
    assert_int_equal(o.foreign, 0);
    assert_int_equal(o.own, 4 * ROUNDS); /* each once, and once more */
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_packet_in_the_neighbours_session_shows_nothing),
        cmocka_unit_test(a_lost_packet_mixed_up_with_anothers_shows_nothing),
        cmocka_unit_test(without_a_fault_nothing_is_counted),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
