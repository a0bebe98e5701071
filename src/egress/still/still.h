/*
 * still: JPEG stills of newest keyframes, made by casement-helper, kept and handed out sealed. The
 * server links no codec.
 *
 * A job: the sealed keyframe, a one-shot right to open it (by the asking viewer's lease) and a
 * one-shot right to seal one still of the same camera (media/delegate.h), the wanted width. The
 * helper opens, decodes, scales, encodes, seals. What comes back is a sealed object that only a
 * lease of that camera opens. One process serves one home only and is started at its first job; it
 * is restarted when it dies (with back-off), ended when idle for 60 s, killed when a job takes over
 * 3 s.
 *
 * The newest still per camera, stream and width is kept sealed, so that a second viewer of the same
 * keyframe costs one opening.
 *
 * Threads: one service per loop, serving the cameras whose sources live there. Requests come on
 * that loop.
 */
#pragma once

#include "media/source.h"

typedef struct cm_still_service cm_still_service;

typedef struct cm_still_config {
    cm_loop *loop;
    const char *helper_path; /* NULL: casement-helper beside this executable */
    size_t processes_max;    /* 0 means 16; more homes than that wait */
    size_t cache_bytes_max;  /* 0 means 32 MiB */
    int64_t patience_us;     /* how long a request may wait for its turn; 0 means 10 s */
    int64_t job_us;          /* how long a process may take for a job; 0 means 3 s */
    void (*on_alarm)(void *owner, const cm_camera_key *camera,
                     cm_refusal refusal); /* may be NULL */
    void *owner;
} cm_still_config;

cm_status cm_still_service_create(const cm_still_config *config, cm_still_service **out);
void cm_still_service_destroy(
    cm_still_service *service); /* pending requests hear CM_BROKEN; NULL is fine */

/* Starts the process of a home ahead of its first job, if there is room for one. */
cm_status cm_still_service_warm(cm_still_service *service, const cm_home_id *home);

enum { CM_STILL_WIDTH_MIN = 64, CM_STILL_WIDTH_MAX = 3840 };

/*
 * On success `still` is a sealed frame of kind CM_OBJECT_STILL with one hold by this loop that the
 * callback takes; `cursor` is where the same lease opens it (fan-out with this cursor). CM_ABSENT:
 * there is no keyframe. CM_FOREIGN: the lease does not admit it. CM_FULL: too many jobs. CM_BROKEN:
 * the helper could not decode it or died. Never inside the call.
 */
typedef void cm_still_done(void *owner, cm_status status, cm_frame *still, const cm_cursor *cursor);

typedef struct cm_still_request cm_still_request;

/* `lease` is borrowed until the answer. width 0: the picture's own. */
cm_status cm_still_ask(cm_still_service *service, cm_source *source, cm_stream stream,
                       const cm_lease *lease, unsigned width, cm_still_done *done, void *owner,
                       cm_still_request **out);
void cm_still_cancel(cm_still_request *request); /* the answer will not come; NULL is fine */
/* A camera is gone, or its keys turned: its stills are forgotten. */
void cm_still_forget(cm_still_service *service, const cm_camera_key *camera);

typedef struct cm_still_counters {
    uint64_t asked, from_cache, made, failed, helper_starts, helper_deaths, refused;
    size_t processes, cached_bytes;
} cm_still_counters;
void cm_still_read_counters(const cm_still_service *service, cm_still_counters *out);
