/* Live pictures by a guest link: the lease, its end, the cut, and what is told of who watches. */
#include "grants/rights.h"
#include "grants_rig.h"
#include "store/guest_links.h"

enum { DOOR = 0, YARD = 1 };

/* Anna's link to her door, opened: the look's token is `token`. */
static cm_asker make_guest(server *s, const char *token, int64_t lasts_us, char id[CM_ID_SIZE])
{
    char secret[64];
    snprintf(secret, sizeof secret, "secret of %s", token);
    const cm_asker hashed = asker_of(CM_ASKER_GUEST, secret);
    const cm_wall now = cm_loop_wall(s->control);
    const cm_new_guest_link n = {.camera = camera_key("verdi", "door"),
                                 .by = s->w.people[ANNA].id,
                                 .label = CM_TEXT("Mr Neri"),
                                 .until = {.us = now.us + lasts_us},
                                 .secret_hash = hashed.token_hash};
    cm_stored_guest_link link;
    assert_int_equal(cm_store_guest_link_create(s->w.store, &n, now, &link), CM_OK);
    const cm_asker guest = asker_of(CM_ASKER_GUEST, token);
    cm_guest_opening o = {.device = "", .network = ""};
    cm_slice_copy(cm_slice_over(hashed.token_hash, CM_MAC_SIZE), o.secret_hash, CM_MAC_SIZE);
    cm_slice_copy(cm_slice_over(guest.token_hash, CM_MAC_SIZE), o.token_hash, CM_MAC_SIZE);
    cm_guest_opened how;
    assert_int_equal(cm_store_guest_link_open(s->w.store, &o, now, &how, &link), CM_OK);
    cm_slice_copy(cm_slice_over(link.id, CM_ID_SIZE), id, CM_ID_SIZE);
    return guest;
}

static void told(server *s, cm_change *change)
{
    cm_grants_changed(s->grants, change, NULL);
    cm_change_clear(change);
    cm_sim_run_for(s->sim, CM_MS(100));
}

static void he_sees_that_camera_and_hears_nothing(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    char id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_GUEST_LINK_US, id);
    viewer door;
    viewer yard;
    ask_for(&s, &door, &guest, DOOR, UINT32_MAX >> (32 - CM_STREAMS), CM_RIGHTS_ALL);
    ask_for(&s, &yard, &guest, YARD, 3, CM_RIGHTS_ALL);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &door));
    assert_true(cm_lease_allows(door.lease, CM_STREAM_MAIN, CM_RIGHT_VIEW));
    assert_false(cm_lease_allows(door.lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN));
    assert_false(cm_lease_allows(door.lease, CM_STREAM_MAIN, CM_RIGHT_TALK));
    assert_false(cm_lease_allows(door.lease, CM_STREAM_MAIN, CM_RIGHT_PUBLISH));
    assert_true(yard.has_ended);
    assert_int_equal(yard.reason, CM_GRANT_DENIED_TOKEN_LIMIT);
    assert_int_equal(s.alarms, 0);
    stop_watching(&door);
    stop_watching(&yard);
    server_close(&s);
}

typedef struct seen {
    size_t count;
    cm_watching last;
} seen;

static void see(void *owner, const cm_watching *watching)
{
    seen *of = owner;
    of->count++;
    of->last = *watching;
}

static void who_watches_is_the_link_and_not_its_maker(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    char id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_GUEST_LINK_US, id);
    viewer v;
    watch_as(&s, &v, &guest, DOOR);
    cm_sim_run_for(s.sim, CM_MS(50));
    seen of = {.count = 0};
    cm_grants_each_viewer(s.grants, &s.w.verdi, see, &of);
    assert_int_equal(of.count, 1);
    assert_string_equal(of.last.account.text, "");
    assert_string_equal(of.last.account_name, "Mr Neri");
    assert_string_equal(of.last.link, id);
    stop_watching(&v);
    server_close(&s);
}

