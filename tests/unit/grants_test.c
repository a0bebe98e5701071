/* grants: the decision, leases on virtual time, and the cut with messages lost. */
#include "grants_rig.h"

#include "base/fault.h"
#include "grants/permission.h"
#include "grants/rights.h"

/* ---- the decision ---- */

/* What hangs on no time needs no clock either. */
static const cm_moment ANY_TIME;

/* Those of issue 3; the others follow the same rules (rights_test). */
enum { FOUR = VIEW | CM_RIGHT_LISTEN | CM_RIGHT_TALK | CM_RIGHT_PUBLISH };

/* Every combination of facts, against the rule said another way: a right is there if each of these
 * has it; one to hear or talk only beside that to see, one to publish alone as well. */
static void the_decision_is_all_or_nothing(void **state)
{
    (void)state;
    size_t allowed = 0;
    for (unsigned bits = 0; bits < 32 * 256; bits++)
        for (int role = -1; role <= CM_ROLES; role++)
            for (cm_rights wanted = 0; wanted <= FOUR; wanted++) {
                const cm_rights granted = bits >> 5 & FOUR;
                const cm_rights limit = bits >> 9 & FOUR;
                const cm_grant_facts facts = {
                    .session_is_live = (bits & 1) != 0,
                    .account_is_active = (bits & 2) != 0,
                    .is_operator = (bits & 4) != 0,
                    .role = (cm_role)role,
                    .granted = GRANTED(granted),
                    .token_limit = limit,
                    .camera_exists = (bits & 16) != 0,
                };
                const cm_grant_decision d = cm_grant_decide(&facts, &ANY_TIME, wanted);
                const bool is_member = role >= CM_ROLE_OWNER && role <= CM_ROLE_GUEST;
                const cm_rights given = role == CM_ROLE_OWNER ? FOUR : granted;
                const bool sees = (given & limit & VIEW) != 0;
                const cm_rights has = wanted & limit & given & (sees ? FOUR : CM_RIGHT_PUBLISH);
                const bool may = (bits & 1) != 0 && (bits & 2) != 0 && (bits & 4) == 0 &&
                                 (bits & 16) != 0 && is_member && has != 0;
                assert_int_equal(d.is_allowed, may);
                assert_int_equal(d.rights, may ? has : 0);
                assert_int_equal(d.reason <= CM_GRANT_ALLOWED_GRANT, may);
                allowed += may ? 1 : 0;
            }
    assert_true(allowed > 0);
    for (int r = 0; r < CM_GRANT_REASONS; r++)
        assert_string_not_equal(cm_grant_reason_name((cm_grant_reason)r), "unknown");
}

static void who_may_not_see_may_not_hear(void **state)
{
    (void)state;
    const cm_grant_facts facts = {.session_is_live = true,
                                  .account_is_active = true,
                                  .role = CM_ROLE_ADULT,
                                  .granted = GRANTED(CM_RIGHT_LISTEN | CM_RIGHT_TALK),
                                  .token_limit = UINT32_MAX,
                                  .camera_exists = true};
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHTS_ALL).reason,
                     CM_GRANT_DENIED_NO_GRANT);
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHT_LISTEN).rights, 0);
}

/* Bringing pictures and seeing them are apart: neither right gives the other. */
static void who_may_publish_may_not_see_by_that(void **state)
{
    (void)state;
    cm_grant_facts facts = {.session_is_live = true,
                            .account_is_active = true,
                            .role = CM_ROLE_OWNER,
                            .token_limit = CM_RIGHT_PUBLISH,
                            .camera_exists = true};
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHT_PUBLISH).rights, CM_RIGHT_PUBLISH);
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, VIEW).reason, CM_GRANT_DENIED_TOKEN_LIMIT);
    facts.token_limit = VIEW | CM_RIGHT_LISTEN;
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHT_PUBLISH).reason,
                     CM_GRANT_DENIED_TOKEN_LIMIT);
    facts.token_limit = UINT32_MAX;
    facts.role = CM_ROLE_ADULT;
    facts.granted = GRANTED(VIEW);
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHT_PUBLISH).reason,
                     CM_GRANT_DENIED_NO_GRANT);
    facts.granted = GRANTED(CM_RIGHT_PUBLISH);
    assert_true(cm_grant_decide(&facts, &ANY_TIME, CM_RIGHT_PUBLISH).is_allowed);
    assert_false(cm_grant_decide(&facts, &ANY_TIME, VIEW).is_allowed);
}

static void rights_have_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cm_rights rights; /* 0: refused */
    } ROWS[] = {
        {"view", VIEW},
        {"view,listen", VIEW | CM_RIGHT_LISTEN},
        {"talk,view", VIEW | CM_RIGHT_TALK},
        {"view,listen,talk,publish", FOUR},
        {"view,listen,talk,publish,move,history,export", CM_RIGHTS_ALL},
        {"view,move", VIEW | CM_RIGHT_MOVE},
        {"view,history,export", VIEW | CM_RIGHT_HISTORY | CM_RIGHT_EXPORT},
        {"view,export", 0},
        {"move", 0},
        {"history", 0},
        {"publish,history", 0},
        {"publish", CM_RIGHT_PUBLISH},
        {"publish,view", CM_RIGHT_PUBLISH | VIEW},
        {"publish,listen", 0},
        {"listen", 0},
        {"listen,talk", 0},
        {"", 0},
        {"all", 0},
        {"view,", VIEW},
        {"view,,listen", 0},
        {"View", 0},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        cm_rights rights = 0;
        const cm_status status = cm_rights_parse(cm_slice_of(ROWS[i].text), &rights);
        assert_int_equal(status, ROWS[i].rights != 0 ? CM_OK : CM_REFUSE);
        assert_int_equal(rights, ROWS[i].rights);
    }
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++) {
        cm_rights rights = 0;
        assert_int_equal(cm_right_add(cm_slice_of(cm_right_name(i)), &rights), CM_OK);
        assert_int_equal(rights, cm_right_at(i));
    }
    assert_int_equal(cm_right_at(CM_RIGHT_KINDS), 0);
    assert_false(cm_rights_are_whole(VIEW | 128));
}

