/* `casement home add|list|log-out|remove`; `import` is in command_import.c. */
#include <string.h>

#include "server/desk.h"
#include "server/listing.h"

static int add_home(const cm_desk *desk, cm_stored_home *home)
{
    const cm_status status = cm_store_home_create(desk->store, home, desk->now);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "",
                              "the id is taken, or the name can't be used");
    cm_desk_tell_one(desk, CM_AUDIT_HOME_ADDED, &home->id, NULL);
    printf("%s\n", home->id.text);
    return cm_desk_end_output(desk->command);
}

static int run_add(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *id = NULL;
    const char *name = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"id", CM_OPTION_TEXT, &id, "its id (made at random)", "ID", false, '\0'},
        {"NAME", CM_OPTION_OPERAND, &name, "the name that people see", NULL, true, '\0'},
    };
    const cm_usage usage = {"home add", "Makes a home and prints its id.", options,
                            CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_stored_home home = {.camera_count = 0};
    if (id != NULL && (code = cm_desk_parse_home("home add", id, &home.id)) != CM_EXIT_OK)
        return code;
    if (cm_slice_to_cstr(cm_slice_of(name), home.name, sizeof home.name) != CM_OK)
        return cm_desk_misused("home add", "the name is longer than 127 bytes");
    cm_desk desk;
    code = cm_desk_open("home add", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = add_home(&desk, &home);
    cm_desk_close(&desk);
    return code;
}

static int list_homes(const cm_desk *desk, bool is_json)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    const cm_status status = cm_store_homes(desk->store, &homes);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "", "");
    CM_AUTO(cm_listing_deinit) cm_listing listing;
    cm_listing_init(&listing);
    for (size_t i = 0; i < homes.count; i++) {
        cm_listing_add(&listing);
        cm_listing_text(&listing, "id", homes.items[i].id.text);
        cm_listing_text(&listing, "name", homes.items[i].name);
        cm_listing_number(&listing, "cameras", (int64_t)homes.items[i].camera_count);
        cm_listing_flag(&listing, "declared", homes.items[i].is_declared);
        cm_listing_time(&listing, "created", homes.items[i].created);
    }
    cm_listing_write(&listing, is_json, stdout);
    return cm_desk_end_output(desk->command);
}

static int run_list(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const cm_option options[] = {CM_DESK_OPTIONS(place), CM_DESK_JSON(place)};
    const cm_usage usage = {"home list", "Prints the homes.", options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_desk desk;
    code = cm_desk_open("home list", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = list_homes(&desk, place.is_json);
    cm_desk_close(&desk);
    return code;
}

static int remove_home(const cm_desk *desk, const cm_home_id *id, bool is_with_cameras)
{
    static const char ABSENT[] = "there is no such home";
    cm_stored_home home;
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    cm_status status = cm_store_home_find(desk->store, id, &home);
    if (status == CM_OK && home.is_declared)
        return cm_desk_refuse(desk->command,
                              "'%s' is declared in the YAML and would come back: take it out there",
                              id->text);
    if (status == CM_OK)
        status = cm_store_cameras(desk->store, id, &cameras);
    if (status == CM_OK && cameras.count > 0 && !is_with_cameras)
        return cm_desk_refuse(desk->command,
                              "the home has cameras (%zu), whose keys would be destroyed; if you "
                              "mean it: --with-cameras",
                              cameras.count);
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    if (status == CM_OK)
        status = cm_store_home_delete(desk->store, id, &change);
    if (status == CM_OK)
        cm_desk_tell_one(desk, CM_AUDIT_HOME_REMOVED, id, NULL);
    if (status == CM_OK)
        status = cm_desk_forget(desk, id, NULL);
    return status == CM_OK ? CM_EXIT_OK : cm_desk_failed(desk->command, status, ABSENT, ABSENT);
}

static int run_remove(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *text = NULL;
    bool is_with_cameras = false;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"with-cameras", CM_OPTION_FLAG, &is_with_cameras, "also if it has cameras", NULL, false,
         '\0'},
        {"HOME", CM_OPTION_OPERAND, &text, "the home's id", NULL, true, '\0'},
    };
    const cm_usage usage = {"home remove",
                            "Removes a home with all that is in it; its keys are destroyed.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id id;
    code = cm_desk_parse_home("home remove", text, &id);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open("home remove", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = remove_home(&desk, &id, is_with_cameras);
    cm_desk_close(&desk);
    return code;
}

static int run_log_out(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *text = NULL;
    bool with_programs = false;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"with-programs", CM_OPTION_FLAG, &with_programs, "revoke the home's API tokens too", NULL,
         false, '\0'},
        {"HOME", CM_OPTION_OPERAND, &text, "the home's id", NULL, true, '\0'},
    };
    const cm_usage usage = {"home log-out",
                            "Signs everybody of a home out, on every device; live pictures and "
                            "open invitations end.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id id;
    code = cm_desk_parse_home("home log-out", text, &id);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open("home log-out", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = cm_desk_log_out(&desk, &id, with_programs);
    cm_desk_close(&desk);
    return code;
}

int cm_command_home(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"add", "make a home", run_add},
        {"list", "print the homes", run_list},
        {"import", "make many homes from a file", cm_command_home_import},
        {"log-out", "sign everybody of a home out", run_log_out},
        {"remove", "remove a home with all that is in it", run_remove},
    };
    static const cm_command_table TABLE = {"home", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
