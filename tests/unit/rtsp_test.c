/* proto/rtsp: messages on a stream, headers, addresses, authentication. One behaviour a case. */
#include "unit.h"

#include <stdlib.h>

#include "proto/rtsp/auth.h"
#include "proto/rtsp/headers.h"
#include "proto/rtsp/message.h"
#include "proto/rtsp/transport.h"
#include "proto/rtsp/url.h"

/* --- the stream ------------------------------------------------------------------------------ */

#define RESPONSE                                                                                   \
    "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: "              \
    "4\r\n\r\nv=0\n"
#define REQUEST "OPTIONS rtsp://cam/main RTSP/1.0\r\nCSeq: 7\r\nUser-Agent: x\r\n\r\n"
/* channel 0, 13 bytes that start like RTP; and what RTP looks like to a picture's bytes */
#define FRAME_0 "$\0\0\x0D\x80payload-of-0"
#define FRAME_1 "$\1\0\x0D\x81payload-of-1"

#define LITERAL(text) cm_slice_over((text), sizeof(text) - 1)

/* What a stream is made of, in letters: f0 f1 (frames), R200, Qoptions, then how it ended. */
typedef struct story {
    char text[512];
    uint64_t junk;
} story;

static void tell(cm_writer *w, const cm_rtsp_message *m)
{
    if (m->kind == CM_RTSP_INTERLEAVED)
        cm_write_format(w, "f%u:%u ", (unsigned)m->channel, (unsigned)m->body.size);
    else if (m->kind == CM_RTSP_RESPONSE)
        cm_write_format(w, "R%u:%u ", (unsigned)m->status, (unsigned)m->body.size);
    else
        cm_write_format(w, "Q%.*s:%u ", CM_SLICE_ARGS(m->method), (unsigned)m->body.size);
}

/* Feeds the bytes `step` at a time, each look in memory of exactly what has arrived. */
static story read_in_steps(cm_slice bytes, size_t step)
{
    story out = {0};
    cm_writer w = cm_writer_over(out.text, sizeof out.text - 1);
    cm_rtsp_scanner s;
    cm_rtsp_scanner_init(&s);
    size_t begin = 0;
    size_t end = 0;
    cm_status status = CM_RETRY;
    while (status == CM_RETRY && end < bytes.size) {
        end = end + step < bytes.size ? end + step : bytes.size;
        do {
            cm_rtsp_message m;
            size_t consumed;
            const size_t size = end - begin;
            uint8_t *copy = malloc(size > 0 ? size : 1);
            if (size > 0)
                memcpy(copy, bytes.bytes + begin, size);
            status = cm_rtsp_scan(&s, cm_slice_over(copy, size), &m, &consumed);
            if (status == CM_OK)
                tell(&w, &m);
            begin += consumed;
            free(copy);
        } while (status == CM_OK);
    }
    cm_write_text(&w, status == CM_CLOSE ? "closed" : begin < bytes.size ? "waits" : "done");
    assert_false(w.failed);
    out.junk = s.junk_total;
    return out;
}

static void assert_story(cm_slice bytes, const char *expected)
{
    static const size_t STEPS[] = {1, 2, 3, 7, 64, 100000};
    for (size_t i = 0; i < CM_COUNT(STEPS); i++)
        assert_string_equal(read_in_steps(bytes, STEPS[i]).text, expected);
}

static cm_rtsp_message scan_one(cm_slice bytes)
{
    cm_rtsp_scanner s;
    cm_rtsp_message m;
    size_t consumed;
    cm_rtsp_scanner_init(&s);
    assert_int_equal(cm_rtsp_scan(&s, bytes, &m, &consumed), CM_OK);
    assert_int_equal(consumed, bytes.size);
    return m;
}

static void a_response_is_read_whole(void **state)
{
    (void)state;
    const cm_rtsp_message m = scan_one(LITERAL(RESPONSE));
    cm_slice value;
    assert_int_equal(m.kind, CM_RTSP_RESPONSE);
    assert_int_equal(m.status, 200);
    assert_text(m.reason, "OK");
    assert_int_equal(m.header_count, 3);
    assert_true(cm_rtsp_find(&m, CM_TEXT("content-TYPE"), &value));
    assert_text(value, "application/sdp");
    assert_false(cm_rtsp_find(&m, CM_TEXT("Content"), &value));
    assert_text(m.body, "v=0\n");
}

static void a_request_is_read_whole(void **state)
{
    (void)state;
    const cm_rtsp_message m = scan_one(LITERAL(REQUEST));
    assert_int_equal(m.kind, CM_RTSP_REQUEST);
    assert_text(m.method, "OPTIONS");
    assert_text(m.uri, "rtsp://cam/main");
    assert_int_equal(m.body.size, 0);
}

static void every_truncation_of_a_message_waits_for_more(void **state)
{
    (void)state;
    static const cm_slice WHOLE[] = {{(const uint8_t *)RESPONSE, sizeof RESPONSE - 1},
                                     {(const uint8_t *)REQUEST, sizeof REQUEST - 1},
                                     {(const uint8_t *)FRAME_0, sizeof FRAME_0 - 1}};
    for (size_t i = 0; i < CM_COUNT(WHOLE); i++) {
        for (size_t size = 0; size < WHOLE[i].size; size++) {
            cm_rtsp_scanner s;
            cm_rtsp_message m;
            size_t consumed;
            cm_rtsp_scanner_init(&s);
            assert_int_equal(cm_rtsp_scan(&s, cm_slice_part(WHOLE[i], 0, size), &m, &consumed),
                             CM_RETRY);
            assert_int_equal(consumed, 0);
            assert_int_equal(cm_rtsp_scan(&s, WHOLE[i], &m, &consumed), CM_OK);
            assert_int_equal(consumed, WHOLE[i].size);
        }
    }
}

static void responses_and_the_cameras_own_requests_come_between_frames(void **state)
{
    (void)state;
    assert_story(LITERAL(FRAME_0 RESPONSE FRAME_1 REQUEST FRAME_0),
                 "f0:13 R200:4 f1:13 QOPTIONS:0 f0:13 done");
}

static void a_frame_of_any_size_is_whole(void **state)
{
    (void)state;
    static uint8_t bytes[4 + 65535];
    static const uint16_t SIZES[] = {0, 1, 1500, 10000, 65535};
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        cm_rtsp_write_interleaved_header(&w, 3, SIZES[i]);
        cm_write_zeros(&w, SIZES[i]);
        const cm_rtsp_message m = scan_one(cm_writer_done(&w));
        assert_int_equal(m.kind, CM_RTSP_INTERLEAVED);
        assert_int_equal(m.channel, 3);
        assert_int_equal(m.body.size, SIZES[i]);
    }
}

static void line_ends_between_messages_are_no_loss_of_step(void **state)
{
    (void)state;
    assert_story(LITERAL("\r\n\r\n" RESPONSE "\r\n" FRAME_0), "R200:4 f0:13 done");
}

static void lines_may_end_in_lf_alone(void **state)
{
    (void)state;
    const cm_rtsp_message m = scan_one(LITERAL("RTSP/1.0 404 Not Found\nCSeq: 3\nSession: 1\n\n"));
    assert_int_equal(m.status, 404);
    assert_text(m.reason, "Not Found");
    assert_int_equal(m.header_count, 2);
}

static void a_reason_may_be_missing_and_blanks_many(void **state)
{
    (void)state;
    cm_rtsp_message m = scan_one(LITERAL("RTSP/1.0 200\r\n\r\n"));
    assert_int_equal(m.status, 200);
    assert_int_equal(m.reason.size, 0);
    m = scan_one(LITERAL("RTSP/1.0  401  No  way \r\nCSeq :  4  \r\n\r\n"));
    assert_text(m.reason, "No  way");
    assert_text(m.headers[0].name, "CSeq");
    assert_text(m.headers[0].value, "4");
}

static void folded_headers_are_one_value(void **state)
{
    (void)state;
    const cm_rtsp_message m =
        scan_one(LITERAL("RTSP/1.0 200 OK\r\n lost\r\nPublic: OPTIONS,\r\n\tPLAY\r\n  ,SETUP\r\n"
                         "X: y\r\n\r\n"));
    assert_int_equal(m.header_count, 2);
    assert_text(m.headers[0].value, "OPTIONS,\r\n\tPLAY\r\n  ,SETUP");
    assert_int_equal(cm_rtsp_public_parse(m.headers[0].value),
                     1u << CM_RTSP_OPTIONS | 1u << CM_RTSP_PLAY | 1u << CM_RTSP_SETUP);
    assert_text(m.headers[1].value, "y");
}

