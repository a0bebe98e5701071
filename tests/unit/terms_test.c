/* What a grant gives and when, and the clock of a home, as the store keeps them: columns that came
 * later. */
#include "store_world.h"

static uint64_t put_terms(store_world *w, const cm_grant_terms *terms, size_t raised)
{
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(
        cm_store_grant_put(w->store, &door, &w->people[BRUNO].id, terms, false, NOW, &change),
        CM_OK);
    assert_int_equal(change.raised_count, raised);
    cm_change_clear(&change);
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(w, BRUNO, "verdi", "door", &e, &cause), CM_OK);
    assert_int_equal(e.granted.count, 1);
    assert_true(cm_grant_terms_equal(&e.granted.items[0], terms));
    return e.min_epoch;
}

/* From each row to the next: 1 where something was taken away. */
static void terms_that_take_something_away_turn_the_keys_and_no_others(void **state)
{
    (void)state;
    static const struct {
        cm_grant_terms terms;
        size_t raised;
    } STEPS[] = {
        {{.rights = VIEW}, 0},
        {{.rights = VIEW | 32}, 0},                                   /* also to look back */
        {{.rights = VIEW | 32, .not_before = {5}}, 1},                /* not from before */
        {{.rights = VIEW | 32, .not_before = {4}}, 0},                /* a little more */
        {{.rights = VIEW | 32, .not_after = {900}}, 1},               /* ends */
        {{.rights = VIEW | 32, .not_after = {901}}, 0},               /* later */
        {{.rights = VIEW | 32, .not_after = {800}}, 1},               /* earlier */
        {{.rights = VIEW | 32}, 0},                                   /* never */
        {{.rights = VIEW | 32, .hours = {.from = 60, .to = 120}}, 1}, /* an hour */
        {{.rights = VIEW | 32, .hours = {.from = 60, .to = 121}}, 0}, /* a minute more */
        {{.rights = VIEW | 32, .hours = {.from = 61, .to = 121}}, 1}, /* a minute less */
        {{.rights = VIEW, .hours = {.from = 61, .to = 60}}, 1},       /* less to do, longer */
        {{.rights = VIEW, .hours = {.days = 0x7E, .from = 61, .to = 60}}, 1}, /* not on Mondays */
        {{.rights = VIEW, .hours = {.days = 0x7F, .from = 61, .to = 60}}, 0},
        {{.rights = VIEW}, 0},
    };
    store_world w;
    store_world_open(&w);
    for (size_t i = 0; i < CM_COUNT(STEPS); i++)
        put_terms(&w, &STEPS[i].terms, STEPS[i].raised);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void terms_that_can_not_be_are_refused(void **state)
{
    (void)state;
    static const cm_grant_terms BAD[] = {
        {.rights = 0},
        {.rights = VIEW, .hours = {.days = 0x80}},
        {.rights = VIEW, .hours = {.from = 600, .to = 600}},
        {.rights = VIEW, .hours = {.from = 1440, .to = 600}},
        {.rights = VIEW, .not_before = {-1}},
        {.rights = VIEW, .not_before = {5}, .not_after = {5}},
    };
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_change change;
        assert_int_equal(
            cm_store_grant_put(w.store, &door, &w.people[BRUNO].id, &BAD[i], false, NOW, &change),
            CM_REFUSE);
    }
    put_terms(&w, &JUST_VIEW, 0);
    store_world_close(&w);
}

/* Hours narrowed over the API, then the row from before is put back by hand. */
static void a_row_with_wider_hours_put_back_does_not_fit(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    world_sql(&w, "CREATE TABLE wide AS SELECT * FROM grants WHERE account='bruno'");
    put_terms(&w, &EVENINGS, 1);
    world_sql(&w, "DELETE FROM grants WHERE account='bruno';"
                  "INSERT INTO grants SELECT * FROM wide; DROP TABLE wide");
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(&w, BRUNO, "verdi", "door", &e, &cause), CM_FOREIGN);
    assert_string_equal(cause, "stale");
    store_world_close(&w);
}

