/*
 * h2_abuse: an HTTP/2 client that misbehaves, for tests/e2e/strangers.py: h2_abuse PORT KIND
 * [COUNT]. KIND: reset (open and reset streams: CVE-2023-44487), ping, settings, continuation
 * (CVE-2024-27316), headers (a list above the limit), slow (two streams, the first never read).
 * Writes frames by hand where a library would refuse to. Prints how the server ended it:
 * "goaway=CODE closed=BOOL status=CODE bytes=COUNT".
 */
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#include "base/reader.h"
#include "base/writer.h"

enum { OUT_SIZE = 1 << 20, IN_SIZE = 1 << 17 };
enum { SLOW_BYTES = 100 * 12 * 1024 }; /* /stream of http_demo */
static const uint64_t LAST_PING = UINT64_C(0x6c617374);
enum { DATA = 0, HEADERS = 1, RST = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW = 8, CONT = 9 };
enum { END_STREAM = 1, END_HEADERS = 4 };

typedef struct client {
    SSL *ssl;
    int fd;
    cm_writer out;
    uint8_t in[IN_SIZE];
    size_t in_used;
    size_t received;
    int goaway;       /* -1: none */
    bool is_answered; /* the last PING */
    unsigned answers;
    size_t bytes[8]; /* of DATA, by stream / 2 */
    bool is_closed;
} client;

static void frame(client *c, size_t size, uint8_t type, uint8_t flags, uint32_t stream)
{
    cm_write_u24(&c->out, (uint32_t)size);
    cm_write_u8(&c->out, type);
    cm_write_u8(&c->out, flags);
    cm_write_u32(&c->out, stream);
}

/* :method GET, :scheme https (indexed), :path and :authority literal (RFC 7541 6.2.2). */
static void request(client *c, uint32_t stream, cm_slice path, uint8_t flags)
{
    const cm_slice host = CM_TEXT("localhost");
    frame(c, 2 + 2 + path.size + 2 + host.size, HEADERS, flags, stream);
    cm_write_u8(&c->out, 0x82);
    cm_write_u8(&c->out, 0x87);
    cm_write_u8(&c->out, 0x04);
    cm_write_u8(&c->out, (uint8_t)path.size);
    cm_write_slice(&c->out, path);
    cm_write_u8(&c->out, 0x01);
    cm_write_u8(&c->out, (uint8_t)host.size);
    cm_write_slice(&c->out, host);
}

static void note_frame(client *c, uint8_t type, uint8_t flags, uint32_t stream, cm_reader body)
{
    if (type == GOAWAY) {
        (void)cm_read_u32(&body);
        c->goaway = (int)cm_read_u32(&body);
    }
    if (type == HEADERS)
        c->answers++;
    c->is_answered = c->is_answered || (type == PING && cm_read_u64(&body) == LAST_PING);
    if (type == DATA && stream / 2 < 8)
        c->bytes[stream / 2] += body.rest.size;
    if (type == SETTINGS && (flags & 1) == 0)
        frame(c, 0, SETTINGS, 1, 0);
}

static void parse_frames(client *c)
{
    for (;;) {
        cm_reader r = cm_reader_over(cm_slice_over(c->in, c->in_used));
        const uint32_t size = cm_read_u24(&r);
        const uint8_t type = cm_read_u8(&r);
        const uint8_t flags = cm_read_u8(&r);
        const uint32_t stream = cm_read_u32(&r);
        const cm_reader body = cm_reader_sub(&r, size);
        if (r.failed)
            return;
        note_frame(c, type, flags, stream, body);
        const cm_slice rest = r.rest;
        for (size_t i = 0; i < rest.size; i++)
            c->in[i] = rest.bytes[i];
        c->in_used = rest.size;
    }
}

/* Reads what is there; waits at most `wait_ms` for the first of it. */
static void receive(client *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    while (!c->is_closed && (SSL_pending(c->ssl) > 0 || poll(&p, 1, wait_ms) > 0)) {
        const int size = SSL_read(c->ssl, c->in + c->in_used, (int)(IN_SIZE - c->in_used));
        if (size <= 0) {
            c->is_closed = true;
            return;
        }
        c->in_used += (size_t)size;
        c->received += (size_t)size;
        parse_frames(c);
        wait_ms = 0;
    }
}

