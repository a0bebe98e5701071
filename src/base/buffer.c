#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 512 };

void cm_buffer_init(cm_buffer *b, size_t max_bytes)
{
    *b = (cm_buffer){.max = max_bytes};
}

void cm_buffer_deinit(cm_buffer *b)
{
    free(b->bytes);
    *b = (cm_buffer){.max = b->max};
}

cm_slice cm_buffer_data(const cm_buffer *b)
{
    return cm_slice_over(b->bytes != NULL ? b->bytes + b->begin : NULL, b->end - b->begin);
}

static void move_to_front(cm_buffer *b)
{
    if (b->begin == 0)
        return;
    memmove(b->bytes, b->bytes + b->begin, b->end - b->begin);
    b->end -= b->begin;
    b->begin = 0;
}

cm_status cm_buffer_room(cm_buffer *b, size_t size, uint8_t **out)
{
    const size_t held = b->end - b->begin;
    CM_ENSURE(held <= b->max && size <= b->max - held, CM_FULL);
    if (size > b->capacity - b->end)
        move_to_front(b);
    if (size > b->capacity - b->end) {
        size_t capacity = b->capacity > 0 ? b->capacity : FIRST_CAPACITY;
        while (capacity < held + size)
            capacity *= 2;
        if (capacity > b->max)
            capacity = b->max;
        uint8_t *bytes = realloc(b->bytes, capacity);
        CM_ENSURE(bytes != NULL, CM_FULL);
        b->bytes = bytes;
        b->capacity = capacity;
    }
    *out = b->bytes + b->end;
    return CM_OK;
}

void cm_buffer_commit(cm_buffer *b, size_t size)
{
    assert(size <= b->capacity - b->end);
    b->end += size;
}

cm_status cm_buffer_add(cm_buffer *b, cm_slice bytes)
{
    if (bytes.size == 0)
        return CM_OK;
    uint8_t *room;
    CM_TRY(cm_buffer_room(b, bytes.size, &room));
    memcpy(room, bytes.bytes, bytes.size);
    cm_buffer_commit(b, bytes.size);
    return CM_OK;
}

cm_status cm_buffer_add_text(cm_buffer *b, const char *text)
{
    return cm_buffer_add(b, cm_slice_of(text));
}

cm_status cm_buffer_add_format(cm_buffer *b, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *room = NULL;
    cm_status status = size < 0 ? CM_BROKEN : cm_buffer_room(b, (size_t)size + 1, &room);
    if (status == CM_OK) {
        (void)vsnprintf((char *)room, (size_t)size + 1, format, again);
        cm_buffer_commit(b, (size_t)size);
    }
    va_end(again);
    return status;
}

void cm_buffer_consume(cm_buffer *b, size_t size)
{
    const size_t held = b->end - b->begin;
    b->begin += size < held ? size : held;
    if (b->begin == b->end)
        b->begin = b->end = 0;
}

void cm_buffer_clear(cm_buffer *b)
{
    b->begin = b->end = 0;
}

void cm_buffer_shrink(cm_buffer *b)
{
    if (b->begin == b->end)
        cm_buffer_deinit(b);
}
