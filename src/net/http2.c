/*
 * HTTP/2 on a connection (RFC 9113), framed by libnghttp2. Frames are gathered in the server's
 * `frames` scratch, one TLS record at a time; bytes of a body go there straight from the parts that
 * the handler offers, so nothing of a stream waits in our memory but that record.
 *
 * libnghttp2 must not be entered from its own callbacks. So its callbacks only note what happened
 * (a request is ready, a stream closed), and handlers are called after it has returned.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "net/http_priv.h"

enum {
    FRAME_HEAD = 9,
    FRAME_LEAST = 1024, /* a smaller rest of a record is not worth a frame */
    FLOOD_WINDOW_S = 10,
    LINGER_S = 2,
    LINGER_BYTES_MAX = 1024 * 1024,
    CONTROL_MAX = 1000,        /* frames without use in that time: pings, settings, priorities */
    HEAD_WIRE_MAX = 64 * 1024, /* of one header block, CONTINUATION frames and all */
    FIELD_OVERHEAD = 32,       /* RFC 9113 6.5.2 */
    WINDOW = 65535,            /* what a peer may send ahead on a stream */
};

typedef struct h2 h2;

/* The state of a request: one stream. */
typedef struct h2_stream {
    cm_http_request *request;
    int32_t id;
    cm_list ready;    /* in h2.ready: the handler is to hear of it */
    cm_list waiting;  /* in h2.waiting: for room in the connection or its window */
    cm_buffer text;   /* pseudo-fields and fields as they came */
    size_t text_size; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    size_t offsets[CM_HTTP_FIELDS_MAX][2];
    struct {
        size_t offset, size;
    } method, scheme, authority, path;
    cm_http1_fault fault;
    bool is_head_whole;
    bool is_told;
    bool is_body_whole;
    bool is_body_too_large;
    bool is_closed;    /* libnghttp2 forgot it */
    bool is_reset;     /* by us */
    bool is_lingering; /* answered; the peer still sends */
    bool is_whole;     /* the response is: `rest` is what remains of it */
    bool is_ending;
    bool wants_drain;
    uint8_t *owned; /* a copy of a whole body */
    cm_slice rest;
    const cm_slice *parts; /* offered in the call that is under way */
    size_t part_count;
    size_t part_offset; /* into the first */
    size_t accepted;
    size_t body_bytes;
    cm_instant began;
    cm_instant progress;
} h2_stream;

struct h2 {
    cm_http_connection *connection;
    nghttp2_session *session;
    cm_list ready;
    cm_list waiting;
    cm_list gone;       /* h2_stream.ready of those whose handler is to hear on_gone */
    cm_buffer out;      /* of a record that the stream did not take whole */
    size_t frames_used; /* of the server's scratch, while sending */
    bool is_inside;     /* libnghttp2 is running */
    bool is_gathering;  /* whoever set it sends when done */
    bool is_broken;     /* the stream failed while libnghttp2 ran */
    bool is_flooded;
    bool is_in_head;
    bool is_shut;
    size_t head_wire; /* bytes since the header block began */
    size_t requests;
    unsigned resets, controls;
    cm_instant window_began; /* of the two counts */
    cm_instant head_began;
    cm_instant idle_since;
};

static h2 *of(const cm_http_connection *connection)
{
    return connection->state;
}

static h2_stream *stream_of(const cm_http_request *request)
{
    return request->state;
}

static cm_instant now(const h2 *c)
{
    return cm_loop_now(c->connection->server->loop);
}

static const cm_http_limits *limits(const h2 *c)
{
    return &c->connection->server->limits;
}

/* ---- what leaves ---- */

static bool is_writable(const h2 *c)
{
    return !c->is_broken && cm_buffer_data(&c->out).size == 0 &&
           cm_stream_is_flushed(c->connection->stream);
}

/* Gives the gathered frames to the stream. */
static void flush_frames(h2 *c)
{
    cm_http_connection *connection = c->connection;
    const cm_slice frames = cm_slice_over(connection->server->frames.bytes, c->frames_used);
    size_t sent = 0;
    if (frames.size == 0)
        return;
    c->frames_used = 0;
    const cm_status status = cm_stream_write(connection->stream, &frames, 1, &sent);
    if (status != CM_OK && status != CM_RETRY) {
        c->is_broken = true;
        return;
    }
    cm_http_connection_sent(connection, sent);
    if (cm_buffer_add(&c->out, cm_slice_from(frames, sent)) != CM_OK)
        c->is_broken = true;
}

