#include "helper/sound.h"

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/log.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/writer.h"
#include "simcam/sound_file.h"
#include "simcam/tone.h"

typedef struct sound_kind {
    const char *name;
    const char *encoder;
    uint8_t number; /* in the file */
    int rate;
    int frame_samples;
    unsigned frames; /* of a loop: whole seconds */
    unsigned late;   /* frames by which the encoder's output is behind its input */
    int64_t bits_per_second;
    enum AVSampleFormat format; /* of one channel: a row of floats */
} sound_kind;

static const sound_kind KINDS[] = {
    {"aac", "aac", CM_SOUND_FILE_AAC, 16000, 1024, 125, 1, 32000, AV_SAMPLE_FMT_FLTP},
    {"opus", "libopus", CM_SOUND_FILE_OPUS, 48000, 960, 50, 0, 24000, AV_SAMPLE_FMT_FLT},
};

typedef struct sound_job {
    const sound_kind *kind;
    AVCodecContext *encoder;
    AVFrame *frame;
    AVPacket *packet;
    unsigned came;    /* packets of this tone */
    unsigned written; /* of them */
    FILE *out;
} sound_job;

static void deinit_job(sound_job *job)
{
    avcodec_free_context(&job->encoder);
    av_frame_free(&job->frame);
    av_packet_free(&job->packet);
}

static cm_status put(sound_job *job, cm_slice bytes)
{
    return fwrite(bytes.bytes, 1, bytes.size, job->out) == bytes.size ? CM_OK : CM_BROKEN;
}

/* Before the first tone. Of Opus there is no configuration: RTP carries none. */
static cm_status put_header(sound_job *job)
{
    const sound_kind *k = job->kind;
    uint8_t storage[64 + CM_SOUND_FILE_CONFIG_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_slice config = {0};
    if (k->number == CM_SOUND_FILE_AAC)
        config = cm_slice_over(job->encoder->extradata, (size_t)job->encoder->extradata_size);
    CM_ENSURE(config.size <= CM_SOUND_FILE_CONFIG_MAX, CM_BROKEN);
    cm_write_text(&w, CM_SOUND_FILE_MAGIC);
    cm_write_u8(&w, k->number);
    cm_write_u32(&w, (uint32_t)k->rate);
    cm_write_u16(&w, (uint16_t)k->frame_samples);
    cm_write_u16(&w, (uint16_t)k->frames);
    cm_write_u8(&w, (uint8_t)config.size);
    cm_write_slice(&w, config);
    return put(job, cm_writer_done(&w));
}

static cm_status put_frame(sound_job *job)
{
    const cm_slice bytes = cm_slice_over(job->packet->data, (size_t)job->packet->size);
    uint8_t storage[2];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CM_ENSURE(bytes.size > 0 && bytes.size <= CM_SOUND_FILE_FRAME_MAX, CM_BROKEN);
    cm_write_u16(&w, (uint16_t)bytes.size);
    CM_TRY(put(job, cm_writer_done(&w)));
    return put(job, bytes);
}

/* Takes what the encoder has ready: the second round is the loop, which follows upon itself. */
static cm_status drain(sound_job *job)
{
    const unsigned first = job->kind->frames + job->kind->late;
    for (;;) {
        const int got = avcodec_receive_packet(job->encoder, job->packet);
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return CM_OK;
        CM_ENSURE(got == 0, CM_BROKEN);
        if (job->came >= first && job->written < job->kind->frames) {
            CM_TRY(put_frame(job));
            job->written++;
        }
        job->came++;
        av_packet_unref(job->packet);
    }
}

static cm_status open_encoder(sound_job *job)
{
    const sound_kind *k = job->kind;
    const AVCodec *codec = avcodec_find_encoder_by_name(k->encoder);
    CM_ENSURE(codec != NULL, CM_BROKEN);
    avcodec_free_context(&job->encoder);
    AVCodecContext *e = avcodec_alloc_context3(codec);
    CM_ENSURE(e != NULL, CM_BROKEN);
    job->encoder = e;
    e->sample_rate = k->rate;
    e->sample_fmt = k->format;
    e->bit_rate = k->bits_per_second;
    e->time_base = (AVRational){1, k->rate};
    e->thread_count = 1;
    e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_channel_layout_default(&e->ch_layout, 1);
    CM_ENSURE(avcodec_open2(e, codec, NULL) == 0, CM_BROKEN);
    return e->frame_size == k->frame_samples ? CM_OK : CM_BROKEN;
}

static cm_status open_frame(sound_job *job)
{
    job->frame = av_frame_alloc();
    job->packet = av_packet_alloc();
    CM_ENSURE(job->frame != NULL && job->packet != NULL, CM_BROKEN);
    job->frame->format = job->kind->format;
    job->frame->nb_samples = job->kind->frame_samples;
    job->frame->sample_rate = job->kind->rate;
    av_channel_layout_default(&job->frame->ch_layout, 1);
    return av_frame_get_buffer(job->frame, 0) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status encode_frame(sound_job *job, unsigned tone, unsigned number)
{
    AVFrame *f = job->frame;
    CM_ENSURE(av_frame_make_writable(f) == 0, CM_BROKEN);
    const uint32_t rate = (uint32_t)job->kind->rate;
    const uint32_t begin = number * (uint32_t)job->kind->frame_samples;
    float *samples = (float *)(void *)f->data[0];
    for (uint32_t i = 0; i < (uint32_t)job->kind->frame_samples; i++)
        samples[i] = (float)cm_tone_sample(tone, (begin + i) % rate, rate) / 32768.0F;
    f->pts = begin;
    CM_ENSURE(avcodec_send_frame(job->encoder, f) == 0, CM_BROKEN);
    return drain(job);
}

static cm_status encode_tone(sound_job *job, unsigned tone)
{
    CM_TRY(open_encoder(job));
    job->came = job->written = 0;
    if (tone == 0)
        CM_TRY(put_header(job));
    for (unsigned i = 0; i < 2 * job->kind->frames + job->kind->late; i++)
        CM_TRY(encode_frame(job, tone, i));
    CM_ENSURE(avcodec_send_frame(job->encoder, NULL) == 0, CM_BROKEN);
    CM_TRY(drain(job));
    return job->written == job->kind->frames ? CM_OK : CM_BROKEN;
}

static cm_status run(sound_job *job)
{
    CM_TRY(open_frame(job));
    for (unsigned tone = 0; tone < CM_TONES; tone++)
        CM_TRY(encode_tone(job, tone));
    return fflush(job->out) == 0 ? CM_OK : CM_BROKEN;
}

cm_status sound_run(int count, char **arguments)
{
    CM_AUTO(deinit_job) sound_job job = {.out = stdout};
    if (count == 2 && strcmp(arguments[0], "--codec") == 0)
        for (size_t i = 0; i < CM_COUNT(KINDS); i++)
            if (strcmp(arguments[1], KINDS[i].name) == 0)
                job.kind = &KINDS[i];
    if (job.kind == NULL) {
        fprintf(stderr, "casement-helper sound: --codec aac or --codec opus\n");
        return CM_REFUSE;
    }
    av_log_set_level(AV_LOG_ERROR); /* the AAC encoder ends with its statistics */
    return run(&job);
}
