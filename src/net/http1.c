/*
 * HTTP/1.1 on a connection: one request after the other (RFC 9112 9.3). What a peer sends ahead
 * waits in `in`, up to its bound, then in the kernel.
 */
#include <assert.h>
#include <stdlib.h>

#include "net/http_priv.h"

enum {
    IN_MAX = 2 * CM_HTTP1_HEAD_MAX,
    READ_SIZE = 4096,
    LINGER_BYTES_MAX = 1024 * 1024,
};

typedef enum h1_state {
    H1_IDLE,    /* between requests: nothing of the next one is there */
    H1_HEAD,    /* some of it is */
    H1_BODY,    /* the head is with the handler, the body is on its way */
    H1_BUSY,    /* the handler answers */
    H1_CLOSING, /* the answer leaves, then the connection ends */
    H1_LINGER,  /* it left; what the peer still sends is thrown away for a while, because a close
                   with unread bytes would reset the connection and lose the answer */
} h1_state;

typedef struct h1 {
    cm_http_connection *connection;
    h1_state state;
    cm_instant since; /* when the state was entered */
    cm_buffer in;
    cm_buffer out;  /* ours, not taken by the stream yet */
    cm_slice later; /* static body behind `out` */
    cm_http1_scan scan;
    cm_http1_body body;
    size_t body_max;
    size_t body_bytes;
    cm_http_request *request; /* of H1_BODY and H1_BUSY */
    size_t requests;
    uint64_t chunk_left; /* of an announced chunk: owed by the handler */
    size_t lingered;
    bool is_persistent;
    bool is_minor_0;
    bool is_chunked;
    bool is_chunk_open; /* a CRLF is owed before the next chunk's size */
    bool wants_drain;
    bool is_processing;
    bool is_paused;
} h1;

static void process(h1 *c);

static h1 *of(const cm_http_connection *connection)
{
    return connection->state;
}

static const cm_http_limits *limits(const h1 *c)
{
    return &c->connection->server->limits;
}

static cm_instant now(const h1 *c)
{
    return cm_loop_now(c->connection->server->loop);
}

static bool is_flushed(const h1 *c)
{
    return cm_buffer_data(&c->out).size == 0 && c->later.size == 0 &&
           cm_stream_is_flushed(c->connection->stream);
}

static void pause_input(h1 *c, bool is_paused)
{
    if (c->is_paused != is_paused)
        cm_stream_pause(c->connection->stream, is_paused);
    c->is_paused = is_paused;
}

/* ---- time ---- */

static int64_t state_limit(const h1 *c)
{
    switch (c->state) {
    case H1_IDLE: /* a fresh connection has come to ask */
        return c->requests == 0 ? limits(c)->head_us : limits(c)->idle_us;
    case H1_HEAD:
        return limits(c)->head_us;
    case H1_BODY:
        return limits(c)->body_us;
    case H1_LINGER:
        return CM_SECONDS(2);
    default:
        return 0;
    }
}

static void set_timer(h1 *c)
{
    cm_http_connection *connection = c->connection;
    if (connection->stream == NULL)
        return;
    if (!is_flushed(c) || c->wants_drain) {
        cm_timer_start_at(&connection->timer,
                          cm_instant_after(connection->progress, limits(c)->stall_us));
    } else if (c->state == H1_BODY) { /* looked at each second, for its rate */
        cm_timer_start(&connection->timer, CM_SECONDS(1));
    } else if (state_limit(c) > 0) {
        cm_timer_start_at(&connection->timer, cm_instant_after(c->since, state_limit(c)));
    } else {
        cm_timer_stop(&connection->timer);
    }
}

static void enter(h1 *c, h1_state state)
{
    c->state = state;
    c->since = now(c);
}

/* ---- leaving ---- */

/* After an answer left, when the connection is to end. */
static void close_or_linger(h1 *c, bool has_unread)
{
    if (has_unread && c->state != H1_LINGER) {
        enter(c, H1_LINGER);
        cm_buffer_clear(&c->in);
        pause_input(c, false);
    } else {
        cm_http_connection_end(c->connection, false);
    }
}

