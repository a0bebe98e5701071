#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reader.h"
#include "base/text.h"
#include "store/files.h"

enum { HEX_SIZE = 2 * CM_SECRET_SIZE, SLOT_SIZE = 64, SLOTS = 2 };

static cm_status complain(cm_keyfile_fault fault, const char *sentence, const char *path)
{
    snprintf(fault.text, fault.capacity, sentence, path);
    return CM_REFUSE;
}
/* Sentences come from the few calls below, each with one %s. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static cm_status check_mode(const char *path, mode_t forbidden, cm_keyfile_fault fault)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? CM_ABSENT : complain(fault, "%s can't be looked at", path);
    if ((info.st_mode & forbidden) != 0)
        return complain(
            fault, "%s may be read or written by others; do `chmod 0600` on it and start again",
            path);
    return CM_OK;
}

cm_status cm_keyfile_check_mode(const char *path, cm_keyfile_fault fault)
{
    return check_mode(path, S_IRWXG | S_IRWXO, fault);
}

static cm_status read_key(const char *path, cm_keyfile_fault fault, cm_secret *out)
{
    CM_AUTO(cm_file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return complain(fault, "the master key %s can't be read", path);
    uint8_t text[HEX_SIZE + 2];
    const ssize_t size = read(fd, text, sizeof text);
    const cm_slice digits = cm_slice_trim(cm_slice_over(text, size > 0 ? (size_t)size : 0));
    const cm_status status = cm_text_from_hex(digits, out->bytes, sizeof out->bytes);
    cm_secret_wipe(text, sizeof text);
    if (status != CM_OK)
        return complain(fault, "%s holds no master key (64 hex digits)", path);
    return CM_OK;
}

cm_status cm_keyfile_read(const char *directory, cm_keyfile_fault fault, cm_secret *out)
{
    char path[PATH_MAX];
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (credentials != NULL && credentials[0] != '\0') {
        CM_TRY(cm_files_join(credentials, "casement-master-key", path));
        /* systemd gives the service's group read access by an ACL, which shows as 0440. */
        const cm_status mode = check_mode(path, S_IWGRP | S_IRWXO, fault);
        if (mode != CM_ABSENT)
            return mode == CM_OK ? read_key(path, fault, out) : mode;
    }
    CM_TRY(cm_files_join(directory, "master.key", path));
    return cm_keyfile_read_file(path, fault, out);
}

void cm_keyfile_check(const cm_secret *master, uint8_t out[CM_MAC_SIZE])
{
    CM_AUTO(cm_secret_clear) cm_secret check;
    cm_secret_derive(master, "key check", (cm_slice){.size = 0}, &check);
    cm_secret_hash(cm_secret_borrow(&check), out);
}

cm_status cm_keyfile_read_file(const char *path, cm_keyfile_fault fault, cm_secret *out)
{
    CM_TRY(cm_keyfile_check_mode(path, fault));
    return read_key(path, fault, out);
}

/* Under another name first: a key that is half there after a crash would lock everybody out. */
cm_status cm_keyfile_write(const char *directory, const cm_secret *key, cm_keyfile_fault fault)
{
    char path[PATH_MAX];
    char draft[PATH_MAX];
    CM_TRY(cm_files_join(directory, "master.key", path));
    CM_TRY(cm_files_join(directory, "master.key.draft", draft));
    unlink(draft);
    CM_AUTO(cm_file_close) int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return complain(fault, "the master key %s can't be made", path);
    char text[HEX_SIZE + 2];
    cm_status status = cm_text_to_hex(cm_secret_borrow(key), text, sizeof text);
    text[HEX_SIZE] = '\n';
    if (status == CM_OK)
        status = cm_file_write(fd, cm_slice_over(text, HEX_SIZE + 1), 0);
    cm_secret_wipe(text, sizeof text);
    if (status != CM_OK || fsync(fd) != 0 || link(draft, path) != 0 || unlink(draft) != 0 ||
        cm_files_sync_directory(directory) != CM_OK)
        return complain(fault, "the master key %s can't be written", path);
    return CM_OK;
}

