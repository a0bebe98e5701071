#include "proto/h264/nal.h"

enum { TYPE_MASK = 0x1f };

cm_h264_nal_type cm_h264_nal_type_of(cm_slice nal)
{
    return nal.size > 0 ? (cm_h264_nal_type)(nal.bytes[0] & TYPE_MASK) : CM_H264_NAL_NONE;
}

const char *cm_h264_nal_type_name(cm_h264_nal_type type)
{
    static const char *const NAMES[TYPE_MASK + 1] = {
        [CM_H264_NAL_SLICE] = "slice",
        [CM_H264_NAL_PARTITION_A] = "partition A",
        [CM_H264_NAL_PARTITION_B] = "partition B",
        [CM_H264_NAL_PARTITION_C] = "partition C",
        [CM_H264_NAL_IDR] = "IDR",
        [CM_H264_NAL_SEI] = "SEI",
        [CM_H264_NAL_SPS] = "SPS",
        [CM_H264_NAL_PPS] = "PPS",
        [CM_H264_NAL_DELIMITER] = "delimiter",
        [CM_H264_NAL_END_OF_SEQUENCE] = "end of sequence",
        [CM_H264_NAL_END_OF_STREAM] = "end of stream",
        [CM_H264_NAL_FILLER] = "filler",
        [CM_H264_NAL_STAP_A] = "STAP-A",
        [CM_H264_NAL_STAP_B] = "STAP-B",
        [CM_H264_NAL_MTAP16] = "MTAP16",
        [CM_H264_NAL_MTAP24] = "MTAP24",
        [CM_H264_NAL_FU_A] = "FU-A",
        [CM_H264_NAL_FU_B] = "FU-B",
    };
    const char *name = NAMES[(unsigned)type & TYPE_MASK];
    return name != NULL ? name : "reserved";
}

bool cm_h264_nal_is_slice(cm_slice nal)
{
    const cm_h264_nal_type type = cm_h264_nal_type_of(nal);
    return type >= CM_H264_NAL_SLICE && type <= CM_H264_NAL_IDR;
}

bool cm_h264_nal_begins_picture(cm_slice nal)
{
    const cm_h264_nal_type type = cm_h264_nal_type_of(nal);
    const bool has_header =
        type == CM_H264_NAL_SLICE || type == CM_H264_NAL_PARTITION_A || type == CM_H264_NAL_IDR;
    /* ue(v) 0 is a single one bit, the first of the slice header. */
    return has_header && nal.size > 1 && (nal.bytes[1] & 0x80) != 0;
}

enum { SCAN_PLACES = 64, START_CODE_SIZE = 3, SCAN_BLOCK = SCAN_PLACES + START_CODE_SIZE - 1 };

/* Do two zeros begin at one of the first SCAN_PLACES bytes? The least of all neighbours or-ed,
 * without a branch, so that compilers make vector instructions of it: nearly every block says no.
 */
static bool has_two_zeros(const uint8_t bytes[SCAN_BLOCK])
{
    uint8_t least = UINT8_MAX;
    for (size_t i = 0; i < SCAN_PLACES; i++) {
        const uint8_t both = bytes[i] | bytes[i + 1];
        least = both < least ? both : least;
    }
    return least == 0;
}

size_t cm_h264_find_start_code(cm_slice bytes, size_t from)
{
    for (size_t at = from; at + START_CODE_SIZE <= bytes.size; at += SCAN_PLACES) {
        /* The last block overlaps the one before it: byte by byte it would take as long as all. */
        if (bytes.size - at < SCAN_BLOCK && bytes.size - from >= SCAN_BLOCK)
            at = bytes.size - SCAN_BLOCK;
        const cm_slice block = cm_slice_part(bytes, at, SCAN_BLOCK);
        if (block.size == SCAN_BLOCK && !has_two_zeros(block.bytes))
            continue;
        for (size_t i = 0; i + START_CODE_SIZE <= block.size; i++)
            if (block.bytes[i] == 0 && block.bytes[i + 1] == 0 && block.bytes[i + 2] == 1)
                return at + i;
    }
    return bytes.size;
}

cm_slice cm_h264_trim_zeros(cm_slice nal)
{
    size_t size = nal.size;
    while (size > 0 && nal.bytes[size - 1] == 0)
        size--;
    return cm_slice_part(nal, 0, size);
}

bool cm_h264_next_annex_b(cm_slice *rest, cm_slice *nal)
{
    size_t begin = cm_h264_find_start_code(*rest, 0);
    while (begin < rest->size) {
        const cm_slice after = cm_slice_from(*rest, begin + START_CODE_SIZE);
        const size_t next = cm_h264_find_start_code(after, 0);
        const cm_slice found = cm_h264_trim_zeros(cm_slice_part(after, 0, next));
        *rest = cm_slice_from(after, next);
        if (found.size > 0) {
            *nal = found;
            return true;
        }
        begin = 0; /* *rest begins with a start code, or is empty */
    }
    *rest = cm_slice_from(*rest, rest->size);
    return false;
}

bool cm_h264_next_avcc(cm_reader *r, cm_slice *nal)
{
    if (r->failed || r->rest.size == 0)
        return false;
    const uint32_t size = cm_read_u32(r);
    const cm_slice found = cm_read_slice(r, size);
    if (r->failed)
        return false;
    *nal = found;
    return true;
}

void cm_h264_write_avcc(cm_writer *w, cm_slice nal)
{
    if (nal.size > UINT32_MAX) {
        w->failed = true;
        return;
    }
    cm_write_u32(w, (uint32_t)nal.size);
    cm_write_slice(w, nal);
}

cm_status cm_h264_unescape(cm_slice nal, cm_writer *out)
{
    size_t zeros = 0;
    for (size_t i = 0; i < nal.size; i++) {
        const uint8_t byte = nal.bytes[i];
        if (zeros >= 2 && byte == 3) {
            zeros = 0;
            continue;
        }
        zeros = byte == 0 ? zeros + 1 : 0;
        cm_write_u8(out, byte);
    }
    return out->failed ? CM_FULL : CM_OK;
}

cm_status cm_h264_escape(cm_slice raw, cm_writer *out)
{
    size_t zeros = 0;
    for (size_t i = 0; i < raw.size; i++) {
        const uint8_t byte = raw.bytes[i];
        if (zeros == 2 && byte <= 3) {
            cm_write_u8(out, 3);
            zeros = 0;
        }
        zeros = byte == 0 ? zeros + 1 : 0;
        cm_write_u8(out, byte);
    }
    /* A NAL unit must not end in a zero byte (7.4.1.1). */
    if (zeros > 0)
        cm_write_u8(out, 3);
    return out->failed ? CM_FULL : CM_OK;
}
