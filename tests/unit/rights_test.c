/* Rights with conditions: the decision over time against an oracle, and leases that end and begin
 * with the hours, on virtual time. */
#include "grants_rig.h"

#include <time.h>

#include "grants/rights.h"

#define HOUR_US (CM_SECONDS(3600))

/* Someone who is a guest and signed in, with these rows. */
static cm_grant_facts facts_with(cm_grant_rows rows)
{
    return (cm_grant_facts){.session_is_live = true,
                            .account_is_active = true,
                            .camera_exists = true,
                            .role = CM_ROLE_GUEST,
                            .token_limit = UINT32_MAX,
                            .granted = rows};
}

static cm_grant_decision decide_at(const cm_grant_facts *facts, const cm_zone *zone, int64_t now_us,
                                   cm_rights wanted)
{
    const cm_moment at = cm_zone_at(zone, (cm_wall){.us = now_us});
    return cm_grant_decide(facts, &at, wanted);
}

static cm_zone *open_zone(const char *name)
{
    static uint8_t bytes[CM_ZONE_BYTES_MAX];
    char path[128];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    cm_zone *zone = NULL;
    assert_int_equal(cm_zone_parse(cm_slice_over(bytes, size), &zone), CM_OK);
    return zone;
}

/* ---- one row ---- */

static void a_row_gives_from_its_beginning_to_its_end(void **state)
{
    (void)state;
    const cm_grant_facts facts = facts_with((cm_grant_rows){
        .count = 1,
        .items = {{.rights = VIEW, .not_before = {.us = 1000}, .not_after = {.us = 2000}}}});
    static const struct {
        int64_t now;
        cm_grant_reason reason;
        int64_t until;
    } ROWS[] = {{0, CM_GRANT_DENIED_NOT_YET, 1000},      {999, CM_GRANT_DENIED_NOT_YET, 1000},
                {1000, CM_GRANT_ALLOWED_GRANT, 2000},    {1999, CM_GRANT_ALLOWED_GRANT, 2000},
                {2000, CM_GRANT_DENIED_OVER, INT64_MAX}, {9999, CM_GRANT_DENIED_OVER, INT64_MAX}};
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        const cm_grant_decision d = decide_at(&facts, NULL, ROWS[i].now, CM_RIGHTS_ALL);
        assert_int_equal(d.reason, ROWS[i].reason);
        assert_int_equal(d.is_allowed, d.reason == CM_GRANT_ALLOWED_GRANT);
        assert_int_equal(d.rights, d.is_allowed ? VIEW : 0);
        assert_true(d.until.us == ROWS[i].until);
        assert_int_equal(d.row, 0);
    }
    cm_wall opens;
    assert_int_equal(cm_grant_opens(&facts, NULL, (cm_wall){0}, VIEW, &opens), CM_OK);
    assert_true(opens.us == 1000);
    assert_int_equal(cm_grant_opens(&facts, NULL, (cm_wall){2000}, VIEW, &opens), CM_ABSENT);
    assert_true(cm_grant_holds_until(&facts, NULL, (cm_wall){1000}, VIEW, (cm_wall){5000}).us ==
                2000);
    assert_true(cm_grant_holds_until(&facts, NULL, (cm_wall){1000}, VIEW, (cm_wall){1500}).us ==
                1500);
}

static void hours_without_a_clock_are_never_open(void **state)
{
    (void)state;
    const cm_grant_facts facts = facts_with(
        (cm_grant_rows){.count = 1, .items = {{.rights = VIEW, .hours = {.from = 60, .to = 120}}}});
    const cm_grant_decision d = decide_at(&facts, NULL, NOW.us, VIEW);
    assert_int_equal(d.reason, CM_GRANT_DENIED_HOURS);
    cm_wall opens;
    assert_int_equal(cm_grant_opens(&facts, NULL, NOW, VIEW, &opens), CM_ABSENT);
}