static void header_lines_without_a_colon_are_passed_over(void **state)
{
    (void)state;
    const cm_rtsp_message m =
        scan_one(LITERAL("RTSP/1.0 200 OK\r\nnonsense\r\n: nameless\r\nCSeq: 1\r\n\r\n"));
    assert_int_equal(m.header_count, 1);
}

static void junk_between_frames_is_skipped(void **state)
{
    (void)state;
    const story s = read_in_steps(LITERAL(FRAME_0 "some junk" FRAME_1 FRAME_0), 100000);
    assert_string_equal(s.text, "f0:13 f1:13 f0:13 done");
    assert_int_equal(s.junk, 9);
    assert_story(LITERAL(FRAME_0 "\xFF\x00\x01" RESPONSE), "f0:13 R200:4 done");
    assert_story(LITERAL(FRAME_0 "\xFF\x00\x01" REQUEST FRAME_0), "f0:13 QOPTIONS:0 f0:13 done");
}

static void a_frame_with_a_length_too_small_costs_no_other(void **state)
{
    (void)state;
    /* says 8, holds 13 */
    assert_story(LITERAL("$\0\0\x08\x80payload-of-0" FRAME_1 FRAME_0), "f0:8 f1:13 f0:13 done");
}

static void a_frame_with_a_length_too_large_costs_the_next_only(void **state)
{
    (void)state;
    assert_story(LITERAL("$\0\0\x12\x80payload-of-0" FRAME_1 FRAME_0 FRAME_1),
                 "f0:18 f0:13 f1:13 done");
}

static void a_dollar_in_junk_is_not_believed(void **state)
{
    (void)state;
    /* each is a frame in all but one thing: a channel too high, a size too small, a payload that
     * is no RTP, nothing behind it that could follow */
    assert_story(LITERAL(FRAME_0 "x$\x7F\0\x0D\x80payload-of-7" FRAME_1 FRAME_0),
                 "f0:13 f1:13 f0:13 done");
    assert_story(LITERAL(FRAME_0 "x$\1\0\x02\x80x" FRAME_1 FRAME_0), "f0:13 f1:13 f0:13 done");
    assert_story(LITERAL(FRAME_0 "x$\1\0\x0D\x01payload-of-1" FRAME_1 FRAME_0),
                 "f0:13 f1:13 f0:13 done");
    assert_story(LITERAL(FRAME_0 "x$\1\0\x0C\x80payload-of-1" FRAME_1 FRAME_0),
                 "f0:13 f1:13 f0:13 done");
}

static void a_channel_beyond_the_owners_is_junk(void **state)
{
    (void)state;
    cm_rtsp_scanner s;
    cm_rtsp_message m;
    size_t consumed;
    cm_rtsp_scanner_init(&s);
    s.channel_max = 0;
    const cm_slice bytes = LITERAL(FRAME_1 FRAME_0 REQUEST);
    assert_int_equal(cm_rtsp_scan(&s, bytes, &m, &consumed), CM_OK);
    assert_int_equal(m.channel, 0);
    assert_int_equal(consumed, 2 * (sizeof FRAME_0 - 1));
}

/* `size` bytes that are neither a frame nor a message. */
static cm_slice junk(size_t size)
{
    static uint8_t bytes[CM_RTSP_JUNK_SIZE_MAX + 1];
    assert_true(size <= sizeof bytes);
    memset(bytes, 0xAA, sizeof bytes);
    return cm_slice_over(bytes, size);
}

static void junk_is_borne_up_to_64_kib_and_no_further(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        cm_rtsp_scanner s;
        cm_rtsp_message m;
        size_t consumed;
        cm_rtsp_scanner_init(&s);
        assert_int_equal(cm_rtsp_scan(&s, LITERAL(FRAME_0), &m, &consumed), CM_OK);
        const cm_status status =
            cm_rtsp_scan(&s, junk(CM_RTSP_JUNK_SIZE_MAX + over), &m, &consumed);
        assert_int_equal(status, over ? CM_CLOSE : CM_RETRY);
        if (over)
            continue;
        assert_int_equal(consumed, CM_RTSP_JUNK_SIZE_MAX);
        assert_int_equal(cm_rtsp_scan(&s, LITERAL(FRAME_0 FRAME_0), &m, &consumed), CM_OK);
        /* once something was understood, as much is borne again */
        assert_int_equal(cm_rtsp_scan(&s, junk(CM_RTSP_JUNK_SIZE_MAX), &m, &consumed), CM_RETRY);
    }
}

