/* From an offer to a WebRTC session and the answer that describes it. */
#include <stdlib.h>

#include "api/whep.h"
#include "proto/sdp/answer.h"
#include "proto/sdp/fragment.h"

enum { OFFERED_NAME_MAX = 16, OFFERED_SIZE_MAX = 64 };

/* What is made on the way from offer to answer; too large for a stack. */
typedef struct negotiation {
    cm_sdp_offer offer;
    cm_sdp_answer answer;
    cm_sdp_candidate candidates[CM_RTC_CANDIDATES_MAX];
    char hosts[CM_RTC_CANDIDATES_MAX][CM_ADDRESS_TEXT_SIZE];
    char related[CM_RTC_CANDIDATES_MAX][CM_ADDRESS_TEXT_SIZE];
    char foundations[CM_RTC_CANDIDATES_MAX][12];
} negotiation;

static cm_status refuse(const cm_sdp_error *error, char detail[CM_WHEP_DETAIL_SIZE])
{
    cm_writer w = cm_writer_over(detail, CM_WHEP_DETAIL_SIZE - 1);
    cm_sdp_error_write(&w, error);
    detail[cm_writer_done(&w).size] = '\0';
    return CM_REFUSE;
}

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

static cm_status accept_video(negotiation *n, const cm_sdp_want *want, size_t *index_out)
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

static cm_status refuse_video(const cm_whep *whep, const negotiation *n,
                              char detail[CM_WHEP_DETAIL_SIZE])
{
    if (!receives_video(&n->offer)) {
        CM_IGNORE(cm_slice_to_cstr(CM_TEXT("The offer asks for no video: it needs an m=video line "
                                           "that receives."),
                                   detail, CM_WHEP_DETAIL_SIZE),
                  "short enough");
        return CM_REFUSE;
    }
    cm_sdp_want wants[CM_VIDEO_CODECS];
    const bool is_h265 = list_wants(whep, wants) == 1 && wants[0].codec == CM_SDP_H265;
    cm_writer w = cm_writer_over(detail, CM_WHEP_DETAIL_SIZE - 1);
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
    return (uint32_t)cm_random_below(cm_loop_random(whep->api->config.loop), UINT32_MAX) + 1;
}

static void name_pictures(cm_whep *whep, negotiation *n, size_t index)
{
    cm_sdp_answer_media *media = &n->answer.medias[index];
    const cm_slice mid = n->offer.medias[index].mid;
    media->ssrc = draw_ssrc(whep);
    media->rtx_ssrc = media->choices[0].rtx_type != 0 ? media->ssrc ^ 1 : 0;
    media->stream_id = cm_slice_of(whep->camera.camera.text);
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
        .cname = cm_slice_of(whep->id),
    };
    if (whep->mid[0] == '\0')
        whep->media.extensions.mid = 0;
}

/* ---- sound: one m-line of audio, if it may be had; else they are silent ---- */

bool cm_whep_wishes_sound(cm_slice offer)
{
    while (offer.size > 0)
        if (cm_slice_starts(cm_slice_cut(&offer, '\n'), CM_TEXT("m=audio ")))
            return true;
    return false;
}

static cm_sdp_codec sdp_codec(cm_sound_codec codec)
{
    switch (codec) {
    case CM_SOUND_PCMU:
        return CM_SDP_PCMU;
    case CM_SOUND_PCMA:
        return CM_SDP_PCMA;
    default:
        return CM_SDP_OPUS;
    }
}

/* The right is the lease's, and nobody else's to judge. */
static bool may_hear(const cm_whep *whep)
{
    return whep->has_format && cm_webrtc_sound_may_carry(&whep->format) &&
           cm_lease_allows(whep->lease, CM_STREAM_SOUND, CM_RIGHT_LISTEN);
}

static cm_status accept_sound(const cm_whep *whep, negotiation *n, size_t index)
{
    CM_ENSURE(may_hear(whep), CM_ABSENT);
    const cm_sdp_want want = {.codec = sdp_codec(whep->format.codec),
                              .is_stereo = whep->format.channels > 1};
    const cm_sdp_terms terms = {.wants = &want, .want_count = 1, .may_send = true};
    return cm_sdp_answer_accept(&n->answer, &n->offer, index, &terms);
}

