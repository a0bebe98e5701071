/*
 * viewers: many viewers at once, who look at every picture they get (tests/tools/eye.h). Told what
 * to do a line at a time on standard input; answers on standard output. Ends with its input.
 *
 *   open ID h1|t1|h2|rtc|rtx|rtn|rts|rtd|sp|ss|sd PORT LINK RATE WANTED PICTURES AGAIN_MS WHO PATH
 *       h1: HTTP/1.1; t1: the same over TLS; h2: HTTP/2 over TLS, on the connection named LINK
 *       ("-": its own). rtc: WebRTC, PATH is that of WHEP; rtx: the same, troubled (it loses
 *       packets and asks for keyframes, tests/tools/rtc_watch.h); rtn: that without RTX. rts: asks
 *       for sound too (tests/tools/ear.h); rtd: the same, of which none may be heard.
 *       sp: RTSP, PORT is that of RTSP, PATH "home/camera[/sub]", WHO a token; ss: asks for sound
 *       too; sd: the same, of which none may be heard.
 *       RATE: bytes read a second, 0 for all. WANTED: the simulated camera's code; 0: none may be
 *       seen. PICTURES: leaves after so many, 0 stays. AGAIN_MS: asks again so long after its end;
 *       -1 never. WHO: b:TOKEN, c:COOKIE or -.
 *   close ID
 *   forge ID KIND COUNT
 *               from that WebRTC viewer's address, enum rtc_forgery of rtc_watch.h: {"is_done"}
 *   tell ID     {"id", "is_open", "status", "opened_us", "first_us", "last_us", "end_us", "number"
 *               (the server's, of the last picture), "restored" (packets of this WebRTC session
 *               that were missing, and came), pictures…}
 *   report      the sum over all since the start, as one JSON object
 *   reset       sums start at nothing again
 *
 * Times are microseconds of CLOCK_MONOTONIC; last_us is when the response's last byte was read from
 * the socket. By itself it says `end ID STATUS LAST_US END_US` for those who don't ask again, and
 * `wrong ID …` the first time that somebody gets a picture he must not.
 */
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "eye.h"
#include "peer.h"
#include "rtc_watch.h"
#include "rtsp_watch.h"

enum {
    VIEWERS_MAX = 4096,
    LINE_SIZE = 1024,
    HEAD_MAX = 65536,
    H2_WINDOW = 65535,
    SOUND_PICTURES = 8, /* who hears nothing leaves after so many times the pictures */
};

typedef enum how { HOW_H1, HOW_T1, HOW_H2, HOW_RTC, HOW_RTSP } how;

typedef struct viewer viewer;

/* A connection. HTTP/1.1: of one viewer. HTTP/2: of those who named it. */
typedef struct wire {
    cm_list node;
    char name[32];
    how how;
    peer *peer;
    rtc_watch *watch; /* of WebRTC, instead of the peer */
    rtsp_watch *rtsp; /* of RTSP, beside it */
    nghttp2_session *session;
    cm_list viewers;
    bool is_over;
    cm_buffer head; /* HTTP/1.1: what is read of head or chunk line */
    bool has_head;  /* the rest is the body */
    bool is_chunked;
    uint64_t left; /* of the chunk, or of the body */
    bool has_length;
} wire;

struct viewer {
    cm_list node; /* of its wire */
    char id[32], link_name[32], who[160], path[256];
    how how;
    bool is_troubled, has_no_rtx, asks_sound;
    uint16_t port, wanted;
    uint64_t rate, pictures_max;
    int64_t again_ms;
    wire *link;
    int32_t stream;
    unsigned status;
    bool is_open, is_told, is_bad;
    int64_t opened_us, first_us, last_us, end_us, again_at;
    eye eye;
    ear ear;
    eye_report sum; /* of its ended responses */
};

static struct {
    viewer *all[VIEWERS_MAX];
    size_t count;
    cm_list links;
    eye_report gone; /* of viewers that were closed for good */
    uint64_t opens, ok, refused, failed, cut;
    int64_t now;
} s;

/* ---- a viewer ---- */

static void note_status(viewer *v, unsigned status)
{
    v->status = status;
    if (status == 200)
        s.ok++;
    else if (status < 500)
        s.refused++;
    else
        s.failed++;
}

