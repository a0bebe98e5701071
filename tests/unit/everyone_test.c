/* Logging everyone out: what ends, what stays, and that it is all of it or nothing. */
#include <signal.h>
#include <sys/wait.h>

#include "grants/grants.h"
#include "store/everyone.h"
#include "store/guest_links.h"
#include "store/invitations.h"
#include "store/sqlite/store_priv.h"
#include "store_world.h"

static bool is_somebody(const store_world *w, const cm_asker *asker)
{
    cm_who who;
    const char *cause = NULL;
    if (cm_store_who(w->store, asker, NOW, &who, &cause) != CM_OK)
        return false;
    cm_who_clear(&who);
    return true;
}

static bool sees(const store_world *w, const cm_asker *asker, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_evidence e;
    const char *cause = NULL;
    if (cm_store_evidence(w->store, asker, &key, NOW, &e, &cause) != CM_OK)
        return false;
    const cm_grant_facts facts = cm_grant_facts_of(&e);
    const cm_moment at = cm_zone_at(e.zone, NOW);
    return cm_grant_decide(&facts, &at, VIEW).is_allowed;
}

static cm_asker sign_in(store_world *w, size_t who, const char *token)
{
    const cm_asker asker = asker_of(CM_ASKER_SESSION, token);
    cm_change change;
    assert_int_equal(cm_store_session_create(w->store, &w->people[who].id, asker.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    cm_change_clear(&change);
    return asker;
}

static cm_asker program(store_world *w, size_t who, const char *home, const char *token)
{
    const cm_asker asker = asker_of(CM_ASKER_API_TOKEN, token);
    const cm_camera_key key = camera_key(home, "door");
    cm_stored_token stored;
    const cm_new_token fresh = {.camera = key,
                                .account = w->people[who].id,
                                .rights = VIEW,
                                .expires = {.us = NOW.us + DAY_US},
                                .token_hash = asker.token_hash};
    assert_int_equal(cm_store_token_create(w->store, &fresh, NOW, &stored), CM_OK);
    return asker;
}

static void invite(store_world *w, const char *text, size_t by, const cm_home_id *home)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(cm_slice_of(text), hash);
    const cm_new_invitation n = {.home = *home,
                                 .by = w->people[by].id,
                                 .role = CM_ROLE_GUEST,
                                 .token_hash = hash,
                                 .expires = {.us = NOW.us + DAY_US}};
    cm_stored_invitation out;
    assert_int_equal(cm_store_invitation_create(w->store, &n, NOW, &out), CM_OK);
}

static bool is_open(store_world *w, const char *text)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(cm_slice_of(text), hash);
    cm_stored_invitation out;
    return cm_store_invitation_find(w->store, hash, NOW, &out) == CM_OK;
}

/* A guest link, and a look by it. */
static cm_asker lend(store_world *w, const char *text, size_t by, const char *home)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(cm_slice_of(text), hash);
    const cm_new_guest_link n = {.camera = camera_key(home, "door"),
                                 .by = w->people[by].id,
                                 .label = CM_TEXT("Mr Neri"),
                                 .until = {.us = NOW.us + DAY_US / 2},
                                 .secret_hash = hash};
    cm_stored_guest_link link;
    assert_int_equal(cm_store_guest_link_create(w->store, &n, NOW, &link), CM_OK);
    const cm_asker look = asker_of(CM_ASKER_GUEST, text);
    cm_guest_opening opening = {.device = "a phone", .network = "192.0.2.0"};
    cm_slice_copy(cm_slice_over(hash, sizeof hash), opening.secret_hash, CM_MAC_SIZE);
    cm_slice_copy(cm_slice_over(look.token_hash, CM_MAC_SIZE), opening.token_hash, CM_MAC_SIZE);
    cm_guest_opened how;
    assert_int_equal(cm_store_guest_link_open(w->store, &opening, NOW, &how, &link), CM_OK);
    assert_int_equal(how, CM_GUEST_OPENED);
    return look;
}

