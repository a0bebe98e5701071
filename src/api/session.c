/* Who somebody is: setup, sign in and out, the own password, where he is signed in. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/pending.h"

json_t *cm_session_json(const cm_who *who)
{
    json_t *homes = json_array();
    for (size_t i = 0; i < who->home_count; i++)
        json_array_append_new(homes, json_pack("{s:s, s:s, s:s, s:s, s:o}", "id",
                                               who->homes[i].home.text, "name", who->homes[i].name,
                                               "time_zone", who->homes[i].time_zone, "role",
                                               cm_role_name(who->homes[i].role), "suspended",
                                               cm_suspension_json(&who->homes[i].suspension)));
    return json_pack("{s:{s:s, s:s, s:b, s:b}, s:o, s:o}", "account", "id", who->account.text,
                     "name", who->name, "is_operator", who->is_operator, "has_totp", who->has_totp,
                     "homes", homes, "expires", cm_time_json(who->expires));
}

void cm_route_session(cm_call *call)
{
    cm_call_json(call, 200, cm_session_json(&call->who));
}

/* ---- a fresh session: cookie, and what GET /session would say ---- */

static void answer_fresh_session(cm_call *call)
{
    const bool is_setup = call->route->permission == CM_PERMISSION_SETUP_TOKEN;
    if (call->status == CM_OK)
        cm_call_json(call, is_setup ? 201 : 200, cm_session_json(&call->who));
    else
        cm_call_fail(call, call->status, "absent");
}

static void look_up_self(cm_call *call)
{
    cm_who_clear(&call->who);
    call->status = cm_store_who(call->api->config.store, &call->asker,
                                cm_loop_wall(call->api->config.loop), &call->who, &call->cause);
}

void cm_call_begin_session(cm_call *call, const cm_token *token)
{
    cm_call_set_cookie(call, token->text);
    call->asker.kind = CM_ASKER_SESSION;
    for (size_t i = 0; i < sizeof call->asker.token_hash; i++)
        call->asker.token_hash[i] = token->hash[i];
    cm_call_read(call, look_up_self, answer_fresh_session);
}

/* The password was right: no cookie yet, and nothing but a code makes one of this. */
static void answer_pending(cm_call *call, const cm_token *pending)
{
    cm_call_json(call, 200,
                 json_pack("{s:s, s:s, s:i}", "factor", "totp", "pending", pending->text,
                           "expires_in_s", (int)(CM_PENDING_US / CM_SECONDS(1))));
}

static void on_fresh_session(void *owner, const cm_identity_answer *answer)
{
    cm_call *call = owner;
    if (answer->status == CM_OK && answer->pending != NULL) {
        answer_pending(call, answer->pending);
        return;
    }
    if (answer->status != CM_OK || answer->token == NULL) {
        cm_call_identity_failed(call, answer);
        return;
    }
    cm_call_begin_session(call, answer->token);
}

void cm_route_sign_in(cm_call *call)
{
    cm_identity_sign_in ask = {.from = cm_call_peer(call), .user_agent = cm_call_user_agent(call)};
    if (!cm_call_text(call, "name", true, &ask.name) ||
        !cm_call_text(call, "password", true, &ask.password))
        return;
    if (cm_identity_begin_sign_in(call->api->config.identity, call->api->config.loop, &ask,
                                  on_fresh_session, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

void cm_route_code_sign_in(cm_call *call)
{
    cm_identity_code ask = {.from = cm_call_peer(call), .user_agent = cm_call_user_agent(call)};
    if (!cm_call_text(call, "pending", true, &ask.token) ||
        !cm_call_text(call, "code", true, &ask.code))
        return;
    if (cm_identity_begin_code(call->api->config.identity, call->api->config.loop, &ask,
                               on_fresh_session, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

void cm_route_sign_in_again(cm_call *call)
{
    if (json_object_get(call->body, "credential") != NULL) {
        cm_passkey_again(call);
        return;
    }
    cm_identity_again ask = {.asker = call->asker,
                             .name = cm_slice_of(call->who.name),
                             .from = cm_call_peer(call),
                             .user_agent = cm_call_user_agent(call)};
    if (!cm_call_text(call, "password", true, &ask.password) ||
        !cm_call_text(call, "code", false, &ask.code))
        return;
    if (cm_identity_begin_again(call->api->config.identity, call->api->config.loop, &ask,
                                on_fresh_session, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

void cm_route_setup(cm_call *call)
{
    cm_identity_setup ask = {.from = cm_call_peer(call), .user_agent = cm_call_user_agent(call)};
    if (!cm_call_text(call, "token", true, &ask.token) ||
        !cm_call_text(call, "name", true, &ask.name) ||
        !cm_call_text(call, "password", true, &ask.password) ||
        !cm_call_text(call, "home_name", true, &ask.home_name))
        return;
    if (cm_identity_begin_setup(call->api->config.identity, call->api->config.loop, &ask,
                                on_fresh_session, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

/* ---- ending one ---- */

static void on_signed_out(void *owner, const cm_identity_answer *answer)
{
    cm_call *call = owner;
    if (answer->status != CM_OK && answer->status != CM_ABSENT) {
        cm_call_identity_failed(call, answer);
        return;
    }
    cm_call_set_cookie(call, NULL);
    cm_call_empty(call);
}

void cm_route_sign_out(cm_call *call)
{
    if (cm_identity_begin_sign_out(call->api->config.identity, call->api->config.loop,
                                   call->asker.token_hash, on_signed_out, call,
                                   &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

void cm_route_password(cm_call *call)
{
    cm_identity_new_password ask = {.asker = call->asker, .from = cm_call_peer(call)};
    if (!cm_call_text(call, "old_password", true, &ask.old_password) ||
        !cm_call_text(call, "new_password", true, &ask.new_password))
        return;
    if (cm_identity_begin_new_password(call->api->config.identity, call->api->config.loop, &ask,
                                       on_fresh_session, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}
