#include "rtc_watch.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/rtp/reorder.h"
#include "proto/rtp/rtx.h"
#include "proto/rtp/sequence.h"
#include "webrtc_peer.h"

enum {
    STORAGE = 128 << 10,
    PACKET_MAX = 1500,
    UNIT_MAX = 2 << 20,
    MISSING_MAX = 24,
    WAIT_US = 400000, /* for a packet that was asked for again: four reports */
    TICK_US = 5000,
    STEP_US = 250000,       /* a slow one reads so often */
    SLOW_BUFFER = 32 << 10, /* of its socket */
    LOSES_ONE_OF = 50,      /* packets, when troubled, */
    LOSES_FIRST_ONE_OF = 6, /* and of those that begin a picture */
    KEYFRAME_US = 1500000,  /* asks for one so often, when troubled, */
    STUCK_US = 300000,      /* or when it needs one for so long */
    FORGED_MAX = 2048 + CM_SRTP_RTCP_OVERHEAD,
    GOODBYE_US = 200000, /* listens on for so long after the server's goodbye */
};

struct rtc_watch {
    rtc_watch_config config;
    webrtc_peer peer;
    cm_rtp_sequence sequence;
    bool has_sequence;
    uint64_t highest;              /* extended; all above it has not come yet */
    uint64_t missing[MISSING_MAX]; /* rising: not come, and not given up */
    size_t missing_count;
    uint64_t restored; /* that were missing, and came */
    uint32_t last_timestamp;
    cm_rtp_reorder reorder;
    uint8_t storage[STORAGE];
    cm_video_depacketizer depacketizer; // of the codec that was answered
    cm_buffer unit;
    int64_t now_us;
    int64_t ticked_us, step_at, asked_us;
    int64_t waiting_since; /* for a keyframe; 0: not */
    int64_t over_at;       /* the server said goodbye; 0: not */
    bool may_read;
    bool is_stopped;
};

static uint32_t draw(uint32_t below)
{
    static uint32_t seed = 7;
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* ---- packets to pictures ---- */

static void on_unit(void *context, const cm_video_unit *unit)
{
    rtc_watch *w = context;
    eye_look_at_unit(w->config.eye, unit);
}

/* The server leaves a picture unfinished when the rest of it is refused. */
static bool is_unfinished(const cm_video_depacketizer *d)
{
    return d->codec == CM_VIDEO_H265 ? d->h265.last_fault == CM_H265_FAULT_UNFINISHED
                                     : d->h264.last_fault == CM_H264_FAULT_UNFINISHED;
}

static void note_broken(rtc_watch *w)
{
    const cm_video_depacketizer *d = &w->depacketizer;
    fprintf(stderr, "rtc_watch: camera %u: %s\n", w->config.eye->wanted,
            d->codec == CM_VIDEO_H265 ? cm_h265_fault_name(d->h265.last_fault)
                                      : cm_h264_fault_name(d->h264.last_fault));
    w->config.eye->report.broken++;
}

static void take_in_order(rtc_watch *w)
{
    cm_rtp_reorder_packet due;
    cm_rtp_packet packet;
    while (cm_rtp_reorder_take(&w->reorder, (cm_instant){w->now_us}, &due)) {
        if (cm_rtp_parse(due.bytes, &packet) != CM_OK || packet.payload.size == 0)
            continue;
        const cm_video_payload payload = {.bytes = packet.payload,
                                          .timestamp = packet.timestamp,
                                          .marker = packet.marker,
                                          .gap_before = due.lost_before > 0};
        if (cm_video_depacketizer_put(&w->depacketizer, &payload) != CM_OK &&
            !is_unfinished(&w->depacketizer))
            note_broken(w);
    }
    const bool is_waiting = cm_video_depacketizer_is_waiting(&w->depacketizer);
    w->waiting_since = !is_waiting ? 0 : w->waiting_since > 0 ? w->waiting_since : w->now_us;
}

static void put(rtc_watch *w, const cm_rtp_packet *packet, uint64_t sequence)
{
    uint8_t bytes[PACKET_MAX];
    cm_writer out = cm_writer_over(bytes, sizeof bytes);
    cm_rtp_write(&out, packet);
    cm_rtp_reorder_put(&w->reorder, sequence, cm_writer_done(&out), (cm_instant){w->now_us});
    take_in_order(w);
}

/* ---- what is missing ---- */

static void note_missing(rtc_watch *w, uint64_t sequence)
{
    if (w->missing_count < MISSING_MAX)
        w->missing[w->missing_count++] = sequence;
}

static void forget_missing(rtc_watch *w, uint64_t came)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->missing_count; i++) {
        w->restored += w->missing[i] == came ? 1 : 0;
        if (w->missing[i] != came && w->missing[i] >= w->reorder.next)
            w->missing[kept++] = w->missing[i];
    }
    w->missing_count = kept;
}

