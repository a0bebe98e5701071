/* devices/fleet: cameras of a store on two loops of virtual time, with real grants and sources and
 * scripted cameras: what becomes of a row, of a wish, of a still, and of the end. */
#include "devices/probe.h"

#include "h264_sets.h"
#include "net/sim.h"
#include "rtsp_fake.h"
#include "store_world.h"

enum { LOOPS = 2, FRAME_TICKS = 4500 };

typedef struct stage {
    store_world w;
    cm_sim *sim;
    cm_sim_network *network;
    cm_loop *loops[LOOPS];
    cm_net *nets[LOOPS];
    cm_hub *hubs[LOOPS];
    cm_still_service *stills[LOOPS];
    cm_transcode_service *transcodes[LOOPS];
    cm_net *there;
    cm_epoch_page *page;
    cm_grants *grants;
    cm_fleet *fleet;
    fake camera; /* what stands at 192.168.1.4 */
    uint32_t timestamp;
    cm_home_id allowed; /* whose cameras may be connected to */
    size_t told;
    cm_task stopped;
    bool has_stopped;
} stage;

static bool may_connect(void *owner, const cm_home_id *home, const cm_address *address)
{
    const stage *s = owner;
    (void)address;
    return cm_home_id_equal(home, &s->allowed);
}

static void on_status(void *owner, const cm_camera_status *status)
{
    (void)status;
    ((stage *)owner)->told++;
}

static void on_stopped(cm_task *task)
{
    CM_HOLDER(task, stage, stopped)->has_stopped = true;
}

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static void open_loops(stage *s)
{
    static const char *const HERE[LOOPS] = {"10.0.0.1", "10.0.0.2"};
    assert_int_equal(cm_sim_create(11, NOW, &s->sim), CM_OK);
    assert_int_equal(cm_sim_network_create(s->sim, &s->network), CM_OK);
    assert_int_equal(cm_epoch_page_create(64, &s->page), CM_OK);
    for (unsigned i = 0; i < LOOPS; i++) {
        const cm_address here = address_of(HERE[i]);
        assert_int_equal(cm_sim_loop_create(s->sim, &(cm_loop_config){.index = i}, &s->loops[i]),
                         CM_OK);
        assert_int_equal(cm_sim_host_create(s->network, s->loops[i], &here, &s->nets[i]), CM_OK);
        assert_int_equal(
            cm_hub_create(&(cm_hub_config){.loop = s->loops[i], .page = s->page}, &s->hubs[i]),
            CM_OK);
        assert_int_equal(
            cm_still_service_create(
                &(cm_still_config){.loop = s->loops[i], .helper_path = "/nowhere"}, &s->stills[i]),
            CM_OK);
        assert_int_equal(
            cm_transcode_service_create(
                &(cm_transcode_service_config){.loop = s->loops[i], .helper_path = "/nowhere"},
                &s->transcodes[i]),
            CM_OK);
    }
    assert_int_equal(cm_hub_tie(s->hubs, LOOPS), CM_OK);
}

static void stage_open(stage *s)
{
    *s = (stage){.stopped.run = on_stopped};
    store_world_open(&s->w);
    open_loops(s);
    const cm_address there = address_of("192.168.1.4");
    const cm_address port = address_of("192.168.1.4:554");
    assert_int_equal(cm_sim_host_create(s->network, s->loops[0], &there, &s->there), CM_OK);
    fake_init(&s->camera, s->there, &port);
    s->allowed = s->w.verdi;
    assert_int_equal(
        cm_grants_create(
            &(cm_grants_config){.control = s->loops[0], .store = s->w.store, .page = s->page},
            &s->grants),
        CM_OK);
    assert_int_equal(cm_fleet_create(&(cm_fleet_config){.loops = s->loops,
                                                        .nets = s->nets,
                                                        .hubs = s->hubs,
                                                        .stills = s->stills,
                                                        .transcodes = s->transcodes,
                                                        .loop_count = LOOPS,
                                                        .grants = s->grants,
                                                        .may_connect = may_connect,
                                                        .on_status = on_status,
                                                        .owner = s},
                                     &s->fleet),
                     CM_OK);
}

static void run_ms(stage *s, int64_t ms)
{
    cm_sim_run_for(s->sim, CM_MS(ms));
}

static void stop(stage *s)
{
    cm_fleet_stop(s->fleet, &s->stopped);
    run_ms(s, 100);
    assert_true(s->has_stopped);
    assert_int_equal(cm_fleet_count(s->fleet), 0);
}

