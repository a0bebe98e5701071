/*
 * ingest_demo: receives cameras and says what comes: a tool for trying an address out, for
 * measuring what receiving and sealing costs, and for tests against real servers.
 *
 *   ingest_demo [-u USER] [-p PASSWORD_FILE] [-t SECONDS] [-U] ADDRESS…
 *
 * -U asks for UDP first. Each ADDRESS is a camera's main stream. Prints a line for each change of
 * state and, at the end, one for each camera: frames, keyframes, bits a second, what was lost, the
 * greatest distance of media times, and how old pictures were by the server's reckoning. Exit 0 if
 * every camera was live at the end and media time never fell. Anything may be connected to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ingest/camera.h"
#include "media/seal_mint.h"

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
} shown;

struct demo {
    cm_loop *loop;
    cm_net *net;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_connect_gate *gate;
    cm_secret secret;
    cm_timer timer;
    char password[PASSWORD_SIZE];
    const char *user;
    const char *password_file;
    int seconds;
    bool is_udp;
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

static cm_sealer *make_sealer(shown *s, cm_object kind)
{
    cm_seal_key key;
    cm_sealer *sealer = NULL;
    cm_seal_key_make(&s->demo->secret, &s->key, CM_STREAM_MAIN, kind, 1,
                     cm_loop_random(s->demo->loop), &key);
    if (cm_sealer_create(&key, s->slot, &sealer) != CM_OK)
        exit(1);
    return sealer;
}

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
    if (cm_camera_take_sealers(s->camera, CM_STREAM_MAIN, make_sealer(s, CM_OBJECT_FRAME),
                               make_sealer(s, CM_OBJECT_STILL)) != CM_OK)
        exit(1);
}

static void on_time_up(cm_timer *timer)
{
    cm_loop_stop(CM_HOLDER(timer, demo, timer)->loop);
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
    while ((option = getopt(argc, argv, "u:p:t:U")) != -1) {
        if (option == 'u')
            d->user = optarg;
        else if (option == 'p')
            d->password_file = optarg;
        else if (option == 't')
            d->seconds = atoi(optarg);
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
}

static void close_all(demo *d)
{
    for (size_t i = 0; i < d->count; i++)
        cm_camera_destroy(d->cameras[i].camera);
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
    cm_loop_run(d.loop);
    const bool is_well = report(&d);
    report_cost(cm_instant_since(cm_loop_read_now(d.loop), began));
    close_all(&d);
    return is_well ? 0 : 1;
}
