/*
 * ingest_demo: receives cameras and says what comes: a tool for trying an address out, for
 * measuring what receiving and sealing costs, and for tests against real servers.
 *
 *   ingest_demo [-u USER] [-p PASSWORD_FILE] [-t SECONDS] [-f FRAMES] [-s FILE] [-U] ADDRESS…
 *
 * Ends after SECONDS; with -f before that, once every camera is live, has a rate and so many
 * frames, and as many twentieths of a second were heard if there is sound. -f 0: once each has
 * failed by name.
 * -U asks for UDP first. -s listens to the first camera under a lease that may, and writes what
 * opens to FILE: of each frame its size (4 bytes, big-endian), its time of capture in microseconds
 * since 1970 (8) and the codec's bytes. Each ADDRESS is a camera's main stream. Prints a line for
 * each change of state and, at the end, one for each camera and one for its sound: frames,
 * keyframes, bits a second, what was lost, the greatest distance of media times, and how old
 * pictures were by the server's reckoning. Exit 0 if every camera was live at the end and media
 * time never fell. Anything may be connected to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "ingest/camera.h"
#include "media/seal_mint.h"
#include "media/sound.h"

enum { CAMERAS_MAX = 512, PASSWORD_SIZE = 256 };

typedef struct demo demo;

typedef struct shown {
    demo *demo;
    cm_camera *camera;
    cm_epoch_slot *slot;
    cm_camera_key key;
    cm_camera_state state;
    cm_camera_cause cause;
    uint64_t keyframes;
    bool has_media_time;
    cm_media_time media_time;
    bool has_fallen;
    /* its sound, as it opens */
    cm_seal_key sound_key;
    cm_subscription *ear;
    cm_sound_format format;
    uint64_t heard, gaps;
    cm_wall first_heard, last_heard; // when it was captured
} shown;

struct demo {
    cm_loop *loop;
    cm_net *net;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_connect_gate *gate;
    cm_secret secret;
    cm_timer timer, look;
    int frames_wanted; // -1: until the time is up
    char password[PASSWORD_SIZE];
    const char *user;
    const char *password_file;
    int seconds;
    bool is_udp;
    const char *sound_name;
    FILE *sound;
    size_t count;
    shown cameras[CAMERAS_MAX];
};

static bool may_connect(void *owner, const cm_camera_key *camera, const cm_address *address)
{
    (void)owner;
    (void)camera;
    (void)address;
    return true;
}

static void on_status(void *owner, const cm_camera_status *status)
{
    shown *s = owner;
    const cm_stream_status *main = &status->streams[CM_STREAM_MAIN];
    if (main->state == s->state && main->cause == s->cause)
        return;
    s->state = main->state;
    s->cause = main->cause;
    printf("%s %s cause=%s codec=%s %ux%u %s detail=\"%s\"\n", s->key.camera.text,
           cm_camera_state_name(main->state), cm_camera_cause_name(main->cause), main->codec,
           main->width, main->height, main->is_udp ? "udp" : "tcp", main->detail);
    (void)fflush(stdout);
}

static cm_sealer *make_sealer(shown *s, cm_stream stream, cm_object kind, cm_seal_key *key)
{
    cm_sealer *sealer = NULL;
    cm_seal_key_make(&s->demo->secret, &s->key, stream, kind, 1, cm_loop_random(s->demo->loop),
                     key);
    if (cm_sealer_create(key, s->slot, &sealer) != CM_OK)
        exit(1);
    return sealer;
}

/* ---- listening ---- */

static void write_sound(FILE *file, const cm_opened_frame *opened)
{
    uint8_t head[12];
    cm_writer w = cm_writer_over(head, sizeof head);
    size_t size = 0;
    for (size_t i = 1; i < opened->count; i++)
        size += opened->granules[i].size;
    cm_write_u32(&w, (uint32_t)size);
    cm_write_u64(&w, (uint64_t)opened->frame->captured.us);
    bool is_well = fwrite(head, 1, sizeof head, file) == sizeof head;
    for (size_t i = 1; i < opened->count; i++)
        is_well = is_well && fwrite(opened->granules[i].bytes, 1, opened->granules[i].size, file) ==
                                 opened->granules[i].size;
    if (!is_well)
        exit(1);
}

static bool on_sound(void *owner, const cm_opened_frame *opened)
{
    shown *s = owner;
    if (opened->count < 2 || cm_sound_format_read(opened->granules[0], &s->format) != CM_OK)
        exit(1);
    s->gaps += (opened->frame->flags & CM_FRAME_DISCONTINUITY) != 0 && s->heard > 0 ? 1 : 0;
    s->last_heard = opened->frame->captured;
    if (s->heard++ == 0)
        s->first_heard = s->last_heard;
    write_sound(s->demo->sound, opened);
    return true;
}

static void on_stale(void *owner)
{
    (void)owner; /* its time was enough */
}