static void stage_close(stage *s)
{
    if (!s->has_stopped)
        stop(s);
    fake_deinit(&s->camera);
    run_ms(s, 3000);
    for (size_t i = 0; i < LOOPS; i++)
        cm_still_service_destroy(s->stills[i]);
    for (size_t i = 0; i < LOOPS; i++)
        cm_transcode_service_destroy(s->transcodes[i]);
    cm_fleet_destroy(s->fleet);
    cm_grants_destroy(s->grants);
    cm_hub_untie(s->hubs, LOOPS);
    for (size_t i = 0; i < LOOPS; i++)
        cm_hub_destroy(s->hubs[i]);
    cm_loop_settle(s->loops, LOOPS);
    for (size_t i = 0; i < LOOPS; i++)
        cm_net_destroy(s->nets[i]);
    cm_net_destroy(s->there);
    cm_sim_network_destroy(s->network);
    for (size_t i = 0; i < LOOPS; i++)
        cm_loop_destroy(s->loops[i]);
    cm_sim_destroy(s->sim);
    cm_epoch_page_destroy(s->page);
    store_world_close(&s->w);
}

/* The store's row, with one stream. */
static cm_stored_camera row_of(stage *s, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_stored_camera row;
    assert_int_equal(cm_store_camera_find(s->w.store, &key, &row), CM_OK);
    row.sub[0] = '\0';
    row.keep = CM_KEEP_ALWAYS;
    return row;
}

static const cm_stream_status *main_of(const stage *s, const cm_camera_key *key)
{
    const cm_camera_status *status = cm_fleet_status(s->fleet, key);
    assert_non_null(status);
    assert_true(cm_camera_key_equal(&status->key, key));
    return &status->streams[CM_STREAM_MAIN];
}

/* Pictures for as long as somebody listens. */
static void show(stage *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (s->camera.tcp != NULL && s->camera.counts[CM_RTSP_PLAY] > 0)
            fake_send_picture(&s->camera, i % 20 == 0, s->timestamp);
        s->timestamp += FRAME_TICKS;
        run_ms(s, 50);
    }
}

static bool is_published(const stage *s, const cm_camera_key *key)
{
    cm_hub_counters counters;
    cm_hub_read_counters(s->hubs[cm_hub_loop_of(key, LOOPS)], &counters);
    return counters.frames_in > 0;
}

/* ---- a row becomes a camera ---- */

static void a_row_becomes_a_live_camera_on_the_loop_of_its_key(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera row = row_of(&s, "verdi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    assert_int_equal(cm_fleet_count(s.fleet), 1);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_CONNECTING);
    assert_int_equal(s.told, 0); /* never inside the call */
    run_ms(&s, 100);
    show(&s, 60);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_LIVE);
    assert_true(s.told > 0);
    assert_true(is_published(&s, &row.key)); /* sealed and published: it had sealers */
    const cm_camera_key foreign = camera_key("rossi", "door");
    assert_null(cm_fleet_status(s.fleet, &foreign)); /* the same id in another home */
    stage_close(&s);
}