/* A peer that asks for sound where there is none goes on with its pictures: some (aiortc) give up
 * an answer that rejects a line they offered, none one that leaves it inactive. */
static void accept_silence(negotiation *n, size_t index)
{
    static const cm_sdp_want WANTS[] = {
        {.codec = CM_SDP_OPUS}, {.codec = CM_SDP_PCMU}, {.codec = CM_SDP_PCMA}};
    const cm_sdp_terms terms = {.wants = WANTS, .want_count = CM_COUNT(WANTS), .may_idle = true};
    CM_IGNORE(cm_sdp_answer_accept(&n->answer, &n->offer, index, &terms), "it is rejected then");
}

static void name_sound(cm_whep *whep, negotiation *n, size_t index)
{
    cm_sdp_answer_media *media = &n->answer.medias[index];
    do
        media->ssrc = draw_ssrc(whep);
    while (media->ssrc == whep->media.ssrc || media->ssrc == whep->media.rtx_ssrc);
    media->stream_id = cm_slice_of(whep->camera.camera.text); /* the pictures': shown in step */
    media->track_id = CM_TEXT("audio");
    whep->sound_mid[0] = '\0';
    CM_IGNORE(cm_slice_to_cstr(n->offer.medias[index].mid, whep->sound_mid, sizeof whep->sound_mid),
              "left empty");
    whep->sound_media = (cm_webrtc_sound_media){
        .codec = whep->format.codec,
        .payload_type = media->choices[0].type,
        .ssrc = media->ssrc,
        .extensions = media->extensions,
        .mid = cm_slice_of(whep->sound_mid),
        .cname = cm_slice_of(whep->id),
    };
    if (whep->sound_mid[0] == '\0')
        whep->sound_media.extensions.mid = 0;
}

static void negotiate_sound(cm_whep *whep, negotiation *n)
{
    for (size_t i = 0; i < n->offer.media_count; i++) {
        if (n->offer.medias[i].kind != CM_SDP_AUDIO)
            continue;
        if (!whep->has_sound && accept_sound(whep, n, i) == CM_OK) {
            whep->has_sound = true;
            name_sound(whep, n, i);
        } else {
            accept_silence(n, i);
        }
    }
}

/* ---- the transport ---- */

static cm_fingerprint fingerprint_of(const cm_sdp_transport *peer)
{
    cm_fingerprint fingerprint = {.size = peer->fingerprint.size};
    cm_slice_copy(cm_slice_over(peer->fingerprint.bytes, peer->fingerprint.size), fingerprint.bytes,
                  sizeof fingerprint.bytes);
    return fingerprint;
}

/* A peer's addresses on the way from its text to the agent. */
typedef struct remotes {
    cm_rtc_remote list[CM_SDP_OFFER_CANDIDATE_MAX];
    size_t count;
} remotes;

/* Names stand for addresses that browsers hide behind mDNS: their own checks will say where they
 * are. */
static void add_remote(remotes *r, const cm_sdp_candidate *candidate)
{
    cm_rtc_remote *remote = &r->list[r->count];
    if (r->count == CM_COUNT(r->list) || candidate->is_name || candidate->transport != CM_SDP_UDP ||
        candidate->component != 1 ||
        cm_address_parse(candidate->address, candidate->port, &remote->address) != CM_OK)
        return;
    remote->priority = candidate->priority;
    r->count++;
}

static cm_status open_transport(cm_whep *whep, const negotiation *n, const cm_rtc_events *events)
{
    const cm_sdp_transport *peer = cm_sdp_answer_peer(&n->answer, &n->offer);
    const cm_fingerprint fingerprint = fingerprint_of(peer);
    CM_TRY(cm_slice_to_cstr(peer->ufrag, whep->remote_ufrag, sizeof whep->remote_ufrag));
    CM_TRY(cm_rtc_session_create(whep->api->config.rtc,
                                 &(cm_rtc_session_config){.remote_ufrag = peer->ufrag,
                                                          .fingerprints = &fingerprint,
                                                          .fingerprint_count = 1,
                                                          .events = events,
                                                          .owner = whep},
                                 &whep->rtc));
    const cm_status status = cm_rtc_session_check(whep->rtc, peer->pwd, n->offer.is_ice_lite);
    remotes r = {.count = 0};
    for (size_t i = 0; i < n->offer.candidate_count; i++)
        add_remote(&r, &n->offer.candidates[i].candidate);
    cm_rtc_session_add_remotes(whep->rtc, r.list, r.count);
    return status == CM_ABSENT ? CM_OK : status; /* a lite agent it is then */
}