static void listen_to(shown *s)
{
    static const cm_subscription_events EVENTS = {
        .on_frame = on_sound, .on_stale = on_stale, .on_broken = on_stale};
    const cm_instant now = cm_loop_read_now(s->demo->loop);
    const cm_lease_terms terms = {.session = 1,
                                  .camera = s->key,
                                  .streams = UINT32_C(1) << CM_STREAM_SOUND,
                                  .rights = CM_RIGHT_LISTEN,
                                  .epoch = 1,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(60)),
                                  .keys = &s->sound_key,
                                  .key_count = 1};
    cm_lease *lease = NULL;
    if (cm_lease_create(&terms, s->slot, &lease) != CM_OK ||
        cm_hub_subscribe(s->demo->hub, lease, CM_STREAM_SOUND, &EVENTS, s, &s->ear) != CM_OK)
        exit(1);
}

static void report_sound(const shown *s)
{
    const cm_sound_status *sound = &cm_camera_read_status(s->camera)->sound;
    char config[CM_HEX_SIZE(CM_SOUND_CONFIG_MAX)] = "";
    if (!sound->is_there)
        return;
    CM_IGNORE(cm_text_to_hex(cm_slice_over(s->format.config, s->format.config_size), config,
                             sizeof config),
              "it is as large as that");
    printf("%s sound codec=%s rate=%u channels=%u frames=%llu lost=%llu malformed=%llu heard=%llu "
           "gaps=%llu config=%s\n",
           s->key.camera.text, cm_sound_codec_name(sound->codec), sound->rate, sound->channels,
           (unsigned long long)sound->frames, (unsigned long long)sound->packets_lost,
           (unsigned long long)sound->malformed, (unsigned long long)s->heard,
           (unsigned long long)s->gaps, config);
}

/* ---- cameras ---- */

static void on_want_sealers(void *owner, const cm_camera_key *camera, uint64_t epoch)
{
    (void)owner;
    (void)camera;
    (void)epoch; /* it has the only ones there are */
}

static void on_keyframe(void *owner, const cm_camera_key *camera, cm_stream stream)
{
    shown *s = owner;
    (void)camera;
    const cm_frame *frame = cm_source_keyframe(cm_camera_source(s->camera, stream));
    s->keyframes++;
    if (frame == NULL)
        return;
    s->has_fallen = s->has_fallen || (s->has_media_time && frame->media_time <= s->media_time);
    s->media_time = frame->media_time;
    s->has_media_time = true;
}

static const cm_camera_events EVENTS = {.may_connect = may_connect,
                                        .on_status = on_status,
                                        .on_want_sealers = on_want_sealers,
                                        .on_keyframe = on_keyframe};

static void add_camera(demo *d, const char *address)
{
    shown *s = &d->cameras[d->count++];
    char name[CM_ID_SIZE];
    s->demo = d;
    (void)snprintf(name, sizeof name, "camera%zu", d->count);
    if (cm_home_id_parse(CM_TEXT("demo"), &s->key.home) != CM_OK ||
        cm_camera_id_parse(cm_slice_of(name), &s->key.camera) != CM_OK ||
        cm_epoch_slot_take(d->page, &s->key, 1, &s->slot) != CM_OK)
        exit(1);
    const cm_camera_config config = {
        .loop = d->loop,
        .net = d->net,
        .hub = d->hub,
        .gate = d->gate,
        .key = s->key,
        .login = {.addresses = {address}, .user = d->user, .password = d->password},
        .keep_always = true,
        .prefers_udp = d->is_udp,
        .events = &EVENTS,
        .owner = s};
    if (cm_camera_create(&config, &s->camera) != CM_OK) {
        (void)fprintf(stderr, "ingest_demo: no address of a camera: %zu\n", d->count);
        exit(2);
    }
    cm_seal_key unused;
    if (cm_camera_take_sealers(s->camera, CM_STREAM_MAIN,
                               make_sealer(s, CM_STREAM_MAIN, CM_OBJECT_FRAME, &unused),
                               make_sealer(s, CM_STREAM_MAIN, CM_OBJECT_STILL, &unused)) != CM_OK ||
        cm_camera_take_sealers(s->camera, CM_STREAM_SOUND,
                               make_sealer(s, CM_STREAM_SOUND, CM_OBJECT_FRAME, &s->sound_key),
                               NULL) != CM_OK)
        exit(1);
    if (d->sound != NULL && d->count == 1)
        listen_to(s);
}

static void on_time_up(cm_timer *timer)
{
    cm_loop_stop(CM_HOLDER(timer, demo, timer)->loop);
}

enum { LOOK_MS = 50, FRAME_MS = 50 }; // of cameras that have 20 frames a second

static bool has_enough(const shown *s)
{
    const cm_camera_status *status = cm_camera_read_status(s->camera);
    const cm_stream_status *main = &status->streams[CM_STREAM_MAIN];
    if (s->demo->frames_wanted == 0)
        return main->cause != CM_CAUSE_NONE;
    const int64_t heard_us = s->last_heard.us - s->first_heard.us;
    const bool is_heard = s->ear == NULL || !status->sound.is_there ||
                          heard_us >= s->demo->frames_wanted * CM_MS(FRAME_MS);
    return main->state == CM_CAMERA_LIVE && main->fps_milli > 0 && is_heard &&
           main->frames >= (uint64_t)s->demo->frames_wanted;
}

