#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_SIZE = 65536,
    SLOW_READ = 2048,
    SLOW_WINDOW = 8192,
    OUT_MAX = 1 << 20,
    STEP_US = 50000
};

struct peer {
    peer_config config;
    int fd;
    SSL *ssl;
    bool is_greeted; /* the handshake is over, or there is none */
    bool is_dead;
    bool wants_write;
    cm_buffer out;
    int64_t step_at; /* slow: when the allowance is renewed */
    uint64_t allowance;
};

int64_t peer_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- life ---- */

static SSL *make_ssl(int fd, bool is_h2)
{
    static SSL_CTX *context;
    static const unsigned char H2[] = "\x02h2";
    static const unsigned char HTTP1[] = "\x08http/1.1";
    if (context == NULL)
        context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    if (ssl == NULL)
        abort();
    SSL_set_fd(ssl, fd);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (is_h2)
        (void)SSL_set_alpn_protos(ssl, H2, sizeof H2 - 1);
    else
        (void)SSL_set_alpn_protos(ssl, HTTP1, sizeof HTTP1 - 1);
    SSL_set_connect_state(ssl);
    return ssl;
}

static int connect_to(uint16_t port, bool is_slow)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int window = SLOW_WINDOW;
    const int one = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && is_slow)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

peer *peer_open(const peer_config *config)
{
    const int fd = connect_to(config->port, config->bytes_a_second > 0);
    peer *p = fd >= 0 ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return NULL;
    p->config = *config;
    p->fd = fd;
    p->is_greeted = !config->is_tls;
    p->ssl = config->is_tls ? make_ssl(fd, config->is_h2) : NULL;
    cm_buffer_init(&p->out, OUT_MAX);
    return p;
}

void peer_close(peer *p)
{
    if (p == NULL)
        return;
    SSL_free(p->ssl);
    (void)close(p->fd);
    cm_buffer_deinit(&p->out);
    free(p);
}

bool peer_is_dead(const peer *p)
{
    return p->is_dead;
}

static void die(peer *p)
{
    if (p->is_dead)
        return;
    p->is_dead = true;
    p->config.on_end(p->config.owner);
}

void peer_send(peer *p, cm_slice bytes)
{
    if (cm_buffer_add(&p->out, bytes) != CM_OK)
        die(p);
}

/* ---- bytes: > 0, or 0 for "not now", or < 0 for the end ---- */

static ssize_t judge_ssl(peer *p, int result)
{
    const int error = SSL_get_error(p->ssl, result);
    p->wants_write = error == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t read_some(peer *p, uint8_t *room, size_t size)
{
    if (p->ssl != NULL) {
        const int got = SSL_read(p->ssl, room, (int)size);
        return got > 0 ? got : judge_ssl(p, got);
    }
    const ssize_t got = recv(p->fd, room, size, 0);
    if (got > 0)
        return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t write_some(peer *p, cm_slice bytes)
{
    if (p->ssl != NULL) {
        const int put = SSL_write(p->ssl, bytes.bytes, (int)bytes.size);
        return put > 0 ? put : judge_ssl(p, put);
    }
    const ssize_t put = send(p->fd, bytes.bytes, bytes.size, MSG_NOSIGNAL);
    if (put > 0)
        return put;
    return put < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void greet(peer *p)
{
    const int result = SSL_do_handshake(p->ssl);
    if (result == 1)
        p->is_greeted = true;
    else if (judge_ssl(p, result) < 0)
        die(p);
}

static void flush(peer *p)
{
    while (!p->is_dead && cm_buffer_data(&p->out).size > 0) {
        const ssize_t put = write_some(p, cm_buffer_data(&p->out));
        if (put < 0)
            die(p);
        if (put <= 0)
            return;
        cm_buffer_consume(&p->out, (size_t)put);
    }
}

static void take(peer *p)
{
    static uint8_t room[READ_SIZE];
    const bool is_slow = p->config.bytes_a_second > 0;
    while (!p->is_dead && (!is_slow || p->allowance > 0)) {
        size_t size = is_slow ? SLOW_READ : READ_SIZE;
        if (is_slow && size > p->allowance)
            size = p->allowance;
        const ssize_t got = read_some(p, room, size);
        if (got < 0)
            die(p);
        if (got <= 0)
            return;
        p->allowance -= is_slow ? (size_t)got : 0;
        p->config.on_bytes(p->config.owner, cm_slice_over(room, (size_t)got));
    }
}

/* ---- the loop's side ---- */

static bool may_read(const peer *p)
{
    return p->config.bytes_a_second == 0 || p->allowance > 0 || !p->is_greeted;
}

struct pollfd peer_wants(const peer *p, int64_t now_us, int *wait_ms)
{
    struct pollfd wish = {.fd = p->fd};
    if (may_read(p))
        wish.events |= POLLIN;
    if (p->wants_write || (p->is_greeted && cm_buffer_data(&p->out).size > 0))
        wish.events |= POLLOUT;
    if (!p->is_greeted && p->ssl != NULL)
        wish.events |= POLLOUT;
    if (p->config.bytes_a_second > 0) {
        const int64_t left_ms = (p->step_at - now_us) / 1000 + 1;
        *wait_ms = left_ms < 0 ? 0 : left_ms < *wait_ms ? (int)left_ms : *wait_ms;
    }
    return wish;
}

void peer_run(peer *p, short events, int64_t now_us)
{
    bool is_renewed = false;
    if (p->config.bytes_a_second > 0 && now_us >= p->step_at) {
        p->step_at = now_us + STEP_US;
        p->allowance = p->config.bytes_a_second * STEP_US / 1000000 + 1;
        is_renewed = true;
    }
    if (events == 0 && !is_renewed)
        return;
    p->wants_write = false;
    if (!p->is_greeted && !p->is_dead)
        greet(p);
    if (!p->is_greeted || p->is_dead)
        return;
    flush(p);
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 || is_renewed)
        take(p);
    flush(p);
}
