/* rtcp_priv: how each packet that we write begins. Private to proto/rtcp. */
#pragma once

#include "proto/rtcp/rtcp.h"

/* The header and the sender's SSRC; `count` is the header's five bits. Returns where the length is
 * to be filled in. */
size_t cm_rtcp_write_header(cm_writer *w, uint8_t count, cm_rtcp_type type, uint32_t ssrc);

/* RFC 3550 6.4.1: in 32-bit words minus one, which is what follows the first word. */
void cm_rtcp_fill_length(cm_writer *w, size_t length_at);

/* Sets the padding bit of the packet that begins at `begin`. */
void cm_rtcp_mark_padded(cm_writer *w, size_t begin);
