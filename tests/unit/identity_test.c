/* identity: passwords, limits on virtual time, calls, and what the YAML declares. */
#include "people.h"

/* ---- passwords and tokens ---- */

static void passwords_are_judged(void **state)
{
    (void)state;
    char longest[CM_PASSWORD_MAX + 1];
    memset(longest, 'x', sizeof longest);
    longest[0] = 'y';
    const struct {
        cm_slice password;
        cm_password_fault fault;
    } CASES[] = {
        {CM_TEXT("ninechars"), CM_PASSWORD_TOO_SHORT},
        {CM_TEXT("ten chars!"), CM_PASSWORD_FINE},
        {cm_slice_over(longest, CM_PASSWORD_MAX), CM_PASSWORD_FINE},
        {cm_slice_over(longest, CM_PASSWORD_MAX + 1), CM_PASSWORD_TOO_LONG},
        {CM_TEXT("Password123"), CM_PASSWORD_TOO_COMMON},
        {CM_TEXT("1234567890"), CM_PASSWORD_TOO_COMMON},
        {CM_TEXT("zzzzzzzzzzzz"), CM_PASSWORD_TOO_COMMON},
        {CM_TEXT("Anna Verdi 1"), CM_PASSWORD_TOO_COMMON}, /* the account's own name */
        {CM_TEXT("tab\tin here"), CM_PASSWORD_NOT_TEXT},
        {CM_TEXT("\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8\xF7\xF6"), CM_PASSWORD_NOT_TEXT},
        {CM_TEXT("\xE0\xA4\x98\xE0\xA4\xB0\xE0\xA4\x98\xE0\xA4\xB0"), CM_PASSWORD_FINE},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++)
        assert_int_equal(cm_password_judge(CASES[i].password, CM_TEXT("anna verdi 1")),
                         CASES[i].fault);
}

static void a_hash_fits_its_password_alone(void **state)
{
    (void)state;
    char hash[CM_PASSWORD_HASH_SIZE];
    char again[CM_PASSWORD_HASH_SIZE];
    const cm_slice password = CM_TEXT("green garden gate");
    assert_int_equal(cm_password_hash(password, &CHEAP, hash), CM_OK);
    assert_int_equal(cm_password_hash(password, &CHEAP, again), CM_OK);
    assert_string_not_equal(hash, again); /* salted */
    assert_true(cm_slice_starts(cm_slice_of(hash), CM_TEXT("$argon2id$")));
    assert_int_equal(cm_password_verify(password, hash, &CHEAP), CM_OK);
    assert_int_equal(cm_password_verify(CM_TEXT("green garden gatf"), hash, &CHEAP), CM_REFUSE);
    assert_int_equal(cm_password_verify(password, "", &CHEAP), CM_REFUSE);
    assert_int_equal(cm_password_verify(password, "nonsense", &CHEAP), CM_REFUSE);
    assert_false(cm_password_needs_rehash(hash, &CHEAP));
    const cm_password_cost dearer = {.passes = 2, .memory_bytes = 16384};
    assert_true(cm_password_needs_rehash(hash, &dearer));
}

static void tokens_are_long_typed_and_hashed_whole(void **state)
{
    (void)state;
    cm_random random = cm_random_system();
    cm_token session;
    cm_token other;
    uint8_t hash[CM_MAC_SIZE];
    cm_token_make(&random, CM_TOKEN_SESSION, &session);
    cm_token_make(&random, CM_TOKEN_SESSION, &other);
    assert_string_not_equal(session.text, other.text);
    assert_int_equal(strlen(session.text), 4 + 43);
    assert_int_equal(cm_token_read(cm_slice_of(session.text), CM_TOKEN_SESSION, hash), CM_OK);
    assert_memory_equal(hash, session.hash, sizeof hash);
    assert_int_equal(cm_token_read(cm_slice_of(session.text), CM_TOKEN_API, hash), CM_REFUSE);
    session.text[46] = '\0';
    assert_int_equal(cm_token_read(cm_slice_of(session.text), CM_TOKEN_SESSION, hash), CM_REFUSE);
    assert_int_equal(cm_token_read(CM_TEXT(""), CM_TOKEN_SESSION, hash), CM_REFUSE);
    assert_int_equal(cm_token_read(CM_TEXT("cms_???????????????????????????????????????????"),
                                   CM_TOKEN_SESSION, hash),
                     CM_REFUSE);
}

