/*
 * pending: sign-ins whose password was right and whose second factor is wanted still. What leads to
 * one is a token (CM_TOKEN_PENDING) that is good for nothing else: no row of the store knows it.
 *
 * Each lives for five minutes and allows five codes; then the password is asked for again. The
 * table is bounded: an account has at most eight, so that whoever has its password pushes out only
 * his own and its owner's, and when the table is full the oldest goes. They live in this process
 * alone: after a restart the password is typed again.
 *
 * Threads: any; a lock is held for microseconds.
 */
#pragma once

#include "base/clock.h"
#include "store/store.h"

enum {
    CM_PENDING_DEFAULT = 1024,
    CM_PENDING_PER_ACCOUNT = 8,
    CM_PENDING_TRIES = 5,
};
#define CM_PENDING_US (CM_SECONDS(300))

typedef struct cm_pending cm_pending;

/* Whose sign-in it is. */
typedef struct cm_pending_sign_in {
    cm_account_id account;
    char name[CM_NAME_SIZE];       /* the account's: wrong codes count with wrong passwords */
    uint8_t password[CM_MAC_SIZE]; /* a digest of the hash that the password fitted: with another
                                      password of the account it is void */
} cm_pending_sign_in;

cm_status cm_pending_create(size_t count_max, cm_pending **out); /* 0: the default */
void cm_pending_destroy(cm_pending *pending);                    /* NULL is fine */

void cm_pending_begin(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE],
                      const cm_pending_sign_in *sign_in, cm_instant now);
/* CM_ABSENT: never begun, over, too old, or no try is left. */
cm_status cm_pending_find(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE],
                          cm_instant now, cm_pending_sign_in *out);
/* Takes one try. CM_ABSENT as above. */
cm_status cm_pending_try(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE],
                         cm_instant now);
/* The code was right. */
void cm_pending_end(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE]);
