/* base/zone and base/hours: the machine's C library, which reads the same files with code of its
 * own, says what is right. One behaviour a case. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hours.h"
#include "base/writer.h"

#define AT(seconds) ((cm_wall){.us = CM_SECONDS((int64_t)(seconds))})

/* 2026-01-01T00:00:00Z and 2040-01-01T00:00:00Z */
enum { Y2026 = 1767225600, MINUTES_OF_YEAR = 366 * 1440 };
static const int64_t Y2040 = INT64_C(2208988800);

/* Rules in force, far ahead, of half an hour, without summer time, none any more, negative summer
 * time, over midnight, long lists without a rule. */
static const char *const ZONES[] = {
    "Europe/Rome",       "Asia/Kolkata",       "Australia/Lord_Howe", "America/New_York",
    "America/Sao_Paulo", "Europe/Dublin",      "America/Godthab",     "Africa/Casablanca",
    "Pacific/Apia",      "Antarctica/Troll",   "Asia/Tehran",         "Africa/Monrovia",
    "America/St_Johns",  "Pacific/Kiritimati", "Asia/Gaza",           "Etc/GMT+12",
};

typedef struct file {
    uint8_t bytes[CM_ZONE_BYTES_MAX];
    size_t size;
} file;

static file read_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    file out;
    out.size = fread(out.bytes, 1, sizeof out.bytes, f);
    fclose(f);
    return out;
}

static cm_zone *open_zone(const char *name)
{
    static file f;
    f = read_file(name);
    cm_zone *zone = NULL;
    assert_int_equal(cm_zone_parse(cm_slice_over(f.bytes, f.size), &zone), CM_OK);
    return zone;
}

static void set_clock_of_libc(const char *name)
{
    char tz[128];
    snprintf(tz, sizeof tz, ":%s", name);
    assert_int_equal(setenv("TZ", tz, 1), 0);
    tzset();
}

static struct tm libc_time(int64_t now_s)
{
    const time_t now = (time_t)now_s;
    struct tm tm;
    assert_non_null(localtime_r(&now, &tm));
    return tm;
}

static void check_offset(const cm_zone *zone, const char *name, int64_t now_s)
{
    const cm_moment at = cm_zone_at(zone, AT(now_s));
    const long wanted = libc_time(now_s).tm_gmtoff;
    if (!at.is_known || at.offset_s != wanted)
        fail_msg("%s at %lld: %d, not %ld", name, (long long)now_s, at.offset_s, wanted);
}

/* Every 20 hours from 1850 to 2150, and both sides of every change that is named. */
static void offsets_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (size_t z = 0; z < CM_COUNT(ZONES); z++) {
        cm_zone *zone = open_zone(ZONES[z]);
        set_clock_of_libc(ZONES[z]);
        for (int64_t now = INT64_C(-3786825600); now < INT64_C(5680281600); now += 72000)
            check_offset(zone, ZONES[z], now);
        for (int64_t now = INT64_C(-2000000000); now < INT64_C(5680281600);) {
            const cm_moment at = cm_zone_at(zone, AT(now));
            if (at.until.us == INT64_MAX)
                break;
            now = at.until.us / CM_SECONDS(1);
            check_offset(zone, ZONES[z], now - 1);
            check_offset(zone, ZONES[z], now);
        }
        cm_zone_destroy(zone);
    }
}

static const cm_hours PATTERNS[] = {
    {.days = 0x1F, .from = 18 * 60, .to = 22 * 60}, /* evenings of working days */
    {.days = 0x10, .from = 22 * 60, .to = 6 * 60},  /* from Friday into Saturday */
    {.days = 0, .from = 2 * 60, .to = 2 * 60 + 30}, /* in the hour that is left out */
    {.days = 0x40, .from = 90, .to = 150},          /* across the hour that comes twice */
    {.days = 0x60, .from = 0, .to = 1440},          /* the weekend, whole days */
    {.days = 0x7F, .from = 1, .to = 0},             /* all but a minute */
    {.days = 0x15, .from = 12 * 60, .to = 11 * 60}, /* each reaching far into the next day */
};

