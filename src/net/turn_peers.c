/* The peers: who may send to the allocation, through which channel, and what they send. */
#include "net/turn_priv.h"

enum {
    /* Permissions last 300 s (RFC 8656 9), channels 600; binding a channel renews both. */
    RENEW_SECONDS = 240,
    UNUSED_SECONDS = 120,  /* a path is used every few seconds, or is none */
    PATIENCE_SECONDS = 10, /* a peer used within it keeps its place */
    FORBIDDEN_SECONDS = 60,
};

static cm_instant in_seconds(const cm_turn *turn, int64_t seconds)
{
    return cm_instant_after(cm_loop_now(turn->loop), CM_SECONDS(seconds));
}

static int64_t unused_us(const cm_turn *turn, const cm_turn_peer *peer)
{
    return cm_instant_since(cm_loop_now(turn->loop), peer->used);
}

/* ---- places ---- */

void cm_turn_peers_init(cm_turn *turn)
{
    turn->next_channel = CM_STUN_CHANNEL_FIRST;
    for (size_t i = 0; i < CM_TURN_BUCKETS; i++)
        cm_list_init(&turn->buckets[i]);
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++)
        cm_list_init(&turn->peers[i].node);
}

static void forget(cm_turn_peer *peer)
{
    cm_list_remove(&peer->node);
    peer->state = CM_TURN_PEER_FREE;
}

void cm_turn_peers_forget(cm_turn *turn)
{
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++)
        forget(&turn->peers[i]);
}

/* Few enough that colliding on purpose gains nobody anything. */
static cm_list *bucket_of(cm_turn *turn, const cm_address *address)
{
    const cm_slice bytes = cm_address_bytes(address);
    unsigned sum = address->port;
    for (size_t i = 0; i < bytes.size; i++)
        sum = sum * 31 + bytes.bytes[i];
    return &turn->buckets[sum % CM_TURN_BUCKETS];
}

static cm_turn_peer *find(cm_turn *turn, const cm_address *address)
{
    CM_LIST_EACH(bucket_of(turn, address), node, next)
    {
        cm_turn_peer *peer = CM_HOLDER(node, cm_turn_peer, node);
        if (cm_address_equal(&peer->address, address))
            return peer;
    }
    return NULL;
}

/* A free place, or that of the peer longest unused. NULL: all are in use. */
static cm_turn_peer *find_place(cm_turn *turn)
{
    cm_turn_peer *oldest = &turn->peers[0];
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        cm_turn_peer *peer = &turn->peers[i];
        if (peer->state == CM_TURN_PEER_FREE)
            return peer;
        if (peer->used.us < oldest->used.us)
            oldest = peer;
    }
    if (unused_us(turn, oldest) < CM_SECONDS(PATIENCE_SECONDS))
        return NULL;
    forget(oldest);
    return oldest;
}

/* ---- asking the server ---- */

static void send(cm_turn *turn, cm_turn_peer *peer)
{
    const cm_slice bytes = cm_address_bytes(&peer->address);
    cm_stun_message message = {.method = peer->channel != 0 ? CM_STUN_CHANNEL_BIND
                                                            : CM_STUN_CREATE_PERMISSION,
                               .channel = peer->channel,
                               .peer = {.size = (uint8_t)bytes.size, .port = peer->address.port}};
    cm_slice_copy(bytes, message.peer.bytes, sizeof message.peer.bytes);
    cm_turn_send_request(turn, &peer->request, &message);
    peer->due = cm_turn_request_due(turn, &peer->request);
}

static void begin(cm_turn *turn, cm_turn_peer *peer)
{
    peer->request.renewals = 0;
    cm_turn_request_begin(turn, &peer->request);
    send(turn, peer);
}

cm_turn_peer *cm_turn_peer_asking(cm_turn *turn, const cm_stun_message *answer)
{
    const cm_slice wanted = cm_slice_over(answer->transaction, sizeof answer->transaction);
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        cm_turn_peer *peer = &turn->peers[i];
        const cm_slice own =
            cm_slice_over(peer->request.transaction, sizeof peer->request.transaction);
        if (peer->state != CM_TURN_PEER_FREE && peer->request.tries > 0 &&
            cm_slice_equal(own, wanted))
            return peer;
    }
    return NULL;
}