static void a_token_gives_no_more_than_it_was_made_for(void **state)
{
    (void)state;
    const cm_grant_facts facts = {.session_is_live = true,
                                  .account_is_active = true,
                                  .role = CM_ROLE_OWNER,
                                  .token_limit = VIEW,
                                  .camera_exists = true};
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, VIEW | 2).rights, VIEW);
    assert_int_equal(cm_grant_decide(&facts, &ANY_TIME, 2).reason, CM_GRANT_DENIED_TOKEN_LIMIT);
}

/* ---- permissions ---- */

static char letter(cm_permission_verdict verdict)
{
    static const char LETTERS[] = {
        [CM_PERMISSION_GIVEN] = 'g',       [CM_PERMISSION_SIGN_IN] = 's',
        [CM_PERMISSION_WHICH_HOME] = 'w',  [CM_PERMISSION_NO_SUCH_HOME] = 'n',
        [CM_PERMISSION_NOT_ALLOWED] = 'd', [CM_PERMISSION_SUSPENDED] = 'h',
        [CM_PERMISSION_LINK_OVER] = 'l',
    };
    return LETTERS[verdict];
}

static void every_permission_is_decided_for_everybody(void **state)
{
    (void)state;
    cm_identity_home homes[] = {{.home = home_id("verdi"), .role = CM_ROLE_OWNER},
                                {.home = home_id("rossi"), .role = CM_ROLE_GUEST}};
    const cm_who owner = {.homes = homes, .home_count = 1};
    const cm_who guest = {.homes = &homes[1], .home_count = 1};
    const cm_who both = {.homes = homes, .home_count = 2};
    const cm_who nowhere = {.home_count = 0};
    const cm_who token = {.homes = homes, .home_count = 1, .is_token = true};
    const cm_who oper = {.homes = homes, .home_count = 1, .is_operator = true};
    /* By a guest link; that rows claim an owner's membership as well is of no use to him. */
    const cm_who link = {.homes = homes, .home_count = 1, .guest = {.link = "l"}};
    const cm_who *const WHO[] = {NULL, &owner, &guest, &both, &nowhere, &token, &oper, &link};
    /* unset anyone setup invitation guest session view publish owner operator operator-or-loopback
     */
    static const char *const UNNAMED[] = {"dggglssssss", "dggglggggdd", "dggglgggddd",
                                          "dggglgwwwdd", "dggglgnnndd", "dggdldggddd",
                                          "dggdlgdddgg", "dggdgdddddd"};
    static const char *const ROSSI[] = {"dggglssssss", "dggglgnnndd", "dggglgggddd", "dggglgggddd",
                                        "dggglgnnndd", "dggdldnnddd", "dggdlgdddgg", "dggdgdddddd"};
    const cm_home_id rossi = home_id("rossi");
    for (size_t i = 0; i < CM_COUNT(WHO); i++)
        for (int p = 0; p < CM_PERMISSIONS; p++) {
            cm_home_id out = {.text = {0}};
            cm_permission_ask ask = {.permission = (cm_permission)p, .who = WHO[i]};
            char got = letter(cm_permission_decide(&ask, &out));
            if (got != UNNAMED[i][p])
                fail_msg("who %zu, %s: %c", i, cm_permission_name((cm_permission)p), got);
            ask.home = &rossi;
            got = letter(cm_permission_decide(&ask, &out));
            if (got != ROSSI[i][p])
                fail_msg("who %zu, %s in rossi: %c", i, cm_permission_name((cm_permission)p), got);
            if (got == 'g' &&
                (p == CM_PERMISSION_VIEW || p == CM_PERMISSION_PUBLISH || p == CM_PERMISSION_OWNER))
                assert_true(cm_home_id_equal(&out, &rossi));
            ask.is_direct_loopback = true;
            ask.permission = CM_PERMISSION_OPERATOR_OR_LOOPBACK;
            assert_int_equal(letter(cm_permission_decide(&ask, &out)), 'g');
        }
    assert_false(cm_role_may(CM_ROLE_NONE, CM_PERMISSION_VIEW));
    assert_false(cm_role_may(CM_ROLE_ADULT, CM_PERMISSION_OWNER));
    assert_false(cm_role_may((cm_role)77, CM_PERMISSION_VIEW));
    assert_false(cm_role_may(CM_ROLE_OWNER, (cm_permission)77));
}

/* ---- what is told of sessions ---- */

enum { TOLD_MAX = 16 };
typedef struct told {
    cm_view views[TOLD_MAX];
    cm_viewed main[TOLD_MAX]; /* what had been seen by its end */
    size_t count;
} told;
static told views;

static void on_view(void *owner, const cm_view *view)
{
    (void)owner;
    assert_true(views.count < TOLD_MAX);
    views.main[views.count] = (cm_viewed){.frames = 0};
    (void)cm_viewing_read(view->seen, CM_STREAM_MAIN, &views.main[views.count]);
    views.views[views.count++] = *view;
}

/* One entry for each, also if a session is cut, or its lease renewed often. */
static void what_a_session_saw_is_told_at_its_end(void **state)
{
    (void)state;
    server s;
    viewer owner, guest, stranger;
    const cm_grants_config config = {.on_view = on_view};
    server_open(&s, &config);
    views.count = 0;
    start_watching(&s, &owner, ANNA, 0);
    start_watching(&s, &guest, BRUNO, 0);
    start_watching(&s, &stranger, CARLA, 0);
    cm_sim_run_for(s.sim, CM_SECONDS(90));
    assert_int_equal(views.count, 3);
    for (size_t i = 0; i < 5; i++)
        assert_true(opens(&s, s.cameras[0].frames[0], owner.lease));
    assert_true(opens(&s, s.cameras[0].frames[0], guest.lease));
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(guest.has_ended);
    assert_int_equal(views.count, 3); /* its viewer still holds it */
    /* The owner's session goes on under the next epoch. */
    assert_true(opens(&s, s.cameras[0].frames[1], owner.lease));
    stop_watching(&guest);
    stop_watching(&owner);
    stop_watching(&stranger);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_int_equal(views.count, 5);
    size_t refused = 0, cut = 0;
    for (size_t i = 0; i < views.count; i++) {
        const cm_view *view = &views.views[i];
        assert_string_equal(view->what.camera.camera.text, "door");
        assert_string_equal(view->what.camera.home.text, "verdi");
        refused += view->event == CM_VIEW_REFUSED;
        if (view->event == CM_VIEW_REFUSED) {
            assert_int_equal(view->reason, CM_GRANT_DENIED_NO_MEMBER);
            assert_true(cm_account_id_equal(&view->what.account, &s.w.people[CARLA].id));
        }
        if (view->event != CM_VIEW_ENDED)
            continue;
        const bool is_guest = cm_account_id_equal(&view->what.account, &s.w.people[BRUNO].id);
        cut += view->is_cut;
        assert_int_equal(view->is_cut, is_guest);
        assert_int_equal(views.main[i].frames, is_guest ? 1 : 6);
        assert_int_equal(views.main[i].first, is_guest ? 5 : 0);
        assert_int_equal(views.main[i].last_epoch > views.main[i].first_epoch, !is_guest);
        assert_true(view->now.us >= view->what.since.us + CM_SECONDS(80));
    }
    assert_int_equal(refused, 1);
    assert_int_equal(cut, 1);
    server_close(&s);
}

