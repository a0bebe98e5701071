/*
 * totp: the six digits of an authenticator app: RFC 6238 over RFC 4226, with SHA-1 and steps of 30
 * s, which is what every such app can do. Pure: who keeps the key, and which step was used last, is
 * the caller's.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

enum {
    CM_TOTP_KEY_SIZE = 20, /* bytes: RFC 4226 section 4, R6 recommends 160 bits */
    CM_TOTP_DIGITS = 6,
    CM_TOTP_STEP_S = 30,
    CM_TOTP_WINDOW = 1,         /* steps before and after now that count as well */
    CM_TOTP_KEY_TEXT_SIZE = 33, /* base32, and a terminator */
    CM_TOTP_URI_SIZE = 640,
};

typedef struct cm_totp_key {
    uint8_t bytes[CM_TOTP_KEY_SIZE]; /* a secret: wipe it */
} cm_totp_key;

/* The step that `now` lies in. */
int64_t cm_totp_step_at(cm_wall now);
/* RFC 4226 section 5.3: below 1,000,000. CM_BROKEN: the cipher library failed. */
cm_status cm_totp_code(const cm_totp_key *key, int64_t step, uint32_t *out);

/*
 * Is it the code of a step within the window, and of one after `last_step` (the step of the code
 * that was taken last; -1 at first)? *step_out is then what the next call's `last_step` is: so no
 * code is good twice, and none that is older than one that was used (RFC 6238 section 5.2). Spaces
 * in the text don't count. CM_REFUSE. While a clock that was ahead is set back, no code is taken
 * until it has caught up.
 */
cm_status cm_totp_judge(const cm_totp_key *key, cm_slice code, cm_wall now, int64_t last_step,
                        int64_t *step_out);

/* For typing: RFC 4648 section 6, without padding. */
void cm_totp_key_text(const cm_totp_key *key, char out[CM_TOTP_KEY_TEXT_SIZE]);
/* For a QR code: otpauth://totp/ISSUER:NAME?secret=…, both percent-encoded. CM_REFUSE: too long. */
cm_status cm_totp_uri(const cm_totp_key *key, cm_slice issuer, cm_slice name,
                      char out[CM_TOTP_URI_SIZE]);
