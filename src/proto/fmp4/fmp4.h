/*
 * fmp4: fragmented MP4 of one H.264 or H.265 video track, an AAC track beside it, or a track of
 * AAC, Opus or FLAC by itself (ISO/IEC 14496-12, -14 and -15; "Encapsulation of Opus in ISO Base
 * Media File Format" and "of FLAC"; W3C "ISO BMFF Byte Stream Format" for MSE): an init segment,
 * then one part for each access unit. Also a reader of boxes, for tests.
 *
 * A part is cm_fmp4_part_header_write's bytes, then the access unit with 4-byte lengths, which the
 * caller appends; so a part is known in size before its picture is opened. All writers are pure:
 * the same input gives the same bytes, and a write that was blocked is made again and goes on at
 * its offset. No allocation.
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"

enum {
    CM_FMP4_TIMESCALE = 90000,
    CM_FMP4_TRACK_ID = 1, /* of the video */
    CM_FMP4_AUDIO_TRACK_ID = 2,
    CM_FMP4_PART_HEADER_SIZE = 144,       /* prft 32, moof 104, mdat's header 8 */
    CM_FMP4_AUDIO_PART_HEADER_SIZE = 144, /* the same */
    CM_FMP4_MAX_PPS = 31,
    CM_FMP4_MAX_SAMPLE_BYTES = 64 * 1024 * 1024,
};

/* NAL units, as in parameter_sets.h of proto/h264 or proto/h265. */
typedef struct cm_fmp4_track {
    cm_slice sps;
    const cm_slice *pps;
    size_t pps_count; /* 1 to CM_FMP4_MAX_PPS */
    cm_slice vps;     /* makes the track H.265 ("hvc1"); empty: H.264 ("avc1") */
    /* AudioSpecificConfig (proto/aac/config.h) of an AAC track beside the video, whose timescale is
     * the configuration's output_rate; empty: none. */
    cm_slice audio_config;
} cm_fmp4_track;

/* Upper bound of the init segment's size. */
size_t cm_fmp4_init_max_size(const cm_fmp4_track *track);

/* ftyp and moov. CM_REFUSE or CM_CLOSE if a set or the configuration does not parse, CM_REFUSE
 * without a PPS or if one does not belong to the other, CM_FULL if it does not fit. */
cm_status cm_fmp4_init_write(cm_writer *w, const cm_fmp4_track *track);

typedef enum cm_fmp4_sound_codec {
    CM_FMP4_AAC,
    CM_FMP4_OPUS,
    CM_FMP4_FLAC,
} cm_fmp4_sound_codec;

enum { CM_FMP4_STREAMINFO_SIZE = 34 }; /* RFC 9639 8.2 */

/* A track of sound. Its timescale is the rate; AAC's is its configuration's output_rate. */
typedef struct cm_fmp4_sound {
    cm_fmp4_sound_codec codec;
    uint8_t
        channels;    /* of Opus (1 or 2) and FLAC; AAC's configuration tells, as it does the rate */
    uint32_t rate;   /* Hz, of FLAC; Opus: 48,000 */
    cm_slice config; /* AAC: AudioSpecificConfig. FLAC: STREAMINFO. Opus: none */
} cm_fmp4_sound;

/* The same as cm_fmp4_init_write with a track of sound alone, CM_FMP4_AUDIO_TRACK_ID; at most
 * CM_FMP4_SOUND_INIT_MAX bytes. CM_CLOSE, CM_REFUSE: it is not such sound. */
enum { CM_FMP4_SOUND_INIT_MAX = 1536 + 64 };
cm_status cm_fmp4_sound_init_write(cm_writer *w, const cm_fmp4_sound *sound);

typedef struct cm_fmp4_part {
    uint64_t frame_number;          /* its low 32 bits are mfhd's sequence_number, which rises from
                                       part to part (8.8.5) */
    uint64_t decode_time_90k;       /* tfdt */
    uint32_t duration_90k;          /* until the next access unit, as well as is known */
    int32_t composition_offset_90k; /* presentation minus decoding time; 0 without B pictures */
    uint64_t capture_ntp;           /* when the picture was taken: seconds since 1900 in 32.32 */
    uint32_t sample_size;           /* bytes that follow the header: lengths and NAL units */
    bool is_keyframe;
} cm_fmp4_part;

/* Always CM_FMP4_PART_HEADER_SIZE. */
size_t cm_fmp4_part_header_size(void);

/* prft, moof and the header of mdat. CM_REFUSE if sample_size is 0 or above
 * CM_FMP4_MAX_SAMPLE_BYTES, CM_FULL if it does not fit. */
cm_status cm_fmp4_part_header_write(cm_writer *w, const cm_fmp4_part *part);

/* One access unit of the audio track. Times are in ticks of its timescale. */
typedef struct cm_fmp4_audio_part {
    uint32_t sequence_number; /* mfhd; rises from part to part, the video's among them (8.8.5) */
    uint64_t decode_time;     /* tfdt */
    uint64_t capture_ntp;     /* when it was heard, as of a picture */
    uint32_t duration;
    uint32_t sample_size; /* bytes that follow the header */
} cm_fmp4_audio_part;

/* prft, moof and the header of mdat: CM_FMP4_AUDIO_PART_HEADER_SIZE bytes. Fails as the video's
 * does. */
cm_status cm_fmp4_audio_part_header_write(cm_writer *w, const cm_fmp4_audio_part *part);

/* Unix time in microseconds to NTP's 32.32 (RFC 5905 6; era 0 ends in 2036 and wraps) and back
 * (to within a microsecond; taken to lie in 1970 to 2106). */
uint64_t cm_fmp4_ntp_of_unix_us(uint64_t unix_us);
uint64_t cm_fmp4_unix_us_of_ntp(uint64_t ntp);

/* ---- reading ---- */

#define CM_FMP4_TYPE(a, b, c, d)                                                                   \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

typedef struct cm_fmp4_box {
    uint32_t type; /* CM_FMP4_TYPE('m','o','o','v') */
    cm_slice body; /* after size and type; borrowed */
    cm_slice whole;
} cm_fmp4_box;

/*
 * Takes the next box off (14496-12 4.2; 64-bit sizes too, size 0 means to the end). False, and *out
 * untouched, at the end or at a size that lies; *r is failed in the latter case.
 */
bool cm_fmp4_next_box(cm_reader *r, cm_fmp4_box *out);

/* The first box of `type` directly in `body`. CM_ABSENT if there is none, CM_CLOSE if malformed. */
cm_status cm_fmp4_find_box(cm_slice body, uint32_t type, cm_fmp4_box *out);

/*
 * Reads one part as written above (prft, moof, mdat, one sample) off *rest: fills *out and *sample
 * and moves *rest past it. CM_RETRY if *rest ends before the part does, CM_CLOSE if it is another
 * shape. Nothing is written then.
 */
cm_status cm_fmp4_part_parse(cm_slice *rest, cm_fmp4_part *out, cm_slice *sample);
/* The same for a part of the audio track. */
cm_status cm_fmp4_audio_part_parse(cm_slice *rest, cm_fmp4_audio_part *out, cm_slice *sample);
