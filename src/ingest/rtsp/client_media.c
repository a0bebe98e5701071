/* RTP and RTCP in, receiver reports out. */
#include "ingest/rtsp/client_priv.h"
#include "proto/rtcp/rtcp.h"

enum {
    REPORT_SECONDS = 5,
    REPORT_SIZE = 256,
    INTERLEAVED_HEADER_SIZE = 4,
};

void cm_client_media_init(cm_client_track *track, uint8_t payload_type, bool is_only_type,
                          uint32_t clock_rate)
{
    cm_client_media *m = &track->media;
    *m = (cm_client_media){.payload_type = payload_type,
                           .is_only_type = is_only_type,
                           .clock_rate = clock_rate > 0 ? clock_rate : CM_VIDEO_CLOCK_RATE,
                           .is_restart = true,
                           .bytes = m->bytes,
                           .packets_lost = m->packets_lost};
    cm_rtp_sequence_init(&m->sequence);
    cm_rtp_timestamps_init(&m->timestamps, m->clock_rate);
    cm_rtcp_reception_init(&m->reception, m->clock_rate);
}

/* ---- which packets are ours ---- */

/* The session's other track; NULL: there is none. */
static cm_client_track *other_of(cm_client_track *track)
{
    cm_rtsp_client *c = track->client;
    if (track != &c->track)
        return &c->track;
    return c->sound.is_chosen ? &c->sound.track : NULL;
}

/* Everything that was counted belongs to the former source. */
static void restart(cm_client_track *track, uint32_t ssrc)
{
    cm_client_media *m = &track->media;
    m->has_ssrc = true;
    m->ssrc = ssrc;
    m->has_candidate = false;
    m->last_sequence = 0;
    m->has_gap = false;
    m->is_restart = true;
    cm_rtp_sequence_init(&m->sequence);
    cm_rtp_timestamps_init(&m->timestamps, m->clock_rate);
    cm_rtcp_reception_init(&m->reception, m->clock_rate);
    track->restart(track->client);
    if (track->udp != NULL)
        cm_rtp_reorder_reset(&track->udp->reorder);
}

/* Over TCP it can only be the camera. Over UDP anybody on its address could try: two packets in a
 * row are needed (as RFC 3550 A.1 does at the start). */
static bool may_replace(cm_client_track *track, const cm_rtp_packet *packet)
{
    cm_client_media *m = &track->media;
    if (track->udp == NULL)
        return true;
    const bool follows = m->has_candidate && m->candidate_ssrc == packet->ssrc &&
                         m->candidate_next == packet->sequence_number;
    m->has_candidate = true;
    m->candidate_ssrc = packet->ssrc;
    m->candidate_next = (uint16_t)(packet->sequence_number + 1);
    return follows;
}

static bool is_payload_ours(cm_client_track *track, uint8_t type)
{
    cm_client_media *m = &track->media;
    const cm_client_track *other = other_of(track);
    if (type == m->payload_type)
        return true;
    /* Some send another number than they describe. */
    if (m->packets > 0 || !m->is_only_type || (other != NULL && type == other->media.payload_type))
        return false;
    m->payload_type = type;
    return true;
}

bool cm_client_media_admit(cm_client_track *track, const cm_rtp_packet *packet, uint64_t *sequence)
{
    cm_rtsp_client *c = track->client;
    cm_client_media *m = &track->media;
    const cm_instant now = cm_loop_now(c->config.loop);
    if (!is_payload_ours(track, packet->payload_type))
        return false;
    if (!m->has_ssrc || packet->ssrc != m->ssrc) {
        if (m->has_ssrc && !may_replace(track, packet))
            return false;
        restart(track, packet->ssrc);
    }
    const cm_rtp_order order =
        cm_rtp_sequence_extend(&m->sequence, packet->sequence_number, sequence);
    if (order == CM_RTP_ORDER_SUSPECT)
        return false;
    if (order == CM_RTP_ORDER_RESTARTED) {
        restart(track, packet->ssrc);
        CM_IGNORE(cm_rtp_sequence_extend(&m->sequence, packet->sequence_number, sequence),
                  "the first of a sequence");
    }
    cm_rtcp_reception_packet(&m->reception, *sequence, packet->timestamp, now);
    m->packets++;
    m->bytes += packet->payload.size;
    if (track == &c->track)
        c->last_packet = now;
    return true;
}

void cm_client_media_deliver(cm_client_track *track, const cm_rtp_packet *packet, uint64_t sequence)
{
    cm_client_media *m = &track->media;
    if (m->last_sequence != 0 && sequence <= m->last_sequence)
        return;
    const uint64_t missing = m->last_sequence == 0 ? 0 : sequence - m->last_sequence - 1;
    m->packets_lost += missing;
    m->last_sequence = sequence;
    if (packet->payload.size == 0)
        return; /* some keep a NAT open so */
    const bool gap_before = missing > 0 || m->has_gap;
    m->has_gap = false;
    track->put(track->client, packet, gap_before);
}

/* ---- the video ---- */

void cm_client_video_restart(cm_rtsp_client *c)
{
    cm_video_depacketizer_restart(&c->depacketizer);
}

