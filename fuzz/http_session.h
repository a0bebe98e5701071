/*
 * A connection of the HTTP server on a stream made of fuzz input, for fuzz_http_session1.c and
 * fuzz_http_session2.c. net/stream.h is defined here instead of in stream.c: reading hands out the
 * input in pieces, writing takes parts of what is offered, as the input's first bytes say.
 * The handler answers in every way there is, chosen by the path.
 */
#pragma once

#include "fuzz.h"
#include "net/http_priv.h"

enum { SESSION_SIZES = 16 };

typedef struct session {
    cm_slice sizes; /* how much each read and write takes */
    cm_slice input;
    size_t turn;
    bool is_ended;
    cm_http_request *held[64]; /* watched and unanswered */
    size_t begun;              /* bit i: held[i] has begun */
} session;

static session S;

static size_t next_size(void)
{
    return S.sizes.bytes[S.turn++ % SESSION_SIZES];
}

/* ---- net/stream.h ---- */

cm_status cm_stream_accept(cm_net *net, const cm_stream_config *config, cm_stream **out)
{
    (void)net;
    (void)config;
    (void)out;
    return CM_BROKEN;
}

cm_status cm_stream_read(cm_stream *stream, uint8_t *out, size_t capacity, size_t *size_out)
{
    (void)stream;
    if (S.input.size == 0)
        return CM_CLOSE;
    size_t size = 1 + next_size() * 8;
    size = size < capacity ? size : capacity;
    size = size < S.input.size ? size : S.input.size;
    cm_writer w = cm_writer_over(out, capacity);
    cm_write_slice(&w, cm_slice_part(S.input, 0, size));
    S.input = cm_slice_from(S.input, size);
    *size_out = size;
    return CM_OK;
}

cm_status cm_stream_write(cm_stream *stream, const cm_slice *parts, size_t count, size_t *size_out)
{
    (void)stream;
    CHECK(count <= 64);
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        touch(parts[i]);
        sum += parts[i].size;
    }
    const size_t takes = next_size();
    if (takes == 0)
        return CM_RETRY;
    if (takes == 1)
        return CM_CLOSE;
    *size_out = takes >= 128 || takes * 32 > sum ? sum : takes * 32;
    return CM_OK;
}

bool cm_stream_is_flushed(const cm_stream *stream)
{
    (void)stream;
    return true;
}

void cm_stream_pause(cm_stream *stream, bool is_paused)
{
    (void)stream;
    (void)is_paused;
}

void cm_stream_limit_unsent(cm_stream *stream, size_t bytes)
{
    (void)stream;
    (void)bytes;
}

bool cm_stream_is_tls(const cm_stream *stream)
{
    (void)stream;
    return false;
}

bool cm_stream_is_h2(const cm_stream *stream)
{
    (void)stream;
    return false;
}

cm_address cm_stream_peer(const cm_stream *stream)
{
    (void)stream;
    return (cm_address){0};
}

void cm_stream_close(cm_stream *stream)
{
    (void)stream;
    S.is_ended = true;
}

void cm_stream_reset(cm_stream *stream)
{
    (void)stream;
    S.is_ended = true;
}

/* ---- the handler ---- */

/* The place of a request that is held, which is also its owner pointer. */
static size_t place_of(const void *owner)
{
    return (size_t)((cm_http_request *const *)owner - S.held);
}

static void write_some(cm_http_request *request, size_t place)
{
    static const uint8_t PICTURE[20000];
    const cm_slice parts[] = {cm_slice_over(PICTURE, next_size() * 70), CM_TEXT("moof"),
                              cm_slice_over(PICTURE, next_size())};
    size_t accepted;
    const cm_status status = cm_http_body_write(request, parts, 3, &accepted);
    CHECK(accepted <= parts[0].size + 4 + parts[2].size);
    CHECK(status == CM_OK || accepted == 0);
    if (next_size() > 200) {
        S.held[place] = NULL;
        if (next_size() & 1)
            cm_http_end(request);
        else
            cm_http_reset(request, (next_size() & 3) == 0);
    }
}

static void on_drain(void *owner)
{
    const size_t place = place_of(owner);
    CHECK(S.held[place] != NULL);
    write_some(S.held[place], place);
}

static void on_gone(void *owner)
{
    const size_t place = place_of(owner);
    CHECK(S.held[place] != NULL); /* exactly once, and never after it was finished */
    S.held[place] = NULL;
}

