/*
 * zone: a time zone: what the clocks of a place show at a moment. Read from the bytes of a TZif
 * file (RFC 8536), as /usr/share/zoneinfo holds them; opened elsewhere (store/zones.h). Pure.
 *
 * Only version 2 and later are read, with 64-bit times. After the last time of a file its footer
 * goes on, a POSIX TZ string, which is also read in version 3's form. Leap seconds are refused: the
 * time of this machine does not count them.
 *
 * A zone never changes once it is made; any thread may read it.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

typedef struct cm_zone cm_zone;

enum {
    CM_ZONE_NAME_SIZE = 64,       /* "America/Argentina/Buenos_Aires" and a terminator */
    CM_ZONE_BYTES_MAX = 64 << 10, /* the largest of tzdata has 4 KB */
};

/* A moment, and what the clocks of a place show then. */
typedef struct cm_moment {
    cm_wall now;
    bool is_known;    /* false: of no zone that could be read; then nothing below holds */
    int32_t offset_s; /* local time minus UTC */
    cm_wall until;    /* the offset holds until here (exclusive); INT64_MAX: for ever */
} cm_moment;

/* A name as tzdata has them: parts of A-Z a-z 0-9 _ + - between single slashes, the first a letter.
 * No dots: nothing that leads elsewhere in a file system. */
bool cm_zone_name_is_fit(cm_slice name);

/* CM_REFUSE: not a TZif file as described above. CM_BROKEN without memory. */
cm_status cm_zone_parse(cm_slice bytes, cm_zone **out);
void cm_zone_destroy(cm_zone *zone); /* NULL is fine */
const cm_zone *cm_zone_utc(void);    /* needs no file; not to be destroyed */

/* `zone` may be NULL: then nothing is known. */
cm_moment cm_zone_at(const cm_zone *zone, cm_wall now);

/*
 * "2026-12-24T18:00:00Z" or "+01:00" (RFC 3339; seconds and their fraction may be left out), or
 * without either: by the clock of `zone`, and "2026-12-24" its midnight. What the clock leaves out
 * is the moment at which it jumps; of what it shows twice it is the first. CM_REFUSE: not a time,
 * or not of the years 1970 to 9999.
 */
cm_status cm_zone_parse_time(const cm_zone *zone, cm_slice text, cm_wall *out);
