#include "proto/h265/depacketize.h"

#include <assert.h>

#include "proto/h265/fragment_priv.h"

enum {
    FORBIDDEN_BIT = 0x80,
    START_CODE_SIZE = 3,
};

cm_slice cm_h265_access_unit_nal(const cm_h265_access_unit *unit, size_t i)
{
    assert(i < unit->nal_count);
    return cm_slice_part(unit->bytes, unit->nals[i].offset, unit->nals[i].size);
}

const char *cm_h265_fault_name(cm_h265_fault fault)
{
    static const char *const NAMES[CM_H265_FAULT_COUNT] = {
        [CM_H265_FAULT_NONE] = "none",
        [CM_H265_FAULT_LOSS] = "loss",
        [CM_H265_FAULT_EMPTY] = "empty",
        [CM_H265_FAULT_HEADER] = "header",
        [CM_H265_FAULT_AGGREGATE] = "aggregate",
        [CM_H265_FAULT_FRAGMENT] = "fragment",
        [CM_H265_FAULT_UNFINISHED] = "unfinished",
        [CM_H265_FAULT_DON] = "decoding-order-numbers",
        [CM_H265_FAULT_PACI] = "paci",
        [CM_H265_FAULT_UNIT_TOO_LARGE] = "unit-too-large",
        [CM_H265_FAULT_TOO_MANY_NALS] = "too-many-nals",
        [CM_H265_FAULT_PARAMETER_SET] = "parameter-set",
        [CM_H265_FAULT_MIDDLE_OF_PICTURE] = "middle-of-picture",
    };
    return fault < CM_H265_FAULT_COUNT ? NAMES[fault] : "unknown";
}

/* ---- the unit being collected ---- */

static bool has_slice(const cm_h265_depacketizer *d)
{
    return d->picture != CM_H265_NAL_NONE;
}

static bool is_irap(cm_h265_nal_type picture)
{
    return picture >= CM_H265_NAL_BLA_W_LP && picture <= CM_H265_NAL_CRA;
}

static bool is_rasl(cm_h265_nal_type picture)
{
    return picture == CM_H265_NAL_RASL_N || picture == CM_H265_NAL_RASL_R;
}

/* Nothing collected. */
static void clear_unit(cm_h265_depacketizer *d)
{
    cm_buffer_clear(d->buffer);
    d->nal_count = 0;
    d->nal_begin = d->scanned = 0;
    d->picture = CM_H265_NAL_NONE;
    d->in_fragment = d->has_vps = d->has_sps = d->has_pps = false;
}

/* References are missing from here on. */
static void wait_for_irap(cm_h265_depacketizer *d)
{
    d->is_waiting = true;
    d->lost_before = d->units > 0;
}

void cm_h265_depacketizer_restart(cm_h265_depacketizer *d)
{
    clear_unit(d);
    d->has_timestamp = d->has_last_timestamp = false;
    d->is_unit_lost = false;
    d->is_marker_ignored = false;
    d->gap_in_unit = true;
    wait_for_irap(d);
}

cm_status cm_h265_depacketizer_init(cm_h265_depacketizer *d, uint32_t max_don_diff,
                                    cm_buffer *buffer, cm_h265_on_unit on_unit, void *context)
{
    *d = (cm_h265_depacketizer){.buffer = buffer, .on_unit = on_unit, .context = context};
    cm_h265_parameter_sets_init(&d->sets);
    cm_h265_depacketizer_restart(d);
    if (max_don_diff == 0)
        return CM_OK;
    d->last_fault = CM_H265_FAULT_DON;
    return CM_REFUSE;
}

static void lose_unit(cm_h265_depacketizer *d)
{
    clear_unit(d);
    d->is_unit_lost = true;
    wait_for_irap(d);
}

