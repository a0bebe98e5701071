/* Guest links, for the owners who make, see and revoke them. The secret stands in the fragment of
 * an address, is told once, and is never stored. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/guests.h"

/* ---- output ---- */

static json_t *looks_json(const cm_stored_guest_link *link, cm_wall now)
{
    json_t *list = json_array();
    for (size_t i = link->look_count; i-- > 0;) {
        const cm_stored_guest_look *look = &link->looks[i];
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:b}", "opened",
                                              cm_time_json(look->opened), "device", look->device,
                                              "network", look->network, "may_look",
                                              (int)(now.us < look->expires.us)));
    }
    return list;
}

static json_t *link_json(const cm_stored_guest_link *link, cm_wall now)
{
    const char *state = cm_guest_link_state_name(cm_stored_guest_link_state(link, now));
    json_t *most = link->openings_max != 0 ? json_integer(link->openings_max) : json_null();
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "id", link->id,
                     "camera", link->camera.camera.text, "label", link->label, "state", state,
                     "made_by", link->by_name, "created", cm_time_json(link->created), "from",
                     cm_time_json(link->from), "until", cm_time_json(link->until), "opened",
                     (json_int_t)link->openings, "opened_max", most, "last_opened",
                     cm_time_json(link->last_opened), "looks", looks_json(link, now));
}

/* ---- making ---- */

typedef struct making {
    cm_new_guest_link fresh; /* its label borrows from the call's body */
    cm_slice from;           /* so does this; empty: from its making on */
    int64_t lasts_s;
    bool is_wrong; /* the times */
    cm_token secret;
    cm_stored_guest_link made;
} making;

static void free_making(void *data)
{
    cm_secret_wipe(data, sizeof(making));
    free(data);
}

static void note(const cm_call *call, cm_audit_kind kind, const cm_camera_id *camera, cm_slice id)
{
    cm_audit_entry entry = {.kind = kind, .camera = *camera};
    cm_slice_copy(cm_slice_part(id, 0, CM_ID_SIZE - 1), entry.other, sizeof entry.other);
    cm_call_record(call, &entry);
}

/* What begins before its making begins with it. */
static cm_status set_times(making *m, const cm_zone *zone, cm_wall now)
{
    cm_wall from = now;
    if (m->from.size > 0)
        CM_TRY(cm_zone_parse_time(zone, m->from, &from));
    if (from.us > now.us)
        m->fresh.from = from;
    else
        from = now;
    m->fresh.until.us = from.us + CM_SECONDS(m->lasts_s);
    CM_ENSURE(m->fresh.until.us <= now.us + CM_GUEST_LINK_MAX_US, CM_REFUSE);
    return CM_OK;
}

static void make(cm_call *call)
{
    making *m = call->data;
    cm_store *store = call->api->config.store;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    cm_stored_home home;
    call->status = cm_store_home_find(store, &call->home, &home);
    if (call->status == CM_OK) {
        call->status = set_times(m, cm_store_zone(store, cm_slice_of(home.time_zone)), now);
        m->is_wrong = call->status != CM_OK;
    }
    if (call->status == CM_OK)
        call->status =
            cm_guests_make(call->api->config.identity, &m->fresh, now, &m->secret, &m->made);
    if (call->status == CM_OK)
        note(call, CM_AUDIT_GUEST_LINK_MADE, &m->made.camera.camera, cm_slice_of(m->made.id));
}

static void answer_made(cm_call *call)
{
    static const cm_call_fault MANY = {409,
                                       "too-many-links",
                                       "Too many links",
                                       "This camera has as many guest links as it may: revoke some "
                                       "of those that nobody needs any more.",
                                       NULL,
                                       0};
    static const cm_call_fault FAR = {
        400,
        "bad-time",
        "Not such a time",
        "from is 2026-12-24T18:00:00Z, or 2026-12-24T18:00 by the clock of the home; the link is "
        "over within 30 days.",
        "from",
        0};
    const making *m = call->data;
    if (m->is_wrong) {
        cm_call_problem(call, &FAR);
    } else if (call->status == CM_FULL) {
        cm_call_problem(call, &MANY);
    } else if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-camera");
    } else {
        json_t *json = link_json(&m->made, m->made.created);
        json_object_set_new(json, "secret", json_string(m->secret.text));
        cm_call_json(call, 201, json);
    }
}

void cm_route_link_create(cm_call *call)
{
    making *m = calloc(1, sizeof *m);
    if (m == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = m;
    call->free_data = free_making;
    enum { MOST_S = CM_GUEST_LINK_MAX_US / CM_SECONDS(1), LEAST_S = 60 };
    static const cm_call_number LASTS = {.member = "lasts_s", .least = LEAST_S, .most = MOST_S};
    static const cm_call_number OPENINGS = {
        .member = "opened_max", .least = 1, .most = CM_GUEST_LINK_OPENINGS_MAX};
    int64_t most = 0;
    m->lasts_s = CM_GUEST_LINK_US / CM_SECONDS(1);
    if (!cm_call_camera(call, 0, &m->fresh.camera) ||
        !cm_call_text(call, "label", true, &m->fresh.label) ||
        !cm_call_text(call, "from", false, &m->from) ||
        !cm_call_whole_number(call, &LASTS, &m->lasts_s) ||
        !cm_call_whole_number(call, &OPENINGS, &most))
        return;
    m->fresh.by = call->who.account;
    m->fresh.openings_max = (uint32_t)most;
    cm_call_write(call, make, answer_made);
}

/* ---- list and revoke ---- */

static void free_list(void *data)
{
    cm_stored_guest_links_clear(data);
    free(data);
}

static void read_list(cm_call *call)
{
    call->status = cm_store_guest_links(call->api->config.store, &call->home, call->data);
}

static void answer_list(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    const cm_stored_guest_links *links = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    json_t *list = json_array();
    for (size_t i = links->count; i-- > 0;)
        json_array_append_new(list, link_json(&links->items[i], now));
    cm_call_json(call, 200, json_pack("{s:o}", "links", list));
}

void cm_route_links(cm_call *call)
{
    call->data = calloc(1, sizeof(cm_stored_guest_links));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_list;
    cm_call_read(call, read_list, answer_list);
}

static void revoke(cm_call *call)
{
    const cm_slice id = cm_slice_of(call->parameters.ids[0]);
    call->status =
        cm_store_guest_link_revoke(call->api->config.store, &call->home, id, &call->change);
    if (call->status == CM_OK)
        note(call, CM_AUDIT_GUEST_LINK_REVOKED, &call->change.camera, id);
}

static void answer_revoked(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-link");
}

void cm_route_link_delete(cm_call *call)
{
    cm_call_write(call, revoke, answer_revoked);
}
