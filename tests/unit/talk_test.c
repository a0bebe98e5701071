/* ingest/talk: who is heard by a camera, by which lease, and what its RTSP session does and does
 * not: a whole camera against a scripted one on a simulated network. */
#include "ingest/talk.h"

#include "camera_stage.h"
#include "ingest/camera_priv.h"

#define RECEIVED           "a=recvonly\r\n"
#define EAR(mark, formats) "m=audio 0 RTP/AVP " formats "\r\n" mark "a=control:trackID=3\r\n"
#define MIC(mark)          FAKE_PCMU mark "a=control:trackID=2\r\n"
/* As ONVIF has it: a microphone and a loudspeaker, marked as the client sees them. */
#define ONVIF_SDP(formats)                                                                         \
    FAKE_SDP_HEAD FAKE_VIDEO_MEDIA RECEIVED MIC(RECEIVED) EAR("a=sendonly\r\n", formats)

enum { STATES_MAX = 32, PACKET = 160, PACKET_MS = 20 };

typedef struct speaker {
    cm_camera_talk talk;
    cm_talk_state states[STATES_MAX];
    size_t told;
    cm_camera_cause cause;
    char detail[CM_CAMERA_DETAIL_SIZE];
    size_t gone;
    bool ends_at_once; /* in on_state */
    uint32_t timestamp;
} speaker;

static void on_state(cm_camera_talk *talk, cm_talk_state state, cm_camera_cause cause,
                     const char *detail)
{
    speaker *who = CM_HOLDER(talk, speaker, talk);
    assert_true(who->told < STATES_MAX);
    who->states[who->told++] = state;
    who->cause = cause;
    (void)snprintf(who->detail, sizeof who->detail, "%s", detail);
    if (who->ends_at_once)
        cm_camera_talk_end(talk);
}

static void on_gone(cm_camera_talk *talk)
{
    speaker *who = CM_HOLDER(talk, speaker, talk);
    assert_null(talk->camera);
    who->gone++;
}

typedef struct room {
    stage s;
    speaker anna, bert;
    cm_lease *lease;
} room;

static cm_lease *lease_of(const stage *s, const testing_media *media, cm_rights rights,
                          int64_t lasts_us)
{
    cm_lease *lease;
    cm_lease_terms terms = testing_terms(media, 1);
    terms.rights = rights;
    terms.streams = cm_streams_within(rights);
    terms.from = cm_loop_now(s->loop);
    terms.until = cm_instant_after(terms.from, lasts_us);
    assert_int_equal(cm_lease_create(&terms, media->slot, &lease), CM_OK);
    return lease;
}

static void speaker_init(speaker *who)
{
    *who = (speaker){.talk = {.on_state = on_state, .on_gone = on_gone}, .timestamp = 1000};
}

/* Nothing is received of it: keep is on demand. */
static void room_open_with(room *r, const char *sdp)
{
    stage_open(&r->s);
    r->s.config.keep_always = false;
    r->s.config.login.takes_talk = true;
    r->s.camera.sdp = sdp;
    create(&r->s);
    speaker_init(&r->anna);
    speaker_init(&r->bert);
    r->lease = lease_of(&r->s, &r->s.media, CM_RIGHT_VIEW | CM_RIGHT_TALK, CM_SECONDS(60));
}

static void room_open(room *r)
{
    room_open_with(r, ONVIF_SDP("0"));
}

static void room_close(room *r)
{
    cm_lease_destroy(r->lease);
    stage_close(&r->s);
}

static const cm_talk_status *talk_of(const room *r)
{
    return &cm_camera_read_status(r->s.it)->talk;
}

static const cm_camera_talking *insides(const room *r)
{
    return &r->s.it->talking;
}

static cm_status begin(room *r, speaker *who)
{
    return cm_camera_talk_begin(r->s.it, r->lease, &who->talk);
}

/* 20 ms of one byte. */
static cm_status say_as(speaker *who, const cm_lease *lease, cm_sound_codec codec, uint8_t byte)
{
    uint8_t samples[PACKET];
    memset(samples, byte, sizeof samples);
    const cm_talk_packet packet = {.codec = codec,
                                   .samples = cm_slice_over(samples, sizeof samples),
                                   .timestamp = who->timestamp};
    who->timestamp += PACKET;
    return cm_camera_talk_put(&who->talk, lease, &packet);
}

static cm_status say(room *r, speaker *who, uint8_t byte)
{
    return say_as(who, r->lease, CM_SOUND_PCMU, byte);
}

/* Speaks on for `ms`. */
static void say_for(room *r, speaker *who, uint8_t byte, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += PACKET_MS) {
        CM_IGNORE(say(r, who, byte), "while it connects");
        run_ms(&r->s, PACKET_MS);
    }
}

/* Somebody has the floor, and the session is open. */
static void open_session(room *r)
{
    assert_int_equal(begin(r, &r->anna), CM_OK);
    run_ms(&r->s, 200);
    assert_int_equal(talk_of(r)->state, CM_TALK_OPEN);
}

