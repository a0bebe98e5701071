/* `casement camera add|list|remove`. */
#include <string.h>

#include "server/desk.h"
#include "server/listing.h"

typedef struct addition {
    cm_desk_place place;
    const char *home, *id, *name, *main, *sub, *user, *password_file, *keep;
    bool is_whip;
    bool takes_talk;
} addition;

/* What can be told before anything is opened. */
static int check_addition(const char *command, const addition *a, cm_home_id *home,
                          cm_new_camera *camera)
{
    int code = cm_desk_parse_home(command, a->home, home);
    if (code == CM_EXIT_OK && a->id != NULL)
        code = cm_desk_parse_camera(command, a->id, &camera->id);
    if (code != CM_EXIT_OK)
        return code;
    if (a->is_whip == (a->main != NULL) || (a->is_whip && (a->sub != NULL || a->user != NULL)))
        return cm_desk_misused(command, "--main URL is wanted, or --whip without --sub and --user");
    if (a->is_whip && a->takes_talk)
        return cm_desk_misused(command, "--talk goes with --main: a camera whose pictures are "
                                        "brought is not spoken to");
    const char *const urls[] = {a->main, a->sub};
    for (size_t i = 0; i < CM_COUNT(urls); i++)
        if (urls[i] != NULL && !cm_config_is_camera_address(cm_slice_of(urls[i])))
            return cm_desk_misused(command,
                                   "--%s: allowed: rtsp://host[:port]/path, without user name "
                                   "and password (--user, --password-file)",
                                   i == 0 ? "main" : "sub");
    if (a->keep != NULL && cm_keep_parse(cm_slice_of(a->keep), &camera->keep) != CM_OK)
        return cm_desk_misused(command, "--keep: '%s'; allowed: always, on-demand", a->keep);
    if (a->user == NULL && a->password_file != NULL)
        return cm_desk_misused(command, "--password-file goes with --user");
    camera->name = cm_slice_of(a->name != NULL ? a->name : a->id);
    camera->main = a->is_whip ? CM_TEXT(CM_CAMERA_PUSHED) : cm_slice_of(a->main);
    camera->sub = cm_slice_of(a->sub);
    camera->user = cm_slice_of(a->user);
    camera->takes_talk = a->takes_talk;
    if (camera->name.size == 0)
        return cm_desk_misused(command, "--name NAME is missing (or --id ID, which is shown then)");
    return CM_EXIT_OK;
}

static void tell(const cm_desk *desk, cm_audit_kind kind, const cm_camera_key *key)
{
    cm_desk_tell(desk, &(cm_audit_entry){.kind = kind, .home = key->home, .camera = key->camera},
                 1);
}

static int store_addition(const cm_desk *desk, const cm_home_id *home, const cm_new_camera *camera)
{
    cm_stored_camera stored;
    const cm_status status = cm_store_camera_create(desk->store, home, camera, desk->now, &stored);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no such home",
                              "the id is taken in this home, or the name, address or login can't "
                              "be used");
    tell(desk, CM_AUDIT_CAMERA_ADDED, &stored.key);
    printf("%s\n", stored.key.camera.text);
    return cm_desk_end_output(desk->command);
}

static int add_camera(const char *command, const addition *a)
{
    cm_home_id home;
    cm_new_camera camera = {.keep = CM_KEEP_ALWAYS};
    int code = check_addition(command, a, &home, &camera);
    if (code != CM_EXIT_OK)
        return code;
    char password[CM_DESK_PASSWORD_SIZE] = "";
    if (a->user != NULL)
        code = cm_desk_read_password(
            command, &(cm_desk_password){a->password_file, "Password of the camera", false},
            password);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open(command, &a->place, &desk);
    if (code == CM_EXIT_OK) {
        camera.password = cm_slice_of(password);
        code = store_addition(&desk, &home, &camera);
        cm_desk_close(&desk);
    }
    cm_secret_wipe(password, sizeof password);
    return code;
}

