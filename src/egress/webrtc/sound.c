/* Sound of one viewer: codec frames to packets, and their reports. */
#include <assert.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/random.h"
#include "egress/webrtc/fault_webrtc.h"
#include "egress/webrtc/sound_priv.h"
#include "proto/g711/g711.h"
#include "proto/opus/opus.h"
#include "proto/rtcp/rtcp.h"
#include "proto/rtp/ntp.h"

enum {
    LATE_MS = 300,          /* what is older when newer sound waits behind it is left out */
    GAP_MS = 15,            /* more than that between two frames was left out, not jitter */
    PAYLOAD_PARTS = 2,      /* granules of a codec frame that fits into a packet */
    SEQUENCE_FIRST = 32768, /* RFC 3711 3.3.1, as of the pictures */
    REPORT_LEAST_MS = 750,
    REPORT_SPREAD_MS = 500,
};

/* What is sent in a packet: a codec frame, and how long that sounds. */
typedef struct sound_payload {
    cm_slice parts[PAYLOAD_PARTS];
    size_t count;
    size_t size;
    uint32_t ticks; /* of the RTP clock */
} sound_payload;

/* ---- what can be carried ---- */

static bool may_carry(const cm_sound_format *format)
{
    if (format->codec == CM_SOUND_PCMU || format->codec == CM_SOUND_PCMA)
        return format->rate == CM_G711_CLOCK_RATE && format->channels == 1;
    return format->codec == CM_SOUND_OPUS;
}

cm_status cm_webrtc_sound_stream(const cm_sound_format *format, cm_stream *out)
{
    CM_ENSURE(may_carry(format) || cm_sound_may_become(format, CM_STREAM_SOUND_OPUS), CM_ABSENT);
    *out = may_carry(format) ? CM_STREAM_SOUND : CM_STREAM_SOUND_OPUS;
    return CM_OK;
}

static uint32_t clock_rate(const cm_webrtc_sound *sound)
{
    return sound->config.media.codec == CM_SOUND_OPUS ? CM_OPUS_CLOCK_RATE : CM_G711_CLOCK_RATE;
}

/* By the codec frame itself; what tells nothing lasts as long as its source said. */
static uint32_t ticks_of(const cm_webrtc_sound *sound, const cm_frame *frame,
                         const sound_payload *payload)
{
    cm_opus_packet packet;
    uint32_t samples;
    const cm_slice first = payload->parts[0];
    if (sound->config.media.codec == CM_SOUND_OPUS) {
        if (payload->count == 1 && cm_opus_packet_parse(first, &packet) == CM_OK)
            return packet.ticks;
    } else if (payload->count == 1 && cm_g711_duration(first, 1, &samples) == CM_OK) {
        return samples;
    }
    return frame->duration_ms * (clock_rate(sound) / 1000);
}

/* CM_REFUSE: it is too large for a packet. */
static cm_status read_payload(const cm_webrtc_sound *sound, const cm_opened_frame *opened,
                              size_t first, size_t count, sound_payload *out)
{
    *out = (sound_payload){.count = count};
    for (size_t i = 0; i < count; i++) {
        out->parts[i] = opened->granules[first + i];
        out->size += out->parts[i].size;
    }
    out->ticks = ticks_of(sound, opened->frame, out);
    return out->size > 0 && out->size + CM_RTP_HEADER_MAX <= PACKET_MAX ? CM_OK : CM_REFUSE;
}

/* A codec frame a packet: all granules are one, or, of what was made over, each is. CM_REFUSE: it
 * is not of the format that was negotiated, or too large. */
