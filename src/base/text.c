#include "base/text.h"

static const char HEX[] = "0123456789abcdef";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

cm_status cm_text_to_hex(cm_slice bytes, char *out, size_t capacity)
{
    CM_ENSURE(bytes.size < capacity / 2 + capacity % 2, CM_FULL);
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = HEX[bytes.bytes[i] >> 4];
        out[2 * i + 1] = HEX[bytes.bytes[i] & 15];
    }
    out[2 * bytes.size] = '\0';
    return CM_OK;
}

/* The value of a hex digit, or 16. */
static uint8_t hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint8_t)(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return (uint8_t)(c - 'A' + 10);
    return 16;
}

cm_status cm_text_from_hex(cm_slice text, uint8_t *out, size_t size)
{
    CM_ENSURE(text.size % 2 == 0 && text.size / 2 == size, CM_REFUSE);
    for (size_t i = 0; i < text.size; i++)
        CM_ENSURE(hex_value(text.bytes[i]) < 16, CM_REFUSE);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(hex_value(text.bytes[2 * i]) << 4 | hex_value(text.bytes[2 * i + 1]));
    return CM_OK;
}

static cm_status to_base64(const char *alphabet, bool is_padded, cm_slice in, char *out,
                           size_t capacity)
{
    CM_ENSURE(in.size <= SIZE_MAX / 2 && CM_BASE64_SIZE(in.size) <= capacity, CM_FULL);
    size_t at = 0;
    for (size_t i = 0; i < in.size; i += 3) {
        const size_t left = in.size - i;
        uint32_t group = (uint32_t)in.bytes[i] << 16;
        group |= left > 1 ? (uint32_t)in.bytes[i + 1] << 8 : 0;
        group |= left > 2 ? in.bytes[i + 2] : 0;
        out[at++] = alphabet[group >> 18];
        out[at++] = alphabet[group >> 12 & 63];
        if (left > 1)
            out[at++] = alphabet[group >> 6 & 63];
        else if (is_padded)
            out[at++] = '=';
        if (left > 2)
            out[at++] = alphabet[group & 63];
        else if (is_padded)
            out[at++] = '=';
    }
    out[at] = '\0';
    return CM_OK;
}

cm_status cm_text_to_base64(cm_slice bytes, char *out, size_t capacity)
{
    return to_base64(BASE64, true, bytes, out, capacity);
}

cm_status cm_text_to_base64url(cm_slice bytes, char *out, size_t capacity)
{
    return to_base64(BASE64URL, false, bytes, out, capacity);
}

/* The value of a digit, or 64. */
static uint32_t base64_value(uint8_t c, bool is_url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    if (c == (is_url ? '-' : '+'))
        return 62;
    if (c == (is_url ? '_' : '/'))
        return 63;
    return 64;
}

static cm_status from_base64(bool is_url, cm_slice text, uint8_t *out, size_t capacity,
                             size_t *size_out)
{
    size_t digits = text.size;
    while (digits > 0 && text.size - digits < 2 && text.bytes[digits - 1] == '=')
        digits--;
    CM_ENSURE(digits == text.size || text.size % 4 == 0, CM_REFUSE);
    CM_ENSURE(digits % 4 != 1, CM_REFUSE);
    const size_t size = digits / 4 * 3 + (digits % 4 > 0 ? digits % 4 - 1 : 0);
    CM_ENSURE(size <= capacity, CM_FULL);
    uint32_t group = 0;
    size_t at = 0;
    for (size_t i = 0; i < digits; i++) {
        const uint32_t value = base64_value(text.bytes[i], is_url);
        CM_ENSURE(value < 64, CM_REFUSE);
        group = group << 6 | value;
        if (i % 4 > 0)
            out[at++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
    }
    *size_out = at;
    return CM_OK;
}

cm_status cm_text_from_base64(cm_slice text, uint8_t *out, size_t capacity, size_t *size_out)
{
    return from_base64(false, text, out, capacity, size_out);
}

cm_status cm_text_from_base64url(cm_slice text, uint8_t *out, size_t capacity, size_t *size_out)
{
    return from_base64(true, text, out, capacity, size_out);
}

cm_status cm_text_from_percent(cm_slice text, char *out, size_t capacity, size_t *size_out)
{
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == '%') {
            CM_TRY(cm_text_from_hex(cm_slice_part(text, i + 1, 2), &c, 1));
            i += 2;
        }
        CM_ENSURE(c != 0, CM_REFUSE);
        CM_ENSURE(at < capacity, CM_FULL);
        out[at++] = (char)c;
    }
    *size_out = at;
    return CM_OK;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void cm_text_write_percent(cm_writer *w, cm_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if (is_unreserved(c))
            cm_write_u8(w, c);
        else
            cm_write_format(w, "%%%02X", c);
    }
}

/* Size of the UTF-8 sequence that `first` opens, or 0. */
static size_t sequence_size(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if ((first & 0xF0) == 0xE0)
        return 3;
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_sequence(cm_slice s)
{
    for (size_t i = 1; i < s.size; i++)
        if ((s.bytes[i] & 0xC0) != 0x80)
            return false;
    if (s.size == 3)
        return !(s.bytes[0] == 0xE0 && s.bytes[1] < 0xA0) &&
               !(s.bytes[0] == 0xED && s.bytes[1] > 0x9F);
    if (s.size == 4)
        return !(s.bytes[0] == 0xF0 && s.bytes[1] < 0x90) &&
               !(s.bytes[0] == 0xF4 && s.bytes[1] > 0x8F);
    return true;
}

bool cm_text_is_printable_utf8(cm_slice text)
{
    for (size_t i = 0; i < text.size;) {
        const size_t size = sequence_size(text.bytes[i]);
        if (size == 0 || size > text.size - i || !is_sequence(cm_slice_part(text, i, size)))
            return false;
        if (size == 1 && (text.bytes[i] < 0x20 || text.bytes[i] == 0x7F))
            return false;
        i += size;
    }
    return true;
}
