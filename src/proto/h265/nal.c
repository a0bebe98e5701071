#include "proto/h265/nal.h"

enum {
    FORBIDDEN_BIT = 0x80,
    TYPE_MASK = 0x3f,
    TYPE_COUNT = TYPE_MASK + 1,
    LAYER_MASK = 0x3f,
    TEMPORAL_ID_PLUS1_MASK = 7,
    FIRST_SLICE_SEGMENT = 0x80, /* the first bit of every slice segment header */
};

cm_status cm_h265_nal_header_parse(cm_slice nal, cm_h265_nal_header *out)
{
    cm_reader r = cm_reader_over(nal);
    const uint16_t header = cm_read_u16(&r);
    const unsigned temporal_id_plus1 = header & TEMPORAL_ID_PLUS1_MASK;
    CM_ENSURE(!r.failed && temporal_id_plus1 > 0, CM_CLOSE);
    CM_ENSURE((header >> 8 & FORBIDDEN_BIT) == 0, CM_CLOSE);
    *out = (cm_h265_nal_header){
        .type = (cm_h265_nal_type)(header >> 9 & TYPE_MASK),
        .layer_id = (uint8_t)(header >> 3 & LAYER_MASK),
        .temporal_id = (uint8_t)(temporal_id_plus1 - 1),
    };
    return CM_OK;
}

cm_h265_nal_type cm_h265_nal_type_of(cm_slice nal)
{
    return nal.size >= CM_H265_NAL_HEADER_SIZE ? (cm_h265_nal_type)(nal.bytes[0] >> 1 & TYPE_MASK)
                                               : CM_H265_NAL_NONE;
}

const char *cm_h265_nal_type_name(cm_h265_nal_type type)
{
    static const char *const NAMES[TYPE_COUNT] = {
        [CM_H265_NAL_TRAIL_N] = "TRAIL_N",
        [CM_H265_NAL_TRAIL_R] = "TRAIL_R",
        [CM_H265_NAL_TSA_N] = "TSA_N",
        [CM_H265_NAL_TSA_R] = "TSA_R",
        [CM_H265_NAL_STSA_N] = "STSA_N",
        [CM_H265_NAL_STSA_R] = "STSA_R",
        [CM_H265_NAL_RADL_N] = "RADL_N",
        [CM_H265_NAL_RADL_R] = "RADL_R",
        [CM_H265_NAL_RASL_N] = "RASL_N",
        [CM_H265_NAL_RASL_R] = "RASL_R",
        [CM_H265_NAL_BLA_W_LP] = "BLA_W_LP",
        [CM_H265_NAL_BLA_W_RADL] = "BLA_W_RADL",
        [CM_H265_NAL_BLA_N_LP] = "BLA_N_LP",
        [CM_H265_NAL_IDR_W_RADL] = "IDR_W_RADL",
        [CM_H265_NAL_IDR_N_LP] = "IDR_N_LP",
        [CM_H265_NAL_CRA] = "CRA",
        [CM_H265_NAL_VPS] = "VPS",
        [CM_H265_NAL_SPS] = "SPS",
        [CM_H265_NAL_PPS] = "PPS",
        [CM_H265_NAL_DELIMITER] = "AUD",
        [CM_H265_NAL_END_OF_SEQUENCE] = "EOS",
        [CM_H265_NAL_END_OF_STREAM] = "EOB",
        [CM_H265_NAL_FILLER] = "FD",
        [CM_H265_NAL_SEI_PREFIX] = "PREFIX_SEI",
        [CM_H265_NAL_SEI_SUFFIX] = "SUFFIX_SEI",
        [CM_H265_NAL_AGGREGATE] = "AP",
        [CM_H265_NAL_FRAGMENT] = "FU",
        [CM_H265_NAL_PACI] = "PACI",
    };
    const char *name = (unsigned)type < TYPE_COUNT ? NAMES[type] : NULL;
    return name != NULL ? name : "reserved";
}

bool cm_h265_nal_is_irap(cm_slice nal)
{
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    return type >= CM_H265_NAL_BLA_W_LP && type <= CM_H265_NAL_CRA;
}

bool cm_h265_nal_is_slice(cm_slice nal)
{
    return cm_h265_nal_type_of(nal) <= CM_H265_NAL_RASL_R || cm_h265_nal_is_irap(nal);
}

bool cm_h265_nal_is_rasl(cm_slice nal)
{
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    return type == CM_H265_NAL_RASL_N || type == CM_H265_NAL_RASL_R;
}

bool cm_h265_nal_begins_picture(cm_slice nal)
{
    return cm_h265_nal_is_slice(nal) && nal.size > CM_H265_NAL_HEADER_SIZE &&
           (nal.bytes[CM_H265_NAL_HEADER_SIZE] & FIRST_SLICE_SEGMENT) != 0;
}
