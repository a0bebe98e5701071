/* Records of DTLS 1.2 (RFC 6347, 4.1): what can be seen without keys, and the opening of what a
 * peer says after the handshake (RFC 5246, 6.2.3.3; RFC 5288; RFC 7905), when OpenSSL's state is
 * gone. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "base/secret.h"
#include "base/writer.h"
#include "net/dtls_priv.h"

enum {
    VERSION_10 = 0xfeff,
    VERSION_12 = 0xfefd,
    EPOCH_MAX = 1, /* there is no second handshake */
    CLIENT_HELLO = 1,
    TAG_SIZE = 16,
    NONCE_SIZE = 12,
    RANDOM_SIZE = 32,
    MASTER_SIZE = 48,
    ALERT_FATAL = 2,
    CLOSE_NOTIFY = 0,
};

/* ---- without keys ---- */

cm_status cm_dtls_record_read(cm_reader *in, cm_dtls_record *out)
{
    out->type = cm_read_u8(in);
    out->version = cm_read_u16(in);
    out->epoch = cm_read_u16(in);
    out->sequence = (uint64_t)cm_read_u16(in) << 32;
    out->sequence |= cm_read_u32(in);
    const size_t size = cm_read_u16(in);
    out->body = cm_read_slice(in, size);
    CM_ENSURE(!in->failed, CM_CLOSE);
    CM_ENSURE(out->version == VERSION_10 || out->version == VERSION_12, CM_CLOSE);
    return CM_OK;
}

static bool is_client_hello(const cm_dtls_record *record)
{
    return record->type == CM_DTLS_HANDSHAKE && record->epoch == 0 && record->body.size > 0 &&
           record->body.bytes[0] == CLIENT_HELLO;
}

cm_status cm_dtls_look(cm_slice datagram, cm_dtls_sight *out)
{
    cm_reader in = cm_reader_over(datagram);
    cm_dtls_sight sight = {0};
    bool is_first = true;
    do {
        cm_dtls_record record;
        CM_TRY(cm_dtls_record_read(&in, &record));
        CM_ENSURE(record.type >= CM_DTLS_CHANGE_CIPHER_SPEC && record.type <= CM_DTLS_HANDSHAKE &&
                      record.epoch <= EPOCH_MAX,
                  CM_CLOSE);
        if (is_first)
            sight.has_client_hello = is_client_hello(&record);
        if (record.epoch > 0) {
            sight.sealed_count++;
            sight.has_finished = sight.has_finished || record.type == CM_DTLS_HANDSHAKE;
            sight.has_sealed_alert = sight.has_sealed_alert || record.type == CM_DTLS_ALERT;
        }
        is_first = false;
    } while (in.rest.size > 0);
    *out = sight;
    return CM_OK;
}

/* ---- with them ---- */

/* What dtls_context.c allows. An explicit part of the nonce stands in front of the sealed bytes. */
typedef struct suite {
    uint16_t id;
    const EVP_CIPHER *(*cipher)(void);
    const char *hash; // of the handshake
    size_t key_size;
    size_t iv_size;
} suite;

static const suite SUITES[] = {
    {0xc02b, EVP_aes_128_gcm, "SHA256", 16, 4},        /* ECDHE-ECDSA-AES128-GCM-SHA256 */
    {0xc02c, EVP_aes_256_gcm, "SHA384", 32, 4},        /* ECDHE-ECDSA-AES256-GCM-SHA384 */
    {0xcca9, EVP_chacha20_poly1305, "SHA256", 32, 12}, /* ECDHE-ECDSA-CHACHA20-POLY1305 */
};

static const suite *find_suite(uint16_t id)
{
    for (size_t i = 0; i < CM_COUNT(SUITES); i++)
        if (SUITES[i].id == id)
            return &SUITES[i];
    return NULL;
}

/* P_hash of RFC 5246, 5. OpenSSL takes what it only reads through pointers to non-const. */
static cm_status derive(const suite *s, cm_slice secret, cm_slice seed, cm_slice out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)s->hash, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret.bytes,
                                          secret.size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed.bytes,
                                          seed.size),
        OSSL_PARAM_END,
    };
    const bool is_good =
        context != NULL &&
        EVP_KDF_derive(context, (unsigned char *)(uintptr_t)out.bytes, out.size, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return is_good ? CM_OK : CM_BROKEN;
}

/* RFC 5246, 6.3. An AEAD has no MAC keys: the block is both keys, then both IVs, the client's
 * first. */
