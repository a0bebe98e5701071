/* `casement simcam`: options, scenes, signals, and wishes on standard input. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/secret.h"
#include "loop/watch.h"
#include "proto/g711/g711.h"
#include "simcam/scene_cache.h"
#include "simcam/simcam.h"

enum {
    SCENES_MAX = 4,
    NAMES_MAX = 256,
    WISHES_MAX = 64,
    PASSWORD_MAX = 256,
    LINE_MAX_SIZE = 4096,
    LOOP_GROUPS = 4, /* groups of pictures in a scene's loop */
    SUB_DIVISOR = 5, /* the sub stream's share of the main one's bits */
};

typedef struct command {
    uint64_t cameras;
    uint64_t code_first;
    uint64_t fps;
    uint64_t gop;
    uint64_t kbps;
    uint64_t variants;
    uint64_t port;
    bool is_listed;
    const char *listen;
    const char *user;
    const char *password_file;
    const char *auth;
    const char *names;
    const char *sound;
    const char *talk;
    const char *heard; /* folder; NULL: what is heard is not kept */
    const char *cache;
    const char *helper;
    cm_video_codec codecs[CM_SIMCAM_STREAMS];
    cm_trouble_wish wishes[WISHES_MAX];
    size_t wish_count;

    cm_slice name_list[NAMES_MAX];
    size_t name_count;
    uint8_t password[PASSWORD_MAX];
    size_t password_size;
    char helper_path[PATH_MAX];
    char cache_path[PATH_MAX];
    cm_scene *scenes[CM_SIMCAM_STREAMS][SCENES_MAX];
    cm_simcam_sound sound_kind;
    cm_simcam_talk talk_kind;
    cm_sound_set *sound_set;
    cm_loop *loop;
    cm_net *net;
    cm_simcam *simcam;
    cm_watch *signals;
    int signal_file;
    cm_watch *input;
    cm_buffer lines;
} command;

static const char USAGE[] =
    "usage: casement simcam [--cameras N] [--listen ADDRESS:PORT | --port N]\n"
    "    [--auth digest|digest-sha256|digest-md5|basic|none] [--user NAME --password-file FILE]\n"
    "    [--names \"Front door,Garden\"] [--variants 1-4] [--fps N] [--gop N] [--kbps N]\n"
    "    [--codec h264|h265] [--main-codec h264|h265] [--sub-codec h264|h265]\n"
    "    [--sound pcmu|pcma|aac|opus|none] [--first-code N]\n"
    "    [--talk pcmu|pcma|refused|none] [--heard DIR]\n"
    "    [--fault camN:KIND[=VALUE][@STARTs][+LENGTHs]]... [--cache DIR] [--helper PROGRAM]\n"
    "    [--list]\n"
    "kinds: stall mute drop clock parameters garbage lie flood password busy stale close none\n"
    "Further faults are read from standard input, one a line.\n";

/* ---- options ---- */

static cm_status add_wish(command *c, const char *text)
{
    CM_ENSURE(c->wish_count < WISHES_MAX, CM_FULL);
    CM_TRY(cm_trouble_parse(cm_slice_of(text), &c->wishes[c->wish_count]));
    c->wish_count++;
    return CM_OK;
}

/* --codec is of both streams. CM_ABSENT: another option. */
static cm_status read_codec(command *c, const char *name, const char *value)
{
    static const char *const NAMES[CM_SIMCAM_STREAMS] = {
        [CM_SIMCAM_MAIN] = "--main-codec",
        [CM_SIMCAM_SUB] = "--sub-codec",
    };
    const bool is_both = strcmp(name, "--codec") == 0;
    cm_status status = CM_ABSENT;
    for (size_t i = 0; i < CM_SIMCAM_STREAMS; i++)
        if (is_both || strcmp(name, NAMES[i]) == 0)
            status =
                cm_video_codec_of(cm_slice_of(value), &c->codecs[i]) == CM_OK ? CM_OK : CM_REFUSE;
    return status;
}