/* ---- limits ---- */

static void a_try_that_was_no_guess_is_given_back_and_nothing_else(void **state)
{
    (void)state;
    const cm_address from = address("192.0.2.7");
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.tries = 0}, &limits), CM_OK);
    const cm_instant now = {.us = 0};
    int64_t wait = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cm_limits_take(limits, &from, CM_TEXT("link"), now, &wait), CM_OK);
        cm_limits_spared(limits, &from, CM_TEXT("link"), now);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cm_limits_take(limits, &from, CM_TEXT("link"), now, &wait), CM_OK);
        cm_limits_failed(limits, &from, CM_TEXT("link"), now);
    }
    /* The guesses before it stay counted. */
    assert_int_equal(cm_limits_take(limits, &from, CM_TEXT("link"), now, &wait), CM_OK);
    cm_limits_spared(limits, &from, CM_TEXT("link"), now);
    assert_int_equal(cm_limits_take(limits, &from, CM_TEXT("link"), now, &wait), CM_OK);
    assert_int_equal(cm_limits_take(limits, &from, CM_TEXT("link"), now, &wait), CM_RETRY);
    cm_limits_destroy(limits);
}

static cm_status guess(cm_limits *limits, const cm_address *from, const char *name, int64_t now_us,
                       int64_t *wait_us)
{
    const cm_instant now = {.us = now_us};
    const cm_status status = cm_limits_take(limits, from, cm_slice_of(name), now, wait_us);
    if (status == CM_OK)
        cm_limits_failed(limits, from, cm_slice_of(name), now);
    return status;
}

static void five_tries_then_ever_longer_waits(void **state)
{
    (void)state;
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.tries = 0}, &limits), CM_OK);
    const cm_address from = address("203.0.113.7");
    int64_t wait = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(limits, &from, "anna", 0, &wait), CM_OK);
    int64_t now = 0;
    int64_t before = 0;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(guess(limits, &from, "anna", now, &wait), CM_RETRY);
        assert_true(wait >= before && wait >= CM_SECONDS(30) && wait <= CM_SECONDS(900));
        before = wait;
        assert_int_equal(guess(limits, &from, "anna", now + wait - 1, &(int64_t){0}), CM_RETRY);
        now += wait;
        assert_int_equal(guess(limits, &from, "anna", now, &wait), CM_OK);
    }
    assert_true(before == CM_SECONDS(900));
    cm_limits_destroy(limits);
}

/* A day of guessing at one account, from as many addresses as one likes. */
static void an_account_is_guessed_at_some_hundred_times_a_day(void **state)
{
    (void)state;
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.tries = 0}, &limits), CM_OK);
    size_t tries = 0;
    int64_t wait;
    for (int second = 0; second < 86400; second += 2) {
        char text[32];
        snprintf(text, sizeof text, "10.%d.%d.%d", second >> 16 & 255, second >> 8 & 255,
                 second & 255);
        const cm_address from = address(text);
        tries += guess(limits, &from, second % 4 == 0 ? "Anna" : "anna", CM_SECONDS(second),
                       &wait) == CM_OK
                     ? 1
                     : 0;
    }
    assert_in_range(tries, 50, 200);
    cm_limits_destroy(limits);
}

static void an_address_is_limited_over_all_names_and_v6_by_its_64(void **state)
{
    (void)state;
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.tries = 0}, &limits), CM_OK);
    int64_t wait;
    size_t tries = 0;
    for (int i = 0; i < 100; i++) {
        char name[16];
        char text[64];
        snprintf(name, sizeof name, "name%d", i);
        snprintf(text, sizeof text, "[2001:db8:1:2::%x]", i + 1);
        const cm_address from = address(text);
        tries += guess(limits, &from, name, 0, &wait) == CM_OK ? 1 : 0;
    }
    assert_int_equal(tries, 5);
    const cm_address neighbour = address("[2001:db8:1:3::1]");
    assert_int_equal(guess(limits, &neighbour, "other", 0, &wait), CM_OK);
    cm_limits_destroy(limits);
}

