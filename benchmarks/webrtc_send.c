/*
 * webrtc_send: what it costs to send pictures to WebRTC viewers, from the sealed frame to the
 * kernel, without HTTP, ICE or DTLS: --viewers spread over --cameras, whose pictures come at
 * phases of their own, through hub, egress/webrtc, SRTP and UDP (batched as net/rtc does it) to
 * sockets that nobody reads. Each viewer reports once a second and has lost --lost of 1,000
 * packets. Then the least that the same bytes can cost: AES-128-GCM under as many keys, and
 * sendmmsg with segments of the same size.
 *
 * Prints {"cpu_s_per_gb", "bare_cpu_s_per_gb", "share", "packets_per_datagram", "late_ms_p99",
 * "viewer_bytes"}: share is bare / ours; late is from the camera's put to the end of the pass;
 * viewer_bytes is what the heap gave for viewer, subscription and lease.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/aead.h"
#include "common.h"
#include "egress/webrtc/webrtc.h"
#include "media/seal_mint.h"
#include "net/net.h"
#include "net/srtp.h"
#include "proto/rtp/ntp.h"

enum {
    FPS = 20,
    GROUP = 40,        /* pictures */
    KEY_GRANULES = 50, /* of a keyframe; the others make up 2 Mbit/s */
    GRANULES = 10,
    GRANULE = 1130,
    SINKS = 64,
    WARM_US = 3000000,
    BATCH = 16,
    SEGMENTS = 8,
    LATENESS_MAX = 1 << 16,
    MESSAGES = 64,
    ROOM = 1240, /* a packet with its tag */
};

static struct {
    uint64_t viewers, cameras, seconds, lost;
} options = {.viewers = 1000, .cameras = 50, .seconds = 10, .lost = 5};

typedef struct camera {
    cm_camera_key key;
    cm_epoch_slot *slot;
    cm_seal_key seal_key;
    cm_sealer *sealer;
    cm_publisher *publisher;
    cm_timer timer;
    unsigned picture;
} camera;

typedef struct peer {
    cm_srtp *srtp;
    cm_address sink;
    cm_webrtc_transport transport;
    cm_webrtc_viewer *viewer;
    cm_timer report;
    uint64_t packets; /* when it reported last */
    uint16_t newest;  /* sequence number that it got last */
} peer;

/* What waits for a flush. */
typedef struct batch {
    cm_datagram datagrams[MESSAGES];
    const peer *peers[MESSAGES]; /* whose */
    size_t packets[MESSAGES];
    size_t count;
    uint8_t bytes[MESSAGES * SEGMENTS * ROOM];
    size_t used;
} batch;

typedef struct totals {
    uint64_t bytes, packets, datagrams;
} totals;

static struct {
    cm_loop *loop;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_net *net;
    cm_udp *udp;
    batch batch;
    totals sent;
    cm_random random;
    camera *cameras;
    peer *peers;
    struct sockaddr_in sinks[SINKS];
    int64_t late_us[LATENESS_MAX];
    size_t late_count;
    bool is_measuring;
    int64_t cpu_us;
    totals before;
    cm_timer phase;
    size_t viewer_bytes;
} b;

static void must(cm_status status, const char *what)
{
    if (status != CM_OK)
        bench_die("%s: %s", what, cm_status_name(status));
}

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        bench_die("no memory");
    return memory;
}

/* ---- cameras ---- */

static void on_picture(cm_timer *timer)
{
    static uint8_t body[GRANULE];
    static cm_plain_granule granules[KEY_GRANULES];
    camera *c = CM_HOLDER(timer, camera, timer);
    const bool is_keyframe = c->picture++ % GROUP == 0;
    const size_t count = is_keyframe ? KEY_GRANULES : GRANULES;
    cm_timer_start_at(timer, cm_instant_after(timer->due, 1000000 / FPS));
    for (size_t i = 0; i < count; i++)
        granules[i] = (cm_plain_granule){.body = cm_slice_over(body, sizeof body - i % 2)};
    const int64_t now = bench_now_us();
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags = is_keyframe ? CM_FRAME_KEYFRAME : 0,
                                  .duration_ms = 1000 / FPS,
                                  .captured = cm_loop_wall(b.loop),
                                  .media_time = cm_loop_now(b.loop).us * 9 / 100};
    cm_frame *frame;
    must(cm_seal_frame(c->sealer, &plain, 0, &frame), "seal");
    cm_publisher_put(c->publisher, frame);
    if (b.is_measuring && b.late_count < LATENESS_MAX)
        b.late_us[b.late_count++] = bench_now_us() - now;
}

