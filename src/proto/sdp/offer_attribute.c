/* What each attribute of an offer says. One function an attribute; a table at the end. */
#include "base/text.h"
#include "proto/sdp/offer_priv.h"
#include "proto/sdp/sdp_priv.h"

enum {
    EXTENSION_ID_MAX = 255,
    EXTENSION_ID_LATER = 4096, /* RFC 8285 6: offered for want of numbers; never of use to us */
    EXTENSION_ID_LATER_MAX = 4351,
};

static cm_sdp_transport *transport_of(cm_sdp_offer_reader *reader)
{
    return reader->media != NULL ? &reader->media->transport : &reader->session;
}

static cm_sdp_format *find_format(cm_sdp_offer_media *media, uint8_t type)
{
    for (size_t i = 0; i < media->format_count; i++)
        if (media->formats[i].payload.type == type)
            return &media->formats[i];
    return NULL;
}

static void set_once(cm_slice *field, cm_slice value)
{
    if (field->size == 0)
        *field = value;
}

/* --- transport ------------------------------------------------------------------------------- */

static cm_status read_ufrag(cm_sdp_offer_reader *reader, cm_slice value)
{
    if (!cm_sdp_is_ice_text(value, CM_SDP_UFRAG_MIN, CM_SDP_ICE_TEXT_MAX))
        return cm_sdp_offer_wrong(reader, CM_SDP_UFRAG_RULE);
    set_once(&transport_of(reader)->ufrag, value);
    return CM_OK;
}

static cm_status read_pwd(cm_sdp_offer_reader *reader, cm_slice value)
{
    if (!cm_sdp_is_ice_text(value, CM_SDP_PWD_MIN, CM_SDP_ICE_TEXT_MAX))
        return cm_sdp_offer_wrong(reader, CM_SDP_PWD_RULE);
    set_once(&transport_of(reader)->pwd, value);
    return CM_OK;
}

static cm_status read_ice_options(cm_sdp_offer_reader *reader, cm_slice value)
{
    for (cm_slice word; (word = cm_sdp_next_word(&value)).size > 0;)
        if (cm_slice_equal(word, CM_TEXT("trickle")))
            transport_of(reader)->is_trickle = true;
    return CM_OK;
}

static uint8_t fingerprint_size(cm_slice algorithm)
{
    if (cm_slice_equal_nocase(algorithm, CM_TEXT("sha-256")))
        return 32;
    if (cm_slice_equal_nocase(algorithm, CM_TEXT("sha-384")))
        return 48;
    return cm_slice_equal_nocase(algorithm, CM_TEXT("sha-512")) ? 64 : 0;
}

/* RFC 8122 5: pairs of hexadecimal digits with colons between them. */
static cm_status read_digest(cm_slice text, cm_sdp_fingerprint *out)
{
    for (size_t i = 0; i < out->size; i++)
        CM_TRY(cm_text_from_hex(cm_slice_cut(&text, ':'), &out->bytes[i], 1));
    CM_ENSURE(text.size == 0, CM_REFUSE);
    return CM_OK;
}

static cm_status read_fingerprint(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_fingerprint *kept = &transport_of(reader)->fingerprint;
    const cm_slice algorithm = cm_sdp_next_word(&value);
    const cm_slice digest = cm_sdp_next_word(&value);
    if (digest.size == 0)
        return cm_sdp_offer_wrong(reader, "is not an algorithm and its bytes");
    cm_sdp_fingerprint fingerprint = {.size = fingerprint_size(algorithm)};
    if (fingerprint.size <= kept->size)
        return CM_OK; /* one that we don't know, or a weaker one */
    if (read_digest(digest, &fingerprint) != CM_OK)
        return cm_sdp_offer_wrong(reader, "is not as many bytes in hex as its algorithm has");
    *kept = fingerprint;
    return CM_OK;
}

static cm_status read_setup(cm_sdp_offer_reader *reader, cm_slice value)
{
    static const char *const NAMES[] = {[CM_SDP_SETUP_ACTPASS] = "actpass",
                                        [CM_SDP_SETUP_ACTIVE] = "active",
                                        [CM_SDP_SETUP_PASSIVE] = "passive"};
    for (size_t i = CM_SDP_SETUP_ACTPASS; i < CM_COUNT(NAMES); i++) {
        if (!cm_slice_equal_nocase(value, cm_slice_of(NAMES[i])))
            continue;
        transport_of(reader)->setup = (cm_sdp_setup)i;
        return CM_OK;
    }
    return cm_sdp_offer_wrong(reader, "is none of actpass, active and passive");
}