static void the_right_password_gives_the_tries_back_and_home_stays_open(void **state)
{
    (void)state;
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.tries = 0}, &limits), CM_OK);
    const cm_address home = address("192.168.1.2");
    int64_t wait;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(guess(limits, &home, "anna", round, &wait), CM_OK);
        assert_int_equal(cm_limits_take(limits, &home, CM_TEXT("anna"), (cm_instant){round}, &wait),
                         CM_OK);
        cm_limits_succeeded(limits, &home, CM_TEXT("anna"), (cm_instant){round});
    }
    /* Strangers lock the account; home, where she signed in before, still gets in. */
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.0.%d", i);
        const cm_address stranger = address(text);
        CM_IGNORE(guess(limits, &stranger, "anna", 1000, &wait), "most are refused");
    }
    const cm_address abroad = address("198.51.100.1");
    assert_int_equal(guess(limits, &abroad, "anna", 1000, &wait), CM_RETRY);
    assert_int_equal(guess(limits, &home, "anna", 1000, &wait), CM_OK);
    cm_limits_destroy(limits);
}

static void a_flood_takes_no_more_memory_and_forgets_the_lesser_first(void **state)
{
    (void)state;
    cm_limits *limits;
    assert_int_equal(cm_limits_create(&(cm_limits_config){.entries_max = 64}, &limits), CM_OK);
    const cm_address guesser = address("203.0.113.7");
    int64_t wait;
    for (int i = 0; i < 6; i++)
        CM_IGNORE(guess(limits, &guesser, "anna", 0, &wait), "the last is refused");
    for (int i = 0; i < 10000; i++) {
        char text[32];
        char name[16];
        snprintf(text, sizeof text, "10.1.%d.%d", i >> 8, i & 255);
        snprintf(name, sizeof name, "n%d", i);
        const cm_address from = address(text);
        assert_int_equal(guess(limits, &from, name, 1 + i, &wait), CM_OK);
    }
    assert_int_equal(guess(limits, &guesser, "bruno", 10001, &wait), CM_RETRY);
    cm_limits_destroy(limits);
}

/* ---- calls ---- */

static void setup_makes_home_owner_and_session_once(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    cm_token setup;
    assert_int_equal(cm_identity_make_setup_token(p.identity, NOW, &setup), CM_OK);
    assert_string_equal(set_up(&p, "cmu_nonsense", "Anna").cause, "no-such-token");
    assert_string_equal(set_up(&p, setup.text, "").cause, "bad-name");
    const answer a = set_up(&p, setup.text, "Anna");
    assert_int_equal(a.status, CM_OK);
    assert_string_equal(a.account.name, "Anna");
    assert_string_equal(a.home.name, "Casa Verdi");
    assert_true(is_signed_in(&p, &a.token));
    assert_string_equal(set_up(&p, setup.text, "Bruno").cause, "no-such-token");
    assert_int_equal(cm_identity_make_setup_token(p.identity, NOW, &setup), CM_REFUSE);
    people_close(&p);
}

static void signing_in_and_out(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer first = set_up_anna(&p);
    const answer second = sign_in(&p, "ANNA", "green garden gate", "192.168.1.3");
    assert_int_equal(second.status, CM_OK);
    assert_string_not_equal(first.token.text, second.token.text);
    assert_true(is_signed_in(&p, &second.token));
    const answer wrong = sign_in(&p, "Anna", "green garden gatf", "192.168.1.3");
    const answer unknown = sign_in(&p, "Bruno", "green garden gate", "192.168.1.3");
    assert_int_equal(wrong.status, CM_REFUSE);
    assert_int_equal(unknown.status, CM_REFUSE);
    assert_string_equal(wrong.cause, "wrong-name-or-password");
    assert_string_equal(unknown.cause, wrong.cause);
    answer out = {.count = 0};
    cm_identity_call *call;
    assert_int_equal(
        cm_identity_begin_sign_out(p.identity, p.loop, second.token.hash, on_answer, &out, &call),
        CM_OK);
    assert_int_equal(wait_for(&p, &out).status, CM_OK);
    assert_int_equal(p.changes, 1);
    assert_false(is_signed_in(&p, &second.token));
    assert_true(is_signed_in(&p, &first.token));
    people_close(&p);
}

