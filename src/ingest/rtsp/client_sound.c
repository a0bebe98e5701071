/* The session's sound: which one, its SETUP, its frames. Whatever is wrong with it, the video
 * plays. */
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "ingest/rtsp/client_priv.h"
#include "proto/g711/g711.h"
#include "proto/opus/opus.h"
#include "proto/sdp/fmtp.h"

enum {
    WINDOW_SECONDS = 2,
    WINDOW_MALFORMED_MAX = 30, /* as of the video */
    G711_RATE_MAX = 48000,
    ADTS_SYNC = 0xfff,
};

/* ---- without ---- */

void cm_client_sound_give_up(cm_rtsp_client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->sound.refusal, sizeof c->sound.refusal, format, args);
    va_end(args);
    c->sound.is_chosen = false;
    cm_client_udp_close(&c->sound.track);
}

/* Some hang up, say nothing or refuse to play once two tracks were asked for. */
bool cm_client_sound_forgo(cm_rtsp_client *c)
{
    const bool is_in_question =
        c->state == CM_RTSP_CLIENT_SETTING_UP_SOUND || c->state == CM_RTSP_CLIENT_STARTING;
    if (!is_in_question || !c->sound.is_set_up || c->sound.is_forgone)
        return false;
    c->sound.is_forgone = true;
    cm_client_sound_give_up(c, "its sessions fail when sound is asked for");
    if (c->tcp != NULL)
        cm_client_teardown_send(c);
    cm_client_reopen(c);
    return true;
}

void cm_client_sound_count_malformed(cm_rtsp_client *c)
{
    cm_client_sound *s = &c->sound;
    const cm_instant now = cm_loop_now(c->config.loop);
    if (cm_instant_since(now, s->window_began) >= CM_SECONDS(WINDOW_SECONDS)) {
        s->window_began = now;
        s->window_malformed = 0;
    }
    s->malformed++;
    if (++s->window_malformed > WINDOW_MALFORMED_MAX)
        cm_client_sound_give_up(c, "it sends sound that makes no sense");
}

const cm_sound_format *cm_rtsp_client_sound(const cm_rtsp_client *client)
{
    const bool is_there = client->sound.is_chosen && client->state == CM_RTSP_CLIENT_PLAYING;
    return is_there ? &client->sound.format : NULL;
}

const char *cm_rtsp_client_sound_refusal(const cm_rtsp_client *client)
{
    return client->sound.refusal;
}

/* ---- frames ---- */

static void tell(cm_rtsp_client *c, uint32_t timestamp, cm_slice bytes, uint32_t duration,
                 bool lost_before)
{
    cm_client_media *m = &c->sound.track.media;
    cm_ingest_sound told = {.format = &c->sound.format,
                            .bytes = bytes,
                            .duration = duration,
                            .clock_rate = m->clock_rate,
                            .lost_before = lost_before,
                            .is_restart = m->is_restart};
    if (cm_rtp_timestamps_unwrap(&m->timestamps, timestamp, cm_loop_now(c->config.loop),
                                 &told.ticks) == CM_RTP_TIME_JUMPED)
        told.is_restart = true;
    m->is_restart = false;
    c->config.events->on_sound(c->config.owner, &told);
}

/* Packets may be of any length: pieces of at most CM_SOUND_PACKET_MS are handed on. */
static void put_g711(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before)
{
    const cm_sound_format *format = &c->sound.format;
    uint32_t samples;
    if (cm_g711_duration(packet->payload, format->channels, &samples) != CM_OK) {
        cm_client_sound_count_malformed(c);
        return;
    }
    const uint32_t most = format->rate * CM_SOUND_PACKET_MS / 1000;
    for (uint32_t at = 0; at < samples; at += most) {
        const uint32_t count = samples - at < most ? samples - at : most;
        const cm_slice piece = cm_slice_part(packet->payload, (size_t)at * format->channels,
                                             (size_t)count * format->channels);
        tell(c, packet->timestamp + at, piece, count, gap_before && at == 0);
    }
}

static void put_opus(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before)
{
    cm_opus_packet opus;
    if (cm_opus_packet_parse(packet->payload, &opus) != CM_OK)
        cm_client_sound_count_malformed(c);
    else
        tell(c, packet->timestamp, packet->payload, opus.ticks, gap_before);
}

static void put_aac(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before)
{
    const cm_aac_rtp_payload payload = {.payload = packet->payload,
                                        .timestamp = packet->timestamp,
                                        .marker = packet->marker,
                                        .gap_before = gap_before};
    if (cm_aac_depacketizer_put(&c->sound.aac, &payload) != CM_OK)
        cm_client_sound_count_malformed(c);
}

/* Some leave the header of ADTS (ISO/IEC 13818-7 6.2) before an access unit, where no
 * raw_data_block begins with twelve ones. */