/* ---- the session ---- */

static void a_word_is_heard(void **state)
{
    (void)state;
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        room r;
        room_open(&r);
        fake *camera = &r.s.camera;
        assert_true(talk_of(&r)->is_configured);
        assert_int_equal(talk_of(&r)->state, CM_TALK_IDLE);
        run_ms(&r.s, 1000);
        assert_int_equal(camera->connections, 0);
        r.s.it->feeds[CM_STREAM_MAIN].is_udp = is_udp == 1;
        open_session(&r);
        assert_string_equal(camera->uris[CM_RTSP_SETUP], "rtsp://10.0.0.2/live/trackID=3");
        assert_int_equal(camera->counts[CM_RTSP_SETUP], 1);
        assert_true(strstr(camera->transport, is_udp ? "client_port=" : "interleaved=0-1") != NULL);
        assert_int_equal(camera->heard.packets, 0);
        for (uint8_t i = 0; i < 5; i++) {
            assert_int_equal(say(&r, &r.anna, i), CM_OK);
            run_ms(&r.s, PACKET_MS);
        }
        assert_int_equal(camera->heard.packets, 5);
        assert_int_equal(camera->heard.size, 5 * PACKET);
        assert_int_equal(camera->heard.newest.payload_type, 0);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(camera->heard.samples[i * PACKET], i);
            assert_int_equal(camera->heard.samples[i * PACKET + PACKET - 1], i);
            assert_int_equal(camera->heard.markers[i], i == 0);
            assert_int_equal((uint16_t)(camera->heard.numbers[i] - camera->heard.numbers[0]), i);
            assert_int_equal(camera->heard.timestamps[i] - camera->heard.timestamps[0], i * PACKET);
        }
        assert_int_equal(talk_of(&r)->packets, 5);
        assert_int_equal(r.anna.told, 2);
        assert_int_equal(r.anna.states[0], CM_TALK_CONNECTING);
        assert_int_equal(r.anna.states[1], CM_TALK_OPEN);
        assert_int_equal(r.s.camera.connections, 1);
        room_close(&r);
    }
}

static void the_backchannel_is_required(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    assert_true(r.s.camera.had_require[CM_RTSP_DESCRIBE]);
    assert_true(r.s.camera.had_require[CM_RTSP_SETUP]);
    assert_true(r.s.camera.had_require[CM_RTSP_PLAY]);
    assert_false(r.s.camera.had_require[CM_RTSP_OPTIONS]);
    say_for(&r, &r.anna, 1, 35000);
    assert_true(r.s.camera.counts[CM_RTSP_GET_PARAMETER] >= 1);
    assert_false(r.s.camera.had_require[CM_RTSP_GET_PARAMETER]);
    room_close(&r);
}

/* Pictures are asked for as ever, whether the camera takes talk or not. */
static void pictures_require_nothing(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    cm_camera_want(r.s.it, CM_STREAM_MAIN, true);
    run_ms(&r.s, 1000);
    assert_int_equal(r.s.camera.counts[CM_RTSP_PLAY], 1);
    assert_false(r.s.camera.had_require[CM_RTSP_DESCRIBE]);
    assert_int_equal(talk_of(&r)->state, CM_TALK_IDLE);
    cm_camera_want(r.s.it, CM_STREAM_MAIN, false);
    room_close(&r);
}

static void sender_reports_are_sent(void **state)
{
    (void)state;
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        room r;
        room_open(&r);
        r.s.it->feeds[CM_STREAM_MAIN].is_udp = is_udp == 1;
        open_session(&r);
        say_for(&r, &r.anna, 1, 12000);
        const fake_heard *heard = &r.s.camera.heard;
        assert_in_range(heard->sender_reports, 2, 4);
        assert_int_equal(heard->report.ssrc, heard->newest.ssrc);
        assert_in_range(heard->report.sender.packet_count, heard->packets - 300, heard->packets);
        assert_int_equal(heard->report.sender.octet_count,
                         heard->report.sender.packet_count * PACKET);
        /* Of the same instant as the newest packet then was, in the speaker's count of time. */
        const uint32_t since = heard->newest.timestamp - heard->report.sender.rtp_timestamp;
        assert_in_range(since, 0, 6 * 8000);
        room_close(&r);
    }
}

static void the_session_ends_ten_seconds_later(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 100);
    cm_camera_talk_end(&r.anna.talk);
    run_ms(&r.s, 9000);
    assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
    assert_int_equal(r.s.camera.counts[CM_RTSP_TEARDOWN], 0);
    run_ms(&r.s, 1200);
    assert_int_equal(talk_of(&r)->state, CM_TALK_IDLE);
    assert_int_equal(r.s.camera.counts[CM_RTSP_TEARDOWN], 1);
    assert_int_equal(r.anna.gone, 0);
    assert_int_equal(r.s.camera.connections, 1);
    room_close(&r);
}

