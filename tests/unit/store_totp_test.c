/* store/totp: the second factor of an account: what each operation does and refuses, that a
 * password alone opens nothing any more, and what does not come back. */
#include "store_killed.h"

#include "store/passkeys.h"
#include "store/sqlite/tables.h"
#include "store/totp.h"

static const uint8_t SECRET[CM_TOTP_SECRET_SIZE] = "nobody reads this!!";
static const uint8_t OTHER[CM_TOTP_SECRET_SIZE] = "nor is this one read";

static cm_session_origin by(cm_session_method method)
{
    cm_session_origin origin = WORLD_ORIGIN;
    origin.method = method;
    return origin;
}

static cm_status begin(store_world *w, size_t who, const uint8_t secret[CM_TOTP_SECRET_SIZE])
{
    return cm_store_totp_begin(w->store, &w->people[who].id, secret, NOW);
}

static cm_status confirm(store_world *w, size_t who, int64_t step)
{
    cm_change change;
    const cm_status status = cm_store_totp_confirm(w->store, &w->people[who].id, step, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static cm_status take_away(store_world *w, size_t who)
{
    cm_change change;
    const cm_status status = cm_store_totp_remove(w->store, &w->people[who].id, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static void enrol(store_world *w, size_t who)
{
    assert_int_equal(begin(w, who, SECRET), CM_OK);
    assert_int_equal(confirm(w, who, 100), CM_OK);
}

static cm_status find(store_world *w, size_t who, cm_stored_totp *out)
{
    return cm_store_totp_find(w->store, &w->people[who].id, out);
}

static cm_stored_totp found(store_world *w, size_t who)
{
    cm_stored_totp totp = {.wrong = 0};
    assert_int_equal(find(w, who, &totp), CM_OK);
    return totp;
}

static cm_status session_by(store_world *w, size_t who, cm_session_method method, const char *token)
{
    const cm_asker asker = asker_of(CM_ASKER_SESSION, token);
    const cm_session_origin origin = by(method);
    cm_change change;
    const cm_status status = cm_store_session_create(w->store, &w->people[who].id, asker.token_hash,
                                                     &origin, NOW, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static cm_status renew_by(store_world *w, const char *former, cm_session_method method,
                          const char *fresh)
{
    const cm_asker was = asker_of(CM_ASKER_SESSION, former);
    const cm_asker is = asker_of(CM_ASKER_SESSION, fresh);
    const cm_session_origin origin = by(method);
    cm_change change;
    const cm_status status =
        cm_store_session_renew(w->store, was.token_hash, is.token_hash, &origin, NOW, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static cm_factor_use code_of(const store_world *w, size_t who, int64_t step, const char *token)
{
    cm_factor_use use = {.account = w->people[who].id, .step = step, .origin = by(CM_METHOD_CODE)};
    cm_secret_hash(cm_slice_of(token), use.session_token_hash);
    return use;
}

static cm_factor_use recovery_of(const store_world *w, size_t who, const char *code,
                                 const char *token)
{
    cm_factor_use use = code_of(w, who, 0, token);
    use.is_recovery = true;
    use.origin = by(CM_METHOD_RECOVERY);
    cm_secret_hash(cm_slice_of(code), use.code_hash);
    return use;
}

static cm_status use(store_world *w, const cm_factor_use *factor)
{
    cm_stored_account account;
    cm_change change;
    const cm_status status = cm_store_factor_sign_in(w->store, factor, NOW, &account, &change);
    if (status == CM_OK) {
        assert_true(cm_account_id_equal(&account.id, &factor->account));
        cm_change_clear(&change);
    }
    return status;
}

static cm_status sign_in(store_world *w, size_t who, int64_t step, const char *token)
{
    const cm_factor_use factor = code_of(w, who, step, token);
    return use(w, &factor);
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
    assert_int_equal(cm_store_recovery_set(w->store, &w->people[who].id, hashes, NOW, &change),
                     CM_OK);
    cm_change_clear(&change);
}

static bool is_asked(store_world *w, size_t who)
{
    cm_stored_account account;
    assert_int_equal(cm_store_account_find(w->store, &w->people[who].id, &account), CM_OK);
    return account.has_totp;
}

/* ---- its life ---- */

static void a_secret_counts_once_it_is_confirmed(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_stored_totp totp;
    assert_int_equal(find(&w, ANNA, &totp), CM_ABSENT);
    assert_int_equal(confirm(&w, ANNA, 1), CM_ABSENT);
    assert_int_equal(take_away(&w, ANNA), CM_ABSENT);
    assert_int_equal(begin(&w, ANNA, OTHER), CM_OK);
    assert_int_equal(begin(&w, ANNA, SECRET), CM_OK); /* the former is void */
    totp = found(&w, ANNA);
    assert_memory_equal(totp.secret, SECRET, sizeof SECRET);
    assert_true(!totp.is_confirmed && totp.last_step == -1 && totp.created.us == NOW.us);
    assert_false(is_asked(&w, ANNA));
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "before"), CM_OK);
    assert_int_equal(sign_in(&w, ANNA, 200, "too early"), CM_ABSENT);
    assert_int_equal(cm_store_totp_note_wrong(w.store, &w.people[ANNA].id), CM_ABSENT);
    assert_int_equal(confirm(&w, ANNA, 100), CM_OK);
    assert_int_equal(confirm(&w, ANNA, 101), CM_REFUSE);
    assert_int_equal(begin(&w, ANNA, OTHER), CM_REFUSE);
    store_world_reopen(&w);
    totp = found(&w, ANNA);
    assert_memory_equal(totp.secret, SECRET, sizeof SECRET);
    assert_true(totp.is_confirmed && totp.last_step == 100 && is_asked(&w, ANNA));
    assert_true(is_signed_in(&w, "anna") && is_signed_in(&w, "before")); /* they stay */
    assert_false(is_asked(&w, BRUNO));
    assert_int_equal(take_away(&w, ANNA), CM_OK);
    assert_false(is_asked(&w, ANNA));
    assert_int_equal(find(&w, ANNA, &totp), CM_ABSENT);
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "after"), CM_OK);
    const cm_account_id nobody = {.text = "nobody"};
    assert_int_equal(cm_store_totp_begin(w.store, &nobody, SECRET, NOW), CM_ABSENT);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void a_password_alone_opens_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    static const cm_session_method SHORT[] = {CM_METHOD_PASSWORD, CM_METHOD_SETUP,
                                              CM_METHOD_UNKNOWN};
    for (size_t i = 0; i < CM_COUNT(SHORT); i++) {
        assert_int_equal(session_by(&w, ANNA, SHORT[i], "short"), CM_REFUSE);
        assert_int_equal(renew_by(&w, "anna", SHORT[i], "short"), CM_REFUSE);
    }
    assert_false(is_signed_in(&w, "short"));
    assert_true(is_signed_in(&w, "anna")); /* refused: not ended either */
    static const cm_session_method WHOLE[] = {CM_METHOD_CODE, CM_METHOD_PASSKEY,
                                              CM_METHOD_RECOVERY};
    for (size_t i = 0; i < CM_COUNT(WHOLE); i++) {
        char token[16];
        snprintf(token, sizeof token, "whole%zu", i);
        assert_int_equal(session_by(&w, ANNA, WHOLE[i], token), CM_OK);
        assert_true(is_signed_in(&w, token));
    }
    assert_int_equal(renew_by(&w, "anna", CM_METHOD_CODE, "again"), CM_OK);
    assert_true(is_signed_in(&w, "again") && !is_signed_in(&w, "anna"));
    assert_int_equal(session_by(&w, BRUNO, CM_METHOD_PASSWORD, "bruno2"), CM_OK);
    store_world_close(&w);
}

/* RFC 6238 section 5.2. */
static void a_code_works_once(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    assert_int_equal(sign_in(&w, ANNA, 100, "replayed"), CM_REFUSE); /* it confirmed */
    assert_int_equal(sign_in(&w, ANNA, 105, "first"), CM_OK);
    assert_true(is_signed_in(&w, "first"));
    assert_int_equal(sign_in(&w, ANNA, 105, "replayed"), CM_REFUSE);
    assert_int_equal(sign_in(&w, ANNA, 104, "replayed"), CM_REFUSE);
    store_world_reopen(&w);
    assert_int_equal(sign_in(&w, ANNA, 105, "replayed"), CM_REFUSE);
    assert_false(is_signed_in(&w, "replayed"));
    assert_int_equal(sign_in(&w, ANNA, 106, "second"), CM_OK);
    assert_int_equal(sign_in(&w, BRUNO, 106, "bruno2"), CM_ABSENT);
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[ANNA].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_int_equal(sign_in(&w, ANNA, 107, "held"), CM_REFUSE);
    assert_int_equal(found(&w, ANNA).last_step, 106); /* refused, so not used up */
    store_world_close(&w);
}

static void a_recovery_code_stands_in_once(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    set_codes(&w, ANNA, "code");
    set_codes(&w, CARLA, "hers");
    const cm_factor_use without = recovery_of(&w, ANNA, "code0", "without");
    assert_int_equal(use(&w, &without), CM_ABSENT); /* there is no first step that asks for it */
    enrol(&w, ANNA);
    const cm_factor_use others = recovery_of(&w, ANNA, "hers0", "others");
    assert_int_equal(use(&w, &others), CM_ABSENT);
    const cm_factor_use right = recovery_of(&w, ANNA, "code0", "recovered");
    assert_int_equal(use(&w, &right), CM_OK);
    assert_true(is_signed_in(&w, "recovered"));
    assert_int_equal(use(&w, &right), CM_ABSENT);
    size_t left;
    cm_wall made;
    assert_int_equal(cm_store_recovery_left(w.store, &w.people[ANNA].id, &left, &made), CM_OK);
    assert_int_equal(left, CM_RECOVERY_CODES - 1);
    assert_true(found(&w, ANNA).is_confirmed);
    store_world_close(&w);
}

static void too_many_wrong_codes_leave_the_other_ways(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    set_codes(&w, ANNA, "code");
    for (unsigned i = 0; i < CM_TOTP_WRONG_MAX - 1; i++)
        assert_int_equal(cm_store_totp_note_wrong(w.store, &w.people[ANNA].id), CM_OK);
    assert_int_equal(found(&w, ANNA).wrong, CM_TOTP_WRONG_MAX - 1);
    assert_int_equal(sign_in(&w, ANNA, 200, "just in time"), CM_OK);
    assert_int_equal(found(&w, ANNA).wrong, 0);
    for (unsigned i = 0; i < CM_TOTP_WRONG_MAX + 3; i++)
        assert_int_equal(cm_store_totp_note_wrong(w.store, &w.people[ANNA].id), CM_OK);
    assert_int_equal(found(&w, ANNA).wrong, CM_TOTP_WRONG_MAX);
    store_world_reopen(&w);
    assert_int_equal(sign_in(&w, ANNA, 300, "guessed"), CM_REFUSE);
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSKEY, "with a passkey"), CM_OK);
    const cm_factor_use right = recovery_of(&w, ANNA, "code0", "recovered");
    assert_int_equal(use(&w, &right), CM_OK);
    assert_int_equal(sign_in(&w, ANNA, 300, "herself"), CM_OK);
    store_world_close(&w);
}

static void a_session_goes_on_by_a_code(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    set_codes(&w, ANNA, "code");
    cm_factor_use theirs = code_of(&w, ANNA, 200, "again");
    theirs.former = w.sessions[CARLA].token_hash;
    assert_int_equal(use(&w, &theirs), CM_REFUSE);
    assert_true(is_signed_in(&w, "carla"));
    cm_factor_use gone = recovery_of(&w, ANNA, "code0", "recovered");
    const cm_asker nobody = asker_of(CM_ASKER_SESSION, "nobody's");
    gone.former = nobody.token_hash;
    assert_int_equal(use(&w, &gone), CM_ABSENT);
    assert_int_equal(found(&w, ANNA).last_step, 100);
    cm_factor_use own = code_of(&w, ANNA, 200, "again");
    own.former = w.sessions[ANNA].token_hash;
    cm_stored_account account;
    cm_change change;
    assert_int_equal(cm_store_factor_sign_in(w.store, &own, NOW, &account, &change), CM_OK);
    assert_int_equal(change.raised_count, 2); /* what the former token opened ends */
    assert_true(change.has_token);
    cm_change_clear(&change);
    assert_true(is_signed_in(&w, "again") && !is_signed_in(&w, "anna"));
    /* Refused above, so the code is there still. */
    gone.former = NULL;
    assert_int_equal(use(&w, &gone), CM_OK);
    store_world_close(&w);
}

/* ---- other elevations in one transaction ---- */

static cm_status show_passkey(store_world *w, uint32_t count, const cm_asker *former,
                              const char *fresh)
{
    cm_passkey_use shown = {.credential = CM_TEXT("credential"),
                            .sign_count = count,
                            .former = former->token_hash,
                            .origin = by(CM_METHOD_PASSKEY)};
    cm_secret_hash(cm_slice_of(fresh), shown.session_token_hash);
    cm_stored_account account;
    cm_change change;
    const cm_status status = cm_store_passkey_sign_in(w->store, &shown, NOW, &account, &change);
    if (status == CM_OK)
        cm_change_clear(&change);
    return status;
}

static void a_session_goes_on_by_a_passkey_of_its_own_account(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    const cm_new_passkey fresh = {.account = w.people[ANNA].id,
                                  .rp = CM_TEXT("casement.example"),
                                  .name = CM_TEXT("Phone"),
                                  .credential = CM_TEXT("credential"),
                                  .key = CM_TEXT("key")};
    cm_stored_passkey passkey;
    assert_int_equal(cm_store_passkey_add(w.store, &fresh, NOW, &passkey), CM_OK);
    assert_int_equal(show_passkey(&w, 5, &w.sessions[CARLA], "again"), CM_REFUSE);
    const cm_asker nobody = asker_of(CM_ASKER_SESSION, "nobody's");
    assert_int_equal(show_passkey(&w, 5, &nobody, "again"), CM_ABSENT);
    assert_true(is_signed_in(&w, "carla") && !is_signed_in(&w, "again"));
    assert_int_equal(show_passkey(&w, 5, &w.sessions[ANNA], "again"), CM_OK);
    assert_true(is_signed_in(&w, "again") && !is_signed_in(&w, "anna"));
    const cm_asker again = asker_of(CM_ASKER_SESSION, "again");
    assert_int_equal(show_passkey(&w, 5, &again, "replayed"), CM_REFUSE); /* the counter */
    assert_true(is_signed_in(&w, "again"));
    store_world_close(&w);
}

/* ASVS 5.0 7.2.4, 7.4.3. */
static void a_new_password_moves_this_session_and_ends_the_others(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_CODE, "phone"), CM_OK);
    const cm_asker moved = asker_of(CM_ASKER_SESSION, "moved");
    cm_password_change ask = {.account = w.people[ANNA].id,
                              .password_hash = CM_TEXT("new hash"),
                              .former = w.sessions[CARLA].token_hash,
                              .fresh = moved.token_hash};
    const cm_wall later = {.us = NOW.us + DAY_US};
    cm_stored_account account;
    cm_change change;
    assert_int_equal(cm_store_account_change_password(w.store, &ask, later, &account, &change),
                     CM_REFUSE);
    assert_true(is_signed_in(&w, "anna") && is_signed_in(&w, "phone") && is_signed_in(&w, "carla"));
    ask.former = w.sessions[ANNA].token_hash;
    assert_int_equal(cm_store_account_change_password(w.store, &ask, later, &account, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 2);
    assert_false(change.has_token); /* every session of hers is decided again */
    assert_true(cm_account_id_equal(&change.account, &w.people[ANNA].id));
    cm_change_clear(&change);
    assert_true(is_signed_in(&w, "moved"));
    assert_false(is_signed_in(&w, "anna") || is_signed_in(&w, "phone"));
    cm_stored_sessions all;
    assert_int_equal(cm_store_sessions(w.store, &w.people[ANNA].id, &all), CM_OK);
    assert_int_equal(all.count, 1);
    /* The old password is not all that she could be asked for: no more fresh than before. */
    assert_true(all.items[0].authenticated.us == NOW.us && all.items[0].created.us == NOW.us);
    assert_true(all.items[0].last_used.us == later.us);
    assert_int_equal(all.items[0].origin.method, CM_METHOD_PASSWORD);
    cm_stored_sessions_clear(&all);
    char hash[CM_PASSWORD_HASH_SIZE];
    assert_int_equal(cm_store_account_password_hash(w.store, &w.people[ANNA].id, hash), CM_OK);
    assert_string_equal(hash, "new hash");
    store_world_close(&w);
}

static void what_a_lost_phone_held_can_go_with_the_passkeys(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    set_codes(&w, ANNA, "code");
    for (size_t i = 0; i < 2; i++) {
        cm_recovery_use lost = {
            .account = w.people[ANNA].id, .removes_totp = i == 1, .origin = by(CM_METHOD_RECOVERY)};
        cm_secret_hash(i == 0 ? CM_TEXT("code0") : CM_TEXT("code1"), lost.code_hash);
        cm_secret_hash(i == 0 ? CM_TEXT("one") : CM_TEXT("two"), lost.session_token_hash);
        cm_stored_account account;
        cm_change change;
        assert_int_equal(cm_store_recovery_sign_in(w.store, &lost, NOW, &account, &change), CM_OK);
        cm_change_clear(&change);
        assert_int_equal(is_asked(&w, ANNA), i == 0);
    }
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* ---- what stands on the disk, and what does not come back ---- */

static void the_secret_is_in_a_box(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    cm_store_close(w.store);
    w.store = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/casement.db", w.directory);
    static char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_non_null(memmem(bytes, size, "carla", 5));
    assert_null(memmem(bytes, size, SECRET, 8));
    store_world_reopen(&w);
    store_world_close(&w);
}

static void watch_forms(const store_world *w)
{
    world_sql(w, "CREATE TRIGGER keep_delete BEFORE DELETE ON totp BEGIN"
                 " INSERT INTO last_totp SELECT * FROM totp WHERE rowid=OLD.rowid; END;"
                 "CREATE TRIGGER keep_update BEFORE UPDATE ON totp BEGIN"
                 " INSERT INTO last_totp SELECT * FROM totp WHERE rowid=OLD.rowid; END;");
}

/* `age`: "old" as they were before, or "last" as they were vouched for on their way out. */
static void put_back(const store_world *w, const char *age)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "DROP TRIGGER keep_delete; DROP TRIGGER keep_update; DELETE FROM totp;"
             "INSERT INTO totp SELECT * FROM %s_totp ORDER BY rowid DESC LIMIT 1;",
             age);
    world_sql(w, sql);
}

