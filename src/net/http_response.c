/* Answering: the calls of the handler, and problem documents. */
#include <assert.h>

#include "net/http_priv.h"

void cm_http_watch(cm_http_request *request, const cm_http_events *events, void *owner)
{
    assert(request->phase != CM_HTTP_FINISHED);
    request->events = events;
    request->owner = owner;
}

/* ---- to the handler ---- */

void cm_http_tell_head(cm_http_request *request, size_t *body_max)
{
    cm_http_server *server = request->connection->server;
    server->counters.requests++;
    request->is_known = true;
    server->config.handler.on_head(server->config.handler.owner, request, body_max);
}

void cm_http_tell_request(cm_http_request *request)
{
    cm_http_server *server = request->connection->server;
    request->phase = CM_HTTP_HANDLED;
    server->config.handler.on_request(server->config.handler.owner, request,
                                      cm_buffer_data(&request->body));
}

/* ---- from the handler ---- */

static void count_response(cm_http_request *request, unsigned status)
{
    assert(status >= 200 && status <= 599);
    request->connection->server->counters.responses[status / 100]++;
}

static bool may_have_body(unsigned status)
{
    return status != 204 && status != 304; /* RFC 9110 6.4.1 */
}

/* The connection ended before the handler knew: its call has no effect, and on_gone won't come. */
static bool is_over(cm_http_request *request)
{
    if (request->connection->stream != NULL)
        return false;
    request->phase = CM_HTTP_FINISHED;
    request->events = NULL;
    return true;
}

void cm_http_respond(cm_http_request *request, const cm_http_response *response)
{
    assert(request->phase == CM_HTTP_READING || request->phase == CM_HTTP_HANDLED);
    assert(may_have_body(response->status) || response->body.size == 0);
    if (is_over(request))
        return;
    count_response(request, response->status);
    request->phase = CM_HTTP_FINISHED;
    request->events = NULL;
    request->connection->version->respond(request, response);
}

cm_status cm_http_begin(cm_http_request *request, unsigned status, const cm_http_field *fields,
                        size_t field_count)
{
    assert(request->phase == CM_HTTP_HANDLED && may_have_body(status));
    if (request->connection->stream == NULL)
        return CM_CLOSE;
    const cm_http_response head = {.status = status, .fields = fields, .field_count = field_count};
    count_response(request, status);
    request->phase = CM_HTTP_STREAMING;
    cm_stream_limit_unsent(request->connection->stream, CM_HTTP_UNSENT_MAX);
    return request->connection->version->begin(request, &head);
}

cm_status cm_http_body_write(cm_http_request *request, const cm_slice *parts, size_t count,
                             size_t *accepted)
{
    assert(request->phase == CM_HTTP_STREAMING && count <= 62);
    *accepted = 0;
    CM_ENSURE(request->connection->stream != NULL, CM_CLOSE);
    if (request->method == CM_HTTP_HEAD) {
        for (size_t i = 0; i < count; i++)
            *accepted += parts[i].size;
        return CM_OK;
    }
    return request->connection->version->write(request, parts, count, accepted);
}

void cm_http_end(cm_http_request *request)
{
    assert(request->phase == CM_HTTP_STREAMING);
    if (is_over(request))
        return;
    request->phase = CM_HTTP_FINISHED;
    request->events = NULL;
    request->connection->version->end(request);
}

void cm_http_reset(cm_http_request *request, bool is_connection)
{
    assert(request->phase != CM_HTTP_FINISHED);
    if (is_over(request))
        return;
    cm_http_counters *counters = &request->connection->server->counters;
    counters->resets++;
    counters->responses[0] += request->phase != CM_HTTP_STREAMING;
    request->phase = CM_HTTP_FINISHED;
    request->events = NULL;
    if (is_connection)
        cm_http_connection_end(request->connection, true);
    else
        request->connection->version->reset(request);
}

