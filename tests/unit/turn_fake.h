/*
 * turn_fake: a TURN server in small, on a host of the simulated network, for the tests of clients:
 * allocations, permissions, channels, a nonce that can go stale, and answers that a case chooses.
 */
#pragma once

#include <stdio.h>

#include "net/net.h"
#include "net/sim.h"
#include "proto/stun/channel.h"
#include "proto/stun/stun.h"
#include "unit.h"

enum {
    TURN_FAKE_CLIENTS = 4,
    TURN_FAKE_PEERS = 300,
    TURN_FAKE_METHODS = 16,
    TURN_FAKE_PORT = 50000
};

typedef struct turn_fake turn_fake;

typedef struct turn_fake_peer {
    cm_address address; // port 0: a permission of all ports alone
    uint16_t channel;
} turn_fake_peer;

typedef struct turn_fake_client {
    turn_fake *server;
    bool is_allocated;
    cm_address address;
    cm_udp *relay;
    size_t peer_count;
    turn_fake_peer peers[TURN_FAKE_PEERS];
} turn_fake_client;

struct turn_fake {
    cm_net *net;
    cm_udp *udp;
    cm_address address;
    cm_stun_hasher *hasher;
    cm_random random;
    const char *user, *password, *realm;
    char nonce[32];
    uint32_t lifetime_s;                      // that it grants
    uint16_t refuses_with[TURN_FAKE_METHODS]; // by method; 0: it does not
    bool is_silent;                           // and deaf
    bool signs_wrong;
    bool says_no_relayed;
    bool has_no_permissions; // it lets all through, as no server may
    unsigned asked[TURN_FAKE_METHODS];
    unsigned given_back; // refreshes to 0
    unsigned stale;      // 438s said
    unsigned channel_in, indications_in;
    unsigned bindings;
    turn_fake_client clients[TURN_FAKE_CLIENTS];
};

static inline void turn_fake_send(turn_fake *t, const cm_address *to, cm_slice bytes)
{
    const cm_datagram d = {.bytes = bytes, .peer = *to};
    size_t sent;
    assert_int_equal(cm_udp_send(t->udp, &d, 1, &sent), CM_OK);
}

static inline cm_stun_address turn_fake_say(const cm_address *address)
{
    const cm_slice bytes = cm_address_bytes(address);
    cm_stun_address out = {.size = (uint8_t)bytes.size, .port = address->port};
    cm_slice_copy(bytes, out.bytes, sizeof out.bytes);
    return out;
}

