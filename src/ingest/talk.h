/*
 * talk: speaking to a camera, through its loudspeaker.
 *
 * By an RTSP session of its own (ONVIF's backchannel), so that it never costs the pictures: opened
 * when somebody begins, kept 10 s after the last packet. What the camera wants is PCMU or PCMA;
 * speech of the other one is recoded.
 *
 * Nobody's voice comes out in a stranger's home, and nobody whose right was taken goes on speaking:
 * each packet is judged here, at the camera, by the speaker's own lease as it is at that moment.
 * One speaks at a time and has the floor: the first who comes. It is free again when he ends, or
 * was silent (nothing of his was let through) for 1 s.
 *
 * Life: a cm_camera_talk is embedded in whoever brings the speech, from begin to end or on_gone.
 * Threads: the camera's loop, all of it.
 */
#pragma once

#include "ingest/camera.h"
#include "media/seal.h"

typedef struct cm_talk_packet {
    cm_sound_codec codec; /* PCMU or PCMA, 8 kHz, mono */
    cm_slice samples;     /* at most CM_SOUND_PACKET_MS */
    uint32_t timestamp;   /* of the speaker's RTP, 8 kHz */
    bool is_first;        /* after silence: the marker bit */
} cm_talk_packet;

/* Who speaks. */
typedef struct cm_camera_talk cm_camera_talk;
struct cm_camera_talk {
    cm_camera *camera; /* private; NULL: has not the floor */
    /*
     * What became of the session that he speaks by, from begin on; in a turn of its own, and may
     * end the talk. The strings live until it returns. CM_TALK_FAILED does not take the floor: it
     * is tried again, after a pause, while he speaks.
     */
    void (*on_state)(cm_camera_talk *talk, cm_talk_state state, cm_camera_cause cause,
                     const char *detail);
    /* The floor is lost: by silence, in a turn of its own; or because the camera is gone, has
     * another address or takes no talk any more, inside a call of the camera's owner, who must not
     * be called back. `camera` is NULL by then; the talk's owner may be freed. */
    void (*on_gone)(cm_camera_talk *talk);
};

/* CM_FOREIGN: the lease is another camera's. CM_REFUSE: it is over, or has no CM_RIGHT_TALK.
 * CM_ABSENT: this camera takes no talk. CM_FULL: somebody else speaks. */
cm_status cm_camera_talk_begin(cm_camera *camera, const cm_lease *lease, cm_camera_talk *talk);
/*
 * The first two as above, of the lease as it is now: nothing is sent then. CM_ABSENT: he has not
 * the floor. CM_CLOSE: this is no packet of speech. CM_RETRY: dropped, since the session is not
 * open, or the camera does not read.
 */
cm_status cm_camera_talk_put(cm_camera_talk *talk, const cm_lease *lease,
                             const cm_talk_packet *packet);
/* Nothing if he has not the floor. on_gone is not called. */
void cm_camera_talk_end(cm_camera_talk *talk);

/* ---- the states, for tests ---- */

/* The table of allowed transitions. */
bool cm_talk_state_may_turn(cm_talk_state from, cm_talk_state to);
