#include "proto/aac/depacketize.h"

#include "base/reader.h"

enum {
    HEADER_BITS = 16, /* an AU header of AAC-hbr: 13 bits of size, 3 of index */
    INDEX_BITS = 3,
    INDEX_MASK = (1 << INDEX_BITS) - 1,
};

void cm_aac_depacketizer_init(cm_aac_depacketizer *d, uint32_t frame_ticks, cm_buffer *buffer,
                              cm_aac_on_unit on_unit, void *context)
{
    *d = (cm_aac_depacketizer){
        .frame_ticks = frame_ticks, .buffer = buffer, .on_unit = on_unit, .context = context};
    cm_aac_depacketizer_restart(d);
}

static void forget_fragments(cm_aac_depacketizer *d)
{
    cm_buffer_clear(d->buffer);
    d->in_fragment = d->gap_in_unit = false;
}

static void note_loss(cm_aac_depacketizer *d)
{
    d->lost_before = d->units > 0;
}

void cm_aac_depacketizer_restart(cm_aac_depacketizer *d)
{
    forget_fragments(d);
    note_loss(d);
}

static cm_status fail(cm_aac_depacketizer *d, cm_aac_fault fault)
{
    d->faults[fault]++;
    d->last_fault = fault;
    forget_fragments(d);
    note_loss(d);
    return fault == CM_AAC_FAULT_INTERLEAVED ? CM_REFUSE : CM_CLOSE;
}

/* What a loss explains is not the sender's fault. */
static cm_status lose_fragments(cm_aac_depacketizer *d)
{
    if (!d->gap_in_unit)
        return fail(d, CM_AAC_FAULT_UNFINISHED);
    forget_fragments(d);
    note_loss(d);
    return CM_OK;
}

static void hand_out(cm_aac_depacketizer *d, cm_slice bytes, uint32_t timestamp)
{
    const cm_aac_access_unit unit = {
        .bytes = bytes, .timestamp = timestamp, .lost_before = d->lost_before};
    d->units++;
    d->lost_before = false;
    d->on_unit(d->context, &unit);
}

/* The two sections of a payload (RFC 3640, 3.2), the headers' length in bits checked. */
static cm_status open_payload(cm_slice payload, cm_reader *headers, cm_slice *data)
{
    cm_reader r = cm_reader_over(payload);
    const uint16_t header_bits = cm_read_u16(&r);
    *headers = cm_reader_sub(&r, header_bits / 8);
    CM_ENSURE(!headers->failed && header_bits > 0 && header_bits % HEADER_BITS == 0, CM_CLOSE);
    *data = r.rest;
    return CM_OK;
}

static uint32_t unit_size_of(uint16_t header)
{
    return header >> INDEX_BITS;
}

/* RFC 3640, 3.2.3.1: a fragment's header says the size of the whole unit. */
static cm_status put_fragment(cm_aac_depacketizer *d, const cm_aac_rtp_payload *packet,
                              size_t unit_size, cm_slice data)
{
    if (!d->in_fragment) {
        d->in_fragment = true;
        d->unit_size = unit_size;
        d->timestamp = packet->timestamp;
    }
    const size_t held = cm_buffer_data(d->buffer).size;
    if (unit_size != d->unit_size || data.size > unit_size - held ||
        cm_buffer_add(d->buffer, data) != CM_OK)
        return fail(d, CM_AAC_FAULT_SIZES);
    const cm_slice joined = cm_buffer_data(d->buffer);
    if (joined.size < unit_size)
        return packet->marker ? lose_fragments(d) : CM_OK;
    hand_out(d, joined, d->timestamp);
    forget_fragments(d);
    return CM_OK;
}

/* Sizes and indexes of all before any unit is handed out. */
static cm_aac_fault check_units(cm_reader headers, size_t data_size)
{
    size_t total = 0;
    while (headers.rest.size > 0) {
        const uint16_t header = cm_read_u16(&headers);
        if ((header & INDEX_MASK) != 0)
            return CM_AAC_FAULT_INTERLEAVED;
        if (unit_size_of(header) == 0)
            return CM_AAC_FAULT_SIZES;
        total += unit_size_of(header);
    }
    return total == data_size ? CM_AAC_FAULT_NONE : CM_AAC_FAULT_SIZES;
}

static cm_status put_units(cm_aac_depacketizer *d, uint32_t timestamp, cm_reader headers,
                           cm_slice data)
{
    const cm_aac_fault fault = check_units(headers, data.size);
    if (fault != CM_AAC_FAULT_NONE)
        return fail(d, fault);
    cm_reader r = cm_reader_over(data);
    for (; headers.rest.size > 0; timestamp += d->frame_ticks)
        hand_out(d, cm_read_slice(&r, unit_size_of(cm_read_u16(&headers))), timestamp);
    return CM_OK;
}

static cm_status put_payload(cm_aac_depacketizer *d, const cm_aac_rtp_payload *packet)
{
    cm_reader headers;
    cm_slice data;
    if (open_payload(packet->payload, &headers, &data) != CM_OK || data.size == 0)
        return fail(d, CM_AAC_FAULT_TRUNCATED);
    cm_reader first = headers;
    const uint16_t header = cm_read_u16(&first);
    const bool is_alone = first.rest.size == 0;
    const bool is_fragment =
        is_alone && (header & INDEX_MASK) == 0 && unit_size_of(header) > data.size;
    if (d->in_fragment && !is_fragment)
        CM_TRY(lose_fragments(d));
    return is_fragment ? put_fragment(d, packet, unit_size_of(header), data)
                       : put_units(d, packet->timestamp, headers, data);
}

cm_status cm_aac_depacketizer_put(cm_aac_depacketizer *d, const cm_aac_rtp_payload *packet)
{
    if (packet->gap_before) {
        d->faults[CM_AAC_FAULT_LOSS]++;
        note_loss(d);
        d->gap_in_unit = true;
    }
    cm_status status = CM_OK;
    if (d->in_fragment && d->timestamp != packet->timestamp) {
        status = lose_fragments(d);
        d->gap_in_unit = packet->gap_before; /* the lost ones may be this unit's first, too */
    }
    const cm_status put = put_payload(d, packet);
    if (!d->in_fragment)
        d->gap_in_unit = false;
    return put != CM_OK ? put : status;
}

cm_status cm_aac_write_headers(cm_writer *w, size_t unit_size)
{
    CM_ENSURE(unit_size > 0 && unit_size <= CM_AAC_MAX_UNIT_BYTES, CM_REFUSE);
    cm_write_u16(w, HEADER_BITS);
    cm_write_u16(w, (uint16_t)(unit_size << INDEX_BITS));
    return w->failed ? CM_FULL : CM_OK;
}
