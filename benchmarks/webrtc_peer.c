#include "webrtc_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/writer.h"
#include "proto/rtcp/feedback.h"

enum {
    DATAGRAM_MAX = 1500,
    BATCH = 32,
    HEAD = 64, // enough for an RTP header with its extensions
    RECEIVE_BUFFER = 1 << 20,
    REPORT_US = 100000,
    CONSENT_US = 5000000,
    ASK_AGAIN_US = 100000,
    LATE_US = 150000,
    OUR_SSRC = 1,
};

#define NTP_OF_UNIX 2208988800 /* seconds from 1900 to 1970 (RFC 5905 6) */

/* Header extensions as we offer them. */
static const cm_rtp_extension_ids IDS = {
    .transport_sequence = 3, .capture_time = 4, .playout_delay = 5, .mid = 6};

static const char UFRAG[] = "benchpeer";
static const char PASSWORD[] = "benchpeerbenchpeerbenchpeer";

/* ---- what all share ---- */

static void make_fingerprint(bench_peers *peers, const X509 *certificate)
{
    uint8_t digest[32];
    unsigned size = sizeof digest;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        bench_die("can't hash a certificate");
    cm_writer w = cm_writer_over(peers->fingerprint, sizeof peers->fingerprint);
    for (size_t i = 0; i < sizeof digest; i++)
        cm_write_format(&w, i > 0 ? ":%02X" : "%02X", digest[i]);
    peers->fingerprint[sizeof peers->fingerprint - 1] = '\0';
}

/* One for all: who they are is not what is measured. */
static void make_certificate(bench_peers *peers)
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
        bench_die("can't make a certificate");
    make_fingerprint(peers, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void bench_peers_init(bench_peers *peers)
{
    peers->context = SSL_CTX_new(DTLS_client_method());
    /* What Chromium offers, in its order. 0 is success here. */
    if (peers->context == NULL ||
        SSL_CTX_set_tlsext_use_srtp(peers->context,
                                    "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM") != 0 ||
        cm_stun_hasher_create(&peers->hasher) != CM_OK)
        bench_die("DTLS can't be set up");
    peers->seed = 1;
    make_certificate(peers);
}

static uint32_t draw(bench_peers *peers)
{
    peers->seed = peers->seed * 1664525 + 1013904223;
    return peers->seed >> 8;
}

/* ---- the offer and its answer ---- */

static void write_offer(const bench_peers *peers, cm_writer *w)
{
    cm_write_format(
        w,
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\n"
        "a=ice-pwd:%s\r\na=ice-options:trickle\r\na=fingerprint:sha-256 %s\r\na=setup:actpass\r\n"
        "a=mid:0\r\na=extmap:3 "
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n"
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
        "a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\na=rtcp-mux\r\n"
        "a=rtcp-rsize\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 transport-cc\r\n"
        "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
        UFRAG, PASSWORD, peers->fingerprint);
}

static void send_offer(bench_peer *peer, const char *path, const char *cookie)
{
    char offer[4096], head[2048];
    cm_writer w = cm_writer_over(offer, sizeof offer);
    write_offer(peer->peers, &w);
    const cm_slice body = cm_writer_done(&w);
    cm_writer h = cm_writer_over(head, sizeof head);
    cm_write_format(&h,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nOrigin: http://127.0.0.1:%u\r\n"
                    "Content-Type: application/sdp\r\nContent-Length: %zu\r\n",
                    path, (unsigned)peer->peers->port, (unsigned)peer->peers->port, body.size);
    if (cookie != NULL)
        cm_write_format(&h, "Cookie: %s\r\n", cookie);
    cm_write_text(&h, "Connection: close\r\n\r\n");
    bench_send_all(peer->fd, cm_writer_done(&h));
    bench_send_all(peer->fd, body);
}

static void be_non_blocking(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        bench_die("can't be non-blocking: %s", strerror(errno));
}

void bench_peer_open(bench_peer *peer, const char *path, const char *cookie)
{
    peer->state = BENCH_PEER_ASKING;
    peer->fd = bench_connect(peer->peers->port);
    peer->answer = malloc(BENCH_PEER_ANSWER_MAX);
    if (peer->answer == NULL)
        bench_die("no memory");
    send_offer(peer, path, cookie);
    be_non_blocking(peer->fd);
}

/* What stands behind `name` in the answer, up to the end of the line or a blank. */
static cm_slice attribute(const bench_peer *peer, const char *name)
{
    const char *at = strstr(peer->answer, name);
    if (at == NULL)
        bench_die("the answer lacks %s:\n%s", name, peer->answer);
    at += strlen(name);
    return cm_slice_over(at, strcspn(at, " \r\n"));
}

static uint32_t number(const bench_peer *peer, const char *name)
{
    uint64_t value;
    if (cm_slice_to_u64(attribute(peer, name), UINT32_MAX, &value) != CM_OK)
        bench_die("%s has no number in the answer:\n%s", name, peer->answer);
    return (uint32_t)value;
}

/* The port of the first UDP candidate on 127.0.0.1. */
static uint16_t candidate_port(const bench_peer *peer)
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
    bench_die("no candidate on 127.0.0.1 in the answer:\n%s", peer->answer);
}