static cm_status read_frame(const cm_webrtc_sound *sound, const cm_opened_frame *opened,
                            sound_payload out[CM_SOUND_MADE_MAX], size_t *count_out)
{
    const bool is_made = cm_stream_is_made(sound->config.media.stream);
    cm_sound_format format;
    CM_ENSURE(opened->count > 1 &&
                  opened->count <= 1 + (size_t)(is_made ? CM_SOUND_MADE_MAX : PAYLOAD_PARTS),
              CM_REFUSE);
    CM_TRY(cm_sound_format_read(opened->granules[0], &format));
    CM_ENSURE(format.codec == sound->config.media.codec && may_carry(&format), CM_REFUSE);
    const size_t granules = is_made ? 1 : opened->count - 1; /* of a packet */
    *count_out = (opened->count - 1) / granules;
    for (size_t i = 0; i < *count_out; i++)
        CM_TRY(read_payload(sound, opened, 1 + i * granules, granules, &out[i]));
    return CM_OK;
}

/* ---- timestamps ---- */

/* What was made over comes in whole pieces: up to one is still to come. Its maker says where
 * something is missing; what was lost behind him is more than that. */
static bool is_gap(const cm_webrtc_sound *sound, const cm_frame *frame, int64_t left_out)
{
    const bool is_made = cm_stream_is_made(sound->config.media.stream);
    const int64_t bound_ms = is_made ? GAP_MS + CM_SOUND_MADE_MS : GAP_MS;
    return !sound->has_sent || left_out > (int64_t)clock_rate(sound) * bound_ms / 1000 ||
           (is_made && (frame->flags & CM_FRAME_DISCONTINUITY) != 0);
}

/* False: it goes on where the frame before ended. True: it begins anew, as after silence. */
static bool stamp(cm_webrtc_sound *sound, const cm_frame *frame)
{
    const uint32_t rate = clock_rate(sound);
    const int64_t step = frame->media_time - sound->newest_time;
    const int64_t ticks = step * rate / CLOCK_RATE;
    const bool is_anew = is_gap(sound, frame, ticks - (int64_t)sound->newest_ticks);
    if (sound->has_sent)
        sound->timestamp += is_anew ? (uint32_t)ticks : sound->newest_ticks;
    sound->newest_time = frame->media_time;
    sound->newest_captured = frame->captured;
    sound->newest_ticks = 0;
    return is_anew;
}

static bool is_late(const cm_webrtc_sound *sound, const cm_frame *frame)
{
    cm_backlog backlog;
    cm_subscription_read_backlog(sound->subscription, &backlog);
    return backlog.newest - frame->media_time > LATE_MS * (CLOCK_RATE / 1000);
}

/* ---- one packet ---- */

/* The last look before a session: whatever was mixed up on the way, what goes into it is the sound
 * of the camera that it is for. */
static cm_status check_own(const cm_webrtc_sound *sound, const cm_opened_frame *opened)
{
    if (CM_FAULT(SEALING_OFF) || (cm_camera_key_equal(&opened->frame->camera, &sound->camera) &&
                                  opened->frame->stream == sound->config.media.stream))
        return CM_OK;
    cm_hub_report(sound->config.hub, &sound->camera, sound->config.media.stream,
                  CM_REFUSAL_FOREIGN);
    return CM_BROKEN;
}

static void note_sent(cm_webrtc_sound *sound, const sound_payload *payload, size_t size)
{
    cm_webrtc_transport *transport = sound->config.transport;
    const cm_webrtc_estimator *estimator = sound->config.estimator;
    if (estimator != NULL)
        estimator->on_sent(estimator->context, transport->next_number, size,
                           cm_loop_now(sound->config.loop));
    transport->next_number++;
    sound->sequence++;
    sound->newest_ticks += payload->ticks;
    sound->report_packets++;
    sound->report_octets += (uint32_t)payload->size;
    sound->figures.packets_sent++;
    sound->figures.bytes_sent += size;
}

