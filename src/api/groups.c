/* Groups of a home's cameras, and what is granted on them. A camera that leaves a group is the cut
 * for those who saw it through the group. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct groups {
    cm_group_key key; /* one group; empty: all */
    cm_slice name;    /* empty: as it is */
    cm_camera_id cameras[CM_HOME_CAMERAS_MAX];
    cm_group_cameras wanted;
    bool has_cameras;
    cm_account_id account;
    cm_terms_ask asked;
    const char *wrong; /* which member of the terms, or NULL */
    cm_stored_groups list;
} groups;

static void free_groups(void *data)
{
    groups *g = data;
    cm_stored_groups_clear(&g->list);
    free(g);
}

/* NULL: a problem was answered. */
static groups *begin(cm_call *call)
{
    groups *g = calloc(1, sizeof *g);
    if (g == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    g->key.home = call->home;
    call->data = g;
    call->free_data = free_groups;
    return g;
}

static bool read_key(cm_call *call, size_t parameter, groups *g)
{
    if (cm_id_parse(cm_slice_of(call->parameters.ids[parameter]), g->key.group.text) == CM_OK)
        return true;
    cm_call_fail(call, CM_ABSENT, "no-such-group");
    return false;
}

/* ---- out ---- */

static json_t *group_json(const cm_stored_group *group)
{
    json_t *cameras = json_array();
    for (size_t i = 0; i < group->camera_count; i++)
        json_array_append_new(cameras, json_string(group->cameras[i].text));
    json_t *people = json_array();
    for (size_t i = 0; i < group->right_count; i++) {
        json_t *right = json_pack("{s:s}", "account", group->rights[i].account.text);
        cm_terms_add_json(&group->rights[i].terms, right);
        json_array_append_new(people, right);
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "home", group->key.home.text, "id",
                     group->key.group.text, "name", group->name, "cameras", cameras, "people",
                     people);
}

static void read_groups(cm_call *call)
{
    groups *g = call->data;
    cm_store *store = call->api->config.store;
    call->status = g->key.group.text[0] != '\0' ? cm_store_group_find(store, &g->key, &g->list)
                                                : cm_store_groups(store, &call->home, &g->list);
}

static void answer_groups(cm_call *call)
{
    const groups *g = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-group");
        return;
    }
    if (g->key.group.text[0] != '\0') {
        const unsigned status = call->route->method == CM_HTTP_POST ? 201 : 200;
        cm_call_json(call, status, group_json(&g->list.items[0]));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < g->list.count; i++)
        json_array_append_new(list, group_json(&g->list.items[i]));
    cm_call_json(call, 200, json_pack("{s:o}", "groups", list));
}

void cm_route_groups(cm_call *call)
{
    if (begin(call) != NULL)
        cm_call_read(call, read_groups, answer_groups);
}

/* ---- account ---- */

/* Of a step that went well. `person` empty: of the group itself. */
static void record(const cm_call *call, cm_audit_kind kind, const cm_grant_terms *terms)
{
    const groups *g = call->data;
    cm_audit_entry what = {.kind = kind};
    cm_slice_copy(cm_slice_over(g->key.group.text, CM_ID_SIZE), what.group, sizeof what.group);
    if (terms != NULL) {
        what.value = terms->rights;
        what.hours = terms->hours;
        what.not_before = terms->not_before;
        what.not_after = terms->not_after;
    }
    cm_call_record_person(call, &what, &g->account);
}

/* ---- making and changing ---- */

/* "cameras": a list of ids. False: a problem was answered. */
static bool read_cameras(cm_call *call, groups *g)
{
    const json_t *list = json_object_get(call->body, "cameras");
    if (list == NULL)
        return true;
    const size_t count = json_array_size(list);
    bool is_list = json_is_array(list) && count <= CM_HOME_CAMERAS_MAX;
    for (size_t i = 0; is_list && i < count; i++) {
        const cm_slice id = cm_slice_of(json_string_value(json_array_get(list, i)));
        is_list = cm_camera_id_parse(id, &g->cameras[i]) == CM_OK;
    }
    g->has_cameras = true;
    g->wanted = (cm_group_cameras){.items = g->cameras, .count = count};
    if (is_list)
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-cameras", "Not a list of cameras",
                                           "cameras is a list of ids of this home's cameras.",
                                           "cameras", 0});
    return false;
}

