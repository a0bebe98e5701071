/* Passkeys: made, named and removed by who holds them, and signed in with. Members of bodies that
 * are bytes are base64url. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "base/text.h"
#include "identity/passkeys.h"

/* A body's member as bytes. */
typedef struct member_bytes {
    uint8_t *bytes;
    size_t size;
} member_bytes;

typedef struct passkey_call {
    cm_passkey_site site;
    cm_address from;
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    member_bytes client_data, attestation;                               /* of making one */
    member_bytes credential, user_handle, authenticator_data, signature; /* of showing one */
    cm_slice name; /* borrowed from the body */
    cm_stored_passkey passkey;
    cm_stored_passkeys list;
    size_t codes_left;
    cm_wall codes_made;
    cm_session_origin origin; /* of the session to be */
    cm_passkey_session session;
    const char *refused; /* why, static */
} passkey_call;

enum { USER_HANDLE_MAX = 64 }; /* what the standard allows */

static void free_passkey_call(void *data)
{
    passkey_call *p = data;
    free(p->client_data.bytes);
    free(p->attestation.bytes);
    free(p->credential.bytes);
    free(p->user_handle.bytes);
    free(p->authenticator_data.bytes);
    free(p->signature.bytes);
    cm_stored_passkeys_clear(&p->list);
    cm_change_clear(&p->session.change);
    cm_secret_wipe(&p->session.token, sizeof p->session.token);
    free(p);
}

static passkey_call *make_data(cm_call *call)
{
    passkey_call *p = calloc(1, sizeof *p);
    if (p == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    p->from = cm_call_peer(call);
    cm_origin_make(CM_METHOD_PASSKEY, cm_call_user_agent(call), &p->from, &p->origin);
    call->data = p;
    call->free_data = free_passkey_call;
    return p;
}

static cm_slice slice_of(const member_bytes *member)
{
    return cm_slice_over(member->bytes, member->size);
}

static cm_instant now_of(const cm_call *call)
{
    return cm_loop_now(call->api->config.loop);
}

static cm_wall today_of(const cm_call *call)
{
    return cm_loop_wall(call->api->config.loop);
}

/* False: a problem was answered. */
static bool read_bytes(cm_call *call, const char *name, size_t most, member_bytes *out)
{
    cm_slice text;
    if (!cm_call_text(call, name, true, &text))
        return false;
    out->bytes = malloc(most);
    if (out->bytes != NULL && cm_text_from_base64url(text, out->bytes, most, &out->size) == CM_OK)
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-bytes", "Not understood",
                                           "This must be base64url, and not that long.", name, 0});
    return false;
}

/* ---- where passkeys work ---- */

bool cm_passkeys_are_here(const cm_call *call, cm_passkey_site *out)
{
    return call->request != NULL &&
           cm_passkeys_site(call->api->config.passkeys, cm_http_host(call->request),
                            cm_http_is_secure(call->request), out) == CM_OK;
}

json_t *cm_passkeys_names_json(const cm_call *call)
{
    const char *names[CM_PASSKEY_NAMES_MAX];
    const size_t count = cm_passkeys_names(call->api->config.passkeys, names);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

/* False: it was answered which names there are. */
static bool find_site(cm_call *call, cm_passkey_site *out)
{
    if (cm_passkeys_are_here(call, out))
        return true;
    const char *names[CM_PASSKEY_NAMES_MAX];
    const size_t count = cm_passkeys_names(call->api->config.passkeys, names);
    char detail[512];
    cm_writer w = cm_writer_over(detail, sizeof detail - 1);
    cm_write_text(&w, "Browsers keep no passkeys for an address, only for a name over https. "
                      "Open this server under one of its names:");
    for (size_t i = 0; i < count && !w.failed; i++)
        cm_write_format(&w, "%s %s", i > 0 ? "," : "", names[i]);
    detail[cm_writer_done(&w).size] = '\0';
    cm_call_problem(call, &(cm_call_fault){409, "passkeys-need-a-name", "Not under this name",
                                           detail, NULL, 0});
    return false;
}

/* ---- the list ---- */

static json_t *passkey_json(const cm_stored_passkey *passkey)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "id", passkey->id, "name", passkey->name,
                     "site", passkey->rp, "synced", passkey->is_backed_up, "created",
                     cm_time_json(passkey->created), "last_used", cm_time_json(passkey->last_used));
}

static void read_list(cm_call *call)
{
    passkey_call *p = call->data;
    cm_store *store = call->api->config.store;
    call->status = cm_store_passkeys(store, &call->who.account, &p->list);
    if (call->status == CM_OK)
        call->status =
            cm_store_recovery_left(store, &call->who.account, &p->codes_left, &p->codes_made);
}

static void answer_list(cm_call *call)
{
    passkey_call *p = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < p->list.count; i++)
        json_array_append_new(list, passkey_json(&p->list.items[i]));
    cm_call_json(call, 200,
                 json_pack("{s:o, s:{s:i, s:o}}", "passkeys", list, "recovery", "left",
                           (int)p->codes_left, "made", cm_time_json(p->codes_made)));
}

