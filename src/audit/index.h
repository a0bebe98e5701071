/*
 * index: what is in a full segment, so that a question need not read it: its times, and which
 * homes, cameras and accounts its entries name. A hint that is made anew from the segment: where it
 * is missing or its MAC does not fit, the segment is read instead.
 *
 * A file: first and last time 8 each, keys 8 each, rising, then a MAC over all that, sequence and
 * log id. A key is a hash of the ids; two that are equal by chance cost a segment read in vain.
 */
#pragma once

#include "audit/segment.h"

typedef struct cm_audit_index {
    int64_t first_us, last_us; /* the least and the most; first > last: no entries */
    uint64_t *keys;            /* a hash set while it grows (0: free); rising once settled */
    size_t count, capacity;
} cm_audit_index;

void cm_audit_index_init(cm_audit_index *index);
void cm_audit_index_clear(cm_audit_index *index); /* also a CM_AUTO destructor */

/* While it grows. Without memory it knows less than there is, and will not be written. */
void cm_audit_index_add(cm_audit_index *index, const cm_audit_entry *entry);
bool cm_audit_index_is_whole(const cm_audit_index *index);

uint64_t cm_audit_key_of_home(const cm_home_id *home);
uint64_t cm_audit_key_of_camera(const cm_home_id *home, const cm_camera_id *camera);
uint64_t cm_audit_key_of_account(const cm_account_id *account);
uint64_t cm_audit_key_of_start(void); /* of the server */

cm_status cm_audit_index_write(int directory, uint64_t sequence, const cm_secret *key,
                               cm_audit_index *index);
/* Settled. CM_ABSENT: none, or not as it was written. */
cm_status cm_audit_index_read(int directory, uint64_t sequence, const cm_secret *key,
                              cm_audit_index *out);
bool cm_audit_index_has(const cm_audit_index *index, uint64_t key);
