#include "proto/h265/packetize.h"

#include "proto/h265/fragment_priv.h"

enum {
    FU_START = 0x80,
    FU_END = 0x40,
    TYPE_MASK = 0x3f,
    TYPE_SHIFT = 1,
    NOT_TYPE_MASK = 0x81, /* F and the highest bit of the layer: RFC 7798 4.4.3 keeps both */
    LENGTH_SIZE = 4,
};

/* ---- fragment headers ---- */

cm_status cm_h265_fragment_header_read(cm_reader *r, cm_h265_fragment_header *out)
{
    const uint8_t first = cm_read_u8(r);
    const uint8_t second = cm_read_u8(r);
    const uint8_t fu = cm_read_u8(r);
    const unsigned type = fu & TYPE_MASK;
    CM_ENSURE(!r->failed && type < CM_H265_NAL_AGGREGATE, CM_CLOSE);
    *out = (cm_h265_fragment_header){
        .nal_header = {(uint8_t)((first & NOT_TYPE_MASK) | type << TYPE_SHIFT), second},
        .is_start = (fu & FU_START) != 0,
        .is_end = (fu & FU_END) != 0,
    };
    return CM_OK;
}

void cm_h265_fragment_header_write(cm_writer *w, const cm_h265_fragment_header *header)
{
    const uint8_t first = header->nal_header[0];
    cm_write_u8(w, (uint8_t)((first & NOT_TYPE_MASK) | CM_H265_NAL_FRAGMENT << TYPE_SHIFT));
    cm_write_u8(w, header->nal_header[1]);
    cm_write_u8(w, (uint8_t)((header->is_start ? FU_START : 0) | (header->is_end ? FU_END : 0) |
                             (first >> TYPE_SHIFT & TYPE_MASK)));
}

/* ---- cutting ---- */

static bool is_single(cm_slice nal)
{
    cm_h265_nal_header header;
    return cm_h265_nal_header_parse(nal, &header) == CM_OK && header.type < CM_H265_NAL_AGGREGATE;
}

/* Into how many granules the NAL unit is cut. */
static size_t count_parts(cm_slice nal, size_t max_bytes)
{
    if (nal.size <= max_bytes)
        return 1;
    /* The NAL header travels in the fragments' headers. */
    const size_t room = max_bytes - CM_H265_FRAGMENT_HEADER_SIZE;
    return (nal.size - CM_H265_NAL_HEADER_SIZE + room - 1) / room;
}

cm_status cm_h265_packetizer_init(cm_h265_packetizer *p, const cm_slice *nals, size_t nal_count,
                                  size_t max_bytes)
{
    CM_ENSURE(nal_count > 0 && nal_count <= UINT32_MAX, CM_REFUSE);
    CM_ENSURE(max_bytes >= CM_H265_MIN_GRANULE_BYTES && max_bytes <= UINT16_MAX, CM_REFUSE);
    for (size_t i = 0; i < nal_count; i++)
        CM_ENSURE(nals[i].size <= UINT32_MAX && is_single(nals[i]), CM_REFUSE);
    *p = (cm_h265_packetizer){.nals = nals, .nal_count = nal_count, .max_bytes = max_bytes};
    return CM_OK;
}

static void write_header(cm_h265_granule *granule, cm_slice nal, bool is_start, bool is_end)
{
    const cm_h265_fragment_header header = {
        .nal_header = {nal.bytes[0], nal.bytes[1]},
        .is_start = is_start,
        .is_end = is_end,
    };
    cm_writer w = cm_writer_over(granule->header, sizeof granule->header);
    cm_h265_fragment_header_write(&w, &header);
    granule->header_size = CM_H265_FRAGMENT_HEADER_SIZE;
}

static cm_h265_granule next_fragment(cm_h265_packetizer *p, cm_slice nal)
{
    const bool is_start = p->offset == 0;
    if (is_start) {
        p->offset = CM_H265_NAL_HEADER_SIZE;
        p->fragments = count_parts(nal, p->max_bytes);
    }
    /* Rounding up at each step leaves parts that differ by one byte at most. */
    const size_t size = (nal.size - p->offset + p->fragments - 1) / p->fragments;
    cm_h265_granule granule = {
        .nal = (uint32_t)p->nal, .offset = (uint32_t)p->offset, .size = (uint32_t)size};
    write_header(&granule, nal, is_start, p->fragments == 1);
    p->offset += size;
    p->fragments--;
    return granule;
}

