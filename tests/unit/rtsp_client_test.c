/* ingest/rtsp/client against a scripted camera on a simulated network: the quirks of cameras that
 * concern a client, its bounds, and its table of states. One behaviour a case. */
#include "ingest/rtsp/client.h"

#include "net/sim.h"
#include "rtsp_fake.h"

enum { TICKS = 4500 }; /* between pictures: 20 a second */

typedef struct stage {
    cm_sim *sim;
    cm_loop *loop;
    cm_sim_network *network;
    cm_net *here;
    cm_net *there;
    cm_net *elsewhere;
    cm_address there_host; /* with the camera's port */
    cm_address elsewhere_host;
    cm_connect_gate *gate;
    cm_rtsp_client *client;
    cm_rtsp_client_config config;
    fake camera;
    bool refuses_there;
    bool refuses_elsewhere;
    size_t asked; /* may_connect */
    bool is_playing, is_udp;
    size_t units, keyframes, losses, restarts;
    int64_t last_ticks;
    bool has_sets;
    bool has_ended;
    cm_rtsp_end end;
} stage;

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static bool may_connect(void *owner, const cm_address *address)
{
    stage *s = owner;
    s->asked++;
    if (cm_address_same_host(address, &s->there_host))
        return !s->refuses_there;
    return !s->refuses_elsewhere;
}

static void on_playing(void *owner, bool is_udp)
{
    stage *s = owner;
    s->is_playing = true;
    s->is_udp = is_udp;
}

static void on_unit(void *owner, const cm_ingest_unit *unit)
{
    stage *s = owner;
    cm_slice sets[CM_VIDEO_MAX_PARAMETER_SETS];
    s->units++;
    s->keyframes += unit->unit->is_keyframe ? 1 : 0;
    s->losses += unit->unit->lost_before ? 1 : 0;
    s->restarts += unit->is_restart ? 1 : 0;
    s->last_ticks = unit->ticks;
    s->has_sets = cm_video_sets_list(unit->sets, sets) > 0;
}

static void on_end(void *owner, const cm_rtsp_end *end)
{
    stage *s = owner;
    assert_false(s->has_ended); /* once */
    s->has_ended = true;
    s->end = *end;
}

static const cm_rtsp_client_events EVENTS = {
    .may_connect = may_connect, .on_playing = on_playing, .on_unit = on_unit, .on_end = on_end};

