/* proto/rtcp: compound packets, and what a receiver report says. One behaviour a case. */
#include "unit.h"

#include "proto/rtcp/reception.h"
#include "proto/rtcp/rtcp.h"

static const uint8_t SR[] = {0x80, 200, 0, 6, 0x11, 0x22, 0x33, 0x44, 0, 0,   0, 1, 0x80, 0,
                             0,    0,   0, 1, 0x5F, 0x90, 0,    0,    0, 100, 0, 0, 0x27, 0x10};
static const uint8_t SDES[] = {0x81, 202, 0, 2, 0x11, 0x22, 0x33, 0x44, 1, 1, 'x', 0};
static const uint8_t BYE[] = {0x81, 203, 0, 1, 0x11, 0x22, 0x33, 0x44};
static const uint8_t RR[] = {0x81, 201, 0,    7,    0,    0, 0, 7, 0x11, 0x22, 0x33,
                             0x44, 64,  0xFF, 0xFF, 0xFE, 0, 1, 0, 9,    0,    0,
                             0,    33,  0,    1,    0x80, 0, 0, 1, 0,    0};

typedef struct datagram {
    uint8_t bytes[256];
    cm_writer w;
} datagram;

static void begin(datagram *d)
{
    d->w = cm_writer_over(d->bytes, sizeof d->bytes);
}

#define ADD(d, packet) cm_write_slice(&(d)->w, cm_slice_over((packet), sizeof(packet)))

static void a_sender_report_is_read(void **state)
{
    (void)state;
    cm_slice rest = cm_slice_over(SR, sizeof SR);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_SR);
    assert_int_equal(p.ssrc, 0x11223344);
    assert_true(p.sender.ntp_timestamp == UINT64_C(0x0000000180000000));
    assert_int_equal(p.sender.rtp_timestamp, 90000);
    assert_int_equal(p.sender.packet_count, 100);
    assert_int_equal(p.sender.octet_count, 10000);
    assert_int_equal(p.block_count, 0);
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_ABSENT);
}

static void a_report_block_is_read_with_its_sign(void **state)
{
    (void)state;
    cm_slice rest = cm_slice_over(RR, sizeof RR);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_RR);
    assert_int_equal(p.ssrc, 7);
    assert_int_equal(p.block_count, 1);
    assert_int_equal(p.blocks[0].ssrc, 0x11223344);
    assert_int_equal(p.blocks[0].fraction_lost, 64);
    assert_int_equal(p.blocks[0].cumulative_lost, -2); /* duplicates */
    assert_int_equal(p.blocks[0].extended_highest_sequence, 65545);
    assert_int_equal(p.blocks[0].jitter, 33);
    assert_int_equal(p.blocks[0].last_sr, 0x18000);
    assert_int_equal(p.blocks[0].delay_since_last_sr, 65536);
}

static void sdes_is_skipped_and_bye_found_behind_it(void **state)
{
    (void)state;
    datagram d;
    begin(&d);
    ADD(&d, SR);
    ADD(&d, SDES);
    ADD(&d, BYE);
    cm_slice rest = cm_writer_done(&d.w);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_SR);
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_BYE);
    assert_int_equal(p.ssrc, 0x11223344);
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_ABSENT);
}

static void an_sdes_without_an_end_does_not_cost_the_rest(void **state)
{
    (void)state;
    /* the item list fills its packet to the brim, with no null octet to end it */
    static const uint8_t ENDLESS[] = {0x81, 202, 0, 2, 1, 2, 3, 4, 1, 2, 'a', 'b'};
    datagram d;
    begin(&d);
    ADD(&d, ENDLESS);
    ADD(&d, SR);
    cm_slice rest = cm_writer_done(&d.w);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_SR);
}

static void an_sdes_longer_than_the_datagram_does_not_cost_what_came_before(void **state)
{
    (void)state;
    static const uint8_t LONG[] = {0x81, 202, 0, 9, 1, 2, 3, 4, 1, 2, 'a', 'b'};
    datagram d;
    begin(&d);
    ADD(&d, SR);
    ADD(&d, LONG);
    cm_slice rest = cm_writer_done(&d.w);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_SR);
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_CLOSE);
    assert_int_equal(rest.size, 0);
    assert_int_equal(p.type, CM_RTCP_SR); /* untouched */
}

