/*
 * answer: what we say to an offer (JSEP, RFC 8829 5.3): one m-line for each of the offer's, taken
 * or rejected, all on one transport, where we are the passive side of DTLS.
 *
 *     cm_sdp_answer_init(&answer, &offer)        all rejected
 *     cm_sdp_answer_accept(...)                  each that we want
 *     … ssrc, cname, msid of what we send; ufrag, pwd, fingerprint and candidates of our transport
 *     cm_sdp_answer_write(&w, &offer, &answer)
 *
 * Pure: no state, any thread; the same offer and answer give the same text.
 */
#pragma once

#include "proto/sdp/choose.h"

enum {
    CM_SDP_ANSWER_CHOICE_MAX = 4, /* formats of an m-line: main and sub of different codecs */
    /* Room enough for an answer with up to 16 candidates, two m-lines taken, the rest rejected. */
    CM_SDP_ANSWER_SIZE = 16384,
};

typedef struct cm_sdp_answer_media {
    bool is_accepted;           // else the rest means nothing
    cm_sdp_direction direction; // ours
    size_t choice_count;
    cm_sdp_choice choices[CM_SDP_ANSWER_CHOICE_MAX];
    cm_rtp_extension_ids extensions; // those that both have
    uint32_t ssrc;                   // of what we send; 0: not said
    uint32_t rtx_ssrc;               // 0: no retransmission in a stream of its own
    cm_slice stream_id;              // a=msid; both empty: not said
    cm_slice track_id;
} cm_sdp_answer_media;

/* Our end of the transport. */
typedef struct cm_sdp_answer_transport {
    bool is_ice_lite;
    cm_slice ufrag;
    cm_slice pwd;
    cm_slice fingerprint; // "AA:BB:…" of sha-256
    size_t candidate_count;
    const cm_sdp_candidate *candidates; // borrowed
    bool is_complete;                   // all candidates are here: a=end-of-candidates
} cm_sdp_answer_transport;

typedef struct cm_sdp_answer {
    uint64_t session_id; // of o=: random, 63 bits at most (RFC 8829 5.2.1)
    cm_slice cname;      // one for all that we send, so that it is shown in step
    cm_sdp_answer_transport transport;
    cm_sdp_answer_media medias[CM_SDP_OFFER_MEDIA_MAX]; // one for each of the offer's
} cm_sdp_answer;

/* All rejected, all else empty. */
void cm_sdp_answer_init(cm_sdp_answer *answer);

typedef struct cm_sdp_terms {
    const cm_sdp_want *wants; // in the order we like them; each adds a format if it fits
    size_t want_count;
    bool may_send;
    bool may_receive;
    bool may_idle; // with neither it is taken all the same, as inactive
} cm_sdp_terms;

/*
 * Takes the offer's m-line `index` on these terms: formats, direction (what both sides may do),
 * extensions. CM_ABSENT: it is not usable or offers none of the formats. CM_REFUSE: neither side
 * could send, and it may not idle. It stays rejected then.
 */
cm_status cm_sdp_answer_accept(cm_sdp_answer *answer, const cm_sdp_offer *offer, size_t index,
                               const cm_sdp_terms *terms);

/* The peer's end of the transport: that of the first m-line taken (RFC 8843 7.3.2). NULL: none is.
 */
const cm_sdp_transport *cm_sdp_answer_peer(const cm_sdp_answer *answer, const cm_sdp_offer *offer);

/* Lines end with CRLF. Fails the writer when a slice holds a line break. */
void cm_sdp_answer_write(cm_writer *w, const cm_sdp_offer *offer, const cm_sdp_answer *answer);
