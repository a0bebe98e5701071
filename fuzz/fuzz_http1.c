/*
 * HTTP/1.1 requests as a connection meets them: head, body, the next head, in pieces whose sizes
 * the first bytes say. What is found must be what is found when all arrives at once.
 */
#include "fuzz.h"
#include "proto/http1/http1.h"

enum { SIZES = 8 };

typedef struct outcome {
    uint64_t hash;
    size_t requests;
    cm_http1_fault fault;
    bool is_broken;
} outcome;

static void mix(outcome *o, cm_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        o->hash = (o->hash ^ s.bytes[i]) * UINT64_C(1099511628211);
}

static void check_target(outcome *o, const cm_http1_head *head)
{
    static uint8_t storage[CM_HTTP1_HEAD_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_slice path, name, value, rest = head->target.query;
    if (cm_http_path_decode(head->target.path, &w, &path) == CM_OK) {
        CHECK(path.size > 0 && path.bytes[0] == '/');
        CHECK(cm_slice_find(path, '\0') == path.size && cm_slice_find(path, '\\') == path.size);
        mix(o, path);
    }
    while (rest.size > 0 && cm_http_query_next(&rest, &w, &name, &value) == CM_OK)
        mix(o, value);
}

static void check_head(outcome *o, const cm_http1_head *head)
{
    CHECK(head->field_count <= CM_HTTP1_FIELDS_MAX && cm_http_is_token(head->method));
    CHECK(head->minor_version == 0 || cm_http_is_authority(head->host));
    for (size_t i = 0; i < head->field_count; i++) {
        CHECK(cm_http_is_token(head->fields[i].name));
        CHECK(cm_http_is_field_value(head->fields[i].value));
        mix(o, head->fields[i].name);
        mix(o, head->fields[i].value);
    }
    mix(o, head->host);
    check_target(o, head);
}

/* Reads the body that begins at `at`, as far as `there`; where it ends so far. */
static size_t read_body(outcome *o, cm_http1_body *body, cm_slice input, size_t at, size_t there)
{
    while (at < there && !body->is_done && !o->is_broken) {
        size_t used = 0;
        cm_slice data = {0};
        if (cm_http1_body_read(body, cm_slice_part(input, at, there - at), &used, &data) != CM_OK) {
            o->is_broken = true;
            break;
        }
        CHECK(used > 0 && used <= there - at && data.size <= used);
        mix(o, data);
        at += used;
    }
    return at;
}

static outcome run(cm_slice input, cm_slice sizes)
{
    outcome o = {0};
    cm_http1_scan scan = {0};
    cm_http1_body body = {.is_done = true};
    size_t at = 0, there = 0;
    for (size_t turn = 0; there < input.size && !o.is_broken; turn++) {
        there += sizes.size > 0 ? 1u + sizes.bytes[turn % sizes.size] : input.size;
        there = there < input.size ? there : input.size;
        for (bool goes_on = true; goes_on && !o.is_broken;) {
            at = read_body(&o, &body, input, at, there);
            goes_on = false;
            if (!body.is_done || o.is_broken || at == there)
                continue;
            size_t size;
            static cm_http1_head head;
            const cm_slice rest = cm_slice_part(input, at, there - at);
            cm_status status = cm_http1_scan_head(&scan, rest, &size, &o.fault);
            if (status == CM_OK)
                status = cm_http1_parse_head(cm_slice_part(rest, 0, size), &head, &o.fault);
            o.is_broken = status == CM_REFUSE;
            goes_on = status == CM_OK;
            if (!goes_on)
                continue;
            check_head(&o, &head);
            o.requests++;
            at += size;
            scan = (cm_http1_scan){0};
            cm_http1_body_init(&body, &head);
        }
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cm_slice all = cm_slice_over(data, size);
    const cm_slice input = cm_slice_from(all, SIZES);
    if (size <= SIZES)
        return 0;
    const outcome whole = run(input, (cm_slice){0});
    const outcome cut = run(input, cm_slice_part(all, 0, SIZES));
    CHECK(whole.hash == cut.hash && whole.requests == cut.requests);
    CHECK(whole.is_broken == cut.is_broken && whole.fault == cut.fault);
    return 0;
}
