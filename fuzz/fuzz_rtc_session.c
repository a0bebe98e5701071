/*
 * A WebRTC endpoint with one session, on virtual time, to which a few addresses send what the input
 * says; one of them may have a connection. The session is a lite agent or a full one. The input is
 * a program: each step is a byte of what (wait, a check, raw bytes, an authentic message with any
 * attributes, DTLS, protected RTP, the connection, our own calls) and what goes with it. DTLS is
 * played by this file: the input says when keys come, or the end.
 *
 * Whatever comes: nothing is sent to an address from which no authentic check came, but for a full
 * agent's few checks of addresses that were named; events come in their order, tables and states
 * agree, and all is freed.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "net/net_priv.h"
#include "net/rtc_priv.h"
#include "net/sim.h"
#include "proto/stun/stun_priv.h"

enum {
    ADDRESSES = 12,
    ON_TCP = ADDRESSES - 1,
    STEPS_MAX = 300,
    ROOM = 2048,
    FIRST_PORT = 2000, /* of the addresses */
    STUN_PORT = 3478,
};

#define PWD_OF_PEER "a password of the peer's"

typedef struct run {
    cm_rtc_endpoint *endpoint;
    cm_rtc_session *session;           /* NULL: destroyed */
    cm_ice_credentials credentials[2]; /* before the last restart, and since */
    const char *ufrags[2];
    bool has_proven[ADDRESSES]; /* on UDP */
    bool has_proven_tcp;        /* this connection */
    bool is_full;
    unsigned named[ADDRESSES];                     /* how often, to a full agent */
    unsigned checks[ADDRESSES];                    /* of its, before anything was proven */
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE]; /* of the last one */
    size_t checked;                                /* and where it went */
    bool is_connected, has_closed;
    uint8_t destroys_in; /* bits: in which events the session is destroyed */
    cm_srtp *peer;       /* the other end of the session's keys */
    cm_tcp *tcp;         /* of the last address; NULL: it speaks UDP */
    bool has_tcp_ended;
    uint16_t sequence;
} run;

static cm_sim *sim;
static cm_net *net;
static cm_net *peers_net;
static run *now_running;

/* ---- DTLS, as the input directs ---- */

struct cm_dtls {
    cm_timer timer;
    const cm_dtls_events *events;
    void *owner;
    uint8_t what;
    bool is_done, has_closed, has_keys;
};

static void give_keys(cm_dtls *dtls)
{
    static const cm_srtp_master OURS = {.key = {1}, .salt = {2}};
    static const cm_srtp_master THEIRS = {.key = {3}, .salt = {4}};
    const cm_srtp_profile profile =
        (dtls->what & 0x80) != 0 ? CM_SRTP_AES128_CM_SHA1_80 : CM_SRTP_AEAD_AES_128_GCM;
    cm_srtp_destroy(now_running->peer);
    CHECK(cm_srtp_create(profile, &THEIRS, &OURS, &now_running->peer) == CM_OK);
    dtls->has_keys = true;
    dtls->events->on_done(dtls->owner, CM_OK, profile, &OURS, &THEIRS);
}

static void on_turn(cm_timer *timer)
{
    cm_dtls *dtls = CM_HOLDER(timer, cm_dtls, timer);
    static const cm_status FAILURES[] = {CM_FOREIGN, CM_CLOSE, CM_RETRY, CM_BROKEN};
    const uint8_t what = dtls->what & 7;
    if (what <= 1) {
        dtls->events->on_send(dtls->owner, CM_TEXT("\x16 a flight"));
    } else if (!dtls->is_done) {
        dtls->is_done = true;
        if (what <= 5)
            give_keys(dtls);
        else
            dtls->events->on_done(dtls->owner, FAILURES[dtls->what >> 3 & 3], 0, NULL, NULL);
    } else if (dtls->has_keys && what == 7 && !dtls->has_closed) {
        dtls->has_closed = true;
        dtls->events->on_closed(dtls->owner);
    }
}

cm_status cm_dtls_create(const cm_dtls_config *config, cm_dtls **out)
{
    cm_dtls *dtls = calloc(1, sizeof *dtls);
    CHECK(dtls != NULL);
    *dtls = (cm_dtls){.events = config->events, .owner = config->owner};
    cm_timer_init(&dtls->timer, config->loop, on_turn);
    *out = dtls;
    return CM_OK;
}

