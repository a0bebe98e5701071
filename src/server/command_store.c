/* `casement store check|accept-restore|rollback`. */
#include "base/log.h"
#include "server/desk.h"

static int check(const char *directory)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    cm_store *store = NULL;
    const cm_store_config config = {.directory = directory, .must_exist = true};
    if (cm_store_open(&config, message, &store) != CM_OK)
        return cm_desk_refuse("store check", "%s", message);
    const cm_status status = cm_store_check(store);
    cm_store_close(store);
    if (status == CM_OK)
        return CM_EXIT_OK;
    return cm_desk_refuse("store check",
                          "%s: the database is damaged or was changed by something other than "
                          "casement (%s); put a sound copy back",
                          directory, cm_status_name(status));
}

static int run_check(int argc, char **argv)
{
    const char *directory = CM_DESK_DATA;
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
    };
    const cm_usage usage = {"store check",
                            "Looks at every row of the database: status 0 if all is sound.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    return check(directory);
}

/* A database that is in order is left alone: nobody is signed out for nothing. */
static int accept_restore(const char *directory)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    cm_store *store = NULL;
    cm_store_config config = {.directory = directory, .must_exist = true};
    if (cm_store_open(&config, message, &store) == CM_OK) {
        cm_store_close(store);
        printf("The database is as new as it was: there is nothing to accept.\n");
        return cm_desk_end_output("store accept-restore");
    }
    config.accepts_older = true;
    if (cm_store_open(&config, message, &store) != CM_OK)
        return cm_desk_refuse("store accept-restore", "%s", message);
    cm_store_close(store);
    printf("The older database is taken over. Everybody is signed out, all API tokens are "
           "revoked, and all passkeys and recovery codes are removed.\nNow look at the members and "
           "cameras of each home: what was taken away after "
           "the copy was made is given again.\n");
    return cm_desk_end_output("store accept-restore");
}

static int run_accept_restore(int argc, char **argv)
{
    const char *directory = CM_DESK_DATA;
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
    };
    const cm_usage usage = {"store accept-restore",
                            "Takes an older copy of the database over, with the server stopped.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    return accept_restore(directory);
}

static int roll_back(const char *directory)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    cm_rolled_back done;
    if (cm_store_rollback(directory, message, &done) != CM_OK)
        return cm_desk_refuse("store rollback", "%s", message);
    printf("%s is the database again. That of the later version is kept as %s.\n", done.copy,
           done.aside);
    if (done.is_taken_over)
        printf("Something was taken away since the upgrade. So everybody is signed out, and all "
               "API tokens, passkeys and recovery codes are revoked.\nNow look at the members and "
               "cameras of each home: what "
               "was taken away after the upgrade is given again.\n");
    else
        printf("Nothing was taken away since the upgrade: all who were signed in then still are. "
               "What was added since is not there.\n");
    return cm_desk_end_output("store rollback");
}

static int run_rollback(int argc, char **argv)
{
    const char *directory = CM_DESK_DATA;
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
    };
    const cm_usage usage = {"store rollback",
                            "Puts the copy back that a later version made before its upgrade.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_log_set_level(CM_LOG_ERROR);
    return roll_back(directory);
}

int cm_command_store(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"check", "look at every row of the database", run_check},
        {"accept-restore", "take an older copy of the database over", run_accept_restore},
        {"rollback", "go back to the copy from before an upgrade", run_rollback},
    };
    static const cm_command_table TABLE = {"store", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
