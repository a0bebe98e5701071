/* Listening for TCP on sockets. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/watch.h"
#include "net/net_sockets_priv.h"

enum {
    BACKLOG = 512,
    ACCEPTS_PER_TURN = 64,
    CONNECTIONS_DEFAULT = 1024,
    PAUSE_MS = 100,
    COMPLAIN_SECONDS = 60,
};

typedef struct sockets_listener {
    cm_tcp_listener listener;
    cm_tcp_listener_config config;
    int fd; /* -1: closed; the memory stays while connections count on it */
    cm_watch *watch;
    cm_timer pause;
    size_t connections;
    bool is_accepting; /* inside on_ready */
    cm_sockets_object object;
} sockets_listener;

static void free_when_unused(sockets_listener *l)
{
    if (l->fd < 0 && l->connections == 0 && !l->is_accepting)
        cm_sockets_free_later(l->listener.net, &l->object, l);
}

static void on_left(void *listener)
{
    sockets_listener *l = listener;
    l->connections--;
    free_when_unused(l);
}

static void on_pause_over(cm_timer *timer)
{
    sockets_listener *l = CM_HOLDER(timer, sockets_listener, pause);
    cm_watch_want(l->watch, CM_WATCH_READ);
}

/* No descriptors or memory left: the backlog waits, and so do we, instead of asking again at once.
 */
static void pause_accepting(sockets_listener *l, int error)
{
    cm_sockets_net *net = cm_sockets_net_of(l->listener.net);
    const cm_instant now = cm_loop_now(net->net.loop);
    if (cm_instant_since(now, net->complained) >= CM_SECONDS(COMPLAIN_SECONDS)) {
        char text[CM_ADDRESS_TEXT_SIZE];
        cm_log(CM_LOG_ERROR, "net", "event=accept_paused listener=%s errno=%d",
               cm_address_format(&l->listener.address, text), error);
        net->complained = now;
    }
    cm_watch_want(l->watch, 0);
    cm_timer_start(&l->pause, CM_MS(PAUSE_MS));
}

static void take(sockets_listener *l, int fd)
{
    cm_tcp *tcp;
    if (l->connections >= l->config.connections_max) {
        cm_sockets_reset_fd(fd);
        return;
    }
    if (cm_sockets_tcp_accepted(l->listener.net, fd, on_left, l, &tcp) != CM_OK)
        return;
    l->connections++;
    l->config.on_accept(l->config.owner, tcp);
}

static void on_ready(void *owner, unsigned events)
{
    sockets_listener *l = owner;
    (void)events;
    l->is_accepting = true;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0; i++) {
        const int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(l, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l, errno);
            break;
        } else if (errno == EAGAIN) {
            break;
        } /* else that connection is gone already: the next */
    }
    l->is_accepting = false;
    free_when_unused(l);
}

static cm_status start(sockets_listener *l)
{
    const cm_tcp_listener_config *config = &l->config;
    cm_sockets_set(l->fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (config->is_shared)
        cm_sockets_set(l->fd, SOL_SOCKET, SO_REUSEPORT, 1);
    CM_ENSURE(cm_sockets_bind(l->fd, &config->address) == CM_OK, CM_REFUSE);
    CM_ENSURE(listen(l->fd, BACKLOG) == 0, CM_REFUSE);
    CM_TRY(cm_watch_create(l->listener.net->loop, l->fd, on_ready, l, &l->watch));
    cm_watch_want(l->watch, CM_WATCH_READ);
    l->listener.address = cm_sockaddr_local_of(l->fd);
    return CM_OK;
}

cm_status cm_sockets_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                                   cm_tcp_listener **out)
{
    sockets_listener *l = calloc(1, sizeof *l);
    CM_ENSURE(l != NULL, CM_BROKEN);
    l->listener.net = net;
    l->config = *config;
    if (config->connections_max == 0)
        l->config.connections_max = CONNECTIONS_DEFAULT;
    cm_timer_init(&l->pause, net->loop, on_pause_over);
    l->fd = cm_sockets_open(&config->address, SOCK_STREAM);
    const cm_status status = l->fd < 0 ? CM_BROKEN : start(l);
    if (status != CM_OK) {
        if (l->fd >= 0)
            close(l->fd);
        free(l);
        return status;
    }
    *out = &l->listener;
    return CM_OK;
}

void cm_sockets_listener_close(cm_tcp_listener *listener)
{
    sockets_listener *l = CM_HOLDER(listener, sockets_listener, listener);
    cm_timer_stop(&l->pause);
    cm_watch_close(l->watch);
    close(l->fd);
    l->fd = -1;
    free_when_unused(l);
}
