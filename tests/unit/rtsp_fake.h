/*
 * rtsp_fake: a scripted RTSP camera on any cm_net. Says what a plain camera says, unless the case
 * takes a request over (`script`) or changes a line (the fields). Remembers what it was asked.
 * Tests only.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "h264_sets.h"
#include "net/net.h"
#include "proto/rtcp/rtcp.h"
#include "proto/rtp/rtp.h"
#include "proto/rtsp/auth.h"
#include "proto/rtsp/headers.h"
#include "proto/rtsp/transport.h"

#define FAKE_SDP                                                                                   \
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"     \
    "a=rtpmap:96 H264/90000\r\n"                                                                   \
    "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADNkBQfsBEAAAAwAQAAADAoDxQqSA,"        \
    "aMuDyyA=\r\na=control:trackID=1\r\n"

/* A second track, trackID=2 in the description: of sound. */
typedef struct fake_sound {
    cm_udp *rtp, *rtcp;
    cm_address client; /* where its RTP goes over UDP */
    size_t setups;
    char transport[128]; /* asked for */
    const char *reply;   /* the Transport line; NULL: the plain thing */
    uint16_t status;     /* of the answer to SETUP; 0: 200 */
    uint16_t channel;
    uint16_t sequence;
    uint32_t ssrc;
    uint8_t payload_type;
} fake_sound;

enum { FAKE_HEARD_MAX = 64 };

/* What is said to the camera, of RTP and RTCP that make sense. */
typedef struct fake_heard {
    size_t packets;
    cm_rtp_packet newest;  /* without its slices */
    uint8_t samples[4096]; /* the first ones */
    size_t size;           /* of all */
    uint32_t timestamps[FAKE_HEARD_MAX];
    uint16_t numbers[FAKE_HEARD_MAX];
    bool markers[FAKE_HEARD_MAX];
    size_t sender_reports;
    cm_rtcp_packet report; /* the newest of them */
} fake_heard;

typedef struct fake fake;
struct fake {
    cm_net *net;
    cm_tcp_listener *listener;
    cm_tcp *tcp; /* the newest connection */
    cm_udp *rtp;
    cm_udp *rtcp;
    cm_address client; /* where its RTP goes over UDP */
    cm_rtsp_scanner scanner;
    cm_buffer in;
    cm_rtsp_hasher *hasher;
    size_t connections;
    size_t counts[CM_RTSP_METHOD_COUNT + 1];
    size_t refused;                             /* 401s */
    cm_instant asked[CM_RTSP_METHOD_COUNT + 1]; /* the newest */
    char uris[CM_RTSP_METHOD_COUNT + 1][256];
    char transport[128];                        /* asked for */
    bool had_require[CM_RTSP_METHOD_COUNT + 1]; /* of the backchannel */
    bool had_login;                             /* the newest request had an Authorization */
    bool had_basic;
    size_t interleaved;   /* frames that came */
    size_t reports_on[4]; /* of them, by channel */
    uint8_t interleaved_channel;
    size_t datagrams, reports; /* on its UDP ports */
    size_t responses;
    char responded[512]; /* the newest response to a request of ours: status line and headers */

    /* The script: true when it has dealt with the request. */
    bool (*script)(fake *f, const cm_rtsp_message *request);
    int step; /* the script's own */
    /* What it says. NULL: the plain thing. */
    const char *sdp;
    const char *describe_headers;
    const char *transport_reply;
    const char *session;
    const char *www_authenticate; /* header lines; then a login is needed */
    cm_rtsp_challenge challenge;  /* by which it is checked */
    const char *user, *password;
    uint16_t channel;
    uint16_t sequence;
    uint32_t ssrc;
    uint8_t payload_type;
    fake_sound sound;
    fake_heard heard;
};

