/*
 * ice_agent: what a full agent of ICE (RFC 8445) has beside net/ice.h, for one session of one
 * component: pairs of our bases and the peer's addresses, and the checks by which it finds out
 * which of them work. Controlled, unless the peer is lite or a conflict of roles says otherwise;
 * then it nominates the best pair that works.
 *
 * With a single component and stream the states that thaw one by one (RFC 8445 6.1.2.6) have
 * nothing to wait for: all pairs begin as waiting, the best first.
 *
 * A peer's addresses are whatever the peer says, so all that they cause is bounded: 32 pairs, and
 * to each address 5 checks and one more for each check that came from there, authentic. Which
 * addresses may be checked at all, and how fast, is the owner's to say.
 *
 * Pure state: no socket, no timer; `now` is passed, and what is to be sent is asked for.
 */
#pragma once

#include "net/ice.h"

enum {
    CM_ICE_BASES_MAX = 9,
    CM_ICE_PAIRS_MAX = 32,
    CM_ICE_SENDS_MAX = 5,
    CM_ICE_POSTPONED_MAX = 100,  /* of a pair; from then on what could not be sent counts as sent */
    CM_ICE_REMOTE_PWD_MAX = 256, /* RFC 8839 5.4 */
    CM_ICE_CHECK_MAX = 100 + CM_ICE_REMOTE_UFRAG_MAX,
    CM_ICE_TAG_SIZE = 4,
};

/* Where we send from: a socket, or the relay that stands for one. */
typedef struct cm_ice_base {
    bool is_v6;
    bool is_relayed;
} cm_ice_base;

typedef enum cm_ice_pair_state {
    CM_ICE_FREE, /* a place without a pair */
    CM_ICE_WAITING,
    CM_ICE_IN_PROGRESS,
    CM_ICE_SUCCEEDED,
    CM_ICE_FAILED,
    CM_ICE_PAIR_STATES,
} cm_ice_pair_state;
/* The table of allowed transitions. */
bool cm_ice_pair_may_turn(cm_ice_pair_state from, cm_ice_pair_state to);

typedef struct cm_ice_pair {
    cm_ice_pair_state state;
    uint8_t base;  /* index */
    uint8_t tries; /* of this transaction */
    uint8_t sends_left;
    uint8_t postponed;
    bool is_triggered; /* a check came from there: it goes before all others */
    bool is_wanted;    /* nominated as soon as a check succeeds */
    bool is_nominated;
    cm_stun_role role; /* that the check under way said */
    cm_address peer;
    uint32_t remote_priority;
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];
    cm_instant due; /* of the next check or repetition; in progress without sends: of failure */
    cm_instant answered;
} cm_ice_pair;

typedef struct cm_ice_agent { /* private */
    cm_ice *ice;
    cm_random *random;
    uint8_t tag[CM_ICE_TAG_SIZE]; /* random: all its transactions begin so */
    cm_ice_base bases[CM_ICE_BASES_MAX];
    size_t base_count;
    cm_ice_pair pairs[CM_ICE_PAIRS_MAX];
    cm_ice_pair *selected;  /* where media goes; NULL: none yet */
    cm_ice_pair *successor; /* nominated, less good: if the selected one is silent */
    cm_instant challenged;  /* when that was asked */
    cm_instant first_valid; /* controlling: since when there is something to nominate */
    bool has_valid;
    cm_instant consented; /* the peer answered on the selected pair */
    size_t pwd_size;
    char pwd[CM_ICE_REMOTE_PWD_MAX];
} cm_ice_agent;

/* Controlled, or controlling when the peer is lite (RFC 8445 6.1.1). `ice` and `random` are
 * borrowed for life. */
void cm_ice_agent_init(cm_ice_agent *agent, cm_ice *ice, cm_random *random, bool is_peer_lite,
                       cm_instant now);
void cm_ice_agent_deinit(cm_ice_agent *agent); /* wipes */

/* Begins, or begins anew after cm_ice_restart(): no pairs. CM_REFUSE: that is no password (RFC 8839
 * 5.4); nothing has changed then. */
cm_status cm_ice_agent_begin(cm_ice_agent *agent, cm_slice remote_pwd, const cm_ice_base *bases,
                             size_t base_count);
/* Pairs an address of the peer's with each base of its family. CM_FULL: not with all. */
cm_status cm_ice_agent_add(cm_ice_agent *agent, const cm_address *peer, uint32_t priority,
                           cm_instant now);

/* ---- sending ---- */

typedef enum cm_ice_urgency {
    CM_ICE_ORDINARY,
    CM_ICE_TRIGGERED,
    CM_ICE_CONSENT, /* RFC 7675: not one of the checks that are paced */
} cm_ice_urgency;

/* When something is to be done, and how urgent it is then; false: never, as things stand. */
bool cm_ice_agent_due(const cm_ice_agent *agent, cm_instant *due, cm_ice_urgency *urgency);

/*
 * Takes what is due first: a check, written to `w` (CM_ICE_CHECK_MAX bytes of room), and where it
 * goes. CM_ABSENT: nothing is to be sent now. Also ends waits that are over: afterwards another
 * pair may be selected.
 */
typedef struct cm_ice_send {
    cm_ice_pair *pair; /* borrowed until the next call */
    size_t base;
    cm_address peer;
} cm_ice_send;
cm_status cm_ice_agent_next(cm_ice_agent *agent, cm_stun_hasher *hasher, cm_instant now,
                            cm_writer *w, cm_ice_send *out);
/* It could not be sent yet: it is due again at that time, and did not count; within bounds. */
void cm_ice_agent_postpone(cm_ice_agent *agent, const cm_ice_send *send, cm_instant until);

/* ---- what arrives ---- */

/* An authentic check of the peer's, answered with success. */
void cm_ice_agent_checked(cm_ice_agent *agent, size_t base, const cm_ice_check *check,
                          bool is_nominated);
/* We have another role than we had. */
void cm_ice_agent_switched(cm_ice_agent *agent, cm_instant now);

/* CM_OK: an authentic success, which proves `from`. CM_REFUSE: an authentic error. CM_ABSENT: no
 * answer to anything. CM_FOREIGN: it came from elsewhere than it was asked, or is not authentic. */
cm_status cm_ice_agent_answered(cm_ice_agent *agent, cm_stun_hasher *hasher, size_t base,
                                const cm_ice_check *answer);

/* By which the owner finds whose answer has come: borrowed for life. */
cm_slice cm_ice_agent_tag(const cm_ice_agent *agent);
cm_slice cm_ice_tag_of(const cm_stun_message *answer); /* likewise, as long as the answer */

/* Where media goes; false: no pair is nominated. */
bool cm_ice_agent_selected(const cm_ice_agent *agent, size_t *base, cm_address *peer);
/* When the peer last proved that it wants what it gets. */
cm_instant cm_ice_agent_consented(const cm_ice_agent *agent);