/* Writes what is ours. False: the connection ended. */
static bool flush(h1 *c)
{
    cm_http_connection *connection = c->connection;
    while (cm_buffer_data(&c->out).size + c->later.size > 0) {
        const cm_slice parts[] = {cm_buffer_data(&c->out), c->later};
        size_t sent = 0;
        const cm_status status = cm_stream_write(connection->stream, parts, 2, &sent);
        if (status == CM_RETRY)
            break;
        if (status != CM_OK) {
            cm_http_connection_end(connection, true);
            return false;
        }
        cm_http_connection_sent(connection, sent);
        const size_t of_out = sent < parts[0].size ? sent : parts[0].size;
        cm_buffer_consume(&c->out, of_out);
        c->later = cm_slice_from(c->later, sent - of_out);
        if (sent < parts[0].size + parts[1].size)
            break;
    }
    cm_buffer_shrink(&c->out);
    return true;
}

/* The request is answered; its body may not have come whole. */
static void finish(h1 *c)
{
    const bool is_body_left = !c->body.is_done;
    cm_http_request *request = c->request;
    c->request = NULL;
    c->wants_drain = false;
    cm_http_request_free(request);
    if (is_body_left || c->connection->server->is_draining)
        c->is_persistent = false;
    enter(c, c->is_persistent ? H1_IDLE : H1_CLOSING);
    if (!flush(c))
        return;
    /* The next request, or the close, must not run inside the handler's call. */
    if (!c->is_processing)
        cm_timer_start(&c->connection->soon, 0);
    set_timer(c);
}

/* ---- responses ---- */

static void add_head(h1 *c, const cm_http_response *response, cm_slice length)
{
    cm_http_field fields[CM_HTTP_RESPONSE_FIELDS_MAX];
    size_t count = cm_http_response_fields(c->connection->server, response, length, fields);
    if (c->is_chunked)
        fields[count++] = (cm_http_field){CM_TEXT("transfer-encoding"), CM_TEXT("chunked")};
    if (!c->is_persistent)
        fields[count++] = (cm_http_field){CM_TEXT("connection"), CM_TEXT("close")};
    uint8_t *room;
    const cm_status status = cm_buffer_room(&c->out, CM_HTTP_HEAD_OUT_MAX, &room);
    assert(status == CM_OK);
    cm_writer w = cm_writer_over(room, CM_HTTP_HEAD_OUT_MAX);
    cm_http1_write_head(&w, response->status, fields, count);
    assert(!w.failed); /* http.h bounds what a handler may give */
    cm_buffer_commit(&c->out, cm_writer_done(&w).size);
}

/* Writes `body` behind `out` as it lies, and keeps what does not go at once. */
static cm_status send_body(h1 *c, cm_slice body, bool is_static)
{
    const cm_slice head = cm_buffer_data(&c->out);
    const cm_slice parts[] = {head, body};
    size_t sent = 0;
    const cm_status status = cm_stream_write(c->connection->stream, parts, 2, &sent);
    if (status != CM_OK && status != CM_RETRY)
        return status;
    cm_http_connection_sent(c->connection, sent);
    cm_buffer_consume(&c->out, sent < head.size ? sent : head.size);
    const cm_slice rest = cm_slice_from(body, sent > head.size ? sent - head.size : 0);
    if (!is_static)
        return cm_buffer_add(&c->out, rest);
    c->later = rest;
    return CM_OK;
}

static bool is_ending(const h1 *c)
{
    return c->connection->server->is_draining ||
           c->requests >= limits(c)->requests_per_connection_max;
}

static void respond(cm_http_request *request, const cm_http_response *response)
{
    h1 *c = of(request->connection);
    char digits[24];
    cm_writer w = cm_writer_over(digits, sizeof digits);
    cm_write_decimal(&w, response->body.size);
    c->is_persistent = c->is_persistent && c->body.is_done && !is_ending(c);
    c->is_chunked = false;
    add_head(c, response, cm_writer_done(&w));
    c->connection->progress = now(c);
    const cm_slice body = request->method == CM_HTTP_HEAD ? (cm_slice){0} : response->body;
    if (send_body(c, body, response->is_body_static) != CM_OK) {
        cm_http_connection_end(c->connection, true);
        return;
    }
    finish(c);
}

