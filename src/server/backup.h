/*
 * backup: what a backup of a data directory holds, and how one is made while the server runs.
 *
 * The form of the file is store/archive.h's. It is sealed under the server's master key, which is
 * then not in it, or under a passphrase, with the master key in it. What is in it is of one moment
 * for the database; the other files are whole, each as it was when it was read.
 *
 * Blocking, for a program without a loop.
 */
#pragma once

#include <sys/types.h>

#include "store/archive.h"
#include "store/store.h"

typedef struct cm_backup_part {
    const char *name; /* in the data directory and in the archive */
    mode_t mode;
    bool is_folder; /* the plain files in it, as "name/file" */
} cm_backup_part;

#define CM_BACKUP_DATABASE "casement.db"
#define CM_BACKUP_KEY      "master.key"

/* The row for a part of this name ("audit/0001": that of "audit"); NULL: no part of a backup. */
const cm_backup_part *cm_backup_part_of(const char *name);

typedef struct cm_backup_config {
    const char *directory;
    cm_slice passphrase;         /* empty: sealed under the master key */
    uint16_t passes, memory_mib; /* Argon2id's; 0: CM_BACKUP_PASSES, CM_BACKUP_MEMORY_MIB */
    cm_wall now;
    cm_archive_sink sink;
    const cm_store_progress *progress; /* of the database, in pages; may be NULL */
} cm_backup_config;

enum { CM_BACKUP_PASSES = 3, CM_BACKUP_MEMORY_MIB = 256 };

/* Writes the whole of it. CM_REFUSE, CM_BROKEN: `message` says what is wrong; what was written is
 * then no backup. */
cm_status cm_backup_write(const cm_backup_config *config, char message[CM_STORE_MESSAGE_SIZE]);
