/* What the audit says: to owners of their home, to operators of the server, never of a home. Also
 * what a change of the API's own leaves there. */
#include <assert.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "audit/query.h"
#include "store/guest_links.h"

/* ---- what happened here ---- */

void cm_call_record(const cm_call *call, const cm_audit_entry *what)
{
    cm_audit_entry entry = *what;
    entry.when = cm_loop_wall(call->api->config.loop);
    entry.account = call->who.account;
    /* What somebody does to his own account is of no home, whichever he named. */
    if (entry.home.text[0] == '\0' && call->route->permission != CM_PERMISSION_SESSION)
        entry.home = call->home;
    CM_IGNORE(cm_audit_keep(call->api->config.audit, &entry, (cm_slice){.size = 0}),
              "what happened has happened: the log of the server says that the audit fails");
}

void cm_call_record_camera(const cm_call *call, cm_audit_kind kind, const cm_camera_id *camera)
{
    if (call->status == CM_OK)
        cm_call_record(call, &(cm_audit_entry){.kind = kind, .camera = *camera});
}

void cm_call_record_of(const cm_call *call, cm_audit_kind kind, const char id[CM_ID_SIZE])
{
    cm_audit_entry entry = {.kind = kind};
    cm_slice_copy(cm_slice_over(id, CM_ID_SIZE), entry.other, sizeof entry.other);
    if (call->status == CM_OK)
        cm_call_record(call, &entry);
}

void cm_call_record_person(const cm_call *call, const cm_audit_entry *what,
                           const cm_account_id *person)
{
    cm_audit_entry entry = *what;
    cm_slice_copy(cm_slice_over(person->text, CM_ID_SIZE), entry.other, sizeof entry.other);
    if (call->status == CM_OK)
        cm_call_record(call, &entry);
}

/* ---- questions ---- */

typedef struct question {
    cm_audit_query query;
    cm_camera_key camera;
    cm_audit_source source;
    cm_stored_members members;
    cm_stored_guest_links links; /* who looked by one stands in entries as its id */
    cm_stored_tokens tokens;     /* so does a token that was made or ended */
    cm_audit_page page;
    cm_audit_viewings viewings;
    json_t *list;
} question;

static void free_question(void *data)
{
    question *q = data;
    cm_stored_members_clear(&q->members);
    cm_stored_guest_links_clear(&q->links);
    cm_stored_tokens_clear(&q->tokens);
    cm_audit_page_clear(&q->page);
    cm_audit_viewings_clear(&q->viewings);
    free((void *)(uintptr_t)q->query.accounts);
    json_decref(q->list);
    cm_secret_clear(&q->source.key);
    free(q);
}

