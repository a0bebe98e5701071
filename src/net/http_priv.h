/*
 * http_priv: what the files of the HTTP server share: server, connection, request, and the table of
 * what a version of HTTP does.
 *
 * A connection that ends lets go of its stream at once and waits in server->ended for the next
 * turn, when its requests hear on_gone and the memory goes: so nobody up the stack loses it.
 */
#pragma once

#include "base/buffer.h"
#include "base/log.h"
#include "net/http.h"
#include "net/stream.h"
#include "proto/http1/http1.h"

typedef struct cm_http_connection cm_http_connection;

enum {
    CM_HTTP_QUERY_MAX = 16,
    CM_HTTP_RESPONSE_FIELDS_MAX = 40,   /* the handler's 32 and our own */
    CM_HTTP_HEAD_OUT_MAX = 8192,        /* of a response */
    CM_HTTP_UNSENT_MAX = 32 * 1024,     /* in the kernel, of a connection that streams */
    CM_HTTP_OUT_MAX = 64 * 1024 * 1024, /* of a whole response that a slow peer has yet to take */
    CM_HTTP_READ_MAX = 16384,           /* taken from a connection in one turn */
};

typedef enum cm_http_phase {
    CM_HTTP_READING,   /* head or body is on its way; the handler may know the head */
    CM_HTTP_HANDLED,   /* the handler has it, nothing was answered */
    CM_HTTP_STREAMING, /* the handler writes the body */
    CM_HTTP_FINISHED,  /* the handler is done with it */
} cm_http_phase;

struct cm_http_request {
    cm_http_connection *connection;
    cm_list node; /* in connection->requests */
    cm_http_phase phase;
    bool is_known; /* the handler saw on_head */
    cm_http_method method;
    bool is_https_target;
    cm_slice host;
    cm_slice path; /* decoded, in `decoded` */
    uint8_t *text; /* what host and fields borrow from */
    uint8_t *decoded;
    size_t field_count;
    size_t query_count;
    cm_http_field fields[CM_HTTP_FIELDS_MAX];
    cm_http_field query[CM_HTTP_QUERY_MAX];
    cm_address peer;
    bool is_secure;
    bool is_loopback_direct;
    cm_buffer body;
    const cm_http_events *events;
    void *owner;
    void *state; /* of the version */
};

/* What differs between HTTP/1.1 and HTTP/2. `fields` are whole: what the version needs, it adds
 * from `length` (-1: not known) and the connection's state. */
typedef struct cm_http_version {
    void (*on_readable)(cm_http_connection *connection);
    void (*on_writable)(cm_http_connection *connection);
    void (*on_timer)(cm_http_connection *connection);
    void (*on_soon)(cm_http_connection *connection);
    void (*drain)(cm_http_connection *connection);
    void (*respond)(cm_http_request *request, const cm_http_response *response);
    cm_status (*begin)(cm_http_request *request, const cm_http_response *head);
    cm_status (*write)(cm_http_request *request, const cm_slice *parts, size_t count,
                       size_t *accepted);
    void (*end)(cm_http_request *request);
    void (*reset)(cm_http_request *request);           /* this request only */
    void (*destroy_request)(cm_http_request *request); /* frees request->state */
    void (*destroy)(cm_http_connection *connection);   /* frees connection->state */
} cm_http_version;

struct cm_http_connection {
    cm_http_server *server;
    const cm_http_version *version; /* NULL until the stream is ready */
    void *state;                    /* of the version */
    cm_stream *stream;              /* NULL once it ended */
    cm_list node;                   /* in server->connections or server->ended */
    cm_list requests;
    cm_address peer;
    bool is_proxy; /* trusted */
    bool is_tls;
    bool is_h2;
    cm_timer timer;      /* what the version waits for at most */
    cm_timer soon;       /* work of the version that must not run inside a call */
    cm_instant progress; /* when bytes last left */
};

typedef struct cm_http_listener {
    cm_http_server *server;
    cm_tls *tls;
    cm_tcp_listener *listener;
} cm_http_listener;

struct cm_http_server {
    cm_net *net;
    cm_loop *loop;
    cm_http_config config;
    cm_http_limits limits; /* defaults filled in */
    cm_http_listener listeners[CM_HTTP_LISTENERS_MAX];
    cm_list connections;
    cm_list ended;
    cm_timer reaper;
    bool is_draining;
    cm_http_counters counters;
    int64_t date_second;
    char date[32];
    cm_stream_scratch scratch; /* of the streams */
    cm_stream_scratch frames;  /* where HTTP/2 gathers frames */
};

/* http_server.c */
void cm_http_connection_end(cm_http_connection *connection, bool is_reset);
/* CM_FULL when memory is short. */
cm_status cm_http_connection_request(cm_http_connection *connection, cm_http_request **out);
void cm_http_request_free(cm_http_request *request);
cm_slice cm_http_date(cm_http_server *server);
/* Counts what left, and that it moves. */
void cm_http_connection_sent(cm_http_connection *connection, size_t size);

/* http_request.c: the rest of a request's head from its target and fields: path, query, method,
 * peer. CM_REFUSE: *fault. */
cm_status cm_http_request_settle(cm_http_request *request, cm_slice method,
                                 const cm_http_target *target, cm_http1_fault *fault);

/* http_response.c: a problem of the server's own. */
void cm_http_fail(cm_http_request *request, unsigned status, const char *type, const char *detail);
void cm_http_fail_by_fault(cm_http_request *request, cm_http1_fault fault);
void cm_http_fail_too_large(cm_http_request *request);
/* The handler's fields and ours; `length` in text form, empty for none. Returns how many. */
size_t cm_http_response_fields(cm_http_server *server, const cm_http_response *response,
                               cm_slice length, cm_http_field out[CM_HTTP_RESPONSE_FIELDS_MAX]);
/* Hands the request to the handler: its head; its body. */
void cm_http_tell_head(cm_http_request *request, size_t *body_max);
void cm_http_tell_request(cm_http_request *request);

/* http1.c, http2.c */
cm_status cm_http1_connection_init(cm_http_connection *connection);
cm_status cm_http2_connection_init(cm_http_connection *connection);
/* What was read from the stream. For http2.c itself and its fuzz target. */
void cm_http2_receive(cm_http_connection *connection, cm_slice bytes);
