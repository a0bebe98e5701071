#include "proto/rtsp/url.h"

#include "proto/rtsp/token.h"

enum {
    PORT = 554,
    PORT_SECURE = 322,
};

/* Takes "rtsp://" or "rtsps://" off the front. */
static bool cut_scheme(cm_slice *text, bool *is_secure)
{
    const cm_slice plain = CM_TEXT("rtsp://");
    const cm_slice secure = CM_TEXT("rtsps://");
    *is_secure = cm_slice_starts_nocase(*text, secure);
    if (!*is_secure && !cm_slice_starts_nocase(*text, plain))
        return false;
    *text = cm_slice_from(*text, *is_secure ? secure.size : plain.size);
    return true;
}

/* Where the path, query or fragment starts, or the size. */
static size_t authority_size(cm_slice text)
{
    size_t i = 0;
    while (i < text.size && text.bytes[i] != '/' && text.bytes[i] != '?' && text.bytes[i] != '#')
        i++;
    return i;
}

/* Takes "user:password@" off the front. A password may hold an '@': the last one counts. */
static void cut_userinfo(cm_slice *authority, cm_rtsp_url *out)
{
    size_t at = authority->size;
    while (at > 0 && authority->bytes[at - 1] != '@')
        at--;
    if (at == 0)
        return;
    cm_slice userinfo = cm_slice_part(*authority, 0, at - 1);
    out->has_userinfo = true;
    out->user = cm_slice_cut(&userinfo, ':');
    out->password = userinfo;
    *authority = cm_slice_from(*authority, at);
}

static bool is_alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits and `others`; at least one byte. */
static bool is_made_of(cm_slice text, cm_slice others)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_alphanumeric(text.bytes[i]) && cm_slice_find(others, text.bytes[i]) == others.size)
            return false;
    return text.size > 0;
}

/* RFC 3986 3.2.2. An IPv6 address without brackets has two colons or more, and then no port. */
static cm_status read_host(cm_slice authority, cm_rtsp_url *out, cm_slice *port)
{
    const size_t colon = cm_slice_find(authority, ':');
    const cm_slice after = cm_slice_from(authority, colon + 1);
    const bool has_bracket = cm_slice_starts(authority, CM_TEXT("["));
    out->is_ipv6 = has_bracket || cm_slice_find(after, ':') < after.size;
    *port = (cm_slice){0};
    if (has_bracket) {
        cm_slice rest = cm_slice_from(authority, 1);
        CM_ENSURE(cm_slice_find(rest, ']') < rest.size, CM_REFUSE);
        out->host = cm_slice_cut(&rest, ']');
        CM_ENSURE(rest.size == 0 || rest.bytes[0] == ':', CM_REFUSE);
        *port = cm_slice_from(rest, 1);
    } else if (out->is_ipv6) {
        out->host = authority;
    } else {
        out->host = cm_slice_part(authority, 0, colon);
        *port = after;
    }
    CM_ENSURE(is_made_of(out->host, out->is_ipv6 ? CM_TEXT(":.%") : CM_TEXT("-._")), CM_REFUSE);
    return CM_OK;
}

static cm_status read_port(cm_slice text, cm_rtsp_url *out)
{
    uint64_t port = out->is_secure ? PORT_SECURE : PORT;
    out->has_port = text.size > 0;
    if (out->has_port)
        CM_TRY(cm_slice_to_u64(text, UINT16_MAX, &port));
    CM_ENSURE(port > 0, CM_REFUSE);
    out->port = (uint16_t)port;
    return CM_OK;
}

/* Fit to stand in a request line, and between the quotes of a digest's uri. */
static bool is_address_text(cm_slice text)
{
    return cm_rtsp_is_clean_of(text, CM_TEXT(" \t\""));
}

cm_status cm_rtsp_url_parse(cm_slice text, cm_rtsp_url *out)
{
    CM_ENSURE(text.size <= CM_RTSP_URL_SIZE_MAX && is_address_text(text), CM_REFUSE);
    cm_rtsp_url url = {0};
    cm_slice port;
    CM_ENSURE(cut_scheme(&text, &url.is_secure), CM_REFUSE);
    const size_t size = authority_size(text);
    cm_slice authority = cm_slice_part(text, 0, size);
    url.path = cm_slice_from(text, size);
    url.path = cm_slice_part(url.path, 0, cm_slice_find(url.path, '#'));
    cut_userinfo(&authority, &url);
    CM_TRY(read_host(authority, &url, &port));
    CM_TRY(read_port(port, &url));
    *out = url;
    return CM_OK;
}