static void on_look(cm_timer *timer)
{
    demo *d = CM_HOLDER(timer, demo, look);
    size_t enough = 0;
    while (enough < d->count && has_enough(&d->cameras[enough]))
        enough++;
    if (enough == d->count)
        cm_loop_stop(d->loop);
    else
        cm_timer_start(timer, CM_MS(LOOK_MS));
}

/* True if all was well. */
static bool report(const demo *d)
{
    bool is_well = true;
    for (size_t i = 0; i < d->count; i++) {
        const shown *s = &d->cameras[i];
        const cm_stream_status *main = &cm_camera_read_status(s->camera)->streams[CM_STREAM_MAIN];
        printf("%s %s frames=%llu keyframes=%llu fps_milli=%u bits_per_second=%u lost=%llu "
               "malformed=%llu reconnects=%llu media_time=%s\n",
               s->key.camera.text, cm_camera_state_name(main->state),
               (unsigned long long)main->frames, (unsigned long long)s->keyframes, main->fps_milli,
               main->bits_per_second, (unsigned long long)main->packets_lost,
               (unsigned long long)main->malformed, (unsigned long long)main->reconnects,
               s->has_fallen ? "fell" : "rises");
        report_sound(s);
        is_well = is_well && main->state == CM_CAMERA_LIVE && !s->has_fallen;
    }
    return is_well;
}

static void report_cost(int64_t wall_us)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0 || wall_us <= 0)
        return;
    const double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("cpu_seconds=%.3f user=%.3f wall_seconds=%.1f percent_of_a_core=%.2f max_rss_kb=%ld\n",
           cpu, (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
           (double)wall_us / 1e6, 100 * cpu * 1e6 / (double)wall_us, usage.ru_maxrss);
}

static void read_password(demo *d)
{
    FILE *file = d->password_file != NULL ? fopen(d->password_file, "r") : NULL;
    if (file == NULL || fgets(d->password, sizeof d->password, file) == NULL)
        d->password[0] = '\0';
    d->password[strcspn(d->password, "\r\n")] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

static void read_options(demo *d, int argc, char **argv)
{
    int option;
    d->seconds = 10;
    d->frames_wanted = -1;
    while ((option = getopt(argc, argv, "u:p:s:t:f:U")) != -1) {
        if (option == 'u')
            d->user = optarg;
        else if (option == 'p')
            d->password_file = optarg;
        else if (option == 't')
            d->seconds = atoi(optarg);
        else if (option == 'f')
            d->frames_wanted = atoi(optarg);
        else if (option == 's')
            d->sound_name = optarg;
        else if (option == 'U')
            d->is_udp = true;
        else
            exit(2);
    }
    read_password(d);
}

static void open_all(demo *d)
{
    if (cm_loop_create(&(cm_loop_config){.index = 0}, &d->loop) != CM_OK ||
        cm_net_create(d->loop, &d->net) != CM_OK ||
        cm_epoch_page_create(CAMERAS_MAX, &d->page) != CM_OK ||
        cm_hub_create(&(cm_hub_config){.loop = d->loop, .page = d->page}, &d->hub) != CM_OK ||
        cm_connect_gate_create(d->loop, 0, &d->gate) != CM_OK)
        exit(1);
    cm_random_fill(cm_loop_random(d->loop), d->secret.bytes, sizeof d->secret.bytes);
    cm_timer_init(&d->timer, d->loop, on_time_up);
    cm_timer_init(&d->look, d->loop, on_look);
    if (d->sound_name != NULL && (d->sound = fopen(d->sound_name, "wb")) == NULL)
        exit(1);
}

static void close_all(demo *d)
{
    for (size_t i = 0; i < d->count; i++) {
        cm_subscription_close(d->cameras[i].ear);
        cm_camera_destroy(d->cameras[i].camera);
    }
    if (d->sound != NULL && fclose(d->sound) != 0)
        exit(1);
    cm_connect_gate_destroy(d->gate);
    cm_hub_destroy(d->hub);
    cm_net_destroy(d->net);
    cm_loop_destroy(d->loop);
    cm_epoch_page_destroy(d->page);
}

int main(int argc, char **argv)
{
    static demo d;
    read_options(&d, argc, argv);
    if (optind >= argc || argc - optind > CAMERAS_MAX) {
        (void)fprintf(stderr, "ingest_demo: wants 1 to %d addresses\n", CAMERAS_MAX);
        return 2;
    }
    open_all(&d);
    for (int i = optind; i < argc; i++)
        add_camera(&d, argv[i]);
    const cm_instant began = cm_loop_read_now(d.loop);
    cm_timer_start(&d.timer, CM_SECONDS(d.seconds));
    if (d.frames_wanted >= 0)
        cm_timer_start(&d.look, 0);
    cm_loop_run(d.loop);
    const bool is_well = report(&d);
    report_cost(cm_instant_since(cm_loop_read_now(d.loop), began));
    close_all(&d);
    return is_well ? 0 : 1;
}
