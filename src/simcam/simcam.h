/*
 * simcam: any number of simulated RTSP cameras on one listening address: main and sub stream, of
 * H.264 or H.265 each, over TCP (interleaved) and UDP, with passwords and, when asked, faults. All
 * share encoded scenes; what differs is the strip, so a camera nobody watches costs nothing and one
 * that is watched little more than its bytes.
 *
 *     rtsp://HOST:PORT/camN        main stream of camera N, from 1
 *     rtsp://HOST:PORT/camN/sub    sub stream
 *
 * RTSP 1.0 (RFC 2326): OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN. A
 * connection has one session. A SET_PARAMETER with the body "fault: WISH" (trouble.h, without the
 * camera: "fault: stall@10s") makes the addressed camera misbehave.
 *
 * A camera may have a loudspeaker: whoever asks with ONVIF's Require for its backchannel finds a
 * third track in the description, and sets up a session of that track alone.
 *
 * Life: create on a net (real or simulated) and use on its loop; destroy before the net. The scenes
 * are borrowed and outlive it.
 */
#pragma once

#include "net/net.h"
#include "simcam/scene.h"
#include "simcam/sound_loop.h"
#include "simcam/trouble.h"

typedef struct cm_simcam cm_simcam;

typedef enum cm_simcam_auth {
    CM_SIMCAM_AUTH_DIGEST, /* SHA-256 and MD5, both offered */
    CM_SIMCAM_AUTH_DIGEST_SHA256,
    CM_SIMCAM_AUTH_DIGEST_MD5,
    CM_SIMCAM_AUTH_BASIC,
    CM_SIMCAM_AUTH_NONE,
    CM_SIMCAM_AUTHS,
} cm_simcam_auth;

/* One for all cameras; each has a tone of its own (simcam/tone.h). */
typedef enum cm_simcam_sound {
    CM_SIMCAM_SOUND_NONE,
    CM_SIMCAM_SOUND_PCMU,
    CM_SIMCAM_SOUND_PCMA,
    CM_SIMCAM_SOUND_AAC,
    CM_SIMCAM_SOUND_OPUS,
    CM_SIMCAM_SOUNDS,
} cm_simcam_sound;
/* "none", "pcmu", "pcma", "aac", "opus". CM_REFUSE: another word. */
cm_status cm_simcam_sound_parse(cm_slice name, cm_simcam_sound *out);
/* It needs a cm_sound_set (simcam/sound_loop.h). */
bool cm_simcam_sound_is_encoded(cm_simcam_sound sound);

/* What all cameras want to hear. */
typedef enum cm_simcam_talk {
    CM_SIMCAM_TALK_NONE, /* nothing: the Require is passed over, as by an old camera */
    CM_SIMCAM_TALK_PCMU,
    CM_SIMCAM_TALK_PCMA,
    CM_SIMCAM_TALK_REFUSED, /* 551 to the Require */
    CM_SIMCAM_TALKS,
} cm_simcam_talk;
/* "none", "pcmu", "pcma", "refused". CM_REFUSE: another word. */
cm_status cm_simcam_talk_parse(cm_slice name, cm_simcam_talk *out);

typedef enum cm_simcam_stream { CM_SIMCAM_MAIN, CM_SIMCAM_SUB, CM_SIMCAM_STREAMS } cm_simcam_stream;

/* Borrowed for the call, but for the scenes. */
typedef struct cm_simcam_config {
    cm_address listen;     /* port 0: any free one */
    uint32_t camera_count; /* 1 to 65,535 - code_first */
    uint32_t code_first;   /* what camera 1's block code says; 0 means 1 */
    const cm_slice *names; /* of the first cameras; the others are "Camera N" */
    size_t name_count;
    cm_simcam_auth auth;
    cm_slice user; /* unless without auth */
    cm_slice password;
    /* Camera N shows scene (N - 1) modulo their number. All with the same frame rate. */
    const cm_scene *const *scenes[CM_SIMCAM_STREAMS];
    size_t scene_count;
    cm_simcam_sound sound;         /* a second track of every stream */
    const cm_sound_set *sound_set; /* of AAC and Opus; borrowed for life */
    cm_simcam_talk talk;
    /* May be NULL. Camera `number` heard this, of what it wants to hear; on the loop. */
    void (*on_heard)(void *owner, uint32_t number, cm_slice samples);
    void *owner;
    int32_t utc_offset_s;  /* of the clock on the picture */
    uint32_t sessions_max; /* at once per camera; 0 means 64 */
} cm_simcam_config;

/* CM_REFUSE: wrong config, or the address is in use or not ours. */
cm_status cm_simcam_create(cm_net *net, const cm_simcam_config *config, cm_simcam **out);
void cm_simcam_destroy(cm_simcam *simcam); /* closes all connections; NULL is fine */

cm_address cm_simcam_address(const cm_simcam *simcam); /* with its real port */

/* Applies a wish at once. CM_ABSENT: no such camera. CM_FULL: too many wait for it. */
cm_status cm_simcam_trouble(cm_simcam *simcam, const cm_trouble_wish *wish);

typedef struct cm_simcam_counters {
    uint64_t sessions; /* playing now */
    uint64_t pictures; /* sent, each to each viewer */
    uint64_t sounds;   /* frames of sound, the same */
    uint64_t bytes;    /* of RTP */
    uint64_t skipped;  /* pictures not sent to a viewer that was slow */
    uint64_t heard;    /* packets of speech */
    uint64_t refused;  /* requests: 401, 453 */
} cm_simcam_counters;
const cm_simcam_counters *cm_simcam_read_counters(const cm_simcam *simcam);

/* `casement simcam ARGUMENTS…`: everything after the first word. Returns the exit status. */
int cm_simcam_main(int count, char **arguments);
