/*
 * http_viewers: many viewers of live.mp4 over HTTP/1.1, plain or TLS 1.3, from one thread. Most
 * only count what comes (MSG_TRUNC: the kernel throws it away); a few, the probes, read every box
 * and say how old each picture is when its last byte arrives.
 *
 * With --rtsp they are programs that play by RTSP, interleaved; a line of --cookies is then what
 * stands behind "Basic".
 *
 * Viewer i asks for camera i modulo the number of cameras, with cookie i modulo the number of
 * cookies (a file, one a line: an account may have so many pictures open). "%" in --path becomes
 * the camera's number. Prints "steady" when the warming is over, then a JSON object for each window
 * of so many seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/reader.h"
#include "base/writer.h"
#include "common.h"

enum {
    LINE_SIZE = 512,
    READ_SIZE = 65536,
    READS_A_TURN = 4,
    EVENTS = 256,
    AGES_MAX = 1 << 20,
    SIZES_MAX = 4096,
    LATE_US = 150000, /* without a byte for so long: three pictures of 20 a second */
    BOX_HEADER = 8,
    PRFT_BODY = 24,
};

#define NTP_OF_UNIX 2208988800 /* seconds from 1900 to 1970 (RFC 5905 6) */

/* A chunked body (RFC 9112 7.1) of boxes (ISO/IEC 14496-12 4.2), in pieces of any size. */
typedef struct probe {
    char line[LINE_SIZE]; // head field or chunk size being read
    size_t line_used;
    bool is_in_head;
    uint64_t chunk_left;
    uint8_t box[BOX_HEADER + PRFT_BODY]; // header, and the body of a prft
    size_t box_used;
    uint64_t box_left; // of the body, after `box`
    uint64_t part_bytes;
    uint64_t captured_us; // of the present picture; 0: not said
} probe;

typedef struct viewer {
    uint64_t index;
    int fd;
    SSL *ssl;     // NULL: plain
    probe *probe; // NULL: only counted
    bool is_answered;
    int64_t last_us;
} viewer;

static struct {
    uint64_t port, viewers, cameras, warm, seconds, windows, probes, is_tls, is_rtsp;
    const char *path, *cookies, *sizes;
} options = {.viewers = 200,
             .cameras = 50,
             .warm = 3,
             .seconds = 10,
             .windows = 1,
             .path = "/api/v1/cameras/cam%/live.mp4?stream=main"};

static bench_cookies cookies;
static uint8_t buffer[READ_SIZE];
static bool is_steady;
static uint64_t bytes, parts, late;
static uint32_t *ages_us;
static size_t age_count;
static uint64_t sizes[SIZES_MAX]; // of the first probe's parts
static size_t size_count;

/* ---- probes ---- */

static void note_part(const viewer *v, probe *p)
{
    if (!is_steady || p->captured_us == 0)
        return;
    const int64_t age_us = bench_wall_us() - (int64_t)p->captured_us;
    parts++;
    if (age_count < AGES_MAX)
        ages_us[age_count++] = age_us > 0 ? (uint32_t)age_us : 0;
    if (v->index == 0 && size_count < SIZES_MAX && options.sizes != NULL)
        sizes[size_count++] = p->part_bytes;
}

static void note_prft(probe *p)
{
    cm_reader r = cm_reader_over(cm_slice_over(p->box, sizeof p->box));
    (void)cm_read_slice(&r, BOX_HEADER + 8); /* version and flags, reference_track_ID */
    const uint64_t seconds = cm_read_u32(&r);
    const uint64_t fraction = cm_read_u32(&r);
    p->captured_us = (seconds - NTP_OF_UNIX) * 1000000 + (fraction * 1000000 >> 32);
    p->part_bytes = 0;
}

static bool is_type(const probe *p, const char *type)
{
    return memcmp(p->box + 4, type, 4) == 0;
}

static void begin_box(probe *p)
{
    cm_reader r = cm_reader_over(cm_slice_over(p->box, BOX_HEADER));
    const uint64_t size = cm_read_u32(&r);
    if (size < BOX_HEADER)
        bench_die("a box of %llu bytes", (unsigned long long)size);
    p->box_left = size - BOX_HEADER;
    p->part_bytes = is_type(p, "prft") ? size : p->part_bytes + size;
}

