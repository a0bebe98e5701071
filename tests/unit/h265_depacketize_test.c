/*
 * proto/h265/depacketize: RFC 7798, 4.4.1 to 4.4.3, and what cameras make of it. One behaviour a
 * case: packets in, a short text of the units out: K (IRAP), R (RASL) or P, timestamp, '!' if
 * something was lost before, then type.size of each NAL unit.
 */
#include "h265_sets.h"

#include "proto/h265/depacketize.h"
#include "proto/h265/packetize.h"

typedef struct rig {
    cm_h265_depacketizer d;
    cm_buffer buffer;
    char text[2048];
    cm_writer log;
    uint8_t last[4096]; /* bytes of the NAL units of the newest unit, joined */
    size_t last_size;
} rig;

static void note_unit(void *context, const cm_h265_access_unit *unit)
{
    rig *g = context;
    if (cm_writer_done(&g->log).size > 0)
        cm_write_text(&g->log, " ");
    assert_false(unit->is_keyframe && unit->is_rasl);
    cm_write_text(&g->log, unit->is_keyframe ? "K" : unit->is_rasl ? "R" : "P");
    cm_write_format(&g->log, "%u%s", (unsigned)unit->timestamp, unit->lost_before ? "!" : "");
    cm_writer w = cm_writer_over(g->last, sizeof g->last);
    bool has[3] = {false};
    for (size_t i = 0; i < unit->nal_count; i++) {
        const cm_slice nal = cm_h265_access_unit_nal(unit, i);
        const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
        if (type >= CM_H265_NAL_VPS && type <= CM_H265_NAL_PPS)
            has[type - CM_H265_NAL_VPS] = true;
        cm_write_format(&g->log, ":%u.%zu", (unsigned)type, nal.size);
        cm_write_slice(&w, nal);
    }
    assert_int_equal(unit->has_vps, has[0]);
    assert_int_equal(unit->has_sps, has[1]);
    assert_int_equal(unit->has_pps, has[2]);
    g->last_size = cm_writer_done(&w).size;
}

static rig *make_rig(size_t max_bytes)
{
    static rig g;
    g = (rig){0};
    g.log = cm_writer_over(g.text, sizeof g.text);
    cm_buffer_init(&g.buffer, max_bytes);
    assert_int_equal(cm_h265_depacketizer_init(&g.d, 0, &g.buffer, note_unit, &g), CM_OK);
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
    const cm_h265_rtp_payload packet = {.payload = payload,
                                        .timestamp = timestamp,
                                        .gap_before = (flags & GAP) != 0,
                                        .marker = (flags & MARK) != 0};
    return cm_h265_depacketizer_put(&g->d, &packet);
}

#define PUT(timestamp, flags, ...)                                                                 \
    assert_int_equal(put(g, timestamp, flags, BYTES(__VA_ARGS__)), CM_OK)

#define IDR    0x26, 0x01, 0xaf
#define IDR_2  0x26, 0x01, 0x2f /* a slice that does not begin a picture */
#define CRA    0x2a, 0x01, 0xac
#define BLA    0x20, 0x01, 0xac
#define P      0x02, 0x01, 0xd0
#define P_2    0x02, 0x01, 0x50
#define RASL   0x12, 0x01, 0xe0
#define RADL   0x0e, 0x01, 0xe0
#define SEI    0x4e, 0x01, 0x05, 0x80
#define SUFFIX 0x50, 0x01, 0x05, 0x80
#define AUD    0x46, 0x01, 0x10

/* An IDR, fragmented: header type 49, FU header with type 19. */
#define FU(bits)   0x62, 0x01, (bits) | 19
#define FU_P(bits) 0x62, 0x01, (bits) | 1
#define START      0x80
#define END        0x40

/* ---- packets as they should be ---- */

static void single_nals_make_a_unit_at_the_marker(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(100, 0, SEI);
    PUT(100, 0, IDR);
    PUT(100, 0, IDR_2);
    PUT(100, MARK, SUFFIX);
    PUT(200, MARK, P);
    end_rig(g, "K100:39.4:19.3:19.3:40.4 P200:1.3");
    assert_int_equal(g->d.units, 2);
    assert_int_equal(g->d.dropped_units, 0);
}

