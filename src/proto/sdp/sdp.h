/*
 * sdp: a session description (RFC 8866) as cameras write it, to a bounded struct of slices, and
 * back to text. Tolerant: a line that makes no sense is skipped, a media that makes no sense is
 * dropped; only a text without any usable media is refused. Format parameters: proto/sdp/fmtp.h.
 *
 * Pure: no state, any thread. Slices borrow from the text.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_SDP_MEDIA_MAX = 8,
    CM_SDP_PAYLOAD_MAX = 16, /* per media; further ones are ignored */
    CM_SDP_SIZE_MAX = 65536,
};

typedef enum cm_sdp_kind {
    CM_SDP_VIDEO,
    CM_SDP_AUDIO,
    CM_SDP_APPLICATION, /* ONVIF metadata; data channels of WebRTC */
    CM_SDP_OTHER,       /* in offers of WebRTC only: of another kind, which is answered too */
} cm_sdp_kind;

typedef enum cm_sdp_direction {
    CM_SDP_DIRECTION_UNSAID,
    CM_SDP_SENDRECV,
    CM_SDP_SENDONLY,
    CM_SDP_RECVONLY, /* of an audio media in a camera's answer: its backchannel, often a lie */
    CM_SDP_INACTIVE,
} cm_sdp_direction;

typedef struct cm_sdp_payload {
    uint8_t type;        // 0..127
    cm_slice encoding;   // "H264"; compare without case. For static types from RFC 3551's table
    uint32_t clock_rate; // 0 when nothing says
    uint8_t channels;    // 1 when nothing says
    cm_slice fmtp;       // raw, without the payload type; empty when there is none
} cm_sdp_payload;

typedef struct cm_sdp_media {
    cm_sdp_kind kind;
    uint16_t port;
    cm_slice protocol;   // "RTP/AVP"
    cm_slice connection; // address of c=, empty when none or unreadable
    cm_slice control;    // empty when none
    cm_sdp_direction direction;
    size_t payload_count; // at least 1
    cm_sdp_payload payloads[CM_SDP_PAYLOAD_MAX];
} cm_sdp_media;

typedef struct cm_sdp {
    cm_slice origin;     // o= raw
    cm_slice name;       // first s=
    cm_slice tool;       // a=tool
    cm_slice connection; // address of the session's c=
    cm_slice control;    // session's a=control, empty when none
    cm_slice range;      // a=range
    cm_sdp_direction direction;
    size_t media_count;
    cm_sdp_media medias[CM_SDP_MEDIA_MAX];
    size_t dropped_count; // medias of unknown kind, unreadable, or beyond CM_SDP_MEDIA_MAX
} cm_sdp;

/* CM_REFUSE when there is no usable media in it, or it is above CM_SDP_SIZE_MAX. */
cm_status cm_sdp_parse(cm_slice text, cm_sdp *out);

/*
 * The description as text, lines ended by CRLF. Empty origin, name and connection are written as
 * "- 0 0 IN IP4 0.0.0.0", "-" and 0.0.0.0. Fails the writer when a slice holds a line break.
 */
void cm_sdp_write(cm_writer *w, const cm_sdp *sdp);
