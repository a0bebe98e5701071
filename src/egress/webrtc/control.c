/* RTCP: what the peer says, and our sender reports. */
#include "base/random.h"
#include "egress/webrtc/webrtc_priv.h"
#include "proto/rtp/ntp.h"

enum {
    REPORT_LEAST_MS = 750, /* RFC 3550 6.2: about once a second, and not all at once */
    REPORT_SPREAD_MS = 500,
    BEGIN_AGAIN_LEAST_MS = 1000,
};

/* ---- ours ---- */

/* The RTP timestamp of this very moment: pictures of now will have it when they come. */
static uint32_t timestamp_of_now(const cm_webrtc_viewer *viewer, cm_wall wall)
{
    const int64_t since_us = wall.us - viewer->newest_captured.us;
    const int64_t ticks = since_us * (CLOCK_RATE / 10000) / 100;
    return viewer->clock_offset + (uint32_t)(viewer->newest_time + ticks);
}

/* RFC 3550 6.1: a compound begins with a report and names its source. */
static void write_report(const cm_webrtc_viewer *viewer, cm_writer *w)
{
    const cm_webrtc_media *media = &viewer->config.media;
    const cm_wall wall = cm_loop_wall(viewer->config.loop);
    const cm_rtcp_sender_info sender = {.ntp_timestamp = cm_rtp_ntp_of(wall),
                                        .rtp_timestamp = timestamp_of_now(viewer, wall),
                                        .packet_count = viewer->report_packets,
                                        .octet_count = viewer->report_octets};
    cm_rtcp_write_sr(w, media->ssrc, &sender, NULL);
    cm_rtcp_write_cname(w, media->ssrc, media->cname);
}

static void send(const cm_webrtc_viewer *viewer, const cm_writer *w)
{
    cm_slice compound;
    if (cm_writer_finish(w, &compound) != CM_OK)
        return;
    CM_IGNORE(viewer->config.transport->send_rtcp(viewer->config.transport->context, compound),
              "the next one follows in a second");
}

static void measure_rate(cm_webrtc_viewer *viewer)
{
    const cm_instant now = cm_loop_now(viewer->config.loop);
    const int64_t elapsed_us = cm_instant_since(now, viewer->reported);
    if (elapsed_us < CM_MS(REPORT_LEAST_MS))
        return;
    viewer->sent_bits_per_second =
        (viewer->figures.bytes_sent - viewer->reported_bytes) * 8000000 / (uint64_t)elapsed_us;
    viewer->reported = now;
    viewer->reported_bytes = viewer->figures.bytes_sent;
}