static void what_several_rows_give_adds_up(void **state)
{
    (void)state;
    const cm_grant_facts facts = facts_with(
        (cm_grant_rows){.count = 3,
                        .items = {{.rights = VIEW | CM_RIGHT_HISTORY, .not_before = {.us = 500}},
                                  {.rights = VIEW | CM_RIGHT_LISTEN, .not_after = {.us = 2000}},
                                  {.rights = VIEW | CM_RIGHT_HISTORY | CM_RIGHT_EXPORT,
                                   .not_before = {.us = 800}}}});
    cm_grant_decision d = decide_at(&facts, NULL, 100, CM_RIGHTS_ALL);
    assert_int_equal(d.rights, VIEW | CM_RIGHT_LISTEN);
    assert_int_equal(d.row, 1);
    assert_true(d.until.us == 500);
    d = decide_at(&facts, NULL, 900, CM_RIGHTS_ALL);
    assert_int_equal(d.rights, VIEW | CM_RIGHT_LISTEN | CM_RIGHT_HISTORY | CM_RIGHT_EXPORT);
    assert_int_equal(d.row, 0);
    assert_true(d.until.us == 2000);
    assert_true(d.history_from.us == 500); /* the earliest of those that give it */
    d = decide_at(&facts, NULL, 3000, CM_RIGHT_LISTEN);
    assert_int_equal(d.reason, CM_GRANT_DENIED_OVER);
    assert_int_equal(d.row, 1);
    d = decide_at(&facts, NULL, 600, CM_RIGHT_EXPORT);
    assert_int_equal(d.reason, CM_GRANT_DENIED_NOT_YET);
    assert_int_equal(d.row, 2);
    assert_int_equal(decide_at(&facts, NULL, 600, CM_RIGHT_TALK).reason, CM_GRANT_DENIED_NO_GRANT);
    assert_int_equal(decide_at(&facts, NULL, 600, CM_RIGHT_TALK).row, -1);
}

/* More than fit, as a wrong count would say: no row beyond the array is read. */
static void a_count_beyond_the_rows_reads_no_further(void **state)
{
    (void)state;
    cm_grant_facts facts = facts_with((cm_grant_rows){.count = 1000});
    assert_false(decide_at(&facts, NULL, 0, CM_RIGHTS_ALL).is_allowed);
}

static void an_owner_needs_no_hours(void **state)
{
    (void)state;
    cm_grant_facts facts = facts_with(
        (cm_grant_rows){.count = 1, .items = {{.rights = VIEW, .not_after = {.us = 1}}}});
    facts.role = CM_ROLE_OWNER;
    const cm_grant_decision d = decide_at(&facts, NULL, 100, CM_RIGHTS_ALL);
    assert_int_equal(d.reason, CM_GRANT_ALLOWED_OWNER);
    assert_int_equal(d.rights, CM_RIGHTS_ALL);
    assert_true(d.until.us == INT64_MAX && d.history_from.us == 0);
}

/* ---- a year of minutes, against the C library ---- */

static bool row_gives(const cm_grant_terms *terms, int64_t now_us, const struct tm *tm)
{
    const unsigned today = (unsigned)(tm->tm_wday + 6) % 7;
    const int minute = tm->tm_hour * 60 + tm->tm_min;
    const unsigned days = terms->hours.days == 0 ? 0x7F : terms->hours.days;
    const bool in_time = now_us >= terms->not_before.us &&
                         (terms->not_after.us == 0 || now_us < terms->not_after.us);
    const int to = terms->hours.to == 0 && terms->hours.from == 0 ? 1440 : terms->hours.to;
    const bool in_hours = to > terms->hours.from
                              ? (days >> today & 1) && minute >= terms->hours.from && minute < to
                              : ((days >> today & 1) && minute >= terms->hours.from) ||
                                    ((days >> (today + 6) % 7 & 1) && minute < to);
    return in_time && in_hours;
}

