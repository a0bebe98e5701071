/* egress/rtsp on a simulated network: what a player is told and given, in which order, what happens
 * to one who is slow, and that after a cut nothing more comes. */
#include "base/text.h"
#include "egress/rtsp/rtsp.h"
#include "net/sim.h"
#include "proto/rtsp/message.h"
#include "proto/rtsp/transport.h"
#include "proto/sdp/fmtp.h"
#include "proto/sdp/sdp.h"
#include "sound_rig.h"
#include "webrtc_rig.h"

enum {
    PLAYERS = 20,
    IN_MAX = 4 << 20,
    SOUND_MAX = 1024,
    STEP_US = 20000,
};
static const char TOKEN[] = "cmt_a-token";

struct bench;

/* Somebody's program. */
typedef struct player {
    struct bench *b;
    cm_tcp *tcp;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    bool has_ended;
    bool is_paused;
    unsigned cseq;
    uint16_t status; /* of the last answer */
    unsigned answers;
    char session[64];
    char body[8192];
    char headers[2048];
    receiver pictures;
    uint64_t bytes;
    struct {
        uint32_t timestamp;
        uint16_t sequence;
        size_t size;
        uint8_t first[4];
    } sound[SOUND_MAX];
    size_t sounds;
    unsigned reports[128];
    cm_rtcp_packet report; /* the newest of pictures */
    const char *token;
} player;

typedef struct bench {
    rig r;
    camera c;
    microphone m;
    bool has_sound;
    cm_sim_network *network;
    cm_net *here, *there;
    cm_address door, home;
    cm_rtsp_config config;
    cm_rtsp_server *server;
    player players[PLAYERS];
    size_t count;
    /* The owner's side: one guest a viewer. */
    cm_rtsp_viewer *viewer;
    cm_rtsp_ask asked;
    unsigned asks, stale, gone;
    cm_status ask_status;
    cm_rights rights;
    bool answers_itself; /* admits in the next turn */
    bool renews_itself;
    uint64_t epoch;
    cm_timer admit;
} bench;

/* ---- who asks ---- */

static cm_lease *lease_of(bench *b)
{
    return sound_lease(&b->r, b->rights, b->epoch);
}

static void on_admit(cm_timer *timer)
{
    bench *b = CM_HOLDER(timer, bench, admit);
    cm_rtsp_viewer_admit(b->viewer, lease_of(b), b->has_sound);
}

static cm_status on_ask(void *owner, cm_rtsp_viewer *who, const cm_rtsp_ask *wish, void **guest)
{
    bench *b = owner;
    b->asks++;
    b->asked = *wish;
    CM_ENSURE(cm_slice_equal(wish->token, cm_slice_of(TOKEN)), CM_REFUSE);
    CM_TRY(b->ask_status);
    b->viewer = who;
    *guest = b;
    if (b->answers_itself)
        cm_timer_start(&b->admit, 0);
    return CM_OK;
}

static void on_stale(void *guest)
{
    bench *b = guest;
    b->stale++;
    if (b->renews_itself)
        cm_rtsp_viewer_renew(b->viewer, lease_of(b));
}

static void on_gone(void *guest)
{
    bench *b = guest;
    b->gone++;
    cm_timer_stop(&b->admit);
}

static const cm_rtsp_events EVENTS = {on_ask, on_stale, on_gone};

/* ---- a player ---- */

static void keep_answer(player *p, const cm_rtsp_message *m)
{
    cm_slice value;
    p->status = m->status;
    p->answers++;
    p->headers[0] = '\0';
    for (size_t i = 0; i < m->header_count; i++) {
        const size_t used = strlen(p->headers);
        snprintf(p->headers + used, sizeof p->headers - used, "%.*s: %.*s\n",
                 CM_SLICE_ARGS(m->headers[i].name), CM_SLICE_ARGS(m->headers[i].value));
    }
    assert_int_equal(cm_slice_to_cstr(m->body, p->body, sizeof p->body), CM_OK);
    if (cm_rtsp_find(m, CM_TEXT("Session"), &value))
        assert_int_equal(cm_slice_to_cstr(cm_slice_cut(&value, ';'), p->session, sizeof p->session),
                         CM_OK);
}

static void keep_sound(player *p, const cm_rtp_packet *rtp)
{
    assert_true(p->sounds < SOUND_MAX);
    p->sound[p->sounds].timestamp = rtp->timestamp;
    p->sound[p->sounds].sequence = rtp->sequence_number;
    p->sound[p->sounds].size = rtp->payload.size;
    cm_slice_copy(cm_slice_part(rtp->payload, 0, 4), p->sound[p->sounds].first, 4);
    if (p->sounds > 0)
        assert_int_equal(rtp->sequence_number, (uint16_t)(p->sound[p->sounds - 1].sequence + 1));
    p->sounds++;
}

