/* Guest links: what they show and to whom, how often they open, and every way in which one ends. */

#include "grants/grants.h"
#include "grants/rights.h"
#include "store/everyone.h"
#include "store/guest_links.h"
#include "store_killed.h"

#define LATER(us_more) ((cm_wall){.us = NOW.us + (us_more)})
#define TWO_HOURS      LATER(CM_GUEST_LINK_US)

typedef struct hash {
    uint8_t bytes[CM_MAC_SIZE];
} hash;

static hash hash_of(const char *text)
{
    hash h;
    cm_secret_hash(cm_slice_of(text), h.bytes);
    return h;
}

static cm_new_guest_link plain(const store_world *w, const hash *secret)
{
    return (cm_new_guest_link){.camera = camera_key("verdi", "door"),
                               .by = w->people[ANNA].id,
                               .label = CM_TEXT("Mr Neri"),
                               .until = TWO_HOURS,
                               .secret_hash = secret->bytes};
}

/* Anna's, of her door, for two hours. */
static cm_stored_guest_link make(store_world *w, const char *secret, uint32_t openings_max)
{
    const hash h = hash_of(secret);
    cm_new_guest_link n = plain(w, &h);
    n.openings_max = openings_max;
    cm_stored_guest_link out;
    assert_int_equal(cm_store_guest_link_create(w->store, &n, NOW, &out), CM_OK);
    return out;
}

/* `present`: the token that the browser has, or NULL. */
static cm_status open_with(store_world *w, const char *secret, const char *token,
                           const char *present, cm_wall now, cm_guest_opened *how)
{
    const hash has = hash_of(present != NULL ? present : "");
    cm_guest_opening o = {.present = present != NULL ? has.bytes : NULL,
                          .device = "Chrome on Android",
                          .network = "192.0.2.7"};
    cm_secret_hash(cm_slice_of(secret), o.secret_hash);
    cm_secret_hash(cm_slice_of(token), o.token_hash);
    cm_stored_guest_link out;
    return cm_store_guest_link_open(w->store, &o, now, how, &out);
}

static cm_status try_open(store_world *w, const char *secret, const char *token, cm_wall now)
{
    cm_guest_opened how;
    const cm_status status = open_with(w, secret, token, NULL, now, &how);
    assert_true(status != CM_OK || how == CM_GUEST_OPENED);
    return status;
}

/* What whoever has the token may do with a camera of what he wants. */
static cm_grant_decision decide_for(store_world *w, const char *token, const char *home,
                                    const char *camera, cm_rights wanted, cm_wall now)
{
    const cm_asker asker = asker_of(CM_ASKER_GUEST, token);
    const cm_camera_key key = camera_key(home, camera);
    cm_evidence e;
    const char *cause = NULL;
    const cm_status status = cm_store_evidence(w->store, &asker, &key, now, &e, &cause);
    if (status == CM_FOREIGN)
        return (cm_grant_decision){.reason = CM_GRANT_DENIED_EVIDENCE};
    assert_int_equal(status, CM_OK);
    const cm_grant_facts facts = cm_grant_facts_of(&e);
    const cm_moment at = cm_zone_at(e.zone, now);
    return cm_grant_decide(&facts, &at, wanted);
}

static cm_grant_reason door_by(store_world *w, const char *token, cm_wall now)
{
    return decide_for(w, token, "verdi", "door", CM_RIGHT_VIEW, now).reason;
}

static void assert_shows(store_world *w, const char *token, cm_grant_reason expected)
{
    assert_string_equal(cm_grant_reason_name(door_by(w, token, NOW)),
                        cm_grant_reason_name(expected));
}

/* A link that was opened once, in a world of its own. */
static void open_world(store_world *w)
{
    store_world_open(w);
    (void)make(w, "secret", 0);
    assert_int_equal(try_open(w, "secret", "look", NOW), CM_OK);
    assert_shows(w, "look", CM_GRANT_ALLOWED_GRANT);
}

