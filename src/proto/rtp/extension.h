/*
 * extension: the header extensions of RTP packets (RFC 8285): the elements one by one in both
 * forms, and those that casement speaks, to a struct and back in the one-byte form.
 *
 * Which number an element has is negotiated (a=extmap, proto/sdp/offer.h) and stands in
 * cm_rtp_extension_ids, where 0 means: not negotiated.
 *
 * Pure: no state, any thread. Slices borrow from the packet that was parsed.
 */
#pragma once

#include "proto/rtp/rtp.h"

enum {
    CM_RTP_ONE_BYTE = 0xBEDE, /* extension_profile of the one-byte form */
    CM_RTP_TWO_BYTE = 0x1000, /* and of the two-byte form, whose lowest four bits are free */
    CM_RTP_ONE_BYTE_ID_MAX = 14,
    CM_RTP_ELEMENT_MAX = 16,    /* bytes that an element of the one-byte form can hold */
    CM_RTP_EXTENSIONS_MAX = 36, /* bytes that cm_rtp_extensions_write needs at most */
    CM_RTP_HEADER_MAX = CM_RTP_HEADER_SIZE + 4 + CM_RTP_EXTENSIONS_MAX,
    /* Where cm_rtp_header_write puts the transport-wide sequence number, if it is negotiated: a
     * sender writes one header for a frame and fills in what differs from packet to packet. */
    CM_RTP_TRANSPORT_SEQUENCE_AT = CM_RTP_HEADER_SIZE + 4 + 1,
};

/* --- one by one ---------------------------------------------------------------------------- */

typedef struct cm_rtp_element {
    uint8_t id; // 1..14 in the one-byte form, 1..255 in the other
    cm_slice data;
} cm_rtp_element;

typedef struct cm_rtp_elements {
    cm_slice rest; // private, as both
    bool is_two_byte;
} cm_rtp_elements;

/* Of a packet without extension, or one of another profile, there are none. */
cm_rtp_elements cm_rtp_elements_of(const cm_rtp_packet *packet);

/* The next element, or false and *out untouched: after the last one, or at the first that makes no
 * sense, which ends the walk; those before it are good (RFC 8285 4.2). */
bool cm_rtp_elements_next(cm_rtp_elements *elements, cm_rtp_element *out);

/* --- those we speak ------------------------------------------------------------------------ */

typedef struct cm_rtp_extension_ids {
    uint8_t transport_sequence; // draft-holmer-rmcat-transport-wide-cc-extensions-01
    uint8_t capture_time;       // abs-capture-time
    uint8_t playout_delay;
    uint8_t mid; // RFC 8843 15.2
} cm_rtp_extension_ids;

typedef struct cm_rtp_extensions {
    bool has_transport_sequence;
    uint16_t transport_sequence; // counts all packets of a connection, whatever their SSRC
    bool has_capture_time;
    uint64_t capture_time; // 32.32 seconds since 1900: proto/rtp/ntp.h
    bool has_playout_delay;
    uint16_t playout_min_10ms; // 12 bits; 0 and 0: show at once
    uint16_t playout_max_10ms;
    cm_slice mid; // at most CM_RTP_ELEMENT_MAX bytes; empty: not there
} cm_rtp_extensions;

/* What is negotiated and has the right size; all else is as if it were not there. */
void cm_rtp_extensions_read(const cm_rtp_packet *packet, const cm_rtp_extension_ids *ids,
                            cm_rtp_extensions *out);

/*
 * The elements that are there and negotiated, one-byte form, padded to a multiple of 4: for
 * cm_rtp_packet.extension. Their sizes depend on what is there, never on values: packets of one
 * frame that carry the same elements are of the same size before their payload.
 * Fails the writer at an id above CM_RTP_ONE_BYTE_ID_MAX or a mid that is too long.
 */
void cm_rtp_extensions_write(cm_writer *w, const cm_rtp_extensions *extensions,
                             const cm_rtp_extension_ids *ids);

/* As cm_rtp_write, with these extensions instead of the packet's own. */
void cm_rtp_header_write(cm_writer *w, const cm_rtp_packet *packet,
                         const cm_rtp_extensions *extensions, const cm_rtp_extension_ids *ids);
