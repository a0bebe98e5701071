/* egress/transcode with the real helper: what is made over reaches those who may hear it, by the
 * right of those who do, and is never another camera's. Each camera hums one level of its own. */
#include "media_testing.h"
#include "world.h"

#include <libavcodec/avcodec.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "egress/transcode/transcode.h"
#include "media/sound.h"
#include "proto/g711/g711.h"

enum { SAMPLES = 160, EVERY_US = 20000 };

static const cm_sound_format PCMA = {.codec = CM_SOUND_PCMA, .channels = 1, .rate = 8000};

typedef struct fixture fixture;

typedef struct camera {
    fixture *f;
    testing_media media;
    cm_source *source;
    cm_transcode *transcode;
    uint8_t level; /* of its samples, in A-law */
    cm_media_time media_time;
} camera;

typedef struct listener {
    fixture *f;
    const camera *at;
    cm_transcode_ear ear;
    cm_subscription *subscription;
    AVCodecContext *decoder;
    size_t frames, foreign, stale;
    cm_media_time newest;
} listener;

struct fixture {
    world world;
    cm_epoch_page *page;
    cm_hub *hub;
    cm_transcode_service *service;
    camera door, shed, attic; /* verdi's door and shed, rossi's attic */
    cm_timer microphone;
    listener *wanted; /* until it has heard so much */
    size_t enough;
    size_t alarms;
};

static void on_alarm(void *owner, const cm_camera_key *which, cm_refusal refusal)
{
    fixture *f = owner;
    (void)which;
    (void)refusal;
    f->alarms++;
}

static void on_hub_alarm(void *owner, const cm_camera_key *which, cm_stream stream,
                         cm_refusal refusal)
{
    (void)stream;
    on_alarm(owner, which, refusal);
}

static void want_none(void *owner, uint64_t epoch)
{
    (void)owner;
    (void)epoch;
}

/* ---- cameras ---- */

static void speak(camera *c)
{
    uint8_t head[CM_SOUND_FORMAT_MAX], body[SAMPLES];
    cm_writer w = cm_writer_over(head, sizeof head);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = c->level;
    assert_int_equal(cm_sound_format_write(&w, &PCMA), CM_OK);
    const cm_plain_granule granules[] = {{.body = cm_writer_done(&w)},
                                         {.body = cm_slice_over(body, sizeof body)}};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = 2,
                                  .flags = CM_FRAME_KEYFRAME,
                                  .duration_ms = 20,
                                  .captured = {CM_SECONDS(1800000000) + c->media_time * 100 / 9},
                                  .media_time = c->media_time};
    c->media_time += 1800;
    if (cm_source_put(c->source, &plain) == CM_OK)
        cm_transcode_feed(c->transcode, c->source);
}

static void on_microphone(cm_timer *timer)
{
    fixture *f = CM_HOLDER(timer, fixture, microphone);
    cm_timer_start(timer, EVERY_US);
    speak(&f->door);
    speak(&f->shed);
    speak(&f->attic);
}

static void take_sealers(camera *c, uint64_t epoch)
{
    cm_sealer *heard = testing_sealer(&c->media, CM_STREAM_SOUND, CM_OBJECT_FRAME, epoch);
    cm_sealer *flac = testing_sealer(&c->media, CM_STREAM_SOUND_FLAC, CM_OBJECT_FRAME, epoch);
    assert_int_equal(cm_source_take_sealers(c->source, heard, NULL), CM_OK);
    assert_int_equal(cm_transcode_take_sealer(c->transcode, CM_STREAM_SOUND_FLAC, flac), CM_OK);
}

static void camera_open(fixture *f, camera *c, const char *home, const char *name, int16_t level)
{
    *c = (camera){.f = f, .level = cm_g711_encode(CM_G711_A_LAW, level), .media_time = 90000};
    testing_media_init(&c->media, f->page, home, name);
    const cm_source_config source = {.hub = f->hub,
                                     .loop = f->world.loop,
                                     .camera = c->media.camera,
                                     .stream = CM_STREAM_SOUND,
                                     .on_want_sealers = want_none};
    const cm_transcode_config config = {.service = f->service,
                                        .hub = f->hub,
                                        .camera = c->media.camera,
                                        .on_want_sealers = want_none};
    assert_int_equal(cm_source_create(&source, &c->source), CM_OK);
    assert_int_equal(cm_transcode_create(&config, &c->transcode), CM_OK);
    take_sealers(c, 1);
}

static void camera_close(camera *c)
{
    cm_transcode_destroy(c->transcode);
    cm_source_destroy(c->source);
}