/* Who comes within ten seconds speaks at once, and the camera's count of time goes on. */
static void the_next_speaker_finds_it_open(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 100);
    cm_camera_talk_end(&r.anna.talk);
    run_ms(&r.s, 5000);
    r.bert.timestamp = 0xffffff00;
    assert_int_equal(begin(&r, &r.bert), CM_OK);
    assert_int_equal(say(&r, &r.bert, 2), CM_OK);
    assert_int_equal(say(&r, &r.bert, 3), CM_OK);
    run_ms(&r.s, 50);
    const fake_heard *heard = &r.s.camera.heard;
    assert_int_equal(heard->packets, 7);
    assert_true(heard->markers[5]);
    assert_false(heard->markers[6]);
    assert_in_range(heard->timestamps[5] - heard->timestamps[4], 5000 * 8, 5100 * 8);
    assert_int_equal(heard->timestamps[6] - heard->timestamps[5], PACKET);
    assert_int_equal((uint16_t)(heard->numbers[5] - heard->numbers[4]), 1);
    assert_int_equal(r.s.camera.connections, 1);
    assert_int_equal(r.bert.states[0], CM_TALK_OPEN);
    room_close(&r);
}

static void a_login_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        cm_rtsp_auth_scheme scheme;
    } ROWS[] = {
        {"WWW-Authenticate: Basic realm=\"cam\"\r\n", CM_RTSP_AUTH_BASIC},
        {"WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n", CM_RTSP_AUTH_DIGEST_MD5},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        room r;
        room_open(&r);
        cm_camera_login login = r.s.config.login;
        login.user = "admin";
        login.password = "right";
        r.s.camera.www_authenticate = ROWS[i].lines;
        r.s.camera.challenge = (cm_rtsp_challenge){
            .scheme = ROWS[i].scheme, .realm = CM_TEXT("cam"), .nonce = CM_TEXT("n1")};
        r.s.camera.user = "admin";
        r.s.camera.password = "right";
        assert_int_equal(cm_camera_set_login(r.s.it, &login, false), CM_OK);
        open_session(&r);
        assert_true(r.s.camera.had_login);
        assert_int_equal(say(&r, &r.anna, 1), CM_OK);
        room_close(&r);
    }
}

/* ---- what the camera wants ---- */

static void the_other_law_is_recoded(void **state)
{
    (void)state;
    static const struct {
        const char *formats;
        cm_sound_codec said;
        uint8_t type;
        uint8_t byte, heard;
    } CASES[] = {
        {"0", CM_SOUND_PCMU, 0, 0x12, 0x12},
        {"8", CM_SOUND_PCMA, 8, 0x12, 0x12},
        {"8", CM_SOUND_PCMU, 8, 0xff, 0xd5}, /* silence of the one and of the other */
        {"0", CM_SOUND_PCMA, 0, 0xd5, 0xfe},
        {"8 0", CM_SOUND_PCMU, 8, 0x80, 0xaa}, /* the loudest */
        {"97 0", CM_SOUND_PCMA, 0, 0x2a, 0x00},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        char sdp[1024];
        room r;
        (void)snprintf(sdp, sizeof sdp, ONVIF_SDP("%s"), CASES[i].formats);
        room_open_with(&r, sdp);
        open_session(&r);
        assert_int_equal(say_as(&r.anna, r.lease, CASES[i].said, CASES[i].byte), CM_OK);
        run_ms(&r.s, 20);
        assert_int_equal(r.s.camera.heard.size, PACKET);
        assert_int_equal(r.s.camera.heard.newest.payload_type, CASES[i].type);
        assert_int_equal(r.s.camera.heard.samples[0], CASES[i].heard);
        assert_int_equal(r.s.camera.heard.samples[PACKET - 1], CASES[i].heard);
        room_close(&r);
    }
}

/* Cameras mark their media by either end's view, or all alike. */
static void its_ear_is_found(void **state)
{
    (void)state;
    static const char *const SDPS[] = {
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA EAR("a=sendonly\r\n", "0"),
        FAKE_SDP_HEAD EAR("a=sendonly\r\n", "0") FAKE_VIDEO_MEDIA RECEIVED MIC(RECEIVED),
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA "a=sendonly\r\n" MIC("a=sendonly\r\n") EAR(RECEIVED, "0"),
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA MIC("") EAR("a=sendrecv\r\n", "0"),
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA MIC("") EAR("", "0"),
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA RECEIVED MIC(RECEIVED) EAR(RECEIVED, "0"),
        FAKE_SDP_HEAD EAR("a=sendonly\r\n", "0"),
    };
    for (size_t i = 0; i < CM_COUNT(SDPS); i++) {
        room r;
        room_open_with(&r, SDPS[i]);
        open_session(&r);
        assert_string_equal(r.s.camera.uris[CM_RTSP_SETUP], "rtsp://10.0.0.2/live/trackID=3");
        room_close(&r);
    }
}

