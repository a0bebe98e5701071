/*
 * webrtc_peer: one viewer of a WHEP server as a load: it negotiates what a browser does (BUNDLE,
 * RTX, NACK, PLI, transport-cc), connects by ICE and DTLS-SRTP, counts what comes and answers with
 * the RTCP that a browser sends. Only a probe takes the SRTP off and looks at the capture time.
 *
 * One thread, non-blocking: the owner watches peer->fd for reading and calls bench_peer_tick()
 * every 5 ms. A peer that fails ends the program with a sentence.
 */
#pragma once

#include <openssl/ssl.h>

#include "common.h"
#include "net/srtp.h"
#include "proto/rtcp/transport_cc.h"
#include "proto/rtp/extension.h"
#include "proto/stun/stun.h"

typedef enum bench_peer_state {
    BENCH_PEER_ASKING,   // the POST is under way; fd is its connection
    BENCH_PEER_CHECKING, // fd is the UDP socket from here on
    BENCH_PEER_HANDSHAKING,
    BENCH_PEER_CONNECTED,
} bench_peer_state;

enum {
    BENCH_PEER_ARRIVALS = 1024, // between two reports
    BENCH_PEER_ANSWER_MAX = 8192,
    BENCH_PEER_TEXT_MAX = 64,
};

/* What all peers share. */
typedef struct bench_peers {
    uint64_t port; // HTTP on 127.0.0.1
    SSL_CTX *context;
    char fingerprint[3 * 32];
    cm_stun_hasher *hasher;
    uint32_t nack_per_million;
    uint32_t seed;
    /* Since they were last set to zero. */
    uint64_t packets, bytes, resent, reports, nacked, late;
    int64_t *ages_us; // of probes: capture to the last packet of a picture
    size_t age_count, ages_max;
} bench_peers;

typedef struct bench_peer {
    bench_peers *peers;
    uint64_t index;
    bench_peer_state state;
    int fd;
    bool is_probe;
    bool was_answered; // by STUN, since the path was last asked about
    bool has_media;
    char *answer; // HTTP response while it comes
    size_t answer_size;
    char ufrag[BENCH_PEER_TEXT_MAX], password[BENCH_PEER_TEXT_MAX]; // the server's
    SSL *ssl;
    cm_srtp *srtp;
    uint8_t payload_type, rtx_payload_type;
    uint32_t ssrc; // of the pictures
    uint16_t highest;
    int64_t asked_us; // the newest STUN request
    int64_t reported_us, received_us;
    uint8_t report_count;
    cm_rtcp_arrival arrivals[BENCH_PEER_ARRIVALS];
    uint32_t arrival_count;
    uint16_t arrival_base;
    uint16_t lost; // to be said lost in the next report
    bool has_lost;
} bench_peer;

void bench_peers_init(bench_peers *peers);
/* `path` and `cookie` (may be NULL) of the POST; sends it. */
void bench_peer_open(bench_peer *peer, const char *path, const char *cookie);
/* True when peer->fd became another one, which is to be watched instead. */
bool bench_peer_readable(bench_peer *peer);
void bench_peer_tick(bench_peer *peer, int64_t now_us);
