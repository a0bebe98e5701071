/*
 * message: RTSP 1.0 (RFC 2326) on a byte stream: requests, responses and interleaved frames (10.12)
 * as they arrive, and the writing of each. Meaning of headers: transport.h, headers.h, auth.h.
 *
 * Owner: one connection. One thread. Slices borrow from the bytes that were given.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_RTSP_HEADER_MAX = 32,
    CM_RTSP_HEAD_SIZE_MAX = 16384, /* start line and headers */
    CM_RTSP_BODY_SIZE_MAX = 65536,
    CM_RTSP_JUNK_SIZE_MAX = 65536, /* between two things understood */
    /* What a connection's buffer must hold for the largest message to fit. */
    CM_RTSP_BUFFER_SIZE = CM_RTSP_HEAD_SIZE_MAX + CM_RTSP_BODY_SIZE_MAX,
};

typedef enum cm_rtsp_kind {
    CM_RTSP_INTERLEAVED,
    CM_RTSP_REQUEST,
    CM_RTSP_RESPONSE,
} cm_rtsp_kind;

typedef struct cm_rtsp_header {
    cm_slice name;
    cm_slice value; // trimmed; continuation lines (folding) are part of it
} cm_rtsp_header;

typedef struct cm_rtsp_message {
    cm_rtsp_kind kind;
    uint8_t channel; // interleaved
    cm_slice method; // request
    cm_slice uri;    // request
    uint16_t status; // response, 100..599
    cm_slice reason; // response, may be empty
    size_t header_count;
    cm_rtsp_header headers[CM_RTSP_HEADER_MAX];
    cm_slice body; // of a message by its Content-Length; of an interleaved frame its payload
} cm_rtsp_message;

typedef struct cm_rtsp_scanner {
    uint8_t channel_max; // highest interleaved channel believed; 31 unless set by the owner
    bool is_lost;        // private: looking for where the next thing starts
    bool is_greeted;     // private: something has been understood on this connection
    size_t junk_size;    // private: skipped since something was understood
    size_t searched;     // private: bytes known to hold no end of head
    size_t needed;       // private: bytes before another look makes sense

    uint64_t junk_total; // bytes skipped on this connection, for the log
} cm_rtsp_scanner;

void cm_rtsp_scanner_init(cm_rtsp_scanner *s);

/*
 * The next thing at the start of `arrived`, all that has arrived and is not yet consumed.
 * CM_OK     *out holds it.
 * CM_RETRY  not all there: call again with more.
 * CM_CLOSE  it speaks no RTSP, passes a bound, or sends more junk than is borne.
 * *consumed (always written) is what the caller drops from the front before the next call, but
 * not before it is done with *out: with CM_RETRY, junk.
 */
cm_status cm_rtsp_scan(cm_rtsp_scanner *s, cm_slice arrived, cm_rtsp_message *out,
                       size_t *consumed);

/* First header of that name, without case; false when there is none. */
bool cm_rtsp_find(const cm_rtsp_message *message, cm_slice name, cm_slice *value);

/* A message is: its start line, headers, end. A name, value, method or address that holds a control
 * character fails the writer: nothing can be smuggled into a message. */
void cm_rtsp_write_request_line(cm_writer *w, cm_slice method, cm_slice uri);
void cm_rtsp_write_status_line(cm_writer *w,
                               uint16_t status); /* with the reason of RFC 2326 7.1.1 */
void cm_rtsp_write_header(cm_writer *w, const char *name, cm_slice value);
void cm_rtsp_write_header_u64(cm_writer *w, const char *name, uint64_t value);
/* Blank line; with a body its Content-Length before and itself after (the type is the caller's). */
void cm_rtsp_write_end(cm_writer *w, cm_slice body);
/* The 4 bytes before an interleaved payload of that size. */
void cm_rtsp_write_interleaved_header(cm_writer *w, uint8_t channel, uint16_t payload_size);
