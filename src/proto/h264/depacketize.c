#include "proto/h264/depacketize.h"

#include <assert.h>

enum {
    FORBIDDEN_BIT = 0x80,
    NRI_MASK = 0xe0,
    TYPE_MASK = 0x1f,
    FU_START = 0x80,
    FU_END = 0x40,
    START_CODE_SIZE = 3,
};

cm_slice cm_h264_access_unit_nal(const cm_h264_access_unit *unit, size_t i)
{
    assert(i < unit->nal_count);
    return cm_slice_part(unit->bytes, unit->nals[i].offset, unit->nals[i].size);
}

const char *cm_h264_fault_name(cm_h264_fault fault)
{
    static const char *const NAMES[CM_H264_FAULT_COUNT] = {
        [CM_H264_FAULT_NONE] = "none",
        [CM_H264_FAULT_LOSS] = "loss",
        [CM_H264_FAULT_EMPTY] = "empty",
        [CM_H264_FAULT_FORBIDDEN_BIT] = "forbidden-bit",
        [CM_H264_FAULT_AGGREGATE] = "aggregate",
        [CM_H264_FAULT_FRAGMENT] = "fragment",
        [CM_H264_FAULT_UNFINISHED] = "unfinished",
        [CM_H264_FAULT_PACKETIZATION] = "packetization",
        [CM_H264_FAULT_UNIT_TOO_LARGE] = "unit-too-large",
        [CM_H264_FAULT_TOO_MANY_NALS] = "too-many-nals",
        [CM_H264_FAULT_PARAMETER_SET] = "parameter-set",
        [CM_H264_FAULT_MIDDLE_OF_PICTURE] = "middle-of-picture",
    };
    return fault < CM_H264_FAULT_COUNT ? NAMES[fault] : "unknown";
}

/* Nothing collected. */
static void clear_unit(cm_h264_depacketizer *d)
{
    cm_buffer_clear(d->buffer);
    d->nal_count = 0;
    d->nal_begin = d->scanned = 0;
    d->in_fragment = false;
    d->has_slice = d->has_idr = d->has_sps = d->has_pps = false;
}

void cm_h264_depacketizer_restart(cm_h264_depacketizer *d)
{
    clear_unit(d);
    d->has_timestamp = d->has_last_timestamp = false;
    d->is_unit_lost = false;
    d->is_marker_ignored = false;
    d->is_waiting = true;
    d->gap_in_unit = true;
    d->lost_before = d->units > 0;
}

void cm_h264_depacketizer_init(cm_h264_depacketizer *d, cm_buffer *buffer, cm_h264_on_unit on_unit,
                               void *context)
{
    *d = (cm_h264_depacketizer){.buffer = buffer, .on_unit = on_unit, .context = context};
    cm_h264_parameter_sets_init(&d->sets);
    cm_h264_depacketizer_restart(d);
}

/* References are missing from here on. */
static void wait_for_keyframe(cm_h264_depacketizer *d)
{
    d->is_waiting = true;
    d->lost_before = d->units > 0;
}

static void lose_unit(cm_h264_depacketizer *d)
{
    clear_unit(d);
    d->is_unit_lost = true;
    wait_for_keyframe(d);
}

static cm_status status_of(cm_h264_fault fault)
{
    switch (fault) {
    case CM_H264_FAULT_PACKETIZATION:
        return CM_REFUSE;
    case CM_H264_FAULT_UNIT_TOO_LARGE:
    case CM_H264_FAULT_TOO_MANY_NALS:
        return CM_FULL;
    default:
        return CM_CLOSE;
    }
}

static cm_status fail(cm_h264_depacketizer *d, cm_h264_fault fault)
{
    d->faults[fault]++;
    d->last_fault = fault;
    /* A unit without end: the timestamps don't end units either. */
    if (status_of(fault) == CM_FULL)
        d->is_marker_ignored = false;
    lose_unit(d);
    return status_of(fault);
}

/* What a loss explains is not the sender's fault. */
static cm_status fail_unless_gap(cm_h264_depacketizer *d, cm_h264_fault fault)
{
    if (!d->gap_in_unit)
        return fail(d, fault);
    lose_unit(d);
    return CM_OK;
}

static void hand_out(cm_h264_depacketizer *d)
{
    const cm_h264_access_unit unit = {
        .bytes = cm_buffer_data(d->buffer),
        .nals = d->nals,
        .nal_count = d->nal_count,
        .timestamp = d->timestamp,
        .is_keyframe = d->has_idr,
        .has_sps = d->has_sps,
        .has_pps = d->has_pps,
        .lost_before = d->lost_before,
    };
    d->units++;
    d->is_waiting = false;
    d->lost_before = false;
    d->on_unit(d->context, &unit);
}

static void end_unit(cm_h264_depacketizer *d)
{
    if (d->has_slice && (d->has_idr || !d->is_waiting)) {
        hand_out(d);
    } else {
        d->dropped_units++;
        d->lost_before = d->units > 0;
    }
    clear_unit(d);
    d->is_unit_lost = false;
    d->gap_in_unit = false;
    d->last_timestamp = d->timestamp;
    d->has_last_timestamp = true;
    d->has_timestamp = false;
}

