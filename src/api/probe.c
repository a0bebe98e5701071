/* POST /cameras/probe: an address tried out: what it shows, or by name why not. */
#include "devices/probe.h"

#include <stdlib.h>

#include "api/api_priv.h"
#include "base/text.h"

enum { JPEG_MAX = 2 << 20 };

typedef struct picture {
    cm_buffer jpeg;
} picture;

static bool collect(void *owner, const cm_opened_frame *opened)
{
    picture *p = owner;
    for (size_t i = 0; i < opened->count; i++)
        if (cm_buffer_add(&p->jpeg, opened->granules[i]) != CM_OK)
            return false;
    return true;
}

/* The still as a data: address, or null. */
static json_t *still_json(cm_call *call, cm_probe_answer *answer)
{
    static const char PREFIX[] = "data:image/jpeg;base64,";
    if (answer->still == NULL || answer->lease == NULL)
        return json_null();
    picture p;
    cm_buffer_init(&p.jpeg, JPEG_MAX);
    cm_fanout_viewer viewer = {.lease = answer->lease, .cursor = &answer->cursor, .owner = &p};
    cm_fanout_open(call->api->fanout, answer->still, cm_loop_now(call->api->config.loop), &viewer,
                   1, collect);
    const cm_slice jpeg = cm_buffer_data(&p.jpeg);
    const size_t size = sizeof PREFIX - 1 + CM_BASE64_SIZE(jpeg.size);
    char *text = viewer.refusal == CM_REFUSAL_NONE && jpeg.size > 0 ? malloc(size) : NULL;
    json_t *json = NULL;
    if (text != NULL && cm_slice_to_cstr(cm_slice_of(PREFIX), text, size) == CM_OK &&
        cm_text_to_base64(jpeg, text + sizeof PREFIX - 1, size - (sizeof PREFIX - 1)) == CM_OK)
        json = json_string(text);
    free(text);
    cm_buffer_deinit(&p.jpeg);
    return json != NULL ? json : json_null();
}

static json_t *stream_json(const cm_stream_status *stream)
{
    if (!stream->is_configured || stream->state != CM_CAMERA_LIVE)
        return json_null();
    return json_pack("{s:s, s:i, s:i, s:o}", "codec", stream->codec, "width", (int)stream->width,
                     "height", (int)stream->height, "fps",
                     stream->fps_milli > 0 ? json_real(stream->fps_milli / 1000.0) : json_null());
}

/* The stream that failed, or main. */
static const cm_stream_status *failed_of(const cm_camera_status *status)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        if (status->streams[i].is_configured && status->streams[i].state != CM_CAMERA_LIVE)
            return &status->streams[i];
    return &status->streams[CM_STREAM_MAIN];
}

static json_t *answer_json(cm_call *call, cm_probe_answer *answer)
{
    const cm_camera_status *status = &answer->camera;
    const cm_stream_status *failed = failed_of(status);
    const bool is_fine = failed->state == CM_CAMERA_LIVE;
    json_t *json = json_object();
    json_object_set_new(json, "ok", json_boolean(is_fine));
    json_object_set_new(json, "failure",
                        is_fine ? json_null() : json_string(cm_camera_cause_name(failed->cause)));
    json_object_set_new(
        json, "failed_stream",
        is_fine ? json_null()
                : json_string(failed == &status->streams[CM_STREAM_SUB] ? "sub" : "main"));
    json_object_set_new(json, "detail",
                        failed->detail[0] != '\0' ? json_string(failed->detail) : json_null());
    json_object_set_new(json, "main", stream_json(&status->streams[CM_STREAM_MAIN]));
    json_object_set_new(json, "sub", stream_json(&status->streams[CM_STREAM_SUB]));
    json_object_set_new(json, "transport",
                        status->streams[CM_STREAM_MAIN].state == CM_CAMERA_LIVE
                            ? json_string(status->streams[CM_STREAM_MAIN].is_udp ? "udp" : "tcp")
                            : json_null());
    json_object_set_new(json, "still", still_json(call, answer));
    return json;
}