static void a_web_server_is_known_at_once(void **state)
{
    (void)state;
    assert_story(LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"), "closed");
}

static void a_client_of_another_protocol_is_known_by_its_first_line(void **state)
{
    (void)state;
    assert_story(LITERAL("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "closed");
    assert_story(LITERAL("RTSP/1.0 abc\r\n\r\n"), "closed");
}

static void a_line_that_only_looks_like_a_message_is_junk_later(void **state)
{
    (void)state;
    assert_story(LITERAL(FRAME_0 "RTSP/1.0 99 no\r\n\r\n" FRAME_1 FRAME_0),
                 "f0:13 f1:13 f0:13 done");
    assert_story(LITERAL(FRAME_0 "GET / HTTP/1.1\r\n\r\n" FRAME_1 FRAME_0),
                 "f0:13 f1:13 f0:13 done");
}

static void an_unknown_method_is_a_request_where_one_may_stand(void **state)
{
    (void)state;
    assert_story(LITERAL("FOO_BAR rtsp://x RTSP/1.0\r\n\r\n" REQUEST),
                 "QFOO_BAR:0 QOPTIONS:0 done");
}

static void a_status_out_of_range_is_no_response(void **state)
{
    (void)state;
    static const char *const BAD[] = {"RTSP/1.0 99 x\r\n\r\n", "RTSP/1.0 600 x\r\n\r\n",
                                      "RTSP/1.0 -1 x\r\n\r\n", "RTSP/1.0\r\n\r\n",
                                      "RTSP/1.0 20x OK\r\n\r\n"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_story(cm_slice_of(BAD[i]), "closed");
}

static void a_content_length_that_is_none_or_too_large_closes(void **state)
{
    (void)state;
    static const char *const BAD[] = {"-1", "65537", "4x", "99999999999999999999", "", "4, 4"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        char text[200];
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_write_format(&w, "RTSP/1.0 200 OK\r\nContent-Length: %s\r\n\r\nbody", BAD[i]);
        assert_story(cm_writer_done(&w), "closed");
    }
}

static void the_largest_body_is_read(void **state)
{
    (void)state;
    static uint8_t bytes[CM_RTSP_BUFFER_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_text(&w, "RTSP/1.0 200 OK\r\nContent-Length: 65536\r\n\r\n");
    cm_write_zeros(&w, CM_RTSP_BODY_SIZE_MAX);
    assert_int_equal(scan_one(cm_writer_done(&w)).body.size, CM_RTSP_BODY_SIZE_MAX);
}

static void heads_have_bounds(void **state)
{
    (void)state;
    static uint8_t bytes[2 * CM_RTSP_HEAD_SIZE_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_text(&w, "RTSP/1.0 200 OK\r\nX: ");
    while (w.used < CM_RTSP_HEAD_SIZE_MAX - 4)
        cm_write_u8(&w, 'x');
    cm_writer too_long = w;
    cm_write_text(&w, "\r\n\r\n");
    assert_int_equal(scan_one(cm_writer_done(&w)).status, 200);
    cm_write_text(&too_long, "x\r\n\r\n");
    assert_string_equal(read_in_steps(cm_writer_done(&too_long), 1000).text, "closed");
}

static void there_are_at_most_32_headers(void **state)
{
    (void)state;
    char text[1024];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_write_text(&w, "RTSP/1.0 200 OK\r\n");
    for (int i = 0; i < CM_RTSP_HEADER_MAX; i++)
        cm_write_text(&w, "A: b\r\n");
    cm_writer more = w;
    cm_write_text(&w, "\r\n");
    assert_int_equal(scan_one(cm_writer_done(&w)).header_count, CM_RTSP_HEADER_MAX);
    cm_write_text(&more, "A: b\r\n\r\n");
    assert_story(cm_writer_done(&more), "closed");
}

/* --- writing --------------------------------------------------------------------------------- */

static void a_request_is_written_as_the_rfc_shows(void **state)
{
    (void)state;
    char text[256];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_write_request_line(&w, CM_TEXT("SETUP"), CM_TEXT("rtsp://cam/track1"));
    cm_rtsp_write_header_u64(&w, "CSeq", 302);
    cm_rtsp_write_header(&w, "User-Agent", CM_TEXT("casement"));
    cm_rtsp_write_end(&w, (cm_slice){0});
    assert_text(cm_writer_done(&w), "SETUP rtsp://cam/track1 RTSP/1.0\r\nCSeq: 302\r\n"
                                    "User-Agent: casement\r\n\r\n");
}

static void a_response_is_written_with_its_length_and_reason(void **state)
{
    (void)state;
    char text[256];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_write_status_line(&w, 461);
    cm_rtsp_write_header_u64(&w, "CSeq", 1);
    cm_rtsp_write_end(&w, CM_TEXT("body"));
    assert_text(cm_writer_done(&w), "RTSP/1.0 461 Unsupported Transport\r\nCSeq: 1\r\n"
                                    "Content-Length: 4\r\n\r\nbody");
    const cm_rtsp_message m = scan_one(cm_writer_done(&w));
    assert_int_equal(m.status, 461);
    assert_text(m.body, "body");
}

static void nothing_can_be_smuggled_into_a_message(void **state)
{
    (void)state;
    static const char *const BAD[] = {"a\r\nX: y", "a\nb", "a\rb", "a\x7F", "a\x01"};
    char text[256];
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_rtsp_write_header(&w, "Session", cm_slice_of(BAD[i]));
        assert_true(w.failed);
        w = cm_writer_over(text, sizeof text);
        cm_rtsp_write_request_line(&w, CM_TEXT("PLAY"), cm_slice_of(BAD[i]));
        assert_true(w.failed);
        w = cm_writer_over(text, sizeof text);
        cm_rtsp_write_request_line(&w, cm_slice_of(BAD[i]), CM_TEXT("rtsp://x"));
        assert_true(w.failed);
    }
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_write_request_line(&w, CM_TEXT("PLAY"), CM_TEXT("rtsp://x y"));
    assert_true(w.failed);
    w = cm_writer_over(text, sizeof text);
    cm_rtsp_write_request_line(&w, CM_TEXT("PLAY"), (cm_slice){0});
    assert_true(w.failed);
}

/* --- Transport ------------------------------------------------------------------------------- */

static cm_rtsp_transport transport(const char *text)
{
    cm_slice rest = cm_slice_of(text);
    cm_rtsp_transport t;
    assert_int_equal(cm_rtsp_transport_next(&rest, &t), CM_OK);
    return t;
}

static void assert_pair(cm_rtsp_pair pair, unsigned rtp, unsigned rtcp)
{
    assert_true(pair.is_said);
    assert_int_equal(pair.rtp, rtp);
    assert_int_equal(pair.rtcp, rtcp);
}

static void a_tcp_transport_is_read(void **state)
{
    (void)state;
    const cm_rtsp_transport t =
        transport("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=DEADBEEF;mode=\"PLAY\"");
    assert_true(t.is_tcp);
    assert_false(t.is_multicast);
    assert_pair(t.interleaved, 2, 3);
    assert_true(t.has_ssrc);
    assert_int_equal(t.ssrc, 0xDEADBEEF);
    assert_text(t.mode, "PLAY");
}

static void a_udp_transport_is_read(void **state)
{
    (void)state;
    const cm_rtsp_transport t =
        transport("RTP/AVP/UDP;unicast;client_port=4588-4589;"
                  "server_port=6256-6257;source=10.0.0.2;destination=10.0.0.3");
    assert_false(t.is_tcp);
    assert_pair(t.client_port, 4588, 4589);
    assert_pair(t.server_port, 6256, 6257);
    assert_text(t.source, "10.0.0.2");
    assert_text(t.destination, "10.0.0.3");
    assert_false(t.has_ssrc);
    assert_int_equal(t.mode.size, 0); /* omitted on PLAY */
}

static void interleaved_may_be_one_number_or_unlike_what_was_asked(void **state)
{
    (void)state;
    assert_pair(transport("RTP/AVP/TCP;unicast;interleaved=0").interleaved, 0, 1);
    assert_pair(transport("RTP/AVP/TCP;unicast;interleaved=4-").interleaved, 4, 5);
    assert_pair(transport("RTP/AVP/TCP;interleaved = 7 - 6").interleaved, 7, 6);
}

static void interleaved_may_be_missing_or_nonsense(void **state)
{
    (void)state;
    const cm_rtsp_transport t = transport("RTP/AVP/TCP;unicast");
    assert_true(t.is_tcp);
    assert_false(t.interleaved.is_said);
    assert_false(transport("RTP/AVP/TCP;interleaved=256-257").interleaved.is_said);
    assert_false(transport("RTP/AVP/TCP;interleaved=255").interleaved.is_said);
    assert_false(transport("RTP/AVP/TCP;interleaved=").interleaved.is_said);
    assert_false(transport("RTP/AVP/TCP;interleaved").interleaved.is_said);
}

static void interleaved_without_tcp_in_the_profile_is_tcp(void **state)
{
    (void)state;
    const cm_rtsp_transport t = transport("RTP/AVP;unicast;interleaved=0-1"); /* Escam Q6 */
    assert_true(t.is_tcp);
    assert_pair(t.interleaved, 0, 1);
}

static void a_server_port_may_be_missing_zero_or_single(void **state)
{
    (void)state;
    assert_false(
        transport("RTP/AVP;unicast;client_port=5000-5001").server_port.is_said); /* OpenIPC */
    assert_false(transport("RTP/AVP;server_port=0-0").server_port.is_said);
    assert_false(transport("RTP/AVP;server_port=65536-65537").server_port.is_said);
    assert_pair(transport("RTP/AVP;server_port=7000").server_port, 7000, 7001);
}

static void an_ssrc_may_have_any_length_and_blanks(void **state)
{
    (void)state;
    assert_int_equal(transport("RTP/AVP;ssrc=1F").ssrc, 0x1F);
    assert_int_equal(transport("RTP/AVP;ssrc= 5a1 ").ssrc, 0x5A1);
    assert_int_equal(transport("RTP/AVP;ssrc=0000000012345678").ssrc, 0x12345678);
    assert_false(transport("RTP/AVP;ssrc=123456789").has_ssrc);
    assert_false(transport("RTP/AVP;ssrc=xyz").has_ssrc);
    assert_false(transport("RTP/AVP;ssrc=").has_ssrc);
}

static void unknown_keys_are_passed_over(void **state)
{
    (void)state;
    const cm_rtsp_transport t =
        transport("rtp/avp/tcp;Unicast;x-foo=\"a;b,c\";bar;;Interleaved=0-1;append");
    assert_true(t.is_tcp);
    assert_pair(t.interleaved, 0, 1);
}

static void several_options_come_one_by_one(void **state)
{
    (void)state;
    cm_slice rest =
        CM_TEXT("RAW/RAW/UDP;port=9, RTP/AVP;multicast;port=3456-3457;mode=\"PLAY,RECORD\" ,"
                "RTP/AVP/TCP;interleaved=0-1,");
    cm_rtsp_transport t;
    assert_int_equal(cm_rtsp_transport_next(&rest, &t), CM_REFUSE);
    assert_int_equal(cm_rtsp_transport_next(&rest, &t), CM_OK);
    assert_true(t.is_multicast);
    assert_pair(t.port, 3456, 3457);
    assert_text(t.mode, "PLAY,RECORD");
    assert_int_equal(cm_rtsp_transport_next(&rest, &t), CM_OK);
    assert_true(t.is_tcp);
    assert_int_equal(cm_rtsp_transport_next(&rest, &t), CM_ABSENT);
}

static void a_transport_is_written_and_read_back(void **state)
{
    (void)state;
    const char *const TEXTS[] = {
        "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0000001F;mode=\"PLAY\"",
        "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001",
        "RTP/AVP;multicast;destination=239.0.0.1;source=10.0.0.1;port=7000-7001"};
    for (size_t i = 0; i < CM_COUNT(TEXTS); i++) {
        char text[256];
        const cm_rtsp_transport t = transport(TEXTS[i]);
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_rtsp_transport_write(&w, &t);
        assert_text(cm_writer_done(&w), TEXTS[i]);
    }
    char text[256];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_transport_write(&w, &(cm_rtsp_transport){.source = CM_TEXT("a;interleaved=0-1")});
    assert_true(w.failed);
}

/* --- small headers --------------------------------------------------------------------------- */

static void a_session_has_a_timeout_or_sixty_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t timeout_s;
    } CASES[] = {{"12345678", 60},
                 {"12345678;timeout=20", 20},
                 {" 12345678 ; Timeout = 30 ", 30},
                 {"12345678;timeout=\"90\"", 90},
                 {"12345678;timeout=0", 60},
                 {"12345678;timeout=", 60},
                 {"12345678;timeout=-5", 60},
                 {"12345678;foo=1;timeout=25;bar", 25}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_rtsp_session session;
        assert_int_equal(cm_rtsp_session_parse(cm_slice_of(CASES[i].text), &session), CM_OK);
        assert_text(session.id, "12345678");
        assert_int_equal(session.timeout_s, CASES[i].timeout_s);
    }
    cm_rtsp_session session;
    assert_int_equal(cm_rtsp_session_parse(CM_TEXT(""), &session), CM_REFUSE);
    assert_int_equal(cm_rtsp_session_parse(CM_TEXT(" ;timeout=3"), &session), CM_REFUSE);
}

static void a_session_is_written_clean_or_not_at_all(void **state)
{
    (void)state;
    char text[64];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_session_write(&w, &(cm_rtsp_session){CM_TEXT("ab12"), 60});
    assert_text(cm_writer_done(&w), "ab12;timeout=60");
    w = cm_writer_over(text, sizeof text);
    cm_rtsp_session_write(&w, &(cm_rtsp_session){CM_TEXT("ab;12"), 60});
    assert_true(w.failed);
}

static void a_cseq_is_a_number_or_nothing(void **state)
{
    (void)state;
    uint32_t cseq = 9;
    const cm_rtsp_message good = scan_one(LITERAL("RTSP/1.0 200 OK\r\ncseq: 12\r\n\r\n"));
    assert_int_equal(cm_rtsp_cseq(&good, &cseq), CM_OK);
    assert_int_equal(cseq, 12);
    const cm_rtsp_message none = scan_one(LITERAL("RTSP/1.0 200 OK\r\n\r\n"));
    assert_int_equal(cm_rtsp_cseq(&none, &cseq), CM_ABSENT);
    const cm_rtsp_message bad = scan_one(LITERAL("RTSP/1.0 200 OK\r\nCSeq: x\r\n\r\n"));
    assert_int_equal(cm_rtsp_cseq(&bad, &cseq), CM_REFUSE);
    assert_int_equal(cseq, 12);
}

static void methods_in_public_are_a_set(void **state)
{
    (void)state;
    const uint32_t set = cm_rtsp_public_parse(CM_TEXT("OPTIONS,DESCRIBE , FLY, GET_PARAMETER,"));
    assert_int_equal(set,
                     1u << CM_RTSP_OPTIONS | 1u << CM_RTSP_DESCRIBE | 1u << CM_RTSP_GET_PARAMETER);
    char text[128];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_public_write(&w, set);
    assert_text(cm_writer_done(&w), "OPTIONS, DESCRIBE, GET_PARAMETER");
    assert_int_equal(cm_rtsp_public_parse(CM_TEXT("")), 0);
    assert_int_equal(cm_rtsp_method_of(CM_TEXT("play")), CM_RTSP_METHOD_COUNT);
    assert_int_equal(cm_rtsp_method_name(CM_RTSP_METHOD_COUNT).size, 0);
}

static void rtp_info_tells_each_stream(void **state)
{
    (void)state;
    cm_slice rest =
        CM_TEXT("url=rtsp://cam/1;seq=45102;rtptime=12345678, url=\"rtsp://cam/2,3\";seq=70000"
                ", ,seq=5;rtptime=-1");
    cm_rtsp_rtp_info info;
    assert_int_equal(cm_rtsp_rtp_info_next(&rest, &info), CM_OK);
    assert_text(info.url, "rtsp://cam/1");
    assert_true(info.has_seq && info.has_rtptime);
    assert_int_equal(info.seq, 45102);
    assert_int_equal(info.rtptime, 12345678);
    assert_int_equal(cm_rtsp_rtp_info_next(&rest, &info), CM_OK);
    assert_text(info.url, "rtsp://cam/2,3");
    assert_false(info.has_seq);
    assert_int_equal(cm_rtsp_rtp_info_next(&rest, &info), CM_OK);
    assert_true(info.has_seq);
    assert_false(info.has_rtptime);
    assert_int_equal(cm_rtsp_rtp_info_next(&rest, &info), CM_ABSENT);
}

static void rtp_info_is_written(void **state)
{
    (void)state;
    char text[128];
    cm_writer w = cm_writer_over(text, sizeof text);
    const cm_rtsp_rtp_info info = {
        .url = CM_TEXT("rtsp://c/1"), .has_seq = true, .seq = 3, .has_rtptime = true, .rtptime = 4};
    cm_rtsp_rtp_info_write(&w, &info);
    assert_text(cm_writer_done(&w), "url=rtsp://c/1;seq=3;rtptime=4");
}

static void a_content_type_may_carry_a_charset(void **state)
{
    (void)state;
    const cm_slice sdp = CM_TEXT("application/sdp");
    assert_true(cm_rtsp_content_type_is(CM_TEXT("application/sdp"), sdp));
    assert_true(cm_rtsp_content_type_is(CM_TEXT("Application/SDP ; charset=utf-8"), sdp));
    assert_false(cm_rtsp_content_type_is(CM_TEXT("application/sdpx"), sdp));
}

/* --- addresses ------------------------------------------------------------------------------- */

static cm_rtsp_url url(const char *text)
{
    cm_rtsp_url out;
    assert_int_equal(cm_rtsp_url_parse(cm_slice_of(text), &out), CM_OK);
    return out;
}

static void an_address_is_taken_apart(void **state)
{
    (void)state;
    const cm_rtsp_url u = url("RTSP://anna:se%20cret@cam-1.local:8554/live/main?x=1&y#top");
    assert_false(u.is_secure);
    assert_true(u.has_userinfo);
    assert_text(u.user, "anna");
    assert_text(u.password, "se%20cret");
    assert_text(u.host, "cam-1.local");
    assert_int_equal(u.port, 8554);
    assert_text(u.path, "/live/main?x=1&y");
}

static void what_an_address_leaves_out_has_defaults(void **state)
{
    (void)state;
    cm_rtsp_url u = url("rtsp://10.0.0.2");
    assert_int_equal(u.port, 554);
    assert_false(u.has_port);
    assert_false(u.has_userinfo);
    assert_int_equal(u.path.size, 0);
    u = url("rtsps://cam:/");
    assert_true(u.is_secure);
    assert_int_equal(u.port, 322);
    u = url("rtsp://user@cam?stream=1");
    assert_text(u.user, "user");
    assert_int_equal(u.password.size, 0);
    assert_text(u.path, "?stream=1");
}

static void ipv6_stands_in_brackets_or_alone(void **state)
{
    (void)state;
    cm_rtsp_url u = url("rtsp://u:p@[fe80::1%25eth0]:8554/x");
    assert_true(u.is_ipv6);
    assert_text(u.host, "fe80::1%25eth0");
    assert_int_equal(u.port, 8554);
    u = url("rtsp://2001:db8::7/x");
    assert_true(u.is_ipv6);
    assert_text(u.host, "2001:db8::7");
    assert_int_equal(u.port, 554);
}

static void a_password_may_hold_an_at_sign_and_colons(void **state)
{
    (void)state;
    const cm_rtsp_url u = url("rtsp://admin:p@ss:w@rd@10.0.0.2/");
    assert_text(u.user, "admin");
    assert_text(u.password, "p@ss:w@rd");
    assert_text(u.host, "10.0.0.2");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      "http://cam/",
                                      "rtsp:/cam",
                                      "rtsp://",
                                      "rtsp:///path",
                                      "rtsp://u:p@/path",
                                      "rtsp://cam:0/",
                                      "rtsp://cam:65536/",
                                      "rtsp://cam:5x4/",
                                      "rtsp://[::1/",
                                      "rtsp://[::1]x/",
                                      "rtsp://[]/",
                                      "rtsp://ca m/",
                                      "rtsp://cam/a b",
                                      "rtsp://cam/a\r\nX: y",
                                      "rtsp://cam/a\"b",
                                      "rtsp://cam!/",
                                      "rtsp://[cam]/\x7F"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_rtsp_url out = {.port = 7};
        assert_int_equal(cm_rtsp_url_parse(cm_slice_of(BAD[i]), &out), CM_REFUSE);
        assert_int_equal(out.port, 7);
    }
    static char long_text[CM_RTSP_URL_SIZE_MAX + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    memcpy(long_text, "rtsp://cam/", 11);
    cm_rtsp_url out;
    assert_int_equal(cm_rtsp_url_parse(cm_slice_of(long_text), &out), CM_REFUSE);
}

static void every_truncation_of_an_address_is_refused_or_shorter(void **state)
{
    (void)state;
    const char *const WHOLE = "rtsp://u:p@[fe80::1]:8554/live?a=b";
    for (size_t size = 0; size < strlen(WHOLE); size++) {
        cm_rtsp_url out;
        uint8_t *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, WHOLE, size);
        if (cm_rtsp_url_parse(cm_slice_over(copy, size), &out) == CM_OK)
            assert_true(out.host.size > 0 && out.port > 0);
        else
            assert_true(size < sizeof "rtsp://u:p@[fe80::1]" - 1);
        free(copy);
    }
}

static void a_request_address_never_names_the_user(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"rtsp://u:p@cam:8554/a?b", "rtsp://cam:8554/a?b"},
        {"rtsp://u:p@cam", "rtsp://cam/"},
        {"rtsps://cam?x", "rtsps://cam/?x"},
        {"rtsp://u@[::1]:554/a", "rtsp://[::1]:554/a"},
        {"rtsp://fe80::1/a", "rtsp://[fe80::1]/a"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        char text[128];
        const cm_rtsp_url u = url(CASES[i][0]);
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_rtsp_url_write(&w, &u);
        assert_text(cm_writer_done(&w), CASES[i][1]);
    }
}

static void assert_base(cm_rtsp_base_hints hints, const char *expected)
{
    char text[256];
    const cm_rtsp_url request = url("rtsp://u:p@cam:8554/live?x=1");
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_base_write(&w, &request, &hints);
    assert_text(cm_writer_done(&w), expected);
}

static void without_a_content_base_the_request_is_the_base(void **state)
{
    (void)state;
    assert_base((cm_rtsp_base_hints){0}, "rtsp://cam:8554/live?x=1");
    assert_base((cm_rtsp_base_hints){.session_control = CM_TEXT("*")}, "rtsp://cam:8554/live?x=1");
}

static void a_content_base_gives_the_path_but_never_the_host(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"rtsp://192.168.1.64:554/base/", "rtsp://cam:8554/base/"},
        {"rtsp://u2:p2@cam/base/", "rtsp://cam:8554/base/"},
        {"rtsp://rtsp://192.168.1.64/base/", "rtsp://cam:8554/base/"},
        {"/base/", "rtsp://cam:8554/base/"},
        {"192.168.1.64:554/base/", "rtsp://cam:8554/base/"},
        {"cam/base/", "rtsp://cam:8554/base/"},
        {"rtsp://fe80::1:2/base/", "rtsp://cam:8554/base/"},
        {" rtsp://cam/base/ ", "rtsp://cam:8554/base/"},
        {"rtsp://cam", "rtsp://cam:8554/"},
        {"nonsense", "rtsp://cam:8554/live?x=1"},
        {"rtsp://cam/a b", "rtsp://cam:8554/live?x=1"},
        {"", "rtsp://cam:8554/live?x=1"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++)
        assert_base((cm_rtsp_base_hints){.content_base = cm_slice_of(CASES[i][0])}, CASES[i][1]);
}

