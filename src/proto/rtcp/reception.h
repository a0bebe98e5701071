/*
 * reception: how well one source is received, for the report block of our receiver reports
 * (RFC 3550 6.4.1, A.3, A.8).
 *
 * Owner: one track. One thread. No clock: `now` is passed in.
 */
#pragma once

#include "base/clock.h"
#include "proto/rtcp/rtcp.h"

typedef struct cm_rtcp_reception {
    uint32_t clock_rate; // private, as all here
    bool has_packet;
    uint64_t base;
    uint64_t highest;
    uint64_t received;
    uint64_t expected_prior;
    uint64_t received_prior;
    uint32_t transit;
    uint64_t jitter_x16;
    uint32_t last_sr;
    cm_instant last_sr_seen;
} cm_rtcp_reception;

/* Also when the source starts anew. `clock_rate` 0 counts as 90,000. */
void cm_rtcp_reception_init(cm_rtcp_reception *r, uint32_t clock_rate);

/* Each packet that arrived, duplicates too; `extended` is from proto/rtp/sequence.h. */
void cm_rtcp_reception_packet(cm_rtcp_reception *r, uint64_t extended, uint32_t timestamp,
                              cm_instant now);
void cm_rtcp_reception_sender_report(cm_rtcp_reception *r, const cm_rtcp_sender_info *sender,
                                     cm_instant now);

/* The block about `ssrc`; counts losses since the previous call. CM_ABSENT while no packet came:
 * send an empty report. */
cm_status cm_rtcp_reception_report(cm_rtcp_reception *r, uint32_t ssrc, cm_instant now,
                                   cm_rtcp_block *out);
