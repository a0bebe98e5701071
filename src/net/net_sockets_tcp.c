/* TCP connections on sockets. */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loop/watch.h"
#include "net/net_sockets_priv.h"

enum {
    LINGER_SECONDS = 2,
    LINGER_BYTES = 1 << 20, /* that are read for the peer's sake after we have closed */
};

typedef enum tcp_state {
    TCP_CONNECTING,
    TCP_FAILING, /* on_connected with `failure` comes next turn */
    TCP_FAILED,  /* said so; waits to be closed */
    TCP_OPEN,
    TCP_LINGERING, /* closed by its owner, reading until the peer has */
    TCP_CLOSED,
} tcp_state;

typedef struct sockets_tcp {
    cm_tcp tcp;
    int fd;
    tcp_state state;
    cm_status failure;
    cm_watch *watch;
    cm_timer timer; /* connecting: gives up; failing: tells; lingering: gives up */
    bool is_paused;
    bool has_ended; /* read has said CM_CLOSE */
    bool waits_to_write;
    size_t unsent_max; /* 0: no limit */
    size_t unsent;   /* at most so many bytes are, by the last answer and what was written since */
    size_t lingered; /* bytes read and thrown away */
    void (*left)(void *listener);
    void *listener;
    cm_list node; /* of the net's lingering ones */
    cm_sockets_object object;
} sockets_tcp;

static sockets_tcp *of(const cm_tcp *tcp)
{
    return CM_HOLDER(tcp, sockets_tcp, tcp);
}

/* Lets go of everything but the memory. */
static void finish(sockets_tcp *t)
{
    t->state = TCP_CLOSED;
    cm_timer_stop(&t->timer);
    cm_list_remove(&t->node);
    cm_watch_close(t->watch);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    if (t->left != NULL)
        t->left(t->listener);
    cm_sockets_free_later(t->tcp.net, &t->object, t);
}

static void want(sockets_tcp *t)
{
    unsigned events = 0;
    if (t->state == TCP_CONNECTING || (t->state == TCP_OPEN && t->waits_to_write))
        events |= CM_WATCH_WRITE;
    if (t->state == TCP_LINGERING || (t->state == TCP_OPEN && !t->is_paused && !t->has_ended))
        events |= CM_WATCH_READ;
    cm_watch_want(t->watch, events);
}

/* ---- connecting ---- */

/* What an error of connect means to its caller. */
static cm_status status_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
        return CM_REFUSE;
    case ETIMEDOUT:
        return CM_RETRY;
    default:
        return CM_ABSENT;
    }
}

static void tell_failure(sockets_tcp *t, cm_status failure)
{
    cm_timer_stop(&t->timer);
    t->state = TCP_FAILED;
    if (t->watch != NULL)
        want(t);
    if (t->tcp.events.on_connected != NULL)
        t->tcp.events.on_connected(t->tcp.owner, failure);
}

static void finish_connecting(sockets_tcp *t)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0) {
        tell_failure(t, status_of(error));
        return;
    }
    cm_timer_stop(&t->timer);
    t->state = TCP_OPEN;
    t->tcp.local = cm_sockaddr_local_of(t->fd);
    want(t);
    if (t->tcp.events.on_connected != NULL)
        t->tcp.events.on_connected(t->tcp.owner, CM_OK);
}

/* ---- open ---- */

/* Reads for a peer that has not noticed yet that we have closed: unread bytes would turn our FIN
 * into a reset, and what was written might not arrive. */
static void linger(sockets_tcp *t)
{
    uint8_t scratch[16384];
    const ssize_t size = recv(t->fd, scratch, sizeof scratch, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        cm_watch_drained(t->watch, CM_WATCH_READ);
        return;
    }
    t->lingered += size > 0 ? (size_t)size : 0;
    if (size <= 0 || t->lingered > LINGER_BYTES)
        finish(t);
}

static void on_ready(void *owner, unsigned events)
{
    sockets_tcp *t = owner;
    if (t->state == TCP_CONNECTING) {
        finish_connecting(t);
        return;
    }
    if (t->state == TCP_LINGERING) {
        linger(t);
        return;
    }
    if (t->state == TCP_OPEN && (events & CM_WATCH_WRITE) != 0 && t->waits_to_write) {
        t->waits_to_write = false;
        want(t);
        if (t->tcp.events.on_writable != NULL)
            t->tcp.events.on_writable(t->tcp.owner);
    }
    /* Asked anew: the owner may have closed or paused it. */
    if (t->state == TCP_OPEN && (events & CM_WATCH_READ) != 0 && !t->is_paused && !t->has_ended) {
        if (t->tcp.events.on_readable != NULL)
            t->tcp.events.on_readable(t->tcp.owner);
    }
}

