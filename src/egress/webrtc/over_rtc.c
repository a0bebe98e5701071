#include "egress/webrtc/over_rtc.h"

static cm_status send_rtp(void *context, cm_slice header, const cm_slice *payload, size_t parts)
{
    return cm_rtc_session_send_rtp(context, header.bytes, header.size, payload, parts);
}

static cm_status resend_rtp(void *context, cm_slice header, const cm_slice *payload, size_t parts)
{
    return cm_rtc_session_resend_rtp(context, header.bytes, header.size, payload, parts);
}

static cm_status send_rtcp(void *context, cm_slice compound)
{
    return cm_rtc_session_send_rtcp(context, compound);
}

static void flush(void *context)
{
    cm_rtc_endpoint_flush(cm_rtc_session_endpoint(context));
}

cm_webrtc_transport cm_webrtc_transport_over(cm_rtc_session *session)
{
    return (cm_webrtc_transport){.send_rtp = send_rtp,
                                 .resend_rtp = resend_rtp,
                                 .send_rtcp = send_rtcp,
                                 .flush = flush,
                                 .context = session};
}