static void a_report_too_short_for_its_content_is_passed_over(void **state)
{
    (void)state;
    static const uint8_t SHORT[] = {0x80, 200, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0};
    static const uint8_t NOBODY[] = {0x80, 203, 0, 0};
    datagram d;
    begin(&d);
    ADD(&d, SHORT);
    ADD(&d, NOBODY);
    ADD(&d, RR);
    cm_slice rest = cm_writer_done(&d.w);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.type, CM_RTCP_RR);
}

static void blocks_that_are_counted_but_missing_are_not_made_up(void **state)
{
    (void)state;
    uint8_t bytes[sizeof RR];
    memcpy(bytes, RR, sizeof RR);
    bytes[0] = 0x9F; /* says 31 blocks, holds one */
    cm_slice rest = cm_slice_over(bytes, sizeof bytes);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
    assert_int_equal(p.block_count, 1);
}

static void every_truncation_of_a_compound_keeps_what_is_whole(void **state)
{
    (void)state;
    datagram d;
    begin(&d);
    ADD(&d, SR);
    ADD(&d, SDES);
    ADD(&d, RR);
    const cm_slice all = cm_writer_done(&d.w);
    for (size_t size = 0; size < all.size; size++) {
        cm_slice rest = cm_slice_part(all, 0, size);
        cm_rtcp_packet p;
        size_t count = 0;
        cm_status status;
        while ((status = cm_rtcp_next(&rest, &p)) == CM_OK)
            count++;
        const bool is_edge = size == 0 || size == sizeof SR || size == sizeof SR + sizeof SDES;
        assert_int_equal(status, is_edge ? CM_ABSENT : CM_CLOSE);
        assert_int_equal(count, size >= sizeof SR);
        assert_int_equal(rest.size, 0);
    }
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    cm_slice rest = BYTES(0x40, 201, 0, 1, 0, 0, 0, 7);
    cm_rtcp_packet p;
    assert_int_equal(cm_rtcp_next(&rest, &p), CM_CLOSE);
}

static void what_is_written_is_what_the_figures_show(void **state)
{
    (void)state;
    datagram d;
    begin(&d);
    const cm_rtcp_sender_info sender = {UINT64_C(0x180000000), 90000, 100, 10000};
    cm_rtcp_write_sr(&d.w, 0x11223344, &sender, NULL);
    assert_true(cm_slice_equal(cm_writer_done(&d.w), cm_slice_over(SR, sizeof SR)));
    begin(&d);
    const cm_rtcp_block block = {0x11223344, 64, -2, 65545, 33, 0x18000, 65536};
    cm_rtcp_write_rr(&d.w, 7, &block);
    assert_true(cm_slice_equal(cm_writer_done(&d.w), cm_slice_over(RR, sizeof RR)));
    begin(&d);
    cm_rtcp_write_cname(&d.w, 0x11223344, CM_TEXT("x"));
    assert_true(cm_slice_equal(cm_writer_done(&d.w), cm_slice_over(SDES, sizeof SDES)));
    begin(&d);
    cm_rtcp_write_bye(&d.w, 0x11223344);
    assert_true(cm_slice_equal(cm_writer_done(&d.w), cm_slice_over(BYE, sizeof BYE)));
}

static void a_compound_we_write_parses_whatever_the_size_of_the_name(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', sizeof name);
    for (size_t size = 1; size <= 255; size++) {
        uint8_t bytes[512];
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        cm_rtcp_write_rr(&w, 7, NULL);
        cm_rtcp_write_cname(&w, 7, cm_slice_over(name, size));
        cm_rtcp_write_bye(&w, 7);
        cm_slice rest = cm_writer_done(&w);
        assert_int_equal(rest.size % 4, 0);
        cm_rtcp_packet p;
        assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
        assert_int_equal(p.type, CM_RTCP_RR);
        assert_int_equal(p.block_count, 0);
        assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
        assert_int_equal(p.type, CM_RTCP_BYE);
        assert_int_equal(cm_rtcp_next(&rest, &p), CM_ABSENT);
    }
}

