#include "proto/http1/field.h"

static bool is_alphanumeric(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool cm_http_is_token(cm_slice text)
{
    const cm_slice marks = CM_TEXT("!#$%&'*+-.^_`|~");
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if (!is_alphanumeric(c) && cm_slice_find(marks, c) == marks.size)
            return false;
    }
    return text.size > 0;
}

bool cm_http_is_field_value(cm_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return cm_slice_trim(text).size == text.size;
}

size_t cm_http_field_find(const cm_http_field *fields, size_t count, cm_slice name, cm_slice *value)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (cm_slice_equal_nocase(fields[i].name, name) && found++ == 0)
            *value = fields[i].value;
    return found;
}

cm_slice cm_http_list_cut(cm_slice *list)
{
    bool is_quoted = false;
    for (size_t i = 0; i < list->size; i++) {
        const uint8_t c = list->bytes[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted)
            i++;
        else if (c == ',' && !is_quoted) {
            const cm_slice member = cm_slice_part(*list, 0, i);
            *list = cm_slice_from(*list, i + 1);
            return cm_slice_trim(member);
        }
    }
    const cm_slice member = *list;
    *list = cm_slice_from(*list, list->size);
    return cm_slice_trim(member);
}

bool cm_http_field_lists(const cm_http_field *fields, size_t count, cm_slice name, cm_slice token)
{
    for (size_t i = 0; i < count; i++) {
        if (!cm_slice_equal_nocase(fields[i].name, name))
            continue;
        cm_slice list = fields[i].value;
        while (list.size > 0)
            if (cm_slice_equal_nocase(cm_http_list_cut(&list), token))
                return true;
    }
    return false;
}
