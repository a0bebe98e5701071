/*
 * transport_cc: when each packet of a connection arrived, as its receiver says it
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1). What a sender estimates its rate from.
 * Packets are counted by the transport-wide sequence number of proto/rtp/extension.h.
 *
 * Pure: no state, any thread. Borrows from the datagram.
 */
#pragma once

#include "base/reader.h"
#include "proto/rtcp/feedback.h"

enum {
    /* The format could say 65,535 with 16 bytes: a peer may not make us work so much for them.
     * 10,000 packets a second, reported every 250 ms, are 2,500. */
    CM_RTCP_ARRIVALS_MAX = 8192,
};

/* Arrival times are known modulo this: 2^24 times 64 ms, 12 days. */
#define CM_RTCP_ARRIVAL_WRAP_US (INT64_C(64000) << 24)

typedef struct cm_rtcp_arrival {
    uint16_t sequence_number;
    bool is_received; // else lost, or not there yet: a later report may have it
    int64_t at_us;    // on the receiver's clock, in steps of 250, see above; 0: not received
} cm_rtcp_arrival;

typedef struct cm_rtcp_transport_cc {
    uint16_t base_sequence_number;
    uint16_t count;         // packets spoken of: 1..CM_RTCP_ARRIVALS_MAX
    uint8_t feedback_count; // counts these reports: what is missing of them was lost
    uint16_t done;          // private, as what follows
    cm_reader chunks;
    cm_reader deltas;
    uint16_t chunk; // the one at hand
    uint16_t chunk_done;
    int64_t at_us;
} cm_rtcp_transport_cc;

/* CM_CLOSE, and *out untouched, unless all of it is there and makes sense: what _next says then is
 * sound to the end. */
cm_status cm_rtcp_transport_cc_parse(const cm_rtcp_feedback *feedback, cm_rtcp_transport_cc *out);

/* The next packet in the order of numbers, or false and *out untouched. */
bool cm_rtcp_transport_cc_next(cm_rtcp_transport_cc *report, cm_rtcp_arrival *out);

/*
 * The report about `arrivals`: consecutive numbers, at least one received. Fails the writer
 * when they are none or too many, when none is received, or when two lie more than 8 s apart.
 */
void cm_rtcp_write_transport_cc(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                                uint8_t feedback_count, const cm_rtcp_arrival *arrivals,
                                size_t count);
