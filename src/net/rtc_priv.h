/*
 * rtc_priv: the parts of an endpoint: sockets and candidates (rtc.c), what arrives (rtc_receive.c),
 * who is known by which name and address (rtc_pairs.c), sessions from beginning to end
 * (rtc_session.c), what is sent (rtc_send.c), connections (rtc_tcp.c), servers that help
 * (rtc_gather.c), checks of full agents (rtc_checks.c). Only these include it.
 */
#pragma once

#include "base/buffer.h"
#include "base/list.h"
#include "net/ice_agent.h"
#include "net/rtc.h"

enum {
    CM_RTC_PAIRS_MAX = 8,     /* of a session; the one least recently heard gives way */
    CM_RTC_MESSAGES_MAX = 32, /* of a batch; from 16 on more cost the same per packet */
    CM_RTC_PACKETS_MAX = 16,  /* of a message: an ordinary picture, which goes in one go anyhow */
    CM_RTC_ARENA_SIZE = 256 * 1024, /* stays in a processor's own cache until it is sent */
    CM_RTC_DATAGRAM_MAX = 2048,     /* of RTP and RTCP that arrive, and of any frame on TCP */
    CM_RTC_STRANGERS_MAX = 64,      /* connections without an authentic check */
};

/* ---- ports and ways ---- */

typedef struct cm_rtc_port {
    cm_rtc_endpoint *endpoint;
    cm_udp *udp;
    cm_tcp_listener *listener; /* NULL: UDP alone */
    cm_address local;          /* may be all addresses of a family */
} cm_rtc_port;

/* A way between the peer and us: which of our ports, which of our addresses, and its address. */
typedef struct cm_rtc_route {
    cm_rtc_port *port;
    struct cm_rtc_stream *stream; /* NULL: UDP */
    bool is_relayed;              /* by the TURN server; `local` is its address for us */
    cm_address local;
    cm_address peer;
} cm_rtc_route;

/* A connection of a peer's. */
typedef struct cm_rtc_stream {
    cm_list node; /* in one of the endpoint's three lists */
    cm_rtc_route route;
    cm_tcp *tcp;     /* NULL: closed */
    cm_timer timer;  /* until proven: the end of our patience */
    unsigned frames; /* until then */
    bool is_proven;  /* an authentic check came by it; then it lives as long as its pair */
    cm_buffer in;
    cm_buffer out;
} cm_rtc_stream;

/* ---- the arena ---- */

/* Packets of one session to one address, one behind the other in the arena. */
typedef struct cm_rtc_message {
    cm_rtc_session *session; /* NULL: destroyed meanwhile; it is not sent */
    cm_rtc_route route;
    size_t offset;
    size_t size;
    uint16_t packet_size; /* of each but the last */
    unsigned packets;
    bool is_closed; /* the last one was shorter: none may follow */
} cm_rtc_message;

typedef struct cm_rtc_arena {
    cm_rtc_message messages[CM_RTC_MESSAGES_MAX];
    size_t count;
    size_t used;
    uint8_t bytes[CM_RTC_ARENA_SIZE];
} cm_rtc_arena;

/* ---- who is known ---- */

/* Chains by a hash under a random key, so that nobody outside can choose what collides. */
typedef struct cm_rtc_table {
    cm_list *buckets;
    size_t mask; /* their number, a power of two, less one */
    uint8_t key[16];
} cm_rtc_table;

/* One ufrag of ours. */
typedef struct cm_rtc_name {
    cm_list node; /* in endpoint.names */
    cm_rtc_session *session;
    cm_slice ufrag; /* borrowed from the session's ice */
} cm_rtc_name;

/* A way that a check of the peer's has proven. */
typedef struct cm_rtc_pair {
    cm_list node; /* in endpoint.pairs */
    cm_rtc_session *session;
    bool is_used; /* else this place is free */
    cm_rtc_route route;
    cm_instant heard; /* the last check from there */
} cm_rtc_pair;

/* ---- servers that help ---- */

/* A STUN or TURN server. */
typedef struct cm_rtc_helper {
    struct cm_rtc_gather *gather;
    cm_rtc_server config;
    cm_resolve *resolve; /* while its name is looked up */
    bool is_found;
    bool has_told;     /* in the log, that it is not to be found */
    cm_rtc_port *port; /* through which it is asked: of its family */
    cm_address address;
    cm_timer timer;
    unsigned silent; /* requests without an answer, one after the other */
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];
} cm_rtc_helper;