static void stage_open(stage *s)
{
    *s = (stage){.there_host = address_of("10.0.0.2:554"),
                 .elsewhere_host = address_of("10.0.0.3:554")};
    const cm_address here = address_of("10.0.0.1");
    cm_address there = s->there_host;
    cm_address elsewhere = s->elsewhere_host;
    there.port = elsewhere.port = 0;
    assert_int_equal(cm_sim_create(7, (cm_wall){CM_SECONDS(1000000)}, &s->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(s->sim, &(cm_loop_config){.index = 0}, &s->loop), CM_OK);
    assert_int_equal(cm_sim_network_create(s->sim, &s->network), CM_OK);
    assert_int_equal(cm_sim_host_create(s->network, s->loop, &here, &s->here), CM_OK);
    assert_int_equal(cm_sim_host_create(s->network, s->loop, &there, &s->there), CM_OK);
    assert_int_equal(cm_sim_host_create(s->network, s->loop, &elsewhere, &s->elsewhere), CM_OK);
    assert_int_equal(cm_connect_gate_create(s->loop, 0, &s->gate), CM_OK);
    fake_init(&s->camera, s->there, &s->there_host);
    s->config = (cm_rtsp_client_config){.loop = s->loop,
                                        .net = s->here,
                                        .gate = s->gate,
                                        .address = CM_TEXT("rtsp://10.0.0.2/live?ch=1"),
                                        .events = &EVENTS,
                                        .owner = s};
}

static void stage_close(stage *s)
{
    cm_rtsp_client_destroy(s->client);
    fake_deinit(&s->camera);
    cm_connect_gate_destroy(s->gate);
    cm_sim_run_for(s->sim, CM_SECONDS(3)); /* what lingers */
    cm_net_destroy(s->here);
    cm_net_destroy(s->there);
    cm_net_destroy(s->elsewhere);
    cm_sim_network_destroy(s->network);
    cm_loop_destroy(s->loop);
    cm_sim_destroy(s->sim);
}

static void begin(stage *s)
{
    assert_int_equal(cm_rtsp_client_create(&s->config, &s->client), CM_OK);
}

static bool is_settled(void *owner)
{
    const stage *s = owner;
    return s->is_playing || s->has_ended;
}

static void begin_and_play(stage *s)
{
    begin(s);
    assert_true(cm_sim_run_until(s->sim, is_settled, s, CM_SECONDS(30)));
    if (s->has_ended)
        print_message("ended: %s\n", s->end.detail);
    assert_false(s->has_ended);
}

static void begin_and_end(stage *s, cm_camera_cause cause)
{
    begin(s);
    assert_true(cm_sim_run_until(s->sim, is_settled, s, CM_SECONDS(60)));
    assert_true(s->has_ended);
    if (s->end.cause != cause)
        print_message("ended: %d %s\n", s->end.cause, s->end.detail);
    assert_int_equal(s->end.cause, cause);
}

/* `count` pictures at 20 a second, the first a keyframe; what was sent has arrived then. */
static void show(stage *s, size_t count, uint32_t *timestamp)
{
    for (size_t i = 0; i < count; i++) {
        fake_send_picture(&s->camera, i == 0, *timestamp);
        *timestamp += TICKS;
        cm_sim_run_for(s->sim, CM_MS(50));
    }
}

static void expect_pictures(stage *s)
{
    uint32_t timestamp = 1000;
    const size_t before = s->units;
    show(s, 4, &timestamp);
    assert_int_equal(s->units - before, 4);
    assert_true(s->has_sets);
    assert_false(s->has_ended);
}

/* ---- the plain way ---- */

static void it_plays_over_tcp(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    assert_false(s.is_udp);
    assert_string_equal(s.camera.uris[CM_RTSP_DESCRIBE], "rtsp://10.0.0.2/live?ch=1");
    assert_string_equal(s.camera.uris[CM_RTSP_SETUP], "rtsp://10.0.0.2/live?ch=1/trackID=1");
    expect_pictures(&s);
    assert_int_equal(s.keyframes, 1);
    assert_int_equal(s.restarts, 1);
    stage_close(&s);
}

static void teardown_is_sent(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    cm_rtsp_client_destroy(s.client);
    s.client = NULL;
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_int_equal(s.camera.counts[CM_RTSP_TEARDOWN], 1);
    stage_close(&s);
}

static void content_base_is_used(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.describe_headers = "Content-Base: rtsp://10.0.0.2/other/\r\n";
    begin_and_play(&s);
    assert_string_equal(s.camera.uris[CM_RTSP_SETUP], "rtsp://10.0.0.2/other/trackID=1");
    assert_string_equal(s.camera.uris[CM_RTSP_PLAY], "rtsp://10.0.0.2/other/");
    stage_close(&s);
}

static void user_info_in_the_address_is_not_sent(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.address = CM_TEXT("rtsp://joe:secret@10.0.0.2/live");
    begin_and_play(&s);
    assert_string_equal(s.camera.uris[CM_RTSP_DESCRIBE], "rtsp://10.0.0.2/live");
    assert_false(s.camera.had_login);
    stage_close(&s);
}

/* ---- logins ---- */

static void needs_login(stage *s, const char *lines, cm_rtsp_auth_scheme scheme, bool has_qop)
{
    s->camera.www_authenticate = lines;
    s->camera.challenge = (cm_rtsp_challenge){
        .scheme = scheme, .realm = CM_TEXT("cam"), .nonce = CM_TEXT("n1"), .has_qop_auth = has_qop};
    s->camera.user = "admin";
    s->camera.password = "secret";
    s->config.user = CM_TEXT("admin");
    s->config.password = CM_TEXT("secret");
}

#define MD5_LINE "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n"
#define SHA256_LINE                                                                                \
    "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n"
#define BASIC_LINE "WWW-Authenticate: Basic realm=\"cam\"\r\n"

static void each_login_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        cm_rtsp_auth_scheme scheme;
        bool has_qop;
    } ROWS[] = {
        {MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false},
        {SHA256_LINE, CM_RTSP_AUTH_DIGEST_SHA256, true},
        {BASIC_LINE, CM_RTSP_AUTH_BASIC, false},
        {BASIC_LINE MD5_LINE SHA256_LINE, CM_RTSP_AUTH_DIGEST_SHA256, true}, /* the strongest */
        {BASIC_LINE MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        stage s;
        stage_open(&s);
        needs_login(&s, ROWS[i].lines, ROWS[i].scheme, ROWS[i].has_qop);
        begin_and_play(&s);
        assert_int_equal(s.camera.refused, 1);
        expect_pictures(&s);
        stage_close(&s);
    }
}

static void a_wrong_password_is_said_twice_at_most(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
    s.config.password = CM_TEXT("other");
    begin_and_end(&s, CM_CAUSE_WRONG_PASSWORD);
    assert_int_equal(s.camera.refused, 2); /* the question, and one wrong answer */
    assert_null(strstr(s.end.detail, "other"));
    stage_close(&s);
}

static void without_a_user_nothing_is_tried(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
    s.config.user = (cm_slice){0};
    begin_and_end(&s, CM_CAUSE_WRONG_PASSWORD);
    assert_int_equal(s.camera.refused, 1);
    stage_close(&s);
}

