/* egress/still with the real helper: pictures come out right, and never another's. */
#include "still_testing.h"
#include "world.h"

#include <signal.h>
#include <unistd.h>

#include "egress/still/still.h"

enum { LOOP = 1, ASKS_MAX = 256 };

#define MATRIX_601                                                                                 \
    "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv420p -colorspace smpte170m "          \
    "-color_range tv"

typedef struct camera {
    testing_media media;
    cm_source *source;
    cm_lease *lease;
} camera;

/* One ask and what came of it. */
typedef struct ask {
    cm_still_request *request;
    bool is_answered;
    cm_status status;
    cm_frame *still;
    cm_cursor cursor;
} ask;

typedef struct fixture {
    world world;
    cm_epoch_page *page;
    cm_hub *hub;
    cm_still_service *service;
    cm_fanout *fanout;
    camera door, attic, shed; /* verdi's door and shed, rossi's attic */
    testing_picture quarters;
    ask asks[ASKS_MAX];
    size_t asked;
    int alarms;
    cm_refusal last_alarm;
    uint8_t jpeg[1 << 20];
    size_t jpeg_size;
} fixture;

static void on_alarm(void *owner, const cm_camera_key *which, cm_refusal refusal)
{
    fixture *f = owner;
    (void)which;
    f->alarms++;
    f->last_alarm = refusal;
}

static void want_none(void *owner, uint64_t epoch)
{
    (void)owner;
    (void)epoch;
}

static cm_lease *lease_now(fixture *f, const testing_media *media, uint64_t epoch)
{
    cm_lease_terms terms = testing_terms(media, epoch);
    terms.from = cm_loop_read_now(f->world.loop);
    terms.from.us -= CM_SECONDS(1);
    terms.until = cm_instant_after(terms.from, CM_SECONDS(60));
    cm_lease *lease;
    assert_int_equal(cm_lease_create(&terms, media->slot, &lease), CM_OK);
    return lease;
}

static void camera_open(fixture *f, camera *c, const char *home, const char *name)
{
    testing_media_init(&c->media, f->page, home, name);
    const cm_source_config config = {.hub = f->hub,
                                     .loop = f->world.loop,
                                     .camera = c->media.camera,
                                     .stream = CM_STREAM_MAIN,
                                     .on_want_sealers = want_none};
    assert_int_equal(cm_source_create(&config, &c->source), CM_OK);
    cm_sealer *frames = testing_sealer(&c->media, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(&c->media, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    assert_int_equal(cm_source_take_sealers(c->source, frames, stills), CM_OK);
    c->lease = lease_now(f, &c->media, 1);
}

static void camera_close(camera *c)
{
    cm_lease_destroy(c->lease);
    cm_source_destroy(c->source);
}

static void show(const camera *c, const testing_picture *p)
{
    const cm_plain_frame plain = {.granules = p->granules,
                                  .count = p->count,
                                  .flags = CM_FRAME_KEYFRAME,
                                  .captured = {CM_SECONDS(1800000000)},
                                  .media_time = 90};
    assert_int_equal(cm_source_put(c->source, &plain), CM_OK);
}

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    world_open(&f->world);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    const cm_hub_config hub = {.loop = f->world.loop, .page = f->page};
    assert_int_equal(cm_hub_create(&hub, &f->hub), CM_OK);
    assert_int_equal(cm_fanout_create(&f->fanout), CM_OK);
    camera_open(f, &f->door, "verdi", "door");
    camera_open(f, &f->shed, "verdi", "shed");
    camera_open(f, &f->attic, "rossi", "attic");
    testing_picture_make(&f->quarters, TESTING_QUARTERS("320x180"), MATRIX_601);
    const cm_still_config config = {.loop = f->world.loop,
                                    .helper_path = getenv("CASEMENT_HELPER"),
                                    .on_alarm = on_alarm,
                                    .owner = f};
    assert_non_null(config.helper_path);
    assert_int_equal(cm_still_service_create(&config, &f->service), CM_OK);
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    cm_still_service_destroy(f->service);
    for (size_t i = 0; i < f->asked; i++)
        cm_frame_release(f->asks[i].still, LOOP);
    camera_close(&f->door);
    camera_close(&f->shed);
    camera_close(&f->attic);
    testing_picture_free(&f->quarters);
    cm_fanout_destroy(f->fanout);
    cm_hub_destroy(f->hub);
    cm_epoch_page_destroy(f->page);
    world_close(&f->world);
    free(f);
    return 0;
}

static void on_done(void *owner, cm_status status, cm_frame *still, const cm_cursor *cursor)
{
    ask *a = owner;
    assert_false(a->is_answered);
    a->is_answered = true;
    a->status = status;
    a->still = still;
    assert_true((status == CM_OK) == (still != NULL && cursor != NULL));
    if (cursor != NULL)
        a->cursor = *cursor;
}

static ask *ask_with(fixture *f, camera *c, const cm_lease *lease, unsigned width)
{
    assert_true(f->asked < ASKS_MAX);
    ask *a = &f->asks[f->asked++];
    assert_int_equal(
        cm_still_ask(f->service, c->source, CM_STREAM_MAIN, lease, width, on_done, a, &a->request),
        CM_OK);
    assert_false(a->is_answered);
    return a;
}

static ask *ask_for(fixture *f, camera *c, unsigned width)
{
    return ask_with(f, c, c->lease, width);
}

static bool all_answered(void *owner)
{
    const fixture *f = owner;
    for (size_t i = 0; i < f->asked; i++)
        if (!f->asks[i].is_answered)
            return false;
    return true;
}

static void run(fixture *f)
{
    assert_true(world_run(&f->world, all_answered, f));
}

static bool keep(void *owner, const cm_opened_frame *opened)
{
    fixture *f = owner;
    cm_writer w = cm_writer_over(f->jpeg, sizeof f->jpeg);
    for (size_t i = 0; i < opened->count; i++)
        cm_write_slice(&w, opened->granules[i]);
    assert_false(w.failed);
    f->jpeg_size = w.used;
    return true;
}

static cm_refusal open_still(fixture *f, const cm_lease *lease, const ask *a)
{
    cm_cursor cursor = a->cursor;
    cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor, .owner = f};
    cm_fanout_open(f->fanout, a->still, cm_loop_now(f->world.loop), &viewer, 1, keep);
    return viewer.refusal;
}