static question *begin(cm_call *call)
{
    question *q = calloc(1, sizeof *q);
    if (q == NULL || call->api->config.audit == NULL) {
        free(q);
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = q;
    call->free_data = free_question;
    return q;
}

static bool refuse_query(cm_call *call, const char *field, const char *detail)
{
    cm_call_problem(call, &(cm_call_fault){400, "bad-query", "Not understood", detail, field, 0});
    return false;
}

/* "2026-11-21T20:15:00Z", with parts of a second or without (RFC 3339, UTC only). */
static cm_status parse_time(cm_slice text, cm_wall *out)
{
    static const uint8_t OFFSETS[] = {0, 5, 8, 11, 14, 17};
    static const uint8_t SIZES[] = {4, 2, 2, 2, 2, 2};
    static const uint16_t MOST[] = {9999, 12, 31, 23, 59, 60};
    uint64_t part[6];
    CM_ENSURE(text.size >= 20 && text.size <= 30 && cm_slice_ends(text, CM_TEXT("Z")), CM_REFUSE);
    CM_ENSURE(text.bytes[4] == '-' && text.bytes[7] == '-' && text.bytes[10] == 'T' &&
                  text.bytes[13] == ':' && text.bytes[16] == ':',
              CM_REFUSE);
    CM_ENSURE(text.size == 20 || text.bytes[19] == '.', CM_REFUSE);
    for (size_t i = 0; i < CM_COUNT(part); i++)
        CM_TRY(cm_slice_to_u64(cm_slice_part(text, OFFSETS[i], SIZES[i]), MOST[i], &part[i]));
    CM_ENSURE(part[0] >= 1970 && part[1] >= 1 && part[2] >= 1, CM_REFUSE);
    /* Days since 1970-03-01 of years that begin in March, so that a leap day is the last. */
    const int64_t year = (int64_t)part[0] - (part[1] < 3);
    const int64_t month = ((int64_t)part[1] + 9) % 12;
    const int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
                         (int64_t)part[2] - 1 - 719468;
    const int64_t seconds = days * 86400 + (int64_t)(part[3] * 3600 + part[4] * 60 + part[5]);
    *out = (cm_wall){.us = CM_SECONDS(seconds)};
    return CM_OK;
}

/* Absent leaves *out. False: a problem was answered. */
static bool read_time(cm_call *call, const char *name, cm_wall *out)
{
    cm_slice text;
    const cm_status status = cm_http_query(call->request, cm_slice_of(name), &text);
    if (status == CM_ABSENT || (status == CM_OK && parse_time(text, out) == CM_OK))
        return true;
    return refuse_query(call, name, "from and to are times as 2026-11-21T20:15:00Z.");
}

static bool read_number(cm_call *call, const char *name, uint64_t least, uint64_t most,
                        uint64_t *out)
{
    cm_slice text;
    uint64_t number;
    const cm_status status = cm_http_query(call->request, cm_slice_of(name), &text);
    if (status == CM_ABSENT)
        return true;
    if (status != CM_OK || cm_slice_to_u64(text, most, &number) != CM_OK || number < least)
        return refuse_query(call, name, "before is an entry's number, limit is from 1 to 500.");
    *out = number;
    return true;
}

static bool read_id(cm_call *call, const char *name, char out[CM_ID_SIZE])
{
    cm_slice text;
    const cm_status status = cm_http_query(call->request, cm_slice_of(name), &text);
    if (status == CM_ABSENT || (status == CM_OK && cm_id_parse(text, out) == CM_OK))
        return true;
    return refuse_query(call, name, "camera and account are ids.");
}

static bool read_groups(cm_call *call, uint32_t *out)
{
    cm_slice text;
    if (cm_http_query(call->request, CM_TEXT("groups"), &text) != CM_OK)
        return true;
    while (text.size > 0) {
        cm_audit_group group;
        if (cm_audit_group_parse(cm_slice_cut(&text, ','), &group) != CM_OK)
            return refuse_query(call, "groups",
                                "groups are some of people, rights, cameras, views, refusals and "
                                "server, with commas between.");
        *out |= group;
    }
    return true;
}

static bool read_query(cm_call *call, cm_audit_query *query)
{
    uint64_t limit = 100;
    query->home = call->home;
    if (!read_time(call, "from", &query->from) || !read_time(call, "to", &query->to) ||
        !read_number(call, "before", 1, INT64_MAX, &query->before) ||
        !read_number(call, "limit", 1, CM_AUDIT_PAGE_MAX, &limit) ||
        !read_id(call, "camera", query->camera.text) ||
        !read_id(call, "account", query->account.text) || !read_groups(call, &query->groups))
        return false;
    query->limit = (size_t)limit;
    return true;
}

/* ---- answers ---- */

static json_t *name_json(const question *q, const char id[CM_ID_SIZE])
{
    for (size_t i = 0; i < q->members.count; i++)
        if (cm_slice_equal(cm_slice_of(q->members.items[i].account.text), cm_slice_of(id)))
            return json_string(q->members.items[i].name);
    for (size_t i = 0; i < q->links.count; i++)
        if (cm_slice_equal(cm_slice_of(q->links.items[i].id), cm_slice_of(id)))
            return json_string(q->links.items[i].label);
    for (size_t i = 0; i < q->tokens.count; i++)
        if (cm_slice_equal(cm_slice_of(q->tokens.items[i].id), cm_slice_of(id)))
            return q->tokens.items[i].name[0] != '\0' ? json_string(q->tokens.items[i].name)
                                                      : json_null();
    return json_null();
}

static bool is_link(const question *q, const char id[CM_ID_SIZE])
{
    for (size_t i = 0; i < q->links.count; i++)
        if (cm_slice_equal(cm_slice_of(q->links.items[i].id), cm_slice_of(id)))
            return true;
    return false;
}

static const char *stream_name(unsigned stream)
{
    static const char *const NAMES[CM_STREAMS] = {"main", "sub", "sound", "sound-opus",
                                                  "sound-flac"};
    return stream < CM_STREAMS ? NAMES[stream] : "other";
}

json_t *cm_streams_json(uint32_t streams)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < CM_STREAMS; i++)
        if ((streams >> i & 1) == 1)
            json_array_append_new(list, json_string(stream_name(i)));
    return list;
}

static json_t *frames_json(const cm_audit_frames *frames, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const cm_audit_frames *f = &frames[i];
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "stream", stream_name(f->stream),
                            "first", (json_int_t)f->first, "last", (json_int_t)f->last, "frames",
                            (json_int_t)f->frames, "bytes", (json_int_t)f->bytes, "first_epoch",
                            (json_int_t)f->first_epoch, "last_epoch", (json_int_t)f->last_epoch));
    }
    return list;
}

