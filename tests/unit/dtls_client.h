/*
 * dtls_client: the other end of an association: OpenSSL's own client on datagram queues, with a
 * certificate of any kind. For tests, the fuzz target and the benchmark: it asserts nothing, and
 * aborts where OpenSSL itself refuses to work.
 */
#pragma once

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "net/dtls_priv.h"

typedef enum dtls_key {
    DTLS_KEY_P256,
    DTLS_KEY_P384,
    DTLS_KEY_P521,
    DTLS_KEY_ED25519,
    DTLS_KEY_RSA_2048,
    DTLS_KEY_RSA_1024,
    DTLS_KEY_NONE, // no certificate at all
} dtls_key;

typedef struct dtls_client_options {
    dtls_key key;
    const char *profiles;    // NULL: "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"; "": none
    const char *suites;      // NULL: OpenSSL's
    int version_max;         // 0: DTLS 1.2
    long mtu;                // 0: 1,150; OpenSSL does not count the tag of a sealed record
    size_t padding;          // bytes of an extension that makes the ClientHello large
    bool has_no_ems;         // no extended master secret
    unsigned first_timer_us; // 0: OpenSSL's 1 s
} dtls_client_options;

/* Made once and used by many clients: keys of RSA take their time. */
typedef struct dtls_certificate {
    EVP_PKEY *key;
    X509 *certificate;
} dtls_certificate;

typedef struct dtls_client {
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *method;
    cm_dtls_pipe pipe; // `out` is for the server
    const dtls_client_options *options;
    bool is_done;
    bool has_failed;
    bool has_seen_goodbye;
} dtls_client;

#define DTLS_MUST(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ERR_print_errors_fp(stderr);                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- certificates ---- */

static inline EVP_PKEY *dtls_key_make(dtls_key kind)
{
    switch (kind) {
    case DTLS_KEY_P256:
        return EVP_EC_gen("P-256");
    case DTLS_KEY_P384:
        return EVP_EC_gen("P-384");
    case DTLS_KEY_P521:
        return EVP_EC_gen("P-521");
    case DTLS_KEY_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case DTLS_KEY_RSA_2048:
        return EVP_RSA_gen(2048);
    case DTLS_KEY_RSA_1024:
        return EVP_RSA_gen(1024);
    default:
        return NULL;
    }
}

static inline dtls_certificate dtls_certificate_make(dtls_key kind)
{
    dtls_certificate made = {.key = dtls_key_make(kind), .certificate = X509_new()};
    if (made.key == NULL)
        return made;
    X509 *certificate = made.certificate;
    const EVP_MD *hash = kind == DTLS_KEY_ED25519 ? NULL : EVP_sha256();
    DTLS_MUST(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    DTLS_MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL);
    DTLS_MUST(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    DTLS_MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                         (const unsigned char *)"WebRTC", -1, -1, 0) == 1);
    DTLS_MUST(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1);
    DTLS_MUST(X509_set_pubkey(certificate, made.key) == 1);
    DTLS_MUST(X509_sign(certificate, made.key, hash) > 0);
    return made;
}

static inline void dtls_certificate_free(dtls_certificate *certificate)
{
    X509_free(certificate->certificate);
    EVP_PKEY_free(certificate->key);
}

static inline cm_fingerprint dtls_certificate_digest(const dtls_certificate *certificate,
                                                     const EVP_MD *hash)
{
    cm_fingerprint out = {.size = (uint8_t)EVP_MD_get_size(hash)};
    DTLS_MUST(X509_digest(certificate->certificate, hash, out.bytes, NULL) == 1);
    return out;
}

/* ---- a client ---- */

static inline int dtls_client_pad(SSL *ssl, unsigned type, unsigned context,
                                  const unsigned char **out, size_t *size, X509 *certificate,
                                  size_t index, int *alert, void *argument)
{
    static const unsigned char ZEROS[16384];
    const dtls_client *client = argument;
    (void)ssl;
    (void)type;
    (void)context;
    (void)certificate;
    (void)index;
    (void)alert;
    *out = ZEROS;
    *size = client->options->padding;
    return 1;
}

static inline unsigned dtls_client_wait(SSL *ssl, unsigned before_us)
{
    const dtls_client *client = SSL_get_app_data(ssl);
    return before_us == 0 ? client->options->first_timer_us : before_us * 2;
}