static void an_aggregate_holds_whole_nals(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, 0x60, 1, 0, 4, SEI, 0, 0, 0, 3, IDR); /* one of them empty */
    PUT(2, MARK, 0x60, 1, 0, 3, P);                    /* one alone */
    end_rig(g, "K1:39.4:19.3 P2:1.3");
}

static void parameter_sets_are_tracked_in_band(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 1, 0, VPS_MAIN), CM_OK);
    assert_int_equal(put(g, 1, 0, SPS_MAIN), CM_OK);
    assert_int_equal(put(g, 1, 0, PPS_MAIN), CM_OK);
    PUT(1, MARK, IDR);
    assert_true(cm_h265_parameter_sets_is_complete(&g->d.sets));
    assert_int_equal(g->d.sets.generation, 3);
    end_rig(g, "K1:32.24:33.42:34.7:19.3");
}

static void a_fragmented_nal_is_joined_with_its_header(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, FU(START), 0xaf, 1, 2);
    PUT(1, 0, FU(0), 3);
    PUT(1, 0, FU(0)); /* an empty body is legal */
    PUT(1, MARK, FU(END), 4, 5);
    end_rig(g, "K1:19.8");
    const cm_slice joined = cm_slice_over(g->last, g->last_size);
    assert_true(cm_slice_equal(joined, BYTES(0x26, 0x01, 0xaf, 1, 2, 3, 4, 5)));
}

static void a_header_keeps_its_sub_layer_in_fragments(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, 0, 0x62, 0x03, START | 1, 0xd0);
    PUT(2, MARK, 0x62, 0x03, END | 1, 7);
    end_rig(g, "K1:19.3 P2:1.4");
    assert_true(cm_slice_equal(cm_slice_over(g->last, g->last_size), BYTES(2, 3, 0xd0, 7)));
}

static void decoding_order_numbers_are_refused_by_name(void **state)
{
    (void)state;
    cm_h265_depacketizer d;
    cm_buffer buffer;
    cm_buffer_init(&buffer, 100);
    assert_int_equal(cm_h265_depacketizer_init(&d, 1, &buffer, note_unit, NULL), CM_REFUSE);
    assert_string_equal(cm_h265_fault_name(d.last_fault), "decoding-order-numbers");
    cm_buffer_deinit(&buffer);
}

/* ---- pictures that refer to ones before the beginning ---- */

static void rasl_pictures_are_left_out_only_where_decoding_begins(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, CRA);
    PUT(2, MARK, RASL);
    PUT(3, MARK, RADL);
    PUT(4, MARK, P);
    assert_int_equal(g->d.dropped_units, 1);
    PUT(5, MARK, CRA); /* all that its RASL pictures refer to is there */
    PUT(6, MARK, RASL);
    PUT(7, MARK | GAP, P);
    PUT(8, MARK, CRA);
    PUT(9, MARK, RASL);
    PUT(10, MARK, P);
    end_rig(g, "K1:21.3 P3:7.3 P4:1.3 K5:21.3 R6:9.3 K8!:21.3 P10:1.3");
}

static void rasl_pictures_of_a_broken_link_are_always_left_out(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, MARK, BLA);
    PUT(3, MARK, RASL);
    PUT(4, MARK, P);
    end_rig(g, "K1:19.3 K2:16.3 P4:1.3");
}

/* ---- what cameras do ---- */

static void a_marker_on_parameter_sets_or_sei_ends_nothing(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 90, MARK, VPS_MAIN), CM_OK); /* with a timestamp of its own, too */
    assert_int_equal(put(g, 90, MARK, SPS_MAIN), CM_OK);
    PUT(100, MARK, SEI);
    PUT(100, MARK, IDR);
    PUT(200, MARK, SEI);
    PUT(200, MARK, P);
    end_rig(g, "K100:32.24:33.42:39.4:19.3 P200:39.4:1.3");
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
    assert_text(cm_writer_done(&g->log), "K100:39.4:19.3:19.3");
    PUT(300, 0, FU_P(START), 0xd0);
    PUT(300, 0, FU_P(END), 1);
    PUT(0, 0, P); /* the timestamp wraps */
    end_rig(g, "K100:39.4:19.3:19.3 P200:1.3 P300:1.4");
}

static void a_marker_on_every_slice_is_learned(void **state)
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
    PUT(400, MARK, P_2);
    PUT(500, MARK, P);
    end_rig(g, "K100:19.3 K300!:19.3:19.3 P400:1.3:1.3");
}

