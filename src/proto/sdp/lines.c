#include "proto/sdp/lines.h"

#include "proto/sdp/sdp_priv.h"

cm_status cm_sdp_refuse(cm_sdp_error *error, size_t line, const char *field, const char *reason)
{
    *error = (cm_sdp_error){.line = line, .field = field, .reason = reason};
    return CM_REFUSE;
}

void cm_sdp_error_write(cm_writer *w, const cm_sdp_error *error)
{
    if (error->line > 0) {
        cm_write_text(w, "line ");
        cm_write_decimal(w, error->line);
        cm_write_text(w, ": ");
    }
    if (error->field[0] != '\0') {
        cm_write_text(w, error->field);
        cm_write_u8(w, ' ');
    }
    cm_write_text(w, error->reason);
}

cm_status cm_sdp_lines_open(cm_slice text, cm_sdp_lines *out, cm_sdp_error *error)
{
    if (text.size > CM_SDP_SIZE_MAX)
        return cm_sdp_refuse(error, 0, "", "the description is larger than 64 KiB");
    if (cm_slice_trim(text).size == 0)
        return cm_sdp_refuse(error, 0, "", "the description is empty");
    *out = (cm_sdp_lines){.rest = text};
    return CM_OK;
}

static bool has_control_character(cm_slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.bytes[i] < ' ' && text.bytes[i] != '\t') || text.bytes[i] == 0x7F)
            return true;
    return false;
}

cm_status cm_sdp_lines_next(cm_sdp_lines *lines, cm_sdp_line *out, cm_sdp_error *error)
{
    CM_ENSURE(cm_slice_trim(lines->rest).size > 0, CM_ABSENT);
    const cm_slice line = cm_slice_trim(cm_slice_cut(&lines->rest, '\n'));
    const size_t number = ++lines->count;
    if (line.size < 2 || line.bytes[0] < 'a' || line.bytes[0] > 'z' || line.bytes[1] != '=')
        return cm_sdp_refuse(error, number, "", "a line begins with a letter and '='");
    if (has_control_character(line))
        return cm_sdp_refuse(error, number, "", "the line holds a control character");
    *out = (cm_sdp_line){
        .number = number, .type = line.bytes[0], .value = cm_slice_trim(cm_slice_from(line, 2))};
    return CM_OK;
}

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool cm_sdp_is_ice_text(cm_slice text, size_t least, size_t most)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_letter_or_digit(text.bytes[i]) && text.bytes[i] != '+' && text.bytes[i] != '/')
            return false;
    return text.size >= least && text.size <= most;
}

bool cm_sdp_is_token(cm_slice text, size_t most)
{
    static const cm_slice OTHERS = {.bytes = (const uint8_t *)"!#$%&'*+-.^_`{|}~", .size = 17};
    for (size_t i = 0; i < text.size; i++)
        if (!is_letter_or_digit(text.bytes[i]) &&
            cm_slice_find(OTHERS, text.bytes[i]) == OTHERS.size)
            return false;
    return text.size > 0 && text.size <= most;
}