/* Takes the front of `body` into the box being read. Returns what is left. */
static cm_slice take_box(const viewer *v, probe *p, cm_slice body)
{
    const bool is_prft = p->box_used >= BOX_HEADER && is_type(p, "prft");
    const size_t wanted = p->box_used < BOX_HEADER ? BOX_HEADER : is_prft ? sizeof p->box : 0;
    if (p->box_used < wanted) {
        p->box[p->box_used++] = body.bytes[0];
        p->box_left -= p->box_used > BOX_HEADER ? 1 : 0;
        if (p->box_used == BOX_HEADER)
            begin_box(p);
        else if (p->box_used == sizeof p->box)
            note_prft(p);
        body = cm_slice_from(body, 1);
    } else {
        const size_t size = body.size < p->box_left ? body.size : (size_t)p->box_left;
        p->box_left -= size;
        body = cm_slice_from(body, size);
    }
    if (p->box_used >= BOX_HEADER && p->box_left == 0) {
        if (is_type(p, "mdat"))
            note_part(v, p);
        p->box_used = 0;
    }
    return body;
}

static void end_line(probe *p)
{
    p->line[p->line_used] = '\0';
    if (p->is_in_head) {
        p->is_in_head = p->line_used > 0;
    } else if (p->line_used > 0) { /* not the one that ends a chunk */
        p->chunk_left = strtoull(p->line, NULL, 16);
        if (p->chunk_left == 0)
            bench_die("the server ended a stream");
    }
    p->line_used = 0;
}

static cm_slice take_line(probe *p, cm_slice text)
{
    const uint8_t byte = text.bytes[0];
    if (byte == '\n')
        end_line(p);
    else if (byte != '\r' && p->line_used + 1 < sizeof p->line)
        p->line[p->line_used++] = (char)byte;
    return cm_slice_from(text, 1);
}

static void take(const viewer *v, cm_slice arrived)
{
    probe *p = v->probe;
    while (arrived.size > 0) {
        if (p->chunk_left == 0) {
            arrived = take_line(p, arrived);
            continue;
        }
        cm_slice body = cm_slice_part(arrived, 0, (size_t)p->chunk_left);
        const size_t before = body.size;
        body = take_box(v, p, body);
        p->chunk_left -= before - body.size;
        arrived = cm_slice_from(arrived, before - body.size);
    }
}

/* ---- reading ---- */

/* Bytes read, 0 when there are none now. */
static size_t read_some(viewer *v, bool is_kept)
{
    if (v->ssl != NULL) {
        const int size = SSL_read(v->ssl, buffer, sizeof buffer);
        if (size <= 0 && SSL_get_error(v->ssl, size) != SSL_ERROR_WANT_READ)
            bench_die("the server ended a TLS stream");
        return size > 0 ? (size_t)size : 0;
    }
    const ssize_t size = recv(v->fd, is_kept ? buffer : NULL, is_kept ? sizeof buffer : 1 << 20,
                              MSG_DONTWAIT | (is_kept ? 0 : MSG_TRUNC));
    if (size == 0 || (size < 0 && errno != EAGAIN))
        bench_die("the server ended a stream: %s", size == 0 ? "closed" : strerror(errno));
    return size > 0 ? (size_t)size : 0;
}

static void check_answer(viewer *v, size_t size)
{
    v->is_answered = true;
    if (!cm_slice_starts(cm_slice_over(buffer, size), CM_TEXT("HTTP/1.1 200 ")))
        bench_die("the server says: %.*s", (int)(size < 400 ? size : 400), (const char *)buffer);
}

static void on_readable(viewer *v)
{
    const int64_t now_us = bench_now_us();
    for (int i = 0; i < READS_A_TURN; i++) {
        const size_t size = read_some(v, v->probe != NULL || !v->is_answered);
        if (size == 0)
            break;
        if (!v->is_answered)
            check_answer(v, size);
        if (v->probe != NULL)
            take(v, cm_slice_over(buffer, size));
        late += is_steady && now_us - v->last_us > LATE_US;
        v->last_us = now_us;
        bytes += size;
        if (v->ssl == NULL || SSL_pending(v->ssl) == 0)
            break;
    }
}

