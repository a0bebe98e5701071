/* What was asked: target, fields, cookies, and who asks. */
#include <assert.h>
#include <stdlib.h>

#include "net/http_priv.h"

static const char *const METHODS[] = {
    [CM_HTTP_GET] = "GET",         [CM_HTTP_HEAD] = "HEAD",   [CM_HTTP_POST] = "POST",
    [CM_HTTP_PUT] = "PUT",         [CM_HTTP_PATCH] = "PATCH", [CM_HTTP_DELETE] = "DELETE",
    [CM_HTTP_OPTIONS] = "OPTIONS",
};

const char *cm_http_method_name(cm_http_method method)
{
    return METHODS[method];
}

static cm_status find_method(cm_slice text, cm_http_method *out)
{
    for (size_t i = 0; i < CM_COUNT(METHODS); i++)
        if (cm_slice_equal(text, cm_slice_of(METHODS[i]))) {
            *out = (cm_http_method)i;
            return CM_OK;
        }
    return CM_REFUSE;
}

/* ---- who asks ---- */

enum { HOPS_MAX = 16 };

typedef struct hops {
    cm_slice members[HOPS_MAX]; /* the last ones, a ring */
    size_t count;
} hops;

static hops collect_hops(const cm_http_request *request, cm_slice name)
{
    hops all = {0};
    for (size_t i = 0; i < request->field_count; i++) {
        if (!cm_slice_equal_nocase(request->fields[i].name, name))
            continue;
        cm_slice list = request->fields[i].value;
        while (list.size > 0)
            all.members[all.count++ % HOPS_MAX] = cm_http_list_cut(&list);
    }
    return all;
}

static cm_slice unquoted(cm_slice text)
{
    if (text.size >= 2 && text.bytes[0] == '"' && text.bytes[text.size - 1] == '"')
        return cm_slice_part(text, 1, text.size - 2);
    return text;
}

/* RFC 7239 4: the parameter of a forwarded-element; empty if it is not there. */
static cm_slice forwarded_parameter(cm_slice element, cm_slice name)
{
    while (element.size > 0) {
        cm_slice value = cm_slice_trim(cm_slice_cut(&element, ';'));
        const cm_slice found = cm_slice_cut(&value, '=');
        if (cm_slice_equal_nocase(found, name))
            return unquoted(value);
    }
    return (cm_slice){0};
}

static bool is_proxy(const cm_http_server *server, const cm_address *address)
{
    for (size_t i = 0; i < server->config.proxy_count; i++)
        if (cm_range_contains(&server->config.proxies[i], address))
            return true;
    return false;
}

/*
 * From the nearest hop outwards: each address was put there by the one before it, so it counts only
 * while that one is trusted. What cannot be read ends the walk.
 */
static void walk_hops(cm_http_request *request, const hops *all, bool is_rfc7239)
{
    const size_t kept = all->count < HOPS_MAX ? all->count : HOPS_MAX;
    for (size_t i = 0; i < kept; i++) {
        cm_slice text = all->members[(all->count - 1 - i) % HOPS_MAX];
        if (is_rfc7239)
            text = forwarded_parameter(text, CM_TEXT("for"));
        cm_address address;
        if (cm_address_parse(text, 0, &address) != CM_OK)
            return;
        address.port = 0;
        request->peer = address;
        if (!is_proxy(request->connection->server, &address))
            return;
    }
}

static void settle_peer(cm_http_request *request)
{
    static const char *const MARKS[] = {"forwarded",        "x-forwarded-for", "x-forwarded-proto",
                                        "x-forwarded-host", "x-real-ip",       "via"};
    const cm_http_connection *connection = request->connection;
    bool is_forwarded = false;
    cm_slice value = {0};
    for (size_t i = 0; i < CM_COUNT(MARKS); i++)
        is_forwarded |= cm_http_field_find(request->fields, request->field_count,
                                           cm_slice_of(MARKS[i]), &value) > 0;
    request->peer = connection->peer;
    request->is_secure = connection->is_tls;
    request->is_loopback_direct =
        !is_forwarded && cm_address_kind_of(&connection->peer) == CM_ADDRESS_LOOPBACK;
    if (!connection->is_proxy || !is_forwarded)
        return;
    const hops forwarded = collect_hops(request, CM_TEXT("forwarded"));
    if (forwarded.count > 0) {
        const cm_slice nearest = forwarded.members[(forwarded.count - 1) % HOPS_MAX];
        value = forwarded_parameter(nearest, CM_TEXT("proto"));
        walk_hops(request, &forwarded, true);
    } else {
        const hops x_forwarded = collect_hops(request, CM_TEXT("x-forwarded-for"));
        walk_hops(request, &x_forwarded, false);
        value = (cm_slice){0};
        CM_IGNORE(cm_http_header(request, CM_TEXT("x-forwarded-proto"), &value),
                  "absent or several: then the connection's own word stands");
    }
    if (value.size > 0)
        request->is_secure = cm_slice_equal_nocase(value, CM_TEXT("https"));
}

