/*
 * killed: transactions of the store that are killed (SIGKILL) at any time: what was acknowledged is
 * there, and nothing is there by half. Each act is a child that does one thing over and over, and
 * what must hold of the database that it leaves. Those of invitations, sessions, passkeys and
 * moving out are in the tests of those.
 */
#include <signal.h>
#include <sys/wait.h>

#include "base/random.h"
#include "store/invitations.h"
#include "store/told.h"
#include "store_world.h"

enum { ROUNDS = 10, LATEST_US = 15000 };

typedef struct act {
    /* The child's i-th step; not CM_OK ends it, and the test fails. */
    cm_status (*step)(store_world *w, uint32_t i);
    /* After each kill: `done` steps were acknowledged in all. */
    void (*judge)(store_world *w, uint32_t done);
} act;

static void step_until_killed(const store_world *before, const act *a, int pipe_end)
{
    store_world w = *before;
    if (world_try_open(&w, NULL) != CM_OK)
        _exit(3);
    for (uint32_t i = 0;; i++) {
        if (a->step(&w, i) != CM_OK)
            _exit(4);
        if (write(pipe_end, &i, sizeof i) != sizeof i)
            _exit(5);
    }
}

/* Starts a child, waits for its first step, kills it soon after. How many it acknowledged. */
static uint32_t run_and_kill(const store_world *w, const act *a, cm_random *random)
{
    int ends[2];
    uint32_t number, count = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        step_until_killed(w, a, ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
    usleep((useconds_t)cm_random_below(random, LATEST_US));
    kill(child, SIGKILL);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    for (count = 1; read(ends[0], &number, sizeof number) == sizeof number;)
        count++;
    close(ends[0]);
    return count;
}

static void play(const act *a)
{
    store_world w;
    store_world_open(&w);
    cm_random random = cm_random_seeded(5);
    uint32_t done = 0;
    for (int round = 0; round < ROUNDS; round++) {
        cm_store_close(w.store);
        w.store = NULL;
        done += run_and_kill(&w, a, &random);
        assert_int_equal(world_try_open(&w, NULL), CM_OK);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        a->judge(&w, done);
    }
    store_world_close(&w);
}

static uint64_t epoch_of(store_world *w, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_stored_camera found;
    assert_int_equal(cm_store_camera_find(w->store, &key, &found), CM_OK);
    return found.min_epoch;
}

/* Both cameras of a home turned together, at least as often as was acknowledged. */
static void judge_epochs(store_world *w, const char *home, uint32_t least)
{
    assert_int_equal(epoch_of(w, home, "door"), epoch_of(w, home, "yard"));
    assert_true(epoch_of(w, home, "door") >= least);
}

/* ---- holding a home off ---- */

static cm_status suspend_or_resume(store_world *w, uint32_t i)
{
    cm_change change = {.raised_count = 0};
    (void)i;
    CM_TRY(cm_store_home_suspend(w->store, &w->verdi, CM_TEXT("olga"), CM_TEXT("the rent"), NOW,
                                 &change));
    cm_change_clear(&change);
    return cm_store_home_resume(w->store, &w->verdi, &change);
}

static void judge_suspension(store_world *w, uint32_t done)
{
    cm_stored_home home;
    assert_int_equal(cm_store_home_find(w->store, &w->verdi, &home), CM_OK);
    const bool is_held = home.suspension.since.us != 0;
    assert_string_equal(home.suspension.by, is_held ? "olga" : "");
    assert_string_equal(home.suspension.why, is_held ? "the rent" : "");
    judge_epochs(w, "verdi", done);
    assert_true(epoch_of(w, "rossi", "door") < ROUNDS);
    cm_evidence evidence;
    const char *cause = NULL;
    assert_int_equal(evidence_of(w, BRUNO, "verdi", "door", &evidence, &cause), CM_OK);
    assert_int_equal(evidence.home_is_suspended, is_held);
    cm_change resumed;
    assert_int_equal(cm_store_home_resume(w->store, &w->verdi, &resumed), CM_OK);
    cm_change_clear(&resumed);
}

static void a_home_is_held_off_or_not(void **state)
{
    (void)state;
    play(&(act){suspend_or_resume, judge_suspension});
}

/* ---- handing one over ---- */

static cm_role role_of(store_world *w, size_t who)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    assert_int_equal(cm_store_members(w->store, &w->verdi, NOW, &members), CM_OK);
    for (size_t i = 0; i < members.count; i++)
        if (cm_account_id_equal(&members.items[i].account, &w->people[who].id))
            return members.items[i].role;
    return CM_ROLE_NONE;
}

