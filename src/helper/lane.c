#include "helper/lane.h"

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/writer.h"
#include "media/sound.h"
#include "proto/g711/g711.h"

enum {
    OPUS_RATE = 48000,
    OPUS_BITS_PER_CHANNEL = 32000, /* a second: more than cameras' AAC has */
    OPUS_COMPLEXITY = 5,           /* of 10: half of what the best costs, for the same ears */
    DECODED_RATE_MIN = 7000,       /* Hz */
    CODEC_FRAME_MAX = 16384,       /* bytes in */
    GAP_MS = 15,                   /* more than that between two frames was left out, not jitter */
};

/* What one frame in becomes at most, with what was left over from the one before. */
typedef struct lane_output {
    uint8_t format[CM_SOUND_FORMAT_MAX];
    uint8_t bytes[CM_SOUND_MADE_MAX * CM_GRANULE_MAX];
    size_t used;
    cm_slice granules[1 + CM_SOUND_MADE_MAX];
    size_t count;
} lane_output;

struct cm_lane {
    cm_stream made;
    bool is_open;            /* the codecs are those of `format` */
    cm_sound_format format;  /* of what comes in */
    cm_media_time expected;  /* where the next frame begins, if nothing is missing */
    bool is_discontinuity;   /* what comes out next does not go on where the last ended */
    AVCodecContext *decoder; /* of AAC */
    SwrContext *resampler;
    AVFrame *decoded;
    AVFrame *resampled_like; /* what the resampler was made for */
    AVAudioFifo *rest;       /* in the encoder's format */
    AVCodecContext *encoder;
    AVFrame *piece;
    int64_t pieces; /* given to the encoder */
    AVPacket *packet;
    lane_output output;
};

/* ---- life ---- */

static void close_codecs(cm_lane *lane)
{
    avcodec_free_context(&lane->decoder);
    avcodec_free_context(&lane->encoder);
    swr_free(&lane->resampler);
    if (lane->rest != NULL)
        av_audio_fifo_free(lane->rest);
    lane->rest = NULL;
    av_frame_free(&lane->piece);
    lane->is_open = false;
    lane->is_discontinuity = true;
}

cm_status cm_lane_create(cm_stream made, cm_lane **out)
{
    cm_lane *lane = calloc(1, sizeof *lane);
    CM_ENSURE(lane != NULL, CM_BROKEN);
    lane->made = made;
    lane->is_discontinuity = true;
    lane->decoded = av_frame_alloc();
    lane->resampled_like = av_frame_alloc();
    lane->packet = av_packet_alloc();
    if (lane->decoded == NULL || lane->resampled_like == NULL || lane->packet == NULL) {
        cm_lane_destroy(lane);
        return CM_BROKEN;
    }
    *out = lane;
    return CM_OK;
}

void cm_lane_destroy(cm_lane *lane)
{
    if (lane == NULL)
        return;
    cm_lane_wipe(lane);
    close_codecs(lane);
    av_frame_free(&lane->decoded);
    av_frame_free(&lane->resampled_like);
    av_packet_free(&lane->packet);
    free(lane);
}

void cm_lane_wipe(cm_lane *lane)
{
    cm_secret_wipe(lane->output.bytes, lane->output.used);
    lane->output.used = 0;
    lane->output.count = 0;
}

static void drop_packet(AVPacket *packet)
{
    if (packet->data != NULL)
        cm_secret_wipe(packet->data, (size_t)packet->size);
    av_packet_unref(packet);
}

/* ---- opening, by what comes in ---- */

static cm_status open_decoder(cm_lane *lane)
{
    const cm_slice config = cm_slice_over(lane->format.config, lane->format.config_size);
    const AVCodec *codec = avcodec_find_decoder_by_name("aac");
    CM_ENSURE(codec != NULL, CM_BROKEN);
    lane->decoder = avcodec_alloc_context3(codec);
    CM_ENSURE(lane->decoder != NULL, CM_BROKEN);
    lane->decoder->thread_count = 1;
    lane->decoder->extradata = av_mallocz(config.size + AV_INPUT_BUFFER_PADDING_SIZE);
    CM_ENSURE(lane->decoder->extradata != NULL, CM_BROKEN);
    lane->decoder->extradata_size = (int)config.size;
    cm_slice_copy(config, lane->decoder->extradata, config.size);
    return avcodec_open2(lane->decoder, codec, NULL) == 0 ? CM_OK : CM_BROKEN;
}

