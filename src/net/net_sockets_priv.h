/* net_sockets_priv: what the files of the socket back end share. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/net_priv.h"

typedef struct cm_udp_batch cm_udp_batch;

typedef struct cm_sockets_net {
    cm_net net;
    cm_list closed;        /* cm_sockets_object: freed when the turn's callbacks are through */
    cm_list lingering;     /* cm_sockets_tcp.node: closed by their owner, the peer not yet */
    cm_timer reaper;       /* frees what is closed */
    cm_udp_batch *batch;   /* where datagrams are received; NULL until the first UDP socket */
    cm_instant complained; /* when the lack of descriptors was logged */
} cm_sockets_net;

/* The last part of each object: memory that outlives the callback in which it was closed. */
typedef struct cm_sockets_object {
    cm_list node;
    void *memory;
} cm_sockets_object;

cm_sockets_net *cm_sockets_net_of(cm_net *net);
/* Frees `object->memory` after the callbacks of this turn. */
void cm_sockets_free_later(cm_net *net, cm_sockets_object *object, void *memory);

typedef union cm_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
} cm_sockaddr;

socklen_t cm_sockaddr_from(cm_sockaddr *out, const cm_address *address);
/* False if it is no IP address. */
bool cm_sockaddr_to(const cm_sockaddr *from, cm_address *out);
cm_address cm_sockaddr_local_of(int fd);
cm_address cm_sockaddr_peer_of(int fd);

/* Non-blocking, closed on exec; IPv6 only when IPv6. Negative if there is none to be had. */
int cm_sockets_open(const cm_address *like, int type);
/* Binds it; else what errno means to the asker: CM_RETRY in use, CM_REFUSE. */
cm_status cm_sockets_bind(int fd, const cm_address *local);
void cm_sockets_set(int fd, int level, int option, int value);

cm_status cm_sockets_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us,
                                 cm_tcp **out);
cm_status cm_sockets_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out);
cm_status cm_sockets_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out);
void cm_sockets_tcp_pause(cm_tcp *tcp, bool is_paused);
void cm_sockets_tcp_limit_unsent(cm_tcp *tcp, size_t bytes);
size_t cm_sockets_tcp_unacknowledged(const cm_tcp *tcp);
void cm_sockets_tcp_close(cm_tcp *tcp, bool is_reset);
/* An accepted descriptor, which it takes; `left` is called with `listener` when it is closed. */
cm_status cm_sockets_tcp_accepted(cm_net *net, int fd, void (*left)(void *listener), void *listener,
                                  cm_tcp **out);
void cm_sockets_tcp_end_lingering(cm_sockets_net *net);
/* Closes with RST: for a connection nobody wants. */
void cm_sockets_reset_fd(int fd);

cm_status cm_sockets_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                                   cm_tcp_listener **out);
void cm_sockets_listener_close(cm_tcp_listener *listener);

cm_status cm_sockets_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out);
cm_status cm_sockets_udp_connect(cm_udp *udp, const cm_address *peer);
cm_status cm_sockets_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                              size_t *sent_out);
void cm_sockets_udp_close(cm_udp *udp);
void cm_udp_batch_destroy(cm_udp_batch *batch);

cm_status cm_sockets_look_up(cm_resolve *resolve, const char *host);
void cm_sockets_look_up_forget(cm_resolve *resolve);