/* To bruno and back; an invitation of the former owner ends with his role. */
static cm_status hand_over_and_back(store_world *w, uint32_t i)
{
    (void)i;
    const bool is_annas = role_of(w, ANNA) == CM_ROLE_OWNER;
    const cm_hand_over there = {.home = w->verdi,
                                .from = w->people[is_annas ? ANNA : BRUNO].id,
                                .to = w->people[is_annas ? BRUNO : ANNA].id,
                                .then = CM_ROLE_ADULT};
    uint8_t hash[CM_MAC_SIZE];
    char text[32];
    snprintf(text, sizeof text, "%d-%u", (int)getpid(), i);
    cm_secret_hash(cm_slice_of(text), hash);
    const cm_new_invitation invitation = {.home = w->verdi,
                                          .by = there.from,
                                          .role = CM_ROLE_GUEST,
                                          .token_hash = hash,
                                          .expires = {.us = NOW.us + DAY_US}};
    cm_stored_invitation made;
    CM_TRY(cm_store_invitation_create(w->store, &invitation, NOW, &made));
    cm_change change = {.raised_count = 0};
    CM_TRY(cm_store_home_hand_over(w->store, &there, &change));
    cm_change_clear(&change);
    return CM_OK;
}

static void judge_hand_over(store_world *w, uint32_t done)
{
    const cm_role anna = role_of(w, ANNA);
    const cm_role bruno = role_of(w, BRUNO);
    assert_true(anna == CM_ROLE_OWNER ? bruno == CM_ROLE_ADULT || bruno == CM_ROLE_GUEST
                                      : anna == CM_ROLE_ADULT && bruno == CM_ROLE_OWNER);
    judge_epochs(w, "verdi", done);
    /* Of the one who owns it at most one invitation is open, of the other none. */
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    assert_int_equal(cm_store_invitations(w->store, &w->verdi, &list), CM_OK);
    size_t open = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (cm_stored_invitation_state(&list.items[i], NOW) != CM_INVITATION_OPEN)
            continue;
        open++;
        assert_true(cm_account_id_equal(&list.items[i].by,
                                        &w->people[anna == CM_ROLE_OWNER ? ANNA : BRUNO].id));
    }
    assert_true(open <= 1);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(
            cm_store_invitation_revoke(w->store, &w->verdi, cm_slice_of(list.items[i].id)), CM_OK);
}

static void a_home_has_one_owner(void **state)
{
    (void)state;
    play(&(act){hand_over_and_back, judge_hand_over});
}

/* ---- many homes at once ---- */

enum { AT_ONCE = 3 };

static cm_status import_some(store_world *w, uint32_t i)
{
    const cm_new_camera cameras[] = {
        {.name = CM_TEXT("Hall"), .main = CM_TEXT("rtsp://192.168.1.9/hall")},
        {.name = CM_TEXT("Stairs"), .main = CM_TEXT("rtsp://192.168.1.9/stairs")}};
    cm_import_home homes[AT_ONCE];
    cm_stored_invitation made[AT_ONCE];
    for (unsigned n = 0; n < AT_ONCE; n++) {
        char text[48];
        homes[n] = (cm_import_home){.name = CM_TEXT("Imported"),
                                    .label = CM_TEXT("its first owner"),
                                    .cameras = cameras,
                                    .camera_count = CM_COUNT(cameras)};
        snprintf(text, sizeof text, "%d-%u-%u", (int)getpid(), i, n);
        cm_secret_hash(cm_slice_of(text), homes[n].token_hash);
    }
    const cm_import all = {.homes = homes, .count = AT_ONCE, .expires = {.us = NOW.us + DAY_US}};
    return cm_store_homes_import(w->store, &all, NOW, made);
}

static void judge_import(store_world *w, uint32_t done)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    assert_int_equal(cm_store_homes(w->store, &homes), CM_OK);
    size_t imported = 0;
    for (size_t i = 0; i < homes.count; i++) {
        if (!cm_slice_equal(cm_slice_of(homes.items[i].name), CM_TEXT("Imported")))
            continue;
        CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
        imported++;
        assert_int_equal(homes.items[i].camera_count, 2);
        assert_int_equal(cm_store_invitations(w->store, &homes.items[i].id, &list), CM_OK);
        assert_int_equal(list.count, 1);
    }
    assert_int_equal(imported % AT_ONCE, 0);
    assert_true(imported >= AT_ONCE * done);
}

