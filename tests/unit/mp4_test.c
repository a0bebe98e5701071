/* egress/mp4: what an opened frame is laid out as, and what a viewer's connection gets of it
 * however little it takes at a time. */
#include "egress/mp4/mp4_priv.h"
#include "fake_http.h"
#include "h264_sets.h"
#include "h265_sets.h"
#include "hub_rig.h"
#include "proto/video/packetize.h"
#include "proto/video/sets.h"

enum { ACCESS_UNIT_MAX = 200000 };

/* An access unit as the camera sent it, cut as ingest cuts it. */
typedef struct unit {
    cm_video_codec codec;
    cm_slice nals[16];
    size_t nal_count;
    uint8_t bytes[ACCESS_UNIT_MAX]; /* of granules one after the other */
    cm_plain_granule plain[512];
    cm_slice granules[512];
    size_t granule_count;
} unit;

static uint8_t noise[60000];

static void make_noise(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
}

/* A slice of `type` whose bytes depend on `seed`. */
static cm_slice nal_of(uint8_t type, size_t size, size_t seed)
{
    static uint8_t storage[64][sizeof noise];
    static size_t used;
    uint8_t *nal = storage[used++ % CM_COUNT(storage)];
    for (size_t i = 0; i < size; i++)
        nal[i] = noise[(i + seed * 7) % sizeof noise];
    nal[0] = (uint8_t)(0x60 | type);
    return cm_slice_over(nal, size);
}

/* The same of H.265, with its header of two bytes. */
static cm_slice h265_nal_of(uint8_t type, size_t size, size_t seed)
{
    const cm_slice nal = nal_of(0, size, seed);
    cm_writer header = cm_writer_over((void *)(uintptr_t)nal.bytes, 2);
    cm_write_u16(&header, (uint16_t)(type << 9 | 1));
    return nal;
}

static void cut(unit *u)
{
    cm_video_packetizer p;
    cm_video_granule g;
    cm_writer w = cm_writer_over(u->bytes, sizeof u->bytes);
    u->granule_count = 0;
    assert_int_equal(
        cm_video_packetizer_init(&p, u->codec, u->nals, u->nal_count, CM_VIDEO_GRANULE_BYTES),
        CM_OK);
    while (cm_video_packetizer_next(&p, &g)) {
        const size_t begin = w.used;
        cm_write_slice(&w, cm_slice_over(g.header, g.header_size));
        cm_write_slice(&w, g.body);
        assert_false(w.failed);
        u->granules[u->granule_count] = cm_slice_from(cm_writer_done(&w), begin);
        u->plain[u->granule_count].head_size = 0;
        u->plain[u->granule_count].body = u->granules[u->granule_count];
        u->granule_count++;
    }
}

static void make_keyframe(unit *u, cm_slice sps, cm_slice pps, size_t size, size_t seed)
{
    *u = (unit){.nals = {sps, pps, nal_of(CM_H264_NAL_SEI, 40, seed),
                         nal_of(CM_H264_NAL_IDR, size, seed), nal_of(CM_H264_NAL_IDR, 300, seed)},
                .nal_count = 5};
    cut(u);
}

/* Good in the block in which it stands. */
#define H265_SETS ((const cm_slice[]){VPS_MAIN, SPS_MAIN, PPS_MAIN})

static void make_h265_keyframe(unit *u, const cm_slice *sets, size_t size, size_t seed)
{
    *u = (unit){.codec = CM_VIDEO_H265,
                .nals = {sets[0], sets[1], sets[2], h265_nal_of(CM_H265_NAL_SEI_PREFIX, 40, seed),
                         h265_nal_of(CM_H265_NAL_IDR_N_LP, size, seed),
                         h265_nal_of(CM_H265_NAL_IDR_N_LP, 300, seed)},
                .nal_count = 6};
    cut(u);
}

static void make_h265_picture(unit *u, size_t size, size_t seed)
{
    *u = (unit){.codec = CM_VIDEO_H265,
                .nals = {h265_nal_of(CM_H265_NAL_TRAIL_R, size, seed),
                         h265_nal_of(CM_H265_NAL_TRAIL_R, size / 3 + 2, seed + 1)},
                .nal_count = 2};
    cut(u);
}