static void read_until(int set, viewer *viewers, int64_t until_us)
{
    struct epoll_event events[EVENTS];
    while (bench_now_us() < until_us) {
        const int count = epoll_wait(set, events, EVENTS, 100);
        for (int i = 0; i < count; i++)
            on_readable(&viewers[events[i].data.u64]);
    }
}

/* ---- asking ---- */

static cm_slice request_of(uint64_t index, char *storage, size_t capacity)
{
    cm_writer w = cm_writer_over(storage, capacity);
    const size_t before = strcspn(options.path, "%");
    cm_write_format(&w, "GET %.*s", (int)before, options.path);
    if (options.path[before] == '%')
        cm_write_format(&w, "%u%s", (unsigned)(index % options.cameras) + 1,
                        options.path + before + 1);
    cm_write_format(&w, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", (unsigned)options.port);
    if (cookies.count > 0)
        cm_write_format(&w, "Cookie: %s\r\n", cookies.lines[index % cookies.count]);
    cm_write_text(&w, "\r\n");
    return cm_writer_done(&w);
}

/* One answer of RTSP, of which `head` gets the first part. */
static void read_answer(int fd, char *head, size_t capacity)
{
    char text[16384];
    size_t used = 0;
    const char *end = NULL;
    while (end == NULL) {
        const ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got <= 0)
            bench_die("no answer by RTSP");
        used += (size_t)got;
        text[used] = '\0';
        end = strstr(text, "\r\n\r\n");
    }
    const char *length = strstr(text, "Content-Length: ");
    size_t left = (size_t)(end - text) + 4 + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
    for (left -= used; left > 0;) {
        const ssize_t got = recv(fd, text + used, left, 0);
        if (got <= 0)
            bench_die("half an answer by RTSP");
        left -= (size_t)got;
    }
    if (strstr(text, "RTSP/1.0 200") != text)
        bench_die("refused by RTSP: %.40s", text);
    snprintf(head, capacity, "%.*s", (int)(end - text), text);
}

static void ask(const viewer *v, const char *method, const char *track, const char *more)
{
    char storage[2048];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_format(&w, "%s rtsp://127.0.0.1:%u/bench/cam%u%s RTSP/1.0\r\nCSeq: 1\r\n", method,
                    (unsigned)options.port, (unsigned)(v->index % options.cameras) + 1, track);
    cm_write_format(&w, "Authorization: Basic %s\r\n%s\r\n",
                    cookies.lines[v->index % cookies.count], more);
    bench_send_all(v->fd, cm_writer_done(&w));
}

static void play(viewer *v)
{
    char head[1024];
    char session[128];
    if (cookies.count == 0)
        bench_die("--rtsp needs --cookies");
    ask(v, "DESCRIBE", "", "");
    read_answer(v->fd, head, sizeof head);
    ask(v, "SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    read_answer(v->fd, head, sizeof head);
    const char *id = strstr(head, "Session: ");
    if (id == NULL)
        bench_die("no session");
    snprintf(session, sizeof session, "Session: %.*s\r\n", (int)strcspn(id + 9, ";\r"), id + 9);
    ask(v, "PLAY", "", session);
    v->is_answered = true;
}

static void open_viewer(viewer *v, uint64_t index, SSL_CTX *context)
{
    char storage[2048];
    const cm_slice request = request_of(index, storage, sizeof storage);
    v->index = index;
    v->fd = bench_connect(options.port);
    v->last_us = bench_now_us();
    if (index < options.probes) {
        v->probe = calloc(1, sizeof *v->probe);
        if (v->probe == NULL)
            bench_die("no memory");
        v->probe->is_in_head = true;
    }
    if (options.is_rtsp != 0) {
        play(v);
        return;
    }
    if (context == NULL) {
        bench_send_all(v->fd, request);
        return;
    }
    v->ssl = SSL_new(context);
    if (v->ssl == NULL || SSL_set_fd(v->ssl, v->fd) != 1 || SSL_connect(v->ssl) != 1 ||
        SSL_write(v->ssl, request.bytes, (int)request.size) != (int)request.size)
        bench_die("TLS handshake failed");
}

static SSL_CTX *make_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        bench_die("TLS can't be set up");
    return context; /* on loopback, with nothing to protect: certificates are not checked */
}

