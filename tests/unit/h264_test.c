/* proto/h264 without its depacketizer: ITU-T H.264 7.3, Annex B, D, E; RFC 6184 5.6 and 5.8. */
#include "h264_sets.h"

#include "bit_string.h"
#include "proto/h264/nal.h"
#include "proto/h264/packetize.h"
#include "proto/h264/parameter_sets.h"
#include "proto/h264/sps.h"

/* ---- NAL units ---- */

static void types_slices_and_names_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(cm_h264_nal_type_of((cm_slice){0}), CM_H264_NAL_NONE);
    assert_int_equal(cm_h264_nal_type_of(BYTES(0x67)), CM_H264_NAL_SPS);
    assert_false(cm_h264_nal_is_slice(BYTES(0x66)));
    for (uint8_t type = 1; type <= 5; type++)
        assert_true(cm_h264_nal_is_slice(cm_slice_over(&type, 1)));
    assert_string_equal(cm_h264_nal_type_name(CM_H264_NAL_STAP_B), "STAP-B");
    assert_string_equal(cm_h264_nal_type_name(CM_H264_NAL_MTAP16), "MTAP16");
    assert_string_equal(cm_h264_nal_type_name((cm_h264_nal_type)31), "reserved");
    assert_true(cm_h264_nal_begins_picture(BYTES(0x65, 0x80)));
    assert_false(cm_h264_nal_begins_picture(BYTES(0x65, 0x40)));
    assert_false(cm_h264_nal_begins_picture(BYTES(0x65)));
    assert_false(cm_h264_nal_begins_picture(BYTES(0x67, 0x80)));
}

static void annex_b_is_cut_at_start_codes_without_trailing_zeros(void **state)
{
    (void)state;
    cm_slice rest = BYTES(9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0, 0, 1, 0x65,
                          0, 3, 0, 0);
    cm_slice nal;
    assert_true(cm_h264_next_annex_b(&rest, &nal));
    assert_true(cm_slice_equal(nal, BYTES(0x67, 1)));
    assert_true(cm_h264_next_annex_b(&rest, &nal));
    assert_true(cm_slice_equal(nal, BYTES(0x68, 2)));
    assert_true(cm_h264_next_annex_b(&rest, &nal));
    assert_true(cm_slice_equal(nal, BYTES(0x65, 0, 3)));
    assert_false(cm_h264_next_annex_b(&rest, &nal));
    assert_int_equal(rest.size, 0);
}

static void annex_b_without_a_start_code_has_no_nal(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[4];
        size_t size;
    } EMPTY[] = {{{0}, 0},       {{1}, 1},          {{0, 1}, 2},
                 {{0, 0, 1}, 3}, {{0, 0, 0, 1}, 4}, {{1, 0, 0, 0}, 4}};
    for (size_t i = 0; i < CM_COUNT(EMPTY); i++) {
        cm_slice rest = cm_slice_over(EMPTY[i].bytes, EMPTY[i].size);
        cm_slice nal = CM_TEXT("untouched");
        assert_false(cm_h264_next_annex_b(&rest, &nal));
        assert_text(nal, "untouched");
    }
}

static void a_start_code_is_not_found_across_the_place_where_search_begins(void **state)
{
    (void)state;
    const cm_slice bytes = BYTES(0, 0, 1, 1, 0, 0, 1);
    assert_int_equal(cm_h264_find_start_code(bytes, 0), 0);
    assert_int_equal(cm_h264_find_start_code(bytes, 1), 4);
    assert_int_equal(cm_h264_find_start_code(bytes, 4), 4);
    assert_int_equal(cm_h264_find_start_code(bytes, 5), bytes.size);
    assert_int_equal(cm_h264_find_start_code(bytes, 99), bytes.size);
}

static void a_start_code_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const size_t FROM[] = {0, 1, 63, 64, 65, 66, 67};
    for (size_t size = 3; size <= 200; size++)
        for (size_t at = 0; at + 3 <= size; at++) {
            uint8_t bytes[200];
            for (size_t i = 0; i < size; i++)
                bytes[i] = i % 2 == 0 ? 1 : 0; /* nearly one, everywhere */
            bytes[at] = bytes[at + 1] = 0;
            bytes[at + 2] = 1;
            if (at + 3 < size)
                bytes[at + 3] = 1;
            if (at > 0)
                bytes[at - 1] = 1;
            const cm_slice all = cm_slice_over(bytes, size);
            for (size_t k = 0; k < CM_COUNT(FROM); k++)
                assert_int_equal(cm_h264_find_start_code(all, FROM[k]), at >= FROM[k] ? at : size);
        }
}

static void avcc_is_read_and_a_lying_length_is_seen(void **state)
{
    (void)state;
    const cm_slice whole = BYTES(0, 0, 0, 2, 0x67, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x68);
    cm_reader r = cm_reader_over(whole);
    cm_slice nal;
    static const size_t SIZES[] = {2, 0, 1};
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        assert_true(cm_h264_next_avcc(&r, &nal));
        assert_int_equal(nal.size, SIZES[i]);
    }
    assert_false(cm_h264_next_avcc(&r, &nal));
    assert_int_equal(cm_reader_finish(&r), CM_OK);
    for (size_t size = 1; size < whole.size; size++) {
        r = cm_reader_over(cm_slice_part(whole, 0, size));
        while (cm_h264_next_avcc(&r, &nal))
            ;
        const bool is_border = size == 6 || size == 10;
        assert_int_equal(cm_reader_finish(&r), is_border ? CM_OK : CM_CLOSE);
    }
}

