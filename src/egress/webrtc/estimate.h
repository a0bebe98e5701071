/*
 * estimate: how many bits a second the path to one viewer carries, from when the packets of a
 * session arrived (transport-cc) and what of them was lost. Our own design, towards the goals of
 * RFC 8836; the thoughts of delay gradient and loss bands are those of draft-ietf-rmcat-gcc-02.
 *
 * A camera's rate is given: mostly we send less than the path carries, and then in bursts. So:
 *
 *   Queue.  Packets sent together are a group. How much later than the quickest group its first
 *           packet arrives is the queue it met: its own size does not count. A queue that stands
 *           or grows, above what the path's jitter explains, is too much: the estimate becomes nine
 *           tenths of what was delivered while it stood, which is what the path carries. One that
 *           shrinks is left to do so, and one that came and went at once (a radio that was away)
 *           says nothing of the rate.
 *   Trains. The packets of a burst into an empty queue arrive as far apart as the bottleneck sets
 *           them: this raises the estimate above what we happen to send. Where loss follows, as at
 *           one who polices, that is taken back, and trains are not believed for a while.
 *   Growth. Without queue and loss it grows, the faster the longer all was well; without trains
 *           not beyond 1.5 times what is delivered, as nothing then shows that more would go.
 *   Loss.   Up to 2 % is no sign. Up to 10 % there is no growth. Above, the estimate shrinks by
 * half the loss and more, not below nine tenths of what is delivered; four times, and no further
 * where that changes nothing: a path that loses at random keeps a rate. Others. A queue that stays
 * whatever we send is not ours: after five attempts it counts as the length of the path, so that
 * others who fill it do not starve us. Silence. Without reports for a second while we send, the
 * estimate is halved each second.
 *
 * Pure: no clock, no allocation; `now` is passed in. Storage is the owner's: one for each session,
 * 3 KB. One thread.
 */
#pragma once

#include "base/clock.h"
#include "egress/webrtc/webrtc.h"

enum { CM_WEBRTC_ESTIMATE_GROUPS = 128 }; /* sent ones remembered, a power of two: 1 to 4 seconds */

typedef struct cm_webrtc_estimate_config {
    uint64_t start_bits_per_second; // 0 means 4,000,000
    uint64_t least_bits_per_second; // 0 means 50,000
    uint64_t most_bits_per_second;  // 0 means 50,000,000
} cm_webrtc_estimate_config;

/* Packets that were sent together, with consecutive numbers. */
typedef struct cm_webrtc_group {
    uint32_t sent_us; // the lower bits of the time
    uint32_t bytes;
    uint16_t first;
    uint16_t count;
} cm_webrtc_group;

/* What is known so far of the arrival of the group at hand. */
typedef struct cm_webrtc_arrived {
    uint16_t count;
    int64_t first_us;
    int64_t last_us;
} cm_webrtc_arrived;

/* A stretch of time with a queue: what was delivered in it is what the path carries. */
typedef struct cm_webrtc_busy {
    bool is_begun;
    int64_t begin_sent_us;
    int64_t begin_arrived_us;
    int64_t sent_us; // of the newest group, as the next two
    int64_t arrived_us;
    uint64_t bytes;      // of the groups before the newest one
    uint64_t last_bytes; // of the newest one
} cm_webrtc_busy;

enum { CM_WEBRTC_TRAINS = 3 };

typedef struct cm_webrtc_estimate {
    cm_webrtc_estimate_config config; // private, as all here
    double rate;                      // bits a second
    bool is_known;                    // there was a report
    /* What was sent. */
    uint32_t group_head; // of the next one; counts on
    uint32_t group_at;   // the one at hand
    uint16_t next_number;
    bool is_waiting; // for a report since then
    cm_instant waiting_since;
    uint64_t unreported_bytes; // since the last receiver report
    cm_webrtc_arrived arrived;
    /* The receiver's clock. */
    bool has_arrival;
    int64_t last_arrival_us;
    /* The queue, microseconds. */
    bool has_path;
    int64_t path_us[2]; // least time on the way (with the clocks' offset): this and last window
    cm_instant path_window;
    int64_t last_queue_us;
    int64_t last_sent_us;
    double queue_fast_us;
    double queue_slow_us;
    double jitter_us;
    cm_webrtc_busy busy;
    unsigned futile;        // decreases in a row that did not shrink the queue,
    double futile_queue_us; // as it was at the first
    /* What arrives. */
    double delivered; // bytes, decaying
    int64_t delivered_us;
    double trains[CM_WEBRTC_TRAINS]; // bits a second, the newest last; 0: none
    cm_instant train_at;
    cm_instant trains_from; // none before: they lied
    bool is_raised_by_train;
    double raised_from;
    cm_instant raised_at;
    int64_t distrust_s;
    /* Loss since loss_from. */
    uint32_t lost;
    uint32_t received;
    cm_instant loss_from;
    double loss;         // of 1, of the last stretch that was long enough
    double loss_mean;    // of some of them
    unsigned loss_steps; // decreases for it in a row
    double loss_before;  // as both were at the first of them
    double rate_before;
    /* Steps. */
    int64_t round_trip_us;
    bool has_decreased;
    cm_instant decreased;
    cm_instant stepped;
    cm_webrtc_group groups[CM_WEBRTC_ESTIMATE_GROUPS];
} cm_webrtc_estimate;

void cm_webrtc_estimate_init(cm_webrtc_estimate *estimate, const cm_webrtc_estimate_config *config,
                             cm_instant now);

/* Each packet of the session; numbers are consecutive, the times never go back. */
void cm_webrtc_estimate_sent(cm_webrtc_estimate *estimate, uint16_t number, size_t bytes,
                             cm_instant now);
void cm_webrtc_estimate_feedback(cm_webrtc_estimate *estimate, const cm_rtcp_transport_cc *report,
                                 cm_instant now);
/* Of a receiver report; counts only while there is no transport-cc. `round_trip_us` 0: not known.
 */
void cm_webrtc_estimate_loss(cm_webrtc_estimate *estimate, uint8_t fraction_lost,
                             int64_t round_trip_us, cm_instant now);

/* 0: there was no report yet. */
uint64_t cm_webrtc_estimate_bits_per_second(const cm_webrtc_estimate *estimate);

/* The above for a viewer; `estimate` outlives it. */
cm_webrtc_estimator cm_webrtc_estimate_as_estimator(cm_webrtc_estimate *estimate);

/* For figures and the details that a person sees. */
typedef struct cm_webrtc_estimate_figures {
    uint64_t bits_per_second;
    uint64_t delivered_bits_per_second; // in the last half second or so
    int64_t queue_us;                   // on the path, beyond its length
    unsigned loss_permille;
} cm_webrtc_estimate_figures;

void cm_webrtc_estimate_read(const cm_webrtc_estimate *estimate, cm_webrtc_estimate_figures *out);
