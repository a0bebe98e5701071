#include "egress/rtsp/wire.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "net/stream.h"

enum {
    /* A request with its body (a keepalive has a few bytes of one), or a report of the player's.
     * Who sends larger ones is no player. */
    IN_MAX = 16384,
    READ_SIZE = 4096,
    OUT_MAX = 32768,    /* answers and reports that wait: a peer that reads none of them goes */
    UNSENT_MAX = 32768, /* in the kernel: what is late when pictures are skipped */
    HANDSHAKE_S = 10,
    CHANNEL_MAX = 255,
};

struct cm_rtsp_wire_room {
    cm_stream_scratch scratch;
};

struct cm_rtsp_wire {
    cm_rtsp_wire_config config;
    cm_loop *loop;
    cm_stream *stream;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    cm_buffer out;
    cm_timer soon; /* what must not happen inside a call of the owner's */
    cm_instant progress;
    bool is_full; /* a write took less than all: none is tried before on_writable, which it could
                     do away with */
    bool is_held;
    bool is_waiting;
    bool is_finished;
    bool is_over;
    bool is_inside;    /* one of the owner's events, */
    bool is_destroyed; /* in which he destroyed it */
};

cm_status cm_rtsp_wire_room_create(cm_rtsp_wire_room **out)
{
    cm_rtsp_wire_room *room = calloc(1, sizeof *room);
    CM_ENSURE(room != NULL, CM_BROKEN);
    *out = room;
    return CM_OK;
}

void cm_rtsp_wire_room_destroy(cm_rtsp_wire_room *room)
{
    free(room);
}

/* ---- the end ---- */

static void free_wire(cm_rtsp_wire *wire)
{
    cm_buffer_deinit(&wire->in);
    cm_buffer_deinit(&wire->out);
    free(wire);
}

static void let_go(cm_rtsp_wire *wire)
{
    cm_timer_stop(&wire->soon);
    wire->stream = NULL;
    if (wire->is_inside)
        wire->is_destroyed = true;
    else
        free_wire(wire);
}

void cm_rtsp_wire_destroy(cm_rtsp_wire *wire)
{
    if (wire == NULL)
        return;
    cm_stream_close(wire->stream);
    let_go(wire);
}

void cm_rtsp_wire_reset(cm_rtsp_wire *wire)
{
    cm_stream_reset(wire->stream);
    let_go(wire);
}

/* Told in a turn of its own. */
static void end(cm_rtsp_wire *wire)
{
    wire->is_over = true;
    cm_timer_start(&wire->soon, 0);
}

/* ---- out ---- */

static bool is_flushed(const cm_rtsp_wire *wire)
{
    return cm_buffer_data(&wire->out).size == 0;
}

static size_t size_of(const cm_slice *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    return size;
}

static cm_status write_some(cm_rtsp_wire *wire, const cm_slice *parts, size_t count, size_t *taken)
{
    *taken = 0;
    CM_ENSURE(!wire->is_over, CM_CLOSE);
    CM_ENSURE(!wire->is_full, CM_RETRY);
    const cm_status status = cm_stream_write(wire->stream, parts, count, taken);
    if (*taken > 0)
        wire->progress = cm_loop_now(wire->loop);
    if (status != CM_OK && status != CM_RETRY) {
        end(wire);
        return CM_CLOSE;
    }
    wire->is_full = *taken < size_of(parts, count);
    return status;
}

static void flush(cm_rtsp_wire *wire)
{
    size_t taken = 1;
    while (!wire->is_held && !is_flushed(wire) && taken > 0) {
        const cm_slice kept = cm_buffer_data(&wire->out);
        if (write_some(wire, &kept, 1, &taken) != CM_OK)
            return;
        cm_buffer_consume(&wire->out, taken);
    }
    if (is_flushed(wire))
        cm_buffer_shrink(&wire->out);
    if (is_flushed(wire) && wire->is_finished && cm_stream_is_flushed(wire->stream))
        end(wire);
}

void cm_rtsp_wire_say(cm_rtsp_wire *wire, cm_slice bytes)
{
    if (wire->is_over || wire->is_finished)
        return;
    if (cm_buffer_add(&wire->out, bytes) != CM_OK)
        end(wire);
    else
        flush(wire);
}

void cm_rtsp_wire_finish(cm_rtsp_wire *wire)
{
    wire->is_finished = true;
    flush(wire);
}

cm_status cm_rtsp_wire_put(cm_rtsp_wire *wire, const cm_slice *parts, size_t count, size_t *taken)
{
    *taken = 0;
    CM_ENSURE(wire->is_held || is_flushed(wire), CM_RETRY);
    return write_some(wire, parts, count, taken);
}

void cm_rtsp_wire_hold(cm_rtsp_wire *wire, bool is_held)
{
    wire->is_held = is_held;
    if (!is_held)
        flush(wire);
}