/* From PLAY on the camera wants nonce n2; `stale` is said or not. */
static bool turns_nonce(fake *f, const cm_rtsp_message *request)
{
    const cm_rtsp_method method = cm_rtsp_method_of(request->method);
    if (method != CM_RTSP_PLAY || f->step > 1)
        return false;
    if (f->step == 0)
        f->www_authenticate =
            "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n2\", stale=true\r\n";
    else
        f->www_authenticate = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n2\"\r\n";
    f->challenge.nonce = CM_TEXT("n2");
    f->step = 2;
    return false;
}

static void a_stale_nonce_is_answered_anew(void **state)
{
    (void)state;
    for (int step = 0; step < 2; step++) { /* said to be stale, or just another one */
        stage s;
        stage_open(&s);
        needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
        s.camera.script = turns_nonce;
        s.camera.step = step;
        begin_and_play(&s);
        assert_int_equal(s.camera.refused, 2);
        stage_close(&s);
    }
}

/* The nonce that it asked with is too old by the time of the first answer. */
static bool turns_nonce_at_once(fake *f, const cm_rtsp_message *request)
{
    cm_slice value;
    if (f->step > 0 || !cm_rtsp_find(request, CM_TEXT("Authorization"), &value))
        return false;
    f->step = 1;
    f->www_authenticate = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n2\", stale=true\r\n";
    f->challenge.nonce = CM_TEXT("n2");
    return false;
}

static void a_nonce_may_be_stale_from_the_start(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
    s.camera.script = turns_nonce_at_once;
    begin_and_play(&s);
    assert_int_equal(s.camera.refused, 2);
    stage_close(&s);
}

static void a_stale_nonce_in_a_keepalive_is_answered_anew(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
    begin_and_play(&s);
    s.camera.www_authenticate =
        "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n2\", stale=true\r\n";
    s.camera.challenge.nonce = CM_TEXT("n2");
    show(&s, 20 * 32, &timestamp);
    assert_int_equal(s.camera.counts[CM_RTSP_GET_PARAMETER], 2);
    assert_int_equal(s.camera.refused, 2);
    assert_int_equal(s.units, 20 * 32);
    assert_false(s.has_ended);
    stage_close(&s);
}

static bool hangs_up_after_401(fake *f, const cm_rtsp_message *request)
{
    cm_slice value;
    if (cm_rtsp_find(request, CM_TEXT("Authorization"), &value))
        return false;
    fake_answer(f, request, 401, MD5_LINE, NULL);
    fake_close(f);
    return true;
}

static void it_comes_back_to_one_that_hangs_up_with_a_401(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    needs_login(&s, MD5_LINE, CM_RTSP_AUTH_DIGEST_MD5, false);
    s.camera.script = hangs_up_after_401;
    begin_and_play(&s);
    assert_int_equal(s.camera.connections, 2);
    stage_close(&s);
}

/* ---- answers ---- */

static cm_rtsp_method refused_method;
static uint16_t refused_status;

static bool refuses(fake *f, const cm_rtsp_message *request)
{
    if (cm_rtsp_method_of(request->method) != refused_method)
        return false;
    fake_answer(f, request, refused_status, NULL, NULL);
    return true;
}

static void refusals_have_their_cause(void **state)
{
    (void)state;
    static const struct {
        cm_rtsp_method method;
        uint16_t status;
        cm_camera_cause cause;
    } ROWS[] = {
        {CM_RTSP_DESCRIBE, 404, CM_CAUSE_NOT_FOUND},
        {CM_RTSP_DESCRIBE, 403, CM_CAUSE_WRONG_PASSWORD},
        {CM_RTSP_SETUP, 453, CM_CAUSE_TOO_MANY_SESSIONS},
        {CM_RTSP_PLAY, 503, CM_CAUSE_TOO_MANY_SESSIONS},
        {CM_RTSP_PLAY, 500, CM_CAUSE_PROTOCOL},
        {CM_RTSP_SETUP, 461, CM_CAUSE_PROTOCOL}, /* also over UDP */
        {CM_RTSP_PLAY, 454, CM_CAUSE_CLOSED},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        stage s;
        stage_open(&s);
        refused_method = ROWS[i].method;
        refused_status = ROWS[i].status;
        s.camera.script = refuses;
        begin_and_end(&s, ROWS[i].cause);
        stage_close(&s);
    }
}

static void options_may_be_refused(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    refused_method = CM_RTSP_OPTIONS;
    refused_status = 501;
    s.camera.script = refuses;
    begin_and_play(&s);
    expect_pictures(&s);
    stage_close(&s);
}

static bool is_silent_to_options(fake *f, const cm_rtsp_message *request)
{
    (void)f;
    return cm_rtsp_method_of(request->method) == CM_RTSP_OPTIONS;
}

