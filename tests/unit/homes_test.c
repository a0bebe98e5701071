/* Homes held off, handed over, and moved out of: what ends with each, and what does not. */
#include <signal.h>
#include <sys/wait.h>

#include "grants/grants.h"
#include "store/invitations.h"
#include "store_world.h"

static bool may_view(store_world *w, size_t who, const char *home, const char *camera,
                     cm_grant_reason *reason)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(cm_store_evidence(w->store, &w->sessions[who], &key, NOW, &e, &cause), CM_OK);
    const cm_grant_facts facts = cm_grant_facts_of(&e);
    const cm_moment at = cm_zone_at(e.zone, NOW);
    const cm_grant_decision decision = cm_grant_decide(&facts, &at, VIEW);
    *reason = decision.reason;
    return decision.is_allowed;
}

static bool may(store_world *w, size_t who, const char *home, const char *camera)
{
    cm_grant_reason reason;
    return may_view(w, who, home, camera, &reason);
}

static cm_role role_of(store_world *w, const cm_home_id *home, size_t who)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    const cm_status status =
        cm_store_member_find(w->store, home, &w->people[who].id, NOW, &members);
    assert_true(status == CM_OK || status == CM_ABSENT);
    return status == CM_OK ? members.items[0].role : CM_ROLE_NONE;
}

static void add_member(store_world *w, const cm_home_id *home, size_t who, cm_role role)
{
    assert_int_equal(cm_store_member_add(w->store, home, &w->people[who].id, role, false, NOW),
                     CM_OK);
}

static size_t raised_in(const cm_change *change, const cm_home_id *home, bool is_gone)
{
    size_t count = 0;
    for (size_t i = 0; i < change->raised_count; i++)
        count += cm_home_id_equal(&change->raised[i].camera.home, home) &&
                         (change->raised[i].min_epoch == UINT64_MAX) == is_gone
                     ? 1
                     : 0;
    return count;
}

static cm_status invite(store_world *w, const char *text, size_t by, const cm_home_id *home)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(cm_slice_of(text), hash);
    const cm_new_invitation n = {.home = *home,
                                 .by = w->people[by].id,
                                 .role = CM_ROLE_GUEST,
                                 .token_hash = hash,
                                 .expires = {.us = NOW.us + DAY_US}};
    cm_stored_invitation out;
    return cm_store_invitation_create(w->store, &n, NOW, &out);
}

static bool is_open(store_world *w, const char *text)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(cm_slice_of(text), hash);
    cm_stored_invitation out;
    return cm_store_invitation_find(w->store, hash, NOW, &out) == CM_OK;
}

/* ---- held off ---- */

static cm_status hold(store_world *w, const char *why)
{
    cm_change change;
    const cm_status status =
        cm_store_home_suspend(w->store, &w->verdi, CM_TEXT("Olga"), cm_slice_of(why), NOW, &change);
    if (status == CM_OK) {
        assert_int_equal(raised_in(&change, &w->verdi, false), 2);
        assert_int_equal(change.raised_count, 2);
        cm_change_clear(&change);
    }
    return status;
}

static void a_home_held_off_shows_nobody_anything(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    assert_int_equal(invite(&w, "link", ANNA, &w.verdi), CM_OK);
    assert_int_equal(hold(&w, "The rent is not paid"), CM_OK);
    cm_grant_reason reason;
    assert_false(may_view(&w, ANNA, "verdi", "door", &reason)); /* not its owner either */
    assert_int_equal(reason, CM_GRANT_DENIED_SUSPENDED);
    assert_string_equal(cm_grant_reason_name(reason), "home-suspended");
    assert_false(may(&w, BRUNO, "verdi", "door"));
    assert_true(may(&w, CARLA, "rossi", "door"));
    assert_false(is_open(&w, "link"));
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &w.sessions[BRUNO], NOW, &who, &cause), CM_OK);
    assert_true(who.homes[0].suspension.since.us == NOW.us);
    assert_string_equal(who.homes[0].suspension.by, "Olga");
    assert_string_equal(who.homes[0].suspension.why, "The rent is not paid");
    cm_who_clear(&who);
    store_world_reopen(&w);
    assert_false(may(&w, ANNA, "verdi", "door"));
    cm_change change;
    assert_int_equal(cm_store_home_resume(w.store, &w.verdi, &change), CM_OK);
    assert_true(cm_home_id_equal(&change.home, &w.verdi));
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
    assert_true(may(&w, ANNA, "verdi", "door"));
    assert_true(may(&w, BRUNO, "verdi", "door"));
    assert_true(is_open(&w, "link"));
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void what_cannot_be_held_off_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    assert_int_equal(hold(&w, ""), CM_REFUSE);
    assert_int_equal(hold(&w, "two\nlines"), CM_REFUSE);
    assert_true(may(&w, ANNA, "verdi", "door"));
    cm_change change;
    const cm_home_id nowhere = home_id("nowhere");
    assert_int_equal(
        cm_store_home_suspend(w.store, &nowhere, CM_TEXT("Olga"), CM_TEXT("x"), NOW, &change),
        CM_ABSENT);
    assert_int_equal(cm_store_home_resume(w.store, &nowhere, &change), CM_ABSENT);
    store_world_close(&w);
}

