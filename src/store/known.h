/*
 * known: the generations of homes and accounts that this process has seen, in memory: a row or a
 * snapshot that is older than what was seen before is stale, wherever it came from.
 *
 * Threads: any, behind a lock of its own.
 */
#pragma once

#include "base/id.h"

typedef enum cm_known_kind {
    CM_KNOWN_HOME = 'h',
    CM_KNOWN_ACCOUNT = 'a',
} cm_known_kind;

typedef struct cm_known cm_known;

cm_status cm_known_create(cm_known **out);
void cm_known_destroy(cm_known *known);
/* Forgets all; `generation` is the database's from then on. */
void cm_known_begin(cm_known *known, uint64_t generation);

uint64_t cm_known_generation(cm_known *known);
void cm_known_raise_generation(cm_known *known, uint64_t generation);

/* Remembers; generations only rise. CM_BROKEN without memory. */
cm_status cm_known_raise(cm_known *known, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation);

/*
 * May a row of this home or account with `generation` stand in a snapshot of the database whose own
 * generation is `snapshot`? CM_OK. CM_RETRY: the snapshot is too old to tell. CM_FOREIGN: stale, or
 * one that was not there at the start though it claims to be older.
 */
cm_status cm_known_judge(cm_known *known, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation, uint64_t snapshot);
