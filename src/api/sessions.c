/* Where the asker is signed in: his own sessions, and nobody else's. */
#include <stdlib.h>

#include "api/api_priv.h"

static void free_sessions(void *data)
{
    cm_stored_sessions_clear(data);
    free(data);
}

static void read_sessions(cm_call *call)
{
    call->status = cm_store_sessions(call->api->config.store, &call->who.account, call->data);
}

static bool is_this(const cm_call *call, const cm_stored_session *session)
{
    return cm_secret_equal(cm_slice_over(session->token_hash, sizeof session->token_hash),
                           cm_slice_over(call->asker.token_hash, sizeof call->asker.token_hash));
}

static json_t *session_json(const cm_call *call, const cm_stored_session *s)
{
    return json_pack("{s:s, s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", s->id, "is_this",
                     is_this(call, s), "method", cm_session_method_name(s->origin.method), "device",
                     s->origin.device, "network", s->origin.network, "created",
                     cm_time_json(s->created), "last_used", cm_time_json(s->last_used),
                     "authenticated", cm_time_json(s->authenticated), "expires",
                     cm_time_json(cm_session_expires(s->created, s->last_used)));
}

/* The one used last comes first. */
static int by_use(const void *a, const void *b)
{
    const int64_t left = ((const cm_stored_session *)a)->last_used.us;
    const int64_t right = ((const cm_stored_session *)b)->last_used.us;
    return (left < right) - (left > right);
}

static void answer_sessions(cm_call *call)
{
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    cm_stored_sessions *sessions = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    if (sessions->count > 0)
        qsort(sessions->items, sessions->count, sizeof *sessions->items, by_use);
    json_t *list = json_array();
    for (size_t i = 0; i < sessions->count; i++) {
        const cm_stored_session *s = &sessions->items[i];
        if (cm_session_is_live(s->created, s->last_used, now))
            json_array_append_new(list, session_json(call, s));
    }
    cm_call_json(call, 200, json_pack("{s:o}", "sessions", list));
}

void cm_route_sessions(cm_call *call)
{
    call->data = calloc(1, sizeof(cm_stored_sessions));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free_sessions;
    cm_call_read(call, read_sessions, answer_sessions);
}

static void end_one(cm_call *call)
{
    call->status = cm_store_session_end_named(call->api->config.store, &call->who.account,
                                              cm_slice_of(call->parameters.ids[0]), &call->change);
    cm_call_record_of(call, CM_AUDIT_SESSION_ENDED, call->parameters.ids[0]);
}

static void end_others(cm_call *call)
{
    call->status = cm_store_sessions_end_all(call->api->config.store, &call->who.account,
                                             call->asker.token_hash, &call->change);
    if (call->status == CM_OK)
        cm_call_record(call, &(cm_audit_entry){.kind = CM_AUDIT_SESSIONS_ENDED});
}

static void answer_ended(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_empty(call);
    else
        cm_call_fail(call, call->status, "no-such-session");
}

void cm_route_session_end(cm_call *call)
{
    cm_call_write(call, end_one, answer_ended);
}

void cm_route_sessions_end(cm_call *call)
{
    cm_call_write(call, end_others, answer_ended);
}
