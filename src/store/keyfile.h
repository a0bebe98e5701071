/*
 * keyfile: the master key, which lies outside the database, and the file `generation` beside it.
 *
 * master.key: 64 hex digits and a line's end, mode 0600. generation: two slots of 64 bytes, written
 * in turn and synced, so that one always holds; each is number 8 bytes, zeros 24, MAC 32.
 */
#pragma once

#include "base/random.h"
#include "base/secret.h"

typedef struct cm_keyfile_fault {
    char *text; /* a sentence for the operator is written here on failure */
    size_t capacity;
} cm_keyfile_fault;

/* $CREDENTIALS_DIRECTORY/casement-master-key, else `directory`/master.key. CM_ABSENT: neither is
 * there. CM_REFUSE with a sentence: unreadable, not a key, or readable for others. */
cm_status cm_keyfile_read(const char *directory, cm_keyfile_fault fault, cm_secret *out);
/* The same from a file of that form, wherever it is. */
cm_status cm_keyfile_read_file(const char *path, cm_keyfile_fault fault, cm_secret *out);
/* What tells one master key from another, and nothing else of it. */
void cm_keyfile_check(const cm_secret *master, uint8_t out[CM_MAC_SIZE]);
/* Makes master.key, synced with its directory; none may be there. */
cm_status cm_keyfile_write(const char *directory, const cm_secret *key, cm_keyfile_fault fault);
/* The same with a key made at random. */
cm_status cm_keyfile_make(const char *directory, cm_random *random, cm_keyfile_fault fault,
                          cm_secret *out);
/* CM_REFUSE with a sentence if group or others may read or write the file. CM_ABSENT. */
cm_status cm_keyfile_check_mode(const char *path, cm_keyfile_fault fault);

/* The generation kept beside the database. CM_ABSENT: no such file. CM_REFUSE: no slot's MAC
 * fits. */
cm_status cm_generation_read(const char *directory, const cm_secret *key, uint64_t *out);
/* Never lowers it (another process may have been faster). CM_BROKEN. */
cm_status cm_generation_raise(const char *directory, const cm_secret *key, uint64_t generation);
