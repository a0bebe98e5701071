/* store: what every operation does and refuses, and what a row may not say. */
#include "store_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/random.h"
#include "store/fold.h"
#include "store/keyfile.h"
#include "store/known.h"
#include "store/sqlite/tables.h"

static bool may_see(store_world *w, size_t who, const char *home, const char *camera)
{
    cm_evidence e;
    const char *cause = NULL;
    if (evidence_of(w, who, home, camera, &e, &cause) != CM_OK)
        return false;
    return e.session_is_live && e.account_is_active && !e.is_operator && e.camera_exists &&
           (e.role == CM_ROLE_OWNER || (e.role != CM_ROLE_NONE && e.granted.count > 0));
}

static uint64_t epoch_of(store_world *w, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_stored_camera out;
    assert_int_equal(cm_store_camera_find(w->store, &key, &out), CM_OK);
    return out.min_epoch;
}

/* ---- the chain on a sound database ---- */

static void the_chain_says_what_was_stored(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, ANNA, "verdi", "yard", &e, &cause), CM_OK);
    assert_true(e.session_is_live && e.account_is_active && e.camera_exists && !e.is_operator);
    assert_int_equal(e.role, CM_ROLE_OWNER);
    assert_int_equal(e.granted.count, 0);
    assert_string_equal(e.account_name, "anna");
    assert_true(e.token_limit == UINT32_MAX);
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_OK);
    assert_int_equal(e.role, CM_ROLE_GUEST);
    assert_true(e.granted.count == 1 && e.granted.items[0].rights == VIEW);
    assert_true(e.expires.us == NOW.us + 14 * DAY_US);
    const cm_camera_key door = camera_key("verdi", "door");
    assert_true(cm_camera_key_equal(&e.camera, &door));
    store_world_close(&w);
}

static void equal_camera_ids_of_two_homes_are_two_cameras(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    static const char *const HOMES[] = {"verdi", "rossi"};
    for (size_t who = 0; who < PEOPLE; who++)
        for (size_t home = 0; home < 2; home++) {
            const bool is_mine = who / 2 == home;
            assert_int_equal(may_see(&w, who, HOMES[home], "door"), is_mine);
            assert_int_equal(may_see(&w, who, HOMES[home], "yard"), is_mine && who % 2 == 0);
        }
    store_world_close(&w);
}

static void what_is_not_there_is_a_fact_and_no_alarm(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, ANNA, "verdi", "attic", &e, &cause), CM_OK);
    assert_false(e.camera_exists);
    assert_int_equal(evidence_of(&w, ANNA, "nowhere", "door", &e, &cause), CM_OK);
    assert_int_equal(e.role, CM_ROLE_NONE);
    w.sessions[ANNA] = asker_of(CM_ASKER_SESSION, "nobody");
    assert_int_equal(evidence_of(&w, ANNA, "verdi", "door", &e, &cause), CM_OK);
    assert_false(e.session_is_live);
    cm_store_counters counters;
    cm_store_read_counters(w.store, &counters);
    assert_int_equal(counters.evidence_alarms, 0);
    assert_int_equal(counters.evidence_reads, 3);
    store_world_close(&w);
}

/* ---- a hand in the database ---- */

/* A change of one row behind the store's back, and who may not see what any more. */
typedef struct forgery {
    const char *sql;
    size_t who;
    const char *home, *camera;
} forgery;

#define SWAP(table, columns, key_a, key_b)                                                         \
    "PRAGMA foreign_keys=OFF; CREATE TEMP TABLE t AS SELECT * FROM " table " WHERE " key_b ";"     \
    "UPDATE " table " SET (" columns ") = (SELECT " columns " FROM t) WHERE " key_a ";"

static const forgery FORGERIES[] = {
    /* Each row's content replaced by that of another row, MAC and all. */
    {SWAP("sessions", "account, created, last_used, generation, mac", "account='carla'",
          "account='anna'"),
     CARLA, "verdi", "door"},
    {SWAP("sessions", "account, created, last_used, generation, mac", "account='anna'",
          "account='carla'"),
     ANNA, "verdi", "door"},
    {SWAP("memberships", "role, is_declared, created, generation, mac", "account='bruno'",
          "account='anna'"),
     BRUNO, "verdi", "yard"},
    {SWAP("memberships", "role, is_declared, created, generation, mac", "account='anna'",
          "account='carla'"),
     ANNA, "verdi", "yard"},
    {"PRAGMA foreign_keys=OFF; UPDATE memberships SET home='verdi' WHERE account='carla'", CARLA,
     "verdi", "door"},
    {"PRAGMA foreign_keys=OFF; UPDATE grants SET camera='yard' WHERE account='bruno'", BRUNO,
     "verdi", "yard"},
    {"PRAGMA foreign_keys=OFF; UPDATE grants SET home='verdi' WHERE account='dario'", DARIO,
     "verdi", "door"},
    {"PRAGMA foreign_keys=OFF; UPDATE grants SET account='dario', home='verdi' WHERE"
     " account='bruno'",
     DARIO, "verdi", "door"},
    {SWAP("cameras",
          "name, main, sub, user, password_box, keep, is_declared, min_epoch, created,"
          " generation, mac",
          "home='verdi' AND id='door'", "home='rossi' AND id='door'"),
     ANNA, "verdi", "door"},
    {SWAP("accounts",
          "name, password_hash, is_operator, is_active, is_declared, created,"
          " generation, mac",
          "id='anna'", "id='carla'"),
     ANNA, "verdi", "door"},
    {SWAP("homes", "name, salt, is_declared, created, generation, mac", "id='verdi'", "id='rossi'"),
     ANNA, "verdi", "door"},
    /* Rows that casement never wrote. */
    {"INSERT INTO grants (home, account, camera, rights, is_declared, created, generation, mac) "
     "VALUES ('verdi', 'bruno', 'yard', 1, 0, 0, 0, zeroblob(32))",
     BRUNO, "verdi", "yard"},
    {"INSERT INTO memberships VALUES ('verdi', 'carla', 1, 0, 0, 0, zeroblob(32))", CARLA, "verdi",
     "door"},
    {"UPDATE memberships SET mac = x'00' WHERE account='anna'", ANNA, "verdi", "door"},
};

static void a_row_swapped_by_hand_gives_no_right_and_raises_an_alarm(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(FORGERIES); i++) {
        const forgery *f = &FORGERIES[i];
        store_world w;
        store_world_open(&w);
        world_sql(&w, f->sql);
        cm_evidence e;
        const char *cause = NULL;
        if (evidence_of(&w, f->who, f->home, f->camera, &e, &cause) != CM_FOREIGN)
            fail_msg("forgery %zu was believed: %s", i, f->sql);
        assert_non_null(cause);
        cm_store_counters counters;
        cm_store_read_counters(w.store, &counters);
        assert_int_equal(counters.evidence_alarms, 1);
        assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
        store_world_close(&w);
    }
}

