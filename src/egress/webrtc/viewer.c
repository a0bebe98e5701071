/* One viewer: which pictures go out, when, and with what timestamps. */
#include <assert.h>
#include <stdlib.h>

#include "base/fault.h"
#include "egress/codec_of.h"
#include "egress/webrtc/fault_webrtc.h"

enum {
    START_DEFAULT = 4000000, /* bits a second */
    BUDGET_LEAST = 50000,
    BUDGET_MOST = 1000000000,
    ORDINARY_PACKETS = 16,  /* of a picture that goes in one go, */
    ORDINARY_DEBT_MS = 40,  /* unless so much was sent ahead of the pace */
    BURST_MS = 5,           /* of the pace */
    CACHED_MS = 500,        /* of the estimate: what a cached group may take */
    OLD_MS = 200,           /* a keyframe that is, has more behind it */
    LATE_MS = 500,          /* then a newer keyframe is better than going on */
    SQUEEZED_TICKS = 90,    /* between cached pictures: 1 ms */
    AGAIN_MS = 200,         /* until a keyframe is looked for again */
    SEQUENCE_FIRST = 32768, /* RFC 3711 3.3.1: begins below, or the loss of the first packets makes
                               the peer count wrong */
};

/* ---- the pace ---- */

uint64_t cm_webrtc_budget(const cm_webrtc_viewer *viewer)
{
    const cm_webrtc_estimator *estimator = viewer->config.estimator;
    uint64_t bits = estimator != NULL ? estimator->bits_per_second(estimator->context) : 0;
    if (bits == 0)
        bits = viewer->config.start_bits_per_second;
    if (bits > BUDGET_MOST)
        return BUDGET_MOST;
    return bits > BUDGET_LEAST ? bits : BUDGET_LEAST;
}

/* Bits a second. While nobody measures the path, a stream of more than the start value must not
 * be held back by it. */
static uint64_t pace_of(const cm_webrtc_viewer *viewer)
{
    const cm_webrtc_estimator *estimator = viewer->config.estimator;
    const bool is_measured =
        estimator != NULL && estimator->bits_per_second(estimator->context) > 0;
    const uint64_t pace = cm_webrtc_budget(viewer) * 5 / 2;
    const uint64_t needed = viewer->sent_bits_per_second * 2;
    return is_measured || pace > needed ? pace : needed;
}

static int64_t time_of(size_t bytes, uint64_t pace)
{
    return (int64_t)((uint64_t)bytes * 8 * 1000000 / pace);
}

/* Packets of a burst. */
static size_t burst_of(uint64_t pace)
{
    const size_t packets = (size_t)(pace * BURST_MS / 1000 / 8 / PACKET_MAX);
    return packets > BURST_PACKETS ? packets : BURST_PACKETS;
}

/* How long what was sent still takes at the pace. */
static int64_t debt_us(const cm_webrtc_viewer *viewer)
{
    const int64_t us = cm_instant_since(viewer->paced_until, cm_loop_now(viewer->config.loop));
    return us > 0 ? us : 0;
}

static void spend(cm_webrtc_viewer *viewer, size_t bytes)
{
    const cm_instant now = cm_loop_now(viewer->config.loop);
    const cm_instant from = viewer->paced_until.us > now.us ? viewer->paced_until : now;
    viewer->paced_until = cm_instant_after(from, time_of(bytes, pace_of(viewer)));
}

static bool is_ordinary(const cm_webrtc_viewer *viewer, const cm_frame *frame)
{
    return viewer->state == VIEWER_LIVE && (frame->flags & CM_FRAME_KEYFRAME) == 0 &&
           frame->count <= ORDINARY_PACKETS && debt_us(viewer) < CM_MS(ORDINARY_DEBT_MS);
}

/* Packets that may go at once. */
static size_t room_for(const cm_webrtc_viewer *viewer, const cm_frame *frame)
{
    if (is_ordinary(viewer, frame))
        return ORDINARY_PACKETS;
    const uint64_t pace = pace_of(viewer);
    const size_t burst = burst_of(pace);
    const size_t owed = (size_t)(debt_us(viewer) / time_of(PACKET_MAX, pace));
    return owed < burst ? burst - owed : 0;
}

/* ---- timestamps ---- */

static bool is_after(uint32_t timestamp, uint32_t other)
{
    return (int32_t)(timestamp - other) > 0;
}

/* Every picture's is after the last one's. Where the picture's own time is not, as after a group
 * that came again, the clock moves on. */