typedef struct cm_rtc_gather {
    cm_rtc_endpoint *endpoint;
    cm_rtc_helper stun;
    cm_rtc_helper turn;
    cm_slice username, password;
    cm_turn *client; /* NULL: no TURN server, or it is not found yet */
    bool has_reflexive;
    cm_address reflexive;
    cm_address base; /* of ours that it is seen for */
} cm_rtc_gather;

/* What makes a session a full agent. */
typedef struct cm_rtc_checker {
    cm_rtc_session *session;
    cm_ice_agent agent;
    cm_rtc_name name; /* the tag of its transactions */
    cm_timer timer;   /* when its agent has something to do */
    cm_list node;     /* in one of the endpoint's lists of those that wait for their turn */
} cm_rtc_checker;

/* Checks of all sessions together have a pace (RFC 8445 14.2). */
typedef struct cm_rtc_pace {
    cm_list triggered; /* checkers */
    cm_list ordinary;
    cm_instant triggered_at; /* the last ones */
    cm_instant ordinary_at;
    cm_timer timer; /* runs while somebody waits */
} cm_rtc_pace;

/* ---- objects ---- */

struct cm_rtc_endpoint {
    cm_net *net;
    cm_loop *loop;
    const cm_dtls_identity *identity;
    bool takes_tcp;
    cm_stun_hasher *hasher;
    cm_rtc_port ports[CM_RTC_ADDRESSES_MAX];
    size_t port_count;
    cm_address announced[CM_RTC_ADDRESSES_MAX];
    size_t announced_count;
    size_t sessions_max;
    cm_rtc_table names;
    cm_rtc_table pairs;
    cm_list streams;         /* proven ones */
    cm_list strange_streams; /* the others, oldest first */
    size_t strangers;        /* their number */
    cm_list closed_streams;
    cm_timer reap;         /* of the closed ones */
    cm_rtc_gather *gather; /* NULL: all sessions are lite */
    cm_rtc_pace pace;
    cm_rtc_arena *arena;
    cm_timer flush; /* runs while there is something in it */
    cm_rtc_counters counters;
    uint8_t scratch[CM_RTC_DATAGRAM_MAX]; /* where what arrives is unprotected */
};

typedef enum cm_rtc_state {
    CM_RTC_WAITING,     /* for a first check */
    CM_RTC_HANDSHAKING, /* an address is proven; keys or a nomination are missing */
    CM_RTC_CONNECTED,
    CM_RTC_ENDED, /* has no name, address, keys or timer any more */
    CM_RTC_STATES,
} cm_rtc_state;
/* The table of allowed transitions. */
bool cm_rtc_may_turn(cm_rtc_state from, cm_rtc_state to);

struct cm_rtc_session {
    cm_rtc_endpoint *endpoint;
    const cm_rtc_events *events;
    void *owner;
    cm_rtc_state state;
    cm_ice ice;
    cm_rtc_name names[2];
    cm_rtc_pair pairs[CM_RTC_PAIRS_MAX];
    cm_rtc_pair *path; /* where what we send goes; NULL before the first check */
    bool is_nominated; /* the peer chose it */
    bool is_confirmed; /* the peer has shown that it has the keys */
    cm_timer timer;    /* until connected: the end of the wait. Then: when consent may run out */
    cm_rtc_checker *checker; /* NULL: a lite agent */
    cm_dtls *dtls;
    cm_srtp *srtp;            /* NULL before there are keys */
    uint32_t remembered_ssrc; /* whose packets may go once more as they were; 0: none */
    cm_rtc_figures figures;
};

/* ---- rtc_pairs.c ---- */

cm_status cm_rtc_table_init(cm_rtc_table *table, cm_random *random, size_t entries_max);
void cm_rtc_table_deinit(cm_rtc_table *table);

/* Brings the session's names in line with its credentials. */
void cm_rtc_names_update(cm_rtc_session *session);
void cm_rtc_name_add(cm_rtc_endpoint *endpoint, cm_rtc_name *name);
cm_rtc_session *cm_rtc_find_name(const cm_rtc_endpoint *endpoint, cm_slice ufrag);

