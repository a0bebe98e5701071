/* Steps of a call, reading its input, and the ways to end it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api_priv.h"
#include "base/text.h"

/* ---- life ---- */

void cm_call_free(cm_call *call)
{
    if (call->free_data != NULL)
        call->free_data(call->data);
    cm_list_remove(&call->node);
    json_decref(call->body);
    cm_buffer_deinit(&call->text);
    cm_who_clear(&call->who);
    cm_change_clear(&call->change);
    cm_secret_wipe(call->cookie, sizeof call->cookie);
    free(call);
}

cm_http_request *cm_call_release(cm_call *call)
{
    cm_http_request *request = call->request;
    cm_call_free(call);
    return request;
}

/* ---- answers ---- */

static void respond(cm_call *call, unsigned status, const char *content_type, cm_slice body)
{
    cm_http_field fields[4] = {{CM_TEXT("cache-control"), CM_TEXT("no-store")}};
    size_t count = 1;
    if (content_type != NULL)
        fields[count++] = (cm_http_field){CM_TEXT("content-type"), cm_slice_of(content_type)};
    for (size_t i = 0; i < call->field_count; i++)
        fields[count++] = call->fields[i];
    if (call->request != NULL)
        cm_http_respond(call->request, &(cm_http_response){.status = status,
                                                           .fields = fields,
                                                           .field_count = count,
                                                           .body = body});
    cm_call_free(call);
}

void cm_call_bytes(cm_call *call, const char *content_type, cm_slice body)
{
    respond(call, 200, content_type, body);
}

void cm_call_empty(cm_call *call)
{
    respond(call, 204, NULL, (cm_slice){0});
}

static void respond_json(cm_call *call, unsigned status, const char *content_type, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL) {
        cm_call_fail(call, CM_BROKEN, "absent");
        return;
    }
    respond(call, status, content_type, cm_slice_of(text));
    free(text);
}

void cm_call_json(cm_call *call, unsigned status, json_t *json)
{
    respond_json(call, status, "application/json", json);
}

void cm_call_problem_with(cm_call *call, const cm_call_fault *fault, json_t *more)
{
    json_t *json = json_pack("{s:s+, s:s, s:I, s:s, s:s*}", "type", "/problems/", fault->type,
                             "title", fault->title, "status", (json_int_t)fault->status, "detail",
                             fault->detail, "field", fault->field);
    if (json != NULL)
        json_object_update(json, more);
    json_decref(more);
    respond_json(call, fault->status, "application/problem+json", json);
}

void cm_call_problem(cm_call *call, const cm_call_fault *fault)
{
    if (call->request != NULL)
        cm_http_respond_problem(call->request,
                                &(cm_http_problem){.status = fault->status,
                                                   .type = fault->type,
                                                   .title = fault->title,
                                                   .detail = fault->detail,
                                                   .field = fault->field,
                                                   .retry_after_s = fault->retry_after_s});
    cm_call_free(call);
}

void cm_call_no_such_camera(cm_call *call)
{
    static const cm_call_fault FAULT = {404,
                                        "no-such-camera",
                                        "No such camera",
                                        "There is no such camera here, or you may not see it.",
                                        NULL,
                                        0};
    cm_call_problem(call, &FAULT);
}

void cm_call_fail(cm_call *call, cm_status status, const char *absent_type)
{
    cm_call_fault fault = {500,
                           "server-fault",
                           "The server failed",
                           "Something is wrong with the server; its log says what.",
                           NULL,
                           0};
    switch (status) {
    case CM_ABSENT:
        fault = (cm_call_fault){404,         absent_type,
                                "Not there", "There is no such thing here, or you may not see it.",
                                NULL,        0};
        break;
    case CM_REFUSE:
        fault = (cm_call_fault){
            400,
            "not-acceptable",
            "Not acceptable",
            "A value is empty, too long, taken already, or holds characters that it may not.",
            NULL,
            0};
        break;
    case CM_RETRY:
    case CM_FULL:
        fault = (cm_call_fault){503,        "server-busy",
                                "Too busy", "The server has too much to do; try again in a moment.",
                                NULL,       2};
        break;
    default:
        break;
    }
    cm_call_problem(call, &fault);
}

