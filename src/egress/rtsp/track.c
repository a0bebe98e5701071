/* One track: from the hub's pass to packets in the connection. */
#include "base/fault.h"
#include "egress/codec_of.h"
#include "egress/rtsp/fault_rtsp.h"
#include "egress/rtsp/rtsp_priv.h"
#include "proto/rtcp/rtcp.h"
#include "proto/rtp/ntp.h"
#include "proto/rtp/rtp.h"

enum {
    FRAME_SIZE = 4, /* before what is interleaved (RFC 2326 10.12) */
    HEAD_MAX = FRAME_SIZE + CM_RTP_HEADER_SIZE + PAYLOAD_HEAD_MAX,
    BATCH_PACKETS = 21,   /* of three parts each at most: what one put takes */
    RESUMED_PACKETS = 42, /* opened for one who was blocked: more than the kernel has room for */
    REPORT_MAX = 128,
};
static const char CNAME[] = "casement";

/* Packets that are put in one go. */
typedef struct batch {
    uint8_t heads[BATCH_PACKETS][HEAD_MAX];
    cm_slice parts[CM_RTSP_WIRE_PARTS_MAX];
    size_t part_count;
    size_t sizes[BATCH_PACKETS]; /* with all that goes around them */
    size_t octets[BATCH_PACKETS];
    size_t count;
} batch;

/* ---- packets ---- */

static void add_packet(const rtsp_track *track, const rtsp_payload *payload, batch *b)
{
    size_t octets = payload->head_size;
    cm_writer w = cm_writer_over(b->heads[b->count], HEAD_MAX);
    const size_t at = b->part_count++;
    for (size_t i = 0; i < payload->part_count; i++) {
        octets += payload->parts[i].size;
        b->parts[b->part_count++] = payload->parts[i];
    }
    cm_rtsp_write_interleaved_header(&w, track->channel, (uint16_t)(CM_RTP_HEADER_SIZE + octets));
    cm_rtp_write(&w, &(cm_rtp_packet){.marker = payload->is_marked,
                                      .payload_type = track->payload_type,
                                      .sequence_number = (uint16_t)(track->sequence + b->count),
                                      .timestamp = track->timestamp,
                                      .ssrc = track->ssrc});
    cm_write_slice(&w, cm_slice_over(payload->head, payload->head_size));
    b->parts[at] = cm_writer_done(&w);
    b->octets[b->count] = octets;
    b->sizes[b->count++] = FRAME_SIZE + CM_RTP_HEADER_SIZE + octets;
}

/* The packets from the track's next one on that fit, of those that are open. */
static void lay_out_pictures(const rtsp_track *track, const cm_opened_frame *opened, batch *b)
{
    for (size_t i = track->next; i < opened->count && b->count < BATCH_PACKETS; i++) {
        if (opened->granules[i].size == 0)
            return;
        const rtsp_payload payload = {
            .parts = {opened->granules[i]}, .part_count = 1, .is_marked = i + 1 == opened->count};
        add_packet(track, &payload, b);
    }
}

/* ---- into the connection ---- */

/* What of a batch is out already: the beginning of its first packet. */
static void cut_front(batch *b, size_t size)
{
    for (size_t i = 0; i < b->part_count && size > 0; i++) {
        const cm_slice rest = cm_slice_from(b->parts[i], size);
        size -= b->parts[i].size - rest.size;
        b->parts[i] = rest;
    }
}

/* Counts what has gone, and remembers where it stopped. */
static void move_on(rtsp_track *track, const batch *b, size_t taken)
{
    cm_rtsp_counters *counters = &track->viewer->server->counters;
    counters->bytes += taken;
    taken += track->offset;
    size_t i = 0;
    for (; i < b->count && taken >= b->sizes[i]; i++) {
        taken -= b->sizes[i];
        track->report_octets += (uint32_t)b->octets[i];
    }
    track->report_packets += (uint32_t)i;
    track->sequence = (uint16_t)(track->sequence + i);
    track->next = (uint16_t)(track->next + i);
    track->offset = taken;
    counters->packets += i;
}

/* True: all of the batch is out. */
static bool send_batch(rtsp_track *track, batch *b)
{
    cm_rtsp_viewer *viewer = track->viewer;
    const size_t before = track->next;
    size_t taken;
    cut_front(b, track->offset);
    const cm_status status = cm_rtsp_wire_put(viewer->wire, b->parts, b->part_count, &taken);
    move_on(track, b, taken);
    viewer->inside = track->offset > 0 ? track : NULL;
    cm_rtsp_wire_hold(viewer->wire, viewer->inside != NULL);
    viewer->is_full = status != CM_OK || track->next < before + b->count;
    return !viewer->is_full;
}

