/* Session keys from a master key, and the algorithms that this and the counter mode take from
 * OpenSSL. */
#include <openssl/evp.h>
#include <pthread.h>

#include "base/secret.h"
#include "base/writer.h"
#include "net/srtp_priv.h"

enum {
    BLOCK_SIZE = 16,
    LABEL_AT = 7, /* in the salt: label and index, 56 bits, are added at its right end */
    /* RFC 3711, 4.3.2: these of SRTP, and three more of each for SRTCP. */
    LABEL_CIPHER = 0,
    LABEL_AUTH = 1,
    LABEL_SALT = 2,
    LABELS_OF_SRTCP = 3,
};

static cm_srtp_algorithms algorithms;
static pthread_once_t fetching = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    algorithms.counter = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    algorithms.mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

const cm_srtp_algorithms *cm_srtp_algorithms_get(void)
{
    pthread_once(&fetching, fetch);
    return &algorithms;
}

static cm_status fill_with_key_stream(const uint8_t *key, const uint8_t *iv, uint8_t *out, int size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done;
    for (int i = 0; i < size; i++)
        out[i] = 0;
    const bool is_done =
        context != NULL &&
        EVP_EncryptInit_ex2(context, cm_srtp_algorithms_get()->counter, key, iv, NULL) == 1 &&
        EVP_EncryptUpdate(context, out, &done, out, size) == 1;
    EVP_CIPHER_CTX_free(context);
    return is_done ? CM_OK : CM_BROKEN;
}

/* RFC 3711, 4.3.1 and 4.3.3, with a key derivation rate of zero, and RFC 7714, 11 MUST: the same
 * function for GCM, whose shorter salt is followed by zeros (erratum 4938). */
cm_status cm_srtp_derive(const cm_srtp_master *master, size_t salt_size, uint8_t label,
                         uint8_t *out, size_t size)
{
    uint8_t iv[BLOCK_SIZE] = {0};
    cm_slice_copy(cm_slice_over(master->salt, salt_size), iv, CM_SRTP_SALT_SIZE);
    iv[LABEL_AT] ^= label;
    const cm_status status = fill_with_key_stream(master->key, iv, out, (int)size);
    cm_secret_wipe(iv, sizeof iv);
    return status;
}

static cm_status derive_set(const cm_srtp_master *master, size_t salt_size, uint8_t labels,
                            cm_srtp_keys *out)
{
    CM_TRY(
        cm_srtp_derive(master, salt_size, labels + LABEL_CIPHER, out->cipher, sizeof out->cipher));
    CM_TRY(cm_srtp_derive(master, salt_size, labels + LABEL_AUTH, out->auth, sizeof out->auth));
    return cm_srtp_derive(master, salt_size, labels + LABEL_SALT, out->salt, sizeof out->salt);
}

cm_status cm_srtp_keys_derive(const cm_srtp_master *master, size_t salt_size, cm_srtp_keys *rtp,
                              cm_srtp_keys *rtcp)
{
    CM_TRY(derive_set(master, salt_size, 0, rtp));
    return derive_set(master, salt_size, LABELS_OF_SRTCP, rtcp);
}
