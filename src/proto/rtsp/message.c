#include "proto/rtsp/message.h"

#include "proto/rtsp/token.h"

/* RFC 2326 7.1.1, what we send. */
static const struct reason {
    uint16_t status;
    const char *text;
} REASONS[] = {
    {200, "OK"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {451, "Parameter Not Understood"},
    {453, "Not Enough Bandwidth"},
    {454, "Session Not Found"},
    {455, "Method Not Valid in This State"},
    {459, "Aggregate Operation Not Allowed"},
    {460, "Only Aggregate Operation Allowed"},
    {461, "Unsupported Transport"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "RTSP Version Not Supported"},
    {551, "Option Not Supported"},
};

bool cm_rtsp_find(const cm_rtsp_message *message, cm_slice name, cm_slice *value)
{
    for (size_t i = 0; i < message->header_count; i++) {
        if (!cm_slice_equal_nocase(message->headers[i].name, name))
            continue;
        *value = message->headers[i].value;
        return true;
    }
    return false;
}

static void write_checked(cm_writer *w, cm_slice text, cm_slice forbidden)
{
    if (cm_rtsp_is_clean_of(text, forbidden))
        cm_write_slice(w, text);
    else
        w->failed = true;
}

/* A word of the start line: never empty, nothing in it that would end it. */
static void write_word(cm_writer *w, cm_slice word)
{
    if (word.size == 0)
        w->failed = true;
    write_checked(w, word, CM_TEXT(" \t"));
}

void cm_rtsp_write_request_line(cm_writer *w, cm_slice method, cm_slice uri)
{
    write_word(w, method);
    cm_write_u8(w, ' ');
    write_word(w, uri);
    cm_write_text(w, " RTSP/1.0\r\n");
}

void cm_rtsp_write_status_line(cm_writer *w, uint16_t status)
{
    const char *text = "Unknown";
    for (size_t i = 0; i < CM_COUNT(REASONS); i++)
        if (REASONS[i].status == status)
            text = REASONS[i].text;
    cm_write_text(w, "RTSP/1.0 ");
    cm_write_decimal(w, status);
    cm_write_u8(w, ' ');
    cm_write_text(w, text);
    cm_write_text(w, "\r\n");
}

void cm_rtsp_write_header(cm_writer *w, const char *name, cm_slice value)
{
    write_checked(w, cm_slice_of(name), CM_TEXT(" \t:"));
    cm_write_text(w, ": ");
    write_checked(w, value, (cm_slice){0});
    cm_write_text(w, "\r\n");
}

void cm_rtsp_write_header_u64(cm_writer *w, const char *name, uint64_t value)
{
    write_checked(w, cm_slice_of(name), CM_TEXT(" \t:"));
    cm_write_text(w, ": ");
    cm_write_decimal(w, value);
    cm_write_text(w, "\r\n");
}

void cm_rtsp_write_end(cm_writer *w, cm_slice body)
{
    if (body.size > 0)
        cm_rtsp_write_header_u64(w, "Content-Length", body.size);
    cm_write_text(w, "\r\n");
    cm_write_slice(w, body);
}

void cm_rtsp_write_interleaved_header(cm_writer *w, uint8_t channel, uint16_t payload_size)
{
    cm_write_u8(w, '$');
    cm_write_u8(w, channel);
    cm_write_u16(w, payload_size);
}
