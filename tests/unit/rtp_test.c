/* proto/rtp: packets, numbers that wrap, and the reorder buffer. One behaviour a case. */
#include "unit.h"

#include "proto/rtp/reorder.h"
#include "proto/rtp/rtp.h"
#include "proto/rtp/sequence.h"

/* --- packets (RFC 3550 5.1) ------------------------------------------------------------------ */

/* Two CSRCs, one extension word, four bytes of payload, three of padding, marker, type 96. */
static const uint8_t FULL[] = {0xB2, 0xE0, 0x12, 0x34, 0,   0,   0x03, 0xE8, 0x11, 0x22, 0x33, 0x44,
                               0,    0,    0,    1,    0,   0,   0,    2,    0xBE, 0xDE, 0,    1,
                               0x10, 0xFF, 0,    0,    'a', 'b', 'c',  'd',  0,    0,    3};

static cm_slice full(void)
{
    return cm_slice_over(FULL, sizeof FULL);
}

static void every_field_of_a_packet_is_read(void **state)
{
    (void)state;
    cm_rtp_packet p;
    assert_int_equal(cm_rtp_parse(full(), &p), CM_OK);
    assert_true(p.marker);
    assert_int_equal(p.payload_type, 96);
    assert_int_equal(p.sequence_number, 0x1234);
    assert_int_equal(p.timestamp, 1000);
    assert_int_equal(p.ssrc, 0x11223344);
    assert_int_equal(p.csrcs.size, 8);
    assert_int_equal(p.csrcs.bytes[7], 2);
    assert_true(p.has_extension);
    assert_int_equal(p.extension_profile, 0xBEDE);
    assert_int_equal(p.extension.size, 4);
    assert_int_equal(p.extension.bytes[1], 0xFF);
    assert_text(p.payload, "abcd");
    assert_int_equal(p.padding_size, 3);
}

static void the_plainest_packet_has_no_payload(void **state)
{
    (void)state;
    cm_rtp_packet p;
    assert_int_equal(cm_rtp_parse(BYTES(0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3), &p), CM_OK);
    assert_false(p.marker);
    assert_false(p.has_extension);
    assert_int_equal(p.payload.size, 0);
    assert_int_equal(p.csrcs.size, 0);
    assert_int_equal(p.padding_size, 0);
}

static void a_packet_cut_inside_its_head_is_refused_at_every_length(void **state)
{
    (void)state;
    for (size_t size = 0; size < 28; size++) { /* all before the payload */
        cm_rtp_packet p = {.ssrc = 7};
        assert_int_equal(cm_rtp_parse(cm_slice_part(full(), 0, size), &p), CM_CLOSE);
        assert_int_equal(p.ssrc, 7); /* untouched */
    }
}

static void a_cut_payload_shows_in_its_padding(void **state)
{
    (void)state;
    cm_rtp_packet p;
    /* The last byte left is then a zero or text: no count of padding that fits. */
    for (size_t size = 28; size < sizeof FULL; size++)
        assert_int_equal(cm_rtp_parse(cm_slice_part(full(), 0, size), &p), CM_CLOSE);
}

static void padding_of_zero_or_beyond_the_payload_is_refused(void **state)
{
    (void)state;
    cm_rtp_packet p;
    assert_int_equal(cm_rtp_parse(BYTES(0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'a', 0), &p),
                     CM_CLOSE);
    assert_int_equal(cm_rtp_parse(BYTES(0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'a', 3), &p),
                     CM_CLOSE);
    assert_int_equal(cm_rtp_parse(BYTES(0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3), &p), CM_CLOSE);
    /* all of it padding: allowed */
    assert_int_equal(cm_rtp_parse(BYTES(0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'a', 2), &p), CM_OK);
    assert_int_equal(p.payload.size, 0);
}