static cm_lease *lease_of(const camera *c, cm_rights rights, uint64_t epoch)
{
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    cm_lease_terms terms = testing_terms(&c->media, epoch);
    cm_lease *lease;
    terms.rights = rights;
    terms.streams = cm_streams_within(rights);
    terms.from = cm_loop_read_now(c->f->world.loop);
    terms.from.us -= CM_SECONDS(1);
    terms.until = cm_instant_after(terms.from, CM_SECONDS(60));
    terms.keys = keys;
    terms.key_count = 0;
    for (size_t i = 0; i < c->media.key_count; i++)
        if ((terms.streams >> c->media.keys[i].stream & 1) == 1 && c->media.keys[i].epoch <= epoch)
            keys[terms.key_count++] = c->media.keys[i];
    assert_int_equal(cm_lease_create(&terms, c->media.slot, &lease), CM_OK);
    return lease;
}

static cm_lease *hearing_lease(const camera *c, uint64_t epoch)
{
    return lease_of(c, CM_RIGHT_LISTEN, epoch);
}

/* ---- listeners ---- */

static int16_t level_of(listener *l, const cm_sound_format *format, cm_slice bytes)
{
    if (l->decoder == NULL) {
        const AVCodec *codec = avcodec_find_decoder_by_name("flac");
        l->decoder = avcodec_alloc_context3(codec);
        l->decoder->extradata = av_mallocz(CM_SOUND_STREAMINFO_SIZE + AV_INPUT_BUFFER_PADDING_SIZE);
        l->decoder->extradata_size = CM_SOUND_STREAMINFO_SIZE;
        memcpy(l->decoder->extradata, format->config, CM_SOUND_STREAMINFO_SIZE);
        assert_int_equal(avcodec_open2(l->decoder, codec, NULL), 0);
    }
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    assert_int_equal(av_new_packet(packet, (int)bytes.size), 0);
    memcpy(packet->data, bytes.bytes, bytes.size);
    assert_int_equal(avcodec_send_packet(l->decoder, packet), 0);
    assert_int_equal(avcodec_receive_frame(l->decoder, frame), 0);
    const int16_t level = ((const int16_t *)(const void *)frame->data[0])[SAMPLES / 2];
    av_frame_free(&frame);
    av_packet_free(&packet);
    return level;
}

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    listener *l = owner;
    cm_sound_format format;
    assert_int_equal(cm_sound_format_read(opened->granules[0], &format), CM_OK);
    assert_int_equal(format.codec, CM_SOUND_FLAC);
    for (size_t i = 1; i < opened->count; i++)
        l->foreign +=
            level_of(l, &format, opened->granules[i]) != cm_g711_decode(CM_G711_A_LAW, l->at->level)
                ? 1
                : 0;
    l->frames++;
    l->newest = opened->frame->media_time;
    return true;
}

static void on_stale(void *owner)
{
    listener *l = owner;
    l->stale++;
}

static void on_broken(void *owner)
{
    (void)owner;
}

static const cm_subscription_events EVENTS = {
    .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_broken};

static void listen_with(listener *l, camera *c, cm_lease *to_make, cm_lease *to_hear)
{
    *l = (listener){.f = c->f, .at = c};
    assert_int_equal(cm_transcode_listen(c->transcode, &l->ear, CM_STREAM_SOUND_FLAC, to_make),
                     CM_OK);
    assert_int_equal(
        cm_hub_subscribe(c->f->hub, to_hear, CM_STREAM_SOUND_FLAC, &EVENTS, l, &l->subscription),
        CM_OK);
}

static void listen(listener *l, camera *c)
{
    listen_with(l, c, hearing_lease(c, 1), hearing_lease(c, 1));
}

static void leave(listener *l)
{
    cm_transcode_leave(&l->ear);
    cm_subscription_close(l->subscription);
    avcodec_free_context(&l->decoder);
}

/* ---- the stage ---- */

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    world_open(&f->world);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    const cm_hub_config hub = {
        .loop = f->world.loop, .page = f->page, .on_alarm = on_hub_alarm, .owner = f};
    assert_int_equal(cm_hub_create(&hub, &f->hub), CM_OK);
    const cm_transcode_service_config config = {.loop = f->world.loop,
                                                .helper_path = getenv("CASEMENT_HELPER"),
                                                .on_alarm = on_alarm,
                                                .owner = f};
    assert_non_null(config.helper_path);
    assert_int_equal(cm_transcode_service_create(&config, &f->service), CM_OK);
    camera_open(f, &f->door, "verdi", "door", 4000);
    camera_open(f, &f->shed, "verdi", "garage", -9000);
    camera_open(f, &f->attic, "rossi", "attic", 15000);
    cm_timer_init(&f->microphone, f->world.loop, on_microphone);
    cm_timer_start(&f->microphone, 0);
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    cm_timer_stop(&f->microphone);
    camera_close(&f->door);
    camera_close(&f->shed);
    camera_close(&f->attic);
    cm_transcode_service_destroy(f->service);
    cm_hub_destroy(f->hub);
    cm_epoch_page_destroy(f->page);
    world_close(&f->world);
    free(f);
    return 0;
}