static size_t room_of(const h2 *c)
{
    return sizeof c->connection->server->frames.bytes - c->frames_used;
}

/* Makes at least `size` bytes of room in the scratch. False: the connection takes no more now. */
static bool make_room(h2 *c, size_t size)
{
    if (room_of(c) < size)
        flush_frames(c);
    return room_of(c) >= size && is_writable(c);
}

static void add_frame_bytes(h2 *c, cm_slice bytes)
{
    cm_writer w = cm_writer_over(c->connection->server->frames.bytes, CM_STREAM_RECORD);
    w.used = c->frames_used;
    cm_write_slice(&w, bytes);
    assert(!w.failed);
    c->frames_used = w.used;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    h2 *c = user;
    (void)session;
    (void)flags;
    if (!make_room(c, 1))
        return c->is_broken ? NGHTTP2_ERR_CALLBACK_FAILURE : NGHTTP2_ERR_WOULDBLOCK;
    const cm_slice part = cm_slice_part(cm_slice_over(bytes, size), 0, room_of(c));
    add_frame_bytes(c, part);
    return (ssize_t)part.size;
}

static size_t available(const h2_stream *s)
{
    if (s->is_whole)
        return s->rest.size;
    size_t sum = 0;
    for (size_t i = 0; i < s->part_count; i++)
        sum += s->parts[i].size;
    return sum - (s->part_count > 0 ? s->part_offset : 0);
}

static void wait_for_room(h2 *c, h2_stream *s)
{
    cm_list_remove(&s->waiting);
    cm_list_add_last(&c->waiting, &s->waiting);
}

/* How much of the body goes into the next DATA frame. */
static ssize_t on_body_read(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t capacity,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    h2 *c = user;
    h2_stream *s = source->ptr;
    (void)session;
    (void)id;
    (void)bytes;
    const size_t there = available(s);
    const bool is_last_part = s->is_whole || s->is_ending;
    if (there == 0 && !is_last_part)
        return NGHTTP2_ERR_DEFERRED;
    if (!make_room(c, FRAME_HEAD + FRAME_LEAST)) {
        wait_for_room(c, s);
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t size = room_of(c) - FRAME_HEAD;
    size = size < capacity ? size : capacity;
    size = size < there ? size : there;
    if (size > 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (is_last_part && size == there)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

/* The front of the parts that are on offer, to the scratch. */
static void add_offered(h2 *c, h2_stream *s, size_t size)
{
    s->accepted += size;
    while (size > 0) {
        const cm_slice left = cm_slice_from(s->parts[0], s->part_offset);
        const cm_slice part = cm_slice_part(left, 0, size);
        add_frame_bytes(c, part);
        size -= part.size;
        s->part_offset += part.size;
        if (part.size == left.size) {
            s->parts++;
            s->part_count--;
            s->part_offset = 0;
        }
    }
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user)
{
    h2 *c = user;
    h2_stream *s = source->ptr;
    (void)session;
    assert(frame->data.padlen == 0);
    (void)frame;
    add_frame_bytes(c, cm_slice_over(head, FRAME_HEAD));
    if (s->is_whole) {
        add_frame_bytes(c, cm_slice_part(s->rest, 0, size));
        s->rest = cm_slice_from(s->rest, size);
    } else {
        add_offered(c, s, size);
    }
    s->progress = now(c);
    return 0;
}

static void set_timer(h2 *c);

static bool is_over(const h2 *c)
{
    return c->connection->stream == NULL;
}

/* Everything that libnghttp2 has to send, as far as the connection takes it. */
static void send_frames(h2 *c)
{
    if (is_over(c) || c->is_inside)
        return;
    if (is_writable(c)) {
        c->connection->progress = now(c);
        c->is_inside = true;
        const int result = nghttp2_session_send(c->session);
        flush_frames(c);
        c->is_inside = false;
        c->is_broken |= result != 0;
    }
    if (c->is_broken)
        cm_http_connection_end(c->connection, true);
    else if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session) &&
             is_writable(c))
        cm_http_connection_end(c->connection, false);
    else
        set_timer(c);
}

static void send_unless_gathering(h2 *c)
{
    if (!c->is_gathering)
        send_frames(c);
}

/* ---- time ---- */

static bool is_idle(const h2 *c)
{
    return cm_list_is_empty(&c->connection->requests) && is_writable(c) && !c->is_in_head;
}

static void set_timer(h2 *c)
{
    if (is_over(c))
        return;
    const int64_t limit = c->requests == 0 ? limits(c)->head_us : limits(c)->idle_us;
    if (is_idle(c))
        cm_timer_start_at(&c->connection->timer, cm_instant_after(c->idle_since, limit));
    else if (!cm_timer_is_running(&c->connection->timer) ||
             cm_instant_since(c->connection->timer.due, now(c)) > CM_SECONDS(1))
        cm_timer_start(&c->connection->timer, CM_SECONDS(1)); /* a look each second */
}

static bool is_body_slow(const h2 *c, const h2_stream *s)
{
    const int64_t took = cm_instant_since(now(c), s->began);
    const int64_t counted = took - CM_SECONDS(5);
    if (s->is_body_whole || s->request->phase != CM_HTTP_READING)
        return false;
    if (took >= limits(c)->body_us)
        return true;
    return counted > 0 && s->body_bytes < (uint64_t)(counted / CM_SECONDS(1)) *
                                              limits(c)->body_bytes_per_second_min;
}

static bool is_stalled(const h2 *c, const h2_stream *s)
{
    const bool waits = s->wants_drain || (s->is_whole && s->rest.size > 0);
    return waits && cm_instant_since(now(c), s->progress) >= limits(c)->stall_us;
}

static void reset_stream(h2 *c, h2_stream *s, uint32_t code)
{
    s->is_reset = true;
    CM_IGNORE(nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, code),
              "only fails without memory: then the peer's own end comes");
}

