#include "eye.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <turbojpeg.h>

#include "base/reader.h"
#include "base/writer.h"
#include "proto/fmp4/fmp4.h"
#include "proto/h265/nal.h"
#include "simcam/stamp.h"

enum {
    BYTES_MAX = 32 << 20,
    SIDE_MAX = 8192,
    AVCC_HEAD = 5,
    HVCC_HEAD = 22,
    CAMERAS_KNOWN = 64,
    COUNTERS_KNOWN = 16384, /* a power of two */
};

static unsigned decode_one_of;
static unsigned keyframes_seen;

void eye_decode_one_of(unsigned count)
{
    decode_one_of = count;
}

void eye_add_report(eye_report *sum, const eye_report *more)
{
    sum->pictures += more->pictures;
    sum->foreign += more->foreign;
    sum->old += more->old;
    sum->again += more->again;
    sum->missed += more->missed;
    sum->left_out += more->left_out;
    sum->decoded += more->decoded;
    sum->unreadable += more->unreadable;
    sum->unstamped += more->unstamped;
    sum->heard += more->heard;
    sum->foreign_heard += more->foreign_heard;
    sum->broken += more->broken;
    sum->bytes += more->bytes;
}

void eye_open(eye *e, uint16_t wanted, bool is_still)
{
    *e = (eye){.wanted = wanted, .is_still = is_still};
    cm_buffer_init(&e->bytes, BYTES_MAX);
}

void eye_close(eye *e)
{
    cm_buffer_deinit(&e->bytes);
}

static void break_off(eye *e)
{
    e->report.broken++;
    e->is_broken = true;
}

/* ---- pixels ---- */

static void judge_pixels(eye *e, const cm_code_picture *picture)
{
    cm_code code;
    if (cm_code_read(picture, &code) != CM_OK) {
        e->report.unreadable++;
        return;
    }
    e->report.decoded++;
    if (code.camera != e->wanted)
        e->report.foreign++;
}

/* One keyframe, alone; the decoder is made for it, so that nothing of another is left in it. */
static AVFrame *decode(cm_video_codec codec, cm_slice stream)
{
    AVCodecContext *context = avcodec_alloc_context3(
        avcodec_find_decoder(codec == CM_VIDEO_H265 ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264));
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    bool is_good = context != NULL && packet != NULL && frame != NULL &&
                   avcodec_open2(context, NULL, NULL) == 0 &&
                   av_new_packet(packet, (int)stream.size) == 0;
    if (is_good) {
        cm_writer w = cm_writer_over(packet->data, stream.size);
        cm_write_slice(&w, stream);
        is_good = avcodec_send_packet(context, packet) == 0 &&
                  avcodec_send_packet(context, NULL) == 0 &&
                  avcodec_receive_frame(context, frame) == 0;
    }
    avcodec_free_context(&context);
    av_packet_free(&packet);
    if (!is_good)
        av_frame_free(&frame);
    return frame;
}

/* The sample's NAL units behind start codes, after the film's parameter sets. */
static cm_status to_byte_stream(const eye *e, cm_slice sample, cm_buffer *out)
{
    cm_reader r = cm_reader_over(sample);
    CM_TRY(cm_buffer_add(out, cm_slice_over(e->sets, e->sets_size)));
    while (r.rest.size > 0 && !r.failed) {
        const cm_slice unit = cm_read_slice(&r, cm_read_u32(&r));
        CM_TRY(cm_buffer_add(out, CM_TEXT("\0\0\0\1")));
        CM_TRY(cm_buffer_add(out, unit));
    }
    return cm_reader_finish(&r);
}

static bool is_to_be_decoded(void)
{
    return decode_one_of > 0 && keyframes_seen++ % decode_one_of == 0;
}

/* `stream`: a keyframe with its parameter sets, as a byte stream. */
static void look_at_pixels(eye *e, cm_video_codec codec, cm_slice stream)
{
    AVFrame *frame = stream.size > 0 ? decode(codec, stream) : NULL;
    if (frame == NULL) {
        e->report.unreadable++;
        return;
    }
    const size_t stride = (size_t)frame->linesize[0];
    judge_pixels(
        e, &(cm_code_picture){.luma = cm_slice_over(frame->data[0], stride * (size_t)frame->height),
                              .width = (unsigned)frame->width,
                              .height = (unsigned)frame->height,
                              .stride = stride});
    av_frame_free(&frame);
}

