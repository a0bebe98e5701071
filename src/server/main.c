/* The program `casement`: finds the command and lets it run. */
#include <stdio.h>
#include <string.h>

#include "server/command.h"

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("casement " CM_VERSION "\n");
    return fflush(stdout) == 0 ? CM_EXIT_OK : CM_EXIT_FAULT;
}

static int run_help(int argc, char **argv);

static const cm_command COMMANDS[] = {
    {"serve", "run the server", cm_command_serve},
    {"setup-link", "print a link to make the first account", cm_command_setup_link},
    {"home", "add, list and remove homes", cm_command_home},
    {"user", "add, list and remove accounts, reset passwords", cm_command_user},
    {"camera", "add, list and remove cameras", cm_command_camera},
    {"token", "create, list and revoke tokens for programs", cm_command_token},
    {"doctor", "say what is wrong with this installation, and what to do", cm_command_doctor},
    {"audit", "show what happened, verify that the record is whole, print its key",
     cm_command_audit},
    {"backup", "make a backup of the data directory", cm_command_backup},
    {"restore", "put a backup into the data directory", cm_command_restore},
    {"store", "check the database, take an older copy over, or go back", cm_command_store},
    {"passwords", "import a list of passwords that nobody may choose", cm_command_passwords},
    {"simcam", "run simulated cameras", cm_command_simcam},
    {"version", "say which version this is", run_version},
    {"help", "say what there is", run_help},
};

static const cm_command_table TABLE = {"", COMMANDS, CM_COUNT(COMMANDS)};

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        cm_command_write_help(&TABLE, stdout);
        return CM_EXIT_OK;
    }
    char help[] = "--help";
    char *words[] = {argv[0], argv[1], help, NULL};
    return cm_command_choose(&TABLE, 3, words);
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        return run_version(1, argv + 1);
    return cm_command_choose(&TABLE, argc, argv);
}