static cm_status status_of(cm_h265_fault fault)
{
    switch (fault) {
    case CM_H265_FAULT_PACI:
        return CM_REFUSE;
    case CM_H265_FAULT_UNIT_TOO_LARGE:
    case CM_H265_FAULT_TOO_MANY_NALS:
        return CM_FULL;
    default:
        return CM_CLOSE;
    }
}

static cm_status fail(cm_h265_depacketizer *d, cm_h265_fault fault)
{
    const cm_status status = status_of(fault);
    d->last_fault = fault;
    d->faults[fault]++;
    lose_unit(d);
    /* A unit without end: the timestamps don't end units either. */
    d->is_marker_ignored &= status != CM_FULL;
    return status;
}

/* What a loss explains is not the sender's fault. */
static cm_status fail_unless_gap(cm_h265_depacketizer *d, cm_h265_fault fault)
{
    if (!d->gap_in_unit)
        return fail(d, fault);
    lose_unit(d);
    return CM_OK;
}

static void hand_out(cm_h265_depacketizer *d)
{
    const cm_h265_access_unit unit = {
        .bytes = cm_buffer_data(d->buffer),
        .nals = d->nals,
        .nal_count = d->nal_count,
        .timestamp = d->timestamp,
        .is_keyframe = is_irap(d->picture),
        .is_rasl = is_rasl(d->picture),
        .has_vps = d->has_vps,
        .has_sps = d->has_sps,
        .has_pps = d->has_pps,
        .lost_before = d->lost_before,
    };
    if (unit.is_keyframe)
        d->skips_rasl = d->is_waiting || d->picture <= CM_H265_NAL_BLA_N_LP;
    d->units++;
    d->is_waiting = false;
    d->lost_before = false;
    d->on_unit(d->context, &unit);
}

static void end_unit(cm_h265_depacketizer *d)
{
    if (!has_slice(d) || (d->is_waiting && !is_irap(d->picture))) {
        d->dropped_units++;
        d->lost_before = d->units > 0;
    } else if (d->skips_rasl && is_rasl(d->picture)) {
        d->dropped_units++; /* nothing that is handed out refers to it: no loss */
    } else {
        hand_out(d);
    }
    clear_unit(d);
    d->is_unit_lost = false;
    d->gap_in_unit = false;
    d->last_timestamp = d->timestamp;
    d->has_last_timestamp = true;
    d->has_timestamp = false;
}

/* ---- NAL units ---- */

/* Of those that are no slices, decoders need these. */
static bool is_kept(cm_slice nal)
{
    switch (cm_h265_nal_type_of(nal)) {
    case CM_H265_NAL_VPS:
    case CM_H265_NAL_SPS:
    case CM_H265_NAL_PPS:
    case CM_H265_NAL_SEI_PREFIX:
    case CM_H265_NAL_SEI_SUFFIX:
        return true;
    default:
        return cm_h265_nal_is_slice(nal);
    }
}

/*
 * The first slice of a unit must begin a picture. Else its beginning was lost; or it was handed out
 * already, at the marker of an earlier slice of the same timestamp, and from now on only timestamps
 * end units.
 */
static cm_status note_slice(cm_h265_depacketizer *d, cm_slice nal)
{
    if (has_slice(d))
        return CM_OK;
    if (cm_h265_nal_begins_picture(nal)) {
        d->picture = cm_h265_nal_type_of(nal);
        return CM_OK;
    }
    if (d->gap_in_unit || !d->has_last_timestamp || d->last_timestamp != d->timestamp)
        return fail_unless_gap(d, CM_H265_FAULT_MIDDLE_OF_PICTURE);
    d->is_marker_ignored = true;
    lose_unit(d);
    return CM_OK;
}