static void make_picture(unit *u, size_t size, size_t seed)
{
    *u = (unit){.nals = {nal_of(CM_H264_NAL_SLICE, size, seed),
                         nal_of(CM_H264_NAL_SLICE, size / 3 + 1, seed + 1)},
                .nal_count = 2};
    cut(u);
}

/* ---- layout ---- */

static cm_frame head_of(uint64_t number, uint16_t flags, size_t count)
{
    return (cm_frame){.number = number,
                      .captured = {CM_SECONDS(1800000000) + 123456},
                      .media_time = 4500 * (int64_t)number,
                      .flags = flags,
                      .count = (uint16_t)count,
                      .duration_ms = 50};
}

static size_t flatten(const cm_mp4_layout *layout, uint8_t *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    for (size_t i = 0; i < layout->count; i++)
        cm_write_slice(&w, layout->parts[i]);
    assert_false(w.failed);
    assert_int_equal(w.used, layout->size);
    return w.used;
}

/* The sample that fMP4 wants: all NAL units but parameter sets, behind 4-byte lengths. */
static size_t expected_sample(const unit *u, uint8_t *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    for (size_t i = 0; i < u->nal_count; i++) {
        if (cm_video_set_of(u->codec, u->nals[i]) != CM_VIDEO_SET_NONE)
            continue;
        cm_write_u32(&w, (uint32_t)u->nals[i].size);
        cm_write_slice(&w, u->nals[i]);
    }
    assert_false(w.failed);
    return w.used;
}

/* Room of the pass, anew. */
static cm_writer *work_of_pass(void)
{
    static uint8_t bytes[ACCESS_UNIT_MAX];
    static cm_writer work;
    work = cm_writer_over(bytes, sizeof bytes);
    return &work;
}

static void check_layout(cm_mp4_muxer *muxer, const unit *u, uint64_t pass, uint16_t flags)
{
    static uint8_t part[ACCESS_UNIT_MAX];
    static uint8_t sample[ACCESS_UNIT_MAX];
    const cm_frame frame = head_of(pass, flags, u->granule_count);
    const cm_opened_frame opened = {.pass = pass,
                                    .frame = &frame,
                                    .granules = u->granules,
                                    .count = u->granule_count,
                                    .work = work_of_pass()};
    cm_mp4_layout layout;
    assert_int_equal(cm_mp4_lay_out(muxer, &opened, &layout), CM_OK);
    cm_slice rest = cm_slice_over(part, flatten(&layout, part, sizeof part));
    cm_fmp4_part read;
    cm_slice read_sample;
    assert_int_equal(cm_fmp4_part_parse(&rest, &read, &read_sample), CM_OK);
    assert_int_equal(rest.size, 0);
    assert_int_equal(read.frame_number, pass);
    assert_int_equal(read.decode_time_90k, 4500 * pass);
    assert_int_equal(read.duration_90k, 4500);
    assert_int_equal(read.is_keyframe, (flags & CM_FRAME_KEYFRAME) != 0);
    assert_int_equal(read.capture_ntp,
                     cm_fmp4_ntp_of_unix_us((uint64_t)CM_SECONDS(1800000000) + 123456));
    assert_int_equal(read_sample.size, expected_sample(u, sample, sizeof sample));
    assert_memory_equal(read_sample.bytes, sample, read_sample.size);
}

static void a_part_is_the_access_unit_behind_its_boxes(void **state)
{
    (void)state;
    cm_mp4_muxer *muxer;
    static unit u;
    assert_int_equal(cm_mp4_muxer_create(&muxer), CM_OK);
    uint64_t pass = 1;
    const size_t sizes[] = {2, 1135, 1136, 1137, 1138, 2270, 5000, 50000};
    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        make_keyframe(&u, SPS_BASELINE, PPS_BASELINE, sizes[i], i);
        check_layout(muxer, &u, pass++, CM_FRAME_KEYFRAME);
        make_picture(&u, sizes[i], i);
        check_layout(muxer, &u, pass++, 0);
    }
    cm_mp4_muxer_destroy(muxer);
}

