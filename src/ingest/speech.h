/*
 * speech: what one peer of WebRTC says to a camera: his RTP in, packets for ingest/talk.h out.
 *
 * What it is given is authentic (SRTP), but as the peer made it. Payload types and SSRC are those
 * that were negotiated; where the peer announced no SSRC, that of his first packet is his for good.
 * A packet sounds for CM_SOUND_PACKET_MS at most, and no more of them are taken than a voice needs:
 * 100 packets and 16,000 bytes a second, half a second of that at once. Numbers only rise: a packet
 * that comes late, or twice, would be heard out of its turn. All else is dropped and counted.
 *
 * It knows of no right: who may speak is judged at the camera, packet by packet, by his lease.
 *
 * Life: embedded in its owner, one session on one loop; no memory of its own, no clock.
 */
#pragma once

#include "ingest/talk.h"
#include "proto/rtp/sequence.h"

/* What was negotiated: PCMU, PCMA or both, 8 kHz mono. */
typedef struct cm_speech_media {
    bool has_pcmu;
    bool has_pcma;
    uint8_t pcmu_type;
    uint8_t pcma_type;
    uint32_t ssrc; /* 0: not announced */
} cm_speech_media;

typedef struct cm_speech_counters {
    uint64_t packets;        /* taken */
    uint64_t malformed;      /* no RTP, empty, or longer than a packet may sound */
    uint64_t foreign_type;   /* of a payload type that was not negotiated */
    uint64_t foreign_source; /* of a payload type of ours, from another SSRC */
    uint64_t late;           /* behind one that was taken, or far from all */
    uint64_t excessive;      /* more than a voice needs */
} cm_speech_counters;

typedef struct cm_speech {
    cm_speech_media media;
    cm_speech_counters counters;
    cm_rtp_sequence sequence; /* private, as what follows */
    cm_instant packets_until; /* up to when those that were taken use up what may come */
    cm_instant bytes_until;
} cm_speech;

void cm_speech_init(cm_speech *speech, const cm_speech_media *media);

/* CM_OK: *out is the next packet, its samples borrowed from `bytes`. CM_REFUSE: dropped, and
 * counted. */
cm_status cm_speech_take(cm_speech *speech, cm_slice bytes, cm_instant now, cm_talk_packet *out);
