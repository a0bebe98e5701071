/* proto/rtcp: feedback (RFC 4585, RFC 5104, transport-cc, REMB) and the round trip. One behaviour a
 * case. */
#include "unit.h"

#include <stdlib.h>

#include "proto/rtcp/feedback.h"
#include "proto/rtcp/transport_cc.h"

enum { OURS = 0x01020304, THEIRS = 0x11223344 };

static cm_status parse_feedback(cm_slice datagram, cm_rtcp_feedback *out)
{
    cm_rtcp_item item;
    CM_TRY(cm_rtcp_next_item(&datagram, &item));
    assert_int_equal(datagram.size, 0);
    return cm_rtcp_feedback_parse(&item, out);
}

static cm_rtcp_feedback feedback_of(cm_slice datagram)
{
    cm_rtcp_feedback feedback;
    assert_int_equal(parse_feedback(datagram, &feedback), CM_OK);
    return feedback;
}

/* --- compounds ------------------------------------------------------------------------------- */

static void every_packet_of_a_compound_is_taken_whatever_its_type(void **state)
{
    (void)state;
    uint8_t room[256];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_rr(&w, OURS, NULL);
    cm_rtcp_write_cname(&w, OURS, CM_TEXT("x"));
    cm_write_slice(&w, BYTES(0x80, 207, 0, 1, 0, 0, 0, 1)); /* an extended report: nothing to us */
    cm_rtcp_write_pli(&w, OURS, THEIRS);
    cm_rtcp_write_bye(&w, OURS);
    static const uint8_t TYPES[] = {CM_RTCP_RR, CM_RTCP_SDES, 207, CM_RTCP_PAYLOAD_FEEDBACK,
                                    CM_RTCP_BYE};
    cm_slice rest = cm_writer_done(&w);
    cm_rtcp_item item;
    cm_rtcp_packet packet;
    cm_rtcp_feedback feedback;
    for (size_t i = 0; i < CM_COUNT(TYPES); i++) {
        assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_OK);
        assert_int_equal(item.type, TYPES[i]);
        const bool is_report = i == 0 || i == 4;
        assert_int_equal(cm_rtcp_report_parse(&item, &packet), is_report ? CM_OK : CM_ABSENT);
        assert_int_equal(cm_rtcp_feedback_parse(&item, &feedback), i == 3 ? CM_OK : CM_ABSENT);
    }
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_ABSENT);
}

/* RFC 5506: no report before it. */
static void a_feedback_alone_is_a_datagram(void **state)
{
    (void)state;
    const cm_rtcp_feedback pli =
        feedback_of(BYTES(0x81, 206, 0, 2, 1, 2, 3, 4, 0x11, 0x22, 0x33, 0x44));
    assert_int_equal(pli.kind, CM_RTCP_PLI);
    assert_int_equal(pli.sender_ssrc, OURS);
    assert_int_equal(pli.media_ssrc, THEIRS);
}

static void a_feedback_without_its_two_ssrcs_is_malformed(void **state)
{
    (void)state;
    cm_rtcp_feedback feedback = {.sender_ssrc = 9};
    assert_int_equal(parse_feedback(BYTES(0x81, 206, 0, 1, 1, 2, 3, 4), &feedback), CM_CLOSE);
    assert_int_equal(parse_feedback(BYTES(0x81, 206, 0, 0), &feedback), CM_CLOSE);
    assert_int_equal(feedback.sender_ssrc, 9); /* untouched */
}

static void kinds_that_we_do_not_know_are_absent(void **state)
{
    (void)state;
    cm_rtcp_feedback feedback;
    /* TMMBR (RFC 5104 4.2.1), SLI (RFC 4585 6.3.2), another application's */
    assert_int_equal(parse_feedback(BYTES(0x83, 205, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8), &feedback),
                     CM_ABSENT);
    assert_int_equal(parse_feedback(BYTES(0x82, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8), &feedback),
                     CM_ABSENT);
    assert_int_equal(
        parse_feedback(BYTES(0x8F, 206, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 'R', 'E', 'M', 'A'),
                       &feedback),
        CM_ABSENT);
    assert_int_equal(parse_feedback(BYTES(0x8F, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8), &feedback),
                     CM_ABSENT);
}