static void emulation_prevention_is_taken_out_and_put_in(void **state)
{
    (void)state;
    static const uint8_t RAW[] = {0x65, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 3, 0, 0};
    static const uint8_t SENT[] = {0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3,
                                   2,    0, 0, 3, 3, 0, 0, 4, 3, 0, 0, 3};
    uint8_t storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_h264_escape(cm_slice_over(RAW, sizeof RAW), &w), CM_OK);
    assert_true(cm_slice_equal(cm_writer_done(&w), cm_slice_over(SENT, sizeof SENT)));
    w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_h264_unescape(cm_slice_over(SENT, sizeof SENT), &w), CM_OK);
    assert_true(cm_slice_equal(cm_writer_done(&w), cm_slice_over(RAW, sizeof RAW)));
    w = cm_writer_over(storage, sizeof RAW - 1);
    assert_int_equal(cm_h264_unescape(cm_slice_over(SENT, sizeof SENT), &w), CM_FULL);
    w = cm_writer_over(storage, sizeof SENT - 1);
    assert_int_equal(cm_h264_escape(cm_slice_over(RAW, sizeof RAW), &w), CM_FULL);
}

/* ---- SPS ---- */

static cm_h264_sps parsed(cm_slice nal)
{
    cm_h264_sps sps;
    assert_int_equal(cm_h264_sps_parse(nal, &sps), CM_OK);
    return sps;
}

static void a_baseline_sps_says_size_rate_and_no_reordering(void **state)
{
    (void)state;
    const cm_h264_sps sps = parsed(SPS_BASELINE);
    assert_int_equal(sps.profile_idc, 66);
    assert_int_equal(sps.constraint_flags, 0xc0);
    assert_int_equal(sps.level_idc, 12);
    assert_int_equal(sps.width, 320);
    assert_int_equal(sps.height, 240);
    assert_int_equal(sps.chroma_format_idc, 1);
    assert_false(sps.is_interlaced);
    assert_int_equal(sps.max_num_reorder_frames, 0);
    assert_true(sps.has_reorder_bound);
    assert_int_equal(sps.time_scale, 40);
    assert_int_equal(sps.num_units_in_tick, 1);
    char codecs[CM_H264_CODECS_SIZE];
    cm_h264_sps_codecs(&sps, codecs);
    assert_string_equal(codecs, "avc1.42C00C");
}

static void a_high_sps_is_cropped_and_read_past_its_hrd(void **state)
{
    (void)state;
    const cm_h264_sps sps = parsed(SPS_HIGH);
    assert_int_equal(sps.profile_idc, 100);
    assert_int_equal(sps.width, 1920);
    assert_int_equal(sps.height, 1080);
    assert_int_equal(sps.max_num_reorder_frames, 2);
    assert_true(sps.has_fixed_rate);
    assert_int_equal(cm_h264_sps_frame_rate_milli(&sps), 20000);
    char codecs[CM_H264_CODECS_SIZE];
    cm_h264_sps_codecs(&sps, codecs);
    assert_string_equal(codecs, "avc1.640028");
}

static void interlaced_and_high_chroma_sizes_are_right(void **state)
{
    (void)state;
    cm_h264_sps sps = parsed(SPS_INTERLACED);
    assert_true(sps.is_interlaced);
    assert_int_equal(sps.width, 720);
    assert_int_equal(sps.height, 576);
    sps = parsed(SPS_HIGH_422);
    assert_int_equal(sps.chroma_format_idc, 2);
    assert_int_equal(sps.bit_depth_luma, 10);
    assert_int_equal(sps.bit_depth_chroma, 10);
    assert_int_equal(sps.width, 640);
    assert_int_equal(sps.height, 360);
    sps = parsed(SPS_HIGH_444);
    assert_int_equal(sps.chroma_format_idc, 3);
    assert_int_equal(sps.width, 642);
    assert_int_equal(sps.height, 362);
}

static void every_truncation_of_an_sps_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    const cm_slice WHOLE[] = {SPS_BASELINE, SPS_HIGH, SPS_INTERLACED, SPS_HIGH_422, SPS_HIGH_444};
    for (size_t i = 0; i < CM_COUNT(WHOLE); i++) {
        for (size_t size = 0; size < WHOLE[i].size; size++) {
            cm_h264_sps sps = {.width = 7};
            assert_int_equal(cm_h264_sps_parse(cm_slice_part(WHOLE[i], 0, size), &sps), CM_CLOSE);
            assert_int_equal(sps.width, 7);
        }
    }
}

static void another_nal_is_no_sps(void **state)
{
    (void)state;
    cm_h264_sps sps;
    cm_h264_pps_ids ids;
    static uint8_t huge[CM_H264_MAX_PARAMETER_SET_BYTES + 1] = {0x67, 0x42};
    assert_int_equal(cm_h264_sps_parse(PPS_BASELINE, &sps), CM_REFUSE);
    assert_int_equal(cm_h264_pps_parse(SPS_BASELINE, &ids), CM_REFUSE);
    assert_int_equal(cm_h264_sps_parse(BYTES(0xe7, 0x42, 0, 12, 0xff), &sps), CM_CLOSE);
    assert_int_equal(cm_h264_sps_parse(cm_slice_over(huge, sizeof huge), &sps), CM_REFUSE);
}

