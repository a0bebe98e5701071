/* `casement doctor`. */
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/desk.h"
#include "server/doctor.h"

void cm_doctor_say(cm_doctor *doctor, cm_finding finding, const char *topic, const char *format,
                   ...)
{
    static const char *const WORDS[] = {"ok", "warn", "bad"};
    va_list args;
    va_start(args, format);
    printf("%-5s %-12s ", WORDS[finding], topic);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    if (finding == CM_FINDING_BAD)
        doctor->bad_count++;
}

/* The configuration, or the defaults. NULL: it is wrong. */
static cm_config *check_config(cm_doctor *doctor)
{
    cm_config *config = NULL;
    char message[CM_CONFIG_MESSAGE_SIZE] = "";
    if (doctor->config_path == NULL) {
        if (cm_config_create_default(&config) == CM_OK)
            cm_doctor_say(doctor, CM_FINDING_OK, "config", "none named with -c: the defaults");
        return config;
    }
    if (cm_config_read(doctor->config_path, message, &config) != CM_OK) {
        cm_doctor_say(doctor, CM_FINDING_BAD, "config", "%s", message);
        return NULL;
    }
    size_t cameras = 0;
    for (size_t i = 0; i < config->home_count; i++)
        cameras += config->homes[i].camera_count;
    cm_doctor_say(doctor, CM_FINDING_OK, "config", "%s declares %zu home(s), %zu camera(s)",
                  doctor->config_path, config->home_count, cameras);
    return config;
}

static const char *beside_this_program(char out[PATH_MAX])
{
    static const char NAME[] = "casement-helper";
    const ssize_t size = readlink("/proc/self/exe", out, PATH_MAX - sizeof NAME - 1);
    out[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(out, '/');
    const size_t folder = slash != NULL ? (size_t)(slash - out) + 1 : 0;
    (void)snprintf(out + folder, PATH_MAX - folder, "%s", NAME);
    return out;
}

static int examine(cm_doctor *doctor)
{
    cm_config *config = check_config(doctor);
    doctor->config = config;
    cm_doctor_check_data(doctor);
    cm_doctor_check_certificates(doctor);
    cm_doctor_check_helper(doctor);
    cm_doctor_check_ports(doctor);
    cm_doctor_check_clock(doctor);
    cm_doctor_check_limits(doctor);
    cm_config_destroy(config);
    const int code = cm_desk_end_output("doctor");
    return doctor->bad_count > 0 ? CM_EXIT_FAULT : code;
}

int cm_command_doctor(int argc, char **argv)
{
    char helper[PATH_MAX];
    cm_doctor doctor = {.data_directory = CM_DESK_DATA, .helper_path = beside_this_program(helper)};
    const cm_option options[] = {
        {"config", CM_OPTION_TEXT, &doctor.config_path, "the configuration, in YAML", "FILE", false,
         'c'},
        {"data", CM_OPTION_TEXT, &doctor.data_directory,
         "the server's data directory (" CM_DESK_DATA ")", "DIR", false, '\0'},
        {"helper", CM_OPTION_TEXT, &doctor.helper_path,
         "the program casement-helper (beside this one)", "FILE", false, '\0'},
    };
    const cm_usage usage = {"doctor",
                            "Says what is wrong, and what to do; changes nothing. Status 1 if "
                            "anything is bad.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_log_set_level(CM_LOG_ERROR);
    return examine(&doctor);
}
