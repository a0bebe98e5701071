#include "proto/video/packetize.h"

#include <assert.h>

static_assert((int)CM_VIDEO_GRANULE_BYTES == CM_H264_GRANULE_BYTES, "one bound for both");

cm_status cm_video_packetizer_init(cm_video_packetizer *p, cm_video_codec codec,
                                   const cm_slice *nals, size_t nal_count, size_t max_bytes)
{
    p->codec = codec;
    p->nals = nals;
    return codec == CM_VIDEO_H265 ? cm_h265_packetizer_init(&p->h265, nals, nal_count, max_bytes)
                                  : cm_h264_packetizer_init(&p->h264, nals, nal_count, max_bytes);
}

static bool next_h264(cm_video_packetizer *p, cm_video_granule *out)
{
    cm_h264_granule g;
    if (!cm_h264_packetizer_next(&p->h264, &g))
        return false;
    *out = (cm_video_granule){.header = {g.header[0], g.header[1]},
                              .header_size = g.header_size,
                              .is_last = g.is_last,
                              .body = cm_slice_part(p->nals[g.nal], g.offset, g.size)};
    return true;
}

static bool next_h265(cm_video_packetizer *p, cm_video_granule *out)
{
    cm_h265_granule g;
    if (!cm_h265_packetizer_next(&p->h265, &g))
        return false;
    *out = (cm_video_granule){.header = {g.header[0], g.header[1], g.header[2]},
                              .header_size = g.header_size,
                              .is_last = g.is_last,
                              .body = cm_slice_part(p->nals[g.nal], g.offset, g.size)};
    return true;
}

bool cm_video_packetizer_next(cm_video_packetizer *p, cm_video_granule *out)
{
    return p->codec == CM_VIDEO_H265 ? next_h265(p, out) : next_h264(p, out);
}

size_t cm_video_count_granules(cm_video_codec codec, const cm_slice *nals, size_t nal_count,
                               size_t max_bytes)
{
    return codec == CM_VIDEO_H265 ? cm_h265_count_granules(nals, nal_count, max_bytes)
                                  : cm_h264_count_granules(nals, nal_count, max_bytes);
}

size_t cm_video_granule_avcc_size(cm_video_codec codec, cm_slice payload)
{
    return codec == CM_VIDEO_H265 ? cm_h265_granule_avcc_size(payload)
                                  : cm_h264_granule_avcc_size(payload);
}

void cm_video_reassembler_init(cm_video_reassembler *a, cm_video_codec codec, cm_writer *out)
{
    a->codec = codec;
    if (codec == CM_VIDEO_H265)
        cm_h265_reassembler_init(&a->h265, out);
    else
        cm_h264_reassembler_init(&a->h264, out);
}

cm_status cm_video_reassembler_put(cm_video_reassembler *a, cm_slice payload)
{
    return a->codec == CM_VIDEO_H265 ? cm_h265_reassembler_put(&a->h265, payload)
                                     : cm_h264_reassembler_put(&a->h264, payload);
}

cm_status cm_video_reassembler_finish(const cm_video_reassembler *a)
{
    return a->codec == CM_VIDEO_H265 ? cm_h265_reassembler_finish(&a->h265)
                                     : cm_h264_reassembler_finish(&a->h264);
}
