#include "proto/sdp/answer.h"

#include "proto/sdp/sdp_priv.h"
#include "proto/sdp/transport_priv.h"

void cm_sdp_answer_init(cm_sdp_answer *answer)
{
    *answer = (cm_sdp_answer){0};
}

/* --- accepting ------------------------------------------------------------------------------- */

static cm_sdp_direction direction_of(bool is_sent, bool is_received)
{
    if (is_sent)
        return is_received ? CM_SDP_SENDRECV : CM_SDP_SENDONLY;
    return is_received ? CM_SDP_RECVONLY : CM_SDP_INACTIVE;
}

/* Two wants may find the same type, as when two streams are H.264: it is listed once. */
static void add_choice(cm_sdp_answer_media *media, const cm_sdp_choice *choice)
{
    for (size_t i = 0; i < media->choice_count; i++)
        if (media->choices[i].type == choice->type)
            return;
    if (media->choice_count < CM_SDP_ANSWER_CHOICE_MAX)
        media->choices[media->choice_count++] = *choice;
}

cm_status cm_sdp_answer_accept(cm_sdp_answer *answer, const cm_sdp_offer *offer, size_t index,
                               const cm_sdp_terms *terms)
{
    CM_ENSURE(index < offer->media_count && offer->medias[index].is_usable, CM_ABSENT);
    const cm_sdp_offer_media *offered = &offer->medias[index];
    cm_sdp_answer_media media = {.is_accepted = true,
                                 .extensions = cm_sdp_offer_extensions(offered)};
    const bool they_send =
        offered->direction == CM_SDP_SENDRECV || offered->direction == CM_SDP_SENDONLY;
    const bool they_receive =
        offered->direction == CM_SDP_SENDRECV || offered->direction == CM_SDP_RECVONLY;
    media.direction =
        direction_of(terms->may_send && they_receive, terms->may_receive && they_send);
    CM_ENSURE(media.direction != CM_SDP_INACTIVE || terms->may_idle, CM_REFUSE);
    cm_sdp_feedback feedback = 0;
    for (size_t i = 0; i < terms->want_count; i++) {
        cm_sdp_choice choice;
        if (cm_sdp_choose(offered, &terms->wants[i], &choice) != CM_OK)
            continue;
        add_choice(&media, &choice);
        feedback |= choice.feedback;
    }
    CM_ENSURE(media.choice_count > 0, CM_ABSENT);
    if (!(feedback & CM_SDP_TRANSPORT_CC))
        media.extensions.transport_sequence = 0; /* nobody would report on the numbers */
    answer->medias[index] = media;
    return CM_OK;
}

static size_t first_accepted(const cm_sdp_answer *answer, const cm_sdp_offer *offer)
{
    size_t i = 0;
    while (i < offer->media_count && !answer->medias[i].is_accepted)
        i++;
    return i;
}

