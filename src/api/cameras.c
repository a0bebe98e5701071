/* Cameras: what there is and how it is. Addresses are told to owners only, without user info;
 * passwords to nobody. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct cameras {
    cm_camera_key key; /* one camera; empty: all of the home */
    cm_granted_cameras list;
    cm_stored_camera saved; /* after a change */
    bool is_saved;
    bool is_owner;
    json_t *json;
    /* of POST and PATCH */
    cm_slice name, main, sub, user, password;
    bool has_name, has_main, has_sub, has_user, has_password;
    bool takes_talk, has_talk;
} cameras;

static void free_cameras(void *data)
{
    cameras *c = data;
    cm_granted_cameras_clear(&c->list);
    json_decref(c->json);
    free(c);
}

static cameras *begin(cm_call *call)
{
    cameras *c = calloc(1, sizeof *c);
    if (c == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    c->is_owner = cm_role_may(cm_who_role(&call->who, &call->home), CM_PERMISSION_OWNER) &&
                  !call->who.is_token;
    call->data = c;
    call->free_data = free_cameras;
    return c;
}

/* ---- as JSON ---- */

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *number_or_null(uint64_t number)
{
    return number > 0 ? json_integer((json_int_t)number) : json_null();
}

static json_t *stream_json(const cm_stream_status *stream)
{
    if (!stream->is_configured)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "codec", text_or_null(stream->codec),
                     "width", number_or_null(stream->width), "height",
                     number_or_null(stream->height), "fps",
                     stream->fps_milli > 0 ? json_real(stream->fps_milli / 1000.0) : json_null(),
                     "bits_per_second", number_or_null(stream->bits_per_second), "last_frame",
                     cm_time_json(stream->last_frame));
}

bool cm_sound_format_of(const cm_sound_status *status, cm_sound_format *out)
{
    if (!status->is_there)
        return false;
    *out = (cm_sound_format){
        .codec = status->codec, .channels = status->channels, .rate = status->rate};
    return true;
}

/* The stream that speaks for the camera: main, unless nobody wants it and sub is at work. */
static const cm_stream_status *speaker_of(const cm_camera_status *status)
{
    const cm_stream_status *main_stream = &status->streams[CM_STREAM_MAIN];
    const cm_stream_status *sub = &status->streams[CM_STREAM_SUB];
    return main_stream->state == CM_CAMERA_STOPPED && sub->is_configured ? sub : main_stream;
}

static json_t *sound_json(const cm_sound_status *sound)
{
    if (!sound->is_there)
        return json_null();
    return json_pack("{s:s, s:I, s:I}", "codec", cm_sound_codec_name(sound->codec), "rate",
                     (json_int_t)sound->rate, "channels", (json_int_t)sound->channels);
}

static json_t *cause_json(cm_camera_cause cause)
{
    return cause != CM_CAUSE_NONE ? json_string(cm_camera_cause_name(cause)) : json_null();
}

static json_t *talk_json(const cm_talk_status *talk)
{
    if (!talk->is_configured)
        return json_null();
    return json_pack("{s:s, s:o, s:o}", "state", cm_talk_state_name(talk->state), "cause",
                     cause_json(talk->cause), "detail", text_or_null(talk->detail));
}

static void add_status(json_t *json, const cm_camera_status *status)
{
    static const cm_camera_status NONE;
    const cm_camera_status *s = status != NULL ? status : &NONE;
    const cm_stream_status *speaker = speaker_of(s);
    json_object_set_new(json, "state", json_string(cm_camera_state_name(speaker->state)));
    json_object_set_new(json, "state_since", cm_time_json(speaker->since));
    json_object_set_new(json, "cause", cause_json(speaker->cause));
    json_object_set_new(json, "detail", text_or_null(speaker->detail));
    json_object_set_new(json, "next_try", cm_time_json(speaker->next_try));
    json_object_set_new(json, "streams",
                        json_pack("{s:o, s:o}", "main", stream_json(&s->streams[CM_STREAM_MAIN]),
                                  "sub", stream_json(&s->streams[CM_STREAM_SUB])));
    json_object_set_new(json, "sound", sound_json(&s->sound));
    json_object_set_new(json, "talk", talk_json(&s->talk));
}