/* The fields that the cases below vary; all others are 0. */
typedef struct sps_fields {
    uint8_t profile, constraints;
    uint32_t id, chroma, depth, poc_type, poc_cycle, refs;
    bool has_scaling;
    int32_t scaling_delta;
    uint32_t width_mbs_minus1, height_mbs_minus1;
    bool is_interlaced;
    bool has_crop;
    uint32_t crop_right, crop_bottom;
    bool has_vui;
    uint32_t ticks, scale;
    uint32_t cpb_count_minus1;
    bool has_hrd;
    bool has_restriction;
    uint32_t reorder;
} sps_fields;

static void put_profile_part(bit_string *s, const sps_fields *f)
{
    put_bits(s, f->profile, 8);
    put_bits(s, f->constraints, 8);
    put_bits(s, 40, 8);
    put_ue(s, f->id);
    if (f->profile < 100)
        return;
    put_ue(s, f->chroma);
    if (f->chroma == 3)
        put_bits(s, 0, 1);
    put_ue(s, f->depth);
    put_ue(s, f->depth);
    put_bits(s, 0, 1);
    put_bits(s, f->has_scaling, 1);
    for (int list = 0; f->has_scaling && list < (f->chroma == 3 ? 12 : 8); list++) {
        put_bits(s, list % 2, 1); /* every other list is there */
        if (list % 2 == 0)
            continue;
        if (list == 1) { /* one that ends at once: next scale 0 */
            put_se(s, -8);
            continue;
        }
        for (int i = 0; i < (list < 6 ? 16 : 64); i++)
            put_se(s, i == 0 ? f->scaling_delta : 0);
    }
}

static void put_vui(bit_string *s, const sps_fields *f)
{
    put_bits(s, 1, 1); /* aspect ratio, extended */
    put_bits(s, 255, 8);
    put_bits(s, 0x00010001, 32);
    put_bits(s, 3, 2); /* overscan */
    put_bits(s, 1, 1); /* video signal with colours */
    put_bits(s, 0x17, 5);
    put_bits(s, 0x010101, 24);
    put_bits(s, 1, 1); /* chroma location */
    put_ue(s, 1);
    put_ue(s, 1);
    put_bits(s, 1, 1);
    put_bits(s, f->ticks, 32);
    put_bits(s, f->scale, 32);
    put_bits(s, 1, 1);
    put_bits(s, 0, 1);
    put_bits(s, f->has_hrd, 1); /* VCL */
    if (f->has_hrd) {
        put_ue(s, f->cpb_count_minus1);
        put_bits(s, 0, 8);
        for (uint32_t i = 0; i <= f->cpb_count_minus1 && i < 40; i++) {
            put_ue(s, 7);
            put_ue(s, 8);
            put_bits(s, 1, 1);
        }
        put_bits(s, 0, 20);
        put_bits(s, 0, 1);
    }
    put_bits(s, 0, 1);
    put_bits(s, f->has_restriction, 1);
    if (f->has_restriction) {
        put_bits(s, 0, 1);
        for (int i = 0; i < 4; i++)
            put_ue(s, 0);
        put_ue(s, f->reorder);
        put_ue(s, 4);
    }
}

static cm_status parse_fields(const sps_fields *f, cm_h264_sps *out)
{
    bit_string s = {0};
    put_bits(&s, 0x67, 8);
    put_profile_part(&s, f);
    put_ue(&s, 0);
    put_ue(&s, f->poc_type);
    if (f->poc_type == 0)
        put_ue(&s, 4);
    if (f->poc_type == 1) {
        put_bits(&s, 0, 1);
        put_se(&s, -3);
        put_se(&s, 3);
        put_ue(&s, f->poc_cycle);
        for (uint32_t i = 0; i < f->poc_cycle && i < 300; i++)
            put_se(&s, 1);
    }
    put_ue(&s, f->refs);
    put_bits(&s, 0, 1);
    put_ue(&s, f->width_mbs_minus1);
    put_ue(&s, f->height_mbs_minus1);
    put_bits(&s, !f->is_interlaced, 1);
    if (f->is_interlaced)
        put_bits(&s, 0, 1);
    put_bits(&s, 1, 1);
    put_bits(&s, f->has_crop, 1);
    if (f->has_crop) {
        put_ue(&s, 0);
        put_ue(&s, f->crop_right);
        put_ue(&s, 0);
        put_ue(&s, f->crop_bottom);
    }
    put_bits(&s, f->has_vui, 1);
    if (f->has_vui)
        put_vui(&s, f);
    put_bits(&s, 1, 1);
    uint8_t escaped[512];
    cm_writer w = cm_writer_over(escaped, sizeof escaped);
    assert_int_equal(cm_h264_escape(bit_string_bytes(&s), &w), CM_OK);
    return cm_h264_sps_parse(cm_writer_done(&w), out);
}