static void expect_failure(room *r, cm_camera_cause cause, const char *detail)
{
    assert_int_equal(begin(r, &r->anna), CM_OK);
    say_for(r, &r->anna, 1, 500);
    assert_int_equal(talk_of(r)->state, CM_TALK_FAILED);
    assert_int_equal(talk_of(r)->cause, cause);
    assert_string_equal(talk_of(r)->detail, detail);
    assert_int_equal(r->anna.states[r->anna.told - 1], CM_TALK_FAILED);
    assert_int_equal(r->anna.cause, cause);
    assert_string_equal(r->anna.detail, detail);
    assert_int_equal(r->s.camera.heard.packets, 0);
    assert_int_equal(talk_of(r)->packets, 0);
}

static void what_it_does_not_offer_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *sdp;
        cm_camera_cause cause;
        const char *detail;
    } CASES[] = {
        {FAKE_SDP, CM_CAUSE_NO_LOUDSPEAKER, "it offers no way to speak to it"},
        {FAKE_SDP_HEAD FAKE_VIDEO_MEDIA MIC(""), CM_CAUSE_NO_LOUDSPEAKER,
         "it offers no way to speak to it"},
        {FAKE_SDP_HEAD FAKE_VIDEO_MEDIA RECEIVED MIC(RECEIVED), CM_CAUSE_NO_LOUDSPEAKER,
         "it offers no way to speak to it"},
        {ONVIF_SDP("97\r\na=rtpmap:97 MPEG4-GENERIC/16000"), CM_CAUSE_CODEC_UNSUPPORTED,
         "it wants to hear MPEG4-GENERIC"},
        {ONVIF_SDP("97\r\na=rtpmap:97 PCMU/16000"), CM_CAUSE_CODEC_UNSUPPORTED,
         "it wants to hear PCMU"},
        {ONVIF_SDP("97\r\na=rtpmap:97 PCMA/8000/2"), CM_CAUSE_CODEC_UNSUPPORTED,
         "it wants to hear PCMA"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        room r;
        room_open_with(&r, CASES[i].sdp);
        expect_failure(&r, CASES[i].cause, CASES[i].detail);
        assert_int_equal(r.s.camera.counts[CM_RTSP_SETUP], 0);
        room_close(&r);
    }
}

/* step: the status; what is refused is in `session`, which is not used else. */
static bool refuses(fake *f, const cm_rtsp_message *request)
{
    if (!cm_slice_equal(request->method, cm_slice_of(f->session)))
        return false;
    fake_answer(f, request, (uint16_t)f->step, NULL, NULL);
    return true;
}

static void a_refusal_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        int status;
        cm_camera_cause cause;
        const char *detail;
    } CASES[] = {
        {"DESCRIBE", 551, CM_CAUSE_TALK_REFUSED, "answers 551 to DESCRIBE"},
        {"DESCRIBE", 400, CM_CAUSE_TALK_REFUSED, "answers 400 to DESCRIBE"},
        {"DESCRIBE", 404, CM_CAUSE_NOT_FOUND, "answers 404 to DESCRIBE"},
        {"SETUP", 500, CM_CAUSE_TALK_REFUSED, "answers 500 to SETUP"},
        {"SETUP", 453, CM_CAUSE_TOO_MANY_SESSIONS, "answers 453 to SETUP"},
        {"PLAY", 551, CM_CAUSE_TALK_REFUSED, "answers 551 to PLAY"},
        {"PLAY", 401, CM_CAUSE_WRONG_PASSWORD, "asks for a user name and password"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        room r;
        room_open(&r);
        r.s.camera.session = CASES[i].method;
        r.s.camera.step = CASES[i].status;
        r.s.camera.script = refuses;
        expect_failure(&r, CASES[i].cause, CASES[i].detail);
        room_close(&r);
    }
}

static void a_wall_stands_before_it_too(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    const cm_camera_login login = {.addresses = {"rtsp://10.0.0.2:555/live"}, .takes_talk = true};
    assert_int_equal(cm_camera_set_login(r.s.it, &login, false), CM_OK);
    expect_failure(&r, CM_CAUSE_ADDRESS_REFUSED, "this home's cameras may not be at that address");
    assert_int_equal(r.s.camera.connections, 0);
    room_close(&r);
}

/* To another address of the same kind; there too it must be allowed, and asked for the ear. */
static bool redirects(fake *f, const cm_rtsp_message *request)
{
    static const char *const PLACES[] = {"Location: rtsp://10.0.0.2/moved\r\n",
                                         "Location: rtsp://10.0.0.2:555/moved\r\n"};
    if (cm_rtsp_method_of(request->method) != CM_RTSP_DESCRIBE || f->counts[CM_RTSP_DESCRIBE] > 1)
        return false;
    fake_answer(f, request, 302, PLACES[f->step], NULL);
    return true;
}