static void send_all(client *c)
{
    const cm_slice out = cm_writer_done(&c->out);
    if (!c->is_closed && out.size > 0 && SSL_write(c->ssl, out.bytes, (int)out.size) <= 0)
        c->is_closed = true;
    c->out.used = 0;
    receive(c, 0);
}

static void abuse(client *c, const char *kind, unsigned count)
{
    const bool is_cont = kind[0] == 'c';
    if (is_cont || kind[0] == 'h')
        request(c, 1, CM_TEXT("/"), END_STREAM);
    for (unsigned i = 0; i < count && !c->is_closed; i++) {
        switch (kind[0]) {
        case 'r':
            request(c, 2 * i + 1, CM_TEXT("/stream"), END_STREAM | END_HEADERS);
            frame(c, 4, RST, 0, 2 * i + 1);
            cm_write_u32(&c->out, 8);
            break;
        case 'p':
            frame(c, 8, PING, 0, 0);
            cm_write_u64(&c->out, i);
            break;
        case 's':
            frame(c, 6, SETTINGS, 0, 0);
            cm_write_u16(&c->out, 3);
            cm_write_u32(&c->out, 100);
            break;
        default: /* a field of 100 bytes in a frame of its own, never the last */
            frame(c, 104, CONT, !is_cont && i + 1 == count ? END_HEADERS : 0, 1);
            cm_write_u8(&c->out, 0x00);
            cm_write_u8(&c->out, 1);
            cm_write_u8(&c->out, 'x');
            cm_write_u8(&c->out, 100);
            for (int k = 0; k < 100; k++)
                cm_write_u8(&c->out, 'y');
            break;
        }
        if (i % 50 == 49)
            send_all(c);
    }
}

/* The first stream's window stays shut at 64 KB; the second is read on and must not suffer. */
static void slow(client *c)
{
    request(c, 1, CM_TEXT("/stream?count=100"), END_STREAM | END_HEADERS);
    request(c, 3, CM_TEXT("/stream?count=100"), END_STREAM | END_HEADERS);
    frame(c, 4, WINDOW, 0, 0);
    cm_write_u32(&c->out, 1 << 30);
    frame(c, 4, WINDOW, 0, 3);
    cm_write_u32(&c->out, 1 << 30);
    send_all(c);
}

static bool open_client(client *c, uint16_t port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = (in_port_t)(port << 8 | port >> 8),
                                   .sin_addr.s_addr = 0x0100007F};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (context == NULL || c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0)
        return false;
    c->ssl = SSL_new(context);
    SSL_CTX_free(context);
    return c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1 &&
           SSL_set_alpn_protos(c->ssl, (const unsigned char *)"\x02h2", 3) == 0 &&
           SSL_connect(c->ssl) == 1;
}

/* Until the connection is closed; or, where that need not be, the server has seen all of it, and
 * the stream that is read has all its bytes. However slow this machine is: its caller has a limit.
 */
static void wait_for_verdict(client *c, const char *kind)
{
    const bool is_slow = kind[0] == 's' && kind[1] == 'l';
    if (kind[0] != 'c') { /* within a field block it would be an offence of its own */
        frame(c, 8, PING, 0, 0);
        cm_write_u64(&c->out, LAST_PING);
        send_all(c);
    }
    while (!c->is_closed && !(c->is_answered && (!is_slow || c->bytes[1] == SLOW_BYTES))) {
        receive(c, 1000);
        send_all(c);
    }
}

int main(int argc, char **argv)
{
    client *c = calloc(1, sizeof *c);
    uint8_t *out = malloc(OUT_SIZE);
    if (argc < 3 || c == NULL || out == NULL)
        return 2;
    c->goaway = -1;
    c->out = cm_writer_over(out, OUT_SIZE);
    if (!open_client(c, (uint16_t)strtol(argv[1], NULL, 10)))
        return 1;
    cm_write_text(&c->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(c, 0, SETTINGS, 0, 0);
    send_all(c);
    if (argv[2][0] == 's' && argv[2][1] == 'l')
        slow(c);
    else
        abuse(c, argv[2], argc > 3 ? (unsigned)strtol(argv[3], NULL, 10) : 100);
    send_all(c);
    wait_for_verdict(c, argv[2]);
    printf("goaway=%d closed=%d answers=%u bytes=%zu,%zu\n", c->goaway, c->is_closed, c->answers,
           c->bytes[0], c->bytes[1]);
    SSL_free(c->ssl);
    (void)close(c->fd);
    free(out);
    free(c);
    return 0;
}
