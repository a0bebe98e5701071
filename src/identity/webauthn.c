/* The checks of Web Authentication, 7.1 (made) and 7.2 (shown), in their order. */
#include "identity/webauthn.h"

#include <jansson.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "base/text.h"
#include "identity/webauthn_priv.h"

static cm_status refuse(const char **cause, const char *what)
{
    *cause = what;
    return CM_REFUSE;
}

/* ---- what the browser says: clientDataJSON (5.8.1) ---- */

typedef struct client_said {
    json_t *root;
    cm_slice type, challenge, origin;
    bool is_cross_origin;
} client_said;

static void free_json(json_t **root)
{
    json_decref(*root);
}

static cm_slice text_member(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);
    if (!json_is_string(value))
        return (cm_slice){0};
    return cm_slice_over(json_string_value(value), json_string_length(value));
}

/* The texts borrow from `root`, which the caller frees. Further members are allowed: the standard
 * says that there will be some. */
static cm_status read_client_data(cm_slice bytes, json_t *root, client_said *out)
{
    CM_ENSURE(json_is_object(root) && bytes.size > 0 && bytes.bytes[0] == '{', CM_REFUSE);
    const json_t *cross = json_object_get(root, "crossOrigin");
    *out = (client_said){.type = text_member(root, "type"),
                         .challenge = text_member(root, "challenge"),
                         .origin = text_member(root, "origin"),
                         .is_cross_origin = cross != NULL && !json_is_false(cross)};
    const bool is_framed = json_object_get(root, "topOrigin") != NULL;
    out->is_cross_origin |= is_framed;
    return CM_OK;
}

static json_t *load(cm_slice bytes)
{
    if (bytes.size == 0 || bytes.size > CM_WEBAUTHN_CLIENT_DATA_MAX)
        return NULL;
    return json_loadb((const char *)bytes.bytes, bytes.size, JSON_REJECT_DUPLICATES, NULL);
}

static cm_status decode_challenge(cm_slice text, uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    size_t size = 0;
    uint8_t bytes[CM_WEBAUTHN_CHALLENGE_SIZE];
    CM_ENSURE(cm_text_from_base64url(text, bytes, sizeof bytes, &size) == CM_OK, CM_REFUSE);
    CM_ENSURE(size == sizeof bytes, CM_REFUSE);
    cm_slice_copy(cm_slice_over(bytes, size), out, CM_WEBAUTHN_CHALLENGE_SIZE);
    return CM_OK;
}

cm_status cm_webauthn_challenge_of(cm_slice bytes, uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    CM_AUTO(free_json) json_t *root = load(bytes);
    client_said data;
    CM_TRY(read_client_data(bytes, root, &data));
    return decode_challenge(data.challenge, out);
}

/* 7.1 steps 5 to 9, 7.2 steps 9 to 13. */
static cm_status check_client_data(const cm_webauthn_want *want, cm_slice bytes, cm_slice type,
                                   const char **cause)
{
    CM_AUTO(free_json) json_t *root = load(bytes);
    client_said data;
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    if (read_client_data(bytes, root, &data) != CM_OK)
        return refuse(cause, "client-data");
    if (!cm_slice_equal(data.type, type))
        return refuse(cause, "wrong-type");
    if (decode_challenge(data.challenge, challenge) != CM_OK ||
        want->challenge.size != sizeof challenge ||
        !cm_secret_equal(want->challenge, cm_slice_over(challenge, sizeof challenge)))
        return refuse(cause, "wrong-challenge");
    if (want->origin.size == 0 || !cm_slice_equal(data.origin, want->origin))
        return refuse(cause, "wrong-origin");
    if (data.is_cross_origin)
        return refuse(cause, "cross-origin");
    return CM_OK;
}

/* ---- what the authenticator says ---- */

static bool is_hash_of(cm_slice text, cm_slice hash)
{
    uint8_t own[CM_AUTHENTICATOR_RP_HASH_SIZE];
    unsigned size = 0;
    return EVP_Digest(text.bytes, text.size, own, &size, EVP_sha256(), NULL) == 1 &&
           cm_slice_equal(cm_slice_over(own, size), hash);
}

/* 7.1 steps 13 to 15, 7.2 steps 15 to 17; and that what is backed up may be. */
static cm_status check_authenticator_data(const cm_webauthn_want *want,
                                          const cm_authenticator_data *data, const char **cause)
{
    if (want->rp.size == 0 || !is_hash_of(want->rp, data->rp_hash))
        return refuse(cause, "wrong-rp");
    if (!data->is_present)
        return refuse(cause, "not-present");
    if (!data->is_verified)
        return refuse(cause, "not-verified");
    if (data->is_backed_up && !data->is_backup_eligible)
        return refuse(cause, "bad-backup-flags");
    return CM_OK;
}

