/*
 * files: the folder of a log: for each segment NNNNNNNN.log, beside it .private (what is erasable)
 * and, of those that are full, .index. All of mode 0600. Blocking.
 */
#pragma once

#include "base/buffer.h"

enum { CM_AUDIT_NAME_SIZE = 24, CM_AUDIT_FILE_MAX = 256 << 20 };

#define CM_AUDIT_LOG     "log"
#define CM_AUDIT_PRIVATE "private"
#define CM_AUDIT_INDEX   "index"

const char *cm_audit_name(uint64_t sequence, const char *kind, char out[CM_AUDIT_NAME_SIZE]);

/* The folder. CM_ABSENT: there is none. */
cm_status cm_audit_open_directory(const char *path, int *out);

/* The sequence numbers of the segments that are there, rising. */
typedef struct cm_audit_sequences {
    uint64_t *items;
    size_t count;
} cm_audit_sequences;
cm_status cm_audit_list(int directory, cm_audit_sequences *out);
void cm_audit_sequences_clear(cm_audit_sequences *sequences); /* also a CM_AUTO destructor */

/* Up to `size` bytes of a file, whole otherwise. CM_ABSENT; CM_BROKEN. *out is the caller's, to be
 * freed. */
typedef struct cm_audit_bytes {
    uint8_t *bytes;
    size_t size;
} cm_audit_bytes;
cm_status cm_audit_read(int directory, const char *name, size_t size_max, cm_audit_bytes *out);
void cm_audit_bytes_clear(cm_audit_bytes *bytes); /* also a CM_AUTO destructor */

/* A file that comes into being whole, or not at all. */
cm_status cm_audit_write_whole(int directory, const char *name, cm_slice bytes);
