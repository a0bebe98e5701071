/* Members of a home, their roles, and which cameras they may see and hear. Taking a right away is
 * the cut. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct people {
    cm_stored_members members;
    json_t *watching; /* account id -> [camera id] */
    cm_account_id account;
    cm_role role;
    cm_terms_ask asked;
    const char *wrong; /* which member of it, or NULL */
} people;

static void free_people(void *data)
{
    people *p = data;
    cm_stored_members_clear(&p->members);
    json_decref(p->watching);
    free(p);
}

/* The call's people, or NULL when a problem was answered. */
static people *begin(cm_call *call)
{
    people *p = calloc(1, sizeof *p);
    if (p == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = p;
    call->free_data = free_people;
    return p;
}

static json_t *person_json(const cm_stored_member *member, const json_t *watching)
{
    json_t *cameras = json_array();
    for (size_t i = 0; i < member->camera_count; i++) {
        json_t *grant = json_pack("{s:s}", "camera", member->cameras[i].camera.text);
        cm_terms_add_json(&member->cameras[i].terms, grant);
        json_array_append_new(cameras, grant);
    }
    json_t *watched = json_object_get(watching, member->account.text);
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o}", "account", member->account.text, "name",
                     member->name, "role", cm_role_name(member->role), "cameras", cameras,
                     "sessions", (json_int_t)member->session_count, "watching",
                     watched != NULL ? json_incref(watched) : json_array());
}

/* ---- who watches: asked of grants, on the control loop ---- */

static void add_watched(void *owner, const cm_watching *viewer)
{
    json_t *watching = owner;
    json_t *list = json_object_get(watching, viewer->account.text);
    if (list == NULL) {
        list = json_array();
        json_object_set_new(watching, viewer->account.text, list);
    }
    size_t i;
    json_t *known;
    json_array_foreach(list, i,
                       known) if (cm_slice_equal(cm_slice_of(json_string_value(known)),
                                                 cm_slice_of(viewer->camera.camera.text))) return;
    json_array_append_new(list, json_string(viewer->camera.camera.text));
}

static void collect_watching(cm_call *call)
{
    people *p = call->data;
    p->watching = json_object();
    cm_grants_each_viewer(call->api->config.grants, &call->home, add_watched, p->watching);
}

static void answer_people(cm_call *call)
{
    const people *p = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < p->members.count; i++)
        json_array_append_new(list, person_json(&p->members.items[i], p->watching));
    cm_call_json(call, 200, json_pack("{s:o}", "people", list));
}

static void answer_person(cm_call *call)
{
    const people *p = call->data;
    const unsigned status = call->route->method == CM_HTTP_POST ? 201 : 200;
    cm_call_json(call, status, person_json(&p->members.items[0], p->watching));
}

static void on_members_read(cm_call *call)
{
    const people *p = call->data;
    if (call->status != CM_OK)
        cm_call_fail(call, call->status, "no-such-person");
    else
        cm_call_on_control(call, collect_watching,
                           p->account.text[0] != '\0' ? answer_person : answer_people);
}

static void read_members(cm_call *call)
{
    people *p = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    cm_stored_members_clear(&p->members);
    if (p->account.text[0] != '\0')
        call->status = cm_store_member_find(call->api->config.store, &call->home, &p->account, now,
                                            &p->members);
    else
        call->status = cm_store_members(call->api->config.store, &call->home, now, &p->members);
}

void cm_route_people(cm_call *call)
{
    if (begin(call) != NULL)
        cm_call_read(call, read_members, on_members_read);
}

/* ---- adding ---- */

static void on_member_created(void *owner, const cm_identity_answer *answer)
{
    cm_call *call = owner;
    if (answer->status != CM_OK || answer->account == NULL) {
        cm_call_identity_failed(call, answer);
        return;
    }
    ((people *)call->data)->account = answer->account->id;
    cm_call_read(call, read_members, on_members_read);
}

