/* base: what every layer leans on. One behaviour a case. */
#include "unit.h"

#include "base/buffer.h"
#include "base/id.h"
#include "base/reader.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/writer.h"

static void a_reader_past_the_end_yields_zero_and_stays_failed(void **state)
{
    (void)state;
    cm_reader r = cm_reader_over(BYTES(1, 2, 3));
    assert_int_equal(cm_read_u16(&r), 0x0102);
    assert_int_equal(cm_read_u16(&r), 0);
    assert_int_equal(cm_read_u8(&r), 0); /* one byte was left, but trust is gone */
    assert_int_equal(cm_reader_finish(&r), CM_CLOSE);
}

static void a_sub_reader_cannot_see_past_its_parent(void **state)
{
    (void)state;
    cm_reader r = cm_reader_over(BYTES(1, 2, 3));
    cm_reader sub = cm_reader_sub(&r, 4);
    assert_true(sub.failed);
    assert_true(r.failed);
    r = cm_reader_over(BYTES(1, 2, 3));
    sub = cm_reader_sub(&r, 2);
    assert_int_equal(cm_read_u24(&sub), 0);
    assert_true(sub.failed);
    assert_int_equal(cm_read_u8(&r), 3);
}

static void leftovers_are_refused_by_finish(void **state)
{
    (void)state;
    cm_reader r = cm_reader_over(BYTES(1, 2));
    assert_int_equal(cm_read_u8(&r), 1);
    assert_int_equal(cm_reader_finish(&r), CM_CLOSE);
}

static void a_writer_that_is_full_writes_nothing_more(void **state)
{
    (void)state;
    uint8_t storage[4] = {0, 0, 0, 9};
    cm_writer w = cm_writer_over(storage, 3);
    cm_write_u16(&w, 0x0102);
    cm_write_u16(&w, 0x0304);
    cm_write_u8(&w, 5);
    cm_slice out;
    assert_int_equal(cm_writer_finish(&w, &out), CM_FULL);
    assert_memory_equal(storage, ((uint8_t[]){1, 2, 0, 9}), 4);
}

static void a_reserved_length_is_filled_later(void **state)
{
    (void)state;
    uint8_t storage[16];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const size_t at = cm_write_reserve(&w, 2);
    cm_write_text(&w, "abc");
    cm_write_format(&w, "%d", 42);
    cm_write_fill_u16(&w, at, (uint16_t)(cm_writer_done(&w).size - 2));
    cm_slice out;
    assert_int_equal(cm_writer_finish(&w, &out), CM_OK);
    assert_int_equal(out.size, 7);
    assert_memory_equal(out.bytes, "\0\5abc42", 7);
}

static void a_buffer_refuses_to_pass_its_bound_and_keeps_what_it_had(void **state)
{
    (void)state;
    cm_buffer b;
    cm_buffer_init(&b, 10);
    assert_int_equal(cm_buffer_add_text(&b, "12345678"), CM_OK);
    assert_int_equal(cm_buffer_add_text(&b, "abc"), CM_FULL);
    cm_buffer_consume(&b, 4);
    assert_int_equal(cm_buffer_add_text(&b, "abc"), CM_OK);
    assert_text(cm_buffer_data(&b), "5678abc");
    cm_buffer_deinit(&b);
}

static void a_slice_is_copied_whole_and_nothing_more(void **state)
{
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    cm_slice_copy((cm_slice){0}, out, 0);
    cm_slice_copy(BYTES(1, 2, 3), out, 3);
    assert_memory_equal(out, ((uint8_t[]){1, 2, 3, 9}), sizeof out);
}

static void numbers_are_digits_and_nothing_else(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(cm_slice_to_u64(CM_TEXT("18446744073709551615"), UINT64_MAX, &value), CM_OK);
    assert_true(value == UINT64_MAX);
    static const char *const BAD[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_slice_to_u64(cm_slice_of(BAD[i]), UINT64_MAX, &value), CM_REFUSE);
    assert_int_equal(cm_slice_to_u64(CM_TEXT("101"), 100, &value), CM_REFUSE);
}

static void base64_round_trips_at_every_length(void **state)
{
    (void)state;
    for (size_t size = 0; size < 64; size++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 37 + size);
        char text[CM_BASE64_SIZE(64)];
        uint8_t back[64];
        size_t back_size;
        assert_int_equal(cm_text_to_base64(cm_slice_over(bytes, size), text, sizeof text), CM_OK);
        assert_int_equal(cm_text_from_base64(cm_slice_of(text), back, sizeof back, &back_size),
                         CM_OK);
        assert_int_equal(back_size, size);
        assert_memory_equal(back, bytes, size);
        assert_int_equal(cm_text_to_base64url(cm_slice_over(bytes, size), text, sizeof text),
                         CM_OK);
        assert_int_equal(cm_text_from_base64url(cm_slice_of(text), back, sizeof back, &back_size),
                         CM_OK);
        assert_memory_equal(back, bytes, size);
    }
}