static inline void fake_hear_rtp(fake *f, cm_slice bytes)
{
    fake_heard *h = &f->heard;
    cm_rtp_packet packet;
    if (cm_rtp_parse(bytes, &packet) != CM_OK || packet.payload.size == 0)
        return;
    const size_t kept = h->size < sizeof h->samples ? h->size : sizeof h->samples;
    cm_writer w = cm_writer_over(&h->samples[kept], sizeof h->samples - kept);
    cm_write_slice(&w, cm_slice_part(packet.payload, 0, w.capacity));
    h->size += packet.payload.size;
    h->timestamps[h->packets % FAKE_HEARD_MAX] = packet.timestamp;
    h->numbers[h->packets % FAKE_HEARD_MAX] = packet.sequence_number;
    h->markers[h->packets % FAKE_HEARD_MAX] = packet.marker;
    h->packets++;
    h->newest = packet;
    h->newest.payload = h->newest.csrcs = h->newest.extension = (cm_slice){0};
}

static inline void fake_hear_rtcp(fake *f, cm_slice bytes)
{
    cm_rtcp_packet packet;
    while (cm_rtcp_next(&bytes, &packet) == CM_OK) {
        if (packet.type != CM_RTCP_SR)
            continue;
        f->heard.sender_reports++;
        f->heard.report = packet;
    }
}

static inline void fake_send(fake *f, cm_slice bytes)
{
    size_t taken = 0;
    if (f->tcp != NULL && cm_tcp_write(f->tcp, &bytes, 1, &taken) == CM_OK)
        assert_int_equal(taken, bytes.size);
}

/* "RTSP/1.0 STATUS" with the request's CSeq, `headers` (whole lines) and `body`. */
static inline void fake_answer(fake *f, const cm_rtsp_message *request, uint16_t status,
                               const char *headers, const char *body)
{
    uint8_t storage[8192];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    uint32_t cseq;
    cm_rtsp_write_status_line(&w, status);
    if (cm_rtsp_cseq(request, &cseq) == CM_OK)
        cm_rtsp_write_header_u64(&w, "CSeq", cseq);
    cm_write_text(&w, headers != NULL ? headers : "");
    cm_rtsp_write_end(&w, cm_slice_of(body));
    assert_false(w.failed);
    fake_send(f, cm_writer_done(&w));
}

static inline bool fake_is_let_in(fake *f, const cm_rtsp_message *request)
{
    cm_slice value;
    const cm_rtsp_credentials credentials = {cm_slice_of(f->user), cm_slice_of(f->password)};
    const cm_rtsp_auth_request asked = {.method = request->method, .uri = request->uri};
    if (f->www_authenticate == NULL)
        return true;
    if (cm_rtsp_find(request, CM_TEXT("Authorization"), &value) &&
        cm_rtsp_authorization_check(f->hasher, &f->challenge, &credentials, &asked, value) == CM_OK)
        return true;
    f->refused++;
    fake_answer(f, request, 401, f->www_authenticate, NULL);
    return false;
}

static inline void fake_on_rtp(void *owner, const cm_datagram *datagrams, size_t count)
{
    fake *f = owner;
    for (size_t i = 0; i < count; i++)
        fake_hear_rtp(f, datagrams[i].bytes);
    f->datagrams += count;
}

static inline void fake_on_rtcp(void *owner, const cm_datagram *datagrams, size_t count)
{
    fake *f = owner;
    for (size_t i = 0; i < count; i++)
        fake_hear_rtcp(f, datagrams[i].bytes);
    f->reports += count;
}