static void look_at_jpeg(eye *e, cm_slice jpeg)
{
    tjhandle decoder = tjInitDecompress();
    int width = 0, height = 0, subsampling, space;
    uint8_t *pixels = NULL;
    bool is_good = decoder != NULL && tjDecompressHeader3(decoder, jpeg.bytes, jpeg.size, &width,
                                                          &height, &subsampling, &space) == 0;
    is_good = is_good && width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX;
    const size_t size = is_good ? (size_t)width * (size_t)height : 0;
    if (is_good)
        pixels = malloc(size);
    is_good = pixels != NULL && tjDecompress2(decoder, jpeg.bytes, jpeg.size, pixels, width, width,
                                              height, TJPF_GRAY, 0) == 0;
    if (is_good)
        judge_pixels(e, &(cm_code_picture){.luma = cm_slice_over(pixels, size),
                                           .width = (unsigned)width,
                                           .height = (unsigned)height,
                                           .stride = (size_t)width});
    else
        break_off(e);
    free(pixels);
    tjDestroy(decoder);
}

/* ---- films ---- */

static void take_array(cm_reader *r, cm_writer *w, unsigned count)
{
    for (unsigned i = 0; i < count && !r->failed; i++) {
        cm_write_slice(w, CM_TEXT("\0\0\0\1"));
        cm_write_slice(w, cm_read_slice(r, cm_read_u16(r)));
    }
}

/* ISO/IEC 14496-15 5.3.3.1, 8.3.3.1: the parameter sets of an AVC or HEVC configuration record. */
static cm_status take_sets(eye *e, cm_slice record)
{
    cm_reader r = cm_reader_over(record);
    cm_writer w = cm_writer_over(e->sets, sizeof e->sets);
    if (e->codec == CM_VIDEO_H265) {
        (void)cm_read_slice(&r, HVCC_HEAD);
        for (unsigned arrays = cm_read_u8(&r); arrays > 0 && !r.failed; arrays--) {
            (void)cm_read_u8(&r); /* the type that the next ones are of */
            take_array(&r, &w, cm_read_u16(&r));
        }
    } else {
        (void)cm_read_slice(&r, AVCC_HEAD);
        take_array(&r, &w, cm_read_u8(&r) & 0x1F);
        take_array(&r, &w, cm_read_u8(&r));
    }
    CM_ENSURE(!r.failed && !w.failed, CM_CLOSE);
    e->sets_size = w.used;
    return CM_OK;
}

/* avcC or hvcC lies deep; its name is looked for, its size stands before it. */
static cm_status find_sets(eye *e, cm_slice moov)
{
    for (size_t i = 4; i + 4 < moov.size; i++) {
        const cm_slice rest = cm_slice_from(moov, i);
        if (!cm_slice_starts(rest, CM_TEXT("avcC")) && !cm_slice_starts(rest, CM_TEXT("hvcC")))
            continue;
        e->codec = rest.bytes[0] == 'h' ? CM_VIDEO_H265 : CM_VIDEO_H264;
        cm_reader r = cm_reader_over(cm_slice_from(moov, i - 4));
        const uint32_t size = cm_read_u32(&r);
        CM_ENSURE(size >= 8, CM_CLOSE);
        return take_sets(e, cm_slice_part(moov, i + 4, size - 8));
    }
    return CM_CLOSE;
}

/* ---- who had what ---- */

static bool *had_at(uint16_t camera, uint32_t counter)
{
    static bool had[CAMERAS_KNOWN][COUNTERS_KNOWN]; /* of the newest pictures of each camera */
    return &had[camera % CAMERAS_KNOWN][counter % COUNTERS_KNOWN];
}

