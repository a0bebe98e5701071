/*
 * rtsp: an RTSP 1.0 server (RFC 2326) for programs that take cameras by it: recorders, home
 * automation, players. One pull of a camera serves all of them.
 *
 * A connection is one viewer of one camera: rtsp://HOST:PORT/HOME/CAMERA is its main stream, with
 * /sub behind it the sub stream. RTP goes in the connection itself (10.12), never by UDP: nothing
 * is sent to an address that did not ask, and the cut is the end of a connection. The granules of
 * an opened frame are RTP payloads as they stand (media/frame.h); what is made for each viewer is
 * the 16 bytes before them. Sound is told as it comes from the camera.
 *
 * Who asks is a token, given as the password of Basic credentials (RFC 7617). Whether it opens
 * anything is the owner's to find out (on_ask), who hands over a lease or refuses. Digest is not
 * offered: it needs a secret that can be computed with, and of tokens there are hashes only.
 *
 * Joining. DESCRIBE waits for the newest keyframe, as the description is made of its parameter
 * sets; PLAY begins with the newest one then, and with all that followed it. Timestamps are the
 * pictures' own times, also of those that are old already: a recording has everything where it was.
 *
 * A slow viewer. At most 32 KB wait in the kernel; he keeps a sealed frame and an offset, and goes
 * on at the newest keyframe when he was away for longer than the ring reaches back. One whose
 * connection takes nothing for 30 s is let go.
 *
 * Life: a server per loop, made and destroyed on it. Threads: all on one loop.
 */
#pragma once

#include "media/hub.h"
#include "net/net.h"
#include "net/tls.h"

typedef struct cm_rtsp_server cm_rtsp_server;
typedef struct cm_rtsp_viewer cm_rtsp_viewer;

enum {
    CM_RTSP_LISTENERS_MAX = 2,
    CM_RTSP_TOKEN_MAX = 255,       /* bytes of a password */
    CM_RTSP_WRONG_MAX = 4,         /* refused credentials; then the connection ends */
    CM_RTSP_STRANGER_S = 10,       /* from the connection to credentials that are right */
    CM_RTSP_IDLE_S = 30,           /* from then to PLAY */
    CM_RTSP_FIRST_FRAME_S = 8,     /* that DESCRIBE waits for a picture; then 503 */
    CM_RTSP_FIRST_SOUND_MS = 1000, /* and behind it for sound that the camera is known to make */
    CM_RTSP_STALL_S = 30,          /* that a connection may take nothing */
};

typedef struct cm_rtsp_ask {
    cm_slice token; /* borrowed for the call; a secret */
    cm_camera_key camera;
    cm_stream stream; /* main or sub */
} cm_rtsp_ask;

typedef enum cm_rtsp_refusal {
    CM_RTSP_WHO,  /* 401: the token is none, or is over */
    CM_RTSP_NONE, /* 404: there is no such camera, or not for this token */
    CM_RTSP_BUSY, /* 503: too many at once */
} cm_rtsp_refusal;

typedef struct cm_rtsp_events {
    /*
     * Somebody asks for a camera. CM_OK: *guest is what the following events name, and later, not
     * inside this call, comes cm_rtsp_viewer_admit() or cm_rtsp_viewer_refuse(). CM_REFUSE: the
     * token is none. CM_FULL: too many.
     */
    cm_status (*on_ask)(void *owner, cm_rtsp_viewer *viewer, const cm_rtsp_ask *ask, void **guest);
    /* The lease is over: get another and call cm_rtsp_viewer_renew(). */
    void (*on_stale)(void *guest);
    /* He left, or asks for another camera: nothing follows, and the viewer is not to be called for
     * this guest any more. Not said after a refusal or a cut. */
    void (*on_gone)(void *guest);
} cm_rtsp_events;

typedef struct cm_rtsp_listener_config {
    cm_address address; /* port 0: any free one */
    cm_tls *tls;        /* NULL: plain */
    /* Plain on an address that others reach: tokens and pictures can be read on the way. CM_REFUSE
     * without this. */
    bool is_plain_allowed;
} cm_rtsp_listener_config;

typedef struct cm_rtsp_limits {
    size_t connections_max;       /* 0 means 1,024 */
    size_t strangers_max;         /* of those nobody has admitted yet; 0 means 128 */
    size_t strangers_address_max; /* of those of one address (IPv6: /64); 0 means 16 */
} cm_rtsp_limits;

typedef struct cm_rtsp_config {
    cm_net *net;
    cm_hub *hub;
    cm_rtsp_listener_config listeners[CM_RTSP_LISTENERS_MAX];
    size_t listener_count;
    bool is_shared; /* SO_REUSEPORT: the same on every loop */
    cm_rtsp_limits limits;
    const cm_rtsp_events *events;
    void *owner;
} cm_rtsp_config;

/* CM_REFUSE: an address is in use, not ours, or plain where it may not be. */
cm_status cm_rtsp_server_create(const cm_rtsp_config *config, cm_rtsp_server **out);
/* Ends all connections; on_gone comes for each guest. NULL is fine. */
void cm_rtsp_server_destroy(cm_rtsp_server *server);
cm_address cm_rtsp_server_address(const cm_rtsp_server *server, size_t listener);

/* Takes the first lease. `is_heard`: the camera is known to make sound now; whether the viewer gets
 * it says the lease. */
void cm_rtsp_viewer_admit(cm_rtsp_viewer *viewer, cm_lease *lease, bool is_heard);
void cm_rtsp_viewer_renew(cm_rtsp_viewer *viewer, cm_lease *lease); /* takes it */
/* Instead of a first lease. The connection may ask again. */
void cm_rtsp_viewer_refuse(cm_rtsp_viewer *viewer, cm_rtsp_refusal refusal);
/* The right is gone: the connection is reset, so that queued bytes die. */
void cm_rtsp_viewer_cut(cm_rtsp_viewer *viewer);

typedef struct cm_rtsp_counters {
    uint64_t accepted;
    uint64_t connections_refused; /* too many */
    uint64_t unauthorized;        /* answers that refused credentials */
    uint64_t strangers_expired;   /* who never gave any that were right */
    uint64_t stalled;
    uint64_t cuts;
    uint64_t pictures;
    uint64_t packets; /* of pictures and sound */
    uint64_t bytes;   /* of those, with their headers */
    size_t connections;
    size_t playing;
} cm_rtsp_counters;
void cm_rtsp_read_counters(const cm_rtsp_server *server, cm_rtsp_counters *out);