static void look_at_streams(h2 *c)
{
    cm_http_connection *connection = c->connection;
    CM_LIST_EACH(&connection->requests, node, next)
    {
        cm_http_request *request = CM_HOLDER(node, cm_http_request, node);
        h2_stream *s = stream_of(request);
        if (s->is_lingering) {
            if (!s->is_reset && cm_instant_since(now(c), s->began) >= CM_SECONDS(LINGER_S))
                reset_stream(c, s, NGHTTP2_NO_ERROR);
        } else if (is_body_slow(c, s)) {
            connection->server->counters.timeouts++;
            if (s->is_head_whole)
                cm_http_fail(request, 408, "timeout", "The request's body came too slowly.");
            else
                reset_stream(c, s, NGHTTP2_CANCEL);
        } else if (is_stalled(c, s) && !s->is_reset) {
            connection->server->counters.timeouts++;
            reset_stream(c, s, NGHTTP2_CANCEL);
        }
    }
}

static bool is_connection_late(const h2 *c)
{
    const bool is_stuck =
        !is_writable(c) && cm_instant_since(now(c), c->connection->progress) >= limits(c)->stall_us;
    const bool is_slow_head =
        c->is_in_head && cm_instant_since(now(c), c->head_began) >= limits(c)->head_us;
    return is_stuck || is_slow_head;
}

static void on_timer(cm_http_connection *connection)
{
    h2 *c = of(connection);
    if (is_connection_late(c)) {
        connection->server->counters.timeouts++;
        cm_http_connection_end(connection, true);
        return;
    }
    if (is_idle(c)) {
        if (c->is_shut) {
            cm_http_connection_end(connection, false);
            return;
        }
        c->is_shut = true;
        c->idle_since = now(c);
        CM_IGNORE(nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR),
                  "the next look closes it all the same");
    } else {
        c->is_gathering = true;
        look_at_streams(c);
        c->is_gathering = false;
    }
    send_frames(c);
}

/* ---- floods ---- */

/* Counts in windows of 10 s. True: too many. */
static bool count_flood(h2 *c, unsigned *count, unsigned max)
{
    if (cm_instant_since(now(c), c->window_began) >= CM_SECONDS(FLOOD_WINDOW_S)) {
        c->window_began = now(c);
        c->resets = c->controls = 0;
    }
    c->is_flooded |= ++*count > max;
    return c->is_flooded;
}

