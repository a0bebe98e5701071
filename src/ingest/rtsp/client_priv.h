/*
 * client_priv: the client's insides, shared by the files client*.c:
 *   client.c          states, timers, beginning and end
 *   client_connect.c  names, addresses, the connection's bytes
 *   client_request.c  requests, login, keepalive, answers to the camera's own requests
 *   client_answer.c   what each answer means in each state
 *   client_media.c    RTP and RTCP in, reports out
 *   client_sound.c    the sound: which one, its SETUP, its frames, its end
 *   client_speech.c   a session that speaks: to which media, its packets, its reports
 *   client_udp.c      the pair of sockets, order, who may send to it
 */
#pragma once

#include "base/buffer.h"
#include "ingest/rtsp/client.h"
#include "proto/aac/depacketize.h"
#include "proto/rtcp/reception.h"
#include "proto/rtp/reorder.h"
#include "proto/rtp/rtp.h"
#include "proto/rtp/sequence.h"
#include "proto/rtsp/headers.h"
#include "proto/rtsp/transport.h"
#include "proto/rtsp/url.h"
#include "proto/sdp/sdp.h"

enum {
    CM_CLIENT_SESSION_ID_MAX = 128,
    CM_CLIENT_CHALLENGE_SIZE = 768,
    CM_CLIENT_CNONCE_SIZE = 17,
    CM_CLIENT_REFUSAL_SIZE = 64,
};

/* A request that waits for its answer. */
typedef struct cm_client_request {
    cm_rtsp_method method; // CM_RTSP_METHOD_COUNT: none waits
    uint32_t cseq;
    unsigned refusals; // 401s it has had
} cm_client_request;

/* The login as far as the camera has told. */
typedef struct cm_client_login {
    bool has_challenge;
    bool is_proven;  // an answer of ours was accepted on this session
    bool is_trusted; // this is the host that the login was given for
    cm_rtsp_challenge challenge;
    uint8_t storage[CM_CLIENT_CHALLENGE_SIZE]; // what `challenge` borrows
    uint32_t nc;
    char cnonce[CM_CLIENT_CNONCE_SIZE];
} cm_client_login;

typedef struct cm_client_track cm_client_track;

typedef struct cm_client_udp {
    cm_client_track *track;
    cm_udp *rtp;
    cm_udp *rtcp;
    cm_address rtp_peer;  // port 0: not known yet, the first packet tells
    cm_address rtcp_peer; // the same
    bool is_connected;    // the kernel checks the peer
    cm_timer timer;       // a gap is given up
    cm_rtp_reorder reorder;
    uint8_t storage[]; // the track's reorder_bytes
} cm_client_udp;

/* One source of RTP packets and what is known of it. */
typedef struct cm_client_media {
    uint8_t payload_type;
    bool is_only_type; // the SDP names no other: if packets have another, it is that one
    uint32_t clock_rate;
    bool has_ssrc;
    uint32_t ssrc;
    bool has_candidate; // another SSRC, which must prove itself (UDP)
    uint32_t candidate_ssrc;
    uint16_t candidate_next;
    cm_rtp_sequence sequence;
    uint64_t last_sequence; // delivered; 0: none
    bool has_gap;
    bool is_restart; // the next unit's ticks begin anew
    cm_rtp_timestamps timestamps;
    cm_rtcp_reception reception;
    uint64_t packets;
    uint64_t bytes;
    uint64_t packets_lost;
} cm_client_media;

/* One media of the session: its address, the way its packets come, and where they go. */
struct cm_client_track {
    cm_rtsp_client *client;
    size_t reorder_bytes;
    /* The next payload in its order, not empty. */
    void (*put)(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before);
    /* Another source of packets begins. */
    void (*restart)(cm_rtsp_client *c);
    cm_buffer url; // for SETUP
    uint8_t rtp_channel;
    uint8_t rtcp_channel;
    cm_client_udp *udp; // NULL over TCP
    cm_client_media media;
};

/* The session's sound. */
typedef struct cm_client_sound {
    bool is_chosen; // the camera offers one that we know, and it was not given up
    bool is_set_up; // a SETUP of it went out in this session
    /* This camera's sessions fail with sound in them: without it from here on. */
    bool is_forgone;
    char refusal[CM_CLIENT_REFUSAL_SIZE]; // why there is none
    cm_sound_format format;
    cm_client_track track;
    cm_aac_depacketizer aac;
    cm_buffer unit; // an access unit in fragments
    uint64_t malformed;
    cm_instant window_began; // of what follows
    unsigned window_malformed;
} cm_client_sound;