static json_t *not_now_json(const cm_camera_view *view)
{
    if (view->rights != 0)
        return json_null();
    return json_pack("{s:s, s:o}", "reason", cm_grant_reason_name(view->reason), "opens",
                     cm_time_json(view->opens));
}

json_t *cm_camera_json(const cm_stored_camera *camera, const cm_camera_status *status,
                       size_t viewers, const cm_camera_view *view, bool is_owner)
{
    const bool is_now = view->rights != 0;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "home", camera->key.home.text, "id",
                             camera->key.camera.text, "name", camera->name, "kind",
                             cm_stored_camera_is_pushed(camera) ? "whip" : "rtsp");
    /* Nothing of how it is, or who watches, to whom it is not open. */
    add_status(json, is_now ? status : NULL);
    json_object_set_new(json, "viewers", json_integer(is_now ? (json_int_t)viewers : 0));
    json_object_set_new(json, "rights", cm_rights_json(view->rights));
    json_object_set_new(json, "not_now", not_now_json(view));
    if (!is_owner)
        return json;
    const bool is_pushed = cm_stored_camera_is_pushed(camera);
    json_object_set_new(json, "main", is_pushed ? json_null() : json_string(camera->main));
    json_object_set_new(json, "sub", text_or_null(camera->sub));
    json_object_set_new(json, "user", text_or_null(camera->user));
    json_object_set_new(json, "has_password", json_boolean(camera->has_password));
    return json;
}

/* ---- reading ---- */

cm_camera_view cm_camera_view_of(const cm_who *who, const cm_granted_camera *camera,
                                 const cm_zone *zone, cm_wall now)
{
    const cm_grant_facts facts = {
        .session_is_live = true,
        .account_is_active = true,
        .is_operator = who->is_operator,
        .camera_exists = true,
        .role = cm_who_role(who, &camera->camera.key.home),
        .token_limit = !who->is_token ? ~(cm_rights)0
                       : cm_camera_key_equal(&who->token_camera, &camera->camera.key)
                           ? who->token_rights
                           : 0,
        .granted = camera->granted,
    };
    const cm_moment at = cm_zone_at(zone, now);
    const cm_grant_decision all = cm_grant_decide(&facts, &at, CM_RIGHTS_ALL);
    cm_camera_view view = {.until = all.until};
    if ((all.rights & CM_RIGHT_VIEW) != 0) {
        view.is_told = true;
        view.rights = all.rights;
        return view;
    }
    const cm_grant_decision seeing = cm_grant_decide(&facts, &at, CM_RIGHT_VIEW);
    view.is_told = cm_grant_opens(&facts, zone, now, CM_RIGHT_VIEW, &view.opens) == CM_OK;
    view.reason = seeing.reason;
    return view;
}

static cm_camera_view view_of(const cm_call *call, const cm_granted_camera *camera)
{
    const cameras *c = call->data;
    return cm_camera_view_of(&call->who, camera, c->list.zone,
                             cm_loop_wall(call->api->config.loop));
}

static void read_cameras(cm_call *call)
{
    cameras *c = call->data;
    call->status = cm_store_granted_cameras(call->api->config.store, &call->who.account,
                                            &call->home, &c->list);
}

typedef struct viewer_count {
    const cm_camera_key *camera;
    size_t count;
} viewer_count;

static void count_viewer(void *owner, const cm_watching *watching)
{
    viewer_count *v = owner;
    const bool sees = (watching->streams & cm_streams_within(CM_RIGHT_VIEW)) != 0;
    v->count += sees && cm_camera_key_equal(&watching->camera, v->camera) ? 1 : 0;
}

/* On the control loop, where states are known. */
static json_t *describe(cm_call *call, const cm_stored_camera *camera, const cm_camera_view *view)
{
    viewer_count viewers = {&camera->key, 0};
    cm_grants_each_viewer(call->api->config.grants, &camera->key.home, count_viewer, &viewers);
    const cameras *c = call->data;
    return cm_camera_json(camera, cm_fleet_status(call->api->config.fleet, &camera->key),
                          viewers.count, view, c->is_owner);
}

static void describe_all(cm_call *call)
{
    cameras *c = call->data;
    c->json = json_array();
    for (size_t i = 0; i < c->list.count; i++) {
        const cm_camera_view view = view_of(call, &c->list.items[i]);
        if (view.is_told)
            json_array_append_new(c->json, describe(call, &c->list.items[i].camera, &view));
    }
}

