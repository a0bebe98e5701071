/* What libfido2 is asked: does this signature fit? It parses what it is given again by itself and
 * checks the relying party's hash and the flags once more. */
#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/rs256.h>

#include "base/writer.h"
#include "identity/webauthn_priv.h"

enum { POINT_SIZE = 64, RSA_SIZE = 259 };

static void free_assert(fido_assert_t **assertion)
{
    fido_assert_free(assertion);
}

static void free_credential(fido_cred_t **credential)
{
    fido_cred_free(credential);
}

static cm_status rp_text(cm_slice rp, char out[CM_WEBAUTHN_RP_MAX + 1])
{
    return cm_slice_to_cstr(rp, out, CM_WEBAUTHN_RP_MAX + 1);
}

static cm_status verify_with(const fido_assert_t *assertion, int algorithm, const void *key)
{
    return fido_assert_verify(assertion, 0, algorithm, key) == FIDO_OK ? CM_OK : CM_REFUSE;
}

static cm_status verify_es256(const fido_assert_t *assertion, const cm_cose_key *key)
{
    uint8_t point[POINT_SIZE];
    cm_writer w = cm_writer_over(point, sizeof point);
    cm_write_slice(&w, key->x);
    cm_write_slice(&w, key->y);
    es256_pk_t *pk = es256_pk_new();
    CM_ENSURE(pk != NULL, CM_BROKEN);
    cm_status status = CM_REFUSE;
    if (es256_pk_from_ptr(pk, point, sizeof point) == FIDO_OK)
        status = verify_with(assertion, COSE_ES256, pk);
    es256_pk_free(&pk);
    return status;
}

static cm_status verify_eddsa(const fido_assert_t *assertion, const cm_cose_key *key)
{
    eddsa_pk_t *pk = eddsa_pk_new();
    CM_ENSURE(pk != NULL, CM_BROKEN);
    cm_status status = CM_REFUSE;
    if (eddsa_pk_from_ptr(pk, key->x.bytes, key->x.size) == FIDO_OK)
        status = verify_with(assertion, COSE_EDDSA, pk);
    eddsa_pk_free(&pk);
    return status;
}

static cm_status verify_rs256(const fido_assert_t *assertion, const cm_cose_key *key)
{
    uint8_t numbers[RSA_SIZE];
    cm_writer w = cm_writer_over(numbers, sizeof numbers);
    cm_write_slice(&w, key->modulus);
    cm_write_slice(&w, key->exponent);
    rs256_pk_t *pk = rs256_pk_new();
    CM_ENSURE(pk != NULL, CM_BROKEN);
    cm_status status = CM_REFUSE;
    if (rs256_pk_from_ptr(pk, numbers, sizeof numbers) == FIDO_OK)
        status = verify_with(assertion, COSE_RS256, pk);
    rs256_pk_free(&pk);
    return status;
}

/* libcbor takes memory for as many items as an array says it has, before it looks for them: so
 * nothing reaches it that was not read from end to end. */
static cm_status ensure_whole(cm_slice authenticator_data)
{
    cm_authenticator_data data;
    return cm_authenticator_data_parse(authenticator_data, &data) == CM_OK ? CM_OK : CM_REFUSE;
}

cm_status cm_webauthn_verify_shown(const cm_cose_key *key, const cm_signed *what)
{
    char rp[CM_WEBAUTHN_RP_MAX + 1];
    CM_TRY(rp_text(what->rp, rp));
    CM_TRY(ensure_whole(what->authenticator_data));
    CM_AUTO(free_assert) fido_assert_t *assertion = fido_assert_new();
    CM_ENSURE(assertion != NULL, CM_BROKEN);
    const bool is_set =
        fido_assert_set_count(assertion, 1) == FIDO_OK &&
        fido_assert_set_clientdata(assertion, what->client_data.bytes, what->client_data.size) ==
            FIDO_OK &&
        fido_assert_set_rp(assertion, rp) == FIDO_OK &&
        fido_assert_set_up(assertion, FIDO_OPT_TRUE) == FIDO_OK &&
        fido_assert_set_uv(assertion, FIDO_OPT_TRUE) == FIDO_OK &&
        fido_assert_set_authdata_raw(assertion, 0, what->authenticator_data.bytes,
                                     what->authenticator_data.size) == FIDO_OK &&
        fido_assert_set_sig(assertion, 0, what->signature.bytes, what->signature.size) == FIDO_OK;
    CM_ENSURE(is_set, CM_REFUSE);
    if (key->algorithm == CM_COSE_ES256)
        return verify_es256(assertion, key);
    return key->algorithm == CM_COSE_EDDSA ? verify_eddsa(assertion, key)
                                           : verify_rs256(assertion, key);
}

cm_status cm_webauthn_verify_made(cm_cose_algorithm algorithm, const cm_signed *what)
{
    char rp[CM_WEBAUTHN_RP_MAX + 1];
    CM_TRY(rp_text(what->rp, rp));
    CM_TRY(ensure_whole(what->authenticator_data));
    CM_AUTO(free_credential) fido_cred_t *credential = fido_cred_new();
    CM_ENSURE(credential != NULL, CM_BROKEN);
    const bool is_set =
        fido_cred_set_type(credential, (int)algorithm) == FIDO_OK &&
        fido_cred_set_fmt(credential, "packed") == FIDO_OK &&
        fido_cred_set_clientdata(credential, what->client_data.bytes, what->client_data.size) ==
            FIDO_OK &&
        fido_cred_set_rp(credential, rp, NULL) == FIDO_OK &&
        fido_cred_set_uv(credential, FIDO_OPT_TRUE) == FIDO_OK &&
        fido_cred_set_authdata_raw(credential, what->authenticator_data.bytes,
                                   what->authenticator_data.size) == FIDO_OK &&
        fido_cred_set_sig(credential, what->signature.bytes, what->signature.size) == FIDO_OK;
    CM_ENSURE(is_set, CM_REFUSE);
    return fido_cred_verify_self(credential) == FIDO_OK ? CM_OK : CM_REFUSE;
}
