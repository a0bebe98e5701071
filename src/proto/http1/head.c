/* Finding and parsing the head of a request: RFC 9112 2 to 6. */
#include "proto/http1/http1.h"

static const struct {
    unsigned status;
    const char *text;
} FAULTS[CM_HTTP1_FAULTS] = {
    [CM_HTTP1_NO_FAULT] = {200, "Nothing is wrong."},
    [CM_HTTP1_BAD_CHARACTER] = {400, "A line holds a control character or does not end in CRLF."},
    [CM_HTTP1_BAD_REQUEST_LINE] = {400, "The request line is not METHOD TARGET HTTP/1.1."},
    [CM_HTTP1_BAD_TARGET] = {400, "The address asked for is malformed."},
    [CM_HTTP1_BAD_FIELD] = {400, "A header line is malformed."},
    [CM_HTTP1_BAD_HOST] = {400, "There must be exactly one valid Host field."},
    [CM_HTTP1_BAD_FRAMING] = {400, "The length of the body is not stated in one clear way."},
    [CM_HTTP1_TARGET_TOO_LONG] = {414, "The request line is longer than 8192 bytes."},
    [CM_HTTP1_HEAD_TOO_LARGE] = {431, "The header lines are too long or too many."},
    [CM_HTTP1_BAD_METHOD] = {501, "This method is not served here."},
    [CM_HTTP1_BAD_CODING] = {501, "No transfer coding but chunked is understood."},
    [CM_HTTP1_BAD_VERSION] = {505, "Only HTTP/1.0, HTTP/1.1 and, over TLS, HTTP/2 are spoken."},
};

unsigned cm_http1_fault_status(cm_http1_fault fault)
{
    return FAULTS[fault].status;
}

const char *cm_http1_fault_text(cm_http1_fault fault)
{
    return FAULTS[fault].text;
}

static cm_status refuse(cm_http1_fault *fault, cm_http1_fault cause)
{
    *fault = cause;
    return CM_REFUSE;
}

/* ---- where it ends ---- */

static cm_http1_fault check_byte(const cm_http1_scan *scan, uint8_t c)
{
    if (scan->is_after_cr != (c == '\n')) /* CR without LF, or LF without CR: RFC 9112 2.2 */
        return CM_HTTP1_BAD_CHARACTER;
    if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7F)
        return CM_HTTP1_BAD_CHARACTER;
    if (scan->at - scan->line_begin >= CM_HTTP1_LINE_MAX)
        return scan->lines == 0 ? CM_HTTP1_TARGET_TOO_LONG : CM_HTTP1_HEAD_TOO_LARGE;
    if (scan->at >= CM_HTTP1_HEAD_MAX)
        return CM_HTTP1_HEAD_TOO_LARGE;
    return CM_HTTP1_NO_FAULT;
}

cm_status cm_http1_scan_head(cm_http1_scan *scan, cm_slice bytes, size_t *head_size,
                             cm_http1_fault *fault)
{
    while (scan->at < bytes.size) {
        const uint8_t c = bytes.bytes[scan->at];
        const cm_http1_fault found = check_byte(scan, c);
        if (found != CM_HTTP1_NO_FAULT)
            return refuse(fault, found);
        scan->is_after_cr = c == '\r';
        scan->at++;
        if (c != '\n')
            continue;
        const bool is_empty = scan->at - scan->line_begin == 2;
        const bool is_leading = scan->line_begin == 0;
        scan->line_begin = scan->at;
        scan->lines += !is_empty;
        if (is_empty && !is_leading) {
            *head_size = scan->at;
            return CM_OK;
        }
    }
    return CM_RETRY;
}

/* ---- request line ---- */

/* Off the front up to CRLF, which cm_http1_scan_head has made sure of. */
static cm_slice cut_line(cm_slice *rest)
{
    const cm_slice line = cm_slice_cut(rest, '\r');
    *rest = cm_slice_from(*rest, 1);
    return line;
}

static cm_status parse_version(cm_slice text, uint8_t *minor, cm_http1_fault *fault)
{
    if (cm_slice_equal(text, CM_TEXT("HTTP/1.1"))) {
        *minor = 1;
        return CM_OK;
    }
    if (cm_slice_equal(text, CM_TEXT("HTTP/1.0"))) {
        *minor = 0;
        return CM_OK;
    }
    const bool is_http = cm_slice_starts(text, CM_TEXT("HTTP/")) && text.size == 8;
    return refuse(fault, is_http ? CM_HTTP1_BAD_VERSION : CM_HTTP1_BAD_REQUEST_LINE);
}

