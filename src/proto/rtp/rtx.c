#include "proto/rtp/rtx.h"

#include "base/reader.h"

void cm_rtp_rtx_write(cm_writer *w, uint16_t original_sequence_number)
{
    cm_write_u16(w, original_sequence_number);
}

cm_status cm_rtp_rtx_restore(const cm_rtp_packet *rtx, uint8_t payload_type, uint32_t ssrc,
                             cm_rtp_packet *out)
{
    CM_ENSURE(rtx->payload.size > 0, CM_ABSENT);
    cm_reader r = cm_reader_over(rtx->payload);
    const uint16_t original = cm_read_u16(&r);
    CM_ENSURE(!r.failed, CM_CLOSE);
    /* RFC 4588, 4 MUST: the timestamp is that of the original packet already. */
    cm_rtp_packet packet = *rtx;
    packet.payload_type = payload_type;
    packet.ssrc = ssrc;
    packet.sequence_number = original;
    packet.payload = r.rest;
    *out = packet;
    return CM_OK;
}
