/* AES_CM_128_HMAC_SHA1_80 (RFC 3711, 4 and 5) on OpenSSL: contexts stay keyed, only the counter is
 * set for each packet. */
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "base/writer.h"
#include "net/srtp_priv.h"

enum {
    BLOCK_SIZE = 16,
    DIGEST_SIZE = 20,
    TAG_SIZE = 10, /* the digest's first bytes */
    WORD_SIZE = 4,
};

static void deinit(cm_srtp_cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->counter); /* wipes */
    EVP_MAC_CTX_free(cipher->mac);
    *cipher = (cm_srtp_cipher){0};
}

static cm_status init(cm_srtp_cipher *cipher, const cm_srtp_keys *keys)
{
    const cm_srtp_algorithms *algorithms = cm_srtp_algorithms_get();
    char digest[] = "SHA1";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    cm_srtp_cipher made = {.counter = EVP_CIPHER_CTX_new(),
                           .mac = EVP_MAC_CTX_new(algorithms->mac)};
    if (made.counter == NULL || made.mac == NULL ||
        EVP_EncryptInit_ex2(made.counter, algorithms->counter, keys->cipher, NULL, NULL) != 1 ||
        EVP_MAC_init(made.mac, keys->auth, sizeof keys->auth, parameters) != 1) {
        deinit(&made);
        return CM_BROKEN;
    }
    *cipher = made;
    return CM_OK;
}

/* RFC 3711, 4.1.1: encryption and decryption are the same. */
static cm_status crypt(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                       const cm_srtp_packet *packet)
{
    uint8_t *payload = packet->bytes + packet->header_size;
    const size_t size = packet->size - packet->header_size;
    uint8_t iv[BLOCK_SIZE];
    int done;
    CM_ENSURE(size <= INT_MAX, CM_CLOSE);
    cm_writer w = cm_writer_over(iv, sizeof iv);
    cm_write_u32(&w, 0);
    cm_write_u32(&w, packet->ssrc);
    cm_write_u16(&w, (uint16_t)(packet->index >> 32));
    cm_write_u32(&w, (uint32_t)packet->index);
    cm_write_u16(&w, 0);
    for (size_t i = 0; i < sizeof keys->salt; i++)
        iv[i] ^= keys->salt[i];
    CM_ENSURE(EVP_EncryptInit_ex2(cipher->counter, NULL, NULL, iv, NULL) == 1, CM_BROKEN);
    CM_ENSURE(EVP_EncryptUpdate(cipher->counter, payload, &done, payload, (int)size) == 1,
              CM_BROKEN);
    return CM_OK;
}

/* RFC 3711, 4.2: over the packet and the word: of RTP the rollover counter, of RTCP what stands
 * there anyway. */
static cm_status authenticate(const cm_srtp_cipher *cipher, const cm_srtp_packet *packet,
                              uint8_t digest[DIGEST_SIZE])
{
    uint8_t word[WORD_SIZE];
    size_t done;
    cm_writer w = cm_writer_over(word, sizeof word);
    cm_write_u32(&w, packet->word);
    CM_ENSURE(EVP_MAC_init(cipher->mac, NULL, 0, NULL) == 1 &&
                  EVP_MAC_update(cipher->mac, packet->bytes, packet->size) == 1 &&
                  EVP_MAC_update(cipher->mac, word, sizeof word) == 1 &&
                  EVP_MAC_final(cipher->mac, digest, &done, DIGEST_SIZE) == 1,
              CM_BROKEN);
    return CM_OK;
}

static cm_status seal(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                      const cm_srtp_packet *packet)
{
    uint8_t digest[DIGEST_SIZE];
    CM_TRY(crypt(cipher, keys, packet));
    CM_TRY(authenticate(cipher, packet, digest));
    cm_slice_copy(cm_slice_over(digest, TAG_SIZE), packet->bytes + packet->tag_at, TAG_SIZE);
    return CM_OK;
}

static cm_status open_packet(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                             const cm_srtp_packet *packet)
{
    uint8_t digest[DIGEST_SIZE];
    CM_TRY(authenticate(cipher, packet, digest));
    CM_ENSURE(cm_secret_equal(cm_slice_over(digest, TAG_SIZE),
                              cm_slice_over(packet->bytes + packet->tag_at, TAG_SIZE)),
              CM_FOREIGN);
    return packet->is_encrypted ? crypt(cipher, keys, packet) : CM_OK;
}

const cm_srtp_transform cm_srtp_cm = {
    .master_salt_size = CM_SRTP_SALT_SIZE,
    .tag_size = TAG_SIZE,
    .is_tag_last = true,
    .init = init,
    .deinit = deinit,
    .seal = seal,
    .open = open_packet,
};
