/* store/passkeys: passkeys and recovery codes: what each operation does and refuses, and what does
 * not come back. */
#include "store_killed.h"

#include "base/fault.h"
#include "store/passkeys.h"
#include "store/sqlite/tables.h"

static cm_new_passkey new_passkey(const store_world *w, size_t who, const char *credential)
{
    return (cm_new_passkey){.account = w->people[who].id,
                            .rp = CM_TEXT("casement.example"),
                            .name = CM_TEXT("Phone"),
                            .credential = cm_slice_of(credential),
                            .key = CM_TEXT("key"),
                            .is_backup_eligible = true};
}

static cm_stored_passkey add(store_world *w, size_t who, const char *credential)
{
    const cm_new_passkey fresh = new_passkey(w, who, credential);
    cm_stored_passkey out;
    assert_int_equal(cm_store_passkey_add(w->store, &fresh, NOW, &out), CM_OK);
    return out;
}

static cm_passkey_use use_of(const char *credential, uint32_t count, const char *session)
{
    cm_passkey_use use = {.credential = cm_slice_of(credential), .sign_count = count};
    cm_secret_hash(cm_slice_of(session), use.session_token_hash);
    return use;
}

static cm_status sign_in(store_world *w, const char *credential, uint32_t count,
                         const char *session)
{
    const cm_passkey_use use = use_of(credential, count, session);
    cm_stored_account account;
    cm_change change;
    const cm_status status = cm_store_passkey_sign_in(w->store, &use, NOW, &account, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static size_t passkeys_of(store_world *w, size_t who)
{
    cm_stored_passkeys list;
    assert_int_equal(cm_store_passkeys(w->store, &w->people[who].id, &list), CM_OK);
    const size_t count = list.count;
    cm_stored_passkeys_clear(&list);
    return count;
}

static bool is_signed_in(store_world *w, const char *session)
{
    const cm_asker asker = asker_of(CM_ASKER_SESSION, session);
    CM_AUTO(cm_who_clear) cm_who who = {.home_count = 0};
    const char *cause;
    return cm_store_who(w->store, &asker, NOW, &who, &cause) == CM_OK;
}

static void set_codes(store_world *w, size_t who, const char *seed)
{
    uint8_t hashes[CM_RECOVERY_CODES][CM_MAC_SIZE];
    for (size_t i = 0; i < CM_RECOVERY_CODES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%zu", seed, i);
        cm_secret_hash(cm_slice_of(text), hashes[i]);
    }
    cm_change change;
    const cm_account_id *account = &w->people[who].id;
    assert_int_equal(cm_store_recovery_set(w->store, account, hashes, NOW, &change), CM_OK);
    cm_change_clear(&change);
}

static cm_recovery_use recovery_of(const store_world *w, size_t who, const char *code)
{
    cm_recovery_use use = {.account = w->people[who].id};
    cm_secret_hash(cm_slice_of(code), use.code_hash);
    cm_secret_hash(CM_TEXT("recovered"), use.session_token_hash);
    return use;
}

static cm_status recover(store_world *w, const cm_recovery_use *use)
{
    cm_stored_account account;
    cm_change change;
    const cm_status status = cm_store_recovery_sign_in(w->store, use, NOW, &account, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static size_t codes_left(store_world *w, size_t who)
{
    size_t left;
    cm_wall made;
    assert_int_equal(cm_store_recovery_left(w->store, &w->people[who].id, &left, &made), CM_OK);
    assert_true((made.us == NOW.us) == (left > 0));
    return left;
}

/* ---- passkeys ---- */

static void a_passkey_is_kept_named_and_removed(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_passkey made = add(&w, ANNA, "credential-1");
    cm_stored_passkey found;
    assert_int_equal(cm_store_passkey_find(w.store, CM_TEXT("credential-1"), &found), CM_OK);
    assert_true(cm_account_id_equal(&found.account, &w.people[ANNA].id));
    assert_string_equal(found.id, made.id);
    assert_string_equal(found.rp, "casement.example");
    assert_string_equal(found.name, "Phone");
    assert_text(cm_slice_over(found.credential, found.credential_size), "credential-1");
    assert_text(cm_slice_over(found.key, found.key_size), "key");
    assert_true(found.is_backup_eligible && !found.is_backed_up);
    assert_true(found.created.us == NOW.us && found.last_used.us == 0);
    const cm_account_id *anna = &w.people[ANNA].id;
    const cm_slice id = cm_slice_of(made.id);
    assert_int_equal(cm_store_passkey_rename(w.store, anna, id, CM_TEXT("Tablet"), &found), CM_OK);
    assert_string_equal(found.name, "Tablet");
    assert_int_equal(cm_store_passkey_rename(w.store, anna, id, CM_TEXT(""), &found), CM_REFUSE);
    store_world_reopen(&w);
    assert_int_equal(passkeys_of(&w, ANNA), 1);
    cm_change change;
    assert_int_equal(cm_store_passkey_remove(w.store, anna, id, &change), CM_OK);
    assert_int_equal(change.raised_count, 0);
    assert_true(cm_account_id_equal(&change.account, anna));
    cm_change_clear(&change);
    assert_int_equal(cm_store_passkey_find(w.store, CM_TEXT("credential-1"), &found), CM_ABSENT);
    assert_int_equal(cm_store_passkey_remove(w.store, anna, id, &change), CM_ABSENT);
    assert_true(is_signed_in(&w, "anna"));
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void another_persons_passkey_is_not_there(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_passkey made = add(&w, ANNA, "credential-1");
    const cm_slice id = cm_slice_of(made.id);
    const cm_account_id *carla = &w.people[CARLA].id;
    cm_stored_passkey out;
    cm_change change;
    assert_int_equal(cm_store_passkey_rename(w.store, carla, id, CM_TEXT("Mine"), &out), CM_ABSENT);
    assert_int_equal(cm_store_passkey_remove(w.store, carla, id, &change), CM_ABSENT);
    assert_int_equal(cm_store_passkey_remove(w.store, carla, CM_TEXT("not an id"), &change),
                     CM_ABSENT);
    assert_int_equal(passkeys_of(&w, CARLA), 0);
    /* Nor can the same credential be claimed twice. */
    const cm_new_passkey same = new_passkey(&w, CARLA, "credential-1");
    assert_int_equal(cm_store_passkey_add(w.store, &same, NOW, &out), CM_REFUSE);
    assert_int_equal(passkeys_of(&w, ANNA), 1);
    store_world_close(&w);
}

static void bad_ones_are_refused_and_their_number_is_bounded(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    char longest[CM_PASSKEY_CREDENTIAL_SIZE + 1];
    memset(longest, 'x', sizeof longest);
    const cm_new_passkey good = new_passkey(&w, ANNA, "credential");
    cm_new_passkey bad[] = {good, good, good, good, good, good};
    bad[0].name = CM_TEXT("");
    bad[1].credential = cm_slice_over(longest, sizeof longest);
    bad[2].key = cm_slice_over(longest, CM_PASSKEY_KEY_SIZE + 1);
    bad[3].rp = cm_slice_over(longest, CM_PASSKEY_RP_SIZE);
    bad[4].credential = CM_TEXT("");
    bad[5].key = CM_TEXT("");
    cm_stored_passkey out;
    for (size_t i = 0; i < CM_COUNT(bad); i++)
        assert_int_equal(cm_store_passkey_add(w.store, &bad[i], NOW, &out), CM_REFUSE);
    cm_new_passkey nobody = good;
    assert_int_equal(cm_account_id_parse(CM_TEXT("nobody"), &nobody.account), CM_OK);
    assert_int_equal(cm_store_passkey_add(w.store, &nobody, NOW, &out), CM_ABSENT);
    for (int i = 0; i < CM_ACCOUNT_PASSKEYS_MAX; i++) {
        char credential[32];
        snprintf(credential, sizeof credential, "credential-%d", i);
        add(&w, ANNA, credential);
    }
    assert_int_equal(cm_store_passkey_add(w.store, &good, NOW, &out), CM_FULL);
    cm_new_passkey largest = new_passkey(&w, BRUNO, "x");
    largest.credential = cm_slice_over(longest, CM_PASSKEY_CREDENTIAL_SIZE);
    largest.key = cm_slice_over(longest, CM_PASSKEY_KEY_SIZE);
    assert_int_equal(cm_store_passkey_add(w.store, &largest, NOW, &out), CM_OK);
    store_world_close(&w);
}

static void signing_in_notes_the_use_and_begins_a_session(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, ANNA, "credential-1");
    assert_int_equal(sign_in(&w, "credential-1", 7, "with a passkey"), CM_OK);
    assert_true(is_signed_in(&w, "with a passkey"));
    cm_stored_passkey found;
    assert_int_equal(cm_store_passkey_find(w.store, CM_TEXT("credential-1"), &found), CM_OK);
    assert_int_equal(found.sign_count, 7);
    assert_true(found.last_used.us == NOW.us);
    /* A counter that stands still, or went back, belongs to a copy. */
    assert_int_equal(sign_in(&w, "credential-1", 7, "again"), CM_REFUSE);
    assert_int_equal(sign_in(&w, "credential-1", 6, "again"), CM_REFUSE);
    assert_int_equal(sign_in(&w, "credential-1", 0, "again"), CM_REFUSE);
    assert_int_equal(sign_in(&w, "credential-2", 8, "again"), CM_ABSENT);
    assert_false(is_signed_in(&w, "again"));
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[ANNA].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_int_equal(sign_in(&w, "credential-1", 8, "again"), CM_REFUSE);
    assert_int_equal(cm_store_passkey_find(w.store, CM_TEXT("credential-1"), &found), CM_OK);
    assert_int_equal(found.sign_count, 7); /* refused, so not noted either */
    store_world_close(&w);
}

/* ---- recovery codes ---- */

static void a_code_works_once_and_for_its_account(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    set_codes(&w, ANNA, "code");
    assert_int_equal(codes_left(&w, ANNA), CM_RECOVERY_CODES);
    assert_int_equal(codes_left(&w, CARLA), 0);
    const cm_recovery_use others = recovery_of(&w, CARLA, "code3");
    assert_int_equal(recover(&w, &others), CM_ABSENT);
    const cm_recovery_use wrong = recovery_of(&w, ANNA, "code99");
    assert_int_equal(recover(&w, &wrong), CM_ABSENT);
    const cm_recovery_use right = recovery_of(&w, ANNA, "code3");
    assert_int_equal(recover(&w, &right), CM_OK);
    assert_true(is_signed_in(&w, "recovered"));
    assert_true(is_signed_in(&w, "anna"));
    assert_int_equal(codes_left(&w, ANNA), CM_RECOVERY_CODES - 1);
    assert_int_equal(recover(&w, &right), CM_ABSENT);
    set_codes(&w, ANNA, "other");
    assert_int_equal(codes_left(&w, ANNA), CM_RECOVERY_CODES);
    const cm_recovery_use old = recovery_of(&w, ANNA, "code4");
    assert_int_equal(recover(&w, &old), CM_ABSENT);
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[ANNA].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    const cm_recovery_use held = recovery_of(&w, ANNA, "other1");
    assert_int_equal(recover(&w, &held), CM_REFUSE);
    assert_int_equal(codes_left(&w, ANNA), CM_RECOVERY_CODES);
    store_world_close(&w);
}

static void a_lost_phone_loses_what_it_held(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, ANNA, "credential-1");
    add(&w, CARLA, "credential-2");
    set_codes(&w, ANNA, "code");
    cm_recovery_use use = recovery_of(&w, ANNA, "code0");
    use.ends_sessions = true;
    use.removes_passkeys = true;
    cm_stored_account account;
    cm_change change;
    assert_int_equal(cm_store_recovery_sign_in(w.store, &use, NOW, &account, &change), CM_OK);
    assert_string_equal(account.name, "anna");
    assert_int_equal(change.raised_count, 2); /* door and yard of her home */
    cm_change_clear(&change);
    assert_false(is_signed_in(&w, "anna"));
    assert_true(is_signed_in(&w, "recovered"));
    assert_int_equal(passkeys_of(&w, ANNA), 0);
    assert_int_equal(sign_in(&w, "credential-1", 1, "thief"), CM_ABSENT);
    assert_int_equal(passkeys_of(&w, CARLA), 1);
    assert_true(is_signed_in(&w, "carla"));
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* ---- what does not come back ---- */

/* `age`: "old" as they were before, or "last" as they were vouched for on their way out. */
static void put_back(const char *age)
{
    store_world w;
    store_world_open(&w);
    const cm_stored_passkey made = add(&w, ANNA, "credential-1");
    set_codes(&w, ANNA, "code");
    world_sql(&w, "CREATE TABLE old_passkeys AS SELECT * FROM passkeys;"
                  "CREATE TABLE old_recovery AS SELECT * FROM recovery;"
                  "CREATE TABLE last_passkeys AS SELECT * FROM passkeys WHERE 0;"
                  "CREATE TABLE last_recovery AS SELECT * FROM recovery WHERE 0;"
                  "CREATE TRIGGER keep_passkeys BEFORE DELETE ON passkeys BEGIN"
                  " INSERT INTO last_passkeys SELECT * FROM passkeys WHERE rowid=OLD.rowid; END;"
                  "CREATE TRIGGER keep_recovery BEFORE DELETE ON recovery BEGIN"
                  " INSERT INTO last_recovery SELECT * FROM recovery WHERE rowid=OLD.rowid; END;");
    cm_change change;
    const cm_account_id *anna = &w.people[ANNA].id;
    const cm_slice id = cm_slice_of(made.id);
    assert_int_equal(cm_store_passkey_remove(w.store, anna, id, &change), CM_OK);
    cm_change_clear(&change);
    const cm_recovery_use use = recovery_of(&w, ANNA, "code0");
    assert_int_equal(recover(&w, &use), CM_OK);
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT OR IGNORE INTO passkeys SELECT * FROM %s_passkeys;"
             "INSERT OR IGNORE INTO recovery SELECT * FROM %s_recovery;",
             age, age);
    world_sql(&w, sql);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sign_in(&w, "credential-1", 1, "thief"), CM_FOREIGN);
        assert_int_equal(recover(&w, &use), CM_FOREIGN);
        assert_int_equal(passkeys_of(&w, ANNA), 0);
        assert_int_equal(codes_left(&w, ANNA), CM_RECOVERY_CODES - 1);
        assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
        store_world_reopen(&w);
    }
    assert_false(is_signed_in(&w, "thief"));
    store_world_close(&w);
}

static void rows_put_back_do_not_fit(void **state)
{
    (void)state;
    put_back("old");
    put_back("last");
}

static void a_row_moved_to_another_account_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, ANNA, "credential-1");
    set_codes(&w, ANNA, "code");
    world_sql(&w, "UPDATE passkeys SET account='carla'; UPDATE recovery SET account='carla'");
    assert_int_equal(sign_in(&w, "credential-1", 1, "thief"), CM_FOREIGN);
    const cm_recovery_use use = recovery_of(&w, CARLA, "code0");
    assert_int_equal(recover(&w, &use), CM_FOREIGN);
    assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
    store_world_close(&w);
}

