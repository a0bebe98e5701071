/* Keys, certificates and fingerprints. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/writer.h"
#include "net/dtls_priv.h"

enum {
    LIFE_DAYS = 365,
    BACKDATE_S = 24 * 60 * 60, /* clocks differ, and a day tells nobody when we began */
    NAME_SIZE = 8,
    SHA256_SIZE = 32,
};

/* ---- making ---- */

/* The name and the serial number are random and mean nothing: they go over the network in the
 * clear. */
static bool set_name(X509 *certificate)
{
    uint8_t random[NAME_SIZE];
    uint64_t serial;
    char text[CM_HEX_SIZE(NAME_SIZE)];
    X509_NAME *name = X509_get_subject_name(certificate);
    return RAND_bytes(random, sizeof random) == 1 &&
           RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1 &&
           cm_text_to_hex(cm_slice_over(random, sizeof random), text, sizeof text) == CM_OK &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static bool make_certificate(X509 *certificate, EVP_PKEY *key, cm_wall now)
{
    const time_t at = (time_t)(now.us / CM_SECONDS(1));
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_name(certificate) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), at - BACKDATE_S) != NULL &&
           ASN1_TIME_adj(X509_getm_notAfter(certificate), at, LIFE_DAYS, 0) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool write_fingerprint(const X509 *certificate, char *out, size_t capacity)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        return false;
    cm_writer w = cm_writer_over(out, capacity);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        cm_write_format(&w, "%s%02X", i > 0 ? ":" : "", digest[i]);
    cm_write_u8(&w, '\0');
    return !w.failed;
}

static bool equip(cm_dtls_identity *identity, X509 *certificate, EVP_PKEY *key, cm_wall now)
{
    identity->context = cm_dtls_context_create();
    identity->bio = cm_dtls_bio_method_create();
    return identity->context != NULL && identity->bio != NULL && certificate != NULL &&
           key != NULL && make_certificate(certificate, key, now) &&
           write_fingerprint(certificate, identity->fingerprint, sizeof identity->fingerprint) &&
           SSL_CTX_use_certificate(identity->context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(identity->context, key) == 1;
}

cm_status cm_dtls_identity_create(cm_wall now, cm_dtls_identity **out)
{
    cm_dtls_identity *identity = calloc(1, sizeof *identity);
    CM_ENSURE(identity != NULL, CM_BROKEN);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    const bool is_good = equip(identity, certificate, key, now);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!is_good) {
        cm_dtls_identity_destroy(identity);
        return CM_BROKEN;
    }
    *out = identity;
    return CM_OK;
}

void cm_dtls_identity_destroy(cm_dtls_identity *identity)
{
    if (identity == NULL)
        return;
    SSL_CTX_free(identity->context);
    BIO_meth_free(identity->bio);
    free(identity);
}

const char *cm_dtls_identity_fingerprint(const cm_dtls_identity *identity)
{
    return identity->fingerprint;
}

/* ---- reading fingerprints ---- */

/* RFC 8122, 5. SHA-1 and MD5 are as good as no fingerprint. */
static uint8_t size_of_hash(cm_slice name)
{
    static const struct {
        const char *name;
        uint8_t size;
    } HASHES[] = {{"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};
    for (size_t i = 0; i < CM_COUNT(HASHES); i++)
        if (cm_slice_equal_nocase(name, cm_slice_of(HASHES[i].name)))
            return HASHES[i].size;
    return 0;
}

cm_status cm_fingerprint_parse(cm_slice value, cm_fingerprint *out)
{
    cm_fingerprint parsed = {.size = size_of_hash(cm_slice_cut(&value, ' '))};
    CM_ENSURE(parsed.size > 0 && value.size == 3u * parsed.size - 1, CM_REFUSE);
    for (size_t i = 0; i < parsed.size; i++)
        CM_TRY(cm_text_from_hex(cm_slice_cut(&value, ':'), &parsed.bytes[i], 1));
    *out = parsed;
    return CM_OK;
}
