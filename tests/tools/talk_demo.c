/*
 * talk_demo: speaks a tone to a camera by its backchannel while its pictures are received: for
 * trying a camera's loudspeaker out, and for tests against real servers.
 *
 *   talk_demo [-u USER] [-p PASSWORD_FILE] [-t SECONDS] [-f HERTZ] [-a] [-U] ADDRESS
 *
 * -a speaks A-law, -U asks for UDP first. Prints a line for each state of talk. Speaks for SECONDS
 * from the moment that it can, unless it fails; once pictures came too it prints what was sent and
 * what became of them, and waits for the end of its standard input, so that the camera can hear
 * what is on its way. Exit 0 if all that was spoken then was sent, and pictures were live. All of
 * it within 30 s. Anything may be connected to.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/talk.h"
#include "loop/watch.h"
#include "media/seal_mint.h"
#include "proto/g711/g711.h"

enum {
    PASSWORD_SIZE = 256,
    PACKET_MS = 20,
    SAMPLES = 8 * PACKET_MS,
    LOUD = 12000,
    LIMIT_SECONDS = 60, /* as long as a lease may be */
};

typedef struct demo {
    cm_loop *loop;
    cm_net *net;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_connect_gate *gate;
    cm_camera_key key;
    cm_camera *camera;
    cm_camera_talk talk;
    cm_lease *lease;
    cm_timer tick;
    cm_instant next; /* packet */
    char password[PASSWORD_SIZE];
    const char *user;
    int seconds;
    int hertz;
    cm_g711_law law;
    bool is_udp;
    bool is_open;
    bool has_failed;
    uint32_t timestamp;
    unsigned sent, left_out; /* left out: while it was open */
    cm_timer limit;
    cm_watch *input; /* NULL: it has not been spoken to the end */
    int code;
} demo;

static bool may_connect(void *owner, const cm_camera_key *camera, const cm_address *address)
{
    (void)owner;
    (void)camera;
    (void)address;
    return true;
}

static void on_status(void *owner, const cm_camera_status *status)
{
    (void)owner;
    (void)status;
}

static void on_want_sealers(void *owner, const cm_camera_key *camera, uint64_t epoch)
{
    (void)owner;
    (void)camera;
    (void)epoch; /* nobody looks */
}

static void on_state(cm_camera_talk *talk, cm_talk_state state, cm_camera_cause cause,
                     const char *detail)
{
    demo *d = CM_HOLDER(talk, demo, talk);
    d->is_open = state == CM_TALK_OPEN;
    d->has_failed = state == CM_TALK_FAILED;
    printf("talk %s cause=%s detail=\"%s\"\n", cm_talk_state_name(state),
           cm_camera_cause_name(cause), detail);
    (void)fflush(stdout);
}

static void on_gone(cm_camera_talk *talk)
{
    (void)talk;
    printf("talk gone\n");
}

static void speak(demo *d)
{
    uint8_t samples[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        const double turn = 2 * 3.14159265358979 * d->hertz * (d->timestamp + i) / 8000;
        samples[i] = cm_g711_encode(d->law, (int16_t)(LOUD * sin(turn)));
    }
    const cm_talk_packet packet = {.codec =
                                       d->law == CM_G711_MU_LAW ? CM_SOUND_PCMU : CM_SOUND_PCMA,
                                   .samples = cm_slice_over(samples, sizeof samples),
                                   .timestamp = d->timestamp,
                                   .is_first = d->timestamp == 0};
    const cm_status status = cm_camera_talk_put(&d->talk, d->lease, &packet);
    d->timestamp += SAMPLES;
    d->sent += status == CM_OK ? 1 : 0;
    d->left_out += status != CM_OK && d->is_open ? 1 : 0;
}

static const cm_stream_status *main_of(const demo *d)
{
    return &cm_camera_read_status(d->camera)->streams[CM_STREAM_MAIN];
}

static void on_input(void *owner, unsigned events)
{
    demo *d = owner;
    uint8_t byte;
    (void)events;
    if (read(STDIN_FILENO, &byte, 1) != 1)
        cm_loop_stop(d->loop);
}

/* Says how it was, and waits to be let go. */
static void finish(demo *d)
{
    const cm_stream_status *main = main_of(d);
    d->code = d->sent > 0 && d->left_out == 0 ? 0 : 1;
    printf("sent=%u left_out=%u pictures=%s lost=%llu\n", d->sent, d->left_out,
           cm_camera_state_name(main->state), (unsigned long long)main->packets_lost);
    (void)fflush(stdout);
    if (cm_watch_create(d->loop, STDIN_FILENO, on_input, d, &d->input) == CM_OK)
        cm_watch_want(d->input, CM_WATCH_READ);
    else
        cm_loop_stop(d->loop);
}

