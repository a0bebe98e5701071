#include "webrtc_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/reader.h"
#include "base/writer.h"
#include "proto/rtcp/feedback.h"

enum {
    PCMU_TYPE = 0,
    DATAGRAM_MAX = 1500,
    BATCH = 32,
    HEAD = 64, // enough for an RTP header with its extensions
    RECEIVE_BUFFER = 1 << 20,
    REPORT_US = 100000,
    CONSENT_US = 5000000,
    ASK_AGAIN_US = 100000,
    OUR_SSRC = 1,
};

/* Header extensions as we offer them. */
static const cm_rtp_extension_ids IDS = {
    .transport_sequence = 3, .capture_time = 4, .playout_delay = 5, .mid = 6};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

_Noreturn static void give_up(const char *why)
{
    fprintf(stderr, "webrtc_peer: %s\n", why);
    exit(1);
}

static void fail(webrtc_peer *peer, const char *why, const char *at)
{
    if (peer->state == WEBRTC_PEER_OVER)
        return;
    peer->state = WEBRTC_PEER_OVER;
    peer->config.events->on_failed(peer->config.owner, why, at);
}

/* ---- what all share ---- */

static void make_fingerprint(webrtc_peers *peers, const X509 *certificate)
{
    uint8_t digest[32];
    unsigned size = sizeof digest;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        give_up("can't hash a certificate");
    cm_writer w = cm_writer_over(peers->fingerprint, sizeof peers->fingerprint);
    for (size_t i = 0; i < sizeof digest; i++)
        cm_write_format(&w, i > 0 ? ":%02X" : "%02X", digest[i]);
    peers->fingerprint[sizeof peers->fingerprint - 1] = '\0';
}