static void shout(viewer *v)
{
    const eye_report *r = &v->eye.report;
    if (v->is_told || r->foreign + r->foreign_heard + r->old + r->broken + r->unstamped == 0)
        return;
    v->is_told = true;
    printf("wrong %s wanted=%u foreign=%lu foreign_heard=%lu old=%lu broken=%lu unstamped=%lu\n",
           v->id, v->wanted, r->foreign, r->foreign_heard, r->old, r->broken, r->unstamped);
}

/* The response is over; `is_whole`: as HTTP says. */
static void viewer_end(viewer *v, bool is_whole)
{
    if (!v->is_open)
        return;
    v->is_open = false;
    v->end_us = s.now;
    if (v->status == 200 && is_whole)
        eye_end(&v->eye);
    else if (v->status == 200)
        s.cut++;
    shout(v);
    eye_settle(&v->eye);
    eye_add_report(&v->sum, &v->eye.report);
    eye_close(&v->eye);
    v->eye.report = (eye_report){0};
    cm_list_remove(&v->node);
    v->link = NULL;
    v->stream = 0;
    v->again_at = v->again_ms >= 0 ? s.now + v->again_ms * 1000 : 0;
    if (v->again_ms < 0)
        printf("end %s %u %ld %ld\n", v->id, v->status, v->last_us, v->end_us);
}

static void viewer_leave(viewer *v)
{
    wire *l = v->link;
    if (!v->is_open)
        return;
    if (l->how == HOW_H2 && !l->is_over)
        nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, v->stream, NGHTTP2_CANCEL);
    else
        l->is_over = true;
    if (l->how == HOW_H2)
        nghttp2_session_set_stream_user_data(l->session, v->stream, NULL);
    if (l->how == HOW_RTC)
        rtc_watch_stop(l->watch);
    if (l->how == HOW_RTSP)
        rtsp_watch_stop(l->rtsp);
    viewer_end(v, true);
}

static void viewer_body(viewer *v, cm_slice bytes)
{
    if (!v->is_open || bytes.size == 0)
        return;
    v->last_us = s.now;
    if (v->status != 200)
        return;
    if (v->first_us == 0)
        v->first_us = s.now;
    eye_look(&v->eye, bytes);
    shout(v);
    if (v->pictures_max > 0 && v->eye.report.pictures >= v->pictures_max)
        viewer_leave(v);
}

/* The header that says who asks, or what nobody says. */
static const char *write_who(const viewer *v, char *room, size_t size)
{
    const char *prefix = v->who[0] == '-'   ? "X-Nobody: "
                         : v->who[0] == 'c' ? "Cookie: __Host-casement="
                                            : "Authorization: Bearer ";
    snprintf(room, size, "%s%s", prefix, v->who[0] == '-' ? "1" : v->who + 2);
    return room;
}

/* ---- HTTP/1.1 ---- */

static void h1_head(wire *l, viewer *v, cm_slice head)
{
    uint64_t status = 0;
    CM_IGNORE(cm_slice_to_u64(cm_slice_part(head, 9, 3), 999, &status), "0 then");
    note_status(v, (unsigned)status);
    l->has_head = true;
    while (head.size > 0) {
        cm_slice value = cm_slice_cut(&head, '\n');
        const cm_slice name = cm_slice_cut(&value, ':');
        if (cm_slice_equal_nocase(name, CM_TEXT("transfer-encoding")))
            l->is_chunked = true;
        if (cm_slice_equal_nocase(name, CM_TEXT("content-length")))
            l->has_length = cm_slice_to_u64(cm_slice_trim(value), UINT32_MAX, &l->left) == CM_OK;
    }
    v->is_bad = status == 0;
}

static bool is_line(cm_slice data, size_t *size_out)
{
    *size_out = cm_slice_find(data, '\n') + 1;
    return *size_out <= data.size;
}