/* Written by the definition: the day and minute that the clock shows, compared one by one. */
static bool is_open_by_libc(const cm_hours *hours, const struct tm *tm)
{
    const unsigned today = (unsigned)(tm->tm_wday + 6) % 7;
    const unsigned yesterday = (today + 6) % 7;
    const int minute = tm->tm_hour * 60 + tm->tm_min;
    const unsigned days = hours->days == 0 ? 0x7F : hours->days;
    if (hours->to > hours->from)
        return (days >> today & 1) != 0 && minute >= hours->from && minute < hours->to;
    return ((days >> today & 1) != 0 && minute >= hours->from) ||
           ((days >> yesterday & 1) != 0 && minute < hours->to);
}

/* What was promised a minute ago: the same until then, and then not. */
typedef struct promise {
    cm_hours_state state;
    bool is_of_offset; /* it ends with the offset: nothing is said of what comes then */
} promise;

static void check_minute(const cm_zone *zone, const cm_hours *hours, int64_t now_s,
                         const struct tm *tm, promise *last)
{
    const cm_moment at = cm_zone_at(zone, AT(now_s));
    const cm_hours_state state = cm_hours_at(hours, &at);
    if (state.is_open != is_open_by_libc(hours, tm))
        fail_msg("at %lld: %d", (long long)now_s, state.is_open);
    assert_true(state.until.us > at.now.us && state.until.us <= at.until.us);
    if (last->state.until.us > at.now.us) {
        assert_int_equal(state.is_open, last->state.is_open);
        assert_true(state.until.us == last->state.until.us);
    } else if (last->state.until.us == at.now.us && !last->is_of_offset) {
        assert_int_equal(state.is_open, !last->state.is_open);
    }
    *last = (promise){.state = state, .is_of_offset = state.until.us == at.until.us};
}

static void sweep(const char *name, int64_t from_s)
{
    cm_zone *zone = open_zone(name);
    set_clock_of_libc(name);
    promise promises[CM_COUNT(PATTERNS)] = {{.state = {.until = {.us = 0}}}};
    for (int64_t minute = 0; minute < MINUTES_OF_YEAR; minute++) {
        const struct tm tm = libc_time(from_s + minute * 60);
        for (size_t p = 0; p < CM_COUNT(PATTERNS); p++)
            check_minute(zone, &PATTERNS[p], from_s + minute * 60, &tm, &promises[p]);
    }
    cm_zone_destroy(zone);
}

static void hours_of_every_minute_of_a_year_are_what_the_clock_shows(void **state)
{
    (void)state;
    sweep("Europe/Rome", Y2026);
    sweep("Asia/Kolkata", Y2026);
    sweep("Australia/Lord_Howe", Y2026);
    sweep("America/New_York", Y2040);
    sweep("America/Sao_Paulo", Y2026);
}

/* 2026-03-29 at 01:00Z the clocks of Rome go from 02:00 to 03:00. */
static void hours_in_a_left_out_hour_are_never_open(void **state)
{
    (void)state;
    static const cm_hours LEFT_OUT = {.from = 120, .to = 150};
    static const cm_hours INTO_IT = {.from = 60, .to = 150};
    const int64_t jump = INT64_C(1774746000);
    cm_zone *zone = open_zone("Europe/Rome");
    for (int64_t s = jump - 3600; s < jump + 3600; s += 60) {
        const cm_moment at = cm_zone_at(zone, AT(s));
        assert_false(cm_hours_at(&LEFT_OUT, &at).is_open);
        assert_int_equal(cm_hours_at(&INTO_IT, &at).is_open, s < jump);
    }
    const cm_moment before = cm_zone_at(zone, AT(jump - 1));
    assert_true(cm_hours_at(&INTO_IT, &before).until.us == CM_SECONDS(jump));
    cm_zone_destroy(zone);
}

/* 2026-10-25 at 01:00Z they go from 03:00 back to 02:00. */
static void hours_in_an_hour_that_comes_twice_are_open_twice(void **state)
{
    (void)state;
    static const cm_hours HALF = {.from = 120, .to = 150};
    const int64_t jump = INT64_C(1792890000);
    cm_zone *zone = open_zone("Europe/Rome");
    unsigned open = 0;
    for (int64_t s = jump - 7200; s < jump + 7200; s += 60) {
        const cm_moment at = cm_zone_at(zone, AT(s));
        open += cm_hours_at(&HALF, &at).is_open ? 1 : 0;
    }
    assert_int_equal(open, 60);
    cm_zone_destroy(zone);
}

