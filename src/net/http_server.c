/* The server: listeners, connections and their bounds, the end of both. */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "net/http_priv.h"

/* ---- requests ---- */

cm_status cm_http_connection_request(cm_http_connection *connection, cm_http_request **out)
{
    cm_http_request *request = calloc(1, sizeof *request);
    CM_ENSURE(request != NULL, CM_FULL);
    request->connection = connection;
    request->peer = connection->peer;
    cm_buffer_init(&request->body, CM_HTTP_READ_MAX);
    cm_list_add_last(&connection->requests, &request->node);
    connection->server->counters.requests_open++;
    *out = request;
    return CM_OK;
}

void cm_http_request_free(cm_http_request *request)
{
    cm_http_connection *connection = request->connection;
    if (connection->version != NULL)
        connection->version->destroy_request(request);
    connection->server->counters.requests_open--;
    cm_list_remove(&request->node);
    cm_buffer_deinit(&request->body);
    free(request->text);
    free(request->decoded);
    free(request);
}

/* ---- the end of a connection ---- */

static bool is_with_handler(const cm_http_request *request)
{
    return request->is_known && request->phase != CM_HTTP_FINISHED;
}

static void release_requests(cm_http_connection *connection)
{
    while (!cm_list_is_empty(&connection->requests)) {
        cm_http_request *request = CM_HOLDER(connection->requests.next, cm_http_request, node);
        const bool is_told = is_with_handler(request) && request->events != NULL;
        const cm_http_events *events = request->events;
        void *owner = request->owner;
        cm_http_request_free(request);
        if (is_told)
            events->on_gone(owner);
    }
}

static void release_connection(cm_http_connection *connection)
{
    release_requests(connection);
    if (connection->version != NULL)
        connection->version->destroy(connection);
    cm_list_remove(&connection->node);
    free(connection);
}

static void reap(cm_http_server *server)
{
    while (!cm_list_is_empty(&server->ended))
        release_connection(CM_HOLDER(server->ended.next, cm_http_connection, node));
}

static void on_reaper(cm_timer *timer)
{
    reap(CM_HOLDER(timer, cm_http_server, reaper));
}

void cm_http_connection_end(cm_http_connection *connection, bool is_reset)
{
    cm_http_server *server = connection->server;
    if (connection->stream == NULL)
        return;
    if (is_reset)
        cm_stream_reset(connection->stream);
    else
        cm_stream_close(connection->stream);
    connection->stream = NULL;
    cm_timer_stop(&connection->timer);
    cm_timer_stop(&connection->soon);
    server->counters.connections--;
    server->counters.connections_h2 -= connection->is_h2;
    cm_list_remove(&connection->node);
    cm_list_add_last(&server->ended, &connection->node);
    if (!cm_timer_is_running(&server->reaper))
        cm_timer_start(&server->reaper, 0);
}

/* ---- a connection ---- */

static void on_ready(void *owner, cm_status status)
{
    cm_http_connection *connection = owner;
    cm_http_counters *counters = &connection->server->counters;
    if (status != CM_OK) {
        counters->handshakes_failed++;
        counters->timeouts += status == CM_RETRY;
        cm_http_connection_end(connection, true);
        return;
    }
    connection->is_h2 = cm_stream_is_h2(connection->stream);
    counters->connections_h2 += connection->is_h2;
    status = connection->is_h2 ? cm_http2_connection_init(connection)
                               : cm_http1_connection_init(connection);
    if (status != CM_OK)
        cm_http_connection_end(connection, true);
}

static void on_readable(void *owner)
{
    cm_http_connection *connection = owner;
    connection->version->on_readable(connection);
}

static void on_writable(void *owner)
{
    cm_http_connection *connection = owner;
    connection->version->on_writable(connection);
}

static const cm_stream_events STREAM_EVENTS = {
    .on_ready = on_ready,
    .on_readable = on_readable,
    .on_writable = on_writable,
};

static void on_timer(cm_timer *timer)
{
    cm_http_connection *connection = CM_HOLDER(timer, cm_http_connection, timer);
    connection->version->on_timer(connection);
}

static void on_soon(cm_timer *timer)
{
    cm_http_connection *connection = CM_HOLDER(timer, cm_http_connection, soon);
    connection->version->on_soon(connection);
}