/* The row from before, and the same row with the mark wiped, do not fit. */
static void a_hand_in_the_database_does_not_let_go_of_it(void **state)
{
    (void)state;
    static const char *const FORGERIES[] = {
        "UPDATE homes SET suspended = 0 WHERE id = 'verdi'",
        "UPDATE homes SET suspended = 0, suspended_by = '', suspended_why = '' WHERE id = 'verdi'",
        ("PRAGMA foreign_keys=OFF; DELETE FROM homes WHERE id = 'verdi';"
         "INSERT INTO homes SELECT * FROM before WHERE id = 'verdi'"),
    };
    for (size_t i = 0; i < CM_COUNT(FORGERIES); i++) {
        store_world w;
        store_world_open(&w);
        world_sql(&w, "CREATE TABLE before AS SELECT * FROM homes");
        assert_int_equal(hold(&w, "Moved"), CM_OK);
        world_sql(&w, FORGERIES[i]);
        const cm_camera_key key = camera_key("verdi", "door");
        cm_evidence e;
        const char *cause = NULL;
        if (cm_store_evidence(w.store, &w.sessions[ANNA], &key, NOW, &e, &cause) != CM_FOREIGN)
            fail_msg("believed: %s", FORGERIES[i]);
        store_world_close(&w);
    }
}

/* ---- handed over ---- */

