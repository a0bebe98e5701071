/*
 * proto/h264/depacketize: RFC 6184 and what cameras make of it. One behaviour a case: packets in, a
 * short text of the units out: K or P, timestamp, '!' if something was lost before, then type.size
 * of each NAL unit.
 */
#include "h264_sets.h"

#include "proto/h264/depacketize.h"
#include "proto/h264/packetize.h"

typedef struct rig {
    cm_h264_depacketizer d;
    cm_buffer buffer;
    char text[2048];
    cm_writer log;
    uint8_t last[4096]; /* bytes of the NAL units of the newest unit, joined */
    size_t last_size;
} rig;

static void note_unit(void *context, const cm_h264_access_unit *unit)
{
    rig *g = context;
    cm_write_format(&g->log, "%s%c%u%s", cm_writer_done(&g->log).size > 0 ? " " : "",
                    unit->is_keyframe ? 'K' : 'P', (unsigned)unit->timestamp,
                    unit->lost_before ? "!" : "");
    cm_writer w = cm_writer_over(g->last, sizeof g->last);
    for (size_t i = 0; i < unit->nal_count; i++) {
        const cm_slice nal = cm_h264_access_unit_nal(unit, i);
        cm_write_format(&g->log, ":%u.%zu", (unsigned)cm_h264_nal_type_of(nal), nal.size);
        cm_write_slice(&w, nal);
    }
    g->last_size = cm_writer_done(&w).size;
}

static rig *make_rig(size_t max_bytes)
{
    static rig g;
    g = (rig){0};
    g.log = cm_writer_over(g.text, sizeof g.text);
    cm_buffer_init(&g.buffer, max_bytes);
    cm_h264_depacketizer_init(&g.d, &g.buffer, note_unit, &g);
    return &g;
}

static void end_rig(rig *g, const char *units)
{
    assert_text(cm_writer_done(&g->log), units);
    cm_buffer_deinit(&g->buffer);
}

enum { MARK = 1, GAP = 2 };

static cm_status put(rig *g, uint32_t timestamp, int flags, cm_slice payload)
{
    const cm_h264_rtp_payload packet = {.payload = payload,
                                        .timestamp = timestamp,
                                        .marker = (flags & MARK) != 0,
                                        .gap_before = (flags & GAP) != 0};
    return cm_h264_depacketizer_put(&g->d, &packet);
}

#define PUT(timestamp, flags, ...)                                                                 \
    assert_int_equal(put(g, timestamp, flags, BYTES(__VA_ARGS__)), CM_OK)
#define PUT_BAD(status, fault, timestamp, flags, ...)                                              \
    do {                                                                                           \
        assert_int_equal(put(g, timestamp, flags, BYTES(__VA_ARGS__)), status);                    \
        assert_int_equal(g->d.last_fault, fault);                                                  \
        assert_true(g->d.is_waiting);                                                              \
    } while (0)

#define IDR   0x65, 0x88, 1
#define IDR_2 0x65, 0x40, 1 /* a slice that does not begin a picture */
#define P     0x41, 0x9a
#define P_2   0x41, 0x40
#define SEI   0x06, 0x05, 0x00, 0x80

static void single_nals_make_a_unit_at_the_marker(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, 0, SEI);
    PUT(100, 0, IDR);
    PUT(100, MARK, IDR_2);
    PUT(200, MARK, P);
    end_rig(g, "K100:6.4:5.3:5.3 P200:1.2");
    assert_int_equal(g->d.units, 2);
    assert_int_equal(g->d.dropped_units, 0);
}

static void an_aggregate_holds_whole_nals(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, 0x78, 0, 4, SEI, 0, 0, 0, 3, IDR); /* one of them empty */
    end_rig(g, "K1:6.4:5.3");
}

static void parameter_sets_are_tracked_in_band(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 1, 0, SPS_BASELINE), CM_OK);
    assert_int_equal(put(g, 1, 0, PPS_BASELINE), CM_OK);
    PUT(1, MARK, IDR);
    assert_true(cm_h264_parameter_sets_is_complete(&g->d.sets));
    assert_int_equal(g->d.sets.generation, 2);
    end_rig(g, "K1:7.24:8.5:5.3");
}