void cm_http_connection_sent(cm_http_connection *connection, size_t size)
{
    connection->server->counters.bytes_out += size;
    if (size > 0)
        connection->progress = cm_loop_now(connection->server->loop);
}

/* ---- accepting ---- */

static bool is_trusted(const cm_http_server *server, const cm_address *address)
{
    for (size_t i = 0; i < server->config.proxy_count; i++)
        if (cm_range_contains(&server->config.proxies[i], address))
            return true;
    return false;
}

/* One subscriber: an IPv4 address, or a /64 of IPv6. */
static bool is_same_subscriber(const cm_address *a, const cm_address *b)
{
    if (a->is_v6 != b->is_v6)
        return false;
    const size_t size = a->is_v6 ? 8 : 4;
    return cm_slice_equal(cm_slice_over(a->bytes, size), cm_slice_over(b->bytes, size));
}

/* A walk over at most connections_max (1,024) of them, once for each that is accepted. */
static size_t count_from(const cm_http_server *server, const cm_address *peer)
{
    size_t count = 0;
    for (const cm_list *node = server->connections.next; node != &server->connections;
         node = node->next) {
        const cm_http_connection *other = CM_HOLDER(node, cm_http_connection, node);
        count += is_same_subscriber(&other->peer, peer);
    }
    return count;
}

static bool may_accept(const cm_http_server *server, const cm_address *peer)
{
    if (server->is_draining || server->counters.connections >= server->limits.connections_max)
        return false;
    return is_trusted(server, peer) ||
           count_from(server, peer) < server->limits.connections_per_address_max;
}

static cm_status add_connection(cm_http_server *server, cm_tls *tls, cm_tcp *tcp)
{
    cm_http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        cm_tcp_reset(tcp);
        return CM_BROKEN;
    }
    connection->server = server;
    connection->peer = cm_tcp_peer(tcp);
    connection->is_proxy = is_trusted(server, &connection->peer);
    connection->is_tls = tls != NULL;
    connection->progress = cm_loop_now(server->loop);
    cm_list_init(&connection->node);
    cm_list_init(&connection->requests);
    cm_timer_init(&connection->timer, server->loop, on_timer);
    cm_timer_init(&connection->soon, server->loop, on_soon);
    const cm_stream_config config = {
        .tcp = tcp,
        .tls = tls,
        .scratch = &server->scratch,
        .handshake_us = server->limits.handshake_us,
        .events = &STREAM_EVENTS,
        .owner = connection,
    };
    const cm_status status = cm_stream_accept(server->net, &config, &connection->stream);
    if (status != CM_OK) {
        free(connection);
        return status;
    }
    cm_list_add_last(&server->connections, &connection->node);
    server->counters.connections++;
    server->counters.accepted++;
    return CM_OK;
}

static void accept_on(cm_http_server *server, cm_tls *tls, cm_tcp *tcp)
{
    const cm_address peer = cm_tcp_peer(tcp);
    if (!may_accept(server, &peer)) {
        server->counters.refused_connections++;
        cm_tcp_reset(tcp);
    } else if (add_connection(server, tls, tcp) != CM_OK) {
        server->counters.refused_connections++;
    }
}

static void on_accept(void *owner, cm_tcp *tcp)
{
    const cm_http_listener *entry = owner;
    accept_on(entry->server, entry->tls, tcp);
}

/* ---- the server ---- */

