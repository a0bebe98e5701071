/*
 * camera_stage: a whole cm_camera against a scripted one (rtsp_fake.h) on a simulated network.
 * Tests only.
 */
#pragma once

#include "base/log.h"
#include "ingest/camera.h"
#include "media_testing.h"
#include "net/sim.h"
#include "rtsp_fake.h"

enum { TICKS = 4500 }; /* of 1/90,000 s between two pictures: 20 a second */

typedef struct stage {
    cm_sim *sim;
    cm_loop *loop;
    cm_sim_network *network;
    cm_net *here;
    cm_net *there;
    cm_epoch_page *page;
    cm_hub *hub;
    testing_media media;
    cm_connect_gate *gate;
    fake camera;
    cm_camera_config config;
    cm_camera *it;
    bool withholds_sealers;
    size_t wanted;
    size_t told;
    size_t keyframes;
    bool is_done;
    cm_camera_status done;
} stage;

static inline const cm_stream_status *main_of(const stage *s)
{
    return &cm_camera_read_status(s->it)->streams[CM_STREAM_MAIN];
}

static inline void give_sealers(stage *s)
{
    cm_sealer *frames_sealer = testing_sealer(&s->media, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(&s->media, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    assert_int_equal(cm_camera_take_sealers(s->it, CM_STREAM_MAIN, frames_sealer, stills), CM_OK);
}

static inline bool may_connect(void *owner, const cm_camera_key *camera, const cm_address *address)
{
    const stage *s = owner;
    assert_true(cm_camera_key_equal(camera, &s->media.camera));
    return address->port == 554;
}

static inline void on_status(void *owner, const cm_camera_status *status)
{
    stage *s = owner;
    (void)status;
    s->told++;
}

static inline void on_want_sealers(void *owner, const cm_camera_key *camera, uint64_t epoch)
{
    stage *s = owner;
    (void)camera;
    (void)epoch;
    if (s->wanted++ == 0 && !s->withholds_sealers)
        give_sealers(s);
}

static inline void on_keyframe(void *owner, const cm_camera_key *camera, cm_stream stream)
{
    stage *s = owner;
    (void)camera;
    assert_int_equal(stream, CM_STREAM_MAIN);
    s->keyframes++;
}

static const cm_camera_events EVENTS = {.may_connect = may_connect,
                                        .on_status = on_status,
                                        .on_want_sealers = on_want_sealers,
                                        .on_keyframe = on_keyframe};

static inline cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static inline void stage_open(stage *s)
{
    *s = (stage){.sim = NULL};
    const cm_address here = address_of("10.0.0.1");
    const cm_address there = address_of("10.0.0.2");
    const cm_address port = address_of("10.0.0.2:554");
    cm_log_set_level(CM_LOG_ERROR);
    assert_int_equal(cm_sim_create(7, (cm_wall){CM_SECONDS(1000000)}, &s->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(s->sim, &(cm_loop_config){.index = 0}, &s->loop), CM_OK);
    assert_int_equal(cm_sim_network_create(s->sim, &s->network), CM_OK);
    assert_int_equal(cm_sim_host_create(s->network, s->loop, &here, &s->here), CM_OK);
    assert_int_equal(cm_sim_host_create(s->network, s->loop, &there, &s->there), CM_OK);
    assert_int_equal(cm_epoch_page_create(4, &s->page), CM_OK);
    assert_int_equal(cm_hub_create(&(cm_hub_config){.loop = s->loop, .page = s->page}, &s->hub),
                     CM_OK);
    assert_int_equal(cm_connect_gate_create(s->loop, 0, &s->gate), CM_OK);
    testing_media_init(&s->media, s->page, "verdi", "door");
    fake_init(&s->camera, s->there, &port);
    s->config = (cm_camera_config){.loop = s->loop,
                                   .net = s->here,
                                   .hub = s->hub,
                                   .gate = s->gate,
                                   .key = s->media.camera,
                                   .login = {.addresses = {"rtsp://10.0.0.2/live"}},
                                   .keep_always = true,
                                   .events = &EVENTS,
                                   .owner = s};
}

static inline void stage_close(stage *s)
{
    cm_camera_destroy(s->it);
    fake_deinit(&s->camera);
    cm_connect_gate_destroy(s->gate);
    cm_hub_destroy(s->hub);
    cm_sim_run_for(s->sim, CM_SECONDS(3));
    cm_net_destroy(s->here);
    cm_net_destroy(s->there);
    cm_sim_network_destroy(s->network);
    cm_loop_destroy(s->loop);
    cm_sim_destroy(s->sim);
    cm_epoch_page_destroy(s->page);
}

static inline void create(stage *s)
{
    assert_int_equal(cm_camera_create(&s->config, &s->it), CM_OK);
}

static inline void run_ms(stage *s, int64_t ms)
{
    cm_sim_run_for(s->sim, CM_MS(ms));
}

static inline void show(stage *s, size_t count, uint32_t *timestamp)
{
    for (size_t i = 0; i < count; i++) {
        if (s->camera.tcp != NULL)
            fake_send_picture(&s->camera, i % 20 == 0, *timestamp);
        *timestamp += TICKS;
        run_ms(s, 50);
    }
}