/* ---- what is asked ---- */

static cm_status settle_query(cm_http_request *request, cm_slice raw, cm_writer *w)
{
    while (raw.size > 0) {
        CM_ENSURE(request->query_count < CM_HTTP_QUERY_MAX, CM_REFUSE);
        cm_http_field *pair = &request->query[request->query_count++];
        CM_TRY(cm_http_query_next(&raw, w, &pair->name, &pair->value));
    }
    return CM_OK;
}

cm_status cm_http_request_settle(cm_http_request *request, cm_slice method,
                                 const cm_http_target *target, cm_http1_fault *fault)
{
    settle_peer(request);
    if (find_method(method, &request->method) != CM_OK) {
        *fault = CM_HTTP1_BAD_METHOD;
        return CM_REFUSE;
    }
    const size_t capacity = target->path.size + target->query.size;
    *fault = CM_HTTP1_BAD_TARGET;
    request->decoded = malloc(capacity > 0 ? capacity : 1);
    CM_ENSURE(request->decoded != NULL, CM_REFUSE);
    cm_writer w = cm_writer_over(request->decoded, capacity);
    CM_TRY(cm_http_path_decode(target->path, &w, &request->path));
    return settle_query(request, target->query, &w);
}

cm_http_method cm_http_request_method(const cm_http_request *request)
{
    return request->method;
}

cm_slice cm_http_path(const cm_http_request *request)
{
    return request->path;
}

cm_status cm_http_query(const cm_http_request *request, cm_slice name, cm_slice *out)
{
    size_t found = 0;
    for (size_t i = 0; i < request->query_count; i++)
        if (cm_slice_equal(request->query[i].name, name) && found++ == 0)
            *out = request->query[i].value;
    CM_ENSURE(found > 0, CM_ABSENT);
    return found == 1 ? CM_OK : CM_REFUSE;
}

cm_status cm_http_header(const cm_http_request *request, cm_slice name, cm_slice *out)
{
    const size_t found = cm_http_field_find(request->fields, request->field_count, name, out);
    CM_ENSURE(found > 0, CM_ABSENT);
    return found == 1 ? CM_OK : CM_REFUSE;
}

/* HTTP/2 may cut Cookie into several fields (RFC 9113 8.2.3). */
cm_status cm_http_cookie(const cm_http_request *request, cm_slice name, cm_slice *out)
{
    size_t found = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        cm_slice list = request->fields[i].value;
        if (!cm_slice_equal_nocase(request->fields[i].name, CM_TEXT("cookie")))
            continue;
        while (list.size > 0) {
            cm_slice value = cm_slice_trim(cm_slice_cut(&list, ';'));
            if (cm_slice_equal(cm_slice_cut(&value, '='), name) && found++ == 0)
                *out = unquoted(value);
        }
    }
    CM_ENSURE(found > 0, CM_ABSENT);
    return found == 1 ? CM_OK : CM_REFUSE;
}

cm_slice cm_http_host(const cm_http_request *request)
{
    return request->host;
}

/* Without the port that the scheme stands for anyway. */
static cm_slice without_default_port(cm_slice host, cm_slice port)
{
    return cm_slice_ends(host, port) ? cm_slice_part(host, 0, host.size - port.size) : host;
}

bool cm_http_origin_is_own(const cm_http_request *request)
{
    const cm_slice scheme = request->is_secure ? CM_TEXT("https://") : CM_TEXT("http://");
    const cm_slice port = request->is_secure ? CM_TEXT(":443") : CM_TEXT(":80");
    cm_slice origin;
    if (cm_http_header(request, CM_TEXT("origin"), &origin) != CM_OK ||
        !cm_slice_starts(origin, scheme) || request->host.size == 0)
        return false;
    return cm_slice_equal_nocase(without_default_port(cm_slice_from(origin, scheme.size), port),
                                 without_default_port(request->host, port));
}

cm_address cm_http_peer(const cm_http_request *request)
{
    return request->peer;
}

bool cm_http_is_secure(const cm_http_request *request)
{
    return request->is_secure;
}

bool cm_http_is_loopback_direct(const cm_http_request *request)
{
    return request->is_loopback_direct;
}