static cm_stored_guest_link only_link(store_world *w)
{
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    assert_int_equal(cm_store_guest_links(w->store, &w->verdi, &list), CM_OK);
    assert_int_equal(list.count, 1);
    return list.items[0];
}

/* ---- what it shows ---- */

static void it_shows_its_camera_and_nothing_else(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_grant_decision all = decide_for(&w, "look", "verdi", "door", CM_RIGHTS_ALL, NOW);
    assert_true(all.is_allowed);
    assert_int_equal(all.rights, CM_RIGHT_VIEW);
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++)
        if (cm_right_at(i) != CM_RIGHT_VIEW)
            assert_false(decide_for(&w, "look", "verdi", "door", cm_right_at(i), NOW).is_allowed);
    assert_int_equal(decide_for(&w, "look", "verdi", "yard", CM_RIGHT_VIEW, NOW).reason,
                     CM_GRANT_DENIED_TOKEN_LIMIT);
    assert_false(decide_for(&w, "look", "rossi", "door", CM_RIGHT_VIEW, NOW).is_allowed);
    assert_int_equal(door_by(&w, "secret", NOW), CM_GRANT_DENIED_SESSION); /* no token itself */
    store_world_close(&w);
}

static void a_guest_is_nobodys_account_and_of_no_home(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_asker asker = asker_of(CM_ASKER_GUEST, "look");
    cm_who who = {.home_count = 0};
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &asker, NOW, &who, &cause), CM_OK);
    assert_true(cm_who_is_guest(&who));
    assert_string_equal(who.account.text, "");
    assert_string_equal(who.name, "");
    assert_int_equal(who.home_count, 0);
    assert_int_equal(who.authenticated.us, 0);
    assert_false(who.is_operator);
    assert_string_equal(who.guest.label, "Mr Neri");
    assert_string_equal(who.guest.camera.camera.text, "door");
    cm_who_clear(&who);
    assert_int_equal(cm_store_who(w.store, &asker, TWO_HOURS, &who, &cause), CM_ABSENT);
    /* A token of one kind is none of another. */
    const cm_asker as_session = asker_of(CM_ASKER_SESSION, "look");
    const cm_asker as_token = asker_of(CM_ASKER_API_TOKEN, "look");
    const cm_asker session_as_look = asker_of(CM_ASKER_GUEST, "anna");
    assert_int_equal(cm_store_who(w.store, &as_session, NOW, &who, &cause), CM_ABSENT);
    assert_int_equal(cm_store_who(w.store, &as_token, NOW, &who, &cause), CM_ABSENT);
    assert_int_equal(cm_store_who(w.store, &session_as_look, NOW, &who, &cause), CM_ABSENT);
    store_world_close(&w);
}

/* ---- when ---- */

static void it_ends_by_itself(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_grant_decision now = decide_for(&w, "look", "verdi", "door", CM_RIGHT_VIEW, NOW);
    assert_int_equal(now.until.us, TWO_HOURS.us); /* so long a lease may live */
    assert_int_equal(door_by(&w, "look", LATER(CM_GUEST_LINK_US - 1)), CM_GRANT_ALLOWED_GRANT);
    assert_int_equal(door_by(&w, "look", TWO_HOURS), CM_GRANT_DENIED_SESSION);
    assert_int_equal(try_open(&w, "secret", "other", LATER(CM_GUEST_LINK_US - 1)), CM_OK);
    assert_int_equal(try_open(&w, "secret", "another", TWO_HOURS), CM_REFUSE);
    /* The clock was years ahead when it was made: its end lies anywhere. */
    const cm_wall back = LATER(-CM_SESSION_AHEAD_US - 1);
    assert_false(decide_for(&w, "look", "verdi", "door", CM_RIGHT_VIEW, back).is_allowed);
    assert_int_equal(try_open(&w, "secret", "third", back), CM_REFUSE);
    store_world_close(&w);
}