static void an_extension_longer_than_the_packet_is_refused(void **state)
{
    (void)state;
    cm_rtp_packet p;
    assert_int_equal(
        cm_rtp_parse(BYTES(0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0xFF, 0xFF, 1, 2), &p),
        CM_CLOSE);
    assert_int_equal(
        cm_rtp_parse(BYTES(0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 1, 2), &p), CM_OK);
    assert_int_equal(p.payload.size, 2);
    assert_int_equal(p.extension.size, 0);
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 4; version++) {
        cm_rtp_packet p;
        const cm_slice bytes = BYTES((uint8_t)(version << 6), 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3);
        assert_int_equal(cm_rtp_parse(bytes, &p), version == 2 ? CM_OK : CM_CLOSE);
    }
}

static void what_was_parsed_is_written_back_the_same(void **state)
{
    (void)state;
    uint8_t storage[64];
    cm_rtp_packet p;
    assert_int_equal(cm_rtp_parse(full(), &p), CM_OK);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtp_write(&w, &p);
    assert_true(cm_slice_equal(cm_writer_done(&w), full()));
}

static void a_packet_that_does_not_fit_fails_the_writer(void **state)
{
    (void)state;
    uint8_t storage[64];
    cm_rtp_packet p;
    assert_int_equal(cm_rtp_parse(full(), &p), CM_OK);
    for (size_t size = 0; size < sizeof FULL; size++) {
        cm_writer w = cm_writer_over(storage, size);
        cm_rtp_write(&w, &p);
        assert_true(w.failed);
    }
}

static void headers_that_cannot_be_said_fail_the_writer(void **state)
{
    (void)state;
    uint8_t storage[256];
    const uint8_t zeros[64] = {0};
    const cm_rtp_packet bad[] = {
        {.csrcs = {zeros, 64}},                           /* 16 CSRCs */
        {.csrcs = {zeros, 5}},                            /* no whole one */
        {.has_extension = true, .extension = {zeros, 6}}, /* no whole word */
    };
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_rtp_write(&w, &bad[i]);
        assert_true(w.failed);
    }
}

/* --- sequence numbers (RFC 3550 A.1) --------------------------------------------------------- */

typedef struct step {
    uint16_t number;
    cm_rtp_order order;
    uint64_t extended;
} step;

static void walk(const step *steps, size_t count)
{
    cm_rtp_sequence s;
    cm_rtp_sequence_init(&s);
    for (size_t i = 0; i < count; i++) {
        uint64_t extended = 0;
        assert_int_equal(cm_rtp_sequence_extend(&s, steps[i].number, &extended), steps[i].order);
        assert_int_equal(extended, steps[i].extended);
    }
}
#define WALK(...) walk((const step[]){__VA_ARGS__}, CM_COUNT(((const step[]){__VA_ARGS__})))

static void sequence_numbers_run_on_through_the_wrap(void **state)
{
    (void)state;
    WALK({65534, CM_RTP_ORDER_FIRST, 65536 + 65534}, {65535, CM_RTP_ORDER_NEXT, 65536 + 65535},
         {0, CM_RTP_ORDER_NEXT, 131072}, {2, CM_RTP_ORDER_AHEAD, 131074},
         {65535, CM_RTP_ORDER_BEHIND, 65536 + 65535}, {1, CM_RTP_ORDER_BEHIND, 131073},
         {2, CM_RTP_ORDER_BEHIND, 131074}, {3, CM_RTP_ORDER_NEXT, 131075});
}

static void a_packet_before_the_first_stays_above_zero(void **state)
{
    (void)state;
    WALK({0, CM_RTP_ORDER_FIRST, 65536}, {65535, CM_RTP_ORDER_BEHIND, 65535},
         {1, CM_RTP_ORDER_NEXT, 65537});
}

static void the_bounds_of_dropout_and_misorder_are_the_rfcs(void **state)
{
    (void)state;
    WALK({1000, CM_RTP_ORDER_FIRST, 66536}, {900, CM_RTP_ORDER_BEHIND, 66436},
         {899, CM_RTP_ORDER_SUSPECT, 0}, {3999, CM_RTP_ORDER_AHEAD, 69535},
         {6999, CM_RTP_ORDER_SUSPECT, 0});
}