static void a_name_of_no_or_too_many_bytes_fails_the_writer(void **state)
{
    (void)state;
    uint8_t bytes[512];
    const char name[256] = {'n'};
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_rtcp_write_cname(&w, 7, (cm_slice){0});
    assert_true(w.failed);
    w = cm_writer_over(bytes, sizeof bytes);
    cm_rtcp_write_cname(&w, 7, cm_slice_over(name, 256));
    assert_true(w.failed);
}

static void losses_beyond_24_bits_are_clamped(void **state)
{
    (void)state;
    static const struct {
        int32_t in, out;
    } CASES[] = {{0x7FFFFF, 0x7FFFFF},   {0x800000, 0x7FFFFF},  {INT32_MAX, 0x7FFFFF}, {-1, -1},
                 {-0x800000, -0x800000}, {INT32_MIN, -0x800000}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        datagram d;
        begin(&d);
        cm_rtcp_write_rr(&d.w, 7, &(cm_rtcp_block){.cumulative_lost = CASES[i].in});
        cm_slice rest = cm_writer_done(&d.w);
        cm_rtcp_packet p;
        assert_int_equal(cm_rtcp_next(&rest, &p), CM_OK);
        assert_int_equal(p.blocks[0].cumulative_lost, CASES[i].out);
    }
}

/* --- reception ------------------------------------------------------------------------------- */

static cm_instant at_ms(int64_t ms)
{
    return (cm_instant){.us = ms * 1000};
}

static cm_rtcp_block report(cm_rtcp_reception *r, int64_t ms)
{
    cm_rtcp_block block;
    assert_int_equal(cm_rtcp_reception_report(r, 9, at_ms(ms), &block), CM_OK);
    return block;
}

static void before_a_packet_there_is_nothing_to_report(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_block block;
    cm_rtcp_reception_init(&r, 90000);
    assert_int_equal(cm_rtcp_reception_report(&r, 9, at_ms(0), &block), CM_ABSENT);
}

static void without_loss_all_is_zero(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    for (uint32_t i = 0; i < 100; i++)
        cm_rtcp_reception_packet(&r, 65536 + 500 + i, i * 4500, at_ms(i * 50));
    const cm_rtcp_block block = report(&r, 5000);
    assert_int_equal(block.ssrc, 9);
    assert_int_equal(block.fraction_lost, 0);
    assert_int_equal(block.cumulative_lost, 0);
    assert_int_equal(block.jitter, 0);
    assert_int_equal(block.extended_highest_sequence, 599);
    assert_int_equal(block.last_sr, 0);
    assert_int_equal(block.delay_since_last_sr, 0);
}

static void a_quarter_lost_is_64_and_counts_per_interval(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    for (uint32_t i = 0; i < 100; i++)
        if (i % 4 != 1)
            cm_rtcp_reception_packet(&r, 65536 + i, i * 4500, at_ms(i * 50));
    cm_rtcp_block block = report(&r, 5000);
    assert_int_equal(block.fraction_lost, 64);
    assert_int_equal(block.cumulative_lost, 25);
    for (uint32_t i = 100; i < 200; i++)
        cm_rtcp_reception_packet(&r, 65536 + i, i * 4500, at_ms(i * 50));
    block = report(&r, 10000);
    assert_int_equal(block.fraction_lost, 0);
    assert_int_equal(block.cumulative_lost, 25);
    block = report(&r, 15000); /* nothing came: nothing was expected */
    assert_int_equal(block.fraction_lost, 0);
}

static void duplicates_make_the_loss_negative_and_the_fraction_zero(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    for (uint32_t i = 0; i < 10; i++) {
        cm_rtcp_reception_packet(&r, 65536 + i, 0, at_ms(0));
        cm_rtcp_reception_packet(&r, 65536 + i, 0, at_ms(0));
    }
    const cm_rtcp_block block = report(&r, 0);
    assert_int_equal(block.cumulative_lost, -10);
    assert_int_equal(block.fraction_lost, 0);
}

static void one_that_came_before_the_first_is_expected_too(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    cm_rtcp_reception_packet(&r, 65537, 0, at_ms(0));
    cm_rtcp_reception_packet(&r, 65536, 0, at_ms(0));
    assert_int_equal(report(&r, 0).cumulative_lost, 0);
}

