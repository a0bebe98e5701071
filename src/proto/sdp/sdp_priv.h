/* sdp_priv: what the readers and writers of SDP share. Private to proto/sdp. */
#pragma once

#include "proto/sdp/sdp.h"

/* The next word, however many blanks stand around it; empty at the end. */
cm_slice cm_sdp_next_word(cm_slice *rest);

cm_status cm_sdp_read_type(cm_slice word, uint8_t *out); // a payload type, 0..127
cm_status cm_sdp_read_kind(cm_slice word, cm_sdp_kind *out);
bool cm_sdp_read_direction(cm_slice name, cm_sdp_direction *out);

/* Encoding, rate and channels of a static payload type (RFC 3551 6); nothing of another. */
cm_sdp_payload cm_sdp_payload_of(uint8_t type);

/* Text from elsewhere within a line: a line break in it, which would let it write lines of its own,
 * fails the writer. */
void cm_sdp_write_clean(cm_writer *w, cm_slice text);
void cm_sdp_write_line(cm_writer *w, const char *start, cm_slice value);
void cm_sdp_write_direction(cm_writer *w, cm_sdp_direction direction);
/* a=rtpmap, when the encoding is known, and a=fmtp, when there is one. */
void cm_sdp_write_payload(cm_writer *w, const cm_sdp_payload *payload);
