#include "simcam/nal_rewrite.h"

#include "proto/h264/nal.h"

static void free_scratch(cm_buffer (*scratch)[2])
{
    cm_buffer_deinit(&(*scratch)[0]);
    cm_buffer_deinit(&(*scratch)[1]);
}

static cm_status rewrite_bits(cm_slice escaped, cm_nal_rewriter *rewrite, void *context,
                              cm_buffer scratch[2], cm_slice *out)
{
    const size_t room = escaped.size + CM_NAL_GROWTH;
    uint8_t *storage[2];
    for (size_t i = 0; i < 2; i++) {
        cm_buffer_init(&scratch[i], room);
        CM_TRY(cm_buffer_room(&scratch[i], room, &storage[i]));
    }
    cm_writer rbsp = cm_writer_over(storage[0], room);
    CM_TRY(cm_h264_unescape(escaped, &rbsp));
    cm_bits from = cm_bits_over(cm_writer_done(&rbsp));
    cm_bit_writer to = cm_bit_writer_over(storage[1], room);
    CM_TRY(rewrite(context, &from, &to));
    return cm_bit_writer_finish(&to, out);
}

cm_status cm_nal_rewrite(cm_slice nal, size_t header_size, cm_nal_rewriter *rewrite, void *context,
                         cm_buffer *out)
{
    CM_ENSURE(nal.size > header_size, CM_REFUSE);
    CM_AUTO(free_scratch) cm_buffer scratch[2] = {0};
    cm_slice rbsp;
    CM_TRY(rewrite_bits(cm_slice_from(nal, header_size), rewrite, context, scratch, &rbsp));
    /* At worst one byte in two is an emulation prevention byte's cause. */
    const size_t room = header_size + rbsp.size + rbsp.size / 2 + 1;
    uint8_t *storage;
    CM_TRY(cm_buffer_room(out, room, &storage));
    cm_writer w = cm_writer_over(storage, room);
    cm_write_slice(&w, cm_slice_part(nal, 0, header_size));
    CM_TRY(cm_h264_escape(rbsp, &w));
    cm_slice done;
    CM_TRY(cm_writer_finish(&w, &done));
    cm_buffer_commit(out, done.size);
    return CM_OK;
}
