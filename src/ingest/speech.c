#include "ingest/speech.h"

#include "proto/rtp/rtp.h"

enum {
    SAMPLES_A_MS = 8, /* and bytes: G.711 has one for each */
    PACKETS_A_SECOND = 100,
    BYTES_A_SECOND = 16000,
    AT_ONCE_MS = 500,
};

void cm_speech_init(cm_speech *speech, const cm_speech_media *media)
{
    *speech = (cm_speech){.media = *media};
    cm_rtp_sequence_init(&speech->sequence);
}

/* ---- bounds ---- */

/* `cost_us`: how long it takes until as much may come again. */
static bool has_room(cm_instant *until, int64_t cost_us, cm_instant now)
{
    const cm_instant from = until->us > now.us ? *until : now;
    const cm_instant then = cm_instant_after(from, cost_us);
    if (cm_instant_since(then, now) > CM_MS(AT_ONCE_MS))
        return false;
    *until = then;
    return true;
}

static bool is_within_rate(cm_speech *s, size_t size, cm_instant now)
{
    return has_room(&s->packets_until, CM_SECONDS(1) / PACKETS_A_SECOND, now) &&
           has_room(&s->bytes_until, CM_SECONDS((int64_t)size) / BYTES_A_SECOND, now);
}

/* ---- whose packet is it ---- */

static bool codec_of(const cm_speech_media *media, uint8_t type, cm_sound_codec *out)
{
    if (media->has_pcmu && type == media->pcmu_type) {
        *out = CM_SOUND_PCMU;
        return true;
    }
    *out = CM_SOUND_PCMA;
    return media->has_pcma && type == media->pcma_type;
}

static bool is_his(cm_speech_media *media, const cm_rtp_packet *packet)
{
    if (media->ssrc == 0)
        media->ssrc = packet->ssrc;
    return media->ssrc == packet->ssrc;
}

static cm_status drop(uint64_t *counter)
{
    (*counter)++;
    return CM_REFUSE;
}

cm_status cm_speech_take(cm_speech *speech, cm_slice bytes, cm_instant now, cm_talk_packet *out)
{
    cm_speech_counters *counters = &speech->counters;
    cm_rtp_packet packet;
    cm_sound_codec codec;
    uint64_t sequence;
    if (!is_within_rate(speech, bytes.size, now))
        return drop(&counters->excessive);
    if (cm_rtp_parse(bytes, &packet) != CM_OK || packet.payload.size == 0 ||
        packet.payload.size > (size_t)CM_SOUND_PACKET_MS * SAMPLES_A_MS)
        return drop(&counters->malformed);
    if (!codec_of(&speech->media, packet.payload_type, &codec))
        return drop(&counters->foreign_type);
    if (!is_his(&speech->media, &packet))
        return drop(&counters->foreign_source);
    const cm_rtp_order order =
        cm_rtp_sequence_extend(&speech->sequence, packet.sequence_number, &sequence);
    if (order == CM_RTP_ORDER_BEHIND || order == CM_RTP_ORDER_SUSPECT)
        return drop(&counters->late);
    counters->packets++;
    *out = (cm_talk_packet){.codec = codec,
                            .samples = packet.payload,
                            .timestamp = packet.timestamp,
                            .is_first = packet.marker || order == CM_RTP_ORDER_FIRST ||
                                        order == CM_RTP_ORDER_RESTARTED};
    return CM_OK;
}