static inline void turn_fake_write(turn_fake *t, const cm_address *to, const cm_stun_message *m,
                                   bool is_signed)
{
    uint8_t bytes[2048], key[CM_STUN_KEY_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    assert_int_equal(cm_stun_long_term_key(cm_slice_of(t->user), cm_slice_of(t->realm),
                                           cm_slice_of(t->signs_wrong ? "other" : t->password),
                                           key),
                     CM_OK);
    assert_int_equal(
        cm_stun_write(t->hasher, m, cm_slice_over(key, is_signed ? sizeof key : 0), &w), CM_OK);
    turn_fake_send(t, to, cm_writer_done(&w));
}

static inline cm_stun_message turn_fake_answer_to(const cm_stun_message *request,
                                                  cm_stun_class class)
{
    cm_stun_message m = {.class = class, .method = request->method};
    cm_slice_copy(cm_slice_over(request->transaction, sizeof request->transaction), m.transaction,
                  sizeof m.transaction);
    return m;
}

static inline void turn_fake_refuse(turn_fake *t, const cm_address *to,
                                    const cm_stun_message *request, uint16_t error)
{
    cm_stun_message m = turn_fake_answer_to(request, CM_STUN_ERROR);
    m.error = error;
    if (error == CM_STUN_UNAUTHENTICATED || error == CM_STUN_STALE_NONCE) {
        m.realm = cm_slice_of(t->realm);
        m.nonce = cm_slice_of(t->nonce);
    }
    turn_fake_write(t, to, &m, false);
}

/* Draws another nonce: what comes under the former one is answered with 438. */
static inline void turn_fake_turn_nonce(turn_fake *t)
{
    (void)snprintf(t->nonce, sizeof t->nonce, "%016llx",
                   (unsigned long long)cm_random_u64(&t->random));
}

static inline turn_fake_client *turn_fake_client_of(turn_fake *t, const cm_address *address)
{
    for (size_t i = 0; i < TURN_FAKE_CLIENTS; i++) {
        if (t->clients[i].is_allocated && cm_address_equal(&t->clients[i].address, address))
            return &t->clients[i];
    }
    return NULL;
}

static inline turn_fake_peer *turn_fake_peer_of(turn_fake_client *c, const cm_address *peer)
{
    turn_fake_peer *permitted = NULL;
    for (size_t i = 0; i < c->peer_count; i++) {
        if (c->peers[i].channel != 0 && cm_address_equal(&c->peers[i].address, peer))
            return &c->peers[i];
        if (cm_address_same_host(&c->peers[i].address, peer))
            permitted = &c->peers[i];
    }
    return permitted;
}

/* From outside to the client. */
static inline void turn_fake_on_relayed(void *owner, const cm_datagram *datagrams, size_t count)
{
    turn_fake_client *c = owner;
    turn_fake *t = c->server;
    for (size_t i = 0; i < count; i++) {
        const cm_datagram *d = &datagrams[i];
        const turn_fake_peer *peer = turn_fake_peer_of(c, &d->peer);
        uint8_t bytes[2048];
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        if (peer == NULL && !t->has_no_permissions)
            continue;
        if (peer != NULL && peer->channel != 0 && cm_address_equal(&peer->address, &d->peer)) {
            cm_stun_channel_write(&w, peer->channel, d->bytes.size);
            cm_write_slice(&w, d->bytes);
            turn_fake_send(t, &c->address, cm_writer_done(&w));
            continue;
        }
        const cm_stun_message m = {.class = CM_STUN_INDICATION,
                                   .method = CM_STUN_DATA,
                                   .peer = turn_fake_say(&d->peer),
                                   .has_data = true,
                                   .data = d->bytes};
        turn_fake_write(t, &c->address, &m, false);
    }
}

static inline void turn_fake_relay(turn_fake_client *c, const cm_address *to, cm_slice bytes)
{
    const cm_datagram d = {.bytes = bytes, .peer = *to};
    size_t sent;
    assert_int_equal(cm_udp_send(c->relay, &d, 1, &sent), CM_OK);
}

static inline void turn_fake_allocate(turn_fake *t, const cm_address *from,
                                      const cm_stun_message *request)
{
    turn_fake_client *c = turn_fake_client_of(t, from);
    cm_stun_message m = turn_fake_answer_to(request, CM_STUN_SUCCESS);
    assert_int_equal(request->transport, CM_STUN_UDP);
    if (c != NULL) {
        turn_fake_refuse(t, from, request, CM_STUN_ALLOCATION_MISMATCH);
        return;
    }
    for (size_t i = 0; i < TURN_FAKE_CLIENTS && c == NULL; i++)
        c = t->clients[i].is_allocated ? NULL : &t->clients[i];
    assert_non_null(c);
    const size_t index = (size_t)(c - t->clients);
    cm_address local = t->address;
    local.port = (uint16_t)(TURN_FAKE_PORT + index);
    *c = (turn_fake_client){.server = t, .is_allocated = true, .address = *from};
    const cm_udp_config config = {.local = local, .on_datagrams = turn_fake_on_relayed, .owner = c};
    assert_int_equal(cm_udp_open(t->net, &config, &c->relay), CM_OK);
    m.has_lifetime = true;
    m.lifetime_s = t->lifetime_s;
    m.mapped = turn_fake_say(from);
    if (!t->says_no_relayed)
        m.relayed = turn_fake_say(&local);
    turn_fake_write(t, from, &m, true);
}

static inline void turn_fake_drop(turn_fake_client *c)
{
    cm_udp_close(c->relay);
    *c = (turn_fake_client){.is_allocated = false};
}

static inline void turn_fake_refresh(turn_fake *t, turn_fake_client *c,
                                     const cm_stun_message *request)
{
    const cm_address to = c->address;
    cm_stun_message m = turn_fake_answer_to(request, CM_STUN_SUCCESS);
    m.has_lifetime = true;
    m.lifetime_s = request->lifetime_s == 0 ? 0 : t->lifetime_s;
    if (request->lifetime_s == 0) {
        t->given_back++;
        turn_fake_drop(c);
    }
    turn_fake_write(t, &to, &m, true);
}

static inline void turn_fake_permit(turn_fake *t, turn_fake_client *c,
                                    const cm_stun_message *request)
{
    const cm_address peer =
        cm_address_make(cm_slice_over(request->peer.bytes, request->peer.size), request->peer.port);
    const cm_stun_message m = turn_fake_answer_to(request, CM_STUN_SUCCESS);
    assert_true(c->peer_count < TURN_FAKE_PEERS);
    c->peers[c->peer_count++] = (turn_fake_peer){.address = peer, .channel = request->channel};
    turn_fake_write(t, &c->address, &m, true);
}

static inline void turn_fake_on_request(turn_fake *t, const cm_address *from,
                                        const cm_stun_message *request)
{
    uint8_t key[CM_STUN_KEY_SIZE];
    turn_fake_client *c = turn_fake_client_of(t, from);
    t->asked[request->method % TURN_FAKE_METHODS]++;
    assert_int_equal(cm_stun_long_term_key(cm_slice_of(t->user), cm_slice_of(t->realm),
                                           cm_slice_of(t->password), key),
                     CM_OK);
    const cm_slice under = cm_slice_over(key, sizeof key);
    if (!request->has_integrity || cm_stun_check_integrity(t->hasher, request, under) != CM_OK) {
        turn_fake_refuse(t, from, request, CM_STUN_UNAUTHENTICATED);
        return;
    }
    if (!cm_slice_equal(request->nonce, cm_slice_of(t->nonce))) {
        t->stale++;
        turn_fake_refuse(t, from, request, CM_STUN_STALE_NONCE);
        return;
    }
    const uint16_t error = t->refuses_with[request->method % TURN_FAKE_METHODS];
    if (error != 0)
        turn_fake_refuse(t, from, request, error);
    else if (request->method == CM_STUN_ALLOCATE)
        turn_fake_allocate(t, from, request);
    else if (c == NULL)
        turn_fake_refuse(t, from, request, CM_STUN_ALLOCATION_MISMATCH);
    else if (request->method == CM_STUN_REFRESH)
        turn_fake_refresh(t, c, request);
    else
        turn_fake_permit(t, c, request);
}

static inline void turn_fake_on_indication(turn_fake *t, const cm_address *from,
                                           const cm_stun_message *m)
{
    turn_fake_client *c = turn_fake_client_of(t, from);
    const cm_address to = cm_address_make(cm_slice_over(m->peer.bytes, m->peer.size), m->peer.port);
    assert_int_equal(m->method, CM_STUN_SEND);
    t->indications_in++;
    if (c != NULL && turn_fake_peer_of(c, &to) != NULL)
        turn_fake_relay(c, &to, m->data);
}

static inline void turn_fake_on_channel(turn_fake *t, const cm_address *from, cm_slice bytes)
{
    cm_stun_channel_data d;
    turn_fake_client *c = turn_fake_client_of(t, from);
    assert_int_equal(cm_stun_channel_parse(bytes, &d), CM_OK);
    t->channel_in++;
    for (size_t i = 0; c != NULL && i < c->peer_count; i++) {
        if (c->peers[i].channel == d.channel) {
            turn_fake_relay(c, &c->peers[i].address, d.data);
            return;
        }
    }
}

static inline void turn_fake_on_binding(turn_fake *t, const cm_address *from,
                                        const cm_stun_message *request)
{
    cm_stun_message m = turn_fake_answer_to(request, CM_STUN_SUCCESS);
    t->bindings++;
    m.mapped = turn_fake_say(from);
    turn_fake_write(t, from, &m, false);
}

static inline void turn_fake_on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    turn_fake *t = owner;
    for (size_t i = 0; i < count && !t->is_silent; i++) {
        const cm_datagram *d = &datagrams[i];
        cm_stun_message m;
        if (d->bytes.bytes[0] >= 0x40) {
            turn_fake_on_channel(t, &d->peer, d->bytes);
            continue;
        }
        assert_int_equal(cm_stun_parse(d->bytes, &m), CM_OK);
        if (m.class == CM_STUN_INDICATION)
            turn_fake_on_indication(t, &d->peer, &m);
        else if (m.method == CM_STUN_BINDING)
            turn_fake_on_binding(t, &d->peer, &m);
        else
            turn_fake_on_request(t, &d->peer, &m);
    }
}

static inline void turn_fake_open(turn_fake *t, cm_net *net, const cm_address *address)
{
    *t = (turn_fake){.net = net,
                     .address = *address,
                     .random = cm_random_seeded(7),
                     .user = "casement",
                     .password = "secret",
                     .realm = "example.org",
                     .lifetime_s = 600};
    const cm_udp_config config = {
        .local = *address, .on_datagrams = turn_fake_on_datagrams, .owner = t};
    assert_int_equal(cm_stun_hasher_create(&t->hasher), CM_OK);
    turn_fake_turn_nonce(t);
    assert_int_equal(cm_udp_open(net, &config, &t->udp), CM_OK);
}

/* As if it was started anew: it knows nobody. */
static inline void turn_fake_restart(turn_fake *t)
{
    for (size_t i = 0; i < TURN_FAKE_CLIENTS; i++) {
        if (t->clients[i].is_allocated)
            turn_fake_drop(&t->clients[i]);
    }
    turn_fake_turn_nonce(t);
}

static inline void turn_fake_close(turn_fake *t)
{
    turn_fake_restart(t);
    cm_udp_close(t->udp);
    cm_stun_hasher_destroy(t->hasher);
}
