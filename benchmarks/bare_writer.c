/*
 * bare_writer: the least that sending can cost. `viewers` sockets, `cameras` streams of pictures of
 * the sizes in a file (a number a line, `fps` of them a second, again and again); each picture goes
 * to its viewers in one send, or in TLS records of at most 16 KiB. With --block every "picture" has
 * that many bytes, at the same rate in bytes: what SSL_write costs at its best.
 *
 * Prints its port, waits for the viewers (http_viewers), then prints
 * {"cpu_s", "seconds", "bytes"} of each window of the steady state.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common.h"

enum { RECORD = 16384, SIZES_MAX = 4096, PICTURE_MAX = 4 << 20, WARM_US = 2000000, STEP = 7 };

typedef struct viewer {
    int fd;
    SSL *ssl; // NULL: plain
} viewer;

static struct {
    uint64_t viewers, cameras, fps, seconds, windows, is_tls, block;
    const char *sizes_path;
} options = {.viewers = 200, .cameras = 50, .fps = 20, .seconds = 10, .windows = 1};

static viewer *viewers;
static uint64_t sizes[SIZES_MAX];
static uint64_t size_count;
static uint64_t sent_bytes;
static uint8_t picture[PICTURE_MAX];

static void read_sizes(void)
{
    FILE *file = options.sizes_path != NULL ? fopen(options.sizes_path, "r") : NULL;
    unsigned long long size;
    if (file == NULL)
        bench_die("--sizes: no such file");
    while (size_count < SIZES_MAX && fscanf(file, "%llu", &size) == 1) {
        if (size == 0 || size > PICTURE_MAX)
            bench_die("--sizes: %llu is no size", size);
        sizes[size_count++] = size;
    }
    fclose(file);
    if (size_count == 0)
        bench_die("--sizes: empty");
}

/* ---- TLS ---- */

/* A certificate of this run; nobody checks it. */
static void make_certificate(SSL_CTX *context)
{
    enum { DAY_S = 86400 };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    if (key == NULL || certificate == NULL || X509_set_version(certificate, 2) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S) == NULL ||
        X509_set_pubkey(certificate, key) != 1 || X509_sign(certificate, key, EVP_sha256()) == 0 ||
        SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1)
        bench_die("can't make a certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static SSL_CTX *make_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1)
        bench_die("TLS can't be set up");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    make_certificate(context);
    return context;
}

/* ---- connections ---- */

static void write_all(viewer *v, cm_slice bytes)
{
    if (v->ssl == NULL)
        bench_send_all(v->fd, bytes);
    for (; v->ssl != NULL && bytes.size > 0; bytes = cm_slice_from(bytes, RECORD)) {
        const cm_slice record = cm_slice_part(bytes, 0, RECORD);
        if (SSL_write(v->ssl, record.bytes, (int)record.size) != (int)record.size)
            bench_die("SSL_write failed");
    }
}

/* The request's head comes whole and alone. */
static void answer_request(viewer *v)
{
    char request[4096];
    const ssize_t size = v->ssl != NULL ? SSL_read(v->ssl, request, sizeof request)
                                        : recv(v->fd, request, sizeof request, 0);
    if (size <= 0)
        bench_die("a viewer left");
    write_all(v, CM_TEXT("HTTP/1.1 200 OK\r\n\r\n"));
}

static void accept_viewers(int listener)
{
    SSL_CTX *context = options.is_tls != 0 ? make_context() : NULL;
    for (uint64_t i = 0; i < options.viewers; i++) {
        viewer *v = &viewers[i];
        v->fd = bench_accept(listener);
        v->ssl = context != NULL ? SSL_new(context) : NULL;
        if (v->ssl != NULL && (SSL_set_fd(v->ssl, v->fd) != 1 || SSL_accept(v->ssl) != 1))
            bench_die("TLS handshake failed");
        answer_request(v);
    }
}

/* ---- pictures ---- */

static void send_picture(uint64_t camera, uint64_t number)
{
    /* Cameras stand at different places of their group of pictures. */
    const uint64_t size =
        options.block != 0 ? options.block : sizes[(number + camera * STEP) % size_count];
    for (uint64_t i = camera; i < options.viewers; i += options.cameras) {
        write_all(&viewers[i], cm_slice_over(picture, size));
        sent_bytes += size;
    }
}

static double interval_us(void)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < size_count; i++)
        sum += sizes[i];
    const double frame_us = 1e6 / (double)options.fps;
    const double mean = (double)sum / (double)size_count;
    return options.block != 0 ? frame_us * (double)options.block / mean : frame_us;
}

/* Sends until `until_us`, from turn `*turn` (one camera's picture) on. */
static void send_until(int64_t began_us, int64_t until_us, uint64_t *turn)
{
    const double step_us = interval_us() / (double)options.cameras;
    for (;; ++*turn) {
        const int64_t due_us = began_us + (int64_t)((double)*turn * step_us);
        if (due_us >= until_us)
            return;
        bench_sleep_until_us(due_us);
        send_picture(*turn % options.cameras, *turn / options.cameras);
    }
}

int main(int argc, char **argv)
{
    bench_read_options(
        argc, argv,
        (const bench_option[]){{.name = "viewers", .number = &options.viewers},
                               {.name = "cameras", .number = &options.cameras},
                               {.name = "fps", .number = &options.fps},
                               {.name = "seconds", .number = &options.seconds},
                               {.name = "windows", .number = &options.windows},
                               {.name = "block", .number = &options.block},
                               {.name = "sizes", .text = &options.sizes_path},
                               {.name = "tls", .number = &options.is_tls, .is_flag = true},
                               {0}});
    if (options.block > PICTURE_MAX || options.cameras == 0 || options.fps == 0)
        bench_die("an option is out of range");
    read_sizes();
    bench_raise_descriptors();
    viewers = calloc(options.viewers, sizeof *viewers);
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 31 >> 3);
    uint64_t port, turn = 0;
    const int listener = bench_listen(&port);
    printf("%u\n", (unsigned)port);
    fflush(stdout);
    accept_viewers(listener);
    const int64_t began_us = bench_now_us();
    const int64_t steady_us = began_us + WARM_US;
    send_until(began_us, steady_us, &turn);
    for (uint64_t i = 1; i <= options.windows; i++) {
        sent_bytes = 0;
        const int64_t cpu_us = bench_cpu_us();
        send_until(began_us, steady_us + (int64_t)(i * options.seconds) * 1000000, &turn);
        printf("{\"cpu_s\": %.6f, \"seconds\": %u, \"bytes\": %llu}\n",
               (double)(bench_cpu_us() - cpu_us) / 1e6, (unsigned)options.seconds,
               (unsigned long long)sent_bytes);
        fflush(stdout);
    }
    return 0;
}