static void open_camera(camera *c, uint64_t index)
{
    cm_secret secret;
    char name[CM_ID_SIZE];
    snprintf(name, sizeof name, "camera%u", (unsigned)index);
    must(cm_home_id_parse(CM_TEXT("bench"), &c->key.home), "home");
    must(cm_camera_id_parse(cm_slice_of(name), &c->key.camera), "camera");
    must(cm_epoch_slot_take(b.page, &c->key, 1, &c->slot), "slot");
    cm_random_fill(&b.random, secret.bytes, sizeof secret.bytes);
    cm_seal_key_make(&secret, &c->key, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1, &b.random, &c->seal_key);
    must(cm_sealer_create(&c->seal_key, c->slot, &c->sealer), "sealer");
    must(cm_hub_publish(b.hub, &c->key, CM_STREAM_MAIN, &c->publisher), "publish");
    cm_timer_init(&c->timer, b.loop, on_picture);
    /* Phases are spread, and so are the places in their groups. */
    c->picture = (unsigned)(index * 7 % GROUP);
    cm_timer_start(&c->timer, (int64_t)(index * 1000000 / FPS / options.cameras) + 1);
}

/* ---- viewers ---- */

static void ignore(void *owner)
{
    (void)owner;
}

static void ignore_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    (void)owner;
    (void)datagrams;
    (void)count;
}

static const cm_webrtc_events VIEWER_EVENTS = {ignore, ignore};

static void flush(void *context)
{
    size_t done = 0;
    (void)context;
    if (b.batch.count > 0)
        must(cm_udp_send(b.udp, b.batch.datagrams, b.batch.count, &done), "send");
    b.sent.datagrams += done;
    b.batch.count = b.batch.used = 0;
}

/* Behind the last packet if it is of the same peer and size, else as a datagram of its own. */
static void add(const peer *p, size_t size)
{
    batch *all = &b.batch;
    const size_t last = all->count - 1;
    cm_datagram *datagram = &all->datagrams[last];
    if (all->count == 0 || all->peers[last] != p || all->packets[last] == SEGMENTS ||
        size > datagram->segment_size || datagram->bytes.size % datagram->segment_size != 0) {
        all->peers[all->count] = p;
        all->packets[all->count] = 0;
        datagram = &all->datagrams[all->count++];
        *datagram = (cm_datagram){.bytes = cm_slice_over(all->bytes + all->used, 0),
                                  .peer = p->sink,
                                  .segment_size = (uint16_t)size};
    }
    datagram->bytes.size += size;
    all->packets[all->count - 1]++;
    all->used += size;
    b.sent.packets++;
    b.sent.bytes += size;
}

static uint8_t *make_room(void)
{
    if (b.batch.count == MESSAGES || sizeof b.batch.bytes - b.batch.used < ROOM)
        flush(NULL);
    return b.batch.bytes + b.batch.used;
}

static cm_status send_rtp(void *context, cm_slice header, const cm_slice *payload, size_t parts)
{
    peer *p = context;
    uint8_t *out = make_room();
    size_t size;
    cm_writer w = cm_writer_over(out, ROOM);
    cm_write_slice(&w, header);
    for (size_t i = 0; i < parts; i++)
        cm_write_slice(&w, payload[i]);
    must(cm_srtp_protect(p->srtp, out, w.used, &size), "protect");
    p->newest = (uint16_t)(header.bytes[2] << 8 | header.bytes[3]);
    add(p, size);
    return CM_OK;
}

static cm_status send_rtcp(void *context, cm_slice compound)
{
    const peer *p = context;
    uint8_t *out = make_room();
    size_t size;
    cm_slice_copy(compound, out, ROOM);
    must(cm_srtp_protect_rtcp(p->srtp, out, compound.size, &size), "protect");
    add(p, size);
    return CM_OK;
}

static uint64_t estimate(void *context)
{
    (void)context;
    return 5000000;
}

static void ignore_sent(void *context, uint16_t number, size_t bytes, cm_instant now)
{
    (void)context;
    (void)number;
    (void)bytes;
    (void)now;
}

static void ignore_feedback(void *context, const cm_rtcp_transport_cc *report, cm_instant now)
{
    (void)context;
    (void)report;
    (void)now;
}

static void ignore_loss(void *context, uint8_t lost, int64_t round_trip_us, cm_instant now)
{
    (void)context;
    (void)lost;
    (void)round_trip_us;
    (void)now;
}

static const cm_webrtc_estimator ESTIMATOR = {.on_sent = ignore_sent,
                                              .on_feedback = ignore_feedback,
                                              .on_loss = ignore_loss,
                                              .bits_per_second = estimate};

static uint32_t ssrc_of(const peer *p)
{
    return (uint32_t)(p - b.peers) * 2 + 1;
}

