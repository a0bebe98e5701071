/* Reading boxes and parts: ISO/IEC 14496-12 4.2; declared in fmp4.h. */
#include "proto/fmp4/fmp4.h"

enum {
    SIZE_IS_64_BITS = 1,
    SIZE_IS_TO_THE_END = 0,
};

bool cm_fmp4_next_box(cm_reader *r, cm_fmp4_box *out)
{
    const cm_slice begin = r->rest;
    if (r->failed || begin.size == 0)
        return false;
    uint64_t size = cm_read_u32(r);
    cm_fmp4_box box = {.type = cm_read_u32(r)};
    if (size == SIZE_IS_64_BITS)
        size = cm_read_u64(r);
    else if (size == SIZE_IS_TO_THE_END)
        size = begin.size;
    const size_t header = begin.size - r->rest.size;
    if (r->failed || size < header || size > begin.size) {
        r->failed = true;
        return false;
    }
    box.body = cm_read_slice(r, (size_t)size - header);
    box.whole = cm_slice_part(begin, 0, (size_t)size);
    *out = box;
    return true;
}

cm_status cm_fmp4_find_box(cm_slice body, uint32_t type, cm_fmp4_box *out)
{
    cm_reader r = cm_reader_over(body);
    cm_fmp4_box box;
    while (cm_fmp4_next_box(&r, &box)) {
        if (box.type == type) {
            *out = box;
            return CM_OK;
        }
    }
    return r.failed ? CM_CLOSE : CM_ABSENT;
}

/* The body of the next box, which must be of `type`; past version and flags if it is a full box. */
static cm_reader open_box(cm_reader *r, uint32_t type, bool is_full)
{
    cm_fmp4_box box = {0};
    const bool is_there = cm_fmp4_next_box(r, &box) && box.type == type;
    cm_reader body = cm_reader_over(box.body);
    body.failed = r->failed = r->failed || !is_there;
    if (is_full)
        (void)cm_read_u32(&body);
    return body;
}

/* What moof says of its sample, as fmp4.c lays it out. */
typedef struct moof_fields {
    uint32_t sequence_number;
    uint64_t decode_time;
    uint32_t duration;
    uint32_t sample_size;
    uint32_t flags;
    int32_t composition_offset;
} moof_fields;

static moof_fields read_moof(cm_reader *r)
{
    moof_fields fields = {0};
    cm_reader moof = open_box(r, CM_FMP4_TYPE('m', 'o', 'o', 'f'), false);
    cm_reader mfhd = open_box(&moof, CM_FMP4_TYPE('m', 'f', 'h', 'd'), true);
    fields.sequence_number = cm_read_u32(&mfhd);
    cm_reader traf = open_box(&moof, CM_FMP4_TYPE('t', 'r', 'a', 'f'), false);
    (void)open_box(&traf, CM_FMP4_TYPE('t', 'f', 'h', 'd'), true);
    cm_reader tfdt = open_box(&traf, CM_FMP4_TYPE('t', 'f', 'd', 't'), true);
    fields.decode_time = cm_read_u64(&tfdt);
    cm_reader trun = open_box(&traf, CM_FMP4_TYPE('t', 'r', 'u', 'n'), true);
    (void)cm_read_u64(&trun); /* sample_count, data_offset */
    fields.duration = cm_read_u32(&trun);
    fields.sample_size = cm_read_u32(&trun);
    fields.flags = cm_read_u32(&trun);
    fields.composition_offset = (int32_t)cm_read_u32(&trun);
    return fields;
}

static uint64_t read_capture_ntp(cm_reader *r)
{
    cm_reader prft = open_box(r, CM_FMP4_TYPE('p', 'r', 'f', 't'), true);
    (void)cm_read_u32(&prft); /* reference_track_ID */
    return cm_read_u64(&prft);
}

static cm_fmp4_part read_part_header(cm_slice header)
{
    cm_reader r = cm_reader_over(header);
    const uint64_t capture_ntp = read_capture_ntp(&r);
    const moof_fields moof = read_moof(&r);
    return (cm_fmp4_part){
        .frame_number = moof.sequence_number,
        .decode_time_90k = moof.decode_time,
        .duration_90k = moof.duration,
        .composition_offset_90k = moof.composition_offset,
        .capture_ntp = capture_ntp,
        .sample_size = moof.sample_size,
        .is_keyframe = (moof.flags & 0x00010000) == 0, /* sample_is_non_sync_sample */
    };
}

/* *rest begins with the header that `w` holds, and its sample is there: takes both off. */
static cm_status take_part(cm_slice *rest, const cm_writer *w, size_t sample_size, cm_slice *sample)
{
    /* What was not read must be as we write it: the header of these fields is this header. */
    const cm_slice again = cm_writer_done(w);
    CM_ENSURE(cm_slice_starts(*rest, again), CM_CLOSE);
    CM_ENSURE(rest->size - again.size >= sample_size, CM_RETRY);
    *sample = cm_slice_part(*rest, again.size, sample_size);
    *rest = cm_slice_from(*rest, again.size + sample_size);
    return CM_OK;
}

cm_status cm_fmp4_part_parse(cm_slice *rest, cm_fmp4_part *out, cm_slice *sample)
{
    uint8_t again[CM_FMP4_PART_HEADER_SIZE];
    CM_ENSURE(rest->size >= sizeof again, CM_RETRY);
    const cm_fmp4_part part = read_part_header(cm_slice_part(*rest, 0, sizeof again));
    cm_writer w = cm_writer_over(again, sizeof again);
    CM_ENSURE(cm_fmp4_part_header_write(&w, &part) == CM_OK, CM_CLOSE);
    CM_TRY(take_part(rest, &w, part.sample_size, sample));
    *out = part;
    return CM_OK;
}

cm_status cm_fmp4_audio_part_parse(cm_slice *rest, cm_fmp4_audio_part *out, cm_slice *sample)
{
    uint8_t again[CM_FMP4_AUDIO_PART_HEADER_SIZE];
    CM_ENSURE(rest->size >= sizeof again, CM_RETRY);
    cm_reader r = cm_reader_over(cm_slice_part(*rest, 0, sizeof again));
    const uint64_t capture_ntp = read_capture_ntp(&r);
    const moof_fields moof = read_moof(&r);
    const cm_fmp4_audio_part part = {
        .capture_ntp = capture_ntp,
        .sequence_number = moof.sequence_number,
        .decode_time = moof.decode_time,
        .duration = moof.duration,
        .sample_size = moof.sample_size,
    };
    cm_writer w = cm_writer_over(again, sizeof again);
    CM_ENSURE(cm_fmp4_audio_part_header_write(&w, &part) == CM_OK, CM_CLOSE);
    CM_TRY(take_part(rest, &w, part.sample_size, sample));
    *out = part;
    return CM_OK;
}
