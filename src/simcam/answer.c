#include <stdio.h>

#include "base/buffer.h"
#include "base/log.h"
#include "proto/rtsp/url.h"
#include "proto/sdp/fmtp.h"
#include "proto/sdp/sdp.h"
#include "simcam/simcam_priv.h"

enum {
    ANSWER_SIZE = 8192,
    BODY_SIZE = 4096,
    HEADER_SIZE = 1024,
    METHODS = 1u << CM_RTSP_OPTIONS | 1u << CM_RTSP_DESCRIBE | 1u << CM_RTSP_SETUP |
              1u << CM_RTSP_PLAY | 1u << CM_RTSP_GET_PARAMETER | 1u << CM_RTSP_SET_PARAMETER |
              1u << CM_RTSP_TEARDOWN,
};

static const char REALM[] = "casement simcam";
static const char TRACK[] = "trackID=0";
static const char SOUND_TRACK[] = "trackID=1";
static const char TALK_TRACK[] = "trackID=2";
static const char BACKCHANNEL[] = "www.onvif.org/ver20/backchannel";

/* One request and what is being said to it. */
typedef struct exchange {
    cm_simcam_session *session;
    const cm_rtsp_message *request;
    cm_simcam_camera *camera; /* that the address names; NULL for "*" */
    cm_simcam_stream stream;
    bool is_of_sound; /* its track of sound is */
    bool is_of_talk;  /* its ear */
    uint16_t status;
    uint8_t headers_storage[HEADER_SIZE];
    cm_writer headers; /* written as "name: value" lines by the handlers */
    uint8_t body_storage[BODY_SIZE];
    cm_writer body;
} exchange;

static void refuse(exchange *x, uint16_t status)
{
    x->status = status;
}

/* ---- whom ---- */

/* "/cam12", "/cam12/sub", each with "/trackID=0", 1, 2 or a query behind it. */
static cm_status find_camera(exchange *x, cm_slice path)
{
    path = cm_slice_part(path, 0, cm_slice_find(path, '?'));
    (void)cm_slice_cut(&path, '/');
    const cm_slice name = cm_slice_cut(&path, '/');
    CM_ENSURE(cm_slice_starts(name, CM_TEXT("cam")), CM_ABSENT);
    uint64_t number;
    CM_ENSURE(cm_slice_to_u64(cm_slice_from(name, 3), x->session->simcam->camera_count, &number) ==
                  CM_OK,
              CM_ABSENT);
    CM_ENSURE(number > 0, CM_ABSENT);
    cm_slice next = cm_slice_cut(&path, '/');
    const bool is_sub = cm_slice_equal(next, CM_TEXT("sub"));
    if (is_sub)
        next = cm_slice_cut(&path, '/');
    x->is_of_sound = x->session->simcam->sound != CM_SIMCAM_SOUND_NONE &&
                     cm_slice_equal(next, cm_slice_of(SOUND_TRACK));
    x->is_of_talk =
        cm_simcam_hears(x->session->simcam) && cm_slice_equal(next, cm_slice_of(TALK_TRACK));
    CM_ENSURE(next.size == 0 || x->is_of_sound || x->is_of_talk ||
                  cm_slice_equal(next, cm_slice_of(TRACK)),
              CM_ABSENT);
    x->camera = &x->session->simcam->cameras[number - 1];
    x->stream = is_sub ? CM_SIMCAM_SUB : CM_SIMCAM_MAIN;
    return CM_OK;
}

static cm_status find_addressed(exchange *x)
{
    if (cm_slice_equal(x->request->uri, CM_TEXT("*")))
        return CM_OK;
    cm_rtsp_url url;
    CM_ENSURE(cm_rtsp_url_parse(x->request->uri, &url) == CM_OK, CM_ABSENT);
    return find_camera(x, url.path);
}

/* ---- who ---- */

enum { SCHEMES_MAX = 2 };

/* What is offered, the strongest first. */
static const struct offer {
    size_t count;
    cm_rtsp_auth_scheme schemes[SCHEMES_MAX];
} OFFERS[CM_SIMCAM_AUTHS] = {
    [CM_SIMCAM_AUTH_DIGEST] = {2, {CM_RTSP_AUTH_DIGEST_SHA256, CM_RTSP_AUTH_DIGEST_MD5}},
    [CM_SIMCAM_AUTH_DIGEST_SHA256] = {1, {CM_RTSP_AUTH_DIGEST_SHA256}},
    [CM_SIMCAM_AUTH_DIGEST_MD5] = {1, {CM_RTSP_AUTH_DIGEST_MD5}},
    [CM_SIMCAM_AUTH_BASIC] = {1, {CM_RTSP_AUTH_BASIC}},
};

