#include "proto/sdp/fragment.h"

#include "proto/sdp/lines.h"
#include "proto/sdp/sdp_priv.h"
#include "proto/sdp/transport_priv.h"

enum { MEDIA_LINE_MAX = 256 };

typedef struct fragment_reader {
    cm_sdp_fragment *fragment;
    cm_sdp_error *error;
    size_t media_count;
    size_t credentials_line;
} fragment_reader;

/* Said once, or again the same: all of a bundle has one transport. */
static cm_status set_same(const fragment_reader *reader, size_t line, const char *field,
                          cm_slice value, cm_slice *kept)
{
    if (kept->size > 0 && !cm_slice_equal(*kept, value))
        return cm_sdp_refuse(reader->error, line, field, "differs from the one said before");
    *kept = value;
    return CM_OK;
}

static cm_status read_ufrag(fragment_reader *reader, size_t line, cm_slice value)
{
    if (!cm_sdp_is_ice_text(value, CM_SDP_UFRAG_MIN, CM_SDP_ICE_TEXT_MAX))
        return cm_sdp_refuse(reader->error, line, "a=ice-ufrag", CM_SDP_UFRAG_RULE);
    reader->credentials_line = line;
    return set_same(reader, line, "a=ice-ufrag", value, &reader->fragment->ufrag);
}

static cm_status read_pwd(fragment_reader *reader, size_t line, cm_slice value)
{
    if (!cm_sdp_is_ice_text(value, CM_SDP_PWD_MIN, CM_SDP_ICE_TEXT_MAX))
        return cm_sdp_refuse(reader->error, line, "a=ice-pwd", CM_SDP_PWD_RULE);
    reader->credentials_line = line;
    return set_same(reader, line, "a=ice-pwd", value, &reader->fragment->pwd);
}

static cm_status read_mid(fragment_reader *reader, size_t line, cm_slice value)
{
    if (!cm_sdp_is_token(value, CM_SDP_MID_MAX))
        return cm_sdp_refuse(reader->error, line, "a=mid", CM_SDP_MID_RULE);
    if (reader->media_count == 1 && reader->fragment->mid.size == 0)
        reader->fragment->mid = value;
    return CM_OK;
}

static cm_status read_candidate(fragment_reader *reader, size_t line, cm_slice value)
{
    cm_sdp_fragment *fragment = reader->fragment;
    cm_sdp_candidate candidate;
    const char *reason;
    const cm_status status = cm_sdp_candidate_parse(value, &candidate, &reason);
    if (status == CM_REFUSE)
        return cm_sdp_refuse(reader->error, line, "a=candidate", reason);
    if (status == CM_OK && fragment->candidate_count < CM_SDP_FRAGMENT_CANDIDATE_MAX)
        fragment->candidates[fragment->candidate_count++] = candidate;
    return CM_OK;
}

static cm_status read_attribute(fragment_reader *reader, const cm_sdp_line *line)
{
    cm_slice value = line->value;
    const cm_slice name = cm_slice_trim(cm_slice_cut(&value, ':'));
    value = cm_slice_trim(value);
    if (cm_slice_equal(name, CM_TEXT("ice-ufrag")))
        return read_ufrag(reader, line->number, value);
    if (cm_slice_equal(name, CM_TEXT("ice-pwd")))
        return read_pwd(reader, line->number, value);
    if (cm_slice_equal(name, CM_TEXT("mid")))
        return read_mid(reader, line->number, value);
    if (cm_slice_equal(name, CM_TEXT("candidate")))
        return read_candidate(reader, line->number, value);
    if (cm_slice_equal(name, CM_TEXT("end-of-candidates")))
        reader->fragment->is_end_of_candidates = true;
    return CM_OK;
}

static cm_status read_media_line(fragment_reader *reader, const cm_sdp_line *line)
{
    if (line->value.size == 0 || line->value.size > MEDIA_LINE_MAX)
        return cm_sdp_refuse(reader->error, line->number, "m=", "is not 1 to 256 characters");
    if (++reader->media_count > CM_SDP_OFFER_MEDIA_MAX)
        return cm_sdp_refuse(reader->error, line->number, "m=", "is the 17th: there may be 16");
    if (reader->media_count == 1)
        reader->fragment->media_line = line->value;
    return CM_OK;
}

static cm_status read_line(fragment_reader *reader, const cm_sdp_line *line)
{
    static const cm_slice PASSED_OVER = {.bytes = (const uint8_t *)"vosiuepcbtrzk", .size = 13};
    if (line->type == 'a')
        return read_attribute(reader, line);
    if (line->type == 'm')
        return read_media_line(reader, line);
    if (cm_slice_find(PASSED_OVER, line->type) == PASSED_OVER.size)
        return cm_sdp_refuse(reader->error, line->number, "", CM_SDP_LETTER_RULE);
    return CM_OK;
}

static cm_status check(const fragment_reader *reader)
{
    const cm_sdp_fragment *fragment = reader->fragment;
    if ((fragment->ufrag.size > 0) != (fragment->pwd.size > 0))
        return cm_sdp_refuse(reader->error, reader->credentials_line, "",
                             "a=ice-ufrag and a=ice-pwd come together");
    if (fragment->ufrag.size == 0 && fragment->candidate_count == 0 &&
        !fragment->is_end_of_candidates)
        return cm_sdp_refuse(reader->error, 0, "",
                             "the fragment has neither candidates nor credentials");
    return CM_OK;
}

cm_status cm_sdp_fragment_parse(cm_slice text, cm_sdp_fragment *out, cm_sdp_error *error)
{
    cm_sdp_lines lines;
    cm_sdp_line line;
    cm_status status;
    *out = (cm_sdp_fragment){0};
    fragment_reader reader = {.fragment = out, .error = error};
    CM_TRY(cm_sdp_lines_open(text, &lines, error));
    while ((status = cm_sdp_lines_next(&lines, &line, error)) == CM_OK)
        CM_TRY(read_line(&reader, &line));
    CM_ENSURE(status == CM_ABSENT, status);
    return check(&reader);
}

bool cm_sdp_fragment_is_restart(const cm_sdp_fragment *fragment, cm_slice ufrag)
{
    return fragment->ufrag.size > 0 && !cm_slice_equal(fragment->ufrag, ufrag);
}

void cm_sdp_fragment_write(cm_writer *w, const cm_sdp_fragment *request,
                           const cm_sdp_answer_transport *transport)
{
    if (transport->is_ice_lite)
        cm_write_text(w, "a=ice-lite\r\n");
    cm_write_text(w, "a=ice-options:trickle\r\n");
    cm_sdp_write_line(
        w, "m=", request->media_line.size > 0 ? request->media_line : CM_TEXT("audio 9 RTP/AVP 0"));
    if (request->mid.size > 0)
        cm_sdp_write_line(w, "a=mid:", request->mid);
    cm_sdp_write_credentials(w, transport);
    cm_sdp_write_candidates(w, transport);
}