static cm_grant_rows random_rows(cm_random *random, int64_t year_us)
{
    cm_grant_rows rows = {.count = 1 + (uint32_t)cm_random_below(random, CM_GRANT_ROWS_MAX)};
    for (uint32_t i = 0; i < rows.count; i++) {
        cm_grant_terms *t = &rows.items[i];
        t->rights = VIEW | (cm_rights)cm_random_below(random, 64) << 1;
        t->rights = cm_rights_that_stand(t->rights);
        do {
            t->hours = (cm_hours){.days = (uint8_t)cm_random_below(random, 128),
                                  .from = (uint16_t)cm_random_below(random, 1440),
                                  .to = (uint16_t)cm_random_below(random, 1441)};
        } while (!cm_hours_are_sound(&t->hours));
        if (cm_random_below(random, 2) == 0)
            t->not_before.us = year_us + CM_SECONDS(60) * (int64_t)cm_random_below(random, 200000);
        if (cm_random_below(random, 2) == 0)
            t->not_after.us =
                year_us + CM_SECONDS(60) * (200000 + (int64_t)cm_random_below(random, 200000));
    }
    return rows;
}

/* Every minute: the rights are those of the rows that give, nothing changes before it was said to,
 * and the next opening that was named is the one that comes. */
static void sweep_year(const char *name, uint64_t seed, int64_t year_us)
{
    cm_random random = cm_random_seeded(seed);
    cm_zone *zone = open_zone(name);
    char tz[64];
    snprintf(tz, sizeof tz, ":%s", name);
    setenv("TZ", tz, 1);
    tzset();
    const cm_grant_facts facts = facts_with(random_rows(&random, year_us));
    cm_grant_decision last = {.until = {.us = 0}};
    cm_wall promised = {.us = 0}; /* the opening */
    for (int64_t minute = 0; minute < 366 * 1440; minute++) {
        const int64_t now_us = year_us + minute * CM_SECONDS(60);
        const time_t now = (time_t)(now_us / CM_SECONDS(1));
        struct tm tm;
        assert_non_null(localtime_r(&now, &tm));
        cm_rights wanted = 0;
        for (uint32_t i = 0; i < facts.granted.count; i++)
            wanted |=
                row_gives(&facts.granted.items[i], now_us, &tm) ? facts.granted.items[i].rights : 0;
        const cm_grant_decision d = decide_at(&facts, zone, now_us, CM_RIGHTS_ALL);
        if (d.rights != wanted)
            fail_msg("%s seed %llu minute %lld: %x, not %x", name, (unsigned long long)seed,
                     (long long)minute, d.rights, wanted);
        if (now_us < last.until.us)
            assert_int_equal(d.rights, last.rights);
        assert_true(d.until.us > now_us);
        if (d.is_allowed && !last.is_allowed && promised.us != 0)
            assert_true(promised.us == now_us);
        if (!d.is_allowed && (minute % 97 == 0 || last.is_allowed)) {
            const cm_status status =
                cm_grant_opens(&facts, zone, (cm_wall){.us = now_us}, CM_RIGHTS_ALL, &promised);
            promised = status == CM_OK ? promised : (cm_wall){.us = INT64_MAX};
        }
        last = d;
    }
    cm_zone_destroy(zone);
}

static void every_minute_of_a_year_is_decided_as_the_clock_says(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"Europe/Rome", "Asia/Kolkata", "Australia/Lord_Howe",
                                        "America/New_York"};
    for (uint64_t seed = 1; seed <= 8; seed++)
        sweep_year(NAMES[seed % CM_COUNT(NAMES)], seed, INT64_C(1767225600000000));
}

/* ---- on virtual time: NOW is 2026-11-18 11:06:40 UTC, a Wednesday ---- */

static void grant(server *s, size_t who, const cm_grant_terms *terms)
{
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(
        cm_store_grant_put(s->w.store, &door, &s->w.people[who].id, terms, false, NOW, &change),
        CM_OK);
    cm_grants_changed(s->grants, &change, NULL);
    cm_change_clear(&change);
}

static void set_clock(server *s, const char *zone)
{
    const cm_home_id verdi = home_id("verdi");
    cm_change change;
    assert_int_equal(cm_store_home_set_time_zone(s->w.store, &verdi, cm_slice_of(zone), &change),
                     CM_OK);
    cm_grants_changed(s->grants, &change, NULL);
    cm_change_clear(&change);
}

static void run_to(server *s, int64_t wall_us)
{
    cm_sim_run_for(s->sim, wall_us - cm_loop_wall(s->control).us);
}

