#include "helper/scene.h"

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/writer.h"
#include "helper/painting.h"
#include "proto/h264/nal.h"
#include "proto/h265/nal.h"
#include "proto/video/sets.h"
#include "simcam/code.h"
#include "simcam/scene_file.h"

enum { LARGEST_CELL = 4 };

typedef struct scene_options {
    cm_video_codec codec;
    uint64_t variant;
    uint64_t width;
    uint64_t height;
    uint64_t fps;
    uint64_t gop;
    uint64_t kbps;
    uint64_t frames;
} scene_options;

typedef struct scene_job {
    scene_options options;
    unsigned strip_height; /* pixels above what is encoded */
    painting painting;
    AVCodecContext *encoder;
    AVFrame *frame;
    AVPacket *packet;
    uint64_t written; /* pictures */
    FILE *out;
} scene_job;

static void deinit_job(scene_job *job)
{
    painting_deinit(&job->painting);
    avcodec_free_context(&job->encoder);
    av_frame_free(&job->frame);
    av_packet_free(&job->packet);
}

static cm_status read_size(cm_slice text, scene_options *o)
{
    const cm_slice width = cm_slice_cut(&text, 'x');
    CM_TRY(cm_slice_to_u64(width, 4096, &o->width));
    return cm_slice_to_u64(text, 4096, &o->height);
}

static cm_status read_option(const char *name, const char *value, scene_options *o)
{
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t most;
    } NUMBERS[] = {
        {"--variant", &o->variant, CM_PAINTING_VARIANTS - 1},
        {"--fps", &o->fps, 60},
        {"--gop", &o->gop, 600},
        {"--kbps", &o->kbps, 20000},
        {"--frames", &o->frames, CM_SCENE_PICTURES_MAX},
    };
    if (strcmp(name, "--size") == 0)
        return read_size(cm_slice_of(value), o);
    if (strcmp(name, "--codec") == 0)
        return cm_video_codec_of(cm_slice_of(value), &o->codec);
    for (size_t i = 0; i < CM_COUNT(NUMBERS); i++)
        if (strcmp(name, NUMBERS[i].name) == 0)
            return cm_slice_to_u64(cm_slice_of(value), NUMBERS[i].most, NUMBERS[i].value);
    return CM_REFUSE;
}

static cm_status read_options(int count, char **arguments, scene_options *o)
{
    for (int i = 0; i < count; i += 2) {
        if (i + 1 < count && read_option(arguments[i], arguments[i + 1], o) == CM_OK)
            continue;
        fprintf(stderr, "casement-helper scene: wrong option or value: %s\n", arguments[i]);
        return CM_REFUSE;
    }
    const unsigned cell = cm_code_cell_macroblocks((unsigned)o->width);
    const uint64_t strip = (uint64_t)cell * CM_CODE_MACROBLOCK * CM_CODE_STRIP_ROWS;
    if (o->width == 0 || cell == 0 || cell > LARGEST_CELL || o->height % 2 != 0 ||
        o->height < 3 * strip) {
        fprintf(stderr, "casement-helper scene: --size: width 640, 1280, 1920 or 2560; height even "
                        "and at least 9/40 of it\n");
        return CM_REFUSE;
    }
    if (o->fps == 0 || o->gop == 0 || o->kbps == 0 || o->frames == 0 ||
        o->frames % (2 * o->gop) != 0) {
        fprintf(stderr, "casement-helper scene: --frames must be a multiple of twice --gop\n");
        return CM_REFUSE;
    }
    return CM_OK;
}

/* How either encoder is called, and told what simcam/slice_header.h or h265_slice.h asks for.
 * Motion vectors are kept short: none may reach over the calm top of a painting. */
static const struct encoder {
    const char *name;
    const char *profile; /* NULL: what it takes by itself */
    const char *options; /* the name of those of its own, in its own words: */
    const char *words;   /* with the pictures of a group, twice */
} ENCODERS[CM_VIDEO_CODECS] = {
    [CM_VIDEO_H264] =
        {"libx264", "baseline", "x264-params",
         "keyint=%u:min-keyint=%u:cabac=0:8x8dct=0:ref=1:bframes=0:weightp=0:no-deblock=1:"
         "scenecut=0:mbtree=0:trellis=0:rc-lookahead=0:sync-lookahead=0:sliced-threads=0:"
         "slices=1:open-gop=0:repeat-headers=0:annexb=0:aud=0:me=hex:merange=16:mvrange=32:"
         "subme=2:deterministic=1"},
    [CM_VIDEO_H265] =
        {"libx265", "main", "x265-params",
         "keyint=%u:min-keyint=%u:ctu=16:min-cu-size=16:max-tu-size=16:ref=1:bframes=0:no-weightp="
         "1:"
         "no-deblock=1:no-sao=1:scenecut=0:no-cutree=1:aq-mode=0:rc-lookahead=0:no-wpp=1:"
         "frame-threads=1:pools=none:slices=1:no-open-gop=1:repeat-headers=0:info=0:annexb=0:aud=0:"
         "me=hex:merange=16:max-merge=1:no-temporal-mvp=1:no-signhide=1:no-tskip=1:"
         "no-strong-intra-smoothing=1:no-amp=1:no-rect=1:log-level=error"},
};

