#include "ingest/whip/receiver_priv.h"

#include <stdlib.h>

#include "proto/rtcp/rtcp.h"
#include "proto/rtp/rtx.h"

enum {
    TICK_MS = 20,
    IDLE_TICK_MS = 250, /* while no packet comes */
    IDLE_SECONDS = 1,
    SILENCE_SECONDS = 5,
    GONE_SECONDS = 60,
    WAIT_MS = 500, /* for a packet that is asked for again */
    WAIT_REORDERED_MS = 100,
    WINDOW_SECONDS = 2,
    WINDOW_BYTES_MAX = 50000000 / 8 * WINDOW_SECONDS, /* 50 Mbit/s */
    WINDOW_MALFORMED_MAX = 200,
};

/* ---- the end ---- */

static void end(cm_whip_receiver *r, cm_camera_cause cause, const char *detail)
{
    if (r->is_over)
        return;
    r->is_over = true;
    r->end = (cm_whip_end){.cause = cause, .detail = detail};
    cm_timer_start(&r->timer, 0);
}

/* ---- bounds ---- */

static void roll_window(cm_whip_receiver *r, cm_instant now)
{
    if (cm_instant_since(now, r->window_began) < CM_SECONDS(WINDOW_SECONDS))
        return;
    r->window_began = now;
    r->window_bytes = 0;
    r->window_malformed = 0;
}

void cm_whip_count_malformed(cm_whip_receiver *r)
{
    r->counters.malformed++;
    if (++r->window_malformed > WINDOW_MALFORMED_MAX)
        end(r, CM_CAUSE_PROTOCOL, "sends packets that make no sense");
}

/* False: no more of it is taken. */
static bool has_room(cm_whip_receiver *r, size_t size, cm_instant now)
{
    roll_window(r, now);
    r->window_bytes += size;
    if (r->window_bytes > WINDOW_BYTES_MAX)
        end(r, CM_CAUSE_PROTOCOL, "sends more than 50 Mbit/s");
    return !r->is_over;
}

/* ---- units ---- */

static void on_unit(void *context, const cm_video_unit *unit)
{
    cm_whip_receiver *r = context;
    const cm_instant now = cm_loop_now(r->config.loop);
    cm_ingest_unit told = {.unit = unit,
                           .sets = cm_video_depacketizer_sets(&r->depacketizer),
                           .clock_rate = CM_VIDEO_CLOCK_RATE,
                           .is_restart = r->is_restart};
    if (cm_rtp_timestamps_unwrap(&r->timestamps, unit->timestamp, now, &told.ticks) ==
        CM_RTP_TIME_JUMPED)
        told.is_restart = true;
    r->is_restart = false;
    r->is_silent = false;
    r->last_unit = now;
    if (unit->is_keyframe)
        r->last_keyframe = now;
    r->counters.units++;
    r->config.events->on_unit(r->config.owner, &told);
}

static void deliver(cm_whip_receiver *r, const cm_jitter_packet *due)
{
    cm_rtp_packet packet;
    r->has_gap = r->has_gap || due->lost_before > 0;
    if (cm_rtp_parse(due->bytes, &packet) != CM_OK || packet.payload.size == 0)
        return; /* padding: senders probe the path with it */
    const cm_video_payload payload = {.bytes = packet.payload,
                                      .timestamp = packet.timestamp,
                                      .marker = packet.marker,
                                      .gap_before = r->has_gap};
    r->has_gap = false;
    if (cm_video_depacketizer_put(&r->depacketizer, &payload) != CM_OK)
        cm_whip_count_malformed(r);
}

static void deliver_due(cm_whip_receiver *r, cm_instant now)
{
    cm_jitter_packet due;
    while (cm_jitter_take(&r->jitter, now, &due))
        if (!r->is_over)
            deliver(r, &due);
}

/* ---- packets of the pictures ---- */

/* The numbers begin anew: nothing of before can be put in order with what comes. */
static void restart(cm_whip_receiver *r, uint16_t sequence_number, uint64_t *sequence)
{
    cm_rtp_sequence_init(&r->sequence);
    CM_IGNORE(cm_rtp_sequence_extend(&r->sequence, sequence_number, sequence),
              "the first of a sequence");
    cm_jitter_reset(&r->jitter);
    cm_rtcp_reception_init(&r->reception, CM_VIDEO_CLOCK_RATE);
    cm_rtp_timestamps_init(&r->timestamps, CM_VIDEO_CLOCK_RATE);
    cm_video_depacketizer_restart(&r->depacketizer);
    r->is_restart = true;
}