static void describe_opus(AVCodecContext *encoder, int channels)
{
    encoder->sample_rate = OPUS_RATE;
    encoder->sample_fmt = AV_SAMPLE_FMT_FLT;
    encoder->bit_rate = (int64_t)OPUS_BITS_PER_CHANNEL * channels;
    encoder->compression_level = OPUS_COMPLEXITY;
}

static void describe_flac(AVCodecContext *encoder, int rate)
{
    encoder->sample_rate = rate;
    encoder->sample_fmt = AV_SAMPLE_FMT_S16;
    encoder->frame_size = rate * CM_SOUND_MADE_MS / 1000;
}

static cm_status open_encoder(cm_lane *lane)
{
    const bool is_flac = lane->made == CM_STREAM_SOUND_FLAC;
    const int channels = lane->format.channels > 1 ? 2 : 1;
    const AVCodec *codec = avcodec_find_encoder_by_name(is_flac ? "flac" : "libopus");
    CM_ENSURE(codec != NULL, CM_BROKEN);
    AVCodecContext *encoder = lane->encoder = avcodec_alloc_context3(codec);
    CM_ENSURE(encoder != NULL, CM_BROKEN);
    if (is_flac)
        describe_flac(encoder, (int)lane->format.rate);
    else
        describe_opus(encoder, channels);
    av_channel_layout_default(&encoder->ch_layout, channels);
    encoder->time_base = (AVRational){1, encoder->sample_rate};
    encoder->thread_count = 1;
    CM_ENSURE(avcodec_open2(encoder, codec, NULL) == 0, CM_BROKEN);
    return encoder->frame_size == encoder->sample_rate * CM_SOUND_MADE_MS / 1000 ? CM_OK
                                                                                 : CM_BROKEN;
}

/* The piece, and room for what waits to become one. */
static cm_status open_buffers(cm_lane *lane)
{
    const AVCodecContext *encoder = lane->encoder;
    lane->rest = av_audio_fifo_alloc(encoder->sample_fmt, encoder->ch_layout.nb_channels,
                                     encoder->frame_size * (1 + CM_SOUND_MADE_MAX));
    lane->piece = av_frame_alloc();
    CM_ENSURE(lane->rest != NULL && lane->piece != NULL, CM_BROKEN);
    lane->piece->format = encoder->sample_fmt;
    lane->piece->nb_samples = encoder->frame_size;
    lane->piece->sample_rate = encoder->sample_rate;
    av_channel_layout_default(&lane->piece->ch_layout, encoder->ch_layout.nb_channels);
    return av_frame_get_buffer(lane->piece, 0) == 0 ? CM_OK : CM_BROKEN;
}

/* What comes out, in front of each frame of it. */
static cm_status write_format(cm_lane *lane)
{
    const AVCodecContext *encoder = lane->encoder;
    const bool is_flac = lane->made == CM_STREAM_SOUND_FLAC;
    cm_sound_format format = {.codec = is_flac ? CM_SOUND_FLAC : CM_SOUND_OPUS,
                              .channels = (uint8_t)encoder->ch_layout.nb_channels,
                              .rate = (uint32_t)encoder->sample_rate};
    if (is_flac) {
        CM_ENSURE(encoder->extradata_size == CM_SOUND_STREAMINFO_SIZE, CM_BROKEN);
        format.config_size = CM_SOUND_STREAMINFO_SIZE;
        cm_slice_copy(cm_slice_over(encoder->extradata, CM_SOUND_STREAMINFO_SIZE), format.config,
                      sizeof format.config);
    }
    cm_writer w = cm_writer_over(lane->output.format, sizeof lane->output.format);
    CM_TRY(cm_sound_format_write(&w, &format));
    lane->output.granules[0] = cm_writer_done(&w);
    return CM_OK;
}

static cm_status open_for(cm_lane *lane, const cm_sound_format *format)
{
    CM_ENSURE(cm_sound_may_become(format, lane->made), CM_BROKEN);
    lane->format = *format;
    if (format->codec == CM_SOUND_AAC)
        CM_TRY(open_decoder(lane));
    CM_TRY(open_encoder(lane));
    CM_TRY(open_buffers(lane));
    return write_format(lane);
}

