/* The socket back end: the net itself, addresses of the system's kind, and what all sockets need.
 */
#include "net/net_sockets_priv.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/reader.h"
#include "base/writer.h"

/* Ports of the process, whichever loop had them. */
static cm_ports process_ports;

cm_sockets_net *cm_sockets_net_of(cm_net *net)
{
    return CM_HOLDER(net, cm_sockets_net, net);
}

static void reap(cm_timer *timer)
{
    cm_sockets_net *net = CM_HOLDER(timer, cm_sockets_net, reaper);
    CM_LIST_EACH(&net->closed, node, next)
    free(CM_HOLDER(node, cm_sockets_object, node)->memory);
    cm_list_init(&net->closed);
}

void cm_sockets_free_later(cm_net *net, cm_sockets_object *object, void *memory)
{
    cm_sockets_net *own = cm_sockets_net_of(net);
    object->memory = memory;
    cm_list_add_last(&own->closed, &object->node);
    if (!cm_timer_is_running(&own->reaper))
        cm_timer_start(&own->reaper, 0);
}

static void destroy(cm_net *net)
{
    cm_sockets_net *own = cm_sockets_net_of(net);
    assert(net->lookups == 0);
    cm_sockets_tcp_end_lingering(own);
    cm_timer_stop(&own->reaper);
    reap(&own->reaper);
    cm_udp_batch_destroy(own->batch);
    free(own);
}

/* ---- addresses ---- */

socklen_t cm_sockaddr_from(cm_sockaddr *out, const cm_address *address)
{
    *out = (cm_sockaddr){.storage = {.ss_family = AF_UNSPEC}};
    cm_writer port = address->is_v6 ? cm_writer_over(&out->v6.sin6_port, 2)
                                    : cm_writer_over(&out->v4.sin_port, 2);
    cm_write_u16(&port, address->port);
    cm_writer host = address->is_v6 ? cm_writer_over(&out->v6.sin6_addr, 16)
                                    : cm_writer_over(&out->v4.sin_addr, 4);
    cm_write_slice(&host, cm_address_bytes(address));
    out->any.sa_family = address->is_v6 ? AF_INET6 : AF_INET;
    return address->is_v6 ? sizeof out->v6 : sizeof out->v4;
}

bool cm_sockaddr_to(const cm_sockaddr *from, cm_address *out)
{
    const bool is_v6 = from->any.sa_family == AF_INET6;
    if (!is_v6 && from->any.sa_family != AF_INET)
        return false;
    cm_reader port = cm_reader_over(is_v6 ? cm_slice_over(&from->v6.sin6_port, 2)
                                          : cm_slice_over(&from->v4.sin_port, 2));
    *out = cm_address_make(is_v6 ? cm_slice_over(&from->v6.sin6_addr, 16)
                                 : cm_slice_over(&from->v4.sin_addr, 4),
                           cm_read_u16(&port));
    return true;
}

cm_address cm_sockaddr_local_of(int fd)
{
    cm_sockaddr address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t size = sizeof address;
    cm_address out = {.port = 0};
    if (getsockname(fd, &address.any, &size) == 0)
        (void)cm_sockaddr_to(&address, &out);
    return out;
}

cm_address cm_sockaddr_peer_of(int fd)
{
    cm_sockaddr address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t size = sizeof address;
    cm_address out = {.port = 0};
    if (getpeername(fd, &address.any, &size) == 0)
        (void)cm_sockaddr_to(&address, &out);
    return out;
}

static cm_status own_addresses(cm_net *net, cm_address *out, size_t capacity, size_t *count_out)
{
    (void)net;
    struct ifaddrs *first;
    CM_ENSURE(getifaddrs(&first) == 0, CM_BROKEN);
    size_t count = 0;
    for (const struct ifaddrs *i = first; i != NULL && count < capacity; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
            (i->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        cm_sockaddr address = {.any = {.sa_family = i->ifa_addr->sa_family}};
        cm_writer w = cm_writer_over(&address, sizeof address);
        if (i->ifa_addr->sa_family == AF_INET)
            cm_write_slice(&w, cm_slice_over(i->ifa_addr, sizeof address.v4));
        else if (i->ifa_addr->sa_family == AF_INET6)
            cm_write_slice(&w, cm_slice_over(i->ifa_addr, sizeof address.v6));
        else
            continue;
        if (cm_sockaddr_to(&address, &out[count]))
            count++;
    }
    freeifaddrs(first);
    *count_out = count;
    return CM_OK;
}

/* ---- sockets ---- */

int cm_sockets_open(const cm_address *like, int type)
{
    const int family = like->is_v6 ? AF_INET6 : AF_INET;
    const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && like->is_v6)
        cm_sockets_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return fd;
}

cm_status cm_sockets_bind(int fd, const cm_address *local)
{
    cm_sockaddr address;
    const socklen_t size = cm_sockaddr_from(&address, local);
    if (bind(fd, &address.any, size) == 0)
        return CM_OK;
    return errno == EADDRINUSE ? CM_RETRY : CM_REFUSE;
}

void cm_sockets_set(int fd, int level, int option, int value)
{
    /* What is set this way makes things faster or tidier, never right. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static const cm_net_backend BACKEND = {
    .destroy = destroy,
    .own_addresses = own_addresses,
    .look_up = cm_sockets_look_up,
    .look_up_forget = cm_sockets_look_up_forget,
    .tcp_connect = cm_sockets_tcp_connect,
    .tcp_read = cm_sockets_tcp_read,
    .tcp_write = cm_sockets_tcp_write,
    .tcp_pause = cm_sockets_tcp_pause,
    .tcp_limit_unsent = cm_sockets_tcp_limit_unsent,
    .tcp_unacknowledged = cm_sockets_tcp_unacknowledged,
    .tcp_close = cm_sockets_tcp_close,
    .listener_open = cm_sockets_listener_open,
    .listener_close = cm_sockets_listener_close,
    .udp_open = cm_sockets_udp_open,
    .udp_connect = cm_sockets_udp_connect,
    .udp_send = cm_sockets_udp_send,
    .udp_close = cm_sockets_udp_close,
};

cm_status cm_net_create(cm_loop *loop, cm_net **out)
{
    cm_sockets_net *own = calloc(1, sizeof *own);
    CM_ENSURE(own != NULL, CM_BROKEN);
    own->net = (cm_net){.backend = &BACKEND, .loop = loop, .ports = &process_ports};
    cm_list_init(&own->closed);
    cm_list_init(&own->lingering);
    cm_timer_init(&own->reaper, loop, reap);
    own->complained.us = INT64_MIN / 2;
    *out = &own->net;
    return CM_OK;
}
