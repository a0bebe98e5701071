/* Sessions: where they come from, their limits and clocks, and who may end which. */

#include "identity/origin.h"
#include "store_killed.h"

#define MINUTE_US CM_SECONDS(60)

/* ---- words for a device ---- */

static void assert_device(const char *user_agent, const char *words)
{
    char device[CM_DEVICE_SIZE];
    cm_origin_device(cm_slice_of(user_agent), device);
    assert_string_equal(device, words);
}

static void a_device_is_named_in_words(void **state)
{
    (void)state;
    assert_device("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
                  "Chrome/131.0.0.0 Mobile Safari/537.36",
                  "Chrome on Android");
    assert_device("Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like "
                  "Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                  "Samsung Internet on Android");
    assert_device("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
                  "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                  "Safari on iPhone");
    assert_device("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
                  "(KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1",
                  "Chrome on iPhone");
    assert_device("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
                  "Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                  "Edge on Windows");
    assert_device("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, "
                  "like Gecko) Version/17.5 Safari/605.1.15",
                  "Safari on macOS");
    assert_device("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                  "Firefox on Linux");
    assert_device("curl/7.88.1", "curl");
    assert_device("Something (Linux)", "Linux");
}

static void what_a_stranger_writes_stays_harmless(void **state)
{
    (void)state;
    assert_device("", "");
    assert_device("<script>alert(1)</script>", "");
    assert_device("a<b", "a");
    assert_device("\x1b[31mred", "");
    assert_device("caf\xc3\xa9/1", "caf");
    char device[CM_DEVICE_SIZE];
    char text[4096];
    memset(text, 'a', sizeof text);
    cm_origin_device(cm_slice_over(text, sizeof text), device);
    assert_int_equal(strlen(device), 32);
    /* Only the beginning is looked at. */
    memset(text, ' ', sizeof text);
    memcpy(&text[CM_USER_AGENT_MAX - 7], "Firefox/", 8);
    cm_origin_device(cm_slice_over(text, sizeof text), device);
    assert_string_equal(device, "");
    memcpy(&text[CM_USER_AGENT_MAX - 8], "Firefox/", 8);
    cm_origin_device(cm_slice_over(text, sizeof text), device);
    assert_string_equal(device, "Firefox");
}

static void a_network_is_an_address_or_a_64(void **state)
{
    (void)state;
    static const char *const PAIRS[][2] = {
        {"192.168.1.20:5000", "192.168.1.20"},
        {"[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::/64"},
        {"[::1]:443", "::/64"},
    };
    for (size_t i = 0; i < CM_COUNT(PAIRS); i++) {
        cm_address address;
        char network[CM_NETWORK_SIZE];
        assert_int_equal(cm_address_parse(cm_slice_of(PAIRS[i][0]), 0, &address), CM_OK);
        cm_origin_network(&address, network);
        assert_string_equal(network, PAIRS[i][1]);
    }
}

/* ---- limits and clocks ---- */

static cm_wall at(cm_wall from, int64_t us)
{
    return (cm_wall){.us = from.us + us};
}

static bool is_somebody(const store_world *w, const cm_asker *asker, cm_wall now)
{
    cm_who who;
    const char *cause = NULL;
    if (cm_store_who(w->store, asker, now, &who, &cause) != CM_OK)
        return false;
    cm_who_clear(&who);
    return true;
}

static bool sees(const store_world *w, const cm_asker *asker, cm_wall now)
{
    const cm_camera_key door = camera_key("verdi", "door");
    cm_evidence e;
    const char *cause = NULL;
    return cm_store_evidence(w->store, asker, &door, now, &e, &cause) == CM_OK && e.session_is_live;
}

static void touch(const store_world *w, const cm_asker *asker, cm_wall now)
{
    assert_int_equal(cm_store_session_touch(w->store, asker->token_hash, now), CM_OK);
}

/* ASVS 5.0 7.3.1: unused for 14 days it ends, to the microsecond. */
static void an_idle_session_ends(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker *anna = &w.sessions[ANNA];
    assert_true(is_somebody(&w, anna, at(NOW, CM_SESSION_IDLE_US - 1)));
    assert_true(sees(&w, anna, at(NOW, CM_SESSION_IDLE_US - 1)));
    assert_false(is_somebody(&w, anna, at(NOW, CM_SESSION_IDLE_US)));
    assert_false(sees(&w, anna, at(NOW, CM_SESSION_IDLE_US)));
    touch(&w, anna, at(NOW, CM_SESSION_IDLE_US - 1));
    assert_true(is_somebody(&w, anna, at(NOW, CM_SESSION_IDLE_US)));
    store_world_close(&w);
}

/* ASVS 5.0 7.3.2: however much it is used, after 90 days it ends. */
static void a_session_in_use_ends_all_the_same(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker *anna = &w.sessions[ANNA];
    for (int64_t day = 1; day < 90; day++)
        touch(&w, anna, at(NOW, day * DAY_US));
    assert_true(is_somebody(&w, anna, at(NOW, CM_SESSION_ABSOLUTE_US - 1)));
    assert_false(is_somebody(&w, anna, at(NOW, CM_SESSION_ABSOLUTE_US)));
    size_t removed;
    assert_int_equal(cm_store_expire(w.store, at(NOW, CM_SESSION_ABSOLUTE_US), &removed), CM_OK);
    assert_int_equal(removed, PEOPLE);
    store_world_close(&w);
}

/* A clock that was ahead, was used, and is right again must not make a session live longer. */
static void a_clock_set_back_lengthens_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker *anna = &w.sessions[ANNA];
    touch(&w, anna, at(NOW, 10 * DAY_US));
    touch(&w, anna, at(NOW, MINUTE_US)); /* the clock is right again: so is the last use */
    assert_true(is_somebody(&w, anna, at(NOW, CM_SESSION_IDLE_US)));
    assert_false(is_somebody(&w, anna, at(NOW, CM_SESSION_IDLE_US + MINUTE_US)));
    /* Made by a clock that is a year ahead: it counts for nothing once the clock is right. */
    const cm_asker early = asker_of(CM_ASKER_SESSION, "early");
    cm_change change;
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id, early.token_hash,
                                             &WORLD_ORIGIN, at(NOW, 365 * DAY_US), &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_true(is_somebody(&w, &early, at(NOW, 365 * DAY_US)));
    assert_true(is_somebody(&w, &early, at(NOW, 365 * DAY_US - CM_SESSION_AHEAD_US)));
    assert_false(is_somebody(&w, &early, at(NOW, 365 * DAY_US - CM_SESSION_AHEAD_US - 1)));
    assert_false(is_somebody(&w, &early, NOW));
    assert_false(sees(&w, &early, NOW));
    store_world_close(&w);
}

static void a_clock_far_ahead_ends_sessions_and_back_again_they_are_there(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker *anna = &w.sessions[ANNA];
    assert_false(is_somebody(&w, anna, at(NOW, 400 * DAY_US)));
    assert_true(is_somebody(&w, anna, at(NOW, MINUTE_US)));
    store_world_close(&w);
}

static void fresh_is_five_minutes_and_never_from_the_future(void **state)
{
    (void)state;
    assert_true(cm_session_is_fresh(NOW, NOW));
    assert_true(cm_session_is_fresh(NOW, at(NOW, CM_SESSION_FRESH_US - 1)));
    assert_false(cm_session_is_fresh(NOW, at(NOW, CM_SESSION_FRESH_US)));
    assert_false(cm_session_is_fresh(NOW, at(NOW, -1)));
    assert_false(cm_session_is_fresh((cm_wall){0}, (cm_wall){0}));
    assert_false(cm_session_is_fresh((cm_wall){0}, (cm_wall){.us = 1}));
}

/* ---- the list, and ending ---- */

static cm_stored_session only_session(const store_world *w, size_t who)
{
    cm_stored_sessions sessions;
    assert_int_equal(cm_store_sessions(w->store, &w->people[who].id, &sessions), CM_OK);
    assert_int_equal(sessions.count, 1);
    const cm_stored_session session = sessions.items[0];
    cm_stored_sessions_clear(&sessions);
    return session;
}

static void a_session_remembers_where_it_comes_from(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_session s = only_session(&w, ANNA);
    assert_int_equal(s.origin.method, CM_METHOD_PASSWORD);
    assert_string_equal(s.origin.device, "Firefox on Linux");
    assert_string_equal(s.origin.network, "192.168.1.20");
    assert_true(s.authenticated.us == NOW.us && s.created.us == NOW.us);
    /* Its name is an id, is not the token's hash, and is the same after a restart. */
    char hex[2 * CM_MAC_SIZE + 1];
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        snprintf(&hex[2 * i], 3, "%02x", s.token_hash[i]);
    assert_int_equal(strlen(s.id), 24);
    assert_null(strstr(hex, s.id));
    store_world_reopen(&w);
    assert_string_equal(only_session(&w, ANNA).id, s.id);
    assert_string_not_equal(only_session(&w, BRUNO).id, s.id);
    store_world_close(&w);
}

static void somebody_elses_session_can_not_be_ended(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_session bruno = only_session(&w, BRUNO);
    cm_change change;
    assert_int_equal(
        cm_store_session_end_named(w.store, &w.people[ANNA].id, cm_slice_of(bruno.id), &change),
        CM_ABSENT);
    assert_int_equal(cm_store_session_end_named(w.store, &w.people[ANNA].id, CM_TEXT(""), &change),
                     CM_ABSENT);
    assert_true(is_somebody(&w, &w.sessions[BRUNO], NOW));
    assert_int_equal(
        cm_store_session_end_named(w.store, &w.people[BRUNO].id, cm_slice_of(bruno.id), &change),
        CM_OK);
    assert_int_equal(change.raised_count, 1); /* the camera that he may see */
    assert_true(change.has_token);
    assert_memory_equal(change.token_hash, w.sessions[BRUNO].token_hash, CM_MAC_SIZE);
    cm_change_clear(&change);
    assert_false(is_somebody(&w, &w.sessions[BRUNO], NOW));
    assert_int_equal(
        cm_store_session_end_named(w.store, &w.people[BRUNO].id, cm_slice_of(bruno.id), &change),
        CM_ABSENT);
    store_world_close(&w);
}

static void ending_all_others_keeps_this_one(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    const cm_asker phone = asker_of(CM_ASKER_SESSION, "phone");
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id, phone.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_int_equal(
        cm_store_sessions_end_all(w.store, &w.people[ANNA].id, phone.token_hash, &change), CM_OK);
    assert_int_equal(change.raised_count, 2);
    assert_false(change.has_token);
    cm_change_clear(&change);
    assert_false(is_somebody(&w, &w.sessions[ANNA], NOW));
    assert_true(is_somebody(&w, &phone, NOW));
    assert_true(is_somebody(&w, &w.sessions[BRUNO], NOW));
    store_world_close(&w);
}

static void one_session_too_many_ends_the_oldest(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    for (int i = 1; i <= CM_ACCOUNT_SESSIONS_MAX; i++) {
        char token[16];
        snprintf(token, sizeof token, "t%d", i);
        const cm_asker asker = asker_of(CM_ASKER_SESSION, token);
        assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id, asker.token_hash,
                                                 &WORLD_ORIGIN, (cm_wall){NOW.us + i}, &change),
                         CM_OK);
        assert_int_equal(change.raised_count, i < CM_ACCOUNT_SESSIONS_MAX ? 0 : 2);
        cm_change_clear(&change);
    }
    assert_false(is_somebody(&w, &w.sessions[ANNA], NOW));
    cm_stored_sessions sessions;
    assert_int_equal(cm_store_sessions(w.store, &w.people[ANNA].id, &sessions), CM_OK);
    assert_int_equal(sessions.count, CM_ACCOUNT_SESSIONS_MAX);
    cm_stored_sessions_clear(&sessions);
    store_world_close(&w);
}

/* What is told of a session can't be written by hand. */
static void a_session_whose_origin_was_changed_by_hand_is_none(void **state)
{
    (void)state;
    static const char *const HANDS[] = {
        "UPDATE sessions SET device = 'a friend' WHERE account = 'anna'",
        "UPDATE sessions SET network = '' WHERE account = 'anna'",
        "UPDATE sessions SET method = 2 WHERE account = 'anna'",
        "UPDATE sessions SET authenticated = authenticated + 1 WHERE account = 'anna'",
        /* The same bytes in the next column. */
        "UPDATE sessions SET device = network, network = device WHERE account = 'anna'",
    };
    for (size_t i = 0; i < CM_COUNT(HANDS); i++) {
        store_world w;
        store_world_open(&w);
        world_sql(&w, HANDS[i]);
        assert_false(is_somebody(&w, &w.sessions[ANNA], NOW));
        assert_true(is_somebody(&w, &w.sessions[BRUNO], NOW));
        store_world_close(&w);
    }
}

/* ---- kill -9 ---- */

/* Child: signs in, shows again who he is, ends that session by its name or all of them; says what
 * was acknowledged. */
static void end_until_killed(store_world *w, int pipe_end)
{
    for (uint32_t i = 0;; i++) {
        char token[16];
        snprintf(token, sizeof token, "s%u", i);
        const cm_asker asker = asker_of(CM_ASKER_SESSION, token);
        cm_change change;
        if (cm_store_session_create(w->store, &w->people[BRUNO].id, asker.token_hash, &WORLD_ORIGIN,
                                    NOW, &change) != CM_OK)
            _exit(4);
        cm_change_clear(&change);
        char fresh[16];
        snprintf(fresh, sizeof fresh, "r%u", i);
        const cm_asker renewed = asker_of(CM_ASKER_SESSION, fresh);
        if (cm_store_session_renew(w->store, asker.token_hash, renewed.token_hash, &WORLD_ORIGIN,
                                   NOW, &change) != CM_OK)
            _exit(8);
        cm_change_clear(&change);
        cm_stored_sessions all;
        if (cm_store_sessions(w->store, &w->people[BRUNO].id, &all) != CM_OK || all.count == 0)
            _exit(5);
        const cm_status status =
            i % 2 == 0
                ? cm_store_session_end_named(w->store, &w->people[BRUNO].id,
                                             cm_slice_of(all.items[all.count - 1].id), &change)
                : cm_store_sessions_end_all(w->store, &w->people[BRUNO].id, NULL, &change);
        cm_stored_sessions_clear(&all);
        if (status != CM_OK)
            _exit(6);
        cm_change_clear(&change);
        store_killed_say(pipe_end, i);
    }
}

static void no_session_whose_end_was_acknowledged_lives_after_a_kill(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_random random = cm_random_seeded(7);
    for (int round = 0; round < 12; round++) {
        const uint32_t last = store_world_kill(&w, &random, true, end_until_killed).last;
        for (uint32_t i = 0; i <= last; i++) {
            char token[16];
            snprintf(token, sizeof token, "s%u", i);
            const cm_asker former = asker_of(CM_ASKER_SESSION, token);
            snprintf(token, sizeof token, "r%u", i);
            const cm_asker ended = asker_of(CM_ASKER_SESSION, token);
            assert_false(is_somebody(&w, &former, NOW) || is_somebody(&w, &ended, NOW));
        }
        /* Of what it was about: one of the two tokens, or none; never both. */
        char token[16];
        snprintf(token, sizeof token, "s%u", last + 1);
        const cm_asker former = asker_of(CM_ASKER_SESSION, token);
        snprintf(token, sizeof token, "r%u", last + 1);
        const cm_asker fresh = asker_of(CM_ASKER_SESSION, token);
        assert_false(is_somebody(&w, &former, NOW) && is_somebody(&w, &fresh, NOW));
        cm_change change;
        assert_int_equal(cm_store_sessions_end_all(w.store, &w.people[BRUNO].id, NULL, &change),
                         CM_OK);
        cm_change_clear(&change);
    }
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_named_in_words),
        cmocka_unit_test(what_a_stranger_writes_stays_harmless),
        cmocka_unit_test(a_network_is_an_address_or_a_64),
        cmocka_unit_test(an_idle_session_ends),
        cmocka_unit_test(a_session_in_use_ends_all_the_same),
        cmocka_unit_test(a_clock_set_back_lengthens_nothing),
        cmocka_unit_test(a_clock_far_ahead_ends_sessions_and_back_again_they_are_there),
        cmocka_unit_test(fresh_is_five_minutes_and_never_from_the_future),
        cmocka_unit_test(a_session_remembers_where_it_comes_from),
        cmocka_unit_test(somebody_elses_session_can_not_be_ended),
        cmocka_unit_test(ending_all_others_keeps_this_one),
        cmocka_unit_test(one_session_too_many_ends_the_oldest),
        cmocka_unit_test(a_session_whose_origin_was_changed_by_hand_is_none),
        cmocka_unit_test(no_session_whose_end_was_acknowledged_lives_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
