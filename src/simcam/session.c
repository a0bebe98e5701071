#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "simcam/simcam_priv.h"

enum {
    READ_SIZE = 16384,
    PARTS_MAX = 64,         /* of one cm_tcp_write */
    UNSENT_MAX = 256 << 10, /* in the kernel: more than a keyframe, less than a second */
};

/* ---- life ---- */

static void random_hex(cm_simcam *s, char *out, size_t bytes)
{
    uint8_t random[16];
    cm_random_fill(cm_loop_random(s->loop), random, bytes);
    CM_IGNORE(cm_text_to_hex(cm_slice_over(random, bytes), out, CM_HEX_SIZE(bytes)), "it fits");
}

void cm_simcam_session_renew_nonce(cm_simcam_session *session)
{
    random_hex(session->simcam, session->nonce, (CM_SIMCAM_NONCE_SIZE - 1) / 2);
    session->is_nonce_stale = true;
}

void cm_simcam_session_destroy(cm_simcam_session *session)
{
    cm_simcam_session_enter(session, CM_SIMCAM_FRESH);
    cm_list_remove(&session->node);
    cm_tcp_close(session->tcp);
    cm_buffer_deinit(&session->in);
    cm_buffer_deinit(&session->out);
    free(session);
}

/* What enters and leaves with a state. */
void cm_simcam_session_enter(cm_simcam_session *session, cm_simcam_state state)
{
    cm_simcam *s = session->simcam;
    if (session->state == CM_SIMCAM_PLAYING) {
        cm_list_remove(&session->viewing);
        s->counters.sessions--;
    }
    if (session->state != CM_SIMCAM_FRESH && state == CM_SIMCAM_FRESH) {
        session->camera->session_count--;
        session->camera = NULL;
        session->sound.is_set_up = session->is_ear = false;
    }
    if (session->state == CM_SIMCAM_FRESH && state != CM_SIMCAM_FRESH) {
        session->camera->session_count++;
        random_hex(s, session->id, (CM_SIMCAM_ID_SIZE - 1) / 2);
        session->ssrc = (uint32_t)cm_random_u64(cm_loop_random(s->loop));
        session->sequence = (uint16_t)cm_random_u64(cm_loop_random(s->loop));
        session->timestamp_base = (uint32_t)cm_random_u64(cm_loop_random(s->loop));
    }
    if (state == CM_SIMCAM_PLAYING) {
        if (!session->is_ear)
            cm_list_add_last(&session->camera->viewers[session->stream], &session->viewing);
        session->is_waiting = true;
        session->reported = (cm_instant){.us = INT64_MIN / 2};
        s->counters.sessions++;
    }
    session->state = state;
}

/* ---- out ---- */

/* Writes what waits. CM_OK: nothing waits any more. CM_RETRY: on_writable comes. */
static cm_status flush(cm_simcam_session *session)
{
    while (cm_buffer_data(&session->out).size > 0) {
        const cm_slice waiting = cm_buffer_data(&session->out);
        size_t taken;
        CM_TRY(cm_tcp_write(session->tcp, &waiting, 1, &taken));
        cm_buffer_consume(&session->out, taken);
        if (taken < waiting.size)
            return CM_RETRY;
    }
    cm_buffer_shrink(&session->out);
    return CM_OK;
}

/* Copies the parts from `skip` bytes on behind what waits. */
static cm_status keep(cm_simcam_session *session, const cm_slice *parts, size_t count, size_t skip)
{
    for (size_t i = 0; i < count; i++) {
        const size_t drop = skip < parts[i].size ? skip : parts[i].size;
        skip -= drop;
        CM_TRY(cm_buffer_add(&session->out, cm_slice_from(parts[i], drop)));
    }
    return CM_OK;
}

cm_status cm_simcam_session_send(cm_simcam_session *session, const cm_slice *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].size;
    if (cm_buffer_data(&session->out).size > 0) {
        CM_ENSURE(cm_buffer_data(&session->out).size + total <= CM_SIMCAM_BACKLOG_MAX, CM_FULL);
        return keep(session, parts, count, 0);
    }
    for (size_t at = 0; at < count; at += PARTS_MAX) {
        const size_t some = count - at < PARTS_MAX ? count - at : PARTS_MAX;
        size_t size = 0;
        for (size_t i = at; i < at + some; i++)
            size += parts[i].size;
        size_t taken = 0;
        const cm_status status = cm_tcp_write(session->tcp, &parts[at], some, &taken);
        CM_ENSURE(status == CM_OK || status == CM_RETRY, CM_CLOSE);
        if (taken < size) /* a picture that was begun is kept whole, whatever the bound */
            return keep(session, &parts[at], count - at, taken);
    }
    return CM_OK;
}