static void padding_is_cut_off_or_malformed(void **state)
{
    (void)state;
    const cm_rtcp_feedback nack =
        feedback_of(BYTES(0xA1, 205, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0, 7, 0, 0, 0, 0, 0, 4));
    assert_int_equal(nack.content.size, 4);
    cm_rtcp_feedback feedback;
    assert_int_equal(parse_feedback(BYTES(0xA1, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 0), &feedback),
                     CM_CLOSE);
    assert_int_equal(parse_feedback(BYTES(0xA1, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 9), &feedback),
                     CM_CLOSE);
    assert_int_equal(parse_feedback(BYTES(0xA1, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 1), &feedback),
                     CM_CLOSE);
    assert_int_equal(parse_feedback(BYTES(0xA1, 206, 0, 0), &feedback), CM_CLOSE);
}

/* --- NACK (RFC 4585 6.2.1) ------------------------------------------------------------------- */

static size_t read_nack(cm_slice datagram, uint16_t *out, size_t capacity)
{
    const cm_rtcp_feedback feedback = feedback_of(datagram);
    assert_int_equal(feedback.kind, CM_RTCP_NACK);
    cm_rtcp_nack nack = cm_rtcp_nack_over(&feedback);
    size_t count = 0;
    uint16_t sequence_number;
    while (cm_rtcp_nack_next(&nack, &sequence_number)) {
        assert_true(count < capacity);
        out[count++] = sequence_number;
    }
    assert_false(cm_rtcp_nack_next(&nack, &sequence_number));
    return count;
}

static void lost_packets_are_read_from_number_and_mask(void **state)
{
    (void)state;
    uint16_t lost[64];
    /* 65,535 with the second and the last of those behind it; then 9 alone */
    const size_t count = read_nack(
        BYTES(0x81, 205, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF, 0xFF, 0x80, 0x02, 0, 9, 0, 0), lost,
        CM_COUNT(lost));
    assert_int_equal(count, 4);
    assert_int_equal(lost[0], 65535);
    assert_int_equal(lost[1], 1);
    assert_int_equal(lost[2], 15);
    assert_int_equal(lost[3], 9);
}

static void a_nack_of_nothing_or_a_broken_word_is_malformed(void **state)
{
    (void)state;
    cm_rtcp_feedback feedback;
    assert_int_equal(parse_feedback(BYTES(0x81, 205, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8), &feedback),
                     CM_CLOSE);
    assert_int_equal(
        parse_feedback(BYTES(0xA1, 205, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 1), &feedback),
        CM_CLOSE);
}

static void assert_nack_round_trip(const uint16_t *lost, size_t count, size_t words)
{
    uint8_t room[4096];
    uint16_t back[1024];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_nack(&w, OURS, THEIRS, lost, count);
    assert_false(w.failed);
    assert_int_equal(w.used, 12 + 4 * words);
    assert_int_equal(read_nack(cm_writer_done(&w), back, CM_COUNT(back)), count);
    assert_memory_equal(back, lost, count * sizeof *lost);
}

static void lost_packets_are_written_as_few_words_as_can_be(void **state)
{
    (void)state;
    assert_nack_round_trip((const uint16_t[]){7}, 1, 1);
    assert_nack_round_trip((const uint16_t[]){7, 23}, 2, 1);
    assert_nack_round_trip((const uint16_t[]){7, 24}, 2, 2);
    assert_nack_round_trip((const uint16_t[]){65530, 65535, 0, 10, 11}, 5, 2);
    uint16_t all[170];
    for (size_t i = 0; i < CM_COUNT(all); i++)
        all[i] = (uint16_t)(65500 + i);
    assert_nack_round_trip(all, CM_COUNT(all), 10);
}

static void a_number_written_twice_is_lost_once(void **state)
{
    (void)state;
    uint8_t room[64];
    uint16_t back[64];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_nack(&w, OURS, THEIRS, (const uint16_t[]){7, 7, 8, 8}, 4);
    assert_int_equal(read_nack(cm_writer_done(&w), back, CM_COUNT(back)), 2);
}

static void a_nack_of_nothing_fails_the_writer(void **state)
{
    (void)state;
    uint8_t room[64];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_nack(&w, OURS, THEIRS, NULL, 0);
    assert_true(w.failed);
}

/* --- keyframes and rate ---------------------------------------------------------------------- */