static cm_status begin(cm_http_request *request, const cm_http_response *head)
{
    h1 *c = of(request->connection);
    const bool is_head = request->method == CM_HTTP_HEAD;
    c->is_chunked = !c->is_minor_0 && !is_head;
    c->is_persistent = c->is_persistent && !c->is_minor_0 && !is_ending(c);
    c->is_chunk_open = false;
    c->chunk_left = 0;
    add_head(c, head, (cm_slice){0});
    c->connection->progress = now(c);
    const bool is_there = flush(c);
    set_timer(c);
    return is_there ? CM_OK : CM_CLOSE;
}

/* Once for each picture and viewer: printf's %llx is twenty times as dear. */
static void write_hex(cm_writer *w, uint64_t value)
{
    uint8_t digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t) "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    cm_write_slice(w, cm_slice_over(digits + at, sizeof digits - at));
}

/* Announces the next chunk (RFC 9112 7.1); the CRLF that ends the former stands before it. */
static cm_status open_chunk(h1 *c, uint64_t size)
{
    uint8_t text[32];
    cm_writer w = cm_writer_over(text, sizeof text);
    if (c->is_chunk_open)
        cm_write_slice(&w, CM_TEXT("\r\n"));
    write_hex(&w, size);
    cm_write_slice(&w, CM_TEXT("\r\n"));
    CM_TRY(cm_buffer_add(&c->out, cm_writer_done(&w)));
    c->chunk_left = size;
    c->is_chunk_open = true;
    return CM_OK;
}

/* `out` and the front of `parts`, at most `max` bytes of them. Returns how many parts. */
static size_t gather(const h1 *c, const cm_slice *parts, size_t count, uint64_t max,
                     cm_slice out[64])
{
    size_t used = 0;
    out[used++] = cm_buffer_data(&c->out);
    for (size_t i = 0; i < count && max > 0; i++) {
        const size_t size = parts[i].size < max ? parts[i].size : (size_t)max;
        out[used++] = cm_slice_part(parts[i], 0, size);
        max -= size;
    }
    return used;
}

/* One gathered write. *taken of the parts; CM_OK only if that is more than 0. */
static cm_status write_some(h1 *c, const cm_slice *parts, size_t count, size_t *taken)
{
    const size_t ours = cm_buffer_data(&c->out).size;
    cm_slice all[64];
    const size_t used = gather(c, parts, count, c->is_chunked ? c->chunk_left : UINT64_MAX, all);
    size_t sent = 0;
    CM_TRY(cm_stream_write(c->connection->stream, all, used, &sent));
    cm_http_connection_sent(c->connection, sent);
    cm_buffer_consume(&c->out, sent < ours ? sent : ours);
    CM_ENSURE(sent > ours, CM_RETRY);
    *taken = sent - ours;
    c->chunk_left -= c->is_chunked ? *taken : 0;
    return CM_OK;
}

static size_t sum_of(const cm_slice *parts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += parts[i].size;
    return sum;
}

/* `parts` without their first `size` bytes, in `out`. Returns how many remain. */
static size_t without_front(const cm_slice *parts, size_t count, size_t size, cm_slice *out)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t gone = size < parts[i].size ? size : parts[i].size;
        size -= gone;
        if (gone < parts[i].size)
            out[used++] = cm_slice_from(parts[i], gone);
    }
    return used;
}

static cm_status write_chunks(h1 *c, const cm_slice *parts, size_t count, size_t *accepted)
{
    const size_t total = sum_of(parts, count);
    cm_slice rest[62];
    while (*accepted < total) {
        const size_t left = without_front(parts, count, *accepted, rest);
        if (c->is_chunked && c->chunk_left == 0)
            CM_TRY(open_chunk(c, total - *accepted));
        size_t taken = 0;
        CM_TRY(write_some(c, rest, left, &taken));
        *accepted += taken;
        if (!c->is_chunked || c->chunk_left > 0)
            break;
    }
    return CM_OK;
}

