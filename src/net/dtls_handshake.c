/* The handshake: a job of the pool that feeds OpenSSL what arrived, and what becomes of it. */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/writer.h"
#include "net/dtls_priv.h"

/* OpenSSL repeats flights on the wall clock, which may jump, and which does not exist in the
 * simulator. The association repeats them itself, so that timer is put as far as it goes. Should
 * the clock jump over it OpenSSL repeats a flight once, which does no harm. */
static const unsigned NEVER_US = UINT32_MAX; /* 71 minutes */

/* ---- life ---- */

static const EVP_MD *hash_of(size_t size)
{
    switch (size) {
    case 32:
        return EVP_sha256();
    case 48:
        return EVP_sha384();
    case 64:
        return EVP_sha512();
    default:
        return NULL;
    }
}

/* RFC 8122, 5.1 MUST: of several hash functions one is chosen, and one of its fingerprints must
 * match.
 */
static cm_status take_fingerprints(const cm_dtls_config *config, cm_dtls_handshake *handshake)
{
    size_t strongest = 0;
    CM_ENSURE(config->fingerprint_count > 0 &&
                  config->fingerprint_count <= CM_DTLS_FINGERPRINTS_MAX,
              CM_REFUSE);
    for (size_t i = 0; i < config->fingerprint_count; i++) {
        CM_ENSURE(hash_of(config->fingerprints[i].size) != NULL, CM_REFUSE);
        if (config->fingerprints[i].size > strongest)
            strongest = config->fingerprints[i].size;
    }
    for (size_t i = 0; i < config->fingerprint_count; i++)
        if (config->fingerprints[i].size == strongest)
            handshake->fingerprints[handshake->fingerprint_count++] = config->fingerprints[i];
    return CM_OK;
}

cm_status cm_dtls_handshake_create(const cm_dtls_config *config, cm_dtls_handshake **out)
{
    cm_dtls_handshake *handshake = calloc(1, sizeof *handshake);
    CM_ENSURE(handshake != NULL, CM_BROKEN);
    cm_dtls_queue_init(&handshake->waiting);
    cm_dtls_queue_init(&handshake->pipe.in);
    cm_dtls_queue_init(&handshake->pipe.out);
    handshake->identity = config->identity;
    const cm_status status = take_fingerprints(config, handshake);
    if (status == CM_OK)
        *out = handshake;
    else
        cm_dtls_handshake_destroy(handshake);
    return status;
}

void cm_dtls_handshake_destroy(cm_dtls_handshake *handshake)
{
    if (handshake == NULL)
        return;
    assert(!handshake->is_running);
    SSL_free(handshake->ssl);
    cm_dtls_queue_deinit(&handshake->waiting);
    cm_dtls_queue_deinit(&handshake->pipe.in);
    cm_dtls_queue_deinit(&handshake->pipe.out);
    cm_secret_wipe(handshake, sizeof *handshake);
    free(handshake);
}

bool cm_dtls_handshake_knows(const cm_dtls_handshake *handshake, const X509 *certificate)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size;
    bool is_known = false;
    if (X509_digest(certificate, hash_of(handshake->fingerprints[0].size), digest, &size) != 1)
        return false;
    for (size_t i = 0; i < handshake->fingerprint_count; i++) {
        const cm_fingerprint *announced = &handshake->fingerprints[i];
        is_known = cm_secret_equal(cm_slice_over(digest, size),
                                   cm_slice_over(announced->bytes, announced->size)) ||
                   is_known;
    }
    return is_known;
}

/* ---- the job ---- */

static unsigned never(SSL *ssl, unsigned before_us)
{
    (void)ssl;
    (void)before_us;
    return NEVER_US;
}

/*
 * No HelloVerifyRequest (RFC 6347, 4.2.1): it shows that the client receives where it claims to be,
 * and ICE has shown that already, with a password (net/rtc.h lets nobody else in). It would cost a
 * round trip, and DTLSv1_listen, which asks for it, can't put together a ClientHello that comes in
 * parts, as one with a post-quantum key share does.
 */
