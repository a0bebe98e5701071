/* api_priv: a request under way (cm_call), and what dispatcher and handlers share. */
#pragma once

#include <jansson.h>

#include "api/api.h"
#include "base/buffer.h"
#include "base/log.h"
#include "grants/rights.h"

typedef struct cm_call cm_call;
typedef void cm_call_step(cm_call *call);

/* What media type a route takes: RFC 8259, RFC 8866, RFC 8840, RFC 4180. */
typedef enum cm_call_body {
    CM_BODY_NONE,
    CM_BODY_JSON,
    CM_BODY_SDP,
    CM_BODY_SDP_FRAGMENT,
    CM_BODY_CSV,
    CM_BODIES,
} cm_call_body;

typedef struct cm_route {
    const char *id;
    cm_http_method method;
    const char *path; /* with {names} */
    cm_permission permission;
    cm_call_body body;
    size_t body_max; /* bytes */
    cm_call_step *handler;
    const char *summary;
    bool needs_fresh; /* authenticated within CM_SESSION_FRESH_US */
} cm_route;

enum { CM_CALL_PARAMETERS = 2 };

/* {names} of a path, in order; ids. */
typedef struct cm_route_parameters {
    char ids[CM_CALL_PARAMETERS][CM_ID_SIZE];
} cm_route_parameters;

struct cm_call {
    cm_api *api;
    cm_http_request *request; /* NULL once it is finished or gone */
    const cm_route *route;
    cm_route_parameters parameters;
    json_t *body;   /* an object, or NULL */
    cm_buffer text; /* a body that is not JSON */
    bool has_asker;
    cm_asker asker;
    cm_who who; /* when has_asker and it is somebody */
    bool has_who;
    cm_home_id home;         /* when the permission concerns one */
    cm_http_field fields[2]; /* to be added to the answer */
    size_t field_count;
    char cookie[256];

    /* A step off the loop. */
    cm_job job;
    cm_task task;
    cm_call_step *work;
    cm_call_step *done;
    cm_status status; /* of the work */
    const char *cause;
    cm_identity_call *identity_call;
    cm_list node; /* in api->calls */

    /* The handler's own, freed with the call. */
    void *data;
    void (*free_data)(void *data);
    cm_change change; /* of a store operation: told to everybody when the work is done */
};

typedef struct cm_event_stream cm_event_stream;

/* When a token's use was written down last. */
typedef struct cm_recent_use {
    cm_asker asker;
    cm_instant at;
} cm_recent_use;

struct cm_api {
    cm_api_config config;
    cm_mp4_muxer *muxer;
    cm_fanout *fanout; /* for stills */
    cm_list calls;
    cm_list lives;
    cm_list wheps;
    cm_list whips;
    cm_list event_streams;
    cm_api_rtsp_ports rtsp;
    cm_recent_use recent[256];
};

/* ---- answering (respond.c): each finishes the call ---- */

void cm_call_json(cm_call *call, unsigned status, json_t *json); /* takes json */
void cm_call_empty(cm_call *call);                               /* 204 */
void cm_call_bytes(cm_call *call, const char *content_type, cm_slice body);

typedef struct cm_call_fault {
    unsigned status;
    const char *type, *title, *detail, *field;
    unsigned retry_after_s;
} cm_call_fault;
void cm_call_problem(cm_call *call, const cm_call_fault *fault);
/* With members of its own beside (RFC 9457 3.2); takes `more`. */
void cm_call_problem_with(cm_call *call, const cm_call_fault *fault, json_t *more);
/* For a failed step of ours: CM_ABSENT 404 `absent_type`, CM_REFUSE 400, CM_FULL 503, CM_FOREIGN
 * and CM_BROKEN 500 … */
void cm_call_fail(cm_call *call, cm_status status, const char *absent_type);
void cm_call_no_such_camera(cm_call *call);
void cm_call_free(cm_call *call);
/* The request lives on in another object (a stream): the call is over, the request is not. */
cm_http_request *cm_call_release(cm_call *call);

/* That a token is used is remembered, seldom, and waited for by nobody. */
void cm_api_note_use(cm_api *api, const cm_asker *asker);

/* ---- account (audit.c): in steps of cm_call_write, returns when it is durable ---- */

/* Home, who and when are the call's. */
void cm_call_record(const cm_call *call, const cm_audit_entry *what);
/* The same if call->status is CM_OK: of a camera; of somebody whom it was done to. */
void cm_call_record_camera(const cm_call *call, cm_audit_kind kind, const cm_camera_id *camera);
/* Of anything else that has an id: a passkey, an invitation, a session. */
void cm_call_record_of(const cm_call *call, cm_audit_kind kind, const char id[CM_ID_SIZE]);
void cm_call_record_person(const cm_call *call, const cm_audit_entry *what,
                           const cm_account_id *person);

/* ---- steps ---- */

/* `work` in the pool (reads), then `done` on the loop. */
void cm_call_read(cm_call *call, cm_call_step *work, cm_call_step *done);
/* `work` in the store's lane (changes). call->change is told to all before `done`. */
void cm_call_write(cm_call *call, cm_call_step *work, cm_call_step *done);
/* `work` on the control loop, then `done` on the call's loop. */
void cm_call_on_control(cm_call *call, cm_call_step *work, cm_call_step *done);
/* The same on the loop of another api of this server. */
void cm_call_on(cm_call *call, const cm_api *there, cm_call_step *work, cm_call_step *done);

/* ---- input ---- */

