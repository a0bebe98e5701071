#include "proto/sdp/offer.h"

#include "proto/sdp/offer_priv.h"
#include "proto/sdp/sdp_priv.h"

enum {
    ORIGIN_WORDS = 6,
    WORD_MAX = 64, /* of an m= line, which a rejection repeats */
};

cm_status cm_sdp_offer_wrong(const cm_sdp_offer_reader *reader, const char *reason)
{
    return cm_sdp_refuse(reader->error, reader->line, reader->field, reason);
}

cm_sdp_offer_media *cm_sdp_offer_find_mid(cm_sdp_offer *offer, cm_slice mid)
{
    for (size_t i = 0; i < offer->media_count; i++)
        if (cm_slice_equal(offer->medias[i].mid, mid))
            return &offer->medias[i];
    return NULL;
}

/* --- m= -------------------------------------------------------------------------------------- */

static bool has_format(const cm_sdp_offer_media *media, uint8_t type)
{
    for (size_t i = 0; i < media->format_count; i++)
        if (media->formats[i].payload.type == type)
            return true;
    return false;
}

static cm_status read_types(const cm_sdp_offer_reader *reader, cm_slice types,
                            cm_sdp_offer_media *out)
{
    for (cm_slice word; (word = cm_sdp_next_word(&types)).size > 0;) {
        uint8_t type;
        if (cm_sdp_read_type(word, &type) != CM_OK)
            return cm_sdp_offer_wrong(reader, "has a payload type that is no number up to 127");
        if (has_format(out, type))
            continue;
        if (out->format_count == CM_SDP_OFFER_FORMAT_MAX)
            return cm_sdp_offer_wrong(reader, "has more than 64 payload types");
        out->formats[out->format_count++].payload = cm_sdp_payload_of(type);
    }
    return CM_OK;
}

/* RFC 8866 5.14: <media> <port>[/<number of ports>] <proto> <fmt> ... */
static cm_status read_media(const cm_sdp_offer_reader *reader, cm_slice value,
                            cm_sdp_offer_media *out)
{
    out->line = reader->line;
    out->kind_name = cm_sdp_next_word(&value);
    cm_slice ports = cm_sdp_next_word(&value);
    out->protocol = cm_sdp_next_word(&value);
    cm_slice types = value;
    out->first_type = cm_sdp_next_word(&types);
    uint64_t port;
    if (out->first_type.size == 0)
        return cm_sdp_offer_wrong(reader, "is not: kind, port, protocol and payload types");
    if (out->kind_name.size > WORD_MAX || out->protocol.size > WORD_MAX ||
        out->first_type.size > WORD_MAX)
        return cm_sdp_offer_wrong(reader, "has a word of more than 64 characters");
    if (cm_slice_to_u64(cm_slice_cut(&ports, '/'), UINT16_MAX, &port) != CM_OK)
        return cm_sdp_offer_wrong(reader, "has a port that is no number up to 65535");
    if (cm_sdp_read_kind(out->kind_name, &out->kind) != CM_OK)
        out->kind = CM_SDP_OTHER;
    out->is_rejected = port == 0;
    if (out->kind == CM_SDP_VIDEO || out->kind == CM_SDP_AUDIO)
        return read_types(reader, value, out);
    return CM_OK;
}

static cm_status begin_media(cm_sdp_offer_reader *reader, cm_slice value)
{
    cm_sdp_offer *offer = reader->offer;
    if (offer->media_count == CM_SDP_OFFER_MEDIA_MAX)
        return cm_sdp_offer_wrong(reader, "is the 17th: there may be 16");
    reader->media = &offer->medias[offer->media_count++];
    return read_media(reader, value, reader->media);
}

/* --- lines ----------------------------------------------------------------------------------- */