/* All of them, or none. */
static cm_status open_codecs(cm_lane *lane, const cm_sound_format *format)
{
    if (lane->is_open && cm_sound_format_equal(&lane->format, format))
        return CM_OK;
    close_codecs(lane);
    const cm_status status = open_for(lane, format);
    if (status != CM_OK)
        close_codecs(lane);
    lane->is_open = status == CM_OK;
    return status;
}

/* ---- in: to samples ---- */

static cm_status fill_packet(AVPacket *packet, const cm_opened_frame *opened)
{
    size_t size = 0;
    for (size_t i = 1; i < opened->count; i++)
        size += opened->granules[i].size;
    CM_ENSURE(size > 0 && size <= CODEC_FRAME_MAX, CM_BROKEN);
    CM_ENSURE(av_new_packet(packet, (int)size) == 0, CM_BROKEN);
    cm_writer w = cm_writer_over(packet->data, size);
    for (size_t i = 1; i < opened->count; i++)
        cm_write_slice(&w, opened->granules[i]);
    return CM_OK;
}

static cm_status expand_g711(cm_lane *lane)
{
    const cm_g711_law law = lane->format.codec == CM_SOUND_PCMU ? CM_G711_MU_LAW : CM_G711_A_LAW;
    AVFrame *frame = lane->decoded;
    av_frame_unref(frame);
    frame->format = AV_SAMPLE_FMT_S16;
    frame->nb_samples = lane->packet->size;
    frame->sample_rate = (int)lane->format.rate;
    av_channel_layout_default(&frame->ch_layout, 1);
    CM_ENSURE(av_frame_get_buffer(frame, 0) == 0, CM_BROKEN);
    int16_t *samples = (int16_t *)(void *)frame->data[0];
    for (int i = 0; i < frame->nb_samples; i++)
        samples[i] = cm_g711_decode(law, lane->packet->data[i]);
    return CM_OK;
}

/* CM_ABSENT: the decoder has taken it and wants more first. */
static cm_status decode(cm_lane *lane)
{
    if (lane->decoder == NULL)
        return expand_g711(lane);
    CM_ENSURE(avcodec_send_packet(lane->decoder, lane->packet) == 0, CM_BROKEN);
    const int got = avcodec_receive_frame(lane->decoder, lane->decoded);
    CM_ENSURE(got != AVERROR(EAGAIN), CM_ABSENT);
    return got == 0 ? CM_OK : CM_BROKEN;
}

/* ---- samples in the encoder's format ---- */

static bool is_like(const AVFrame *a, const AVFrame *b)
{
    return a->format == b->format && a->sample_rate == b->sample_rate &&
           av_channel_layout_compare(&a->ch_layout, &b->ch_layout) == 0;
}

