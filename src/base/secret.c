#include "base/secret.h"

#include <openssl/crypto.h>
#include <sodium.h>
#include <string.h>

cm_slice cm_secret_borrow(const cm_secret *secret)
{
    return cm_slice_over(secret->bytes, sizeof secret->bytes);
}

cm_status cm_secret_copy(cm_slice bytes, cm_secret *out)
{
    CM_ENSURE(bytes.size == CM_SECRET_SIZE, CM_REFUSE);
    memcpy(out->bytes, bytes.bytes, CM_SECRET_SIZE);
    return CM_OK;
}

void cm_secret_clear(cm_secret *secret)
{
    cm_secret_wipe(secret->bytes, sizeof secret->bytes);
}

bool cm_secret_equal(cm_slice a, cm_slice b)
{
    return a.size == b.size && (a.size == 0 || CRYPTO_memcmp(a.bytes, b.bytes, a.size) == 0);
}

void cm_secret_wipe(void *bytes, size_t size)
{
    sodium_memzero(bytes, size);
}

void cm_secret_derive(const cm_secret *parent, const char *label, cm_slice context, cm_secret *out)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, parent->bytes, sizeof parent->bytes, sizeof out->bytes);
    /* With the terminator: "ab" || "c" must not equal "a" || "bc". */
    crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&state, context.bytes, context.size);
    crypto_generichash_final(&state, out->bytes, sizeof out->bytes);
    sodium_memzero(&state, sizeof state);
}

void cm_secret_mac(const cm_secret *key, cm_slice bytes, uint8_t out[CM_MAC_SIZE])
{
    crypto_generichash(out, CM_MAC_SIZE, bytes.bytes, bytes.size, key->bytes, sizeof key->bytes);
}

void cm_secret_hash(cm_slice bytes, uint8_t out[CM_MAC_SIZE])
{
    crypto_generichash(out, CM_MAC_SIZE, bytes.bytes, bytes.size, NULL, 0);
}
