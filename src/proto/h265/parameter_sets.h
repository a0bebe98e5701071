/*
 * parameter_sets: the latest VPS and SPS and the PPSs of one stream, from SDP (sprop-vps, -sps and
 * -pps) or in band, and whether they changed. What an init segment is made of, and what an IRAP
 * picture without its own needs before it.
 *
 * Keeps one VPS and one SPS (a newer one replaces it) and up to eight PPSs, by id. Storage is
 * embedded; one writer, no allocation.
 */
#pragma once

#include "proto/h265/sps.h"

enum {
    CM_H265_MAX_PPS = 8,
    CM_H265_MAX_PARAMETER_SETS = 2 + CM_H265_MAX_PPS,
};

typedef struct cm_h265_parameter_set {
    uint16_t size; /* 0: none */
    uint8_t id;
    uint8_t refers_to;                              /* an SPS to its VPS, a PPS to its SPS */
    uint8_t bytes[CM_H265_MAX_PARAMETER_SET_BYTES]; /* the NAL unit */
} cm_h265_parameter_set;

typedef struct cm_h265_parameter_sets {
    cm_h265_parameter_set vps;
    cm_h265_parameter_set sps;
    cm_h265_parameter_set pps[CM_H265_MAX_PPS]; /* in the order of arrival; size 0 ends the list */
    cm_h265_vps parsed_vps;                     /* of `vps`, valid when vps.size > 0 */
    cm_h265_sps parsed;                         /* of `sps`, valid when sps.size > 0 */
    uint32_t generation; /* 0 at first; one more with each set that differs from what was kept */
} cm_h265_parameter_sets;

void cm_h265_parameter_sets_init(cm_h265_parameter_sets *sets);

/*
 * Takes note of one NAL unit; anything but a VPS, SPS or PPS of the base layer is passed over with
 * CM_OK. `generation` moves only if its bytes differ from those kept under its id. An SPS of
 * another id forgets the PPSs of the one before. CM_CLOSE or CM_REFUSE as the parsers say, CM_FULL
 * if it is larger than CM_H265_MAX_PARAMETER_SET_BYTES or a ninth PPS; nothing changes then.
 */
cm_status cm_h265_parameter_sets_put(cm_h265_parameter_sets *sets, cm_slice nal);

/* There are an SPS, the VPS that it refers to and a PPS for it: an init segment can be made. */
bool cm_h265_parameter_sets_is_complete(const cm_h265_parameter_sets *sets);

/* The VPS, the SPS, then its PPSs, borrowed until the next put. Returns how many. 0 unless
 * complete. */
size_t cm_h265_parameter_sets_list(const cm_h265_parameter_sets *sets,
                                   cm_slice out[CM_H265_MAX_PARAMETER_SETS]);

/* Pictures per second in thousandths, of the SPS or else of its VPS; 0 when neither says. */
uint32_t cm_h265_parameter_sets_frame_rate_milli(const cm_h265_parameter_sets *sets);