static void a_part_of_h265_is_the_access_unit_without_its_sets(void **state)
{
    (void)state;
    cm_mp4_muxer *muxer;
    static unit u;
    assert_int_equal(cm_mp4_muxer_create(&muxer), CM_OK);
    uint64_t pass = 1;
    const size_t sizes[] = {3, 1135, 1136, 1137, 1138, 2271, 5000, 50000};
    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        make_h265_keyframe(&u, H265_SETS, sizes[i], i);
        check_layout(muxer, &u, pass++, CM_FRAME_KEYFRAME | CM_FRAME_H265);
        make_h265_picture(&u, sizes[i], i);
        check_layout(muxer, &u, pass++, CM_FRAME_H265);
    }
    cm_mp4_muxer_destroy(muxer);
}

static void the_same_frame_gives_the_same_bytes(void **state)
{
    (void)state;
    cm_mp4_muxer *muxers[2];
    static unit u;
    static uint8_t bytes[2][ACCESS_UNIT_MAX];
    size_t sizes[2];
    make_keyframe(&u, SPS_HIGH, PPS_HIGH, 9000, 3);
    const cm_frame frame = head_of(7, CM_FRAME_KEYFRAME, u.granule_count);
    for (size_t i = 0; i < 2; i++) {
        cm_mp4_layout layout;
        const cm_opened_frame opened = {.pass = 40 + i,
                                        .frame = &frame,
                                        .granules = u.granules,
                                        .count = u.granule_count,
                                        .work = work_of_pass()};
        assert_int_equal(cm_mp4_muxer_create(&muxers[i]), CM_OK);
        assert_int_equal(cm_mp4_lay_out(muxers[i], &opened, &layout), CM_OK);
        sizes[i] = flatten(&layout, bytes[i], sizeof bytes[i]);
        assert_true(cm_slice_equal(layout.sps, SPS_HIGH));
        assert_int_equal(layout.pps_count, 1);
        assert_true(cm_slice_equal(layout.pps[0], PPS_HIGH));
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    cm_mp4_muxer_destroy(muxers[0]);
    cm_mp4_muxer_destroy(muxers[1]);
}

static cm_status lay_out_as(uint16_t flags, const cm_slice *granules, size_t count)
{
    cm_mp4_muxer *muxer;
    cm_mp4_layout layout;
    const cm_frame frame = head_of(1, flags, count);
    const cm_opened_frame opened = {
        .pass = 1, .frame = &frame, .granules = granules, .count = count, .work = work_of_pass()};
    assert_int_equal(cm_mp4_muxer_create(&muxer), CM_OK);
    const cm_status status = cm_mp4_lay_out(muxer, &opened, &layout);
    cm_mp4_muxer_destroy(muxer);
    return status;
}

static cm_status lay_out(const cm_slice *granules, size_t count)
{
    return lay_out_as(0, granules, count);
}

static void granules_that_no_packetiser_makes_are_refused(void **state)
{
    (void)state;
    const cm_slice slice = BYTES(0x61, 1, 2);
    const cm_slice begin = BYTES(0x7C, 0x81, 1);
    const cm_slice middle = BYTES(0x7C, 0x01, 2);
    const cm_slice end = BYTES(0x7C, 0x41, 3);
    assert_int_equal(lay_out((cm_slice[]){begin, middle, end}, 3), CM_OK);
    assert_int_equal(lay_out((cm_slice[]){slice, begin, end, slice}, 4), CM_OK);
    assert_int_equal(lay_out((cm_slice[]){middle, end}, 2), CM_CLOSE);
    assert_int_equal(lay_out((cm_slice[]){begin, middle}, 2), CM_CLOSE);
    assert_int_equal(lay_out((cm_slice[]){begin, slice, end}, 3), CM_CLOSE);
    assert_int_equal(lay_out((cm_slice[]){begin, begin, end}, 3), CM_CLOSE);
    assert_int_equal(lay_out((cm_slice[]){begin, BYTES(0x7C, 0x02, 2), end}, 3), CM_CLOSE);
    assert_int_equal(lay_out((cm_slice[]){BYTES(0x78, 0, 1, 0x61)}, 1), CM_CLOSE); /* STAP-A */
    assert_int_equal(lay_out((cm_slice[]){BYTES(0x7C, 0xC1)}, 1), CM_CLOSE);       /* no payload */
    assert_int_equal(lay_out((cm_slice[]){BYTES(0x60, 1)}, 1), CM_CLOSE);          /* type 0 */
    assert_int_equal(lay_out((cm_slice[]){SPS_BASELINE, PPS_BASELINE}, 2), CM_CLOSE);
}

static void granules_of_h265_that_no_packetiser_makes_are_refused(void **state)
{
    (void)state;
    const cm_slice slice = BYTES(0x02, 1, 2);
    const cm_slice begin = BYTES(0x62, 1, 0x81, 1);
    const cm_slice middle = BYTES(0x62, 1, 0x01, 2);
    const cm_slice end = BYTES(0x62, 1, 0x41, 3);
    const uint16_t h265 = CM_FRAME_H265;
    assert_int_equal(lay_out_as(h265, (cm_slice[]){slice, begin, middle, end}, 4), CM_OK);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){middle, end}, 2), CM_CLOSE);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){begin, middle}, 2), CM_CLOSE);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){begin, VPS_MAIN, end}, 3), CM_CLOSE);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){BYTES(0x60, 1, 0, 3, 2, 1, 2)}, 1), CM_CLOSE);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){VPS_MAIN, SPS_MAIN, PPS_MAIN}, 3), CM_CLOSE);
    /* The flag decides, not the look of the bytes: read as H.264 these are another thing. */
    assert_int_equal(lay_out((cm_slice[]){begin, middle, end}, 3), CM_OK);
    assert_int_equal(lay_out_as(h265, (cm_slice[]){BYTES(0x7C, 0x81, 1)}, 1), CM_CLOSE);
}

