/* Keys and certificates by OpenSSL: RFC 5280. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/writer.h"
#include "net/certificate_priv.h"

enum {
    DAY_S = 24 * 60 * 60,
    CA_DAYS = 3652,
    SERVER_DAYS = 365,
    BACKDATE_S = 60 * 60, /* clocks of phones differ */
    CA_MARGIN_S = 30 * DAY_S,
    NAMES_TEXT_MAX = CM_CERTIFICATE_ALL_NAMES_MAX * 264,
};

void cm_certificate_pair_deinit(cm_certificate_pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
    *pair = (cm_certificate_pair){0};
}

/* ---- making ---- */

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    const bool is_good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_good;
}

/* 20 bytes at most, positive, unpredictable (RFC 5280 4.1.2.2). */
static bool set_serial(X509 *certificate)
{
    BIGNUM *serial = BN_new();
    const bool is_good = serial != NULL &&
                         BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                         BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;
    BN_free(serial);
    return is_good;
}

static bool set_life(X509 *certificate, cm_wall now, long days)
{
    const time_t at = (time_t)(now.us / CM_SECONDS(1));
    return ASN1_TIME_set(X509_getm_notBefore(certificate), at - BACKDATE_S) != NULL &&
           ASN1_TIME_adj(X509_getm_notAfter(certificate), at, (int)days, 0) != NULL;
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"casement",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

static bool begin(cm_certificate_pair *pair, const char *common_name, cm_wall now, long days)
{
    pair->key = EVP_EC_gen("P-256");
    pair->certificate = X509_new();
    return pair->key != NULL && pair->certificate != NULL &&
           X509_set_version(pair->certificate, X509_VERSION_3) == 1 &&
           set_serial(pair->certificate) && set_life(pair->certificate, now, days) &&
           X509_set_pubkey(pair->certificate, pair->key) == 1 &&
           set_name(X509_get_subject_name(pair->certificate), common_name);
}

static cm_status finish(cm_certificate_pair *pair, bool is_good, cm_certificate_pair *out)
{
    ERR_clear_error();
    if (!is_good) {
        cm_certificate_pair_deinit(pair);
        return CM_BROKEN;
    }
    *out = *pair;
    return CM_OK;
}

/*
 * No name constraints: what a household calls its server is not known when the CA is made, and
 * the addresses of a home change. It may sign servers only, and no further CA.
 */
cm_status cm_certificate_make_ca(cm_wall now, cm_certificate_pair *out)
{
    cm_certificate_pair pair = {0};
    const bool is_good =
        begin(&pair, "casement local CA", now, CA_DAYS) &&
        X509_set_issuer_name(pair.certificate, X509_get_subject_name(pair.certificate)) == 1 &&
        add_extension(pair.certificate, pair.certificate, NID_basic_constraints,
                      "critical,CA:TRUE,pathlen:0") &&
        add_extension(pair.certificate, pair.certificate, NID_key_usage,
                      "critical,keyCertSign,cRLSign") &&
        add_extension(pair.certificate, pair.certificate, NID_ext_key_usage, "serverAuth") &&
        add_extension(pair.certificate, pair.certificate, NID_subject_key_identifier, "hash") &&
        X509_sign(pair.certificate, pair.key, EVP_sha256()) > 0;
    return finish(&pair, is_good, out);
}

/* "DNS:a,IP:1.2.3.4". Names come from the operator and this machine, and were checked to be plain
 * (certificate.c): none can hold a comma. */
static bool write_names(const cm_certificate_names *names, char out[NAMES_TEXT_MAX])
{
    cm_writer w = cm_writer_over(out, NAMES_TEXT_MAX - 1);
    for (size_t i = 0; i < names->count; i++) {
        cm_address address;
        const bool is_address = cm_address_parse(cm_slice_of(names->text[i]), 0, &address) == CM_OK;
        cm_write_format(&w, "%s%s:%s", i > 0 ? "," : "", is_address ? "IP" : "DNS", names->text[i]);
    }
    out[cm_writer_done(&w).size] = '\0';
    return !w.failed && names->count > 0;
}

cm_status cm_certificate_make_server(const cm_certificate_pair *ca,
                                     const cm_certificate_names *names, cm_wall now,
                                     cm_certificate_pair *out)
{
    char text[NAMES_TEXT_MAX];
    cm_certificate_pair pair = {0};
    X509 *issuer = ca->certificate;
    const bool is_good =
        write_names(names, text) && begin(&pair, "casement", now, SERVER_DAYS) &&
        X509_set_issuer_name(pair.certificate, X509_get_subject_name(issuer)) == 1 &&
        add_extension(pair.certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(pair.certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
        add_extension(pair.certificate, issuer, NID_ext_key_usage, "serverAuth") &&
        add_extension(pair.certificate, issuer, NID_subject_key_identifier, "hash") &&
        add_extension(pair.certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
        add_extension(pair.certificate, issuer, NID_subject_alt_name, text) &&
        X509_sign(pair.certificate, ca->key, EVP_sha256()) > 0;
    return finish(&pair, is_good, out);
}

/* ---- judging ---- */

static int64_t seconds_between(const ASN1_TIME *from, const ASN1_TIME *to)
{
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, from, to) != 1)
        return 0;
    return (int64_t)days * DAY_S + seconds;
}

/* How far into its life: seconds since its beginning, and its whole. */
static bool age_of(const X509 *certificate, cm_wall now, int64_t *age, int64_t *life)
{
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)(now.us / CM_SECONDS(1)));
    if (at == NULL)
        return false;
    *age = seconds_between(X509_get0_notBefore(certificate), at);
    *life = seconds_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
    ASN1_TIME_free(at);
    return true;
}

