/*
 * slice_header: as much of H.264's parameter sets and slice headers as it takes to put a strip of
 * our own above a scene that was encoded without one. The scene is a picture of its own to its
 * encoder; here its SPS grows by the strip's rows and its slices begin that much lower. That is all
 * that changes: to a slice that predicts nothing from outside itself, the edge of the picture and
 * the edge of the slice above are the same thing (6.4.11, 8.3, 8.4.1.3), as long as no motion
 * vector points over the top edge and nothing is deblocked.
 *
 * Reads what casement-helper's encoder writes (Constrained Baseline, frames only, picture order
 * count type 2, one slice group, one slice per picture) and refuses the rest with CM_REFUSE.
 * All sections are of ITU-T H.264. Pure.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"
#include "base/writer.h"
#include "simcam/bit_writer.h"

typedef struct cm_sps {
    uint8_t profile_idc;
    uint8_t constraints; /* constraint_set0_flag is the top bit */
    uint8_t level_idc;
    uint8_t log2_max_frame_num;
    uint16_t width_mbs;
    uint16_t height_mbs;
} cm_sps;

typedef struct cm_pps {
    int8_t pic_init_qp; /* 26 + pic_init_qp_minus26 */
    bool has_deblocking_control;
} cm_pps;

typedef struct cm_parameters {
    cm_sps sps;
    cm_pps pps;
} cm_parameters;

typedef struct cm_slice_header {
    uint32_t first_mb_in_slice;
    uint32_t frame_num;
    uint32_t idr_pic_id;    /* of an IDR picture */
    bool is_idr;            /* nal_unit_type 5 */
    bool is_intra;          /* slice_type I; else P */
    uint8_t nal_ref_idc;    /* 0 to 3 */
    uint8_t log2_frame_num; /* as in the SPS */
    int8_t qp;              /* SliceQPY */
    bool is_deblocked;      /* disable_deblocking_filter_idc is not 1 */
} cm_slice_header;

/* NAL units start with their header byte and have no start code or length. */
cm_status cm_sps_parse(cm_slice nal, cm_sps *out);
cm_status cm_pps_parse(cm_slice nal, cm_pps *out);

/* The same SPS with `rows` more macroblocks of height and of at least `level_idc`. CM_FULL if
 * `out` is too small. */
cm_status cm_sps_rewrite(cm_slice nal, unsigned rows, uint8_t level_idc, cm_writer *out);

/* Reads slice_header() (7.3.3); *rest, if wanted, is left at slice_data(). */
cm_status cm_slice_header_parse(cm_bits *rest, uint8_t nal_header, const cm_parameters *parameters,
                                cm_slice_header *out);
/* Writes one that says what `header` says, with slice_type all-the-same (5 or 7), undeblocked,
 * without the NAL header byte. */
void cm_slice_header_write(cm_bit_writer *w, const cm_slice_header *header, const cm_pps *pps);

/*
 * The same slice, `mbs` macroblocks further on, added to `out` as a NAL unit, and its header as it
 * is afterwards. CM_FULL if `out` is at its bound.
 */
cm_status cm_slice_move(cm_slice nal, uint32_t mbs, const cm_parameters *parameters, cm_buffer *out,
                        cm_slice_header *header);
