#include "proto/h264/packetize.h"

enum {
    FU_HEADER_SIZE = 2,
    FU_START = 0x80,
    FU_END = 0x40,
    FU_RESERVED = 0x20,
    TYPE_MASK = 0x1f,
    NRI_MASK = 0xe0, /* F and nal_ref_idc: RFC 6184 5.8, copied from the NAL unit */
    LENGTH_SIZE = 4,
};

static bool is_single_type(cm_slice nal)
{
    const cm_h264_nal_type type = cm_h264_nal_type_of(nal);
    return type > CM_H264_NAL_NONE && type < CM_H264_NAL_STAP_A;
}

/* Into how many granules the NAL unit is cut. */
static size_t count_parts(cm_slice nal, size_t max_bytes)
{
    if (nal.size <= max_bytes)
        return 1;
    /* The NAL header travels in the FU headers. */
    const size_t room = max_bytes - FU_HEADER_SIZE;
    return (nal.size - 1 + room - 1) / room;
}

cm_status cm_h264_packetizer_init(cm_h264_packetizer *p, const cm_slice *nals, size_t nal_count,
                                  size_t max_bytes)
{
    CM_ENSURE(nal_count > 0 && nal_count <= UINT32_MAX, CM_REFUSE);
    CM_ENSURE(max_bytes >= CM_H264_MIN_GRANULE_BYTES && max_bytes <= UINT16_MAX, CM_REFUSE);
    for (size_t i = 0; i < nal_count; i++) {
        CM_ENSURE(nals[i].size > 0 && nals[i].size <= UINT32_MAX, CM_REFUSE);
        CM_ENSURE(is_single_type(nals[i]), CM_REFUSE);
    }
    *p = (cm_h264_packetizer){.nals = nals, .nal_count = nal_count, .max_bytes = max_bytes};
    return CM_OK;
}

static void advance(cm_h264_packetizer *p, bool is_nal_done)
{
    if (!is_nal_done)
        return;
    p->nal++;
    p->offset = 0;
    p->fragments = 0;
}

/* RFC 6184 5.8. */
static cm_h264_granule next_fragment(cm_h264_packetizer *p, cm_slice nal)
{
    const bool is_first = p->offset == 0;
    if (is_first) {
        p->offset = 1;
        p->fragments = count_parts(nal, p->max_bytes);
    }
    /* Rounding up at each step leaves parts that differ by one byte at most. */
    const size_t left = nal.size - p->offset;
    const size_t size = (left + p->fragments - 1) / p->fragments;
    cm_h264_granule granule = {
        .nal = (uint32_t)p->nal,
        .offset = (uint32_t)p->offset,
        .size = (uint32_t)size,
        .header_size = FU_HEADER_SIZE,
    };
    granule.header[0] = (uint8_t)((nal.bytes[0] & NRI_MASK) | CM_H264_NAL_FU_A);
    granule.header[1] = (uint8_t)((is_first ? FU_START : 0) | (p->fragments == 1 ? FU_END : 0) |
                                  (nal.bytes[0] & TYPE_MASK));
    p->offset += size;
    p->fragments--;
    return granule;
}

bool cm_h264_packetizer_next(cm_h264_packetizer *p, cm_h264_granule *out)
{
    if (p->nal >= p->nal_count)
        return false;
    const cm_slice nal = p->nals[p->nal];
    if (nal.size <= p->max_bytes) {
        *out = (cm_h264_granule){.nal = (uint32_t)p->nal, .size = (uint32_t)nal.size};
        advance(p, true);
    } else {
        *out = next_fragment(p, nal);
        advance(p, p->fragments == 0);
    }
    out->is_last = p->nal == p->nal_count;
    return true;
}

size_t cm_h264_count_granules(const cm_slice *nals, size_t nal_count, size_t max_bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < nal_count; i++)
        count += count_parts(nals[i], max_bytes);
    return count;
}

void cm_h264_granule_write(cm_writer *w, const cm_slice *nals, const cm_h264_granule *granule)
{
    cm_write_slice(w, cm_slice_over(granule->header, granule->header_size));
    cm_write_slice(w, cm_slice_part(nals[granule->nal], granule->offset, granule->size));
}

size_t cm_h264_avcc_size(const cm_slice *nals, size_t nal_count)
{
    size_t size = 0;
    for (size_t i = 0; i < nal_count; i++)
        size += LENGTH_SIZE + nals[i].size;
    return size;
}

size_t cm_h264_granule_avcc_size(cm_slice payload)
{
    if (cm_h264_nal_type_of(payload) != CM_H264_NAL_FU_A)
        return LENGTH_SIZE + payload.size;
    if (payload.size < FU_HEADER_SIZE)
        return 0;
    const size_t body = payload.size - FU_HEADER_SIZE;
    return (payload.bytes[1] & FU_START) != 0 ? LENGTH_SIZE + 1 + body : body;
}

void cm_h264_reassembler_init(cm_h264_reassembler *a, cm_writer *out)
{
    *a = (cm_h264_reassembler){.out = out};
}

static cm_status put_fragment(cm_h264_reassembler *a, cm_slice payload)
{
    cm_reader r = cm_reader_over(payload);
    const uint8_t indicator = cm_read_u8(&r);
    const uint8_t header = cm_read_u8(&r);
    const bool is_start = (header & FU_START) != 0;
    const bool is_end = (header & FU_END) != 0;
    const uint8_t nal_header = (uint8_t)((indicator & NRI_MASK) | (header & TYPE_MASK));
    CM_ENSURE(!r.failed && r.rest.size > 0 && (header & FU_RESERVED) == 0, CM_CLOSE);
    CM_ENSURE(!(is_start && is_end) && is_start != a->in_fragment, CM_CLOSE);
    CM_ENSURE(is_start || nal_header == a->nal_header, CM_CLOSE);
    CM_ENSURE(is_single_type(cm_slice_over(&nal_header, 1)), CM_CLOSE);
    if (is_start) {
        a->length_at = cm_write_reserve(a->out, LENGTH_SIZE);
        a->nal_header = nal_header;
        cm_write_u8(a->out, nal_header);
    }
    cm_write_slice(a->out, r.rest);
    a->in_fragment = !is_end;
    if (is_end) {
        const size_t size = cm_writer_done(a->out).size - a->length_at - LENGTH_SIZE;
        CM_ENSURE(size <= UINT32_MAX, CM_FULL);
        cm_write_fill_u32(a->out, a->length_at, (uint32_t)size);
    }
    return a->out->failed ? CM_FULL : CM_OK;
}

cm_status cm_h264_reassembler_put(cm_h264_reassembler *a, cm_slice payload)
{
    CM_ENSURE(!a->out->failed, CM_FULL);
    if (cm_h264_nal_type_of(payload) == CM_H264_NAL_FU_A)
        return put_fragment(a, payload);
    CM_ENSURE(!a->in_fragment && is_single_type(payload), CM_CLOSE);
    cm_h264_write_avcc(a->out, payload);
    return a->out->failed ? CM_FULL : CM_OK;
}

cm_status cm_h264_reassembler_finish(const cm_h264_reassembler *a)
{
    CM_ENSURE(!a->in_fragment, CM_CLOSE);
    return a->out->failed ? CM_FULL : CM_OK;
}
