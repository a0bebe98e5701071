/* egress/webrtc/sound in virtual time: what a session is given of the sound, with which numbers;
 * what sender reports say of its time; and that without the right, and after a cut, nothing comes.
 */
#include "egress/webrtc/sound_priv.h"
#include "sound_rig.h"
#include "webrtc_rig.h"

enum {
    SOUND_TYPE = 0,
    PCMU_TICKS = 160,
    OPUS_TICKS = 960,
};
static const uint32_t SOUND_SSRC = 0xCA5E0003;

typedef struct bench {
    rig r;
    wire_session *s;
    microphone microphone;
    cm_webrtc_sound_config config;
    cm_webrtc_sound *sound;
    unsigned stale;
    struct {
        unsigned sent;
        uint16_t last;
        size_t bytes;
    } seen;
    cm_webrtc_estimator estimator;
} bench;

static void on_stale(void *owner)
{
    bench *b = owner;
    b->stale++;
}

static void on_sent(void *context, uint16_t number, size_t bytes, cm_instant now)
{
    bench *b = context;
    (void)now;
    b->seen.sent++;
    b->seen.last = number;
    b->seen.bytes += bytes;
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    rig_open(&b->r, 1, 0);
    rig_start(&b->r);
    b->s = wire_open(b->r.loops[0]);
    microphone_open(&b->microphone, &b->r);
    b->estimator = (cm_webrtc_estimator){.on_sent = on_sent, .context = b};
    b->config = (cm_webrtc_sound_config){.hub = b->r.hubs[0],
                                         .loop = b->r.loops[0],
                                         .transport = &b->s->transport,
                                         .estimator = &b->estimator,
                                         .media = {.stream = CM_STREAM_SOUND,
                                                   .codec = CM_SOUND_PCMU,
                                                   .payload_type = SOUND_TYPE,
                                                   .ssrc = SOUND_SSRC,
                                                   .extensions = EXTENSIONS,
                                                   .mid = CM_TEXT("1"),
                                                   .cname = CM_TEXT("casement")},
                                         .on_stale = on_stale,
                                         .owner = b};
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    cm_webrtc_sound_destroy(b->sound);
    wire_close(b->s);
    cm_source_destroy(b->microphone.source);
    rig_close(&b->r);
    free(b);
    return 0;
}

static void hear(bench *b)
{
    assert_int_equal(cm_webrtc_sound_create(&b->config, sound_lease_to_hear(&b->r, 1), &b->sound),
                     CM_OK);
    assert_int_equal(cm_webrtc_sound_start(b->sound), CM_OK);
    rig_run(&b->r, 1000);
}

static void put(bench *b, const cm_sound_format *format, size_t size)
{
    microphone_put(&b->microphone, format, size, 0);
    rig_run(&b->r, SOUND_PACKET_US);
}

static void assert_payload(const wire_packet *packet, unsigned serial,
                           const cm_sound_format *format, size_t size)
{
    uint8_t storage[SOUND_BYTES_MAX];
    const cm_slice expected = microphone_frame(serial, format, size, storage);
    assert_int_equal(packet->rtp.payload.size, size);
    assert_memory_equal(packet->rtp.payload.bytes, expected.bytes, size);
}

/* ---- packets ---- */

