#include "proto/h265/sps.h"

#include "proto/h265/nal.h"
#include "proto/h265/sps_priv.h"

enum {
    MAX_SUB_LAYERS = 7,
    MAX_VPS_LAYER_SETS = 1024,
    MAX_SPS_ID = 15,
    MAX_PPS_ID = 63,
    MAX_BIT_DEPTH = 15, /* H.265 has 16 too, but hvcC no bits to say so */
    MAX_LONG_TERM = 32,
    CONSTRAINT_BITS = 48,
};

/* ---- profile, tier and level ---- */

static void skip_bits(cm_bits *b, unsigned count)
{
    for (; count > 32; count -= 32)
        (void)cm_bits_read(b, 32);
    (void)cm_bits_read(b, count);
}

/* 7.3.3, with the levels of the lower sub-layers passed over. */
static cm_h265_profile read_profile(cm_bits *b, unsigned sub_layers)
{
    cm_h265_profile profile = {0};
    profile.profile_space = (uint8_t)cm_bits_read(b, 2);
    profile.is_high_tier = cm_bits_read_flag(b);
    profile.profile_idc = (uint8_t)cm_bits_read(b, 5);
    profile.compatibility_flags = cm_bits_read(b, 32);
    profile.constraint_flags = (uint64_t)cm_bits_read(b, 32) << 16;
    profile.constraint_flags |= cm_bits_read(b, 16);
    profile.level_idc = (uint8_t)cm_bits_read(b, 8);
    if (sub_layers == 1)
        return profile;
    const uint32_t present = cm_bits_read(b, 16); /* a pair of bits for each of eight sub-layers */
    for (unsigned i = 0; i + 1 < sub_layers; i++) {
        if ((present >> (15 - 2 * i) & 1) != 0)
            skip_bits(b, 88); /* profile */
        if ((present >> (14 - 2 * i) & 1) != 0)
            skip_bits(b, 8); /* level */
    }
    return profile;
}

/* sps_max_dec_pic_buffering_minus1 and its neighbours; the highest sub-layer's are the last. */
static cm_status read_ordering(cm_bits *b, unsigned sub_layers, uint32_t *reorder_out)
{
    const unsigned count = cm_bits_read_flag(b) ? sub_layers : 1;
    uint32_t reorder = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint32_t buffering_minus1 = cm_bits_read_ue(b);
        reorder = cm_bits_read_ue(b);
        (void)cm_bits_read_ue(b); /* max_latency_increase_plus1 */
        CM_ENSURE(buffering_minus1 < CM_H265_MAX_DPB && reorder <= buffering_minus1, CM_REFUSE);
    }
    *reorder_out = reorder;
    return CM_OK;
}

/* ---- the three sets ---- */

/* The RBSP of a parameter set of `type`, without its header, in `storage`. */
static cm_status open_parameter_set(cm_slice nal, cm_h265_nal_type type, cm_writer *storage,
                                    cm_bits *out)
{
    cm_h265_nal_header header;
    CM_TRY(cm_h265_nal_header_parse(nal, &header));
    CM_ENSURE(header.type == type && header.layer_id == 0, CM_REFUSE);
    CM_ENSURE(nal.size <= CM_H265_MAX_PARAMETER_SET_BYTES, CM_REFUSE);
    CM_TRY(cm_h264_unescape(cm_slice_from(nal, CM_H265_NAL_HEADER_SIZE), storage));
    *out = cm_bits_over(cm_writer_done(storage));
    return CM_OK;
}

static cm_status read_vps_timing(cm_bits *b, cm_h265_timing *timing)
{
    const uint32_t max_layer_id = cm_bits_read(b, 6);
    const uint32_t layer_sets_minus1 = cm_bits_read_ue(b);
    CM_ENSURE(layer_sets_minus1 < MAX_VPS_LAYER_SETS, CM_REFUSE);
    for (uint32_t i = 0; i < layer_sets_minus1 && !b->failed; i++)
        skip_bits(b, max_layer_id + 1);
    if (!cm_bits_read_flag(b))
        return CM_OK;
    timing->num_units_in_tick = cm_bits_read(b, 32);
    timing->time_scale = cm_bits_read(b, 32);
    return CM_OK;
}

