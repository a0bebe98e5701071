/*
 * passkeys: what an account can sign in with beside its password: passkeys (public keys that its
 * devices hold), and recovery codes for when those are lost. Rows like those of store.h: signed,
 * bound to their account and its generation, so that one put back after it was removed or used up
 * does not fit.
 *
 * What is stored is no secret: public keys, and digests of codes. Nothing here checks a signature;
 * identity does, before it calls.
 *
 * Threads and failures: as store.h says.
 */
#pragma once

#include "store/store.h"

enum {
    CM_ACCOUNT_PASSKEYS_MAX = 20,
    CM_RECOVERY_CODES = 10, /* made together; each works once */
    CM_PASSKEY_CREDENTIAL_SIZE = 1023,
    CM_PASSKEY_KEY_SIZE = 512,
    CM_PASSKEY_RP_SIZE = 254, /* a host name and its terminator */
};

typedef struct cm_stored_passkey {
    char id[CM_ID_SIZE]; /* ours, for addresses; the credential's own is long */
    cm_account_id account;
    char rp[CM_PASSKEY_RP_SIZE]; /* the name of this server it was made under, and works under */
    char name[CM_NAME_SIZE];
    uint8_t credential[CM_PASSKEY_CREDENTIAL_SIZE];
    size_t credential_size;
    uint8_t key[CM_PASSKEY_KEY_SIZE]; /* COSE */
    size_t key_size;
    uint32_t sign_count;
    bool is_backup_eligible, is_backed_up;
    cm_wall created, last_used; /* last_used.us 0: never */
} cm_stored_passkey;

typedef struct cm_stored_passkeys {
    cm_stored_passkey *items;
    size_t count;
} cm_stored_passkeys;
void cm_stored_passkeys_clear(cm_stored_passkeys *passkeys);

typedef struct cm_new_passkey {
    cm_account_id account;
    cm_slice rp, name, credential, key;
    uint32_t sign_count;
    bool is_backup_eligible, is_backed_up;
} cm_new_passkey;

/* CM_ABSENT: no such account. CM_REFUSE: a name or size, or the credential is there already, with
 * whomever. CM_FULL: CM_ACCOUNT_PASSKEYS_MAX. */
cm_status cm_store_passkey_add(cm_store *store, const cm_new_passkey *passkey, cm_wall now,
                               cm_stored_passkey *out);
/* Reads: by the credential's own id. CM_ABSENT. */
cm_status cm_store_passkey_find(cm_store *store, cm_slice credential, cm_stored_passkey *out);
cm_status cm_store_passkeys(cm_store *store, const cm_account_id *account,
                            cm_stored_passkeys *out); /* reads; the oldest first */
/* CM_ABSENT: this account has no such passkey. CM_REFUSE: the name. */
cm_status cm_store_passkey_rename(cm_store *store, const cm_account_id *account, cm_slice id,
                                  cm_slice name, cm_stored_passkey *out);
/* Sessions that were begun with it stay. CM_ABSENT. */
cm_status cm_store_passkey_remove(cm_store *store, const cm_account_id *account, cm_slice id,
                                  cm_change *change);

typedef struct cm_passkey_use {
    cm_slice credential;
    uint32_t sign_count; /* as it was shown; judged again here, beside what is stored now */
    bool is_backed_up;
    /* The token's hash of a session that goes on under the new token, as by
     * cm_store_session_renew(); NULL: one begins. */
    const uint8_t *former;
    uint8_t session_token_hash[CM_MAC_SIZE];
    cm_session_origin origin; /* by a passkey */
} cm_passkey_use;
/* In one transaction: the use is noted and the session begins or goes on. CM_ABSENT: no such
 * passkey, or session. CM_REFUSE: the account is not active, the session is not the passkey's
 * account's, or the counter did not rise. */
cm_status cm_store_passkey_sign_in(cm_store *store, const cm_passkey_use *use, cm_wall now,
                                   cm_stored_account *out, cm_change *change);

/* ---- recovery codes ---- */

/* Codes made earlier are void. Digests under a key that is not in the database
 * (cm_store_fingerprint). CM_ABSENT. */
cm_status cm_store_recovery_set(cm_store *store, const cm_account_id *account,
                                const uint8_t hashes[CM_RECOVERY_CODES][CM_MAC_SIZE], cm_wall now,
                                cm_change *change);
/* Reads: how many are left, and when they were made (us 0: never). */
cm_status cm_store_recovery_left(cm_store *store, const cm_account_id *account, size_t *left,
                                 cm_wall *made);

typedef struct cm_recovery_use {
    cm_account_id account;
    uint8_t code_hash[CM_MAC_SIZE];
    uint8_t session_token_hash[CM_MAC_SIZE];
    cm_session_origin origin;
    bool ends_sessions;    /* all there are: somebody else may hold the phone */
    bool removes_passkeys; /* likewise */
    bool removes_totp;     /* likewise: what totp.h keeps */
} cm_recovery_use;
/* In one transaction: the code is used up, what it is to end ends, and a session begins. CM_ABSENT:
 * no such code of this account. CM_REFUSE: the account is not active; the code stays. */
cm_status cm_store_recovery_sign_in(cm_store *store, const cm_recovery_use *use, cm_wall now,
                                    cm_stored_account *out, cm_change *change);
