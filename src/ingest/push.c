/* A stream whose pictures are brought: one publisher at a time, and what is said of it. */
#include <assert.h>

#include "base/fault.h"
#include "ingest/camera_priv.h"

/* Where a stream that nobody brings pictures to rests. */
static void rest(cm_feed *feed, cm_camera_cause cause, const char *detail)
{
    feed->push->camera = NULL;
    feed->push = NULL;
    cm_source_stop(feed->source);
    cm_sound_end(feed);
    cm_feed_set_state(feed, CM_CAMERA_OFF, cause, detail);
}

static void keep_counters(cm_feed *feed)
{
    cm_camera_push_counters last;
    feed->push->read_counters(feed->push, &last);
    feed->past.packets_lost += last.packets_lost;
    feed->past.malformed += last.malformed;
}

static cm_feed *feed_of(const cm_camera_push *push)
{
    return push->camera != NULL ? &push->camera->feeds[CM_STREAM_MAIN] : NULL;
}

cm_status cm_camera_push_begin(cm_camera *camera, const cm_camera_key *key, cm_camera_push *push)
{
    cm_feed *feed = &camera->feeds[CM_STREAM_MAIN];
    assert(push->camera == NULL);
    CM_ENSURE(cm_camera_key_equal(&camera->config.key, key) || CM_FAULT(EVIDENCE_OFF), CM_FOREIGN);
    CM_ENSURE(feed->is_pushed, CM_ABSENT);
    CM_ENSURE(feed->push == NULL, CM_FULL);
    push->camera = camera;
    feed->push = push;
    if (feed->status->frames > 0)
        feed->status->reconnects++;
    /* So that there are sealers before the first picture. */
    (void)cm_source_still_sealer(feed->source);
    cm_publish_begin(feed);
    cm_feed_set_state(feed, CM_CAMERA_CONNECTING, CM_CAUSE_NONE, "");
    return CM_OK;
}

void cm_camera_push_unit(cm_camera_push *push, const cm_ingest_unit *unit)
{
    cm_feed *feed = feed_of(push);
    if (feed != NULL)
        cm_publish_unit(feed, unit);
}

void cm_camera_push_sound(cm_camera_push *push, const cm_ingest_sound *sound)
{
    cm_feed *feed = feed_of(push);
    if (feed != NULL)
        cm_sound_put(feed, sound);
}

void cm_camera_push_skip(cm_camera_push *push)
{
    cm_feed *feed = feed_of(push);
    if (feed == NULL)
        return;
    feed->needs_keyframe = true;
    cm_source_leave_out(feed->source);
}

void cm_camera_push_silence(cm_camera_push *push)
{
    cm_feed *feed = feed_of(push);
    if (feed != NULL)
        cm_feed_set_state(feed, CM_CAMERA_CONNECTING, CM_CAUSE_NO_PICTURES, "no picture for 5 s");
}

void cm_camera_push_end(cm_camera_push *push, cm_camera_cause cause, const char *detail)
{
    cm_feed *feed = feed_of(push);
    if (feed == NULL)
        return;
    keep_counters(feed);
    rest(feed, cause, detail);
}

void cm_feed_drop_push(cm_feed *feed)
{
    cm_camera_push *push = feed->push;
    if (push == NULL)
        return;
    keep_counters(feed);
    rest(feed, CM_CAUSE_NONE, "");
    push->on_gone(push);
}