static void describe_candidates(const cm_whep *whep, negotiation *n,
                                cm_sdp_answer_transport *transport)
{
    static const cm_sdp_candidate_type TYPES[] = {[CM_RTC_HOST] = CM_SDP_HOST,
                                                  [CM_RTC_REFLEXIVE] = CM_SDP_SERVER_REFLEXIVE,
                                                  [CM_RTC_RELAYED] = CM_SDP_RELAYED};
    cm_rtc_candidate own[CM_RTC_CANDIDATES_MAX];
    const size_t count = cm_rtc_endpoint_candidates(whep->api->config.rtc, own);
    for (size_t i = 0; i < count; i++) {
        cm_writer w = cm_writer_over(n->foundations[i], sizeof n->foundations[i]);
        cm_write_format(&w, "%u", own[i].foundation);
        n->candidates[i] = (cm_sdp_candidate){
            .foundation = cm_writer_done(&w),
            .component = 1,
            .transport = own[i].is_tcp ? CM_SDP_TCP_PASSIVE : CM_SDP_UDP,
            .priority = own[i].priority,
            .address = cm_slice_of(cm_address_format_host(&own[i].address, n->hosts[i])),
            .port = own[i].address.port,
            .type = TYPES[own[i].type],
        };
        if (own[i].type == CM_RTC_HOST)
            continue;
        n->candidates[i].related_address =
            cm_slice_of(cm_address_format_host(&own[i].related, n->related[i]));
        n->candidates[i].related_port = own[i].related.port;
    }
    transport->candidates = n->candidates;
    transport->candidate_count = count;
    transport->is_complete = true;
}

static void describe_transport(const cm_whep *whep, negotiation *n)
{
    const cm_ice_credentials *own = cm_rtc_session_local(whep->rtc);
    cm_sdp_answer_transport *transport = &n->answer.transport;
    transport->is_ice_lite = cm_rtc_session_is_lite(whep->rtc);
    transport->ufrag = cm_slice_of(own->ufrag);
    transport->pwd = cm_slice_of(own->pwd);
    transport->fingerprint = cm_slice_of(cm_rtc_endpoint_fingerprint(whep->api->config.rtc));
    describe_candidates(whep, n, transport);
}

/* Two lite agents would wait for each other for ever (RFC 8445 6.1.1). */
static cm_status refuse_if_both_are_lite(const cm_whep *whep, const negotiation *n,
                                         char detail[CM_WHEP_DETAIL_SIZE])
{
    if (!n->offer.is_ice_lite || cm_rtc_endpoint_may_check(whep->api->config.rtc))
        return CM_OK;
    CM_IGNORE(cm_slice_to_cstr(CM_TEXT("The offer says a=ice-lite, and this server is an ICE-lite "
                                       "agent too: one of the two must be a full one."),
                               detail, CM_WHEP_DETAIL_SIZE),
              "short enough");
    return CM_REFUSE;
}

/* ---- together ---- */

static cm_status write_answer(cm_whep *whep, negotiation *n, cm_buffer *answer)
{
    uint8_t *room;
    n->answer.session_id = cm_random_u64(cm_loop_random(whep->api->config.loop)) >> 1;
    n->answer.cname = cm_slice_of(whep->id);
    CM_TRY(cm_buffer_room(answer, CM_SDP_ANSWER_SIZE, &room));
    cm_writer w = cm_writer_over(room, CM_SDP_ANSWER_SIZE);
    cm_sdp_answer_write(&w, &n->offer, &n->answer);
    cm_slice text;
    CM_TRY(cm_writer_finish(&w, &text));
    cm_buffer_commit(answer, text.size);
    return CM_OK;
}

