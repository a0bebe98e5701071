#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "net/tls_priv.h"

/* Fast ones first; every one has forward secrecy and an AEAD. */
static const char SUITES_13[] =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
static const char SUITES_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/* RFC 7301: the server's order counts. A client that offers neither speaks something else. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *argument)
{
    static const unsigned char OURS[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)argument;
    if (SSL_select_next_proto(&chosen, out_size, OURS, sizeof OURS - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_ciphersuites(context, SUITES_13) == 1 &&
           SSL_CTX_set_cipher_list(context, SUITES_12) == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
}

static SSL_CTX *make_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context != NULL && !configure(context)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    ERR_clear_error();
    return context;
}

cm_status cm_tls_create(cm_tls **out)
{
    cm_tls *tls = calloc(1, sizeof *tls);
    CM_ENSURE(tls != NULL, CM_BROKEN);
    tls->context = make_context();
    if (tls->context == NULL) {
        free(tls);
        return CM_BROKEN;
    }
    *out = tls;
    return CM_OK;
}

void cm_tls_destroy(cm_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->bio);
    free(tls);
}

static bool load_chain(SSL_CTX *context, BIO *chain)
{
    X509 *certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    bool is_good = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    while (is_good && (certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL)) != NULL) {
        is_good = SSL_CTX_add0_chain_cert(context, certificate) == 1;
        if (!is_good)
            X509_free(certificate);
    }
    /* The loop ends with "no start line", which is how PEM says that there are no more. */
    const unsigned long error = ERR_peek_last_error();
    return is_good && ERR_GET_LIB(error) == ERR_LIB_PEM &&
           ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* A key that is encrypted must not make OpenSSL ask for a passphrase at a terminal. */
static int no_passphrase(char *out, int size, int is_write, void *argument)
{
    (void)out;
    (void)size;
    (void)is_write;
    (void)argument;
    return -1;
}

static bool load_key(SSL_CTX *context, BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    const bool is_good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 &&
                         SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    return is_good;
}

cm_status cm_tls_use(cm_tls *tls, cm_slice chain_pem, cm_slice key_pem)
{
    CM_ENSURE(chain_pem.size < INT32_MAX && key_pem.size < INT32_MAX, CM_REFUSE);
    SSL_CTX *context = make_context();
    BIO *chain = BIO_new_mem_buf(chain_pem.bytes, (int)chain_pem.size);
    BIO *key = BIO_new_mem_buf(key_pem.bytes, (int)key_pem.size);
    const bool is_good = context != NULL && chain != NULL && key != NULL &&
                         load_chain(context, chain) && load_key(context, key);
    BIO_free(chain);
    BIO_free(key);
    ERR_clear_error();
    if (!is_good) {
        SSL_CTX_free(context);
        return CM_REFUSE;
    }
    /* Handshakes under way hold a reference to the former one. */
    SSL_CTX_free(tls->context);
    tls->context = context;
    return CM_OK;
}