static void one_stray_number_changes_nothing(void **state)
{
    (void)state;
    WALK({10, CM_RTP_ORDER_FIRST, 65546}, {40000, CM_RTP_ORDER_SUSPECT, 0},
         {11, CM_RTP_ORDER_NEXT, 65547}, {40001, CM_RTP_ORDER_SUSPECT, 0},
         {50000, CM_RTP_ORDER_SUSPECT, 0}, {12, CM_RTP_ORDER_NEXT, 65548});
}

static void two_in_a_row_are_a_restart_and_numbers_stay_above_the_old(void **state)
{
    (void)state;
    WALK({60000, CM_RTP_ORDER_FIRST, 125536}, {20000, CM_RTP_ORDER_SUSPECT, 0},
         {20001, CM_RTP_ORDER_RESTARTED, 3 * 65536 + 20001},
         {20002, CM_RTP_ORDER_NEXT, 3 * 65536 + 20002},
         {20000, CM_RTP_ORDER_BEHIND, 3 * 65536 + 20000});
}

static void a_restart_across_the_wrap_is_seen(void **state)
{
    (void)state;
    WALK({30000, CM_RTP_ORDER_FIRST, 95536}, {65535, CM_RTP_ORDER_SUSPECT, 0},
         {0, CM_RTP_ORDER_RESTARTED, 3 * 65536});
}

/* --- timestamps ------------------------------------------------------------------------------ */

static cm_instant at_ms(int64_t ms)
{
    return (cm_instant){.us = ms * 1000};
}

static void timestamps_run_on_through_the_wrap(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 0xFFFFF000, at_ms(0), &ticks), CM_RTP_TIME_FIRST);
    assert_int_equal(ticks, 0xFFFFF000);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 0x800, at_ms(50), &ticks), CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, INT64_C(0x100000800));
}

static void equal_timestamps_and_b_pictures_going_back_are_no_jump(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 9000, at_ms(0), &ticks);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 9000, at_ms(1), &ticks), CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, 9000);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 6000, at_ms(2), &ticks), CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, 6000);
}

static void a_restart_at_zero_goes_on_by_the_time_between_arrivals(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 500000000, at_ms(0), &ticks);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 0, at_ms(2000), &ticks), CM_RTP_TIME_JUMPED);
    assert_int_equal(ticks, 500000000 + 180000);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 4500, at_ms(2050), &ticks), CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, 500000000 + 184500);
}

static void a_jump_of_hours_is_bridged(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 0, at_ms(0), &ticks);
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 3u * 3600 * 90000, at_ms(50), &ticks),
                     CM_RTP_TIME_JUMPED);
    assert_int_equal(ticks, 4500);
    /* two packets at the very same moment still differ */
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 0, at_ms(50), &ticks), CM_RTP_TIME_JUMPED);
    assert_int_equal(ticks, 4501);
}

static void hours_of_silence_are_no_jump_and_count_their_wraps(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 1000, at_ms(0), &ticks);
    const int64_t day = INT64_C(86400) * 90000; /* 1.8 wraps */
    assert_int_equal(
        cm_rtp_timestamps_unwrap(&t, (uint32_t)(1000 + day + 70), at_ms(86400000), &ticks),
        CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, 1000 + day + 70);
}

static void a_silence_of_just_one_wrap_is_counted(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 7, at_ms(0), &ticks);
    const int64_t wrap_ms = (INT64_C(1) << 32) / 90;
    assert_int_equal(cm_rtp_timestamps_unwrap(&t, 7, at_ms(wrap_ms), &ticks), CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, (INT64_C(1) << 32) + 7);
}

