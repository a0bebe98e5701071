/* AES-128-GCM on OpenSSL: the context is kept keyed and only the IV is set anew, which is twice as
 * fast as a full init. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/aead_priv.h"
#include "base/secret.h"

typedef struct evp_aead {
    cm_aead base;
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open; /* a context is keyed for one direction */
    bool is_keyed_to_open;
    bool is_keyed_to_seal;
    uint8_t key[CM_AEAD_KEY_SIZE];
} evp_aead;

static evp_aead *of(cm_aead *aead)
{
    return (evp_aead *)(void *)aead;
}

static bool is_available(void)
{
    return true;
}

static void destroy(cm_aead *aead)
{
    evp_aead *a = of(aead);
    EVP_CIPHER_CTX_free(a->seal);
    EVP_CIPHER_CTX_free(a->open);
    cm_secret_wipe(a->key, sizeof a->key);
    free(a);
}

static cm_status create(cm_aead **out)
{
    evp_aead *a = calloc(1, sizeof *a);
    CM_ENSURE(a != NULL, CM_BROKEN);
    a->base.ops = &cm_aead_evp;
    *out = &a->base;
    return CM_OK;
}

static cm_status set_key(cm_aead *aead, const uint8_t *key)
{
    evp_aead *a = of(aead);
    for (size_t i = 0; i < sizeof a->key; i++)
        a->key[i] = key[i];
    a->is_keyed_to_open = a->is_keyed_to_seal = false;
    return CM_OK;
}

/* Keys the direction's context at its first use: a sealer never opens and an opener never seals. */
static cm_status ready(evp_aead *a, EVP_CIPHER_CTX **context, bool *is_keyed, int is_sealing)
{
    if (*is_keyed)
        return CM_OK;
    if (*context == NULL)
        *context = EVP_CIPHER_CTX_new();
    CM_ENSURE(*context != NULL, CM_BROKEN);
    CM_ENSURE(EVP_CipherInit_ex(*context, EVP_aes_128_gcm(), NULL, a->key, NULL, is_sealing) == 1,
              CM_BROKEN);
    *is_keyed = true;
    return CM_OK;
}

static cm_status seal(cm_aead *aead, const uint8_t *nonce, cm_slice associated, uint8_t *bytes,
                      size_t size)
{
    evp_aead *a = of(aead);
    int done;
    CM_ENSURE(size <= INT_MAX && associated.size <= INT_MAX, CM_FULL);
    CM_TRY(ready(a, &a->seal, &a->is_keyed_to_seal, 1));
    CM_ENSURE(EVP_EncryptInit_ex(a->seal, NULL, NULL, NULL, nonce) == 1, CM_BROKEN);
    CM_ENSURE(EVP_EncryptUpdate(a->seal, NULL, &done, associated.bytes, (int)associated.size) == 1,
              CM_BROKEN);
    CM_ENSURE(EVP_EncryptUpdate(a->seal, bytes, &done, bytes, (int)size) == 1, CM_BROKEN);
    CM_ENSURE(EVP_EncryptFinal_ex(a->seal, bytes + size, &done) == 1, CM_BROKEN);
    CM_ENSURE(EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, CM_AEAD_TAG_SIZE, bytes + size) ==
                  1,
              CM_BROKEN);
    return CM_OK;
}

static cm_status open_checked(evp_aead *a, const uint8_t *nonce, cm_slice associated,
                              cm_slice sealed, uint8_t *out)
{
    const cm_slice body = cm_slice_part(sealed, 0, sealed.size - CM_AEAD_TAG_SIZE);
    const cm_slice tag = cm_slice_from(sealed, body.size);
    int done;
    CM_ENSURE(body.size <= INT_MAX && associated.size <= INT_MAX, CM_FULL);
    CM_TRY(ready(a, &a->open, &a->is_keyed_to_open, 0));
    CM_ENSURE(EVP_DecryptInit_ex(a->open, NULL, NULL, NULL, nonce) == 1, CM_BROKEN);
    CM_ENSURE(EVP_DecryptUpdate(a->open, NULL, &done, associated.bytes, (int)associated.size) == 1,
              CM_BROKEN);
    CM_ENSURE(EVP_DecryptUpdate(a->open, out, &done, body.bytes, (int)body.size) == 1, CM_BROKEN);
    /* OpenSSL takes the tag to compare with through a pointer to non-const. */
    CM_ENSURE(EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, CM_AEAD_TAG_SIZE,
                                  (void *)(uintptr_t)tag.bytes) == 1,
              CM_BROKEN);
    return EVP_DecryptFinal_ex(a->open, out + body.size, &done) == 1 ? CM_OK : CM_FOREIGN;
}

static cm_status open_sealed(cm_aead *aead, const uint8_t *nonce, cm_slice associated,
                             cm_slice sealed, uint8_t *out)
{
    const cm_status status = open_checked(of(aead), nonce, associated, sealed, out);
    if (status != CM_OK)
        cm_secret_wipe(out, sealed.size - CM_AEAD_TAG_SIZE);
    return status;
}

const cm_aead_backend_ops cm_aead_evp = {
    .name = "evp",
    .is_available = is_available,
    .create = create,
    .destroy = destroy,
    .set_key = set_key,
    .seal = seal,
    .open = open_sealed,
};
