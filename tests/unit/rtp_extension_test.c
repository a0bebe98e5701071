/* proto/rtp: header extensions, wall clock time, retransmission. One behaviour a case. */
#include "unit.h"

#include "proto/rtp/extension.h"
#include "proto/rtp/ntp.h"
#include "proto/rtp/rtx.h"

static cm_rtp_packet packet_with(uint16_t profile, cm_slice extension)
{
    return (cm_rtp_packet){
        .has_extension = true, .extension_profile = profile, .extension = extension};
}

static size_t count_elements(uint16_t profile, cm_slice extension)
{
    const cm_rtp_packet packet = packet_with(profile, extension);
    cm_rtp_elements elements = cm_rtp_elements_of(&packet);
    cm_rtp_element element;
    size_t count = 0;
    while (cm_rtp_elements_next(&elements, &element))
        count++;
    assert_false(cm_rtp_elements_next(&elements, &element)); /* and stays at its end */
    return count;
}

/* --- one by one (RFC 8285) ------------------------------------------------------------------- */

static void elements_of_the_one_byte_form_are_read(void **state)
{
    (void)state;
    const cm_rtp_packet packet =
        packet_with(CM_RTP_ONE_BYTE, BYTES(0x10, 0xAA, 0, 0, 0xE2, 1, 2, 3, 0x30, 0xBB, 0, 0));
    cm_rtp_elements elements = cm_rtp_elements_of(&packet);
    cm_rtp_element element;
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 1);
    assert_int_equal(element.data.size, 1);
    assert_int_equal(element.data.bytes[0], 0xAA);
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 14);
    assert_int_equal(element.data.size, 3);
    assert_int_equal(element.data.bytes[2], 3);
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 3);
    assert_false(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 3); /* untouched */
}

static void elements_of_the_two_byte_form_are_read(void **state)
{
    (void)state;
    const cm_rtp_packet packet = packet_with(
        CM_RTP_TWO_BYTE | 7, BYTES(15, 1, 0xAA, 0, 0, 200, 0, 1, 4, 'a', 'b', 'c', 'd', 0, 0, 0));
    cm_rtp_elements elements = cm_rtp_elements_of(&packet);
    cm_rtp_element element;
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 15); /* an id as any other, here */
    assert_int_equal(element.data.size, 1);
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 200);
    assert_int_equal(element.data.size, 0);
    assert_true(cm_rtp_elements_next(&elements, &element));
    assert_int_equal(element.id, 1);
    assert_text(element.data, "abcd");
    assert_false(cm_rtp_elements_next(&elements, &element));
}

static void another_profile_and_no_extension_have_no_elements(void **state)
{
    (void)state;
    assert_int_equal(count_elements(0xABAC, BYTES(0x10, 1, 0, 0)), 0); /* ONVIF's replay */
    assert_int_equal(count_elements(CM_RTP_ONE_BYTE, (cm_slice){0}), 0);
    cm_rtp_packet packet = packet_with(CM_RTP_ONE_BYTE, BYTES(0x10, 1, 0, 0));
    packet.has_extension = false;
    cm_rtp_elements elements = cm_rtp_elements_of(&packet);
    cm_rtp_element element;
    assert_false(cm_rtp_elements_next(&elements, &element));
}

/* RFC 8285 4.2: what came before them is good, the rest is not looked at. */
static void id_15_and_an_id_0_with_a_length_end_the_walk(void **state)
{
    (void)state;
    assert_int_equal(count_elements(CM_RTP_ONE_BYTE, BYTES(0x10, 1, 0xF0, 2, 0x20, 3, 0, 0)), 1);
    assert_int_equal(count_elements(CM_RTP_ONE_BYTE, BYTES(0x10, 1, 0x01, 2, 2, 0x20, 3, 0)), 1);
    assert_int_equal(count_elements(CM_RTP_ONE_BYTE, BYTES(0x10, 1, 0x00, 0, 0x20, 3, 0, 0)), 2);
}

