/* proto/http1: heads, targets and bodies of HTTP/1.1, each rule and each way to cut the bytes. */
#include "unit.h"

#include "proto/http1/http1.h"

/* Feeds `text` in pieces of `step` bytes, as a connection would; what is found must not depend on
 * it. */
static cm_status parse_in_steps(cm_slice text, size_t step, cm_http1_head *head,
                                cm_http1_fault *fault, size_t *size)
{
    cm_http1_scan scan = {0};
    *fault = CM_HTTP1_NO_FAULT;
    for (size_t there = 0; there < text.size;) {
        there = there + step < text.size ? there + step : text.size;
        const cm_status status =
            cm_http1_scan_head(&scan, cm_slice_part(text, 0, there), size, fault);
        if (status == CM_OK)
            return cm_http1_parse_head(cm_slice_part(text, 0, *size), head, fault);
        if (status == CM_REFUSE)
            return status;
    }
    return CM_RETRY;
}

static cm_status parse(const char *text, cm_http1_head *head, cm_http1_fault *fault)
{
    size_t size, size_whole;
    const cm_slice bytes = cm_slice_of(text);
    const cm_status status = parse_in_steps(bytes, 1, head, fault, &size);
    cm_http1_fault fault_whole;
    assert_int_equal(parse_in_steps(bytes, bytes.size, head, &fault_whole, &size_whole), status);
    assert_int_equal(*fault, fault_whole);
    if (status == CM_OK)
        assert_int_equal(size, size_whole);
    return status;
}

static cm_http1_fault fault_of(const char *text)
{
    cm_http1_head head;
    cm_http1_fault fault;
    assert_int_equal(parse(text, &head, &fault), CM_REFUSE);
    return fault;
}

static cm_http1_head head_of(const char *text)
{
    cm_http1_head head;
    cm_http1_fault fault;
    assert_int_equal(parse(text, &head, &fault), CM_OK);
    return head;
}

static void a_plain_request_is_understood(void **state)
{
    (void)state;
    const cm_http1_head head = head_of("POST /a%20b?x=1 HTTP/1.1\r\nHost: h:80\r\n"
                                       "Content-Length:\t7 \r\nX-Empty:\r\n\r\nrest");
    assert_text(head.method, "POST");
    assert_text(head.target.path, "/a%20b");
    assert_text(head.target.query, "x=1");
    assert_text(head.host, "h:80");
    assert_int_equal(head.minor_version, 1);
    assert_int_equal(head.framing, CM_HTTP1_LENGTH);
    assert_int_equal(head.content_length, 7);
    assert_int_equal(head.field_count, 3);
    assert_text(head.fields[2].value, "");
    assert_true(head.is_persistent);
}

