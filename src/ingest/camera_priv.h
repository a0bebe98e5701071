/*
 * camera_priv: a camera's insides, shared by
 *   camera.c   the camera: its login, its events, the probe
 *   feed.c     one stream of it: when it connects, over what, and when it tries again
 *   push.c     one stream whose pictures are brought
 *   publish.c  one stream's access units into its source
 *   sound.c    the camera's sound into its source, whichever session has it
 *   talk.c     what is said to the camera
 */
#pragma once

#include "ingest/camera.h"
#include "ingest/gate.h"
#include "ingest/rtsp/client.h"
#include "ingest/rtsp/clock.h"
#include "ingest/talk.h"

typedef enum cm_feed_phase {
    CM_FEED_OFF,     /* nobody wants it, or there is no such stream */
    CM_FEED_QUEUED,  /* waits for its turn to connect */
    CM_FEED_RUNNING, /* has a client */
    CM_FEED_RESTING, /* until it tries again */
    CM_FEED_PHASES,
} cm_feed_phase;

/* One stream of a camera. */
typedef struct cm_feed {
    cm_camera *camera;
    cm_stream which;
    cm_stream_status *status; /* the camera's */
    char *address;            /* NULL: no such stream */
    bool is_pushed;           /* has no address all the same */
    cm_source *source;        /* NULL if there is no such stream */

    cm_camera_push *push; /* push.c; NULL: nobody brings pictures */

    /* feed.c */
    cm_feed_phase phase;
    unsigned wants;
    cm_timer linger; /* nobody wants it any more */
    cm_timer rest;
    cm_connect_ticket ticket;
    cm_rtsp_client *client;
    cm_rtsp_client_counters past; /* of clients that are gone */
    bool is_udp;                  /* to be tried next */
    bool takes_any_port;
    bool has_flipped; /* the other transport was tried since it was live */
    bool lacks_sound; /* its last session had none */
    unsigned failures;
    cm_instant live_since;

    /* publish.c */
    cm_capture_clock clock;
    bool needs_keyframe;
    bool has_keyframe; /* one was published in this session */
    uint32_t sets_generation;
    cm_instant measured; /* since when the two below count */
    uint64_t measured_frames;
    uint64_t measured_bytes;
} cm_feed;

/* What a camera sounds like. */
typedef struct cm_camera_sound {
    cm_source *source;
    cm_capture_clock clock;
    cm_media_time last_media;
    const cm_feed *from; /* whose session it comes from; NULL: none now */
    cm_instant last_frame;
    unsigned wants;
    cm_feed *wanted_from; /* that is wanted for it; NULL: none */
} cm_camera_sound;

/* What is said to a camera. */
typedef struct cm_camera_talking {
    cm_camera_talk *speaker; /* has the floor; NULL: nobody */
    bool has_spoken;         /* he was heard since he began */
    cm_timer silence;        /* his */
    cm_timer tell;           /* him of a change */
    cm_connect_ticket ticket;
    cm_rtsp_client *client; /* NULL: no session */
    cm_timer linger;        /* nobody spoke for so long: the session ends */
    cm_instant next_try;    /* not before */
} cm_camera_talking;

struct cm_camera {
    cm_camera_config config; /* its login is not used: see below */
    cm_camera_status status;
    cm_feed feeds[CM_PICTURE_STREAMS];
    cm_camera_sound sound;
    cm_camera_talking talking;
    char *user;             /* never NULL */
    char *password;         /* never NULL; wiped */
    cm_timer status_timer;  /* tells of a change, outside of anybody's call */
    cm_timer measure_timer; /* each second while something is live */
    /* A probe's. */
    void (*on_done)(void *owner, const cm_camera_status *status);
    bool is_done;
    cm_timer limit_timer;
};

/* ---- camera.c ---- */

/* Something in its status changed. */
void cm_camera_changed(cm_camera *camera);
/* What its sources ask for; the camera is their owner. */
void cm_camera_want_sealers(void *owner, uint64_t epoch);

/* ---- feed.c ---- */

void cm_feed_init(cm_feed *feed, cm_camera *camera, cm_stream which);
/* Connects or ends, as it is wanted. */
void cm_feed_review(cm_feed *feed);
/* Ends its session, if it has one, and forgets its failures. */
void cm_feed_stop(cm_feed *feed);
void cm_feed_want(cm_feed *feed, bool is_wanted);
void cm_feed_set_state(cm_feed *feed, cm_camera_state state, cm_camera_cause cause,
                       const char *detail);
/* A picture came. */
void cm_feed_note_picture(cm_feed *feed);
bool cm_feed_phase_may_turn(cm_feed_phase from, cm_feed_phase to);

/* ---- push.c ---- */

/* Whoever brings pictures is told that it is over. */
void cm_feed_drop_push(cm_feed *feed);

/* ---- publish.c ---- */

void cm_publish_begin(cm_feed *feed); /* a session begins */
void cm_publish_unit(cm_feed *feed, const cm_ingest_unit *unit);
/* Brings rates and counters in the status up to date; true if anything changed. */
bool cm_publish_measure(cm_feed *feed);

/* ---- sound.c ---- */

cm_status cm_sound_create(cm_camera *camera);
void cm_sound_destroy(cm_camera *camera);
void cm_sound_put(cm_feed *feed, const cm_ingest_sound *sound);
/* The feed's session plays, or something about its sound changed since. */
void cm_sound_review(cm_feed *feed);
/* The feed's session is over. */
void cm_sound_end(cm_feed *feed);
void cm_sound_want(cm_camera *camera, bool is_wanted);
/* Another address or login: nothing is known of the camera. */
void cm_sound_forget(cm_camera *camera);

/* ---- talk.c ---- */

void cm_talking_init(cm_camera *camera);
/* The speaker is told that it is over; the session ends. */
void cm_talking_stop(cm_camera *camera);
/* It takes talk, or not; after its addresses are known. */
void cm_talking_set(cm_camera *camera, bool takes_talk);