static cm_status read_option(command *c, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t most;
    } NUMBERS[] = {
        {"--cameras", &c->cameras, 65535},
        {"--first-code", &c->code_first, 65535},
        {"--fps", &c->fps, 60},
        {"--gop", &c->gop, 300},
        {"--kbps", &c->kbps, 20000},
        {"--variants", &c->variants, SCENES_MAX},
        {"--port", &c->port, 65535},
    };
    const struct {
        const char *name;
        const char **value;
    } TEXTS[] = {
        {"--listen", &c->listen}, {"--user", &c->user},   {"--password-file", &c->password_file},
        {"--auth", &c->auth},     {"--names", &c->names}, {"--cache", &c->cache},
        {"--helper", &c->helper}, {"--sound", &c->sound}, {"--talk", &c->talk},
        {"--heard", &c->heard},
    };
    if (strcmp(name, "--fault") == 0)
        return add_wish(c, value);
    const cm_status codec = read_codec(c, name, value);
    if (codec != CM_ABSENT)
        return codec;
    for (size_t i = 0; i < CM_COUNT(NUMBERS); i++)
        if (strcmp(name, NUMBERS[i].name) == 0)
            return cm_slice_to_u64(cm_slice_of(value), NUMBERS[i].most, NUMBERS[i].value);
    for (size_t i = 0; i < CM_COUNT(TEXTS); i++)
        if (strcmp(name, TEXTS[i].name) == 0) {
            *TEXTS[i].value = value;
            return CM_OK;
        }
    return CM_REFUSE;
}

static cm_status complain(const char *what, const char *value)
{
    fprintf(stderr, "casement simcam: %s: %s\n%s", what, value, USAGE);
    return CM_REFUSE;
}

static cm_status read_options(command *c, int count, char **arguments)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--list") == 0) {
            c->is_listed = true;
            continue;
        }
        if (i + 1 >= count)
            return complain("wrong or incomplete option", arguments[i]);
        if (read_option(c, arguments[i], arguments[i + 1]) != CM_OK)
            return complain("wrong option or value", arguments[i]);
        i++;
    }
    if (c->cameras == 0 || c->fps == 0 || c->gop == 0 || c->kbps < SUB_DIVISOR || c->variants == 0)
        return complain("wrong value", "0");
    return CM_OK;
}

static cm_status read_auth(const command *c, cm_simcam_auth *out)
{
    static const char *const NAMES[] = {
        [CM_SIMCAM_AUTH_DIGEST] = "digest",
        [CM_SIMCAM_AUTH_DIGEST_SHA256] = "digest-sha256",
        [CM_SIMCAM_AUTH_DIGEST_MD5] = "digest-md5",
        [CM_SIMCAM_AUTH_BASIC] = "basic",
        [CM_SIMCAM_AUTH_NONE] = "none",
    };
    const char *wanted = c->auth != NULL ? c->auth : c->user != NULL ? "digest" : "none";
    for (size_t i = 0; i < CM_COUNT(NAMES); i++) {
        if (strcmp(wanted, NAMES[i]) != 0)
            continue;
        if (i != CM_SIMCAM_AUTH_NONE && (c->user == NULL || c->password_file == NULL))
            return complain("--user and --password-file are needed with --auth", wanted);
        *out = (cm_simcam_auth)i;
        return CM_OK;
    }
    return complain("--auth", wanted);
}

/* The file's first line. */
static cm_status read_password(command *c)
{
    if (c->password_file == NULL)
        return CM_OK;
    FILE *file = fopen(c->password_file, "rb");
    if (file == NULL)
        return complain("--password-file can't be read", c->password_file);
    const size_t size = fread(c->password, 1, sizeof c->password, file);
    fclose(file);
    const cm_slice line = cm_slice_part(cm_slice_over(c->password, size), 0,
                                        cm_slice_find(cm_slice_over(c->password, size), '\n'));
    if (line.size == 0 || line.size == sizeof c->password)
        return complain("--password-file: 1 to 255 characters are wanted in", c->password_file);
    c->password_size = line.size;
    return CM_OK;
}