/* Flips each column of each evidence row in turn: the MAC covers all of it. */
static void every_column_of_every_row_is_under_the_mac(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_token token;
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, "api");
    const cm_new_token fresh = {.camera = door,
                                .account = w.people[BRUNO].id,
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    assert_int_equal(cm_store_token_create(w.store, &fresh, NOW, &token), CM_OK);
    assert_int_equal(cm_store_setting_write(w.store, "colour", CM_TEXT("blue")), CM_OK);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    size_t flipped = 0;
    for (unsigned t = CM_HOMES; t <= CM_API_TOKENS; t++) {
        const cm_table *table = &cm_tables[t];
        for (unsigned c = 0; c < table->column_count; c++) {
            const char *name = table->columns[c].name;
            char sql[512];
            const char *other = table->columns[c].kind == CM_COLUMN_INTEGER ? "%s + 1"
                                : table->columns[c].kind == CM_COLUMN_TEXT  ? "%s || 'x'"
                                                                            : "zeroblob(48)";
            char value[64];
            snprintf(value, sizeof value, "%s", other);
            if (strchr(other, '%') != NULL) {
                snprintf(value, sizeof value, "%s%s", name, strchr(other, '%') + 2);
            }
            snprintf(sql, sizeof sql,
                     "PRAGMA foreign_keys=OFF; DROP TABLE IF EXISTS keep;"
                     "CREATE TABLE keep AS SELECT rowid AS r, %s AS v FROM %s LIMIT 1;"
                     "UPDATE %s SET %s = %s WHERE rowid = (SELECT r FROM keep)",
                     name, table->name, table->name, name, value);
            world_sql(&w, sql);
            if (cm_store_check(w.store) == CM_OK)
                fail_msg("%s.%s is not under the MAC", table->name, name);
            snprintf(sql, sizeof sql,
                     "PRAGMA foreign_keys=OFF; UPDATE %s SET %s = (SELECT v FROM keep)"
                     " WHERE rowid = (SELECT r FROM keep)",
                     table->name, name);
            world_sql(&w, sql);
            assert_int_equal(cm_store_check(w.store), CM_OK);
            flipped++;
        }
    }
    assert_int_equal(flipped, 10 + 10 + 9 + 6 + 13 + 12 + 11);
    store_world_close(&w);
}

static void the_tables_of_the_code_are_those_of_the_database(void **state)
{
    (void)state;
    store_world w;
    store_world_open_empty(&w);
    char path[128];
    snprintf(path, sizeof path, "%s/casement.db", w.directory);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (unsigned t = 0; t < CM_TABLE_COUNT; t++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT name, type, \"notnull\" FROM pragma_table_info('%s')",
                 cm_tables[t].name);
        sqlite3_stmt *s;
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        static const char *const KINDS[] = {"", "TEXT", "BLOB", "INTEGER"};
        bool has_mac = false; /* before the columns that were added */
        for (unsigned c = 0; c < cm_tables[t].column_count || !has_mac;) {
            const bool is_mac =
                !has_mac && (c == cm_tables[t].column_count || cm_tables[t].columns[c].is_added);
            assert_int_equal(sqlite3_step(s), SQLITE_ROW);
            assert_string_equal(sqlite3_column_text(s, 0),
                                is_mac ? "mac" : cm_tables[t].columns[c].name);
            assert_string_equal(sqlite3_column_text(s, 1),
                                is_mac ? "BLOB" : KINDS[cm_tables[t].columns[c].kind]);
            assert_int_equal(sqlite3_column_int(s, 2), 1);
            has_mac = has_mac || is_mac;
            c += is_mac ? 0 : 1;
        }
        assert_int_equal(sqlite3_step(s), SQLITE_DONE);
        sqlite3_finalize(s);
    }
    sqlite3_close(db);
    store_world_close(&w);
}

/* ---- taking away ---- */

static void taking_a_grant_raises_the_epoch_of_that_camera_alone(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const uint64_t door = epoch_of(&w, "verdi", "door");
    const uint64_t yard = epoch_of(&w, "verdi", "yard");
    const cm_camera_key key = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &key, &w.people[BRUNO].id, &change), CM_OK);
    assert_int_equal(change.raised_count, 1);
    assert_raised(&change, "verdi", "door");
    assert_true(change.raised[0].min_epoch == door + 1);
    cm_change_clear(&change);
    assert_true(epoch_of(&w, "verdi", "door") == door + 1);
    assert_true(epoch_of(&w, "verdi", "yard") == yard);
    assert_false(may_see(&w, BRUNO, "verdi", "door"));
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    assert_true(may_see(&w, DARIO, "rossi", "door"));
    assert_int_equal(cm_store_grant_remove(w.store, &key, &w.people[BRUNO].id, &change), CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void a_row_from_before_it_was_taken_away_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_sql(&w, "CREATE TABLE old_grants AS SELECT * FROM grants;"
                  "CREATE TABLE old_sessions AS SELECT * FROM sessions");
    const cm_camera_key key = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &key, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_session_end(w.store, w.sessions[CARLA].token_hash, &change), CM_OK);
    cm_change_clear(&change);
    assert_false(may_see(&w, BRUNO, "verdi", "door"));
    world_sql(&w, "INSERT INTO grants SELECT * FROM old_grants WHERE account='bruno';"
                  "INSERT INTO sessions SELECT * FROM old_sessions WHERE account='carla';"
                  "DROP TABLE old_grants; DROP TABLE old_sessions");
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    assert_int_equal(evidence_of(&w, CARLA, "rossi", "door", &e, &cause), CM_FOREIGN);
    /* Neither after a restart, nor after the home's next change, which vouches anew for what fits.
     */
    store_world_reopen(&w);
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    const cm_camera_key yard = camera_key("verdi", "yard");
    assert_int_equal(cm_store_camera_delete(w.store, &yard, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    store_world_close(&w);
}

/* What a transaction takes away is vouched for anew on its way out; whoever kept that form (a
 * cache, a page of the file) has nothing that fits. */
static void the_last_form_of_what_was_taken_away_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_sql(&w, "CREATE TABLE last_grants AS SELECT * FROM grants WHERE 0;"
                  "CREATE TABLE last_sessions AS SELECT * FROM sessions WHERE 0;"
                  "CREATE TRIGGER keep_grants BEFORE DELETE ON grants BEGIN"
                  " INSERT INTO last_grants SELECT * FROM grants WHERE rowid=OLD.rowid; END;"
                  "CREATE TRIGGER keep_sessions BEFORE DELETE ON sessions BEGIN"
                  " INSERT INTO last_sessions SELECT * FROM sessions WHERE rowid=OLD.rowid; END;");
    const cm_camera_key key = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &key, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_session_end(w.store, w.sessions[ANNA].token_hash, &change), CM_OK);
    cm_change_clear(&change);
    world_sql(&w, "INSERT INTO grants SELECT * FROM last_grants WHERE account='bruno';"
                  "INSERT INTO sessions SELECT * FROM last_sessions WHERE account='anna';");
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    assert_int_equal(evidence_of(&w, ANNA, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    store_world_reopen(&w);
    assert_int_equal(evidence_of(&w, ANNA, "verdi", "door", &e, &cause), CM_FOREIGN);
    store_world_close(&w);
}

static void a_home_row_from_before_is_noticed_at_once_and_at_the_start(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_sql(&w, "CREATE TABLE old_homes AS SELECT * FROM homes WHERE id='verdi';"
                  "CREATE TABLE old_rows AS SELECT * FROM grants WHERE home='verdi';"
                  "CREATE TABLE old_members AS SELECT * FROM memberships WHERE home='verdi'");
    const cm_camera_key key = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &key, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    /* Everything of the home as it was, consistent in itself. */
    world_sql(&w, "PRAGMA foreign_keys=OFF; DELETE FROM grants WHERE home='verdi';"
                  "DELETE FROM memberships WHERE home='verdi'; DELETE FROM homes WHERE id='verdi';"
                  "INSERT INTO homes SELECT * FROM old_homes;"
                  "INSERT INTO memberships SELECT * FROM old_members;"
                  "INSERT INTO grants SELECT * FROM old_rows; DROP TABLE old_homes;"
                  "DROP TABLE old_rows; DROP TABLE old_members");
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    cm_store_close(w.store);
    w.store = NULL;
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    assert_non_null(strstr(w.message, "accept-restore"));
    store_world_close(&w);
}

static void roles_fall_and_the_last_owner_stays(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.verdi, &w.people[ANNA].id, CM_ROLE_ADULT, &change),
        CM_REFUSE);
    assert_int_equal(cm_store_member_remove(w.store, &w.verdi, &w.people[ANNA].id, &change),
                     CM_REFUSE);
    assert_int_equal(cm_store_account_delete(w.store, &w.people[ANNA].id, &change), CM_REFUSE);
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.verdi, &w.people[BRUNO].id, CM_ROLE_OWNER, &change),
        CM_OK);
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
    assert_true(may_see(&w, BRUNO, "verdi", "yard"));
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.verdi, &w.people[ANNA].id, CM_ROLE_ADULT, &change),
        CM_OK);
    assert_int_equal(change.raised_count, 2);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "yard"));
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.rossi, &w.people[ANNA].id, CM_ROLE_ADULT, &change),
        CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void leaving_a_home_takes_grants_and_tokens_along(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, "api");
    cm_stored_token token;
    const cm_new_token fresh = {.camera = door,
                                .account = w.people[BRUNO].id,
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    assert_int_equal(cm_store_token_create(w.store, &fresh, NOW, &token), CM_OK);
    cm_change change;
    assert_int_equal(cm_store_member_remove(w.store, &w.verdi, &w.people[BRUNO].id, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 1);
    assert_raised(&change, "verdi", "door");
    assert_true(cm_account_id_equal(&change.account, &w.people[BRUNO].id));
    cm_change_clear(&change);
    cm_stored_tokens tokens;
    assert_int_equal(cm_store_tokens(w.store, &w.verdi, &tokens), CM_OK);
    assert_int_equal(tokens.count, 0);
    cm_stored_tokens_clear(&tokens);
    assert_false(may_see(&w, BRUNO, "verdi", "door"));
    cm_stored_members members;
    assert_int_equal(cm_store_members(w.store, &w.verdi, NOW, &members), CM_OK);
    assert_int_equal(members.count, 1);
    cm_stored_members_clear(&members);
    store_world_close(&w);
}

static void signing_out_ends_that_session_and_turns_what_it_saw(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker second = asker_of(CM_ASKER_SESSION, "anna's phone");
    cm_change change;
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id, second.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    assert_int_equal(cm_store_session_end(w.store, w.sessions[ANNA].token_hash, &change), CM_OK);
    assert_int_equal(change.raised_count, 2);
    assert_true(change.has_token);
    assert_memory_equal(change.token_hash, w.sessions[ANNA].token_hash, CM_MAC_SIZE);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    w.sessions[ANNA] = second;
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    assert_int_equal(cm_store_sessions_end_all(w.store, &w.people[ANNA].id, NULL, &change), CM_OK);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    store_world_close(&w);
}

static void a_new_password_ends_the_other_sessions(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker second = asker_of(CM_ASKER_SESSION, "anna's phone");
    cm_change change;
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id, second.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    assert_int_equal(cm_store_account_set_password(w.store, &w.people[ANNA].id, CM_TEXT("other"),
                                                   second.token_hash, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 2);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    w.sessions[ANNA] = second;
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    char hash[CM_PASSWORD_HASH_SIZE];
    assert_int_equal(cm_store_account_password_hash(w.store, &w.people[ANNA].id, hash), CM_OK);
    assert_string_equal(hash, "other");
    store_world_close(&w);
}

static void an_account_held_off_or_made_operator_sees_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[CARLA].id, false, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 2);
    cm_change_clear(&change);
    assert_false(may_see(&w, CARLA, "rossi", "door"));
    assert_int_equal(cm_store_session_create(w.store, &w.people[CARLA].id,
                                             w.sessions[CARLA].token_hash, &WORLD_ORIGIN, NOW,
                                             &change),
                     CM_REFUSE);
    assert_int_equal(cm_store_account_set_operator(w.store, &w.people[ANNA].id, true, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 2);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    assert_int_equal(
        cm_store_member_add(w.store, &w.rossi, &w.people[ANNA].id, CM_ROLE_ADULT, false, NOW),
        CM_REFUSE);
    store_world_close(&w);
}

static void a_camera_made_again_begins_above_its_old_epochs(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    for (int i = 0; i < 5; i++) {
        world_grant(&w, "verdi", "door", BRUNO);
        assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change),
                         CM_OK);
        cm_change_clear(&change);
    }
    const uint64_t before = epoch_of(&w, "verdi", "door");
    assert_int_equal(cm_store_camera_delete(w.store, &door, &change), CM_OK);
    assert_int_equal(change.raised_count, 1);
    assert_true(change.raised[0].min_epoch == UINT64_MAX);
    cm_change_clear(&change);
    world_add_camera(&w, "verdi", "door");
    assert_true(epoch_of(&w, "verdi", "door") > before);
    store_world_close(&w);
}