static cm_status read_vps(cm_bits *b, cm_h265_vps *vps)
{
    vps->id = (uint8_t)cm_bits_read(b, 4);
    (void)cm_bits_read(b, 2); /* base layer flags */
    (void)cm_bits_read(b, 6); /* vps_max_layers_minus1 */
    vps->max_sub_layers = (uint8_t)(cm_bits_read(b, 3) + 1);
    CM_ENSURE(vps->max_sub_layers <= MAX_SUB_LAYERS, CM_REFUSE);
    vps->is_temporal_id_nested = cm_bits_read_flag(b);
    (void)cm_bits_read(b, 16); /* vps_reserved_0xffff_16bits */
    vps->profile = read_profile(b, vps->max_sub_layers);
    uint32_t reorder;
    CM_TRY(read_ordering(b, vps->max_sub_layers, &reorder));
    CM_TRY(read_vps_timing(b, &vps->timing));
    /* There is more, or at least the stop bit. */
    CM_ENSURE(cm_bits_left(b) > 0, CM_CLOSE);
    return cm_bits_status(b);
}

cm_status cm_h265_vps_parse(cm_slice nal, cm_h265_vps *out)
{
    uint8_t rbsp[CM_H265_MAX_PARAMETER_SET_BYTES];
    cm_writer storage = cm_writer_over(rbsp, sizeof rbsp);
    cm_bits b;
    CM_TRY(open_parameter_set(nal, CM_H265_NAL_VPS, &storage, &b));
    cm_h265_vps vps = {0};
    const cm_status status = read_vps(&b, &vps);
    /* A value out of bounds may itself be what a read past the end yields. */
    CM_TRY(cm_bits_status(&b));
    CM_TRY(status);
    *out = vps;
    return CM_OK;
}

/* What cropping leaves of `coded` pixels, in units of `unit` pixels. 0 if nothing. */
static uint32_t cropped(uint32_t coded, uint32_t before, uint32_t after, uint32_t unit)
{
    const uint64_t cut = ((uint64_t)before + after) * unit;
    return cut < coded ? coded - (uint32_t)cut : 0;
}

static cm_status read_picture_size(cm_bits *b, cm_h265_sps *sps)
{
    const uint32_t width = cm_bits_read_ue(b);
    const uint32_t height = cm_bits_read_ue(b);
    uint32_t crop[4] = {0}; /* left, right, top, bottom */
    const bool has_window = cm_bits_read_flag(b);
    for (size_t i = 0; has_window && i < CM_COUNT(crop); i++)
        crop[i] = cm_bits_read_ue(b);
    CM_ENSURE(width <= CM_H265_MAX_DIMENSION && height <= CM_H265_MAX_DIMENSION, CM_REFUSE);
    /* Table 6-1: SubWidthC and SubHeightC. */
    const uint32_t unit_x = sps->chroma_format_idc == 1 || sps->chroma_format_idc == 2 ? 2 : 1;
    const uint32_t unit_y = sps->chroma_format_idc == 1 ? 2 : 1;
    sps->width = (uint16_t)cropped(width, crop[0], crop[1], unit_x);
    sps->height = (uint16_t)cropped(height, crop[2], crop[3], unit_y);
    CM_ENSURE(sps->width > 0 && sps->height > 0, CM_REFUSE);
    return CM_OK;
}