static cm_transcode_counters counters_of(const fixture *f)
{
    cm_transcode_counters counters;
    cm_transcode_read_counters(f->service, &counters);
    return counters;
}

static bool has_heard(void *owner)
{
    const fixture *f = owner;
    return f->wanted->frames >= f->enough;
}

/* So many frames more. */
static void hear(fixture *f, listener *l, size_t frames)
{
    f->wanted = l;
    f->enough = l->frames + frames;
    assert_true(world_run(&f->world, has_heard, f));
    assert_int_equal(l->foreign, 0);
}

static void speak_for(fixture *f, unsigned packets)
{
    const cm_media_time until = f->door.media_time + packets * 1800;
    while (f->door.media_time < until) {
        listener none = {.frames = 0};
        f->wanted = &none;
        f->enough = 0;
        assert_true(world_run(&f->world, has_heard, f));
        usleep(1000);
    }
}

/* ---- cases ---- */

static void sound_is_made_over_while_somebody_hears_it(void **state)
{
    fixture *f = *state;
    static listener anna, bruno;
    speak_for(f, 3);
    assert_int_equal(counters_of(f).given, 0); /* for nobody nothing is done */
    assert_int_equal(counters_of(f).helper_starts, 0);
    listen(&anna, &f->door);
    hear(f, &anna, 10);
    listen(&bruno, &f->door);
    hear(f, &bruno, 10);
    assert_int_equal(counters_of(f).processes, 1);
    assert_int_equal(counters_of(f).listeners, 2);
    const cm_transcode_counters both = counters_of(f);
    assert_true(both.given <= (uint64_t)(f->door.media_time - 90000) / 1800); /* once for both */
    assert_true(both.made >= 19 && both.failed == 0 && both.refused == 0);
    assert_int_equal(anna.newest, bruno.newest);
    leave(&anna);
    hear(f, &bruno, 5);
    leave(&bruno);
    const uint64_t given = counters_of(f).given;
    speak_for(f, 5);
    assert_int_equal(counters_of(f).given, given);
    assert_int_equal(f->alarms, 0);
}

/* Each from its own lane, of one process a home. */
static void cameras_are_kept_apart(void **state)
{
    fixture *f = *state;
    static listener listeners[3];
    camera *const cameras[] = {&f->door, &f->shed, &f->attic};
    for (size_t i = 0; i < 3; i++)
        listen(&listeners[i], cameras[i]);
    for (size_t i = 0; i < 3; i++)
        hear(f, &listeners[i], 10);
    assert_int_equal(counters_of(f).processes, 2);
    assert_int_equal(f->alarms, 0);
    for (size_t i = 0; i < 3; i++)
        leave(&listeners[i]);
}

static void who_may_not_hear_gives_no_right_to_make_it(void **state)
{
    fixture *f = *state;
    static listener blind, foreign;
    listen_with(&blind, &f->door, lease_of(&f->door, CM_RIGHT_VIEW, 1), hearing_lease(&f->door, 1));
    speak_for(f, 5);
    assert_int_equal(counters_of(f).given, 0);
    assert_int_equal(f->alarms, 0);
    /* A lease of another camera here is a mistake of the server's. */
    listen_with(&foreign, &f->door, hearing_lease(&f->attic, 1), hearing_lease(&f->door, 1));
    speak_for(f, 5);
    assert_int_equal(counters_of(f).given, 0);
    assert_true(f->alarms > 0 && counters_of(f).refused > 0);
    assert_int_equal(blind.frames + foreign.frames, 0);
    leave(&blind);
    leave(&foreign);
}

/* By the page, at once; with another's lease it goes on, without any it stops. */
static void the_cut_ends_what_one_gave_and_not_what_others_give(void **state)
{
    fixture *f = *state;
    static listener anna, bruno;
    listen(&anna, &f->door);
    listen(&bruno, &f->door);
    hear(f, &bruno, 5);
    take_sealers(&f->door, 2);
    cm_epoch_publish(f->page, f->door.media.slot, 2);
    const uint64_t given = counters_of(f).given;
    speak_for(f, 10);
    assert_int_equal(counters_of(f).given, given);
    assert_true(anna.stale > 0 && bruno.stale > 0);
    const size_t before = anna.frames;
    cm_transcode_renew(&bruno.ear, hearing_lease(&f->door, 2));
    cm_subscription_renew(bruno.subscription, hearing_lease(&f->door, 2));
    hear(f, &bruno, 10);
    assert_int_equal(anna.frames, before);
    assert_int_equal(f->alarms, 0);
    leave(&anna);
    leave(&bruno);
}

