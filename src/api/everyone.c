/* Logging everyone out: what it would end, doing it, and a receipt of what it ended. */
#include "store/everyone.h"

#include <stdlib.h>

#include "api/api_priv.h"

typedef struct everyone {
    cm_everyone what;
    cm_everyone_count count;
    size_t watching, programs_watching; /* viewer sessions, before: by sessions, by API tokens */
    cm_token token;                     /* under which the asker goes on */
} everyone;

static void free_everyone(void *data)
{
    everyone *e = data;
    cm_secret_wipe(e, sizeof *e);
    free(e);
}

/* NULL: a problem was answered. The home is the call's: none for an operator's whole server. */
static everyone *begin(cm_call *call)
{
    everyone *e = calloc(1, sizeof *e);
    if (e == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    if (call->route->permission == CM_PERMISSION_OWNER)
        e->what.home = call->home;
    e->what.keep = call->asker.token_hash;
    call->data = e;
    call->free_data = free_everyone;
    return e;
}

static void count_one(void *owner, const cm_watching *watching)
{
    everyone *e = owner;
    if (watching->asker.kind == CM_ASKER_API_TOKEN)
        e->programs_watching++;
    else
        e->watching++;
}

static void count_watching(cm_call *call)
{
    everyone *e = call->data;
    cm_grants_each_viewer(call->api->config.grants, &e->what.home, count_one, e);
}

static json_t *count_json(const everyone *e)
{
    const cm_everyone_count *c = &e->count;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "people", (json_int_t)c->people,
                     "elsewhere", (json_int_t)c->elsewhere, "sessions", (json_int_t)c->sessions,
                     "programs", (json_int_t)c->programs, "invitations", (json_int_t)c->invitations,
                     "links", (json_int_t)c->links, "watching", (json_int_t)e->watching,
                     "programs_watching", (json_int_t)e->programs_watching);
}

/* ---- before ---- */

static void read_count(cm_call *call)
{
    everyone *e = call->data;
    call->status = cm_store_everyone_count(call->api->config.store, &e->what,
                                           cm_loop_wall(call->api->config.loop), &e->count);
}

static void answer_count(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_json(call, 200, count_json(call->data));
    else
        cm_call_fail(call, call->status, "no-such-home");
}

static void then_read_count(cm_call *call)
{
    cm_call_read(call, read_count, answer_count);
}

void cm_route_everyone(cm_call *call)
{
    if (begin(call) != NULL)
        cm_call_on_control(call, count_watching, then_read_count);
}

void cm_route_server_everyone(cm_call *call)
{
    cm_route_everyone(call);
}

/* ---- doing it ---- */

static void log_out(cm_call *call)
{
    everyone *e = call->data;
    cm_random random = cm_random_system();
    cm_token_make(&random, CM_TOKEN_SESSION, &e->token);
    e->what.fresh = e->token.hash;
    call->status =
        cm_store_everyone_out(call->api->config.store, &e->what,
                              cm_loop_wall(call->api->config.loop), &e->count, &call->change);
    if (call->status == CM_OK)
        cm_call_record(
            call, &(cm_audit_entry){.kind = CM_AUDIT_EVERYONE_OUT, .count = e->count.sessions});
}

static void answer_logged_out(cm_call *call)
{
    static const char *const OF_PROGRAMS[] = {"programs", "programs_watching"};
    const everyone *e = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-session");
        return;
    }
    json_t *receipt = count_json(e);
    for (size_t i = 0; i < CM_COUNT(OF_PROGRAMS) && !e->what.with_programs; i++)
        json_object_set_new(receipt, OF_PROGRAMS[i], json_integer(0));
    json_object_set_new(receipt, "cameras", json_integer((json_int_t)e->count.cameras));
    json_object_set_new(receipt, "at", cm_time_json(cm_loop_wall(call->api->config.loop)));
    json_object_set_new(
        receipt, "by",
        json_pack("{s:s, s:s}", "id", call->who.account.text, "name", call->who.name));
    cm_call_set_cookie(call, e->token.text);
    cm_call_json(call, 200, receipt);
}

static void then_log_out(cm_call *call)
{
    cm_call_write(call, log_out, answer_logged_out);
}

void cm_route_everyone_out(cm_call *call)
{
    static const cm_call_fault BAD = {400,
                                      "bad-programs",
                                      "Programs too?",
                                      "programs is true or false: do API tokens end?",
                                      "programs",
                                      0};
    const json_t *programs = json_object_get(call->body, "programs");
    if (!json_is_boolean(programs)) {
        cm_call_problem(call, &BAD);
        return;
    }
    everyone *e = begin(call);
    if (e == NULL)
        return;
    e->what.with_programs = json_is_true(programs);
    cm_call_on_control(call, count_watching, then_log_out);
}

void cm_route_server_everyone_out(cm_call *call)
{
    cm_route_everyone_out(call);
}