static void on_probed(void *owner, cm_probe_answer *answer)
{
    static const cm_call_fault BUSY = {503,
                                       "probe-under-way",
                                       "Another try is under way",
                                       "One address is tried out at a time; wait a moment.",
                                       NULL,
                                       5};
    cm_call *call = owner;
    const unsigned loop = cm_loop_index(call->api->config.loop); /* the call ends below */
    if (answer->status == CM_OK)
        cm_call_json(call, 200, answer_json(call, answer));
    else if (answer->status == CM_RETRY)
        cm_call_problem(call, &BUSY);
    else
        cm_call_fail(call, answer->status, "absent");
    cm_frame_release(answer->still, loop);
    cm_lease_destroy(answer->lease);
}

/* ---- the login: as typed, or (when a stored camera is edited) the stored one ---- */

typedef struct login {
    cm_camera_key camera;
    char password[CM_CAMERA_LOGIN_SIZE];
} login;

static void free_login(void *data)
{
    login *l = data;
    cm_secret_wipe(l, sizeof *l);
    free(l);
}

static void start_probe(cm_call *call)
{
    cm_probe_ask ask = {.home = call->home};
    if (!cm_call_text(call, "main", true, &ask.main) ||
        !cm_call_text(call, "sub", false, &ask.sub) ||
        !cm_call_text(call, "user", false, &ask.user) ||
        !cm_call_text(call, "password", false, &ask.password))
        return;
    const login *l = call->data;
    if (l != NULL)
        ask.password = cm_slice_of(l->password);
    const cm_status status =
        cm_probe_start(call->api->config.fleet, call->api->config.loop, &ask, on_probed, call);
    if (status != CM_OK)
        cm_call_fail(call, status, "absent");
}

/*
 * A stored password goes to where it was meant for, and nowhere else: only if the addresses asked
 * for are on the stored hosts. Otherwise whoever may edit a camera could have its password sent to
 * a machine of his own.
 */
static bool is_stored_host(cm_slice asked, const char *main_address, const char *sub_address)
{
    static const size_t SCHEME = sizeof "rtsp://" - 1;
    const char *const stored[] = {main_address, sub_address};
    cm_slice rest = cm_slice_from(asked, SCHEME);
    const cm_slice host = cm_slice_cut(&rest, '/');
    for (size_t i = 0; i < CM_COUNT(stored); i++) {
        cm_slice known = cm_slice_from(cm_slice_of(stored[i]), SCHEME);
        if (known.size > 0 && cm_slice_equal_nocase(cm_slice_cut(&known, '/'), host))
            return true;
    }
    return false;
}

static void read_login(cm_call *call)
{
    login *l = call->data;
    cm_stored_camera stored;
    call->status = cm_store_camera_find(call->api->config.store, &l->camera, &stored);
    const char *const members[] = {"main", "sub"};
    for (size_t i = 0; call->status == CM_OK && i < CM_COUNT(members); i++) {
        const json_t *value = json_object_get(call->body, members[i]);
        if (json_is_string(value) && json_string_length(value) > 0 &&
            !is_stored_host(cm_slice_of(json_string_value(value)), stored.main, stored.sub))
            return; /* without a password, as typed */
    }
    if (call->status == CM_OK &&
        cm_store_camera_password(call->api->config.store, &l->camera, l->password) == CM_ABSENT)
        l->password[0] = '\0';
}

static void on_login(cm_call *call)
{
    if (call->status == CM_OK)
        start_probe(call);
    else
        cm_call_no_such_camera(call);
}

void cm_route_camera_probe(cm_call *call)
{
    cm_slice camera;
    cm_slice password;
    if (!cm_call_text(call, "camera", false, &camera) ||
        !cm_call_text(call, "password", false, &password))
        return;
    if (camera.size == 0 || password.size > 0) {
        start_probe(call);
        return;
    }
    login *l = calloc(1, sizeof *l);
    if (l == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = l;
    call->free_data = free_login;
    l->camera.home = call->home;
    if (cm_camera_id_parse(camera, &l->camera.camera) != CM_OK)
        cm_call_no_such_camera(call);
    else
        cm_call_read(call, read_login, on_login);
}
