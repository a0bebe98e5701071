#include "server/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/writer.h"
#include "loop/watch.h"
#include "server/declare.h"
#include "server/demo.h"
#include "server/notify.h"
#include "server/server_priv.h"

enum {
    EXIT_FINE = 0,
    EXIT_MACHINE = 1,
    EXIT_WRONG = 2,
    CAMERAS_MAX = 20000,
    STOP_LIMIT_MS = 8000,
    HOST_NAME_SIZE = 256, /* with the terminator */
    LISTENER_NAME_SIZE = HOST_NAME_SIZE + sizeof ":65535",
};

/* ---- alarms: what must never be overlooked ---- */

static void on_hub_alarm(void *owner, const cm_camera_key *camera, cm_stream stream,
                         cm_refusal refusal)
{
    static const char *const NAMES[CM_STREAMS] = {"main", "sub", "sound", "sound-opus",
                                                  "sound-flac"};
    const cm_station *station = owner;
    cm_witness_refusal(station->server, cm_loop_wall(station->loop), camera, refusal);
    cm_log_camera(CM_LOG_ERROR, "seal", camera, "event=alarm stream=%s cause=%s", NAMES[stream],
                  cm_refusal_name(refusal));
}

static void on_still_alarm(void *owner, const cm_camera_key *camera, cm_refusal refusal)
{
    const cm_station *station = owner;
    cm_witness_refusal(station->server, cm_loop_wall(station->loop), camera, refusal);
    cm_log_camera(CM_LOG_ERROR, "still", camera, "event=alarm cause=%s", cm_refusal_name(refusal));
}

static void on_transcode_alarm(void *owner, const cm_camera_key *camera, cm_refusal refusal)
{
    const cm_station *station = owner;
    cm_witness_refusal(station->server, cm_loop_wall(station->loop), camera, refusal);
    cm_log_camera(CM_LOG_ERROR, "transcode", camera, "event=alarm cause=%s",
                  cm_refusal_name(refusal));
}

static void on_evidence_alarm(void *owner, const cm_camera_key *asked, const char *cause)
{
    cm_witness_alarm(owner, asked);
    cm_log_camera(CM_LOG_ERROR, "grants", asked, "event=evidence-alarm cause=\"%s\"", cause);
}

/* ---- wiring ---- */

static bool may_connect(void *owner, const cm_home_id *home, const cm_address *address)
{
    const cm_server *server = owner;
    return cm_reach_may_connect(server->reach, home, address);
}

static cm_status create_station(cm_server *server, unsigned index)
{
    cm_station *station = &server->stations[index];
    station->server = server;
    station->index = index;
    CM_TRY(cm_loop_create(&(cm_loop_config){.index = index}, &station->loop));
    server->loops[index] = station->loop;
    cm_figures_init(station);
    CM_TRY(cm_net_create(station->loop, &station->net));
    server->nets[index] = station->net;
    CM_TRY(cm_hub_create(&(cm_hub_config){.loop = station->loop,
                                          .page = server->page,
                                          .on_alarm = on_hub_alarm,
                                          .owner = station},
                         &station->hub));
    server->hubs[index] = station->hub;
    CM_TRY(cm_still_service_create(&(cm_still_config){.loop = station->loop,
                                                      .helper_path = server->options.helper_path,
                                                      .on_alarm = on_still_alarm,
                                                      .owner = station},
                                   &station->stills));
    server->stills[index] = station->stills;
    const cm_transcode_service_config transcodes = {.loop = station->loop,
                                                    .helper_path = server->options.helper_path,
                                                    .on_alarm = on_transcode_alarm,
                                                    .owner = station};
    CM_TRY(cm_transcode_service_create(&transcodes, &station->transcodes));
    server->transcodes[index] = station->transcodes;
    CM_TRY(cm_tls_create(&station->tls));
    server->count++;
    return CM_OK;
}

