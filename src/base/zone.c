#include "base/zone.h"

#include <stdlib.h>

#include "base/reader.h"

enum {
    TRANSITIONS_MAX = 4096,
    /* RFC 8536 3.2 wants local times within 26 hours of UTC. */
    OFFSET_MAX_S = 26 * 3600,
    DAY_S = 86400,
    YEARS_MAX = 100000, /* beyond it a moment counts as that far */
};

/* One end of summer time in a TZ string: a day of the year and a local time on it. */
typedef struct day_rule {
    enum { JULIAN, DAY_OF_YEAR, WEEKDAY } kind;
    int64_t month, week, day;
    int64_t time_s;
} day_rule;

/* The footer. */
typedef struct tz_rule {
    int64_t standard_s, summer_s; /* local minus UTC */
    bool has_summer;
    day_rule begin, end; /* of summer time */
} tz_rule;

struct cm_zone {
    bool has_rule;
    tz_rule rule;    /* from the last transition on */
    int32_t first_s; /* the offset before the first transition */
    size_t count;
    struct transition {
        int64_t at_s;
        int32_t offset_s; /* from then on */
    } transitions[];
};

/* ---- names ---- */

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool cm_zone_name_is_fit(cm_slice name)
{
    if (name.size == 0 || name.size >= CM_ZONE_NAME_SIZE || name.bytes[name.size - 1] == '/')
        return false;
    uint8_t before = '/';
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.bytes[i];
        const bool is_fit =
            is_letter(c) ||
            (before != '/' && (is_digit(c) || c == '_' || c == '+' || c == '-' || c == '/'));
        if (!is_fit)
            return false;
        before = c;
    }
    return true;
}

/* ---- the footer: RFC 8536 3.3.1, POSIX 8.3 "TZ" ---- */

static bool take_byte(cm_slice *rest, uint8_t wanted)
{
    if (rest->size == 0 || rest->bytes[0] != wanted)
        return false;
    *rest = cm_slice_from(*rest, 1);
    return true;
}