static cm_status read_candidate(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer *offer = reader->offer;
    cm_sdp_candidate candidate;
    const char *reason;
    const cm_status status = cm_sdp_candidate_parse(value, &candidate, &reason);
    if (status == CM_REFUSE)
        return cm_sdp_offer_wrong(reader, reason);
    if (status == CM_OK && offer->candidate_count < CM_SDP_OFFER_CANDIDATE_MAX)
        offer->candidates[offer->candidate_count++] = (cm_sdp_offer_candidate){
            .media = (size_t)(reader->media - offer->medias), .candidate = candidate};
    return CM_OK;
}

/* --- flags ----------------------------------------------------------------------------------- */

static cm_status read_end_of_candidates(cm_sdp_offer_reader *reader, cm_slice value)
{
    (void)value;
    reader->media->is_end_of_candidates = true;
    return CM_OK;
}

static cm_status read_rtcp_mux(cm_sdp_offer_reader *reader, cm_slice value)
{
    (void)value;
    reader->media->has_rtcp_mux = true;
    return CM_OK;
}

static cm_status read_rtcp_rsize(cm_sdp_offer_reader *reader, cm_slice value)
{
    (void)value;
    reader->media->has_reduced_size = true;
    return CM_OK;
}

/* RFC 8843 6: then port 0 does not reject it. */
static cm_status read_bundle_only(cm_sdp_offer_reader *reader, cm_slice value)
{
    (void)value;
    reader->media->is_bundle_only = true;
    reader->media->is_rejected = false;
    return CM_OK;
}

static cm_status read_ice_lite(cm_sdp_offer_reader *reader, cm_slice value)
{
    (void)value;
    reader->offer->is_ice_lite = true;
    return CM_OK;
}

/* --- which media ----------------------------------------------------------------------------- */

static cm_status read_group(cm_sdp_offer_reader *reader, cm_slice value)
{
    if (!cm_slice_equal(cm_sdp_next_word(&value), CM_TEXT("BUNDLE")) || reader->offer->has_bundle)
        return CM_OK;
    reader->offer->has_bundle = true;
    reader->bundle = value;
    reader->bundle_line = reader->line;
    return CM_OK;
}

static cm_status read_mid(cm_sdp_offer_reader *reader, cm_slice value)
{
    if (!cm_sdp_is_token(value, CM_SDP_MID_MAX))
        return cm_sdp_offer_wrong(reader, CM_SDP_MID_RULE);
    if (cm_sdp_offer_find_mid(reader->offer, value) != NULL)
        return cm_sdp_offer_wrong(reader, "is that of another m-line");
    set_once(&reader->media->mid, value);
    return CM_OK;
}

static cm_status read_msid(cm_sdp_offer_reader *reader, cm_slice value)
{
    const cm_slice stream = cm_sdp_next_word(&value);
    const cm_slice track = cm_sdp_next_word(&value);
    if (stream.size == 0)
        return cm_sdp_offer_wrong(reader, "does not name a stream");
    if (!cm_slice_equal(stream, CM_TEXT("-")))
        set_once(&reader->media->stream_id, stream);
    set_once(&reader->media->track_id, track);
    return CM_OK;
}

/* RFC 5576 4.1: <ssrc> <attribute>[:<value>] */
static cm_status read_ssrc(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer_media *media = reader->media;
    uint64_t ssrc;
    if (cm_slice_to_u64(cm_sdp_next_word(&value), UINT32_MAX, &ssrc) != CM_OK)
        return cm_sdp_offer_wrong(reader, "does not begin with a number of 32 bits");
    cm_slice attribute = cm_slice_trim(value);
    const cm_slice name = cm_slice_cut(&attribute, ':');
    size_t i = 0;
    while (i < media->ssrc_count && media->ssrcs[i].ssrc != ssrc)
        i++;
    if (i == CM_SDP_OFFER_SSRC_MAX)
        return CM_OK;
    if (i == media->ssrc_count)
        media->ssrcs[media->ssrc_count++].ssrc = (uint32_t)ssrc;
    if (cm_slice_equal(name, CM_TEXT("cname")))
        set_once(&media->ssrcs[i].cname, attribute);
    return CM_OK;
}