static void it_begins_when_it_is_said_to(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const hash h = hash_of("secret");
    cm_new_guest_link n = plain(&w, &h);
    n.from = LATER(CM_SECONDS(3600));
    cm_stored_guest_link link;
    assert_int_equal(cm_store_guest_link_create(w.store, &n, NOW, &link), CM_OK);
    assert_int_equal(cm_stored_guest_link_state(&link, NOW), CM_GUEST_LINK_NOT_YET);
    cm_guest_opened how;
    assert_int_equal(open_with(&w, "secret", "look", NULL, NOW, &how), CM_OK);
    assert_int_equal(how, CM_GUEST_EARLY);
    assert_int_equal(door_by(&w, "look", NOW), CM_GRANT_DENIED_SESSION);
    assert_int_equal(only_link(&w).openings, 0);
    assert_int_equal(try_open(&w, "secret", "look", n.from), CM_OK);
    assert_int_equal(door_by(&w, "look", n.from), CM_GRANT_ALLOWED_GRANT);
    /* A clock that is set back does not open it. */
    assert_int_equal(door_by(&w, "look", LATER(CM_SECONDS(3599))), CM_GRANT_DENIED_NOT_YET);
    store_world_close(&w);
}

static void a_look_lasts_a_day_and_the_link_opens_another(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const hash h = hash_of("secret");
    cm_new_guest_link n = plain(&w, &h);
    n.until = LATER(CM_GUEST_LINK_MAX_US);
    cm_stored_guest_link link;
    assert_int_equal(cm_store_guest_link_create(w.store, &n, NOW, &link), CM_OK);
    assert_int_equal(try_open(&w, "secret", "look", NOW), CM_OK);
    assert_int_equal(door_by(&w, "look", LATER(CM_GUEST_LOOK_US - 1)), CM_GRANT_ALLOWED_GRANT);
    assert_int_equal(door_by(&w, "look", LATER(CM_GUEST_LOOK_US)), CM_GRANT_DENIED_SESSION);
    cm_guest_opened how;
    assert_int_equal(open_with(&w, "secret", "next", "look", LATER(CM_GUEST_LOOK_US), &how), CM_OK);
    assert_int_equal(how, CM_GUEST_OPENED);
    assert_int_equal(door_by(&w, "next", LATER(CM_GUEST_LOOK_US)), CM_GRANT_ALLOWED_GRANT);
    store_world_close(&w);
}

/* ---- how often ---- */

