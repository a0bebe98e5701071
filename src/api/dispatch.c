/* From a request to its handler: route, origin, who asks, permission. Handlers begin where all of
 * that is decided. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/assets.h"

/* ---- the table ---- */

#define CM_ROUTE(id, method, path, permission, body, body_max, summary)                            \
    static_assert(CM_PERMISSION_##permission != CM_PERMISSION_UNSET,                               \
                  "route " #id " needs a permission");
#define CM_ROUTE_FRESH CM_ROUTE
#include "api/routes.h"
#undef CM_ROUTE
#undef CM_ROUTE_FRESH

#define ROW(id, method, path, permission, body, body_max, summary, needs_fresh)                    \
    {#id,                                                                                          \
     CM_HTTP_##method,                                                                             \
     path,                                                                                         \
     CM_PERMISSION_##permission,                                                                   \
     CM_BODY_##body,                                                                               \
     body_max,                                                                                     \
     cm_route_##id,                                                                                \
     summary,                                                                                      \
     needs_fresh},
#define CM_ROUTE(...)       ROW(__VA_ARGS__, false)
#define CM_ROUTE_FRESH(...) ROW(__VA_ARGS__, true)
const cm_route CM_ROUTES[] = {
#include "api/routes.h"
};
#undef CM_ROUTE
#undef CM_ROUTE_FRESH
const size_t CM_ROUTE_COUNT = CM_COUNT(CM_ROUTES);

/* `path` against a route's pattern, segment by segment; parameters must be ids. */
static bool matches(const cm_route *route, cm_slice path, cm_route_parameters *parameters)
{
    cm_slice pattern = cm_slice_of(route->path);
    size_t count = 0;
    while (pattern.size > 0 && path.size > 0) {
        const bool is_last = cm_slice_find(pattern, '/') == pattern.size;
        const cm_slice want = cm_slice_cut(&pattern, '/');
        const bool path_is_last = cm_slice_find(path, '/') == path.size;
        const cm_slice have = cm_slice_cut(&path, '/');
        if (is_last != path_is_last)
            return false;
        if (cm_slice_starts(want, CM_TEXT("{"))) {
            if (count == CM_CALL_PARAMETERS || cm_id_parse(have, parameters->ids[count]) != CM_OK)
                return false;
            count++;
        } else if (!cm_slice_equal(want, have)) {
            return false;
        }
    }
    return pattern.size == 0 && path.size == 0;
}

static cm_http_method method_of(const cm_http_request *request)
{
    const cm_http_method method = cm_http_request_method(request);
    return method == CM_HTTP_HEAD ? CM_HTTP_GET : method;
}

/* The route, or NULL; *is_known tells a wrong method from a wrong path. */
static const cm_route *find_route(const cm_http_request *request, cm_route_parameters *parameters,
                                  bool *is_known)
{
    *is_known = false;
    for (size_t i = 0; i < CM_ROUTE_COUNT; i++) {
        if (!matches(&CM_ROUTES[i], cm_http_path(request), parameters))
            continue;
        *is_known = true;
        if (CM_ROUTES[i].method == method_of(request))
            return &CM_ROUTES[i];
    }
    return NULL;
}

/* ---- who asks ---- */

static const cm_slice COOKIE = {.bytes = (const uint8_t *)"__Host-casement", .size = 15};
static const cm_slice LOOK_COOKIE = {.bytes = (const uint8_t *)"__Host-casement-look", .size = 20};

bool cm_call_look(const cm_call *call, uint8_t token_hash[CM_MAC_SIZE])
{
    cm_slice value;
    return cm_http_cookie(call->request, LOOK_COOKIE, &value) == CM_OK &&
           cm_token_read(value, CM_TOKEN_GUEST_LOOK, token_hash) == CM_OK;
}

/* The only routes that look at a guest's token; there nobody else's counts. */
static void read_guest(cm_call *call)
{
    call->asker.kind = CM_ASKER_GUEST;
    call->has_asker = cm_call_look(call, call->asker.token_hash);
}

/* Reads the one credential of the request. CM_REFUSE: there are two, or it is no token of ours. */
static cm_status read_asker(cm_call *call)
{
    cm_slice value;
    if (call->route->permission == CM_PERMISSION_GUEST) {
        read_guest(call);
        return CM_OK;
    }
    const cm_status bearer = cm_http_header(call->request, CM_TEXT("authorization"), &value);
    if (bearer == CM_OK) {
        CM_ENSURE(cm_slice_starts_nocase(value, CM_TEXT("bearer ")), CM_REFUSE);
        const cm_slice token = cm_slice_trim(cm_slice_from(value, 7));
        call->asker.kind = CM_ASKER_API_TOKEN;
        CM_TRY(cm_token_read(token, CM_TOKEN_API, call->asker.token_hash));
        call->has_asker = true;
        return CM_OK;
    }
    CM_ENSURE(bearer == CM_ABSENT, CM_REFUSE);
    const cm_status cookie = cm_http_cookie(call->request, COOKIE, &value);
    CM_ENSURE(cookie != CM_REFUSE, CM_REFUSE);
    if (cookie != CM_OK)
        return CM_OK;
    call->asker.kind = CM_ASKER_SESSION;
    /* A cookie of another make (an older server on this name) is as good as none. */
    call->has_asker = cm_token_read(value, CM_TOKEN_SESSION, call->asker.token_hash) == CM_OK;
    return CM_OK;
}

/* A page elsewhere must not make a browser change anything here with the cookie it has (OWASP
 * ASVS 5.0, 3.5.1). */
static bool is_own_page(const cm_http_request *request)
{
    cm_slice site;
    if (cm_http_header(request, CM_TEXT("sec-fetch-site"), &site) == CM_OK)
        return cm_slice_equal(site, CM_TEXT("same-origin"));
    return cm_http_origin_is_own(request);
}

static bool is_change(const cm_http_request *request)
{
    const cm_http_method method = cm_http_request_method(request);
    return method != CM_HTTP_GET && method != CM_HTTP_HEAD && method != CM_HTTP_OPTIONS;
}

/* ---- permission ---- */

static void refuse(cm_call *call, cm_permission_verdict verdict)
{
    static const cm_call_fault FAULTS[] = {
        [CM_PERMISSION_SIGN_IN] = {401, "sign-in", "Sign in first",
                                   "The session or token is missing, has ended, or has expired.",
                                   NULL, 0},
        [CM_PERMISSION_WHICH_HOME] = {409, "which-home", "Which home?",
                                      "You belong to several homes: name one with ?home=ID.",
                                      "home", 0},
        [CM_PERMISSION_NO_SUCH_HOME] = {404, "no-such-home", "No such home",
                                        "There is no such home, or you do not belong to it.",
                                        "home", 0},
        [CM_PERMISSION_NOT_ALLOWED] = {403, "not-allowed", "Not allowed",
                                       "Your role in this home does not include this.", NULL, 0},
        [CM_PERMISSION_LINK_OVER] = {401, "link-over", "Over",
                                     "This look has ended: open the link once more, or ask whoever "
                                     "sent it for another.",
                                     NULL, 0},
    };
    cm_call_problem(call, &FAULTS[verdict]);
}

/* Asked last: whoever may not do it at all is not asked for his password. */
static bool is_fresh_enough(const cm_call *call)
{
    return !call->route->needs_fresh ||
           (call->has_who &&
            cm_session_is_fresh(call->who.authenticated, cm_loop_wall(call->api->config.loop)));
}

static void refuse_suspended(cm_call *call, const cm_home_id *asked)
{
    const cm_who *who = &call->who;
    const cm_suspension *held = &who->homes[0].suspension; /* unnamed: the only one */
    for (size_t i = 0; asked != NULL && i < who->home_count; i++)
        if (cm_home_id_equal(&who->homes[i].home, asked))
            held = &who->homes[i].suspension;
    char detail[2 * CM_NAME_SIZE + 64];
    (void)snprintf(detail, sizeof detail, "%s holds this home off, and says why: %s", held->by,
                   held->why);
    cm_call_problem(call, &(cm_call_fault){403, "home-suspended", "Held off", detail, "home", 0});
}

static void decide(cm_call *call)
{
    static const cm_call_fault AGAIN = {
        403,
        "sign-in-again",
        "Sign in again",
        "This wants to know that it is still you: POST /api/v1/session/again, then try once more.",
        NULL,
        0};
    cm_home_id asked;
    const cm_status home = cm_call_home_asked(call, &asked);
    if (home == CM_REFUSE) {
        refuse(call, CM_PERMISSION_NO_SUCH_HOME);
        return;
    }
    const cm_permission_ask ask = {
        .permission = call->route->permission,
        .who = call->has_who ? &call->who : NULL,
        .home = home == CM_OK ? &asked : NULL,
        .is_direct_loopback = cm_http_is_loopback_direct(call->request),
    };
    const cm_permission_verdict verdict = cm_permission_decide(&ask, &call->home);
    if (verdict == CM_PERMISSION_SUSPENDED)
        refuse_suspended(call, ask.home);
    else if (verdict != CM_PERMISSION_GIVEN)
        refuse(call, verdict);
    else if (!is_fresh_enough(call))
        cm_call_problem(call, &AGAIN);
    else
        call->route->handler(call);
}

static void look_up_who(cm_call *call)
{
    call->status = cm_store_who(call->api->config.store, &call->asker,
                                cm_loop_wall(call->api->config.loop), &call->who, &call->cause);
}

/* ---- that the token was used: remembered in the store's lane, seldom, and waited for by nobody
 * ---- */

typedef struct touch {
    cm_job job;
    cm_api *api;
    cm_asker asker;
} touch;

static void work_touch(cm_job *job)
{
    touch *t = CM_HOLDER(job, touch, job);
    const cm_wall now = cm_loop_wall(t->api->config.loop);
    if (t->asker.kind == CM_ASKER_SESSION)
        CM_IGNORE(cm_store_session_touch(t->api->config.store, t->asker.token_hash, now),
                  "only the date of last use is late; the store logs its own faults");
    else
        CM_IGNORE(cm_store_token_touch(t->api->config.store, t->asker.token_hash, now), "as above");
}

static void done_touch(cm_job *job)
{
    free(CM_HOLDER(job, touch, job));
}

/* A small table of tokens remembered lately spares the lane: the store writes at most once in ten
 * minutes per token anyway. */
static bool is_use_worth_remembering(cm_api *api, const cm_asker *asker)
{
    const cm_instant now = cm_loop_now(api->config.loop);
    cm_recent_use *use = &api->recent[asker->token_hash[0] % CM_COUNT(api->recent)];
    const bool is_same =
        memcmp(use->asker.token_hash, asker->token_hash, sizeof use->asker.token_hash) == 0;
    if (is_same && cm_instant_since(now, use->at) < CM_SECONDS(60))
        return false;
    use->asker = *asker;
    use->at = now;
    return true;
}

void cm_api_note_use(cm_api *api, const cm_asker *asker)
{
    if (asker->kind == CM_ASKER_GUEST)
        return; /* what a look is used for is in the account */
    touch *t = is_use_worth_remembering(api, asker) ? calloc(1, sizeof *t) : NULL;
    if (t == NULL)
        return;
    *t = (touch){.job = {.work = work_touch, .done = done_touch}, .api = api, .asker = *asker};
    if (cm_loop_submit_lane(api->config.loop, CM_STORE_LANE, &t->job) != CM_OK)
        free(t);
}

static void on_who(cm_call *call)
{
    if (call->request == NULL) {
        cm_call_free(call);
        return;
    }
    switch (call->status) {
    case CM_OK:
        call->has_who = true;
        cm_api_note_use(call->api, &call->asker);
        decide(call);
        return;
    case CM_ABSENT:
        decide(call);
        return;
    case CM_FOREIGN:
        cm_log(CM_LOG_ERROR, "api", "event=evidence-alarm cause=%s",
               call->cause != NULL ? call->cause : "unknown");
        refuse(call, call->asker.kind == CM_ASKER_GUEST ? CM_PERMISSION_LINK_OVER
                                                        : CM_PERMISSION_SIGN_IN);
        return;
    default:
        cm_call_fail(call, call->status, "absent");
    }
}

/* ---- from the server ---- */

static void on_head(void *owner, cm_http_request *request, size_t *body_max)
{
    (void)owner;
    cm_route_parameters parameters;
    bool is_known;
    const cm_route *route = find_route(request, &parameters, &is_known);
    *body_max = route != NULL ? route->body_max : 0;
}

static void answer_without_route(cm_http_request *request, bool is_known)
{
    cm_http_problem problem = {.status = 404,
                               .type = "no-such-page",
                               .title = "Nothing here",
                               .detail = "There is nothing at this address."};
    if (is_known)
        problem = (cm_http_problem){
            .status = 405,
            .type = "method-not-allowed",
            .title = "Method not allowed",
            .detail = "This address does not take this method: see /openapi.json."};
    cm_http_respond_problem(request, &problem);
}

/* The media type a route takes, and what is said to whoever sends another. */
static const struct {
    cm_slice media_type;
    cm_call_fault fault;
} BODIES[CM_BODIES] = {
    [CM_BODY_JSON] = {{.bytes = (const uint8_t *)"application/json", .size = 16},
                      {415, "json-wanted", "JSON wanted", "Send the body as application/json.",
                       NULL, 0}},
    [CM_BODY_SDP] = {{.bytes = (const uint8_t *)"application/sdp", .size = 15},
                     {415, "sdp-wanted", "SDP wanted", "Send the offer as application/sdp.", NULL,
                      0}},
    [CM_BODY_SDP_FRAGMENT] = {{.bytes = (const uint8_t *)"application/trickle-ice-sdpfrag",
                               .size = 31},
                              {415, "sdp-fragment-wanted", "SDP fragment wanted",
                               "Send the candidates as application/trickle-ice-sdpfrag.", NULL, 0}},
    [CM_BODY_CSV] = {{.bytes = (const uint8_t *)"text/csv", .size = 8},
                     {415, "csv-wanted", "Comma-separated values wanted",
                      "Send the file as text/csv.", NULL, 0}},
};

static bool has_right_type(const cm_call *call)
{
    cm_slice type = {0};
    const cm_status status = cm_http_header(call->request, CM_TEXT("content-type"), &type);
    const cm_slice essence = cm_slice_trim(cm_slice_cut(&type, ';'));
    return status == CM_OK && cm_slice_equal_nocase(essence, BODIES[call->route->body].media_type);
}

static bool parse_json(cm_call *call, cm_slice body)
{
    static const cm_call_fault SYNTAX = {
        400,  "bad-json", "Not a JSON object", "The body must be one JSON object in UTF-8.",
        NULL, 0};
    call->body = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(call->body))
        return true;
    cm_call_problem(call, &SYNTAX);
    return false;
}

