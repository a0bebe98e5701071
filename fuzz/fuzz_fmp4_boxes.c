/* Boxes within boxes, parts, and an init segment made of whatever parameter sets the input holds.
 */
#include "fuzz.h"

#include "proto/fmp4/fmp4.h"
#include "proto/h264/nal.h"
#include "proto/h265/nal.h"

enum { MAX_DEPTH = 8, MAX_INPUT = 4096 };

static size_t walk(cm_slice in, int depth)
{
    cm_reader r = cm_reader_over(in);
    cm_fmp4_box box;
    size_t boxes = 0;
    size_t total = 0;
    while (cm_fmp4_next_box(&r, &box)) {
        CHECK(box.whole.size >= box.body.size + 8);
        total += box.whole.size;
        boxes += 1 + (depth < MAX_DEPTH ? walk(box.body, depth + 1) : 0);
    }
    CHECK(total <= in.size && (r.failed || total == in.size));
    return boxes;
}

static void parse_parts(cm_slice in)
{
    cm_slice rest = in;
    cm_fmp4_part part;
    cm_slice sample;
    while (cm_fmp4_part_parse(&rest, &part, &sample) == CM_OK) {
        CHECK(sample.size == part.sample_size);
        touch(sample);
        uint8_t again[CM_FMP4_PART_HEADER_SIZE];
        cm_writer w = cm_writer_over(again, sizeof again);
        CHECK(cm_fmp4_part_header_write(&w, &part) == CM_OK);
        const cm_slice header =
            cm_slice_part(in, in.size - rest.size - sample.size - sizeof again, sizeof again);
        CHECK(cm_slice_equal(cm_writer_done(&w), header));
    }
}

static void parse_audio_parts(cm_slice rest)
{
    cm_fmp4_audio_part part;
    cm_slice sample;
    while (cm_fmp4_audio_part_parse(&rest, &part, &sample) == CM_OK) {
        CHECK(sample.size == part.sample_size && sample.size > 0);
        touch(sample);
    }
}

static void put_set(cm_fmp4_track *track, cm_slice pps[CM_FMP4_MAX_PPS], cm_slice nal, bool is_hevc)
{
    const bool is_sps = is_hevc ? cm_h265_nal_type_of(nal) == CM_H265_NAL_SPS
                                : cm_h264_nal_type_of(nal) == CM_H264_NAL_SPS;
    if (is_sps)
        track->sps = nal;
    else if (is_hevc && cm_h265_nal_type_of(nal) == CM_H265_NAL_VPS)
        track->vps = nal;
    else if (track->pps_count < CM_FMP4_MAX_PPS)
        pps[track->pps_count++] = nal;
}

static void write_init(cm_slice in, bool is_hevc)
{
    cm_slice pps[CM_FMP4_MAX_PPS];
    cm_fmp4_track track = {.pps = pps};
    cm_slice nal;
    while (cm_h264_next_annex_b(&in, &nal))
        put_set(&track, pps, nal, is_hevc);
    const size_t capacity = cm_fmp4_init_max_size(&track);
    uint8_t *storage = malloc(capacity);
    if (storage == NULL)
        return;
    cm_writer w = cm_writer_over(storage, capacity);
    const cm_status status = cm_fmp4_init_write(&w, &track);
    CHECK(status != CM_FULL); /* max_size is an upper bound */
    if (status == CM_OK)
        CHECK(walk(cm_writer_done(&w), MAX_DEPTH) == 2);
    free(storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT)
        return 0;
    const cm_slice input = cm_slice_over(data, size);
    (void)walk(input, 0);
    parse_parts(input);
    parse_audio_parts(input);
    write_init(input, false);
    write_init(input, true);
    return 0;
}
