/*
 * whep: what the files of WebRTC viewing share. A viewer session of grants on one side, a WebRTC
 * session of net/ and a viewer of egress/ on the other, and the cut between them.
 *
 * WHEP (draft-ietf-wish-whep, after WHIP, RFC 9725): POST an offer, 201 with the answer; the rest
 * is api/rtc_sdp.h.
 *
 * A viewer who may speak to the camera has speech taken in by the same session. It lives on the
 * camera's own loop, so that what is said crosses no thread; the others' live where they were asked
 * for.
 */
#pragma once

#include "api/rtc_sdp.h"
#include "egress/webrtc/estimate.h"
#include "egress/webrtc/sound.h"
#include "ingest/speech.h"

/* ---- whep_audio.c: which way the lines of audio go. Pure ---- */

/* What an offer's text asks for; says nothing of whether it may be had. */
typedef struct cm_whep_wishes {
    bool hears;
    bool speaks;
} cm_whep_wishes;
cm_whep_wishes cm_whep_read_wishes(cm_slice offer);

typedef struct cm_whep_audio_terms {
    const cm_sound_format *heard; /* what may be heard; NULL: nothing */
    bool may_speak;
} cm_whep_audio_terms;

typedef struct cm_whep_audio {
    bool has_sound;
    size_t sound_line; /* of the offer's m-lines */
    uint8_t sound_type;
    bool has_speech;
    cm_speech_media speech;
} cm_whep_audio;

/*
 * Answers the lines of audio: the first that receives it gets the sound; the first that sends and
 * has PCMU or PCMA has speech taken in, by these two, which stand before all else in its answer:
 * peers send by the first. One line may be both. The others are left inactive.
 */
void cm_whep_accept_audio(const cm_sdp_offer *offer, const cm_whep_audio_terms *terms,
                          cm_sdp_answer *answer, cm_whep_audio *out);

/* What is said by the viewer (whep_talk.c). Only of those who may: most only watch. */
typedef struct cm_whep_talk {
    cm_speech speech;
    cm_camera_talk floor;
    cm_lease *lease;  /* the newest; what each packet is judged by. NULL: none came yet */
    cm_instant heard; /* when the newest packet came that could be speech, if has_heard */
    bool has_heard;
    cm_status verdict;   /* of that one */
    cm_instant asked;    /* when another lease was asked for, since the one there is was refused */
    cm_talk_state state; /* of the camera's, while he has the floor */
    cm_camera_cause cause;
    char detail[CM_CAMERA_DETAIL_SIZE];
} cm_whep_talk;

typedef struct cm_whep {
    cm_list node; /* in place.api->wheps */
    cm_rtc_place place;
    cm_stream stream;
    cm_http_request *request; /* while it waits for the first lease */
    cm_buffer offer;          /* until it is answered */
    char codec[CM_CODEC_SIZE];
    cm_webrtc_media media; /* what was negotiated */
    char mid[CM_RTP_ELEMENT_MAX + 1];
    cm_whep_wishes wishes;
    cm_rights rights; /* to hear and to speak, as they were decided on for the answer */
    bool takes_talk;  /* the camera */
    /* The sound: wished for by the offer, known of the camera, allowed, or not there. */
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
    bool is_connected;
    cm_viewer_session *session;
    cm_lease *lease; /* the newest, until there is a viewer, who takes it */
    cm_webrtc_viewer *viewer;
    cm_webrtc_sound *sound;
    cm_fleet_wish *wish;
    cm_fleet_wish *sound_wish;
    cm_fleet_ear *ear;  /* of sound that is made over */
    cm_whep_talk *talk; /* NULL: it was not answered that speech comes in */
} cm_whep;

/* ---- whep_sdp.c: from the offer to the answer ---- */

/* Reads whep->offer, makes whep->place.rtc and whep->media of it, whep->sound_media and whep->talk
 * where whep->rights allow them, and writes the answer. CM_REFUSE: `detail`, which has room for
 * CM_RTC_DETAIL_SIZE, says what is wrong. CM_ABSENT: the offer has not the codec of the stream;
 * `detail` names what both have. CM_FULL: too many sessions. CM_BROKEN without memory. */
cm_status cm_whep_answer(cm_whep *whep, const cm_rtc_events *events, cm_buffer *answer,
                         char detail[CM_RTC_DETAIL_SIZE]);

/* ---- whep_talk.c: what the viewer says ---- */

/* Speech comes in from here on, judged by the leases that cm_whep_talk_renew() brings. CM_BROKEN
 * without memory. */
cm_status cm_whep_talk_begin(cm_whep *whep, const cm_speech_media *media);
/* A copy of what is needed of it. Nothing, as the next two, unless speech is taken in. */
void cm_whep_talk_renew(cm_whep *whep, const cm_lease *lease);
/* A packet of his. */
void cm_whep_talk_rtp(cm_whep *whep, cm_slice packet);
/* He has not the floor any more. */
void cm_whep_talk_end(cm_whep *whep);
/* "speech" of the session object (docs/api.md). */
json_t *cm_whep_talk_json(const cm_whep *whep);