/* False: it was before, or is nothing of this stream. */
static bool is_news(rtc_watch *w, uint16_t number, uint64_t *sequence_out)
{
    const cm_rtp_order order = cm_rtp_sequence_extend(&w->sequence, number, sequence_out);
    if (order == CM_RTP_ORDER_SUSPECT || order == CM_RTP_ORDER_RESTARTED)
        return false;
    if (!w->has_sequence)
        w->highest = *sequence_out;
    w->has_sequence = true;
    for (uint64_t i = w->highest + 1; i < *sequence_out; i++)
        note_missing(w, i);
    if (*sequence_out > w->highest)
        w->highest = *sequence_out;
    return true;
}

/* Lost on its way, for all that the rest of the program knows. */
static bool is_lost(void *owner, const webrtc_head *head)
{
    rtc_watch *w = owner;
    const bool is_first = head->timestamp != w->last_timestamp;
    w->last_timestamp = head->timestamp;
    return w->config.is_troubled && w->has_sequence &&
           (draw(LOSES_ONE_OF) == 0 || (is_first && draw(LOSES_FIRST_ONE_OF) == 0));
}

static void take_again(rtc_watch *w, const webrtc_packet *packet)
{
    cm_rtp_packet original;
    uint64_t sequence;
    if (!w->has_sequence ||
        cm_rtp_rtx_restore(&packet->rtp, w->peer.payload_type, w->peer.ssrc, &original) != CM_OK)
        return;
    if (!is_news(w, original.sequence_number, &sequence))
        return;
    forget_missing(w, sequence);
    put(w, &original, sequence);
}

/* ---- from the peer ---- */

static void on_answer(void *owner, unsigned status)
{
    const rtc_watch *w = owner;
    w->config.events->on_answer(w->config.owner, status);
}

static void on_packet(void *owner, const webrtc_packet *packet)
{
    rtc_watch *w = owner;
    uint64_t sequence;
    if (w->is_stopped)
        return;
    w->now_us = packet->at_us;
    if (!w->has_sequence)
        cm_video_depacketizer_init(&w->depacketizer,
                                   w->peer.is_h265 ? CM_VIDEO_H265 : CM_VIDEO_H264, &w->unit,
                                   on_unit, w);
    if (packet->is_rtx)
        take_again(w, packet);
    else if (is_news(w, packet->rtp.sequence_number, &sequence)) {
        forget_missing(w, sequence);
        put(w, &packet->rtp, sequence);
    }
    w->config.events->on_packet(w->config.owner);
}

/* What a decoder would ask for, and what it needs not. */
static void on_report(void *owner)
{
    rtc_watch *w = owner;
    const bool is_stuck = w->waiting_since > 0 && w->now_us - w->waiting_since > STUCK_US;
    forget_missing(w, 0);
    for (size_t i = 0; i < w->missing_count; i++)
        webrtc_peer_say_lost(&w->peer, (uint16_t)w->missing[i]);
    if (!is_stuck && !(w->config.is_troubled && w->now_us - w->asked_us > KEYFRAME_US))
        return;
    w->asked_us = w->now_us - (int64_t)draw(KEYFRAME_US / 2);
    w->waiting_since = is_stuck ? w->now_us : w->waiting_since;
    w->peer.wants_keyframe = true;
}