/* One for all: who they are is not what is measured. */
static void make_certificate(webrtc_peers *peers)
{
    enum { DAY_S = 86400 };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    if (key == NULL || certificate == NULL || X509_set_version(certificate, 2) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S) == NULL ||
        X509_set_pubkey(certificate, key) != 1 || X509_sign(certificate, key, EVP_sha256()) == 0 ||
        SSL_CTX_use_certificate(peers->context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(peers->context, key) != 1)
        give_up("can't make a certificate");
    make_fingerprint(peers, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void webrtc_peers_init(webrtc_peers *peers)
{
    peers->context = SSL_CTX_new(DTLS_client_method());
    /* What Chromium offers, in its order. 0 is success here. */
    if (peers->context == NULL ||
        SSL_CTX_set_tlsext_use_srtp(peers->context,
                                    "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM") != 0 ||
        cm_stun_hasher_create(&peers->hasher) != CM_OK)
        give_up("DTLS can't be set up");
    make_certificate(peers);
}

/* ---- the offer and its answer ---- */

enum { TYPE_H264 = 96, TYPE_H265 = 98 }; // payload types that are offered

/* One codec of the offer; its retransmissions are of the type behind it. */
static void write_codec(cm_writer *w, unsigned type, const char *name, const char *fmtp,
                        bool has_rtx)
{
    cm_write_format(w,
                    "a=rtpmap:%u %s/90000\r\na=rtcp-fb:%u transport-cc\r\na=rtcp-fb:%u nack\r\n"
                    "a=rtcp-fb:%u nack pli\r\na=fmtp:%u %s\r\n",
                    type, name, type, type, type, type, fmtp);
    if (has_rtx)
        cm_write_format(w, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", type + 1, type + 1,
                        type);
}

static void write_sound_offer(const webrtc_peer *peer, cm_writer *w)
{
    cm_write_format(
        w,
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"
        "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:1\r\na=extmap:3 "
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtcp-fb:0 transport-cc\r\n",
        WEBRTC_PEER_UFRAG, WEBRTC_PEER_PASSWORD, peer->config.peers->fingerprint);
}

static void write_offer(const webrtc_peer *peer, cm_writer *w)
{
    const bool has_rtx = !peer->config.has_no_rtx;
    cm_write_format(
        w,
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0%s\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\n"
        "a=ice-pwd:%s\r\na=ice-options:trickle\r\na=fingerprint:sha-256 %s\r\na=setup:actpass\r\n"
        "a=mid:0\r\na=extmap:3 "
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n"
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
        "a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\na=rtcp-mux\r\n"
        "a=rtcp-rsize\r\n",
        peer->config.wants_sound ? " 1" : "", has_rtx ? "96 97 98 99" : "96 98", WEBRTC_PEER_UFRAG,
        WEBRTC_PEER_PASSWORD, peer->config.peers->fingerprint);
    write_codec(w, TYPE_H264, "H264",
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", has_rtx);
    write_codec(w, TYPE_H265, "H265", "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
                has_rtx);
    if (peer->config.wants_sound)
        write_sound_offer(peer, w);
}

static bool send_all(int fd, cm_slice bytes)
{
    while (bytes.size > 0) {
        const ssize_t sent = send(fd, bytes.bytes, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        bytes = cm_slice_from(bytes, sent > 0 ? (size_t)sent : 0);
    }
    return true;
}

static bool send_offer(const webrtc_peer *peer)
{
    const webrtc_peer_config *config = &peer->config;
    char offer[4096], head[2048];
    cm_writer w = cm_writer_over(offer, sizeof offer);
    write_offer(peer, &w);
    const cm_slice body = cm_writer_done(&w);
    cm_writer h = cm_writer_over(head, sizeof head);
    cm_write_format(&h,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nOrigin: http://127.0.0.1:%u\r\n"
                    "Content-Type: application/sdp\r\nContent-Length: %zu\r\n",
                    config->path, config->port, config->port, body.size);
    if (config->who != NULL)
        cm_write_format(&h, "%s\r\n", config->who);
    cm_write_text(&h, "Connection: close\r\n\r\n");
    return send_all(peer->fd, cm_writer_done(&h)) && send_all(peer->fd, body);
}

static int connect_to(int type, uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool webrtc_peer_open(webrtc_peer *peer, const webrtc_peer_config *config)
{
    *peer = (webrtc_peer){.config = *config, .fd = connect_to(SOCK_STREAM, config->port)};
    if (peer->fd < 0)
        return false;
    peer->answer = malloc(WEBRTC_PEER_ANSWER_MAX);
    if (peer->answer == NULL)
        give_up("no memory");
    if (send_offer(peer) && fcntl(peer->fd, F_SETFL, O_NONBLOCK) == 0)
        return true;
    webrtc_peer_close(peer);
    return false;
}

/* What stands behind `name` in the answer, up to the end of the line or a blank. */
static cm_slice attribute(const webrtc_peer *peer, const char *name)
{
    const char *at = strstr(peer->answer, name);
    if (at == NULL)
        return CM_TEXT("");
    at += strlen(name);
    return cm_slice_over(at, strcspn(at, " \r\n"));
}

static bool is_number(const webrtc_peer *peer, const char *name, uint64_t max, uint64_t *out)
{
    return cm_slice_to_u64(attribute(peer, name), max, out) == CM_OK;
}

/* The port of the first UDP candidate on 127.0.0.1; 0: none. */
static uint16_t candidate_port(const webrtc_peer *peer)
{
    for (const char *at = peer->answer; (at = strstr(at, "a=candidate:")) != NULL; at++) {
        unsigned port;
        char protocol[8], address[64];
        if (sscanf(at, "a=candidate:%*s 1 %7s %*u %63s %u typ host", protocol, address, &port) ==
                3 &&
            (strcmp(protocol, "udp") == 0 || strcmp(protocol, "UDP") == 0) &&
            strcmp(address, "127.0.0.1") == 0)
            return (uint16_t)port;
    }
    return 0;
}

static bool set_up_socket(const webrtc_peer *peer)
{
    const int size = peer->config.receive_buffer > 0 ? peer->config.receive_buffer : RECEIVE_BUFFER;
    const int is_timed = peer->config.is_timed;
    return setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
           setsockopt(peer->fd, SOL_SOCKET, SO_TIMESTAMPNS, &is_timed, sizeof is_timed) == 0;
}

static bool open_socket(webrtc_peer *peer, uint16_t port)
{
    close(peer->fd);
    peer->fd = connect_to(SOCK_DGRAM | SOCK_NONBLOCK, port);
    return port > 0 && peer->fd >= 0 && set_up_socket(peer);
}

static bool take_description(webrtc_peer *peer)
{
    uint64_t type, ssrc;
    if (cm_slice_to_cstr(attribute(peer, "a=ice-ufrag:"), peer->ufrag, sizeof peer->ufrag) !=
            CM_OK ||
        cm_slice_to_cstr(attribute(peer, "a=ice-pwd:"), peer->password, sizeof peer->password) !=
            CM_OK ||
        !is_number(peer, "UDP/TLS/RTP/SAVPF ", 127, &type) ||
        !is_number(peer, "a=ssrc:", UINT32_MAX, &ssrc))
        return false;
    peer->payload_type = (uint8_t)type;
    peer->rtx_payload_type = (uint8_t)(type + 1);
    peer->is_h265 = type == TYPE_H265;
    peer->ssrc = (uint32_t)ssrc;
    return open_socket(peer, candidate_port(peer));
}

static void read_answer(webrtc_peer *peer)
{
    uint64_t status = 0;
    CM_IGNORE(cm_slice_to_u64(cm_slice_part(cm_slice_of(peer->answer), 9, 3), 999, &status),
              "0 then");
    if (peer->config.events->on_answer != NULL)
        peer->config.events->on_answer(peer->config.owner, (unsigned)status);
    if (status != 201)
        fail(peer, "the server says", peer->answer);
    else if (!take_description(peer))
        fail(peer, "the answer lacks something", peer->answer);
    free(peer->answer);
    peer->answer = NULL;
}

/* True when the whole answer was there, or there will be none. */
static bool take_answer(webrtc_peer *peer)
{
    for (;;) {
        const size_t room = WEBRTC_PEER_ANSWER_MAX - 1 - peer->answer_size;
        const ssize_t size = recv(peer->fd, peer->answer + peer->answer_size, room, 0);
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size < 0) {
            fail(peer, "the server closed", strerror(errno));
            return true;
        }
        peer->answer_size += (size_t)size;
        peer->answer[peer->answer_size] = '\0';
        if (size == 0 || room == (size_t)size)
            break;
    }
    read_answer(peer);
    return true;
}

/* ---- ICE ---- */

void webrtc_peer_send(webrtc_peer *peer, cm_slice datagram)
{
    if (send(peer->fd, datagram.bytes, datagram.size, MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
        errno != ECONNREFUSED)
        fail(peer, "send", strerror(errno));
}

static void ask_path(webrtc_peer *peer, int64_t now)
{
    uint8_t storage[256];
    char username[2 * WEBRTC_PEER_TEXT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_writer name = cm_writer_over(username, sizeof username);
    cm_write_format(&name, "%s:%s", peer->ufrag, WEBRTC_PEER_UFRAG);
    cm_stun_message request = {.class = CM_STUN_REQUEST,
                               .method = CM_STUN_BINDING,
                               .username = cm_writer_done(&name),
                               .has_priority = true,
                               .priority = 1,
                               .uses_candidate = true,
                               .role = CM_STUN_CONTROLLING,
                               .tie_breaker = peer->config.index};
    if (RAND_bytes(request.transaction, sizeof request.transaction) != 1 ||
        cm_stun_write(peer->config.peers->hasher, &request, cm_slice_of(peer->password), &w) !=
            CM_OK)
        give_up("can't write a binding request");
    peer->asked_us = now;
    webrtc_peer_send(peer, cm_writer_done(&w));
}

/* ---- DTLS ---- */

static bool take_keys(webrtc_peer *peer)
{
    enum { KEY = 16, SALT_MAX = 14 };
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(peer->ssl);
    uint8_t material[2 * (KEY + SALT_MAX)];
    if (chosen == NULL)
        return false;
    const bool is_gcm = chosen->id == SRTP_AEAD_AES_128_GCM;
    const size_t salt = is_gcm ? 12 : SALT_MAX;
    if (SSL_export_keying_material(peer->ssl, material, 2 * (KEY + salt), "EXTRACTOR-dtls_srtp", 19,
                                   NULL, 0, 0) != 1)
        return false;
    cm_srtp_master masters[2] = {0}; /* RFC 5764 4.2: client's key, server's key, salts likewise */
    for (size_t i = 0; i < 2; i++) {
        cm_slice_copy(cm_slice_over(material + i * KEY, KEY), masters[i].key, KEY);
        cm_slice_copy(cm_slice_over(material + 2 * KEY + i * salt, salt), masters[i].salt, salt);
    }
    return cm_srtp_create(is_gcm ? CM_SRTP_AEAD_AES_128_GCM : CM_SRTP_AES128_CM_SHA1_80,
                          &masters[0], &masters[1], &peer->srtp) == CM_OK;
}

static void go_on_with_handshake(webrtc_peer *peer)
{
    const int result = SSL_connect(peer->ssl);
    if (result != 1) {
        const int error = SSL_get_error(peer->ssl, result);
        ERR_clear_error();
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            fail(peer, "handshake", "DTLS failed");
        return;
    }
    if (!take_keys(peer)) {
        fail(peer, "handshake", "no keys");
        return;
    }
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    peer->state = WEBRTC_PEER_CONNECTED;
}

/* OpenSSL reads the socket itself from here on, and passes over what is not DTLS. */
static void begin_handshake(webrtc_peer *peer)
{
    BIO *bio = BIO_new_dgram(peer->fd, BIO_NOCLOSE);
    struct sockaddr_storage server;
    socklen_t size = sizeof server;
    peer->ssl = SSL_new(peer->config.peers->context);
    if (bio == NULL || peer->ssl == NULL ||
        getpeername(peer->fd, (struct sockaddr *)&server, &size) != 0)
        give_up("DTLS can't be set up");
    (void)BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &server);
    SSL_set_bio(peer->ssl, bio, bio);
    peer->state = WEBRTC_PEER_HANDSHAKING;
    go_on_with_handshake(peer);
}

bool webrtc_peer_bind(webrtc_peer *peer, const webrtc_peer_config *config, uint16_t *port)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    *peer = (webrtc_peer){.config = *config, .state = WEBRTC_PEER_CHECKING};
    peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer->fd >= 0 && set_up_socket(peer) &&
        bind(peer->fd, (const struct sockaddr *)&own, size) == 0 &&
        getsockname(peer->fd, (struct sockaddr *)&own, &size) == 0) {
        *port = ntohs(own.sin_port);
        return true;
    }
    webrtc_peer_close(peer);
    return false;
}

bool webrtc_peer_connect(webrtc_peer *peer, const webrtc_peer_server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    peer->payload_type = server->payload_type;
    peer->rtx_payload_type = server->rtx_payload_type;
    peer->ssrc = server->ssrc;
    memcpy(peer->ufrag, server->ufrag, sizeof peer->ufrag);
    memcpy(peer->password, server->password, sizeof peer->password);
    if (inet_pton(AF_INET, server->address, &to.sin_addr) != 1 ||
        connect(peer->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        webrtc_peer_close(peer);
        return false;
    }
    peer->is_asked = true;
    return true;
}

/* A full agent's check of us: it sees the address that it sent to us from. */
static void answer_check(webrtc_peer *peer, const cm_stun_message *request)
{
    uint8_t storage[256];
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_stun_message answer = {.class = CM_STUN_SUCCESS, .method = CM_STUN_BINDING};
    if (getpeername(peer->fd, (struct sockaddr *)&own, &size) != 0)
        give_up("no peer");
    memcpy(answer.transaction, request->transaction, sizeof answer.transaction);
    memcpy(answer.mapped.bytes, &own.sin_addr, sizeof own.sin_addr);
    answer.mapped.size = sizeof own.sin_addr;
    answer.mapped.port = ntohs(own.sin_port);
    if (cm_stun_write(peer->config.peers->hasher, &answer, cm_slice_of(WEBRTC_PEER_PASSWORD), &w) !=
        CM_OK)
        give_up("can't write an answer to a check");
    webrtc_peer_send(peer, cm_writer_done(&w));
}

static void take_check(webrtc_peer *peer)
{
    uint8_t bytes[DATAGRAM_MAX];
    const ssize_t size = recv(peer->fd, bytes, sizeof bytes, 0);
    cm_stun_message message;
    if (size <= 0 || cm_stun_parse(cm_slice_over(bytes, (size_t)size), &message) != CM_OK)
        return;
    if (message.class == CM_STUN_REQUEST && peer->is_asked)
        answer_check(peer, &message);
    if (message.class == CM_STUN_SUCCESS || (peer->is_asked && message.uses_candidate))
        begin_handshake(peer);
}

/* ---- media ---- */

static void note_arrival(webrtc_peer *peer, uint16_t sequence, int64_t now)
{
    const uint16_t offset = (uint16_t)(sequence - peer->arrival_base);
    if (peer->arrival_count == 0)
        peer->arrival_base = sequence;
    else if (offset >= WEBRTC_PEER_ARRIVALS)
        return;
    const uint16_t at = peer->arrival_count == 0 ? 0 : offset;
    while (peer->arrival_count <= at) {
        peer->arrivals[peer->arrival_count] = (cm_rtcp_arrival){
            .sequence_number = (uint16_t)(peer->arrival_base + peer->arrival_count)};
        peer->arrival_count++;
    }
    peer->arrivals[at].is_received = true;
    peer->arrivals[at].at_us = now % CM_RTCP_ARRIVAL_WRAP_US;
}

static void take_rtcp(webrtc_peer *peer, uint8_t *bytes, size_t size)
{
    cm_rtcp_item item;
    size_t plain;
    if (!peer->config.is_opened || peer->config.events->on_goodbye == NULL ||
        cm_srtp_unprotect_rtcp(peer->srtp, bytes, size, &plain) != CM_OK)
        return;
    cm_slice rest = cm_slice_over(bytes, plain);
    while (peer->state == WEBRTC_PEER_CONNECTED && cm_rtcp_next_item(&rest, &item) == CM_OK)
        if (item.type == CM_RTCP_BYE)
            peer->config.events->on_goodbye(peer->config.owner);
}

/* The header stands in the clear, so that counting needs no key; how much of the payload is padding
 * does not. */
static cm_status open_packet(webrtc_peer *peer, uint8_t *bytes, size_t size, cm_rtp_packet *out)
{
    enum { PADDED = 0x20 };
    size_t plain = size;
    if (peer->config.is_opened)
        CM_TRY(cm_srtp_unprotect(peer->srtp, bytes, size, &plain));
    else
        bytes[0] &= (uint8_t)~PADDED;
    return cm_rtp_parse(cm_slice_over(bytes, plain), out);
}

static bool is_lost(const webrtc_peer *peer, cm_slice packet)
{
    enum { TYPE_MASK = 0x7F };
    cm_reader r = cm_reader_over(packet);
    const uint16_t flags = cm_read_u16(&r);
    webrtc_head head = {.sequence_number = cm_read_u16(&r)};
    head.timestamp = cm_read_u32(&r);
    return peer->config.events->is_lost != NULL && !r.failed &&
           (flags & TYPE_MASK) == peer->payload_type &&
           peer->config.events->is_lost(peer->config.owner, &head);
}

/* 0: none. */
static int64_t kernel_time_us(struct msghdr *message)
{
    struct timespec time;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&time, CMSG_DATA(c), sizeof time);
        return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
    }
    return 0;
}

/* `size` bytes of a datagram; `packet` says what is known of it. */
static void take_packet(webrtc_peer *peer, uint8_t *bytes, size_t size, webrtc_packet packet)
{
    enum { RTP_FIRST = 128, RTP_LAST = 191, RTCP_FIRST = 192, RTCP_LAST = 223 };
    if (bytes[0] < RTP_FIRST || bytes[0] > RTP_LAST)
        return;                                            /* STUN, or DTLS */
    if (bytes[1] >= RTCP_FIRST && bytes[1] <= RTCP_LAST) { /* RFC 5761 4 */
        take_rtcp(peer, bytes, size);
        return;
    }
    if (is_lost(peer, cm_slice_over(bytes, size)))
        return;
    const cm_status status = open_packet(peer, bytes, size, &packet.rtp);
    if (status == CM_REFUSE && peer->config.has_no_rtx)
        return; /* it came twice: late, and once more */
    if (status != CM_OK) {
        fail(peer, "a packet", "can't be opened");
        return;
    }
    cm_rtp_extensions_read(&packet.rtp, &IDS, &packet.extensions);
    if (packet.extensions.has_transport_sequence)
        note_arrival(peer, packet.extensions.transport_sequence, packet.at_us);
    peer->has_media = true;
    if (packet.rtp.payload_type == PCMU_TYPE) {
        if (peer->config.events->on_sound != NULL)
            peer->config.events->on_sound(peer->config.owner, &packet);
        return;
    }
    packet.is_rtx = packet.rtp.payload_type == peer->rtx_payload_type;
    if (!packet.is_rtx)
        peer->highest = packet.rtp.sequence_number;
    peer->config.events->on_packet(peer->config.owner, &packet);
}

static void take_media(webrtc_peer *peer)
{
    static uint8_t storage[BATCH][DATAGRAM_MAX];
    static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    const int64_t now = now_us();
    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){storage[i], peer->config.is_opened ? DATAGRAM_MAX : HEAD};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
        if (peer->config.is_timed) {
            messages[i].msg_hdr.msg_control = control[i];
            messages[i].msg_hdr.msg_controllen = sizeof control[i];
        }
    }
    const int count = recvmmsg(peer->fd, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < count && peer->state == WEBRTC_PEER_CONNECTED; i++) {
        const size_t whole = messages[i].msg_len;
        const webrtc_packet packet = {
            .size = whole,
            .at_us = now,
            .wall_us = peer->config.is_timed ? kernel_time_us(&messages[i].msg_hdr) : 0};
        if (whole > 2)
            take_packet(peer, storage[i], whole < parts[i].iov_len ? whole : parts[i].iov_len,
                        packet);
    }
}

