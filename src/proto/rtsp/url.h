/*
 * url: rtsp:// addresses: taking one apart, the address that goes into a request (never with user
 * and password), and the address of a track from what a camera says of its base.
 *
 * Pure: no state, any thread. Slices borrow from the text.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum { CM_RTSP_URL_SIZE_MAX = 2048 };

typedef struct cm_rtsp_url {
    bool is_secure;    // rtsps
    bool has_userinfo; // there was an '@'
    cm_slice user;     // as written: percent-encoded; decode with cm_text_from_percent
    cm_slice password; // the same. A secret: never to a log
    cm_slice host;     // name or address, an IPv6 one without its brackets
    bool is_ipv6;
    uint16_t port; // 554, or 322 for rtsps, when unsaid
    bool has_port;
    cm_slice path; // path and query as written, from '/' or '?' on; may be empty
} cm_rtsp_url;

/* CM_REFUSE unless it is rtsp:// or rtsps:// with a host, a sane port, no blanks or control
 * characters, and at most CM_RTSP_URL_SIZE_MAX bytes. A fragment is cut. */
cm_status cm_rtsp_url_parse(cm_slice text, cm_rtsp_url *out);

/* Without user info, port only when it was said, path "/" when empty. */
void cm_rtsp_url_write(cm_writer *w, const cm_rtsp_url *url);

/* What a DESCRIBE answer says of the base; empty slices where it says nothing. */
typedef struct cm_rtsp_base_hints {
    cm_slice session_control; // a=control of the SDP's session; wins unless it is "*"
    cm_slice content_base;
    cm_slice content_location;
} cm_rtsp_base_hints;

/*
 * The base address of the presentation: where PLAY, TEARDOWN and keepalives go, and what tracks are
 * relative to. Hints that can't be read (relative paths, "rtsp://rtsp://", no scheme, IPv6
 * without brackets) are repaired or passed over. Scheme, host and port are always `request`'s: the
 * ones that were reached, as a camera behind NAT names others.
 */
void cm_rtsp_base_write(cm_writer *w, const cm_rtsp_url *request, const cm_rtsp_base_hints *hints);

/*
 * The address of a track: `base` itself for an empty control or "*", the control's own path when it
 * is absolute (on base's host), else base and control joined by exactly one '/', after a query if
 * base has one (as cameras expect, not as RFC 3986 says). Fails the writer when `base` is no RTSP
 * address or the result is too long.
 */
void cm_rtsp_track_url_write(cm_writer *w, cm_slice base, cm_slice control);