#define assert_fields(status, ...)                                                                 \
    do {                                                                                           \
        const sps_fields fields_ = {__VA_ARGS__};                                                  \
        assert_int_equal(parse_fields(&fields_, &sps), status);                                    \
    } while (0)

static void sizes_are_bounded_either_way(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 77, .width_mbs_minus1 = 511, .height_mbs_minus1 = 511);
    assert_int_equal(sps.width, 8192);
    assert_int_equal(sps.height, 8192);
    assert_fields(CM_REFUSE, .profile = 77, .width_mbs_minus1 = 512);
    assert_fields(CM_REFUSE, .profile = 77, .height_mbs_minus1 = 512);
    assert_fields(CM_REFUSE, .profile = 77, .height_mbs_minus1 = 256, .is_interlaced = true);
    assert_fields(CM_REFUSE, .profile = 77, .width_mbs_minus1 = UINT32_MAX - 1);
    assert_fields(CM_REFUSE, .profile = 77, .height_mbs_minus1 = UINT32_MAX - 1);
}

static void cropping_may_not_eat_the_picture(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 77, .has_crop = true, .crop_right = 7, .crop_bottom = 7);
    assert_int_equal(sps.width, 2);
    assert_int_equal(sps.height, 2);
    assert_fields(CM_REFUSE, .profile = 77, .has_crop = true, .crop_right = 8);
    assert_fields(CM_REFUSE, .profile = 77, .has_crop = true, .crop_bottom = 8);
    assert_fields(CM_REFUSE, .profile = 77, .has_crop = true, .crop_right = UINT32_MAX - 1);
    assert_fields(CM_REFUSE, .profile = 77, .has_crop = true, .crop_bottom = UINT32_MAX - 1);
    /* Monochrome crops by single pixels, fields by pairs of lines (6-1, 7-19 to 7-22). */
    assert_fields(CM_OK, .profile = 100, .has_crop = true, .crop_right = 3, .crop_bottom = 3);
    assert_int_equal(sps.width, 13);
    assert_int_equal(sps.height, 13);
    assert_fields(CM_OK, .profile = 77, .is_interlaced = true, .has_crop = true, .crop_bottom = 2);
    assert_int_equal(sps.height, 24);
}

static void values_that_the_standard_reserves_are_refused(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 77, .id = 31);
    assert_int_equal(sps.id, 31);
    assert_fields(CM_REFUSE, .profile = 77, .id = 32);
    assert_fields(CM_REFUSE, .profile = 100, .chroma = 4);
    assert_fields(CM_REFUSE, .profile = 100, .chroma = 1, .depth = 7);
    assert_fields(CM_REFUSE, .profile = 77, .poc_type = 3);
    assert_fields(CM_REFUSE, .profile = 77, .refs = 17);
    assert_fields(CM_OK, .profile = 77, .poc_type = 1, .poc_cycle = 255);
    assert_fields(CM_REFUSE, .profile = 77, .poc_type = 1, .poc_cycle = 256);
    assert_fields(CM_OK, .profile = 77, .has_vui = true, .has_hrd = true, .cpb_count_minus1 = 31);
    assert_fields(CM_REFUSE, .profile = 77, .has_vui = true, .has_hrd = true,
                  .cpb_count_minus1 = 32);
    assert_fields(CM_REFUSE, .profile = 77, .has_vui = true, .has_restriction = true,
                  .reorder = 17);
}

static void scaling_lists_are_passed_over_to_what_follows(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 100, .chroma = 1, .has_scaling = true, .scaling_delta = 127,
                  .width_mbs_minus1 = 79, .height_mbs_minus1 = 44);
    assert_int_equal(sps.width, 1280);
    assert_int_equal(sps.height, 720);
    assert_fields(CM_OK, .profile = 244, .chroma = 3, .has_scaling = true, .scaling_delta = -7,
                  .width_mbs_minus1 = 19);
    assert_int_equal(sps.width, 320);
    assert_fields(CM_CLOSE, .profile = 100, .chroma = 1, .has_scaling = true, .scaling_delta = 128);
}

static void reordering_is_bounded_as_the_stream_says(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 77, .refs = 3);
    assert_false(sps.has_reorder_bound);
    assert_int_equal(sps.max_num_reorder_frames, 3);
    assert_fields(CM_OK, .profile = 77, .refs = 3, .poc_type = 2);
    assert_true(sps.has_reorder_bound);
    assert_int_equal(sps.max_num_reorder_frames, 0);
    assert_fields(CM_OK, .profile = 66, .refs = 3);
    assert_int_equal(sps.max_num_reorder_frames, 0);
    assert_fields(CM_OK, .profile = 100, .constraints = 0x10, .chroma = 1, .refs = 3);
    assert_int_equal(sps.max_num_reorder_frames, 0);
    assert_fields(CM_OK, .profile = 77, .refs = 3, .has_vui = true, .has_restriction = true,
                  .reorder = 1);
    assert_true(sps.has_reorder_bound);
    assert_int_equal(sps.max_num_reorder_frames, 1);
}