static void codec_frames_go_as_they_are(void **state)
{
    bench *b = *state;
    hear(b);
    for (unsigned i = 0; i < 50; i++)
        put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->s->count, 50);
    for (unsigned i = 0; i < 50; i++) {
        const wire_packet *packet = &b->s->packets[i];
        assert_payload(packet, i, &SOUND_PCMU, PCMU_TICKS);
        assert_int_equal(packet->rtp.ssrc, SOUND_SSRC);
        assert_int_equal(packet->rtp.payload_type, SOUND_TYPE);
        assert_int_equal(packet->rtp.marker, i == 0);
        assert_true(packet->extensions.has_transport_sequence);
        assert_int_equal(packet->extensions.transport_sequence, (uint16_t)(65500 + i));
        assert_int_equal(packet->extensions.mid.size, 1);
        if (i == 0)
            continue;
        assert_int_equal((uint16_t)(packet->rtp.sequence_number - packet[-1].rtp.sequence_number),
                         1);
        assert_int_equal(packet->rtp.timestamp - packet[-1].rtp.timestamp, PCMU_TICKS);
    }
    assert_int_equal(b->s->flushed, b->s->count);
    assert_int_equal(b->seen.sent, 50);
    assert_int_equal(b->seen.last, (uint16_t)(65500 + 49));
    assert_int_equal(b->s->transport.next_number, (uint16_t)(65500 + 50));
    cm_webrtc_sound_figures figures;
    cm_webrtc_sound_read_figures(b->sound, &figures);
    assert_int_equal(figures.packets_sent, 50);
    assert_int_equal(figures.bytes_sent, b->seen.bytes);
    assert_int_equal(figures.frames_skipped, 0);
}

static void the_clocks_jitter_is_not_heard(void **state)
{
    static const int64_t JITTER_US[] = {0, 4000, -3000, 6000, 5000, -5000, 0, 2000};
    bench *b = *state;
    hear(b);
    for (unsigned i = 0; i < 40; i++) {
        microphone_put(&b->microphone, &SOUND_PCMU, PCMU_TICKS, JITTER_US[i % CM_COUNT(JITTER_US)]);
        rig_run(&b->r, SOUND_PACKET_US);
    }
    for (unsigned i = 1; i < 40; i++) {
        assert_int_equal(b->s->packets[i].rtp.timestamp - b->s->packets[i - 1].rtp.timestamp,
                         PCMU_TICKS);
        assert_false(b->s->packets[i].rtp.marker);
    }
}

static void opus_counts_by_its_own_clock_and_silence_is_left_out(void **state)
{
    bench *b = *state;
    b->config.media.codec = CM_SOUND_OPUS;
    hear(b);
    for (unsigned i = 0; i < 10; i++)
        put(b, &SOUND_OPUS, 80);
    rig_run(&b->r, 200000); /* nothing is sent in a pause (DTX) */
    put(b, &SOUND_OPUS, 80);
    put(b, &SOUND_OPUS, 80);
    assert_int_equal(b->s->count, 12);
    for (unsigned i = 1; i < 12; i++) {
        const wire_packet *packet = &b->s->packets[i];
        const uint32_t pause = i == 10 ? 10 * OPUS_TICKS : 0;
        assert_int_equal(packet->rtp.timestamp - packet[-1].rtp.timestamp, OPUS_TICKS + pause);
        assert_int_equal(packet->rtp.marker, i == 10);
        assert_int_equal((uint16_t)(packet->rtp.sequence_number - packet[-1].rtp.sequence_number),
                         1);
    }
}

static void a_large_packet_goes_whole_and_a_larger_one_not_at_all(void **state)
{
    bench *b = *state;
    b->config.media.codec = CM_SOUND_OPUS;
    hear(b);
    put(b, &SOUND_OPUS, CM_GRANULE_MAX + 8); /* two granules, one packet */
    put(b, &SOUND_OPUS, 1270);               /* more than a packet takes */
    put(b, &SOUND_OPUS, 2500);
    put(b, &SOUND_OPUS, 80);
    assert_int_equal(b->s->count, 2);
    assert_payload(&b->s->packets[0], 0, &SOUND_OPUS, CM_GRANULE_MAX + 8);
    assert_payload(&b->s->packets[1], 3, &SOUND_OPUS, 80);
    assert_int_equal(b->s->packets[1].rtp.timestamp - b->s->packets[0].rtp.timestamp,
                     3 * OPUS_TICKS);
    assert_int_equal(b->sound->figures.frames_skipped, 2);
}