static void set_id(json_t *json, const char *member, const char id[CM_ID_SIZE])
{
    json_object_set_new(json, member, id[0] != '\0' ? json_string(id) : json_null());
}

static bool is_about_role(cm_audit_kind kind)
{
    return kind == CM_AUDIT_MEMBER_ADDED || kind == CM_AUDIT_MEMBER_ROLE ||
           kind == CM_AUDIT_INVITATION_MADE || kind == CM_AUDIT_INVITATION_TAKEN ||
           kind == CM_AUDIT_HOME_HANDED_OVER || kind == CM_AUDIT_MOVED_OUT;
}

/* What only some kinds have. */
static void add_details(json_t *json, const cm_audit_entry *e)
{
    if (is_about_role(e->kind)) {
        if (e->value != CM_ROLE_NONE)
            json_object_set_new(json, "role", json_string(cm_role_name((cm_role)e->value)));
    } else if (e->kind == CM_AUDIT_GRANT_PUT || e->kind == CM_AUDIT_GROUP_GRANT_PUT)
        cm_terms_add_json(&(cm_grant_terms){.rights = e->value,
                                            .hours = e->hours,
                                            .not_before = e->not_before,
                                            .not_after = e->not_after},
                          json);
    else if (e->kind == CM_AUDIT_SIGN_IN || e->kind == CM_AUDIT_SIGN_IN_AGAIN)
        json_object_set_new(json, "method",
                            json_string(cm_session_method_name((cm_session_method)e->value)));
    else if (e->value != 0)
        json_object_set_new(json, "rights", cm_rights_json(e->value));
    if (e->is_command)
        json_object_set_new(json, "command", json_true());
    if (e->group[0] != '\0')
        json_object_set_new(json, "group", json_string(e->group));
    if (e->cause != CM_AUDIT_CAUSE_NONE)
        json_object_set_new(json, "cause", json_string(cm_audit_cause_name(e->cause)));
    if (e->count != 0)
        json_object_set_new(json, "count", json_integer((json_int_t)e->count));
    if (e->since.us != 0)
        json_object_set_new(json, "since", cm_time_json(e->since));
    if (e->kind != CM_AUDIT_VIEW_BEGIN && e->kind != CM_AUDIT_VIEW_END)
        return;
    json_object_set_new(json, "path", json_string(cm_audit_path_name(e->path)));
    json_object_set_new(json, "streams", cm_streams_json(e->streams));
    json_object_set_new(json, "frames", frames_json(e->frames, e->frame_count));
}

/* Where somebody signed in from is for his own eyes. */
static void add_private(const cm_call *call, json_t *json, const cm_audit_entry *e)
{
    const question *q = call->data;
    uint8_t bytes[CM_AUDIT_PRIVATE_MAX];
    size_t size;
    if (!e->has_private || !cm_account_id_equal(&e->account, &call->who.account) ||
        cm_audit_private_of(&q->source, e, bytes, &size) != CM_OK)
        return;
    cm_slice rest = cm_slice_over(bytes, size);
    const cm_slice network = cm_slice_cut(&rest, '\n');
    json_object_set_new(json, "network", json_stringn((const char *)network.bytes, network.size));
    json_object_set_new(json, "device", json_stringn((const char *)rest.bytes, rest.size));
}

static json_t *entry_json(const cm_call *call, const cm_audit_entry *e)
{
    const question *q = call->data;
    json_t *json = json_pack("{s:I, s:o, s:s}", "number", (json_int_t)e->number, "time",
                             cm_time_json(e->when), "kind", cm_audit_kind_name(e->kind));
    set_id(json, "camera", e->camera.text);
    set_id(json, "account", e->account.text);
    json_object_set_new(json, "name", name_json(q, e->account.text));
    set_id(json, "other", e->other);
    json_object_set_new(json, "other_name", name_json(q, e->other));
    add_details(json, e);
    add_private(call, json, e);
    return json;
}

/* ---- GET /audit, /server/audit ---- */

static cm_status read_members(cm_call *call, question *q)
{
    CM_TRY(cm_store_members(call->api->config.store, &call->home,
                            cm_loop_wall(call->api->config.loop), &q->members));
    CM_TRY(cm_store_guest_links(call->api->config.store, &call->home, &q->links));
    CM_TRY(cm_store_tokens(call->api->config.store, &call->home, &q->tokens));
    cm_account_id *accounts = calloc(q->members.count + 1, sizeof *accounts);
    CM_ENSURE(accounts != NULL, CM_BROKEN);
    for (size_t i = 0; i < q->members.count; i++)
        accounts[i] = q->members.items[i].account;
    q->query.accounts = accounts;
    q->query.account_count = q->members.count;
    return CM_OK;
}