static void put(cm_webrtc_sound *sound, const sound_payload *payload, bool is_marked)
{
    const cm_webrtc_sound_media *media = &sound->config.media;
    cm_webrtc_transport *transport = sound->config.transport;
    const cm_rtp_packet packet = {.marker = is_marked, /* RFC 3551 4.1 */
                                  .payload_type = media->payload_type,
                                  .sequence_number = sound->sequence,
                                  .timestamp = sound->timestamp + sound->newest_ticks,
                                  .ssrc = media->ssrc};
    cm_rtp_extensions extensions = {.has_transport_sequence = true,
                                    .transport_sequence = transport->next_number};
    if (!sound->is_acknowledged)
        extensions.mid = media->mid; /* RFC 8843 15: until the peer must know it */
    uint8_t header[CM_RTP_HEADER_MAX];
    cm_writer w = cm_writer_over(header, sizeof header);
    cm_rtp_header_write(&w, &packet, &extensions, &media->extensions);
    assert(!w.failed); /* what was negotiated was looked at when this was made */
    CM_IGNORE(
        transport->send_rtp(transport->context, cm_writer_done(&w), payload->parts, payload->count),
        "as if the network had lost it");
    note_sent(sound, payload, w.used + payload->size);
}

cm_status cm_webrtc_sound_put(cm_webrtc_sound *sound, const cm_opened_frame *opened)
{
    sound_payload payloads[CM_SOUND_MADE_MAX];
    size_t count;
    CM_TRY(check_own(sound, opened));
    CM_TRY(read_frame(sound, opened, payloads, &count));
    const bool is_anew = stamp(sound, opened->frame);
    for (size_t i = 0; i < count; i++)
        put(sound, &payloads[i], is_anew && i == 0);
    if (!sound->has_sent)
        cm_timer_start(&sound->report_timer, 0); /* the first report tells when this was */
    sound->has_sent = true;
    return CM_OK;
}

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    cm_webrtc_sound *sound = owner;
    if (CM_FAULT_SOUND_MISDELIVERED(sound, opened))
        return true;
    if (is_late(sound, opened->frame) || cm_webrtc_sound_put(sound, opened) != CM_OK)
        sound->figures.frames_skipped++;
    return true; /* never blocked: what can't go is left out */
}

static void on_stale(void *owner)
{
    const cm_webrtc_sound *sound = owner;
    sound->config.on_stale(sound->config.owner);
}

static void on_pass_end(void *owner)
{
    const cm_webrtc_sound *sound = owner;
    sound->config.transport->flush(sound->config.transport->context);
}

/* Nothing of a frame is ever half-way out. */
static void on_broken(void *owner)
{
    (void)owner;
}

static const cm_subscription_events SUBSCRIPTION_EVENTS = {
    .on_frame = on_frame,
    .on_stale = on_stale,
    .on_broken = on_broken,
    .on_pass_end = on_pass_end,
};

/* ---- reports ---- */

/* RFC 3550 6.4.1: the timestamp of this moment, counted from what was sent last. */
static void write_report(const cm_webrtc_sound *sound, cm_writer *w)
{
    const cm_webrtc_sound_media *media = &sound->config.media;
    const cm_wall wall = cm_loop_wall(sound->config.loop);
    const int64_t since_us = wall.us - sound->newest_captured.us;
    const int64_t ticks = since_us * (clock_rate(sound) / 1000) / 1000;
    const cm_rtcp_sender_info sender = {.ntp_timestamp = cm_rtp_ntp_of(wall),
                                        .rtp_timestamp = sound->timestamp + (uint32_t)ticks,
                                        .packet_count = sound->report_packets,
                                        .octet_count = sound->report_octets};
    cm_rtcp_write_sr(w, media->ssrc, &sender, NULL);
    cm_rtcp_write_cname(w, media->ssrc, media->cname);
}

static void send_rtcp(const cm_webrtc_sound *sound, const cm_writer *w)
{
    const cm_webrtc_transport *transport = sound->config.transport;
    cm_slice compound;
    if (cm_writer_finish(w, &compound) == CM_OK)
        CM_IGNORE(transport->send_rtcp(transport->context, compound),
                  "the next one follows in a second");
}

