/* A codec's header built bit by bit, most significant first, with the codes of ITU-T H.264 9.1. */
#pragma once

#include "unit.h"

typedef struct bit_string {
    uint8_t bytes[400];
    size_t count;
} bit_string;

static inline void put_bits(bit_string *s, uint64_t value, unsigned count)
{
    for (unsigned i = count; i-- > 0; s->count++) {
        assert_true(s->count < 8 * sizeof s->bytes);
        if ((value >> i & 1) != 0)
            s->bytes[s->count / 8] |= (uint8_t)(0x80 >> s->count % 8);
    }
}

static inline void put_ue(bit_string *s, uint32_t value)
{
    unsigned bits = 0;
    while (((uint64_t)value + 1) >> (bits + 1) != 0)
        bits++;
    put_bits(s, 0, bits);
    put_bits(s, (uint64_t)value + 1, bits + 1);
}

static inline void put_se(bit_string *s, int32_t value)
{
    put_ue(s, value > 0 ? 2 * (uint32_t)value - 1 : 2 * (uint32_t)-value);
}

/* Whole bytes; the last is filled up with zeros. */
static inline cm_slice bit_string_bytes(const bit_string *s)
{
    return cm_slice_over(s->bytes, (s->count + 7) / 8);
}
