/*
 * api: the HTTP API and the app's files. One cm_api a loop, all alike; docs/api.md says what it
 * speaks.
 *
 * A request goes: head -> route (routes.h) -> body -> who asks (store, in the pool) -> permission
 * (grants/permission.h) -> handler. Handlers never look at roles. What concerns a camera's pictures
 * is decided again, from evidence, by grants.
 *
 * Threads: belongs to its loop; cm_api_broadcast_* may be called on any loop.
 */
#pragma once

#include "audit/audit.h"
#include "base/buffer.h"
#include "devices/fleet.h"
#include "egress/mp4/mp4.h"
#include "egress/rtsp/rtsp.h"
#include "grants/permission.h"
#include "identity/identity.h"
#include "identity/passkeys.h"
#include "net/http.h"
#include "net/rtc.h"

typedef struct cm_api cm_api;

typedef struct cm_api_config {
    cm_loop *loop;
    cm_loop *control;
    cm_store *store;
    cm_identity *identity;
    cm_passkeys *passkeys;
    cm_audit *audit; /* NULL: nothing is kept, and nothing can be asked */
    cm_grants *grants;
    cm_fleet *fleet;
    cm_hub *hub;
    cm_rtc_endpoint *rtc;
    /* Of all loops, by their index: filled while they are made, and before any runs. */
    cm_api *const *apis;
    size_t api_count;
    cm_slice ca_pem;            /* borrowed; empty: own certificates, /ca.crt is absent */
    const char *ca_fingerprint; /* "AA:BB:…" or NULL */
    bool is_demo;
    /* Control loop. Writes the Prometheus text of the whole process. */
    cm_status (*write_metrics)(void *owner, cm_buffer *out);
    /* Control loop. A row of the store was added, changed or taken away: the fleet must follow. */
    void (*on_camera_saved)(void *owner, const cm_stored_camera *camera);
    void (*on_camera_deleted)(void *owner, const cm_camera_key *camera);
    /* Any loop, after a commit: what was touched. */
    void (*on_change)(void *owner, const cm_change *change);
    void *owner;
} cm_api_config;

cm_status cm_api_create(const cm_api_config *config, cm_api **out);
void cm_api_destroy(cm_api *api); /* after its HTTP server */
/* For cm_http_config.handler. */
cm_http_handler cm_api_handler(cm_api *api);

/* For cm_rtsp_config.events, with the api as their owner: who asks by RTSP is asked for by his
 * token, as requests are. The RTSP server goes before the api. */
const cm_rtsp_events *cm_api_rtsp_events(void);

/* On which ports RTSP for other programs is heard; 0: on none. Told to owners. Before its loop
 * runs. */
typedef struct cm_api_rtsp_ports {
    uint16_t plain, tls;
} cm_api_rtsp_ports;
void cm_api_set_rtsp_ports(cm_api *api, const cm_api_rtsp_ports *ports);

/* What event streams tell. All on the api's loop: post yourself there. */

/* How a camera is. Told to those who may view it. */
void cm_api_camera_changed(cm_api *api, const cm_camera_status *status);
/* Rights, sessions or cameras of a home changed (empty id: any): event streams look again who they
 * are and what they may know. */
void cm_api_home_changed(cm_api *api, const cm_home_id *home);

/* Who watches a camera now. Told to those who may view it. */
void cm_api_viewers_changed(cm_api *api, const cm_camera_key *camera, const cm_watching *viewers,
                            size_t count);