static void on_report_timer(cm_timer *timer)
{
    cm_webrtc_sound *sound = CM_HOLDER(timer, cm_webrtc_sound, report_timer);
    uint8_t storage[REPORT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const uint64_t wait_ms =
        REPORT_LEAST_MS + cm_random_below(cm_loop_random(sound->config.loop), REPORT_SPREAD_MS);
    cm_timer_start(&sound->report_timer, CM_MS((int64_t)wait_ms));
    write_report(sound, &w);
    send_rtcp(sound, &w);
}

static void say_goodbye(const cm_webrtc_sound *sound)
{
    uint8_t storage[REPORT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    write_report(sound, &w);
    cm_rtcp_write_bye(&w, sound->config.media.ssrc);
    send_rtcp(sound, &w);
    sound->config.transport->flush(sound->config.transport->context);
}

void cm_webrtc_sound_rtcp(cm_webrtc_sound *sound, cm_slice compound)
{
    cm_rtcp_item item;
    cm_rtcp_packet report;
    while (cm_rtcp_next_item(&compound, &item) == CM_OK) {
        if (cm_rtcp_report_parse(&item, &report) != CM_OK)
            continue;
        for (size_t i = 0; i < report.block_count; i++) {
            if (report.blocks[i].ssrc != sound->config.media.ssrc)
                continue;
            sound->is_acknowledged = true;
            sound->figures.fraction_lost = report.blocks[i].fraction_lost;
        }
    }
}

/* ---- life ---- */

static bool can_be(const cm_webrtc_sound_media *media)
{
    return media->extensions.transport_sequence <= CM_RTP_ONE_BYTE_ID_MAX &&
           media->extensions.mid <= CM_RTP_ONE_BYTE_ID_MAX &&
           media->mid.size <= CM_RTP_ELEMENT_MAX && media->payload_type < 128 &&
           media->cname.size > 0 && media->cname.size <= UINT8_MAX && media->codec != CM_SOUND_AAC;
}

cm_status cm_webrtc_sound_create(const cm_webrtc_sound_config *config, cm_lease *lease,
                                 cm_webrtc_sound **out)
{
    const bool is_fine = can_be(&config->media) && cm_stream_is_sound(config->media.stream) &&
                         cm_lease_allows(lease, config->media.stream, CM_RIGHT_LISTEN);
    cm_webrtc_sound *sound = is_fine ? calloc(1, sizeof *sound) : NULL;
    if (sound == NULL) {
        cm_lease_destroy(lease);
        return is_fine ? CM_BROKEN : CM_REFUSE;
    }
    cm_random *random = cm_loop_random(config->loop);
    sound->config = *config;
    sound->camera = *cm_lease_camera(lease);
    sound->lease = lease;
    sound->timestamp = (uint32_t)cm_random_u64(random);
    sound->sequence = (uint16_t)cm_random_below(random, SEQUENCE_FIRST);
    cm_timer_init(&sound->report_timer, config->loop, on_report_timer);
    CM_FAULT_SOUND_ADD(sound);
    *out = sound;
    return CM_OK;
}

cm_status cm_webrtc_sound_start(cm_webrtc_sound *sound)
{
    assert(sound->subscription == NULL && sound->lease != NULL);
    cm_lease *lease = sound->lease;
    sound->lease = NULL;
    return cm_hub_subscribe(sound->config.hub, lease, sound->config.media.stream,
                            &SUBSCRIPTION_EVENTS, sound, &sound->subscription);
}

void cm_webrtc_sound_renew(cm_webrtc_sound *sound, cm_lease *lease)
{
    if (sound->subscription != NULL) {
        cm_subscription_renew(sound->subscription, lease);
    } else {
        cm_lease_destroy(sound->lease);
        sound->lease = lease;
    }
}

void cm_webrtc_sound_destroy(cm_webrtc_sound *sound)
{
    if (sound == NULL)
        return;
    CM_FAULT_SOUND_REMOVE(sound);
    cm_timer_stop(&sound->report_timer);
    cm_subscription_close(sound->subscription);
    if (sound->has_sent)
        say_goodbye(sound);
    cm_lease_destroy(sound->lease);
    free(sound);
}

void cm_webrtc_sound_read_figures(const cm_webrtc_sound *sound, cm_webrtc_sound_figures *out)
{
    *out = sound->figures;
}
