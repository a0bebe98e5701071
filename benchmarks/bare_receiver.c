/*
 * bare_receiver: the least that receiving cameras can cost. Plays `cameras` streams over RTSP/TCP
 * and throws away what comes: one recv into one buffer for each time epoll says so.
 *
 * Prints {"cpu_s", "seconds", "bytes", "reads"} of each window of the steady state.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/writer.h"
#include "common.h"

enum { READ_SIZE = 65536, ANSWER_MAX = 4096, WARM_US = 2000000, EVENTS = 256 };

typedef struct counts {
    uint64_t bytes;
    uint64_t reads;
} counts;

static uint8_t buffer[READ_SIZE];

/* The answer's head; `out` is a C string. Byte by byte: what follows may be pictures already. */
static void read_head(int fd, char out[ANSWER_MAX])
{
    size_t used = 0;
    while (used < 4 || strcmp(out + used - 4, "\r\n\r\n") != 0) {
        if (used + 1 == ANSWER_MAX || recv(fd, out + used, 1, 0) != 1)
            bench_die("no answer from the camera");
        out[++used] = '\0';
    }
    if (strncmp(out, "RTSP/1.0 200", 12) != 0)
        bench_die("the camera says: %.40s", out);
}

static void ask(int fd, const char *method, const char *path, uint64_t port, const char *fields,
                char answer[ANSWER_MAX])
{
    char text[1024];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_write_format(&w, "%s rtsp://127.0.0.1:%u/%s RTSP/1.0\r\nCSeq: 1\r\n%s\r\n", method,
                    (unsigned)port, path, fields);
    bench_send_all(fd, cm_writer_done(&w));
    read_head(fd, answer);
}

static int play(uint64_t port, uint64_t camera)
{
    char path[64], fields[256], answer[ANSWER_MAX];
    const int fd = bench_connect(port);
    (void)snprintf(path, sizeof path, "cam%u/trackID=0", (unsigned)camera);
    ask(fd, "SETUP", path, port, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", answer);
    const char *session = strcasestr(answer, "\r\nSession:");
    if (session == NULL)
        bench_die("the camera gave no session");
    session += strlen("\r\nSession:");
    (void)snprintf(fields, sizeof fields, "Session:%.*s\r\n", (int)strcspn(session, ";\r"),
                   session);
    (void)snprintf(path, sizeof path, "cam%u", (unsigned)camera);
    ask(fd, "PLAY", path, port, fields, answer);
    return fd;
}

static void receive_until(int set, int64_t until_us, counts *out)
{
    struct epoll_event events[EVENTS];
    *out = (counts){0};
    while (bench_now_us() < until_us) {
        const int count = epoll_wait(set, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            const ssize_t size = recv(events[i].data.fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size == 0 || (size < 0 && errno != EAGAIN))
                bench_die("a camera ended: %s", size == 0 ? "closed" : strerror(errno));
            out->bytes += size > 0 ? (uint64_t)size : 0;
            out->reads++;
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t port = 0, cameras = 50, seconds = 10, windows = 1;
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "port", .number = &port},
                                              {.name = "cameras", .number = &cameras},
                                              {.name = "seconds", .number = &seconds},
                                              {.name = "windows", .number = &windows},
                                              {0}});
    const int set = epoll_create1(EPOLL_CLOEXEC);
    for (uint64_t i = 1; i <= cameras; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = play(port, i)};
        if (epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
            bench_die("epoll: %s", strerror(errno));
    }
    counts got;
    receive_until(set, bench_now_us() + WARM_US, &got);
    for (uint64_t i = 0; i < windows; i++) {
        const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
        receive_until(set, began_us + (int64_t)seconds * 1000000, &got);
        printf("{\"cpu_s\": %.6f, \"seconds\": %.6f, \"bytes\": %llu, \"reads\": %llu}\n",
               (double)(bench_cpu_us() - cpu_us) / 1e6, (double)(bench_now_us() - began_us) / 1e6,
               (unsigned long long)got.bytes, (unsigned long long)got.reads);
        fflush(stdout);
    }
    return 0;
}