static void on_writable(void *owner)
{
    cm_simcam_session *session = owner;
    const cm_status status = flush(session);
    if (status == CM_CLOSE)
        cm_simcam_session_destroy(session);
}

/* ---- in ---- */

/* One thing that came. Interleaved frames are the viewer's RTCP, or what he says. */
static cm_status take(cm_simcam_session *session, const cm_rtsp_message *message)
{
    session->heard = cm_loop_now(session->simcam->loop);
    if (message->kind == CM_RTSP_INTERLEAVED && session->is_ear && session->is_tcp &&
        message->channel == session->channel)
        cm_simcam_hear(session, message->body);
    if (message->kind != CM_RTSP_REQUEST)
        return CM_OK;
    return cm_simcam_answer(session, message);
}

static cm_status take_all(cm_simcam_session *session)
{
    for (;;) {
        cm_rtsp_message message;
        size_t consumed;
        cm_status status =
            cm_rtsp_scan(&session->scanner, cm_buffer_data(&session->in), &message, &consumed);
        if (status == CM_OK)
            status = take(session, &message);
        cm_buffer_consume(&session->in, consumed);
        if (status != CM_OK)
            return status;
    }
}

static cm_status read_all(cm_simcam_session *session)
{
    for (;;) {
        uint8_t *room;
        size_t size;
        CM_ENSURE(cm_buffer_room(&session->in, READ_SIZE, &room) == CM_OK, CM_CLOSE);
        CM_TRY(cm_tcp_read(session->tcp, room, READ_SIZE, &size));
        cm_buffer_commit(&session->in, size);
        const cm_status status = take_all(session);
        CM_ENSURE(status == CM_RETRY, status);
    }
}

static void on_readable(void *owner)
{
    cm_simcam_session *session = owner;
    const cm_status status = read_all(session);
    if (status == CM_RETRY) {
        cm_buffer_shrink(&session->in);
        return;
    }
    cm_simcam_session_destroy(session);
}

void cm_simcam_accept(void *owner, cm_tcp *tcp)
{
    static const cm_tcp_events EVENTS = {.on_readable = on_readable, .on_writable = on_writable};
    cm_simcam *s = owner;
    cm_simcam_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        cm_tcp_reset(tcp);
        return;
    }
    session->simcam = s;
    session->tcp = tcp;
    session->heard = cm_loop_now(s->loop);
    cm_rtsp_scanner_init(&session->scanner);
    cm_buffer_init(&session->in, CM_RTSP_BUFFER_SIZE + READ_SIZE);
    cm_buffer_init(&session->out, CM_SIMCAM_BACKLOG_MAX + CM_SIMCAM_BACKLOG_SLACK);
    random_hex(s, session->nonce, (CM_SIMCAM_NONCE_SIZE - 1) / 2);
    cm_list_init(&session->viewing);
    cm_list_add_last(&s->sessions, &session->node);
    cm_tcp_limit_unsent(tcp, UNSENT_MAX);
    cm_tcp_listen_to(tcp, &EVENTS, session);
}

/* RTCP of viewers over UDP says only that they are there. RTP is what they say. */
void cm_simcam_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    cm_simcam *s = owner;
    for (size_t i = 0; i < count; i++)
        CM_LIST_EACH(&s->sessions, node, next)
        {
            cm_simcam_session *session = CM_HOLDER(node, cm_simcam_session, node);
            if (session->state == CM_SIMCAM_FRESH || session->is_tcp)
                continue;
            if (cm_address_equal(&session->peers[1], &datagrams[i].peer))
                session->heard = cm_loop_now(s->loop);
            else if (session->is_ear && cm_address_equal(&session->peers[0], &datagrams[i].peer))
                cm_simcam_hear(session, datagrams[i].bytes);
        }
}
