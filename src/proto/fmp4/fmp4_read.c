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

/* The fields of a header as cm_fmp4_part_header_write lays it out. */
static cm_fmp4_part read_part_header(cm_slice header)
{
    cm_fmp4_part part = {0};
    cm_reader r = cm_reader_over(header);
    cm_reader prft = open_box(&r, CM_FMP4_TYPE('p', 'r', 'f', 't'), true);
    (void)cm_read_u32(&prft); /* reference_track_ID */
    part.capture_ntp = cm_read_u64(&prft);
    cm_reader moof = open_box(&r, CM_FMP4_TYPE('m', 'o', 'o', 'f'), false);
    cm_reader mfhd = open_box(&moof, CM_FMP4_TYPE('m', 'f', 'h', 'd'), true);
    part.frame_number = cm_read_u32(&mfhd);
    cm_reader traf = open_box(&moof, CM_FMP4_TYPE('t', 'r', 'a', 'f'), false);
    (void)open_box(&traf, CM_FMP4_TYPE('t', 'f', 'h', 'd'), true);
    cm_reader tfdt = open_box(&traf, CM_FMP4_TYPE('t', 'f', 'd', 't'), true);
    part.decode_time_90k = cm_read_u64(&tfdt);
    cm_reader trun = open_box(&traf, CM_FMP4_TYPE('t', 'r', 'u', 'n'), true);
    (void)cm_read_u64(&trun); /* sample_count, data_offset */
    part.duration_90k = cm_read_u32(&trun);
    part.sample_size = cm_read_u32(&trun);
    part.is_keyframe = (cm_read_u32(&trun) & 0x00010000) == 0; /* sample_is_non_sync_sample */
    part.composition_offset_90k = (int32_t)cm_read_u32(&trun);
    return part;
}

cm_status cm_fmp4_part_parse(cm_slice *rest, cm_fmp4_part *out, cm_slice *sample)
{
    CM_ENSURE(rest->size >= CM_FMP4_PART_HEADER_SIZE, CM_RETRY);
    const cm_slice header = cm_slice_part(*rest, 0, CM_FMP4_PART_HEADER_SIZE);
    const cm_fmp4_part part = read_part_header(header);
    /* What was not read must be as we write it: the header of these fields is this header. */
    uint8_t again[CM_FMP4_PART_HEADER_SIZE];
    cm_writer w = cm_writer_over(again, sizeof again);
    CM_ENSURE(cm_fmp4_part_header_write(&w, &part) == CM_OK, CM_CLOSE);
    CM_ENSURE(cm_slice_equal(cm_writer_done(&w), header), CM_CLOSE);
    CM_ENSURE(rest->size - CM_FMP4_PART_HEADER_SIZE >= part.sample_size, CM_RETRY);
    *sample = cm_slice_part(*rest, CM_FMP4_PART_HEADER_SIZE, part.sample_size);
    *rest = cm_slice_from(*rest, CM_FMP4_PART_HEADER_SIZE + part.sample_size);
    *out = part;
    return CM_OK;
}