static inline void dtls_client_configure(dtls_client *client, const dtls_certificate *certificate)
{
    const dtls_client_options *options = client->options;
    SSL_CTX *context = client->context;
    const char *profiles = options->profiles != NULL
                               ? options->profiles
                               : "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM";
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    DTLS_MUST(SSL_CTX_set_min_proto_version(context, DTLS1_VERSION) == 1);
    DTLS_MUST(SSL_CTX_set_max_proto_version(context, options->version_max != 0
                                                         ? options->version_max
                                                         : DTLS1_2_VERSION) == 1);
    if (options->has_no_ems)
        SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    if (profiles[0] != '\0')
        DTLS_MUST(SSL_CTX_set_tlsext_use_srtp(context, profiles) == 0);
    if (options->suites != NULL)
        DTLS_MUST(SSL_CTX_set_cipher_list(context, options->suites) == 1);
    if (options->padding > 0)
        DTLS_MUST(SSL_CTX_add_custom_ext(context, 0xfade, SSL_EXT_CLIENT_HELLO, dtls_client_pad,
                                         NULL, client, NULL, NULL) == 1);
    if (certificate->key != NULL) {
        DTLS_MUST(SSL_CTX_use_certificate(context, certificate->certificate) == 1);
        DTLS_MUST(SSL_CTX_use_PrivateKey(context, certificate->key) == 1);
    }
}

/* `options` and `certificate` outlive it. */
static inline void dtls_client_open(dtls_client *client, const dtls_client_options *options,
                                    const dtls_certificate *certificate)
{
    *client = (dtls_client){.options = options};
    cm_dtls_queue_init(&client->pipe.in);
    cm_dtls_queue_init(&client->pipe.out);
    client->method = cm_dtls_bio_method_create();
    client->context = SSL_CTX_new(DTLS_client_method());
    DTLS_MUST(client->method != NULL && client->context != NULL);
    dtls_client_configure(client, certificate);
    client->ssl = SSL_new(client->context);
    BIO *bio = cm_dtls_bio_create(client->method, &client->pipe);
    DTLS_MUST(client->ssl != NULL && bio != NULL);
    SSL_set_bio(client->ssl, bio, bio);
    SSL_set_connect_state(client->ssl);
    SSL_set_app_data(client->ssl, client);
    if (options->first_timer_us > 0)
        DTLS_set_timer_cb(client->ssl, dtls_client_wait);
    DTLS_MUST(SSL_set_mtu(client->ssl, options->mtu > 0 ? options->mtu : 1150) > 0);
}

static inline void dtls_client_close(dtls_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    BIO_meth_free(client->method);
    cm_dtls_queue_deinit(&client->pipe.in);
    cm_dtls_queue_deinit(&client->pipe.out);
}

/* Goes on with a datagram of the server's, or begins with an empty one. What it says is in
 * pipe.out afterwards. */
static inline void dtls_client_go_on(dtls_client *client, cm_slice datagram)
{
    char byte;
    ERR_clear_error();
    cm_dtls_queue_deinit(&client->pipe.in);
    client->pipe.taken = 0;
    if (datagram.size > 0)
        DTLS_MUST(cm_dtls_queue_add(&client->pipe.in, datagram) == CM_OK);
    const int result =
        client->is_done ? SSL_read(client->ssl, &byte, 1) : SSL_do_handshake(client->ssl);
    const int error = SSL_get_error(client->ssl, result);
    if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL)
        client->has_failed = true;
    if (error == SSL_ERROR_ZERO_RETURN)
        client->has_seen_goodbye = true;
    client->is_done = client->is_done || result == 1;
    ERR_clear_error();
}

/* Its timer is due: repeats its flight if it still waits. */
static inline void dtls_client_repeat(dtls_client *client)
{
    ERR_clear_error();
    if (DTLSv1_handle_timeout(client->ssl) < 0)
        client->has_failed = true;
    ERR_clear_error();
}

static inline void dtls_client_say_goodbye(dtls_client *client)
{
    (void)SSL_shutdown(client->ssl);
    ERR_clear_error();
}

/* The masters as the client has them (RFC 5764, 4.2). */
static inline cm_srtp_profile dtls_client_masters(dtls_client *client, cm_srtp_master *clients,
                                                  cm_srtp_master *servers)
{
    const cm_srtp_profile profile = (cm_srtp_profile)SSL_get_selected_srtp_profile(client->ssl)->id;
    const size_t salt = profile == CM_SRTP_AEAD_AES_128_GCM ? 12 : 14;
    uint8_t bytes[60];
    DTLS_MUST(SSL_export_keying_material(client->ssl, bytes, 2 * (16 + salt), "EXTRACTOR-dtls_srtp",
                                         19, NULL, 0, 0) == 1);
    *clients = *servers = (cm_srtp_master){0};
    cm_slice_copy(cm_slice_over(bytes, 16), clients->key, 16);
    cm_slice_copy(cm_slice_over(bytes + 16, 16), servers->key, 16);
    cm_slice_copy(cm_slice_over(bytes + 32, salt), clients->salt, 14);
    cm_slice_copy(cm_slice_over(bytes + 32 + salt, salt), servers->salt, 14);
    return profile;
}
