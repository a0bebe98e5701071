#include "proto/rtp/rtp.h"

#include "base/reader.h"

enum {
    VERSION = 2,
    EXTENSION_WORD = 4, /* CSRCs and extensions are counted in 32-bit words */
};

/* RFC 3550 5.1: the last octet of the padding counts it, itself included. */
static cm_status cut_padding(cm_slice *payload, uint8_t *size)
{
    CM_ENSURE(payload->size > 0, CM_CLOSE);
    *size = payload->bytes[payload->size - 1];
    CM_ENSURE(*size > 0 && *size <= payload->size, CM_CLOSE);
    *payload = cm_slice_part(*payload, 0, payload->size - *size);
    return CM_OK;
}

cm_status cm_rtp_parse(cm_slice bytes, cm_rtp_packet *out)
{
    cm_rtp_packet packet = {0};
    cm_reader r = cm_reader_over(bytes);
    const uint8_t flags = cm_read_u8(&r);
    const uint8_t marker_and_type = cm_read_u8(&r);
    packet.marker = marker_and_type >> 7;
    packet.payload_type = marker_and_type & 0x7F;
    packet.sequence_number = cm_read_u16(&r);
    packet.timestamp = cm_read_u32(&r);
    packet.ssrc = cm_read_u32(&r);
    packet.csrcs = cm_read_slice(&r, (size_t)(flags & 0x0F) * EXTENSION_WORD);
    packet.has_extension = flags >> 4 & 1;
    if (packet.has_extension) {
        packet.extension_profile = cm_read_u16(&r);
        const uint16_t words = cm_read_u16(&r);
        packet.extension = cm_read_slice(&r, (size_t)words * EXTENSION_WORD);
    }
    packet.payload = cm_read_slice(&r, r.rest.size);
    CM_TRY(cm_reader_finish(&r));
    CM_ENSURE(flags >> 6 == VERSION, CM_CLOSE);
    if (flags >> 5 & 1)
        CM_TRY(cut_padding(&packet.payload, &packet.padding_size));
    *out = packet;
    return CM_OK;
}

void cm_rtp_write(cm_writer *w, const cm_rtp_packet *packet)
{
    const size_t csrc_count = packet->csrcs.size / EXTENSION_WORD;
    const size_t extension_words = packet->extension.size / EXTENSION_WORD;
    if (packet->csrcs.size % EXTENSION_WORD != 0 || csrc_count > CM_RTP_CSRC_MAX ||
        packet->extension.size % EXTENSION_WORD != 0 || extension_words > UINT16_MAX) {
        w->failed = true;
        return;
    }
    cm_write_u8(w, (uint8_t)(VERSION << 6 | (packet->padding_size > 0) << 5 |
                             packet->has_extension << 4 | csrc_count));
    cm_write_u8(w, (uint8_t)(packet->marker << 7 | (packet->payload_type & 0x7F)));
    cm_write_u16(w, packet->sequence_number);
    cm_write_u32(w, packet->timestamp);
    cm_write_u32(w, packet->ssrc);
    cm_write_slice(w, packet->csrcs);
    if (packet->has_extension) {
        cm_write_u16(w, packet->extension_profile);
        cm_write_u16(w, (uint16_t)extension_words);
        cm_write_slice(w, packet->extension);
    }
    cm_write_slice(w, packet->payload);
    if (packet->padding_size > 0) {
        cm_write_zeros(w, packet->padding_size - 1u);
        cm_write_u8(w, packet->padding_size);
    }
}