/* One column at a time is another than it was signed as. */
static void every_column_is_under_the_mac(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, ANNA, "credential-1");
    set_codes(&w, ANNA, "code");
    static const cm_table_id TABLES[] = {CM_PASSKEYS, CM_RECOVERY};
    static const char *const OTHERS[] = {"", " || 'x'", NULL, " + 1"};
    for (size_t t = 0; t < CM_COUNT(TABLES); t++) {
        const cm_table *table = &cm_tables[TABLES[t]];
        for (unsigned c = 0; c < table->column_count; c++) {
            const char *name = table->columns[c].name;
            const char *other = OTHERS[table->columns[c].kind];
            char sql[512];
            if (table->columns[c].kind == CM_COLUMN_BLOB)
                snprintf(sql, sizeof sql,
                         "CREATE TABLE keep AS SELECT rowid AS r, %s AS v FROM %s LIMIT 1;"
                         "UPDATE %s SET %s=zeroblob(48) WHERE rowid=(SELECT r FROM keep)",
                         name, table->name, table->name, name);
            else
                snprintf(sql, sizeof sql,
                         "PRAGMA foreign_keys=OFF;"
                         "CREATE TABLE keep AS SELECT rowid AS r, %s AS v FROM %s LIMIT 1;"
                         "UPDATE %s SET %s=%s%s WHERE rowid=(SELECT r FROM keep)",
                         name, table->name, table->name, name, name, other);
            world_sql(&w, sql);
            if (cm_store_check(w.store) == CM_OK)
                fail_msg("%s.%s is not under the MAC", table->name, name);
            snprintf(sql, sizeof sql,
                     "PRAGMA foreign_keys=OFF; UPDATE %s SET %s=(SELECT v FROM keep)"
                     " WHERE rowid=(SELECT r FROM keep); DROP TABLE keep",
                     table->name, name);
            world_sql(&w, sql);
            assert_int_equal(cm_store_check(w.store), CM_OK);
        }
    }
    store_world_close(&w);
}