static void an_element_longer_than_the_extension_ends_the_walk(void **state)
{
    (void)state;
    assert_int_equal(count_elements(CM_RTP_ONE_BYTE, BYTES(0x10, 1, 0x2F, 2)), 1);
    assert_int_equal(count_elements(CM_RTP_TWO_BYTE, BYTES(1, 1, 9, 5)), 1); /* no length */
    assert_int_equal(count_elements(CM_RTP_TWO_BYTE, BYTES(1, 255, 9, 5)), 0);
}

/* --- those we speak -------------------------------------------------------------------------- */

static const cm_rtp_extension_ids IDS = {
    .transport_sequence = 3, .capture_time = 13, .playout_delay = 6, .mid = 4};

static cm_rtp_extensions all_of_them(void)
{
    return (cm_rtp_extensions){
        .has_transport_sequence = true,
        .transport_sequence = 0xFEDC,
        .has_capture_time = true,
        .capture_time = UINT64_C(0x0123456789ABCDEF),
        .has_playout_delay = true,
        .playout_min_10ms = 0x123,
        .playout_max_10ms = 0xFED,
        .mid = CM_TEXT("video-0123456789"),
    };
}

static void assert_same(const cm_rtp_extensions *a, const cm_rtp_extensions *b)
{
    assert_int_equal(a->has_transport_sequence, b->has_transport_sequence);
    assert_int_equal(a->transport_sequence, b->transport_sequence);
    assert_int_equal(a->has_capture_time, b->has_capture_time);
    assert_true(a->capture_time == b->capture_time);
    assert_int_equal(a->has_playout_delay, b->has_playout_delay);
    assert_int_equal(a->playout_min_10ms, b->playout_min_10ms);
    assert_int_equal(a->playout_max_10ms, b->playout_max_10ms);
    assert_true(cm_slice_equal(a->mid, b->mid));
}

/* Written as a packet, and read back from its bytes. */
static cm_rtp_extensions through_a_packet(const cm_rtp_extensions *extensions,
                                          const cm_rtp_extension_ids *ids)
{
    static uint8_t room[128]; /* what is read borrows from it */
    cm_writer w = cm_writer_over(room, sizeof room);
    const cm_rtp_packet packet = {.payload_type = 96, .payload = CM_TEXT("payload")};
    cm_rtp_header_write(&w, &packet, extensions, ids);
    assert_false(w.failed);
    cm_rtp_packet parsed;
    assert_int_equal(cm_rtp_parse(cm_writer_done(&w), &parsed), CM_OK);
    assert_text(parsed.payload, "payload");
    assert_int_equal(w.used % 4, 7 % 4);
    cm_rtp_extensions back;
    cm_rtp_extensions_read(&parsed, ids, &back);
    return back;
}

static void every_choice_of_extensions_is_read_as_written(void **state)
{
    (void)state;
    for (unsigned choice = 0; choice < 16; choice++) {
        const cm_rtp_extensions all = all_of_them();
        cm_rtp_extensions some = {0};
        if (choice & 1) {
            some.has_transport_sequence = true;
            some.transport_sequence = all.transport_sequence;
        }
        if (choice & 2) {
            some.has_capture_time = true;
            some.capture_time = all.capture_time;
        }
        if (choice & 4) {
            some.has_playout_delay = true;
            some.playout_min_10ms = all.playout_min_10ms;
            some.playout_max_10ms = all.playout_max_10ms;
        }
        if (choice & 8)
            some.mid = all.mid;
        const cm_rtp_extensions back = through_a_packet(&some, &IDS);
        assert_same(&back, &some);
    }
}

static void what_was_not_negotiated_is_neither_written_nor_read(void **state)
{
    (void)state;
    const cm_rtp_extensions all = all_of_them();
    const cm_rtp_extension_ids one = {.playout_delay = 6};
    cm_rtp_extensions back = through_a_packet(&all, &one);
    assert_false(back.has_transport_sequence);
    assert_false(back.has_capture_time);
    assert_int_equal(back.mid.size, 0);
    assert_true(back.has_playout_delay);
    const cm_rtp_extension_ids none = {0};
    uint8_t room[128];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, &all, &none);
    assert_int_equal(w.used, CM_RTP_HEADER_SIZE); /* not even an empty extension */
}

