/*
 * media over two real threads: a source on loop 0, viewers on loop 1 that come and go, and are
 * blocked now and then, for two seconds. For TSan; also without it: every frame a viewer gets
 * follows the one before, or is a keyframe: the first it gets, or the newest one after it was too
 * late, and then the hub has counted all that it did not get.
 */
#include <pthread.h>

#include "hub_rig.h"

enum { VIEWERS = 20, RUN_MS = 2000, GROUP = 20, BLOCKED_MS = GROUP / 4 };

typedef struct guest {
    cm_subscription *sub;
    unsigned next; /* serial of the picture that must come */
    bool has_begun;
    unsigned blocked_until; /* in `changes`; 0: it is not */
} guest;

typedef struct stage {
    cm_loop *loops[2];
    cm_hub *hubs[2];
    cm_epoch_page *page;
    testing_media door;
    cm_source *source;
    unsigned serial;
    cm_timer publish; /* on loop 0 */
    cm_timer change;  /* on loop 1 */
    unsigned changes;
    guest guests[VIEWERS];
    uint64_t seen;
    uint64_t skipped;
    unsigned caught_up; /* blocked before a keyframe, went on behind it, and missed nothing */
    atomic_uint wrong;  /* either thread */
    atomic_uint alarms;
    cm_instant until;
} stage;

static void on_alarm(void *owner, const cm_camera_key *camera, cm_stream stream, cm_refusal refusal)
{
    stage *s = owner;
    (void)camera;
    (void)stream;
    (void)refusal;
    atomic_fetch_add(&s->alarms, 1);
}

static void on_want(void *owner, uint64_t epoch)
{
    (void)owner;
    (void)epoch;
}

static void publish(cm_timer *timer)
{
    stage *s = CM_HOLDER(timer, stage, publish);
    char text[64];
    cm_plain_granule granules[2];
    const uint16_t flags = s->serial % GROUP == 0 ? CM_FRAME_KEYFRAME : 0;
    const cm_plain_frame plain = rig_plain("verdi", s->serial++, flags, text, granules);
    s->wrong += cm_source_put(s->source, &plain) != CM_OK;
    if (cm_loop_now(s->loops[0]).us < s->until.us)
        cm_timer_start(timer, 500);
    else
        cm_loop_stop(s->loops[0]);
}

static stage *the_stage; /* the guests' callbacks get the guest */

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    guest *g = owner;
    char text[64];
    unsigned serial = 0;
    if (g->blocked_until > 0)
        return false;
    if (cm_slice_to_cstr(opened->granules[0], text, sizeof text) != CM_OK ||
        sscanf(text, "verdi %u", &serial) != 1 || (g->has_begun && serial < g->next) ||
        ((!g->has_begun || serial > g->next) && serial % GROUP != 0))
        the_stage->wrong++;
    the_stage->skipped += g->has_begun ? serial - g->next : 0;
    g->has_begun = true;
    g->next = serial + 1;
    the_stage->seen++;
    return true;
}

static void on_stale(void *owner)
{
    (void)owner;
    the_stage->wrong++;
}

static const cm_subscription_events GUEST_EVENTS = {
    .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_stale};

static void come(stage *s, guest *g)
{
    *g = (guest){0};
    cm_lease *lease;
    cm_lease_terms terms = testing_terms(&s->door, 1);
    terms.from = cm_loop_now(s->loops[1]);
    terms.until = cm_instant_after(terms.from, CM_SECONDS(60));
    if (cm_lease_create(&terms, s->door.slot, &lease) != CM_OK ||
        cm_hub_subscribe(s->hubs[1], lease, CM_STREAM_MAIN, &GUEST_EVENTS, g, &g->sub) != CM_OK)
        s->wrong++;
}

static void go_on(stage *s, guest *g)
{
    const uint64_t skipped = s->skipped;
    const unsigned next = g->next;
    g->blocked_until = 0;
    cm_subscription_resume(g->sub);
    s->caught_up += s->skipped == skipped && next % GROUP > 0 && g->next / GROUP > next / GROUP;
}

