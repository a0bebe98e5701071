/*
 * sound: what a camera hears, as RTP in the WebRTC session of a viewer, beside his pictures.
 *
 * It has walls of its own: a lease of its own that must have CM_RIGHT_LISTEN, a subscription of its
 * own, an SSRC of its own. Codec frames are passed on as they are, one a packet, so only those
 * codecs that WebRTC knows can be; others come made over (cm_webrtc_sound_stream), some codec
 * frames at a time. A frame of another format than was negotiated is left out.
 *
 * Time. A packet's timestamp goes on from the one before by what that one sounds, as decoders want
 * it to the sample; where time was left out between two frames it goes on by that. Sender reports
 * tell when what was sent last was captured, on the clock that the pictures' reports tell: a player
 * keeps both in step. The camera's clock may run as it likes.
 *
 * Packets are few and small and go at once, before pictures that wait for their pace; the estimator
 * is told of them, and they are numbered with the pictures' for transport-cc. Nothing is sent
 * twice: what is lost is concealed sooner than it could come again. Frames that waited (for a
 * lease) longer than 300 ms are left out: sound that comes late would stay late.
 *
 * Life: made, started when the session is connected, destroyed. Threads: the session's loop.
 */
#pragma once

#include "egress/webrtc/webrtc.h"
#include "media/sound.h"

/* What was negotiated. */
typedef struct cm_webrtc_sound_media {
    cm_stream stream;
    cm_sound_codec codec;
    uint8_t payload_type;
    uint32_t ssrc;
    cm_rtp_extension_ids extensions; /* 0 each: not negotiated */
    cm_slice mid;                    /* borrowed for life, as the next */
    cm_slice cname;                  /* the pictures': 1 to 255 bytes */
} cm_webrtc_sound_media;

typedef struct cm_webrtc_sound_config {
    cm_hub *hub;
    cm_loop *loop;
    cm_webrtc_transport *transport;       /* the pictures'; stays until this is gone, as the next */
    const cm_webrtc_estimator *estimator; /* NULL: nobody measures */
    cm_webrtc_sound_media media;
    /* The lease is over: get another and call cm_webrtc_sound_renew(). */
    void (*on_stale)(void *owner);
    void *owner;
} cm_webrtc_sound_config;

typedef struct cm_webrtc_sound cm_webrtc_sound;

/* Which stream of a camera that sounds so can be passed on: CM_STREAM_SOUND as it comes, of G.711
 * at 8,000 Hz in mono and of Opus; else what is made of it. CM_ABSENT: none. */
cm_status cm_webrtc_sound_stream(const cm_sound_format *format, cm_stream *out);

/* Takes the lease, also on failure: CM_BROKEN without memory, CM_REFUSE if it does not allow the
 * sound, or what was negotiated cannot be. Nothing is sent yet. */
cm_status cm_webrtc_sound_create(const cm_webrtc_sound_config *config, cm_lease *lease,
                                 cm_webrtc_sound **out);
/* The session is connected. Once. CM_BROKEN without memory: destroy it. */
cm_status cm_webrtc_sound_start(cm_webrtc_sound *sound);
void cm_webrtc_sound_renew(cm_webrtc_sound *sound, cm_lease *lease); /* takes it */
/* RTCP from the peer: what concerns the sound. */
void cm_webrtc_sound_rtcp(cm_webrtc_sound *sound, cm_slice compound);
/* Also the cut: nothing more of the sound goes out, and the peer is told (BYE). NULL is fine. */
void cm_webrtc_sound_destroy(cm_webrtc_sound *sound);

typedef struct cm_webrtc_sound_figures {
    uint64_t packets_sent;
    uint64_t bytes_sent;     /* RTP with header, in the clear */
    uint64_t frames_skipped; /* late, too large, or of another format than negotiated */
    uint8_t fraction_lost;   /* of 256, by the newest receiver report */
} cm_webrtc_sound_figures;
void cm_webrtc_sound_read_figures(const cm_webrtc_sound *sound, cm_webrtc_sound_figures *out);
