/*
 * The hooks of base/fault.h on the way of sound, each both ways, for WebRTC and for sound.mp4: with
 * sealing on nothing of another home is heard and every fault is an alarm; with sealing off the
 * foreign bytes do come out, so that the first half can fail.
 */
#include "base/fault.h"
#include "egress/mp4/mp4.h"
#include "egress/webrtc/sound.h"
#include "fake_http.h"
#include "sound_rig.h"
#include "webrtc_rig.h"

enum { ROUNDS = 60, SOUND_SIZE = 160 };

static const cm_fault_rate ALWAYS = {.fires = 1, .asked = 1};

/* One home's camera, and one who hears it. */
typedef struct side {
    rig *rig;
    testing_media *media;
    cm_sealer *sealer;
    cm_publisher *publisher;
    cm_mp4_muxer *muxer; /* of both; NULL: by WebRTC */
    wire_session *session;
    cm_webrtc_sound *sound;
    cm_http_request request;
    cm_mp4_viewer *viewer;
    const char *mark;      /* in each frame of its sound */
    const char *elsewhere; /* in the other's */
    unsigned own;
    unsigned foreign;
} side;

typedef struct outcome {
    uint64_t fired;
    unsigned foreign;
    unsigned own;
    unsigned alarms;
} outcome;

static void ignore(void *owner)
{
    (void)owner;
}

static cm_lease *lease_of(const side *s)
{
    cm_lease_terms terms = testing_terms(s->media, 1);
    cm_lease *lease;
    terms.rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN;
    terms.streams = cm_streams_within(terms.rights);
    terms.from = rig_now(s->rig);
    terms.until = cm_instant_after(rig_now(s->rig), CM_SECONDS(60));
    assert_int_equal(cm_lease_create(&terms, s->media->slot, &lease), CM_OK);
    return lease;
}

/* ---- what came out ---- */

static unsigned count_in(const uint8_t *bytes, size_t size, const char *mark)
{
    unsigned count = 0;
    const uint8_t *at = bytes;
    while (size > 0 && (at = memmem(at, size - (size_t)(at - bytes), mark, strlen(mark))) != NULL) {
        count++;
        at += strlen(mark);
    }
    return count;
}

static void count_session(side *s)
{
    for (size_t i = 0; i < s->session->count; i++) {
        const wire_packet *packet = &s->session->packets[i];
        s->own += count_in(packet->bytes, packet->size, s->mark);
        s->foreign += count_in(packet->bytes, packet->size, s->elsewhere);
    }
}

static void forget_response(side *s)
{
    s->own += count_in(s->request.body, s->request.size, s->mark);
    s->foreign += count_in(s->request.body, s->request.size, s->elsewhere);
    fake_http_free(&s->request);
}

/* ---- the two ways out ---- */

static void hear_by_webrtc(side *s)
{
    s->session = wire_open(s->rig->loops[0]);
    const cm_webrtc_sound_config config = {.hub = s->rig->hubs[0],
                                           .loop = s->rig->loops[0],
                                           .transport = &s->session->transport,
                                           .media = {.stream = CM_STREAM_SOUND,
                                                     .codec = CM_SOUND_PCMU,
                                                     .ssrc = MEDIA_SSRC,
                                                     .extensions = EXTENSIONS,
                                                     .cname = CM_TEXT("casement")},
                                           .on_stale = ignore,
                                           .owner = s};
    assert_int_equal(cm_webrtc_sound_create(&config, lease_of(s), &s->sound), CM_OK);
    assert_int_equal(cm_webrtc_sound_start(s->sound), CM_OK);
}

/* A response that broke is asked for again. */
static void on_end(void *owner)
{
    side *s = owner;
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
}

static const cm_mp4_events EVENTS = {ignore, on_end};

static void hear_by_mp4(side *s)
{
    forget_response(s);
    s->request.room = SIZE_MAX / 2;
    const cm_mp4_config config = {.hub = s->rig->hubs[0],
                                  .loop = s->rig->loops[0],
                                  .muxer = s->muxer,
                                  .request = &s->request,
                                  .stream = CM_STREAM_SOUND,
                                  .events = &EVENTS,
                                  .owner = s};
    assert_int_equal(cm_mp4_viewer_create(&config, lease_of(s), &s->viewer), CM_OK);
}