static void parameter_sets_before_a_dropped_picture_are_not_lost(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 1, MARK, SPS_BASELINE), CM_OK);
    assert_int_equal(put(g, 1, MARK, PPS_BASELINE), CM_OK);
    PUT(1, MARK, P); /* joined between keyframes: dropped */
    PUT(2, MARK, IDR);
    assert_true(cm_h264_parameter_sets_is_complete(&g->d.sets));
    end_rig(g, "K2:5.3");
}

static void a_fragmented_nal_is_joined_with_its_header(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, 0x7c, 0x85, 0x88, 1, 2);
    PUT(1, 0, 0x7c, 0x05, 3);
    PUT(1, 0, 0x7c, 0x05); /* an empty body is legal */
    PUT(1, MARK, 0x7c, 0x45, 4, 5);
    end_rig(g, "K1:5.7");
    assert_true(
        cm_slice_equal(cm_slice_over(g->last, g->last_size), BYTES(0x65, 0x88, 1, 2, 3, 4, 5)));
}

static void a_marker_on_parameter_sets_or_sei_ends_nothing(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 90, MARK, SPS_BASELINE), CM_OK); /* with a timestamp of its own, too */
    assert_int_equal(put(g, 90, MARK, PPS_BASELINE), CM_OK);
    PUT(100, MARK, SEI);
    PUT(100, MARK, IDR);
    PUT(200, MARK, SEI);
    PUT(200, MARK, P);
    end_rig(g, "K100:7.24:8.5:6.4:5.3 P200:6.4:1.2");
    assert_int_equal(g->d.dropped_units, 0);
}

static void without_markers_units_end_with_the_timestamp(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, 0, SEI);
    PUT(100, 0, IDR);
    PUT(100, 0, IDR_2);
    PUT(200, 0, P);
    assert_text(cm_writer_done(&g->log), "K100:6.4:5.3:5.3");
    PUT(300, 0, 0x7c, 0x81, 0x9a);
    PUT(300, 0, 0x7c, 0x41, 1);
    PUT(0, 0, P); /* the timestamp wraps */
    end_rig(g, "K100:6.4:5.3:5.3 P200:1.2 P300:1.3");
}

static void pictures_of_equal_timestamp_are_told_apart_by_the_marker(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, MARK, IDR);
    PUT(100, MARK, P);
    PUT(100, MARK, P);
    end_rig(g, "K100:5.3 P100:1.2 P100:1.2");
}

static void a_marker_on_every_slice_is_learned(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, MARK, P);
    PUT(100, MARK, P_2); /* joined in the middle of a stream: learned before a keyframe */
    PUT(200, MARK, IDR);
    PUT(200, MARK, IDR_2);
    PUT(300, MARK, P);
    PUT(300, MARK, P_2);
    PUT(400, MARK, P);
    end_rig(g, "K200:5.3:5.3 P300:1.2:1.2");
}

static void a_marker_on_every_slice_costs_one_group_when_a_keyframe_comes_first(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, MARK, IDR);
    PUT(100, MARK, IDR_2); /* the picture it belongs to is out already */
    assert_true(g->d.is_waiting);
    PUT(200, MARK, P);
    PUT(200, MARK, P_2);
    PUT(300, MARK, IDR);
    PUT(300, MARK, IDR_2);
    PUT(400, MARK, P);
    end_rig(g, "K100:5.3 K300!:5.3:5.3");
}

static void markers_count_again_when_timestamps_end_nothing(void **state)
{
    (void)state;
    rig *g = make_rig(14);
    PUT(100, MARK, P);
    PUT(100, MARK, P_2); /* learned */
    PUT(200, MARK, IDR);
    for (int i = 0; i < 3; i++)
        PUT(200, MARK, IDR);
    PUT_BAD(CM_FULL, CM_H264_FAULT_UNIT_TOO_LARGE, 200, MARK, IDR);
    PUT(200, MARK, IDR);
    PUT(200, MARK, P);
    end_rig(g, "K200:5.3 P200:1.2");
}

static void delimiters_and_fillers_are_left_out(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, 0x09, 0xf0);
    PUT(1, 0, SEI);
    PUT(1, 0, IDR);
    PUT(1, 0, 0x0c, 0xff, 0xff, 0x80);
    PUT(1, MARK, 0x0b);
    end_rig(g, "K1:6.4:5.3");
}

