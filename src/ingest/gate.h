/*
 * gate: what the cameras of one loop share: turns to connect, so that a server that starts does not
 * knock at two hundred doors at once; the buffer that connections read into; the list in which an
 * access unit's granules are described; the hash functions of Digest.
 *
 * cm_connect_gate is declared in ingest/camera.h, as its owner sees it. Belongs to one loop.
 */
#pragma once

#include "base/list.h"
#include "ingest/camera.h"
#include "media/seal.h"
#include "proto/rtsp/auth.h"
#include "proto/rtsp/message.h"

enum {
    CM_READ_SIZE = 65536, /* at most so much is read of a connection in one turn of the loop */
    /* A message may be there in part before the read. */
    CM_READ_BUFFER_SIZE = CM_RTSP_BUFFER_SIZE + CM_READ_SIZE,
};

struct cm_connect_gate {
    cm_loop *loop;
    size_t simultaneous_max;
    size_t passing;  /* tickets held */
    cm_list waiting; /* of cm_connect_ticket.node */
    cm_timer timer;  /* lets the next ones in, outside of anybody's call */
    cm_rtsp_hasher *hasher;
    /* Scratch, used within one call and never across. */
    uint8_t read_buffer[CM_READ_BUFFER_SIZE];
    cm_plain_granule granules[CM_FRAME_GRANULES_MAX];
};

typedef enum cm_ticket_state {
    CM_TICKET_NONE,
    CM_TICKET_WAITS,
    CM_TICKET_HELD,
} cm_ticket_state;

/* Embedded in whoever wants to connect. */
typedef struct cm_connect_ticket cm_connect_ticket;
struct cm_connect_ticket {
    void (*on_turn)(cm_connect_ticket *ticket); /* it is held; in a turn of its own */
    cm_list node;                               /* private */
    cm_ticket_state state;                      /* private */
};

void cm_connect_ticket_init(cm_connect_ticket *ticket, void (*on_turn)(cm_connect_ticket *ticket));
/* Queues, if it neither waits nor is held. */
void cm_connect_ticket_ask(cm_connect_gate *gate, cm_connect_ticket *ticket);
/* Whether it waits, is held, or neither. */
void cm_connect_ticket_give_back(cm_connect_gate *gate, cm_connect_ticket *ticket);