/* RFC 5576 4.2; groups of other than two are passed over. */
static cm_status read_ssrc_group(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer_media *media = reader->media;
    const cm_slice semantics = cm_sdp_next_word(&value);
    uint64_t ssrcs[2] = {0};
    size_t count = 0;
    for (cm_slice word; (word = cm_sdp_next_word(&value)).size > 0; count++) {
        uint64_t ssrc;
        if (cm_slice_to_u64(word, UINT32_MAX, &ssrc) != CM_OK)
            return cm_sdp_offer_wrong(reader, "has an SSRC that is no number of 32 bits");
        if (count < CM_COUNT(ssrcs))
            ssrcs[count] = ssrc;
    }
    if (count == CM_COUNT(ssrcs) && media->group_count < CM_SDP_OFFER_GROUP_MAX)
        media->groups[media->group_count++] =
            (cm_sdp_ssrc_group){.is_retransmission = cm_slice_equal(semantics, CM_TEXT("FID")),
                                .first = (uint32_t)ssrcs[0],
                                .second = (uint32_t)ssrcs[1]};
    return CM_OK;
}

/* --- formats --------------------------------------------------------------------------------- */

/* Takes the payload type off *value. CM_OK and NULL in *out: the m-line has no such type. */
static cm_status read_format(cm_sdp_offer_reader *reader, cm_slice *value, cm_sdp_format **out)
{
    uint8_t type;
    if (cm_sdp_read_type(cm_sdp_next_word(value), &type) != CM_OK)
        return cm_sdp_offer_wrong(reader, "does not begin with a payload type up to 127");
    *value = cm_slice_trim(*value);
    *out = find_format(reader->media, type);
    return CM_OK;
}

/* RFC 8866 6.6: <payload type> <encoding>/<clock rate>[/<channels>] */
static cm_status read_rtpmap(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_format *format;
    CM_TRY(read_format(reader, &value, &format));
    const cm_slice encoding = cm_slice_cut(&value, '/');
    const cm_slice rate_text = cm_slice_cut(&value, '/');
    uint64_t rate;
    uint64_t channels = 1;
    if (!cm_sdp_is_token(encoding, UINT8_MAX) ||
        cm_slice_to_u64(rate_text, UINT32_MAX, &rate) != CM_OK || rate == 0)
        return cm_sdp_offer_wrong(reader, "is not an encoding, a slash and a clock rate");
    if (value.size > 0 && (cm_slice_to_u64(value, UINT8_MAX, &channels) != CM_OK || channels == 0))
        return cm_sdp_offer_wrong(reader, "has a number of channels that is none up to 255");
    if (format == NULL)
        return CM_OK;
    format->payload.encoding = encoding;
    format->payload.clock_rate = (uint32_t)rate;
    format->payload.channels = (uint8_t)channels;
    return CM_OK;
}

static cm_status read_fmtp(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_format *format;
    CM_TRY(read_format(reader, &value, &format));
    if (value.size == 0)
        return cm_sdp_offer_wrong(reader, "has no parameters");
    if (format != NULL)
        set_once(&format->payload.fmtp, value);
    return CM_OK;
}

static cm_sdp_feedback feedback_of(cm_slice value)
{
    static const struct {
        cm_sdp_feedback feedback;
        const char *name;
        const char *parameter;
    } NAMES[] = {
        {CM_SDP_NACK, "nack", ""},
        {CM_SDP_NACK_PLI, "nack", "pli"},
        {CM_SDP_CCM_FIR, "ccm", "fir"},
        {CM_SDP_REMB, "goog-remb", ""},
        {CM_SDP_TRANSPORT_CC, "transport-cc", ""},
    };
    const cm_slice name = cm_sdp_next_word(&value);
    const cm_slice parameter = cm_sdp_next_word(&value);
    for (size_t i = 0; i < CM_COUNT(NAMES); i++)
        if (cm_slice_equal_nocase(name, cm_slice_of(NAMES[i].name)) &&
            cm_slice_equal_nocase(parameter, cm_slice_of(NAMES[i].parameter)))
            return NAMES[i].feedback;
    return 0;
}

