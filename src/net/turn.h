/*
 * turn: a client of a TURN server (RFC 8656) over UDP, with long-term credentials: one allocation,
 * and the peers that datagrams are exchanged with through it. It asks until it has an allocation,
 * keeps it, and asks again when it is lost; what a server refuses is logged by name, once.
 *
 * It has no socket: what comes from the server's address is given to it, what it has to say is
 * handed out. So the port of an endpoint serves both for its peers and for the server, and who
 * needs no relay sees the same address.
 *
 * Bounds: CM_TURN_PEERS_MAX peers, each an address that the owner has named; those unused for two
 * minutes are forgotten, and of others nothing is taken, whatever the server passes on.
 *
 * Owner: one loop, all on its thread.
 */
#pragma once

#include "loop/loop.h"
#include "net/address.h"

enum {
    CM_TURN_PEERS_MAX = 256,
    CM_TURN_DATA_MAX = 1400, /* bytes to a peer, in one datagram */
    CM_TURN_TEXT_MAX = 256,  /* bytes of a user's name, of a password, a realm or a nonce */
};

typedef struct cm_turn_counters {
    uint64_t allocations; /* got */
    uint64_t losses;      /* of those, to the server's refusal or silence */
    uint64_t refusals;    /* answers that mean to ask again later */
    uint64_t forbidden;   /* peers that the server has no permission for */
    uint64_t data_in;     /* datagrams handed on */
    uint64_t data_out;
    uint64_t strangers; /* data of an address that nobody has named */
    uint64_t malformed; /* or no answer to anything */
} cm_turn_counters;

/* On the loop. None may destroy the client. */
typedef struct cm_turn_events {
    /* To the server's address. At any time, also inside calls. */
    void (*on_send)(void *owner, cm_slice datagram);
    /* There is an allocation, or none any more: never inside a call but cm_turn_receive. */
    void (*on_change)(void *owner);
    /* From a named peer, borrowed. Inside cm_turn_receive. */
    void (*on_data)(void *owner, const cm_address *peer, cm_slice data);
} cm_turn_events;

typedef struct cm_turn_config {
    cm_loop *loop;
    cm_slice username; /* copied, as the password; at most CM_TURN_TEXT_MAX bytes */
    cm_slice password;
    cm_slice name;              /* of the server, for the log; borrowed for life */
    cm_turn_counters *counters; /* where it counts; likewise */
    const cm_turn_events *events;
    void *owner;
} cm_turn_config;

typedef struct cm_turn cm_turn;

/* Begins to ask in the next turn. CM_REFUSE: a name or password that is none. CM_BROKEN. */
cm_status cm_turn_create(const cm_turn_config *config, cm_turn **out);
/* Gives the allocation back, in one datagram. NULL is fine. */
void cm_turn_destroy(cm_turn *turn);

/* What came from the server's address, but for answers to Binding requests. */
void cm_turn_receive(cm_turn *turn, cm_slice datagram);

/* The address that peers reach us by, and as which the server sees us. CM_ABSENT: no allocation. */
cm_status cm_turn_addresses(const cm_turn *turn, cm_address *relayed, cm_address *mapped);

/*
 * Names a peer: the server is asked to let its address through. Calling it again keeps it known.
 * CM_OK: it may be sent to. CM_RETRY: not yet. CM_REFUSE: the server won't have it, or it is of
 * another family than the allocation. CM_FULL: all places are in use. CM_ABSENT: no allocation.
 */
cm_status cm_turn_permit(cm_turn *turn, const cm_address *peer);
/* As above, and also wants a channel to it: 4 bytes before each datagram instead of some 40. */
cm_status cm_turn_bind(cm_turn *turn, const cm_address *peer);
/* The number of the channel to that peer; 0: none (yet). Counts as use. */
uint16_t cm_turn_channel(cm_turn *turn, const cm_address *peer);
/* Sends to a peer as cm_turn_permit() says; CM_REFUSE also where it is larger than
 * CM_TURN_DATA_MAX. */
cm_status cm_turn_send(cm_turn *turn, const cm_address *peer, cm_slice data);