/* ---- what comes ---- */

static void make_ready(h2 *c, h2_stream *s)
{
    cm_list_remove(&s->ready);
    cm_list_add_last(&c->ready, &s->ready);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    h2 *c = user;
    c->is_in_head = true;
    c->head_wire = 0;
    c->head_began = now(c);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers: read over */
    h2_stream *s = calloc(1, sizeof *s);
    cm_http_request *request = NULL;
    if (s == NULL || cm_http_connection_request(c->connection, &request) != CM_OK) {
        free(s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    s->request = request;
    s->id = frame->hd.stream_id;
    s->began = s->progress = now(c);
    cm_list_init(&s->ready);
    cm_list_init(&s->waiting);
    cm_buffer_init(&s->text, CM_HTTP1_HEAD_MAX);
    request->state = s;
    c->requests++;
    return nghttp2_session_set_stream_user_data(session, s->id, s) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static cm_status add_text(h2_stream *s, cm_slice text, size_t *offset)
{
    *offset = cm_buffer_data(&s->text).size;
    return cm_buffer_add(&s->text, text);
}

/* RFC 9113 8.3.1. libnghttp2 has seen to it that each stands there once and first. */
static cm_status add_pseudo(h2_stream *s, cm_slice name, cm_slice value)
{
    size_t offset;
    CM_TRY(add_text(s, value, &offset));
    if (cm_slice_equal(name, CM_TEXT(":method"))) {
        s->method.offset = offset;
        s->method.size = value.size;
    } else if (cm_slice_equal(name, CM_TEXT(":scheme"))) {
        s->scheme.offset = offset;
        s->scheme.size = value.size;
    } else if (cm_slice_equal(name, CM_TEXT(":authority"))) {
        s->authority.offset = offset;
        s->authority.size = value.size;
    } else if (cm_slice_equal(name, CM_TEXT(":path"))) {
        s->path.offset = offset;
        s->path.size = value.size;
    }
    return CM_OK;
}

static cm_status add_field(h2_stream *s, cm_slice name, cm_slice value)
{
    cm_http_request *request = s->request;
    const size_t index = request->field_count;
    CM_ENSURE(index < CM_HTTP_FIELDS_MAX, CM_FULL);
    value = cm_slice_trim(value);
    CM_TRY(add_text(s, name, &s->offsets[index][0]));
    CM_TRY(add_text(s, value, &s->offsets[index][1]));
    request->fields[index].name.size = name.size;
    request->fields[index].value.size = value.size;
    request->field_count++;
    return CM_OK;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)flags;
    (void)user;
    h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL || s->is_head_whole || s->fault != CM_HTTP1_NO_FAULT)
        return 0;
    const cm_slice name_text = cm_slice_over(name, name_size);
    const cm_slice value_text = cm_slice_over(value, value_size);
    s->text_size += name_size + value_size + FIELD_OVERHEAD;
    cm_status status = CM_FULL;
    if (s->text_size <= CM_HTTP1_HEAD_MAX)
        status = cm_slice_starts(name_text, CM_TEXT(":")) ? add_pseudo(s, name_text, value_text)
                                                          : add_field(s, name_text, value_text);
    if (status != CM_OK)
        s->fault = CM_HTTP1_HEAD_TOO_LARGE;
    return 0;
}

static cm_slice text_part(const h2_stream *s, size_t offset, size_t size)
{
    return cm_slice_part(cm_buffer_data(&s->text), offset, size);
}

/* RFC 9113 8.3.1: :authority, or Host; if both, the same. */
static cm_status settle_host(h2_stream *s)
{
    cm_http_request *request = s->request;
    cm_slice host = {0};
    const cm_slice authority = text_part(s, s->authority.offset, s->authority.size);
    const size_t count =
        cm_http_field_find(request->fields, request->field_count, CM_TEXT("host"), &host);
    CM_ENSURE(count <= 1, CM_REFUSE);
    if (count == 1 && authority.size > 0)
        CM_ENSURE(cm_slice_equal_nocase(host, authority), CM_REFUSE);
    request->host = authority.size > 0 ? authority : host;
    CM_ENSURE(cm_http_is_authority(request->host), CM_REFUSE);
    return CM_OK;
}

/* The text stays where it is from here on: the fields can point to it. */
static cm_status settle_head(h2_stream *s, cm_http1_fault *fault)
{
    cm_http_request *request = s->request;
    cm_http_target target;
    for (size_t i = 0; i < request->field_count; i++) {
        cm_http_field *field = &request->fields[i];
        field->name = text_part(s, s->offsets[i][0], field->name.size);
        field->value = text_part(s, s->offsets[i][1], field->value.size);
    }
    *fault = CM_HTTP1_BAD_HOST;
    CM_TRY(settle_host(s));
    *fault = CM_HTTP1_BAD_TARGET;
    CM_TRY(cm_http_target_parse(text_part(s, s->path.offset, s->path.size), &target));
    CM_ENSURE(!target.is_absolute, CM_REFUSE);
    return cm_http_request_settle(request, text_part(s, s->method.offset, s->method.size), &target,
                                  fault);
}

static void on_head_whole(h2 *c, h2_stream *s)
{
    cm_http1_fault fault;
    s->is_head_whole = true;
    s->began = now(c);
    if (s->fault == CM_HTTP1_NO_FAULT && settle_head(s, &fault) != CM_OK)
        s->fault = fault;
    make_ready(c, s);
}

/* Frames that ask for work and bring none. */
static bool is_control(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_PRIORITY_UPDATE:
    case NGHTTP2_GOAWAY:
        return true;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default:
        return false;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    h2 *c = user;
    h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (is_control(frame) && count_flood(c, &c->controls, CONTROL_MAX))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        c->is_in_head = false;
        if (s != NULL && !s->is_head_whole)
            on_head_whole(c, s);
    }
    const bool is_last = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                         (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_last && s != NULL) {
        s->is_body_whole = true;
        make_ready(c, s);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *user)
{
    h2 *c = user;
    h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    if (s == NULL)
        return 0;
    s->body_bytes += size;
    if (s->is_lingering && s->body_bytes > LINGER_BYTES_MAX && !s->is_reset)
        reset_stream(c, s, NGHTTP2_NO_ERROR);
    if (s->request->phase != CM_HTTP_READING || s->is_body_too_large)
        return 0;
    if (cm_buffer_add(&s->request->body, cm_slice_over(bytes, size)) != CM_OK) {
        s->is_body_too_large = true;
        make_ready(c, s);
    }
    return 0;
}

/* RFC 9113 5.4.2 in both directions: streams that a peer makes us reset cost as much as those it
 * resets (rapid reset). */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    h2 *c = user;
    h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    const bool is_ours = s != NULL && s->is_reset;
    if (code != NGHTTP2_NO_ERROR && !is_ours)
        CM_IGNORE(count_flood(c, &c->resets, limits(c)->resets_max), "looked at after receiving");
    if (s == NULL)
        return 0;
    s->is_closed = true;
    c->idle_since = now(c);
    cm_list_remove(&s->ready);
    cm_list_remove(&s->waiting);
    cm_http_request *request = s->request;
    if (request->phase == CM_HTTP_FINISHED || !request->is_known) {
        cm_http_request_free(request);
    } else {
        cm_list_add_last(&c->gone, &s->ready);
        cm_timer_start(&c->connection->soon, 0);
    }
    return 0;
}

