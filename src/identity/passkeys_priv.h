/* passkeys_priv: what passkeys.c and recovery.c share. */
#pragma once

#include "identity/identity_priv.h"
#include "identity/passkeys.h"

struct cm_passkeys {
    cm_identity *identity;
    cm_challenges *challenges;
    char names[CM_PASSKEY_NAMES_MAX][CM_WEBAUTHN_RP_MAX + 1]; /* lower case */
    size_t name_count;
};

/* A session's token from identity's own source of randomness; any thread. */
void cm_passkeys_token(const cm_passkeys *passkeys, cm_token *out);

/* Tells the audit of a sign-in that was let in (returns when that is durable), or refused (those of
 * a minute are one entry). NULL as the origin: nothing is kept of where from. */
void cm_passkeys_record(const cm_passkeys *passkeys, const cm_audit_entry *what,
                        const cm_session_origin *origin);
void cm_passkeys_record_refusal(const cm_passkeys *passkeys, const cm_audit_entry *what,
                                const cm_session_origin *origin);
