#include "simcam/stamp.h"

#include "base/reader.h"
#include "proto/h264/nal.h"
#include "proto/h265/nal.h"

enum {
    USER_DATA_UNREGISTERED = 5,
    UUID_SIZE = 16,
    PAYLOAD_SIZE = UUID_SIZE + 2 + 4 + 8,
    RBSP_STOP = 0x80,
    H265_SEI_HEADER = CM_H265_NAL_SEI_PREFIX << 9 | 1, /* base layer, temporal id 0 */
};

static const uint8_t UUID[UUID_SIZE] = {0x6b, 0x1e, 0xd4, 0x90, 0x3c, 0x57, 0x4f, 0xa2,
                                        0x9d, 0x08, 0x2e, 0x71, 0xc5, 0xb3, 0x64, 0xfa};

void cm_stamp_write(cm_video_codec codec, cm_stamp stamp, cm_writer *out)
{
    uint8_t storage[CM_STAMP_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_u8(&w, USER_DATA_UNREGISTERED);
    cm_write_u8(&w, PAYLOAD_SIZE);
    cm_write_slice(&w, cm_slice_over(UUID, sizeof UUID));
    cm_write_u16(&w, stamp.code.camera);
    cm_write_u32(&w, stamp.code.counter);
    cm_write_u64(&w, (uint64_t)stamp.captured.us);
    cm_write_u8(&w, RBSP_STOP);
    if (codec == CM_VIDEO_H265)
        cm_write_u16(out, H265_SEI_HEADER);
    else
        cm_write_u8(out, CM_H264_NAL_SEI); /* nal_ref_idc 0 */
    CM_IGNORE(cm_h264_escape(cm_writer_done(&w), out), "the writer stays failed");
}

/* The size of the header of an SEI NAL unit; 0: it is another one. As H.264, H.265's header would
 * be a picture's data partition, and the other way round none of ours. */
static size_t header_size(cm_slice nal)
{
    if (cm_h265_nal_type_of(nal) == CM_H265_NAL_SEI_PREFIX)
        return CM_H265_NAL_HEADER_SIZE;
    return cm_h264_nal_type_of(nal) == CM_H264_NAL_SEI ? 1 : 0;
}

cm_status cm_stamp_parse(cm_slice nal, cm_stamp *out)
{
    CM_ENSURE(nal.size > 1 && nal.size <= CM_STAMP_SIZE_MAX, CM_ABSENT);
    const size_t header = header_size(nal);
    CM_ENSURE(header > 0 && nal.size > header, CM_ABSENT);
    uint8_t storage[CM_STAMP_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CM_ENSURE(cm_h264_unescape(cm_slice_from(nal, header), &w) == CM_OK, CM_ABSENT);
    cm_reader r = cm_reader_over(cm_writer_done(&w));
    const uint8_t type = cm_read_u8(&r);
    const uint8_t size = cm_read_u8(&r);
    const cm_slice uuid = cm_read_slice(&r, UUID_SIZE);
    cm_stamp stamp;
    stamp.code.camera = cm_read_u16(&r);
    stamp.code.counter = cm_read_u32(&r);
    stamp.captured.us = (int64_t)cm_read_u64(&r);
    const uint8_t stop = cm_read_u8(&r);
    CM_ENSURE(cm_reader_finish(&r) == CM_OK && stop == RBSP_STOP, CM_ABSENT);
    CM_ENSURE(type == USER_DATA_UNREGISTERED && size == PAYLOAD_SIZE, CM_ABSENT);
    CM_ENSURE(cm_slice_equal(uuid, cm_slice_over(UUID, sizeof UUID)), CM_ABSENT);
    *out = stamp;
    return CM_OK;
}
