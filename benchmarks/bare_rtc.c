/*
 * bare_rtc: the least that sending to WebRTC viewers can cost on this machine. Pictures of
 * --packets packets of --size bytes, --fps of them a second, to the sockets whose ports come on
 * standard input (webrtc_viewers --sink), each packet encrypted under its viewer's own key
 * (AES-128-GCM, the back end that casement would use), up to 16 packets of a picture in one
 * UDP_SEGMENT message, 12 viewers in one sendmmsg. Viewers are spread over --cameras phases, as
 * those of cameras are.
 *
 * Prints {"cpu_s", "seconds", "bytes"} of each window.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/aead.h"
#include "common.h"

enum { BATCH = 12, SEGMENTS = 16, PACKET_MAX = 1400, HEADER = 28 };

static struct {
    uint64_t viewers, cameras, fps, packets, size, seconds, windows;
} options = {.viewers = 100,
             .cameras = 50,
             .fps = 20,
             .packets = 10,
             .size = 1160,
             .seconds = 10,
             .windows = 1};

typedef struct viewer {
    struct sockaddr_in to;
    cm_aead *aead;
} viewer;

static viewer *viewers;
static int fd;
static uint64_t sent_bytes;
static uint8_t plain[PACKET_MAX]; // what a ring would hold, opened
static uint8_t arena[BATCH][SEGMENTS * PACKET_MAX];

static void read_ports(void)
{
    char line[64];
    for (uint64_t i = 0; i < options.viewers; i++) {
        if (fgets(line, sizeof line, stdin) == NULL)
            bench_die("standard input: %u ports wanted", (unsigned)options.viewers);
        viewers[i].to = (struct sockaddr_in){.sin_family = AF_INET,
                                             .sin_port = htons((uint16_t)atoi(line)),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const uint8_t key[CM_AEAD_KEY_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8)};
        if (cm_aead_create(&viewers[i].aead) != CM_OK ||
            cm_aead_set_key(viewers[i].aead, key) != CM_OK)
            bench_die("no cipher");
    }
}

/* Packets of one viewer into its place of the arena. */
static size_t protect(const viewer *v, uint8_t *out, uint64_t count)
{
    static uint64_t counter;
    const size_t size = (size_t)options.size;
    for (uint64_t i = 0; i < count; i++) {
        uint8_t nonce[CM_AEAD_NONCE_SIZE] = {0};
        uint8_t *packet = out + i * size;
        counter++;
        for (size_t j = 0; j < sizeof counter; j++)
            nonce[j] = (uint8_t)(counter >> (8 * j));
        cm_slice_copy(cm_slice_over(plain, size - CM_AEAD_TAG_SIZE), packet, size);
        if (cm_aead_seal(v->aead, nonce, cm_slice_over(packet, HEADER), packet + HEADER,
                         size - CM_AEAD_TAG_SIZE - HEADER) != CM_OK)
            bench_die("can't encrypt");
    }
    return (size_t)count * size;
}

typedef struct message {
    struct iovec part;
    alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))];
} message;

static void describe(struct mmsghdr *m, message *body, viewer *v, uint8_t *bytes, size_t size)
{
    body->part = (struct iovec){bytes, size};
    m->msg_hdr = (struct msghdr){.msg_name = &v->to,
                                 .msg_namelen = sizeof v->to,
                                 .msg_iov = &body->part,
                                 .msg_iovlen = 1,
                                 .msg_control = body->control,
                                 .msg_controllen = sizeof body->control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    *(uint16_t *)(void *)CMSG_DATA(c) = (uint16_t)options.size;
}

/* `count` packets to each viewer of one camera. */
static void send_slice(uint64_t camera, uint64_t count)
{
    struct mmsghdr messages[BATCH];
    message bodies[BATCH];
    unsigned used = 0;
    for (uint64_t i = camera; i < options.viewers; i += options.cameras) {
        const size_t size = protect(&viewers[i], arena[used], count);
        describe(&messages[used], &bodies[used], &viewers[i], arena[used], size);
        sent_bytes += size;
        if (++used == BATCH || i + options.cameras >= options.viewers) {
            if (sendmmsg(fd, messages, used, 0) != (int)used)
                bench_die("sendmmsg: %s", strerror(errno));
            used = 0;
        }
    }
}

static void send_picture(uint64_t camera)
{
    for (uint64_t left = options.packets; left > 0;) {
        const uint64_t count = left < SEGMENTS ? left : SEGMENTS;
        send_slice(camera, count);
        left -= count;
    }
}

static void run_window(int64_t *next_us)
{
    const int64_t period_us = 1000000 / (int64_t)options.fps;
    const int64_t began_us = bench_now_us(), cpu_us = bench_cpu_us();
    sent_bytes = 0;
    while (bench_now_us() - began_us < (int64_t)options.seconds * 1000000) {
        for (uint64_t camera = 0; camera < options.cameras; camera++) {
            bench_sleep_until_us(*next_us +
                                 (int64_t)(camera * (uint64_t)period_us / options.cameras));
            send_picture(camera);
        }
        *next_us += period_us;
    }
    printf("{\"cpu_s\": %.6f, \"seconds\": %.6f, \"bytes\": %llu}\n",
           (double)(bench_cpu_us() - cpu_us) / 1e6, (double)(bench_now_us() - began_us) / 1e6,
           (unsigned long long)sent_bytes);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "viewers", .number = &options.viewers},
                                              {.name = "cameras", .number = &options.cameras},
                                              {.name = "fps", .number = &options.fps},
                                              {.name = "packets", .number = &options.packets},
                                              {.name = "size", .number = &options.size},
                                              {.name = "seconds", .number = &options.seconds},
                                              {.name = "windows", .number = &options.windows},
                                              {0}});
    if (options.cameras == 0 || options.fps == 0 || options.size > PACKET_MAX ||
        options.size < HEADER + CM_AEAD_TAG_SIZE)
        bench_die("--cameras and --fps: at least 1; --size: at most %d", PACKET_MAX);
    bench_raise_descriptors();
    viewers = calloc(options.viewers, sizeof *viewers);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (viewers == NULL || fd < 0)
        bench_die("no memory or socket");
    read_ports();
    int64_t next_us = bench_now_us();
    for (uint64_t i = 0; i < options.windows; i++)
        run_window(&next_us);
    return 0;
}
