/* Sound: the second track of a session. Frames go out at picture times, as many as have ended by
 * then. */
#include "proto/aac/depacketize.h"
#include "proto/opus/opus.h"
#include "proto/rtcp/rtcp.h"
#include "proto/rtp/rtp.h"
#include "simcam/simcam_priv.h"
#include "simcam/tone.h"

enum {
    HEAD_SIZE = 4 + CM_RTP_HEADER_SIZE + CM_AAC_HEADERS_SIZE,
    REPORT_SIZE = 160,
    BEHIND_US = 1000000, /* later frames than that are left out */
    PERCENT = 100,
};

/* From 1900 to 1970, in seconds: RFC 3550 4. */
static const uint64_t NTP_EPOCH_S = 2208988800u;

typedef struct kind {
    const char *name;
    const char *encoding;
    uint8_t payload_type;
    uint8_t channels;
    uint32_t clock_rate;
} kind;

static const kind KINDS[CM_SIMCAM_SOUNDS] = {
    [CM_SIMCAM_SOUND_NONE] = {.name = "none"},
    [CM_SIMCAM_SOUND_PCMU] = {"pcmu", "PCMU", CM_G711_PCMU_PAYLOAD_TYPE, 1, CM_G711_CLOCK_RATE},
    [CM_SIMCAM_SOUND_PCMA] = {"pcma", "PCMA", CM_G711_PCMA_PAYLOAD_TYPE, 1, CM_G711_CLOCK_RATE},
    [CM_SIMCAM_SOUND_AAC] = {"aac", "MPEG4-GENERIC", 97, 1, 16000},
    [CM_SIMCAM_SOUND_OPUS] = {"opus", "opus", 111, CM_OPUS_SDP_CHANNELS, CM_OPUS_CLOCK_RATE},
};

cm_status cm_simcam_sound_parse(cm_slice name, cm_simcam_sound *out)
{
    for (size_t i = 0; i < CM_SIMCAM_SOUNDS; i++)
        if (cm_slice_equal(name, cm_slice_of(KINDS[i].name))) {
            *out = (cm_simcam_sound)i;
            return CM_OK;
        }
    return CM_REFUSE;
}

bool cm_simcam_sound_is_encoded(cm_simcam_sound sound)
{
    return sound == CM_SIMCAM_SOUND_AAC || sound == CM_SIMCAM_SOUND_OPUS;
}

bool cm_simcam_sound_fits(cm_simcam_sound sound, const cm_sound_set *set)
{
    if (!cm_simcam_sound_is_encoded(sound))
        return true;
    const uint8_t codec = sound == CM_SIMCAM_SOUND_AAC ? CM_SOUND_FILE_AAC : CM_SOUND_FILE_OPUS;
    return set != NULL && set->codec == codec && set->clock_rate == KINDS[sound].clock_rate;
}

/* Of AAC: how it is packed, and its configuration. */
static void write_fmtp(const cm_simcam *simcam, cm_writer *w)
{
    const cm_sound_set *set = simcam->sound_set;
    if (simcam->sound != CM_SIMCAM_SOUND_AAC)
        return;
    cm_aac_format format = {.config_size = set->config_size};
    cm_slice_copy(cm_slice_over(set->config, set->config_size), format.config_bytes,
                  sizeof format.config_bytes);
    CM_IGNORE(cm_aac_format_write(w, &format), "a description that fails is not sent");
}

void cm_simcam_sound_describe(const cm_simcam *simcam, cm_slice control, cm_writer *fmtp,
                              cm_sdp_media *out)
{
    const kind *k = &KINDS[simcam->sound];
    write_fmtp(simcam, fmtp);
    *out = (cm_sdp_media){.kind = CM_SDP_AUDIO,
                          .protocol = CM_TEXT("RTP/AVP"),
                          .control = control,
                          .direction = CM_SDP_DIRECTION_UNSAID,
                          .payload_count = 1,
                          .payloads = {{.type = k->payload_type,
                                        .encoding = cm_slice_of(k->encoding),
                                        .clock_rate = k->clock_rate,
                                        .channels = k->channels,
                                        .fmtp = cm_writer_done(fmtp)}}};
}