/* RFC 4585 4.2: <payload type or *> <feedback>; the star is for all types of the m-line. */
static cm_status read_rtcp_fb(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer_media *media = reader->media;
    cm_slice rest = value;
    const bool is_for_all = cm_slice_equal(cm_sdp_next_word(&rest), CM_TEXT("*"));
    if (is_for_all) {
        for (size_t i = 0; i < media->format_count; i++)
            media->formats[i].feedback |= feedback_of(rest);
        return CM_OK;
    }
    cm_sdp_format *format;
    CM_TRY(read_format(reader, &value, &format));
    if (format != NULL)
        format->feedback |= feedback_of(value);
    return CM_OK;
}

/* RFC 8285 5: <id>[/<direction>] <uri> <attributes> */
static cm_status read_extmap(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer_media *media = reader->media;
    cm_slice head = cm_sdp_next_word(&value);
    cm_sdp_extension extension = {0};
    uint64_t id;
    const bool is_number =
        cm_slice_to_u64(cm_slice_cut(&head, '/'), EXTENSION_ID_LATER_MAX, &id) == CM_OK;
    if (!is_number || id == 0 || (id > EXTENSION_ID_MAX && id < EXTENSION_ID_LATER))
        return cm_sdp_offer_wrong(reader, "has an id that is no number from 1 to 255");
    if (head.size > 0 && !cm_sdp_read_direction(head, &extension.direction))
        return cm_sdp_offer_wrong(reader, "has a direction that is none");
    extension.id = (uint8_t)id;
    extension.uri = cm_sdp_next_word(&value);
    if (extension.uri.size == 0)
        return cm_sdp_offer_wrong(reader, "has no URI");
    if (id <= EXTENSION_ID_MAX && media->extension_count < CM_SDP_OFFER_EXTENSION_MAX)
        media->extensions[media->extension_count++] = extension;
    return CM_OK;
}

/* --- the table ------------------------------------------------------------------------------- */

enum { SESSION = 1, MEDIA = 2 };

/* An attribute at a place where it means nothing is passed over as an unknown one. */
static const struct attribute {
    const char *field; // behind its "a=" the name
    unsigned places;
    cm_status (*read)(cm_sdp_offer_reader *reader, cm_slice value);
} ATTRIBUTES[] = {
    {"a=ice-ufrag", SESSION | MEDIA, read_ufrag},
    {"a=ice-pwd", SESSION | MEDIA, read_pwd},
    {"a=ice-options", SESSION | MEDIA, read_ice_options},
    {"a=fingerprint", SESSION | MEDIA, read_fingerprint},
    {"a=setup", SESSION | MEDIA, read_setup},
    {"a=ice-lite", SESSION, read_ice_lite},
    {"a=group", SESSION, read_group},
    {"a=candidate", MEDIA, read_candidate},
    {"a=end-of-candidates", MEDIA, read_end_of_candidates},
    {"a=rtcp-mux", MEDIA, read_rtcp_mux},
    {"a=rtcp-rsize", MEDIA, read_rtcp_rsize},
    {"a=bundle-only", MEDIA, read_bundle_only},
    {"a=mid", MEDIA, read_mid},
    {"a=msid", MEDIA, read_msid},
    {"a=ssrc", MEDIA, read_ssrc},
    {"a=ssrc-group", MEDIA, read_ssrc_group},
    {"a=rtpmap", MEDIA, read_rtpmap},
    {"a=fmtp", MEDIA, read_fmtp},
    {"a=rtcp-fb", MEDIA, read_rtcp_fb},
    {"a=extmap", MEDIA, read_extmap},
};

cm_status cm_sdp_offer_attribute(cm_sdp_offer_reader *reader, cm_slice name, cm_slice value)
{
    const unsigned place = reader->media != NULL ? MEDIA : SESSION;
    cm_sdp_direction *direction =
        reader->media != NULL ? &reader->media->direction : &reader->session_direction;
    if (cm_sdp_read_direction(name, direction))
        return CM_OK;
    for (size_t i = 0; i < CM_COUNT(ATTRIBUTES); i++) {
        const struct attribute *attribute = &ATTRIBUTES[i];
        if (!(attribute->places & place) ||
            !cm_slice_equal(name, cm_slice_from(cm_slice_of(attribute->field), 2)))
            continue;
        reader->field = attribute->field;
        return attribute->read(reader, value);
    }
    return CM_OK;
}
