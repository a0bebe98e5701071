/*
 * clock: two kinds of time that must not be mixed, each a type of its own. Neither is read here:
 * `now` enters at the loop (loop/loop.h) and is passed down.
 */
#pragma once

#include <stdint.h>

/* Microseconds since boot, also counting sleep (CLOCK_BOOTTIME). For intervals, leases, timers. */
typedef struct cm_instant {
    int64_t us;
} cm_instant;

/* Microseconds since 1970-01-01 UTC (CLOCK_REALTIME). For people and capture times. May jump. */
typedef struct cm_wall {
    int64_t us;
} cm_wall;

#define CM_MS(n)      ((int64_t)(n)*1000)
#define CM_SECONDS(n) ((int64_t)(n)*1000000)

static inline cm_instant cm_instant_after(cm_instant from, int64_t us)
{
    return (cm_instant){.us = from.us + us};
}

/* `later - earlier` in microseconds. */
static inline int64_t cm_instant_since(cm_instant later, cm_instant earlier)
{
    return later.us - earlier.us;
}