static void stamp(cm_webrtc_viewer *viewer, const cm_frame *frame)
{
    const uint32_t own = viewer->clock_offset + (uint32_t)frame->media_time;
    const uint32_t least = viewer->timestamp + SQUEEZED_TICKS;
    if (viewer->state == VIEWER_CATCHING_UP && frame->media_time > viewer->catch_up_to)
        viewer->state = VIEWER_LIVE;
    if (viewer->state == VIEWER_LIVE && viewer->has_sent && !is_after(own, viewer->timestamp))
        viewer->clock_offset += least - own;
    const bool is_own = viewer->state != VIEWER_CATCHING_UP &&
                        (!viewer->has_sent || is_after(own, viewer->timestamp));
    viewer->timestamp = is_own ? own : least;
    viewer->newest_time = frame->media_time;
    viewer->newest_captured = frame->captured;
}

/* Cached pictures end at the newest one's own timestamp, unless the peer has had that. */
static void squeeze(cm_webrtc_viewer *viewer, const cm_backlog *backlog)
{
    const uint32_t before = viewer->clock_offset + (uint32_t)backlog->newest -
                            (uint32_t)backlog->frames * SQUEEZED_TICKS;
    viewer->state = VIEWER_CATCHING_UP;
    viewer->catch_up_to = backlog->newest;
    if (!viewer->has_sent || is_after(before, viewer->timestamp))
        viewer->timestamp = before;
}

/* ---- which pictures ---- */

static bool is_late(cm_media_time newest, cm_media_time time)
{
    return newest - time > LATE_MS * (CLOCK_RATE / 1000);
}

/* What is to come, with this keyframe, which is being offered. */
static cm_backlog backlog_with(const cm_webrtc_viewer *viewer, const cm_frame *keyframe)
{
    cm_backlog backlog;
    cm_subscription_read_backlog(viewer->subscription, &backlog);
    if (!viewer->has_waited)
        return backlog;
    if (backlog.frames++ == 0) /* it is offered again */
        backlog.newest = keyframe->media_time;
    backlog.keyframes++;
    backlog.bytes += keyframe->size_bytes;
    return backlog;
}

/*
 * A group that comes from another loop comes picture by picture, as if each were live. A joiner to
 * whom an old keyframe is offered alone looks again a moment later what is behind it.
 */
static bool must_wait(cm_webrtc_viewer *viewer, const cm_frame *frame)
{
    const int64_t age_us = cm_loop_wall(viewer->config.loop).us - frame->captured.us;
    if (!viewer->is_joining || viewer->has_waited || age_us < CM_MS(OLD_MS) ||
        backlog_with(viewer, frame).frames > 1)
        return false;
    viewer->has_waited = true;
    cm_timer_start(&viewer->pace_timer, CM_MS(1));
    return true;
}

/* False: it is not worth sending, a newer keyframe is there. */
static bool begin_group(cm_webrtc_viewer *viewer, const cm_frame *keyframe)
{
    const cm_backlog backlog = backlog_with(viewer, keyframe);
    viewer->has_waited = false;
    const bool is_old = is_late(backlog.newest, keyframe->media_time);
    if (backlog.keyframes > 1 && is_old) {
        viewer->state = VIEWER_SKIPPING;
        return false;
    }
    const uint64_t cached_bits = (uint64_t)backlog.bytes * 8;
    if (backlog.frames <= 1 || (!viewer->is_joining && !is_old))
        viewer->state = VIEWER_LIVE;
    else if (cached_bits > cm_webrtc_budget(viewer) * CACHED_MS / 1000)
        viewer->state = VIEWER_SKIPPING; /* all but the keyframe */
    else
        squeeze(viewer, &backlog);
    viewer->is_joining = false;
    return true;
}

/* RFC 8843 15: the MID until the peer must know it. No delay until it was heard of, and once a
 * group for one that forgot. */
static uint8_t flags_for(const cm_webrtc_viewer *viewer, bool is_keyframe)
{
    if (!viewer->is_acknowledged)
        return WITH_MID | WITH_PLAYOUT_DELAY;
    return is_keyframe ? WITH_PLAYOUT_DELAY : 0;
}

/* False: it is not for this viewer. */
static bool begin_picture(cm_webrtc_viewer *viewer, const cm_frame *frame)
{
    const bool is_keyframe = (frame->flags & CM_FRAME_KEYFRAME) != 0;
    if (is_keyframe ? !begin_group(viewer, frame) : viewer->state == VIEWER_SKIPPING)
        return false;
    stamp(viewer, frame);
    if (!viewer->has_sent)
        cm_timer_start(&viewer->report_timer, 0); /* the first report tells when this was */
    viewer->has_sent = true;
    viewer->begun = frame;
    viewer->is_keyframe_begun = is_keyframe;
    viewer->granule = 0;
    viewer->flags = flags_for(viewer, is_keyframe);
    cm_webrtc_history_age(viewer);
    return true;
}

