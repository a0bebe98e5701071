#include "simcam/h265_slice.h"

#include "proto/h264/nal.h"
#include "proto/h265/nal.h"
#include "simcam/code.h"
#include "simcam/nal_rewrite.h"

enum {
    SLICE_P = 1,
    SLICE_I = 2,
    PROFILE_BITS = 96, /* general part of profile_tier_level(), with the level */
    LARGEST_SIDE = 4096,
    PARAMETER_SET_SIZE = 512,
    REFERENCES_MAX = 4,
    REFERENCE_BITS_MAX = 24,
    BLOCK = CM_CODE_MACROBLOCK,
};

/* A parameter set without emulation prevention. */
typedef struct parameter_set {
    uint8_t storage[PARAMETER_SET_SIZE];
    cm_bits bits; /* behind the NAL header */
} parameter_set;

static cm_status open_parameter_set(cm_slice nal, cm_h265_nal_type type, parameter_set *out)
{
    CM_ENSURE(cm_h265_nal_type_of(nal) == type, CM_REFUSE);
    cm_writer w = cm_writer_over(out->storage, sizeof out->storage);
    CM_ENSURE(cm_h264_unescape(cm_slice_from(nal, CM_H265_NAL_HEADER_SIZE), &w) == CM_OK,
              CM_REFUSE);
    out->bits = cm_bits_over(cm_writer_done(&w));
    return CM_OK;
}

/* The next ones are all of the wanted value. */
static bool is_next(cm_bits *r, unsigned count, uint32_t wanted)
{
    return cm_bits_read(r, count) == wanted && !r->failed;
}

static bool is_next_ue(cm_bits *r, uint32_t wanted)
{
    return cm_bits_read_ue(r) == wanted && !r->failed;
}

static void skip(cm_bits *r, unsigned count)
{
    for (; count > 32; count -= 32)
        (void)cm_bits_read(r, 32);
    (void)cm_bits_read(r, count);
}

/* ---- sequence parameter set: 7.3.2.2.1 ---- */

/* As far as pic_height_in_luma_samples, where *r is left: just before it. */
static cm_status read_to_height(cm_bits *r, cm_h265_scene_sets *sets)
{
    skip(r, 4);                             /* sps_video_parameter_set_id */
    CM_ENSURE(is_next(r, 3, 0), CM_REFUSE); /* one sub-layer */
    skip(r, 1 + PROFILE_BITS);
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* sps_seq_parameter_set_id */
    CM_ENSURE(is_next_ue(r, 1), CM_REFUSE); /* chroma_format_idc */
    const uint32_t width = cm_bits_read_ue(r);
    CM_ENSURE(!r->failed && width > 0 && width <= LARGEST_SIDE && width % BLOCK == 0, CM_REFUSE);
    sets->width = (uint16_t)width;
    return CM_OK;
}

static cm_status read_height(cm_bits *r, cm_h265_scene_sets *sets)
{
    const uint32_t height = cm_bits_read_ue(r);
    CM_ENSURE(!r->failed && height > 0 && height <= LARGEST_SIDE && height % BLOCK == 0, CM_REFUSE);
    sets->height = (uint16_t)height;
    return CM_OK;
}

/* Coding blocks of 16, transform blocks up to that, and one of them to an intra block. */
static cm_status read_block_sizes(cm_bits *r)
{
    CM_ENSURE(is_next_ue(r, 1), CM_REFUSE); /* log2_min_luma_coding_block_size_minus3 */
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* and no larger ones */
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* log2_min_luma_transform_block_size_minus2 */
    CM_ENSURE(is_next_ue(r, 2), CM_REFUSE); /* up to 16 */
    (void)cm_bits_read_ue(r);               /* max_transform_hierarchy_depth_inter */
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* max_transform_hierarchy_depth_intra */
    return CM_OK;
}

static cm_status read_behind_height(cm_bits *r, cm_h265_scene_sets *sets)
{
    if (cm_bits_read_flag(r)) /* conformance_window_flag */
        for (size_t i = 0; i < 4; i++)
            (void)cm_bits_read_ue(r);
    CM_ENSURE(is_next_ue(r, 0) && is_next_ue(r, 0), CM_REFUSE); /* 8 bits, luma and chroma */
    const uint32_t order_count = cm_bits_read_ue(r) + 4;
    CM_ENSURE(!r->failed && order_count <= 16, CM_REFUSE);
    sets->log2_order_count = (uint8_t)order_count;
    skip(r, 1); /* sps_sub_layer_ordering_info_present_flag: there is one sub-layer */
    for (size_t i = 0; i < 3; i++)
        (void)cm_bits_read_ue(r);
    CM_TRY(read_block_sizes(r));
    CM_ENSURE(is_next(r, 1, 0), CM_REFUSE); /* scaling_list_enabled_flag */
    skip(r, 1);                             /* amp_enabled_flag */
    CM_ENSURE(is_next(r, 2, 0), CM_REFUSE); /* sample_adaptive_offset, pcm */
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* num_short_term_ref_pic_sets */
    CM_ENSURE(is_next(r, 2, 0), CM_REFUSE); /* long_term_ref_pics, sps_temporal_mvp */
    return CM_OK;
}

