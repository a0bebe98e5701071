/* webrtc_priv: what viewer.c (pictures and their pace), packet.c (one packet), history.c (what was
 * sent, and once more) and control.c (RTCP) share. */
#pragma once

#include "egress/webrtc/webrtc.h"

enum {
    HISTORY_FRAMES = 32, /* that a subscription remembers; a power of two */
    HISTORY_RUNS = 64,   /* a power of two */
    RUN_PACKETS_MAX = 255,
    RESENT_MAX = 64, /* packets whose resends are counted */
    BURST_PACKETS = 8,
    PACKET_MAX = 1216,  /* of RTP: net/rtc.h takes no more */
    PADDING_MAX = 16,   /* bytes that make a packet as large as its neighbours */
    SMALL_MAX = 192,    /* a packet that is as large as others that small */
    CLOCK_RATE = 90000, /* of media time, and of RTP's */
    REPORT_MAX = 320,   /* of RTCP: SR, CNAME of 255 bytes, BYE */
};

typedef enum viewer_state {
    VIEWER_CREATED,     /* not started */
    VIEWER_LIVE,        /* pictures keep their own time */
    VIEWER_CATCHING_UP, /* in what was cached: timestamps are squeezed */
    VIEWER_SKIPPING,    /* the rest of a group is too large or too late */
    VIEWER_ENDED,       /* the peer wants no more */
} viewer_state;

/* Extensions that packets of a frame carry; the same for all of them, so that they can be made
 * again. */
enum { WITH_MID = 1, WITH_PLAYOUT_DELAY = 2 };

/* Packets that were sent one after the other: everything that was not the frame's. */
typedef struct sent_run {
    uint32_t delivery; /* of cm_subscription_delivery */
    uint32_t timestamp;
    uint32_t at_ms; /* when the last of them went */
    uint16_t first_sequence;
    uint16_t first_granule;
    uint16_t first_number; /* transport-wide */
    uint8_t count;
    uint8_t flags;
} sent_run;

/* A packet that was sent again. */
typedef struct resent_packet {
    uint16_t sequence;
    uint8_t times; /* 0: the place is free */
    uint32_t at_ms;
} resent_packet;

typedef struct sent_history {
    sent_run runs[HISTORY_RUNS];
    uint32_t first; /* numbers of the oldest run, */
    uint32_t next;  /* and of the next */
    resent_packet resent[RESENT_MAX];
    uint8_t resent_next;
    int64_t tokens_bytes; /* that may go again */
    cm_instant filled;
} sent_history;

struct cm_webrtc_viewer {
    cm_webrtc_config config;
    cm_camera_key camera; /* of the first lease: whose pictures the session is for */
    cm_lease *lease;      /* until the start; then the subscription has it */
    cm_subscription *subscription;
    viewer_state state;

    const cm_frame *begun; /* the picture that is going out; compared, never followed */
    bool is_keyframe_begun;
    uint16_t granule;      /* of it that goes next */
    uint8_t flags;         /* of its packets: WITH_* */
    uint32_t timestamp;    /* of it, or of the last one */
    bool has_sent;         /* a picture, so that there is a last one */
    uint32_t clock_offset; /* RTP timestamp of media time 0 */
    bool is_joining;       /* the next keyframe is one of a cached group, */
    bool has_waited;       /* and was offered before */
    cm_media_time catch_up_to;
    cm_media_time newest_time; /* of the last picture that was begun, */
    cm_wall newest_captured;   /* and its instant: what sender reports count from */

    uint16_t sequence; /* of the next packet */
    uint16_t rtx_sequence;
    bool is_acknowledged;   /* a receiver report about us came */
    cm_instant paced_until; /* when what was sent is through, at the pace */
    cm_timer pace_timer;
    bool is_restart_due; /* the pace timer begins at the newest keyframe */
    bool is_other_codec; /* the pace timer ends it */
    uint64_t sent_bits_per_second;

    cm_timer report_timer;
    uint32_t report_packets; /* of the sender report: RTP packets, */
    uint32_t report_octets;  /* and bytes of their payloads */
    uint64_t reported_bytes; /* bytes sent when the last report was made, */
    cm_instant reported;     /* and when that was */
    cm_instant begun_again;  /* for the decoder */
    bool has_begun_again;
    bool has_fir;
    uint8_t fir_command;

    cm_webrtc_figures figures;
    struct resend_batch *resending; /* inside cm_webrtc_resend only */
    sent_history history;
};

/* ---- packet.c ---- */

/* The headers of a frame's packets: the first says more than the others. What differs from packet
 * to packet is filled in when it is put together. */
typedef struct packet_header {
    uint8_t bytes[CM_RTP_HEADER_MAX];
    size_t size;
} packet_header;

typedef struct packet_headers {
    packet_header first;
    packet_header other;
    size_t packet_size; /* of the frame's largest packet, */
    size_t small_size;  /* and of the largest one that is small; 0: none is */
} packet_headers;

typedef struct packet_place {
    uint16_t granule;
    uint16_t sequence;
    uint16_t number; /* transport-wide */
} packet_place;

typedef cm_status webrtc_send(void *context, cm_slice header, const cm_slice *payload,
                              size_t parts);

/* Headers and put: the same frame, timestamp, flags and place give the same bytes, whenever. */
void cm_webrtc_headers_make(const cm_webrtc_viewer *viewer, const cm_frame *frame,
                            uint32_t timestamp, uint8_t flags, packet_headers *out);
/* Gives granule `place->granule`, which is open, to `send`. *size_out: bytes of the packet.
 * CM_BROKEN and an alarm: what is open is not this viewer's; nothing was sent. What `send` says is
 * as if the network had lost it. */
cm_status cm_webrtc_put(cm_webrtc_viewer *viewer, packet_headers *headers,
                        const cm_opened_frame *opened, const packet_place *place, webrtc_send *send,
                        size_t *size_out);
/* The same granule as an RTX packet (RFC 4588 4): `place` and `timestamp` are the original's. */
cm_status cm_webrtc_put_rtx(cm_webrtc_viewer *viewer, const cm_opened_frame *opened,
                            uint32_t timestamp, const packet_place *place);

/* ---- viewer.c ---- */

uint64_t cm_webrtc_budget(const cm_webrtc_viewer *viewer); /* the estimate: bits a second, > 0 */
/* From the newest keyframe on; if there is none nothing changes. */
void cm_webrtc_begin_again(cm_webrtc_viewer *viewer);
/* The peer wants no more. The owner may destroy the viewer inside. */
void cm_webrtc_end(cm_webrtc_viewer *viewer);
void cm_webrtc_note_sent(const cm_webrtc_viewer *viewer, uint16_t number, size_t bytes);

/* ---- history.c ---- */

void cm_webrtc_history_add(cm_webrtc_viewer *viewer, const packet_place *place);
/* Lets go of what was sent too long ago to be asked for. */
void cm_webrtc_history_age(cm_webrtc_viewer *viewer);
/* Sends again what may be, of those that `lost` says. */
void cm_webrtc_resend(cm_webrtc_viewer *viewer, cm_rtcp_nack lost);

/* ---- control.c ---- */

/* Reports, and again about once a second. */
void cm_webrtc_on_report_timer(cm_timer *timer);
void cm_webrtc_bye(cm_webrtc_viewer *viewer);