static void a_home_goes_by_the_clock_it_was_given(void **state)
{
    (void)state;
    store_world w;
    store_world_open_empty(&w);
    cm_store_close(w.store);
    assert_int_equal(world_try_open(&w, &(cm_store_config){.time_zone = "Europe/Rome"}), CM_OK);
    world_add_home(&w, "verdi", "Casa Verdi");
    world_add_camera(&w, "verdi", "door");
    w.verdi = home_id("verdi");
    cm_stored_home home;
    assert_int_equal(cm_store_home_find(w.store, &w.verdi, &home), CM_OK);
    assert_string_equal(home.time_zone, "Europe/Rome");
    cm_change change;
    static const char *const BAD[] = {"Europe/Atlantis", "../../etc/passwd", "", "zone.tab"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(
            cm_store_home_set_time_zone(w.store, &w.verdi, cm_slice_of(BAD[i]), &change),
            CM_REFUSE);
    /* The same clock takes nothing away; another one may. */
    assert_int_equal(
        cm_store_home_set_time_zone(w.store, &w.verdi, CM_TEXT("Europe/Rome"), &change), CM_OK);
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
    assert_int_equal(
        cm_store_home_set_time_zone(w.store, &w.verdi, CM_TEXT("Asia/Kolkata"), &change), CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    store_world_reopen(&w);
    assert_int_equal(cm_store_home_find(w.store, &w.verdi, &home), CM_OK);
    assert_string_equal(home.time_zone, "Asia/Kolkata");
    assert_int_equal(cm_store_check(w.store), CM_OK);
    const cm_home_id nowhere = home_id("nowhere");
    assert_int_equal(cm_store_home_set_time_zone(w.store, &nowhere, CM_TEXT("UTC"), &change),
                     CM_ABSENT);
    store_world_close(&w);
}

/* ---- groups ---- */

static cm_group_key make_group(store_world *w, const char *camera)
{
    cm_group_key key = {.home = home_id("verdi")};
    const cm_camera_id only = camera_key("verdi", camera).camera;
    const cm_group_cameras cameras = {.items = &only, .count = 1};
    assert_int_equal(cm_store_group_create(w->store, &key, CM_TEXT("Outside"), &cameras, NOW),
                     CM_OK);
    return key;
}

static uint32_t rows_of(store_world *w, const char *camera)
{
    cm_evidence e;
    const char *cause = NULL;
    assert_int_equal(evidence_of(w, BRUNO, "verdi", camera, &e, &cause), CM_OK);
    return e.granted.count;
}

static void put_on_group(store_world *w, const cm_group_key *key, const cm_grant_terms *terms,
                         size_t raised)
{
    cm_change change;
    assert_int_equal(
        cm_store_group_grant_put(w->store, key, &w->people[BRUNO].id, terms, NOW, &change), CM_OK);
    assert_int_equal(change.raised_count, raised);
    cm_change_clear(&change);
}

static void set_cameras(store_world *w, const cm_group_key *key, const char *one, const char *two,
                        size_t raised)
{
    cm_camera_id ids[2];
    cm_group_cameras cameras = {.items = ids};
    if (one != NULL)
        ids[cameras.count++] = camera_key("verdi", one).camera;
    if (two != NULL)
        ids[cameras.count++] = camera_key("verdi", two).camera;
    cm_change change;
    assert_int_equal(cm_store_group_update(w->store, key, (cm_slice){0}, &cameras, &change), CM_OK);
    assert_int_equal(change.raised_count, raised);
    cm_change_clear(&change);
}

static void what_is_granted_on_a_group_is_granted_on_its_cameras(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_group_key outside = make_group(&w, "yard");
    assert_int_equal(rows_of(&w, "yard"), 0);
    put_on_group(&w, &outside, &EVENINGS, 0);
    assert_int_equal(rows_of(&w, "yard"), 1);
    assert_int_equal(rows_of(&w, "door"), 1); /* his own */
    set_cameras(&w, &outside, "yard", "door", 0);
    assert_int_equal(rows_of(&w, "door"), 2);
    put_on_group(&w, &outside, &JUST_VIEW, 0);  /* more */
    put_on_group(&w, &outside, &EVENINGS, 2);   /* less, for both cameras */
    set_cameras(&w, &outside, "door", NULL, 1); /* the yard leaves */
    assert_int_equal(rows_of(&w, "yard"), 0);
    cm_granted_cameras cameras;
    assert_int_equal(cm_store_granted_cameras(w.store, &w.people[BRUNO].id, &w.verdi, &cameras),
                     CM_OK);
    for (size_t i = 0; i < cameras.count; i++)
        assert_int_equal(cameras.items[i].granted.count,
                         strcmp(cameras.items[i].camera.key.camera.text, "door") == 0 ? 2 : 0);
    cm_granted_cameras_clear(&cameras);
    cm_stored_groups groups;
    assert_int_equal(cm_store_groups(w.store, &w.verdi, &groups), CM_OK);
    assert_int_equal(groups.count, 1);
    assert_int_equal(groups.items[0].camera_count, 1);
    assert_int_equal(groups.items[0].right_count, 1);
    assert_true(cm_grant_terms_equal(&groups.items[0].rights[0].terms, &EVENINGS));
    cm_stored_groups_clear(&groups);
    cm_change change;
    assert_int_equal(cm_store_group_grant_remove(w.store, &outside, &w.people[BRUNO].id, &change),
                     CM_OK);
    assert_raised(&change, "verdi", "door");
    cm_change_clear(&change);
    assert_int_equal(rows_of(&w, "door"), 1);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

/* However something of a group goes, whoever saw a camera through it loses it, and nothing is left.
 */
static void what_ends_a_group_or_a_part_of_it_is_a_cut(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        store_world w;
        store_world_open(&w);
        const cm_group_key outside = make_group(&w, "yard");
        put_on_group(&w, &outside, &JUST_VIEW, 0);
        cm_change change;
        const cm_camera_key yard = camera_key("verdi", "yard");
        if (how == 0)
            assert_int_equal(cm_store_group_delete(w.store, &outside, &change), CM_OK);
        else if (how == 1)
            assert_int_equal(cm_store_camera_delete(w.store, &yard, &change), CM_OK);
        else if (how == 2)
            assert_int_equal(
                cm_store_member_remove(w.store, &w.verdi, &w.people[BRUNO].id, &change), CM_OK);
        else
            assert_int_equal(cm_store_session_end(w.store, w.sessions[BRUNO].token_hash, &change),
                             CM_OK);
        assert_raised(&change, "verdi", "yard");
        cm_change_clear(&change);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        assert_int_equal(cm_store_home_delete(w.store, &w.verdi, &change), CM_OK);
        cm_change_clear(&change);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        store_world_close(&w);
    }
}

static void a_camera_put_back_into_a_group_by_hand_gives_no_right(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_group_key outside = make_group(&w, "yard");
    put_on_group(&w, &outside, &JUST_VIEW, 0);
    world_sql(&w, "CREATE TABLE old AS SELECT * FROM group_cameras");
    set_cameras(&w, &outside, NULL, NULL, 1);
    assert_int_equal(rows_of(&w, "yard"), 0);
    world_sql(&w, "INSERT INTO group_cameras SELECT * FROM old; DROP TABLE old");
    assert_int_equal(rows_of(&w, "yard"), 0);
    assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
    store_world_close(&w);
}

static void groups_are_bounded_and_named(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_group_key key;
    for (size_t i = 0; i < CM_CAMERA_GROUPS_MAX; i++)
        key = make_group(&w, "yard");
    const cm_camera_id yard = camera_key("verdi", "yard").camera;
    const cm_camera_id attic = camera_key("verdi", "attic").camera;
    const cm_group_cameras one = {.items = &yard, .count = 1};
    const cm_group_cameras absent = {.items = &attic, .count = 1};
    cm_change change;
    assert_int_equal(cm_store_group_create(w.store, &key, CM_TEXT("x"), &one, NOW), CM_FULL);
    assert_int_equal(cm_store_group_create(w.store, &key, CM_TEXT("x"), &absent, NOW), CM_ABSENT);
    assert_int_equal(cm_store_group_create(w.store, &key, CM_TEXT(" x"), NULL, NOW), CM_REFUSE);
    assert_int_equal(cm_store_group_update(w.store, &key, CM_TEXT("\n"), NULL, &change), CM_REFUSE);
    assert_int_equal(cm_store_group_update(w.store, &key, CM_TEXT("Garden"), NULL, &change), CM_OK);
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
    for (size_t i = CM_CAMERA_GROUPS_MAX; i < CM_HOME_GROUPS_MAX; i++)
        assert_int_equal(cm_store_group_create(w.store, &key, CM_TEXT("x"), NULL, NOW), CM_OK);
    assert_int_equal(cm_store_group_create(w.store, &key, CM_TEXT("x"), NULL, NOW), CM_FULL);
    const cm_group_key foreign = {.home = home_id("rossi"), .group = key.group};
    assert_int_equal(cm_store_group_delete(w.store, &foreign, &change), CM_ABSENT);
    assert_int_equal(
        cm_store_group_grant_put(w.store, &key, &w.people[CARLA].id, &JUST_VIEW, NOW, &change),
        CM_ABSENT); /* of another home */
    store_world_close(&w);
}

/* Rows of the first version keep their MACs, and mean what they meant. */
static void a_database_of_the_first_version_is_brought_up(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_stored_camera out;
    cm_change change;
    const bool yes = true;
    for (size_t who = 0; who < PEOPLE; who++) {
        assert_int_equal(cm_store_sessions_end_all(w.store, &w.people[who].id, NULL, &change),
                         CM_OK);
        cm_change_clear(&change);
    }
    /* As the first version knew it: of no time and no origin. */
    assert_int_equal(cm_store_session_create(w.store, &w.people[ANNA].id,
                                             w.sessions[ANNA].token_hash, &(cm_session_origin){0},
                                             (cm_wall){0}, &change),
                     CM_OK);
    cm_change_clear(&change);
    cm_store_close(w.store);
    w.store = NULL;
    world_first_version(&w);
    store_world_reopen(&w);
    cm_who who;
    const char *cause = NULL;
    assert_int_equal(cm_store_who(w.store, &w.sessions[ANNA], (cm_wall){.us = 1}, &who, &cause),
                     CM_OK);
    assert_false(cm_session_is_fresh(who.authenticated, (cm_wall){.us = 1}));
    cm_who_clear(&who);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    assert_int_equal(cm_store_camera_find(w.store, &door, &out), CM_OK);
    assert_false(out.takes_talk);
    assert_int_equal(cm_store_camera_update(w.store, &door, &(cm_camera_update){.takes_talk = &yes},
                                            &out, &change),
                     CM_OK);
    cm_change_clear(&change);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    /* What was set can't be taken away behind our back. */
    world_sql(&w, "UPDATE cameras SET takes_talk = 0");
    assert_int_equal(cm_store_check(w.store), CM_FOREIGN);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_that_take_something_away_turn_the_keys_and_no_others),
        cmocka_unit_test(terms_that_can_not_be_are_refused),
        cmocka_unit_test(a_row_with_wider_hours_put_back_does_not_fit),
        cmocka_unit_test(a_home_goes_by_the_clock_it_was_given),
        cmocka_unit_test(what_is_granted_on_a_group_is_granted_on_its_cameras),
        cmocka_unit_test(what_ends_a_group_or_a_part_of_it_is_a_cut),
        cmocka_unit_test(a_camera_put_back_into_a_group_by_hand_gives_no_right),
        cmocka_unit_test(groups_are_bounded_and_named),
        cmocka_unit_test(a_database_of_the_first_version_is_brought_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