void cm_dtls_receive(cm_dtls *dtls, cm_slice datagram)
{
    touch(datagram);
    CHECK(datagram.bytes[0] >= 20 && datagram.bytes[0] <= 63);
    dtls->what = datagram.size > 1 ? datagram.bytes[1] : 0;
    cm_timer_start(&dtls->timer, 0);
}

void cm_dtls_confirm(cm_dtls *dtls)
{
    CHECK(dtls->has_keys);
}

void cm_dtls_destroy(cm_dtls *dtls)
{
    if (dtls == NULL)
        return;
    if (dtls->has_keys)
        dtls->events->on_send(dtls->owner, CM_TEXT("\x15 goodbye"));
    cm_timer_stop(&dtls->timer);
    free(dtls);
}

const char *cm_dtls_identity_fingerprint(const cm_dtls_identity *identity)
{
    (void)identity;
    return "";
}

/* ---- the network ---- */

static cm_address address_at(size_t index)
{
    const uint8_t bytes[4] = {10, 0, 1, (uint8_t)(index % 3)};
    return cm_address_make(cm_slice_over(bytes, sizeof bytes), (uint16_t)(FIRST_PORT + index));
}

/* May a full agent send this to an address that has proven nothing? */
static void watch_check(run *r, size_t index, cm_slice bytes)
{
    cm_stun_message m;
    CHECK(r->is_full && bytes.size <= CM_ICE_CHECK_MAX && cm_stun_parse(bytes, &m) == CM_OK);
    CHECK(m.class == CM_STUN_REQUEST && ++r->checks[index] <= CM_ICE_SENDS_MAX * r->named[index]);
}

static void watch_datagram(run *r, const cm_datagram *datagram)
{
    const size_t index = datagram->peer.port - (size_t)FIRST_PORT;
    cm_stun_message m;
    touch(datagram->bytes);
    if (datagram->peer.port == STUN_PORT)
        return;
    CHECK(index < ADDRESSES && datagram->bytes.size > 0);
    if (!r->has_proven[index])
        watch_check(r, index, datagram->bytes);
    if (cm_stun_parse(datagram->bytes, &m) == CM_OK && m.class == CM_STUN_REQUEST) {
        r->checked = index;
        cm_slice_copy(cm_slice_over(m.transaction, sizeof m.transaction), r->transaction,
                      sizeof r->transaction);
    }
}

