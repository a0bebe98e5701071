#include "proto/sdp/sdp_priv.h"

void cm_sdp_write_clean(cm_writer *w, cm_slice text)
{
    if (cm_slice_find(text, '\r') < text.size || cm_slice_find(text, '\n') < text.size)
        w->failed = true;
    else
        cm_write_slice(w, text);
}

void cm_sdp_write_line(cm_writer *w, const char *start, cm_slice value)
{
    cm_write_text(w, start);
    cm_sdp_write_clean(w, value);
    cm_write_text(w, "\r\n");
}

static void write_if_said(cm_writer *w, const char *start, cm_slice value)
{
    if (value.size > 0)
        cm_sdp_write_line(w, start, value);
}

static void write_connection(cm_writer *w, cm_slice address)
{
    const bool is_ipv6 = cm_slice_find(address, ':') < address.size;
    cm_sdp_write_line(w, is_ipv6 ? "c=IN IP6 " : "c=IN IP4 ", address);
}

void cm_sdp_write_direction(cm_writer *w, cm_sdp_direction direction)
{
    static const char *const LINES[] = {[CM_SDP_DIRECTION_UNSAID] = "",
                                        [CM_SDP_SENDRECV] = "a=sendrecv\r\n",
                                        [CM_SDP_SENDONLY] = "a=sendonly\r\n",
                                        [CM_SDP_RECVONLY] = "a=recvonly\r\n",
                                        [CM_SDP_INACTIVE] = "a=inactive\r\n"};
    cm_write_text(w, LINES[direction]);
}

void cm_sdp_write_payload(cm_writer *w, const cm_sdp_payload *payload)
{
    if (payload->encoding.size > 0) {
        cm_write_text(w, "a=rtpmap:");
        cm_write_decimal(w, payload->type);
        cm_write_u8(w, ' ');
        cm_sdp_write_clean(w, payload->encoding);
        cm_write_u8(w, '/');
        cm_write_decimal(w, payload->clock_rate);
        if (payload->channels > 1) {
            cm_write_u8(w, '/');
            cm_write_decimal(w, payload->channels);
        }
        cm_write_text(w, "\r\n");
    }
    if (payload->fmtp.size > 0) {
        cm_write_text(w, "a=fmtp:");
        cm_write_decimal(w, payload->type);
        cm_sdp_write_line(w, " ", payload->fmtp);
    }
}

static void write_media(cm_writer *w, const cm_sdp_media *media)
{
    static const char *const STARTS[] = {[CM_SDP_VIDEO] = "m=video ",
                                         [CM_SDP_AUDIO] = "m=audio ",
                                         [CM_SDP_APPLICATION] = "m=application "};
    cm_write_text(w, STARTS[media->kind]);
    cm_write_decimal(w, media->port);
    cm_write_u8(w, ' ');
    cm_sdp_write_clean(w, media->protocol);
    for (size_t i = 0; i < media->payload_count; i++) {
        cm_write_u8(w, ' ');
        cm_write_decimal(w, media->payloads[i].type);
    }
    cm_write_text(w, "\r\n");
    if (media->connection.size > 0)
        write_connection(w, media->connection);
    for (size_t i = 0; i < media->payload_count; i++)
        cm_sdp_write_payload(w, &media->payloads[i]);
    write_if_said(w, "a=control:", media->control);
    cm_sdp_write_direction(w, media->direction);
}

static cm_slice or_else(cm_slice text, cm_slice fallback)
{
    return text.size > 0 ? text : fallback;
}

void cm_sdp_write(cm_writer *w, const cm_sdp *sdp)
{
    cm_write_text(w, "v=0\r\n");
    cm_sdp_write_line(w, "o=", or_else(sdp->origin, CM_TEXT("- 0 0 IN IP4 0.0.0.0")));
    cm_sdp_write_line(w, "s=", or_else(sdp->name, CM_TEXT("-")));
    write_connection(w, or_else(sdp->connection, CM_TEXT("0.0.0.0")));
    cm_write_text(w, "t=0 0\r\n");
    write_if_said(w, "a=tool:", sdp->tool);
    write_if_said(w, "a=control:", sdp->control);
    write_if_said(w, "a=range:", sdp->range);
    cm_sdp_write_direction(w, sdp->direction);
    for (size_t i = 0; i < sdp->media_count; i++)
        write_media(w, &sdp->medias[i]);
}