static void openings_are_counted_and_the_same_browsers_are_not(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    cm_guest_opened how;
    assert_int_equal(open_with(&w, "secret", "again", "look", LATER(1), &how), CM_OK);
    assert_int_equal(how, CM_GUEST_PRESENT);
    assert_int_equal(door_by(&w, "again", LATER(1)), CM_GRANT_DENIED_SESSION);
    assert_int_equal(only_link(&w).openings, 1);
    /* The look of another link is none of this one. */
    (void)make(&w, "other", 0);
    assert_int_equal(open_with(&w, "other", "again", "look", LATER(2), &how), CM_OK);
    assert_int_equal(how, CM_GUEST_OPENED);
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    assert_int_equal(cm_store_guest_links(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 2);
    const cm_stored_guest_link *link = &list.items[1];
    assert_int_equal(link->openings, 1);
    assert_int_equal(link->last_opened.us, LATER(2).us);
    assert_string_equal(link->by_name, "anna");
    assert_int_equal(link->look_count, 1);
    assert_string_equal(link->looks[0].device, "Chrome on Android");
    assert_string_equal(link->looks[0].network, "192.0.2.7");
    store_world_close(&w);
}

static void one_for_two_openings_opens_twice(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    (void)make(&w, "secret", 2);
    world_sql(&w, "CREATE TABLE old AS SELECT * FROM guest_links;"
                  "CREATE TABLE last AS SELECT * FROM guest_links WHERE 0;"
                  "CREATE TRIGGER keep_updated BEFORE UPDATE ON guest_links BEGIN"
                  " INSERT INTO last SELECT * FROM guest_links WHERE rowid=OLD.rowid; END;");
    assert_int_equal(try_open(&w, "secret", "first", NOW), CM_OK);
    assert_int_equal(try_open(&w, "secret", "second", NOW), CM_OK);
    assert_int_equal(try_open(&w, "secret", "third", NOW), CM_REFUSE);
    const cm_stored_guest_link link = only_link(&w);
    assert_int_equal(cm_stored_guest_link_state(&link, NOW), CM_GUEST_LINK_USED_UP);
    assert_shows(&w, "first", CM_GRANT_ALLOWED_GRANT);
    assert_shows(&w, "second", CM_GRANT_ALLOWED_GRANT);
    cm_guest_opened how;
    assert_int_equal(open_with(&w, "secret", "third", "first", NOW, &how), CM_OK);
    assert_int_equal(how, CM_GUEST_PRESENT);
    /* None of its rows from before counts. */
    world_sql(&w, "DROP TRIGGER keep_updated; PRAGMA foreign_keys=OFF");
    static const char *const FORMS[] = {
        "DELETE FROM guest_links; INSERT INTO guest_links SELECT * FROM old",
        "DELETE FROM guest_links; INSERT INTO guest_links SELECT * FROM last ORDER BY rowid LIMIT "
        "1",
        "DELETE FROM guest_links;"
        "INSERT INTO guest_links SELECT * FROM last ORDER BY rowid DESC LIMIT 1"};
    for (size_t i = 0; i < CM_COUNT(FORMS); i++) {
        world_sql(&w, FORMS[i]);
        assert_int_equal(try_open(&w, "secret", "third", NOW), CM_FOREIGN);
        assert_shows(&w, "first", CM_GRANT_DENIED_EVIDENCE);
    }
    store_world_close(&w);
}

static void sixteen_look_at_once_by_one_link(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const hash h = hash_of("secret");
    cm_new_guest_link n = plain(&w, &h);
    n.until = LATER(CM_GUEST_LINK_MAX_US);
    cm_stored_guest_link link;
    assert_int_equal(cm_store_guest_link_create(w.store, &n, NOW, &link), CM_OK);
    char token[16];
    for (int i = 0; i < CM_GUEST_LOOKS_MAX; i++) {
        snprintf(token, sizeof token, "look%d", i);
        assert_int_equal(try_open(&w, "secret", token, LATER(i)), CM_OK);
    }
    assert_int_equal(try_open(&w, "secret", "one-more", LATER(CM_GUEST_LOOKS_MAX)), CM_REFUSE);
    /* Those that have expired make room. */
    assert_int_equal(try_open(&w, "secret", "one-more", LATER(CM_GUEST_LOOK_US)), CM_OK);
    assert_int_equal(try_open(&w, "secret", "two-more", LATER(CM_GUEST_LOOK_US)), CM_REFUSE);
    link = only_link(&w);
    assert_int_equal(link.openings, CM_GUEST_LOOKS_MAX + 1);
    assert_int_equal(link.look_count, CM_GUEST_LOOKS_MAX);
    store_world_close(&w);
}

/* ---- the cut ---- */

static void a_revoked_one_is_none_also_when_its_row_is_put_back(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_stored_guest_link link = only_link(&w);
    world_sql(&w, "CREATE TABLE old AS SELECT * FROM guest_links;"
                  "CREATE TABLE last AS SELECT * FROM guest_links WHERE 0;"
                  "CREATE TRIGGER keep_updated BEFORE UPDATE ON guest_links BEGIN"
                  " INSERT INTO last SELECT * FROM guest_links WHERE rowid=OLD.rowid; END;");
    cm_change change;
    assert_int_equal(cm_store_guest_link_revoke(w.store, &w.rossi, cm_slice_of(link.id), &change),
                     CM_ABSENT);
    assert_int_equal(cm_store_guest_link_revoke(w.store, &w.verdi, CM_TEXT("nothing"), &change),
                     CM_ABSENT);
    assert_int_equal(cm_store_guest_link_revoke(w.store, &w.verdi, cm_slice_of(link.id), &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 1);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    const cm_asker asker = asker_of(CM_ASKER_GUEST, "look");
    cm_who who = {.home_count = 0};
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &asker, NOW, &who, &cause), CM_ABSENT);
    /* Once more: it is revoked already, and nobody's picture is interrupted. */
    assert_int_equal(cm_store_guest_link_revoke(w.store, &w.verdi, cm_slice_of(link.id), &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 0);
    world_sql(&w, "DROP TRIGGER keep_updated");
    static const char *const FORMS[] = {"old", "last"};
    for (size_t i = 0; i < CM_COUNT(FORMS); i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "DELETE FROM guest_links; INSERT OR REPLACE INTO guest_links SELECT * FROM %s",
                 FORMS[i]);
        world_sql(&w, sql);
        assert_shows(&w, "look", CM_GRANT_DENIED_EVIDENCE);
        assert_int_equal(try_open(&w, "secret", "other", NOW), CM_FOREIGN);
    }
    store_world_close(&w);
}

