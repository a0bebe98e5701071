/*
 * fragment: application/trickle-ice-sdpfrag (RFC 8840 9): what WHIP and WHEP send after the offer,
 * in a PATCH (RFC 9725 4.3): further candidates, or fresh credentials to restart ICE, which we
 * answer with our own.
 *
 * Pure: no state, any thread. Slices borrow from the text. Read as strictly as an offer.
 */
#pragma once

#include "proto/sdp/answer.h"

enum { CM_SDP_FRAGMENT_CANDIDATE_MAX = 64 }; /* further ones are ignored */

typedef struct cm_sdp_fragment {
    cm_slice ufrag; // both empty when unsaid: they are then those of before
    cm_slice pwd;
    cm_slice media_line; // its first m=, behind the sign; at most 256 bytes, empty when unsaid
    cm_slice mid;        // of that line
    bool is_end_of_candidates;
    size_t candidate_count;
    cm_sdp_candidate candidates[CM_SDP_FRAGMENT_CANDIDATE_MAX]; // all are of one transport
} cm_sdp_fragment;

/* CM_REFUSE: *error says why, and nothing in *out is of use. */
cm_status cm_sdp_fragment_parse(cm_slice text, cm_sdp_fragment *out, cm_sdp_error *error);

/* Does it restart ICE (RFC 9725 4.3.3)? It has then another ufrag than the one in use. */
bool cm_sdp_fragment_is_restart(const cm_sdp_fragment *fragment, cm_slice ufrag);

/* Our answer to the restart that `request` is: our fresh credentials and candidates, under the
 * m-line that it has, or one that says nothing (RFC 8840 9.2). */
void cm_sdp_fragment_write(cm_writer *w, const cm_sdp_fragment *request,
                           const cm_sdp_answer_transport *transport);
