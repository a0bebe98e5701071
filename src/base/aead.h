/*
 * aead: AES-128-GCM with a 12-byte nonce and a 16-byte tag (NIST SP 800-38D), in place, on a
 * context that stays keyed.
 *
 * Two back ends, chosen once a process: intel-ipsec-mb when it is installed and the processor is
 * fit (131 ns for 1,200 bytes), else OpenSSL EVP (498 ns). CASEMENT_AEAD=evp in the environment
 * asks for EVP. A context belongs to one thread.
 */
#pragma once

#include "base/slice.h"

enum { CM_AEAD_KEY_SIZE = 16, CM_AEAD_NONCE_SIZE = 12, CM_AEAD_TAG_SIZE = 16 };

typedef struct cm_aead cm_aead;

/* A context without a key. CM_BROKEN without memory or cipher. */
cm_status cm_aead_create(cm_aead **out);
void cm_aead_destroy(cm_aead *aead); /* wipes; NULL is fine */
cm_status cm_aead_set_key(cm_aead *aead, const uint8_t key[CM_AEAD_KEY_SIZE]);

/* Encrypts `size` bytes in place and writes the tag right after them: `bytes` has room for size
 * + 16. */
cm_status cm_aead_seal(cm_aead *aead, const uint8_t nonce[CM_AEAD_NONCE_SIZE], cm_slice associated,
                       uint8_t *bytes, size_t size);
/*
 * Decrypts `sealed` (ciphertext and tag) into `out` (sealed.size - 16 bytes). CM_FOREIGN: the tag
 * does not fit; `out` is wiped then.
 */
cm_status cm_aead_open(cm_aead *aead, const uint8_t nonce[CM_AEAD_NONCE_SIZE], cm_slice associated,
                       cm_slice sealed, uint8_t *out);

/* "ipsec-mb" or "evp". */
const char *cm_aead_backend(void);

/* For tests and benches: a context on a named back end; CM_ABSENT if this machine has it not. */
cm_status cm_aead_create_on(const char *backend, cm_aead **out);
