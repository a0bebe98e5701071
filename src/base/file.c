#include "base/file.h"

#include <errno.h>
#include <unistd.h>

cm_status cm_file_write(int fd, cm_slice bytes, uint64_t offset)
{
    while (bytes.size > 0) {
        const ssize_t size = pwrite(fd, bytes.bytes, bytes.size, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        CM_ENSURE(size > 0, CM_BROKEN);
        bytes = cm_slice_from(bytes, (size_t)size);
        offset += (uint64_t)size;
    }
    return CM_OK;
}

void cm_file_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

void cm_file_close_stream(FILE **stream)
{
    if (*stream != NULL)
        fclose(*stream);
}

void cm_file_close_directory(DIR **directory)
{
    if (*directory != NULL)
        closedir(*directory);
}
