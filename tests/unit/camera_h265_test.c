/* ingest/camera with a camera of H.265 (RFC 7798): what its description and its packets make of
 * status, flags and granules. A scripted camera on a simulated network. */
#include "camera_stage.h"
#include "h265_sets.h"
#include "proto/sdp/fmtp.h"
#include "proto/video/packetize.h"

enum { NAL_ROOM = 4096 };

#define IDR  BYTES(0x26, 0x01, 0xaf, 0x11, 0x22, 0x33)
#define CRA  BYTES(0x2a, 0x01, 0xac, 0x11, 0x22, 0x33)
#define P    BYTES(0x02, 0x01, 0xd0, 0x44, 0x55, 0x66)
#define RASL BYTES(0x12, 0x01, 0xe0, 0x77, 0x88, 0x99)

/* A description with these sets, and with what else `more` says of the format. */
static void describe(stage *s, const cm_sdp_h265 *sets, const char *more)
{
    static char sdp[1024];
    cm_writer w = cm_writer_over(sdp, sizeof sdp - 1);
    cm_write_text(&w, "v=0\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=fmtp:98 ");
    cm_write_text(&w, more);
    cm_sdp_h265_write(&w, sets);
    cm_write_text(&w, "\r\na=control:trackID=1\r\n");
    assert_false(w.failed);
    sdp[w.used] = '\0';
    s->camera.sdp = sdp;
    s->camera.payload_type = 98;
}

/* The camera says all its sets, and has not been asked yet. */
static void open_h265(stage *s)
{
    stage_open(s);
    describe(s, &(cm_sdp_h265){.set_count = 3, .sets = {VPS_MAIN, SPS_MAIN, PPS_MAIN}}, "");
}

static void begin(stage *s)
{
    create(s);
    run_ms(s, 100);
}

/* One packet; the picture's last one moves time on. */
static void send(stage *s, cm_slice payload, bool is_last)
{
    static uint32_t timestamp = 90000;
    fake_send_frame(&s->camera, payload, timestamp, is_last);
    if (!is_last)
        return;
    timestamp += TICKS;
    run_ms(s, 50);
}

static cm_source_counters counters_of(const stage *s)
{
    cm_source_counters counters;
    cm_source_read_counters(cm_camera_source(s->it, CM_STREAM_MAIN), &counters);
    return counters;
}

/* ---- what was sealed ---- */

typedef struct opened {
    uint8_t bytes[NAL_ROOM]; /* with 4-byte lengths */
    size_t size;
    size_t granules;
} opened;

static bool keep(void *owner, const cm_opened_frame *frame)
{
    opened *o = owner;
    cm_writer w = cm_writer_over(o->bytes, sizeof o->bytes);
    cm_video_reassembler assembly;
    cm_video_reassembler_init(&assembly, CM_VIDEO_H265, &w);
    for (size_t i = 0; i < frame->count; i++)
        assert_int_equal(cm_video_reassembler_put(&assembly, frame->granules[i]), CM_OK);
    assert_int_equal(cm_video_reassembler_finish(&assembly), CM_OK);
    o->size = w.used;
    o->granules = frame->count;
    return true;
}

static const cm_frame *keyframe_of(const stage *s)
{
    const cm_frame *frame = cm_source_keyframe(cm_camera_source(s->it, CM_STREAM_MAIN));
    assert_non_null(frame);
    assert_true((frame->flags & CM_FRAME_H265) != 0);
    return frame;
}

/* The newest keyframe is these NAL units. Returns in how many granules. */
static size_t expect_keyframe(const stage *s, const cm_slice *nals, size_t count)
{
    opened o = {.size = 0};
    cm_fanout *fanout;
    cm_lease *lease = testing_lease(&s->media, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor, .owner = &o};
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_fanout_open(fanout, keyframe_of(s), (cm_instant){CM_SECONDS(1)}, &viewer, 1, keep);
    assert_int_equal(viewer.refusal, CM_REFUSAL_NONE);
    cm_fanout_destroy(fanout);
    cm_lease_destroy(lease);
    cm_reader r = cm_reader_over(cm_slice_over(o.bytes, o.size));
    for (size_t i = 0; i < count; i++) {
        cm_slice nal;
        assert_true(cm_h264_next_avcc(&r, &nal));
        assert_true(cm_slice_equal(nal, nals[i]));
    }
    assert_int_equal(cm_reader_finish(&r), CM_OK);
    return o.granules;
}

#define EXPECT_KEYFRAME(s, ...)                                                                    \
    expect_keyframe(s, (const cm_slice[]){__VA_ARGS__}, CM_COUNT(((const cm_slice[]){__VA_ARGS__})))

/* ---- cases ---- */

static void sets_of_the_description_stand_before_each_keyframe(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    begin(&s);
    send(&s, IDR, true);
    send(&s, P, true);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    assert_string_equal(main_of(&s)->codec, "hvc1.1.6.L63.90");
    assert_int_equal(main_of(&s)->width, 640);
    assert_int_equal(main_of(&s)->height, 360);
    assert_int_equal(s.keyframes, 1);
    assert_int_equal(counters_of(&s).frames, 2);
    assert_int_equal(keyframe_of(&s)->flags,
                     CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY | CM_FRAME_H265);
    assert_int_equal(EXPECT_KEYFRAME(&s, VPS_MAIN, SPS_MAIN, PPS_MAIN, IDR), 4);
    stage_close(&s);
}

