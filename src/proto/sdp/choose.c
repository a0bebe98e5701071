#include "proto/sdp/choose.h"

#include <assert.h>

#include "proto/sdp/fmtp.h"

/* 0: does not fit. The higher the better; among equals the peer's first is taken. */
typedef unsigned score;

/* How near two profiles are to each other; each weighs more than all that stand below it. */
enum {
    SCORE_FITS = 1,
    SCORE_LEVEL = 2,     /* the peer's level is high enough */
    SCORE_NEAREST = 4,   /* times RANK_MAX less the distance */
    SCORE_INCLUDES = 64, /* the peer's profile includes ours */
    SCORE_SAME = 128,
    RANK_MAX = 8,
};

/* --- H.264 ----------------------------------------------------------------------------------- */

/* The profiles of RFC 6184 8.1, table 5, in the order of what they include. */
typedef enum h264_profile {
    CONSTRAINED_BASELINE,
    BASELINE,
    EXTENDED,
    MAIN,
    CONSTRAINED_HIGH,
    HIGH,
    BEYOND, /* high 10 and more: told apart by profile_idc */
} h264_profile;

enum {
    SET0 = 0x80, /* constraint_set0_flag: decodable as baseline */
    SET1 = 0x40, /* as main */
    SETS_4_5 = 0x0C,
    LEVEL_MASK = 0xFF,
    DEFAULT_H264 = 0x42000A, /* RFC 6184 8.1: baseline, level 1 */
};

static h264_profile h264_profile_of(uint32_t profile_level_id)
{
    const uint8_t flags = profile_level_id >> 8 & 0xFF;
    switch (profile_level_id >> 16 & 0xFF) {
    case 0x42:
        return flags & SET1 ? CONSTRAINED_BASELINE : BASELINE;
    case 0x4D:
        return flags & SET0 ? CONSTRAINED_BASELINE : MAIN;
    case 0x58:
        if (!(flags & SET0))
            return EXTENDED;
        return flags & SET1 ? CONSTRAINED_BASELINE : BASELINE;
    case 0x64:
        return (flags & SETS_4_5) == SETS_4_5 ? CONSTRAINED_HIGH : HIGH;
    default:
        return BEYOND;
    }
}

/* Baseline and extended have tools (ASO, FMO) that main and high have not. */
static bool h264_includes(uint32_t offered, uint32_t ours)
{
    const h264_profile decoder = h264_profile_of(offered);
    const h264_profile stream = h264_profile_of(ours);
    if (decoder == EXTENDED)
        return stream <= BASELINE;
    if (decoder == BEYOND && stream == BEYOND)
        return offered >> 16 >= ours >> 16;
    return decoder >= stream && stream != BASELINE && stream != EXTENDED;
}

static score compare_h264(uint32_t offered, uint32_t ours)
{
    const h264_profile decoder = h264_profile_of(offered);
    const h264_profile stream = h264_profile_of(ours);
    const unsigned distance = (unsigned)(decoder > stream ? decoder - stream : stream - decoder);
    score s = SCORE_FITS + SCORE_NEAREST * (RANK_MAX - distance);
    if (decoder == stream && (decoder != BEYOND || offered >> 16 == ours >> 16))
        s += SCORE_SAME;
    else if (h264_includes(offered, ours))
        s += SCORE_INCLUDES;
    return (offered & LEVEL_MASK) >= (ours & LEVEL_MASK) ? s + SCORE_LEVEL : s;
}

static cm_sdp_h264 parse_h264(cm_slice fmtp)
{
    cm_writer no_sets = cm_writer_over(NULL, 0);
    cm_sdp_h264 h264;
    cm_sdp_h264_parse(fmtp, &no_sets, &h264);
    return h264;
}

static score score_h264(const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    const cm_sdp_h264 h264 = parse_h264(payload->fmtp);
    if (h264.packetization_mode != 1)
        return 0;
    if (want->is_any)
        return SCORE_FITS;
    return compare_h264(h264.has_profile_level_id ? h264.profile_level_id : DEFAULT_H264,
                        want->profile_level_id);
}