static void a_content_location_counts_where_there_is_no_base(void **state)
{
    (void)state;
    assert_base((cm_rtsp_base_hints){.content_location = CM_TEXT("rtsp://cam/loc")},
                "rtsp://cam:8554/loc");
    assert_base((cm_rtsp_base_hints){.content_base = CM_TEXT("rtsp://cam/base"),
                                     .content_location = CM_TEXT("rtsp://cam/loc")},
                "rtsp://cam:8554/base");
}

static void a_session_control_wins(void **state)
{
    (void)state;
    const cm_slice base = CM_TEXT("rtsp://cam/base/");
    assert_base((cm_rtsp_base_hints){.session_control = CM_TEXT("rtsp://10.1.1.1/ctl/"),
                                     .content_base = base},
                "rtsp://cam:8554/ctl/");
    assert_base((cm_rtsp_base_hints){.session_control = CM_TEXT("/ctl"), .content_base = base},
                "rtsp://cam:8554/ctl");
    assert_base((cm_rtsp_base_hints){.session_control = CM_TEXT("ctl"), .content_base = base},
                "rtsp://cam:8554/base/ctl");
    assert_base((cm_rtsp_base_hints){.session_control = CM_TEXT("c\"tl"), .content_base = base},
                "rtsp://cam:8554/base/");
}

