/* UDP on sockets, in batches. */
#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/watch.h"
#include "net/net_sockets_priv.h"

enum {
    /* Cameras exist that send RTP of 10,000 bytes in IP fragments. */
    SLOT_SIZE = 10240,
    /* So much of one socket before others have their turn: a thousand viewers report 10,000 times a
     * second, whatever a turn of sending to them takes. */
    BATCHES_PER_TURN = 8,
    DRAIN_BATCHES_MAX = 1024, /* more than any receive buffer holds */
    REFUSALS_MAX = 8,         /* in a row, to cut datagrams */
    ASK_AGAIN_EVERY = 1024,   /* datagrams */
};

/* What is said to the kernel about a message beside its bytes, or by it. */
typedef struct control {
    _Alignas(struct cmsghdr)
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
} control;

/* Where the datagrams of one call land; one for all sockets of a net, because none keeps them. */
struct cm_udp_batch {
    struct mmsghdr headers[CM_NET_BATCH_MAX];
    struct iovec vectors[CM_NET_BATCH_MAX];
    cm_sockaddr peers[CM_NET_BATCH_MAX];
    control controls[CM_NET_BATCH_MAX];
    cm_datagram datagrams[CM_NET_BATCH_MAX];
    uint8_t slots[CM_NET_BATCH_MAX][SLOT_SIZE];
};

typedef struct sockets_udp {
    cm_udp udp;
    int fd;
    bool is_connected;
    bool is_wildcard;   /* bound to all addresses */
    bool kernel_cuts;   /* it knows how to, which does not mean that it always will */
    unsigned refusals;  /* in a row, to cut datagrams */
    unsigned cut_by_us; /* datagrams since then */
    cm_watch *watch;
    cm_sockets_object object;
} sockets_udp;

static sockets_udp *of(cm_udp *udp)
{
    return CM_HOLDER(udp, sockets_udp, udp);
}

static cm_udp_batch *make_batch(void)
{
    cm_udp_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    for (size_t i = 0; i < CM_NET_BATCH_MAX; i++) {
        batch->vectors[i] = (struct iovec){.iov_base = batch->slots[i], .iov_len = SLOT_SIZE};
        batch->headers[i].msg_hdr = (struct msghdr){.msg_name = &batch->peers[i],
                                                    .msg_namelen = sizeof batch->peers[i],
                                                    .msg_iov = &batch->vectors[i],
                                                    .msg_iovlen = 1,
                                                    .msg_control = &batch->controls[i],
                                                    .msg_controllen = sizeof batch->controls[i]};
    }
    return batch;
}

void cm_udp_batch_destroy(cm_udp_batch *batch)
{
    free(batch);
}

/* Which address it was sent to. */
static cm_address local_of(const sockets_udp *u, struct msghdr *message)
{
    const uint16_t port = u->udp.local.port;
    if (!u->is_wildcard)
        return u->udp.local;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            cm_slice_copy(cm_slice_over(CMSG_DATA(c), sizeof info), &info, sizeof info);
            return cm_address_make(cm_slice_over(&info.ipi_spec_dst, 4), port);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            cm_slice_copy(cm_slice_over(CMSG_DATA(c), sizeof info), &info, sizeof info);
            return cm_address_make(cm_slice_over(&info.ipi6_addr, 16), port);
        }
    }
    return u->udp.local;
}

/* Fills batch->datagrams; returns how many the kernel gave, or 0. *kept_out: how many are whole. */
static size_t receive(sockets_udp *u, size_t *kept_out)
{
    cm_udp_batch *batch = cm_sockets_net_of(u->udp.net)->batch;
    const int got = recvmmsg(u->fd, batch->headers, CM_NET_BATCH_MAX, MSG_DONTWAIT, NULL);
    *kept_out = 0;
    for (int i = 0; i < got; i++) {
        struct mmsghdr *header = &batch->headers[i];
        cm_datagram *datagram = &batch->datagrams[*kept_out];
        const bool is_whole = (header->msg_hdr.msg_flags & MSG_TRUNC) == 0;
        if (is_whole && cm_sockaddr_to(&batch->peers[i], &datagram->peer)) {
            datagram->bytes = cm_slice_over(batch->slots[i], header->msg_len);
            datagram->local = local_of(u, &header->msg_hdr);
            (*kept_out)++;
        }
        header->msg_hdr.msg_namelen = sizeof batch->peers[i];
        header->msg_hdr.msg_controllen = sizeof batch->controls[i];
    }
    return got > 0 ? (size_t)got : 0;
}