static void a_stalled_connection_that_bursts_is_no_jump(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 90000);
    (void)cm_rtp_timestamps_unwrap(&t, 0, at_ms(0), &ticks);
    for (uint32_t i = 1; i < 400; i++) { /* 20 s of pictures, all 20 s late */
        assert_int_equal(cm_rtp_timestamps_unwrap(&t, i * 4500, at_ms(20000), &ticks),
                         CM_RTP_TIME_RUNS);
        assert_int_equal(ticks, i * 4500);
    }
}

static void a_wrong_clock_rate_in_the_sdp_is_no_jump(void **state)
{
    (void)state;
    cm_rtp_timestamps t;
    int64_t ticks;
    cm_rtp_timestamps_init(&t, 0); /* counts as 90,000; the camera runs at 8,000 */
    (void)cm_rtp_timestamps_unwrap(&t, 0, at_ms(0), &ticks);
    for (uint32_t i = 1; i < 1000; i++)
        assert_int_equal(cm_rtp_timestamps_unwrap(&t, i * 160, at_ms(i * 20), &ticks),
                         CM_RTP_TIME_RUNS);
    assert_int_equal(ticks, 999 * 160);
}

/* --- reorder --------------------------------------------------------------------------------- */

typedef struct fixture {
    cm_rtp_reorder reorder;
    uint8_t storage[512];
    char order[256]; /* what came out: "3 4(2) 7", losses in brackets */
} fixture;

static void begin(fixture *f, cm_rtp_reorder_config config, size_t storage_size)
{
    f->order[0] = '\0';
    cm_rtp_reorder_init(&f->reorder, &config, f->storage, storage_size);
}

static void drain(fixture *f, int64_t ms)
{
    cm_rtp_reorder_packet p;
    cm_writer w = cm_writer_over(f->order, sizeof f->order);
    w.used = strlen(f->order);
    while (cm_rtp_reorder_take(&f->reorder, at_ms(ms), &p)) {
        cm_write_text(&w, w.used > 0 ? " " : "");
        cm_write_decimal(&w, p.sequence);
        if (p.lost_before > 0)
            cm_write_format(&w, "(%u)", (unsigned)p.lost_before);
        for (size_t i = 0; i < p.bytes.size; i++)
            assert_int_equal(p.bytes.bytes[i], (uint8_t)p.sequence);
    }
    cm_write_u8(&w, 0);
    assert_false(w.failed);
}

/* A packet of `size` bytes that say its number; its memory is spoiled once it has been drained. */
static void put_sized(fixture *f, uint64_t sequence, size_t size, int64_t ms)
{
    uint8_t bytes[600];
    assert_true(size <= sizeof bytes);
    memset(bytes, (int)(uint8_t)sequence, sizeof bytes);
    cm_rtp_reorder_put(&f->reorder, sequence, cm_slice_over(bytes, size), at_ms(ms));
    drain(f, ms);
    memset(bytes, 0xEE, sizeof bytes);
}

static void put(fixture *f, uint64_t sequence, int64_t ms)
{
    put_sized(f, sequence, 20, ms);
}

static void packets_in_order_pass_without_a_copy(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 0); /* there is no storage to copy to */
    for (uint64_t i = 10; i < 15; i++)
        put_sized(&f, i, 600, 0);
    assert_string_equal(f.order, "10 11 12 13 14");
    assert_int_equal(f.reorder.lost, 0);
}

static void two_swapped_packets_come_out_in_order(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 512);
    put(&f, 10, 0);
    put(&f, 12, 1);
    assert_string_equal(f.order, "10");
    put(&f, 11, 2);
    put(&f, 13, 3);
    assert_string_equal(f.order, "10 11 12 13");
    assert_int_equal(f.reorder.lost, 0);
}