static void markers_count_again_when_timestamps_end_nothing(void **state)
{
    (void)state;
    rig *g = make_rig(14);
    PUT(100, MARK, P);
    PUT(100, MARK, P_2); /* learned */
    for (int i = 0; i < 4; i++)
        PUT(200, MARK, IDR);
    assert_int_equal(put(g, 200, MARK, BYTES(IDR)), CM_FULL);
    PUT(200, MARK, IDR);
    PUT(200, MARK, P);
    end_rig(g, "K200:19.3 P200:1.3");
}

static void what_decoders_pass_over_is_left_out(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, AUD);
    PUT(1, 0, SEI);
    PUT(1, 0, IDR);
    PUT(1, 0, 0x26, 0x09, 0xaf);       /* layer 1 */
    PUT(1, 0, 0x14, 0x01, 0xaf);       /* reserved, 10 */
    PUT(1, 0, 0x2c, 0x01, 0xaf);       /* reserved, 22 */
    PUT(1, 0, 0x52, 0x01, 0xaf);       /* reserved, 41 */
    PUT(1, 0, 0x7e, 0x01, 0xaf);       /* unspecified, 63 */
    PUT(1, 0, 0x4c, 0x01, 0xff, 0x80); /* filler */
    PUT(1, MARK, 0x48, 0x01);          /* end of sequence */
    end_rig(g, "K1:39.4:19.3");
}

static void start_codes_in_a_payload_are_taken_out(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, 0, 0, 0, 1, SEI, 0, 0, 0, 1, IDR);
    PUT(2, MARK, P, 0, 0, 1, P_2, 0, 0, 0);
    PUT(3, MARK, 0x60, 1, 0, 7, 0, 0, 0, 1, P);
    PUT(4, MARK, 0, 0, 1, P);
    /* Start and end bits both set; the body has a header of its own behind a start code. */
    PUT(5, MARK, FU(START | END), 0, 0, 0, 1, IDR);
    end_rig(g, "K1:39.4:19.3 P2:1.3:1.3 P3:1.3 P4:1.3 K5:19.3");
}

static void a_start_code_split_between_fragments_is_found(void **state)
{
    (void)state;
    const cm_slice body = BYTES(0xaf, 1, 0, 0, 0, 1, 0x26, 1, 0x2f);
    for (size_t cut = 0; cut <= body.size; cut++) {
        rig *g = make_rig(1000);
        uint8_t storage[16];
        for (int half = 0; half < 2; half++) {
            cm_writer w = cm_writer_over(storage, sizeof storage);
            cm_write_u24(&w, half == 0 ? 0x620193 : 0x620153);
            cm_write_slice(&w, half == 0 ? cm_slice_part(body, 0, cut) : cm_slice_from(body, cut));
            assert_int_equal(put(g, 1, half == 0 ? 0 : MARK, cm_writer_done(&w)), CM_OK);
        }
        end_rig(g, "K1:19.4:19.3");
    }
}

/* ---- losses ---- */

static void a_stream_begins_with_an_irap_picture(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_true(g->d.is_waiting);
    PUT(1, 0, FU_P(0), 3); /* joined within a picture */
    PUT(1, MARK, FU_P(END), 3);
    PUT(2, MARK, P);
    PUT(3, MARK, IDR);
    assert_false(g->d.is_waiting);
    end_rig(g, "K3:19.3");
    assert_int_equal(g->d.dropped_units, 2);
}

static void a_loss_within_a_fragment_drops_up_to_the_next_irap_picture(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, 0, FU_P(START), 0xd0);
    PUT(2, MARK | GAP, FU_P(END), 1);
    assert_true(g->d.is_waiting);
    PUT(3, MARK, P);
    PUT(4, MARK, CRA);
    PUT(5, MARK, P);
    end_rig(g, "K1:19.3 K4!:21.3 P5:1.3");
    assert_int_equal(g->d.faults[CM_H265_FAULT_LOSS], 1);
    assert_int_equal(g->d.faults[CM_H265_FAULT_FRAGMENT], 0);
    assert_int_equal(g->d.dropped_units, 2);
}

