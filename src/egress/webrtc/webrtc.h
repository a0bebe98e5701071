/*
 * webrtc: a viewer who gets a stream's pictures as RTP in a WebRTC session.
 *
 * The granules of an opened frame are RTP payloads as they stand (media/frame.h). For each viewer a
 * header is written before them and both are given to his session, which protects and sends them;
 * what several viewers got in one pass goes out with one flush. Nothing plain is kept: what cannot
 * go at once, and what was lost on the way, is opened again under the lease that he has then.
 *
 * Joining. The cached group comes in one burst. Its timestamps are squeezed (1 ms apart, ending at
 * that of the newest picture), so that a decoder runs through it at once and goes on in real time.
 * A group that would take more than 500 ms of the estimate is not sent but for its keyframe, which
 * its capture time shows as old; the next keyframe begins real time. The same when a decoder asks
 * for a keyframe (PLI, FIR; once a second at most): the group comes again, and the clock of
 * timestamps moves on by as much as it took, which the sender report after it tells.
 *
 * Pacing. A burst has at most what 5 ms of the pace carry, or 8 packets; the rest follows from a
 * timer. The pace is 2.5 times the estimate. An ordinary picture at the live edge (no keyframe, at
 * most 16 packets) goes in one go.
 *
 * Retransmission. With RTX (RFC 4588) a lost packet goes out under an SSRC and a sequence number of
 * its own: to SRTP it is another packet. Without RTX it would be the same packet under the same
 * index, and a cipher must never see two plaintexts (header and all, with AES-GCM) under one index:
 * the key stream would be used twice, and GCM would give away its authentication key. So it is
 * rebuilt from what it was made of and nothing else: the sealed frame, which opens as what it was
 * or not at all, and a record of sequence number, timestamp, transport-wide number and extensions
 * at the time. It is handed to transport->resend_rtp, which is for exactly that, and whose cipher
 * looks whether it is the same packet (net/srtp.h); a transport that cannot leaves that NULL, and
 * then nothing is sent twice: the receiver asks for a keyframe in the end. A lost packet is sent at
 * most 3 times more, not twice within a round trip, and all of them within a tenth of the estimate.
 *
 * Life: made, started when the session is connected, cut or destroyed. Memory: about 3.5 KB a
 * viewer, and holds on the frames that he may still ask for, of the last half second and four round
 * trips, at most 32; all viewers of a stream share them. Threads: all on one loop.
 */
#pragma once

#include "media/hub.h"
#include "proto/rtcp/transport_cc.h"
#include "proto/rtp/extension.h"
#include "proto/video/codec.h"

/* The session that packets go to: net/rtc.h, or a test. One for all that is sent in it. */
typedef struct cm_webrtc_transport {
    /* Takes a packet: its header, then the parts of its payload. What fails is lost like what a
     * network loses. */
    cm_status (*send_rtp)(void *context, cm_slice header, const cm_slice *payload, size_t parts);
    /* The very packet that was sent before, byte for byte. NULL: the transport can't. */
    cm_status (*resend_rtp)(void *context, cm_slice header, const cm_slice *payload, size_t parts);
    cm_status (*send_rtcp)(void *context, cm_slice compound);
    /* What was sent goes out, of all sessions of the loop: at the end of a pass, and before the
     * session may go. All else goes out by itself in the next turn, with that of other viewers. */
    void (*flush)(void *context);
    void *context;
    uint16_t next_number; /* transport-wide sequence number of the next packet */
} cm_webrtc_transport;

/* Who tells how much the path carries. One for all that is sent in a session. */
typedef struct cm_webrtc_estimator {
    void (*on_sent)(void *context, uint16_t number, size_t bytes, cm_instant now);
    void (*on_feedback)(void *context, const cm_rtcp_transport_cc *report, cm_instant now);
    /* Of a receiver report: what of 256 was lost; round_trip_us 0: not known. */
    void (*on_loss)(void *context, uint8_t fraction_lost, int64_t round_trip_us, cm_instant now);
    uint64_t (*bits_per_second)(void *context); /* 0: not known yet */
    void *context;
} cm_webrtc_estimator;