/* A response that is whole before its request is: the rest is thrown away for a while (as HTTP/1.1
 * lingers), since clients take a reset, even with NO_ERROR, for a failure while they still send. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    h2 *c = user;
    h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL || s->is_body_whole || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        s->is_lingering = true;
        s->began = now(c);
        s->body_bytes = 0;
    }
    return 0;
}

/* ---- to the handler ---- */

static bool is_length_too_large(const cm_http_request *request, size_t body_max)
{
    cm_slice text;
    uint64_t length;
    return cm_http_header(request, CM_TEXT("content-length"), &text) == CM_OK &&
           (cm_slice_to_u64(text, UINT64_MAX, &length) != CM_OK || length > body_max);
}

static void tell_head(h2_stream *s)
{
    cm_http_request *request = s->request;
    size_t body_max = 0;
    s->is_told = true;
    cm_http_tell_head(request, &body_max);
    if (request->phase != CM_HTTP_READING)
        return;
    request->body.max = body_max;
    if (is_length_too_large(request, body_max) || cm_buffer_data(&request->body).size > body_max)
        s->is_body_too_large = true;
}

static void tell(h2 *c, h2_stream *s)
{
    cm_http_request *request = s->request;
    if (request->phase != CM_HTTP_READING || !s->is_head_whole)
        return;
    if (s->fault != CM_HTTP1_NO_FAULT) {
        cm_http_fail_by_fault(request, s->fault);
        return;
    }
    if (!s->is_told)
        tell_head(s);
    if (is_over(c) || request->phase != CM_HTTP_READING)
        return;
    if (s->is_body_too_large)
        cm_http_fail_too_large(request);
    else if (s->is_body_whole)
        cm_http_tell_request(request);
}

