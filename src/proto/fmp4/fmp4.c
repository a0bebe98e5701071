#include "proto/fmp4/fmp4.h"

#include "proto/aac/config.h"
#include "proto/h264/sps.h"
#include "proto/h265/nal.h"
#include "proto/h265/sps.h"

enum {
    VERSION_1 = 1,
    MATRIX_ONE = 0x00010000, /* 16.16 */
    MATRIX_W = 0x40000000,   /* 2.30 */
    LANGUAGE_UNDETERMINED = 0x55c4,
    TKHD_ENABLED_IN_MOVIE = 3,
    DREF_SELF_CONTAINED = 1,
    SEVENTY_TWO_DPI = 0x00480000,
    DEPTH_24 = 0x18,
    LENGTH_SIZE = 4, /* of the NAL units' lengths */
    TFHD_DEFAULT_BASE_IS_MOOF = 0x020000,
    TRUN_FLAGS = 0x000f01,           /* data offset; duration, size, flags, composition offset */
    SAMPLE_IS_KEYFRAME = 0x02000000, /* depends on no other (8.8.3.1) */
    SAMPLE_IS_NOT_SYNC = 0x01010000,
    MDAT_HEADER_SIZE = 8,
    INIT_FIXED_BYTES = 1024, /* all of the init segment but the parameter sets, rounded up */
    INIT_AUDIO_BYTES = 512,  /* of the audio track but its configuration, rounded up */
    VOLUME_ONE = 0x0100,     /* 8.8 */
    OPUS_RATE = 48000,       /* Hz, whatever was encoded */
};

/* What the boxes of both tracks say alike. */
typedef struct track_head {
    const char *handler;
    uint32_t id;
    uint32_t timescale;
    uint16_t volume;
    uint16_t width;
    uint16_t height;
} track_head;

/* What the parameter sets of a track say; of avc and hevc the one that the track is of. */
typedef struct video_format {
    uint16_t width;
    uint16_t height;
    cm_h264_sps avc;
    cm_h265_sps hevc;
} video_format;

/* What a track of sound is like: `sound`, and what its configuration says. */
typedef struct sound_format {
    cm_fmp4_sound sound;
    uint8_t channels;
    uint32_t rate; /* Hz: its timescale */
} sound_format;

/* Seconds from 1900 (NTP) to 1970 (Unix): RFC 5905 6. */
#define NTP_TO_UNIX_SECONDS UINT64_C(2208988800)
#define US_PER_SECOND       UINT64_C(1000000)

/* 4.2: size and type; the size is filled by end_box. */
static size_t begin_box(cm_writer *w, const char *type)
{
    const size_t at = cm_write_reserve(w, 4);
    cm_write_text(w, type);
    return at;
}

static size_t begin_full_box(cm_writer *w, const char *type, uint8_t version, uint32_t flags)
{
    const size_t at = begin_box(w, type);
    cm_write_u8(w, version);
    cm_write_u24(w, flags);
    return at;
}

static void end_box(cm_writer *w, size_t at)
{
    cm_write_fill_u32(w, at, (uint32_t)(cm_writer_done(w).size - at));
}

/* 4.3. */
static void write_ftyp(cm_writer *w)
{
    const size_t box = begin_box(w, "ftyp");
    cm_write_text(w, "iso6");
    cm_write_u32(w, 0);
    cm_write_text(w, "iso6");
    cm_write_text(w, "mp41");
    end_box(w, box);
}

static void write_unity_matrix(cm_writer *w)
{
    static const uint32_t MATRIX[9] = {MATRIX_ONE, 0, 0, 0, MATRIX_ONE, 0, 0, 0, MATRIX_W};
    for (size_t i = 0; i < CM_COUNT(MATRIX); i++)
        cm_write_u32(w, MATRIX[i]);
}