/* What was negotiated for the pictures. */
typedef struct cm_webrtc_media {
    cm_video_codec codec; /* of the payload type: a picture of the other one ends the viewer */
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: no RTX */
    uint32_t ssrc;
    uint32_t rtx_ssrc;
    cm_rtp_extension_ids extensions; /* 0 each: not negotiated */
    cm_slice mid;                    /* borrowed for life, as the next */
    cm_slice cname;                  /* 1 to 255 bytes */
} cm_webrtc_media;

typedef struct cm_webrtc_events {
    /* The lease is over: get another and call cm_webrtc_viewer_renew(). */
    void (*on_stale)(void *owner);
    /* The peer wants no more pictures (RTCP BYE), or the camera sends them in another codec than
     * was negotiated: a new session is needed. Once. Destroy the viewer (inside is fine). */
    void (*on_end)(void *owner);
} cm_webrtc_events;

typedef struct cm_webrtc_config {
    cm_hub *hub;
    cm_loop *loop;
    cm_webrtc_transport *transport;       /* stays until the viewer is gone, as the next */
    const cm_webrtc_estimator *estimator; /* NULL: the start value counts, or what is being sent */
    cm_stream stream;
    cm_webrtc_media media;
    uint32_t start_bits_per_second; /* the estimate until there is one; 0 means 4,000,000 */
    const cm_webrtc_events *events;
    void *owner;
} cm_webrtc_config;

typedef struct cm_webrtc_viewer cm_webrtc_viewer;

/* Takes the lease, also on failure: CM_BROKEN without memory, CM_REFUSE if what was negotiated
 * cannot be. Nothing is sent yet. */
cm_status cm_webrtc_viewer_create(const cm_webrtc_config *config, cm_lease *lease,
                                  cm_webrtc_viewer **out);
/* The session is connected: pictures flow from the next turn on. Once. CM_BROKEN without memory:
 * destroy the viewer. */
cm_status cm_webrtc_viewer_start(cm_webrtc_viewer *viewer);
void cm_webrtc_viewer_renew(cm_webrtc_viewer *viewer, cm_lease *lease); /* takes it */
/* RTCP from the peer, authentic but as the peer made it. Not inside a pass of the hub. */
void cm_webrtc_viewer_rtcp(cm_webrtc_viewer *viewer, cm_slice compound);
/* It went on at another address: what was sent since the former one was left is lost, more than
 * is asked for again. The group comes again as if the decoder had asked for it. */
void cm_webrtc_viewer_moved(cm_webrtc_viewer *viewer);
/* The cut: nothing more of the pictures goes out, nothing is held, and the peer is told (BYE).
 * Destroys the viewer. */
void cm_webrtc_viewer_cut(cm_webrtc_viewer *viewer);
/* The same; what it needs of the session must still be there. NULL is fine. */
void cm_webrtc_viewer_destroy(cm_webrtc_viewer *viewer);

typedef struct cm_webrtc_figures {
    uint64_t packets_sent; /* first time */
    uint64_t bytes_sent;   /* of those: RTP with header, in the clear */
    uint64_t packets_resent;
    uint64_t
        resends_refused; /* lost ones that did not go again: no longer remembered, or a limit */
    uint64_t pictures_sent;
    uint64_t pictures_skipped; /* of groups that were too large or too late */
    uint64_t begun_again;      /* at a keyframe, for the decoder or for being late */
    uint8_t fraction_lost;     /* of 256, by the newest receiver report */
    int64_t round_trip_us;     /* 0: not known */
    uint64_t estimate_bits_per_second;
} cm_webrtc_figures;
void cm_webrtc_viewer_read_figures(const cm_webrtc_viewer *viewer, cm_webrtc_figures *out);