cm_status cm_keyfile_make(const char *directory, cm_random *random, cm_keyfile_fault fault,
                          cm_secret *out)
{
    cm_random_fill(random, out->bytes, sizeof out->bytes);
    return cm_keyfile_write(directory, out, fault);
}

static void write_slot(cm_writer *w, const cm_secret *key, uint64_t generation)
{
    uint8_t mac[CM_MAC_SIZE];
    cm_write_u64(w, generation);
    cm_write_zeros(w, SLOT_SIZE - sizeof mac - 8);
    cm_secret_mac(key, cm_writer_done(w), mac);
    cm_write_slice(w, cm_slice_over(mac, sizeof mac));
}

static bool read_slot(cm_slice slot, const cm_secret *key, uint64_t *out)
{
    uint8_t mac[CM_MAC_SIZE];
    cm_secret_mac(key, cm_slice_part(slot, 0, SLOT_SIZE - sizeof mac), mac);
    if (!cm_secret_equal(cm_slice_from(slot, SLOT_SIZE - sizeof mac),
                         cm_slice_over(mac, sizeof mac)))
        return false;
    cm_reader r = cm_reader_over(slot);
    *out = cm_read_u64(&r);
    return true;
}

static cm_status read_generation(int fd, const cm_secret *key, uint64_t *out)
{
    uint8_t bytes[SLOT_SIZE * SLOTS];
    const ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    const cm_slice all = cm_slice_over(bytes, size > 0 ? (size_t)size : 0);
    bool has_one = false;
    uint64_t best = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        const cm_slice slot = cm_slice_part(all, i * SLOT_SIZE, SLOT_SIZE);
        uint64_t generation;
        if (slot.size == SLOT_SIZE && read_slot(slot, key, &generation)) {
            best = !has_one || generation > best ? generation : best;
            has_one = true;
        }
    }
    CM_ENSURE(has_one, CM_REFUSE);
    *out = best;
    return CM_OK;
}

cm_status cm_generation_read(const char *directory, const cm_secret *key, uint64_t *out)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(directory, "generation", path));
    CM_AUTO(cm_file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, errno == ENOENT ? CM_ABSENT : CM_BROKEN);
    return read_generation(fd, key, out);
}

/* Both slots at once: an empty file has none to fall back on. */
static cm_status make_generation(const char *directory, int fd, const cm_secret *key,
                                 uint64_t generation)
{
    uint8_t bytes[SLOT_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    write_slot(&w, key, generation);
    CM_TRY(cm_file_write(fd, cm_writer_done(&w), 0));
    CM_TRY(cm_file_write(fd, cm_writer_done(&w), SLOT_SIZE));
    CM_ENSURE(fsync(fd) == 0, CM_BROKEN);
    return cm_files_sync_directory(directory);
}

cm_status cm_generation_raise(const char *directory, const cm_secret *key, uint64_t generation)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(directory, "generation", path));
    CM_AUTO(cm_file_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CM_ENSURE(fd >= 0 && flock(fd, LOCK_EX) == 0, CM_BROKEN);
    uint64_t present;
    if (read_generation(fd, key, &present) != CM_OK)
        return make_generation(directory, fd, key, generation);
    if (present >= generation)
        return CM_OK;
    uint8_t bytes[SLOT_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    write_slot(&w, key, generation);
    /* The slot that does not hold the present one is overwritten. */
    uint8_t first[SLOT_SIZE];
    uint64_t in_first = 0;
    const bool first_holds = pread(fd, first, sizeof first, 0) == (ssize_t)sizeof first &&
                             read_slot(cm_slice_over(first, sizeof first), key, &in_first) &&
                             in_first == present;
    CM_TRY(cm_file_write(fd, cm_writer_done(&w), first_holds ? SLOT_SIZE : 0));
    return fdatasync(fd) == 0 ? CM_OK : CM_BROKEN;
}