static void tell_gone(h2 *c)
{
    while (!is_over(c) && !cm_list_is_empty(&c->gone)) {
        h2_stream *s = CM_HOLDER(c->gone.next, h2_stream, ready);
        const cm_http_events *events = s->request->events;
        void *owner = s->request->owner;
        const bool is_told = s->request->phase != CM_HTTP_FINISHED && events != NULL;
        cm_http_request_free(s->request);
        if (is_told)
            events->on_gone(owner);
    }
}

static void tell_ready(h2 *c)
{
    c->is_gathering = true;
    while (!is_over(c) && !cm_list_is_empty(&c->ready)) {
        h2_stream *s = CM_HOLDER(c->ready.next, h2_stream, ready);
        cm_list_remove(&s->ready);
        tell(c, s);
    }
    c->is_gathering = false;
}

/* May a byte of this stream's body go, as far as flow control knows? */
static bool has_window(const h2 *c, const h2_stream *s)
{
    return nghttp2_session_get_remote_window_size(c->session) > 0 &&
           nghttp2_session_get_stream_remote_window_size(c->session, s->id) > 0;
}

static void tell_drain(h2 *c, h2_stream *s)
{
    if (s->is_whole || s->is_ending) {
        CM_IGNORE(nghttp2_session_resume_data(c->session, s->id), "it may not be deferred");
        send_frames(c);
        return;
    }
    s->wants_drain = false;
    if (s->request->events != NULL && s->request->events->on_drain != NULL)
        s->request->events->on_drain(s->request->owner);
}

/* Those that wait, each once, first come first: who could not finish waits again behind the
 * others. */
static void tell_waiting(h2 *c)
{
    size_t count = 0;
    for (const cm_list *node = c->waiting.next; node != &c->waiting; node = node->next)
        count++;
    for (; count > 0 && !is_over(c) && is_writable(c); count--) {
        if (cm_list_is_empty(&c->waiting))
            return;
        h2_stream *s = CM_HOLDER(c->waiting.next, h2_stream, waiting);
        cm_list_remove(&s->waiting);
        if (has_window(c, s))
            tell_drain(c, s);
        else
            cm_list_add_last(&c->waiting, &s->waiting);
    }
}

static void work(h2 *c)
{
    tell_ready(c);
    send_frames(c);
    if (!is_over(c))
        tell_waiting(c);
    tell_gone(c);
    set_timer(c);
}

/* Ends the connection with a word on why (RFC 9113 5.4.1), if it still takes one. */
static void refuse_peer(h2 *c, uint32_t code)
{
    CM_IGNORE(nghttp2_session_terminate_session(c->session, code), "it ends in any case");
    send_frames(c);
    cm_http_connection_end(c->connection, false);
}

