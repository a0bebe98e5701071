/* A camera's sound into its source: which session it is taken from, when it was heard, how a frame
 * is laid out. */
#include <assert.h>
#include <string.h>

#include "ingest/camera_priv.h"

enum {
    SILENCE_SECONDS = 2, /* without a frame: another session's sound is taken */
    PIECES_MAX = CM_FRAME_GRANULES_MAX - 1,
};

/* ---- which session ---- */

static bool has_sound(const cm_feed *feed)
{
    return feed->client != NULL && cm_rtsp_client_sound(feed->client) != NULL;
}

/* Is this the session to be heard? Main's, or the only one that has sound. */
static bool is_heard(const cm_feed *feed)
{
    const cm_camera_sound *s = &feed->camera->sound;
    if (s->from == NULL || s->from == feed || feed->which == CM_STREAM_MAIN)
        return true;
    const cm_instant now = cm_loop_now(feed->camera->config.loop);
    return cm_instant_since(now, s->last_frame) >= CM_SECONDS(SILENCE_SECONDS);
}

void cm_sound_end(cm_feed *feed)
{
    cm_camera_sound *s = &feed->camera->sound;
    if (s->from != feed)
        return;
    s->from = NULL;
    cm_source_stop(s->source);
}

/* ---- what is known of it ---- */

static void note_format(cm_camera *camera, const cm_sound_format *format)
{
    cm_sound_status *status = &camera->status.sound;
    const bool is_same = status->is_there && status->codec == format->codec &&
                         status->channels == format->channels && status->rate == format->rate;
    if (is_same)
        return;
    status->is_there = true;
    status->codec = format->codec;
    status->channels = format->channels;
    status->rate = format->rate;
    cm_camera_changed(camera);
}

/* Of both streams' sessions, also those that are over. */
static void count_losses(cm_camera *camera)
{
    cm_sound_status *status = &camera->status.sound;
    status->packets_lost = status->malformed = 0;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        const cm_feed *feed = &camera->feeds[i];
        cm_rtsp_client_counters present = {0};
        if (feed->client != NULL)
            cm_rtsp_client_read_counters(feed->client, &present);
        status->packets_lost += feed->past.sound_packets_lost + present.sound_packets_lost;
        status->malformed += feed->past.sound_malformed + present.sound_malformed;
    }
}

/* Sound is there until every session that plays has said that it has none. */
static void note_lack(cm_camera *camera)
{
    cm_sound_status *status = &camera->status.sound;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        const cm_feed *feed = &camera->feeds[i];
        if (feed->address != NULL && !feed->lacks_sound)
            return;
    }
    if (!status->is_there)
        return;
    status->is_there = false;
    cm_camera_changed(camera);
}

/* What is wrong with the sound is said beside pictures that are live. */
static void note_refusal(cm_feed *feed)
{
    const char *refusal = cm_rtsp_client_sound_refusal(feed->client);
    if (feed->status->state == CM_CAMERA_LIVE && strcmp(refusal, feed->status->detail) != 0)
        cm_feed_set_state(feed, CM_CAMERA_LIVE, CM_CAUSE_NONE, refusal);
}

void cm_sound_review(cm_feed *feed)
{
    cm_camera *camera = feed->camera;
    count_losses(camera);
    if (feed->client == NULL || cm_rtsp_client_state_of(feed->client) != CM_RTSP_CLIENT_PLAYING)
        return;
    feed->lacks_sound = !has_sound(feed);
    if (feed->lacks_sound) {
        cm_sound_end(feed);
        note_lack(camera);
    } else if (is_heard(feed)) {
        note_format(camera, cm_rtsp_client_sound(feed->client));
    }
    note_refusal(feed);
}

/* ---- frames ---- */

/* A packet can't arrive before its last sample was taken: that is what the filter follows; what is
 * told is the first. */
static void time_of(cm_camera *camera, const cm_ingest_sound *sound, cm_plain_frame *plain)
{
    cm_camera_sound *s = &camera->sound;
    const cm_loop *loop = camera->config.loop;
    const int64_t lasts_us = (int64_t)sound->duration * CM_SECONDS(1) / sound->clock_rate;
    cm_capture_times end;
    cm_capture_clock_take(&s->clock, sound->ticks + sound->duration, sound->clock_rate,
                          cm_loop_read_now(loop), cm_loop_wall(loop), &end);
    plain->captured = (cm_wall){end.captured.us - lasts_us};
    plain->media_time = end.media_time - lasts_us * 9 / 100;
    if (plain->media_time <= s->last_media)
        plain->media_time = s->last_media + 1;
    s->last_media = plain->media_time;
    plain->duration_ms = (uint16_t)((lasts_us + 500) / 1000);
}

