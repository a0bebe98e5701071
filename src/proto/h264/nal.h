/*
 * nal: the NAL units of ITU-T H.264 (7.3.1, 7.4.1) in the two shapes in which streams carry them:
 * behind start codes (Annex B) and behind 4-byte lengths (ISO/IEC 14496-15 5.3, "AVCC").
 *
 * Pure. Everything handed out borrows from what was handed in. A NAL unit here is its header byte
 * and what follows, with its emulation prevention bytes, without start code or length.
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"

/* nal_unit_type, table 7-1; from 24 on, the packet types of RFC 6184 table 1. */
typedef enum cm_h264_nal_type {
    CM_H264_NAL_NONE = 0, /* unspecified; also of an empty NAL unit */
    CM_H264_NAL_SLICE = 1,
    CM_H264_NAL_PARTITION_A = 2,
    CM_H264_NAL_PARTITION_B = 3,
    CM_H264_NAL_PARTITION_C = 4,
    CM_H264_NAL_IDR = 5,
    CM_H264_NAL_SEI = 6,
    CM_H264_NAL_SPS = 7,
    CM_H264_NAL_PPS = 8,
    CM_H264_NAL_DELIMITER = 9,
    CM_H264_NAL_END_OF_SEQUENCE = 10,
    CM_H264_NAL_END_OF_STREAM = 11,
    CM_H264_NAL_FILLER = 12,
    CM_H264_NAL_STAP_A = 24,
    CM_H264_NAL_STAP_B = 25,
    CM_H264_NAL_MTAP16 = 26,
    CM_H264_NAL_MTAP24 = 27,
    CM_H264_NAL_FU_A = 28,
    CM_H264_NAL_FU_B = 29,
} cm_h264_nal_type;

cm_h264_nal_type cm_h264_nal_type_of(cm_slice nal);
/* "IDR", "STAP-B", ... or "reserved". Static storage. */
const char *cm_h264_nal_type_name(cm_h264_nal_type type);
/* Part of a coded picture (types 1 to 5). */
bool cm_h264_nal_is_slice(cm_slice nal);
/* first_mb_in_slice is 0 (7.3.3): the slice begins a picture. False unless it is of type 1, 2, 5.
 */
bool cm_h264_nal_begins_picture(cm_slice nal);

/* Index of the first start code prefix 00 00 01 at or after `from`, or bytes.size. */
size_t cm_h264_find_start_code(cm_slice bytes, size_t from);
/* Without the zero bytes at its end, which no NAL unit has of its own (7.4.1). */
cm_slice cm_h264_trim_zeros(cm_slice nal);

/*
 * Takes the next NAL unit off an Annex B byte stream: what stands between a start code and the next
 * one, or the end, without trailing zeros. What precedes the first start code is skipped, empty NAL
 * units too. False, and *nal untouched, when there is none left.
 */
bool cm_h264_next_annex_b(cm_slice *rest, cm_slice *nal);

/*
 * Takes the next NAL unit off bytes with 4-byte lengths; empty ones too. False, and *nal untouched,
 * at the end or at a length that lies; cm_reader_finish(r) then tells which.
 */
bool cm_h264_next_avcc(cm_reader *r, cm_slice *nal);

/* Writes the NAL unit with a 4-byte length before it. */
void cm_h264_write_avcc(cm_writer *w, cm_slice nal);

/*
 * Writes the NAL unit without its emulation prevention bytes (7.3.1: 03 in 00 00 03). Never longer
 * than the input. CM_FULL if `out` is too small.
 */
cm_status cm_h264_unescape(cm_slice nal, cm_writer *out);
/* The reverse: a NAL unit with emulation prevention bytes put in; at most 3/2 + 1 times as long. */
cm_status cm_h264_escape(cm_slice raw, cm_writer *out);