static void a_frame_rate_that_makes_no_sense_is_none(void **state)
{
    (void)state;
    cm_h264_sps sps;
    assert_fields(CM_OK, .profile = 77, .has_vui = true, .ticks = 1001, .scale = 60000);
    assert_int_equal(cm_h264_sps_frame_rate_milli(&sps), 29970);
    assert_fields(CM_OK, .profile = 77, .has_vui = true, .ticks = 0, .scale = 60000);
    assert_int_equal(cm_h264_sps_frame_rate_milli(&sps), 0);
    assert_fields(CM_OK, .profile = 77, .has_vui = true, .ticks = 1, .scale = UINT32_MAX);
    assert_int_equal(cm_h264_sps_frame_rate_milli(&sps), 0);
    assert_fields(CM_OK, .profile = 77);
    assert_int_equal(cm_h264_sps_frame_rate_milli(&sps), 0);
}

/* ---- SEI ---- */

static const uint8_t UUID[CM_H264_SEI_UUID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 1, 0, 0, 2};

static void user_data_goes_into_an_sei_and_comes_out(void **state)
{
    (void)state;
    const cm_slice uuid = cm_slice_over(UUID, sizeof UUID);
    for (size_t size = 0; size <= 512; size += 64) {
        uint8_t data[512] = {0}; /* zeros: the worst case for emulation prevention */
        uint8_t storage[1024];
        cm_writer w = cm_writer_over(storage, sizeof storage);
        assert_int_equal(cm_h264_sei_user_data_write(&w, uuid, cm_slice_over(data, size)), CM_OK);
        const cm_slice nal = cm_writer_done(&w);
        assert_int_equal(cm_h264_nal_type_of(nal), CM_H264_NAL_SEI);
        assert_int_equal(cm_h264_find_start_code(nal, 0), nal.size);
        uint8_t raw[1024];
        cm_writer rbsp = cm_writer_over(raw, sizeof raw);
        assert_int_equal(cm_h264_unescape(cm_slice_from(nal, 1), &rbsp), CM_OK);
        cm_reader r = cm_reader_over(cm_writer_done(&rbsp));
        cm_h264_sei_message message;
        assert_true(cm_h264_next_sei(&r, &message));
        cm_slice uuid_back;
        cm_slice data_back;
        assert_int_equal(cm_h264_sei_user_data(&message, &uuid_back, &data_back), CM_OK);
        assert_true(cm_slice_equal(uuid_back, uuid));
        assert_true(cm_slice_equal(data_back, cm_slice_over(data, size)));
        assert_false(cm_h264_next_sei(&r, &message));
        assert_false(r.failed);
    }
}

static void user_data_of_a_wrong_size_is_refused(void **state)
{
    (void)state;
    static const uint8_t data[513];
    uint8_t storage[1024];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_h264_sei_user_data_write(&w, cm_slice_over(UUID, 15), (cm_slice){0}),
                     CM_REFUSE);
    assert_int_equal(
        cm_h264_sei_user_data_write(&w, cm_slice_over(UUID, 16), cm_slice_over(data, sizeof data)),
        CM_REFUSE);
    w = cm_writer_over(storage, 19);
    assert_int_equal(cm_h264_sei_user_data_write(&w, cm_slice_over(UUID, 16), (cm_slice){0}),
                     CM_FULL);
    cm_slice uuid;
    cm_slice bytes;
    cm_h264_sei_message message = {.type = 5, .payload = cm_slice_over(UUID, 15)};
    assert_int_equal(cm_h264_sei_user_data(&message, &uuid, &bytes), CM_CLOSE);
    message.type = 6;
    assert_int_equal(cm_h264_sei_user_data(&message, &uuid, &bytes), CM_ABSENT);
}

static void several_sei_messages_are_read_in_order(void **state)
{
    (void)state;
    cm_reader r = cm_reader_over(BYTES(6, 1, 0xc4, 0xff, 1, 2, 7, 8, 0x80, 0, 0));
    cm_h264_sei_message message;
    assert_true(cm_h264_next_sei(&r, &message));
    assert_int_equal(message.type, 6);
    assert_true(cm_slice_equal(message.payload, BYTES(0xc4)));
    assert_true(cm_h264_next_sei(&r, &message));
    assert_int_equal(message.type, 256);
    assert_true(cm_slice_equal(message.payload, BYTES(7, 8)));
    assert_false(cm_h264_next_sei(&r, &message));
    assert_false(r.failed);
}

static void an_sei_whose_sizes_lie_is_seen(void **state)
{
    (void)state;
    const cm_slice BAD[] = {BYTES(5), BYTES(5, 2, 1), BYTES(0xff, 0xff), BYTES(5, 0xff),
                            BYTES(5, 0xff, 0xff, 1, 0x80)};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_reader r = cm_reader_over(BAD[i]);
        cm_h264_sei_message message;
        assert_false(cm_h264_next_sei(&r, &message));
        assert_true(r.failed);
        assert_false(cm_h264_next_sei(&r, &message));
    }
}

/* ---- parameter sets ---- */