static void open_socket(bench_peer *peer, uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int size = RECEIVE_BUFFER;
    close(peer->fd);
    peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (peer->fd < 0 || connect(peer->fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0)
        bench_die("can't open a socket: %s", strerror(errno));
}

static void read_answer(bench_peer *peer)
{
    if (strncmp(peer->answer, "HTTP/1.1 201 ", 13) != 0)
        bench_die("the server says: %s", peer->answer);
    if (cm_slice_to_cstr(attribute(peer, "a=ice-ufrag:"), peer->ufrag, sizeof peer->ufrag) !=
            CM_OK ||
        cm_slice_to_cstr(attribute(peer, "a=ice-pwd:"), peer->password, sizeof peer->password) !=
            CM_OK)
        bench_die("ufrag or password too long");
    peer->payload_type = (uint8_t)number(peer, "UDP/TLS/RTP/SAVPF ");
    peer->rtx_payload_type = 97;
    peer->ssrc = number(peer, "a=ssrc:");
    open_socket(peer, candidate_port(peer));
    free(peer->answer);
    peer->answer = NULL;
}

/* True when the whole answer was there. */
static bool take_answer(bench_peer *peer)
{
    for (;;) {
        const size_t room = BENCH_PEER_ANSWER_MAX - 1 - peer->answer_size;
        const ssize_t size = recv(peer->fd, peer->answer + peer->answer_size, room, 0);
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size < 0)
            bench_die("the server closed: %s", strerror(errno));
        peer->answer_size += (size_t)size;
        peer->answer[peer->answer_size] = '\0';
        if (size == 0 || room == (size_t)size)
            break;
    }
    read_answer(peer);
    return true;
}

/* ---- ICE ---- */

