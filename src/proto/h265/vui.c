/* Video usability information (ITU-T H.265 Annex E). */
#include "proto/h265/sps_priv.h"

enum {
    EXTENDED_SAR = 255,
    MAX_CPB_COUNT = 32,
    MAX_SEGMENTATION_IDC = 4095,
};

/* What of the HRD parameters says how long their rest is. */
typedef struct hrd_shape {
    bool has_nal;
    bool has_vcl;
    bool has_sub_pictures;
} hrd_shape;

/* E.2.2, before the sub-layers. */
static hrd_shape read_hrd_head(cm_bits *b)
{
    hrd_shape shape = {0};
    shape.has_nal = cm_bits_read_flag(b);
    shape.has_vcl = cm_bits_read_flag(b);
    if (!shape.has_nal && !shape.has_vcl)
        return shape;
    shape.has_sub_pictures = cm_bits_read_flag(b);
    if (shape.has_sub_pictures)
        (void)cm_bits_read(b, 19); /* divisor and lengths for sub-pictures */
    (void)cm_bits_read(b, 8);      /* bit_rate_scale, cpb_size_scale */
    if (shape.has_sub_pictures)
        (void)cm_bits_read(b, 4); /* cpb_size_du_scale */
    (void)cm_bits_read(b, 15);    /* three lengths of 5 bits */
    return shape;
}

/* E.2.3. */
static void skip_sub_layer_hrd(cm_bits *b, const hrd_shape *shape, uint32_t cpb_count)
{
    for (uint32_t i = 0; i < cpb_count; i++) {
        for (int value = 0; value < (shape->has_sub_pictures ? 4 : 2); value++)
            (void)cm_bits_read_ue(b);
        (void)cm_bits_read_flag(b); /* cbr_flag */
    }
}

static cm_status skip_hrd_parameters(cm_bits *b, uint32_t sub_layers)
{
    const hrd_shape shape = read_hrd_head(b);
    for (uint32_t i = 0; i < sub_layers && !b->failed; i++) {
        const bool is_fixed_in_general = cm_bits_read_flag(b);
        /* fixed_pic_rate_within_cvs_flag follows from the flag before it. */
        const bool is_fixed = is_fixed_in_general || cm_bits_read_flag(b);
        bool is_low_delay = false;
        if (is_fixed)
            (void)cm_bits_read_ue(b); /* elemental_duration_in_tc_minus1 */
        else
            is_low_delay = cm_bits_read_flag(b);
        const uint32_t cpb_count_minus1 = is_low_delay ? 0 : cm_bits_read_ue(b);
        CM_ENSURE(cpb_count_minus1 < MAX_CPB_COUNT, CM_REFUSE);
        if (shape.has_nal)
            skip_sub_layer_hrd(b, &shape, cpb_count_minus1 + 1);
        if (shape.has_vcl)
            skip_sub_layer_hrd(b, &shape, cpb_count_minus1 + 1);
    }
    return CM_OK;
}

static void skip_window(cm_bits *b)
{
    for (int i = 0; i < 4; i++)
        (void)cm_bits_read_ue(b);
}

/* From the beginning to the field flags. */
static void skip_video_signal(cm_bits *b)
{
    if (cm_bits_read_flag(b) && cm_bits_read(b, 8) == EXTENDED_SAR)
        (void)cm_bits_read(b, 32); /* aspect ratio */
    if (cm_bits_read_flag(b))
        (void)cm_bits_read_flag(b); /* overscan_appropriate_flag */
    if (cm_bits_read_flag(b)) {     /* video_signal_type_present_flag */
        (void)cm_bits_read(b, 4);
        if (cm_bits_read_flag(b))
            (void)cm_bits_read(b, 24);
    }
    if (cm_bits_read_flag(b)) { /* chroma_loc_info_present_flag */
        (void)cm_bits_read_ue(b);
        (void)cm_bits_read_ue(b);
    }
}

static cm_status read_restriction(cm_bits *b, cm_h265_sps *sps)
{
    (void)cm_bits_read(b, 3); /* flags of tiles, motion vectors and reference lists */
    const uint32_t segmentation = cm_bits_read_ue(b);
    CM_ENSURE(segmentation <= MAX_SEGMENTATION_IDC, CM_REFUSE);
    sps->min_spatial_segmentation_idc = (uint16_t)segmentation;
    for (int i = 0; i < 4; i++) /* two sizes, two lengths of motion vectors */
        (void)cm_bits_read_ue(b);
    return CM_OK;
}

cm_status cm_h265_read_vui(cm_bits *b, cm_h265_sps *sps)
{
    skip_video_signal(b);
    (void)cm_bits_read_flag(b); /* neutral_chroma_indication_flag */
    sps->is_field_sequence = cm_bits_read_flag(b);
    (void)cm_bits_read_flag(b); /* frame_field_info_present_flag */
    if (cm_bits_read_flag(b))
        skip_window(b); /* default display window: advice, not the picture's size */
    if (cm_bits_read_flag(b)) {
        sps->timing.num_units_in_tick = cm_bits_read(b, 32);
        sps->timing.time_scale = cm_bits_read(b, 32);
        if (cm_bits_read_flag(b))
            (void)cm_bits_read_ue(b); /* vui_num_ticks_poc_diff_one_minus1 */
        if (cm_bits_read_flag(b))
            CM_TRY(skip_hrd_parameters(b, sps->max_sub_layers));
    }
    return cm_bits_read_flag(b) ? read_restriction(b, sps) : CM_OK;
}