/* ---- the track ---- */

void cm_simcam_sound_set_up(cm_simcam_session *session, const cm_rtsp_transport *t)
{
    cm_random *random = cm_loop_random(session->simcam->loop);
    cm_simcam_sound_track *track = &session->sound;
    *track = (cm_simcam_sound_track){.is_set_up = true,
                                     .channel = (uint8_t)t->interleaved.rtp,
                                     .ssrc = (uint32_t)cm_random_u64(random),
                                     .sequence = (uint16_t)cm_random_u64(random),
                                     .timestamp_base = (uint32_t)cm_random_u64(random)};
    for (size_t i = 0; i < 2; i++) /* only ever to where the request came from */
        track->peers[i] = cm_tcp_peer(session->tcp);
    track->peers[0].port = t->client_port.rtp;
    track->peers[1].port = t->client_port.rtcp;
}

/* Made when it is first heard. NULL without memory: the camera is silent. */
static const cm_sound_loop *loop_of(const cm_simcam_camera *camera)
{
    cm_simcam *s = camera->simcam;
    const unsigned tone = cm_tone_of(camera->code);
    if (cm_simcam_sound_is_encoded(s->sound))
        return &s->sound_set->loops[tone];
    cm_sound_loop *loop = &s->sound_loops[tone];
    if (loop->frame_count == 0)
        CM_IGNORE(
            cm_sound_loop_g711(s->sound == CM_SIMCAM_SOUND_PCMU ? CM_G711_MU_LAW : CM_G711_A_LAW,
                               tone, loop),
            "silence, then");
    return loop->frame_count > 0 ? loop : NULL;
}

static uint32_t timestamp_of(const cm_simcam_session *session, const cm_sound_loop *loop,
                             uint64_t number)
{
    uint32_t jump_s = 0;
    (void)cm_troubles_has(&session->camera->troubles, CM_TROUBLE_CLOCK, &jump_s);
    return session->sound.timestamp_base + (uint32_t)(number * loop->frame_ticks) +
           jump_s * KINDS[session->simcam->sound].clock_rate;
}

/* ---- out ---- */