static cm_status create_stations(cm_server *server)
{
    CM_TRY(cm_epoch_page_create(CAMERAS_MAX, &server->page));
    for (unsigned i = 0; i < server->config->loops; i++)
        CM_TRY(create_station(server, i));
    return cm_hub_tie(server->hubs, server->count);
}

static cm_status create_rights(cm_server *server)
{
    CM_TRY(cm_grants_create(
        &(cm_grants_config){.control = server->loops[0],
                            .store = server->store,
                            .page = server->page,
                            .viewer_sessions_per_account = server->config->pictures_at_once,
                            .on_alarm = on_evidence_alarm,
                            .on_view = cm_witness_view,
                            .owner = server},
        &server->grants));
    cm_follow_store(server, true);
    CM_TRY(cm_reach_create(server->nets[0], server->config, &server->reach));
    return cm_fleet_create(&(cm_fleet_config){.loops = server->loops,
                                              .nets = server->nets,
                                              .hubs = server->hubs,
                                              .stills = server->stills,
                                              .transcodes = server->transcodes,
                                              .loop_count = server->count,
                                              .grants = server->grants,
                                              .may_connect = may_connect,
                                              .on_status = cm_follow_camera_status,
                                              .owner = server},
                           &server->fleet);
}

/* ---- certificates: the pair goes to every loop ---- */

typedef struct pair_task {
    cm_task task;
    cm_tls *tls;
    cm_slice chain, key;
    uint8_t bytes[];
} pair_task;

static void use_pair(cm_task *task)
{
    pair_task *t = CM_HOLDER(task, pair_task, task);
    if (cm_tls_use(t->tls, t->chain, t->key) != CM_OK)
        cm_log(CM_LOG_ERROR, "tls", "event=certificate-refused");
    cm_secret_wipe(t->bytes, t->chain.size + t->key.size);
    free(t);
}

static cm_status on_pair(void *owner, cm_slice chain_pem, cm_slice key_pem)
{
    cm_server *server = owner;
    /* The control loop's own first: it says whether the pair is any good. */
    CM_TRY(cm_tls_use(server->stations[0].tls, chain_pem, key_pem));
    for (size_t i = 1; i < server->count; i++) {
        pair_task *t = malloc(sizeof *t + chain_pem.size + key_pem.size);
        CM_ENSURE(t != NULL, CM_BROKEN);
        *t = (pair_task){.task.run = use_pair, .tls = server->stations[i].tls};
        cm_writer w = cm_writer_over(t->bytes, chain_pem.size + key_pem.size);
        cm_write_slice(&w, chain_pem);
        cm_write_slice(&w, key_pem);
        t->chain = cm_slice_over(t->bytes, chain_pem.size);
        t->key = cm_slice_over(t->bytes + chain_pem.size, key_pem.size);
        cm_loop_post(server->loops[i], &t->task);
    }
    return CM_OK;
}

static cm_status create_certificate(cm_server *server)
{
    cm_certificate_config config = {.data_directory = server->options.data_directory,
                                    .chain_file = server->config->certificate_file,
                                    .key_file = server->config->key_file,
                                    .on_pair = on_pair,
                                    .owner = server};
    for (size_t i = 0; i < server->config->name_count && i < CM_CERTIFICATE_NAMES_MAX; i++)
        config.names[config.name_count++] = cm_slice_of(server->config->names[i]);
    CM_TRY(cm_certificate_create(server->nets[0], &config, &server->certificate));
    if (cm_certificate_ca_fingerprint(server->certificate, server->ca_fingerprint) != CM_OK)
        server->ca_fingerprint[0] = '\0';
    return CM_OK;
}

/* ---- passkeys: for the names that the certificate holds, beside its addresses ---- */