static void a_home_that_may_not_is_told_why(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera row = row_of(&s, "rossi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 500);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_UNREACHABLE);
    assert_int_equal(main_of(&s, &row.key)->cause, CM_CAUSE_ADDRESS_REFUSED);
    assert_int_equal(s.camera.connections, 0);
    stage_close(&s);
}

static void a_changed_row_changes_the_camera_that_is_there(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    cm_stored_camera row = row_of(&s, "verdi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 100);
    show(&s, 20);
    assert_int_equal(
        cm_slice_to_cstr(CM_TEXT("rtsp://192.168.1.4/other"), row.main, sizeof row.main), CM_OK);
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    assert_int_equal(cm_fleet_count(s.fleet), 1);
    run_ms(&s, 3000);
    assert_string_equal(s.camera.uris[CM_RTSP_DESCRIBE], "rtsp://192.168.1.4/other");
    show(&s, 40);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_LIVE);
    stage_close(&s);
}

static void a_removed_camera_is_gone_at_once_and_may_come_back(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera row = row_of(&s, "verdi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 100);
    show(&s, 20);
    /* Whatever its loop still says is of a camera that is no more. */
    cm_fleet_remove(s.fleet, &row.key);
    assert_null(cm_fleet_status(s.fleet, &row.key));
    const size_t told = s.told;
    run_ms(&s, 100);
    assert_int_equal(s.told, told);
    assert_int_equal(cm_fleet_count(s.fleet), 0);
    cm_fleet_remove(s.fleet, &row.key); /* twice is once */
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 1000);
    assert_non_null(cm_fleet_status(s.fleet, &row.key));
    stage_close(&s);
}

/* ---- wishes ---- */

static bool is_connected(const stage *s)
{
    return s->camera.tcp != NULL;
}

static void an_on_demand_camera_is_connected_while_somebody_watches(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    cm_stored_camera row = row_of(&s, "verdi", "door");
    row.keep = CM_KEEP_ON_DEMAND;
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 5000);
    assert_int_equal(s.camera.connections, 0);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_STOPPED);
    cm_fleet_wish *first = cm_fleet_want(s.fleet, &row.key, CM_STREAM_MAIN);
    cm_fleet_wish *second = cm_fleet_want(s.fleet, &row.key, CM_STREAM_MAIN);
    run_ms(&s, 100);
    assert_true(is_connected(&s));
    cm_fleet_unwant(first);
    show(&s, 400); /* 20 s: the second still watches */
    assert_true(is_connected(&s));
    cm_fleet_unwant(second);
    show(&s, 100); /* 5 s: a viewer who comes back at once finds it running */
    assert_true(is_connected(&s));
    show(&s, 200);
    assert_false(is_connected(&s));
    cm_fleet_unwant(NULL);
    stage_close(&s);
}

static void a_loudspeaker_is_told_to_the_camera(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    cm_stored_camera row = row_of(&s, "verdi", "door");
    row.takes_talk = true;
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    assert_true(cm_fleet_status(s.fleet, &row.key)->talk.is_configured);
    run_ms(&s, 1000);
    assert_true(cm_fleet_status(s.fleet, &row.key)->talk.is_configured);
    assert_int_equal(s.camera.connections, 1); /* it is not asked until somebody speaks */
    row.takes_talk = false;
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 1000);
    assert_false(cm_fleet_status(s.fleet, &row.key)->talk.is_configured);
    assert_int_equal(s.camera.connections, 1); /* the pictures went on */
    stage_close(&s);
}

/* A wish ends with the camera it was for: its end must not take the wish of another viewer for a
 * camera that was added again under the same id. */
static void a_wish_of_a_camera_that_went_does_not_end_anothers(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    cm_stored_camera row = row_of(&s, "verdi", "door");
    row.keep = CM_KEEP_ON_DEMAND;
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    cm_fleet_wish *old = cm_fleet_want(s.fleet, &row.key, CM_STREAM_MAIN);
    run_ms(&s, 100);
    cm_fleet_remove(s.fleet, &row.key);
    run_ms(&s, 100);
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    cm_fleet_wish *fresh = cm_fleet_want(s.fleet, &row.key, CM_STREAM_MAIN);
    run_ms(&s, 100);
    cm_fleet_unwant(old);
    show(&s, 400);
    assert_true(is_connected(&s));
    cm_fleet_unwant(fresh);
    stage_close(&s);
}

static void a_wish_for_no_camera_is_harmless(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_camera_key key = camera_key("verdi", "cellar");
    cm_fleet_wish *wish = cm_fleet_want(s.fleet, &key, CM_STREAM_SUB);
    run_ms(&s, 100);
    cm_fleet_unwant(wish);
    stage_close(&s);
}

/* ---- pictures that are brought ---- */

typedef struct publisher {
    cm_camera_push push;
    cm_buffer buffer;
    cm_video_depacketizer depacketizer;
    uint32_t timestamp;
    size_t gone;
} publisher;

static void on_gone(cm_camera_push *push)
{
    CM_HOLDER(push, publisher, push)->gone++;
}

static void read_push(const cm_camera_push *push, cm_camera_push_counters *out)
{
    (void)push;
    *out = (cm_camera_push_counters){.packets_lost = 3, .malformed = 1};
}

static void on_pushed_unit(void *context, const cm_video_unit *unit)
{
    publisher *p = context;
    const cm_ingest_unit told = {.unit = unit,
                                 .sets = cm_video_depacketizer_sets(&p->depacketizer),
                                 .ticks = p->timestamp,
                                 .clock_rate = 90000};
    cm_camera_push_unit(&p->push, &told);
}