void cm_http2_receive(cm_http_connection *connection, cm_slice bytes)
{
    h2 *c = of(connection);
    connection->server->counters.bytes_in += bytes.size;
    c->head_wire += bytes.size;
    c->is_inside = true;
    const ssize_t result = nghttp2_session_mem_recv(c->session, bytes.bytes, bytes.size);
    c->is_inside = false;
    c->is_flooded |= result == NGHTTP2_ERR_FLOODED;
    c->is_flooded |= c->is_in_head && c->head_wire > HEAD_WIRE_MAX;
    if (c->is_flooded) {
        connection->server->counters.floods++;
        refuse_peer(c, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (result < 0) {
        refuse_peer(c, NGHTTP2_PROTOCOL_ERROR);
    } else {
        if (c->requests >= limits(c)->requests_per_connection_max && !c->is_shut)
            connection->version->drain(connection);
        work(c);
    }
}

static void on_readable(cm_http_connection *connection)
{
    uint8_t bytes[CM_HTTP_READ_MAX];
    size_t size = 0;
    const cm_status status = cm_stream_read(connection->stream, bytes, sizeof bytes, &size);
    if (status == CM_OK)
        cm_http2_receive(connection, cm_slice_over(bytes, size));
    else if (status != CM_RETRY)
        cm_http_connection_end(connection, true);
}

static void on_writable(cm_http_connection *connection)
{
    h2 *c = of(connection);
    const cm_slice out = cm_buffer_data(&c->out);
    size_t sent = 0;
    if (out.size > 0) {
        const cm_status status = cm_stream_write(connection->stream, &out, 1, &sent);
        if (status != CM_OK && status != CM_RETRY) {
            cm_http_connection_end(connection, true);
            return;
        }
        cm_http_connection_sent(connection, sent);
        cm_buffer_consume(&c->out, sent);
        cm_buffer_shrink(&c->out);
    }
    work(c);
}

static void on_soon(cm_http_connection *connection)
{
    work(of(connection));
}

/* ---- from the handler ---- */

static nghttp2_nv pair_of(cm_slice name, cm_slice value)
{
    /* libnghttp2 copies them; its struct only lacks the const. */
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.bytes,
        .value = (uint8_t *)(uintptr_t)value.bytes,
        .namelen = name.size,
        .valuelen = value.size,
    };
}

static int submit_head(h2 *c, h2_stream *s, const cm_http_response *response, cm_slice length,
                       bool has_body)
{
    char status[8];
    cm_http_field fields[CM_HTTP_RESPONSE_FIELDS_MAX];
    nghttp2_nv pairs[CM_HTTP_RESPONSE_FIELDS_MAX + 1];
    cm_writer w = cm_writer_over(status, sizeof status);
    cm_write_decimal(&w, response->status);
    pairs[0] = pair_of(CM_TEXT(":status"), cm_writer_done(&w));
    const size_t count = cm_http_response_fields(c->connection->server, response, length, fields);
    for (size_t i = 0; i < count; i++) {
        assert(cm_http_is_token(fields[i].name) && cm_http_is_field_value(fields[i].value));
        pairs[i + 1] = pair_of(fields[i].name, fields[i].value);
    }
    const nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_body_read};
    return nghttp2_submit_response(c->session, s->id, pairs, count + 1,
                                   has_body ? &provider : NULL);
}

static cm_status keep_body(h2_stream *s, const cm_http_response *response)
{
    s->rest = response->body;
    if (response->is_body_static || response->body.size == 0)
        return CM_OK;
    s->owned = malloc(response->body.size);
    CM_ENSURE(s->owned != NULL, CM_FULL);
    cm_writer w = cm_writer_over(s->owned, response->body.size);
    cm_write_slice(&w, response->body);
    s->rest = cm_writer_done(&w);
    return CM_OK;
}

static void respond(cm_http_request *request, const cm_http_response *response)
{
    h2_stream *s = stream_of(request);
    h2 *c = of(request->connection);
    char digits[24];
    cm_writer w = cm_writer_over(digits, sizeof digits);
    cm_write_decimal(&w, response->body.size);
    if (s->is_closed) /* in the list of those gone, which frees it */
        return;
    const bool has_body = request->method != CM_HTTP_HEAD && response->body.size > 0;
    s->is_whole = true;
    s->progress = now(c);
    if ((has_body && keep_body(s, response) != CM_OK) ||
        submit_head(c, s, response, cm_writer_done(&w), has_body) != 0)
        reset_stream(c, s, NGHTTP2_INTERNAL_ERROR);
    send_unless_gathering(c);
}

static cm_status begin(cm_http_request *request, const cm_http_response *head)
{
    h2_stream *s = stream_of(request);
    h2 *c = of(request->connection);
    if (s->is_closed)
        return CM_CLOSE;
    s->progress = now(c);
    if (submit_head(c, s, head, (cm_slice){0}, true) != 0)
        reset_stream(c, s, NGHTTP2_INTERNAL_ERROR);
    send_unless_gathering(c);
    return s->is_closed || is_over(c) ? CM_CLOSE : CM_OK;
}