static cm_status hand_over(store_world *w, size_t from, size_t to, cm_role then)
{
    const cm_hand_over h = {
        .home = w->verdi, .from = w->people[from].id, .to = w->people[to].id, .then = then};
    cm_change change;
    const cm_status status = cm_store_home_hand_over(w->store, &h, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static void an_owner_hands_his_home_over_and_may_leave(void **state)
{
    (void)state;
    static const cm_role THENS[] = {CM_ROLE_ADULT, CM_ROLE_GUEST, CM_ROLE_NONE};
    for (size_t i = 0; i < CM_COUNT(THENS); i++) {
        store_world w;
        store_world_open(&w);
        assert_int_equal(invite(&w, "link", ANNA, &w.verdi), CM_OK);
        assert_true(may(&w, ANNA, "verdi", "yard"));
        assert_int_equal(hand_over(&w, ANNA, BRUNO, THENS[i]), CM_OK);
        assert_int_equal(role_of(&w, &w.verdi, BRUNO), CM_ROLE_OWNER);
        assert_int_equal(role_of(&w, &w.verdi, ANNA), THENS[i]);
        assert_true(may(&w, BRUNO, "verdi", "yard"));
        assert_false(may(&w, ANNA, "verdi", "yard"));
        assert_false(is_open(&w, "link"));
        assert_int_equal(cm_store_check(w.store), CM_OK);
        store_world_close(&w);
    }
}

static void who_does_not_own_it_hands_nothing_over(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    assert_int_equal(hand_over(&w, BRUNO, ANNA, CM_ROLE_NONE), CM_REFUSE);
    assert_int_equal(hand_over(&w, CARLA, BRUNO, CM_ROLE_NONE), CM_REFUSE);
    assert_int_equal(hand_over(&w, ANNA, ANNA, CM_ROLE_NONE), CM_REFUSE);
    assert_int_equal(hand_over(&w, ANNA, BRUNO, CM_ROLE_OWNER), CM_REFUSE);
    assert_int_equal(hand_over(&w, ANNA, CARLA, CM_ROLE_NONE), CM_ABSENT);
    assert_int_equal(role_of(&w, &w.verdi, ANNA), CM_ROLE_OWNER);
    assert_int_equal(role_of(&w, &w.verdi, BRUNO), CM_ROLE_GUEST);
    store_world_close(&w);
}

/* ---- moved out ---- */

static cm_status move_out(store_world *w, size_t who, const cm_home_id *homes, size_t count,
                          cm_moved_home *out, cm_change *change)
{
    const cm_move_out move = {.account = w->people[who].id, .homes = homes, .count = count};
    return cm_store_move_out(w->store, &move, out, change);
}

/* Carla lives alone in rossi (dario left) and is a guest at verdi's door, the shared one. */
static void a_landlords_house(store_world *w)
{
    store_world_open(w);
    cm_change change;
    assert_int_equal(cm_store_member_remove(w->store, &w->rossi, &w->people[DARIO].id, &change),
                     CM_OK);
    cm_change_clear(&change);
    add_member(w, &w->verdi, CARLA, CM_ROLE_GUEST);
    world_grant(w, "verdi", "door", CARLA);
    const cm_camera_key door = camera_key("verdi", "door");
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(CM_TEXT("frigate"), hash);
    cm_stored_token token;
    const cm_new_token fresh = {.camera = door,
                                .account = w->people[CARLA].id,
                                .rights = VIEW,
                                .expires = {.us = NOW.us + DAY_US},
                                .token_hash = hash};
    assert_int_equal(cm_store_token_create(w->store, &fresh, NOW, &token), CM_OK);
    assert_int_equal(invite(w, "link", CARLA, &w->rossi), CM_OK);
}

static void moving_out_ends_everything_and_says_so(void **state)
{
    (void)state;
    store_world w;
    a_landlords_house(&w);
    const cm_home_id homes[] = {w.rossi, w.verdi};
    cm_moved_home moved[2];
    cm_change change;
    assert_int_equal(move_out(&w, CARLA, homes, 2, moved, &change), CM_OK);
    assert_true(moved[0].was_destroyed);
    assert_int_equal(moved[0].role, CM_ROLE_OWNER);
    assert_int_equal(moved[0].invitations, 1);
    assert_string_equal(moved[0].name, "Casa Rossi");
    assert_false(moved[1].was_destroyed);
    assert_int_equal(moved[1].role, CM_ROLE_GUEST);
    assert_int_equal(moved[1].grants, 1);
    assert_int_equal(moved[1].tokens, 1);
    assert_int_equal(raised_in(&change, &w.rossi, true), 2);
    assert_int_equal(raised_in(&change, &w.verdi, false), 1); /* the door alone */
    assert_int_equal(change.raised_count, 3);
    assert_true(cm_account_id_equal(&change.account, &w.people[CARLA].id));
    cm_change_clear(&change);
    assert_false(may(&w, CARLA, "verdi", "door"));
    assert_false(may(&w, CARLA, "rossi", "door"));
    assert_false(is_open(&w, "link"));
    cm_stored_home home;
    assert_int_equal(cm_store_home_find(w.store, &w.rossi, &home), CM_ABSENT);
    CM_AUTO(cm_stored_tokens_clear) cm_stored_tokens tokens = {.count = 0};
    assert_int_equal(cm_store_tokens(w.store, &w.verdi, &tokens), CM_OK);
    assert_int_equal(tokens.count, 0);
    /* Nobody else notices, and her session is hers: she reads the receipt in it. */
    assert_true(may(&w, BRUNO, "verdi", "door"));
    assert_true(may(&w, ANNA, "verdi", "yard"));
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &w.sessions[CARLA], NOW, &who, &cause), CM_OK);
    assert_int_equal(who.home_count, 0);
    cm_who_clear(&who);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void it_is_all_of_them_or_none(void **state)
{
    (void)state;
    store_world w;
    a_landlords_house(&w);
    const cm_home_id nowhere = home_id("nowhere");
    const cm_home_id with_nowhere[] = {w.rossi, nowhere};
    const cm_home_id twice[] = {w.verdi, w.verdi};
    cm_moved_home moved[CM_MOVE_HOMES_MAX];
    cm_change change;
    assert_int_equal(move_out(&w, CARLA, with_nowhere, 2, moved, &change), CM_ABSENT);
    assert_int_equal(move_out(&w, CARLA, twice, 2, moved, &change), CM_ABSENT);
    assert_int_equal(move_out(&w, CARLA, twice, 0, moved, &change), CM_REFUSE);
    assert_int_equal(move_out(&w, ANNA, &w.verdi, 1, moved, &change), CM_REFUSE); /* others stay */
    assert_true(may(&w, CARLA, "rossi", "door"));
    assert_true(may(&w, CARLA, "verdi", "door"));
    assert_true(may(&w, ANNA, "verdi", "door"));
    assert_true(is_open(&w, "link"));
    store_world_close(&w);
}

/* What the YAML declares would come back: it is left to it. */
static void a_declared_home_is_not_destroyed(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_stored_home home = {.id = home_id("declared"), .name = "Declared", .is_declared = true};
    assert_int_equal(cm_store_home_create(w.store, &home, NOW), CM_OK);
    add_member(&w, &home.id, CARLA, CM_ROLE_OWNER);
    cm_moved_home moved;
    cm_change change;
    assert_int_equal(move_out(&w, CARLA, &home.id, 1, &moved, &change), CM_OK);
    cm_change_clear(&change);
    assert_false(moved.was_destroyed);
    assert_int_equal(cm_store_home_find(w.store, &home.id, &home), CM_OK);
    assert_int_equal(role_of(&w, &home.id, CARLA), CM_ROLE_NONE);
    store_world_close(&w);
}

/* ---- kill -9 ---- */

/* Child: suspends and resumes a home, and moves carla in and out, until it is killed. */
static void move_until_killed(store_world *before, int pipe_end)
{
    store_world w = *before;
    if (world_try_open(&w, NULL) != CM_OK)
        _exit(3);
    for (uint32_t i = 0;; i++) {
        cm_stored_home home = {.id = home_id("flat"), .name = "Flat"};
        cm_change change;
        cm_moved_home moved[2];
        const cm_home_id homes[] = {home.id, w.verdi};
        /* What the child before had begun is ended first. */
        if (cm_store_home_create(w.store, &home, NOW) == CM_OK &&
            cm_store_member_add(w.store, &home.id, &w.people[CARLA].id, CM_ROLE_OWNER, false,
                                NOW) != CM_OK)
            _exit(4);
        const cm_status joined =
            cm_store_member_add(w.store, &w.verdi, &w.people[CARLA].id, CM_ROLE_ADULT, false, NOW);
        if ((joined != CM_OK && joined != CM_REFUSE) ||
            move_out(&w, CARLA, homes, 2, moved, &change) != CM_OK)
            _exit(5);
        cm_change_clear(&change);
        if (write(pipe_end, &i, sizeof i) != sizeof i)
            _exit(6);
    }
}

static void killed_at_any_time_nobody_moved_by_half(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_random random = cm_random_seeded(11);
    const cm_home_id flat = home_id("flat");
    size_t moves = 0;
    for (int round = 0; round < 12; round++) {
        cm_store_close(w.store);
        w.store = NULL;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            move_until_killed(&w, ends[1]);
        }
        close(ends[1]);
        uint32_t number;
        if (round % 2 == 0)
            moves += read(ends[0], &number, sizeof number) == sizeof number ? 1 : 0;
        usleep((useconds_t)cm_random_below(&random, 20000));
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        close(ends[0]);
        assert_int_equal(world_try_open(&w, NULL), CM_OK);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        /* Out of the flat is out of the entrance: both went with one commit. */
        cm_stored_home home;
        if (cm_store_home_find(w.store, &flat, &home) == CM_ABSENT)
            assert_int_equal(role_of(&w, &w.verdi, CARLA), CM_ROLE_NONE);
        else if (role_of(&w, &flat, CARLA) == CM_ROLE_NONE) {
            /* Killed between the two steps that set the stage. */
            cm_change change;
            assert_int_equal(cm_store_home_delete(w.store, &flat, &change), CM_OK);
            cm_change_clear(&change);
        }
    }
    assert_int_equal(moves, 6);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_home_held_off_shows_nobody_anything),
        cmocka_unit_test(what_cannot_be_held_off_is_refused),
        cmocka_unit_test(a_hand_in_the_database_does_not_let_go_of_it),
        cmocka_unit_test(an_owner_hands_his_home_over_and_may_leave),
        cmocka_unit_test(who_does_not_own_it_hands_nothing_over),
        cmocka_unit_test(moving_out_ends_everything_and_says_so),
        cmocka_unit_test(it_is_all_of_them_or_none),
        cmocka_unit_test(a_declared_home_is_not_destroyed),
        cmocka_unit_test(killed_at_any_time_nobody_moved_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
