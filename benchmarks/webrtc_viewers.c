/*
 * webrtc_viewers: many viewers of a WHEP server from one thread, as a load.
 *
 * Viewer i asks for camera i modulo the number of cameras, with cookie i modulo the number of
 * cookies (a file, one a line). "%" in --path becomes the camera's number. Each answers as a
 * browser does: reports every 100 ms, --nack of a million packets said lost. The first --probes
 * take the SRTP off; of the first --timed (which those should be) the age of pictures is noted,
 * from capture to the kernel's receipt of the first packet. Prints {"joined_s", "joined", …} when
 * all have media, "steady" after --warm seconds, then a JSON object for each window; then all say
 * goodbye. Who has no media after --join-limit seconds, or loses it, is given up and counted: the
 * others go on.
 *
 * With --answered another program asks the server. It is told our side (a first line of UFRAG,
 * PASSWORD and FINGERPRINT, then a line of each viewer's UDP port), and tells for each viewer, on
 * standard input, the server's: ADDRESS PORT UFRAG PASSWORD TYPE RTX-TYPE SSRC.
 *
 * With --sink it only opens --viewers sockets, prints their ports, and counts what bare_rtc sends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tests/tools/webrtc_peer.h"
#include "common.h"

enum {
    LINE_SIZE = 512,
    EVENTS = 256,
    TICK_US = 5000,
    AGES_MAX = 1 << 20,
    LATE_US = 150000,
    PICTURES = 64, /* that come at the same time, over all cameras */
    /* POSTs without an answer. Beyond the server's backlog connecting waits for seconds, and who
     * has joined would have no consent meanwhile. */
    ASKING_MAX = 256,
};

#define NTP_OF_UNIX 2208988800 /* seconds from 1900 to 1970 (RFC 5905 6) */

static struct {
    uint64_t port, viewers, cameras, warm, seconds, windows, probes, timed, nack, join_limit;
    uint64_t is_sink, is_answered;
    const char *path, *cookies;
} options = {.viewers = 100,
             .cameras = 50,
             .warm = 3,
             .seconds = 10,
             .windows = 1,
             .nack = 5000,
             .join_limit = 40,
             .path = "/api/v1/cameras/cam%/whep?stream=main"};

static bench_cookies cookies;
typedef struct viewer {
    webrtc_peer peer;
    int64_t received_us; /* the last packet, by us */
    int64_t came_us;     /* the same; by the kernel if it is timed */
    int64_t joined_us;   /* its first packet, by us */
} viewer;

static webrtc_peers peers;
static viewer *viewers;
static uint64_t opened; /* of them: the first */
static uint64_t given_up;
static int set;
static uint32_t seed = 1;

/* Since they were last set to zero. */
static struct {
    uint64_t packets, bytes, resent, nacked, late;
} sum;
static int64_t *ages_us; /* of those timed: capture to the first packet of a picture */
static size_t age_count;
/* The newest pictures of one camera that all viewers watch: how late its last viewer had it. */
static struct {
    uint64_t capture_time;
    int64_t latest_us;
} pictures[PICTURES];
static size_t picture_next;
static int64_t *latest_us; /* of pictures that are over */
static size_t latest_count;

static void watch(int fd, uint64_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("can't watch a socket: %s", strerror(errno));
}

/* ---- what comes ---- */

