/*
 * STUN and ChannelData: any datagram is read within its bounds; what was read survives writing and
 * reading. The first byte says how: with odd ones the FINGERPRINT is left to the input, else the
 * rest is sealed with a right one, so that mutations reach the attributes.
 */
#include "fuzz.h"
#include "proto/stun/channel.h"
#include "proto/stun/stun_priv.h"

static cm_stun_hasher *the_hasher(void)
{
    static cm_stun_hasher *hasher;
    if (hasher == NULL)
        CHECK(cm_stun_hasher_create(&hasher) == CM_OK);
    return hasher;
}

static bool is_same_address(const cm_stun_address *a, const cm_stun_address *b)
{
    return a->size == b->size && a->port == b->port &&
           cm_slice_equal(cm_slice_over(a->bytes, a->size), cm_slice_over(b->bytes, b->size));
}

static bool is_same_turn(const cm_stun_message *a, const cm_stun_message *b)
{
    return a->has_lifetime == b->has_lifetime && a->lifetime_s == b->lifetime_s &&
           a->channel == b->channel && a->transport == b->transport &&
           is_same_address(&a->peer, &b->peer) && is_same_address(&a->relayed, &b->relayed) &&
           a->has_data == b->has_data && cm_slice_equal(a->data, b->data) &&
           cm_slice_equal(a->realm, b->realm) && cm_slice_equal(a->nonce, b->nonce);
}

static bool is_same(const cm_stun_message *a, const cm_stun_message *b)
{
    return a->class == b->class && a->method == b->method && a->role == b->role &&
           a->tie_breaker == b->tie_breaker && a->has_priority == b->has_priority &&
           a->priority == b->priority && a->uses_candidate == b->uses_candidate &&
           a->error == b->error && is_same_address(&a->mapped, &b->mapped) &&
           a->refused.count == b->refused.count && is_same_turn(a, b) &&
           cm_slice_equal(a->username, b->username) && cm_slice_equal(a->software, b->software) &&
           cm_slice_equal(a->reason, b->reason);
}

static void check_round_trip(const cm_stun_message *message)
{
    uint8_t storage[8192];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CHECK(cm_stun_write(the_hasher(), message, CM_TEXT("password"), &w) == CM_OK);
    cm_stun_message back;
    CHECK(cm_stun_parse(cm_writer_done(&w), &back) == CM_OK);
    CHECK(back.has_fingerprint && back.unknown.count == 0);
    CHECK(cm_stun_check_integrity(the_hasher(), &back, CM_TEXT("password")) == CM_OK);
    CHECK(cm_stun_check_integrity(the_hasher(), &back, CM_TEXT("passwore")) == CM_REFUSE);
    CHECK(is_same(message, &back));
}

static void check_channel(cm_slice datagram)
{
    cm_stun_channel_data d;
    if (cm_stun_channel_parse(datagram, &d) != CM_OK)
        return;
    uint8_t head[CM_STUN_CHANNEL_HEADER_SIZE];
    cm_writer w = cm_writer_over(head, sizeof head);
    touch(d.data);
    cm_stun_channel_write(&w, d.channel, d.data.size);
    CHECK(!w.failed);
    CHECK(cm_slice_equal(cm_writer_done(&w), cm_slice_part(datagram, 0, sizeof head)));
}

static void check(cm_slice datagram)
{
    cm_stun_message m;
    check_channel(datagram);
    if (cm_stun_parse(datagram, &m) != CM_OK)
        return;
    touch(m.username);
    touch(m.software);
    touch(m.reason);
    touch(m.realm);
    touch(m.nonce);
    touch(m.data);
    touch(m.covered);
    touch(m.integrity);
    CHECK(m.unknown.count <= CM_STUN_TYPES_MAX && m.refused.count <= CM_STUN_TYPES_MAX);
    CHECK(m.mapped.size == 0 || m.mapped.size == 4 || m.mapped.size == 16);
    CHECK(m.has_integrity || m.integrity.size == 0);
    (void)cm_stun_check_integrity(the_hasher(), &m, CM_TEXT("password"));
    check_round_trip(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const cm_slice input = cm_slice_over(data + 1, size - 1);
    if ((data[0] & 1) != 0 || size > 2000 || input.size < CM_STUN_HEADER_SIZE) {
        check(input);
        return 0;
    }
    uint8_t storage[2048];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_slice(&w, cm_slice_part(input, 0, input.size / 4 * 4));
    cm_write_fill_u16(&w, 2, (uint16_t)(w.used - CM_STUN_HEADER_SIZE + 8));
    cm_write_fill_u32(&w, 4, CM_STUN_COOKIE);
    const uint32_t fingerprint = cm_stun_fingerprint(cm_writer_done(&w));
    cm_write_u16(&w, CM_STUN_FINGERPRINT);
    cm_write_u16(&w, 4);
    cm_write_u32(&w, fingerprint);
    check(cm_writer_done(&w));
    return 0;
}
