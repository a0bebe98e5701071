/*
 * What a viewer sends as speech, packet after packet: what is taken lies inside its packet, sounds
 * for 60 ms at most, and is no more than a voice needs; what is not is counted once.
 *
 * Input: a byte of settings, then packets: milliseconds since the one before, size (2 bytes),
 * bytes.
 */
#include "fuzz.h"

#include "base/reader.h"
#include "ingest/speech.h"

enum { BURST_PACKETS = 50, PACKET_US = 10000, BURST_BYTES = 8000, BYTES_A_SECOND = 16000 };

static uint64_t dropped(const cm_speech_counters *c)
{
    return c->malformed + c->foreign_type + c->foreign_source + c->late + c->excessive;
}

static void check_taken(const cm_talk_packet *taken, cm_slice bytes)
{
    CHECK(taken->codec == CM_SOUND_PCMU || taken->codec == CM_SOUND_PCMA);
    CHECK(taken->samples.size > 0 && taken->samples.size <= CM_SOUND_PACKET_MS * 8);
    CHECK(taken->samples.bytes >= bytes.bytes);
    CHECK(taken->samples.bytes + taken->samples.size <= bytes.bytes + bytes.size);
    touch(taken->samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    const uint8_t settings = cm_read_u8(&r);
    const cm_speech_media media = {.has_pcmu = (settings & 1) != 0,
                                   .has_pcma = (settings & 2) != 0,
                                   .pcmu_type = 0,
                                   .pcma_type = 8,
                                   .ssrc = (settings & 4) != 0 ? 0x01020304 : 0};
    const cm_instant began = {.us = CM_SECONDS(1000)};
    cm_instant now = began;
    cm_speech speech;
    uint64_t packets = 0;
    uint64_t taken_bytes = 0;
    cm_speech_init(&speech, &media);
    while (!r.failed && r.rest.size > 0) {
        now = cm_instant_after(now, CM_MS(cm_read_u8(&r)));
        const cm_slice bytes = cm_read_slice(&r, cm_read_u16(&r));
        cm_talk_packet taken;
        if (cm_speech_take(&speech, bytes, now, &taken) == CM_OK) {
            check_taken(&taken, bytes);
            taken_bytes += bytes.size;
        }
        packets++;
        const uint64_t us = (uint64_t)cm_instant_since(now, began);
        CHECK(speech.counters.packets + dropped(&speech.counters) == packets);
        CHECK(speech.counters.packets <= BURST_PACKETS + us / PACKET_US);
        CHECK(taken_bytes <= BURST_BYTES + us * BYTES_A_SECOND / 1000000);
    }
    return 0;
}