/* Whether the whole head is there. */
static bool h1_take_head(wire *l, viewer *v)
{
    const cm_slice data = cm_buffer_data(&l->head);
    for (size_t i = 0; i + 4 <= data.size; i++) {
        if (!cm_slice_starts(cm_slice_from(data, i), CM_TEXT("\r\n\r\n")))
            continue;
        h1_head(l, v, cm_slice_part(data, 0, i + 2));
        cm_buffer_consume(&l->head, i + 4);
        return true;
    }
    return false;
}

/* Chunks: size line, bytes, empty line. False: more must come, or it is the end. */
static bool h1_take_chunk(wire *l, viewer *v)
{
    const cm_slice data = cm_buffer_data(&l->head);
    size_t size;
    if (l->left > 0) {
        const cm_slice part = cm_slice_part(data, 0, l->left);
        l->left -= part.size;
        viewer_body(v, part);
        cm_buffer_consume(&l->head, part.size);
        return part.size > 0 && v->is_open;
    }
    if (!is_line(data, &size))
        return false;
    const cm_slice line = cm_slice_trim(cm_slice_part(data, 0, size));
    char text[32] = "";
    const bool is_size = line.size > 0 && cm_slice_to_cstr(line, text, sizeof text) == CM_OK;
    cm_buffer_consume(&l->head, size);
    if (is_size) {
        l->left = strtoul(text, NULL, 16);
        if (l->left == 0)
            viewer_end(v, true);
    }
    return v->is_open;
}

static void h1_take_rest(wire *l, viewer *v)
{
    const cm_slice data = cm_buffer_data(&l->head);
    const cm_slice part = l->has_length ? cm_slice_part(data, 0, l->left) : data;
    viewer_body(v, part);
    l->left -= l->has_length ? part.size : 0;
    cm_buffer_clear(&l->head);
    if (l->has_length && l->left == 0)
        viewer_end(v, true);
}

static void h1_bytes(wire *l, cm_slice bytes)
{
    viewer *v = cm_list_is_empty(&l->viewers) ? NULL : CM_HOLDER(l->viewers.next, viewer, node);
    if (v == NULL)
        return;
    v->last_us = s.now;
    if (cm_buffer_add(&l->head, bytes) != CM_OK)
        abort();
    if (!l->has_head && !h1_take_head(l, v))
        return;
    if (l->is_chunked)
        while (h1_take_chunk(l, v)) {
        }
    else
        h1_take_rest(l, v);
    if (!v->is_open)
        l->is_over = true;
}

static void h1_ask(wire *l, const viewer *v)
{
    char text[LINE_SIZE], who[LINE_SIZE / 2];
    const int size =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n\r\n", v->path,
                 v->port, write_who(v, who, sizeof who));
    peer_send(l->peer, cm_slice_over(text, (size_t)size));
}

/* ---- HTTP/2 ---- */

static ssize_t h2_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *owner)
{
    (void)session;
    (void)flags;
    peer_send(((wire *)owner)->peer, cm_slice_over(data, size));
    return (ssize_t)size;
}

static int h2_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *owner)
{
    (void)flags;
    (void)owner;
    viewer *v = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    uint64_t status;
    if (v != NULL && cm_slice_equal(cm_slice_over(name, name_size), CM_TEXT(":status")) &&
        cm_slice_to_u64(cm_slice_over(value, value_size), 999, &status) == CM_OK)
        note_status(v, (unsigned)status);
    return 0;
}

static int h2_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *owner)
{
    (void)flags;
    (void)owner;
    viewer *v = nghttp2_session_get_stream_user_data(session, stream);
    if (v != NULL)
        viewer_body(v, cm_slice_over(data, size));
    return 0;
}

static int h2_closed(nghttp2_session *session, int32_t stream, uint32_t error, void *owner)
{
    wire *l = owner;
    viewer *v = nghttp2_session_get_stream_user_data(session, stream);
    if (v != NULL)
        viewer_end(v, error == NGHTTP2_NO_ERROR);
    if (l->name[0] == '-' && cm_list_is_empty(&l->viewers))
        l->is_over = true;
    return 0;
}