static void publisher_open(publisher *p)
{
    *p = (publisher){.push = {.on_gone = on_gone, .read_counters = read_push}};
    cm_buffer_init(&p->buffer, CM_VIDEO_MAX_UNIT_BYTES);
    cm_video_depacketizer_init(&p->depacketizer, CM_VIDEO_H264, &p->buffer, on_pushed_unit, p);
}

static void publish(publisher *p, stage *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const cm_slice nals[] = {SPS_BASELINE, PPS_BASELINE, BYTES(0x65, 0x88, 0x84, 1, 2, 3)};
        for (size_t n = 0; n < CM_COUNT(nals); n++) {
            const cm_video_payload payload = {
                .bytes = nals[n], .timestamp = p->timestamp, .marker = n + 1 == CM_COUNT(nals)};
            assert_int_equal(cm_video_depacketizer_put(&p->depacketizer, &payload), CM_OK);
        }
        p->timestamp += FRAME_TICKS;
        run_ms(s, 50);
    }
}

static cm_stored_camera pushed_row(stage *s)
{
    cm_stored_camera row = row_of(s, "verdi", "door");
    assert_int_equal(cm_slice_to_cstr(CM_TEXT(CM_CAMERA_PUSHED), row.main, sizeof row.main), CM_OK);
    return row;
}

static cm_camera *here(const stage *s, const cm_camera_key *key)
{
    return cm_fleet_camera_here(s->fleet, cm_hub_loop_of(key, LOOPS), key);
}

static void pictures_that_are_brought_are_the_cameras(void **state)
{
    (void)state;
    stage s;
    publisher p;
    publisher second;
    stage_open(&s);
    publisher_open(&p);
    publisher_open(&second);
    const cm_stored_camera row = pushed_row(&s);
    assert_null(here(&s, &row.key));
    assert_int_equal(cm_fleet_put(s.fleet, &row, NULL), CM_OK);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_OFF);
    run_ms(&s, 1000);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_OFF);
    assert_true(main_of(&s, &row.key)->is_configured);
    assert_int_equal(s.camera.connections, 0); /* it is asked for by nobody */

    const cm_camera_key foreign = camera_key("rossi", "door");
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &foreign, &p.push), CM_FOREIGN);
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &p.push), CM_OK);
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &second.push), CM_FULL);
    run_ms(&s, 10);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_CONNECTING);
    publish(&p, &s, 60);
    const cm_stream_status *main_stream = main_of(&s, &row.key);
    assert_int_equal(main_stream->state, CM_CAMERA_LIVE);
    assert_string_equal(main_stream->codec, "avc1.42C00C");
    assert_int_equal(main_stream->frames, 60);
    assert_int_equal(main_stream->packets_lost, 3);
    assert_true(main_stream->fps_milli > 15000 && main_stream->fps_milli < 25000);
    assert_true(is_published(&s, &row.key));

    cm_camera_push_silence(&p.push);
    run_ms(&s, 10);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_CONNECTING);
    assert_int_equal(main_of(&s, &row.key)->cause, CM_CAUSE_NO_PICTURES);
    publish(&p, &s, 5);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_LIVE);
    cm_camera_push_end(&p.push, CM_CAUSE_PUBLISHER_LOST, "not heard for 30 s");
    cm_camera_push_end(&p.push, CM_CAUSE_NONE, ""); /* twice is once */
    run_ms(&s, 10);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_OFF);
    assert_int_equal(main_of(&s, &row.key)->cause, CM_CAUSE_PUBLISHER_LOST);
    const uint64_t frames = main_of(&s, &row.key)->frames;
    publish(&p, &s, 5); /* nobody takes them any more */
    assert_int_equal(main_of(&s, &row.key)->frames, frames);
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &second.push), CM_OK);
    publish(&second, &s, 20);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_LIVE);
    assert_int_equal(main_of(&s, &row.key)->packets_lost, 6); /* of both */
    assert_int_equal(p.gone + second.gone, 0);
    cm_camera_push_end(&second.push, CM_CAUSE_NONE, "");
    cm_buffer_deinit(&p.buffer);
    cm_buffer_deinit(&second.buffer);
    stage_close(&s);
}