static uint32_t draw(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

static void note_latest(uint64_t capture_time, int64_t age_us)
{
    for (size_t i = 0; i < PICTURES; i++) {
        if (pictures[i].capture_time != capture_time)
            continue;
        if (age_us > pictures[i].latest_us)
            pictures[i].latest_us = age_us;
        return;
    }
    if (pictures[picture_next].capture_time != 0 && latest_count < AGES_MAX)
        latest_us[latest_count++] = pictures[picture_next].latest_us;
    pictures[picture_next].capture_time = capture_time;
    pictures[picture_next].latest_us = age_us;
    picture_next = (picture_next + 1) % PICTURES;
}

/* A picture's age is that of its first packet, which carries the capture time (in the clear). */
static void note_age(const webrtc_packet *packet)
{
    if (!packet->extensions.has_capture_time || age_count == AGES_MAX)
        return;
    const uint64_t time = packet->extensions.capture_time;
    const int64_t captured_us = (int64_t)((time >> 32) - NTP_OF_UNIX) * 1000000 +
                                (int64_t)((time & UINT32_MAX) * 1000000 >> 32);
    const int64_t age_us = packet->wall_us - captured_us;
    ages_us[age_count++] = age_us;
    if (options.cameras == 1)
        note_latest(time, age_us);
}

static void on_packet(void *owner, const webrtc_packet *packet)
{
    viewer *v = owner;
    sum.packets++;
    sum.bytes += packet->size;
    sum.resent += packet->is_rtx;
    const int64_t came_us = packet->wall_us > 0 ? packet->wall_us : packet->at_us;
    sum.late += v->came_us > 0 && came_us - v->came_us > LATE_US;
    if (v->received_us == 0)
        v->joined_us = packet->at_us;
    v->came_us = came_us;
    v->received_us = packet->at_us;
    if (!packet->is_rtx && v->peer.lost_count == 0 && draw() % 1000000 < options.nack) {
        webrtc_peer_say_lost(&v->peer, packet->rtp.sequence_number);
        sum.nacked++;
    }
    if (!packet->is_rtx && packet->wall_us > 0)
        note_age(packet);
}

/* The first says why, on standard error: what follows is mostly the same. */
static void on_failed(void *owner, const char *why, const char *at)
{
    static bool was_told;
    (void)owner;
    if (!was_told)
        fprintf(stderr, "a viewer: %s: %s\n", why, at);
    was_told = true;
}

static void give_up(viewer *v)
{
    webrtc_peer_close(&v->peer); /* its descriptor leaves the set with it */
    given_up++;
}

static bool is_given_up(const viewer *v)
{
    return v->peer.fd < 0;
}

static const webrtc_peer_events PEER_EVENTS = {.on_packet = on_packet, .on_failed = on_failed};

static webrtc_peer_config config_of(uint64_t index)
{
    return (webrtc_peer_config){.peers = &peers,
                                .index = index,
                                .is_opened = index < options.probes,
                                .is_timed = index < options.timed,
                                .events = &PEER_EVENTS,
                                .owner = &viewers[index]};
}

static void connect_viewer(uint64_t index, const char *line)
{
    webrtc_peer_server server = {0};
    unsigned port, type, rtx_type, ssrc;
    if (sscanf(line, "%63s %u %63s %63s %u %u %u", server.address, &port, server.ufrag,
               server.password, &type, &rtx_type, &ssrc) != 7)
        bench_die("standard input: %s", line);
    server.port = (uint16_t)port;
    server.payload_type = (uint8_t)type;
    server.rtx_payload_type = (uint8_t)rtx_type;
    server.ssrc = ssrc;
    if (!webrtc_peer_connect(&viewers[index].peer, &server))
        bench_die("can't connect to %s: %s", server.address, strerror(errno));
    watch(viewers[index].peer.fd, index);
}

static void open_viewer(uint64_t index)
{
    char path[LINE_SIZE], who[BENCH_COOKIE_SIZE + 16];
    viewer *v = &viewers[index];
    const size_t before = strcspn(options.path, "%");
    const bool has_number = options.path[before] == '%';
    if (has_number)
        snprintf(path, sizeof path, "%.*s%u%s", (int)before, options.path,
                 (unsigned)(index % options.cameras) + 1, options.path + before + 1);
    else
        snprintf(path, sizeof path, "%s", options.path);
    if (cookies.count > 0)
        snprintf(who, sizeof who, "Cookie: %s", cookies.lines[index % cookies.count]);
    webrtc_peer_config config = config_of(index);
    config.port = (uint16_t)options.port;
    config.path = path;
    config.who = cookies.count > 0 ? who : NULL;
    if (!webrtc_peer_open(&v->peer, &config))
        bench_die("can't connect to port %u: %s", (unsigned)options.port, strerror(errno));
    watch(v->peer.fd, index);
}

/* ---- running ---- */

static void read_ready(int wait_ms)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(set, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        viewer *v = &viewers[events[i].data.u64];
        if (is_given_up(v))
            continue;
        if (webrtc_peer_readable(&v->peer)) /* the former descriptor left the set: it was closed */
            watch(v->peer.fd, events[i].data.u64);
        if (v->peer.state == WEBRTC_PEER_OVER)
            give_up(v);
    }
}

