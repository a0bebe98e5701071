/*
 * simcam_priv: what the files of the simulated cameras' server share. simcam.c has the wheel and
 * the cameras, session.c the connections, answer.c what is said on them, feed.c the pictures,
 * sound.c the sound, talk.c what is said to them.
 *
 * Everything lives on the loop of simcam->net.
 */
#pragma once

#include "base/buffer.h"
#include "base/list.h"
#include "proto/rtsp/auth.h"
#include "proto/rtsp/headers.h"
#include "proto/rtsp/message.h"
#include "proto/rtsp/transport.h"
#include "proto/sdp/sdp.h"
#include "simcam/picture.h"
#include "simcam/simcam.h"

enum {
    CM_SIMCAM_NAME_SIZE = 64,
    CM_SIMCAM_SLOTS = 8,              /* of a frame time: cameras are spread over them */
    CM_SIMCAM_PACKET_SIZE = 1400,     /* of an RTP payload at most */
    CM_SIMCAM_HEAD_SIZE = 4 + 12 + 3, /* interleaved, RTP, FU */
    CM_SIMCAM_PACKETS_MAX = 1024,     /* of a picture: more than its largest size can need */
    CM_SIMCAM_CLOCK_RATE = 90000,
    CM_SIMCAM_PAYLOAD_TYPE = 96,
    CM_SIMCAM_TIMEOUT_S = 60,
    CM_SIMCAM_REPORT_S = 5,
    CM_SIMCAM_BACKLOG_MAX = 1 << 20, /* bytes a viewer may be behind; then it misses pictures */
    /* A picture that was begun is kept whole: this much more may wait once. */
    CM_SIMCAM_BACKLOG_SLACK = 2 << 20,
    CM_SIMCAM_ID_SIZE = 17, /* hex text of 64 random bits */
    CM_SIMCAM_NONCE_SIZE = 33,
};

typedef struct cm_simcam_camera {
    cm_simcam *simcam;
    uint32_t number; /* from 1 */
    uint16_t code;
    char name[CM_SIMCAM_NAME_SIZE];
    const cm_scene *scenes[CM_SIMCAM_STREAMS];
    /* What each stream shows: normally its own scene; with CM_TROUBLE_PARAMETERS the other one's,
     * from the next IDR picture on. */
    const cm_scene *shown[CM_SIMCAM_STREAMS];
    cm_strip strips[CM_SIMCAM_STREAMS];   /* of the picture before */
    uint32_t counters[CM_SIMCAM_STREAMS]; /* its number */
    cm_list viewers[CM_SIMCAM_STREAMS];   /* cm_simcam_session.viewing */
    uint32_t session_count;
    cm_troubles troubles;
} cm_simcam_camera;

typedef enum cm_simcam_state {
    CM_SIMCAM_FRESH,   /* no session */
    CM_SIMCAM_READY,   /* after SETUP */
    CM_SIMCAM_PLAYING, /* after PLAY */
    CM_SIMCAM_STATES,
} cm_simcam_state;

/* The second track of a session. */
typedef struct cm_simcam_sound_track {
    bool is_set_up;
    bool has_spoken;
    bool is_reported;
    uint8_t channel;     /* of RTP over TCP */
    cm_address peers[2]; /* over UDP */
    uint32_t ssrc;
    uint16_t sequence;
    uint32_t timestamp_base;
    uint64_t next; /* frame, counted from 1970 */
    uint32_t packet_count;
    uint32_t octet_count;
    cm_instant reported;
} cm_simcam_sound_track;

typedef struct cm_simcam_session {
    cm_simcam *simcam;
    cm_list node;
    cm_tcp *tcp;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    cm_buffer out; /* what the socket did not take yet */
    char nonce[CM_SIMCAM_NONCE_SIZE];
    bool is_nonce_stale; /* told so, once */

    cm_simcam_state state;    /* changed by cm_simcam_session_enter only */
    cm_simcam_camera *camera; /* since SETUP */
    cm_simcam_stream stream;
    cm_list viewing; /* among camera->viewers while playing */
    char id[CM_SIMCAM_ID_SIZE];
    bool is_tcp;
    uint8_t channel;     /* of RTP; RTCP has the next */
    cm_address peers[2]; /* over UDP: where RTP and RTCP go */
    bool is_waiting;     /* for an IDR picture */
    uint32_t ssrc;
    uint16_t sequence;
    uint32_t timestamp_base;
    uint32_t packet_count;
    uint32_t octet_count;
    cm_instant reported; /* last sender report */
    cm_instant heard;    /* last request or RTCP */
    cm_simcam_sound_track sound;
    bool is_ear; /* the camera hears by it, and sends nothing */
} cm_simcam_session;