static void a_fir_asks_those_it_names(void **state)
{
    (void)state;
    const cm_rtcp_feedback fir =
        feedback_of(BYTES(0x84, 206, 0, 6, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0, 0x11,
                          0x22, 0x33, 0x44, 255, 0, 0, 0));
    assert_int_equal(fir.kind, CM_RTCP_FIR);
    uint8_t command = 77;
    assert_false(cm_rtcp_fir_find(&fir, OURS, &command));
    assert_int_equal(command, 77); /* untouched */
    assert_true(cm_rtcp_fir_find(&fir, THEIRS, &command));
    assert_int_equal(command, 255);
    cm_rtcp_feedback broken;
    assert_int_equal(
        parse_feedback(BYTES(0x84, 206, 0, 3, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9), &broken),
        CM_CLOSE);
    assert_int_equal(parse_feedback(BYTES(0x84, 206, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0), &broken),
                     CM_CLOSE);
}

static void requests_are_written_as_the_figures_show(void **state)
{
    (void)state;
    uint8_t room[64];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_pli(&w, OURS, THEIRS);
    assert_true(cm_slice_equal(cm_writer_done(&w),
                               BYTES(0x81, 206, 0, 2, 1, 2, 3, 4, 0x11, 0x22, 0x33, 0x44)));
    w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_fir(&w, OURS, THEIRS, 5);
    /* RFC 5104 4.3.1.2: the SSRC of the media source is 0 */
    assert_true(cm_slice_equal(cm_writer_done(&w), BYTES(0x84, 206, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0,
                                                         0x11, 0x22, 0x33, 0x44, 5, 0, 0, 0)));
    w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_remb(&w, OURS, THEIRS, 1000000);
    assert_true(cm_slice_equal(cm_writer_done(&w),
                               BYTES(0x8F, 206, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1,
                                     0x0B, 0xD0, 0x90, 0x11, 0x22, 0x33, 0x44)));
}

static void rates_are_kept_to_18_bits(void **state)
{
    (void)state;
    static const uint64_t RATES[] = {0,       1,         262143,     262144,
                                     2500000, 987654321, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < CM_COUNT(RATES); i++) {
        uint8_t room[64];
        cm_writer w = cm_writer_over(room, sizeof room);
        cm_rtcp_write_remb(&w, OURS, THEIRS, RATES[i]);
        const cm_rtcp_feedback remb = feedback_of(cm_writer_done(&w));
        assert_int_equal(remb.kind, CM_RTCP_REMB);
        uint64_t back;
        assert_int_equal(cm_rtcp_remb_parse(&remb, &back), CM_OK);
        assert_true(back <= RATES[i] && RATES[i] - back <= RATES[i] >> 17);
    }
}

static void a_rate_cut_short_or_beyond_64_bits_is_malformed(void **state)
{
    (void)state;
    uint64_t rate = 7;
    const cm_rtcp_feedback cut =
        feedback_of(BYTES(0x8F, 206, 0, 3, 1, 2, 3, 4, 0, 0, 0, 0, 'R', 'E', 'M', 'B'));
    assert_int_equal(cm_rtcp_remb_parse(&cut, &rate), CM_CLOSE);
    const cm_rtcp_feedback huge = feedback_of(
        BYTES(0x8F, 206, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 0, 0xFF, 0xFF, 0xFF));
    assert_int_equal(cm_rtcp_remb_parse(&huge, &rate), CM_CLOSE);
    assert_int_equal(rate, 7); /* untouched */
}

/* --- transport-cc ---------------------------------------------------------------------------- */

/* A report with this content behind the two SSRCs. */
static cm_status parse_cc(cm_slice content, cm_rtcp_transport_cc *out)
{
    const cm_rtcp_feedback feedback = {.kind = CM_RTCP_TRANSPORT_CC, .content = content};
    return cm_rtcp_transport_cc_parse(&feedback, out);
}

static void arrivals_are_read_from_a_run(void **state)
{
    (void)state;
    cm_rtcp_transport_cc report;
    /* base 0xFFFF, 3 packets, reference 2 * 64 ms, report 9; 3 small deltas */
    assert_int_equal(parse_cc(BYTES(0xFF, 0xFF, 0, 3, 0, 0, 2, 9, 0x20, 3, 4, 0, 255), &report),
                     CM_OK);
    assert_int_equal(report.base_sequence_number, 0xFFFF);
    assert_int_equal(report.count, 3);
    assert_int_equal(report.feedback_count, 9);
    static const cm_rtcp_arrival EXPECTED[] = {
        {0xFFFF, true, 129000}, {0, true, 129000}, {1, true, 192750}};
    cm_rtcp_arrival arrival;
    for (size_t i = 0; i < CM_COUNT(EXPECTED); i++) {
        assert_true(cm_rtcp_transport_cc_next(&report, &arrival));
        assert_int_equal(arrival.sequence_number, EXPECTED[i].sequence_number);
        assert_true(arrival.is_received);
        assert_true(arrival.at_us == EXPECTED[i].at_us);
    }
    assert_false(cm_rtcp_transport_cc_next(&report, &arrival));
    assert_int_equal(arrival.sequence_number, 1); /* untouched */
}

