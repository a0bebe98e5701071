/* One open frame of sound (media/sound.h) to the slices of fMP4 parts, as every browser plays them:
 * of AAC and Opus one, of FLAC, which was made over, one for each of its pieces. */
#include "egress/mp4/mp4_priv.h"
#include "proto/aac/config.h"
#include "proto/opus/opus.h"

enum { CONFIG_AT = CM_SOUND_FORMAT_MAX - CM_SOUND_CONFIG_MAX }; /* in granule 0, to its end */

cm_status cm_mp4_sound_stream(const cm_sound_format *format, cm_stream *out)
{
    const bool is_carried = format->codec == CM_SOUND_AAC || format->codec == CM_SOUND_OPUS;
    CM_ENSURE(is_carried || cm_sound_may_become(format, CM_STREAM_SOUND_FLAC), CM_ABSENT);
    *out = is_carried ? CM_STREAM_SOUND : CM_STREAM_SOUND_FLAC;
    return CM_OK;
}

/* Granules `first` to before `end` are one. */
static cm_status add_codec_frame(const cm_opened_frame *opened, size_t first, size_t end,
                                 cm_slice *out)
{
    const size_t begin = opened->work->used;
    for (size_t i = first; i < end; i++)
        cm_write_slice(opened->work, opened->granules[i]);
    CM_ENSURE(!opened->work->failed && opened->work->used > begin, CM_CLOSE);
    *out = cm_slice_from(cm_writer_done(opened->work), begin);
    return CM_OK;
}

/* How long a codec frame sounds, in ticks of the rate that it is told with. */
static cm_status read_aac(cm_fmp4_sound *sound, uint32_t *duration_out)
{
    cm_aac_config config;
    CM_TRY(cm_aac_config_parse(sound->config, &config));
    sound->rate = config.output_rate;
    *duration_out =
        (uint32_t)((uint64_t)config.frame_samples * config.output_rate / config.sample_rate);
    return CM_OK;
}

static cm_status read_opus(cm_slice bytes, uint32_t *duration_out)
{
    cm_opus_packet packet;
    CM_TRY(cm_opus_packet_parse(bytes, &packet));
    *duration_out = packet.ticks;
    return CM_OK;
}

static cm_status read_sound(cm_mp4_muxer *muxer, const cm_sound_format *format, cm_slice bytes,
                            uint32_t *duration_out)
{
    cm_fmp4_sound *sound = &muxer->layout.sound;
    *sound = (cm_fmp4_sound){.channels = format->channels,
                             .rate = format->rate,
                             .config = cm_slice_from(muxer->layout.sound_format, CONFIG_AT)};
    switch (format->codec) {
    case CM_SOUND_AAC:
        sound->codec = CM_FMP4_AAC;
        return read_aac(sound, duration_out);
    case CM_SOUND_OPUS:
        sound->codec = CM_FMP4_OPUS;
        return read_opus(bytes, duration_out);
    case CM_SOUND_FLAC:
        sound->codec = CM_FMP4_FLAC;
        *duration_out = format->rate * CM_SOUND_MADE_MS / 1000;
        return CM_OK;
    default:
        return CM_CLOSE;
    }
}

/*
 * Decode times are the media time, with its jitter: whoever wants it to the sample counts
 * durations, and looks at prft for when it was heard. Numbers rise through the parts of a frame and
 * on to the next.
 */
static cm_status write_header(cm_mp4_muxer *muxer, size_t piece, uint32_t duration,
                              uint32_t sample_size)
{
    const cm_frame *frame = muxer->layout.frame;
    const uint64_t rate = muxer->layout.sound.rate;
    const uint64_t parts = cm_stream_is_made(frame->stream) ? MUX_PIECES_MAX : 1; /* of a frame */
    const uint64_t since_us = (uint64_t)piece * duration * CM_SECONDS(1) / rate;
    const cm_fmp4_audio_part part = {
        .sequence_number = (uint32_t)(frame->number * parts + piece),
        .decode_time = (uint64_t)frame->media_time * rate / CM_FMP4_TIMESCALE + piece * duration,
        .capture_ntp = cm_fmp4_ntp_of_unix_us((uint64_t)frame->captured.us + since_us),
        .duration = duration,
        .sample_size = sample_size,
    };
    cm_writer w = cm_writer_over(muxer->headers[piece], sizeof muxer->headers[piece]);
    CM_TRY(cm_fmp4_audio_part_header_write(&w, &part));
    return cm_writer_finish(&w, &muxer->parts[piece * MUX_PARTS]);
}

cm_status cm_mp4_lay_out_sound(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    const bool is_made = cm_stream_is_made(opened->frame->stream);
    const size_t pieces = is_made ? opened->count - 1 : 1;
    cm_sound_format format;
    uint32_t duration;
    muxer->layout = (cm_mp4_layout){.parts = muxer->parts,
                                    .count = MUX_PARTS * pieces,
                                    .frame = opened->frame,
                                    .pass = opened->pass,
                                    .sound_format = opened->granules[0]};
    CM_ENSURE(opened->count > 1 && pieces <= MUX_PIECES_MAX, CM_CLOSE);
    CM_TRY(cm_sound_format_read(opened->granules[0], &format));
    for (size_t i = 0; i < pieces; i++) {
        cm_slice *sample = &muxer->parts[i * MUX_PARTS + 1];
        CM_TRY(add_codec_frame(opened, 1 + i, is_made ? 2 + i : opened->count, sample));
        CM_TRY(read_sound(muxer, &format, *sample, &duration));
        CM_TRY(write_header(muxer, i, duration, (uint32_t)sample->size));
        muxer->layout.size += muxer->parts[i * MUX_PARTS].size + sample->size;
    }
    return CM_OK;
}