static cm_status set_encoder_options(const scene_options *o, AVDictionary **out)
{
    char words[512];
    const struct encoder *encoder = &ENCODERS[o->codec];
    const unsigned gop = (unsigned)o->gop;
    const int size = snprintf(words, sizeof words, encoder->words, gop, gop);
    CM_ENSURE(size > 0 && (size_t)size < sizeof words, CM_BROKEN);
    CM_ENSURE(av_dict_set(out, "preset", "veryfast", 0) >= 0, CM_BROKEN);
    CM_ENSURE(av_dict_set(out, "profile", encoder->profile, 0) >= 0, CM_BROKEN);
    CM_ENSURE(av_dict_set(out, encoder->options, words, 0) >= 0, CM_BROKEN);
    return CM_OK;
}

static cm_status open_encoder(scene_job *job)
{
    const scene_options *o = &job->options;
    const AVCodec *codec = avcodec_find_encoder_by_name(ENCODERS[o->codec].name);
    CM_ENSURE(codec != NULL, CM_BROKEN);
    AVCodecContext *e = avcodec_alloc_context3(codec);
    CM_ENSURE(e != NULL, CM_BROKEN);
    job->encoder = e;
    e->width = (int)o->width;
    e->height = (int)(o->height - job->strip_height);
    e->pix_fmt = AV_PIX_FMT_YUV420P;
    e->time_base = (AVRational){1, (int)o->fps};
    e->framerate = (AVRational){(int)o->fps, 1};
    e->bit_rate = (int64_t)o->kbps * 1000;
    e->gop_size = (int)o->gop;
    e->thread_count = 1;
    e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    e->color_range = AVCOL_RANGE_MPEG;
    e->colorspace = AVCOL_SPC_BT709;
    e->color_primaries = AVCOL_PRI_BT709;
    e->color_trc = AVCOL_TRC_BT709;
    AVDictionary *options = NULL;
    cm_status status = set_encoder_options(o, &options);
    if (status == CM_OK && avcodec_open2(e, codec, &options) < 0)
        status = CM_BROKEN;
    av_dict_free(&options);
    return status;
}