/*
 * The last look before a connection: whatever was mixed up on the way, what goes into it is of the
 * camera and stream that it is for, and goes on with the frame of which the peer has a part.
 */
static bool is_own(const rtsp_track *track, const cm_opened_frame *opened)
{
    const cm_rtsp_viewer *viewer = track->viewer;
    const bool goes_on = track->begun == NULL || track->begun == opened->frame;
    if (CM_FAULT(SEALING_OFF) ||
        (goes_on && cm_camera_key_equal(&opened->frame->camera, &viewer->camera) &&
         opened->frame->stream == track->stream))
        return true;
    cm_hub_report(viewer->server->config.hub, &viewer->camera, track->stream, CM_REFUSAL_FOREIGN);
    return false;
}

static void begin_frame(rtsp_track *track, const cm_opened_frame *opened,
                        const rtsp_payload *payload)
{
    const cm_frame *frame = opened->frame;
    if (payload != NULL)
        cm_rtsp_stamp_sound(track, opened, payload);
    else
        track->timestamp = track->clock_offset + (uint32_t)frame->media_time;
    track->newest_time = frame->media_time;
    track->newest_captured = frame->captured;
    track->begun = frame;
    track->next = 0;
    if (!track->has_sent) {
        track->has_sent = true;
        cm_rtsp_send_report(track); /* players set sound and pictures side by side by it */
    }
}

static void end_frame(rtsp_track *track)
{
    track->viewer->server->counters.pictures += track->stream != CM_STREAM_SOUND;
    track->has_whole = true;
    track->whole_time = track->newest_time;
    track->begun = NULL;
    track->next = 0;
}

static bool write_sound(rtsp_track *track, const cm_opened_frame *opened)
{
    rtsp_payload payload;
    batch b = {.count = 0};
    if (cm_rtsp_read_sound(track, opened, &payload) != CM_OK) {
        cm_rtsp_fail(track->viewer); /* it sounds otherwise than was described: to be asked anew */
        return false;
    }
    if (track->begun == NULL)
        begin_frame(track, opened, &payload);
    add_packet(track, &payload, &b);
    return send_batch(track, &b);
}

static bool write_picture(rtsp_track *track, const cm_opened_frame *opened)
{
    if (cm_codec_of(opened->frame) != track->viewer->codec) {
        cm_rtsp_fail(track->viewer);
        return false;
    }
    if (track->begun == NULL)
        begin_frame(track, opened, NULL);
    while (track->next < opened->count) {
        batch b = {.count = 0};
        lay_out_pictures(track, opened, &b);
        if (b.count == 0 || !send_batch(track, &b))
            return false; /* no more is open, or goes */
    }
    return true;
}

bool cm_rtsp_write_frame(rtsp_track *track, const cm_opened_frame *opened)
{
    cm_rtsp_viewer *viewer = track->viewer;
    if (viewer->is_failed || (viewer->inside != NULL && viewer->inside != track) ||
        (viewer->is_finishing && viewer->inside == NULL))
        return false;
    if (!is_own(track, opened)) {
        cm_rtsp_fail(viewer);
        return false;
    }
    const bool is_whole = track->stream == CM_STREAM_SOUND ? write_sound(track, opened)
                                                           : write_picture(track, opened);
    if (is_whole)
        end_frame(track);
    return is_whole;
}

/* ---- from the hub ---- */

/* The first frame says what there is to describe; it waits until somebody plays. */
static void prepare(rtsp_track *track, const cm_opened_frame *opened)
{
    cm_rtsp_viewer *viewer = track->viewer;
    if (!is_own(track, opened)) {
        cm_rtsp_fail(viewer);
        return;
    }
    if (track->stream == CM_STREAM_SOUND)
        cm_rtsp_note_sound(viewer, opened);
    else
        cm_rtsp_note_pictures(viewer, opened);
    if (viewer->state == VIEWER_PREPARING && cm_rtsp_is_describable(viewer))
        cm_rtsp_answer_describe(viewer, 200);
    else if (viewer->state == VIEWER_PREPARING && track->stream != CM_STREAM_SOUND)
        cm_timer_start(&viewer->soon, CM_MS(CM_RTSP_FIRST_SOUND_MS));
}

/* What comes again after a keyframe was gone back to. */
static bool is_repeated(rtsp_track *track, const cm_frame *frame)
{
    track->is_repeating = track->is_repeating && frame->media_time <= track->whole_time;
    return track->is_repeating;
}

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    rtsp_track *track = owner;
    if (track->viewer->state != VIEWER_PLAYING) {
        if (!track->is_described)
            prepare(track, opened);
        track->is_blocked = true;
        return false;
    }
    if (is_repeated(track, opened->frame))
        return true;
    if (CM_FAULT_MISDELIVERED(track, opened))
        return true;
    track->is_blocked = !cm_rtsp_write_frame(track, opened);
    return !track->is_blocked;
}

