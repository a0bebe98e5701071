#include "simcam/bit_writer.h"

#include <assert.h>

cm_bit_writer cm_bit_writer_over(void *storage, size_t capacity)
{
    return (cm_bit_writer){.bytes = cm_writer_over(storage, capacity)};
}

void cm_bit_write(cm_bit_writer *w, uint32_t value, unsigned count)
{
    assert(count <= 24 && value >> count == 0);
    w->pending = w->pending << count | value;
    w->count += count;
    while (w->count >= 8) {
        w->count -= 8;
        cm_write_u8(&w->bytes, (uint8_t)(w->pending >> w->count));
    }
    w->pending &= (1u << w->count) - 1;
}

void cm_bit_write_ue(cm_bit_writer *w, uint32_t value)
{
    assert(value < 65535);
    unsigned zeros = 0;
    while ((value + 1) >> (zeros + 1) != 0)
        zeros++;
    cm_bit_write(w, 0, zeros);
    cm_bit_write(w, value + 1, zeros + 1);
}

void cm_bit_write_se(cm_bit_writer *w, int32_t value)
{
    /* Table 9-3: 1, -1, 2, -2 … are code numbers 1, 2, 3, 4 … */
    cm_bit_write_ue(w, value > 0 ? 2 * (uint32_t)value - 1 : 2 * (uint32_t)-value);
}

void cm_bit_write_alignment(cm_bit_writer *w)
{
    if (w->count > 0)
        cm_bit_write(w, 0, 8 - w->count);
}

void cm_bit_write_aligned(cm_bit_writer *w, cm_slice bytes)
{
    assert(w->count == 0);
    cm_write_slice(&w->bytes, bytes);
}

void cm_bit_write_trailing(cm_bit_writer *w)
{
    cm_bit_write(w, 1, 1);
    cm_bit_write_alignment(w);
}

cm_status cm_bit_writer_finish(const cm_bit_writer *w, cm_slice *out)
{
    assert(w->count == 0);
    return cm_writer_finish(&w->bytes, out);
}

/* Bits up to and with the last 1. */
static size_t bits_to_stop(cm_slice bytes)
{
    size_t size = bytes.size;
    while (size > 0 && bytes.bytes[size - 1] == 0)
        size--;
    if (size == 0)
        return 0;
    unsigned zeros = 0;
    while ((bytes.bytes[size - 1] >> zeros & 1) == 0)
        zeros++;
    return size * 8 - zeros;
}

void cm_bit_write_rest(cm_bit_writer *w, cm_bits *from)
{
    const size_t end = bits_to_stop(from->bytes);
    if (from->failed || from->position >= end) {
        from->failed = true;
        return;
    }
    while (end - from->position >= 16)
        cm_bit_write(w, cm_bits_read(from, 16), 16);
    const unsigned left = (unsigned)(end - from->position);
    cm_bit_write(w, cm_bits_read(from, left), left);
    cm_bit_write_alignment(w);
}
