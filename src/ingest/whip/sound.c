/* The publisher's sound: Opus packets, in their order. Lost ones are not asked for: by the time
 * they came they would have been missed. */
#include "ingest/whip/receiver_priv.h"
#include "proto/opus/opus.h"

enum { WAIT_MS = 60, WAIT_PACKETS = 8 };

static const cm_sound_format FORMAT = {
    .codec = CM_SOUND_OPUS, .channels = CM_OPUS_SDP_CHANNELS, .rate = CM_OPUS_CLOCK_RATE};

static void begin(cm_whip_sound *s)
{
    cm_rtp_sequence_init(&s->sequence);
    cm_rtp_timestamps_init(&s->timestamps, CM_OPUS_CLOCK_RATE);
    cm_rtcp_reception_init(&s->reception, CM_OPUS_CLOCK_RATE);
    s->is_restart = true;
}

void cm_whip_sound_init(cm_whip_receiver *r)
{
    const cm_rtp_reorder_config config = {.wait_packets = WAIT_PACKETS, .wait_us = CM_MS(WAIT_MS)};
    cm_rtp_reorder_init(&r->sound.reorder, &config, r->sound.storage, sizeof r->sound.storage);
    begin(&r->sound);
}

static void hand_out(cm_whip_receiver *r, const cm_rtp_reorder_packet *due)
{
    cm_whip_sound *s = &r->sound;
    cm_rtp_packet packet;
    cm_opus_packet opus;
    if (cm_rtp_parse(due->bytes, &packet) != CM_OK || packet.payload.size == 0)
        return;
    if (cm_opus_packet_parse(packet.payload, &opus) != CM_OK) {
        r->counters.sound_malformed++;
        cm_whip_count_malformed(r);
        return;
    }
    cm_ingest_sound told = {.format = &FORMAT,
                            .bytes = packet.payload,
                            .duration = opus.ticks,
                            .clock_rate = CM_OPUS_CLOCK_RATE,
                            .lost_before = due->lost_before > 0,
                            .is_restart = s->is_restart};
    if (cm_rtp_timestamps_unwrap(&s->timestamps, packet.timestamp, cm_loop_now(r->config.loop),
                                 &told.ticks) == CM_RTP_TIME_JUMPED)
        told.is_restart = true;
    s->is_restart = false;
    r->config.events->on_sound(r->config.owner, &told);
}

void cm_whip_sound_deliver(cm_whip_receiver *r)
{
    cm_rtp_reorder_packet due;
    while (cm_rtp_reorder_take(&r->sound.reorder, cm_loop_now(r->config.loop), &due))
        if (!r->is_over)
            hand_out(r, &due);
    r->counters.sound_lost = r->sound.reorder.lost;
}

void cm_whip_sound_take(cm_whip_receiver *r, const cm_rtp_packet *packet, cm_slice bytes)
{
    cm_whip_sound *s = &r->sound;
    const cm_instant now = cm_loop_now(r->config.loop);
    uint64_t sequence;
    cm_rtp_order order = cm_rtp_sequence_extend(&s->sequence, packet->sequence_number, &sequence);
    if (order == CM_RTP_ORDER_SUSPECT)
        return;
    if (order == CM_RTP_ORDER_RESTARTED) {
        begin(s);
        cm_rtp_reorder_reset(&s->reorder);
        CM_IGNORE(cm_rtp_sequence_extend(&s->sequence, packet->sequence_number, &sequence),
                  "the first of a sequence");
    }
    r->counters.sound_packets++;
    cm_rtcp_reception_packet(&s->reception, sequence, packet->timestamp, now);
    cm_rtp_reorder_put(&s->reorder, sequence, bytes, now);
    cm_whip_sound_deliver(r);
}