/* Takes note of what the NAL unit is. Over a bad one the whole access unit is lost. */
static cm_status note_nal(cm_h265_depacketizer *d, cm_slice nal)
{
    if (cm_h265_nal_is_slice(nal))
        return note_slice(d, nal);
    if (cm_h265_parameter_sets_put(&d->sets, nal) != CM_OK)
        return fail(d, CM_H265_FAULT_PARAMETER_SET);
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    d->has_vps |= type == CM_H265_NAL_VPS;
    d->has_sps |= type == CM_H265_NAL_SPS;
    d->has_pps |= type == CM_H265_NAL_PPS;
    return CM_OK;
}

/* The NAL unit being collected ends at `end` of the buffer. */
static cm_status close_nal(cm_h265_depacketizer *d, size_t end)
{
    const size_t begin = d->nal_begin;
    d->nal_begin = end;
    const cm_slice nal =
        cm_h264_trim_zeros(cm_slice_part(cm_buffer_data(d->buffer), begin, end - begin));
    /* A header without a body carries nothing; a fragment that begins with a start code has one. */
    if (nal.size <= CM_H265_NAL_HEADER_SIZE)
        return CM_OK;
    cm_h265_nal_header header;
    if (cm_h265_nal_header_parse(nal, &header) != CM_OK)
        return fail(d, CM_H265_FAULT_HEADER);
    if (header.layer_id > 0 || !is_kept(nal))
        return CM_OK;
    if (d->nal_count == CM_H265_MAX_NALS)
        return fail(d, CM_H265_FAULT_TOO_MANY_NALS);
    CM_TRY(note_nal(d, nal));
    if (!d->is_unit_lost)
        d->nals[d->nal_count++] =
            (cm_h265_nal_range){.offset = (uint32_t)begin, .size = (uint32_t)nal.size};
    return CM_OK;
}

/* A NAL unit holds no start code of its own, so that one found is a camera's packing. */
static cm_status split_at_start_codes(cm_h265_depacketizer *d)
{
    const cm_slice held = cm_buffer_data(d->buffer);
    for (;;) {
        const size_t at = cm_h264_find_start_code(held, d->scanned);
        if (at == held.size)
            break;
        CM_TRY(close_nal(d, at));
        if (d->is_unit_lost)
            return CM_OK;
        d->nal_begin = d->scanned = at + START_CODE_SIZE;
    }
    /* Two bytes may be the beginning of one that the next fragment completes. */
    if (held.size >= d->scanned + 2)
        d->scanned = held.size - 2;
    return CM_OK;
}

static void open_nal(cm_h265_depacketizer *d)
{
    d->nal_begin = d->scanned = cm_buffer_data(d->buffer).size;
}

static cm_status collect(cm_h265_depacketizer *d, cm_slice bytes)
{
    if (cm_buffer_add(d->buffer, bytes) != CM_OK)
        return fail(d, CM_H265_FAULT_UNIT_TOO_LARGE);
    return split_at_start_codes(d);
}

static cm_status close_last_nal(cm_h265_depacketizer *d)
{
    return d->is_unit_lost ? CM_OK : close_nal(d, cm_buffer_data(d->buffer).size);
}

/* ---- payloads ---- */

static cm_status put_whole_nal(cm_h265_depacketizer *d, cm_slice nal)
{
    open_nal(d);
    CM_TRY(collect(d, nal));
    return close_last_nal(d);
}

/* RFC 7798 4.4.2. One of a single NAL unit is against it, but harmless. */
static cm_status put_aggregate(cm_h265_depacketizer *d, cm_slice payload)
{
    cm_reader r = cm_reader_over(cm_slice_from(payload, CM_H265_NAL_HEADER_SIZE));
    bool has_nal = false;
    while (r.rest.size > 0 && !d->is_unit_lost) {
        const cm_slice nal = cm_read_slice(&r, cm_read_u16(&r));
        if (r.failed)
            return fail(d, CM_H265_FAULT_AGGREGATE);
        has_nal |= nal.size > 0;
        CM_TRY(put_whole_nal(d, nal));
    }
    return has_nal || d->is_unit_lost ? CM_OK : fail(d, CM_H265_FAULT_EMPTY);
}

