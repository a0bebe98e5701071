/*
 * http1: the messages of HTTP/1.1 (RFC 9112) as a server meets them: finds where a request's head
 * ends, parses it, undoes the framing of its body, and writes the head of a response. Pure: no
 * connection, no clock, no allocation.
 *
 * It is strict where proxies and servers are known to disagree (request smuggling): lines end with
 * CRLF and nothing else; no folding, no space before a colon, one Host, one way of framing.
 * However the bytes are cut into pieces, the outcome is the same.
 */
#pragma once

#include "base/writer.h"
#include "proto/http1/field.h"
#include "proto/http1/target.h"

enum {
    CM_HTTP1_LINE_MAX = 8192,
    CM_HTTP1_HEAD_MAX = 16384,
    CM_HTTP1_FIELDS_MAX = 64,
    CM_HTTP1_TRAILER_MAX = 4096, /* bytes of a chunked body's trailer section; it is thrown away */
};

/* What is wrong with a request. A plain English reason comes with cm_http1_fault_text. */
typedef enum cm_http1_fault {
    CM_HTTP1_NO_FAULT,
    CM_HTTP1_BAD_CHARACTER,    /* 400: bare CR or LF, NUL, another control character */
    CM_HTTP1_BAD_REQUEST_LINE, /* 400 */
    CM_HTTP1_BAD_TARGET,       /* 400 */
    CM_HTTP1_BAD_FIELD,        /* 400: no colon, space before it, folding, not a token */
    CM_HTTP1_BAD_HOST,         /* 400: none, several, or not an authority */
    CM_HTTP1_BAD_FRAMING,      /* 400: Content-Length with Transfer-Encoding, several, no number */
    CM_HTTP1_TARGET_TOO_LONG,  /* 414 */
    CM_HTTP1_HEAD_TOO_LARGE,   /* 431: a line, the whole, or more fields than may be */
    CM_HTTP1_BAD_METHOD,       /* 501: none that is served here */
    CM_HTTP1_BAD_CODING,       /* 501: a transfer coding other than chunked */
    CM_HTTP1_BAD_VERSION,      /* 505 */
    CM_HTTP1_FAULTS,
} cm_http1_fault;

unsigned cm_http1_fault_status(cm_http1_fault fault);
const char *cm_http1_fault_text(cm_http1_fault fault);

/* ---- the end of a head ---- */

/* Zero at the start of each request. */
typedef struct cm_http1_scan {
    size_t at;         /* private: looked at so far */
    size_t line_begin; /* private */
    size_t lines;      /* private: finished and not empty */
    bool is_after_cr;  /* private */
} cm_http1_scan;

/*
 * `bytes`: everything of this request so far, the same beginning at each call. CM_OK: *head_size
 * with the empty line at the end (and one that may stand before the request line, RFC 9112 2.2).
 * CM_RETRY: not all there yet. CM_REFUSE: *fault.
 */
cm_status cm_http1_scan_head(cm_http1_scan *scan, cm_slice bytes, size_t *head_size,
                             cm_http1_fault *fault);

/* ---- the head ---- */

typedef enum cm_http1_framing {
    CM_HTTP1_NO_BODY,
    CM_HTTP1_LENGTH,
    CM_HTTP1_CHUNKED,
} cm_http1_framing;

typedef struct cm_http1_head {
    cm_slice method; /* a token, as sent */
    cm_http_target target;
    cm_slice host;         /* the target's authority if it is absolute, else Host; empty in 1.0 */
    uint8_t minor_version; /* 0 or 1 */
    bool is_persistent;    /* RFC 9112 9.3 */
    bool expects_continue; /* RFC 9110 10.1.1 */
    cm_http1_framing framing;
    uint64_t content_length; /* of CM_HTTP1_LENGTH */
    size_t field_count;
    cm_http_field fields[CM_HTTP1_FIELDS_MAX]; /* values trimmed */
} cm_http1_head;

/* `head`: exactly what cm_http1_scan_head found; the slices borrow from it. CM_REFUSE: *fault. */
cm_status cm_http1_parse_head(cm_slice head, cm_http1_head *out, cm_http1_fault *fault);

/* ---- the body ---- */

typedef struct cm_http1_body {
    int state;      /* private */
    uint64_t left;  /* private: of the length, or of the chunk */
    size_t counted; /* private: digits, or bytes of a line or of the trailer section */
    bool is_done;
} cm_http1_body;

void cm_http1_body_init(cm_http1_body *body, const cm_http1_head *head);

/*
 * Reads on: *used of `bytes` are done with; *data, a part of `bytes`, is body (may be empty).
 * CM_OK: call again with the rest while there is any and not is_done. CM_CLOSE: the framing is
 * broken, what follows cannot be told apart.
 */
cm_status cm_http1_body_read(cm_http1_body *body, cm_slice bytes, size_t *used, cm_slice *data);

/* ---- responses ---- */

/* The registered phrase (RFC 9110 15), or "Unknown". */
const char *cm_http1_reason(unsigned status);
/* Status line, fields and the empty line. Names and values must be clean (asserted). */
void cm_http1_write_head(cm_writer *w, unsigned status, const cm_http_field *fields, size_t count);
