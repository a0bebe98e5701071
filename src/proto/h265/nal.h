/*
 * nal: the NAL units of ITU-T H.265 (7.3.1, 7.4.2), header byte by header byte.
 *
 * Pure. Start codes (Annex B), 4-byte lengths (ISO/IEC 14496-15 4.3) and emulation prevention
 * (7.4.2.3) are H.264's to the bit: proto/h264/nal.h reads and writes them for both. A NAL unit
 * here is its two header bytes and what follows, with its emulation prevention bytes, without start
 * code or length.
 */
#pragma once

#include "proto/h264/nal.h"

enum { CM_H265_NAL_HEADER_SIZE = 2 };

/* nal_unit_type, table 7-1; from 48 on, the packet types of RFC 7798 4.2. Of the slices, _N is a
 * picture that no other of its temporal sub-layer refers to. */
typedef enum cm_h265_nal_type {
    CM_H265_NAL_TRAIL_N = 0,
    CM_H265_NAL_TRAIL_R = 1,
    CM_H265_NAL_TSA_N = 2,
    CM_H265_NAL_TSA_R = 3,
    CM_H265_NAL_STSA_N = 4,
    CM_H265_NAL_STSA_R = 5,
    CM_H265_NAL_RADL_N = 6,
    CM_H265_NAL_RADL_R = 7,
    CM_H265_NAL_RASL_N = 8,
    CM_H265_NAL_RASL_R = 9,
    CM_H265_NAL_BLA_W_LP = 16,
    CM_H265_NAL_BLA_W_RADL = 17,
    CM_H265_NAL_BLA_N_LP = 18,
    CM_H265_NAL_IDR_W_RADL = 19,
    CM_H265_NAL_IDR_N_LP = 20,
    CM_H265_NAL_CRA = 21,
    CM_H265_NAL_VPS = 32,
    CM_H265_NAL_SPS = 33,
    CM_H265_NAL_PPS = 34,
    CM_H265_NAL_DELIMITER = 35,
    CM_H265_NAL_END_OF_SEQUENCE = 36,
    CM_H265_NAL_END_OF_STREAM = 37,
    CM_H265_NAL_FILLER = 38,
    CM_H265_NAL_SEI_PREFIX = 39,
    CM_H265_NAL_SEI_SUFFIX = 40,
    CM_H265_NAL_AGGREGATE = 48,
    CM_H265_NAL_FRAGMENT = 49,
    CM_H265_NAL_PACI = 50,
    CM_H265_NAL_NONE = 64, /* of what is too short for a header */
} cm_h265_nal_type;

typedef struct cm_h265_nal_header {
    cm_h265_nal_type type;
    uint8_t layer_id;    /* nuh_layer_id: 0 is the base layer, the only one that we serve */
    uint8_t temporal_id; /* 0 to 6 */
} cm_h265_nal_header;

/* CM_CLOSE if it is too short, forbidden_zero_bit is set or nuh_temporal_id_plus1 is 0. */
cm_status cm_h265_nal_header_parse(cm_slice nal, cm_h265_nal_header *out);

/* From the first byte; NONE when there are not two. */
cm_h265_nal_type cm_h265_nal_type_of(cm_slice nal);
/* "IDR_W_RADL", "AP", ... as the standards write them, or "reserved". Static storage. */
const char *cm_h265_nal_type_name(cm_h265_nal_type type);

/* Part of a coded picture, of a type that has a meaning (decoders ignore the reserved ones). */
bool cm_h265_nal_is_slice(cm_slice nal);
/* Of an IRAP picture (BLA, IDR, CRA): itself decodable without any other. */
bool cm_h265_nal_is_irap(cm_slice nal);
/* Of a RASL picture: may refer to pictures before the CRA or BLA picture that it follows, and
 * cannot be decoded when decoding begins there. */
bool cm_h265_nal_is_rasl(cm_slice nal);
/* first_slice_segment_in_pic_flag is set (7.3.6.1). False unless it is a slice. */
bool cm_h265_nal_begins_picture(cm_slice nal);