static cm_status begin_fragment(cm_h265_depacketizer *d, const cm_h265_fragment_header *header,
                                cm_h265_nal_type type)
{
    if (d->in_fragment)
        return fail(d, CM_H265_FAULT_UNFINISHED);
    open_nal(d);
    d->in_fragment = true;
    d->fragment_type = type;
    return collect(d, cm_slice_over(header->nal_header, sizeof header->nal_header));
}

/* RFC 7798 4.4.3. Both bits set is forbidden there, but sent by cameras. */
static cm_status put_fragment(cm_h265_depacketizer *d, cm_slice payload)
{
    cm_reader r = cm_reader_over(payload);
    cm_h265_fragment_header header;
    if (cm_h265_fragment_header_read(&r, &header) != CM_OK)
        return fail(d, CM_H265_FAULT_FRAGMENT);
    const cm_h265_nal_type type =
        cm_h265_nal_type_of(cm_slice_over(header.nal_header, sizeof header.nal_header));
    if (header.is_start)
        CM_TRY(begin_fragment(d, &header, type));
    else if (!d->in_fragment)
        return fail_unless_gap(d, CM_H265_FAULT_FRAGMENT);
    else if (d->fragment_type != type)
        return fail(d, CM_H265_FAULT_FRAGMENT);
    CM_TRY(collect(d, r.rest));
    if (!header.is_end || d->is_unit_lost)
        return CM_OK;
    d->in_fragment = false;
    return close_last_nal(d);
}

static cm_status put_payload(cm_h265_depacketizer *d, cm_slice payload)
{
    const cm_h265_nal_type type = cm_h265_nal_type_of(payload);
    if (type == CM_H265_NAL_NONE)
        return fail(d, CM_H265_FAULT_EMPTY);
    if ((payload.bytes[0] & FORBIDDEN_BIT) != 0)
        return fail(d, CM_H265_FAULT_HEADER);
    if (type == CM_H265_NAL_FRAGMENT)
        return put_fragment(d, payload);
    if (d->in_fragment)
        return fail(d, CM_H265_FAULT_UNFINISHED);
    if (type == CM_H265_NAL_AGGREGATE)
        return put_aggregate(d, payload);
    if (type == CM_H265_NAL_PACI)
        return fail(d, CM_H265_FAULT_PACI);
    /* Types above are unspecified, and left out as any NAL unit of no use is. */
    return put_whole_nal(d, payload);
}

/* Packets are missing before this one. Without a slice yet, what is collected stays: should the
 * lost packet have been the first slice, the next one tells. */
static void note_gap(cm_h265_depacketizer *d)
{
    d->faults[CM_H265_FAULT_LOSS]++;
    if (has_slice(d) || d->in_fragment)
        lose_unit(d);
    wait_for_irap(d);
}

/* The picture is complete, if there is one: parameter sets or SEI alone belong to the next. */
static cm_status end_picture(cm_h265_depacketizer *d)
{
    const cm_status status = d->in_fragment ? fail(d, CM_H265_FAULT_UNFINISHED) : CM_OK;
    if (has_slice(d) || d->is_unit_lost)
        end_unit(d);
    return status;
}

cm_status cm_h265_depacketizer_put(cm_h265_depacketizer *d, const cm_h265_rtp_payload *packet)
{
    if (packet->gap_before)
        note_gap(d);
    cm_status status = CM_OK;
    if (d->has_timestamp && d->timestamp != packet->timestamp)
        status = end_picture(d);
    d->gap_in_unit |= packet->gap_before;
    d->timestamp = packet->timestamp;
    d->has_timestamp = true;
    if (!d->is_unit_lost) {
        const cm_status put = put_payload(d, packet->payload);
        status = put != CM_OK ? put : status;
    }
    if (packet->marker && !d->is_marker_ignored) {
        const cm_status end = end_picture(d);
        status = end != CM_OK ? end : status;
    }
    return status;
}
