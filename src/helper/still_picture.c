#include "helper/still_picture.h"

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <turbojpeg.h>

#include "base/secret.h"
#include "helper/wire.h"
#include "proto/video/packetize.h"
#include "proto/video/sets.h"

enum { JPEG_QUALITY = 80, HD_LINES = 720, SWS_PLANES = 4, YUV_PLANES = 3 };

/* Memory that grows and is wiped as far as it was used. */
typedef struct block {
    uint8_t *bytes;
    size_t capacity;
    size_t used;
} block;

struct cm_picture {
    AVCodecContext *decoders[CM_VIDEO_CODECS];
    AVPacket *packet;
    AVFrame *decoded;
    struct SwsContext *scaler; /* kept for pictures of the same shape */
    struct shape {
        int from_width, from_height, from_format, width, height;
        int from_matrix;
        bool from_full_range;
    } shape;
    tjhandle encoder;
    block stream; /* Annex B */
    block planes; /* scaled: Y, U, V */
    block jpeg;
};

/* ---- memory ---- */

static cm_status block_reserve(block *b, size_t size)
{
    if (size > b->capacity) {
        free(b->bytes); /* wiped when its picture was forgotten */
        *b = (block){.bytes = malloc(size)};
        CM_ENSURE(b->bytes != NULL, CM_BROKEN);
        b->capacity = size;
    }
    b->used = size;
    return CM_OK;
}

static void block_wipe(block *b)
{
    if (b->used > 0)
        cm_secret_wipe(b->bytes, b->used);
    b->used = 0;
}

static void block_free(block *b)
{
    block_wipe(b);
    free(b->bytes);
    *b = (block){0};
}

/* ---- decoding ---- */

static void wipe_and_free(void *opaque, uint8_t *bytes)
{
    const size_t size = (size_t)(uintptr_t)opaque;
    cm_secret_wipe(bytes, size);
    free(bytes);
}

