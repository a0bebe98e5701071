/*
 * private: what could tell who somebody is (an address), beside the log. A file for each segment,
 * of slots of one size, in the order of their entries: number 8, state 1, home 32, account 32, salt
 * 16, size 1, bytes 128. The entry has the commitment SHA-256(salt, bytes). Erasing overwrites the
 * slot, salt and all, so that nothing can be tried against the commitment any more; the log's own
 * bytes stay, and go on verifying.
 */
#pragma once

#include "audit/entry.h"

enum {
    CM_AUDIT_SALT_SIZE = 16,
    CM_AUDIT_SLOT_SIZE = 8 + 1 + 2 * CM_ID_SIZE + CM_AUDIT_SALT_SIZE + 1 + CM_AUDIT_PRIVATE_MAX,
};

typedef struct cm_audit_private {
    uint64_t number; /* of its entry */
    bool is_erased;
    cm_home_id home;
    cm_account_id account;
    uint8_t salt[CM_AUDIT_SALT_SIZE];
    uint8_t bytes[CM_AUDIT_PRIVATE_MAX];
    size_t size;
} cm_audit_private;

void cm_audit_private_write(cm_writer *w, const cm_audit_private *slot);
cm_status cm_audit_private_parse(cm_slice bytes, cm_audit_private *out); /* CM_CLOSE */
void cm_audit_private_commit(const cm_audit_private *slot, uint8_t out[CM_AUDIT_LINK_SIZE]);

/* Blocking, beside a running server as well: erases what there is of this home, and of this
 * account (NULL: of none). CM_BROKEN: not all of it. */
cm_status cm_audit_erase(const char *directory, const cm_home_id *home,
                         const cm_account_id *account, uint64_t *erased_out);
