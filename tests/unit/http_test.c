/* net/http over real loopback sockets, with a client of a few lines: what the handler hears and
 * when, who is asking, and the bounds. What goes over the wire is tests/e2e/strangers.py's. */
#include "world.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/writer.h"
#include "net/http.h"

typedef struct bench {
    world w;
    cm_net *net;
    cm_http_server *server;
    cm_http_request *held; /* by the handler; NULL after it finished or on_gone */
    size_t requests, heads, gone, drained;
    bool begins;
    cm_address peer;
    bool is_secure, is_direct, is_own;
    cm_status cookie, query, header;
    char cookie_text[32], query_text[32];
} bench;

typedef struct client {
    cm_tcp *tcp;
    cm_buffer got;
    cm_slice to_send;
    bool is_connected, is_closed, is_paused;
} client;

/* ---- the client ---- */

static void client_connected(void *owner, cm_status status)
{
    client *c = owner;
    size_t sent = 0;
    c->is_connected = status == CM_OK;
    c->is_closed = status != CM_OK;
    if (c->is_connected && c->to_send.size > 0) {
        assert_int_equal(cm_tcp_write(c->tcp, &c->to_send, 1, &sent), CM_OK);
        assert_int_equal(sent, c->to_send.size);
    }
}

static void client_readable(void *owner)
{
    client *c = owner;
    uint8_t bytes[16384];
    size_t size = 0;
    const cm_status status = cm_tcp_read(c->tcp, bytes, sizeof bytes, &size);
    if (status == CM_OK)
        assert_int_equal(cm_buffer_add(&c->got, cm_slice_over(bytes, size)), CM_OK);
    if (status == CM_CLOSE) {
        c->is_closed = true;
        cm_tcp_pause(c->tcp, true);
    }
}

static const cm_tcp_events CLIENT_EVENTS = {.on_connected = client_connected,
                                            .on_readable = client_readable};

static void client_open(bench *b, client *c, const char *text)
{
    const cm_address to = cm_http_server_address(b->server, 0);
    *c = (client){.to_send = cm_slice_of(text)};
    cm_buffer_init(&c->got, 16 << 20);
    assert_int_equal(cm_tcp_connect(b->net, &to, CM_SECONDS(5), &CLIENT_EVENTS, c, &c->tcp), CM_OK);
}

static void client_close(client *c)
{
    cm_tcp_close(c->tcp);
    cm_buffer_deinit(&c->got);
    *c = (client){0};
}

static bool is_closed(void *owner)
{
    return ((client *)owner)->is_closed;
}

static bool has(const client *c, const char *text)
{
    const cm_slice got = cm_buffer_data(&c->got), wanted = cm_slice_of(text);
    for (size_t i = 0; i + wanted.size <= got.size; i++)
        if (cm_slice_equal(cm_slice_part(got, i, wanted.size), wanted))
            return true;
    return false;
}

/* ---- the handler ---- */

static void on_drain(void *owner)
{
    ((bench *)owner)->drained++;
}

static void on_gone(void *owner)
{
    bench *b = owner;
    assert_non_null(b->held);
    b->held = NULL;
    b->gone++;
}

static void copy(cm_status status, cm_slice text, char out[32])
{
    if (status == CM_OK)
        assert_int_equal(cm_slice_to_cstr(text, out, 32), CM_OK);
}

static void on_head(void *owner, cm_http_request *request, size_t *body_max)
{
    bench *b = owner;
    cm_slice value = {0};
    b->heads++;
    *body_max = 100;
    b->peer = cm_http_peer(request);
    b->is_secure = cm_http_is_secure(request);
    b->is_direct = cm_http_is_loopback_direct(request);
    b->is_own = cm_http_origin_is_own(request);
    b->cookie = cm_http_cookie(request, CM_TEXT("__Host-casement"), &value);
    copy(b->cookie, value, b->cookie_text);
    b->query = cm_http_query(request, CM_TEXT("home"), &value);
    copy(b->query, value, b->query_text);
    b->header = cm_http_header(request, CM_TEXT("Authorization"), &value);
}

static void on_request(void *owner, cm_http_request *request, cm_slice body)
{
    static const cm_http_events EVENTS = {.on_drain = on_drain, .on_gone = on_gone};
    bench *b = owner;
    (void)body;
    b->requests++;
    if (!cm_slice_starts(cm_http_path(request), CM_TEXT("/hold"))) {
        cm_http_respond(request, &(cm_http_response){.status = 204});
        return;
    }
    b->held = request;
    cm_http_watch(request, &EVENTS, b);
    if (b->begins)
        assert_int_equal(cm_http_begin(request, 200, NULL, 0), CM_OK);
}

static bool is_held(void *owner)
{
    return ((bench *)owner)->held != NULL;
}

