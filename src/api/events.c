/*
 * Server-sent events (WHATWG HTML 9.2): what happens to the cameras that the asker may view. A
 * stream knows what it may tell from the store (evidence.h), looks again after every change, and
 * ends with the session.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"

enum { UNSENT_MAX = 1 << 20, PING_SECONDS = 15 };

/* One look at the store: who the asker is and which cameras he may view. Made in the pool. */
typedef struct view {
    cm_who who;
    cm_wall at; /* when it was made */
    bool is_somebody;
    cm_granted_cameras homes[16]; /* of the first homes of the asker, or of the one asked for */
    size_t home_count;
} view;

struct cm_event_stream {
    cm_list node;
    cm_api *api;
    cm_http_request *request; /* NULL once gone */
    cm_asker asker;
    bool has_home;
    cm_home_id home;
    cm_buffer unsent;
    cm_timer ping;
    cm_timer boundary; /* hours of some camera begin or end */
    view *view;
    bool is_looking; /* a job is under way: the object must stay */
    bool look_again; /* something changed meanwhile */
    cm_job job;
    view *next_view;
    cm_status status;
};

/* ---- the view ---- */

static void view_free(view *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->home_count; i++)
        cm_granted_cameras_clear(&v->homes[i]);
    cm_who_clear(&v->who);
    free(v);
}

typedef struct told {
    const cm_granted_camera *camera; /* NULL: it may not be told of */
    cm_camera_view view;
} told;

/* Only one that may be told of, as it is at `now`. */
static told find_camera(const view *v, const cm_camera_key *key, cm_wall now)
{
    for (size_t i = 0; v != NULL && i < v->home_count; i++)
        for (size_t j = 0; j < v->homes[i].count; j++) {
            const cm_granted_camera *camera = &v->homes[i].items[j];
            if (!cm_camera_key_equal(&camera->camera.key, key))
                continue;
            const cm_camera_view seen = cm_camera_view_of(&v->who, camera, v->homes[i].zone, now);
            if (seen.is_told)
                return (told){camera, seen};
        }
    return (told){.camera = NULL};
}

/* When something that is told may be otherwise; INT64_MAX: never. */
static cm_wall next_boundary(const view *v)
{
    cm_wall next = {.us = INT64_MAX};
    for (size_t i = 0; i < v->home_count; i++)
        for (size_t j = 0; j < v->homes[i].count; j++) {
            const cm_camera_view seen =
                cm_camera_view_of(&v->who, &v->homes[i].items[j], v->homes[i].zone, v->at);
            next = seen.until.us < next.us ? seen.until : next;
        }
    return next;
}

static cm_status look(cm_event_stream *s, view *v)
{
    const char *cause = NULL;
    cm_store *store = s->api->config.store;
    v->at = cm_loop_wall(s->api->config.loop);
    const cm_status status = cm_store_who(store, &s->asker, v->at, &v->who, &cause);
    if (status == CM_ABSENT)
        return CM_OK;
    CM_TRY(status);
    v->is_somebody = true;
    for (size_t i = 0; i < v->who.home_count && v->home_count < CM_COUNT(v->homes); i++) {
        const cm_home_id *home = &v->who.homes[i].home;
        if (s->has_home && !cm_home_id_equal(home, &s->home))
            continue;
        CM_TRY(cm_store_granted_cameras(store, &v->who.account, home, &v->homes[v->home_count]));
        v->home_count++;
    }
    return CM_OK;
}

/* ---- writing ---- */

static void stream_free(cm_event_stream *s)
{
    cm_timer_stop(&s->ping);
    cm_timer_stop(&s->boundary);
    cm_list_remove(&s->node);
    view_free(s->view);
    cm_buffer_deinit(&s->unsent);
    free(s);
}

/* Frees now, or when the job that still works on it is done. */
static void stream_leave(cm_event_stream *s)
{
    s->request = NULL;
    cm_timer_stop(&s->ping);
    cm_timer_stop(&s->boundary);
    if (!s->is_looking)
        stream_free(s);
}

