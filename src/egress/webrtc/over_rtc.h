/*
 * over_rtc: the transport of a viewer whose packets go to a session of net/rtc.h.
 */
#pragma once

#include "egress/webrtc/webrtc.h"
#include "net/rtc.h"

/* Good for as long as the session. A packet goes once more as it was if the session remembers its
 * SSRC (cm_rtc_session_remember). */
cm_webrtc_transport cm_webrtc_transport_over(cm_rtc_session *session);
