/* server_priv: the parts of a running server, shared by serve.c (life), follow.c (what follows a
 * change) and figures.c (/metrics). */
#pragma once

#include <pthread.h>

#include "api/api.h"
#include "net/certificate.h"
#include "net/rtc.h"
#include "net/tls.h"
#include "server/reach.h"
#include "server/serve.h"
#include "server/witness.h"

/* What one loop counted, as it was at most a second ago; kept by the control loop. */
typedef struct cm_loop_figures {
    cm_hub_counters hub;
    cm_http_counters http;
    cm_still_counters stills;
    cm_transcode_counters transcodes;
    cm_rtc_counters rtc;
    cm_rtsp_counters rtsp;
    uint64_t slow_turns;
} cm_loop_figures;

/* One loop and what lives on it. */
typedef struct cm_station {
    cm_server *server;
    unsigned index;
    cm_loop *loop;
    cm_net *net;
    cm_hub *hub;
    cm_still_service *stills;
    cm_transcode_service *transcodes;
    cm_tls *tls;
    cm_api *api;
    cm_http_server *http;
    cm_rtc_endpoint *rtc;
    cm_rtsp_server *rtsp; /* NULL: nobody wants it */
    cm_timer figures_timer;
    cm_loop_figures figures; /* control loop */
    pthread_t thread;
    bool has_thread;
} cm_station;

struct cm_server {
    cm_serve_options options;
    cm_config *config;
    size_t count;
    cm_station stations[CM_LOOPS_MAX];
    /* The same, as arrays that others want. */
    cm_loop *loops[CM_LOOPS_MAX];
    cm_net *nets[CM_LOOPS_MAX];
    cm_hub *hubs[CM_LOOPS_MAX];
    cm_still_service *stills[CM_LOOPS_MAX];
    cm_transcode_service *transcodes[CM_LOOPS_MAX];
    cm_api *apis[CM_LOOPS_MAX];

    cm_epoch_page *page;
    cm_store *store;
    cm_identity *identity;
    cm_passkeys *passkeys;
    cm_audit *audit;
    struct cm_witness *witness;
    cm_grants *grants;
    cm_fleet *fleet;
    cm_reach *reach;
    cm_certificate *certificate;
    cm_dtls_identity *rtc_identity;
    char ca_fingerprint[CM_CERTIFICATE_FINGERPRINT_SIZE];
    struct cm_follow *follow;
    struct cm_demo *demo;
    cm_wall started;
};

/* ---- follow.c: what others must do after something was committed ---- */

cm_status cm_follow_start(
    cm_server *server); /* control loop's timers: other processes' changes, who watches */
void cm_follow_stop(cm_server *server);
void cm_follow_destroy(struct cm_follow *follow); /* after the loops; NULL is fine */
/* From when grants are there until they go; no loop runs. What takes something away then reaches
 * them from the thread that committed it. */
void cm_follow_store(cm_server *server, bool is_wanted);
/* Any loop, when the operation is over: everything else that follows. */
void cm_follow_change(void *server, const cm_change *change);
void cm_follow_camera_saved(void *server, const cm_stored_camera *camera);  /* control */
void cm_follow_camera_deleted(void *server, const cm_camera_key *camera);   /* control */
void cm_follow_camera_status(void *server, const cm_camera_status *status); /* control */
/* Before the loops run: every stored camera to the fleet. */
cm_status cm_follow_load_cameras(cm_server *server);

/* ---- figures.c ---- */

void cm_figures_init(cm_station *station);
void cm_figures_start(cm_station *station); /* on its loop, or before it runs */
cm_status cm_figures_write(void *server, cm_buffer *out);
