/*
 * told: what commands leave in the store for the audit of the server, whose log they cannot write
 * to: one writer has it open. A command puts here what it did, in a transaction of its own behind
 * the change; the server takes it from here into the log (server/witness.c), and forgets it here
 * when it is durable there. A command that is killed between the two leaves a change that the log
 * knows only as one from outside; a server that is killed between the two tells it twice.
 *
 * The rows have MACs: who cannot read the master key cannot tell tales.
 *
 * Threads, durability and failures: as in store.h.
 */
#pragma once

#include "store/store.h"

enum { CM_TOLD_SIZE_MAX = 1024, CM_TOLD_AT_ONCE_MAX = 512 };

/* In the order given, all or none. CM_REFUSE: one is too large, or too many. */
cm_status cm_store_told_put(cm_store *store, const cm_slice *items, size_t count);

typedef struct cm_told {
    char id[CM_ID_SIZE];
    uint8_t bytes[CM_TOLD_SIZE_MAX];
    size_t size;
} cm_told;
typedef struct cm_told_list {
    cm_told *items;
    size_t count;
} cm_told_list;
void cm_told_list_clear(cm_told_list *list); /* also a CM_AUTO destructor */

/* Reads; the oldest first. What was not put here by casement is left out, and logged. */
cm_status cm_store_told(cm_store *store, cm_told_list *out);
/* These, and none that came since. */
cm_status cm_store_told_forget(cm_store *store, const cm_told_list *list);