static void deleting_a_home_leaves_nothing_and_touches_no_other(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_change change;
    assert_int_equal(cm_store_home_delete(w.store, &w.verdi, &change), CM_OK);
    assert_int_equal(change.raised_count, 2);
    assert_true(change.raised[0].min_epoch == UINT64_MAX);
    cm_change_clear(&change);
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    assert_true(may_see(&w, CARLA, "rossi", "door"));
    cm_stored_cameras cameras;
    assert_int_equal(cm_store_cameras(w.store, &w.verdi, &cameras), CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_reopen(&w);
    /* The same name later is another home: nothing of the old one fits it. */
    world_add_home(&w, "verdi", "Casa Verdi");
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    store_world_close(&w);
}

/* ---- cameras ---- */

static void a_camera_password_is_sealed_for_its_camera(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    char password[CM_CAMERA_LOGIN_SIZE];
    assert_int_equal(cm_store_camera_password(w.store, &door, password), CM_OK);
    assert_string_equal(password, "kitchen-secret");
    /* Nowhere in the files. */
    static const char *const FILES[] = {"casement.db", "casement.db-wal"};
    for (size_t i = 0; i < CM_COUNT(FILES); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", w.directory, FILES[i]);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        static char bytes[1 << 20];
        const size_t size = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        assert_null(memmem(bytes, size, "kitchen-secret", 14));
    }
    world_sql(&w, "UPDATE cameras SET password_box = (SELECT password_box FROM cameras WHERE"
                  " home='verdi' AND id='yard') WHERE home='verdi' AND id='door'");
    assert_int_equal(cm_store_camera_password(w.store, &door, password), CM_FOREIGN);
    store_world_close(&w);
}

static void an_update_that_moves_a_camera_turns_its_keys(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera out;
    cm_change change;
    const cm_slice name = CM_TEXT("Back door");
    const cm_slice address = CM_TEXT("rtsp://192.168.1.9/main");
    const cm_slice none = CM_TEXT("");
    assert_int_equal(
        cm_store_camera_update(w.store, &door, &(cm_camera_update){.name = &name}, &out, &change),
        CM_OK);
    assert_int_equal(change.raised_count, 0);
    assert_string_equal(out.name, "Back door");
    cm_change_clear(&change);
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.main = &address},
                                            &out, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 1);
    assert_true(change.raised[0].min_epoch == out.min_epoch);
    cm_change_clear(&change);
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.password = &none},
                                            &out, &change),
                     CM_OK);
    assert_false(out.has_password);
    cm_change_clear(&change);
    char password[CM_CAMERA_LOGIN_SIZE];
    assert_int_equal(cm_store_camera_password(w.store, &door, password), CM_ABSENT);
    const cm_slice leaking = CM_TEXT("rtsp://admin:pw@192.168.1.9/main");
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.main = &leaking},
                                            &out, &change),
                     CM_REFUSE);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void a_camera_takes_talk_when_it_is_told_so(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera out;
    cm_change change;
    const bool yes = true;
    const bool no = false;
    assert_int_equal(cm_store_camera_find(w.store, &door, &out), CM_OK);
    assert_false(out.takes_talk);
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.takes_talk = &yes},
                                            &out, &change),
                     CM_OK);
    assert_true(out.takes_talk);
    assert_int_equal(change.raised_count, 0); /* it is the same picture */
    cm_change_clear(&change);
    store_world_reopen(&w);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    assert_int_equal(cm_store_camera_find(w.store, &door, &out), CM_OK);
    assert_true(out.takes_talk);
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.takes_talk = &no},
                                            &out, &change),
                     CM_OK);
    assert_false(out.takes_talk);
    cm_change_clear(&change);
    cm_new_camera camera = {
        .name = CM_TEXT("Phone"), .main = CM_TEXT(CM_CAMERA_PUSHED), .takes_talk = true};
    assert_int_equal(cm_store_camera_create(w.store, &w.verdi, &camera, NOW, &out), CM_REFUSE);
    camera.takes_talk = false;
    assert_int_equal(cm_store_camera_create(w.store, &w.verdi, &camera, NOW, &out), CM_OK);
    const cm_camera_key phone = out.key;
    assert_int_equal(cm_store_camera_update(w.store, &phone,
                                            &(cm_camera_update){.takes_talk = &yes}, &out, &change),
                     CM_REFUSE);
    store_world_close(&w);
}