static void a_change_of_parameter_sets_is_told_once(void **state)
{
    (void)state;
    cm_h264_parameter_sets sets;
    cm_slice list[CM_H264_MAX_PARAMETER_SETS];
    cm_h264_parameter_sets_init(&sets);
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), 0);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, BYTES(0x65, 0x88)), CM_OK);
    assert_int_equal(sets.generation, 0);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_BASELINE), CM_OK);
    assert_false(cm_h264_parameter_sets_is_complete(&sets));
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_BASELINE), CM_OK);
    assert_true(cm_h264_parameter_sets_is_complete(&sets));
    assert_int_equal(sets.generation, 2);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_BASELINE), CM_OK);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_BASELINE), CM_OK);
    assert_int_equal(sets.generation, 2);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_HIGH), CM_OK);
    assert_int_equal(sets.generation, 3);
    assert_int_equal(sets.parsed.width, 1920);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_HIGH), CM_OK);
    assert_int_equal(sets.generation, 4);
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), 2);
    assert_true(cm_slice_equal(list[0], SPS_HIGH));
    assert_true(cm_slice_equal(list[1], PPS_HIGH));
}

static void bad_parameter_sets_change_nothing(void **state)
{
    (void)state;
    cm_h264_parameter_sets sets;
    cm_slice list[CM_H264_MAX_PARAMETER_SETS];
    static uint8_t huge[CM_H264_MAX_PARAMETER_SET_BYTES + 1] = {0x68, 0xff};
    cm_h264_parameter_sets_init(&sets);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_BASELINE), CM_OK);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_BASELINE), CM_OK);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, BYTES(0x67, 0x42)), CM_CLOSE);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, BYTES(0x68)), CM_CLOSE);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, BYTES(0x68, 0x00)), CM_CLOSE);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, cm_slice_over(huge, sizeof huge)), CM_FULL);
    assert_int_equal(sets.generation, 2);
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), 2);
    assert_true(cm_slice_equal(list[0], SPS_BASELINE));
}

static void picture_parameter_sets_are_kept_by_id_up_to_a_bound(void **state)
{
    (void)state;
    cm_h264_parameter_sets sets;
    cm_slice list[CM_H264_MAX_PARAMETER_SETS];
    cm_h264_parameter_sets_init(&sets);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_BASELINE), CM_OK);
    /* ue(v) pps id, ue(v) 0, flag: ids 0 to 8 */
    static const uint8_t IDS[][3] = {{0x68, 0xe0}, {0x68, 0x58},       {0x68, 0x78},
                                     {0x68, 0x26}, {0x68, 0x2e},       {0x68, 0x36},
                                     {0x68, 0x3e}, {0x68, 0x11, 0x80}, {0x68, 0x13, 0x80}};
    for (size_t i = 0; i < CM_COUNT(IDS); i++) {
        cm_h264_pps_ids ids;
        assert_int_equal(cm_h264_pps_parse(cm_slice_over(IDS[i], i < 7 ? 2 : 3), &ids), CM_OK);
        assert_int_equal(ids.pps_id, i);
        assert_int_equal(ids.sps_id, 0);
        assert_int_equal(cm_h264_parameter_sets_put(&sets, cm_slice_over(IDS[i], i < 7 ? 2 : 3)),
                         i < CM_H264_MAX_PPS ? CM_OK : CM_FULL);
    }
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), CM_H264_MAX_PARAMETER_SETS);
    assert_int_equal(sets.generation, 9);
}

static void an_sps_of_another_id_forgets_the_sets_of_the_one_before(void **state)
{
    (void)state;
    cm_h264_parameter_sets sets;
    cm_slice list[CM_H264_MAX_PARAMETER_SETS];
    cm_h264_parameter_sets_init(&sets);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, SPS_BASELINE), CM_OK);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_BASELINE), CM_OK);
    /* profile 77, level 40, id 1 (010), 1 011 1 0 1 1 1 1 0 0, stop */
    const cm_slice other = BYTES(0x67, 77, 0, 40, 0x57, 0x79);
    cm_h264_sps sps;
    assert_int_equal(cm_h264_sps_parse(other, &sps), CM_OK);
    assert_int_equal(sps.id, 1);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, other), CM_OK);
    assert_false(cm_h264_parameter_sets_is_complete(&sets));
    assert_int_equal(cm_h264_parameter_sets_put(&sets, PPS_BASELINE), CM_OK); /* refers to id 0 */
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), 0);
    assert_int_equal(cm_h264_parameter_sets_put(&sets, BYTES(0x68, 0xa8)), CM_OK);
    assert_int_equal(cm_h264_parameter_sets_list(&sets, list), 2);
    assert_true(cm_slice_equal(list[1], BYTES(0x68, 0xa8)));
}

/* ---- granules ---- */

/* A generator with a fixed seed: what fails once fails again. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

typedef struct random_unit {
    uint8_t bytes[60000];
    cm_slice nals[16];
    size_t count;
} random_unit;

static void make_unit(random_unit *u, uint32_t *seed, size_t max_bytes)
{
    size_t at = 0;
    u->count = 1 + next_random(seed) % CM_COUNT(u->nals);
    for (size_t i = 0; i < u->count; i++) {
        /* Sizes around the borders as often as anything else. */
        const size_t border = (max_bytes - 2) * (next_random(seed) % 3) + next_random(seed) % 5;
        const size_t size = 1 + (next_random(seed) % 2 ? border : next_random(seed) % 3000);
        for (size_t k = 0; k < size; k++)
            u->bytes[at + k] = (uint8_t)next_random(seed);
        u->bytes[at] = (uint8_t)((u->bytes[at] & 0xe0) | (1 + next_random(seed) % 23));
        u->nals[i] = cm_slice_over(u->bytes + at, size);
        at += size;
    }
}