bool webrtc_peer_readable(webrtc_peer *peer)
{
    switch (peer->state) {
    case WEBRTC_PEER_ASKING:
        if (!take_answer(peer) || peer->state == WEBRTC_PEER_OVER)
            return false;
        peer->state = WEBRTC_PEER_CHECKING;
        ask_path(peer, now_us());
        return true;
    case WEBRTC_PEER_CHECKING:
        take_check(peer);
        return false;
    case WEBRTC_PEER_HANDSHAKING:
        go_on_with_handshake(peer);
        return false;
    case WEBRTC_PEER_CONNECTED:
        take_media(peer);
        return false;
    case WEBRTC_PEER_OVER:
        break;
    }
    return false;
}

/* ---- what a viewer says ---- */

void webrtc_peer_say_lost(webrtc_peer *peer, uint16_t sequence)
{
    if (peer->lost_count < WEBRTC_PEER_LOST_MAX)
        peer->lost[peer->lost_count++] = sequence;
}

static void write_reception(const webrtc_peer *peer, cm_writer *w)
{
    const cm_rtcp_block block = {.ssrc = peer->ssrc, .extended_highest_sequence = peer->highest};
    cm_rtcp_write_rr(w, OUR_SSRC, &block);
    cm_rtcp_write_cname(w, OUR_SSRC, CM_TEXT("test"));
}

