/* egress/still with the real helper: pictures come out right, and never another's. */
#include "still_testing.h"
#include "world.h"

#include <signal.h>
#include <unistd.h>

#include "base/fault.h"
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
                                  .flags = testing_picture_flags(p),
                                  .captured = {CM_SECONDS(1800000000)},
                                  .media_time = 90};
    assert_int_equal(cm_source_put(c->source, &plain), CM_OK);
}

/* A machine may be busy: only the test of what takes too long has the limits of every day. */
#define SLOWEST_US CM_SECONDS(600)

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    world_open(&f->world);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    const cm_hub_config hub = {.loop = f->world.loop, .page = f->page};
    assert_int_equal(cm_hub_create(&hub, &f->hub), CM_OK);
    assert_int_equal(cm_fanout_create(&f->fanout), CM_OK);
    camera_open(f, &f->door, "verdi", "door");
    camera_open(f, &f->shed, "verdi", "garage");
    camera_open(f, &f->attic, "rossi", "attic");
    testing_picture_make(&f->quarters, TESTING_QUARTERS("320x180"), MATRIX_601);
    const cm_still_config config = {.loop = f->world.loop,
                                    .helper_path = getenv("CASEMENT_HELPER"),
                                    .patience_us = SLOWEST_US,
                                    .job_us = SLOWEST_US,
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

/* The processes that this one has started and that run: their ids, at most two. */
static size_t helpers(int out[2])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t count = 0;
    int pid;
    while (fscanf(file, "%d", &pid) == 1) {
        assert_true(count < 2);
        out[count++] = pid;
    }
    (void)fclose(file);
    return count;
}

static int helper_pid(void)
{
    int pids[2];
    assert_int_equal(helpers(pids), 1);
    return pids[0];
}

static void full_range_and_bt709_keep_their_colours(void **state)
{
    static const char *const OPTIONS[] = {
        "-vf scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p -colorspace smpte170m "
        "-color_range pc",
        "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -colorspace bt709 "
        "-color_range tv",
        "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv444p -colorspace smpte170m "
        "-color_range tv",
    };
    fixture *f = *state;
    for (size_t i = 0; i < CM_COUNT(OPTIONS); i++) {
        testing_picture p;
        testing_picture_make(&p, TESTING_QUARTERS("320x180"), OPTIONS[i]);
        show(&f->door, &p);
        const ask *own = ask_for(f, &f->door, 0);
        const ask *half = ask_for(f, &f->door, 320);
        run(f);
        check_quarters(f, f->door.lease, own, 640, 360);
        check_quarters(f, f->door.lease, half, 320, 180);
        testing_picture_free(&p);
    }
}

/* The two codecs' keyframes take turns in one helper. */
static void h265_makes_stills_too(void **state)
{
    static const char *const OPTIONS[] = {
        "-vf scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p -colorspace smpte170m "
        "-color_range pc",
        "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -colorspace bt709 "
        "-color_range tv",
        "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p10le -colorspace bt709 "
        "-color_range tv",
    };
    fixture *f = *state;
    for (size_t i = 0; i < CM_COUNT(OPTIONS); i++) {
        testing_picture p;
        testing_picture_encode(&p, CM_VIDEO_H265, TESTING_QUARTERS("320x180"), OPTIONS[i]);
        show(&f->door, &p);
        show(&f->shed, &f->quarters);
        const ask *own = ask_for(f, &f->door, 0);
        const ask *other = ask_for(f, &f->shed, 320);
        const ask *half = ask_for(f, &f->door, 320);
        run(f);
        check_quarters(f, f->door.lease, own, 640, 360);
        check_quarters(f, f->shed.lease, other, 320, 180);
        check_quarters(f, f->door.lease, half, 320, 180);
        testing_picture_free(&p);
    }
}

/* The flag says the codec: the same bytes under the other one are no picture. */
static void a_picture_under_the_other_codec_is_none(void **state)
{
    fixture *f = *state;
    f->quarters.codec = CM_VIDEO_H265;
    show(&f->door, &f->quarters);
    const ask *a = ask_for(f, &f->door, 320);
    run(f);
    assert_int_equal(a->status, CM_BROKEN);
    assert_int_equal(counters_of(f).helper_deaths, 0);
}

static void unmarked_hd_is_taken_for_bt709(void **state)
{
    fixture *f = *state;
    testing_picture p;
    testing_picture_make(&p, TESTING_QUARTERS("640x360"),
                         "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p");
    show(&f->door, &p);
    const ask *a = ask_for(f, &f->door, 640);
    run(f);
    check_quarters(f, f->door.lease, a, 640, 360);
    testing_picture_free(&p);
}