static void options_may_go_unanswered(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = is_silent_to_options;
    begin_and_play(&s);
    stage_close(&s);
}

static bool is_silent(fake *f, const cm_rtsp_message *request)
{
    (void)f;
    (void)request;
    return true;
}

static void silence_is_a_timeout(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = is_silent;
    begin_and_end(&s, CM_CAUSE_TIMEOUT);
    stage_close(&s);
}

static void a_codec_we_do_not_speak_is_named(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n";
    begin_and_end(&s, CM_CAUSE_CODEC_UNSUPPORTED);
    assert_string_equal(s.end.detail, "MP4V-ES");
    stage_close(&s);
    stage_open(&s);
    s.camera.sdp = "v=0\r\nm=audio 0 RTP/AVP 0\r\n";
    begin_and_end(&s, CM_CAUSE_NO_VIDEO);
    stage_close(&s);
}

static bool speaks_http(fake *f, const cm_rtsp_message *request)
{
    (void)request;
    fake_send(f, CM_TEXT("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    return true;
}

static void a_web_server_is_no_camera(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = speaks_http;
    begin_and_end(&s, CM_CAUSE_PROTOCOL);
    stage_close(&s);
}

/* ---- transports ---- */

static void channels_of_the_answer_are_used(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        uint16_t channel;
    } ROWS[] = {
        {"Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n", 4},
        {"Transport: RTP/AVP/TCP;unicast;interleaved=6\r\n", 6},
        {"Transport: RTP/AVP/TCP;unicast\r\n", 0},                 /* as asked */
        {"Transport: RTP/AVP;unicast;interleaved=0-1\r\n", 0},     /* without /TCP */
        {"", 0},                                                   /* none at all */
        {"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", 2}, /* uses another pair */
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        stage s;
        stage_open(&s);
        s.camera.transport_reply = ROWS[i].reply;
        s.camera.channel = ROWS[i].channel;
        begin_and_play(&s);
        expect_pictures(&s);
        cm_sim_run_for(s.sim, CM_SECONDS(2));
        assert_int_equal(s.camera.interleaved, 1); /* a report, on the odd channel */
        assert_int_equal(s.camera.interleaved_channel, ROWS[i].channel + 1);
        stage_close(&s);
    }
}

static bool refuses_tcp(fake *f, const cm_rtsp_message *request)
{
    cm_slice value;
    if (cm_rtsp_method_of(request->method) != CM_RTSP_SETUP ||
        !cm_rtsp_find(request, CM_TEXT("Transport"), &value) ||
        !cm_slice_starts(value, CM_TEXT("RTP/AVP/TCP")))
        return false;
    fake_answer(f, request, 461, NULL, NULL);
    return true;
}

static bool refuses_udp(fake *f, const cm_rtsp_message *request)
{
    cm_slice value;
    if (cm_rtsp_method_of(request->method) != CM_RTSP_SETUP ||
        !cm_rtsp_find(request, CM_TEXT("Transport"), &value) ||
        cm_slice_starts(value, CM_TEXT("RTP/AVP/TCP")))
        return false;
    fake_answer(f, request, 461, NULL, NULL);
    return true;
}

static void a_461_changes_the_transport(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = refuses_tcp;
    begin_and_play(&s);
    assert_true(s.is_udp);
    assert_int_equal(s.camera.counts[CM_RTSP_DESCRIBE], 2); /* anew before each SETUP */
    expect_pictures(&s);
    stage_close(&s);
    stage_open(&s);
    s.config.is_udp = true;
    s.camera.script = refuses_udp;
    begin_and_play(&s);
    assert_false(s.is_udp);
    expect_pictures(&s);
    stage_close(&s);
}

/* Whatever is asked for first, it offers the other one. */
static bool offers_other(fake *f, const cm_rtsp_message *request)
{
    if (cm_rtsp_method_of(request->method) != CM_RTSP_SETUP || f->step++ > 0)
        return false;
    cm_slice value;
    assert_true(cm_rtsp_find(request, CM_TEXT("Transport"), &value));
    fake_answer(f, request, 200,
                cm_slice_starts(value, CM_TEXT("RTP/AVP/TCP"))
                    ? "Session: 1\r\nTransport: RTP/AVP;unicast;server_port=6000-6001\r\n"
                    : "Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n",
                NULL);
    return true;
}

static void the_transport_that_it_offers_is_asked_for(void **state)
{
    (void)state;
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        stage s;
        stage_open(&s);
        s.config.is_udp = is_udp == 1;
        s.camera.script = offers_other;
        begin_and_play(&s);
        assert_int_equal(s.is_udp, !is_udp);
        assert_int_equal(s.camera.counts[CM_RTSP_TEARDOWN], 1); /* of the session it made */
        expect_pictures(&s);
        stage_close(&s);
    }
}

