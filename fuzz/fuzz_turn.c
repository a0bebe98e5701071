/*
 * A client of a TURN server on virtual time. The input is a program: each step is a byte of what
 * (wait, name a peer, want a channel, send, raw bytes from the server, an answer to the client's
 * last request, authentic or not, data from a peer) and what goes with it.
 *
 * Whatever comes: data are handed on of named peers alone, what is sent can be read and has a
 * bound, and all is freed.
 */
#include "base/log.h"
#include "base/reader.h"
#include "fuzz.h"
#include "loop/sim.h"
#include "net/turn_priv.h"

enum { PEERS = 6, STEPS_MAX = 400, ROOM = 2048 };

typedef struct run {
    cm_turn *turn;
    cm_turn_counters counters;
    cm_stun_hasher *hasher;
    bool is_named[PEERS];
    uint16_t method; /* of the last request */
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];
    bool has_request;
} run;

static cm_address peer_at(size_t index)
{
    const uint8_t bytes[4] = {10, 0, 0, (uint8_t)(index / 2)};
    return cm_address_make(cm_slice_over(bytes, sizeof bytes), (uint16_t)(1000 + index));
}

/* Of the two ports of an address. */
static bool is_host_named(const run *r, const cm_address *address)
{
    const size_t host = address->bytes[3];
    return host < PEERS / 2 && (r->is_named[2 * host] || r->is_named[2 * host + 1]);
}

static void on_send(void *owner, cm_slice bytes)
{
    run *r = owner;
    cm_stun_message m;
    touch(bytes);
    if (bytes.bytes[0] >= 0x40)
        return;
    CHECK(cm_stun_parse(bytes, &m) == CM_OK && m.has_fingerprint && bytes.size <= ROOM);
    if (m.class != CM_STUN_REQUEST)
        return;
    CHECK(bytes.size <= CM_TURN_REQUEST_MAX);
    r->has_request = true;
    r->method = m.method;
    cm_slice_copy(cm_slice_over(m.transaction, sizeof m.transaction), r->transaction,
                  sizeof r->transaction);
}

static void on_change(void *owner)
{
    run *r = owner;
    for (size_t i = 0; i < PEERS; i++)
        r->is_named[i] = false;
}

static void on_data(void *owner, const cm_address *peer, cm_slice data)
{
    touch(data);
    CHECK(is_host_named(owner, peer));
}

static const cm_turn_events EVENTS = {
    .on_send = on_send, .on_change = on_change, .on_data = on_data};

/* An answer to the last request, as `how` says: what of it is missing, or wrong. */
static void answer(run *r, uint8_t how, uint8_t error)
{
    static const uint16_t ERRORS[] = {300, 400, 401, 403, 437, 438, 441, 442, 486, 508, 699};
    uint8_t bytes[ROOM];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message m = {.class = (how & 1) != 0 ? CM_STUN_SUCCESS : CM_STUN_ERROR,
                         .method = r->method,
                         .has_lifetime = (how & 2) != 0,
                         .lifetime_s = error,
                         .realm = CM_TEXT("realm"),
                         .nonce = cm_slice_over("nonce", 1 + error % 5)};
    if (!r->has_request)
        return;
    cm_slice_copy(cm_slice_over(r->transaction, sizeof r->transaction), m.transaction,
                  sizeof m.transaction);
    m.error = (how & 1) != 0 ? 0 : ERRORS[error % CM_COUNT(ERRORS)];
    if ((how & 4) == 0) {
        m.relayed = (cm_stun_address){.size = (how & 8) != 0 ? 16 : 4, .port = 5000};
        m.mapped = (cm_stun_address){.size = 4, .port = 5001};
    }
    const bool is_signed = (how & 16) == 0 && r->turn->has_key;
    CHECK(cm_stun_write(r->hasher, &m,
                        cm_slice_over(r->turn->key, is_signed ? sizeof r->turn->key : 0),
                        &w) == CM_OK);
    r->has_request = (how & 32) != 0;
    cm_turn_receive(r->turn, cm_writer_done(&w));
}

static void data_from(run *r, size_t index, cm_slice data)
{
    const cm_address peer = peer_at(index);
    uint8_t bytes[ROOM];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message m = {.class = CM_STUN_INDICATION,
                         .method = CM_STUN_DATA,
                         .peer = {.size = 4, .port = peer.port},
                         .has_data = true,
                         .data = data};
    cm_slice_copy(cm_address_bytes(&peer), m.peer.bytes, sizeof m.peer.bytes);
    CHECK(cm_stun_write(r->hasher, &m, (cm_slice){.size = 0}, &w) == CM_OK);
    cm_turn_receive(r->turn, cm_writer_done(&w));
}

static void name(run *r, size_t index, bool wants_channel)
{
    const cm_address peer = peer_at(index);
    const cm_status status =
        wants_channel ? cm_turn_bind(r->turn, &peer) : cm_turn_permit(r->turn, &peer);
    CHECK(status != CM_BROKEN && status != CM_FULL);
    if (status == CM_OK || status == CM_RETRY)
        r->is_named[index] = true;
}

static void step(run *r, cm_sim *sim, cm_reader *in)
{
    const uint8_t what = cm_read_u8(in);
    const uint8_t more = cm_read_u8(in);
    const cm_address peer = peer_at(more % PEERS);
    switch (what % 8) {
    case 0:
        cm_sim_run_for(sim, CM_MS(100) * more);
        break;
    case 1:
        cm_sim_run_for(sim, CM_SECONDS(10) * more);
        break;
    case 2:
        name(r, more % PEERS, (more & 0x80) != 0);
        break;
    case 3:
        if (cm_turn_send(r->turn, &peer, CM_TEXT("data")) != CM_ABSENT)
            r->is_named[more % PEERS] = true;
        break;
    case 4:
        answer(r, more, cm_read_u8(in));
        break;
    case 5:
        data_from(r, more % PEERS, CM_TEXT("data"));
        break;
    case 6:
        cm_turn_receive(r->turn, cm_read_slice(in, more));
        break;
    default:
        (void)cm_turn_channel(r->turn, &peer);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r;
    cm_sim *sim;
    cm_loop *loop;
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    cm_log_set_level(CM_LOG_ERROR);
    r = (run){.turn = NULL};
    CHECK(cm_sim_create(1, (cm_wall){.us = CM_SECONDS(1800000000)}, &sim) == CM_OK);
    CHECK(cm_sim_loop_create(sim, &(cm_loop_config){.index = 1}, &loop) == CM_OK);
    CHECK(cm_stun_hasher_create(&r.hasher) == CM_OK);
    const cm_turn_config config = {.loop = loop,
                                   .username = CM_TEXT("user"),
                                   .password = CM_TEXT("password"),
                                   .name = CM_TEXT("turn"),
                                   .counters = &r.counters,
                                   .events = &EVENTS,
                                   .owner = &r};
    CHECK(cm_turn_create(&config, &r.turn) == CM_OK);
    for (unsigned i = 0; i < STEPS_MAX && in.rest.size > 0; i++)
        step(&r, sim, &in);
    cm_turn_destroy(r.turn);
    cm_stun_hasher_destroy(r.hasher);
    cm_loop_destroy(loop);
    cm_sim_destroy(sim);
    return 0;
}
