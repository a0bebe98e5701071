#include "proto/h264/sps.h"

#include "base/bits.h"
#include "proto/h264/nal.h"

enum {
    PROFILE_BASELINE = 66,
    CONSTRAINT_SET3 = 0x10,
    EXTENDED_SAR = 255,
    MAX_CPB_COUNT = 32,
    MAX_REF_FRAMES = 16, /* A.3.1: MaxDpbFrames is at most 16 */
    MACROBLOCK = 16,     /* pixels */
};

/* Sizes of the picture and of its frame, in the units of 7.4.2.1.1. */
typedef struct picture_size {
    uint32_t width_mbs;
    uint32_t height_map_units;
    uint32_t crop_left;
    uint32_t crop_right;
    uint32_t crop_top;
    uint32_t crop_bottom;
} picture_size;

/* 7.3.2.1.1: the profiles whose SPS carries chroma format, bit depths and scaling lists. */
static bool has_chroma_info(uint8_t profile_idc)
{
    static const uint8_t PROFILES[] = {100, 110, 122, 244, 44,  83, 86,
                                       118, 128, 138, 139, 134, 135};
    return cm_slice_find(cm_slice_over(PROFILES, sizeof PROFILES), profile_idc) < sizeof PROFILES;
}

/* 7.3.2.1.1.1; the values are of no use to us, only where the list ends. */
static void skip_scaling_list(cm_bits *b, unsigned size)
{
    int32_t last = 8;
    int32_t next = 8;
    for (unsigned i = 0; i < size && !b->failed; i++) {
        if (next != 0) {
            const int32_t delta = cm_bits_read_se(b);
            if (delta < -128 || delta > 127) {
                b->failed = true;
                return;
            }
            next = (last + delta + 256) % 256;
        }
        last = next == 0 ? last : next;
    }
}

static void skip_scaling_matrix(cm_bits *b, uint32_t chroma_format_idc)
{
    const unsigned count = chroma_format_idc != 3 ? 8 : 12;
    for (unsigned i = 0; i < count; i++) {
        if (cm_bits_read_flag(b))
            skip_scaling_list(b, i < 6 ? 16 : 64);
    }
}

static cm_status read_chroma_info(cm_bits *b, cm_h264_sps *sps)
{
    const uint32_t chroma_format_idc = cm_bits_read_ue(b);
    CM_ENSURE(chroma_format_idc <= 3, CM_REFUSE);
    if (chroma_format_idc == 3)
        (void)cm_bits_read_flag(b); /* separate_colour_plane_flag */
    const uint32_t luma_minus8 = cm_bits_read_ue(b);
    const uint32_t chroma_minus8 = cm_bits_read_ue(b);
    CM_ENSURE(luma_minus8 <= 6 && chroma_minus8 <= 6, CM_REFUSE);
    (void)cm_bits_read_flag(b); /* qpprime_y_zero_transform_bypass_flag */
    if (cm_bits_read_flag(b))
        skip_scaling_matrix(b, chroma_format_idc);
    sps->chroma_format_idc = (uint8_t)chroma_format_idc;
    sps->bit_depth_luma = (uint8_t)(8 + luma_minus8);
    sps->bit_depth_chroma = (uint8_t)(8 + chroma_minus8);
    return CM_OK;
}

static cm_status read_picture_order_count(cm_bits *b, uint32_t *type_out)
{
    const uint32_t type = cm_bits_read_ue(b);
    *type_out = type;
    CM_ENSURE(type <= 2, CM_REFUSE);
    if (type == 0)
        (void)cm_bits_read_ue(b); /* log2_max_pic_order_cnt_lsb_minus4 */
    if (type != 1)
        return CM_OK;
    (void)cm_bits_read_flag(b); /* delta_pic_order_always_zero_flag */
    (void)cm_bits_read_se(b);   /* offset_for_non_ref_pic */
    (void)cm_bits_read_se(b);   /* offset_for_top_to_bottom_field */
    const uint32_t cycle = cm_bits_read_ue(b);
    CM_ENSURE(cycle <= 255, CM_REFUSE);
    for (uint32_t i = 0; i < cycle; i++)
        (void)cm_bits_read_se(b);
    return CM_OK;
}