/* ---- its maker ---- */

static void add_second_owner(store_world *w)
{
    assert_int_equal(
        cm_store_member_add(w->store, &w->verdi, &w->people[CARLA].id, CM_ROLE_OWNER, false, NOW),
        CM_OK);
}

static void it_ends_with_its_makers_role_and_does_not_come_back_with_it(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    add_second_owner(&w);
    const cm_account_id *anna = &w.people[ANNA].id;
    cm_change change;
    assert_int_equal(cm_store_member_set_role(w.store, &w.verdi, anna, CM_ROLE_ADULT, &change),
                     CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
    assert_int_equal(cm_store_member_set_role(w.store, &w.verdi, anna, CM_ROLE_OWNER, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    const cm_stored_guest_link link = only_link(&w);
    assert_int_equal(cm_stored_guest_link_state(&link, NOW), CM_GUEST_LINK_WITHOUT_MAKER);
    store_world_close(&w);
}

static void it_ends_when_its_maker_leaves_or_his_account_does(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        store_world w;
        open_world(&w);
        add_second_owner(&w);
        const cm_account_id *anna = &w.people[ANNA].id;
        const cm_move_out move = {.account = *anna, .homes = &w.verdi, .count = 1};
        cm_moved_home moved;
        cm_change change;
        const cm_status status = way == 0 ? cm_store_member_remove(w.store, &w.verdi, anna, &change)
                                 : way == 1 ? cm_store_account_delete(w.store, anna, &change)
                                            : cm_store_move_out(w.store, &move, &moved, &change);
        assert_int_equal(status, CM_OK);
        assert_raised(&change, "verdi", "door");
        cm_change_clear(&change);
        assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
        assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        if (way == 0)
            assert_int_equal(
                cm_store_member_add(w.store, &w.verdi, anna, CM_ROLE_OWNER, false, NOW), CM_OK);
        assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
        store_world_close(&w);
    }
}

static void nothing_is_shown_while_its_maker_or_its_home_is_held_off(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_account_id *anna = &w.people[ANNA].id;
    cm_change change;
    assert_int_equal(cm_store_account_set_active(w.store, anna, false, &change), CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_ACCOUNT);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    assert_int_equal(cm_store_account_set_active(w.store, anna, true, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_account_set_operator(w.store, anna, true, &change), CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_OPERATOR);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    assert_int_equal(cm_store_account_set_operator(w.store, anna, false, &change), CM_OK);
    cm_change_clear(&change);
    assert_int_equal(
        cm_store_home_suspend(w.store, &w.verdi, CM_TEXT("oona"), CM_TEXT("unpaid"), NOW, &change),
        CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_SUSPENDED);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    assert_int_equal(cm_store_home_resume(w.store, &w.verdi, &change), CM_OK);
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_ALLOWED_GRANT);
    store_world_close(&w);
}

static void logging_everyone_out_revokes_them(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_everyone what = {.home = w.verdi};
    cm_everyone_count count;
    cm_change change;
    assert_int_equal(cm_store_everyone_out(w.store, &what, NOW, &count, &change), CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_LINK);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_REFUSE);
    const cm_stored_guest_link link = only_link(&w);
    assert_int_equal(cm_stored_guest_link_state(&link, NOW), CM_GUEST_LINK_IS_REVOKED);
    store_world_close(&w);
}

/* By the rows alone, whatever the transaction that took the role away forgot. */
static void the_decision_asks_for_its_makers_role_itself(void **state)
{
    (void)state;
    cm_evidence e = {.session_is_live = true,
                     .account_is_active = true,
                     .role = CM_ROLE_OWNER,
                     .token_limit = UINT32_MAX,
                     .camera_exists = true,
                     .granted = {.count = 1, .items = {{.rights = CM_RIGHTS_ALL}}},
                     .guest = {.link = "l", .from = NOW, .until = TWO_HOURS}};
    const cm_moment now = {.now = NOW};
    /* Either alone narrows him to looking. */
    assert_int_equal(cm_grant_facts_of(&e).token_limit, CM_RIGHT_VIEW);
    assert_int_equal(cm_grant_facts_of(&e).granted.items[0].rights, CM_RIGHT_VIEW);
    for (unsigned role = CM_ROLE_NONE; role < CM_ROLES; role++) {
        e.role = (cm_role)role;
        const cm_grant_facts facts = cm_grant_facts_of(&e);
        const cm_grant_decision d = cm_grant_decide(&facts, &now, CM_RIGHTS_ALL);
        assert_int_equal(d.is_allowed, role == CM_ROLE_OWNER);
        assert_int_equal(d.reason, role == CM_ROLE_OWNER  ? CM_GRANT_ALLOWED_GRANT
                                   : role == CM_ROLE_NONE ? CM_GRANT_DENIED_NO_MEMBER
                                                          : CM_GRANT_DENIED_MAKER);
        assert_int_equal(d.rights, role == CM_ROLE_OWNER ? CM_RIGHT_VIEW : 0);
    }
}

static void links_go_with_their_camera_and_with_their_home(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_camera_delete(w.store, &door, &change), CM_OK);
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_SESSION);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_ABSENT);
    /* Another camera of that name is another camera. */
    world_add_camera(&w, "verdi", "door");
    assert_shows(&w, "look", CM_GRANT_DENIED_SESSION);
    (void)make(&w, "second", 0);
    assert_int_equal(try_open(&w, "second", "look", NOW), CM_OK);
    assert_int_equal(cm_store_home_delete(w.store, &w.verdi, &change), CM_OK);
    cm_change_clear(&change);
    assert_shows(&w, "look", CM_GRANT_DENIED_SESSION);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* ---- hands in the database ---- */