static void on_report(cm_timer *timer)
{
    peer *p = CM_HOLDER(timer, peer, report);
    uint8_t bytes[512];
    uint16_t lost[64];
    size_t count = 0;
    cm_webrtc_figures figures;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_timer_start(timer, 1000000);
    cm_webrtc_viewer_read_figures(p->viewer, &figures);
    const uint64_t got = figures.packets_sent - p->packets;
    for (uint64_t i = 0; i < got * options.lost / 1000 && count < CM_COUNT(lost); i++)
        lost[count++] = (uint16_t)(p->newest - 60 + 5 * i);
    p->packets = figures.packets_sent;
    const cm_rtcp_block block = {.ssrc = ssrc_of(p)};
    cm_rtcp_write_rr(&w, 1, &block);
    if (count > 0)
        cm_rtcp_write_nack(&w, 1, ssrc_of(p), lost, count);
    cm_webrtc_viewer_rtcp(p->viewer, cm_writer_done(&w));
}

static void open_session(peer *p, uint64_t index)
{
    cm_srtp_master masters[2];
    cm_random_fill(&b.random, masters, sizeof masters);
    must(cm_srtp_create(CM_SRTP_AEAD_AES_128_GCM, &masters[0], &masters[1], &p->srtp), "srtp");
    must(cm_address_parse(CM_TEXT("127.0.0.1"), ntohs(b.sinks[index % SINKS].sin_port), &p->sink),
         "address");
}

static void open_viewer(peer *p, uint64_t index)
{
    const camera *c = &b.cameras[index % options.cameras];
    cm_lease *lease;
    const cm_instant now = cm_loop_now(b.loop);
    const cm_lease_terms terms = {.session = index,
                                  .camera = c->key,
                                  .streams = 1,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = 1,
                                  .from = now,
                                  .until = cm_instant_after(now, 60000000),
                                  .keys = &c->seal_key,
                                  .key_count = 1};
    const cm_webrtc_config config = {.hub = b.hub,
                                     .loop = b.loop,
                                     .transport = &p->transport,
                                     .estimator = &ESTIMATOR,
                                     .stream = CM_STREAM_MAIN,
                                     .media = {.payload_type = 96,
                                               .rtx_payload_type = 97,
                                               .ssrc = ssrc_of(p),
                                               .rtx_ssrc = ssrc_of(p) + 1,
                                               .extensions = {.transport_sequence = 1,
                                                              .capture_time = 2,
                                                              .playout_delay = 3,
                                                              .mid = 4},
                                               .mid = CM_TEXT("0"),
                                               .cname = CM_TEXT("casement")},
                                     .events = &VIEWER_EVENTS,
                                     .owner = p};
    p->transport = (cm_webrtc_transport){
        .send_rtp = send_rtp, .send_rtcp = send_rtcp, .flush = flush, .context = p};
    must(cm_lease_create(&terms, c->slot, &lease), "lease");
    must(cm_webrtc_viewer_create(&config, lease, &p->viewer), "viewer");
    must(cm_webrtc_viewer_start(p->viewer), "start");
    cm_timer_init(&p->report, b.loop, on_report);
    cm_timer_start(&p->report, 1000000 + (int64_t)(index * 997 % 1000000));
}

/* ---- sinks ---- */

static void open_sinks(void)
{
    for (size_t i = 0; i < SINKS; i++) {
        const int least = 1;
        socklen_t size = sizeof b.sinks[i];
        const int fd = socket(AF_INET, SOCK_DGRAM, 0);
        b.sinks[i].sin_family = AF_INET;
        b.sinks[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0 ||
            bind(fd, (struct sockaddr *)&b.sinks[i], size) != 0 ||
            getsockname(fd, (struct sockaddr *)&b.sinks[i], &size) != 0)
            bench_die("sink: %s", strerror(errno));
    }
}

/* ---- the least ---- */

typedef struct message {
    struct iovec part;
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
} message;

static void prepare_message(struct mmsghdr *header, message *m, struct sockaddr_in *to,
                            uint16_t size)
{
    header->msg_hdr = (struct msghdr){.msg_name = to,
                                      .msg_namelen = sizeof *to,
                                      .msg_iov = &m->part,
                                      .msg_iovlen = 1,
                                      .msg_control = m->control,
                                      .msg_controllen = sizeof m->control};
    struct cmsghdr *control = CMSG_FIRSTHDR(&header->msg_hdr);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(control), &size, sizeof size);
}