static void another_format_is_left_out(void **state)
{
    const cm_sound_format OTHERS[] = {
        {.codec = CM_SOUND_PCMA, .channels = 1, .rate = 8000},
        {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 16000},
        {.codec = CM_SOUND_PCMU, .channels = 2, .rate = 8000},
        {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000},
        SOUND_AAC,
    };
    bench *b = *state;
    hear(b);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    for (size_t i = 0; i < CM_COUNT(OTHERS); i++)
        put(b, &OTHERS[i], PCMU_TICKS);
    assert_int_equal(b->s->count, 1);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->s->count, 2);
    assert_int_equal(b->sound->figures.frames_skipped, CM_COUNT(OTHERS));
    assert_true(b->s->packets[1].rtp.marker);
}

static void what_is_not_carried_comes_made_over(void **state)
{
    (void)state;
    const cm_sound_format wide = {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 16000};
    const cm_sound_format stereo = {.codec = CM_SOUND_PCMU, .channels = 2, .rate = 8000};
    const cm_sound_format *const AS_IT_IS[] = {&SOUND_PCMU, &SOUND_OPUS};
    const cm_sound_format *const MADE[] = {&SOUND_AAC, &wide};
    cm_stream stream;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cm_webrtc_sound_stream(AS_IT_IS[i], &stream), CM_OK);
        assert_int_equal(stream, CM_STREAM_SOUND);
        assert_int_equal(cm_webrtc_sound_stream(MADE[i], &stream), CM_OK);
        assert_int_equal(stream, CM_STREAM_SOUND_OPUS);
    }
    assert_int_equal(cm_webrtc_sound_stream(&stereo, &stream), CM_ABSENT);
}

/* Opus made of AAC: some packets in a frame, none in another; the numbers go on to the tick as long
 * as nothing is missing. */
static void each_piece_of_what_was_made_is_a_packet(void **state)
{
    enum { STEP_MS = 64, TURNS = 25, PIECE = 60 };
    bench *b = *state;
    cm_source *made;
    const cm_source_config config = {.hub = b->r.hubs[0],
                                     .loop = b->r.loops[0],
                                     .camera = b->r.door.camera,
                                     .stream = CM_STREAM_SOUND_OPUS,
                                     .on_want_sealers = rig_on_want,
                                     .owner = &b->r};
    assert_int_equal(cm_source_create(&config, &made), CM_OK);
    assert_int_equal(
        cm_source_take_sealers(
            made, testing_sealer(&b->r.door, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1), NULL),
        CM_OK);
    b->config.media.stream = CM_STREAM_SOUND_OPUS;
    b->config.media.codec = CM_SOUND_OPUS;
    hear(b);
    uint8_t head[CM_SOUND_FORMAT_MAX], body[PIECE] = {0xF8}; /* 20 ms, mono, one frame */
    cm_writer w = cm_writer_over(head, sizeof head);
    assert_int_equal(cm_sound_format_write(&w, &SOUND_OPUS), CM_OK);
    cm_plain_granule granules[1 + 4] = {{.body = cm_writer_done(&w)}};
    for (size_t i = 1; i < CM_COUNT(granules); i++)
        granules[i].body = cm_slice_over(body, sizeof body);
    size_t out_ms = 0;
    for (size_t i = 1; i <= TURNS; i++) {
        const size_t pieces = i * STEP_MS / 20 - out_ms / 20;
        const cm_plain_frame plain = {.granules = granules,
                                      .count = 1 + pieces,
                                      .flags = CM_FRAME_KEYFRAME,
                                      .duration_ms = (uint16_t)(pieces * 20),
                                      .captured = cm_loop_wall(b->r.loops[0]),
                                      .media_time = (int64_t)(9000000 + i * STEP_MS * 90)};
        out_ms += pieces * 20;
        assert_int_equal(cm_source_put(made, &plain), CM_OK);
        rig_run(&b->r, CM_MS(STEP_MS));
    }
    assert_int_equal(b->s->count, TURNS * STEP_MS / 20);
    for (size_t i = 1; i < b->s->count; i++) {
        const wire_packet *packet = &b->s->packets[i];
        assert_int_equal(packet->rtp.timestamp - packet[-1].rtp.timestamp, OPUS_TICKS);
        assert_int_equal(packet->rtp.payload.size, PIECE);
        assert_false(packet->rtp.marker);
    }
    /* What its maker left out is told by him; what was lost since is seen by its time. */
    const uint32_t last = b->s->packets[b->s->count - 1].rtp.timestamp;
    const size_t count = b->s->count;
    cm_plain_frame plain = {.granules = granules,
                            .count = 2,
                            .flags = CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY,
                            .duration_ms = 20,
                            .captured = cm_loop_wall(b->r.loops[0]),
                            .media_time = 9000000 + (TURNS + 2) * STEP_MS * 90};
    assert_int_equal(cm_source_put(made, &plain), CM_OK);
    plain.flags = CM_FRAME_KEYFRAME;
    plain.media_time += 200 * 90;
    assert_int_equal(cm_source_put(made, &plain), CM_OK);
    rig_run(&b->r, CM_MS(5));
    assert_int_equal(b->s->count, count + 2);
    assert_true(b->s->packets[count].rtp.marker && b->s->packets[count + 1].rtp.marker);
    assert_true(b->s->packets[count].rtp.timestamp - last > 60 * 48);
    assert_int_equal(b->s->packets[count + 1].rtp.timestamp - b->s->packets[count].rtp.timestamp,
                     200 * 48);
    cm_source_destroy(made);
}