static void a_hand_in_the_database_changes_none(void **state)
{
    (void)state;
    static const char *const FORGERIES[] = {
        "UPDATE guest_links SET not_after = not_after + 1",
        "UPDATE guest_links SET not_before = 0",
        "UPDATE guest_links SET camera = 'yard'",
        "UPDATE guest_links SET made_by = 'carla'",
        "UPDATE guest_links SET openings_max = 100",
        "UPDATE guest_links SET openings = 0",
        "UPDATE guest_links SET label = 'Somebody'",
        "UPDATE guest_looks SET expires = expires + 1",
        "UPDATE guest_looks SET opened = 0",
        "UPDATE guest_looks SET camera = 'yard'",
        "UPDATE guest_looks SET link = (SELECT id FROM guest_links WHERE camera = 'yard')",
        "UPDATE guest_looks SET home = 'rossi'",
        "DELETE FROM guest_links WHERE camera = 'door'",
    };
    for (size_t i = 0; i < CM_COUNT(FORGERIES); i++) {
        store_world w;
        open_world(&w);
        const hash h = hash_of("yard");
        cm_new_guest_link n = plain(&w, &h);
        n.camera = camera_key("verdi", "yard");
        cm_stored_guest_link out;
        assert_int_equal(cm_store_guest_link_create(w.store, &n, NOW, &out), CM_OK);
        world_sql(&w, FORGERIES[i]);
        static const char *const CAMERAS[] = {"door", "yard"};
        for (size_t c = 0; c < CM_COUNT(CAMERAS); c++)
            if (decide_for(&w, "look", "verdi", CAMERAS[c], CM_RIGHT_VIEW, NOW).reason !=
                CM_GRANT_DENIED_EVIDENCE)
                fail_msg("believed for %s: %s", CAMERAS[c], FORGERIES[i]);
        store_world_close(&w);
    }
}

