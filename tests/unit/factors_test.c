/* identity: the second factor: making it, the two steps of a sign-in, showing it again, and how
 * often it may be guessed. */
#include "people.h"

#include "identity/factors.h"
#include "identity/passkeys.h"
#include "identity/pending.h"

#define HOME "192.168.1.2"

/* ---- pending sign-ins ---- */

static cm_instant second(int64_t seconds)
{
    return (cm_instant){.us = CM_SECONDS(seconds)};
}

static void pending_begin(cm_pending *pending, uint8_t token, const char *account, int64_t seconds)
{
    const uint8_t hash[CM_MAC_SIZE] = {token};
    cm_pending_sign_in sign_in = {.name = "Anna"};
    assert_int_equal(cm_account_id_parse(cm_slice_of(account), &sign_in.account), CM_OK);
    cm_pending_begin(pending, hash, &sign_in, second(seconds));
}

static bool is_pending(cm_pending *pending, uint8_t token, int64_t seconds)
{
    const uint8_t hash[CM_MAC_SIZE] = {token};
    cm_pending_sign_in found;
    return cm_pending_find(pending, hash, second(seconds), &found) == CM_OK;
}

static void a_pending_sign_in_has_five_minutes_and_five_tries(void **state)
{
    (void)state;
    cm_pending *pending;
    assert_int_equal(cm_pending_create(0, &pending), CM_OK);
    pending_begin(pending, 1, "anna", 0);
    pending_begin(pending, 2, "anna", 0);
    const uint8_t hash[CM_MAC_SIZE] = {1};
    cm_pending_sign_in found;
    assert_int_equal(cm_pending_find(pending, hash, second(299), &found), CM_OK);
    assert_string_equal(found.account.text, "anna");
    assert_string_equal(found.name, "Anna");
    assert_false(is_pending(pending, 1, 300));
    assert_int_equal(cm_pending_try(pending, hash, second(300)), CM_ABSENT);
    for (int i = 0; i < CM_PENDING_TRIES; i++)
        assert_int_equal(cm_pending_try(pending, hash, second(1)), CM_OK);
    assert_int_equal(cm_pending_try(pending, hash, second(1)), CM_ABSENT);
    assert_true(is_pending(pending, 2, 1));
    const uint8_t other[CM_MAC_SIZE] = {2};
    cm_pending_end(pending, other);
    assert_false(is_pending(pending, 2, 1));
    assert_false(is_pending(pending, 3, 1));
    cm_pending_destroy(pending);
}

static void who_has_a_password_pushes_out_only_his_own(void **state)
{
    (void)state;
    cm_pending *pending;
    assert_int_equal(cm_pending_create(12, &pending), CM_OK);
    pending_begin(pending, 1, "carla", 0);
    for (uint8_t i = 0; i < 30; i++)
        pending_begin(pending, (uint8_t)(100 + i), "anna", i);
    assert_true(is_pending(pending, 1, 30));
    size_t count = 0;
    for (uint8_t i = 0; i < 30; i++)
        count += is_pending(pending, (uint8_t)(100 + i), 30) ? 1 : 0;
    assert_int_equal(count, CM_PENDING_PER_ACCOUNT);
    assert_true(is_pending(pending, 129, 30));
    /* Full of many accounts: the oldest goes. */
    for (uint8_t i = 0; i < 12; i++) {
        char account[16];
        snprintf(account, sizeof account, "account%u", i);
        pending_begin(pending, (uint8_t)(200 + i), account, 31 + i);
    }
    assert_false(is_pending(pending, 1, 50));
    assert_true(is_pending(pending, 200, 50) && is_pending(pending, 211, 50));
    cm_pending_destroy(pending);
}

/* ---- the rig ---- */

typedef struct code_text {
    char text[8];
} code_text;

/* What the app shows so many steps from now. */
static code_text code_at(people *p, const cm_account_id *account, int64_t steps)
{
    cm_stored_totp totp;
    assert_int_equal(cm_store_totp_find(p->w.store, account, &totp), CM_OK);
    cm_totp_key key;
    memcpy(key.bytes, totp.secret, sizeof key.bytes);
    uint32_t code;
    assert_int_equal(cm_totp_code(&key, cm_totp_step_at(cm_loop_wall(p->loop)) + steps, &code),
                     CM_OK);
    code_text out;
    snprintf(out.text, sizeof out.text, "%06u", (unsigned)code % 1000000);
    return out;
}

static code_text wrong_code(people *p, const cm_account_id *account)
{
    return code_at(p, account, 1000); /* in eight hours */
}

