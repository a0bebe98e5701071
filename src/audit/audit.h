/*
 * audit: who saw what, who was let in, what was taken away: a log that is only ever added to, and
 * that shows when somebody did otherwise (docs/decisions/0013).
 *
 * Entries are handed over from any thread into a bounded queue; one thread of its own numbers,
 * chains, signs and writes them, a batch at a time, and syncs each batch once. An entry is
 * acknowledged when its batch is on the disk. Two ways to hand one over:
 *   cm_audit_put   never waits, so that it may be called on a loop. What finds no room is
 *                    counted, and the log says how many there were (CM_AUDIT_GAP).
 *   cm_audit_keep  returns when the entry is durable. For what must not be lost before its cause
 *                    is answered: cuts, grants, sign-ins. Never on a loop.
 * A quarter of the queue is for those of the second kind alone: a flood of views does not crowd a
 * cut out.
 *
 * A disk that refuses: the batch stays in the queue and is tried again each second; whoever waits
 * for it hears CM_BROKEN, and the log of the server says so once.
 *
 * Life: one a process, and one process a folder (a lock says so). Opened after the store, closed
 * after all who may call. Any thread may call, all the time. NULL is fine as the audit of put,
 * record and repeat: then nothing is kept (tests, tools).
 */
#pragma once

#include "audit/entry.h"
#include "audit/segment.h"
#include "base/random.h"

typedef struct cm_audit cm_audit;

typedef struct cm_audit_config {
    const char *directory; /* made with mode 0700 */
    const cm_secret *key;  /* of the store (cm_store_derive): signatures and indexes come from it */
    size_t queue_bytes_max;   /* 0 means 4 MiB, about 30,000 entries */
    size_t segment_bytes_max; /* 0 means 16 MiB; a segment ends with the batch that passes it */
    /* What was written down elsewhere of an earlier head: see cm_audit_read_head. 0: nothing. A
     * log that is shorter says so in an entry, and in the server's log. */
    uint64_t count_before;
    cm_wall now;
} cm_audit_config;

/* CM_REFUSE with a sentence in `message`: another process has it open, or the newest segment is not
 * signed by this key. CM_BROKEN: the disk. */
enum { CM_AUDIT_MESSAGE_SIZE = 256 };
cm_status cm_audit_open(const cm_audit_config *config, char message[CM_AUDIT_MESSAGE_SIZE],
                        cm_audit **out);
/* Writes what is still queued. NULL is fine. */
void cm_audit_close(cm_audit *audit);

/* `private_bytes` (may be empty; at most CM_AUDIT_PRIVATE_MAX are kept) is what can be erased; only
 * kinds that say so have it. CM_FULL: no room; counted. */
cm_status cm_audit_put(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes);
/* CM_FULL likewise, CM_BROKEN: not on the disk (yet). */
cm_status cm_audit_keep(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes);
/* Returns when all that was put before is durable. */
cm_status cm_audit_flush(cm_audit *audit);

/*
 * For what may come in floods (refusals): the first is put at once with count 1; those that are
 * alike (kind, home, camera, account, cause) within the minute after it become one entry with their
 * number, when cm_audit_tick says that the minute is over. Call that each second.
 */
enum { CM_AUDIT_REPEATS_MAX = 256 }; /* kinds of refusal at once; beyond: a gap */
void cm_audit_repeat(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes);
void cm_audit_tick(cm_audit *audit, cm_wall now);

/* The newest signed head: to be written down where the log is not (the store), so that a log that
 * was cut back to an older head is found out. Count 0: none was written or read yet. */
typedef struct cm_audit_head {
    uint64_t count;
    uint8_t link[CM_AUDIT_LINK_SIZE]; /* after entry number `count` */
} cm_audit_head;
void cm_audit_read_head(cm_audit *audit, cm_audit_head *out);
/* "1234:9f…" and back. */
enum { CM_AUDIT_HEAD_TEXT_SIZE = 20 + 1 + 2 * CM_AUDIT_LINK_SIZE + 1 };
void cm_audit_head_format(const cm_audit_head *head, char out[CM_AUDIT_HEAD_TEXT_SIZE]);
cm_status cm_audit_head_parse(cm_slice text, cm_audit_head *out); /* CM_REFUSE */

void cm_audit_public_key(const cm_audit *audit, uint8_t out[CM_AUDIT_PUBLIC_KEY_SIZE]);
/* The same without a log. */
void cm_audit_public_key_of(const cm_secret *key, uint8_t out[CM_AUDIT_PUBLIC_KEY_SIZE]);

typedef struct cm_audit_counters {
    uint64_t entries; /* durable, since the start */
    uint64_t batches;
    uint64_t dropped; /* no room */
    uint64_t write_failures;
    uint64_t segments; /* begun since the start */
} cm_audit_counters;
void cm_audit_read_counters(cm_audit *audit, cm_audit_counters *out);