static void arrivals_are_read_from_both_vectors(void **state)
{
    (void)state;
    cm_rtcp_transport_cc report;
    /* 14 of one bit: 1 0 1 and lost; then of two bits: 2 0 1, and four that are beyond the count */
    assert_int_equal(
        parse_cc(BYTES(0, 0, 0, 17, 0, 0, 0, 0, 0xA8, 0, 0xE1, 0, 1, 2, 0xFF, 0xFF, 8), &report),
        CM_OK);
    int64_t times[17];
    bool is_received[17];
    cm_rtcp_arrival arrival;
    for (size_t i = 0; i < 17; i++) {
        assert_true(cm_rtcp_transport_cc_next(&report, &arrival));
        times[i] = arrival.at_us;
        is_received[i] = arrival.is_received;
    }
    assert_false(cm_rtcp_transport_cc_next(&report, &arrival));
    for (size_t i = 0; i < 17; i++)
        assert_int_equal(is_received[i], i == 0 || i == 2 || i == 14 || i == 16);
    assert_true(times[0] == 250 && times[2] == 750);
    assert_true(times[14] == 500 && times[16] == 2500); /* one step back, then eight on */
    assert_true(times[1] == 0);
}

static void a_reference_time_below_zero_has_its_sign(void **state)
{
    (void)state;
    cm_rtcp_transport_cc report;
    cm_rtcp_arrival arrival;
    assert_int_equal(parse_cc(BYTES(0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0, 0x20, 1, 0, 0), &report),
                     CM_OK);
    assert_true(cm_rtcp_transport_cc_next(&report, &arrival));
    assert_true(arrival.at_us == -64000);
}

static void a_report_that_is_cut_short_is_malformed_at_every_length(void **state)
{
    (void)state;
    static const uint8_t WHOLE[] = {0, 0, 0, 17, 0, 0, 0, 0, 0xA8, 0, 0xE1, 0, 1, 2, 0xFF, 0xFF, 8};
    for (size_t size = 0; size < sizeof WHOLE; size++) {
        uint8_t *copy = malloc(size > 0 ? size : 1); /* of exactly that size, for the sanitizer */
        assert_non_null(copy);
        memcpy(copy, WHOLE, size);
        cm_rtcp_transport_cc report = {.count = 7};
        assert_int_equal(parse_cc(cm_slice_over(copy, size), &report), CM_CLOSE);
        assert_int_equal(report.count, 7); /* untouched */
        free(copy);
    }
}

static void reports_that_make_no_sense_are_malformed(void **state)
{
    (void)state;
    cm_rtcp_transport_cc report;
    /* about nobody; with the reserved symbol, in a run and in a vector */
    assert_int_equal(parse_cc(BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0, 0), &report), CM_CLOSE);
    assert_int_equal(parse_cc(BYTES(0, 0, 0, 1, 0, 0, 0, 0, 0x60, 1, 0, 0, 0, 0), &report),
                     CM_CLOSE);
    assert_int_equal(parse_cc(BYTES(0, 0, 0, 2, 0, 0, 0, 0, 0xCC, 0, 0, 0, 0, 0), &report),
                     CM_CLOSE);
    /* beyond the count it is nobody's */
    assert_int_equal(parse_cc(BYTES(0, 0, 0, 1, 0, 0, 0, 0, 0xDC, 0, 0, 0, 0, 0), &report), CM_OK);
}

static void a_few_bytes_do_not_make_us_work_for_thousands(void **state)
{
    (void)state;
    cm_rtcp_transport_cc report;
    const cm_slice most = BYTES(0, 0, 0x20, 0x00, 0, 0, 0, 0, 0x1F, 0xFF, 0, 1);
    assert_int_equal(parse_cc(most, &report), CM_OK);
    assert_int_equal(report.count, CM_RTCP_ARRIVALS_MAX);
    const cm_slice more = BYTES(0, 0, 0x20, 0x01, 0, 0, 0, 0, 0x1F, 0xFF, 0, 2);
    assert_int_equal(parse_cc(more, &report), CM_CLOSE);
    const cm_slice runs_of_nobody = BYTES(0, 0, 0, 1, 0, 0, 0, 0, 0x20, 0, 0x20, 0, 0x20, 1, 4, 0);
    assert_int_equal(parse_cc(runs_of_nobody, &report), CM_OK);
    cm_rtcp_arrival arrival;
    assert_true(cm_rtcp_transport_cc_next(&report, &arrival));
    assert_true(arrival.at_us == 1000);
    assert_false(cm_rtcp_transport_cc_next(&report, &arrival));
}