static cm_slice without_adts(cm_slice unit)
{
    cm_reader r = cm_reader_over(unit);
    const uint16_t head = cm_read_u16(&r);
    const bool has_no_crc = (head & 1) != 0;
    if (head >> 4 != ADTS_SYNC)
        return unit;
    return cm_slice_from(unit, has_no_crc ? 7 : 9);
}

static void on_access_unit(void *context, const cm_aac_access_unit *unit)
{
    cm_rtsp_client *c = context;
    const cm_slice bytes = without_adts(unit->bytes);
    if (bytes.size == 0)
        cm_client_sound_count_malformed(c);
    else
        tell(c, unit->timestamp, bytes, c->sound.aac.frame_ticks, unit->lost_before);
}

static void restart(cm_rtsp_client *c)
{
    if (c->sound.format.codec == CM_SOUND_AAC)
        cm_aac_depacketizer_restart(&c->sound.aac);
}

void cm_client_sound_init(cm_rtsp_client *c)
{
    cm_buffer_init(&c->sound.unit, CM_AAC_MAX_UNIT_BYTES);
    c->sound.track.restart = restart;
}

/* ---- formats ---- */

/* What a description says of a sound that we know. */
typedef struct choice {
    cm_sound_format format;
    uint32_t clock_rate;
    uint32_t frame_ticks; // of AAC
} choice;

static cm_status read_g711(const cm_sdp_payload *payload, choice *out)
{
    cm_g711_law law;
    CM_TRY(cm_g711_law_of(payload->encoding, &law));
    const uint32_t rate = payload->clock_rate > 0 ? payload->clock_rate : CM_G711_CLOCK_RATE;
    CM_ENSURE(payload->channels >= 1 && payload->channels <= CM_G711_MAX_CHANNELS, CM_REFUSE);
    CM_ENSURE(rate >= CM_G711_CLOCK_RATE && rate <= G711_RATE_MAX, CM_REFUSE);
    *out = (choice){.format = {.codec = law == CM_G711_MU_LAW ? CM_SOUND_PCMU : CM_SOUND_PCMA,
                               .channels = payload->channels,
                               .rate = rate},
                    .clock_rate = rate};
    return CM_OK;
}

static cm_status read_opus(const cm_sdp_payload *payload, choice *out)
{
    CM_ENSURE(cm_slice_equal_nocase(payload->encoding, CM_TEXT("opus")), CM_ABSENT);
    *out = (choice){.format = {.codec = CM_SOUND_OPUS,
                               .channels = CM_OPUS_SDP_CHANNELS,
                               .rate = CM_OPUS_CLOCK_RATE},
                    .clock_rate = CM_OPUS_CLOCK_RATE};
    return CM_OK;
}

/* Format parameters were left out: AAC-LC at the clock's rate, as RFC 3640 has it otherwise. */
static cm_status assume_aac(const cm_sdp_payload *payload, cm_aac_format *out)
{
    const cm_aac_config config = {.object_type = CM_AAC_LC,
                                  .channels = payload->channels,
                                  .frame_samples = 1024,
                                  .sample_rate = payload->clock_rate,
                                  .output_rate = payload->clock_rate};
    uint8_t bytes[CM_AAC_MAX_CONFIG_BYTES], text[512];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    CM_TRY(cm_aac_config_write(&w, &config));
    cm_aac_format format = {.config_size = (uint8_t)w.used, .clock_rate = payload->clock_rate};
    cm_slice_copy(cm_writer_done(&w), format.config_bytes, sizeof format.config_bytes);
    w = cm_writer_over(text, sizeof text);
    CM_TRY(cm_aac_format_write(&w, &format));
    cm_aac_fault fault;
    return cm_aac_format_parse(payload->encoding, payload->clock_rate, cm_writer_done(&w), out,
                               &fault);
}

/* The clock that was declared does not fit the configuration: the configuration's own does, if the
 * camera counts samples at all (ingest/rtsp/clock.h finds out). */