/* RFC 7798 4.4.2. */
static void write_aggregate(cm_writer *w, cm_slice vps, cm_slice sps, cm_slice pps)
{
    const cm_slice sets[] = {vps, sps, pps};
    cm_write_u16(w, 0x6001);
    for (size_t i = 0; i < CM_COUNT(sets); i++) {
        cm_write_u16(w, (uint16_t)sets[i].size);
        cm_write_slice(w, sets[i]);
    }
}

static void send_sets(stage *s, cm_slice vps, cm_slice sps, cm_slice pps)
{
    uint8_t bytes[512];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    write_aggregate(&w, vps, sps, pps);
    send(s, cm_writer_done(&w), false);
}

static void sets_come_in_band_and_change(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    describe(&s, &(cm_sdp_h265){.set_count = 0}, "");
    begin(&s);
    send(&s, IDR, true);
    assert_int_equal(s.keyframes, 0); /* nobody could decode it */
    send_sets(&s, VPS_MAIN, SPS_MAIN, PPS_MAIN);
    send(&s, IDR, true);
    assert_string_equal(main_of(&s)->codec, "hvc1.1.6.L63.90");
    (void)EXPECT_KEYFRAME(&s, VPS_MAIN, SPS_MAIN, PPS_MAIN, IDR);
    send_sets(&s, VPS_HD, SPS_HD, PPS_MAIN);
    send(&s, CRA, true);
    assert_int_equal(s.keyframes, 2);
    assert_string_equal(main_of(&s)->codec, "hvc1.1.6.L120.90");
    assert_int_equal(main_of(&s)->width, 1920);
    assert_int_equal(main_of(&s)->height, 1080);
    (void)EXPECT_KEYFRAME(&s, VPS_HD, SPS_HD, PPS_MAIN, CRA);
    stage_close(&s);
}

/* An IDR slice of 3,000 bytes as the camera cuts it, at 1,400; and as it is cut here. */
static void fragments_are_put_together_and_cut_anew(void **state)
{
    (void)state;
    stage s;
    uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(0x41 + i % 100);
    const cm_slice nal = cm_slice_over(bytes, sizeof bytes);
    cm_slice_copy(IDR, bytes, sizeof bytes);
    open_h265(&s);
    begin(&s);
    cm_video_packetizer packetizer;
    cm_video_granule g;
    assert_int_equal(cm_video_packetizer_init(&packetizer, CM_VIDEO_H265, &nal, 1, 1400), CM_OK);
    while (cm_video_packetizer_next(&packetizer, &g)) {
        uint8_t payload[1400];
        cm_writer w = cm_writer_over(payload, sizeof payload);
        assert_int_equal(g.header_size, 3);
        cm_write_slice(&w, cm_slice_over(g.header, g.header_size));
        cm_write_slice(&w, g.body);
        send(&s, cm_writer_done(&w), g.is_last);
    }
    assert_int_equal(EXPECT_KEYFRAME(&s, VPS_MAIN, SPS_MAIN, PPS_MAIN, nal), 3 + 3);
    stage_close(&s);
}

/* H.265 8.1.3: decoding begins at a CRA picture; what leads it and refers to before it is left out.
 */
static void a_stream_may_begin_at_a_cra_picture(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    begin(&s);
    send(&s, P, true);
    send(&s, CRA, true);
    send(&s, RASL, true);
    send(&s, P, true);
    assert_int_equal(s.keyframes, 1);
    assert_int_equal(counters_of(&s).frames, 2);
    stage_close(&s);
}

static void a_lost_packet_waits_for_the_next_keyframe(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    begin(&s);
    send(&s, IDR, true);
    s.camera.sequence++;
    send(&s, P, true);
    assert_int_equal(counters_of(&s).frames, 1);
    send(&s, IDR, true);
    assert_int_equal(s.keyframes, 2);
    assert_true((keyframe_of(&s)->flags & CM_FRAME_DISCONTINUITY) != 0);
    stage_close(&s);
}

static void decoding_order_numbers_are_not_spoken(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    describe(&s, &(cm_sdp_h265){.set_count = 0}, "sprop-max-don-diff=2;");
    begin(&s);
    assert_int_equal(main_of(&s)->cause, CM_CAUSE_CODEC_UNSUPPORTED);
    assert_string_equal(main_of(&s)->detail, "H265 in interleaved packets");
    stage_close(&s);
}

/* The camera is set to the other codec, and hangs up for that. */
static void the_codec_may_change_with_the_session(void **state)
{
    (void)state;
    stage s;
    open_h265(&s);
    begin(&s);
    send(&s, IDR, true);
    assert_string_equal(main_of(&s)->codec, "hvc1.1.6.L63.90");
    s.camera.sdp = NULL; /* the plain camera's: H.264 */
    s.camera.payload_type = 96;
    fake_close(&s.camera);
    run_ms(&s, 3000);
    fake_send_picture(&s.camera, true, 0);
    run_ms(&s, 100);
    assert_string_equal(main_of(&s)->codec, "avc1.42C00C");
    const cm_frame *frame = cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN));
    assert_int_equal(frame->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_of_the_description_stand_before_each_keyframe),
        cmocka_unit_test(sets_come_in_band_and_change),
        cmocka_unit_test(fragments_are_put_together_and_cut_anew),
        cmocka_unit_test(a_stream_may_begin_at_a_cra_picture),
        cmocka_unit_test(a_lost_packet_waits_for_the_next_keyframe),
        cmocka_unit_test(decoding_order_numbers_are_not_spoken),
        cmocka_unit_test(the_codec_may_change_with_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
