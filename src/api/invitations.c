/* Invitations of a home: made, listed and revoked by its owners; looked at and accepted by whoever
 * holds the secret, which stands in the fragment of a link and comes here in a body only. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "store/invitations.h"

enum {
    DAYS_DEFAULT = CM_INVITATION_US / CM_SECONDS(86400),
    DAYS_MAX = CM_INVITATION_MAX_US / CM_SECONDS(86400),
};

typedef struct making {
    cm_new_invitation fresh; /* its label borrows from the call's body */
    cm_invited_right cameras[CM_INVITATION_CAMERAS_MAX];
    cm_token token;
    cm_stored_invitation made;
} making;

static void free_making(void *data)
{
    cm_secret_wipe(data, sizeof(making));
    free(data);
}

static json_t *whom(const cm_account_id *account, const char *name)
{
    return account->text[0] != '\0' ? json_pack("{s:s, s:s}", "id", account->text, "name", name)
                                    : json_null();
}

static json_t *invitation_json(const cm_stored_invitation *i, cm_wall now)
{
    json_t *cameras = json_array();
    for (size_t c = 0; c < i->camera_count; c++)
        json_array_append_new(cameras, json_pack("{s:s, s:o}", "camera", i->cameras[c].camera.text,
                                                 "rights", cm_rights_json(i->cameras[c].rights)));
    const char *state = cm_invitation_state_name(cm_stored_invitation_state(i, now));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", i->id, "role",
                     cm_role_name(i->role), "label", i->label, "state", state, "cameras", cameras,
                     "made_by", whom(&i->by, i->by_name), "created", cm_time_json(i->created),
                     "expires", cm_time_json(i->expires), "used", cm_time_json(i->used), "used_by",
                     whom(&i->used_by, i->used_by_name));
}

/* ---- making ---- */

static void make(cm_call *call)
{
    making *m = call->data;
    call->status =
        cm_identity_make_invitation(call->api->config.identity, &m->fresh,
                                    cm_loop_wall(call->api->config.loop), &m->token, &m->made);
    cm_audit_entry what = {
        .kind = CM_AUDIT_INVITATION_MADE, .home = m->fresh.home, .value = m->fresh.role};
    cm_slice_copy(cm_slice_over(m->made.id, CM_ID_SIZE), what.other, sizeof what.other);
    if (call->status == CM_OK)
        cm_call_record(call, &what);
}

static void answer_made(cm_call *call)
{
    static const cm_call_fault LIVED_IN = {
        409,
        "home-has-members",
        "Somebody lives there",
        "The server invites the first owner of a home that has no members, and nobody else.",
        NULL,
        0};
    static const cm_call_fault MANY = {409,
                                       "too-many-invitations",
                                       "Too many invitations",
                                       "Revoke some of those that nobody needs any more.",
                                       NULL,
                                       0};
    const making *m = call->data;
    if (call->status == CM_REFUSE && m->fresh.by.text[0] == '\0') {
        cm_call_problem(call, &LIVED_IN);
    } else if (call->status == CM_FULL) {
        cm_call_problem(call, &MANY);
    } else if (call->status != CM_OK) {
        cm_call_fail(call, call->status,
                     m->fresh.by.text[0] == '\0' ? "no-such-home" : "no-such-camera");
    } else {
        json_t *json = invitation_json(&m->made, m->made.created);
        json_object_set_new(json, "token", json_string(m->token.text));
        cm_call_json(call, 201, json);
    }
}

static bool read_camera(const json_t *item, cm_invited_right *out)
{
    const json_t *id = json_object_get(item, "camera");
    const json_t *rights = json_object_get(item, "rights");
    cm_rights bits = 0;
    size_t i;
    json_t *name;
    if (!json_is_string(id) ||
        cm_camera_id_parse(cm_slice_of(json_string_value(id)), &out->camera) != CM_OK)
        return false;
    json_array_foreach(rights, i, name)
    {
        if (!json_is_string(name) ||
            cm_right_add(cm_slice_of(json_string_value(name)), &bits) != CM_OK)
            return false;
    }
    out->rights = bits;
    return bits != 0 && cm_rights_are_whole(bits);
}

static bool is_named_twice(const making *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cm_camera_id_equal(&m->cameras[i].camera, &m->cameras[count].camera))
            return true;
    return false;
}

/* [{"camera","rights"}], each camera once. False: a problem was answered. */
static bool read_cameras(cm_call *call, making *m)
{
    static const cm_call_fault BAD = {
        400,
        "bad-cameras",
        "Cameras not understood",
        "cameras is a list of at most 64 {\"camera\": ID, \"rights\": [\"view\" …]}, each camera "
        "once; an owner has them all and gets none.",
        "cameras",
        0};
    const json_t *list = json_object_get(call->body, "cameras");
    const size_t count = json_array_size(list);
    bool is_fine = list == NULL || json_is_null(list) || json_is_array(list);
    is_fine = is_fine && count <= CM_INVITATION_CAMERAS_MAX;
    is_fine = is_fine && (count == 0 || m->fresh.role != CM_ROLE_OWNER);
    for (size_t i = 0; is_fine && i < count; i++)
        is_fine = read_camera(json_array_get(list, i), &m->cameras[i]) && !is_named_twice(m, i);
    m->fresh.cameras = m->cameras;
    m->fresh.camera_count = count;
    if (!is_fine)
        cm_call_problem(call, &BAD);
    return is_fine;
}

