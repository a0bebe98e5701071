/*
 * http: an HTTP server on one loop: HTTP/1.1 (RFC 9112) on loopback and over TLS, HTTP/2 (RFC 9113)
 * over TLS when ALPN chose it. It knows connections, requests and responses; routes, accounts and
 * permissions are the handler's (api/).
 *
 * Life: one server per loop, on that loop's thread only. A request (cm_http_request) is borrowed by
 * the handler from on_head until it is finished: by cm_http_respond or cm_http_problem (whole
 * response), cm_http_end or cm_http_reset, or by on_gone. Afterwards the handle must not be used.
 * A handler that does not answer inside on_request must have called cm_http_watch.
 *
 * What the server answers by itself (bad syntax, limits, time) are problem documents (RFC 9457) and
 * never reach the handler. No callback runs inside a call of the handler's, with one exception:
 * cm_http_server_destroy.
 */
#pragma once

#include "net/net.h"
#include "net/tls.h"
#include "proto/http1/field.h"

typedef struct cm_http_server cm_http_server;
typedef struct cm_http_request cm_http_request;

typedef enum cm_http_method {
    CM_HTTP_GET,
    CM_HTTP_HEAD, /* answered like GET: the server leaves the body out */
    CM_HTTP_POST,
    CM_HTTP_PUT,
    CM_HTTP_PATCH,
    CM_HTTP_DELETE,
    CM_HTTP_OPTIONS,
} cm_http_method; /* any other: the server answers 501 */

/* cm_http_field of a response: lower-case name; the value without CR, LF and NUL (asserted: text
 * from outside is checked by who puts it there). */

/* ---- the handler ---- */

typedef struct cm_http_handler {
    /*
     * The head is there. *body_max, 0 before the call, is how many bytes of body this route takes;
     * a longer one is answered 413 by the server. May answer at once (a refusal): then on_request
     * does not come.
     */
    void (*on_head)(void *owner, cm_http_request *request, size_t *body_max);
    /* The body is whole (empty if there is none); borrowed for the callback. */
    void (*on_request)(void *owner, cm_http_request *request, cm_slice body);
    void *owner;
} cm_http_handler;

typedef struct cm_http_events {
    /* Once, after a cm_http_body_write that took less than all: writable again. Nothing is owed: it
     * may write, end, reset or do nothing. May be NULL for whole responses. */
    void (*on_drain)(void *owner);
    /* The peer or the connection ended before the handler finished the request: exactly once, and
     * nothing after it. Also after a cm_http_body_write that returned CM_CLOSE. */
    void (*on_gone)(void *owner);
} cm_http_events;

/* Who hears of this request from here on. `events` must stay (static). */
void cm_http_watch(cm_http_request *request, const cm_http_events *events, void *owner);

/* ---- what was asked: borrowed, valid until the request is finished ---- */

cm_http_method cm_http_request_method(const cm_http_request *request);
const char *cm_http_method_name(cm_http_method method);
/* Percent-decoded once; begins with '/', valid UTF-8, no NUL or control character, no '.' or '..'
 * segment, no encoded '/' or '\': such targets were answered 400. */
cm_slice cm_http_path(const cm_http_request *request);
/* Of the query: names and values decoded ('+' is a space), at most 16. CM_ABSENT; CM_REFUSE when it
 * stands there more than once. */
cm_status cm_http_query(const cm_http_request *request, cm_slice name, cm_slice *out);
/* The value of a field, trimmed. Any case of name. CM_ABSENT; CM_REFUSE when it stands there more
 * than once. */
cm_status cm_http_header(const cm_http_request *request, cm_slice name, cm_slice *out);
/* RFC 6265 5.4. CM_ABSENT; CM_REFUSE when there are several of that name. */
cm_status cm_http_cookie(const cm_http_request *request, cm_slice name, cm_slice *out);
/* Host (or :authority, or the authority of an absolute target), as sent: "name" or "name:port". */
cm_slice cm_http_host(const cm_http_request *request);
/* The `Origin` field is there and names the request's own scheme, host and port. */
bool cm_http_origin_is_own(const cm_http_request *request);

/* Who asks: the connection's peer, or what X-Forwarded-For or Forwarded (RFC 7239) say if the peer
 * is one of the trusted proxies. The port is 0 when it comes from a proxy. */
cm_address cm_http_peer(const cm_http_request *request);
/* Over TLS to us, or to a trusted proxy that says so (X-Forwarded-Proto, proto=). */
bool cm_http_is_secure(const cm_http_request *request);
/* The peer is on loopback and no field says that a proxy forwarded it. */
bool cm_http_is_loopback_direct(const cm_http_request *request);

/* ---- answering: whole ---- */

typedef struct cm_http_response {
    unsigned status; /* 200 ... 599 */
    const cm_http_field *fields;
    size_t field_count; /* at most 32 and 6 KiB in all; Date, Content-Length and the connection's
                           own are added */
    cm_slice body;
    bool is_body_static; /* `body` stays as long as the process: it is not copied when the peer is
                            slow. Otherwise what the socket does not take at once is copied. */
} cm_http_response;

/* Finishes the request. 204 and 304 must have no body. */
void cm_http_respond(cm_http_request *request, const cm_http_response *response);

