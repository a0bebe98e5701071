/* `casement setup-link`: the way in, as long as there is no account. */
#include <stdio.h>
#include <unistd.h>

#include "server/desk.h"

enum { HOST_SIZE = 256 };

static void print_link(const char *scheme, const char *host, uint16_t port, const cm_token *token)
{
    printf("    %s://%s:%u/#setup=%s\n", scheme, host, port, token->text);
}

static void print_links(const cm_config *config, const cm_token *token)
{
    char host[HOST_SIZE] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "%s", "the-server");
    const char *name = config->name_count > 0 ? config->names[0] : host;
    printf("Open one of these links; the first account that is made owns the server's first home. "
           "They work once, and no other that was printed before does any more.\n\n"
           "On this machine:\n");
    print_link("http", "127.0.0.1", config->http.port, token);
    printf("From another device of the house (the certificate is the server's own: compare its "
           "fingerprint with the one that the server printed when it started):\n");
    print_link("https", name, config->https.port, token);
}

static int tell_link(const cm_desk *desk, const cm_config *config)
{
    cm_token token;
    const cm_status status = cm_identity_make_setup_token(desk->identity, desk->now, &token);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "",
                              "there are accounts already: sign in, or have a password reset "
                              "(casement user reset)");
    print_links(config, &token);
    cm_secret_wipe(&token, sizeof token);
    return cm_desk_end_output(desk->command);
}

/* The configuration says where the server listens; what it declares is the server's to take in. */
static int open_config(const char *path, cm_config **out)
{
    char message[CM_CONFIG_MESSAGE_SIZE] = "";
    const cm_status status =
        path != NULL ? cm_config_read(path, message, out) : cm_config_create_default(out);
    if (status == CM_OK)
        return CM_EXIT_OK;
    return status == CM_REFUSE ? cm_desk_misused("setup-link", "%s", message)
                               : cm_desk_refuse("setup-link", "not enough memory");
}

int cm_command_setup_link(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const cm_option options[] = {
        {"config", CM_OPTION_TEXT, &place.config_path, "where it says on which ports it listens",
         "FILE", false, 'c'},
        {"data", CM_OPTION_TEXT, &place.data_directory,
         "the server's data directory (" CM_DESK_DATA ")", "DIR", false, '\0'},
    };
    const cm_usage usage = {"setup-link",
                            "Prints a new link to make the first account, while there is none.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_config *config = NULL;
    code = open_config(place.config_path, &config);
    if (code != CM_EXIT_OK)
        return code;
    place.config_path = NULL;
    cm_desk desk;
    code = cm_desk_open("setup-link", &place, &desk);
    if (code == CM_EXIT_OK) {
        code = tell_link(&desk, config);
        cm_desk_close(&desk);
    }
    cm_config_destroy(config);
    return code;
}
