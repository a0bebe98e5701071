/* What we accept: version, suites, groups, signatures, SRTP profiles, and the peer's certificate.
 */
#include <openssl/core_names.h>
#include <openssl/srtp.h>
#include <string.h>

#include "net/dtls_priv.h"

enum {
    USE_SRTP = 14,               /* RFC 5764, 9 */
    EXTENDED_MASTER_SECRET = 23, /* RFC 7627, 5.1 */
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192, /* beyond it the check alone would take the pool's time */
    CHAIN_BYTES_MAX = 16 * 1024,
};

/* RFC 8827, 6.5 MUST: forward secrecy and an AEAD. AES-128 first: the fastest where it is in the
 * processor. */
static const char SUITES[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305";
static const char PROFILES[] = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"; /* ours first */
/* How a peer may sign, by a key of its certificate. We sign by P-256 and SHA-256. */
static const char SIGNATURES[] = "ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:RSA-PSS+SHA384:"
                                 "RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/* ---- the ClientHello ---- */

/* UseSRTPData (RFC 5764, 4.1.1): is there a profile that we have? */
static bool has_our_profile(cm_slice extension)
{
    cm_reader in = cm_reader_over(extension);
    const size_t size = cm_read_u16(&in);
    cm_reader profiles = cm_reader_sub(&in, size);
    bool is_found = false;
    while (!is_found && profiles.rest.size > 0) {
        const uint16_t profile = cm_read_u16(&profiles);
        is_found = profile == CM_SRTP_AEAD_AES_128_GCM || profile == CM_SRTP_AES128_CM_SHA1_80;
    }
    return is_found && !profiles.failed;
}

/*
 * Refuses before anything is computed what could only fail later: a peer without a common SRTP
 * profile, which OpenSSL would serve as plain DTLS, and one without extended master secret, whose
 * keys might be those of another connection too (RFC 7627, 1).
 */
static int check_client_hello(SSL *ssl, int *alert, void *argument)
{
    const unsigned char *bytes;
    size_t size;
    (void)argument;
    if (SSL_client_hello_get0_ext(ssl, EXTENDED_MASTER_SECRET, &bytes, &size) == 1 &&
        SSL_client_hello_get0_ext(ssl, USE_SRTP, &bytes, &size) == 1 &&
        has_our_profile(cm_slice_over(bytes, size)))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

/* ---- the peer's certificate ---- */

static bool is_strong(const EVP_PKEY *key)
{
    char group[32];
    if (key == NULL)
        return false;
    if (EVP_PKEY_is_a(key, "RSA") == 1)
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                          NULL) == 1 &&
           (strcmp(group, SN_X9_62_prime256v1) == 0 || strcmp(group, SN_secp384r1) == 0);
}

/*
 * Instead of OpenSSL's walk up a chain. Who signed the certificate, for whom and until when says
 * nothing here; the SDP came by an authenticated way and names its digest (RFC 5763, 5 MUST). That
 * the peer has the key is shown by its CertificateVerify, which OpenSSL insists on.
 */
static int check_certificate(X509_STORE_CTX *store, void *argument)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    cm_dtls_handshake *handshake = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    (void)argument;
    handshake->is_foreign = !cm_dtls_handshake_knows(handshake, certificate);
    handshake->is_known = !handshake->is_foreign && is_strong(X509_get0_pubkey(certificate));
    /* Either way the alert is bad_certificate. */
    X509_STORE_CTX_set_error(store, handshake->is_known ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return handshake->is_known;
}

/* ---- the context ---- */

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_client_hello_cb(context, check_client_hello, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, check_certificate, NULL);
    return SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, SUITES) == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA256") == 1 &&
           SSL_CTX_set1_client_sigalgs_list(context, SIGNATURES) == 1 &&
           /* The buffer for writing is as large as the largest record. */
           SSL_CTX_set_max_send_fragment(context, CM_DTLS_DATAGRAM_MAX) == 1 &&
           SSL_CTX_set_tlsext_use_srtp(context, PROFILES) == 0; /* which says 0 when it worked */
}

SSL_CTX *cm_dtls_context_create(void)
{
    OSSL_LIB_CTX *library = cm_dtls_library();
    SSL_CTX *context = library != NULL ? SSL_CTX_new_ex(library, NULL, DTLS_server_method()) : NULL;
    if (context != NULL && !configure(context)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    return context;
}
