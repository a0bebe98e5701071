#include "base/reader.h"
#include "proto/stun/stun_priv.h"

/* RFC 8489 5: twelve bits of method with two of class between them. */
static bool read_header(cm_reader *r, cm_stun_message *m)
{
    const uint16_t type = cm_read_u16(r);
    const uint16_t length = cm_read_u16(r);
    const uint32_t cookie = cm_read_u32(r);
    const cm_slice transaction = cm_read_slice(r, CM_STUN_TRANSACTION_SIZE);
    if (r->failed || type >> 14 != 0 || cookie != CM_STUN_COOKIE)
        return false;
    m->class = (cm_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    m->method = (uint16_t)((type & 0x0F) | (type >> 1 & 0x70) | (type >> 2 & 0xF80));
    cm_slice_copy(transaction, m->transaction, sizeof m->transaction);
    return length % 4 == 0 && length == r->rest.size;
}

/* Texts and numbers: of two the first counts, so what is set is left alone. */
static cm_status read_text(cm_slice value, size_t max, cm_slice *out)
{
    CM_ENSURE(value.size <= max, CM_CLOSE);
    if (out->size == 0)
        *out = value;
    return CM_OK;
}

static cm_status read_priority(cm_reader *r, cm_stun_message *m)
{
    const uint32_t priority = cm_read_u32(r);
    CM_TRY(cm_reader_finish(r));
    if (!m->has_priority)
        m->priority = priority;
    m->has_priority = true;
    return CM_OK;
}

static cm_status read_role(cm_reader *r, cm_stun_role role, cm_stun_message *m)
{
    const uint64_t tie_breaker = cm_read_u64(r);
    CM_TRY(cm_reader_finish(r));
    if (m->role != CM_STUN_NO_ROLE)
        return CM_OK;
    m->role = role;
    m->tie_breaker = tie_breaker;
    return CM_OK;
}

static cm_status read_address(cm_reader *r, const cm_stun_message *m, cm_stun_address *out)
{
    cm_stun_address address = {.size = 0};
    (void)cm_read_u8(r); /* zero, to be ignored */
    const uint8_t family = cm_read_u8(r);
    CM_ENSURE(family == CM_STUN_FAMILY_V4 || family == CM_STUN_FAMILY_V6, CM_CLOSE);
    address.size = family == CM_STUN_FAMILY_V4 ? 4 : 16;
    address.port = cm_read_u16(r);
    cm_slice_copy(cm_read_slice(r, address.size), address.bytes, sizeof address.bytes);
    CM_TRY(cm_reader_finish(r));
    cm_stun_xor(&address, m->transaction);
    if (out->size == 0)
        *out = address;
    return CM_OK;
}

static cm_status read_lifetime(cm_reader *r, cm_stun_message *m)
{
    const uint32_t lifetime_s = cm_read_u32(r);
    CM_TRY(cm_reader_finish(r));
    if (!m->has_lifetime)
        m->lifetime_s = lifetime_s;
    m->has_lifetime = true;
    return CM_OK;
}

/* RFC 8656 18.1: then two bytes of zeros. */
static cm_status read_channel(cm_reader *r, cm_stun_message *m)
{
    const uint16_t channel = cm_read_u16(r);
    (void)cm_read_u16(r);
    CM_TRY(cm_reader_finish(r));
    if (m->channel == 0)
        m->channel = channel;
    return CM_OK;
}

/* RFC 8656 18.7: then three. */
static cm_status read_transport(cm_reader *r, cm_stun_message *m)
{
    const uint8_t transport = cm_read_u8(r);
    (void)cm_read_u24(r);
    CM_TRY(cm_reader_finish(r));
    if (m->transport == 0)
        m->transport = transport;
    return CM_OK;
}

static cm_status read_data(cm_slice value, cm_stun_message *m)
{
    if (!m->has_data)
        m->data = value;
    m->has_data = true;
    return CM_OK;
}

/* RFC 8489 14.8: hundreds in three bits, then the rest below 100. */
static cm_status read_error(cm_reader *r, cm_stun_message *m)
{
    (void)cm_read_u16(r);
    const uint8_t hundreds = cm_read_u8(r) & 7;
    const uint8_t rest = cm_read_u8(r);
    CM_ENSURE(!r->failed && hundreds >= 3 && hundreds <= 6 && rest < 100, CM_CLOSE);
    CM_ENSURE(r->rest.size <= CM_STUN_TEXT_MAX, CM_CLOSE);
    if (m->error != 0)
        return CM_OK;
    m->error = (uint16_t)(hundreds * 100 + rest);
    m->reason = r->rest;
    return CM_OK;
}

static void add_type(cm_stun_types *types, uint16_t type)
{
    if (types->count < CM_STUN_TYPES_MAX)
        types->types[types->count++] = type;
}

static cm_status read_refused(cm_reader *r, cm_stun_message *m)
{
    const bool is_first = m->refused.count == 0;
    while (r->rest.size > 0) {
        const uint16_t type = cm_read_u16(r);
        CM_ENSURE(!r->failed, CM_CLOSE);
        if (is_first)
            add_type(&m->refused, type);
    }
    return CM_OK;
}

/* `before`: the message up to this attribute. */
static cm_status read_integrity(cm_slice value, cm_slice before, cm_stun_message *m)
{
    CM_ENSURE(value.size == CM_STUN_INTEGRITY_SIZE, CM_CLOSE);
    m->has_integrity = true;
    m->integrity = value;
    m->covered = before;
    return CM_OK;
}

static cm_status read_fingerprint(cm_reader *r, cm_slice before, cm_stun_message *m)
{
    const uint32_t value = cm_read_u32(r);
    CM_TRY(cm_reader_finish(r));
    CM_ENSURE(value == cm_stun_fingerprint(before), CM_CLOSE);
    m->has_fingerprint = true;
    return CM_OK;
}

/* Those of TURN. CM_ABSENT: it is none. */
static cm_status read_turn_attribute(uint16_t type, cm_reader *value, cm_stun_message *m)
{
    switch (type) {
    case CM_STUN_LIFETIME:
        return read_lifetime(value, m);
    case CM_STUN_CHANNEL_NUMBER:
        return read_channel(value, m);
    case CM_STUN_REQUESTED_TRANSPORT:
        return read_transport(value, m);
    case CM_STUN_XOR_PEER_ADDRESS:
        return read_address(value, m, &m->peer);
    case CM_STUN_XOR_RELAYED_ADDRESS:
        return read_address(value, m, &m->relayed);
    case CM_STUN_DATA_VALUE:
        return read_data(value->rest, m);
    default:
        return CM_ABSENT;
    }
}

static cm_status read_other_attribute(uint16_t type, cm_reader *value, cm_stun_message *m)
{
    const cm_status status = read_turn_attribute(type, value, m);
    if (status != CM_ABSENT)
        return status;
    if (type < CM_STUN_MUST_UNDERSTAND)
        add_type(&m->unknown, type);
    return CM_OK;
}

static cm_status read_attribute(uint16_t type, cm_reader value, cm_slice before, cm_stun_message *m)
{
    switch (type) {
    case CM_STUN_USERNAME:
        return read_text(value.rest, CM_STUN_USERNAME_MAX, &m->username);
    case CM_STUN_SOFTWARE:
        return read_text(value.rest, CM_STUN_TEXT_MAX, &m->software);
    case CM_STUN_REALM:
        return read_text(value.rest, CM_STUN_TEXT_MAX, &m->realm);
    case CM_STUN_NONCE:
        return read_text(value.rest, CM_STUN_TEXT_MAX, &m->nonce);
    case CM_STUN_PRIORITY:
        return read_priority(&value, m);
    case CM_STUN_USE_CANDIDATE:
        m->uses_candidate = true;
        return cm_reader_finish(&value);
    case CM_STUN_ICE_CONTROLLED:
        return read_role(&value, CM_STUN_CONTROLLED, m);
    case CM_STUN_ICE_CONTROLLING:
        return read_role(&value, CM_STUN_CONTROLLING, m);
    case CM_STUN_XOR_MAPPED_ADDRESS:
        return read_address(&value, m, &m->mapped);
    case CM_STUN_ERROR_CODE:
        return read_error(&value, m);
    case CM_STUN_UNKNOWN_ATTRIBUTES:
        return read_refused(&value, m);
    case CM_STUN_MESSAGE_INTEGRITY:
        return read_integrity(value.rest, before, m);
    case CM_STUN_FINGERPRINT:
        return read_fingerprint(&value, before, m);
    case CM_STUN_MAPPED_ADDRESS: /* of servers older than XOR-MAPPED-ADDRESS, beside that */
        return CM_OK;
    default:
        return read_other_attribute(type, &value, m);
    }
}

cm_status cm_stun_parse(cm_slice datagram, cm_stun_message *out)
{
    cm_stun_message m = {.class = CM_STUN_REQUEST};
    cm_reader r = cm_reader_over(datagram);
    CM_ENSURE(read_header(&r, &m), CM_CLOSE);
    while (r.rest.size > 0) {
        const cm_slice before = cm_slice_part(datagram, 0, datagram.size - r.rest.size);
        const uint16_t type = cm_read_u16(&r);
        const uint16_t size = cm_read_u16(&r);
        const cm_reader value = cm_reader_sub(&r, size);
        (void)cm_read_slice(&r, cm_stun_padding(size)); /* of any value: RFC 8489 14 */
        /* RFC 8489, 14.7 MUST: FINGERPRINT is the last attribute. */
        CM_ENSURE(!r.failed && !m.has_fingerprint, CM_CLOSE);
        /* RFC 8489, 14.5 MUST: what follows is not authenticated. */
        if (m.has_integrity && type != CM_STUN_FINGERPRINT)
            continue;
        CM_TRY(read_attribute(type, value, before, &m));
    }
    *out = m;
    return CM_OK;
}
