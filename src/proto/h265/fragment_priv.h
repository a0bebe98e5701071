/* The three bytes before a fragment's body (RFC 7798 4.4.3): as the packetizer, the reassembler and
 * the depacketizer read and write them. */
#pragma once

#include "proto/h265/nal.h"

typedef struct cm_h265_fragment_header {
    uint8_t nal_header[CM_H265_NAL_HEADER_SIZE]; /* of the NAL unit that was cut */
    bool is_start;
    bool is_end;
} cm_h265_fragment_header;

/* Off the beginning of a payload of type CM_H265_NAL_FRAGMENT. CM_CLOSE if it is too short or its
 * NAL unit is of a packet's type. */
cm_status cm_h265_fragment_header_read(cm_reader *r, cm_h265_fragment_header *out);
void cm_h265_fragment_header_write(cm_writer *w, const cm_h265_fragment_header *header);