static void what_does_not_fit_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    char longer[CM_CAMERA_URL_SIZE + 1];
    memset(longer, 'a', sizeof longer);
    cm_stored_camera out;
    const cm_new_camera good = {.name = CM_TEXT("x"), .main = CM_TEXT("rtsp://h/x")};
    cm_new_camera bad[] = {good, good, good, good, good, good};
    bad[0].name = CM_TEXT("");
    bad[1].main = CM_TEXT("");
    bad[2].main = cm_slice_over(longer, CM_CAMERA_URL_SIZE);
    bad[3].user = cm_slice_over(longer, CM_CAMERA_LOGIN_SIZE);
    bad[4].name = CM_TEXT("a\nb");
    bad[5].id = camera_key("verdi", "door").camera; /* taken */
    for (size_t i = 0; i < CM_COUNT(bad); i++)
        assert_int_equal(cm_store_camera_create(w.store, &w.verdi, &bad[i], NOW, &out), CM_REFUSE);
    const cm_home_id nowhere = home_id("nowhere");
    assert_int_equal(cm_store_camera_create(w.store, &nowhere, &good, NOW, &out), CM_ABSENT);
    cm_stored_home home = {.id = w.verdi, .name = "again"};
    assert_int_equal(cm_store_home_create(w.store, &home, NOW), CM_REFUSE);
    home = (cm_stored_home){.name = " blank "};
    assert_int_equal(cm_store_home_create(w.store, &home, NOW), CM_REFUSE);
    cm_stored_account account;
    const cm_new_account same = {.name = CM_TEXT("ANNA")};
    assert_int_equal(cm_store_account_create(w.store, &same, NOW, &account), CM_REFUSE);
    cm_change change;
    const cm_camera_key attic = camera_key("verdi", "attic");
    assert_int_equal(
        cm_store_grant_put(w.store, &attic, &w.people[BRUNO].id, &JUST_VIEW, false, NOW, &change),
        CM_ABSENT);
    const cm_camera_key door = camera_key("verdi", "door");
    assert_int_equal(
        cm_store_grant_put(w.store, &door, &w.people[CARLA].id, &JUST_VIEW, false, NOW, &change),
        CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    cm_stored_homes homes;
    assert_int_equal(cm_store_homes(w.store, &homes), CM_OK);
    assert_int_equal(homes.count, 2);
    assert_string_equal(homes.items[0].id.text, "rossi");
    assert_int_equal(homes.items[0].camera_count, 2);
    cm_stored_homes_clear(&homes);
    store_world_close(&w);
}

static void names_are_one_whatever_their_case(void **state)
{
    (void)state;
    char out[64];
    static const char *const PAIRS[][2] = {
        {"Anna", "anna"},
        {"\xC3\x89mile", "\xC3\xA9mile"}, /* É é */
        {"\xD0\x90\xD0\xBD\xD0\xBD\xD0\xB0", "\xD0\xB0\xD0\xBD\xD0\xBD\xD0\xB0"},
        {"\xE0\xA4\x98\xE0\xA4\xB0", "\xE0\xA4\x98\xE0\xA4\xB0"},
        {"a\xF0\x9F\x8F\xA0", "a\xF0\x9F\x8F\xA0"},
    };
    for (size_t i = 0; i < CM_COUNT(PAIRS); i++) {
        assert_int_equal(cm_fold_name(cm_slice_of(PAIRS[i][0]), out, sizeof out), CM_OK);
        assert_string_equal(out, PAIRS[i][1]);
    }
    assert_int_equal(cm_fold_name(CM_TEXT("\xC3"), out, sizeof out), CM_REFUSE);
    assert_int_equal(cm_fold_name(CM_TEXT("anna"), out, 4), CM_FULL);
}

/* ---- API tokens ---- */

static cm_status name_token(store_world *w, const char *name, cm_stored_token *out)
{
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, name);
    const cm_new_token fresh = {.camera = camera_key("verdi", "door"),
                                .account = w->people[ANNA].id,
                                .name = cm_slice_of(name),
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    return cm_store_token_create(w->store, &fresh, NOW, out);
}

static void a_token_keeps_the_name_that_it_is_given(void **state)
{
    (void)state;
    static const char LONGEST[] =
        "Sechzehn Zeichen; das sind noch vier Mal mehr und damit genug: 6";
    assert_int_equal(sizeof LONGEST, CM_TOKEN_NAME_SIZE);
    store_world w;
    store_world_open(&w);
    cm_stored_token token;
    char longer[sizeof LONGEST + 1];
    snprintf(longer, sizeof longer, "%s4", LONGEST);
    static const char *const BAD[] = {" Kitchen", "Kitchen\n", "\xff", "a\tb"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(name_token(&w, BAD[i], &token), CM_REFUSE);
    assert_int_equal(name_token(&w, longer, &token), CM_REFUSE);
    static const char *const GOOD[] = {"", "रसोई", LONGEST};
    for (size_t i = 0; i < CM_COUNT(GOOD); i++) {
        assert_int_equal(name_token(&w, GOOD[i], &token), CM_OK);
        assert_string_equal(token.name, GOOD[i]);
    }
    store_world_reopen(&w);
    CM_AUTO(cm_stored_tokens_clear) cm_stored_tokens tokens = {.count = 0};
    assert_int_equal(cm_store_tokens(w.store, &w.verdi, &tokens), CM_OK);
    assert_int_equal(tokens.count, CM_COUNT(GOOD));
    store_world_close(&w);
}

static void an_api_token_is_for_its_camera_and_its_time(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_camera_key yard = camera_key("verdi", "yard");
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, "api");
    cm_stored_token token;
    const cm_new_token fresh = {.camera = door,
                                .account = w.people[ANNA].id,
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    assert_int_equal(cm_store_token_create(w.store, &fresh, NOW, &token), CM_OK);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(cm_store_evidence(w.store, &api, &door, NOW, &e, &cause), CM_OK);
    assert_true(e.session_is_live && e.token_limit == VIEW && e.role == CM_ROLE_OWNER);
    assert_int_equal(cm_store_evidence(w.store, &api, &yard, NOW, &e, &cause), CM_OK);
    assert_int_equal(e.token_limit, 0);
    assert_int_equal(
        cm_store_evidence(w.store, &api, &door, (cm_wall){NOW.us + DAY_US}, &e, &cause), CM_OK);
    assert_false(e.session_is_live);
    /* A token is not a session, nor the other way round. */
    cm_asker other = api;
    other.kind = CM_ASKER_SESSION;
    assert_int_equal(cm_store_evidence(w.store, &other, &door, NOW, &e, &cause), CM_OK);
    assert_false(e.session_is_live);
    assert_int_equal(cm_store_token_touch(w.store, api.token_hash, (cm_wall){NOW.us + 5}), CM_OK);
    cm_who who;
    assert_int_equal(cm_store_who(w.store, &api, NOW, &who, &cause), CM_OK);
    assert_true(who.is_token && who.home_count == 1 && who.token_rights == VIEW);
    cm_who_clear(&who);
    cm_change change;
    assert_int_equal(cm_store_token_revoke(w.store, &w.rossi, cm_slice_of(token.id), &change),
                     CM_ABSENT);
    assert_int_equal(cm_store_token_revoke(w.store, &w.verdi, cm_slice_of(token.id), &change),
                     CM_OK);
    assert_raised(&change, "verdi", "door");
    assert_memory_equal(change.token_hash, api.token_hash, CM_MAC_SIZE);
    cm_change_clear(&change);
    assert_int_equal(cm_store_who(w.store, &api, NOW, &who, &cause), CM_ABSENT);
    store_world_close(&w);
}

static void who_lists_the_homes_of_the_asker(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    assert_int_equal(
        cm_store_member_add(w.store, &w.rossi, &w.people[ANNA].id, CM_ROLE_CHILD, false, NOW),
        CM_OK);
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &w.sessions[ANNA], NOW, &who, &cause), CM_OK);
    assert_int_equal(who.home_count, 2);
    assert_int_equal(cm_who_role(&who, &w.verdi), CM_ROLE_OWNER);
    assert_int_equal(cm_who_role(&who, &w.rossi), CM_ROLE_CHILD);
    assert_string_equal(who.homes[0].name, "Casa Verdi");
    cm_who_clear(&who);
    assert_int_equal(
        cm_store_who(w.store, &w.sessions[ANNA], (cm_wall){NOW.us + 15 * DAY_US}, &who, &cause),
        CM_ABSENT);
    cm_granted_cameras cameras;
    assert_int_equal(cm_store_granted_cameras(w.store, &w.people[BRUNO].id, &w.verdi, &cameras),
                     CM_OK);
    assert_int_equal(cameras.count, 2);
    for (size_t i = 0; i < cameras.count; i++)
        assert_int_equal(cameras.items[i].granted.count,
                         strcmp(cameras.items[i].camera.key.camera.text, "door") == 0 ? VIEW : 0);
    cm_granted_cameras_clear(&cameras);
    store_world_close(&w);
}

