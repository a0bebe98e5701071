#include "server/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "server/backup.h"
#include "store/files.h"
#include "store/keyfile.h"

typedef struct restoring {
    const cm_restore_config *config;
    char *message;
    cm_restored *out;
    char directory[PATH_MAX]; /* without links and slashes at its end */
    bool is_there;
    bool is_empty;
    struct stat owner; /* of the directory, if it is there */
    int hold;
    char stage[PATH_MAX]; /* "" while it is not there */
    bool has_database;
} restoring;

static cm_status say(const restoring *r, const char *what, const char *why)
{
    snprintf(r->message, CM_STORE_MESSAGE_SIZE, "%.240s: %.260s", what, why);
    return CM_REFUSE;
}

/* A folder of ours with at most one level of folders in it. */
static void remove_tree(const char *path, bool has_folders)
{
    CM_AUTO(cm_file_close_directory) DIR *entries = opendir(path);
    for (const struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
        char inside[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            cm_files_join(path, e->d_name, inside) != CM_OK)
            continue;
        if (unlink(inside) != 0 && has_folders)
            remove_tree(inside, false);
    }
    rmdir(path);
}

static void end(restoring *r)
{
    if (r->stage[0] != '\0')
        remove_tree(r->stage, true);
    cm_file_close(&r->hold);
}

/* ---- what is there ---- */

static bool is_empty(const char *path)
{
    CM_AUTO(cm_file_close_directory) DIR *entries = opendir(path);
    bool has_none = entries != NULL;
    for (const struct dirent *e; has_none && (e = readdir(entries)) != NULL;)
        has_none = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    return has_none;
}

static cm_status resolve(restoring *r)
{
    const char *given = r->config->directory;
    if (realpath(given, r->directory) != NULL)
        return CM_OK;
    if (errno != ENOENT)
        return say(r, given, strerror(errno));
    cm_slice path = cm_slice_of(given);
    while (path.size > 1 && path.bytes[path.size - 1] == '/')
        path.size--;
    return cm_slice_to_cstr(path, r->directory, sizeof r->directory) == CM_OK
               ? CM_OK
               : say(r, given, "the path is too long");
}

static cm_status look(restoring *r)
{
    CM_TRY(resolve(r));
    r->is_there = stat(r->directory, &r->owner) == 0;
    if (!r->is_there)
        return CM_OK;
    if (!S_ISDIR(r->owner.st_mode))
        return say(r, r->directory, "this is no directory");
    r->is_empty = is_empty(r->directory);
    if (!r->is_empty && !r->config->replaces)
        return say(r, r->directory,
                   "there is something in it; with --replace it is put aside and kept");
    return CM_OK;
}

/* For the list alone: what cannot be opened any more can still be replaced. */
static void read_replaced(restoring *r)
{
    char message[CM_STORE_MESSAGE_SIZE];
    cm_store *store = NULL;
    const cm_store_config config = {.directory = r->directory, .must_exist = true};
    if (!r->is_there || r->is_empty || cm_store_open(&config, message, &store) != CM_OK)
        return;
    r->out->has_replaced = cm_given_read(store, r->config->now, &r->out->replaced) == CM_OK;
    cm_store_close(store);
}

static cm_status hold(restoring *r)
{
    if (!r->is_there)
        return CM_OK;
    const cm_status status = cm_files_hold(r->directory, CM_HOLD_ALONE, &r->hold);
    if (status == CM_RETRY)
        return say(r, r->directory, "a server or a command works on it; stop it first");
    return status == CM_OK ? CM_OK : say(r, r->directory, "it can't be locked");
}

/* ---- making it ready ---- */