static void a_camera_that_goes_lets_its_ears_go(void **state)
{
    fixture *f = *state;
    static listener anna;
    listen(&anna, &f->attic);
    hear(f, &anna, 3);
    cm_subscription_close(anna.subscription);
    anna.subscription = NULL;
    camera_close(&f->attic);
    assert_null(anna.ear.at);
    assert_int_equal(counters_of(f).listeners, 0);
    cm_transcode_renew(&anna.ear, hearing_lease(&f->attic, 1));
    leave(&anna);
    camera_open(f, &f->attic, "rossi", "loft", 15000);
}

/* ---- the helper ---- */

/* The one that this process has started and that runs. */
static int helper_pid(void)
{
    char path[64];
    int pid = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    (void)fclose(file);
    return pid;
}

static bool has_died(void *owner)
{
    return counters_of(owner).helper_deaths > 0;
}

static void a_killed_helper_costs_sound_until_it_is_there_again(void **state)
{
    fixture *f = *state;
    static listener anna;
    listen(&anna, &f->door);
    hear(f, &anna, 5);
    assert_int_equal(kill(helper_pid(), SIGKILL), 0);
    assert_true(world_run(&f->world, has_died, f));
    const cm_transcode_counters dead = counters_of(f);
    assert_int_equal(dead.processes, 0);
    hear(f, &anna, 10); /* after it has rested for a second */
    assert_int_equal(counters_of(f).helper_starts, 2);
    assert_true(counters_of(f).dropped > 10);
    assert_int_equal(f->alarms, 0);
    leave(&anna);
}

/* It is not waited for: what it does not take is left out, and it is killed in the end. */
static void a_stuck_helper_is_killed(void **state)
{
    fixture *f = *state;
    static listener anna;
    listen(&anna, &f->door);
    hear(f, &anna, 5);
    assert_int_equal(kill(helper_pid(), SIGSTOP), 0);
    assert_true(world_run(&f->world, has_died, f));
    assert_true(counters_of(f).failed > 100);
    hear(f, &anna, 5);
    leave(&anna);
}

static bool is_gone(void *owner)
{
    return counters_of(owner).processes == 0;
}

static void without_listeners_it_ends_in_peace(void **state)
{
    fixture *f = *state;
    static listener anna;
    listen(&anna, &f->door);
    hear(f, &anna, 3);
    leave(&anna);
    assert_true(world_run(&f->world, is_gone, f));
    assert_int_equal(counters_of(f).helper_deaths, 0);
    listen(&anna, &f->door);
    hear(f, &anna, 3);
    leave(&anna);
}

#ifdef CM_FAULT_INJECTION
static bool has_mixed(void *owner)
{
    (void)owner;
    return cm_fault_fired(CM_FAULT_HELPER_MIX) >= 40;
}

/* Jobs of two cameras of a home mixed up: nothing foreign comes out, and without seals it would. */
static void mixed_up_jobs_let_nobody_hear_another(void **state)
{
    fixture *f = *state;
    static listener door, shed;
    for (unsigned walls = 1; walls <= 2; walls++) {
        const bool is_off = walls == 2;
        cm_fault_set(CM_FAULT_HELPER_MIX, (cm_fault_rate){.fires = 1, .asked = 3});
        if (is_off)
            cm_fault_set(CM_FAULT_SEALING_OFF, (cm_fault_rate){.fires = 1, .asked = 1});
        setenv("CASEMENT_FAULTS", is_off ? "sealing.off=1/1" : "", 1);
        f->alarms = 0;
        listen(&door, &f->door);
        listen(&shed, &f->shed);
        assert_true(world_run(&f->world, has_mixed, f));
        if (is_off)
            assert_true(door.foreign + shed.foreign > 0);
        else
            assert_int_equal(door.foreign + shed.foreign, 0);
        assert_true(door.frames > 0 && (is_off || f->alarms > 0));
        leave(&door);
        leave(&shed);
        cm_fault_reset();
        assert_true(world_run(&f->world, is_gone, f)); /* the next has the other walls */
    }
    unsetenv("CASEMENT_FAULTS");
}
#endif

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sound_is_made_over_while_somebody_hears_it),
        CASE(cameras_are_kept_apart),
        CASE(who_may_not_hear_gives_no_right_to_make_it),
        CASE(the_cut_ends_what_one_gave_and_not_what_others_give),
        CASE(a_camera_that_goes_lets_its_ears_go),
        CASE(a_killed_helper_costs_sound_until_it_is_there_again),
        CASE(a_stuck_helper_is_killed),
        CASE(without_listeners_it_ends_in_peace),
#ifdef CM_FAULT_INJECTION
        CASE(mixed_up_jobs_let_nobody_hear_another),
#endif
    };
    return cmocka_run_group_tests_name("transcode", tests, NULL, NULL);
}