static void always_needs_no_zone_and_all_else_does(void **state)
{
    (void)state;
    static const cm_hours ALWAYS[] = {{0}, {.days = 0x7F}, {.to = 1440}};
    static const cm_hours EVENING = {.from = 1080, .to = 1320};
    const cm_moment unknown = cm_zone_at(NULL, AT(Y2026));
    assert_false(unknown.is_known);
    for (size_t i = 0; i < CM_COUNT(ALWAYS); i++) {
        assert_true(cm_hours_are_always(&ALWAYS[i]));
        assert_true(cm_hours_at(&ALWAYS[i], &unknown).is_open);
        assert_true(cm_hours_at(&ALWAYS[i], &unknown).until.us == INT64_MAX);
    }
    assert_false(cm_hours_at(&EVENING, &unknown).is_open);
    assert_true(cm_hours_at(&EVENING, &unknown).until.us == INT64_MAX);
    const cm_moment utc = cm_zone_at(cm_zone_utc(), AT(Y2026 + 1080 * 60));
    assert_true(utc.is_known && utc.offset_s == 0 && utc.until.us == INT64_MAX);
    assert_true(cm_hours_at(&EVENING, &utc).is_open);
}

static void hours_that_can_not_be_are_told_from_those_that_can(void **state)
{
    (void)state;
    for (size_t p = 0; p < CM_COUNT(PATTERNS); p++)
        assert_true(cm_hours_are_sound(&PATTERNS[p]));
    static const cm_hours BAD[] = {
        {.days = 0x80}, {.from = 1440, .to = 10}, {.to = 1441}, {.from = 600, .to = 600}};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_false(cm_hours_are_sound(&BAD[i]));
}

static void inclusion_is_minute_by_minute(void **state)
{
    (void)state;
    static const cm_hours ALWAYS = {0};
    static const cm_hours EVENING = {.from = 1080, .to = 1320};
    static const cm_hours FRIDAY = {.days = 0x10, .from = 1200, .to = 1320};
    static const cm_hours FRIDAY_NIGHT = {.days = 0x10, .from = 1080, .to = 60};
    static const cm_hours SATURDAY_EARLY = {.days = 0x20, .from = 0, .to = 60};
    assert_true(cm_hours_include(&ALWAYS, &EVENING));
    assert_false(cm_hours_include(&EVENING, &ALWAYS));
    assert_true(cm_hours_include(&EVENING, &FRIDAY));
    assert_false(cm_hours_include(&FRIDAY, &EVENING));
    assert_false(cm_hours_include(&EVENING, &FRIDAY_NIGHT));
    assert_true(cm_hours_include(&FRIDAY_NIGHT, &SATURDAY_EARLY));
    assert_true(cm_hours_include(&ALWAYS, &ALWAYS));
}

