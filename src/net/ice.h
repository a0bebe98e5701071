/*
 * ice: our side of ICE (RFC 8445) for one session: names and passwords, and the answers to the
 * peer's checks. That is all of a lite agent, which is always controlled and sends no checks of its
 * own; net/ice_agent.h is what a full one has besides. It says what a check proves; which addresses
 * that concerns, and where media goes, is net/rtc.h's.
 *
 * Pure state, embedded in its session: no socket, no timer; `now` is passed. As it never writes a
 * request, the peer's password is not kept.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "net/address.h"
#include "proto/stun/stun.h"

enum {
    CM_ICE_UFRAG_SIZE = 8, /* 48 random bits */
    CM_ICE_PWD_SIZE = 24,  /* 144 random bits; RFC 8445 5.3 wants 128 */
    CM_ICE_REMOTE_UFRAG_MIN = 4,
    CM_ICE_REMOTE_UFRAG_MAX = 256, /* RFC 8839 5.4 */
    CM_ICE_ANSWER_MAX = 128,       /* bytes of any answer */
};

/* Ours, for the answer's a=ice-ufrag and a=ice-pwd. */
typedef struct cm_ice_credentials {
    char ufrag[CM_ICE_UFRAG_SIZE + 1];
    char pwd[CM_ICE_PWD_SIZE + 1];
} cm_ice_credentials;

/* From one offer and answer to the next restart. */
typedef struct cm_ice_generation {
    bool is_valid;
    cm_ice_credentials local;
    uint16_t remote_size;
    char remote_ufrag[CM_ICE_REMOTE_UFRAG_MAX];
} cm_ice_generation;

typedef enum cm_ice_role {
    CM_ICE_LITE, /* and controlled */
    CM_ICE_CONTROLLED,
    CM_ICE_CONTROLLING, /* we nominate */
} cm_ice_role;

typedef struct cm_ice {
    cm_ice_role role;
    uint64_t tie_breaker;             /* of a full agent */
    cm_ice_generation generations[2]; /* private */
    uint8_t current;                  /* which of them; the other one: until it is confirmed */
    bool is_confirmed;                /* a check under the current one came */
    cm_instant heard;                 /* the last authentic check, or the beginning */
    int64_t credit_us;                /* of checks that may still be answered */
    cm_instant credited;
} cm_ice;

/* CM_REFUSE: that is no ufrag (RFC 8839, 5.4). */
cm_status cm_ice_init(cm_ice *ice, cm_random *random, cm_slice remote_ufrag, cm_instant now);
void cm_ice_deinit(cm_ice *ice); /* wipes */

/* From lite to full, or the other role of a full one: with a tie-breaker of its own. */
void cm_ice_take_role(cm_ice *ice, cm_random *random, cm_ice_role role);

/*
 * ICE restart (RFC 8445, 9): other credentials. Those that the peer has used stay valid until the
 * first check under the others; those that it has not used are replaced. CM_REFUSE as init; nothing
 * has changed then.
 */
cm_status cm_ice_restart(cm_ice *ice, cm_random *random, cm_slice remote_ufrag);

/* The current ones, borrowed until the next restart. */
const cm_ice_credentials *cm_ice_local(const cm_ice *ice);

/* The peer's ufrag, likewise. */
cm_slice cm_ice_remote_ufrag(const cm_ice *ice);

/* Those by which a check may call us: the current one, and before a restart is confirmed the one
 * before. Borrowed likewise; returns how many. */
size_t cm_ice_ufrags(const cm_ice *ice, cm_slice out[2]);

/* Our half of a USERNAME (what stands before the colon), empty if it cannot be one of ours. */
cm_slice cm_ice_ufrag_of(const cm_stun_message *request);

/* A check as it came. */
typedef struct cm_ice_check {
    const cm_stun_message *request; /* a Binding request */
    cm_address from;
    cm_instant now;
} cm_ice_check;

typedef struct cm_ice_outcome {
    /* The peer's address is proven: it may be spoken to, and the session has the peer's consent. */
    bool is_proven;
    bool is_nominated; /* and media goes there from here on */
    bool is_conflict;  /* the answer is 487: the peer takes the role that we keep */
    bool has_switched; /* a full agent: ours is the other one from here on */
    bool is_confirmed; /* the credentials from before the restart are void from here on */
} cm_ice_outcome;

/*
 * CM_OK: the check is authentic; `answer` (CM_ICE_ANSWER_MAX bytes of room) is to be sent back
 * where it came from. Otherwise nothing is kept and nothing may be answered: CM_ABSENT, not one of
 * our usernames, or not the peer's half; CM_REFUSE, the MESSAGE-INTEGRITY does not fit or is
 * missing; CM_FULL, more checks than 100 a second; CM_BROKEN.
 */
cm_status cm_ice_receive(cm_ice *ice, cm_stun_hasher *hasher, const cm_ice_check *check,
                         cm_writer *answer, cm_ice_outcome *out);
