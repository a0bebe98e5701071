/* Requests and what is said to them (RFC 2326 10). */
#include "base/log.h"
#include "base/secret.h"
#include "egress/rtsp/rtsp_priv.h"
#include "proto/rtsp/auth.h"
#include "proto/rtsp/transport.h"
#include "proto/rtsp/url.h"

enum {
    ANSWER_SIZE = 16384,
    BODY_SIZE = 12288,
    HEADERS_SIZE = 1024,
    TIMEOUT_S = 60, /* told to players, who send something within it; none is ended by silence */
    CHANNELS = 256,
    OPTION_MAX = 128, /* bytes of an unknown one that are said again */
    METHODS = 1u << CM_RTSP_OPTIONS | 1u << CM_RTSP_DESCRIBE | 1u << CM_RTSP_SETUP |
              1u << CM_RTSP_PLAY | 1u << CM_RTSP_GET_PARAMETER | 1u << CM_RTSP_SET_PARAMETER |
              1u << CM_RTSP_TEARDOWN,
};

static const char REALM[] = "casement";
static const char BACKCHANNEL[] = "www.onvif.org/ver20/backchannel";

/* One request and what is being said to it. */
typedef struct exchange {
    cm_rtsp_viewer *viewer;
    const cm_rtsp_message *request; /* NULL: the DESCRIBE that waited */
    uint16_t status;                /* 0: it is answered later */
    bool is_last;
    uint8_t headers_storage[HEADERS_SIZE];
    cm_writer headers;
    cm_slice body;
} exchange;

/* ---- whom ---- */

/* What an address names. */
typedef struct target {
    cm_camera_key camera;
    cm_stream stream;
    bool has_track;
    track_kind track;
} target;

/* "/HOME/CAMERA", "/HOME/CAMERA/sub", each with "/trackID=0" or 1; whatever query is passed over.
 */
static cm_status read_target(cm_slice uri, cm_rtsp_url *url, target *out)
{
    *out = (target){.stream = CM_STREAM_MAIN};
    CM_ENSURE(cm_rtsp_url_parse(uri, url) == CM_OK, CM_REFUSE);
    cm_slice path = cm_slice_part(url->path, 0, cm_slice_find(url->path, '?'));
    url->path = path;
    (void)cm_slice_cut(&path, '/');
    CM_TRY(cm_home_id_parse(cm_slice_cut(&path, '/'), &out->camera.home));
    CM_TRY(cm_camera_id_parse(cm_slice_cut(&path, '/'), &out->camera.camera));
    cm_slice word = cm_slice_cut(&path, '/');
    if (cm_slice_equal(word, CM_TEXT("sub")) || cm_slice_equal(word, CM_TEXT("main"))) {
        out->stream = cm_slice_equal(word, CM_TEXT("sub")) ? CM_STREAM_SUB : CM_STREAM_MAIN;
        word = cm_slice_cut(&path, '/');
    }
    if (word.size == 0)
        return path.size == 0 ? CM_OK : CM_REFUSE;
    out->has_track = true;
    out->track = cm_slice_equal(word, CM_TEXT("trackID=1")) ? TRACK_SOUND : TRACK_PICTURES;
    CM_ENSURE(out->track == TRACK_SOUND || cm_slice_equal(word, CM_TEXT("trackID=0")), CM_REFUSE);
    return path.size == 0 ? CM_OK : CM_REFUSE;
}

static bool is_of_session(const cm_rtsp_viewer *viewer, const target *t)
{
    return cm_camera_key_equal(&t->camera, &viewer->camera) && t->stream == viewer->stream;
}

/* ---- answers ---- */