static picture_size read_picture_size(cm_bits *b, cm_h264_sps *sps)
{
    picture_size size = {0};
    size.width_mbs = cm_bits_read_ue(b);
    size.height_map_units = cm_bits_read_ue(b);
    sps->is_interlaced = !cm_bits_read_flag(b);
    if (sps->is_interlaced)
        (void)cm_bits_read_flag(b); /* mb_adaptive_frame_field_flag */
    (void)cm_bits_read_flag(b);     /* direct_8x8_inference_flag */
    if (cm_bits_read_flag(b)) {
        size.crop_left = cm_bits_read_ue(b);
        size.crop_right = cm_bits_read_ue(b);
        size.crop_top = cm_bits_read_ue(b);
        size.crop_bottom = cm_bits_read_ue(b);
    }
    return size;
}

/* What cropping leaves of `coded` pixels, in units of `unit` pixels. 0 if nothing, or if it lies.
 */
static uint32_t cropped(uint32_t coded, uint32_t before, uint32_t after, uint32_t unit)
{
    const uint64_t cut = ((uint64_t)before + after) * unit;
    return cut < coded ? coded - (uint32_t)cut : 0;
}

/* 7-13 to 7-22. */
static cm_status apply_picture_size(const picture_size *size, cm_h264_sps *sps)
{
    CM_ENSURE(size->width_mbs < CM_H264_MAX_DIMENSION / MACROBLOCK, CM_REFUSE);
    CM_ENSURE(size->height_map_units < CM_H264_MAX_DIMENSION / MACROBLOCK, CM_REFUSE);
    const uint32_t fields = sps->is_interlaced ? 2 : 1;
    const uint32_t width = (size->width_mbs + 1) * MACROBLOCK;
    const uint32_t height = (size->height_map_units + 1) * MACROBLOCK * fields;
    CM_ENSURE(height <= CM_H264_MAX_DIMENSION, CM_REFUSE);
    const uint32_t unit_x = sps->chroma_format_idc == 1 || sps->chroma_format_idc == 2 ? 2 : 1;
    const uint32_t unit_y = (sps->chroma_format_idc == 1 ? 2 : 1) * fields;
    sps->width = (uint16_t)cropped(width, size->crop_left, size->crop_right, unit_x);
    sps->height = (uint16_t)cropped(height, size->crop_top, size->crop_bottom, unit_y);
    CM_ENSURE(sps->width > 0 && sps->height > 0, CM_REFUSE);
    return CM_OK;
}

/* E.1.2. */
static cm_status skip_hrd_parameters(cm_bits *b)
{
    const uint32_t count_minus1 = cm_bits_read_ue(b);
    CM_ENSURE(count_minus1 < MAX_CPB_COUNT, CM_REFUSE);
    (void)cm_bits_read(b, 8); /* bit_rate_scale, cpb_size_scale */
    for (uint32_t i = 0; i <= count_minus1; i++) {
        (void)cm_bits_read_ue(b);   /* bit_rate_value_minus1 */
        (void)cm_bits_read_ue(b);   /* cpb_size_value_minus1 */
        (void)cm_bits_read_flag(b); /* cbr_flag */
    }
    (void)cm_bits_read(b, 20); /* four lengths of 5 bits */
    return CM_OK;
}

/* E.1.1, from its beginning to the timing. */
static void skip_vui_video_signal(cm_bits *b)
{
    if (cm_bits_read_flag(b)) { /* aspect_ratio_info_present_flag */
        if (cm_bits_read(b, 8) == EXTENDED_SAR)
            (void)cm_bits_read(b, 32);
    }
    if (cm_bits_read_flag(b)) /* overscan_info_present_flag */
        (void)cm_bits_read_flag(b);
    if (cm_bits_read_flag(b)) { /* video_signal_type_present_flag */
        (void)cm_bits_read(b, 4);
        if (cm_bits_read_flag(b))
            (void)cm_bits_read(b, 24);
    }
    if (cm_bits_read_flag(b)) { /* chroma_loc_info_present_flag */
        (void)cm_bits_read_ue(b);
        (void)cm_bits_read_ue(b);
    }
}

