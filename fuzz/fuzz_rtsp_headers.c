/* Header values and addresses of RTSP: the first byte says which parser gets the rest. */
#include "base/reader.h"
#include "fuzz.h"
#include "proto/rtsp/auth.h"
#include "proto/rtsp/headers.h"
#include "proto/rtsp/transport.h"
#include "proto/rtsp/url.h"

static uint8_t storage[1 << 18];

static bool is_same_pair(cm_rtsp_pair a, cm_rtsp_pair b)
{
    return a.is_said == b.is_said && a.rtp == b.rtp && a.rtcp == b.rtcp;
}

static void fuzz_transport(cm_slice value)
{
    cm_rtsp_transport t;
    cm_rtsp_transport back;
    cm_status status;
    while ((status = cm_rtsp_transport_next(&value, &t)) != CM_ABSENT) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_slice written;
        if (status != CM_OK)
            continue;
        cm_rtsp_transport_write(&w, &t);
        if (cm_writer_finish(&w, &written) != CM_OK)
            continue;
        /* An address with a comma in it (it was quoted) would be read as two options. */
        if (cm_slice_find(t.source, ',') < t.source.size ||
            cm_slice_find(t.destination, ',') < t.destination.size)
            continue;
        CHECK(cm_rtsp_transport_next(&written, &back) == CM_OK);
        CHECK(back.is_tcp == t.is_tcp && back.is_multicast == t.is_multicast);
        CHECK(is_same_pair(back.interleaved, t.interleaved));
        CHECK(is_same_pair(back.client_port, t.client_port));
        CHECK(is_same_pair(back.server_port, t.server_port));
        CHECK(!t.has_ssrc || back.ssrc == t.ssrc);
        CHECK(cm_slice_equal(back.mode, t.mode));
    }
}

static void fuzz_small_headers(cm_slice value)
{
    cm_rtsp_session session;
    if (cm_rtsp_session_parse(value, &session) == CM_OK) {
        CHECK(session.id.size > 0 && session.timeout_s > 0);
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_slice written;
        cm_rtsp_session back;
        cm_rtsp_session_write(&w, &session);
        if (cm_writer_finish(&w, &written) == CM_OK) {
            CHECK(cm_rtsp_session_parse(written, &back) == CM_OK);
            CHECK(cm_slice_equal(back.id, session.id) && back.timeout_s == session.timeout_s);
        }
    }
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const uint32_t methods = cm_rtsp_public_parse(value);
    cm_rtsp_public_write(&w, methods);
    CHECK(cm_rtsp_public_parse(cm_writer_done(&w)) == methods);
    cm_rtsp_rtp_info info;
    while (cm_rtsp_rtp_info_next(&value, &info) == CM_OK)
        touch(info.url);
}

/* An address that may go into a request: parses, is whole, names nobody. */
static void check_address(const cm_writer *w, const cm_rtsp_url *expected)
{
    cm_slice text;
    cm_rtsp_url url;
    if (cm_writer_finish(w, &text) != CM_OK || text.size > CM_RTSP_URL_SIZE_MAX)
        return;
    CHECK(cm_rtsp_url_parse(text, &url) == CM_OK);
    CHECK(!url.has_userinfo);
    CHECK(cm_slice_equal(url.host, expected->host) && url.port == expected->port);
    CHECK(url.is_secure == expected->is_secure);
}

static void fuzz_url(cm_slice value)
{
    const cm_slice address = cm_slice_cut(&value, '\n');
    const cm_rtsp_base_hints hints = {
        .content_base = cm_slice_cut(&value, '\n'),
        .session_control = cm_slice_cut(&value, '\n'),
        .content_location = value,
    };
    cm_rtsp_url url;
    if (cm_rtsp_url_parse(address, &url) != CM_OK)
        return;
    CHECK(url.host.size > 0 && url.port > 0);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_url_write(&w, &url);
    check_address(&w, &url);
    cm_writer base = cm_writer_over(storage, sizeof storage / 2);
    cm_rtsp_base_write(&base, &url, &hints);
    check_address(&base, &url);
    static uint8_t track[1 << 16];
    w = cm_writer_over(track, sizeof track);
    cm_rtsp_track_url_write(&w, cm_writer_done(&base), hints.content_location);
    check_address(&w, &url);
}

/* What a camera asks for is answered, and a server that had asked so accepts the answer. */
static void fuzz_challenge(cm_rtsp_hasher *hasher, cm_slice value)
{
    cm_rtsp_message response = {.kind = CM_RTSP_RESPONSE, .status = 401};
    while (value.size > 0 && response.header_count < CM_RTSP_HEADER_MAX)
        response.headers[response.header_count++] = (cm_rtsp_header){
            .name = CM_TEXT("WWW-Authenticate"), .value = cm_slice_cut(&value, '\n')};
    cm_rtsp_challenge challenge;
    if (cm_rtsp_challenge_choose(&response, &challenge) != CM_OK)
        return;
    const cm_rtsp_credentials credentials = {CM_TEXT("admin"), CM_TEXT("pass\"word")};
    const cm_rtsp_auth_request request = {.method = CM_TEXT("DESCRIBE"),
                                          .uri = CM_TEXT("rtsp://cam/main"),
                                          .cnonce = CM_TEXT("0123abcd"),
                                          .nc = 1};
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (cm_rtsp_authorization_write(&w, hasher, &challenge, &credentials, &request) == CM_OK)
        CHECK(cm_rtsp_authorization_check(hasher, &challenge, &credentials, &request,
                                          cm_writer_done(&w)) == CM_OK);
}

static void fuzz_answer(cm_rtsp_hasher *hasher, cm_slice value)
{
    const cm_rtsp_challenge challenge = {.scheme = CM_RTSP_AUTH_DIGEST_MD5,
                                         .realm = CM_TEXT("r"),
                                         .nonce = CM_TEXT("n"),
                                         .has_qop_auth = true};
    const cm_rtsp_challenge basic = {.scheme = CM_RTSP_AUTH_BASIC, .realm = CM_TEXT("r")};
    const cm_rtsp_credentials credentials = {CM_TEXT("u"), CM_TEXT("a password nobody guesses")};
    const cm_rtsp_auth_request request = {.method = CM_TEXT("PLAY"), .uri = CM_TEXT("rtsp://c/")};
    CHECK(cm_rtsp_authorization_check(hasher, &challenge, &credentials, &request, value) != CM_OK);
    CHECK(cm_rtsp_authorization_check(hasher, &basic, &credentials, &request, value) != CM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cm_rtsp_hasher *hasher;
    if (hasher == NULL)
        CHECK(cm_rtsp_hasher_create(&hasher) == CM_OK);
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    switch (cm_read_u8(&r)) {
    case 'T':
        fuzz_transport(r.rest);
        break;
    case 'S':
        fuzz_small_headers(r.rest);
        break;
    case 'U':
        fuzz_url(r.rest);
        break;
    case 'C':
        fuzz_challenge(hasher, r.rest);
        break;
    case 'A':
        fuzz_answer(hasher, r.rest);
        break;
    default:
        break;
    }
    return 0;
}