/* ---- time ---- */

static const cm_rtcp_packet *newest_report(const bench *b)
{
    static cm_rtcp_packet report;
    cm_slice rest = cm_slice_over(b->s->control, b->s->control_size);
    cm_rtcp_item item;
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_OK);
    assert_int_equal(cm_rtcp_report_parse(&item, &report), CM_OK);
    assert_int_equal(report.type, CM_RTCP_SR);
    return &report;
}

/* By the newest report the instant of the newest packet is the one at which it was captured, though
 * the camera's clock runs 2 % fast. */
static void reports_tell_when_it_was_heard(void **state)
{
    bench *b = *state;
    hear(b);
    for (unsigned i = 0; i < 500; i++) {
        microphone_put(&b->microphone, &SOUND_PCMU, PCMU_TICKS, 0);
        rig_run(&b->r, SOUND_PACKET_US * 98 / 100);
    }
    const cm_rtcp_packet *report = newest_report(b);
    const wire_packet *packet = &b->s->packets[b->s->count - 1];
    const int64_t since_ticks = (int32_t)(report->sender.rtp_timestamp - packet->rtp.timestamp);
    const cm_wall heard = {cm_rtp_wall_of(report->sender.ntp_timestamp).us -
                           since_ticks * 1000000 / 8000};
    const int64_t off_us = heard.us - b->sound->newest_captured.us;
    assert_in_range(off_us + 25000, 0, 50000); /* what drifted since that report */
    assert_int_equal(report->ssrc, SOUND_SSRC);
    assert_true(b->s->controls > 7 && b->s->controls < 15);
}

static void what_waited_too_long_is_left_out(void **state)
{
    bench *b = *state;
    hear(b);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    cm_epoch_publish(b->r.page, b->r.door.slot, 2);
    for (unsigned i = 0; i < 50; i++)
        put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->stale, 1);
    assert_int_equal(b->s->count, 1);
    cm_webrtc_sound_renew(b->sound, sound_lease_to_hear(&b->r, 2));
    rig_run(&b->r, SOUND_PACKET_US);
    assert_in_range(b->s->count - 1, 14, 17); /* 300 ms */
    assert_payload(&b->s->packets[b->s->count - 1], 50, &SOUND_PCMU, PCMU_TICKS);
    assert_true(b->s->packets[1].rtp.marker);
}

/* ---- walls ---- */

static void without_the_right_there_is_none(void **state)
{
    bench *b = *state;
    assert_int_equal(
        cm_webrtc_sound_create(&b->config, sound_lease(&b->r, CM_RIGHT_VIEW, 1), &b->sound),
        CM_REFUSE);
    assert_null(b->sound);
    /* Nor does a subscription that is made all the same get any: there is no key. */
    viewer v = {.rig = &b->r};
    assert_int_equal(cm_hub_subscribe(b->r.hubs[0], sound_lease(&b->r, CM_RIGHT_VIEW, 1),
                                      CM_STREAM_SOUND, &RIG_EVENTS, &v, &v.sub),
                     CM_OK);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(v.offered, 0);
    rig_leave(&v);
}