static cm_status read_bitstream_restriction(cm_bits *b, cm_h264_sps *sps)
{
    (void)cm_bits_read_flag(b); /* motion_vectors_over_pic_boundaries_flag */
    for (int i = 0; i < 4; i++) /* two sizes, two lengths of motion vectors */
        (void)cm_bits_read_ue(b);
    const uint32_t reorder = cm_bits_read_ue(b);
    const uint32_t buffering = cm_bits_read_ue(b);
    CM_ENSURE(reorder <= MAX_REF_FRAMES && buffering <= MAX_REF_FRAMES, CM_REFUSE);
    sps->max_num_reorder_frames = (uint8_t)reorder;
    sps->has_reorder_bound = true;
    return CM_OK;
}

/* E.1.1. */
static cm_status read_vui(cm_bits *b, cm_h264_sps *sps)
{
    skip_vui_video_signal(b);
    if (cm_bits_read_flag(b)) { /* timing_info_present_flag */
        sps->num_units_in_tick = cm_bits_read(b, 32);
        sps->time_scale = cm_bits_read(b, 32);
        sps->has_fixed_rate = cm_bits_read_flag(b);
    }
    const bool has_nal_hrd = cm_bits_read_flag(b);
    if (has_nal_hrd)
        CM_TRY(skip_hrd_parameters(b));
    const bool has_vcl_hrd = cm_bits_read_flag(b);
    if (has_vcl_hrd)
        CM_TRY(skip_hrd_parameters(b));
    if (has_nal_hrd || has_vcl_hrd)
        (void)cm_bits_read_flag(b); /* low_delay_hrd_flag */
    (void)cm_bits_read_flag(b);     /* pic_struct_present_flag */
    if (cm_bits_read_flag(b))
        CM_TRY(read_bitstream_restriction(b, sps));
    return CM_OK;
}

/* E.2.1 for a stream that does not say: intra-only profiles, baseline (no B slices) and
 * pic_order_cnt_type 2 (8.2.1.3: output order is decoding order) leave no doubt. */
static void infer_reorder(cm_h264_sps *sps, uint32_t pic_order_cnt_type)
{
    static const uint8_t WITH_INTRA[] = {86, 100, 110, 122, 244};
    const bool may_be_intra = cm_slice_find(cm_slice_over(WITH_INTRA, sizeof WITH_INTRA),
                                            sps->profile_idc) < sizeof WITH_INTRA;
    const bool is_intra =
        sps->profile_idc == 44 || (may_be_intra && (sps->constraint_flags & CONSTRAINT_SET3) != 0);
    sps->has_reorder_bound =
        is_intra || sps->profile_idc == PROFILE_BASELINE || pic_order_cnt_type == 2;
    sps->max_num_reorder_frames = sps->has_reorder_bound ? 0 : sps->max_num_ref_frames;
}

static cm_status read_sps(cm_bits *b, cm_h264_sps *sps)
{
    sps->profile_idc = (uint8_t)cm_bits_read(b, 8);
    sps->constraint_flags = (uint8_t)cm_bits_read(b, 8);
    sps->level_idc = (uint8_t)cm_bits_read(b, 8);
    const uint32_t id = cm_bits_read_ue(b);
    CM_ENSURE(id <= 31, CM_REFUSE);
    sps->id = (uint8_t)id;
    sps->chroma_format_idc = 1;
    sps->bit_depth_luma = sps->bit_depth_chroma = 8;
    if (has_chroma_info(sps->profile_idc))
        CM_TRY(read_chroma_info(b, sps));
    (void)cm_bits_read_ue(b); /* log2_max_frame_num_minus4 */
    uint32_t pic_order_cnt_type;
    CM_TRY(read_picture_order_count(b, &pic_order_cnt_type));
    const uint32_t ref_frames = cm_bits_read_ue(b);
    CM_ENSURE(ref_frames <= MAX_REF_FRAMES, CM_REFUSE);
    sps->max_num_ref_frames = (uint8_t)ref_frames;
    (void)cm_bits_read_flag(b); /* gaps_in_frame_num_value_allowed_flag */
    const picture_size size = read_picture_size(b, sps);
    CM_TRY(cm_bits_status(b));
    CM_TRY(apply_picture_size(&size, sps));
    infer_reorder(sps, pic_order_cnt_type);
    if (cm_bits_read_flag(b))
        CM_TRY(read_vui(b, sps));
    /* rbsp_stop_one_bit: an SPS that was cut short lacks it. What follows is alignment. */
    CM_ENSURE(cm_bits_read_flag(b), CM_CLOSE);
    return cm_bits_status(b);
}