/* ---- setup, settings ---- */

static void setup_works_once(void **state)
{
    (void)state;
    store_world w;
    store_world_open_empty(&w);
    bool is_needed = false;
    assert_int_equal(cm_store_setup_is_needed(w.store, &is_needed), CM_OK);
    assert_true(is_needed);
    cm_setup setup = {.home_name = CM_TEXT("Home"),
                      .account_name = CM_TEXT("Anna"),
                      .password_hash = CM_TEXT("h"),
                      .session_token_hash = {7}};
    cm_stored_account account;
    cm_stored_home home;
    assert_int_equal(cm_store_setup_finish(w.store, &setup, NOW, &account, &home), CM_ABSENT);
    const cm_asker first = asker_of(CM_ASKER_SESSION, "first");
    const cm_asker second = asker_of(CM_ASKER_SESSION, "second");
    assert_int_equal(cm_store_setup_begin(w.store, first.token_hash, NOW), CM_OK);
    assert_int_equal(cm_store_setup_begin(w.store, second.token_hash, NOW), CM_OK);
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        setup.token_hash[i] = first.token_hash[i];
    assert_int_equal(cm_store_setup_finish(w.store, &setup, NOW, &account, &home), CM_ABSENT);
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        setup.token_hash[i] = second.token_hash[i];
    /* A name that is refused uses nothing up. */
    setup.account_name = CM_TEXT("");
    assert_int_equal(cm_store_setup_finish(w.store, &setup, NOW, &account, &home), CM_REFUSE);
    setup.account_name = CM_TEXT("Anna");
    assert_int_equal(cm_store_setup_finish(w.store, &setup, NOW, &account, &home), CM_OK);
    assert_int_equal(cm_store_setup_finish(w.store, &setup, NOW, &account, &home), CM_ABSENT);
    assert_int_equal(cm_store_setup_begin(w.store, first.token_hash, NOW), CM_REFUSE);
    cm_asker asker = {.kind = CM_ASKER_SESSION, .token_hash = {7}};
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &asker, NOW, &who, &cause), CM_OK);
    assert_int_equal(cm_who_role(&who, &home.id), CM_ROLE_OWNER);
    cm_who_clear(&who);
    assert_int_equal(cm_store_setup_is_needed(w.store, &is_needed), CM_OK);
    assert_false(is_needed);
    store_world_close(&w);
}

static void settings_are_kept(void **state)
{
    (void)state;
    store_world w;
    store_world_open_empty(&w);
    char value[8];
    assert_int_equal(cm_store_setting_read(w.store, "colour", value, sizeof value), CM_ABSENT);
    assert_int_equal(cm_store_setting_write(w.store, "colour", CM_TEXT("blue")), CM_OK);
    assert_int_equal(cm_store_setting_write(w.store, "colour", CM_TEXT("green")), CM_OK);
    store_world_reopen(&w);
    assert_int_equal(cm_store_setting_read(w.store, "colour", value, sizeof value), CM_OK);
    assert_string_equal(value, "green");
    assert_int_equal(cm_store_setting_read(w.store, "colour", value, 5), CM_FULL);
    store_world_close(&w);
}

/* ---- files and keys ---- */

static void refused_at_the_start(store_world *w, const char *hint)
{
    assert_int_equal(world_try_open(w, NULL), CM_REFUSE);
    if (strstr(w->message, hint) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", w->message, hint);
    w->store = NULL;
}

static void in_directory(const store_world *w, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", w->directory, name);
}

static void files_that_others_may_read_are_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    char path[128];
    struct stat info;
    static const char *const FILES[] = {"master.key", "casement.db"};
    for (size_t i = 0; i < CM_COUNT(FILES); i++) {
        in_directory(&w, FILES[i], path);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        chmod(path, 0640);
        refused_at_the_start(&w, "chmod 0600");
        chmod(path, 0600);
    }
    chmod(w.directory, 0777);
    refused_at_the_start(&w, "chmod 0700");
    chmod(w.directory, 0700);
    store_world_reopen(&w);
    store_world_close(&w);
}

static void another_or_no_master_key_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    char path[128];
    char aside[128];
    in_directory(&w, "master.key", path);
    in_directory(&w, "aside", aside);
    rename(path, aside);
    refused_at_the_start(&w, "is gone");
    FILE *f = fopen(path, "w");
    chmod(path, 0600);
    for (int i = 0; i < 64; i++)
        fputc('a', f);
    fclose(f);
    refused_at_the_start(&w, "not the one");
    f = fopen(path, "w");
    fputs("not a key\n", f);
    fclose(f);
    refused_at_the_start(&w, "64 hex digits");
    unlink(path);
    /* The same key as a systemd credential. */
    char credential[128];
    in_directory(&w, "casement-master-key", credential);
    rename(aside, credential);
    setenv("CREDENTIALS_DIRECTORY", w.directory, 1);
    w.store = NULL;
    store_world_reopen(&w);
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    unsetenv("CREDENTIALS_DIRECTORY");
    store_world_close(&w);
}

static void what_is_not_ours_or_from_later_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    world_sql(&w, "PRAGMA user_version=999");
    refused_at_the_start(&w, "later version");
    world_sql(&w, "PRAGMA user_version=1; PRAGMA application_id=77");
    refused_at_the_start(&w, "another program");
    store_world_close(&w);
    store_world none = {.directory = "/tmp/casement-no-such-directory"};
    const cm_store_config config = {.must_exist = true};
    assert_int_equal(world_try_open(&none, &config), CM_REFUSE);
}

