#include "ingest/whip/arrivals.h"

#include "proto/rtcp/transport_cc.h"

enum {
    FIRST_CYCLE = 65536, /* so that numbers before the first stay above zero */
    APART_US = 4000000,  /* from the newest number, at most: the format spans 8 s between two */
    AGAIN_NUMBERS = 256, /* one that comes later than this is not told of */
};

void cm_arrivals_init(cm_arrivals *a)
{
    *a = (cm_arrivals){0};
}

static void keep(cm_arrivals *a, uint64_t number, cm_instant now)
{
    a->kept[number % CM_ARRIVALS_KEPT].number = number;
    a->kept[number % CM_ARRIVALS_KEPT].at_us = now.us;
}

static void begin_at(cm_arrivals *a, uint64_t number)
{
    a->is_started = true;
    a->next = number;
    a->end = number + 1;
}

void cm_arrivals_note(cm_arrivals *a, uint16_t number, cm_instant now)
{
    if (!a->is_started)
        begin_at(a, (uint64_t)FIRST_CYCLE + number);
    const uint16_t ahead = (uint16_t)(number - (uint16_t)(a->end - 1));
    if (ahead < FIRST_CYCLE / 2) {
        a->end += ahead;
        if (a->end - a->next > CM_ARRIVALS_KEPT)
            begin_at(a, a->end - 1); /* a leap: what is between was never sent */
        keep(a, a->end - 1, now);
        return;
    }
    const uint16_t behind = (uint16_t)-ahead;
    const uint64_t late = a->end - 1 - behind;
    if (behind > AGAIN_NUMBERS || a->kept[late % CM_ARRIVALS_KEPT].number == late)
        return;
    keep(a, late, now);
    if (late < a->next)
        a->next = late;
}

size_t cm_arrivals_count(const cm_arrivals *a)
{
    return (size_t)(a->end - a->next);
}

static cm_rtcp_arrival look(const cm_arrivals *a, uint64_t number)
{
    const int64_t at_us = a->kept[number % CM_ARRIVALS_KEPT].at_us;
    const int64_t apart_us = at_us - a->kept[(a->end - 1) % CM_ARRIVALS_KEPT].at_us;
    const bool is_received = a->kept[number % CM_ARRIVALS_KEPT].number == number &&
                             apart_us >= -APART_US && apart_us <= APART_US;
    return (cm_rtcp_arrival){.sequence_number = (uint16_t)number,
                             .is_received = is_received,
                             .at_us = is_received ? at_us : 0};
}

bool cm_arrivals_report(cm_arrivals *a, cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    cm_rtcp_arrival told[CM_ARRIVALS_REPORT_MAX];
    size_t count = 0;
    size_t used = 0; /* up to the last that was received */
    if (!a->is_started || a->next == a->end)
        return false;
    for (; a->next + count < a->end && count < CM_ARRIVALS_REPORT_MAX; count++) {
        told[count] = look(a, a->next + count);
        if (told[count].is_received)
            used = count + 1;
    }
    a->next += count;
    if (used == 0)
        return cm_arrivals_report(a, w, sender_ssrc, media_ssrc); /* none of those came */
    cm_rtcp_write_transport_cc(w, sender_ssrc, media_ssrc, a->reports++, told, used);
    return true;
}
