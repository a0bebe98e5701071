/* One stream's access units into its source: cut into granules that borrow from the unit. */
#include "ingest/camera_priv.h"
#include "proto/video/packetize.h"

enum { NALS_MAX = CM_VIDEO_MAX_NALS + CM_VIDEO_MAX_PARAMETER_SETS };

void cm_publish_begin(cm_feed *feed)
{
    cm_capture_clock_restart(&feed->clock);
    feed->needs_keyframe = true;
    feed->has_keyframe = false;
    feed->sets_generation = 0;
    feed->measured = cm_loop_now(feed->camera->config.loop);
    feed->measured_frames = feed->status->frames;
    feed->measured_bytes = feed->status->bytes;
}

/* ---- what the stream is ---- */

static void note_codec(cm_feed *feed, cm_video_sets sets)
{
    cm_stream_status *status = feed->status;
    cm_video_description description;
    const uint32_t generation = cm_video_sets_generation(sets);
    if (generation == feed->sets_generation || cm_video_sets_describe(sets, &description) != CM_OK)
        return;
    feed->sets_generation = generation;
    cm_slice_copy(cm_slice_over(description.codecs, sizeof description.codecs),
                  (uint8_t *)status->codec, sizeof status->codec);
    status->width = description.width;
    status->height = description.height;
    cm_camera_changed(feed->camera);
}

/* ---- cutting ---- */

/* The unit's NAL units, behind the parameter sets if it is a keyframe that lacks them: decoding
 * begins there. 0: it lacks them and none are known. */
static size_t list_nals(const cm_ingest_unit *from, cm_slice nals[NALS_MAX])
{
    const cm_video_unit *unit = from->unit;
    const bool is_short = unit->is_keyframe && !unit->has_sets;
    size_t count = 0;
    if (is_short) {
        count = cm_video_sets_list(from->sets, nals);
        if (count == 0)
            return 0;
    }
    for (size_t i = 0; i < unit->nal_count; i++) {
        const cm_slice nal = unit->nals[i];
        if (!is_short || cm_video_set_of(unit->codec, nal) == CM_VIDEO_SET_NONE)
            nals[count++] = nal;
    }
    return count;
}

/* CM_REFUSE, CM_FULL: no frame can be made of it. */
static cm_status cut(cm_video_codec codec, const cm_slice *nals, size_t nal_count,
                     cm_plain_granule *granules, size_t *count_out)
{
    cm_video_packetizer packetizer;
    cm_video_granule granule;
    size_t count = 0;
    CM_TRY(cm_video_packetizer_init(&packetizer, codec, nals, nal_count, CM_VIDEO_GRANULE_BYTES));
    while (cm_video_packetizer_next(&packetizer, &granule)) {
        CM_ENSURE(count < CM_FRAME_GRANULES_MAX, CM_FULL);
        granules[count++] = (cm_plain_granule){
            .head = {granule.header[0], granule.header[1], granule.header[2]},
            .head_size = granule.header_size,
            .body = granule.body,
        };
    }
    *count_out = count;
    return CM_OK;
}

static cm_status put(cm_feed *feed, const cm_ingest_unit *from, const cm_capture_times *times)
{
    cm_slice nals[NALS_MAX];
    const size_t nal_count = list_nals(from, nals);
    cm_plain_granule *granules = feed->camera->config.gate->granules;
    cm_plain_frame plain = {.granules = granules,
                            .duration_ms = times->duration_ms,
                            .captured = times->captured,
                            .media_time = times->media_time};
    const cm_status status =
        nal_count > 0 ? cut(from->unit->codec, nals, nal_count, granules, &plain.count) : CM_ABSENT;
    if (status != CM_OK) {
        cm_source_leave_out(feed->source);
        return status;
    }
    if (from->unit->is_keyframe)
        plain.flags |= CM_FRAME_KEYFRAME;
    if (from->unit->lost_before || from->is_restart || feed->needs_keyframe)
        plain.flags |= CM_FRAME_DISCONTINUITY;
    if (from->unit->codec == CM_VIDEO_H265)
        plain.flags |= CM_FRAME_H265;
    return cm_source_put(feed->source, &plain);
}

void cm_publish_unit(cm_feed *feed, const cm_ingest_unit *unit)
{
    const cm_camera_config *config = &feed->camera->config;
    const cm_wall wall = cm_loop_wall(config->loop);
    const bool is_keyframe = unit->unit->is_keyframe;
    cm_capture_times times;
    if (unit->is_restart)
        cm_capture_clock_restart(&feed->clock);
    /* The clock read anew: what is read late in a long turn was not there when the turn began, and
     * the filter would believe for seconds that pictures can be here before they are taken. */
    cm_capture_clock_take(&feed->clock, unit->ticks, unit->clock_rate,
                          cm_loop_read_now(config->loop), wall, &times);
    note_codec(feed, unit->sets);
    if (feed->needs_keyframe && !is_keyframe) {
        cm_source_leave_out(feed->source);
        return;
    }
    feed->status->frames++;
    feed->status->bytes += unit->unit->size_bytes;
    feed->status->last_frame = wall;
    cm_feed_note_picture(feed);
    const cm_status status = put(feed, unit, &times);
    feed->needs_keyframe = status != CM_OK;
    if (status != CM_OK || !is_keyframe)
        return;
    if (!feed->has_keyframe) {
        feed->has_keyframe = true;
        cm_camera_changed(feed->camera);
    }
    if (config->events->on_keyframe != NULL)
        config->events->on_keyframe(config->owner, &config->key, feed->which);
}

/* ---- figures ---- */

enum { MEASURE_SECONDS = 2 };

static void measure_rates(cm_feed *feed, cm_instant now)
{
    cm_stream_status *status = feed->status;
    const int64_t elapsed_us = cm_instant_since(now, feed->measured);
    if (elapsed_us < CM_SECONDS(MEASURE_SECONDS) - CM_MS(100))
        return;
    const uint64_t frames = status->frames - feed->measured_frames;
    const uint64_t bytes = status->bytes - feed->measured_bytes;
    status->fps_milli = (uint32_t)(frames * 1000 * 1000000 / (uint64_t)elapsed_us);
    status->bits_per_second = (uint32_t)(bytes * 8 * 1000000 / (uint64_t)elapsed_us);
    feed->measured = now;
    feed->measured_frames = status->frames;
    feed->measured_bytes = status->bytes;
}

bool cm_publish_measure(cm_feed *feed)
{
    cm_stream_status *status = feed->status;
    cm_rtsp_client_counters present = {0};
    cm_camera_push_counters brought = {0};
    if (feed->client != NULL)
        cm_rtsp_client_read_counters(feed->client, &present);
    if (feed->push != NULL)
        feed->push->read_counters(feed->push, &brought);
    status->packets_lost = feed->past.packets_lost + present.packets_lost + brought.packets_lost;
    status->malformed = feed->past.malformed + present.malformed + brought.malformed;
    if (status->state == CM_CAMERA_LIVE) {
        measure_rates(feed, cm_loop_now(feed->camera->config.loop));
        return true;
    }
    const bool was_measured = status->fps_milli > 0 || status->bits_per_second > 0;
    status->fps_milli = status->bits_per_second = 0;
    return was_measured;
}
