/*
 * rtc_peer: a browser's transport in small, for the tests of net/rtc: a full, controlling ICE agent
 * on one or two addresses, OpenSSL's DTLS client, SRTP by net/srtp. It does by itself what browsers
 * do (checks, handshake, repeated flights); a case turns parts of that off.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "dtls_client.h"
#include "net/rtc.h"

enum {
    RTC_PEER_ADDRESSES = 2,
    RTC_PEER_TICK_US = 20000,
    RTC_PEER_CHECK_TICKS = 3,     // between checks until connected
    RTC_PEER_CONSENT_TICKS = 100, // and then
    RTC_PEER_ROOM = 2048,
};

typedef struct rtc_peer rtc_peer;

typedef struct rtc_peer_address {
    rtc_peer *peer;
    cm_udp *udp;
    cm_address local;
    unsigned answers; // of checks, proven by the server's password, naming this address
    unsigned packets; // RTP and RTCP that came here
} rtc_peer_address;

struct rtc_peer {
    cm_loop *loop;
    cm_address server;
    cm_ice_credentials theirs;
    const char *ufrag;
    const char *pwd; // a=ice-pwd of its own
    cm_stun_hasher *hasher;
    cm_timer timer;
    unsigned ticks;
    unsigned active; // the address it speaks from
    rtc_peer_address addresses[RTC_PEER_ADDRESSES];

    cm_tcp *tcp; // NULL: UDP
    bool is_tcp_connected, has_tcp_ended;
    uint8_t frames[65536];
    size_t frames_size;
    size_t piece; // of what it writes; 0: whole frames

    bool sends_no_checks;
    bool answers_none;
    bool never_nominates;
    bool sends_no_dtls;
    cm_stun_role role; // CM_STUN_NO_ROLE: controlling

    dtls_client dtls;
    cm_timer repeat;                  // of its flight
    bool has_begun;                   // its ClientHello is out
    uint8_t last_dtls[RTC_PEER_ROOM]; // the last datagram of it
    size_t last_dtls_size;
    cm_srtp *srtp;

    uint16_t sequence;
    uint16_t error;         // of the last error answer
    unsigned checked;       // requests of the server's, proven by our password
    cm_stun_role last_role; // of the last
    bool is_nominated;      // by one of those
    unsigned unread;        // datagrams that it could not open, or did not expect
    unsigned rtp;           // packets
    unsigned rtcp;
    uint16_t last_sequence; // of RTP
    unsigned disorder;      // RTP that did not follow the one before
    size_t last_size;
};

static inline void rtc_peer_write(rtc_peer *peer, cm_slice bytes)
{
    size_t taken;
    if (peer->is_tcp_connected && !peer->has_tcp_ended &&
        cm_tcp_write(peer->tcp, &bytes, 1, &taken) == CM_OK)
        DTLS_MUST(taken == bytes.size);
}

/* RFC 4571, 2 */
static inline void rtc_peer_send_frame(rtc_peer *peer, cm_slice bytes)
{
    uint8_t frame[2 + 16384];
    cm_writer w = cm_writer_over(frame, sizeof frame);
    cm_write_u16(&w, (uint16_t)bytes.size);
    cm_write_slice(&w, bytes);
    const size_t piece = peer->piece > 0 ? peer->piece : w.used;
    for (size_t at = 0; at < w.used; at += piece)
        rtc_peer_write(peer, cm_slice_part(cm_writer_done(&w), at, piece));
}

static inline void rtc_peer_send_bytes(rtc_peer *peer, cm_slice bytes)
{
    if (peer->tcp != NULL) {
        rtc_peer_send_frame(peer, bytes);
        return;
    }
    const cm_datagram datagram = {.bytes = bytes, .peer = peer->server};
    size_t sent;
    (void)cm_udp_send(peer->addresses[peer->active].udp, &datagram, 1, &sent);
}

/* ---- checks ---- */

typedef struct rtc_peer_check {
    bool is_nominating;
    cm_stun_role role;
    const char *ours;   // ufrag; NULL: as it is
    const char *theirs; // ufrag
    const char *pwd;
} rtc_peer_check;