static void as_many_nal_units_as_a_frame_holds_are_laid_out(void **state)
{
    (void)state;
    static cm_slice granules[CM_FRAME_GRANULES_MAX];
    const cm_slice slice = BYTES(0x61, 1, 2);
    for (size_t i = 0; i < CM_COUNT(granules); i++)
        granules[i] = slice;
    assert_int_equal(lay_out(granules, CM_COUNT(granules)), CM_OK);
}

/* ---- viewers ---- */

typedef struct stage {
    rig r;
    cm_mp4_muxer *muxer;
    cm_http_request request;
    cm_mp4_viewer *viewer;
    unsigned stale;
    unsigned ended;
    bool keeps_viewer; /* does not destroy it inside on_end */
} stage;

static void on_stale(void *owner)
{
    stage *s = owner;
    s->stale++;
}

static void on_end(void *owner)
{
    stage *s = owner;
    s->ended++;
    if (s->keeps_viewer)
        return;
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
}

static const cm_mp4_events EVENTS = {on_stale, on_end};

static int open_stage(void **state)
{
    stage *s = calloc(1, sizeof *s);
    rig_open(&s->r, 1, 0);
    rig_start(&s->r);
    assert_int_equal(cm_mp4_muxer_create(&s->muxer), CM_OK);
    s->request.room = SIZE_MAX / 2;
    *state = s;
    return 0;
}

static int close_stage(void **state)
{
    stage *s = *state;
    cm_mp4_viewer_destroy(s->viewer);
    rig_close(&s->r);
    cm_mp4_muxer_destroy(s->muxer);
    fake_http_free(&s->request);
    free(s);
    return 0;
}

static void view(stage *s)
{
    const cm_mp4_config config = {.hub = s->r.hubs[0],
                                  .loop = s->r.loops[0],
                                  .muxer = s->muxer,
                                  .request = &s->request,
                                  .stream = CM_STREAM_MAIN,
                                  .events = &EVENTS,
                                  .owner = s};
    assert_int_equal(cm_mp4_viewer_create(&config, rig_lease(&s->r, &s->r.door, 1), &s->viewer),
                     CM_OK);
}