static void base64_of_another_alphabet_or_odd_length_is_refused(void **state)
{
    (void)state;
    uint8_t out[16];
    size_t size;
    static const char *const BAD[] = {"a", "ab_-", "a===", "ab=c", "YWJj\n", "====", "YQ="};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_text_from_base64(cm_slice_of(BAD[i]), out, sizeof out, &size),
                         CM_REFUSE);
}

static void percent_refuses_nul_and_half_escapes(void **state)
{
    (void)state;
    char out[16];
    size_t size;
    assert_int_equal(cm_text_from_percent(CM_TEXT("a%20b"), out, sizeof out, &size), CM_OK);
    assert_memory_equal(out, "a b", 3);
    assert_int_equal(cm_text_from_percent(CM_TEXT("a%00"), out, sizeof out, &size), CM_REFUSE);
    assert_int_equal(cm_text_from_percent(CM_TEXT("a%2"), out, sizeof out, &size), CM_REFUSE);
    assert_int_equal(cm_text_from_percent(CM_TEXT("a%zz"), out, sizeof out, &size), CM_REFUSE);
}

static void names_must_be_clean_utf8(void **state)
{
    (void)state;
    assert_true(cm_text_is_printable_utf8(CM_TEXT("Casa Verdi")));
    assert_true(cm_text_is_printable_utf8(CM_TEXT("\xE0\xA4\x98\xE0\xA4\xB0"))); /* Hindi: home */
    assert_false(cm_text_is_printable_utf8(CM_TEXT("a\nb")));
    assert_false(cm_text_is_printable_utf8(CM_TEXT("\xC0\x80")));         /* overlong */
    assert_false(cm_text_is_printable_utf8(CM_TEXT("\xED\xA0\x80")));     /* surrogate */
    assert_false(cm_text_is_printable_utf8(CM_TEXT("\xF4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(cm_text_is_printable_utf8(CM_TEXT("\xE0\xA4")));         /* cut short */
}

static void ids_of_other_characters_or_sizes_are_refused(void **state)
{
    (void)state;
    cm_home_id id;
    assert_int_equal(cm_home_id_parse(CM_TEXT("casa-verdi_2"), &id), CM_OK);
    static const char *const BAD[] = {
        "", "Verdi", "a b", "a/b", "..", "a.b", "12345678901234567890123456789012"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_home_id_parse(cm_slice_of(BAD[i]), &id), CM_REFUSE);
}

static void made_ids_parse_and_differ(void **state)
{
    (void)state;
    cm_random random = cm_random_seeded(1);
    char a[CM_ID_SIZE], b[CM_ID_SIZE], parsed[CM_ID_SIZE];
    cm_id_make(&random, a);
    cm_id_make(&random, b);
    assert_int_equal(cm_id_parse(cm_slice_of(a), parsed), CM_OK);
    assert_memory_equal(a, parsed, CM_ID_SIZE);
    assert_memory_not_equal(a, b, CM_ID_SIZE);
}

static void derived_secrets_depend_on_parent_label_and_context(void **state)
{
    (void)state;
    const cm_secret parent = {{1}}, other = {{2}};
    cm_secret a, b;
    cm_secret_derive(&parent, "row", CM_TEXT("verdi"), &a);
    cm_secret_derive(&parent, "row", CM_TEXT("verdi"), &b);
    assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
    cm_secret_derive(&other, "row", CM_TEXT("verdi"), &b);
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    cm_secret_derive(&parent, "row", CM_TEXT("rossi"), &b);
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    cm_secret_derive(&parent, "rowv", CM_TEXT("erdi"), &b);
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_reader_past_the_end_yields_zero_and_stays_failed),
        cmocka_unit_test(a_slice_is_copied_whole_and_nothing_more),
        cmocka_unit_test(a_sub_reader_cannot_see_past_its_parent),
        cmocka_unit_test(leftovers_are_refused_by_finish),
        cmocka_unit_test(a_writer_that_is_full_writes_nothing_more),
        cmocka_unit_test(a_reserved_length_is_filled_later),
        cmocka_unit_test(a_buffer_refuses_to_pass_its_bound_and_keeps_what_it_had),
        cmocka_unit_test(numbers_are_digits_and_nothing_else),
        cmocka_unit_test(base64_round_trips_at_every_length),
        cmocka_unit_test(base64_of_another_alphabet_or_odd_length_is_refused),
        cmocka_unit_test(percent_refuses_nul_and_half_escapes),
        cmocka_unit_test(names_must_be_clean_utf8),
        cmocka_unit_test(ids_of_other_characters_or_sizes_are_refused),
        cmocka_unit_test(made_ids_parse_and_differ),
        cmocka_unit_test(derived_secrets_depend_on_parent_label_and_context),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