/* What the camera hears, of a session that speaks. */
typedef struct cm_client_speech {
    cm_g711_law law;    // that it wants
    uint16_t sequence;  // of the next packet
    uint32_t timestamp; // of the newest packet; before the first one: where it begins
    uint32_t offset;    // from the speaker's timestamps to ours
    uint32_t samples;   // in the newest packet
    cm_instant last;    // when that was sent
    uint32_t packets;
    uint32_t bytes;
    cm_instant kept_up; // when the camera last had taken what was said
} cm_client_speech;

struct cm_rtsp_client {
    cm_rtsp_client_config config;
    cm_rtsp_client_state state;
    bool is_udp;       // the transport to ask for
    bool has_switched; // the transport was changed within this session
    cm_rtsp_end end;
    cm_timer end_timer;
    cm_timer timer; // the state's time limit; each second while playing

    // where to
    cm_buffer url;     // of the request, without user info
    cm_buffer base;    // of the presentation
    cm_rtsp_url place; // borrows from `url`
    unsigned redirects;
    bool was_reopened; // the connection was closed with a 401
    cm_resolve *resolve;
    cm_address found[CM_RESOLVE_MAX]; // allowed ones
    size_t found_count;
    size_t found_next;

    // the connection
    cm_tcp *tcp;
    cm_address peer;
    cm_rtsp_scanner scanner;
    cm_buffer in;  // a message of which a part has arrived
    cm_buffer out; // what the kernel did not take

    // requests
    uint32_t cseq;
    cm_client_request waiting;
    cm_client_request keepalive;
    cm_instant keepalive_due;
    uint32_t public_methods;
    cm_client_login login;
    char session_id[CM_CLIENT_SESSION_ID_MAX]; // session_id_size bytes
    size_t session_id_size;
    uint32_t timeout_s;

    // media
    cm_client_track track; // its video, or what the camera hears
    cm_video_depacketizer depacketizer;
    cm_buffer unit;
    cm_client_sound sound;
    cm_client_speech speech;
    uint32_t report_ssrc;
    char cname[CM_CLIENT_CNONCE_SIZE];
    cm_instant report_due;

    // bounds
    cm_instant playing_since;
    cm_instant last_packet;
    cm_instant last_unit;
    cm_instant window_began; // of the two below
    uint64_t window_bytes;
    uint64_t window_malformed;

    cm_rtsp_client_counters counters;
};

/* ---- client.c ---- */

void cm_client_set_state(cm_rtsp_client *c, cm_rtsp_client_state next);
/* Ends the session, once; on_end comes in a later turn. Nothing of `c` is freed in this call. */
void cm_client_end(cm_rtsp_client *c, cm_camera_cause cause, const char *format, ...)
    CM_PRINTF(3, 4);
/* The same for one that floods or lies. */
void cm_client_end_abusive(cm_rtsp_client *c, const char *detail);
/* It sent something that makes no sense. Too much of that ends it. */
void cm_client_count_malformed(cm_rtsp_client *c);
/* It sent so many bytes. */
void cm_client_count_bytes(cm_rtsp_client *c, size_t size);
bool cm_client_is_over(const cm_rtsp_client *c);

/* ---- client_connect.c ---- */

/* Begins with the name of c->place. */
void cm_client_resolve(cm_rtsp_client *c);
/* Closes the connection and begins again at `location`, or at the same place if that is empty. */
void cm_client_reopen(cm_rtsp_client *c);
cm_status cm_client_set_url(cm_rtsp_client *c, cm_slice address);
/* Writes both parts, or keeps for later what the kernel does not take. CM_FULL: it reads nothing.
 */
cm_status cm_client_write(cm_rtsp_client *c, cm_slice first, cm_slice second);
void cm_client_close_connection(cm_rtsp_client *c);

/* ---- client_request.c ---- */

/* Sends the request and makes it the one that waits. */
void cm_client_request_send(cm_rtsp_client *c, cm_rtsp_method method);
void cm_client_keepalive_send(cm_rtsp_client *c);
int64_t cm_client_keepalive_interval_us(uint32_t timeout_s);
void cm_client_teardown_send(cm_rtsp_client *c);
/* Takes the challenge of a 401. CM_REFUSE: the password is wrong, or there is none to give. */
cm_status cm_client_login_take(cm_rtsp_client *c, const cm_rtsp_message *response,
                               const cm_client_request *request);
void cm_client_take_request(cm_rtsp_client *c, const cm_rtsp_message *message);

/* ---- client.c, again: where the depacketizer hands out ---- */