/* Without a channel it still works; without a permission it does not. */
static void refused(cm_turn *turn, cm_turn_peer *peer, unsigned error)
{
    peer->request.tries = 0;
    if (error == CM_STUN_ALLOCATION_MISMATCH) {
        cm_turn_lose(turn, "allocation-mismatch");
        return;
    }
    if (peer->channel != 0 && error != CM_STUN_FORBIDDEN) {
        peer->channel = 0;
        peer->is_bound = false;
        begin(turn, peer);
        return;
    }
    turn->counters->forbidden++;
    peer->state = CM_TURN_PEER_FORBIDDEN;
    peer->is_bound = false;
    peer->due = in_seconds(turn, FORBIDDEN_SECONDS);
}

void cm_turn_peer_answered(cm_turn *turn, cm_turn_peer *peer, const cm_stun_message *answer)
{
    if (answer->class == CM_STUN_ERROR) {
        if (cm_turn_renew(turn, &peer->request, answer))
            send(turn, peer);
        else
            refused(turn, peer, answer->error);
        return;
    }
    peer->request.tries = 0;
    peer->state = CM_TURN_PEER_PERMITTED;
    peer->is_bound = peer->channel != 0;
    peer->due = in_seconds(turn, RENEW_SECONDS);
}

void cm_turn_peer_due(cm_turn *turn, cm_turn_peer *peer)
{
    const bool is_asking = peer->request.tries > 0;
    if (peer->state == CM_TURN_PEER_FORBIDDEN || unused_us(turn, peer) > CM_SECONDS(UNUSED_SECONDS))
        forget(peer);
    else if (is_asking && peer->request.tries >= CM_TURN_TRIES)
        forget(peer);
    else if (is_asking)
        send(turn, peer);
    else
        begin(turn, peer);
}

/* ---- naming peers ---- */

/* A permission is for an address and all its ports (RFC 8656 9): behind some NATs a peer comes from
 * another port than it could know. */
static bool is_permitted(const cm_turn *turn, const cm_address *address)
{
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        const cm_turn_peer *peer = &turn->peers[i];
        if (peer->state == CM_TURN_PEER_PERMITTED && cm_address_same_host(&peer->address, address))
            return true;
    }
    return false;
}

static cm_status add(cm_turn *turn, const cm_address *address, cm_turn_peer **out)
{
    cm_turn_peer *peer = find_place(turn);
    CM_ENSURE(peer != NULL, CM_FULL);
    const bool is_known = is_permitted(turn, address);
    *peer = (cm_turn_peer){.state = is_known ? CM_TURN_PEER_PERMITTED : CM_TURN_PEER_ASKING,
                           .address = *address,
                           .used = cm_loop_now(turn->loop)};
    cm_list_init(&peer->node);
    cm_list_add_last(bucket_of(turn, address), &peer->node);
    begin(turn, peer);
    cm_turn_schedule(turn);
    *out = peer;
    return CM_OK;
}

static cm_status use(cm_turn *turn, const cm_address *address, cm_turn_peer **out)
{
    CM_ENSURE(turn->state == CM_TURN_ALLOCATED, CM_ABSENT);
    /* RFC 8656 9.1: the server would answer 443. */
    CM_ENSURE(address->is_v6 == turn->relayed.is_v6, CM_REFUSE);
    cm_turn_peer *peer = find(turn, address);
    if (peer == NULL)
        CM_TRY(add(turn, address, &peer));
    peer->used = cm_loop_now(turn->loop);
    *out = peer;
    return CM_OK;
}

static cm_status status_of(const cm_turn_peer *peer)
{
    switch (peer->state) {
    case CM_TURN_PEER_PERMITTED:
        return CM_OK;
    case CM_TURN_PEER_FORBIDDEN:
        return CM_REFUSE;
    default:
        return CM_RETRY;
    }
}

cm_status cm_turn_permit(cm_turn *turn, const cm_address *address)
{
    cm_turn_peer *peer;
    CM_TRY(use(turn, address, &peer));
    return status_of(peer);
}

