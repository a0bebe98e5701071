/*
 * webrtc_rig: a camera whose pictures are real access units, WebRTC viewers of it in virtual time,
 * sessions that write down what they are given, and a receiver that puts pictures together again
 * and compares them with what was put in.
 */
#pragma once

#include "egress/webrtc/webrtc_priv.h"
#include "h264_sets.h"
#include "hub_rig.h"
#include "proto/h264/depacketize.h"
#include "proto/h264/packetize.h"
#include "proto/rtp/ntp.h"
#include "proto/rtp/rtx.h"

enum {
    WIRE_MAX = 32768,
    SLICE_MAX = 600000,
    GRANULES_MAX = 600,
    PICTURE_US = 50000, /* 20 a second */
    MEDIA_TYPE = 96,
    RTX_TYPE = 97,
};
static const uint32_t MEDIA_SSRC = 0xCA5E0001;
static const uint32_t RTX_SSRC = 0xCA5E0002;
static const uint32_t PEER_SSRC = 0xBEEF;
static const cm_rtp_extension_ids EXTENSIONS = {
    .transport_sequence = 3, .capture_time = 5, .playout_delay = 6, .mid = 9};

/* One packet that a session was given. */
typedef struct wire_packet {
    uint8_t *bytes;
    size_t size;
    cm_rtp_packet rtp;
    cm_rtp_extensions extensions;
    cm_instant at;
    bool is_again; /* by resend_rtp */
} wire_packet;

typedef struct wire_session {
    cm_webrtc_transport transport;
    cm_loop *loop;
    wire_packet packets[WIRE_MAX];
    size_t count;
    uint8_t control[2048]; /* the newest RTCP */
    size_t control_size;
    unsigned controls;
    cm_instant control_at;
    unsigned flushes;
    size_t flushed; /* packets that went out */
} wire_session;

static inline cm_status wire_keep(wire_session *s, cm_slice header, const cm_slice *payload,
                                  size_t parts, bool is_again)
{
    uint8_t bytes[PACKET_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_slice(&w, header);
    for (size_t i = 0; i < parts; i++)
        cm_write_slice(&w, payload[i]);
    assert_false(w.failed);
    assert_true(s->count < WIRE_MAX);
    wire_packet *packet = &s->packets[s->count++];
    packet->bytes = malloc(w.used);
    assert_non_null(packet->bytes);
    memcpy(packet->bytes, bytes, w.used);
    packet->size = w.used;
    packet->at = cm_loop_now(s->loop);
    packet->is_again = is_again;
    assert_int_equal(cm_rtp_parse(cm_slice_over(packet->bytes, packet->size), &packet->rtp), CM_OK);
    cm_rtp_extensions_read(&packet->rtp, &EXTENSIONS, &packet->extensions);
    return CM_OK;
}

static inline cm_status wire_send(void *context, cm_slice header, const cm_slice *payload,
                                  size_t parts)
{
    return wire_keep(context, header, payload, parts, false);
}

static inline cm_status wire_resend(void *context, cm_slice header, const cm_slice *payload,
                                    size_t parts)
{
    return wire_keep(context, header, payload, parts, true);
}

static inline cm_status wire_send_rtcp(void *context, cm_slice compound)
{
    wire_session *s = context;
    assert_true(compound.size <= sizeof s->control);
    memcpy(s->control, compound.bytes, compound.size);
    s->control_size = compound.size;
    s->control_at = cm_loop_now(s->loop);
    s->controls++;
    return CM_OK;
}

static inline void wire_flush(void *context)
{
    wire_session *s = context;
    s->flushes++;
    s->flushed = s->count;
}

static inline wire_session *wire_open(cm_loop *loop)
{
    wire_session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->loop = loop;
    s->transport = (cm_webrtc_transport){.send_rtp = wire_send,
                                         .send_rtcp = wire_send_rtcp,
                                         .flush = wire_flush,
                                         .context = s,
                                         .next_number = 65500};
    return s;
}

static inline void wire_forget(wire_session *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->packets[i].bytes);
    s->count = s->flushed = 0;
}

static inline void wire_close(wire_session *s)
{
    wire_forget(s);
    free(s);
}

/* ---- pictures ---- */

/* Bytes that depend on `serial` alone, none of them zero: no start code, no emulation. */
static inline cm_slice picture_slice(unsigned serial, bool is_keyframe, size_t size,
                                     uint8_t storage[SLICE_MAX])
{
    uint32_t x = serial * 2654435761u + 1;
    assert_in_range(size, 8, SLICE_MAX);
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        storage[i] = (uint8_t)(x >> 24 | 1);
    }
    storage[0] = is_keyframe ? 0x65 : 0x61;
    storage[1] = 0x88; /* first_mb_in_slice 0: it begins a picture */
    cm_writer w = cm_writer_over(storage + 2, 2);
    cm_write_u16(&w, (uint16_t)(0x8080 | (serial >> 7) << 8 | (serial & 0x7F)));
    return cm_slice_over(storage, size);
}

/* The camera of a rig: what it sent, by its serial number. */
typedef struct camera {
    rig *rig;
    unsigned next;
    uint16_t flags; /* of its pictures, beside what they are */
    cm_instant began;
    struct {
        bool is_keyframe;
        size_t size;
        cm_wall captured;
        cm_media_time media_time;
    } sent[RIG_SEEN];
} camera;

