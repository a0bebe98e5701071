/*
 * http_demo: the HTTP server with a handful of addresses, for tests/e2e/strangers.py until (and
 * beside) the real one: http_demo DATA_DIRECTORY [HANDSHAKE_MS HEAD_MS BODY_MS]. Prints "plain=PORT
 * tls=PORT" and the CA's fingerprint, then serves 127.0.0.1 until standard input ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/writer.h"
#include "loop/watch.h"
#include "net/certificate.h"
#include "net/http.h"

enum {
    ECHO_MAX = 65536,
    BIG_SIZE = 8 * 1024 * 1024,
    PICTURE_SIZE = 12 * 1024,
};

typedef struct demo {
    cm_loop *loop;
    cm_net *net;
    cm_tls *tls;
    cm_certificate *certificate;
    cm_http_server *server;
    uint8_t *big;
} demo;

/* A stream of `left` pictures of 12 KB; one each 50 ms, or as fast as they go. */
typedef struct feed {
    cm_http_request *request;
    cm_timer timer;
    demo *d;
    size_t left;
    size_t offset; /* into the picture under way */
    bool is_paced;
    bool is_cut; /* at the end: reset instead */
    bool waits;
} feed;

static void feed_free(feed *f)
{
    cm_timer_stop(&f->timer);
    free(f);
}

static void feed_end(feed *f)
{
    if (f->is_cut)
        cm_http_reset(f->request, true);
    else
        cm_http_end(f->request);
    feed_free(f);
}

static void feed_write(feed *f)
{
    while (f->left > 0) {
        const cm_slice picture = cm_slice_over(f->d->big, PICTURE_SIZE);
        const cm_slice rest = cm_slice_from(picture, f->offset);
        const cm_slice parts[] = {cm_slice_part(rest, 0, 100), cm_slice_from(rest, 100)};
        size_t accepted;
        const cm_status status = cm_http_body_write(f->request, parts, 2, &accepted);
        if (status == CM_CLOSE)
            return; /* on_gone comes */
        f->offset += accepted;
        f->waits = f->offset < PICTURE_SIZE;
        if (f->waits)
            return;
        f->offset = 0;
        f->left--;
        if (f->is_paced && f->left > 0) {
            cm_timer_start(&f->timer, CM_MS(50));
            return;
        }
    }
    feed_end(f);
}

static void on_feed_timer(cm_timer *timer)
{
    feed_write(CM_HOLDER(timer, feed, timer));
}

static void on_drain(void *owner)
{
    feed *f = owner;
    if (f->waits)
        feed_write(f);
}

static void on_gone(void *owner)
{
    fprintf(stderr, "gone\n");
    feed_free(owner);
}

static const cm_http_events FEED_EVENTS = {.on_drain = on_drain, .on_gone = on_gone};

static void start_feed(demo *d, cm_http_request *request, bool is_cut)
{
    cm_slice count;
    uint64_t left = 20;
    feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        abort();
    if (cm_http_query(request, CM_TEXT("count"), &count) == CM_OK &&
        cm_slice_to_u64(count, 1000000, &left) != CM_OK)
        left = 1;
    f->request = request;
    f->d = d;
    f->left = left;
    f->is_paced = cm_http_query(request, CM_TEXT("paced"), &count) == CM_OK;
    f->is_cut = is_cut;
    cm_timer_init(&f->timer, d->loop, on_feed_timer);
    cm_http_watch(request, &FEED_EVENTS, f);
    const cm_http_field field = {CM_TEXT("content-type"), CM_TEXT("video/mp4")};
    if (cm_http_begin(request, 200, &field, 1) == CM_OK)
        feed_write(f);
}

static void respond_text(cm_http_request *request, unsigned status, cm_slice body)
{
    const cm_http_field field = {CM_TEXT("content-type"), CM_TEXT("text/plain")};
    const cm_http_response response = {
        .status = status, .fields = &field, .field_count = 1, .body = body};
    cm_http_respond(request, &response);
}

static void respond_about(cm_http_request *request)
{
    char text[512], peer[CM_ADDRESS_TEXT_SIZE];
    const cm_address address = cm_http_peer(request);
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_write_format(&w, "%s path=%.*s host=%.*s peer=%s secure=%d direct=%d own=%d\n",
                    cm_http_method_name(cm_http_request_method(request)),
                    CM_SLICE_ARGS(cm_http_path(request)), CM_SLICE_ARGS(cm_http_host(request)),
                    cm_address_format_host(&address, peer), cm_http_is_secure(request),
                    cm_http_is_loopback_direct(request), cm_http_origin_is_own(request));
    respond_text(request, 200, cm_writer_done(&w));
}

static bool is_path(const cm_http_request *request, cm_slice path)
{
    return cm_slice_equal(cm_http_path(request), path);
}

static void on_head(void *owner, cm_http_request *request, size_t *body_max)
{
    (void)owner;
    if (is_path(request, CM_TEXT("/echo")))
        *body_max = ECHO_MAX;
    if (is_path(request, CM_TEXT("/refused"))) {
        const cm_http_problem problem = {
            .status = 403, .type = "refused", .title = "Refused", .detail = "At its head."};
        cm_http_respond_problem(request, &problem);
    }
}

