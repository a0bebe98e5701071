/*
 * rtx: a packet sent once more, in a stream of its own (RFC 4588): own SSRC, payload type and
 * sequence numbers; the payload begins with the sequence number that the packet had.
 *
 * Pure: no state, any thread. Slices borrow from the packet that was parsed.
 */
#pragma once

#include "proto/rtp/rtp.h"

enum { CM_RTP_RTX_SIZE = 2 }; /* bytes before the payload that is sent once more */

/* To be written behind the header of the RTX packet, before the original payload. */
void cm_rtp_rtx_write(cm_writer *w, uint16_t original_sequence_number);

/*
 * The packet as it was: `rtx` with the sequence number from its payload, and the payload type and
 * SSRC of the stream that it belongs to. CM_ABSENT: an empty payload, as senders use to probe the
 * path with padding alone; CM_CLOSE: one byte, which is no sequence number.
 */
cm_status cm_rtp_rtx_restore(const cm_rtp_packet *rtx, uint8_t payload_type, uint32_t ssrc,
                             cm_rtp_packet *out);