/* The token is gone by the time that the end is told. */
static void who_watched_by_a_session_that_is_over_has_his_name(void **state)
{
    (void)state;
    server s;
    viewer owner;
    const cm_grants_config config = {.on_view = on_view};
    server_open(&s, &config);
    views.count = 0;
    start_watching(&s, &owner, ANNA, 0);
    cm_sim_run_for(s.sim, CM_SECONDS(1));
    assert_true(opens(&s, s.cameras[0].frames[0], owner.lease));
    CM_AUTO(cm_change_clear) cm_change change;
    assert_int_equal(cm_store_session_end(s.w.store, s.w.sessions[ANNA].token_hash, &change),
                     CM_OK);
    cm_grants_changed(s.grants, &change, NULL);
    cm_sim_run_for(s.sim, CM_SECONDS(1));
    assert_true(owner.has_ended);
    stop_watching(&owner);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_int_equal(views.count, 2);
    const cm_view *end = &views.views[1];
    assert_int_equal(end->event, CM_VIEW_ENDED);
    assert_true(end->is_cut);
    assert_int_equal(end->reason, CM_GRANT_DENIED_SESSION);
    assert_true(cm_account_id_equal(&end->what.account, &s.w.people[ANNA].id));
    assert_string_equal(end->what.account_name, s.w.people[ANNA].name);
    assert_int_equal(views.main[1].frames, 1);
    server_close(&s);
}

/* ---- leases ---- */

static void those_who_may_get_a_lease_and_others_a_reason(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer v[PEOPLE][4];
    for (size_t who = 0; who < PEOPLE; who++)
        for (size_t camera = 0; camera < 4; camera++)
            start_watching(&s, &v[who][camera], who, camera);
    cm_sim_run_for(s.sim, CM_MS(50));
    for (size_t who = 0; who < PEOPLE; who++)
        for (size_t camera = 0; camera < 4; camera++) {
            const bool is_home = who / 2 == camera / 2;
            const bool may = is_home && (who % 2 == 0 || camera % 2 == 0);
            viewer *at = &v[who][camera];
            assert_int_equal(at->leases, may ? 1 : 0);
            assert_int_equal(at->has_ended, !may);
            if (may) {
                assert_true(cm_lease_allows(at->lease, CM_STREAM_SUB, VIEW));
                assert_true(opens(&s, s.cameras[camera].frames[0], at->lease));
                for (size_t other = 0; other < 4; other++)
                    if (other != camera)
                        assert_false(opens(&s, s.cameras[other].frames[0], at->lease));
            } else {
                assert_int_equal(at->reason,
                                 is_home ? CM_GRANT_DENIED_NO_GRANT : CM_GRANT_DENIED_NO_MEMBER);
            }
            stop_watching(at);
        }
    assert_int_equal(s.alarms, 0);
    server_close(&s);
}

static size_t watching;
static void count_watching(void *owner, const cm_watching *seen)
{
    const server *s = owner;
    assert_string_equal(seen->camera.camera.text, "door");
    assert_true(cm_account_id_equal(&seen->account, &s->w.people[BRUNO].id));
    assert_string_equal(seen->account_name, s->w.people[BRUNO].name);
    assert_int_equal(seen->streams, 3);
    assert_true(seen->since.us >= NOW.us);
    watching++;
}

static void leases_are_renewed_from_memory_without_a_gap(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    cm_store_counters before;
    cm_store_read_counters(s.w.store, &before);
    for (int second = 0; second < 1200; second++) {
        cm_sim_run_for(s.sim, CM_SECONDS(1));
        assert_true(is_live(&s, &v));
    }
    assert_in_range(v.leases, 1200 / 40, 1200 / 20 + 2);
    cm_store_counters after;
    cm_store_read_counters(s.w.store, &after);
    assert_true(after.evidence_reads == before.evidence_reads);
    watching = 0;
    cm_grants_each_viewer(s.grants, &s.w.verdi, count_watching, &s);
    cm_grants_each_viewer(s.grants, &s.w.rossi, count_watching, &s);
    assert_int_equal(watching, 1);
    stop_watching(&v);
    server_close(&s);
}

/* He has a lease that opens nothing, watches nothing, and is cut like everybody. */
static void who_publishes_has_a_lease_and_sees_nothing(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer v;
    viewer refused;
    ask_for(&s, &v, &s.w.sessions[ANNA], 0, 0, CM_RIGHT_PUBLISH);
    ask_for(&s, &refused, &s.w.sessions[BRUNO], 0, 0, CM_RIGHT_PUBLISH);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &v));
    assert_true(cm_lease_has(v.lease, CM_RIGHT_PUBLISH));
    assert_false(cm_lease_has(v.lease, VIEW));
    for (unsigned stream = 0; stream < CM_STREAMS; stream++)
        assert_false(cm_lease_allows(v.lease, (cm_stream)stream, 0));
    assert_true(refused.has_ended);
    assert_int_equal(refused.reason, CM_GRANT_DENIED_NO_GRANT);
    watching = 0;
    cm_grants_each_viewer(s.grants, &s.w.verdi, count_watching, &s);
    assert_int_equal(watching, 0);
    cm_change change;
    assert_int_equal(cm_store_session_end(s.w.store, s.w.sessions[ANNA].token_hash, &change),
                     CM_OK);
    cm_grants_changed(s.grants, &change, NULL);
    cm_change_clear(&change);
    cm_sim_run_for(s.sim, 0);
    assert_false(is_live(&s, &v)); /* by the page: no message need arrive */
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    stop_watching(&v);
    stop_watching(&refused);
    server_close(&s);
}

