/* From an offer to a WebRTC session and the answer that describes it. */
#include <stdlib.h>

#include "api/whep.h"

enum { OFFERED_NAME_MAX = 16, OFFERED_SIZE_MAX = 64 };

/* ---- what the stream is ---- */

static uint32_t hex_of(cm_slice text)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* What the camera sends, from how its codec is told (RFC 6381): "avc1.PPCCLL" with three bytes of
 * the SPS, "hvc1.1.6.L93.90" with profile, compatibility, tier and level. */
static cm_status want_of(cm_slice codec, cm_sdp_want *out)
{
    const cm_slice name = cm_slice_cut(&codec, '.');
    if (cm_slice_equal(name, CM_TEXT("avc1")) && codec.size == 6) {
        *out = (cm_sdp_want){.codec = CM_SDP_H264, .profile_level_id = hex_of(codec)};
        return CM_OK;
    }
    CM_ENSURE(cm_slice_equal(name, CM_TEXT("hvc1")), CM_ABSENT);
    uint64_t profile;
    uint64_t level;
    CM_TRY(cm_slice_to_u64(cm_slice_cut(&codec, '.'), UINT8_MAX, &profile));
    (void)cm_slice_cut(&codec, '.');
    const cm_slice tier = cm_slice_cut(&codec, '.');
    CM_TRY(cm_slice_to_u64(cm_slice_from(tier, 1), UINT8_MAX, &level));
    *out = (cm_sdp_want){.codec = CM_SDP_H265,
                         .profile = (uint8_t)profile,
                         .is_high_tier = tier.bytes[0] == 'H',
                         .level = (uint8_t)level};
    return CM_OK;
}

/* In the order to try them. Of a camera that has not been heard yet what every decoder has:
 * constrained baseline 3.1; or H.265, if that is all that the peer offers. Should the camera send
 * another codec than was taken, the viewer ends, and the next offer meets one that is known. */
static size_t list_wants(const cm_whep *whep, cm_sdp_want wants[CM_VIDEO_CODECS])
{
    if (want_of(cm_slice_of(whep->codec), &wants[0]) == CM_OK)
        return 1;
    wants[0] = (cm_sdp_want){.codec = CM_SDP_H264, .profile_level_id = 0x42e01f};
    wants[1] = (cm_sdp_want){.codec = CM_SDP_H265, .is_any = true};
    return 2;
}

/* ---- pictures: one m-line of video; further ones are rejected ---- */

static cm_status accept_video(cm_rtc_negotiation *n, const cm_sdp_want *want, size_t *index_out)
{
    const cm_sdp_terms terms = {.wants = want, .want_count = 1, .may_send = true};
    for (size_t i = 0; i < n->offer.media_count; i++)
        if (n->offer.medias[i].kind == CM_SDP_VIDEO &&
            cm_sdp_answer_accept(&n->answer, &n->offer, i, &terms) == CM_OK) {
            *index_out = i;
            return CM_OK;
        }
    return CM_ABSENT;
}

static bool is_named(cm_slice names, cm_slice name)
{
    while (names.size > 0)
        if (cm_slice_equal_nocase(cm_slice_trim(cm_slice_cut(&names, ',')), name))
            return true;
    return false;
}

/* A line of video that could be answered, were its codecs ours. */
static bool receives_video(const cm_sdp_offer *offer)
{
    for (size_t i = 0; i < offer->media_count; i++) {
        const cm_sdp_offer_media *media = &offer->medias[i];
        if (media->kind == CM_SDP_VIDEO && media->is_usable &&
            (media->direction == CM_SDP_RECVONLY || media->direction == CM_SDP_SENDRECV))
            return true;
    }
    return false;
}

/* The codecs that the offer's video lines name, each once: "VP8, H264". */
static void write_offered(cm_writer *w, const cm_sdp_offer *offer)
{
    const size_t begin = w->used;
    for (size_t m = 0; m < offer->media_count; m++) {
        const cm_sdp_offer_media *media = &offer->medias[m];
        for (size_t i = 0; media->kind == CM_SDP_VIDEO && i < media->format_count; i++) {
            const cm_slice name = media->formats[i].payload.encoding;
            const cm_slice so_far = cm_slice_from(cm_writer_done(w), begin);
            /* What repairs and repeats is no codec; a name that is longer is no name. */
            if (name.size > OFFERED_NAME_MAX || so_far.size > OFFERED_SIZE_MAX ||
                is_named(CM_TEXT("rtx, red, ulpfec, flexfec-03"), name) || is_named(so_far, name))
                continue;
            cm_write_text(w, so_far.size > 0 ? ", " : "");
            cm_write_slice(w, name);
        }
    }
}

static cm_status refuse_video(const cm_whep *whep, const cm_rtc_negotiation *n,
                              char detail[CM_RTC_DETAIL_SIZE])
{
    if (!receives_video(&n->offer)) {
        CM_IGNORE(cm_slice_to_cstr(CM_TEXT("The offer asks for no video: it needs an m=video line "
                                           "that receives."),
                                   detail, CM_RTC_DETAIL_SIZE),
                  "short enough");
        return CM_REFUSE;
    }
    cm_sdp_want wants[CM_VIDEO_CODECS];
    const bool is_h265 = list_wants(whep, wants) == 1 && wants[0].codec == CM_SDP_H265;
    cm_writer w = cm_writer_over(detail, CM_RTC_DETAIL_SIZE - 1);
    cm_write_format(&w, "This stream is %s %s. The offer receives ",
                    is_h265 ? "H265" : "H264 with packetization-mode=1", whep->codec);
    write_offered(&w, &n->offer);
    cm_write_text(&w, ".");
    detail[cm_writer_done(&w).size] = '\0';
    return CM_ABSENT;
}