static void the_bytes_are_those_of_the_figures(void **state)
{
    (void)state;
    uint8_t room[CM_RTP_EXTENSIONS_MAX];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtp_extensions extensions = all_of_them();
    extensions.mid = CM_TEXT("0");
    cm_rtp_extensions_write(&w, &extensions, &IDS);
    assert_true(cm_slice_equal(cm_writer_done(&w),
                               BYTES(0x31, 0xFE, 0xDC, 0xD7, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB,
                                     0xCD, 0xEF, 0x62, 0x12, 0x3F, 0xED, 0x40, '0', 0, 0)));
}

static void the_largest_header_fits_what_the_constant_says(void **state)
{
    (void)state;
    uint8_t room[CM_RTP_HEADER_MAX];
    cm_writer w = cm_writer_over(room, sizeof room);
    const cm_rtp_extensions all = all_of_them();
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, &all, &IDS);
    assert_false(w.failed);
    assert_int_equal(w.used, CM_RTP_HEADER_MAX);
}

static void the_transport_sequence_number_stands_where_it_is_said_to(void **state)
{
    (void)state;
    uint8_t room[CM_RTP_HEADER_MAX];
    cm_writer w = cm_writer_over(room, sizeof room);
    const cm_rtp_extensions all = all_of_them();
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, &all, &IDS);
    cm_write_fill_u16(&w, CM_RTP_TRANSPORT_SEQUENCE_AT, 77);
    cm_rtp_packet packet;
    cm_rtp_extensions back;
    assert_int_equal(cm_rtp_parse(cm_writer_done(&w), &packet), CM_OK);
    cm_rtp_extensions_read(&packet, &IDS, &back);
    assert_int_equal(back.transport_sequence, 77);
}

static void what_the_one_byte_form_cannot_say_fails_the_writer(void **state)
{
    (void)state;
    uint8_t room[128];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtp_extensions extensions = all_of_them();
    cm_rtp_extension_ids ids = IDS;
    ids.capture_time = 15;
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, &extensions, &ids);
    assert_true(w.failed);
    w = cm_writer_over(room, sizeof room);
    extensions.mid = CM_TEXT("seventeen-letters");
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, &extensions, &IDS);
    assert_true(w.failed);
}

static void an_element_of_the_wrong_size_is_as_if_it_were_not_there(void **state)
{
    (void)state;
    const cm_rtp_packet packet = packet_with(
        CM_RTP_ONE_BYTE, BYTES(0x30, 1, 0xD6, 1, 2, 3, 4, 5, 6, 7, 0x61, 1, 2, 0x40, '7', 0));
    cm_rtp_extensions out;
    cm_rtp_extensions_read(&packet, &IDS, &out);
    assert_false(out.has_transport_sequence);
    assert_false(out.has_capture_time);
    assert_false(out.has_playout_delay);
    assert_text(out.mid, "7");
}

static void of_a_capture_time_with_an_offset_the_time_is_read(void **state)
{
    (void)state;
    const cm_rtp_packet packet = packet_with(
        CM_RTP_ONE_BYTE, BYTES(0xDF, 0, 0, 0, 1, 0x80, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0));
    cm_rtp_extensions out;
    cm_rtp_extensions_read(&packet, &IDS, &out);
    assert_true(out.has_capture_time);
    assert_true(out.capture_time == UINT64_C(0x180000000));
}

/* --- time ------------------------------------------------------------------------------------ */

static void wall_clock_times_come_back_to_the_microsecond(void **state)
{
    (void)state;
    static const int64_t TIMES[] = {0,
                                    1,
                                    999999,
                                    1700000000123457,
                                    2085978495999999,
                                    2085978496000000 /* 2036: the seconds run over */,
                                    4102444800000001};
    for (size_t i = 0; i < CM_COUNT(TIMES); i++)
        assert_true(cm_rtp_wall_of(cm_rtp_ntp_of((cm_wall){.us = TIMES[i]})).us == TIMES[i]);
    for (int64_t us = 0; us < 1000000; us += 7)
        assert_true(cm_rtp_wall_of(cm_rtp_ntp_of((cm_wall){.us = us})).us == us);
}