/* The RBSP of a parameter set of `type`, without its header byte, in `storage`. */
static cm_status open_parameter_set(cm_slice nal, cm_h264_nal_type type, cm_writer *storage,
                                    cm_bits *out)
{
    CM_ENSURE(nal.size > 1 && nal.bytes[0] < 0x80, CM_CLOSE);
    CM_ENSURE(cm_h264_nal_type_of(nal) == type, CM_REFUSE);
    CM_ENSURE(nal.size <= CM_H264_MAX_PARAMETER_SET_BYTES, CM_REFUSE);
    CM_TRY(cm_h264_unescape(cm_slice_from(nal, 1), storage));
    *out = cm_bits_over(cm_writer_done(storage));
    return CM_OK;
}

cm_status cm_h264_sps_parse(cm_slice nal, cm_h264_sps *out)
{
    uint8_t rbsp[CM_H264_MAX_PARAMETER_SET_BYTES];
    cm_writer storage = cm_writer_over(rbsp, sizeof rbsp);
    cm_bits b;
    CM_TRY(open_parameter_set(nal, CM_H264_NAL_SPS, &storage, &b));
    cm_h264_sps sps = {0};
    const cm_status status = read_sps(&b, &sps);
    /* A value out of bounds may itself be what a read past the end yields. */
    CM_TRY(cm_bits_status(&b));
    CM_TRY(status);
    *out = sps;
    return CM_OK;
}

uint32_t cm_h264_sps_frame_rate_milli(const cm_h264_sps *sps)
{
    if (!sps->has_fixed_rate || sps->num_units_in_tick == 0 || sps->time_scale == 0)
        return 0;
    const uint64_t milli =
        (uint64_t)sps->time_scale * 1000 / (2 * (uint64_t)sps->num_units_in_tick);
    return milli <= 1000 * 1000 ? (uint32_t)milli : 0;
}

void cm_h264_sps_codecs(const cm_h264_sps *sps, char out[CM_H264_CODECS_SIZE])
{
    static const char DIGITS[] = "0123456789ABCDEF";
    const uint8_t bytes[] = {sps->profile_idc, sps->constraint_flags, sps->level_idc};
    cm_writer w = cm_writer_over(out, CM_H264_CODECS_SIZE);
    cm_write_text(&w, "avc1.");
    for (size_t i = 0; i < sizeof bytes; i++) {
        cm_write_u8(&w, (uint8_t)DIGITS[bytes[i] >> 4]);
        cm_write_u8(&w, (uint8_t)DIGITS[bytes[i] & 15]);
    }
    cm_write_u8(&w, 0);
}

cm_status cm_h264_pps_parse(cm_slice nal, cm_h264_pps_ids *out)
{
    uint8_t rbsp[CM_H264_MAX_PARAMETER_SET_BYTES];
    cm_writer storage = cm_writer_over(rbsp, sizeof rbsp);
    cm_bits b;
    CM_TRY(open_parameter_set(nal, CM_H264_NAL_PPS, &storage, &b));
    const uint32_t pps_id = cm_bits_read_ue(&b);
    const uint32_t sps_id = cm_bits_read_ue(&b);
    (void)cm_bits_read_flag(&b); /* entropy_coding_mode_flag: a PPS goes on after its ids */
    CM_TRY(cm_bits_status(&b));
    CM_ENSURE(pps_id <= 255 && sps_id <= 31, CM_REFUSE);
    *out = (cm_h264_pps_ids){.pps_id = (uint8_t)pps_id, .sps_id = (uint8_t)sps_id};
    return CM_OK;
}
