/*
 * arrivals: when the packets of a connection came, kept until their sender is told
 * (proto/rtcp/transport_cc.h), so that a browser's estimate of the path works.
 *
 * Owner: one connection. One thread. Bounded: CM_ARRIVALS_KEPT numbers. No clock: `now` is passed
 * in.
 */
#pragma once

#include "base/clock.h"
#include "base/writer.h"

enum {
    CM_ARRIVALS_KEPT = 1024,
    CM_ARRIVALS_REPORT_MAX = 256, /* numbers in one report: some 600 bytes at most */
};

typedef struct cm_arrivals {
    bool is_started; // private, as all here
    uint64_t next;   // not told of yet, from here on
    uint64_t end;    // one more than the highest that came
    uint8_t reports;
    struct {
        uint64_t number; // 0: none
        int64_t at_us;
    } kept[CM_ARRIVALS_KEPT];
} cm_arrivals;

void cm_arrivals_init(cm_arrivals *a);
/* `number` is the packet's transport-wide one. One that comes late is told of once more. */
void cm_arrivals_note(cm_arrivals *a, uint16_t number, cm_instant now);
/* How many numbers are to be told of. */
size_t cm_arrivals_count(const cm_arrivals *a);
/* Writes one report. False: there is nothing (more) to tell, and nothing was written. */
bool cm_arrivals_report(cm_arrivals *a, cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc);
