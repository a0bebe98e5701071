/*
 * webrtc_viewers: many viewers of a WHEP server from one thread, as a load.
 *
 * Viewer i asks for camera i modulo the number of cameras, with cookie i modulo the number of
 * cookies (a file, one a line). "%" in --path becomes the camera's number. Each answers as a
 * browser does: reports every 100 ms, --nack of a million packets said lost. The first --probes
 * take the SRTP off. Prints {"joined_s", …} when all have media, "steady" after --warm seconds,
 * then a JSON object for each window.
 *
 * With --sink it only opens --viewers sockets, prints their ports, and counts what bare_rtc sends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "webrtc_peer.h"

enum { LINE_SIZE = 512, EVENTS = 256, TICK_US = 5000, AGES_MAX = 1 << 20 };

static struct {
    uint64_t port, viewers, cameras, warm, seconds, windows, probes, nack, is_sink, join_limit;
    const char *path, *cookies;
} options = {.viewers = 100,
             .cameras = 50,
             .warm = 3,
             .seconds = 10,
             .windows = 1,
             .nack = 5000,
             .join_limit = 60,
             .path = "/api/v1/cameras/cam%/whep?stream=main"};

static bench_cookies cookies;
static bench_peers peers;
static bench_peer *viewers;
static int set;

static void watch(int fd, uint64_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("can't watch a socket: %s", strerror(errno));
}

static void open_viewer(uint64_t index)
{
    char path[LINE_SIZE];
    bench_peer *peer = &viewers[index];
    const size_t before = strcspn(options.path, "%");
    const bool has_number = options.path[before] == '%';
    *peer = (bench_peer){.peers = &peers, .index = index, .is_probe = index < options.probes};
    if (has_number)
        snprintf(path, sizeof path, "%.*s%u%s", (int)before, options.path,
                 (unsigned)(index % options.cameras) + 1, options.path + before + 1);
    else
        snprintf(path, sizeof path, "%s", options.path);
    bench_peer_open(peer, path, cookies.count > 0 ? cookies.lines[index % cookies.count] : NULL);
    watch(peer->fd, index);
}

/* ---- running ---- */

static void read_ready(int wait_ms)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(set, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        bench_peer *peer = &viewers[events[i].data.u64];
        if (bench_peer_readable(peer)) /* the former descriptor left the set when it was closed */
            watch(peer->fd, events[i].data.u64);
    }
}

static void run_until(int64_t until_us, bool (*is_done)(void))
{
    int64_t ticked_us = 0;
    while (bench_now_us() < until_us && (is_done == NULL || !is_done())) {
        read_ready(5);
        const int64_t now_us = bench_now_us();
        if (now_us - ticked_us < TICK_US)
            continue;
        ticked_us = now_us;
        for (uint64_t i = 0; i < options.viewers; i++)
            bench_peer_tick(&viewers[i], now_us);
    }
}

static bool have_all_joined(void)
{
    static uint64_t joined; /* those before it have */
    while (joined < options.viewers && viewers[joined].has_media)
        joined++;
    return joined == options.viewers;
}

static void join_all(void)
{
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    for (uint64_t i = 0; i < options.viewers; i++) {
        open_viewer(i);
        read_ready(0);
    }
    run_until(began_us + (int64_t)options.join_limit * 1000000, have_all_joined);
    if (!have_all_joined())
        bench_die("not all viewers got media within %u s", (unsigned)options.join_limit);
    printf("{\"joined_s\": %.3f, \"own_cpu_s\": %.3f}\n", (double)(bench_now_us() - began_us) / 1e6,
           (double)(bench_cpu_us() - cpu_us) / 1e6);
    fflush(stdout);
}

/* ---- telling ---- */

static int by_age(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static double age_ms(double share)
{
    if (peers.age_count == 0)
        return 0;
    return (double)peers.ages_us[(size_t)(share * (double)(peers.age_count - 1))] / 1000;
}

static void watch_window(void)
{
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    peers.packets = peers.bytes = peers.resent = peers.reports = peers.nacked = peers.late = 0;
    peers.age_count = 0;
    run_until(began_us + (int64_t)options.seconds * 1000000, NULL);
    uint64_t silent = 0;
    for (uint64_t i = 0; i < options.viewers; i++)
        silent += viewers[i].received_us < began_us;
    qsort(peers.ages_us, peers.age_count, sizeof *peers.ages_us, by_age);
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"packets\": %llu, \"resent\": %llu, "
           "\"nacked\": %llu, \"reports\": %llu, \"late\": %llu, \"silent\": %llu, "
           "\"age_p50_ms\": %.2f, \"age_p99_ms\": %.2f, \"age_max_ms\": %.2f, "
           "\"own_cpu_s\": %.3f}\n",
           (double)(bench_now_us() - began_us) / 1e6, (unsigned long long)peers.bytes,
           (unsigned long long)peers.packets, (unsigned long long)peers.resent,
           (unsigned long long)peers.nacked, (unsigned long long)peers.reports,
           (unsigned long long)peers.late, (unsigned long long)silent, age_ms(0.5), age_ms(0.99),
           age_ms(1), (double)(bench_cpu_us() - cpu_us) / 1e6);
    fflush(stdout);
}

/* ---- as a sink ---- */

static int open_sink(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    const int buffer = 1 << 20;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        bench_die("can't open a sink: %s", strerror(errno));
    printf("%u\n", ntohs(own.sin_port));
    return fd;
}

static void run_as_sink(void)
{
    for (uint64_t i = 0; i < options.viewers; i++) {
        viewers[i] = (bench_peer){.peers = &peers, .state = BENCH_PEER_CONNECTED};
        viewers[i].fd = open_sink();
        watch(viewers[i].fd, i);
    }
    printf("listening\n");
    fflush(stdout);
    for (uint64_t i = 0; i < options.windows; i++) {
        const int64_t until_us = bench_now_us() + (int64_t)options.seconds * 1000000;
        while (bench_now_us() < until_us)
            read_ready(5);
    }
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
                               {.name = "nack", .number = &options.nack},
                               {.name = "join-limit", .number = &options.join_limit},
                               {.name = "path", .text = &options.path},
                               {.name = "cookies", .text = &options.cookies},
                               {.name = "sink", .number = &options.is_sink, .is_flag = true},
                               {0}});
    if (options.cameras == 0)
        bench_die("--cameras: at least 1");
    bench_raise_descriptors();
    set = epoll_create1(EPOLL_CLOEXEC);
    viewers = calloc(options.viewers, sizeof *viewers);
    peers = (bench_peers){.port = options.port,
                          .nack_per_million = (uint32_t)options.nack,
                          .ages_us = calloc(AGES_MAX, sizeof(int64_t)),
                          .ages_max = AGES_MAX};
    if (viewers == NULL || peers.ages_us == NULL)
        bench_die("no memory");
    if (options.is_sink != 0) {
        run_as_sink();
        return 0;
    }
    bench_peers_init(&peers);
    bench_read_cookies(&cookies, options.cookies);
    join_all();
    run_until(bench_now_us() + (int64_t)options.warm * 1000000, NULL);
    printf("steady\n");
    fflush(stdout);
    for (uint64_t i = 0; i < options.windows; i++)
        watch_window();
    return 0;
}
