#include "proto/rtsp/token.h"

/* Index of the first `separator` outside quotes, or the size. */
static size_t find_unquoted(cm_slice text, uint8_t separator)
{
    bool is_quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (c == separator && !is_quoted)
            return i;
    }
    return text.size;
}

cm_slice cm_rtsp_cut_unquoted(cm_slice *rest, uint8_t separator)
{
    const size_t at = find_unquoted(*rest, separator);
    const cm_slice head = cm_slice_part(*rest, 0, at);
    *rest = at < rest->size ? cm_slice_from(*rest, at + 1) : (cm_slice){0};
    return head;
}

bool cm_rtsp_split_parameter(cm_slice text, cm_slice *name, cm_slice *value)
{
    if (cm_slice_find(text, '=') == text.size)
        return false;
    *name = cm_slice_trim(cm_slice_cut(&text, '='));
    *value = cm_rtsp_unquote(cm_slice_trim(text));
    return true;
}

cm_slice cm_rtsp_unquote(cm_slice text)
{
    if (text.size < 2 || text.bytes[0] != '"' || text.bytes[text.size - 1] != '"')
        return text;
    return cm_slice_part(text, 1, text.size - 2);
}

bool cm_rtsp_is_clean(cm_slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.bytes[i] < 0x20 && text.bytes[i] != '\t') || text.bytes[i] == 0x7F)
            return false;
    return true;
}

bool cm_rtsp_is_clean_of(cm_slice text, cm_slice forbidden)
{
    for (size_t i = 0; i < forbidden.size; i++)
        if (cm_slice_find(text, forbidden.bytes[i]) < text.size)
            return false;
    return cm_rtsp_is_clean(text);
}