static void answer_all(cm_call *call)
{
    cameras *c = call->data;
    cm_call_json(call, 200, json_pack("{s:O}", "cameras", c->json));
}

static void on_cameras_read(cm_call *call)
{
    if (call->status != CM_OK)
        cm_call_fail(call, call->status, "no-such-home");
    else
        cm_call_on_control(call, describe_all, answer_all);
}

void cm_route_cameras(cm_call *call)
{
    if (begin(call) != NULL)
        cm_call_read(call, read_cameras, on_cameras_read);
}

static void describe_one(cm_call *call)
{
    cameras *c = call->data;
    for (size_t i = 0; i < c->list.count; i++) {
        const cm_granted_camera *item = &c->list.items[i];
        if (!cm_camera_key_equal(&item->camera.key, &c->key))
            continue;
        const cm_camera_view view = view_of(call, item);
        if (view.is_told)
            c->json = describe(call, &item->camera, &view);
    }
}

static void answer_one(cm_call *call)
{
    const cameras *c = call->data;
    const unsigned status = call->route->method == CM_HTTP_POST ? 201 : 200;
    if (c->json == NULL)
        cm_call_no_such_camera(call);
    else
        cm_call_json(call, status, json_incref(c->json));
}

static void on_camera_read(cm_call *call)
{
    if (call->status != CM_OK)
        cm_call_no_such_camera(call);
    else
        cm_call_on_control(call, describe_one, answer_one);
}

void cm_route_camera(cm_call *call)
{
    cameras *c = begin(call);
    if (c != NULL && cm_call_camera(call, 0, &c->key))
        cm_call_read(call, read_cameras, on_camera_read);
}

/* ---- changing ---- */

/* A member of the body that may be text, null (empty) or absent. False: a problem was answered. */
static bool read_field(cm_call *call, const char *member, cm_slice *out, bool *has)
{
    *has = json_object_get(call->body, member) != NULL;
    return cm_call_text(call, member, false, out);
}

/* The same of true and false. */
static bool read_flag(cm_call *call, const char *member, bool *out, bool *has)
{
    const json_t *value = json_object_get(call->body, member);
    *has = value != NULL;
    *out = json_is_true(value);
    if (value == NULL || json_is_boolean(value))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-field", "Not true or false",
                                           "It is true or false.", member, 0});
    return false;
}

static bool read_fields(cm_call *call, cameras *c)
{
    return read_field(call, "name", &c->name, &c->has_name) &&
           read_field(call, "main", &c->main, &c->has_main) &&
           read_field(call, "sub", &c->sub, &c->has_sub) &&
           read_field(call, "user", &c->user, &c->has_user) &&
           read_field(call, "password", &c->password, &c->has_password) &&
           read_flag(call, "talk", &c->takes_talk, &c->has_talk);
}

static bool is_rtsp(cm_slice address)
{
    return cm_slice_starts_nocase(address, CM_TEXT("rtsp://"));
}

/* "kind": "whip": its pictures are brought, so it has no address and no login. False: a problem was
 * answered. */
static bool read_kind(cm_call *call, cameras *c)
{
    cm_slice kind;
    if (!cm_call_text(call, "kind", false, &kind))
        return false;
    const bool is_whip = cm_slice_equal(kind, CM_TEXT("whip"));
    const bool has_address = c->main.size + c->sub.size + c->user.size + c->password.size > 0;
    if (kind.size == 0 || cm_slice_equal(kind, CM_TEXT("rtsp")))
        return true;
    if (is_whip && !has_address && !c->takes_talk) {
        c->main = CM_TEXT(CM_CAMERA_PUSHED);
        return true;
    }
    cm_call_problem(call, &(cm_call_fault){400, "bad-kind", "Not a kind of camera",
                                           "kind is rtsp, or whip: without main, sub, user, "
                                           "password and talk, as its pictures are brought.",
                                           "kind", 0});
    return false;
}

/* Addresses that can't be right are refused before anything is stored. */
static bool check_addresses(cm_call *call, const cameras *c)
{
    static const char DETAIL[] = "An address begins with rtsp:// and holds no user name or "
                                 "password: those have fields of their own.";
    const bool main_is_fine =
        !c->has_main || (is_rtsp(c->main) && cm_slice_find(c->main, '@') == c->main.size);
    const bool sub_is_fine = !c->has_sub || c->sub.size == 0 ||
                             (is_rtsp(c->sub) && cm_slice_find(c->sub, '@') == c->sub.size);
    if (main_is_fine && sub_is_fine)
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-address", "Not an address of a camera", DETAIL,
                                           main_is_fine ? "sub" : "main", 0});
    return false;
}