static void add_operator(store_world *w, cm_asker *out)
{
    const cm_new_account fresh = {.name = CM_TEXT("olga"), .is_operator = true};
    cm_stored_account olga;
    assert_int_equal(cm_store_account_create(w->store, &fresh, NOW, &olga), CM_OK);
    *out = asker_of(CM_ASKER_SESSION, "olga");
    cm_change change;
    assert_int_equal(
        cm_store_session_create(w->store, &olga.id, out->token_hash, &WORLD_ORIGIN, NOW, &change),
        CM_OK);
    cm_change_clear(&change);
}

/* Of verdi: anna asks, and is signed in on a second device; a program of hers; both homes have an
 * invitation out. */
typedef struct scene {
    store_world w;
    cm_asker second, fresh, frigate, elsewhere, neighbour, friend;
    cm_everyone what;
} scene;

static void scene_open(scene *s)
{
    *s = (scene){.fresh = asker_of(CM_ASKER_SESSION, "fresh")};
    store_world_open(&s->w);
    s->second = sign_in(&s->w, ANNA, "second");
    s->frigate = program(&s->w, ANNA, "verdi", "frigate");
    s->elsewhere = program(&s->w, CARLA, "rossi", "elsewhere");
    invite(&s->w, "of verdi", ANNA, &s->w.verdi);
    invite(&s->w, "of rossi", CARLA, &s->w.rossi);
    s->neighbour = lend(&s->w, "neighbour", ANNA, "verdi");
    s->friend = lend(&s->w, "friend", CARLA, "rossi");
    s->what = (cm_everyone){
        .home = s->w.verdi, .keep = s->w.sessions[ANNA].token_hash, .fresh = s->fresh.token_hash};
}

static void scene_close(scene *s)
{
    assert_int_equal(cm_store_check(s->w.store), CM_OK);
    store_world_close(&s->w);
}

static bool is_untouched(scene *s)
{
    return is_somebody(&s->w, &s->w.sessions[ANNA]) && is_somebody(&s->w, &s->w.sessions[BRUNO]) &&
           is_somebody(&s->w, &s->second) && is_open(&s->w, "of verdi") &&
           is_somebody(&s->w, &s->frigate) && is_somebody(&s->w, &s->neighbour) &&
           !is_somebody(&s->w, &s->fresh);
}

static bool is_rossi_untouched(scene *s)
{
    return sees(&s->w, &s->w.sessions[CARLA], "rossi", "yard") &&
           sees(&s->w, &s->w.sessions[DARIO], "rossi", "door") &&
           sees(&s->w, &s->elsewhere, "rossi", "door") && is_open(&s->w, "of rossi") &&
           sees(&s->w, &s->friend, "rossi", "door");
}

static void everybody_of_a_home_is_out_but_for_who_asked(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    assert_false(is_somebody(&s.w, &s.w.sessions[ANNA])); /* under its former token */
    assert_false(is_somebody(&s.w, &s.second));
    assert_false(is_somebody(&s.w, &s.w.sessions[BRUNO]));
    assert_true(sees(&s.w, &s.fresh, "verdi", "yard"));
    assert_false(is_open(&s.w, "of verdi"));
    assert_false(sees(&s.w, &s.neighbour, "verdi", "door"));
    assert_true(sees(&s.w, &s.frigate, "verdi", "door")); /* programs were not asked for */
    assert_true(is_rossi_untouched(&s));
    assert_int_equal(count.people, 2);
    assert_int_equal(count.sessions, 2);
    assert_int_equal(count.elsewhere, 0);
    assert_int_equal(count.programs, 1);
    assert_int_equal(count.invitations, 1);
    assert_int_equal(count.links, 1);
    assert_int_equal(count.cameras, 2);
    assert_raised(&change, "verdi", "door");
    assert_raised(&change, "verdi", "yard");
    assert_int_equal(change.raised_count, 2);
    assert_true(cm_home_id_equal(&change.home, &s.w.verdi));
    assert_false(change.is_everyone);
    cm_change_clear(&change);
    scene_close(&s);
}

