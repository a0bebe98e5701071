/*
 * whep: what the files of WebRTC viewing share. A viewer session of grants on one side, a WebRTC
 * session of net/ and a viewer of egress/ on the other, and the cut between them.
 *
 * WHEP (draft-ietf-wish-whep, after WHIP, RFC 9725): POST an offer, 201 with the answer; the rest
 * is api/rtc_sdp.h.
 */
#pragma once

#include "api/rtc_sdp.h"
#include "egress/webrtc/estimate.h"
#include "egress/webrtc/sound.h"

typedef struct cm_whep {
    cm_list node; /* in place.api->wheps */
    cm_rtc_place place;
    cm_stream stream;
    cm_http_request *request; /* until it is answered */
    cm_buffer offer;          /* likewise */
    char codec[CM_CODEC_SIZE];
    cm_webrtc_media media; /* what was negotiated */
    char mid[CM_RTP_ELEMENT_MAX + 1];
    /* The sound: wished for by the offer, known of the camera, allowed by the lease, or not there.
     */
    bool is_sound_wished;
    bool has_format; /* what the camera sounds like */
    cm_sound_format format;
    bool has_stream; /* it can be passed on, as this one */
    cm_stream sound_stream;
    bool has_sound; /* it was answered that it comes */
    cm_webrtc_sound_media sound_media;
    char sound_mid[CM_RTP_ELEMENT_MAX + 1];
    cm_webrtc_transport transport;
    cm_webrtc_estimate estimate; /* of what the path carries */
    cm_webrtc_estimator estimator;
    cm_viewer_session *session;
    cm_lease *lease; /* the newest, until there is a viewer, who takes it */
    cm_webrtc_viewer *viewer;
    cm_webrtc_sound *sound;
    cm_fleet_wish *wish;
    cm_fleet_wish *sound_wish;
    cm_fleet_ear *ear; /* of sound that is made over */
} cm_whep;

/* ---- whep_sdp.c: from the offer to the answer ---- */

/* Does the offer ask for sound at all? Says nothing of whether it may be had. */
bool cm_whep_wishes_sound(cm_slice offer);

/* Reads whep->offer, makes whep->place.rtc and whep->media of it, whep->sound_media where
 * whep->lease allows it, and writes the answer. CM_REFUSE: `detail`, which has room for
 * CM_RTC_DETAIL_SIZE, says what is wrong. CM_ABSENT: the offer has not the codec of the stream;
 * `detail` names what both have. CM_FULL: too many sessions. */
cm_status cm_whep_answer(cm_whep *whep, const cm_rtc_events *events, cm_buffer *answer,
                         char detail[CM_RTC_DETAIL_SIZE]);