static void hold(cm_http_request *request, bool begins)
{
    static const cm_http_events EVENTS = {.on_drain = on_drain, .on_gone = on_gone};
    for (size_t i = 0; i < CM_COUNT(S.held); i++) {
        if (S.held[i] != NULL)
            continue;
        S.held[i] = request;
        cm_http_watch(request, &EVENTS, &S.held[i]);
        if (begins && cm_http_begin(request, 200, NULL, 0) == CM_OK)
            write_some(request, i);
        return;
    }
    cm_http_reset(request, false);
}

static void on_head(void *owner, cm_http_request *request, size_t *body_max)
{
    (void)owner;
    cm_slice value;
    touch(cm_http_path(request));
    touch(cm_http_host(request));
    if (cm_http_cookie(request, CM_TEXT("a"), &value) == CM_OK)
        touch(value);
    if (cm_http_query(request, CM_TEXT("a"), &value) == CM_OK)
        touch(value);
    (void)cm_http_origin_is_own(request);
    *body_max = cm_http_path(request).size * 100;
    if (cm_http_path(request).size == 5)
        cm_http_respond(request, &(cm_http_response){.status = 204});
    else if (cm_http_path(request).size == 6)
        cm_http_reset(request, false);
}

static void on_request(void *owner, cm_http_request *request, cm_slice body)
{
    static const uint8_t BIG[40000];
    (void)owner;
    touch(body);
    switch (cm_http_path(request).size % 8) {
    case 1:
        cm_http_respond(request, &(cm_http_response){.status = 200, .body = body});
        break;
    case 2:
    case 3:
        hold(request, true);
        break;
    case 4:
        hold(request, false);
        break;
    case 7:
        cm_http_reset(request, true);
        break;
    default:
        cm_http_respond(request, &(cm_http_response){.status = 200,
                                                     .body = cm_slice_over(BIG, sizeof BIG),
                                                     .is_body_static = body.size > 0});
        break;
    }
}

/* ---- a run ---- */

static cm_net *the_net(void)
{
    static cm_net *net;
    cm_loop *loop;
    if (net == NULL) {
        CHECK(cm_loop_create(&(cm_loop_config){0}, &loop) == CM_OK);
        CHECK(cm_net_create(loop, &net) == CM_OK);
    }
    return net;
}

static void ignore_timer(cm_timer *timer)
{
    (void)timer;
}

static cm_http_connection *add_connection(cm_http_server *server)
{
    static uint8_t some_stream;
    cm_http_connection *connection = calloc(1, sizeof *connection);
    CHECK(connection != NULL);
    connection->server = server;
    connection->stream = (cm_stream *)(void *)&some_stream;
    cm_list_init(&connection->requests);
    cm_list_add_last(&server->connections, &connection->node);
    cm_timer_init(&connection->timer, server->loop, ignore_timer);
    cm_timer_init(&connection->soon, server->loop, ignore_timer);
    connection->is_proxy = true;
    server->counters.connections++;
    return connection;
}

static void drive(cm_http_connection *connection)
{
    for (size_t i = 0; i < 2000 && !S.is_ended; i++) {
        const size_t what = next_size() % 16;
        if (what == 0)
            connection->version->on_timer(connection);
        else if (what <= 4)
            connection->version->on_writable(connection);
        else if (what == 5 || cm_timer_is_running(&connection->soon))
            connection->version->on_soon(connection);
        else if (what == 6 && S.held[0] != NULL)
            cm_http_reset(S.held[0], false), S.held[0] = NULL;
        else
            connection->version->on_readable(connection);
    }
}

static void run_session(cm_slice data, cm_status (*init)(cm_http_connection *connection))
{
    const cm_http_config config = {
        .handler = {.on_head = on_head, .on_request = on_request},
        .limits = {.resets_max = 10},
    };
    cm_http_server *server;
    if (data.size <= SESSION_SIZES)
        return;
    S = (session){.sizes = cm_slice_part(data, 0, SESSION_SIZES),
                  .input = cm_slice_from(data, SESSION_SIZES)};
    CHECK(cm_http_server_create(the_net(), &config, &server) == CM_OK);
    cm_http_connection *connection = add_connection(server);
    if (init(connection) == CM_OK)
        drive(connection);
    cm_http_server_destroy(server);
    for (size_t i = 0; i < CM_COUNT(S.held); i++)
        CHECK(S.held[i] == NULL); /* each that was held heard on_gone */
}
