/*
 * desk: what the commands that work on a data directory share: where it is, opening it, passwords
 * from a terminal or a file, and one sentence for each way that something can be refused.
 *
 * Blocking, for a program without a loop. Works beside a running server, which looks for changes by
 * others twice a second. Messages go to standard error.
 */
#pragma once

#include "audit/entry.h"
#include "identity/identity.h"
#include "server/command.h"
#include "server/config.h"

/* Filled by the options of CM_DESK_OPTIONS. */
typedef struct cm_desk_place {
    const char *config_path; /* NULL: the data directory must be there already */
    const char *data_directory;
    bool is_json;
} cm_desk_place;

#define CM_DESK_DATA "casement-data"
/* The first two rows of a command's table of options. */
#define CM_DESK_OPTIONS(place)                                                                     \
    {"config",                                                                                     \
     CM_OPTION_TEXT,                                                                               \
     &(place).config_path,                                                                         \
     "take in first what this YAML declares, as serve does at its start",                          \
     "FILE",                                                                                       \
     false,                                                                                        \
     'c'},                                                                                         \
    {                                                                                              \
        "data", CM_OPTION_TEXT, &(place).data_directory,                                           \
            "the server's data directory (" CM_DESK_DATA ")", "DIR", false, '\0'                   \
    }
#define CM_DESK_JSON(place)                                                                        \
    {                                                                                              \
        "json", CM_OPTION_FLAG, &(place).is_json, "as JSON, for programs", NULL, false, '\0'       \
    }
#define CM_DESK_HOME(target, is_wanted)                                                            \
    {                                                                                              \
        "home", CM_OPTION_TEXT, &(target), "the home's id", "HOME", is_wanted, '\0'                \
    }

typedef struct cm_desk {
    const char *command;   /* for messages: "camera add" */
    const char *directory; /* the data directory; the caller's */
    cm_config *config;     /* NULL without -c */
    cm_store *store;
    cm_identity *identity;
    cm_wall now;
} cm_desk;

/* Reads the words of a command. False: *exit_status is to be returned. */
bool cm_desk_read_options(const cm_usage *usage, int argc, char **argv, int *exit_status);

/* CM_EXIT_OK, or the status to end with (told already; nothing is open then). A wrong
 * configuration leaves the data directory untouched. */
int cm_desk_open(const char *command, const cm_desk_place *place, cm_desk *out);
void cm_desk_close(cm_desk *desk);

/* `home log-out HOME` and `user log-out --everyone` (home NULL: of the whole server): says what
 * ended, in a line for people. */
int cm_desk_log_out(const cm_desk *desk, const cm_home_id *home, bool with_programs);

/* Leaves for the audit what the command did (store/told.h); who and when is not the caller's to
 * say. The change stands already: what fails is said on standard error. */
void cm_desk_tell(const cm_desk *desk, const cm_audit_entry *entries, size_t count);
void cm_desk_tell_one(const cm_desk *desk, cm_audit_kind kind, const cm_home_id *home,
                      const char *other); /* home, other: NULL is fine */

/* Somebody is gone: what the audit keeps that tells who he was is erased (NULL: of none). */
cm_status cm_desk_forget(const cm_desk *desk, const cm_home_id *home, const cm_account_id *account);

/* Tells a sentence after the command's name and gives CM_EXIT_FAULT or CM_EXIT_WRONG back. */
int cm_desk_refuse(const char *command, const char *format, ...) CM_PRINTF(2, 3);
int cm_desk_misused(const char *command, const char *format, ...) CM_PRINTF(2, 3);
/* The same for what the store answered. `absent` and `refused` are sentences for CM_ABSENT and
 * CM_REFUSE; the other failures have their own. */
int cm_desk_failed(const char *command, cm_status status, const char *absent, const char *refused);

/* --home and --camera: CM_EXIT_WRONG if it is no id. */
int cm_desk_parse_home(const char *command, const char *text, cm_home_id *out);
int cm_desk_parse_camera(const char *command, const char *text, cm_camera_id *out);

/*
 * One line: from `file` ("-": standard input), else from the terminal, without echo; twice if
 * `is_fresh`, so that a slip is noticed. `out` is wiped by the caller. CM_EXIT_WRONG: neither
 * terminal nor file, or the file holds no password.
 */
enum { CM_DESK_PASSWORD_SIZE = 512 };
typedef struct cm_desk_password {
    const char *file;   /* NULL: the terminal */
    const char *prompt; /* "Password of anna" */
    bool is_fresh;
} cm_desk_password;
int cm_desk_read_password(const char *command, const cm_desk_password *ask,
                          char out[CM_DESK_PASSWORD_SIZE]);

/* Ends a command that printed to standard output: CM_EXIT_FAULT if that could not be written. */
int cm_desk_end_output(const char *command);