static void start_codes_in_a_payload_are_taken_out(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, 0, 0, 0, 1, SEI, 0, 0, 0, 1, IDR);
    PUT(2, MARK, P, 0, 0, 1, P_2, 0, 0, 0);
    PUT(3, MARK, 0x78, 0, 6, 0, 0, 0, 1, P);
    PUT(4, MARK, 0, 0, 1, P);
    end_rig(g, "K1:6.4:5.3 P2:1.2:1.2 P3:1.2 P4:1.2");
}

static void several_nals_in_one_fragment_are_cut(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    /* Start and end bits both set, an SEI and then an IDR behind a start code. */
    PUT(1, MARK, 0x1c, 0xc6, 0x05, 0x00, 0x80, 0, 0, 0, 1, IDR);
    end_rig(g, "K1:6.4:5.3");
    g = make_rig(1000);
    /* The fragment's body has a header of its own behind a start code. */
    PUT(1, MARK, 0x7c, 0xc5, 0, 0, 0, 1, IDR);
    end_rig(g, "K1:5.3");
}

static void a_start_code_split_between_fragments_is_found(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 7; cut++) {
        rig *g = make_rig(1000);
        const cm_slice body = BYTES(0x88, 1, 0, 0, 0, 1, 0x65, 0x40, 2);
        uint8_t storage[16];
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_write_u16(&w, 0x7c85);
        cm_write_slice(&w, cm_slice_part(body, 0, cut));
        assert_int_equal(put(g, 1, 0, cm_writer_done(&w)), CM_OK);
        w = cm_writer_over(storage, sizeof storage);
        cm_write_u16(&w, 0x7c45);
        cm_write_slice(&w, cm_slice_from(body, cut));
        assert_int_equal(put(g, 1, MARK, cm_writer_done(&w)), CM_OK);
        end_rig(g, "K1:5.3:5.3");
    }
}

/* ---- losses ---- */

static void a_stream_begins_with_a_keyframe(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_true(g->d.is_waiting);
    PUT(1, 0, 0x7c, 0x05, 3); /* joined within a picture */
    PUT(1, MARK, 0x7c, 0x45, 3);
    PUT(2, MARK, P);
    PUT(3, MARK, IDR);
    assert_false(g->d.is_waiting);
    end_rig(g, "K3:5.3");
    assert_int_equal(g->d.dropped_units, 2);
}

static void a_loss_within_a_fragment_drops_up_to_the_next_keyframe(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, 0, 0x7c, 0x81, 0x9a);
    PUT(2, MARK | GAP, 0x7c, 0x41, 1);
    assert_true(g->d.is_waiting);
    PUT(3, MARK, P);
    PUT(4, MARK, IDR);
    PUT(5, MARK, P);
    end_rig(g, "K1:5.3 K4!:5.3 P5:1.2");
    assert_int_equal(g->d.faults[CM_H264_FAULT_LOSS], 1);
    assert_int_equal(g->d.faults[CM_H264_FAULT_FRAGMENT], 0);
    assert_int_equal(g->d.dropped_units, 2);
}

static void a_loss_of_a_fragments_start_or_end_drops_its_unit(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, MARK | GAP, 0x7c, 0x45, 1); /* start lost */
    PUT(3, MARK, IDR);
    PUT(4, 0, 0x7c, 0x85, 0x88);
    PUT(5, MARK | GAP, IDR); /* end lost: the next unit is whole */
    end_rig(g, "K1:5.3 K3!:5.3 K5!:5.3");
}

static void a_loss_between_units_waits_for_a_keyframe(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(3, MARK | GAP, P);
    PUT(4, MARK, P);
    PUT(5, MARK | GAP, IDR); /* itself whole */
    PUT(6, MARK, P);
    end_rig(g, "K1:5.3 K5!:5.3 P6:1.2");
}

static void a_loss_of_slices_of_a_keyframe_drops_it(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK | GAP, IDR_2); /* its first slice is lost */
    PUT(2, 0, IDR);
    PUT(2, MARK | GAP, IDR_2); /* one between is lost */
    PUT(3, MARK, P);
    PUT(4, MARK, IDR);
    end_rig(g, "K4:5.3");
    assert_int_equal(g->d.faults[CM_H264_FAULT_MIDDLE_OF_PICTURE], 0);
}

