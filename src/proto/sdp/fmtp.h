/*
 * fmtp: format parameters, the "a=1;b=2" of a=fmtp, and those of H.264 (RFC 6184 8.1) and H.265
 * (RFC 7798 7.1).
 *
 * Pure: no state, any thread.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

/* The value of parameter `name` (without case), trimmed; false when there is none. */
bool cm_sdp_fmtp_find(cm_slice fmtp, cm_slice name, cm_slice *value);

enum {
    CM_SDP_SET_MAX = 8,
    CM_SDP_SETS_SIZE = 2048, /* room enough for the parameter sets of any camera met */
};

typedef struct cm_sdp_h264 {
    uint8_t packetization_mode; // 0 when unsaid (RFC 6184 8.1), 1, 2
    bool has_profile_level_id;
    uint32_t profile_level_id;     // profile_idc, profile-iop, level_idc: 24 bits
    size_t set_count;              // 0: they come in band
    cm_slice sets[CM_SDP_SET_MAX]; // NAL units: SPS (7), SPS extension (13), PPS (8)
} cm_sdp_h264;

/*
 * What can be read of `fmtp`; the rest is as if unsaid. Parameter sets are decoded into `storage`
 * and borrow from it; Annex-B start codes in them are cut (one value may hold several NAL units);
 * anything but parameter sets, and what does not fit, is left out.
 */
void cm_sdp_h264_parse(cm_slice fmtp, cm_writer *storage, cm_sdp_h264 *out);

/* The other way: for cm_sdp_payload.fmtp of an answer. */
void cm_sdp_h264_write(cm_writer *w, const cm_sdp_h264 *h264);

typedef struct cm_sdp_h265 {
    uint32_t max_don_diff;         // sprop-max-don-diff; above 0: with decoding order numbers
    size_t set_count;              // 0: they come in band
    cm_slice sets[CM_SDP_SET_MAX]; // NAL units: VPS (32), SPS (33), PPS (34)
} cm_sdp_h265;

/* The same of H.265: sprop-vps, sprop-sps, sprop-pps. A max_don_diff that is no number is as one
 * beyond all bounds. */
void cm_sdp_h265_parse(cm_slice fmtp, cm_writer *storage, cm_sdp_h265 *out);
/* The sets alone go out, each in its parameter. */
void cm_sdp_h265_write(cm_writer *w, const cm_sdp_h265 *h265);
