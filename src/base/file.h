/*
 * file: what everybody does with the files that he has open: writing all of it, and closing by
 * CM_AUTO. Blocking. What keeps a data directory whole is store/files.h, and what an audit's folder
 * looks like audit/files.h.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>

#include "base/slice.h"

/* From `offset` on, however many calls it takes. CM_BROKEN: not all of it. */
cm_status cm_file_write(int fd, cm_slice bytes, uint64_t offset);

/* For CM_AUTO: each closes what there is. */
void cm_file_close(const int *fd); /* negative: nothing */
void cm_file_close_stream(FILE **stream);
void cm_file_close_directory(DIR **directory);
