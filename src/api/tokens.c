/* API tokens of a home: listed and revoked here, made by the command line. The secret is never told
 * again. */
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
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", token->id, "account",
                     token->account.text, "camera", token->camera.camera.text, "rights",
                     cm_rights_json(token->rights), "created", cm_time_json(token->created),
                     "expires", cm_time_json(token->expires), "last_used",
                     cm_time_json(token->last_used));
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
    cm_call_json(call, 200, json_pack("{s:o}", "tokens", list));
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

static void revoke(cm_call *call)
{
    call->status = cm_store_token_revoke(call->api->config.store, &call->home,
                                         cm_slice_of(call->parameters.ids[0]), &call->change);
    cm_audit_entry what = {.kind = CM_AUDIT_TOKEN_REVOKED};
    cm_slice_copy(cm_slice_over(call->parameters.ids[0], CM_ID_SIZE), what.other,
                  sizeof what.other);
    if (call->status == CM_OK)
        cm_call_record(call, &what);
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