/* RFC 8656 12: a number is not bound to another peer for 5 minutes after it has run out: all the
 * others come first. */
static uint16_t take_channel(cm_turn *turn)
{
    const uint16_t channel = turn->next_channel;
    turn->next_channel =
        channel == CM_STUN_CHANNEL_LAST ? CM_STUN_CHANNEL_FIRST : (uint16_t)(channel + 1);
    return channel;
}

cm_status cm_turn_bind(cm_turn *turn, const cm_address *address)
{
    cm_turn_peer *peer;
    CM_TRY(use(turn, address, &peer));
    if (peer->channel == 0 && peer->state == CM_TURN_PEER_PERMITTED) {
        peer->channel = take_channel(turn);
        begin(turn, peer);
        cm_turn_schedule(turn);
    }
    return status_of(peer);
}

/* ---- sending ---- */

uint16_t cm_turn_channel(cm_turn *turn, const cm_address *address)
{
    cm_turn_peer *peer = turn->state == CM_TURN_ALLOCATED ? find(turn, address) : NULL;
    if (peer == NULL || !peer->is_bound)
        return 0;
    peer->used = cm_loop_now(turn->loop);
    turn->counters->data_out++;
    return peer->channel;
}

static void send_channel(cm_turn *turn, const cm_turn_peer *peer, cm_slice data)
{
    uint8_t bytes[CM_STUN_CHANNEL_HEADER_SIZE + CM_TURN_DATA_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_channel_write(&w, peer->channel, data.size);
    cm_write_slice(&w, data);
    turn->events->on_send(turn->owner, cm_writer_done(&w));
}

static void send_indication(cm_turn *turn, const cm_turn_peer *peer, cm_slice data)
{
    const cm_slice address = cm_address_bytes(&peer->address);
    uint8_t bytes[CM_TURN_DATA_MAX + 128];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message message = {.class = CM_STUN_INDICATION,
                               .method = CM_STUN_SEND,
                               .peer = {.size = (uint8_t)address.size, .port = peer->address.port},
                               .has_data = true,
                               .data = data};
    cm_random_fill(cm_loop_random(turn->loop), message.transaction, sizeof message.transaction);
    cm_slice_copy(address, message.peer.bytes, sizeof message.peer.bytes);
    if (cm_stun_write(turn->hasher, &message, (cm_slice){.size = 0}, &w) == CM_OK)
        turn->events->on_send(turn->owner, cm_writer_done(&w));
}

cm_status cm_turn_send(cm_turn *turn, const cm_address *address, cm_slice data)
{
    cm_turn_peer *peer;
    CM_ENSURE(data.size <= CM_TURN_DATA_MAX, CM_REFUSE);
    CM_TRY(use(turn, address, &peer));
    CM_TRY(status_of(peer));
    turn->counters->data_out++;
    if (peer->is_bound)
        send_channel(turn, peer, data);
    else
        send_indication(turn, peer, data);
    return CM_OK;
}

/* ---- what arrives ---- */

static void hand_on(cm_turn *turn, const cm_address *from, cm_slice data)
{
    const cm_address address = *from;
    turn->counters->data_in++;
    turn->events->on_data(turn->owner, &address, data);
}

void cm_turn_take_channel(cm_turn *turn, cm_slice datagram)
{
    cm_stun_channel_data d;
    if (cm_stun_channel_parse(datagram, &d) != CM_OK) {
        turn->counters->malformed++;
        return;
    }
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        const cm_turn_peer *peer = &turn->peers[i];
        if (peer->state == CM_TURN_PEER_PERMITTED && peer->channel == d.channel) {
            hand_on(turn, &peer->address, d.data);
            return;
        }
    }
    turn->counters->strangers++;
}

void cm_turn_take_indication(cm_turn *turn, const cm_stun_message *message)
{
    if (message->method != CM_STUN_DATA || message->peer.size == 0 || !message->has_data) {
        turn->counters->malformed++;
        return;
    }
    const cm_address from =
        cm_address_make(cm_slice_over(message->peer.bytes, message->peer.size), message->peer.port);
    if (is_permitted(turn, &from))
        hand_on(turn, &from, message->data);
    else
        turn->counters->strangers++;
}
