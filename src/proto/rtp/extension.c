#include "proto/rtp/extension.h"

#include "base/reader.h"

enum {
    ID_PADDING = 0,
    ID_STOP = 15, /* one-byte form: reserved */
    TWO_BYTE_MASK = 0xFFF0,
    WORD = 4,
    TRANSPORT_SEQUENCE_SIZE = 2,
    CAPTURE_TIME_SIZE = 8, /* the long form goes on with a clock offset, which we don't need */
    PLAYOUT_DELAY_SIZE = 3,
    PLAYOUT_MAX = 0xFFF, /* 12 bits */
};

cm_rtp_elements cm_rtp_elements_of(const cm_rtp_packet *packet)
{
    const bool is_two_byte = (packet->extension_profile & TWO_BYTE_MASK) == CM_RTP_TWO_BYTE;
    if (!packet->has_extension || !(is_two_byte || packet->extension_profile == CM_RTP_ONE_BYTE))
        return (cm_rtp_elements){0};
    return (cm_rtp_elements){.rest = packet->extension, .is_two_byte = is_two_byte};
}

/* Id and size of an element that begins with `first`. False: RFC 8285, 4.2 MUST: an id of 0 that
 * has a length, and the id 15, end the whole extension. */
static bool read_head(cm_reader *r, bool is_two_byte, uint8_t first, cm_rtp_element *out,
                      size_t *size)
{
    if (is_two_byte) {
        out->id = first;
        *size = cm_read_u8(r);
        return true;
    }
    out->id = first >> 4;
    *size = (size_t)(first & 0x0F) + 1;
    return out->id != ID_PADDING && out->id != ID_STOP;
}

bool cm_rtp_elements_next(cm_rtp_elements *elements, cm_rtp_element *out)
{
    cm_reader r = cm_reader_over(elements->rest);
    elements->rest = (cm_slice){0};
    uint8_t first;
    do {
        if (r.rest.size == 0)
            return false;
        first = cm_read_u8(&r);
    } while (first == ID_PADDING);
    cm_rtp_element element;
    size_t size;
    if (!read_head(&r, elements->is_two_byte, first, &element, &size))
        return false;
    element.data = cm_read_slice(&r, size);
    if (r.failed)
        return false;
    elements->rest = r.rest;
    *out = element;
    return true;
}

static void read_element(cm_rtp_element element, const cm_rtp_extension_ids *ids,
                         cm_rtp_extensions *out)
{
    cm_reader r = cm_reader_over(element.data);
    const size_t size = element.data.size;
    if (element.id == ids->transport_sequence && size == TRANSPORT_SEQUENCE_SIZE) {
        out->has_transport_sequence = true;
        out->transport_sequence = cm_read_u16(&r);
    } else if (element.id == ids->capture_time && size >= CAPTURE_TIME_SIZE) {
        out->has_capture_time = true;
        out->capture_time = cm_read_u64(&r);
    } else if (element.id == ids->playout_delay && size == PLAYOUT_DELAY_SIZE) {
        const uint32_t both = cm_read_u24(&r);
        out->has_playout_delay = true;
        out->playout_min_10ms = (uint16_t)(both >> 12);
        out->playout_max_10ms = both & PLAYOUT_MAX;
    } else if (element.id == ids->mid && size <= CM_RTP_ELEMENT_MAX) {
        out->mid = element.data;
    }
}

void cm_rtp_extensions_read(const cm_rtp_packet *packet, const cm_rtp_extension_ids *ids,
                            cm_rtp_extensions *out)
{
    *out = (cm_rtp_extensions){0};
    cm_rtp_elements elements = cm_rtp_elements_of(packet);
    cm_rtp_element element;
    while (cm_rtp_elements_next(&elements, &element))
        read_element(element, ids, out);
}

static void write_head(cm_writer *w, uint8_t id, size_t size)
{
    if (id > CM_RTP_ONE_BYTE_ID_MAX || size > CM_RTP_ELEMENT_MAX)
        w->failed = true;
    cm_write_u8(w, (uint8_t)(id << 4 | ((size - 1) & 0x0F)));
}

void cm_rtp_extensions_write(cm_writer *w, const cm_rtp_extensions *extensions,
                             const cm_rtp_extension_ids *ids)
{
    const size_t begin = w->used;
    /* First: CM_RTP_TRANSPORT_SEQUENCE_AT says where it is. */
    if (extensions->has_transport_sequence && ids->transport_sequence > 0) {
        write_head(w, ids->transport_sequence, TRANSPORT_SEQUENCE_SIZE);
        cm_write_u16(w, extensions->transport_sequence);
    }
    if (extensions->has_capture_time && ids->capture_time > 0) {
        write_head(w, ids->capture_time, CAPTURE_TIME_SIZE);
        cm_write_u64(w, extensions->capture_time);
    }
    if (extensions->has_playout_delay && ids->playout_delay > 0) {
        write_head(w, ids->playout_delay, PLAYOUT_DELAY_SIZE);
        cm_write_u24(w, (uint32_t)(extensions->playout_min_10ms & PLAYOUT_MAX) << 12 |
                            (extensions->playout_max_10ms & PLAYOUT_MAX));
    }
    if (extensions->mid.size > 0 && ids->mid > 0) {
        write_head(w, ids->mid, extensions->mid.size);
        cm_write_slice(w, extensions->mid);
    }
    cm_write_zeros(w, (WORD - (w->used - begin) % WORD) % WORD);
}

void cm_rtp_header_write(cm_writer *w, const cm_rtp_packet *packet,
                         const cm_rtp_extensions *extensions, const cm_rtp_extension_ids *ids)
{
    uint8_t room[CM_RTP_EXTENSIONS_MAX];
    cm_writer elements = cm_writer_over(room, sizeof room);
    cm_rtp_extensions_write(&elements, extensions, ids);
    w->failed = w->failed || elements.failed;
    cm_rtp_packet extended = *packet;
    extended.has_extension = elements.used > 0;
    extended.extension_profile = CM_RTP_ONE_BYTE;
    extended.extension = cm_writer_done(&elements);
    cm_rtp_write(w, &extended);
}