static void the_unix_epoch_is_70_years_after_1900(void **state)
{
    (void)state;
    assert_true(cm_rtp_ntp_of((cm_wall){.us = 500000}) ==
                (UINT64_C(2208988800) << 32 | 0x80000000));
    assert_true(cm_rtp_ntp_of((cm_wall){.us = INT64_C(2085978496) * 1000000}) == 0);
}

/* --- retransmission (RFC 4588, 4) ------------------------------------------------------------ */

static void a_retransmitted_packet_is_restored(void **state)
{
    (void)state;
    uint8_t room[64];
    cm_writer w = cm_writer_over(room, sizeof room);
    const cm_rtp_packet sent = {
        .marker = true, .payload_type = 97, .sequence_number = 5, .timestamp = 90000, .ssrc = 8};
    cm_rtp_header_write(&w, &sent, &(cm_rtp_extensions){0}, &IDS);
    cm_rtp_rtx_write(&w, 0xABCD);
    cm_write_text(&w, "payload");
    cm_rtp_packet rtx;
    cm_rtp_packet original;
    assert_int_equal(cm_rtp_parse(cm_writer_done(&w), &rtx), CM_OK);
    assert_int_equal(cm_rtp_rtx_restore(&rtx, 96, 7, &original), CM_OK);
    assert_true(original.marker);
    assert_int_equal(original.payload_type, 96);
    assert_int_equal(original.sequence_number, 0xABCD);
    assert_int_equal(original.timestamp, 90000);
    assert_int_equal(original.ssrc, 7);
    assert_text(original.payload, "payload");
}

static void padding_alone_and_half_a_sequence_number_restore_nothing(void **state)
{
    (void)state;
    cm_rtp_packet original = {.ssrc = 3};
    const cm_rtp_packet empty = {.padding_size = 200};
    assert_int_equal(cm_rtp_rtx_restore(&empty, 96, 7, &original), CM_ABSENT);
    const cm_rtp_packet half = {.payload = BYTES(1)};
    assert_int_equal(cm_rtp_rtx_restore(&half, 96, 7, &original), CM_CLOSE);
    assert_int_equal(original.ssrc, 3); /* untouched */
    const cm_rtp_packet least = {.payload = BYTES(1, 2)};
    assert_int_equal(cm_rtp_rtx_restore(&least, 96, 7, &original), CM_OK);
    assert_int_equal(original.sequence_number, 0x0102);
    assert_int_equal(original.payload.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_of_the_one_byte_form_are_read),
        cmocka_unit_test(elements_of_the_two_byte_form_are_read),
        cmocka_unit_test(another_profile_and_no_extension_have_no_elements),
        cmocka_unit_test(id_15_and_an_id_0_with_a_length_end_the_walk),
        cmocka_unit_test(an_element_longer_than_the_extension_ends_the_walk),
        cmocka_unit_test(every_choice_of_extensions_is_read_as_written),
        cmocka_unit_test(what_was_not_negotiated_is_neither_written_nor_read),
        cmocka_unit_test(the_bytes_are_those_of_the_figures),
        cmocka_unit_test(the_largest_header_fits_what_the_constant_says),
        cmocka_unit_test(the_transport_sequence_number_stands_where_it_is_said_to),
        cmocka_unit_test(what_the_one_byte_form_cannot_say_fails_the_writer),
        cmocka_unit_test(an_element_of_the_wrong_size_is_as_if_it_were_not_there),
        cmocka_unit_test(of_a_capture_time_with_an_offset_the_time_is_read),
        cmocka_unit_test(wall_clock_times_come_back_to_the_microsecond),
        cmocka_unit_test(the_unix_epoch_is_70_years_after_1900),
        cmocka_unit_test(a_retransmitted_packet_is_restored),
        cmocka_unit_test(padding_alone_and_half_a_sequence_number_restore_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
