/*
 * net: TCP and UDP, never blocking, of one loop. Two back ends: sockets, and a simulated network
 * (net/sim.h) with delay, loss, reordering and rates, for virtual time.
 *
 * An object belongs to the loop of its cm_net. After close or reset its owner hears nothing more
 * and must not touch it. Callbacks never run inside the call that caused them, except those of
 * cm_tcp_read/cm_tcp_write, which cause none.
 */
#pragma once

#include "loop/loop.h"
#include "net/address.h"

typedef struct cm_net cm_net;

cm_status cm_net_create(cm_loop *loop, cm_net **out); /* real sockets */
void cm_net_destroy(cm_net *net);                     /* after all its objects were closed */
cm_loop *cm_net_loop(const cm_net *net);

/* ---- names ---- */

enum { CM_RESOLVE_MAX = 8 };
typedef struct cm_resolve cm_resolve;

/*
 * Looks a host name up in the pool (an address in text form needs no lookup but answers the same
 * way). `on_done` gets up to CM_RESOLVE_MAX addresses with port 0, or CM_ABSENT (no such name) or
 * CM_RETRY, at the latest after 10 s. CM_FULL when 64 are under way or the pool is busy: no
 * callback. What libc would read as an address in an old form ("0177.1", "0x7f.1") is CM_ABSENT.
 */
cm_status cm_net_resolve(cm_net *net, cm_slice host,
                         void (*on_done)(void *owner, cm_status status, const cm_address *found,
                                         size_t count),
                         void *owner, cm_resolve **out);
void cm_resolve_cancel(
    cm_resolve *resolve); /* on_done will not come; NULL is fine; not after on_done */

/* Addresses of this machine's own interfaces, without loopback: read anew at each call. */
cm_status cm_net_own_addresses(cm_net *net, cm_address *out, size_t capacity, size_t *count_out);

/* ---- TCP ---- */

typedef struct cm_tcp cm_tcp;

typedef struct cm_tcp_events {
    void (*on_connected)(void *owner,
                         cm_status status); /* of cm_tcp_connect only: CM_OK, CM_REFUSE (refused),
                                               CM_ABSENT (no route), CM_RETRY (timeout) */
    void (*on_readable)(
        void *owner); /* as long as there is something to read, or the end, and not paused */
    void (*on_writable)(void *owner); /* once, after a write that took less than all */
} cm_tcp_events;

/* Gives up after `timeout_us`. On any failed status the object still exists until closed. */
cm_status cm_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us,
                         const cm_tcp_events *events, void *owner, cm_tcp **out);

/* Sets who hears of an accepted connection; before that it is paused. */
void cm_tcp_listen_to(cm_tcp *tcp, const cm_tcp_events *events, void *owner);

/* *size_out > 0 with CM_OK. CM_RETRY: nothing now. CM_CLOSE: the peer's end or an error; nothing
 * more will come, nor on_readable. */
cm_status cm_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out);

/* Takes what the kernel takes, *size_out <= sum of parts (gathered write, at most 64 parts).
 * CM_RETRY when nothing was taken. CM_CLOSE. */
cm_status cm_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out);

/* Pauses or resumes on_readable: back-pressure. */
void cm_tcp_pause(cm_tcp *tcp, bool is_paused);

/* From here on a write takes no more than leaves this many bytes unsent in the kernel, and
 * on_writable comes when fewer than half of them wait (TCP_NOTSENT_LOWAT). */
void cm_tcp_limit_unsent(cm_tcp *tcp, size_t bytes);
/* Bytes given to the kernel that the peer has not acknowledged yet (SIOCOUTQ). */
size_t cm_tcp_unacknowledged(const cm_tcp *tcp);

cm_address cm_tcp_peer(const cm_tcp *tcp);
cm_address cm_tcp_local(const cm_tcp *tcp);

/* What was written still arrives (FIN): up to 2 s what the peer still sends is read and thrown
 * away, lest its arrival reset the connection. NULL is fine. */
void cm_tcp_close(cm_tcp *tcp);
void cm_tcp_reset(cm_tcp *tcp); /* what was written and not sent dies (RST); NULL is fine */

typedef struct cm_tcp_listener cm_tcp_listener;

typedef struct cm_tcp_listener_config {
    cm_address address;     /* port 0: any free one, see cm_tcp_listener_address */
    bool is_shared;         /* SO_REUSEPORT: one listener per loop on the same address */
    size_t connections_max; /* at once on this listener; more are reset. 0 means 1,024 */
    /* `tcp` is the owner's from here on. */
    void (*on_accept)(void *owner, cm_tcp *tcp);
    void *owner;
} cm_tcp_listener_config;

/* CM_REFUSE: the address is in use or not ours. */
cm_status cm_tcp_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                               cm_tcp_listener **out);
cm_address cm_tcp_listener_address(const cm_tcp_listener *listener);
void cm_tcp_listener_close(
    cm_tcp_listener *listener); /* accepted connections live on; NULL is fine */

/* ---- UDP ---- */

typedef struct cm_udp cm_udp;

enum {
    CM_UDP_SEGMENTS_MAX = 64,
    CM_UDP_SEGMENTED_BYTES_MAX = 65507, /* of all segments together */
};

typedef struct cm_datagram {
    cm_slice bytes;  /* borrowed for the callback */
    cm_address peer; /* of received ones; where to, of sent ones on an unconnected socket */
    /* Where a received one was sent to, also on a socket bound to all addresses. Of sent ones on
     * such a socket: which address they leave from, its port apart; unspecified: the system's
     * choice, which on a machine of several may not be the one that was asked. */
    cm_address local;
    /* Of sent ones. 0: `bytes` is one datagram. Else it is cut into datagrams of so many bytes, of
     * which the last may be shorter: the kernel takes them as one (UDP_SEGMENT), at a quarter of
     * the cost where there are eight. */
    uint16_t segment_size;
} cm_datagram;

typedef struct cm_udp_config {
    cm_address local;            /* port 0: any free one */
    size_t receive_buffer_bytes; /* 0: the system's */
    size_t send_buffer_bytes;    /* likewise; the system may give less than asked for */
    /* A batch as it came from the kernel (recvmmsg), at most 64. */
    void (*on_datagrams)(void *owner, const cm_datagram *datagrams, size_t count);
    void *owner;
} cm_udp_config;

/* CM_REFUSE: that port is in use, or the address is not ours. CM_RETRY: no port is free. */
cm_status cm_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out);
/*
 * Two sockets on an even port and the next one (RFC 3550 11), for RTP and RTCP; ports in the
 * configs are ignored. A port that was closed is not chosen again for 60 s, by any loop of the
 * process: late packets of its former camera must not reach another. CM_RETRY: none free.
 */
cm_status cm_udp_open_pair(cm_net *net, const cm_udp_config *rtp, const cm_udp_config *rtcp,
                           cm_udp **rtp_out, cm_udp **rtcp_out);
/* From here on only datagrams of exactly this peer arrive; what came before is thrown away. */
cm_status cm_udp_connect(cm_udp *udp, const cm_address *peer);
/*
 * Best effort, in order; *sent_out of count. CM_RETRY when the kernel is full and took none. One
 * that can't be sent (too large, no route) counts as sent, and lost. Where the kernel does not cut
 * segments, or not on the way to that peer, we do: then it may be full after some of a datagram's;
 * that one counts as not sent, and those arrive twice when it is sent again.
 */
cm_status cm_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count, size_t *sent_out);
cm_address cm_udp_local(const cm_udp *udp);
void cm_udp_close(cm_udp *udp); /* NULL is fine */