static void a_loss_of_a_fragments_start_or_end_drops_its_unit(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(2, MARK | GAP, FU_P(END), 1); /* start lost */
    PUT(3, MARK, IDR);
    PUT(4, 0, FU(START), 0xaf);
    PUT(5, MARK | GAP, IDR); /* end lost: the next unit is whole */
    end_rig(g, "K1:19.3 K3!:19.3 K5!:19.3");
}

static void a_loss_between_units_waits_for_an_irap_picture(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, MARK, IDR);
    PUT(3, MARK | GAP, P);
    PUT(4, MARK, P);
    PUT(5, MARK | GAP, IDR); /* itself whole */
    PUT(6, MARK, P);
    end_rig(g, "K1:19.3 K5!:19.3 P6:1.3");
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
    end_rig(g, "K4:19.3");
    assert_int_equal(g->d.faults[CM_H265_FAULT_MIDDLE_OF_PICTURE], 0);
}

static void a_loss_after_sei_alone_keeps_the_keyframe(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    PUT(1, 0, SEI);
    PUT(1, MARK | GAP, IDR);
    end_rig(g, "K1:39.4:19.3");
}

static void a_restart_waits_for_an_irap_picture_and_keeps_parameter_sets(void **state)
{
    (void)state;
    rig *g = make_rig(1000);
    assert_int_equal(put(g, 1, 0, SPS_MAIN), CM_OK);
    PUT(1, MARK, IDR);
    PUT(2, 0, FU_P(START), 0xd0);
    cm_h265_depacketizer_restart(&g->d);
    PUT(2, MARK, FU_P(END), 1);
    PUT(3, MARK, P);
    PUT(4, MARK, IDR);
    assert_int_equal(g->d.sets.generation, 1);
    end_rig(g, "K1:33.42:19.3 K4!:19.3");
}

/* ---- malformed ---- */

/* After the bad payload the unit and all up to a keyframe are gone, and the stream goes on. */
static void expect_recovery(rig *g)
{
    assert_true(g->d.is_waiting);
    PUT(50, MARK, P);
    PUT(51, MARK, IDR);
    end_rig(g, "K1:19.3 K51!:19.3");
}

static void malformed_payloads_cost_the_unit_and_are_named(void **state)
{
    (void)state;
    const struct {
        cm_status status;
        cm_h265_fault fault;
        cm_slice payload;
    } BAD[] = {
        {CM_CLOSE, CM_H265_FAULT_EMPTY, {0}},
        {CM_CLOSE, CM_H265_FAULT_EMPTY, BYTES(0x02)},
        {CM_CLOSE, CM_H265_FAULT_HEADER, BYTES(0x82, 0x01, 0xd0)},
        {CM_CLOSE, CM_H265_FAULT_HEADER, BYTES(0x02, 0x00, 0xd0)},
        {CM_CLOSE, CM_H265_FAULT_HEADER, BYTES(P, 0, 0, 1, 0x82, 1, 2)},
        {CM_CLOSE, CM_H265_FAULT_EMPTY, BYTES(0x60, 1)},
        {CM_CLOSE, CM_H265_FAULT_EMPTY, BYTES(0x60, 1, 0, 0)},
        {CM_CLOSE, CM_H265_FAULT_AGGREGATE, BYTES(0x60, 1, 0)},
        {CM_CLOSE, CM_H265_FAULT_AGGREGATE, BYTES(0x60, 1, 0, 4, P)},
        {CM_CLOSE, CM_H265_FAULT_AGGREGATE, BYTES(0x60, 1, 0, 3, P, 0)},
        {CM_CLOSE, CM_H265_FAULT_AGGREGATE, BYTES(0x60, 1, 0xff, 0xff, P)},
        {CM_CLOSE, CM_H265_FAULT_FRAGMENT, BYTES(0x62, 1)},
        {CM_CLOSE, CM_H265_FAULT_FRAGMENT, BYTES(FU(0), 9)},                  /* no start */
        {CM_CLOSE, CM_H265_FAULT_FRAGMENT, BYTES(FU(END), 9)},                /* no start */
        {CM_CLOSE, CM_H265_FAULT_FRAGMENT, BYTES(0x62, 1, START | 49, 9)},    /* of a fragment */
        {CM_CLOSE, CM_H265_FAULT_FRAGMENT, BYTES(0x62, 1, START | 48, 9)},    /* of an aggregate */
        {CM_CLOSE, CM_H265_FAULT_HEADER, BYTES(0x62, 0, START | END | 1, 9)}, /* no temporal id */
        {CM_CLOSE, CM_H265_FAULT_PARAMETER_SET, BYTES(0x42, 1, 0x01)},
        {CM_CLOSE, CM_H265_FAULT_PARAMETER_SET, BYTES(0x40, 1, 0x0c)},
        {CM_CLOSE, CM_H265_FAULT_PARAMETER_SET, BYTES(0x44, 1, 0x01)},
        {CM_CLOSE, CM_H265_FAULT_MIDDLE_OF_PICTURE, BYTES(P_2)},
        {CM_REFUSE, CM_H265_FAULT_PACI, BYTES(0x64, 1, 0x26, 0, P)},
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig(1000);
        PUT(1, MARK, IDR);
        assert_int_equal(put(g, 2, 0, BAD[i].payload), BAD[i].status);
        assert_int_equal(g->d.last_fault, BAD[i].fault);
        assert_int_equal(g->d.faults[BAD[i].fault], 1);
        PUT(2, MARK, P); /* the rest of the unit */
        expect_recovery(g);
    }
}

