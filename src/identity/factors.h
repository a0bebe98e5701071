/*
 * factors: the second factor: an authenticator app's secret from its making to its removal, and
 * judging what somebody typed: six digits are an authenticator's code, anything else a recovery
 * code. What stands between the routes (api/totp.c) or the calls (identity.c), the arithmetic
 * (totp.h) and the rows (store/totp.h).
 *
 * Threads: every function blocks: it belongs in the store's lane.
 */
#pragma once

#include "identity/identity.h"
#include "identity/totp.h"
#include "store/totp.h"

/* How long a secret that was told may wait for its first code. */
#define CM_FACTOR_BEGUN_US (CM_SECONDS(900))

/* Told once: the caller wipes it. */
typedef struct cm_factor_told {
    char secret[CM_TOTP_KEY_TEXT_SIZE]; /* base32 */
    char uri[CM_TOTP_URI_SIZE];         /* for a QR code */
} cm_factor_told;

/* A fresh secret; one that was begun before is void. `name`: the account's, shown by the app.
 * CM_REFUSE: one is confirmed. */
cm_status cm_factor_begin(cm_identity *identity, const cm_account_id *account, cm_slice name,
                          cm_wall now, cm_factor_told *out);
/* From here on a code is asked for. CM_ABSENT: none was begun, or too long ago. CM_REFUSE with
 * *cause, static: "wrong-code", "totp-there". */
cm_status cm_factor_confirm(cm_identity *identity, const cm_account_id *account, cm_slice code,
                            cm_wall now, cm_change *change, const char **cause);

/* What was typed, of an account that has a second factor. */
typedef struct cm_factor_shown {
    cm_account_id account;
    cm_slice code;
    cm_wall now;
} cm_factor_shown;
/*
 * Fills in what cm_store_factor_sign_in() uses up: for a recovery code whether there is such a one
 * is said there. A wrong authenticator's code is counted. CM_REFUSE with *cause, static:
 * "wrong-code", "code-held-off" (CM_TOTP_WRONG_MAX).
 */
cm_status cm_factor_judge(cm_identity *identity, const cm_factor_shown *shown, cm_factor_use *out,
                          const char **cause);