static void flush(cm_event_stream *s)
{
    while (s->request != NULL && cm_buffer_data(&s->unsent).size > 0) {
        const cm_slice data = cm_buffer_data(&s->unsent);
        size_t accepted = 0;
        if (cm_http_body_write(s->request, &data, 1, &accepted) != CM_OK)
            return;
        cm_buffer_consume(&s->unsent, accepted);
        if (accepted < data.size)
            return;
    }
}

/* Takes json. A stream that doesn't read is ended. */
static void send_event(cm_event_stream *s, const char *name, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (s->request == NULL || text == NULL) {
        free(text);
        return;
    }
    const cm_status status =
        cm_buffer_add_format(&s->unsent, "event: %s\ndata: %s\n\n", name, text);
    free(text);
    if (status == CM_OK) {
        flush(s);
        return;
    }
    cm_http_reset(s->request, false);
    stream_leave(s);
}

static void on_ping(cm_timer *timer)
{
    cm_event_stream *s = CM_HOLDER(timer, cm_event_stream, ping);
    cm_timer_start(&s->ping, CM_SECONDS(PING_SECONDS));
    if (cm_buffer_data(&s->unsent).size == 0 &&
        cm_buffer_add_text(&s->unsent, ": here\n\n") == CM_OK)
        flush(s);
}

static void on_drain(void *owner)
{
    flush(owner);
}

static void on_gone(void *owner)
{
    stream_leave(owner);
}

static const cm_http_events STREAM_EVENTS = {on_drain, on_gone};

/* ---- how cameras are: asked of the fleet on the control loop ---- */

typedef struct status_ask {
    cm_task task;
    cm_api *api;
    size_t count;
    cm_camera_key *keys;
    cm_camera_status *found;
} status_ask;

static void tell_statuses(cm_task *task)
{
    status_ask *ask = CM_HOLDER(task, status_ask, task);
    for (size_t i = 0; i < ask->count; i++)
        if (ask->found[i].key.home.text[0] != '\0')
            cm_api_camera_changed(ask->api, &ask->found[i]);
    free(ask->keys);
    free(ask->found);
    free(ask);
}

static void read_statuses(cm_task *task)
{
    status_ask *ask = CM_HOLDER(task, status_ask, task);
    for (size_t i = 0; i < ask->count; i++) {
        const cm_camera_status *status = cm_fleet_status(ask->api->config.fleet, &ask->keys[i]);
        if (status != NULL)
            ask->found[i] = *status;
    }
    ask->task.run = tell_statuses;
    cm_loop_post(ask->api->config.loop, &ask->task);
}

static size_t count_cameras(const view *v)
{
    size_t count = 0;
    for (size_t i = 0; i < v->home_count; i++)
        count += v->homes[i].count;
    return count;
}

/* Everybody on this loop who may know hears how the cameras of this view are. */
static void ask_statuses(cm_api *api, const view *v)
{
    status_ask *ask = calloc(1, sizeof *ask);
    const size_t count = count_cameras(v);
    if (ask == NULL || count == 0) {
        free(ask);
        return;
    }
    *ask = (status_ask){.task.run = read_statuses, .api = api};
    ask->keys = calloc(count, sizeof *ask->keys);
    ask->found = calloc(count, sizeof *ask->found);
    if (ask->keys == NULL || ask->found == NULL) {
        free(ask->keys);
        free(ask->found);
        free(ask);
        return;
    }
    for (size_t i = 0; i < v->home_count; i++)
        for (size_t j = 0; j < v->homes[i].count; j++)
            ask->keys[ask->count++] = v->homes[i].items[j].camera.key;
    cm_loop_post(api->config.control, &ask->task);
}

/* ---- looking again ---- */

static void end_session(cm_event_stream *s)
{
    send_event(s, "session-ended", json_pack("{s:s}", "cause", "ended"));
    if (s->request != NULL)
        cm_http_end(s->request);
    stream_leave(s);
}

