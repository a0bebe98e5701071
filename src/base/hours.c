#include "base/hours.h"

enum { DAY_S = 86400, WEEK_DAYS = CM_HOURS_DAYS, WEEK_MINUTES = WEEK_DAYS * CM_HOURS_DAY_MINUTES };

static const char *const DAY_NAMES[CM_HOURS_DAYS] = {"mon", "tue", "wed", "thu",
                                                     "fri", "sat", "sun"};

const char *cm_hours_day_name(unsigned day)
{
    return DAY_NAMES[day % CM_HOURS_DAYS];
}

cm_status cm_hours_add_day(cm_slice name, uint8_t *days)
{
    for (unsigned i = 0; i < CM_HOURS_DAYS; i++) {
        if (cm_slice_equal(name, cm_slice_of(DAY_NAMES[i]))) {
            *days = (uint8_t)(*days | 1u << i);
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

cm_status cm_hours_parse_minute(cm_slice text, uint16_t *out)
{
    uint64_t hour;
    uint64_t minute;
    CM_ENSURE(text.size == 5 && text.bytes[2] == ':', CM_REFUSE);
    CM_TRY(cm_slice_to_u64(cm_slice_part(text, 0, 2), 24, &hour));
    CM_TRY(cm_slice_to_u64(cm_slice_from(text, 3), hour == 24 ? 0 : 59, &minute));
    *out = (uint16_t)(hour * 60 + minute);
    return CM_OK;
}

bool cm_hours_are_sound(const cm_hours *hours)
{
    return (hours->days & ~CM_HOURS_EVERY_DAY) == 0 && hours->from < CM_HOURS_DAY_MINUTES &&
           hours->to <= CM_HOURS_DAY_MINUTES && (hours->from != hours->to || hours->from == 0);
}

/* The whole day said in one way: from 0 to 1440. */
static int64_t last_minute(const cm_hours *hours)
{
    const bool is_next_day = hours->to <= hours->from;
    return hours->to + (is_next_day ? CM_HOURS_DAY_MINUTES : 0);
}

static bool is_of_day(const cm_hours *hours, int64_t weekday)
{
    return hours->days == 0 || (hours->days >> weekday & 1) != 0;
}

bool cm_hours_are_always(const cm_hours *hours)
{
    return (hours->days == 0 || hours->days == CM_HOURS_EVERY_DAY) &&
           last_minute(hours) - hours->from == CM_HOURS_DAY_MINUTES;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Monday is 0; the first of January 1970 was a Thursday. */
static int64_t weekday_of(int64_t day)
{
    return day + 3 - floor_div(day + 3, WEEK_DAYS) * WEEK_DAYS;
}

/* Is it open in this minute of the week? */
static bool is_open_in(const cm_hours *hours, int64_t minute)
{
    const int64_t day = minute / CM_HOURS_DAY_MINUTES;
    const int64_t of_day = minute % CM_HOURS_DAY_MINUTES;
    const int64_t last = last_minute(hours);
    const bool is_of_today = is_of_day(hours, day) && of_day >= hours->from && of_day < last;
    const int64_t yesterday = (day + WEEK_DAYS - 1) % WEEK_DAYS;
    return is_of_today || (is_of_day(hours, yesterday) && of_day + CM_HOURS_DAY_MINUTES < last);
}

bool cm_hours_include(const cm_hours *outer, const cm_hours *inner)
{
    for (int64_t minute = 0; minute < WEEK_MINUTES; minute++)
        if (is_open_in(inner, minute) && !is_open_in(outer, minute))
            return false;
    return true;
}

/* Where the hours that are open at `local_s` end, in seconds of local time; `local_s` itself if
 * none are. */
static int64_t end_of(const cm_hours *hours, int64_t local_s)
{
    const int64_t day = floor_div(local_s, DAY_S);
    for (int64_t d = day - 1; d <= day; d++) {
        const int64_t begin_s = d * DAY_S + (int64_t)hours->from * 60;
        const int64_t end_s = d * DAY_S + last_minute(hours) * 60;
        if (is_of_day(hours, weekday_of(d)) && begin_s <= local_s && local_s < end_s)
            return end_s;
    }
    return local_s;
}

/* The hours of one day may reach up to those of the next. Not of hours that are always open. */
static int64_t end_without_gap(const cm_hours *hours, int64_t local_s)
{
    int64_t end_s = end_of(hours, local_s);
    for (int64_t later_s = end_of(hours, end_s); later_s > end_s; later_s = end_of(hours, end_s))
        end_s = later_s;
    return end_s;
}

static int64_t next_begin(const cm_hours *hours, int64_t local_s)
{
    const int64_t day = floor_div(local_s, DAY_S);
    for (int64_t d = day; d <= day + WEEK_DAYS; d++) {
        const int64_t begin_s = d * DAY_S + (int64_t)hours->from * 60;
        if (is_of_day(hours, weekday_of(d)) && begin_s > local_s)
            return begin_s;
    }
    return local_s + (int64_t)WEEK_DAYS * DAY_S; /* not reached: a week has every day */
}

cm_hours_state cm_hours_at(const cm_hours *hours, const cm_moment *at)
{
    if (cm_hours_are_always(hours))
        return (cm_hours_state){.is_open = true, .until = {.us = INT64_MAX}};
    if (!at->is_known)
        return (cm_hours_state){.is_open = false, .until = {.us = INT64_MAX}};
    const int64_t local_s = floor_div(at->now.us, CM_SECONDS(1)) + at->offset_s;
    const int64_t end_s = end_without_gap(hours, local_s);
    const bool is_open = end_s > local_s;
    const int64_t until_s = is_open ? end_s : next_begin(hours, local_s);
    const int64_t until_us = CM_SECONDS(until_s - at->offset_s);
    return (cm_hours_state){
        .is_open = is_open,
        .until = {.us = until_us < at->until.us ? until_us : at->until.us},
    };
}