static cm_status make_stage(restoring *r)
{
    char stage[PATH_MAX];
    const int size = snprintf(stage, sizeof stage, "%s.restoring-XXXXXX", r->directory);
    if (size < 0 || (size_t)size >= sizeof stage)
        return say(r, r->directory, "the path is too long");
    if (mkdtemp(stage) == NULL) {
        snprintf(
            r->message, CM_STORE_MESSAGE_SIZE,
            "no directory can be made beside %.200s (%.80s); run this as root, or as who owns the "
            "folder above",
            r->directory, strerror(errno));
        return CM_REFUSE;
    }
    cm_slice_copy(cm_slice_over(stage, sizeof stage), r->stage, sizeof r->stage);
    return CM_OK;
}

static cm_status read_fault(const restoring *r, cm_status status)
{
    if (status != CM_REFUSE)
        return status == CM_OK ? CM_OK : say(r, "the backup", "it can't be read");
    return say(r, "the backup", cm_archive_fault(r->config->reader));
}

static cm_status write_part(const restoring *r, int fd, const char *name)
{
    off_t offset = 0;
    for (;;) {
        cm_slice bytes;
        CM_TRY(read_fault(r, cm_archive_read(r->config->reader, &bytes)));
        if (bytes.size == 0)
            return fsync(fd) == 0 ? CM_OK : say(r, name, strerror(errno));
        errno = 0;
        if (cm_file_write(fd, bytes, offset) != CM_OK)
            return say(r, name, errno != 0 ? strerror(errno) : "it can't be written");
        offset += (off_t)bytes.size;
    }
}

static cm_status make_folder(const restoring *r, const cm_backup_part *part)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(r->stage, part->name, path));
    return mkdir(path, 0700) == 0 || errno == EEXIST ? CM_OK : say(r, path, strerror(errno));
}

static cm_status take_part(restoring *r, const char *name)
{
    const cm_backup_part *part = cm_backup_part_of(name);
    if (part == NULL)
        return say(r, "the backup",
                   "it holds a part that this version of casement does not know; restore it with "
                   "the version that made it");
    if (part->is_folder)
        CM_TRY(make_folder(r, part));
    char path[PATH_MAX];
    CM_TRY(cm_files_join(r->stage, name, path));
    CM_AUTO(cm_file_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, part->mode);
    if (fd < 0)
        return say(r, path, strerror(errno));
    r->has_database = r->has_database || strcmp(name, CM_BACKUP_DATABASE) == 0;
    return write_part(r, fd, path);
}

static cm_status take_parts(restoring *r)
{
    for (;;) {
        char name[CM_ARCHIVE_NAME_SIZE];
        uint64_t size;
        const cm_status status = cm_archive_next(r->config->reader, name, &size);
        if (status == CM_ABSENT)
            return r->has_database ? CM_OK : say(r, "the backup", "there is no database in it");
        CM_TRY(read_fault(r, status));
        CM_TRY(take_part(r, name));
    }
}

/* So that it is taken over above what the directory had reached, if that is the same server's. */
static cm_status copy_generation(const restoring *r)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    CM_TRY(cm_files_join(r->directory, "generation", from));
    CM_TRY(cm_files_join(r->stage, "generation", to));
    CM_AUTO(cm_file_close) int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return errno == ENOENT || errno == ENOTDIR ? CM_OK : say(r, from, strerror(errno));
    CM_AUTO(cm_file_close) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return out >= 0 && cm_files_copy(in, out) == CM_OK ? CM_OK : say(r, to, "it can't be written");
}

static cm_status take_over(restoring *r)
{
    if (r->config->master != NULL)
        CM_TRY(cm_keyfile_write(r->stage, r->config->master,
                                (cm_keyfile_fault){r->message, CM_STORE_MESSAGE_SIZE}));
    CM_TRY(copy_generation(r));
    cm_store *store = NULL;
    const cm_store_config config = {.directory = r->stage, .must_exist = true, .is_put_back = true};
    CM_TRY(cm_store_open(&config, r->message, &store));
    cm_status status = cm_store_check(store);
    if (status == CM_OK)
        status = cm_given_read(store, r->config->now, &r->out->given);
    cm_store_close(store);
    return status == CM_OK ? CM_OK
                           : say(r, "the backup",
                                 "its database is damaged, or was changed by "
                                 "something other than casement");
}