static bool is_gone(void *owner)
{
    return ((bench *)owner)->gone > 0;
}

static void bench_open(bench *b, const cm_http_limits *limits, const char *proxy)
{
    *b = (bench){0};
    world_open(&b->w);
    assert_int_equal(cm_net_create(b->w.loop, &b->net), CM_OK);
    cm_http_config config = {
        .listener_count = 1,
        .handler = {.on_head = on_head, .on_request = on_request, .owner = b},
    };
    if (limits != NULL)
        config.limits = *limits;
    if (proxy != NULL) {
        assert_int_equal(cm_range_parse(cm_slice_of(proxy), &config.proxies[0]), CM_OK);
        config.proxy_count = 1;
    }
    assert_int_equal(cm_address_parse(CM_TEXT("127.0.0.1:0"), 0, &config.listeners[0].address),
                     CM_OK);
    assert_int_equal(cm_http_server_create(b->net, &config, &b->server), CM_OK);
}

static void bench_close(bench *b)
{
    cm_http_server_destroy(b->server);
    cm_net_destroy(b->net);
    world_close(&b->w);
}

/* One request on a connection of its own; what the client got is thrown away. */
static void ask(bench *b, const char *text)
{
    client c;
    client_open(b, &c, text);
    assert_true(world_run(&b->w, is_closed, &c));
    assert_true(has(&c, "HTTP/1.1 204 No Content\r\n"));
    client_close(&c);
}

/* ---- cases ---- */

static void plain_http_beyond_loopback_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"};
    bench b;
    bench_open(&b, NULL, NULL);
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_http_config config = {.listener_count = 1};
        cm_http_server *server = NULL;
        assert_int_equal(cm_address_parse(cm_slice_of(BAD[i]), 0, &config.listeners[0].address),
                         CM_OK);
        assert_int_equal(cm_http_server_create(b.net, &config, &server), CM_REFUSE);
        assert_null(server);
    }
    bench_close(&b);
}

#define ASK(fields) "GET /x HTTP/1.1\r\nHost: h:8\r\nConnection: close\r\n" fields "\r\n"

static void assert_peer(const bench *b, const char *text, bool is_secure)
{
    char storage[CM_ADDRESS_TEXT_SIZE];
    assert_string_equal(cm_address_format_host(&b->peer, storage), text);
    assert_int_equal(b->is_secure, is_secure);
}

static void a_stranger_cannot_say_who_it_is(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, NULL, "10.0.0.0/8");
    ask(&b, ASK(""));
    assert_true(b.is_direct);
    ask(&b, ASK("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"));
    assert_peer(&b, "127.0.0.1", false);
    assert_false(b.is_direct);
    ask(&b, ASK("Forwarded: for=9.9.9.9;proto=https\r\n"));
    assert_peer(&b, "127.0.0.1", false);
    ask(&b, ASK("Via: 1.1 x\r\n"));
    assert_false(b.is_direct);
    bench_close(&b);
}

static void a_trusted_proxy_says_who_asks(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, NULL, "127.0.0.0/8");
    ask(&b, ASK("X-Forwarded-For: 1.1.1.1, 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"));
    assert_peer(&b, "9.9.9.9", true); /* 1.1.1.1 is only what the stranger 9.9.9.9 said */
    ask(&b, ASK("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 127.0.0.2\r\n"));
    assert_peer(&b, "9.9.9.9", false); /* through two proxies of ours */
    ask(&b, ASK("X-Forwarded-For: 9.9.9.9, unknown\r\n"));
    assert_peer(&b, "127.0.0.1", false);
    ask(&b, ASK("Forwarded: for=1.1.1.1, for=\"[2001:db8::1]:4711\";proto=https\r\n"));
    assert_peer(&b, "2001:db8::1", true);
    ask(&b, ASK("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"
                "Origin: https://h:8\r\n"));
    assert_true(b.is_own);
    ask(&b, ASK("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"
                "Origin: http://h:8\r\n"));
    assert_false(b.is_own);
    bench_close(&b);
}

static void what_stands_twice_is_not_taken(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, NULL, NULL);
    ask(&b, "GET /x?home=verdi+1&x=%3D HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            "Cookie: a=b; __Host-casement=\"secret\"\r\nAuthorization: Bearer x\r\n\r\n");
    assert_int_equal(b.cookie, CM_OK);
    assert_string_equal(b.cookie_text, "secret");
    assert_int_equal(b.query, CM_OK);
    assert_string_equal(b.query_text, "verdi 1");
    assert_int_equal(b.header, CM_OK);
    ask(&b, "GET /x?home=a&home=b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            "Cookie: __Host-casement=a\r\nCookie: __Host-casement=b\r\n"
            "Authorization: Bearer x\r\nauthorization: Bearer y\r\n\r\n");
    assert_int_equal(b.cookie, CM_REFUSE);
    assert_int_equal(b.query, CM_REFUSE);
    assert_int_equal(b.header, CM_REFUSE);
    ask(&b, ASK("Cookie: __Host-casementx=a\r\n"));
    assert_int_equal(b.cookie, CM_ABSENT);
    assert_int_equal(b.query, CM_ABSENT);
    assert_int_equal(b.header, CM_ABSENT);
    bench_close(&b);
}