static void keep_frame(player *p, const cm_rtsp_message *m)
{
    cm_rtp_packet rtp;
    cm_slice rest = m->body;
    if (m->channel % 2 == 1) {
        cm_rtcp_packet report;
        assert_int_equal(cm_rtcp_next(&rest, &report), CM_OK);
        assert_int_equal(report.type, CM_RTCP_SR);
        if (m->channel == 1)
            p->report = report;
        p->reports[m->channel / 2]++;
        return;
    }
    assert_int_equal(cm_rtp_parse(m->body, &rtp), CM_OK);
    if (m->channel == 2)
        keep_sound(p, &rtp);
    else
        receiver_put(&p->pictures, &rtp);
}

static void scan_all(player *p)
{
    for (;;) {
        cm_rtsp_message m;
        size_t consumed;
        const cm_status status = cm_rtsp_scan(&p->scanner, cm_buffer_data(&p->in), &m, &consumed);
        if (status == CM_OK && m.kind == CM_RTSP_RESPONSE)
            keep_answer(p, &m);
        else if (status == CM_OK)
            keep_frame(p, &m);
        cm_buffer_consume(&p->in, consumed);
        if (status != CM_OK) {
            assert_int_equal(status, CM_RETRY);
            return;
        }
    }
}

static void on_readable(void *owner)
{
    player *p = owner;
    for (;;) {
        uint8_t *room;
        size_t size;
        assert_int_equal(cm_buffer_room(&p->in, 65536, &room), CM_OK);
        const cm_status status = cm_tcp_read(p->tcp, room, 65536, &size);
        if (status == CM_CLOSE) {
            p->has_ended = true;
            cm_tcp_close(p->tcp);
            p->tcp = NULL;
            return;
        }
        if (status != CM_OK)
            return;
        p->bytes += size;
        cm_buffer_commit(&p->in, size);
        scan_all(p);
        assert_int_equal(p->scanner.junk_total, 0); /* nothing stands inside anything else */
    }
}

static void on_connected(void *owner, cm_status status)
{
    player *p = owner;
    if (status != CM_OK)
        p->has_ended = true;
}

static const cm_tcp_events PLAYER_EVENTS = {.on_connected = on_connected,
                                            .on_readable = on_readable};

static void run(bench *b, int64_t us)
{
    rig_run(&b->r, us);
}

static player *connect_player(bench *b)
{
    assert_true(b->count < PLAYERS);
    player *p = &b->players[b->count++];
    *p = (player){.b = b, .token = TOKEN};
    cm_rtsp_scanner_init(&p->scanner);
    cm_buffer_init(&p->in, IN_MAX);
    receiver_open(&p->pictures, &b->c);
    assert_int_equal(cm_tcp_connect(b->there, &b->door, CM_SECONDS(5), &PLAYER_EVENTS, p, &p->tcp),
                     CM_OK);
    run(b, STEP_US);
    return p;
}

static void say(player *p, const char *text)
{
    const cm_slice bytes = cm_slice_of(text);
    size_t sent;
    assert_int_equal(cm_tcp_write(p->tcp, &bytes, 1, &sent), CM_OK);
    assert_int_equal(sent, bytes.size);
}

static void request(player *p, const char *method, const char *path, const char *more,
                    char out[1024])
{
    char plain[128];
    char encoded[256];
    snprintf(plain, sizeof plain, "somebody:%s", p->token);
    assert_int_equal(cm_text_to_base64(cm_slice_of(plain), encoded, sizeof encoded), CM_OK);
    snprintf(out, 1024, "%s rtsp://10.0.0.1:554/%s RTSP/1.0\r\nCSeq: %u\r\n%s%s%s%s%s%s%s\r\n",
             method, path, ++p->cseq, p->token[0] != '\0' ? "Authorization: Basic " : "",
             p->token[0] != '\0' ? encoded : "", p->token[0] != '\0' ? "\r\n" : "",
             p->session[0] != '\0' ? "Session: " : "", p->session,
             p->session[0] != '\0' ? "\r\n" : "", more);
}

/* The status; 0 if there is no answer. */
static unsigned ask(player *p, const char *method, const char *path, const char *more)
{
    char text[1024];
    const unsigned answers = p->answers;
    if (p->tcp == NULL)
        return 0;
    request(p, method, path, more, text);
    say(p, text);
    run(p->b, STEP_US);
    if (p->answers == answers)
        return 0;
    char cseq[32];
    snprintf(cseq, sizeof cseq, "CSeq: %u\n", p->cseq);
    assert_non_null(strstr(p->headers, cseq));
    return p->status;
}