/* Kept, since who asks is looked up first and the server's own copy is gone by then. */
static bool keep_text(cm_call *call, cm_slice body)
{
    cm_buffer_init(&call->text, call->route->body_max);
    if (cm_buffer_add(&call->text, body) == CM_OK)
        return true;
    cm_call_fail(call, CM_FULL, "absent");
    return false;
}

static bool read_body(cm_call *call, cm_slice body)
{
    if (call->route->body == CM_BODY_NONE)
        return true;
    if (!has_right_type(call)) {
        cm_call_problem(call, &BODIES[call->route->body].fault);
        return false;
    }
    return call->route->body == CM_BODY_JSON ? parse_json(call, body) : keep_text(call, body);
}

static void on_call_gone(void *owner)
{
    cm_call *call = owner;
    call->request = NULL;
}

static const cm_http_events CALL_EVENTS = {NULL, on_call_gone};

static void start(cm_call *call, cm_slice body)
{
    static const cm_call_fault TWO = {
        400,
        "bad-credentials",
        "Credentials not understood",
        "Send one session cookie, or one Authorization: Bearer token of this server.",
        NULL,
        0};
    static const cm_call_fault ELSEWHERE = {403,
                                            "cross-site",
                                            "Asked from another site",
                                            "This change was asked for by a page of another site.",
                                            NULL,
                                            0};
    if (read_asker(call) != CM_OK) {
        cm_call_problem(call, &TWO);
        return;
    }
    const bool by_cookie = !call->has_asker || call->asker.kind != CM_ASKER_API_TOKEN;
    cm_slice site;
    const bool is_browser =
        cm_http_header(call->request, CM_TEXT("sec-fetch-site"), &site) != CM_ABSENT ||
        cm_http_header(call->request, CM_TEXT("origin"), &site) != CM_ABSENT;
    if (is_change(call->request) && by_cookie && (call->has_asker || is_browser) &&
        !is_own_page(call->request)) {
        cm_call_problem(call, &ELSEWHERE);
        return;
    }
    if (!read_body(call, body))
        return;
    if (call->has_asker)
        cm_call_read(call, look_up_who, on_who);
    else
        decide(call);
}

