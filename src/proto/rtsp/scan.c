#include "proto/rtsp/headers.h"
#include "proto/rtsp/message.h"

#include "base/reader.h"

enum {
    CHANNEL_MAX_DEFAULT = 31,
    FRAME_HEADER_SIZE = 4,
    METHOD_SIZE_MAX = 20,
    RTP_VERSION = 2,
    RTCP_SIZE_MIN = 8, /* the shortest thing a frame carries: an empty receiver report */
    STATUS_MIN = 100,
    STATUS_MAX = 599,
};

/* What may begin with some bytes. */
typedef enum start {
    START_NOTHING,
    START_UNSURE, /* too few bytes to tell */
    START_FRAME,
    START_RESPONSE,
    START_REQUEST,
} start;

void cm_rtsp_scanner_init(cm_rtsp_scanner *s)
{
    *s = (cm_rtsp_scanner){.channel_max = CHANNEL_MAX_DEFAULT};
}

/*
 * RFC 2326 10.12. In step, the framing is believed whatever the payload. Out of step a '$' may be
 * any byte of a picture: then the channel, the size and the version bits of RTP must agree too.
 */
static start classify_frame(const cm_rtsp_scanner *s, cm_slice at)
{
    if (at.size >= 2 && at.bytes[1] > s->channel_max)
        return START_NOTHING;
    if (!s->is_lost)
        return at.size < FRAME_HEADER_SIZE ? START_UNSURE : START_FRAME;
    if (at.size <= FRAME_HEADER_SIZE)
        return START_UNSURE;
    cm_reader r = cm_reader_over(cm_slice_from(at, 2));
    const uint16_t size = cm_read_u16(&r);
    const uint8_t first = cm_read_u8(&r);
    return size >= RTCP_SIZE_MIN && first >> 6 == RTP_VERSION ? START_FRAME : START_NOTHING;
}

/* Do `at` and `text` agree as far as both go? */
static bool is_prefix_either_way(cm_slice at, cm_slice text)
{
    return at.size < text.size ? cm_slice_starts(text, at) : cm_slice_starts(at, text);
}

/* Out of step only methods that exist are believed. */
static start classify_known_request(cm_slice at)
{
    for (int i = 0; i < CM_RTSP_METHOD_COUNT; i++) {
        const cm_slice name = cm_rtsp_method_name((cm_rtsp_method)i);
        if (!is_prefix_either_way(at, name))
            continue;
        if (at.size <= name.size)
            return START_UNSURE;
        if (at.bytes[name.size] == ' ')
            return START_REQUEST;
    }
    return START_NOTHING;
}

static start classify_request(cm_slice at)
{
    for (size_t i = 0; i < at.size && i <= METHOD_SIZE_MAX; i++) {
        const uint8_t c = at.bytes[i];
        if (c == ' ' && i > 0)
            return START_REQUEST;
        if (!(c >= 'A' && c <= 'Z') && c != '_')
            return START_NOTHING;
    }
    return at.size <= METHOD_SIZE_MAX ? START_UNSURE : START_NOTHING;
}

static start classify(const cm_rtsp_scanner *s, cm_slice at)
{
    const cm_slice version = CM_TEXT("RTSP/");
    if (at.bytes[0] == '$')
        return classify_frame(s, at);
    if (is_prefix_either_way(at, version))
        return at.size < version.size ? START_UNSURE : START_RESPONSE;
    return s->is_lost ? classify_known_request(at) : classify_request(at);
}

/* --- heads of messages ------------------------------------------------------------------- */

/* Size of the head with its blank line, or 0: not all there. Lines may end in LF alone. */
static size_t find_head_end(cm_slice text, size_t from)
{
    while (from < text.size) {
        const size_t newline = from + cm_slice_find(cm_slice_from(text, from), '\n');
        const cm_slice after = cm_slice_part(text, newline + 1, 2);
        if (cm_slice_starts(after, CM_TEXT("\n")))
            return newline + 2;
        if (cm_slice_starts(after, CM_TEXT("\r\n")))
            return newline + 3;
        from = newline + 1;
    }
    return 0;
}

static cm_slice next_word(cm_slice *rest)
{
    *rest = cm_slice_trim(*rest);
    return cm_slice_cut(rest, ' ');
}