/* NULL: a problem was answered. */
static making *begin_making(cm_call *call)
{
    making *m = calloc(1, sizeof *m);
    if (m == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = m;
    call->free_data = free_making;
    return m;
}

void cm_route_invitation_create(cm_call *call)
{
    making *m = begin_making(call);
    if (m == NULL || !cm_call_role(call, &m->fresh.role) ||
        !cm_call_text(call, "label", false, &m->fresh.label) ||
        !cm_call_days(call, DAYS_DEFAULT, DAYS_MAX, &m->fresh.expires) || !read_cameras(call, m))
        return;
    m->fresh.home = call->home;
    m->fresh.by = call->who.account;
    cm_call_write(call, make, answer_made);
}

/* The operator's: for the first owner of a home without members. */
void cm_route_home_invitation(cm_call *call)
{
    making *m = begin_making(call);
    if (m == NULL || !cm_call_text(call, "label", false, &m->fresh.label) ||
        !cm_call_days(call, DAYS_DEFAULT, DAYS_MAX, &m->fresh.expires))
        return;
    m->fresh.role = CM_ROLE_OWNER;
    if (cm_home_id_parse(cm_slice_of(call->parameters.ids[0]), &m->fresh.home) == CM_OK)
        cm_call_write(call, make, answer_made);
    else
        cm_call_fail(call, CM_ABSENT, "no-such-home");
}

/* ---- list and revoke ---- */

static void free_list(void *data)
{
    cm_stored_invitations_clear(data);
    free(data);
}

static void read_list(cm_call *call)
{
    call->status = cm_store_invitations(call->api->config.store, &call->home, call->data);
}

static void answer_list(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    const cm_stored_invitations *invitations = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    json_t *list = json_array();
    for (size_t i = 0; i < invitations->count; i++)
        json_array_append_new(list, invitation_json(&invitations->items[i], now));
    cm_call_json(call, 200, json_pack("{s:o}", "invitations", list));
}

void cm_route_invitations(cm_call *call)
{
    call->data = calloc(1, sizeof(cm_stored_invitations));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_list;
    cm_call_read(call, read_list, answer_list);
}

static void revoke(cm_call *call)
{
    call->status = cm_store_invitation_revoke(call->api->config.store, &call->home,
                                              cm_slice_of(call->parameters.ids[0]));
    cm_call_record_of(call, CM_AUDIT_INVITATION_ENDED, call->parameters.ids[0]);
}

static void answer_revoked(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-invitation");
}

void cm_route_invitation_delete(cm_call *call)
{
    cm_call_write(call, revoke, answer_revoked);
}

/* ---- for whoever holds the secret ---- */

static void on_looked(void *owner, const cm_identity_answer *answer)
{
    cm_call *call = owner;
    if (answer->status != CM_OK || answer->invitation == NULL) {
        cm_call_identity_failed(call, answer);
        return;
    }
    const cm_stored_invitation *i = answer->invitation;
    const bool is_member = call->has_who && cm_who_role(&call->who, &i->home) != CM_ROLE_NONE;
    cm_call_json(call, 200,
                 json_pack("{s:{s:s, s:s}, s:s, s:s, s:I, s:o, s:b}", "home", "id", i->home.text,
                           "name", i->home_name, "role", cm_role_name(i->role), "made_by",
                           i->by_name, "cameras", (json_int_t)i->camera_count, "expires",
                           cm_time_json(i->expires), "is_member", is_member));
}

void cm_route_invitation_look(cm_call *call)
{
    cm_identity_join ask = {.only_looks = true, .from = cm_call_peer(call)};
    if (!cm_call_text(call, "token", true, &ask.token))
        return;
    if (cm_identity_begin_join(call->api->config.identity, call->api->config.loop, &ask, on_looked,
                               call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

static void look_up_self(cm_call *call)
{
    cm_who_clear(&call->who);
    call->status = cm_store_who(call->api->config.store, &call->asker,
                                cm_loop_wall(call->api->config.loop), &call->who, &call->cause);
}

static void answer_joined(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_json(call, call->has_who ? 200 : 201, cm_session_json(&call->who));
    else
        cm_call_fail(call, call->status, "absent");
}

static void on_joined(void *owner, const cm_identity_answer *answer)
{
    cm_call *call = owner;
    if (answer->status != CM_OK) {
        cm_call_identity_failed(call, answer);
        return;
    }
    if (answer->token != NULL) {
        cm_call_set_cookie(call, answer->token->text);
        call->asker.kind = CM_ASKER_SESSION;
        for (size_t i = 0; i < sizeof call->asker.token_hash; i++)
            call->asker.token_hash[i] = answer->token->hash[i];
    }
    cm_call_read(call, look_up_self, answer_joined);
}

/* Signed in: with this account. Else with name and password: a fresh one. */
void cm_route_invitation_accept(cm_call *call)
{
    static const cm_call_fault SIGNED_IN = {
        409,
        "signed-in",
        "Signed in already",
        "Accept it as whom you are signed in, without a name, or sign out first.",
        "name",
        0};
    cm_identity_join ask = {.from = cm_call_peer(call), .user_agent = cm_call_user_agent(call)};
    const bool is_fresh = json_object_get(call->body, "name") != NULL;
    if (!cm_call_text(call, "token", true, &ask.token))
        return;
    if (is_fresh && call->has_who) {
        cm_call_problem(call, &SIGNED_IN);
        return;
    }
    if (!call->has_who && (!cm_call_text(call, "name", true, &ask.name) ||
                           !cm_call_text(call, "password", true, &ask.password)))
        return;
    if (call->has_who)
        ask.account = call->who.account;
    if (cm_identity_begin_join(call->api->config.identity, call->api->config.loop, &ask, on_joined,
                               call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}
