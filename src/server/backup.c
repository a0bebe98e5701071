#include "server/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "store/files.h"
#include "store/keyfile.h"

/* Not `generation`: it says how new the database beside it has to be, and a restored one is taken
 * over above whatever that was. Not kept copies from before an upgrade. */
static const cm_backup_part PARTS[] = {
    {CM_BACKUP_DATABASE, 0600, false},
    {CM_BACKUP_KEY, 0600, false}, /* only under a passphrase */
    {"ca.crt", 0644, false},
    {"ca.key", 0600, false},
    {"server.crt", 0644, false},
    {"server.key", 0600, false},
    {"audit", 0600, true},
    {"passwords.list", 0600, false},
};

/* A file's name that stays in its folder and is not one of those that are being written. */
static bool is_plain_name(cm_slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.bytes[i] == '/' || name.bytes[i] <= ' ' || name.bytes[i] > '~')
            return false;
    return name.size > 0 && name.bytes[0] != '.';
}

const cm_backup_part *cm_backup_part_of(const char *name)
{
    cm_slice rest = cm_slice_of(name);
    const bool is_inside = cm_slice_find(rest, '/') < rest.size;
    const cm_slice first = cm_slice_cut(&rest, '/');
    for (size_t i = 0; i < CM_COUNT(PARTS); i++)
        if (cm_slice_equal(first, cm_slice_of(PARTS[i].name)))
            return PARTS[i].is_folder == is_inside && (!is_inside || is_plain_name(rest))
                       ? &PARTS[i]
                       : NULL;
    return NULL;
}

typedef struct making {
    const cm_backup_config *config;
    char *message;
    cm_store *store;
    cm_secret master;
    cm_archive_writer *writer;
} making;

static void end(making *m)
{
    cm_archive_writer_destroy(m->writer);
    cm_store_close(m->store);
    cm_secret_clear(&m->master);
}

static cm_status say(const making *m, const char *what, const char *why)
{
    snprintf(m->message, CM_STORE_MESSAGE_SIZE, "%.240s: %.260s", what, why);
    return CM_BROKEN;
}

/* ---- parts ---- */

static cm_status add_bytes(const making *m, int fd, const char *name, uint64_t size)
{
    uint8_t bytes[CM_ARCHIVE_DATA_SIZE];
    off_t offset = 0;
    while ((uint64_t)offset < size) {
        const uint64_t left = size - (uint64_t)offset;
        const ssize_t got =
            pread(fd, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return say(m, name,
                       got == 0 ? "it became shorter while it was read; try again"
                                : strerror(errno));
        CM_TRY(cm_archive_add(m->writer, cm_slice_over(bytes, (size_t)got)));
        offset += got;
    }
    return CM_OK;
}

/* As long as it is at this moment: what only grows is whole up to there. */
static cm_status add_open_file(const making *m, int fd, const char *name)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return say(m, name, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return CM_OK;
    CM_TRY(cm_archive_begin_part(m->writer, name, (uint64_t)info.st_size));
    return add_bytes(m, fd, name, (uint64_t)info.st_size);
}

static cm_status add_file(const making *m, const char *name)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(m->config->directory, name, path));
    CM_AUTO(cm_file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? CM_OK : say(m, path, strerror(errno));
    return add_open_file(m, fd, name);
}

static cm_status add_folder(const making *m, const char *name)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(m->config->directory, name, path));
    CM_AUTO(cm_file_close_directory) DIR *entries = opendir(path);
    if (entries == NULL)
        return errno == ENOENT ? CM_OK : say(m, path, strerror(errno));
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) {
        char inside[CM_ARCHIVE_NAME_SIZE];
        if (!is_plain_name(cm_slice_of(e->d_name)))
            continue;
        const int size = snprintf(inside, sizeof inside, "%s/%s", name, e->d_name);
        if (size < 0 || (size_t)size >= sizeof inside)
            return say(m, e->d_name, "the name is too long for a backup");
        CM_TRY(add_file(m, inside));
    }
    return CM_OK;
}