/* ASVS 5.0 7.2.4: a token of its own, and the former one is worth nothing. */
static void showing_again_who_one_is_replaces_the_token(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer first = set_up_anna(&p);
    const answer other = sign_in(&p, "Anna", "green garden gate", "192.168.1.3");
    cm_sim_run_for(p.sim, CM_SESSION_FRESH_US);
    const cm_wall now = cm_loop_wall(p.loop);
    const cm_stored_session before = session_of_token(&p, &first.account.id, &first.token);
    assert_int_equal(before.origin.method, CM_METHOD_SETUP);
    assert_false(cm_session_is_fresh(before.authenticated, now));
    assert_string_equal(again(&p, &first.token, "a wrong guess", "192.168.1.2").cause,
                        "wrong-name-or-password");
    assert_true(is_signed_in(&p, &first.token));
    const answer a = again(&p, &first.token, "green garden gate", "192.168.1.2");
    assert_int_equal(a.status, CM_OK);
    assert_false(is_signed_in(&p, &first.token));
    assert_true(is_signed_in(&p, &a.token));
    assert_true(is_signed_in(&p, &other.token));
    const cm_stored_session after = session_of_token(&p, &first.account.id, &a.token);
    assert_true(cm_session_is_fresh(after.authenticated, cm_loop_wall(p.loop)));
    assert_true(after.created.us == before.created.us); /* its absolute limit stays */
    assert_int_equal(after.origin.method, CM_METHOD_PASSWORD);
    assert_string_equal(after.origin.device, "Firefox on Linux");
    /* With the dead one there is no second time. */
    assert_string_equal(again(&p, &first.token, "green garden gate", "192.168.1.2").cause,
                        "no-such-session");
    people_close(&p);
}

/* Who has somebody's session can't guess his password by another door. */
static void guesses_by_again_count_with_those_of_the_sign_in(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    for (int i = 0; i < 5; i++)
        assert_int_equal(again(&p, &anna.token, "a wrong guess", "203.0.113.9").status, CM_REFUSE);
    assert_int_equal(again(&p, &anna.token, "green garden gate", "203.0.113.9").status, CM_RETRY);
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "203.0.113.10").status, CM_RETRY);
    people_close(&p);
}

static void an_account_held_off_looks_like_none(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    cm_change change;
    assert_int_equal(cm_store_account_set_active(p.w.store, &anna.account.id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_string_equal(sign_in(&p, "Anna", "green garden gate", "192.168.1.4").cause,
                        "wrong-name-or-password");
    assert_int_equal(cm_store_account_set_active(p.w.store, &anna.account.id, true, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "192.168.1.4").status, CM_OK);
    people_close(&p);
}

static void guessing_is_slowed_down_and_says_for_how_long(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    set_up_anna(&p);
    for (int i = 0; i < 5; i++)
        assert_string_equal(sign_in(&p, "Anna", "a wrong guess", "203.0.113.9").cause,
                            "wrong-name-or-password");
    const answer a = sign_in(&p, "Anna", "green garden gate", "203.0.113.9");
    assert_int_equal(a.status, CM_RETRY);
    assert_string_equal(a.cause, "too-many-tries");
    assert_in_range(a.wait_us, CM_SECONDS(29), CM_SECONDS(30));
    cm_sim_run_for(p.sim, a.wait_us);
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "203.0.113.9").status, CM_OK);
    people_close(&p);
}