static cm_status write_body(cm_http_request *request, const cm_slice *parts, size_t count,
                            size_t *accepted)
{
    h1 *c = of(request->connection);
    const size_t total = sum_of(parts, count);
    if (!c->wants_drain)
        c->connection->progress = now(c);
    const cm_status status = write_chunks(c, parts, count, accepted);
    if (status != CM_OK && status != CM_RETRY) {
        *accepted = 0;
        cm_http_connection_end(c->connection, true);
        return CM_CLOSE;
    }
    c->wants_drain = c->wants_drain || *accepted < total;
    set_timer(c);
    return *accepted > 0 || total == 0 ? CM_OK : CM_RETRY;
}

static void end(cm_http_request *request)
{
    h1 *c = of(request->connection);
    if (c->chunk_left > 0) { /* announced, never given: no end can be written */
        cm_http_connection_end(c->connection, true);
        return;
    }
    if (c->is_chunked &&
        cm_buffer_add_text(&c->out, c->is_chunk_open ? "\r\n0\r\n\r\n" : "0\r\n\r\n") != CM_OK) {
        cm_http_connection_end(c->connection, true);
        return;
    }
    finish(c);
}

static void reset(cm_http_request *request)
{
    cm_http_connection_end(request->connection, true);
}

/* ---- requests ---- */

/* An answer of the server's own; the connection ends with it. */
static void fail(h1 *c, unsigned status, const char *type, const char *detail)
{
    if (c->request == NULL && cm_http_connection_request(c->connection, &c->request) != CM_OK) {
        cm_http_connection_end(c->connection, true);
        return;
    }
    c->is_persistent = false;
    c->body.is_done = false; /* what else there is, is not read */
    cm_http_fail(c->request, status, type, detail);
}

static void fail_by_fault(h1 *c, cm_http1_fault fault)
{
    if (c->request == NULL && cm_http_connection_request(c->connection, &c->request) != CM_OK) {
        cm_http_connection_end(c->connection, true);
        return;
    }
    c->is_persistent = false;
    c->body.is_done = false;
    cm_http_fail_by_fault(c->request, fault);
}

static cm_status copy_head(h1 *c, size_t size, cm_slice *out)
{
    c->request->text = malloc(size);
    CM_ENSURE(c->request->text != NULL, CM_FULL);
    cm_writer w = cm_writer_over(c->request->text, size);
    cm_write_slice(&w, cm_slice_part(cm_buffer_data(&c->in), 0, size));
    cm_buffer_consume(&c->in, size);
    *out = cm_writer_done(&w);
    return CM_OK;
}

static cm_status parse_head(h1 *c, cm_slice text, cm_http1_head *head, cm_http1_fault *fault)
{
    cm_http_request *request = c->request;
    CM_TRY(cm_http1_parse_head(text, head, fault));
    for (size_t i = 0; i < head->field_count; i++)
        request->fields[request->field_count++] = head->fields[i];
    request->host = head->host;
    request->is_https_target = head->target.is_https;
    c->is_persistent = head->is_persistent;
    c->is_minor_0 = head->minor_version == 0;
    return cm_http_request_settle(request, head->method, &head->target, fault);
}