static inline void camera_put(camera *c, bool is_keyframe, size_t size)
{
    static uint8_t storage[SLICE_MAX];
    static cm_plain_granule granules[GRANULES_MAX];
    const unsigned serial = c->next++;
    const cm_slice slice = picture_slice(serial, is_keyframe, size, storage);
    const cm_slice nals[] = {SPS_BASELINE, PPS_BASELINE, slice};
    const cm_slice *first = is_keyframe ? nals : &nals[2];
    cm_h264_packetizer p;
    cm_h264_granule g;
    size_t count = 0;
    assert_int_equal(cm_h264_packetizer_init(&p, first, is_keyframe ? 3 : 1, CM_H264_GRANULE_BYTES),
                     CM_OK);
    for (; cm_h264_packetizer_next(&p, &g); count++) {
        assert_true(count < GRANULES_MAX);
        granules[count] = (cm_plain_granule){.head = {g.header[0], g.header[1]},
                                             .head_size = g.header_size,
                                             .body = cm_slice_part(first[g.nal], g.offset, g.size)};
    }
    if (c->began.us == 0)
        c->began = rig_now(c->rig);
    c->sent[serial].is_keyframe = is_keyframe;
    c->sent[serial].size = size;
    c->sent[serial].captured = cm_loop_wall(c->rig->loops[0]);
    c->sent[serial].media_time = 5000000 + cm_instant_since(rig_now(c->rig), c->began) * 9 / 100;
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags =
                                      (uint16_t)(c->flags | (is_keyframe ? CM_FRAME_KEYFRAME : 0)),
                                  .duration_ms = PICTURE_US / 1000,
                                  .captured = c->sent[serial].captured,
                                  .media_time = c->sent[serial].media_time};
    assert_int_equal(cm_source_put(c->rig->source, &plain), CM_OK);
}

/* And the time until the next one. */
static inline void camera_run(camera *c, bool is_keyframe, size_t size)
{
    camera_put(c, is_keyframe, size);
    rig_run(c->rig, PICTURE_US);
}

static inline void camera_run_group(camera *c, size_t key_size, unsigned more, size_t size)
{
    camera_run(c, true, key_size);
    for (unsigned i = 0; i < more; i++)
        camera_run(c, false, size);
}

/* ---- a receiver ---- */

typedef struct receiver {
    const camera *camera;
    cm_buffer buffer;
    cm_h264_depacketizer depacketizer;
    unsigned serials[RIG_SEEN];
    uint32_t timestamps[RIG_SEEN];
    size_t count;
    bool has_sequence;
    uint16_t sequence; /* expected next */
    unsigned gaps;
    unsigned unfinished; /* pictures that were begun and left */
} receiver;

static inline void receiver_on_unit(void *context, const cm_h264_access_unit *unit)
{
    static uint8_t storage[SLICE_MAX];
    receiver *r = context;
    const cm_slice slice = cm_h264_access_unit_nal(unit, unit->nal_count - 1);
    cm_reader reader = cm_reader_over(cm_slice_from(slice, 2));
    const unsigned high = cm_read_u8(&reader) & 0x7F;
    const unsigned serial = high << 7 | (cm_read_u8(&reader) & 0x7F);
    assert_true(serial < r->camera->next);
    const bool is_keyframe = r->camera->sent[serial].is_keyframe;
    const cm_slice expected =
        picture_slice(serial, is_keyframe, r->camera->sent[serial].size, storage);
    assert_int_equal(slice.size, expected.size);
    assert_memory_equal(slice.bytes, expected.bytes, expected.size);
    assert_int_equal(unit->is_keyframe, is_keyframe);
    assert_int_equal(unit->nal_count, is_keyframe ? 3 : 1);
    assert_true(r->count < RIG_SEEN);
    r->timestamps[r->count] = unit->timestamp;
    r->serials[r->count++] = serial;
}

static inline void receiver_open(receiver *r, const camera *c)
{
    *r = (receiver){.camera = c};
    cm_buffer_init(&r->buffer, CM_H264_MAX_UNIT_BYTES);
    cm_h264_depacketizer_init(&r->depacketizer, &r->buffer, receiver_on_unit, r);
}

static inline void receiver_close(receiver *r)
{
    cm_buffer_deinit(&r->buffer);
}

/* In the order of sequence numbers. */
static inline void receiver_put(receiver *r, const cm_rtp_packet *rtp)
{
    const bool is_gap = r->has_sequence && rtp->sequence_number != r->sequence;
    r->gaps += is_gap;
    r->has_sequence = true;
    r->sequence = (uint16_t)(rtp->sequence_number + 1);
    const cm_h264_rtp_payload payload = {.payload = rtp->payload,
                                         .timestamp = rtp->timestamp,
                                         .marker = rtp->marker,
                                         .gap_before = is_gap};
    r->unfinished += cm_h264_depacketizer_put(&r->depacketizer, &payload) != CM_OK;
}

/* All that a session was given under the media's SSRC, first time; returns how many pictures. */
static inline size_t receiver_take(receiver *r, const wire_session *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->packets[i].rtp.ssrc == MEDIA_SSRC && !s->packets[i].is_again)
            receiver_put(r, &s->packets[i].rtp);
    return r->count;
}