void cm_route_passkeys(cm_call *call)
{
    if (make_data(call) != NULL)
        cm_call_read(call, read_list, answer_list);
}

/* ---- making one ---- */

static json_t *bytes_json(cm_slice bytes)
{
    char text[CM_BASE64_SIZE(CM_PASSKEY_CREDENTIAL_SIZE)];
    if (cm_text_to_base64url(bytes, text, sizeof text) != CM_OK)
        return NULL;
    return json_string(text);
}

static json_t *kinds_json(void)
{
    static const cm_cose_algorithm KINDS[] = {CM_COSE_EDDSA, CM_COSE_ES256, CM_COSE_RS256};
    json_t *list = json_array();
    for (size_t i = 0; i < CM_COUNT(KINDS); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:i}", "type", "public-key", "alg", (int)KINDS[i]));
    return list;
}

/* What the account has under this name. */
static json_t *own_json(const passkey_call *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->list.count; i++) {
        const cm_stored_passkey *passkey = &p->list.items[i];
        if (cm_slice_equal(cm_slice_of(passkey->rp), cm_slice_of(p->site.rp)))
            json_array_append_new(list,
                                  json_pack("{s:s, s:o}", "type", "public-key", "id",
                                            bytes_json(cm_slice_over(passkey->credential,
                                                                     passkey->credential_size))));
    }
    return list;
}

static void answer_options(cm_call *call)
{
    passkey_call *p = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    if (p->list.count >= CM_ACCOUNT_PASSKEYS_MAX) {
        cm_call_problem(call, &(cm_call_fault){409, "too-many-passkeys", "Too many passkeys",
                                               "You have 20 passkeys: remove one first.", NULL, 0});
        return;
    }
    const cm_passkey_purpose purpose = {.site = &p->site, .session = call->asker.token_hash};
    cm_passkeys_challenge(call->api->config.passkeys, &purpose, &p->from, now_of(call),
                          p->challenge);
    /* PublicKeyCredentialCreationOptionsJSON. */
    cm_call_json(
        call, 200,
        json_pack("{s:o, s:{s:s, s:s}, s:{s:o, s:s, s:s}, s:o, s:i, s:o, s:{s:s, s:b, s:s}, s:s}",
                  "challenge", bytes_json(cm_slice_over(p->challenge, sizeof p->challenge)), "rp",
                  "id", p->site.rp, "name", "casement", "user", "id",
                  bytes_json(cm_slice_of(call->who.account.text)), "name", call->who.name,
                  "displayName", call->who.name, "pubKeyCredParams", kinds_json(), "timeout",
                  (int)(CM_CHALLENGE_US / 1000), "excludeCredentials", own_json(p),
                  "authenticatorSelection", "residentKey", "required", "requireResidentKey", 1,
                  "userVerification", "required", "attestation", "none"));
}

void cm_route_passkey_challenge(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && find_site(call, &p->site))
        cm_call_read(call, read_list, answer_options);
}

static void make(cm_call *call)
{
    passkey_call *p = call->data;
    const cm_passkey_making making = {
        .purpose = {.site = &p->site, .session = call->asker.token_hash},
        .account = call->who.account,
        .name = p->name,
        .client_data = slice_of(&p->client_data),
        .attestation = slice_of(&p->attestation),
        .now = now_of(call),
        .today = today_of(call)};
    call->status = cm_passkeys_make(call->api->config.passkeys, &making, &p->passkey, &p->refused);
}

static void answer_refused(cm_call *call, unsigned status)
{
    const passkey_call *p = call->data;
    char detail[128];
    cm_writer w = cm_writer_over(detail, sizeof detail);
    cm_write_format(&w, "The passkey was not accepted (%s). Try once more.", p->refused);
    cm_write_u8(&w, 0);
    cm_call_problem(
        call, &(cm_call_fault){status, "passkey-refused", "Passkey not accepted", detail, NULL, 0});
}

static void answer_made(cm_call *call)
{
    const passkey_call *p = call->data;
    if (call->status == CM_OK)
        cm_call_json(call, 201, passkey_json(&p->passkey));
    else if (call->status == CM_REFUSE)
        answer_refused(call, 400);
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_passkey_create(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && find_site(call, &p->site) && cm_call_text(call, "name", true, &p->name) &&
        read_bytes(call, "client_data", CM_WEBAUTHN_CLIENT_DATA_MAX, &p->client_data) &&
        read_bytes(call, "attestation", CM_WEBAUTHN_ATTESTATION_MAX, &p->attestation))
        cm_call_write(call, make, answer_made);
}

/* ---- naming and removing ---- */

static void rename_it(cm_call *call)
{
    passkey_call *p = call->data;
    call->status =
        cm_store_passkey_rename(call->api->config.store, &call->who.account,
                                cm_slice_of(call->parameters.ids[0]), p->name, &p->passkey);
}

static void answer_renamed(cm_call *call)
{
    const passkey_call *p = call->data;
    if (call->status == CM_OK)
        cm_call_json(call, 200, passkey_json(&p->passkey));
    else
        cm_call_fail(call, call->status, "no-such-passkey");
}

void cm_route_passkey_update(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && cm_call_text(call, "name", true, &p->name))
        cm_call_write(call, rename_it, answer_renamed);
}