static void one_empty_line_may_stand_first(void **state)
{
    (void)state;
    assert_text(head_of("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").target.path, "/");
    assert_int_equal(fault_of("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
                     CM_HTTP1_BAD_REQUEST_LINE);
}

static void persistence_is_what_version_and_connection_say(void **state)
{
    (void)state;
    assert_false(head_of("GET / HTTP/1.0\r\n\r\n").is_persistent);
    assert_false(
        head_of("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n").is_persistent);
    assert_true(head_of("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n").is_persistent);
    assert_true(
        head_of("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
}

/* RFC 9112 3.2.2: the authority of an absolute target stands above Host. */
static void an_absolute_target_names_the_host(void **state)
{
    (void)state;
    cm_http1_head head = head_of("GET http://a:8/p?q HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_text(head.host, "a:8");
    assert_text(head.target.path, "/p");
    head = head_of("GET HTTPS://a HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_text(head.target.path, "/");
    assert_true(head.target.is_https);
}

static void what_is_malformed_is_refused_by_name(void **state)
{
    (void)state;
#define H "Host: h\r\n"
    static const struct {
        const char *text;
        cm_http1_fault fault;
    } BAD[] = {
        {"GET  / HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {"GET /\r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {" GET / HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {"GET / HTTP/1.1 \r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {"GET / http/1.1\r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {"G(T / HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_REQUEST_LINE},
        {"GET / HTTP/2.0\r\n" H "\r\n", CM_HTTP1_BAD_VERSION},
        {"PRI * HTTP/2.0\r\n\r\n", CM_HTTP1_BAD_VERSION},
        {"GET / HTTP/1.2\r\n" H "\r\n", CM_HTTP1_BAD_VERSION},
        {"CONNECT a:1 HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_METHOD},
        {"TRACE / HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_METHOD},
        {"OPTIONS * HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET a/b HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET /#f HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET /\xC3\xA9 HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET http://u@h/ HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET http:/// HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET ftp://h/ HTTP/1.1\r\n" H "\r\n", CM_HTTP1_BAD_TARGET},
        {"GET / HTTP/1.1\n" H "\r\n", CM_HTTP1_BAD_CHARACTER},
        {"GET / HTTP/1.1\r\nHost: h\n\r\n", CM_HTTP1_BAD_CHARACTER},
        {"GET / HTTP/1.1\r\nA: b\rc\r\n" H "\r\n", CM_HTTP1_BAD_CHARACTER},
        {"GET / HTTP/1.1\r\nA: b\r\rc\r\n" H "\r\n", CM_HTTP1_BAD_CHARACTER},
        {"GET / HTTP/1.1\r\n" H "\r\r\n", CM_HTTP1_BAD_CHARACTER},
        {"GET / HTTP/1.1\r\nA: b\x01\r\n" H "\r\n", CM_HTTP1_BAD_CHARACTER},
        {"\x16\x03\x01", CM_HTTP1_BAD_CHARACTER}, /* TLS on the plain port */
        {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H "\tfolded: x\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n X: y\r\n" H "\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H "Content-Length\t: 1\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n" H ": empty\r\n\r\n", CM_HTTP1_BAD_FIELD},
        {"GET / HTTP/1.1\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\n" H H "\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.0\r\n" H H "\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\nHost: \r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"GET http://a/ HTTP/1.1\r\n\r\n", CM_HTTP1_BAD_HOST},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
         CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
         CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n",
         CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", CM_HTTP1_BAD_FRAMING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", CM_HTTP1_BAD_CODING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", CM_HTTP1_BAD_CODING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n",
         CM_HTTP1_BAD_CODING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", CM_HTTP1_BAD_CODING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", CM_HTTP1_BAD_CODING},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         CM_HTTP1_BAD_FRAMING},
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(fault_of(BAD[i].text), BAD[i].fault);
#undef H
}

static void a_nul_is_refused(void **state)
{
    (void)state;
    cm_http1_scan scan = {0};
    size_t size;
    cm_http1_fault fault;
    assert_int_equal(cm_http1_scan_head(&scan, CM_TEXT("GET /\0 HTTP/1.1\r\n\r\n"), &size, &fault),
                     CM_REFUSE);
    assert_int_equal(fault, CM_HTTP1_BAD_CHARACTER);
}

static void every_truncation_waits_for_more(void **state)
{
    (void)state;
    const cm_slice whole = CM_TEXT("\r\nGET /a HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n");
    cm_http1_head head;
    cm_http1_fault fault;
    size_t size;
    for (size_t cut = 0; cut < whole.size; cut++)
        for (size_t step = 1; step <= cut + 1; step++)
            assert_int_equal(
                parse_in_steps(cm_slice_part(whole, 0, cut), step, &head, &fault, &size), CM_RETRY);
    for (size_t step = 1; step <= whole.size; step++) {
        assert_int_equal(parse_in_steps(whole, step, &head, &fault, &size), CM_OK);
        assert_int_equal(size, whole.size);
    }
}

/* GET /aaa... with a line of `line` bytes, CRLF included, then `fields` fields of `field` bytes. */
static cm_slice long_head(char *out, size_t capacity, size_t line, size_t fields, size_t field)
{
    cm_writer w = cm_writer_over(out, capacity);
    cm_write_text(&w, "GET /");
    for (size_t i = 0; i + 16 < line; i++)
        cm_write_text(&w, "a");
    cm_write_text(&w, " HTTP/1.1\r\nHost: h\r\n");
    for (size_t i = 0; i < fields; i++) {
        cm_write_text(&w, "x:");
        for (size_t k = 4; k < field; k++)
            cm_write_text(&w, "b");
        cm_write_text(&w, "\r\n");
    }
    cm_write_text(&w, "\r\n");
    return cm_writer_done(&w);
}

static void heads_have_bounds(void **state)
{
    (void)state;
    static char text[40000];
    cm_http1_head head;
    cm_http1_fault fault;
    size_t size;
#define PARSE(...)                                                                                 \
    parse_in_steps(long_head(text, sizeof text, __VA_ARGS__), 7, &head, &fault, &size)
    assert_int_equal(PARSE(CM_HTTP1_LINE_MAX, 0, 0), CM_OK);
    assert_int_equal(PARSE(CM_HTTP1_LINE_MAX + 1, 0, 0), CM_REFUSE);
    assert_int_equal(fault, CM_HTTP1_TARGET_TOO_LONG);
    assert_int_equal(PARSE(100, 1, CM_HTTP1_LINE_MAX), CM_OK);
    assert_int_equal(PARSE(100, 1, CM_HTTP1_LINE_MAX + 1), CM_REFUSE);
    assert_int_equal(fault, CM_HTTP1_HEAD_TOO_LARGE);
    assert_int_equal(PARSE(100, 63, 20), CM_OK);
    assert_int_equal(head.field_count, CM_HTTP1_FIELDS_MAX);
    assert_int_equal(PARSE(100, 64, 20), CM_REFUSE);
    assert_int_equal(fault, CM_HTTP1_HEAD_TOO_LARGE);
    /* 100 + 9 + 2 + 5 * 3254 + 3 = 16384 */
    assert_int_equal(PARSE(103, 5, 3254), CM_OK);
    assert_int_equal(size, CM_HTTP1_HEAD_MAX);
    assert_int_equal(PARSE(104, 5, 3254), CM_REFUSE);
    assert_int_equal(fault, CM_HTTP1_HEAD_TOO_LARGE);
#undef PARSE
}

/* ---- bodies ---- */

/* The body of `wire` fed in steps, into `out`; how many bytes were used. */
static cm_status read_body(cm_http1_framing framing, cm_slice wire, size_t step, cm_writer *out,
                           size_t *used_out, bool *is_done)
{
    const cm_http1_head head = {.framing = framing, .content_length = 5};
    cm_http1_body body;
    cm_http1_body_init(&body, &head);
    size_t at = 0, there = 0;
    while (there < wire.size && !body.is_done) {
        there = there + step < wire.size ? there + step : wire.size;
        while (at < there && !body.is_done) {
            size_t used;
            cm_slice data;
            CM_TRY(cm_http1_body_read(&body, cm_slice_part(wire, at, there - at), &used, &data));
            assert_true(used > 0);
            cm_write_slice(out, data);
            at += used;
        }
    }
    *used_out = at;
    *is_done = body.is_done;
    return CM_OK;
}

static void bodies_end_where_their_framing_says(void **state)
{
    (void)state;
    static const struct {
        cm_http1_framing framing;
        const char *wire, *body;
        size_t after; /* bytes of the next request */
    } GOOD[] = {
        {CM_HTTP1_NO_BODY, "GET", "", 3},
        {CM_HTTP1_LENGTH, "helloGET", "hello", 3},
        {CM_HTTP1_CHUNKED, "0\r\n\r\nGET", "", 3},
        {CM_HTTP1_CHUNKED, "5\r\nhello\r\n0\r\n\r\nGET", "hello", 3},
        {CM_HTTP1_CHUNKED, "2\r\nhe\r\n003;a=b;c=\"d\"\r\nllo\r\n00\r\n\r\n", "hello", 0},
        {CM_HTTP1_CHUNKED, "A\r\n0123456789\r\n0;x\r\nT: v\r\nU: w\r\n\r\nG", "0123456789", 1},
    };
    for (size_t i = 0; i < CM_COUNT(GOOD); i++) {
        const cm_slice wire = cm_slice_of(GOOD[i].wire);
        for (size_t step = 1; step <= wire.size; step++) {
            char storage[64];
            cm_writer out = cm_writer_over(storage, sizeof storage);
            size_t used;
            bool is_done = false;
            assert_int_equal(read_body(GOOD[i].framing, wire, step, &out, &used, &is_done), CM_OK);
            assert_text(cm_writer_done(&out), GOOD[i].body);
            if (GOOD[i].framing != CM_HTTP1_NO_BODY)
                assert_true(is_done);
            assert_int_equal(wire.size - used,
                             GOOD[i].framing == CM_HTTP1_NO_BODY ? wire.size : GOOD[i].after);
        }
    }
}

static void broken_chunks_close(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x5\r\nhello",
        " 5\r\nhello",
        "5 \r\nhello",
        "5\nhello",
        "5\r\nhelloX",
        "5\r\nhello\n0",
        "5\r\nhello0\r\n",
        "123456789\r\n",
        "000000005\r\n",
        "5;\x01\r\nhello",
        "5;a\nhello",
        "0\r\nT: \x01\r\n",
        "0\r\nT: v\n\r\n",
        "0\r\n\rX",
        "5\r\rhello",
        ";a\r\n",
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        const cm_slice wire = cm_slice_of(BAD[i]);
        for (size_t step = 1; step <= wire.size; step++) {
            char storage[64];
            cm_writer out = cm_writer_over(storage, sizeof storage);
            size_t used;
            bool is_done;
            assert_int_equal(read_body(CM_HTTP1_CHUNKED, wire, step, &out, &used, &is_done),
                             CM_CLOSE);
        }
    }
}

static void extensions_and_trailers_have_bounds(void **state)
{
    (void)state;
    char storage[8192];
    for (unsigned is_trailer = 0; is_trailer < 2; is_trailer++) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_write_text(&w, is_trailer ? "0\r\n" : "1;");
        for (size_t i = 0; i < (is_trailer ? CM_HTTP1_TRAILER_MAX + 1 : 257); i++)
            cm_write_text(&w, "a");
        char body[8];
        cm_writer out = cm_writer_over(body, sizeof body);
        size_t used;
        bool is_done;
        assert_int_equal(
            read_body(CM_HTTP1_CHUNKED, cm_writer_done(&w), 100, &out, &used, &is_done), CM_CLOSE);
    }
}

/* ---- targets ---- */

static void paths_are_decoded_once_and_never_ambiguous(void **state)
{
    (void)state;
    char storage[64];
    cm_slice path;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_http_path_decode(CM_TEXT("/a%20b+c/%2525/..."), &w, &path), CM_OK);
    assert_text(path, "/a b+c/%25/...");
    static const char *const BAD[] = {"/%",      "/%4",     "/%zz", "/%00",    "/%0a",   "/a%2Fb",
                                      "/a%5cb",  "/.",      "/..",  "/a/../b", "/a/./b", "/%2e%2e/",
                                      "/a/.%2e", "/%C0%80", "/%FF", "/%7f",    "/%E0%A4"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        w = cm_writer_over(storage, sizeof storage);
        assert_int_equal(cm_http_path_decode(cm_slice_of(BAD[i]), &w, &path), CM_REFUSE);
    }
    w = cm_writer_over(storage, 3);
    assert_int_equal(cm_http_path_decode(CM_TEXT("/abc"), &w, &path), CM_FULL);
}

static void queries_are_pairs(void **state)
{
    (void)state;
    char storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_slice rest = CM_TEXT("a=b+c%2B&d&=e&f=%2F..=g"), name, value;
    static const char *const WANT[][2] = {{"a", "b c+"}, {"d", ""}, {"", "e"}, {"f", "/..=g"}};
    for (size_t i = 0; i < CM_COUNT(WANT); i++) {
        assert_int_equal(cm_http_query_next(&rest, &w, &name, &value), CM_OK);
        assert_text(name, WANT[i][0]);
        assert_text(value, WANT[i][1]);
    }
    assert_int_equal(rest.size, 0);
    rest = CM_TEXT("a=%00");
    assert_int_equal(cm_http_query_next(&rest, &w, &name, &value), CM_REFUSE);
}

static void authorities_are_names_addresses_and_ports(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"a", "a.b:1", "1.2.3.4:65535", "[::1]", "[fe80::1]:80"};
    static const char *const BAD[] = {"",     ":1",  "a:",     "a:b",    "a:65536",
                                      "[::1", "[]",  "[::1]x", "[::1]:", "[x]",
                                      "a@b",  "a b", "a:1:2",  "a?",     "a%41"};
    for (size_t i = 0; i < CM_COUNT(GOOD); i++)
        assert_true(cm_http_is_authority(cm_slice_of(GOOD[i])));
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_false(cm_http_is_authority(cm_slice_of(BAD[i])));
}

static void lists_split_outside_quotes(void **state)
{
    (void)state;
    cm_slice list = CM_TEXT(" a , for=\"b,\\\"c\" ,, d");
    static const char *const WANT[] = {"a", "for=\"b,\\\"c\"", "", "d"};
    for (size_t i = 0; i < CM_COUNT(WANT); i++)
        assert_text(cm_http_list_cut(&list), WANT[i]);
    assert_int_equal(list.size, 0);
}

static void a_written_head_reads_as_it_should(void **state)
{
    (void)state;
    const cm_http_field fields[] = {{CM_TEXT("date"), CM_TEXT("now")},
                                    {CM_TEXT("content-length"), CM_TEXT("0")}};
    char storage[128];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_http1_write_head(&w, 404, fields, 2);
    assert_text(cm_writer_done(&w),
                "HTTP/1.1 404 Not Found\r\ndate: now\r\ncontent-length: 0\r\n\r\n");
    assert_string_equal(cm_http1_reason(599), "Unknown");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_plain_request_is_understood),
        cmocka_unit_test(one_empty_line_may_stand_first),
        cmocka_unit_test(persistence_is_what_version_and_connection_say),
        cmocka_unit_test(an_absolute_target_names_the_host),
        cmocka_unit_test(what_is_malformed_is_refused_by_name),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(every_truncation_waits_for_more),
        cmocka_unit_test(heads_have_bounds),
        cmocka_unit_test(bodies_end_where_their_framing_says),
        cmocka_unit_test(broken_chunks_close),
        cmocka_unit_test(extensions_and_trailers_have_bounds),
        cmocka_unit_test(paths_are_decoded_once_and_never_ambiguous),
        cmocka_unit_test(queries_are_pairs),
        cmocka_unit_test(authorities_are_names_addresses_and_ports),
        cmocka_unit_test(lists_split_outside_quotes),
        cmocka_unit_test(a_written_head_reads_as_it_should),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