static void an_account_takes_its_own_along(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, BRUNO, "credential-1");
    add(&w, ANNA, "credential-2");
    set_codes(&w, BRUNO, "code");
    cm_change change;
    assert_int_equal(cm_store_account_delete(w.store, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(sign_in(&w, "credential-1", 1, "gone"), CM_ABSENT);
    const cm_recovery_use use = recovery_of(&w, BRUNO, "code0");
    assert_int_equal(recover(&w, &use), CM_ABSENT);
    assert_int_equal(passkeys_of(&w, ANNA), 1);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* An old copy of the database would bring back what was removed or used up since. */
static void an_accepted_old_copy_has_neither(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    add(&w, ANNA, "credential-1");
    set_codes(&w, ANNA, "code");
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "casement.db", "old.db");
    store_world_reopen(&w);
    const cm_recovery_use use = recovery_of(&w, ANNA, "code0");
    assert_int_equal(recover(&w, &use), CM_OK);
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "old.db", "casement.db");
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    assert_non_null(strstr(w.message, "passkeys"));
    assert_int_equal(world_try_open(&w, &(cm_store_config){.accepts_older = true}), CM_OK);
    assert_int_equal(sign_in(&w, "credential-1", 1, "thief"), CM_ABSENT);
    assert_int_equal(recover(&w, &use), CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* ---- killed ---- */

enum { STEPS = 4 };

/* Child: adds a passkey, signs in with it, makes codes, recovers with one; and says after each what
 * was acknowledged. The end of a round is the beginning of the next. */
static void write_until_killed(store_world *w, int pipe_end)
{
    for (uint32_t step = 0;; step++) {
        char credential[32];
        snprintf(credential, sizeof credential, "killed-%u", step / STEPS);
        if (step % STEPS == 0) {
            add(w, ANNA, credential);
        } else if (step % STEPS == 1) {
            if (sign_in(w, credential, step, credential) != CM_OK)
                _exit(4);
        } else if (step % STEPS == 2) {
            set_codes(w, ANNA, credential);
        } else {
            snprintf(credential, sizeof credential, "killed-%u0", step / STEPS);
            cm_recovery_use use = recovery_of(w, ANNA, credential);
            use.ends_sessions = use.removes_passkeys = true;
            if (recover(w, &use) != CM_OK)
                _exit(5);
        }
        store_killed_say(pipe_end, step);
    }
}

/* What was acknowledged last is there; at most the next step is as well, whole. */
static void assert_whole(store_world *w, uint32_t done)
{
    const uint32_t round = done / STEPS, step = done % STEPS;
    char credential[32];
    snprintf(credential, sizeof credential, "killed-%u", round);
    cm_stored_passkey passkey;
    const cm_status found = cm_store_passkey_find(w->store, cm_slice_of(credential), &passkey);
    const size_t left = codes_left(w, ANNA);
    if (step == 3) { /* used up, and all ended */
        assert_int_equal(found, CM_ABSENT);
        assert_int_equal(left, CM_RECOVERY_CODES - 1);
        assert_true(is_signed_in(w, "recovered"));
        assert_false(is_signed_in(w, credential));
    } else if (step == 2) { /* or recovered already, and not acknowledged */
        const bool is_recovered = left == CM_RECOVERY_CODES - 1;
        assert_true(is_recovered || left == CM_RECOVERY_CODES);
        assert_int_equal(found, is_recovered ? CM_ABSENT : CM_OK);
        assert_int_equal(is_signed_in(w, credential), !is_recovered);
    } else {
        assert_int_equal(found, CM_OK);
        assert_int_equal(passkey.sign_count != 0, is_signed_in(w, credential));
        assert_true(step == 0 || passkey.sign_count == done);
        assert_true(left == CM_RECOVERY_CODES || left == CM_RECOVERY_CODES - 1 || left == 0);
    }
}

static void killed_at_any_time_nothing_is_half(void **state)
{
    (void)state;
    store_world w;
    cm_random random = cm_random_seeded(7);
    for (int round = 0; round < 20; round++) {
        store_world_open(&w);
        const uint32_t done = store_world_kill(&w, &random, true, write_until_killed).last;
        assert_whole(&w, done);
        store_world_close(&w);
    }
}

#ifdef CM_FAULT_INJECTION
static void stale_rows_give_no_session(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_passkey made = add(&w, ANNA, "credential-1");
    set_codes(&w, ANNA, "code");
    cm_change change;
    assert_int_equal(
        cm_store_passkey_remove(w.store, &w.people[ANNA].id, cm_slice_of(made.id), &change), CM_OK);
    cm_change_clear(&change);
    const cm_recovery_use use = recovery_of(&w, ANNA, "code0");
    assert_int_equal(recover(&w, &use), CM_OK);
    store_world_reopen(&w);
    world_sql(&w, "INSERT INTO passkeys SELECT * FROM stale_passkeys ORDER BY rowid DESC LIMIT 1");
    assert_int_equal(sign_in(&w, "credential-1", 1, "thief"), CM_FOREIGN);
    store_world_close(&w);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_passkey_is_kept_named_and_removed),
        cmocka_unit_test(another_persons_passkey_is_not_there),
        cmocka_unit_test(bad_ones_are_refused_and_their_number_is_bounded),
        cmocka_unit_test(signing_in_notes_the_use_and_begins_a_session),
        cmocka_unit_test(a_code_works_once_and_for_its_account),
        cmocka_unit_test(a_lost_phone_loses_what_it_held),
        cmocka_unit_test(rows_put_back_do_not_fit),
        cmocka_unit_test(a_row_moved_to_another_account_does_not_fit),
        cmocka_unit_test(every_column_is_under_the_mac),
        cmocka_unit_test(an_account_takes_its_own_along),
        cmocka_unit_test(an_accepted_old_copy_has_neither),
        cmocka_unit_test(killed_at_any_time_nothing_is_half),
#ifdef CM_FAULT_INJECTION
        cmocka_unit_test(stale_rows_give_no_session),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
