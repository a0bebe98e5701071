/* The framing of a request's body: RFC 9112 6 and 7. */
#include "proto/http1/http1.h"

enum {
    DONE,
    LENGTH,
    CHUNK_SIZE,
    CHUNK_EXTENSION, /* from ';' on: read over */
    CHUNK_LINE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_BEGIN, /* of a line */
    TRAILER_LINE,
    TRAILER_LINE_LF,
    TRAILER_END_LF,
};

enum {
    CHUNK_DIGITS_MAX = 8, /* 4 GiB; leading zeros count */
    CHUNK_EXTENSION_MAX = 256,
};

static void enter(cm_http1_body *body, int state)
{
    body->state = state;
    body->is_done = state == DONE;
}

void cm_http1_body_init(cm_http1_body *body, const cm_http1_head *head)
{
    *body = (cm_http1_body){0};
    if (head->framing == CM_HTTP1_CHUNKED) {
        enter(body, CHUNK_SIZE);
    } else {
        body->left = head->framing == CM_HTTP1_LENGTH ? head->content_length : 0;
        enter(body, body->left > 0 ? LENGTH : DONE);
    }
}

/* The value of a hex digit, or 16. */
static unsigned digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20U) - 'a' + 10;
    return 16;
}

static cm_status step_size(cm_http1_body *body, uint8_t c)
{
    const unsigned value = digit_value(c);
    if (value < 16) {
        CM_ENSURE(body->counted++ < CHUNK_DIGITS_MAX, CM_CLOSE);
        body->left = body->left << 4 | value;
        return CM_OK;
    }
    CM_ENSURE(body->counted > 0, CM_CLOSE);
    CM_ENSURE(c == '\r' || c == ';', CM_CLOSE);
    body->counted = 0;
    enter(body, c == '\r' ? CHUNK_LINE_LF : CHUNK_EXTENSION);
    return CM_OK;
}

/* Within a line that is read over: text, or the CR that ends it. */
static cm_status step_over(cm_http1_body *body, uint8_t c, size_t max, int at_cr)
{
    CM_ENSURE(body->counted++ < max, CM_CLOSE);
    CM_ENSURE(c >= 0x20 || c == '\t' || c == '\r', CM_CLOSE);
    CM_ENSURE(c != 0x7F, CM_CLOSE);
    if (c == '\r')
        enter(body, at_cr);
    return CM_OK;
}

static cm_status step_end_of_line(cm_http1_body *body, uint8_t c)
{
    CM_ENSURE(c == '\n', CM_CLOSE);
    switch (body->state) {
    case CHUNK_LINE_LF:
        body->counted = 0;
        enter(body, body->left > 0 ? CHUNK_DATA : TRAILER_BEGIN);
        break;
    case CHUNK_DATA_LF:
        enter(body, CHUNK_SIZE);
        break;
    case TRAILER_LINE_LF:
        enter(body, TRAILER_BEGIN);
        break;
    default: /* TRAILER_END_LF */
        enter(body, DONE);
        break;
    }
    return CM_OK;
}

static cm_status step(cm_http1_body *body, uint8_t c)
{
    switch (body->state) {
    case CHUNK_SIZE:
        return step_size(body, c);
    case CHUNK_EXTENSION:
        return step_over(body, c, CHUNK_EXTENSION_MAX, CHUNK_LINE_LF);
    case CHUNK_DATA_CR:
        CM_ENSURE(c == '\r', CM_CLOSE);
        enter(body, CHUNK_DATA_LF);
        return CM_OK;
    case TRAILER_BEGIN:
        enter(body, TRAILER_LINE);
        return step_over(body, c, CM_HTTP1_TRAILER_MAX, TRAILER_END_LF);
    case TRAILER_LINE:
        return step_over(body, c, CM_HTTP1_TRAILER_MAX, TRAILER_LINE_LF);
    default:
        return step_end_of_line(body, c);
    }
}

/* The part of `bytes` that is body here. */
static cm_slice take_data(cm_http1_body *body, cm_slice bytes)
{
    const size_t size = bytes.size < body->left ? bytes.size : (size_t)body->left;
    body->left -= size;
    if (body->left == 0)
        enter(body, body->state == LENGTH ? DONE : CHUNK_DATA_CR);
    return cm_slice_part(bytes, 0, size);
}

cm_status cm_http1_body_read(cm_http1_body *body, cm_slice bytes, size_t *used, cm_slice *data)
{
    size_t at = 0;
    while (at < bytes.size && !body->is_done) {
        if (body->state == LENGTH || body->state == CHUNK_DATA) {
            *data = take_data(body, cm_slice_from(bytes, at));
            *used = at + data->size;
            return CM_OK;
        }
        CM_TRY(step(body, bytes.bytes[at]));
        at++;
    }
    *data = (cm_slice){0};
    *used = at;
    return CM_OK;
}