static cm_rtsp_challenge challenge_of(const cm_simcam_session *session, cm_rtsp_auth_scheme scheme)
{
    return (cm_rtsp_challenge){.scheme = scheme,
                               .realm = cm_slice_of(REALM),
                               .nonce = cm_slice_of(session->nonce),
                               .is_stale = session->is_nonce_stale,
                               .has_qop_auth = true};
}

static bool is_proven(const exchange *x, cm_slice value)
{
    const cm_simcam *simcam = x->session->simcam;
    const cm_rtsp_credentials credentials = {.user = simcam->user, .password = simcam->password};
    const cm_rtsp_auth_request request = {.method = x->request->method, .uri = x->request->uri};
    const struct offer *offer = &OFFERS[simcam->auth];
    for (size_t i = 0; i < offer->count; i++) {
        const cm_rtsp_challenge c = challenge_of(x->session, offer->schemes[i]);
        if (cm_rtsp_authorization_check(simcam->hasher, &c, &credentials, &request, value) == CM_OK)
            return true;
    }
    return false;
}

static bool is_authorized(const exchange *x)
{
    if (x->session->simcam->auth == CM_SIMCAM_AUTH_NONE)
        return true;
    if (x->camera != NULL && cm_troubles_has(&x->camera->troubles, CM_TROUBLE_PASSWORD, NULL))
        return false;
    cm_slice value;
    return cm_rtsp_find(x->request, CM_TEXT("Authorization"), &value) && is_proven(x, value);
}

static void challenge(exchange *x)
{
    const struct offer *offer = &OFFERS[x->session->simcam->auth];
    for (size_t i = 0; i < offer->count; i++) {
        uint8_t storage[HEADER_SIZE];
        cm_writer w = cm_writer_over(storage, sizeof storage);
        const cm_rtsp_challenge c = challenge_of(x->session, offer->schemes[i]);
        cm_rtsp_challenge_write(&w, &c);
        cm_rtsp_write_header(&x->headers, "WWW-Authenticate", cm_writer_done(&w));
    }
    x->session->is_nonce_stale = false;
    x->session->simcam->counters.refused++;
    refuse(x, 401);
}

/* ---- the methods ---- */

static void answer_options(exchange *x)
{
    uint8_t storage[256];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_public_write(&w, METHODS);
    cm_rtsp_write_header(&x->headers, "Public", cm_writer_done(&w));
}

static void write_format(cm_writer *fmtp, const cm_scene *scene)
{
    if (scene->codec == CM_VIDEO_H265) {
        const cm_sdp_h265 h265 = {.set_count = 3, .sets = {scene->vps, scene->sps, scene->pps}};
        cm_sdp_h265_write(fmtp, &h265);
        return;
    }
    const cm_slice sps = scene->sps;
    const cm_sdp_h264 h264 = {.packetization_mode = 1,
                              .has_profile_level_id = true,
                              .profile_level_id = (uint32_t)sps.bytes[1] << 16 |
                                                  (uint32_t)sps.bytes[2] << 8 | sps.bytes[3],
                              .set_count = 2,
                              .sets = {sps, scene->pps}};
    cm_sdp_h264_write(fmtp, &h264);
}

static bool requires_talk(const exchange *x)
{
    cm_slice value;
    return cm_rtsp_find(x->request, CM_TEXT("Require"), &value) &&
           cm_slice_equal(value, cm_slice_of(BACKCHANNEL));
}

/* Then it says of each media what a client does with it. */
static void describe_talk(const exchange *x, cm_sdp *sdp)
{
    for (size_t i = 0; i < sdp->media_count; i++)
        sdp->medias[i].direction = CM_SDP_RECVONLY;
    cm_simcam_talk_describe(x->session->simcam, cm_slice_of(TALK_TRACK),
                            &sdp->medias[sdp->media_count++]);
}

