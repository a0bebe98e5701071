#include "proto/http1/target.h"

#include "base/text.h"

/* RFC 3986: unreserved, sub-delims, and what the caller adds. */
static bool is_uri_char(uint8_t c, cm_slice more)
{
    const cm_slice plain = CM_TEXT("-._~!$&'()*+,;=");
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return cm_slice_find(plain, c) < plain.size || cm_slice_find(more, c) < more.size;
}

static bool is_uri_text(cm_slice text, cm_slice more)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_uri_char(text.bytes[i], more))
            return false;
    return true;
}

static cm_status parse_origin_form(cm_slice text, cm_http_target *out)
{
    CM_ENSURE(text.size > 0 && text.bytes[0] == '/', CM_REFUSE);
    out->query = text;
    out->path = cm_slice_cut(&out->query, '?');
    CM_ENSURE(is_uri_text(out->path, CM_TEXT("%:@/")), CM_REFUSE);
    /* Browsers leave these of WHATWG's query set unescaped; they mean nothing to us. */
    CM_ENSURE(is_uri_text(out->query, CM_TEXT("%:@/?[]{}|^`\\")), CM_REFUSE);
    return CM_OK;
}

cm_status cm_http_target_parse(cm_slice text, cm_http_target *out)
{
    cm_http_target target = {0};
    const bool is_http = cm_slice_starts_nocase(text, CM_TEXT("http://"));
    target.is_https = cm_slice_starts_nocase(text, CM_TEXT("https://"));
    target.is_absolute = is_http || target.is_https;
    if (target.is_absolute) {
        const cm_slice rest = cm_slice_from(text, is_http ? 7 : 8);
        const size_t slash = cm_slice_find(rest, '/');
        const size_t mark = cm_slice_find(rest, '?');
        const size_t end = slash < mark ? slash : mark;
        target.authority = cm_slice_part(rest, 0, end);
        CM_ENSURE(cm_http_is_authority(target.authority), CM_REFUSE);
        text = cm_slice_from(rest, end);
        if (text.size == 0) { /* http://host is http://host/ (RFC 9110 4.2.3) */
            target.path = CM_TEXT("/");
            *out = target;
            return CM_OK;
        }
    }
    CM_TRY(parse_origin_form(text, &target));
    *out = target;
    return CM_OK;
}

static bool is_port(cm_slice text)
{
    uint64_t port;
    return cm_slice_to_u64(text, UINT16_MAX, &port) == CM_OK;
}

/* "[...]" and what follows it. */
static bool is_bracketed(cm_slice text)
{
    const size_t close = cm_slice_find(text, ']');
    if (close == text.size || close < 3)
        return false;
    const cm_slice inside = cm_slice_part(text, 1, close - 1);
    for (size_t i = 0; i < inside.size; i++) {
        const uint8_t c = inside.bytes[i];
        const cm_slice allowed = CM_TEXT("0123456789abcdefABCDEF:.");
        if (cm_slice_find(allowed, c) == allowed.size)
            return false;
    }
    const cm_slice port = cm_slice_from(text, close + 1);
    return port.size == 0 || (port.bytes[0] == ':' && is_port(cm_slice_from(port, 1)));
}

bool cm_http_is_authority(cm_slice text)
{
    if (text.size == 0 || text.size > 255 + 6) /* a DNS name and a port */
        return false;
    if (text.bytes[0] == '[')
        return is_bracketed(text);
    const size_t colon = cm_slice_find(text, ':');
    const cm_slice name = cm_slice_part(text, 0, colon);
    if (name.size == 0 || !is_uri_text(name, CM_TEXT("")))
        return false;
    return colon == text.size || is_port(cm_slice_from(text, colon + 1));
}

/* Escapes of `raw` undone, appended to `out`. */
static cm_status decode(cm_slice raw, bool is_form, cm_writer *out, cm_slice *decoded)
{
    const size_t begin = cm_writer_done(out).size;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.bytes[i];
        if (c == '%') {
            CM_TRY(cm_text_from_hex(cm_slice_part(raw, i + 1, 2), &c, 1));
            i += 2;
        } else if (c == '+' && is_form) {
            c = ' ';
        }
        cm_write_u8(out, c);
    }
    CM_ENSURE(!out->failed, CM_FULL);
    const cm_slice text = cm_slice_from(cm_writer_done(out), begin);
    CM_ENSURE(cm_text_is_printable_utf8(text), CM_REFUSE);
    *decoded = text;
    return CM_OK;
}

static size_t count_of(cm_slice text, uint8_t c)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.bytes[i] == c;
    return count;
}

cm_status cm_http_path_decode(cm_slice raw, cm_writer *out, cm_slice *path)
{
    cm_slice text;
    CM_TRY(decode(raw, false, out, &text));
    CM_ENSURE(count_of(text, '/') == count_of(raw, '/'), CM_REFUSE);
    CM_ENSURE(count_of(text, '\\') == 0, CM_REFUSE);
    cm_slice rest = text;
    while (rest.size > 0) {
        const cm_slice segment = cm_slice_cut(&rest, '/');
        CM_ENSURE(!cm_slice_equal(segment, CM_TEXT(".")), CM_REFUSE);
        CM_ENSURE(!cm_slice_equal(segment, CM_TEXT("..")), CM_REFUSE);
    }
    *path = text;
    return CM_OK;
}

cm_status cm_http_query_next(cm_slice *rest, cm_writer *out, cm_slice *name, cm_slice *value)
{
    cm_slice raw_value = cm_slice_cut(rest, '&');
    const cm_slice raw_name = cm_slice_cut(&raw_value, '=');
    CM_TRY(decode(raw_name, true, out, name));
    return decode(raw_value, true, out, value);
}