static cm_status negotiate(cm_whep *whep, negotiation *n, const cm_rtc_events *events,
                           cm_buffer *answer, char detail[CM_WHEP_DETAIL_SIZE])
{
    cm_sdp_error error;
    size_t index;
    if (cm_sdp_offer_parse(cm_buffer_data(&whep->offer), &n->offer, &error) != CM_OK)
        return refuse(&error, detail);
    CM_TRY(refuse_if_both_are_lite(whep, n, detail));
    cm_sdp_answer_init(&n->answer);
    cm_sdp_want wants[CM_VIDEO_CODECS];
    const size_t want_count = list_wants(whep, wants);
    cm_status status = CM_ABSENT;
    for (size_t i = 0; i < want_count && status != CM_OK; i++)
        status = accept_video(n, &wants[i], &index);
    if (status != CM_OK)
        return refuse_video(whep, n, detail);
    name_pictures(whep, n, index);
    negotiate_sound(whep, n);
    status = open_transport(whep, n, events);
    if (status != CM_OK)
        return status;
    if (whep->media.rtx_payload_type == 0)
        cm_rtc_session_remember(whep->rtc, whep->media.ssrc);
    describe_transport(whep, n);
    return write_answer(whep, n, answer);
}

cm_status cm_whep_answer(cm_whep *whep, const cm_rtc_events *events, cm_buffer *answer,
                         char detail[CM_WHEP_DETAIL_SIZE])
{
    negotiation *n = malloc(sizeof *n);
    CM_ENSURE(n != NULL, CM_FULL);
    const cm_status status = negotiate(whep, n, events, answer, detail);
    free(n);
    return status;
}

/* ---- fragments ---- */

static cm_status write_restart(cm_whep *whep, const cm_sdp_fragment *fragment, cm_buffer *answer)
{
    uint8_t *room;
    negotiation *n = malloc(sizeof *n);
    CM_ENSURE(n != NULL, CM_FULL);
    describe_transport(whep, n);
    cm_status status = cm_buffer_room(answer, CM_SDP_ANSWER_SIZE, &room);
    if (status == CM_OK) {
        cm_writer w = cm_writer_over(room, CM_SDP_ANSWER_SIZE);
        cm_slice text;
        cm_sdp_fragment_write(&w, fragment, &n->answer.transport);
        status = cm_writer_finish(&w, &text);
        if (status == CM_OK)
            cm_buffer_commit(answer, text.size);
    }
    free(n);
    return status;
}

/* Of no use to a lite agent: the peer's checks say where it is. */
static void add_remotes(const cm_whep *whep, const cm_sdp_fragment *fragment)
{
    remotes r = {.count = 0};
    for (size_t i = 0; i < fragment->candidate_count; i++)
        add_remote(&r, &fragment->candidates[i]);
    cm_rtc_session_add_remotes(whep->rtc, r.list, r.count);
}

cm_status cm_whep_take_fragment(cm_whep *whep, cm_slice text, cm_buffer *answer,
                                char detail[CM_WHEP_DETAIL_SIZE])
{
    cm_sdp_fragment fragment;
    cm_sdp_error error;
    if (cm_sdp_fragment_parse(text, &fragment, &error) != CM_OK)
        return refuse(&error, detail);
    if (!cm_sdp_fragment_is_restart(&fragment, cm_slice_of(whep->remote_ufrag))) {
        add_remotes(whep, &fragment);
        return CM_OK;
    }
    CM_TRY(cm_rtc_session_restart(whep->rtc, fragment.ufrag));
    if (!cm_rtc_session_is_lite(whep->rtc))
        CM_TRY(cm_rtc_session_check(whep->rtc, fragment.pwd, false));
    add_remotes(whep, &fragment);
    CM_TRY(cm_slice_to_cstr(fragment.ufrag, whep->remote_ufrag, sizeof whep->remote_ufrag));
    cm_whep_renew_etag(whep);
    return write_restart(whep, &fragment, answer);
}