static void a_publisher_hears_that_his_camera_went(void **state)
{
    (void)state;
    stage s;
    publisher p;
    stage_open(&s);
    publisher_open(&p);
    const cm_stored_camera row = pushed_row(&s);
    const cm_stored_camera other = row_of(&s, "verdi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, NULL), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &p.push), CM_OK);
    publish(&p, &s, 5);
    assert_int_equal(cm_fleet_put(s.fleet, &row, NULL), CM_OK); /* the same row: it goes on */
    publish(&p, &s, 5);
    run_ms(&s, 1100); /* figures come once a second */
    assert_int_equal(p.gone, 0);
    assert_int_equal(main_of(&s, &row.key)->frames, 10);
    /* It has an address now: nobody brings its pictures. */
    assert_int_equal(cm_fleet_put(s.fleet, &other, "kitchen-secret"), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(p.gone, 1);
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &p.push), CM_ABSENT);
    show(&s, 20);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_LIVE);
    assert_int_equal(cm_fleet_put(s.fleet, &row, NULL), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(main_of(&s, &row.key)->state, CM_CAMERA_OFF);
    assert_false(is_connected(&s));
    assert_int_equal(cm_camera_push_begin(here(&s, &row.key), &row.key, &p.push), CM_OK);
    cm_fleet_remove(s.fleet, &row.key);
    run_ms(&s, 100);
    assert_int_equal(p.gone, 2);
    assert_null(here(&s, &row.key));
    publish(&p, &s, 2);
    cm_buffer_deinit(&p.buffer);
    stage_close(&s);
}

/* ---- stills ---- */

typedef struct still_asker {
    size_t answers;
    cm_status status;
} still_asker;

static void on_still(void *owner, cm_fleet_still_answer *answer)
{
    still_asker *asker = owner;
    asker->answers++;
    asker->status = answer->status;
    assert_null(answer->still);
    cm_lease_destroy(answer->lease);
}

static void a_still_of_no_camera_is_absent(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    still_asker asker = {.status = CM_OK};
    const cm_camera_key key = camera_key("verdi", "cellar");
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(
            cm_fleet_still(s.fleet, s.loops[i], &key, CM_STREAM_MAIN, 0, NULL, on_still, &asker),
            CM_OK);
        assert_int_equal(asker.answers, i); /* never inside the call */
        run_ms(&s, 10);
        assert_int_equal(asker.answers, i + 1);
        assert_int_equal(asker.status, CM_ABSENT);
    }
    stage_close(&s);
}

/* ---- who hears sound made over ---- */

/* At the camera's loop, and none elsewhere. */
static size_t listeners_of(const stage *s, const cm_camera_key *key)
{
    size_t count = 0;
    for (size_t i = 0; i < LOOPS; i++) {
        cm_transcode_counters counters;
        cm_transcode_read_counters(s->transcodes[i], &counters);
        if (i == cm_hub_loop_of(key, LOOPS))
            count = counters.listeners;
        else
            assert_int_equal(counters.listeners, 0);
    }
    return count;
}

/* No sound comes here, so nobody looks at their leases. */
static void ears_are_where_the_camera_lives(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera row = row_of(&s, "verdi", "door");
    const cm_camera_key foreign = camera_key("rossi", "door");
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 100);
    cm_fleet_ear *opus = cm_fleet_hear(s.fleet, &row.key, CM_STREAM_SOUND_OPUS, NULL);
    cm_fleet_ear *flac = cm_fleet_hear(s.fleet, &row.key, CM_STREAM_SOUND_FLAC, NULL);
    cm_fleet_ear *stray = cm_fleet_hear(s.fleet, &foreign, CM_STREAM_SOUND_OPUS, NULL);
    cm_fleet_ear *unmade = cm_fleet_hear(s.fleet, &row.key, CM_STREAM_SOUND, NULL);
    assert_int_equal(listeners_of(&s, &row.key), 0); /* never inside the call */
    run_ms(&s, 10);
    assert_int_equal(listeners_of(&s, &row.key), 2);
    cm_fleet_ear_renew(opus, NULL);
    cm_fleet_ear_renew(stray, NULL);
    run_ms(&s, 10);
    assert_int_equal(listeners_of(&s, &row.key), 2);
    cm_fleet_ear_end(flac);
    cm_fleet_ear_end(stray);
    cm_fleet_ear_end(unmade);
    cm_fleet_ear_end(NULL);
    run_ms(&s, 10);
    assert_int_equal(listeners_of(&s, &row.key), 1);
    cm_fleet_remove(s.fleet, &row.key);
    run_ms(&s, 100);
    assert_int_equal(listeners_of(&s, &row.key), 0);
    cm_fleet_ear_end(opus);
    stage_close(&s);
}