static cm_status read_aac_at_its_rate(const cm_sdp_payload *payload, cm_aac_format *out)
{
    static const uint32_t RATES[] = {8000,  11025, 12000, 16000, 22050, 24000,
                                     32000, 44100, 48000, 64000, 88200, 96000};
    cm_aac_fault fault;
    for (size_t i = 0; i < CM_COUNT(RATES); i++) {
        cm_aac_format format;
        if (cm_aac_format_parse(payload->encoding, RATES[i], payload->fmtp, &format, &fault) ==
                CM_OK &&
            format.config.sample_rate == RATES[i]) {
            *out = format;
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

static cm_status parse_aac(const cm_sdp_payload *payload, cm_aac_format *out)
{
    cm_aac_fault fault;
    cm_slice config;
    const cm_status status =
        cm_aac_format_parse(payload->encoding, payload->clock_rate, payload->fmtp, out, &fault);
    if (status == CM_OK)
        return CM_OK;
    CM_ENSURE(fault != CM_AAC_FAULT_LATM && fault != CM_AAC_FAULT_ENCODING, CM_ABSENT);
    if (fault == CM_AAC_FAULT_CLOCK)
        return read_aac_at_its_rate(payload, out);
    CM_ENSURE(!cm_sdp_fmtp_find(payload->fmtp, CM_TEXT("config"), &config), CM_REFUSE);
    return assume_aac(payload, out);
}

static cm_status read_aac(const cm_sdp_payload *payload, choice *out)
{
    cm_aac_format aac;
    CM_TRY(parse_aac(payload, &aac));
    CM_ENSURE(aac.config_size <= CM_SOUND_CONFIG_MAX, CM_REFUSE);
    *out = (choice){.format = {.codec = CM_SOUND_AAC,
                               .channels = aac.config.channels,
                               .rate = aac.config.output_rate,
                               .config_size = aac.config_size},
                    .clock_rate = aac.clock_rate,
                    .frame_ticks = aac.frame_ticks};
    cm_slice_copy(cm_slice_over(aac.config_bytes, aac.config_size), out->format.config,
                  sizeof out->format.config);
    return CM_OK;
}

/* ---- which one ---- */

static bool is_sound_we_know(const cm_sdp_payload *payload, choice *out)
{
    return read_g711(payload, out) == CM_OK || read_opus(payload, out) == CM_OK ||
           read_aac(payload, out) == CM_OK;
}

static const cm_sdp_payload *find_sound(const cm_sdp_media *media, choice *out)
{
    for (size_t i = 0; i < media->payload_count; i++)
        if (is_sound_we_know(&media->payloads[i], out))
            return &media->payloads[i];
    return NULL;
}

static void use(cm_rtsp_client *c, const cm_sdp_media *media, const cm_sdp_payload *payload,
                const choice *chosen)
{
    cm_client_sound *s = &c->sound;
    s->is_chosen = true;
    s->format = chosen->format;
    s->track.put = chosen->format.codec == CM_SOUND_AAC    ? put_aac
                   : chosen->format.codec == CM_SOUND_OPUS ? put_opus
                                                           : put_g711;
    if (chosen->format.codec == CM_SOUND_AAC)
        cm_aac_depacketizer_init(&s->aac, chosen->frame_ticks, &s->unit, on_access_unit, c);
    cm_client_media_init(&s->track, payload->type, media->payload_count == 1, chosen->clock_rate);
    if (cm_client_set_track_url(&s->track, media->control) != CM_OK)
        cm_client_sound_give_up(c, "its sound has no usable address");
}

/* What the camera takes, not what it sends; unless it says so of everything. */
static bool is_backchannel(const cm_sdp_media *media, const cm_sdp_media *video)
{
    return media->direction == CM_SDP_RECVONLY && video->direction != CM_SDP_RECVONLY;
}

void cm_client_sound_choose(cm_rtsp_client *c, const cm_sdp *sdp, const cm_sdp_media *video)
{
    const cm_sdp_media *unknown = NULL;
    c->sound.is_chosen = c->sound.is_set_up = false;
    if (c->config.events->on_sound == NULL || c->sound.is_forgone)
        return;
    c->sound.refusal[0] = '\0';
    for (size_t i = 0; i < sdp->media_count; i++) {
        const cm_sdp_media *media = &sdp->medias[i];
        choice chosen;
        if (media->kind != CM_SDP_AUDIO || is_backchannel(media, video))
            continue;
        const cm_sdp_payload *payload = find_sound(media, &chosen);
        if (payload != NULL) {
            use(c, media, payload, &chosen);
            return;
        }
        unknown = unknown == NULL ? media : unknown;
    }
    if (unknown == NULL)
        return;
    const cm_client_shown shown = cm_client_show(unknown->payloads[0].encoding);
    cm_client_sound_give_up(c, "its sound is of a codec unknown here: %s",
                            shown.text[0] != '\0' ? shown.text : "without a name");
}

/* ---- SETUP ---- */

bool cm_client_sound_set_up(cm_rtsp_client *c)
{
    if (!c->sound.is_chosen)
        return false;
    if (cm_client_is_over_udp(c) && cm_client_udp_open(&c->sound.track) != CM_OK) {
        cm_client_sound_give_up(c, "no pair of ports is free here for its sound");
        return false;
    }
    c->sound.is_set_up = true;
    cm_client_set_state(c, CM_RTSP_CLIENT_SETTING_UP_SOUND);
    cm_client_request_send(c, CM_RTSP_SETUP);
    return true;
}

void cm_client_sound_take_setup(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    const cm_rtsp_transport transport = cm_client_transport_of(c, message);
    if (message->status != 200)
        cm_client_sound_give_up(c, "it answers %u to SETUP of its sound", message->status);
    else if (transport.is_multicast || cm_client_wants_other(c, &transport))
        cm_client_sound_give_up(c, "it sends its sound over another transport");
    else if (cm_client_is_over_udp(c))
        cm_client_udp_set_peer(&c->sound.track, &transport);
    else
        cm_client_use_channels(&c->sound.track, &transport, CM_CLIENT_SOUND_CHANNEL);
    cm_client_play(c);
}