static void open_side(side *s)
{
    s->sealer = testing_sealer(s->media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    assert_int_equal(
        cm_hub_publish(s->rig->hubs[0], &s->media->camera, CM_STREAM_SOUND, &s->publisher), CM_OK);
    if (s->muxer == NULL)
        hear_by_webrtc(s);
}

static void close_side(side *s)
{
    cm_mp4_viewer_destroy(s->viewer);
    forget_response(s);
    if (s->session != NULL)
        count_session(s);
    cm_webrtc_sound_destroy(s->sound);
    cm_publisher_close(s->publisher);
    cm_sealer_destroy(s->sealer);
    if (s->session != NULL)
        wire_close(s->session);
}

static void put_side(side *s, unsigned round)
{
    uint8_t head[CM_SOUND_FORMAT_MAX];
    uint8_t body[SOUND_SIZE] = {0};
    cm_writer h = cm_writer_over(head, sizeof head);
    cm_writer b = cm_writer_over(body, sizeof body);
    cm_write_text(&b, s->mark);
    assert_int_equal(cm_sound_format_write(&h, s->muxer == NULL ? &SOUND_PCMU : &SOUND_AAC), CM_OK);
    const cm_plain_granule granules[] = {{.body = cm_writer_done(&h)},
                                         {.body = cm_slice_over(body, sizeof body)}};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = 2,
                                  .flags = CM_FRAME_KEYFRAME,
                                  .duration_ms = 20,
                                  .captured = cm_loop_wall(s->rig->loops[0]),
                                  .media_time = 1800 * (int64_t)(round + 1)};
    cm_frame *frame;
    assert_int_equal(cm_seal_frame(s->sealer, &plain, 0, &frame), CM_OK);
    cm_publisher_put(s->publisher, frame);
}

/* ---- both sides ---- */

static void run_rounds(rig *r, side sides[2], cm_fault fault)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == 8)
            cm_fault_set(fault, (cm_fault_rate){.fires = 1, .asked = 3});
        for (size_t i = 0; i < 2; i++) {
            if (sides[i].muxer != NULL && sides[i].viewer == NULL)
                hear_by_mp4(&sides[i]);
            put_side(&sides[i], round);
        }
        rig_run(r, SOUND_PACKET_US);
    }
}

static outcome run(cm_fault fault, bool is_sealing, bool is_mp4)
{
    outcome o = {0};
    rig r;
    cm_mp4_muxer *muxer = NULL;
    cm_fault_reset();
    if (!is_sealing)
        cm_fault_set(CM_FAULT_SEALING_OFF, ALWAYS);
    rig_open(&r, 1, 0);
    if (is_mp4)
        assert_int_equal(cm_mp4_muxer_create(&muxer), CM_OK);
    side sides[2] = {{.media = &r.door, .mark = "verdi-door", .elsewhere = "rossi-attic"},
                     {.media = &r.attic, .mark = "rossi-attic", .elsewhere = "verdi-door"}};
    for (size_t i = 0; i < 2; i++) {
        sides[i].rig = &r;
        sides[i].muxer = muxer;
        open_side(&sides[i]);
    }
    rig_run(&r, CM_MS(1));
    run_rounds(&r, sides, fault);
    o.fired = cm_fault_fired(fault);
    o.alarms = r.alarms;
    for (size_t i = 0; i < 2; i++) {
        close_side(&sides[i]);
        o.own += sides[i].own;
        o.foreign += sides[i].foreign;
    }
    cm_mp4_muxer_destroy(muxer);
    rig_close(&r);
    cm_fault_reset();
    return o;
}

static void check(cm_fault fault, bool is_mp4)
{
    const outcome sealed = run(fault, true, is_mp4);
    assert_true(sealed.fired >= 15);
    assert_int_equal(sealed.foreign, 0);
    assert_int_equal(sealed.alarms, sealed.fired);
    assert_true(sealed.own >= ROUNDS / 2); /* the others still come */
    const outcome open = run(fault, false, is_mp4);
    assert_true(open.fired >= 15);
    assert_true(open.foreign >= 5);
    assert_int_equal(open.alarms, 0);
}

static void swapped_ring_slots_are_not_heard(void **state)
{
    (void)state;
    check(CM_FAULT_RING_SWAP, false);
    check(CM_FAULT_RING_SWAP, true);
}

static void a_frame_filled_anew_is_not_heard(void **state)
{
    (void)state;
    check(CM_FAULT_FRAME_REUSE, false);
    check(CM_FAULT_FRAME_REUSE, true);
}

static void a_packet_in_the_neighbours_session_is_not_heard(void **state)
{
    (void)state;
    check(CM_FAULT_RTP_NEIGHBOUR, false);
}

static void a_swapped_part_is_not_heard(void **state)
{
    (void)state;
    check(CM_FAULT_PART_SWAP, true);
}

static void a_write_to_the_neighbour_is_not_heard(void **state)
{
    (void)state;
    check(CM_FAULT_WRITE_NEIGHBOUR, true);
}

static void without_a_fault_nothing_is_counted(void **state)
{
    (void)state;
    for (int is_mp4 = 0; is_mp4 < 2; is_mp4++) {
        const outcome o = run(CM_FAULT_STILL_SWAP, true, is_mp4 != 0); /* asked nowhere here */
        assert_int_equal(o.fired + o.alarms + o.foreign, 0);
        assert_int_equal(o.own, 2 * ROUNDS);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(swapped_ring_slots_are_not_heard),
        cmocka_unit_test(a_frame_filled_anew_is_not_heard),
        cmocka_unit_test(a_packet_in_the_neighbours_session_is_not_heard),
        cmocka_unit_test(a_swapped_part_is_not_heard),
        cmocka_unit_test(a_write_to_the_neighbour_is_not_heard),
        cmocka_unit_test(without_a_fault_nothing_is_counted),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