/* 8.2.2. */
static void write_mvhd(cm_writer *w, uint32_t next_track_id)
{
    const size_t box = begin_full_box(w, "mvhd", 0, 0);
    cm_write_zeros(w, 8); /* creation and modification time */
    cm_write_u32(w, CM_FMP4_TIMESCALE);
    cm_write_u32(w, 0);          /* duration: all of it is in fragments */
    cm_write_u32(w, MATRIX_ONE); /* rate */
    cm_write_u16(w, VOLUME_ONE);
    cm_write_zeros(w, 10);
    write_unity_matrix(w);
    cm_write_zeros(w, 24);
    cm_write_u32(w, next_track_id);
    end_box(w, box);
}

/* 8.3.2. */
static void write_tkhd(cm_writer *w, const track_head *head)
{
    const size_t box = begin_full_box(w, "tkhd", 0, TKHD_ENABLED_IN_MOVIE);
    cm_write_zeros(w, 8);
    cm_write_u32(w, head->id);
    cm_write_zeros(w, 4);
    cm_write_u32(w, 0);    /* duration */
    cm_write_zeros(w, 12); /* reserved, layer, alternate_group */
    cm_write_u16(w, head->volume);
    cm_write_zeros(w, 2);
    write_unity_matrix(w);
    cm_write_u32(w, (uint32_t)head->width << 16);
    cm_write_u32(w, (uint32_t)head->height << 16);
    end_box(w, box);
}

/* 8.4.2 and 8.4.3. */
static void write_mdhd_and_hdlr(cm_writer *w, const track_head *head)
{
    const size_t mdhd = begin_full_box(w, "mdhd", 0, 0);
    cm_write_zeros(w, 8);
    cm_write_u32(w, head->timescale);
    cm_write_u32(w, 0);
    cm_write_u16(w, LANGUAGE_UNDETERMINED);
    cm_write_zeros(w, 2);
    end_box(w, mdhd);
    const size_t hdlr = begin_full_box(w, "hdlr", 0, 0);
    cm_write_zeros(w, 4);
    cm_write_text(w, head->handler);
    cm_write_zeros(w, 12);
    cm_write_u8(w, 0); /* no name */
    end_box(w, hdlr);
}

/* 12.1.2 and 12.2.2, either with nothing to say; 8.7.1 and 8.7.2. */
static void write_media_header_and_dinf(cm_writer *w, bool is_audio)
{
    const size_t header = begin_full_box(w, is_audio ? "smhd" : "vmhd", 0, is_audio ? 0 : 1);
    cm_write_zeros(w, is_audio ? 4 : 8);
    end_box(w, header);
    const size_t dinf = begin_box(w, "dinf");
    const size_t dref = begin_full_box(w, "dref", 0, 0);
    cm_write_u32(w, 1);
    end_box(w, begin_full_box(w, "url ", 0, DREF_SELF_CONTAINED));
    end_box(w, dref);
    end_box(w, dinf);
}

static void write_set(cm_writer *w, cm_slice nal)
{
    cm_write_u16(w, (uint16_t)nal.size);
    cm_write_slice(w, nal);
}

/* 14496-15 5.3.3.1: AVCDecoderConfigurationRecord. */
static void write_avcc(cm_writer *w, const cm_fmp4_track *track, const cm_h264_sps *sps)
{
    const size_t box = begin_box(w, "avcC");
    cm_write_u8(w, 1); /* configurationVersion */
    cm_write_u8(w, sps->profile_idc);
    cm_write_u8(w, sps->constraint_flags);
    cm_write_u8(w, sps->level_idc);
    cm_write_u8(w, 0xfc | (LENGTH_SIZE - 1));
    cm_write_u8(w, 0xe0 | 1); /* one SPS */
    write_set(w, track->sps);
    cm_write_u8(w, (uint8_t)track->pps_count);
    for (size_t i = 0; i < track->pps_count; i++)
        write_set(w, track->pps[i]);
    /* Baseline, main and extended end here. */
    if (sps->profile_idc != 66 && sps->profile_idc != 77 && sps->profile_idc != 88) {
        cm_write_u8(w, 0xfc | sps->chroma_format_idc);
        cm_write_u8(w, (uint8_t)(0xf8 | (sps->bit_depth_luma - 8)));
        cm_write_u8(w, (uint8_t)(0xf8 | (sps->bit_depth_chroma - 8)));
        cm_write_u8(w, 0); /* no SPS extensions */
    }
    end_box(w, box);
}

