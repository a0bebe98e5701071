/*
 * stream: an accepted connection as a stream of bytes, plain or under TLS. The same over real and
 * simulated sockets: TLS reads and writes through cm_tcp, never a descriptor of its own.
 *
 * Writing: plain bytes go to the kernel as they lie (gathered). Under TLS they are gathered into
 * records of up to 16 KiB; a record is the most that waits in our memory, as ciphertext.
 *
 * Owner: who accepted it, on the loop of its cm_tcp. Callbacks come from the loop, never from
 * inside a call; the owner may close or reset the stream inside any of them. A failed read or write
 * says CM_CLOSE; the stream stays until closed.
 */
#pragma once

#include "net/net.h"
#include "net/tls.h"

typedef struct cm_stream cm_stream;

enum { CM_STREAM_RECORD = 16384 };

/* Where records are gathered: one per loop, nothing stays in it between calls. */
typedef struct cm_stream_scratch {
    uint8_t bytes[CM_STREAM_RECORD];
} cm_stream_scratch;

typedef struct cm_stream_events {
    /* Once, first: CM_OK: plain, or the handshake is done. CM_CLOSE: it failed. CM_RETRY: it took
     * too long. */
    void (*on_ready)(void *owner, cm_status status);
    void (*on_readable)(void *owner); /* as long as there is something, or the end, and no pause */
    /* Once, after a write that took less than all, or whose end stayed in our memory. */
    void (*on_writable)(void *owner);
} cm_stream_events;

typedef struct cm_stream_config {
    cm_tcp *tcp; /* taken, also on failure */
    cm_tls *tls; /* NULL: plain */
    cm_stream_scratch *scratch;
    int64_t handshake_us;
    const cm_stream_events *events; /* must stay */
    void *owner;
} cm_stream_config;

cm_status cm_stream_accept(cm_net *net, const cm_stream_config *config, cm_stream **out);

/* As cm_tcp_read: CM_OK with *size_out > 0, CM_RETRY, CM_CLOSE. */
cm_status cm_stream_read(cm_stream *stream, uint8_t *out, size_t capacity, size_t *size_out);
/* As cm_tcp_write: at most 64 parts; takes from the front what can go now. CM_RETRY, CM_CLOSE. */
cm_status cm_stream_write(cm_stream *stream, const cm_slice *parts, size_t count, size_t *size_out);
/* Is nothing of what was taken still in our memory? Closing before that loses its end. */
bool cm_stream_is_flushed(const cm_stream *stream);

void cm_stream_pause(cm_stream *stream, bool is_paused);
/* See cm_tcp_limit_unsent. */
void cm_stream_limit_unsent(cm_stream *stream, size_t bytes);

bool cm_stream_is_tls(const cm_stream *stream);
/* ALPN chose HTTP/2. */
bool cm_stream_is_h2(const cm_stream *stream);
cm_address cm_stream_peer(const cm_stream *stream);

void cm_stream_close(cm_stream *stream); /* says goodbye (close_notify, FIN); NULL is fine */
void cm_stream_reset(cm_stream *stream); /* what was not sent dies (RST); NULL is fine */