void cm_webrtc_on_report_timer(cm_timer *timer)
{
    cm_webrtc_viewer *viewer = CM_HOLDER(timer, cm_webrtc_viewer, report_timer);
    uint8_t storage[REPORT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_random *random = cm_loop_random(viewer->config.loop);
    const uint64_t wait_ms = REPORT_LEAST_MS + cm_random_below(random, REPORT_SPREAD_MS);
    cm_timer_start(&viewer->report_timer, CM_MS((int64_t)wait_ms));
    measure_rate(viewer);
    cm_webrtc_history_age(viewer);
    write_report(viewer, &w);
    send(viewer, &w);
}

void cm_webrtc_bye(cm_webrtc_viewer *viewer)
{
    uint8_t storage[REPORT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (!viewer->has_sent)
        return;
    write_report(viewer, &w);
    cm_rtcp_write_bye(&w, viewer->config.media.ssrc);
    send(viewer, &w);
    viewer->config.transport->flush(viewer->config.transport->context);
}

/* ---- the peer's ---- */

static void take_block(cm_webrtc_viewer *viewer, const cm_rtcp_block *block)
{
    const cm_webrtc_estimator *estimator = viewer->config.estimator;
    const uint64_t ntp_now = cm_rtp_ntp_of(cm_loop_wall(viewer->config.loop));
    int64_t round_trip_us;
    viewer->is_acknowledged = true;
    viewer->figures.fraction_lost = block->fraction_lost;
    if (cm_rtcp_round_trip(block, ntp_now, &round_trip_us) == CM_OK)
        viewer->figures.round_trip_us = round_trip_us;
    if (estimator != NULL)
        estimator->on_loss(estimator->context, block->fraction_lost, viewer->figures.round_trip_us,
                           cm_loop_now(viewer->config.loop));
}

static void take_report(cm_webrtc_viewer *viewer, const cm_rtcp_packet *report)
{
    for (size_t i = 0; i < report->block_count; i++)
        if (report->blocks[i].ssrc == viewer->config.media.ssrc)
            take_block(viewer, &report->blocks[i]);
}

/* A decoder has lost its place. */
static void take_keyframe_request(cm_webrtc_viewer *viewer)
{
    const cm_instant now = cm_loop_now(viewer->config.loop);
    const bool is_too_soon = viewer->has_begun_again && cm_instant_since(now, viewer->begun_again) <
                                                            CM_MS(BEGIN_AGAIN_LEAST_MS);
    /* While the group goes out that it needs, another would only come later. */
    if (is_too_soon || !viewer->has_sent || viewer->state == VIEWER_CATCHING_UP ||
        viewer->is_keyframe_begun)
        return;
    viewer->has_begun_again = true;
    viewer->begun_again = now;
    cm_webrtc_begin_again(viewer);
}

void cm_webrtc_viewer_moved(cm_webrtc_viewer *viewer)
{
    if (viewer->subscription != NULL)
        take_keyframe_request(viewer);
}

/* RFC 5104 4.3.1.1: a command that comes again has the same number. */
static void take_fir(cm_webrtc_viewer *viewer, const cm_rtcp_feedback *feedback)
{
    uint8_t command;
    if (!cm_rtcp_fir_find(feedback, viewer->config.media.ssrc, &command) ||
        (viewer->has_fir && viewer->fir_command == command))
        return;
    viewer->has_fir = true;
    viewer->fir_command = command;
    take_keyframe_request(viewer);
}

static void take_arrivals(const cm_webrtc_viewer *viewer, const cm_rtcp_feedback *feedback)
{
    const cm_webrtc_estimator *estimator = viewer->config.estimator;
    cm_rtcp_transport_cc report;
    if (estimator != NULL && cm_rtcp_transport_cc_parse(feedback, &report) == CM_OK)
        estimator->on_feedback(estimator->context, &report, cm_loop_now(viewer->config.loop));
}

static void take_feedback(cm_webrtc_viewer *viewer, const cm_rtcp_feedback *feedback)
{
    const bool is_ours = feedback->media_ssrc == viewer->config.media.ssrc;
    switch (feedback->kind) {
    case CM_RTCP_NACK:
        if (is_ours)
            cm_webrtc_resend(viewer, cm_rtcp_nack_over(feedback));
        break;
    case CM_RTCP_PLI:
        if (is_ours)
            take_keyframe_request(viewer);
        break;
    case CM_RTCP_FIR:
        take_fir(viewer, feedback);
        break;
    case CM_RTCP_TRANSPORT_CC:
        take_arrivals(viewer, feedback);
        break;
    case CM_RTCP_REMB:
        break;
    }
}

void cm_webrtc_viewer_rtcp(cm_webrtc_viewer *viewer, cm_slice compound)
{
    cm_rtcp_item item;
    cm_rtcp_packet report;
    cm_rtcp_feedback feedback;
    if (viewer->subscription == NULL)
        return;
    while (cm_rtcp_next_item(&compound, &item) == CM_OK) {
        if (cm_rtcp_feedback_parse(&item, &feedback) == CM_OK) {
            take_feedback(viewer, &feedback);
        } else if (cm_rtcp_report_parse(&item, &report) == CM_OK) {
            if (report.type == CM_RTCP_BYE) {
                cm_webrtc_end(viewer);
                return;
            }
            take_report(viewer, &report);
        }
    }
}
