/*
 * rtp: one RTP packet (RFC 3550 5.1) to a struct of slices and back. What the numbers mean over
 * many packets is proto/rtp/sequence.h; putting packets in order is proto/rtp/reorder.h.
 *
 * Pure: no state, any thread. Slices borrow from the packet that was parsed.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_RTP_HEADER_SIZE = 12, /* without CSRCs and extension */
    CM_RTP_CSRC_MAX = 15,
};

typedef struct cm_rtp_packet {
    bool marker;
    uint8_t payload_type; // 0..127
    uint16_t sequence_number;
    uint32_t timestamp; // in ticks of the payload's clock
    uint32_t ssrc;
    cm_slice csrcs; // 4 bytes each, at most CM_RTP_CSRC_MAX
    bool has_extension;
    uint16_t extension_profile; // RFC 3550 5.3.1: "defined by profile"
    cm_slice extension;         // without its 4-byte header; a multiple of 4
    cm_slice payload;           // without padding; may be empty
    uint8_t padding_size;       // the padding that was cut off, 0 without
} cm_rtp_packet;

/* CM_CLOSE, and *out untouched, unless `bytes` is one whole version 2 packet whose CSRCs, extension
 * and padding lie inside it. */
cm_status cm_rtp_parse(cm_slice bytes, cm_rtp_packet *out);

/* Header, CSRCs, extension, payload and padding as the struct says. Fails the writer when csrcs or
 * extension have a size that no header can say. */
void cm_rtp_write(cm_writer *w, const cm_rtp_packet *packet);
