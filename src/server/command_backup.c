/* `casement backup` and `casement restore`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/backup.h"
#include "server/desk.h"
#include "server/restore.h"
#include "store/files.h"
#include "store/keyfile.h"

enum { PASSPHRASE_LEAST = 12 };

static cm_wall wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (cm_wall){.us = CM_SECONDS(now.tv_sec) + now.tv_nsec / 1000};
}

static void write_time(cm_wall when, char out[32])
{
    const time_t seconds = (time_t)(when.us / CM_SECONDS(1));
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* ---- backup ---- */

/* The file takes its name when it is whole and on the disk; until then it is draft. */
typedef struct target {
    const char *path; /* "-": standard output */
    char draft[PATH_MAX];
    int fd;
    uint64_t written;
    int error; /* errno of what failed */
} target;

static void end_target(const target *t)
{
    if (t->fd < 0 || t->fd == STDOUT_FILENO)
        return;
    close(t->fd);
    if (t->draft[0] != '\0')
        unlink(t->draft);
}

static cm_status write_target(void *owner, cm_slice bytes)
{
    target *t = owner;
    while (bytes.size > 0) {
        const ssize_t size = write(t->fd, bytes.bytes, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0) {
            t->error = size < 0 ? errno : EIO;
            return CM_BROKEN;
        }
        t->written += (uint64_t)size;
        bytes = cm_slice_from(bytes, (size_t)size);
    }
    return CM_OK;
}

static int open_target(target *t)
{
    if (strcmp(t->path, "-") == 0) {
        t->fd = STDOUT_FILENO;
        return isatty(t->fd) ? cm_desk_misused("backup", "standard output is a terminal: a backup "
                                                         "is no text; give a file's name")
                             : CM_EXIT_OK;
    }
    const int size = snprintf(t->draft, sizeof t->draft, "%s.XXXXXX.part", t->path);
    if (size < 0 || (size_t)size >= sizeof t->draft)
        return cm_desk_misused("backup", "the file's name is too long");
    t->fd = mkostemps(t->draft, (int)strlen(".part"), O_CLOEXEC);
    if (t->fd >= 0)
        return CM_EXIT_OK;
    t->draft[0] = '\0';
    return cm_desk_refuse("backup", "%s: %s", t->path, strerror(errno));
}

static int finish_target(target *t)
{
    if (t->fd == STDOUT_FILENO)
        return CM_EXIT_OK;
    if (fsync(t->fd) != 0 || rename(t->draft, t->path) != 0)
        return cm_desk_refuse("backup", "%s: %s", t->path, strerror(errno));
    t->draft[0] = '\0';
    return cm_files_sync_parent(t->path) == CM_OK
               ? CM_EXIT_OK
               : cm_desk_refuse("backup", "%s: its folder can't be synced", t->path);
}

static void show(void *owner, uint64_t done, uint64_t all)
{
    (void)owner;
    fprintf(stderr, "\rdatabase %3u %%%s", (unsigned)(all > 0 ? done * 100 / all : 100),
            done == all ? "\n" : "");
}

static void tell_about_key(bool has_key)
{
    if (has_key)
        fprintf(stderr, "The master key is in it, sealed under the passphrase. Without the "
                        "passphrase nobody can use this backup, and with it anybody can.\n");
    else
        fprintf(stderr,
                "The master key is NOT in it, and without that key this backup is worth nothing. "
                "Keep a copy of the key apart from it, once: master.key of the data directory, or "
                "the file behind the credential casement-master-key: on paper or on a medium of "
                "its own.\n");
}

static int write_backup(const char *directory, target *t, cm_slice passphrase)
{
    const cm_store_progress progress = {.on_part = show};
    char message[CM_STORE_MESSAGE_SIZE];
    const cm_backup_config config = {.directory = directory,
                                     .passphrase = passphrase,
                                     .now = wall_now(),
                                     .sink = {write_target, t},
                                     .progress = isatty(STDERR_FILENO) ? &progress : NULL};
    if (cm_backup_write(&config, message) != CM_OK)
        return t->error != 0 ? cm_desk_refuse("backup", "%s: %s", t->path, strerror(t->error))
                             : cm_desk_refuse("backup", "%s", message);
    const int code = finish_target(t);
    if (code == CM_EXIT_OK)
        tell_about_key(passphrase.size > 0);
    return code;
}

/* Into `out`, which the caller wipes. */
static int read_passphrase(const char *command, const char *file, bool is_fresh,
                           char out[CM_DESK_PASSWORD_SIZE])
{
    const cm_desk_password ask = {file, "Passphrase of the backup", is_fresh};
    const int code = cm_desk_read_password(command, &ask, out);
    if (code == CM_EXIT_OK && is_fresh && strlen(out) < PASSPHRASE_LEAST)
        return cm_desk_misused(command,
                               "the passphrase must have %d bytes at least: it stands "
                               "between a lost backup and the house's cameras",
                               PASSPHRASE_LEAST);
    return code;
}

