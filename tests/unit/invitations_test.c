/* Invitations: what they give and to whom, and every way in which one is worth nothing. */

#include "store/invitations.h"
#include "store_killed.h"

#define IN_A_WEEK ((cm_wall){.us = NOW.us + CM_INVITATION_US})

typedef struct secret {
    uint8_t hash[CM_MAC_SIZE];
} secret;

static secret secret_of(const char *text)
{
    secret s;
    cm_secret_hash(cm_slice_of(text), s.hash);
    return s;
}

static cm_new_invitation plain(store_world *w, size_t by, const secret *s)
{
    return (cm_new_invitation){.home = by == CARLA ? w->rossi : w->verdi,
                               .by = w->people[by].id,
                               .role = CM_ROLE_GUEST,
                               .label = CM_TEXT("Elena"),
                               .token_hash = s->hash,
                               .expires = IN_A_WEEK};
}

/* One of anna's, open for a week. */
static cm_stored_invitation invite(store_world *w, const char *text, cm_role role)
{
    const secret s = secret_of(text);
    cm_new_invitation n = plain(w, ANNA, &s);
    n.role = role;
    cm_stored_invitation out;
    assert_int_equal(cm_store_invitation_create(w->store, &n, NOW, &out), CM_OK);
    return out;
}

static cm_status join_as(store_world *w, const char *text, const cm_account_id *account,
                         cm_wall now)
{
    const secret s = secret_of(text);
    const cm_join join = {.token_hash = s.hash, .account = *account};
    cm_stored_account joined;
    cm_stored_invitation out;
    return cm_store_invitation_accept(w->store, &join, now, &joined, &out);
}

static cm_status join_and_see(store_world *w, const char *text, const char *name, cm_wall now,
                              cm_stored_invitation *out)
{
    const secret s = secret_of(text);
    cm_join join = {.token_hash = s.hash,
                    .name = cm_slice_of(name),
                    .password_hash = CM_TEXT("hash"),
                    .origin = WORLD_ORIGIN};
    cm_secret_hash(cm_slice_of(name), join.session_token_hash);
    cm_stored_account joined;
    return cm_store_invitation_accept(w->store, &join, now, &joined, out);
}

static cm_status join_fresh(store_world *w, const char *text, const char *name, cm_wall now)
{
    cm_stored_invitation out;
    return join_and_see(w, text, name, now, &out);
}

static bool is_open(store_world *w, const char *text, cm_wall now)
{
    const secret s = secret_of(text);
    cm_stored_invitation out;
    const cm_status status = cm_store_invitation_find(w->store, s.hash, now, &out);
    assert_true(status == CM_OK || status == CM_ABSENT);
    return status == CM_OK;
}

static cm_role role_of(store_world *w, const cm_home_id *home, const char *account)
{
    cm_account_id id;
    assert_int_equal(cm_account_id_parse(cm_slice_of(account), &id), CM_OK);
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    const cm_status status = cm_store_member_find(w->store, home, &id, NOW, &members);
    assert_true(status == CM_OK || status == CM_ABSENT);
    return status == CM_OK ? members.items[0].role : CM_ROLE_NONE;
}

static uint32_t rights_by(store_world *w, const cm_asker *asker, const char *camera)
{
    const cm_camera_key key = camera_key("verdi", camera);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(cm_store_evidence(w->store, asker, &key, NOW, &e, &cause), CM_OK);
    return e.granted.count > 0 ? e.granted.items[0].rights : 0;
}

/* ---- what it gives ---- */