static void on_ready(void *owner, unsigned events)
{
    sockets_udp *u = owner;
    (void)events;
    const cm_udp_config *config = &u->udp.config;
    size_t got = CM_NET_BATCH_MAX;
    /* The owner may have closed it inside. A pending ICMP error is consumed by asking. */
    for (int i = 0; i < BATCHES_PER_TURN && got == CM_NET_BATCH_MAX && u->fd >= 0; i++) {
        size_t count;
        got = receive(u, &count);
        if (count > 0)
            config->on_datagrams(config->owner, cm_sockets_net_of(u->udp.net)->batch->datagrams,
                                 count);
    }
}

/* A system that does not (before Linux 4.18, some sandboxes) may send all segments as one. */
static bool knows_segments(int fd)
{
    int value;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &size) == 0;
}

static void set_buffer(int fd, int which, size_t bytes)
{
    if (bytes > 0)
        cm_sockets_set(fd, SOL_SOCKET, which, bytes < INT32_MAX ? (int)bytes : INT32_MAX);
}

static cm_status start(sockets_udp *u)
{
    const cm_udp_config *config = &u->udp.config;
    CM_TRY(cm_sockets_bind(u->fd, &config->local));
    set_buffer(u->fd, SO_RCVBUF, config->receive_buffer_bytes);
    set_buffer(u->fd, SO_SNDBUF, config->send_buffer_bytes);
    CM_TRY(cm_watch_create(u->udp.net->loop, u->fd, on_ready, u, &u->watch));
    cm_watch_want(u->watch, CM_WATCH_READ);
    u->udp.local = cm_sockaddr_local_of(u->fd);
    u->kernel_cuts = knows_segments(u->fd);
    u->is_wildcard = cm_address_kind_of(&config->local) == CM_ADDRESS_UNSPECIFIED;
    if (u->is_wildcard && config->local.is_v6)
        cm_sockets_set(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    else if (u->is_wildcard)
        cm_sockets_set(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
    return CM_OK;
}

cm_status cm_sockets_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out)
{
    cm_sockets_net *own = cm_sockets_net_of(net);
    if (own->batch == NULL)
        own->batch = make_batch();
    CM_ENSURE(own->batch != NULL, CM_BROKEN);
    sockets_udp *u = calloc(1, sizeof *u);
    CM_ENSURE(u != NULL, CM_BROKEN);
    u->udp.net = net;
    u->udp.config = *config;
    u->fd = cm_sockets_open(&config->local, SOCK_DGRAM);
    const cm_status status = u->fd < 0 ? CM_BROKEN : start(u);
    if (status != CM_OK) {
        if (u->fd >= 0)
            close(u->fd);
        free(u);
        return status;
    }
    *out = &u->udp;
    return CM_OK;
}

cm_status cm_sockets_udp_connect(cm_udp *udp, const cm_address *peer)
{
    sockets_udp *u = of(udp);
    cm_sockaddr address;
    const socklen_t size = cm_sockaddr_from(&address, peer);
    CM_ENSURE(connect(u->fd, &address.any, size) == 0, CM_REFUSE);
    u->is_connected = true;
    u->is_wildcard = false;
    u->udp.local = cm_sockaddr_local_of(u->fd);
    /* What strangers sent before is still queued. */
    size_t kept;
    for (int i = 0; i < DRAIN_BATCHES_MAX && receive(u, &kept) > 0; i++)
        continue;
    return CM_OK;
}

/* ---- sending ---- */

/* Where in the caller's datagrams a message begins. */
typedef struct place {
    size_t datagram;
    size_t offset; /* above 0 only where we cut */
} place;

/* What one call hands to the kernel. */
typedef struct outgoing {
    size_t count;
    bool has_segments[CM_NET_BATCH_MAX]; /* for the kernel to cut */
    place after[CM_NET_BATCH_MAX];       /* where the message that follows begins */
    struct mmsghdr headers[CM_NET_BATCH_MAX];
    struct iovec vectors[CM_NET_BATCH_MAX];
    cm_sockaddr peers[CM_NET_BATCH_MAX];
    control controls[CM_NET_BATCH_MAX];
} outgoing;

static void add_control(struct msghdr *message, int level, int type, cm_slice value)
{
    struct cmsghdr *head = (void *)((uint8_t *)message->msg_control + message->msg_controllen);
    *head =
        (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(value.size)};
    cm_slice_copy(value, CMSG_DATA(head), value.size);
    message->msg_controllen += CMSG_SPACE(value.size);
}

static void add_source(struct msghdr *message, const cm_address *local)
{
    if (local->is_v6) {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        cm_slice_copy(cm_address_bytes(local), &info.ipi6_addr, sizeof info.ipi6_addr);
        add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, cm_slice_over(&info, sizeof info));
    } else {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        cm_slice_copy(cm_address_bytes(local), &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
        add_control(message, IPPROTO_IP, IP_PKTINFO, cm_slice_over(&info, sizeof info));
    }
}

static void add_message(const sockets_udp *u, outgoing *o, const cm_datagram *datagram,
                        cm_slice bytes, place after)
{
    const size_t i = o->count++;
    struct msghdr *message = &o->headers[i].msg_hdr;
    o->vectors[i] =
        (struct iovec){.iov_base = (void *)(uintptr_t)bytes.bytes, .iov_len = bytes.size};
    *message = (struct msghdr){.msg_iov = &o->vectors[i], .msg_iovlen = 1};
    if (!u->is_connected) {
        message->msg_name = &o->peers[i];
        message->msg_namelen = cm_sockaddr_from(&o->peers[i], &datagram->peer);
    }
    message->msg_control = &o->controls[i];
    o->has_segments[i] = datagram->segment_size > 0 && bytes.size > datagram->segment_size;
    if (o->has_segments[i])
        add_control(message, SOL_UDP, UDP_SEGMENT,
                    cm_slice_over(&datagram->segment_size, sizeof datagram->segment_size));
    if (u->is_wildcard && cm_address_kind_of(&datagram->local) != CM_ADDRESS_UNSPECIFIED)
        add_source(message, &datagram->local);
    if (message->msg_controllen == 0)
        message->msg_control = NULL;
    o->after[i] = after;
}

/* Is the next datagram's cutting left to the kernel? Once it has refused several in a row it is
 * asked now and then only: it would refuse all. Now and then, for they may have gone to one peer
 * whose way takes none, and who must not make the others dearer for good. */
static bool may_ask_to_cut(sockets_udp *u)
{
    if (!u->kernel_cuts)
        return false;
    return u->refusals < REFUSALS_MAX || ++u->cut_by_us % ASK_AGAIN_EVERY == 0;
}

/* From `at` on as many messages as one call takes. The datagram `refused` is cut by us. */
static void fill(sockets_udp *u, const cm_datagram *datagrams, size_t count, place at,
                 size_t refused, outgoing *o)
{
    o->count = 0;
    while (at.datagram < count && o->count < CM_NET_BATCH_MAX) {
        const cm_datagram *d = &datagrams[at.datagram];
        const bool is_cut =
            d->segment_size > 0 && (at.offset > 0 || at.datagram == refused || !may_ask_to_cut(u));
        const cm_slice bytes =
            is_cut ? cm_slice_part(d->bytes, at.offset, d->segment_size) : d->bytes;
        at.offset += bytes.size;
        if (at.offset >= d->bytes.size)
            at = (place){.datagram = at.datagram + 1};
        add_message(u, o, d, bytes, at);
    }
}

/* The kernel took the first `taken`. */
static place note_taken(sockets_udp *u, const outgoing *o, size_t taken)
{
    for (size_t i = 0; i < taken; i++) {
        if (o->has_segments[i])
            u->refusals = 0;
    }
    return o->after[taken - 1];
}

/* What the kernel answers where it can't cut: it, or the interface, is not able to (EIO, EINVAL and
 * the others), or a segment is larger than what that way takes whole (EINVAL, EMSGSIZE). */
static bool is_refusal(int error)
{
    return error == EINVAL || error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP ||
           error == EMSGSIZE;
}

static void note_refusal(sockets_udp *u)
{
    if (u->refusals < REFUSALS_MAX && ++u->refusals == REFUSALS_MAX && u->cut_by_us == 0)
        cm_log(CM_LOG_INFO, "net", "event=udp_segments_refused"); /* once a socket */
}

cm_status cm_sockets_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                              size_t *sent_out)
{
    sockets_udp *u = of(udp);
    place at = {0};
    size_t refused = SIZE_MAX;
    bool was_unreachable = false;
    while (at.datagram < count) {
        outgoing o;
        fill(u, datagrams, count, at, refused, &o);
        const int taken =
            sendmmsg(u->fd, o.headers, (unsigned)o.count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken > 0) {
            at = note_taken(u, &o, (size_t)taken);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break;
        } else if (errno == ECONNREFUSED && !was_unreachable) {
            was_unreachable = true; /* the answer to an earlier one, reported now: once more */
        } else if (o.has_segments[0] && is_refusal(errno)) {
            note_refusal(u);
            refused = at.datagram;
        } else if (errno != EINTR) {
            at = o.after[0]; /* lost */
        }
    }
    CM_ENSURE(at.datagram > 0 || count == 0, CM_RETRY);
    *sent_out = at.datagram;
    return CM_OK;
}

void cm_sockets_udp_close(cm_udp *udp)
{
    sockets_udp *u = of(udp);
    cm_watch_close(u->watch);
    close(u->fd);
    u->fd = -1;
    cm_sockets_free_later(udp->net, &u->object, u);
}