/* An old copy of the whole database put back. */
static void an_old_database_put_back_is_refused_until_accepted(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, "api");
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_token token;
    const cm_new_token fresh = {.camera = door,
                                .account = w.people[ANNA].id,
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    assert_int_equal(cm_store_token_create(w.store, &fresh, NOW, &token), CM_OK);
    cm_store_close(w.store);
    world_copy_file(&w, "casement.db", "backup");
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change), CM_OK);
    const uint64_t epoch = change.raised[0].min_epoch;
    cm_change_clear(&change);
    cm_store_close(w.store);
    world_copy_file(&w, "backup", "casement.db");
    refused_at_the_start(&w, "accept-restore");
    const cm_store_config accepts = {.accepts_older = true};
    assert_int_equal(world_try_open(&w, &accepts), CM_OK);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    /* Nobody is signed in, tokens are revoked, epochs are not below those that were. */
    assert_false(may_see(&w, ANNA, "verdi", "door"));
    cm_stored_tokens tokens;
    assert_int_equal(cm_store_tokens(w.store, &w.verdi, &tokens), CM_OK);
    assert_int_equal(tokens.count, 0);
    cm_stored_tokens_clear(&tokens);
    assert_true(epoch_of(&w, "verdi", "door") >= epoch);
    store_world_reopen(&w);
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id,
                                             w.sessions[ANNA].token_hash, &WORLD_ORIGIN, NOW,
                                             &change),
                     CM_OK);
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    cm_store_close(w.store);
    /* And the accepted one is the newest: the copy is refused again. */
    world_copy_file(&w, "backup", "casement.db");
    refused_at_the_start(&w, "accept-restore");
    store_world_close(&w);
}

static void a_lost_generation_file_or_database_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    char path[128];
    char aside[128];
    in_directory(&w, "generation", path);
    in_directory(&w, "aside", aside);
    rename(path, aside);
    refused_at_the_start(&w, "accept-restore");
    rename(aside, path);
    in_directory(&w, "casement.db", path);
    rename(path, aside);
    refused_at_the_start(&w, "database is gone");
    rename(aside, path);
    store_world_reopen(&w);
    store_world_close(&w);
}

enum { GENERATION_FILE_SIZE = 128 };

typedef struct follower {
    store_world *w;
    unsigned told;
    uint64_t min_epoch;
    bool still_sees;
    uint8_t file[GENERATION_FILE_SIZE];
} follower;

static void read_generation_file(const store_world *w, uint8_t out[GENERATION_FILE_SIZE])
{
    char path[128];
    in_directory(w, "generation", path);
    const int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, out, GENERATION_FILE_SIZE), GENERATION_FILE_SIZE);
    close(fd);
}

static void on_taken(void *owner, const cm_change *change)
{
    follower *f = owner;
    f->told++;
    f->min_epoch = change->raised[0].min_epoch;
    f->still_sees = may_see(f->w, BRUNO, "verdi", "door");
    read_generation_file(f->w, f->file);
}

/* It is committed, and the second wait for the disk is still to come. */
static void who_follows_hears_of_what_is_taken_right_behind_the_commit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    follower f = {.w = &w, .still_sees = true};
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_camera_key yard = camera_key("verdi", "yard");
    const cm_account_id *bruno = &w.people[BRUNO].id;
    uint8_t before[GENERATION_FILE_SIZE];
    uint8_t after[GENERATION_FILE_SIZE];
    cm_change change;
    read_generation_file(&w, before);
    cm_store_follow(w.store, on_taken, &f);
    world_grant(&w, "verdi", "yard", BRUNO); /* takes nothing away */
    assert_int_equal(f.told, 0);
    assert_int_equal(cm_store_grant_remove(w.store, &door, bruno, &change), CM_OK);
    cm_change_clear(&change);
    read_generation_file(&w, after);
    assert_int_equal(f.told, 1);
    assert_int_equal(f.min_epoch, epoch_of(&w, "verdi", "door"));
    assert_false(f.still_sees);
    assert_memory_equal(f.file, before, sizeof before);
    assert_memory_not_equal(after, before, sizeof before);
    assert_int_equal(cm_store_grant_remove(w.store, &door, bruno, &change), CM_ABSENT);
    assert_int_equal(f.told, 1);
    cm_store_follow(w.store, NULL, NULL);
    assert_int_equal(cm_store_grant_remove(w.store, &yard, bruno, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(f.told, 1);
    store_world_close(&w);
}

static void a_torn_generation_slot_leaves_the_other(void **state)
{
    (void)state;
    store_world w;
    store_world_open_empty(&w);
    cm_secret key = {{1, 2, 3}};
    char path[128];
    in_directory(&w, "generation", path);
    unlink(path);
    uint64_t generation = 77;
    assert_int_equal(cm_generation_read(w.directory, &key, &generation), CM_ABSENT);
    for (uint64_t i = 1; i < 10; i++) {
        assert_int_equal(cm_generation_raise(w.directory, &key, i), CM_OK);
        assert_int_equal(cm_generation_read(w.directory, &key, &generation), CM_OK);
        assert_true(generation == i);
        assert_int_equal(cm_generation_raise(w.directory, &key, i - 1), CM_OK);
        assert_int_equal(cm_generation_read(w.directory, &key, &generation), CM_OK);
        assert_true(generation == i);
    }
    /* Half a slot written: whichever it was, the other still says what was before it. */
    for (off_t at = 0; at <= 64; at += 64) {
        const int fd = open(path, O_RDWR);
        uint8_t was[64];
        assert_int_equal(pread(fd, was, sizeof was, at), sizeof was);
        assert_int_equal(pwrite(fd, "torn", 4, at + 4), 4);
        assert_int_equal(cm_generation_read(w.directory, &key, &generation), CM_OK);
        assert_true(generation == 8 || generation == 9);
        assert_int_equal(pwrite(fd, was, sizeof was, at), sizeof was);
        close(fd);
    }
    cm_secret other = {{9}};
    assert_int_equal(cm_generation_read(w.directory, &other, &generation), CM_REFUSE);
    store_world_close(&w);
}

static void stale_is_told_from_a_snapshot_of_a_moment_ago(void **state)
{
    (void)state;
    cm_known *known;
    assert_int_equal(cm_known_create(&known), CM_OK);
    cm_known_begin(known, 10);
    const cm_home_id home = home_id("verdi");
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 9, 20), CM_FOREIGN);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 11, 20), CM_OK);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 21, 20), CM_FOREIGN);
    assert_int_equal(cm_known_raise(known, CM_KNOWN_HOME, home.text, 12), CM_OK);
    assert_int_equal(cm_known_raise(known, CM_KNOWN_HOME, home.text, 15), CM_OK);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 12, 15), CM_FOREIGN);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 12, 14), CM_OK);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 11, 14), CM_RETRY);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, home.text, 15, 15), CM_OK);
    assert_int_equal(cm_known_judge(known, CM_KNOWN_ACCOUNT, home.text, 9, 15), CM_FOREIGN);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "home%d", i);
        const cm_home_id more = home_id(text);
        assert_int_equal(cm_known_raise(known, CM_KNOWN_HOME, more.text, 20 + (uint64_t)i), CM_OK);
    }
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "home%d", i);
        const cm_home_id more = home_id(text);
        assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, more.text, 19 + (uint64_t)i, 5000),
                         CM_FOREIGN);
        assert_int_equal(cm_known_judge(known, CM_KNOWN_HOME, more.text, 20 + (uint64_t)i, 5000),
                         CM_OK);
    }
    cm_known_destroy(known);
}

/* ---- disk and power ---- */

static void a_full_disk_breaks_the_write_and_nothing_else(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    const cm_store_config bounded = {.size_bytes_max = 320 * 1024};
    assert_int_equal(world_try_open(&w, &bounded), CM_OK);
    char value[1500];
    memset(value, 'v', sizeof value);
    size_t written = 0;
    cm_status status = CM_OK;
    while (status == CM_OK && written < 1000) {
        char name[32];
        snprintf(name, sizeof name, "setting%zu", written);
        status = cm_store_setting_write(w.store, name, cm_slice_over(value, sizeof value));
        written += status == CM_OK ? 1 : 0;
    }
    assert_int_equal(status, CM_BROKEN);
    assert_in_range(written, 10, 999);
    cm_store_counters counters;
    cm_store_read_counters(w.store, &counters);
    assert_int_equal(counters.write_failures, 1);
    /* Reading, and taking away, go on. */
    assert_true(may_see(&w, BRUNO, "verdi", "door"));
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_reopen(&w);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    char back[sizeof value + 1];
    for (size_t i = 0; i < written; i++) {
        char name[32];
        snprintf(name, sizeof name, "setting%zu", i);
        assert_int_equal(cm_store_setting_read(w.store, name, back, sizeof back), CM_OK);
    }
    store_world_close(&w);
}

