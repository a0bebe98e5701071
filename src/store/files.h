/*
 * files: what is done to the files of a data directory, so that a crash at any moment leaves what
 * was there or what is to be; and who may do it. Blocking.
 *
 * Everybody who works on a data directory holds it: any number together, or one alone, who may then
 * put other files in its place. The hold ends with its descriptor, so also with its process.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "base/slice.h"

typedef enum cm_hold {
    CM_HOLD_SHARED,
    CM_HOLD_ALONE,
} cm_hold;

/* How long a hold that others stand in the way of is tried for. */
enum { CM_HOLD_WAIT_MS = 2000 };

/* CM_RETRY: others hold it still. CM_ABSENT: there is no such directory. */
cm_status cm_files_hold(const char *directory, cm_hold hold, int *fd_out);
/* The same hold in the other way. While it changes it is given up for a moment: what was looked at
 * before is to be looked at again. */
cm_status cm_files_hold_otherwise(int fd, cm_hold hold);

/* "directory/name"; CM_REFUSE: too long. */
cm_status cm_files_join(const char *directory, const char *name, char out[PATH_MAX]);
/* All that `from` holds, from its first byte on, to the end of `to`. */
cm_status cm_files_copy(int from, int to);
cm_status cm_files_sync_directory(const char *directory);
/* The directory that holds `path`. */
cm_status cm_files_sync_parent(const char *path);
/* As root, who works for the service's user: a file is given to the owner of the directory. */
cm_status cm_files_give(int fd, const char *directory);