static void send_answer(exchange *x, uint32_t cseq)
{
    uint8_t storage[ANSWER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_write_status_line(&w, x->status);
    cm_rtsp_write_header_u64(&w, "CSeq", cseq);
    cm_rtsp_write_header(&w, "Server", CM_TEXT("casement"));
    cm_write_slice(&w, cm_writer_done(&x->headers));
    cm_rtsp_write_end(&w, x->body);
    cm_slice answer;
    if (x->headers.failed || cm_writer_finish(&w, &answer) != CM_OK) {
        cm_rtsp_fail(x->viewer);
        return;
    }
    cm_rtsp_wire_say(x->viewer->wire, answer);
    if (x->is_last)
        cm_rtsp_wire_finish(x->viewer->wire);
}

/* RFC 7617. The last one that is refused ends the connection. */
static void challenge(exchange *x)
{
    uint8_t storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_rtsp_challenge basic = {.scheme = CM_RTSP_AUTH_BASIC, .realm = cm_slice_of(REALM)};
    cm_rtsp_challenge_write(&w, &basic);
    cm_rtsp_write_header(&x->headers, "WWW-Authenticate", cm_writer_done(&w));
    x->status = 401;
}

static void note_wrong(exchange *x)
{
    x->viewer->server->counters.unauthorized++;
    x->is_last = ++x->viewer->wrong >= CM_RTSP_WRONG_MAX;
    if (x->is_last) /* once a connection: a flood must not fill a disk */
        cm_log(CM_LOG_WARN, "rtsp-out", "event=unauthorized tries=%u", x->viewer->wrong);
    challenge(x);
}

static void write_session(exchange *x)
{
    uint8_t storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_session_write(
        &w, &(cm_rtsp_session){.id = cm_slice_of(x->viewer->session), .timeout_s = TIMEOUT_S});
    cm_rtsp_write_header(&x->headers, "Session", cm_writer_done(&w));
}

/* ---- the methods ---- */

static void answer_options(exchange *x)
{
    uint8_t storage[256];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_public_write(&w, METHODS);
    cm_rtsp_write_header(&x->headers, "Public", cm_writer_done(&w));
}

/* The base of the tracks' addresses: as it was asked for, without credentials and query. */
static cm_status keep_base(cm_rtsp_viewer *viewer, const cm_rtsp_url *url)
{
    cm_writer w = cm_writer_over(viewer->base, sizeof viewer->base - 1);
    cm_rtsp_url_write(&w, url);
    if (!cm_slice_ends(cm_writer_done(&w), CM_TEXT("/")))
        cm_write_text(&w, "/");
    cm_slice base;
    CM_TRY(cm_writer_finish(&w, &base));
    viewer->base[base.size] = '\0';
    return CM_OK;
}

/* Asks the owner. CM_REFUSE: the credentials are none. */
static cm_status ask(exchange *x, cm_slice authorization)
{
    cm_rtsp_viewer *viewer = x->viewer;
    const cm_rtsp_config *config = &viewer->server->config;
    uint8_t storage[CM_RTSP_BASIC_SIZE];
    cm_rtsp_credentials credentials;
    cm_status status = cm_rtsp_basic_read(authorization, storage, &credentials);
    if (status == CM_OK && credentials.password.size > CM_RTSP_TOKEN_MAX)
        status = CM_REFUSE;
    if (status == CM_OK) {
        const cm_rtsp_ask wish = {
            .token = credentials.password, .camera = viewer->camera, .stream = viewer->stream};
        status = config->events->on_ask(config->owner, viewer, &wish, &viewer->guest);
    }
    cm_secret_wipe(storage, sizeof storage);
    return status;
}

static void answer_describe(exchange *x)
{
    cm_rtsp_viewer *viewer = x->viewer;
    cm_rtsp_url url;
    target t;
    cm_slice authorization;
    if (read_target(x->request->uri, &url, &t) != CM_OK || t.has_track) {
        x->status = 404;
        return;
    }
    if (!cm_rtsp_find(x->request, CM_TEXT("Authorization"), &authorization)) {
        challenge(x);
        return;
    }
    cm_rtsp_leave(viewer);
    viewer->camera = t.camera;
    viewer->stream = t.stream;
    if (keep_base(viewer, &url) != CM_OK) {
        x->status = 400;
        return;
    }
    switch (ask(x, authorization)) {
    case CM_OK:
        x->status = 0;
        cm_rtsp_enter(viewer, VIEWER_ASKING);
        cm_rtsp_wire_wait(viewer->wire, true);
        return;
    case CM_FULL:
        x->status = 503;
        return;
    default:
        note_wrong(x);
    }
}

/* The first way that is in this connection. */
static cm_status choose_transport(cm_slice offered, cm_rtsp_transport *out)
{
    cm_status status;
    while ((status = cm_rtsp_transport_next(&offered, out)) != CM_ABSENT)
        if (status == CM_OK && out->is_tcp && !out->is_multicast)
            return CM_OK;
    return CM_ABSENT;
}

/* Asked for, or two for each track. */
static bool take_channels(cm_rtsp_viewer *viewer, rtsp_track *track, cm_rtsp_transport *way)
{
    const rtsp_track *other =
        &viewer->tracks[track == &viewer->tracks[TRACK_SOUND] ? TRACK_PICTURES : TRACK_SOUND];
    if (!way->interleaved.is_said)
        way->interleaved.rtp = track == &viewer->tracks[TRACK_SOUND] ? 2 : 0;
    const unsigned first = way->interleaved.rtp;
    if (first + 1 >= CHANNELS ||
        (other->is_set_up && first <= other->channel + 1u && other->channel <= first + 1))
        return false;
    track->channel = (uint8_t)first;
    *way = (cm_rtsp_transport){.is_tcp = true,
                               .interleaved = {true, (uint16_t)first, (uint16_t)(first + 1)},
                               .has_ssrc = true,
                               .ssrc = track->ssrc};
    return true;
}

static void set_up(exchange *x, rtsp_track *track, cm_slice offered)
{
    uint8_t storage[128];
    cm_rtsp_transport way;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    if (choose_transport(offered, &way) != CM_OK || !take_channels(x->viewer, track, &way)) {
        x->status = 461;
        return;
    }
    track->is_set_up = true;
    cm_rtsp_enter(x->viewer, VIEWER_READY);
    cm_rtsp_transport_write(&w, &way);
    cm_rtsp_write_header(&x->headers, "Transport", cm_writer_done(&w));
    write_session(x);
}

static void answer_setup(exchange *x)
{
    cm_rtsp_viewer *viewer = x->viewer;
    cm_rtsp_url url;
    target t;
    cm_slice offered;
    if (read_target(x->request->uri, &url, &t) != CM_OK || !t.has_track ||
        !is_of_session(viewer, &t) || !viewer->tracks[t.track].is_described)
        x->status = 404;
    else if (!cm_rtsp_find(x->request, CM_TEXT("Transport"), &offered))
        x->status = 461;
    else
        set_up(x, &viewer->tracks[t.track], offered);
}

static void answer_play(exchange *x)
{
    cm_rtsp_viewer *viewer = x->viewer;
    write_session(x);
    cm_rtsp_write_header(&x->headers, "Range", CM_TEXT("npt=now-"));
    if (viewer->state == VIEWER_PLAYING)
        return; /* once more, from where it is */
    cm_rtsp_enter(viewer, VIEWER_PLAYING);
    for (size_t i = 0; i < TRACKS; i++)
        viewer->tracks[i].is_restart_due = viewer->tracks[i].is_set_up;
    for (size_t i = 0; i < TRACKS; i++)
        if (!viewer->tracks[i].is_set_up)
            cm_rtsp_track_close(&viewer->tracks[i]);
    cm_timer_start(&viewer->again, 0); /* behind the answer */
}

static void answer_parameter(exchange *x)
{
    if (x->viewer->state >= VIEWER_READY)
        write_session(x);
}

static void answer_teardown(exchange *x)
{
    cm_rtsp_leave(x->viewer);
    x->is_last = true;
}

/* ---- which of them may come when ---- */

enum {
    ANY = (1u << VIEWER_STATES) - 1,
    IN_SESSION = 1u << VIEWER_READY | 1u << VIEWER_PLAYING,
};

static const struct method {
    uint32_t states;
    bool needs_session; /* its id must be given */
    void (*answer)(exchange *x);
} TABLE[CM_RTSP_METHOD_COUNT] = {
    [CM_RTSP_OPTIONS] = {ANY, false, answer_options},
    [CM_RTSP_DESCRIBE] = {1u << VIEWER_FRESH | 1u << VIEWER_DESCRIBED | 1u << VIEWER_READY, false,
                          answer_describe},
    [CM_RTSP_SETUP] = {1u << VIEWER_DESCRIBED | 1u << VIEWER_READY, false, answer_setup},
    [CM_RTSP_PLAY] = {IN_SESSION, true, answer_play},
    [CM_RTSP_GET_PARAMETER] = {ANY, false, answer_parameter},
    [CM_RTSP_SET_PARAMETER] = {ANY, false, answer_parameter},
    [CM_RTSP_TEARDOWN] = {IN_SESSION, true, answer_teardown},
};

static bool is_own_session(const exchange *x)
{
    cm_slice value;
    cm_rtsp_session session;
    return cm_rtsp_find(x->request, CM_TEXT("Session"), &value) &&
           cm_rtsp_session_parse(value, &session) == CM_OK &&
           cm_slice_equal(session.id, cm_slice_of(x->viewer->session));
}

/* RFC 2326 12.32. Programs that could speak to a camera ask all of them for its backchannel, and do
 * without (Frigate's): no description has one here. */
static bool requires_more(exchange *x)
{
    cm_slice option;
    if (!cm_rtsp_find(x->request, CM_TEXT("Require"), &option) ||
        cm_slice_equal(option, cm_slice_of(BACKCHANNEL)))
        return false;
    cm_rtsp_write_header(&x->headers, "Unsupported", cm_slice_part(option, 0, OPTION_MAX));
    return true;
}

static void decide(exchange *x)
{
    const cm_rtsp_method name = cm_rtsp_method_of(x->request->method);
    if (requires_more(x))
        x->status = 551;
    else if (name == CM_RTSP_METHOD_COUNT || TABLE[name].answer == NULL)
        x->status = 501;
    else if ((TABLE[name].states & 1u << x->viewer->state) == 0)
        /* A program that remembers the description from another connection asks for it again. */
        x->status = 455;
    else if (TABLE[name].needs_session && !is_own_session(x))
        x->status = 454;
    else
        TABLE[name].answer(x);
}

void cm_rtsp_on_request(void *owner, const cm_rtsp_message *request)
{
    cm_rtsp_viewer *viewer = owner;
    exchange x = {.viewer = viewer, .request = request, .status = 200};
    x.headers = cm_writer_over(x.headers_storage, sizeof x.headers_storage);
    if (viewer->is_failed)
        return;
    uint32_t cseq;
    if (cm_rtsp_cseq(request, &cseq) != CM_OK) {
        cm_rtsp_fail(viewer); /* RFC 2326 12.17: every request has one */
        return;
    }
    viewer->cseq = cseq;
    decide(&x);
    if (x.status != 0)
        send_answer(&x, cseq);
}

void cm_rtsp_answer_describe(cm_rtsp_viewer *viewer, uint16_t status)
{
    uint8_t body[BODY_SIZE];
    cm_writer w = cm_writer_over(body, sizeof body);
    exchange x = {.viewer = viewer, .status = status};
    x.headers = cm_writer_over(x.headers_storage, sizeof x.headers_storage);
    cm_timer_stop(&viewer->soon);
    if (status == 200) {
        cm_rtsp_enter(viewer, VIEWER_DESCRIBED);
        cm_rtsp_write_header(&x.headers, "Content-Base", cm_slice_of(viewer->base));
        cm_rtsp_write_header(&x.headers, "Content-Type", CM_TEXT("application/sdp"));
        cm_rtsp_write_description(viewer, &w);
        x.headers.failed = x.headers.failed || w.failed;
        x.body = cm_writer_done(&w);
    } else {
        cm_rtsp_leave(viewer);
        if (status == 401)
            note_wrong(&x);
    }
    send_answer(&x, viewer->cseq);
    cm_rtsp_wire_wait(viewer->wire, false);
}