/* The path of the rig's door. */
static const char *path_of(const bench *b, const char *more)
{
    static char path[96];
    snprintf(path, sizeof path, "%s/%s%s", b->r.door.camera.home.text, b->r.door.camera.camera.text,
             more);
    return path;
}

static void play(player *p, bool with_sound)
{
    bench *b = p->b;
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=0"),
                         "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
                     200);
    if (with_sound)
        assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=1"),
                             "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"),
                         200);
    assert_int_equal(ask(p, "PLAY", path_of(b, "/"), ""), 200);
}

static player *play_anew(bench *b)
{
    player *p = connect_player(b);
    play(p, false);
    return p;
}

static void leave(player *p)
{
    if (p->tcp != NULL)
        cm_tcp_close(p->tcp);
    p->tcp = NULL;
    receiver_close(&p->pictures);
    cm_buffer_deinit(&p->in);
}

/* ---- life ---- */

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    rig_open(&b->r, 1, 0);
    rig_start(&b->r);
    b->c = (camera){.rig = &b->r};
    b->rights = CM_RIGHT_VIEW;
    b->epoch = 1;
    b->answers_itself = b->renews_itself = true;
    b->door = address_of("10.0.0.1:554");
    b->home = address_of("10.0.0.2");
    cm_timer_init(&b->admit, b->r.loops[0], on_admit);
    assert_int_equal(cm_sim_network_create(b->r.sim, &b->network), CM_OK);
    cm_address host = b->door;
    host.port = 0;
    assert_int_equal(cm_sim_host_create(b->network, b->r.loops[0], &host, &b->here), CM_OK);
    assert_int_equal(cm_sim_host_create(b->network, b->r.loops[0], &b->home, &b->there), CM_OK);
    b->config = (cm_rtsp_config){
        .net = b->here,
        .hub = b->r.hubs[0],
        .listeners = {{.address = b->door, .is_plain_allowed = true}},
        .listener_count = 1,
        .events = &EVENTS,
        .owner = b,
    };
    assert_int_equal(cm_rtsp_server_create(&b->config, &b->server), CM_OK);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    cm_rtsp_server_destroy(b->server);
    for (size_t i = 0; i < b->count; i++)
        leave(&b->players[i]);
    run(b, CM_SECONDS(3));
    cm_timer_stop(&b->admit);
    if (b->has_sound)
        cm_source_destroy(b->m.source);
    cm_net_destroy(b->there);
    cm_net_destroy(b->here);
    cm_sim_network_destroy(b->network);
    assert_int_equal(b->r.alarms, 0);
    rig_close(&b->r);
    free(b);
    return 0;
}

static cm_rtsp_counters counters(const bench *b)
{
    cm_rtsp_counters c;
    cm_rtsp_read_counters(b->server, &c);
    return c;
}

static void add_sound(bench *b, const cm_sound_format *format, size_t size)
{
    if (!b->has_sound)
        microphone_open(&b->m, &b->r);
    b->has_sound = true;
    b->rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN;
    microphone_put(&b->m, format, size, 0);
}

static void assert_in_order(const player *p, unsigned first, size_t count)
{
    assert_int_equal(p->pictures.count, count);
    assert_int_equal(p->pictures.gaps, 0);
    assert_int_equal(p->pictures.unfinished, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(p->pictures.serials[i], first + i);
}

/* ---- what is told ---- */

static void options_need_no_credentials(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    p->token = "";
    assert_int_equal(ask(p, "OPTIONS", "", ""), 200);
    assert_non_null(strstr(p->headers, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, "
                                       "GET_PARAMETER, SET_PARAMETER\n"));
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 401);
    assert_non_null(strstr(p->headers, "WWW-Authenticate: Basic realm=\"casement\"\n"));
    assert_int_equal(counters(b).unauthorized, 0); /* that is how every program begins */
    assert_int_equal(b->asks, 0);
}