static cm_status add_database(const making *m)
{
    CM_AUTO(cm_file_close) int fd = -1;
    if (cm_store_snapshot(m->store, m->config->progress, &fd) != CM_OK)
        return say(m, m->config->directory,
                   "the database can't be copied; is there room for it once more?");
    return add_open_file(m, fd, CM_BACKUP_DATABASE);
}

static cm_status add_key(const making *m)
{
    char text[CM_HEX_SIZE(CM_SECRET_SIZE)];
    CM_TRY(cm_text_to_hex(cm_secret_borrow(&m->master), text, sizeof text));
    cm_status status = cm_archive_begin_part(m->writer, CM_BACKUP_KEY, sizeof text - 1);
    if (status == CM_OK)
        status = cm_archive_add(m->writer, cm_slice_over(text, sizeof text - 1));
    cm_secret_wipe(text, sizeof text);
    return status;
}

/* The database first: what the other files say of it may then only be newer. */
static cm_status add_part(const making *m, const cm_backup_part *part)
{
    if (cm_slice_equal(cm_slice_of(part->name), CM_TEXT(CM_BACKUP_DATABASE)))
        return add_database(m);
    if (cm_slice_equal(cm_slice_of(part->name), CM_TEXT(CM_BACKUP_KEY)))
        return m->config->passphrase.size > 0 ? add_key(m) : CM_OK;
    return part->is_folder ? add_folder(m, part->name) : add_file(m, part->name);
}

/* ---- the whole ---- */

static cm_status open_directory(making *m)
{
    const cm_keyfile_fault fault = {m->message, CM_STORE_MESSAGE_SIZE};
    const cm_store_config config = {.directory = m->config->directory, .must_exist = true};
    CM_TRY(cm_store_open(&config, m->message, &m->store));
    return cm_keyfile_read(m->config->directory, fault, &m->master);
}

static cm_status begin(making *m)
{
    const bool has_passphrase = m->config->passphrase.size > 0;
    cm_archive_head head = {.lock = has_passphrase ? CM_ARCHIVE_BY_PASSPHRASE : CM_ARCHIVE_BY_KEY,
                            .created = m->config->now,
                            .version = CM_VERSION};
    cm_random random = cm_random_system();
    cm_random_fill(&random, head.salt, sizeof head.salt);
    cm_keyfile_check(&m->master, head.key_check);
    if (has_passphrase) {
        head.passes = m->config->passes > 0 ? m->config->passes : CM_BACKUP_PASSES;
        head.memory_mib = m->config->memory_mib > 0 ? m->config->memory_mib : CM_BACKUP_MEMORY_MIB;
    }
    CM_AUTO(cm_secret_clear) cm_secret key = {{0}};
    if (cm_archive_key(&head, has_passphrase ? m->config->passphrase : cm_secret_borrow(&m->master),
                       &key) != CM_OK)
        return say(m, "the passphrase", "there is not enough memory to stretch it");
    return cm_archive_begin(&head, &key, m->config->sink, &m->writer);
}

static cm_status write_all(making *m)
{
    CM_TRY(begin(m));
    for (size_t i = 0; i < CM_COUNT(PARTS); i++)
        CM_TRY(add_part(m, &PARTS[i]));
    return cm_archive_end(m->writer);
}

cm_status cm_backup_write(const cm_backup_config *config, char message[CM_STORE_MESSAGE_SIZE])
{
    message[0] = '\0';
    CM_AUTO(end) making m = {.config = config, .message = message};
    cm_status status = open_directory(&m);
    if (status == CM_OK)
        status = write_all(&m);
    if (status != CM_OK && message[0] == '\0')
        snprintf(message, CM_STORE_MESSAGE_SIZE, "the backup can't be written (%s)",
                 cm_status_name(status));
    return status;
}
