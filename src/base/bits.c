#include "base/bits.h"

cm_bits cm_bits_over(cm_slice bytes)
{
    return (cm_bits){.bytes = bytes};
}

size_t cm_bits_left(const cm_bits *b)
{
    if (b->failed)
        return 0;
    /* A size in bits must not wrap; no header comes near this bound. */
    const size_t bytes = b->bytes.size < SIZE_MAX / 8 ? b->bytes.size : SIZE_MAX / 8;
    return bytes * 8 - b->position;
}

uint32_t cm_bits_read(cm_bits *b, unsigned count)
{
    if (count > 32 || count > cm_bits_left(b)) {
        b->failed = true;
        return 0;
    }
    uint64_t value = 0;
    unsigned wanted = count;
    while (wanted > 0) {
        const unsigned used = b->position % 8;
        const unsigned take = wanted < 8 - used ? wanted : 8 - used;
        const unsigned byte = b->bytes.bytes[b->position / 8];
        value = value << take | (byte >> (8 - used - take) & ((1u << take) - 1));
        b->position += take;
        wanted -= take;
    }
    return (uint32_t)value;
}

bool cm_bits_read_flag(cm_bits *b)
{
    return cm_bits_read(b, 1) != 0;
}

/* H.264 9.1: n zero bits, a one, n bits x: codeNum = 2^n - 1 + x. */
uint32_t cm_bits_read_ue(cm_bits *b)
{
    unsigned zeros = 0;
    while (!b->failed && !cm_bits_read_flag(b)) {
        if (++zeros > 31)
            b->failed = true;
    }
    if (b->failed)
        return 0;
    const uint32_t tail = cm_bits_read(b, zeros);
    return b->failed ? 0 : (uint32_t)((UINT64_C(1) << zeros) - 1 + tail);
}

/* H.264 9.1.1: codeNum k stands for (-1)^(k+1) * ceil(k / 2). */
int32_t cm_bits_read_se(cm_bits *b)
{
    const uint32_t code = cm_bits_read_ue(b);
    const int64_t half = ((int64_t)code + 1) / 2;
    return (int32_t)(code % 2 == 1 ? half : -half);
}

cm_status cm_bits_status(const cm_bits *b)
{
    return b->failed ? CM_CLOSE : CM_OK;
}
