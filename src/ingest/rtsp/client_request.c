/* Requests, the login in them, keepalives, and answers to what the camera itself asks. */
#include "base/secret.h"
#include "base/text.h"
#include "ingest/rtsp/client_priv.h"

enum {
    REQUEST_SIZE = 8192,
    ANSWER_SIZE = 1024,
    LOGIN_TRIES = 2, /* answers to challenges in one request */
    KEEPALIVE_MARGIN_S = 5,
};

/* ---- the login ---- */

static void make_cnonce(cm_rtsp_client *c)
{
    uint8_t bytes[CM_CLIENT_CNONCE_SIZE / 2];
    cm_random_fill(cm_loop_random(c->config.loop), bytes, sizeof bytes);
    CM_IGNORE(
        cm_text_to_hex(cm_slice_over(bytes, sizeof bytes), c->login.cnonce, sizeof c->login.cnonce),
        "it is as large as that");
}

static bool may_answer(const cm_rtsp_client *c, const cm_rtsp_challenge *challenge,
                       const cm_client_request *request)
{
    if (request->refusals >= LOGIN_TRIES)
        return false;
    /* The first 401 only asks. After an answer it means no, unless the nonce was too old; cameras
     * that took our word before don't always say that it is the nonce. */
    return request->refusals == 0 || challenge->is_stale || c->login.is_proven;
}

cm_status cm_client_login_take(cm_rtsp_client *c, const cm_rtsp_message *response,
                               const cm_client_request *request)
{
    cm_rtsp_challenge challenge;
    CM_ENSURE(c->config.user.size > 0 && c->login.is_trusted, CM_REFUSE);
    CM_ENSURE(cm_rtsp_challenge_choose(response, &challenge) == CM_OK, CM_ABSENT);
    CM_ENSURE(may_answer(c, &challenge, request), CM_REFUSE);
    cm_writer w = cm_writer_over(c->login.storage, sizeof c->login.storage);
    c->login.has_challenge = false;
    CM_ENSURE(cm_rtsp_challenge_keep(&challenge, &w, &c->login.challenge) == CM_OK, CM_ABSENT);
    c->login.has_challenge = true;
    c->login.nc = 0;
    make_cnonce(c);
    return CM_OK;
}

static void write_authorization(cm_rtsp_client *c, cm_writer *w, cm_rtsp_method method,
                                cm_slice uri)
{
    uint8_t storage[REQUEST_SIZE];
    cm_writer value = cm_writer_over(storage, sizeof storage);
    if (!c->login.has_challenge || !c->login.is_trusted)
        return;
    const cm_rtsp_credentials credentials = {.user = c->config.user,
                                             .password = c->config.password};
    const cm_rtsp_auth_request request = {.method = cm_rtsp_method_name(method),
                                          .uri = uri,
                                          .cnonce = cm_slice_of(c->login.cnonce),
                                          .nc = ++c->login.nc};
    if (cm_rtsp_authorization_write(&value, c->config.gate->hasher, &c->login.challenge,
                                    &credentials, &request) == CM_OK)
        cm_rtsp_write_header(w, "Authorization", cm_writer_done(&value));
    cm_secret_wipe(storage, value.used); /* Basic holds the password */
}

/* ---- requests ---- */

/* Whose SETUP it is. */
static const cm_client_track *track_of(const cm_rtsp_client *c)
{
    return c->state == CM_RTSP_CLIENT_SETTING_UP_SOUND ? &c->sound.track : &c->track;
}

static cm_slice uri_of(const cm_rtsp_client *c, cm_rtsp_method method)
{
    const cm_slice base = cm_buffer_data(&c->base);
    if (method == CM_RTSP_SETUP)
        return cm_buffer_data(&track_of(c)->url);
    if (method == CM_RTSP_DESCRIBE || base.size == 0)
        return cm_buffer_data(&c->url);
    return base;
}

static void write_transport(const cm_rtsp_client *c, cm_writer *w)
{
    uint8_t storage[128];
    cm_writer value = cm_writer_over(storage, sizeof storage);
    const cm_client_udp *udp = track_of(c)->udp;
    const uint16_t channel =
        track_of(c) == &c->track ? CM_CLIENT_VIDEO_CHANNEL : CM_CLIENT_SOUND_CHANNEL;
    cm_rtsp_transport transport = {.is_tcp = udp == NULL};
    if (udp == NULL)
        transport.interleaved = (cm_rtsp_pair){true, channel, (uint16_t)(channel + 1)};
    else
        transport.client_port =
            (cm_rtsp_pair){true, cm_udp_local(udp->rtp).port, cm_udp_local(udp->rtcp).port};
    cm_rtsp_transport_write(&value, &transport);
    cm_rtsp_write_header(w, "Transport", cm_writer_done(&value));
}

/* ONVIF Streaming Specification 5.3.2: without it there is no such media in the answers. */
static bool wants_backchannel(const cm_rtsp_client *c, cm_rtsp_method method)
{
    return c->config.is_speaking &&
           (method == CM_RTSP_DESCRIBE || method == CM_RTSP_SETUP || method == CM_RTSP_PLAY);
}

