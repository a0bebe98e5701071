/*
 * verify: is a log what was written? Needs the folder and the public key, nothing else: on any
 * machine. Blocking; reads a segment at a time.
 *
 * Found: an entry that was changed, put elsewhere, left out or brought from another log (by the
 * chain, and should somebody have chained it anew, by the heads); segments missing in between or
 * changed at their beginning; a log cut back to before its newest head, if `before` is given; what
 * can be erased, changed instead. Not found: the oldest segments missing (that is how a log is kept
 * short; `first` says where it begins), and what a thief of the key signs.
 */
#pragma once

#include "audit/audit.h"

enum { CM_AUDIT_SENTENCE_SIZE = 256 };

typedef struct cm_audit_verdict {
    bool is_sound;
    uint64_t first, last; /* numbers of entries; last < first: none */
    uint64_t heads, segments;
    uint64_t kept, erased;   /* private parts */
    uint64_t unacknowledged; /* bytes behind the newest head */
    /* Unless it is sound: the first wrong entry is one of these; often one. */
    uint64_t wrong_first, wrong_last;
    char sentence[CM_AUDIT_SENTENCE_SIZE]; /* what is wrong, for people */
} cm_audit_verdict;

/* `before` may be NULL. CM_ABSENT: no such folder, or no log in it. CM_BROKEN: it can't be read. */
cm_status cm_audit_verify(const char *directory, const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE],
                          const cm_audit_head *before, cm_audit_verdict *out);
