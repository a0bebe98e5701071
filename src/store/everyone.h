/*
 * everyone: who is signed in to a home, or to the whole server, and signing all of them out at
 * once. A part of the store: its rules of threads, durability and failures hold (store/store.h).
 *
 * Logging everyone out ends, in one transaction: every session of every member, wherever he is
 * signed in and whatever else he is a member of (a session is a device, not a home: half of one
 * can't be ended); open invitations and guest links; API tokens if that is wanted; and every epoch
 * that any of them had a lease for rises, so that pictures that run end whether or not a message
 * arrives. Rows that do not fit are deleted with the rest. Passwords, passkeys, memberships and
 * grants stay: who belongs here signs in again.
 */
#pragma once

#include "store/store.h"

typedef struct cm_everyone {
    cm_home_id home;      /* empty: the whole server, all homes and accounts */
    bool with_programs;   /* API tokens end too */
    const uint8_t *keep;  /* CM_MAC_SIZE bytes: token hash of the session that asks; NULL: none */
    const uint8_t *fresh; /* with keep: under this one it goes on; what it had opened ends */
} cm_everyone;

/* What ends, or would. Expired sessions, tokens and invitations don't count. */
typedef struct cm_everyone_count {
    size_t people;      /* who have a session that ends */
    size_t elsewhere;   /* of them: members of a home besides this one */
    size_t sessions;    /* without the one that asks */
    size_t programs;    /* API tokens: all there are, also if they stay */
    size_t invitations; /* open ones */
    size_t links;       /* guest links that are not over */
    size_t cameras;     /* whose epochs rose; 0 of a count */
} cm_everyone_count;

/* Reads: what it would end. CM_ABSENT: no such home. */
cm_status cm_store_everyone_count(cm_store *store, const cm_everyone *what, cm_wall now,
                                  cm_everyone_count *out);
/* CM_ABSENT: no such home, or no such session to keep. CM_REFUSE: its account would not be logged
 * out, so that it is not the one who may keep a session: no member of the home. */
cm_status cm_store_everyone_out(cm_store *store, const cm_everyone *what, cm_wall now,
                                cm_everyone_count *out, cm_change *change);
