/*
 * secret: key material and passwords: wiped when released, compared in constant time, never
 * printed.
 *
 * cm_secret is 32 bytes, enough for every key here. Longer ones (a typed password) use
 * cm_secret_wipe on their own storage.
 */
#pragma once

#include "base/slice.h"

enum { CM_SECRET_SIZE = 32 };

typedef struct cm_secret {
    uint8_t bytes[CM_SECRET_SIZE]; /* private: use cm_secret_borrow */
} cm_secret;

cm_slice cm_secret_borrow(const cm_secret *secret);
cm_status cm_secret_copy(cm_slice bytes, cm_secret *out); /* CM_REFUSE unless exactly 32 bytes */
void cm_secret_clear(cm_secret *secret);                  /* also a CM_AUTO destructor */

/* Constant time in the bytes; a difference in size answers at once. */
bool cm_secret_equal(cm_slice a, cm_slice b);
/* Overwrites in a way that the compiler may not leave out. */
void cm_secret_wipe(void *bytes, size_t size);

/*
 * One-way derivation: out = BLAKE2b-256(key = parent, label || 0 || context). The same inputs give
 * the same key in every process; different labels or contexts give unrelated keys.
 */
void cm_secret_derive(const cm_secret *parent, const char *label, cm_slice context, cm_secret *out);

/* BLAKE2b-256 of `bytes` under `key`: the MAC of stored rows. */
enum { CM_MAC_SIZE = 32 };
void cm_secret_mac(const cm_secret *key, cm_slice bytes, uint8_t out[CM_MAC_SIZE]);
/* BLAKE2b-256 without a key: the hash of tokens (which are 256-bit random) at rest. */
void cm_secret_hash(cm_slice bytes, uint8_t out[CM_MAC_SIZE]);
