/* One open frame of sound (media/sound.h) to the slices of one fMP4 part: AAC and Opus, as every
 * browser plays them from MP4. */
#include "egress/mp4/mp4_priv.h"
#include "media/sound.h"
#include "proto/aac/config.h"
#include "proto/opus/opus.h"

enum { CONFIG_AT = CM_SOUND_FORMAT_MAX - CM_SOUND_CONFIG_MAX }; /* in granule 0, to its end */

static cm_status add_codec_frame(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    const size_t begin = opened->work->used;
    for (size_t i = 1; i < opened->count; i++)
        cm_write_slice(opened->work, opened->granules[i]);
    CM_ENSURE(!opened->work->failed && opened->work->used > begin, CM_CLOSE);
    muxer->parts[1] = cm_slice_from(cm_writer_done(opened->work), begin);
    muxer->layout.size = muxer->parts[1].size;
    return CM_OK;
}

/* How long the codec frame sounds, in ticks of the rate that it is told with. */
static cm_status read_aac(cm_fmp4_sound *sound, uint32_t *duration_out)
{
    cm_aac_config config;
    CM_TRY(cm_aac_config_parse(sound->config, &config));
    sound->rate = config.output_rate;
    *duration_out =
        (uint32_t)((uint64_t)config.frame_samples * config.output_rate / config.sample_rate);
    return CM_OK;
}

static cm_status read_opus(cm_slice bytes, cm_fmp4_sound *sound, uint32_t *duration_out)
{
    cm_opus_packet packet;
    CM_TRY(cm_opus_packet_parse(bytes, &packet));
    sound->codec = CM_FMP4_OPUS;
    *duration_out = packet.ticks;
    return CM_OK;
}

static cm_status read_codec_frame(cm_mp4_muxer *muxer, const cm_sound_format *format,
                                  uint32_t *duration_out)
{
    cm_fmp4_sound *sound = &muxer->layout.sound;
    *sound = (cm_fmp4_sound){.codec = CM_FMP4_AAC,
                             .channels = format->channels,
                             .rate = format->rate,
                             .config = cm_slice_from(muxer->layout.sound_format, CONFIG_AT)};
    switch (format->codec) {
    case CM_SOUND_AAC:
        return read_aac(sound, duration_out);
    case CM_SOUND_OPUS:
        return read_opus(muxer->parts[1], sound, duration_out);
    default:
        return CM_CLOSE;
    }
}

/* Decode times are the media time, with its jitter: whoever wants it to the sample counts
 * durations, and looks at prft for when it was heard. */
static cm_status write_header(cm_mp4_muxer *muxer, const cm_frame *frame, uint32_t duration)
{
    const cm_fmp4_audio_part part = {
        .sequence_number = (uint32_t)frame->number,
        .decode_time = (uint64_t)frame->media_time * muxer->layout.sound.rate / CM_FMP4_TIMESCALE,
        .capture_ntp = cm_fmp4_ntp_of_unix_us((uint64_t)frame->captured.us),
        .duration = duration,
        .sample_size = (uint32_t)muxer->layout.size,
    };
    cm_writer w = cm_writer_over(muxer->header, sizeof muxer->header);
    CM_TRY(cm_fmp4_audio_part_header_write(&w, &part));
    CM_TRY(cm_writer_finish(&w, &muxer->parts[0]));
    muxer->layout.size += muxer->parts[0].size;
    return CM_OK;
}

cm_status cm_mp4_lay_out_sound(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    cm_sound_format format;
    uint32_t duration;
    muxer->layout = (cm_mp4_layout){.parts = muxer->parts,
                                    .count = MUX_PARTS,
                                    .frame = opened->frame,
                                    .pass = opened->pass,
                                    .sound_format = opened->granules[0]};
    CM_TRY(cm_sound_format_read(opened->granules[0], &format));
    CM_TRY(add_codec_frame(muxer, opened));
    CM_TRY(read_codec_frame(muxer, &format, &duration));
    return write_header(muxer, opened->frame, duration);
}