/* 7.1 steps 16, 19 to 21. */
static cm_status check_credential(const cm_webauthn_want *want, cm_slice client_data,
                                  const cm_attestation *attestation,
                                  const cm_authenticator_data *data, const char **cause)
{
    cm_cose_key key;
    if (!data->has_credential)
        return refuse(cause, "no-credential");
    if (cm_cose_key_parse(data->cose, &key) != CM_OK)
        return refuse(cause, "bad-key");
    const bool is_none = cm_slice_equal(attestation->format, CM_TEXT("none"));
    if (is_none && attestation->has_statement)
        return refuse(cause, "bad-attestation");
    if (!cm_slice_equal(attestation->format, CM_TEXT("packed")) || attestation->has_chain)
        return CM_OK;
    const cm_signed what = {.rp = want->rp,
                            .client_data = client_data,
                            .authenticator_data = attestation->authenticator_data,
                            .signature = attestation->signature};
    if (!attestation->has_algorithm || attestation->algorithm != (int64_t)key.algorithm ||
        attestation->signature.size > CM_WEBAUTHN_SIGNATURE_MAX)
        return refuse(cause, "bad-attestation");
    const cm_status status = cm_webauthn_verify_made(key.algorithm, &what);
    return status == CM_REFUSE ? refuse(cause, "bad-attestation") : status;
}

cm_status cm_webauthn_check_made(const cm_webauthn_want *want, cm_slice client_data,
                                 cm_slice attestation_object, cm_webauthn_made *out,
                                 const char **cause)
{
    if (client_data.size > CM_WEBAUTHN_CLIENT_DATA_MAX ||
        attestation_object.size > CM_WEBAUTHN_ATTESTATION_MAX)
        return refuse(cause, "too-large");
    CM_TRY(check_client_data(want, client_data, CM_TEXT("webauthn.create"), cause));
    cm_attestation attestation;
    if (cm_attestation_parse(attestation_object, &attestation) != CM_OK)
        return refuse(cause, "attestation");
    cm_authenticator_data data;
    if (cm_authenticator_data_parse(attestation.authenticator_data, &data) != CM_OK)
        return refuse(cause, "authenticator-data");
    CM_TRY(check_authenticator_data(want, &data, cause));
    CM_TRY(check_credential(want, client_data, &attestation, &data, cause));
    *out = (cm_webauthn_made){.credential = data.credential,
                              .cose = data.cose,
                              .sign_count = data.sign_count,
                              .is_backup_eligible = data.is_backup_eligible,
                              .is_backed_up = data.is_backed_up};
    return CM_OK;
}

bool cm_webauthn_counter_is_fine(uint32_t stored, uint32_t shown)
{
    return (stored == 0 && shown == 0) || shown > stored;
}

static bool is_too_large(const cm_webauthn_answer *answer)
{
    return answer->client_data.size > CM_WEBAUTHN_CLIENT_DATA_MAX ||
           answer->authenticator_data.size > CM_WEBAUTHN_AUTHENTICATOR_DATA_MAX ||
           answer->signature.size > CM_WEBAUTHN_SIGNATURE_MAX;
}

cm_status cm_webauthn_check_shown(const cm_webauthn_want *want, const cm_webauthn_known *known,
                                  const cm_webauthn_answer *answer, cm_webauthn_shown *out,
                                  const char **cause)
{
    if (is_too_large(answer))
        return refuse(cause, "too-large");
    CM_TRY(check_client_data(want, answer->client_data, CM_TEXT("webauthn.get"), cause));
    cm_authenticator_data data;
    if (cm_authenticator_data_parse(answer->authenticator_data, &data) != CM_OK)
        return refuse(cause, "authenticator-data");
    CM_TRY(check_authenticator_data(want, &data, cause));
    if (data.is_backup_eligible != known->is_backup_eligible)
        return refuse(cause, "bad-backup-flags"); /* it never changes (6.1.3) */
    cm_cose_key key;
    if (cm_cose_key_parse(known->cose, &key) != CM_OK)
        return refuse(cause, "bad-key");
    const cm_signed what = {.rp = want->rp,
                            .client_data = answer->client_data,
                            .authenticator_data = answer->authenticator_data,
                            .signature = answer->signature};
    const cm_status status = cm_webauthn_verify_shown(&key, &what);
    if (status == CM_REFUSE)
        return refuse(cause, "bad-signature");
    CM_TRY(status);
    if (!cm_webauthn_counter_is_fine(known->sign_count, data.sign_count))
        return refuse(cause, "counter-went-back");
    *out = (cm_webauthn_shown){.sign_count = data.sign_count, .is_backed_up = data.is_backed_up};
    return CM_OK;
}