static void cycles_stand_above_the_sequence_number(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    cm_rtcp_reception_packet(&r, 65536 + 65535, 0, at_ms(0));
    cm_rtcp_reception_packet(&r, 65536 + 65536 + 3, 0, at_ms(0));
    assert_int_equal(report(&r, 0).extended_highest_sequence, 0x10003);
}

/* RFC 3550 A.8 by hand: transit changes by 90 ticks (1 ms at 90 kHz) with every packet. */
static void jitter_closes_in_on_the_difference_in_transit(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    cm_rtcp_reception_packet(&r, 65536, 0, at_ms(0));
    cm_rtcp_reception_packet(&r, 65537, 4500, at_ms(51));
    assert_int_equal(report(&r, 51).jitter, 90 / 16);
    cm_rtcp_reception_packet(&r, 65538, 9000, at_ms(100));
    assert_int_equal(report(&r, 100).jitter, (90 + 90 - 6) / 16);
    for (uint32_t i = 3; i < 300; i++)
        cm_rtcp_reception_packet(&r, 65536 + i, i * 4500, at_ms(i * 50 + i % 2));
    const uint32_t settled = report(&r, 15000).jitter;
    assert_in_range(settled, 85, 90);
}

static void a_leap_of_the_senders_clock_is_no_jitter(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 90000);
    cm_rtcp_reception_packet(&r, 65536, 0, at_ms(0));
    cm_rtcp_reception_packet(&r, 65537, 3000000000u, at_ms(50));
    cm_rtcp_reception_packet(&r, 65538, 3000004500u, at_ms(100));
    assert_int_equal(report(&r, 100).jitter, 0);
}

static void the_last_sender_report_is_named_with_its_delay(void **state)
{
    (void)state;
    cm_rtcp_reception r;
    cm_rtcp_reception_init(&r, 0);
    cm_rtcp_reception_packet(&r, 65536, 0, at_ms(0));
    const cm_rtcp_sender_info sender = {.ntp_timestamp = UINT64_C(0x1122334455667788)};
    cm_rtcp_reception_sender_report(&r, &sender, at_ms(1000));
    cm_rtcp_block block = report(&r, 3500);
    assert_int_equal(block.last_sr, 0x33445566);
    assert_int_equal(block.delay_since_last_sr, 65536 * 5 / 2);
    block = report(&r, INT64_C(1000) * 86400 * 30); /* stays at the end of its 32 bits */
    assert_int_equal(block.delay_since_last_sr, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_report_is_read),
        cmocka_unit_test(a_report_block_is_read_with_its_sign),
        cmocka_unit_test(sdes_is_skipped_and_bye_found_behind_it),
        cmocka_unit_test(an_sdes_without_an_end_does_not_cost_the_rest),
        cmocka_unit_test(an_sdes_longer_than_the_datagram_does_not_cost_what_came_before),
        cmocka_unit_test(a_report_too_short_for_its_content_is_passed_over),
        cmocka_unit_test(blocks_that_are_counted_but_missing_are_not_made_up),
        cmocka_unit_test(every_truncation_of_a_compound_keeps_what_is_whole),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(what_is_written_is_what_the_figures_show),
        cmocka_unit_test(a_compound_we_write_parses_whatever_the_size_of_the_name),
        cmocka_unit_test(a_name_of_no_or_too_many_bytes_fails_the_writer),
        cmocka_unit_test(losses_beyond_24_bits_are_clamped),
        cmocka_unit_test(before_a_packet_there_is_nothing_to_report),
        cmocka_unit_test(without_loss_all_is_zero),
        cmocka_unit_test(a_quarter_lost_is_64_and_counts_per_interval),
        cmocka_unit_test(duplicates_make_the_loss_negative_and_the_fraction_zero),
        cmocka_unit_test(one_that_came_before_the_first_is_expected_too),
        cmocka_unit_test(cycles_stand_above_the_sequence_number),
        cmocka_unit_test(jitter_closes_in_on_the_difference_in_transit),
        cmocka_unit_test(a_leap_of_the_senders_clock_is_no_jitter),
        cmocka_unit_test(the_last_sender_report_is_named_with_its_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
