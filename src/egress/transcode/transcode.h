/*
 * transcode: sound made over by casement-helper, for players that don't take it as it comes: AAC to
 * Opus for WebRTC, G.711 to FLAC for MP4. Once a camera, for all who hear it; only while somebody
 * does. The server links no codec.
 *
 * For each frame of CM_STREAM_SOUND: a one-shot right to open it, by the lease of one of those who
 * listen, and a one-shot right to seal one frame of CM_STREAM_SOUND_OPUS or _FLAC of the same
 * camera (media/delegate.h). What comes back is published at the hub like any stream, and each
 * viewer opens it under his own lease. So a lease that is over opens nothing more for anybody; the
 * sound of the others goes on by theirs, and stops when none is left.
 *
 * One process serves one home only, and in it each camera and stream has a lane of its own
 * (helper/transcode.h). It is started with the home's first listener, restarted when it dies (with
 * back-off), ended a few seconds after the last has left, killed when a frame takes over 3 s. What
 * it does not take in time is left out and counted; pictures never wait for it.
 *
 * Threads: one service a loop, for the cameras whose sources live there; all on that loop.
 */
#pragma once

#include "base/list.h"
#include "media/source.h"

typedef struct cm_transcode_service cm_transcode_service;

typedef struct cm_transcode_service_config {
    cm_loop *loop;
    const char *helper_path; /* NULL: casement-helper beside this executable */
    size_t processes_max;    /* 0 means 16; the listeners of more homes wait */
    /* A job or an answer that did not fit: nothing came of it. May be NULL. */
    void (*on_alarm)(void *owner, const cm_camera_key *camera, cm_refusal refusal);
    void *owner;
} cm_transcode_service_config;

cm_status cm_transcode_service_create(const cm_transcode_service_config *config,
                                      cm_transcode_service **out);
/* After its cameras. NULL is fine. */
void cm_transcode_service_destroy(cm_transcode_service *service);

typedef struct cm_transcode_counters {
    uint64_t given;   /* frames to a helper */
    uint64_t made;    /* frames published */
    uint64_t failed;  /* could not be made over, or the helper died over them */
    uint64_t dropped; /* the helper was not there, or behind */
    uint64_t refused; /* did not fit: alarms */
    uint64_t helper_starts, helper_deaths;
    size_t processes;
    size_t listeners;
} cm_transcode_counters;
void cm_transcode_read_counters(const cm_transcode_service *service, cm_transcode_counters *out);

/* ---- a camera ---- */

typedef struct cm_transcode cm_transcode;

typedef struct cm_transcode_config {
    cm_transcode_service *service;
    cm_hub *hub;
    cm_camera_key camera;
    void (*on_want_sealers)(void *owner, uint64_t epoch); /* as of cm_source_config */
    void *owner;
} cm_transcode_config;

cm_status cm_transcode_create(const cm_transcode_config *config, cm_transcode **out);
/* Its ears are let go. NULL is fine. */
void cm_transcode_destroy(cm_transcode *transcode);

/* Takes the sealer, also on failure. CM_ABSENT: not of a stream that is made here. */
cm_status cm_transcode_take_sealer(cm_transcode *transcode, cm_stream stream, cm_sealer *sealer);
/* A frame of CM_STREAM_SOUND was published: `sound` is its source. Not inside a subscription's
 * events. */
void cm_transcode_feed(cm_transcode *transcode, const cm_source *sound);

/* ---- those who listen ---- */

/* One of them, embedded in its owner: private. Zero: it listens to nothing. */
typedef struct cm_transcode_ear {
    cm_list node;
    cm_transcode *at; /* NULL: nowhere (any more) */
    cm_stream stream;
    cm_lease *lease; /* to open CM_STREAM_SOUND with */
} cm_transcode_ear;

/* Takes the lease. `stream`: what is to be made. CM_ABSENT: that is not made. */
cm_status cm_transcode_listen(cm_transcode *transcode, cm_transcode_ear *ear, cm_stream stream,
                              cm_lease *lease);
void cm_transcode_renew(cm_transcode_ear *ear, cm_lease *lease); /* takes it */
void cm_transcode_leave(cm_transcode_ear *ear);
