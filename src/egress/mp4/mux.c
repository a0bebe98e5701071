/* One opened frame to the slices of one fMP4 part. */
#include <stdlib.h>

#include "egress/mp4/fault_mp4.h"
#include "proto/fmp4/fmp4.h"
#include "proto/h264/nal.h"

cm_status cm_mp4_muxer_create(cm_mp4_muxer **out)
{
    cm_mp4_muxer *muxer = calloc(1, sizeof *muxer);
    CM_ENSURE(muxer != NULL, CM_BROKEN);
    *out = muxer;
    return CM_OK;
}

void cm_mp4_muxer_destroy(cm_mp4_muxer *muxer)
{
    CM_FAULT_MUXER_END(muxer);
    free(muxer);
}

/* RFC 6184 5.8: the FU indicator's upper bits and the FU header's type are the NAL unit's header.
 */
static uint8_t nal_header_of(cm_slice fragment)
{
    return (uint8_t)((fragment.bytes[0] & 0xE0) | (fragment.bytes[1] & 0x1F));
}

/* RFC 6184 5.8: indicator, header and at least one byte. */
static bool is_fragment(cm_slice granule)
{
    return granule.size > 2 && (granule.bytes[0] & 0x1F) == CM_H264_NAL_FU_A;
}

/* RFC 6184 5.4: types 1 to 23 stand for themselves; the others are packets of another shape. */
static bool is_whole_nal(cm_slice granule)
{
    const uint8_t type = granule.size > 0 ? granule.bytes[0] & 0x1F : 0;
    return type > CM_H264_NAL_NONE && type < CM_H264_NAL_STAP_A;
}

enum { FU_START = 0x80, FU_END = 0x40 };

/* Size of the NAL unit that begins at granule `first`; *last_out is the index of its last granule.
 */
static cm_status measure_nal(const cm_opened_frame *opened, size_t first, size_t *last_out,
                             size_t *size_out)
{
    const cm_slice begin = opened->granules[first];
    *last_out = first;
    *size_out = begin.size;
    if (!is_fragment(begin))
        return is_whole_nal(begin) ? CM_OK : CM_CLOSE;
    *size_out = 1;
    for (size_t i = first; i < opened->count; i++) {
        const cm_slice part = opened->granules[i];
        CM_ENSURE(is_fragment(part), CM_CLOSE);
        CM_ENSURE((part.bytes[1] & FU_START) == (i == first ? FU_START : 0), CM_CLOSE);
        CM_ENSURE(nal_header_of(part) == nal_header_of(begin), CM_CLOSE);
        *size_out += part.size - 2;
        *last_out = i;
        if ((part.bytes[1] & FU_END) != 0)
            return CM_OK;
    }
    return CM_CLOSE;
}

/* Adds one NAL unit behind its 4-byte length. */
static void add_nal(const cm_opened_frame *opened, size_t first, size_t last, size_t size)
{
    cm_writer *w = opened->work;
    cm_write_u32(w, (uint32_t)size);
    const bool is_cut = is_fragment(opened->granules[first]);
    if (is_cut)
        cm_write_u8(w, nal_header_of(opened->granules[first]));
    for (size_t i = first; i <= last; i++)
        cm_write_slice(w, cm_slice_from(opened->granules[i], is_cut ? 2 : 0));
}

/* Parameter sets go into the init segment, not into samples of an avc1 track (14496-15 5.3.3). */
static bool take_parameter_set(cm_mp4_muxer *muxer, cm_slice granule)
{
    switch (cm_h264_nal_type_of(granule)) {
    case CM_H264_NAL_SPS:
        muxer->layout.sps = granule;
        return true;
    case CM_H264_NAL_PPS:
        if (muxer->pps_count < CM_COUNT(muxer->pps))
            muxer->pps[muxer->pps_count++] = granule;
        return true;
    default:
        return false;
    }
}

static cm_status add_nals(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    const size_t begin = opened->work->used;
    size_t last;
    size_t nals = 0;
    for (size_t i = 0; i < opened->count; i = last + 1) {
        size_t size;
        CM_TRY(measure_nal(opened, i, &last, &size));
        if (!is_fragment(opened->granules[i]) && take_parameter_set(muxer, opened->granules[i]))
            continue;
        CM_ENSURE(nals++ < MUX_NALS_MAX, CM_CLOSE);
        add_nal(opened, i, last, size);
    }
    /* Tag and size of each granule leave more room than its NAL unit's length takes. */
    CM_ENSURE(nals > 0 && !opened->work->failed, CM_CLOSE);
    muxer->parts[1] = cm_slice_from(cm_writer_done(opened->work), begin);
    muxer->layout.size = muxer->parts[1].size;
    return CM_OK;
}

static cm_status write_header(cm_mp4_muxer *muxer, const cm_frame *frame)
{
    const cm_fmp4_part part = {
        .frame_number = frame->number,
        .decode_time_90k = (uint64_t)frame->media_time,
        .duration_90k = (uint32_t)frame->duration_ms * 90,
        .capture_ntp = cm_fmp4_ntp_of_unix_us((uint64_t)frame->captured.us),
        .sample_size = (uint32_t)muxer->layout.size,
        .is_keyframe = (frame->flags & CM_FRAME_KEYFRAME) != 0,
    };
    cm_writer w = cm_writer_over(muxer->header, sizeof muxer->header);
    CM_TRY(cm_fmp4_part_header_write(&w, &part));
    CM_TRY(cm_writer_finish(&w, &muxer->parts[0]));
    muxer->layout.size += muxer->parts[0].size;
    return CM_OK;
}

static cm_status lay_out(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    muxer->layout = (cm_mp4_layout){
        .parts = muxer->parts, .count = MUX_PARTS, .frame = opened->frame, .pass = opened->pass};
    muxer->pps_count = 0;
    CM_TRY(add_nals(muxer, opened));
    CM_TRY(write_header(muxer, opened->frame));
    muxer->layout.pps = muxer->pps;
    muxer->layout.pps_count = muxer->pps_count;
    return CM_OK;
}

cm_status cm_mp4_lay_out(cm_mp4_muxer *muxer, const cm_opened_frame *opened, cm_mp4_layout *out)
{
    if (muxer->pass != opened->pass || muxer->frame != opened->frame) {
        muxer->pass = opened->pass;
        muxer->frame = opened->frame;
        muxer->status = lay_out(muxer, opened);
    }
    CM_TRY(muxer->status);
    *out = muxer->layout;
    CM_FAULT_LAYOUT(muxer, out);
    return CM_OK;
}