static void a_redirect_is_followed_where_it_may(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    r.s.camera.script = redirects;
    open_session(&r);
    assert_string_equal(r.s.camera.uris[CM_RTSP_SETUP], "rtsp://10.0.0.2/moved/trackID=3");
    assert_true(r.s.camera.had_require[CM_RTSP_DESCRIBE]);
    assert_int_equal(r.s.camera.connections, 2);
    room_close(&r);
    room_open(&r);
    r.s.camera.script = redirects;
    r.s.camera.step = 1;
    expect_failure(&r, CM_CAUSE_ADDRESS_REFUSED,
                   "this home's cameras may not be where it redirects to");
    assert_int_equal(r.s.camera.connections, 1);
    room_close(&r);
}

/* Over UDP to a camera that does not say where it hears: by TCP then. */
static bool says_no_port(fake *f, const cm_rtsp_message *request)
{
    const bool is_setup = cm_rtsp_method_of(request->method) == CM_RTSP_SETUP;
    f->transport_reply = is_setup && f->step++ == 0 ? "Transport: RTP/AVP;unicast\r\n" : NULL;
    return false;
}

static void without_a_port_it_goes_over_tcp(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    r.s.it->feeds[CM_STREAM_MAIN].is_udp = true;
    r.s.camera.script = says_no_port;
    open_session(&r);
    assert_int_equal(r.s.camera.counts[CM_RTSP_SETUP], 2);
    assert_true(strstr(r.s.camera.transport, "interleaved") != NULL);
    assert_int_equal(say(&r, &r.anna, 1), CM_OK);
    run_ms(&r.s, 20);
    assert_int_equal(r.s.camera.heard.packets, 1);
    room_close(&r);
}

/* ---- trouble ---- */

static void after_a_failure_it_waits(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    r.s.camera.session = "DESCRIBE";
    r.s.camera.step = 551;
    r.s.camera.script = refuses;
    expect_failure(&r, CM_CAUSE_TALK_REFUSED, "answers 551 to DESCRIBE");
    assert_int_equal(r.s.camera.connections, 1);
    /* Beginning again and again does not make it connect again and again. */
    for (int i = 0; i < 20; i++) {
        cm_camera_talk_end(&r.anna.talk);
        assert_int_equal(begin(&r, &r.anna), CM_OK);
        run_ms(&r.s, 10);
        assert_int_equal(r.anna.states[r.anna.told - 1], CM_TALK_FAILED);
        r.anna.told = 0;
    }
    assert_int_equal(r.s.camera.connections, 1);
    r.s.camera.script = NULL;
    r.s.camera.session = NULL;
    say_for(&r, &r.anna, 1, 2500);
    assert_int_equal(r.s.camera.connections, 2);
    assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
    assert_true(r.s.camera.heard.packets > 0);
    room_close(&r);
}

static void a_lost_session_is_opened_again(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 100);
    fake_close(&r.s.camera);
    say_for(&r, &r.anna, 1, 100);
    assert_int_equal(talk_of(&r)->state, CM_TALK_FAILED);
    assert_int_equal(talk_of(&r)->cause, CM_CAUSE_CLOSED);
    const size_t before = r.s.camera.heard.packets;
    say_for(&r, &r.anna, 1, 2500);
    assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
    assert_true(r.s.camera.heard.packets > before);
    assert_int_equal(r.anna.gone, 0);
    room_close(&r);
}

static void set_down(room *r, bool is_down)
{
    const cm_address here = address_of("10.0.0.1");
    const cm_address there = address_of("10.0.0.2");
    cm_sim_path_set(r->s.network, &here, &there, &(cm_sim_path){.is_down = is_down});
    cm_sim_path_set(r->s.network, &there, &here, &(cm_sim_path){.is_down = is_down});
}

/* What it does not take now it would say late: it is left out, and named before long. */
static void a_camera_out_of_reach_is_left(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 500);
    const size_t heard = r.s.camera.heard.packets;
    assert_int_equal(heard, 25);
    set_down(&r, true);
    say_for(&r, &r.anna, 1, 3000);
    assert_int_equal(say(&r, &r.anna, 1), CM_RETRY);
    assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
    assert_in_range(talk_of(&r)->packets - heard, 30, 50); /* of 150 */
    for (int i = 0; i < 250 && talk_of(&r)->state == CM_TALK_OPEN; i++)
        say_for(&r, &r.anna, 1, PACKET_MS);
    assert_int_equal(talk_of(&r)->state, CM_TALK_FAILED);
    assert_int_equal(talk_of(&r)->cause, CM_CAUSE_TIMEOUT);
    assert_string_equal(talk_of(&r)->detail, "it does not take what is said to it");
    room_close(&r);
}

/* It stumbles, and goes on: nothing is lost of the session. */
static void a_camera_in_reach_again_hears_on(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    for (int i = 0; i < 4; i++) {
        const size_t heard = r.s.camera.heard.packets;
        say_for(&r, &r.anna, 1, 500);
        set_down(&r, true);
        say_for(&r, &r.anna, 1, 3500);
        set_down(&r, false);
        run_ms(&r.s, 500);
        assert_in_range(r.s.camera.heard.packets - heard, 50, 80);
    }
    assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
    assert_int_equal(r.s.camera.connections, 1);
    room_close(&r);
}