static void a_track_is_joined_to_its_base_by_exactly_one_slash(void **state)
{
    (void)state;
    static const char *const CASES[][3] = {
        {"rtsp://cam/live", "trackID=1", "rtsp://cam/live/trackID=1"},
        {"rtsp://cam/live/", "trackID=1", "rtsp://cam/live/trackID=1"},
        {"rtsp://cam/live", "/trackID=1", "rtsp://cam/live/trackID=1"},
        {"rtsp://cam/live/", "/trackID=1", "rtsp://cam/live/trackID=1"},
        {"rtsp://cam", "trackID=1", "rtsp://cam/trackID=1"},
        {"rtsp://cam/live?x=1", "trackID=1", "rtsp://cam/live?x=1/trackID=1"},
        {"rtsp://cam/live?x=1/", "trackID=1", "rtsp://cam/live?x=1/trackID=1"},
        {"rtsp://cam/live", "?ctype=video", "rtsp://cam/live?ctype=video"},
        {"rtsp://cam/live", "", "rtsp://cam/live"},
        {"rtsp://cam/live", "*", "rtsp://cam/live"},
        {"rtsp://cam:8554/live", "rtsp://10.1.1.1/live/track1", "rtsp://cam:8554/live/track1"},
        {"rtsp://cam/live", "rtsp://u:p@cam:554/t?y", "rtsp://cam/t?y"},
        {"rtsp://cam/live", "rtsp://rtsp://cam/t", "rtsp://cam/t"},
        {"rtsp://[::1]/live", " track1 ", "rtsp://[::1]/live/track1"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        char text[128];
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_rtsp_track_url_write(&w, cm_slice_of(CASES[i][0]), cm_slice_of(CASES[i][1]));
        assert_text(cm_writer_done(&w), CASES[i][2]);
    }
}

static void a_track_that_cannot_be_addressed_fails_the_writer(void **state)
{
    (void)state;
    static char text[2 * CM_RTSP_URL_SIZE_MAX];
    static char control[CM_RTSP_URL_SIZE_MAX + 1];
    memset(control, 'c', sizeof control - 1);
    const struct {
        const char *base;
        const char *control;
    } bad[] = {{"http://cam/", "t"},
               {"rtsp://cam/", "a b"},
               {"rtsp://cam/", "a\r\nb"},
               {"rtsp://cam/", control}};
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        cm_writer w = cm_writer_over(text, sizeof text);
        cm_rtsp_track_url_write(&w, cm_slice_of(bad[i].base), cm_slice_of(bad[i].control));
        assert_true(w.failed);
    }
}

/* --- authentication -------------------------------------------------------------------------- */

static cm_rtsp_hasher *hasher;

static int set_up(void **state)
{
    (void)state;
    return cm_rtsp_hasher_create(&hasher) == CM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cm_rtsp_hasher_destroy(hasher);
    cm_rtsp_hasher_destroy(NULL);
    return 0;
}

static cm_status choose(const char *a, const char *b, const char *c, cm_rtsp_challenge *out)
{
    const char *const values[] = {a, b, c};
    cm_rtsp_message m = {.kind = CM_RTSP_RESPONSE, .status = 401};
    for (size_t i = 0; i < CM_COUNT(values); i++)
        if (values[i] != NULL)
            m.headers[m.header_count++] =
                (cm_rtsp_header){CM_TEXT("www-authenticate"), cm_slice_of(values[i])};
    return cm_rtsp_challenge_choose(&m, out);
}