/* RFC 9110 10.1.1: the peer waits with its body until told. */
static void send_continue(h1 *c)
{
    if (cm_buffer_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n") != CM_OK)
        cm_http_connection_end(c->connection, true);
    else
        CM_IGNORE(flush(c), "the caller looks at connection->stream");
}

/* The head to the handler, which may answer at once: then c->request is NULL. */
static void tell_head(h1 *c, const cm_http1_head *head)
{
    cm_http_request *request = c->request;
    c->body_max = 0;
    c->body_bytes = 0;
    cm_http1_body_init(&c->body, head);
    enter(c, H1_BODY);
    cm_http_tell_head(request, &c->body_max);
    if (c->connection->stream == NULL || c->request == NULL)
        return;
    request->body.max = c->body_max;
    if (head->framing == CM_HTTP1_LENGTH && head->content_length > c->body_max)
        cm_http_fail_too_large(request);
    else if (head->expects_continue && !c->body.is_done && cm_buffer_data(&c->in).size == 0)
        send_continue(c);
}

static void begin_request(h1 *c, size_t head_size)
{
    cm_http1_head head;
    cm_http1_fault fault = CM_HTTP1_HEAD_TOO_LARGE;
    cm_slice text;
    c->scan = (cm_http1_scan){0};
    c->requests++;
    if (cm_http_connection_request(c->connection, &c->request) != CM_OK ||
        copy_head(c, head_size, &text) != CM_OK) {
        cm_http_connection_end(c->connection, true);
        return;
    }
    if (parse_head(c, text, &head, &fault) != CM_OK)
        fail_by_fault(c, fault);
    else
        tell_head(c, &head);
}

static bool step_head(h1 *c)
{
    size_t size;
    cm_http1_fault fault;
    const cm_slice data = cm_buffer_data(&c->in);
    if (data.size == 0 || !is_flushed(c))
        return false;
    if (c->state == H1_IDLE)
        enter(c, H1_HEAD);
    const cm_status status = cm_http1_scan_head(&c->scan, data, &size, &fault);
    if (status == CM_OK)
        begin_request(c, size);
    else if (status == CM_REFUSE)
        fail_by_fault(c, fault);
    return status != CM_RETRY;
}

/* The whole body is there: the handler's turn. */
static void dispatch(h1 *c)
{
    cm_http_request *request = c->request;
    enter(c, H1_BUSY);
    cm_http_tell_request(request);
    if (c->connection->stream != NULL && c->request == request && c->state == H1_BUSY) {
        assert(request->events != NULL); /* http.h: who does not answer at once must watch */
        cm_buffer_deinit(&request->body);
    }
}

static bool step_body(h1 *c)
{
    size_t used = 0;
    cm_slice data = {0};
    if (c->body.is_done) {
        dispatch(c);
        return true;
    }
    const cm_slice in = cm_buffer_data(&c->in);
    if (in.size == 0)
        return false;
    if (cm_http1_body_read(&c->body, in, &used, &data) != CM_OK) {
        fail(c, 400, "bad-request", "The chunks of the body are malformed.");
        return true;
    }
    c->body_bytes += used;
    if (cm_buffer_add(&c->request->body, data) != CM_OK)
        cm_http_fail_too_large(c->request);
    else
        cm_buffer_consume(&c->in, used);
    return true;
}

static bool step(h1 *c)
{
    switch (c->state) {
    case H1_IDLE:
    case H1_HEAD:
        return step_head(c);
    case H1_BODY:
        return step_body(c);
    case H1_CLOSING:
        if (is_flushed(c))
            close_or_linger(c, !c->body.is_done || cm_buffer_data(&c->in).size > 0);
        return false;
    default:
        return false;
    }
}

static void process(h1 *c)
{
    if (c->is_processing)
        return;
    c->is_processing = true;
    while (c->connection->stream != NULL && step(c)) {
    }
    c->is_processing = false;
    if (c->connection->stream == NULL)
        return;
    cm_buffer_shrink(&c->in);
    if (cm_buffer_data(&c->in).size <= IN_MAX - READ_SIZE)
        pause_input(c, false);
    set_timer(c);
}

/* ---- the stream ---- */

/* The peer sends no more. Whoever still waits for an answer is gone; one that is leaving leaves. */
static void on_end_of_input(h1 *c)
{
    const bool is_leaving = c->request == NULL && !is_flushed(c);
    if (!is_leaving || c->state == H1_LINGER) {
        cm_http_connection_end(c->connection, c->request != NULL);
        return;
    }
    c->is_persistent = false;
    c->body.is_done = true;
    enter(c, H1_CLOSING);
    pause_input(c, true);
    set_timer(c);
}

static void linger(h1 *c, size_t size)
{
    cm_buffer_clear(&c->in);
    c->lingered += size;
    if (c->lingered > LINGER_BYTES_MAX)
        cm_http_connection_end(c->connection, true);
}

/* False: nothing more for now. */
static bool read_some(h1 *c)
{
    cm_http_connection *connection = c->connection;
    uint8_t *room;
    size_t size = 0;
    if (cm_buffer_room(&c->in, READ_SIZE, &room) != CM_OK) {
        pause_input(c, true);
        return false;
    }
    const cm_status status = cm_stream_read(connection->stream, room, READ_SIZE, &size);
    if (status == CM_RETRY) {
        cm_buffer_shrink(&c->in);
        return false;
    }
    if (status != CM_OK) {
        on_end_of_input(c);
        return false;
    }
    connection->server->counters.bytes_in += size;
    cm_buffer_commit(&c->in, size);
    if (c->state == H1_LINGER)
        linger(c, size);
    else
        process(c);
    return connection->stream != NULL;
}

static void on_readable(cm_http_connection *connection)
{
    h1 *c = of(connection);
    for (size_t i = 0; i < CM_HTTP_READ_MAX / READ_SIZE; i++)
        if (!read_some(c))
            return;
}

static void on_writable(cm_http_connection *connection)
{
    h1 *c = of(connection);
    if (!flush(c))
        return;
    if (is_flushed(c)) {
        if (c->wants_drain && c->request != NULL) {
            c->wants_drain = false;
            if (c->request->events != NULL && c->request->events->on_drain != NULL)
                c->request->events->on_drain(c->request->owner);
        } else {
            process(c);
        }
    }
    set_timer(c);
}

static bool is_body_slow(const h1 *c)
{
    const int64_t took = cm_instant_since(now(c), c->since);
    const int64_t counted = took - CM_SECONDS(5);
    if (took >= limits(c)->body_us)
        return true;
    return counted > 0 && c->body_bytes < (uint64_t)(counted / CM_SECONDS(1)) *
                                              limits(c)->body_bytes_per_second_min;
}

static void on_timer(cm_http_connection *connection)
{
    h1 *c = of(connection);
    cm_http_counters *counters = &connection->server->counters;
    if (!is_flushed(c) || c->wants_drain) {
        counters->timeouts++;
        cm_http_connection_end(connection, true);
    } else if (c->state == H1_HEAD) {
        counters->timeouts++;
        fail(c, 408, "timeout", "The request's head took too long.");
    } else if (c->state == H1_BODY && is_body_slow(c)) {
        counters->timeouts++;
        fail(c, 408, "timeout", "The request's body came too slowly.");
    } else if (c->state == H1_BODY) {
        set_timer(c);
    } else {
        cm_http_connection_end(connection, false);
    }
}

static void on_soon(cm_http_connection *connection)
{
    process(of(connection));
}

static void drain(cm_http_connection *connection)
{
    const h1 *c = of(connection);
    if (c->state == H1_IDLE && is_flushed(c))
        cm_http_connection_end(connection, false);
}

static void destroy_request(cm_http_request *request)
{
    h1 *c = of(request->connection);
    if (c->request == request)
        c->request = NULL;
}

static void destroy(cm_http_connection *connection)
{
    h1 *c = of(connection);
    cm_buffer_deinit(&c->in);
    cm_buffer_deinit(&c->out);
    free(c);
}

static const cm_http_version VERSION = {
    .on_readable = on_readable,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_soon = on_soon,
    .drain = drain,
    .respond = respond,
    .begin = begin,
    .write = write_body,
    .end = end,
    .reset = reset,
    .destroy_request = destroy_request,
    .destroy = destroy,
};

cm_status cm_http1_connection_init(cm_http_connection *connection)
{
    h1 *c = calloc(1, sizeof *c);
    CM_ENSURE(c != NULL, CM_BROKEN);
    c->connection = connection;
    c->body.is_done = true;
    cm_buffer_init(&c->in, IN_MAX);
    cm_buffer_init(&c->out, CM_HTTP_OUT_MAX);
    connection->state = c;
    connection->version = &VERSION;
    enter(c, H1_IDLE);
    set_timer(c);
    return CM_OK;
}
