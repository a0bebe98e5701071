/* One open frame of sound (media/sound.h) to the slices of one fMP4 part: AAC alone, as nothing
 * else that cameras send is played from MP4 by every browser. */
#include "egress/mp4/mp4_priv.h"
#include "media/sound.h"
#include "proto/aac/config.h"

enum { CONFIG_AT = CM_SOUND_FORMAT_MAX - CM_SOUND_CONFIG_MAX }; /* in granule 0, to its end */

static cm_status add_access_unit(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    const size_t begin = opened->work->used;
    for (size_t i = 1; i < opened->count; i++)
        cm_write_slice(opened->work, opened->granules[i]);
    CM_ENSURE(!opened->work->failed && opened->work->used > begin, CM_CLOSE);
    muxer->parts[1] = cm_slice_from(cm_writer_done(opened->work), begin);
    muxer->layout.size = muxer->parts[1].size;
    return CM_OK;
}

/* Decode times are the media time, with its jitter: whoever wants it to the sample counts
 * durations, and looks at prft for when it was heard. */
static cm_status write_header(cm_mp4_muxer *muxer, const cm_frame *frame,
                              const cm_aac_config *config)
{
    const uint64_t rate = config->output_rate;
    const cm_fmp4_audio_part part = {
        .sequence_number = (uint32_t)frame->number,
        .decode_time = (uint64_t)frame->media_time * rate / CM_FMP4_TIMESCALE,
        .capture_ntp = cm_fmp4_ntp_of_unix_us((uint64_t)frame->captured.us),
        .duration = (uint32_t)(config->frame_samples * rate / config->sample_rate),
        .sample_size = (uint32_t)muxer->layout.size,
    };
    cm_writer w = cm_writer_over(muxer->header, sizeof muxer->header);
    CM_TRY(cm_fmp4_audio_part_header_write(&w, &part));
    CM_TRY(cm_writer_finish(&w, &muxer->parts[0]));
    muxer->layout.size += muxer->parts[0].size;
    return CM_OK;
}

cm_status cm_mp4_lay_out_sound(cm_mp4_muxer *muxer, const cm_opened_frame *opened)
{
    cm_sound_format format;
    cm_aac_config config;
    muxer->layout = (cm_mp4_layout){
        .parts = muxer->parts, .count = MUX_PARTS, .frame = opened->frame, .pass = opened->pass};
    CM_TRY(cm_sound_format_read(opened->granules[0], &format));
    CM_ENSURE(format.codec == CM_SOUND_AAC, CM_CLOSE);
    muxer->layout.audio_config = cm_slice_from(opened->granules[0], CONFIG_AT);
    CM_TRY(cm_aac_config_parse(muxer->layout.audio_config, &config));
    CM_TRY(add_access_unit(muxer, opened));
    return write_header(muxer, opened->frame, &config);
}