static cm_status create_passkeys(cm_server *server)
{
    char host[256] = "";
    cm_slice names[CM_PASSKEY_NAMES_MAX];
    cm_passkeys_config config = {.identity = server->identity, .names = names};
    for (size_t i = 0; i < server->config->name_count && i < CM_CERTIFICATE_NAMES_MAX; i++)
        names[config.name_count++] = cm_slice_of(server->config->names[i]);
    if (gethostname(host, sizeof host - 1) == 0)
        names[config.name_count++] = cm_slice_of(host);
    return cm_passkeys_create(&config, &server->passkeys);
}

/* ---- listeners ---- */

static cm_status create_api(cm_station *station)
{
    cm_server *server = station->server;
    cm_api_config config = {.loop = station->loop,
                            .control = server->loops[0],
                            .store = server->store,
                            .identity = server->identity,
                            .passkeys = server->passkeys,
                            .audit = server->audit,
                            .grants = server->grants,
                            .fleet = server->fleet,
                            .hub = station->hub,
                            .rtc = station->rtc,
                            .apis = server->apis,
                            .api_count = server->count,
                            .ca_fingerprint =
                                server->ca_fingerprint[0] != '\0' ? server->ca_fingerprint : NULL,
                            .is_demo = server->options.is_demo,
                            .write_metrics = cm_figures_write,
                            .on_camera_saved = cm_follow_camera_saved,
                            .on_camera_deleted = cm_follow_camera_deleted,
                            .on_change = cm_follow_change,
                            .owner = server};
    if (cm_certificate_ca(server->certificate, &config.ca_pem) != CM_OK)
        config.ca_pem = (cm_slice){0};
    CM_TRY(cm_api_create(&config, &station->api));
    server->apis[station->index] = station->api;
    return CM_OK;
}

/* A port for each loop, one after the other. A port alone is one of every address. */
static cm_status open_media(cm_station *station)
{
    const cm_config *config = station->server->config;
    cm_address addresses[2] = {config->media};
    size_t count = 1;
    if (cm_address_kind_of(&config->media) == CM_ADDRESS_UNSPECIFIED)
        addresses[count++] = (cm_address){.port = config->media.port, .is_v6 = true};
    for (size_t i = 0; i < count; i++)
        if (addresses[i].port != 0)
            addresses[i].port = (uint16_t)(addresses[i].port + station->index);
    const cm_rtc_endpoint_config rtc = {.net = station->net,
                                        .identity = station->server->rtc_identity,
                                        .addresses = addresses,
                                        .address_count = count,
                                        .announced = config->announce,
                                        .announced_count = config->announce_count,
                                        .sessions_max = 4096,
                                        .takes_tcp = true,
                                        .stun = {config->stun.host, config->stun.port},
                                        .turn = {config->turn.host, config->turn.port},
                                        .turn_username = config->turn_user,
                                        .turn_password = config->turn_password};
    const cm_status status = cm_rtc_endpoint_create(&rtc, &station->rtc);
    if (status == CM_REFUSE)
        fprintf(
            stderr,
            "casement: listen.media: port %u of UDP or TCP is in use, or the address is not this "
            "machine's; name another one\n",
            addresses[0].port);
    return status;
}

/* Port 0 is one that the kernel chooses, for the first loop; the others share it. */
static cm_address shared_address(const cm_station *station, const cm_address *wanted,
                                 cm_address (*of_first)(const cm_station *first, size_t listener),
                                 size_t listener)
{
    const cm_station *first = &station->server->stations[0];
    return station == first || wanted->port != 0 ? *wanted : of_first(first, listener);
}

static cm_address http_address(const cm_station *station, size_t listener)
{
    return cm_http_server_address(station->http, listener);
}

static cm_address rtsp_address(const cm_station *station, size_t listener)
{
    return cm_rtsp_server_address(station->rtsp, listener);
}

