/* What a camera's streams are: from a first keyframe and a first frame of sound to SDP. */
#include "egress/codec_of.h"
#include "egress/rtsp/rtsp_priv.h"
#include "proto/aac/format.h"
#include "proto/opus/opus.h"
#include "proto/sdp/fmtp.h"
#include "proto/sdp/sdp.h"
#include "proto/video/sets.h"

enum {
    FMTP_SIZE = 4096, /* SETS_SIZE as base64, and the words around it */
    TYPE_PICTURES = 96,
    SPS_LEVEL_END = 4, /* profile_idc, constraints and level_idc follow the NAL unit's header */
};

/* ---- what is known ---- */

static size_t sets_end(const cm_rtsp_viewer *viewer)
{
    size_t end = 0;
    for (size_t i = 0; i < viewer->set_count; i++)
        end += viewer->set_sizes[i];
    return end;
}

static void keep_set(cm_rtsp_viewer *viewer, cm_slice set)
{
    const size_t at = sets_end(viewer);
    if (viewer->set_count == SETS_MAX || at + set.size > SETS_SIZE)
        return;
    cm_slice_copy(set, viewer->sets + at, SETS_SIZE - at);
    viewer->set_sizes[viewer->set_count++] = set.size;
}

void cm_rtsp_note_pictures(cm_rtsp_viewer *viewer, const cm_opened_frame *opened)
{
    rtsp_track *track = &viewer->tracks[TRACK_PICTURES];
    viewer->codec = cm_codec_of(opened->frame);
    viewer->set_count = 0;
    for (size_t i = 0; i < opened->count; i++)
        if (cm_video_set_of(viewer->codec, opened->granules[i]) != CM_VIDEO_SET_NONE)
            keep_set(viewer, opened->granules[i]);
    track->payload_type = TYPE_PICTURES;
    track->clock_rate = CM_VIDEO_CLOCK_RATE;
    track->is_described = true;
}

void cm_rtsp_note_sound(cm_rtsp_viewer *viewer, const cm_opened_frame *opened)
{
    rtsp_track *track = &viewer->tracks[TRACK_SOUND];
    track->is_described = opened->count > 0 &&
                          cm_sound_format_read(opened->granules[0], &viewer->format) == CM_OK &&
                          cm_rtsp_describe_sound(&viewer->format, track);
}

bool cm_rtsp_is_describable(const cm_rtsp_viewer *viewer)
{
    const rtsp_track *sound = &viewer->tracks[TRACK_SOUND];
    return viewer->tracks[TRACK_PICTURES].is_described &&
           (sound->subscription == NULL || sound->is_described);
}

/* ---- SDP ---- */

static size_t list_sets(const cm_rtsp_viewer *viewer, cm_slice out[SETS_MAX])
{
    size_t at = 0;
    for (size_t i = 0; i < viewer->set_count; i++) {
        out[i] = cm_slice_over(viewer->sets + at, viewer->set_sizes[i]);
        at += viewer->set_sizes[i];
    }
    return viewer->set_count;
}

/* RFC 6184 8.1: of the first SPS. */
static void read_level(cm_sdp_h264 *h264)
{
    for (size_t i = 0; i < h264->set_count && !h264->has_profile_level_id; i++) {
        const cm_slice set = h264->sets[i];
        if (cm_video_set_of(CM_VIDEO_H264, set) != CM_VIDEO_SET_SPS || set.size < SPS_LEVEL_END)
            continue;
        h264->has_profile_level_id = true;
        h264->profile_level_id =
            (uint32_t)set.bytes[1] << 16 | (uint32_t)set.bytes[2] << 8 | set.bytes[3];
    }
}

static void write_picture_format(const cm_rtsp_viewer *viewer, cm_writer *w)
{
    if (viewer->codec == CM_VIDEO_H265) {
        cm_sdp_h265 h265 = {.set_count = 0};
        h265.set_count = list_sets(viewer, h265.sets);
        cm_sdp_h265_write(w, &h265);
    } else {
        cm_sdp_h264 h264 = {.packetization_mode = 1};
        h264.set_count = list_sets(viewer, h264.sets);
        read_level(&h264);
        cm_sdp_h264_write(w, &h264);
    }
}

static void write_sound_format(const cm_rtsp_viewer *viewer, cm_writer *w)
{
    const cm_sound_format *format = &viewer->format;
    cm_aac_format aac = {.config_size = format->config_size};
    if (format->codec != CM_SOUND_AAC)
        return;
    cm_slice_copy(cm_slice_over(format->config, format->config_size), aac.config_bytes,
                  sizeof aac.config_bytes);
    CM_IGNORE(cm_aac_format_write(w, &aac), "the writer has room");
}

static cm_slice sound_encoding(const cm_sound_format *format)
{
    return format->codec == CM_SOUND_AAC    ? CM_TEXT("mpeg4-generic")
           : format->codec == CM_SOUND_OPUS ? CM_TEXT("opus")
           : format->codec == CM_SOUND_PCMU ? CM_TEXT("PCMU")
                                            : CM_TEXT("PCMA");
}

static cm_sdp_media media_of(const rtsp_track *track, cm_sdp_kind kind, cm_slice control)
{
    return (cm_sdp_media){
        .kind = kind,
        .protocol = CM_TEXT("RTP/AVP"),
        .control = control,
        .direction = CM_SDP_SENDONLY,
        .payload_count = 1,
        .payloads = {
            {.type = track->payload_type, .clock_rate = track->clock_rate, .channels = 1}}};
}

void cm_rtsp_write_description(const cm_rtsp_viewer *viewer, cm_writer *w)
{
    uint8_t storage[TRACKS][FMTP_SIZE];
    cm_writer pictures = cm_writer_over(storage[TRACK_PICTURES], FMTP_SIZE);
    cm_writer sound = cm_writer_over(storage[TRACK_SOUND], FMTP_SIZE);
    cm_sdp sdp = {.name = cm_slice_of(viewer->camera.camera.text),
                  .tool = CM_TEXT("casement"),
                  .control = CM_TEXT("*"),
                  .range = CM_TEXT("npt=now-"),
                  .media_count = 1};
    sdp.medias[0] = media_of(&viewer->tracks[TRACK_PICTURES], CM_SDP_VIDEO, CM_TEXT("trackID=0"));
    sdp.medias[0].payloads[0].encoding = cm_slice_of(cm_video_codec_name(viewer->codec));
    write_picture_format(viewer, &pictures);
    sdp.medias[0].payloads[0].fmtp = cm_writer_done(&pictures);
    if (viewer->tracks[TRACK_SOUND].is_described) {
        cm_sdp_media *media = &sdp.medias[sdp.media_count++];
        *media = media_of(&viewer->tracks[TRACK_SOUND], CM_SDP_AUDIO, CM_TEXT("trackID=1"));
        media->payloads[0].encoding = sound_encoding(&viewer->format);
        media->payloads[0].channels =
            viewer->format.codec == CM_SOUND_OPUS ? CM_OPUS_SDP_CHANNELS : viewer->format.channels;
        write_sound_format(viewer, &sound);
        media->payloads[0].fmtp = cm_writer_done(&sound);
    }
    cm_sdp_write(w, &sdp);
}
