/* The long parts of an SPS, each read to its end: files vui.c and reference_sets.c for sps.c. */
#pragma once

#include "base/bits.h"
#include "proto/h265/sps.h"

enum { CM_H265_MAX_DPB = 16 }; /* A.4.2: MaxDpbSize is at most 16 */

/* vui_parameters (E.2.1): timing, field_seq_flag and min_spatial_segmentation_idc are kept. */
cm_status cm_h265_read_vui(cm_bits *b, cm_h265_sps *sps);

/* num_short_term_ref_pic_sets and the sets (7.3.7), of which nothing is kept. */
cm_status cm_h265_skip_reference_sets(cm_bits *b);
