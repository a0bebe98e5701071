#include "base/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cm_writer cm_writer_over(void *storage, size_t capacity)
{
    return (cm_writer){.bytes = storage, .capacity = capacity};
}

/* Room for `size` more bytes, or NULL and the sticky flag. */
static uint8_t *advance(cm_writer *w, size_t size)
{
    if (w->failed || size > w->capacity - w->used) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->bytes + w->used;
    w->used += size;
    return at;
}

static void put_big_endian(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static void write_big_endian(cm_writer *w, uint64_t value, size_t size)
{
    uint8_t *at = advance(w, size);
    if (at != NULL)
        put_big_endian(at, value, size);
}

void cm_write_u8(cm_writer *w, uint8_t value)
{
    write_big_endian(w, value, 1);
}

void cm_write_u16(cm_writer *w, uint16_t value)
{
    write_big_endian(w, value, 2);
}

void cm_write_u24(cm_writer *w, uint32_t value)
{
    write_big_endian(w, value, 3);
}

void cm_write_u32(cm_writer *w, uint32_t value)
{
    write_big_endian(w, value, 4);
}

void cm_write_u64(cm_writer *w, uint64_t value)
{
    write_big_endian(w, value, 8);
}

void cm_write_slice(cm_writer *w, cm_slice bytes)
{
    uint8_t *at = advance(w, bytes.size);
    if (at != NULL && bytes.size > 0)
        memcpy(at, bytes.bytes, bytes.size);
}

void cm_write_zeros(cm_writer *w, size_t count)
{
    uint8_t *at = advance(w, count);
    if (at != NULL && count > 0)
        memset(at, 0, count);
}

void cm_write_text(cm_writer *w, const char *text)
{
    cm_write_slice(w, cm_slice_of(text));
}

void cm_write_format(cm_writer *w, const char *format, ...)
{
    if (w->failed)
        return;
    /* vsnprintf wants a byte for its terminator, which is not ours to keep: print, check, then
     * count. */
    const size_t room = w->capacity - w->used;
    va_list args;
    va_start(args, format);
    const int size = vsnprintf((char *)w->bytes + w->used, room, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= room)
        w->failed = true;
    else
        w->used += (size_t)size;
}

void cm_write_decimal(cm_writer *w, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    cm_write_slice(w, cm_slice_over(digits + at, sizeof digits - at));
}

size_t cm_write_reserve(cm_writer *w, size_t size)
{
    const size_t offset = w->used;
    cm_write_zeros(w, size);
    return offset;
}

static void fill(cm_writer *w, size_t offset, uint64_t value, size_t size)
{
    if (w->failed || offset > w->used || size > w->used - offset) {
        w->failed = true;
        return;
    }
    put_big_endian(w->bytes + offset, value, size);
}

void cm_write_fill_u8(cm_writer *w, size_t offset, uint8_t value)
{
    fill(w, offset, value, 1);
}

void cm_write_fill_u16(cm_writer *w, size_t offset, uint16_t value)
{
    fill(w, offset, value, 2);
}

void cm_write_fill_u32(cm_writer *w, size_t offset, uint32_t value)
{
    fill(w, offset, value, 4);
}

cm_slice cm_writer_done(const cm_writer *w)
{
    return (cm_slice){.bytes = w->bytes, .size = w->used};
}

cm_status cm_writer_finish(const cm_writer *w, cm_slice *out)
{
    CM_ENSURE(!w->failed, CM_FULL);
    *out = cm_writer_done(w);
    return CM_OK;
}