cm_status cm_h265_scene_sps_parse(cm_slice nal, cm_h265_scene_sets *out)
{
    parameter_set set;
    cm_h265_scene_sets sets = *out;
    CM_TRY(open_parameter_set(nal, CM_H265_NAL_SPS, &set));
    CM_TRY(read_to_height(&set.bits, &sets));
    CM_TRY(read_height(&set.bits, &sets));
    CM_TRY(read_behind_height(&set.bits, &sets));
    *out = sets;
    return CM_OK;
}

static cm_status grow(void *context, cm_bits *from, cm_bit_writer *to)
{
    const unsigned *rows = context;
    cm_h265_scene_sets sets = {0};
    cm_bits copy = *from;
    CM_TRY(read_to_height(from, &sets));
    while (copy.position < from->position)
        cm_bit_write(to, cm_bits_read(&copy, 1), 1);
    CM_TRY(read_height(from, &sets));
    CM_ENSURE(sets.height + *rows * BLOCK <= LARGEST_SIDE, CM_REFUSE);
    cm_bit_write_ue(to, sets.height + *rows * BLOCK);
    cm_bit_write_rest(to, from);
    return from->failed ? CM_REFUSE : CM_OK;
}

cm_status cm_h265_sps_grow(cm_slice nal, unsigned rows, cm_buffer *out)
{
    return cm_nal_rewrite(nal, CM_H265_NAL_HEADER_SIZE, grow, &rows, out);
}

/* ---- picture parameter set: 7.3.2.3.1 ---- */

/* What would stand in slice headers or coding blocks, and does not. */
static cm_status read_tools(cm_bits *r)
{
    CM_ENSURE(is_next(r, 3, 0),
              CM_REFUSE);     /* constrained_intra_pred, transform_skip, cu_qp_delta */
    (void)cm_bits_read_se(r); /* pps_cb_qp_offset */
    (void)cm_bits_read_se(r);
    /* slice_chroma_qp_offsets, weighted_pred, weighted_bipred, transquant_bypass, tiles,
     * entropy_coding_sync */
    CM_ENSURE(is_next(r, 6, 0), CM_REFUSE);
    skip(r, 1); /* loop filters across slices: there are none */
    /* deblocking: controlled here, not overridden, off; no scaling list, no modified lists */
    CM_ENSURE(is_next(r, 5, 0x14), CM_REFUSE);
    (void)cm_bits_read_ue(r);               /* log2_parallel_merge_level_minus2 */
    CM_ENSURE(is_next(r, 1, 0), CM_REFUSE); /* slice_segment_header_extension */
    return CM_OK;
}

cm_status cm_h265_scene_pps_parse(cm_slice nal, cm_h265_scene_sets *out)
{
    parameter_set set;
    cm_bits *r = &set.bits;
    CM_TRY(open_parameter_set(nal, CM_H265_NAL_PPS, &set));
    CM_ENSURE(is_next_ue(r, 0) && is_next_ue(r, 0), CM_REFUSE); /* ids */
    /* dependent_slice_segments, output_flag, three extra bits, sign_data_hiding, cabac_init */
    CM_ENSURE(is_next(r, 7, 0), CM_REFUSE);
    (void)cm_bits_read_ue(r); /* num_ref_idx_l0_default_active_minus1 */
    (void)cm_bits_read_ue(r);
    const int32_t init_qp = cm_bits_read_se(r);
    CM_ENSURE(!r->failed && init_qp >= -26 && init_qp <= 25, CM_REFUSE);
    CM_TRY(read_tools(r));
    out->init_qp = (int8_t)(26 + init_qp);
    return CM_OK;
}

/* ---- slice segment header: 7.3.6.1 ---- */

/* slice_pic_order_cnt_lsb and st_ref_pic_set(0) (7.3.7): pictures before this one. */
static cm_status read_references(cm_bits *r, const cm_h265_scene_sets *sets, cm_h265_slice *h)
{
    cm_bits again = *r;
    skip(r, sets->log2_order_count);
    CM_ENSURE(is_next(r, 1, 0), CM_REFUSE); /* short_term_ref_pic_set_sps_flag */
    const uint32_t before = cm_bits_read_ue(r);
    CM_ENSURE(!r->failed && before <= REFERENCES_MAX && is_next_ue(r, 0), CM_REFUSE);
    for (uint32_t i = 0; i < before; i++) {
        (void)cm_bits_read_ue(r); /* delta_poc_s0_minus1 */
        skip(r, 1);               /* used_by_curr_pic_s0_flag */
    }
    const size_t bits = r->position - again.position;
    CM_ENSURE(!r->failed && bits <= REFERENCE_BITS_MAX, CM_REFUSE);
    h->reference_bits = (uint8_t)bits;
    h->references = cm_bits_read(&again, h->reference_bits);
    return CM_OK;
}

