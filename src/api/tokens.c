/* API tokens of a home: made, listed and revoked. The secret is told once. */
#include <stdlib.h>

#include "api/api_priv.h"

static void free_tokens(void *data)
{
    cm_stored_tokens_clear(data);
    free(data);
}

static void read_tokens(cm_call *call)
{
    call->status = cm_store_tokens(call->api->config.store, &call->home, call->data);
}

static json_t *token_json(const cm_stored_token *token)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", token->id, "name",
                     token->name, "account", token->account.text, "camera",
                     token->camera.camera.text, "rights", cm_rights_json(token->rights), "created",
                     cm_time_json(token->created), "expires", cm_time_json(token->expires),
                     "last_used", cm_time_json(token->last_used));
}

static json_t *port_json(uint16_t port)
{
    return port > 0 ? json_integer(port) : json_null();
}

static void answer_tokens(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    const cm_stored_tokens *tokens = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        json_array_append_new(list, token_json(&tokens->items[i]));
    const cm_api_rtsp_ports *rtsp = &call->api->rtsp;
    cm_call_json(call, 200,
                 json_pack("{s:o, s:{s:o, s:o}}", "tokens", list, "rtsp", "port",
                           port_json(rtsp->plain), "tls_port", port_json(rtsp->tls)));
}

void cm_route_tokens(cm_call *call)
{
    call->data = calloc(1, sizeof(cm_stored_tokens));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_tokens;
    cm_call_read(call, read_tokens, answer_tokens);
}

/* ---- making one ---- */

enum { DAYS_DEFAULT = 30, DAYS_MAX = 3650 };

typedef struct making {
    cm_identity_new_token ask;
    cm_token token;
    cm_stored_token made;
} making; /* its texts borrow from the call's body */

static void free_making(void *data)
{
    cm_secret_wipe(data, sizeof(making));
    free(data);
}

static void make(cm_call *call)
{
    making *m = call->data;
    call->status =
        cm_identity_make_api_token(call->api->config.identity, &m->ask,
                                   cm_loop_wall(call->api->config.loop), &m->token, &m->made);
    cm_audit_entry what = {
        .kind = CM_AUDIT_TOKEN_MADE, .camera = m->ask.camera.camera, .value = m->ask.rights};
    cm_slice_copy(cm_slice_over(m->made.id, CM_ID_SIZE), what.other, sizeof what.other);
    if (call->status == CM_OK)
        cm_call_record(call, &what);
}

static void answer_made(cm_call *call)
{
    static const cm_call_fault MANY = {409,
                                       "too-many-tokens",
                                       "Too many tokens",
                                       "Revoke some of those that no program uses any more.",
                                       NULL,
                                       0};
    static const cm_call_fault UNNAMED = {
        400,
        "bad-name",
        "Not such a name",
        "name is up to 64 bytes of text that can be seen, without spaces at its ends; or left out.",
        "name",
        0};
    const making *m = call->data;
    if (call->status == CM_REFUSE) {
        cm_call_problem(call, &UNNAMED);
    } else if (call->status == CM_FULL) {
        cm_call_problem(call, &MANY);
    } else if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-camera");
    } else {
        json_t *json = token_json(&m->made);
        json_object_set_new(json, "token", json_string(m->token.text));
        cm_call_json(call, 201, json);
    }
}

/* False: a problem was answered. */
static bool read_rights(cm_call *call, uint32_t *out)
{
    const json_t *rights = json_object_get(call->body, "rights");
    cm_rights bits = 0;
    bool is_fine = json_is_array(rights);
    for (size_t i = 0; is_fine && i < json_array_size(rights); i++) {
        const json_t *name = json_array_get(rights, i);
        is_fine = json_is_string(name) &&
                  cm_right_add(cm_slice_of(json_string_value(name)), &bits) == CM_OK;
    }
    *out = bits;
    if (is_fine && cm_rights_are_whole(bits))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-rights", "Not a set of rights",
                                           "rights is a list: view, and with it listen, talk, move "
                                           "or history; or publish.",
                                           "rights", 0});
    return false;
}

/* In the asker's own name: it gives no more than he has, at each use. */
void cm_route_token_create(cm_call *call)
{
    making *m = calloc(1, sizeof *m);
    if (m == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = m;
    call->free_data = free_making;
    cm_slice camera;
    if (!cm_call_text(call, "camera", true, &camera) ||
        !cm_call_text(call, "name", false, &m->ask.name) || !read_rights(call, &m->ask.rights) ||
        !cm_call_days(call, DAYS_DEFAULT, DAYS_MAX, &m->ask.expires))
        return;
    m->ask.camera.home = call->home;
    m->ask.account = call->who.account;
    if (cm_camera_id_parse(camera, &m->ask.camera.camera) == CM_OK)
        cm_call_write(call, make, answer_made);
    else
        cm_call_fail(call, CM_ABSENT, "no-such-camera");
}

/* ---- ending one ---- */

static void revoke(cm_call *call)
{
    call->status = cm_store_token_revoke(call->api->config.store, &call->home,
                                         cm_slice_of(call->parameters.ids[0]), &call->change);
    cm_call_record_of(call, CM_AUDIT_TOKEN_REVOKED, call->parameters.ids[0]);
}

static void answer_revoked(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-token");
}

void cm_route_token_delete(cm_call *call)
{
    cm_call_write(call, revoke, answer_revoked);
}
