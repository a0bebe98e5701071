/*
 * The RTSP scanner as a connection drives it: the input arrives in pieces whose sizes its first
 * bytes say. What is found must be what is found when all arrives at once.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "proto/rtsp/headers.h"

enum { SIZES = 8 };

typedef struct outcome {
    uint64_t hash;
    size_t count;
    cm_status status;
} outcome;

static void mix(outcome *o, cm_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        o->hash = (o->hash ^ s.bytes[i]) * UINT64_C(1099511628211);
    o->hash = (o->hash ^ s.size) * UINT64_C(1099511628211);
}

static void count_in(outcome *o, const cm_rtsp_message *m)
{
    o->count++;
    o->hash += (uint64_t)m->kind * 1000003 + m->channel * 257u + m->status;
    mix(o, m->method);
    mix(o, m->uri);
    mix(o, m->reason);
    mix(o, m->body);
    CHECK(m->header_count <= CM_RTSP_HEADER_MAX && m->body.size <= CM_RTSP_BODY_SIZE_MAX);
    for (size_t i = 0; i < m->header_count; i++) {
        mix(o, m->headers[i].name);
        mix(o, m->headers[i].value);
    }
}

/* Writes a message that was read; reading that gives the same start line. */
static void check_round_trip(const cm_rtsp_message *m)
{
    static uint8_t storage[CM_RTSP_BUFFER_SIZE * 2];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (m->kind == CM_RTSP_INTERLEAVED)
        return;
    if (m->kind == CM_RTSP_REQUEST)
        cm_rtsp_write_request_line(&w, m->method, m->uri);
    else
        cm_rtsp_write_status_line(&w, m->status);
    cm_rtsp_write_end(&w, m->body);
    cm_slice bytes;
    if (cm_writer_finish(&w, &bytes) != CM_OK)
        return; /* control characters that we read but do not write */
    cm_rtsp_scanner s;
    cm_rtsp_scanner_init(&s);
    cm_rtsp_message back;
    size_t consumed;
    CHECK(cm_rtsp_scan(&s, bytes, &back, &consumed) == CM_OK && consumed == bytes.size);
    CHECK(back.kind == m->kind && back.status == m->status);
    CHECK(cm_slice_equal(back.uri, m->uri) && cm_slice_equal(back.body, m->body));
}

/* Feeds `bytes` with `sizes` more at a time (empty: all at once). */
static outcome run(cm_slice bytes, cm_slice sizes)
{
    outcome o = {.status = CM_RETRY};
    cm_rtsp_scanner s;
    cm_rtsp_scanner_init(&s);
    size_t begin = 0;
    size_t end = sizes.size > 0 ? 0 : bytes.size;
    for (size_t turn = 0;; turn++) {
        if (sizes.size > 0)
            end += 1u + sizes.bytes[turn % sizes.size];
        end = end < bytes.size ? end : bytes.size;
        do {
            cm_rtsp_message m;
            size_t consumed;
            o.status = cm_rtsp_scan(&s, cm_slice_part(bytes, begin, end - begin), &m, &consumed);
            CHECK(consumed <= end - begin);
            begin += consumed;
            if (o.status == CM_OK) {
                CHECK(consumed > 0);
                count_in(&o, &m);
                check_round_trip(&m);
            }
        } while (o.status == CM_OK);
        CHECK(o.status == CM_RETRY || o.status == CM_CLOSE);
        /* What a connection keeps never passes what its buffer is made for. */
        CHECK(o.status == CM_CLOSE || end - begin <= CM_RTSP_BUFFER_SIZE);
        if (o.status == CM_CLOSE || end == bytes.size)
            return o;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    const cm_slice sizes = cm_read_slice(&r, SIZES);
    if (r.failed)
        return 0;
    const outcome pieces = run(r.rest, sizes);
    const outcome whole = run(r.rest, (cm_slice){0});
    CHECK(pieces.count == whole.count);
    CHECK(pieces.hash == whole.hash);
    CHECK(pieces.status == whole.status);
    return 0;
}