static const cm_grant_terms TO_TEN_PAST = {.rights = VIEW, .hours = {.from = 660, .to = 670}};
#define TEN_PAST_US (NOW.us + CM_SECONDS(200)) /* 11:10:00 */

static void a_lease_ends_with_the_hours_and_no_message_need_come(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    set_clock(&s, "UTC");
    grant(&s, BRUNO, &TO_TEN_PAST);
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    for (int64_t ahead = 100; ahead >= 1; ahead -= 3) {
        run_to(&s, TEN_PAST_US - CM_SECONDS(ahead));
        assert_true(is_live(&s, &v));
        /* The lease itself, whatever is said later, does not reach beyond. */
        const int64_t left = cm_instant_since(cm_lease_until(v.lease), cm_loop_now(s.viewers));
        assert_true(left <= CM_SECONDS(ahead));
    }
    run_to(&s, TEN_PAST_US - 1);
    assert_true(is_live(&s, &v));
    run_to(&s, TEN_PAST_US);
    assert_false(is_live(&s, &v));
    run_to(&s, TEN_PAST_US + CM_MS(100));
    assert_true(v.has_ended);
    assert_int_equal(v.reason, CM_GRANT_DENIED_HOURS);
    stop_watching(&v);
    /* The next day at 11:00 they begin again. */
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(v.has_ended);
    stop_watching(&v);
    run_to(&s, TEN_PAST_US + 23 * HOUR_US + 50 * CM_SECONDS(60));
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &v));
    stop_watching(&v);
    server_close(&s);
}

/* No gap, however often it is looked. */
static void where_hours_follow_one_another_nothing_ends(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    set_clock(&s, "UTC");
    /* Wednesday and Thursday: at the midnight between them one day's hours follow another's. */
    grant(&s, BRUNO, &(cm_grant_terms){.rights = VIEW, .hours = {.days = 0x0C}});
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const int64_t midnight = NOW.us + CM_SECONDS(46400);
    run_to(&s, midnight - CM_SECONDS(5));
    for (int i = 0; i < 100; i++) {
        cm_sim_run_for(s.sim, CM_MS(100));
        assert_true(is_live(&s, &v));
    }
    run_to(&s, midnight + 24 * HOUR_US - 1);
    assert_true(is_live(&s, &v));
    run_to(&s, midnight + 24 * HOUR_US);
    assert_false(is_live(&s, &v));
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    stop_watching(&v);
    server_close(&s);
}

static void when_only_hearing_ends_seeing_goes_on(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    set_clock(&s, "UTC");
    /* A grant has one set of hours; what is heard ends by a narrower one put in its place. */
    grant(&s, BRUNO, &(cm_grant_terms){.rights = VIEW | CM_RIGHT_LISTEN});
    viewer v;
    ask_for(&s, &v, &s.w.sessions[BRUNO], 0, 1 | 1u << CM_STREAM_SOUND, VIEW | CM_RIGHT_LISTEN);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(cm_lease_allows(v.lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN));
    grant(&s, BRUNO, &JUST_VIEW);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(is_live(&s, &v));
    assert_false(cm_lease_allows(v.lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN));
    stop_watching(&v);
    server_close(&s);
}

/* The wall's clock is set while he watches: forward past the end, and back before the beginning. */
static void a_clock_that_jumps_is_noticed_within_a_second(void **state)
{
    (void)state;
    static const int64_t JUMPS[] = {CM_SECONDS(3600), -CM_SECONDS(3600)};
    for (size_t i = 0; i < CM_COUNT(JUMPS); i++) {
        server s;
        server_open(&s, NULL);
        set_clock(&s, "UTC");
        grant(&s, BRUNO, &TO_TEN_PAST);
        viewer v;
        viewer owner;
        start_watching(&s, &v, BRUNO, 0);
        start_watching(&s, &owner, ANNA, 0);
        cm_sim_run_for(s.sim, CM_SECONDS(3));
        assert_true(is_live(&s, &v));
        cm_sim_wall_jump(s.sim, JUMPS[i]);
        cm_sim_run_for(s.sim, CM_MS(1100));
        assert_true(v.has_ended);
        assert_int_equal(v.reason, CM_GRANT_DENIED_HOURS);
        assert_true(is_live(&s, &owner));
        stop_watching(&v);
        /* Set right again: he comes in. */
        cm_sim_wall_jump(s.sim, -JUMPS[i]);
        start_watching(&s, &v, BRUNO, 0);
        cm_sim_run_for(s.sim, CM_MS(50));
        assert_true(is_live(&s, &v));
        stop_watching(&v);
        stop_watching(&owner);
        server_close(&s);
    }
}

