/*
 * hours: when something is open by the clock on the wall of a home: days of the week, and minutes
 * from and to. Pure.
 *
 * What the clock shows decides, and nothing else. So, when clocks are put forward, an hour that is
 * left out is never open, and hours that begin or end in it begin or end with the jump. When they
 * are put back, an hour that comes twice is open both times; hours that end within it end, come
 * again with the second pass, and end again.
 */
#pragma once

#include "base/zone.h"

enum {
    CM_HOURS_DAYS = 7,
    CM_HOURS_EVERY_DAY = (1 << CM_HOURS_DAYS) - 1,
    CM_HOURS_DAY_MINUTES = 24 * 60,
};

/* All zero: always. */
typedef struct cm_hours {
    uint8_t days;  /* bit 0: Monday, to bit 6: Sunday; on which they begin. 0: every day */
    uint16_t from; /* minutes after midnight, below 1440 */
    uint16_t to;   /* up to 1440; not after `from`: on the next day. 0 and 0: the whole day */
} cm_hours;

/* Days and minutes as described, and not from a minute to itself. */
bool cm_hours_are_sound(const cm_hours *hours);
bool cm_hours_are_always(const cm_hours *hours);
/* True if whenever `inner` is open `outer` is, whatever the zone. */
bool cm_hours_include(const cm_hours *outer, const cm_hours *inner);

/* "mon" to "sun", and back. CM_REFUSE. */
const char *cm_hours_day_name(unsigned day);
cm_status cm_hours_add_day(cm_slice name, uint8_t *days);
/* "18:00"; "24:00" is the end of a day. CM_REFUSE. */
cm_status cm_hours_parse_minute(cm_slice text, uint16_t *out);

typedef struct cm_hours_state {
    bool is_open;
    cm_wall until; /* not before here is it otherwise; INT64_MAX: never */
} cm_hours_state;

/* Of a moment that is not known: closed, for ever, unless they are always. `until` is at most the
 * moment's: whoever wants to look further asks again with the moment that comes then. */
cm_hours_state cm_hours_at(const cm_hours *hours, const cm_moment *at);