/* A member of the body as text. "" when absent and not required. False: a problem was answered. */
bool cm_call_text(cm_call *call, const char *member, bool is_required, cm_slice *out);
/* A member of the body that is a whole number, within bounds. */
typedef struct cm_call_number {
    const char *member;
    json_int_t least, most;
    const char *problem, *title; /* of what is none; NULL: bad-number */
} cm_call_number;
/* Absent leaves *out as it is. False: a problem was answered, which says the bounds. */
bool cm_call_whole_number(cm_call *call, const cm_call_number *asked, int64_t *out);
/* The member "days", from 1 to `most` and `days` when it is absent, as the time when they are over.
 * False: a problem was answered. */
bool cm_call_days(cm_call *call, int64_t days, int64_t most, cm_wall *over);
bool cm_call_camera(cm_call *call, size_t parameter, cm_camera_key *out);
bool cm_call_account(cm_call *call, size_t parameter, cm_account_id *out);
/* ?home= as an id: CM_ABSENT when left out; CM_REFUSE. */
cm_status cm_call_home_asked(const cm_call *call, cm_home_id *out);
bool cm_call_role(cm_call *call, cm_role *out);
bool cm_call_stream(cm_call *call, cm_stream *out);
cm_address cm_call_peer(const cm_call *call);
cm_slice cm_call_user_agent(const cm_call *call); /* "" without */
/* __Host-casement with a token, or (NULL) its end. Added to the answer. */
void cm_call_set_cookie(cm_call *call, const char *token);
/* The token of a look that the browser has. False: none. */
bool cm_call_look(const cm_call *call, uint8_t token_hash[CM_MAC_SIZE]);
void cm_call_set_look_cookie(cm_call *call, const char *token, int64_t lasts_us);
/* Finishes the call as a sign-in: the cookie, and what GET /session says. Wipe the token after. */
void cm_call_begin_session(cm_call *call, const cm_token *token);
/* False: too many tries, and answered so. */
bool cm_call_may_try(cm_call *call, const cm_address *from, cm_slice name);
/* Was our page opened under a name that passkeys can be made for? */
bool cm_passkeys_are_here(const cm_call *call, cm_passkey_site *out);
json_t *cm_passkeys_names_json(const cm_call *call);
/* Showing again who one is, when the body holds what a passkey said. */
void cm_passkey_again(cm_call *call);
/* Sends an answer of identity's that is a failure. */
void cm_call_identity_failed(cm_call *call, const cm_identity_answer *answer);

/* ---- output ---- */

enum { CM_TIME_TEXT_SIZE = 32 };
const char *cm_time_text(cm_wall wall, char out[CM_TIME_TEXT_SIZE]); /* RFC 3339, UTC, ms */
json_t *cm_time_json(cm_wall wall);                                  /* null for us == 0 */
json_t *cm_session_json(const cm_who *who);
json_t *cm_suspension_json(const cm_suspension *suspension); /* null: the home is not held off */
/* What somebody may do with a camera now, or when he may see it. */
typedef struct cm_camera_view {
    bool is_told;           /* false: to him it does not exist */
    cm_rights rights;       /* 0: not now */
    cm_grant_reason reason; /* why not now, and when next */
    cm_wall opens;
    cm_wall until; /* it may be otherwise from here on; INT64_MAX: never */
} cm_camera_view;
cm_camera_view cm_camera_view_of(const cm_who *who, const cm_granted_camera *camera,
                                 const cm_zone *zone, cm_wall now);
/* `view`: what the asker may. `is_owner`: with addresses. `status` may be NULL. */
json_t *cm_camera_json(const cm_stored_camera *camera, const cm_camera_status *status,
                       size_t viewers, const cm_camera_view *view, bool is_owner);
json_t *cm_rights_json(cm_rights rights);
json_t *cm_streams_json(uint32_t streams); /* bits 1 << cm_stream: ["main"] */

/* ---- terms of a grant, in and out (terms.c) ---- */

/* As they stand in a body: times may be of the home's clock, which is not known yet. */
typedef struct cm_terms_ask {
    cm_grant_terms terms;
    cm_slice not_before, not_after; /* empty: none */
} cm_terms_ask;
/* Members rights, days, from, to, not_before, not_after. False: a problem was answered. */
bool cm_call_terms(cm_call *call, cm_terms_ask *out);
/* With the home's zone. CM_REFUSE: *field (static) is wrong. */
cm_status cm_terms_finish(const cm_terms_ask *ask, const cm_zone *zone, cm_grant_terms *out,
                          const char **field);
/* For cm_terms_finish: says what is wrong with the field. */
void cm_call_terms_refused(cm_call *call, const char *field);
/* Adds the members to an object. */
void cm_terms_add_json(const cm_grant_terms *terms, json_t *object);
/* False: the camera is not heard now. Without an AAC configuration, which comes with the sound. */
bool cm_sound_format_of(const cm_sound_status *status, cm_sound_format *out);

/* ---- handlers, one file per resource: named by routes.h ---- */
#define CM_ROUTE(id, method, path, permission, body, body_max, summary) cm_call_step cm_route_##id;
#define CM_ROUTE_FRESH                                                  CM_ROUTE
#include "api/routes.h"
#undef CM_ROUTE
#undef CM_ROUTE_FRESH

extern const cm_route CM_ROUTES[];
extern const size_t CM_ROUTE_COUNT;

/* live.c, whep.c, whip.c, events.c: objects that outlive their call. */
void cm_lives_end(cm_api *api);
void cm_wheps_end(cm_api *api);
void cm_whips_end(cm_api *api);
void cm_event_streams_end(cm_api *api);
/* openapi.c */
json_t *cm_openapi_json(void);