static cm_slice protect(webrtc_peer *peer, const cm_writer *w)
{
    size_t size = w->used;
    if (w->failed || cm_srtp_protect_rtcp(peer->srtp, w->bytes, size, &size) != CM_OK)
        give_up("can't write a report");
    return cm_slice_over(w->bytes, size);
}

cm_slice webrtc_peer_write_report(webrtc_peer *peer, uint8_t *room, size_t size)
{
    cm_writer w = cm_writer_over(room, size - CM_SRTP_RTCP_OVERHEAD);
    write_reception(peer, &w);
    if (peer->arrival_count > 0)
        cm_rtcp_write_transport_cc(&w, OUR_SSRC, peer->ssrc, peer->report_count++, peer->arrivals,
                                   peer->arrival_count);
    if (peer->lost_count > 0)
        cm_rtcp_write_nack(&w, OUR_SSRC, peer->ssrc, peer->lost, peer->lost_count);
    if (peer->wants_keyframe)
        cm_rtcp_write_pli(&w, OUR_SSRC, peer->ssrc);
    peer->lost_count = 0;
    peer->wants_keyframe = false;
    peer->arrival_count = 0;
    return protect(peer, &w);
}

static void report(webrtc_peer *peer, int64_t now)
{
    uint8_t room[2048 + CM_SRTP_RTCP_OVERHEAD];
    peer->reported_us = now;
    if (peer->config.events->on_report != NULL)
        peer->config.events->on_report(peer->config.owner);
    webrtc_peer_send(peer, webrtc_peer_write_report(peer, room, sizeof room));
    peer->config.peers->reports++;
}

