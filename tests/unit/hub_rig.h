/*
 * hub_rig: two homes' cameras, their sources and any number of viewers on the hubs of one or two
 * loops in virtual time. Each picture says whose it is and its running number, so that a viewer
 * can tell a foreign one, a missing one and one that came twice.
 */
#pragma once

#include <stdlib.h>

#include "loop/sim.h"
#include "media/source.h"
#include "media_testing.h"

enum { RIG_LOOPS = 2, RIG_SEEN = 4096 };

typedef struct rig {
    cm_sim *sim;
    size_t loop_count;
    cm_loop *loops[RIG_LOOPS];
    cm_hub *hubs[RIG_LOOPS];
    cm_epoch_page *page;
    testing_media door, attic; /* of two homes, both at home on loop 0 */
    cm_source *source;         /* of door, main */
    unsigned serial;           /* of the next picture of `source` */
    unsigned asked;            /* for sealers */
    uint64_t asked_epoch;
    unsigned alarms;
    cm_refusal alarm; /* the last */
} rig;

typedef struct viewer {
    rig *rig;
    unsigned loop;
    cm_subscription *sub;
    unsigned serials[RIG_SEEN];
    uint64_t passes[RIG_SEEN];
    size_t count;
    unsigned foreign;
    unsigned offered; /* calls of on_frame */
    unsigned stale;
    unsigned broken;
    bool is_blocking;
    size_t blocks_at;                   /* is blocking once it has had so many; 0: not by itself */
    void (*in_frame)(struct viewer *v); /* called once, inside on_frame */
    void (*in_stale)(struct viewer *v); /* called once, inside on_stale */
    struct viewer *other;
    cm_publisher *publisher;
} viewer;

static inline cm_instant rig_now(const rig *r)
{
    return cm_loop_now(r->loops[0]);
}

static inline void rig_run(rig *r, int64_t us)
{
    cm_sim_run_for(r->sim, us);
}

static inline void rig_on_alarm(void *owner, const cm_camera_key *camera, cm_stream stream,
                                cm_refusal refusal)
{
    rig *r = owner;
    (void)camera;
    (void)stream;
    r->alarms++;
    r->alarm = refusal;
}

static inline void rig_on_want(void *owner, uint64_t epoch)
{
    rig *r = owner;
    r->asked++;
    r->asked_epoch = epoch;
}

/* A camera of `home` that lives on loop 0 of two. */
static inline void rig_camera(rig *r, testing_media *media, const char *home, const char *camera)
{
    char name[CM_ID_SIZE];
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "%s%u", camera, i);
        const cm_camera_key key = testing_camera(home, name);
        if (cm_hub_loop_of(&key, RIG_LOOPS) == 0)
            break;
    }
    testing_media_init(media, r->page, home, name);
}

static inline void rig_open(rig *r, size_t loop_count, size_t ring_bytes_max)
{
    *r = (rig){.loop_count = loop_count};
    assert_int_equal(cm_sim_create(1, (cm_wall){CM_SECONDS(1800000000)}, &r->sim), CM_OK);
    assert_int_equal(cm_epoch_page_create(16, &r->page), CM_OK);
    for (unsigned i = 0; i < loop_count; i++) {
        assert_int_equal(cm_sim_loop_create(r->sim, &(cm_loop_config){.index = i}, &r->loops[i]),
                         CM_OK);
        const cm_hub_config config = {.loop = r->loops[i],
                                      .page = r->page,
                                      .ring_bytes_max = ring_bytes_max,
                                      .on_alarm = rig_on_alarm,
                                      .owner = r};
        assert_int_equal(cm_hub_create(&config, &r->hubs[i]), CM_OK);
    }
    assert_int_equal(cm_hub_tie(r->hubs, loop_count), CM_OK);
    rig_camera(r, &r->door, "verdi", "door");
    rig_camera(r, &r->attic, "rossi", "attic");
    const cm_source_config config = {.hub = r->hubs[0],
                                     .loop = r->loops[0],
                                     .camera = r->door.camera,
                                     .stream = CM_STREAM_MAIN,
                                     .on_want_sealers = rig_on_want,
                                     .owner = r};
    assert_int_equal(cm_source_create(&config, &r->source), CM_OK);
}

/* Loops go last, as in a server: what is still posted to them runs then. */
static inline void rig_close(rig *r)
{
    cm_source_destroy(r->source);
    cm_hub_untie(r->hubs, r->loop_count);
    for (size_t i = 0; i < r->loop_count; i++)
        cm_hub_destroy(r->hubs[i]);
    for (size_t i = 0; i < r->loop_count; i++)
        cm_loop_destroy(r->loops[i]);
    cm_sim_destroy(r->sim);
    cm_epoch_page_destroy(r->page);
}

static inline cm_status rig_give_sealers(rig *r, testing_media *media, cm_stream stream,
                                         uint64_t epoch)
{
    cm_sealer *frames = testing_sealer(media, stream, CM_OBJECT_FRAME, epoch);
    cm_sealer *stills = testing_sealer(media, stream, CM_OBJECT_STILL, epoch);
    return cm_source_take_sealers(r->source, frames, stills);
}

/* Sealers of `epoch` and those of the next one, as grants gives them at the start. */
static inline void rig_start(rig *r)
{
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 1), CM_OK);
    assert_int_equal(rig_give_sealers(r, &r->door, CM_STREAM_MAIN, 2), CM_OK);
}