static void note_had(const cm_code *code)
{
    *had_at(code->camera, code->counter) = true;
    *had_at(code->camera, code->counter + COUNTERS_KNOWN / 2) = false; /* of long ago */
}

static void note_absent(eye *e, uint32_t counter)
{
    if (e->absent_count == EYE_ABSENT_MAX)
        eye_settle(e);
    if (e->absent_count == EYE_ABSENT_MAX)
        e->report.missed++; /* too many to be sure of */
    else
        e->absent[e->absent_count++] = counter;
}

void eye_settle(eye *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->absent_count; i++) {
        if (*had_at(e->wanted, e->absent[i]))
            e->report.missed++;
        else
            e->absent[kept++] = e->absent[i];
    }
    e->absent_count = kept;
}

/* ---- stamps ---- */

static void judge_stamp(eye *e, const cm_stamp *stamp)
{
    note_had(&stamp->code);
    const uint32_t step = stamp->code.counter - e->last;
    if (stamp->code.camera != e->wanted) {
        e->report.foreign++;
        return;
    }
    if (e->has_last && (step == 0 || step > UINT32_MAX / 2))
        e->report.old++;
    else if (e->has_last && e->step > 0 && step > e->step)
        e->report.left_out += step - e->step;
    e->has_last = true;
    e->last = stamp->code.counter;
}

/* ISO/IEC 14496-12 8.8.5. */
static void judge_number(eye *e, cm_slice moof)
{
    cm_fmp4_box mfhd;
    if (cm_fmp4_find_box(moof, CM_FMP4_TYPE('m', 'f', 'h', 'd'), &mfhd) != CM_OK) {
        break_off(e);
        return;
    }
    cm_reader r = cm_reader_over(mfhd.body);
    (void)cm_read_u32(&r); /* version and flags */
    const uint32_t number = cm_read_u32(&r);
    const uint32_t step = number - e->number;
    e->step = e->has_number && step <= UINT32_MAX / 2 ? step : 0;
    e->report.missed += e->step > 0 ? e->step - 1 : 0;
    e->has_number = true;
    e->number = number;
    if (cm_reader_finish(&r) != CM_OK)
        break_off(e);
}

static void look_at_sample_pixels(eye *e, cm_slice sample)
{
    cm_buffer stream;
    cm_buffer_init(&stream, BYTES_MAX);
    const cm_status status = to_byte_stream(e, sample, &stream);
    look_at_pixels(e, e->codec, status == CM_OK ? cm_buffer_data(&stream) : CM_TEXT(""));
    cm_buffer_deinit(&stream);
}

static bool begins_group(const eye *e, cm_slice unit)
{
    return e->codec == CM_VIDEO_H265 ? cm_h265_nal_is_irap(unit)
                                     : cm_h264_nal_type_of(unit) == CM_H264_NAL_IDR;
}

static void look_at_sample(eye *e, cm_slice sample)
{
    cm_reader r = cm_reader_over(sample);
    bool is_keyframe = false;
    bool is_stamped = false;
    while (r.rest.size > 0 && !r.failed) {
        const cm_slice unit = cm_read_slice(&r, cm_read_u32(&r));
        cm_stamp stamp;
        is_keyframe = is_keyframe || begins_group(e, unit);
        if (!is_stamped && cm_stamp_parse(unit, &stamp) == CM_OK) {
            is_stamped = true;
            judge_stamp(e, &stamp);
        }
    }
    e->report.pictures++;
    e->report.unstamped += is_stamped ? 0 : 1;
    if (r.failed)
        break_off(e);
    else if (is_keyframe && is_to_be_decoded())
        look_at_sample_pixels(e, sample);
}

static bool is_whole_box(cm_slice rest, size_t *size_out)
{
    cm_reader r = cm_reader_over(rest);
    *size_out = cm_read_u32(&r);
    return !r.failed && rest.size >= *size_out;
}

