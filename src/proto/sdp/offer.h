/*
 * offer: the description with which a peer of WebRTC begins (JSEP, RFC 8829 5.8), to a bounded
 * struct of slices. Read strictly: what is malformed, and what no connection could be made of, is
 * refused with its line and a reason. What is unknown is passed over, as SDP wants it.
 *
 * What to take of it: proto/sdp/choose.h. What to say to it: proto/sdp/answer.h.
 *
 * Pure: no state, any thread. Slices borrow from the text. A cm_sdp_offer is some 90 KB: too much
 * for a stack of unknown depth; it is wanted for the time of one request.
 */
#pragma once

#include "proto/rtp/extension.h"
#include "proto/sdp/candidate.h"
#include "proto/sdp/error.h"
#include "proto/sdp/sdp.h"

enum {
    CM_SDP_OFFER_MEDIA_MAX = 16,
    CM_SDP_OFFER_FORMAT_MAX = 64,    /* payload types of an m-line; browsers list some 45 */
    CM_SDP_OFFER_EXTENSION_MAX = 32, /* of an m-line; further ones are ignored, as below */
    CM_SDP_OFFER_CANDIDATE_MAX = 64, /* of all */
    CM_SDP_OFFER_SSRC_MAX = 8,       /* of an m-line */
    CM_SDP_OFFER_GROUP_MAX = 4,      /* a=ssrc-group of an m-line */
    CM_SDP_MID_MAX = 64,             /* bytes; 16 fit into a header extension */
    CM_SDP_FINGERPRINT_MAX = 64,
};

/* a=rtcp-fb of a payload type (RFC 4585 4.2), a set of bits. */
typedef uint8_t cm_sdp_feedback;
enum {
    CM_SDP_NACK = 1,
    CM_SDP_NACK_PLI = 2,
    CM_SDP_CCM_FIR = 4,
    CM_SDP_REMB = 8,
    CM_SDP_TRANSPORT_CC = 16,
};

typedef struct cm_sdp_format {
    cm_sdp_payload payload;
    cm_sdp_feedback feedback;
} cm_sdp_format;

/* a=extmap (RFC 8285 5) */
typedef struct cm_sdp_extension {
    uint8_t id;                 // 1..255; above 14 needs the two-byte form
    cm_sdp_direction direction; // of the peer; CM_SDP_DIRECTION_UNSAID mostly
    cm_slice uri;
} cm_sdp_extension;

typedef enum cm_sdp_setup { /* a=setup (RFC 4145 4), who begins with DTLS */
                            CM_SDP_SETUP_UNSAID,
                            CM_SDP_SETUP_ACTPASS,
                            CM_SDP_SETUP_ACTIVE,
                            CM_SDP_SETUP_PASSIVE,
} cm_sdp_setup;

/* The strongest that RFC 8122 5 names and we know, of those given: sha-256, sha-384, sha-512. */
typedef struct cm_sdp_fingerprint {
    uint8_t bytes[CM_SDP_FINGERPRINT_MAX];
    uint8_t size; // 32, 48, 64; 0: none was given
} cm_sdp_fingerprint;

typedef struct cm_sdp_transport {
    cm_slice ufrag; // 4..256 characters
    cm_slice pwd;   // 22..256
    cm_sdp_fingerprint fingerprint;
    cm_sdp_setup setup;
    bool is_trickle; // a=ice-options
} cm_sdp_transport;

typedef struct cm_sdp_ssrc {
    uint32_t ssrc;
    cm_slice cname; // empty when unsaid
} cm_sdp_ssrc;

/* a=ssrc-group (RFC 5576 4.2) of two: FID says that the second retransmits the first. */
typedef struct cm_sdp_ssrc_group {
    bool is_retransmission; // FID; else another kind, SIM for one
    uint32_t first;
    uint32_t second;
} cm_sdp_ssrc_group;

typedef struct cm_sdp_offer_media {
    size_t line;         // of its m=
    cm_sdp_kind kind;    // CM_SDP_OTHER: see kind_name
    cm_slice kind_name;  // "video"
    cm_slice protocol;   // "UDP/TLS/RTP/SAVPF"
    cm_slice first_type; // of its list, as it stands there: what a rejection repeats
    bool is_rejected;    // port 0, and not bundle-only
    bool is_bundled;     // in the BUNDLE group
    /* May be accepted: video or audio over DTLS-SRTP with rtcp-mux, not rejected; all but the
     * fitting format. Of several without BUNDLE only the first: there is one transport. */
    bool is_usable;
    bool has_rtcp_mux;
    bool has_reduced_size; // a=rtcp-rsize
    bool is_end_of_candidates;
    bool is_bundle_only;
    cm_slice mid;               // empty when unsaid
    cm_sdp_direction direction; // of the peer; sendrecv when unsaid (RFC 8866 6.7)
    cm_slice stream_id;         // a=msid; empty when unsaid or "-"
    cm_slice track_id;
    /* With what the session says, and for a bundled media what the first of its group says. */
    cm_sdp_transport transport;
    size_t format_count;
    size_t extension_count;
    size_t ssrc_count;
    size_t group_count;
    cm_sdp_format formats[CM_SDP_OFFER_FORMAT_MAX]; // in the peer's order of liking
    cm_sdp_extension extensions[CM_SDP_OFFER_EXTENSION_MAX];
    cm_sdp_ssrc ssrcs[CM_SDP_OFFER_SSRC_MAX];
    cm_sdp_ssrc_group groups[CM_SDP_OFFER_GROUP_MAX];
} cm_sdp_offer_media;

typedef struct cm_sdp_offer_candidate {
    size_t media; // index
    cm_sdp_candidate candidate;
} cm_sdp_offer_candidate;

typedef struct cm_sdp_offer {
    bool is_ice_lite;
    bool has_bundle;
    size_t media_count;
    size_t candidate_count;
    cm_sdp_offer_media medias[CM_SDP_OFFER_MEDIA_MAX];
    cm_sdp_offer_candidate candidates[CM_SDP_OFFER_CANDIDATE_MAX];
} cm_sdp_offer;

/*
 * CM_REFUSE: *error says why, and nothing in *out is of use. At success one media at least is
 * usable, and each usable one has an ufrag, a pwd, a fingerprint and a setup that lets us be
 * passive.
 */
cm_status cm_sdp_offer_parse(cm_slice text, cm_sdp_offer *out, cm_sdp_error *error);

/* The numbers of those header extensions of ours that the peer knows too, in the one-byte form; 0
 * for the others. */
cm_rtp_extension_ids cm_sdp_offer_extensions(const cm_sdp_offer_media *media);

/* The SSRC that the peer sends, and the one that retransmits it; 0 when unsaid. */
void cm_sdp_offer_ssrcs(const cm_sdp_offer_media *media, uint32_t *ssrc, uint32_t *rtx_ssrc);

/* The URIs of a=extmap, with the member of cm_rtp_extension_ids each is for. */
#define CM_SDP_EXT_TRANSPORT_CC                                                                    \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define CM_SDP_EXT_CAPTURE_TIME  "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
#define CM_SDP_EXT_PLAYOUT_DELAY "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
#define CM_SDP_EXT_MID           "urn:ietf:params:rtp-hdrext:sdes:mid"
