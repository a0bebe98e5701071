/*
 * sound_rig: a camera that is heard, on a rig's first loop: its source, what it sends, and leases
 * with the right to listen or without.
 */
#pragma once

#include "hub_rig.h"
#include "media/sound.h"

enum { SOUND_PACKET_US = 20000, SOUND_BYTES_MAX = 4096 };

static const cm_sound_format SOUND_PCMU = {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 8000};
static const cm_sound_format SOUND_OPUS = {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000};
/* AAC-LC, 16 kHz, mono. */
static const cm_sound_format SOUND_AAC = {
    .codec = CM_SOUND_AAC, .channels = 1, .rate = 16000, .config_size = 2, .config = {0x14, 0x08}};

typedef struct microphone {
    rig *rig;
    cm_source *source;
    unsigned serial; /* of the next frame */
    cm_instant began;
} microphone;

/* At the rig's door, with sealers of its first two epochs. */
static inline void microphone_open(microphone *m, rig *r)
{
    const cm_source_config config = {.hub = r->hubs[0],
                                     .loop = r->loops[0],
                                     .camera = r->door.camera,
                                     .stream = CM_STREAM_SOUND,
                                     .on_want_sealers = rig_on_want,
                                     .owner = r};
    *m = (microphone){.rig = r, .began = rig_now(r)};
    assert_int_equal(cm_source_create(&config, &m->source), CM_OK);
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        cm_sealer *sealer = testing_sealer(&r->door, CM_STREAM_SOUND, CM_OBJECT_FRAME, epoch);
        assert_int_equal(cm_source_take_sealers(m->source, sealer, NULL), CM_OK);
    }
}

/* `size` bytes that say which frame they are; of Opus the first is its table of contents: 20 ms,
 * stereo, one frame (RFC 6716 3.1). */
static inline cm_slice microphone_frame(unsigned serial, const cm_sound_format *format, size_t size,
                                        uint8_t storage[SOUND_BYTES_MAX])
{
    for (size_t i = 0; i < size; i++)
        storage[i] = (uint8_t)(serial * 7 + i);
    if (format->codec == CM_SOUND_OPUS)
        storage[0] = 0xFC;
    return cm_slice_over(storage, size);
}

/* One frame, told to be heard `jitter_us` later than now. */
static inline void microphone_put(microphone *m, const cm_sound_format *format, size_t size,
                                  int64_t jitter_us)
{
    uint8_t storage[SOUND_BYTES_MAX];
    uint8_t head[CM_SOUND_FORMAT_MAX];
    cm_plain_granule granules[1 + SOUND_BYTES_MAX / CM_GRANULE_MAX + 1];
    const cm_slice body = microphone_frame(m->serial++, format, size, storage);
    cm_writer w = cm_writer_over(head, sizeof head);
    assert_int_equal(cm_sound_format_write(&w, format), CM_OK);
    granules[0] = (cm_plain_granule){.body = cm_writer_done(&w)};
    size_t count = 1;
    for (size_t at = 0; at < size; at += CM_GRANULE_MAX) {
        const size_t rest = size - at;
        granules[count++] = (cm_plain_granule){
            .body = cm_slice_part(body, at, rest < CM_GRANULE_MAX ? rest : CM_GRANULE_MAX)};
    }
    const int64_t us = cm_instant_since(rig_now(m->rig), m->began) + jitter_us;
    const cm_plain_frame plain = {
        .granules = granules,
        .count = count,
        .flags = CM_FRAME_KEYFRAME,
        .duration_ms = SOUND_PACKET_US / 1000,
        .captured = {cm_loop_wall(m->rig->loops[0]).us + jitter_us},
        .media_time = 7000000 + us * 9 / 100,
    };
    assert_int_equal(cm_source_put(m->source, &plain), CM_OK);
}

/* Of all streams that `rights` open, with their keys of epochs up to its own. */
static inline cm_lease *sound_lease(const rig *r, cm_rights rights, uint64_t epoch)
{
    const testing_media *media = &r->door;
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    cm_lease_terms terms = testing_terms(media, epoch);
    cm_lease *lease;
    terms.rights = rights;
    terms.streams = cm_streams_within(rights);
    terms.from = rig_now(r);
    terms.until = cm_instant_after(rig_now(r), CM_SECONDS(60));
    terms.keys = keys;
    terms.key_count = 0;
    for (uint64_t e = 1; e <= epoch; e++)
        for (size_t i = 0; i < media->key_count; i++)
            if (media->keys[i].epoch == e && (terms.streams >> media->keys[i].stream & 1) == 1)
                keys[terms.key_count++] = media->keys[i];
    assert_int_equal(cm_lease_create(&terms, media->slot, &lease), CM_OK);
    return lease;
}

static inline cm_lease *sound_lease_to_hear(const rig *r, uint64_t epoch)
{
    return sound_lease(r, CM_RIGHT_VIEW | CM_RIGHT_LISTEN, epoch);
}
