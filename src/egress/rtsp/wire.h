/*
 * wire: one connection of the RTSP output: bytes in to requests, answers and packets out. It knows
 * RTSP's framing and nothing of pictures.
 *
 * Two kinds of things go out on one stream of bytes, and neither may stand inside the other.
 * Answers and RTCP are small: they are kept here until they can go, up to WIRE_OUT_MAX. Packets of
 * pictures and sound are never kept: cm_rtsp_wire_put() takes what the socket takes, and its caller
 * remembers how far he got. While a packet is half-way out he holds the wire, and what is kept
 * waits for its end.
 *
 * Life: made for an accepted connection, destroyed or reset by its owner, in any event. Threads:
 * its loop's.
 */
#pragma once

#include "net/net.h"
#include "net/tls.h"
#include "proto/rtsp/message.h"

typedef struct cm_rtsp_wire cm_rtsp_wire;

enum {
    CM_RTSP_WIRE_PARTS_MAX = 64, /* of one put */
};

/* What all wires of a loop share: room for TLS records, used within a call. */
typedef struct cm_rtsp_wire_room cm_rtsp_wire_room;
cm_status cm_rtsp_wire_room_create(cm_rtsp_wire_room **out);
void cm_rtsp_wire_room_destroy(cm_rtsp_wire_room *room); /* NULL is fine */

typedef struct cm_rtsp_wire_events {
    /* Borrowed for the call. */
    void (*on_request)(void *owner, const cm_rtsp_message *request);
    /* A put took less than all: there is room again, and nothing kept is left. */
    void (*on_writable)(void *owner);
    /* The peer is gone, breaks the protocol, sends too much, or all was said after
     * cm_rtsp_wire_finish(). Once; destroy it (inside is fine). */
    void (*on_gone)(void *owner);
} cm_rtsp_wire_events;

typedef struct cm_rtsp_wire_config {
    cm_net *net;
    cm_tcp *tcp; /* taken, also on failure */
    cm_tls *tls; /* NULL: plain */
    cm_rtsp_wire_room *room;
    const cm_rtsp_wire_events *events;
    void *owner;
} cm_rtsp_wire_config;

cm_status cm_rtsp_wire_create(const cm_rtsp_wire_config *config, cm_rtsp_wire **out);
void cm_rtsp_wire_destroy(cm_rtsp_wire *wire); /* what was taken still goes; NULL is fine */
void cm_rtsp_wire_reset(cm_rtsp_wire *wire);   /* what was not sent dies; destroys it */

/* An answer, or RTCP with its frame around it: whole, and in order. More than is kept: the peer
 * reads nothing, and on_gone follows. */
void cm_rtsp_wire_say(cm_rtsp_wire *wire, cm_slice bytes);
/* Nothing more is said: on_gone comes when all is out. */
void cm_rtsp_wire_finish(cm_rtsp_wire *wire);
/* Takes from the front what goes out now, also while held. CM_RETRY: nothing does; on_writable
 * follows, also when *taken is less than all. CM_CLOSE: on_gone follows. */
cm_status cm_rtsp_wire_put(cm_rtsp_wire *wire, const cm_slice *parts, size_t count, size_t *taken);
/* True: a packet is half-way out. False: it has ended, and what was kept goes. */
void cm_rtsp_wire_hold(cm_rtsp_wire *wire, bool is_held);
/* Requests wait until the one under way is answered. */
void cm_rtsp_wire_wait(cm_rtsp_wire *wire, bool is_waiting);

/* When bytes last went out. */
cm_instant cm_rtsp_wire_progress(const cm_rtsp_wire *wire);
cm_address cm_rtsp_wire_peer(const cm_rtsp_wire *wire);
