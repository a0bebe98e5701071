/* The head of a response: RFC 9112 4, RFC 9110 15. */
#include <assert.h>

#include "proto/http1/http1.h"

static const struct {
    unsigned status;
    const char *phrase;
} REASONS[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *cm_http1_reason(unsigned status)
{
    for (size_t i = 0; i < CM_COUNT(REASONS); i++)
        if (REASONS[i].status == status)
            return REASONS[i].phrase;
    return "Unknown";
}

void cm_http1_write_head(cm_writer *w, unsigned status, const cm_http_field *fields, size_t count)
{
    assert(status >= 100 && status <= 599);
    cm_write_text(w, "HTTP/1.1 ");
    cm_write_decimal(w, status);
    cm_write_text(w, " ");
    cm_write_text(w, cm_http1_reason(status));
    cm_write_text(w, "\r\n");
    for (size_t i = 0; i < count; i++) {
        assert(cm_http_is_token(fields[i].name) && cm_http_is_field_value(fields[i].value));
        cm_write_slice(w, fields[i].name);
        cm_write_text(w, ": ");
        cm_write_slice(w, fields[i].value);
        cm_write_text(w, "\r\n");
    }
    cm_write_text(w, "\r\n");
}
