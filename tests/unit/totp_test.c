/* Codes of authenticator apps: the RFCs' own values, the window, and that none is good twice. */
#include "identity/totp.h"
#include "unit.h"

/* RFC 4226 appendix D, RFC 6238 appendix B: the ASCII text "12345678901234567890". */
static const cm_totp_key KEY = {{'1', '2', '3', '4', '5', '6', '7', '8', '9', '0',
                                 '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'}};

static cm_wall at(int64_t seconds)
{
    return (cm_wall){.us = CM_SECONDS(seconds)};
}

/* RFC 4226 section 5.3, 5.4: its appendix D. */
static void codes_are_those_of_rfc_4226(void **state)
{
    (void)state;
    static const uint32_t CODES[] = {755224, 287082, 359152, 969429, 338314,
                                     254676, 287922, 162583, 399871, 520489};
    for (size_t i = 0; i < CM_COUNT(CODES); i++) {
        uint32_t code;
        assert_int_equal(cm_totp_code(&KEY, (int64_t)i, &code), CM_OK);
        assert_int_equal(code, CODES[i]);
    }
}

/* RFC 6238 appendix B, of its eight digits the last six. */
static void codes_are_those_of_rfc_6238(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *code;
    } TIMES[] = {
        {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
        {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
    };
    for (size_t i = 0; i < CM_COUNT(TIMES); i++) {
        int64_t step = -2;
        assert_int_equal(
            cm_totp_judge(&KEY, cm_slice_of(TIMES[i].code), at(TIMES[i].seconds), -1, &step),
            CM_OK);
        assert_true(step == TIMES[i].seconds / 30);
    }
}

static cm_status judged(const char *code, int64_t seconds, int64_t last)
{
    int64_t step;
    return cm_totp_judge(&KEY, cm_slice_of(code), at(seconds), last, &step);
}

/* 287082 is the code of step 1: from second 30 to 59. */
static void the_window_is_a_step_each_way(void **state)
{
    (void)state;
    assert_int_equal(judged("287082", 0, -1), CM_OK);
    assert_int_equal(judged("287082", 30, -1), CM_OK);
    assert_int_equal(judged("287082", 89, -1), CM_OK);
    assert_int_equal(judged("287082", 90, -1), CM_REFUSE);
    /* 359152 is step 2's. */
    assert_int_equal(judged("359152", 29, -1), CM_REFUSE);
    assert_int_equal(judged("359152", 30, -1), CM_OK);
}

/* RFC 6238 section 5.2: not a second time, nor one from before it. */
static void no_code_is_good_twice(void **state)
{
    (void)state;
    int64_t step;
    assert_int_equal(cm_totp_judge(&KEY, CM_TEXT("359152"), at(60), -1, &step), CM_OK);
    assert_true(step == 2);
    assert_int_equal(judged("359152", 60, step), CM_REFUSE);
    assert_int_equal(judged("287082", 60, step), CM_REFUSE);
    assert_int_equal(judged("969429", 60, step), CM_OK);
    /* The clock is set back: what was used stays used. */
    assert_int_equal(judged("755224", 0, step), CM_REFUSE);
    assert_int_equal(judged("287082", 0, step), CM_REFUSE);
}

static void what_is_no_code_is_refused(void **state)
{
    (void)state;
    assert_int_equal(judged("287 082", 59, -1), CM_OK);
    assert_int_equal(judged(" 287082 ", 59, -1), CM_OK);
    static const char *const WRONG[] = {"",        "28708",    "2870822", "287083",
                                        "28708a",  "-287082",  "0287082", "287\n082",
                                        "2 8 7 0", "\xdb\xb2", "+87082"};
    for (size_t i = 0; i < CM_COUNT(WRONG); i++)
        assert_int_equal(judged(WRONG[i], 59, -1), CM_REFUSE);
    /* Before 1970 there are no steps. */
    assert_int_equal(judged("755224", -1, -1), CM_OK);
    assert_int_equal(judged("755224", -60, -1), CM_REFUSE);
}

static void the_key_is_told_as_apps_read_it(void **state)
{
    (void)state;
    char text[CM_TOTP_KEY_TEXT_SIZE];
    cm_totp_key_text(&KEY, text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    const cm_totp_key ones = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    cm_totp_key_text(&ones, text);
    assert_string_equal(text, "77777777777777777777777777777777");
    char uri[CM_TOTP_URI_SIZE];
    assert_int_equal(cm_totp_uri(&KEY, CM_TEXT("casement"), CM_TEXT("Zia Pina & co"), uri), CM_OK);
    assert_string_equal(uri, "otpauth://totp/casement:Zia%20Pina%20%26%20co"
                             "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=casement"
                             "&algorithm=SHA1&digits=6&period=30");
    char name[256];
    memset(name, '%', sizeof name);
    assert_int_equal(cm_totp_uri(&KEY, CM_TEXT("casement"), cm_slice_over(name, sizeof name), uri),
                     CM_REFUSE);
    assert_null(strstr(uri, "GEZD"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_rfc_4226),
        cmocka_unit_test(codes_are_those_of_rfc_6238),
        cmocka_unit_test(the_window_is_a_step_each_way),
        cmocka_unit_test(no_code_is_good_twice),
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(the_key_is_told_as_apps_read_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