static void put(stage *s, const unit *u, uint16_t flags)
{
    const cm_plain_frame plain = {.granules = u->plain,
                                  .count = u->granule_count,
                                  .flags = flags,
                                  .duration_ms = 50,
                                  .captured = {CM_SECONDS(1800000000) + s->r.serial},
                                  .media_time = 4500 * (int64_t)s->r.serial};
    s->r.serial++;
    assert_int_equal(cm_source_put(s->r.source, &plain), CM_OK);
}

static void put_keyframe(stage *s, cm_slice sps, cm_slice pps, size_t size, size_t seed)
{
    static unit u;
    make_keyframe(&u, sps, pps, size, seed);
    put(s, &u, CM_FRAME_KEYFRAME);
}

static void put_picture(stage *s, size_t size, size_t seed)
{
    static unit u;
    make_picture(&u, size, seed);
    put(s, &u, 0);
}

/* "i" for an init segment, "K" for a keyframe's part, "p" for another's; the stream has to be whole
 * boxes all through. */
static void shape_of(const cm_http_request *request, char *out, size_t capacity)
{
    cm_slice rest = cm_slice_over(request->body, request->size);
    size_t count = 0;
    while (rest.size > 0 && count + 1 < capacity) {
        cm_fmp4_part part;
        cm_slice sample;
        if (cm_fmp4_part_parse(&rest, &part, &sample) == CM_OK) {
            out[count++] = part.is_keyframe ? 'K' : 'p';
            continue;
        }
        cm_reader r = cm_reader_over(rest);
        cm_fmp4_box box;
        assert_true(cm_fmp4_next_box(&r, &box));
        assert_int_equal(box.type, CM_FMP4_TYPE('f', 't', 'y', 'p'));
        assert_true(cm_fmp4_next_box(&r, &box));
        assert_int_equal(box.type, CM_FMP4_TYPE('m', 'o', 'o', 'v'));
        rest = r.rest;
        out[count++] = 'i';
    }
    out[count] = '\0';
}

static void assert_shape(const cm_http_request *request, const char *expected)
{
    char shape[64];
    shape_of(request, shape, sizeof shape);
    assert_string_equal(shape, expected);
}

static void the_response_begins_with_the_init_segment_and_the_cached_group(void **state)
{
    stage *s = *state;
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 5000, 1);
    put_picture(s, 700, 2);
    view(s);
    assert_false(s->request.has_begun);
    rig_run(&s->r, CM_MS(1));
    assert_int_equal(s->request.status, 200);
    assert_string_equal(s->request.type, "video/mp4; codecs=\"avc1.42C00C\"");
    assert_true(s->request.no_store);
    put_picture(s, 700, 3);
    assert_shape(&s->request, "iKpp");
}

static void put_h265(stage *s, size_t size, size_t seed, bool is_keyframe)
{
    static unit u;
    const cm_slice *sets = H265_SETS;
    if (is_keyframe)
        make_h265_keyframe(&u, sets, size, seed);
    else
        make_h265_picture(&u, size, seed);
    put(s, &u, (uint16_t)(CM_FRAME_H265 | (is_keyframe ? CM_FRAME_KEYFRAME : 0)));
}

static void a_response_of_h265_says_so(void **state)
{
    stage *s = *state;
    put_h265(s, 5000, 1, true);
    put_h265(s, 700, 2, false);
    view(s);
    rig_run(&s->r, CM_MS(1));
    assert_int_equal(s->request.status, 200);
    assert_string_equal(s->request.type, "video/mp4; codecs=\"hvc1.1.6.L63.90\"");
    put_h265(s, 700, 3, true);
    assert_shape(&s->request, "iKpK");
}

/* It is another type of content: the response ends, and the player asks anew. */
static void a_change_of_codec_ends_the_response(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    put_h265(s, 500, 2, true);
    assert_int_equal(s->ended, 1);
    assert_true(s->request.was_reset);
    assert_shape(&s->request, "iK");
}