/* RFC 8866 5: the first three lines are v=, o= and s=. */
static cm_status read_head(cm_sdp_offer_reader *reader, const cm_sdp_line *line)
{
    static const struct head {
        uint8_t type;
        const char *field;
        const char *missing;
    } HEADS[] = {
        {'v', "v=", "is missing: a description begins with v=0"},
        {'o', "o=", "is missing: the second line is the origin"},
        {'s', "s=", "is missing: the third line is the name"},
    };
    const struct head *head = &HEADS[line->number - 1];
    reader->field = head->field;
    if (line->type != head->type)
        return cm_sdp_offer_wrong(reader, head->missing);
    if (line->type == 'v' && !cm_slice_equal(line->value, CM_TEXT("0")))
        return cm_sdp_offer_wrong(reader, "is another version than 0");
    cm_slice rest = line->value;
    size_t words = 0;
    while (line->type == 'o' && cm_sdp_next_word(&rest).size > 0)
        words++;
    if (line->type == 'o' && words != ORIGIN_WORDS)
        return cm_sdp_offer_wrong(reader, "is not six words");
    return CM_OK;
}

static cm_status read_line(cm_sdp_offer_reader *reader, const cm_sdp_line *line)
{
    static const cm_slice PASSED_OVER = {.bytes = (const uint8_t *)"iuepcbtrzk", .size = 10};
    cm_slice value = line->value;
    reader->line = line->number;
    reader->field = "";
    if (line->number <= 3)
        return read_head(reader, line);
    if (line->type == 'm') {
        reader->field = "m=";
        return begin_media(reader, value);
    }
    if (line->type == 'a') {
        const cm_slice name = cm_slice_trim(cm_slice_cut(&value, ':'));
        return cm_sdp_offer_attribute(reader, name, cm_slice_trim(value));
    }
    if (cm_slice_find(PASSED_OVER, line->type) == PASSED_OVER.size)
        return cm_sdp_offer_wrong(reader, CM_SDP_LETTER_RULE);
    return CM_OK;
}

cm_status cm_sdp_offer_parse(cm_slice text, cm_sdp_offer *out, cm_sdp_error *error)
{
    cm_sdp_lines lines;
    cm_sdp_line line;
    cm_status status;
    *out = (cm_sdp_offer){0};
    cm_sdp_offer_reader reader = {
        .offer = out, .error = error, .session_direction = CM_SDP_SENDRECV};
    CM_TRY(cm_sdp_lines_open(text, &lines, error));
    while ((status = cm_sdp_lines_next(&lines, &line, error)) == CM_OK)
        CM_TRY(read_line(&reader, &line));
    CM_ENSURE(status == CM_ABSENT, status);
    return cm_sdp_offer_complete(&reader);
}

/* --- questions ------------------------------------------------------------------------------- */

static uint8_t extension_id(const cm_sdp_offer_media *media, cm_slice uri)
{
    for (size_t i = 0; i < media->extension_count; i++) {
        const cm_sdp_extension *extension = &media->extensions[i];
        if (cm_slice_equal(extension->uri, uri) && extension->id <= CM_RTP_ONE_BYTE_ID_MAX &&
            extension->direction != CM_SDP_INACTIVE)
            return extension->id;
    }
    return 0;
}

cm_rtp_extension_ids cm_sdp_offer_extensions(const cm_sdp_offer_media *media)
{
    cm_rtp_extension_ids ids = {
        .transport_sequence = extension_id(media, CM_TEXT(CM_SDP_EXT_TRANSPORT_CC)),
        .capture_time = extension_id(media, CM_TEXT(CM_SDP_EXT_CAPTURE_TIME)),
        .playout_delay = extension_id(media, CM_TEXT(CM_SDP_EXT_PLAYOUT_DELAY)),
        .mid = extension_id(media, CM_TEXT(CM_SDP_EXT_MID)),
    };
    if (media->mid.size == 0 || media->mid.size > CM_RTP_ELEMENT_MAX)
        ids.mid = 0;
    return ids;
}

void cm_sdp_offer_ssrcs(const cm_sdp_offer_media *media, uint32_t *ssrc, uint32_t *rtx_ssrc)
{
    *ssrc = media->ssrc_count > 0 ? media->ssrcs[0].ssrc : 0;
    *rtx_ssrc = 0;
    for (size_t i = 0; i < media->group_count; i++) {
        if (!media->groups[i].is_retransmission)
            continue;
        *ssrc = media->groups[i].first;
        *rtx_ssrc = media->groups[i].second;
        return;
    }
}
