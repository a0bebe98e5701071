/* UDP on sockets, in batches. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/watch.h"
#include "net/net_sockets_priv.h"

enum {
    /* Cameras exist that send RTP of 10,000 bytes in IP fragments. */
    SLOT_SIZE = 10240,
    DRAIN_BATCHES_MAX = 1024, /* more than any receive buffer holds */
};

/* Where the datagrams of one call land; one for all sockets of a net, because none keeps them. */
struct cm_udp_batch {
    struct mmsghdr headers[CM_NET_BATCH_MAX];
    struct iovec vectors[CM_NET_BATCH_MAX];
    cm_sockaddr peers[CM_NET_BATCH_MAX];
    cm_datagram datagrams[CM_NET_BATCH_MAX];
    uint8_t slots[CM_NET_BATCH_MAX][SLOT_SIZE];
};

typedef struct sockets_udp {
    cm_udp udp;
    int fd;
    bool is_connected;
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
                                                    .msg_iovlen = 1};
    }
    return batch;
}

void cm_udp_batch_destroy(cm_udp_batch *batch)
{
    free(batch);
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
            (*kept_out)++;
        }
        header->msg_hdr.msg_namelen = sizeof batch->peers[i];
    }
    return got > 0 ? (size_t)got : 0;
}

static void on_ready(void *owner, unsigned events)
{
    sockets_udp *u = owner;
    (void)events;
    size_t count;
    (void)receive(u, &count); /* a pending ICMP error is consumed by asking */
    const cm_udp_config *config = &u->udp.config;
    if (count > 0)
        config->on_datagrams(config->owner, cm_sockets_net_of(u->udp.net)->batch->datagrams, count);
}

static cm_status start(sockets_udp *u)
{
    const cm_udp_config *config = &u->udp.config;
    CM_TRY(cm_sockets_bind(u->fd, &config->local));
    if (config->receive_buffer_bytes > 0) {
        const size_t bytes = config->receive_buffer_bytes;
        cm_sockets_set(u->fd, SOL_SOCKET, SO_RCVBUF, bytes < INT32_MAX ? (int)bytes : INT32_MAX);
    }
    CM_TRY(cm_watch_create(u->udp.net->loop, u->fd, on_ready, u, &u->watch));
    cm_watch_want(u->watch, CM_WATCH_READ);
    u->udp.local = cm_sockaddr_local_of(u->fd);
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
    u->udp.local = cm_sockaddr_local_of(u->fd);
    /* What strangers sent before is still queued. */
    size_t kept;
    for (int i = 0; i < DRAIN_BATCHES_MAX && receive(u, &kept) > 0; i++)
        continue;
    return CM_OK;
}

/* Hands at most CM_NET_BATCH_MAX to the kernel; returns how many it took, or -1 with errno. */
static int send_some(const sockets_udp *u, const cm_datagram *datagrams, size_t count)
{
    struct mmsghdr headers[CM_NET_BATCH_MAX];
    struct iovec vectors[CM_NET_BATCH_MAX];
    cm_sockaddr peers[CM_NET_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        const cm_slice bytes = datagrams[i].bytes;
        vectors[i] =
            (struct iovec){.iov_base = (void *)(uintptr_t)bytes.bytes, .iov_len = bytes.size};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        if (!u->is_connected) {
            headers[i].msg_hdr.msg_name = &peers[i];
            headers[i].msg_hdr.msg_namelen = cm_sockaddr_from(&peers[i], &datagrams[i].peer);
        }
    }
    return sendmmsg(u->fd, headers, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

cm_status cm_sockets_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                              size_t *sent_out)
{
    const sockets_udp *u = of(udp);
    size_t sent = 0;
    bool was_refused = false;
    while (sent < count) {
        const size_t left = count - sent;
        const int taken =
            send_some(u, &datagrams[sent], left < CM_NET_BATCH_MAX ? left : CM_NET_BATCH_MAX);
        if (taken > 0) {
            sent += (size_t)taken;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break;
        } else if (errno == ECONNREFUSED && !was_refused) {
            was_refused = true; /* the answer to an earlier one, reported now: once more */
        } else if (errno != EINTR) {
            sent++; /* lost */
        }
    }
    CM_ENSURE(sent > 0 || count == 0, CM_RETRY);
    *sent_out = sent;
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
