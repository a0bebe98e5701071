/* rtsp_priv: what server.c (connections and their life), answer.c (requests), describe.c (SDP),
 * track.c (packets) and sound.c (which of them sound makes) share. */
#pragma once

#include "base/list.h"
#include "egress/rtsp/rtsp.h"
#include "egress/rtsp/wire.h"
#include "media/sound.h"
#include "proto/aac/config.h"
#include "proto/rtsp/headers.h"
#include "proto/video/codec.h"

enum {
    SESSION_ID_SIZE = 17, /* hex text of 64 random bits */
    BASE_SIZE = 512,      /* of an address, to its end */
    SETS_MAX = 6,         /* parameter sets that are told */
    SETS_SIZE = 1536,     /* bytes of them; more than that come in band only */
    TICK_MS = 1000,
    REPORT_TICKS = 5, /* between sender reports */
    AGAIN_MS = 50,
};

typedef enum viewer_state {
    VIEWER_FRESH,     /* nothing was described */
    VIEWER_ASKING,    /* DESCRIBE waits for the owner */
    VIEWER_PREPARING, /* and for what it is made of */
    VIEWER_DESCRIBED,
    VIEWER_READY, /* SETUP */
    VIEWER_PLAYING,
    VIEWER_STATES,
} viewer_state;

typedef enum track_kind { TRACK_PICTURES, TRACK_SOUND } track_kind;
enum { TRACKS = 2 };

typedef struct rtsp_track {
    cm_rtsp_viewer *viewer;
    cm_stream stream;
    cm_subscription *subscription; /* NULL: there is none of it */
    bool is_described;
    bool is_set_up;
    bool is_blocked;     /* by the connection, or as nobody plays yet */
    bool is_restart_due; /* begins at the newest keyframe, when there is one */
    uint8_t channel;     /* of RTP; RTCP has the next */
    uint8_t payload_type;
    uint32_t clock_rate;
    uint32_t ssrc;
    uint16_t sequence; /* of the packet that goes next, or is half-way out */

    const cm_frame *begun; /* the frame that is going out; compared, never followed */
    uint16_t next;         /* its packet that goes next, */
    size_t offset;         /* and how much of that is out */
    uint32_t timestamp;    /* of it */
    bool has_sent;
    uint32_t clock_offset; /* of pictures: timestamp of media time 0 */
    uint32_t newest_ticks; /* of sound: how long the last frame lasts */
    cm_media_time newest_time;
    cm_wall newest_captured;
    bool is_repeating;        /* frames that are out may come again */
    bool has_whole;           /* a frame is out, */
    cm_media_time whole_time; /* and this is the newest such one's */

    uint32_t report_packets;
    uint32_t report_octets;
} rtsp_track;

struct cm_rtsp_viewer {
    cm_list node; /* of the server */
    cm_rtsp_server *server;
    cm_rtsp_wire *wire;
    cm_address peer;
    viewer_state state; /* changed by cm_rtsp_enter only */
    bool is_stranger;   /* nobody has admitted him yet */
    bool is_failed;     /* ends in a turn of its own */
    cm_timer tick;
    cm_timer soon;    /* what must not happen inside a pass of the hub */
    cm_timer again;   /* tracks that begin again */
    cm_instant since; /* when the state was entered; of a stranger, the connection */
    unsigned ticks;
    unsigned wrong; /* credentials so far */

    void *guest; /* the owner's, while asking and from then on */
    cm_camera_key camera;
    cm_stream stream;
    uint32_t cseq; /* of the DESCRIBE that waits */
    char base[BASE_SIZE];
    char session[SESSION_ID_SIZE];

    cm_video_codec codec;
    uint8_t sets[SETS_SIZE];
    size_t set_sizes[SETS_MAX]; /* one after the other in `sets` */
    size_t set_count;
    cm_sound_format format;

    rtsp_track tracks[TRACKS];
    const rtsp_track *inside; /* a packet of it is half-way out */
    bool is_full;             /* the connection takes no more until it says so */
    bool is_finishing;        /* only what is half-way out may go */
};

typedef struct rtsp_listener {
    cm_rtsp_server *server;
    cm_tcp_listener *listener;
    cm_tls *tls;
} rtsp_listener;

struct cm_rtsp_server {
    cm_rtsp_config config;
    cm_loop *loop;
    cm_rtsp_wire_room *room;
    rtsp_listener listeners[CM_RTSP_LISTENERS_MAX];
    cm_list viewers;
    cm_rtsp_counters counters;
};

/* ---- server.c ---- */

void cm_rtsp_enter(cm_rtsp_viewer *viewer, viewer_state state);
/* Ends the connection in the next turn: inside a pass nothing is freed. */
void cm_rtsp_fail(cm_rtsp_viewer *viewer);
/* Back to VIEWER_FRESH: subscriptions and guest go, the connection stays. */
void cm_rtsp_leave(cm_rtsp_viewer *viewer);

/* ---- answer.c ---- */

void cm_rtsp_on_request(void *viewer, const cm_rtsp_message *request);
/* The DESCRIBE that waits is answered: by the description, or with a status that is no success. */
void cm_rtsp_answer_describe(cm_rtsp_viewer *viewer, uint16_t status);

/* ---- describe.c ---- */

/* What a first keyframe and a first frame of sound say. */
void cm_rtsp_note_pictures(cm_rtsp_viewer *viewer, const cm_opened_frame *opened);
void cm_rtsp_note_sound(cm_rtsp_viewer *viewer, const cm_opened_frame *opened);
bool cm_rtsp_is_describable(const cm_rtsp_viewer *viewer);
void cm_rtsp_write_description(const cm_rtsp_viewer *viewer, cm_writer *w);

/* ---- track.c ---- */

cm_status cm_rtsp_track_open(rtsp_track *track, cm_lease *lease); /* takes it */
void cm_rtsp_track_close(rtsp_track *track);
/* From the newest keyframe on. */
void cm_rtsp_track_begin_again(rtsp_track *track);
void cm_rtsp_tracks_resume(cm_rtsp_viewer *viewer);
void cm_rtsp_send_report(rtsp_track *track);
/* What goes into the connection is of its camera. For track.c and the fault hooks. */
bool cm_rtsp_write_frame(rtsp_track *track, const cm_opened_frame *opened);

/* ---- sound.c ---- */

enum { PAYLOAD_PARTS = 2, PAYLOAD_HEAD_MAX = 4 };

/* What stands behind the RTP header of one packet. */
typedef struct rtsp_payload {
    uint8_t head[PAYLOAD_HEAD_MAX]; /* of AAC */
    size_t head_size;
    cm_slice parts[PAYLOAD_PARTS];
    size_t part_count;
    bool is_marked;
} rtsp_payload;

/* CM_REFUSE: not what was described. */
cm_status cm_rtsp_read_sound(const rtsp_track *track, const cm_opened_frame *opened,
                             rtsp_payload *out);
void cm_rtsp_stamp_sound(rtsp_track *track, const cm_opened_frame *opened,
                         const rtsp_payload *payload);
/* How it stands in a description. False: it is not told. */
bool cm_rtsp_describe_sound(const cm_sound_format *format, rtsp_track *track);
