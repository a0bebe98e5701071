/* The audio lines of an offer: which way each goes. Pure. */
#include "api/whep.h"

enum { SPEECH_CODECS = 2 };

/* What is spoken to a camera. A peer sends by the first that the answer names. */
static const cm_sdp_want SPEECH[SPEECH_CODECS] = {{.codec = CM_SDP_PCMU}, {.codec = CM_SDP_PCMA}};

/* ---- what is asked for ---- */

/* The line's direction is `said` ("" if it says none: both ways). */
static void add_wish(cm_whep_wishes *wishes, cm_slice said)
{
    const bool is_both = said.size == 0 || cm_slice_equal(said, CM_TEXT("sendrecv"));
    wishes->hears = wishes->hears || is_both || cm_slice_equal(said, CM_TEXT("recvonly"));
    wishes->speaks = wishes->speaks || is_both || cm_slice_equal(said, CM_TEXT("sendonly"));
}

static bool is_direction(cm_slice attribute)
{
    return cm_slice_equal(attribute, CM_TEXT("sendrecv")) ||
           cm_slice_equal(attribute, CM_TEXT("sendonly")) ||
           cm_slice_equal(attribute, CM_TEXT("recvonly")) ||
           cm_slice_equal(attribute, CM_TEXT("inactive"));
}

cm_whep_wishes cm_whep_read_wishes(cm_slice offer)
{
    cm_whep_wishes wishes = {false, false};
    cm_slice said = {0};
    bool is_audio = false;
    while (offer.size > 0) {
        const cm_slice line = cm_slice_trim(cm_slice_cut(&offer, '\n'));
        if (cm_slice_starts(line, CM_TEXT("m="))) {
            if (is_audio)
                add_wish(&wishes, said);
            is_audio = cm_slice_starts(line, CM_TEXT("m=audio "));
            said = (cm_slice){0};
        } else if (cm_slice_starts(line, CM_TEXT("a=")) && is_direction(cm_slice_from(line, 2))) {
            said = cm_slice_from(line, 2);
        }
    }
    if (is_audio)
        add_wish(&wishes, said);
    return wishes;
}

/* ---- what is answered ---- */

static cm_sdp_want want_of(const cm_sound_format *format)
{
    const cm_sdp_codec codec = format->codec == CM_SOUND_PCMU   ? CM_SDP_PCMU
                               : format->codec == CM_SOUND_PCMA ? CM_SDP_PCMA
                                                                : CM_SDP_OPUS;
    return (cm_sdp_want){.codec = codec, .is_stereo = format->channels > 1};
}

static bool has_any(const cm_sdp_offer_media *media, const cm_sdp_want *wants, size_t count)
{
    cm_sdp_choice choice;
    for (size_t i = 0; i < count; i++)
        if (cm_sdp_choose(media, &wants[i], &choice) == CM_OK)
            return true;
    return false;
}

static bool sends(const cm_sdp_offer_media *media)
{
    return media->direction == CM_SDP_SENDRECV || media->direction == CM_SDP_SENDONLY;
}

static bool receives(const cm_sdp_offer_media *media)
{
    return media->direction == CM_SDP_SENDRECV || media->direction == CM_SDP_RECVONLY;
}

/* A peer that asks for sound where there is none goes on with its pictures: some (aiortc) give up
 * an answer that rejects a line they offered, none one that leaves it inactive. */
static void accept_silence(const cm_sdp_offer *offer, size_t line, cm_sdp_answer *answer)
{
    static const cm_sdp_want WANTS[] = {
        {.codec = CM_SDP_OPUS}, {.codec = CM_SDP_PCMU}, {.codec = CM_SDP_PCMA}};
    const cm_sdp_terms terms = {.wants = WANTS, .want_count = CM_COUNT(WANTS), .may_idle = true};
    CM_IGNORE(cm_sdp_answer_accept(answer, offer, line, &terms), "it is rejected then");
}

static void note_sound(const cm_sdp_answer_media *media, size_t line, cm_sdp_codec codec,
                       cm_whep_audio *out)
{
    out->has_sound = true;
    out->sound_line = line;
    for (size_t i = 0; i < media->choice_count; i++)
        if (media->choices[i].codec == codec)
            out->sound_type = media->choices[i].type;
}

/* Nobody here reports on the numbers of what comes in, and a peer that waits for that sends less
 * and less. */
static void note_speech(const cm_sdp_offer_media *offered, cm_sdp_answer_media *media,
                        cm_whep_audio *out)
{
    uint32_t rtx;
    cm_speech_media *speech = &out->speech;
    out->has_speech = true;
    cm_sdp_offer_ssrcs(offered, &speech->ssrc, &rtx);
    media->extensions.transport_sequence = 0;
    for (size_t i = 0; i < media->choice_count; i++) {
        cm_sdp_choice *choice = &media->choices[i];
        choice->feedback &= (cm_sdp_feedback)~CM_SDP_TRANSPORT_CC;
        if (choice->codec == CM_SDP_PCMU) {
            speech->has_pcmu = true;
            speech->pcmu_type = choice->type;
        } else if (choice->codec == CM_SDP_PCMA) {
            speech->has_pcma = true;
            speech->pcma_type = choice->type;
        }
    }
}

static void accept_line(const cm_sdp_offer *offer, size_t line, const cm_whep_audio_terms *terms,
                        cm_sdp_answer *answer, cm_whep_audio *out)
{
    const cm_sdp_offer_media *offered = &offer->medias[line];
    const bool may_hear = terms->heard != NULL && !out->has_sound && receives(offered);
    const bool may_speak = terms->may_speak && !out->has_speech && sends(offered);
    cm_sdp_want wants[SPEECH_CODECS + 1];
    size_t count = 0;
    cm_sdp_terms accepted = {.wants = wants};
    if (may_speak && has_any(offered, SPEECH, SPEECH_CODECS)) {
        accepted.may_receive = true;
        for (size_t i = 0; i < SPEECH_CODECS; i++)
            wants[count++] = SPEECH[i];
    }
    const cm_sdp_want sound = may_hear ? want_of(terms->heard) : (cm_sdp_want){0};
    if (may_hear && has_any(offered, &sound, 1)) {
        accepted.may_send = true;
        wants[count++] = sound;
    }
    accepted.want_count = count;
    if (count == 0 || cm_sdp_answer_accept(answer, offer, line, &accepted) != CM_OK) {
        accept_silence(offer, line, answer);
        return;
    }
    if (accepted.may_send)
        note_sound(&answer->medias[line], line, sound.codec, out);
    if (accepted.may_receive)
        note_speech(offered, &answer->medias[line], out);
}

void cm_whep_accept_audio(const cm_sdp_offer *offer, const cm_whep_audio_terms *terms,
                          cm_sdp_answer *answer, cm_whep_audio *out)
{
    *out = (cm_whep_audio){.has_sound = false};
    for (size_t i = 0; i < offer->media_count; i++)
        if (offer->medias[i].kind == CM_SDP_AUDIO)
            accept_line(offer, i, terms, answer, out);
}
