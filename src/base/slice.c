#include "base/slice.h"

#include <assert.h>
#include <string.h>

cm_slice cm_slice_of(const char *text)
{
    return cm_slice_over(text, text != NULL ? strlen(text) : 0);
}

cm_slice cm_slice_over(const void *bytes, size_t size)
{
    return (cm_slice){.bytes = bytes, .size = size};
}

bool cm_slice_equal(cm_slice a, cm_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool cm_slice_equal_nocase(cm_slice a, cm_slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.bytes[i]) != lower(b.bytes[i]))
            return false;
    return true;
}

bool cm_slice_starts(cm_slice text, cm_slice prefix)
{
    return cm_slice_equal(cm_slice_part(text, 0, prefix.size), prefix);
}

bool cm_slice_starts_nocase(cm_slice text, cm_slice prefix)
{
    return cm_slice_equal_nocase(cm_slice_part(text, 0, prefix.size), prefix);
}

bool cm_slice_ends(cm_slice text, cm_slice suffix)
{
    return text.size >= suffix.size &&
           cm_slice_equal(cm_slice_from(text, text.size - suffix.size), suffix);
}

cm_slice cm_slice_part(cm_slice s, size_t offset, size_t size)
{
    if (offset >= s.size)
        return (cm_slice){.bytes = s.bytes, .size = 0};
    const size_t left = s.size - offset;
    return (cm_slice){.bytes = s.bytes + offset, .size = size < left ? size : left};
}

cm_slice cm_slice_from(cm_slice s, size_t offset)
{
    return cm_slice_part(s, offset, SIZE_MAX);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

cm_slice cm_slice_trim(cm_slice text)
{
    size_t begin = 0;
    size_t end = text.size;
    while (begin < end && is_blank(text.bytes[begin]))
        begin++;
    while (end > begin && is_blank(text.bytes[end - 1]))
        end--;
    return cm_slice_part(text, begin, end - begin);
}

size_t cm_slice_find(cm_slice s, uint8_t byte)
{
    const uint8_t *at = s.size > 0 ? memchr(s.bytes, byte, s.size) : NULL;
    return at != NULL ? (size_t)(at - s.bytes) : s.size;
}

cm_slice cm_slice_cut(cm_slice *rest, uint8_t separator)
{
    const size_t at = cm_slice_find(*rest, separator);
    const cm_slice head = cm_slice_part(*rest, 0, at);
    *rest = at < rest->size ? cm_slice_from(*rest, at + 1) : (cm_slice){0};
    return head;
}

cm_status cm_slice_to_u64(cm_slice text, uint64_t max, uint64_t *out)
{
    CM_ENSURE(text.size > 0 && text.size <= 20, CM_REFUSE);
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        CM_ENSURE(c >= '0' && c <= '9', CM_REFUSE);
        CM_ENSURE(!__builtin_mul_overflow(value, 10, &value), CM_REFUSE);
        CM_ENSURE(!__builtin_add_overflow(value, (uint64_t)(c - '0'), &value), CM_REFUSE);
    }
    CM_ENSURE(value <= max, CM_REFUSE);
    *out = value;
    return CM_OK;
}

void cm_slice_copy(cm_slice bytes, void *out, size_t capacity)
{
    assert(bytes.size <= capacity);
    if (bytes.size > 0)
        memcpy(out, bytes.bytes, bytes.size);
}

cm_status cm_slice_to_cstr(cm_slice text, char *out, size_t capacity)
{
    CM_ENSURE(text.size < capacity, CM_FULL);
    CM_ENSURE(cm_slice_find(text, 0) == text.size, CM_REFUSE);
    if (text.size > 0)
        memcpy(out, text.bytes, text.size);
    out[text.size] = '\0';
    return CM_OK;
}