static cm_status take_number(cm_slice *rest, int64_t max, int64_t *out)
{
    size_t digits = 0;
    while (digits < rest->size && digits < 4 && is_digit(rest->bytes[digits]))
        digits++;
    uint64_t number;
    CM_TRY(cm_slice_to_u64(cm_slice_part(*rest, 0, digits), (uint64_t)max, &number));
    *rest = cm_slice_from(*rest, digits);
    *out = (int64_t)number;
    return CM_OK;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static cm_status take_time(cm_slice *rest, int64_t hours_max, int64_t *out)
{
    const bool is_negative = take_byte(rest, '-');
    if (!is_negative)
        (void)take_byte(rest, '+');
    int64_t hours = 0;
    int64_t minutes = 0;
    int64_t seconds = 0;
    CM_TRY(take_number(rest, hours_max, &hours));
    if (take_byte(rest, ':')) {
        CM_TRY(take_number(rest, 59, &minutes));
        if (take_byte(rest, ':'))
            CM_TRY(take_number(rest, 59, &seconds));
    }
    const int64_t time_s = hours * 3600 + minutes * 60 + seconds;
    *out = is_negative ? -time_s : time_s;
    return CM_OK;
}

/* "CEST", or "<+03>": what it is called is not remembered. */
static cm_status skip_name(cm_slice *rest)
{
    const bool is_quoted = take_byte(rest, '<');
    size_t size = 0;
    while (size < rest->size &&
           (is_letter(rest->bytes[size]) ||
            (is_quoted && (is_digit(rest->bytes[size]) || rest->bytes[size] == '+' ||
                           rest->bytes[size] == '-'))))
        size++;
    CM_ENSURE(size >= 3, CM_REFUSE);
    *rest = cm_slice_from(*rest, size);
    CM_ENSURE(!is_quoted || take_byte(rest, '>'), CM_REFUSE);
    return CM_OK;
}

/* Jn, n or Mm.w.d, and /time. */
static cm_status take_day(cm_slice *rest, day_rule *out)
{
    *out = (day_rule){.time_s = 2 * 3600};
    if (take_byte(rest, 'M')) {
        out->kind = WEEKDAY;
        CM_TRY(take_number(rest, 12, &out->month));
        CM_ENSURE(take_byte(rest, '.'), CM_REFUSE);
        CM_TRY(take_number(rest, 5, &out->week));
        CM_ENSURE(take_byte(rest, '.'), CM_REFUSE);
        CM_TRY(take_number(rest, 6, &out->day));
        CM_ENSURE(out->month > 0 && out->week > 0, CM_REFUSE);
    } else {
        out->kind = take_byte(rest, 'J') ? JULIAN : DAY_OF_YEAR;
        CM_TRY(take_number(rest, 365, &out->day));
        CM_ENSURE(out->kind != JULIAN || out->day > 0, CM_REFUSE);
    }
    /* Version 3: up to a week before or after. */
    return take_byte(rest, '/') ? take_time(rest, 167, &out->time_s) : CM_OK;
}

static cm_status parse_rule(cm_slice text, tz_rule *out)
{
    *out = (tz_rule){.has_summer = false};
    CM_TRY(skip_name(&text));
    CM_TRY(take_time(&text, 24, &out->standard_s));
    out->standard_s = -out->standard_s; /* POSIX counts to the west */
    if (text.size == 0)
        return CM_OK;
    out->has_summer = true;
    CM_TRY(skip_name(&text));
    out->summer_s = out->standard_s + 3600;
    if (text.size > 0 && text.bytes[0] != ',') {
        CM_TRY(take_time(&text, 24, &out->summer_s));
        out->summer_s = -out->summer_s;
    }
    CM_ENSURE(take_byte(&text, ','), CM_REFUSE);
    CM_TRY(take_day(&text, &out->begin));
    CM_ENSURE(take_byte(&text, ','), CM_REFUSE);
    CM_TRY(take_day(&text, &out->end));
    return text.size == 0 ? CM_OK : CM_REFUSE;
}

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Days since 1970-01-01 of the first of January. */
static int64_t day_of_year(int64_t year)
{
    const int64_t y = year - 1;
    return 365 * (year - 1970) + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 477;
}

static int64_t year_of_day(int64_t day)
{
    int64_t year = 1970 + floor_div(day * 400, 146097);
    while (day_of_year(year) > day)
        year--;
    while (day_of_year(year + 1) <= day)
        year++;
    return year;
}

static int64_t day_of_month(int64_t year, int64_t month)
{
    static const int16_t BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return day_of_year(year) + BEFORE[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

/* 0 is Sunday, as in a TZ string. */
static int64_t weekday_of(int64_t day)
{
    const int64_t from_thursday = (day + 4) % 7;
    return from_thursday < 0 ? from_thursday + 7 : from_thursday;
}

/* The week's weekday of a month; the fifth is the last. */
static int64_t day_by_weekday(const day_rule *rule, int64_t year)
{
    const int64_t first = day_of_month(year, rule->month);
    const int64_t end =
        rule->month == 12 ? day_of_year(year + 1) : day_of_month(year, rule->month + 1);
    int64_t day = first + (rule->day - weekday_of(first) + 7) % 7 + (rule->week - 1) * 7;
    while (day >= end)
        day -= 7;
    return day;
}

/* When the rule's day and time come in a year, on clocks `offset_s` ahead of UTC. */
static int64_t rule_in_year(const day_rule *rule, int64_t year, int64_t offset_s)
{
    int64_t day = day_of_year(year) + rule->day;
    if (rule->kind == WEEKDAY)
        day = day_by_weekday(rule, year);
    else if (rule->kind == JULIAN) /* the 29th of February is not counted */
        day += is_leap(year) && rule->day >= 60 ? 0 : -1;
    return day * DAY_S + rule->time_s - offset_s;
}

typedef struct found {
    int64_t offset_s;
    int64_t until_s;
} found;

/*
 * The changes of the years around, in no order: the one before `now_s` says what holds, the one
 * after it until when. Of two at once the beginning of summer time counts: so a zone is written
 * that has summer time all year.
 */
static found at_by_rule(const tz_rule *rule, int64_t now_s)
{
    found f = {.offset_s = rule->standard_s, .until_s = INT64_MAX};
    if (!rule->has_summer)
        return f;
    const int64_t year = year_of_day(floor_div(now_s, DAY_S));
    int64_t last_s = INT64_MIN;
    for (int64_t y = year - 1; y <= year + 2; y++) {
        const int64_t begin_s = rule_in_year(&rule->begin, y, rule->standard_s);
        const int64_t end_s = rule_in_year(&rule->end, y, rule->summer_s);
        if (end_s <= now_s && end_s > last_s) {
            last_s = end_s;
            f.offset_s = rule->standard_s;
        }
        if (begin_s <= now_s && begin_s >= last_s) {
            last_s = begin_s;
            f.offset_s = rule->summer_s;
        }
        if (begin_s > now_s && begin_s < f.until_s)
            f.until_s = begin_s;
        if (end_s > now_s && end_s < f.until_s)
            f.until_s = end_s;
    }
    return f;
}

/* ---- the file: RFC 8536 3 ---- */

typedef struct header {
    uint8_t version;
    uint32_t is_ut, is_standard, leaps, times, types, chars;
} header;

static cm_status read_header(cm_reader *r, header *out)
{
    CM_ENSURE(cm_slice_equal(cm_read_slice(r, 4), CM_TEXT("TZif")), CM_REFUSE);
    out->version = cm_read_u8(r);
    (void)cm_read_slice(r, 15);
    out->is_ut = cm_read_u32(r);
    out->is_standard = cm_read_u32(r);
    out->leaps = cm_read_u32(r);
    out->times = cm_read_u32(r);
    out->types = cm_read_u32(r);
    out->chars = cm_read_u32(r);
    const uint32_t max = TRANSITIONS_MAX;
    CM_ENSURE(!r->failed && out->is_ut <= max && out->is_standard <= max && out->leaps <= max &&
                  out->times <= max && out->types <= 256 && out->chars <= max,
              CM_REFUSE);
    return CM_OK;
}

/* The block of version 1, with 32-bit times: not looked at. */
static void skip_first_block(cm_reader *r, const header *h)
{
    const size_t times = (size_t)h->times * 5;
    const size_t types = (size_t)h->types * 6 + h->chars;
    const size_t rest = (size_t)h->leaps * 8 + h->is_standard + h->is_ut;
    (void)cm_read_slice(r, times + types + rest);
}

static cm_status read_offsets(cm_reader *r, const header *h, int32_t out[256])
{
    for (uint32_t i = 0; i < h->types; i++) {
        out[i] = (int32_t)cm_read_u32(r);
        (void)cm_read_u8(r); /* is it summer time? */
        (void)cm_read_u8(r); /* where its name stands */
        CM_ENSURE(out[i] > -OFFSET_MAX_S && out[i] < OFFSET_MAX_S, CM_REFUSE);
    }
    return CM_OK;
}

static cm_status read_block(cm_reader *r, const header *h, cm_zone *zone)
{
    for (uint32_t i = 0; i < h->times; i++) {
        zone->transitions[i].at_s = (int64_t)cm_read_u64(r);
        CM_ENSURE(i == 0 || zone->transitions[i - 1].at_s < zone->transitions[i].at_s, CM_REFUSE);
    }
    const cm_slice kinds = cm_read_slice(r, h->times);
    int32_t offsets[256];
    CM_TRY(read_offsets(r, h, offsets));
    (void)cm_read_slice(r, h->chars);
    (void)cm_read_slice(r, (size_t)h->is_standard + h->is_ut);
    CM_ENSURE(!r->failed, CM_REFUSE);
    for (uint32_t i = 0; i < h->times; i++) {
        CM_ENSURE(kinds.bytes[i] < h->types, CM_REFUSE);
        zone->transitions[i].offset_s = offsets[kinds.bytes[i]];
    }
    zone->first_s = offsets[0];
    zone->count = h->times;
    return CM_OK;
}

static cm_status read_footer(cm_reader *r, cm_zone *zone)
{
    cm_slice text = r->rest;
    CM_ENSURE(!r->failed && text.size >= 2 && take_byte(&text, '\n'), CM_REFUSE);
    const cm_slice rule = cm_slice_cut(&text, '\n');
    CM_ENSURE(r->rest.size == rule.size + 2, CM_REFUSE); /* both line ends, and no more */
    zone->has_rule = rule.size > 0;
    return zone->has_rule ? parse_rule(rule, &zone->rule) : CM_OK;
}

static void destroy_zone(cm_zone **zone)
{
    free(*zone);
}

cm_status cm_zone_parse(cm_slice bytes, cm_zone **out)
{
    CM_ENSURE(bytes.size <= CM_ZONE_BYTES_MAX, CM_REFUSE);
    cm_reader r = cm_reader_over(bytes);
    header h;
    CM_TRY(read_header(&r, &h));
    CM_ENSURE(h.version >= '2', CM_REFUSE);
    skip_first_block(&r, &h);
    CM_TRY(read_header(&r, &h));
    /* RFC 8536, 3.1 MUST: at least one type; none would leave nothing to point at. */
    CM_ENSURE(h.version >= '2' && h.leaps == 0 && h.types > 0, CM_REFUSE);
    CM_AUTO(destroy_zone)
    cm_zone *zone = calloc(1, sizeof *zone + h.times * sizeof zone->transitions[0]);
    CM_ENSURE(zone != NULL, CM_BROKEN);
    CM_TRY(read_block(&r, &h, zone));
    CM_TRY(read_footer(&r, zone));
    *out = CM_TAKE(zone);
    return CM_OK;
}

void cm_zone_destroy(cm_zone *zone)
{
    free(zone);
}

/* ---- what the clocks show ---- */

const cm_zone *cm_zone_utc(void)
{
    static const cm_zone UTC = {.count = 0};
    return &UTC;
}

/* Transitions at or before `now_s`. */
static size_t count_before(const cm_zone *zone, int64_t now_s)
{
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at_s <= now_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static found find(const cm_zone *zone, int64_t now_s)
{
    const size_t before = count_before(zone, now_s);
    if (before == zone->count && zone->has_rule)
        return at_by_rule(&zone->rule, now_s);
    return (found){
        .offset_s = before > 0 ? zone->transitions[before - 1].offset_s : zone->first_s,
        .until_s = before < zone->count ? zone->transitions[before].at_s : INT64_MAX,
    };
}

cm_moment cm_zone_at(const cm_zone *zone, cm_wall now)
{
    if (zone == NULL)
        return (cm_moment){.now = now, .until = {.us = INT64_MAX}};
    static const int64_t MAX_S = (int64_t)YEARS_MAX * 366 * DAY_S;
    int64_t now_s = floor_div(now.us, CM_SECONDS(1));
    now_s = now_s > MAX_S ? MAX_S : now_s < -MAX_S ? -MAX_S : now_s;
    const found f = find(zone, now_s);
    const bool is_for_ever = f.until_s > INT64_MAX / CM_SECONDS(1);
    return (cm_moment){.now = now,
                       .is_known = true,
                       .offset_s = (int32_t)f.offset_s,
                       .until = {.us = is_for_ever ? INT64_MAX : CM_SECONDS(f.until_s)}};
}

/* ---- times as text ---- */

static cm_status take_digits(cm_slice *text, size_t digits, int64_t max, int64_t *out)
{
    uint64_t number;
    CM_ENSURE(text->size >= digits, CM_REFUSE);
    CM_TRY(cm_slice_to_u64(cm_slice_part(*text, 0, digits), (uint64_t)max, &number));
    *text = cm_slice_from(*text, digits);
    *out = (int64_t)number;
    return CM_OK;
}

/* "2026-12-24" in days since 1970. */
static cm_status take_date(cm_slice *text, int64_t *out)
{
    int64_t year;
    int64_t month;
    int64_t day;
    CM_TRY(take_digits(text, 4, 9999, &year));
    CM_ENSURE(take_byte(text, '-'), CM_REFUSE);
    CM_TRY(take_digits(text, 2, 12, &month));
    CM_ENSURE(take_byte(text, '-'), CM_REFUSE);
    CM_TRY(take_digits(text, 2, 31, &day));
    CM_ENSURE(year >= 1970 && month > 0 && day > 0, CM_REFUSE);
    *out = day_of_month(year, month) + day - 1;
    const int64_t end = month == 12 ? day_of_year(year + 1) : day_of_month(year, month + 1);
    return *out < end ? CM_OK : CM_REFUSE;
}

/* "18:00", "18:00:00" or "18:00:00.123", in microseconds. */
static cm_status take_clock(cm_slice *text, int64_t *out)
{
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    CM_TRY(take_digits(text, 2, 23, &hour));
    CM_ENSURE(take_byte(text, ':'), CM_REFUSE);
    CM_TRY(take_digits(text, 2, 59, &minute));
    if (take_byte(text, ':'))
        CM_TRY(take_digits(text, 2, 59, &second));
    *out = CM_SECONDS(hour * 3600 + minute * 60 + second);
    if (!take_byte(text, '.'))
        return CM_OK;
    int64_t unit_us = CM_SECONDS(1) / 10;
    CM_ENSURE(text->size > 0 && is_digit(text->bytes[0]), CM_REFUSE);
    for (; text->size > 0 && is_digit(text->bytes[0]); unit_us /= 10) {
        *out += (text->bytes[0] - '0') * unit_us;
        *text = cm_slice_from(*text, 1);
    }
    return CM_OK;
}

/* "Z" or "+01:00", the rest of the text. */
static cm_status take_offset(cm_slice text, int64_t *out_us)
{
    int64_t hour;
    int64_t minute;
    *out_us = 0;
    if (take_byte(&text, 'Z'))
        return text.size == 0 ? CM_OK : CM_REFUSE;
    const bool is_negative = take_byte(&text, '-');
    CM_ENSURE(is_negative || take_byte(&text, '+'), CM_REFUSE);
    CM_TRY(take_digits(&text, 2, 23, &hour));
    CM_ENSURE(take_byte(&text, ':'), CM_REFUSE);
    CM_TRY(take_digits(&text, 2, 59, &minute));
    *out_us = CM_SECONDS((hour * 60 + minute) * (is_negative ? -60 : 60));
    return text.size == 0 ? CM_OK : CM_REFUSE;
}

/* The first moment at which the clock shows `local_us`, or jumped over it. */
static cm_wall when_clock_shows(const cm_zone *zone, int64_t local_us)
{
    cm_moment at = cm_zone_at(zone, (cm_wall){.us = local_us - CM_SECONDS(OFFSET_MAX_S)});
    int64_t begin_us = at.now.us;
    for (;;) {
        const int64_t us = local_us - CM_SECONDS(at.offset_s);
        if (us < at.until.us)
            return (cm_wall){.us = us > begin_us ? us : begin_us};
        begin_us = at.until.us;
        at = cm_zone_at(zone, at.until);
    }
}

cm_status cm_zone_parse_time(const cm_zone *zone, cm_slice text, cm_wall *out)
{
    int64_t day;
    int64_t clock_us = 0;
    CM_ENSURE(zone != NULL, CM_REFUSE);
    CM_TRY(take_date(&text, &day));
    if (take_byte(&text, 'T') || take_byte(&text, ' '))
        CM_TRY(take_clock(&text, &clock_us));
    else
        CM_ENSURE(text.size == 0, CM_REFUSE);
    const int64_t local_us = CM_SECONDS(day * DAY_S) + clock_us;
    int64_t offset_us = 0;
    if (text.size > 0)
        CM_TRY(take_offset(text, &offset_us));
    const cm_wall wall =
        text.size > 0 ? (cm_wall){.us = local_us - offset_us} : when_clock_shows(zone, local_us);
    CM_ENSURE(wall.us > 0, CM_REFUSE);
    *out = wall;
    return CM_OK;
}