static void h2_begin(wire *l, bool is_slow)
{
    nghttp2_session_callbacks *calls;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, is_slow ? 16384 : H2_WINDOW * 8},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    if (nghttp2_session_callbacks_new(&calls) != 0)
        abort();
    nghttp2_session_callbacks_set_send_callback(calls, h2_send);
    nghttp2_session_callbacks_set_on_header_callback(calls, h2_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, h2_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, h2_closed);
    if (nghttp2_session_client_new(&l->session, calls, l) != 0)
        abort();
    nghttp2_session_callbacks_del(calls);
    nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, CM_COUNT(settings));
    if (!is_slow)
        nghttp2_session_set_local_window_size(l->session, NGHTTP2_FLAG_NONE, 0, H2_WINDOW * 64);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void h2_ask(wire *l, viewer *v)
{
    char who[sizeof v->who + 32], authority[32];
    const bool is_cookie = v->who[0] == 'c';
    snprintf(authority, sizeof authority, "127.0.0.1:%u", v->port);
    snprintf(who, sizeof who, "%s%s", is_cookie ? "__Host-casement=" : "Bearer ", v->who + 2);
    const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "https"),
                                 field(":authority", authority), field(":path", v->path),
                                 field(is_cookie ? "cookie" : "authorization", who)};
    const size_t count = v->who[0] == '-' ? CM_COUNT(fields) - 1 : CM_COUNT(fields);
    v->stream = nghttp2_submit_request(l->session, NULL, fields, count, NULL, v);
}

static void h2_bytes(wire *l, cm_slice bytes)
{
    if (nghttp2_session_mem_recv(l->session, bytes.bytes, bytes.size) < 0)
        l->is_over = true;
}

/* ---- RTSP ---- */

static viewer *viewer_of(const wire *l)
{
    return cm_list_is_empty(&l->viewers) ? NULL : CM_HOLDER(l->viewers.next, viewer, node);
}

static void media_packet(void *owner)
{
    viewer *v = viewer_of(owner);
    s.now = peer_now_us();
    if (v == NULL)
        return;
    v->last_us = s.now;
    if (v->first_us == 0)
        v->first_us = s.now;
    shout(v);
    const bool has_enough = v->asks_sound && v->eye.report.heard < v->pictures_max
                                ? v->eye.report.pictures >= SOUND_PICTURES * v->pictures_max
                                : v->eye.report.pictures >= v->pictures_max;
    if (v->pictures_max > 0 && has_enough)
        viewer_leave(v);
}

static void media_answer(void *owner, unsigned status)
{
    viewer *v = viewer_of(owner);
    s.now = peer_now_us();
    if (v != NULL)
        note_status(v, status == 201 ? 200 : status);
}

static void rtsp_answer(void *owner, unsigned status)
{
    wire *l = owner;
    media_answer(l, status);
    l->is_over = status != 200;
}

static void rtsp_send(void *owner, cm_slice bytes)
{
    const wire *l = owner;
    peer_send(l->peer, bytes);
}

/* The answer may have ended the viewer, whose eye and ear are looked with. */
static void rtsp_bytes(wire *l, cm_slice bytes)
{
    if (viewer_of(l) == NULL || !rtsp_watch_take(l->rtsp, bytes))
        l->is_over = true;
}

static void rtsp_ask(wire *l, viewer *v)
{
    l->rtsp = rtsp_watch_open(&(rtsp_watch_config){.port = v->port,
                                                   .path = v->path,
                                                   .token = v->who[0] == 'b' ? v->who + 2 : "",
                                                   .eye = &v->eye,
                                                   .ear = v->asks_sound ? &v->ear : NULL,
                                                   .send = rtsp_send,
                                                   .on_answer = rtsp_answer,
                                                   .on_packet = media_packet,
                                                   .owner = l});
}

/* ---- links ---- */

static void link_bytes(void *owner, cm_slice bytes)
{
    wire *l = owner;
    s.now = peer_now_us();
    if (l->how == HOW_H2)
        h2_bytes(l, bytes);
    else if (l->how == HOW_RTSP)
        rtsp_bytes(l, bytes);
    else
        h1_bytes(l, bytes);
}

static void link_end(void *owner)
{
    wire *l = owner;
    s.now = peer_now_us();
    l->is_over = true;
    CM_LIST_EACH(&l->viewers, node, next)
    {
        viewer *v = CM_HOLDER(node, viewer, node);
        if (l->how == HOW_H2)
            nghttp2_session_set_stream_user_data(l->session, v->stream, NULL);
        viewer_end(v, false);
    }
}

