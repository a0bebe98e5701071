/* The pair of UDP sockets: who may send to it, and in which order packets count. */
#include <stdlib.h>

#include "ingest/rtsp/client_priv.h"
#include "proto/rtcp/rtcp.h"

enum {
    RECEIVE_BUFFER_BYTES = 1 << 20, /* a keyframe comes in one burst */
    PUNCHES = 2,
    PUNCH_SIZE = 64,
};

/* Hands over what is in order by now. */
static void drain(cm_client_udp *u)
{
    cm_client_track *track = u->track;
    const cm_rtsp_client *c = track->client;
    cm_rtp_reorder_packet next;
    cm_rtp_packet packet;
    cm_instant deadline;
    const cm_instant now = cm_loop_now(c->config.loop);
    while (track->udp == u && cm_rtp_reorder_take(&u->reorder, now, &next)) {
        if (cm_rtp_parse(next.bytes, &packet) == CM_OK)
            cm_client_media_deliver(track, &packet, next.sequence);
    }
    if (track->udp != u)
        return;
    if (!cm_rtp_reorder_deadline(&u->reorder, &deadline))
        cm_timer_stop(&u->timer);
    else
        cm_timer_start_at(&u->timer, deadline);
}

static void on_timer(cm_timer *timer)
{
    drain(CM_HOLDER(timer, cm_client_udp, timer));
}

/* Strangers are passed over; without a port known, the first packet that makes sense tells it. */
static bool is_from(const cm_address *peer, const cm_address *from)
{
    return peer->port != 0 ? cm_address_equal(peer, from) : cm_address_same_host(peer, from);
}

static void take_rtp(cm_client_udp *u, const cm_datagram *datagram)
{
    cm_client_track *track = u->track;
    cm_rtp_packet packet;
    uint64_t sequence;
    if (cm_rtp_parse(datagram->bytes, &packet) != CM_OK) {
        if (track == &track->client->track)
            cm_client_count_malformed(track->client);
        else
            cm_client_sound_count_malformed(track->client);
        return;
    }
    if (track->client->config.is_speaking)
        return; /* it hears, and has nothing to say here */
    if (!cm_client_media_admit(track, &packet, &sequence))
        return;
    u->rtp_peer = datagram->peer;
    cm_rtp_reorder_put(&u->reorder, sequence, datagram->bytes,
                       cm_loop_now(track->client->config.loop));
    drain(u);
}

static bool is_listening(const cm_rtsp_client *c)
{
    return c->state == CM_RTSP_CLIENT_STARTING || c->state == CM_RTSP_CLIENT_PLAYING;
}

static void on_rtp(void *owner, const cm_datagram *datagrams, size_t count)
{
    cm_client_udp *u = owner;
    cm_client_track *track = u->track;
    cm_rtsp_client *c = track->client;
    for (size_t i = 0; i < count; i++) {
        if (track->udp != u || !is_listening(c))
            return;
        if (!is_from(&u->rtp_peer, &datagrams[i].peer))
            continue;
        cm_client_count_bytes(c, datagrams[i].bytes.size);
        if (track->udp == u)
            take_rtp(u, &datagrams[i]);
    }
}

static void on_rtcp(void *owner, const cm_datagram *datagrams, size_t count)
{
    cm_client_udp *u = owner;
    cm_client_track *track = u->track;
    for (size_t i = 0; i < count && track->udp == u && is_listening(track->client); i++) {
        if (!is_from(&u->rtcp_peer, &datagrams[i].peer))
            continue;
        u->rtcp_peer = datagrams[i].peer;
        cm_client_media_take_rtcp(track, datagrams[i].bytes);
    }
}

cm_status cm_client_udp_open(cm_client_track *track)
{
    const cm_rtsp_client *c = track->client;
    cm_client_udp *u = calloc(1, sizeof *u + track->reorder_bytes);
    CM_ENSURE(u != NULL, CM_BROKEN);
    u->track = track;
    u->rtp_peer = u->rtcp_peer = c->peer;
    u->rtp_peer.port = u->rtcp_peer.port = 0;
    cm_timer_init(&u->timer, c->config.loop, on_timer);
    cm_rtp_reorder_init(&u->reorder, &(cm_rtp_reorder_config){0}, u->storage, track->reorder_bytes);
    cm_udp_config rtp = {.local = cm_tcp_local(c->tcp),
                         .receive_buffer_bytes = RECEIVE_BUFFER_BYTES,
                         .on_datagrams = on_rtp,
                         .owner = u};
    rtp.local.port = 0;
    cm_udp_config rtcp = {.local = rtp.local, .on_datagrams = on_rtcp, .owner = u};
    const cm_status status = cm_udp_open_pair(c->config.net, &rtp, &rtcp, &u->rtp, &u->rtcp);
    if (status != CM_OK) {
        free(u);
        return status;
    }
    track->udp = u;
    return CM_OK;
}

void cm_client_udp_close(cm_client_track *track)
{
    cm_client_udp *u = track->udp;
    if (u == NULL)
        return;
    track->udp = NULL;
    cm_timer_stop(&u->timer);
    cm_udp_close(u->rtp);
    cm_udp_close(u->rtcp);
    free(u);
}

void cm_client_udp_set_peer(cm_client_track *track, const cm_rtsp_transport *transport)
{
    cm_client_udp *u = track->udp;
    if (!transport->server_port.is_said)
        return;
    u->rtp_peer.port = transport->server_port.rtp;
    u->rtcp_peer.port = transport->server_port.rtcp;
    if (track->client->config.takes_any_port)
        return;
    /* Nothing can have come yet: what connecting throws away is a stranger's. */
    u->is_connected = cm_udp_connect(u->rtp, &u->rtp_peer) == CM_OK &&
                      cm_udp_connect(u->rtcp, &u->rtcp_peer) == CM_OK;
}

static void send_to(cm_udp *udp, const cm_address *peer, cm_slice bytes)
{
    size_t sent;
    if (peer->port == 0)
        return;
    const cm_datagram datagram = {.bytes = bytes, .peer = *peer};
    CM_IGNORE(cm_udp_send(udp, &datagram, 1, &sent), "UDP: what is lost is lost");
}

void cm_client_udp_punch(cm_client_track *track)
{
    uint8_t storage[PUNCH_SIZE];
    const cm_rtsp_client *c = track->client;
    cm_client_udp *u = track->udp;
    if (u == NULL)
        return;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtp_write(
        &w, &(cm_rtp_packet){.payload_type = track->media.payload_type, .ssrc = c->report_ssrc});
    for (int i = 0; i < PUNCHES; i++)
        send_to(u->rtp, &u->rtp_peer, cm_writer_done(&w));
    w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_rr(&w, c->report_ssrc, NULL);
    cm_rtcp_write_cname(&w, c->report_ssrc, cm_slice_of(c->cname));
    for (int i = 0; i < PUNCHES; i++)
        send_to(u->rtcp, &u->rtcp_peer, cm_writer_done(&w));
    /* Where packets may come from another port, the first one tells which. */
    if (c->config.takes_any_port)
        u->rtp_peer.port = u->rtcp_peer.port = 0;
}

void cm_client_udp_send_rtp(cm_client_track *track, cm_slice bytes)
{
    send_to(track->udp->rtp, &track->udp->rtp_peer, bytes);
}

void cm_client_udp_send_rtcp(cm_client_track *track, cm_slice bytes)
{
    send_to(track->udp->rtcp, &track->udp->rtcp_peer, bytes);
}
