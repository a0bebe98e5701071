/* One viewer: from the hub's pass to the HTTP response. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "egress/mp4/fault_mp4.h"
#include "proto/aac/config.h"
#include "proto/video/sets.h"

enum { FIRST_FRAME_DEFAULT_MS = 8000, INIT_MAX = 8192 };

/* The request is finished: nothing may come to it any more, whenever the owner destroys us. */
static void end(cm_mp4_viewer *viewer)
{
    cm_timer_stop(&viewer->first_frame);
    cm_subscription_close(viewer->subscription);
    viewer->subscription = NULL;
    viewer->state = VIEWER_ENDED;
    viewer->config.request = NULL;
    viewer->config.events->on_end(viewer->config.owner);
}

/* ---- one picture ---- */

static void hash_parameter_sets(const cm_mp4_layout *layout, uint8_t out[CM_MAC_SIZE])
{
    uint8_t hashes[(2 + MUX_PPS_MAX) * CM_MAC_SIZE] = {0};
    if (layout->sound_format.size > 0) {
        cm_secret_hash(layout->sound_format, out);
        return;
    }
    cm_secret_hash(layout->vps, hashes);
    cm_secret_hash(layout->sps, hashes + CM_MAC_SIZE);
    for (size_t i = 0; i < layout->pps_count; i++)
        cm_secret_hash(layout->pps[i], hashes + (2 + i) * CM_MAC_SIZE);
    cm_secret_hash(cm_slice_over(hashes, (2 + layout->pps_count) * CM_MAC_SIZE), out);
}

/* Whether the player needs an init segment before this picture; asked once per picture. */
static void note_parameter_sets(cm_mp4_viewer *viewer, const cm_mp4_layout *layout)
{
    if (layout->sps.size == 0 && layout->sound_format.size == 0)
        return;
    uint8_t hash[CM_MAC_SIZE];
    hash_parameter_sets(layout, hash);
    viewer->is_init_due = memcmp(hash, viewer->init_hash, sizeof hash) != 0;
    cm_slice_copy(cm_slice_over(hash, sizeof hash), viewer->init_hash, sizeof viewer->init_hash);
}

static cm_status write_init(const cm_mp4_layout *layout, uint8_t storage[INIT_MAX], cm_slice *out)
{
    /* A VPS makes it a track of H.265. */
    const cm_fmp4_track track = {
        .vps = layout->vps, .sps = layout->sps, .pps = layout->pps, .pps_count = layout->pps_count};
    CM_ENSURE((layout->codec == CM_VIDEO_H265) == (layout->vps.size > 0), CM_CLOSE);
    cm_writer w = cm_writer_over(storage, INIT_MAX);
    CM_TRY(layout->sound_format.size > 0 ? cm_fmp4_sound_init_write(&w, &layout->sound)
                                         : cm_fmp4_init_write(&w, &track));
    return cm_writer_finish(&w, out);
}

/* "video/mp4; codecs=…", or of sound "audio/mp4; codecs=…". */
static cm_status write_type(const cm_mp4_layout *layout, cm_writer *w)
{
    cm_video_description video;
    cm_aac_config audio;
    char codecs[CM_AAC_CODECS_SIZE];
    if (layout->sound_format.size == 0) {
        CM_TRY(cm_video_describe(layout->codec, layout->sps, &video));
        cm_write_format(w, "video/mp4; codecs=\"%s\"", video.codecs);
        return CM_OK;
    }
    if (layout->sound.codec == CM_FMP4_AAC) {
        CM_TRY(cm_aac_config_parse(layout->sound.config, &audio));
        cm_aac_codecs(&audio, codecs);
        cm_write_format(w, "audio/mp4; codecs=\"%s\"", codecs);
    } else {
        cm_write_format(w, "audio/mp4; codecs=\"%s\"",
                        layout->sound.codec == CM_FMP4_OPUS ? "opus" : "flac");
    }
    return CM_OK;
}