static void expect_avcc(const random_unit *u, cm_slice got)
{
    cm_reader r = cm_reader_over(got);
    cm_slice nal;
    for (size_t i = 0; i < u->count; i++) {
        assert_true(cm_h264_next_avcc(&r, &nal));
        assert_true(cm_slice_equal(nal, u->nals[i]));
    }
    assert_int_equal(cm_reader_finish(&r), CM_OK);
}

static void cutting_and_putting_together_are_inverse(void **state)
{
    (void)state;
    static random_unit u;
    static uint8_t avcc[70000];
    uint32_t seed = 1;
    for (int round = 0; round < 400; round++) {
        const size_t max = round % 2 ? CM_H264_GRANULE_BYTES : 16 + next_random(&seed) % 200;
        make_unit(&u, &seed, max);
        cm_h264_packetizer p;
        assert_int_equal(cm_h264_packetizer_init(&p, u.nals, u.count, max), CM_OK);
        cm_writer out = cm_writer_over(avcc, sizeof avcc);
        cm_h264_reassembler a;
        cm_h264_reassembler_init(&a, &out);
        cm_h264_granule g = {0};
        size_t count = 0;
        size_t avcc_size = 0;
        while (cm_h264_packetizer_next(&p, &g)) {
            uint8_t storage[CM_H264_GRANULE_BYTES];
            cm_writer w = cm_writer_over(storage, max);
            cm_h264_granule_write(&w, u.nals, &g);
            const cm_slice payload = cm_writer_done(&w);
            assert_false(w.failed);
            assert_int_equal(payload.size, (size_t)g.header_size + g.size);
            avcc_size += cm_h264_granule_avcc_size(payload);
            assert_int_equal(cm_h264_reassembler_put(&a, payload), CM_OK);
            count++;
            assert_int_equal(g.is_last, count == cm_h264_count_granules(u.nals, u.count, max));
        }
        assert_true(g.is_last);
        assert_int_equal(cm_h264_reassembler_finish(&a), CM_OK);
        assert_int_equal(avcc_size, cm_h264_avcc_size(u.nals, u.count));
        assert_int_equal(cm_writer_done(&out).size, avcc_size);
        expect_avcc(&u, cm_writer_done(&out));
    }
}

static void fragments_differ_by_one_byte_at_most(void **state)
{
    (void)state;
    static uint8_t bytes[5000] = {0x65};
    for (size_t size = 1137; size < sizeof bytes; size += 7) {
        const cm_slice nal = cm_slice_over(bytes, size);
        cm_h264_packetizer p;
        assert_int_equal(cm_h264_packetizer_init(&p, &nal, 1, CM_H264_GRANULE_BYTES), CM_OK);
        cm_h264_granule g;
        uint32_t least = UINT32_MAX;
        uint32_t most = 0;
        while (cm_h264_packetizer_next(&p, &g)) {
            least = g.size < least ? g.size : least;
            most = g.size > most ? g.size : most;
        }
        assert_true(most - least <= 1);
        assert_true(most + 2 <= CM_H264_GRANULE_BYTES);
    }
}

static void a_fragment_carries_type_importance_start_and_end(void **state)
{
    (void)state;
    static uint8_t bytes[31] = {0x65, 0xaa};
    const cm_slice nal = cm_slice_over(bytes, sizeof bytes);
    static const uint8_t HEADERS[][2] = {{0x7c, 0x85}, {0x7c, 0x05}, {0x7c, 0x45}};
    cm_h264_packetizer p;
    assert_int_equal(cm_h264_packetizer_init(&p, &nal, 1, 16), CM_OK);
    cm_h264_granule g;
    for (size_t i = 0; i < CM_COUNT(HEADERS); i++) {
        assert_true(cm_h264_packetizer_next(&p, &g));
        assert_memory_equal(g.header, HEADERS[i], 2);
        assert_int_equal(g.offset, 1 + 10 * i);
        assert_int_equal(g.size, 10);
    }
    assert_false(cm_h264_packetizer_next(&p, &g));
}

static void what_cannot_be_cut_is_refused(void **state)
{
    (void)state;
    cm_h264_packetizer p;
    const cm_slice good = BYTES(0x65, 1);
    const cm_slice empty = {0};
    assert_int_equal(cm_h264_packetizer_init(&p, &good, 0, 100), CM_REFUSE);
    assert_int_equal(cm_h264_packetizer_init(&p, &empty, 1, 100), CM_REFUSE);
    assert_int_equal(cm_h264_packetizer_init(&p, &good, 1, 15), CM_REFUSE);
    assert_int_equal(cm_h264_packetizer_init(&p, &good, 1, 65536), CM_REFUSE);
    for (uint8_t type = 0; type < 32; type++) {
        const cm_slice nal = cm_slice_over(&type, 1);
        assert_int_equal(cm_h264_packetizer_init(&p, &nal, 1, 100),
                         type >= 1 && type <= 23 ? CM_OK : CM_REFUSE);
    }
}

/* Puts payloads until one fails; the status of that one, or of finish. */
static cm_status reassemble(const cm_slice *payloads, size_t count, size_t capacity)
{
    uint8_t storage[256];
    cm_writer w = cm_writer_over(storage, capacity);
    cm_h264_reassembler a;
    cm_h264_reassembler_init(&a, &w);
    for (size_t i = 0; i < count; i++)
        CM_TRY(cm_h264_reassembler_put(&a, payloads[i]));
    return cm_h264_reassembler_finish(&a);
}