/* Pictures are decoded into memory that is wiped when the last reference goes. */
static int get_buffer(AVCodecContext *decoder, AVFrame *frame, int flags)
{
    enum { ALIGNMENT = 64, SLACK = 1024 };
    int width = frame->width;
    int height = frame->height;
    int lines[AV_NUM_DATA_POINTERS];
    (void)flags;
    avcodec_align_dimensions2(decoder, &width, &height, lines);
    const int size = av_image_get_buffer_size(frame->format, width, height, ALIGNMENT);
    if (size < 0)
        return size;
    const size_t total = ((size_t)size + SLACK + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint8_t *bytes = aligned_alloc(ALIGNMENT, total);
    if (bytes == NULL)
        return AVERROR(ENOMEM);
    frame->buf[0] = av_buffer_create(bytes, total, wipe_and_free, (void *)(uintptr_t)total, 0);
    if (frame->buf[0] == NULL) {
        free(bytes);
        return AVERROR(ENOMEM);
    }
    const int filled = av_image_fill_arrays(frame->data, frame->linesize, bytes, frame->format,
                                            width, height, ALIGNMENT);
    frame->extended_data = frame->data;
    return filled < 0 ? filled : 0;
}

static cm_status open_decoder(const char *name, AVCodecContext **out)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    CM_ENSURE(codec != NULL, CM_BROKEN);
    AVCodecContext *decoder = *out = avcodec_alloc_context3(codec);
    CM_ENSURE(decoder != NULL, CM_BROKEN);
    decoder->thread_count = 1;
    /* This one says nowhere else that a part of a picture was guessed. */
    if (codec->id == AV_CODEC_ID_HEVC)
        decoder->err_recognition |= AV_EF_EXPLODE;
    decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
    decoder->max_pixels = (int64_t)CM_PICTURE_SIDE_MAX * CM_PICTURE_SIDE_MAX;
    decoder->get_buffer2 = get_buffer;
    return avcodec_open2(decoder, codec, NULL) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status open_decoders(cm_picture *p)
{
    static const char *const NAMES[CM_VIDEO_CODECS] = {
        [CM_VIDEO_H264] = "h264",
        [CM_VIDEO_H265] = "hevc",
    };
    p->packet = av_packet_alloc();
    p->decoded = av_frame_alloc();
    CM_ENSURE(p->packet != NULL && p->decoded != NULL, CM_BROKEN);
    for (size_t i = 0; i < CM_VIDEO_CODECS; i++)
        CM_TRY(open_decoder(NAMES[i], &p->decoders[i]));
    return CM_OK;
}

cm_status cm_picture_create(cm_picture **out)
{
    /* What a stream makes the libraries say is nobody's affair, and could fill a log. */
    av_log_set_level(AV_LOG_QUIET);
    cm_picture *p = calloc(1, sizeof *p);
    CM_ENSURE(p != NULL, CM_BROKEN);
    p->encoder = tjInitCompress();
    const cm_status status = p->encoder != NULL ? open_decoders(p) : CM_BROKEN;
    if (status != CM_OK) {
        cm_picture_destroy(p);
        return status;
    }
    *out = p;
    return CM_OK;
}

void cm_picture_destroy(cm_picture *p)
{
    if (p == NULL)
        return;
    av_frame_free(&p->decoded);
    av_packet_free(&p->packet);
    for (size_t i = 0; i < CM_VIDEO_CODECS; i++)
        avcodec_free_context(&p->decoders[i]);
    sws_freeContext(p->scaler);
    if (p->encoder != NULL)
        tjDestroy(p->encoder);
    block_free(&p->stream);
    block_free(&p->planes);
    block_free(&p->jpeg);
    free(p);
}

void cm_picture_wipe(cm_picture *p)
{
    av_frame_unref(p->decoded);
    for (size_t i = 0; i < CM_VIDEO_CODECS; i++)
        avcodec_flush_buffers(p->decoders[i]);
    block_wipe(&p->stream);
    block_wipe(&p->planes);
    block_wipe(&p->jpeg);
}

/* Lengths of 4 bytes become start codes of 4 bytes (Annex B): the decoder then takes the parameter
 * sets from the stream itself. */
static cm_status lengths_to_start_codes(cm_writer *w)
{
    cm_reader r = cm_reader_over(cm_writer_done(w));
    cm_slice nal;
    size_t at = 0;
    while (cm_h264_next_avcc(&r, &nal)) {
        cm_write_fill_u32(w, at, 1);
        at = w->used - r.rest.size;
    }
    return cm_reader_finish(&r);
}

/* What cameras put into SEI is none of the decoder's business, and often malformed. */
static bool is_needed(cm_video_codec codec, cm_slice granule)
{
    return !cm_video_is_sei(codec, granule);
}

static cm_status join(cm_picture *p, cm_video_codec codec, const cm_slice *granules, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += is_needed(codec, granules[i]) ? cm_video_granule_avcc_size(codec, granules[i]) : 0;
    CM_ENSURE(size > 0, CM_BROKEN);
    CM_TRY(block_reserve(&p->stream, size + AV_INPUT_BUFFER_PADDING_SIZE));
    cm_writer w = cm_writer_over(p->stream.bytes, p->stream.used);
    cm_video_reassembler assembly;
    cm_video_reassembler_init(&assembly, codec, &w);
    for (size_t i = 0; i < count; i++)
        if (is_needed(codec, granules[i]))
            CM_ENSURE(cm_video_reassembler_put(&assembly, granules[i]) == CM_OK, CM_BROKEN);
    CM_ENSURE(cm_video_reassembler_finish(&assembly) == CM_OK && w.used == size, CM_BROKEN);
    CM_ENSURE(lengths_to_start_codes(&w) == CM_OK, CM_BROKEN);
    cm_write_zeros(&w, AV_INPUT_BUFFER_PADDING_SIZE); /* the decoder reads past the end */
    return CM_OK;
}

static cm_status decode(cm_picture *p, AVCodecContext *decoder)
{
    p->packet->data = p->stream.bytes;
    p->packet->size = (int)(p->stream.used - AV_INPUT_BUFFER_PADDING_SIZE);
    p->packet->flags = AV_PKT_FLAG_KEY;
    const int sent = avcodec_send_packet(decoder, p->packet);
    av_packet_unref(p->packet);
    CM_ENSURE(sent == 0, CM_BROKEN);
    /* The end of the stream: the decoder gives out what it has instead of waiting for more. */
    CM_ENSURE(avcodec_send_packet(decoder, NULL) == 0, CM_BROKEN);
    CM_ENSURE(avcodec_receive_frame(decoder, p->decoded) == 0, CM_BROKEN);
    /* A picture with guessed parts is none. */
    CM_ENSURE((p->decoded->flags & AV_FRAME_FLAG_CORRUPT) == 0 &&
                  p->decoded->decode_error_flags == 0,
              CM_BROKEN);
    CM_ENSURE(p->decoded->width > 0 && p->decoded->width <= CM_PICTURE_SIDE_MAX &&
                  p->decoded->height > 0 && p->decoded->height <= CM_PICTURE_SIDE_MAX,
              CM_FULL);
    return CM_OK;
}

/* ---- scaling ---- */

static int matrix_of(const AVFrame *frame)
{
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        return SWS_CS_ITU601;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return SWS_CS_BT2020;
    default:
        return frame->height >= HD_LINES ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
}

/* Lines that a picture of `width` has at the aspect in which it is shown; even. */
static int height_for(const AVFrame *frame, int width)
{
    enum { RATIO_MAX = 8 };
    int64_t across = frame->sample_aspect_ratio.num;
    int64_t down = frame->sample_aspect_ratio.den;
    if (across <= 0 || down <= 0 || across > down * RATIO_MAX || down > across * RATIO_MAX)
        across = down = 1;
    const int64_t shown_width = (int64_t)frame->width * across;
    const int64_t height = ((int64_t)width * frame->height * down / shown_width + 1) / 2 * 2;
    return height < 2 ? 2 : height > CM_PICTURE_SIDE_MAX ? CM_PICTURE_SIDE_MAX : (int)height;
}

static struct shape shape_of(const AVFrame *frame, unsigned width)
{
    const int to = width > 0 && width < (unsigned)frame->width ? (int)width : frame->width;
    return (struct shape){
        .from_width = frame->width,
        .from_height = frame->height,
        .from_format = frame->format,
        .width = to,
        .height = height_for(frame, to),
        .from_matrix = matrix_of(frame),
        .from_full_range =
            frame->color_range == AVCOL_RANGE_JPEG || frame->format == AV_PIX_FMT_YUVJ420P ||
            frame->format == AV_PIX_FMT_YUVJ422P || frame->format == AV_PIX_FMT_YUVJ444P,
    };
}

static bool shape_equal(const struct shape *a, const struct shape *b)
{
    return a->from_width == b->from_width && a->from_height == b->from_height &&
           a->from_format == b->from_format && a->width == b->width && a->height == b->height &&
           a->from_matrix == b->from_matrix && a->from_full_range == b->from_full_range;
}

/* Ranges are set before init: afterwards a scaler that was chosen as a plain copy stays one. */
static cm_status set_options(struct SwsContext *scaler, const struct shape *s)
{
    const struct {
        const char *name;
        int value;
    } options[] = {
        {"srcw", s->from_width},
        {"srch", s->from_height},
        {"src_format", s->from_format},
        {"dstw", s->width},
        {"dsth", s->height},
        {"dst_format", AV_PIX_FMT_YUV420P},
        {"src_range", s->from_full_range ? 1 : 0},
        {"dst_range", 1},
        {"sws_flags", SWS_AREA | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT},
    };
    for (size_t i = 0; i < CM_COUNT(options); i++)
        CM_ENSURE(av_opt_set_int(scaler, options[i].name, options[i].value, 0) >= 0, CM_BROKEN);
    CM_ENSURE(sws_init_context(scaler, NULL, NULL) >= 0, CM_BROKEN);
    const int one = 1 << 16;
    (void)sws_setColorspaceDetails(scaler, sws_getCoefficients(s->from_matrix),
                                   s->from_full_range ? 1 : 0, sws_getCoefficients(SWS_CS_ITU601),
                                   1, 0, one, one);
    return CM_OK;
}

static cm_status prepare_scaler(cm_picture *p, const struct shape *shape)
{
    if (p->scaler != NULL && shape_equal(&p->shape, shape))
        return CM_OK;
    sws_freeContext(p->scaler);
    p->scaler = sws_alloc_context();
    CM_ENSURE(p->scaler != NULL, CM_BROKEN);
    const cm_status status = set_options(p->scaler, shape);
    if (status != CM_OK) {
        sws_freeContext(p->scaler);
        p->scaler = NULL;
        return status;
    }
    p->shape = *shape;
    return CM_OK;
}

/* Y, U and V one after the other, lines padded for the vector code. */
static cm_status scale(cm_picture *p, uint8_t *planes[SWS_PLANES], int strides[SWS_PLANES])
{
    enum { ALIGNMENT = 64 };
    const struct shape *s = &p->shape;
    const int size = av_image_get_buffer_size(AV_PIX_FMT_YUV420P, s->width, s->height, ALIGNMENT);
    CM_ENSURE(size > 0, CM_BROKEN);
    CM_TRY(block_reserve(&p->planes, (size_t)size + ALIGNMENT));
    CM_ENSURE(av_image_fill_arrays(planes, strides, p->planes.bytes, AV_PIX_FMT_YUV420P, s->width,
                                   s->height, ALIGNMENT) > 0,
              CM_BROKEN);
    const int lines = sws_scale(p->scaler, (const uint8_t *const *)p->decoded->data,
                                p->decoded->linesize, 0, s->from_height, planes, strides);
    return lines == s->height ? CM_OK : CM_BROKEN;
}

/* ---- encoding ---- */

static cm_status encode(cm_picture *p, uint8_t *const planes[SWS_PLANES],
                        const int strides[SWS_PLANES], cm_slice *out)
{
    const struct shape *s = &p->shape;
    /* turbojpeg takes the buffer to be as large as this, whatever it is told. */
    CM_TRY(block_reserve(&p->jpeg, tjBufSize(s->width, s->height, TJSAMP_420)));
    const unsigned char *sources[YUV_PLANES] = {planes[0], planes[1], planes[2]};
    unsigned char *bytes = p->jpeg.bytes;
    unsigned long size = p->jpeg.used;
    p->jpeg.used = 0;
    const int result =
        tjCompressFromYUVPlanes(p->encoder, sources, s->width, strides, s->height, TJSAMP_420,
                                &bytes, &size, JPEG_QUALITY, TJFLAG_NOREALLOC | TJFLAG_FASTDCT);
    p->jpeg.used = result == 0 ? size : p->jpeg.capacity;
    CM_ENSURE(result == 0, CM_BROKEN);
    CM_ENSURE(size <= CM_HELPER_JPEG_MAX, CM_FULL);
    *out = cm_slice_over(p->jpeg.bytes, size);
    return CM_OK;
}

cm_status cm_picture_make(cm_picture *p, cm_video_codec codec, const cm_opened_frame *opened,
                          unsigned width, cm_slice *jpeg_out)
{
    CM_TRY(join(p, codec, opened->granules, opened->count));
    CM_TRY(decode(p, p->decoders[codec]));
    const struct shape shape = shape_of(p->decoded, width);
    CM_TRY(prepare_scaler(p, &shape));
    uint8_t *planes[SWS_PLANES];
    int strides[SWS_PLANES];
    CM_TRY(scale(p, planes, strides));
    return encode(p, planes, strides, jpeg_out);
}