void cm_route_person_create(cm_call *call)
{
    cm_identity_new_member ask = {.home = call->home, .by = call->who.account};
    if (!cm_call_text(call, "name", true, &ask.name) ||
        !cm_call_text(call, "password", true, &ask.password) || !cm_call_role(call, &ask.role))
        return;
    if (begin(call) == NULL)
        return;
    if (cm_identity_begin_new_member(call->api->config.identity, call->api->config.loop, &ask,
                                     on_member_created, call, &call->identity_call) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

/* ---- changing ---- */

static void answer_last_owner(cm_call *call)
{
    static const cm_call_fault FAULT = {409,
                                        "last-owner",
                                        "The last owner",
                                        "A home needs an owner: make somebody else an owner first.",
                                        "role",
                                        0};
    cm_call_problem(call, &FAULT);
}

/* After a change of one member: the person as it is now. */
static void on_member_changed(cm_call *call)
{
    if (call->status == CM_REFUSE)
        answer_last_owner(call);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "no-such-person");
    else if (call->route->method == CM_HTTP_DELETE)
        cm_call_empty(call);
    else
        cm_call_read(call, read_members, on_members_read);
}

static void set_role(cm_call *call)
{
    const people *p = call->data;
    call->status = cm_store_member_set_role(call->api->config.store, &call->home, &p->account,
                                            p->role, &call->change);
    const cm_audit_entry what = {.kind = CM_AUDIT_MEMBER_ROLE, .value = p->role};
    cm_call_record_person(call, &what, &p->account);
}

void cm_route_person_update(cm_call *call)
{
    cm_role role;
    if (!cm_call_role(call, &role))
        return;
    people *p = begin(call);
    if (p == NULL || !cm_call_account(call, 0, &p->account))
        return;
    p->role = role;
    cm_call_write(call, set_role, on_member_changed);
}

static void remove_member(cm_call *call)
{
    const people *p = call->data;
    call->status =
        cm_store_member_remove(call->api->config.store, &call->home, &p->account, &call->change);
    cm_call_record_person(call, &(cm_audit_entry){.kind = CM_AUDIT_MEMBER_REMOVED}, &p->account);
}

void cm_route_person_delete(cm_call *call)
{
    people *p = begin(call);
    if (p != NULL && cm_call_account(call, 0, &p->account))
        cm_call_write(call, remove_member, on_member_changed);
}

/* ---- rights on a camera ---- */

static void on_grant_changed(cm_call *call)
{
    const people *p = call->data;
    if (call->status == CM_REFUSE && p->wrong != NULL)
        cm_call_terms_refused(call, p->wrong);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "no-such-grant");
    else if (call->route->method == CM_HTTP_DELETE)
        cm_call_empty(call);
    else
        cm_call_read(call, read_members, on_members_read);
}

static bool camera_of(const cm_call *call, cm_camera_key *out)
{
    out->home = call->home;
    return cm_camera_id_parse(cm_slice_of(call->parameters.ids[1]), &out->camera) == CM_OK;
}

static void put_grant(cm_call *call)
{
    people *p = call->data;
    cm_store *store = call->api->config.store;
    cm_stored_home home;
    cm_camera_key camera = {0};
    cm_grant_terms terms = {0};
    call->status =
        camera_of(call, &camera) ? cm_store_home_find(store, &call->home, &home) : CM_ABSENT;
    if (call->status == CM_OK)
        call->status = cm_terms_finish(&p->asked, cm_store_zone(store, cm_slice_of(home.time_zone)),
                                       &terms, &p->wrong);
    if (call->status == CM_OK)
        call->status = cm_store_grant_put(store, &camera, &p->account, &terms, false,
                                          cm_loop_wall(call->api->config.loop), &call->change);
    const cm_audit_entry what = {.kind = CM_AUDIT_GRANT_PUT,
                                 .camera = camera.camera,
                                 .value = terms.rights,
                                 .hours = terms.hours,
                                 .not_before = terms.not_before,
                                 .not_after = terms.not_after};
    cm_call_record_person(call, &what, &p->account);
}

void cm_route_grant_put(cm_call *call)
{
    cm_terms_ask asked;
    if (!cm_call_terms(call, &asked))
        return;
    people *p = begin(call);
    if (p == NULL || !cm_call_account(call, 0, &p->account))
        return;
    p->asked = asked;
    cm_call_write(call, put_grant, on_grant_changed);
}

static void remove_grant(cm_call *call)
{
    const people *p = call->data;
    cm_camera_key camera = {0};
    call->status = CM_ABSENT;
    if (camera_of(call, &camera))
        call->status =
            cm_store_grant_remove(call->api->config.store, &camera, &p->account, &call->change);
    const cm_audit_entry what = {.kind = CM_AUDIT_GRANT_REMOVED, .camera = camera.camera};
    cm_call_record_person(call, &what, &p->account);
}

void cm_route_grant_delete(cm_call *call)
{
    people *p = begin(call);
    if (p != NULL && cm_call_account(call, 0, &p->account))
        cm_call_write(call, remove_grant, on_grant_changed);
}