static void answer_h264(cm_writer *w, const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    cm_sdp_h264 h264 = parse_h264(payload->fmtp);
    cm_slice value;
    const bool is_asymmetric =
        cm_sdp_fmtp_find(payload->fmtp, CM_TEXT("level-asymmetry-allowed"), &value) &&
        cm_slice_equal(value, CM_TEXT("1"));
    const uint32_t ours = want->profile_level_id & LEVEL_MASK;
    const uint32_t theirs = h264.profile_level_id & LEVEL_MASK;
    if (!want->is_any && (is_asymmetric || ours < theirs))
        h264.profile_level_id = (h264.profile_level_id & ~(uint32_t)LEVEL_MASK) | ours;
    if (is_asymmetric)
        cm_write_text(w, "level-asymmetry-allowed=1;");
    cm_sdp_h264_write(w, &h264);
}

/* --- H.265 ----------------------------------------------------------------------------------- */

typedef struct h265_parameters {
    uint8_t profile;
    uint8_t tier;
    uint8_t level;
    bool is_single_stream; // tx-mode SRST
} h265_parameters;

static uint8_t fmtp_number(cm_slice fmtp, cm_slice name, uint8_t otherwise)
{
    cm_slice value;
    uint64_t number;
    if (!cm_sdp_fmtp_find(fmtp, name, &value) ||
        cm_slice_to_u64(value, UINT8_MAX, &number) != CM_OK)
        return otherwise;
    return (uint8_t)number;
}

/* RFC 7798 7.1: main profile, main tier, level 3.1 and SRST unless it says so. */
static h265_parameters parse_h265(cm_slice fmtp)
{
    cm_slice mode;
    return (h265_parameters){
        .profile = fmtp_number(fmtp, CM_TEXT("profile-id"), 1),
        .tier = fmtp_number(fmtp, CM_TEXT("tier-flag"), 0),
        .level = fmtp_number(fmtp, CM_TEXT("level-id"), 93),
        .is_single_stream = !cm_sdp_fmtp_find(fmtp, CM_TEXT("tx-mode"), &mode) ||
                            cm_slice_equal_nocase(mode, CM_TEXT("SRST")),
    };
}

static score score_h265(const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    const h265_parameters offered = parse_h265(payload->fmtp);
    if (!offered.is_single_stream)
        return 0;
    if (want->is_any)
        return SCORE_FITS;
    score s = SCORE_FITS;
    if (offered.profile == want->profile)
        s += SCORE_SAME;
    else if (offered.profile > want->profile)
        s += SCORE_INCLUDES;
    if (offered.tier >= want->is_high_tier)
        s += SCORE_NEAREST;
    return offered.level >= want->level ? s + SCORE_LEVEL : s;
}

static void answer_h265(cm_writer *w, const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    const h265_parameters offered = parse_h265(payload->fmtp);
    const bool is_lower = !want->is_any && want->level < offered.level;
    cm_write_format(w, "level-id=%u;profile-id=%u;tier-flag=%u;tx-mode=SRST",
                    is_lower ? want->level : offered.level, offered.profile, offered.tier);
}

/* --- audio ----------------------------------------------------------------------------------- */

static score score_audio(const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    (void)payload;
    (void)want;
    return SCORE_FITS; /* its name and rate say it all */
}

static void answer_opus(cm_writer *w, const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    (void)payload;
    cm_write_text(w, "minptime=10;useinbandfec=1");
    if (want->is_stereo)
        cm_write_text(w, ";stereo=1;sprop-stereo=1"); /* RFC 7587 7.1 */
}

static void answer_nothing(cm_writer *w, const cm_sdp_payload *payload, const cm_sdp_want *want)
{
    (void)w;
    (void)payload;
    (void)want;
}

/* --- all ------------------------------------------------------------------------------------- */

