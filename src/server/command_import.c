/* `casement home import`: many homes from a file, all of them or none, and the links for their
 * first owners. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/homes_file.h"
#include "proto/csv/csv.h"
#include "server/desk.h"

static const char COMMAND[] = "home import";

typedef struct import {
    cm_desk_place place;
    const char *file, *links, *url;
    bool only_checks;
    cm_option_number days;
    char *text; /* the file's; wiped: there may be passwords in it */
    size_t size;
    cm_homes_file *homes;
    cm_token *tokens;
} import;

static void clear_import(import *m)
{
    cm_homes_file_destroy(m->homes);
    if (m->text != NULL)
        cm_secret_wipe(m->text, CM_HOMES_FILE_SIZE_MAX + 1);
    free(m->text);
    if (m->tokens != NULL)
        cm_secret_wipe(m->tokens, CM_IMPORT_HOMES_MAX * sizeof *m->tokens);
    free(m->tokens);
}

static int read_text(import *m)
{
    m->text = malloc(CM_HOMES_FILE_SIZE_MAX + 1);
    m->tokens = calloc(CM_IMPORT_HOMES_MAX, sizeof *m->tokens);
    if (m->text == NULL || m->tokens == NULL)
        return cm_desk_refuse(COMMAND, "not enough memory");
    FILE *file = fopen(m->file, "rbe");
    if (file == NULL)
        return cm_desk_refuse(COMMAND, "%s: %s", m->file, strerror(errno));
    m->size = fread(m->text, 1, CM_HOMES_FILE_SIZE_MAX + 1, file);
    const bool is_read = ferror(file) == 0;
    fclose(file);
    if (!is_read)
        return cm_desk_refuse(COMMAND, "%s can't be read", m->file);
    if (m->size > CM_HOMES_FILE_SIZE_MAX)
        return cm_desk_refuse(COMMAND, "%s is larger than 1 MiB", m->file);
    return CM_EXIT_OK;
}

static void tell_faults(const import *m, const cm_homes_faults *faults)
{
    const size_t told = cm_homes_faults_told(faults);
    for (size_t i = 0; i < told; i++) {
        const cm_homes_fault *fault = &faults->items[i];
        fprintf(stderr, "%s: line %zu, column %zu%s%s%s: %s\n", m->file, fault->line, fault->column,
                fault->name != NULL ? " (" : "", fault->name != NULL ? fault->name : "",
                fault->name != NULL ? ")" : "", fault->cause);
    }
    if (faults->count > told)
        fprintf(stderr, "%s: and %zu more\n", m->file, faults->count - told);
}

static int judge(const cm_desk *desk, import *m)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes taken = {.count = 0};
    cm_homes_faults faults = {.count = 0};
    cm_status status = cm_store_homes(desk->store, &taken);
    if (status == CM_OK)
        status = cm_homes_file_read(cm_slice_over(m->text, m->size), &taken, &faults, &m->homes);
    tell_faults(m, &faults);
    if (status == CM_REFUSE)
        return cm_desk_refuse(COMMAND, "nothing was made: mend the lines above");
    return status == CM_OK ? CM_EXIT_OK : cm_desk_failed(COMMAND, status, "", "");
}

/* ---- the links ---- */

static bool write_field(FILE *out, cm_slice field, char after)
{
    char text[2 * CM_NAME_SIZE + 4];
    return cm_csv_write_field(field, text, sizeof text) && fprintf(out, "%s%c", text, after) > 0;
}

static bool write_links(const import *m, FILE *out)
{
    size_t count;
    const cm_import_home *homes = cm_homes_file_homes(m->homes, &count);
    bool is_written = fprintf(out, "home,owner,link\r\n") > 0;
    for (size_t i = 0; is_written && i < count; i++)
        is_written =
            write_field(out, homes[i].name, ',') && write_field(out, homes[i].label, ',') &&
            fprintf(out, "%s/#join=%s\r\n", m->url != NULL ? m->url : "", m->tokens[i].text) > 0;
    return is_written && fflush(out) == 0;
}

