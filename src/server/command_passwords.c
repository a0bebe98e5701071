/* `casement passwords build`: hashes of leaked passwords, which nobody may choose any more. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "identity/listed.h"
#include "server/desk.h"

static int build(const char *directory, const char *path, uint64_t least)
{
    const bool is_input = strcmp(path, "-") == 0;
    FILE *in = is_input ? stdin : fopen(path, "re");
    if (in == NULL)
        return cm_desk_misused("passwords build", "%s: %s", path, strerror(errno));
    char message[CM_LISTED_MESSAGE_SIZE];
    cm_listed_built built;
    const cm_status status = cm_listed_build(in, directory, least, message, &built);
    if (!is_input)
        fclose(in);
    if (status != CM_OK)
        return cm_desk_refuse("passwords build", "%s", message);
    printf("%" PRIu64 " of %" PRIu64 " lines are taken: these passwords are refused from now on.\n",
           built.entries, built.lines);
    return cm_desk_end_output("passwords build");
}

static int run_build(int argc, char **argv)
{
    const char *directory = CM_DESK_DATA;
    const char *path = NULL;
    cm_option_number least = {.value = 1, .least = 1, .most = INT64_MAX};
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
        {"least", CM_OPTION_NUMBER, &least, "leave out what was seen less often (1)", "N", false,
         '\0'},
        {"FILE", CM_OPTION_OPERAND, &path,
         "lines of SHA-1 in hex, or HASH:COUNT, ascending; -: standard input", NULL, true, '\0'},
    };
    const cm_usage usage = {"passwords build",
                            "Imports a list of leaked passwords' hashes, which are refused then.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    return build(directory, path, least.value);
}

int cm_command_passwords(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"build", "import a list of leaked passwords' hashes", run_build},
    };
    static const cm_command_table TABLE = {"passwords", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