static void two_hundred_asks_are_one_job(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    for (int i = 0; i < 200; i++)
        (void)ask_for(f, &f->door, 320);
    run(f);
    for (size_t i = 0; i < f->asked; i++) {
        assert_int_equal(f->asks[i].status, CM_OK);
        assert_ptr_equal(f->asks[i].still, f->asks[0].still);
    }
    assert_int_equal(counters_of(f).made, 1);
    assert_int_equal(counters_of(f).from_cache, 0);
    const ask *later = ask_for(f, &f->door, 320);
    run(f);
    check_quarters(f, f->door.lease, later, 320, 180);
    assert_int_equal(counters_of(f).made, 1);
    assert_int_equal(counters_of(f).from_cache, 1);
}

static void another_keyframe_is_another_still(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *first = ask_for(f, &f->door, 320);
    run(f);
    const size_t cached = counters_of(f).cached_bytes;
    show(&f->door, &f->quarters);
    const ask *second = ask_for(f, &f->door, 320);
    run(f);
    assert_ptr_not_equal(first->still, second->still);
    assert_int_equal(counters_of(f).made, 2);
    /* In the place of the first, not beside it. */
    assert_in_range(counters_of(f).cached_bytes, cached - 64, cached + 64);
    cm_still_forget(f->service, &f->door.media.camera);
    assert_int_equal(counters_of(f).cached_bytes, 0);
}

static void a_still_opens_for_its_camera_only(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    show(&f->shed, &f->quarters);
    show(&f->attic, &f->quarters);
    const ask *door = ask_for(f, &f->door, 320);
    const ask *shed = ask_for(f, &f->shed, 320);
    const ask *attic = ask_for(f, &f->attic, 320);
    run(f);
    assert_int_equal(door->status + shed->status + attic->status, CM_OK);
    assert_int_equal(open_still(f, f->door.lease, door), CM_REFUSAL_NONE);
    assert_int_equal(open_still(f, f->door.lease, shed), CM_REFUSAL_FOREIGN);
    assert_int_equal(open_still(f, f->door.lease, attic), CM_REFUSAL_FOREIGN);
    assert_int_equal(open_still(f, f->attic.lease, door), CM_REFUSAL_FOREIGN);
    attic->still->camera = f->door.media.camera;
    assert_int_equal(open_still(f, f->door.lease, attic), CM_REFUSAL_KEY);
    int pids[2];
    assert_int_equal(helpers(pids), 2); /* verdi's and rossi's */
    assert_int_not_equal(pids[0], pids[1]);
    assert_int_equal(counters_of(f).processes, 2);
}

static void a_lease_that_does_not_admit_the_keyframe_gets_nothing(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *made = ask_for(f, &f->door, 320);
    run(f);
    const ask *foreign = ask_with(f, &f->door, f->attic.lease, 320); /* also from the cache */
    const ask *foreign_fresh = ask_with(f, &f->door, f->attic.lease, 100);
    run(f);
    assert_int_equal(made->status, CM_OK);
    assert_int_equal(foreign->status, CM_FOREIGN);
    assert_int_equal(foreign_fresh->status, CM_FOREIGN);
    assert_int_equal(f->alarms, 2);
    assert_int_equal(f->last_alarm, CM_REFUSAL_FOREIGN);
    assert_int_equal(counters_of(f).refused, 2);
    /* A cut is no alarm, and there is nothing any more for anybody. */
    cm_epoch_publish(f->page, f->door.media.slot, 2);
    const ask *cut = ask_for(f, &f->door, 320);
    run(f);
    assert_int_not_equal(cut->status, CM_OK);
    assert_int_equal(f->alarms, 2);
    assert_int_equal(open_still(f, f->door.lease, made), CM_REFUSAL_STALE);
}

static void a_cut_while_the_still_is_made_leaves_nothing(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *a = ask_for(f, &f->door, 320);
    cm_epoch_publish(f->page, f->door.media.slot, 2);
    run(f);
    assert_int_equal(a->status, CM_FOREIGN);
    assert_int_equal(counters_of(f).cached_bytes, 0);
    assert_int_equal(f->alarms, 0);
}

