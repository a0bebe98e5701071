/* The second factor of the asker's own account: is there one, making it, removing it. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/factors.h"
#include "identity/passkeys.h"

typedef struct totp_call {
    cm_address from;
    cm_slice code; /* borrowed from the body */
    cm_stored_totp stored;
    cm_factor_told told;
    const char *refused; /* why, static */
} totp_call;

static void free_totp_call(void *data)
{
    cm_secret_wipe(data, sizeof(totp_call));
    free(data);
}

static totp_call *make_data(cm_call *call)
{
    totp_call *t = calloc(1, sizeof *t);
    if (t == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    t->from = cm_call_peer(call);
    call->data = t;
    call->free_data = free_totp_call;
    return t;
}

static cm_wall today_of(const cm_call *call)
{
    return cm_loop_wall(call->api->config.loop);
}

/* ---- is there one? ---- */

static void read_state(cm_call *call)
{
    totp_call *t = call->data;
    call->status = cm_store_totp_find(call->api->config.store, &call->who.account, &t->stored);
}

/* One that was begun is none until it is confirmed. */
static void answer_state(cm_call *call)
{
    const totp_call *t = call->data;
    const bool is_on = call->status == CM_OK && t->stored.is_confirmed;
    const bool is_held_off = is_on && t->stored.wrong >= CM_TOTP_WRONG_MAX;
    if (call->status != CM_OK && call->status != CM_ABSENT)
        cm_call_fail(call, call->status, "absent");
    else
        cm_call_json(call, 200,
                     json_pack("{s:s, s:o}", "state",
                               is_held_off ? "held-off"
                               : is_on     ? "on"
                                           : "off",
                               "since", is_on ? cm_time_json(t->stored.created) : json_null()));
}

void cm_route_totp(cm_call *call)
{
    if (make_data(call) != NULL)
        cm_call_read(call, read_state, answer_state);
}

/* ---- making it ---- */

static void answer_there(cm_call *call)
{
    cm_call_problem(call, &(cm_call_fault){409, "totp-there", "There is one already",
                                           "Your account asks for a code already: remove the "
                                           "authenticator app first.",
                                           NULL, 0});
}

static void begin(cm_call *call)
{
    totp_call *t = call->data;
    call->status = cm_factor_begin(call->api->config.identity, &call->who.account,
                                   cm_slice_of(call->who.name), today_of(call), &t->told);
}

static void answer_begun(cm_call *call)
{
    const totp_call *t = call->data;
    if (call->status == CM_OK)
        cm_call_json(call, 201,
                     json_pack("{s:s, s:s, s:i}", "secret", t->told.secret, "uri", t->told.uri,
                               "expires_in_s", (int)(CM_FACTOR_BEGUN_US / CM_SECONDS(1))));
    else if (call->status == CM_REFUSE)
        answer_there(call);
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_totp_begin(cm_call *call)
{
    if (make_data(call) != NULL)
        cm_call_write(call, begin, answer_begun);
}

static void confirm(cm_call *call)
{
    totp_call *t = call->data;
    call->status = cm_factor_confirm(call->api->config.identity, &call->who.account, t->code,
                                     today_of(call), &call->change, &t->refused);
    if (call->status == CM_OK)
        cm_call_record(call, &(cm_audit_entry){.kind = CM_AUDIT_TOTP_ADDED});
}

static void answer_confirmed(cm_call *call)
{
    const totp_call *t = call->data;
    const bool is_wrong =
        call->status == CM_REFUSE && cm_slice_equal(cm_slice_of(t->refused), CM_TEXT("wrong-code"));
    if (call->status == CM_OK || is_wrong)
        cm_passkeys_tried(call->api->config.passkeys, &t->from, cm_slice_of(call->who.name),
                          !is_wrong, cm_loop_now(call->api->config.loop));
    if (call->status == CM_OK)
        cm_call_empty(call);
    else if (is_wrong)
        cm_call_problem(call, &(cm_call_fault){400, "wrong-code", "Not the code",
                                               "This is not the code that the app should show "
                                               "now. Is the clock of the phone right?",
                                               "code", 0});
    else if (call->status == CM_REFUSE)
        answer_there(call);
    else
        cm_call_fail(call, call->status, "totp-not-begun");
}

void cm_route_totp_confirm(cm_call *call)
{
    totp_call *t = make_data(call);
    if (t != NULL && cm_call_text(call, "code", true, &t->code) &&
        cm_call_may_try(call, &t->from, cm_slice_of(call->who.name)))
        cm_call_write(call, confirm, answer_confirmed);
}

/* ---- removing it ---- */

static void remove_it(cm_call *call)
{
    call->status = cm_store_totp_remove(call->api->config.store, &call->who.account, &call->change);
    if (call->status == CM_OK)
        cm_call_record(call, &(cm_audit_entry){.kind = CM_AUDIT_TOTP_REMOVED});
}

static void answer_removed(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-totp");
}

void cm_route_totp_delete(cm_call *call)
{
    cm_call_write(call, remove_it, answer_removed);
}