/* ---- WebRTC ---- */

static const rtc_watch_events WATCH_EVENTS = {media_answer, media_packet, link_end};

static rtc_watch *watch_open(viewer *v, wire *l)
{
    char who[LINE_SIZE];
    return rtc_watch_open(&(rtc_watch_config){.port = v->port,
                                              .path = v->path,
                                              .who = write_who(v, who, sizeof who),
                                              .eye = &v->eye,
                                              .ear = v->asks_sound ? &v->ear : NULL,
                                              .is_slow = v->rate > 0,
                                              .is_troubled = v->is_troubled,
                                              .has_no_rtx = v->has_no_rtx,
                                              .events = &WATCH_EVENTS,
                                              .owner = l});
}

static wire *link_open(viewer *v)
{
    wire *l = calloc(1, sizeof *l);
    if (l == NULL)
        abort();
    l->how = v->how;
    snprintf(l->name, sizeof l->name, "%s", v->link_name);
    cm_list_init(&l->viewers);
    cm_buffer_init(&l->head, 32 << 20);
    if (v->how == HOW_RTC)
        l->watch = watch_open(v, l);
    else
        l->peer = peer_open(&(peer_config){.port = v->port,
                                           .is_tls = v->how == HOW_T1 || v->how == HOW_H2,
                                           .is_h2 = v->how == HOW_H2,
                                           .bytes_a_second = v->rate,
                                           .on_bytes = link_bytes,
                                           .on_end = link_end,
                                           .owner = l});
    if (l->peer == NULL && l->watch == NULL) {
        free(l);
        return NULL;
    }
    if (v->how == HOW_H2)
        h2_begin(l, v->rate > 0);
    cm_list_add_last(&s.links, &l->node);
    return l;
}

static void link_free(wire *l)
{
    link_end(l);
    cm_list_remove(&l->node);
    nghttp2_session_del(l->session);
    peer_close(l->peer);
    rtc_watch_close(l->watch);
    rtsp_watch_close(l->rtsp);
    cm_buffer_deinit(&l->head);
    free(l);
}

static wire *link_of(viewer *v)
{
    CM_LIST_EACH(&s.links, node, next)
    {
        wire *l = CM_HOLDER(node, wire, node);
        if (v->how == HOW_H2 && l->how == HOW_H2 && v->link_name[0] != '-' && !l->is_over &&
            strcmp(l->name, v->link_name) == 0)
            return l;
    }
    return link_open(v);
}

static void viewer_open(viewer *v)
{
    v->link = link_of(v);
    v->again_at = 0;
    if (v->link == NULL) { /* the server is not there */
        v->again_at = v->again_ms >= 0 ? s.now + 100000 : 0;
        s.failed++;
        return;
    }
    s.opens++;
    v->is_open = true;
    v->status = 0;
    v->opened_us = s.now;
    v->first_us = v->last_us = v->end_us = 0;
    eye_open(&v->eye, v->wanted, strstr(v->path, "still.jpg") != NULL);
    cm_list_add_last(&v->link->viewers, &v->node);
    if (v->how == HOW_H2)
        h2_ask(v->link, v);
    else if (v->how == HOW_RTSP)
        rtsp_ask(v->link, v);
    else if (v->how != HOW_RTC)
        h1_ask(v->link, v);
}

/* ---- words ---- */

static viewer *find(const char *id)
{
    for (size_t i = 0; i < s.count; i++)
        if (strcmp(s.all[i]->id, id) == 0)
            return s.all[i];
    return NULL;
}

