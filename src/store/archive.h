/*
 * archive: the form of a backup: one file, sealed from its first part to its last, written and read
 * from front to back. It knows nothing of what its parts mean.
 *
 * In the clear, 96 bytes: "casement-backup\n" 16, format 2, lock 2, created (microseconds since
 * 1970) 8, version of casement 16, key check 32, salt 16, Argon2id's passes 2 and mebibytes 2. Then
 * libsodium's secretstream header 24, and messages, each with its size 4 in front:
 *   'P' size of the part 8, name    a part begins
 *   'D' bytes                       of it, until all are there
 *   'E' number of parts 4           the last message, with the stream's final tag
 * The clear part is authenticated with the first message. So what was cut off, changed, exchanged
 * or put behind the end is found out, and nothing that is read is believed before.
 *
 * The stream's key comes from the master key (only the server's own key opens it again) or from a
 * passphrase (then the master key may be a part). Either way a lost backup tells nobody anything
 * but when it was made, and that it is one.
 *
 * Memory: two messages. Blocking; one thread.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"

enum {
    CM_ARCHIVE_FORMAT = 1,
    CM_ARCHIVE_NAME_SIZE = 128, /* of a part, with its terminator */
    CM_ARCHIVE_VERSION_SIZE = 16,
    CM_ARCHIVE_SALT_SIZE = 16,
    CM_ARCHIVE_DATA_SIZE = 65536, /* in one message, at most */
    CM_ARCHIVE_PARTS_MAX = 100000,
    CM_ARCHIVE_PASSES_MAX = 16,
    CM_ARCHIVE_MEMORY_MIB_MAX = 1024,
    CM_ARCHIVE_FAULT_SIZE = 256,
};

typedef enum cm_archive_lock {
    CM_ARCHIVE_BY_KEY = 1,
    CM_ARCHIVE_BY_PASSPHRASE = 2,
} cm_archive_lock;

typedef struct cm_archive_head {
    cm_archive_lock lock;
    cm_wall created;
    char version[CM_ARCHIVE_VERSION_SIZE + 1]; /* of casement */
    uint8_t key_check[CM_MAC_SIZE];            /* cm_keyfile_check of the server's master key */
    uint8_t salt[CM_ARCHIVE_SALT_SIZE];
    uint16_t passes, memory_mib; /* Argon2id's; 0 with CM_ARCHIVE_BY_KEY */
} cm_archive_head;

/* The key of the stream. CM_BROKEN: Argon2id's memory is not there. */
cm_status cm_archive_key(const cm_archive_head *head, cm_slice master_or_passphrase,
                         cm_secret *out);

/* ---- writing ---- */

typedef struct cm_archive_sink {
    cm_status (*write)(void *owner, cm_slice bytes); /* its failure ends the writer's call */
    void *owner;
} cm_archive_sink;

typedef struct cm_archive_writer cm_archive_writer;

cm_status cm_archive_begin(const cm_archive_head *head, const cm_secret *key, cm_archive_sink sink,
                           cm_archive_writer **out);
/* Then exactly `size` bytes by cm_archive_add. */
cm_status cm_archive_begin_part(cm_archive_writer *writer, const char *name, uint64_t size);
cm_status cm_archive_add(cm_archive_writer *writer, cm_slice bytes);
cm_status cm_archive_end(cm_archive_writer *writer);
void cm_archive_writer_destroy(cm_archive_writer *writer); /* wipes; NULL is fine */

/* ---- reading ---- */

typedef struct cm_archive_source {
    /* Fills `out` as far as there is something; less means the end. */
    cm_status (*read)(void *owner, uint8_t *out, size_t capacity, size_t *size_out);
    void *owner;
} cm_archive_source;

typedef struct cm_archive_reader cm_archive_reader;

/* Reads the clear part. CM_REFUSE from here on: what cm_archive_fault says; CM_BROKEN: the source.
 */
cm_status cm_archive_open(cm_archive_source source, cm_archive_reader **out);
void cm_archive_reader_destroy(cm_archive_reader *reader); /* wipes; NULL is fine */
/* What it says of itself; believed when the first part has been opened. CM_REFUSE: no backup of a
 * format we know. */
cm_status cm_archive_read_head(cm_archive_reader *reader, cm_archive_head *out);
cm_status cm_archive_unlock(cm_archive_reader *reader, const cm_secret *key);
/* The next part, when the one before was read to its end. CM_ABSENT: that was all, and all is as it
 * was written. */
cm_status cm_archive_next(cm_archive_reader *reader, char name[CM_ARCHIVE_NAME_SIZE],
                          uint64_t *size);
/* More of the part, borrowed until the next call; empty at its end. */
cm_status cm_archive_read(cm_archive_reader *reader, cm_slice *out);
/* A sentence for the person, after CM_REFUSE. */
const char *cm_archive_fault(const cm_archive_reader *reader);
