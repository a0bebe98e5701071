/* sound_priv: what sound.c and its faults share. */
#pragma once

#include "egress/webrtc/sound.h"
#include "egress/webrtc/webrtc_priv.h"

struct cm_webrtc_sound {
    cm_webrtc_sound_config config;
    cm_camera_key camera; /* of the first lease: whose sound the session is for */
    cm_lease *lease;      /* until the start; then the subscription has it */
    cm_subscription *subscription;
    uint16_t sequence;  /* of the next packet */
    uint32_t timestamp; /* of the last frame's first; before it, where they begin */
    bool has_sent;
    cm_media_time newest_time; /* of that frame, */
    cm_wall newest_captured;   /* its instant, which reports count from, */
    uint32_t newest_ticks;     /* and how long what was sent of it sounds, by the RTP clock */
    bool is_acknowledged;      /* a receiver report about us came */
    cm_timer report_timer;
    uint32_t report_packets; /* of the sender report: RTP packets, */
    uint32_t report_octets;  /* and bytes of their payloads */
    cm_webrtc_sound_figures figures;
};

/* CM_REFUSE: not of the format that was negotiated, or too large. CM_BROKEN and an alarm: what is
 * open is not this viewer's. Nothing was sent then. */
cm_status cm_webrtc_sound_put(cm_webrtc_sound *sound, const cm_opened_frame *opened);
