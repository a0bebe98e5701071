#include "proto/sdp/candidate.h"

#include "proto/sdp/sdp_priv.h"

enum {
    COMPONENT_MAX = 256,
    FOUNDATION_MAX = 32,
    ADDRESS_MAX = 255, /* a name's, RFC 1035 2.3.4 */
};

static const char *const TYPES[] = {[CM_SDP_HOST] = "host",
                                    [CM_SDP_SERVER_REFLEXIVE] = "srflx",
                                    [CM_SDP_PEER_REFLEXIVE] = "prflx",
                                    [CM_SDP_RELAYED] = "relay"};
static const char *const TCP_TYPES[] = {[CM_SDP_TCP_ACTIVE] = "active",
                                        [CM_SDP_TCP_PASSIVE] = "passive",
                                        [CM_SDP_TCP_SIMULTANEOUS] = "so"};

static cm_status wrong(const char **reason, const char *what)
{
    *reason = what;
    return CM_REFUSE;
}

static cm_status read_number(cm_slice *rest, uint64_t max, uint64_t *out)
{
    return cm_slice_to_u64(cm_sdp_next_word(rest), max, out);
}

/* An address with a letter beyond hexadecimal, or without dot and colon, is a name. */
static bool is_name(cm_slice address)
{
    bool has_separator = false;
    for (size_t i = 0; i < address.size; i++) {
        const uint8_t c = address.bytes[i];
        const bool is_hex =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex && c != '.' && c != ':')
            return true;
        has_separator = has_separator || c == '.' || c == ':';
    }
    return !has_separator;
}

static bool is_ip6(cm_slice address)
{
    return cm_slice_find(address, ':') < address.size;
}

/* Everything before "typ". *transport is UDP or any of TCP: which one stands further on. */
static cm_status read_fixed(cm_slice *rest, cm_sdp_candidate *out, cm_slice *transport,
                            const char **reason)
{
    uint64_t component;
    uint64_t priority;
    uint64_t port;
    out->foundation = cm_sdp_next_word(rest);
    if (out->foundation.size == 0 || out->foundation.size > FOUNDATION_MAX)
        return wrong(reason, "does not begin with a foundation of 1 to 32 characters");
    if (read_number(rest, COMPONENT_MAX, &component) != CM_OK || component == 0)
        return wrong(reason, "has no component number from 1 to 256");
    *transport = cm_sdp_next_word(rest);
    if (transport->size == 0)
        return wrong(reason, "does not say its transport");
    if (read_number(rest, UINT32_MAX, &priority) != CM_OK)
        return wrong(reason, "has no priority, which is a number of 32 bits");
    out->address = cm_sdp_next_word(rest);
    if (out->address.size == 0 || out->address.size > ADDRESS_MAX)
        return wrong(reason, "has no address");
    if (read_number(rest, UINT16_MAX, &port) != CM_OK)
        return wrong(reason, "has no port, which is a number up to 65535");
    if (!cm_slice_equal(cm_sdp_next_word(rest), CM_TEXT("typ")))
        return wrong(reason, "does not say its type (typ)");
    out->component = (uint16_t)component;
    out->priority = (uint32_t)priority;
    out->port = (uint16_t)port;
    return CM_OK;
}

/* Pairs of name and value; those that we don't know are passed over. */
static cm_status read_extensions(cm_slice rest, cm_sdp_candidate *out, cm_slice *tcp_type,
                                 const char **reason)
{
    for (;;) {
        const cm_slice name = cm_sdp_next_word(&rest);
        const cm_slice value = cm_sdp_next_word(&rest);
        uint64_t port;
        if (name.size == 0)
            return CM_OK;
        if (cm_slice_equal(name, CM_TEXT("raddr"))) {
            out->related_address = value;
        } else if (cm_slice_equal(name, CM_TEXT("rport"))) {
            if (cm_slice_to_u64(value, UINT16_MAX, &port) != CM_OK)
                return wrong(reason, "has an rport that is no number up to 65535");
            out->related_port = (uint16_t)port;
        } else if (cm_slice_equal(name, CM_TEXT("tcptype"))) {
            *tcp_type = value;
        }
    }
}

static cm_status find_type(cm_slice word, cm_sdp_candidate_type *out)
{
    for (size_t i = 0; i < CM_COUNT(TYPES); i++) {
        if (!cm_slice_equal_nocase(word, cm_slice_of(TYPES[i])))
            continue;
        *out = (cm_sdp_candidate_type)i;
        return CM_OK;
    }
    return CM_ABSENT;
}

static cm_status find_transport(cm_slice word, cm_slice tcp_type, cm_sdp_candidate_transport *out)
{
    *out = CM_SDP_UDP;
    if (cm_slice_equal_nocase(word, CM_TEXT("udp")))
        return CM_OK;
    CM_ENSURE(cm_slice_equal_nocase(word, CM_TEXT("tcp")), CM_ABSENT);
    for (size_t i = CM_SDP_TCP_ACTIVE; i < CM_COUNT(TCP_TYPES); i++) {
        if (!cm_slice_equal_nocase(tcp_type, cm_slice_of(TCP_TYPES[i])))
            continue;
        *out = (cm_sdp_candidate_transport)i;
        return CM_OK;
    }
    return CM_ABSENT;
}

cm_status cm_sdp_candidate_parse(cm_slice value, cm_sdp_candidate *out, const char **reason)
{
    cm_sdp_candidate candidate = {0};
    cm_slice transport;
    cm_slice tcp_type = {0};
    CM_TRY(read_fixed(&value, &candidate, &transport, reason));
    const cm_slice type = cm_sdp_next_word(&value);
    if (type.size == 0)
        return wrong(reason, "does not say its type (typ)");
    CM_TRY(read_extensions(value, &candidate, &tcp_type, reason));
    CM_TRY(find_type(type, &candidate.type));
    CM_TRY(find_transport(transport, tcp_type, &candidate.transport));
    candidate.is_name = is_name(candidate.address);
    *out = candidate;
    return CM_OK;
}

void cm_sdp_candidate_write(cm_writer *w, const cm_sdp_candidate *candidate)
{
    cm_write_text(w, "a=candidate:");
    cm_sdp_write_clean(w, candidate->foundation);
    cm_write_format(w, " %u %s %u ", candidate->component,
                    candidate->transport == CM_SDP_UDP ? "udp" : "tcp", candidate->priority);
    cm_sdp_write_clean(w, candidate->address);
    cm_write_format(w, " %u typ %s", candidate->port, TYPES[candidate->type]);
    if (candidate->related_address.size > 0) {
        cm_write_text(w, " raddr ");
        cm_sdp_write_clean(w, candidate->related_address);
        cm_write_format(w, " rport %u", candidate->related_port);
    } else if (candidate->type != CM_SDP_HOST) {
        cm_write_format(w, " raddr %s rport 9", is_ip6(candidate->address) ? "::" : "0.0.0.0");
    }
    if (candidate->transport != CM_SDP_UDP)
        cm_write_format(w, " tcptype %s", TCP_TYPES[candidate->transport]);
    cm_write_text(w, "\r\n");
}
