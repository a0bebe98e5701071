/*
 * candidate: one address at which a peer of ICE may be reached, as a=candidate says it
 * (RFC 8839 5.1; TCP: RFC 6544 4.5), to a struct of slices and back.
 *
 * Pure: no state, any thread. Slices borrow from the text.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

typedef enum cm_sdp_candidate_type {
    CM_SDP_HOST,
    CM_SDP_SERVER_REFLEXIVE,
    CM_SDP_PEER_REFLEXIVE,
    CM_SDP_RELAYED,
} cm_sdp_candidate_type;

typedef enum cm_sdp_candidate_transport {
    CM_SDP_UDP,
    CM_SDP_TCP_ACTIVE,
    CM_SDP_TCP_PASSIVE,
    CM_SDP_TCP_SIMULTANEOUS,
} cm_sdp_candidate_transport;

typedef struct cm_sdp_candidate {
    cm_slice foundation; // 1..32 letters, digits, + and /
    uint16_t component;  // 1..256; RTP is 1
    cm_sdp_candidate_transport transport;
    uint32_t priority;
    cm_slice address; // an IP address, or a name: browsers hide theirs behind one of mDNS
    bool is_name;
    uint16_t port; // 0..65535; 9 of an active TCP candidate
    cm_sdp_candidate_type type;
    cm_slice related_address; // raddr; empty when unsaid
    uint16_t related_port;
} cm_sdp_candidate;

/*
 * `value` is what stands behind "a=candidate:" (also behind "candidate:" in JavaScript).
 * CM_ABSENT: well-formed, but of a transport or type that we don't know: to be passed over
 * (RFC 8839 5.1). CM_REFUSE: malformed; *reason, static, says in plain words what is wrong.
 */
cm_status cm_sdp_candidate_parse(cm_slice value, cm_sdp_candidate *out, const char **reason);

/* The whole line, with its CRLF. Of one that is not of the host and has no related address,
 * 0.0.0.0 or :: and port 9 are written: the syntax wants one, and nobody needs ours. */
void cm_sdp_candidate_write(cm_writer *w, const cm_sdp_candidate *candidate);
