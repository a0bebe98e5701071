#include "audit/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { DIGITS = 8 };

const char *cm_audit_name(uint64_t sequence, const char *kind, char out[CM_AUDIT_NAME_SIZE])
{
    snprintf(out, CM_AUDIT_NAME_SIZE, "%0*" PRIu64 ".%s", DIGITS, sequence % 100000000, kind);
    return out;
}

cm_status cm_audit_open_directory(const char *path, int *out)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, errno == ENOENT ? CM_ABSENT : CM_BROKEN);
    *out = fd;
    return CM_OK;
}

/* ---- which segments there are ---- */

static bool read_sequence(const char *name, uint64_t *out)
{
    const cm_slice text = cm_slice_of(name);
    return text.size == DIGITS + 4 && cm_slice_ends(text, CM_TEXT(".log")) &&
           cm_slice_to_u64(cm_slice_part(text, 0, DIGITS), UINT64_MAX, out) == CM_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void cm_audit_sequences_clear(cm_audit_sequences *sequences)
{
    free(sequences->items);
    *sequences = (cm_audit_sequences){.count = 0};
}

static cm_status add_sequence(cm_audit_sequences *sequences, uint64_t sequence)
{
    uint64_t *items =
        reallocarray(sequences->items, sequences->count + 1, sizeof *sequences->items);
    CM_ENSURE(items != NULL, CM_BROKEN);
    items[sequences->count++] = sequence;
    sequences->items = items;
    return CM_OK;
}

cm_status cm_audit_list(int directory, cm_audit_sequences *out)
{
    const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    CM_AUTO(cm_file_close_directory) DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        close(fd);
        return CM_BROKEN;
    }
    cm_audit_sequences found = {.count = 0};
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        uint64_t sequence;
        if (read_sequence(entry->d_name, &sequence) && add_sequence(&found, sequence) != CM_OK) {
            cm_audit_sequences_clear(&found);
            return CM_BROKEN;
        }
    }
    if (found.count > 0)
        qsort(found.items, found.count, sizeof *found.items, by_number);
    *out = found;
    return CM_OK;
}

/* ---- reading and writing ---- */

void cm_audit_bytes_clear(cm_audit_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (cm_audit_bytes){.size = 0};
}

static cm_status read_into(int fd, cm_audit_bytes *out)
{
    size_t size = 0;
    while (size < out->size) {
        const ssize_t got = pread(fd, out->bytes + size, out->size - size, (off_t)size);
        if (got < 0 && errno == EINTR)
            continue;
        CM_ENSURE(got >= 0, CM_BROKEN);
        if (got == 0)
            break; /* shorter than it was a moment ago */
        size += (size_t)got;
    }
    out->size = size;
    return CM_OK;
}

cm_status cm_audit_read(int directory, const char *name, size_t size_max, cm_audit_bytes *out)
{
    CM_AUTO(cm_file_close) const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, errno == ENOENT ? CM_ABSENT : CM_BROKEN);
    struct stat info;
    CM_ENSURE(fstat(fd, &info) == 0 && info.st_size <= CM_AUDIT_FILE_MAX, CM_BROKEN);
    cm_audit_bytes all = {.size =
                              (size_t)info.st_size < size_max ? (size_t)info.st_size : size_max};
    all.bytes = malloc(all.size + 1);
    CM_ENSURE(all.bytes != NULL, CM_BROKEN);
    const cm_status status = read_into(fd, &all);
    if (status != CM_OK) {
        cm_audit_bytes_clear(&all);
        return status;
    }
    *out = all;
    return CM_OK;
}

cm_status cm_audit_write_whole(int directory, const char *name, cm_slice bytes)
{
    static const char DRAFT[] = "draft";
    CM_AUTO(cm_file_close)
    const int fd = openat(directory, DRAFT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    CM_TRY(cm_file_write(fd, bytes, 0));
    CM_ENSURE(fdatasync(fd) == 0 && renameat(directory, DRAFT, directory, name) == 0, CM_BROKEN);
    return fsync(directory) == 0 ? CM_OK : CM_BROKEN;
}
