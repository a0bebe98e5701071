#include "base/random.h"

#include <assert.h>
#include <sodium.h>

static void fill_system(cm_random *self, uint8_t *out, size_t size)
{
    (void)self;
    randombytes_buf(out, size);
}

/* SplitMix64: short, good enough to drive a simulation, and never used for keys of a real server.
 */
static void fill_seeded(cm_random *self, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        self->state += 0x9E3779B97F4A7C15u;
        uint64_t z = self->state;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        out[i] = (uint8_t)(z ^ z >> 31);
    }
}

cm_random cm_random_system(void)
{
    return (cm_random){.fill = fill_system};
}

cm_random cm_random_seeded(uint64_t seed)
{
    return (cm_random){.fill = fill_seeded, .state = seed};
}

void cm_random_fill(cm_random *random, void *out, size_t size)
{
    random->fill(random, out, size);
}

uint64_t cm_random_u64(cm_random *random)
{
    uint64_t value;
    random->fill(random, (uint8_t *)&value, sizeof value);
    return value;
}

uint64_t cm_random_below(cm_random *random, uint64_t bound)
{
    assert(bound > 0);
    /* Throw away the tail that would favour small values. */
    const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value;
    do {
        value = cm_random_u64(random);
    } while (value >= limit);
    return value % bound;
}