/* As root, for the service's own user: who owned the directory owns what takes its place. */
static cm_status give_away(const restoring *r, const char *path, bool has_folders)
{
    if (geteuid() != 0 || !r->is_there || r->owner.st_uid == 0)
        return CM_OK;
    CM_AUTO(cm_file_close_directory) DIR *entries = opendir(path);
    for (const struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
        char inside[PATH_MAX];
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (cm_files_join(path, e->d_name, inside) != CM_OK || lstat(inside, &info) != 0 ||
            lchown(inside, r->owner.st_uid, r->owner.st_gid) != 0)
            return say(r, inside, "it can't be given to the directory's owner");
        if (S_ISDIR(info.st_mode) && has_folders)
            CM_TRY(give_away(r, inside, false));
    }
    return chown(path, r->owner.st_uid, r->owner.st_gid) == 0
               ? CM_OK
               : say(r, path, "it can't be given to the directory's owner");
}

/* ---- one step ---- */

static cm_status name_aside(const restoring *r, char out[PATH_MAX])
{
    const time_t now = (time_t)(r->config->now.us / CM_SECONDS(1));
    struct tm utc;
    char when[32] = "";
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    const int size = snprintf(out, PATH_MAX, "%s.replaced-%s", r->directory, when);
    return size > 0 && size < PATH_MAX ? CM_OK : CM_REFUSE;
}

static cm_status cannot_rename(const restoring *r)
{
    if (errno == EBUSY || errno == EXDEV)
        return say(r, r->directory,
                   "it is a place where a file system is mounted, which can't be replaced as a "
                   "whole: restore into a folder in it");
    return say(r, r->directory, strerror(errno));
}

static cm_status exchange(restoring *r)
{
    char aside[PATH_MAX];
    const bool keeps = r->is_there && !r->is_empty;
    if (name_aside(r, aside) != CM_OK)
        return say(r, r->directory, "the path is too long");
    if (renameat2(AT_FDCWD, r->stage, AT_FDCWD, r->directory, keeps ? RENAME_EXCHANGE : 0) != 0)
        return cannot_rename(r);
    /* From here on the restored one is in force: what fails below does not undo it. */
    char former[PATH_MAX];
    cm_slice_copy(cm_slice_over(r->stage, sizeof r->stage), former, sizeof former);
    r->stage[0] = '\0';
    if (keeps) {
        const bool is_named = access(aside, F_OK) != 0 && rename(former, aside) == 0;
        cm_slice_copy(cm_slice_over(is_named ? aside : former, PATH_MAX), r->out->aside,
                      sizeof r->out->aside);
    }
    CM_IGNORE(cm_files_sync_parent(r->directory), "both names are good ones after a crash");
    return CM_OK;
}

static cm_status run(restoring *r)
{
    CM_TRY(look(r));
    read_replaced(r);
    CM_TRY(hold(r));
    CM_TRY(make_stage(r));
    CM_TRY(take_parts(r));
    CM_TRY(take_over(r));
    CM_TRY(give_away(r, r->stage, true));
    if (cm_files_sync_directory(r->stage) != CM_OK)
        return say(r, r->stage, "it can't be synced to the disk");
    return exchange(r);
}

cm_status cm_restore_run(const cm_restore_config *config, char message[CM_STORE_MESSAGE_SIZE],
                         cm_restored *out)
{
    message[0] = '\0';
    *out = (cm_restored){.has_replaced = false};
    CM_AUTO(end) restoring r = {.config = config, .message = message, .out = out, .hold = -1};
    const cm_status status = run(&r);
    if (status != CM_OK)
        cm_restored_clear(out);
    if (status != CM_OK && message[0] == '\0')
        CM_IGNORE(say(&r, r.directory, "it can't be restored"), "the sentence alone is wanted");
    return status;
}

void cm_restored_clear(cm_restored *restored)
{
    cm_given_clear(&restored->given);
    cm_given_clear(&restored->replaced);
}
