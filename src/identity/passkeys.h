/*
 * passkeys: making one, signing in with one, and recovery codes for when they are lost. What stands
 * between the routes (api/passkeys.c, api/recovery.c) and the parts: challenges.h, webauthn.h and
 * store/passkeys.h.
 *
 * A passkey belongs to a name of this server (the relying party's id), and browsers make none for
 * an address. The names are those of the configuration (tls.names), this machine's own, and
 * localhost; a page that was opened under anything else is told which names there are. A passkey
 * needs no second factor: only those are taken that verify their person (a finger, a face, a PIN).
 *
 * Life: one a process, after and before its identity. Threads: any; what is marked "blocks" waits
 * for the disk or computes for long, and belongs in the pool ("reads") or in the store's lane.
 */
#pragma once

#include "identity/challenges.h"
#include "identity/identity.h"
#include "store/passkeys.h"

enum {
    CM_PASSKEY_NAMES_MAX = 34,
    CM_RECOVERY_CODE_SIZE = 20, /* "ABCD-EFGH-JKMN-PQRS" and its terminator: 80 bits */
};

typedef struct cm_passkeys cm_passkeys;

typedef struct cm_passkeys_config {
    cm_identity *identity; /* whose store, limits, random and hashing cost are used */
    /* Names of this server; what is an address is left out. localhost is always one. Copied. */
    const cm_slice *names;
    size_t name_count;
    size_t challenges_max; /* 0: CM_CHALLENGES_DEFAULT */
} cm_passkeys_config;

cm_status cm_passkeys_create(const cm_passkeys_config *config, cm_passkeys **out);
void cm_passkeys_destroy(cm_passkeys *passkeys); /* NULL is fine */

/* The names that passkeys can be made under, for people: localhost last. Borrowed. */
size_t cm_passkeys_names(const cm_passkeys *passkeys, const char *out[CM_PASSKEY_NAMES_MAX]);

/* Under what our page was opened. */
typedef struct cm_passkey_site {
    char rp[CM_WEBAUTHN_RP_MAX + 1];
    char origin[CM_WEBAUTHN_ORIGIN_MAX + 1];
} cm_passkey_site;
/* From a request's Host. CM_ABSENT: an address, a name that is not ours, or neither TLS nor
 * localhost: no browser makes passkeys there. */
cm_status cm_passkeys_site(const cm_passkeys *passkeys, cm_slice host, bool is_secure,
                           cm_passkey_site *out);

/* ---- challenges ---- */

/* What a challenge is for. `session`: whose session it is that asks for a further passkey, or shows
 * one again; NULL: somebody wants to sign in. */
typedef struct cm_passkey_purpose {
    const cm_passkey_site *site;
    const uint8_t *session; /* its token's hash, CM_MAC_SIZE bytes */
    bool is_again;          /* who is signed in shows again who he is */
} cm_passkey_purpose;
void cm_passkeys_challenge(cm_passkeys *passkeys, const cm_passkey_purpose *purpose,
                           const cm_address *from, cm_instant now,
                           uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE]);

/* ---- the two ceremonies: each takes its challenge first, so that nothing is tried twice ---- */

typedef struct cm_passkey_making {
    cm_passkey_purpose purpose;
    cm_account_id account;
    cm_slice name, client_data, attestation;
    cm_instant now;
    cm_wall today;
} cm_passkey_making;
/* Blocks, in the lane. CM_REFUSE with *cause, static: of webauthn.h, or "no-challenge" "bad-name"
 * "already-there"; CM_FULL: too many passkeys. */
cm_status cm_passkeys_make(cm_passkeys *passkeys, const cm_passkey_making *making,
                           cm_stored_passkey *out, const char **cause);

typedef struct cm_passkey_showing {
    cm_passkey_purpose purpose;
    cm_slice credential;  /* its id */
    cm_slice user_handle; /* whose it says it is */
    cm_webauthn_answer answer;
    cm_session_origin origin;
    cm_instant now;
    cm_wall today;
} cm_passkey_showing;

/* A fresh session. */
typedef struct cm_passkey_session {
    cm_token token;
    cm_stored_account account;
    cm_change change;
} cm_passkey_session;
/* Blocks, in the lane. With is_again the session goes on under the new token, in the transaction
 * that notes the passkey's use; CM_ABSENT: it has ended. CM_REFUSE with *cause: of webauthn.h, or
 * "no-challenge" "no-such-passkey" "another-account" "not-active"; logged here. */
cm_status cm_passkeys_sign_in(cm_passkeys *passkeys, const cm_passkey_showing *showing,
                              cm_passkey_session *out, const char **cause);

/* ---- how often somebody may try: identity's own limits ---- */

/* CM_RETRY with *wait_us. `name`: what was typed; of a passkey its credential's id. */
cm_status cm_passkeys_may_try(cm_passkeys *passkeys, const cm_address *from, cm_slice name,
                              cm_instant now, int64_t *wait_us);
void cm_passkeys_tried(cm_passkeys *passkeys, const cm_address *from, cm_slice name, bool was_right,
                       cm_instant now);

/* ---- recovery codes (recovery.c) ---- */

/* Blocks, in the lane. Codes made earlier are void. Told once: the caller wipes them. */
cm_status cm_passkeys_make_codes(cm_passkeys *passkeys, const cm_account_id *account, cm_wall now,
                                 char out[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE],
                                 cm_change *change);

typedef struct cm_recovery_ask {
    cm_slice name, code;
    bool ends_sessions, removes_passkeys, removes_totp;
    cm_session_origin origin;
} cm_recovery_ask;
/* Blocks, in the pool, for as long as a password takes, whether there is such a name or not. What
 * comes out is for cm_passkeys_recover; that it came says nothing yet. */
cm_status cm_passkeys_prepare_recovery(cm_passkeys *passkeys, const cm_recovery_ask *ask,
                                       cm_recovery_use *out);
/* Blocks, in the lane. CM_REFUSE: the name or the code is wrong. */
cm_status cm_passkeys_recover(cm_passkeys *passkeys, cm_recovery_use *use, cm_wall now,
                              cm_passkey_session *out);