/* Before anything is made: a link that could not be kept is lost. The file is its owner's alone. */
static int keep_links(const import *m)
{
    const int fd = open(m->links, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return cm_desk_refuse(COMMAND, "%s: %s", m->links, strerror(errno));
    FILE *out = fdopen(fd, "wb");
    if (out == NULL) {
        close(fd);
        unlink(m->links);
        return cm_desk_refuse(COMMAND, "not enough memory");
    }
    const bool is_kept = fchmod(fd, 0600) == 0 && write_links(m, out) && fsync(fd) == 0;
    if (fclose(out) == 0 && is_kept)
        return CM_EXIT_OK;
    unlink(m->links);
    return cm_desk_refuse(COMMAND, "%s can't be written", m->links);
}

/* ---- making them ---- */

/* Each home, and the invitation of its first owner; what cameras it began with is in the store. */
static void tell_made(const cm_desk *desk, const cm_stored_invitation *made, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cm_audit_entry entries[] = {
            {.kind = CM_AUDIT_HOME_ADDED, .home = made[i].home},
            {.kind = CM_AUDIT_INVITATION_MADE, .home = made[i].home, .value = made[i].role},
        };
        cm_slice_copy(cm_slice_over(made[i].id, CM_ID_SIZE), entries[1].other,
                      sizeof entries[1].other);
        cm_desk_tell(desk, entries, CM_COUNT(entries));
    }
}

static cm_status make(const cm_desk *desk, const import *m)
{
    cm_import all = {.expires = {.us = desk->now.us + CM_SECONDS(86400) * (int64_t)m->days.value}};
    all.homes = cm_homes_file_homes(m->homes, &all.count);
    cm_stored_invitation *made = calloc(all.count, sizeof *made);
    CM_ENSURE(made != NULL, CM_BROKEN);
    const cm_status status = cm_store_homes_import(desk->store, &all, desk->now, made);
    if (status == CM_OK)
        tell_made(desk, made, all.count);
    free(made);
    return status;
}

static int import_homes(const cm_desk *desk, import *m)
{
    size_t count;
    cm_import_home *homes = cm_homes_file_homes(m->homes, &count);
    cm_random random = cm_random_system();
    for (size_t i = 0; i < count; i++) {
        cm_token_make(&random, CM_TOKEN_INVITATION, &m->tokens[i]);
        cm_slice_copy(cm_slice_over(m->tokens[i].hash, CM_MAC_SIZE), homes[i].token_hash,
                      CM_MAC_SIZE);
    }
    const int code = m->links != NULL ? keep_links(m) : CM_EXIT_OK;
    if (code != CM_EXIT_OK)
        return code;
    const cm_status status = make(desk, m);
    if (status != CM_OK) {
        if (m->links != NULL)
            unlink(m->links);
        return cm_desk_failed(COMMAND, status, "", "nothing was made: a value can't be used");
    }
    fprintf(stderr, "%zu homes, %zu cameras\n", count, cm_homes_file_camera_count(m->homes));
    if (m->links == NULL && !write_links(m, stdout))
        return cm_desk_refuse(COMMAND, "the homes are made, but their links could not be printed");
    return cm_desk_end_output(COMMAND);
}

static int run(import *m)
{
    int code = read_text(m);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open(COMMAND, &m->place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = judge(&desk, m);
    size_t count;
    if (code == CM_EXIT_OK && m->only_checks) {
        (void)cm_homes_file_homes(m->homes, &count);
        printf("%zu homes, %zu cameras: fine\n", count, cm_homes_file_camera_count(m->homes));
        code = cm_desk_end_output(COMMAND);
    } else if (code == CM_EXIT_OK) {
        code = import_homes(&desk, m);
    }
    cm_desk_close(&desk);
    return code;
}

int cm_command_home_import(int argc, char **argv)
{
    enum { DAYS = 7, DAYS_MAX = 30 };
import m = {.days = {.value = DAYS, .least = 1, .most = DAYS_MAX } };
    const cm_option options[] = {
        CM_DESK_OPTIONS(m.place),
        {"links", CM_OPTION_TEXT, &m.links,
         "a file to be made for the owners' links, readable by you alone (standard output)", "FILE",
         false, '\0'},
        {"url", CM_OPTION_TEXT, &m.url, "the server's address, that the links begin with", "URL",
         false, '\0'},
        {"days", CM_OPTION_NUMBER, &m.days, "how long the links hold: 1 to 30 (7)", "N", false,
         '\0'},
        {"check", CM_OPTION_FLAG, &m.only_checks, "only say what is wrong with the file", NULL,
         false, '\0'},
        {"FILE", CM_OPTION_OPERAND, &m.file,
         "comma-separated values; the first line names the columns: home, owner, camera, address, "
         "sub, user, password",
         NULL, true, '\0'},
    };
    const cm_usage usage = {COMMAND,
                            "Makes all homes of a file, or none, each with a link for its first "
                            "owner.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    code = run(&m);
    clear_import(&m);
    return code;
}
