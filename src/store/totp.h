/*
 * totp: the second factor of an account: the secret that its authenticator app has as well, in a
 * box under the server's key, which step's code was taken last, and how many wrong ones since.
 * What a code is computed like is identity/totp.h's; nothing here reads one.
 *
 * While the secret is only begun it counts for nothing. Once it is confirmed the account's own row
 * says so too (has_totp): a row that was taken out of the table by hand lets nobody in without a
 * code, it lets nobody in. Every change raises the account's generation, so that neither an older
 * row nor one that was removed fits again. A session by the password alone can't be begun then, nor
 * renewed: whoever asks, and whatever he had read before, the transaction refuses it.
 *
 * Threads and failures: as store.h says.
 */
#pragma once

#include "store/store.h"

enum {
    CM_TOTP_SECRET_SIZE = 20,
    /* NIST SP 800-63B 5.2.2: no more than 100 wrong ones in a row. From then on only a recovery
     * code or a passkey leads in, so that a guesser who has the password has one chance in 3,333 in
     * all. */
    CM_TOTP_WRONG_MAX = 100,
};

typedef struct cm_stored_totp {
    uint8_t secret[CM_TOTP_SECRET_SIZE]; /* the caller wipes it */
    bool is_confirmed;
    int64_t last_step; /* of the code that was taken last; -1: none */
    unsigned wrong;    /* since then, at most CM_TOTP_WRONG_MAX */
    cm_wall created;
} cm_stored_totp;

/* One that was begun before is void. CM_ABSENT: no such account. CM_REFUSE: one is confirmed. */
cm_status cm_store_totp_begin(cm_store *store, const cm_account_id *account,
                              const uint8_t secret[CM_TOTP_SECRET_SIZE], cm_wall now);
/* Reads. CM_ABSENT: none, nor begun. CM_FOREIGN: the account says that there is one, or the box is
 * another account's. */
cm_status cm_store_totp_find(cm_store *store, const cm_account_id *account, cm_stored_totp *out);
/* A code of `step` was right: from here on codes are asked for. CM_ABSENT: none was begun.
 * CM_REFUSE: it is confirmed already. */
cm_status cm_store_totp_confirm(cm_store *store, const cm_account_id *account, int64_t step,
                                cm_change *change);
/* Sessions stay. CM_ABSENT: none, nor begun. */
cm_status cm_store_totp_remove(cm_store *store, const cm_account_id *account, cm_change *change);
/* A wrong code was shown. CM_ABSENT: none is confirmed. */
cm_status cm_store_totp_note_wrong(cm_store *store, const cm_account_id *account);

/* A second factor that was judged and found right, and what it gives. */
typedef struct cm_factor_use {
    cm_account_id account;
    bool is_recovery;               /* a recovery code instead of the authenticator's */
    int64_t step;                   /* of the authenticator's code */
    uint8_t code_hash[CM_MAC_SIZE]; /* of the recovery code: see store/passkeys.h */
    /* The token's hash of a session of this account that goes on under the new token, as by
     * cm_store_session_renew(); NULL: one begins. */
    const uint8_t *former;
    uint8_t session_token_hash[CM_MAC_SIZE];
    cm_session_origin origin;
} cm_factor_use;
/* In one transaction: the code is used up, the wrong ones are forgotten, and the session begins or
 * goes on. CM_ABSENT: no such recovery code, no confirmed secret, or no such session. CM_REFUSE:
 * the code of this or a later step was taken already, too many were wrong, or the account is not
 * active. */
cm_status cm_store_factor_sign_in(cm_store *store, const cm_factor_use *use, cm_wall now,
                                  cm_stored_account *out, cm_change *change);
