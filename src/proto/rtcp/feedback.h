/*
 * feedback: RTCP that asks for something at once: lost packets (generic NACK), a keyframe (PLI,
 * FIR), another rate (REMB). RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb-03. When packets
 * arrived is proto/rtcp/transport_cc.h.
 *
 * Pure: no state, any thread. Slices borrow from the datagram.
 */
#pragma once

#include "proto/rtcp/rtcp.h"

typedef enum cm_rtcp_feedback_kind {
    CM_RTCP_NACK,
    CM_RTCP_TRANSPORT_CC,
    CM_RTCP_PLI,
    CM_RTCP_FIR,
    CM_RTCP_REMB,
} cm_rtcp_feedback_kind;

typedef struct cm_rtcp_feedback {
    cm_rtcp_feedback_kind kind;
    uint32_t sender_ssrc;
    uint32_t media_ssrc; // whom it is about; 0 in FIR and REMB, whose content says it
    cm_slice content;    // without padding
} cm_rtcp_feedback;

/* CM_ABSENT: no feedback, or of a kind that we don't know. CM_CLOSE: malformed. */
cm_status cm_rtcp_feedback_parse(const cm_rtcp_item *item, cm_rtcp_feedback *out);

/* --- generic NACK (RFC 4585 6.2.1) --------------------------------------------------------- */

/* `rest` begins as the content of a CM_RTCP_NACK. At most 17 numbers for 4 bytes of it; a number
 * may come more than once. */
typedef struct cm_rtcp_nack {
    cm_slice rest;
    uint16_t next; // private, as the mask
    uint32_t mask; // bit 0: `next` is lost
} cm_rtcp_nack;

cm_rtcp_nack cm_rtcp_nack_over(const cm_rtcp_feedback *feedback);
/* The next lost number, or false and *sequence_number untouched. */
bool cm_rtcp_nack_next(cm_rtcp_nack *nack, uint16_t *sequence_number);

/* `lost` in rising order, through the wrap. Fails the writer when there is none. */
void cm_rtcp_write_nack(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                        const uint16_t *lost, size_t count);

/* --- keyframes ----------------------------------------------------------------------------- */

/* RFC 4585 6.3.1 */
void cm_rtcp_write_pli(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc);

/* Does a CM_RTCP_FIR ask `media_ssrc`? Then its command number, which is the same when the command
 * is sent again (RFC 5104 4.3.1.1). */
bool cm_rtcp_fir_find(const cm_rtcp_feedback *feedback, uint32_t media_ssrc, uint8_t *command);
void cm_rtcp_write_fir(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t command);

/* --- rate ---------------------------------------------------------------------------------- */

/* Bits a second that the receiver wants at most, over all it gets. CM_CLOSE: malformed. */
cm_status cm_rtcp_remb_parse(const cm_rtcp_feedback *feedback, uint64_t *bits_per_second);
/* Rounded down to 18 significant bits. */
void cm_rtcp_write_remb(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                        uint64_t bits_per_second);