static void an_init_segment_comes_first_and_with_changed_parameter_sets_only(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    put_picture(s, 200, 2);
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 3);
    put_keyframe(s, SPS_HIGH, PPS_HIGH, 500, 4);
    put_picture(s, 200, 5);
    put_keyframe(s, SPS_HIGH, PPS_HIGH, 500, 6);
    put_keyframe(s, SPS_HIGH, PPS_BASELINE, 500, 7); /* the PPS alone */
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 8);
    assert_shape(&s->request, "iKpKiKpKiKiK");
}

static void drain_all(stage *s)
{
    const size_t step = s->request.at_most == 0 ? SIZE_MAX / 2 : s->request.at_most;
    for (size_t i = 0; i < 100000 && s->request.owes_drain; i++)
        fake_http_drain(&s->request, step);
}

/* The stream of a few pictures when every write takes at most `at_most` and the connection is full
 * after `room`, until it drains. */
static void stream_with(stage *s, size_t at_most, size_t room)
{
    s->request.at_most = at_most;
    s->request.room = room;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 3000, 1);
    put_picture(s, 400, 2);
    drain_all(s);
    put_keyframe(s, SPS_HIGH, PPS_HIGH, 1500, 3);
    drain_all(s);
    cm_mp4_viewer_destroy(s->viewer);
    s->viewer = NULL;
    assert_true(s->request.has_ended);
}

static void partial_writes_at_every_offset_give_the_same_bytes(void **state)
{
    (void)state;
    stage *whole;
    open_stage((void **)&whole);
    stream_with(whole, 0, SIZE_MAX / 2);
    assert_shape(&whole->request, "iKpiK");
    const size_t size = whole->request.size;
    assert_in_range(size, 5000, 10000);
    for (size_t room = 0; room < size; room++) {
        stage *s;
        open_stage((void **)&s);
        stream_with(s, 0, room);
        assert_int_equal(s->request.size, size);
        /* Sealing makes the same plain bytes: numbers and times start alike in each stage. */
        assert_memory_equal(s->request.body, whole->request.body, size);
        close_stage((void **)&s);
    }
    for (size_t at_most = 1; at_most < 200; at_most += 33) {
        stage *s;
        open_stage((void **)&s);
        stream_with(s, at_most, at_most);
        assert_int_equal(s->request.size, size);
        assert_memory_equal(s->request.body, whole->request.body, size);
        close_stage((void **)&s);
    }
    close_stage((void **)&whole);
}

static void an_init_segment_is_not_lost_when_the_connection_is_full(void **state)
{
    stage *s = *state;
    s->request.room = 0;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    assert_int_equal(s->request.size, 0);
    fake_http_drain(&s->request, 1000000);
    assert_shape(&s->request, "iK");
}

static void granules_that_are_no_pictures_end_the_stream(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    static unit middle_only;
    middle_only = (unit){.plain[0].body = BYTES(0x7C, 0x01, 2), .granule_count = 1};
    put(s, &middle_only, 0);
    assert_int_equal(s->ended, 1);
    assert_null(s->viewer);
    assert_true(s->request.was_reset);
    assert_shape(&s->request, "iK");
}

static void a_keyframe_without_parameter_sets_is_no_beginning(void **state)
{
    stage *s = *state;
    static unit u;
    make_picture(&u, 100, 1);
    view(s);
    rig_run(&s->r, CM_MS(1));
    put(s, &u, CM_FRAME_KEYFRAME);
    assert_int_equal(s->ended, 1);
    assert_false(s->request.has_begun);
    assert_true(s->request.was_reset);
}

static void without_a_first_picture_it_says_503(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(7999));
    assert_int_equal(s->request.status, 0);
    rig_run(&s->r, CM_MS(2));
    assert_int_equal(s->request.status, 503);
    assert_string_equal(s->request.problem, "camera-not-ready");
    assert_int_equal(s->ended, 1);
}

static void the_wait_ends_with_the_first_picture(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_SECONDS(7));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    rig_run(&s->r, CM_SECONDS(7));
    assert_int_equal(s->request.status, 200);
    assert_int_equal(s->ended, 0);
}