/* One is blocked for half a group, whatever comes meanwhile; those whose time is over go on. */
static void block(stage *s)
{
    for (size_t i = 0; i < VIEWERS; i++) {
        guest *g = &s->guests[i];
        if (g->sub != NULL && g->blocked_until > 0 && s->changes >= g->blocked_until)
            go_on(s, g);
    }
    guest *g = &s->guests[s->changes * 7 % VIEWERS];
    if (g->sub != NULL && g->has_begun && g->blocked_until == 0)
        g->blocked_until = s->changes + BLOCKED_MS;
}

/* One guest comes or goes; now and then all go, so that the mirror ends and begins again. */
static void change(cm_timer *timer)
{
    stage *s = CM_HOLDER(timer, stage, change);
    const bool is_over = cm_loop_now(s->loops[1]).us >= s->until.us;
    const bool all_go = is_over || s->changes % 50 == 49;
    block(s);
    guest *g = &s->guests[s->changes++ % VIEWERS];
    if (g->sub == NULL)
        come(s, g);
    for (size_t i = 0; i < VIEWERS; i++)
        if (all_go || (&s->guests[i] == g && s->changes % 3 == 0)) {
            cm_subscription_close(s->guests[i].sub);
            s->guests[i].sub = NULL;
        }
    if (is_over)
        cm_loop_stop(s->loops[1]);
    else
        cm_timer_start(timer, CM_MS(1));
}

static void *run_loop(void *loop)
{
    cm_loop_run(loop);
    return NULL;
}

static void open_stage(stage *s)
{
    assert_int_equal(cm_epoch_page_create(4, &s->page), CM_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(cm_loop_create(&(cm_loop_config){.index = i}, &s->loops[i]), CM_OK);
        const cm_hub_config config = {
            .loop = s->loops[i], .page = s->page, .on_alarm = on_alarm, .owner = s};
        assert_int_equal(cm_hub_create(&config, &s->hubs[i]), CM_OK);
    }
    assert_int_equal(cm_hub_tie(s->hubs, 2), CM_OK);
    char name[] = "door0";
    cm_camera_key key = testing_camera("verdi", name);
    while (cm_hub_loop_of(&key, 2) != 0) {
        name[4]++;
        key = testing_camera("verdi", name);
    }
    testing_media_init(&s->door, s->page, "verdi", name);
    const cm_source_config config = {.hub = s->hubs[0],
                                     .loop = s->loops[0],
                                     .camera = key,
                                     .on_want_sealers = on_want,
                                     .owner = s};
    assert_int_equal(cm_source_create(&config, &s->source), CM_OK);
    cm_sealer *frames = testing_sealer(&s->door, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(&s->door, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    assert_int_equal(cm_source_take_sealers(s->source, frames, stills), CM_OK);
    cm_timer_init(&s->publish, s->loops[0], publish);
    cm_timer_init(&s->change, s->loops[1], change);
}

static void viewers_come_and_go_on_another_thread(void **state)
{
    (void)state;
    stage *s = calloc(1, sizeof *s);
    the_stage = s;
    open_stage(s);
    s->until = cm_instant_after(cm_loop_read_now(s->loops[0]), CM_MS(RUN_MS));
    cm_timer_start(&s->publish, 0);
    cm_timer_start(&s->change, 0);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, s->loops[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s->wrong, 0);
    assert_int_equal(atomic_load(&s->alarms), 0);
    assert_true(s->seen > s->serial); /* several had each picture */
    assert_true(s->serial > 500);
    assert_true(s->caught_up > 0);
    cm_hub_counters counters;
    cm_hub_read_counters(s->hubs[1], &counters);
    assert_in_range(counters.frames_skipped, s->skipped, UINT64_MAX);
    cm_source_destroy(s->source);
    cm_hub_untie(s->hubs, 2);
    for (size_t i = 0; i < 2; i++)
        cm_hub_destroy(s->hubs[i]);
    for (size_t i = 0; i < 2; i++)
        cm_loop_destroy(s->loops[i]);
    cm_epoch_page_destroy(s->page);
    free(s);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(viewers_come_and_go_on_another_thread),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
