/* Handing a home over, and moving out: one action each, and of moving out a receipt that says what
 * ended. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct moving {
    cm_account_id account;
    char name[CM_NAME_SIZE];
    cm_home_id homes[CM_MOVE_HOMES_MAX];
    size_t count;
    cm_moved_home moved[CM_MOVE_HOMES_MAX];
    cm_wall at;
    json_t *receipt;
    cm_hand_over hand_over;
} moving;

static void free_moving(void *data)
{
    moving *m = data;
    json_decref(m->receipt);
    free(m);
}

/* NULL: a problem was answered. */
static moving *begin(cm_call *call)
{
    moving *m = calloc(1, sizeof *m);
    if (m == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = m;
    call->free_data = free_moving;
    return m;
}

static void answer_last_owner(cm_call *call)
{
    static const cm_call_fault FAULT = {
        409,
        "last-owner",
        "The last owner",
        "A home with other members needs an owner: make somebody else an owner first.",
        NULL,
        0};
    cm_call_problem(call, &FAULT);
}

/* ---- moving out ---- */

static json_t *cameras_json(const cm_change *change, const cm_home_id *home)
{
    json_t *list = json_array();
    for (size_t i = 0; i < change->raised_count; i++) {
        const cm_epoch_raise *raise = &change->raised[i];
        if (cm_home_id_equal(&raise->camera.home, home))
            json_array_append_new(list,
                                  json_pack("{s:s, s:o}", "id", raise->camera.camera.text, "epoch",
                                            raise->min_epoch == UINT64_MAX
                                                ? json_null()
                                                : json_integer((json_int_t)raise->min_epoch)));
    }
    return list;
}

static json_t *receipt_json(const cm_call *call)
{
    const moving *m = call->data;
    json_t *homes = json_array();
    for (size_t i = 0; i < m->count; i++) {
        const cm_moved_home *home = &m->moved[i];
        json_array_append_new(
            homes, json_pack("{s:s, s:s, s:s, s:b, s:o, s:I, s:I, s:I}", "id", home->id.text,
                             "name", home->name, "role", cm_role_name(home->role), "destroyed",
                             home->was_destroyed, "cameras", cameras_json(&call->change, &home->id),
                             "grants", (json_int_t)home->grants, "tokens", (json_int_t)home->tokens,
                             "invitations", (json_int_t)home->invitations));
    }
    return json_pack("{s:{s:s, s:s}, s:{s:s, s:s}, s:o, s:o}", "account", "id", m->account.text,
                     "name", m->name, "by", "id", call->who.account.text, "name", call->who.name,
                     "at", cm_time_json(m->at), "homes", homes);
}

/* In each home; one that he was the last to leave is gone as well. */
static void record_moved(const cm_call *call)
{
    const moving *m = call->data;
    for (size_t i = 0; i < m->count; i++) {
        const cm_moved_home *home = &m->moved[i];
        const cm_audit_entry what = {
            .kind = CM_AUDIT_MOVED_OUT, .home = home->id, .value = home->role};
        cm_call_record_person(call, &what, &m->account);
        if (home->was_destroyed)
            cm_call_record(call,
                           &(cm_audit_entry){.kind = CM_AUDIT_HOME_REMOVED, .home = home->id});
    }
}

static void move_out(cm_call *call)
{
    moving *m = call->data;
    cm_store *store = call->api->config.store;
    const cm_move_out move = {.account = m->account, .homes = m->homes, .count = m->count};
    cm_stored_account account;
    call->status = cm_store_account_find(store, &m->account, &account);
    if (call->status != CM_OK)
        return;
    cm_slice_copy(cm_slice_over(account.name, sizeof account.name), m->name, sizeof m->name);
    m->at = cm_loop_wall(call->api->config.loop);
    call->status = cm_store_move_out(store, &move, m->moved, &call->change);
    if (call->status == CM_OK)
        record_moved(call);
    if (call->status == CM_OK)
        m->receipt = receipt_json(call); /* of the change, which is told and gone after this */
}

static void answer_moved(cm_call *call)
{
    const moving *m = call->data;
    if (call->status == CM_REFUSE)
        answer_last_owner(call);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status,
                     call->route->permission == CM_PERMISSION_OWNER ? "no-such-person"
                                                                    : "no-such-home");
    else
        cm_call_json(call, 200, json_incref(m->receipt));
}

void cm_route_person_moving_out(cm_call *call)
{
    moving *m = begin(call);
    if (m == NULL || !cm_call_account(call, 0, &m->account))
        return;
    m->homes[0] = call->home;
    m->count = 1;
    cm_call_write(call, move_out, answer_moved);
}

/* One's own: the homes are named, so that none is left, or destroyed, by a slip. */
void cm_route_moving_out(cm_call *call)
{
    static const cm_call_fault BAD = {
        400, "bad-homes", "Which homes?", "homes is a list of 1 to 32 ids of your homes.", "homes",
        0};
    moving *m = begin(call);
    if (m == NULL)
        return;
    const json_t *list = json_object_get(call->body, "homes");
    m->count = json_array_size(list);
    bool is_fine = m->count > 0 && m->count <= CM_MOVE_HOMES_MAX;
    for (size_t i = 0; is_fine && i < m->count; i++) {
        const json_t *id = json_array_get(list, i);
        is_fine = json_is_string(id) &&
                  cm_home_id_parse(cm_slice_of(json_string_value(id)), &m->homes[i]) == CM_OK;
    }
    if (!is_fine) {
        cm_call_problem(call, &BAD);
        return;
    }
    m->account = call->who.account;
    cm_call_write(call, move_out, answer_moved);
}

/* ---- handing over ---- */

static void hand_over(cm_call *call)
{
    const moving *m = call->data;
    call->status = cm_store_home_hand_over(call->api->config.store, &m->hand_over, &call->change);
    const cm_audit_entry what = {.kind = CM_AUDIT_HOME_HANDED_OVER, .value = m->hand_over.then};
    cm_call_record_person(call, &what, &m->hand_over.to);
}

static void answer_handed_over(cm_call *call)
{
    static const cm_call_fault SELF = {409,          "already-owner",
                                       "You own it", "Name another member, who shall own the home.",
                                       NULL,         0};
    if (call->status == CM_OK)
        cm_call_empty(call);
    else if (call->status == CM_REFUSE)
        cm_call_problem(call, &SELF);
    else
        cm_call_fail(call, call->status, "no-such-person");
}

void cm_route_hand_over(cm_call *call)
{
    static const cm_call_fault BAD = {
        400,    "bad-then", "And then?", "then is adult, child or guest (of you), or leave.",
        "then", 0};
    moving *m = begin(call);
    cm_slice then;
    if (m == NULL || !cm_call_account(call, 0, &m->hand_over.to) ||
        !cm_call_text(call, "then", true, &then))
        return;
    m->hand_over.home = call->home;
    m->hand_over.from = call->who.account;
    const bool is_fine =
        cm_slice_equal(then, CM_TEXT("leave")) ||
        (cm_role_parse(then, &m->hand_over.then) == CM_OK && m->hand_over.then != CM_ROLE_OWNER);
    if (is_fine)
        cm_call_write(call, hand_over, answer_handed_over);
    else
        cm_call_problem(call, &BAD);
}
