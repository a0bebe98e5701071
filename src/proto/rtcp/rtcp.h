/*
 * rtcp: the packets of a compound RTCP datagram (RFC 3550 6), one by one, and the few that we send.
 * What to put in a receiver report is proto/rtcp/reception.h; what asks for something at once (lost
 * packets, a keyframe) is proto/rtcp/feedback.h.
 *
 * Pure: no state, any thread. Slices borrow from the datagram.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

typedef enum cm_rtcp_type {
    CM_RTCP_SR = 200,
    CM_RTCP_RR = 201,
    CM_RTCP_SDES = 202,
    CM_RTCP_BYE = 203,
    CM_RTCP_TRANSPORT_FEEDBACK = 205, /* RFC 4585 6.1: RTPFB */
    CM_RTCP_PAYLOAD_FEEDBACK = 206,   /* PSFB */
} cm_rtcp_type;

enum { CM_RTCP_BLOCK_MAX = 31 };

/* One packet of the compound, unread. */
typedef struct cm_rtcp_item {
    uint8_t type;  // a cm_rtcp_type, or one we don't know
    uint8_t count; // five bits: how many blocks or sources; the format of a feedback
    bool is_padded;
    cm_slice content; // behind the header's four bytes; with its padding
} cm_rtcp_item;

/* RFC 3550 6.4.1 */
typedef struct cm_rtcp_sender_info {
    uint64_t ntp_timestamp; // 32.32 seconds since 1900
    uint32_t rtp_timestamp;
    uint32_t packet_count;
    uint32_t octet_count;
} cm_rtcp_sender_info;

typedef struct cm_rtcp_block {
    uint32_t ssrc; // whom it is about
    uint8_t fraction_lost;
    int32_t cumulative_lost; // 24 bits, signed; clamped when written
    uint32_t extended_highest_sequence;
    uint32_t jitter;              // ticks
    uint32_t last_sr;             // middle 32 bits of the NTP timestamp, 0: none yet
    uint32_t delay_since_last_sr; // 1/65,536 s
} cm_rtcp_block;

typedef struct cm_rtcp_packet {
    cm_rtcp_type type;
    uint32_t ssrc;              // the sender; of a BYE: the first that leaves
    cm_rtcp_sender_info sender; // SR only
    size_t block_count;         // SR and RR
    cm_rtcp_block blocks[CM_RTCP_BLOCK_MAX];
} cm_rtcp_packet;

/*
 * Takes the next packet, of whatever type, out of *rest. Which comes first is not asked: a datagram
 * of one feedback alone is good (RFC 5506, reduced size).
 * CM_ABSENT: nothing left. CM_CLOSE: what is left is no RTCP or is cut short; *rest is then empty,
 * and packets taken before stay good.
 */
cm_status cm_rtcp_next_item(cm_slice *rest, cm_rtcp_item *out);

/* Of an SR, RR or BYE. CM_ABSENT: of another type. CM_CLOSE: it does not fit its own length. */
cm_status cm_rtcp_report_parse(const cm_rtcp_item *item, cm_rtcp_packet *out);

/*
 * Takes the next SR, RR or BYE out of *rest. SDES, APP, feedback and unknown types are skipped
 * unread, and so is one whose content does not fit its own length: what stood before or comes after
 * it still counts (cameras send SDES without an end).
 * CM_ABSENT: nothing left. CM_CLOSE: what is left is no RTCP or is cut short; *rest is then empty,
 * and packets taken before stay good.
 */
cm_status cm_rtcp_next(cm_slice *rest, cm_rtcp_packet *out);

/* `block` may be NULL. A compound packet starts with an SR or RR and has a CNAME (RFC 3550 6.1). */
void cm_rtcp_write_rr(cm_writer *w, uint32_t ssrc, const cm_rtcp_block *block);
void cm_rtcp_write_sr(cm_writer *w, uint32_t ssrc, const cm_rtcp_sender_info *sender,
                      const cm_rtcp_block *block);
/* Fails the writer when `cname` is empty or above 255 bytes. */
void cm_rtcp_write_cname(cm_writer *w, uint32_t ssrc, cm_slice cname);
void cm_rtcp_write_bye(cm_writer *w, uint32_t ssrc);

/*
 * The time to the peer and back in microseconds (RFC 3550, 6.4.1), from a block about what we send
 * and our clock when it came, as in our sender reports. CM_ABSENT: the peer has seen no sender
 * report yet. CM_REFUSE: what it says cannot be: less than nothing, or above a minute.
 */
cm_status cm_rtcp_round_trip(const cm_rtcp_block *block, uint64_t ntp_now, int64_t *us);