static void write_description(exchange *x, const cm_scene *scene)
{
    uint8_t storage[HEADER_SIZE];
    uint8_t sound_storage[HEADER_SIZE];
    cm_writer fmtp = cm_writer_over(storage, sizeof storage);
    cm_writer sound_fmtp = cm_writer_over(sound_storage, sizeof sound_storage);
    write_format(&fmtp, scene);
    const cm_sdp_payload payload = {.type = CM_SIMCAM_PAYLOAD_TYPE,
                                    .encoding = cm_slice_of(cm_video_codec_name(scene->codec)),
                                    .clock_rate = CM_SIMCAM_CLOCK_RATE,
                                    .channels = 1,
                                    .fmtp = cm_writer_done(&fmtp)};
    cm_sdp sdp = {.name = cm_slice_of(x->camera->name),
                  .tool = CM_TEXT("casement simcam"),
                  .control = CM_TEXT("*"),
                  .range = CM_TEXT("npt=now-"),
                  .media_count = 1};
    sdp.medias[0] = (cm_sdp_media){.kind = CM_SDP_VIDEO,
                                   .protocol = CM_TEXT("RTP/AVP"),
                                   .control = cm_slice_of(TRACK),
                                   .direction = CM_SDP_DIRECTION_UNSAID,
                                   .payload_count = 1,
                                   .payloads = {payload}};
    if (x->session->simcam->sound != CM_SIMCAM_SOUND_NONE)
        cm_simcam_sound_describe(x->session->simcam, cm_slice_of(SOUND_TRACK), &sound_fmtp,
                                 &sdp.medias[sdp.media_count++]);
    if (cm_simcam_hears(x->session->simcam) && requires_talk(x))
        describe_talk(x, &sdp);
    cm_sdp_write(&x->body, &sdp);
}

static void answer_describe(exchange *x)
{
    uint8_t storage[CM_RTSP_URL_SIZE_MAX + 1];
    cm_writer base = cm_writer_over(storage, sizeof storage);
    cm_write_slice(&base, x->request->uri);
    if (!cm_slice_ends(x->request->uri, CM_TEXT("/")))
        cm_write_text(&base, "/");
    cm_rtsp_write_header(&x->headers, "Content-Base", cm_writer_done(&base));
    cm_rtsp_write_header(&x->headers, "Content-Type", CM_TEXT("application/sdp"));
    write_description(x, x->camera->scenes[x->stream]);
}

/* The first option that we can serve. */
static cm_status choose_transport(cm_slice offered, cm_rtsp_transport *out)
{
    cm_status status;
    while ((status = cm_rtsp_transport_next(&offered, out)) != CM_ABSENT) {
        if (status != CM_OK || out->is_multicast)
            continue;
        if (out->is_tcp || out->client_port.is_said)
            return CM_OK;
    }
    return CM_ABSENT;
}

/* What is asked for, as it is answered. */
static void answer_way(const cm_simcam_session *session, cm_rtsp_transport *t, uint32_t ssrc)
{
    const cm_simcam *simcam = session->simcam;
    t->has_ssrc = true;
    t->ssrc = ssrc;
    t->mode = (cm_slice){0};
    t->destination = (cm_slice){0};
    if (t->is_tcp)
        t->interleaved.rtcp = (uint16_t)(t->interleaved.rtp + 1);
    else
        t->server_port = (cm_rtsp_pair){.is_said = true,
                                        .rtp = cm_udp_local(simcam->udp[0]).port,
                                        .rtcp = cm_udp_local(simcam->udp[1]).port};
}

static void set_transport(cm_simcam_session *session, cm_rtsp_transport *t)
{
    session->is_tcp = t->is_tcp;
    if (t->is_tcp) {
        t->interleaved.rtp = t->interleaved.is_said ? t->interleaved.rtp : 0;
        t->interleaved.is_said = true;
        session->channel = (uint8_t)t->interleaved.rtp;
    } else {
        for (size_t i = 0; i < 2; i++) /* only ever to where the request came from */
            session->peers[i] = cm_tcp_peer(session->tcp);
        session->peers[0].port = t->client_port.rtp;
        session->peers[1].port = t->client_port.rtcp;
    }
    answer_way(session, t, session->ssrc);
}

static void write_session(exchange *x)
{
    uint8_t storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_session_write(&w, &(cm_rtsp_session){.id = cm_slice_of(x->session->id),
                                                 .timeout_s = CM_SIMCAM_TIMEOUT_S});
    cm_rtsp_write_header(&x->headers, "Session", cm_writer_done(&w));
}

