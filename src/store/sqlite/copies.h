/*
 * copies: consistent copies of the database while others work on it, and those that are kept beside
 * it from before each upgrade, so that there is a way back.
 *
 * A kept copy is called casement.db.20261121T201500Z.step2: when it was made, in UTC, and how many
 * of the steps of migrations.c it had taken. Mode 0600, like the database; what makes or removes
 * one holds the directory alone.
 */
#pragma once

#include "store/sqlite/row.h"
#include "store/store.h"

enum { CM_COPIES_KEPT = 3, CM_COPY_NAME_SIZE = 64 };

/* Everything in `from` into the empty file `path`, page by page; a transaction that is open in
 * `from` makes it of one moment. `is_unnamed`: the file loses its name before anything is in it.
 * CM_BROKEN: logged. */
typedef struct cm_db_copying {
    const char *path;
    bool is_unnamed;
    const cm_store_progress *progress; /* NULL: nobody looks */
} cm_db_copying;
cm_status cm_db_copy(cm_db *from, const cm_db_copying *copying);

/* The name of a copy that is made at this moment: of this second, or of the next after the newest
 * that there is. */
void cm_copies_name(const char *directory, int64_t step, char out[CM_COPY_NAME_SIZE]);
/* Keeps a copy of what `db` holds, synced, and of those that took at most as many steps the
 * CM_COPIES_KEPT newest, this one among them. */
cm_status cm_copies_keep(cm_db *db, const char *directory, int64_t step);
/* The newest kept copy that has taken at most `step_most` steps. CM_ABSENT. */
cm_status cm_copies_find(const char *directory, int64_t step_most, char out[CM_COPY_NAME_SIZE]);
/* Removes all but the CM_COPIES_KEPT newest of those that took so many steps. */
void cm_copies_prune(const char *directory, int64_t step_least, int64_t step_most);