static void on_limit(cm_timer *timer)
{
    cm_loop_stop(CM_HOLDER(timer, demo, limit)->loop);
}

static void begin(demo *d)
{
    const cm_instant now = cm_loop_now(d->loop);
    const cm_lease_terms terms = {.session = 1,
                                  .camera = d->key,
                                  .rights = CM_RIGHT_TALK,
                                  .epoch = 1,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(LIMIT_SECONDS))};
    d->talk = (cm_camera_talk){.on_state = on_state, .on_gone = on_gone};
    if (cm_lease_create(&terms, d->slot, &d->lease) != CM_OK ||
        cm_camera_talk_begin(d->camera, d->lease, &d->talk) != CM_OK)
        exit(1);
    d->next = now;
}

static void on_tick(cm_timer *timer)
{
    demo *d = CM_HOLDER(timer, demo, tick);
    if (d->lease == NULL)
        begin(d);
    const bool is_spoken = d->has_failed || d->sent >= (unsigned)(d->seconds * 1000 / PACKET_MS);
    if (is_spoken && main_of(d)->state == CM_CAMERA_LIVE) {
        finish(d);
        return;
    }
    if (!is_spoken)
        speak(d);
    d->next = cm_instant_after(d->next, CM_MS(PACKET_MS));
    cm_timer_start_at(timer, d->next);
}

static void read_password(demo *d, const char *name)
{
    FILE *file = fopen(name, "r");
    if (file == NULL || fgets(d->password, sizeof d->password, file) == NULL)
        exit(2);
    d->password[strcspn(d->password, "\r\n")] = '\0';
    (void)fclose(file);
}

static void read_options(demo *d, int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "u:p:t:f:aU")) != -1) {
        if (option == 'u')
            d->user = optarg;
        else if (option == 'p')
            read_password(d, optarg);
        else if (option == 't')
            d->seconds = atoi(optarg);
        else if (option == 'f')
            d->hertz = atoi(optarg);
        else if (option == 'a')
            d->law = CM_G711_A_LAW;
        else if (option == 'U')
            d->is_udp = true;
        else
            exit(2);
    }
    if (optind + 1 != argc)
        exit(2);
}

static void open_camera(demo *d, const char *address)
{
    static const cm_camera_events EVENTS = {
        .may_connect = may_connect, .on_status = on_status, .on_want_sealers = on_want_sealers};
    if (cm_loop_create(&(cm_loop_config){.index = 0}, &d->loop) != CM_OK ||
        cm_net_create(d->loop, &d->net) != CM_OK || cm_epoch_page_create(4, &d->page) != CM_OK ||
        cm_hub_create(&(cm_hub_config){.loop = d->loop, .page = d->page}, &d->hub) != CM_OK ||
        cm_connect_gate_create(d->loop, 0, &d->gate) != CM_OK ||
        cm_home_id_parse(CM_TEXT("demo"), &d->key.home) != CM_OK ||
        cm_camera_id_parse(CM_TEXT("camera"), &d->key.camera) != CM_OK ||
        cm_epoch_slot_take(d->page, &d->key, 1, &d->slot) != CM_OK)
        exit(1);
    const cm_camera_config config = {.loop = d->loop,
                                     .net = d->net,
                                     .hub = d->hub,
                                     .gate = d->gate,
                                     .key = d->key,
                                     .login = {.addresses = {address},
                                               .takes_talk = true,
                                               .user = d->user,
                                               .password = d->password},
                                     .keep_always = true,
                                     .prefers_udp = d->is_udp,
                                     .events = &EVENTS,
                                     .owner = d};
    if (cm_camera_create(&config, &d->camera) != CM_OK)
        exit(2);
}

static void close_all(demo *d)
{
    if (d->input != NULL)
        cm_watch_close(d->input);
    cm_camera_talk_end(&d->talk);
    cm_camera_destroy(d->camera);
    cm_lease_destroy(d->lease);
    cm_connect_gate_destroy(d->gate);
    cm_hub_destroy(d->hub);
    cm_net_destroy(d->net);
    cm_loop_destroy(d->loop);
    cm_epoch_page_destroy(d->page);
}

int main(int argc, char **argv)
{
    static demo d = {.seconds = 2, .hertz = 440, .code = 1};
    read_options(&d, argc, argv);
    open_camera(&d, argv[optind]);
    cm_timer_init(&d.tick, d.loop, on_tick);
    cm_timer_init(&d.limit, d.loop, on_limit);
    cm_timer_start(&d.tick, 0);
    cm_timer_start(&d.limit, CM_SECONDS(LIMIT_SECONDS));
    cm_loop_run(d.loop);
    close_all(&d);
    return d.code;
}
