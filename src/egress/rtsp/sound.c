/* Sound as it comes from the camera: how it is told, packed and timed. */
#include "egress/rtsp/rtsp_priv.h"
#include "proto/aac/depacketize.h"
#include "proto/g711/g711.h"
#include "proto/opus/opus.h"

enum {
    GAP_MS = 15,        /* more than that between two frames was left out, not jitter */
    MEDIA_RATE = 90000, /* of media time */
    TYPE_AAC = 97,
    TYPE_G711 = 98, /* of another rate or more channels than the static types */
    TYPE_OPUS = 111,
};

static bool is_static_g711(const cm_sound_format *format)
{
    return format->rate == CM_G711_CLOCK_RATE && format->channels == 1;
}

bool cm_rtsp_describe_sound(const cm_sound_format *format, rtsp_track *track)
{
    switch (format->codec) {
    case CM_SOUND_PCMU:
    case CM_SOUND_PCMA:
        track->payload_type = is_static_g711(format) ? (uint8_t)format->codec : TYPE_G711;
        track->clock_rate = format->rate;
        return true;
    case CM_SOUND_OPUS:
        track->payload_type = TYPE_OPUS;
        track->clock_rate = CM_OPUS_CLOCK_RATE;
        return true;
    case CM_SOUND_AAC:
        track->payload_type = TYPE_AAC;
        track->clock_rate = format->rate;
        return true;
    default:
        return false; /* FLAC is made by us, and for others */
    }
}

static cm_status write_aac_head(rtsp_payload *payload)
{
    size_t size = 0;
    for (size_t i = 0; i < payload->part_count; i++)
        size += payload->parts[i].size;
    cm_writer w = cm_writer_over(payload->head, sizeof payload->head);
    CM_TRY(cm_aac_write_headers(&w, size));
    payload->head_size = w.used;
    payload->is_marked = true; /* RFC 3640 3.1: it ends an access unit */
    return CM_OK;
}

cm_status cm_rtsp_read_sound(const rtsp_track *track, const cm_opened_frame *opened,
                             rtsp_payload *out)
{
    cm_sound_format format;
    CM_ENSURE(opened->count > 1 && opened->count <= 1 + PAYLOAD_PARTS, CM_REFUSE);
    CM_TRY(cm_sound_format_read(opened->granules[0], &format));
    CM_ENSURE(cm_sound_format_equal(&format, &track->viewer->format), CM_REFUSE);
    *out = (rtsp_payload){.part_count = opened->count - 1, .is_marked = !track->has_sent};
    for (size_t i = 0; i < out->part_count; i++)
        out->parts[i] = opened->granules[1 + i];
    return format.codec == CM_SOUND_AAC ? write_aac_head(out) : CM_OK;
}

/* By the codec frame itself; what tells nothing lasts as long as its source said. */
static uint32_t ticks_of(const rtsp_track *track, const cm_opened_frame *opened,
                         const rtsp_payload *payload)
{
    const cm_sound_format *format = &track->viewer->format;
    cm_opus_packet packet;
    cm_aac_config config;
    uint32_t samples;
    const cm_slice config_bytes = cm_slice_over(format->config, format->config_size);
    if (format->codec == CM_SOUND_AAC && cm_aac_config_parse(config_bytes, &config) == CM_OK)
        return (uint32_t)((uint64_t)config.frame_samples * track->clock_rate / config.sample_rate);
    if (format->codec == CM_SOUND_OPUS && payload->part_count == 1 &&
        cm_opus_packet_parse(payload->parts[0], &packet) == CM_OK)
        return packet.ticks;
    if (format->codec != CM_SOUND_OPUS && payload->part_count == 1 &&
        cm_g711_duration(payload->parts[0], format->channels, &samples) == CM_OK)
        return samples;
    return (uint32_t)((uint64_t)opened->frame->duration_ms * track->clock_rate / 1000);
}

/* It goes on where the frame before ended; after a gap it begins anew, by the server's clock. */
void cm_rtsp_stamp_sound(rtsp_track *track, const cm_opened_frame *opened,
                         const rtsp_payload *payload)
{
    const int64_t step = opened->frame->media_time - track->newest_time;
    const int64_t ticks = step * (int64_t)track->clock_rate / MEDIA_RATE;
    const int64_t missing = ticks - (int64_t)track->newest_ticks;
    const bool is_gap = missing > (int64_t)track->clock_rate * GAP_MS / 1000;
    if (track->has_sent)
        track->timestamp += is_gap ? (uint32_t)ticks : track->newest_ticks;
    track->newest_ticks = ticks_of(track, opened, payload);
}