static void a_fresh_account_joins_in_one_step(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const secret s = secret_of("link");
    cm_new_invitation n = plain(&w, ANNA, &s);
    const cm_invited_right cameras[] = {
        {.camera = camera_key("verdi", "door").camera, .rights = 3}};
    n.cameras = cameras;
    n.camera_count = 1;
    cm_stored_invitation made;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &made), CM_OK);
    assert_string_equal(made.home_name, "Casa Verdi");
    assert_string_equal(made.by_name, "anna");
    assert_int_equal(cm_stored_invitation_state(&made, NOW), CM_INVITATION_OPEN);
    assert_true(is_open(&w, "link", NOW));
    assert_int_equal(join_fresh(&w, "link", "elena", NOW), CM_OK);
    const cm_asker elena = asker_of(CM_ASKER_SESSION, "elena");
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &elena, NOW, &who, &cause), CM_OK);
    assert_int_equal(who.home_count, 1);
    assert_int_equal(who.homes[0].role, CM_ROLE_GUEST);
    cm_who_clear(&who);
    assert_int_equal(rights_by(&w, &elena, "door"), 3);
    assert_int_equal(rights_by(&w, &elena, "yard"), 0);
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    assert_int_equal(cm_store_invitations(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(cm_stored_invitation_state(&list.items[0], NOW), CM_INVITATION_USED);
    assert_string_equal(list.items[0].used_by_name, "elena");
    assert_string_equal(list.items[0].label, "Elena");
    assert_int_equal(list.items[0].camera_count, 1);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* Shared cameras: an entrance is a home whose members come from other homes. */
static void a_member_of_another_home_joins_and_stays_where_he_is(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_ADULT);
    assert_int_equal(join_as(&w, "link", &w.people[CARLA].id, NOW), CM_OK);
    assert_int_equal(role_of(&w, &w.verdi, "carla"), CM_ROLE_ADULT);
    assert_int_equal(role_of(&w, &w.rossi, "carla"), CM_ROLE_OWNER);
    store_world_close(&w);
}

static void it_works_once(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_GUEST);
    assert_int_equal(join_as(&w, "link", &w.people[CARLA].id, NOW), CM_OK);
    assert_false(is_open(&w, "link", NOW));
    assert_int_equal(join_as(&w, "link", &w.people[DARIO].id, NOW), CM_ABSENT);
    assert_int_equal(join_fresh(&w, "link", "elena", NOW), CM_ABSENT);
    cm_stored_account other;
    assert_int_equal(cm_store_account_find_name(w.store, CM_TEXT("elena"), &other, NULL),
                     CM_ABSENT);
    store_world_close(&w);
}

/* ---- what is worth nothing ---- */

static void an_expired_one_or_one_of_a_wrong_clock_is_none(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_GUEST);
    const cm_wall last = {.us = IN_A_WEEK.us - 1};
    assert_true(is_open(&w, "link", last));
    assert_false(is_open(&w, "link", IN_A_WEEK));
    assert_int_equal(join_as(&w, "link", &w.people[CARLA].id, IN_A_WEEK), CM_ABSENT);
    /* The clock was years ahead when it was made: its end lies anywhere. */
    const cm_wall back = {.us = NOW.us - CM_SESSION_AHEAD_US - 1};
    assert_false(is_open(&w, "link", back));
    store_world_close(&w);
}

static void a_revoked_one_is_none_also_when_its_row_is_put_back(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_stored_invitation revoked = invite(&w, "revoked", CM_ROLE_OWNER);
    (void)invite(&w, "used", CM_ROLE_OWNER);
    world_sql(&w, "CREATE TABLE old AS SELECT * FROM invitations;"
                  "CREATE TABLE last AS SELECT * FROM invitations WHERE 0;"
                  "CREATE TRIGGER keep_deleted BEFORE DELETE ON invitations BEGIN"
                  " INSERT INTO last SELECT * FROM invitations WHERE rowid=OLD.rowid; END;"
                  "CREATE TRIGGER keep_updated BEFORE UPDATE ON invitations BEGIN"
                  " INSERT INTO last SELECT * FROM invitations WHERE rowid=OLD.rowid; END;");
    assert_int_equal(cm_store_invitation_revoke(w.store, &w.rossi, cm_slice_of(revoked.id)),
                     CM_ABSENT);
    assert_int_equal(cm_store_invitation_revoke(w.store, &w.verdi, cm_slice_of(revoked.id)), CM_OK);
    assert_int_equal(cm_store_invitation_revoke(w.store, &w.verdi, cm_slice_of(revoked.id)),
                     CM_ABSENT);
    assert_int_equal(join_as(&w, "used", &w.people[CARLA].id, NOW), CM_OK);
    world_sql(&w, "DROP TRIGGER keep_deleted; DROP TRIGGER keep_updated");
    static const char *const FORMS[] = {"old", "last"};
    for (size_t i = 0; i < CM_COUNT(FORMS); i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "DELETE FROM invitations; INSERT OR REPLACE INTO invitations SELECT * FROM %s",
                 FORMS[i]);
        world_sql(&w, sql);
        assert_int_equal(join_as(&w, "revoked", &w.people[DARIO].id, NOW), CM_FOREIGN);
        assert_int_equal(join_as(&w, "used", &w.people[DARIO].id, NOW), CM_FOREIGN);
    }
    assert_int_equal(role_of(&w, &w.verdi, "dario"), CM_ROLE_NONE);
    store_world_close(&w);
}