static inline void fake_answer_setup(fake *f, const cm_rtsp_message *request)
{
    char line[512];
    cm_slice value;
    cm_rtsp_transport asked;
    assert_true(cm_rtsp_find(request, CM_TEXT("Transport"), &value));
    assert_int_equal(cm_slice_to_cstr(value, f->transport, sizeof f->transport), CM_OK);
    assert_int_equal(cm_rtsp_transport_next(&value, &asked), CM_OK);
    const char *session = f->session != NULL ? f->session : "12345678;timeout=60";
    if (!asked.is_tcp) {
        f->client = cm_tcp_peer(f->tcp);
        f->client.port = asked.client_port.rtp;
        cm_udp_config rtp = {
            .local = cm_tcp_local(f->tcp), .on_datagrams = fake_on_rtp, .owner = f};
        cm_udp_config rtcp = {
            .local = cm_tcp_local(f->tcp), .on_datagrams = fake_on_rtcp, .owner = f};
        if (f->rtp == NULL)
            assert_int_equal(cm_udp_open_pair(f->net, &rtp, &rtcp, &f->rtp, &f->rtcp), CM_OK);
    }
    if (f->transport_reply != NULL)
        (void)snprintf(line, sizeof line, "%sSession: %s\r\n", f->transport_reply, session);
    else if (asked.is_tcp)
        (void)snprintf(line, sizeof line,
                       "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: %s\r\n",
                       session);
    else
        (void)snprintf(line, sizeof line,
                       "Transport: RTP/AVP;unicast;client_port=%u-%u;server_port=%u-%u\r\n"
                       "Session: %s\r\n",
                       asked.client_port.rtp, asked.client_port.rtcp, cm_udp_local(f->rtp).port,
                       cm_udp_local(f->rtcp).port, session);
    fake_answer(f, request, 200, line, NULL);
}

static inline void fake_answer_sound_setup(fake *f, const cm_rtsp_message *request)
{
    char line[256];
    cm_slice value;
    cm_rtsp_transport asked;
    fake_sound *s = &f->sound;
    s->setups++;
    assert_true(cm_rtsp_find(request, CM_TEXT("Session"), &value));
    assert_true(cm_rtsp_find(request, CM_TEXT("Transport"), &value));
    assert_int_equal(cm_slice_to_cstr(value, s->transport, sizeof s->transport), CM_OK);
    assert_int_equal(cm_rtsp_transport_next(&value, &asked), CM_OK);
    s->channel = asked.interleaved.rtp;
    (void)snprintf(line, sizeof line, "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u\r\n",
                   asked.interleaved.rtp, asked.interleaved.rtcp);
    if (!asked.is_tcp) {
        s->client = cm_tcp_peer(f->tcp);
        s->client.port = asked.client_port.rtp;
        cm_udp_config config = {
            .local = cm_tcp_local(f->tcp), .on_datagrams = fake_on_rtcp, .owner = f};
        assert_int_equal(cm_udp_open_pair(f->net, &config, &config, &s->rtp, &s->rtcp), CM_OK);
        (void)snprintf(line, sizeof line, "Transport: RTP/AVP;unicast;server_port=%u-%u\r\n",
                       cm_udp_local(s->rtp).port, cm_udp_local(s->rtcp).port);
    }
    fake_answer(f, request, s->status != 0 ? s->status : 200, s->reply != NULL ? s->reply : line,
                NULL);
}

static inline void fake_take_request(fake *f, const cm_rtsp_message *request)
{
    const cm_rtsp_method method = cm_rtsp_method_of(request->method);
    cm_slice value;
    f->counts[method]++;
    f->asked[method] = cm_loop_now(cm_net_loop(f->net));
    CM_IGNORE(cm_slice_to_cstr(request->uri, f->uris[method], sizeof f->uris[method]), "clipped");
    f->had_require[method] = cm_rtsp_find(request, CM_TEXT("Require"), &value) &&
                             cm_slice_equal(value, CM_TEXT("www.onvif.org/ver20/backchannel"));
    f->had_login = cm_rtsp_find(request, CM_TEXT("Authorization"), &value);
    f->had_basic = f->had_login && cm_slice_starts(value, CM_TEXT("Basic "));
    if ((f->script != NULL && f->script(f, request)) || !fake_is_let_in(f, request))
        return;
    if (method == CM_RTSP_DESCRIBE)
        fake_answer(f, request, 200,
                    f->describe_headers != NULL ? f->describe_headers
                                                : "Content-Type: application/sdp\r\n",
                    f->sdp != NULL ? f->sdp : FAKE_SDP);
    else if (method == CM_RTSP_SETUP && strstr(f->uris[method], "trackID=2") != NULL)
        fake_answer_sound_setup(f, request);
    else if (method == CM_RTSP_SETUP)
        fake_answer_setup(f, request);
    else if (method == CM_RTSP_OPTIONS)
        fake_answer(f, request, 200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n",
                    NULL);
    else
        fake_answer(f, request, 200, NULL, NULL);
}