static void write_set_array(cm_writer *w, uint8_t type, const cm_slice *nals, size_t count)
{
    enum { ARRAY_COMPLETENESS = 0x80 }; /* none are in band: 14496-15 8.4.1.1, "hvc1" */
    cm_write_u8(w, ARRAY_COMPLETENESS | type);
    cm_write_u16(w, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        write_set(w, nals[i]);
}

/* 14496-15 8.3.3.1: HEVCDecoderConfigurationRecord. */
static void write_hvcc(cm_writer *w, const cm_fmp4_track *track, const cm_h265_sps *sps)
{
    const cm_h265_profile *profile = &sps->profile;
    const size_t box = begin_box(w, "hvcC");
    cm_write_u8(w, 1); /* configurationVersion */
    cm_write_u8(w, (uint8_t)(profile->profile_space << 6 | profile->is_high_tier << 5 |
                             profile->profile_idc));
    cm_write_u32(w, profile->compatibility_flags);
    cm_write_u16(w, (uint16_t)(profile->constraint_flags >> 32));
    cm_write_u32(w, (uint32_t)profile->constraint_flags);
    cm_write_u8(w, profile->level_idc);
    cm_write_u16(w, 0xf000 | sps->min_spatial_segmentation_idc);
    cm_write_u8(w, 0xfc); /* parallelismType: unknown */
    cm_write_u8(w, 0xfc | sps->chroma_format_idc);
    cm_write_u8(w, (uint8_t)(0xf8 | (sps->bit_depth_luma - 8)));
    cm_write_u8(w, (uint8_t)(0xf8 | (sps->bit_depth_chroma - 8)));
    cm_write_u16(w, 0); /* avgFrameRate and, below, constantFrameRate: unspecified */
    cm_write_u8(w, (uint8_t)(sps->max_sub_layers << 3 | sps->is_temporal_id_nested << 2 |
                             (LENGTH_SIZE - 1)));
    cm_write_u8(w, 3); /* numOfArrays */
    write_set_array(w, CM_H265_NAL_VPS, &track->vps, 1);
    write_set_array(w, CM_H265_NAL_SPS, &track->sps, 1);
    write_set_array(w, CM_H265_NAL_PPS, track->pps, track->pps_count);
    end_box(w, box);
}

static bool is_hevc(const cm_fmp4_track *track)
{
    return track->vps.size > 0;
}

/* 12.1.3. */
static void write_video_entry(cm_writer *w, const cm_fmp4_track *track, const video_format *video)
{
    const size_t entry = begin_box(w, is_hevc(track) ? "hvc1" : "avc1");
    cm_write_zeros(w, 6);
    cm_write_u16(w, 1); /* data_reference_index */
    cm_write_zeros(w, 16);
    cm_write_u16(w, video->width);
    cm_write_u16(w, video->height);
    cm_write_u32(w, SEVENTY_TWO_DPI);
    cm_write_u32(w, SEVENTY_TWO_DPI);
    cm_write_zeros(w, 4);
    cm_write_u16(w, 1);    /* frame_count */
    cm_write_zeros(w, 32); /* compressorname */
    cm_write_u16(w, DEPTH_24);
    cm_write_u16(w, 0xffff); /* pre_defined = -1 */
    if (is_hevc(track))
        write_hvcc(w, track, &video->hevc);
    else
        write_avcc(w, track, &video->avc);
    end_box(w, entry);
}

/* 14496-14 5.6 and 14496-1 7.2.6: descriptors with lengths of one byte each. */
static void write_esds(cm_writer *w, cm_slice config)
{
    enum {
        ES_DESCRIPTOR = 3,
        DECODER_CONFIG = 4,
        DECODER_SPECIFIC = 5,
        SL_CONFIG = 6,
        AUDIO_14496_3 = 0x40, /* objectTypeIndication */
        AUDIO_STREAM = 0x15,  /* streamType 5, not upstream, and the reserved bit */
        SL_PREDEFINED_MP4 = 2,
    };
    const size_t box = begin_full_box(w, "esds", 0, 0);
    const uint8_t specific = (uint8_t)config.size;
    const uint8_t decoder = (uint8_t)(13 + 2 + specific);
    cm_write_u8(w, ES_DESCRIPTOR);
    cm_write_u8(w, (uint8_t)(3 + 2 + decoder + 2 + 1));
    cm_write_zeros(w, 3); /* ES_ID and flags: 0 in files */
    cm_write_u8(w, DECODER_CONFIG);
    cm_write_u8(w, decoder);
    cm_write_u8(w, AUDIO_14496_3);
    cm_write_u8(w, AUDIO_STREAM);
    cm_write_zeros(w, 11); /* buffer size and bit rates: not known */
    cm_write_u8(w, DECODER_SPECIFIC);
    cm_write_u8(w, specific);
    cm_write_slice(w, config);
    cm_write_u8(w, SL_CONFIG);
    cm_write_u8(w, 1);
    cm_write_u8(w, SL_PREDEFINED_MP4);
    end_box(w, box);
}

/* OpusSpecificBox, version 0. Nothing is skipped at the beginning: it is joined anywhere. */
static void write_dops(cm_writer *w, const sound_format *format)
{
    const size_t box = begin_box(w, "dOps");
    cm_write_u8(w, 0);
    cm_write_u8(w, format->channels);
    cm_write_u16(w, 0); /* PreSkip */
    cm_write_u32(w, OPUS_RATE);
    cm_write_u16(w, 0); /* OutputGain */
    cm_write_u8(w, 0);  /* ChannelMappingFamily: mono or stereo */
    end_box(w, box);
}

/* FLACSpecificBox: one metadata block, the last, of type STREAMINFO (RFC 9639 8.1). */
static void write_dfla(cm_writer *w, const sound_format *format)
{
    const size_t box = begin_full_box(w, "dfLa", 0, 0);
    cm_write_u8(w, 0x80);
    cm_write_u24(w, (uint32_t)format->sound.config.size);
    cm_write_slice(w, format->sound.config);
    end_box(w, box);
}

static void write_sound_config(cm_writer *w, const sound_format *format)
{
    switch (format->sound.codec) {
    case CM_FMP4_AAC:
        write_esds(w, format->sound.config);
        break;
    case CM_FMP4_OPUS:
        write_dops(w, format);
        break;
    case CM_FMP4_FLAC:
        write_dfla(w, format);
        break;
    }
}

/* 12.2.3. */
static void write_audio_entry(cm_writer *w, const sound_format *format)
{
    static const char *const TYPES[] = {
        [CM_FMP4_AAC] = "mp4a", [CM_FMP4_OPUS] = "Opus", [CM_FMP4_FLAC] = "fLaC"};
    const size_t entry = begin_box(w, TYPES[format->sound.codec]);
    cm_write_zeros(w, 6);
    cm_write_u16(w, 1); /* data_reference_index */
    cm_write_zeros(w, 8);
    cm_write_u16(w, format->channels);
    cm_write_u16(w, 16); /* samplesize */
    cm_write_zeros(w, 4);
    /* 16.16; what does not fit is told by the configuration alone. */
    cm_write_u32(w, format->rate <= UINT16_MAX ? format->rate << 16 : 0);
    write_sound_config(w, format);
    end_box(w, entry);
}

/* 8.5.1: the sample tables are there and empty. */
static void write_empty_tables(cm_writer *w)
{
    static const struct {
        const char *type;
        size_t zeros;
    } EMPTY[] = {{"stts", 4}, {"stsc", 4}, {"stsz", 8}, {"stco", 4}};
    for (size_t i = 0; i < CM_COUNT(EMPTY); i++) {
        const size_t box = begin_full_box(w, EMPTY[i].type, 0, 0);
        cm_write_zeros(w, EMPTY[i].zeros);
        end_box(w, box);
    }
}

/* A track with one sample entry: the video's, or with `audio` the audio's. */
static void write_trak(cm_writer *w, const track_head *head, const cm_fmp4_track *track,
                       const video_format *video, const sound_format *audio)
{
    const size_t trak = begin_box(w, "trak");
    write_tkhd(w, head);
    const size_t mdia = begin_box(w, "mdia");
    write_mdhd_and_hdlr(w, head);
    const size_t minf = begin_box(w, "minf");
    write_media_header_and_dinf(w, audio != NULL);
    const size_t stbl = begin_box(w, "stbl");
    const size_t stsd = begin_full_box(w, "stsd", 0, 0); /* 8.5.2 */
    cm_write_u32(w, 1);
    if (audio != NULL)
        write_audio_entry(w, audio);
    else
        write_video_entry(w, track, video);
    end_box(w, stsd);
    write_empty_tables(w);
    end_box(w, stbl);
    end_box(w, minf);
    end_box(w, mdia);
    end_box(w, trak);
}

static void write_video_trak(cm_writer *w, const cm_fmp4_track *track, const video_format *video)
{
    const track_head head = {
        .handler = "vide",
        .id = CM_FMP4_TRACK_ID,
        .timescale = CM_FMP4_TIMESCALE,
        .width = video->width,
        .height = video->height,
    };
    write_trak(w, &head, track, video, NULL);
}

static void write_audio_trak(cm_writer *w, const sound_format *audio)
{
    const track_head head = {
        .handler = "soun",
        .id = CM_FMP4_AUDIO_TRACK_ID,
        .timescale = audio->rate,
        .volume = VOLUME_ONE,
    };
    write_trak(w, &head, NULL, NULL, audio);
}

/* 8.8.1 and 8.8.3: without defaults, each trun carries its own values. */
static void write_mvex(cm_writer *w, uint32_t first_track_id, uint32_t next_track_id)
{
    const size_t mvex = begin_box(w, "mvex");
    for (uint32_t id = first_track_id; id < next_track_id; id++) {
        const size_t trex = begin_full_box(w, "trex", 0, 0);
        cm_write_u32(w, id);
        cm_write_u32(w, 1); /* default_sample_description_index */
        cm_write_zeros(w, 12);
        end_box(w, trex);
    }
    end_box(w, mvex);
}

static bool has_audio(const cm_fmp4_track *track)
{
    return track->audio_config.size > 0;
}

size_t cm_fmp4_init_max_size(const cm_fmp4_track *track)
{
    size_t size = INIT_FIXED_BYTES + track->vps.size + track->sps.size;
    for (size_t i = 0; i < track->pps_count; i++)
        size += sizeof(uint16_t) + track->pps[i].size;
    if (has_audio(track))
        size += INIT_AUDIO_BYTES + track->audio_config.size;
    return size;
}

static cm_status read_avc(const cm_fmp4_track *track, video_format *out)
{
    cm_h264_sps sps;
    CM_TRY(cm_h264_sps_parse(track->sps, &sps));
    for (size_t i = 0; i < track->pps_count; i++) {
        cm_h264_pps_ids ids;
        CM_TRY(cm_h264_pps_parse(track->pps[i], &ids));
        CM_ENSURE(ids.sps_id == sps.id, CM_REFUSE);
    }
    *out = (video_format){.width = sps.width, .height = sps.height, .avc = sps};
    return CM_OK;
}

static cm_status read_hevc(const cm_fmp4_track *track, video_format *out)
{
    cm_h265_vps vps;
    CM_TRY(cm_h265_vps_parse(track->vps, &vps));
    cm_h265_sps sps;
    CM_TRY(cm_h265_sps_parse(track->sps, &sps));
    CM_ENSURE(sps.vps_id == vps.id, CM_REFUSE);
    for (size_t i = 0; i < track->pps_count; i++) {
        cm_h265_pps_ids ids;
        CM_TRY(cm_h265_pps_parse(track->pps[i], &ids));
        CM_ENSURE(ids.sps_id == sps.id, CM_REFUSE);
    }
    *out = (video_format){.width = sps.width, .height = sps.height, .hevc = sps};
    return CM_OK;
}

static cm_status read_aac(cm_slice config, sound_format *out)
{
    cm_aac_config aac;
    CM_TRY(cm_aac_config_parse(config, &aac));
    *out = (sound_format){.sound = {.codec = CM_FMP4_AAC, .config = config},
                          .channels = aac.channels,
                          .rate = aac.output_rate};
    return CM_OK;
}

static cm_status read_sound(const cm_fmp4_sound *sound, sound_format *out)
{
    if (sound->codec == CM_FMP4_AAC)
        return read_aac(sound->config, out);
    const bool is_flac = sound->codec == CM_FMP4_FLAC;
    CM_ENSURE(sound->config.size == (is_flac ? CM_FMP4_STREAMINFO_SIZE : 0), CM_CLOSE);
    CM_ENSURE(sound->channels > 0 && sound->channels <= (is_flac ? 8 : 2), CM_REFUSE);
    CM_ENSURE(is_flac ? sound->rate > 0 : sound->rate == OPUS_RATE, CM_REFUSE);
    *out = (sound_format){.sound = *sound, .channels = sound->channels, .rate = sound->rate};
    return CM_OK;
}

cm_status cm_fmp4_init_write(cm_writer *w, const cm_fmp4_track *track)
{
    CM_ENSURE(track->pps_count > 0 && track->pps_count <= CM_FMP4_MAX_PPS, CM_REFUSE);
    video_format video;
    CM_TRY(is_hevc(track) ? read_hevc(track, &video) : read_avc(track, &video));
    sound_format audio;
    if (has_audio(track))
        CM_TRY(read_aac(track->audio_config, &audio));
    const uint32_t last_id = has_audio(track) ? CM_FMP4_AUDIO_TRACK_ID : CM_FMP4_TRACK_ID;
    write_ftyp(w);
    const size_t moov = begin_box(w, "moov");
    write_mvhd(w, last_id + 1);
    write_video_trak(w, track, &video);
    if (has_audio(track))
        write_audio_trak(w, &audio);
    write_mvex(w, CM_FMP4_TRACK_ID, last_id + 1);
    end_box(w, moov);
    return w->failed ? CM_FULL : CM_OK;
}

cm_status cm_fmp4_sound_init_write(cm_writer *w, const cm_fmp4_sound *sound)
{
    sound_format audio;
    CM_TRY(read_sound(sound, &audio));
    write_ftyp(w);
    const size_t moov = begin_box(w, "moov");
    write_mvhd(w, CM_FMP4_AUDIO_TRACK_ID + 1);
    write_audio_trak(w, &audio);
    write_mvex(w, CM_FMP4_AUDIO_TRACK_ID, CM_FMP4_AUDIO_TRACK_ID + 1);
    end_box(w, moov);
    return w->failed ? CM_FULL : CM_OK;
}

/* 8.16.5, version 1, flags 0: the time at which the sample entered the encoder. */
static void write_prft(cm_writer *w, uint32_t track_id, uint64_t capture_ntp, uint64_t media_time)
{
    const size_t box = begin_full_box(w, "prft", VERSION_1, 0);
    cm_write_u32(w, track_id);
    cm_write_u64(w, capture_ntp);
    cm_write_u64(w, media_time);
    end_box(w, box);
}

/* The one sample of a part. */
typedef struct part_sample {
    uint32_t track_id;
    uint32_t sequence_number;
    uint64_t decode_time;
    uint32_t duration;
    uint32_t size;
    uint32_t flags;
    int32_t composition_offset;
} part_sample;

/* 8.8.7, 8.8.12 and 8.8.8. Returns where the data offset is to be filled in. */
static size_t write_traf(cm_writer *w, const part_sample *sample)
{
    const size_t traf = begin_box(w, "traf");
    const size_t tfhd = begin_full_box(w, "tfhd", 0, TFHD_DEFAULT_BASE_IS_MOOF);
    cm_write_u32(w, sample->track_id);
    end_box(w, tfhd);
    const size_t tfdt = begin_full_box(w, "tfdt", VERSION_1, 0);
    cm_write_u64(w, sample->decode_time);
    end_box(w, tfdt);
    /* Version 1: composition offsets are signed. */
    const size_t trun = begin_full_box(w, "trun", VERSION_1, TRUN_FLAGS);
    cm_write_u32(w, 1);
    const size_t data_offset = cm_write_reserve(w, 4);
    cm_write_u32(w, sample->duration);
    cm_write_u32(w, sample->size);
    cm_write_u32(w, sample->flags);
    cm_write_u32(w, (uint32_t)sample->composition_offset);
    end_box(w, trun);
    end_box(w, traf);
    return data_offset;
}

/* 8.8.4, 8.8.5 and the beginning of 8.1.1. */
static void write_moof_and_mdat(cm_writer *w, const part_sample *sample)
{
    const size_t moof = begin_box(w, "moof");
    const size_t mfhd = begin_full_box(w, "mfhd", 0, 0);
    cm_write_u32(w, sample->sequence_number);
    end_box(w, mfhd);
    const size_t data_offset = write_traf(w, sample);
    end_box(w, moof);
    const size_t moof_size = cm_writer_done(w).size - moof;
    cm_write_fill_u32(w, data_offset, (uint32_t)(moof_size + MDAT_HEADER_SIZE));
    cm_write_u32(w, sample->size + MDAT_HEADER_SIZE);
    cm_write_text(w, "mdat");
}

size_t cm_fmp4_part_header_size(void)
{
    return CM_FMP4_PART_HEADER_SIZE;
}

static bool is_sample_size(uint32_t size)
{
    return size > 0 && size <= CM_FMP4_MAX_SAMPLE_BYTES;
}

cm_status cm_fmp4_part_header_write(cm_writer *w, const cm_fmp4_part *part)
{
    CM_ENSURE(is_sample_size(part->sample_size), CM_REFUSE);
    const part_sample sample = {
        .track_id = CM_FMP4_TRACK_ID,
        .sequence_number = (uint32_t)part->frame_number,
        .decode_time = part->decode_time_90k,
        .duration = part->duration_90k,
        .size = part->sample_size,
        .flags = part->is_keyframe ? SAMPLE_IS_KEYFRAME : SAMPLE_IS_NOT_SYNC,
        .composition_offset = part->composition_offset_90k,
    };
    /* Presentation time; modulo 2^64, as the offset may be negative. */
    write_prft(w, CM_FMP4_TRACK_ID, part->capture_ntp,
               part->decode_time_90k + (uint64_t)(int64_t)part->composition_offset_90k);
    write_moof_and_mdat(w, &sample);
    return w->failed ? CM_FULL : CM_OK;
}

cm_status cm_fmp4_audio_part_header_write(cm_writer *w, const cm_fmp4_audio_part *part)
{
    CM_ENSURE(is_sample_size(part->sample_size), CM_REFUSE);
    const part_sample sample = {
        .track_id = CM_FMP4_AUDIO_TRACK_ID,
        .sequence_number = part->sequence_number,
        .decode_time = part->decode_time,
        .duration = part->duration,
        .size = part->sample_size,
        .flags = SAMPLE_IS_KEYFRAME, /* each is decodable by itself */
    };
    write_prft(w, CM_FMP4_AUDIO_TRACK_ID, part->capture_ntp, part->decode_time);
    write_moof_and_mdat(w, &sample);
    return w->failed ? CM_FULL : CM_OK;
}

uint64_t cm_fmp4_ntp_of_unix_us(uint64_t unix_us)
{
    const uint64_t seconds = unix_us / US_PER_SECOND + NTP_TO_UNIX_SECONDS;
    const uint64_t fraction = ((unix_us % US_PER_SECOND) << 32) / US_PER_SECOND;
    return seconds << 32 | fraction;
}

uint64_t cm_fmp4_unix_us_of_ntp(uint64_t ntp)
{
    const uint32_t seconds = (uint32_t)(ntp >> 32) - (uint32_t)NTP_TO_UNIX_SECONDS;
    const uint64_t half = UINT64_C(1) << 31;
    const uint64_t us = ((ntp & UINT32_MAX) * US_PER_SECOND + half) >> 32;
    return seconds * US_PER_SECOND + us;
}