/* RFC 2326 7.1: RTSP-Version SP Status-Code SP Reason-Phrase */
static cm_status parse_status_line(cm_slice line, cm_rtsp_message *out)
{
    uint64_t status;
    CM_ENSURE(cm_slice_starts(next_word(&line), CM_TEXT("RTSP/")), CM_REFUSE);
    CM_TRY(cm_slice_to_u64(next_word(&line), STATUS_MAX, &status));
    CM_ENSURE(status >= STATUS_MIN, CM_REFUSE);
    out->status = (uint16_t)status;
    out->reason = cm_slice_trim(line);
    return CM_OK;
}

/* RFC 2326 6.1: Method SP Request-URI SP RTSP-Version */
static cm_status parse_request_line(cm_slice line, cm_rtsp_message *out)
{
    out->method = next_word(&line);
    out->uri = next_word(&line);
    CM_ENSURE(cm_slice_starts(cm_slice_trim(line), CM_TEXT("RTSP/")), CM_REFUSE);
    return CM_OK;
}

/* A header line, or the continuation of one (RFC 2326 15.1: a line that starts with a blank). A
 * line without a colon is passed over. `at` is the line's place in `head`. */
static cm_status parse_header_line(cm_slice head, size_t at, cm_slice line, size_t *value_at,
                                   cm_rtsp_message *out)
{
    if (line.bytes[0] == ' ' || line.bytes[0] == '\t') {
        if (out->header_count > 0)
            out->headers[out->header_count - 1].value =
                cm_slice_trim(cm_slice_part(head, *value_at, at + line.size - *value_at));
        return CM_OK;
    }
    const size_t colon = cm_slice_find(line, ':');
    const cm_slice name = cm_slice_trim(cm_slice_part(line, 0, colon));
    if (colon == line.size || name.size == 0)
        return CM_OK;
    CM_ENSURE(out->header_count < CM_RTSP_HEADER_MAX, CM_CLOSE);
    *value_at = at + colon + 1;
    out->headers[out->header_count++] = (cm_rtsp_header){
        .name = name,
        .value = cm_slice_trim(cm_slice_from(line, colon + 1)),
    };
    return CM_OK;
}

static cm_status parse_head(cm_slice head, cm_rtsp_message *out)
{
    cm_slice rest = head;
    const cm_slice start_line = cm_slice_trim(cm_slice_cut(&rest, '\n'));
    CM_TRY(out->kind == CM_RTSP_RESPONSE ? parse_status_line(start_line, out)
                                         : parse_request_line(start_line, out));
    size_t value_at = 0;
    while (rest.size > 0) {
        const size_t at = head.size - rest.size;
        const cm_slice line = cm_slice_cut(&rest, '\n');
        if (cm_slice_trim(line).size > 0)
            CM_TRY(parse_header_line(head, at, line, &value_at, out));
    }
    return CM_OK;
}

static cm_status body_size(const cm_rtsp_message *message, size_t *out)
{
    cm_slice value;
    uint64_t size = 0;
    if (cm_rtsp_find(message, CM_TEXT("Content-Length"), &value))
        CM_ENSURE(cm_slice_to_u64(value, CM_RTSP_BODY_SIZE_MAX, &size) == CM_OK, CM_CLOSE);
    *out = (size_t)size;
    return CM_OK;
}

/* --- things, whole ------------------------------------------------------------------------- */

/* CM_RETRY until all `size` bytes are there; remembers how many that are. */
static cm_status await(cm_rtsp_scanner *s, cm_slice at, size_t size)
{
    s->needed = size;
    return at.size >= size ? CM_OK : CM_RETRY;
}

/* CM_REFUSE: it only looked like a message. */
static cm_status read_message(cm_rtsp_scanner *s, cm_slice at, cm_rtsp_message *out, size_t *size)
{
    const cm_slice searchable = cm_slice_part(at, 0, CM_RTSP_HEAD_SIZE_MAX);
    const size_t head_size = find_head_end(searchable, s->searched);
    if (head_size == 0) {
        CM_ENSURE(at.size < CM_RTSP_HEAD_SIZE_MAX, CM_CLOSE);
        /* The blank line may be cut in its middle: its last three bytes are looked at again. */
        s->searched = at.size > 3 ? at.size - 3 : 0;
        return CM_RETRY;
    }
    size_t body;
    CM_TRY(parse_head(cm_slice_part(at, 0, head_size), out));
    CM_TRY(body_size(out, &body));
    CM_TRY(await(s, at, head_size + body));
    out->body = cm_slice_part(at, head_size, body);
    *size = head_size + body;
    return CM_OK;
}

