/*
 * h265_slice: slice_header.h for H.265: as much of its parameter sets and slice headers as it takes
 * to put a strip of our own above a scene that was encoded without one. What holds there holds
 * here: slices predict nothing from outside themselves but by motion vectors (ITU-T H.265 6.4.1,
 * 8.4.4.2.2), which do not point over the top edge; nothing is deblocked, nor offset.
 *
 * Reads what casement-helper's encoder writes (8 bits, 4:2:0, coding blocks of 16 alone, IDR and P
 * pictures of one slice, each referring to those shortly before it) and refuses the rest with
 * CM_REFUSE. All sections are of ITU-T H.265. Pure.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"
#include "base/writer.h"
#include "simcam/bit_writer.h"

typedef struct cm_h265_scene_sets {
    uint16_t width; /* in luma samples, coded: a multiple of 16, as the height */
    uint16_t height;
    uint8_t log2_order_count; /* bits of slice_pic_order_cnt_lsb */
    int8_t init_qp;           /* 26 + init_qp_minus26 */
} cm_h265_scene_sets;

/* NAL units start with their header and have no start code or length. The SPS's part of *out, then
 * the PPS's. */
cm_status cm_h265_scene_sps_parse(cm_slice nal, cm_h265_scene_sets *out);
cm_status cm_h265_scene_pps_parse(cm_slice nal, cm_h265_scene_sets *out);

/* The same SPS of a picture `rows` coding blocks higher, added to `out`. */
cm_status cm_h265_sps_grow(cm_slice nal, unsigned rows, cm_buffer *out);

typedef struct cm_h265_slice {
    bool is_idr;
    bool is_intra;
    /* slice_pic_order_cnt_lsb and the reference picture set, as they stand in the header: the same
     * in every slice of a picture (7.4.7.1). None of an IDR picture. */
    uint32_t references;
    uint8_t reference_bits;
    uint32_t merge_candidates; /* five_minus_max_num_merge_cand */
    int32_t qp_delta;
} cm_h265_slice;

/* The same slice, beginning at coding block `first` of the grown picture (of `sets`' width and
 * `rows` more), added to `out` as a NAL unit; and what its header says. */
cm_status cm_h265_slice_move(cm_slice nal, unsigned rows, const cm_h265_scene_sets *sets,
                             cm_buffer *out, cm_h265_slice *header);

/* The header of a slice of type I, the first of the same picture as `scene`, at `qp`; to a whole
 * byte, without the NAL header. */
void cm_h265_first_slice_write(cm_bit_writer *w, const cm_h265_slice *scene,
                               const cm_h265_scene_sets *sets, int qp);
