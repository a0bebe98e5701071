/*
 * What is sent. Packets are written and protected one behind the other in one arena, so that those
 * of a session lie as the kernel wants them for one send with segments; a flush is one call for all
 * of them.
 */
#include <stdlib.h>

#include "base/secret.h"
#include "net/rtc_priv.h"
#include "proto/stun/channel.h"

static void on_due(cm_timer *timer)
{
    cm_rtc_endpoint_flush(CM_HOLDER(timer, cm_rtc_endpoint, flush));
}

cm_status cm_rtc_arena_create(cm_rtc_endpoint *endpoint)
{
    cm_timer_init(&endpoint->flush, endpoint->loop, on_due);
    endpoint->arena = calloc(1, sizeof *endpoint->arena);
    CM_ENSURE(endpoint->arena != NULL, CM_BROKEN);
    return CM_OK;
}

void cm_rtc_arena_destroy(cm_rtc_endpoint *endpoint)
{
    cm_timer_stop(&endpoint->flush);
    free(endpoint->arena);
}

void cm_rtc_arena_drop(const cm_rtc_session *session, const cm_rtc_stream *stream)
{
    cm_rtc_arena *arena = session->endpoint->arena;
    for (size_t i = 0; i < arena->count; i++) {
        cm_rtc_message *message = &arena->messages[i];
        if (message->session == session && (stream == NULL || message->route.stream == stream))
            message->session = NULL;
    }
}

void cm_rtc_send_now(const cm_rtc_route *route, cm_slice datagram)
{
    const cm_datagram one = {.bytes = datagram, .peer = route->peer, .local = route->local};
    size_t sent;
    if (route->stream != NULL) {
        (void)cm_rtc_stream_send(route->stream, datagram, datagram.size);
        return;
    }
    if (route->is_relayed) {
        CM_IGNORE(cm_rtc_relay_send(route->port->endpoint, &route->peer, datagram),
                  "peers repeat what they had no answer to");
        return;
    }
    CM_IGNORE(cm_udp_send(route->port->udp, &one, 1, &sent),
              "peers repeat what they had no answer to");
}

/* ---- flushing ---- */

/* Messages of one port on their way to the kernel. */
typedef struct batch {
    cm_rtc_port *port;
    cm_datagram datagrams[CM_RTC_MESSAGES_MAX];
    unsigned packets[CM_RTC_MESSAGES_MAX]; /* in each */
    size_t count;
} batch;

static void send_batch(cm_rtc_endpoint *endpoint, batch *b)
{
    size_t sent = 0;
    if (b->count == 0)
        return;
    if (cm_udp_send(b->port->udp, b->datagrams, b->count, &sent) != CM_OK)
        sent = 0;
    endpoint->counters.flushes++;
    endpoint->counters.datagrams_out += sent;
    for (size_t i = sent; i < b->count; i++)
        endpoint->counters.packets_dropped += b->packets[i];
    b->count = 0;
}

static void add_message(cm_rtc_endpoint *endpoint, batch *b, const cm_rtc_message *message)
{
    const cm_rtc_route *route = &message->route;
    const cm_slice bytes = cm_slice_over(endpoint->arena->bytes + message->offset, message->size);
    if (route->stream != NULL) {
        endpoint->counters.packets_dropped +=
            cm_rtc_stream_send(route->stream, bytes, message->packet_size);
        return;
    }
    if (route->port != b->port)
        send_batch(endpoint, b);
    b->port = route->port;
    b->packets[b->count] = message->packets;
    cm_datagram *datagram = &b->datagrams[b->count++];
    *datagram = (cm_datagram){
        .bytes = bytes,
        .peer = route->peer,
        .local = route->local,
        .segment_size = message->packets > 1 ? message->packet_size : 0,
    };
    if (route->is_relayed) {
        /* Its packets are ChannelData already. */
        datagram->peer = endpoint->gather->turn.address;
        datagram->local = (cm_address){.port = 0};
    }
}

void cm_rtc_endpoint_flush(cm_rtc_endpoint *endpoint)
{
    cm_rtc_arena *arena = endpoint->arena;
    batch b = {.count = 0};
    for (size_t i = 0; i < arena->count; i++) {
        if (arena->messages[i].session != NULL)
            add_message(endpoint, &b, &arena->messages[i]);
    }
    send_batch(endpoint, &b);
    arena->count = 0;
    arena->used = 0;
    cm_timer_stop(&endpoint->flush);
}

/* ---- putting in ---- */

/* May `size` more bytes for the path follow in the last message? */
static bool may_join(const cm_rtc_arena *arena, const cm_rtc_session *session, size_t size)
{
    if (arena->count == 0)
        return false;
    const cm_rtc_message *last = &arena->messages[arena->count - 1];
    return last->session == session && !last->is_closed && last->packets < CM_RTC_PACKETS_MAX &&
           size <= last->packet_size && cm_rtc_route_equal(&last->route, &session->path->route);
}

/* What stands before each packet on the session's path. */
static size_t head_size(const cm_rtc_session *session)
{
    return session->path->route.is_relayed ? CM_STUN_CHANNEL_HEADER_SIZE : 0;
}