static cm_status read_header(cm_bits *r, const cm_h265_scene_sets *sets, cm_h265_slice *h)
{
    CM_ENSURE(is_next(r, 1, 1), CM_REFUSE); /* first_slice_segment_in_pic_flag */
    if (h->is_idr)
        skip(r, 1);                         /* no_output_of_prior_pics_flag */
    CM_ENSURE(is_next_ue(r, 0), CM_REFUSE); /* slice_pic_parameter_set_id */
    const uint32_t type = cm_bits_read_ue(r);
    CM_ENSURE(type == SLICE_I || (type == SLICE_P && !h->is_idr), CM_REFUSE);
    h->is_intra = type == SLICE_I;
    if (!h->is_idr)
        CM_TRY(read_references(r, sets, h));
    if (!h->is_intra) {
        CM_ENSURE(is_next(r, 1, 0), CM_REFUSE); /* num_ref_idx_active_override_flag */
        h->merge_candidates = cm_bits_read_ue(r);
        CM_ENSURE(h->merge_candidates <= 4, CM_REFUSE);
    }
    h->qp_delta = cm_bits_read_se(r);
    CM_ENSURE(!r->failed && h->qp_delta >= -51 && h->qp_delta <= 51, CM_REFUSE);
    return CM_OK;
}

/* byte_alignment() (7.3.2.13), then slice data, which is a whole number of bytes. */
static cm_status copy_data(cm_bits *from, cm_bit_writer *to)
{
    CM_ENSURE(is_next(from, 1, 1), CM_REFUSE);
    CM_ENSURE(is_next(from, (unsigned)(-from->position & 7), 0), CM_REFUSE);
    cm_bit_write_trailing(to);
    cm_bit_write_aligned(to, cm_slice_from(from->bytes, from->position / 8));
    return CM_OK;
}

static void write_type(cm_bit_writer *w, const cm_h265_slice *h, bool is_intra)
{
    cm_bit_write_ue(w, is_intra ? SLICE_I : SLICE_P);
    cm_bit_write(w, h->references, h->reference_bits);
}

/* slice_segment_address has Ceil(Log2(PicSizeInCtbsY)) bits. */
static unsigned address_bits(const cm_h265_scene_sets *sets, unsigned rows)
{
    const unsigned blocks = sets->width / BLOCK * (sets->height / BLOCK + rows);
    unsigned bits = 0;
    while (blocks > 1u << bits)
        bits++;
    return bits;
}

typedef struct move {
    unsigned rows;
    const cm_h265_scene_sets *sets;
    cm_h265_slice header;
} move;

static cm_status move_slice(void *context, cm_bits *from, cm_bit_writer *to)
{
    move *m = context;
    cm_h265_slice *h = &m->header;
    CM_TRY(read_header(from, m->sets, h));
    cm_bit_write(to, 0, 1);
    if (h->is_idr)
        cm_bit_write(to, 0, 1);
    cm_bit_write_ue(to, 0);
    cm_bit_write(to, m->rows * (m->sets->width / BLOCK), address_bits(m->sets, m->rows));
    write_type(to, h, h->is_intra);
    if (!h->is_intra) {
        cm_bit_write(to, 0, 1);
        cm_bit_write_ue(to, h->merge_candidates);
    }
    cm_bit_write_se(to, h->qp_delta);
    return copy_data(from, to);
}

cm_status cm_h265_slice_move(cm_slice nal, unsigned rows, const cm_h265_scene_sets *sets,
                             cm_buffer *out, cm_h265_slice *header)
{
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    const bool is_idr = type == CM_H265_NAL_IDR_N_LP || type == CM_H265_NAL_IDR_W_RADL;
    CM_ENSURE(is_idr || type == CM_H265_NAL_TRAIL_R || type == CM_H265_NAL_TRAIL_N, CM_REFUSE);
    move m = {.rows = rows, .sets = sets, .header = {.is_idr = is_idr}};
    CM_TRY(cm_nal_rewrite(nal, CM_H265_NAL_HEADER_SIZE, move_slice, &m, out));
    *header = m.header;
    return CM_OK;
}

void cm_h265_first_slice_write(cm_bit_writer *w, const cm_h265_slice *scene,
                               const cm_h265_scene_sets *sets, int qp)
{
    cm_bit_write(w, 1, 1);
    if (scene->is_idr)
        cm_bit_write(w, 0, 1);
    cm_bit_write_ue(w, 0);
    write_type(w, scene, true);
    cm_bit_write_se(w, qp - sets->init_qp);
    cm_bit_write_trailing(w);
}