/* Sends frame after frame of what is on offer until it, the window or the connection is used up. */
static void send_offered(h2 *c, h2_stream *s)
{
    size_t before;
    do {
        before = s->accepted;
        CM_IGNORE(nghttp2_session_resume_data(c->session, s->id), "it may not be deferred");
        send_frames(c);
    } while (!is_over(c) && is_writable(c) && s->accepted > before && available(s) > 0);
}

static cm_status write_body(cm_http_request *request, const cm_slice *parts, size_t count,
                            size_t *accepted)
{
    h2_stream *s = stream_of(request);
    h2 *c = of(request->connection);
    if (s->is_closed)
        return CM_CLOSE;
    if (!s->wants_drain)
        s->progress = now(c);
    s->parts = parts;
    s->part_count = count;
    s->part_offset = 0;
    s->accepted = 0;
    if (available(s) > 0 && is_writable(c))
        send_offered(c, s);
    const bool is_left = available(s) > 0;
    s->parts = NULL;
    s->part_count = 0;
    if (is_over(c) || s->is_closed)
        return CM_CLOSE;
    *accepted = s->accepted;
    if (is_left) {
        s->wants_drain = true;
        wait_for_room(c, s);
        set_timer(c);
    }
    return *accepted > 0 || !is_left ? CM_OK : CM_RETRY;
}

static void end(cm_http_request *request)
{
    h2_stream *s = stream_of(request);
    h2 *c = of(request->connection);
    if (s->is_closed)
        return;
    s->is_ending = true;
    s->wants_drain = false;
    CM_IGNORE(nghttp2_session_resume_data(c->session, s->id), "it may not be deferred");
    send_unless_gathering(c);
}

static void reset(cm_http_request *request)
{
    h2_stream *s = stream_of(request);
    h2 *c = of(request->connection);
    if (s->is_closed)
        return;
    reset_stream(c, s, NGHTTP2_CANCEL);
    send_unless_gathering(c);
}

/* ---- life ---- */

static void drain(cm_http_connection *connection)
{
    h2 *c = of(connection);
    if (c->is_shut)
        return;
    c->is_shut = true;
    CM_IGNORE(nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(c->session),
                                    NGHTTP2_NO_ERROR, NULL, 0),
              "the idle limit ends it all the same");
    send_unless_gathering(c);
}

static void destroy_request(cm_http_request *request)
{
    h2_stream *s = stream_of(request);
    if (s == NULL)
        return;
    h2 *c = of(request->connection);
    if (!s->is_closed)
        CM_IGNORE(nghttp2_session_set_stream_user_data(c->session, s->id, NULL),
                  "unknown when the stream is closed");
    cm_list_remove(&s->ready);
    cm_list_remove(&s->waiting);
    cm_buffer_deinit(&s->text);
    free(s->owned);
    free(s);
}

static void destroy(cm_http_connection *connection)
{
    h2 *c = of(connection);
    nghttp2_session_del(c->session);
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

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}

static void set_options(nghttp2_option *option)
{
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, 100);
    nghttp2_option_set_max_settings(option, 32);
    nghttp2_option_set_max_continuations(option, 8);
}

static int make_session(h2 *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = nghttp2_session_callbacks_new(&callbacks);
    if (result == 0)
        result = nghttp2_option_new(&option);
    if (result == 0) {
        set_callbacks(callbacks);
        set_options(option);
        result = nghttp2_session_server_new2(&c->session, callbacks, c, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return result;
}

static int submit_settings(h2 *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits(c)->streams_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CM_HTTP1_HEAD_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    return nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, CM_COUNT(settings));
}

cm_status cm_http2_connection_init(cm_http_connection *connection)
{
    h2 *c = calloc(1, sizeof *c);
    CM_ENSURE(c != NULL, CM_BROKEN);
    c->connection = connection;
    c->idle_since = c->window_began = now(c);
    cm_list_init(&c->ready);
    cm_list_init(&c->waiting);
    cm_list_init(&c->gone);
    cm_buffer_init(&c->out, CM_STREAM_RECORD);
    connection->state = c;
    connection->version = &VERSION;
    if (make_session(c) != 0 || submit_settings(c) != 0)
        return CM_BROKEN;
    send_frames(c);
    return CM_OK;
}
