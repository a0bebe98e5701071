/* base/bits: ITU-T H.264 9.1 and table 9-2. One behaviour a case. */
#include "unit.h"

#include "base/bits.h"

static void bits_come_most_significant_first_over_byte_borders(void **state)
{
    (void)state;
    cm_bits b = cm_bits_over(BYTES(0xa5, 0x0f, 0xff, 0x00, 0x81));
    assert_int_equal(cm_bits_read(&b, 1), 1);
    assert_int_equal(cm_bits_read(&b, 3), 2);
    assert_int_equal(cm_bits_read(&b, 0), 0);
    assert_int_equal(cm_bits_read(&b, 8), 0x50);
    assert_true(cm_bits_read(&b, 20) == 0xfff00);
    assert_int_equal(cm_bits_left(&b), 8);
    assert_true(cm_bits_read_flag(&b));
    assert_int_equal(cm_bits_read(&b, 7), 1);
    assert_int_equal(cm_bits_left(&b), 0);
    assert_int_equal(cm_bits_status(&b), CM_OK);
}

static void thirty_two_bits_are_read_at_any_offset(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 8; skip++) {
        cm_bits b = cm_bits_over(BYTES(0x12, 0x34, 0x56, 0x78, 0x9a));
        (void)cm_bits_read(&b, skip);
        const uint32_t want = (uint32_t)(UINT64_C(0x123456789a) >> (8 - skip));
        assert_true(cm_bits_read(&b, 32) == want);
        assert_int_equal(cm_bits_left(&b), 8 - skip);
    }
}

static void a_read_past_the_end_yields_zero_and_stays_failed(void **state)
{
    (void)state;
    cm_bits b = cm_bits_over(BYTES(0xff));
    assert_int_equal(cm_bits_read(&b, 7), 0x7f);
    assert_int_equal(cm_bits_read(&b, 2), 0);
    assert_int_equal(cm_bits_read(&b, 1), 0); /* one bit was left, but trust is gone */
    assert_false(cm_bits_read_flag(&b));
    assert_int_equal(cm_bits_left(&b), 0);
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
    b = cm_bits_over(BYTES(1, 2, 3, 4, 5));
    assert_int_equal(cm_bits_read(&b, 33), 0);
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
    b = cm_bits_over((cm_slice){0});
    assert_false(cm_bits_read_flag(&b));
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
}

static void golomb_codes_are_those_of_table_9_2(void **state)
{
    (void)state;
    /* 1 010 011 00100 00101 00110 00111 0001000 and a stop bit */
    const cm_slice codes = BYTES(0xa6, 0x42, 0x98, 0xe2, 0x08);
    cm_bits b = cm_bits_over(codes);
    for (uint32_t want = 0; want <= 6; want++)
        assert_int_equal(cm_bits_read_ue(&b), want);
    assert_int_equal(cm_bits_read_ue(&b), 7);
    b = cm_bits_over(codes);
    static const int32_t SIGNED[] = {0, 1, -1, 2, -2, 3, -3, 4};
    for (size_t i = 0; i < CM_COUNT(SIGNED); i++)
        assert_int_equal(cm_bits_read_se(&b), SIGNED[i]);
    assert_int_equal(cm_bits_status(&b), CM_OK);
}

static void the_longest_golomb_code_is_read_and_a_longer_one_refused(void **state)
{
    (void)state;
    /* 31 zeros, a one, 31 ones: 2^32 - 2 */
    const cm_slice longest = BYTES(0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe);
    cm_bits b = cm_bits_over(longest);
    assert_true(cm_bits_read_ue(&b) == UINT32_MAX - 1);
    assert_int_equal(cm_bits_left(&b), 1);
    b = cm_bits_over(longest);
    assert_true(cm_bits_read_se(&b) == -INT32_MAX);
    b = cm_bits_over(BYTES(0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfc)); /* 2^32 - 3, odd */
    assert_true(cm_bits_read_se(&b) == INT32_MAX);
    b = cm_bits_over(BYTES(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff));
    assert_int_equal(cm_bits_read_ue(&b), 0);
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
}

static void a_golomb_code_that_is_cut_off_fails(void **state)
{
    (void)state;
    cm_bits b = cm_bits_over(BYTES(0x01)); /* 7 zeros, a one, and no tail */
    assert_int_equal(cm_bits_read_ue(&b), 0);
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
    b = cm_bits_over(BYTES(0x00));
    assert_int_equal(cm_bits_read_se(&b), 0);
    assert_int_equal(cm_bits_status(&b), CM_CLOSE);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(bits_come_most_significant_first_over_byte_borders),
        cmocka_unit_test(thirty_two_bits_are_read_at_any_offset),
        cmocka_unit_test(a_read_past_the_end_yields_zero_and_stays_failed),
        cmocka_unit_test(golomb_codes_are_those_of_table_9_2),
        cmocka_unit_test(the_longest_golomb_code_is_read_and_a_longer_one_refused),
        cmocka_unit_test(a_golomb_code_that_is_cut_off_fails),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