static void homes_are_imported_all_or_none(void **state)
{
    (void)state;
    play(&(act){import_some, judge_import});
}

/* ---- what commands leave for the audit ---- */

static cm_status tell_two(store_world *w, uint32_t i)
{
    char text[2][32];
    cm_slice items[2];
    for (unsigned n = 0; n < CM_COUNT(items); n++) {
        snprintf(text[n], sizeof text[n], "%d %u %u", (int)getpid(), i, n);
        items[n] = cm_slice_of(text[n]);
    }
    return cm_store_told_put(w->store, items, CM_COUNT(items));
}

static void judge_told(store_world *w, uint32_t done)
{
    CM_AUTO(cm_told_list_clear) cm_told_list list = {.count = 0};
    assert_int_equal(cm_store_told(w->store, &list), CM_OK);
    assert_int_equal(list.count % 2, 0);
    assert_true(list.count >= 2 * done);
    for (size_t i = 0; i < list.count; i += 2) {
        assert_int_equal(list.items[i].size, list.items[i + 1].size);
        assert_int_equal(list.items[i].bytes[list.items[i].size - 1], '0');
        assert_int_equal(list.items[i + 1].bytes[list.items[i].size - 1], '1');
        assert_memory_equal(list.items[i].bytes, list.items[i + 1].bytes, list.items[i].size - 1);
    }
}

static void what_was_told_is_told_whole(void **state)
{
    (void)state;
    play(&(act){tell_two, judge_told});
}

static void what_was_told_is_forgotten_once_taken(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_slice first[] = {CM_TEXT("one"), CM_TEXT("two")};
    const cm_slice later[] = {CM_TEXT("three")};
    static const uint8_t LARGE[CM_TOLD_SIZE_MAX + 1];
    CM_AUTO(cm_told_list_clear) cm_told_list list = {.count = 0};
    CM_AUTO(cm_told_list_clear) cm_told_list rest = {.count = 0};
    assert_int_equal(cm_store_told_put(w.store, first, 2), CM_OK);
    assert_int_equal(cm_store_told(w.store, &list), CM_OK);
    assert_int_equal(list.count, 2);
    assert_memory_equal(list.items[0].bytes, "one", 3);
    assert_int_equal(cm_store_told_put(w.store, later, 1), CM_OK);
    assert_int_equal(cm_store_told_forget(w.store, &list), CM_OK);
    assert_int_equal(cm_store_told(w.store, &rest), CM_OK);
    assert_int_equal(rest.count, 1);
    assert_memory_equal(rest.items[0].bytes, "three", 5);
    const cm_slice wrong[] = {CM_TEXT("four"), cm_slice_over(LARGE, sizeof LARGE)};
    assert_int_equal(cm_store_told_put(w.store, wrong, 2), CM_REFUSE);
    assert_int_equal(cm_store_told_put(w.store, wrong, CM_TOLD_AT_ONCE_MAX + 1), CM_REFUSE);
    store_world_close(&w);
}

/* Nobody without the key tells tales, and one that is no tale of ours keeps no other back. */
static void a_hand_in_the_database_tells_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_slice items[] = {CM_TEXT("one"), CM_TEXT("two"), CM_TEXT("three")};
    assert_int_equal(cm_store_told_put(w.store, items, CM_COUNT(items)), CM_OK);
    world_sql(&w, "UPDATE told SET entry = x'74776F21' WHERE entry = x'74776F';"
                  "INSERT INTO told SELECT 'another', entry, mac FROM told LIMIT 1");
    CM_AUTO(cm_told_list_clear) cm_told_list list = {.count = 0};
    assert_int_equal(cm_store_told(w.store, &list), CM_OK);
    assert_int_equal(list.count, 2);
    assert_memory_equal(list.items[0].bytes, "one", 3);
    assert_memory_equal(list.items[1].bytes, "three", 5);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_home_is_held_off_or_not),
        cmocka_unit_test(a_home_has_one_owner),
        cmocka_unit_test(homes_are_imported_all_or_none),
        cmocka_unit_test(what_was_told_is_told_whole),
        cmocka_unit_test(what_was_told_is_forgotten_once_taken),
        cmocka_unit_test(a_hand_in_the_database_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
