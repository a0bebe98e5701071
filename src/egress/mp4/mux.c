/* One opened frame to the slices of one fMP4 part. */
#include <stdlib.h>

#include "egress/codec_of.h"
#include "egress/mp4/fault_mp4.h"
#include "proto/fmp4/fmp4.h"
#include "proto/video/packetize.h"
#include "proto/video/sets.h"

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

/* Parameter sets go into the init segment, not into samples of an avc1 or hvc1 track (14496-15
 * 5.3.3, 8.3.3). */
static bool take_parameter_set(cm_mp4_muxer *muxer, cm_slice granule)
{
    switch (cm_video_set_of(muxer->layout.codec, granule)) {
    case CM_VIDEO_SET_VPS:
        muxer->layout.vps = granule;
        return true;
    case CM_VIDEO_SET_SPS:
        muxer->layout.sps = granule;
        return true;
    case CM_VIDEO_SET_PPS:
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
    cm_video_reassembler assembly;
    cm_video_reassembler_init(&assembly, muxer->layout.codec, opened->work);
    for (size_t i = 0; i < opened->count; i++) {
        if (take_parameter_set(muxer, opened->granules[i]))
            CM_ENSURE(cm_video_reassembler_finish(&assembly) == CM_OK, CM_CLOSE);
        else
            CM_ENSURE(cm_video_reassembler_put(&assembly, opened->granules[i]) == CM_OK, CM_CLOSE);
    }
    /* Tag and size of each granule leave more room than its NAL unit's length takes. */
    CM_ENSURE(cm_video_reassembler_finish(&assembly) == CM_OK, CM_CLOSE);
    CM_ENSURE(opened->work->used > begin, CM_CLOSE);
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
    cm_writer w = cm_writer_over(muxer->headers[0], sizeof muxer->headers[0]);
    CM_TRY(cm_fmp4_part_header_write(&w, &part));
    CM_TRY(cm_writer_finish(&w, &muxer->parts[0]));
    muxer->layout.size += muxer->parts[0].size;
    return CM_OK;
}

static cm_status lay_out_picture(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    muxer->layout = (cm_mp4_layout){.parts = muxer->parts,
                                    .count = MUX_PARTS,
                                    .frame = opened->frame,
                                    .pass = opened->pass,
                                    .codec = cm_codec_of(opened->frame)};
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
        muxer->status = cm_stream_is_sound(opened->frame->stream)
                            ? cm_mp4_lay_out_sound(muxer, opened)
                            : lay_out_picture(muxer, opened);
    }
    CM_TRY(muxer->status);
    *out = muxer->layout;
    CM_FAULT_LAYOUT(muxer, out);
    return CM_OK;
}