static int run_add(int argc, char **argv)
{
    addition a = {.home = NULL};
    const cm_option options[] = {
        CM_DESK_OPTIONS(a.place),
        CM_DESK_HOME(a.home, true),
        {"name", CM_OPTION_TEXT, &a.name, "the name that people see", "NAME", false, '\0'},
        {"id", CM_OPTION_TEXT, &a.id, "its id (made at random)", "ID", false, '\0'},
        {"main", CM_OPTION_TEXT, &a.main, "rtsp:// address of the full picture", "URL", false,
         '\0'},
        {"whip", CM_OPTION_FLAG, &a.is_whip, "its pictures are brought by WHIP: it has no address",
         NULL, false, '\0'},
        {"sub", CM_OPTION_TEXT, &a.sub, "rtsp:// address of the small picture", "URL", false, '\0'},
        {"user", CM_OPTION_TEXT, &a.user, "the camera's user name; its password is asked for",
         "USER", false, '\0'},
        {"password-file", CM_OPTION_TEXT, &a.password_file,
         "a file that holds the camera's password; -: standard input", "FILE", false, '\0'},
        {"keep", CM_OPTION_TEXT, &a.keep,
         "always (connected all the time) or on-demand (while somebody watches)", "WHEN", false,
         '\0'},
        {"talk", CM_OPTION_FLAG, &a.takes_talk,
         "it has a loudspeaker: who has the right may speak to it (ONVIF)", NULL, false, '\0'},
    };
    const cm_usage usage = {"camera add", "Adds a camera to a home and prints its id.", options,
                            CM_COUNT(options)};
    int code;
    return cm_desk_read_options(&usage, argc, argv, &code) ? add_camera("camera add", &a) : code;
}

/* ---- list ---- */

static void list_camera(cm_listing *listing, const cm_stored_camera *camera)
{
    cm_listing_add(listing);
    cm_listing_text(listing, "home", camera->key.home.text);
    cm_listing_text(listing, "id", camera->key.camera.text);
    cm_listing_text(listing, "name", camera->name);
    cm_listing_text(listing, "keep", cm_keep_name(camera->keep));
    cm_listing_flag(listing, "declared", camera->is_declared);
    cm_listing_text(listing, "user", camera->user[0] != '\0' ? camera->user : NULL);
    cm_listing_flag(listing, "password", camera->has_password);
    cm_listing_flag(listing, "talk", camera->takes_talk);
    cm_listing_flag(listing, "whip", cm_stored_camera_is_pushed(camera));
    cm_listing_text(listing, "main", cm_stored_camera_is_pushed(camera) ? NULL : camera->main);
    cm_listing_text(listing, "sub", camera->sub[0] != '\0' ? camera->sub : NULL);
}

static int list_cameras(const cm_desk *desk, const cm_home_id *home, bool is_json)
{
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    const cm_status status = home != NULL ? cm_store_cameras(desk->store, home, &cameras)
                                          : cm_store_cameras_all(desk->store, &cameras);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no such home", "refused");
    CM_AUTO(cm_listing_deinit) cm_listing listing;
    cm_listing_init(&listing);
    for (size_t i = 0; i < cameras.count; i++)
        list_camera(&listing, &cameras.items[i]);
    cm_listing_write(&listing, is_json, stdout);
    return cm_desk_end_output(desk->command);
}

static int run_list(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *home_text = NULL;
    const cm_option options[] = {CM_DESK_OPTIONS(place), CM_DESK_HOME(home_text, false),
                                 CM_DESK_JSON(place)};
    const cm_usage usage = {"camera list", "Prints the cameras, of all homes or of one.", options,
                            CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id home;
    if (home_text != NULL && (code = cm_desk_parse_home("camera list", home_text, &home)) != 0)
        return code;
    cm_desk desk;
    code = cm_desk_open("camera list", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = list_cameras(&desk, home_text != NULL ? &home : NULL, place.is_json);
    cm_desk_close(&desk);
    return code;
}

/* ---- remove ---- */

static int remove_camera(const cm_desk *desk, const cm_camera_key *key)
{
    static const char ABSENT[] = "there is no such camera in this home";
    cm_stored_camera camera;
    cm_status status = cm_store_camera_find(desk->store, key, &camera);
    if (status == CM_OK && camera.is_declared)
        return cm_desk_refuse(desk->command,
                              "'%s' is declared in the YAML and would come back: take it out there",
                              key->camera.text);
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    if (status == CM_OK)
        status = cm_store_camera_delete(desk->store, key, &change);
    if (status == CM_OK)
        tell(desk, CM_AUDIT_CAMERA_REMOVED, key);
    return status == CM_OK ? CM_EXIT_OK : cm_desk_failed(desk->command, status, ABSENT, ABSENT);
}

static int run_remove(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *home = NULL;
    const char *camera = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        CM_DESK_HOME(home, true),
        {"CAMERA", CM_OPTION_OPERAND, &camera, "the camera's id", NULL, true, '\0'},
    };
    const cm_usage usage = {"camera remove",
                            "Removes a camera and destroys its keys; who watches it is cut off.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_camera_key key;
    code = cm_desk_parse_home("camera remove", home, &key.home);
    if (code == CM_EXIT_OK)
        code = cm_desk_parse_camera("camera remove", camera, &key.camera);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open("camera remove", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = remove_camera(&desk, &key);
    cm_desk_close(&desk);
    return code;
}

int cm_command_camera(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"add", "add a camera to a home", run_add},
        {"list", "print the cameras", run_list},
        {"remove", "remove a camera and destroy its keys", run_remove},
    };
    static const cm_command_table TABLE = {"camera", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