/* Nobody speaks any more: no failure then. */
static void a_session_lost_in_silence_is_over(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    cm_camera_talk_end(&r.anna.talk);
    fake_close(&r.s.camera);
    run_ms(&r.s, 100);
    assert_int_equal(talk_of(&r)->state, CM_TALK_IDLE);
    assert_int_equal(talk_of(&r)->cause, CM_CAUSE_NONE);
    room_close(&r);
}

static void what_is_no_speech_is_not_sent(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    uint8_t much[CM_RTSP_SPEECH_MAX + 1] = {0};
    open_session(&r);
    const cm_talk_packet packets[] = {
        {.codec = CM_SOUND_OPUS, .samples = cm_slice_over(much, 160)},
        {.codec = CM_SOUND_AAC, .samples = cm_slice_over(much, 160)},
        {.codec = CM_SOUND_PCMU},
        {.codec = CM_SOUND_PCMA, .samples = cm_slice_over(much, sizeof much)},
    };
    for (size_t i = 0; i < CM_COUNT(packets); i++)
        assert_int_equal(cm_camera_talk_put(&r.anna.talk, r.lease, &packets[i]), CM_CLOSE);
    const cm_talk_packet longest = {.codec = CM_SOUND_PCMU,
                                    .samples = cm_slice_over(much, CM_RTSP_SPEECH_MAX)};
    assert_int_equal(cm_camera_talk_put(&r.anna.talk, r.lease, &longest), CM_OK);
    run_ms(&r.s, 50);
    assert_int_equal(r.s.camera.heard.packets, 1);
    assert_int_equal(r.s.camera.heard.size, CM_RTSP_SPEECH_MAX);
    room_close(&r);
}

/* What the camera sends in such a session is nobody's picture. */
static void what_it_sends_is_passed_over(void **state)
{
    (void)state;
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        room r;
        room_open(&r);
        r.s.it->feeds[CM_STREAM_MAIN].is_udp = is_udp == 1;
        open_session(&r);
        r.s.camera.payload_type = 0; /* as of the track it hears by */
        for (int i = 0; i < 20; i++)
            fake_send_picture(&r.s.camera, true, (uint32_t)i * TICKS);
        say_for(&r, &r.anna, 1, 100);
        assert_int_equal(talk_of(&r)->state, CM_TALK_OPEN);
        assert_int_equal(main_of(&r.s)->frames, 0);
        assert_int_equal(r.s.keyframes, 0);
        room_close(&r);
    }
}

/* ---- who may ---- */

static void without_the_right_nobody_speaks(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    cm_lease *other = lease_of(&r.s, &r.s.media, CM_RIGHT_VIEW | CM_RIGHT_LISTEN | CM_RIGHT_PUBLISH,
                               CM_SECONDS(60));
    assert_int_equal(cm_camera_talk_begin(r.s.it, other, &r.anna.talk), CM_REFUSE);
    assert_null(r.anna.talk.camera);
    run_ms(&r.s, 100);
    assert_int_equal(r.s.camera.connections, 0);
    open_session(&r);
    assert_int_equal(say_as(&r.anna, other, CM_SOUND_PCMU, 1), CM_REFUSE);
    run_ms(&r.s, 100);
    assert_int_equal(r.s.camera.heard.packets, 0);
    assert_int_equal(talk_of(&r)->refused, 2);
    cm_lease_destroy(other);
    room_close(&r);
}

static void anothers_lease_does_not_speak_here(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    testing_media neighbour;
    testing_media_init(&neighbour, r.s.page, "rossi", "door");
    cm_lease *theirs = lease_of(&r.s, &neighbour, CM_RIGHT_VIEW | CM_RIGHT_TALK, CM_SECONDS(60));
    assert_int_equal(cm_camera_talk_begin(r.s.it, theirs, &r.anna.talk), CM_FOREIGN);
    open_session(&r);
    assert_int_equal(say_as(&r.anna, theirs, CM_SOUND_PCMU, 1), CM_FOREIGN);
    run_ms(&r.s, 100);
    assert_int_equal(r.s.camera.heard.packets, 0);
    assert_int_equal(talk_of(&r)->refused, 2);
    assert_int_equal(say(&r, &r.anna, 1), CM_OK);
    run_ms(&r.s, 100);
    assert_int_equal(r.s.camera.heard.packets, 1);
    cm_lease_destroy(theirs);
    room_close(&r);
}