/* The door joins a group and leaves it; the epoch that it left with is told. */
static bool let_in_and_out(cm_store *store, const cm_group_key *group, const cm_camera_key *door,
                           int pipe_end)
{
    cm_change change;
    const cm_group_cameras in = {.items = &door->camera, .count = 1};
    const cm_group_cameras out = {.count = 0};
    if (cm_store_group_update(store, group, (cm_slice){0}, &in, &change) != CM_OK)
        return false;
    cm_change_clear(&change);
    if (cm_store_group_update(store, group, (cm_slice){0}, &out, &change) != CM_OK)
        return false;
    const uint64_t epoch = change.raised[0].min_epoch;
    cm_change_clear(&change);
    return write(pipe_end, &epoch, sizeof epoch) == sizeof epoch;
}

/* Child: makes grants and takes them, and says after each what was acknowledged. */
static void write_until_killed(const char *directory, int pipe_end)
{
    store_world w = {.directory = {0}};
    snprintf(w.directory, sizeof w.directory, "%s", directory);
    if (world_try_open(&w, NULL) != CM_OK)
        _exit(3);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_account_id bruno;
    if (cm_account_id_parse(CM_TEXT("bruno"), &bruno) != CM_OK)
        _exit(4);
    cm_stored_groups groups;
    if (cm_store_groups(w.store, &door.home, &groups) != CM_OK)
        _exit(13);
    cm_group_key group = {.home = door.home};
    if (groups.count > 0)
        group = groups.items[0].key;
    else if (cm_store_group_create(w.store, &group, CM_TEXT("g"), NULL, NOW) != CM_OK)
        _exit(14);
    for (uint32_t i = 0;; i++) {
        cm_change change;
        char number[16];
        snprintf(number, sizeof number, "%u", i);
        if (cm_store_grant_remove(w.store, &door, &bruno, &change) != CM_OK)
            _exit(5);
        const uint64_t epoch = change.raised[0].min_epoch;
        cm_change_clear(&change);
        if (cm_store_setting_write(w.store, "count", cm_slice_of(number)) != CM_OK)
            _exit(6);
        if (write(pipe_end, &epoch, sizeof epoch) != sizeof epoch)
            _exit(7);
        if (cm_store_grant_put(w.store, &door, &bruno, &JUST_VIEW, false, NOW, &change) != CM_OK)
            _exit(8);
        cm_change_clear(&change);
        if (cm_store_grant_put(w.store, &door, &bruno, &EVENINGS, false, NOW, &change) != CM_OK)
            _exit(9);
        const uint64_t narrowed = change.raised[0].min_epoch;
        cm_change_clear(&change);
        if (write(pipe_end, &narrowed, sizeof narrowed) != sizeof narrowed)
            _exit(10);
        if (!let_in_and_out(w.store, &group, &door, pipe_end))
            _exit(12);
        const cm_slice zone = i % 2 == 0 ? CM_TEXT("Asia/Kolkata") : CM_TEXT("Europe/Rome");
        if (cm_store_home_set_time_zone(w.store, &door.home, zone, &change) != CM_OK)
            _exit(11);
        cm_change_clear(&change);
    }
}

static void killed_at_any_time_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_random random = cm_random_seeded(42);
    uint64_t rounds_with_writes = 0;
    for (int round = 0; round < 50; round++) {
        cm_store_close(w.store);
        w.store = NULL;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            write_until_killed(w.directory, ends[1]);
        }
        close(ends[1]);
        /* Every other one is killed after its first change, however slow this machine is; the
         * others also while they open. */
        uint64_t acknowledged = 0;
        if (round % 2 == 0)
            assert_int_equal(read(ends[0], &acknowledged, sizeof acknowledged),
                             sizeof acknowledged);
        usleep((useconds_t)cm_random_below(&random, 30000));
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how)); /* it never stopped by itself */
        for (uint64_t epoch; read(ends[0], &epoch, sizeof epoch) == sizeof epoch;)
            acknowledged = epoch;
        close(ends[0]);
        assert_int_equal(world_try_open(&w, NULL), CM_OK);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        assert_true(epoch_of(&w, "verdi", "door") >= acknowledged);
        rounds_with_writes += acknowledged > 0 ? 1 : 0;
        cm_change change; /* for the next child to take */
        assert_int_equal(cm_store_grant_put(w.store, &door, &w.people[BRUNO].id, &JUST_VIEW, false,
                                            NOW, &change),
                         CM_OK);
        cm_change_clear(&change);
    }
    assert_in_range(rounds_with_writes, 25, 50);
    store_world_close(&w);
}

/* Readers while another thread takes and gives: an answer is from before a change or from after it,
 * and never an alarm. */
typedef struct reading {
    store_world *w;
    _Atomic bool *is_over;
    size_t reads, refused, retries;
} reading;

static void *read_on(void *argument)
{
    reading *r = argument;
    while (!atomic_load(r->is_over)) {
        cm_evidence e;
        const char *cause = NULL;
        const cm_camera_key door = camera_key("verdi", "door");
        const cm_status status =
            cm_store_evidence(r->w->store, &r->w->sessions[ANNA], &door, NOW, &e, &cause);
        r->reads++;
        r->refused += status == CM_FOREIGN || (status == CM_OK && e.role != CM_ROLE_OWNER) ? 1 : 0;
        r->retries += status == CM_RETRY ? 1 : 0;
    }
    return NULL;
}

static void reading_while_another_writes_is_no_alarm(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    _Atomic bool is_over = false;
    reading readings[3];
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        readings[i] = (reading){.w = &w, .is_over = &is_over};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readings[i]), 0);
    }
    const cm_camera_key door = camera_key("verdi", "door");
    for (int i = 0; i < 200; i++) {
        cm_change change;
        assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change),
                         CM_OK);
        cm_change_clear(&change);
        world_grant(&w, "verdi", "door", BRUNO);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readings[i].refused, 0);
        assert_int_equal(readings[i].retries, 0);
        assert_true(readings[i].reads > 10);
    }
    cm_store_counters counters;
    cm_store_read_counters(w.store, &counters);
    assert_int_equal(counters.evidence_alarms, 0);
    store_world_close(&w);
}

/* Two processes: the command line while the server runs. */
static void what_another_process_took_away_is_seen(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    int64_t seen = 0;
    bool has_changed = true;
    cm_change change;
    assert_int_equal(cm_store_outside_changes(w.store, &seen, &has_changed, &change), CM_OK);
    assert_false(has_changed);
    store_world other = w;
    assert_int_equal(world_try_open(&other, NULL), CM_OK);
    const cm_camera_key door = camera_key("verdi", "door");
    assert_int_equal(cm_store_grant_remove(other.store, &door, &w.people[BRUNO].id, &change),
                     CM_OK);
    const uint64_t epoch = change.raised[0].min_epoch;
    cm_change_clear(&change);
    assert_false(may_see(&w, BRUNO, "verdi", "door"));
    assert_int_equal(cm_store_outside_changes(w.store, &seen, &has_changed, &change), CM_OK);
    assert_true(has_changed);
    assert_int_equal(change.raised_count, 4);
    bool is_there = false;
    for (size_t i = 0; i < change.raised_count; i++)
        is_there = is_there || (cm_camera_key_equal(&change.raised[i].camera, &door) &&
                                change.raised[i].min_epoch == epoch);
    assert_true(is_there);
    cm_change_clear(&change);
    assert_int_equal(cm_store_outside_changes(w.store, &seen, &has_changed, &change), CM_OK);
    assert_false(has_changed);
    /* Nobody takes it away from another who asks. */
    seen = 0;
    assert_int_equal(cm_store_outside_changes(w.store, &seen, &has_changed, &change), CM_OK);
    assert_true(has_changed);
    cm_change_clear(&change);
    cm_store_close(other.store);
    store_world_close(&w);
}

