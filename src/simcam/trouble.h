/*
 * trouble: what can be made to go wrong with a simulated camera, and how a person asks for it. One
 * line is one wish:
 *
 *     cam3:stall            from here on
 *     cam3:stall@10s        in ten seconds
 *     cam3:drop=20@10s+5s   in ten seconds, for five; VALUE is the trouble's own
 *     *:close               every camera
 *     cam3:none             all of its troubles end
 *
 * Pure.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

typedef enum cm_trouble_kind {
    CM_TROUBLE_NONE,
    CM_TROUBLE_STALL, /* sessions stay, no pictures come */
    CM_TROUBLE_MUTE,  /* pictures come, but no sound */
    CM_TROUBLE_DROP,  /* VALUE per cent of packets are not sent (10) */
    CM_TROUBLE_CLOCK, /* RTP timestamps jump ahead by VALUE seconds (3600), and back at the end */
    CM_TROUBLE_PARAMETERS, /* other parameter sets and pictures in band: those of the other stream
                            */
    CM_TROUBLE_GARBAGE,    /* VALUE per cent of payloads are random bytes (50) */
    CM_TROUBLE_LIE,        /* sizes that are not so: one interleaved frame or STAP-A a picture */
    CM_TROUBLE_FLOOD,      /* each picture is sent VALUE times (20) */
    CM_TROUBLE_PASSWORD,   /* the right password is wrong */
    CM_TROUBLE_BUSY,       /* 453: too many sessions */
    CM_TROUBLE_STALE,      /* the nonce is old, once: VALUE is not used */
    CM_TROUBLE_CLOSE,      /* connections are closed, once */
    CM_TROUBLE_COUNT,
} cm_trouble_kind;

enum { CM_TROUBLE_EVERY_CAMERA = 0 };

typedef struct cm_trouble_wish {
    uint32_t camera; /* its number, from 1; or CM_TROUBLE_EVERY_CAMERA */
    cm_trouble_kind kind;
    uint32_t value;
    int64_t after_us;
    int64_t length_us; /* 0: for good */
} cm_trouble_wish;

/* CM_REFUSE for anything but a line as above; times at most 30 days. */
cm_status cm_trouble_parse(cm_slice line, cm_trouble_wish *out);
const char *cm_trouble_name(cm_trouble_kind kind);

/* The troubles of one camera, running or to come. Owner: the camera. */
enum { CM_TROUBLES_MAX = 16 };

typedef struct cm_trouble {
    cm_trouble_kind kind;
    uint32_t value;
    cm_instant from;
    cm_instant until;
    bool is_running;
} cm_trouble;

typedef struct cm_troubles {
    size_t count;
    cm_trouble list[CM_TROUBLES_MAX];
} cm_troubles;

/* CM_FULL: too many wait. `none` removes all. */
cm_status cm_troubles_add(cm_troubles *troubles, const cm_trouble_wish *wish, cm_instant now);
/* Takes those out whose time is over. Calls on_start once for each that begins. */
void cm_troubles_run(cm_troubles *troubles, cm_instant now,
                     void (*on_start)(void *owner, const cm_trouble *trouble), void *owner);
/* Is such a trouble running? *value (may be NULL) is the latest one's. */
bool cm_troubles_has(const cm_troubles *troubles, cm_trouble_kind kind, uint32_t *value);
