/*
 * receiver_priv: the receiver's insides, shared by
 *   receiver.c   packets in, access units out, the end
 *   sound.c      Opus packets in their order
 *   feedback.c   what the peer is told
 */
#pragma once

#include "base/buffer.h"
#include "ingest/whip/arrivals.h"
#include "ingest/whip/jitter.h"
#include "ingest/whip/receiver.h"
#include "proto/rtcp/reception.h"
#include "proto/rtp/reorder.h"
#include "proto/rtp/sequence.h"

enum { CM_WHIP_SOUND_STORAGE = 16384 };

typedef struct cm_whip_sound {
    cm_rtp_sequence sequence;
    cm_rtp_timestamps timestamps;
    cm_rtcp_reception reception;
    cm_rtp_reorder reorder;
    bool is_restart; /* the next packet's ticks begin anew */
    uint8_t storage[CM_WHIP_SOUND_STORAGE];
} cm_whip_sound;

struct cm_whip_receiver {
    cm_whip_config config;
    cm_timer timer;

    /* receiver.c */
    cm_rtp_sequence sequence;
    cm_rtp_timestamps timestamps;
    bool is_restart; /* the next unit's ticks begin anew */
    bool has_gap;    /* packets before the next one are missing */
    bool is_silent;  /* and its owner knows */
    bool is_over;
    cm_whip_end end;
    cm_video_depacketizer depacketizer;
    cm_buffer unit;
    cm_instant last_packet;
    cm_instant last_unit;
    cm_instant last_keyframe;
    cm_instant window_began; /* of the two below */
    uint64_t window_bytes;
    uint64_t window_malformed;
    cm_whip_counters counters;
    cm_whip_sound sound;
    cm_jitter jitter;
    uint8_t *storage; /* of `jitter` */

    /* feedback.c */
    uint32_t own_ssrc;
    cm_rtcp_reception reception;
    cm_arrivals arrivals;
    cm_instant report_due;
    cm_instant arrivals_due;
    bool has_asked; /* for a keyframe, at `keyframe_asked` */
    cm_instant keyframe_asked;
    uint8_t fir_command;
};

/* ---- receiver.c ---- */

/* It sent something that makes no sense. Too much of that ends it. */
void cm_whip_count_malformed(cm_whip_receiver *r);

/* ---- sound.c ---- */

void cm_whip_sound_init(cm_whip_receiver *r);
void cm_whip_sound_take(cm_whip_receiver *r, const cm_rtp_packet *packet, cm_slice bytes);
/* Hands out what is due: after each packet, and with time. */
void cm_whip_sound_deliver(cm_whip_receiver *r);

/* ---- feedback.c ---- */

void cm_whip_feedback_init(cm_whip_receiver *r);
/* All that is due now: reports, arrivals, lost packets, a keyframe. */
void cm_whip_feedback_send(cm_whip_receiver *r);
/* The arrivals alone, if many wait. */
void cm_whip_feedback_arrived(cm_whip_receiver *r);