/* Non-blocking from here on: SSL_read must come back. */
static void watch(int set, viewer *v, uint64_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (fcntl(v->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(set, EPOLL_CTL_ADD, v->fd, &event) != 0)
        bench_die("can't watch a connection: %s", strerror(errno));
}

/* ---- telling ---- */

static int by_age(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double age_ms(double share)
{
    return age_count == 0 ? 0 : ages_us[(size_t)(share * (double)(age_count - 1))] / 1000.0;
}

static void write_sizes(void)
{
    FILE *file = options.sizes != NULL ? fopen(options.sizes, "w") : NULL;
    if (file == NULL)
        return;
    for (size_t i = 0; i < size_count; i++)
        fprintf(file, "%llu\n", (unsigned long long)sizes[i]);
    fclose(file);
}

/* One window: counts begin anew. */
static void watch_window(int set, viewer *viewers)
{
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    bytes = parts = late = age_count = 0;
    read_until(set, viewers, began_us + (int64_t)options.seconds * 1000000);
    uint64_t silent = 0;
    for (uint64_t i = 0; i < options.viewers; i++)
        silent += !viewers[i].is_answered || viewers[i].last_us < began_us;
    qsort(ages_us, age_count, sizeof *ages_us, by_age);
    write_sizes();
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"parts\": %llu, \"late\": %llu, "
           "\"silent\": %llu, \"age_p50_ms\": %.1f, \"age_p99_ms\": %.1f, \"own_cpu_s\": %.3f}\n",
           (double)(bench_now_us() - began_us) / 1e6, (unsigned long long)bytes,
           (unsigned long long)parts, (unsigned long long)late, (unsigned long long)silent,
           age_ms(0.5), age_ms(0.99), (double)(bench_cpu_us() - cpu_us) / 1e6);
    fflush(stdout);
}

static void run(viewer *viewers)
{
    SSL_CTX *context = options.is_tls != 0 ? make_context() : NULL;
    const int set = epoll_create1(EPOLL_CLOEXEC);
    for (uint64_t i = 0; i < options.viewers; i++) {
        open_viewer(&viewers[i], i, context);
        watch(set, &viewers[i], i);
    }
    read_until(set, viewers, bench_now_us() + (int64_t)options.warm * 1000000);
    printf("steady\n");
    fflush(stdout);
    is_steady = true;
    for (uint64_t i = 0; i < options.windows; i++)
        watch_window(set, viewers);
}

int main(int argc, char **argv)
{
    bench_read_options(
        argc, argv,
        (const bench_option[]){{.name = "port", .number = &options.port},
                               {.name = "viewers", .number = &options.viewers},
                               {.name = "cameras", .number = &options.cameras},
                               {.name = "warm", .number = &options.warm},
                               {.name = "seconds", .number = &options.seconds},
                               {.name = "windows", .number = &options.windows},
                               {.name = "probes", .number = &options.probes},
                               {.name = "path", .text = &options.path},
                               {.name = "cookies", .text = &options.cookies},
                               {.name = "sizes", .text = &options.sizes},
                               {.name = "rtsp", .number = &options.is_rtsp, .is_flag = true},
                               {.name = "tls", .number = &options.is_tls, .is_flag = true},
                               {0}});
    if (options.cameras == 0)
        bench_die("--cameras: at least 1");
    bench_raise_descriptors();
    bench_read_cookies(&cookies, options.cookies);
    viewer *viewers = calloc(options.viewers, sizeof *viewers);
    ages_us = calloc(AGES_MAX, sizeof *ages_us);
    if (viewers == NULL || ages_us == NULL)
        bench_die("no memory");
    run(viewers);
    return 0;
}