/* Left out of units: delimiters and fillers carry no picture, and types from 24 on are packets. */
static bool is_left_out(cm_h264_nal_type type)
{
    return type == CM_H264_NAL_NONE || type >= CM_H264_NAL_STAP_A ||
           (type >= CM_H264_NAL_DELIMITER && type <= CM_H264_NAL_FILLER);
}

/*
 * The first slice of a unit must begin a picture (7.4.3: without arbitrary slice order,
 * first_mb_in_slice is 0). Else its beginning was lost; or it was handed out already, at the marker
 * of an earlier slice of the same timestamp, and from now on only timestamps end units.
 */
static cm_status check_first_slice(cm_h264_depacketizer *d, cm_slice nal)
{
    if (d->has_slice || cm_h264_nal_begins_picture(nal))
        return CM_OK;
    if (d->gap_in_unit || !d->has_last_timestamp || d->last_timestamp != d->timestamp)
        return fail_unless_gap(d, CM_H264_FAULT_MIDDLE_OF_PICTURE);
    d->is_marker_ignored = true;
    lose_unit(d);
    return CM_OK;
}

/* Takes note of what the NAL unit is. Over a bad one the whole access unit is lost. */
static cm_status note_nal(cm_h264_depacketizer *d, cm_slice nal)
{
    const cm_h264_nal_type type = cm_h264_nal_type_of(nal);
    if (cm_h264_nal_is_slice(nal)) {
        CM_TRY(check_first_slice(d, nal));
        if (d->is_unit_lost)
            return CM_OK;
        d->has_slice = true;
        d->has_idr |= type == CM_H264_NAL_IDR;
        return CM_OK;
    }
    if (cm_h264_parameter_sets_put(&d->sets, nal) != CM_OK)
        return fail(d, CM_H264_FAULT_PARAMETER_SET);
    d->has_sps |= type == CM_H264_NAL_SPS;
    d->has_pps |= type == CM_H264_NAL_PPS;
    return CM_OK;
}

/* The NAL unit being collected ends at `end` of the buffer. */
static cm_status close_nal(cm_h264_depacketizer *d, size_t end)
{
    const cm_slice held = cm_buffer_data(d->buffer);
    const size_t begin = d->nal_begin;
    const cm_slice nal = cm_h264_trim_zeros(cm_slice_part(held, begin, end - begin));
    d->nal_begin = end;
    /* A header without a body carries nothing; a fragment that begins with a start code has one. */
    if (nal.size <= 1)
        return CM_OK;
    if ((nal.bytes[0] & FORBIDDEN_BIT) != 0)
        return fail(d, CM_H264_FAULT_FORBIDDEN_BIT);
    if (is_left_out(cm_h264_nal_type_of(nal)))
        return CM_OK;
    if (d->nal_count == CM_H264_MAX_NALS)
        return fail(d, CM_H264_FAULT_TOO_MANY_NALS);
    CM_TRY(note_nal(d, nal));
    if (!d->is_unit_lost)
        d->nals[d->nal_count++] =
            (cm_h264_nal_range){.offset = (uint32_t)begin, .size = (uint32_t)nal.size};
    return CM_OK;
}

/* A NAL unit holds no start code of its own, so that one found is a camera's packing. */
static cm_status split_at_start_codes(cm_h264_depacketizer *d)
{
    const cm_slice held = cm_buffer_data(d->buffer);
    size_t at = cm_h264_find_start_code(held, d->scanned);
    while (at < held.size) {
        CM_TRY(close_nal(d, at));
        if (d->is_unit_lost)
            return CM_OK;
        d->nal_begin = d->scanned = at + START_CODE_SIZE;
        at = cm_h264_find_start_code(held, d->scanned);
    }
    /* Two bytes may be the beginning of one that the next fragment completes. */
    if (held.size >= d->scanned + 2)
        d->scanned = held.size - 2;
    return CM_OK;
}

static void open_nal(cm_h264_depacketizer *d)
{
    d->nal_begin = d->scanned = cm_buffer_data(d->buffer).size;
}

static cm_status collect(cm_h264_depacketizer *d, cm_slice bytes)
{
    if (cm_buffer_add(d->buffer, bytes) != CM_OK)
        return fail(d, CM_H264_FAULT_UNIT_TOO_LARGE);
    return split_at_start_codes(d);
}

static cm_status close_last_nal(cm_h264_depacketizer *d)
{
    return d->is_unit_lost ? CM_OK : close_nal(d, cm_buffer_data(d->buffer).size);
}

static cm_status put_whole_nal(cm_h264_depacketizer *d, cm_slice nal)
{
    open_nal(d);
    CM_TRY(collect(d, nal));
    return close_last_nal(d);
}