static void without_a_keyframe_there_is_none(void **state)
{
    fixture *f = *state;
    const ask *a = ask_for(f, &f->door, 0);
    run(f);
    assert_int_equal(a->status, CM_ABSENT);
    cm_still_request *request = NULL;
    assert_int_equal(cm_still_ask(f->service, f->door.source, CM_STREAM_MAIN, f->door.lease,
                                  CM_STILL_WIDTH_MIN - 1, on_done, NULL, &request),
                     CM_REFUSE);
    assert_int_equal(cm_still_ask(f->service, f->door.source, CM_STREAM_MAIN, f->door.lease,
                                  CM_STILL_WIDTH_MAX + 1, on_done, NULL, &request),
                     CM_REFUSE);
    assert_int_equal(counters_of(f).helper_starts, 0);
}

static void a_picture_that_cannot_be_decoded_harms_nobody(void **state)
{
    fixture *f = *state;
    for (size_t codec = 0; codec < CM_VIDEO_CODECS; codec++) {
        testing_picture bad;
        testing_picture_encode(&bad, (cm_video_codec)codec, TESTING_QUARTERS("320x180"),
                               MATRIX_601);
        const cm_slice *slice = &bad.nals[bad.nal_count - 1];
        for (size_t i = slice->size / 4; i < slice->size; i += 3)
            ((uint8_t *)(uintptr_t)slice->bytes)[i] ^= 0x5a;
        show(&f->door, &bad);
        show(&f->shed, &f->quarters);
        const ask *broken = ask_for(f, &f->door, 320);
        const ask *good = ask_for(f, &f->shed, 320);
        run(f);
        assert_int_equal(broken->status, CM_BROKEN);
        check_quarters(f, f->shed.lease, good, 320, 180);
        assert_int_equal(counters_of(f).helper_deaths, 0);
        assert_int_equal(counters_of(f).failed, 1 + codec);
        testing_picture_free(&bad);
    }
}

static void a_killed_helper_is_answered_for_and_started_again(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *first = ask_for(f, &f->door, 320);
    run(f);
    const int pid = helper_pid();
    assert_int_equal(kill(pid, SIGSTOP), 0); /* so that the job is surely in the middle */
    const ask *lost = ask_for(f, &f->door, 640);
    assert_int_equal(kill(pid, SIGKILL), 0);
    run(f);
    assert_int_equal(first->status, CM_OK);
    assert_int_equal(lost->status, CM_BROKEN);
    assert_int_equal(counters_of(f).helper_deaths, 1);
    assert_int_equal(counters_of(f).processes, 0);
    const ask *again = ask_for(f, &f->door, 640); /* waits until it has rested for a second */
    run(f);
    check_quarters(f, f->door.lease, again, 640, 360);
    assert_int_equal(counters_of(f).helper_starts, 2);
    assert_int_not_equal(helper_pid(), pid);
}

static void a_job_that_takes_too_long_is_killed(void **state)
{
    fixture *f = *state;
    cm_still_service_destroy(f->service);
    const cm_still_config config = {.loop = f->world.loop,
                                    .helper_path = getenv("CASEMENT_HELPER")};
    assert_int_equal(cm_still_service_create(&config, &f->service), CM_OK);
    show(&f->door, &f->quarters);
    (void)ask_for(f, &f->door, 320);
    run(f);
    assert_int_equal(kill(helper_pid(), SIGSTOP), 0);
    const cm_instant begun = cm_loop_read_now(f->world.loop);
    const ask *stuck = ask_for(f, &f->door, 640);
    run(f);
    const int64_t took = cm_instant_since(cm_loop_read_now(f->world.loop), begun);
    assert_int_equal(stuck->status, CM_BROKEN);
    assert_true(took >= CM_SECONDS(3)); /* it has had its time; run() has a limit */
    assert_int_equal(counters_of(f).helper_deaths, 1);
}

static void the_queue_of_a_home_is_bounded(void **state)
{
    enum { QUEUE = 64, FLIGHT = 2, MORE = 10 };
    fixture *f = *state;
    show(&f->door, &f->quarters);
    show(&f->attic, &f->quarters);
    for (unsigned i = 0; i < QUEUE + FLIGHT + MORE; i++)
        (void)ask_for(f, &f->door, CM_STILL_WIDTH_MIN + i);
    const ask *other = ask_for(f, &f->attic, 100);
    run(f);
    size_t full = 0;
    for (size_t i = 0; i < f->asked; i++)
        full += f->asks[i].status == CM_FULL;
    assert_in_range(full, MORE - 1, MORE + 1); /* one or two are on their way at once */
    assert_int_equal(other->status, CM_OK);
    assert_int_equal(counters_of(f).made + full, f->asked);
}