void cm_rtsp_url_write(cm_writer *w, const cm_rtsp_url *url)
{
    cm_write_text(w, url->is_secure ? "rtsps://" : "rtsp://");
    cm_write_text(w, url->is_ipv6 ? "[" : "");
    cm_write_slice(w, url->host);
    cm_write_text(w, url->is_ipv6 ? "]" : "");
    if (url->has_port) {
        cm_write_u8(w, ':');
        cm_write_decimal(w, url->port);
    }
    if (!cm_slice_starts(url->path, CM_TEXT("/")))
        cm_write_u8(w, '/');
    cm_write_slice(w, url->path);
}

/* The path of an address that names its host: behind "rtsp://" (said once or, as some do, twice),
 * behind the host. False when `text` is no such address. */
static bool path_of_absolute(cm_slice text, cm_slice *path)
{
    bool is_secure;
    if (!cut_scheme(&text, &is_secure))
        return false;
    while (cut_scheme(&text, &is_secure))
        ;
    *path = cm_slice_from(text, authority_size(text));
    return true;
}

/* An address without its scheme: the request's host, or something with a port, then a path. */
static bool path_of_schemeless(cm_slice text, cm_slice host, cm_slice *path)
{
    const size_t size = authority_size(text);
    const cm_slice authority = cm_slice_part(text, 0, size);
    if (!cm_slice_equal_nocase(authority, host) && cm_slice_find(authority, ':') == size)
        return false;
    *path = cm_slice_from(text, size);
    return true;
}

/* base + control, joined by exactly one '/'; a query is appended as it is. */
static void write_joined(cm_writer *w, const cm_rtsp_url *base, cm_slice control)
{
    cm_rtsp_url_write(w, base);
    if (cm_slice_starts(control, CM_TEXT("?"))) {
        cm_write_slice(w, control);
        return;
    }
    if (cm_slice_starts(control, CM_TEXT("/")))
        control = cm_slice_from(control, 1);
    if (!cm_slice_ends(cm_writer_done(w), CM_TEXT("/")))
        cm_write_u8(w, '/');
    cm_write_slice(w, control);
}

/* The path that a Content-Base or Content-Location names; false: it can't be used. */
static bool path_of_hint(cm_slice hint, cm_slice host, cm_slice *path)
{
    hint = cm_slice_trim(hint);
    if (!is_address_text(hint))
        return false;
    if (path_of_absolute(hint, path) || path_of_schemeless(hint, host, path))
        return true;
    if (!cm_slice_starts(hint, CM_TEXT("/")))
        return false;
    *path = hint;
    return true;
}

void cm_rtsp_base_write(cm_writer *w, const cm_rtsp_url *request, const cm_rtsp_base_hints *hints)
{
    cm_rtsp_url base = *request;
    if (!path_of_hint(hints->content_base, request->host, &base.path))
        (void)path_of_hint(hints->content_location, request->host, &base.path);
    const cm_slice control = cm_slice_trim(hints->session_control);
    const bool is_said = control.size > 0 && !cm_slice_equal(control, CM_TEXT("*"));
    if (!is_said || !is_address_text(control) || path_of_absolute(control, &base.path)) {
        cm_rtsp_url_write(w, &base);
    } else if (cm_slice_starts(control, CM_TEXT("/"))) {
        base.path = control;
        cm_rtsp_url_write(w, &base);
    } else {
        write_joined(w, &base, control);
    }
}

void cm_rtsp_track_url_write(cm_writer *w, cm_slice base, cm_slice control)
{
    cm_rtsp_url url;
    const size_t before = w->used;
    control = cm_slice_trim(control);
    if (cm_rtsp_url_parse(base, &url) != CM_OK || !is_address_text(control)) {
        w->failed = true;
        return;
    }
    if (control.size == 0 || cm_slice_equal(control, CM_TEXT("*")) ||
        path_of_absolute(control, &url.path))
        cm_rtsp_url_write(w, &url);
    else
        write_joined(w, &url, control);
    if (w->used - before > CM_RTSP_URL_SIZE_MAX)
        w->failed = true;
}
