#include "base/reader.h"

cm_reader cm_reader_over(cm_slice bytes)
{
    return (cm_reader){.rest = bytes};
}

cm_slice cm_read_slice(cm_reader *r, size_t size)
{
    /* Compare sizes, never pointers: a pointer past the end must not even be formed (C17 6.5.6). */
    if (r->failed || size > r->rest.size) {
        r->failed = true;
        return (cm_slice){0};
    }
    const cm_slice out = {.bytes = r->rest.bytes, .size = size};
    r->rest = (cm_slice){.bytes = size ? r->rest.bytes + size : r->rest.bytes,
                         .size = r->rest.size - size};
    return out;
}

static uint64_t read_big_endian(cm_reader *r, size_t size)
{
    const cm_slice part = cm_read_slice(r, size);
    uint64_t value = 0;
    for (size_t i = 0; i < part.size; i++)
        value = value << 8 | part.bytes[i];
    return value;
}

uint8_t cm_read_u8(cm_reader *r)
{
    return (uint8_t)read_big_endian(r, 1);
}
uint16_t cm_read_u16(cm_reader *r)
{
    return (uint16_t)read_big_endian(r, 2);
}
uint32_t cm_read_u24(cm_reader *r)
{
    return (uint32_t)read_big_endian(r, 3);
}
uint32_t cm_read_u32(cm_reader *r)
{
    return (uint32_t)read_big_endian(r, 4);
}
uint64_t cm_read_u64(cm_reader *r)
{
    return read_big_endian(r, 8);
}

cm_reader cm_reader_sub(cm_reader *r, size_t size)
{
    cm_reader sub = cm_reader_over(cm_read_slice(r, size));
    sub.failed = r->failed;
    return sub;
}

cm_status cm_reader_finish(const cm_reader *r)
{
    return !r->failed && r->rest.size == 0 ? CM_OK : CM_CLOSE;
}