static void a_challenge_is_read(void **state)
{
    (void)state;
    cm_rtsp_challenge c;
    assert_int_equal(choose("Digest realm=\"a, b\", nonce=\"n=1\", opaque=\"\", stale = TRUE,"
                            " qop=\"auth-int, auth\", algorithm=\"MD5\"",
                            NULL, NULL, &c),
                     CM_OK);
    assert_int_equal(c.scheme, CM_RTSP_AUTH_DIGEST_MD5);
    assert_text(c.realm, "a, b");
    assert_text(c.nonce, "n=1");
    assert_true(c.has_opaque);
    assert_int_equal(c.opaque.size, 0);
    assert_true(c.is_stale);
    assert_true(c.has_qop_auth);
}

static void the_strongest_of_several_challenges_is_chosen(void **state)
{
    (void)state;
    static const char *const BASIC = "Basic realm=\"b\"";
    static const char *const MD5 = "Digest realm=\"m\",nonce=\"1\"";
    static const char *const SHA = "Digest realm=\"s\",nonce=\"2\",algorithm=SHA-256";
    const char *const orders[][3] = {{BASIC, MD5, SHA}, {SHA, MD5, BASIC}, {MD5, SHA, BASIC}};
    cm_rtsp_challenge c;
    for (size_t i = 0; i < CM_COUNT(orders); i++) {
        assert_int_equal(choose(orders[i][0], orders[i][1], orders[i][2], &c), CM_OK);
        assert_int_equal(c.scheme, CM_RTSP_AUTH_DIGEST_SHA256);
        assert_text(c.realm, "s");
    }
    assert_int_equal(choose(BASIC, MD5, NULL, &c), CM_OK);
    assert_int_equal(c.scheme, CM_RTSP_AUTH_DIGEST_MD5);
    assert_int_equal(choose(BASIC, NULL, NULL, &c), CM_OK);
    assert_int_equal(c.scheme, CM_RTSP_AUTH_BASIC);
    assert_text(c.realm, "b");
}

static void several_challenges_in_one_header_are_told_apart(void **state)
{
    (void)state;
    cm_rtsp_challenge c;
    assert_int_equal(
        choose("Basic realm=\"b\", Digest realm=\"m\", nonce=\"1\", Digest realm=\"s\", "
               "nonce=\"2\", algorithm=SHA-256, Negotiate, Foo bar=\"x\", nonce=\"3\"",
               NULL, NULL, &c),
        CM_OK);
    assert_int_equal(c.scheme, CM_RTSP_AUTH_DIGEST_SHA256);
    assert_text(c.realm, "s");
    assert_text(c.nonce, "2");
}

static void what_we_cannot_answer_is_passed_over(void **state)
{
    (void)state;
    static const char *const BAD[] = {"Digest realm=\"r\"", /* no nonce */
                                      "Digest realm=\"r\",nonce=\"n\",algorithm=MD5-sess",
                                      "Digest realm=\"r\",nonce=\"n\",algorithm=SHA-512-256",
                                      "Digest realm=\"r\",nonce=\"n\",qop=\"auth-int\"",
                                      "Negotiate",
                                      "Bearer realm=\"r\"",
                                      "",
                                      ",,,",
                                      "realm=\"r\""};
    cm_rtsp_challenge c;
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        assert_int_equal(choose(BAD[i], NULL, NULL, &c), CM_ABSENT);
        assert_int_equal(choose(BAD[i], "Basic realm=\"b\"", NULL, &c), CM_OK);
        assert_text(c.realm, "b");
    }
    assert_int_equal(choose(NULL, NULL, NULL, &c), CM_ABSENT);
}

static void every_truncation_of_a_challenge_is_safe(void **state)
{
    (void)state;
    const char *const WHOLE = "Basic realm=\"b\", Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    for (size_t size = 0; size <= strlen(WHOLE); size++) {
        char text[128];
        cm_rtsp_challenge c;
        memcpy(text, WHOLE, size);
        text[size] = '\0';
        const cm_status status = choose(text, NULL, NULL, &c);
        assert_int_equal(status, size < 5 ? CM_ABSENT : CM_OK);
    }
}

static void a_kept_challenge_outlives_its_header(void **state)
{
    (void)state;
    char header[] = "Digest realm=\"r\", nonce=\"n\", opaque=\"o\"";
    char storage[3];
    cm_rtsp_challenge c;
    cm_rtsp_challenge kept;
    assert_int_equal(choose(header, NULL, NULL, &c), CM_OK);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_rtsp_challenge_keep(&c, &w, &kept), CM_OK);
    w = cm_writer_over(storage, 2);
    assert_int_equal(cm_rtsp_challenge_keep(&c, &w, &c), CM_FULL);
    memset(header, 'x', sizeof header);
    assert_text(kept.nonce, "n");
    assert_text(kept.opaque, "o");
}

/* RFC 7616 3.9.1 */
static const cm_rtsp_credentials MUFASA = {{(const uint8_t *)"Mufasa", 6},
                                           {(const uint8_t *)"Circle of Life", 14}};

static cm_rtsp_challenge rfc7616_challenge(cm_rtsp_auth_scheme scheme)
{
    return (cm_rtsp_challenge){
        .scheme = scheme,
        .realm = CM_TEXT("http-auth@example.org"),
        .nonce = CM_TEXT("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
        .has_opaque = true,
        .opaque = CM_TEXT("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
        .has_qop_auth = true,
    };
}

static cm_rtsp_auth_request rfc7616_request(void)
{
    return (cm_rtsp_auth_request){
        .method = CM_TEXT("GET"),
        .uri = CM_TEXT("/dir/index.html"),
        .cnonce = CM_TEXT("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"),
        .nc = 1,
    };
}

static void assert_contains(cm_slice text, const char *part)
{
    const cm_slice wanted = cm_slice_of(part);
    for (size_t i = 0; i + wanted.size <= text.size; i++)
        if (cm_slice_equal(cm_slice_part(text, i, wanted.size), wanted))
            return;
    fail_msg("%.*s does not contain %s", CM_SLICE_ARGS(text), part);
}

static void the_example_of_rfc_7616_with_md5(void **state)
{
    (void)state;
    char text[1024];
    const cm_rtsp_challenge c = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_MD5);
    const cm_rtsp_auth_request r = rfc7616_request();
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &MUFASA, &r), CM_OK);
    assert_contains(cm_writer_done(&w), "response=\"8ca523f5e9506fed4657c9700eebdbec\"");
    assert_contains(cm_writer_done(&w),
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\"");
    assert_contains(cm_writer_done(&w), "algorithm=MD5, qop=auth, nc=00000001, cnonce=\"f2/w");
    assert_contains(cm_writer_done(&w), "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
}

static void the_example_of_rfc_7616_with_sha_256(void **state)
{
    (void)state;
    char text[1024];
    const cm_rtsp_challenge c = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_SHA256);
    const cm_rtsp_auth_request r = rfc7616_request();
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &MUFASA, &r), CM_OK);
    assert_contains(
        cm_writer_done(&w),
        "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"");
    assert_contains(cm_writer_done(&w), "algorithm=SHA-256");
}

/* RFC 2069 2.4 with the response its errata give. */
static void the_example_of_rfc_2069_without_qop(void **state)
{
    (void)state;
    char text[512];
    const cm_rtsp_challenge c = {.scheme = CM_RTSP_AUTH_DIGEST_MD5,
                                 .realm = CM_TEXT("testrealm@host.com"),
                                 .nonce = CM_TEXT("dcd98b7102dd2f0e8b11d0f600bfb0c093")};
    const cm_rtsp_credentials credentials = {CM_TEXT("Mufasa"), CM_TEXT("CircleOfLife")};
    const cm_rtsp_auth_request r = {.method = CM_TEXT("GET"), .uri = CM_TEXT("/dir/index.html")};
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &credentials, &r), CM_OK);
    assert_text(cm_writer_done(&w),
                "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
                "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
                "response=\"1949323746fe6a43ef61f9606e7febea\"");
}