static void names_lead_nowhere_else(void **state)
{
    (void)state;
    static const char *const FIT[] = {"UTC",        "Europe/Rome", "America/Argentina/Buenos_Aires",
                                      "Etc/GMT+12", "Etc/GMT-1",   "EST5EDT"};
    static const char *const UNFIT[] = {
        "",
        "/etc/passwd",
        "../etc/passwd",
        "Europe/../Rome",
        "Europe//Rome",
        "Europe/",
        "./UTC",
        "Europe/Rome ",
        "Europe/.hidden",
        "Europe\\Rome",
        "Europe/Ro\nme",
        "Europe/-x",
        "Zürich",
        "A123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < CM_COUNT(FIT); i++)
        assert_true(cm_zone_name_is_fit(cm_slice_of(FIT[i])));
    for (size_t i = 0; i < CM_COUNT(UNFIT); i++)
        assert_false(cm_zone_name_is_fit(cm_slice_of(UNFIT[i])));
    assert_false(cm_zone_name_is_fit(cm_slice_over("UTC\0", 4)));
}

/* ---- files made here ---- */

typedef struct made {
    uint8_t bytes[512];
    size_t size;
} made;

typedef struct plan {
    char version;
    uint32_t leaps, types;
    uint8_t kind; /* of the one transition */
    int32_t offset_s;
    int64_t second_at; /* of a second transition, if not 0 */
    const char *footer;
} plan;

static const plan SOUND = {.version = '2', .types = 1, .offset_s = 3600, .footer = "\nQQQ-1\n"};

static void write_header(cm_writer *w, const plan *p, uint32_t times, uint32_t types)
{
    cm_write_text(w, "TZif");
    cm_write_u8(w, (uint8_t)p->version);
    cm_write_zeros(w, 15 + 8);
    cm_write_u32(w, p->leaps);
    cm_write_u32(w, times);
    cm_write_u32(w, types);
    cm_write_u32(w, types > 0 ? 4 : 0);
}

static made make(const plan *p)
{
    made out;
    cm_writer w = cm_writer_over(out.bytes, sizeof out.bytes);
    const uint32_t times = p->second_at != 0 ? 2 : 1;
    write_header(&w, p, 0, 0);
    write_header(&w, p, times, p->types);
    cm_write_u64(&w, 1000);
    if (times == 2)
        cm_write_u64(&w, (uint64_t)p->second_at);
    cm_write_u8(&w, p->kind);
    if (times == 2)
        cm_write_u8(&w, p->kind);
    for (uint32_t i = 0; i < p->types; i++) {
        cm_write_u32(&w, (uint32_t)p->offset_s);
        cm_write_u16(&w, 0);
    }
    cm_write_zeros(&w, p->types > 0 ? 4 : 0);
    cm_write_text(&w, p->footer);
    out.size = cm_writer_done(&w).size;
    return out;
}

static cm_status parse_plan(plan p)
{
    const made m = make(&p);
    cm_zone *zone = NULL;
    const cm_status status = cm_zone_parse(cm_slice_over(m.bytes, m.size), &zone);
    cm_zone_destroy(zone);
    return status;
}

#define PARSES(...)                                                                                \
    do {                                                                                           \
        plan p = SOUND;                                                                            \
        __VA_ARGS__;                                                                               \
        assert_int_equal(parse_plan(p), CM_OK);                                                    \
    } while (0)
#define REFUSES(...)                                                                               \
    do {                                                                                           \
        plan p = SOUND;                                                                            \
        __VA_ARGS__;                                                                               \
        assert_int_equal(parse_plan(p), CM_REFUSE);                                                \
    } while (0)

/* RFC 8536, 3.1 and 3.2 */
static void broken_files_are_refused(void **state)
{
    (void)state;
    PARSES((void)p);
    PARSES(p.version = '3');
    REFUSES(p.version = 0);
    REFUSES(p.leaps = 1);
    REFUSES(p.types = 0);
    REFUSES(p.kind = 1);
    REFUSES(p.offset_s = INT32_MIN);
    REFUSES(p.offset_s = 27 * 3600);
    PARSES(p.second_at = 1001);
    REFUSES(p.second_at = 1000);
    REFUSES(p.second_at = 999);
}

/* RFC 8536, 3.3 */
static void footers_are_read_to_the_end(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"\n\n",
                                       "\n<+03>-3\n",
                                       "\nCET-1CEST,M3.5.0,M10.5.0/3\n",
                                       "\nIST-1GMT0,M10.5.0,M3.5.0/1\n",
                                       "\nQQQ3EDT4,0/0,J365/23\n",
                                       "\nAAA4BBB,J60/-1:30:15,M10.4.6/167\n"};
    static const char *const BAD[] = {"",
                                      "\n",
                                      "QQQ-1\n",
                                      "\nQQQ-1\n\n",
                                      "\nXY-1\n",
                                      "\nXYZ\n",
                                      "\nXYZ-25\n",
                                      "\nXYZ-1:60\n",
                                      "\nCET-1CEST\n",
                                      "\nCET-1CEST,M3.5.0\n",
                                      "\nCET-1CEST,M13.5.0,M10.5.0\n",
                                      "\nCET-1CEST,M3.6.0,M10.5.0\n",
                                      "\nCET-1CEST,M3.5.7,M10.5.0\n",
                                      "\nCET-1CEST,M0.5.1,J1\n",
                                      "\nCET-1CEST,J0,J1\n",
                                      "\nCET-1CEST,366,J1\n",
                                      "\nCET-1CEST,J1,J2/168\n",
                                      "\n<+03-3\n",
                                      "\nCET-1CEST,J1,J2,\n",
                                      "\nCET99999999999999999999\n"};
    for (size_t i = 0; i < CM_COUNT(GOOD); i++)
        PARSES(p.footer = GOOD[i]);
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        REFUSES(p.footer = BAD[i]);
}