static void on_timer(cm_timer *timer)
{
    sockets_tcp *t = CM_HOLDER(timer, sockets_tcp, timer);
    if (t->state == TCP_LINGERING)
        finish(t);
    else
        tell_failure(t, t->state == TCP_FAILING ? t->failure : CM_RETRY);
}

/* Takes `fd`. */
static cm_status make(cm_net *net, int fd, tcp_state state, sockets_tcp **out)
{
    sockets_tcp *t = calloc(1, sizeof *t);
    if (t == NULL) {
        close(fd);
        return CM_BROKEN;
    }
    t->tcp.net = net;
    t->fd = fd;
    t->state = state;
    cm_timer_init(&t->timer, net->loop, on_timer);
    cm_list_init(&t->node);
    cm_sockets_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    *out = t;
    return CM_OK;
}

static cm_status watch(sockets_tcp *t)
{
    if (cm_watch_create_edge(t->tcp.net->loop, t->fd, on_ready, t, &t->watch) == CM_OK) {
        want(t);
        return CM_OK;
    }
    close(t->fd);
    free(t);
    return CM_BROKEN;
}

cm_status cm_sockets_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us,
                                 cm_tcp **out)
{
    const int fd = cm_sockets_open(to, SOCK_STREAM);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    sockets_tcp *t;
    CM_TRY(make(net, fd, TCP_CONNECTING, &t));
    t->tcp.peer = *to;
    cm_sockaddr address;
    const socklen_t size = cm_sockaddr_from(&address, to);
    if (connect(fd, &address.any, size) != 0 && errno != EINPROGRESS) {
        t->state = TCP_FAILING;
        t->failure = status_of(errno);
        cm_timer_start(&t->timer, 0);
    } else {
        CM_TRY(watch(t));
        cm_timer_start(&t->timer, timeout_us);
    }
    *out = &t->tcp;
    return CM_OK;
}

cm_status cm_sockets_tcp_accepted(cm_net *net, int fd, void (*left)(void *listener), void *listener,
                                  cm_tcp **out)
{
    sockets_tcp *t;
    CM_TRY(make(net, fd, TCP_OPEN, &t));
    t->is_paused = true;
    t->tcp.peer = cm_sockaddr_peer_of(fd);
    t->tcp.local = cm_sockaddr_local_of(fd);
    CM_TRY(watch(t));
    t->left = left;
    t->listener = listener;
    *out = &t->tcp;
    return CM_OK;
}

cm_status cm_sockets_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out)
{
    sockets_tcp *t = of(tcp);
    if (t->state == TCP_CONNECTING || t->state == TCP_FAILING)
        return CM_RETRY;
    CM_ENSURE(t->state == TCP_OPEN && !t->has_ended, CM_CLOSE);
    const ssize_t size = recv(t->fd, out, capacity, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (errno == EAGAIN)
            cm_watch_drained(t->watch, CM_WATCH_READ);
        return CM_RETRY;
    }
    if (size <= 0) {
        t->has_ended = true;
        want(t);
        return CM_CLOSE;
    }
    if ((size_t)size < capacity)
        cm_watch_drained(t->watch, CM_WATCH_READ);
    *size_out = (size_t)size;
    return CM_OK;
}

/* The owner wants to hear when there is room again. */
static void wait_to_write(sockets_tcp *t)
{
    /* Asking the kernel has it tell us (an edge) when room appears; without a refused send it would
     * not. If there is room already, the event holds on and comes next turn. */
    struct pollfd ask = {.fd = t->fd, .events = POLLOUT};
    if (poll(&ask, 1, 0) == 0)
        cm_watch_drained(t->watch, CM_WATCH_WRITE);
    t->waits_to_write = true;
    want(t);
}

/* How much a write of `wanted` bytes may take now, by the limit on unsent bytes. The kernel is
 * asked only when what is known does not leave room for all of it. */
static size_t room(sockets_tcp *t, size_t wanted)
{
    int unsent = 0;
    if (t->unsent_max == 0)
        return SIZE_MAX;
    if (t->unsent >= t->unsent_max || wanted > t->unsent_max - t->unsent) {
        if (ioctl(t->fd, SIOCOUTQNSD, &unsent) != 0 || unsent < 0)
            return SIZE_MAX;
        t->unsent = (size_t)unsent;
    }
    return t->unsent < t->unsent_max ? t->unsent_max - t->unsent : 0;
}