static inline void rtc_peer_send_check(rtc_peer *peer, const rtc_peer_check *check)
{
    char username[128];
    uint8_t bytes[512];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    snprintf(username, sizeof username, "%s:%s",
             check->theirs != NULL ? check->theirs : peer->theirs.ufrag,
             check->ours != NULL ? check->ours : peer->ufrag);
    cm_stun_message m = {.method = CM_STUN_BINDING,
                         .username = cm_slice_of(username),
                         .has_priority = true,
                         .priority = 1,
                         .role = check->role != CM_STUN_NO_ROLE ? check->role : CM_STUN_CONTROLLING,
                         .uses_candidate = check->is_nominating};
    cm_random_fill(cm_loop_random(peer->loop), m.transaction, sizeof m.transaction);
    const char *pwd = check->pwd != NULL ? check->pwd : peer->theirs.pwd;
    DTLS_MUST(cm_stun_write(peer->hasher, &m, cm_slice_of(pwd), &w) == CM_OK);
    rtc_peer_send_bytes(peer, cm_writer_done(&w));
}

static inline void rtc_peer_check_now(rtc_peer *peer, bool is_nominating)
{
    rtc_peer_send_check(peer,
                        &(rtc_peer_check){.is_nominating = is_nominating, .role = peer->role});
}

/* ---- DTLS ---- */

static inline void rtc_peer_flush_dtls(rtc_peer *peer)
{
    struct timeval left;
    for (size_t i = 0; i < peer->dtls.pipe.out.count; i++) {
        const cm_slice datagram = cm_dtls_queue_at(&peer->dtls.pipe.out, i);
        cm_slice_copy(datagram, peer->last_dtls, sizeof peer->last_dtls);
        peer->last_dtls_size = datagram.size;
        rtc_peer_send_bytes(peer, datagram);
    }
    cm_dtls_queue_deinit(&peer->dtls.pipe.out);
    cm_timer_stop(&peer->repeat);
    if (DTLSv1_get_timeout(peer->dtls.ssl, &left) == 1 && !peer->dtls.has_failed)
        cm_timer_start(&peer->repeat, left.tv_sec * 1000000 + left.tv_usec);
}

static inline void rtc_peer_on_repeat(cm_timer *timer)
{
    rtc_peer *peer = CM_HOLDER(timer, rtc_peer, repeat);
    dtls_client_repeat(&peer->dtls);
    rtc_peer_flush_dtls(peer);
}

static inline void rtc_peer_go_on(rtc_peer *peer, cm_slice datagram)
{
    dtls_client_go_on(&peer->dtls, datagram);
    rtc_peer_flush_dtls(peer);
    if (!peer->dtls.is_done || peer->srtp != NULL)
        return;
    cm_srtp_master clients, servers;
    const cm_srtp_profile profile = dtls_client_masters(&peer->dtls, &clients, &servers);
    DTLS_MUST(cm_srtp_create(profile, &clients, &servers, &peer->srtp) == CM_OK);
}

/* ---- what arrives ---- */

/* A check of a full agent's. */
static inline void rtc_peer_on_check(rtc_peer_address *at, const cm_stun_message *request)
{
    rtc_peer *peer = at->peer;
    uint8_t bytes[128];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message m = {.class = CM_STUN_SUCCESS, .method = CM_STUN_BINDING};
    DTLS_MUST(request->has_fingerprint && request->has_priority &&
              cm_stun_check_integrity(peer->hasher, request, cm_slice_of(peer->pwd)) == CM_OK);
    peer->checked++;
    peer->last_role = request->role;
    peer->is_nominated = peer->is_nominated || request->uses_candidate;
    cm_slice_copy(cm_slice_over(request->transaction, sizeof request->transaction), m.transaction,
                  sizeof m.transaction);
    m.mapped = (cm_stun_address){.size = 4, .port = peer->server.port};
    cm_slice_copy(cm_address_bytes(&peer->server), m.mapped.bytes, sizeof m.mapped.bytes);
    DTLS_MUST(cm_stun_write(peer->hasher, &m, cm_slice_of(peer->pwd), &w) == CM_OK);
    if (!peer->answers_none)
        rtc_peer_send_bytes(peer, cm_writer_done(&w));
}