static cm_status confirm(people *p, const cm_account_id *account, const char *code,
                         const char **cause)
{
    cm_change change;
    *cause = "";
    const cm_status status = cm_factor_confirm(p->identity, account, cm_slice_of(code),
                                               cm_loop_wall(p->loop), &change, cause);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

/* Anna has an app from here on; the clock stands at the beginning of a step whose code is good. */
static answer enrolled(people *p)
{
    const answer anna = set_up_anna(p);
    cm_factor_told told;
    assert_int_equal(cm_factor_begin(p->identity, &anna.account.id, CM_TEXT("Anna"),
                                     cm_loop_wall(p->loop), &told),
                     CM_OK);
    const char *cause;
    const code_text code = code_at(p, &anna.account.id, 0);
    assert_int_equal(confirm(p, &anna.account.id, code.text, &cause), CM_OK);
    cm_sim_run_for(p->sim, CM_SECONDS(2 * CM_TOTP_STEP_S));
    return anna;
}

static answer second_step(people *p, const char *token, const char *code, const char *from)
{
    answer a = {.count = 0};
    cm_identity_call *call;
    const cm_identity_code ask = {.token = cm_slice_of(token),
                                  .code = cm_slice_of(code),
                                  .from = address(from),
                                  .user_agent = CM_TEXT("Firefox/128.0 (Linux)")};
    assert_int_equal(cm_identity_begin_code(p->identity, p->loop, &ask, on_answer, &a, &call),
                     CM_OK);
    return wait_for(p, &a);
}

/* ---- making it ---- */

static void a_secret_is_told_once_and_confirmed_by_its_code(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    const cm_account_id *id = &anna.account.id;
    const char *cause;
    assert_int_equal(confirm(&p, id, "123456", &cause), CM_ABSENT);
    cm_factor_told former, told;
    const cm_wall now = cm_loop_wall(p.loop);
    assert_int_equal(cm_factor_begin(p.identity, id, CM_TEXT("Anna"), now, &former), CM_OK);
    assert_int_equal(cm_factor_begin(p.identity, id, CM_TEXT("Anna"), now, &told), CM_OK);
    assert_string_not_equal(former.secret, told.secret);
    assert_int_equal(strlen(told.secret), 32);
    assert_non_null(strstr(told.uri, told.secret));
    assert_true(cm_slice_starts(cm_slice_of(told.uri), CM_TEXT("otpauth://totp/casement:Anna?")));
    const code_text wrong = wrong_code(&p, id);
    assert_int_equal(confirm(&p, id, wrong.text, &cause), CM_REFUSE);
    assert_string_equal(cause, "wrong-code");
    assert_int_equal(confirm(&p, id, "", &cause), CM_REFUSE);
    /* Begun, it is asked for by nobody. */
    assert_true(sign_in(&p, "Anna", "green garden gate", HOME).has_token);
    const code_text right = code_at(&p, id, 0);
    assert_int_equal(confirm(&p, id, right.text, &cause), CM_OK);
    assert_int_equal(confirm(&p, id, right.text, &cause), CM_REFUSE);
    assert_string_equal(cause, "totp-there");
    assert_int_equal(cm_factor_begin(p.identity, id, CM_TEXT("Anna"), now, &told), CM_REFUSE);
    /* The code that confirmed it signs nobody in. */
    const answer first = sign_in(&p, "Anna", "green garden gate", HOME);
    assert_string_equal(second_step(&p, first.pending.text, right.text, HOME).cause, "wrong-code");
    people_close(&p);
}

static void what_was_begun_waits_for_a_quarter_of_an_hour(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    const cm_account_id *id = &anna.account.id;
    const char *cause;
    cm_factor_told told;
    const cm_wall now = cm_loop_wall(p.loop);
    const cm_wall ahead = {.us = now.us + CM_SECONDS(5)};
    assert_int_equal(cm_factor_begin(p.identity, id, CM_TEXT("Anna"), ahead, &told), CM_OK);
    code_text code = code_at(&p, id, 0);
    assert_int_equal(confirm(&p, id, code.text, &cause), CM_ABSENT); /* the clock was set back */
    assert_int_equal(cm_factor_begin(p.identity, id, CM_TEXT("Anna"), now, &told), CM_OK);
    cm_sim_run_for(p.sim, CM_FACTOR_BEGUN_US);
    code = code_at(&p, id, 0);
    assert_int_equal(confirm(&p, id, code.text, &cause), CM_ABSENT);
    people_close(&p);
}

/* ---- the two steps ---- */

static void a_sign_in_takes_two_steps(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    const answer first = sign_in(&p, "anna", "green garden gate", HOME);
    assert_int_equal(first.status, CM_OK);
    assert_false(first.has_token);
    assert_true(cm_slice_starts(cm_slice_of(first.pending.text), CM_TEXT("cmp_")));
    /* What came of the first is worth nothing anywhere else. */
    uint8_t hash[CM_MAC_SIZE];
    assert_int_equal(cm_token_read(cm_slice_of(first.pending.text), CM_TOKEN_SESSION, hash),
                     CM_REFUSE);
    for (int kind = CM_ASKER_SESSION; kind <= CM_ASKER_API_TOKEN; kind++) {
        cm_asker asker = {.kind = (cm_asker_kind)kind};
        memcpy(asker.token_hash, first.pending.hash, CM_MAC_SIZE);
        cm_who who;
        const char *cause;
        assert_int_equal(cm_store_who(p.w.store, &asker, cm_loop_wall(p.loop), &who, &cause),
                         CM_ABSENT);
    }
    const code_text code = code_at(&p, &anna.account.id, 0);
    const answer done = second_step(&p, first.pending.text, code.text, HOME);
    assert_int_equal(done.status, CM_OK);
    assert_true(done.has_token && is_signed_in(&p, &done.token));
    assert_string_equal(done.account.name, "Anna");
    const cm_stored_session s = session_of_token(&p, &anna.account.id, &done.token);
    assert_int_equal(s.origin.method, CM_METHOD_CODE);
    assert_string_equal(s.origin.device, "Firefox on Linux");
    assert_string_equal(s.origin.network, HOME);
    /* Neither the pending one nor the code is good twice. */
    assert_string_equal(second_step(&p, first.pending.text, code.text, HOME).cause, "sign-in-over");
    const answer next = sign_in(&p, "anna", "green garden gate", HOME);
    assert_string_equal(second_step(&p, next.pending.text, code.text, HOME).cause, "wrong-code");
    assert_string_equal(sign_in(&p, "anna", "green garden gatf", HOME).cause,
                        "wrong-name-or-password");
    assert_string_equal(second_step(&p, done.token.text, code.text, HOME).cause, "sign-in-over");
    people_close(&p);
}

static void a_recovery_code_stands_in_and_is_used_up(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    cm_passkeys *passkeys;
    assert_int_equal(cm_passkeys_create(&(cm_passkeys_config){.identity = p.identity}, &passkeys),
                     CM_OK);
    char codes[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE];
    cm_change change;
    assert_int_equal(
        cm_passkeys_make_codes(passkeys, &anna.account.id, cm_loop_wall(p.loop), codes, &change),
        CM_OK);
    cm_change_clear(&change);
    const answer first = sign_in(&p, "Anna", "green garden gate", HOME);
    assert_string_equal(second_step(&p, first.pending.text, "AAAA-BBBB-CCCC-DDDD", HOME).cause,
                        "wrong-code");
    const answer done = second_step(&p, first.pending.text, codes[3], HOME);
    assert_int_equal(done.status, CM_OK);
    assert_int_equal(session_of_token(&p, &anna.account.id, &done.token).origin.method,
                     CM_METHOD_RECOVERY);
    const answer next = sign_in(&p, "Anna", "green garden gate", HOME);
    assert_string_equal(second_step(&p, next.pending.text, codes[3], HOME).cause, "wrong-code");
    cm_passkeys_destroy(passkeys);
    people_close(&p);
}

static void a_first_step_does_not_outlive_its_time_nor_its_password(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    const answer late = sign_in(&p, "Anna", "green garden gate", HOME);
    cm_sim_run_for(p.sim, CM_PENDING_US);
    code_text code = code_at(&p, &anna.account.id, 0);
    assert_string_equal(second_step(&p, late.pending.text, code.text, HOME).cause, "sign-in-over");
    const answer first = sign_in(&p, "Anna", "green garden gate", HOME);
    char hash[CM_PASSWORD_HASH_SIZE];
    assert_int_equal(cm_password_hash(CM_TEXT("blue garden gate"), &CHEAP, hash), CM_OK);
    cm_change change;
    assert_int_equal(cm_store_account_set_password(p.w.store, &anna.account.id, cm_slice_of(hash),
                                                   NULL, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_string_equal(second_step(&p, first.pending.text, code.text, HOME).cause, "sign-in-over");
    const answer held = sign_in(&p, "Anna", "blue garden gate", HOME);
    assert_int_equal(cm_store_account_set_active(p.w.store, &anna.account.id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    code = code_at(&p, &anna.account.id, 0);
    assert_int_equal(second_step(&p, held.pending.text, code.text, HOME).status, CM_REFUSE);
    people_close(&p);
}

/* ---- guessing ---- */

static void a_right_password_gives_a_guesser_of_codes_no_tries_back(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    const code_text wrong = wrong_code(&p, &anna.account.id);
    size_t codes = 0;
    /* As fast as it goes, from as many addresses as one likes. */
    for (int i = 0; i < 40; i++) {
        char from[32];
        snprintf(from, sizeof from, "203.0.113.%d", i + 1);
        const answer first = sign_in(&p, "Anna", "green garden gate", from);
        if (first.status == CM_RETRY)
            continue;
        const answer a = second_step(&p, first.pending.text, wrong.text, from);
        codes += a.status == CM_REFUSE ? 1 : 0;
    }
    assert_in_range(codes, 1, 3);
    cm_stored_totp totp;
    assert_int_equal(cm_store_totp_find(p.w.store, &anna.account.id, &totp), CM_OK);
    assert_int_equal(totp.wrong, codes);
    people_close(&p);
}

static void after_a_hundred_wrong_codes_none_is_taken(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    for (int i = 0; i < CM_TOTP_WRONG_MAX; i++)
        assert_int_equal(cm_store_totp_note_wrong(p.w.store, &anna.account.id), CM_OK);
    const answer first = sign_in(&p, "Anna", "green garden gate", HOME);
    const code_text right = code_at(&p, &anna.account.id, 0);
    assert_string_equal(second_step(&p, first.pending.text, right.text, HOME).cause,
                        "code-held-off");
    people_close(&p);
}

static void what_no_first_step_led_to_is_limited_by_its_address(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    enrolled(&p);
    for (int i = 0; i < 5; i++)
        assert_string_equal(second_step(&p, "cmp_nothing", "123456", "203.0.113.9").cause,
                            "sign-in-over");
    assert_int_equal(second_step(&p, "cmp_other", "123456", "203.0.113.9").status, CM_RETRY);
    assert_true(sign_in(&p, "Anna", "green garden gate", HOME).pending.text[0] != '\0');
    people_close(&p);
}

/* ---- again ---- */

static void showing_it_again_wants_both_and_does_not_say_which_was_wrong(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = enrolled(&p);
    const code_text code = code_at(&p, &anna.account.id, 0);
    const code_text wrong = wrong_code(&p, &anna.account.id);
    assert_string_equal(again(&p, &anna.token, "green garden gate", HOME).cause, "code-wanted");
    static const char *const WRONG = "wrong-password-or-code";
    assert_string_equal(again_with(&p, &anna.token, "a wrong guess", code.text, HOME).cause, WRONG);
    assert_string_equal(again_with(&p, &anna.token, "a wrong guess", wrong.text, HOME).cause,
                        WRONG);
    assert_string_equal(again_with(&p, &anna.token, "green garden gate", wrong.text, HOME).cause,
                        WRONG);
    assert_true(is_signed_in(&p, &anna.token));
    /* The right code beside the wrong password was not used up. */
    const answer a = again_with(&p, &anna.token, "green garden gate", code.text, HOME);
    assert_int_equal(a.status, CM_OK);
    assert_true(is_signed_in(&p, &a.token) && !is_signed_in(&p, &anna.token));
    const cm_stored_session s = session_of_token(&p, &anna.account.id, &a.token);
    assert_int_equal(s.origin.method, CM_METHOD_CODE);
    assert_true(cm_session_is_fresh(s.authenticated, cm_loop_wall(p.loop)));
    assert_string_equal(again_with(&p, &a.token, "green garden gate", code.text, HOME).cause,
                        WRONG);
    people_close(&p);
}

/* ---- the way out ---- */

static void the_command_line_takes_it_away_with_the_password(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    enrolled(&p);
    char fresh[CM_RESET_PASSWORD_SIZE];
    cm_change change;
    assert_int_equal(cm_identity_reset_password(p.identity, CM_TEXT("anna"), fresh, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_true(sign_in(&p, "Anna", fresh, HOME).has_token);
    people_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pending_sign_in_has_five_minutes_and_five_tries),
        cmocka_unit_test(who_has_a_password_pushes_out_only_his_own),
        cmocka_unit_test(a_secret_is_told_once_and_confirmed_by_its_code),
        cmocka_unit_test(what_was_begun_waits_for_a_quarter_of_an_hour),
        cmocka_unit_test(a_sign_in_takes_two_steps),
        cmocka_unit_test(a_recovery_code_stands_in_and_is_used_up),
        cmocka_unit_test(a_first_step_does_not_outlive_its_time_nor_its_password),
        cmocka_unit_test(a_right_password_gives_a_guesser_of_codes_no_tries_back),
        cmocka_unit_test(after_a_hundred_wrong_codes_none_is_taken),
        cmocka_unit_test(what_no_first_step_led_to_is_limited_by_its_address),
        cmocka_unit_test(showing_it_again_wants_both_and_does_not_say_which_was_wrong),
        cmocka_unit_test(the_command_line_takes_it_away_with_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