/* What follows the first `skipped` bytes of `parts`, at most `most` of it. Returns how many
 * vectors. */
static size_t gather(const cm_slice *parts, size_t count, size_t skipped, size_t most,
                     struct iovec *out)
{
    size_t used = 0;
    for (size_t i = 0; i < count && most > 0; i++) {
        const cm_slice rest = cm_slice_from(parts[i], skipped);
        const cm_slice part = cm_slice_part(rest, 0, most);
        skipped -= parts[i].size - rest.size;
        most -= part.size;
        if (part.size > 0)
            out[used++] =
                (struct iovec){.iov_base = (void *)(uintptr_t)part.bytes, .iov_len = part.size};
    }
    return used;
}

/* CM_OK and what the kernel took of the vectors, which may be nothing; or CM_CLOSE. */
static cm_status send_vectors(sockets_tcp *t, struct iovec *vectors, size_t count, size_t *sent_out)
{
    const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    ssize_t size;
    do {
        size = sendmsg(t->fd, &message, MSG_NOSIGNAL);
    } while (size < 0 && errno == EINTR);
    CM_ENSURE(size >= 0 || errno == EAGAIN, CM_CLOSE);
    *sent_out = size > 0 ? (size_t)size : 0;
    t->unsent += *sent_out;
    return CM_OK;
}

/* In as many sends as the limit on unsent bytes asks for: a picture larger than the limit goes out
 * at once to a peer who takes it that fast. */
cm_status cm_sockets_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out)
{
    sockets_tcp *t = of(tcp);
    if (t->state == TCP_CONNECTING || t->state == TCP_FAILING)
        return CM_RETRY;
    CM_ENSURE(t->state == TCP_OPEN, CM_CLOSE);
    struct iovec vectors[CM_NET_PARTS_MAX];
    size_t total = 0;
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    while (taken < total) {
        const size_t left = total - taken;
        const size_t may_go = room(t, left);
        const size_t offered = may_go < left ? may_go : left;
        size_t sent = 0;
        if (offered > 0)
            CM_TRY(send_vectors(t, vectors, gather(parts, count, taken, offered, vectors), &sent));
        taken += sent;
        if (sent == 0 || sent < offered)
            break;
    }
    if (taken < total)
        wait_to_write(t);
    CM_ENSURE(taken > 0 || total == 0, CM_RETRY);
    *size_out = taken;
    return CM_OK;
}

void cm_sockets_tcp_pause(cm_tcp *tcp, bool is_paused)
{
    sockets_tcp *t = of(tcp);
    t->is_paused = is_paused;
    if (t->state == TCP_OPEN)
        want(t);
}

void cm_sockets_tcp_limit_unsent(cm_tcp *tcp, size_t bytes)
{
    sockets_tcp *t = of(tcp);
    t->unsent_max = bytes;
    /* So that "writable" means less than half of it is left; the limit itself is kept by room(). */
    cm_sockets_set(t->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                   bytes < INT32_MAX ? (int)bytes : INT32_MAX);
}

size_t cm_sockets_tcp_unacknowledged(const cm_tcp *tcp)
{
    int bytes = 0;
    if (of(tcp)->fd < 0 || ioctl(of(tcp)->fd, SIOCOUTQ, &bytes) != 0 || bytes < 0)
        return 0;
    return (size_t)bytes;
}

void cm_sockets_reset_fd(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

void cm_sockets_tcp_close(cm_tcp *tcp, bool is_reset)
{
    sockets_tcp *t = of(tcp);
    assert(t->state != TCP_LINGERING && t->state != TCP_CLOSED);
    if (is_reset) {
        cm_watch_close(t->watch);
        t->watch = NULL;
        cm_sockets_reset_fd(t->fd);
        t->fd = -1;
    }
    const bool may_linger = !is_reset && t->state == TCP_OPEN && !t->has_ended;
    if (!may_linger || shutdown(t->fd, SHUT_WR) != 0) {
        finish(t);
        return;
    }
    t->state = TCP_LINGERING;
    want(t);
    cm_timer_start(&t->timer, CM_SECONDS(LINGER_SECONDS));
    cm_list_add_last(&cm_sockets_net_of(t->tcp.net)->lingering, &t->node);
}

void cm_sockets_tcp_end_lingering(cm_sockets_net *net)
{
    CM_LIST_EACH(&net->lingering, node, next)
    finish(CM_HOLDER(node, sockets_tcp, node));
}