/* What arrived, and what is due: reports, checks of consent, handshakes to be repeated. */
static void serve(int wait_ms)
{
    static int64_t ticked_us;
    read_ready(wait_ms);
    const int64_t now_us = bench_now_us();
    if (now_us - ticked_us < TICK_US)
        return;
    ticked_us = now_us;
    for (uint64_t i = 0; i < opened; i++) {
        if (is_given_up(&viewers[i]))
            continue;
        webrtc_peer_tick(&viewers[i].peer, now_us);
        if (viewers[i].peer.state == WEBRTC_PEER_OVER)
            give_up(&viewers[i]);
    }
}

static void run_until(int64_t until_us, bool (*is_done)(void))
{
    while (bench_now_us() < until_us && (is_done == NULL || !is_done()))
        serve(5);
}

static bool have_all_joined(void)
{
    static uint64_t joined; /* those before it have, or never will */
    while (joined < options.viewers &&
           (viewers[joined].peer.has_media || is_given_up(&viewers[joined])))
        joined++;
    return joined == options.viewers;
}

/* As their lines come; those who are there are served meanwhile. */
static void join_answered(void)
{
    char line[LINE_SIZE];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("%s %s %s\n", WEBRTC_PEER_UFRAG, WEBRTC_PEER_PASSWORD, peers.fingerprint);
    for (uint64_t i = 0; i < options.viewers; i++) {
        const webrtc_peer_config config = config_of(i);
        uint16_t port;
        if (!webrtc_peer_bind(&viewers[i].peer, &config, &port))
            bench_die("can't open a socket: %s", strerror(errno));
        printf("%u\n", port);
    }
    fflush(stdout);
    for (uint64_t i = 0; i < options.viewers;) {
        run_until(bench_now_us() + TICK_US, NULL);
        if (poll(&input, 1, 0) <= 0)
            continue;
        if (fgets(line, sizeof line, stdin) == NULL) {
            fprintf(stderr, "standard input ended after %u viewers\n", (unsigned)i);
            break;
        }
        connect_viewer(i++, line);
        opened = i;
    }
    for (uint64_t i = opened; i < options.viewers; i++)
        give_up(&viewers[i]);
}

/* Says where those are that have nothing yet, and goes on without them. */
static void leave_waiting(void)
{
    unsigned states[WEBRTC_PEER_OVER + 1] = {0};
    for (uint64_t i = 0; i < options.viewers; i++) {
        if (viewers[i].peer.has_media || is_given_up(&viewers[i]))
            continue;
        states[viewers[i].peer.state]++;
        give_up(&viewers[i]);
    }
    fprintf(stderr,
            "without media after %u s: %u asking, %u checking, %u in the handshake, %u connected\n",
            (unsigned)options.join_limit, states[WEBRTC_PEER_ASKING], states[WEBRTC_PEER_CHECKING],
            states[WEBRTC_PEER_HANDSHAKING], states[WEBRTC_PEER_CONNECTED]);
}

static unsigned count_asking(void)
{
    unsigned count = 0;
    for (uint64_t i = 0; i < opened; i++)
        count += viewers[i].peer.state == WEBRTC_PEER_ASKING;
    return count;
}