static void on_goodbye(void *owner)
{
    rtc_watch *w = owner;
    if (w->over_at == 0)
        w->over_at = w->now_us + GOODBYE_US;
}

static void on_failed(void *owner, const char *why, const char *at)
{
    const rtc_watch *w = owner;
    (void)why;
    (void)at;
    w->config.events->on_end(w->config.owner);
}

static void on_sound(void *owner, const webrtc_packet *packet)
{
    rtc_watch *w = owner;
    if (!w->is_stopped && w->config.ear != NULL)
        ear_listen(w->config.ear, packet->rtp.payload);
}

static const webrtc_peer_events PEER_EVENTS = {.on_sound = on_sound,
                                               .on_answer = on_answer,
                                               .is_lost = is_lost,
                                               .on_packet = on_packet,
                                               .on_report = on_report,
                                               .on_goodbye = on_goodbye,
                                               .on_failed = on_failed};

/* ---- life ---- */

static webrtc_peers *shared(void)
{
    static webrtc_peers peers;
    if (peers.context == NULL)
        webrtc_peers_init(&peers);
    return &peers;
}

static bool open_peer(rtc_watch *w)
{
    static uint64_t index;
    return webrtc_peer_open(
        &w->peer, &(webrtc_peer_config){.peers = shared(),
                                        .index = index++,
                                        .port = w->config.port,
                                        .path = w->config.path,
                                        .who = w->config.who,
                                        .is_opened = true,
                                        .has_no_rtx = w->config.has_no_rtx,
                                        .wants_sound = w->config.ear != NULL,
                                        .receive_buffer = w->config.is_slow ? SLOW_BUFFER : 0,
                                        .events = &PEER_EVENTS,
                                        .owner = w});
}

rtc_watch *rtc_watch_open(const rtc_watch_config *config)
{
    rtc_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->config = *config;
    w->may_read = true;
    if (!open_peer(w)) {
        free(w);
        return NULL;
    }
    cm_rtp_sequence_init(&w->sequence);
    cm_rtp_reorder_init(&w->reorder,
                        &(cm_rtp_reorder_config){.wait_packets = 64, .wait_us = WAIT_US},
                        w->storage, sizeof w->storage);
    cm_buffer_init(&w->unit, UNIT_MAX);
    cm_video_depacketizer_init(&w->depacketizer, CM_VIDEO_H264, &w->unit, on_unit, w);
    return w;
}

uint64_t rtc_watch_restored(const rtc_watch *w)
{
    return w->restored;
}

void rtc_watch_close(rtc_watch *w)
{
    if (w == NULL)
        return;
    webrtc_peer_close(&w->peer);
    cm_buffer_deinit(&w->unit);
    free(w);
}

void rtc_watch_stop(rtc_watch *w)
{
    w->is_stopped = true;
}

bool rtc_watch_is_over(const rtc_watch *w)
{
    return w->peer.state == WEBRTC_PEER_OVER;
}

/* ---- the loop's side ---- */

static bool may_read(const rtc_watch *w)
{
    return w->may_read || w->peer.state != WEBRTC_PEER_CONNECTED;
}

struct pollfd rtc_watch_wants(const rtc_watch *w, int64_t now_us, int *wait_ms)
{
    (void)now_us;
    if (*wait_ms > TICK_US / 1000)
        *wait_ms = TICK_US / 1000;
    return (struct pollfd){.fd = w->peer.fd, .events = may_read(w) ? POLLIN : 0};
}

/* A slow one empties its socket's buffer, which is all that was kept for it, and rests. */
static void read_peer(rtc_watch *w)
{
    webrtc_peer_readable(&w->peer);
    if (w->config.is_slow && w->peer.state == WEBRTC_PEER_CONNECTED) {
        w->may_read = false;
        w->step_at = w->now_us + STEP_US;
    }
}

