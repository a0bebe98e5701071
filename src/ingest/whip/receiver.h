/*
 * receiver: the pictures of one peer that publishes by WebRTC (WHIP, RFC 9725), and his sound if it
 * was negotiated: RTP and RTCP in, whole access units and Opus packets out, and what it must hear
 * so that they keep coming: which packets are lost (NACK), that a keyframe is wanted (PLI, or FIR),
 * how well it is received (receiver reports) and when each packet came (transport-wide feedback).
 *
 * What it is given is authentic (SRTP), but as the peer made it. SSRC and payload type are those
 * that were negotiated; where the peer announced no SSRC, that of its first packet of the type is
 * its for good. All else is counted and dropped. Header extensions other than those negotiated are
 * passed over, the video orientation (3GPP TS 26.114) too: no answer of ours takes it, so that
 * peers turn pictures before they encode them.
 *
 * Keyframes are asked for where a decoder needs one (at the start, after a loss), at most once a
 * second, and when the newest is 2 s old, so that a viewer who joins does not wait.
 *
 * Life: made when the session is connected; after on_end nothing more is heard, and the owner
 * destroys it. Destroy at any time but inside on_unit and on_sound. Owner: one session on one loop.
 * Bounds: the slots of ingest/whip/jitter.h, the size of access units, bytes and malformed packets
 * a second.
 */
#pragma once

#include "ingest/cause.h"
#include "ingest/unit.h"
#include "loop/loop.h"
#include "proto/rtp/extension.h"

/* What was negotiated: for the pictures, and for the sound. */
typedef struct cm_whip_media {
    cm_video_codec codec;
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: no RTX */
    uint32_t ssrc;            /* 0: not announced, as the next */
    uint32_t rtx_ssrc;
    cm_rtp_extension_ids extensions; /* 0 each: not negotiated */
    bool has_nack;
    bool has_pli;
    bool has_fir;
    bool has_sound; /* Opus (RFC 7587) */
    uint8_t sound_payload_type;
    uint32_t sound_ssrc;   /* 0: not announced */
    bool has_reduced_size; /* feedback may go without a report before it (RFC 5506) */
} cm_whip_media;

typedef struct cm_whip_end {
    cm_camera_cause cause;
    const char *detail; /* static, English */
} cm_whip_end;

typedef struct cm_whip_events {
    /* Borrowed for the callback. */
    void (*on_unit)(void *owner, const cm_ingest_unit *unit);
    /* Likewise, if has_sound. */
    void (*on_sound)(void *owner, const cm_ingest_sound *sound);
    /* No picture for 5 s; on_unit says when they come again. */
    void (*on_silence)(void *owner);
    /* It said goodbye, or it floods, or sent nothing for a minute. In a turn of its own, once. */
    void (*on_end)(void *owner, const cm_whip_end *end);
} cm_whip_events;

typedef struct cm_whip_config {
    cm_loop *loop;
    cm_whip_media media;
    cm_slice cname; /* ours; 1 to 255 bytes, borrowed for life */
    /* Takes a compound RTCP packet. What fails is lost like what a network loses. */
    cm_status (*send_rtcp)(void *context, cm_slice compound);
    void *context;
    const cm_whip_events *events; /* must stay */
    void *owner;
} cm_whip_config;

typedef struct cm_whip_receiver cm_whip_receiver;

/* Asks for a keyframe in the next turn. CM_BROKEN without memory. */
cm_status cm_whip_receiver_create(const cm_whip_config *config, cm_whip_receiver **out);
void cm_whip_receiver_destroy(cm_whip_receiver *receiver); /* NULL is fine */

void cm_whip_receiver_rtp(cm_whip_receiver *receiver, cm_slice packet);
void cm_whip_receiver_rtcp(cm_whip_receiver *receiver, cm_slice compound);

typedef struct cm_whip_counters {
    uint64_t packets; /* of the pictures, first time and again */
    uint64_t bytes;   /* of those: payload */
    uint64_t units;
    uint64_t malformed;      /* no RTP, too large, or nothing that its codec makes */
    uint64_t foreign_source; /* of a payload type of ours, from another SSRC */
    uint64_t foreign_type;   /* of a payload type that was not negotiated */
    uint64_t duplicates;     /* came before, or after it was given up; of RTX: was not missing */
    uint64_t lost;           /* given up */
    uint64_t restored;       /* by RTX */
    uint64_t asked;          /* numbers in NACKs */
    uint64_t keyframes_asked;
    uint64_t sound_packets;
    uint64_t sound_lost;
    uint64_t sound_malformed;
} cm_whip_counters;
void cm_whip_receiver_read_counters(const cm_whip_receiver *receiver, cm_whip_counters *out);