static cm_status parse_request_line(cm_slice line, cm_http1_head *head, cm_http1_fault *fault)
{
    head->method = cm_slice_cut(&line, ' ');
    const cm_slice target = cm_slice_cut(&line, ' ');
    if (!cm_http_is_token(head->method) || target.size == 0)
        return refuse(fault, CM_HTTP1_BAD_REQUEST_LINE);
    CM_TRY(parse_version(line, &head->minor_version, fault));
    /* Their targets have forms of their own. */
    if (cm_slice_equal(head->method, CM_TEXT("CONNECT")) ||
        cm_slice_equal(head->method, CM_TEXT("TRACE")))
        return refuse(fault, CM_HTTP1_BAD_METHOD);
    if (cm_http_target_parse(target, &head->target) != CM_OK)
        return refuse(fault, CM_HTTP1_BAD_TARGET);
    return CM_OK;
}

/* ---- fields ---- */

static cm_status parse_field(cm_slice line, cm_http1_head *head, cm_http1_fault *fault)
{
    const size_t colon = cm_slice_find(line, ':');
    const cm_slice name = cm_slice_part(line, 0, colon);
    /* A line that begins with a space (obs-fold, RFC 9112 5.2) or has one before its colon (5.1)
     * has no token for a name. */
    if (colon == line.size || !cm_http_is_token(name))
        return refuse(fault, CM_HTTP1_BAD_FIELD);
    if (head->field_count == CM_HTTP1_FIELDS_MAX)
        return refuse(fault, CM_HTTP1_HEAD_TOO_LARGE);
    const cm_slice value = cm_slice_trim(cm_slice_from(line, colon + 1));
    head->fields[head->field_count++] = (cm_http_field){.name = name, .value = value};
    return CM_OK;
}

/* RFC 9112 3.2: one Host, in 1.1 always. */
static cm_status settle_host(cm_http1_head *head, cm_http1_fault *fault)
{
    cm_slice host = {0};
    const size_t count =
        cm_http_field_find(head->fields, head->field_count, CM_TEXT("host"), &host);
    if (count > 1 || (count == 0 && head->minor_version == 1))
        return refuse(fault, CM_HTTP1_BAD_HOST);
    if (count == 1 && !cm_http_is_authority(host))
        return refuse(fault, CM_HTTP1_BAD_HOST);
    head->host = head->target.is_absolute ? head->target.authority : host;
    return CM_OK;
}

/* RFC 9112 6.3: a body has one length. Content-Length beside Transfer-Encoding, or twice even with
 * the same number, is refused rather than repaired. */
static cm_status settle_framing(cm_http1_head *head, cm_http1_fault *fault)
{
    cm_slice length = {0}, coding = {0};
    const size_t lengths =
        cm_http_field_find(head->fields, head->field_count, CM_TEXT("content-length"), &length);
    const size_t codings =
        cm_http_field_find(head->fields, head->field_count, CM_TEXT("transfer-encoding"), &coding);
    if (lengths + codings > 1)
        return refuse(fault, CM_HTTP1_BAD_FRAMING);
    if (lengths == 1) {
        head->framing = CM_HTTP1_LENGTH;
        if (cm_slice_to_u64(length, INT64_MAX, &head->content_length) != CM_OK)
            return refuse(fault, CM_HTTP1_BAD_FRAMING);
    }
    if (codings == 1) {
        head->framing = CM_HTTP1_CHUNKED;
        if (head->minor_version == 0) /* RFC 9112 6.1 */
            return refuse(fault, CM_HTTP1_BAD_FRAMING);
        if (!cm_slice_equal_nocase(coding, CM_TEXT("chunked")))
            return refuse(fault, CM_HTTP1_BAD_CODING);
    }
    return CM_OK;
}

static void settle_connection(cm_http1_head *head)
{
    const cm_slice connection = CM_TEXT("connection");
    cm_slice expect = {0};
    head->is_persistent =
        head->minor_version == 1 &&
        !cm_http_field_lists(head->fields, head->field_count, connection, CM_TEXT("close"));
    head->expects_continue =
        head->minor_version == 1 &&
        cm_http_field_find(head->fields, head->field_count, CM_TEXT("expect"), &expect) == 1 &&
        cm_slice_equal_nocase(expect, CM_TEXT("100-continue"));
}

cm_status cm_http1_parse_head(cm_slice head, cm_http1_head *out, cm_http1_fault *fault)
{
    out->field_count = 0;
    out->framing = CM_HTTP1_NO_BODY;
    out->content_length = 0;
    cm_slice line = cut_line(&head);
    if (line.size == 0)
        line = cut_line(&head);
    CM_TRY(parse_request_line(line, out, fault));
    for (line = cut_line(&head); line.size > 0; line = cut_line(&head))
        CM_TRY(parse_field(line, out, fault));
    CM_TRY(settle_host(out, fault));
    CM_TRY(settle_framing(out, fault));
    settle_connection(out);
    return CM_OK;
}