static void a_description_has_the_parameter_sets(void **state)
{
    bench *b = *state;
    cm_sdp sdp;
    cm_sdp_h264 h264;
    uint8_t storage[CM_SDP_SETS_SIZE];
    cm_writer sets = cm_writer_over(storage, sizeof storage);
    camera_run_group(&b->c, 5000, 2, 1000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, "?x=rtsp://a/b"), ""), 200);
    assert_true(cm_camera_key_equal(&b->asked.camera, &b->r.door.camera));
    assert_int_equal(b->asked.stream, CM_STREAM_MAIN);
    char base[192];
    snprintf(base, sizeof base, "Content-Base: rtsp://10.0.0.1:554/%s\n", path_of(b, "/"));
    assert_non_null(strstr(p->headers, base));
    assert_int_equal(cm_sdp_parse(cm_slice_of(p->body), &sdp), CM_OK);
    assert_int_equal(sdp.media_count, 1);
    cm_sdp_h264_parse(sdp.medias[0].payloads[0].fmtp, &sets, &h264);
    assert_int_equal(h264.set_count, 2);
    assert_true(cm_slice_equal(h264.sets[0], SPS_BASELINE));
    assert_true(cm_slice_equal(h264.sets[1], PPS_BASELINE));
    assert_int_equal(h264.packetization_mode, 1);
    assert_int_equal(h264.profile_level_id, (uint32_t)SPS_BASELINE.bytes[1] << 16 |
                                                (uint32_t)SPS_BASELINE.bytes[2] << 8 |
                                                SPS_BASELINE.bytes[3]);
}

static void the_sub_stream_is_asked_for(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    b->answers_itself = false;
    char text[1024];
    request(p, "DESCRIBE", path_of(b, "/sub"), "", text);
    say(p, text);
    run(b, STEP_US);
    assert_int_equal(b->asked.stream, CM_STREAM_SUB);
    cm_rtsp_viewer_refuse(b->viewer, CM_RTSP_NONE);
    run(b, STEP_US);
    assert_int_equal(p->status, 404);
    assert_int_equal(b->gone, 0);
}

static void sound_is_described_by_its_first_frame(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_AAC, 200);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_non_null(strstr(p->body, "a=rtpmap:97 mpeg4-generic/16000\r\n"));
    assert_non_null(strstr(p->body, "config=1408"));
    /* Without the right none is told of, whatever the camera does. */
    b->rights = CM_RIGHT_VIEW;
    player *deaf = connect_player(b);
    assert_int_equal(ask(deaf, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_null(strstr(deaf->body, "m=audio"));
}

static void sound_that_does_not_come_is_not_waited_for_long(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    b->has_sound = true; /* it is said to be heard */
    microphone_open(&b->m, &b->r);
    b->rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN;
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 0);
    run(b, CM_MS(CM_RTSP_FIRST_SOUND_MS));
    assert_int_equal(p->status, 200);
    assert_null(strstr(p->body, "m=audio"));
}

static void without_a_picture_there_is_none_to_describe(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 0);
    run(b, CM_SECONDS(CM_RTSP_FIRST_FRAME_S));
    assert_int_equal(p->status, 503);
    assert_int_equal(b->gone, 1);
    /* The same connection may try again; a camera that comes up is described at once. */
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 0);
    camera_run(&b->c, true, 3000);
    assert_int_equal(p->status, 200);
}

/* ---- what is sent ---- */

static void playing_begins_with_the_newest_keyframe(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 40000, 3, 2000);
    camera_run_group(&b->c, 40000, 3, 2000); /* from 4 on */
    player *p = play_anew(b);
    run(b, STEP_US);
    assert_in_order(p, 4, 4);
    camera_run_group(&b->c, 40000, 5, 2000);
    assert_in_order(p, 4, 10);
    for (size_t i = 1; i < 10; i++) {
        const unsigned a = p->pictures.serials[i - 1];
        const unsigned z = p->pictures.serials[i];
        assert_int_equal(p->pictures.timestamps[i] - p->pictures.timestamps[i - 1],
                         (uint32_t)(b->c.sent[z].media_time - b->c.sent[a].media_time));
    }
    assert_true(counters(b).pictures == 10 && counters(b).playing == 1);
}