/* What a decoder puts out may change with any frame of its stream. */
static cm_status open_resampler(cm_lane *lane)
{
    AVCodecContext *encoder = lane->encoder;
    AVFrame *in = lane->decoded;
    if (lane->resampler != NULL && is_like(in, lane->resampled_like))
        return CM_OK;
    CM_ENSURE(in->sample_rate >= DECODED_RATE_MIN && in->sample_rate <= CM_SOUND_RATE_MAX,
              CM_BROKEN);
    swr_free(&lane->resampler);
    av_frame_unref(lane->resampled_like);
    lane->resampled_like->format = in->format;
    lane->resampled_like->sample_rate = in->sample_rate;
    CM_ENSURE(av_channel_layout_copy(&lane->resampled_like->ch_layout, &in->ch_layout) == 0,
              CM_BROKEN);
    CM_ENSURE(swr_alloc_set_opts2(&lane->resampler, &encoder->ch_layout, encoder->sample_fmt,
                                  encoder->sample_rate, &in->ch_layout,
                                  (enum AVSampleFormat)in->format, in->sample_rate, 0, NULL) == 0,
              CM_BROKEN);
    return swr_init(lane->resampler) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status resample(cm_lane *lane)
{
    const AVCodecContext *encoder = lane->encoder;
    const AVFrame *in = lane->decoded;
    CM_TRY(open_resampler(lane));
    const int most = swr_get_out_samples(lane->resampler, in->nb_samples);
    CM_ENSURE(most > 0 && most <= encoder->frame_size * CM_SOUND_MADE_MAX, CM_BROKEN);
    uint8_t *out = NULL;
    int size =
        av_samples_alloc(&out, NULL, encoder->ch_layout.nb_channels, most, encoder->sample_fmt, 0);
    CM_ENSURE(size >= 0, CM_BROKEN);
    const int made = swr_convert(lane->resampler, &out, most, (const uint8_t **)in->extended_data,
                                 in->nb_samples);
    void *const planes[] = {out};
    const bool is_kept =
        made >= 0 && av_audio_fifo_write(lane->rest, (void **)planes, made) == made;
    cm_secret_wipe(out, (size_t)size);
    av_freep(&out);
    return is_kept ? CM_OK : CM_BROKEN;
}

/* ---- out ---- */

static cm_status keep_packet(lane_output *output, const AVPacket *packet)
{
    const cm_slice bytes = cm_slice_over(packet->data, (size_t)packet->size);
    CM_ENSURE(output->count < CM_COUNT(output->granules) && bytes.size > 0 &&
                  bytes.size <= CM_GRANULE_MAX,
              CM_BROKEN);
    cm_writer w = cm_writer_over(output->bytes + output->used, CM_GRANULE_MAX);
    cm_write_slice(&w, bytes);
    output->granules[output->count++] = cm_writer_done(&w);
    output->used += bytes.size;
    return CM_OK;
}

static cm_status encode_piece(cm_lane *lane)
{
    AVFrame *piece = lane->piece;
    CM_ENSURE(av_frame_make_writable(piece) == 0, CM_BROKEN);
    void *const planes[] = {piece->data[0]};
    CM_ENSURE(av_audio_fifo_read(lane->rest, (void **)planes, piece->nb_samples) ==
                  piece->nb_samples,
              CM_BROKEN);
    piece->pts = lane->pieces++ * piece->nb_samples;
    CM_ENSURE(avcodec_send_frame(lane->encoder, piece) == 0, CM_BROKEN);
    int got;
    while ((got = avcodec_receive_packet(lane->encoder, lane->packet)) == 0) {
        const cm_status status = keep_packet(&lane->output, lane->packet);
        drop_packet(lane->packet);
        CM_TRY(status);
    }
    return got == AVERROR(EAGAIN) ? CM_OK : CM_BROKEN;
}

static cm_status encode(cm_lane *lane)
{
    while (av_audio_fifo_size(lane->rest) >= lane->encoder->frame_size)
        CM_TRY(encode_piece(lane));
    return lane->output.count > 1 ? CM_OK : CM_ABSENT;
}

/* ---- a frame ---- */

/* What is left of the frames before belongs to another time. */
static void begin_anew(cm_lane *lane)
{
    if (lane->decoder != NULL)
        avcodec_flush_buffers(lane->decoder);
    swr_free(&lane->resampler);
    if (lane->rest != NULL)
        av_audio_fifo_reset(lane->rest);
    lane->is_discontinuity = true;
}

static void note_gap(cm_lane *lane, const cm_frame *frame)
{
    const int64_t left_out = frame->media_time - lane->expected;
    if ((frame->flags & CM_FRAME_DISCONTINUITY) != 0 || left_out > GAP_MS * 90 ||
        left_out < -GAP_MS * 90)
        begin_anew(lane);
    lane->expected = frame->media_time + (int64_t)frame->duration_ms * 90;
}

static cm_status make_over(cm_lane *lane, const cm_opened_frame *opened)
{
    cm_sound_format format;
    CM_ENSURE(opened->count > 1, CM_BROKEN);
    CM_ENSURE(cm_sound_format_read(opened->granules[0], &format) == CM_OK, CM_BROKEN);
    CM_TRY(open_codecs(lane, &format));
    note_gap(lane, opened->frame);
    lane->output.count = 1; /* the format */
    CM_TRY(fill_packet(lane->packet, opened));
    const cm_status status = decode(lane);
    drop_packet(lane->packet);
    CM_TRY(status);
    CM_TRY(resample(lane));
    return encode(lane);
}

cm_status cm_lane_put(cm_lane *lane, const cm_opened_frame *opened, cm_made_sound *out)
{
    cm_lane_wipe(lane);
    const cm_status status = make_over(lane, opened);
    av_frame_unref(lane->decoded);
    drop_packet(lane->packet);
    if (status != CM_OK && status != CM_ABSENT)
        begin_anew(lane);
    CM_TRY(status);
    *out = (cm_made_sound){.granules = lane->output.granules,
                           .count = lane->output.count,
                           .duration_ms = (uint16_t)((lane->output.count - 1) * CM_SOUND_MADE_MS),
                           .is_discontinuity = lane->is_discontinuity};
    lane->is_discontinuity = false;
    return CM_OK;
}