static void put_back_what_was(const char *age)
{
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    world_sql(&w, "CREATE TABLE old_totp AS SELECT * FROM totp;"
                  "CREATE TABLE last_totp AS SELECT * FROM totp WHERE 0;");
    watch_forms(&w);
    /* A code that was used works no second time. */
    assert_int_equal(sign_in(&w, ANNA, 200, "first"), CM_OK);
    world_sql(&w, "CREATE TABLE present_totp AS SELECT * FROM totp");
    put_back(&w, age);
    cm_stored_totp totp;
    assert_int_equal(find(&w, ANNA, &totp), CM_FOREIGN);
    assert_int_equal(sign_in(&w, ANNA, 200, "thief"), CM_FOREIGN);
    world_sql(&w, "DELETE FROM totp; INSERT INTO totp SELECT * FROM present_totp");
    assert_int_equal(found(&w, ANNA).last_step, 200);
    /* One that was removed is asked for no more, nor taken. */
    watch_forms(&w);
    assert_int_equal(take_away(&w, ANNA), CM_OK);
    put_back(&w, age);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(find(&w, ANNA, &totp), CM_FOREIGN);
        assert_int_equal(sign_in(&w, ANNA, 300, "thief"), CM_FOREIGN);
        assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
        store_world_reopen(&w);
    }
    assert_false(is_signed_in(&w, "thief"));
    store_world_close(&w);
}

