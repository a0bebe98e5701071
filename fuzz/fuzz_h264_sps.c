/* Parameter sets, SEI, both framings and emulation prevention of one byte string. */
#include "fuzz.h"

#include <string.h>

#include "proto/h264/nal.h"
#include "proto/h264/parameter_sets.h"

enum { MAX_INPUT = 4096 };

static void parse_sets(cm_slice nal, cm_h264_parameter_sets *sets)
{
    cm_h264_sps sps;
    if (cm_h264_sps_parse(nal, &sps) == CM_OK) {
        CHECK(sps.width > 0 && sps.width <= CM_H264_MAX_DIMENSION);
        CHECK(sps.height > 0 && sps.height <= CM_H264_MAX_DIMENSION);
        CHECK(sps.max_num_reorder_frames <= 16 && sps.bit_depth_luma <= 14);
        CHECK(cm_h264_sps_frame_rate_milli(&sps) <= 1000 * 1000);
        char codecs[CM_H264_CODECS_SIZE];
        cm_h264_sps_codecs(&sps, codecs);
        CHECK(strlen(codecs) == CM_H264_CODECS_SIZE - 1);
    }
    cm_h264_pps_ids ids;
    if (cm_h264_pps_parse(nal, &ids) == CM_OK)
        CHECK(ids.sps_id <= 31);
    const uint32_t generation = sets->generation;
    const cm_status status = cm_h264_parameter_sets_put(sets, nal);
    CHECK(sets->generation - generation <= (status == CM_OK));
    cm_slice list[CM_H264_MAX_PARAMETER_SETS];
    const size_t count = cm_h264_parameter_sets_list(sets, list);
    CHECK((count >= 2) == cm_h264_parameter_sets_is_complete(sets));
}

static void parse_sei(cm_slice nal)
{
    uint8_t storage[MAX_INPUT];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CHECK(cm_h264_unescape(nal, &w) == CM_OK); /* never longer */
    const cm_slice rbsp = cm_slice_from(cm_writer_done(&w), 1);
    cm_reader r = cm_reader_over(rbsp);
    cm_h264_sei_message message;
    size_t total = 0;
    while (cm_h264_next_sei(&r, &message)) {
        total += message.payload.size;
        touch(message.payload);
        cm_slice uuid;
        cm_slice bytes;
        if (cm_h264_sei_user_data(&message, &uuid, &bytes) == CM_OK)
            CHECK(uuid.size == 16 && bytes.size + 16 == message.payload.size);
    }
    CHECK(total <= rbsp.size);
}

/* Escaping hides every start code and is undone by its inverse, up to zeros at the end. */
static void check_escape(cm_slice raw)
{
    uint8_t sent[MAX_INPUT * 2];
    uint8_t back[MAX_INPUT * 2];
    cm_writer w = cm_writer_over(sent, sizeof sent);
    CHECK(cm_h264_escape(raw, &w) == CM_OK);
    const cm_slice escaped = cm_writer_done(&w);
    CHECK(cm_h264_find_start_code(escaped, 0) == escaped.size);
    CHECK(escaped.size <= raw.size * 3 / 2 + 1);
    cm_writer u = cm_writer_over(back, sizeof back);
    CHECK(cm_h264_unescape(escaped, &u) == CM_OK);
    CHECK(cm_slice_equal(cm_h264_trim_zeros(cm_slice_part(cm_writer_done(&u), 0, raw.size)),
                         cm_h264_trim_zeros(raw)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT)
        return 0;
    const cm_slice input = cm_slice_over(data, size);
    cm_h264_parameter_sets *sets = malloc(sizeof *sets);
    if (sets == NULL)
        return 0;
    cm_h264_parameter_sets_init(sets);
    parse_sets(input, sets);
    parse_sei(input);
    check_escape(input);
    cm_slice rest = input;
    cm_slice nal;
    size_t total = 0;
    while (cm_h264_next_annex_b(&rest, &nal)) {
        CHECK(nal.size > 0 && nal.bytes[nal.size - 1] != 0);
        total += nal.size + 3;
        parse_sets(nal, sets);
        parse_sei(nal);
    }
    CHECK(total <= size);
    cm_reader r = cm_reader_over(input);
    while (cm_h264_next_avcc(&r, &nal))
        parse_sei(nal);
    free(sets);
    return 0;
}