static void a_lost_marker_drops_one_unit_not_two(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, 0, P);
    PUT(3, MARK | GAP, IDR);
    end_rig(g, "K1:5.3 K3!:5.3");
    assert_int_equal(g->d.dropped_units, 1);
}

static void a_loss_after_sei_alone_keeps_the_keyframe(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, SEI);
    PUT(1, MARK | GAP, IDR);
    end_rig(g, "K1:6.4:5.3");
}

static void a_restart_waits_for_a_keyframe_and_keeps_parameter_sets(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 1, 0, SPS_BASELINE), CM_OK);
    PUT(1, MARK, IDR);
    PUT(2, 0, 0x7c, 0x81, 0x9a);
    cm_h264_depacketizer_restart(&g->d);
    PUT(2, MARK, 0x7c, 0x41, 1);
    PUT(3, MARK, P);
    PUT(4, MARK, IDR);
    assert_int_equal(g->d.sets.generation, 1);
    end_rig(g, "K1:7.24:5.3 K4!:5.3");
}

/* ---- malformed ---- */

/* After the bad payload the unit and all up to a keyframe are gone, and the stream goes on. */
static void expect_recovery(rig *g)
{
    PUT(50, MARK, P);
    PUT(51, MARK, IDR);
    end_rig(g, "K1:5.3 K51!:5.3");
}

static void malformed_payloads_cost_the_unit_and_are_named(void **state)
{
    (void)state;
    const struct {
        cm_status status;
        cm_h264_fault fault;
        cm_slice payload;
    } BAD[] = {
        {CM_CLOSE, CM_H264_FAULT_EMPTY, {0}},
        {CM_CLOSE, CM_H264_FAULT_FORBIDDEN_BIT, BYTES(0xc1, 0x9a)},
        {CM_CLOSE, CM_H264_FAULT_FORBIDDEN_BIT, BYTES(0x41, 0x9a, 0, 0, 1, 0xc1, 2)},
        {CM_CLOSE, CM_H264_FAULT_EMPTY, BYTES(0x78)},
        {CM_CLOSE, CM_H264_FAULT_EMPTY, BYTES(0x78, 0, 0)},
        {CM_CLOSE, CM_H264_FAULT_AGGREGATE, BYTES(0x78, 0)},
        {CM_CLOSE, CM_H264_FAULT_AGGREGATE, BYTES(0x78, 0, 3, P)},
        {CM_CLOSE, CM_H264_FAULT_AGGREGATE, BYTES(0x78, 0, 2, P, 0)},
        {CM_CLOSE, CM_H264_FAULT_AGGREGATE, BYTES(0x78, 0xff, 0xff, P)},
        {CM_CLOSE, CM_H264_FAULT_FRAGMENT, BYTES(0x7c)},
        {CM_CLOSE, CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x01, 9)}, /* no start */
        {CM_CLOSE, CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x41, 9)}, /* no start */
        {CM_CLOSE, CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x80, 9)}, /* of type 0 */
        {CM_CLOSE, CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x9c, 9)}, /* of FU-A */
        {CM_CLOSE, CM_H264_FAULT_PARAMETER_SET, BYTES(0x67, 0x42, 0)},
        {CM_CLOSE, CM_H264_FAULT_PARAMETER_SET, BYTES(0x68, 1)},
        {CM_CLOSE, CM_H264_FAULT_MIDDLE_OF_PICTURE, BYTES(P_2)},
        {CM_REFUSE, CM_H264_FAULT_PACKETIZATION, BYTES(0x79, 0, 1, 0, 2, P)},
        {CM_REFUSE, CM_H264_FAULT_PACKETIZATION, BYTES(0x7a, 0, 1, 0, 2, P)},
        {CM_REFUSE, CM_H264_FAULT_PACKETIZATION, BYTES(0x7b, 0, 1, 0, 2, P)},
        {CM_REFUSE, CM_H264_FAULT_PACKETIZATION, BYTES(0x7d, 0x81, 0, 1, 9)},
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig(1000);
        PUT(1, MARK, IDR);
        assert_int_equal(put(g, 2, 0, BAD[i].payload), BAD[i].status);
        assert_int_equal(g->d.last_fault, BAD[i].fault);
        assert_int_equal(g->d.faults[BAD[i].fault], 1);
        assert_true(g->d.is_waiting);
        assert_int_equal(put(g, 2, MARK, BYTES(P)), CM_OK); /* the rest of the unit */
        expect_recovery(g);
    }
}