cm_status cm_dtls_opener_derive(const SSL *ssl, cm_dtls_opener *out)
{
    static const char LABEL[] = "key expansion";
    const suite *s = find_suite(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
    CM_ENSURE(s != NULL, CM_BROKEN);
    uint8_t master[MASTER_SIZE], random[RANDOM_SIZE], seed[sizeof LABEL + 2 * RANDOM_SIZE];
    uint8_t block[2 * (sizeof out->key + sizeof out->iv)];
    cm_writer w = cm_writer_over(seed, sizeof seed);
    cm_write_text(&w, LABEL);
    cm_write_slice(&w, cm_slice_over(random, SSL_get_server_random(ssl, random, sizeof random)));
    cm_write_slice(&w, cm_slice_over(random, SSL_get_client_random(ssl, random, sizeof random)));
    const size_t size = SSL_SESSION_get_master_key(SSL_get0_session(ssl), master, sizeof master);
    const cm_status status = derive(s, cm_slice_over(master, size), cm_writer_done(&w),
                                    cm_slice_over(block, 2 * (s->key_size + s->iv_size)));
    if (status == CM_OK) {
        *out = (cm_dtls_opener){.suite = s->id};
        cm_slice_copy(cm_slice_over(block, s->key_size), out->key, sizeof out->key);
        cm_slice_copy(cm_slice_over(block + 2 * s->key_size, s->iv_size), out->iv, sizeof out->iv);
    }
    cm_secret_wipe(master, sizeof master);
    cm_secret_wipe(block, sizeof block);
    return status;
}

/* GCM: the fixed part and the explicit one (RFC 5288, 3). ChaCha20: epoch and sequence number over
 * the end of the IV (RFC 7905, 2). */
static void write_nonce(const cm_dtls_opener *opener, const suite *s, const cm_dtls_record *record,
                        cm_slice explicit_part, uint8_t nonce[NONCE_SIZE])
{
    const uint64_t number = (uint64_t)record->epoch << 48 | record->sequence;
    cm_writer w = cm_writer_over(nonce, NONCE_SIZE);
    cm_write_slice(&w, cm_slice_over(opener->iv, s->iv_size));
    cm_write_slice(&w, explicit_part);
    for (size_t i = 0; explicit_part.size == 0 && i < sizeof number; i++)
        nonce[NONCE_SIZE - 1 - i] ^= (uint8_t)(number >> 8 * i);
}

static bool open_alert(const cm_dtls_opener *opener, const cm_dtls_record *record, uint8_t out[2])
{
    const suite *s = find_suite(opener->suite);
    if (s == NULL)
        return false;
    cm_reader in = cm_reader_over(record->body);
    const cm_slice explicit_part = cm_read_slice(&in, NONCE_SIZE - s->iv_size);
    const cm_slice sealed = cm_read_slice(&in, 2);
    const cm_slice tag = cm_read_slice(&in, TAG_SIZE);
    if (cm_reader_finish(&in) != CM_OK)
        return false;
    uint8_t nonce[NONCE_SIZE], associated[13];
    write_nonce(opener, s, record, explicit_part, nonce);
    cm_writer w = cm_writer_over(associated, sizeof associated);
    cm_write_u16(&w, record->epoch);
    cm_write_u16(&w, (uint16_t)(record->sequence >> 32));
    cm_write_u32(&w, (uint32_t)record->sequence);
    cm_write_u8(&w, record->type);
    cm_write_u16(&w, record->version);
    cm_write_u16(&w, 2); /* of what is inside */
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size;
    const bool is_authentic =
        context != NULL &&
        EVP_DecryptInit_ex(context, s->cipher(), NULL, opener->key, nonce) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
                            (void *)(uintptr_t)tag.bytes) == 1 &&
        EVP_DecryptUpdate(context, NULL, &size, associated, sizeof associated) == 1 &&
        EVP_DecryptUpdate(context, out, &size, sealed.bytes, (int)sealed.size) == 1 &&
        EVP_DecryptFinal_ex(context, out + size, &size) == 1;
    EVP_CIPHER_CTX_free(context);
    return is_authentic;
}

bool cm_dtls_opener_finds_end(const cm_dtls_opener *opener, cm_slice datagram)
{
    cm_reader in = cm_reader_over(datagram);
    cm_dtls_record record;
    bool is_end = false;
    while (!is_end && in.rest.size > 0 && cm_dtls_record_read(&in, &record) == CM_OK) {
        uint8_t alert[2]; /* level, description */
        is_end = record.type == CM_DTLS_ALERT && record.epoch == 1 &&
                 open_alert(opener, &record, alert) &&
                 (alert[0] == ALERT_FATAL || alert[1] == CLOSE_NOTIFY);
    }
    return is_end;
}