static void do_open(const char *line)
{
    char kind[8];
    unsigned port, wanted;
    viewer *v = calloc(1, sizeof *v);
    if (v == NULL || s.count == VIEWERS_MAX)
        abort();
    if (sscanf(line, "open %31s %7s %u %31s %lu %u %lu %ld %159s %255s", v->id, kind, &port,
               v->link_name, &v->rate, &wanted, &v->pictures_max, &v->again_ms, v->who,
               v->path) != 10) {
        fprintf(stderr, "viewers: what is %s\n", line);
        exit(2);
    }
    v->how = kind[0] == 'r'   ? HOW_RTC
             : kind[0] == 's' ? HOW_RTSP
             : kind[0] == 't' ? HOW_T1
             : kind[1] == '2' ? HOW_H2
                              : HOW_H1;
    v->is_troubled = v->how == HOW_RTC && (kind[2] == 'x' || kind[2] == 'n');
    v->has_no_rtx = kind[2] == 'n';
    const char sound = v->how == HOW_RTC ? kind[2] : v->how == HOW_RTSP ? kind[1] : '-';
    v->asks_sound = sound == 's' || sound == 'd';
    v->ear = (ear){.wanted = (uint16_t)wanted,
                   .may_hear = sound == 's' && wanted > 0,
                   .heard = &v->eye.report.heard,
                   .foreign = &v->eye.report.foreign_heard};
    v->port = (uint16_t)port;
    v->wanted = (uint16_t)wanted;
    cm_list_init(&v->node);
    s.all[s.count++] = v;
    viewer_open(v);
}

static void do_close(const char *id)
{
    for (size_t i = 0; i < s.count; i++) {
        viewer *v = s.all[i];
        if (strcmp(v->id, id) != 0)
            continue;
        v->again_ms = INT32_MAX; /* nothing is said of it */
        viewer_leave(v);
        eye_add_report(&s.gone, &v->sum);
        s.all[i] = s.all[--s.count];
        free(v);
        return;
    }
}

static void print_report(const eye_report *r)
{
    printf("\"pictures\":%lu,\"foreign\":%lu,\"old\":%lu,\"again\":%lu,\"missed\":%lu,"
           "\"left_out\":%lu,\"decoded\":%lu,\"unreadable\":%lu,\"unstamped\":%lu,\"broken\":%lu,"
           "\"heard\":%lu,\"foreign_heard\":%lu,\"bytes\":%lu}\n",
           r->pictures, r->foreign, r->old, r->again, r->missed, r->left_out, r->decoded,
           r->unreadable, r->unstamped, r->broken, r->heard, r->foreign_heard, r->bytes);
}

static void do_forge(const char *line)
{
    char id[32];
    unsigned kind, count;
    if (sscanf(line, "%31s %u %u", id, &kind, &count) != 3 || kind >= RTC_FORGERIES) {
        fprintf(stderr, "viewers: forge what? %s\n", line);
        exit(2);
    }
    const viewer *v = find(id);
    const bool is_done = v != NULL && v->is_open && v->link->watch != NULL &&
                         rtc_watch_forge(v->link->watch, (rtc_forgery)kind, count);
    printf("{\"is_done\":%s}\n", is_done ? "true" : "false");
}

static unsigned long restored_of(const viewer *v)
{
    const bool is_watch = v->is_open && v->link != NULL && v->link->watch != NULL;
    return is_watch ? rtc_watch_restored(v->link->watch) : 0;
}

static void do_tell(const char *id)
{
    viewer *v = find(id);
    if (v == NULL) {
        printf("{}\n");
        return;
    }
    eye_settle(&v->eye);
    eye_report sum = v->sum;
    eye_add_report(&sum, &v->eye.report);
    printf("{\"id\":\"%s\",\"is_open\":%s,\"status\":%u,\"opened_us\":%ld,\"first_us\":%ld,"
           "\"last_us\":%ld,\"end_us\":%ld,\"number\":%u,\"restored\":%lu,",
           v->id, v->is_open ? "true" : "false", v->status, v->opened_us, v->first_us, v->last_us,
           v->end_us, v->eye.number, restored_of(v));
    print_report(&sum);
}

static void do_report(void)
{
    eye_report sum = s.gone;
    size_t open = 0;
    for (size_t i = 0; i < s.count; i++) {
        eye_settle(&s.all[i]->eye);
        eye_add_report(&sum, &s.all[i]->sum);
        eye_add_report(&sum, &s.all[i]->eye.report);
        open += s.all[i]->is_open ? 1 : 0;
    }
    printf("{\"viewers\":%zu,\"open\":%zu,\"opens\":%lu,\"ok\":%lu,\"refused\":%lu,\"failed\":%lu,"
           "\"cut\":%lu,",
           s.count, open, s.opens, s.ok, s.refused, s.failed, s.cut);
    print_report(&sum);
}

