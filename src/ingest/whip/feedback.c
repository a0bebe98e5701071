/* What the peer is told: reports, arrivals, lost packets, and that a keyframe is wanted. */
#include "proto/rtcp/feedback.h"
#include "ingest/whip/receiver_priv.h"

enum {
    REPORT_MS = 1000,
    ARRIVALS_MS = 100,
    ASKS_MAX = 128, /* numbers in one NACK; the rest with the next tick */
    KEYFRAME_LEAST_MS = 1000,
    KEYFRAME_AGE_MS = 2000,
    COMPOUND_MAX = 1152,
};

void cm_whip_feedback_init(cm_whip_receiver *r)
{
    const cm_instant now = cm_loop_now(r->config.loop);
    r->own_ssrc = (uint32_t)cm_random_u64(cm_loop_random(r->config.loop)) | 1;
    cm_rtcp_reception_init(&r->reception, CM_VIDEO_CLOCK_RATE);
    cm_arrivals_init(&r->arrivals);
    r->report_due = cm_instant_after(now, CM_MS(REPORT_MS));
    r->arrivals_due = now;
}

static void send_compound(cm_whip_receiver *r, const cm_writer *w)
{
    if (!w->failed)
        CM_IGNORE(r->config.send_rtcp(r->config.context, cm_writer_done(w)),
                  "lost like what a network loses");
}

/* Feedback may go alone where that was negotiated (RFC 5506); else a report comes first
 * (RFC 4585 3.1). */
static void begin_feedback(const cm_whip_receiver *r, cm_writer *w)
{
    if (r->config.media.has_reduced_size)
        return;
    cm_rtcp_write_rr(w, r->own_ssrc, NULL);
    cm_rtcp_write_cname(w, r->own_ssrc, r->config.cname);
}

/* ---- reports ---- */

static void write_report(cm_whip_receiver *r, cm_rtcp_reception *reception, uint32_t ssrc,
                         cm_writer *w)
{
    cm_rtcp_block block;
    const cm_status status =
        cm_rtcp_reception_report(reception, ssrc, cm_loop_now(r->config.loop), &block);
    cm_rtcp_write_rr(w, r->own_ssrc, status == CM_OK ? &block : NULL);
}

static void send_report(cm_whip_receiver *r, cm_instant now)
{
    uint8_t storage[COMPOUND_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (now.us < r->report_due.us)
        return;
    r->report_due = cm_instant_after(now, CM_MS(REPORT_MS));
    write_report(r, &r->reception, r->config.media.ssrc, &w);
    if (r->counters.sound_packets > 0)
        write_report(r, &r->sound.reception, r->config.media.sound_ssrc, &w);
    cm_rtcp_write_cname(&w, r->own_ssrc, r->config.cname);
    send_compound(r, &w);
}

/* ---- arrivals ---- */

static void send_arrivals(cm_whip_receiver *r, cm_instant now)
{
    uint8_t storage[COMPOUND_MAX];
    r->arrivals_due = cm_instant_after(now, CM_MS(ARRIVALS_MS));
    for (;;) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        begin_feedback(r, &w);
        if (!cm_arrivals_report(&r->arrivals, &w, r->own_ssrc, r->config.media.ssrc))
            return;
        send_compound(r, &w);
    }
}

void cm_whip_feedback_arrived(cm_whip_receiver *r)
{
    if (cm_arrivals_count(&r->arrivals) >= CM_ARRIVALS_REPORT_MAX)
        send_arrivals(r, cm_loop_now(r->config.loop));
}

/* ---- lost packets ---- */

static void ask_again(cm_whip_receiver *r, cm_instant now)
{
    uint8_t storage[COMPOUND_MAX];
    uint16_t lost[ASKS_MAX];
    if (!r->config.media.has_nack)
        return;
    const size_t count = cm_jitter_list_due(&r->jitter, now, lost, CM_COUNT(lost));
    if (count == 0)
        return;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    begin_feedback(r, &w);
    cm_rtcp_write_nack(&w, r->own_ssrc, r->config.media.ssrc, lost, count);
    send_compound(r, &w);
}

/* ---- keyframes ---- */

static bool wants_keyframe(const cm_whip_receiver *r, cm_instant now)
{
    if (r->has_asked && cm_instant_since(now, r->keyframe_asked) < CM_MS(KEYFRAME_LEAST_MS))
        return false;
    return cm_video_depacketizer_is_waiting(&r->depacketizer) || r->counters.units == 0 ||
           cm_instant_since(now, r->last_keyframe) >= CM_MS(KEYFRAME_AGE_MS);
}

/* A peer that knows neither is asked by PLI: it does no harm. */
static void ask_keyframe(cm_whip_receiver *r, cm_instant now)
{
    uint8_t storage[COMPOUND_MAX];
    const cm_whip_media *media = &r->config.media;
    if (!wants_keyframe(r, now) || media->ssrc == 0)
        return;
    r->has_asked = true;
    r->keyframe_asked = now;
    r->counters.keyframes_asked++;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    begin_feedback(r, &w);
    if (media->has_fir && !media->has_pli)
        cm_rtcp_write_fir(&w, r->own_ssrc, media->ssrc, r->fir_command++);
    else
        cm_rtcp_write_pli(&w, r->own_ssrc, media->ssrc);
    send_compound(r, &w);
}

void cm_whip_feedback_send(cm_whip_receiver *r)
{
    const cm_instant now = cm_loop_now(r->config.loop);
    send_report(r, now);
    if (now.us >= r->arrivals_due.us && cm_arrivals_count(&r->arrivals) > 0)
        send_arrivals(r, now);
    ask_again(r, now);
    ask_keyframe(r, now);
}