void webrtc_peer_tick(webrtc_peer *peer, int64_t now)
{
    if (peer->state == WEBRTC_PEER_CHECKING && !peer->is_asked &&
        now - peer->asked_us > ASK_AGAIN_US)
        ask_path(peer, now);
    if (peer->state == WEBRTC_PEER_HANDSHAKING && DTLSv1_handle_timeout(peer->ssl) < 0)
        fail(peer, "handshake", "timed out");
    if (peer->state != WEBRTC_PEER_CONNECTED)
        return;
    if (!peer->is_asked && now - peer->asked_us > CONSENT_US)
        ask_path(peer, now);
    if (peer->has_media && now - peer->reported_us >= REPORT_US)
        report(peer, now);
}

static void say_goodbye(webrtc_peer *peer)
{
    uint8_t room[256];
    cm_writer w = cm_writer_over(room, sizeof room - CM_SRTP_RTCP_OVERHEAD);
    write_reception(peer, &w);
    cm_rtcp_write_bye(&w, OUR_SSRC);
    webrtc_peer_send(peer, protect(peer, &w));
}

void webrtc_peer_close(webrtc_peer *peer)
{
    if (peer->state == WEBRTC_PEER_CONNECTED && peer->srtp != NULL)
        say_goodbye(peer);
    peer->state = WEBRTC_PEER_OVER;
    SSL_free(peer->ssl);
    cm_srtp_destroy(peer->srtp);
    free(peer->answer);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}