/* Reports: RFC 3550 6.4.2. */
static void udp_is_punched_and_reported(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.is_udp = true;
    begin_and_play(&s);
    assert_true(s.is_udp);
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_true(s.camera.datagrams > 0);
    assert_true(s.camera.reports > 0);
    const size_t punched = s.camera.reports;
    expect_pictures(&s);
    cm_sim_run_for(s.sim, CM_MS(1500));
    assert_true(s.camera.reports > punched);
    stage_close(&s);
}

static void udp_that_stays_silent_ends_soon(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.is_udp = true;
    begin_and_play(&s);
    cm_sim_run_for(s.sim, CM_MS(4100));
    assert_true(s.has_ended);
    assert_int_equal(s.end.cause, CM_CAUSE_NO_PICTURES);
    assert_true(s.end.is_silent);
    assert_true(s.end.is_udp);
    stage_close(&s);
}

static void udp_without_a_port_of_the_camera(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.is_udp = true;
    s.camera.transport_reply = "Transport: RTP/AVP;unicast;client_port=40000-40001\r\n";
    begin_and_play(&s);
    expect_pictures(&s);
    stage_close(&s);
}

/* From another host, or another port of the camera's host: `from`. */
static void send_from(stage *s, cm_net *from, const char *local)
{
    cm_udp *udp;
    size_t sent;
    uint8_t packet[1500];
    const cm_udp_config config = {
        .local = address_of(local), .on_datagrams = fake_on_rtp, .owner = &s->camera};
    assert_int_equal(cm_udp_open(from, &config, &udp), CM_OK);
    const cm_datagram datagram = {
        .bytes = fake_packet(&s->camera, FAKE_IDR, 9, true, packet, sizeof packet),
        .peer = s->camera.client};
    assert_int_equal(cm_udp_send(udp, &datagram, 1, &sent), CM_OK);
    cm_sim_run_for(s->sim, CM_MS(10));
    cm_udp_close(udp);
}

static void strangers_are_not_heard(void **state)
{
    (void)state;
    for (int has_port = 0; has_port < 2; has_port++) {
        stage s;
        stage_open(&s);
        s.config.is_udp = true;
        if (!has_port)
            s.camera.transport_reply = "Transport: RTP/AVP;unicast\r\n";
        begin_and_play(&s);
        send_from(&s, s.elsewhere, "10.0.0.3");
        assert_int_equal(s.units, 0);
        expect_pictures(&s);
        /* Once the camera's port is known another port of its host is a stranger too. */
        send_from(&s, s.there, "10.0.0.2");
        assert_int_equal(s.units, 4);
        stage_close(&s);
    }
}

static void another_port_is_taken_when_allowed(void **state)
{
    (void)state;
    for (int is_allowed = 0; is_allowed < 2; is_allowed++) {
        stage s;
        stage_open(&s);
        s.config.is_udp = true;
        s.config.takes_any_port = is_allowed == 1;
        begin_and_play(&s);
        send_from(&s, s.there, "10.0.0.2");
        assert_int_equal(s.units, is_allowed);
        stage_close(&s);
    }
}

static void udp_is_put_in_order(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.is_udp = true;
    begin_and_play(&s);
    uint8_t bytes[3][64];
    cm_datagram sent[3];
    fake_send_picture(&s.camera, true, 0);
    for (size_t i = 0; i < 3; i++)
        sent[i] = (cm_datagram){.bytes = fake_packet(&s.camera, FAKE_SLICE,
                                                     (uint32_t)(i + 1) * TICKS, true, bytes[i], 64),
                                .peer = s.camera.client};
    const size_t order[] = {2, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        size_t count;
        assert_int_equal(cm_udp_send(s.camera.rtp, &sent[order[i]], 1, &count), CM_OK);
        cm_sim_run_for(s.sim, CM_MS(5));
    }
    assert_int_equal(s.units, 4);
    assert_int_equal(s.losses, 0);
    stage_close(&s);
}

static void a_loss_waits_for_a_keyframe(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    s.config.is_udp = true;
    begin_and_play(&s);
    show(&s, 2, &timestamp);
    s.camera.sequence++; /* lost on the way */
    fake_send_picture(&s.camera, false, timestamp += TICKS);
    cm_sim_run_for(s.sim, CM_MS(500)); /* given up */
    assert_int_equal(s.units, 2);
    show(&s, 2, &timestamp);
    assert_int_equal(s.units, 4);
    assert_int_equal(s.losses, 1);
    s.camera.sequence++;
    fake_send_picture(&s.camera, true, timestamp += TICKS);
    cm_sim_run_for(s.sim, CM_MS(50));
    assert_int_equal(s.units, 4); /* what is missing may still come */
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_int_equal(s.units, 5); /* given up by time alone */
    cm_rtsp_client_counters counters;
    cm_rtsp_client_read_counters(s.client, &counters);
    assert_int_equal(counters.packets_lost, 2);
    stage_close(&s);
}