void cm_client_on_unit(void *client, const cm_video_unit *unit);
/* It sent sound that makes no sense. Too much of that ends the sound. */
void cm_client_sound_count_malformed(cm_rtsp_client *c);
/* The session's media come over UDP. */
static inline bool cm_client_is_over_udp(const cm_rtsp_client *c)
{
    return c->track.udp != NULL;
}

/* ---- client_answer.c ---- */

void cm_client_take_response(cm_rtsp_client *c, const cm_rtsp_message *message);
/* Follows a Location; ends the session if it may not. */
void cm_client_redirect(cm_rtsp_client *c, const cm_rtsp_message *message);

/* ---- client_media.c ---- */

void cm_client_media_init(cm_client_track *track, uint8_t payload_type, bool is_only_type,
                          uint32_t clock_rate);
/* The video's: into the depacketizer. */
void cm_client_video_put(cm_rtsp_client *c, const cm_rtp_packet *packet, bool gap_before);
void cm_client_video_restart(cm_rtsp_client *c);
void cm_client_take_interleaved(cm_rtsp_client *c, uint8_t channel, cm_slice bytes);
/* Is the packet of our source? Then its extended number. False: drop it. */
bool cm_client_media_admit(cm_client_track *track, const cm_rtp_packet *packet, uint64_t *sequence);
/* The next packet in order. */
void cm_client_media_deliver(cm_client_track *track, const cm_rtp_packet *packet,
                             uint64_t sequence);
void cm_client_media_take_rtcp(cm_client_track *track, cm_slice bytes);
void cm_client_report_send(cm_rtsp_client *c);

/* ---- client_sound.c ---- */

void cm_client_sound_init(cm_rtsp_client *c);
/* The first of the description's sounds that we know, if any: its format, its track. */
void cm_client_sound_choose(cm_rtsp_client *c, const cm_sdp *sdp, const cm_sdp_media *video);
/* Asks for it if there is one: true. Else the session can play. */
bool cm_client_sound_set_up(cm_rtsp_client *c);
void cm_client_sound_take_setup(cm_rtsp_client *c, const cm_rtsp_message *message);
/* There is no sound in this session, for this reason. */
void cm_client_sound_give_up(cm_rtsp_client *c, const char *format, ...) CM_PRINTF(2, 3);
/* The session failed after sound was asked for: true if it begins once more, without. */
bool cm_client_sound_forgo(cm_rtsp_client *c);

/* ---- client_speech.c ---- */

void cm_client_speech_init(cm_rtsp_client *c);
/* What the camera hears by becomes the session's track; else the end, saying why, and NULL. */
const cm_sdp_media *cm_client_speech_choose(cm_rtsp_client *c, const cm_sdp *sdp);
void cm_client_speech_report(cm_rtsp_client *c);
/* Each second: ends the session if the camera takes nothing any more. */
void cm_client_speech_look(cm_rtsp_client *c, cm_instant now);

/* ---- client_answer.c, again: what is the same for both tracks ---- */

cm_status cm_client_set_track_url(cm_client_track *track, cm_slice control);
/* What was asked for stands where the camera does not say otherwise. */
void cm_client_use_channels(cm_client_track *track, const cm_rtsp_transport *transport,
                            uint8_t first_asked);
/* The camera's answer to SETUP; without a Transport line that makes sense, what was asked for. */
cm_rtsp_transport cm_client_transport_of(const cm_rtsp_client *c, const cm_rtsp_message *message);
/* It answered with another transport than was asked for. */
bool cm_client_wants_other(const cm_rtsp_client *c, const cm_rtsp_transport *transport);
/* Letters, digits and a few signs of a codec's name, which comes from the camera. */
typedef struct cm_client_shown {
    char text[17];
} cm_client_shown;
cm_client_shown cm_client_show(cm_slice encoding);
/* All that was wanted is set up. */
void cm_client_play(cm_rtsp_client *c);

/* ---- client_request.c, again ---- */

enum { CM_CLIENT_VIDEO_CHANNEL = 0, CM_CLIENT_SOUND_CHANNEL = 2 }; /* what we ask for */

/* ---- client_udp.c ---- */

cm_status cm_client_udp_open(cm_client_track *track);
void cm_client_udp_close(cm_client_track *track);
/* The camera named its ports, or did not. */
void cm_client_udp_set_peer(cm_client_track *track, const cm_rtsp_transport *transport);
/* Sends something to the camera's ports, so that a NAT on the way lets its packets in. */
void cm_client_udp_punch(cm_client_track *track);
void cm_client_udp_send_rtp(cm_client_track *track, cm_slice bytes);
void cm_client_udp_send_rtcp(cm_client_track *track, cm_slice bytes);