static void every_order_of_five_comes_out_in_order(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 3125; code++) {
        uint64_t order[5];
        unsigned seen = 0;
        for (unsigned i = 0, rest = code; i < 5; i++, rest /= 5) {
            order[i] = 101 + rest % 5;
            seen |= 1u << rest % 5;
        }
        if (seen != 31)
            continue;
        fixture f;
        begin(&f, (cm_rtp_reorder_config){0}, 512);
        put(&f, 100, 0);
        for (unsigned i = 0; i < 5; i++)
            put(&f, order[i], 0);
        assert_string_equal(f.order, "100 101 102 103 104 105");
    }
}

static void late_ones_and_duplicates_are_dropped_and_counted(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 512);
    put(&f, 10, 0);
    put(&f, 10, 0);
    put(&f, 9, 0);
    put(&f, 12, 0);
    put(&f, 12, 0);
    put(&f, 11, 0);
    assert_string_equal(f.order, "10 11 12");
    assert_int_equal(f.reorder.late, 2);
    assert_int_equal(f.reorder.duplicates, 1);
}

static void a_gap_is_given_up_after_so_many_numbers(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){.wait_packets = 4}, 512);
    put(&f, 10, 0);
    put(&f, 12, 0);
    put(&f, 13, 0);
    put(&f, 14, 0);
    assert_string_equal(f.order, "10");
    put(&f, 15, 0);
    assert_string_equal(f.order, "10 12(1) 13 14 15");
    put(&f, 11, 0);
    assert_int_equal(f.reorder.late, 1);
    assert_int_equal(f.reorder.lost, 1);
}

static void a_gap_is_given_up_after_a_time(void **state)
{
    (void)state;
    fixture f;
    cm_instant deadline;
    begin(&f, (cm_rtp_reorder_config){.wait_us = CM_MS(50)}, 512);
    put(&f, 10, 0);
    assert_false(cm_rtp_reorder_deadline(&f.reorder, &deadline));
    put(&f, 13, 5);
    put(&f, 12, 20);
    assert_true(cm_rtp_reorder_deadline(&f.reorder, &deadline));
    assert_int_equal(deadline.us, CM_MS(55));
    drain(&f, 54);
    assert_string_equal(f.order, "10");
    drain(&f, 55);
    assert_string_equal(f.order, "10 12(1) 13");
    assert_false(cm_rtp_reorder_deadline(&f.reorder, &deadline));
}

static void of_two_gaps_only_the_first_is_given_up(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){.wait_packets = 4}, 512);
    put(&f, 10, 0);
    put(&f, 12, 0);
    put(&f, 15, 0); /* four past the missing 11: it is given up, 13 is still waited for */
    assert_string_equal(f.order, "10 12(1)");
    put(&f, 13, 0);
    put(&f, 14, 0);
    assert_string_equal(f.order, "10 12(1) 13 14 15");
    assert_int_equal(f.reorder.lost, 1);
}

static void a_leap_of_thousands_gives_everything_up_at_once(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 512);
    put(&f, 10, 0);
    put(&f, 12, 0);
    put(&f, 2012, 0);
    assert_string_equal(f.order, "10 12(1) 2012(1999)");
    assert_int_equal(f.reorder.lost, 2000);
}

static void without_room_nothing_waits_and_nothing_is_lost_but_the_missing(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 100);
    put_sized(&f, 10, 40, 0);
    put_sized(&f, 12, 40, 0);
    put_sized(&f, 13, 40, 0);
    assert_string_equal(f.order, "10");
    put_sized(&f, 15, 40, 0); /* the third does not fit */
    assert_string_equal(f.order, "10 12(1) 13 15(1)");
    put_sized(&f, 17, 40, 0); /* and then there is room again */
    assert_string_equal(f.order, "10 12(1) 13 15(1)");
    put_sized(&f, 16, 40, 0);
    assert_string_equal(f.order, "10 12(1) 13 15(1) 16 17");
}

static void a_packet_larger_than_the_storage_passes_at_once(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 100);
    put(&f, 10, 0);
    put_sized(&f, 12, 500, 0);
    assert_string_equal(f.order, "10 12(1)");
}

