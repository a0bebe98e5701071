/*
 * headers: the small RTSP headers (RFC 2326 12): CSeq, Session, Public, RTP-Info, Content-Type.
 *
 * Pure: no state, any thread. Slices borrow from the value.
 */
#pragma once

#include "proto/rtsp/message.h"

/* 12.17. CM_ABSENT without one, CM_REFUSE when it is no number. */
cm_status cm_rtsp_cseq(const cm_rtsp_message *message, uint32_t *out);

typedef struct cm_rtsp_session {
    cm_slice id;
    uint32_t timeout_s; // 60 when unsaid, unreadable or 0 (12.37)
} cm_rtsp_session;
/* CM_REFUSE without an id. */
cm_status cm_rtsp_session_parse(cm_slice value, cm_rtsp_session *out);
void cm_rtsp_session_write(cm_writer *w, const cm_rtsp_session *session);

typedef enum cm_rtsp_method {
    CM_RTSP_OPTIONS,
    CM_RTSP_DESCRIBE,
    CM_RTSP_SETUP,
    CM_RTSP_PLAY,
    CM_RTSP_PAUSE,
    CM_RTSP_TEARDOWN,
    CM_RTSP_GET_PARAMETER,
    CM_RTSP_SET_PARAMETER,
    CM_RTSP_ANNOUNCE,
    CM_RTSP_RECORD,
    CM_RTSP_REDIRECT,
    CM_RTSP_METHOD_COUNT, /* also: none of these */
} cm_rtsp_method;
cm_rtsp_method cm_rtsp_method_of(cm_slice name); /* case matters (4.2) */
cm_slice cm_rtsp_method_name(cm_rtsp_method method);
/* 12.28: bit (1u << method) for each that is named. Unknown ones are passed over. */
uint32_t cm_rtsp_public_parse(cm_slice value);
void cm_rtsp_public_write(cm_writer *w, uint32_t methods);

typedef struct cm_rtsp_rtp_info { /* 12.33 */
    cm_slice url;
    bool has_seq;
    uint16_t seq;
    bool has_rtptime;
    uint32_t rtptime;
} cm_rtsp_rtp_info;
/* Takes the next stream's out of *rest. CM_ABSENT: no more. What can't be read in it is unsaid. */
cm_status cm_rtsp_rtp_info_next(cm_slice *rest, cm_rtsp_rtp_info *out);
void cm_rtsp_rtp_info_write(cm_writer *w, const cm_rtsp_rtp_info *info);

/* Is the value this type, whatever parameters follow ("application/sdp;charset=utf-8")? */
bool cm_rtsp_content_type_is(cm_slice value, cm_slice type);
