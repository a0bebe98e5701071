/*
 * client: one RTSP session (RFC 2326) that receives the H.264 or H.265 video of one address, and
 * its sound if it has one that we know (PCMU, PCMA, AAC, Opus): from looking the name up to
 * TEARDOWN, or to the failure that ended it. Sound never costs the pictures: what is wrong with it
 * is said (cm_rtsp_client_sound), and the video plays alone. Or it speaks: then it receives
 * nothing, and the camera hears what cm_rtsp_client_speak hands it, by its ONVIF backchannel. It
 * never reconnects by itself, except for a redirect, and where a camera hangs up while it asks for
 * a password. When to try again, and over which transport, is the owner's business
 * (ingest/stream.h).
 *
 * Probing an address is a weapon: each address that the name resolved to is shown to may_connect,
 * and exactly what it allowed is connected to; so for each redirect.
 *
 * Life: create starts it; after on_end nothing more is heard and the owner destroys it. Destroy at
 * any time but inside may_connect, on_playing, on_unit and on_sound; TEARDOWN is sent then, not
 * waited for. Owner: one stream on one loop. Bounds: bytes a turn and a second, size of messages
 * and access units, malformed packets; who passes one is dropped, and `is_abusive` is said of it.
 */
#pragma once

#include "ingest/cause.h"
#include "ingest/gate.h"
#include "ingest/unit.h"
#include "net/net.h"
#include "proto/g711/g711.h"

typedef struct cm_rtsp_end {
    cm_camera_cause cause;
    char detail[CM_CAMERA_DETAIL_SIZE]; /* printable English, no secrets, may be empty */
    bool is_udp;                        /* the transport at the end */
    bool is_silent;  /* PLAY was answered, and not one packet came: another transport may do */
    bool is_abusive; /* it floods or lies: leave it alone for a good while */
} cm_rtsp_end;

typedef struct cm_rtsp_client_events {
    bool (*may_connect)(void *owner, const cm_address *address);
    void (*on_playing)(void *owner, bool is_udp);             /* PLAY was answered */
    void (*on_unit)(void *owner, const cm_ingest_unit *unit); /* NULL if it speaks */
    /* NULL: the sound is left where it is. */
    void (*on_sound)(void *owner, const cm_ingest_sound *sound);
    void (*on_end)(void *owner, const cm_rtsp_end *end); /* in a turn of its own */
} cm_rtsp_client_events;

typedef struct cm_rtsp_client_config {
    cm_loop *loop;
    cm_net *net;
    cm_connect_gate *gate; /* for what it shares */
    cm_slice address;      /* rtsp://…; copied; user info in it is not used */
    cm_slice user;         /* borrowed for life; empty: none */
    cm_slice password;     /* the same */
    bool is_udp;           /* ask for UDP first; the other one is taken if the camera wants it */
    bool takes_any_port;   /* over UDP from any one port of the camera's address, not only from the
                              one it names */
    bool is_speaking;      /* nothing is received: see cm_rtsp_client_speak */
    const cm_rtsp_client_events *events;
    void *owner;
} cm_rtsp_client_config;

typedef struct cm_rtsp_client cm_rtsp_client;

/* CM_REFUSE: `address` is none of RTSP without TLS. CM_BROKEN: no memory. Else it has begun. */
cm_status cm_rtsp_client_create(const cm_rtsp_client_config *config, cm_rtsp_client **out);
void cm_rtsp_client_destroy(cm_rtsp_client *client); /* NULL is fine */

enum { CM_RTSP_SPEECH_MAX = CM_G711_CLOCK_RATE * CM_SOUND_PACKET_MS / 1000 }; /* bytes a packet */

/* At most CM_SOUND_PACKET_MS, 8 kHz, mono. */
typedef struct cm_rtsp_speech {
    cm_g711_law law; /* the camera may want the other: it is recoded */
    cm_slice samples;
    uint32_t timestamp; /* 8 kHz; what follows the first counts from there */
    bool is_first;      /* of another speaker, or after silence */
} cm_rtsp_speech;
/* The camera hears it. CM_RETRY: the session does not play yet, or the camera does not read: it is
 * left out. CM_REFUSE: too long, or empty. */
cm_status cm_rtsp_client_speak(cm_rtsp_client *client, const cm_rtsp_speech *speech);

/* What the session's sound is, once it plays; NULL: there is none. */
const cm_sound_format *cm_rtsp_client_sound(const cm_rtsp_client *client);
/* Why there is none although the camera offers one: printable English; "" if there is no why. */
const char *cm_rtsp_client_sound_refusal(const cm_rtsp_client *client);

typedef struct cm_rtsp_client_counters {
    uint64_t bytes;                                            /* of RTP packets of the video */
    uint64_t packets_lost;                                     /* numbers that never came */
    uint64_t malformed;                                        /* messages too */
    uint64_t sound_bytes, sound_packets_lost, sound_malformed; /* the same of the sound */
} cm_rtsp_client_counters;
void cm_rtsp_client_read_counters(const cm_rtsp_client *client, cm_rtsp_client_counters *out);

/* ---- the states, for logs and tests ---- */

typedef enum cm_rtsp_client_state {
    CM_RTSP_CLIENT_NEW,
    CM_RTSP_CLIENT_RESOLVING,
    CM_RTSP_CLIENT_CONNECTING,
    CM_RTSP_CLIENT_ASKING,           /* OPTIONS is out */
    CM_RTSP_CLIENT_DESCRIBING,       /* DESCRIBE is out */
    CM_RTSP_CLIENT_SETTING_UP,       /* SETUP is out */
    CM_RTSP_CLIENT_SETTING_UP_SOUND, /* a second one */
    CM_RTSP_CLIENT_STARTING,         /* PLAY is out */
    CM_RTSP_CLIENT_PLAYING,
    CM_RTSP_CLIENT_ENDED,
    CM_RTSP_CLIENT_STATES,
} cm_rtsp_client_state;
const char *cm_rtsp_client_state_name(cm_rtsp_client_state state);
cm_rtsp_client_state cm_rtsp_client_state_of(const cm_rtsp_client *client);
/* The table of allowed transitions. */
bool cm_rtsp_client_may_turn(cm_rtsp_client_state from, cm_rtsp_client_state to);