static void homes_take_turns_where_processes_are_few(void **state)
{
    fixture *f = *state;
    cm_still_service_destroy(f->service);
    const cm_still_config config = {.loop = f->world.loop,
                                    .helper_path = getenv("CASEMENT_HELPER"),
                                    .processes_max = 1,
                                    .patience_us = SLOWEST_US,
                                    .job_us = SLOWEST_US,
                                    .cache_bytes_max = 1};
    assert_int_equal(cm_still_service_create(&config, &f->service), CM_OK);
    show(&f->door, &f->quarters);
    show(&f->attic, &f->quarters);
    for (int i = 0; i < 3; i++) {
        const ask *door = ask_for(f, &f->door, 320);
        const ask *attic = ask_for(f, &f->attic, 320);
        run(f);
        check_quarters(f, f->door.lease, door, 320, 180);
        check_quarters(f, f->attic.lease, attic, 320, 180);
        assert_int_equal(counters_of(f).processes, 1);
    }
    assert_int_equal(counters_of(f).helper_deaths, 0);
    assert_true(counters_of(f).helper_starts >= 4);
    assert_int_equal(counters_of(f).cached_bytes, 0);
}

enum { HOMES = 3, EACH = 60 };

static size_t count_answered(const fixture *f, size_t home, cm_status status)
{
    size_t count = 0;
    for (size_t i = home * EACH; i < (home + 1) * EACH; i++)
        count += f->asks[i].is_answered && f->asks[i].status == status;
    return count;
}

static bool each_has_one(void *owner)
{
    const fixture *f = owner;
    for (size_t home = 0; home < HOMES; home++)
        if (count_answered(f, home, CM_OK) == 0)
            return false;
    return true;
}

/* Each of three homes has work for longer than its turn: the last is served before any is through.
 */
static void a_busy_home_does_not_keep_the_only_place(void **state)
{
    fixture *f = *state;
    camera gate;
    cm_still_service_destroy(f->service);
    const cm_still_config config = {.loop = f->world.loop,
                                    .helper_path = getenv("CASEMENT_HELPER"),
                                    .processes_max = 1,
                                    .patience_us = SLOWEST_US,
                                    .job_us = SLOWEST_US};
    assert_int_equal(cm_still_service_create(&config, &f->service), CM_OK);
    camera_open(f, &gate, "bianchi", "gate");
    testing_picture large;
    testing_picture_make(&large, "testsrc2=s=3840x2160", "-preset ultrafast -pix_fmt yuv420p");
    camera *const cameras[HOMES] = {&f->door, &f->attic, &gate};
    for (size_t i = 0; i < HOMES; i++) {
        show(cameras[i], &large);
        for (unsigned j = 0; j < EACH; j++)
            (void)ask_for(f, cameras[i], CM_STILL_WIDTH_MAX - 1 - j);
    }
    assert_true(world_run(&f->world, each_has_one, f));
    for (size_t i = 0; i < HOMES; i++)
        assert_true(count_answered(f, i, CM_OK) < EACH);
    assert_int_equal(counters_of(f).processes, 1);
    cm_still_service_destroy(f->service);
    f->service = NULL;
    camera_close(&gate);
    testing_picture_free(&large);
}

static void what_is_cancelled_is_not_answered(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    ask *kept = ask_for(f, &f->door, 320);
    ask *shared = ask_for(f, &f->door, 320);
    ask *alone = ask_for(f, &f->door, 100);
    ask *absent = ask_for(f, &f->attic, 100); /* due already */
    ask *gone[] = {shared, alone, absent};
    for (size_t i = 0; i < CM_COUNT(gone); i++) {
        cm_still_cancel(gone[i]->request);
        gone[i]->is_answered = true; /* a second answer fails in on_done */
    }
    cm_still_cancel(NULL);
    run(f);
    assert_int_equal(kept->status, CM_OK);
    const ask *next = ask_for(f, &f->door, 200);
    run(f);
    assert_int_equal(next->status, CM_OK);
}

static void pending_requests_hear_of_the_end(void **state)
{
    fixture *f = *state;
    show(&f->door, &f->quarters);
    const ask *sent = ask_for(f, &f->door, 320);
    for (unsigned i = 0; i < 5; i++)
        (void)ask_for(f, &f->door, 100 + i);
    cm_still_service_destroy(f->service);
    f->service = NULL;
    assert_true(all_answered(f));
    assert_int_equal(sent->status, CM_BROKEN);
    int pids[2];
    assert_int_equal(helpers(pids), 0);
}

