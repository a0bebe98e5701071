#include "proto/video/sets.h"

#include "base/text.h"
#include "proto/h265/nal.h"

static const char *const NAMES[CM_VIDEO_CODECS] = {
    [CM_VIDEO_H264] = "H264",
    [CM_VIDEO_H265] = "H265",
};

const char *cm_video_codec_name(cm_video_codec codec)
{
    return NAMES[codec];
}

cm_status cm_video_codec_of(cm_slice encoding, cm_video_codec *out)
{
    for (size_t i = 0; i < CM_VIDEO_CODECS; i++) {
        if (!cm_slice_equal_nocase(encoding, cm_slice_of(NAMES[i])))
            continue;
        *out = (cm_video_codec)i;
        return CM_OK;
    }
    return CM_ABSENT;
}

uint32_t cm_video_sets_generation(cm_video_sets sets)
{
    return sets.codec == CM_VIDEO_H265 ? sets.h265->generation : sets.h264->generation;
}

size_t cm_video_sets_list(cm_video_sets sets, cm_slice out[CM_VIDEO_MAX_PARAMETER_SETS])
{
    return sets.codec == CM_VIDEO_H265 ? cm_h265_parameter_sets_list(sets.h265, out)
                                       : cm_h264_parameter_sets_list(sets.h264, out);
}

/* ---- what they say ---- */

static void describe_h264(const cm_h264_sps *sps, cm_video_description *out)
{
    *out = (cm_video_description){.width = sps->width, .height = sps->height};
    cm_h264_sps_codecs(sps, out->codecs);
}

static void describe_h265(const cm_h265_sps *sps, cm_video_description *out)
{
    *out = (cm_video_description){.width = sps->width, .height = sps->height};
    cm_h265_codecs(&sps->profile, out->codecs);
}

cm_status cm_video_sets_describe(cm_video_sets sets, cm_video_description *out)
{
    if (sets.codec == CM_VIDEO_H265) {
        CM_ENSURE(sets.h265->sps.size > 0, CM_ABSENT);
        describe_h265(&sets.h265->parsed, out);
    } else {
        CM_ENSURE(sets.h264->sps.size > 0, CM_ABSENT);
        describe_h264(&sets.h264->parsed, out);
    }
    return CM_OK;
}

cm_status cm_video_describe(cm_video_codec codec, cm_slice sps, cm_video_description *out)
{
    if (codec == CM_VIDEO_H265) {
        cm_h265_sps parsed;
        CM_TRY(cm_h265_sps_parse(sps, &parsed));
        describe_h265(&parsed, out);
    } else {
        cm_h264_sps parsed;
        CM_TRY(cm_h264_sps_parse(sps, &parsed));
        describe_h264(&parsed, out);
    }
    return CM_OK;
}

/* ---- which they are ---- */

static cm_video_set set_of_h264(cm_h264_nal_type type)
{
    return type == CM_H264_NAL_SPS   ? CM_VIDEO_SET_SPS
           : type == CM_H264_NAL_PPS ? CM_VIDEO_SET_PPS
                                     : CM_VIDEO_SET_NONE;
}

static cm_video_set set_of_h265(cm_h265_nal_type type)
{
    return type == CM_H265_NAL_VPS   ? CM_VIDEO_SET_VPS
           : type == CM_H265_NAL_SPS ? CM_VIDEO_SET_SPS
           : type == CM_H265_NAL_PPS ? CM_VIDEO_SET_PPS
                                     : CM_VIDEO_SET_NONE;
}

cm_video_set cm_video_set_of(cm_video_codec codec, cm_slice nal)
{
    return codec == CM_VIDEO_H265 ? set_of_h265(cm_h265_nal_type_of(nal))
                                  : set_of_h264(cm_h264_nal_type_of(nal));
}

bool cm_video_is_sei(cm_video_codec codec, cm_slice nal)
{
    if (codec == CM_VIDEO_H264)
        return cm_h264_nal_type_of(nal) == CM_H264_NAL_SEI;
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    return type == CM_H265_NAL_SEI_PREFIX || type == CM_H265_NAL_SEI_SUFFIX;
}