/* Written, read back, compared; times to their 250 us. */
static size_t assert_cc_round_trip(const cm_rtcp_arrival *arrivals, size_t count)
{
    static uint8_t room[65536];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_transport_cc(&w, OURS, THEIRS, 200, arrivals, count);
    assert_false(w.failed);
    assert_int_equal(w.used % 4, 0);
    const cm_rtcp_feedback feedback = feedback_of(cm_writer_done(&w));
    assert_int_equal(feedback.kind, CM_RTCP_TRANSPORT_CC);
    assert_int_equal(feedback.sender_ssrc, OURS);
    assert_int_equal(feedback.media_ssrc, THEIRS);
    cm_rtcp_transport_cc report;
    assert_int_equal(cm_rtcp_transport_cc_parse(&feedback, &report), CM_OK);
    assert_int_equal(report.feedback_count, 200);
    assert_int_equal(report.count, count);
    for (size_t i = 0; i < count; i++) {
        cm_rtcp_arrival back;
        assert_true(cm_rtcp_transport_cc_next(&report, &back));
        assert_int_equal(back.sequence_number, arrivals[i].sequence_number);
        assert_int_equal(back.is_received, arrivals[i].is_received);
        if (!back.is_received)
            continue;
        const int64_t late_by = arrivals[i].at_us - back.at_us;
        assert_true(late_by >= 0 && late_by < 250);
    }
    return w.used;
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    cm_rtcp_arrival arrivals[COUNT];
    uint32_t seed = 1;
    for (unsigned round = 0; round < 300; round++) {
        int64_t at = 1000000 * (int64_t)round - 2000000; /* below zero too */
        const size_t count = 1 + seed % COUNT;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1664525 + 1013904223;
            const int dice = (int)(seed >> 24);
            at += dice < 8 ? 300000 : dice < 16 ? -20000 : dice * 10;
            const bool is_received = i == 0 || (round % 3 == 0 ? dice % 2 > 0 : dice % 16 > 0);
            arrivals[i] = (cm_rtcp_arrival){.sequence_number = (uint16_t)(65400 + i),
                                            .is_received = is_received,
                                            .at_us = is_received ? at : 0};
        }
        (void)assert_cc_round_trip(arrivals, count);
    }
}