static void do_reset(void)
{
    s.gone = (eye_report){0};
    s.opens = s.ok = s.refused = s.failed = s.cut = 0;
    for (size_t i = 0; i < s.count; i++) {
        s.all[i]->sum = s.all[i]->eye.report = (eye_report){0};
        s.all[i]->is_told = false;
    }
    printf("{}\n");
}

static void obey(const char *line)
{
    if (strncmp(line, "open ", 5) == 0)
        do_open(line);
    else if (strncmp(line, "close ", 6) == 0)
        do_close(line + 6);
    else if (strncmp(line, "forge ", 6) == 0)
        do_forge(line + 6);
    else if (strncmp(line, "tell ", 5) == 0)
        do_tell(line + 5);
    else if (strcmp(line, "report") == 0)
        do_report();
    else if (strcmp(line, "reset") == 0)
        do_reset();
}

/* False at the end of the input. */
static bool hear(void)
{
    static char text[65536];
    static size_t size;
    const ssize_t got = read(STDIN_FILENO, text + size, sizeof text - size);
    if (got <= 0)
        return false;
    size += (size_t)got;
    for (char *end; (end = memchr(text, '\n', size)) != NULL;) {
        const size_t used = (size_t)(end - text) + 1;
        *end = '\0';
        obey(text);
        memmove(text, text + used, size - used);
        size -= used;
    }
    return true;
}

/* ---- the loop ---- */

static bool is_dead(const wire *l)
{
    return l->watch != NULL ? rtc_watch_is_over(l->watch) : peer_is_dead(l->peer);
}

static void run_link(wire *l, short events)
{
    if (l->watch != NULL)
        rtc_watch_run(l->watch, events, s.now);
    else
        peer_run(l->peer, events, s.now);
}

static void run_links(struct pollfd *wishes, wire **links, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!links[i]->is_over)
            run_link(links[i], wishes[1 + i].revents);
    CM_LIST_EACH(&s.links, node, next)
    {
        wire *l = CM_HOLDER(node, wire, node);
        if (l->session != NULL && !l->is_over)
            (void)nghttp2_session_send(l->session);
        if (!l->is_over && !is_dead(l) && l->peer != NULL)
            peer_run(l->peer, POLLOUT, s.now);
        if (l->is_over || is_dead(l))
            link_free(l);
    }
}

static void reopen(int *wait_ms)
{
    for (size_t i = 0; i < s.count; i++) {
        viewer *v = s.all[i];
        if (v->is_open || v->again_at == 0)
            continue;
        if (s.now >= v->again_at)
            viewer_open(v);
        else if ((v->again_at - s.now) / 1000 + 1 < *wait_ms)
            *wait_ms = (int)((v->again_at - s.now) / 1000 + 1);
    }
}

static bool turn(void)
{
    static struct pollfd wishes[VIEWERS_MAX + 1];
    static wire *links[VIEWERS_MAX];
    int wait_ms = 1000;
    size_t count = 0;
    s.now = peer_now_us();
    reopen(&wait_ms);
    wishes[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    CM_LIST_EACH(&s.links, node, next)
    {
        wire *l = CM_HOLDER(node, wire, node);
        if (l->session != NULL)
            (void)nghttp2_session_send(l->session);
        links[count] = l;
        wishes[++count] = l->watch != NULL ? rtc_watch_wants(l->watch, s.now, &wait_ms)
                                           : peer_wants(l->peer, s.now, &wait_ms);
    }
    (void)poll(wishes, count + 1, wait_ms);
    s.now = peer_now_us();
    run_links(wishes, links, count);
    const bool goes_on = (wishes[0].revents & (POLLIN | POLLHUP)) == 0 || hear();
    fflush(stdout);
    return goes_on;
}

int main(int count, char **arguments)
{
    (void)signal(SIGPIPE, SIG_IGN);
    cm_list_init(&s.links);
    eye_decode_one_of(count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 16);
    while (turn()) {
    }
    return 0;
}