static void one_who_waits_before_he_plays_gets_what_is_new_then(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 5000, 2, 1000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=0"), "Transport: RTP/AVP/TCP\r\n"), 200);
    assert_non_null(strstr(p->headers, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc="));
    camera_run_group(&b->c, 5000, 2, 1000);
    camera_run_group(&b->c, 5000, 2, 1000);
    assert_int_equal(p->pictures.count, 0);
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 200);
    run(b, STEP_US);
    assert_in_order(p, 6, 3);
}

static void everything_may_be_asked_in_one_go(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    char texts[3][1024];
    char all[3072];
    request(p, "DESCRIBE", path_of(b, ""), "", texts[0]);
    request(p, "SETUP", path_of(b, "/trackID=0"), "Transport: RTP/AVP/TCP\r\n", texts[1]);
    request(p, "OPTIONS", path_of(b, ""), "", texts[2]);
    snprintf(all, sizeof all, "%s%s%s", texts[0], texts[1], texts[2]);
    say(p, all);
    run(b, CM_SECONDS(1));
    assert_int_equal(p->answers, 0); /* the first one waits, and so does what is behind it */
    camera_run(&b->c, true, 3000);
    run(b, STEP_US);
    assert_int_equal(p->answers, 3);
    assert_non_null(strstr(p->headers, "CSeq: 3\n"));
}

static void reports_say_what_time_it_is(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    for (unsigned i = 0; i < 240; i++)
        camera_run(&b->c, false, 500);
    assert_in_range(p->reports[0], 3, 4); /* with the first picture, then each 5 s */
    const uint32_t at = p->report.sender.rtp_timestamp;
    const cm_wall wall = cm_rtp_wall_of(p->report.sender.ntp_timestamp);
    /* The picture that was taken nearest before has the timestamp that the report leads to. */
    for (size_t i = 0; i < p->pictures.count; i++) {
        const int64_t before = wall.us - b->c.sent[p->pictures.serials[i]].captured.us;
        const int32_t ticks = (int32_t)(at - p->pictures.timestamps[i]);
        assert_in_range(ticks - before * 9 / 100 + 2, 0, 4);
    }
    assert_int_equal(p->report.sender.packet_count > 200, 1);
}

static void sound_and_pictures_share_the_connection(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 30000);
    add_sound(b, &SOUND_PCMU, 160);
    player *p = connect_player(b);
    play(p, true);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 5 == 0)
            camera_put(&b->c, i % 25 == 0, 8000);
        add_sound(b, &SOUND_PCMU, 160);
        run(b, SOUND_PACKET_US);
    }
    assert_in_range(p->sounds, 98, 101);
    for (size_t i = 2; i < p->sounds; i++) /* the first one was cached */
        assert_int_equal(p->sound[i].timestamp - p->sound[i - 1].timestamp, 160);
    assert_int_equal(p->sound[0].size, 160);
    assert_int_equal(p->pictures.gaps + p->pictures.unfinished, 0);
    assert_true(p->pictures.count >= 20 && p->reports[1] >= 1);
}

static void aac_has_the_headers_of_its_access_unit(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_AAC, 1500); /* two granules */
    player *p = connect_player(b);
    play(p, true);
    add_sound(b, &SOUND_AAC, 300);
    run(b, STEP_US);
    /* RFC 3640 3.2.1, 3.3.6: 16 bits of headers; 13 of size, 3 of index. */
    const uint8_t head[] = {0x00, 0x10, 300 >> 5, (300 & 0x1F) << 3};
    assert_true(p->sounds >= 1);
    assert_int_equal(p->sound[p->sounds - 1].size, 4 + 300);
    assert_memory_equal(p->sound[p->sounds - 1].first, head, 4);
    assert_int_equal(p->sound[0].size, 4 + 1500);
}

static void what_sounds_otherwise_is_asked_for_anew(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_PCMU, 160);
    player *p = connect_player(b);
    play(p, true);
    add_sound(b, &SOUND_AAC, 300);
    run(b, STEP_US);
    assert_true(p->has_ended);
    assert_int_equal(b->gone, 1);
}

static void another_codec_is_asked_for_anew(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    b->c.flags = CM_FRAME_H265;
    camera_run(&b->c, true, 3000);
    assert_true(p->has_ended);
    assert_int_equal(p->pictures.count, 1);
}

static void many_get_what_was_opened_once(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    for (size_t i = 0; i < 10; i++)
        play_anew(b);
    camera_run_group(&b->c, 20000, 10, 3000);
    run(b, STEP_US);
    for (size_t i = 0; i < 10; i++)
        assert_in_order(&b->players[i], 0, 12);
}

/* ---- slow ones ---- */

static void slow_down(bench *b, uint64_t bits_per_second)
{
    cm_address here = b->door;
    here.port = 0;
    const cm_sim_path path = {.delay_us = 200, .bits_per_second = bits_per_second};
    cm_sim_path_set(b->network, &here, &b->home, &path);
}

/* Whole pictures only, in order, each as it was sent: what the receiver looks at. */
static void a_slow_one_goes_on_at_a_keyframe(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_PCMU, 160);
    player *p = connect_player(b);
    play(p, true);
    slow_down(b, 2000000); /* of 4,000,000 that the camera makes */
    for (unsigned i = 0; i < 600; i++) {
        camera_run(&b->c, i % 20 == 0, 25000);
        add_sound(b, &SOUND_PCMU, 160);
    }
    slow_down(b, 0);
    camera_run_group(&b->c, 25000, 3, 2000);
    run(b, CM_SECONDS(1));
    assert_int_equal(p->pictures.gaps + p->pictures.unfinished, 0);
    assert_in_range(p->pictures.count, 150, 500);
    for (size_t i = 1; i < p->pictures.count; i++) {
        assert_true(p->pictures.serials[i] > p->pictures.serials[i - 1]);
        if (p->pictures.serials[i] != p->pictures.serials[i - 1] + 1)
            assert_true(b->c.sent[p->pictures.serials[i]].is_keyframe);
    }
    assert_int_equal(p->pictures.serials[p->pictures.count - 1], b->c.next - 1);
    assert_true(p->sounds > 100);
    assert_false(p->has_ended);
}

