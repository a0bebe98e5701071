#include "simcam/slice_header.h"

#include "proto/h264/nal.h"
#include "simcam/nal_rewrite.h"

enum {
    PROFILE_BASELINE = 66,
    SLICE_P = 0,
    SLICE_I = 2,
    SLICE_ALL_SAME = 5,   /* added to slice_type: every slice of the picture is of that type */
    LARGEST_MBS = 1 << 8, /* on a side: 4096 pixels, more than any strip is for */
    LARGEST_FIELD = 65535,
    PARAMETER_SET_SIZE = 512,
};

/* A parameter set without emulation prevention. */
typedef struct parameter_set {
    uint8_t storage[PARAMETER_SET_SIZE];
    cm_slice bytes; /* in storage, without the NAL header */
} parameter_set;

static cm_status open_parameter_set(cm_slice nal, uint8_t type, parameter_set *out)
{
    CM_ENSURE(nal.size > 1 && (nal.bytes[0] & 0x1F) == type, CM_REFUSE);
    cm_writer w = cm_writer_over(out->storage, sizeof out->storage);
    CM_ENSURE(cm_h264_unescape(cm_slice_from(nal, 1), &w) == CM_OK, CM_REFUSE);
    out->bytes = cm_writer_done(&w);
    return CM_OK;
}

/* 7.3.2.1.1 as far as pic_height_in_map_units_minus1, where *r is left: just before it. */
static cm_status read_sps_to_height(cm_bits *r, cm_sps *sps)
{
    sps->profile_idc = (uint8_t)cm_bits_read(r, 8);
    sps->constraints = (uint8_t)cm_bits_read(r, 8);
    sps->level_idc = (uint8_t)cm_bits_read(r, 8);
    const uint32_t id = cm_bits_read_ue(r);
    const uint32_t log2_frame_num = cm_bits_read_ue(r) + 4;
    const uint32_t order_count_type = cm_bits_read_ue(r);
    (void)cm_bits_read_ue(r); /* max_num_ref_frames */
    (void)cm_bits_read(r, 1); /* gaps_in_frame_num_value_allowed_flag */
    const uint32_t width = cm_bits_read_ue(r) + 1;
    CM_ENSURE(!r->failed && sps->profile_idc == PROFILE_BASELINE && id == 0, CM_REFUSE);
    CM_ENSURE(log2_frame_num <= 16 && order_count_type == 2, CM_REFUSE);
    CM_ENSURE(width <= LARGEST_MBS, CM_REFUSE);
    sps->log2_max_frame_num = (uint8_t)log2_frame_num;
    sps->width_mbs = (uint16_t)width;
    return CM_OK;
}

cm_status cm_sps_parse(cm_slice nal, cm_sps *out)
{
    parameter_set set;
    CM_TRY(open_parameter_set(nal, CM_H264_NAL_SPS, &set));
    cm_bits r = cm_bits_over(set.bytes);
    cm_sps sps = {0};
    CM_TRY(read_sps_to_height(&r, &sps));
    const uint32_t height = cm_bits_read_ue(&r) + 1;
    const bool is_frames_only = cm_bits_read(&r, 1) == 1;
    CM_ENSURE(!r.failed && is_frames_only && height <= LARGEST_MBS, CM_REFUSE);
    sps.height_mbs = (uint16_t)height;
    *out = sps;
    return CM_OK;
}

/* Puts `w`'s RBSP, escaped, behind the NAL header. */
static cm_status close_nal(uint8_t nal_header, const cm_bit_writer *w, cm_writer *out)
{
    cm_slice bytes;
    CM_TRY(cm_bit_writer_finish(w, &bytes));
    cm_write_u8(out, nal_header);
    return cm_h264_escape(bytes, out);
}