static void a_lease_never_outlives_its_session(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer v;
    start_watching(&s, &v, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    cm_sim_wall_jump(s.sim, 14 * DAY_US - CM_SECONDS(55)); /* five seconds more than a lease */
    cm_sim_run_for(s.sim, CM_SECONDS(54));
    assert_true(is_live(&s, &v));
    assert_false(v.has_ended);
    const int64_t left = NOW.us + 14 * DAY_US - cm_loop_wall(s.viewers).us;
    assert_true(left > 0 && left < CM_SECONDS(2));
    assert_true(cm_instant_since(cm_lease_until(v.lease), cm_loop_now(s.viewers)) <= left);
    cm_sim_run_for(s.sim, left);
    assert_false(is_live(&s, &v));
    cm_sim_run_for(s.sim, CM_SECONDS(60));
    assert_true(v.has_ended);
    assert_int_equal(v.reason, CM_GRANT_DENIED_SESSION);
    stop_watching(&v);
    server_close(&s);
}

/* ---- sound ---- */

static void may_hear(server *s, size_t camera, size_t who, cm_rights rights)
{
    const cm_camera_key key = camera_key(CAMERAS[camera][0], CAMERAS[camera][1]);
    cm_change change;
    assert_int_equal(cm_store_grant_put(s->w.store, &key, &s->w.people[who].id,
                                        &(cm_grant_terms){.rights = rights}, false, NOW, &change),
                     CM_OK);
    cm_grants_changed(s->grants, &change, NULL);
    cm_change_clear(&change);
}

/* Does a word that the sound's sealer seals open under the lease? */
static bool hears(server *s, cm_sealer *sealer, const cm_lease *lease)
{
    cm_frame *frame = testing_frame(sealer, "a word", CM_FRAME_KEYFRAME);
    const bool is_open = opens_stream(s, frame, lease, CM_STREAM_SOUND);
    cm_frame_release(frame, 0);
    return is_open;
}

/* Asking for everything gives the owner the sound, and one who may look pictures alone: his lease
 * has neither the bit nor a key. */
static void a_lease_has_the_sound_only_with_the_right_to_listen(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    enum { ALL = (1 << CM_STREAMS) - 1 };
    viewer anna, bruno;
    ask_for(&s, &anna, &s.w.sessions[ANNA], 0, ALL, VIEW | CM_RIGHT_LISTEN);
    ask_for(&s, &bruno, &s.w.sessions[BRUNO], 0, ALL, VIEW | CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(cm_lease_allows(anna.lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN));
    assert_true(hears(&s, s.cameras[0].sound, anna.lease));
    assert_false(hears(&s, s.cameras[2].sound, anna.lease));
    assert_true(opens(&s, s.cameras[0].frames[0], anna.lease));
    assert_false(cm_lease_allows(bruno.lease, CM_STREAM_SOUND, 0));
    assert_false(hears(&s, s.cameras[0].sound, bruno.lease));
    assert_true(opens(&s, s.cameras[0].frames[0], bruno.lease));
    /* An owner who asked for pictures only has no sound either. */
    stop_watching(&anna);
    ask_for(&s, &anna, &s.w.sessions[ANNA], 0, ALL, VIEW);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_false(cm_lease_allows(anna.lease, CM_STREAM_SOUND, 0));
    assert_false(hears(&s, s.cameras[0].sound, anna.lease));
    assert_int_equal(s.alarms, 0);
    stop_watching(&anna);
    stop_watching(&bruno);
    server_close(&s);
}

static bool hears_made(server *s, size_t camera, cm_stream stream, const cm_lease *lease)
{
    cm_sealer *sealer = s->cameras[camera].made[stream - CM_STREAM_SOUND_OPUS];
    cm_frame *frame = testing_frame(sealer, "a word", CM_FRAME_KEYFRAME);
    const bool is_open = opens_stream(s, frame, lease, stream);
    cm_frame_release(frame, 0);
    return is_open;
}

/* What was made over is the same sound: it has keys of its own, and they ask for the same right. */
static void sound_made_over_opens_by_the_right_to_listen_alone(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    enum { ALL = (1 << CM_STREAMS) - 1 };
    viewer anna, bruno, plain;
    ask_for(&s, &anna, &s.w.sessions[ANNA], 0, ALL, VIEW | CM_RIGHT_LISTEN);
    ask_for(&s, &bruno, &s.w.sessions[BRUNO], 0, ALL, VIEW | CM_RIGHT_LISTEN);
    ask_for(&s, &plain, &s.w.sessions[ANNA], 0, 1 << CM_STREAM_SOUND, VIEW | CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    for (cm_stream stream = CM_STREAM_SOUND_OPUS; stream <= CM_STREAM_SOUND_FLAC; stream++) {
        assert_true(cm_lease_allows(anna.lease, stream, CM_RIGHT_LISTEN));
        assert_true(hears_made(&s, 0, stream, anna.lease));
        assert_false(hears_made(&s, 2, stream, anna.lease));
        assert_false(cm_lease_allows(bruno.lease, stream, 0));
        assert_false(hears_made(&s, 0, stream, bruno.lease));
        assert_false(hears_made(&s, 0, stream, plain.lease)); /* who did not ask for it */
    }
    assert_true(opens(&s, s.cameras[0].frames[0], bruno.lease));
    stop_watching(&anna);
    stop_watching(&bruno);
    stop_watching(&plain);
    server_close(&s);
}

static void a_right_to_listen_is_none_without_the_right_to_look(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer deaf, blind;
    ask_for(&s, &deaf, &s.w.sessions[BRUNO], 0, 1 << CM_STREAM_SOUND, VIEW | CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(deaf.has_ended);
    assert_int_equal(deaf.reason, CM_GRANT_DENIED_NO_GRANT);
    may_hear(&s, 0, BRUNO, CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    ask_for(&s, &blind, &s.w.sessions[BRUNO], 0, 7, VIEW | CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(blind.leases, 0);
    assert_true(blind.has_ended);
    assert_int_equal(blind.reason, CM_GRANT_DENIED_NO_GRANT);
    stop_watching(&deaf);
    stop_watching(&blind);
    server_close(&s);
}

/* What is cached from before turns stays readable: of all streams that a lease has, four epochs. */
static void a_lease_of_all_streams_has_the_keys_of_four_epochs(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    const cm_camera_key key = camera_key(CAMERAS[0][0], CAMERAS[0][1]);
    const cm_grants_camera *camera = cm_grants_find_camera(s.grants, &key);
    for (int turn = 0; turn < 4; turn++) {
        take_grant(&s, 0, BRUNO, NULL);
        cm_sim_run_for(s.sim, CM_MS(50));
        may_hear(&s, 0, BRUNO, VIEW);
        cm_sim_run_for(s.sim, CM_MS(50));
    }
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    const size_t count = cm_grants_collect_keys(camera, (1 << CM_STREAMS) - 1, keys);
    assert_int_equal(count, CM_LEASE_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(cm_stream_has(keys[i].stream, keys[i].kind));
        assert_int_equal(keys[i].epoch, camera->epoch - 3 + i / 7);
    }
    /* The sound alone: the first set's, and of each turn. */
    assert_int_equal(cm_grants_collect_keys(camera, 1 << CM_STREAM_SOUND, keys), 1 + 4);
    server_close(&s);
}

/* ---- the cut ---- */

typedef struct done_note {
    cm_task task;
    bool was_run;
} done_note;

static void note_done(cm_task *task)
{
    CM_HOLDER(task, done_note, task)->was_run = true;
}

static void taking_a_grant_cuts_that_viewer_and_no_other(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    viewer bruno;
    viewer carla;
    start_watching(&s, &anna, ANNA, 0);
    start_watching(&s, &bruno, BRUNO, 0);
    start_watching(&s, &carla, CARLA, 2);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(s.cameras[0].count, 2);
    cm_sealer *next = s.cameras[0].frames[1];
    assert_true(cm_sealer_epoch(next) == cm_sealer_epoch(s.cameras[0].frames[0]) + 1);
    done_note done = {.task = {.run = note_done}};
    const cm_instant committed = cm_loop_now(s.viewers);
    take_grant(&s, 0, BRUNO, &done.task);
    cm_sim_run_for(s.sim, CM_MS(99));
    assert_true(done.was_run);
    assert_true(bruno.has_ended);
    assert_int_equal(bruno.reason, CM_GRANT_DENIED_NO_GRANT);
    assert_true(cm_instant_since(bruno.ended, committed) < CM_MS(100));
    assert_false(is_live(&s, &bruno));
    /* The source turned to the set it had; anna reads on, bruno's old lease opens nothing. */
    assert_false(cm_sealer_is_current(s.cameras[0].frames[0]));
    assert_true(opens(&s, next, anna.lease));
    assert_false(opens(&s, next, bruno.lease));
    assert_int_equal(anna.leases, 2);
    assert_int_equal(s.cameras[0].count, 3); /* and a further set followed */
    assert_int_equal(carla.leases, 1);
    assert_true(is_live(&s, &carla));
    cm_grants_counters counters;
    cm_grants_read_counters(s.grants, &counters);
    assert_int_equal(counters.cuts, 1);
    assert_int_equal(counters.turns, 1);
    assert_int_equal(counters.decisions_denied[CM_GRANT_DENIED_NO_GRANT], 1);
    stop_watching(&anna);
    stop_watching(&bruno);
    stop_watching(&carla);
    server_close(&s);
}

/* What was sealed before the turn stays readable for those who still may: they miss no frame. */
static void the_others_still_open_what_is_cached(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    cm_frame *cached = testing_frame(s.cameras[0].frames[0], "cached", CM_FRAME_KEYFRAME);
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_lease *old = anna.lease;
    anna.lease = NULL;
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    const cm_lease *const leases[] = {old, anna.lease};
    for (size_t i = 0; i < CM_COUNT(leases); i++) {
        size_t taken = 0;
        cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
        cm_fanout_viewer one = {.lease = leases[i], .cursor = &cursor, .owner = &taken};
        cm_fanout_open(fanout, cached, cm_loop_now(s.viewers), &one, 1, took_all);
        assert_int_equal(taken, i);
        assert_int_equal(one.refusal, i == 0 ? CM_REFUSAL_STALE : CM_REFUSAL_NONE);
    }
    cm_fanout_destroy(fanout);
    cm_frame_release(cached, 0);
    cm_lease_destroy(old);
    stop_watching(&anna);
    server_close(&s);
}

/* The page is published before anybody is asked: a lease from before is dead although no message
 * has reached its loop yet. */
static void the_page_comes_before_any_message(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer bruno;
    start_watching(&s, &bruno, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const uint64_t generation = cm_epoch_generation(s.page);
    take_grant(&s, 0, BRUNO, NULL);
    assert_true(is_live(&s, &bruno)); /* nothing has run yet */
    /* No virtual time passes: only the control loop's own turn, not the round of decisions. */
    cm_sim_run_for(s.sim, 0);
    assert_true(cm_epoch_generation(s.page) > generation);
    assert_false(is_live(&s, &bruno));
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(bruno.has_ended);
    stop_watching(&bruno);
    server_close(&s);
}

typedef struct between {
    cm_timer timer;
    cm_task task;
    server *s;
    bool was_run;
} between;

static void post_between(cm_timer *timer)
{
    between *b = CM_HOLDER(timer, between, timer);
    cm_loop_post(b->s->control, &b->task);
}

/* The commit, and what the control loop does on hearing of it, while a chain read before it is on
 * its way back. */
static void change_between(cm_task *task)
{
    between *b = CM_HOLDER(task, between, task);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(
        cm_store_grant_remove(b->s->w.store, &door, &b->s->w.people[BRUNO].id, &change), CM_OK);
    cm_grants_camera *camera = cm_grants_find_camera(b->s->grants, &door);
    assert_true(cm_grants_publish(b->s->grants, camera, change.raised[0].min_epoch));
    cm_grants_doubt_camera(b->s->grants, &door);
    cm_change_clear(&change);
    assert_int_equal(b->s->grants->jobs, 1);
    b->was_run = true;
}

static void a_chain_read_before_the_change_is_not_believed_after_it(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    between b = {.task = {.run = change_between}, .s = &s};
    viewer bruno;
    cm_sim_run_for(s.sim, CM_MS(50));
    start_watching(&s, &bruno, BRUNO, 0);
    /* Fires in the same turn as the round of decisions, before it. */
    cm_timer_init(&b.timer, s.control, post_between);
    cm_timer_start(&b.timer, 0);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(b.was_run);
    assert_int_equal(bruno.leases, 0);
    assert_true(bruno.has_ended);
    assert_int_equal(bruno.reason, CM_GRANT_DENIED_NO_GRANT);
    stop_watching(&bruno);
    server_close(&s);
}

static void who_asks_waits_for_no_coalescing(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer viewers[4];
    cm_sim_run_for(s.sim, CM_MS(50));
    /* One a millisecond: each has its lease before the next comes. */
    for (size_t i = 0; i < CM_COUNT(viewers); i++) {
        start_watching(&s, &viewers[i], ANNA, 0);
        cm_sim_run_for(s.sim, CM_MS(1));
        assert_int_equal(viewers[i].leases, 1);
    }
    for (size_t i = 0; i < CM_COUNT(viewers); i++)
        stop_watching(&viewers[i]);
    server_close(&s);
}

static void turns_within_20_ms_coalesce(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const size_t leases = anna.leases;
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(1));
    assert_int_equal(anna.leases, leases + 1); /* the first at once */
    cm_store_counters before;
    cm_store_read_counters(s.w.store, &before);
    for (int i = 0; i < 3; i++) {
        world_grant(&s.w, "verdi", "door", BRUNO);
        take_grant(&s, 0, BRUNO, NULL);
        cm_sim_run_for(s.sim, CM_MS(5));
        assert_false(is_live(&s, &anna)); /* fails closed meanwhile */
    }
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_int_equal(anna.leases, leases + 2);
    assert_true(is_live(&s, &anna));
    cm_store_counters after;
    cm_store_read_counters(s.w.store, &after);
    assert_int_equal(after.evidence_reads - before.evidence_reads, 1);
    assert_true(opens(&s, s.cameras[0].frames[s.cameras[0].count - 2], anna.lease));
    stop_watching(&anna);
    server_close(&s);
}

/* ---- cuts of many ---- */

enum { CROWD = 200 };

static void open_crowd(server *s, viewer crowd[CROWD], size_t who)
{
    for (size_t i = 0; i < CROWD; i++)
        start_watching(s, &crowd[i], who, 0);
    cm_sim_run_for(s->sim, CM_MS(200));
    for (size_t i = 0; i < CROWD; i++)
        assert_true(is_live(s, &crowd[i]));
}

static void close_crowd(server *s, viewer crowd[CROWD])
{
    for (size_t i = 0; i < CROWD; i++)
        stop_watching(&crowd[i]);
    server_close(s);
}

static uint64_t reads_of(const server *s)
{
    cm_store_counters counters;
    cm_store_read_counters(s->w.store, &counters);
    return counters.evidence_reads;
}

/* What is not begun at once is not waited for again, batch by batch. */
static void a_round_is_waited_for_once_however_many_it_has(void **state)
{
    (void)state;
    server s;
    server_open(&s, &(cm_grants_config){.viewer_sessions_per_account = CROWD});
    viewer crowd[CROWD];
    open_crowd(&s, crowd, BRUNO);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(s.w.store, &door, &s.w.people[BRUNO].id, &change),
                     CM_OK);
    cm_grants_changed(s.grants, &change, NULL);
    cm_change_clear(&change);
    cm_sim_run_for(s.sim, CM_GRANTS_COALESCE_US + CM_MS(1));
    for (size_t i = 0; i < CROWD; i++)
        assert_true(crowd[i].has_ended);
    close_crowd(&s, crowd);
}

/* That a token is worth nothing is read a few times, not once for each who watches by it; who
 * watches by another token of the same account watches on. */
static void a_dead_token_is_read_for_some_and_ends_all(void **state)
{
    (void)state;
    server s;
    server_open(&s, &(cm_grants_config){.viewer_sessions_per_account = CROWD + 1});
    viewer crowd[CROWD];
    viewer elsewhere;
    open_crowd(&s, crowd, ANNA);
    const cm_asker other = asker_of(CM_ASKER_SESSION, "elsewhere");
    cm_change change;
    assert_int_equal(cm_store_session_create(s.w.store, &s.w.people[ANNA].id, other.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    cm_change_clear(&change);
    watch_as(&s, &elsewhere, &other, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const uint64_t before = reads_of(&s);
    assert_int_equal(cm_store_session_end(s.w.store, s.w.sessions[ANNA].token_hash, &change),
                     CM_OK);
    cm_grants_changed(s.grants, &change, NULL);
    cm_change_clear(&change);
    cm_sim_run_for(s.sim, CM_GRANTS_COALESCE_US + CM_MS(1));
    for (size_t i = 0; i < CROWD; i++)
        assert_true(crowd[i].has_ended && crowd[i].reason == CM_GRANT_DENIED_SESSION);
    assert_true(is_live(&s, &elsewhere) && !elsewhere.has_ended);
    assert_true(reads_of(&s) - before <= CM_GRANTS_BATCH * CM_GRANTS_JOBS_MAX * 2);
    stop_watching(&elsewhere);
    close_crowd(&s, crowd);
}

static void a_sign_out_cuts_all_that_token_watches(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    const cm_asker phone = asker_of(CM_ASKER_SESSION, "anna's phone");
    cm_change change;
    assert_int_equal(cm_store_session_create(s.w.store, &s.w.people[ANNA].id, phone.token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    viewer laptop[2];
    viewer other;
    start_watching(&s, &laptop[0], ANNA, 0);
    start_watching(&s, &laptop[1], ANNA, 1);
    watch_as(&s, &other, &phone, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(cm_store_session_end(s.w.store, s.w.sessions[ANNA].token_hash, &change),
                     CM_OK);
    cm_grants_changed(s.grants, &change, NULL);
    cm_change_clear(&change);
    cm_sim_run_for(s.sim, CM_MS(90));
    for (size_t i = 0; i < 2; i++) {
        assert_true(laptop[i].has_ended);
        assert_int_equal(laptop[i].reason, CM_GRANT_DENIED_SESSION);
        assert_false(is_live(&s, &laptop[i]));
        stop_watching(&laptop[i]);
    }
    assert_false(other.has_ended);
    assert_true(is_live(&s, &other));
    stop_watching(&other);
    server_close(&s);
}

static void a_removed_camera_is_dark_for_ever(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const cm_camera_key door = camera_key("verdi", "door");
    cm_grants_camera_remove(s.grants, &door);
    assert_false(is_live(&s, &anna));
    assert_false(cm_sealer_is_current(s.cameras[0].frames[0]));
    assert_false(cm_sealer_is_current(s.cameras[0].frames[1]));
    cm_grants_camera_remove(s.grants, &door); /* again: nothing */
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(s.cameras[0].is_gone);
    assert_true(anna.has_ended);
    assert_int_equal(anna.reason, CM_GRANT_DENIED_NO_CAMERA);
    stop_watching(&anna);
    /* In the store it still is, but nobody announced it. */
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(anna.reason, CM_GRANT_DENIED_NO_CAMERA);
    stop_watching(&anna);
    server_close(&s);
}

static void rows_that_do_not_fit_are_an_alarm_and_no_lease(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    world_sql(&s.w, "UPDATE memberships SET role = 1 WHERE account = 'bruno'");
    viewer bruno;
    start_watching(&s, &bruno, BRUNO, 1);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(bruno.has_ended);
    assert_int_equal(bruno.reason, CM_GRANT_DENIED_EVIDENCE);
    assert_int_equal(s.alarms, 1);
    assert_string_equal(s.cause, "mac");
    stop_watching(&bruno);
    server_close(&s);
}

static void what_the_command_line_takes_away_is_cut_within_a_second(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer bruno;
    start_watching(&s, &bruno, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_SECONDS(3));
    store_world other = s.w;
    assert_int_equal(world_try_open(&other, NULL), CM_OK);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(other.store, &door, &s.w.people[BRUNO].id, &change),
                     CM_OK);
    cm_change_clear(&change);
    cm_store_close(other.store);
    cm_sim_run_for(s.sim, CM_MS(1100));
    assert_true(bruno.has_ended);
    assert_false(is_live(&s, &bruno));
    stop_watching(&bruno);
    server_close(&s);
}

/* ---- bounds ---- */

static void sessions_are_bounded_in_all_and_per_account(void **state)
{
    (void)state;
    server s;
    const cm_grants_config config = {.viewer_sessions_max = 5, .viewer_sessions_per_account = 2};
    server_open(&s, &config);
    viewer v[5];
    for (size_t i = 0; i < 5; i++)
        start_watching(&s, &v[i], i < 3 ? ANNA : CARLA, i < 3 ? 0 : 2);
    viewer more;
    const cm_viewer_ask ask = {.asker = s.w.sessions[ANNA]};
    const cm_viewer_events events = {.on_lease = on_lease, .on_end = on_end};
    assert_int_equal(
        cm_viewer_session_open(s.grants, s.viewers, &ask, &events, &more, &more.session), CM_FULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(v[0].leases + v[1].leases + v[2].leases, 2);
    assert_int_equal(v[2].reason, CM_GRANT_DENIED_TOO_MANY);
    assert_int_equal(v[3].leases + v[4].leases, 2);
    stop_watching(&v[0]);
    stop_watching(&v[2]);
    cm_sim_run_for(s.sim, CM_MS(50));
    start_watching(&s, &v[0], ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(v[0].leases, 1);
    stop_watching(&v[0]);
    stop_watching(&v[1]);
    stop_watching(&v[3]);
    stop_watching(&v[4]);
    server_close(&s);
}

/* Opened, nudged and closed in every order, with changes in between: nothing leaks, nothing is
 * called after a close. */
static void coming_and_going_leaves_nothing_behind(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    cm_random random = cm_random_seeded(3);
    viewer v[8];
    cm_change any = {.raised_count = 0};
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < 8; i++)
            start_watching(&s, &v[i], i % PEOPLE, (size_t)cm_random_below(&random, 4));
        cm_sim_run_for(s.sim, (int64_t)cm_random_below(&random, 3) * CM_MS(7));
        for (size_t i = 0; i < 8; i++)
            if (cm_random_below(&random, 2) == 0)
                cm_viewer_session_nudge(v[i].session);
        if (cm_random_below(&random, 3) == 0)
            cm_grants_changed(s.grants, &any, NULL);
        if (cm_random_below(&random, 2) == 0)
            cm_sim_run_for(s.sim, (int64_t)cm_random_below(&random, 30000));
        for (size_t i = 0; i < 8; i++)
            stop_watching(&v[i]);
    }
    server_close(&s);
}

/* ---- lost messages ---- */

#ifdef CM_FAULT_INJECTION
static void drop_next(cm_fault fault, uint32_t of)
{
    cm_fault_set(fault, (cm_fault_rate){.fires = 1, .asked = of});
}

static void a_lost_end_is_no_way_to_see_on(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer bruno;
    start_watching(&s, &bruno, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    drop_next(CM_FAULT_GRANTS_DROP_VIEWER, 1);
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(cm_fault_fired(CM_FAULT_GRANTS_DROP_VIEWER) > 0);
    cm_fault_reset();
    assert_false(bruno.has_ended);
    assert_false(is_live(&s, &bruno));      /* without any message */
    cm_viewer_session_nudge(bruno.session); /* what a subscription does that finds it stale */
    cm_sim_run_for(s.sim, CM_MS(20));
    assert_true(bruno.has_ended);
    assert_int_equal(bruno.reason, CM_GRANT_DENIED_NO_GRANT);
    stop_watching(&bruno);
    server_close(&s);
}

static void an_end_that_is_lost_twice_comes_within_a_second(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer bruno;
    start_watching(&s, &bruno, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    drop_next(CM_FAULT_GRANTS_DROP_VIEWER, 1);
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    cm_viewer_session_nudge(bruno.session);
    cm_sim_run_for(s.sim, CM_MS(20));
    assert_true(cm_fault_fired(CM_FAULT_GRANTS_DROP_VIEWER) >= 2);
    cm_fault_reset();
    assert_false(bruno.has_ended);
    cm_sim_run_for(s.sim, CM_MS(1100));
    assert_true(bruno.has_ended);
    stop_watching(&bruno);
    server_close(&s);
}

static void a_lost_lease_comes_again(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    drop_next(CM_FAULT_GRANTS_DROP_VIEWER, 1);
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(anna.leases, 0);
    cm_fault_reset();
    cm_sim_run_for(s.sim, CM_MS(1000)); /* it nudges by itself */
    assert_int_equal(anna.leases, 1);
    /* Renewals lost one in two, for twenty minutes: never a gap. */
    drop_next(CM_FAULT_GRANTS_DROP_VIEWER, 2);
    for (int second = 0; second < 1200; second++) {
        cm_sim_run_for(s.sim, CM_SECONDS(1));
        assert_true(is_live(&s, &anna));
    }
    assert_true(cm_fault_fired(CM_FAULT_GRANTS_DROP_VIEWER) > 10);
    cm_fault_reset();
    /* After a turn. */
    drop_next(CM_FAULT_GRANTS_DROP_VIEWER, 1);
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_false(is_live(&s, &anna));
    cm_fault_reset();
    cm_viewer_session_nudge(anna.session);
    cm_sim_run_for(s.sim, CM_MS(20));
    assert_true(opens(&s, s.cameras[0].frames[1], anna.lease));
    stop_watching(&anna);
    server_close(&s);
}

static void lost_sealers_are_asked_for_and_never_made_twice(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer anna;
    start_watching(&s, &anna, ANNA, 0);
    cm_sim_run_for(s.sim, CM_MS(200));
    const cm_camera_key door = camera_key("verdi", "door");
    const uint64_t epoch = cm_sealer_epoch(s.cameras[0].frames[0]);
    drop_next(CM_FAULT_GRANTS_DROP_SOURCE, 1);
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    cm_fault_reset();
    assert_int_equal(s.cameras[0].count, 2); /* the third set was lost */
    assert_true(opens(&s, s.cameras[0].frames[1], anna.lease));
    /* On its way, as far as grants knows: not made again at once. */
    cm_grants_camera_want_sealers(s.grants, &door, epoch + 1);
    cm_sim_run_for(s.sim, CM_MS(30));
    assert_int_equal(s.cameras[0].count, 2);
    cm_sim_run_for(s.sim, CM_MS(100));
    cm_grants_camera_want_sealers(s.grants, &door, epoch + 1);
    cm_sim_run_for(s.sim, CM_MS(30));
    assert_int_equal(s.cameras[0].count, 3);
    assert_true(cm_sealer_epoch(s.cameras[0].frames[2]) == epoch + 2);
    /* Everything was lost: present and next come again, with leases that open them. */
    cm_sim_run_for(s.sim, CM_MS(100));
    const size_t leases = anna.leases;
    cm_grants_camera_want_sealers(s.grants, &door, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(s.cameras[0].count, 5);
    assert_true(anna.leases > leases);
    assert_true(opens(&s, s.cameras[0].frames[1], anna.lease));
    assert_true(opens(&s, s.cameras[0].frames[3], anna.lease));
    /* Two sealers of one epoch, two keys: no nonce is used twice. */
    world_grant(&s.w, "verdi", "door", BRUNO);
    take_grant(&s, 0, BRUNO, NULL);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(opens(&s, s.cameras[0].frames[2], anna.lease));
    assert_true(opens(&s, s.cameras[0].frames[4], anna.lease));
    stop_watching(&anna);
    server_close(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decision_is_all_or_nothing),
        cmocka_unit_test(who_may_not_see_may_not_hear),
        cmocka_unit_test(who_may_publish_may_not_see_by_that),
        cmocka_unit_test(rights_have_names),
        cmocka_unit_test(a_token_gives_no_more_than_it_was_made_for),
        cmocka_unit_test(every_permission_is_decided_for_everybody),
        cmocka_unit_test(what_a_session_saw_is_told_at_its_end),
        cmocka_unit_test(who_watched_by_a_session_that_is_over_has_his_name),
        cmocka_unit_test(those_who_may_get_a_lease_and_others_a_reason),
        cmocka_unit_test(leases_are_renewed_from_memory_without_a_gap),
        cmocka_unit_test(who_publishes_has_a_lease_and_sees_nothing),
        cmocka_unit_test(a_lease_never_outlives_its_session),
        cmocka_unit_test(a_lease_has_the_sound_only_with_the_right_to_listen),
        cmocka_unit_test(sound_made_over_opens_by_the_right_to_listen_alone),
        cmocka_unit_test(a_right_to_listen_is_none_without_the_right_to_look),
        cmocka_unit_test(a_lease_of_all_streams_has_the_keys_of_four_epochs),
        cmocka_unit_test(taking_a_grant_cuts_that_viewer_and_no_other),
        cmocka_unit_test(the_others_still_open_what_is_cached),
        cmocka_unit_test(the_page_comes_before_any_message),
        cmocka_unit_test(a_chain_read_before_the_change_is_not_believed_after_it),
        cmocka_unit_test(who_asks_waits_for_no_coalescing),
        cmocka_unit_test(turns_within_20_ms_coalesce),
        cmocka_unit_test(a_round_is_waited_for_once_however_many_it_has),
        cmocka_unit_test(a_dead_token_is_read_for_some_and_ends_all),
        cmocka_unit_test(a_sign_out_cuts_all_that_token_watches),
        cmocka_unit_test(a_removed_camera_is_dark_for_ever),
        cmocka_unit_test(rows_that_do_not_fit_are_an_alarm_and_no_lease),
        cmocka_unit_test(what_the_command_line_takes_away_is_cut_within_a_second),
        cmocka_unit_test(sessions_are_bounded_in_all_and_per_account),
        cmocka_unit_test(coming_and_going_leaves_nothing_behind),
#ifdef CM_FAULT_INJECTION
        cmocka_unit_test(a_lost_end_is_no_way_to_see_on),
        cmocka_unit_test(an_end_that_is_lost_twice_comes_within_a_second),
        cmocka_unit_test(a_lost_lease_comes_again),
        cmocka_unit_test(lost_sealers_are_asked_for_and_never_made_twice),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
