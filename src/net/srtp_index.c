#include <assert.h>

#include "net/srtp_priv.h"

enum { HALF_CYCLE = 32768, CYCLE = 65536, WORD_BITS = 64 };

static bool is_empty(const cm_srtp_window *window)
{
    return (window->seen[0] | window->seen[1]) == 0;
}

/* RFC 3711, 3.3.1 MUST: the counter is zero at first, and both ends add one when the sequence
 * number wraps. The choice among three counters is that of the pseudo-code of its appendix A. */
int64_t cm_srtp_index_estimate(const cm_srtp_window *window, uint16_t sequence_number)
{
    if (is_empty(window))
        return sequence_number;
    const int64_t last = window->highest % CYCLE;
    int64_t counter = window->highest / CYCLE;
    if (last < HALF_CYCLE) {
        if (sequence_number - last > HALF_CYCLE)
            counter--;
    } else if (last - HALF_CYCLE > sequence_number) {
        counter++;
    }
    return counter * CYCLE + sequence_number;
}

/* RFC 3711, 3.3.2 MUST: a window of at least 64. */
bool cm_srtp_window_is_open(const cm_srtp_window *window, int64_t index)
{
    if (is_empty(window) || index > window->highest)
        return true;
    const int64_t behind = window->highest - index;
    if (behind >= CM_SRTP_WINDOW)
        return false;
    return (window->seen[behind / WORD_BITS] >> behind % WORD_BITS & 1) == 0;
}

static void advance(cm_srtp_window *window, int64_t steps)
{
    uint64_t *seen = window->seen;
    if (steps >= CM_SRTP_WINDOW) {
        seen[0] = seen[1] = 0;
    } else if (steps >= WORD_BITS) {
        seen[1] = seen[0] << (steps - WORD_BITS);
        seen[0] = 0;
    } else if (steps > 0) {
        seen[1] = seen[1] << steps | seen[0] >> (WORD_BITS - steps);
        seen[0] <<= steps;
    }
    window->highest += steps;
}

void cm_srtp_window_close(cm_srtp_window *window, int64_t index)
{
    assert(cm_srtp_window_is_open(window, index));
    if (is_empty(window))
        window->highest = index;
    if (index > window->highest)
        advance(window, index - window->highest);
    const int64_t behind = window->highest - index;
    window->seen[behind / WORD_BITS] |= UINT64_C(1) << behind % WORD_BITS;
}

int64_t cm_srtp_window_next(const cm_srtp_window *window)
{
    return is_empty(window) ? 0 : window->highest + 1;
}