cm_status cm_sps_rewrite(cm_slice nal, unsigned rows, uint8_t level_idc, cm_writer *out)
{
    parameter_set set;
    CM_TRY(open_parameter_set(nal, CM_H264_NAL_SPS, &set));
    cm_bits r = cm_bits_over(set.bytes);
    cm_sps sps = {0};
    CM_TRY(read_sps_to_height(&r, &sps));
    uint8_t storage[PARAMETER_SET_SIZE];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    cm_bit_write(&w, sps.profile_idc, 8);
    cm_bit_write(&w, sps.constraints, 8);
    cm_bit_write(&w, level_idc > sps.level_idc ? level_idc : sps.level_idc, 8);
    cm_bits copy = cm_bits_over(set.bytes);
    copy.position = 24;
    while (copy.position < r.position)
        cm_bit_write(&w, cm_bits_read(&copy, 1), 1);
    const uint32_t height = cm_bits_read_ue(&r) + 1;
    CM_ENSURE(!r.failed && height + rows <= LARGEST_MBS, CM_REFUSE);
    cm_bit_write_ue(&w, height + rows - 1);
    cm_bit_write_rest(&w, &r);
    CM_ENSURE(!r.failed, CM_REFUSE);
    return close_nal(nal.bytes[0], &w, out);
}

/* 7.3.2.2 */
cm_status cm_pps_parse(cm_slice nal, cm_pps *out)
{
    parameter_set set;
    CM_TRY(open_parameter_set(nal, CM_H264_NAL_PPS, &set));
    cm_bits r = cm_bits_over(set.bytes);
    const uint32_t id = cm_bits_read_ue(&r);
    const uint32_t sps_id = cm_bits_read_ue(&r);
    const bool is_cabac = cm_bits_read(&r, 1) == 1;
    const bool has_bottom_field_order = cm_bits_read(&r, 1) == 1;
    const uint32_t slice_groups = cm_bits_read_ue(&r) + 1;
    const uint32_t references = cm_bits_read_ue(&r) + 1;
    (void)cm_bits_read_ue(&r);                         /* num_ref_idx_l1_default_active_minus1 */
    const bool is_weighted = cm_bits_read(&r, 3) != 0; /* and weighted_bipred_idc */
    const int32_t init_qp = 26 + cm_bits_read_se(&r);
    (void)cm_bits_read_se(&r); /* pic_init_qs_minus26 */
    (void)cm_bits_read_se(&r); /* chroma_qp_index_offset */
    const bool has_deblocking_control = cm_bits_read(&r, 1) == 1;
    const bool is_constrained_intra = cm_bits_read(&r, 1) == 1;
    const bool has_redundant = cm_bits_read(&r, 1) == 1;
    CM_ENSURE(!r.failed && id == 0 && sps_id == 0 && !is_cabac && !has_bottom_field_order,
              CM_REFUSE);
    CM_ENSURE(slice_groups == 1 && references == 1 && !is_weighted && !has_redundant, CM_REFUSE);
    CM_ENSURE(init_qp >= 0 && init_qp <= 51 && has_deblocking_control && !is_constrained_intra,
              CM_REFUSE);
    *out =
        (cm_pps){.pic_init_qp = (int8_t)init_qp, .has_deblocking_control = has_deblocking_control};
    return CM_OK;
}

/* 7.3.3.1 and 7.3.3.3: nothing but the defaults is taken. */
static cm_status read_references(cm_bits *r, const cm_slice_header *h)
{
    if (!h->is_intra) {
        const bool has_override = cm_bits_read(r, 1) == 1;
        const uint32_t references = has_override ? cm_bits_read_ue(r) + 1 : 1;
        const bool is_modified = cm_bits_read(r, 1) == 1;
        CM_ENSURE(references == 1 && !is_modified, CM_REFUSE);
    }
    if (h->nal_ref_idc != 0) {
        /* no_output_of_prior_pics_flag and long_term_reference_flag, or the adaptive marking */
        const uint32_t marking = cm_bits_read(r, h->is_idr ? 2 : 1);
        CM_ENSURE(marking == 0, CM_REFUSE);
    }
    return CM_OK;
}