static void fragments_in_a_wrong_order_cost_the_unit(void **state)
{
    (void)state;
    const struct {
        cm_h265_fault fault;
        cm_slice second;
        uint32_t timestamp;
        int flags;
    } BAD[] = {
        {CM_H265_FAULT_UNFINISHED, BYTES(FU_P(START), 0xd0), 2, 0},       /* a second start */
        {CM_H265_FAULT_UNFINISHED, BYTES(FU_P(START | END), 0xd0), 2, 0}, /* a whole one */
        {CM_H265_FAULT_UNFINISHED, BYTES(P), 2, 0},                       /* a single NAL unit */
        {CM_H265_FAULT_UNFINISHED, BYTES(0x60, 1, 0, 3, P), 2, 0},        /* an aggregate */
        {CM_H265_FAULT_FRAGMENT, BYTES(FU(0), 1), 2, 0},                  /* of another type */
        {CM_H265_FAULT_FRAGMENT, BYTES(FU(END), 1), 2, 0},                /* its end */
        {CM_H265_FAULT_UNFINISHED, BYTES(FU_P(0), 1), 2, MARK}, /* marker without the end */
        {CM_H265_FAULT_UNFINISHED, BYTES(P), 3, 0},             /* another picture */
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig(1000);
        PUT(1, MARK, IDR);
        PUT(2, 0, FU_P(START), 0xd0, 1);
        assert_int_equal(put(g, BAD[i].timestamp, BAD[i].flags, BAD[i].second), CM_CLOSE);
        assert_int_equal(g->d.faults[BAD[i].fault], 1);
        expect_recovery(g);
    }
}

