/*
 * limits: how often a password may be tried, per address and per account.
 *
 * A bucket holds 5 tries; then one every 30 s, and each further refusal-worthy failure doubles the
 * wait up to 15 min. A right password empties the account's and the address's count. IPv6 counts by
 * /64. The tables are bounded; when full, the bucket that is nearest to being full again makes
 * room, so a flood from many addresses never locks everyone out nor takes memory without end. A
 * locked account still lets an address in that signed in to it before (its owner at home is not
 * locked out by a stranger).
 *
 * Threads: any; a lock is held for microseconds.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "net/address.h"

typedef struct cm_limits cm_limits;

typedef struct cm_limits_config {
    unsigned tries;      /* at once; 0 means 5 */
    int64_t refill_us;   /* one more try; 0 means 30 s */
    int64_t wait_max_us; /* 0 means 15 min */
    size_t entries_max;  /* of each table; 0 means 4,096 */
} cm_limits_config;

cm_status cm_limits_create(const cm_limits_config *config, cm_limits **out);
void cm_limits_destroy(cm_limits *limits);

/*
 * Takes one try. CM_OK, or CM_RETRY with *wait_us until the next one is allowed. `name` is the name
 * that was typed, whether there is such an account or not.
 */
cm_status cm_limits_take(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now,
                         int64_t *wait_us);
/* How the try ended. */
void cm_limits_failed(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now);
void cm_limits_succeeded(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now);
/* It was no guess: the try is given back, and nothing else is forgotten. */
void cm_limits_spared(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now);