static void a_new_password_ends_the_others_and_keeps_this_one(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer first = set_up_anna(&p);
    const answer second = sign_in(&p, "Anna", "green garden gate", "192.168.1.3");
    cm_identity_new_password ask = {.asker = {.kind = CM_ASKER_SESSION},
                                    .old_password = CM_TEXT("not the old one"),
                                    .new_password = CM_TEXT("blue garden gate"),
                                    .from = address("192.168.1.3")};
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        ask.asker.token_hash[i] = second.token.hash[i];
    static const char *const CAUSES[] = {"wrong-name-or-password", "bad-password", ""};
    answer a;
    for (size_t i = 0; i < CM_COUNT(CAUSES); i++) {
        a = (answer){.count = 0};
        cm_identity_call *call;
        if (i > 0)
            ask.old_password = CM_TEXT("green garden gate");
        ask.new_password = i == 1 ? CM_TEXT("short") : CM_TEXT("blue garden gate");
        assert_int_equal(
            cm_identity_begin_new_password(p.identity, p.loop, &ask, on_answer, &a, &call), CM_OK);
        assert_string_equal(wait_for(&p, &a).cause, CAUSES[i]);
    }
    assert_int_equal(p.changes, 1);
    /* ASVS 5.0 7.2.4, 7.4.3: under another token, and the only one. */
    assert_true(is_signed_in(&p, &a.token));
    assert_false(is_signed_in(&p, &second.token));
    assert_false(is_signed_in(&p, &first.token));
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "192.168.1.4").status, CM_REFUSE);
    assert_int_equal(sign_in(&p, "Anna", "blue garden gate", "192.168.1.4").status, CM_OK);
    people_close(&p);
}