/* ---- in ---- */

/* Interleaved frames are the player's reports on what he gets: nothing here goes by them. */
static void take(cm_rtsp_wire *wire, const cm_rtsp_message *message)
{
    if (message->kind == CM_RTSP_REQUEST && !wire->is_finished)
        wire->config.events->on_request(wire->config.owner, message);
}

/* CM_RETRY: more must come, or the request under way must be answered first. */
static cm_status take_all(cm_rtsp_wire *wire)
{
    while (!wire->is_waiting && !wire->is_destroyed && !wire->is_over) {
        cm_rtsp_message message;
        size_t consumed;
        const cm_status status =
            cm_rtsp_scan(&wire->scanner, cm_buffer_data(&wire->in), &message, &consumed);
        if (status == CM_OK)
            take(wire, &message);
        cm_buffer_consume(&wire->in, consumed);
        CM_TRY(status);
    }
    return CM_RETRY;
}

static cm_status read_all(cm_rtsp_wire *wire)
{
    for (;;) {
        uint8_t *room;
        size_t size;
        CM_TRY(take_all(wire) == CM_RETRY ? CM_OK : CM_CLOSE);
        if (wire->is_waiting || wire->is_destroyed || wire->is_over)
            return CM_RETRY;
        CM_ENSURE(cm_buffer_room(&wire->in, READ_SIZE, &room) == CM_OK, CM_CLOSE);
        CM_TRY(cm_stream_read(wire->stream, room, READ_SIZE, &size));
        cm_buffer_commit(&wire->in, size);
    }
}

/* The owner may destroy the wire in whatever this causes. */
static void on_readable(void *owner)
{
    cm_rtsp_wire *wire = owner;
    wire->is_inside = true;
    const cm_status status = read_all(wire);
    wire->is_inside = false;
    if (wire->is_destroyed) {
        free_wire(wire);
        return;
    }
    cm_buffer_shrink(&wire->in);
    if (status != CM_RETRY) {
        cm_stream_pause(wire->stream, true);
        end(wire);
    }
}

void cm_rtsp_wire_wait(cm_rtsp_wire *wire, bool is_waiting)
{
    wire->is_waiting = is_waiting;
    if (wire->is_over)
        return;
    cm_stream_pause(wire->stream, is_waiting);
    if (!is_waiting) /* what came meanwhile is here already */
        cm_timer_start(&wire->soon, 0);
}

static void on_soon(cm_timer *timer)
{
    cm_rtsp_wire *wire = CM_HOLDER(timer, cm_rtsp_wire, soon);
    if (wire->is_over)
        wire->config.events->on_gone(wire->config.owner);
    else
        on_readable(wire);
}

/* ---- the stream ---- */

static void on_ready(void *owner, cm_status status)
{
    if (status != CM_OK)
        end(owner);
}

static void on_writable(void *owner)
{
    cm_rtsp_wire *wire = owner;
    wire->is_full = false;
    flush(wire);
    if ((wire->is_held || is_flushed(wire)) && !wire->is_over && !wire->is_finished)
        wire->config.events->on_writable(wire->config.owner);
}

static const cm_stream_events STREAM_EVENTS = {
    .on_ready = on_ready, .on_readable = on_readable, .on_writable = on_writable};

cm_status cm_rtsp_wire_create(const cm_rtsp_wire_config *config, cm_rtsp_wire **out)
{
    cm_rtsp_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        cm_tcp_reset(config->tcp);
        return CM_BROKEN;
    }
    wire->config = *config;
    wire->loop = cm_net_loop(config->net);
    wire->progress = cm_loop_now(wire->loop);
    cm_rtsp_scanner_init(&wire->scanner);
    wire->scanner.channel_max = CHANNEL_MAX;
    cm_buffer_init(&wire->in, IN_MAX);
    cm_buffer_init(&wire->out, OUT_MAX);
    cm_timer_init(&wire->soon, wire->loop, on_soon);
    const cm_stream_config stream = {.tcp = config->tcp,
                                     .tls = config->tls,
                                     .scratch = &config->room->scratch,
                                     .handshake_us = CM_SECONDS(HANDSHAKE_S),
                                     .events = &STREAM_EVENTS,
                                     .owner = wire};
    const cm_status status = cm_stream_accept(config->net, &stream, &wire->stream);
    if (status != CM_OK) {
        free_wire(wire);
        return status;
    }
    cm_stream_limit_unsent(wire->stream, UNSENT_MAX);
    *out = wire;
    return CM_OK;
}

cm_instant cm_rtsp_wire_progress(const cm_rtsp_wire *wire)
{
    return wire->progress;
}

cm_address cm_rtsp_wire_peer(const cm_rtsp_wire *wire)
{
    return cm_stream_peer(wire->stream);
}