static void end_picture(cm_webrtc_viewer *viewer)
{
    if (viewer->state == VIEWER_CATCHING_UP && viewer->newest_time >= viewer->catch_up_to)
        viewer->state = VIEWER_LIVE;
    viewer->begun = NULL;
    viewer->is_keyframe_begun = false;
    viewer->granule = 0;
}

/* ---- one picture ---- */

/* At most `room` of the granules that are open, from the next one on. */
static cm_status send_granules(cm_webrtc_viewer *viewer, const cm_opened_frame *opened, size_t room)
{
    packet_headers headers;
    cm_webrtc_transport *transport = viewer->config.transport;
    const uint64_t before = viewer->figures.bytes_sent;
    cm_webrtc_headers_make(viewer, opened->frame, viewer->timestamp, viewer->flags, &headers);
    for (; room > 0 && viewer->granule < opened->count; room--) {
        if (opened->granules[viewer->granule].size == 0)
            break;
        size_t size;
        const packet_place place = {.granule = viewer->granule,
                                    .sequence = viewer->sequence,
                                    .number = transport->next_number};
        CM_TRY(cm_webrtc_put(viewer, &headers, opened, &place, transport->send_rtp, &size));
        cm_webrtc_history_add(viewer, &place);
        cm_webrtc_note_sent(viewer, place.number, size);
        viewer->figures.packets_sent++;
        viewer->figures.bytes_sent += size;
        viewer->report_packets++;
        viewer->report_octets += (uint32_t)opened->granules[viewer->granule].size;
        viewer->granule++;
        viewer->sequence++;
        transport->next_number++;
    }
    spend(viewer, (size_t)(viewer->figures.bytes_sent - before));
    return CM_OK;
}

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    cm_webrtc_viewer *viewer = owner;
    if (cm_codec_of(opened->frame) != viewer->config.media.codec) {
        viewer->is_other_codec = true;
        cm_timer_start(&viewer->pace_timer, 0);
        return false;
    }
    if (viewer->begun != opened->frame) {
        if (must_wait(viewer, opened->frame))
            return false;
        if (!begin_picture(viewer, opened->frame)) {
            viewer->figures.pictures_skipped++;
            return true;
        }
    }
    if (CM_FAULT_MISDELIVERED(viewer, opened)) {
        end_picture(viewer);
        return true;
    }
    if (send_granules(viewer, opened, room_for(viewer, opened->frame)) != CM_OK) {
        viewer->state = VIEWER_SKIPPING; /* it was not ours: nothing more until a keyframe */
        end_picture(viewer);
        return true;
    }
    if (viewer->granule < opened->count) {
        cm_timer_start_at(&viewer->pace_timer, viewer->paced_until);
        return false;
    }
    viewer->figures.pictures_sent++;
    end_picture(viewer);
    return true;
}

void cm_webrtc_begin_again(cm_webrtc_viewer *viewer)
{
    if (cm_subscription_begin_again(viewer->subscription) != CM_OK)
        return;
    viewer->is_restart_due = false;
    viewer->is_joining = true;
    viewer->figures.begun_again++;
    end_picture(viewer);
}

/* A newer keyframe waits while this picture is old already. */
static bool is_overtaken(const cm_webrtc_viewer *viewer)
{
    cm_backlog backlog;
    cm_subscription_read_backlog(viewer->subscription, &backlog);
    return backlog.keyframes > 0 && is_late(backlog.newest, viewer->newest_time);
}

static void on_pace_timer(cm_timer *timer)
{
    cm_webrtc_viewer *viewer = CM_HOLDER(timer, cm_webrtc_viewer, pace_timer);
    if (viewer->is_other_codec) {
        cm_webrtc_end(viewer);
        return;
    }
    if (viewer->is_restart_due || is_overtaken(viewer))
        cm_webrtc_begin_again(viewer);
    if (viewer->is_restart_due)
        cm_timer_start(&viewer->pace_timer, CM_MS(AGAIN_MS));
    else if (viewer->begun == NULL)
        cm_subscription_resume(viewer->subscription);
    else
        cm_subscription_resume_at(viewer->subscription, viewer->granule,
                                  (uint16_t)burst_of(pace_of(viewer)));
}

/* ---- what happens around it ---- */

static void on_stale(void *owner)
{
    cm_webrtc_viewer *viewer = owner;
    viewer->config.events->on_stale(viewer->config.owner);
}

/* Half a picture is out that may not be finished: RTP bears that. */
static void on_broken(void *owner)
{
    cm_webrtc_viewer *viewer = owner;
    viewer->is_restart_due = true;
    cm_timer_start(&viewer->pace_timer, 0);
}