static int back_up(const char *directory, const char *path, bool has_key, const char *file)
{
    char passphrase[CM_DESK_PASSWORD_SIZE] = "";
    CM_AUTO(end_target) target t = {.path = path, .fd = -1};
    int code = has_key ? read_passphrase("backup", file, true, passphrase) : CM_EXIT_OK;
    if (code == CM_EXIT_OK)
        code = open_target(&t);
    if (code == CM_EXIT_OK)
        code = write_backup(directory, &t, cm_slice_of(passphrase));
    cm_secret_wipe(passphrase, sizeof passphrase);
    return code;
}

int cm_command_backup(int argc, char **argv)
{
    const char *directory = CM_DESK_DATA;
    const char *path = NULL;
    const char *file = NULL;
    bool has_key = false;
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
        {"with-key", CM_OPTION_FLAG, &has_key,
         "with the master key in it, all sealed under a passphrase", NULL, false, '\0'},
        {"password-file", CM_OPTION_TEXT, &file,
         "where the passphrase stands, instead of the terminal (-: standard input)", "FILE", false,
         '\0'},
        {"FILE", CM_OPTION_OPERAND, &path, "the backup; -: standard output", NULL, true, '\0'},
    };
    const cm_usage usage = {"backup",
                            "Makes a backup of the data directory, also while the server "
                            "runs.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    if (file != NULL && !has_key)
        return cm_desk_misused("backup", "--password-file goes with --with-key");
    cm_log_set_level(CM_LOG_WARN);
    /* A limit on the size of files is a failed write, so that what was begun is removed. */
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    return back_up(directory, path, has_key, file);
}

/* ---- restore ---- */

typedef struct ask {
    const char *directory;
    const char *path;
    const char *key_file;
    const char *password_file;
    bool replaces;
} ask;

static cm_status read_source(void *owner, uint8_t *out, size_t capacity, size_t *size_out)
{
    const int *fd = owner;
    *size_out = 0;
    while (*size_out < capacity) {
        const ssize_t size = read(*fd, out + *size_out, capacity - *size_out);
        if (size < 0 && errno == EINTR)
            continue;
        CM_ENSURE(size >= 0, CM_BROKEN);
        if (size == 0)
            break;
        *size_out += (size_t)size;
    }
    return CM_OK;
}

/* Where the key for it is, and whether it is to be written beside the database. */
static int find_master(const ask *a, const cm_archive_head *head, cm_secret *out, bool *is_file)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    const cm_keyfile_fault fault = {message, sizeof message};
    char path[PATH_MAX];
    cm_status status = CM_ABSENT;
    *is_file = true;
    if (a->key_file != NULL)
        status = cm_keyfile_read_file(a->key_file, fault, out);
    else if (cm_files_join(a->directory, CM_BACKUP_KEY, path) == CM_OK)
        status = cm_keyfile_read_file(path, fault, out);
    if (status == CM_ABSENT && a->key_file == NULL) {
        *is_file = false;
        status = cm_keyfile_read(a->directory, fault, out);
    }
    if (status == CM_ABSENT)
        return cm_desk_refuse("restore",
                              "the master key is not in this backup: give the copy that was kept "
                              "of master.key with --key-file FILE");
    if (status != CM_OK)
        return cm_desk_refuse("restore", "%s", message);
    uint8_t check[CM_MAC_SIZE];
    cm_keyfile_check(out, check);
    return cm_slice_equal(cm_slice_over(check, sizeof check),
                          cm_slice_over(head->key_check, sizeof head->key_check))
               ? CM_EXIT_OK
               : cm_desk_refuse("restore",
                                "the master key %s is not that of the server whose "
                                "backup this is",
                                a->key_file != NULL ? a->key_file : "of the data directory");
}

static int unlock(cm_archive_reader *reader, const cm_archive_head *head, cm_slice by)
{
    CM_AUTO(cm_secret_clear) cm_secret key = {{0}};
    if (cm_archive_key(head, by, &key) != CM_OK)
        return cm_desk_refuse("restore",
                              "there are not the %u MiB of memory that the passphrase "
                              "takes",
                              head->memory_mib);
    return cm_archive_unlock(reader, &key) == CM_OK
               ? CM_EXIT_OK
               : cm_desk_refuse("restore", "the backup: %s", cm_archive_fault(reader));
}

