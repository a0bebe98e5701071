/* A session that speaks (ONVIF Streaming Specification, 5.3): which media the camera hears by, our
 * packets, our reports. */
#include "ingest/rtsp/client_priv.h"
#include "proto/rtcp/rtcp.h"
#include "proto/rtp/ntp.h"

enum {
    REPORT_SIZE = 256,
    PACKET_SIZE = CM_RTP_HEADER_SIZE + CM_RTSP_SPEECH_MAX,
    INTERLEAVED_HEADER_SIZE = 4,
    BEHIND_MAX = 8192, /* bytes under way to the camera: nearly a second of speech */
    BEHIND_SECONDS = 5,
};

/* ---- what the camera hears by ---- */

/* Marked so, unlike its video: who marks all media alike says nothing by it. */
static bool stands_out(const cm_sdp *sdp, const cm_sdp_media *media, cm_sdp_direction direction)
{
    if (media->kind != CM_SDP_AUDIO || media->direction != direction)
        return false;
    for (size_t i = 0; i < sdp->media_count; i++)
        if (sdp->medias[i].kind == CM_SDP_VIDEO && sdp->medias[i].direction == direction)
            return false;
    return true;
}

/* ONVIF marks it sendonly: what a client sends. Some mean what they send themselves, or both; some
 * mark everything alike, and have it behind their own sound. NULL: there is none. */
static const cm_sdp_media *find_media(const cm_sdp *sdp)
{
    static const cm_sdp_direction MARKS[] = {CM_SDP_SENDONLY, CM_SDP_RECVONLY, CM_SDP_SENDRECV};
    const cm_sdp_media *last = NULL;
    size_t sounds = 0;
    for (size_t mark = 0; mark < CM_COUNT(MARKS); mark++)
        for (size_t i = 0; i < sdp->media_count; i++)
            if (stands_out(sdp, &sdp->medias[i], MARKS[mark]))
                return &sdp->medias[i];
    for (size_t i = 0; i < sdp->media_count; i++) {
        if (sdp->medias[i].kind != CM_SDP_AUDIO)
            continue;
        last = &sdp->medias[i];
        sounds++;
    }
    return sounds > 1 ? last : NULL;
}

/* The first of PCMU and PCMA, 8 kHz, mono. NULL: neither. */
static const cm_sdp_payload *find_payload(const cm_sdp_media *media, cm_g711_law *law)
{
    for (size_t i = 0; i < media->payload_count; i++) {
        const cm_sdp_payload *payload = &media->payloads[i];
        const bool is_plain = payload->channels == 1 && (payload->clock_rate == 0 ||
                                                         payload->clock_rate == CM_G711_CLOCK_RATE);
        if (is_plain && cm_g711_law_of(payload->encoding, law) == CM_OK)
            return payload;
    }
    return NULL;
}

const cm_sdp_media *cm_client_speech_choose(cm_rtsp_client *c, const cm_sdp *sdp)
{
    const cm_sdp_media *media = find_media(sdp);
    if (media == NULL) {
        cm_client_end(c, CM_CAUSE_NO_LOUDSPEAKER, "it offers no way to speak to it");
        return NULL;
    }
    const cm_sdp_payload *payload = find_payload(media, &c->speech.law);
    if (payload == NULL) {
        const cm_client_shown shown = cm_client_show(media->payloads[0].encoding);
        cm_client_end(c, CM_CAUSE_CODEC_UNSUPPORTED, "it wants to hear %s",
                      shown.text[0] != '\0' ? shown.text : "a codec without a name");
        return NULL;
    }
    cm_client_media_init(&c->track, payload->type, false, CM_G711_CLOCK_RATE);
    return media;
}

/* ---- packets ---- */

/* Begins anew where the speaker's own count does, as much later as it was silent. */
static uint32_t timestamp_of(cm_client_speech *s, const cm_rtsp_speech *speech, cm_instant now)
{
    if (s->packets == 0 || speech->is_first) {
        const int64_t silent_us = s->packets > 0 ? cm_instant_since(now, s->last) : 0;
        const uint32_t silent = (uint32_t)(silent_us * CM_G711_CLOCK_RATE / CM_SECONDS(1));
        const uint32_t due = s->timestamp + (silent > s->samples ? silent : s->samples);
        s->offset = due - speech->timestamp;
    }
    return speech->timestamp + s->offset;
}