static void the_longest_wait_fills_every_slot(void **state)
{
    (void)state;
    fixture f;
    static uint8_t storage[64 * 20];
    f.order[0] = '\0';
    cm_rtp_reorder_init(&f.reorder, &(cm_rtp_reorder_config){.wait_packets = 64}, storage,
                        sizeof storage);
    put(&f, 100, 0);
    for (uint64_t i = 163; i > 101; i--)
        put(&f, i, 0);
    assert_string_equal(f.order, "100");
    assert_int_equal(f.reorder.slot_count, 62);
    f.order[0] = '\0';
    put(&f, 101, 0);
    assert_int_equal(f.reorder.slot_count, 0);
    assert_int_equal(f.reorder.lost, 0);
    assert_memory_equal(f.order, "101 102 103", 11);
}

static void after_a_reset_the_next_packet_starts_anew(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (cm_rtp_reorder_config){0}, 512);
    put(&f, 10, 0);
    put(&f, 12, 0);
    cm_rtp_reorder_reset(&f.reorder);
    put(&f, 200000, 0);
    assert_string_equal(f.order, "10 200000");
    assert_int_equal(f.reorder.lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_packet_is_read),
        cmocka_unit_test(the_plainest_packet_has_no_payload),
        cmocka_unit_test(a_packet_cut_inside_its_head_is_refused_at_every_length),
        cmocka_unit_test(a_cut_payload_shows_in_its_padding),
        cmocka_unit_test(padding_of_zero_or_beyond_the_payload_is_refused),
        cmocka_unit_test(an_extension_longer_than_the_packet_is_refused),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(what_was_parsed_is_written_back_the_same),
        cmocka_unit_test(a_packet_that_does_not_fit_fails_the_writer),
        cmocka_unit_test(headers_that_cannot_be_said_fail_the_writer),
        cmocka_unit_test(sequence_numbers_run_on_through_the_wrap),
        cmocka_unit_test(a_packet_before_the_first_stays_above_zero),
        cmocka_unit_test(the_bounds_of_dropout_and_misorder_are_the_rfcs),
        cmocka_unit_test(one_stray_number_changes_nothing),
        cmocka_unit_test(two_in_a_row_are_a_restart_and_numbers_stay_above_the_old),
        cmocka_unit_test(a_restart_across_the_wrap_is_seen),
        cmocka_unit_test(timestamps_run_on_through_the_wrap),
        cmocka_unit_test(equal_timestamps_and_b_pictures_going_back_are_no_jump),
        cmocka_unit_test(a_restart_at_zero_goes_on_by_the_time_between_arrivals),
        cmocka_unit_test(a_jump_of_hours_is_bridged),
        cmocka_unit_test(hours_of_silence_are_no_jump_and_count_their_wraps),
        cmocka_unit_test(a_silence_of_just_one_wrap_is_counted),
        cmocka_unit_test(a_stalled_connection_that_bursts_is_no_jump),
        cmocka_unit_test(a_wrong_clock_rate_in_the_sdp_is_no_jump),
        cmocka_unit_test(packets_in_order_pass_without_a_copy),
        cmocka_unit_test(two_swapped_packets_come_out_in_order),
        cmocka_unit_test(every_order_of_five_comes_out_in_order),
        cmocka_unit_test(late_ones_and_duplicates_are_dropped_and_counted),
        cmocka_unit_test(a_gap_is_given_up_after_so_many_numbers),
        cmocka_unit_test(a_gap_is_given_up_after_a_time),
        cmocka_unit_test(of_two_gaps_only_the_first_is_given_up),
        cmocka_unit_test(a_leap_of_thousands_gives_everything_up_at_once),
        cmocka_unit_test(without_room_nothing_waits_and_nothing_is_lost_but_the_missing),
        cmocka_unit_test(a_packet_larger_than_the_storage_passes_at_once),
        cmocka_unit_test(the_longest_wait_fills_every_slot),
        cmocka_unit_test(after_a_reset_the_next_packet_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