/* ---- while it plays ---- */

static void junk_between_frames_is_passed_over(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    fake_send_picture(&s.camera, true, 0);
    fake_send(&s.camera, BYTES(0x00, 0x17, 0x99, 0x80, 0x01, 0x02));
    fake_send_picture(&s.camera, false, TICKS);
    fake_send_picture(&s.camera, false, 2 * TICKS);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_int_equal(s.units, 3);
    cm_rtsp_client_counters counters;
    cm_rtsp_client_read_counters(s.client, &counters);
    assert_int_equal(counters.malformed, 1);
    stage_close(&s);
}

static void its_questions_are_answered(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    fake_send(&s.camera, CM_TEXT("OPTIONS rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 41\r\n\r\n"));
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_string_equal(s.camera.responded, "200 41");
    fake_send(&s.camera, CM_TEXT("PLAY_NOTIFY rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 42\r\n\r\n"));
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_string_equal(s.camera.responded, "501 42");
    expect_pictures(&s);
    fake_send(&s.camera, CM_TEXT("TEARDOWN rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 43\r\n\r\n"));
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_int_equal(s.end.cause, CM_CAUSE_CLOSED);
    stage_close(&s);
}

static bool ignores_keepalives(fake *f, const cm_rtsp_message *request)
{
    (void)f;
    return cm_rtsp_method_of(request->method) == CM_RTSP_GET_PARAMETER;
}

static void keepalives_go_on_unanswered(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    s.camera.session = "abc;timeout=20";
    s.camera.script = ignores_keepalives;
    begin_and_play(&s);
    show(&s, 20 * 61, &timestamp);
    assert_int_equal(s.camera.counts[CM_RTSP_GET_PARAMETER], 6); /* each 10 s */
    assert_int_equal(s.units, 20 * 61);
    stage_close(&s);
}

static void keepalive_is_options_where_get_parameter_is_unknown(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    refused_method = CM_RTSP_OPTIONS;
    refused_status = 501;
    s.camera.script = refuses;
    begin_and_play(&s);
    show(&s, 20 * 31, &timestamp);
    assert_int_equal(s.camera.counts[CM_RTSP_GET_PARAMETER], 0);
    assert_int_equal(s.camera.counts[CM_RTSP_OPTIONS], 2);
    stage_close(&s);
}

static void another_ssrc_begins_anew(void **state)
{
    (void)state;
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        stage s;
        uint32_t timestamp = 5;
        stage_open(&s);
        s.config.is_udp = is_udp == 1;
        begin_and_play(&s);
        show(&s, 3, &timestamp);
        s.camera.ssrc = 99;
        s.camera.sequence = 4000;
        if (is_udp) {
            /* One packet proves nothing over UDP. */
            fake_send_picture(&s.camera, true, 1);
            cm_sim_run_for(s.sim, CM_MS(10));
            assert_int_equal(s.units, 3);
        }
        timestamp = 12;
        show(&s, 3, &timestamp);
        assert_int_equal(s.units, 6);
        assert_int_equal(s.restarts, 2);
        stage_close(&s);
    }
}

static void another_payload_type_is_passed_over(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    expect_pictures(&s);
    s.camera.payload_type = 97;
    fake_send_picture(&s.camera, false, 99);
    cm_sim_run_for(s.sim, CM_MS(10));
    assert_int_equal(s.units, 4);
    stage_close(&s);
    stage_open(&s); /* but the only one described may be misnumbered */
    s.camera.payload_type = 97;
    begin_and_play(&s);
    expect_pictures(&s);
    stage_close(&s);
}

static void silence_ends_it(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    expect_pictures(&s);
    cm_sim_run_for(s.sim, CM_MS(9000));
    assert_false(s.has_ended);
    cm_sim_run_for(s.sim, CM_MS(2000));
    assert_true(s.has_ended);
    assert_int_equal(s.end.cause, CM_CAUSE_NO_PICTURES);
    assert_false(s.end.is_silent); /* the transport is not at fault */
    stage_close(&s);
}

static void a_closed_connection_ends_it(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    fake_close(&s.camera);
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(s.has_ended);
    assert_int_equal(s.end.cause, CM_CAUSE_CLOSED);
    stage_close(&s);
}