size_t cm_http_response_fields(cm_http_server *server, const cm_http_response *response,
                               cm_slice length, cm_http_field out[CM_HTTP_RESPONSE_FIELDS_MAX])
{
    assert(response->field_count <= 32);
    size_t count = 0;
    out[count++] = (cm_http_field){CM_TEXT("date"), cm_http_date(server)};
    if (length.size > 0 && may_have_body(response->status))
        out[count++] = (cm_http_field){CM_TEXT("content-length"), length};
    for (size_t i = 0; i < response->field_count; i++)
        out[count++] = response->fields[i];
    return count;
}

/* ---- problem documents: RFC 9457 ---- */

/* A JSON string (RFC 8259 7). */
static void write_json_string(cm_writer *w, const char *text)
{
    cm_write_text(w, "\"");
    for (; *text != '\0'; text++) {
        const uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\')
            cm_write_u8(w, '\\');
        if (c < 0x20)
            cm_write_format(w, "\\u%04x", c);
        else
            cm_write_u8(w, c);
    }
    cm_write_text(w, "\"");
}

static void write_problem(cm_writer *w, const cm_http_problem *problem)
{
    cm_write_format(w, "{\"type\":\"/problems/%s\",\"title\":", problem->type);
    write_json_string(w, problem->title);
    cm_write_format(w, ",\"status\":%u,\"detail\":", problem->status);
    write_json_string(w, problem->detail);
    if (problem->field != NULL) {
        cm_write_text(w, ",\"field\":");
        write_json_string(w, problem->field);
    }
    if (problem->retry_after_s > 0)
        cm_write_format(w, ",\"retry_after_s\":%u", problem->retry_after_s);
    cm_write_text(w, "}");
}

void cm_http_respond_problem(cm_http_request *request, const cm_http_problem *problem)
{
    assert(problem->field_count <= 8);
    char text[4096], seconds[16];
    cm_http_field fields[11];
    size_t count = 0;
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_writer after = cm_writer_over(seconds, sizeof seconds);
    write_problem(&w, problem);
    if (w.failed) { /* a very long detail: the title says enough */
        cm_http_problem brief = *problem;
        brief.detail = problem->title;
        w = cm_writer_over(text, sizeof text);
        write_problem(&w, &brief);
    }
    fields[count++] = (cm_http_field){CM_TEXT("content-type"), CM_TEXT("application/problem+json")};
    fields[count++] = (cm_http_field){CM_TEXT("cache-control"), CM_TEXT("no-store")};
    if (problem->retry_after_s > 0) {
        cm_write_decimal(&after, problem->retry_after_s);
        fields[count++] = (cm_http_field){CM_TEXT("retry-after"), cm_writer_done(&after)};
    }
    for (size_t i = 0; i < problem->field_count; i++)
        fields[count++] = problem->fields[i];
    const cm_http_response response = {
        .status = problem->status,
        .fields = fields,
        .field_count = count,
        .body = cm_writer_done(&w),
    };
    cm_http_respond(request, &response);
}

void cm_http_fail(cm_http_request *request, unsigned status, const char *type, const char *detail)
{
    const cm_http_problem problem = {
        .status = status,
        .type = type,
        .title = cm_http1_reason(status),
        .detail = detail,
    };
    request->connection->server->counters.problems++;
    cm_http_respond_problem(request, &problem);
}

void cm_http_fail_by_fault(cm_http_request *request, cm_http1_fault fault)
{
    const unsigned status = cm_http1_fault_status(fault);
    const char *type = "bad-request";
    if (status == 414 || status == 431)
        type = "request-too-large";
    else if (status == 501 || status == 505)
        type = "not-implemented";
    cm_http_fail(request, status, type, cm_http1_fault_text(fault));
}

void cm_http_fail_too_large(cm_http_request *request)
{
    cm_http_fail(request, 413, "body-too-large",
                 "The body is larger than this address takes. Send less.");
}
