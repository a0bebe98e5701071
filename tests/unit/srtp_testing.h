/* srtp_testing: packets, and two ends of a session, for the tests of srtp. */
#pragma once

#include "base/random.h"
#include "base/writer.h"
#include "net/srtp_priv.h"
#include "unit.h"

enum { TESTING_ROOM = 2048 };

typedef struct testing_packet {
    uint8_t bytes[TESTING_ROOM];
    size_t size;
} testing_packet;

static inline cm_srtp_master testing_master(uint8_t seed)
{
    cm_srtp_master master;
    for (size_t i = 0; i < sizeof master.key; i++)
        master.key[i] = (uint8_t)(seed * 31 + i * 7);
    for (size_t i = 0; i < sizeof master.salt; i++)
        master.salt[i] = (uint8_t)(seed * 17 + i * 13 + 5);
    return master;
}

typedef struct testing_shape {
    uint8_t csrcs;
    bool has_extension;
    uint8_t extension_words;
    size_t payload_size;
} testing_shape;

/* RTP as `shape` says; what it holds follows from the numbers. */
static inline testing_packet testing_rtp(uint32_t ssrc, uint16_t sequence,
                                         const testing_shape *shape)
{
    testing_packet p;
    cm_writer w = cm_writer_over(p.bytes, sizeof p.bytes);
    cm_write_u8(&w, (uint8_t)(0x80 | shape->has_extension << 4 | shape->csrcs));
    cm_write_u8(&w, 96);
    cm_write_u16(&w, sequence);
    cm_write_u32(&w, sequence * 3000u);
    cm_write_u32(&w, ssrc);
    for (uint32_t i = 0; i < shape->csrcs; i++)
        cm_write_u32(&w, ssrc + i + 1);
    if (shape->has_extension) {
        cm_write_u16(&w, 0xBEDE);
        cm_write_u16(&w, shape->extension_words);
        for (uint32_t i = 0; i < shape->extension_words; i++)
            cm_write_u32(&w, i * 0x01010101u);
    }
    for (size_t i = 0; i < shape->payload_size; i++)
        cm_write_u8(&w, (uint8_t)(sequence + i * 5));
    assert_false(w.failed);
    p.size = w.used;
    return p;
}

static inline testing_packet testing_rtp_plain(uint32_t ssrc, uint16_t sequence)
{
    return testing_rtp(ssrc, sequence, &(testing_shape){.payload_size = 40});
}

/* A receiver report of `blocks` blocks. */
static inline testing_packet testing_rtcp(uint32_t ssrc, uint8_t blocks)
{
    testing_packet p;
    cm_writer w = cm_writer_over(p.bytes, sizeof p.bytes);
    cm_write_u8(&w, 0x80 | blocks);
    cm_write_u8(&w, 201);
    cm_write_u16(&w, (uint16_t)(1 + 6 * blocks));
    cm_write_u32(&w, ssrc);
    for (uint32_t i = 0; i < 6u * blocks; i++)
        cm_write_u32(&w, i * 0x10203u);
    p.size = w.used;
    return p;
}

static inline void assert_same(const testing_packet *a, const testing_packet *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}