static void rows_put_back_do_not_fit(void **state)
{
    (void)state;
    put_back_what_was("old");
    put_back_what_was("last");
}

/* Who can write the database, and has the password, gets no further by taking the row out. */
static void a_row_taken_out_by_hand_opens_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_sql(&w, "CREATE TABLE old_accounts AS SELECT * FROM accounts");
    enrol(&w, ANNA);
    world_sql(&w, "DELETE FROM totp");
    for (int round = 0; round < 2; round++) {
        cm_stored_totp totp;
        assert_int_equal(find(&w, ANNA, &totp), CM_FOREIGN);
        assert_int_equal(sign_in(&w, ANNA, 200, "thief"), CM_FOREIGN);
        assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "thief"), CM_REFUSE);
        store_world_reopen(&w);
    }
    /* Nor by changing what the account's row says, or putting the one from before back. */
    world_sql(&w, "UPDATE accounts SET has_totp=0 WHERE id='anna'");
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "thief"), CM_FOREIGN);
    world_sql(&w, "UPDATE accounts SET generation=(SELECT generation FROM old_accounts o WHERE"
                  " o.id='anna'), mac=(SELECT mac FROM old_accounts o WHERE o.id='anna')"
                  " WHERE id='anna'");
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "thief"), CM_FOREIGN);
    cm_store_close(w.store);
    w.store = NULL;
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    store_world_close(&w);
}