static void fragments_in_a_wrong_order_cost_the_unit(void **state)
{
    (void)state;
    const struct {
        cm_h264_fault fault;
        cm_slice second;
        uint32_t timestamp;
        int flags;
    } BAD[] = {
        {CM_H264_FAULT_UNFINISHED, BYTES(0x7c, 0x81, 0x9a), 2, 0}, /* a second start */
        {CM_H264_FAULT_UNFINISHED, BYTES(0x7c, 0xc1, 0x9a), 2, 0}, /* a whole one */
        {CM_H264_FAULT_UNFINISHED, BYTES(P), 2, 0},                /* a single NAL unit */
        {CM_H264_FAULT_UNFINISHED, BYTES(0x78, 0, 2, P), 2, 0},    /* an aggregate */
        {CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x05, 1), 2, 0},      /* of another type */
        {CM_H264_FAULT_FRAGMENT, BYTES(0x7c, 0x45, 1), 2, 0},      /* its end */
        {CM_H264_FAULT_UNFINISHED, BYTES(0x7c, 0x01, 1), 2, MARK}, /* marker without the end */
        {CM_H264_FAULT_UNFINISHED, BYTES(P), 3, 0},                /* another picture */
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig(1000);
        PUT(1, MARK, IDR);
        PUT(2, 0, 0x7c, 0x81, 0x9a, 1);
        assert_int_equal(put(g, BAD[i].timestamp, BAD[i].flags, BAD[i].second), CM_CLOSE);
        assert_int_equal(g->d.faults[BAD[i].fault], 1);
        assert_true(g->d.is_waiting);
        expect_recovery(g);
    }
}

static void types_without_meaning_are_passed_over(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, IDR);
    PUT(1, 0, 0x00, 5, 5);
    PUT(1, 0, 0x1e, 5, 5);
    PUT(1, MARK, 0x1f, 5, 5);
    end_rig(g, "K1:5.3");
}