static inline void fake_take(fake *f, const cm_rtsp_message *message)
{
    if (message->kind == CM_RTSP_REQUEST) {
        fake_take_request(f, message);
    } else if (message->kind == CM_RTSP_RESPONSE) {
        uint32_t cseq = 0;
        CM_IGNORE(cm_rtsp_cseq(message, &cseq), "0 then");
        (void)snprintf(f->responded, sizeof f->responded, "%u %u", message->status, cseq);
        f->responses++;
    } else {
        f->interleaved++;
        f->interleaved_channel = message->channel;
        f->reports_on[message->channel % 4]++;
        if (message->channel % 2 == 0)
            fake_hear_rtp(f, message->body);
        else
            fake_hear_rtcp(f, message->body);
    }
}

static inline void fake_on_readable(void *owner)
{
    fake *f = owner;
    uint8_t bytes[4096];
    size_t size;
    const cm_status status = cm_tcp_read(f->tcp, bytes, sizeof bytes, &size);
    if (status == CM_CLOSE) {
        cm_tcp_close(f->tcp);
        f->tcp = NULL;
    }
    if (status != CM_OK)
        return;
    assert_int_equal(cm_buffer_add(&f->in, cm_slice_over(bytes, size)), CM_OK);
    cm_rtsp_message message;
    size_t consumed;
    while (cm_rtsp_scan(&f->scanner, cm_buffer_data(&f->in), &message, &consumed) == CM_OK) {
        const cm_tcp *tcp = f->tcp;
        fake_take(f, &message);
        if (f->tcp != tcp)
            return;
        cm_buffer_consume(&f->in, consumed);
    }
}

static inline void fake_on_accept(void *owner, cm_tcp *tcp)
{
    static const cm_tcp_events EVENTS = {.on_readable = fake_on_readable};
    fake *f = owner;
    cm_tcp_close(f->tcp);
    f->tcp = tcp;
    f->connections++;
    cm_rtsp_scanner_init(&f->scanner);
    cm_buffer_clear(&f->in);
    cm_tcp_listen_to(tcp, &EVENTS, f);
}

/* Hangs up. */
static inline void fake_close(fake *f)
{
    cm_tcp_close(f->tcp);
    f->tcp = NULL;
}

static inline void fake_init(fake *f, cm_net *net, const cm_address *at)
{
    *f = (fake){.net = net, .ssrc = 77, .payload_type = 96, .sequence = 65530};
    f->sound = (fake_sound){.ssrc = 78, .sequence = 65533};
    cm_buffer_init(&f->in, CM_RTSP_BUFFER_SIZE);
    assert_int_equal(cm_rtsp_hasher_create(&f->hasher), CM_OK);
    const cm_tcp_listener_config config = {.address = *at, .on_accept = fake_on_accept, .owner = f};
    assert_int_equal(cm_tcp_listener_open(net, &config, &f->listener), CM_OK);
}

static inline void fake_deinit(fake *f)
{
    cm_tcp_close(f->tcp);
    cm_udp_close(f->rtp);
    cm_udp_close(f->rtcp);
    cm_udp_close(f->sound.rtp);
    cm_udp_close(f->sound.rtcp);
    cm_tcp_listener_close(f->listener);
    cm_buffer_deinit(&f->in);
    cm_rtsp_hasher_destroy(f->hasher);
}

