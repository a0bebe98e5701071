#include "store/sqlite/box.h"

#include <assert.h>

#include <sodium.h>

enum { NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };
static_assert((int)CM_BOX_EXTRA == (int)NONCE_SIZE + (int)crypto_aead_xchacha20poly1305_ietf_ABYTES,
              "nonce and tag");

void cm_box_seal(const cm_secret *key, cm_slice whose, cm_slice plain, cm_random *random,
                 uint8_t *out)
{
    cm_random_fill(random, out, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(&out[NONCE_SIZE], NULL, plain.bytes, plain.size,
                                               whose.bytes, whose.size, NULL, out, key->bytes);
}

cm_status cm_box_open(const cm_secret *key, cm_slice whose, cm_slice box, uint8_t *out)
{
    CM_ENSURE(box.size >= CM_BOX_EXTRA, CM_FOREIGN);
    const cm_slice sealed = cm_slice_from(box, NONCE_SIZE);
    const int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, NULL, NULL, sealed.bytes, sealed.size, whose.bytes, whose.size, box.bytes, key->bytes);
    CM_ENSURE(opened == 0, CM_FOREIGN);
    return CM_OK;
}