static void remove_it(cm_call *call)
{
    call->status = cm_store_passkey_remove(call->api->config.store, &call->who.account,
                                           cm_slice_of(call->parameters.ids[0]), &call->change);
    cm_call_record_of(call, CM_AUDIT_PASSKEY_REMOVED, call->parameters.ids[0]);
}

static void answer_removed(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-passkey");
}

void cm_route_passkey_delete(cm_call *call)
{
    cm_call_write(call, remove_it, answer_removed);
}

/* ---- signing in, and showing it again ---- */

/* Of a route for who is signed in the challenge belongs to his session. */
static cm_passkey_purpose purpose_of(const cm_call *call)
{
    const passkey_call *p = call->data;
    const bool is_again = call->route->permission == CM_PERMISSION_SESSION;
    return (cm_passkey_purpose){.site = &p->site,
                                .session = is_again ? call->asker.token_hash : NULL,
                                .is_again = is_again};
}

/* PublicKeyCredentialRequestOptionsJSON. `allowed`: taken; empty: whoever has one of ours, by its
 * own list. */
static void answer_ask(cm_call *call, json_t *allowed)
{
    passkey_call *p = call->data;
    const cm_passkey_purpose purpose = purpose_of(call);
    cm_passkeys_challenge(call->api->config.passkeys, &purpose, &p->from, now_of(call),
                          p->challenge);
    cm_call_json(call, 200,
                 json_pack("{s:o, s:s, s:i, s:s, s:o}", "challenge",
                           bytes_json(cm_slice_over(p->challenge, sizeof p->challenge)), "rpId",
                           p->site.rp, "timeout", (int)(CM_CHALLENGE_US / 1000), "userVerification",
                           "required", "allowCredentials", allowed));
}

void cm_route_passkey_ask(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && find_site(call, &p->site))
        answer_ask(call, json_array());
}

static void answer_again_ask(cm_call *call)
{
    if (call->status == CM_OK)
        answer_ask(call, own_json(call->data));
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_passkey_again_ask(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && find_site(call, &p->site))
        cm_call_read(call, read_list, answer_again_ask);
}

static void show(cm_call *call)
{
    passkey_call *p = call->data;
    const cm_passkey_showing showing = {
        .purpose = purpose_of(call),
        .credential = slice_of(&p->credential),
        .user_handle = slice_of(&p->user_handle),
        .answer = {.client_data = slice_of(&p->client_data),
                   .authenticator_data = slice_of(&p->authenticator_data),
                   .signature = slice_of(&p->signature)},
        .origin = p->origin,
        .now = now_of(call),
        .today = today_of(call)};
    call->status =
        cm_passkeys_sign_in(call->api->config.passkeys, &showing, &p->session, &p->refused);
    call->change = p->session.change; /* told to all, and freed, with the call's */
    p->session.change = (cm_change){.raised_count = 0};
}

static void answer_shown(cm_call *call)
{
    passkey_call *p = call->data;
    if (call->status == CM_OK || call->status == CM_REFUSE)
        cm_passkeys_tried(call->api->config.passkeys, &p->from, slice_of(&p->credential),
                          call->status == CM_OK, now_of(call));
    /* Why is in the log: a stranger is told the same whatever it was. */
    if (call->status == CM_REFUSE)
        cm_call_problem(call, &(cm_call_fault){401, "passkey-refused", "Passkey not accepted",
                                               "This passkey was not accepted. Sign in another "
                                               "way, or make a new passkey.",
                                               NULL, 0});
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "absent");
    else
        cm_call_begin_session(call, &p->session.token);
}

bool cm_call_may_try(cm_call *call, const cm_address *from, cm_slice name)
{
    cm_identity_answer answer = {.status = CM_RETRY,
                                 .cause = "too-many-tries",
                                 .detail = "Too many tries: wait before the next one."};
    if (cm_passkeys_may_try(call->api->config.passkeys, from, name, now_of(call),
                            &answer.wait_us) == CM_OK)
        return true;
    cm_call_identity_failed(call, &answer);
    return false;
}

static void take_shown(cm_call *call)
{
    passkey_call *p = make_data(call);
    if (p != NULL && find_site(call, &p->site) &&
        read_bytes(call, "credential", CM_WEBAUTHN_CREDENTIAL_MAX, &p->credential) &&
        read_bytes(call, "user_handle", USER_HANDLE_MAX, &p->user_handle) &&
        read_bytes(call, "client_data", CM_WEBAUTHN_CLIENT_DATA_MAX, &p->client_data) &&
        read_bytes(call, "authenticator_data", CM_WEBAUTHN_AUTHENTICATOR_DATA_MAX,
                   &p->authenticator_data) &&
        read_bytes(call, "signature", CM_WEBAUTHN_SIGNATURE_MAX, &p->signature) &&
        cm_call_may_try(call, &p->from, slice_of(&p->credential)))
        cm_call_write(call, show, answer_shown);
}

void cm_route_passkey_sign_in(cm_call *call)
{
    take_shown(call);
}

void cm_passkey_again(cm_call *call)
{
    take_shown(call);
}
