#include "base/secret.h"
#include "proto/stun/stun_priv.h"

static void begin_attribute(cm_writer *w, cm_stun_type type, size_t size)
{
    cm_write_u16(w, (uint16_t)type);
    cm_write_u16(w, (uint16_t)size);
}

static void write_text(cm_writer *w, cm_stun_type type, cm_slice text, size_t max)
{
    if (text.size > max)
        w->failed = true;
    if (text.size == 0 || w->failed)
        return;
    begin_attribute(w, type, text.size);
    cm_write_slice(w, text);
    cm_write_zeros(w, cm_stun_padding(text.size)); /* RFC 8489, 14 MUST */
}

static void write_ice(cm_writer *w, const cm_stun_message *m)
{
    if (m->has_priority) {
        begin_attribute(w, CM_STUN_PRIORITY, 4);
        cm_write_u32(w, m->priority);
    }
    if (m->uses_candidate)
        begin_attribute(w, CM_STUN_USE_CANDIDATE, 0);
    if (m->role != CM_STUN_NO_ROLE) {
        const bool is_controlled = m->role == CM_STUN_CONTROLLED;
        begin_attribute(w, is_controlled ? CM_STUN_ICE_CONTROLLED : CM_STUN_ICE_CONTROLLING, 8);
        cm_write_u64(w, m->tie_breaker);
    }
}

static void write_address(cm_writer *w, cm_stun_type type, cm_stun_address address,
                          const cm_stun_message *m)
{
    if (address.size != 4 && address.size != 16)
        return;
    cm_stun_xor(&address, m->transaction);
    begin_attribute(w, type, 4 + (size_t)address.size);
    cm_write_u8(w, 0);
    cm_write_u8(w, address.size == 4 ? CM_STUN_FAMILY_V4 : CM_STUN_FAMILY_V6);
    cm_write_u16(w, address.port);
    cm_write_slice(w, cm_slice_over(address.bytes, address.size));
}

static void write_error(cm_writer *w, const cm_stun_message *m)
{
    if (m->error < 300 || m->error > 699)
        return;
    if (m->reason.size > CM_STUN_TEXT_MAX)
        w->failed = true;
    begin_attribute(w, CM_STUN_ERROR_CODE, 4 + m->reason.size);
    cm_write_u16(w, 0);
    cm_write_u8(w, (uint8_t)(m->error / 100));
    cm_write_u8(w, (uint8_t)(m->error % 100));
    cm_write_slice(w, m->reason);
    cm_write_zeros(w, cm_stun_padding(m->reason.size));
}

static void write_refused(cm_writer *w, const cm_stun_types *refused)
{
    if (refused->count == 0)
        return;
    begin_attribute(w, CM_STUN_UNKNOWN_ATTRIBUTES, refused->count * 2);
    for (size_t i = 0; i < refused->count; i++)
        cm_write_u16(w, refused->types[i]);
    cm_write_zeros(w, cm_stun_padding(refused->count * 2));
}

static void write_turn(cm_writer *w, const cm_stun_message *m)
{
    if (m->has_lifetime) {
        begin_attribute(w, CM_STUN_LIFETIME, 4);
        cm_write_u32(w, m->lifetime_s);
    }
    if (m->transport != 0) {
        begin_attribute(w, CM_STUN_REQUESTED_TRANSPORT, 4);
        cm_write_u8(w, m->transport);
        cm_write_u24(w, 0);
    }
    if (m->channel != 0) {
        begin_attribute(w, CM_STUN_CHANNEL_NUMBER, 4);
        cm_write_u16(w, m->channel);
        cm_write_u16(w, 0);
    }
    write_address(w, CM_STUN_XOR_PEER_ADDRESS, m->peer, m);
    write_address(w, CM_STUN_XOR_RELAYED_ADDRESS, m->relayed, m);
    if (!m->has_data)
        return;
    if (m->data.size > UINT16_MAX)
        w->failed = true;
    begin_attribute(w, CM_STUN_DATA_VALUE, m->data.size);
    cm_write_slice(w, m->data);
    cm_write_zeros(w, cm_stun_padding(m->data.size));
}

/* Of the message that begins at `begin`. */
static void fill_length(cm_writer *w, size_t begin, size_t more)
{
    const size_t length = w->used - begin - CM_STUN_HEADER_SIZE + more;
    if (length > UINT16_MAX)
        w->failed = true;
    if (!w->failed)
        cm_write_fill_u16(w, begin + 2, (uint16_t)length);
}

static cm_status write_integrity(cm_stun_hasher *hasher, cm_writer *w, size_t begin, cm_slice key)
{
    uint8_t integrity[CM_STUN_INTEGRITY_SIZE];
    CM_ENSURE(!w->failed, CM_FULL);
    CM_TRY(cm_stun_sign(hasher, cm_slice_from(cm_writer_done(w), begin), key, integrity));
    begin_attribute(w, CM_STUN_MESSAGE_INTEGRITY, sizeof integrity);
    cm_write_slice(w, cm_slice_over(integrity, sizeof integrity));
    return CM_OK;
}

cm_status cm_stun_write(cm_stun_hasher *hasher, const cm_stun_message *message, cm_slice key,
                        cm_writer *w)
{
    const size_t begin = w->used;
    const unsigned method = message->method;
    const unsigned class = (unsigned)message->class;
    cm_write_u16(w, (uint16_t)((method & 0x0F) | (method & 0x70) << 1 | (method & 0xF80) << 2 |
                               (class & 1) << 4 | (class & 2) << 7));
    cm_write_u16(w, 0); /* the length, filled in below */
    cm_write_u32(w, CM_STUN_COOKIE);
    cm_write_slice(w, cm_slice_over(message->transaction, CM_STUN_TRANSACTION_SIZE));
    write_text(w, CM_STUN_SOFTWARE, message->software, CM_STUN_TEXT_MAX);
    write_ice(w, message);
    write_text(w, CM_STUN_USERNAME, message->username, CM_STUN_USERNAME_MAX);
    write_text(w, CM_STUN_REALM, message->realm, CM_STUN_TEXT_MAX);
    write_text(w, CM_STUN_NONCE, message->nonce, CM_STUN_TEXT_MAX);
    write_address(w, CM_STUN_XOR_MAPPED_ADDRESS, message->mapped, message);
    write_turn(w, message);
    write_error(w, message);
    write_refused(w, &message->refused);
    if (key.size > 0)
        CM_TRY(write_integrity(hasher, w, begin, key));
    fill_length(w, begin, CM_STUN_ATTRIBUTE_HEADER_SIZE + 4);
    CM_ENSURE(!w->failed, CM_FULL);
    const uint32_t fingerprint = cm_stun_fingerprint(cm_slice_from(cm_writer_done(w), begin));
    begin_attribute(w, CM_STUN_FINGERPRINT, 4);
    cm_write_u32(w, fingerprint);
    CM_ENSURE(!w->failed, CM_FULL);
    return CM_OK;
}