#define HOLD "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"

static void hold(bench *b, client *c, bool begins)
{
    b->begins = begins;
    client_open(b, c, HOLD);
    assert_true(world_run(&b->w, is_held, b));
}

static void a_peer_that_leaves_is_told_once(void **state)
{
    (void)state;
    for (unsigned begins = 0; begins < 2; begins++) {
        bench b;
        client c;
        bench_open(&b, NULL, NULL);
        hold(&b, &c, begins != 0);
        client_close(&c);
        assert_true(world_run(&b.w, is_gone, &b));
        ask(&b, ASK(""));
        assert_int_equal(b.gone, 1);
        bench_close(&b);
    }
}

static void destroying_the_server_tells_those_who_wait(void **state)
{
    (void)state;
    bench b;
    client c;
    bench_open(&b, NULL, NULL);
    hold(&b, &c, true);
    cm_http_server_destroy(b.server);
    b.server = NULL;
    assert_int_equal(b.gone, 1);
    assert_true(world_run(&b.w, is_closed, &c));
    client_close(&c);
    bench_close(&b);
}

static void a_cut_ends_without_an_end_of_the_body(void **state)
{
    (void)state;
    bench b;
    client c;
    bench_open(&b, NULL, NULL);
    hold(&b, &c, true);
    const cm_slice part = CM_TEXT("picture");
    size_t accepted;
    assert_int_equal(cm_http_body_write(b.held, &part, 1, &accepted), CM_OK);
    assert_int_equal(accepted, 7);
    cm_http_reset(b.held, true);
    assert_true(world_run(&b.w, is_closed, &c));
    assert_false(has(&c, "0\r\n\r\n"));
    assert_int_equal(b.gone, 0); /* who cut it need not be told */
    assert_int_equal(cm_http_server_counters(b.server)->resets, 1);
    client_close(&c);
    bench_close(&b);
}

/* Undoes chunked framing; asserts that it is whole. */
static size_t dechunk(cm_slice text, uint8_t *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    for (;;) {
        const cm_slice line = cm_slice_trim(cm_slice_cut(&text, '\n'));
        char digits[32], *end = NULL;
        assert_int_equal(cm_slice_to_cstr(line, digits, sizeof digits), CM_OK);
        const size_t size = (size_t)strtoul(digits, &end, 16);
        assert_true(*end == '\0' && text.size >= size + 2);
        if (size == 0)
            break;
        cm_write_slice(&w, cm_slice_part(text, 0, size));
        text = cm_slice_from(text, size + 2);
    }
    assert_false(w.failed);
    return cm_writer_done(&w).size;
}

enum { STREAM_SIZE = 12 << 20 };

static bool has_drained(void *owner)
{
    return ((bench *)owner)->drained > 0;
}

/* The peer does not read for a while: writes are taken in part, then not at all; nothing is lost,
 * doubled or kept in our memory, and on_drain comes once for each short write. */