static void the_session_that_goes_on_is_as_old_as_before(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    cm_everyone_count count;
    cm_change change;
    const cm_wall later = {.us = NOW.us + DAY_US};
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, later, &count, &change), CM_OK);
    cm_change_clear(&change);
    CM_AUTO(cm_stored_sessions_clear) cm_stored_sessions sessions;
    assert_int_equal(cm_store_sessions(s.w.store, &s.w.people[ANNA].id, &sessions), CM_OK);
    assert_int_equal(sessions.count, 1);
    assert_int_equal(sessions.items[0].created.us, NOW.us);
    assert_int_equal(sessions.items[0].authenticated.us, NOW.us);
    assert_int_equal(sessions.items[0].last_used.us, later.us);
    assert_string_equal(sessions.items[0].origin.device, WORLD_ORIGIN.device);
    scene_close(&s);
}

static void programs_end_if_that_is_wanted(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    s.what.with_programs = true;
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(count.programs, 1);
    assert_false(is_somebody(&s.w, &s.frigate));
    assert_true(is_rossi_untouched(&s));
    scene_close(&s);
}

/* A session is a device: it ends whole, and what it watches in the other home ends with it. */
static void who_belongs_to_two_homes_is_out_of_both(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    assert_int_equal(cm_store_member_add(s.w.store, &s.w.rossi, &s.w.people[BRUNO].id,
                                         CM_ROLE_GUEST, false, NOW),
                     CM_OK);
    world_grant(&s.w, "rossi", "yard", BRUNO);
    assert_true(sees(&s.w, &s.w.sessions[BRUNO], "rossi", "yard"));
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    assert_false(is_somebody(&s.w, &s.w.sessions[BRUNO]));
    assert_int_equal(count.elsewhere, 1);
    assert_raised(&change, "rossi", "yard");
    assert_int_equal(change.raised_count, 3); /* not rossi's door: he had no right to it */
    assert_true(change.is_everyone);
    cm_change_clear(&change);
    assert_true(is_rossi_untouched(&s));
    const cm_asker again = sign_in(&s.w, BRUNO, "again");
    assert_true(sees(&s.w, &again, "rossi", "yard"));
    assert_true(sees(&s.w, &again, "verdi", "door"));
    scene_close(&s);
}

static void counting_ends_nothing(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    cm_everyone_count count;
    assert_int_equal(cm_store_everyone_count(s.w.store, &s.what, NOW, &count), CM_OK);
    assert_int_equal(count.people, 2);
    assert_int_equal(count.sessions, 2);
    assert_int_equal(count.programs, 1);
    assert_int_equal(count.invitations, 1);
    assert_int_equal(count.links, 1);
    assert_int_equal(count.cameras, 0);
    assert_true(is_untouched(&s));
    /* What has expired is nobody's any more. */
    const cm_wall later = {.us = NOW.us + CM_SESSION_IDLE_US};
    assert_int_equal(cm_store_everyone_count(s.w.store, &s.what, later, &count), CM_OK);
    assert_int_equal(
        count.people + count.sessions + count.programs + count.invitations + count.links, 0);
    const cm_everyone nowhere = {.home = home_id("nowhere")};
    assert_int_equal(cm_store_everyone_count(s.w.store, &nowhere, NOW, &count), CM_ABSENT);
    scene_close(&s);
}

static void who_is_not_among_them_logs_nobody_out(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    cm_everyone_count count;
    cm_change change;
    s.what.keep = s.w.sessions[CARLA].token_hash;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_REFUSE);
    const cm_asker nobody = asker_of(CM_ASKER_SESSION, "nobody");
    s.what.keep = nobody.token_hash;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_ABSENT);
    s.what = (cm_everyone){.home = home_id("nowhere")};
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_ABSENT);
    assert_true(is_untouched(&s));
    scene_close(&s);
}

