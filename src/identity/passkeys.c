/* Names, challenges, and the order of steps in which a passkey is made and shown. */
#include "identity/passkeys.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/writer.h"
#include "identity/passkeys_priv.h"

/* ---- names ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* A host name as browsers write it in an origin. */
static bool is_host_name(cm_slice text)
{
    static const cm_slice ALLOWED = {.bytes = (const uint8_t *)"abcdefghijklmnopqrstuvwxyz"
                                                               "0123456789-.",
                                     .size = 38};
    cm_address address;
    if (text.size == 0 || text.size > CM_WEBAUTHN_RP_MAX ||
        cm_address_parse(text, 0, &address) == CM_OK)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (cm_slice_find(ALLOWED, text.bytes[i]) == ALLOWED.size)
            return false;
    return true;
}

/* CM_REFUSE: too long. */
static cm_status lower_case(cm_slice text, char *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    for (size_t i = 0; i < text.size; i++)
        cm_write_u8(&w, lower(text.bytes[i]));
    cm_write_u8(&w, 0);
    return w.failed ? CM_REFUSE : CM_OK;
}

static bool is_known_name(const cm_passkeys *passkeys, cm_slice name)
{
    for (size_t i = 0; i < passkeys->name_count; i++)
        if (cm_slice_equal(cm_slice_of(passkeys->names[i]), name))
            return true;
    return false;
}

static void add_name(cm_passkeys *passkeys, cm_slice name)
{
    char *out = passkeys->names[passkeys->name_count];
    if (lower_case(name, out, sizeof passkeys->names[0]) == CM_OK &&
        is_host_name(cm_slice_of(out)) && !is_known_name(passkeys, cm_slice_of(out)))
        passkeys->name_count++;
}

size_t cm_passkeys_names(const cm_passkeys *passkeys, const char *out[CM_PASSKEY_NAMES_MAX])
{
    for (size_t i = 0; i < passkeys->name_count; i++)
        out[i] = passkeys->names[i];
    return passkeys->name_count;
}

cm_status cm_passkeys_site(const cm_passkeys *passkeys, cm_slice host, bool is_secure,
                           cm_passkey_site *out)
{
    char text[CM_WEBAUTHN_ORIGIN_MAX + 1];
    CM_ENSURE(lower_case(host, text, sizeof text) == CM_OK, CM_ABSENT);
    cm_slice port = cm_slice_of(text);
    const cm_slice name = cm_slice_cut(&port, ':');
    const bool is_local = cm_slice_equal(name, CM_TEXT("localhost"));
    CM_ENSURE(is_known_name(passkeys, name) && (is_secure || is_local), CM_ABSENT);
    const cm_slice usual = is_secure ? CM_TEXT("443") : CM_TEXT("80");
    cm_writer w = cm_writer_over(out->origin, sizeof out->origin);
    cm_write_text(&w, is_secure ? "https://" : "http://");
    cm_write_slice(&w, name);
    if (port.size > 0 && !cm_slice_equal(port, usual)) {
        cm_write_u8(&w, ':');
        cm_write_slice(&w, port);
    }
    cm_write_u8(&w, 0);
    CM_ENSURE(!w.failed, CM_ABSENT);
    return cm_slice_to_cstr(name, out->rp, sizeof out->rp);
}

/* ---- life ---- */

cm_status cm_passkeys_create(const cm_passkeys_config *config, cm_passkeys **out)
{
    cm_passkeys *passkeys = calloc(1, sizeof *passkeys);
    CM_ENSURE(passkeys != NULL, CM_BROKEN);
    passkeys->identity = config->identity;
    for (size_t i = 0; i < config->name_count && passkeys->name_count + 1 < CM_PASSKEY_NAMES_MAX;
         i++)
        if (!cm_slice_equal_nocase(config->names[i], CM_TEXT("localhost")))
            add_name(passkeys, config->names[i]);
    add_name(passkeys, CM_TEXT("localhost"));
    const cm_status status = cm_challenges_create(config->challenges_max, &passkeys->challenges);
    if (status != CM_OK) {
        free(passkeys);
        return status;
    }
    *out = passkeys;
    return CM_OK;
}

void cm_passkeys_destroy(cm_passkeys *passkeys)
{
    if (passkeys == NULL)
        return;
    cm_challenges_destroy(passkeys->challenges);
    free(passkeys);
}

/* ---- challenges ---- */

static void digest_purpose(const cm_passkey_purpose *purpose, uint8_t out[CM_MAC_SIZE])
{
    uint8_t bytes[sizeof(cm_passkey_site) + CM_MAC_SIZE + 16];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u8(&w, purpose->is_again ? 3 : purpose->session != NULL ? 1 : 2);
    if (purpose->session != NULL)
        cm_write_slice(&w, cm_slice_over(purpose->session, CM_MAC_SIZE));
    cm_write_text(&w, purpose->site->rp);
    cm_write_u8(&w, 0);
    cm_write_text(&w, purpose->site->origin);
    cm_secret_hash(cm_writer_done(&w), out);
}

