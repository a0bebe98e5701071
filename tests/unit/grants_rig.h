/*
 * grants_rig: a server of control loop, sources and viewers on virtual time, over the two homes of
 * store_world.h: for the tests of grants. Tests only.
 */
#pragma once

#include "media_testing.h"
#include "store_world.h"

#include "grants/grants_priv.h"
#include "loop/sim.h"

typedef struct source {
    cm_sealer *frames[8]; /* of the main stream, as they came */
    cm_sealer *sound;     /* the first, */
    cm_sealer *made[2];   /* and of what is made from it */
    size_t count;
    bool is_gone;
} source;

typedef struct viewer {
    cm_viewer_session *session;
    cm_lease *lease; /* the newest */
    size_t leases;
    bool has_ended;
    cm_grant_reason reason;
    cm_instant ended;
    cm_loop *loop;
} viewer;

typedef struct server {
    store_world w;
    cm_sim *sim;
    cm_loop *control, *sources, *viewers;
    cm_epoch_page *page;
    cm_grants *grants;
    source cameras[4]; /* verdi door, verdi yard, rossi door, rossi yard */
    size_t alarms;
    const char *cause;
} server;

static const char *const CAMERAS[4][2] = {
    {"verdi", "door"}, {"verdi", "yard"}, {"rossi", "door"}, {"rossi", "yard"}};

static inline void on_sealers(void *owner, const cm_camera_key *camera, cm_sealer_set *set)
{
    source *s = owner;
    assert_true(s->count < CM_COUNT(s->frames));
    assert_false(s->is_gone);
    cm_sealer *frames = set->sealers[CM_STREAM_MAIN][CM_OBJECT_FRAME];
    cm_sealer **opus = &set->sealers[CM_STREAM_SOUND_OPUS][CM_OBJECT_FRAME];
    cm_sealer **flac = &set->sealers[CM_STREAM_SOUND_FLAC][CM_OBJECT_FRAME];
    assert_true(cm_camera_key_equal(cm_sealer_camera(frames), camera));
    assert_true(cm_sealer_epoch(frames) == set->epoch);
    set->sealers[CM_STREAM_MAIN][CM_OBJECT_FRAME] = NULL;
    assert_null(set->sealers[CM_STREAM_SOUND][CM_OBJECT_STILL]);
    if (s->sound == NULL) {
        s->sound = set->sealers[CM_STREAM_SOUND][CM_OBJECT_FRAME];
        set->sealers[CM_STREAM_SOUND][CM_OBJECT_FRAME] = NULL;
        s->made[0] = *opus;
        s->made[1] = *flac;
        *opus = *flac = NULL;
    }
    s->frames[s->count++] = frames;
}

static inline void on_gone(void *owner, const cm_camera_key *camera)
{
    (void)camera;
    ((source *)owner)->is_gone = true;
}

static inline void on_alarm(void *owner, const cm_camera_key *asked, const char *cause)
{
    (void)asked;
    server *s = owner;
    s->alarms++;
    s->cause = cause;
}

static inline void on_lease(void *owner, cm_lease *lease)
{
    viewer *v = owner;
    assert_false(v->has_ended);
    cm_lease_destroy(v->lease);
    v->lease = lease;
    v->leases++;
}

static inline void on_end(void *owner, cm_grant_reason reason)
{
    viewer *v = owner;
    assert_false(v->has_ended);
    v->has_ended = true;
    v->reason = reason;
    v->ended = cm_loop_now(v->loop);
}

static inline void server_open(server *s, const cm_grants_config *more)
{
    *s = (server){.alarms = 0};
    store_world_open(&s->w);
    assert_int_equal(cm_sim_create(7, NOW, &s->sim), CM_OK);
    cm_loop **const loops[] = {&s->control, &s->sources, &s->viewers};
    for (unsigned i = 0; i < CM_COUNT(loops); i++)
        assert_int_equal(cm_sim_loop_create(s->sim, &(cm_loop_config){.index = i}, loops[i]),
                         CM_OK);
    assert_int_equal(cm_epoch_page_create(64, &s->page), CM_OK);
    cm_grants_config config = more != NULL ? *more : (cm_grants_config){.cameras_max = 0};
    config.control = s->control;
    config.store = s->w.store;
    config.page = s->page;
    config.on_alarm = on_alarm;
    config.owner = s;
    assert_int_equal(cm_grants_create(&config, &s->grants), CM_OK);
    static const cm_grants_camera_events EVENTS = {.on_sealers = on_sealers, .on_gone = on_gone};
    for (size_t i = 0; i < CM_COUNT(CAMERAS); i++) {
        const cm_camera_key key = camera_key(CAMERAS[i][0], CAMERAS[i][1]);
        cm_stored_camera stored;
        assert_int_equal(cm_store_camera_find(s->w.store, &key, &stored), CM_OK);
        assert_int_equal(cm_grants_camera_add(s->grants, &key, stored.min_epoch, s->sources,
                                              &EVENTS, &s->cameras[i]),
                         CM_OK);
    }
    cm_sim_run_for(s->sim, CM_MS(1));
}