static void read_names(command *c)
{
    cm_slice rest = cm_slice_of(c->names);
    while (rest.size > 0 && c->name_count < NAMES_MAX && c->name_count < c->cameras)
        c->name_list[c->name_count++] = cm_slice_trim(cm_slice_cut(&rest, ','));
}

/* ---- scenes ---- */

/* casement-helper stands beside us unless said otherwise. */
static cm_status find_helper(command *c)
{
    if (c->helper != NULL)
        return CM_OK;
    const ssize_t size = readlink("/proc/self/exe", c->helper_path, sizeof c->helper_path);
    CM_ENSURE(size > 0, CM_BROKEN);
    char own[PATH_MAX];
    CM_ENSURE(cm_slice_to_cstr(cm_slice_over(c->helper_path, (size_t)size), own, sizeof own) ==
                  CM_OK,
              CM_BROKEN);
    const char *slash = strrchr(own, '/');
    CM_ENSURE(slash != NULL, CM_BROKEN);
    const int written = snprintf(c->helper_path, sizeof c->helper_path, "%.*s/casement-helper",
                                 (int)(slash - own), own);
    CM_ENSURE(written > 0 && (size_t)written < sizeof c->helper_path, CM_BROKEN);
    c->helper = c->helper_path;
    return CM_OK;
}

static bool is_folder(const char *path)
{
    struct stat found;
    return mkdir(path, 0700) == 0 ||
           (errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode));
}

/* Without --cache: where a user's caches are. Without such a place, none. */
static cm_status find_cache(command *c)
{
    if (c->cache != NULL)
        return is_folder(c->cache) ? CM_OK : complain("--cache is no folder", c->cache);
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int size = -1;
    if (base != NULL && base[0] == '/')
        size = snprintf(c->cache_path, sizeof c->cache_path, "%s/casement", base);
    else if (home != NULL && home[0] == '/')
        size = snprintf(c->cache_path, sizeof c->cache_path, "%s/.cache/casement", home);
    if (size > 0 && (size_t)size < sizeof c->cache_path && is_folder(c->cache_path))
        c->cache = c->cache_path;
    return CM_OK;
}

static cm_status load_scenes(command *c)
{
    for (unsigned variant = 0; variant < c->variants; variant++)
        for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++) {
            const bool is_main = stream == CM_SIMCAM_MAIN;
            const cm_scene_wish wish = {
                .codec = c->codecs[stream],
                .variant = variant,
                .width = is_main ? 1280 : 640,
                .height = is_main ? 720 : 360,
                .fps = (unsigned)c->fps,
                .gop = (unsigned)c->gop,
                .kbps = (unsigned)(is_main ? c->kbps : c->kbps / SUB_DIVISOR),
                .pictures = (unsigned)c->gop * LOOP_GROUPS,
            };
            const cm_status status =
                cm_scene_cache_get(c->helper, c->cache, &wish, &c->scenes[stream][variant]);
            if (status != CM_OK) {
                fprintf(stderr, "casement simcam: no scene from %s: %s\n", c->helper,
                        cm_status_name(status));
                return status;
            }
        }
    return CM_OK;
}

static cm_status load_sound(command *c)
{
    if (cm_simcam_sound_parse(cm_slice_of(c->sound), &c->sound_kind) != CM_OK)
        return complain("--sound", c->sound);
    if (!cm_simcam_sound_is_encoded(c->sound_kind))
        return CM_OK;
    const cm_status status = cm_sound_cache_get(c->helper, c->cache, c->sound, &c->sound_set);
    if (status != CM_OK)
        fprintf(stderr, "casement simcam: no sound from %s: %s\n", c->helper,
                cm_status_name(status));
    return status;
}