/* ---- limits ---- */

static void what_is_wrong_about_a_new_one_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const hash h = hash_of("secret");
    cm_stored_guest_link out;
    for (int wrong = 0; wrong < 10; wrong++) {
        cm_new_guest_link n = plain(&w, &h);
        cm_status expected = CM_REFUSE;
        switch (wrong) {
        case 0:
            n.by = w.people[BRUNO].id; /* a guest who sees the door */
            break;
        case 1:
            n.by = w.people[CARLA].id; /* an owner elsewhere */
            break;
        case 2:
            n.until = LATER(CM_GUEST_LINK_MAX_US + 1);
            break;
        case 3:
            n.until = NOW;
            break;
        case 4:
            n.from = n.until;
            break;
        case 5:
            n.openings_max = CM_GUEST_LINK_OPENINGS_MAX + 1;
            break;
        case 6:
            n.label = CM_TEXT("");
            break;
        case 7:
            n.label = CM_TEXT("a\nb");
            break;
        case 8:
            n.camera = camera_key("verdi", "cellar");
            expected = CM_ABSENT;
            break;
        default:
            n.camera = camera_key("nowhere", "door");
            expected = CM_ABSENT;
            break;
        }
        assert_int_equal(cm_store_guest_link_create(w.store, &n, NOW, &out), expected);
    }
    cm_new_guest_link most = plain(&w, &h);
    most.until = LATER(CM_GUEST_LINK_MAX_US);
    most.openings_max = CM_GUEST_LINK_OPENINGS_MAX;
    assert_int_equal(cm_store_guest_link_create(w.store, &most, NOW, &out), CM_OK);
    store_world_close(&w);
}

static cm_status make_number(store_world *w, int number, cm_wall now)
{
    char secret[16];
    snprintf(secret, sizeof secret, "s%d", number);
    const hash h = hash_of(secret);
    cm_new_guest_link n = plain(w, &h);
    n.until.us = now.us + CM_GUEST_LINK_US;
    cm_stored_guest_link out;
    return cm_store_guest_link_create(w->store, &n, now, &out);
}