static cm_status listen_on(cm_station *station)
{
    const cm_config *config = station->server->config;
    cm_http_config http = {.is_shared = station->server->count > 1,
                           .handler = cm_api_handler(station->api)};
    http.listeners[http.listener_count++] = (cm_http_listener_config){
        .address = shared_address(station, &config->http, http_address, 0)};
    http.listeners[http.listener_count++] = (cm_http_listener_config){
        .address = shared_address(station, &config->https, http_address, 1), .tls = station->tls};
    for (size_t i = 0; i < config->trusted_proxy_count && i < CM_HTTP_PROXIES_MAX; i++)
        http.proxies[http.proxy_count++] = config->trusted_proxies[i];
    http.limits.connections_max = 4096;
    http.limits.connections_per_address_max =
        1024; /* a load of viewers behind one address is a household or a proxy, not a flood of
                 heads: those are bounded by time */
    return cm_http_server_create(station->net, &http, &station->http);
}

static cm_status listen_for_rtsp(cm_station *station)
{
    const cm_config *config = station->server->config;
    cm_rtsp_config rtsp = {.net = station->net,
                           .hub = station->hub,
                           .is_shared = station->server->count > 1,
                           .events = cm_api_rtsp_events(),
                           .owner = station->api};
    size_t next = 0;
    if (config->rtsp.is_set) {
        rtsp.listeners[rtsp.listener_count++] = (cm_rtsp_listener_config){
            .address = shared_address(station, &config->rtsp.address, rtsp_address, next++),
            .is_plain_allowed = config->is_plain_rtsp_allowed};
    }
    if (config->rtsps.is_set) {
        rtsp.listeners[rtsp.listener_count++] = (cm_rtsp_listener_config){
            .address = shared_address(station, &config->rtsps.address, rtsp_address, next),
            .tls = station->tls};
    }
    if (rtsp.listener_count == 0)
        return CM_OK;
    CM_TRY(cm_rtsp_server_create(&rtsp, &station->rtsp));
    cm_api_rtsp_ports ports = {0};
    if (config->rtsp.is_set)
        ports.plain = cm_rtsp_server_address(station->rtsp, 0).port;
    if (config->rtsps.is_set)
        ports.tls = cm_rtsp_server_address(station->rtsp, rtsp.listener_count - 1).port;
    cm_api_set_rtsp_ports(station->api, &ports);
    return CM_OK;
}

static cm_status open_doors(cm_server *server)
{
    CM_TRY(cm_dtls_identity_create(server->started, &server->rtc_identity));
    for (size_t i = 0; i < server->count; i++) {
        CM_TRY(open_media(&server->stations[i]));
        CM_TRY(create_api(&server->stations[i]));
    }
    for (size_t i = 0; i < server->count; i++) {
        CM_TRY(listen_on(&server->stations[i]));
        CM_TRY(listen_for_rtsp(&server->stations[i]));
        cm_figures_start(&server->stations[i]);
    }
    return CM_OK;
}

/* ---- what a person reads ---- */

/* "name:port" by which others reach a listener: of its address, or, where it is on all of them, of
 * the first name it was given, else of this machine. */
static void name_listener(const cm_server *server, const cm_address *address, char *out,
                          size_t capacity)
{
    char text[CM_ADDRESS_TEXT_SIZE];
    char host[HOST_NAME_SIZE] = "";
    const char *name = host;
    if (cm_address_kind_of(address) != CM_ADDRESS_UNSPECIFIED)
        name = "";
    else if (server->config->name_count > 0)
        name = server->config->names[0];
    else if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    if (name[0] == '\0')
        snprintf(out, capacity, "%s", cm_address_format(address, text));
    else
        snprintf(out, capacity, "%s:%u", name, address->port);
}