static void members_are_made_with_a_name_of_their_own(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    static const struct {
        const char *name, *password, *cause;
    } CASES[] = {
        {"Bruno", "garden gate 2", ""},     {"bruno", "garden gate 2", "name-taken"},
        {"Carla", "short", "bad-password"}, {" Carla", "garden gate 2", "bad-name"},
        {"", "garden gate 2", "bad-name"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        answer a = {.count = 0};
        cm_identity_call *call;
        const cm_identity_new_member ask = {.home = anna.home.id,
                                            .name = cm_slice_of(CASES[i].name),
                                            .password = cm_slice_of(CASES[i].password),
                                            .role = CM_ROLE_GUEST};
        assert_int_equal(
            cm_identity_begin_new_member(p.identity, p.loop, &ask, on_answer, &a, &call), CM_OK);
        assert_string_equal(wait_for(&p, &a).cause, CASES[i].cause);
    }
    assert_int_equal(sign_in(&p, "Bruno", "garden gate 2", "192.168.1.4").status, CM_OK);
    people_close(&p);
}

static void a_cancelled_call_says_nothing(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    set_up_anna(&p);
    answer a = {.count = 0};
    cm_identity_call *call;
    const cm_identity_sign_in ask = {.name = CM_TEXT("Anna"),
                                     .password = CM_TEXT("green garden gate"),
                                     .from = address("192.168.1.9")};
    assert_int_equal(cm_identity_begin_sign_in(p.identity, p.loop, &ask, on_answer, &a, &call),
                     CM_OK);
    cm_identity_cancel(call);
    cm_identity_cancel(NULL);
    cm_sim_run_for(p.sim, CM_MS(10));
    assert_int_equal(a.count, 0);
    people_close(&p);
}

static void the_command_line_resets_passwords_and_makes_tokens(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    const answer anna = set_up_anna(&p);
    char fresh[CM_RESET_PASSWORD_SIZE];
    cm_change change;
    assert_int_equal(cm_identity_reset_password(p.identity, CM_TEXT("nobody"), fresh, &change),
                     CM_ABSENT);
    assert_int_equal(cm_identity_reset_password(p.identity, CM_TEXT("anna"), fresh, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_false(is_signed_in(&p, &anna.token));
    assert_int_equal(sign_in(&p, "Anna", fresh, "192.168.1.4").status, CM_OK);
    const cm_new_camera camera = {.name = CM_TEXT("Door"), .main = CM_TEXT("rtsp://10.0.0.1/a")};
    cm_stored_camera stored;
    assert_int_equal(cm_store_camera_create(p.w.store, &anna.home.id, &camera, NOW, &stored),
                     CM_OK);
    cm_token token;
    cm_stored_token row;
    const cm_identity_new_token ask = {.camera = stored.key,
                                       .account_name = CM_TEXT("Anna"),
                                       .name = CM_TEXT("Kitchen"),
                                       .rights = VIEW,
                                       .expires = {NOW.us + DAY_US}};
    assert_int_equal(cm_identity_make_api_token(p.identity, &ask, NOW, &token, &row), CM_OK);
    assert_string_equal(row.name, "Kitchen");
    cm_asker asker = {.kind = CM_ASKER_API_TOKEN};
    assert_int_equal(cm_token_read(cm_slice_of(token.text), CM_TOKEN_API, asker.token_hash), CM_OK);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(cm_store_evidence(p.w.store, &asker, &stored.key, NOW, &e, &cause), CM_OK);
    assert_true(e.session_is_live && e.token_limit == VIEW);
    people_close(&p);
}

/* ---- declared ---- */

typedef struct config {
    cm_declared declared;
    cm_declared_home homes[2];
    cm_declared_account accounts[3];
    cm_declared_account oper;
    cm_declared_camera cameras[2];
    cm_declared_right rights[1];
    cm_range allow[1];
} config;

static void fill_config(config *c)
{
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_camera_key yard = camera_key("verdi", "yard");
    *c = (config){.rights = {{.camera = door.camera, .terms.rights = VIEW}}};
    assert_int_equal(cm_range_parse(CM_TEXT("192.168.0.0/16"), &c->allow[0]), CM_OK);
    c->accounts[0] = (cm_declared_account){
        .name = CM_TEXT("Anna"), .role = CM_ROLE_OWNER, .password = CM_TEXT("green garden gate")};
    c->accounts[1] = (cm_declared_account){.name = CM_TEXT("Bruno"),
                                           .role = CM_ROLE_GUEST,
                                           .password = CM_TEXT("blue garden gate"),
                                           .cameras = c->rights,
                                           .camera_count = 1};
    c->accounts[2] = (cm_declared_account){.name = CM_TEXT("Carla"), .role = CM_ROLE_OWNER};
    c->oper = (cm_declared_account){.name = CM_TEXT("Otto"), .password = CM_TEXT("op garden gate")};
    c->cameras[0] = (cm_declared_camera){.id = door.camera,
                                         .name = CM_TEXT("Front door"),
                                         .main = CM_TEXT("rtsp://192.168.1.4/main"),
                                         .user = CM_TEXT("admin"),
                                         .password = CM_TEXT("camera garden gate"),
                                         .keep = CM_KEEP_ALWAYS};
    c->cameras[1] = c->cameras[0];
    c->cameras[1].id = yard.camera;
    c->homes[0] = (cm_declared_home){.id = home_id("verdi"),
                                     .name = CM_TEXT("Casa Verdi"),
                                     .allow = c->allow,
                                     .allow_count = 1,
                                     .accounts = c->accounts,
                                     .account_count = 2,
                                     .cameras = c->cameras,
                                     .camera_count = 2};
    c->homes[1] = (cm_declared_home){.id = home_id("rossi"),
                                     .name = CM_TEXT("Casa Rossi"),
                                     .accounts = &c->accounts[2],
                                     .account_count = 1};
    c->declared = (cm_declared){
        .homes = c->homes, .home_count = 2, .operators = &c->oper, .operator_count = 1};
}

static void apply(people *p, const config *c)
{
    char message[CM_STORE_MESSAGE_SIZE];
    if (cm_identity_apply_declared(p->identity, &c->declared, NOW, message) != CM_OK)
        fail_msg("%s", message);
    assert_int_equal(cm_store_check(p->w.store), CM_OK);
}

static uint64_t written(people *p)
{
    int64_t version = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/casement.db", p->w.directory);
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT generation FROM meta", -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    version = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return (uint64_t)version;
}

static void what_is_declared_is_made_once(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    config c;
    fill_config(&c);
    apply(&p, &c);
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "192.168.1.4").status, CM_OK);
    assert_int_equal(sign_in(&p, "Carla", "", "192.168.1.5").status, CM_REFUSE);
    const cm_camera_key door = camera_key("verdi", "door");
    char password[CM_CAMERA_LOGIN_SIZE];
    assert_int_equal(cm_store_camera_password(p.w.store, &door, password), CM_OK);
    assert_string_equal(password, "camera garden gate");
    cm_address inside = address("192.168.1.4");
    assert_true(cm_identity_home_allows(p.identity, &c.homes[0].id, &inside));
    assert_false(cm_identity_home_allows(p.identity, &c.homes[1].id, &inside));
    /* Again, and after nothing changed: nothing is written, nobody is signed out. */
    cm_store_counters before;
    cm_store_counters after;
    const answer bruno = sign_in(&p, "Bruno", "blue garden gate", "192.168.1.6");
    const uint64_t generation = written(&p);
    cm_store_read_counters(p.w.store, &before);
    apply(&p, &c);
    cm_store_read_counters(p.w.store, &after);
    assert_true(after.writes == before.writes);
    assert_true(written(&p) == generation);
    assert_true(is_signed_in(&p, &bruno.token));
    people_close(&p);
}

/* As the YAML says when it is new; what the owner ticks after it stays. */
static void a_declared_loudspeaker_is_followed(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    config c;
    fill_config(&c);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera camera;
    cm_change change;
    const bool yes = true;
    apply(&p, &c);
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    assert_false(camera.takes_talk);
    assert_int_equal(cm_store_camera_update(p.w.store, &door,
                                            &(cm_camera_update){.takes_talk = &yes}, &camera,
                                            &change),
                     CM_OK);
    cm_change_clear(&change);
    apply(&p, &c);
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    assert_true(camera.takes_talk);
    for (int i = 0; i < 2; i++) {
        c.cameras[0].takes_talk = i == 0;
        apply(&p, &c);
        assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
        assert_int_equal(camera.takes_talk, i == 0);
    }
    people_close(&p);
}

static void what_is_declared_no_more_is_taken_away(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    config c;
    fill_config(&c);
    apply(&p, &c);
    const answer bruno = sign_in(&p, "Bruno", "blue garden gate", "192.168.1.6");
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera camera;
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    const uint64_t epoch = camera.min_epoch;
    c.accounts[1].camera_count = 0; /* bruno sees nothing any more */
    c.homes[0].camera_count = 1;    /* the yard goes */
    c.declared.home_count = 1;      /* rossi goes, with carla */
    c.accounts[0].password = CM_TEXT("other garden gate");
    apply(&p, &c);
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    assert_true(camera.min_epoch > epoch);
    const cm_camera_key yard = camera_key("verdi", "yard");
    assert_int_equal(cm_store_camera_find(p.w.store, &yard, &camera), CM_ABSENT);
    cm_stored_home home;
    assert_int_equal(cm_store_home_find(p.w.store, &c.homes[1].id, &home), CM_ABSENT);
    cm_stored_account account;
    assert_int_equal(cm_store_account_find_name(p.w.store, CM_TEXT("Carla"), &account, NULL),
                     CM_ABSENT);
    assert_true(is_signed_in(&p, &bruno.token));
    assert_int_equal(sign_in(&p, "Anna", "green garden gate", "192.168.1.4").status, CM_REFUSE);
    assert_int_equal(sign_in(&p, "Anna", "other garden gate", "192.168.1.4").status, CM_OK);
    /* The camera moves: its keys turn. */
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    const uint64_t before = camera.min_epoch;
    c.cameras[0].main = CM_TEXT("rtsp://192.168.1.9/main");
    apply(&p, &c);
    assert_int_equal(cm_store_camera_find(p.w.store, &door, &camera), CM_OK);
    assert_true(camera.min_epoch > before);
    people_close(&p);
}

/* Cut means cut: also at the next start, and when a command reads the same YAML. */
static void what_the_app_changed_stays_until_the_yaml_says_something_new(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    config c;
    fill_config(&c);
    apply(&p, &c);
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_camera_key yard = camera_key("verdi", "yard");
    cm_stored_account bruno;
    cm_stored_camera camera;
    cm_stored_members members = {.count = 0};
    cm_change change = {.raised_count = 0};
    assert_int_equal(cm_store_account_find_name(p.w.store, CM_TEXT("Bruno"), &bruno, NULL), CM_OK);
    assert_int_equal(cm_store_member_find(p.w.store, &c.homes[0].id, &bruno.id, NOW, &members),
                     CM_OK);
    const cm_camera_key cut = {.home = door.home, .camera = members.items[0].cameras[0].camera};
    cm_stored_members_clear(&members);
    assert_int_equal(cm_store_grant_remove(p.w.store, &cut, &bruno.id, &change), CM_OK);
    cm_change_clear(&change);
    const cm_slice name = CM_TEXT("Back yard");
    assert_int_equal(cm_store_camera_update(p.w.store, &yard, &(cm_camera_update){.name = &name},
                                            &camera, &change),
                     CM_OK);
    cm_change_clear(&change);
    apply(&p, &c);
    assert_int_equal(cm_store_member_find(p.w.store, &c.homes[0].id, &bruno.id, NOW, &members),
                     CM_OK);
    for (size_t i = 0; i < members.items[0].camera_count; i++)
        assert_false(cm_camera_id_equal(&members.items[0].cameras[i].camera, &cut.camera));
    cm_stored_members_clear(&members);
    assert_int_equal(cm_store_camera_find(p.w.store, &yard, &camera), CM_OK);
    assert_string_equal(camera.name, "Back yard");
    /* A role that the YAML says anew brings all that it says of this person with it. */
    c.accounts[1].role = c.accounts[1].role == CM_ROLE_GUEST ? CM_ROLE_CHILD : CM_ROLE_GUEST;
    apply(&p, &c);
    assert_int_equal(cm_store_member_find(p.w.store, &c.homes[0].id, &bruno.id, NOW, &members),
                     CM_OK);
    assert_true(members.items[0].camera_count > 0);
    cm_stored_members_clear(&members);
    people_close(&p);
}

static void a_declaration_that_cannot_be_says_why(void **state)
{
    (void)state;
    people p;
    people_open(&p);
    char message[CM_STORE_MESSAGE_SIZE];
    config c;
    fill_config(&c);
    c.accounts[0].password = CM_TEXT("short");
    assert_int_equal(cm_identity_apply_declared(p.identity, &c.declared, NOW, message), CM_REFUSE);
    assert_non_null(strstr(message, "Anna"));
    assert_non_null(strstr(message, "too short"));
    fill_config(&c);
    c.cameras[0].main = CM_TEXT("rtsp://admin:pw@192.168.1.4/main");
    assert_int_equal(cm_identity_apply_declared(p.identity, &c.declared, NOW, message), CM_REFUSE);
    assert_non_null(strstr(message, "door"));
    fill_config(&c);
    c.rights[0].camera = camera_key("verdi", "attic").camera;
    assert_int_equal(cm_identity_apply_declared(p.identity, &c.declared, NOW, message), CM_REFUSE);
    assert_non_null(strstr(message, "Bruno"));
    people_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_judged),
        cmocka_unit_test(a_hash_fits_its_password_alone),
        cmocka_unit_test(tokens_are_long_typed_and_hashed_whole),
        cmocka_unit_test(five_tries_then_ever_longer_waits),
        cmocka_unit_test(a_try_that_was_no_guess_is_given_back_and_nothing_else),
        cmocka_unit_test(an_account_is_guessed_at_some_hundred_times_a_day),
        cmocka_unit_test(an_address_is_limited_over_all_names_and_v6_by_its_64),
        cmocka_unit_test(the_right_password_gives_the_tries_back_and_home_stays_open),
        cmocka_unit_test(a_flood_takes_no_more_memory_and_forgets_the_lesser_first),
        cmocka_unit_test(setup_makes_home_owner_and_session_once),
        cmocka_unit_test(signing_in_and_out),
        cmocka_unit_test(showing_again_who_one_is_replaces_the_token),
        cmocka_unit_test(guesses_by_again_count_with_those_of_the_sign_in),
        cmocka_unit_test(an_account_held_off_looks_like_none),
        cmocka_unit_test(guessing_is_slowed_down_and_says_for_how_long),
        cmocka_unit_test(a_new_password_ends_the_others_and_keeps_this_one),
        cmocka_unit_test(members_are_made_with_a_name_of_their_own),
        cmocka_unit_test(a_cancelled_call_says_nothing),
        cmocka_unit_test(the_command_line_resets_passwords_and_makes_tokens),
        cmocka_unit_test(what_is_declared_is_made_once),
        cmocka_unit_test(a_declared_loudspeaker_is_followed),
        cmocka_unit_test(what_is_declared_no_more_is_taken_away),
        cmocka_unit_test(what_the_app_changed_stays_until_the_yaml_says_something_new),
        cmocka_unit_test(a_declaration_that_cannot_be_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