static void the_whole_server_is_logged_out(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    cm_asker olga;
    add_operator(&s.w, &olga);
    s.what = (cm_everyone){.keep = olga.token_hash, .fresh = s.fresh.token_hash};
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_count(s.w.store, &s.what, NOW, &count), CM_OK);
    assert_int_equal(count.people, PEOPLE);
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    for (size_t i = 0; i < PEOPLE; i++)
        assert_false(is_somebody(&s.w, &s.w.sessions[i]));
    assert_false(is_somebody(&s.w, &olga));
    assert_true(is_somebody(&s.w, &s.fresh));
    assert_false(is_open(&s.w, "of verdi") || is_open(&s.w, "of rossi"));
    assert_true(sees(&s.w, &s.frigate, "verdi", "door"));
    assert_int_equal(count.people, PEOPLE);
    assert_int_equal(count.sessions, PEOPLE + 1);
    assert_int_equal(count.elsewhere, 0);
    assert_int_equal(count.cameras, 4);
    assert_true(change.is_everyone);
    cm_change_clear(&change);
    /* The command line keeps none. */
    s.what = (cm_everyone){.with_programs = true};
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(count.programs, 2);
    assert_false(is_somebody(&s.w, &s.fresh) || is_somebody(&s.w, &s.frigate));
    scene_close(&s);
}

static void rows_from_before_do_not_fit(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    s.what.with_programs = true;
    world_sql(&s.w, "CREATE TABLE held_sessions AS SELECT * FROM sessions;"
                    "CREATE TABLE held_tokens AS SELECT * FROM api_tokens;"
                    "CREATE TABLE held_invitations AS SELECT * FROM invitations");
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    world_sql(&s.w, "INSERT OR IGNORE INTO sessions SELECT * FROM held_sessions;"
                    "INSERT OR IGNORE INTO api_tokens SELECT * FROM held_tokens;"
                    "INSERT OR IGNORE INTO invitations SELECT * FROM held_invitations;"
                    "DROP TABLE held_sessions; DROP TABLE held_tokens;"
                    "DROP TABLE held_invitations");
    assert_false(is_somebody(&s.w, &s.w.sessions[ANNA]));
    assert_false(is_somebody(&s.w, &s.w.sessions[BRUNO]));
    assert_false(is_somebody(&s.w, &s.frigate));
    assert_false(is_open(&s.w, "of verdi"));
    assert_true(is_somebody(&s.w, &s.fresh));
    /* And they are in nobody's way when it is done once more. */
    s.what.keep = s.fresh.token_hash;
    const cm_asker next = asker_of(CM_ASKER_SESSION, "next");
    s.what.fresh = next.token_hash;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(count.sessions, 0);
    assert_true(is_somebody(&s.w, &next));
    scene_close(&s);
}

/* Somebody's account was tampered with: he is signed in nowhere, and the others end. */
static void a_row_that_does_not_fit_saves_nobody(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    world_sql(&s.w, "UPDATE accounts SET is_active = 2 WHERE id = 'bruno'");
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    world_sql(&s.w, "UPDATE accounts SET is_active = 1 WHERE id = 'bruno'");
    assert_false(is_somebody(&s.w, &s.w.sessions[BRUNO]));
    assert_false(is_somebody(&s.w, &s.second));
    assert_true(is_somebody(&s.w, &s.fresh));
    store_world_close(&s.w);
}

static void an_old_copy_revives_nobody(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    store_world_reopen(&s.w); /* all of it is in the file */
    cm_store_close(s.w.store);
    world_copy_file(&s.w, "casement.db", "copy.db");
    assert_int_equal(world_try_open(&s.w, NULL), CM_OK);
    s.what.with_programs = true;
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change), CM_OK);
    cm_change_clear(&change);
    cm_store_close(s.w.store);
    s.w.store = NULL;
    world_copy_file(&s.w, "copy.db", "casement.db");
    assert_int_equal(world_try_open(&s.w, NULL), CM_REFUSE);
    const cm_store_config accepting = {.accepts_older = true};
    assert_int_equal(world_try_open(&s.w, &accepting), CM_OK);
    for (size_t i = 0; i < PEOPLE; i++)
        assert_false(is_somebody(&s.w, &s.w.sessions[i]));
    assert_false(is_somebody(&s.w, &s.second) || is_somebody(&s.w, &s.frigate));
    assert_false(is_open(&s.w, "of verdi"));
    scene_close(&s);
}

/* ---- kill -9 ---- */