void cm_passkeys_challenge(cm_passkeys *passkeys, const cm_passkey_purpose *purpose,
                           const cm_address *from, cm_instant now,
                           uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    uint8_t digest[CM_MAC_SIZE];
    digest_purpose(purpose, digest);
    cm_random system = cm_random_system();
    const cm_identity *identity = passkeys->identity;
    cm_random *random = identity->config.random != NULL ? identity->random : &system;
    cm_challenges_make(passkeys->challenges, random, digest, from, now, out);
}

static cm_status take_challenge(cm_passkeys *passkeys, const cm_passkey_purpose *purpose,
                                cm_slice client_data, cm_instant now,
                                uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    uint8_t digest[CM_MAC_SIZE];
    digest_purpose(purpose, digest);
    CM_TRY(cm_webauthn_challenge_of(client_data, out));
    return cm_challenges_take(passkeys->challenges, out, digest, now);
}

static cm_status refuse(const char **cause, const char *what)
{
    *cause = what;
    return CM_REFUSE;
}

static cm_webauthn_want want_of(const cm_passkey_site *site,
                                const uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    return (cm_webauthn_want){.challenge = cm_slice_over(challenge, CM_WEBAUTHN_CHALLENGE_SIZE),
                              .rp = cm_slice_of(site->rp),
                              .origin = cm_slice_of(site->origin)};
}

/* ---- account ---- */

static cm_slice private_of(const cm_session_origin *origin, char storage[CM_AUDIT_PRIVATE_MAX])
{
    return origin != NULL ? cm_identity_private(origin, storage) : (cm_slice){.size = 0};
}

void cm_passkeys_record(const cm_passkeys *passkeys, const cm_audit_entry *what,
                        const cm_session_origin *origin)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    CM_IGNORE(cm_audit_keep(passkeys->identity->audit, what, private_of(origin, storage)),
              "it has happened: the audit says in the log that it fails");
}

void cm_passkeys_record_refusal(const cm_passkeys *passkeys, const cm_audit_entry *what,
                                const cm_session_origin *origin)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    cm_audit_repeat(passkeys->identity->audit, what, private_of(origin, storage));
}

/* The log of the server has the cause to the letter. */
static cm_audit_cause audit_cause_of(const char *cause)
{
    return strcmp(cause, "another-account") == 0 ? CM_AUDIT_CAUSE_NO_PASSKEY
                                                 : cm_audit_cause_of(cause);
}

/* ---- making one ---- */

static cm_status store_made(cm_passkeys *passkeys, const cm_passkey_making *making,
                            const cm_webauthn_made *made, cm_stored_passkey *out,
                            const char **cause)
{
    const cm_new_passkey fresh = {.account = making->account,
                                  .rp = cm_slice_of(making->purpose.site->rp),
                                  .name = making->name,
                                  .credential = made->credential,
                                  .key = made->cose,
                                  .sign_count = made->sign_count,
                                  .is_backup_eligible = made->is_backup_eligible,
                                  .is_backed_up = made->is_backed_up};
    cm_store *store = passkeys->identity->config.store;
    cm_stored_passkey there;
    if (cm_store_passkey_find(store, made->credential, &there) == CM_OK)
        return refuse(cause, "already-there");
    const cm_status status = cm_store_passkey_add(store, &fresh, making->today, out);
    return status == CM_REFUSE ? refuse(cause, "bad-name") : status;
}

static cm_status make(cm_passkeys *passkeys, const cm_passkey_making *making,
                      cm_stored_passkey *out, const char **cause)
{
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    if (take_challenge(passkeys, &making->purpose, making->client_data, making->now, challenge) !=
        CM_OK)
        return refuse(cause, "no-challenge");
    const cm_webauthn_want want = want_of(making->purpose.site, challenge);
    cm_webauthn_made made;
    CM_TRY(cm_webauthn_check_made(&want, making->client_data, making->attestation, &made, cause));
    return store_made(passkeys, making, &made, out, cause);
}

cm_status cm_passkeys_make(cm_passkeys *passkeys, const cm_passkey_making *making,
                           cm_stored_passkey *out, const char **cause)
{
    const cm_status status = make(passkeys, making, out, cause);
    cm_audit_entry entry = {
        .kind = CM_AUDIT_PASSKEY_ADDED, .when = making->today, .account = making->account};
    if (status == CM_OK) {
        cm_slice_copy(cm_slice_over(out->id, CM_ID_SIZE), entry.other, sizeof entry.other);
        cm_passkeys_record(passkeys, &entry, NULL);
    } else if (status == CM_REFUSE) {
        entry.kind = CM_AUDIT_PASSKEY_REFUSED;
        entry.cause = audit_cause_of(*cause);
        cm_passkeys_record_refusal(passkeys, &entry, NULL);
    }
    return status;
}

/* ---- signing in ---- */