static void revoked_his_pictures_end_and_the_others_go_on(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    char id[CM_ID_SIZE];
    char other_id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_GUEST_LINK_US, id);
    const cm_asker other = make_guest(&s, "other", CM_GUEST_LINK_US, other_id);
    viewer cut;
    viewer stays;
    viewer member;
    watch_as(&s, &cut, &guest, DOOR);
    watch_as(&s, &stays, &other, DOOR);
    start_watching(&s, &member, BRUNO, DOOR);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &cut) && is_live(&s, &stays) && is_live(&s, &member));
    cm_change change;
    assert_int_equal(cm_store_guest_link_revoke(s.w.store, &s.w.verdi, cm_slice_of(id), &change),
                     CM_OK);
    told(&s, &change);
    assert_true(cut.has_ended);
    assert_int_equal(cut.reason, CM_GRANT_DENIED_LINK);
    assert_false(is_live(&s, &cut));
    assert_true(is_live(&s, &stays) && is_live(&s, &member));
    assert_true(stays.leases >= 2 && member.leases >= 2); /* under the next keys */
    stop_watching(&cut);
    stop_watching(&stays);
    stop_watching(&member);
    server_close(&s);
}

static void his_pictures_end_with_his_links_maker(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    assert_int_equal(cm_store_member_add(s.w.store, &s.w.verdi, &s.w.people[CARLA].id,
                                         CM_ROLE_OWNER, false, NOW),
                     CM_OK);
    char id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_GUEST_LINK_US, id);
    viewer v;
    watch_as(&s, &v, &guest, DOOR);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &v));
    cm_change change;
    assert_int_equal(cm_store_member_set_role(s.w.store, &s.w.verdi, &s.w.people[ANNA].id,
                                              CM_ROLE_ADULT, &change),
                     CM_OK);
    told(&s, &change);
    assert_true(v.has_ended);
    assert_false(is_live(&s, &v));
    stop_watching(&v);
    server_close(&s);
}

/* By the lease alone: nobody says a word. */
static void at_the_links_end_the_lease_is_over(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    char id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_SECONDS(90), id);
    viewer v;
    watch_as(&s, &v, &guest, DOOR);
    cm_sim_run_for(s.sim, CM_SECONDS(89));
    assert_true(is_live(&s, &v));
    assert_true(cm_instant_since(cm_lease_until(v.lease), cm_loop_now(s.viewers)) <=
                CM_SECONDS(1) + CM_MS(10));
    cm_sim_run_for(s.sim, CM_MS(1010));
    assert_false(is_live(&s, &v));
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    stop_watching(&v);
    server_close(&s);
}

/* Whoever spreads a link takes no picture from the household. */
static void eight_pictures_by_one_link_and_none_of_its_makers(void **state)
{
    (void)state;
    server s;
    const cm_grants_config config = {.viewer_sessions_per_account = 1};
    server_open(&s, &config);
    char id[CM_ID_SIZE];
    char other_id[CM_ID_SIZE];
    const cm_asker guest = make_guest(&s, "look", CM_GUEST_LINK_US, id);
    const cm_asker other = make_guest(&s, "other", CM_GUEST_LINK_US, other_id);
    viewer v[CM_LINK_VIEWERS_MAX + 1];
    for (size_t i = 0; i < CM_COUNT(v); i++)
        watch_as(&s, &v[i], &guest, DOOR);
    cm_sim_run_for(s.sim, CM_MS(100));
    size_t live = 0;
    for (size_t i = 0; i < CM_COUNT(v); i++)
        live += is_live(&s, &v[i]) ? 1 : 0;
    assert_int_equal(live, CM_LINK_VIEWERS_MAX);
    assert_int_equal(v[CM_LINK_VIEWERS_MAX].reason, CM_GRANT_DENIED_TOO_MANY);
    viewer anna;
    viewer another;
    start_watching(&s, &anna, ANNA, DOOR);
    watch_as(&s, &another, &other, DOOR);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &anna) && is_live(&s, &another));
    for (size_t i = 0; i < CM_COUNT(v); i++)
        stop_watching(&v[i]);
    stop_watching(&anna);
    stop_watching(&another);
    server_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(he_sees_that_camera_and_hears_nothing),
        cmocka_unit_test(who_watches_is_the_link_and_not_its_maker),
        cmocka_unit_test(revoked_his_pictures_end_and_the_others_go_on),
        cmocka_unit_test(his_pictures_end_with_his_links_maker),
        cmocka_unit_test(at_the_links_end_the_lease_is_over),
        cmocka_unit_test(eight_pictures_by_one_link_and_none_of_its_makers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