/* After a change: the group as it is now. */
static void on_changed(cm_call *call)
{
    static const cm_call_fault BAD_NAME = {
        400, "bad-name", "Not a name", "A name is 1 to 127 bytes that can be shown.", "name", 0};
    static const cm_call_fault TOO_MANY = {
        409,
        "too-many-groups",
        "Too many groups",
        "A home has at most 64 groups, and a camera is in at most 4.",
        "cameras",
        0};
    const groups *g = call->data;
    if (call->status == CM_REFUSE && g->wrong != NULL)
        cm_call_terms_refused(call, g->wrong);
    else if (call->status == CM_REFUSE)
        cm_call_problem(call, &BAD_NAME);
    else if (call->status == CM_FULL)
        cm_call_problem(call, &TOO_MANY);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "no-such-group");
    else if (call->route->method == CM_HTTP_DELETE)
        cm_call_empty(call);
    else
        cm_call_read(call, read_groups, answer_groups);
}

static void create_group(cm_call *call)
{
    groups *g = call->data;
    call->status = cm_store_group_create(call->api->config.store, &g->key, g->name, &g->wanted,
                                         cm_loop_wall(call->api->config.loop));
    record(call, CM_AUDIT_GROUP_MADE, NULL);
}

void cm_route_group_create(cm_call *call)
{
    groups *g = begin(call);
    if (g != NULL && cm_call_text(call, "name", true, &g->name) && read_cameras(call, g))
        cm_call_write(call, create_group, on_changed);
}

static void update_group(cm_call *call)
{
    groups *g = call->data;
    call->status = cm_store_group_update(call->api->config.store, &g->key, g->name,
                                         g->has_cameras ? &g->wanted : NULL, &call->change);
    record(call, CM_AUDIT_GROUP_CHANGED, NULL);
}

void cm_route_group_update(cm_call *call)
{
    groups *g = begin(call);
    if (g != NULL && read_key(call, 0, g) && cm_call_text(call, "name", false, &g->name) &&
        read_cameras(call, g))
        cm_call_write(call, update_group, on_changed);
}

static void delete_group(cm_call *call)
{
    const groups *g = call->data;
    call->status = cm_store_group_delete(call->api->config.store, &g->key, &call->change);
    record(call, CM_AUDIT_GROUP_DELETED, NULL);
}

void cm_route_group_delete(cm_call *call)
{
    groups *g = begin(call);
    if (g != NULL && read_key(call, 0, g))
        cm_call_write(call, delete_group, on_changed);
}

/* ---- what is granted on one ---- */

static void put_grant(cm_call *call)
{
    groups *g = call->data;
    cm_store *store = call->api->config.store;
    cm_stored_home home;
    cm_grant_terms terms = {.rights = 0};
    call->status = cm_store_home_find(store, &call->home, &home);
    if (call->status == CM_OK)
        call->status = cm_terms_finish(&g->asked, cm_store_zone(store, cm_slice_of(home.time_zone)),
                                       &terms, &g->wrong);
    if (call->status == CM_OK)
        call->status =
            cm_store_group_grant_put(store, &g->key, &g->account, &terms,
                                     cm_loop_wall(call->api->config.loop), &call->change);
    record(call, CM_AUDIT_GROUP_GRANT_PUT, &terms);
}

void cm_route_group_grant_put(cm_call *call)
{
    cm_terms_ask asked;
    if (!cm_call_terms(call, &asked))
        return;
    groups *g = begin(call);
    if (g == NULL || !cm_call_account(call, 0, &g->account) || !read_key(call, 1, g))
        return;
    g->asked = asked;
    cm_call_write(call, put_grant, on_changed);
}

static void remove_grant(cm_call *call)
{
    const groups *g = call->data;
    call->status =
        cm_store_group_grant_remove(call->api->config.store, &g->key, &g->account, &call->change);
    record(call, CM_AUDIT_GROUP_GRANT_REMOVED, NULL);
}

void cm_route_group_grant_delete(cm_call *call)
{
    groups *g = begin(call);
    if (g != NULL && cm_call_account(call, 0, &g->account) && read_key(call, 1, g))
        cm_call_write(call, remove_grant, on_changed);
}
