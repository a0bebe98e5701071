/*
 * backoff: how long to leave a camera alone after it failed. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/random.h"

/*
 * After the `failures`-th failure in a row (from 1): 1, 2, 4 … 60 s, give or take 20 %, lest all
 * cameras behind one switch come back together. `is_slow`: where trying again does harm (a wrong
 * password locks the account) or good only once somebody has changed something: from 60 s, up to
 * about 10 minutes.
 */
int64_t cm_backoff_us(unsigned failures, bool is_slow, cm_random *random);