static void a_unit_past_the_bound_is_full_and_the_stream_goes_on(void **state)
{
    (void)state;
    rig *g = make_rig(20);
    PUT(1, MARK, IDR);
    PUT(2, 0, 0x7c, 0x81, 0x9a, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    PUT_BAD(CM_FULL, CM_H264_FAULT_UNIT_TOO_LARGE, 2, 0, 0x7c, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    PUT(2, MARK, 0x7c, 0x41, 1);
    expect_recovery(g);
}

static void more_nals_than_the_bound_are_full(void **state)
{
    (void)state;
    rig *g = make_rig(CM_H264_MAX_UNIT_BYTES);
    PUT(1, MARK, IDR);
    for (size_t i = 0; i < CM_H264_MAX_NALS; i++)
        PUT(2, 0, SEI);
    PUT_BAD(CM_FULL, CM_H264_FAULT_TOO_MANY_NALS, 2, 0, P);
    PUT(2, MARK, P);
    expect_recovery(g);
}

static void sei_without_end_is_bounded(void **state)
{
    (void)state;
    rig *g = make_rig(CM_H264_MAX_UNIT_BYTES);
    size_t full = 0;
    for (uint32_t i = 0; i < 5000; i++)
        full += put(g, i, MARK, BYTES(SEI)) == CM_FULL;
    assert_true(full >= 9);
    assert_true(g->buffer.end <= (CM_H264_MAX_NALS + 1) * 4);
    end_rig(g, "");
}

static void every_fault_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CM_H264_FAULT_COUNT; i++) {
        assert_non_null(cm_h264_fault_name((cm_h264_fault)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(cm_h264_fault_name((cm_h264_fault)i),
                                    cm_h264_fault_name((cm_h264_fault)k));
    }
}

/* ---- with our own packetizer ---- */

static void what_is_cut_comes_back_and_any_one_loss_is_seen(void **state)
{
    (void)state;
    static uint8_t big[5000] = {0x65, 0x88};
    for (size_t i = 2; i < sizeof big; i++)
        big[i] = (uint8_t)(1 + i % 250);
    const cm_slice nals[] = {BYTES(SEI), cm_slice_over(big, 3000), cm_slice_over(big, 900)};
    const size_t count = cm_h264_count_granules(nals, CM_COUNT(nals), CM_H264_GRANULE_BYTES);
    assert_int_equal(count, 5);
    for (size_t lost = 0; lost <= count; lost++) {
        rig *g = make_rig(CM_H264_MAX_UNIT_BYTES);
        cm_h264_packetizer p;
        assert_int_equal(cm_h264_packetizer_init(&p, nals, CM_COUNT(nals), CM_H264_GRANULE_BYTES),
                         CM_OK);
        cm_h264_granule granule;
        for (size_t i = 0; cm_h264_packetizer_next(&p, &granule); i++) {
            uint8_t storage[CM_H264_GRANULE_BYTES];
            cm_writer w = cm_writer_over(storage, sizeof storage);
            cm_h264_granule_write(&w, nals, &granule);
            if (i != lost)
                assert_int_equal(put(g, 1, (granule.is_last ? MARK : 0) | (i == lost + 1 ? GAP : 0),
                                     cm_writer_done(&w)),
                                 CM_OK);
        }
        if (lost == count - 1) /* the end itself is lost: the next packet tells */
            PUT(2, MARK | GAP, P);
        /* Without its SEI the picture is whole. */
        end_rig(g, lost == count ? "K1:6.4:5.3000:5.900" : lost == 0 ? "K1:5.3000:5.900" : "");
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(single_nals_make_a_unit_at_the_marker),
        cmocka_unit_test(an_aggregate_holds_whole_nals),
        cmocka_unit_test(parameter_sets_are_tracked_in_band),
        cmocka_unit_test(parameter_sets_before_a_dropped_picture_are_not_lost),
        cmocka_unit_test(a_fragmented_nal_is_joined_with_its_header),
        cmocka_unit_test(a_marker_on_parameter_sets_or_sei_ends_nothing),
        cmocka_unit_test(without_markers_units_end_with_the_timestamp),
        cmocka_unit_test(pictures_of_equal_timestamp_are_told_apart_by_the_marker),
        cmocka_unit_test(a_marker_on_every_slice_is_learned),
        cmocka_unit_test(a_marker_on_every_slice_costs_one_group_when_a_keyframe_comes_first),
        cmocka_unit_test(markers_count_again_when_timestamps_end_nothing),
        cmocka_unit_test(delimiters_and_fillers_are_left_out),
        cmocka_unit_test(start_codes_in_a_payload_are_taken_out),
        cmocka_unit_test(several_nals_in_one_fragment_are_cut),
        cmocka_unit_test(a_start_code_split_between_fragments_is_found),
        cmocka_unit_test(a_stream_begins_with_a_keyframe),
        cmocka_unit_test(a_loss_within_a_fragment_drops_up_to_the_next_keyframe),
        cmocka_unit_test(a_loss_of_a_fragments_start_or_end_drops_its_unit),
        cmocka_unit_test(a_loss_between_units_waits_for_a_keyframe),
        cmocka_unit_test(a_loss_of_slices_of_a_keyframe_drops_it),
        cmocka_unit_test(a_lost_marker_drops_one_unit_not_two),
        cmocka_unit_test(a_loss_after_sei_alone_keeps_the_keyframe),
        cmocka_unit_test(a_restart_waits_for_a_keyframe_and_keeps_parameter_sets),
        cmocka_unit_test(malformed_payloads_cost_the_unit_and_are_named),
        cmocka_unit_test(fragments_in_a_wrong_order_cost_the_unit),
        cmocka_unit_test(types_without_meaning_are_passed_over),
        cmocka_unit_test(a_unit_past_the_bound_is_full_and_the_stream_goes_on),
        cmocka_unit_test(more_nals_than_the_bound_are_full),
        cmocka_unit_test(sei_without_end_is_bounded),
        cmocka_unit_test(every_fault_has_a_name_of_its_own),
        cmocka_unit_test(what_is_cut_comes_back_and_any_one_loss_is_seen),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