static void take_media(cm_whip_receiver *r, const cm_rtp_packet *packet, cm_slice bytes,
                       cm_instant now)
{
    uint64_t sequence;
    const cm_rtp_order order =
        cm_rtp_sequence_extend(&r->sequence, packet->sequence_number, &sequence);
    if (order == CM_RTP_ORDER_SUSPECT)
        return;
    if (order == CM_RTP_ORDER_RESTARTED)
        restart(r, packet->sequence_number, &sequence);
    cm_rtcp_reception_packet(&r->reception, sequence, packet->timestamp, now);
    cm_jitter_put(&r->jitter, sequence, bytes);
    deliver_due(r, now);
}

/* Only what is missing is taken of it: it can move nothing else. */
static void take_again(cm_whip_receiver *r, const cm_rtp_packet *packet, cm_instant now)
{
    uint8_t storage[CM_JITTER_PACKET_MAX];
    cm_rtp_packet original;
    const cm_status status =
        cm_rtp_rtx_restore(packet, r->config.media.payload_type, r->config.media.ssrc, &original);
    if (status == CM_CLOSE)
        cm_whip_count_malformed(r);
    if (status != CM_OK)
        return;
    const uint64_t sequence = cm_jitter_find_missing(&r->jitter, original.sequence_number);
    if (sequence == 0) {
        r->counters.duplicates++;
        return;
    }
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtp_write(&w, &original);
    if (w.failed)
        return;
    r->counters.restored++;
    cm_jitter_put(&r->jitter, sequence, cm_writer_done(&w));
    deliver_due(r, now);
}

/* ---- whose packet is it ---- */

typedef enum packet_kind { FOREIGN, MEDIA, AGAIN, SOUND } packet_kind;

/* One that was not announced is that of the first packet of its type. */
static bool is_ours(uint32_t *ssrc, const cm_rtp_packet *packet)
{
    if (*ssrc == 0)
        *ssrc = packet->ssrc;
    return *ssrc == packet->ssrc;
}

static packet_kind kind_of(cm_whip_receiver *r, const cm_rtp_packet *packet)
{
    cm_whip_media *media = &r->config.media;
    const bool is_media = packet->payload_type == media->payload_type;
    const bool is_again = media->rtx_payload_type != 0 &&
                          packet->payload_type == media->rtx_payload_type && media->ssrc != 0;
    const bool is_sound = media->has_sound && packet->payload_type == media->sound_payload_type;
    uint32_t *ssrc = is_media   ? &media->ssrc
                     : is_again ? &media->rtx_ssrc
                     : is_sound ? &media->sound_ssrc
                                : NULL;
    if (ssrc == NULL) {
        r->counters.foreign_type++;
        return FOREIGN;
    }
    if (!is_ours(ssrc, packet)) {
        r->counters.foreign_source++;
        return FOREIGN;
    }
    return is_media ? MEDIA : is_again ? AGAIN : SOUND;
}

static void note_arrival(cm_whip_receiver *r, const cm_rtp_packet *packet, cm_instant now)
{
    cm_rtp_extensions extensions;
    cm_rtp_extensions_read(packet, &r->config.media.extensions, &extensions);
    if (!extensions.has_transport_sequence)
        return;
    cm_arrivals_note(&r->arrivals, extensions.transport_sequence, now);
    cm_whip_feedback_arrived(r);
}

void cm_whip_receiver_rtp(cm_whip_receiver *receiver, cm_slice bytes)
{
    cm_whip_receiver *r = receiver;
    const cm_instant now = cm_loop_now(r->config.loop);
    cm_rtp_packet packet;
    if (r->is_over || !has_room(r, bytes.size, now))
        return;
    if (bytes.size > CM_JITTER_PACKET_MAX || cm_rtp_parse(bytes, &packet) != CM_OK) {
        cm_whip_count_malformed(r);
        return;
    }
    const packet_kind kind = kind_of(r, &packet);
    if (kind == FOREIGN)
        return;
    r->last_packet = now;
    note_arrival(r, &packet, now);
    if (kind == SOUND) {
        cm_whip_sound_take(r, &packet, bytes);
        return;
    }
    r->counters.packets++;
    r->counters.bytes += packet.payload.size;
    if (kind == MEDIA)
        take_media(r, &packet, bytes, now);
    else
        take_again(r, &packet, now);
}