static cm_status begin_response(cm_mp4_viewer *viewer, const cm_mp4_layout *layout)
{
    char type[64 + CM_VIDEO_CODECS_SIZE];
    cm_writer w = cm_writer_over(type, sizeof type);
    CM_ENSURE(write_type(layout, &w) == CM_OK, CM_BROKEN);
    const cm_http_field fields[] = {
        {CM_TEXT("content-type"), cm_writer_done(&w)},
        {CM_TEXT("cache-control"), CM_TEXT("no-store")},
        {CM_TEXT("x-content-type-options"), CM_TEXT("nosniff")},
    };
    cm_timer_stop(&viewer->first_frame);
    viewer->state = VIEWER_STREAMING;
    viewer->codec = layout->codec;
    viewer->sound_codec = layout->sound.codec;
    return cm_http_begin(viewer->config.request, 200, fields, CM_COUNT(fields));
}

/* Writes init segment and parts from `viewer->offset` on. CM_OK: all of it is out. */
static cm_status write_from_offset(cm_mp4_viewer *viewer, cm_slice init,
                                   const cm_mp4_layout *layout)
{
    cm_slice rest[1 + MUX_SLICES];
    size_t count = 0;
    size_t offered = 0;
    size_t gone = viewer->offset;
    for (size_t i = 0; i <= layout->count; i++) {
        const cm_slice part = i == 0 ? init : layout->parts[i - 1];
        rest[count] = cm_slice_from(part, gone);
        gone -= part.size - rest[count].size;
        offered += rest[count].size;
        count += rest[count].size > 0 ? 1 : 0;
    }
    size_t accepted = 0;
    CM_TRY(cm_http_body_write(viewer->config.request, rest, count, &accepted));
    viewer->offset += accepted;
    return accepted == offered ? CM_OK : CM_RETRY;
}

/* The init segment, if the picture needs one before it. Any failure is of the frame, not of the
 * connection. */
static cm_status prepare(cm_mp4_viewer *viewer, const cm_mp4_layout *layout,
                         uint8_t storage[INIT_MAX], cm_slice *init)
{
    if (!viewer->is_begun)
        note_parameter_sets(viewer, layout);
    viewer->is_begun = true;
    viewer->begun = layout->frame;
    return viewer->is_init_due ? write_init(layout, storage, init) : CM_OK;
}

/*
 * The last look before a connection: whatever was mixed up on the way, what goes into a response is
 * of the camera that it was begun for, was laid out from the very frame that is open, and goes on
 * with the picture of which the peer has a part.
 */
static cm_status check_own(const cm_mp4_viewer *viewer, const cm_opened_frame *opened,
                           const cm_mp4_layout *layout)
{
    const bool goes_on = !viewer->is_begun || viewer->begun == opened->frame;
    if (CM_FAULT(SEALING_OFF) ||
        (goes_on && cm_camera_key_equal(&opened->frame->camera, &viewer->camera) &&
         opened->frame->stream == viewer->config.stream && layout->frame == opened->frame &&
         layout->pass == opened->pass))
        return CM_OK;
    cm_hub_report(viewer->config.hub, &viewer->camera, viewer->config.stream, CM_REFUSAL_FOREIGN);
    return CM_BROKEN;
}

cm_status cm_mp4_write_picture(cm_mp4_viewer *viewer, const cm_opened_frame *opened)
{
    cm_mp4_layout layout;
    uint8_t storage[INIT_MAX];
    cm_slice init = {0};
    CM_ENSURE(cm_mp4_lay_out(viewer->config.muxer, opened, &layout) == CM_OK, CM_BROKEN);
    CM_TRY(check_own(viewer, opened, &layout));
    CM_ENSURE(prepare(viewer, &layout, storage, &init) == CM_OK, CM_BROKEN);
    if (viewer->state == VIEWER_WAITING)
        CM_TRY(begin_response(viewer, &layout));
    /* What the camera changed to is another type of content: the player asks anew. */
    CM_ENSURE(layout.codec == viewer->codec && layout.sound.codec == viewer->sound_codec,
              CM_BROKEN);
    CM_TRY(write_from_offset(viewer, init, &layout));
    viewer->offset = 0;
    viewer->is_begun = viewer->is_init_due = false;
    return CM_OK;
}

static void give_up(cm_mp4_viewer *viewer)
{
    /* A picture that can't be told as MP4: what is out is out, the player must begin anew. */
    cm_http_reset(viewer->config.request, false);
    end(viewer);
}

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    cm_mp4_viewer *viewer = owner;
    if (CM_FAULT_MISDELIVERED(viewer, opened))
        return true;
    switch (cm_mp4_write_picture(viewer, opened)) {
    case CM_OK:
        return true;
    case CM_RETRY:
        return false; /* on_drain follows */
    case CM_CLOSE:
        return false; /* on_gone follows */
    default:
        give_up(viewer);
        return false;
    }
}