cm_status cm_slice_header_parse(cm_bits *r, uint8_t nal_header, const cm_parameters *parameters,
                                cm_slice_header *out)
{
    const uint8_t type = nal_header & 0x1F;
    CM_ENSURE(type == CM_H264_NAL_SLICE || type == CM_H264_NAL_IDR, CM_REFUSE);
    cm_slice_header h = {.is_idr = type == CM_H264_NAL_IDR,
                         .nal_ref_idc = nal_header >> 5 & 3,
                         .log2_frame_num = parameters->sps.log2_max_frame_num};
    h.first_mb_in_slice = cm_bits_read_ue(r);
    const uint32_t slice_type = cm_bits_read_ue(r) % SLICE_ALL_SAME;
    const uint32_t pps_id = cm_bits_read_ue(r);
    CM_ENSURE(slice_type == SLICE_P || slice_type == SLICE_I, CM_REFUSE);
    CM_ENSURE(pps_id == 0 && (!h.is_idr || slice_type == SLICE_I), CM_REFUSE);
    h.is_intra = slice_type == SLICE_I;
    h.frame_num = cm_bits_read(r, h.log2_frame_num);
    if (h.is_idr)
        h.idr_pic_id = cm_bits_read_ue(r);
    /* 7.4.3 bounds them by 65,535 and the picture's size; what is written back must fit. */
    CM_ENSURE(h.idr_pic_id < LARGEST_FIELD && h.first_mb_in_slice < LARGEST_FIELD / 2, CM_REFUSE);
    CM_TRY(read_references(r, &h));
    const int32_t qp = parameters->pps.pic_init_qp + cm_bits_read_se(r);
    CM_ENSURE(qp >= 0 && qp <= 51, CM_REFUSE);
    h.qp = (int8_t)qp;
    h.is_deblocked = cm_bits_read_ue(r) != 1;
    if (h.is_deblocked) {
        (void)cm_bits_read_se(r); /* slice_alpha_c0_offset_div2 */
        (void)cm_bits_read_se(r); /* slice_beta_offset_div2 */
    }
    CM_ENSURE(!r->failed, CM_REFUSE);
    *out = h;
    return CM_OK;
}

void cm_slice_header_write(cm_bit_writer *w, const cm_slice_header *h, const cm_pps *pps)
{
    cm_bit_write_ue(w, h->first_mb_in_slice);
    cm_bit_write_ue(w, SLICE_ALL_SAME + (h->is_intra ? SLICE_I : SLICE_P));
    cm_bit_write_ue(w, 0); /* pic_parameter_set_id */
    cm_bit_write(w, h->frame_num, h->log2_frame_num);
    if (h->is_idr)
        cm_bit_write_ue(w, h->idr_pic_id);
    if (!h->is_intra)
        cm_bit_write(w, 0, 2); /* num_ref_idx_active_override, ref_pic_list_modification */
    if (h->nal_ref_idc != 0)
        cm_bit_write(w, 0, h->is_idr ? 2 : 1); /* dec_ref_pic_marking(): sliding window */
    cm_bit_write_se(w, h->qp - pps->pic_init_qp);
    cm_bit_write_ue(w, 1); /* disable_deblocking_filter_idc */
}

typedef struct move {
    uint32_t mbs;
    const cm_parameters *parameters;
    uint8_t nal_header;
    cm_slice_header header;
} move;

static cm_status move_slice(void *context, cm_bits *from, cm_bit_writer *to)
{
    move *m = context;
    CM_TRY(cm_slice_header_parse(from, m->nal_header, m->parameters, &m->header));
    /* The strip's edge would be smoothed into the scene. */
    CM_ENSURE(!m->header.is_deblocked, CM_REFUSE);
    m->header.first_mb_in_slice += m->mbs;
    cm_slice_header_write(to, &m->header, &m->parameters->pps);
    cm_bit_write_rest(to, from);
    CM_ENSURE(!from->failed, CM_REFUSE);
    return CM_OK;
}

cm_status cm_slice_move(cm_slice nal, uint32_t mbs, const cm_parameters *parameters, cm_buffer *out,
                        cm_slice_header *header)
{
    CM_ENSURE(nal.size > 1, CM_REFUSE);
    move m = {.mbs = mbs, .parameters = parameters, .nal_header = nal.bytes[0]};
    CM_TRY(cm_nal_rewrite(nal, 1, move_slice, &m, out));
    *header = m.header;
    return CM_OK;
}