static void on_pass_end(void *owner)
{
    cm_webrtc_viewer *viewer = owner;
    viewer->config.transport->flush(viewer->config.transport->context);
}

static const cm_subscription_events SUBSCRIPTION_EVENTS = {
    .on_frame = on_frame,
    .on_stale = on_stale,
    .on_broken = on_broken,
    .on_pass_end = on_pass_end,
};

/* ---- life ---- */

static bool fits_one_byte_form(uint8_t id)
{
    return id <= CM_RTP_ONE_BYTE_ID_MAX;
}

static bool is_sound(const cm_webrtc_media *media)
{
    const cm_rtp_extension_ids *ids = &media->extensions;
    return fits_one_byte_form(ids->transport_sequence) && fits_one_byte_form(ids->capture_time) &&
           fits_one_byte_form(ids->playout_delay) && fits_one_byte_form(ids->mid) &&
           media->mid.size <= CM_RTP_ELEMENT_MAX && media->payload_type < 128 &&
           media->rtx_payload_type < 128 && media->cname.size > 0 && media->cname.size <= UINT8_MAX;
}

cm_status cm_webrtc_viewer_create(const cm_webrtc_config *config, cm_lease *lease,
                                  cm_webrtc_viewer **out)
{
    cm_webrtc_viewer *viewer = is_sound(&config->media) ? calloc(1, sizeof *viewer) : NULL;
    if (viewer == NULL) {
        cm_lease_destroy(lease);
        return is_sound(&config->media) ? CM_BROKEN : CM_REFUSE;
    }
    cm_random *random = cm_loop_random(config->loop);
    viewer->config = *config;
    if (viewer->config.start_bits_per_second == 0)
        viewer->config.start_bits_per_second = START_DEFAULT;
    viewer->camera = *cm_lease_camera(lease);
    viewer->lease = lease;
    viewer->clock_offset = (uint32_t)cm_random_u64(random);
    viewer->sequence = (uint16_t)cm_random_below(random, SEQUENCE_FIRST);
    viewer->rtx_sequence = (uint16_t)cm_random_below(random, SEQUENCE_FIRST);
    cm_timer_init(&viewer->pace_timer, config->loop, on_pace_timer);
    cm_timer_init(&viewer->report_timer, config->loop, cm_webrtc_on_report_timer);
    CM_FAULT_VIEWER_ADD(viewer);
    *out = viewer;
    return CM_OK;
}

cm_status cm_webrtc_viewer_start(cm_webrtc_viewer *viewer)
{
    assert(viewer->state == VIEWER_CREATED);
    cm_lease *lease = viewer->lease;
    viewer->lease = NULL;
    viewer->reported = cm_loop_now(viewer->config.loop);
    CM_TRY(cm_hub_subscribe(viewer->config.hub, lease, viewer->config.stream, &SUBSCRIPTION_EVENTS,
                            viewer, &viewer->subscription));
    viewer->state = VIEWER_LIVE;
    viewer->is_joining = true;
    return cm_subscription_remember(viewer->subscription, HISTORY_FRAMES);
}

void cm_webrtc_viewer_renew(cm_webrtc_viewer *viewer, cm_lease *lease)
{
    if (viewer->subscription != NULL) {
        cm_subscription_renew(viewer->subscription, lease);
    } else {
        cm_lease_destroy(viewer->lease);
        viewer->lease = lease;
    }
}

static void stop(cm_webrtc_viewer *viewer)
{
    cm_timer_stop(&viewer->pace_timer);
    cm_timer_stop(&viewer->report_timer);
    cm_subscription_close(viewer->subscription);
    viewer->subscription = NULL;
}

void cm_webrtc_end(cm_webrtc_viewer *viewer)
{
    stop(viewer);
    viewer->state = VIEWER_ENDED;
    viewer->config.events->on_end(viewer->config.owner);
}

void cm_webrtc_viewer_cut(cm_webrtc_viewer *viewer)
{
    cm_webrtc_viewer_destroy(viewer);
}

void cm_webrtc_viewer_destroy(cm_webrtc_viewer *viewer)
{
    if (viewer == NULL)
        return;
    CM_FAULT_VIEWER_REMOVE(viewer);
    stop(viewer);
    if (viewer->state != VIEWER_ENDED)
        cm_webrtc_bye(viewer);
    cm_lease_destroy(viewer->lease);
    free(viewer);
}

void cm_webrtc_viewer_read_figures(const cm_webrtc_viewer *viewer, cm_webrtc_figures *out)
{
    *out = viewer->figures;
    out->estimate_bits_per_second = cm_webrtc_budget(viewer);
}
