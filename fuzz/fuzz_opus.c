/* One Opus packet: what the parser finds lies inside it, in order, and lasts at most 120 ms. */
#include "fuzz.h"

#include "proto/opus/opus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_opus_packet packet;
    if (cm_opus_packet_parse(cm_slice_over(data, size), &packet) != CM_OK)
        return 0;
    CHECK(packet.frame_count >= 1 && packet.frame_count <= CM_OPUS_MAX_FRAMES);
    CHECK(packet.ticks > 0 && packet.ticks <= CM_OPUS_MAX_PACKET_TICKS);
    CHECK(packet.ticks == packet.frame_ticks * packet.frame_count);
    size_t end = 1; /* behind the TOC byte */
    for (size_t i = 0; i < packet.frame_count; i++) {
        const cm_slice frame = packet.frames[i];
        CHECK(frame.size <= CM_OPUS_MAX_FRAME_BYTES);
        touch(frame);
        if (frame.size == 0)
            continue;
        CHECK(frame.bytes >= data + end);
        end = (size_t)(frame.bytes - data) + frame.size;
        CHECK(end <= size);
    }
    return 0;
}