/* `bytes` goes over UDP alone, over TCP behind a head that says its size. */
static cm_status send_part(cm_simcam_session *session, size_t which, cm_slice head, cm_slice bytes)
{
    uint8_t storage[HEAD_SIZE + CM_SIMCAM_PACKET_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (session->is_tcp) {
        cm_rtsp_write_interleaved_header(&w, (uint8_t)(session->sound.channel + which),
                                         (uint16_t)(head.size + bytes.size));
        cm_write_slice(&w, head);
        const cm_slice parts[] = {cm_writer_done(&w), bytes};
        return cm_simcam_session_send(session, parts, CM_COUNT(parts));
    }
    cm_write_slice(&w, head);
    cm_write_slice(&w, bytes);
    CM_ENSURE(!w.failed, CM_FULL);
    const cm_datagram datagram = {.bytes = cm_writer_done(&w), .peer = session->sound.peers[which]};
    size_t sent;
    CM_IGNORE(cm_udp_send(session->simcam->udp[which], &datagram, 1, &sent), "lost, then");
    return CM_OK;
}

/* RFC 3640, 3.1: of AAC at the end of each access unit. RFC 3551, 4.1: else where sound begins. */
static bool has_marker(cm_simcam_sound sound, const cm_simcam_sound_track *track)
{
    return sound == CM_SIMCAM_SOUND_AAC || !track->has_spoken;
}

static cm_status send_frame(cm_simcam_session *session, const cm_sound_loop *loop, uint64_t number)
{
    cm_simcam *s = session->simcam;
    cm_simcam_sound_track *track = &session->sound;
    uint8_t storage[CM_RTP_HEADER_SIZE + CM_AAC_HEADERS_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_slice payload = cm_sound_loop_frame(loop, number);
    uint32_t drop_percent = 0;
    cm_rtp_write(&w, &(cm_rtp_packet){.marker = has_marker(s->sound, track),
                                      .payload_type = KINDS[s->sound].payload_type,
                                      .sequence_number = track->sequence++,
                                      .timestamp = timestamp_of(session, loop, number),
                                      .ssrc = track->ssrc});
    if (s->sound == CM_SIMCAM_SOUND_AAC)
        CM_TRY(cm_aac_write_headers(&w, payload.size));
    track->has_spoken = true;
    (void)cm_troubles_has(&session->camera->troubles, CM_TROUBLE_DROP, &drop_percent);
    if (drop_percent > 0 && cm_random_below(cm_loop_random(s->loop), PERCENT) < drop_percent)
        return CM_OK;
    track->packet_count++;
    track->octet_count += (uint32_t)payload.size;
    s->counters.bytes += CM_RTP_HEADER_SIZE + payload.size;
    s->counters.sounds++;
    return send_part(session, 0, cm_writer_done(&w), payload);
}

static cm_status report_if_due(cm_simcam_session *session, const cm_sound_loop *loop, cm_wall now)
{
    const cm_instant instant = cm_loop_now(session->simcam->loop);
    cm_simcam_sound_track *track = &session->sound;
    if (track->is_reported &&
        cm_instant_since(instant, track->reported) < CM_SECONDS(CM_SIMCAM_REPORT_S))
        return CM_OK;
    track->is_reported = true;
    track->reported = instant;
    const uint64_t us = (uint64_t)now.us;
    const uint64_t ticks_in = us % loop->frame_us * loop->frame_ticks / loop->frame_us;
    const cm_rtcp_sender_info info = {
        .ntp_timestamp = (us / 1000000 + NTP_EPOCH_S) << 32 | (us % 1000000 << 32) / 1000000,
        .rtp_timestamp = timestamp_of(session, loop, us / loop->frame_us) + (uint32_t)ticks_in,
        .packet_count = track->packet_count,
        .octet_count = track->octet_count};
    uint8_t storage[REPORT_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_sr(&w, track->ssrc, &info, NULL);
    cm_rtcp_write_cname(&w, track->ssrc, CM_TEXT("simcam"));
    return send_part(session, 1, (cm_slice){0}, cm_writer_done(&w));
}

static cm_status feed_session(cm_simcam_session *session, const cm_sound_loop *loop, cm_wall now)
{
    cm_simcam_sound_track *track = &session->sound;
    const uint64_t end = (uint64_t)now.us / loop->frame_us; /* the frame that is being taken */
    const uint64_t oldest = end - BEHIND_US / loop->frame_us;
    if (track->next == 0) { /* the first picture comes first, as of most cameras */
        if (session->is_waiting)
            return CM_OK;
        track->next = end + 1;
    }
    if (track->next < oldest)
        track->next = oldest;
    CM_TRY(report_if_due(session, loop, now));
    while (track->next < end)
        CM_TRY(send_frame(session, loop, track->next++));
    return CM_OK;
}

void cm_simcam_sound_feed(cm_simcam_camera *camera, cm_wall now)
{
    if (camera->simcam->sound == CM_SIMCAM_SOUND_NONE ||
        cm_troubles_has(&camera->troubles, CM_TROUBLE_MUTE, NULL))
        return;
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
        CM_LIST_EACH(&camera->viewers[stream], node, next)
        {
            cm_simcam_session *session = CM_HOLDER(node, cm_simcam_session, viewing);
            const cm_sound_loop *loop = session->sound.is_set_up ? loop_of(camera) : NULL;
            if (loop != NULL && feed_session(session, loop, now) == CM_CLOSE)
                cm_simcam_session_destroy(session);
        }
}