static inline void rtc_peer_on_answer(rtc_peer_address *at, cm_slice bytes)
{
    rtc_peer *peer = at->peer;
    cm_stun_message m;
    if (cm_stun_parse(bytes, &m) == CM_OK && m.class == CM_STUN_REQUEST) {
        rtc_peer_on_check(at, &m);
        return;
    }
    if (cm_stun_parse(bytes, &m) != CM_OK ||
        cm_stun_check_integrity(peer->hasher, &m, cm_slice_of(peer->theirs.pwd)) != CM_OK) {
        peer->unread++;
        return;
    }
    if (m.class != CM_STUN_SUCCESS) {
        peer->error = m.error;
        return;
    }
    const cm_address mapped =
        cm_address_make(cm_slice_over(m.mapped.bytes, m.mapped.size), m.mapped.port);
    DTLS_MUST(cm_address_equal(&mapped, &at->local));
    at->answers++;
    if (at->answers == 1 && !peer->never_nominates && !peer->sends_no_checks)
        rtc_peer_check_now(peer, true);
    if (!peer->has_begun && !peer->sends_no_dtls) {
        peer->has_begun = true;
        rtc_peer_go_on(peer, (cm_slice){.size = 0});
    }
}

static inline void rtc_peer_on_packet(rtc_peer_address *at, cm_slice bytes)
{
    rtc_peer *peer = at->peer;
    uint8_t packet[RTC_PEER_ROOM];
    size_t size;
    cm_slice_copy(bytes, packet, sizeof packet);
    const bool is_rtcp = bytes.size > 1 && bytes.bytes[1] >= 192 && bytes.bytes[1] <= 223;
    if (peer->srtp == NULL ||
        (is_rtcp ? cm_srtp_unprotect_rtcp(peer->srtp, packet, bytes.size, &size)
                 : cm_srtp_unprotect(peer->srtp, packet, bytes.size, &size)) != CM_OK) {
        peer->unread++;
        return;
    }
    at->packets++;
    peer->last_size = size;
    if (is_rtcp) {
        peer->rtcp++;
        return;
    }
    const uint16_t sequence = (uint16_t)(packet[2] << 8 | packet[3]);
    if (peer->rtp > 0 && sequence != (uint16_t)(peer->last_sequence + 1))
        peer->disorder++;
    peer->last_sequence = sequence;
    peer->rtp++;
}

static inline void rtc_peer_on_bytes(rtc_peer_address *at, cm_slice bytes)
{
    if (bytes.bytes[0] < 4)
        rtc_peer_on_answer(at, bytes);
    else if (bytes.bytes[0] < 64)
        rtc_peer_go_on(at->peer, bytes);
    else
        rtc_peer_on_packet(at, bytes);
}

static inline void rtc_peer_on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    rtc_peer_address *at = owner;
    for (size_t i = 0; i < count; i++) {
        if (cm_address_equal(&datagrams[i].peer, &at->peer->server))
            rtc_peer_on_bytes(at, datagrams[i].bytes);
        else
            at->peer->unread++;
    }
}

/* ---- TCP ---- */

static inline void rtc_peer_take_frames(rtc_peer *peer)
{
    size_t at = 0;
    while (peer->frames_size - at >= 2) {
        const size_t size = (size_t)peer->frames[at] << 8 | peer->frames[at + 1];
        if (peer->frames_size - at < 2 + size)
            break;
        rtc_peer_on_bytes(&peer->addresses[0], cm_slice_over(peer->frames + at + 2, size));
        at += 2 + size;
    }
    memmove(peer->frames, peer->frames + at, peer->frames_size - at);
    peer->frames_size -= at;
}

static inline void rtc_peer_on_readable(void *owner)
{
    rtc_peer *peer = owner;
    for (;;) {
        size_t size;
        const cm_status status = cm_tcp_read(peer->tcp, peer->frames + peer->frames_size,
                                             sizeof peer->frames - peer->frames_size, &size);
        if (status == CM_CLOSE)
            peer->has_tcp_ended = true;
        if (status != CM_OK)
            return;
        peer->frames_size += size;
        rtc_peer_take_frames(peer);
    }
}

static inline void rtc_peer_on_tcp_connected(void *owner, cm_status status)
{
    rtc_peer *peer = owner;
    peer->is_tcp_connected = status == CM_OK;
    peer->addresses[0].local = cm_tcp_local(peer->tcp);
}

/* From here on it speaks over a connection of its own; `server` is set. */
static inline void rtc_peer_connect_tcp(rtc_peer *peer, cm_net *net)
{
    static const cm_tcp_events TCP_EVENTS = {.on_connected = rtc_peer_on_tcp_connected,
                                             .on_readable = rtc_peer_on_readable};
    peer->is_tcp_connected = peer->has_tcp_ended = false;
    peer->frames_size = 0;
    DTLS_MUST(cm_tcp_connect(net, &peer->server, CM_SECONDS(10), &TCP_EVENTS, peer, &peer->tcp) ==
              CM_OK);
}

