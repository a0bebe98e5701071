#include "ingest/backoff.h"

#include "base/clock.h"

enum {
    FIRST_S = 1,
    MOST_S = 60,
    SLOW_FIRST_S = 75, /* less a fifth: 60 */
    SLOW_MOST_S = 600,
    JITTER_PARTS = 5, /* one fifth, either way */
};

int64_t cm_backoff_us(unsigned failures, bool is_slow, cm_random *random)
{
    const int64_t most_us = CM_SECONDS(is_slow ? SLOW_MOST_S : MOST_S);
    int64_t us = CM_SECONDS(is_slow ? SLOW_FIRST_S : FIRST_S);
    for (unsigned i = 1; i < failures && us < most_us; i++)
        us *= 2;
    if (us > most_us)
        us = most_us;
    const int64_t fifth_us = us / JITTER_PARTS;
    return us - fifth_us + (int64_t)cm_random_below(random, 2 * (uint64_t)fifth_us + 1);
}
