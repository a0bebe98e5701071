#include "proto/video/depacketize.h"

#include <assert.h>

static_assert((int)CM_VIDEO_MAX_NALS == CM_H264_MAX_NALS, "one bound for both");
static_assert((int)CM_VIDEO_MAX_UNIT_BYTES == CM_H264_MAX_UNIT_BYTES, "one bound for both");

/* ---- units out ---- */

static void add_nal(cm_video_unit *unit, cm_slice nals[CM_VIDEO_MAX_NALS], cm_slice nal)
{
    nals[unit->nal_count++] = nal;
    unit->size_bytes += nal.size;
}

static void on_h264(void *context, const cm_h264_access_unit *from)
{
    const cm_video_depacketizer *d = context;
    cm_slice nals[CM_VIDEO_MAX_NALS];
    cm_video_unit unit = {.codec = CM_VIDEO_H264,
                          .nals = nals,
                          .timestamp = from->timestamp,
                          .is_keyframe = from->is_keyframe,
                          .has_sets = from->has_sps && from->has_pps,
                          .lost_before = from->lost_before};
    for (size_t i = 0; i < from->nal_count; i++)
        add_nal(&unit, nals, cm_h264_access_unit_nal(from, i));
    d->on_unit(d->context, &unit);
}

static void on_h265(void *context, const cm_h265_access_unit *from)
{
    const cm_video_depacketizer *d = context;
    cm_slice nals[CM_VIDEO_MAX_NALS];
    cm_video_unit unit = {.codec = CM_VIDEO_H265,
                          .nals = nals,
                          .timestamp = from->timestamp,
                          .is_keyframe = from->is_keyframe,
                          .has_sets = from->has_vps && from->has_sps && from->has_pps,
                          .lost_before = from->lost_before};
    for (size_t i = 0; i < from->nal_count; i++)
        add_nal(&unit, nals, cm_h265_access_unit_nal(from, i));
    d->on_unit(d->context, &unit);
}

/* ---- payloads in ---- */

void cm_video_depacketizer_init(cm_video_depacketizer *d, cm_video_codec codec, cm_buffer *buffer,
                                cm_video_on_unit on_unit, void *context)
{
    cm_buffer_clear(buffer);
    d->codec = codec;
    d->on_unit = on_unit;
    d->context = context;
    if (codec == CM_VIDEO_H265)
        CM_IGNORE(cm_h265_depacketizer_init(&d->h265, 0, buffer, on_h265, d),
                  "only decoding order numbers are refused");
    else
        cm_h264_depacketizer_init(&d->h264, buffer, on_h264, d);
}

cm_status cm_video_depacketizer_put_set(cm_video_depacketizer *d, cm_slice nal)
{
    return d->codec == CM_VIDEO_H265 ? cm_h265_parameter_sets_put(&d->h265.sets, nal)
                                     : cm_h264_parameter_sets_put(&d->h264.sets, nal);
}

static cm_status put_h264(cm_h264_depacketizer *d, const cm_video_payload *payload)
{
    return cm_h264_depacketizer_put(d, &(cm_h264_rtp_payload){.payload = payload->bytes,
                                                              .timestamp = payload->timestamp,
                                                              .marker = payload->marker,
                                                              .gap_before = payload->gap_before});
}

static cm_status put_h265(cm_h265_depacketizer *d, const cm_video_payload *payload)
{
    return cm_h265_depacketizer_put(d, &(cm_h265_rtp_payload){.payload = payload->bytes,
                                                              .timestamp = payload->timestamp,
                                                              .marker = payload->marker,
                                                              .gap_before = payload->gap_before});
}

cm_status cm_video_depacketizer_put(cm_video_depacketizer *d, const cm_video_payload *payload)
{
    return d->codec == CM_VIDEO_H265 ? put_h265(&d->h265, payload) : put_h264(&d->h264, payload);
}

void cm_video_depacketizer_restart(cm_video_depacketizer *d)
{
    if (d->codec == CM_VIDEO_H265)
        cm_h265_depacketizer_restart(&d->h265);
    else
        cm_h264_depacketizer_restart(&d->h264);
}

bool cm_video_depacketizer_is_waiting(const cm_video_depacketizer *d)
{
    return d->codec == CM_VIDEO_H265 ? d->h265.is_waiting : d->h264.is_waiting;
}

cm_video_sets cm_video_depacketizer_sets(const cm_video_depacketizer *d)
{
    cm_video_sets sets = {.codec = d->codec};
    if (d->codec == CM_VIDEO_H265)
        sets.h265 = &d->h265.sets;
    else
        sets.h264 = &d->h264.sets;
    return sets;
}