static void basic_is_base64_of_user_and_password(void **state)
{
    (void)state;
    char text[64];
    const cm_rtsp_challenge c = {.scheme = CM_RTSP_AUTH_BASIC, .realm = CM_TEXT("x")};
    const cm_rtsp_credentials aladdin = {CM_TEXT("Aladdin"),
                                         CM_TEXT("open sesame")}; /* RFC 7617 2 */
    const cm_rtsp_auth_request r = {.method = CM_TEXT("PLAY"), .uri = CM_TEXT("rtsp://c/")};
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &aladdin, &r), CM_OK);
    assert_text(cm_writer_done(&w), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

static void basic_says_user_and_password(void **state)
{
    (void)state;
    uint8_t storage[CM_RTSP_BASIC_SIZE];
    cm_rtsp_credentials got;
    /* RFC 7617 2: the password may hold colons, the user none. */
    assert_int_equal(
        cm_rtsp_basic_read(CM_TEXT(" basic  QWxhZGRpbjpvcGVuOnNlc2FtZQ== "), storage, &got), CM_OK);
    assert_true(cm_slice_equal(got.user, CM_TEXT("Aladdin")));
    assert_true(cm_slice_equal(got.password, CM_TEXT("open:sesame")));
    assert_int_equal(cm_rtsp_basic_read(CM_TEXT("Basic Og=="), storage, &got), CM_OK);
    assert_int_equal(got.user.size + got.password.size, 0);
    static const char *const WRONG[] = {"",
                                        "Basic",
                                        "Basic ",
                                        "Digest QWxhOmI=",
                                        "Basic QWxhZGRpbg==", /* no colon */
                                        "Basic *",
                                        "BasicQWxhOmI=",
                                        "Bearer QWxhOmI="};
    for (size_t i = 0; i < CM_COUNT(WRONG); i++)
        assert_int_equal(cm_rtsp_basic_read(cm_slice_of(WRONG[i]), storage, &got), CM_REFUSE);
    char large[2 * CM_RTSP_BASIC_SIZE] = "Basic ";
    memset(large + 6, 'O', sizeof large - 7);
    assert_int_equal(cm_rtsp_basic_read(cm_slice_of(large), storage, &got), CM_REFUSE);
}

static void credentials_that_would_break_the_header_are_refused(void **state)
{
    (void)state;
    char text[1024];
    const cm_rtsp_auth_request good = rfc7616_request();
    const cm_rtsp_challenge digest = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_MD5);
    const cm_rtsp_challenge basic = {.scheme = CM_RTSP_AUTH_BASIC};
    cm_writer w = cm_writer_over(text, sizeof text);
    static const char *const USERS[] = {"a\"b", "a\\", "a\r\nX: y"};
    for (size_t i = 0; i < CM_COUNT(USERS); i++) {
        const cm_rtsp_credentials bad = {cm_slice_of(USERS[i]), CM_TEXT("p")};
        assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &digest, &bad, &good), CM_REFUSE);
    }
    const cm_rtsp_credentials colon = {CM_TEXT("a:b"), CM_TEXT("p")};
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &basic, &colon, &good), CM_REFUSE);
    cm_rtsp_auth_request bad_uri = good;
    bad_uri.uri = CM_TEXT("rtsp://c/\"x");
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &digest, &MUFASA, &bad_uri),
                     CM_REFUSE);
    w = cm_writer_over(text, 100);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &digest, &MUFASA, &good), CM_FULL);
}

/* --- the server's side ----------------------------------------------------------------------- */

static void a_challenge_written_is_the_challenge_read(void **state)
{
    (void)state;
    for (int scheme = CM_RTSP_AUTH_BASIC; scheme <= CM_RTSP_AUTH_DIGEST_SHA256; scheme++) {
        char text[512] = {0};
        cm_rtsp_challenge c = rfc7616_challenge((cm_rtsp_auth_scheme)scheme);
        c.is_stale = true;
        cm_writer w = cm_writer_over(text, sizeof text - 1);
        cm_rtsp_challenge_write(&w, &c);
        cm_rtsp_challenge back;
        assert_int_equal(choose(text, NULL, NULL, &back), CM_OK);
        assert_int_equal(back.scheme, scheme);
        assert_true(cm_slice_equal(back.realm, c.realm));
        if (scheme == CM_RTSP_AUTH_BASIC)
            continue;
        assert_true(cm_slice_equal(back.nonce, c.nonce));
        assert_true(cm_slice_equal(back.opaque, c.opaque));
        assert_true(back.is_stale && back.has_qop_auth);
    }
    char text[64];
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_rtsp_challenge_write(&w, &(cm_rtsp_challenge){.realm = CM_TEXT("a\"b")});
    assert_true(w.failed);
}

/* What `signer` sends over `request` is checked against `credentials` and `asked`. */
static cm_status exchange(const cm_rtsp_challenge *challenge, const cm_rtsp_credentials *signer,
                          const cm_rtsp_auth_request *signed_request,
                          const cm_rtsp_credentials *credentials, const cm_rtsp_auth_request *asked)
{
    char text[1024];
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, challenge, signer, signed_request),
                     CM_OK);
    return cm_rtsp_authorization_check(hasher, challenge, credentials, asked, cm_writer_done(&w));
}

static void the_right_password_is_accepted_by_every_scheme_and_no_other(void **state)
{
    (void)state;
    const cm_rtsp_auth_request r = rfc7616_request();
    const cm_rtsp_credentials wrong_password = {MUFASA.user, CM_TEXT("Circle of Liff")};
    const cm_rtsp_credentials short_password = {MUFASA.user, CM_TEXT("")};
    const cm_rtsp_credentials other_user = {CM_TEXT("Scar"), MUFASA.password};
    for (int i = 0; i < 6; i++) {
        cm_rtsp_challenge c = rfc7616_challenge((cm_rtsp_auth_scheme)(i % 3));
        c.has_qop_auth = i < 3;
        assert_int_equal(exchange(&c, &MUFASA, &r, &MUFASA, &r), CM_OK);
        assert_int_equal(exchange(&c, &wrong_password, &r, &MUFASA, &r), CM_REFUSE);
        assert_int_equal(exchange(&c, &short_password, &r, &MUFASA, &r), CM_REFUSE);
        assert_int_equal(exchange(&c, &other_user, &r, &MUFASA, &r), CM_REFUSE);
    }
}

static void an_answer_is_good_for_its_method_address_and_nonce_only(void **state)
{
    (void)state;
    const cm_rtsp_challenge c = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_SHA256);
    const cm_rtsp_auth_request r = rfc7616_request();
    cm_rtsp_auth_request other = r;
    other.method = CM_TEXT("PUT");
    assert_int_equal(exchange(&c, &MUFASA, &r, &MUFASA, &other), CM_REFUSE);
    other = r;
    other.uri = CM_TEXT("/dir/other.html");
    assert_int_equal(exchange(&c, &MUFASA, &r, &MUFASA, &other), CM_REFUSE);

    char text[1024];
    cm_writer w = cm_writer_over(text, sizeof text);
    assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &MUFASA, &r), CM_OK);
    cm_rtsp_challenge next[4] = {c, c, c, c};
    next[0].nonce = CM_TEXT("another");
    next[1].realm = CM_TEXT("another");
    next[2].opaque = CM_TEXT("another");
    next[3].scheme = CM_RTSP_AUTH_DIGEST_MD5;
    for (size_t i = 0; i < CM_COUNT(next); i++)
        assert_int_equal(
            cm_rtsp_authorization_check(hasher, &next[i], &MUFASA, &r, cm_writer_done(&w)),
            CM_REFUSE);
}

static void a_downgrade_to_no_qop_or_basic_is_refused(void **state)
{
    (void)state;
    const cm_rtsp_challenge asked = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_MD5);
    const cm_rtsp_auth_request r = rfc7616_request();
    cm_rtsp_challenge answered[2] = {asked, asked};
    answered[0].has_qop_auth = false;
    answered[1].scheme = CM_RTSP_AUTH_BASIC;
    for (size_t i = 0; i < CM_COUNT(answered); i++) {
        char text[1024];
        cm_writer w = cm_writer_over(text, sizeof text);
        assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &answered[i], &MUFASA, &r), CM_OK);
        assert_int_equal(
            cm_rtsp_authorization_check(hasher, &asked, &MUFASA, &r, cm_writer_done(&w)),
            CM_REFUSE);
    }
}