/* The format, then the frame in pieces. */
static cm_status lay_out(const cm_ingest_sound *sound, cm_writer *storage,
                         cm_plain_granule *granules, size_t *count_out)
{
    CM_TRY(cm_sound_format_write(storage, sound->format));
    CM_ENSURE(sound->bytes.size <= (size_t)PIECES_MAX * CM_GRANULE_MAX, CM_FULL);
    size_t count = 0;
    granules[count++] = (cm_plain_granule){.body = cm_writer_done(storage)};
    for (size_t at = 0; at < sound->bytes.size; at += CM_GRANULE_MAX)
        granules[count++] =
            (cm_plain_granule){.body = cm_slice_part(sound->bytes, at, CM_GRANULE_MAX)};
    *count_out = count;
    return CM_OK;
}

static void begin_from(const cm_feed *feed)
{
    cm_camera_sound *s = &feed->camera->sound;
    s->from = feed;
    cm_capture_clock_restart(&s->clock);
}

void cm_sound_put(cm_feed *feed, const cm_ingest_sound *sound)
{
    cm_camera *camera = feed->camera;
    cm_camera_sound *s = &camera->sound;
    uint8_t storage[CM_SOUND_FORMAT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_plain_frame plain = {.granules = camera->config.gate->granules, .flags = CM_FRAME_KEYFRAME};
    if (!is_heard(feed))
        return;
    const bool is_anew = s->from != feed || sound->is_restart;
    if (is_anew)
        begin_from(feed);
    if (is_anew || sound->lost_before)
        plain.flags |= CM_FRAME_DISCONTINUITY;
    s->last_frame = cm_loop_now(camera->config.loop);
    time_of(camera, sound, &plain);
    if (lay_out(sound, &w, camera->config.gate->granules, &plain.count) != CM_OK) {
        cm_source_leave_out(s->source);
        return;
    }
    note_format(camera, sound->format);
    camera->status.sound.frames++;
    camera->status.sound.bytes += sound->bytes.size;
    camera->status.sound.last_frame = cm_loop_wall(camera->config.loop);
    const cm_camera_events *events = camera->config.events;
    /* What is dropped is counted there. */
    if (cm_source_put(s->source, &plain) == CM_OK && events->on_sound != NULL)
        events->on_sound(camera->config.owner, &camera->config.key);
}

/* ---- wanting ---- */

/* The lower the likelier it is to be heard for nothing; main before sub. */
static unsigned rank_of(const cm_feed *feed)
{
    if (has_sound(feed))
        return 0;
    if (feed->address == NULL)
        return 4;
    if (feed->lacks_sound)
        return 3;
    return feed->wants > 0 ? 1 : 2;
}

void cm_sound_want(cm_camera *camera, bool is_wanted)
{
    cm_camera_sound *s = &camera->sound;
    assert(is_wanted || s->wants > 0);
    s->wants += is_wanted ? 1 : -1u;
    if (s->wants > 0 && s->wanted_from == NULL) {
        cm_feed *main_feed = &camera->feeds[CM_STREAM_MAIN];
        cm_feed *sub = &camera->feeds[CM_STREAM_SUB];
        s->wanted_from = rank_of(sub) < rank_of(main_feed) ? sub : main_feed;
        cm_feed_want(s->wanted_from, true);
    } else if (s->wants == 0) {
        cm_feed *feed = s->wanted_from;
        s->wanted_from = NULL;
        cm_feed_want(feed, false);
    }
}

/* ---- life ---- */

void cm_sound_forget(cm_camera *camera)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        camera->feeds[i].lacks_sound = false;
    camera->status.sound.is_there = false;
}

cm_status cm_sound_create(cm_camera *camera)
{
    const cm_source_config config = {.hub = camera->config.hub,
                                     .loop = camera->config.loop,
                                     .camera = camera->config.key,
                                     .stream = CM_STREAM_SOUND,
                                     .on_want_sealers = cm_camera_want_sealers,
                                     .owner = camera};
    cm_capture_clock_init(&camera->sound.clock);
    return cm_source_create(&config, &camera->sound.source);
}

void cm_sound_destroy(cm_camera *camera)
{
    cm_source_destroy(camera->sound.source);
}