static void losing_the_right_ends_it(void **state)
{
    bench *b = *state;
    hear(b);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    cm_epoch_publish(b->r.page, b->r.door.slot, 2);
    cm_webrtc_sound_renew(b->sound, sound_lease(&b->r, CM_RIGHT_VIEW, 2));
    for (unsigned i = 0; i < 10; i++)
        put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->s->count, 1);
}

static void the_cut_is_the_end(void **state)
{
    bench *b = *state;
    hear(b);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    cm_webrtc_sound_destroy(b->sound);
    b->sound = NULL;
    cm_slice rest = cm_slice_over(b->s->control, b->s->control_size);
    cm_rtcp_item item;
    cm_rtcp_packet bye = {.type = CM_RTCP_SR};
    while (cm_rtcp_next_item(&rest, &item) == CM_OK)
        CM_IGNORE(cm_rtcp_report_parse(&item, &bye), "the last one counts");
    assert_int_equal(bye.type, CM_RTCP_BYE);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->s->count, 1);
}

static void what_cannot_be_is_refused(void **state)
{
    bench *b = *state;
    const cm_webrtc_sound_media fine = b->config.media;
    b->config.media.codec = CM_SOUND_AAC;
    assert_int_equal(cm_webrtc_sound_create(&b->config, sound_lease_to_hear(&b->r, 1), &b->sound),
                     CM_REFUSE);
    b->config.media = fine;
    b->config.media.mid = CM_TEXT("seventeen letters");
    assert_int_equal(cm_webrtc_sound_create(&b->config, sound_lease_to_hear(&b->r, 1), &b->sound),
                     CM_REFUSE);
    b->config.media = fine;
    b->config.media.cname = CM_TEXT("");
    assert_int_equal(cm_webrtc_sound_create(&b->config, sound_lease_to_hear(&b->r, 1), &b->sound),
                     CM_REFUSE);
    b->config.media = fine;
    b->config.media.extensions.transport_sequence = 15;
    assert_int_equal(cm_webrtc_sound_create(&b->config, sound_lease_to_hear(&b->r, 1), &b->sound),
                     CM_REFUSE);
    assert_null(b->sound);
}

/* A receiver that knows the SSRC needs no MID any more. */
static void a_report_is_heard(void **state)
{
    bench *b = *state;
    hear(b);
    put(b, &SOUND_PCMU, PCMU_TICKS);
    uint8_t storage[128];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_rtcp_block other = {.ssrc = MEDIA_SSRC, .fraction_lost = 9};
    cm_rtcp_write_rr(&w, PEER_SSRC, &other);
    cm_webrtc_sound_rtcp(b->sound, cm_writer_done(&w));
    put(b, &SOUND_PCMU, PCMU_TICKS);
    w = cm_writer_over(storage, sizeof storage);
    const cm_rtcp_block ours = {.ssrc = SOUND_SSRC, .fraction_lost = 13};
    cm_rtcp_write_rr(&w, PEER_SSRC, &ours);
    cm_webrtc_sound_rtcp(b->sound, cm_writer_done(&w));
    put(b, &SOUND_PCMU, PCMU_TICKS);
    assert_int_equal(b->s->packets[1].extensions.mid.size, 1);
    assert_int_equal(b->s->packets[2].extensions.mid.size, 0);
    assert_int_equal(b->sound->figures.fraction_lost, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(codec_frames_go_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(the_clocks_jitter_is_not_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(opus_counts_by_its_own_clock_and_silence_is_left_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_large_packet_goes_whole_and_a_larger_one_not_at_all,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(another_format_is_left_out, setup, teardown),
        cmocka_unit_test(what_is_not_carried_comes_made_over),
        cmocka_unit_test_setup_teardown(each_piece_of_what_was_made_is_a_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_tell_when_it_was_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waited_too_long_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_right_there_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(losing_the_right_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_cut_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_report_is_heard, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
