/*
 * choose: which of the payload types that a peer offers fits what we have (RFC 6184 8.2.2 for
 * H.264, RFC 7798 7.2.2 for H.265), and what to answer for it.
 *
 * Pure: no state, any thread.
 */
#pragma once

#include "proto/sdp/offer.h"

typedef enum cm_sdp_codec {
    CM_SDP_H264,
    CM_SDP_H265,
    CM_SDP_OPUS,
    CM_SDP_PCMU,
    CM_SDP_PCMA,
} cm_sdp_codec;

/* What we have, or would take. */
typedef struct cm_sdp_want {
    cm_sdp_codec codec;
    bool is_any;               // of what the peer sends: its first that we understand at all
    uint32_t profile_level_id; // H.264: three bytes of the stream's SPS, from profile_idc on
    uint8_t profile;           // H.265: general_profile_idc, 1 main, 2 main 10
    bool is_high_tier;         // H.265: general_tier_flag
    uint8_t level;             // H.265: general_level_idc, 30 times the level
    bool is_stereo;            // Opus
} cm_sdp_want;

enum { CM_SDP_CHOICE_FMTP_SIZE = 96 };

typedef struct cm_sdp_choice {
    cm_sdp_codec codec;
    uint8_t type;
    uint8_t rtx_type; // 0: the peer offers none, or no NACK to ask for it
    uint32_t clock_rate;
    uint8_t channels;
    const char *encoding;     // static
    cm_sdp_feedback feedback; // what both have
    uint8_t fmtp_size;
    uint8_t fmtp[CM_SDP_CHOICE_FMTP_SIZE]; // for the answer; no terminator
} cm_sdp_choice;

/*
 * CM_ABSENT: the media offers nothing of the kind. For H.264 packetization-mode=1 is asked for, as
 * our payloads are fragments (RFC 6184 6.3). Of several the one is taken that
 *   1. has the profile of the stream (by the table of RFC 6184 8.1, so that 42c01f is 42e01f), else
 *   2. has a profile which includes it (main for a constrained baseline stream), the nearest, else
 *   3. has the nearest: decoders can do more than their peers list. Browsers play High although
 *      they may offer 42e01f alone; no picture at all would be the worse answer,
 * and among equals one whose level is high enough, else the first.
 *
 * The answer has the profile as it was offered, as a payload type keeps it (RFC 6184 8.2.2), and
 * the level of the stream if level-asymmetry-allowed is offered, else the lower of both levels.
 */
cm_status cm_sdp_choose(const cm_sdp_offer_media *media, const cm_sdp_want *want,
                        cm_sdp_choice *out);

/* What stands behind a=fmtp:<type>; empty when there is nothing to say. Borrows from `choice`. */
cm_slice cm_sdp_choice_fmtp(const cm_sdp_choice *choice);
