/*
 * webauthn: what a stranger's browser and authenticator may send. The first byte says which part
 * the rest is: client data, an attestation object, authenticator data, a key, or authenticator data
 * that libfido2 reads with a signature that can't fit.
 */
#include "fuzz.h"
#include "identity/webauthn_priv.h"

static const uint8_t CHALLENGE[CM_WEBAUTHN_CHALLENGE_SIZE] = {0};
#define CLIENT_DATA(type)                                                                          \
    CM_TEXT("{\"type\":\"" type                                                                    \
            "\",\"challenge\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"origin\":"         \
            "\"https://a.example\"}")

static cm_webauthn_want want(void)
{
    return (cm_webauthn_want){.challenge = cm_slice_over(CHALLENGE, sizeof CHALLENGE),
                              .rp = CM_TEXT("a.example"),
                              .origin = CM_TEXT("https://a.example")};
}

static void check_client_data(cm_slice input)
{
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    (void)cm_webauthn_challenge_of(input, challenge);
    const cm_webauthn_want wanted = want();
    cm_webauthn_made made;
    const char *cause = NULL;
    CHECK(cm_webauthn_check_made(&wanted, input, CM_TEXT("x"), &made, &cause) == CM_REFUSE);
    CHECK(cause != NULL);
}

static void check_attestation(cm_slice input)
{
    const cm_webauthn_want wanted = want();
    cm_webauthn_made made;
    const char *cause = NULL;
    if (cm_webauthn_check_made(&wanted, CLIENT_DATA("webauthn.create"), input, &made, &cause) !=
        CM_OK) {
        CHECK(cause != NULL);
        return;
    }
    touch(made.credential);
    touch(made.cose);
    CHECK(made.credential.size >= CM_WEBAUTHN_CREDENTIAL_MIN);
    CHECK(made.credential.size <= CM_WEBAUTHN_CREDENTIAL_MAX);
    cm_cose_key key;
    CHECK(cm_cose_key_parse(made.cose, &key) == CM_OK);
}

static void check_authenticator_data(cm_slice input)
{
    cm_authenticator_data data;
    if (cm_authenticator_data_parse(input, &data) != CM_OK)
        return;
    CHECK(data.rp_hash.size == CM_AUTHENTICATOR_RP_HASH_SIZE);
    touch(data.rp_hash);
    touch(data.credential);
    touch(data.cose);
}

static void check_key(cm_slice input)
{
    cm_cose_key key;
    if (cm_cose_key_parse(input, &key) != CM_OK)
        return;
    touch(key.x);
    touch(key.y);
    touch(key.modulus);
    touch(key.exponent);
    static const uint8_t DATA[32 + 1 + 4] = {[32] = 0x05}; /* of nobody; present and verified */
    const cm_signed what = {.rp = CM_TEXT("a.example"),
                            .client_data = CM_TEXT("{}"),
                            .authenticator_data = cm_slice_over(DATA, sizeof DATA),
                            .signature = cm_slice_over(CHALLENGE, sizeof CHALLENGE)};
    CHECK(cm_webauthn_verify_shown(&key, &what) == CM_REFUSE);
}

static void check_signed(cm_slice input)
{
    const cm_signed what = {.rp = CM_TEXT("a.example"),
                            .client_data = CLIENT_DATA("webauthn.create"),
                            .authenticator_data = input,
                            .signature = cm_slice_part(input, 0, 64)};
    CHECK(cm_webauthn_verify_made(CM_COSE_ES256, &what) == CM_REFUSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const CHECKS[])(cm_slice input) = {
        check_client_data, check_attestation, check_authenticator_data, check_key, check_signed};
    if (size > 0)
        CHECKS[data[0] % CM_COUNT(CHECKS)](cm_slice_over(data + 1, size - 1));
    return 0;
}