static void on_stale(void *owner)
{
    const rtsp_track *track = owner;
    track->viewer->server->config.events->on_stale(track->viewer->guest);
}

/* Half a frame that may not be finished is the end: the peer would take what follows for the rest
 * of it. */
static void on_broken(void *owner)
{
    rtsp_track *track = owner;
    if (track->next > 0 || track->offset > 0) {
        cm_rtsp_fail(track->viewer);
        return;
    }
    track->is_restart_due = true;
    cm_timer_start(&track->viewer->again, 0);
}

static const cm_subscription_events SUBSCRIPTION_EVENTS = {
    .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_broken};

void cm_rtsp_track_begin_again(rtsp_track *track)
{
    if (cm_subscription_begin_again(track->subscription) != CM_OK) {
        track->is_restart_due = true;
        cm_timer_start(&track->viewer->again, CM_MS(AGAIN_MS));
        return;
    }
    track->is_restart_due = track->is_blocked = false;
    track->is_repeating = track->has_whole;
    track->begun = NULL;
    track->next = 0;
}

/* Of a frame that was begun no more is opened than may go. */
static void resume(rtsp_track *track, uint16_t packets)
{
    if (!track->is_blocked)
        return;
    if (track->stream == CM_STREAM_SOUND || track->begun == NULL)
        cm_subscription_resume(track->subscription);
    else
        cm_subscription_resume_at(track->subscription, track->next, packets);
}

static void resume_while_there_is_room(rtsp_track *track)
{
    uint16_t before;
    do {
        before = track->next;
        resume(track, RESUMED_PACKETS);
    } while (track->is_blocked && !track->viewer->is_full && track->next != before);
}

/* What is half-way out ends first. Then sound, which is small, lest pictures take all the room. */
void cm_rtsp_tracks_resume(cm_rtsp_viewer *viewer)
{
    if (viewer->state != VIEWER_PLAYING)
        return;
    viewer->is_full = false;
    viewer->is_finishing = true;
    for (size_t i = 0; i < TRACKS; i++)
        if (viewer->inside == &viewer->tracks[i])
            resume(&viewer->tracks[i], 1);
    viewer->is_finishing = false;
    for (size_t i = TRACKS; i-- > 0;)
        if (!viewer->is_full)
            resume_while_there_is_room(&viewer->tracks[i]);
}

/* ---- reports ---- */

/* RFC 3550 6.4.1: the timestamp of this moment, counted from what was sent last. */
void cm_rtsp_send_report(rtsp_track *track)
{
    uint8_t storage[REPORT_MAX];
    uint8_t report[REPORT_MAX - FRAME_SIZE];
    const cm_wall wall = cm_loop_wall(track->viewer->server->loop);
    const int64_t since_us = wall.us - track->newest_captured.us;
    const cm_rtcp_sender_info info = {
        .ntp_timestamp = cm_rtp_ntp_of(wall),
        .rtp_timestamp =
            track->timestamp + (uint32_t)(since_us * (int64_t)track->clock_rate / 1000000),
        .packet_count = track->report_packets,
        .octet_count = track->report_octets};
    cm_writer w = cm_writer_over(report, sizeof report);
    cm_rtcp_write_sr(&w, track->ssrc, &info, NULL);
    cm_rtcp_write_cname(&w, track->ssrc, cm_slice_of(CNAME));
    cm_writer frame = cm_writer_over(storage, sizeof storage);
    cm_rtsp_write_interleaved_header(&frame, (uint8_t)(track->channel + 1), (uint16_t)w.used);
    cm_write_slice(&frame, cm_writer_done(&w));
    cm_slice bytes;
    if (cm_writer_finish(&frame, &bytes) == CM_OK)
        cm_rtsp_wire_say(track->viewer->wire, bytes);
}

/* ---- life ---- */

cm_status cm_rtsp_track_open(rtsp_track *track, cm_lease *lease)
{
    return cm_hub_subscribe(track->viewer->server->config.hub, lease, track->stream,
                            &SUBSCRIPTION_EVENTS, track, &track->subscription);
}

/* What RTP counts goes on: one who describes again on this connection is not confused by it. */
void cm_rtsp_track_close(rtsp_track *track)
{
    cm_subscription_close(track->subscription);
    track->subscription = NULL;
    track->is_described = track->is_set_up = track->is_blocked = track->is_restart_due = false;
    track->begun = NULL;
    track->next = 0;
    track->offset = 0;
    track->has_sent = track->has_whole = track->is_repeating = false;
}
