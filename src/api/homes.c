/* Homes: one's own, and for an operator all of them (names and counts, never pictures). */
#include <stdlib.h>

#include "api/api_priv.h"

static void free_homes(void *data)
{
    cm_stored_homes_clear(data);
    free(data);
}

json_t *cm_suspension_json(const cm_suspension *suspension)
{
    return suspension->since.us == 0
               ? json_null()
               : json_pack("{s:o, s:s, s:s}", "since", cm_time_json(suspension->since), "by",
                           suspension->by, "why", suspension->why);
}

static json_t *home_json(const cm_stored_home *home)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:n, s:o}", "id", home->id.text, "name", home->name,
                     "time_zone", home->time_zone, "cameras", (json_int_t)home->camera_count,
                     "people", (json_int_t)home->member_count, "role", "suspended",
                     cm_suspension_json(&home->suspension));
}

static void read_all_homes(cm_call *call)
{
    call->status = cm_store_homes(call->api->config.store, call->data);
}

static void answer_all_homes(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    const cm_stored_homes *homes = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < homes->count; i++)
        json_array_append_new(list, home_json(&homes->items[i]));
    cm_call_json(call, 200, json_pack("{s:o}", "homes", list));
}

void cm_route_homes(cm_call *call)
{
    if (!call->who.is_operator) {
        json_t *session = cm_session_json(&call->who);
        json_t *homes = json_incref(json_object_get(session, "homes"));
        json_decref(session);
        cm_call_json(call, 200, json_pack("{s:o}", "homes", homes));
        return;
    }
    call->data = calloc(1, sizeof(cm_stored_homes));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_homes;
    cm_call_read(call, read_all_homes, answer_all_homes);
}

/* Of a step that went well. */
static void record(const cm_call *call, cm_audit_kind kind, const cm_home_id *home)
{
    if (call->status == CM_OK)
        cm_call_record(call, &(cm_audit_entry){.kind = kind, .home = *home});
}

static void create_home(cm_call *call)
{
    call->status = cm_store_home_create(call->api->config.store, call->data,
                                        cm_loop_wall(call->api->config.loop));
    const cm_stored_home *home = call->data;
    record(call, CM_AUDIT_HOME_ADDED, &home->id);
}

static void answer_created(cm_call *call)
{
    const cm_stored_home *home = call->data;
    if (call->status == CM_OK)
        cm_call_json(call, 201,
                     json_pack("{s:s, s:s, s:s, s:n}", "id", home->id.text, "name", home->name,
                               "time_zone", home->time_zone, "role"));
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_home_create(cm_call *call)
{
    cm_slice name;
    cm_slice id;
    if (!cm_call_text(call, "name", true, &name) || !cm_call_text(call, "id", false, &id))
        return;
    cm_stored_home *home = calloc(1, sizeof *home);
    if (home == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = home;
    call->free_data = free;
    if (cm_slice_to_cstr(name, home->name, sizeof home->name) != CM_OK ||
        (id.size > 0 && cm_home_id_parse(id, &home->id) != CM_OK)) {
        cm_call_fail(call, CM_REFUSE, "absent");
        return;
    }
    cm_call_write(call, create_home, answer_created);
}

/* ---- changing ---- */

typedef struct home_change {
    cm_slice name, time_zone; /* empty: as it is */
    cm_stored_home home;
    const char *wrong; /* which of them, or NULL */
} home_change;

static void update_home(cm_call *call)
{
    home_change *c = call->data;
    cm_store *store = call->api->config.store;
    call->status = CM_OK;
    c->wrong = "time_zone";
    if (c->time_zone.size > 0)
        call->status = cm_store_home_set_time_zone(store, &call->home, c->time_zone, &call->change);
    if (call->status == CM_OK && c->name.size > 0) {
        c->wrong = "name";
        call->status = cm_store_home_rename(store, &call->home, c->name);
    }
    if (call->status == CM_OK)
        call->status = cm_store_home_find(store, &call->home, &c->home);
    record(call, CM_AUDIT_HOME_CHANGED, &call->home);
}

static void answer_updated(cm_call *call)
{
    const home_change *c = call->data;
    const bool is_zone = cm_slice_equal(cm_slice_of(c->wrong), CM_TEXT("time_zone"));
    if (call->status == CM_OK)
        cm_call_json(call, 200,
                     json_pack("{s:s, s:s, s:s, s:s}", "id", c->home.id.text, "name", c->home.name,
                               "time_zone", c->home.time_zone, "role",
                               cm_role_name(cm_who_role(&call->who, &call->home))));
    else if (call->status == CM_REFUSE && is_zone)
        cm_call_problem(call, &(cm_call_fault){400, "bad-time-zone", "No such time zone",
                                               "A time zone is a name such as Europe/Rome or "
                                               "Asia/Kolkata that this server's machine knows.",
                                               "time_zone", 0});
    else if (call->status == CM_REFUSE)
        cm_call_problem(call,
                        &(cm_call_fault){400, "bad-name", "Not a name",
                                         "A name is 1 to 127 bytes that can be shown.", "name", 0});
    else
        cm_call_fail(call, call->status, "no-such-home");
}

void cm_route_home_update(cm_call *call)
{
    home_change *c = calloc(1, sizeof *c);
    if (c == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = c;
    call->free_data = free;
    if (!cm_call_text(call, "name", false, &c->name) ||
        !cm_call_text(call, "time_zone", false, &c->time_zone))
        return;
    if (c->name.size + c->time_zone.size == 0) {
        cm_call_problem(call, &(cm_call_fault){400, "missing-field", "A field is missing",
                                               "Name what is to change: time_zone or name.",
                                               "time_zone", 0});
        return;
    }
    cm_call_write(call, update_home, answer_updated);
}

/* ---- holding one off ---- */

typedef struct holding {
    cm_home_id home;
    cm_slice why; /* of the call's body */
} holding;

static holding *begin_holding(cm_call *call)
{
    holding *h = calloc(1, sizeof *h);
    if (h == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = h;
    call->free_data = free;
    if (cm_home_id_parse(cm_slice_of(call->parameters.ids[0]), &h->home) == CM_OK)
        return h;
    cm_call_fail(call, CM_ABSENT, "no-such-home");
    return NULL;
}

static void suspend(cm_call *call)
{
    const holding *h = call->data;
    call->status =
        cm_store_home_suspend(call->api->config.store, &h->home, cm_slice_of(call->who.name),
                              h->why, cm_loop_wall(call->api->config.loop), &call->change);
    record(call, CM_AUDIT_HOME_SUSPENDED, &h->home);
}

static void resume(cm_call *call)
{
    const holding *h = call->data;
    call->status = cm_store_home_resume(call->api->config.store, &h->home, &call->change);
    record(call, CM_AUDIT_HOME_RESUMED, &h->home);
}

static void answer_held(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-home");
}

void cm_route_home_suspend(cm_call *call)
{
    holding *h = begin_holding(call);
    if (h != NULL && cm_call_text(call, "why", true, &h->why))
        cm_call_write(call, suspend, answer_held);
}

void cm_route_home_resume(cm_call *call)
{
    if (begin_holding(call) != NULL)
        cm_call_write(call, resume, answer_held);
}