static void answers_wait_for_the_end_of_a_packet(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    char text[1024];
    slow_down(b, 1000000);
    for (unsigned i = 0; i < 40; i++) {
        camera_put(&b->c, i % 10 == 0, 60000);
        request(p, "GET_PARAMETER", path_of(b, ""), "", text);
        say(p, text);
        run(b, 50000);
    }
    slow_down(b, 0);
    run(b, CM_SECONDS(8));
    assert_int_equal(p->answers, 3 + 40);
    assert_int_equal(p->status, 200);
}

static void one_who_takes_nothing_is_let_go(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    cm_tcp_pause(p->tcp, true);
    for (unsigned i = 0; i < 20 * (CM_RTSP_STALL_S - 2); i++)
        camera_run(&b->c, i % 20 == 0, 25000);
    assert_int_equal(counters(b).stalled, 0);
    for (unsigned i = 0; i < 20 * 10; i++)
        camera_run(&b->c, i % 20 == 0, 25000);
    assert_int_equal(counters(b).stalled, 1);
    assert_int_equal(counters(b).connections, 0);
    assert_int_equal(b->gone, 1);
    cm_tcp_pause(p->tcp, false);
    run(b, CM_SECONDS(1));
    assert_true(p->has_ended);
}

/* ---- leases ---- */

static void a_turn_of_the_epoch_loses_nothing(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    camera_run(&b->c, false, 3000);
    b->epoch = 2;
    cm_epoch_publish(b->r.page, b->r.door.slot, 2);
    for (unsigned i = 0; i < 5; i++)
        camera_run(&b->c, i == 2, 3000);
    assert_int_equal(b->stale, 1);
    assert_true(p->pictures.count >= 4 && p->pictures.gaps == 0);
    assert_int_equal(p->pictures.serials[p->pictures.count - 1], b->c.next - 1);
}

static void without_a_new_lease_nothing_more_comes(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    b->renews_itself = false;
    cm_epoch_publish(b->r.page, b->r.door.slot, 2);
    const size_t before = p->pictures.count;
    camera_run_group(&b->c, 3000, 5, 3000);
    assert_int_equal(p->pictures.count, before);
    assert_int_equal(b->stale, 1);
}

static void the_cut_ends_the_connection(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = play_anew(b);
    slow_down(b, 200000);
    for (unsigned i = 0; i < 40; i++)
        camera_run(&b->c, i == 0, 25000);
    cm_rtsp_viewer_cut(b->viewer);
    for (unsigned i = 0; i < 300; i++)
        camera_run(&b->c, false, 25000);
    assert_true(p->has_ended);
    assert_true(p->pictures.serials[p->pictures.count - 1] < 41);
    assert_int_equal(b->gone, 0);
    assert_int_equal(counters(b).cuts, 1);
    assert_int_equal(counters(b).connections + counters(b).playing, 0);
}

static void listening_may_end_alone(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_PCMU, 160);
    player *p = connect_player(b);
    play(p, true);
    run(b, STEP_US);
    const size_t before = p->sounds;
    b->rights = CM_RIGHT_VIEW;
    cm_rtsp_viewer_renew(b->viewer, lease_of(b));
    microphone_put(&b->m, &SOUND_PCMU, 160, 0);
    camera_run(&b->c, false, 3000);
    assert_int_equal(p->sounds, before);
    assert_int_equal(p->pictures.serials[p->pictures.count - 1], b->c.next - 1);
    assert_false(p->has_ended);
}

/* ---- who is refused, and when it is enough ---- */

static void wrong_credentials_are_counted(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    p->token = "another";
    for (unsigned i = 1; i < CM_RTSP_WRONG_MAX; i++) {
        assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 401);
        assert_false(p->has_ended);
    }
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 401);
    run(b, STEP_US);
    assert_true(p->has_ended);
    assert_int_equal(counters(b).unauthorized, CM_RTSP_WRONG_MAX);
    /* One that is refused when its rows were read is as wrong. */
    player *late = connect_player(b);
    b->answers_itself = false;
    assert_int_equal(ask(late, "DESCRIBE", path_of(b, ""), ""), 0);
    cm_rtsp_viewer_refuse(b->viewer, CM_RTSP_WHO);
    run(b, STEP_US);
    assert_int_equal(late->status, 401);
    assert_int_equal(counters(b).unauthorized, CM_RTSP_WRONG_MAX + 1);
}

