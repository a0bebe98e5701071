/*
 * webrtc_peer: one viewer of a WHEP server on 127.0.0.1, for tests and as a load: it negotiates
 * what a browser does (BUNDLE, RTX, NACK, PLI, transport-cc), connects by ICE and DTLS-SRTP, hands
 * each RTP packet to its owner and answers with the RTCP that a browser sends.
 *
 * What comes can be opened, or not: of sealed packets the header is read alone, which costs a load
 * next to nothing.
 *
 * A server that does not speak WHEP is asked by somebody else: webrtc_peer_bind() and
 * webrtc_peer_connect().
 *
 * One thread, non-blocking: the owner watches peer->fd for reading and calls webrtc_peer_tick()
 * every 5 ms or so. Where OpenSSL itself refuses to work the program ends.
 */
#pragma once

#include <openssl/ssl.h>

#include "net/srtp.h"
#include "proto/rtcp/transport_cc.h"
#include "proto/rtp/extension.h"
#include "proto/stun/stun.h"

typedef enum webrtc_peer_state {
    WEBRTC_PEER_ASKING,   // the POST is under way; fd is its connection
    WEBRTC_PEER_CHECKING, // fd is the UDP socket from here on
    WEBRTC_PEER_HANDSHAKING,
    WEBRTC_PEER_CONNECTED,
    WEBRTC_PEER_OVER, // the owner was told; it only waits to be closed
} webrtc_peer_state;

/* Ours, in each description. */
#define WEBRTC_PEER_UFRAG    "testpeer"
#define WEBRTC_PEER_PASSWORD "testpeertestpeertestpeer"

enum {
    WEBRTC_PEER_ARRIVALS = 1024, // between two reports
    WEBRTC_PEER_ANSWER_MAX = 8192,
    WEBRTC_PEER_TEXT_MAX = 64,
    WEBRTC_PEER_LOST_MAX = 32, // packets that one report says lost
};

/* What all peers of a program share. */
typedef struct webrtc_peers {
    SSL_CTX *context;
    char fingerprint[3 * 32];
    cm_stun_hasher *hasher;
    uint64_t reports; // sent, by all
} webrtc_peers;

void webrtc_peers_init(webrtc_peers *peers);

/* Borrowed for the call. */
typedef struct webrtc_packet {
    cm_rtp_packet rtp; // without is_opened its payload is sealed, and cut short
    cm_rtp_extensions extensions;
    bool is_rtx;
    size_t size; // of the datagram
    int64_t at_us;
    int64_t wall_us; // when the kernel had it; 0 without is_timed
} webrtc_packet;

/* What stands in the clear before a packet of pictures is opened. */
typedef struct webrtc_head {
    uint16_t sequence_number;
    uint32_t timestamp;
} webrtc_head;

/* Inside webrtc_peer_readable() and webrtc_peer_tick(). None may close the peer. */
typedef struct webrtc_peer_events {
    void (*on_answer)(void *owner, unsigned status); // of HTTP; may be NULL
    /* Is this one, no RTX, lost on its way? Then nothing of the peer ever knows of it. May be NULL.
     */
    bool (*is_lost)(void *owner, const webrtc_head *head);
    void (*on_packet)(void *owner, const webrtc_packet *packet); // of pictures
    void (*on_sound)(void *owner, const webrtc_packet *packet);  // of PCMU; may be NULL
    void (*on_report)(void *owner);                              // one is due; may be NULL
    void (*on_goodbye)(void *owner);                             // the server's BYE; may be NULL
    void (*on_failed)(void *owner, const char *why, const char *at); // it is over
} webrtc_peer_events;

typedef struct webrtc_peer_config {
    webrtc_peers *peers;
    uint64_t index; // tells it from others
    uint16_t port;  // of HTTP
    const char *path;
    const char *who;    // a header of the POST, "Cookie: …"; NULL: none
    bool is_opened;     // SRTP is taken off what comes
    bool is_timed;      // the kernel says when it came
    bool has_no_rtx;    // it offers none
    bool wants_sound;   // it offers to receive PCMU
    int receive_buffer; // bytes; 0: 1 MB
    const webrtc_peer_events *events;
    void *owner;
} webrtc_peer_config;

typedef struct webrtc_peer {
    webrtc_peer_config config; // path and who are good in webrtc_peer_open() only
    webrtc_peer_state state;
    int fd;
    bool has_media;
    bool is_asked; // the server checks the path, and we answer
    char *answer;  // HTTP response while it comes
    size_t answer_size;
    char ufrag[WEBRTC_PEER_TEXT_MAX], password[WEBRTC_PEER_TEXT_MAX]; // the server's
    SSL *ssl;
    cm_srtp *srtp;
    uint8_t payload_type, rtx_payload_type;
    bool is_h265;  // what was answered; else H.264
    uint32_t ssrc; // of the pictures
    uint16_t highest;
    int64_t asked_us; // the newest STUN request
    int64_t reported_us;
    uint8_t report_count;
    cm_rtcp_arrival arrivals[WEBRTC_PEER_ARRIVALS];
    uint32_t arrival_count;
    uint16_t arrival_base;
    uint16_t lost[WEBRTC_PEER_LOST_MAX]; // to be said lost in the next report
    size_t lost_count;
    bool wants_keyframe; // to be said there too
} webrtc_peer;

/* Sends the POST. False: no connection; nothing is to be closed. */
bool webrtc_peer_open(webrtc_peer *peer, const webrtc_peer_config *config);

/* What a server's description says. */
typedef struct webrtc_peer_server {
    char address[WEBRTC_PEER_TEXT_MAX]; // IPv4
    uint16_t port;
    char ufrag[WEBRTC_PEER_TEXT_MAX], password[WEBRTC_PEER_TEXT_MAX];
    uint8_t payload_type, rtx_payload_type;
    uint32_t ssrc; // of the pictures
} webrtc_peer_server;
/* Instead of webrtc_peer_open: its UDP port, for a candidate of ours, and later, when the server
 * has described itself, its side: it is a full agent and checks the path. False: as
 * webrtc_peer_open. */
bool webrtc_peer_bind(webrtc_peer *peer, const webrtc_peer_config *config, uint16_t *port);
bool webrtc_peer_connect(webrtc_peer *peer, const webrtc_peer_server *server);
/* Says goodbye, if it is connected. */
void webrtc_peer_close(webrtc_peer *peer);
/* True when peer->fd became another one, which is to be watched instead. */
bool webrtc_peer_readable(webrtc_peer *peer);
void webrtc_peer_tick(webrtc_peer *peer, int64_t now_us);
/* In rising order; what is too much is left out. */
void webrtc_peer_say_lost(webrtc_peer *peer, uint16_t sequence);
/* As it stands, from the peer's own address. */
void webrtc_peer_send(webrtc_peer *peer, cm_slice datagram);
/* Its next report, protected, in `room` (at least 2,048 bytes and CM_SRTP_RTCP_OVERHEAD). */
cm_slice webrtc_peer_write_report(webrtc_peer *peer, uint8_t *room, size_t size);