/* ---- RTCP ---- */

static void take_report(cm_whip_receiver *r, const cm_rtcp_packet *packet)
{
    if (packet->ssrc == 0)
        return;
    if (packet->type == CM_RTCP_SR && packet->ssrc == r->config.media.sound_ssrc)
        cm_rtcp_reception_sender_report(&r->sound.reception, &packet->sender,
                                        cm_loop_now(r->config.loop));
    if (packet->ssrc != r->config.media.ssrc)
        return;
    if (packet->type == CM_RTCP_SR)
        cm_rtcp_reception_sender_report(&r->reception, &packet->sender,
                                        cm_loop_now(r->config.loop));
    else if (packet->type == CM_RTCP_BYE)
        end(r, CM_CAUSE_CLOSED, "said goodbye");
}

void cm_whip_receiver_rtcp(cm_whip_receiver *receiver, cm_slice compound)
{
    cm_rtcp_packet packet;
    cm_status status;
    while ((status = cm_rtcp_next(&compound, &packet)) == CM_OK)
        take_report(receiver, &packet);
    if (status == CM_CLOSE)
        cm_whip_count_malformed(receiver);
}

/* ---- time ---- */

static void look_for_silence(cm_whip_receiver *r, cm_instant now)
{
    if (cm_instant_since(now, r->last_packet) >= CM_SECONDS(GONE_SECONDS)) {
        end(r, CM_CAUSE_NO_PICTURES, "no packet for a minute");
        return;
    }
    if (r->is_silent || cm_instant_since(now, r->last_unit) < CM_SECONDS(SILENCE_SECONDS))
        return;
    r->is_silent = true;
    r->config.events->on_silence(r->config.owner);
}

/* on_end comes last: the owner may destroy the receiver in it. */
static void on_timer(cm_timer *timer)
{
    cm_whip_receiver *r = CM_HOLDER(timer, cm_whip_receiver, timer);
    if (r->is_over) {
        const cm_whip_end told = r->end;
        r->config.events->on_end(r->config.owner, &told);
        return;
    }
    const cm_instant now = cm_loop_now(r->config.loop);
    const bool is_idle = cm_instant_since(now, r->last_packet) >= CM_SECONDS(IDLE_SECONDS);
    cm_timer_start(&r->timer, is_idle ? CM_MS(IDLE_TICK_MS) : CM_MS(TICK_MS));
    deliver_due(r, now);
    cm_whip_sound_deliver(r);
    cm_whip_feedback_send(r);
    look_for_silence(r, now);
}

/* ---- life ---- */

cm_status cm_whip_receiver_create(const cm_whip_config *config, cm_whip_receiver **out)
{
    cm_whip_receiver *r = calloc(1, sizeof *r);
    CM_ENSURE(r != NULL, CM_BROKEN);
    r->storage = malloc(CM_JITTER_STORAGE);
    if (r->storage == NULL) {
        free(r);
        return CM_BROKEN;
    }
    r->config = *config;
    r->last_packet = r->last_unit = cm_loop_now(config->loop);
    r->is_restart = true;
    cm_jitter_init(&r->jitter, r->storage,
                   config->media.has_nack ? CM_MS(WAIT_MS) : CM_MS(WAIT_REORDERED_MS));
    cm_rtp_sequence_init(&r->sequence);
    cm_rtp_timestamps_init(&r->timestamps, CM_VIDEO_CLOCK_RATE);
    cm_buffer_init(&r->unit, CM_VIDEO_MAX_UNIT_BYTES);
    cm_video_depacketizer_init(&r->depacketizer, config->media.codec, &r->unit, on_unit, r);
    cm_whip_sound_init(r);
    cm_whip_feedback_init(r);
    cm_timer_init(&r->timer, config->loop, on_timer);
    cm_timer_start(&r->timer, 0);
    *out = r;
    return CM_OK;
}

void cm_whip_receiver_destroy(cm_whip_receiver *receiver)
{
    if (receiver == NULL)
        return;
    cm_timer_stop(&receiver->timer);
    cm_buffer_deinit(&receiver->unit);
    free(receiver->storage);
    free(receiver);
}

void cm_whip_receiver_read_counters(const cm_whip_receiver *receiver, cm_whip_counters *out)
{
    *out = receiver->counters;
    out->lost = receiver->jitter.lost;
    out->asked = receiver->jitter.asked;
    out->duplicates += receiver->jitter.duplicates + receiver->jitter.late;
}