static void print_rtsp(const cm_server *server)
{
    char text[LISTENER_NAME_SIZE];
    const cm_config *config = server->config;
    const cm_rtsp_server *rtsp = server->stations[0].rtsp;
    size_t listener = 0;
    const struct {
        const char *scheme;
        bool is_set;
    } doors[] = {{"rtsp", config->rtsp.is_set}, {"rtsps", config->rtsps.is_set}};
    for (size_t i = 0; i < CM_COUNT(doors); i++) {
        if (!doors[i].is_set)
            continue;
        const cm_address address = cm_rtsp_server_address(rtsp, listener++);
        name_listener(server, &address, text, sizeof text);
        printf("  For other programs:   %s://%s/HOME/CAMERA (with a token)\n", doors[i].scheme,
               text);
    }
}

/* Nothing that opens the server is written where it is kept: as a service we have a journal. */
static void print_links(const cm_server *server, const char *setup_token, bool is_needed)
{
    char http[CM_ADDRESS_TEXT_SIZE];
    char https[LISTENER_NAME_SIZE];
    const cm_address plain = cm_http_server_address(server->stations[0].http, 0);
    const cm_address tls = cm_http_server_address(server->stations[0].http, 1);
    name_listener(server, &tls, https, sizeof https);
    printf("casement " CM_VERSION "\n\n");
    if (setup_token != NULL)
        printf("  First run. Open this link on this machine (it works once):\n\n    "
               "http://%s/#setup=%s\n\n",
               cm_address_format(&plain, http), setup_token);
    else if (is_needed)
        printf("  First run. For a link to make the first account, run on this machine:\n\n"
               "    sudo casement setup-link --data %s\n\n",
               server->options.data_directory);
    else
        printf("  On this machine:      http://%s/\n", cm_address_format(&plain, http));
    printf("  From other devices:   https://%s/ (install the certificate of /ca.crt there)\n",
           https);
    print_rtsp(server);
    if (server->ca_fingerprint[0] != '\0')
        printf("  Certificate's fingerprint (SHA-256):\n    %s\n", server->ca_fingerprint);
    printf("\n");
    fflush(stdout);
}

static cm_status tell_how_to_begin(cm_server *server)
{
    bool is_needed;
    CM_TRY(cm_store_setup_is_needed(server->store, &is_needed));
    cm_token token;
    const bool is_told = is_needed && !cm_notify_is_wanted();
    if (is_told)
        CM_TRY(
            cm_identity_make_setup_token(server->identity, cm_loop_wall(server->loops[0]), &token));
    print_links(server, is_told ? token.text : NULL, is_needed);
    cm_secret_wipe(&token, sizeof token);
    return CM_OK;
}

/* ---- running and ending ---- */

typedef struct ending {
    cm_server *server;
    int signals;
    cm_watch *watch;
    cm_task fleet_stopped;
    cm_timer limit;
    bool has_begun;
} ending;

static void stop_all(cm_server *server)
{
    for (size_t i = server->count; i-- > 0;)
        cm_loop_stop(server->loops[i]);
}

static void on_fleet_stopped(cm_task *task)
{
    stop_all(CM_HOLDER(task, ending, fleet_stopped)->server);
}

static void on_limit(cm_timer *timer)
{
    cm_log(CM_LOG_WARN, "server", "event=stopped-late");
    stop_all(CM_HOLDER(timer, ending, limit)->server);
}

typedef struct close_task {
    cm_task task;
    cm_station *station;
} close_task;

static void close_station(cm_task *task)
{
    close_task *t = CM_HOLDER(task, close_task, task);
    cm_station *station = t->station;
    cm_timer_stop(&station->figures_timer);
    cm_http_server_destroy(station->http);
    station->http = NULL;
    cm_rtsp_server_destroy(station->rtsp);
    station->rtsp = NULL;
    free(t);
}