static void granules_out_of_order_are_refused(void **state)
{
    (void)state;
    const cm_slice start = BYTES(0x7c, 0x85, 1);
    const cm_slice middle = BYTES(0x7c, 0x05, 2);
    const cm_slice end = BYTES(0x7c, 0x45, 3);
    const cm_slice single = BYTES(0x41, 4);
    const struct {
        cm_slice payloads[3];
        size_t count;
        cm_status status;
    } CASES[] = {
        {{start, middle, end}, 3, CM_OK},
        {{single, start, end}, 3, CM_OK},
        {{start, end, single}, 3, CM_OK},
        {{start}, 1, CM_CLOSE},
        {{start, middle}, 2, CM_CLOSE},
        {{middle}, 1, CM_CLOSE},
        {{end}, 1, CM_CLOSE},
        {{start, start}, 2, CM_CLOSE},
        {{start, single}, 2, CM_CLOSE},
        {{start, end, end}, 3, CM_CLOSE},
        {{start, BYTES(0x7c, 0x41, 3)}, 2, CM_CLOSE}, /* another NAL type */
        {{start, BYTES(0x5c, 0x45, 3)}, 2, CM_CLOSE}, /* another importance */
        {{BYTES(0x7c, 0xc5, 1)}, 1, CM_CLOSE},        /* start and end */
        {{BYTES(0x7c, 0xa5, 1)}, 1, CM_CLOSE},        /* reserved bit */
        {{BYTES(0x7c, 0x85)}, 1, CM_CLOSE},           /* no body */
        {{BYTES(0x7c)}, 1, CM_CLOSE},                 /* no header */
        {{BYTES(0x7c, 0x9c, 1)}, 1, CM_CLOSE},        /* FU-A in FU-A */
        {{BYTES(0x7c, 0x80, 1)}, 1, CM_CLOSE},        /* type 0 */
        {{BYTES(0x78, 0, 1, 0x41)}, 1, CM_CLOSE},     /* STAP-A */
        {{(cm_slice){0}}, 1, CM_CLOSE},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++)
        assert_int_equal(reassemble(CASES[i].payloads, CASES[i].count, 256), CASES[i].status);
    /* 4 + 1 + 3 bytes for the fragments, 4 + 2 for the single one */
    for (size_t capacity = 0; capacity < 8; capacity++)
        assert_int_equal(reassemble(CASES[0].payloads, 3, capacity), CM_FULL);
    assert_int_equal(reassemble(CASES[0].payloads, 3, 8), CM_OK);
    assert_int_equal(reassemble(&single, 1, 5), CM_FULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(types_slices_and_names_are_told_apart),
        cmocka_unit_test(annex_b_is_cut_at_start_codes_without_trailing_zeros),
        cmocka_unit_test(annex_b_without_a_start_code_has_no_nal),
        cmocka_unit_test(a_start_code_is_not_found_across_the_place_where_search_begins),
        cmocka_unit_test(a_start_code_is_found_wherever_it_stands),
        cmocka_unit_test(avcc_is_read_and_a_lying_length_is_seen),
        cmocka_unit_test(emulation_prevention_is_taken_out_and_put_in),
        cmocka_unit_test(a_baseline_sps_says_size_rate_and_no_reordering),
        cmocka_unit_test(a_high_sps_is_cropped_and_read_past_its_hrd),
        cmocka_unit_test(interlaced_and_high_chroma_sizes_are_right),
        cmocka_unit_test(every_truncation_of_an_sps_is_refused_and_writes_nothing),
        cmocka_unit_test(another_nal_is_no_sps),
        cmocka_unit_test(sizes_are_bounded_either_way),
        cmocka_unit_test(cropping_may_not_eat_the_picture),
        cmocka_unit_test(values_that_the_standard_reserves_are_refused),
        cmocka_unit_test(scaling_lists_are_passed_over_to_what_follows),
        cmocka_unit_test(reordering_is_bounded_as_the_stream_says),
        cmocka_unit_test(a_frame_rate_that_makes_no_sense_is_none),
        cmocka_unit_test(user_data_goes_into_an_sei_and_comes_out),
        cmocka_unit_test(user_data_of_a_wrong_size_is_refused),
        cmocka_unit_test(several_sei_messages_are_read_in_order),
        cmocka_unit_test(an_sei_whose_sizes_lie_is_seen),
        cmocka_unit_test(a_change_of_parameter_sets_is_told_once),
        cmocka_unit_test(bad_parameter_sets_change_nothing),
        cmocka_unit_test(picture_parameter_sets_are_kept_by_id_up_to_a_bound),
        cmocka_unit_test(an_sps_of_another_id_forgets_the_sets_of_the_one_before),
        cmocka_unit_test(cutting_and_putting_together_are_inverse),
        cmocka_unit_test(fragments_differ_by_one_byte_at_most),
        cmocka_unit_test(a_fragment_carries_type_importance_start_and_end),
        cmocka_unit_test(what_cannot_be_cut_is_refused),
        cmocka_unit_test(granules_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