static cm_status read_frame(cm_rtsp_scanner *s, cm_slice at, cm_rtsp_message *out, size_t *size)
{
    cm_reader r = cm_reader_over(cm_slice_from(at, 1));
    out->channel = cm_read_u8(&r);
    const size_t payload_size = cm_read_u16(&r);
    *size = FRAME_HEADER_SIZE + payload_size;
    CM_TRY(await(s, at, *size + s->is_lost));
    if (s->is_lost) {
        /* What follows must look like a beginning too. It is waited for, so that what is found
         * does not hang on how the bytes were cut into segments. */
        const start next = classify(s, cm_slice_from(at, *size));
        CM_ENSURE(next != START_UNSURE, CM_RETRY);
        CM_ENSURE(next != START_NOTHING, CM_REFUSE);
    }
    out->body = cm_slice_part(at, FRAME_HEADER_SIZE, payload_size);
    return CM_OK;
}

static cm_status read_thing(cm_rtsp_scanner *s, start kind, cm_slice at, cm_rtsp_message *out,
                            size_t *size)
{
    /* Not one initializer: it would clear two kilobytes for each of a camera's frames. */
    out->header_count = 0;
    out->method = out->uri = out->reason = out->body = (cm_slice){0};
    out->status = 0;
    out->channel = 0;
    if (kind == START_FRAME) {
        out->kind = CM_RTSP_INTERLEAVED;
        return read_frame(s, at, out, size);
    }
    out->kind = kind == START_RESPONSE ? CM_RTSP_RESPONSE : CM_RTSP_REQUEST;
    return read_message(s, at, out, size);
}

/* --- the stream ---------------------------------------------------------------------------- */

static void begin_next(cm_rtsp_scanner *s)
{
    s->searched = 0;
    s->needed = 0;
}

/* One byte is passed over. Line ends between messages are no loss of step. */
static void skip_byte(cm_rtsp_scanner *s, uint8_t byte)
{
    s->junk_size++;
    s->junk_total++;
    if (byte != '\r' && byte != '\n')
        s->is_lost = true;
    begin_next(s);
}

static void understood(cm_rtsp_scanner *s)
{
    s->is_greeted = true;
    s->is_lost = false;
    s->junk_size = 0;
    begin_next(s);
}

/* A camera's web port, or something else that was never RTSP: said at once, not after 64 KiB. */
static bool speaks_otherwise(const cm_rtsp_scanner *s, cm_slice at)
{
    return !s->is_greeted && !s->is_lost && cm_slice_starts(at, CM_TEXT("HTTP/"));
}

cm_status cm_rtsp_scan(cm_rtsp_scanner *s, cm_slice arrived, cm_rtsp_message *out, size_t *consumed)
{
    *consumed = 0;
    while (*consumed < arrived.size) {
        const cm_slice at = cm_slice_from(arrived, *consumed);
        if (at.size < s->needed)
            return CM_RETRY;
        CM_ENSURE(!speaks_otherwise(s, at), CM_CLOSE);
        const start kind = classify(s, at);
        if (kind == START_UNSURE)
            return CM_RETRY;
        if (kind != START_NOTHING) {
            size_t size = 0;
            const cm_status status = read_thing(s, kind, at, out, &size);
            if (status == CM_OK) {
                *consumed += size;
                understood(s);
                return CM_OK;
            }
            if (status != CM_REFUSE)
                return status;
            CM_ENSURE(s->is_greeted || s->is_lost, CM_CLOSE);
        }
        skip_byte(s, at.bytes[0]);
        ++*consumed;
        CM_ENSURE(s->junk_size <= CM_RTSP_JUNK_SIZE_MAX, CM_CLOSE);
    }
    return CM_RETRY;
}
