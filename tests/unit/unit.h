/* What every unit test includes: cmocka behind the headers it wants, and short ways to say bytes
 * and text. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* after the four above, which it forgets to include */
#include <cmocka.h>

#include "base/slice.h"

#define BYTES(...)                                                                                 \
    ((cm_slice){.bytes = (const uint8_t[]){__VA_ARGS__},                                           \
                .size = sizeof((const uint8_t[]){__VA_ARGS__})})

/* The slice holds exactly this text. */
#define assert_text(slice, literal)                                                                \
    do {                                                                                           \
        const cm_slice assert_text_ = (slice);                                                     \
        assert_int_equal(assert_text_.size, strlen(literal));                                      \
        assert_memory_equal(assert_text_.bytes, literal, strlen(literal));                         \
    } while (0)
