/* Homes: one's own, and for an operator all of them (names and counts, never pictures). */
#include <stdlib.h>

#include "api/api_priv.h"

static void free_homes(void *data)
{
    cm_stored_homes_clear(data);
    free(data);
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
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:n}", "id", homes->items[i].id.text,
                                              "name", homes->items[i].name, "cameras",
                                              (json_int_t)homes->items[i].camera_count, "role"));
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

static void create_home(cm_call *call)
{
    call->status = cm_store_home_create(call->api->config.store, call->data,
                                        cm_loop_wall(call->api->config.loop));
}

static void answer_created(cm_call *call)
{
    const cm_stored_home *home = call->data;
    if (call->status == CM_OK)
        cm_call_json(call, 201,
                     json_pack("{s:s, s:s, s:n}", "id", home->id.text, "name", home->name, "role"));
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