/* A problem document (RFC 9457): `type` becomes "/problems/NAME". Finishes the request. */
typedef struct cm_http_problem {
    unsigned status;
    const char *type;   /* "no-such-camera" */
    const char *title;  /* short, the same for each problem of this type */
    const char *detail; /* a plain sentence: what is wrong and what to do. UTF-8; escaped here */
    const char *field;  /* which member of the input, or NULL */
    unsigned retry_after_s;      /* 0: none; otherwise also sent as Retry-After */
    const cm_http_field *fields; /* further ones, e.g. WWW-Authenticate, Allow, Set-Cookie */
    size_t field_count;          /* at most 8 */
} cm_http_problem;
void cm_http_respond_problem(cm_http_request *request, const cm_http_problem *problem);

/* ---- answering: a stream ---- */

/* The head goes out at once. From here on at most about 32 KB wait unsent in the kernel. For HEAD
 * the response is whole with that: the body writes are taken and thrown away. CM_CLOSE: on_gone
 * comes. */
cm_status cm_http_begin(cm_http_request *request, unsigned status, const cm_http_field *fields,
                        size_t field_count);

/*
 * Takes what the connection takes now, from the front of `parts` (at most 62), and says how much:
 * 0 < *accepted <= sum with CM_OK. Copies nothing to keep but at most one TLS record (16 KiB).
 * When it took less than all, on_drain comes once; bytes that were offered and not taken must be
 * offered again, in order, before cm_http_end.
 * CM_RETRY: nothing was taken (*accepted is 0), on_drain comes. CM_CLOSE: on_gone comes.
 */
cm_status cm_http_body_write(cm_http_request *request, const cm_slice *parts, size_t count,
                             size_t *accepted);
/* The body is whole. Finishes the request. */
void cm_http_end(cm_http_request *request);

/*
 * The cut: finishes the request without an end of its body, at any time before it was finished.
 * HTTP/1.1: the connection is reset, queued bytes die. HTTP/2: with is_connection the connection is
 * reset too (its other streams get on_gone), because bytes of this stream already given to the
 * kernel can't be called back otherwise; without, RST_STREAM only.
 */
void cm_http_reset(cm_http_request *request, bool is_connection);

/* ---- the server ---- */

enum {
    CM_HTTP_LISTENERS_MAX = 8,
    CM_HTTP_PROXIES_MAX = 16,
    CM_HTTP_FIELDS_MAX = 64, /* of a request */
};

typedef struct cm_http_listener_config {
    cm_address address; /* port 0: any free one */
    cm_tls *tls;        /* NULL: plain, which is for loopback only. Outlives the server */
} cm_http_listener_config;

/* 0 means the default beside it. */
typedef struct cm_http_limits {
    size_t connections_max;             /* 1,024 on this server; more are reset */
    size_t connections_per_address_max; /* 64 (a wall, its reloads, a house behind one address); not
                                           counted for trusted proxies */
    int64_t handshake_us;               /* 10 s */
    int64_t head_us;                    /* 10 s from its first byte */
    int64_t body_us;                    /* 30 s from the head, and at least */
    size_t body_bytes_per_second_min;   /* 1,024 after the first 5 s */
    int64_t idle_us;                    /* 75 s between requests */
    int64_t stall_us;                   /* 30 s without progress while bytes wait to be sent */
    size_t requests_per_connection_max; /* 10,000 */
    unsigned streams_max;               /* 128 at once on an HTTP/2 connection */
    unsigned resets_max;                /* 200 streams reset by the peer within 10 s */
} cm_http_limits;

typedef struct cm_http_config {
    cm_http_listener_config listeners[CM_HTTP_LISTENERS_MAX];
    size_t listener_count;
    bool is_shared; /* several loops listen on the same address (SO_REUSEPORT) */
    cm_range proxies[CM_HTTP_PROXIES_MAX]; /* whose word on the peer's address is taken */
    size_t proxy_count;
    cm_http_limits limits;
    cm_http_handler handler;
} cm_http_config;

/* CM_REFUSE: an address is in use, not ours, or plain and not on loopback (logged with its name).
 */
cm_status cm_http_server_create(cm_net *net, const cm_http_config *config, cm_http_server **out);
/* The address of listener `index`, with its real port. */
cm_address cm_http_server_address(const cm_http_server *server, size_t index);
/* Accepts nothing more, closes what is idle, and lets requests under way end (GOAWAY, Connection:
 * close). */
void cm_http_server_drain(cm_http_server *server);
/* Resets all connections; requests under way get on_gone inside this call. NULL is fine. */
void cm_http_server_destroy(cm_http_server *server);

/* Since the start, but the first three, which are now. */
typedef struct cm_http_counters {
    uint64_t connections;    /* open now */
    uint64_t connections_h2; /* of them HTTP/2 */
    uint64_t requests_open;
    uint64_t accepted;
    uint64_t refused_connections; /* by a bound on connections */
    uint64_t handshakes_failed;
    uint64_t requests;
    uint64_t responses[6]; /* [2] is 2xx ... [5] is 5xx; [0] those reset before a head */
    uint64_t problems;     /* answered by the server itself: syntax, limits, time */
    uint64_t timeouts;     /* of handshake, head, body, stall */
    uint64_t resets;       /* cm_http_reset */
    uint64_t floods;       /* HTTP/2 connections ended for resets, pings, settings, continuations */
    uint64_t bytes_in;     /* as read from the stream, without TLS */
    uint64_t bytes_out;
} cm_http_counters;
const cm_http_counters *cm_http_server_counters(const cm_http_server *server);