static cm_status begin(cm_dtls_handshake *handshake)
{
    SSL *ssl = SSL_new(handshake->identity->context);
    BIO *bio = cm_dtls_bio_create(handshake->identity->bio, &handshake->pipe);
    handshake->ssl = ssl;
    if (ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return CM_BROKEN;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    SSL_set_app_data(ssl, handshake);
    DTLS_set_timer_cb(ssl, never);
    return SSL_set_mtu(ssl, CM_DTLS_DATAGRAM_MAX) > 0 ? CM_OK : CM_BROKEN;
}

/* RFC 5764, 4.2: client's key, server's key, client's salt, server's salt. */
static cm_status export_masters(SSL *ssl, cm_dtls_outcome *out)
{
    static const char LABEL[] = "EXTRACTOR-dtls_srtp";
    const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(ssl);
    CM_ENSURE(profile != NULL, CM_CLOSE);
    out->profile = (cm_srtp_profile)profile->id;
    const size_t salt_size = out->profile == CM_SRTP_AEAD_AES_128_GCM ? 12 : 14;
    uint8_t bytes[sizeof out->ours + sizeof out->theirs];
    const size_t size = 2 * (sizeof out->ours.key + salt_size);
    CM_ENSURE(SSL_export_keying_material(ssl, bytes, size, LABEL, sizeof LABEL - 1, NULL, 0, 0) ==
                  1,
              CM_BROKEN);
    cm_reader in = cm_reader_over(cm_slice_over(bytes, size));
    cm_slice_copy(cm_read_slice(&in, 16), out->theirs.key, sizeof out->theirs.key);
    cm_slice_copy(cm_read_slice(&in, 16), out->ours.key, sizeof out->ours.key);
    cm_slice_copy(cm_read_slice(&in, salt_size), out->theirs.salt, sizeof out->theirs.salt);
    cm_slice_copy(cm_read_slice(&in, salt_size), out->ours.salt, sizeof out->ours.salt);
    cm_secret_wipe(bytes, sizeof bytes);
    return CM_OK;
}

/* Our close_notify is sealed at once and kept, as OpenSSL's state is not. It is the second record
 * under our keys, whenever it is sent, as nothing else is said under them. */
static cm_status make_goodbye(cm_dtls_handshake *handshake)
{
    cm_dtls_outcome *outcome = &handshake->outcome;
    cm_dtls_queue flight, *out = &handshake->pipe.out;
    cm_dtls_queue_init(&flight);
    cm_dtls_queue_move(out, &flight);
    CM_IGNORE(SSL_shutdown(handshake->ssl), "the peer's goodbye is not waited for");
    cm_status status = CM_BROKEN;
    if (out->count == 1 && cm_dtls_queue_at(out, 0).size <= sizeof outcome->goodbye) {
        cm_slice_copy(cm_dtls_queue_at(out, 0), outcome->goodbye, sizeof outcome->goodbye);
        outcome->goodbye_size = cm_dtls_queue_at(out, 0).size;
        status = CM_OK;
    }
    cm_dtls_queue_move(&flight, out);
    return status;
}

/* OpenSSL says that it is done. What the keys stand on is asked once more. */
static cm_status finish(cm_dtls_handshake *handshake)
{
    SSL *ssl = handshake->ssl;
    CM_ENSURE(handshake->is_known && SSL_get0_peer_certificate(ssl) != NULL, CM_FOREIGN);
    CM_ENSURE(SSL_get_extms_support(ssl) == 1, CM_CLOSE);
    CM_TRY(export_masters(ssl, &handshake->outcome));
    CM_TRY(cm_dtls_opener_derive(ssl, &handshake->outcome.opener));
    return make_goodbye(handshake);
}

static cm_status go_on(cm_dtls_handshake *handshake)
{
    if (handshake->ssl == NULL)
        CM_TRY(begin(handshake));
    const int result = SSL_do_handshake(handshake->ssl);
    if (result == 1)
        return finish(handshake);
    if (SSL_get_error(handshake->ssl, result) == SSL_ERROR_WANT_READ)
        return CM_RETRY;
    return handshake->is_foreign ? CM_FOREIGN : CM_CLOSE;
}

void cm_dtls_handshake_work(cm_job *job)
{
    cm_dtls_handshake *handshake = CM_HOLDER(job, cm_dtls_handshake, job);
    ERR_clear_error(); /* of this thread: SSL_get_error looks there */
    handshake->status = go_on(handshake);
    if (handshake->status != CM_RETRY) {
        SSL_free(handshake->ssl);
        handshake->ssl = NULL;
    }
    cm_dtls_queue_deinit(&handshake->pipe.in);
    handshake->pipe.taken = 0;
    ERR_clear_error();
}