static int by_age(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static double share_ms(int64_t *times_us, size_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(times_us, count, sizeof *times_us, by_age);
    return (double)times_us[(size_t)(share * (double)(count - 1))] / 1000;
}

/* When so many of those who joined had their first packet. */
static double joined_s(int64_t began_us, double share)
{
    size_t count = 0;
    for (uint64_t i = 0; i < options.viewers && count < AGES_MAX; i++)
        if (viewers[i].joined_us > 0)
            ages_us[count++] = viewers[i].joined_us - began_us;
    return share_ms(ages_us, count, share) / 1000;
}

static void join_all(void)
{
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    if (options.is_answered != 0)
        join_answered();
    for (uint64_t i = 0; options.is_answered == 0 && i < options.viewers; i++) {
        open_viewer(i);
        opened = i + 1;
        do
            serve(0);
        while (count_asking() >= ASKING_MAX);
    }
    run_until(began_us + (int64_t)options.join_limit * 1000000, have_all_joined);
    const double took_s = (double)(bench_now_us() - began_us) / 1e6;
    if (!have_all_joined())
        leave_waiting();
    if (given_up == options.viewers)
        bench_die("no viewer got media");
    printf("{\"joined_s\": %.3f, \"joined_p50_s\": %.3f, \"joined_p99_s\": %.3f, \"joined\": %llu, "
           "\"bytes\": %llu, \"own_cpu_s\": %.3f}\n",
           took_s, joined_s(began_us, 0.5), joined_s(began_us, 0.99),
           (unsigned long long)(options.viewers - given_up), (unsigned long long)sum.bytes,
           (double)(bench_cpu_us() - cpu_us) / 1e6);
    fflush(stdout);
}

/* ---- telling ---- */

static void watch_window(void)
{
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    memset(&sum, 0, sizeof sum);
    peers.reports = 0;
    age_count = latest_count = 0;
    run_until(began_us + (int64_t)options.seconds * 1000000, NULL);
    uint64_t silent = 0;
    for (uint64_t i = 0; i < options.viewers; i++)
        silent += !is_given_up(&viewers[i]) && viewers[i].received_us < began_us;
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"packets\": %llu, \"resent\": %llu, "
           "\"nacked\": %llu, \"reports\": %llu, \"late\": %llu, \"silent\": %llu, "
           "\"given_up\": %llu, "
           "\"age_p50_ms\": %.2f, \"age_p99_ms\": %.2f, \"age_max_ms\": %.2f, "
           "\"last_p50_ms\": %.2f, \"last_max_ms\": %.2f, "
           "\"own_cpu_s\": %.3f}\n",
           (double)(bench_now_us() - began_us) / 1e6, (unsigned long long)sum.bytes,
           (unsigned long long)sum.packets, (unsigned long long)sum.resent,
           (unsigned long long)sum.nacked, (unsigned long long)peers.reports,
           (unsigned long long)sum.late, (unsigned long long)silent, (unsigned long long)given_up,
           share_ms(ages_us, age_count, 0.5), share_ms(ages_us, age_count, 0.99),
           share_ms(ages_us, age_count, 1), share_ms(latest_us, latest_count, 0.5),
           share_ms(latest_us, latest_count, 1), (double)(bench_cpu_us() - cpu_us) / 1e6);
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
        viewers[i].peer =
            (webrtc_peer){.config = {.peers = &peers, .events = &PEER_EVENTS, .owner = &viewers[i]},
                          .state = WEBRTC_PEER_CONNECTED,
                          .fd = open_sink()};
        watch(viewers[i].peer.fd, i);
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
    bench_read_options(argc, argv,
                       (const bench_option[]){
                           {.name = "port", .number = &options.port},
                           {.name = "viewers", .number = &options.viewers},
                           {.name = "cameras", .number = &options.cameras},
                           {.name = "warm", .number = &options.warm},
                           {.name = "seconds", .number = &options.seconds},
                           {.name = "windows", .number = &options.windows},
                           {.name = "probes", .number = &options.probes},
                           {.name = "timed", .number = &options.timed},
                           {.name = "nack", .number = &options.nack},
                           {.name = "join-limit", .number = &options.join_limit},
                           {.name = "path", .text = &options.path},
                           {.name = "cookies", .text = &options.cookies},
                           {.name = "sink", .number = &options.is_sink, .is_flag = true},
                           {.name = "answered", .number = &options.is_answered, .is_flag = true},
                           {0}});
    if (options.cameras == 0)
        bench_die("--cameras: at least 1");
    bench_raise_descriptors();
    set = epoll_create1(EPOLL_CLOEXEC);
    viewers = calloc(options.viewers, sizeof *viewers);
    ages_us = calloc(AGES_MAX, sizeof *ages_us);
    latest_us = calloc(AGES_MAX, sizeof *latest_us);
    if (viewers == NULL || ages_us == NULL || latest_us == NULL)
        bench_die("no memory");
    if (options.is_sink != 0) {
        run_as_sink();
        return 0;
    }
    webrtc_peers_init(&peers);
    bench_read_cookies(&cookies, options.cookies);
    join_all();
    run_until(bench_now_us() + (int64_t)options.warm * 1000000, NULL);
    printf("steady\n");
    fflush(stdout);
    for (uint64_t i = 0; i < options.windows; i++)
        watch_window();
    for (uint64_t i = 0; i < opened; i++)
        if (!is_given_up(&viewers[i]))
            webrtc_peer_close(&viewers[i].peer); /* says goodbye: the server need not wait */
    return 0;
}
