/* `casement serve`. */
#include "server/command.h"
#include "server/serve.h"

int cm_command_serve(int argc, char **argv)
{
    cm_serve_options serve = {.data_directory = "casement-data"};
    cm_option_number port = {.most = UINT16_MAX};
    const cm_option options[] = {
        {"config", CM_OPTION_TEXT, &serve.config_path, "what the server is to be, in YAML", "FILE",
         false, 'c'},
        {"data", CM_OPTION_TEXT, &serve.data_directory,
         "where it keeps its data (casement-data); made if it is not there", "DIR", false, '\0'},
        {"port", CM_OPTION_NUMBER, &port,
         "plain HTTP on 127.0.0.1 at this port, instead of the configuration's; 0: a free one", "N",
         false, '\0'},
        {"demo", CM_OPTION_FLAG, &serve.is_demo,
         "a demo home with two simulated cameras, run by the server itself", NULL, false, '\0'},
        {"helper", CM_OPTION_TEXT, &serve.helper_path,
         "the program casement-helper (beside this one)", "FILE", false, '\0'},
    };
    const cm_usage usage = {"serve", "Runs the server until it is told to end.", options,
                            CM_COUNT(options)};
    const cm_options_result result = cm_options_read(&usage, argc, argv, stdout, stderr);
    if (result != CM_OPTIONS_READ)
        return result == CM_OPTIONS_HELP ? CM_EXIT_OK : CM_EXIT_WRONG;
    serve.has_http_port = port.is_given;
    serve.http_port = (uint16_t)port.value;
    return cm_serve(&serve);
}