static cm_status read_format(cm_bits *b, cm_h265_sps *sps)
{
    const uint32_t id = cm_bits_read_ue(b);
    const uint32_t chroma_format_idc = cm_bits_read_ue(b);
    CM_ENSURE(id <= MAX_SPS_ID && chroma_format_idc <= 3, CM_REFUSE);
    sps->id = (uint8_t)id;
    sps->chroma_format_idc = (uint8_t)chroma_format_idc;
    if (chroma_format_idc == 3)
        (void)cm_bits_read_flag(b); /* separate_colour_plane_flag */
    CM_TRY(read_picture_size(b, sps));
    const uint32_t luma_minus8 = cm_bits_read_ue(b);
    const uint32_t chroma_minus8 = cm_bits_read_ue(b);
    CM_ENSURE(luma_minus8 <= MAX_BIT_DEPTH - 8 && chroma_minus8 <= MAX_BIT_DEPTH - 8, CM_REFUSE);
    sps->bit_depth_luma = (uint8_t)(8 + luma_minus8);
    sps->bit_depth_chroma = (uint8_t)(8 + chroma_minus8);
    return CM_OK;
}

/* 7.3.4. */
static void skip_scaling_list(cm_bits *b, unsigned size_id)
{
    if (!cm_bits_read_flag(b)) {
        (void)cm_bits_read_ue(b); /* scaling_list_pred_matrix_id_delta */
        return;
    }
    if (size_id > 1)
        (void)cm_bits_read_se(b); /* scaling_list_dc_coef_minus8 */
    const unsigned count = size_id == 0 ? 16 : 64;
    for (unsigned i = 0; i < count && !b->failed; i++)
        (void)cm_bits_read_se(b);
}

static void skip_scaling_data(cm_bits *b)
{
    for (unsigned size_id = 0; size_id < 4; size_id++)
        for (unsigned matrix = 0; matrix < 6 && !b->failed; matrix += size_id == 3 ? 3 : 1)
            skip_scaling_list(b, size_id);
}

/* From the coding block sizes to pulse code modulation. */
static void skip_coding_tools(cm_bits *b)
{
    for (int i = 0; i < 6; i++) /* block sizes and depths, as logarithms */
        (void)cm_bits_read_ue(b);
    if (cm_bits_read_flag(b) && cm_bits_read_flag(b)) /* enabled, and data present */
        skip_scaling_data(b);
    (void)cm_bits_read(b, 2);   /* asymmetric partitions, sample adaptive offset */
    if (cm_bits_read_flag(b)) { /* pcm_enabled_flag */
        (void)cm_bits_read(b, 8);
        (void)cm_bits_read_ue(b);
        (void)cm_bits_read_ue(b);
        (void)cm_bits_read_flag(b);
    }
}

static cm_status skip_long_term(cm_bits *b, unsigned poc_bits)
{
    if (!cm_bits_read_flag(b)) /* long_term_ref_pics_present_flag */
        return CM_OK;
    const uint32_t count = cm_bits_read_ue(b);
    CM_ENSURE(count <= MAX_LONG_TERM, CM_REFUSE);
    for (uint32_t i = 0; i < count; i++)
        skip_bits(b, poc_bits + 1);
    return CM_OK;
}

static cm_status read_sps(cm_bits *b, cm_h265_sps *sps)
{
    sps->vps_id = (uint8_t)cm_bits_read(b, 4);
    sps->max_sub_layers = (uint8_t)(cm_bits_read(b, 3) + 1);
    CM_ENSURE(sps->max_sub_layers <= MAX_SUB_LAYERS, CM_REFUSE);
    sps->is_temporal_id_nested = cm_bits_read_flag(b);
    sps->profile = read_profile(b, sps->max_sub_layers);
    CM_TRY(read_format(b, sps));
    const uint32_t poc_bits_minus4 = cm_bits_read_ue(b);
    CM_ENSURE(poc_bits_minus4 <= 12, CM_REFUSE);
    uint32_t reorder;
    CM_TRY(read_ordering(b, sps->max_sub_layers, &reorder));
    sps->max_num_reorder = (uint8_t)reorder;
    skip_coding_tools(b);
    CM_TRY(cm_h265_skip_reference_sets(b));
    CM_TRY(skip_long_term(b, poc_bits_minus4 + 4));
    (void)cm_bits_read(b, 2); /* temporal motion vectors, strong intra smoothing */
    if (cm_bits_read_flag(b))
        CM_TRY(cm_h265_read_vui(b, sps));
    /* Extensions say nothing that we need: only that the SPS does not end here. */
    const bool has_extension = cm_bits_read_flag(b);
    /* rbsp_stop_one_bit: an SPS that was cut short lacks it. What follows is alignment. */
    CM_ENSURE(cm_bits_read_flag(b) || has_extension, CM_CLOSE);
    return cm_bits_status(b);
}