static inline void server_close(server *s)
{
    cm_sim_run_for(s->sim, CM_MS(100));
    cm_grants_counters counters;
    cm_grants_read_counters(s->grants, &counters);
    assert_int_equal(counters.sessions_now, 0);
    cm_grants_destroy(s->grants);
    cm_loop_destroy(s->control);
    cm_loop_destroy(s->sources);
    cm_loop_destroy(s->viewers);
    cm_sim_destroy(s->sim);
    for (size_t i = 0; i < CM_COUNT(CAMERAS); i++) {
        cm_sealer_destroy(s->cameras[i].sound);
        cm_sealer_destroy(s->cameras[i].made[0]);
        cm_sealer_destroy(s->cameras[i].made[1]);
        for (size_t j = 0; j < s->cameras[i].count; j++)
            cm_sealer_destroy(s->cameras[i].frames[j]);
    }
    cm_epoch_page_destroy(s->page);
    store_world_close(&s->w);
}

static inline void ask_for(server *s, viewer *v, const cm_asker *asker, size_t camera,
                           uint32_t streams, cm_rights wanted)
{
    static const cm_viewer_events EVENTS = {.on_lease = on_lease, .on_end = on_end};
    *v = (viewer){.loop = s->viewers};
    const cm_viewer_ask ask = {.asker = *asker,
                               .camera = camera_key(CAMERAS[camera][0], CAMERAS[camera][1]),
                               .streams = streams,
                               .wanted = wanted};
    assert_int_equal(cm_viewer_session_open(s->grants, s->viewers, &ask, &EVENTS, v, &v->session),
                     CM_OK);
    assert_int_equal(v->leases, 0); /* never inside the call */
}

static inline void watch_as(server *s, viewer *v, const cm_asker *asker, size_t camera)
{
    ask_for(s, v, asker, camera, 3, VIEW);
}

static inline void start_watching(server *s, viewer *v, size_t who, size_t camera)
{
    watch_as(s, v, &s->w.sessions[who], camera);
}

static inline void stop_watching(viewer *v)
{
    cm_viewer_session_close(v->session);
    cm_lease_destroy(v->lease);
    v->lease = NULL;
}

static inline bool is_live(const server *s, const viewer *v)
{
    return v->lease != NULL && cm_lease_is_live(v->lease, cm_loop_now(s->viewers));
}

static inline bool took_all(void *owner, const cm_opened_frame *opened)
{
    (void)opened;
    (*(size_t *)owner)++;
    return true;
}

static inline bool opens_stream(server *s, const cm_frame *frame, const cm_lease *lease,
                                cm_stream stream)
{
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    size_t taken = 0;
    cm_cursor cursor = cm_cursor_begin(stream, CM_OBJECT_FRAME);
    cm_fanout_viewer one = {.lease = lease, .cursor = &cursor, .owner = &taken};
    cm_fanout_open(fanout, frame, cm_loop_now(s->viewers), &one, 1, took_all);
    cm_fanout_destroy(fanout);
    return taken == 1;
}

/* Does a picture that this sealer seals now open under the lease? */
static inline bool opens(server *s, cm_sealer *sealer, const cm_lease *lease)
{
    if (!cm_sealer_is_current(sealer))
        return false;
    cm_frame *frame = testing_frame(sealer, "picture", CM_FRAME_KEYFRAME);
    const bool is_open = opens_stream(s, frame, lease, CM_STREAM_MAIN);
    cm_frame_release(frame, 0);
    return is_open;
}

static inline void take_grant(server *s, size_t camera, size_t who, cm_task *done)
{
    const cm_camera_key key = camera_key(CAMERAS[camera][0], CAMERAS[camera][1]);
    cm_change change;
    assert_int_equal(cm_store_grant_remove(s->w.store, &key, &s->w.people[who].id, &change), CM_OK);
    cm_grants_changed(s->grants, &change, done);
    cm_change_clear(&change);
}
