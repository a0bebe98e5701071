#include "server/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "audit/private.h"
#include "base/log.h"
#include "base/text.h"
#include "server/declare.h"
#include "server/witness.h"
#include "store/everyone.h"
#include "store/told.h"

bool cm_desk_read_options(const cm_usage *usage, int argc, char **argv, int *exit_status)
{
    switch (cm_options_read(usage, argc, argv, stdout, stderr)) {
    case CM_OPTIONS_READ:
        return true;
    case CM_OPTIONS_HELP:
        *exit_status = CM_EXIT_OK;
        return false;
    case CM_OPTIONS_WRONG:
        break;
    }
    *exit_status = CM_EXIT_WRONG;
    return false;
}

/* ---- opening ---- */

static int read_config(const cm_desk_place *place, cm_config **out)
{
    if (place->config_path == NULL)
        return CM_EXIT_OK;
    char message[CM_CONFIG_MESSAGE_SIZE] = "";
    const cm_status status = cm_config_read(place->config_path, message, out);
    if (status == CM_OK)
        return CM_EXIT_OK;
    fprintf(stderr, "casement: %s\n", message[0] != '\0' ? message : "not enough memory");
    return status == CM_REFUSE ? CM_EXIT_WRONG : CM_EXIT_FAULT;
}

int cm_desk_open(const char *command, const cm_desk_place *place, cm_desk *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    cm_desk desk = {.command = command, .now = {.us = CM_SECONDS(now.tv_sec) + now.tv_nsec / 1000}};
    cm_log_set_level(CM_LOG_WARN);
    const int config = read_config(place, &desk.config);
    if (config != CM_EXIT_OK)
        return config;
    char message[CM_STORE_MESSAGE_SIZE] = "";
    const char *directory = place->data_directory != NULL ? place->data_directory : CM_DESK_DATA;
    const cm_declare_result declared =
        cm_declare_open(directory, desk.config, NULL, NULL, &desk.store, &desk.identity, message);
    if (declared == CM_DECLARE_FINE) {
        desk.directory = directory;
        *out = desk;
        return CM_EXIT_OK;
    }
    fprintf(stderr, "casement %s: %s\n", command, message);
    cm_config_destroy(desk.config);
    return declared == CM_DECLARE_WRONG ? CM_EXIT_WRONG : CM_EXIT_FAULT;
}

void cm_desk_close(cm_desk *desk)
{
    cm_identity_destroy(desk->identity);
    cm_store_close(desk->store);
    cm_config_destroy(desk->config);
}

static cm_status tell_audit(const cm_desk *desk, const cm_audit_entry *entries, size_t count)
{
    enum { AT_ONCE = 64 };
    uint8_t storage[AT_ONCE][CM_AUDIT_ENTRY_SIZE_MAX];
    cm_slice items[AT_ONCE];
    for (size_t done = 0; done < count;) { /* AT_ONCE of them in a transaction */
        size_t n = 0;
        for (; n < AT_ONCE && done < count; n++, done++) {
            cm_audit_entry entry = entries[done];
            cm_writer w = cm_writer_over(storage[n], sizeof storage[n]);
            entry.when = desk->now;
            entry.is_command = true;
            cm_audit_entry_write(&w, &entry);
            CM_TRY(cm_writer_finish(&w, &items[n]));
        }
        CM_TRY(cm_store_told_put(desk->store, items, n));
    }
    return CM_OK;
}

void cm_desk_tell(const cm_desk *desk, const cm_audit_entry *entries, size_t count)
{
    if (tell_audit(desk, entries, count) != CM_OK)
        fprintf(stderr, "casement %s: done; but the audit will only say that something changed\n",
                desk->command);
}

void cm_desk_tell_one(const cm_desk *desk, cm_audit_kind kind, const cm_home_id *home,
                      const char *other)
{
    cm_audit_entry entry = {.kind = kind};
    if (home != NULL)
        entry.home = *home;
    if (other != NULL)
        cm_slice_copy(cm_slice_of(other), entry.other, sizeof entry.other - 1);
    cm_desk_tell(desk, &entry, 1);
}

cm_status cm_desk_forget(const cm_desk *desk, const cm_home_id *home, const cm_account_id *account)
{
    char path[CM_WITNESS_PATH_SIZE];
    uint64_t erased;
    CM_TRY(cm_witness_directory(desk->directory, path));
    return cm_audit_erase(path, home, account, &erased);
}

/* ---- sentences ---- */

static void tell(const char *command, const char *format, va_list args)
{
    fprintf(stderr, "casement %s: ", command);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
}

int cm_desk_refuse(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(command, format, args);
    va_end(args);
    return CM_EXIT_FAULT;
}

int cm_desk_misused(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(command, format, args);
    va_end(args);
    return CM_EXIT_WRONG;
}