static bool is_busy(const cm_simcam_camera *camera)
{
    return cm_troubles_has(&camera->troubles, CM_TROUBLE_BUSY, NULL) ||
           camera->session_count >= camera->simcam->sessions_max;
}

static void write_transport(exchange *x, const cm_rtsp_transport *transport)
{
    uint8_t storage[HEADER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_transport_write(&w, transport);
    cm_rtsp_write_header(&x->headers, "Transport", cm_writer_done(&w));
    write_session(x);
}

/* A second track, by the way of the first. */
static void set_up_sound(exchange *x, cm_rtsp_transport *transport)
{
    cm_simcam_session *session = x->session;
    if (session->state != CM_SIMCAM_READY || session->camera != x->camera ||
        session->stream != x->stream || session->is_ear) {
        refuse(x, 455);
        return;
    }
    if (transport->is_tcp != session->is_tcp) {
        refuse(x, 461);
        return;
    }
    if (transport->is_tcp && !transport->interleaved.is_said)
        transport->interleaved = (cm_rtsp_pair){true, (uint16_t)(session->channel + 2),
                                                (uint16_t)(session->channel + 3)};
    cm_simcam_sound_set_up(session, transport);
    answer_way(session, transport, session->sound.ssrc);
    write_transport(x, transport);
}

static void answer_setup(exchange *x)
{
    cm_simcam_session *session = x->session;
    cm_slice value;
    cm_rtsp_transport transport;
    if (!cm_rtsp_find(x->request, CM_TEXT("Transport"), &value) ||
        choose_transport(value, &transport) != CM_OK ||
        (transport.is_tcp && transport.interleaved.is_said && transport.interleaved.rtp > 254)) {
        refuse(x, 461);
        return;
    }
    if (x->is_of_sound) {
        set_up_sound(x, &transport);
        return;
    }
    cm_simcam_session_enter(session, CM_SIMCAM_FRESH);
    if (is_busy(x->camera)) {
        session->simcam->counters.refused++;
        refuse(x, 453);
        return;
    }
    session->camera = x->camera;
    session->stream = x->stream;
    cm_simcam_session_enter(session, CM_SIMCAM_READY);
    session->is_ear = x->is_of_talk;
    set_transport(session, &transport);
    write_transport(x, &transport);
}

static void answer_play(exchange *x)
{
    cm_simcam_session *session = x->session;
    if (session->state == CM_SIMCAM_READY)
        cm_simcam_session_enter(session, CM_SIMCAM_PLAYING);
    uint8_t storage[HEADER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_rtsp_rtp_info info = {
        .url = x->request->uri,
        .has_seq = true,
        .seq = session->sequence,
        .has_rtptime = true,
        .rtptime = cm_simcam_timestamp(session, cm_loop_wall(session->simcam->loop))};
    cm_rtsp_rtp_info_write(&w, &info);
    write_session(x);
    cm_rtsp_write_header(&x->headers, "Range", CM_TEXT("npt=now-"));
    cm_rtsp_write_header(&x->headers, "RTP-Info", cm_writer_done(&w));
}

static void answer_get_parameter(exchange *x)
{
    if (x->session->state != CM_SIMCAM_FRESH)
        write_session(x); /* a keepalive (RFC 2326 10.8) */
}

/* "fault: stall@10s" for the addressed camera. */
static void answer_set_parameter(exchange *x)
{
    cm_slice body = x->request->body;
    while (body.size > 0) {
        cm_slice line = cm_slice_trim(cm_slice_cut(&body, '\n'));
        if (line.size == 0)
            continue;
        const cm_slice name = cm_slice_cut(&line, ':');
        char wish_text[128];
        cm_trouble_wish wish;
        const int size = snprintf(wish_text, sizeof wish_text, "cam%u:%.*s", x->camera->number,
                                  CM_SLICE_ARGS(cm_slice_trim(line)));
        if (!cm_slice_equal(name, CM_TEXT("fault")) || size < 0 ||
            (size_t)size >= sizeof wish_text ||
            cm_trouble_parse(cm_slice_of(wish_text), &wish) != CM_OK ||
            cm_simcam_trouble(x->session->simcam, &wish) != CM_OK) {
            refuse(x, 451);
            return;
        }
    }
}

static void answer_teardown(exchange *x)
{
    cm_simcam_session_enter(x->session, CM_SIMCAM_FRESH);
}

enum {
    FRESH = 1u << CM_SIMCAM_FRESH,
    READY = 1u << CM_SIMCAM_READY,
    PLAYING = 1u << CM_SIMCAM_PLAYING
};

/* Which request is legal in which state (RFC 2326 A.2); all others are refused. */
static const struct method {
    void (*answer)(exchange *x);
    unsigned states;
    bool is_open;       /* without a password */
    bool needs_camera;  /* "*" won't do */
    bool needs_session; /* the Session header must be ours */
} METHOD_TABLE[CM_RTSP_METHOD_COUNT] = {
    [CM_RTSP_OPTIONS] = {answer_options, FRESH | READY | PLAYING, true, false, false},
    [CM_RTSP_DESCRIBE] = {answer_describe, FRESH | READY | PLAYING, false, true, false},
    [CM_RTSP_SETUP] = {answer_setup, FRESH | READY, false, true, false},
    [CM_RTSP_PLAY] = {answer_play, READY | PLAYING, false, true, true},
    [CM_RTSP_GET_PARAMETER] = {answer_get_parameter, FRESH | READY | PLAYING, false, false, false},
    [CM_RTSP_SET_PARAMETER] = {answer_set_parameter, FRESH | READY | PLAYING, false, true, false},
    [CM_RTSP_TEARDOWN] = {answer_teardown, READY | PLAYING, false, true, true},
};

static bool is_own_session(const exchange *x)
{
    cm_slice value;
    cm_rtsp_session session;
    return cm_rtsp_find(x->request, CM_TEXT("Session"), &value) &&
           cm_rtsp_session_parse(value, &session) == CM_OK &&
           cm_slice_equal(session.id, cm_slice_of(x->session->id));
}

/* RFC 2326 11.3.14 */
static void refuse_option(exchange *x)
{
    cm_rtsp_write_header(&x->headers, "Unsupported", cm_slice_of(BACKCHANNEL));
    refuse(x, 551);
}

static void decide(exchange *x)
{
    const cm_rtsp_method which = cm_rtsp_method_of(x->request->method);
    const struct method *method = which < CM_RTSP_METHOD_COUNT && METHOD_TABLE[which].answer != NULL
                                      ? &METHOD_TABLE[which]
                                      : NULL;
    if (method == NULL)
        refuse(x, 501);
    else if (find_addressed(x) != CM_OK || (method->needs_camera && x->camera == NULL))
        refuse(x, 404);
    else if (!method->is_open && !is_authorized(x))
        challenge(x);
    else if ((method->states & 1u << x->session->state) == 0)
        refuse(x, 455);
    else if (method->needs_session && !is_own_session(x))
        refuse(x, 454);
    else if (x->session->simcam->talk == CM_SIMCAM_TALK_REFUSED && requires_talk(x))
        refuse_option(x);
    else
        method->answer(x);
}

static cm_status send_answer(exchange *x, uint32_t cseq)
{
    uint8_t storage[ANSWER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_write_status_line(&w, x->status);
    cm_rtsp_write_header_u64(&w, "CSeq", cseq);
    cm_rtsp_write_header(&w, "Server", CM_TEXT("casement simcam"));
    const cm_slice headers = cm_writer_done(&x->headers);
    cm_write_slice(&w, headers);
    cm_rtsp_write_end(&w, cm_writer_done(&x->body));
    cm_slice answer;
    CM_ENSURE(!x->headers.failed && !x->body.failed, CM_CLOSE);
    CM_ENSURE(cm_writer_finish(&w, &answer) == CM_OK, CM_CLOSE);
    return cm_simcam_session_send(x->session, &answer, 1) == CM_OK ? CM_OK : CM_CLOSE;
}

cm_status cm_simcam_answer(cm_simcam_session *session, const cm_rtsp_message *request)
{
    uint32_t cseq;
    CM_ENSURE(cm_rtsp_cseq(request, &cseq) == CM_OK, CM_CLOSE);
    exchange x = {.session = session, .request = request, .status = 200};
    x.headers = cm_writer_over(x.headers_storage, sizeof x.headers_storage);
    x.body = cm_writer_over(x.body_storage, sizeof x.body_storage);
    decide(&x);
    return send_answer(&x, cseq);
}