/* ---- fault injection ---- */

#ifdef CM_FAULT_INJECTION
/* Asks many times for what each person may and may not see, with a hook firing; counts the answers
 * that said yes to a foreign home. */
static size_t count_foreign(store_world *w, size_t rounds, size_t *alarms)
{
    static const char *const HOMES[] = {"verdi", "rossi"};
    size_t foreign = 0;
    *alarms = 0;
    for (size_t i = 0; i < rounds; i++) {
        const size_t who = i % PEOPLE;
        const char *home = HOMES[i / PEOPLE % 2];
        cm_evidence e;
        const char *cause = NULL;
        const cm_status status =
            evidence_of(w, who, home, i % 3 == 0 ? "yard" : "door", &e, &cause);
        *alarms += status == CM_FOREIGN ? 1 : 0;
        if (status != CM_OK || !e.session_is_live || !e.camera_exists)
            continue;
        const bool may = e.role == CM_ROLE_OWNER || (e.role != CM_ROLE_NONE && e.granted.count > 0);
        const bool is_home_of_asker = strcmp(HOMES[who / 2], e.camera.home.text) == 0;
        foreign += may && !is_home_of_asker ? 1 : 0;
    }
    return foreign;
}

static void no_wrong_lookup_gives_a_foreign_right(void **state)
{
    (void)state;
    static const cm_fault HOOKS[] = {CM_FAULT_STORE_SESSION_SWAP, CM_FAULT_STORE_MEMBERSHIP_SWAP,
                                     CM_FAULT_STORE_GRANT_SWAP, CM_FAULT_STORE_CAMERA_SWAP,
                                     CM_FAULT_STORE_CACHE_FOREIGN};
    store_world w;
    store_world_open(&w);
    const cm_fault_rate half = {.fires = 1, .asked = 2, .is_random = true};
    const cm_fault_rate always = {.fires = 1, .asked = 1};
    size_t alarms;
    for (size_t i = 0; i < CM_COUNT(HOOKS); i++) {
        cm_fault_reset();
        cm_fault_set(HOOKS[i], half);
        assert_int_equal(count_foreign(&w, 4000, &alarms), 0);
        assert_in_range(cm_fault_fired(HOOKS[i]), 1000, 100000);
        assert_true(alarms > 100);
    }
    /* Without the wall the same hooks do let strangers in: the test can fail. */
    size_t foreign = 0;
    for (size_t i = 0; i < CM_COUNT(HOOKS); i++) {
        cm_fault_reset();
        cm_fault_set(CM_FAULT_EVIDENCE_OFF, always);
        cm_fault_set(HOOKS[i], half);
        foreign += count_foreign(&w, 400, &alarms);
    }
    assert_true(foreign > 0);
    cm_fault_reset();
    store_world_close(&w);
}

static void stale_rows_after_a_restart_give_no_right(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_session_end(w.store, w.sessions[CARLA].token_hash, &change), CM_OK);
    cm_change_clear(&change);
    store_world_reopen(&w);
    cm_fault_set(CM_FAULT_STORE_ROW_STALE, (cm_fault_rate){.fires = 1, .asked = 1});
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_int_equal(evidence_of(&w, CARLA, "rossi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    cm_fault_set(CM_FAULT_EVIDENCE_OFF, (cm_fault_rate){.fires = 1, .asked = 1});
    assert_true(may_see(&w, BRUNO, "verdi", "door"));
    cm_fault_reset();
    store_world_close(&w);
}

static void fault_settings_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    cm_fault_reset();
    assert_int_equal(cm_fault_read_settings(CM_TEXT("ring.swap=1/4, still.swap=~1/2")), CM_OK);
    for (int i = 0; i < 1000; i++) {
        (void)CM_FAULT(RING_SWAP);
        (void)CM_FAULT(STILL_SWAP);
        assert_false(CM_FAULT(PART_SWAP));
    }
    assert_int_equal(cm_fault_fired(CM_FAULT_RING_SWAP), 250);
    assert_in_range(cm_fault_fired(CM_FAULT_STILL_SWAP), 400, 600);
    static const char *const BAD[] = {"part.swap=1/4,nothing=1/2",
                                      "part.swap",
                                      "part.swap=1",
                                      "part.swap=2/1",
                                      "part.swap=1/0",
                                      "part.swap=x/2"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_fault_read_settings(cm_slice_of(BAD[i])), CM_REFUSE);
    assert_false(CM_FAULT(PART_SWAP));
    cm_fault_reset();
    assert_false(CM_FAULT(RING_SWAP));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_says_what_was_stored),
        cmocka_unit_test(equal_camera_ids_of_two_homes_are_two_cameras),
        cmocka_unit_test(what_is_not_there_is_a_fact_and_no_alarm),
        cmocka_unit_test(a_row_swapped_by_hand_gives_no_right_and_raises_an_alarm),
        cmocka_unit_test(every_column_of_every_row_is_under_the_mac),
        cmocka_unit_test(the_tables_of_the_code_are_those_of_the_database),
        cmocka_unit_test(taking_a_grant_raises_the_epoch_of_that_camera_alone),
        cmocka_unit_test(a_row_from_before_it_was_taken_away_does_not_fit),
        cmocka_unit_test(the_last_form_of_what_was_taken_away_does_not_fit),
        cmocka_unit_test(a_home_row_from_before_is_noticed_at_once_and_at_the_start),
        cmocka_unit_test(roles_fall_and_the_last_owner_stays),
        cmocka_unit_test(leaving_a_home_takes_grants_and_tokens_along),
        cmocka_unit_test(signing_out_ends_that_session_and_turns_what_it_saw),
        cmocka_unit_test(a_new_password_ends_the_other_sessions),
        cmocka_unit_test(an_account_held_off_or_made_operator_sees_nothing),
        cmocka_unit_test(a_camera_made_again_begins_above_its_old_epochs),
        cmocka_unit_test(deleting_a_home_leaves_nothing_and_touches_no_other),
        cmocka_unit_test(a_camera_password_is_sealed_for_its_camera),
        cmocka_unit_test(an_update_that_moves_a_camera_turns_its_keys),
        cmocka_unit_test(a_camera_takes_talk_when_it_is_told_so),
        cmocka_unit_test(what_does_not_fit_is_refused_and_changes_nothing),
        cmocka_unit_test(names_are_one_whatever_their_case),
        cmocka_unit_test(a_token_keeps_the_name_that_it_is_given),
        cmocka_unit_test(an_api_token_is_for_its_camera_and_its_time),
        cmocka_unit_test(who_lists_the_homes_of_the_asker),
        cmocka_unit_test(setup_works_once),
        cmocka_unit_test(settings_are_kept),
        cmocka_unit_test(files_that_others_may_read_are_refused),
        cmocka_unit_test(another_or_no_master_key_is_refused),
        cmocka_unit_test(what_is_not_ours_or_from_later_is_refused),
        cmocka_unit_test(an_old_database_put_back_is_refused_until_accepted),
        cmocka_unit_test(a_lost_generation_file_or_database_is_refused),
        cmocka_unit_test(who_follows_hears_of_what_is_taken_right_behind_the_commit),
        cmocka_unit_test(a_torn_generation_slot_leaves_the_other),
        cmocka_unit_test(stale_is_told_from_a_snapshot_of_a_moment_ago),
        cmocka_unit_test(a_full_disk_breaks_the_write_and_nothing_else),
        cmocka_unit_test(killed_at_any_time_nothing_acknowledged_is_lost),
        cmocka_unit_test(reading_while_another_writes_is_no_alarm),
        cmocka_unit_test(what_another_process_took_away_is_seen),
#ifdef CM_FAULT_INJECTION
        cmocka_unit_test(no_wrong_lookup_gives_a_foreign_right),
        cmocka_unit_test(stale_rows_after_a_restart_give_no_right),
        cmocka_unit_test(fault_settings_are_read_whole_or_not_at_all),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
