/*
 * rtc_sdp: what watching (WHEP) and publishing (WHIP, RFC 9725) by WebRTC have in common: a session
 * of net/rtc.h made of an offer, the answer that describes it, its own address, to which fragments
 * go by PATCH and which ends by DELETE. What is negotiated for the media is theirs.
 *
 * A session belongs to whoever opened it: another person's, another token's, another camera's does
 * not exist. It lives on one loop for life, which the first character of its id tells.
 */
#pragma once

#include "api/api_priv.h"
#include "proto/sdp/answer.h"

enum { CM_RTC_DETAIL_SIZE = 256 };

/* What is made on the way from offer to answer; too large for a stack. */
typedef struct cm_rtc_negotiation {
    cm_sdp_offer offer;
    cm_sdp_answer answer;
    cm_sdp_candidate candidates[CM_RTC_CANDIDATES_MAX];
    char hosts[CM_RTC_CANDIDATES_MAX][CM_ADDRESS_TEXT_SIZE];
    char related[CM_RTC_CANDIDATES_MAX][CM_ADDRESS_TEXT_SIZE];
    char foundations[CM_RTC_CANDIDATES_MAX][12];
} cm_rtc_negotiation;

/* The session's place in HTTP and in SDP. Embedded in its owner. */
typedef struct cm_rtc_place {
    cm_api *api; /* of the loop that it lives on */
    char id[CM_ID_SIZE];
    char etag[CM_ID_SIZE]; /* of the ICE session: another one after a restart */
    cm_asker asker;
    cm_camera_key camera;
    char remote_ufrag[CM_ICE_REMOTE_UFRAG_MAX + 1]; /* of the present ICE session */
    cm_rtc_session *rtc;
} cm_rtc_place;

void cm_rtc_place_init(cm_rtc_place *place, cm_api *api, const cm_asker *asker,
                       const cm_camera_key *camera);
/* Is it the one that the request's path names, and the asker's own? */
bool cm_rtc_place_is_asked(const cm_rtc_place *place, const cm_call *call);

/* ---- negotiating ---- */

/* All m-lines rejected at first. CM_REFUSE: `detail` says where the offer is wrong, or that
 * neither agent would check. */
cm_status cm_rtc_negotiation_begin(cm_rtc_negotiation *n, const cm_rtc_place *place, cm_slice offer,
                                   char detail[CM_RTC_DETAIL_SIZE]);
/* When what is wanted was accepted: makes place->rtc and writes the answer. CM_FULL: too many
 * sessions. */
cm_status cm_rtc_negotiation_finish(cm_rtc_negotiation *n, cm_rtc_place *place,
                                    const cm_rtc_events *events, void *owner, cm_buffer *answer);

/* A trickled fragment: with other credentials of the peer's it is a restart, and *answer gets ours
 * (else it stays empty). CM_REFUSE as above. */
cm_status cm_rtc_place_take_fragment(cm_rtc_place *place, cm_slice fragment, cm_buffer *answer,
                                     char detail[CM_RTC_DETAIL_SIZE]);

/* 201 with the answer; `kind` is the path's word, "whep" or "whip". */
void cm_rtc_place_respond(const cm_rtc_place *place, const char *kind, cm_http_request *request,
                          cm_slice answer);

/* ---- GET, PATCH and DELETE (rtc_change.c) ---- */

typedef struct cm_rtc_kind {
    /* The session that the call asks for, on the loop of `there`, or NULL. */
    cm_rtc_place *(*find)(cm_api *there, const cm_call *call);
    /* Ends it in order: the peer is told. */
    void (*end)(cm_rtc_place *place);
    cm_call_fault gone; /* there is none */
} cm_rtc_kind;

/* `describe` runs on the session's loop. */
void cm_rtc_read(cm_call *call, const cm_rtc_kind *kind,
                 json_t *(*describe)(const cm_rtc_place *place));
void cm_rtc_change(cm_call *call, const cm_rtc_kind *kind);
void cm_rtc_end(cm_call *call, const cm_rtc_kind *kind);
