#include "proto/rtsp/transport.h"

#include "proto/rtsp/token.h"

enum {
    CHANNEL_LEAST = 0,
    CHANNEL_MOST = 255,
    PORT_LEAST = 1, /* cameras say server_port=0-0 when they mean none */
    PORT_MOST = 65535,
};

/* "a-b", or "a" for a and the next; unsaid when it is neither or lies outside the bounds. */
static cm_rtsp_pair read_pair(cm_slice text, uint16_t least, uint16_t most)
{
    uint64_t first;
    uint64_t second;
    if (cm_slice_to_u64(cm_slice_trim(cm_slice_cut(&text, '-')), most, &first) != CM_OK)
        return (cm_rtsp_pair){0};
    if (cm_slice_to_u64(cm_slice_trim(text), UINT16_MAX, &second) != CM_OK)
        second = first + 1;
    if (first < least || second < least || second > most)
        return (cm_rtsp_pair){0};
    return (cm_rtsp_pair){.is_said = true, .rtp = (uint16_t)first, .rtcp = (uint16_t)second};
}

/* The value of a hex digit, or 16. */
static uint32_t digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10u;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10u : 16;
}

/* Hex of any length that fits 32 bits: cameras leave leading zeros out, or add some. */
static bool read_ssrc(cm_slice text, uint32_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint32_t digit = digit_value(text.bytes[i]);
        value = value << 4 | digit;
        if (digit > 15 || value > UINT32_MAX)
            return false;
    }
    *out = (uint32_t)value;
    return text.size > 0;
}

static void read_flag(cm_slice name, cm_rtsp_transport *out)
{
    if (cm_slice_equal_nocase(name, CM_TEXT("multicast")))
        out->is_multicast = true;
    else if (cm_slice_equal_nocase(name, CM_TEXT("unicast")))
        out->is_multicast = false;
}

static void read_value(cm_slice name, cm_slice value, cm_rtsp_transport *out)
{
    if (cm_slice_equal_nocase(name, CM_TEXT("interleaved")))
        out->interleaved = read_pair(value, CHANNEL_LEAST, CHANNEL_MOST);
    else if (cm_slice_equal_nocase(name, CM_TEXT("client_port")))
        out->client_port = read_pair(value, PORT_LEAST, PORT_MOST);
    else if (cm_slice_equal_nocase(name, CM_TEXT("server_port")))
        out->server_port = read_pair(value, PORT_LEAST, PORT_MOST);
    else if (cm_slice_equal_nocase(name, CM_TEXT("port")))
        out->port = read_pair(value, PORT_LEAST, PORT_MOST);
    else if (cm_slice_equal_nocase(name, CM_TEXT("source")))
        out->source = value;
    else if (cm_slice_equal_nocase(name, CM_TEXT("destination")))
        out->destination = value;
    else if (cm_slice_equal_nocase(name, CM_TEXT("ssrc")))
        out->has_ssrc = read_ssrc(value, &out->ssrc);
    else if (cm_slice_equal_nocase(name, CM_TEXT("mode")))
        out->mode = value;
}

static bool ends_in_tcp(cm_slice profile)
{
    const cm_slice tail = CM_TEXT("/TCP");
    return profile.size >= tail.size &&
           cm_slice_equal_nocase(cm_slice_from(profile, profile.size - tail.size), tail);
}

static cm_status read_option(cm_slice option, cm_rtsp_transport *out)
{
    cm_rtsp_transport transport = {0};
    const cm_slice profile = cm_slice_trim(cm_rtsp_cut_unquoted(&option, ';'));
    CM_ENSURE(cm_slice_starts_nocase(profile, CM_TEXT("RTP/AVP")), CM_REFUSE);
    while (option.size > 0) {
        const cm_slice part = cm_slice_trim(cm_rtsp_cut_unquoted(&option, ';'));
        cm_slice name;
        cm_slice value;
        if (cm_rtsp_split_parameter(part, &name, &value))
            read_value(name, value, &transport);
        else
            read_flag(part, &transport);
    }
    transport.is_tcp = ends_in_tcp(profile) || transport.interleaved.is_said;
    *out = transport;
    return CM_OK;
}

cm_status cm_rtsp_transport_next(cm_slice *rest, cm_rtsp_transport *out)
{
    while (rest->size > 0) {
        const cm_slice option = cm_slice_trim(cm_rtsp_cut_unquoted(rest, ','));
        if (option.size > 0)
            return read_option(option, out);
    }
    return CM_ABSENT;
}

static void write_pair(cm_writer *w, const char *name, const cm_rtsp_pair *pair)
{
    if (!pair->is_said)
        return;
    cm_write_text(w, name);
    cm_write_decimal(w, pair->rtp);
    cm_write_u8(w, '-');
    cm_write_decimal(w, pair->rtcp);
}

static void write_text(cm_writer *w, const char *name, cm_slice value, const char *end)
{
    if (value.size == 0)
        return;
    if (!cm_rtsp_is_clean_of(value, CM_TEXT("\";\\")))
        w->failed = true;
    cm_write_text(w, name);
    cm_write_slice(w, value);
    cm_write_text(w, end);
}

void cm_rtsp_transport_write(cm_writer *w, const cm_rtsp_transport *transport)
{
    cm_write_text(w, transport->is_tcp ? "RTP/AVP/TCP" : "RTP/AVP");
    cm_write_text(w, transport->is_multicast ? ";multicast" : ";unicast");
    write_text(w, ";destination=", transport->destination, "");
    write_text(w, ";source=", transport->source, "");
    write_pair(w, ";interleaved=", &transport->interleaved);
    write_pair(w, ";client_port=", &transport->client_port);
    write_pair(w, ";server_port=", &transport->server_port);
    write_pair(w, ";port=", &transport->port);
    if (transport->has_ssrc)
        cm_write_format(w, ";ssrc=%08X", (unsigned)transport->ssrc);
    write_text(w, ";mode=\"", transport->mode, "\"");
}
