/*
 * authenticator: a security key in software for tests: makes a key of each kind, writes what a
 * browser and an authenticator would say, and signs it. Everything that it says can be bent.
 */
#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/text.h"
#include "base/writer.h"
#include "identity/webauthn.h"
#include "unit.h"

enum {
    SAID_PRESENT = 0x01,
    SAID_VERIFIED = 0x04,
    SAID_ELIGIBLE = 0x08,
    SAID_BACKED_UP = 0x10,
    SAID_CREDENTIAL = 0x40,
    SAID_EXTENSIONS = 0x80,
    SAID_FINE = SAID_PRESENT | SAID_VERIFIED,
    KEY_ID_SIZE = 32,
};

typedef struct key_in_hand {
    EVP_PKEY *key;
    cm_cose_algorithm algorithm;
    uint8_t id[KEY_ID_SIZE];
    uint8_t cose[CM_WEBAUTHN_COSE_MAX];
    size_t cose_size;
} key_in_hand;

/* One ceremony, ready to be bent before it is said. */
typedef struct ceremony {
    const char *type, *rp, *origin;
    const char *more_client_data; /* further members, with a comma before */
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    uint8_t flags;
    uint32_t sign_count;
    cm_slice extensions;
    const char *format;     /* of the attestation */
    bool signs_itself;      /* "packed" by the key itself */
    int64_t says_algorithm; /* in a "packed" statement; 0: its own */

    uint8_t client_data[3000];
    size_t client_data_size;
    uint8_t authenticator_data[3000];
    size_t authenticator_data_size;
    uint8_t attestation[6000];
    size_t attestation_size;
    uint8_t signature[600];
    size_t signature_size;
} ceremony;

static inline cm_slice said_client_data(const ceremony *c)
{
    return cm_slice_over(c->client_data, c->client_data_size);
}
static inline cm_slice said_authenticator_data(const ceremony *c)
{
    return cm_slice_over(c->authenticator_data, c->authenticator_data_size);
}
static inline cm_slice said_attestation(const ceremony *c)
{
    return cm_slice_over(c->attestation, c->attestation_size);
}
static inline cm_slice said_signature(const ceremony *c)
{
    return cm_slice_over(c->signature, c->signature_size);
}
static inline cm_slice key_id(const key_in_hand *key)
{
    return cm_slice_over(key->id, sizeof key->id);
}
static inline cm_slice key_cose(const key_in_hand *key)
{
    return cm_slice_over(key->cose, key->cose_size);
}

/* ---- CBOR ---- */

static inline void cbor_head(cm_writer *w, unsigned major, uint64_t value)
{
    const uint8_t high = (uint8_t)(major << 5);
    if (value < 24) {
        cm_write_u8(w, (uint8_t)(high | value));
    } else if (value < 256) {
        cm_write_u8(w, high | 24);
        cm_write_u8(w, (uint8_t)value);
    } else {
        cm_write_u8(w, high | 25);
        cm_write_u16(w, (uint16_t)value);
    }
}
static inline void cbor_integer(cm_writer *w, int64_t value)
{
    cbor_head(w, value < 0, (uint64_t)(value < 0 ? -1 - value : value));
}
static inline void cbor_bytes(cm_writer *w, cm_slice bytes)
{
    cbor_head(w, 2, bytes.size);
    cm_write_slice(w, bytes);
}
static inline void cbor_text(cm_writer *w, const char *text)
{
    cbor_head(w, 3, strlen(text));
    cm_write_text(w, text);
}

/* ---- keys ---- */

static inline void write_cose_ec(key_in_hand *key, cm_writer *w)
{
    uint8_t point[65];
    size_t size = 0;
    assert_int_equal(EVP_PKEY_get_octet_string_param(key->key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     sizeof point, &size),
                     1);
    assert_int_equal(size, sizeof point);
    cbor_head(w, 5, 5);
    cbor_integer(w, 1), cbor_integer(w, 2);
    cbor_integer(w, 3), cbor_integer(w, CM_COSE_ES256);
    cbor_integer(w, -1), cbor_integer(w, 1);
    cbor_integer(w, -2), cbor_bytes(w, cm_slice_over(point + 1, 32));
    cbor_integer(w, -3), cbor_bytes(w, cm_slice_over(point + 33, 32));
}

static inline void write_cose_ed(key_in_hand *key, cm_writer *w)
{
    uint8_t x[32];
    size_t size = sizeof x;
    assert_int_equal(EVP_PKEY_get_raw_public_key(key->key, x, &size), 1);
    cbor_head(w, 5, 4);
    cbor_integer(w, 1), cbor_integer(w, 1);
    cbor_integer(w, 3), cbor_integer(w, CM_COSE_EDDSA);
    cbor_integer(w, -1), cbor_integer(w, 6);
    cbor_integer(w, -2), cbor_bytes(w, cm_slice_over(x, size));
}

