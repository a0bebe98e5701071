/*
 * random: where unpredictable bytes come from, as a parameter: the system's generator in a server,
 * a seeded one in the simulator, so that the same seed gives the same run.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_random cm_random;
struct cm_random {
    void (*fill)(cm_random *self, uint8_t *out, size_t size);
    uint64_t state; /* of the seeded kind */
};

cm_random cm_random_system(void);          /* libsodium's generator; any thread */
cm_random cm_random_seeded(uint64_t seed); /* for tests and the simulator only */

void cm_random_fill(cm_random *random, void *out, size_t size);
uint64_t cm_random_u64(cm_random *random);
/* Uniform in [0, bound); bound > 0. */
uint64_t cm_random_below(cm_random *random, uint64_t bound);
