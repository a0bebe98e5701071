/*
 * ICE over TCP (RFC 6544), passive: the peer connects, and every message of the connection is a
 * frame with its length in front (RFC 4571). What is in the frames is treated as a datagram from
 * that peer.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/reader.h"
#include "base/writer.h"
#include "net/rtc_priv.h"

enum {
    LENGTH_SIZE = 2,
    IN_MAX = 2 * CM_RTC_DATAGRAM_MAX, /* holds a whole frame, whatever came before it */
    OUT_MAX = 32 * 1024,              /* in our memory, and as much unsent in the kernel's */
    READ_MAX = 64 * 1024,             /* of one connection before others have their turn */
    STRANGER_SECONDS = 10,
    STRANGER_FRAMES = 16,
};

/* ---- ending ---- */

static void on_reap(cm_timer *timer)
{
    cm_rtc_endpoint *endpoint = CM_HOLDER(timer, cm_rtc_endpoint, reap);
    CM_LIST_EACH(&endpoint->closed_streams, node, next)
    {
        cm_rtc_stream *stream = CM_HOLDER(node, cm_rtc_stream, node);
        cm_list_remove(node);
        cm_buffer_deinit(&stream->in);
        cm_buffer_deinit(&stream->out);
        free(stream);
    }
}

/* A frame of it may be what is worked on at the moment: its memory goes in the next turn. It is
 * reset, so that what was queued for a viewer who was cut off dies with it. */
void cm_rtc_stream_close(cm_rtc_stream *stream)
{
    cm_rtc_endpoint *endpoint = stream->route.port->endpoint;
    if (stream->tcp == NULL)
        return;
    cm_tcp_reset(stream->tcp);
    stream->tcp = NULL;
    cm_timer_stop(&stream->timer);
    endpoint->strangers -= !stream->is_proven;
    cm_list_remove(&stream->node);
    cm_list_add_last(&endpoint->closed_streams, &stream->node);
    if (!cm_timer_is_running(&endpoint->reap))
        cm_timer_start(&endpoint->reap, 0);
}

/* The peer has closed it, or may not go on. */
static void drop(cm_rtc_stream *stream)
{
    cm_rtc_pair *pair = cm_rtc_find_pair(&stream->route);
    if (pair != NULL)
        cm_rtc_forget_pair(pair);
    cm_rtc_stream_close(stream);
}

static void on_stranger_due(cm_timer *timer)
{
    drop(CM_HOLDER(timer, cm_rtc_stream, timer));
}

void cm_rtc_stream_prove(cm_rtc_stream *stream)
{
    cm_rtc_endpoint *endpoint = stream->route.port->endpoint;
    if (stream->is_proven)
        return;
    stream->is_proven = true;
    endpoint->strangers--;
    cm_timer_stop(&stream->timer);
    cm_list_remove(&stream->node);
    cm_list_add_last(&endpoint->streams, &stream->node);
}

/* ---- receiving ---- */

/* The frame at the front of what came. CM_RETRY: it is not whole. CM_CLOSE: no frame of ours. */
static cm_status next_frame(const cm_rtc_stream *stream, cm_slice *out)
{
    cm_reader r = cm_reader_over(cm_buffer_data(&stream->in));
    const size_t size = cm_read_u16(&r);
    CM_ENSURE(!r.failed, CM_RETRY);
    CM_ENSURE(size > 0 && size <= CM_RTC_DATAGRAM_MAX, CM_CLOSE);
    *out = cm_read_slice(&r, size);
    return r.failed ? CM_RETRY : CM_OK;
}

static cm_status take_frames(cm_rtc_stream *stream)
{
    cm_slice frame;
    cm_status status;
    while ((status = next_frame(stream, &frame)) == CM_OK) {
        CM_ENSURE(stream->is_proven || stream->frames++ < STRANGER_FRAMES, CM_CLOSE);
        cm_rtc_receive(&stream->route, frame);
        CM_ENSURE(stream->tcp != NULL, CM_RETRY); /* its session went */
        cm_buffer_consume(&stream->in, LENGTH_SIZE + frame.size);
    }
    return status;
}

static void on_readable(void *owner)
{
    cm_rtc_stream *stream = owner;
    cm_status status = CM_OK;
    for (size_t taken = 0; taken < READ_MAX && status == CM_OK;) {
        uint8_t *room;
        const size_t free_size = IN_MAX - cm_buffer_data(&stream->in).size;
        size_t size = 0;
        status = cm_buffer_room(&stream->in, free_size, &room);
        if (status == CM_OK)
            status = cm_tcp_read(stream->tcp, room, free_size, &size);
        if (status != CM_OK)
            break;
        cm_buffer_commit(&stream->in, size);
        taken += size;
        const cm_status frames = take_frames(stream);
        if (stream->tcp == NULL)
            return;
        status = frames == CM_RETRY ? CM_OK : frames;
    }
    if (status != CM_OK && status != CM_RETRY)
        drop(stream);
}