static void check_quarters(fixture *f, const cm_lease *lease, const ask *a, int width, int height)
{
    testing_jpeg jpeg;
    assert_int_equal(a->status, CM_OK);
    assert_int_equal(open_still(f, lease, a), CM_REFUSAL_NONE);
    testing_jpeg_read(&jpeg, cm_slice_over(f->jpeg, f->jpeg_size));
    assert_int_equal(jpeg.width, width);
    assert_int_equal(jpeg.height, height);
    testing_jpeg_check_quarters(&jpeg);
    testing_jpeg_free(&jpeg);
}

static cm_still_counters counters_of(const fixture *f)
{
    cm_still_counters c;
    cm_still_read_counters(f->service, &c);
    return c;
}

static void a_keyframe_becomes_a_jpeg_of_its_colours_and_size(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *own = ask_for(f, &f->door, 0);
    const ask *half = ask_for(f, &f->door, 320);
    const ask *odd = ask_for(f, &f->door, 333);
    const ask *beyond = ask_for(f, &f->door, 1280);
    run(f);
    check_quarters(f, f->door.lease, own, 640, 360);
    check_quarters(f, f->door.lease, half, 320, 180);
    check_quarters(f, f->door.lease, odd, 333, 188);
    check_quarters(f, f->door.lease, beyond, 640, 360);
    assert_int_equal(own->still->captured.us, CM_SECONDS(1800000000));
    assert_int_equal(own->still->media_time, 90);
    assert_int_equal(counters_of(f).made, 4);
    assert_int_equal(counters_of(f).helper_starts, 1);
    assert_int_equal(f->alarms, 0);
}

int main(void)
{
    (void)signal(SIGPIPE,
                 SIG_DFL); /* as a server that forgot about it: nothing here may raise it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_keyframe_becomes_a_jpeg_of_its_colours_and_size,
                                        make_fixture, free_fixture),
    };
    return cmocka_run_group_tests_name("still", tests, NULL, NULL);
}
