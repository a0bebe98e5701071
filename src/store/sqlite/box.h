/*
 * box: a secret that the database keeps: nonce, ciphertext and tag (XChaCha20-Poly1305, by
 * libsodium). Whose it is goes into the associated data: in another's row it does not open.
 */
#pragma once

#include "base/random.h"
#include "base/secret.h"
#include "base/slice.h"

enum { CM_BOX_EXTRA = 40 }; /* bytes that a box is longer than what is in it */

/* `out` has room for plain.size + CM_BOX_EXTRA bytes; all of it is written. */
void cm_box_seal(const cm_secret *key, cm_slice whose, cm_slice plain, cm_random *random,
                 uint8_t *out);
/* `out` has room for box.size - CM_BOX_EXTRA bytes. CM_FOREIGN: another key's or owner's, or
 * changed; nothing of `out` counts then. */
cm_status cm_box_open(const cm_secret *key, cm_slice whose, cm_slice box, uint8_t *out);