static void on_request(void *owner, cm_http_request *request, cm_slice body)
{
    cm_api *api = owner;
    cm_route_parameters parameters = {0};
    bool is_known;
    const cm_route *route = find_route(request, &parameters, &is_known);
    if (route == NULL) {
        if (is_known || !cm_assets_serve(request))
            answer_without_route(request, is_known);
        return;
    }
    cm_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        abort(); /* a fixed-size control object; their number is the server's bound on connections
                  */
    *call = (cm_call){.api = api, .request = request, .route = route, .parameters = parameters};
    cm_list_add_last(&api->calls, &call->node);
    cm_http_watch(request, &CALL_EVENTS, call);
    start(call, body);
}

cm_http_handler cm_api_handler(cm_api *api)
{
    return (cm_http_handler){.on_head = on_head, .on_request = on_request, .owner = api};
}

/* ---- life ---- */

cm_status cm_api_create(const cm_api_config *config, cm_api **out)
{
    cm_api *api = calloc(1, sizeof *api);
    CM_ENSURE(api != NULL, CM_BROKEN);
    api->config = *config;
    cm_list_init(&api->calls);
    cm_list_init(&api->lives);
    cm_list_init(&api->wheps);
    cm_list_init(&api->whips);
    cm_list_init(&api->event_streams);
    cm_status status = cm_mp4_muxer_create(&api->muxer);
    if (status == CM_OK)
        status = cm_fanout_create(&api->fanout);
    if (status != CM_OK) {
        cm_api_destroy(api);
        return status;
    }
    *out = api;
    return CM_OK;
}

void cm_api_destroy(cm_api *api)
{
    if (api == NULL)
        return;
    assert(cm_list_is_empty(&api->calls)); /* what they wait for would come to nobody */
    cm_lives_end(api);
    cm_wheps_end(api);
    cm_whips_end(api);
    cm_event_streams_end(api);
    cm_mp4_muxer_destroy(api->muxer);
    cm_fanout_destroy(api->fanout);
    free(api);
}