static void one_of_somebody_who_owns_the_home_no_more_ends_with_his_role(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "owner", CM_ROLE_OWNER);
    assert_int_equal(join_as(&w, "owner", &w.people[CARLA].id, NOW), CM_OK);
    (void)invite(&w, "link", CM_ROLE_GUEST);
    cm_change change;
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.verdi, &w.people[ANNA].id, CM_ROLE_ADULT, &change),
        CM_OK);
    cm_change_clear(&change);
    assert_false(is_open(&w, "link", NOW));
    /* Nor does it come back with the role. */
    assert_int_equal(
        cm_store_member_set_role(w.store, &w.verdi, &w.people[ANNA].id, CM_ROLE_OWNER, &change),
        CM_OK);
    cm_change_clear(&change);
    assert_int_equal(join_as(&w, "link", &w.people[DARIO].id, NOW), CM_ABSENT);
    /* What was used stays in the list. */
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    assert_int_equal(cm_store_invitations(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 1);
    (void)invite(&w, "second", CM_ROLE_GUEST);
    assert_int_equal(cm_store_member_remove(w.store, &w.verdi, &w.people[ANNA].id, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(join_as(&w, "second", &w.people[DARIO].id, NOW), CM_ABSENT);
    store_world_close(&w);
}

static void one_of_an_owner_held_off_or_of_a_home_that_ended_is_none(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_GUEST);
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[ANNA].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_false(is_open(&w, "link", NOW));
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[ANNA].id, true, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_true(is_open(&w, "link", NOW));
    assert_int_equal(cm_store_home_delete(w.store, &w.verdi, &change), CM_OK);
    cm_change_clear(&change);
    assert_false(is_open(&w, "link", NOW));
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* A camera that was removed is not granted, nor is another one that has its name since; and who
 * joined is told so. */
static void a_camera_made_anew_is_another_one(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const secret s = secret_of("link");
    cm_new_invitation n = plain(&w, ANNA, &s);
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_camera_key yard = camera_key("verdi", "yard");
    const cm_camera_key hall = camera_key("verdi", "hall");
    const cm_new_camera another = {
        .id = hall.camera, .name = CM_TEXT("Hall"), .main = CM_TEXT("rtsp://192.168.1.8/main")};
    cm_stored_camera camera;
    assert_int_equal(cm_store_camera_create(w.store, &w.verdi, &another, NOW, &camera), CM_OK);
    const cm_invited_right cameras[] = {{.camera = door.camera, .rights = VIEW},
                                        {.camera = yard.camera, .rights = VIEW},
                                        {.camera = hall.camera, .rights = VIEW}};
    n.cameras = cameras;
    n.camera_count = CM_COUNT(cameras);
    cm_stored_invitation made;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &made), CM_OK);
    cm_change change;
    assert_int_equal(cm_store_camera_delete(w.store, &door, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_camera_delete(w.store, &yard, &change), CM_OK);
    cm_change_clear(&change);
    const cm_new_camera fresh = {
        .id = door.camera, .name = CM_TEXT("Bedroom"), .main = CM_TEXT("rtsp://192.168.1.9/main")};
    const cm_wall later = {.us = NOW.us + 1};
    assert_int_equal(cm_store_camera_create(w.store, &w.verdi, &fresh, later, &camera), CM_OK);
    cm_stored_invitation joined;
    assert_int_equal(join_and_see(&w, "link", "elena", later, &joined), CM_OK);
    assert_int_equal(joined.camera_count, 1);
    assert_string_equal(joined.cameras[0].camera.text, "hall");
    const cm_asker elena = asker_of(CM_ASKER_SESSION, "elena");
    assert_int_equal(rights_by(&w, &elena, "door"), 0);
    assert_int_equal(rights_by(&w, &elena, "hall"), VIEW);
    store_world_close(&w);
}

static void a_hand_in_the_database_changes_no_invitation(void **state)
{
    (void)state;
    static const char *const FORGERIES[] = {
        "UPDATE invitations SET role = 1",
        "UPDATE invitations SET expires = expires + 1",
        "UPDATE invitations SET home = 'rossi'",
        "UPDATE invitations SET made_by = 'bruno'",
        "UPDATE invitations SET cameras = zeroblob(36)",
        "UPDATE invitations SET label = 'Somebody'",
        "UPDATE invitations SET used = 1",
    };
    for (size_t i = 0; i < CM_COUNT(FORGERIES); i++) {
        store_world w;
        store_world_open(&w);
        (void)invite(&w, "link", CM_ROLE_GUEST);
        world_sql(&w, FORGERIES[i]);
        if (join_as(&w, "link", &w.people[CARLA].id, NOW) != CM_FOREIGN)
            fail_msg("believed: %s", FORGERIES[i]);
        assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
        store_world_close(&w);
    }
}

/* ---- who may not ---- */

static void who_is_in_already_or_runs_the_server_does_not_join(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_OWNER);
    assert_int_equal(join_as(&w, "link", &w.people[BRUNO].id, NOW), CM_REFUSE);
    assert_int_equal(role_of(&w, &w.verdi, "bruno"), CM_ROLE_GUEST);
    const cm_new_account fresh = {.name = CM_TEXT("oona"), .is_operator = true};
    cm_stored_account oona;
    assert_int_equal(cm_store_account_create(w.store, &fresh, NOW, &oona), CM_OK);
    assert_int_equal(join_as(&w, "link", &oona.id, NOW), CM_REFUSE);
    assert_int_equal(join_fresh(&w, "link", "Anna", NOW), CM_REFUSE); /* the name is taken */
    assert_int_equal(join_fresh(&w, "link", "", NOW), CM_REFUSE);
    assert_true(is_open(&w, "link", NOW)); /* none of them used it up */
    store_world_close(&w);
}