static void clients_may_sign_the_path_or_the_base(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        cm_status status;
    } CASES[] = {{"rtsp://cam:8554/live/track1", CM_OK},
                 {"/live/track1", CM_OK},
                 {"rtsp://cam:8554/live", CM_OK},
                 {"rtsp://cam:8554/live/", CM_OK},
                 {"rtsp://cam:8554/liv", CM_REFUSE},
                 {"rtsp://cam:8554/live/track12", CM_REFUSE},
                 {"/live", CM_REFUSE},
                 {"", CM_REFUSE}};
    const cm_rtsp_challenge c = rfc7616_challenge(CM_RTSP_AUTH_DIGEST_MD5);
    const cm_rtsp_auth_request asked = {.method = CM_TEXT("SETUP"),
                                        .uri = CM_TEXT("rtsp://cam:8554/live/track1")};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        const cm_rtsp_auth_request signed_request = {.method = CM_TEXT("SETUP"),
                                                     .uri = cm_slice_of(CASES[i].uri),
                                                     .cnonce = CM_TEXT("c"),
                                                     .nc = 3};
        assert_int_equal(exchange(&c, &MUFASA, &signed_request, &MUFASA, &asked), CASES[i].status);
    }
}

static void every_truncation_of_an_answer_is_refused(void **state)
{
    (void)state;
    for (int scheme = CM_RTSP_AUTH_BASIC; scheme <= CM_RTSP_AUTH_DIGEST_SHA256; scheme++) {
        char text[1024];
        const cm_rtsp_challenge c = rfc7616_challenge((cm_rtsp_auth_scheme)scheme);
        const cm_rtsp_auth_request r = rfc7616_request();
        cm_writer w = cm_writer_over(text, sizeof text);
        assert_int_equal(cm_rtsp_authorization_write(&w, hasher, &c, &MUFASA, &r), CM_OK);
        const cm_slice whole = cm_writer_done(&w);
        for (size_t size = 0; size < whole.size; size++)
            assert_int_equal(
                cm_rtsp_authorization_check(hasher, &c, &MUFASA, &r, cm_slice_part(whole, 0, size)),
                CM_REFUSE);
    }
}

static void a_response_in_capitals_is_the_same_response(void **state)
{
    (void)state;
    const cm_rtsp_challenge c = {.scheme = CM_RTSP_AUTH_DIGEST_MD5,
                                 .realm = CM_TEXT("testrealm@host.com"),
                                 .nonce = CM_TEXT("dcd98b7102dd2f0e8b11d0f600bfb0c093")};
    const cm_rtsp_credentials credentials = {CM_TEXT("Mufasa"), CM_TEXT("CircleOfLife")};
    const cm_rtsp_auth_request r = {.method = CM_TEXT("GET"), .uri = CM_TEXT("/dir/index.html")};
    assert_int_equal(
        cm_rtsp_authorization_check(
            hasher, &c, &credentials, &r,
            CM_TEXT("digest USERNAME=\"Mufasa\",Realm=testrealm@host.com,uri=\"/dir/index.html\","
                    "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\","
                    "response=\"1949323746FE6A43EF61F9606E7FEBEA\"")),
        CM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_read_whole),
        cmocka_unit_test(a_request_is_read_whole),
        cmocka_unit_test(every_truncation_of_a_message_waits_for_more),
        cmocka_unit_test(responses_and_the_cameras_own_requests_come_between_frames),
        cmocka_unit_test(a_frame_of_any_size_is_whole),
        cmocka_unit_test(line_ends_between_messages_are_no_loss_of_step),
        cmocka_unit_test(lines_may_end_in_lf_alone),
        cmocka_unit_test(a_reason_may_be_missing_and_blanks_many),
        cmocka_unit_test(folded_headers_are_one_value),
        cmocka_unit_test(header_lines_without_a_colon_are_passed_over),
        cmocka_unit_test(junk_between_frames_is_skipped),
        cmocka_unit_test(a_frame_with_a_length_too_small_costs_no_other),
        cmocka_unit_test(a_frame_with_a_length_too_large_costs_the_next_only),
        cmocka_unit_test(a_dollar_in_junk_is_not_believed),
        cmocka_unit_test(a_channel_beyond_the_owners_is_junk),
        cmocka_unit_test(junk_is_borne_up_to_64_kib_and_no_further),
        cmocka_unit_test(a_web_server_is_known_at_once),
        cmocka_unit_test(a_client_of_another_protocol_is_known_by_its_first_line),
        cmocka_unit_test(a_line_that_only_looks_like_a_message_is_junk_later),
        cmocka_unit_test(an_unknown_method_is_a_request_where_one_may_stand),
        cmocka_unit_test(a_status_out_of_range_is_no_response),
        cmocka_unit_test(a_content_length_that_is_none_or_too_large_closes),
        cmocka_unit_test(the_largest_body_is_read),
        cmocka_unit_test(heads_have_bounds),
        cmocka_unit_test(there_are_at_most_32_headers),
        cmocka_unit_test(a_request_is_written_as_the_rfc_shows),
        cmocka_unit_test(a_response_is_written_with_its_length_and_reason),
        cmocka_unit_test(nothing_can_be_smuggled_into_a_message),
        cmocka_unit_test(a_tcp_transport_is_read),
        cmocka_unit_test(a_udp_transport_is_read),
        cmocka_unit_test(interleaved_may_be_one_number_or_unlike_what_was_asked),
        cmocka_unit_test(interleaved_may_be_missing_or_nonsense),
        cmocka_unit_test(interleaved_without_tcp_in_the_profile_is_tcp),
        cmocka_unit_test(a_server_port_may_be_missing_zero_or_single),
        cmocka_unit_test(an_ssrc_may_have_any_length_and_blanks),
        cmocka_unit_test(unknown_keys_are_passed_over),
        cmocka_unit_test(several_options_come_one_by_one),
        cmocka_unit_test(a_transport_is_written_and_read_back),
        cmocka_unit_test(a_session_has_a_timeout_or_sixty_seconds),
        cmocka_unit_test(a_session_is_written_clean_or_not_at_all),
        cmocka_unit_test(a_cseq_is_a_number_or_nothing),
        cmocka_unit_test(methods_in_public_are_a_set),
        cmocka_unit_test(rtp_info_tells_each_stream),
        cmocka_unit_test(rtp_info_is_written),
        cmocka_unit_test(a_content_type_may_carry_a_charset),
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(what_an_address_leaves_out_has_defaults),
        cmocka_unit_test(ipv6_stands_in_brackets_or_alone),
        cmocka_unit_test(a_password_may_hold_an_at_sign_and_colons),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(every_truncation_of_an_address_is_refused_or_shorter),
        cmocka_unit_test(a_request_address_never_names_the_user),
        cmocka_unit_test(without_a_content_base_the_request_is_the_base),
        cmocka_unit_test(a_content_base_gives_the_path_but_never_the_host),
        cmocka_unit_test(a_content_location_counts_where_there_is_no_base),
        cmocka_unit_test(a_session_control_wins),
        cmocka_unit_test(a_track_is_joined_to_its_base_by_exactly_one_slash),
        cmocka_unit_test(a_track_that_cannot_be_addressed_fails_the_writer),
        cmocka_unit_test(a_challenge_is_read),
        cmocka_unit_test(the_strongest_of_several_challenges_is_chosen),
        cmocka_unit_test(several_challenges_in_one_header_are_told_apart),
        cmocka_unit_test(what_we_cannot_answer_is_passed_over),
        cmocka_unit_test(every_truncation_of_a_challenge_is_safe),
        cmocka_unit_test(a_kept_challenge_outlives_its_header),
        cmocka_unit_test(the_example_of_rfc_7616_with_md5),
        cmocka_unit_test(the_example_of_rfc_7616_with_sha_256),
        cmocka_unit_test(the_example_of_rfc_2069_without_qop),
        cmocka_unit_test(basic_is_base64_of_user_and_password),
        cmocka_unit_test(basic_says_user_and_password),
        cmocka_unit_test(credentials_that_would_break_the_header_are_refused),
        cmocka_unit_test(a_challenge_written_is_the_challenge_read),
        cmocka_unit_test(the_right_password_is_accepted_by_every_scheme_and_no_other),
        cmocka_unit_test(an_answer_is_good_for_its_method_address_and_nonce_only),
        cmocka_unit_test(a_downgrade_to_no_qop_or_basic_is_refused),
        cmocka_unit_test(clients_may_sign_the_path_or_the_base),
        cmocka_unit_test(every_truncation_of_an_answer_is_refused),
        cmocka_unit_test(a_response_in_capitals_is_the_same_response),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
