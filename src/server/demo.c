#include "server/demo.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/writer.h"
#include "simcam/scene_cache.h"
#include "simcam/simcam.h"

enum { CAMERAS = 2, LOOK_EVERY_MS = 50, SETTING_SIZE = 64 };

static const char HOME_SETTING[] = "demo.home"; /* the home that has the demo's cameras */

typedef struct demo_camera {
    const char *id, *name;
} demo_camera;
static const demo_camera DEMO_CAMERAS[CAMERAS] = {{"front-door", "Front door"},
                                                  {"garden", "Garden"}};

struct cm_demo {
    cm_server *server;
    cm_scene *scenes[CM_SIMCAM_STREAMS][CAMERAS];
    cm_simcam *simcam;
    char password[24];
    cm_timer timer; /* until there is a home */
    cm_job job;
    bool is_working;
    cm_status status;
    cm_home_id home;
    cm_stored_camera cameras[CAMERAS];
};

/* ---- scenes and cameras ---- */

static const char *helper_of(const cm_server *server, char storage[PATH_MAX])
{
    if (server->options.helper_path != NULL)
        return server->options.helper_path;
    const ssize_t size = readlink("/proc/self/exe", storage, PATH_MAX - 32);
    storage[size > 0 ? size : 0] = '\0';
    cm_writer w = cm_writer_over(storage, PATH_MAX);
    w.used = size > 0 ? (size_t)size : 0;
    cm_write_text(&w, "-helper");
    cm_write_u8(&w, 0);
    return storage;
}

static cm_status get_scenes(cm_demo *demo)
{
    char helper_storage[PATH_MAX];
    char folder[PATH_MAX];
    const char *helper = helper_of(demo->server, helper_storage);
    (void)snprintf(folder, sizeof folder, "%s/scenes", demo->server->options.data_directory);
    (void)mkdir(folder, 0700);
    printf("Preparing the demo's two cameras (a few seconds, the first time only) …\n");
    fflush(stdout);
    for (unsigned i = 0; i < CAMERAS; i++) {
        const cm_scene_wish main_wish = {.variant = i,
                                         .width = 1280,
                                         .height = 720,
                                         .fps = 20,
                                         .gop = 40,
                                         .kbps = 2000,
                                         .pictures = 160};
        const cm_scene_wish sub_wish = {.variant = i,
                                        .width = 640,
                                        .height = 360,
                                        .fps = 20,
                                        .gop = 40,
                                        .kbps = 400,
                                        .pictures = 160};
        CM_TRY(cm_scene_cache_get(helper, folder, &main_wish, &demo->scenes[CM_SIMCAM_MAIN][i]));
        CM_TRY(cm_scene_cache_get(helper, folder, &sub_wish, &demo->scenes[CM_SIMCAM_SUB][i]));
    }
    return CM_OK;
}

/* A password of this run only: nobody else on this machine shall watch through the back. */
static cm_status make_password(cm_demo *demo)
{
    cm_random random = cm_random_system();
    uint8_t bytes[12];
    cm_random_fill(&random, bytes, sizeof bytes);
    return cm_text_to_base64url(cm_slice_over(bytes, sizeof bytes), demo->password,
                                sizeof demo->password);
}

static int32_t local_utc_offset(void)
{
    const time_t now = time(NULL);
    struct tm local;
    return localtime_r(&now, &local) != NULL ? (int32_t)local.tm_gmtoff : 0;
}

static cm_status start_simcam(cm_demo *demo)
{
    cm_slice names[CAMERAS];
    for (size_t i = 0; i < CAMERAS; i++)
        names[i] = cm_slice_of(DEMO_CAMERAS[i].name);
    cm_simcam_config config = {
        .sound = CM_SIMCAM_SOUND_PCMU,
        .camera_count = CAMERAS,
        .names = names,
        .name_count = CAMERAS,
        .auth = CM_SIMCAM_AUTH_DIGEST,
        .user = CM_TEXT("demo"),
        .password = cm_slice_of(demo->password),
        .scenes = {(const cm_scene *const *)demo->scenes[CM_SIMCAM_MAIN],
                   (const cm_scene *const *)demo->scenes[CM_SIMCAM_SUB]},
        .scene_count = CAMERAS,
        .utc_offset_s = local_utc_offset(),
    };
    CM_TRY(cm_address_parse(CM_TEXT("127.0.0.1:0"), 0, &config.listen));
    return cm_simcam_create(demo->server->nets[0], &config, &demo->simcam);
}

/* ---- the rows: in the store's lane ---- */

static cm_status find_home(cm_demo *demo)
{
    cm_store *store = demo->server->store;
    char text[SETTING_SIZE];
    if (cm_store_setting_read(store, HOME_SETTING, text, sizeof text) == CM_OK)
        return cm_home_id_parse(cm_slice_of(text), &demo->home);
    cm_stored_homes homes = {0};
    CM_TRY(cm_store_homes(store, &homes));
    const cm_status status = homes.count > 0 ? CM_OK : CM_RETRY;
    if (status == CM_OK)
        demo->home = homes.items[0].id;
    cm_stored_homes_clear(&homes);
    CM_TRY(status);
    return cm_store_setting_write(store, HOME_SETTING, cm_slice_of(demo->home.text));
}