static void a_flood_ends_it(void **state)
{
    (void)state;
    stage s;
    static uint8_t bytes[60000];
    uint8_t head[4];
    stage_open(&s);
    begin_and_play(&s);
    for (int i = 0; i < 2000 && !s.has_ended; i++) {
        cm_writer w = cm_writer_over(head, sizeof head);
        const size_t size = sizeof bytes;
        cm_rtsp_write_interleaved_header(&w, 9, (uint16_t)size);
        const cm_slice parts[] = {cm_writer_done(&w), cm_slice_over(bytes, size)};
        size_t taken = 0;
        if (s.camera.tcp == NULL || cm_tcp_write(s.camera.tcp, parts, 2, &taken) != CM_OK ||
            taken < size + 4) {
            fake_close(&s.camera); /* it has shut its ear, or its buffer is full */
            break;
        }
        cm_sim_run_for(s.sim, CM_MS(2)); /* 30 MB/s */
    }
    cm_sim_run_for(s.sim, CM_MS(100));
    assert_true(s.has_ended);
    assert_int_equal(s.end.cause, CM_CAUSE_PROTOCOL);
    assert_true(s.end.is_abusive);
    stage_close(&s);
}

static void too_much_nonsense_ends_it(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    begin_and_play(&s);
    for (int i = 0; i < 700 && s.camera.tcp != NULL; i++) {
        fake_send_frame(&s.camera, BYTES(0xe5, 0x88, 0x84), 0, true); /* forbidden_zero_bit */
        cm_sim_run_for(s.sim, CM_MS(1));
    }
    assert_true(s.has_ended);
    assert_int_equal(s.end.cause, CM_CAUSE_PROTOCOL);
    assert_true(s.end.is_abusive);
    stage_close(&s);
}

/* ---- where it may go ---- */

static void a_refused_address_is_never_contacted(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.refuses_there = true;
    begin_and_end(&s, CM_CAUSE_ADDRESS_REFUSED);
    assert_int_equal(cm_sim_connects_to(s.network, &s.there_host), 0);
    stage_close(&s);
}

/* A name that points to an allowed address first, and elsewhere when it is asked again. */
static void a_rebound_name_is_never_followed(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.refuses_elsewhere = true;
    s.config.address = CM_TEXT("rtsp://cam.lan/live");
    assert_int_equal(cm_sim_name_set(s.network, "cam.lan", &s.there_host), CM_OK);
    begin_and_play(&s);
    assert_int_equal(s.asked, 1);
    assert_int_equal(cm_sim_name_set(s.network, "cam.lan", &s.elsewhere_host), CM_OK);
    expect_pictures(&s); /* the session stays where it was checked */
    cm_rtsp_client_destroy(s.client);
    s.is_playing = false;
    begin_and_end(&s, CM_CAUSE_ADDRESS_REFUSED);
    assert_int_equal(cm_sim_connects_to(s.network, &s.elsewhere_host), 0);
    assert_int_equal(cm_sim_bytes_to(s.network, &s.elsewhere_host), 0);
    stage_close(&s);
}

static void an_unknown_name_is_said(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.address = CM_TEXT("rtsp://nowhere.lan/live");
    begin_and_end(&s, CM_CAUSE_NAME_NOT_FOUND);
    stage_close(&s);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.address = CM_TEXT("rtsp://10.0.0.3/live");
    begin_and_end(&s, CM_CAUSE_CONNECTION_REFUSED);
    stage_close(&s);
}

static bool redirects(fake *f, const cm_rtsp_message *request)
{
    if (cm_rtsp_method_of(request->method) != CM_RTSP_DESCRIBE)
        return false;
    if (f->step == 0 && !fake_is_let_in(f, request))
        return true;
    fake_answer(f, request, 302, "Location: rtsp://10.0.0.3/moved\r\n", NULL);
    return true;
}

static void a_redirect_is_followed_without_the_login(void **state)
{
    (void)state;
    stage s;
    fake other;
    stage_open(&s);
    fake_init(&other, s.elsewhere, &s.elsewhere_host);
    needs_login(&s, BASIC_LINE, CM_RTSP_AUTH_BASIC, false);
    s.camera.script = redirects;
    begin_and_play(&s);
    assert_string_equal(other.uris[CM_RTSP_DESCRIBE], "rtsp://10.0.0.3/moved");
    assert_true(s.camera.had_login);
    assert_false(other.had_login);
    assert_int_equal(s.asked, 2);
    cm_rtsp_client_destroy(s.client);
    /* Not even when it is asked for. */
    s.is_playing = false;
    other.www_authenticate = BASIC_LINE;
    other.user = other.password = "x";
    begin_and_end(&s, CM_CAUSE_WRONG_PASSWORD);
    assert_false(other.had_login);
    fake_deinit(&other);
    stage_close(&s);
}

static void a_redirect_to_a_refused_address_is_not_followed(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.refuses_elsewhere = true;
    s.camera.script = redirects;
    begin_and_end(&s, CM_CAUSE_ADDRESS_REFUSED);
    assert_int_equal(cm_sim_connects_to(s.network, &s.elsewhere_host), 0);
    stage_close(&s);
}