static cm_status watch_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                            size_t *sent_out)
{
    (void)udp;
    CHECK(count <= CM_NET_BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        watch_datagram(now_running, &datagrams[i]);
    *sent_out = count - count / 4; /* a kernel that is full now and then */
    return CM_OK;
}

static void on_tcp_connected(void *owner, cm_status status)
{
    (void)owner;
    CHECK(status == CM_OK);
}

static void on_tcp_readable(void *owner)
{
    run *r = owner;
    uint8_t bytes[1024];
    size_t size;
    cm_status status;
    while ((status = cm_tcp_read(r->tcp, bytes, sizeof bytes, &size)) == CM_OK)
        CHECK(r->has_proven_tcp);
    r->has_tcp_ended = status == CM_CLOSE;
}

static void end_connection(run *r)
{
    if (r->tcp != NULL)
        cm_tcp_reset(r->tcp);
    r->tcp = NULL;
    r->has_proven_tcp = false;
}

static void connect_again(run *r)
{
    static const cm_tcp_events TCP_EVENTS = {.on_connected = on_tcp_connected,
                                             .on_readable = on_tcp_readable};
    end_connection(r);
    r->has_tcp_ended = false;
    const cm_address *to = &r->endpoint->ports[0].local;
    CHECK(cm_tcp_connect(peers_net, to, CM_SECONDS(1), &TCP_EVENTS, r, &r->tcp) == CM_OK);
}

static void write_tcp(run *r, cm_slice bytes)
{
    size_t taken;
    if (r->tcp != NULL && !r->has_tcp_ended && bytes.size > 0)
        (void)cm_tcp_write(r->tcp, &bytes, 1, &taken);
}

static void write_frame(run *r, cm_slice bytes)
{
    const uint8_t length[2] = {(uint8_t)(bytes.size >> 8), (uint8_t)bytes.size};
    write_tcp(r, cm_slice_over(length, sizeof length));
    write_tcp(r, bytes);
}

static void receive(run *r, size_t index, cm_slice bytes)
{
    if (index == ON_TCP && r->tcp != NULL) {
        write_frame(r, bytes);
        return;
    }
    const cm_address from = address_at(index);
    const cm_datagram datagram = {
        .bytes = bytes, .peer = from, .local = r->endpoint->ports[0].local};
    const cm_udp_config *config = &r->endpoint->ports[0].udp->config;
    config->on_datagrams(config->owner, &datagram, 1);
}

/* ---- events ---- */

static void destroy_in(run *r, uint8_t event)
{
    if ((r->destroys_in & event) == 0)
        return;
    cm_rtc_session_destroy(r->session);
    r->session = NULL;
}

static void on_connected(void *owner)
{
    run *r = owner;
    CHECK(r->session != NULL && !r->is_connected && !r->has_closed);
    r->is_connected = true;
    destroy_in(r, 1);
}

static void on_packet(void *owner, cm_slice packet)
{
    run *r = owner;
    CHECK(r->session != NULL && !r->has_closed && r->peer != NULL);
    touch(packet);
    destroy_in(r, 2);
}

static void on_closed(void *owner, cm_rtc_cause cause)
{
    run *r = owner;
    CHECK(r->session != NULL && !r->has_closed && cause < CM_RTC_CAUSES);
    r->has_closed = true;
    destroy_in(r, 4);
}

static const cm_rtc_events EVENTS = {.on_connected = on_connected,
                                     .on_rtp = on_packet,
                                     .on_rtcp = on_packet,
                                     .on_closed = on_closed};

/* ---- steps ---- */

static void begin_session(run *r)
{
    static const cm_fingerprint FINGERPRINT = {.size = 32};
    const cm_rtc_session_config config = {.remote_ufrag = CM_TEXT("abcd"),
                                          .fingerprints = &FINGERPRINT,
                                          .fingerprint_count = 1,
                                          .events = &EVENTS,
                                          .owner = r};
    CHECK(cm_rtc_session_create(r->endpoint, &config, &r->session) == CM_OK);
    if (r->is_full)
        CHECK(cm_rtc_session_check(r->session, CM_TEXT(PWD_OF_PEER), false) == CM_OK);
    r->is_connected = r->has_closed = false;
    r->ufrags[0] = r->ufrags[1] = "abcd";
    r->credentials[0] = r->credentials[1] = *cm_rtc_session_local(r->session);
}

/* A message of the peer's with right credentials, whose other attributes are the input's. */
static void authentic(run *r, uint8_t how, cm_slice attributes)
{
    uint8_t bytes[ROOM];
    uint8_t integrity[CM_STUN_INTEGRITY_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const cm_ice_credentials *ours = &r->credentials[how >> 4 & 1];
    const size_t size = CM_ICE_UFRAG_SIZE + 5;
    cm_write_u16(&w, 1);
    cm_write_u16(&w, 0);
    cm_write_u32(&w, CM_STUN_COOKIE);
    cm_write_zeros(&w, CM_STUN_TRANSACTION_SIZE);
    cm_write_u16(&w, CM_STUN_USERNAME);
    cm_write_u16(&w, (uint16_t)size);
    cm_write_format(&w, "%s:%s", ours->ufrag, r->ufrags[how >> 4 & 1]);
    cm_write_zeros(&w, cm_stun_padding(size));
    if ((how & 0x20) != 0)
        cm_write_u32(&w, (uint32_t)CM_STUN_USE_CANDIDATE << 16);
    cm_write_slice(&w, cm_slice_part(attributes, 0, attributes.size / 4 * 4));
    const cm_slice key = cm_slice_over(ours->pwd, CM_ICE_PWD_SIZE);
    CHECK(cm_stun_sign(r->endpoint->hasher, cm_writer_done(&w), key, integrity) == CM_OK);
    cm_write_u16(&w, CM_STUN_MESSAGE_INTEGRITY);
    cm_write_u16(&w, sizeof integrity);
    cm_write_slice(&w, cm_slice_over(integrity, sizeof integrity));
    cm_write_fill_u16(&w, 2, (uint16_t)(w.used - CM_STUN_HEADER_SIZE + 8));
    const uint32_t fingerprint = cm_stun_fingerprint(cm_writer_done(&w));
    cm_write_u16(&w, CM_STUN_FINGERPRINT);
    cm_write_u16(&w, 4);
    cm_write_u32(&w, fingerprint);
    CHECK(!w.failed);
    /* If it is understood; else nothing is sent. */
    const size_t index = (how & 15) % ADDRESSES;
    if (index == ON_TCP && r->tcp != NULL)
        r->has_proven_tcp = true;
    else
        r->has_proven[index] = true;
    receive(r, index, cm_writer_done(&w));
}

/* RTP or RTCP under the peer's keys. */
static void protected(run *r, uint8_t how, cm_slice content)
{
    uint8_t bytes[ROOM];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    size_t size;
    const bool is_rtcp = (how & 0x10) != 0;
    if (r->peer == NULL)
        return;
    cm_write_u8(&w, 0x80);
    cm_write_u8(&w, is_rtcp ? 201 : 96);
    cm_write_u16(&w, is_rtcp ? (uint16_t)(content.size / 4 + 1) : r->sequence++);
    cm_write_u32(&w, is_rtcp ? 7 : r->sequence * 3000u);
    cm_write_u32(&w, 7);
    cm_write_slice(&w, cm_slice_part(content, 0, is_rtcp ? content.size / 4 * 4 : content.size));
    const cm_status status = is_rtcp ? cm_srtp_protect_rtcp(r->peer, bytes, w.used, &size)
                                     : cm_srtp_protect(r->peer, bytes, w.used, &size);
    if (status == CM_OK)
        receive(r, (how & 15) % ADDRESSES, cm_slice_over(bytes, size));
}

static void restart(run *r)
{
    static const char *const UFRAGS[2] = {"abcd", "efgh"};
    const char *next = UFRAGS[r->ufrags[1] == UFRAGS[0]];
    if (r->session == NULL || cm_rtc_session_restart(r->session, cm_slice_of(next)) != CM_OK)
        return;
    if (r->is_full)
        CHECK(cm_rtc_session_check(r->session, CM_TEXT(PWD_OF_PEER), false) == CM_OK);
    r->credentials[0] = r->credentials[1];
    r->ufrags[0] = r->ufrags[1];
    r->credentials[1] = *cm_rtc_session_local(r->session);
    r->ufrags[1] = next;
}

/* The peer names an address. */
static void name(run *r, size_t index)
{
    const cm_rtc_remote remote = {.address = address_at(index), .priority = (uint32_t)index << 24};
    r->named[index]++;
    cm_rtc_session_add_remotes(r->session, &remote, 1);
}

/* The answer to the last check, from where that went or from elsewhere. */
static void answer(run *r, bool is_error, bool is_elsewhere)
{
    uint8_t bytes[128];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message m = {.class = is_error ? CM_STUN_ERROR : CM_STUN_SUCCESS,
                         .method = CM_STUN_BINDING,
                         .error = is_error ? CM_STUN_ROLE_CONFLICT : 0};
    const size_t index = is_elsewhere ? (r->checked + 1) % ADDRESSES : r->checked;
    cm_slice_copy(cm_slice_over(r->transaction, sizeof r->transaction), m.transaction,
                  sizeof m.transaction);
    CHECK(cm_stun_write(r->endpoint->hasher, &m, CM_TEXT(PWD_OF_PEER), &w) == CM_OK);
    if (!is_error && !is_elsewhere)
        r->has_proven[index] = true;
    receive(r, index, cm_writer_done(&w));
}

static void call(run *r, uint8_t how, cm_slice rest)
{
    if (r->session == NULL || (how & 15) == 0) {
        cm_rtc_session_destroy(r->session);
        begin_session(r);
    } else if ((how & 15) == 1) {
        restart(r);
    } else if ((how & 15) == 2) {
        cm_rtc_endpoint_flush(r->endpoint);
    } else if ((how & 15) == 3) {
        (void)cm_rtc_session_send_rtcp(r->session, rest);
    } else if (r->is_full && (how & 15) == 5) {
        name(r, (how >> 4) % ADDRESSES);
    } else if (r->is_full && (how & 15) == 6) {
        answer(r, (how & 0x10) != 0, (how & 0x20) != 0);
    } else {
        uint8_t header[12] = {0x80, 96, (uint8_t)(r->sequence >> 8), (uint8_t)r->sequence};
        r->sequence++;
        for (int i = 0; i < 1 + (how & 7); i++)
            (void)cm_rtc_session_send_rtp(r->session, header, sizeof header, &rest, 1);
    }
}

static void step(run *r, cm_reader *in)
{
    const uint8_t what = cm_read_u8(in) & 7;
    const uint8_t how = cm_read_u8(in);
    const size_t size = cm_read_u8(in) * (what == 7 ? 6u : 1u); /* packets may be large */
    const cm_slice rest = cm_read_slice(in, size < in->rest.size ? size : in->rest.size);
    switch (what) {
    case 0:
        cm_sim_run_for(sim, CM_MS(how) * (size > 0 ? 200 : 1));
        break;
    case 1:
    case 2:
        authentic(r, how, what == 1 ? (cm_slice){.size = 0} : rest);
        break;
    case 3:
        receive(r, how % ADDRESSES, rest);
        break;
    case 4: {
        const uint8_t dtls[2] = {22, (uint8_t)size};
        receive(r, how % ADDRESSES, cm_slice_over(dtls, sizeof dtls));
        break;
    }
    case 5:
        protected
        (r, how, rest);
        break;
    case 6:
        if ((how & 3) == 0)
            connect_again(r);
        else if ((how & 3) == 1)
            end_connection(r);
        else
            write_tcp(r, rest);
        break;
    default:
        call(r, how, rest);
        break;
    }
    cm_sim_run_for(sim, CM_MS(1));
}

static void check_session(const run *r)
{
    const cm_rtc_session *s = r->session;
    size_t count = 0;
    if (s == NULL)
        return;
    for (size_t i = 0; i < CM_RTC_PAIRS_MAX; i++) {
        const cm_rtc_pair *pair = &s->pairs[i];
        count += pair->is_used;
        CHECK(!pair->is_used || cm_rtc_find_pair(&pair->route) == pair);
        CHECK(s->path != pair || pair->is_used);
    }
    CHECK((s->state == CM_RTC_ENDED) == r->has_closed);
    CHECK((s->state == CM_RTC_CONNECTED) == (r->is_connected && !r->has_closed));
    CHECK(s->state != CM_RTC_CONNECTED || (s->srtp != NULL && s->is_nominated));
    CHECK(s->state != CM_RTC_WAITING || count == 0);
    CHECK(s->state != CM_RTC_ENDED || (count == 0 && s->path == NULL && s->srtp == NULL));
    if (s->state != CM_RTC_ENDED)
        CHECK(cm_rtc_find_name(r->endpoint, cm_slice_of(cm_rtc_session_local(s)->ufrag)) == s);
}

static void make_world(void)
{
    static cm_net_backend watched;
    cm_loop *loop;
    cm_sim_network *network;
    const cm_address here = cm_address_make(cm_slice_over("\x0a\x00\x00\x01", 4), 0);
    CHECK(cm_sim_create(1, (cm_wall){CM_SECONDS(1000)}, &sim) == CM_OK);
    CHECK(cm_sim_loop_create(sim, &(cm_loop_config){.index = 0}, &loop) == CM_OK);
    CHECK(cm_sim_network_create(sim, &network) == CM_OK);
    const cm_address there = cm_address_make(cm_slice_over("\x0a\x00\x00\x02", 4), 0);
    CHECK(cm_sim_host_create(network, loop, &here, &net) == CM_OK);
    CHECK(cm_sim_host_create(network, loop, &there, &peers_net) == CM_OK);
    watched = *net->backend;
    watched.udp_send = watch_send;
    net->backend = &watched;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    run r = {.destroys_in = cm_read_u8(&in)};
    r.is_full = (r.destroys_in & 0x80) != 0;
    if (net == NULL)
        make_world();
    now_running = &r;
    const cm_address here = cm_address_make(cm_slice_over("\x0a\x00\x00\x01", 4), 8189);
    cm_rtc_endpoint_config config = {
        .net = net, .addresses = &here, .address_count = 1, .sessions_max = 1, .takes_tcp = true};
    if (r.is_full)
        config.stun = (cm_rtc_server){.host = CM_TEXT("10.0.1.99"), .port = STUN_PORT};
    CHECK(cm_rtc_endpoint_create(&config, &r.endpoint) == CM_OK);
    begin_session(&r);
    for (int i = 0; i < STEPS_MAX && in.rest.size > 0; i++) {
        step(&r, &in);
        check_session(&r);
    }
    /* Left alone it must end: nothing is waited for without a limit. */
    if (size % 2 == 0 && r.session != NULL) {
        cm_sim_run_for(sim, CM_SECONDS(70));
        CHECK(r.has_closed);
    }
    cm_rtc_session_destroy(r.session);
    cm_rtc_endpoint_destroy(r.endpoint);
    end_connection(&r);
    cm_srtp_destroy(r.peer);
    cm_sim_run_for(sim, CM_MS(10));
    return 0;
}
