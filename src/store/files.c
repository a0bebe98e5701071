#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { HOLD_STEP_MS = 20, COPY_SIZE = 65536 };

/* ---- who works on it ---- */

cm_status cm_files_hold_otherwise(int fd, cm_hold hold)
{
    const int how = (hold == CM_HOLD_ALONE ? LOCK_EX : LOCK_SH) | LOCK_NB;
    for (int waited_ms = 0; flock(fd, how) != 0; waited_ms += HOLD_STEP_MS) {
        CM_ENSURE(errno == EWOULDBLOCK || errno == EINTR, CM_BROKEN);
        CM_ENSURE(waited_ms < CM_HOLD_WAIT_MS, CM_RETRY);
        usleep(HOLD_STEP_MS * 1000);
    }
    return CM_OK;
}

/* Between opening and holding it, another directory may have taken its name. */
static bool is_still_named(int fd, const char *directory)
{
    struct stat held;
    struct stat named;
    return fstat(fd, &held) == 0 && stat(directory, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

cm_status cm_files_hold(const char *directory, cm_hold hold, int *fd_out)
{
    CM_AUTO(cm_file_close) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, errno == ENOENT ? CM_ABSENT : CM_BROKEN);
    CM_TRY(cm_files_hold_otherwise(fd, hold));
    CM_ENSURE(is_still_named(fd, directory), CM_RETRY);
    *fd_out = fd;
    fd = -1;
    return CM_OK;
}

/* ---- paths and bytes ---- */

cm_status cm_files_join(const char *directory, const char *name, char out[PATH_MAX])
{
    const int size = snprintf(out, PATH_MAX, "%s/%s", directory, name);
    return size > 0 && size < PATH_MAX ? CM_OK : CM_REFUSE;
}

cm_status cm_files_copy(int from, int to)
{
    uint8_t bytes[COPY_SIZE];
    for (off_t offset = 0;;) {
        const ssize_t size = pread(from, bytes, sizeof bytes, offset);
        if (size < 0 && errno == EINTR)
            continue;
        CM_ENSURE(size >= 0, CM_BROKEN);
        if (size == 0)
            return CM_OK;
        CM_TRY(cm_file_write(to, cm_slice_over(bytes, (size_t)size), (uint64_t)offset));
        offset += size;
    }
}

cm_status cm_files_give(int fd, const char *directory)
{
    struct stat owner;
    if (geteuid() != 0)
        return CM_OK;
    return stat(directory, &owner) == 0 && fchown(fd, owner.st_uid, owner.st_gid) == 0 ? CM_OK
                                                                                       : CM_BROKEN;
}

cm_status cm_files_sync_directory(const char *directory)
{
    CM_AUTO(cm_file_close) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? CM_OK : CM_BROKEN;
}

cm_status cm_files_sync_parent(const char *path)
{
    char parent[PATH_MAX];
    CM_TRY(cm_slice_to_cstr(cm_slice_of(path), parent, sizeof parent));
    size_t size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/')
        parent[--size] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        return cm_files_sync_directory(".");
    slash[slash == parent ? 1 : 0] = '\0';
    return cm_files_sync_directory(parent);
}