static void a_row_moved_to_another_account_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    enrol(&w, CARLA);
    world_sql(&w, "DELETE FROM totp WHERE account='carla';"
                  "UPDATE totp SET account='carla' WHERE account='anna'");
    assert_int_equal(sign_in(&w, CARLA, 200, "thief"), CM_FOREIGN);
    assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
    store_world_close(&w);
}

/* One column at a time is another than it was signed as. */
static void every_column_is_under_the_mac(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    const cm_table *table = &cm_tables[CM_TOTP];
    static const char *const OTHERS[] = {
        [CM_COLUMN_TEXT] = "account || 'x'", [CM_COLUMN_BLOB] = "zeroblob(60)"};
    world_sql(&w, "CREATE TABLE kept AS SELECT * FROM totp");
    for (unsigned c = 0; c < table->column_count; c++) {
        const cm_column *column = &table->columns[c];
        char sql[512];
        char other[64];
        snprintf(other, sizeof other, "%s + 1", column->name);
        snprintf(sql, sizeof sql, "PRAGMA foreign_keys=OFF; UPDATE totp SET %s=%s", column->name,
                 column->kind == CM_COLUMN_INTEGER ? other : OTHERS[column->kind]);
        world_sql(&w, sql);
        if (cm_store_check(w.store) == CM_OK)
            fail_msg("totp.%s is not under the MAC", column->name);
        world_sql(&w, "DELETE FROM totp; INSERT INTO totp SELECT * FROM kept");
        assert_int_equal(cm_store_check(w.store), CM_OK);
    }
    store_world_close(&w);
}