/* The fleet follows what was stored; then the camera is described as it is now, to an owner. */
static void tell_fleet(cm_call *call)
{
    cameras *c = call->data;
    call->api->config.on_camera_saved(call->api->config.owner, &c->saved);
    static const cm_camera_view ALL = {.is_told = true, .rights = CM_RIGHTS_ALL};
    c->json = describe(call, &c->saved, &ALL);
}

static void on_saved(cm_call *call)
{
    if (call->status == CM_ABSENT)
        cm_call_no_such_camera(call);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "absent");
    else
        cm_call_on_control(call, tell_fleet, answer_one);
}

static void create_camera(cm_call *call)
{
    cameras *c = call->data;
    const cm_new_camera camera = {.name = c->name,
                                  .main = c->main,
                                  .sub = c->sub,
                                  .user = c->user,
                                  .password = c->password,
                                  .keep = CM_KEEP_ALWAYS,
                                  .takes_talk = c->takes_talk,
                                  .id = c->key.camera};
    call->status = cm_store_camera_create(call->api->config.store, &call->home, &camera,
                                          cm_loop_wall(call->api->config.loop), &c->saved);
    cm_call_record_camera(call, CM_AUDIT_CAMERA_ADDED, &c->saved.key.camera);
}

void cm_route_camera_create(cm_call *call)
{
    static const cm_call_fault MISSING = {
        400,
        "missing-field",
        "A field is missing",
        "A camera needs a name and the address of its main stream.",
        "main",
        0};
    static const cm_call_fault BAD_ID = {
        400, "bad-id", "Not an id", "An id is 1 to 31 characters of a-z, 0-9, - and _.", "id", 0};
    cm_slice id;
    if (!cm_call_text(call, "id", false, &id))
        return;
    cameras *c = begin(call);
    if (c == NULL || !read_fields(call, c) || !read_kind(call, c))
        return;
    if (c->name.size == 0 || c->main.size == 0) {
        cm_call_problem(call, &MISSING);
        return;
    }
    if (id.size > 0 && cm_camera_id_parse(id, &c->key.camera) != CM_OK) {
        cm_call_problem(call, &BAD_ID);
        return;
    }
    if (check_addresses(call, c))
        cm_call_write(call, create_camera, on_saved);
}

static void update_camera(cm_call *call)
{
    cameras *c = call->data;
    const cm_camera_update update = {
        .name = c->has_name ? &c->name : NULL,
        .main = c->has_main ? &c->main : NULL,
        .sub = c->has_sub ? &c->sub : NULL,
        .user = c->has_user ? &c->user : NULL,
        .password = c->has_password ? &c->password : NULL,
        .takes_talk = c->has_talk ? &c->takes_talk : NULL,
    };
    call->status =
        cm_store_camera_update(call->api->config.store, &c->key, &update, &c->saved, &call->change);
    cm_call_record_camera(call, CM_AUDIT_CAMERA_CHANGED, &c->key.camera);
}

void cm_route_camera_update(cm_call *call)
{
    cameras *c = begin(call);
    if (c != NULL && cm_call_camera(call, 0, &c->key) && read_fields(call, c) &&
        check_addresses(call, c))
        cm_call_write(call, update_camera, on_saved);
}

static void delete_camera(cm_call *call)
{
    cameras *c = call->data;
    call->status = cm_store_camera_delete(call->api->config.store, &c->key, &call->change);
    cm_call_record_camera(call, CM_AUDIT_CAMERA_REMOVED, &c->key.camera);
}

static void forget_camera(cm_call *call)
{
    const cameras *c = call->data;
    call->api->config.on_camera_deleted(call->api->config.owner, &c->key);
}

static void on_deleted(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_on_control(call, forget_camera, cm_call_empty);
    else if (call->status == CM_ABSENT)
        cm_call_no_such_camera(call);
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_camera_delete(cm_call *call)
{
    cameras *c = begin(call);
    if (c != NULL && cm_call_camera(call, 0, &c->key))
        cm_call_write(call, delete_camera, on_deleted);
}