static void count(cm_rtc_session *session, size_t size)
{
    session->endpoint->counters.packets_out++;
    session->endpoint->counters.bytes_out += size;
    session->figures.packets_out++;
    session->figures.bytes_out += size;
}

static void commit(cm_rtc_session *session, size_t size)
{
    cm_rtc_arena *arena = session->endpoint->arena;
    if (!may_join(arena, session, size)) {
        arena->messages[arena->count++] = (cm_rtc_message){.session = session,
                                                           .route = session->path->route,
                                                           .offset = arena->used,
                                                           .packet_size = (uint16_t)size};
    }
    cm_rtc_message *last = &arena->messages[arena->count - 1];
    last->size += size;
    last->packets++;
    last->is_closed = size < last->packet_size;
    arena->used += size;
    if (!cm_timer_is_running(&session->endpoint->flush))
        cm_timer_start(&session->endpoint->flush, 0);
}

/* Room at the arena's end for a packet of `size` bytes, what stands before it, and whatever message
 * it begins. */
static uint8_t *make_room(cm_rtc_session *session, size_t size)
{
    cm_rtc_arena *arena = session->endpoint->arena;
    const size_t head = head_size(session);
    if (arena->count == CM_RTC_MESSAGES_MAX || head + size > sizeof arena->bytes - arena->used)
        cm_rtc_endpoint_flush(session->endpoint);
    return arena->bytes + arena->used + head;
}

/* A protected packet through the relay: behind the head of its channel, or at once while there is
 * none. */
static void commit_relayed(cm_rtc_session *session, uint8_t *packet, size_t size)
{
    const cm_rtc_route *route = &session->path->route;
    const uint16_t channel = cm_rtc_relay_channel(session->endpoint, &route->peer);
    if (channel == 0) {
        cm_rtc_send_now(route, cm_slice_over(packet, size));
        return;
    }
    cm_writer w = cm_writer_over(packet - head_size(session), head_size(session));
    cm_stun_channel_write(&w, channel, size);
    commit(session, head_size(session) + size);
}

static cm_status finish(cm_rtc_session *session, cm_status status, uint8_t *packet, size_t room,
                        size_t size)
{
    if (status == CM_OK) {
        count(session, size);
        if (session->path->route.is_relayed)
            commit_relayed(session, packet, size);
        else
            commit(session, size);
        return CM_OK;
    }
    cm_secret_wipe(packet, room); /* a picture in the clear, perhaps */
    session->endpoint->counters.packets_refused += status != CM_ABSENT ? 1 : 0;
    return status == CM_ABSENT || status == CM_FOREIGN ? status : CM_REFUSE;
}

typedef cm_status protect(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

static cm_status send_rtp(cm_rtc_session *session, cm_slice header, const cm_slice *payload,
                          size_t parts, protect *protect_rtp)
{
    CM_ENSURE(session->state == CM_RTC_CONNECTED && session->path != NULL, CM_RETRY);
    const size_t room = CM_RTC_PACKET_MAX + CM_SRTP_RTP_OVERHEAD;
    uint8_t *packet = make_room(session, room);
    cm_writer w = cm_writer_over(packet, CM_RTC_PACKET_MAX);
    cm_write_slice(&w, header);
    for (size_t i = 0; i < parts; i++)
        cm_write_slice(&w, payload[i]);
    size_t size = 0;
    const cm_status status =
        w.failed ? CM_REFUSE : protect_rtp(session->srtp, packet, w.used, &size);
    return finish(session, status, packet, room, size);
}

cm_status cm_rtc_session_send_rtp(cm_rtc_session *session, const uint8_t *header,
                                  size_t header_size, const cm_slice *payload, size_t parts)
{
    return send_rtp(session, cm_slice_over(header, header_size), payload, parts, cm_srtp_protect);
}

void cm_rtc_session_remember(cm_rtc_session *session, uint32_t ssrc)
{
    session->remembered_ssrc = ssrc;
}

cm_status cm_rtc_session_resend_rtp(cm_rtc_session *session, const uint8_t *header,
                                    size_t header_size, const cm_slice *payload, size_t parts)
{
    return send_rtp(session, cm_slice_over(header, header_size), payload, parts,
                    cm_srtp_protect_again);
}

cm_status cm_rtc_session_send_rtcp(cm_rtc_session *session, cm_slice compound)
{
    CM_ENSURE(session->state == CM_RTC_CONNECTED && session->path != NULL, CM_RETRY);
    const size_t room = CM_RTC_RTCP_MAX + CM_SRTP_RTCP_OVERHEAD;
    uint8_t *packet = make_room(session, room);
    cm_writer w = cm_writer_over(packet, CM_RTC_RTCP_MAX);
    cm_write_slice(&w, compound);
    size_t size = 0;
    const cm_status status =
        w.failed ? CM_REFUSE : cm_srtp_protect_rtcp(session->srtp, packet, w.used, &size);
    return finish(session, status, packet, room, size);
}
