/* What proves a message: HMAC-SHA1 under the password, and a CRC that tells STUN from what else
 * shares its port. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/secret.h"
#include "proto/stun/stun_priv.h"

enum { FINGERPRINT_XOR = 0x5354554E };

struct cm_stun_hasher {
    EVP_MAC *mac;
    EVP_MAC_CTX *context; /* SHA-1 is set; each use sets a key */
};

static bool prepare(cm_stun_hasher *hasher)
{
    char digest[] = "SHA1";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    hasher->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (hasher->mac != NULL)
        hasher->context = EVP_MAC_CTX_new(hasher->mac);
    return hasher->context != NULL && EVP_MAC_CTX_set_params(hasher->context, params) == 1;
}

cm_status cm_stun_hasher_create(cm_stun_hasher **out)
{
    cm_stun_hasher *hasher = calloc(1, sizeof *hasher);
    CM_ENSURE(hasher != NULL, CM_BROKEN);
    if (!prepare(hasher)) {
        cm_stun_hasher_destroy(hasher);
        return CM_BROKEN;
    }
    *out = hasher;
    return CM_OK;
}

void cm_stun_hasher_destroy(cm_stun_hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MAC_CTX_free(hasher->context);
    EVP_MAC_free(hasher->mac);
    free(hasher);
}

cm_status cm_stun_sign(cm_stun_hasher *hasher, cm_slice covered, cm_slice key,
                       uint8_t out[CM_STUN_INTEGRITY_SIZE])
{
    const size_t length =
        covered.size - CM_STUN_HEADER_SIZE + CM_STUN_ATTRIBUTE_HEADER_SIZE + CM_STUN_INTEGRITY_SIZE;
    uint8_t begin[4];
    cm_writer w = cm_writer_over(begin, sizeof begin);
    cm_write_slice(&w, cm_slice_part(covered, 0, 2)); /* class and method */
    cm_write_u16(&w, (uint16_t)length);
    const cm_slice rest = cm_slice_from(covered, sizeof begin);
    size_t size = 0;
    const bool is_well = EVP_MAC_init(hasher->context, key.bytes, key.size, NULL) == 1 &&
                         EVP_MAC_update(hasher->context, begin, sizeof begin) == 1 &&
                         EVP_MAC_update(hasher->context, rest.bytes, rest.size) == 1 &&
                         EVP_MAC_final(hasher->context, out, &size, CM_STUN_INTEGRITY_SIZE) == 1;
    CM_ENSURE(is_well && size == CM_STUN_INTEGRITY_SIZE, CM_BROKEN);
    return CM_OK;
}

cm_status cm_stun_check_integrity(cm_stun_hasher *hasher, const cm_stun_message *message,
                                  cm_slice key)
{
    uint8_t expected[CM_STUN_INTEGRITY_SIZE];
    CM_ENSURE(message->has_integrity && key.size > 0, CM_REFUSE);
    CM_TRY(cm_stun_sign(hasher, message->covered, key, expected));
    const bool is_equal =
        cm_secret_equal(cm_slice_over(expected, sizeof expected), message->integrity);
    cm_secret_wipe(expected, sizeof expected); /* what a forger would need */
    return is_equal ? CM_OK : CM_REFUSE;
}

cm_status cm_stun_long_term_key(cm_slice username, cm_slice realm, cm_slice password,
                                uint8_t out[CM_STUN_KEY_SIZE])
{
    const cm_slice parts[] = {username, CM_TEXT(":"), realm, CM_TEXT(":"), password};
    unsigned size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CM_ENSURE(context != NULL, CM_BROKEN);
    bool is_well = EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;
    for (size_t i = 0; i < CM_COUNT(parts); i++)
        is_well = is_well && EVP_DigestUpdate(context, parts[i].bytes, parts[i].size) == 1;
    is_well = is_well && EVP_DigestFinal_ex(context, out, &size) == 1;
    EVP_MD_CTX_free(context); /* wipes */
    return is_well && size == CM_STUN_KEY_SIZE ? CM_OK : CM_BROKEN;
}

/* CRC-32 of ITU V.42 (reflected 0x04C11DB7), four bits at a time. */
uint32_t cm_stun_fingerprint(cm_slice before)
{
    static const uint32_t NIBBLES[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < before.size; i++) {
        crc ^= before.bytes[i];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
    }
    return ~crc ^ FINGERPRINT_XOR;
}

void cm_stun_xor(cm_stun_address *address, const uint8_t transaction[CM_STUN_TRANSACTION_SIZE])
{
    uint8_t mask[4 + CM_STUN_TRANSACTION_SIZE];
    cm_writer w = cm_writer_over(mask, sizeof mask);
    cm_write_u32(&w, CM_STUN_COOKIE);
    cm_write_slice(&w, cm_slice_over(transaction, CM_STUN_TRANSACTION_SIZE));
    for (size_t i = 0; i < address->size; i++)
        address->bytes[i] ^= mask[i];
    address->port ^= CM_STUN_COOKIE >> 16;
}