static void a_lease_that_is_over_does_not_speak(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    cm_lease *brief = lease_of(&r.s, &r.s.media, CM_RIGHT_VIEW | CM_RIGHT_TALK, CM_SECONDS(1));
    open_session(&r);
    assert_int_equal(say_as(&r.anna, brief, CM_SOUND_PCMU, 1), CM_OK);
    say_for(&r, &r.anna, 1, 1000);
    const size_t heard = r.s.camera.heard.packets;
    assert_int_equal(say_as(&r.anna, brief, CM_SOUND_PCMU, 1), CM_REFUSE);
    run_ms(&r.s, 50);
    assert_int_equal(r.s.camera.heard.packets, heard);
    cm_camera_talk_end(&r.anna.talk);
    assert_int_equal(cm_camera_talk_begin(r.s.it, brief, &r.anna.talk), CM_REFUSE);
    cm_lease_destroy(brief);
    room_close(&r);
}

/* The page alone ends it, without a message: from the next packet on. */
static void a_cut_is_a_cut(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 200);
    assert_int_equal(r.s.camera.heard.packets, 10);
    cm_epoch_publish(r.s.page, r.s.media.slot, 2);
    for (int i = 0; i < 200; i++) {
        const cm_status status = say(&r, &r.anna, 1);
        assert_true(status == CM_REFUSE || (status == CM_ABSENT && r.anna.gone == 1));
        run_ms(&r.s, PACKET_MS);
    }
    assert_int_equal(r.s.camera.heard.packets, 10);
    /* And who is refused does not keep the floor. */
    assert_int_equal(r.anna.gone, 1);
    room_close(&r);
}

/* ---- the floor ---- */

static void one_speaks_at_a_time(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    assert_int_equal(begin(&r, &r.bert), CM_FULL);
    assert_null(r.bert.talk.camera);
    assert_int_equal(say(&r, &r.bert, 7), CM_ABSENT);
    cm_camera_talk_end(&r.bert.talk);
    assert_int_equal(say(&r, &r.anna, 1), CM_OK);
    cm_camera_talk_end(&r.anna.talk);
    assert_int_equal(say(&r, &r.anna, 1), CM_ABSENT);
    assert_int_equal(begin(&r, &r.bert), CM_OK);
    assert_int_equal(begin(&r, &r.anna), CM_FULL);
    assert_int_equal(say(&r, &r.bert, 7), CM_OK);
    run_ms(&r.s, 20);
    assert_int_equal(r.s.camera.heard.packets, 2);
    assert_int_equal(r.s.camera.heard.samples[PACKET], 7);
    room_close(&r);
}

static void silence_frees_the_floor(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    open_session(&r);
    say_for(&r, &r.anna, 1, 3000);
    assert_int_equal(r.anna.gone, 0);
    run_ms(&r.s, 900);
    assert_int_equal(r.anna.gone, 0);
    assert_int_equal(begin(&r, &r.bert), CM_FULL);
    run_ms(&r.s, 200);
    assert_int_equal(r.anna.gone, 1);
    assert_int_equal(begin(&r, &r.bert), CM_OK);
    assert_int_equal(say(&r, &r.anna, 1), CM_ABSENT);
    room_close(&r);
}

static bool says_nothing(fake *f, const cm_rtsp_message *request)
{
    (void)f;
    (void)request;
    return true;
}

/* Who speaks while it connects keeps the floor, and is heard from when it is open. */
static void who_speaks_early_keeps_the_floor(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    r.s.camera.script = says_nothing;
    assert_int_equal(begin(&r, &r.anna), CM_OK);
    assert_int_equal(say(&r, &r.anna, 1), CM_RETRY);
    say_for(&r, &r.anna, 1, 2000);
    assert_int_equal(talk_of(&r)->state, CM_TALK_CONNECTING);
    assert_int_equal(r.anna.gone, 0);
    say_for(&r, &r.anna, 1, 8000);
    assert_int_equal(talk_of(&r)->cause, CM_CAUSE_TIMEOUT);
    assert_int_equal(r.anna.gone, 0);
    assert_int_equal(talk_of(&r)->packets, 0);
    room_close(&r);
}

static void he_may_end_when_he_is_told(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    r.anna.ends_at_once = true;
    assert_int_equal(begin(&r, &r.anna), CM_OK);
    run_ms(&r.s, 300);
    assert_int_equal(r.anna.told, 1);
    assert_null(r.anna.talk.camera);
    assert_int_equal(begin(&r, &r.bert), CM_OK);
    room_close(&r);
}

static void an_end_without_the_floor_is_nothing(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    cm_camera_talk_end(&r.anna.talk);
    assert_int_equal(begin(&r, &r.anna), CM_OK);
    cm_camera_talk_end(&r.anna.talk);
    cm_camera_talk_end(&r.anna.talk);
    run_ms(&r.s, 100);
    assert_int_equal(r.anna.told, 0);
    room_close(&r);
}

/* ---- the camera changes ---- */

static void a_camera_that_takes_no_talk(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    cm_camera_login login = r.s.config.login;
    login.takes_talk = false;
    assert_int_equal(cm_camera_set_login(r.s.it, &login, false), CM_OK);
    assert_false(talk_of(&r)->is_configured);
    assert_int_equal(begin(&r, &r.anna), CM_ABSENT);
    login = (cm_camera_login){.is_pushed = true, .takes_talk = true};
    assert_int_equal(cm_camera_set_login(r.s.it, &login, false), CM_OK);
    assert_false(talk_of(&r)->is_configured);
    assert_int_equal(begin(&r, &r.anna), CM_ABSENT);
    run_ms(&r.s, 1000);
    assert_int_equal(r.s.camera.connections, 0);
    room_close(&r);
}