static void one_too_many_is_told_so(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    b->ask_status = CM_FULL;
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 503);
    b->ask_status = CM_OK;
    b->answers_itself = false;
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 0);
    cm_rtsp_viewer_refuse(b->viewer, CM_RTSP_BUSY);
    run(b, STEP_US);
    assert_int_equal(p->status, 503);
}

static void paths_that_name_no_camera_are_not_found(void **state)
{
    static const char *const PATHS[] = {"",
                                        "a",
                                        "a/",
                                        "a/b/c",
                                        "A/b",
                                        "a/b/sub/x",
                                        "a/b/trackID=2",
                                        "a/b/trackID=0",
                                        "a/b/sub/trackID=0/x",
                                        "../b",
                                        "a/%62"};
    bench *b = *state;
    player *p = connect_player(b);
    for (size_t i = 0; i < CM_COUNT(PATHS); i++)
        assert_int_equal(ask(p, "DESCRIBE", PATHS[i], ""), 404);
    assert_int_equal(ask(p, "DESCRIBE", "a/b:c", ""), 404);
    assert_int_equal(b->asks, 0);
}

/* Each method in each state; 0: it leads on. */
static void requests_out_of_turn_are_refused(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=0"), "Transport: RTP/AVP/TCP\r\n"), 455);
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 455);
    assert_int_equal(ask(p, "TEARDOWN", path_of(b, ""), ""), 455);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 455);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=1"), "Transport: RTP/AVP/TCP\r\n"), 404);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/sub/trackID=0"), "Transport: RTP/AVP/TCP\r\n"),
                     404);
    assert_int_equal(ask(p, "SETUP", path_of(b, ""), "Transport: RTP/AVP/TCP\r\n"), 404);
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=0"), ""), 461);
    assert_int_equal(
        ask(p, "SETUP", path_of(b, "/trackID=0"), "Transport: RTP/AVP;client_port=1-2\r\n"), 461);
    /* The first way that can be. */
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=0"),
                         "Transport: RTP/AVP;client_port=1-2,RTP/AVP/TCP;interleaved=6-7\r\n"),
                     200);
    char session[64];
    snprintf(session, sizeof session, "%s", p->session);
    snprintf(p->session, sizeof p->session, "of-somebody-else");
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 454);
    snprintf(p->session, sizeof p->session, "%s", session);
    assert_int_equal(ask(p, "PAUSE", path_of(b, ""), ""), 501);
    assert_int_equal(ask(p, "RECORD", path_of(b, ""), ""), 501);
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "PLAY", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 455);
    assert_int_equal(ask(p, "SET_PARAMETER", path_of(b, ""), "Content-Length: 0\r\n"), 200);
    assert_int_equal(ask(p, "TEARDOWN", path_of(b, ""), ""), 200);
    run(b, STEP_US);
    assert_true(p->has_ended);
    assert_int_equal(b->gone, 1);
}

/* RFC 2326 12.32 */
static void what_is_required_and_not_known_is_named(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), "Require: implicit-play\r\n"), 551);
    assert_non_null(strstr(p->headers, "Unsupported: implicit-play\n"));
    assert_int_equal(b->asks, 0);
    assert_int_equal(
        ask(p, "DESCRIBE", path_of(b, ""), "Require: www.onvif.org/ver20/backchannel\r\n"), 200);
}

static void channels_may_not_overlap(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    add_sound(b, &SOUND_PCMU, 160);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(
        ask(p, "SETUP", path_of(b, "/trackID=0"), "Transport: RTP/AVP/TCP;interleaved=4-5\r\n"),
        200);
    for (unsigned i = 3; i <= 5; i++) {
        char way[64];
        snprintf(way, sizeof way, "Transport: RTP/AVP/TCP;interleaved=%u-%u\r\n", i, i + 1);
        assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=1"), way), 461);
    }
    assert_int_equal(ask(p, "SETUP", path_of(b, "/trackID=1"), "Transport: RTP/AVP/TCP\r\n"), 200);
    assert_non_null(strstr(p->headers, "interleaved=2-3"));
}

static void a_second_description_ends_the_first(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    assert_int_equal(b->gone, 1);
    play(p, false);
    assert_int_equal(b->gone, 2);
    run(b, STEP_US);
    assert_in_order(p, 0, 1);
}

static void strangers_are_few_and_brief(void **state)
{
    bench *b = *state;
    for (unsigned i = 0; i < 16; i++)
        assert_false(connect_player(b)->has_ended);
    player *late = connect_player(b);
    run(b, STEP_US);
    assert_true(late->has_ended);
    assert_int_equal(counters(b).connections_refused, 1);
    assert_int_equal(counters(b).connections, 16);
    run(b, CM_SECONDS(CM_RTSP_STRANGER_S + 2));
    assert_int_equal(counters(b).connections, 0);
    assert_int_equal(counters(b).strangers_expired, 16);
    assert_false(connect_player(b)->has_ended);
}

