/* SEI messages: ITU-T H.264 7.3.2.3 and D.1.7; declared in sps.h. */
#include "proto/h264/nal.h"
#include "proto/h264/sps.h"

enum { TRAILING_BITS = 0x80 };

/* 7.3.2.3.1: a number as so many times 255 and a last byte below it. */
static uint32_t read_sei_number(cm_reader *r)
{
    uint32_t value = 0;
    uint8_t byte;
    do {
        byte = cm_read_u8(r);
        if (__builtin_add_overflow(value, byte, &value))
            r->failed = true;
    } while (byte == 255 && !r->failed);
    return r->failed ? 0 : value;
}

bool cm_h264_next_sei(cm_reader *r, cm_h264_sei_message *out)
{
    /* more_rbsp_data(): a message takes two bytes at least, trailing bits are one byte. */
    const cm_slice rest = cm_h264_trim_zeros(r->rest);
    if (r->failed || rest.size == 0 || (rest.size == 1 && rest.bytes[0] == TRAILING_BITS))
        return false;
    cm_h264_sei_message message = {0};
    message.type = read_sei_number(r);
    const uint32_t size = read_sei_number(r);
    message.payload = cm_read_slice(r, size);
    if (r->failed)
        return false;
    *out = message;
    return true;
}

cm_status cm_h264_sei_user_data(const cm_h264_sei_message *message, cm_slice *uuid, cm_slice *data)
{
    CM_ENSURE(message->type == CM_H264_SEI_USER_DATA_UNREGISTERED, CM_ABSENT);
    CM_ENSURE(message->payload.size >= CM_H264_SEI_UUID_SIZE, CM_CLOSE);
    *uuid = cm_slice_part(message->payload, 0, CM_H264_SEI_UUID_SIZE);
    *data = cm_slice_from(message->payload, CM_H264_SEI_UUID_SIZE);
    return CM_OK;
}

static void write_sei_number(cm_writer *w, size_t value)
{
    for (; value >= 255; value -= 255)
        cm_write_u8(w, 255);
    cm_write_u8(w, (uint8_t)value);
}

cm_status cm_h264_sei_user_data_write(cm_writer *w, cm_slice uuid, cm_slice data)
{
    enum { MAX_DATA = 512 };
    CM_ENSURE(uuid.size == CM_H264_SEI_UUID_SIZE && data.size <= MAX_DATA, CM_REFUSE);
    uint8_t raw[1 + 1 + 3 + CM_H264_SEI_UUID_SIZE + MAX_DATA + 1];
    cm_writer sei = cm_writer_over(raw, sizeof raw);
    cm_write_u8(&sei, CM_H264_NAL_SEI);
    write_sei_number(&sei, CM_H264_SEI_USER_DATA_UNREGISTERED);
    write_sei_number(&sei, CM_H264_SEI_UUID_SIZE + data.size);
    cm_write_slice(&sei, uuid);
    cm_write_slice(&sei, data);
    cm_write_u8(&sei, TRAILING_BITS);
    cm_slice whole;
    CM_TRY(cm_writer_finish(&sei, &whole));
    return cm_h264_escape(whole, w);
}
