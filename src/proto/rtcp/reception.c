#include "proto/rtcp/reception.h"

enum {
    DEFAULT_CLOCK_RATE = 90000,
    FIRST_CYCLE = 65536, /* where proto/rtp/sequence.h starts to count */
};

void cm_rtcp_reception_init(cm_rtcp_reception *r, uint32_t clock_rate)
{
    *r = (cm_rtcp_reception){.clock_rate = clock_rate > 0 ? clock_rate : DEFAULT_CLOCK_RATE};
}

/* `now` in ticks; only differences matter, so that it may wrap. */
static uint32_t arrival_ticks(const cm_rtcp_reception *r, cm_instant now)
{
    const uint64_t us = (uint64_t)now.us;
    return (uint32_t)(us / 1000000 * r->clock_rate + us % 1000000 * r->clock_rate / 1000000);
}

/* RFC 3550 A.8: J += (|D| - J) / 16, kept times 16 so that no fraction is lost. */
static void add_jitter(cm_rtcp_reception *r, uint32_t transit)
{
    const int32_t difference = (int32_t)(transit - r->transit);
    const uint32_t distance = difference < 0 ? 0u - (uint32_t)difference : (uint32_t)difference;
    /* A leap of the sender's clock is not jitter, and would drown it for minutes. */
    if (distance < r->clock_rate * UINT64_C(10))
        r->jitter_x16 += distance - ((r->jitter_x16 + 8) >> 4);
}

void cm_rtcp_reception_packet(cm_rtcp_reception *r, uint64_t extended, uint32_t timestamp,
                              cm_instant now)
{
    const uint32_t transit = arrival_ticks(r, now) - timestamp;
    if (!r->has_packet) {
        r->has_packet = true;
        r->base = extended;
        r->highest = extended;
    } else {
        add_jitter(r, transit);
    }
    if (extended > r->highest)
        r->highest = extended;
    if (extended < r->base)
        r->base = extended;
    r->transit = transit;
    r->received++;
}

void cm_rtcp_reception_sender_report(cm_rtcp_reception *r, const cm_rtcp_sender_info *sender,
                                     cm_instant now)
{
    r->last_sr = (uint32_t)(sender->ntp_timestamp >> 16);
    r->last_sr_seen = now;
}

/* RFC 3550 A.3: what was lost since the last report, in 1/256 of what was expected. */
static uint8_t fraction_lost(cm_rtcp_reception *r, uint64_t expected)
{
    const int64_t expected_now = (int64_t)(expected - r->expected_prior);
    const int64_t lost = expected_now - (int64_t)(r->received - r->received_prior);
    r->expected_prior = expected;
    r->received_prior = r->received;
    if (expected_now <= 0 || lost <= 0)
        return 0;
    const int64_t fraction = lost * 256 / expected_now;
    return (uint8_t)(fraction > UINT8_MAX ? UINT8_MAX : fraction);
}

static int32_t clamp(int64_t value, int64_t least, int64_t most)
{
    return (int32_t)(value < least ? least : value > most ? most : value);
}

/* RFC 3550 6.4.1: 1/65,536 s; 0 when no SR came. After 18 hours it stays at the largest value. */
static uint32_t delay_since(const cm_rtcp_reception *r, cm_instant now)
{
    const int64_t us = cm_instant_since(now, r->last_sr_seen);
    if (r->last_sr == 0 || us <= 0)
        return 0;
    const uint64_t delay =
        (uint64_t)us / 1000000 * 65536 + (uint64_t)us % 1000000 * 65536 / 1000000;
    return delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay;
}

cm_status cm_rtcp_reception_report(cm_rtcp_reception *r, uint32_t ssrc, cm_instant now,
                                   cm_rtcp_block *out)
{
    CM_ENSURE(r->has_packet, CM_ABSENT);
    const uint64_t expected = r->highest - r->base + 1;
    *out = (cm_rtcp_block){
        .ssrc = ssrc,
        .fraction_lost = fraction_lost(r, expected),
        .cumulative_lost = clamp((int64_t)(expected - r->received), -0x800000, 0x7FFFFF),
        .extended_highest_sequence = (uint32_t)(r->highest - FIRST_CYCLE),
        .jitter = (uint32_t)(r->jitter_x16 >> 4),
        .last_sr = r->last_sr,
        .delay_since_last_sr = delay_since(r, now),
    };
    return CM_OK;
}