static size_t or_default(size_t value, size_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static cm_http_limits limits_of(const cm_http_limits *given)
{
    cm_http_limits l = *given;
    l.connections_max = or_default(l.connections_max, 1024);
    l.connections_per_address_max = or_default(l.connections_per_address_max, 64);
    l.handshake_us = (int64_t)or_default((size_t)l.handshake_us, CM_SECONDS(10));
    l.head_us = (int64_t)or_default((size_t)l.head_us, CM_SECONDS(10));
    l.body_us = (int64_t)or_default((size_t)l.body_us, CM_SECONDS(30));
    l.body_bytes_per_second_min = or_default(l.body_bytes_per_second_min, 1024);
    l.idle_us = (int64_t)or_default((size_t)l.idle_us, CM_SECONDS(75));
    l.stall_us = (int64_t)or_default((size_t)l.stall_us, CM_SECONDS(30));
    l.requests_per_connection_max = or_default(l.requests_per_connection_max, 10000);
    l.streams_max = (unsigned)or_default(l.streams_max, 128);
    l.resets_max = (unsigned)or_default(l.resets_max, 200);
    return l;
}

static void log_refused(const cm_address *address, const char *cause)
{
    char text[CM_ADDRESS_TEXT_SIZE];
    cm_log(CM_LOG_ERROR, "http", "event=listen-refused address=%s cause=%s",
           cm_address_format(address, text), cause);
}

static cm_status open_listener(cm_http_server *server, size_t index)
{
    const cm_http_listener_config *wanted = &server->config.listeners[index];
    if (wanted->tls == NULL && cm_address_kind_of(&wanted->address) != CM_ADDRESS_LOOPBACK) {
        log_refused(&wanted->address, "plain-http-is-for-loopback-only");
        return CM_REFUSE;
    }
    server->listeners[index].server = server;
    server->listeners[index].tls = wanted->tls;
    const cm_tcp_listener_config config = {
        .address = wanted->address,
        .is_shared = server->config.is_shared,
        .connections_max = server->limits.connections_max + 64, /* ours is the bound that counts */
        .on_accept = on_accept,
        .owner = &server->listeners[index],
    };
    const cm_status status =
        cm_tcp_listener_open(server->net, &config, &server->listeners[index].listener);
    if (status != CM_OK)
        log_refused(&wanted->address, "in-use-or-not-ours");
    return status;
}

cm_status cm_http_server_create(cm_net *net, const cm_http_config *config, cm_http_server **out)
{
    assert(config->listener_count <= CM_HTTP_LISTENERS_MAX &&
           config->proxy_count <= CM_HTTP_PROXIES_MAX);
    cm_http_server *server = calloc(1, sizeof *server);
    CM_ENSURE(server != NULL, CM_BROKEN);
    server->net = net;
    server->loop = cm_net_loop(net);
    server->config = *config;
    server->limits = limits_of(&config->limits);
    cm_list_init(&server->connections);
    cm_list_init(&server->ended);
    cm_timer_init(&server->reaper, server->loop, on_reaper);
    for (size_t i = 0; i < config->listener_count; i++) {
        const cm_status status = open_listener(server, i);
        if (status != CM_OK) {
            cm_http_server_destroy(server);
            return status;
        }
    }
    *out = server;
    return CM_OK;
}

cm_address cm_http_server_address(const cm_http_server *server, size_t index)
{
    assert(index < server->config.listener_count);
    return cm_tcp_listener_address(server->listeners[index].listener);
}

static void close_listeners(cm_http_server *server)
{
    for (size_t i = 0; i < server->config.listener_count; i++) {
        cm_tcp_listener_close(server->listeners[i].listener);
        server->listeners[i].listener = NULL;
    }
}

void cm_http_server_drain(cm_http_server *server)
{
    server->is_draining = true;
    close_listeners(server);
    CM_LIST_EACH(&server->connections, node, next)
    {
        cm_http_connection *connection = CM_HOLDER(node, cm_http_connection, node);
        if (connection->version == NULL)
            cm_http_connection_end(connection, true);
        else
            connection->version->drain(connection);
    }
}

void cm_http_server_destroy(cm_http_server *server)
{
    if (server == NULL)
        return;
    close_listeners(server);
    while (!cm_list_is_empty(&server->connections))
        cm_http_connection_end(CM_HOLDER(server->connections.next, cm_http_connection, node), true);
    reap(server);
    cm_timer_stop(&server->reaper);
    free(server);
}

const cm_http_counters *cm_http_server_counters(const cm_http_server *server)
{
    return &server->counters;
}

/* RFC 9110 5.6.7, made once a second. */
cm_slice cm_http_date(cm_http_server *server)
{
    static const char DAYS[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char MONTHS[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int64_t second = cm_loop_wall(server->loop).us / CM_SECONDS(1);
    if (second != server->date_second) {
        const time_t at = (time_t)second;
        struct tm utc;
        (void)gmtime_r(&at, &utc);
        cm_writer w = cm_writer_over(server->date, sizeof server->date - 1);
        cm_write_format(&w, "%s, %02d %s %04d %02d:%02d:%02d GMT", DAYS[utc.tm_wday], utc.tm_mday,
                        MONTHS[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                        utc.tm_sec);
        server->date[cm_writer_done(&w).size] = '\0';
        server->date_second = second;
    }
    return cm_slice_of(server->date);
}