static cm_status put_row(cm_demo *demo, size_t index)
{
    cm_store *store = demo->server->store;
    char address[CM_ADDRESS_TEXT_SIZE];
    char main_url[128];
    char sub_url[160];
    const cm_address listening = cm_simcam_address(demo->simcam);
    (void)snprintf(main_url, sizeof main_url, "rtsp://%s/cam%zu",
                   cm_address_format(&listening, address), index + 1);
    (void)snprintf(sub_url, sizeof sub_url, "%s/sub", main_url);
    const cm_slice main_text = cm_slice_of(main_url);
    const cm_slice sub_text = cm_slice_of(sub_url);
    const cm_slice user = CM_TEXT("demo");
    const cm_slice password = cm_slice_of(demo->password);
    cm_camera_key key = {.home = demo->home};
    CM_TRY(cm_camera_id_parse(cm_slice_of(DEMO_CAMERAS[index].id), &key.camera));
    cm_change change = {0};
    const cm_camera_update update = {
        .main = &main_text, .sub = &sub_text, .user = &user, .password = &password};
    cm_status status = cm_store_camera_update(store, &key, &update, &demo->cameras[index], &change);
    cm_change_clear(
        &change); /* nobody has watched it yet in this run: the epoch is read with the row */
    if (status != CM_ABSENT)
        return status;
    const cm_new_camera camera = {.id = key.camera,
                                  .name = cm_slice_of(DEMO_CAMERAS[index].name),
                                  .main = main_text,
                                  .sub = sub_text,
                                  .user = user,
                                  .password = password,
                                  .keep = CM_KEEP_ALWAYS};
    return cm_store_camera_create(store, &demo->home, &camera, cm_loop_wall(demo->server->loops[0]),
                                  &demo->cameras[index]);
}

static cm_status put_rows(cm_demo *demo)
{
    CM_TRY(find_home(demo));
    for (size_t i = 0; i < CAMERAS; i++)
        CM_TRY(put_row(demo, i));
    return CM_OK;
}

static void allow(cm_demo *demo)
{
    const cm_address address = cm_simcam_address(demo->simcam);
    cm_reach_allow_demo(demo->server->reach, &demo->home, &address);
}

static void work(cm_job *job)
{
    cm_demo *demo = CM_HOLDER(job, cm_demo, job);
    demo->status = put_rows(demo);
}

static void done(cm_job *job)
{
    cm_demo *demo = CM_HOLDER(job, cm_demo, job);
    demo->is_working = false;
    if (demo->status == CM_RETRY || demo->simcam == NULL)
        return; /* there is no home yet, or we are stopping */
    cm_timer_stop(&demo->timer);
    if (demo->status != CM_OK) {
        cm_log(CM_LOG_ERROR, "demo", "event=cameras-not-stored status=%s",
               cm_status_name(demo->status));
        return;
    }
    allow(demo);
    for (size_t i = 0; i < CAMERAS; i++)
        cm_follow_camera_saved(demo->server, &demo->cameras[i]);
}

static void on_timer(cm_timer *timer)
{
    cm_demo *demo = CM_HOLDER(timer, cm_demo, timer);
    cm_timer_start(timer, CM_MS(LOOK_EVERY_MS));
    if (demo->is_working)
        return;
    demo->job = (cm_job){.work = work, .done = done};
    demo->is_working =
        cm_loop_submit_lane(demo->server->loops[0], CM_STORE_LANE, &demo->job) == CM_OK;
}

/* ---- life ---- */

static cm_status start(cm_demo *demo)
{
    CM_TRY(get_scenes(demo));
    CM_TRY(make_password(demo));
    CM_TRY(start_simcam(demo));
    /* A home from an earlier start: its rows get this run's port and password before the fleet
     * reads them. */
    const cm_status status = put_rows(demo);
    if (status == CM_OK)
        allow(demo);
    else if (status == CM_RETRY)
        cm_timer_start(&demo->timer, CM_MS(LOOK_EVERY_MS));
    return status == CM_RETRY ? CM_OK : status;
}

cm_status cm_demo_create(cm_server *server, cm_demo **out)
{
    cm_demo *demo = calloc(1, sizeof *demo);
    CM_ENSURE(demo != NULL, CM_BROKEN);
    demo->server = server;
    cm_timer_init(&demo->timer, server->loops[0], on_timer);
    const cm_status status = start(demo);
    if (status != CM_OK) {
        cm_demo_destroy(demo);
        return status;
    }
    *out = demo;
    return CM_OK;
}

void cm_demo_stop(cm_demo *demo)
{
    if (demo == NULL)
        return;
    cm_timer_stop(&demo->timer);
    cm_simcam_destroy(demo->simcam);
    demo->simcam = NULL;
}

void cm_demo_destroy(cm_demo *demo)
{
    if (demo == NULL)
        return;
    cm_demo_stop(demo);
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
        for (size_t i = 0; i < CAMERAS; i++)
            cm_scene_destroy(demo->scenes[stream][i]);
    cm_secret_wipe(demo->password, sizeof demo->password);
    free(demo);
}