static void a_quiet_path_is_said_in_few_bytes(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    cm_rtcp_arrival arrivals[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        arrivals[i] = (cm_rtcp_arrival){(uint16_t)i, true, (int64_t)i * 1000};
    /* one run, a byte for each */
    assert_int_equal(assert_cc_round_trip(arrivals, COUNT), 4 + 8 + 8 + 2 + COUNT + 2);
    for (size_t i = 1; i < COUNT; i += 5)
        arrivals[i] = (cm_rtcp_arrival){(uint16_t)i, false, 0};
    /* 8 vectors of one bit, a byte for each that came */
    assert_int_equal(assert_cc_round_trip(arrivals, COUNT), 4 + 8 + 8 + 16 + 80);
}

static void the_longest_report_is_read_back(void **state)
{
    (void)state;
    static cm_rtcp_arrival arrivals[CM_RTCP_ARRIVALS_MAX + 1];
    for (size_t i = 0; i < CM_COUNT(arrivals); i++)
        arrivals[i] = (cm_rtcp_arrival){(uint16_t)i, true, (int64_t)i * 100};
    (void)assert_cc_round_trip(arrivals, CM_RTCP_ARRIVALS_MAX);
    static uint8_t room[65536];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_transport_cc(&w, OURS, THEIRS, 0, arrivals, CM_COUNT(arrivals));
    assert_true(w.failed);
}

static void what_no_report_can_say_fails_the_writer(void **state)
{
    (void)state;
    uint8_t room[64];
    const cm_rtcp_arrival none[] = {{1, false, 0}, {2, false, 0}};
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_transport_cc(&w, OURS, THEIRS, 0, none, 2);
    assert_true(w.failed);
    w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_transport_cc(&w, OURS, THEIRS, 0, NULL, 0);
    assert_true(w.failed);
    const cm_rtcp_arrival far[] = {{1, true, 0}, {2, true, 9000000}};
    w = cm_writer_over(room, sizeof room);
    cm_rtcp_write_transport_cc(&w, OURS, THEIRS, 0, far, 2);
    assert_true(w.failed);
}

/* --- round trip (RFC 3550, 6.4.1) ------------------------------------------------------------ */

static void the_round_trip_is_that_of_the_rfcs_figure_2(void **state)
{
    (void)state;
    /* A = 0xB710:8000 (the middle 32 bits), LSR = 0xB7052000, DLSR = 0x00054000: 6.125 s */
    const cm_rtcp_block block = {.last_sr = 0xB7052000, .delay_since_last_sr = 0x00054000};
    int64_t us;
    assert_int_equal(cm_rtcp_round_trip(&block, UINT64_C(0xB44DB71080000000), &us), CM_OK);
    assert_true(us == 6125000);
}

static void a_round_trip_goes_through_the_wrap(void **state)
{
    (void)state;
    const cm_rtcp_block block = {.last_sr = 0xFFFF0000, .delay_since_last_sr = 0x10000};
    int64_t us;
    assert_int_equal(cm_rtcp_round_trip(&block, UINT64_C(0x12340000), &us), CM_OK);
    assert_true(us == 0x1234 * INT64_C(1000000) / 65536);
}

static void what_cannot_be_a_round_trip_is_none(void **state)
{
    (void)state;
    int64_t us = 7;
    const cm_rtcp_block unseen = {.delay_since_last_sr = 1};
    assert_int_equal(cm_rtcp_round_trip(&unseen, UINT64_C(1) << 32, &us), CM_ABSENT);
    const cm_rtcp_block early = {.last_sr = 0x10000, .delay_since_last_sr = 0x20000};
    assert_int_equal(cm_rtcp_round_trip(&early, UINT64_C(0x20000) << 16, &us), CM_REFUSE);
    const cm_rtcp_block late = {.last_sr = 0x10000};
    assert_int_equal(cm_rtcp_round_trip(&late, UINT64_C(62) << 32, &us), CM_REFUSE);
    assert_true(us == 7); /* untouched */
    const cm_rtcp_block rounded_up = {.last_sr = 0x10000, .delay_since_last_sr = 2};
    assert_int_equal(cm_rtcp_round_trip(&rounded_up, UINT64_C(0x10001) << 16, &us), CM_OK);
    assert_true(us == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_of_a_compound_is_taken_whatever_its_type),
        cmocka_unit_test(a_feedback_alone_is_a_datagram),
        cmocka_unit_test(a_feedback_without_its_two_ssrcs_is_malformed),
        cmocka_unit_test(kinds_that_we_do_not_know_are_absent),
        cmocka_unit_test(padding_is_cut_off_or_malformed),
        cmocka_unit_test(lost_packets_are_read_from_number_and_mask),
        cmocka_unit_test(a_nack_of_nothing_or_a_broken_word_is_malformed),
        cmocka_unit_test(lost_packets_are_written_as_few_words_as_can_be),
        cmocka_unit_test(a_number_written_twice_is_lost_once),
        cmocka_unit_test(a_nack_of_nothing_fails_the_writer),
        cmocka_unit_test(a_fir_asks_those_it_names),
        cmocka_unit_test(requests_are_written_as_the_figures_show),
        cmocka_unit_test(rates_are_kept_to_18_bits),
        cmocka_unit_test(a_rate_cut_short_or_beyond_64_bits_is_malformed),
        cmocka_unit_test(arrivals_are_read_from_a_run),
        cmocka_unit_test(arrivals_are_read_from_both_vectors),
        cmocka_unit_test(a_reference_time_below_zero_has_its_sign),
        cmocka_unit_test(a_report_that_is_cut_short_is_malformed_at_every_length),
        cmocka_unit_test(reports_that_make_no_sense_are_malformed),
        cmocka_unit_test(a_few_bytes_do_not_make_us_work_for_thousands),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_quiet_path_is_said_in_few_bytes),
        cmocka_unit_test(the_longest_report_is_read_back),
        cmocka_unit_test(what_no_report_can_say_fails_the_writer),
        cmocka_unit_test(the_round_trip_is_that_of_the_rfcs_figure_2),
        cmocka_unit_test(a_round_trip_goes_through_the_wrap),
        cmocka_unit_test(what_cannot_be_a_round_trip_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