bool cm_rtc_route_equal(const cm_rtc_route *a, const cm_rtc_route *b);
cm_rtc_pair *cm_rtc_find_pair(const cm_rtc_route *route); /* or NULL */
/* An authentic check of the session came by it. NULL: another session lives there. */
cm_rtc_pair *cm_rtc_prove_pair(cm_rtc_session *session, const cm_rtc_route *route);
/* With its connection, if it has one. */
void cm_rtc_forget_pair(cm_rtc_pair *pair);
/* Names and pairs: nothing that arrives finds the session any more. */
void cm_rtc_forget(cm_rtc_session *session);

/* ---- rtc_receive.c ---- */

void cm_rtc_receive(const cm_rtc_route *route, cm_slice datagram);

/* ---- rtc_session.c: each of these may call events, and these may destroy the session ---- */

/* A check came by this pair. */
void cm_rtc_session_proven(cm_rtc_session *session, cm_rtc_pair *pair, bool is_nominated);
/* An authentic packet, in the clear. */
void cm_rtc_session_deliver(cm_rtc_session *session, cm_slice packet, bool is_rtcp);

/* ---- rtc_send.c ---- */

cm_status cm_rtc_arena_create(cm_rtc_endpoint *endpoint); /* sets endpoint->arena */
void cm_rtc_arena_destroy(cm_rtc_endpoint *endpoint);
/* What of the session waits dies; if `stream` is not NULL, only what waits for that. */
void cm_rtc_arena_drop(const cm_rtc_session *session, const cm_rtc_stream *stream);
/* At once, beside the arena: answers to checks, and DTLS. */
void cm_rtc_send_now(const cm_rtc_route *route, cm_slice datagram);

/* ---- rtc_gather.c ---- */

/* Sets endpoint->gather where a server is named. */
cm_status cm_rtc_gather_create(cm_rtc_endpoint *endpoint, const cm_rtc_endpoint_config *config);
void cm_rtc_gather_destroy(cm_rtc_gather *gather); /* NULL is fine */
/* Takes what a server has sent; false: it is a peer's. */
bool cm_rtc_gather_receive(cm_rtc_port *port, const cm_datagram *datagram);
/* The relay: its port, and the address that it gave us. CM_ABSENT: there is none (now). */
cm_status cm_rtc_relay(const cm_rtc_endpoint *endpoint, cm_address *relayed);
cm_status cm_rtc_relay_send(cm_rtc_endpoint *endpoint, const cm_address *peer, cm_slice datagram);
/* The peer is worth a channel. */
void cm_rtc_relay_bind(cm_rtc_endpoint *endpoint, const cm_address *peer);
/* 0: none. */
uint16_t cm_rtc_relay_channel(cm_rtc_endpoint *endpoint, const cm_address *peer);

/* ---- rtc_checks.c ---- */

void cm_rtc_checks_init(cm_rtc_endpoint *endpoint);
void cm_rtc_checks_deinit(cm_rtc_endpoint *endpoint);
void cm_rtc_checker_destroy(cm_rtc_checker *checker); /* NULL is fine */
/* An authentic check came by this pair, and was answered. As cm_rtc_session_proven(). */
void cm_rtc_checker_checked(cm_rtc_session *session, cm_rtc_pair *pair, const cm_ice_check *check,
                            const cm_ice_outcome *outcome);
/* An answer to a check, perhaps. May call events. */
void cm_rtc_take_answer(const cm_rtc_route *route, const cm_stun_message *answer);

/* ---- rtc_tcp.c ---- */

void cm_rtc_tcp_init(cm_rtc_endpoint *endpoint);
void cm_rtc_tcp_deinit(cm_rtc_endpoint *endpoint);
cm_status cm_rtc_tcp_listen(cm_rtc_port *port); /* on its UDP address; as cm_tcp_listener_open */
void cm_rtc_stream_prove(cm_rtc_stream *stream);
void cm_rtc_stream_close(cm_rtc_stream *stream);
/* Packets of `packet_size` bytes, of which the last may be shorter; returns how many had no room.
 */
unsigned cm_rtc_stream_send(cm_rtc_stream *stream, cm_slice packets, size_t packet_size);
