/*
 * Looking by a guest link. Its secret comes once, in a body, and is exchanged for the token of a
 * look, in a cookie of its own that no other route reads (dispatch.c). What it shows is the camera
 * that the link is for: no address here names one. Whether it shows it is decided by grants, from
 * evidence, as for everybody.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/guests.h"

static const cm_call_fault NO_LINK = {404,
                                      "no-such-link",
                                      "No such link",
                                      "This link is over, was taken back, or never was one. Ask "
                                      "whoever sent it to you for another.",
                                      NULL,
                                      0};

/* ---- what it shows ---- */

typedef struct looking {
    cm_guest_ask ask; /* borrows from the call's body and from user_agent */
    cm_guest_answer answer;
    char user_agent[CM_USER_AGENT_MAX + 1];
    cm_evidence evidence;
    cm_stored_camera camera;
} looking;

static void free_looking(void *data)
{
    cm_secret_wipe(data, sizeof(looking));
    free(data);
}

/* NULL: a problem was answered. */
static looking *begin(cm_call *call)
{
    looking *l = calloc(1, sizeof *l);
    if (l == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    call->data = l;
    call->free_data = free_looking;
    return l;
}

/* The camera's name, and times: of home, maker and other cameras nothing. */
static json_t *look_json(const looking *l, cm_wall from, cm_wall until, cm_wall now)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:o}", "camera", l->camera.name, "has_sub",
                     (int)(l->camera.sub[0] != '\0'), "from", cm_time_json(from), "until",
                     cm_time_json(until), "now", cm_time_json(now));
}

static void read_look(cm_call *call)
{
    looking *l = call->data;
    const cm_camera_key *camera = &call->who.guest.camera;
    cm_store *store = call->api->config.store;
    call->status =
        cm_store_evidence(store, &call->asker, camera, cm_loop_wall(call->api->config.loop),
                          &l->evidence, &call->cause);
    if (call->status == CM_OK)
        call->status = cm_store_camera_find(store, camera, &l->camera);
}

static void answer_look(cm_call *call)
{
    const looking *l = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-link");
        return;
    }
    const cm_grant_facts facts = cm_grant_facts_of(&l->evidence);
    const cm_moment at = cm_zone_at(l->evidence.zone, now);
    if (!cm_grant_decide(&facts, &at, CM_RIGHT_VIEW).is_allowed) {
        cm_call_problem(call, &NO_LINK);
        return;
    }
    const cm_guest *guest = &l->evidence.guest;
    cm_call_json(call, 200, look_json(l, guest->from, guest->until, now));
}

void cm_route_look(cm_call *call)
{
    if (begin(call) != NULL)
        cm_call_read(call, read_look, answer_look);
}

/* ---- opening ---- */

static void open_link(cm_call *call)
{
    looking *l = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    cm_guests_open(call->api->config.identity, &l->ask, now, &l->answer);
    call->status = l->answer.status;
    if (call->status == CM_OK)
        call->status =
            cm_store_camera_find(call->api->config.store, &l->answer.link.camera, &l->camera);
}

/* Early: what there will be to see, and when, but no token yet. */
static void answer_opened(cm_call *call)
{
    looking *l = call->data;
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    cm_guests_tried(call->api->config.identity, &l->ask, l->answer.status,
                    cm_loop_now(call->api->config.loop));
    if (call->status == CM_ABSENT) {
        cm_call_problem(call, &NO_LINK);
        return;
    }
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-link");
        return;
    }
    const cm_stored_guest_link *link = &l->answer.link;
    const int64_t left_us = link->until.us - now.us;
    if (l->answer.how == CM_GUEST_OPENED)
        cm_call_set_look_cookie(call, l->answer.token.text,
                                left_us < CM_GUEST_LOOK_US ? left_us : CM_GUEST_LOOK_US);
    json_t *json = look_json(l, link->from, link->until, now);
    json_object_set_new(json, "is_open", json_boolean(l->answer.how != CM_GUEST_EARLY));
    cm_call_json(call, l->answer.how == CM_GUEST_OPENED ? 201 : 200, json);
}

void cm_route_look_open(cm_call *call)
{
    looking *l = begin(call);
    if (l == NULL || !cm_call_text(call, "secret", true, &l->ask.secret))
        return;
    const cm_slice device = cm_slice_part(cm_call_user_agent(call), 0, CM_USER_AGENT_MAX);
    cm_slice_copy(device, l->user_agent, sizeof l->user_agent);
    l->ask.user_agent = cm_slice_of(l->user_agent);
    l->ask.from = cm_call_peer(call);
    l->ask.has_look = cm_call_look(call, l->ask.look_hash);
    cm_identity_answer answer = {.status = CM_RETRY,
                                 .cause = "too-many-tries",
                                 .detail = "Too many tries: wait before the next one."};
    if (cm_guests_may_try(call->api->config.identity, &l->ask, cm_loop_now(call->api->config.loop),
                          &answer.wait_us) == CM_OK)
        cm_call_write(call, open_link, answer_opened);
    else
        cm_call_identity_failed(call, &answer);
}

/* ---- pictures: the handlers of everybody, for the one camera ---- */

static void copy_id(const char from[CM_ID_SIZE], char to[CM_ID_SIZE])
{
    cm_slice_copy(cm_slice_over(from, CM_ID_SIZE), to, CM_ID_SIZE);
}

/* As if the address had named the link's camera before what it names. */
static void name_camera(cm_call *call)
{
    const cm_camera_key *camera = &call->who.guest.camera;
    call->home = camera->home;
    copy_id(call->parameters.ids[0], call->parameters.ids[1]);
    copy_id(camera->camera.text, call->parameters.ids[0]);
}

void cm_route_look_live(cm_call *call)
{
    name_camera(call);
    cm_route_live(call);
}

void cm_route_look_still(cm_call *call)
{
    name_camera(call);
    cm_route_still(call);
}

void cm_route_look_whep(cm_call *call)
{
    name_camera(call);
    cm_route_whep(call);
}

void cm_route_look_whep_change(cm_call *call)
{
    name_camera(call);
    cm_route_whep_change(call);
}

void cm_route_look_whep_end(cm_call *call)
{
    name_camera(call);
    cm_route_whep_end(call);
}