/* ---- what is heard ---- */

static cm_status read_talk(command *c)
{
    if (cm_simcam_talk_parse(cm_slice_of(c->talk), &c->talk_kind) != CM_OK)
        return complain("--talk", c->talk);
    if (c->heard != NULL && !is_folder(c->heard))
        return complain("--heard is no folder", c->heard);
    return CM_OK;
}

/* Kept as mu-law, whichever law the cameras want: a file per camera, for a test to listen to. */
static void on_heard(void *owner, uint32_t number, cm_slice samples)
{
    const command *c = owner;
    const cm_g711_law law = c->talk_kind == CM_SIMCAM_TALK_PCMA ? CM_G711_A_LAW : CM_G711_MU_LAW;
    char path[PATH_MAX];
    const int size = snprintf(path, sizeof path, "%s/cam%u.ulaw", c->heard, number);
    FILE *file = size > 0 && (size_t)size < sizeof path ? fopen(path, "ab") : NULL;
    if (file == NULL)
        return;
    for (size_t i = 0; i < samples.size; i++)
        fputc(cm_g711_recode(law, CM_G711_MU_LAW, samples.bytes[i]), file);
    fclose(file);
}

/* ---- running ---- */

static void on_signal(void *owner, unsigned events)
{
    (void)events;
    command *c = owner;
    cm_loop_stop(c->loop);
}

static void apply_line(command *c, cm_slice line)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    cm_trouble_wish wish;
    cm_status status = cm_trouble_parse(line, &wish);
    if (status == CM_OK)
        status = cm_simcam_trouble(c->simcam, &wish);
    if (status != CM_OK)
        cm_log(CM_LOG_WARN, "simcam", "event=wish-refused line=%s cause=%s",
               cm_log_quote(line, quoted), cm_status_name(status));
}

static void on_input(void *owner, unsigned events)
{
    (void)events;
    command *c = owner;
    uint8_t *room;
    ssize_t got = -1;
    if (cm_buffer_room(&c->lines, LINE_MAX_SIZE / 4, &room) == CM_OK)
        got = read(STDIN_FILENO, room, LINE_MAX_SIZE / 4);
    if (got <= 0) { /* its end, or a line that never ends: cameras go on without wishes */
        cm_watch_close(c->input);
        c->input = NULL;
        return;
    }
    cm_buffer_commit(&c->lines, (size_t)got);
    for (;;) {
        const cm_slice data = cm_buffer_data(&c->lines);
        const size_t end = cm_slice_find(data, '\n');
        if (end == data.size)
            return;
        const cm_slice line = cm_slice_trim(cm_slice_part(data, 0, end));
        if (line.size > 0)
            apply_line(c, line);
        cm_buffer_consume(&c->lines, end + 1);
    }
}

static cm_status watch_signals(command *c)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    CM_ENSURE(sigprocmask(SIG_BLOCK, &set, NULL) == 0, CM_BROKEN);
    c->signal_file = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CM_ENSURE(c->signal_file >= 0, CM_BROKEN);
    CM_TRY(cm_watch_create(c->loop, c->signal_file, on_signal, c, &c->signals));
    cm_watch_want(c->signals, CM_WATCH_READ);
    /* A file as standard input can't be watched: then there are no wishes. */
    if (cm_watch_create(c->loop, STDIN_FILENO, on_input, c, &c->input) == CM_OK)
        cm_watch_want(c->input, CM_WATCH_READ);
    return CM_OK;
}

static int32_t utc_offset_s(void)
{
    const time_t now = time(NULL);
    struct tm tm;
    return localtime_r(&now, &tm) != NULL ? (int32_t)tm.tm_gmtoff : 0;
}

static cm_status read_address(const command *c, cm_address *out)
{
    if (c->listen == NULL)
        return cm_address_parse(CM_TEXT("127.0.0.1"), (uint16_t)c->port, out);
    if (cm_address_parse(cm_slice_of(c->listen), (uint16_t)c->port, out) != CM_OK)
        return complain("--listen", c->listen);
    return CM_OK;
}