static void what_is_wrong_about_a_new_one_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const secret s = secret_of("link");
    const cm_invited_right nowhere = {.camera = camera_key("verdi", "cellar").camera, .rights = 1};
    const cm_invited_right nothing = {.camera = camera_key("verdi", "door").camera};
    cm_stored_invitation out;
    for (int wrong = 0; wrong < 8; wrong++) {
        cm_new_invitation n = plain(&w, ANNA, &s);
        cm_status expected = CM_REFUSE;
        switch (wrong) {
        case 0:
            n.by = w.people[BRUNO].id; /* a guest */
            break;
        case 1:
            n.by = w.people[CARLA].id; /* an owner elsewhere */
            break;
        case 2:
            n.expires.us = NOW.us + CM_INVITATION_MAX_US + 1;
            break;
        case 3:
            n.expires = NOW;
            break;
        case 4:
            n.cameras = &nothing;
            n.camera_count = 1;
            break;
        case 5:
            n.cameras = &nowhere;
            n.camera_count = 1;
            expected = CM_ABSENT;
            break;
        case 6:
            n.label = CM_TEXT("a\nb");
            break;
        default:
            n.role = CM_ROLE_NONE;
            break;
        }
        assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), expected);
    }
    for (int i = 0; i < CM_HOME_INVITATIONS_MAX; i++) {
        char text[16];
        snprintf(text, sizeof text, "link%d", i);
        (void)invite(&w, text, CM_ROLE_GUEST);
    }
    const cm_new_invitation n = plain(&w, ANNA, &s);
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), CM_FULL);
    store_world_close(&w);
}

/* The server's: for a home that nobody lives in, and for nothing less than its owner. */
static void the_server_invites_a_first_owner_and_nobody_else(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_add_home(&w, "flat1", "Flat 1");
    const secret first = secret_of("first");
    const secret second = secret_of("second");
    cm_new_invitation n = plain(&w, ANNA, &first);
    n.by = (cm_account_id){{0}};
    n.role = CM_ROLE_OWNER;
    cm_stored_invitation out;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), CM_REFUSE); /* verdi */
    n.home = home_id("flat1");
    n.role = CM_ROLE_ADULT;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), CM_REFUSE);
    n.role = CM_ROLE_OWNER;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), CM_OK);
    n.token_hash = second.hash;
    assert_int_equal(cm_store_invitation_create(w.store, &n, NOW, &out), CM_OK);
    assert_false(is_open(&w, "first", NOW)); /* the later one ended it */
    /* Somebody lives there meanwhile: the server's invitation is worth nothing. */
    assert_int_equal(
        cm_store_member_add(w.store, &n.home, &w.people[DARIO].id, CM_ROLE_OWNER, false, NOW),
        CM_OK);
    assert_int_equal(join_as(&w, "second", &w.people[CARLA].id, NOW), CM_ABSENT);
    store_world_close(&w);
}

