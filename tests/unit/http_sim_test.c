/* HTTPS in virtual time: TLS over the simulated network, slow links, and what a cut leaves. */
#include "world.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "net/certificate_priv.h"
#include "net/http.h"
#include "net/sim.h"

enum { BODY_SIZE = 1 << 20 };

typedef struct place {
    world w;
    cm_sim_network *network;
    cm_address here, there;
    cm_net *server_net, *client_net;
    cm_tls *tls;
    cm_http_server *server;
    uint8_t *body;
    cm_http_request *held;
    size_t gone;
    size_t accepted; /* bytes of the stream */
} place;

typedef struct client {
    cm_tcp *tcp;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    const char *request;
    bool is_asked, is_closed;
    size_t wire; /* bytes of TLS that came */
    cm_buffer got;
} client;

/* ---- the client: memory BIOs over cm_tcp ---- */

static void client_flush(client *c)
{
    char bytes[16384];
    size_t size = 0, sent = 0;
    while (BIO_read_ex(c->out, bytes, sizeof bytes, &size) == 1) {
        const cm_slice part = cm_slice_over(bytes, size);
        assert_int_equal(cm_tcp_write(c->tcp, &part, 1, &sent), CM_OK);
        assert_int_equal(sent, size);
    }
}

static void client_go_on(client *c)
{
    uint8_t bytes[16384];
    size_t size;
    if (!c->is_asked && SSL_do_handshake(c->ssl) == 1) {
        c->is_asked = true;
        assert_int_equal(SSL_write_ex(c->ssl, c->request, strlen(c->request), &size), 1);
    }
    while (c->is_asked && SSL_read_ex(c->ssl, bytes, sizeof bytes, &size) == 1)
        assert_int_equal(cm_buffer_add(&c->got, cm_slice_over(bytes, size)), CM_OK);
    client_flush(c);
}

static void client_connected(void *owner, cm_status status)
{
    client *c = owner;
    assert_int_equal(status, CM_OK);
    if (c->request != NULL)
        client_go_on(c);
}

static void client_readable(void *owner)
{
    client *c = owner;
    uint8_t bytes[16384];
    size_t size, taken;
    const cm_status status = cm_tcp_read(c->tcp, bytes, sizeof bytes, &size);
    if (status == CM_OK) {
        c->wire += size;
        assert_int_equal(BIO_write_ex(c->in, bytes, size, &taken), 1);
        client_go_on(c);
    } else if (status == CM_CLOSE) {
        c->is_closed = true;
        cm_tcp_pause(c->tcp, true);
    }
}

static const cm_tcp_events CLIENT_EVENTS = {.on_connected = client_connected,
                                            .on_readable = client_readable};

/* `request` NULL: connects and says nothing. */
static void client_open(place *p, client *c, const char *request)
{
    const cm_address to = cm_http_server_address(p->server, 0);
    *c = (client){.request = request};
    cm_buffer_init(&c->got, 4 << 20);
    c->context = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    assert_int_equal(cm_tcp_connect(p->client_net, &to, CM_SECONDS(5), &CLIENT_EVENTS, c, &c->tcp),
                     CM_OK);
}

static void client_close(client *c)
{
    cm_tcp_close(c->tcp);
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    cm_buffer_deinit(&c->got);
}

static bool is_closed(void *owner)
{
    return ((client *)owner)->is_closed;
}

static bool has_begun(void *owner)
{
    return cm_buffer_data(&((client *)owner)->got).size > 20000;
}

/* ---- the server ---- */

static void write_on(void *owner)
{
    place *p = owner;
    const cm_slice part = cm_slice_over(p->body, 12000);
    size_t accepted;
    cm_status status = CM_OK;
    for (accepted = part.size; status == CM_OK && accepted == part.size;) {
        status = cm_http_body_write(p->held, &part, 1, &accepted);
        p->accepted += accepted;
    }
}

static void on_gone(void *owner)
{
    place *p = owner;
    p->held = NULL;
    p->gone++;
}

static void on_head(void *owner, cm_http_request *request, size_t *body_max)
{
    (void)owner;
    (void)request;
    *body_max = 0;
}

static void on_request(void *owner, cm_http_request *request, cm_slice body)
{
    static const cm_http_events EVENTS = {.on_drain = write_on, .on_gone = on_gone};
    place *p = owner;
    (void)body;
    if (cm_slice_equal(cm_http_path(request), CM_TEXT("/body"))) {
        cm_http_respond(request, &(cm_http_response){.status = 200,
                                                     .body = cm_slice_over(p->body, BODY_SIZE),
                                                     .is_body_static = true});
        return;
    }
    p->held = request;
    cm_http_watch(request, &EVENTS, p);
    assert_int_equal(cm_http_begin(request, 200, NULL, 0), CM_OK);
    write_on(p);
}

static void use_certificate(place *p)
{
    const cm_certificate_names names = {.text = {"10.0.0.1"}, .count = 1};
    cm_certificate_pair ca, pair;
    cm_buffer chain, key;
    cm_buffer_init(&chain, 1 << 16);
    cm_buffer_init(&key, 1 << 16);
    const cm_wall now = cm_loop_wall(p->w.loop);
    assert_int_equal(cm_certificate_make_ca(now, &ca), CM_OK);
    assert_int_equal(cm_certificate_make_server(&ca, &names, now, &pair), CM_OK);
    assert_int_equal(cm_certificate_write_pem(pair.certificate, &chain), CM_OK);
    assert_int_equal(cm_certificate_write_key_pem(pair.key, &key), CM_OK);
    assert_int_equal(cm_tls_use(p->tls, cm_buffer_data(&chain), cm_buffer_data(&key)), CM_OK);
    cm_certificate_pair_deinit(&ca);
    cm_certificate_pair_deinit(&pair);
    cm_buffer_deinit(&chain);
    cm_buffer_deinit(&key);
}

