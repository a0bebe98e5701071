/*
 * rtsp_watch: the RTSP side of a viewer who looks at every picture (tests/tools/eye.h) and listens
 * to every sound (ear.h): asks, answers, and makes access units of what comes interleaved. The
 * connection is its owner's (tests/tools/peer.h).
 */
#pragma once

#include "ear.h"
#include "eye.h"

typedef struct rtsp_watch rtsp_watch;

typedef struct rtsp_watch_config {
    uint16_t port;
    const char *path;  /* "home/camera", with "/sub" behind it or not */
    const char *token; /* "": none is given */
    eye *eye;          /* stays until the watch is closed, */
    ear *ear;          /* and so does this; NULL: no sound is asked for */
    void (*send)(void *owner, cm_slice bytes);
    void (*on_answer)(void *owner, unsigned status); /* once: of PLAY, or of what was refused */
    void (*on_packet)(void *owner);                  /* of pictures or sound */
    void *owner;
} rtsp_watch_config;

/* Asks at once. */
rtsp_watch *rtsp_watch_open(const rtsp_watch_config *config);
/* Eye and ear get nothing more from it. */
void rtsp_watch_stop(rtsp_watch *w);
void rtsp_watch_close(rtsp_watch *w); /* NULL is fine */
/* What came. False: it was not RTSP; `broken` of the eye counts it. */
bool rtsp_watch_take(rtsp_watch *w, cm_slice bytes);