/* A clock that is brought nearer a little at a time: at most one lease too long, and only by what
 * the clock moved. */
static void a_clock_that_creeps_moves_the_end_along(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    set_clock(&s, "UTC");
    grant(&s, BRUNO, &TO_TEN_PAST);
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    while (!v.has_ended) {
        cm_sim_run_for(s.sim, CM_MS(500));
        cm_sim_wall_jump(s.sim, CM_MS(20));
    }
    const int64_t late = cm_loop_wall(s.control).us - TEN_PAST_US;
    assert_true(late >= 0 && late < CM_SECONDS(5));
    stop_watching(&v);
    server_close(&s);
}

static void another_clock_of_the_home_cuts_who_is_outside_of_it(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    set_clock(&s, "UTC");
    grant(&s, BRUNO, &TO_TEN_PAST);
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_true(is_live(&s, &v));
    set_clock(&s, "Asia/Kolkata"); /* 16:36 there */
    cm_sim_run_for(s.sim, 0);
    assert_false(is_live(&s, &v)); /* by the page */
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    assert_int_equal(v.reason, CM_GRANT_DENIED_HOURS);
    stop_watching(&v);
    server_close(&s);
}

static void an_end_that_is_brought_forward_cuts_at_once_and_one_that_is_not_does_not(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer v;
    start_watching(&s, &v, BRUNO, 0);
    cm_sim_run_for(s.sim, CM_MS(50));
    const cm_grant_terms later = {.rights = VIEW, .not_after = {.us = NOW.us + HOUR_US}};
    grant(&s, BRUNO, &later); /* still in time: the keys turn, and he goes on under the new ones */
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(is_live(&s, &v) && !v.has_ended);
    cm_grants_counters before;
    cm_grants_read_counters(s.grants, &before);
    grant(&s, BRUNO, &(cm_grant_terms){.rights = VIEW, .not_after = {.us = NOW.us + 2 * HOUR_US}});
    cm_sim_run_for(s.sim, CM_MS(100));
    cm_grants_counters after;
    cm_grants_read_counters(s.grants, &after);
    assert_true(after.turns == before.turns); /* more turns nothing */
    grant(&s, BRUNO, &(cm_grant_terms){.rights = VIEW, .not_after = {.us = NOW.us + 1}});
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    assert_int_equal(v.reason, CM_GRANT_DENIED_OVER);
    stop_watching(&v);
    server_close(&s);
}

typedef struct busy_loop {
    cm_task task;
    server *s;
    int turns;
} busy_loop;

static void take_long(cm_task *task)
{
    busy_loop *busy = CM_HOLDER(task, busy_loop, task);
    cm_sim_spend(busy->s->sim, CM_MS(400));
    if (--busy->turns > 0)
        cm_loop_post(busy->s->control, task);
}

/* Else a loop that has too much to do would decide every session again, which is more of it. */
static void a_turn_that_takes_long_is_no_jump_of_the_clock(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    viewer owner;
    start_watching(&s, &owner, ANNA, 0);
    cm_sim_run_for(s.sim, CM_SECONDS(3));
    const size_t leases = owner.leases;
    busy_loop busy = {.task = {.run = take_long}, .s = &s, .turns = 12};
    cm_loop_post(s.control, &busy.task);
    cm_sim_run_for(s.sim, CM_SECONDS(8));
    assert_int_equal(busy.turns, 0);
    assert_int_equal(owner.leases, leases);
    stop_watching(&owner);
    server_close(&s);
}

