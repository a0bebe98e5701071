/*
 * fake_http: the part of net/http.h that a streaming response uses, scripted: how much the
 * connection takes with each write is the test's to say. Included by one test binary, whose symbols
 * stand before those of the library.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "net/http.h"
#include "unit.h"

struct cm_http_request {
    const cm_http_events *events;
    void *owner;
    size_t room;    /* bytes taken before the connection is full */
    size_t at_most; /* of one write; 0: no bound */
    bool is_gone;   /* writes answer CM_CLOSE */
    unsigned status;
    char type[96]; /* content-type */
    char problem[32];
    uint8_t *body;
    size_t size;
    size_t capacity;
    bool owes_drain;
    bool has_begun, has_ended, was_reset, was_cut, no_store;
};

static inline void fake_http_free(cm_http_request *r)
{
    free(r->body);
    *r = (cm_http_request){0};
}

static inline bool fake_http_is_finished(const cm_http_request *r)
{
    return r->has_ended || r->was_reset || r->problem[0] != '\0';
}

/* The connection takes `room` bytes more. */
static inline void fake_http_drain(cm_http_request *r, size_t room)
{
    r->room += room;
    if (!r->owes_drain || fake_http_is_finished(r))
        return;
    r->owes_drain = false;
    r->events->on_drain(r->owner);
}

void cm_http_watch(cm_http_request *r, const cm_http_events *events, void *owner)
{
    r->events = events;
    r->owner = owner;
}

cm_status cm_http_begin(cm_http_request *r, unsigned status, const cm_http_field *fields,
                        size_t count)
{
    assert_false(r->has_begun || fake_http_is_finished(r));
    r->has_begun = true;
    r->status = status;
    for (size_t i = 0; i < count; i++) {
        if (cm_slice_equal(fields[i].name, CM_TEXT("content-type")))
            assert_int_equal(cm_slice_to_cstr(fields[i].value, r->type, sizeof r->type), CM_OK);
        r->no_store |= cm_slice_equal(fields[i].name, CM_TEXT("cache-control")) &&
                       cm_slice_equal(fields[i].value, CM_TEXT("no-store"));
    }
    return r->is_gone ? CM_CLOSE : CM_OK;
}

cm_status cm_http_body_write(cm_http_request *r, const cm_slice *parts, size_t count,
                             size_t *accepted)
{
    assert_true(r->has_begun && !fake_http_is_finished(r) && count <= 62);
    *accepted = 0;
    if (r->is_gone)
        return CM_CLOSE;
    size_t offered = 0;
    size_t takes = r->at_most > 0 && r->at_most < r->room ? r->at_most : r->room;
    for (size_t i = 0; i < count; i++) {
        const size_t left = takes - *accepted;
        const size_t size = parts[i].size < left ? parts[i].size : left;
        offered += parts[i].size;
        while (r->capacity < r->size + size) {
            r->capacity = r->capacity > 0 ? r->capacity * 2 : 65536;
            r->body = realloc(r->body, r->capacity);
        }
        if (size > 0)
            memcpy(r->body + r->size, parts[i].bytes, size);
        r->size += size;
        *accepted += size;
    }
    assert_true(offered > 0);
    r->room -= *accepted;
    r->owes_drain = *accepted < offered;
    return *accepted > 0 ? CM_OK : CM_RETRY;
}

void cm_http_end(cm_http_request *r)
{
    assert_true(r->has_begun && !fake_http_is_finished(r));
    assert_false(r->owes_drain); /* what was offered and not taken is owed first */
    r->has_ended = true;
}

void cm_http_reset(cm_http_request *r, bool is_connection)
{
    assert_false(fake_http_is_finished(r));
    r->was_reset = true;
    r->was_cut = is_connection;
}

void cm_http_respond_problem(cm_http_request *r, const cm_http_problem *problem)
{
    assert_false(r->has_begun || fake_http_is_finished(r));
    r->status = problem->status;
    snprintf(r->problem, sizeof r->problem, "%s", problem->type);
}