static void nothing_comes_after_the_end(void **state)
{
    stage *s = *state;
    s->keeps_viewer = true;
    view(s);
    rig_run(&s->r, CM_MS(1));
    s->request.is_gone = true;
    s->request.events->on_gone(s->request.owner);
    assert_int_equal(s->ended, 1);
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    cm_epoch_publish(s->r.page, s->r.door.slot, 2);
    rig_run(&s->r, CM_SECONDS(20));
    cm_mp4_viewer_renew(s->viewer, rig_lease(&s->r, &s->r.door, 2));
    rig_run(&s->r, CM_SECONDS(1));
    assert_int_equal(s->ended, 1);
    assert_int_equal(s->stale, 0);
    assert_int_equal(s->request.status, 0);
}

static void a_peer_that_goes_ends_it_once(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    s->request.is_gone = true;
    put_picture(s, 100, 2);
    put_picture(s, 100, 3);
    assert_int_equal(s->ended, 0);
    s->request.events->on_gone(s->request.owner);
    assert_int_equal(s->ended, 1);
    assert_null(s->viewer);
}

static void destroying_ends_the_response_in_order_if_it_can(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    cm_mp4_viewer_destroy(s->viewer); /* between two pictures */
    assert_true(s->request.has_ended);
    fake_http_free(&s->request);
    s->request.room = 300;
    view(s);
    rig_run(&s->r, CM_MS(1)); /* in the middle of one */
    cm_mp4_viewer_destroy(s->viewer);
    assert_true(s->request.was_reset);
    assert_false(s->request.was_cut);
    fake_http_free(&s->request);
    s->request.room = 300;
    cm_source_stop(s->r.source);
    view(s);
    cm_mp4_viewer_destroy(s->viewer); /* before the first */
    s->viewer = NULL;
    assert_int_equal(s->request.status, 503);
    assert_int_equal(s->ended, 0);
}

static void the_cut_resets_the_connection(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    cm_mp4_viewer_cut(s->viewer);
    s->viewer = NULL;
    assert_true(s->request.was_cut);
    assert_int_equal(s->ended, 0);
}

static void a_turn_is_not_seen_in_the_stream(void **state)
{
    stage *s = *state;
    view(s);
    rig_run(&s->r, CM_MS(1));
    put_keyframe(s, SPS_BASELINE, PPS_BASELINE, 500, 1);
    cm_epoch_publish(s->r.page, s->r.door.slot, 2);
    put_picture(s, 100, 2);
    assert_int_equal(s->stale, 1);
    assert_shape(&s->request, "iK");
    cm_mp4_viewer_renew(s->viewer, rig_lease(&s->r, &s->r.door, 2));
    rig_run(&s->r, CM_MS(1));
    put_picture(s, 100, 3);
    assert_shape(&s->request, "iKpp");
}

int main(int argc, char **argv)
{
    make_noise();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one case by name */
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_part_is_the_access_unit_behind_its_boxes),
        cmocka_unit_test(a_part_of_h265_is_the_access_unit_without_its_sets),
        cmocka_unit_test(the_same_frame_gives_the_same_bytes),
        cmocka_unit_test(granules_that_no_packetiser_makes_are_refused),
        cmocka_unit_test(granules_of_h265_that_no_packetiser_makes_are_refused),
        cmocka_unit_test(as_many_nal_units_as_a_frame_holds_are_laid_out),
        CASE(the_response_begins_with_the_init_segment_and_the_cached_group),
        CASE(a_response_of_h265_says_so),
        CASE(a_change_of_codec_ends_the_response),
        CASE(an_init_segment_comes_first_and_with_changed_parameter_sets_only),
        cmocka_unit_test(partial_writes_at_every_offset_give_the_same_bytes),
        CASE(an_init_segment_is_not_lost_when_the_connection_is_full),
        CASE(granules_that_are_no_pictures_end_the_stream),
        CASE(a_keyframe_without_parameter_sets_is_no_beginning),
        CASE(without_a_first_picture_it_says_503),
        CASE(the_wait_ends_with_the_first_picture),
        CASE(nothing_comes_after_the_end),
        CASE(a_peer_that_goes_ends_it_once),
        CASE(destroying_ends_the_response_in_order_if_it_can),
        CASE(the_cut_resets_the_connection),
        CASE(a_turn_is_not_seen_in_the_stream),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