void cm_call_identity_failed(cm_call *call, const cm_identity_answer *answer)
{
    const bool is_known_cause = answer->cause != NULL;
    cm_call_fault fault = {400,
                           is_known_cause ? answer->cause : "not-acceptable",
                           "Not accepted",
                           answer->detail != NULL ? answer->detail
                                                  : "The server did not accept this.",
                           NULL,
                           0};
    static const struct {
        const char *cause;
        unsigned status;
    } REFUSALS[] = {
        {"wrong-name-or-password", 401}, {"wrong-password-or-code", 401}, {"wrong-code", 401},
        {"code-held-off", 401},          {"sign-in-over", 401},           {"name-taken", 409},
        {"already-member", 409},
    };
    switch (answer->status) {
    case CM_RETRY:
        fault.status = 429;
        fault.title = "Too many tries";
        fault.retry_after_s = (unsigned)((answer->wait_us + CM_SECONDS(1) - 1) / CM_SECONDS(1));
        break;
    case CM_ABSENT:
        fault.status = 404;
        break;
    case CM_REFUSE:
        for (size_t i = 0; is_known_cause && i < CM_COUNT(REFUSALS); i++)
            if (strcmp(answer->cause, REFUSALS[i].cause) == 0)
                fault.status = REFUSALS[i].status;
        break;
    default:
        cm_call_fail(call, answer->status, "absent");
        return;
    }
    cm_call_problem(call, &fault);
}

/* ---- steps ---- */

static void run_work(cm_job *job)
{
    cm_call *call = CM_HOLDER(job, cm_call, job);
    call->work(call);
}

static void tell_change(cm_call *call)
{
    if (call->change.raised_count > 0 || call->change.home.text[0] != '\0' ||
        call->change.account.text[0] != '\0' || call->change.has_token || call->change.is_everyone)
        call->api->config.on_change(call->api->config.owner, &call->change);
    cm_change_clear(&call->change);
}

/* The step is over. A call whose request is gone goes on to its end all the same: what was
 * committed must be told. */
static void finish_step(cm_call *call)
{
    tell_change(call);
    call->done(call);
}

static void run_done(cm_job *job)
{
    finish_step(CM_HOLDER(job, cm_call, job));
}

static void prepare(cm_call *call, cm_call_step *work, cm_call_step *done)
{
    call->work = work;
    call->done = done;
    call->job = (cm_job){.work = run_work, .done = run_done};
}

void cm_call_read(cm_call *call, cm_call_step *work, cm_call_step *done)
{
    prepare(call, work, done);
    if (cm_loop_submit(call->api->config.loop, &call->job) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

void cm_call_write(cm_call *call, cm_call_step *work, cm_call_step *done)
{
    prepare(call, work, done);
    if (cm_loop_submit_lane(call->api->config.loop, CM_STORE_LANE, &call->job) != CM_OK)
        cm_call_fail(call, CM_FULL, "absent");
}

static void come_back(cm_task *task)
{
    finish_step(CM_HOLDER(task, cm_call, task));
}

static void run_elsewhere(cm_task *task)
{
    cm_call *call = CM_HOLDER(task, cm_call, task);
    call->work(call);
    call->task.run = come_back;
    cm_loop_post(call->api->config.loop, &call->task);
}

static void run_on(cm_call *call, cm_loop *loop, cm_call_step *work, cm_call_step *done)
{
    call->work = work;
    call->done = done;
    if (call->api->config.loop == loop) {
        work(call);
        finish_step(call);
        return;
    }
    call->task.run = run_elsewhere;
    cm_loop_post(loop, &call->task);
}

void cm_call_on_control(cm_call *call, cm_call_step *work, cm_call_step *done)
{
    run_on(call, call->api->config.control, work, done);
}

void cm_call_on(cm_call *call, const cm_api *there, cm_call_step *work, cm_call_step *done)
{
    run_on(call, there->config.loop, work, done);
}

/* ---- input ---- */

bool cm_call_text(cm_call *call, const char *member, bool is_required, cm_slice *out)
{
    const json_t *value = json_object_get(call->body, member);
    *out = (cm_slice){0};
    if (json_is_string(value)) {
        *out = cm_slice_over(json_string_value(value), json_string_length(value));
        return true;
    }
    if ((value == NULL || json_is_null(value)) && !is_required)
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "missing-field", "A field is missing",
                                           "A field is missing or is not text.", member, 0});
    return false;
}

bool cm_call_whole_number(cm_call *call, const cm_call_number *asked, int64_t *out)
{
    const json_t *value = json_object_get(call->body, asked->member);
    if (value == NULL || json_is_null(value))
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= asked->least &&
        json_integer_value(value) <= asked->most) {
        *out = json_integer_value(value);
        return true;
    }
    char detail[96];
    cm_writer w = cm_writer_over(detail, sizeof detail - 1);
    cm_write_format(&w, "%s is a whole number from %lld to %lld.", asked->member,
                    (long long)asked->least, (long long)asked->most);
    detail[cm_writer_done(&w).size] = '\0';
    const bool has_own = asked->problem != NULL;
    cm_call_problem(call, &(cm_call_fault){400, has_own ? asked->problem : "bad-number",
                                           has_own ? asked->title : "Not acceptable", detail,
                                           asked->member, 0});
    return false;
}