static bool redirects_in_a_ring(fake *f, const cm_rtsp_message *request)
{
    if (cm_rtsp_method_of(request->method) != CM_RTSP_DESCRIBE)
        return false;
    fake_answer(f, request, 302, "Location: rtsp://10.0.0.2/again\r\n", NULL);
    return true;
}

static void redirects_are_counted(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = redirects_in_a_ring;
    begin_and_end(&s, CM_CAUSE_PROTOCOL);
    assert_int_equal(s.camera.counts[CM_RTSP_DESCRIBE], 4);
    stage_close(&s);
}

static void addresses_that_are_none_are_refused(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.address = CM_TEXT("http://10.0.0.2/");
    assert_int_equal(cm_rtsp_client_create(&s.config, &s.client), CM_REFUSE);
    s.config.address = CM_TEXT("rtsps://10.0.0.2/");
    assert_int_equal(cm_rtsp_client_create(&s.config, &s.client), CM_REFUSE);
    stage_close(&s);
}

/* ---- the table ---- */

static void the_table_of_states(void **state)
{
    (void)state;
    /* Rows: from. Columns: to, in the order of the enum. */
    static const char *const ROWS[CM_RTSP_CLIENT_STATES] = {
        ".x.......x", /* new */
        "..x......x", /* resolving */
        "...x.....x", /* connecting */
        ".x..x....x", /* asking */
        ".x...x...x", /* describing */
        ".x..x.xx.x", /* setting up */
        ".x.....x.x", /* setting up sound */
        ".x......xx", /* starting */
        ".x.......x", /* playing */
        "..........", /* ended */
    };
    for (int from = 0; from < CM_RTSP_CLIENT_STATES; from++) {
        for (int to = 0; to < CM_RTSP_CLIENT_STATES; to++)
            assert_int_equal(
                cm_rtsp_client_may_turn((cm_rtsp_client_state)from, (cm_rtsp_client_state)to),
                ROWS[from][to] == 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_plays_over_tcp),
        cmocka_unit_test(teardown_is_sent),
        cmocka_unit_test(content_base_is_used),
        cmocka_unit_test(user_info_in_the_address_is_not_sent),
        cmocka_unit_test(each_login_is_answered),
        cmocka_unit_test(a_wrong_password_is_said_twice_at_most),
        cmocka_unit_test(without_a_user_nothing_is_tried),
        cmocka_unit_test(a_stale_nonce_is_answered_anew),
        cmocka_unit_test(a_nonce_may_be_stale_from_the_start),
        cmocka_unit_test(a_stale_nonce_in_a_keepalive_is_answered_anew),
        cmocka_unit_test(it_comes_back_to_one_that_hangs_up_with_a_401),
        cmocka_unit_test(refusals_have_their_cause),
        cmocka_unit_test(options_may_be_refused),
        cmocka_unit_test(options_may_go_unanswered),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(a_codec_we_do_not_speak_is_named),
        cmocka_unit_test(a_web_server_is_no_camera),
        cmocka_unit_test(channels_of_the_answer_are_used),
        cmocka_unit_test(a_461_changes_the_transport),
        cmocka_unit_test(the_transport_that_it_offers_is_asked_for),
        cmocka_unit_test(udp_is_punched_and_reported),
        cmocka_unit_test(udp_that_stays_silent_ends_soon),
        cmocka_unit_test(udp_without_a_port_of_the_camera),
        cmocka_unit_test(strangers_are_not_heard),
        cmocka_unit_test(another_port_is_taken_when_allowed),
        cmocka_unit_test(udp_is_put_in_order),
        cmocka_unit_test(a_loss_waits_for_a_keyframe),
        cmocka_unit_test(junk_between_frames_is_passed_over),
        cmocka_unit_test(its_questions_are_answered),
        cmocka_unit_test(keepalives_go_on_unanswered),
        cmocka_unit_test(keepalive_is_options_where_get_parameter_is_unknown),
        cmocka_unit_test(another_ssrc_begins_anew),
        cmocka_unit_test(another_payload_type_is_passed_over),
        cmocka_unit_test(silence_ends_it),
        cmocka_unit_test(a_closed_connection_ends_it),
        cmocka_unit_test(a_flood_ends_it),
        cmocka_unit_test(too_much_nonsense_ends_it),
        cmocka_unit_test(a_refused_address_is_never_contacted),
        cmocka_unit_test(a_rebound_name_is_never_followed),
        cmocka_unit_test(an_unknown_name_is_said),
        cmocka_unit_test(nobody_there_is_said),
        cmocka_unit_test(a_redirect_is_followed_without_the_login),
        cmocka_unit_test(a_redirect_to_a_refused_address_is_not_followed),
        cmocka_unit_test(redirects_are_counted),
        cmocka_unit_test(addresses_that_are_none_are_refused),
        cmocka_unit_test(the_table_of_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