static void an_account_takes_its_own_along(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, BRUNO);
    enrol(&w, ANNA);
    cm_change change;
    assert_int_equal(cm_store_account_delete(w.store, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    cm_stored_totp totp;
    assert_int_equal(find(&w, BRUNO, &totp), CM_ABSENT);
    assert_true(found(&w, ANNA).is_confirmed);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* What an old copy has of it is asked for: without, the password alone would do. */
static void an_accepted_old_copy_asks_still(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    enrol(&w, ANNA);
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "casement.db", "old.db");
    store_world_reopen(&w);
    assert_int_equal(take_away(&w, ANNA), CM_OK);
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "old.db", "casement.db");
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    assert_int_equal(world_try_open(&w, &(cm_store_config){.accepts_older = true}), CM_OK);
    assert_int_equal(session_by(&w, ANNA, CM_METHOD_PASSWORD, "thief"), CM_REFUSE);
    assert_int_equal(sign_in(&w, ANNA, 200, "herself"), CM_OK);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* ---- killed ---- */

enum { STEPS = 5 };

/* Child: begins, confirms, shows a code for a session and one to go on with it, removes; and says
 * after each what was acknowledged. The end of a round is the beginning of the next. */
static void write_until_killed(store_world *w, int pipe_end)
{
    for (uint32_t step = 0;; step++) {
        char tokens[2][16];
        snprintf(tokens[0], sizeof tokens[0], "s%u", step / STEPS);
        snprintf(tokens[1], sizeof tokens[1], "r%u", step / STEPS);
        const cm_asker former = asker_of(CM_ASKER_SESSION, tokens[0]);
        cm_factor_use again = code_of(w, ANNA, 300, tokens[1]);
        again.former = former.token_hash;
        const cm_status status = step % STEPS == 0   ? begin(w, ANNA, SECRET)
                                 : step % STEPS == 1 ? confirm(w, ANNA, 100)
                                 : step % STEPS == 2 ? sign_in(w, ANNA, 200, tokens[0])
                                 : step % STEPS == 3 ? use(w, &again)
                                                     : take_away(w, ANNA);
        if (status != CM_OK)
            _exit(4);
        store_killed_say(pipe_end, step);
    }
}

/* How far a round got, by what the store says: -1: nothing of it. */
static int progress_of(store_world *w, uint32_t round)
{
    char tokens[2][16];
    snprintf(tokens[0], sizeof tokens[0], "s%u", round);
    snprintf(tokens[1], sizeof tokens[1], "r%u", round);
    const bool is_first = is_signed_in(w, tokens[0]), is_second = is_signed_in(w, tokens[1]);
    assert_false(is_first && is_second);
    cm_stored_totp totp;
    const cm_status status = find(w, ANNA, &totp);
    assert_true(status == CM_OK || status == CM_ABSENT);
    assert_int_equal(is_asked(w, ANNA), status == CM_OK && totp.is_confirmed);
    if (status == CM_ABSENT)
        return is_second ? 4 : -1;
    assert_int_equal(is_first, totp.last_step == 200);
    assert_true(is_second == (totp.last_step == 300) || !totp.is_confirmed);
    return !totp.is_confirmed ? 0 : totp.last_step / 100;
}

static void killed_at_any_time_nothing_is_half(void **state)
{
    (void)state;
    store_world w;
    cm_random random = cm_random_seeded(7);
    for (int turn = 0; turn < 12; turn++) {
        store_world_open(&w);
        const uint32_t done = store_world_kill(&w, &random, true, write_until_killed).last;
        /* What was acknowledged last is there; at most the next step is as well, whole. */
        const int step = (int)(done % STEPS), is = progress_of(&w, done / STEPS);
        if (step < 4)
            assert_true(is == step || is == step + 1);
        else
            assert_true(is == 4 || progress_of(&w, done / STEPS + 1) == 0);
        store_world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_counts_once_it_is_confirmed),
        cmocka_unit_test(a_password_alone_opens_nothing),
        cmocka_unit_test(a_code_works_once),
        cmocka_unit_test(a_recovery_code_stands_in_once),
        cmocka_unit_test(too_many_wrong_codes_leave_the_other_ways),
        cmocka_unit_test(a_session_goes_on_by_a_code),
        cmocka_unit_test(a_session_goes_on_by_a_passkey_of_its_own_account),
        cmocka_unit_test(a_new_password_moves_this_session_and_ends_the_others),
        cmocka_unit_test(what_a_lost_phone_held_can_go_with_the_passkeys),
        cmocka_unit_test(the_secret_is_in_a_box),
        cmocka_unit_test(rows_put_back_do_not_fit),
        cmocka_unit_test(a_row_taken_out_by_hand_opens_nothing),
        cmocka_unit_test(a_row_moved_to_another_account_does_not_fit),
        cmocka_unit_test(every_column_is_under_the_mac),
        cmocka_unit_test(an_account_takes_its_own_along),
        cmocka_unit_test(an_accepted_old_copy_asks_still),
        cmocka_unit_test(killed_at_any_time_nothing_is_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
