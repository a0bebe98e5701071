/*
 * channel: ChannelData (RFC 8656 12.4), the framing in which a TURN server and its client exchange
 * what goes to and comes from one peer: 4 bytes before each datagram, a channel's number and the
 * size. By its first byte it is told from STUN, DTLS and RTP (RFC 7983).
 *
 * Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_STUN_CHANNEL_FIRST = 0x4000, /* RFC 8656 12 */
    CM_STUN_CHANNEL_LAST = 0x4FFF,
    CM_STUN_CHANNEL_HEADER_SIZE = 4,
};

typedef struct cm_stun_channel_data {
    uint16_t channel;
    cm_slice data; /* borrowed; may be empty */
} cm_stun_channel_data;

/* CM_CLOSE: it is none, or shorter than it says. What stands behind it is padding (RFC 8656 12.5)
 * and passed over. */
cm_status cm_stun_channel_parse(cm_slice datagram, cm_stun_channel_data *out);

/* What stands before `size` bytes of data; over UDP nothing has to follow them. Fails the writer
 * when there is no such channel, or the size is none. */
void cm_stun_channel_write(cm_writer *w, uint16_t channel, size_t size);
