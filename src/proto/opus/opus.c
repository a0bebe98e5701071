#include "proto/opus/opus.h"

#include "base/reader.h"

enum {
    TICKS_2_5_MS = CM_OPUS_CLOCK_RATE / 400,
    STEREO_BIT = 0x04,
    CODE_MASK = 0x03,
    VBR_BIT = 0x80,
    PADDING_BIT = 0x40,
    COUNT_MASK = 0x3f,
    TWO_BYTE_SIZE = 252, /* first byte of a size from here on: there is a second (3.2.1) */
    PADDING_GOES_ON = 255,
    PADDING_STEP = 254,
};

/* RFC 6716, 3.1, table 2. */
static void read_configuration(uint8_t toc, cm_opus_packet *packet)
{
    static const uint8_t SILK[] = {4, 8, 16, 24}; /* of 2.5 ms */
    const uint8_t configuration = toc >> 3;
    packet->configuration = configuration;
    packet->is_stereo = (toc & STEREO_BIT) != 0;
    if (configuration < 12) {
        packet->mode = CM_OPUS_SILK;
        packet->frame_ticks = SILK[configuration % 4] * (uint32_t)TICKS_2_5_MS;
    } else if (configuration < 16) {
        packet->mode = CM_OPUS_HYBRID;
        packet->frame_ticks = SILK[configuration % 2] * (uint32_t)TICKS_2_5_MS;
    } else {
        packet->mode = CM_OPUS_CELT;
        packet->frame_ticks = (uint32_t)TICKS_2_5_MS << configuration % 4;
    }
}

/* 3.2.1. */
static size_t read_size(cm_reader *r)
{
    const size_t first = cm_read_u8(r);
    return first < TWO_BYTE_SIZE ? first : first + 4 * (size_t)cm_read_u8(r);
}

/* How many bytes of padding stand at the end (3.2.5). */
static size_t read_padding(cm_reader *r)
{
    size_t padding = 0;
    for (;;) {
        const uint8_t byte = cm_read_u8(r);
        if (byte != PADDING_GOES_ON)
            return padding + byte;
        padding += PADDING_STEP;
    }
}

/* The rest in equal parts: constant bit rate (R3, R6). */
static cm_status take_equal_frames(cm_reader *r, cm_opus_packet *packet)
{
    const size_t size = r->rest.size / packet->frame_count;
    CM_ENSURE(size * packet->frame_count == r->rest.size, CM_CLOSE);
    for (size_t i = 0; i < packet->frame_count; i++)
        packet->frames[i] = cm_read_slice(r, size);
    return CM_OK;
}

/* All sizes but the last, then the frames: variable bit rate (R4, R7). */
static cm_status take_sized_frames(cm_reader *r, cm_opus_packet *packet)
{
    size_t sizes[CM_OPUS_MAX_FRAMES];
    const size_t last = packet->frame_count - 1;
    for (size_t i = 0; i < last; i++)
        sizes[i] = read_size(r);
    for (size_t i = 0; i < last; i++)
        packet->frames[i] = cm_read_slice(r, sizes[i]);
    packet->frames[last] = cm_read_slice(r, r->rest.size);
    return CM_OK;
}

/* Code 3: a count of frames, and perhaps padding (3.2.5). */
static cm_status take_counted_frames(cm_reader *r, cm_opus_packet *packet)
{
    const uint8_t head = cm_read_u8(r);
    packet->frame_count = head & COUNT_MASK;
    CM_ENSURE(packet->frame_count >= 1 && packet->frame_count <= CM_OPUS_MAX_FRAMES, CM_CLOSE);
    const size_t padding = (head & PADDING_BIT) != 0 ? read_padding(r) : 0;
    CM_ENSURE(padding <= r->rest.size, CM_CLOSE);
    r->rest = cm_slice_part(r->rest, 0, r->rest.size - padding);
    return (head & VBR_BIT) != 0 ? take_sized_frames(r, packet) : take_equal_frames(r, packet);
}

static cm_status take_frames(cm_reader *r, unsigned code, cm_opus_packet *packet)
{
    packet->frame_count = code == 0 ? 1 : 2;
    switch (code) {
    case 2:
        return take_sized_frames(r, packet);
    case 3:
        return take_counted_frames(r, packet);
    default:
        return take_equal_frames(r, packet);
    }
}

cm_status cm_opus_packet_parse(cm_slice payload, cm_opus_packet *out)
{
    cm_reader r = cm_reader_over(payload);
    cm_opus_packet packet = {0};
    const uint8_t toc = cm_read_u8(&r);
    CM_ENSURE(!r.failed, CM_CLOSE); /* R1 */
    read_configuration(toc, &packet);
    CM_TRY(take_frames(&r, toc & CODE_MASK, &packet));
    CM_TRY(cm_reader_finish(&r));
    for (size_t i = 0; i < packet.frame_count; i++)
        CM_ENSURE(packet.frames[i].size <= CM_OPUS_MAX_FRAME_BYTES, CM_CLOSE); /* R2 */
    packet.ticks = packet.frame_ticks * (uint32_t)packet.frame_count;
    CM_ENSURE(packet.ticks <= CM_OPUS_MAX_PACKET_TICKS, CM_CLOSE); /* R5 */
    *out = packet;
    return CM_OK;
}