/* Child: once, as soon as it is open. Tells when it begins and when it is acknowledged. */
static void log_out_once(const scene *before, int pipe_end)
{
    scene s = *before;
    const uint8_t byte = 1;
    cm_everyone_count count;
    cm_change change;
    s.what.keep = s.w.sessions[ANNA].token_hash;
    s.what.fresh = s.fresh.token_hash;
    if (world_try_open(&s.w, NULL) != CM_OK || write(pipe_end, &byte, 1) != 1)
        _exit(3);
    if (cm_store_everyone_out(s.w.store, &s.what, NOW, &count, &change) != CM_OK)
        _exit(4);
    if (write(pipe_end, &byte, 1) != 1)
        _exit(5);
    for (;;)
        pause();
}

static void killed_at_any_time_it_is_everyone_or_nobody(void **state)
{
    (void)state;
    scene s;
    scene_open(&s);
    s.what.with_programs = true;
    cm_random random = cm_random_seeded(23);
    size_t acknowledged = 0;
    for (int round = 0; round < 16; round++) {
        cm_store_close(s.w.store);
        s.w.store = NULL;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            log_out_once(&s, ends[1]);
        }
        close(ends[1]);
        uint8_t byte;
        assert_int_equal(read(ends[0], &byte, 1), 1);
        const bool waits = round % 4 == 0;
        if (waits)
            acknowledged += read(ends[0], &byte, 1) == 1 ? 1 : 0;
        else
            usleep((useconds_t)cm_random_below(&random, 8000));
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        close(ends[0]);
        assert_int_equal(world_try_open(&s.w, NULL), CM_OK);
        assert_int_equal(cm_store_check(s.w.store), CM_OK);
        const bool is_out = is_somebody(&s.w, &s.fresh);
        assert_true(is_out || !waits);
        assert_true(is_rossi_untouched(&s));
        if (!is_out) {
            assert_true(is_untouched(&s));
            continue;
        }
        assert_false(is_somebody(&s.w, &s.w.sessions[ANNA]) || is_somebody(&s.w, &s.second));
        assert_false(is_somebody(&s.w, &s.w.sessions[BRUNO]) || is_somebody(&s.w, &s.frigate));
        assert_false(is_open(&s.w, "of verdi"));
        /* The stage is set again. */
        scene_close(&s);
        scene_open(&s);
        s.what.with_programs = true;
    }
    assert_int_equal(acknowledged, 4);
    scene_close(&s);
}

/* The second bump of a transaction that took something away must not begin with what the row said
 * before the first one: the digest has taken leave of that. */
static void what_an_owner_said_before_its_bump_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    cm_tx tx;
    cm_row before;
    cm_row after;
    assert_int_equal(cm_tx_begin_change(w.store, &change, &tx), CM_OK);
    assert_int_equal(cm_tx_account(&tx, &w.people[BRUNO].id, &before), CM_OK);
    assert_int_equal(cm_tx_bump_account(&tx, &w.people[BRUNO].id), CM_OK);
    assert_int_equal(cm_tx_account(&tx, &w.people[BRUNO].id, &after), CM_OK);
    assert_int_equal(cm_tx_verify(&tx, &after), CM_OK);
    assert_int_equal(cm_tx_verify(&tx, &before), CM_FOREIGN);
    assert_string_equal(tx.cause, "stale");
    cm_tx_end(&tx);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_owner_said_before_its_bump_does_not_fit),
        cmocka_unit_test(everybody_of_a_home_is_out_but_for_who_asked),
        cmocka_unit_test(the_session_that_goes_on_is_as_old_as_before),
        cmocka_unit_test(programs_end_if_that_is_wanted),
        cmocka_unit_test(who_belongs_to_two_homes_is_out_of_both),
        cmocka_unit_test(counting_ends_nothing),
        cmocka_unit_test(who_is_not_among_them_logs_nobody_out),
        cmocka_unit_test(the_whole_server_is_logged_out),
        cmocka_unit_test(rows_from_before_do_not_fit),
        cmocka_unit_test(a_row_that_does_not_fit_saves_nobody),
        cmocka_unit_test(an_old_copy_revives_nobody),
        cmocka_unit_test(killed_at_any_time_it_is_everyone_or_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