static void a_slow_peer_gets_every_byte_once(void **state)
{
    (void)state;
    bench b;
    client c;
    uint8_t *sent = malloc(STREAM_SIZE), *got = malloc(STREAM_SIZE);
    assert_true(sent != NULL && got != NULL);
    for (size_t i = 0; i < STREAM_SIZE; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    bench_open(&b, NULL, NULL);
    hold(&b, &c, true);
    cm_tcp_pause(c.tcp, true);
    size_t at = 0, shorts = 0;
    while (at < STREAM_SIZE) {
        const cm_slice rest = cm_slice_over(sent + at, STREAM_SIZE - at);
        const cm_slice parts[] = {cm_slice_part(rest, 0, 10), cm_slice_part(rest, 10, 0),
                                  cm_slice_part(rest, 10, 50000)};
        size_t accepted;
        const cm_status status = cm_http_body_write(b.held, parts, 3, &accepted);
        assert_true((status == CM_OK && accepted > 0) || (status == CM_RETRY && accepted == 0));
        at += accepted;
        if (accepted < parts[0].size + parts[2].size) {
            shorts++;
            assert_int_equal(cm_http_body_write(b.held, parts + 2, 0, &accepted), CM_OK);
            b.drained = 0;
            cm_tcp_pause(c.tcp, false);
            assert_true(world_run(&b.w, has_drained, &b));
            assert_int_equal(b.drained, 1);
        }
    }
    assert_true(shorts > 1);
    cm_http_end(b.held);
    b.held = NULL;
    cm_http_server_drain(b.server);
    assert_true(world_run(&b.w, is_closed, &c));
    cm_slice text = cm_buffer_data(&c.got);
    while (cm_slice_trim(cm_slice_cut(&text, '\n')).size > 0) {
    }
    assert_int_equal(dechunk(text, got, STREAM_SIZE), STREAM_SIZE);
    assert_memory_equal(got, sent, STREAM_SIZE);
    client_close(&c);
    bench_close(&b);
    free(sent);
    free(got);
}

static void a_peer_that_never_reads_is_cut_off(void **state)
{
    (void)state;
    static const uint8_t BYTES[65536];
    bench b;
    client c;
    bench_open(&b, &(cm_http_limits){.stall_us = CM_MS(200)}, NULL);
    hold(&b, &c, true);
    cm_tcp_pause(c.tcp, true);
    const cm_slice part = cm_slice_over(BYTES, sizeof BYTES);
    size_t accepted = 1;
    for (size_t i = 0; i < 1000 && accepted > 0; i++)
        CM_IGNORE(cm_http_body_write(b.held, &part, 1, &accepted), "until it takes nothing more");
    assert_int_equal(accepted, 0);
    assert_true(world_run(&b.w, is_gone, &b));
    assert_int_equal(cm_http_server_counters(b.server)->timeouts, 1);
    client_close(&c);
    bench_close(&b);
}

static void connections_of_one_address_have_a_bound(void **state)
{
    (void)state;
    bench b;
    client held, more;
    bench_open(&b, &(cm_http_limits){.connections_per_address_max = 1}, NULL);
    hold(&b, &held, false);
    client_open(&b, &more, ASK(""));
    assert_true(world_run(&b.w, is_closed, &more));
    assert_int_equal(cm_buffer_data(&more.got).size, 0);
    assert_int_equal(cm_http_server_counters(b.server)->refused_connections, 1);
    assert_int_equal(cm_http_server_counters(b.server)->connections, 1);
    client_close(&more);
    client_close(&held);
    bench_close(&b);
}

static void draining_lets_what_is_under_way_end(void **state)
{
    (void)state;
    bench b;
    client c;
    bench_open(&b, NULL, NULL);
    hold(&b, &c, false);
    cm_http_server_drain(b.server);
    cm_http_respond(b.held, &(cm_http_response){.status = 200, .body = CM_TEXT("late")});
    b.held = NULL;
    assert_true(world_run(&b.w, is_closed, &c));
    assert_true(has(&c, "connection: close\r\n") && has(&c, "\r\n\r\nlate"));
    assert_int_equal(b.gone, 0);
    client_close(&c);
    bench_close(&b);
}

static void problems_are_json_whatever_the_text(void **state)
{
    (void)state;
    bench b;
    client c;
    bench_open(&b, NULL, NULL);
    hold(&b, &c, false);
    cm_http_respond_problem(b.held, &(cm_http_problem){.status = 429,
                                                       .type = "too-many-tries",
                                                       .title = "Too many tries",
                                                       .detail = "a \"b\" \\ \n",
                                                       .field = "name",
                                                       .retry_after_s = 7});
    b.held = NULL;
    cm_http_server_drain(b.server);
    assert_true(world_run(&b.w, is_closed, &c));
    assert_true(has(&c, "content-type: application/problem+json\r\n"));
    assert_true(has(&c, "retry-after: 7\r\n") && has(&c, "cache-control: no-store\r\n"));
    assert_true(has(&c, "{\"type\":\"/problems/too-many-tries\",\"title\":\"Too many tries\","
                        "\"status\":429,\"detail\":\"a \\\"b\\\" \\\\ \\u000a\","
                        "\"field\":\"name\",\"retry_after_s\":7}"));
    client_close(&c);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(plain_http_beyond_loopback_is_refused),
        cmocka_unit_test(a_stranger_cannot_say_who_it_is),
        cmocka_unit_test(a_trusted_proxy_says_who_asks),
        cmocka_unit_test(what_stands_twice_is_not_taken),
        cmocka_unit_test(a_peer_that_leaves_is_told_once),
        cmocka_unit_test(destroying_the_server_tells_those_who_wait),
        cmocka_unit_test(a_cut_ends_without_an_end_of_the_body),
        cmocka_unit_test(a_slow_peer_gets_every_byte_once),
        cmocka_unit_test(a_peer_that_never_reads_is_cut_off),
        cmocka_unit_test(connections_of_one_address_have_a_bound),
        cmocka_unit_test(draining_lets_what_is_under_way_end),
        cmocka_unit_test(problems_are_json_whatever_the_text),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