static cm_status open_frame(scene_job *job)
{
    job->frame = av_frame_alloc();
    job->packet = av_packet_alloc();
    CM_ENSURE(job->frame != NULL && job->packet != NULL, CM_BROKEN);
    job->frame->format = job->encoder->pix_fmt;
    job->frame->width = job->encoder->width;
    job->frame->height = job->encoder->height;
    return av_frame_get_buffer(job->frame, 0) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status put(scene_job *job, cm_slice bytes)
{
    return fwrite(bytes.bytes, 1, bytes.size, job->out) == bytes.size ? CM_OK : CM_BROKEN;
}

typedef enum unit_kind { UNIT_VPS, UNIT_SPS, UNIT_PPS, UNIT_SLICE, UNIT_OTHER } unit_kind;

static unit_kind kind_of(cm_video_codec codec, cm_slice unit)
{
    switch (cm_video_set_of(codec, unit)) {
    case CM_VIDEO_SET_VPS:
        return UNIT_VPS;
    case CM_VIDEO_SET_SPS:
        return UNIT_SPS;
    case CM_VIDEO_SET_PPS:
        return UNIT_PPS;
    default:
        break;
    }
    const bool is_slice =
        codec == CM_VIDEO_H265 ? cm_h265_nal_is_slice(unit) : cm_h264_nal_is_slice(unit);
    return is_slice ? UNIT_SLICE : UNIT_OTHER;
}

/* The first NAL unit of this kind among length-prefixed ones. */
static cm_status find_unit(const scene_job *job, cm_slice units, unit_kind kind, cm_slice *out)
{
    cm_reader r = cm_reader_over(units);
    cm_slice unit;
    while (cm_h264_next_avcc(&r, &unit)) {
        if (kind_of(job->options.codec, unit) != kind)
            continue;
        *out = unit;
        return CM_OK;
    }
    return cm_reader_finish(&r) == CM_OK ? CM_ABSENT : CM_BROKEN;
}

static cm_status write_set(const scene_job *job, unit_kind kind, cm_writer *w)
{
    const cm_slice sets =
        cm_slice_over(job->encoder->extradata, (size_t)job->encoder->extradata_size);
    cm_slice set;
    CM_TRY(find_unit(job, sets, kind, &set));
    CM_ENSURE(set.size <= CM_SCENE_PARAMETERS_SIZE_MAX, CM_BROKEN);
    cm_write_u16(w, (uint16_t)set.size);
    cm_write_slice(w, set);
    return CM_OK;
}

static cm_status put_header(scene_job *job)
{
    const bool is_h265 = job->options.codec == CM_VIDEO_H265;
    uint8_t storage[64 + 3 * CM_SCENE_PARAMETERS_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_text(&w, is_h265 ? CM_SCENE_MAGIC_H265 : CM_SCENE_MAGIC);
    cm_write_u16(&w, (uint16_t)job->options.width);
    cm_write_u16(&w, (uint16_t)job->options.height);
    cm_write_u16(&w, (uint16_t)job->options.fps);
    cm_write_u16(&w, (uint16_t)job->options.gop);
    cm_write_u32(&w, (uint32_t)job->options.frames);
    if (is_h265)
        CM_TRY(write_set(job, UNIT_VPS, &w));
    CM_TRY(write_set(job, UNIT_SPS, &w));
    CM_TRY(write_set(job, UNIT_PPS, &w));
    return put(job, cm_writer_done(&w));
}

static cm_status put_picture(scene_job *job)
{
    const cm_slice units = cm_slice_over(job->packet->data, (size_t)job->packet->size);
    const bool is_idr = (job->packet->flags & AV_PKT_FLAG_KEY) != 0;
    cm_slice slice;
    CM_TRY(find_unit(job, units, UNIT_SLICE, &slice));
    CM_ENSURE(slice.size + 4 <= CM_SCENE_PICTURE_SIZE_MAX, CM_BROKEN);
    uint8_t storage[16];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_u32(&w, (uint32_t)slice.size + 4);
    cm_write_u8(&w, is_idr ? CM_SCENE_FLAG_IDR : 0);
    cm_write_u32(&w, (uint32_t)slice.size);
    CM_TRY(put(job, cm_writer_done(&w)));
    return put(job, slice);
}

/* Takes what the encoder has ready. */
static cm_status drain(scene_job *job)
{
    for (;;) {
        const int got = avcodec_receive_packet(job->encoder, job->packet);
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return CM_OK;
        CM_ENSURE(got == 0, CM_BROKEN);
        if ((uint64_t)job->packet->pts >= job->options.frames) {
            CM_TRY(put_picture(job));
            job->written++;
        }
        av_packet_unref(job->packet);
    }
}

static cm_status encode_picture(scene_job *job, uint64_t number)
{
    const uint64_t index = number % job->options.frames;
    AVFrame *f = job->frame;
    CM_ENSURE(av_frame_make_writable(f) == 0, CM_BROKEN);
    painting_draw(&job->painting, (float)index / (float)job->options.frames);
    const planes out = {.y = f->data[0],
                        .u = f->data[1],
                        .v = f->data[2],
                        .strides = {f->linesize[0], f->linesize[1], f->linesize[2]}};
    canvas_to_yuv(&job->painting.picture, &out, painting_grain(&job->painting),
                  CM_PAINTING_CALM + 0.05F, (uint32_t)index);
    f->pts = (int64_t)number;
    CM_ENSURE(avcodec_send_frame(job->encoder, f) == 0, CM_BROKEN);
    return drain(job);
}

static cm_status run(scene_job *job)
{
    const scene_options *o = &job->options;
    job->strip_height =
        cm_code_cell_macroblocks((unsigned)o->width) * CM_CODE_MACROBLOCK * CM_CODE_STRIP_ROWS;
    CM_TRY(painting_init(&job->painting, (unsigned)o->variant, (unsigned)o->width,
                         (unsigned)o->height - job->strip_height));
    CM_TRY(open_encoder(job));
    CM_TRY(open_frame(job));
    CM_TRY(put_header(job));
    /* What comes before the loop only teaches the encoder the rate. */
    for (uint64_t i = o->frames - 2 * o->gop; i < 2 * o->frames; i++)
        CM_TRY(encode_picture(job, i));
    CM_ENSURE(avcodec_send_frame(job->encoder, NULL) == 0, CM_BROKEN);
    CM_TRY(drain(job));
    CM_ENSURE(job->written == o->frames && fflush(job->out) == 0, CM_BROKEN);
    return CM_OK;
}

cm_status scene_run(int count, char **arguments)
{
    CM_AUTO(deinit_job)
    scene_job job = {
        .options = {.variant = 0,
                    .width = 1280,
                    .height = 720,
                    .fps = 20,
                    .gop = 40,
                    .kbps = 2000,
                    .frames = 160},
        .out = stdout,
    };
    av_log_set_level(AV_LOG_ERROR);
    CM_TRY(read_options(count, arguments, &job.options));
    return run(&job);
}