static void a_camera_has_so_many_and_a_home_lists_so_many(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    int number = 0;
    cm_wall now = NOW;
    while (number < CM_HOME_GUEST_LINKS_MAX) {
        for (int i = 0; i < CM_CAMERA_GUEST_LINKS_MAX; i++)
            assert_int_equal(make_number(&w, number++, now), CM_OK);
        assert_int_equal(make_number(&w, number, now), CM_FULL);
        now.us += CM_GUEST_LINK_US; /* they are over */
    }
    assert_int_equal(make_number(&w, number, now), CM_OK); /* the oldest made room */
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    assert_int_equal(cm_store_guest_links(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, CM_HOME_GUEST_LINKS_MAX);
    assert_int_equal(try_open(&w, "s0", "look", NOW), CM_ABSENT);
    store_world_close(&w);
}

static void those_that_are_over_are_forgotten_after_a_month(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
    size_t removed;
    assert_int_equal(
        cm_store_expire(w.store, LATER(CM_GUEST_LINK_US + CM_GUEST_LINK_KEPT_US - 1), &removed),
        CM_OK);
    (void)only_link(&w);
    assert_int_equal(
        cm_store_expire(w.store, LATER(CM_GUEST_LINK_US + CM_GUEST_LINK_KEPT_US), &removed), CM_OK);
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    assert_int_equal(cm_store_guest_links(w.store, &w.verdi, &list), CM_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void a_restored_database_has_none(void **state)
{
    (void)state;
    store_world w;
    open_world(&w);
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
    assert_shows(&w, "look", CM_GRANT_DENIED_SESSION);
    assert_int_equal(try_open(&w, "secret", "other", NOW), CM_ABSENT);
    store_world_close(&w);
}

/* ---- kill -9 ---- */

/* Child: makes a link for one opening, opens it, revokes it, over and over. */
static void open_until_killed(store_world *w, int pipe_end)
{
    for (uint32_t i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%d-%u", (int)getpid(), i);
        const hash h = hash_of(name);
        cm_new_guest_link n = plain(w, &h);
        n.openings_max = 1;
        cm_stored_guest_link made;
        cm_change change;
        if (cm_store_guest_link_create(w->store, &n, NOW, &made) != CM_OK ||
            try_open(w, name, name, NOW) != CM_OK ||
            cm_store_guest_link_revoke(w->store, &w->verdi, cm_slice_of(made.id), &change) != CM_OK)
            _exit(4);
        cm_change_clear(&change);
        store_killed_say(pipe_end, i);
    }
}

/* A link was opened if and only if it has a look. One that is revoked has raised the epoch. */
static size_t count_whole(store_world *w)
{
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    assert_int_equal(cm_store_guest_links(w->store, &w->verdi, &list), CM_OK);
    size_t revoked = 0;
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].openings, list.items[i].look_count);
        revoked += list.items[i].end == CM_GUEST_LINK_REVOKED ? 1 : 0;
    }
    return revoked;
}

static uint64_t door_epoch(store_world *w)
{
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera camera;
    assert_int_equal(cm_store_camera_find(w->store, &door, &camera), CM_OK);
    return camera.min_epoch;
}

static void killed_at_any_time_none_is_opened_or_revoked_by_half(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const uint64_t epoch = door_epoch(&w);
    cm_random random = cm_random_seeded(11);
    size_t acknowledged = 0;
    for (int round = 0; round < 16 && acknowledged < 80; round++) {
        acknowledged += store_world_kill(&w, &random, round % 2 == 0, open_until_killed).said;
        const size_t revoked = count_whole(&w);
        assert_true(revoked >= acknowledged);
        assert_int_equal(door_epoch(&w), epoch + revoked);
    }
    assert_true(acknowledged >= 8);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_shows_its_camera_and_nothing_else),
        cmocka_unit_test(a_guest_is_nobodys_account_and_of_no_home),
        cmocka_unit_test(it_ends_by_itself),
        cmocka_unit_test(it_begins_when_it_is_said_to),
        cmocka_unit_test(a_look_lasts_a_day_and_the_link_opens_another),
        cmocka_unit_test(openings_are_counted_and_the_same_browsers_are_not),
        cmocka_unit_test(one_for_two_openings_opens_twice),
        cmocka_unit_test(sixteen_look_at_once_by_one_link),
        cmocka_unit_test(a_revoked_one_is_none_also_when_its_row_is_put_back),
        cmocka_unit_test(it_ends_with_its_makers_role_and_does_not_come_back_with_it),
        cmocka_unit_test(it_ends_when_its_maker_leaves_or_his_account_does),
        cmocka_unit_test(nothing_is_shown_while_its_maker_or_its_home_is_held_off),
        cmocka_unit_test(logging_everyone_out_revokes_them),
        cmocka_unit_test(the_decision_asks_for_its_makers_role_itself),
        cmocka_unit_test(links_go_with_their_camera_and_with_their_home),
        cmocka_unit_test(a_hand_in_the_database_changes_none),
        cmocka_unit_test(what_is_wrong_about_a_new_one_is_refused),
        cmocka_unit_test(a_camera_has_so_many_and_a_home_lists_so_many),
        cmocka_unit_test(those_that_are_over_are_forgotten_after_a_month),
        cmocka_unit_test(a_restored_database_has_none),
        cmocka_unit_test(killed_at_any_time_none_is_opened_or_revoked_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