void cm_client_video_put(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before)
{
    const cm_video_payload payload = {.bytes = packet->payload,
                                      .timestamp = packet->timestamp,
                                      .marker = packet->marker,
                                      .gap_before = gap_before};
    if (cm_video_depacketizer_put(&c->depacketizer, &payload) != CM_OK)
        cm_client_count_malformed(c);
}

/* ---- interleaved ---- */

/* Some answer one pair of channels and use another: if nothing has come on the one that was agreed,
 * an even one with packets of our type is taken for it. */
static bool is_adopted(cm_client_track *track, uint8_t channel, const cm_rtp_packet *packet)
{
    if (track->media.packets > 0 || channel % 2 != 0 ||
        packet->payload_type != track->media.payload_type)
        return false;
    track->rtp_channel = channel;
    track->rtcp_channel = (uint8_t)(channel + 1);
    return true;
}

/* Whose packet it is: by channel and type, as some have all on one channel; then by type alone
 * where nothing came yet; then by channel. NULL: nobody's. */
static cm_client_track *track_of(cm_rtsp_client *c, uint8_t channel, const cm_rtp_packet *packet)
{
    cm_client_track *const tracks[] = {&c->track, other_of(&c->track)};
    const size_t count = tracks[1] != NULL ? 2 : 1;
    for (size_t i = 0; i < count; i++)
        if (channel == tracks[i]->rtp_channel &&
            packet->payload_type == tracks[i]->media.payload_type)
            return tracks[i];
    for (size_t i = 0; i < count; i++)
        if (is_adopted(tracks[i], channel, packet))
            return tracks[i];
    for (size_t i = 0; i < count; i++)
        if (channel == tracks[i]->rtp_channel)
            return tracks[i];
    return NULL;
}

static void take_rtp(cm_rtsp_client *c, uint8_t channel, cm_slice bytes)
{
    cm_rtp_packet packet;
    uint64_t sequence;
    if (cm_rtp_parse(bytes, &packet) != CM_OK) {
        if (channel == c->track.rtp_channel)
            cm_client_count_malformed(c);
        else if (c->sound.is_chosen && channel == c->sound.track.rtp_channel)
            cm_client_sound_count_malformed(c);
        return;
    }
    cm_client_track *track = track_of(c, channel, &packet);
    if (track != NULL && cm_client_media_admit(track, &packet, &sequence))
        cm_client_media_deliver(track, &packet, sequence);
}

void cm_client_take_interleaved(cm_rtsp_client *c, uint8_t channel, cm_slice bytes)
{
    if (cm_client_is_over_udp(c))
        return;
    const bool is_reports_of_track = channel == c->track.rtcp_channel;
    const bool is_reports_of_sound = c->sound.is_chosen && channel == c->sound.track.rtcp_channel;
    if (is_reports_of_track)
        cm_client_media_take_rtcp(&c->track, bytes);
    if (is_reports_of_sound)
        cm_client_media_take_rtcp(&c->sound.track, bytes);
    if (!is_reports_of_track && !is_reports_of_sound && !c->config.is_speaking)
        take_rtp(c, channel, bytes);
}

/* ---- RTCP ---- */

void cm_client_media_take_rtcp(cm_client_track *track, cm_slice bytes)
{
    cm_rtsp_client *c = track->client;
    cm_client_media *m = &track->media;
    cm_rtcp_packet packet;
    cm_status status;
    while ((status = cm_rtcp_next(&bytes, &packet)) == CM_OK) {
        if (packet.type == CM_RTCP_SR && m->has_ssrc && packet.ssrc == m->ssrc)
            cm_rtcp_reception_sender_report(&m->reception, &packet.sender,
                                            cm_loop_now(c->config.loop));
    }
    if (status == CM_CLOSE)
        cm_client_count_malformed(c);
}

/* RFC 3550 6.4.2; without them some cameras stop. */
static void send_report(cm_client_track *track, cm_instant now)
{
    cm_rtsp_client *c = track->client;
    uint8_t storage[REPORT_SIZE];
    uint8_t header[INTERLEAVED_HEADER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_writer head = cm_writer_over(header, sizeof header);
    cm_rtcp_block block;
    const bool has_block =
        cm_rtcp_reception_report(&track->media.reception, track->media.ssrc, now, &block) == CM_OK;
    cm_rtcp_write_rr(&w, c->report_ssrc, has_block ? &block : NULL);
    cm_rtcp_write_cname(&w, c->report_ssrc, cm_slice_of(c->cname));
    if (w.failed)
        return;
    if (track->udp != NULL) {
        cm_client_udp_send_rtcp(track, cm_writer_done(&w));
        return;
    }
    if (cm_buffer_data(&c->out).size > 0)
        return; /* it does not read */
    cm_rtsp_write_interleaved_header(&head, track->rtcp_channel, (uint16_t)w.used);
    CM_IGNORE(cm_client_write(c, cm_writer_done(&head), cm_writer_done(&w)),
              "a closed connection says so when it is read");
}

void cm_client_report_send(cm_rtsp_client *c)
{
    const cm_instant now = cm_loop_now(c->config.loop);
    c->report_due = cm_instant_after(now, CM_SECONDS(REPORT_SECONDS));
    if (c->config.is_speaking) {
        cm_client_speech_report(c);
        return;
    }
    send_report(&c->track, now);
    if (c->sound.is_chosen)
        send_report(&c->sound.track, now);
}