static void write_request(cm_rtsp_client *c, cm_writer *w, cm_rtsp_method method)
{
    const cm_slice uri = uri_of(c, method);
    cm_rtsp_write_request_line(w, cm_rtsp_method_name(method), uri);
    cm_rtsp_write_header_u64(w, "CSeq", ++c->cseq);
    cm_rtsp_write_header(w, "User-Agent", CM_TEXT("casement"));
    write_authorization(c, w, method, uri);
    if (wants_backchannel(c, method))
        cm_rtsp_write_header(w, "Require", CM_TEXT("www.onvif.org/ver20/backchannel"));
    if (c->session_id_size > 0)
        cm_rtsp_write_header(w, "Session", cm_slice_over(c->session_id, c->session_id_size));
    if (method == CM_RTSP_DESCRIBE)
        cm_rtsp_write_header(w, "Accept", CM_TEXT("application/sdp"));
    else if (method == CM_RTSP_SETUP)
        write_transport(c, w);
    else if (method == CM_RTSP_PLAY)
        cm_rtsp_write_header(w, "Range", CM_TEXT("npt=0.000-"));
    cm_rtsp_write_end(w, (cm_slice){0});
}

static cm_status send_request(cm_rtsp_client *c, cm_rtsp_method method)
{
    uint8_t storage[REQUEST_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_slice text;
    write_request(c, &w, method);
    cm_status status = cm_writer_finish(&w, &text);
    if (status == CM_OK)
        status = cm_client_write(c, text, (cm_slice){0});
    cm_secret_wipe(storage, w.used);
    return status;
}

void cm_client_request_send(cm_rtsp_client *c, cm_rtsp_method method)
{
    if (c->waiting.method != method)
        c->waiting.refusals = 0;
    const cm_status status = send_request(c, method);
    c->waiting.method = method;
    c->waiting.cseq = c->cseq;
    /* A connection that is gone says so when it is read; what waits to be read may matter. */
    if (status != CM_OK && status != CM_CLOSE)
        cm_client_end(c, CM_CAUSE_PROTOCOL, "a request can't be made for that address");
}

int64_t cm_client_keepalive_interval_us(uint32_t timeout_s)
{
    const uint32_t half_s = timeout_s / 2;
    const uint32_t early_s =
        timeout_s > 2 * KEEPALIVE_MARGIN_S ? timeout_s - KEEPALIVE_MARGIN_S : 0;
    const uint32_t seconds = early_s > 0 && early_s < half_s ? early_s : half_s;
    return CM_SECONDS(seconds > 0 ? seconds : 1);
}

/* Not waited for: many never answer. */
void cm_client_keepalive_send(cm_rtsp_client *c)
{
    const bool has_get = (c->public_methods & (1u << CM_RTSP_GET_PARAMETER)) != 0;
    const cm_rtsp_method method = has_get ? CM_RTSP_GET_PARAMETER : CM_RTSP_OPTIONS;
    if (cm_buffer_data(&c->out).size > 0)
        return; /* it does not read */
    CM_IGNORE(send_request(c, method), "a closed connection says so when it is read");
    c->keepalive.method = method;
    c->keepalive.cseq = c->cseq;
}

void cm_client_teardown_send(cm_rtsp_client *c)
{
    if (c->session_id_size > 0)
        CM_IGNORE(send_request(c, CM_RTSP_TEARDOWN), "it is a courtesy");
}

/* ---- what the camera asks ---- */

static void answer(cm_rtsp_client *c, const cm_rtsp_message *request, uint16_t status)
{
    uint8_t storage[ANSWER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    uint32_t cseq;
    cm_slice session;
    cm_slice text;
    cm_rtsp_write_status_line(&w, status);
    if (cm_rtsp_cseq(request, &cseq) == CM_OK)
        cm_rtsp_write_header_u64(&w, "CSeq", cseq);
    if (cm_rtsp_find(request, CM_TEXT("Session"), &session) &&
        session.size <= CM_CLIENT_SESSION_ID_MAX)
        cm_rtsp_write_header(&w, "Session", session);
    if (status == 200)
        cm_rtsp_write_header(&w, "Public", CM_TEXT("OPTIONS, GET_PARAMETER, SET_PARAMETER"));
    cm_rtsp_write_end(&w, (cm_slice){0});
    if (cm_writer_finish(&w, &text) != CM_OK)
        cm_client_count_malformed(c);
    else if (cm_client_write(c, text, (cm_slice){0}) == CM_FULL)
        cm_client_end_abusive(c, "asks, and does not read the answers");
}

void cm_client_take_request(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    switch (cm_rtsp_method_of(message->method)) {
    case CM_RTSP_OPTIONS:
    case CM_RTSP_GET_PARAMETER:
    case CM_RTSP_SET_PARAMETER:
    case CM_RTSP_ANNOUNCE:
        answer(c, message, 200);
        break;
    case CM_RTSP_REDIRECT:
        answer(c, message, 200);
        if (!cm_client_is_over(c))
            cm_client_redirect(c, message);
        break;
    case CM_RTSP_TEARDOWN:
        answer(c, message, 200);
        cm_client_end(c, CM_CAUSE_CLOSED, "it ended the session");
        break;
    default:
        answer(c, message, 501);
        break;
    }
}