/* For cmocka: a case with a rig of its own, whose source may begin. */
static inline int rig_setup(void **state, size_t loop_count)
{
    rig *r = calloc(1, sizeof *r);
    rig_open(r, loop_count, 0);
    rig_start(r);
    *state = r;
    return 0;
}

static inline int rig_setup_one_loop(void **state)
{
    return rig_setup(state, 1);
}

static inline int rig_setup_two_loops(void **state)
{
    return rig_setup(state, 2);
}

static inline int rig_teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* A lease as grants mints it: for 60 s, with the keys of epochs up to its own. */
static inline cm_lease *rig_lease(const rig *r, const testing_media *media, uint64_t epoch)
{
    cm_lease *lease;
    cm_lease_terms terms = testing_terms(media, epoch);
    terms.from = rig_now(r);
    terms.until = cm_instant_after(rig_now(r), CM_SECONDS(60));
    terms.key_count = 0;
    while (terms.key_count < media->key_count && media->keys[terms.key_count].epoch <= epoch)
        terms.key_count++;
    assert_int_equal(cm_lease_create(&terms, media->slot, &lease), CM_OK);
    return lease;
}

static inline bool rig_on_frame(void *owner, const cm_opened_frame *opened)
{
    viewer *v = owner;
    char text[64];
    char home[16];
    unsigned serial = 0;
    v->offered++;
    assert_true(v->count < RIG_SEEN);
    assert_int_equal(cm_slice_to_cstr(opened->granules[0], text, sizeof text), CM_OK);
    assert_int_equal(sscanf(text, "%15s %u", home, &serial), 2);
    v->foreign += strcmp(home, "verdi") != 0;
    if (v->in_frame != NULL) {
        void (*call)(viewer *) = v->in_frame;
        v->in_frame = NULL;
        call(v);
        if (v->sub == NULL)
            return true;
    }
    v->is_blocking = v->is_blocking || (v->blocks_at > 0 && v->count == v->blocks_at);
    if (v->is_blocking)
        return false;
    v->passes[v->count] = opened->pass;
    v->serials[v->count++] = serial;
    return true;
}

static inline void rig_on_stale(void *owner)
{
    viewer *v = owner;
    v->stale++;
    if (v->in_stale != NULL) {
        void (*call)(viewer *) = v->in_stale;
        v->in_stale = NULL;
        call(v);
    }
}

static inline void rig_on_broken(void *owner)
{
    viewer *v = owner;
    v->broken++;
}

static const cm_subscription_events RIG_EVENTS = {
    .on_frame = rig_on_frame, .on_stale = rig_on_stale, .on_broken = rig_on_broken};

static inline void rig_watch_with(rig *r, viewer *v, unsigned loop, cm_lease *lease)
{
    v->rig = r;
    v->loop = loop;
    assert_int_equal(
        cm_hub_subscribe(r->hubs[loop], lease, CM_STREAM_MAIN, &RIG_EVENTS, v, &v->sub), CM_OK);
}

/* A viewer of door under a lease of `epoch`, from the next turn on. */
static inline void rig_watch(rig *r, viewer *v, unsigned loop, uint64_t epoch)
{
    *v = (viewer){.rig = r};
    rig_watch_with(r, v, loop, rig_lease(r, &r->door, epoch));
}

static inline void rig_leave(viewer *v)
{
    cm_subscription_close(v->sub);
    v->sub = NULL;
}

/* "verdi     17" in the first granule, `padding` bytes more in the second. */
static inline cm_plain_frame rig_plain(const char *home, unsigned serial, uint16_t flags,
                                       char text[64], cm_plain_granule granules[2])
{
    static const uint8_t padding[100];
    snprintf(text, 64, "%s %6u", home, serial); /* all of a size */
    granules[0] = (cm_plain_granule){.body = cm_slice_of(text)};
    granules[1] = (cm_plain_granule){.body = cm_slice_over(padding, sizeof padding)};
    return (cm_plain_frame){.granules = granules,
                            .count = 2,
                            .flags = flags,
                            .captured = {1000 + serial},
                            .media_time = 90 * (int64_t)serial};
}

static inline cm_status rig_try_put(rig *r, uint16_t flags)
{
    char text[64];
    cm_plain_granule granules[2];
    const cm_plain_frame plain = rig_plain("verdi", r->serial++, flags, text, granules);
    return cm_source_put(r->source, &plain);
}

static inline void rig_put(rig *r, uint16_t flags)
{
    assert_int_equal(rig_try_put(r, flags), CM_OK);
}

/* A keyframe and `more` pictures after it. */
static inline void rig_put_group(rig *r, unsigned more)
{
    rig_put(r, CM_FRAME_KEYFRAME);
    for (unsigned i = 0; i < more; i++)
        rig_put(r, 0);
}

static inline cm_hub_counters rig_counters(const rig *r, unsigned loop)
{
    cm_hub_counters counters;
    cm_hub_read_counters(r->hubs[loop], &counters);
    return counters;
}

/* The viewer has seen exactly the pictures first … first + count - 1, in order. */
static inline void assert_seen(const viewer *v, unsigned first, size_t count)
{
    assert_int_equal(v->foreign, 0);
    assert_int_equal(v->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(v->serials[i], first + i);
}