static cm_status answer_query(cm_call *call, question *q)
{
    if (call->route->permission == CM_PERMISSION_OWNER)
        CM_TRY(read_members(call, q));
    cm_audit_source_of(call->api->config.audit, &q->source);
    CM_TRY(cm_audit_ask(&q->source, &q->query, &q->page));
    q->list = json_array();
    for (size_t i = 0; i < q->page.count; i++)
        json_array_append_new(q->list, entry_json(call, &q->page.items[i]));
    return CM_OK;
}

static void read_audit(cm_call *call)
{
    call->status = answer_query(call, call->data);
}

static void answer_audit(cm_call *call)
{
    question *q = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    json_t *list = q->list;
    q->list = NULL;
    cm_call_json(call, 200, json_pack("{s:o, s:b}", "entries", list, "has_more", q->page.has_more));
}

void cm_route_audit(cm_call *call)
{
    question *q = begin(call);
    if (q != NULL && read_query(call, &q->query))
        cm_call_read(call, read_audit, answer_audit);
}

/* The call has no home, so the query has none: entries of the server alone. */
void cm_route_server_audit(cm_call *call)
{
    cm_route_audit(call);
}

/* ---- GET /cameras/{camera}/viewings ---- */

static json_t *viewing_json(const question *q, const cm_audit_viewing *v)
{
    return json_pack("{s:I, s:s, s:o, s:b, s:s, s:o, s:o, s:o, s:b, s:s, s:o}", "entry",
                     (json_int_t)v->entry, "account", v->account.text, "name",
                     name_json(q, v->account.text), "by_link", (int)is_link(q, v->account.text),
                     "path", cm_audit_path_name(v->path), "streams", cm_streams_json(v->streams),
                     "begin", cm_time_json(v->begin), "end", cm_time_json(v->end), "is_over",
                     v->is_over, "cause", cm_audit_cause_name(v->cause), "frames",
                     frames_json(v->frames, v->frame_count));
}

static void read_viewings(cm_call *call)
{
    question *q = call->data;
    call->status = cm_store_members(call->api->config.store, &call->home,
                                    cm_loop_wall(call->api->config.loop), &q->members);
    if (call->status == CM_OK)
        call->status = cm_store_guest_links(call->api->config.store, &call->home, &q->links);
    if (call->status != CM_OK)
        return;
    cm_audit_source_of(call->api->config.audit, &q->source);
    call->status = cm_audit_exposure(&q->source, &call->home, &q->camera.camera, q->query.from,
                                     q->query.to, &q->viewings);
}

static void answer_viewings(cm_call *call)
{
    question *q = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-home");
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < q->viewings.count; i++)
        json_array_append_new(list, viewing_json(q, &q->viewings.items[i]));
    cm_call_json(call, 200,
                 json_pack("{s:o, s:b}", "viewings", list, "has_more", q->viewings.has_more));
}

/* Also of a camera that is no more: what it showed was seen. */
void cm_route_viewings(cm_call *call)
{
    question *q = begin(call);
    if (q == NULL || !cm_call_camera(call, 0, &q->camera))
        return;
    q->query.to = cm_loop_wall(call->api->config.loop);
    q->query.from.us = q->query.to.us - CM_SECONDS(86400);
    if (!read_time(call, "from", &q->query.from) || !read_time(call, "to", &q->query.to))
        return;
    if (q->query.from.us >= q->query.to.us) {
        (void)refuse_query(call, "to", "to lies behind from.");
        return;
    }
    cm_call_read(call, read_viewings, answer_viewings);
}

/* grants cannot name the audit's paths, nor the audit grants': here both are known. */
static_assert((int)CM_VIEW_OTHER == (int)CM_AUDIT_PATH_OTHER &&
                  (int)CM_VIEW_WEBRTC == (int)CM_AUDIT_PATH_WEBRTC &&
                  (int)CM_VIEW_MP4 == (int)CM_AUDIT_PATH_MP4 &&
                  (int)CM_VIEW_STILL == (int)CM_AUDIT_PATH_STILL &&
                  (int)CM_VIEW_WHIP == (int)CM_AUDIT_PATH_WHIP &&
                  (int)CM_VIEW_RTSP == (int)CM_AUDIT_PATH_RTSP &&
                  (int)CM_VIEW_PATHS == (int)CM_AUDIT_PATHS,
              "the paths of both are the same");