static void a_helper_that_is_not_there_is_said_so(void **state)
{
    fixture *f = *state;
    cm_still_service_destroy(f->service);
    const cm_still_config config = {.loop = f->world.loop, .helper_path = "/nonexistent/helper"};
    assert_int_equal(cm_still_service_create(&config, &f->service), CM_OK);
    show(&f->door, &f->quarters);
    const ask *a = ask_for(f, &f->door, 320);
    run(f);
    assert_int_equal(a->status, CM_BROKEN);
    assert_int_equal(counters_of(f).helper_deaths, 1);
}

static void a_warm_home_has_its_process_before_its_first_job(void **state)
{
    fixture *f = *state;
    assert_int_equal(cm_still_service_warm(f->service, &f->door.media.camera.home), CM_OK);
    const int pid = helper_pid();
    assert_int_equal(cm_still_service_warm(f->service, &f->door.media.camera.home), CM_OK);
    show(&f->door, &f->quarters);
    const ask *a = ask_for(f, &f->door, 320);
    run(f);
    assert_int_equal(a->status, CM_OK);
    assert_int_equal(helper_pid(), pid);
    assert_int_equal(counters_of(f).helper_starts, 1);
}

#ifdef CM_FAULT_INJECTION
static void mixed_up_answers_and_stills_show_nobody_anything(void **state)
{
    enum { ROUNDS = 20 };
    fixture *f = *state;
    cm_fault_set(CM_FAULT_HELPER_MIX, (cm_fault_rate){.fires = 1, .asked = 3});
    cm_fault_set(CM_FAULT_STILL_SWAP, (cm_fault_rate){.fires = 1, .asked = 1});
    size_t refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        camera *const cameras[] = {&f->door, &f->shed, &f->attic};
        for (size_t c = 0; c < CM_COUNT(cameras); c++) {
            show(cameras[c], &f->quarters);
            const ask *fresh = ask_for(f, cameras[c], 320);
            run(f);
            const ask *again = ask_for(f, cameras[c], 320);
            run(f);
            const ask *const both[] = {fresh, again};
            for (size_t k = 0; k < CM_COUNT(both); k++) {
                if (both[k]->status != CM_OK ||
                    cm_camera_key_equal(&both[k]->still->camera, &cameras[c]->media.camera))
                    continue;
                refused++;
                assert_int_equal(open_still(f, cameras[c]->lease, both[k]), CM_REFUSAL_FOREIGN);
            }
        }
    }
    assert_true(refused > 0);
    assert_true(f->alarms > 0);
    assert_true(cm_fault_fired(CM_FAULT_HELPER_MIX) >= ROUNDS);
    assert_true(cm_fault_fired(CM_FAULT_STILL_SWAP) > 0);
    cm_fault_reset();
}
#endif

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_keyframe_becomes_a_jpeg_of_its_colours_and_size),
        CASE(full_range_and_bt709_keep_their_colours),
        CASE(h265_makes_stills_too),
        CASE(a_picture_under_the_other_codec_is_none),
        CASE(unmarked_hd_is_taken_for_bt709),
        CASE(two_hundred_asks_are_one_job),
        CASE(another_keyframe_is_another_still),
        CASE(a_still_opens_for_its_camera_only),
        CASE(a_lease_that_does_not_admit_the_keyframe_gets_nothing),
        CASE(a_cut_while_the_still_is_made_leaves_nothing),
        CASE(without_a_keyframe_there_is_none),
        CASE(a_picture_that_cannot_be_decoded_harms_nobody),
        CASE(a_killed_helper_is_answered_for_and_started_again),
        CASE(a_job_that_takes_too_long_is_killed),
        CASE(the_queue_of_a_home_is_bounded),
        CASE(homes_take_turns_where_processes_are_few),
        CASE(a_busy_home_does_not_keep_the_only_place),
        CASE(what_is_cancelled_is_not_answered),
        CASE(pending_requests_hear_of_the_end),
        CASE(a_helper_that_is_not_there_is_said_so),
        CASE(a_warm_home_has_its_process_before_its_first_job),
#ifdef CM_FAULT_INJECTION
        CASE(mixed_up_answers_and_stills_show_nobody_anything),
#endif
    };
    return cmocka_run_group_tests_name("still", tests, NULL, NULL);
}