static void no_prefix_of_a_file_is_a_file(void **state)
{
    (void)state;
    static file f;
    f = read_file("Europe/Rome");
    for (size_t size = 0; size < f.size; size++) {
        uint8_t *exact = malloc(size + 1);
        assert_non_null(exact);
        cm_slice_copy(cm_slice_over(f.bytes, size), exact, size + 1);
        cm_zone *zone = NULL;
        assert_int_equal(cm_zone_parse(cm_slice_over(exact, size), &zone), CM_REFUSE);
        free(exact);
    }
}

static void check_rule_by_libc(const char *footer, const char *tz)
{
    plan p = SOUND;
    p.footer = footer;
    const made m = make(&p);
    cm_zone *zone = NULL;
    assert_int_equal(cm_zone_parse(cm_slice_over(m.bytes, m.size), &zone), CM_OK);
    assert_int_equal(setenv("TZ", tz, 1), 0);
    tzset();
    for (int64_t now = Y2026; now < Y2026 + INT64_C(5) * 366 * 86400; now += 900)
        check_offset(zone, tz, now);
    cm_zone_destroy(zone);
}

static void rules_of_each_form_mean_what_the_c_library_says(void **state)
{
    (void)state;
    check_rule_by_libc("\nCET-1CEST,M3.5.0,M10.5.0/3\n", "CET-1CEST,M3.5.0,M10.5.0/3");
    check_rule_by_libc("\nAAA4BBB,J60/1,J300\n", "AAA4BBB,J60/1,J300");
    check_rule_by_libc("\nAAA4BBB,59/1,299\n", "AAA4BBB,59/1,299");
    check_rule_by_libc("\nIST-1GMT0,M10.5.0,M3.5.0/1\n", "IST-1GMT0,M10.5.0,M3.5.0/1");
    check_rule_by_libc("\nAAA-10:30BBB-11,M10.1.0,M4.1.0\n", "AAA-10:30BBB-11,M10.1.0,M4.1.0");
    check_rule_by_libc("\n<-02>2<-01>,M3.5.0/-1,M10.5.0/0\n", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
}

/* RFC 8536, 3.3.1: summer time all year. */
static void summer_time_may_last_all_year(void **state)
{
    (void)state;
    plan p = SOUND;
    p.footer = "\nQQQ3EDT4,0/0,J365/23\n";
    const made m = make(&p);
    cm_zone *zone = NULL;
    assert_int_equal(cm_zone_parse(cm_slice_over(m.bytes, m.size), &zone), CM_OK);
    for (int64_t now = Y2026; now < Y2026 + INT64_C(3) * 366 * 86400; now += 900)
        assert_int_equal(cm_zone_at(zone, AT(now)).offset_s, -4 * 3600);
    cm_zone_destroy(zone);
}

/* ---- times as text ---- */

static int64_t parsed_s(const cm_zone *zone, const char *text)
{
    cm_wall wall;
    if (cm_zone_parse_time(zone, cm_slice_of(text), &wall) != CM_OK)
        fail_msg("%s is refused", text);
    return wall.us / CM_SECONDS(1);
}

static void times_are_of_their_offset_or_of_the_clock(void **state)
{
    (void)state;
    cm_zone *rome = open_zone("Europe/Rome");
    assert_int_equal(parsed_s(rome, "2026-01-01T00:00:00Z"), Y2026);
    assert_int_equal(parsed_s(rome, "2026-01-01T01:00+01:00"), Y2026);
    assert_int_equal(parsed_s(rome, "2025-12-31T18:30-05:30"), Y2026);
    assert_int_equal(parsed_s(rome, "2026-01-01T01:00:00"), Y2026);
    assert_int_equal(parsed_s(rome, "2026-01-01"), Y2026 - 3600);
    assert_int_equal(parsed_s(rome, "2026-07-01 02:00"), parsed_s(rome, "2026-07-01T00:00Z"));
    assert_int_equal(parsed_s(cm_zone_utc(), "2026-01-01"), Y2026);
    cm_wall wall;
    assert_int_equal(cm_zone_parse_time(rome, CM_TEXT("2026-01-01T00:00:00.1239999Z"), &wall),
                     CM_OK);
    assert_int_equal(wall.us % CM_SECONDS(1), 123999);
    /* Left out: the jump. Twice: the first. */
    assert_int_equal(parsed_s(rome, "2026-03-29T02:30"), 1774746000);
    assert_int_equal(parsed_s(rome, "2026-10-25T02:30"), 1792890000 - 1800);
    cm_zone_destroy(rome);
}

static void what_the_clock_shows_leads_back_to_its_moment(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"Europe/Rome", "Australia/Lord_Howe", "Pacific/Apia"};
    for (size_t z = 0; z < CM_COUNT(NAMES); z++) {
        cm_zone *zone = open_zone(NAMES[z]);
        set_clock_of_libc(NAMES[z]);
        for (int64_t now = Y2026; now < Y2026 + INT64_C(366) * 86400; now += 1700) {
            struct tm tm = libc_time(now);
            char text[32];
            strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
            const int64_t back = parsed_s(zone, text);
            const struct tm again = libc_time(back);
            assert_true(back <= now && now - back <= 3600);
            assert_int_equal(again.tm_hour, tm.tm_hour);
            assert_int_equal(again.tm_min, tm.tm_min);
        }
        cm_zone_destroy(zone);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-29",
                                      "2026-00-10",
                                      "2026-01-00",
                                      "2026-1-1",
                                      "2026-01-01T",
                                      "2026-01-01T24:00",
                                      "2026-01-01T12",
                                      "2026-01-01T12:60Z",
                                      "2026-01-01T12:00X",
                                      "2026-01-01T12:00Z ",
                                      "2026-01-01Z",
                                      "2026-01-01T12:00+1:00",
                                      "2026-01-01T12:00.5Z.",
                                      "1969-12-31",
                                      "1970-01-01T00:00Z",
                                      "-026-01-01",
                                      "10000-01-01",
                                      "2026-01-01T12:00:00.Z"};
    cm_wall wall;
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        if (cm_zone_parse_time(cm_zone_utc(), cm_slice_of(BAD[i]), &wall) != CM_REFUSE)
            fail_msg("%s is taken", BAD[i]);
    assert_int_equal(cm_zone_parse_time(NULL, CM_TEXT("2026-01-01"), &wall), CM_REFUSE);
    uint16_t minute;
    static const char *const BAD_MINUTES[] = {"",      "6:00", "06:60", "24:01",
                                              "25:00", "0600", "06:0"};
    for (size_t i = 0; i < CM_COUNT(BAD_MINUTES); i++)
        assert_int_equal(cm_hours_parse_minute(cm_slice_of(BAD_MINUTES[i]), &minute), CM_REFUSE);
    assert_int_equal(cm_hours_parse_minute(CM_TEXT("24:00"), &minute), CM_OK);
    assert_int_equal(minute, 1440);
    uint8_t days = 0;
    assert_int_equal(cm_hours_add_day(CM_TEXT("Mon"), &days), CM_REFUSE);
    assert_int_equal(cm_hours_add_day(CM_TEXT("sun"), &days), CM_OK);
    assert_int_equal(days, 0x40);
    assert_string_equal(cm_hours_day_name(6), "sun");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(hours_of_every_minute_of_a_year_are_what_the_clock_shows),
        cmocka_unit_test(hours_in_a_left_out_hour_are_never_open),
        cmocka_unit_test(hours_in_an_hour_that_comes_twice_are_open_twice),
        cmocka_unit_test(always_needs_no_zone_and_all_else_does),
        cmocka_unit_test(hours_that_can_not_be_are_told_from_those_that_can),
        cmocka_unit_test(inclusion_is_minute_by_minute),
        cmocka_unit_test(names_lead_nowhere_else),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(footers_are_read_to_the_end),
        cmocka_unit_test(no_prefix_of_a_file_is_a_file),
        cmocka_unit_test(rules_of_each_form_mean_what_the_c_library_says),
        cmocka_unit_test(summer_time_may_last_all_year),
        cmocka_unit_test(times_are_of_their_offset_or_of_the_clock),
        cmocka_unit_test(what_the_clock_shows_leads_back_to_its_moment),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