enum {
    VIDEO_FEEDBACK = CM_SDP_NACK | CM_SDP_NACK_PLI | CM_SDP_CCM_FIR | CM_SDP_TRANSPORT_CC,
    AUDIO_FEEDBACK = CM_SDP_TRANSPORT_CC,
};

static const struct codec {
    const char *encoding;
    uint32_t clock_rate;
    uint8_t channels;
    cm_sdp_feedback feedback; // what we can do
    score (*score)(const cm_sdp_payload *payload, const cm_sdp_want *want);
    void (*answer)(cm_writer *w, const cm_sdp_payload *payload, const cm_sdp_want *want);
} CODECS[] = {
    [CM_SDP_H264] = {"H264", 90000, 1, VIDEO_FEEDBACK, score_h264, answer_h264},
    [CM_SDP_H265] = {"H265", 90000, 1, VIDEO_FEEDBACK, score_h265, answer_h265},
    [CM_SDP_OPUS] = {"opus", 48000, 2, AUDIO_FEEDBACK, score_audio, answer_opus},
    [CM_SDP_PCMU] = {"PCMU", 8000, 1, AUDIO_FEEDBACK, score_audio, answer_nothing},
    [CM_SDP_PCMA] = {"PCMA", 8000, 1, AUDIO_FEEDBACK, score_audio, answer_nothing},
};

static bool is_of(const cm_sdp_payload *payload, const struct codec *codec)
{
    return cm_slice_equal_nocase(payload->encoding, cm_slice_of(codec->encoding)) &&
           payload->clock_rate == codec->clock_rate && payload->channels == codec->channels;
}

/* RFC 4588 8.6: the type whose packets retransmit those of `type`; 0: there is none. */
static uint8_t find_rtx(const cm_sdp_offer_media *media, uint8_t type)
{
    for (size_t i = 0; i < media->format_count; i++) {
        const cm_sdp_payload *payload = &media->formats[i].payload;
        cm_slice value;
        uint64_t apt;
        if (cm_slice_equal_nocase(payload->encoding, CM_TEXT("rtx")) &&
            cm_sdp_fmtp_find(payload->fmtp, CM_TEXT("apt"), &value) &&
            cm_slice_to_u64(value, UINT8_MAX, &apt) == CM_OK && apt == type)
            return payload->type;
    }
    return 0;
}

/* REMB and transport-cc both ask us to fit our rate: one is enough. */
static cm_sdp_feedback common_feedback(cm_sdp_feedback offered, cm_sdp_feedback ours)
{
    if ((ours & CM_SDP_NACK) && !(offered & CM_SDP_TRANSPORT_CC))
        ours |= CM_SDP_REMB;
    return offered & ours;
}

cm_status cm_sdp_choose(const cm_sdp_offer_media *media, const cm_sdp_want *want,
                        cm_sdp_choice *out)
{
    const struct codec *codec = &CODECS[want->codec];
    const cm_sdp_format *best = NULL;
    score best_score = 0;
    for (size_t i = 0; i < media->format_count; i++) {
        const cm_sdp_format *format = &media->formats[i];
        const score s = is_of(&format->payload, codec) ? codec->score(&format->payload, want) : 0;
        if (s <= best_score)
            continue;
        best = format;
        best_score = s;
    }
    CM_ENSURE(best != NULL, CM_ABSENT);
    *out = (cm_sdp_choice){.codec = want->codec,
                           .type = best->payload.type,
                           .clock_rate = codec->clock_rate,
                           .channels = codec->channels,
                           .encoding = codec->encoding,
                           .feedback = common_feedback(best->feedback, codec->feedback)};
    if (out->feedback & CM_SDP_NACK)
        out->rtx_type = find_rtx(media, out->type);
    cm_writer w = cm_writer_over(out->fmtp, sizeof out->fmtp);
    codec->answer(&w, &best->payload, want);
    assert(!w.failed);
    out->fmtp_size = (uint8_t)w.used;
    return CM_OK;
}

cm_slice cm_sdp_choice_fmtp(const cm_sdp_choice *choice)
{
    return cm_slice_over(choice->fmtp, choice->fmtp_size);
}