/* Cameras that were known and may not be known any more. */
static void tell_gone(cm_event_stream *s, const view *before)
{
    for (size_t i = 0; before != NULL && i < before->home_count; i++)
        for (size_t j = 0; j < before->homes[i].count; j++) {
            const cm_camera_key *key = &before->homes[i].items[j].camera.key;
            if (find_camera(before, key, before->at).camera != NULL &&
                find_camera(s->view, key, s->view->at).camera == NULL)
                send_event(s, "camera-gone",
                           json_pack("{s:s, s:s}", "home", key->home.text, "id", key->camera.text));
        }
}

static bool is_same_hold(const cm_suspension *a, const cm_suspension *b)
{
    return a->since.us == b->since.us && strcmp(a->by, b->by) == 0 && strcmp(a->why, b->why) == 0;
}

static bool was_told(const view *before, const cm_identity_home *home)
{
    for (size_t i = 0; before != NULL && i < before->who.home_count; i++)
        if (cm_home_id_equal(&before->who.homes[i].home, &home->home))
            return is_same_hold(&before->who.homes[i].suspension, &home->suspension);
    return false;
}

/* Whether a home is held off: at first, and when it is otherwise than before. */
static void tell_homes(cm_event_stream *s, const view *before)
{
    for (size_t i = 0; i < s->view->who.home_count; i++) {
        const cm_identity_home *home = &s->view->who.homes[i];
        if ((s->has_home && !cm_home_id_equal(&home->home, &s->home)) || was_told(before, home))
            continue;
        send_event(s, "home",
                   json_pack("{s:s, s:o}", "home", home->home.text, "suspended",
                             cm_suspension_json(&home->suspension)));
    }
}

static void work_look(cm_job *job)
{
    cm_event_stream *s = CM_HOLDER(job, cm_event_stream, job);
    s->status = look(s, s->next_view);
}

static void look_soon(cm_event_stream *s);

/* Looks again when hours begin or end, and once a minute before: the clock may be set. */
static void on_boundary(cm_timer *timer)
{
    cm_event_stream *s = CM_HOLDER(timer, cm_event_stream, boundary);
    look_soon(s);
}

static void wait_for_boundary(cm_event_stream *s)
{
    const cm_wall next = next_boundary(s->view);
    const int64_t wait = next.us - cm_loop_wall(s->api->config.loop).us + CM_MS(1);
    if (next.us == INT64_MAX)
        cm_timer_stop(&s->boundary);
    else
        cm_timer_start(&s->boundary, wait < CM_MS(1)         ? CM_MS(1)
                                     : wait < CM_SECONDS(60) ? wait
                                                             : CM_SECONDS(60));
}

static void done_look(cm_job *job)
{
    cm_event_stream *s = CM_HOLDER(job, cm_event_stream, job);
    s->is_looking = false;
    view *fresh = s->next_view;
    s->next_view = NULL;
    if (s->request == NULL || s->status != CM_OK) {
        view_free(fresh);
        if (s->request != NULL)
            cm_http_reset(s->request, false);
        stream_leave(s);
        return;
    }
    view *before = s->view;
    s->view = fresh;
    /* Within these the stream may end for want of a reader; it is kept until they are through. */
    s->is_looking = true;
    if (fresh->is_somebody) {
        tell_homes(s, before);
        tell_gone(s, before);
    } else {
        end_session(s);
    }
    view_free(before);
    s->is_looking = false;
    if (s->request == NULL) {
        stream_free(s);
        return;
    }
    wait_for_boundary(s);
    ask_statuses(s->api, fresh);
    if (s->look_again)
        look_soon(s);
}

static void look_soon(cm_event_stream *s)
{
    s->look_again = s->is_looking;
    if (s->is_looking)
        return;
    s->next_view = calloc(1, sizeof *s->next_view);
    s->job = (cm_job){.work = work_look, .done = done_look};
    s->is_looking = true;
    if (s->next_view != NULL && cm_loop_submit(s->api->config.loop, &s->job) == CM_OK)
        return;
    /* Not knowing what may be told, nothing is: the client connects again. */
    s->is_looking = false;
    view_free(s->next_view);
    s->next_view = NULL;
    cm_http_reset(s->request, false);
    stream_leave(s);
}

/* ---- what is told ---- */

