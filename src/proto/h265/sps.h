/*
 * sps: what we need of the parameter sets of ITU-T H.265: video (7.3.2.1), sequence (7.3.2.2,
 * Annex E) and picture (7.3.2.3).
 *
 * Pure parsers: they take a NAL unit as it was sent (header first, emulation prevention in place)
 * and write *out only on success. CM_CLOSE: truncated or malformed. CM_REFUSE: well-formed, but
 * outside what we serve (size, reserved values, another layer than the base layer).
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"

enum {
    CM_H265_MAX_PARAMETER_SET_BYTES = 512,
    CM_H265_MAX_DIMENSION = 8192, /* pixels, either way */
    CM_H265_CODECS_SIZE = 41,     /* "hvc1.C31.FFFFFFFF.H255.FF.FF.FF.FF.FF.FF", terminator */
};

/* profile_tier_level (7.3.3) of the whole stream: what hvcC and the codec string are made of. */
typedef struct cm_h265_profile {
    uint8_t profile_space; /* 0 to 3 */
    bool is_high_tier;
    uint8_t profile_idc;          /* 0 to 31: 1 Main, 2 Main 10 */
    uint8_t level_idc;            /* 30 times the level's number */
    uint32_t compatibility_flags; /* general_profile_compatibility_flag[0] is bit 31 */
    uint64_t constraint_flags;    /* 48 bits: general_progressive_source_flag is bit 47 */
} cm_h265_profile;

/* A picture lasts num_units_in_tick / time_scale seconds. */
typedef struct cm_h265_timing {
    uint32_t num_units_in_tick; /* 0 when there is no timing */
    uint32_t time_scale;
} cm_h265_timing;

typedef struct cm_h265_vps {
    uint8_t id;             /* 0 to 15 */
    uint8_t max_sub_layers; /* 1 to 7 */
    bool is_temporal_id_nested;
    cm_h265_profile profile;
    cm_h265_timing timing;
} cm_h265_vps;

cm_status cm_h265_vps_parse(cm_slice nal, cm_h265_vps *out);

typedef struct cm_h265_sps {
    uint8_t id;             /* 0 to 15 */
    uint8_t vps_id;         /* 0 to 15 */
    uint8_t max_sub_layers; /* 1 to 7 */
    bool is_temporal_id_nested;
    cm_h265_profile profile;
    uint8_t chroma_format_idc; /* 0 to 3: 4:0:0, 4:2:0, 4:2:2, 4:4:4 */
    uint8_t bit_depth_luma;    /* 8 to 15 */
    uint8_t bit_depth_chroma;
    uint16_t width; /* pixels, after cropping by the conformance window */
    uint16_t height;
    /* Of the highest sub-layer: pictures that may precede one in decoding order and follow it in
     * output order. 0 means that decoding order is display order. */
    uint8_t max_num_reorder;
    bool is_field_sequence; /* each picture is one field, of half the height */
    cm_h265_timing timing;
    uint16_t min_spatial_segmentation_idc; /* 0 to 4095 */
} cm_h265_sps;

cm_status cm_h265_sps_parse(cm_slice nal, cm_h265_sps *out);

/* Pictures per second in thousandths, 0 when it does not say so, or says nonsense (> 1000). */
uint32_t cm_h265_frame_rate_milli(const cm_h265_timing *timing);

/* "hvc1.1.6.L93.90" (ISO/IEC 14496-15 E.3): for streams whose parameter sets are not in band. */
void cm_h265_codecs(const cm_h265_profile *profile, char out[CM_H265_CODECS_SIZE]);

typedef struct cm_h265_pps_ids {
    uint8_t pps_id; /* 0 to 63 */
    uint8_t sps_id; /* 0 to 15 */
} cm_h265_pps_ids;

cm_status cm_h265_pps_parse(cm_slice nal, cm_h265_pps_ids *out);