static void on_signal(void *owner, unsigned events)
{
    (void)events;
    ending *e = owner;
    struct signalfd_siginfo info;
    if (read(e->signals, &info, sizeof info) != sizeof info || e->has_begun)
        return;
    e->has_begun = true;
    cm_log(CM_LOG_INFO, "server", "event=stopping signal=%u", info.ssi_signo);
    cm_notify("STOPPING=1");
    cm_follow_stop(e->server);
    for (size_t i = 0; i < e->server->count; i++) {
        close_task *t = calloc(1, sizeof *t);
        if (t == NULL)
            abort();
        *t = (close_task){.task.run = close_station, .station = &e->server->stations[i]};
        cm_loop_post(e->server->loops[i], &t->task);
    }
    cm_timer_start(&e->limit, CM_MS(STOP_LIMIT_MS));
    cm_fleet_stop(e->server->fleet, &e->fleet_stopped);
}

static cm_status watch_signals(cm_server *server, ending *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    e->server = server;
    e->fleet_stopped.run = on_fleet_stopped;
    cm_timer_init(&e->limit, server->loops[0], on_limit);
    e->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CM_ENSURE(e->signals >= 0, CM_BROKEN);
    CM_TRY(cm_watch_create(server->loops[0], e->signals, on_signal, e, &e->watch));
    cm_watch_want(e->watch, CM_WATCH_READ);
    return CM_OK;
}

/* Before any thread is made: all of them inherit it. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void *run_loop(void *argument)
{
    cm_station *station = argument;
    cm_loop_run(station->loop);
    return NULL;
}

static cm_status run(cm_server *server)
{
    ending e = {0};
    CM_TRY(watch_signals(server, &e));
    cm_status status = CM_OK;
    for (size_t i = 1; i < server->count && status == CM_OK; i++) {
        status =
            pthread_create(&server->stations[i].thread, NULL, run_loop, &server->stations[i]) == 0
                ? CM_OK
                : CM_BROKEN;
        server->stations[i].has_thread = status == CM_OK;
    }
    if (status == CM_OK)
        cm_loop_run(server->loops[0]);
    else
        stop_all(server);
    for (size_t i = 1; i < server->count; i++)
        if (server->stations[i].has_thread)
            pthread_join(server->stations[i].thread, NULL);
    cm_timer_stop(&e.limit);
    cm_watch_close(e.watch);
    close(e.signals);
    return status;
}

/*
 * In the reverse order of the start. No loop runs any more, but messages and jobs are on their way,
 * across loops and into parts that come later here: they arrive before what they touch goes.
 */
static void take_down(cm_server *server)
{
    const cm_wall now = server->count > 0 ? cm_loop_wall(server->loops[0]) : (cm_wall){0};
    cm_follow_stop(server);
    cm_witness_stop(server);
    for (size_t i = 0; i < server->count; i++) {
        cm_timer_stop(&server->stations[i].figures_timer);
        cm_http_server_destroy(server->stations[i].http);
        cm_rtsp_server_destroy(server->stations[i].rtsp);
    }
    cm_demo_stop(server->demo);
    cm_certificate_destroy(server->certificate);
    cm_loop_settle(server->loops, server->count);
    /* Stills that a helper was still making are answered here, to calls of the API. */
    for (size_t i = 0; i < server->count; i++)
        cm_still_service_destroy(server->stills[i]);
    for (size_t i = 0; i < server->count; i++)
        cm_transcode_service_destroy(server->transcodes[i]);
    cm_loop_settle(server->loops, server->count);
    for (size_t i = 0; i < server->count; i++)
        cm_api_destroy(server->stations[i].api);
    for (size_t i = 0; i < server->count; i++)
        cm_rtc_endpoint_destroy(server->stations[i].rtc);
    cm_loop_settle(server->loops, server->count);
    cm_dtls_identity_destroy(server->rtc_identity);
    cm_fleet_destroy(server->fleet);
    cm_reach_destroy(server->reach);
    cm_follow_store(server, false);
    cm_grants_destroy(server->grants);
    cm_hub_untie(server->hubs, server->count);
    for (size_t i = 0; i < server->count; i++)
        cm_hub_destroy(server->hubs[i]);
    cm_loop_settle(server->loops, server->count);
    for (size_t i = 0; i < server->count; i++) {
        cm_tls_destroy(server->stations[i].tls);
        cm_net_destroy(server->nets[i]);
        cm_loop_destroy(server->loops[i]);
    }
    cm_demo_destroy(server->demo);
    cm_passkeys_destroy(server->passkeys);
    cm_identity_destroy(server->identity);
    cm_epoch_page_destroy(server->page);
    cm_follow_destroy(server->follow);
    cm_witness_close(server, now);
}

