/*
 * restore: puts a backup into a data directory, in one step: whatever happens meanwhile, the
 * directory is what it was or the restored one, whole.
 *
 * All is made ready in a directory beside it, DIR.restoring-XXXXXX: the archive is read to its end,
 * the database opened, checked and taken over as accepts_older says (store/store.h), so that
 * nothing that ended after the backup lives again: everybody is signed out, API tokens are revoked,
 * and generations go on above those of the directory that is replaced. Members and grants are the
 * backup's: `given` lists them, and `replaced` those of the directory before, for a person to
 * compare. Then the two change names; what was there is kept as DIR.replaced-TIME.
 *
 * Blocking, for a program without a loop.
 */
#pragma once

#include <limits.h>

#include "server/given.h"
#include "store/archive.h"

typedef struct cm_restore_config {
    cm_archive_reader *reader; /* unlocked */
    const char *directory;     /* the folder above it is there */
    bool replaces;             /* what is in it may be put aside */
    const cm_secret *master;   /* to be put beside the database; NULL: it is a part of the archive,
                                  or a credential of the service */
    cm_wall now;
} cm_restore_config;

typedef struct cm_restored {
    cm_given given;
    bool has_replaced; /* `replaced` could be read */
    cm_given replaced;
    char aside[PATH_MAX]; /* where what was there is; "" if nothing was */
} cm_restored;

/* CM_REFUSE, CM_BROKEN: `message` says what is wrong, and nothing was changed. */
cm_status cm_restore_run(const cm_restore_config *config, char message[CM_STORE_MESSAGE_SIZE],
                         cm_restored *out);
void cm_restored_clear(cm_restored *restored);