static void send_datagram(bench_peer *peer, cm_slice bytes)
{
    if (send(peer->fd, bytes.bytes, bytes.size, MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
        errno != ECONNREFUSED)
        bench_die("send: %s", strerror(errno));
}

static void ask_path(bench_peer *peer, int64_t now_us)
{
    uint8_t storage[256];
    char username[2 * BENCH_PEER_TEXT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_writer name = cm_writer_over(username, sizeof username);
    cm_write_format(&name, "%s:%s", peer->ufrag, UFRAG);
    cm_stun_message request = {.class = CM_STUN_REQUEST,
                               .method = CM_STUN_BINDING,
                               .username = cm_writer_done(&name),
                               .has_priority = true,
                               .priority = 1,
                               .uses_candidate = true,
                               .role = CM_STUN_CONTROLLING,
                               .tie_breaker = peer->index};
    if (RAND_bytes(request.transaction, sizeof request.transaction) != 1 ||
        cm_stun_write(peer->peers->hasher, &request, cm_slice_of(peer->password), &w) != CM_OK)
        bench_die("can't write a binding request");
    peer->asked_us = now_us;
    send_datagram(peer, cm_writer_done(&w));
}

/* ---- DTLS ---- */

static void take_keys(bench_peer *peer)
{
    enum { KEY = 16, SALT_MAX = 14 };
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(peer->ssl);
    uint8_t material[2 * (KEY + SALT_MAX)];
    if (chosen == NULL)
        bench_die("no SRTP profile was chosen");
    const bool is_gcm = chosen->id == SRTP_AEAD_AES_128_GCM;
    const size_t salt = is_gcm ? 12 : SALT_MAX;
    if (SSL_export_keying_material(peer->ssl, material, 2 * (KEY + salt), "EXTRACTOR-dtls_srtp", 19,
                                   NULL, 0, 0) != 1)
        bench_die("no keys");
    cm_srtp_master masters[2] = {0}; /* RFC 5764 4.2: client's key, server's key, salts likewise */
    for (size_t i = 0; i < 2; i++) {
        cm_slice_copy(cm_slice_over(material + i * KEY, KEY), masters[i].key, KEY);
        cm_slice_copy(cm_slice_over(material + 2 * KEY + i * salt, salt), masters[i].salt, salt);
    }
    if (cm_srtp_create(is_gcm ? CM_SRTP_AEAD_AES_128_GCM : CM_SRTP_AES128_CM_SHA1_80, &masters[0],
                       &masters[1], &peer->srtp) != CM_OK)
        bench_die("SRTP can't be set up");
}

static void go_on_with_handshake(bench_peer *peer)
{
    const int result = SSL_connect(peer->ssl);
    if (result != 1) {
        const int error = SSL_get_error(peer->ssl, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            bench_die("the DTLS handshake failed (%d)", error);
        return;
    }
    take_keys(peer);
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    peer->state = BENCH_PEER_CONNECTED;
    peer->received_us = bench_now_us();
}

/* OpenSSL reads the socket itself from here on, and passes over what is not DTLS. */
static void begin_handshake(bench_peer *peer)
{
    BIO *bio = BIO_new_dgram(peer->fd, BIO_NOCLOSE);
    struct sockaddr_storage server;
    socklen_t size = sizeof server;
    peer->ssl = SSL_new(peer->peers->context);
    if (bio == NULL || peer->ssl == NULL ||
        getpeername(peer->fd, (struct sockaddr *)&server, &size) != 0)
        bench_die("DTLS can't be set up");
    (void)BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &server);
    SSL_set_bio(peer->ssl, bio, bio);
    peer->state = BENCH_PEER_HANDSHAKING;
    go_on_with_handshake(peer);
}

static void take_check(bench_peer *peer)
{
    uint8_t bytes[DATAGRAM_MAX];
    const ssize_t size = recv(peer->fd, bytes, sizeof bytes, 0);
    cm_stun_message message;
    if (size > 0 && cm_stun_parse(cm_slice_over(bytes, (size_t)size), &message) == CM_OK &&
        message.class == CM_STUN_SUCCESS)
        begin_handshake(peer);
}

/* ---- media ---- */

static void note_arrival(bench_peer *peer, uint16_t sequence, int64_t now_us)
{
    const uint16_t offset = (uint16_t)(sequence - peer->arrival_base);
    if (peer->arrival_count == 0)
        peer->arrival_base = sequence;
    else if (offset >= BENCH_PEER_ARRIVALS)
        return;
    const uint16_t at = peer->arrival_count == 0 ? 0 : offset;
    while (peer->arrival_count <= at) {
        peer->arrivals[peer->arrival_count] = (cm_rtcp_arrival){
            .sequence_number = (uint16_t)(peer->arrival_base + peer->arrival_count)};
        peer->arrival_count++;
    }
    peer->arrivals[at].is_received = true;
    peer->arrivals[at].at_us = now_us % CM_RTCP_ARRIVAL_WRAP_US;
}

static void note_age(bench_peer *peer, const cm_rtp_packet *packet)
{
    bench_peers *peers = peer->peers;
    cm_rtp_extensions extensions;
    cm_rtp_extensions_read(packet, &IDS, &extensions);
    if (!extensions.has_capture_time || peers->age_count == peers->ages_max)
        return;
    const uint64_t time = extensions.capture_time;
    const int64_t captured_us = (int64_t)((time >> 32) - NTP_OF_UNIX) * 1000000 +
                                (int64_t)((time & UINT32_MAX) * 1000000 >> 32);
    peers->ages_us[peers->age_count++] = bench_wall_us() - captured_us;
}

/* A probe proves that what comes can be opened. A picture's age is that of its first packet, which
 * carries the capture time. */
static void open_packet(bench_peer *peer, uint8_t *bytes, size_t size)
{
    cm_rtp_packet packet;
    size_t plain;
    const cm_status status = cm_srtp_unprotect(peer->srtp, bytes, size, &plain);
    if (status != CM_OK)
        bench_die("a packet can't be opened: %s", cm_status_name(status));
    if (cm_rtp_parse(cm_slice_over(bytes, plain), &packet) == CM_OK &&
        packet.payload_type == peer->payload_type)
        note_age(peer, &packet);
}

/* The header stands in the clear, so that counting needs no key. */
static void take_packet(bench_peer *peer, uint8_t *bytes, size_t size, size_t whole, int64_t now_us)
{
    bench_peers *peers = peer->peers;
    cm_rtp_packet packet;
    const bool is_rtcp = bytes[1] >= 192 && bytes[1] <= 223; /* RFC 5761 4 */
    if (is_rtcp || cm_rtp_parse(cm_slice_over(bytes, size), &packet) != CM_OK)
        return; /* or STUN, or DTLS */
    cm_rtp_extensions extensions;
    cm_rtp_extensions_read(&packet, &IDS, &extensions);
    if (extensions.has_transport_sequence)
        note_arrival(peer, extensions.transport_sequence, now_us);
    peers->packets++;
    peers->bytes += whole;
    peers->resent += packet.payload_type == peer->rtx_payload_type;
    peers->late += now_us - peer->received_us > LATE_US;
    peer->received_us = now_us;
    peer->has_media = true;
    if (packet.payload_type == peer->payload_type) {
        peer->highest = packet.sequence_number;
        if (draw(peers) % 1000000 < peers->nack_per_million) {
            peer->lost = packet.sequence_number;
            peer->has_lost = true;
        }
    }
    if (peer->is_probe)
        open_packet(peer, bytes, size);
}

static void take_media(bench_peer *peer)
{
    static uint8_t storage[BATCH][DATAGRAM_MAX];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    const int64_t now_us = bench_now_us();
    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){storage[i], peer->is_probe ? DATAGRAM_MAX : HEAD};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    const int count = recvmmsg(peer->fd, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < count; i++) {
        const size_t whole = messages[i].msg_len;
        if (whole > 2)
            take_packet(peer, storage[i], whole < parts[i].iov_len ? whole : parts[i].iov_len,
                        whole, now_us);
    }
}

bool bench_peer_readable(bench_peer *peer)
{
    switch (peer->state) {
    case BENCH_PEER_ASKING:
        if (!take_answer(peer))
            return false;
        peer->state = BENCH_PEER_CHECKING;
        ask_path(peer, bench_now_us());
        return true;
    case BENCH_PEER_CHECKING:
        take_check(peer);
        return false;
    case BENCH_PEER_HANDSHAKING:
        go_on_with_handshake(peer);
        return false;
    case BENCH_PEER_CONNECTED:
        take_media(peer);
        return false;
    }
    return false;
}

/* ---- what a viewer says ---- */

static void write_reception(bench_peer *peer, cm_writer *w)
{
    const cm_rtcp_block block = {.ssrc = peer->ssrc, .extended_highest_sequence = peer->highest};
    cm_rtcp_write_rr(w, OUR_SSRC, &block);
    cm_rtcp_write_cname(w, OUR_SSRC, CM_TEXT("bench"));
}

static void report(bench_peer *peer)
{
    uint8_t bytes[2048 + CM_SRTP_RTCP_OVERHEAD];
    cm_writer w = cm_writer_over(bytes, sizeof bytes - CM_SRTP_RTCP_OVERHEAD);
    write_reception(peer, &w);
    if (peer->arrival_count > 0)
        cm_rtcp_write_transport_cc(&w, OUR_SSRC, peer->ssrc, peer->report_count++, peer->arrivals,
                                   peer->arrival_count);
    if (peer->has_lost) {
        cm_rtcp_write_nack(&w, OUR_SSRC, peer->ssrc, &peer->lost, 1);
        peer->peers->nacked++;
    }
    peer->has_lost = false;
    peer->arrival_count = 0;
    size_t size = cm_writer_done(&w).size;
    if (w.failed || cm_srtp_protect_rtcp(peer->srtp, bytes, size, &size) != CM_OK)
        bench_die("can't write a report");
    send_datagram(peer, cm_slice_over(bytes, size));
    peer->peers->reports++;
}

void bench_peer_tick(bench_peer *peer, int64_t now_us)
{
    if (peer->state == BENCH_PEER_CHECKING && now_us - peer->asked_us > ASK_AGAIN_US)
        ask_path(peer, now_us);
    if (peer->state == BENCH_PEER_HANDSHAKING && DTLSv1_handle_timeout(peer->ssl) < 0)
        bench_die("the DTLS handshake timed out");
    if (peer->state != BENCH_PEER_CONNECTED)
        return;
    if (now_us - peer->asked_us > CONSENT_US)
        ask_path(peer, now_us);
    if (now_us - peer->reported_us >= REPORT_US && peer->has_media) {
        peer->reported_us = now_us;
        report(peer);
    }
}