void rtc_watch_run(rtc_watch *w, short events, int64_t now_us)
{
    w->now_us = now_us;
    if (!w->may_read && now_us >= w->step_at)
        w->may_read = true;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && may_read(w))
        read_peer(w);
    if (now_us - w->ticked_us >= TICK_US) {
        w->ticked_us = now_us;
        if (!w->is_stopped)
            take_in_order(w);
        webrtc_peer_tick(&w->peer, now_us);
    }
    if (w->over_at > 0 && now_us >= w->over_at && !rtc_watch_is_over(w)) {
        w->peer.state = WEBRTC_PEER_OVER;
        w->config.events->on_end(w->config.owner);
    }
}

/* ---- forgeries ---- */

/* Random bytes behind a first and second one that say what it is. */
static cm_slice forged(uint8_t *room, size_t size, uint8_t first, uint8_t second)
{
    if (RAND_bytes(room, (int)size) != 1)
        abort();
    room[0] = first;
    room[1] = second;
    return cm_slice_over(room, size);
}

static cm_slice forged_hello(uint8_t *room)
{
    enum { SIZE = 200, HANDSHAKE = 22, CLIENT_HELLO = 1 };
    const cm_slice hello = forged(room, SIZE, HANDSHAKE, 0xFE);
    cm_writer w = {.bytes = room, .capacity = SIZE, .used = SIZE};
    cm_write_fill_u16(&w, 1, 0xFEFD); /* DTLS 1.2 */
    cm_write_fill_u16(&w, 3, 0);      /* epoch */
    cm_write_fill_u16(&w, 11, SIZE - 13);
    cm_write_fill_u8(&w, 13, CLIENT_HELLO);
    return hello;
}

static cm_slice forged_check(rtc_watch *w, uint8_t *room, size_t size)
{
    char username[2 * WEBRTC_PEER_TEXT_MAX];
    cm_writer name = cm_writer_over(username, sizeof username);
    cm_writer out = cm_writer_over(room, size);
    cm_write_format(&name, "%s:testpeer", w->peer.ufrag);
    cm_stun_message request = {.class = CM_STUN_REQUEST,
                               .method = CM_STUN_BINDING,
                               .username = cm_writer_done(&name),
                               .uses_candidate = true,
                               .role = CM_STUN_CONTROLLING};
    if (cm_stun_write(w->peer.config.peers->hasher, &request, CM_TEXT("not the password at all"),
                      &out) != CM_OK)
        abort();
    return cm_writer_done(&out);
}

static cm_slice cut_short(cm_slice report)
{
    enum { BEHIND_SSRC = 8 };
    return cm_slice_part(report, 0, BEHIND_SSRC + draw((unsigned)report.size - BEHIND_SSRC));
}

/* In a room of FORGED_MAX bytes. */
static cm_slice forge(rtc_watch *w, rtc_forgery kind, uint8_t *room)
{
    enum { SOME = 300, RTP = 0x80, VIDEO = 96, RR = 201, NOTHING_OF_OURS = 0x50 };
    switch (kind) {
    case RTC_FORGERY_RTP:
        return forged(room, SOME, RTP, VIDEO);
    case RTC_FORGERY_RTCP:
        return forged(room, SOME, RTP, RR);
    case RTC_FORGERY_RANDOM:
        return forged(room, SOME, NOTHING_OF_OURS, (uint8_t)draw(256));
    case RTC_FORGERY_HELLO:
        return forged_hello(room);
    case RTC_FORGERY_CHECK:
        return forged_check(w, room, FORGED_MAX);
    case RTC_FORGERY_REPLAY:
        return webrtc_peer_write_report(&w->peer, room, FORGED_MAX);
    case RTC_FORGERY_CUT:
        return cut_short(webrtc_peer_write_report(&w->peer, room, FORGED_MAX));
    case RTC_FORGERIES:
        break;
    }
    return CM_TEXT("");
}

bool rtc_watch_forge(rtc_watch *w, rtc_forgery kind, unsigned count)
{
    uint8_t room[FORGED_MAX];
    cm_slice datagram = CM_TEXT("");
    if (w->peer.state != WEBRTC_PEER_CONNECTED)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (i == 0 || kind != RTC_FORGERY_REPLAY)
            datagram = forge(w, kind, room);
        webrtc_peer_send(&w->peer, datagram);
    }
    return true;
}