static bool names_one(X509 *certificate, const char *name)
{
    cm_address address;
    if (cm_address_parse(cm_slice_of(name), 0, &address) == CM_OK)
        return X509_check_ip_asc(certificate, name, 0) == 1;
    return X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static bool has_names(X509 *certificate, const cm_certificate_names *names)
{
    GENERAL_NAMES *held = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_same = held != NULL && (size_t)sk_GENERAL_NAME_num(held) == names->count;
    GENERAL_NAMES_free(held);
    for (size_t i = 0; is_same && i < names->count; i++)
        is_same = names_one(certificate, names->text[i]);
    return is_same;
}

bool cm_certificate_is_fresh(const cm_certificate_pair *pair, const cm_certificate_pair *ca,
                             const cm_certificate_names *names, cm_wall now)
{
    int64_t age, life;
    const bool is_fresh = age_of(pair->certificate, now, &age, &life) && age >= 0 &&
                          age < life / 3 * 2 &&
                          X509_verify(pair->certificate, X509_get0_pubkey(ca->certificate)) == 1 &&
                          has_names(pair->certificate, names);
    ERR_clear_error();
    return is_fresh;
}

bool cm_certificate_is_ca_valid(const cm_certificate_pair *ca, cm_wall now)
{
    int64_t age, life;
    const bool is_valid = age_of(ca->certificate, now, &age, &life) && age >= 0 &&
                          age < life - CA_MARGIN_S && X509_check_ca(ca->certificate) == 1;
    ERR_clear_error();
    return is_valid;
}

/* ---- text ---- */

static cm_status add_bio(BIO *bio, bool is_written, cm_buffer *out)
{
    const char *text = NULL;
    const long size = bio != NULL ? BIO_get_mem_data(bio, &text) : 0;
    cm_status status = CM_BROKEN;
    if (is_written && size > 0)
        status = cm_buffer_add(out, cm_slice_over(text, (size_t)size));
    BIO_free(bio);
    ERR_clear_error();
    return status;
}

cm_status cm_certificate_write_pem(const X509 *certificate, cm_buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return add_bio(bio, bio != NULL && PEM_write_bio_X509(bio, certificate) == 1, out);
}

cm_status cm_certificate_write_key_pem(const EVP_PKEY *key, cm_buffer *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    const bool is_written =
        bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    return add_bio(bio, is_written, out);
}

/* Never asks at a terminal. */
static int no_passphrase(char *out, int size, int is_write, void *argument)
{
    (void)out;
    (void)size;
    (void)is_write;
    (void)argument;
    return -1;
}

cm_status cm_certificate_read_pair(cm_slice chain_pem, cm_slice key_pem, cm_certificate_pair *out)
{
    CM_ENSURE(chain_pem.size < INT32_MAX && key_pem.size < INT32_MAX, CM_REFUSE);
    BIO *chain = BIO_new_mem_buf(chain_pem.bytes, (int)chain_pem.size);
    BIO *key = BIO_new_mem_buf(key_pem.bytes, (int)key_pem.size);
    cm_certificate_pair pair = {0};
    if (chain != NULL && key != NULL) {
        pair.certificate = PEM_read_bio_X509(chain, NULL, no_passphrase, NULL);
        pair.key = PEM_read_bio_PrivateKey(key, NULL, no_passphrase, NULL);
    }
    BIO_free(chain);
    BIO_free(key);
    const bool is_good = pair.certificate != NULL && pair.key != NULL &&
                         X509_check_private_key(pair.certificate, pair.key) == 1;
    return finish(&pair, is_good, out) == CM_OK ? CM_OK : CM_REFUSE;
}