static int unlock_by_passphrase(const ask *a, cm_archive_reader *reader,
                                const cm_archive_head *head)
{
    char passphrase[CM_DESK_PASSWORD_SIZE] = "";
    int code = read_passphrase("restore", a->password_file, false, passphrase);
    if (code == CM_EXIT_OK)
        code = unlock(reader, head, cm_slice_of(passphrase));
    cm_secret_wipe(passphrase, sizeof passphrase);
    return code;
}

static void print_given(const cm_restored *restored)
{
    size_t more = 0;
    printf("What it gives:\n");
    for (size_t i = 0; i < restored->given.count; i++) {
        const char *line = restored->given.lines[i];
        const bool is_more = restored->has_replaced && !cm_given_has(&restored->replaced, line);
        printf("%c %s\n", is_more ? '!' : ' ', line);
        more += is_more ? 1 : 0;
    }
    if (!restored->has_replaced)
        printf(
            "What was taken away after it was made can't be known here: go through this list.\n");
    else if (more > 0)
        printf("%zu of these, marked with !, were not so any more: what was taken away after the "
               "backup was made is given again. Go through them before anybody signs in.\n",
               more);
    else
        printf("All of this was so before, too: nothing that was taken away is given again.\n");
}

static int tell(const ask *a, const cm_archive_head *head, const cm_restored *restored)
{
    char when[32];
    write_time(head->created, when);
    printf("%s is restored from the backup of %s, made by casement %s.\n", a->directory, when,
           head->version);
    if (restored->aside[0] != '\0')
        printf("What was there is kept in %s: remove it when it is not wanted any more.\n",
               restored->aside);
    printf("Everybody is signed out; all API tokens, passkeys and recovery codes are revoked. "
           "Passwords are those of the backup.\n");
    print_given(restored);
    return cm_desk_end_output("restore");
}

static int run_restore(const ask *a, cm_archive_reader *reader)
{
    cm_archive_head head;
    if (cm_archive_read_head(reader, &head) != CM_OK)
        return cm_desk_refuse("restore", "%s: %s", a->path, cm_archive_fault(reader));
    CM_AUTO(cm_secret_clear) cm_secret master = {{0}};
    bool is_file = false;
    int code;
    if (head.lock == CM_ARCHIVE_BY_PASSPHRASE)
        code = unlock_by_passphrase(a, reader, &head);
    else if ((code = find_master(a, &head, &master, &is_file)) == CM_EXIT_OK)
        code = unlock(reader, &head, cm_secret_borrow(&master));
    if (code != CM_EXIT_OK)
        return code;
    const cm_restore_config config = {.reader = reader,
                                      .directory = a->directory,
                                      .replaces = a->replaces,
                                      .master = is_file ? &master : NULL,
                                      .now = wall_now()};
    char message[CM_STORE_MESSAGE_SIZE];
    CM_AUTO(cm_restored_clear) cm_restored restored = {.has_replaced = false};
    if (cm_restore_run(&config, message, &restored) != CM_OK)
        return cm_desk_refuse("restore", "%s", message);
    return tell(a, &head, &restored);
}

static int restore(const ask *a)
{
    CM_AUTO(cm_file_close) int fd = open(a->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cm_desk_refuse("restore", "%s: %s", a->path, strerror(errno));
    cm_archive_reader *reader = NULL;
    if (cm_archive_open((cm_archive_source){read_source, &fd}, &reader) != CM_OK)
        return cm_desk_refuse("restore", "%s: it can't be read", a->path);
    const int code = run_restore(a, reader);
    cm_archive_reader_destroy(reader);
    return code;
}

int cm_command_restore(int argc, char **argv)
{
    ask a = {.directory = CM_DESK_DATA};
    const cm_option options[] = {
        {"data", CM_OPTION_TEXT, &a.directory, "the server's data directory (" CM_DESK_DATA ")",
         "DIR", false, '\0'},
        {"replace", CM_OPTION_FLAG, &a.replaces,
         "also if something is in the directory: it is put aside and kept", NULL, false, '\0'},
        {"key-file", CM_OPTION_TEXT, &a.key_file,
         "the kept copy of master.key, if the backup is without it and the directory too", "FILE",
         false, '\0'},
        {"password-file", CM_OPTION_TEXT, &a.password_file,
         "where the passphrase stands, instead of the terminal (-: standard input)", "FILE", false,
         '\0'},
        {"FILE", CM_OPTION_OPERAND, &a.path, "the backup", NULL, true, '\0'},
    };
    const cm_usage usage = {"restore",
                            "Puts a backup into the data directory, with the server stopped.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_log_set_level(CM_LOG_ERROR);
    (void)signal(SIGXFSZ, SIG_IGN);
    return restore(&a);
}
