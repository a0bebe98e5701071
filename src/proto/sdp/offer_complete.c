/* What the parts of an offer say for one another, and whether a connection can be made of it. */
#include "proto/sdp/offer_priv.h"
#include "proto/sdp/sdp_priv.h"

/* DTLS-SRTP (RFC 8829 5.1.2): which of these names it has says nothing more. */
static const char *const PROTOCOLS[] = {"UDP/TLS/RTP/SAVPF",  "UDP/TLS/RTP/SAVP",
                                        "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP",
                                        "RTP/SAVPF",          "RTP/SAVP"};

static bool is_dtls_srtp(cm_slice protocol)
{
    for (size_t i = 0; i < CM_COUNT(PROTOCOLS); i++)
        if (cm_slice_equal_nocase(protocol, cm_slice_of(PROTOCOLS[i])))
            return true;
    return false;
}

static cm_status wrong_at(cm_sdp_offer_reader *reader, size_t line, const char *field,
                          const char *reason)
{
    return cm_sdp_refuse(reader->error, line, field, reason);
}

/* What `of` leaves unsaid is as `other` says. */
static void inherit(cm_sdp_transport *of, const cm_sdp_transport *other)
{
    if (of->ufrag.size == 0 && of->pwd.size == 0) {
        of->ufrag = other->ufrag;
        of->pwd = other->pwd;
    }
    if (of->fingerprint.size == 0)
        of->fingerprint = other->fingerprint;
    if (of->setup == CM_SDP_SETUP_UNSAID)
        of->setup = other->setup;
    of->is_trickle = of->is_trickle || other->is_trickle;
}

/* RFC 8843 7.1.3: what the first of the group says of the transport holds for all of it. */
static cm_status complete_bundle(cm_sdp_offer_reader *reader)
{
    const cm_sdp_offer_media *first = NULL;
    cm_slice mids = reader->bundle;
    for (cm_slice mid; (mid = cm_sdp_next_word(&mids)).size > 0;) {
        cm_sdp_offer_media *media = cm_sdp_offer_find_mid(reader->offer, mid);
        if (media == NULL)
            return wrong_at(reader, reader->bundle_line, "a=group", "names a mid no m-line has");
        media->is_bundled = true;
        if (first == NULL)
            first = media;
        inherit(&media->transport, &first->transport);
    }
    return CM_OK;
}

static cm_status check_transport(cm_sdp_offer_reader *reader, const cm_sdp_offer_media *media)
{
    const cm_sdp_transport *transport = &media->transport;
    if (transport->ufrag.size == 0)
        return wrong_at(reader, media->line, "a=ice-ufrag", "is missing for this m-line");
    if (transport->pwd.size == 0)
        return wrong_at(reader, media->line, "a=ice-pwd", "is missing for this m-line");
    if (transport->fingerprint.size == 0)
        return wrong_at(reader, media->line, "a=fingerprint",
                        "of sha-256, sha-384 or sha-512 is missing for this m-line");
    if (transport->setup == CM_SDP_SETUP_PASSIVE)
        return wrong_at(reader, media->line, "a=setup",
                        "is passive for this m-line, but so are we: it must be actpass or active");
    return CM_OK;
}

static cm_status complete_media(cm_sdp_offer_reader *reader, cm_sdp_offer_media *media,
                                bool has_usable)
{
    const cm_sdp_offer *offer = reader->offer;
    if (media->direction == CM_SDP_DIRECTION_UNSAID)
        media->direction = reader->session_direction;
    if (media->is_rejected || (media->kind != CM_SDP_VIDEO && media->kind != CM_SDP_AUDIO) ||
        !is_dtls_srtp(media->protocol))
        return CM_OK;
    if (offer->has_bundle ? !media->is_bundled : has_usable)
        return CM_OK;
    /* RFC 8858: without it RTCP would need a second transport. */
    if (!media->has_rtcp_mux)
        return wrong_at(reader, media->line, "a=rtcp-mux", "is missing for this m-line");
    CM_TRY(check_transport(reader, media));
    media->is_usable = true;
    return CM_OK;
}

cm_status cm_sdp_offer_complete(cm_sdp_offer_reader *reader)
{
    cm_sdp_offer *offer = reader->offer;
    bool has_usable = false;
    for (size_t i = 0; i < offer->media_count; i++)
        inherit(&offer->medias[i].transport, &reader->session);
    CM_TRY(complete_bundle(reader));
    for (size_t i = 0; i < offer->media_count; i++) {
        CM_TRY(complete_media(reader, &offer->medias[i], has_usable));
        has_usable = has_usable || offer->medias[i].is_usable;
    }
    if (!has_usable)
        return wrong_at(reader, 0, "",
                        "the description has no video or audio that a connection could be made of");
    return CM_OK;
}