/* With the next lease, as when there was no memory for it. */
static void an_ear_that_found_nothing_tries_again(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera row = row_of(&s, "verdi", "door");
    cm_fleet_ear *ear = cm_fleet_hear(s.fleet, &row.key, CM_STREAM_SOUND_OPUS, NULL);
    run_ms(&s, 10);
    assert_int_equal(cm_fleet_put(s.fleet, &row, "kitchen-secret"), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(listeners_of(&s, &row.key), 0);
    cm_fleet_ear_renew(ear, NULL);
    run_ms(&s, 10);
    assert_int_equal(listeners_of(&s, &row.key), 1);
    cm_fleet_ear_end(ear);
    run_ms(&s, 10);
    assert_int_equal(listeners_of(&s, &row.key), 0);
    stage_close(&s);
}

/* ---- the end ---- */

static void a_fleet_that_stops_takes_nothing_more(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    const cm_stored_camera door = row_of(&s, "verdi", "door");
    const cm_stored_camera yard = row_of(&s, "verdi", "yard");
    assert_int_equal(cm_fleet_put(s.fleet, &door, "kitchen-secret"), CM_OK);
    assert_int_equal(cm_fleet_put(s.fleet, &yard, NULL), CM_OK);
    run_ms(&s, 100);
    cm_fleet_stop(s.fleet, &s.stopped);
    assert_false(s.has_stopped); /* the cameras' loops must say so first */
    assert_int_equal(cm_fleet_put(s.fleet, &door, NULL), CM_FULL);
    run_ms(&s, 100);
    assert_true(s.has_stopped);
    assert_int_equal(cm_fleet_count(s.fleet), 0);
    assert_false(is_connected(&s));
    stage_close(&s);
}

typedef struct probe_asker {
    size_t answers;
} probe_asker;

static void on_probe(void *owner, cm_probe_answer *answer)
{
    ((probe_asker *)owner)->answers++;
    assert_null(answer->still);
    cm_lease_destroy(answer->lease);
}

/* Whatever the probe waits for just then: the connect, its refusal, pictures, the helper (there is
 * none here). */
static void a_probe_may_be_stopped_at_any_moment(void **state)
{
    (void)state;
    enum { STEP_US = 130, MOMENTS = 20 };
    static const char *const ADDRESSES[] = {"rtsp://192.168.1.4/main", "rtsp://192.168.1.4:9/main",
                                            "rtsp://192.168.1.9/main"};
    for (size_t i = 0; i < CM_COUNT(ADDRESSES) * MOMENTS; i++) {
        stage s;
        probe_asker asker = {0};
        stage_open(&s);
        const cm_probe_ask ask = {.home = s.w.verdi, .main = cm_slice_of(ADDRESSES[i / MOMENTS])};
        assert_int_equal(cm_probe_start(s.fleet, s.loops[i % LOOPS], &ask, on_probe, &asker),
                         CM_OK);
        cm_sim_run_for(s.sim, (int64_t)(i % MOMENTS) * STEP_US);
        cm_fleet_stop(s.fleet, &s.stopped);
        run_ms(&s, 100);
        assert_true(s.has_stopped);
        assert_int_equal(asker.answers, 1);
        stage_close(&s);
    }
}

static void an_empty_fleet_stops_at_once(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    cm_fleet_stop(s.fleet, &s.stopped);
    assert_true(s.has_stopped);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_a_live_camera_on_the_loop_of_its_key),
        cmocka_unit_test(a_home_that_may_not_is_told_why),
        cmocka_unit_test(a_changed_row_changes_the_camera_that_is_there),
        cmocka_unit_test(a_removed_camera_is_gone_at_once_and_may_come_back),
        cmocka_unit_test(an_on_demand_camera_is_connected_while_somebody_watches),
        cmocka_unit_test(a_loudspeaker_is_told_to_the_camera),
        cmocka_unit_test(a_wish_of_a_camera_that_went_does_not_end_anothers),
        cmocka_unit_test(pictures_that_are_brought_are_the_cameras),
        cmocka_unit_test(a_publisher_hears_that_his_camera_went),
        cmocka_unit_test(a_wish_for_no_camera_is_harmless),
        cmocka_unit_test(a_still_of_no_camera_is_absent),
        cmocka_unit_test(ears_are_where_the_camera_lives),
        cmocka_unit_test(an_ear_that_found_nothing_tries_again),
        cmocka_unit_test(a_fleet_that_stops_takes_nothing_more),
        cmocka_unit_test(a_probe_may_be_stopped_at_any_moment),
        cmocka_unit_test(an_empty_fleet_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