static void those_that_are_over_are_forgotten_after_a_month(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_GUEST);
    size_t removed;
    const cm_wall listed = {.us = IN_A_WEEK.us + CM_INVITATION_KEPT_US - 1};
    const cm_wall gone = {.us = IN_A_WEEK.us + CM_INVITATION_KEPT_US};
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    assert_int_equal(cm_store_expire(w.store, listed, &removed), CM_OK);
    assert_int_equal(cm_store_invitations(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 1);
    cm_stored_invitations_clear(&list);
    assert_int_equal(cm_store_expire(w.store, gone, &removed), CM_OK);
    assert_int_equal(cm_store_invitations(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 0);
    store_world_close(&w);
}

static void a_restored_database_has_no_invitations(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)invite(&w, "link", CM_ROLE_OWNER);
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "casement.db", "copy");
    store_world_reopen(&w);
    cm_change change;
    assert_int_equal(cm_store_session_end(w.store, w.sessions[BRUNO].token_hash, &change), CM_OK);
    cm_change_clear(&change);
    cm_store_close(w.store);
    w.store = NULL;
    world_copy_file(&w, "copy", "casement.db");
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    assert_int_equal(world_try_open(&w, &(cm_store_config){.accepts_older = true}), CM_OK);
    assert_false(is_open(&w, "link", NOW));
    store_world_close(&w);
}

/* ---- kill -9 ---- */

/* Child: makes an invitation and lets a fresh account join, over and over. */
static void join_until_killed(store_world *w, int pipe_end)
{
    for (uint32_t i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%d-%u", (int)getpid(), i);
        const secret s = secret_of(name);
        cm_new_invitation n = {.home = home_id("verdi"),
                               .role = CM_ROLE_GUEST,
                               .token_hash = s.hash,
                               .expires = IN_A_WEEK};
        cm_stored_invitation made;
        const cm_invited_right camera = {.camera = camera_key("verdi", "door").camera, .rights = 1};
        n.cameras = &camera;
        n.camera_count = 1;
        if (cm_account_id_parse(CM_TEXT("anna"), &n.by) != CM_OK ||
            cm_store_invitation_create(w->store, &n, NOW, &made) != CM_OK ||
            join_fresh(w, name, name, NOW) != CM_OK)
            _exit(4);
        store_killed_say(pipe_end, i);
    }
}

/* An invitation is used if and only if whoever used it is a member with what it grants. */
static size_t count_whole_joins(store_world *w)
{
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    assert_int_equal(cm_store_invitations(w->store, &w->verdi, &list), CM_OK);
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    assert_int_equal(cm_store_members(w->store, &w->verdi, NOW, &members), CM_OK);
    size_t used = 0;
    for (size_t i = 0; i < list.count; i++)
        used += list.items[i].used.us != 0 ? 1 : 0;
    for (size_t i = 0; i < members.count; i++)
        if (members.items[i].name[0] == 'p') {
            assert_int_equal(members.items[i].camera_count, 1);
            assert_int_equal(members.items[i].session_count, 1);
        }
    assert_int_equal(members.count, 2 + used); /* anna and bruno */
    CM_AUTO(cm_stored_accounts_clear) cm_stored_accounts accounts = {.count = 0};
    assert_int_equal(cm_store_accounts(w->store, &accounts), CM_OK);
    assert_int_equal(accounts.count, PEOPLE + used);
    return used;
}

static void killed_at_any_time_nobody_joined_by_half(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_random random = cm_random_seeded(7);
    size_t acknowledged = 0;
    for (int round = 0; round < 16; round++) {
        acknowledged += store_world_kill(&w, &random, round % 2 == 0, join_until_killed).said;
        assert_true(count_whole_joins(&w) >= acknowledged);
        if (acknowledged > CM_HOME_INVITATIONS_MAX / 2)
            break;
    }
    assert_true(acknowledged >= 8);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_account_joins_in_one_step),
        cmocka_unit_test(a_member_of_another_home_joins_and_stays_where_he_is),
        cmocka_unit_test(it_works_once),
        cmocka_unit_test(an_expired_one_or_one_of_a_wrong_clock_is_none),
        cmocka_unit_test(a_revoked_one_is_none_also_when_its_row_is_put_back),
        cmocka_unit_test(one_of_somebody_who_owns_the_home_no_more_ends_with_his_role),
        cmocka_unit_test(one_of_an_owner_held_off_or_of_a_home_that_ended_is_none),
        cmocka_unit_test(a_camera_made_anew_is_another_one),
        cmocka_unit_test(a_hand_in_the_database_changes_no_invitation),
        cmocka_unit_test(who_is_in_already_or_runs_the_server_does_not_join),
        cmocka_unit_test(what_is_wrong_about_a_new_one_is_refused),
        cmocka_unit_test(the_server_invites_a_first_owner_and_nobody_else),
        cmocka_unit_test(those_that_are_over_are_forgotten_after_a_month),
        cmocka_unit_test(a_restored_database_has_no_invitations),
        cmocka_unit_test(killed_at_any_time_nobody_joined_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
