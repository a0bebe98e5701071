/*
 * transport: the Transport header (RFC 2326 12.39), one option of it, as cameras and clients write
 * it: ports or channels missing, single or odd, SSRC in any length of hex, keys nobody knows.
 *
 * Pure: no state, any thread.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

/* A pair "4588-4589"; a single number gives itself and the next. */
typedef struct cm_rtsp_pair {
    bool is_said;
    uint16_t rtp;
    uint16_t rtcp;
} cm_rtsp_pair;

typedef struct cm_rtsp_transport {
    bool is_tcp;              // RTP/AVP/TCP, or interleaved= was said whatever the profile
    bool is_multicast;        // "multicast" was said; unicast otherwise
    cm_rtsp_pair interleaved; // channels, both <= 255
    cm_rtsp_pair client_port;
    cm_rtsp_pair server_port; // often missing: take packets from any port of the camera's address
    cm_rtsp_pair port;        // multicast
    cm_slice source;          // address packets come from, borrowed; empty when unsaid
    cm_slice destination;
    bool has_ssrc;
    uint32_t ssrc;
    cm_slice mode; // without quotes; empty when unsaid
} cm_rtsp_transport;

/*
 * Takes the next option of a Transport header's value out of *rest (a client may offer several,
 * separated by commas). CM_ABSENT: no more. CM_REFUSE: that option is no RTP/AVP; the next may be.
 */
cm_status cm_rtsp_transport_next(cm_slice *rest, cm_rtsp_transport *out);

/* The value of a Transport header. */
void cm_rtsp_transport_write(cm_writer *w, const cm_rtsp_transport *transport);