/* ---- sending ---- */

static void write_queued(cm_rtc_stream *stream)
{
    while (cm_buffer_data(&stream->out).size > 0) {
        const cm_slice data = cm_buffer_data(&stream->out);
        size_t taken = 0;
        if (cm_tcp_write(stream->tcp, &data, 1, &taken) != CM_OK)
            return; /* an end is told by on_readable */
        cm_buffer_consume(&stream->out, taken);
    }
    cm_buffer_shrink(&stream->out);
}

static void on_writable(void *owner)
{
    write_queued(owner);
}

/* A frame goes whole or not at all: the rest of one that was begun always has its place. */
static bool send_frame(cm_rtc_stream *stream, cm_slice packet)
{
    uint8_t length[LENGTH_SIZE];
    cm_writer w = cm_writer_over(length, sizeof length);
    cm_write_u16(&w, (uint16_t)packet.size);
    if (cm_buffer_data(&stream->out).size + LENGTH_SIZE + packet.size > OUT_MAX)
        return false;
    return cm_buffer_add(&stream->out, cm_writer_done(&w)) == CM_OK &&
           cm_buffer_add(&stream->out, packet) == CM_OK;
}

unsigned cm_rtc_stream_send(cm_rtc_stream *stream, cm_slice packets, size_t packet_size)
{
    unsigned dropped = 0;
    for (size_t at = 0; at < packets.size; at += packet_size)
        dropped += !send_frame(stream, cm_slice_part(packets, at, packet_size));
    write_queued(stream);
    return dropped;
}

/* ---- beginning ---- */

/* Of strangers there is a bounded number; the one that has waited longest makes room. */
static void make_room(cm_rtc_endpoint *endpoint)
{
    if (endpoint->strangers < CM_RTC_STRANGERS_MAX)
        return;
    cm_rtc_stream *oldest = CM_HOLDER(endpoint->strange_streams.next, cm_rtc_stream, node);
    cm_rtc_stream_close(oldest);
}

static void on_accept(void *owner, cm_tcp *tcp)
{
    static const cm_tcp_events EVENTS = {.on_readable = on_readable, .on_writable = on_writable};
    cm_rtc_port *port = owner;
    cm_rtc_endpoint *endpoint = port->endpoint;
    cm_rtc_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        cm_tcp_reset(tcp);
        return;
    }
    make_room(endpoint);
    stream->tcp = tcp;
    stream->route = (cm_rtc_route){
        .port = port, .stream = stream, .local = cm_tcp_local(tcp), .peer = cm_tcp_peer(tcp)};
    cm_buffer_init(&stream->in, IN_MAX);
    cm_buffer_init(&stream->out, OUT_MAX);
    cm_timer_init(&stream->timer, endpoint->loop, on_stranger_due);
    cm_timer_start(&stream->timer, CM_SECONDS(STRANGER_SECONDS));
    cm_list_add_last(&endpoint->strange_streams, &stream->node);
    endpoint->strangers++;
    endpoint->counters.connections++;
    cm_tcp_limit_unsent(tcp, OUT_MAX);
    cm_tcp_listen_to(tcp, &EVENTS, stream);
}

void cm_rtc_tcp_init(cm_rtc_endpoint *endpoint)
{
    cm_list_init(&endpoint->streams);
    cm_list_init(&endpoint->strange_streams);
    cm_list_init(&endpoint->closed_streams);
    cm_timer_init(&endpoint->reap, endpoint->loop, on_reap);
}

cm_status cm_rtc_tcp_listen(cm_rtc_port *port)
{
    const cm_tcp_listener_config config = {
        .address = port->local,
        .connections_max = CM_RTC_STRANGERS_MAX + 1 + 2 * port->endpoint->sessions_max,
        .on_accept = on_accept,
        .owner = port,
    };
    return cm_tcp_listener_open(port->endpoint->net, &config, &port->listener);
}

void cm_rtc_tcp_deinit(cm_rtc_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->port_count; i++)
        cm_tcp_listener_close(endpoint->ports[i].listener);
    assert(cm_list_is_empty(&endpoint->streams)); /* they went with their sessions */
    while (!cm_list_is_empty(&endpoint->strange_streams))
        cm_rtc_stream_close(CM_HOLDER(endpoint->strange_streams.next, cm_rtc_stream, node));
    cm_timer_stop(&endpoint->reap);
    on_reap(&endpoint->reap);
}