void cm_api_camera_changed(cm_api *api, const cm_camera_status *status)
{
    CM_LIST_EACH(&api->event_streams, node, next)
    {
        cm_event_stream *s = CM_HOLDER(node, cm_event_stream, node);
        const told t = find_camera(s->view, &status->key, cm_loop_wall(api->config.loop));
        if (t.camera == NULL || s->request == NULL)
            continue;
        const bool is_owner =
            cm_role_may(cm_who_role(&s->view->who, &status->key.home), CM_PERMISSION_OWNER);
        send_event(s, "camera", cm_camera_json(&t.camera->camera, status, 0, &t.view, is_owner));
    }
}

void cm_api_home_changed(cm_api *api, const cm_home_id *home)
{
    CM_LIST_EACH(&api->event_streams, node, next)
    {
        cm_event_stream *s = CM_HOLDER(node, cm_event_stream, node);
        const bool concerns =
            home->text[0] == '\0' || !s->has_home || cm_home_id_equal(home, &s->home);
        if (s->request != NULL && concerns)
            look_soon(s);
    }
}

/* "sound" of one who hears and does not see by the same session. */
static const char *stream_name(uint32_t streams)
{
    if ((streams >> CM_STREAM_MAIN & 1) == 1)
        return "main";
    return (streams >> CM_STREAM_SUB & 1) == 1 ? "sub" : "sound";
}

static json_t *viewers_json(const cm_camera_key *camera, const cm_watching *viewers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const bool hears = (viewers[i].streams >> CM_STREAM_SOUND & 1) == 1;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "account",
                                              viewers[i].account.text, "link", viewers[i].link,
                                              "name", viewers[i].account_name, "stream",
                                              stream_name(viewers[i].streams), "sound", hears,
                                              "since", cm_time_json(viewers[i].since)));
    }
    return json_pack("{s:s, s:s, s:o}", "home", camera->home.text, "id", camera->camera.text,
                     "viewers", list);
}

void cm_api_viewers_changed(cm_api *api, const cm_camera_key *camera, const cm_watching *viewers,
                            size_t count)
{
    CM_LIST_EACH(&api->event_streams, node, next)
    {
        cm_event_stream *s = CM_HOLDER(node, cm_event_stream, node);
        const told t = find_camera(s->view, camera, cm_loop_wall(api->config.loop));
        if (s->request != NULL && t.camera != NULL && t.view.rights != 0)
            send_event(s, "viewers", viewers_json(camera, viewers, count));
    }
}

/* ---- beginning and end ---- */

void cm_route_events(cm_call *call)
{
    static const cm_http_field FIELDS[] = {
        {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"text/event-stream", 17}},
        {{(const uint8_t *)"cache-control", 13}, {(const uint8_t *)"no-store", 8}},
    };
    cm_event_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    *s = (cm_event_stream){.api = call->api, .asker = call->asker};
    s->has_home = cm_call_home_asked(call, &s->home) == CM_OK;
    cm_buffer_init(&s->unsent, UNSENT_MAX);
    cm_timer_init(&s->ping, call->api->config.loop, on_ping);
    cm_timer_init(&s->boundary, call->api->config.loop, on_boundary);
    cm_timer_start(&s->ping, CM_SECONDS(PING_SECONDS));
    cm_list_add_last(&call->api->event_streams, &s->node);
    s->request = cm_call_release(call);
    cm_http_watch(s->request, &STREAM_EVENTS, s);
    if (cm_http_begin(s->request, 200, FIELDS, CM_COUNT(FIELDS)) != CM_OK)
        return; /* on_gone follows */
    char now[CM_TIME_TEXT_SIZE];
    send_event(
        s, "hello",
        json_pack("{s:s}", "server_time", cm_time_text(cm_loop_wall(s->api->config.loop), now)));
    if (s->request != NULL)
        look_soon(s);
}

void cm_event_streams_end(cm_api *api)
{
    CM_LIST_EACH(&api->event_streams, node, next)
    {
        cm_event_stream *s = CM_HOLDER(node, cm_event_stream, node);
        if (s->request != NULL)
            cm_http_reset(s->request, false);
        stream_leave(s);
    }
}