int cm_desk_failed(const char *command, cm_status status, const char *absent, const char *refused)
{
    switch (status) {
    case CM_ABSENT:
        return cm_desk_refuse(command, "%s", absent);
    case CM_REFUSE:
        return cm_desk_refuse(command, "%s", refused);
    case CM_FULL:
        return cm_desk_refuse(command, "there are as many of them as there may be");
    case CM_FOREIGN:
        return cm_desk_refuse(command, "a row of the database was changed by something other than "
                                       "casement; run: casement doctor");
    default:
        return cm_desk_refuse(command, "the database could not be used; the lines above say why");
    }
}

int cm_desk_parse_home(const char *command, const char *text, cm_home_id *out)
{
    if (cm_home_id_parse(cm_slice_of(text), out) == CM_OK)
        return CM_EXIT_OK;
    return cm_desk_misused(command, "'%s' is no home's id (1 to 31 of a-z, 0-9, - and _)", text);
}

int cm_desk_parse_camera(const char *command, const char *text, cm_camera_id *out)
{
    if (cm_camera_id_parse(cm_slice_of(text), out) == CM_OK)
        return CM_EXIT_OK;
    return cm_desk_misused(command, "'%s' is no camera's id (1 to 31 of a-z, 0-9, - and _)", text);
}

int cm_desk_log_out(const cm_desk *desk, const cm_home_id *home, bool with_programs)
{
    cm_everyone what = {.with_programs = with_programs};
    if (home != NULL)
        what.home = *home;
    cm_everyone_count count;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    const cm_status status = cm_store_everyone_out(desk->store, &what, desk->now, &count, &change);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no such home", "refused");
    const cm_audit_entry entry = {
        .kind = CM_AUDIT_EVERYONE_OUT, .home = what.home, .count = count.sessions};
    cm_desk_tell(desk, &entry, 1);
    printf("people %zu sessions %zu programs %zu invitations %zu links %zu cameras %zu\n",
           count.people, count.sessions, with_programs ? count.programs : 0, count.invitations,
           count.links, count.cameras);
    return cm_desk_end_output(desk->command);
}

int cm_desk_end_output(const char *command)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return CM_EXIT_OK;
    return cm_desk_refuse(command, "standard output: %s", strerror(errno));
}

/* ---- passwords ---- */

/* A line's worth from an open file, read past stdio, whose buffer would keep a copy. */
static bool read_line(int fd, char out[CM_DESK_PASSWORD_SIZE])
{
    char bytes[CM_DESK_PASSWORD_SIZE];
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size < sizeof bytes) {
        got = read(fd, bytes + size, sizeof bytes - size);
        if (got > 0)
            size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1; /* again */
        if (size > 0 && bytes[size - 1] == '\n' && isatty(fd))
            break;
    }
    const cm_slice line = cm_slice_trim(cm_slice_over(bytes, size));
    const bool is_fit = got >= 0 && size < sizeof bytes && line.size > 0 &&
                        cm_text_is_printable_utf8(line) &&
                        cm_slice_to_cstr(line, out, CM_DESK_PASSWORD_SIZE) == CM_OK;
    cm_secret_wipe(bytes, sizeof bytes);
    return is_fit;
}

static int read_file(const char *command, const char *path, char out[CM_DESK_PASSWORD_SIZE])
{
    if (strcmp(path, "-") == 0)
        return read_line(STDIN_FILENO, out)
                   ? CM_EXIT_OK
                   : cm_desk_misused(command, "standard input must hold one line: the password");
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cm_desk_misused(command, "%s: %s", path, strerror(errno));
    const bool is_read = read_line(fd, out);
    close(fd);
    return is_read ? CM_EXIT_OK
                   : cm_desk_misused(command, "%s must hold one line: the password", path);
}

static bool ask(const char *prompt, const char *more, char out[CM_DESK_PASSWORD_SIZE])
{
    struct termios shown;
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    hidden.c_lflag |= ECHONL;
    fprintf(stderr, "%s%s: ", prompt, more);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return false;
    const bool is_read = read_line(STDIN_FILENO, out);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    return is_read;
}

int cm_desk_read_password(const char *command, const cm_desk_password *wanted,
                          char out[CM_DESK_PASSWORD_SIZE])
{
    if (wanted->file != NULL)
        return read_file(command, wanted->file, out);
    if (!isatty(STDIN_FILENO))
        return cm_desk_misused(command, "there is no terminal to ask for the password: give "
                                        "--password-file FILE, or - for standard input");
    if (!ask(wanted->prompt, "", out))
        return cm_desk_misused(command, "no password was typed");
    if (!wanted->is_fresh)
        return CM_EXIT_OK;
    char again[CM_DESK_PASSWORD_SIZE] = "";
    const bool is_same = ask(wanted->prompt, ", once more", again) &&
                         cm_secret_equal(cm_slice_of(out), cm_slice_of(again));
    cm_secret_wipe(again, sizeof again);
    return is_same ? CM_EXIT_OK : cm_desk_misused(command, "the two are not the same");
}
