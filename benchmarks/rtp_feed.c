/*
 * rtp_feed: cameras of H.264 as RTP over UDP, for a peer that takes nothing else (Janus's streaming
 * plugin): --cameras of them to the ports from --port on, each with --fps pictures a second of
 * --packets packets of --size bytes (with RTP header), at its own moment of the period. The payload
 * is parts of slices (FU-A) without meaning: nobody decodes it.
 *
 * Prints "feeding" and goes on until it is ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/writer.h"
#include "common.h"

enum { PACKET_MAX = 1400, HEADER = 14, CAMERAS_MAX = 1000, RATE = 90000, PAYLOAD_TYPE = 96 };
enum { FU_A = 0x7C, FU_SLICE = 0x01, FU_FIRST = 0x80, FU_LAST = 0x40 }; /* RFC 6184 5.8 */

static struct {
    uint64_t cameras, port, fps, packets, size;
} options = {.cameras = 50, .port = 25001, .fps = 20, .packets = 10, .size = 1160};

static int fd;
static uint16_t sequences[CAMERAS_MAX];

static void send_packet(uint64_t camera, uint64_t number, uint32_t timestamp)
{
    static uint8_t packet[PACKET_MAX];
    const bool is_last = number + 1 == options.packets;
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)(options.port + camera)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cm_writer w = cm_writer_over(packet, sizeof packet);
    cm_write_u8(&w, 0x80);
    cm_write_u8(&w, PAYLOAD_TYPE | (is_last ? 0x80 : 0));
    cm_write_u16(&w, sequences[camera]++);
    cm_write_u32(&w, timestamp);
    cm_write_u32(&w, (uint32_t)camera + 1);
    cm_write_u8(&w, FU_A);
    cm_write_u8(&w, FU_SLICE | (number == 0 ? FU_FIRST : 0) | (is_last ? FU_LAST : 0));
    if (sendto(fd, packet, options.size, 0, (const struct sockaddr *)&to, sizeof to) < 0 &&
        errno != ECONNREFUSED)
        bench_die("sendto: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "cameras", .number = &options.cameras},
                                              {.name = "port", .number = &options.port},
                                              {.name = "fps", .number = &options.fps},
                                              {.name = "packets", .number = &options.packets},
                                              {.name = "size", .number = &options.size},
                                              {0}});
    if (options.cameras == 0 || options.cameras > CAMERAS_MAX || options.fps == 0 ||
        options.size < HEADER || options.size > PACKET_MAX)
        bench_die("--cameras: 1 to %d; --fps: at least 1; --size: %d to %d", CAMERAS_MAX, HEADER,
                  PACKET_MAX);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    printf("feeding\n");
    fflush(stdout);
    const int64_t period_us = 1000000 / (int64_t)options.fps;
    int64_t next_us = bench_now_us();
    for (uint32_t timestamp = 0;; timestamp += RATE / (uint32_t)options.fps) {
        for (uint64_t camera = 0; camera < options.cameras; camera++) {
            bench_sleep_until_us(next_us + (int64_t)camera * period_us / (int64_t)options.cameras);
            for (uint64_t i = 0; i < options.packets; i++)
                send_packet(camera, i, timestamp);
        }
        next_us += period_us;
    }
}
