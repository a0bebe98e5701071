#include "proto/rtsp/headers.h"

#include "proto/rtsp/token.h"

enum { TIMEOUT_DEFAULT_S = 60 };

static const char *const METHODS[CM_RTSP_METHOD_COUNT] = {
    [CM_RTSP_OPTIONS] = "OPTIONS",
    [CM_RTSP_DESCRIBE] = "DESCRIBE",
    [CM_RTSP_SETUP] = "SETUP",
    [CM_RTSP_PLAY] = "PLAY",
    [CM_RTSP_PAUSE] = "PAUSE",
    [CM_RTSP_TEARDOWN] = "TEARDOWN",
    [CM_RTSP_GET_PARAMETER] = "GET_PARAMETER",
    [CM_RTSP_SET_PARAMETER] = "SET_PARAMETER",
    [CM_RTSP_ANNOUNCE] = "ANNOUNCE",
    [CM_RTSP_RECORD] = "RECORD",
    [CM_RTSP_REDIRECT] = "REDIRECT",
};

cm_status cm_rtsp_cseq(const cm_rtsp_message *message, uint32_t *out)
{
    cm_slice value;
    uint64_t number;
    CM_ENSURE(cm_rtsp_find(message, CM_TEXT("CSeq"), &value), CM_ABSENT);
    CM_TRY(cm_slice_to_u64(value, UINT32_MAX, &number));
    *out = (uint32_t)number;
    return CM_OK;
}

cm_status cm_rtsp_session_parse(cm_slice value, cm_rtsp_session *out)
{
    cm_rtsp_session session = {.id = cm_slice_trim(cm_slice_cut(&value, ';')),
                               .timeout_s = TIMEOUT_DEFAULT_S};
    CM_ENSURE(session.id.size > 0, CM_REFUSE);
    while (value.size > 0) {
        cm_slice name;
        cm_slice text;
        uint64_t seconds;
        if (cm_rtsp_split_parameter(cm_slice_cut(&value, ';'), &name, &text) &&
            cm_slice_equal_nocase(name, CM_TEXT("timeout")) &&
            cm_slice_to_u64(text, UINT32_MAX, &seconds) == CM_OK && seconds > 0)
            session.timeout_s = (uint32_t)seconds;
    }
    *out = session;
    return CM_OK;
}

void cm_rtsp_session_write(cm_writer *w, const cm_rtsp_session *session)
{
    if (session->id.size == 0 || !cm_rtsp_is_clean_of(session->id, CM_TEXT("; ")))
        w->failed = true;
    cm_write_slice(w, session->id);
    cm_write_text(w, ";timeout=");
    cm_write_decimal(w, session->timeout_s);
}

cm_rtsp_method cm_rtsp_method_of(cm_slice name)
{
    int i = 0;
    while (i < CM_RTSP_METHOD_COUNT && !cm_slice_equal(name, cm_slice_of(METHODS[i])))
        i++;
    return (cm_rtsp_method)i;
}

cm_slice cm_rtsp_method_name(cm_rtsp_method method)
{
    return method < CM_RTSP_METHOD_COUNT ? cm_slice_of(METHODS[method]) : (cm_slice){0};
}

uint32_t cm_rtsp_public_parse(cm_slice value)
{
    uint32_t methods = 0;
    while (value.size > 0) {
        const cm_rtsp_method method = cm_rtsp_method_of(cm_slice_trim(cm_slice_cut(&value, ',')));
        if (method != CM_RTSP_METHOD_COUNT)
            methods |= 1u << method;
    }
    return methods;
}

void cm_rtsp_public_write(cm_writer *w, uint32_t methods)
{
    bool is_first = true;
    for (int i = 0; i < CM_RTSP_METHOD_COUNT; i++) {
        if (!(methods >> i & 1))
            continue;
        cm_write_text(w, is_first ? "" : ", ");
        cm_write_text(w, METHODS[i]);
        is_first = false;
    }
}

static void read_rtp_info_value(cm_slice name, cm_slice value, cm_rtsp_rtp_info *out)
{
    uint64_t number;
    if (cm_slice_equal_nocase(name, CM_TEXT("url"))) {
        out->url = value;
    } else if (cm_slice_equal_nocase(name, CM_TEXT("seq"))) {
        out->has_seq = cm_slice_to_u64(value, UINT16_MAX, &number) == CM_OK;
        out->seq = out->has_seq ? (uint16_t)number : 0;
    } else if (cm_slice_equal_nocase(name, CM_TEXT("rtptime"))) {
        out->has_rtptime = cm_slice_to_u64(value, UINT32_MAX, &number) == CM_OK;
        out->rtptime = out->has_rtptime ? (uint32_t)number : 0;
    }
}

cm_status cm_rtsp_rtp_info_next(cm_slice *rest, cm_rtsp_rtp_info *out)
{
    while (rest->size > 0) {
        cm_slice stream = cm_slice_trim(cm_rtsp_cut_unquoted(rest, ','));
        if (stream.size == 0)
            continue;
        cm_rtsp_rtp_info info = {0};
        while (stream.size > 0) {
            cm_slice name;
            cm_slice value;
            if (cm_rtsp_split_parameter(cm_rtsp_cut_unquoted(&stream, ';'), &name, &value))
                read_rtp_info_value(name, value, &info);
        }
        *out = info;
        return CM_OK;
    }
    return CM_ABSENT;
}

void cm_rtsp_rtp_info_write(cm_writer *w, const cm_rtsp_rtp_info *info)
{
    if (!cm_rtsp_is_clean_of(info->url, CM_TEXT("\",; ")))
        w->failed = true;
    cm_write_text(w, "url=");
    cm_write_slice(w, info->url);
    if (info->has_seq)
        cm_write_format(w, ";seq=%u", (unsigned)info->seq);
    if (info->has_rtptime)
        cm_write_format(w, ";rtptime=%u", (unsigned)info->rtptime);
}

bool cm_rtsp_content_type_is(cm_slice value, cm_slice type)
{
    return cm_slice_equal_nocase(cm_slice_trim(cm_slice_cut(&value, ';')), type);
}