const cm_sdp_transport *cm_sdp_answer_peer(const cm_sdp_answer *answer, const cm_sdp_offer *offer)
{
    const size_t first = first_accepted(answer, offer);
    return first < offer->media_count ? &offer->medias[first].transport : NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static void write_session(cm_writer *w, const cm_sdp_offer *offer, const cm_sdp_answer *answer)
{
    cm_write_text(w, "v=0\r\no=- ");
    cm_write_decimal(w, answer->session_id);
    cm_write_text(w, " 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    if (offer->has_bundle) {
        cm_write_text(w, "a=group:BUNDLE");
        for (size_t i = 0; i < offer->media_count; i++) {
            if (!answer->medias[i].is_accepted)
                continue;
            cm_write_u8(w, ' ');
            cm_sdp_write_clean(w, offer->medias[i].mid);
        }
        cm_write_text(w, "\r\n");
    }
    if (answer->transport.is_ice_lite)
        cm_write_text(w, "a=ice-lite\r\n");
    cm_write_text(w, "a=ice-options:trickle\r\na=msid-semantic:WMS *\r\n");
}

static void write_mid(cm_writer *w, cm_slice mid)
{
    if (mid.size > 0)
        cm_sdp_write_line(w, "a=mid:", mid);
}

/* RFC 8829 5.3.1: port 0, and one type at least, as the syntax wants it. */
static void write_rejected(cm_writer *w, const cm_sdp_offer_media *offered)
{
    cm_sdp_write_clean(w, offered->first_type);
    cm_write_text(w, "\r\nc=IN IP4 0.0.0.0\r\n");
    write_mid(w, offered->mid);
    cm_write_text(w, "a=inactive\r\n");
}

static void write_types(cm_writer *w, const cm_sdp_answer_media *media)
{
    const char *before = "";
    for (size_t i = 0; i < media->choice_count; i++) {
        const cm_sdp_choice *choice = &media->choices[i];
        cm_write_text(w, before);
        cm_write_decimal(w, choice->type);
        if (choice->rtx_type > 0) {
            cm_write_u8(w, ' ');
            cm_write_decimal(w, choice->rtx_type);
        }
        before = " ";
    }
    cm_write_text(w, "\r\n");
}

static void write_extension(cm_writer *w, uint8_t id, const char *uri)
{
    if (id > 0)
        cm_write_format(w, "a=extmap:%u %s\r\n", id, uri);
}

static void write_feedback(cm_writer *w, const cm_sdp_choice *choice)
{
    static const struct {
        cm_sdp_feedback feedback;
        const char *name;
    } NAMES[] = {
        {CM_SDP_TRANSPORT_CC, "transport-cc"}, {CM_SDP_REMB, "goog-remb"},
        {CM_SDP_CCM_FIR, "ccm fir"},           {CM_SDP_NACK, "nack"},
        {CM_SDP_NACK_PLI, "nack pli"},
    };
    for (size_t i = 0; i < CM_COUNT(NAMES); i++)
        if (choice->feedback & NAMES[i].feedback)
            cm_write_format(w, "a=rtcp-fb:%u %s\r\n", choice->type, NAMES[i].name);
}

static void write_choice(cm_writer *w, const cm_sdp_choice *choice)
{
    const cm_sdp_payload payload = {.type = choice->type,
                                    .encoding = cm_slice_of(choice->encoding),
                                    .clock_rate = choice->clock_rate,
                                    .channels = choice->channels,
                                    .fmtp = cm_sdp_choice_fmtp(choice)};
    cm_sdp_write_payload(w, &payload);
    write_feedback(w, choice);
    if (choice->rtx_type > 0)
        cm_write_format(w, "a=rtpmap:%u rtx/%u\r\na=fmtp:%u apt=%u\r\n", choice->rtx_type,
                        choice->clock_rate, choice->rtx_type, choice->type);
}

static void write_cname(cm_writer *w, uint32_t ssrc, cm_slice cname)
{
    cm_write_text(w, "a=ssrc:");
    cm_write_decimal(w, ssrc);
    cm_sdp_write_line(w, " cname:", cname);
}

static void write_sources(cm_writer *w, const cm_sdp_answer_media *media, cm_slice cname)
{
    if (media->stream_id.size > 0 && media->track_id.size > 0) {
        cm_write_text(w, "a=msid:");
        cm_sdp_write_clean(w, media->stream_id);
        cm_sdp_write_line(w, " ", media->track_id);
    }
    if (media->ssrc == 0)
        return;
    if (media->rtx_ssrc != 0)
        cm_write_format(w, "a=ssrc-group:FID %u %u\r\n", media->ssrc, media->rtx_ssrc);
    write_cname(w, media->ssrc, cname);
    if (media->rtx_ssrc != 0)
        write_cname(w, media->rtx_ssrc, cname);
}

void cm_sdp_write_credentials(cm_writer *w, const cm_sdp_answer_transport *transport)
{
    cm_sdp_write_line(w, "a=ice-ufrag:", transport->ufrag);
    cm_sdp_write_line(w, "a=ice-pwd:", transport->pwd);
}

void cm_sdp_write_candidates(cm_writer *w, const cm_sdp_answer_transport *transport)
{
    for (size_t i = 0; i < transport->candidate_count; i++)
        cm_sdp_candidate_write(w, &transport->candidates[i]);
    if (transport->is_complete)
        cm_write_text(w, "a=end-of-candidates\r\n");
}

static void write_accepted(cm_writer *w, const cm_sdp_offer_media *offered,
                           const cm_sdp_answer *answer, const cm_sdp_answer_media *media)
{
    write_types(w, media);
    cm_write_text(w, "c=IN IP4 0.0.0.0\r\n");
    write_mid(w, offered->mid);
    cm_sdp_write_credentials(w, &answer->transport);
    cm_sdp_write_line(w, "a=fingerprint:sha-256 ", answer->transport.fingerprint);
    cm_write_text(w, "a=setup:passive\r\n");
    cm_sdp_write_direction(w, media->direction);
    cm_write_text(w, "a=rtcp-mux\r\n");
    if (offered->has_reduced_size)
        cm_write_text(w, "a=rtcp-rsize\r\n");
    write_extension(w, media->extensions.transport_sequence, CM_SDP_EXT_TRANSPORT_CC);
    write_extension(w, media->extensions.capture_time, CM_SDP_EXT_CAPTURE_TIME);
    write_extension(w, media->extensions.playout_delay, CM_SDP_EXT_PLAYOUT_DELAY);
    write_extension(w, media->extensions.mid, CM_SDP_EXT_MID);
    for (size_t i = 0; i < media->choice_count; i++)
        write_choice(w, &media->choices[i]);
    write_sources(w, media, answer->cname);
}

void cm_sdp_answer_write(cm_writer *w, const cm_sdp_offer *offer, const cm_sdp_answer *answer)
{
    const size_t first = first_accepted(answer, offer);
    write_session(w, offer, answer);
    for (size_t i = 0; i < offer->media_count; i++) {
        const cm_sdp_offer_media *offered = &offer->medias[i];
        const cm_sdp_answer_media *media = &answer->medias[i];
        cm_write_text(w, "m=");
        cm_sdp_write_clean(w, offered->kind_name);
        /* RFC 8840 4.1.1: port 9, as the candidates say where we are. */
        cm_write_text(w, media->is_accepted ? " 9 " : " 0 ");
        cm_sdp_write_clean(w, offered->protocol);
        cm_write_u8(w, ' ');
        if (media->is_accepted)
            write_accepted(w, offered, answer, media);
        else
            write_rejected(w, offered);
        /* RFC 8843 7.3.2: of a bundle the first alone has them. */
        if (i == first)
            cm_sdp_write_candidates(w, &answer->transport);
    }
}