/* RFC 6184 5.7.1. */
static cm_status put_aggregate(cm_h264_depacketizer *d, cm_slice payload)
{
    cm_reader r = cm_reader_over(cm_slice_from(payload, 1));
    bool has_nal = false;
    while (r.rest.size > 0 && !r.failed && !d->is_unit_lost) {
        const cm_slice nal = cm_read_slice(&r, cm_read_u16(&r));
        if (r.failed)
            return fail(d, CM_H264_FAULT_AGGREGATE);
        has_nal |= nal.size > 0;
        CM_TRY(put_whole_nal(d, nal));
    }
    return has_nal || d->is_unit_lost ? CM_OK : fail(d, CM_H264_FAULT_EMPTY);
}

/* RFC 6184 5.8. A body may be empty. Both bits set is forbidden there, but sent by cameras. */
static cm_status put_fragment(cm_h264_depacketizer *d, cm_slice payload)
{
    cm_reader r = cm_reader_over(payload);
    const uint8_t indicator = cm_read_u8(&r);
    const uint8_t header = cm_read_u8(&r);
    const uint8_t nal_header = (uint8_t)((indicator & NRI_MASK) | (header & TYPE_MASK));
    const uint8_t type = header & TYPE_MASK;
    if (r.failed || type == CM_H264_NAL_NONE || type >= CM_H264_NAL_STAP_A)
        return fail(d, CM_H264_FAULT_FRAGMENT);
    if ((header & FU_START) != 0) {
        if (d->in_fragment)
            return fail(d, CM_H264_FAULT_UNFINISHED);
        open_nal(d);
        d->in_fragment = true;
        d->fragment_header = nal_header;
        CM_TRY(collect(d, cm_slice_over(&nal_header, 1)));
    } else if (!d->in_fragment) {
        return fail_unless_gap(d, CM_H264_FAULT_FRAGMENT);
    } else if ((d->fragment_header & TYPE_MASK) != type) {
        return fail(d, CM_H264_FAULT_FRAGMENT);
    }
    CM_TRY(collect(d, r.rest));
    if ((header & FU_END) == 0 || d->is_unit_lost)
        return CM_OK;
    d->in_fragment = false;
    return close_last_nal(d);
}

static bool begins_with_start_code(cm_slice payload)
{
    static const uint8_t LONG[] = {0, 0, 0, 1};
    const cm_slice code = cm_slice_over(LONG, sizeof LONG);
    return cm_slice_starts(payload, code) || cm_slice_starts(payload, cm_slice_from(code, 1));
}

static cm_status put_payload(cm_h264_depacketizer *d, cm_slice payload)
{
    if (payload.size == 0)
        return fail(d, CM_H264_FAULT_EMPTY);
    if ((payload.bytes[0] & FORBIDDEN_BIT) != 0)
        return fail(d, CM_H264_FAULT_FORBIDDEN_BIT);
    const cm_h264_nal_type type = cm_h264_nal_type_of(payload);
    if (type == CM_H264_NAL_FU_A)
        return put_fragment(d, payload);
    if (d->in_fragment)
        return fail(d, CM_H264_FAULT_UNFINISHED);
    switch (type) {
    case CM_H264_NAL_STAP_A:
        return put_aggregate(d, payload);
    case CM_H264_NAL_STAP_B:
    case CM_H264_NAL_MTAP16:
    case CM_H264_NAL_MTAP24:
    case CM_H264_NAL_FU_B:
        return fail(d, CM_H264_FAULT_PACKETIZATION);
    default:
        /* RFC 6184 5.2: types 0, 30 and 31 are passed over; 0 may also begin a start code. */
        if (is_left_out(type) && !begins_with_start_code(payload))
            return CM_OK;
        return put_whole_nal(d, payload);
    }
}

/* Packets are missing before this one. Without a slice yet, what is collected stays: should the
 * lost packet have been the first slice, the next one tells. */
static void note_gap(cm_h264_depacketizer *d)
{
    d->faults[CM_H264_FAULT_LOSS]++;
    if (d->has_slice || d->in_fragment)
        lose_unit(d);
    wait_for_keyframe(d);
}

/* The timestamp changed: the end of a unit, unless it is parameter sets or SEI alone, which belong
 * to the picture that follows. */
static cm_status change_timestamp(cm_h264_depacketizer *d)
{
    cm_status status = CM_OK;
    if (d->in_fragment)
        status = fail(d, CM_H264_FAULT_UNFINISHED);
    if (d->has_slice || d->is_unit_lost)
        end_unit(d);
    return status;
}

cm_status cm_h264_depacketizer_put(cm_h264_depacketizer *d, const cm_h264_rtp_payload *packet)
{
    if (packet->gap_before)
        note_gap(d);
    cm_status status = CM_OK;
    if (d->has_timestamp && d->timestamp != packet->timestamp)
        status = change_timestamp(d);
    d->gap_in_unit |= packet->gap_before;
    d->timestamp = packet->timestamp;
    d->has_timestamp = true;
    if (!d->is_unit_lost) {
        const cm_status put = put_payload(d, packet->payload);
        status = put != CM_OK ? put : status;
    }
    if (!packet->marker || d->is_marker_ignored)
        return status;
    if (d->in_fragment)
        status = fail(d, CM_H264_FAULT_UNFINISHED);
    if (d->has_slice || d->is_unit_lost)
        end_unit(d);
    return status;
}