/* ---- media ---- */

/* The next RTP packet, in `out`. */
static inline cm_slice fake_packet(fake *f, cm_slice payload, uint32_t timestamp, bool marker,
                                   uint8_t *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    cm_rtp_write(&w, &(cm_rtp_packet){.marker = marker,
                                      .payload_type = f->payload_type,
                                      .sequence_number = f->sequence++,
                                      .timestamp = timestamp,
                                      .ssrc = f->ssrc,
                                      .payload = payload});
    assert_false(w.failed);
    return cm_writer_done(&w);
}

static inline void fake_send_frame(fake *f, cm_slice payload, uint32_t timestamp, bool marker)
{
    uint8_t packet[1500];
    uint8_t framed[1504];
    cm_writer w = cm_writer_over(framed, sizeof framed);
    const cm_slice bytes = fake_packet(f, payload, timestamp, marker, packet, sizeof packet);
    if (f->rtp != NULL) {
        size_t sent;
        const cm_datagram datagram = {.bytes = bytes, .peer = f->client};
        assert_int_equal(cm_udp_send(f->rtp, &datagram, 1, &sent), CM_OK);
        return;
    }
    cm_rtsp_write_interleaved_header(&w, (uint8_t)f->channel, (uint16_t)bytes.size);
    cm_write_slice(&w, bytes);
    fake_send(f, cm_writer_done(&w));
}

#define FAKE_IDR   BYTES(0x65, 0x88, 0x84, 0x00, 0x33, 0xff, 0x11, 0x22)
#define FAKE_SLICE BYTES(0x41, 0x9a, 0x24, 0x6c, 0x42, 0x7f, 0xfe, 0x33)

static inline void fake_send_picture(fake *f, bool is_keyframe, uint32_t timestamp)
{
    fake_send_frame(f, is_keyframe ? FAKE_IDR : FAKE_SLICE, timestamp, true);
}

/* ---- sound ---- */

/* A description of the video above and a second media, in this order unless `is_first`. */
#define FAKE_VIDEO_MEDIA                                                                           \
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"                                           \
    "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADNkBQfsBEAAAAwAQAAADAoDxQqSA,"        \
    "aMuDyyA=\r\na=control:trackID=1\r\n"
#define FAKE_SDP_HEAD        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\n"
#define FAKE_SDP_WITH(audio) FAKE_SDP_HEAD FAKE_VIDEO_MEDIA audio "a=control:trackID=2\r\n"
#define FAKE_PCMU            "m=audio 0 RTP/AVP 0\r\n" /* static: without rtpmap */

static inline void fake_send_sound(fake *f, cm_slice payload, uint32_t timestamp)
{
    uint8_t packet[4096];
    uint8_t framed[4100];
    fake_sound *s = &f->sound;
    cm_writer w = cm_writer_over(packet, sizeof packet);
    cm_rtp_write(&w, &(cm_rtp_packet){.marker = true,
                                      .payload_type = s->payload_type,
                                      .sequence_number = s->sequence++,
                                      .timestamp = timestamp,
                                      .ssrc = s->ssrc,
                                      .payload = payload});
    assert_false(w.failed);
    const cm_slice bytes = cm_writer_done(&w);
    if (s->rtp != NULL) {
        size_t sent;
        const cm_datagram datagram = {.bytes = bytes, .peer = s->client};
        assert_int_equal(cm_udp_send(s->rtp, &datagram, 1, &sent), CM_OK);
        return;
    }
    w = cm_writer_over(framed, sizeof framed);
    cm_rtsp_write_interleaved_header(&w, (uint8_t)s->channel, (uint16_t)bytes.size);
    cm_write_slice(&w, bytes);
    fake_send(f, cm_writer_done(&w));
}