static void a_unit_past_the_bounds_is_full_and_the_stream_goes_on(void **state)
{
    (void)state;
    rig *g = make_rig(20);
    PUT(1, MARK, IDR);
    PUT(2, 0, FU_P(START), 0xd0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    assert_int_equal(put(g, 2, 0, BYTES(FU_P(0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)), CM_FULL);
    assert_int_equal(g->d.last_fault, CM_H265_FAULT_UNIT_TOO_LARGE);
    PUT(2, MARK, FU_P(END), 1);
    expect_recovery(g);
    g = make_rig(CM_H265_MAX_UNIT_BYTES);
    PUT(1, MARK, IDR);
    for (size_t i = 0; i < CM_H265_MAX_NALS; i++)
        PUT(2, 0, SEI);
    assert_int_equal(put(g, 2, 0, BYTES(P)), CM_FULL);
    assert_int_equal(g->d.last_fault, CM_H265_FAULT_TOO_MANY_NALS);
    PUT(2, MARK, P);
    expect_recovery(g);
}

static void sei_without_end_is_bounded(void **state)
{
    (void)state;
    rig *g = make_rig(CM_H265_MAX_UNIT_BYTES);
    size_t full = 0;
    for (uint32_t i = 0; i < 5000; i++)
        full += put(g, i, MARK, BYTES(SEI)) == CM_FULL;
    assert_true(full >= 9);
    assert_true(g->buffer.end <= (CM_H265_MAX_NALS + 1) * 4);
    end_rig(g, "");
}

static void every_fault_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CM_H265_FAULT_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(cm_h265_fault_name((cm_h265_fault)i),
                                    cm_h265_fault_name((cm_h265_fault)k));
    assert_string_equal(cm_h265_fault_name(CM_H265_FAULT_COUNT), "unknown");
}

/* ---- with our own packetizer ---- */

static void what_is_cut_comes_back_and_any_one_loss_is_seen(void **state)
{
    (void)state;
    static uint8_t big[5000] = {0x26, 0x01, 0xaf};
    for (size_t i = 3; i < sizeof big; i++)
        big[i] = (uint8_t)(1 + i % 250);
    const cm_slice nals[] = {BYTES(SEI), cm_slice_over(big, 3000), cm_slice_over(big, 900)};
    const size_t count = cm_h265_count_granules(nals, CM_COUNT(nals), CM_H265_GRANULE_BYTES);
    assert_int_equal(count, 5);
    for (size_t lost = 0; lost <= count; lost++) {
        rig *g = make_rig(CM_H265_MAX_UNIT_BYTES);
        cm_h265_packetizer p;
        assert_int_equal(cm_h265_packetizer_init(&p, nals, CM_COUNT(nals), CM_H265_GRANULE_BYTES),
                         CM_OK);
        cm_h265_granule granule;
        for (size_t i = 0; cm_h265_packetizer_next(&p, &granule); i++) {
            uint8_t storage[CM_H265_GRANULE_BYTES];
            cm_writer w = cm_writer_over(storage, sizeof storage);
            cm_h265_granule_write(&w, nals, &granule);
            const int flags = (granule.is_last ? MARK : 0) | (i == lost + 1 ? GAP : 0);
            if (i != lost)
                assert_int_equal(put(g, 1, flags, cm_writer_done(&w)), CM_OK);
        }
        if (lost == count - 1) /* the end itself is lost: the next packet tells */
            PUT(2, MARK | GAP, P);
        /* Without its SEI the picture is whole. */
        end_rig(g, lost == count ? "K1:39.4:19.3000:19.900" : lost == 0 ? "K1:19.3000:19.900" : "");
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(single_nals_make_a_unit_at_the_marker),
        cmocka_unit_test(an_aggregate_holds_whole_nals),
        cmocka_unit_test(parameter_sets_are_tracked_in_band),
        cmocka_unit_test(a_fragmented_nal_is_joined_with_its_header),
        cmocka_unit_test(a_header_keeps_its_sub_layer_in_fragments),
        cmocka_unit_test(decoding_order_numbers_are_refused_by_name),
        cmocka_unit_test(rasl_pictures_are_left_out_only_where_decoding_begins),
        cmocka_unit_test(rasl_pictures_of_a_broken_link_are_always_left_out),
        cmocka_unit_test(a_marker_on_parameter_sets_or_sei_ends_nothing),
        cmocka_unit_test(without_markers_units_end_with_the_timestamp),
        cmocka_unit_test(a_marker_on_every_slice_is_learned),
        cmocka_unit_test(markers_count_again_when_timestamps_end_nothing),
        cmocka_unit_test(what_decoders_pass_over_is_left_out),
        cmocka_unit_test(start_codes_in_a_payload_are_taken_out),
        cmocka_unit_test(a_start_code_split_between_fragments_is_found),
        cmocka_unit_test(a_stream_begins_with_an_irap_picture),
        cmocka_unit_test(a_loss_within_a_fragment_drops_up_to_the_next_irap_picture),
        cmocka_unit_test(a_loss_of_a_fragments_start_or_end_drops_its_unit),
        cmocka_unit_test(a_loss_between_units_waits_for_an_irap_picture),
        cmocka_unit_test(a_loss_of_slices_of_a_keyframe_drops_it),
        cmocka_unit_test(a_loss_after_sei_alone_keeps_the_keyframe),
        cmocka_unit_test(a_restart_waits_for_an_irap_picture_and_keeps_parameter_sets),
        cmocka_unit_test(malformed_payloads_cost_the_unit_and_are_named),
        cmocka_unit_test(fragments_in_a_wrong_order_cost_the_unit),
        cmocka_unit_test(a_unit_past_the_bounds_is_full_and_the_stream_goes_on),
        cmocka_unit_test(sei_without_end_is_bounded),
        cmocka_unit_test(every_fault_has_a_name_of_its_own),
        cmocka_unit_test(what_is_cut_comes_back_and_any_one_loss_is_seen),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