bool cm_h265_packetizer_next(cm_h265_packetizer *p, cm_h265_granule *out)
{
    if (p->nal >= p->nal_count)
        return false;
    const cm_slice nal = p->nals[p->nal];
    *out = nal.size > p->max_bytes
               ? next_fragment(p, nal)
               : (cm_h265_granule){.nal = (uint32_t)p->nal, .size = (uint32_t)nal.size};
    if (p->fragments == 0) {
        p->nal++;
        p->offset = 0;
    }
    out->is_last = p->nal == p->nal_count;
    return true;
}

size_t cm_h265_count_granules(const cm_slice *nals, size_t nal_count, size_t max_bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < nal_count; i++)
        count += count_parts(nals[i], max_bytes);
    return count;
}

void cm_h265_granule_write(cm_writer *w, const cm_slice *nals, const cm_h265_granule *granule)
{
    cm_write_slice(w, cm_slice_over(granule->header, granule->header_size));
    cm_write_slice(w, cm_slice_part(nals[granule->nal], granule->offset, granule->size));
}

/* ---- putting together ---- */

size_t cm_h265_granule_avcc_size(cm_slice payload)
{
    if (cm_h265_nal_type_of(payload) != CM_H265_NAL_FRAGMENT)
        return LENGTH_SIZE + payload.size;
    cm_reader r = cm_reader_over(payload);
    cm_h265_fragment_header header;
    if (cm_h265_fragment_header_read(&r, &header) != CM_OK)
        return 0;
    return (header.is_start ? LENGTH_SIZE + CM_H265_NAL_HEADER_SIZE : 0) + r.rest.size;
}

void cm_h265_reassembler_init(cm_h265_reassembler *a, cm_writer *out)
{
    *a = (cm_h265_reassembler){.out = out};
}

static cm_status put_fragment(cm_h265_reassembler *a, cm_slice payload)
{
    cm_reader r = cm_reader_over(payload);
    cm_h265_fragment_header header;
    CM_TRY(cm_h265_fragment_header_read(&r, &header));
    const cm_slice nal_header = cm_slice_over(header.nal_header, sizeof header.nal_header);
    CM_ENSURE(r.rest.size > 0 && is_single(nal_header), CM_CLOSE);
    CM_ENSURE(!(header.is_start && header.is_end) && header.is_start != a->in_fragment, CM_CLOSE);
    if (header.is_start) {
        a->length_at = cm_write_reserve(a->out, LENGTH_SIZE);
        cm_slice_copy(nal_header, a->header, sizeof a->header);
        cm_write_slice(a->out, nal_header);
    }
    CM_ENSURE(cm_slice_equal(nal_header, cm_slice_over(a->header, sizeof a->header)), CM_CLOSE);
    cm_write_slice(a->out, r.rest);
    a->in_fragment = !header.is_end;
    if (header.is_end) {
        const size_t size = cm_writer_done(a->out).size - a->length_at - LENGTH_SIZE;
        CM_ENSURE(size <= UINT32_MAX, CM_FULL);
        cm_write_fill_u32(a->out, a->length_at, (uint32_t)size);
    }
    return a->out->failed ? CM_FULL : CM_OK;
}

cm_status cm_h265_reassembler_put(cm_h265_reassembler *a, cm_slice payload)
{
    CM_ENSURE(!a->out->failed, CM_FULL);
    if (cm_h265_nal_type_of(payload) == CM_H265_NAL_FRAGMENT)
        return put_fragment(a, payload);
    CM_ENSURE(!a->in_fragment && is_single(payload), CM_CLOSE);
    cm_h264_write_avcc(a->out, payload);
    return a->out->failed ? CM_FULL : CM_OK;
}

cm_status cm_h265_reassembler_finish(const cm_h265_reassembler *a)
{
    CM_ENSURE(!a->in_fragment, CM_CLOSE);
    return a->out->failed ? CM_FULL : CM_OK;
}