/* ---- what it does by itself ---- */

static inline void rtc_peer_on_tick(cm_timer *timer)
{
    rtc_peer *peer = CM_HOLDER(timer, rtc_peer, timer);
    const unsigned between = peer->srtp != NULL ? RTC_PEER_CONSENT_TICKS : RTC_PEER_CHECK_TICKS;
    if (!peer->sends_no_checks && peer->ticks % between == 0)
        rtc_peer_check_now(peer,
                           !peer->never_nominates && peer->addresses[peer->active].answers > 0);
    peer->ticks++;
    cm_timer_start(timer, RTC_PEER_TICK_US);
}

/* ---- packets ---- */

static inline size_t rtc_rtp_header(uint8_t out[12], uint8_t type, uint16_t sequence, uint32_t ssrc)
{
    cm_writer w = cm_writer_over(out, 12);
    cm_write_u8(&w, 0x80);
    cm_write_u8(&w, type);
    cm_write_u16(&w, sequence);
    cm_write_u32(&w, sequence * 3000u);
    cm_write_u32(&w, ssrc);
    return w.used;
}

/* A receiver report without blocks. */
static inline size_t rtc_receiver_report(uint8_t out[8], uint32_t ssrc)
{
    cm_writer w = cm_writer_over(out, 8);
    cm_write_u8(&w, 0x80);
    cm_write_u8(&w, 201);
    cm_write_u16(&w, 1);
    cm_write_u32(&w, ssrc);
    return w.used;
}

/* Of `size` bytes before it is protected; what was sent is left in `out` as it went. */
static inline cm_slice rtc_peer_send_rtp(rtc_peer *peer, size_t size, uint8_t out[RTC_PEER_ROOM])
{
    size_t protected_size = 0;
    cm_writer w = cm_writer_over(out, RTC_PEER_ROOM);
    cm_write_zeros(&w, size);
    rtc_rtp_header(out, 96, peer->sequence++, 0xabcdef);
    DTLS_MUST(cm_srtp_protect(peer->srtp, out, size, &protected_size) == CM_OK);
    rtc_peer_send_bytes(peer, cm_slice_over(out, protected_size));
    return cm_slice_over(out, protected_size);
}

static inline void rtc_peer_send_rtcp(rtc_peer *peer)
{
    uint8_t packet[64];
    size_t size = rtc_receiver_report(packet, 0xabcdef);
    DTLS_MUST(cm_srtp_protect_rtcp(peer->srtp, packet, size, &size) == CM_OK);
    rtc_peer_send_bytes(peer, cm_slice_over(packet, size));
}

/* ---- life ---- */

static inline void rtc_peer_add_address(rtc_peer *peer, unsigned index, cm_net *net,
                                        const cm_address *local)
{
    rtc_peer_address *at = &peer->addresses[index];
    const cm_udp_config config = {
        .local = *local, .on_datagrams = rtc_peer_on_datagrams, .owner = at};
    at->peer = peer;
    DTLS_MUST(cm_udp_open(net, &config, &at->udp) == CM_OK);
    at->local = cm_udp_local(at->udp);
}

/* Begins with the next tick. `options` and `certificate` outlive it. */
static inline void rtc_peer_open(rtc_peer *peer, cm_net *net, const cm_address *local,
                                 const dtls_client_options *options,
                                 const dtls_certificate *certificate)
{
    *peer =
        (rtc_peer){.loop = cm_net_loop(net), .ufrag = "peer", .pwd = "a password of the peer's"};
    DTLS_MUST(cm_stun_hasher_create(&peer->hasher) == CM_OK);
    dtls_client_open(&peer->dtls, options, certificate);
    rtc_peer_add_address(peer, 0, net, local);
    cm_timer_init(&peer->timer, peer->loop, rtc_peer_on_tick);
    cm_timer_init(&peer->repeat, peer->loop, rtc_peer_on_repeat);
    cm_timer_start(&peer->timer, 0);
}

static inline void rtc_peer_close(rtc_peer *peer)
{
    cm_timer_stop(&peer->timer);
    cm_timer_stop(&peer->repeat);
    cm_tcp_close(peer->tcp);
    for (size_t i = 0; i < RTC_PEER_ADDRESSES; i++)
        cm_udp_close(peer->addresses[i].udp);
    dtls_client_close(&peer->dtls);
    cm_srtp_destroy(peer->srtp);
    cm_stun_hasher_destroy(peer->hasher);
}