static void one_who_asks_and_does_not_play_is_let_go(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    player *p = connect_player(b);
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 200);
    run(b, CM_SECONDS(CM_RTSP_IDLE_S - 1));
    assert_false(p->has_ended);
    run(b, CM_SECONDS(3));
    assert_true(p->has_ended);
    assert_int_equal(b->gone, 1);
}

static void what_is_no_request_ends_the_connection(void **state)
{
    static const char *const TEXTS[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * RTSP/1.0\r\n\r\n", /* RFC 2326 12.17: no CSeq */
        "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 70000\r\n\r\n",
    };
    bench *b = *state;
    for (size_t i = 0; i < CM_COUNT(TEXTS); i++) {
        player *p = connect_player(b);
        say(p, TEXTS[i]);
        run(b, STEP_US);
        assert_true(p->has_ended);
    }
    /* A head that never ends. */
    player *p = connect_player(b);
    char text[1001];
    memset(text, 'x', sizeof text - 1);
    text[1000] = '\0';
    say(p, "OPTIONS * RTSP/1.0\r\nX: ");
    for (unsigned i = 0; i < 30 && p->tcp != NULL; i++) {
        say(p, text);
        run(b, STEP_US);
    }
    assert_true(p->has_ended);
}

static void plain_beyond_loopback_must_be_allowed(void **state)
{
    bench *b = *state;
    cm_rtsp_server *server;
    cm_rtsp_config config = b->config;
    config.listeners[0].is_plain_allowed = false;
    config.listeners[0].address.port = 555;
    assert_int_equal(cm_rtsp_server_create(&config, &server), CM_REFUSE);
    config.listeners[0].is_plain_allowed = true;
    config.listeners[0].address.port = 554;
    assert_int_equal(cm_rtsp_server_create(&config, &server), CM_REFUSE); /* in use */
}

static void one_who_leaves_while_he_is_looked_up_is_forgotten(void **state)
{
    bench *b = *state;
    player *p = connect_player(b);
    b->answers_itself = false;
    assert_int_equal(ask(p, "DESCRIBE", path_of(b, ""), ""), 0);
    cm_tcp_reset(p->tcp);
    p->tcp = NULL;
    run(b, STEP_US);
    /* He is not read while he waits: that he is gone shows when he is answered. */
    cm_rtsp_viewer_refuse(b->viewer, CM_RTSP_NONE);
    run(b, CM_SECONDS(1));
    assert_int_equal(counters(b).connections, 0);
    assert_int_equal(b->gone, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(options_need_no_credentials),
        CASE(a_description_has_the_parameter_sets),
        CASE(the_sub_stream_is_asked_for),
        CASE(sound_is_described_by_its_first_frame),
        CASE(sound_that_does_not_come_is_not_waited_for_long),
        CASE(without_a_picture_there_is_none_to_describe),
        CASE(playing_begins_with_the_newest_keyframe),
        CASE(one_who_waits_before_he_plays_gets_what_is_new_then),
        CASE(everything_may_be_asked_in_one_go),
        CASE(reports_say_what_time_it_is),
        CASE(sound_and_pictures_share_the_connection),
        CASE(aac_has_the_headers_of_its_access_unit),
        CASE(what_sounds_otherwise_is_asked_for_anew),
        CASE(another_codec_is_asked_for_anew),
        CASE(many_get_what_was_opened_once),
        CASE(a_slow_one_goes_on_at_a_keyframe),
        CASE(answers_wait_for_the_end_of_a_packet),
        CASE(one_who_takes_nothing_is_let_go),
        CASE(a_turn_of_the_epoch_loses_nothing),
        CASE(without_a_new_lease_nothing_more_comes),
        CASE(the_cut_ends_the_connection),
        CASE(listening_may_end_alone),
        CASE(wrong_credentials_are_counted),
        CASE(one_too_many_is_told_so),
        CASE(paths_that_name_no_camera_are_not_found),
        CASE(requests_out_of_turn_are_refused),
        CASE(what_is_required_and_not_known_is_named),
        CASE(channels_may_not_overlap),
        CASE(a_second_description_ends_the_first),
        CASE(strangers_are_few_and_brief),
        CASE(one_who_asks_and_does_not_play_is_let_go),
        CASE(what_is_no_request_ends_the_connection),
        CASE(plain_beyond_loopback_must_be_allowed),
        CASE(one_who_leaves_while_he_is_looked_up_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