static void the_floor_goes_with_the_camera(void **state)
{
    (void)state;
    const struct {
        const char *address;
        bool takes_talk;
        size_t gone;
    } CASES[] = {
        {"rtsp://10.0.0.2/live", true, 0},
        {"rtsp://10.0.0.2/live", false, 1},
        {"rtsp://10.0.0.2/other", true, 1},
        {NULL, true, 1},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        room r;
        room_open(&r);
        open_session(&r);
        const cm_camera_login login = {.addresses = {CASES[i].address},
                                       .takes_talk = CASES[i].takes_talk};
        assert_int_equal(cm_camera_set_login(r.s.it, &login, false), CM_OK);
        assert_int_equal(r.anna.gone, CASES[i].gone);
        run_ms(&r.s, 100);
        assert_int_equal(r.s.camera.counts[CM_RTSP_TEARDOWN], CASES[i].gone);
        assert_int_equal(insides(&r)->client != NULL, CASES[i].gone == 0);
        room_close(&r);
    }
}

static void a_camera_is_destroyed_under_a_speaker(void **state)
{
    (void)state;
    room r;
    room_open(&r);
    assert_int_equal(begin(&r, &r.anna), CM_OK);
    cm_camera_destroy(r.s.it); /* it waits for its turn to connect */
    assert_int_equal(r.anna.gone, 1);
    create(&r.s);
    speaker_init(&r.anna);
    open_session(&r);
    cm_camera_destroy(r.s.it);
    r.s.it = NULL;
    assert_int_equal(r.anna.gone, 1);
    run_ms(&r.s, 100);
    assert_int_equal(r.s.camera.counts[CM_RTSP_TEARDOWN], 1);
    room_close(&r);
}

/* Pairs that are not in the table must not be. */
static void states_turn_as_the_table_says(void **state)
{
    (void)state;
    static const char *const ALLOWED[CM_TALK_STATES] = {
        [CM_TALK_IDLE] = "connecting",
        [CM_TALK_CONNECTING] = "open failed idle",
        [CM_TALK_OPEN] = "failed idle",
        [CM_TALK_FAILED] = "connecting idle",
    };
    for (int from = 0; from < CM_TALK_STATES; from++)
        for (int to = 0; to < CM_TALK_STATES; to++)
            assert_int_equal(cm_talk_state_may_turn((cm_talk_state)from, (cm_talk_state)to),
                             strstr(ALLOWED[from], cm_talk_state_name((cm_talk_state)to)) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_heard),
        cmocka_unit_test(the_backchannel_is_required),
        cmocka_unit_test(pictures_require_nothing),
        cmocka_unit_test(sender_reports_are_sent),
        cmocka_unit_test(the_session_ends_ten_seconds_later),
        cmocka_unit_test(the_next_speaker_finds_it_open),
        cmocka_unit_test(a_login_is_given),
        cmocka_unit_test(the_other_law_is_recoded),
        cmocka_unit_test(its_ear_is_found),
        cmocka_unit_test(what_it_does_not_offer_is_named),
        cmocka_unit_test(a_refusal_is_named),
        cmocka_unit_test(a_wall_stands_before_it_too),
        cmocka_unit_test(a_redirect_is_followed_where_it_may),
        cmocka_unit_test(without_a_port_it_goes_over_tcp),
        cmocka_unit_test(after_a_failure_it_waits),
        cmocka_unit_test(a_lost_session_is_opened_again),
        cmocka_unit_test(a_camera_out_of_reach_is_left),
        cmocka_unit_test(a_camera_in_reach_again_hears_on),
        cmocka_unit_test(a_session_lost_in_silence_is_over),
        cmocka_unit_test(what_is_no_speech_is_not_sent),
        cmocka_unit_test(what_it_sends_is_passed_over),
        cmocka_unit_test(without_the_right_nobody_speaks),
        cmocka_unit_test(anothers_lease_does_not_speak_here),
        cmocka_unit_test(a_lease_that_is_over_does_not_speak),
        cmocka_unit_test(a_cut_is_a_cut),
        cmocka_unit_test(one_speaks_at_a_time),
        cmocka_unit_test(silence_frees_the_floor),
        cmocka_unit_test(who_speaks_early_keeps_the_floor),
        cmocka_unit_test(he_may_end_when_he_is_told),
        cmocka_unit_test(an_end_without_the_floor_is_nothing),
        cmocka_unit_test(a_camera_that_takes_no_talk),
        cmocka_unit_test(the_floor_goes_with_the_camera),
        cmocka_unit_test(a_camera_is_destroyed_under_a_speaker),
        cmocka_unit_test(states_turn_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