/* ---- the start ---- */

static cm_status start(cm_server *server)
{
    CM_TRY(create_stations(server));
    CM_TRY(cm_witness_open(server));
    CM_TRY(create_rights(server));
    server->started = cm_loop_wall(server->loops[0]);
    if (server->options.is_demo)
        CM_TRY(cm_demo_create(server, &server->demo));
    CM_TRY(create_certificate(server));
    CM_TRY(create_passkeys(server));
    CM_TRY(cm_follow_start(server));
    return open_doors(server);
}

/* From here on there are cameras, so the end is the orderly one, also when this fails. */
static cm_status begin(cm_server *server)
{
    CM_TRY(cm_follow_load_cameras(server));
    CM_TRY(tell_how_to_begin(server));
    cm_notify("READY=1");
    return CM_OK;
}

static void set_log_level(const char *level)
{
    static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; level != NULL && i < CM_COUNT(LEVELS); i++)
        if (cm_slice_equal(cm_slice_of(level), cm_slice_of(LEVELS[i])))
            cm_log_set_level((cm_log_level)i);
}

static int serve(cm_server *server)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    const cm_declare_result declared =
        cm_declare_open(server->options.data_directory, server->config, cm_follow_change, server,
                        &server->store, &server->identity, message);
    if (declared != CM_DECLARE_FINE) {
        fprintf(stderr, "casement: %s\n", message);
        return declared == CM_DECLARE_WRONG ? EXIT_WRONG : EXIT_MACHINE;
    }
    cm_status status = start(server);
    if (status == CM_OK) {
        const cm_status begun = begin(server);
        if (begun != CM_OK)
            (void)raise(SIGTERM); /* blocked: read by the loop as soon as it runs */
        status = run(server);
        status = begun != CM_OK ? begun : status;
    }
    if (status != CM_OK)
        fprintf(stderr, "casement: could not start (%s); the lines above say why\n",
                cm_status_name(status));
    take_down(server);
    cm_store_close(server->store);
    return status == CM_OK ? EXIT_FINE : status == CM_REFUSE ? EXIT_WRONG : EXIT_MACHINE;
}

/* Only a test build has faults to read. */
static cm_status read_faults(void)
{
#ifdef CM_FAULT_INJECTION
    return cm_fault_read_environment();
#else
    return CM_OK;
#endif
}

int cm_serve(const cm_serve_options *options)
{
    char message[CM_CONFIG_MESSAGE_SIZE] = "";
    if (read_faults() != CM_OK) {
        fprintf(stderr, "casement: CASEMENT_FAULTS names an unknown fault or rate\n");
        return EXIT_WRONG;
    }
    cm_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return EXIT_MACHINE;
    server->options = *options;
    const cm_status status = options->config_path != NULL
                                 ? cm_config_read(options->config_path, message, &server->config)
                                 : cm_config_create_default(&server->config);
    if (status != CM_OK) {
        fprintf(stderr, "casement: %s\n", message);
        free(server);
        return status == CM_REFUSE ? EXIT_WRONG : EXIT_MACHINE;
    }
    if (options->has_http_port) {
        CM_IGNORE(cm_address_parse(CM_TEXT("127.0.0.1:0"), 0, &server->config->http), "a constant");
        server->config->http.port = options->http_port;
    }
    set_log_level(server->config->log_level);
    block_signals();
    raise_file_limit();
    const int code = serve(server);
    cm_config_destroy(server->config);
    free(server);
    return code;
}