bool cm_call_days(cm_call *call, int64_t days, int64_t most, cm_wall *over)
{
    const cm_call_number asked = {"days", 1, most, "bad-days", "Not for so long"};
    if (!cm_call_whole_number(call, &asked, &days))
        return false;
    over->us = cm_loop_wall(call->api->config.loop).us + CM_SECONDS(86400) * days;
    return true;
}

bool cm_call_camera(cm_call *call, size_t parameter, cm_camera_key *out)
{
    out->home = call->home;
    if (cm_camera_id_parse(cm_slice_of(call->parameters.ids[parameter]), &out->camera) == CM_OK)
        return true;
    cm_call_no_such_camera(call);
    return false;
}

bool cm_call_account(cm_call *call, size_t parameter, cm_account_id *out)
{
    if (cm_account_id_parse(cm_slice_of(call->parameters.ids[parameter]), out) == CM_OK)
        return true;
    cm_call_fail(call, CM_ABSENT, "no-such-person");
    return false;
}

cm_status cm_call_home_asked(const cm_call *call, cm_home_id *out)
{
    /* A route of one home names it in its path. */
    if (cm_slice_ends(cm_slice_of(call->route->path), CM_TEXT("/{home}")))
        return cm_home_id_parse(cm_slice_of(call->parameters.ids[0]), out);
    cm_slice text;
    CM_TRY(cm_http_query(call->request, CM_TEXT("home"), &text));
    return cm_home_id_parse(text, out);
}

bool cm_call_role(cm_call *call, cm_role *out)
{
    cm_slice text;
    if (!cm_call_text(call, "role", true, &text))
        return false;
    if (cm_role_parse(text, out) == CM_OK)
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-role", "No such role",
                                           "A role is owner, adult, child or guest.", "role", 0});
    return false;
}

bool cm_call_stream(cm_call *call, cm_stream *out)
{
    cm_slice text;
    const cm_status status = cm_http_query(call->request, CM_TEXT("stream"), &text);
    *out = CM_STREAM_MAIN;
    if (status == CM_ABSENT || (status == CM_OK && cm_slice_equal(text, CM_TEXT("main"))))
        return true;
    *out = CM_STREAM_SUB;
    if (status == CM_OK && cm_slice_equal(text, CM_TEXT("sub")))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-stream", "No such stream",
                                           "stream is main or sub.", "stream", 0});
    return false;
}

cm_address cm_call_peer(const cm_call *call)
{
    return call->request != NULL ? cm_http_peer(call->request) : (cm_address){0};
}

cm_slice cm_call_user_agent(const cm_call *call)
{
    cm_slice text = {0};
    if (call->request == NULL ||
        cm_http_header(call->request, CM_TEXT("user-agent"), &text) != CM_OK)
        return (cm_slice){0};
    return text;
}

void cm_call_set_cookie(cm_call *call, const char *token)
{
    cm_writer w = cm_writer_over(call->cookie, sizeof call->cookie);
    cm_write_format(&w, "__Host-casement=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=%d",
                    token != NULL ? token : "", token != NULL ? 90 * 86400 : 0);
    call->fields[call->field_count++] = (cm_http_field){CM_TEXT("set-cookie"), cm_writer_done(&w)};
}

void cm_call_set_look_cookie(cm_call *call, const char *token, int64_t lasts_us)
{
    cm_writer w = cm_writer_over(call->cookie, sizeof call->cookie);
    cm_write_format(&w,
                    "__Host-casement-look=%s; Path=/; Secure; HttpOnly; SameSite=Strict; "
                    "Max-Age=%lld",
                    token, (long long)(lasts_us / CM_SECONDS(1)));
    call->fields[call->field_count++] = (cm_http_field){CM_TEXT("set-cookie"), cm_writer_done(&w)};
}

/* ---- output ---- */

const char *cm_time_text(cm_wall wall, char out[CM_TIME_TEXT_SIZE])
{
    const time_t seconds = (time_t)(wall.us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    cm_writer w = cm_writer_over(out, CM_TIME_TEXT_SIZE);
    cm_write_format(&w, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                    utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(wall.us / 1000 % 1000));
    cm_write_u8(&w, 0);
    return out;
}

json_t *cm_time_json(cm_wall wall)
{
    char text[CM_TIME_TEXT_SIZE];
    return wall.us == 0 ? json_null() : json_string(cm_time_text(wall, text));
}

json_t *cm_rights_json(cm_rights rights)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++)
        if ((rights & cm_right_at(i)) != 0)
            json_array_append_new(list, json_string(cm_right_name(i)));
    return list;
}
