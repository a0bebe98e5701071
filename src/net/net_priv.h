/*
 * net_priv: what the two back ends of net share. Only net's own files include this.
 *
 * Each back end's objects begin with the common part here, which is all that net.c touches.
 */
#pragma once

#include <stdatomic.h>

#include "net/net.h"

enum {
    CM_NET_PARTS_MAX = 64, /* of a gathered write */
    CM_NET_BATCH_MAX = 64, /* datagrams of one callback */
};

/* When UDP ports were closed, so that none is given out again too early. One for the process on
 * sockets, one per host in the simulator. */
typedef struct cm_ports {
    _Atomic(uint32_t) closed_s[UINT16_MAX + 1]; /* 0: never; else the second since boot, plus 1 */
} cm_ports;

enum { CM_NET_NAME_SIZE = 254 }; /* RFC 1035 2.3.4, with a terminator */

typedef struct cm_net_backend {
    void (*destroy)(cm_net *net);
    cm_status (*own_addresses)(cm_net *net, cm_address *out, size_t capacity, size_t *count_out);
    /* A name that may exist and is no address in text form. Answers by cm_resolve_answer. */
    cm_status (*look_up)(cm_resolve *resolve, const char *host);
    void (*look_up_forget)(cm_resolve *resolve); /* `resolve` will be gone */

    cm_status (*tcp_connect)(cm_net *net, const cm_address *to, int64_t timeout_us, cm_tcp **out);
    cm_status (*tcp_read)(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out);
    cm_status (*tcp_write)(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out);
    void (*tcp_pause)(cm_tcp *tcp, bool is_paused);
    void (*tcp_limit_unsent)(cm_tcp *tcp, size_t bytes);
    size_t (*tcp_unacknowledged)(const cm_tcp *tcp);
    void (*tcp_close)(cm_tcp *tcp, bool is_reset);

    cm_status (*listener_open)(cm_net *net, const cm_tcp_listener_config *config,
                               cm_tcp_listener **out);
    void (*listener_close)(cm_tcp_listener *listener);

    /* With a port that is not 0. CM_RETRY: in use. CM_REFUSE: not our address. */
    cm_status (*udp_open)(cm_net *net, const cm_udp_config *config, cm_udp **out);
    cm_status (*udp_connect)(cm_udp *udp, const cm_address *peer);
    cm_status (*udp_send)(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                          size_t *sent_out);
    void (*udp_close)(cm_udp *udp);
} cm_net_backend;

struct cm_net {
    const cm_net_backend *backend;
    cm_loop *loop;
    cm_ports *ports;
    size_t lookups; /* under way */
};

struct cm_tcp {
    cm_net *net;
    cm_tcp_events events;
    void *owner;
    cm_address peer;
    cm_address local;
};

struct cm_tcp_listener {
    cm_net *net;
    cm_address address;
};

struct cm_udp {
    cm_net *net;
    cm_udp_config config;
    cm_address local;
};

/* One lookup, freed when it was answered or cancelled. */
struct cm_resolve {
    cm_net *net;
    void (*on_done)(void *owner, cm_status status, const cm_address *found, size_t count);
    void *owner;
    cm_timer timer;   /* answers what is known at once; else the bound on the lookup's time */
    bool is_known;    /* an address in text form, or not a name at all */
    cm_status status; /* if known */
    cm_address found; /* if known */
    void *lookup;     /* the back end's; NULL when it has none under way */
};

/* Frees the lookup, then tells its owner. Not inside look_up. */
void cm_resolve_answer(cm_resolve *resolve, cm_status status, const cm_address *found,
                       size_t count);

void cm_ports_note_close(cm_ports *ports, uint16_t port, cm_instant now);