void cm_passkeys_token(const cm_passkeys *passkeys, cm_token *out)
{
    cm_random system = cm_random_system();
    const cm_identity *identity = passkeys->identity;
    cm_token_make(identity->config.random != NULL ? identity->random : &system, CM_TOKEN_SESSION,
                  out);
}

/* 7.2 steps 6 and 7: whose it is must be what it says, and it must be of this name. */
static cm_status find_shown(cm_passkeys *passkeys, const cm_passkey_showing *showing,
                            cm_stored_passkey *out, const char **cause)
{
    const cm_status status =
        cm_store_passkey_find(passkeys->identity->config.store, showing->credential, out);
    if (status == CM_ABSENT)
        return refuse(cause, "no-such-passkey");
    CM_TRY(status);
    if (!cm_slice_equal(showing->user_handle, cm_slice_of(out->account.text)))
        return refuse(cause, "another-account");
    if (!cm_slice_equal(cm_slice_of(out->rp), cm_slice_of(showing->purpose.site->rp)))
        return refuse(cause, "wrong-rp");
    return CM_OK;
}

static cm_status begin_session(cm_passkeys *passkeys, const cm_passkey_showing *showing,
                               const cm_webauthn_shown *shown, cm_passkey_session *out,
                               const char **cause)
{
    cm_passkey_use use = {.credential = showing->credential,
                          .sign_count = shown->sign_count,
                          .is_backed_up = shown->is_backed_up,
                          .former = showing->purpose.session,
                          .origin = showing->origin};
    cm_passkeys_token(passkeys, &out->token);
    cm_slice_copy(cm_slice_over(out->token.hash, CM_MAC_SIZE), use.session_token_hash, CM_MAC_SIZE);
    const cm_status status = cm_store_passkey_sign_in(passkeys->identity->config.store, &use,
                                                      showing->today, &out->account, &out->change);
    if (status == CM_REFUSE)
        return refuse(cause, use.former != NULL ? "another-account" : "not-active");
    return status;
}

static cm_status sign_in(cm_passkeys *passkeys, const cm_passkey_showing *showing,
                         cm_stored_passkey *passkey, cm_passkey_session *out, const char **cause)
{
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    if (take_challenge(passkeys, &showing->purpose, showing->answer.client_data, showing->now,
                       challenge) != CM_OK)
        return refuse(cause, "no-challenge");
    CM_TRY(find_shown(passkeys, showing, passkey, cause));
    const cm_webauthn_want want = want_of(showing->purpose.site, challenge);
    const cm_webauthn_known known = {.cose = cm_slice_over(passkey->key, passkey->key_size),
                                     .sign_count = passkey->sign_count,
                                     .is_backup_eligible = passkey->is_backup_eligible};
    cm_webauthn_shown shown;
    CM_TRY(cm_webauthn_check_shown(&want, &known, &showing->answer, &shown, cause));
    return begin_session(passkeys, showing, &shown, out, cause);
}

cm_status cm_passkeys_sign_in(cm_passkeys *passkeys, const cm_passkey_showing *showing,
                              cm_passkey_session *out, const char **cause)
{
    cm_stored_passkey passkey = {.id = {0}};
    *out = (cm_passkey_session){.change = {.raised_count = 0}};
    *cause = "server";
    const cm_status status = sign_in(passkeys, showing, &passkey, out, cause);
    if (status == CM_OK)
        cm_passkeys_record(passkeys,
                           &(cm_audit_entry){.kind = showing->purpose.is_again
                                                         ? CM_AUDIT_SIGN_IN_AGAIN
                                                         : CM_AUDIT_SIGN_IN,
                                             .when = showing->today,
                                             .account = out->account.id,
                                             .value = showing->origin.method},
                           &showing->origin);
    if (status != CM_REFUSE)
        return status;
    cm_passkeys_record_refusal(passkeys,
                               &(cm_audit_entry){.kind = CM_AUDIT_PASSKEY_REFUSED,
                                                 .when = showing->today,
                                                 .account = passkey.account,
                                                 .cause = audit_cause_of(*cause)},
                               &showing->origin);
    const bool is_copied = cm_slice_equal(cm_slice_of(*cause), CM_TEXT("counter-went-back"));
    cm_log(is_copied ? CM_LOG_ERROR : CM_LOG_WARN, "identity",
           "event=%s cause=%s account=%s passkey=%s",
           is_copied ? "passkey-alarm" : "passkey-refused", *cause, passkey.account.text,
           passkey.id);
    return status;
}

/* ---- limits ---- */

cm_status cm_passkeys_may_try(cm_passkeys *passkeys, const cm_address *from, cm_slice name,
                              cm_instant now, int64_t *wait_us)
{
    return cm_limits_take(passkeys->identity->limits, from, name, now, wait_us);
}

void cm_passkeys_tried(cm_passkeys *passkeys, const cm_address *from, cm_slice name, bool was_right,
                       cm_instant now)
{
    if (was_right)
        cm_limits_succeeded(passkeys->identity->limits, from, name, now);
    else
        cm_limits_failed(passkeys->identity->limits, from, name, now);
}