static void look_at_boxes(eye *e)
{
    size_t size;
    while (!e->is_broken && is_whole_box(cm_buffer_data(&e->bytes), &size)) {
        cm_reader r = cm_reader_over(cm_slice_part(cm_buffer_data(&e->bytes), 0, size));
        cm_fmp4_box box;
        if (size < 8 || size > BYTES_MAX || !cm_fmp4_next_box(&r, &box)) {
            break_off(e);
            return;
        }
        switch (box.type) {
        case CM_FMP4_TYPE('m', 'o', 'o', 'v'):
            if (find_sets(e, box.body) != CM_OK)
                break_off(e);
            break;
        case CM_FMP4_TYPE('m', 'd', 'a', 't'):
            look_at_sample(e, box.body);
            break;
        case CM_FMP4_TYPE('m', 'o', 'o', 'f'):
            judge_number(e, box.body);
            break;
        case CM_FMP4_TYPE('f', 't', 'y', 'p'):
        case CM_FMP4_TYPE('p', 'r', 'f', 't'):
            break;
        default:
            break_off(e);
        }
        cm_buffer_consume(&e->bytes, size);
    }
}

/* ---- sessions ---- */

static void judge_unit_stamp(eye *e, const cm_code *code, bool is_keyframe)
{
    const uint32_t step = code->counter - e->last;
    /* One who joins gets no more of the cached group when the next keyframe is there, or the group
     * is too large for the path. */
    const bool is_joining = e->keyframes == 1 && is_keyframe;
    note_had(code);
    if (code->camera != e->wanted) {
        e->report.foreign++;
        return;
    }
    const bool is_back = e->has_last && (step == 0 || step > UINT32_MAX / 2);
    if (is_back ? !is_keyframe : e->has_gone_back && step > 1 && !is_keyframe)
        e->report.old++;
    else if (e->has_last && !is_back && !e->has_gone_back && !is_joining && step < COUNTERS_KNOWN)
        for (uint32_t left_out = e->last + 1; left_out != code->counter; left_out++)
            note_absent(e, left_out);
    e->report.again += is_back && is_keyframe ? 1 : 0;
    e->keyframes += is_keyframe ? 1 : 0;
    e->has_gone_back = is_back;
    e->has_last = true;
    e->last = e->number = code->counter;
}

static void look_at_unit_pixels(eye *e, const cm_video_unit *unit)
{
    cm_buffer stream;
    cm_buffer_init(&stream, BYTES_MAX);
    cm_status status = CM_OK;
    for (size_t i = 0; i < unit->nal_count && status == CM_OK; i++) {
        status = cm_buffer_add(&stream, CM_TEXT("\0\0\0\1"));
        if (status == CM_OK)
            status = cm_buffer_add(&stream, unit->nals[i]);
    }
    look_at_pixels(e, unit->codec, status == CM_OK ? cm_buffer_data(&stream) : CM_TEXT(""));
    cm_buffer_deinit(&stream);
}

void eye_look_at_unit(eye *e, const cm_video_unit *unit)
{
    bool is_stamped = false;
    for (size_t i = 0; i < unit->nal_count; i++) {
        cm_stamp stamp;
        if (cm_stamp_parse(unit->nals[i], &stamp) != CM_OK)
            continue;
        is_stamped = true; /* each counts: two pictures may have been mixed into one */
        judge_unit_stamp(e, &stamp.code, unit->is_keyframe);
    }
    if (!is_stamped && (unit->lost_before || e->keyframes == 0)) {
        e->has_last = e->has_gone_back = false; /* it may have been any */
        return;
    }
    e->report.pictures++;
    e->report.bytes += unit->size_bytes;
    e->report.unstamped += is_stamped ? 0 : 1;
    if (unit->is_keyframe && is_to_be_decoded())
        look_at_unit_pixels(e, unit);
}

/* ---- both ---- */

void eye_look(eye *e, cm_slice bytes)
{
    e->report.bytes += bytes.size;
    if (e->is_broken)
        return;
    if (cm_buffer_add(&e->bytes, bytes) != CM_OK)
        break_off(e);
    else if (!e->is_still)
        look_at_boxes(e);
}

void eye_end(eye *e)
{
    if (!e->is_still || e->is_broken)
        return;
    e->report.pictures++;
    look_at_jpeg(e, cm_buffer_data(&e->bytes));
}
