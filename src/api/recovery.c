/* Recovery codes: made anew by who is signed in, told once; and signing in with one. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/passkeys.h"

/* ---- making them ---- */

typedef struct code_list {
    char codes[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE];
} code_list;

static void free_codes(void *data)
{
    cm_secret_wipe(data, sizeof(code_list));
    free(data);
}

static void make_codes(cm_call *call)
{
    code_list *list = call->data;
    call->status =
        cm_passkeys_make_codes(call->api->config.passkeys, &call->who.account,
                               cm_loop_wall(call->api->config.loop), list->codes, &call->change);
}

static void answer_codes(cm_call *call)
{
    const code_list *list = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    json_t *codes = json_array();
    for (size_t i = 0; i < CM_RECOVERY_CODES; i++)
        json_array_append_new(codes, json_string(list->codes[i]));
    cm_call_json(call, 201, json_pack("{s:o}", "codes", codes));
}

void cm_route_recovery_create(cm_call *call)
{
    call->data = calloc(1, sizeof(code_list));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_codes;
    cm_call_write(call, make_codes, answer_codes);
}

/* ---- signing in ---- */

typedef struct recovery_call {
    cm_address from;
    cm_recovery_ask ask; /* its texts borrow from the body */
    cm_recovery_use use;
    cm_passkey_session session;
} recovery_call;

static void free_recovery_call(void *data)
{
    cm_secret_wipe(data, sizeof(recovery_call));
    free(data);
}

/* False: a problem was answered. */
static bool read_flag(cm_call *call, const char *name, bool *out)
{
    const json_t *value = json_object_get(call->body, name);
    *out = json_is_true(value);
    if (value == NULL || json_is_boolean(value))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-flag", "True or false wanted",
                                           "This must be true or false.", name, 0});
    return false;
}

static void recover(cm_call *call)
{
    recovery_call *r = call->data;
    call->status = cm_passkeys_recover(call->api->config.passkeys, &r->use,
                                       cm_loop_wall(call->api->config.loop), &r->session);
    call->change = r->session.change; /* told to all, and freed, with the call's */
    r->session.change = (cm_change){.raised_count = 0};
}

static void answer_recovered(cm_call *call)
{
    recovery_call *r = call->data;
    if (call->status == CM_OK || call->status == CM_REFUSE)
        cm_passkeys_tried(call->api->config.passkeys, &r->from, r->ask.name, call->status == CM_OK,
                          cm_loop_now(call->api->config.loop));
    if (call->status == CM_REFUSE)
        cm_call_problem(call, &(cm_call_fault){401, "wrong-name-or-code", "Not accepted",
                                               "The name or the recovery code is wrong, or the "
                                               "code was used already.",
                                               NULL, 0});
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "absent");
    else
        cm_call_begin_session(call, &r->session.token);
}

static void prepare(cm_call *call)
{
    recovery_call *r = call->data;
    call->status = cm_passkeys_prepare_recovery(call->api->config.passkeys, &r->ask, &r->use);
}

static void on_prepared(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_write(call, recover, answer_recovered);
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_recovery_sign_in(cm_call *call)
{
    recovery_call *r = calloc(1, sizeof *r);
    if (r == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    r->from = cm_call_peer(call);
    cm_origin_make(CM_METHOD_RECOVERY, cm_call_user_agent(call), &r->from, &r->ask.origin);
    call->data = r;
    call->free_data = free_recovery_call;
    if (cm_call_text(call, "name", true, &r->ask.name) &&
        cm_call_text(call, "code", true, &r->ask.code) &&
        read_flag(call, "end_sessions", &r->ask.ends_sessions) &&
        read_flag(call, "remove_passkeys", &r->ask.removes_passkeys) &&
        read_flag(call, "remove_totp", &r->ask.removes_totp) &&
        cm_call_may_try(call, &r->from, r->ask.name))
        cm_call_read(call, prepare, on_prepared);
}