/* CPU seconds for `packets` packets of `size` bytes. */
static double send_bare(uint64_t packets, size_t size)
{
    static uint8_t plain[2048];
    static uint8_t arena[BATCH][SEGMENTS * 2048];
    struct mmsghdr headers[BATCH];
    message messages[BATCH];
    cm_aead **ciphers = make(options.viewers, sizeof(cm_aead *));
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (uint64_t i = 0; i < options.viewers; i++) {
        const uint8_t key[CM_AEAD_KEY_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8)};
        must(cm_aead_create(&ciphers[i]), "cipher");
        must(cm_aead_set_key(ciphers[i], key), "key");
    }
    const int64_t began = bench_cpu_us();
    uint64_t viewer = 0;
    for (uint64_t sent = 0; sent < packets;) {
        for (size_t i = 0; i < BATCH; i++, viewer++) {
            for (size_t k = 0; k < SEGMENTS; k++, sent++) {
                uint8_t nonce[CM_AEAD_NONCE_SIZE] = {0};
                uint8_t *out = arena[i] + k * size;
                memcpy(nonce, &sent, sizeof sent);
                memcpy(out, plain, size - CM_AEAD_TAG_SIZE);
                must(cm_aead_seal(ciphers[viewer % options.viewers], nonce, cm_slice_over(out, 28),
                                  out + 28, size - CM_AEAD_TAG_SIZE - 28),
                     "seal");
            }
            prepare_message(&headers[i], &messages[i], &b.sinks[viewer % SINKS], (uint16_t)size);
            messages[i].part = (struct iovec){.iov_base = arena[i], .iov_len = SEGMENTS * size};
        }
        if (sendmmsg(fd, headers, BATCH, 0) < 0)
            bench_die("sendmmsg: %s", strerror(errno));
    }
    return (double)(bench_cpu_us() - began) / 1e6;
}

/* ---- from beginning to end ---- */

static int by_value(const void *left, const void *right)
{
    const int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;
    return (l > r) - (l < r);
}

static void report(void)
{
    const double bytes = (double)(b.sent.bytes - b.before.bytes);
    const uint64_t packets = b.sent.packets - b.before.packets;
    const uint64_t datagrams = b.sent.datagrams - b.before.datagrams;
    const double ours = (double)(bench_cpu_us() - b.cpu_us) / 1e6 / bytes * 1e9;
    const double bare = send_bare(packets, (size_t)(bytes / (double)packets)) / bytes * 1e9;
    qsort(b.late_us, b.late_count, sizeof *b.late_us, by_value);
    printf("{\"cpu_s_per_gb\": %.3f, \"bare_cpu_s_per_gb\": %.3f, \"share\": %.2f, "
           "\"packets_per_datagram\": %.2f, \"late_ms_p99\": %.2f, \"viewer_bytes\": %zu, "
           "\"mbit_per_viewer\": %.2f}\n",
           ours, bare, bare / ours, (double)packets / (double)datagrams,
           (double)b.late_us[b.late_count * 99 / 100] / 1000, b.viewer_bytes,
           bytes * 8 / 1e6 / (double)options.seconds / (double)options.viewers);
}

static void on_phase(cm_timer *timer)
{
    if (b.is_measuring) {
        report();
        fflush(stdout);
        _exit(0); /* what is open ends with the process */
    }
    b.is_measuring = true;
    b.before = b.sent;
    b.cpu_us = bench_cpu_us();
    cm_timer_start(timer, (int64_t)options.seconds * 1000000);
}

static void prepare(void)
{
    b.random = cm_random_system();
    must(cm_loop_create(&(cm_loop_config){.index = 0}, &b.loop), "loop");
    must(cm_epoch_page_create(options.cameras, &b.page), "page");
    must(cm_hub_create(&(cm_hub_config){.loop = b.loop, .page = b.page}, &b.hub), "hub");
    must(cm_net_create(b.loop, &b.net), "net");
    cm_udp_config config = {.on_datagrams = ignore_datagrams};
    must(cm_address_parse(CM_TEXT("127.0.0.1"), 0, &config.local), "address");
    must(cm_udp_open(b.net, &config, &b.udp), "socket");
    open_sinks();
    b.cameras = make(options.cameras, sizeof *b.cameras);
    b.peers = make(options.viewers, sizeof *b.peers);
    for (uint64_t i = 0; i < options.cameras; i++)
        open_camera(&b.cameras[i], i);
    for (uint64_t i = 0; i < options.viewers; i++)
        open_session(&b.peers[i], i);
    const size_t before = mallinfo2().uordblks;
    for (uint64_t i = 0; i < options.viewers; i++)
        open_viewer(&b.peers[i], i);
    b.viewer_bytes = (mallinfo2().uordblks - before) / options.viewers;
}

int main(int argc, char **argv)
{
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "viewers", .number = &options.viewers},
                                              {.name = "cameras", .number = &options.cameras},
                                              {.name = "seconds", .number = &options.seconds},
                                              {.name = "lost", .number = &options.lost},
                                              {0}});
    if (options.viewers == 0 || options.cameras == 0 || options.seconds == 0 ||
        options.seconds > 50)
        bench_die("viewers and cameras: at least 1; seconds: 1 to 50, a lease lasts no longer");
    prepare();
    cm_timer_init(&b.phase, b.loop, on_phase);
    cm_timer_start(&b.phase, WARM_US);
    cm_loop_run(b.loop);
    return 1;
}
