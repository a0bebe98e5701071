/*
 * cause: why a stream is not live: CAUSE of docs/api.md. What a session ends with, and what people
 * are shown.
 */
#pragma once

typedef enum cm_camera_cause {
    CM_CAUSE_NONE,
    CM_CAUSE_ADDRESS_REFUSED,
    CM_CAUSE_NAME_NOT_FOUND,
    CM_CAUSE_NO_ROUTE,
    CM_CAUSE_CONNECTION_REFUSED,
    CM_CAUSE_TIMEOUT,
    CM_CAUSE_WRONG_PASSWORD,
    CM_CAUSE_NOT_FOUND,
    CM_CAUSE_NO_VIDEO,
    CM_CAUSE_CODEC_UNSUPPORTED,
    CM_CAUSE_PROTOCOL,
    CM_CAUSE_TOO_MANY_SESSIONS,
    CM_CAUSE_NO_PICTURES,
    CM_CAUSE_CLOSED,
    CM_CAUSE_PUBLISHER_LOST, /* whoever brought the pictures is not heard any more */
    CM_CAUSE_NOT_ALLOWED,    /* he may not bring them any more */
    /* Of speaking only (ingest/talk.h): */
    CM_CAUSE_TALK_REFUSED,   /* it does not know the backchannel, or gives none at this time */
    CM_CAUSE_NO_LOUDSPEAKER, /* it offers nothing that hears */
    CM_CAUSES,
} cm_camera_cause;

/* "address_refused", ...; "none". Static storage. */
const char *cm_camera_cause_name(cm_camera_cause cause);

enum { CM_CAMERA_DETAIL_SIZE = 128 };
