/* net_sim_priv: what the files of the simulated network share. */
#pragma once

#include "net/net_priv.h"
#include "net/sim.h"

enum {
    CM_SIM_BUCKETS = 512,
    CM_SIM_TCP_PACKET = 1460,
};

/* What lies between two addresses. Direction 0 is from the lesser one. */
typedef struct cm_sim_link {
    cm_list node;
    cm_address a, b; /* a is the lesser */
    cm_sim_path path;
    cm_instant busy_until[2]; /* the last byte accepted leaves then */
} cm_sim_link;

typedef struct cm_sim_host cm_sim_host;
typedef struct cm_sim_nat cm_sim_nat;

/* An address that somebody has, or was sent something. */
typedef struct cm_sim_site {
    cm_list node;
    cm_address address;     /* port 0 */
    cm_sim_host *host;      /* NULL: nobody */
    cm_sim_nat *nat;        /* whose outside this is; NULL: none's. Freed with the site */
    cm_sim_nat *nat_before; /* through which this host sends; NULL: none */
    uint64_t connects;
    uint64_t bytes;
} cm_sim_site;

struct cm_sim_network {
    cm_sim *sim;
    cm_random random;
    cm_list links[CM_SIM_BUCKETS];
    cm_list sites[CM_SIM_BUCKETS];
    cm_list names;
};

struct cm_sim_host {
    cm_net net;
    cm_sim_network *network;
    cm_sim_site *site;
    struct cm_udp **udp_by_port; /* 65,536 of them */
    cm_list packets;             /* datagrams on their way here */
    cm_list listeners;
    cm_list ends;   /* TCP ends here, also closed ones whose bytes are under way */
    cm_list closed; /* cm_sim_closed: freed after the callbacks of this turn */
    cm_timer reaper;
    uint16_t next_port; /* for TCP connections made from here */
};

typedef struct cm_sim_closed {
    cm_list node;
    void *memory;
} cm_sim_closed;

cm_sim_host *cm_sim_host_of(cm_net *net);
void cm_sim_free_later(cm_sim_host *host, cm_sim_closed *closed, void *memory);
cm_sim_site *cm_sim_site_of(cm_sim_network *network, const cm_address *address);
/* The site that `address` means when `host` says it: loopback is itself. */
cm_sim_site *cm_sim_site_seen_by(cm_sim_host *host, const cm_address *address);
cm_sim_link *cm_sim_link_of(cm_sim_network *network, const cm_address *a, const cm_address *b);
/* May `host` bind this address: its own, unspecified, or loopback? */
bool cm_sim_may_bind(const cm_sim_host *host, const cm_address *address);
/* Does something bound to `bound` on `host` get what was sent to `to`? Ports are equal. */
bool cm_sim_reaches(const cm_address *bound, const cm_address *to);

/* Puts `size` bytes on the link in the direction away from `from`: when the last one arrives. */
cm_instant cm_sim_send(cm_sim_network *network, cm_sim_link *link, const cm_address *from,
                       cm_instant now, size_t size);
/* Draws: is a packet of this link lost? */
bool cm_sim_is_lost(cm_sim_network *network, const cm_sim_link *link);

/* Where a datagram says it comes from, outside. */
cm_address cm_sim_nat_out(cm_sim_nat *nat, const cm_address *from, const cm_address *to,
                          cm_instant now);
/* Whom one gets that was sent to `*to`, outside; then that is his own address. NULL: nobody. */
cm_sim_host *cm_sim_nat_in(cm_sim_nat *nat, const cm_address *from, cm_instant now, cm_address *to);
void cm_sim_nat_destroy(cm_sim_nat *nat);

cm_status cm_sim_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us, cm_tcp **out);
cm_status cm_sim_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out);
cm_status cm_sim_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out);
void cm_sim_tcp_pause(cm_tcp *tcp, bool is_paused);
void cm_sim_tcp_limit_unsent(cm_tcp *tcp, size_t bytes);
size_t cm_sim_tcp_unacknowledged(const cm_tcp *tcp);
void cm_sim_tcp_close(cm_tcp *tcp, bool is_reset);
void cm_sim_tcp_end_all(cm_sim_host *host); /* the host goes: as if its power was cut */
cm_status cm_sim_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                               cm_tcp_listener **out);
void cm_sim_listener_close(cm_tcp_listener *listener);

cm_status cm_sim_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out);
cm_status cm_sim_udp_connect(cm_udp *udp, const cm_address *peer);
cm_status cm_sim_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                          size_t *sent_out);
void cm_sim_udp_close(cm_udp *udp);
void cm_sim_udp_end_all(cm_sim_host *host);