static void write_packet(const cm_rtsp_client *c, cm_writer *w, const cm_rtsp_speech *speech,
                         uint32_t timestamp)
{
    const cm_client_speech *s = &c->speech;
    cm_rtp_write(w, &(cm_rtp_packet){.marker = s->packets == 0 || speech->is_first,
                                     .payload_type = c->track.media.payload_type,
                                     .sequence_number = s->sequence,
                                     .timestamp = timestamp,
                                     .ssrc = c->report_ssrc});
    for (size_t i = 0; i < speech->samples.size; i++)
        cm_write_u8(w, cm_g711_recode(speech->law, s->law, speech->samples.bytes[i]));
}

/* Over TCP: it does not take what was said. More would come out of it late, maybe after whoever
 * said it lost his right: it is left out. */
static bool is_behind(const cm_rtsp_client *c)
{
    return c->track.udp == NULL &&
           (cm_buffer_data(&c->out).size > 0 || cm_tcp_unacknowledged(c->tcp) > BEHIND_MAX);
}

void cm_client_speech_look(cm_rtsp_client *c, cm_instant now)
{
    if (!is_behind(c))
        c->speech.kept_up = now;
    else if (cm_instant_since(now, c->speech.kept_up) >= CM_SECONDS(BEHIND_SECONDS))
        cm_client_end(c, CM_CAUSE_TIMEOUT, "it does not take what is said to it");
}

/* On the track's RTP or RTCP, whichever way it goes. CM_RETRY: the camera is behind. */
static cm_status put_out(cm_rtsp_client *c, bool is_rtp, cm_slice bytes)
{
    cm_client_track *track = &c->track;
    if (track->udp != NULL) {
        if (is_rtp)
            cm_client_udp_send_rtp(track, bytes);
        else
            cm_client_udp_send_rtcp(track, bytes);
        return CM_OK;
    }
    if (is_behind(c))
        return CM_RETRY;
    uint8_t header[INTERLEAVED_HEADER_SIZE];
    cm_writer head = cm_writer_over(header, sizeof header);
    cm_rtsp_write_interleaved_header(&head, is_rtp ? track->rtp_channel : track->rtcp_channel,
                                     (uint16_t)bytes.size);
    CM_IGNORE(cm_client_write(c, cm_writer_done(&head), bytes),
              "a closed connection says so when it is read");
    return CM_OK;
}

cm_status cm_rtsp_client_speak(cm_rtsp_client *client, const cm_rtsp_speech *speech)
{
    cm_client_speech *s = &client->speech;
    uint8_t storage[PACKET_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_instant now = cm_loop_now(client->config.loop);
    CM_ENSURE(client->config.is_speaking && client->state == CM_RTSP_CLIENT_PLAYING, CM_RETRY);
    CM_ENSURE(speech->samples.size > 0 && speech->samples.size <= CM_RTSP_SPEECH_MAX, CM_REFUSE);
    const uint32_t timestamp = timestamp_of(s, speech, now);
    write_packet(client, &w, speech, timestamp);
    CM_TRY(put_out(client, true, cm_writer_done(&w)));
    s->sequence++;
    s->timestamp = timestamp;
    s->packets++;
    s->bytes += (uint32_t)speech->samples.size;
    s->samples = (uint32_t)speech->samples.size;
    s->last = now;
    return CM_OK;
}

/* ---- reports ---- */

/* RFC 3550 6.4.1: the timestamp is of the same instant as the wall clock beside it. */
static void write_report(const cm_rtsp_client *c, cm_writer *w)
{
    const cm_client_speech *s = &c->speech;
    const cm_loop *loop = c->config.loop;
    const int64_t since_us = cm_instant_since(cm_loop_now(loop), s->last);
    const cm_rtcp_sender_info sender = {
        .ntp_timestamp = cm_rtp_ntp_of(cm_loop_wall(loop)),
        .rtp_timestamp = s->timestamp + (uint32_t)(since_us * CM_G711_CLOCK_RATE / CM_SECONDS(1)),
        .packet_count = s->packets,
        .octet_count = s->bytes,
    };
    if (s->packets > 0)
        cm_rtcp_write_sr(w, c->report_ssrc, &sender, NULL);
    else
        cm_rtcp_write_rr(w, c->report_ssrc, NULL);
    cm_rtcp_write_cname(w, c->report_ssrc, cm_slice_of(c->cname));
}

void cm_client_speech_report(cm_rtsp_client *c)
{
    uint8_t storage[REPORT_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    write_report(c, &w);
    if (!w.failed)
        CM_IGNORE(put_out(c, false, cm_writer_done(&w)), "the next one comes in 5 s");
}

void cm_client_speech_init(cm_rtsp_client *c)
{
    cm_random *random = cm_loop_random(c->config.loop);
    c->speech.sequence = (uint16_t)cm_random_u64(random);
    c->speech.timestamp = (uint32_t)cm_random_u64(random);
}