static cm_status start(command *c, cm_simcam_auth auth)
{
    cm_simcam_config config = {
        .camera_count = (uint32_t)c->cameras,
        .code_first = (uint32_t)c->code_first,
        .names = c->name_list,
        .name_count = c->name_count,
        .auth = auth,
        .user = cm_slice_of(c->user),
        .password = cm_slice_over(c->password, c->password_size),
        .scene_count = c->variants,
        .sound = c->sound_kind,
        .sound_set = c->sound_set,
        .talk = c->talk_kind,
        .on_heard = c->heard != NULL ? on_heard : NULL,
        .owner = c,
        .utc_offset_s = utc_offset_s(),
    };
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
        config.scenes[stream] = (const cm_scene *const *)c->scenes[stream];
    CM_TRY(read_address(c, &config.listen));
    CM_TRY(cm_loop_create(&(cm_loop_config){0}, &c->loop));
    CM_TRY(cm_net_create(c->loop, &c->net));
    CM_TRY(watch_signals(c));
    CM_TRY(cm_simcam_create(c->net, &config, &c->simcam));
    for (size_t i = 0; i < c->wish_count; i++)
        if (cm_simcam_trouble(c->simcam, &c->wishes[i]) != CM_OK)
            return complain("--fault", "no such camera");
    return CM_OK;
}

/* Each viewer is a descriptor. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void tell(const command *c)
{
    const cm_address address = cm_simcam_address(c->simcam);
    char text[CM_ADDRESS_TEXT_SIZE];
    printf("listening rtsp://%s\n", cm_address_format(&address, text));
    for (uint64_t i = 1; c->is_listed && i <= c->cameras; i++)
        printf("rtsp://%s/cam%llu rtsp://%s/cam%llu/sub\n", text, (unsigned long long)i, text,
               (unsigned long long)i);
    fflush(stdout);
}

static void stop(command *c)
{
    cm_simcam_destroy(c->simcam);
    if (c->input != NULL)
        cm_watch_close(c->input);
    if (c->signals != NULL)
        cm_watch_close(c->signals);
    if (c->signal_file >= 0)
        close(c->signal_file);
    cm_net_destroy(c->net);
    cm_loop_destroy(c->loop);
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
        for (size_t i = 0; i < SCENES_MAX; i++)
            cm_scene_destroy(c->scenes[stream][i]);
    cm_sound_set_destroy(c->sound_set);
    cm_buffer_deinit(&c->lines);
    cm_secret_wipe(c->password, sizeof c->password);
}

static cm_status run(command *c, int count, char **arguments)
{
    cm_simcam_auth auth;
    CM_TRY(read_options(c, count, arguments));
    CM_TRY(read_auth(c, &auth));
    CM_TRY(read_password(c));
    read_names(c);
    CM_TRY(find_helper(c));
    CM_TRY(find_cache(c));
    CM_TRY(read_talk(c));
    CM_TRY(load_sound(c));
    CM_TRY(load_scenes(c));
    raise_descriptors();
    CM_TRY(start(c, auth));
    tell(c);
    cm_loop_run(c->loop);
    return CM_OK;
}

int cm_simcam_main(int count, char **arguments)
{
    command c = {.cameras = 2,
                 .fps = 20,
                 .gop = 40,
                 .kbps = 2000,
                 .variants = SCENES_MAX,
                 .sound = "pcmu",
                 .talk = "none",
                 .port = 8554,
                 .signal_file = -1};
    cm_buffer_init(&c.lines, LINE_MAX_SIZE);
    const cm_status status = run(&c, count, arguments);
    stop(&c);
    if (status != CM_OK)
        fprintf(stderr, "casement simcam: %s\n", cm_status_name(status));
    return status == CM_OK ? 0 : status == CM_REFUSE ? 2 : 1;
}