static inline void write_cose_rsa(key_in_hand *key, cm_writer *w)
{
    BIGNUM *n = NULL;
    uint8_t modulus[256];
    assert_int_equal(EVP_PKEY_get_bn_param(key->key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    assert_int_equal(BN_bn2binpad(n, modulus, sizeof modulus), sizeof modulus);
    BN_free(n);
    cbor_head(w, 5, 4);
    cbor_integer(w, 1), cbor_integer(w, 3);
    cbor_integer(w, 3), cbor_integer(w, CM_COSE_RS256);
    cbor_integer(w, -1), cbor_bytes(w, cm_slice_over(modulus, sizeof modulus));
    cbor_integer(w, -2), cbor_bytes(w, BYTES(1, 0, 1));
}

static inline void key_make(key_in_hand *key, cm_cose_algorithm algorithm, uint8_t id)
{
    *key = (key_in_hand){.algorithm = algorithm};
    cm_writer w = cm_writer_over(key->cose, sizeof key->cose);
    if (algorithm == CM_COSE_ES256) {
        key->key = EVP_EC_gen("P-256");
        write_cose_ec(key, &w);
    } else if (algorithm == CM_COSE_EDDSA) {
        key->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        write_cose_ed(key, &w);
    } else {
        key->key = EVP_RSA_gen(2048);
        write_cose_rsa(key, &w);
    }
    key->cose_size = cm_writer_done(&w).size;
    for (size_t i = 0; i < sizeof key->id; i++)
        key->id[i] = (uint8_t)(id + i);
}

static inline void key_destroy(key_in_hand *key)
{
    EVP_PKEY_free(key->key);
    key->key = NULL;
}

/* ---- saying it ---- */

static inline ceremony ceremony_of(const char *type)
{
    ceremony c = {.type = type,
                  .rp = "casement.example",
                  .origin = "https://casement.example:8443",
                  .more_client_data = "",
                  .flags = SAID_FINE,
                  .format = "none"};
    for (size_t i = 0; i < sizeof c.challenge; i++)
        c.challenge[i] = (uint8_t)(i * 7 + 1);
    return c;
}

static inline void say_client_data(ceremony *c)
{
    char challenge[CM_BASE64_SIZE(CM_WEBAUTHN_CHALLENGE_SIZE)];
    assert_int_equal(cm_text_to_base64url(cm_slice_over(c->challenge, sizeof c->challenge),
                                          challenge, sizeof challenge),
                     CM_OK);
    cm_writer w = cm_writer_over(c->client_data, sizeof c->client_data);
    cm_write_format(&w, "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\"%s}", c->type,
                    challenge, c->origin, c->more_client_data);
    assert_false(w.failed);
    c->client_data_size = cm_writer_done(&w).size;
}

static inline void say_authenticator_data(ceremony *c, const key_in_hand *key)
{
    cm_writer w = cm_writer_over(c->authenticator_data, sizeof c->authenticator_data);
    uint8_t hash[32];
    assert_int_equal(EVP_Digest(c->rp, strlen(c->rp), hash, NULL, EVP_sha256(), NULL), 1);
    cm_write_slice(&w, cm_slice_over(hash, sizeof hash));
    cm_write_u8(&w, c->flags);
    cm_write_u32(&w, c->sign_count);
    if ((c->flags & SAID_CREDENTIAL) != 0) {
        cm_write_zeros(&w, 16);
        cm_write_u16(&w, sizeof key->id);
        cm_write_slice(&w, key_id(key));
        cm_write_slice(&w, key_cose(key));
    }
    cm_write_slice(&w, c->extensions);
    c->authenticator_data_size = cm_writer_done(&w).size;
}

/* Over the authenticator's data and the hash of the browser's. */
static inline void sign_it(ceremony *c, const key_in_hand *key)
{
    uint8_t signed_bytes[sizeof c->authenticator_data + 32];
    cm_writer w = cm_writer_over(signed_bytes, sizeof signed_bytes);
    uint8_t hash[32];
    assert_int_equal(
        EVP_Digest(c->client_data, c->client_data_size, hash, NULL, EVP_sha256(), NULL), 1);
    cm_write_slice(&w, said_authenticator_data(c));
    cm_write_slice(&w, cm_slice_over(hash, sizeof hash));
    const EVP_MD *digest = key->algorithm == CM_COSE_EDDSA ? NULL : EVP_sha256();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    c->signature_size = sizeof c->signature;
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest, NULL, key->key), 1);
    assert_int_equal(EVP_DigestSign(context, c->signature, &c->signature_size, signed_bytes,
                                    cm_writer_done(&w).size),
                     1);
    EVP_MD_CTX_free(context);
}

static inline void say_attestation(ceremony *c, const key_in_hand *key)
{
    cm_writer w = cm_writer_over(c->attestation, sizeof c->attestation);
    cbor_head(&w, 5, 3);
    cbor_text(&w, "fmt"), cbor_text(&w, c->format);
    cbor_text(&w, "attStmt");
    if (c->signs_itself) {
        cbor_head(&w, 5, 2);
        cbor_text(&w, "alg");
        cbor_integer(&w, c->says_algorithm != 0 ? c->says_algorithm : (int64_t)key->algorithm);
        cbor_text(&w, "sig"), cbor_bytes(&w, said_signature(c));
    } else {
        cbor_head(&w, 5, 0);
    }
    cbor_text(&w, "authData"), cbor_bytes(&w, said_authenticator_data(c));
    assert_false(w.failed);
    c->attestation_size = cm_writer_done(&w).size;
}

/* All of a ceremony in which a passkey is made. */
static inline void say_made(ceremony *c, const key_in_hand *key)
{
    c->flags |= SAID_CREDENTIAL;
    say_client_data(c);
    say_authenticator_data(c, key);
    sign_it(c, key);
    say_attestation(c, key);
}

/* All of one in which it is shown. */
static inline void say_shown(ceremony *c, const key_in_hand *key)
{
    say_client_data(c);
    say_authenticator_data(c, key);
    sign_it(c, key);
}