static void on_request(void *owner, cm_http_request *request, cm_slice body)
{
    demo *d = owner;
    if (is_path(request, CM_TEXT("/echo")))
        respond_text(request, 200, body);
    else if (is_path(request, CM_TEXT("/big")))
        cm_http_respond(request, &(cm_http_response){.status = 200,
                                                     .body = cm_slice_over(d->big, BIG_SIZE),
                                                     .is_body_static = true});
    else if (is_path(request, CM_TEXT("/copied")))
        respond_text(request, 200, cm_slice_over(d->big, BIG_SIZE));
    else if (is_path(request, CM_TEXT("/stream")))
        start_feed(d, request, false);
    else if (is_path(request, CM_TEXT("/cut")))
        start_feed(d, request, true);
    else if (is_path(request, CM_TEXT("/none")))
        cm_http_respond(request, &(cm_http_response){.status = 204});
    else
        respond_about(request);
}

static cm_status on_pair(void *owner, cm_slice chain, cm_slice key)
{
    return cm_tls_use(((demo *)owner)->tls, chain, key);
}

static void on_input(void *owner, unsigned events)
{
    char bytes[64];
    (void)events;
    if (read(STDIN_FILENO, bytes, sizeof bytes) <= 0)
        cm_loop_stop(owner);
}

static int64_t argument(int argc, char **argv, int index)
{
    return argc > index ? CM_MS(strtol(argv[index], NULL, 10)) : 0;
}

static bool start(demo *d, int argc, char **argv)
{
    const cm_loop_config loop_config = {.index = 0};
    if (cm_loop_create(&loop_config, &d->loop) != CM_OK ||
        cm_net_create(d->loop, &d->net) != CM_OK || cm_tls_create(&d->tls) != CM_OK)
        return false;
    const cm_certificate_config certificate = {
        .data_directory = argv[1],
        .chain_file = getenv("CHAIN_FILE"),
        .key_file = getenv("KEY_FILE"),
        .on_pair = on_pair,
        .owner = d,
    };
    if (cm_certificate_create(d->net, &certificate, &d->certificate) != CM_OK)
        return false;
    cm_http_config config = {
        .listener_count = 2,
        .proxy_count = 0,
        .limits = {.handshake_us = argument(argc, argv, 2),
                   .head_us = argument(argc, argv, 3),
                   .body_us = argument(argc, argv, 4),
                   .connections_per_address_max = 512},
        .handler = {.on_head = on_head, .on_request = on_request, .owner = d},
    };
    config.listeners[1].tls = d->tls;
    for (size_t i = 0; i < 2; i++)
        if (cm_address_parse(CM_TEXT("127.0.0.1:0"), 0, &config.listeners[i].address) != CM_OK)
            return false;
    return cm_http_server_create(d->net, &config, &d->server) == CM_OK;
}

static void print_addresses(const demo *d)
{
    char fingerprint[CM_CERTIFICATE_FINGERPRINT_SIZE] = "";
    CM_IGNORE(cm_certificate_ca_fingerprint(d->certificate, fingerprint), "absent with files");
    printf("plain=%u tls=%u fingerprint=%s\n", cm_http_server_address(d->server, 0).port,
           cm_http_server_address(d->server, 1).port, fingerprint);
    (void)fflush(stdout);
}

static void print_counters(const cm_http_counters *c)
{
    fprintf(stderr,
            "accepted=%lu requests=%lu problems=%lu timeouts=%lu resets=%lu floods=%lu "
            "handshakes_failed=%lu open=%lu out=%lu\n",
            (unsigned long)c->accepted, (unsigned long)c->requests, (unsigned long)c->problems,
            (unsigned long)c->timeouts, (unsigned long)c->resets, (unsigned long)c->floods,
            (unsigned long)c->handshakes_failed, (unsigned long)c->requests_open,
            (unsigned long)c->bytes_out);
}

int main(int argc, char **argv)
{
    demo d = {0};
    cm_watch *watch;
    if (argc < 2)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    d.big = malloc(BIG_SIZE);
    for (size_t i = 0; d.big != NULL && i < BIG_SIZE; i++)
        d.big[i] = (uint8_t)(i * 31 + i / 256);
    if (d.big == NULL || !start(&d, argc, argv) ||
        cm_watch_create(d.loop, STDIN_FILENO, on_input, d.loop, &watch) != CM_OK)
        return 1;
    cm_watch_want(watch, CM_WATCH_READ);
    print_addresses(&d);
    cm_loop_run(d.loop);
    print_counters(cm_http_server_counters(d.server));
    cm_http_server_destroy(d.server);
    cm_certificate_destroy(d.certificate);
    cm_tls_destroy(d.tls);
    cm_watch_close(watch);
    cm_net_destroy(d.net);
    cm_loop_destroy(d.loop);
    free(d.big);
    return 0;
}
