/*
 * Who is watching now, by which device or program, and the way to end it.
 *
 * A view that is ended alone would ask again at once: what ends is what it was asked for by, the
 * session of that device or the program's token. Grants tells the hash of that; the store leads
 * from it to the id that people see. Of a guest it is his link. Only who watches this home now can
 * be ended here.
 */
#include <stdlib.h>

#include "api/api_priv.h"
#include "store/guest_links.h"

static_assert((int)CM_TOKEN_NAME_SIZE >= (int)CM_DEVICE_SIZE, "either fits");

/* One viewer, and what he watches by. */
typedef struct watcher {
    cm_watching what;
    char id[CM_ID_SIZE];             /* of session, token or link; "" if it is over already */
    char device[CM_TOKEN_NAME_SIZE]; /* words for the device of a session; a token's name */
} watcher;

typedef struct audience {
    watcher *items;
    size_t count, capacity;
} audience;

static void free_audience(void *data)
{
    audience *a = data;
    free(a->items);
    free(a);
}

/* False: a problem was answered. */
static bool begin(cm_call *call)
{
    call->data = calloc(1, sizeof(audience));
    call->free_data = free_audience;
    if (call->data == NULL)
        cm_call_fail(call, CM_FULL, "absent");
    return call->data != NULL;
}

static void note(void *owner, const cm_watching *what)
{
    audience *a = owner;
    if (a->count == a->capacity) {
        const size_t capacity = a->capacity == 0 ? 16 : a->capacity * 2;
        watcher *items = reallocarray(a->items, capacity, sizeof *items);
        if (items == NULL)
            return; /* fewer are told of */
        a->items = items;
        a->capacity = capacity;
    }
    watcher *w = &a->items[a->count++];
    *w = (watcher){.what = *what};
    cm_slice_copy(cm_slice_over(what->link, CM_ID_SIZE), w->id, sizeof w->id);
}

static void ask_grants(cm_call *call)
{
    cm_grants_each_viewer(call->api->config.grants, &call->home, note, call->data);
}

/* ---- from a hash to what people see ---- */

static bool is_by(const watcher *w, const uint8_t token_hash[CM_MAC_SIZE])
{
    return cm_secret_equal(cm_slice_over(w->what.asker.token_hash, CM_MAC_SIZE),
                           cm_slice_over(token_hash, CM_MAC_SIZE));
}

static void name_sessions(audience *a, const cm_stored_sessions *sessions)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < sessions->count; j++) {
            const cm_stored_session *s = &sessions->items[j];
            watcher *w = &a->items[i];
            if (w->what.asker.kind != CM_ASKER_SESSION || !is_by(w, s->token_hash))
                continue;
            cm_slice_copy(cm_slice_over(s->id, sizeof s->id), w->id, sizeof w->id);
            cm_slice_copy(cm_slice_over(s->origin.device, sizeof s->origin.device), w->device,
                          sizeof w->device);
        }
}

static void name_tokens(audience *a, const cm_stored_tokens *tokens)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < tokens->count; j++)
            if (a->items[i].what.asker.kind == CM_ASKER_API_TOKEN &&
                is_by(&a->items[i], tokens->items[j].token_hash)) {
                const cm_stored_token *t = &tokens->items[j];
                watcher *w = &a->items[i];
                cm_slice_copy(cm_slice_over(t->id, sizeof t->id), w->id, sizeof w->id);
                cm_slice_copy(cm_slice_over(t->name, sizeof t->name), w->device, sizeof w->device);
            }
}

static bool is_first_of_account(const audience *a, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (cm_account_id_equal(&a->items[i].what.account, &a->items[index].what.account))
            return false;
    return true;
}

static cm_status name_all(const cm_call *call, audience *a)
{
    cm_store *store = call->api->config.store;
    CM_AUTO(cm_stored_tokens_clear) cm_stored_tokens tokens = {.count = 0};
    CM_TRY(cm_store_tokens(store, &call->home, &tokens));
    name_tokens(a, &tokens);
    for (size_t i = 0; i < a->count; i++) {
        if (!is_first_of_account(a, i))
            continue;
        CM_AUTO(cm_stored_sessions_clear) cm_stored_sessions sessions = {.count = 0};
        CM_TRY(cm_store_sessions(store, &a->items[i].what.account, &sessions));
        name_sessions(a, &sessions);
    }
    return CM_OK;
}

/* ---- telling ---- */

static void read_names(cm_call *call)
{
    call->status = name_all(call, call->data);
}

static json_t *watcher_json(const cm_call *call, const watcher *w)
{
    const bool is_program = w->what.asker.kind == CM_ASKER_API_TOKEN;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:b, s:b}", "camera",
                     w->what.camera.camera.text, "account", w->what.account.text, "link",
                     w->what.link, "name", w->what.account_name, "path",
                     cm_audit_path_name((cm_audit_path)w->what.path), "streams",
                     cm_streams_json(w->what.streams), "since", cm_time_json(w->what.since),
                     "session", w->id, "device", w->device, "is_program", (int)is_program,
                     "is_this", (int)is_by(w, call->asker.token_hash));
}

static void answer_watching(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    const audience *a = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(list, watcher_json(call, &a->items[i]));
    cm_call_json(call, 200, json_pack("{s:o}", "watching", list));
}

static void then_read_names(cm_call *call)
{
    cm_call_read(call, read_names, answer_watching);
}

void cm_route_watching(cm_call *call)
{
    if (begin(call))
        cm_call_on_control(call, ask_grants, then_read_names);
}

/* ---- ending ---- */

/* What was ended, as the account names it. */
static cm_status end_it(cm_call *call, const watcher *w, cm_audit_entry *entry)
{
    cm_store *store = call->api->config.store;
    const cm_slice id = cm_slice_of(w->id);
    cm_slice_copy(cm_slice_over(w->id, CM_ID_SIZE), entry->other, sizeof entry->other);
    switch (w->what.asker.kind) {
    case CM_ASKER_API_TOKEN:
        entry->kind = CM_AUDIT_TOKEN_REVOKED;
        return cm_store_token_revoke(store, &call->home, id, &call->change);
    case CM_ASKER_GUEST:
        entry->kind = CM_AUDIT_GUEST_LINK_REVOKED;
        return cm_store_guest_link_revoke(store, &call->home, id, &call->change);
    case CM_ASKER_SESSION:
        break;
    }
    entry->kind = CM_AUDIT_PERSON_SIGNED_OUT;
    cm_slice_copy(cm_slice_over(w->what.account.text, CM_ID_SIZE), entry->other,
                  sizeof entry->other);
    return cm_store_session_end(store, w->what.asker.token_hash, &call->change);
}

static void find_and_end(cm_call *call)
{
    audience *a = call->data;
    call->status = name_all(call, a);
    if (call->status != CM_OK)
        return;
    const cm_slice id = cm_slice_of(call->parameters.ids[0]);
    cm_audit_entry entry = {.kind = CM_AUDIT_NONE};
    call->status = CM_ABSENT;
    for (size_t i = 0; i < a->count && call->status == CM_ABSENT; i++)
        if (cm_slice_equal(cm_slice_of(a->items[i].id), id))
            call->status = end_it(call, &a->items[i], &entry);
    if (call->status == CM_OK)
        cm_call_record(call, &entry);
}

static void answer_ended(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-viewer");
}

static void then_end(cm_call *call)
{
    cm_call_write(call, find_and_end, answer_ended);
}

void cm_route_watching_end(cm_call *call)
{
    if (begin(call))
        cm_call_on_control(call, ask_grants, then_end);
}
