/* How a WebRTC session is, its candidates, ICE restarts and end, on the loop where it lives. */
#include "api/rtc_sdp.h"

#include <stdlib.h>

typedef struct change {
    const cm_rtc_kind *kind;
    cm_api *there;
    char etag[CM_ID_SIZE + 2]; /* with its quotes; of the answer */
    char detail[CM_RTC_DETAIL_SIZE];
    cm_buffer answer;
    enum {
        FOUND,
        NOT_FOUND,
        STALE_ETAG,
    } outcome;
    cm_status status;
    json_t *(*describe)(const cm_rtc_place *place);
    json_t *json; /* what it said */
} change;

static void free_change(void *data)
{
    change *c = data;
    cm_buffer_deinit(&c->answer);
    json_decref(c->json);
    free(c);
}

/* NULL: answered. */
static change *begin(cm_call *call, const cm_rtc_kind *kind)
{
    static const char DIGITS[] = "0123456789abcdef";
    const size_t index = cm_slice_find(cm_slice_of(DIGITS), (uint8_t)call->parameters.ids[1][0]);
    if (index >= call->api->config.api_count) {
        cm_call_problem(call, &kind->gone);
        return NULL;
    }
    change *c = calloc(1, sizeof *c);
    if (c == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return NULL;
    }
    c->kind = kind;
    c->there = call->api->config.apis[index];
    cm_buffer_init(&c->answer, 16 << 10);
    call->data = c;
    call->free_data = free_change;
    return c;
}

/* ---- GET ---- */

static void read_there(cm_call *call)
{
    change *c = call->data;
    const cm_rtc_place *place = c->kind->find(c->there, call);
    c->outcome = place != NULL ? FOUND : NOT_FOUND;
    if (place != NULL)
        c->json = c->describe(place);
}

static void answer_read(cm_call *call)
{
    const change *c = call->data;
    if (c->outcome == FOUND)
        cm_call_json(call, 200, json_incref(c->json));
    else
        cm_call_problem(call, &c->kind->gone);
}

void cm_rtc_read(cm_call *call, const cm_rtc_kind *kind,
                 json_t *(*describe)(const cm_rtc_place *place))
{
    change *c = begin(call, kind);
    if (c == NULL)
        return;
    c->describe = describe;
    cm_call_on(call, c->there, read_there, answer_read);
}

/* ---- DELETE ---- */

static void end_there(cm_call *call)
{
    change *c = call->data;
    cm_rtc_place *place = c->kind->find(c->there, call);
    c->outcome = place != NULL ? FOUND : NOT_FOUND;
    if (place != NULL)
        c->kind->end(place);
}

static void answer_end(cm_call *call)
{
    const change *c = call->data;
    if (c->outcome == FOUND)
        cm_call_empty(call);
    else
        cm_call_problem(call, &c->kind->gone);
}

void cm_rtc_end(cm_call *call, const cm_rtc_kind *kind)
{
    const change *c = begin(call, kind);
    if (c != NULL)
        cm_call_on(call, c->there, end_there, answer_end);
}

/* ---- PATCH ---- */

static void write_etag(change *c, const cm_rtc_place *place)
{
    cm_writer w = cm_writer_over(c->etag, sizeof c->etag);
    cm_write_format(&w, "\"%s\"", place->etag);
}

/* A restart may be asked for with "*"; candidates are for the ICE session that the ETag names
 * (RFC 9725 4.3.1). */
static bool is_for_this_session(const change *c, const cm_rtc_place *place)
{
    char own[CM_ID_SIZE + 2];
    cm_writer w = cm_writer_over(own, sizeof own);
    cm_write_format(&w, "\"%s\"", place->etag);
    return cm_slice_equal(cm_slice_of(c->etag), CM_TEXT("*")) ||
           cm_slice_equal(cm_slice_of(c->etag), cm_writer_done(&w));
}

static void change_there(cm_call *call)
{
    change *c = call->data;
    cm_rtc_place *place = c->kind->find(c->there, call);
    c->outcome = place == NULL ? NOT_FOUND : !is_for_this_session(c, place) ? STALE_ETAG : FOUND;
    if (c->outcome != FOUND)
        return;
    c->status =
        cm_rtc_place_take_fragment(place, cm_buffer_data(&call->text), &c->answer, c->detail);
    write_etag(c, place);
}

static void answer_change(cm_call *call)
{
    static const cm_call_fault STALE = {412,
                                        "other-ice-session",
                                        "Another ICE session",
                                        "ICE was restarted meanwhile: use the ETag of its answer.",
                                        NULL,
                                        0};
    change *c = call->data;
    if (c->outcome == NOT_FOUND) {
        cm_call_problem(call, &c->kind->gone);
    } else if (c->outcome == STALE_ETAG) {
        cm_call_problem(call, &STALE);
    } else if (c->status == CM_REFUSE) {
        cm_call_problem(call, &(cm_call_fault){400, "bad-fragment", "Fragment not understood",
                                               c->detail, NULL, 0});
    } else if (c->status != CM_OK) {
        cm_call_fail(call, c->status, c->kind->gone.type);
    } else if (cm_buffer_data(&c->answer).size == 0) {
        cm_call_empty(call);
    } else {
        call->fields[call->field_count++] = (cm_http_field){CM_TEXT("etag"), cm_slice_of(c->etag)};
        cm_call_bytes(call, "application/trickle-ice-sdpfrag", cm_buffer_data(&c->answer));
    }
}

void cm_rtc_change(cm_call *call, const cm_rtc_kind *kind)
{
    static const cm_call_fault WANTED = {
        428,
        "if-match-wanted",
        "If-Match wanted",
        "Send the ETag of the answer as If-Match, or * to restart ICE.",
        NULL,
        0};
    cm_slice etag;
    const cm_status status = cm_http_header(call->request, CM_TEXT("if-match"), &etag);
    if (status != CM_OK) {
        cm_call_problem(call, &WANTED);
        return;
    }
    change *c = begin(call, kind);
    if (c == NULL)
        return;
    if (cm_slice_to_cstr(etag, c->etag, sizeof c->etag) != CM_OK)
        c->etag[0] = '\0'; /* too long to be one of ours */
    cm_call_on(call, c->there, change_there, answer_change);
}
