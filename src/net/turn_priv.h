/* turn_priv: the parts of the client: the allocation and all messages (turn.c), the peers
 * (turn_peers.c). Only these include it. */
#pragma once

#include "base/list.h"
#include "net/turn.h"
#include "proto/stun/channel.h"
#include "proto/stun/stun.h"

enum {
    CM_TURN_BUCKETS = 64,
    CM_TURN_TRIES = 5,    /* of a request, 500 ms and then twice as long apart */
    CM_TURN_RENEWALS = 3, /* of the nonce, in one request */
    CM_TURN_REQUEST_MAX = 1536,
};

/* A request under way. It is written anew for each try, from what it is about. */
typedef struct cm_turn_request {
    unsigned tries; /* made; 0: none is under way */
    unsigned renewals;
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];
} cm_turn_request;

typedef enum cm_turn_peer_state {
    CM_TURN_PEER_FREE,
    CM_TURN_PEER_ASKING,
    CM_TURN_PEER_PERMITTED,
    CM_TURN_PEER_FORBIDDEN, /* kept for a while, so that it is not asked for again at once */
} cm_turn_peer_state;

typedef struct cm_turn_peer {
    cm_list node; /* in turn.buckets */
    cm_turn_peer_state state;
    cm_address address;
    uint16_t channel; /* 0: none is wanted */
    bool is_bound;
    cm_turn_request request; /* ChannelBind if a channel is wanted, else CreatePermission */
    cm_instant due;          /* of the next try, or of the renewal */
    cm_instant used;
} cm_turn_peer;

typedef enum cm_turn_state {
    CM_TURN_ASKING,    /* for an allocation */
    CM_TURN_ALLOCATED, /* `request` is a Refresh if there is one */
    CM_TURN_WAITING,   /* to ask again */
} cm_turn_state;

struct cm_turn {
    cm_loop *loop;
    const cm_turn_events *events;
    void *owner;
    cm_slice name;
    cm_stun_hasher *hasher;
    cm_turn_state state;
    cm_turn_request request;
    bool was_authenticated; /* the request under way has credentials */
    cm_instant due;         /* of the next try, of the refresh, or of asking again */
    unsigned failures;      /* one after the other: the wait grows with them */
    bool has_told;          /* of this trouble, in the log */
    cm_timer timer;         /* at the earliest `due` of all */
    cm_address relayed;
    cm_address mapped;
    size_t realm_size, nonce_size, username_size, password_size;
    uint8_t realm[CM_TURN_TEXT_MAX];
    uint8_t nonce[CM_TURN_TEXT_MAX];
    uint8_t username[CM_TURN_TEXT_MAX];
    uint8_t password[CM_TURN_TEXT_MAX];
    bool has_key;
    uint8_t key[CM_STUN_KEY_SIZE];
    cm_list buckets[CM_TURN_BUCKETS];
    cm_turn_peer peers[CM_TURN_PEERS_MAX];
    uint16_t next_channel;
    cm_turn_counters *counters;
};

/* ---- turn.c ---- */

/* Begins, with a transaction of its own. */
void cm_turn_request_begin(cm_turn *turn, cm_turn_request *request);
/* The time after which the next try is due; the request has been sent `tries` times. */
cm_instant cm_turn_request_due(const cm_turn *turn, const cm_turn_request *request);
/* With credentials and the transaction of the request. */
void cm_turn_send_request(cm_turn *turn, cm_turn_request *request, cm_stun_message *message);
/* A 438 or 401 that the request can be repeated after: done. False: it is a refusal. */
bool cm_turn_renew(cm_turn *turn, cm_turn_request *request, const cm_stun_message *answer);
/* The allocation is gone: on_change, and it is asked for anew. */
void cm_turn_lose(cm_turn *turn, const char *cause);
/* Sets the timer. */
void cm_turn_schedule(cm_turn *turn);

/* ---- turn_peers.c ---- */

void cm_turn_peers_init(cm_turn *turn);
void cm_turn_peers_forget(cm_turn *turn); /* all */
/* Whose answer is it? NULL: no peer's. */
cm_turn_peer *cm_turn_peer_asking(cm_turn *turn, const cm_stun_message *answer);
void cm_turn_peer_answered(cm_turn *turn, cm_turn_peer *peer, const cm_stun_message *answer);
void cm_turn_peer_due(cm_turn *turn, cm_turn_peer *peer);
/* Data of a peer. */
void cm_turn_take_channel(cm_turn *turn, cm_slice datagram);
void cm_turn_take_indication(cm_turn *turn, const cm_stun_message *message);