/* Over the clock's change: 2026-03-29 in Rome, 01:30 to 02:30, of which only half an hour is. */
static void a_lease_ends_at_the_jump_of_summer_time(void **state)
{
    (void)state;
    server s;
    server_open(&s, NULL);
    const int64_t jump = INT64_C(1774746000000000);
    cm_sim_wall_jump(s.sim, jump - 20 * CM_SECONDS(60) - cm_loop_wall(s.control).us);
    set_clock(&s, "Europe/Rome");
    grant(&s, ANNA, &JUST_VIEW);
    grant(&s, BRUNO, &(cm_grant_terms){.rights = VIEW, .hours = {.from = 90, .to = 150}});
    cm_sim_run_for(s.sim, CM_MS(50));
    viewer v;
    const cm_asker asker = {.kind = CM_ASKER_SESSION, .token_hash = {1}}; /* of that day */
    cm_change change;
    assert_int_equal(cm_store_session_create(s.w.store, &s.w.people[BRUNO].id, asker.token_hash,
                                             &(cm_session_origin){.method = CM_METHOD_PASSWORD},
                                             cm_loop_wall(s.control), &change),
                     CM_OK);
    cm_change_clear(&change);
    watch_as(&s, &v, &asker, 0);
    run_to(&s, jump - 1);
    assert_true(is_live(&s, &v));
    run_to(&s, jump);
    assert_false(is_live(&s, &v));
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(v.has_ended);
    stop_watching(&v);
    server_close(&s);
}

/* The promise of issue 4: 200 ns, with room for the sanitizers and a busy machine. The figure is
 * told; the release has it at a tenth. */
static void a_decision_is_quick(void **state)
{
    (void)state;
    cm_zone *rome = open_zone("Europe/Rome");
    cm_grant_facts facts = facts_with((cm_grant_rows){.count = CM_GRANT_ROWS_MAX});
    for (uint32_t i = 0; i < CM_GRANT_ROWS_MAX; i++)
        facts.granted.items[i] = (cm_grant_terms){
            .rights = VIEW, .hours = {.days = 0x15, .from = (uint16_t)(60 + i), .to = 30}};
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    uint64_t allowed = 0;
    enum { ROUNDS = 200000 };
    for (int64_t i = 0; i < ROUNDS; i++)
        allowed += decide_at(&facts, rome, NOW.us + i * CM_SECONDS(61), VIEW).is_allowed;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    const int64_t ns =
        (end.tv_sec - begin.tv_sec) * INT64_C(1000000000) + end.tv_nsec - begin.tv_nsec;
    print_message("%.0f ns a decision of %u rows, %zu bytes of facts, %llu allowed\n",
                  (double)ns / ROUNDS, facts.granted.count, sizeof facts,
                  (unsigned long long)allowed);
    assert_true(ns / ROUNDS < 20000);
    cm_zone_destroy(rome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_gives_from_its_beginning_to_its_end),
        cmocka_unit_test(hours_without_a_clock_are_never_open),
        cmocka_unit_test(what_several_rows_give_adds_up),
        cmocka_unit_test(a_count_beyond_the_rows_reads_no_further),
        cmocka_unit_test(an_owner_needs_no_hours),
        cmocka_unit_test(every_minute_of_a_year_is_decided_as_the_clock_says),
        cmocka_unit_test(a_lease_ends_with_the_hours_and_no_message_need_come),
        cmocka_unit_test(where_hours_follow_one_another_nothing_ends),
        cmocka_unit_test(when_only_hearing_ends_seeing_goes_on),
        cmocka_unit_test(a_clock_that_jumps_is_noticed_within_a_second),
        cmocka_unit_test(a_turn_that_takes_long_is_no_jump_of_the_clock),
        cmocka_unit_test(a_clock_that_creeps_moves_the_end_along),
        cmocka_unit_test(another_clock_of_the_home_cuts_who_is_outside_of_it),
        cmocka_unit_test(an_end_that_is_brought_forward_cuts_at_once_and_one_that_is_not_does_not),
        cmocka_unit_test(a_lease_ends_at_the_jump_of_summer_time),
        cmocka_unit_test(a_decision_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