struct cm_simcam {
    cm_net *net;
    cm_loop *loop;
    cm_tcp_listener *listener;
    cm_udp *udp[2]; /* RTP, RTCP: shared by all sessions */
    cm_rtsp_hasher *hasher;
    cm_darkroom *darkroom;
    /* feed.c: one picture on its way to one viewer. */
    cm_buffer packets; /* datagrams */
    cm_slice parts[2 * CM_SIMCAM_PACKETS_MAX];
    cm_datagram datagrams[CM_SIMCAM_PACKETS_MAX];
    uint8_t heads[CM_SIMCAM_HEAD_SIZE * CM_SIMCAM_PACKETS_MAX];
    cm_simcam_auth auth;
    cm_slice user;
    cm_slice password;
    int32_t utc_offset_s;
    uint32_t sessions_max;
    cm_simcam_sound sound;
    const cm_sound_set *sound_set; /* of AAC and Opus */
    cm_simcam_talk talk;
    void (*on_heard)(void *owner, uint32_t number, cm_slice samples);
    void *owner;
    cm_sound_loop sound_loops[CM_TONES]; /* of G.711, made when first heard */
    uint32_t fps;
    cm_timer timer;
    cm_instant started;     /* of tick 0 */
    uint64_t tick;          /* the next one */
    uint32_t counter_first; /* of pictures, at tick 0 */
    cm_list sessions;
    cm_simcam_counters counters;
    uint32_t camera_count;
    cm_simcam_camera cameras[];
};

/* ---- session.c ---- */

void cm_simcam_accept(void *simcam, cm_tcp *tcp);
void cm_simcam_session_destroy(cm_simcam_session *session);
/* The nonce it was challenged with is old from here on. */
void cm_simcam_session_renew_nonce(cm_simcam_session *session);
/* Changes the state, keeps the lists and counts in step with it. */
void cm_simcam_session_enter(cm_simcam_session *session, cm_simcam_state state);
/* Sends parts in order, behind what waits; what is not taken is copied. CM_FULL: beyond the bound;
 * nothing was sent. CM_CLOSE: the connection is dead, but the session still there. */
cm_status cm_simcam_session_send(cm_simcam_session *session, const cm_slice *parts, size_t count);
void cm_simcam_datagrams(void *simcam, const cm_datagram *datagrams, size_t count);

/* ---- answer.c ---- */

/* Answers one request. CM_CLOSE: the connection is to be ended. */
cm_status cm_simcam_answer(cm_simcam_session *session, const cm_rtsp_message *request);

/* ---- feed.c ---- */

/* One picture time of one camera. */
void cm_simcam_feed(cm_simcam_camera *camera, uint32_t counter, cm_wall now);
/* The RTP timestamp of a moment, for this session. */
uint32_t cm_simcam_timestamp(const cm_simcam_session *session, cm_wall now);

/* ---- sound.c ---- */

/* Is it the set that this kind of sound needs? */
bool cm_simcam_sound_fits(cm_simcam_sound sound, const cm_sound_set *set);
/* The media of a description; it borrows from `fmtp`. */
void cm_simcam_sound_describe(const cm_simcam *simcam, cm_slice control, cm_writer *fmtp,
                              cm_sdp_media *out);
/* The session, which has a stream, gets its sound the same way. */
void cm_simcam_sound_set_up(cm_simcam_session *session, const cm_rtsp_transport *transport);
/* What was heard until `now`, to all viewers. */
void cm_simcam_sound_feed(cm_simcam_camera *camera, cm_wall now);

/* ---- talk.c ---- */

/* Do the cameras hear? */
bool cm_simcam_hears(const cm_simcam *simcam);
void cm_simcam_talk_describe(const cm_simcam *simcam, cm_slice control, cm_sdp_media *out);
/* An RTP packet of a session that is an ear. What is none is passed over. */
void cm_simcam_hear(cm_simcam_session *session, cm_slice packet);