cm_status cm_h265_sps_parse(cm_slice nal, cm_h265_sps *out)
{
    uint8_t rbsp[CM_H265_MAX_PARAMETER_SET_BYTES];
    cm_writer storage = cm_writer_over(rbsp, sizeof rbsp);
    cm_bits b;
    CM_TRY(open_parameter_set(nal, CM_H265_NAL_SPS, &storage, &b));
    cm_h265_sps sps = {0};
    const cm_status status = read_sps(&b, &sps);
    CM_TRY(cm_bits_status(&b)); /* as for the VPS */
    CM_TRY(status);
    *out = sps;
    return CM_OK;
}

cm_status cm_h265_pps_parse(cm_slice nal, cm_h265_pps_ids *out)
{
    uint8_t rbsp[CM_H265_MAX_PARAMETER_SET_BYTES];
    cm_writer storage = cm_writer_over(rbsp, sizeof rbsp);
    cm_bits b;
    CM_TRY(open_parameter_set(nal, CM_H265_NAL_PPS, &storage, &b));
    const uint32_t pps_id = cm_bits_read_ue(&b);
    const uint32_t sps_id = cm_bits_read_ue(&b);
    (void)cm_bits_read_flag(&b); /* dependent_slice_segments_enabled_flag: a PPS goes on */
    CM_TRY(cm_bits_status(&b));
    CM_ENSURE(pps_id <= MAX_PPS_ID && sps_id <= MAX_SPS_ID, CM_REFUSE);
    *out = (cm_h265_pps_ids){.pps_id = (uint8_t)pps_id, .sps_id = (uint8_t)sps_id};
    return CM_OK;
}

/* ---- what is made of them ---- */

uint32_t cm_h265_frame_rate_milli(const cm_h265_timing *timing)
{
    if (timing->num_units_in_tick == 0)
        return 0;
    const uint64_t milli = (uint64_t)timing->time_scale * 1000 / timing->num_units_in_tick;
    return milli <= 1000 * 1000 ? (uint32_t)milli : 0;
}

/* The flags' order in the text is that of their indexes, from the lowest bit up. */
static uint32_t reversed(uint32_t flags)
{
    uint32_t out = 0;
    for (int i = 0; i < 32; i++)
        out |= (flags >> i & 1) << (31 - i);
    return out;
}

void cm_h265_codecs(const cm_h265_profile *profile, char out[CM_H265_CODECS_SIZE])
{
    static const char *const SPACES[] = {"", "A", "B", "C"};
    cm_writer w = cm_writer_over(out, CM_H265_CODECS_SIZE);
    cm_write_format(&w, "hvc1.%s%u.%X.%c%u", SPACES[profile->profile_space & 3],
                    (unsigned)profile->profile_idc,
                    (unsigned)reversed(profile->compatibility_flags),
                    profile->is_high_tier ? 'H' : 'L', (unsigned)profile->level_idc);
    /* Byte by byte; those of zeros at the end are left out. */
    for (unsigned shift = CONSTRAINT_BITS; shift > 0; shift -= 8) {
        const uint64_t rest = profile->constraint_flags & ((UINT64_C(1) << shift) - 1);
        if (rest != 0)
            cm_write_format(&w, ".%X", (unsigned)(rest >> (shift - 8)));
    }
    cm_write_u8(&w, 0);
}