static void place_open(place *p)
{
    *p = (place){0};
    world_open_sim(&p->w, 7);
    assert_int_equal(cm_address_parse(CM_TEXT("10.0.0.1"), 443, &p->here), CM_OK);
    assert_int_equal(cm_address_parse(CM_TEXT("10.0.0.2"), 0, &p->there), CM_OK);
    cm_address host = p->here;
    host.port = 0;
    assert_int_equal(cm_sim_network_create(p->w.sim, &p->network), CM_OK);
    assert_int_equal(cm_sim_host_create(p->network, p->w.loop, &host, &p->server_net), CM_OK);
    assert_int_equal(cm_sim_host_create(p->network, p->w.loop, &p->there, &p->client_net), CM_OK);
    p->body = malloc(BODY_SIZE);
    assert_non_null(p->body);
    for (size_t i = 0; i < BODY_SIZE; i++)
        p->body[i] = (uint8_t)(i * 13 + i / 255);
    assert_int_equal(cm_tls_create(&p->tls), CM_OK);
    use_certificate(p);
    const cm_http_config config = {
        .listeners = {{.address = p->here, .tls = p->tls}},
        .listener_count = 1,
        .handler = {.on_head = on_head, .on_request = on_request, .owner = p},
    };
    assert_int_equal(cm_http_server_create(p->server_net, &config, &p->server), CM_OK);
}

static void place_close(place *p)
{
    cm_http_server_destroy(p->server);
    cm_tls_destroy(p->tls);
    cm_net_destroy(p->server_net);
    cm_net_destroy(p->client_net);
    cm_sim_network_destroy(p->network);
    world_close(&p->w);
    free(p->body);
}

static void set_path(place *p, uint64_t bits_per_second, uint32_t loss_per_million)
{
    const cm_sim_path path = {.delay_us = CM_MS(20),
                              .bits_per_second = bits_per_second,
                              .loss_per_million = loss_per_million};
    cm_sim_path_set(p->network, &p->here, &p->there, &path);
}

/* ---- cases ---- */

static void a_body_crosses_a_slow_lossy_link_unharmed(void **state)
{
    (void)state;
    place p;
    client c;
    place_open(&p);
    set_path(&p, 8000000, 5000);
    client_open(&p, &c, "GET /body HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_true(world_run(&p.w, is_closed, &c));
    const cm_slice got = cm_buffer_data(&c.got);
    assert_true(got.size > BODY_SIZE);
    assert_memory_equal(cm_slice_from(got, got.size - BODY_SIZE).bytes, p.body, BODY_SIZE);
    client_close(&c);
    place_close(&p);
}

static bool has_failed(void *owner)
{
    return cm_http_server_counters(((place *)owner)->server)->handshakes_failed > 0;
}

static void a_handshake_that_never_comes_is_given_up_after_ten_seconds(void **state)
{
    (void)state;
    place p;
    client c;
    place_open(&p);
    client_open(&p, &c, NULL);
    cm_sim_run_for(p.w.sim, CM_MS(9900));
    assert_false(has_failed(&p));
    cm_sim_run_for(p.w.sim, CM_MS(200));
    assert_true(has_failed(&p));
    assert_int_equal(cm_http_server_counters(p.server)->timeouts, 1);
    assert_int_equal(cm_http_server_counters(p.server)->connections, 0);
    client_close(&c);
    place_close(&p);
}

/* What was on the wire may arrive, nothing that was queued: neither the kernel's (32 KB) nor the
 * record in our memory. A close instead of a reset would deliver all of it. */
static void after_a_cut_no_queued_byte_arrives(void **state)
{
    (void)state;
    place p;
    client c;
    place_open(&p);
    set_path(&p, 2000000, 0);
    client_open(&p, &c, "GET /live HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(world_run(&p.w, has_begun, &c));
    cm_http_reset(p.held, true);
    p.held = NULL;
    assert_true(world_run(&p.w, is_closed, &c));
    cm_sim_run_for(p.w.sim, CM_SECONDS(2));
    assert_true(c.wire < p.accepted - 16384);
    assert_int_equal(p.gone, 0);
    client_close(&c);
    place_close(&p);
}

static void a_link_that_dies_is_noticed_while_streaming(void **state)
{
    (void)state;
    place p;
    client c;
    place_open(&p);
    set_path(&p, 2000000, 0);
    client_open(&p, &c, "GET /live HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(world_run(&p.w, has_begun, &c));
    cm_sim_path_set(p.network, &p.here, &p.there, &(cm_sim_path){.is_down = true});
    cm_sim_run_for(p.w.sim, CM_SECONDS(40));
    assert_int_equal(p.gone, 1);
    assert_int_equal(cm_http_server_counters(p.server)->connections, 0);
    client_close(&c);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_body_crosses_a_slow_lossy_link_unharmed),
        cmocka_unit_test(a_handshake_that_never_comes_is_given_up_after_ten_seconds),
        cmocka_unit_test(after_a_cut_no_queued_byte_arrives),
        cmocka_unit_test(a_link_that_dies_is_noticed_while_streaming),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