/* A random SSRC that is not 0, which means none. */
static uint32_t draw_ssrc(cm_whep *whep)
{
    return (uint32_t)cm_random_below(cm_loop_random(whep->place.api->config.loop), UINT32_MAX) + 1;
}

static void name_pictures(cm_whep *whep, cm_rtc_negotiation *n, size_t index)
{
    cm_sdp_answer_media *media = &n->answer.medias[index];
    const cm_slice mid = n->offer.medias[index].mid;
    media->ssrc = draw_ssrc(whep);
    media->rtx_ssrc = media->choices[0].rtx_type != 0 ? media->ssrc ^ 1 : 0;
    media->stream_id = cm_slice_of(whep->place.camera.camera.text);
    media->track_id = CM_TEXT("video");
    /* One that is too long for the header extension is not sent: the peer finds its m-line by the
     * payload type. */
    whep->mid[0] = '\0';
    CM_IGNORE(cm_slice_to_cstr(mid, whep->mid, sizeof whep->mid), "left empty");
    whep->media = (cm_webrtc_media){
        .codec = media->choices[0].codec == CM_SDP_H265 ? CM_VIDEO_H265 : CM_VIDEO_H264,
        .payload_type = media->choices[0].type,
        .rtx_payload_type = media->choices[0].rtx_type,
        .ssrc = media->ssrc,
        .rtx_ssrc = media->rtx_ssrc,
        .extensions = media->extensions,
        .mid = cm_slice_of(whep->mid),
        .cname = cm_slice_of(whep->place.id),
    };
    if (whep->mid[0] == '\0')
        whep->media.extensions.mid = 0;
}

/* ---- sound, and speech ---- */

/* As it comes, or made over. */
static cm_sound_codec codec_of(const cm_whep *whep)
{
    return whep->sound_stream == CM_STREAM_SOUND ? whep->format.codec : CM_SOUND_OPUS;
}

static void name_sound(cm_whep *whep, cm_rtc_negotiation *n, const cm_whep_audio *audio)
{
    cm_sdp_answer_media *media = &n->answer.medias[audio->sound_line];
    const cm_slice mid = n->offer.medias[audio->sound_line].mid;
    do
        media->ssrc = draw_ssrc(whep);
    while (media->ssrc == whep->media.ssrc || media->ssrc == whep->media.rtx_ssrc);
    media->stream_id =
        cm_slice_of(whep->place.camera.camera.text); /* the pictures': shown in step */
    media->track_id = CM_TEXT("audio");
    whep->sound_mid[0] = '\0';
    CM_IGNORE(cm_slice_to_cstr(mid, whep->sound_mid, sizeof whep->sound_mid), "left empty");
    whep->sound_media = (cm_webrtc_sound_media){
        .stream = whep->sound_stream,
        .codec = codec_of(whep),
        .payload_type = audio->sound_type,
        .ssrc = media->ssrc,
        .extensions = media->extensions,
        .mid = cm_slice_of(whep->sound_mid),
        .cname = cm_slice_of(whep->place.id),
    };
    if (whep->sound_mid[0] == '\0')
        whep->sound_media.extensions.mid = 0;
}

/* The rights are those that were decided on, and nobody else's to judge. */
static cm_status negotiate_audio(cm_whep *whep, cm_rtc_negotiation *n)
{
    const bool may_hear = whep->has_stream && (whep->rights & CM_RIGHT_LISTEN) != 0;
    const bool may_speak = whep->takes_talk && (whep->rights & CM_RIGHT_TALK) != 0;
    const cm_sound_format heard = {.codec = codec_of(whep), .channels = whep->format.channels};
    const cm_whep_audio_terms terms = {.heard = may_hear ? &heard : NULL, .may_speak = may_speak};
    cm_whep_audio audio;
    cm_whep_accept_audio(&n->offer, &terms, &n->answer, &audio);
    whep->has_sound = audio.has_sound;
    if (audio.has_sound)
        name_sound(whep, n, &audio);
    return audio.has_speech ? cm_whep_talk_begin(whep, &audio.speech) : CM_OK;
}

/* ---- together ---- */

static cm_status negotiate(cm_whep *whep, cm_rtc_negotiation *n, const cm_rtc_events *events,
                           cm_buffer *answer, char detail[CM_RTC_DETAIL_SIZE])
{
    size_t index;
    CM_TRY(cm_rtc_negotiation_begin(n, &whep->place, cm_buffer_data(&whep->offer), detail));
    cm_sdp_want wants[CM_VIDEO_CODECS];
    const size_t want_count = list_wants(whep, wants);
    cm_status status = CM_ABSENT;
    for (size_t i = 0; i < want_count && status != CM_OK; i++)
        status = accept_video(n, &wants[i], &index);
    if (status != CM_OK)
        return refuse_video(whep, n, detail);
    name_pictures(whep, n, index);
    CM_TRY(negotiate_audio(whep, n));
    CM_TRY(cm_rtc_negotiation_finish(n, &whep->place, events, whep, answer));
    if (whep->media.rtx_payload_type == 0)
        cm_rtc_session_remember(whep->place.rtc, whep->media.ssrc);
    return CM_OK;
}

cm_status cm_whep_answer(cm_whep *whep, const cm_rtc_events *events, cm_buffer *answer,
                         char detail[CM_RTC_DETAIL_SIZE])
{
    cm_rtc_negotiation *n = malloc(sizeof *n);
    CM_ENSURE(n != NULL, CM_FULL);
    const cm_status status = negotiate(whep, n, events, answer, detail);
    free(n);
    return status;
}
