/*
 * declare: opens what a command works on: the data directory with its store and identity, and makes
 * it say what the YAML declares. The same for `casement serve` and for every command that works
 * beside it.
 *
 * Blocking: before a loop runs, or in a program without one.
 */
#pragma once

#include "server/config.h"

typedef enum cm_declare_result {
    CM_DECLARE_FINE,
    CM_DECLARE_WRONG,   /* config or data: for the operator to mend (exit 2) */
    CM_DECLARE_MACHINE, /* this machine: disk, memory (exit 1) */
} cm_declare_result;

/*
 * With `config` NULL nothing is made and nothing declared is touched: the data directory must be
 * there already. `on_change` hears what later changes through identity touched (may be NULL). On
 * failure `message` says what is wrong, and nothing is open. The caller destroys identity, then
 * closes the store.
 */
cm_declare_result cm_declare_open(const char *data_directory, const cm_config *config,
                                  void (*on_change)(void *owner, const cm_change *change),
                                  void *owner, cm_store **store, cm_identity **identity,
                                  char message[CM_STORE_MESSAGE_SIZE]);