/* ---- what happens around it ---- */

static void on_stale(void *owner)
{
    cm_mp4_viewer *viewer = owner;
    viewer->config.events->on_stale(viewer->config.owner);
}

static void on_broken(void *owner)
{
    give_up(owner);
}

static void on_drain(void *owner)
{
    cm_mp4_viewer *viewer = owner;
    cm_subscription_resume(viewer->subscription);
}

static void on_gone(void *owner)
{
    end(owner);
}

static void respond_not_ready(cm_mp4_viewer *viewer)
{
    const bool is_sound = cm_stream_is_sound(viewer->config.stream);
    cm_http_respond_problem(viewer->config.request,
                            &(cm_http_problem){
                                .status = 503,
                                .type = "camera-not-ready",
                                .title = is_sound ? "No sound yet" : "No picture yet",
                                .detail = is_sound ? "The camera has sent no sound yet."
                                                   : "The camera has sent no picture yet. Its "
                                                     "state says why.",
                                .retry_after_s = 2,
                            });
}

static void on_no_picture(cm_timer *timer)
{
    cm_mp4_viewer *viewer = CM_HOLDER(timer, cm_mp4_viewer, first_frame);
    respond_not_ready(viewer);
    end(viewer);
}

static const cm_subscription_events SUBSCRIPTION_EVENTS = {
    .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_broken};
static const cm_http_events HTTP_EVENTS = {on_drain, on_gone};

static void respond_busy(cm_http_request *request)
{
    cm_http_respond_problem(request,
                            &(cm_http_problem){
                                .status = 503,
                                .type = "server-busy",
                                .title = "The server has no memory left for another viewer",
                                .detail = "Close other pictures, or try again in a moment.",
                                .retry_after_s = 5,
                            });
}

cm_status cm_mp4_viewer_create(const cm_mp4_config *config, cm_lease *lease, cm_mp4_viewer **out)
{
    cm_mp4_viewer *viewer = calloc(1, sizeof *viewer);
    if (viewer == NULL) {
        cm_lease_destroy(lease);
        respond_busy(config->request);
        return CM_FULL;
    }
    viewer->config = *config;
    viewer->camera = *cm_lease_camera(lease);
    cm_timer_init(&viewer->first_frame, config->loop, on_no_picture);
    const cm_status status = cm_hub_subscribe(config->hub, lease, config->stream,
                                              &SUBSCRIPTION_EVENTS, viewer, &viewer->subscription);
    if (status != CM_OK) {
        respond_busy(config->request);
        free(viewer);
        return CM_FULL;
    }
    cm_http_watch(config->request, &HTTP_EVENTS, viewer);
    cm_timer_start(&viewer->first_frame, config->first_frame_us > 0
                                             ? config->first_frame_us
                                             : CM_MS(FIRST_FRAME_DEFAULT_MS));
    CM_FAULT_VIEWER_ADD(viewer);
    *out = viewer;
    return CM_OK;
}

void cm_mp4_viewer_renew(cm_mp4_viewer *viewer, cm_lease *lease)
{
    if (viewer->state == VIEWER_ENDED)
        cm_lease_destroy(lease);
    else
        cm_subscription_renew(viewer->subscription, lease);
}

void cm_mp4_viewer_cut(cm_mp4_viewer *viewer)
{
    if (viewer->state != VIEWER_ENDED)
        cm_http_reset(viewer->config.request, true);
    viewer->state = VIEWER_ENDED;
    cm_mp4_viewer_destroy(viewer);
}

void cm_mp4_viewer_destroy(cm_mp4_viewer *viewer)
{
    if (viewer == NULL)
        return;
    CM_FAULT_VIEWER_REMOVE(viewer);
    cm_timer_stop(&viewer->first_frame);
    cm_subscription_close(viewer->subscription);
    if (viewer->state == VIEWER_WAITING)
        respond_not_ready(viewer);
    else if (viewer->state == VIEWER_STREAMING && !viewer->is_begun)
        cm_http_end(viewer->config.request);
    else if (viewer->state == VIEWER_STREAMING)
        cm_http_reset(viewer->config.request, false); /* half a picture is out */
    free(viewer);
}
