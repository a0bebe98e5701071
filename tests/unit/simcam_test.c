/* simcam: the server in virtual time, and the wishes for trouble. One behaviour a case. */
#include "simcam_scenes.h"

#include <math.h>
#include <stdio.h>

#include "base/buffer.h"
#include "net/sim.h"
#include "proto/g711/g711.h"
#include "proto/rtp/rtp.h"
#include "proto/rtsp/message.h"
#include "simcam/simcam.h"
#include "simcam/stamp.h"
#include "simcam/tone.h"

/* ---- wishes ---- */

static void a_wish_says_camera_kind_value_and_time(void **state)
{
    (void)state;
    cm_trouble_wish wish;
    assert_int_equal(cm_trouble_parse(CM_TEXT(" cam3:drop=20@10s+5s\r"), &wish), CM_OK);
    assert_int_equal(wish.camera, 3);
    assert_int_equal(wish.kind, CM_TROUBLE_DROP);
    assert_int_equal(wish.value, 20);
    assert_true(wish.after_us == CM_SECONDS(10) && wish.length_us == CM_SECONDS(5));
    assert_int_equal(cm_trouble_parse(CM_TEXT("*:clock"), &wish), CM_OK);
    assert_int_equal(wish.camera, CM_TROUBLE_EVERY_CAMERA);
    assert_int_equal(wish.value, 3600);
    assert_true(wish.after_us == 0 && wish.length_us == 0);
}

static void anything_else_is_no_wish(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      "cam1",
                                      "cam1:",
                                      "cam0:stall",
                                      "camx:stall",
                                      "1:stall",
                                      "cam1:explode",
                                      "cam1:drop=101",
                                      "cam1:drop=",
                                      "cam1:stall=1",
                                      "cam1:stall@10",
                                      "cam1:stall@-1s",
                                      "cam1:stall+s",
                                      "cam1:stall@9999999s",
                                      "cam65536:stall",
                                      "**:stall",
                                      "cam1:stall+1s@1s"};
    cm_trouble_wish wish;
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_trouble_parse(cm_slice_of(BAD[i]), &wish), CM_REFUSE);
}

static void count_start(void *owner, const cm_trouble *trouble)
{
    (void)trouble;
    (*(int *)owner)++;
}

static void troubles_start_once_and_end(void **state)
{
    (void)state;
    cm_troubles t = {0};
    int starts = 0;
    const cm_trouble_wish wish = {
        .kind = CM_TROUBLE_DROP, .value = 7, .after_us = 100, .length_us = 50};
    assert_int_equal(cm_troubles_add(&t, &wish, (cm_instant){.us = 1000}), CM_OK);
    uint32_t value = 0;
    static const struct {
        int64_t us;
        bool has;
        int starts;
    } STEPS[] = {{1000, false, 0}, {1099, false, 0}, {1100, true, 1},
                 {1149, true, 1},  {1150, false, 1}, {1200, false, 1}};
    for (size_t i = 0; i < CM_COUNT(STEPS); i++) {
        cm_troubles_run(&t, (cm_instant){.us = STEPS[i].us}, count_start, &starts);
        assert_int_equal(cm_troubles_has(&t, CM_TROUBLE_DROP, &value), STEPS[i].has);
        assert_int_equal(starts, STEPS[i].starts);
    }
    assert_int_equal(value, 7);
    assert_int_equal(t.count, 0);
}

static void what_happens_once_is_over_at_once(void **state)
{
    (void)state;
    cm_troubles t = {0};
    int starts = 0;
    assert_int_equal(
        cm_troubles_add(&t, &(cm_trouble_wish){.kind = CM_TROUBLE_CLOSE}, (cm_instant){.us = 5}),
        CM_OK);
    cm_troubles_run(&t, (cm_instant){.us = 5}, count_start, &starts);
    cm_troubles_run(&t, (cm_instant){.us = 6}, count_start, &starts);
    assert_true(starts == 1 && t.count == 0);
}

static void wishes_are_bounded_and_none_ends_all(void **state)
{
    (void)state;
    cm_troubles t = {0};
    const cm_trouble_wish wish = {.kind = CM_TROUBLE_STALL};
    for (size_t i = 0; i < CM_TROUBLES_MAX; i++)
        assert_int_equal(cm_troubles_add(&t, &wish, (cm_instant){0}), CM_OK);
    assert_int_equal(cm_troubles_add(&t, &wish, (cm_instant){0}), CM_FULL);
    const cm_trouble_wish none = {.kind = CM_TROUBLE_NONE};
    assert_int_equal(cm_troubles_add(&t, &none, (cm_instant){0}), CM_OK);
    assert_int_equal(t.count, 0);
}

/* ---- the server, on a simulated network ---- */

typedef struct viewer {
    cm_tcp *tcp;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    unsigned answers;
    uint16_t status; /* of the last answer */
    char session[32];
    bool is_closed;
    uint64_t packets;
    uint64_t gaps;
    uint16_t last_sequence;
    uint64_t stamps;
    cm_stamp last_stamp;
    uint64_t foreign; /* stamps of another camera */
    uint64_t jumps;   /* in the counter */
    uint16_t camera;  /* expected */
    /* Of the second track. */
    uint64_t sounds, sound_gaps, sound_jumps, reports;
    uint16_t last_sound;
    uint32_t sound_ticks; /* of the newest */
    uint8_t second[8000]; /* the last whole one, beginning at the beep */
    size_t heard;
    char body[2048]; /* of the newest answer */
} viewer;

typedef struct town {
    cm_sim *sim;
    cm_loop *loop;
    cm_sim_network *network;
    cm_net *cameras;
    cm_net *viewers;
    cm_scene *scene;
    cm_simcam *simcam;
    cm_simcam_talk talk;
    /* What its cameras hear. */
    size_t spoken;
    uint32_t hearer; /* the newest */
    uint8_t last_heard;
} town;

static void take_packet(viewer *v, cm_slice bytes)
{
    cm_rtp_packet packet;
    assert_int_equal(cm_rtp_parse(bytes, &packet), CM_OK);
    v->gaps += v->packets > 0 && packet.sequence_number != (uint16_t)(v->last_sequence + 1);
    v->last_sequence = packet.sequence_number;
    v->packets++;
    cm_stamp stamp;
    if (cm_stamp_parse(packet.payload, &stamp) != CM_OK)
        return;
    v->foreign += stamp.code.camera != v->camera;
    v->jumps += v->stamps > 0 && stamp.code.counter != v->last_stamp.code.counter + 1;
    v->last_stamp = stamp;
    v->stamps++;
}

static void take_sound(viewer *v, cm_slice bytes)
{
    cm_rtp_packet packet;
    assert_int_equal(cm_rtp_parse(bytes, &packet), CM_OK);
    assert_int_equal(packet.payload_type, 0);
    assert_int_equal(packet.payload.size, 320);
    v->sound_jumps += v->sounds > 0 && packet.timestamp - v->sound_ticks != 320;
    v->sound_gaps += v->sounds > 0 && packet.sequence_number != (uint16_t)(v->last_sound + 1);
    v->last_sound = packet.sequence_number;
    v->sound_ticks = packet.timestamp;
    for (size_t i = 0; i < packet.payload.size; i++)
        v->second[v->heard++ % sizeof v->second] = packet.payload.bytes[i];
    v->sounds++;
}

static void take_answer(viewer *v, const cm_rtsp_message *message)
{
    v->answers++;
    v->status = message->status;
    assert_int_equal(cm_slice_to_cstr(message->body, v->body, sizeof v->body), CM_OK);
    cm_slice session;
    if (cm_rtsp_find(message, CM_TEXT("Session"), &session))
        assert_int_equal(cm_slice_to_cstr(cm_slice_part(session, 0, cm_slice_find(session, ';')),
                                          v->session, sizeof v->session),
                         CM_OK);
}

static void on_readable(void *owner)
{
    viewer *v = owner;
    uint8_t *room;
    size_t size;
    assert_int_equal(cm_buffer_room(&v->in, 4096, &room), CM_OK);
    const cm_status status = cm_tcp_read(v->tcp, room, 4096, &size);
    if (status == CM_CLOSE) {
        v->is_closed = true;
        cm_tcp_pause(v->tcp, true);
    }
    if (status != CM_OK)
        return;
    cm_buffer_commit(&v->in, size);
    cm_rtsp_message message;
    size_t consumed;
    while (cm_rtsp_scan(&v->scanner, cm_buffer_data(&v->in), &message, &consumed) == CM_OK) {
        if (message.kind == CM_RTSP_RESPONSE)
            take_answer(v, &message);
        else if (message.channel == 0)
            take_packet(v, message.body);
        else if (message.channel == 2)
            take_sound(v, message.body);
        else if (message.channel == 3)
            v->reports++;
        cm_buffer_consume(&v->in, consumed);
    }
}

static void on_connected(void *owner, cm_status status)
{
    (void)owner;
    assert_int_equal(status, CM_OK);
}

static void on_heard(void *owner, uint32_t number, cm_slice samples)
{
    town *t = owner;
    assert_int_equal(samples.size, 160);
    t->spoken++;
    t->hearer = number;
    t->last_heard = samples.bytes[159];
}

static void town_open_with(town *t, uint32_t cameras, uint32_t sessions_max, cm_simcam_sound sound)
{
    cm_address here;
    cm_address there;
    assert_int_equal(cm_address_parse(CM_TEXT("10.0.0.1"), 0, &here), CM_OK);
    assert_int_equal(cm_address_parse(CM_TEXT("10.0.0.2"), 0, &there), CM_OK);
    assert_int_equal(cm_sim_create(7, (cm_wall){.us = CM_SECONDS(1795000000)}, &t->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(t->sim, &(cm_loop_config){0}, &t->loop), CM_OK);
    assert_int_equal(cm_sim_network_create(t->sim, &t->network), CM_OK);
    assert_int_equal(cm_sim_host_create(t->network, t->loop, &here, &t->cameras), CM_OK);
    assert_int_equal(cm_sim_host_create(t->network, t->loop, &there, &t->viewers), CM_OK);
    assert_int_equal(parse_scene(GOOD_SCENE, &t->scene), CM_OK);
    const cm_scene *const scenes[] = {t->scene};
    const cm_simcam_config config = {.listen = here,
                                     .camera_count = cameras,
                                     .code_first = 100,
                                     .auth = CM_SIMCAM_AUTH_NONE,
                                     .scenes = {scenes, scenes},
                                     .scene_count = 1,
                                     .sound = sound,
                                     .talk = t->talk,
                                     .on_heard = on_heard,
                                     .owner = t,
                                     .sessions_max = sessions_max};
    assert_int_equal(cm_simcam_create(t->cameras, &config, &t->simcam), CM_OK);
}

static void town_open(town *t, uint32_t cameras, uint32_t sessions_max)
{
    town_open_with(t, cameras, sessions_max, CM_SIMCAM_SOUND_NONE);
}

static void town_close(town *t)
{
    cm_simcam_destroy(t->simcam);
    cm_net_destroy(t->cameras);
    cm_net_destroy(t->viewers);
    cm_sim_network_destroy(t->network);
    cm_loop_destroy(t->loop);
    cm_sim_destroy(t->sim);
    cm_scene_destroy(t->scene);
}

static void say_to(town *t, viewer *v, const char *method, uint32_t camera, const char *track,
                   const char *headers)
{
    char text[512];
    const int size = snprintf(text, sizeof text,
                              "%s rtsp://10.0.0.1/cam%u%s RTSP/1.0\r\nCSeq: 1\r\n%s%s%s%s\r\n",
                              method, camera, track, v->session[0] != '\0' ? "Session: " : "",
                              v->session, v->session[0] != '\0' ? "\r\n" : "", headers);
    const cm_slice part = cm_slice_over(text, (size_t)size);
    size_t taken;
    assert_int_equal(cm_tcp_write(v->tcp, &part, 1, &taken), CM_OK);
    assert_int_equal(taken, part.size);
    const unsigned before = v->answers;
    cm_sim_run_for(t->sim, CM_MS(10));
    assert_int_equal(v->answers, before + 1);
}

static void say(town *t, viewer *v, const char *method, uint32_t camera, const char *headers)
{
    say_to(t, v, method, camera, "", headers);
}

static void viewer_connect(town *t, viewer *v, uint32_t camera)
{
    static const cm_tcp_events EVENTS = {.on_connected = on_connected, .on_readable = on_readable};
    const cm_address address = cm_simcam_address(t->simcam);
    *v = (viewer){.camera = (uint16_t)(99 + camera)};
    cm_rtsp_scanner_init(&v->scanner);
    cm_buffer_init(&v->in, 1 << 20);
    assert_int_equal(cm_tcp_connect(t->viewers, &address, CM_SECONDS(1), &EVENTS, v, &v->tcp),
                     CM_OK);
    cm_sim_run_for(t->sim, CM_MS(10));
    say(t, v, "SETUP", camera, "Transport: RTP/AVP/TCP;interleaved=0-1\r\n");
}

static void viewer_play(town *t, viewer *v, uint32_t camera)
{
    viewer_connect(t, v, camera);
    assert_int_equal(v->status, 200);
    say(t, v, "PLAY", camera, "");
    assert_int_equal(v->status, 200);
}

static void viewer_close(viewer *v)
{
    cm_tcp_close(v->tcp);
    cm_buffer_deinit(&v->in);
}

/* ---- sound ---- */

enum {
    SOUND_PORTION = 960
}; /* bytes of a beep and some more: left out when a tone is looked for */

/* How strongly `hz` is in the second, without its beep (Goertzel). */
static double strength(const viewer *v, unsigned hz)
{
    const double turn = 2 * M_PI * hz / 8000;
    double before = 0, last = 0;
    for (size_t i = SOUND_PORTION; i < sizeof v->second; i++) {
        const double now =
            cm_g711_decode(CM_G711_MU_LAW, v->second[i]) + 2 * cos(turn) * last - before;
        before = last;
        last = now;
    }
    return before * before + last * last - 2 * cos(turn) * before * last;
}

static unsigned strongest_tone(const viewer *v)
{
    unsigned best = 0;
    for (unsigned tone = 0; tone < CM_TONES; tone++)
        if (strength(v, cm_tone_hz(tone)) > strength(v, cm_tone_hz(best)))
            best = tone;
    return best;
}

static void each_camera_is_known_by_its_sound(void **state)
{
    (void)state;
    town t = {0};
    viewer v[3];
    town_open_with(&t, 3, 0, CM_SIMCAM_SOUND_PCMU);
    for (uint32_t i = 0; i < 3; i++) {
        viewer_connect(&t, &v[i], i + 1);
        say_to(&t, &v[i], "SETUP", i + 1, "/trackID=1",
               "Transport: RTP/AVP/TCP;interleaved=2-3\r\n");
        assert_int_equal(v[i].status, 200);
        say(&t, &v[i], "PLAY", i + 1, "");
    }
    /* As long as it takes until the frame that begins a second is the first of a round. */
    cm_sim_run_for(t.sim, CM_SECONDS(60));
    for (uint32_t i = 0; i < 3; i++) {
        assert_in_range(v[i].sounds, 60 * 25 - 3, 60 * 25 + 3);
        assert_int_equal(v[i].sound_gaps, 0);
        assert_int_equal(v[i].sound_jumps, 0);
        assert_in_range(v[i].reports, 12, 13);
        assert_int_equal(strongest_tone(&v[i]), cm_tone_of((uint16_t)(100 + i)));
        assert_in_range(v[i].stamps, 60 * 20 - 2, 60 * 20 + 6);
        viewer_close(&v[i]);
    }
    town_close(&t);
}

static void sound_has_its_troubles(void **state)
{
    (void)state;
    town t = {0};
    viewer v;
    town_open_with(&t, 1, 0, CM_SIMCAM_SOUND_PCMU);
    viewer_connect(&t, &v, 1);
    say_to(&t, &v, "SETUP", 1, "/trackID=1", "Transport: RTP/AVP/TCP;interleaved=2-3\r\n");
    say(&t, &v, "PLAY", 1, "");
    cm_sim_run_for(t.sim, CM_SECONDS(2));
    cm_trouble_wish wish;
    assert_int_equal(cm_trouble_parse(CM_TEXT("cam1:mute+4s"), &wish), CM_OK);
    assert_int_equal(cm_simcam_trouble(t.simcam, &wish), CM_OK);
    cm_sim_run_for(t.sim, CM_MS(100));
    const uint64_t sounds = v.sounds, pictures = v.stamps;
    cm_sim_run_for(t.sim, CM_SECONDS(3));
    assert_int_equal(v.sounds, sounds);
    assert_true(v.stamps > pictures + 50);
    cm_sim_run_for(t.sim, CM_SECONDS(3)); /* what was missed for longer than a second is left out */
    assert_in_range(v.sounds, sounds + 65, sounds + 85);
    assert_int_equal(v.sound_gaps, 0);
    assert_int_equal(v.sound_jumps, 1);
    assert_int_equal(cm_trouble_parse(CM_TEXT("cam1:drop=50"), &wish), CM_OK);
    assert_int_equal(cm_simcam_trouble(t.simcam, &wish), CM_OK);
    cm_sim_run_for(t.sim, CM_SECONDS(20));
    assert_in_range(v.sound_gaps, 80, 170);
    viewer_close(&v);
    town_close(&t);
}

static void sound_is_set_up_behind_the_pictures(void **state)
{
    (void)state;
    static const char TRANSPORT[] = "Transport: RTP/AVP/TCP;interleaved=2-3\r\n";
    town t = {0};
    viewer v;
    town_open_with(&t, 2, 0, CM_SIMCAM_SOUND_PCMA);
    viewer_connect(&t, &v, 1);
    say_to(&t, &v, "SETUP", 2, "/trackID=1", TRANSPORT); /* another camera's */
    assert_int_equal(v.status, 455);
    say_to(&t, &v, "SETUP", 1, "/sub/trackID=1", TRANSPORT); /* another stream's */
    assert_int_equal(v.status, 455);
    say_to(&t, &v, "SETUP", 1, "/trackID=1",
           "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n");
    assert_int_equal(v.status, 461);
    say_to(&t, &v, "SETUP", 1, "/trackID=2", TRANSPORT);
    assert_int_equal(v.status, 404);
    say_to(&t, &v, "SETUP", 1, "/trackID=1", TRANSPORT);
    assert_int_equal(v.status, 200);
    viewer_close(&v);
    town_close(&t);
    town_open(&t, 1, 0); /* without sound there is no such track */
    viewer_connect(&t, &v, 1);
    say_to(&t, &v, "SETUP", 1, "/trackID=1", TRANSPORT);
    assert_int_equal(v.status, 404);
    viewer_close(&v);
    town_close(&t);
}

/* A file of every tone: loops of 50 frames of 20 ms, each of two bytes that name tone and frame. */
static cm_slice write_sound_file(uint8_t codec, uint16_t ticks, uint8_t *storage, size_t capacity)
{
    cm_writer w = cm_writer_over(storage, capacity);
    cm_write_text(&w, CM_SOUND_FILE_MAGIC);
    cm_write_u8(&w, codec);
    cm_write_u32(&w, 48000);
    cm_write_u16(&w, ticks);
    cm_write_u16(&w, 50);
    cm_write_u8(&w, 2);
    cm_write_u16(&w, 0x1190);
    for (uint8_t tone = 0; tone < CM_TONES; tone++)
        for (uint8_t i = 0; i < 50; i++) {
            cm_write_u16(&w, 2);
            cm_write_u8(&w, tone);
            cm_write_u8(&w, i);
        }
    assert_false(w.failed);
    return cm_writer_done(&w);
}

/* ---- talk ---- */

#define REQUIRE "Require: www.onvif.org/ver20/backchannel\r\n"

static void speak(town *t, viewer *v, uint8_t channel, uint8_t type, uint8_t byte)
{
    uint8_t samples[160];
    uint8_t bytes[256];
    memset(samples, byte, sizeof samples);
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_rtsp_write_interleaved_header(&w, channel, CM_RTP_HEADER_SIZE + sizeof samples);
    cm_rtp_write(&w, &(cm_rtp_packet){.payload_type = type,
                                      .payload = cm_slice_over(samples, sizeof samples)});
    const cm_slice part = cm_writer_done(&w);
    size_t taken;
    assert_int_equal(cm_tcp_write(v->tcp, &part, 1, &taken), CM_OK);
    cm_sim_run_for(t->sim, CM_MS(10));
}

/* Who asks for it finds its ear, and nothing but that is between them. */
static void a_camera_hears_what_is_said_to_it(void **state)
{
    (void)state;
    town t = {.talk = CM_SIMCAM_TALK_PCMA};
    viewer v, other;
    town_open_with(&t, 3, 0, CM_SIMCAM_SOUND_PCMU);
    viewer_connect(&t, &v, 2);
    say(&t, &v, "DESCRIBE", 2, "");
    assert_null(strstr(v.body, "trackID=2"));
    assert_null(strstr(v.body, "a=recvonly"));
    say(&t, &v, "DESCRIBE", 2, REQUIRE);
    const char *ear = strstr(v.body, "m=audio 0 RTP/AVP 8");
    assert_non_null(ear);
    assert_non_null(strstr(ear, "a=sendonly"));
    assert_non_null(strstr(ear, "a=control:trackID=2"));
    assert_non_null(strstr(v.body, "a=recvonly"));
    say_to(&t, &v, "SETUP", 2, "/trackID=2", REQUIRE "Transport: RTP/AVP/TCP;interleaved=4-5\r\n");
    assert_int_equal(v.status, 200);
    speak(&t, &v, 4, 8, 1);
    assert_int_equal(t.spoken, 0); /* before PLAY */
    say(&t, &v, "PLAY", 2, REQUIRE);
    assert_int_equal(v.status, 200);
    speak(&t, &v, 4, 8, 2);
    assert_true(t.spoken == 1 && t.hearer == 2 && t.last_heard == 2);
    speak(&t, &v, 0, 8, 3); /* not its channel */
    speak(&t, &v, 4, 0, 4); /* not its law */
    assert_int_equal(t.spoken, 1);
    viewer_play(&t, &other, 1);
    speak(&t, &other, 0, 8, 5); /* not an ear */
    cm_sim_run_for(t.sim, CM_SECONDS(2));
    assert_int_equal(t.spoken, 1);
    assert_true(other.stamps > 20);
    assert_true(v.packets == 0 && v.sounds == 0);
    say(&t, &v, "TEARDOWN", 2, "");
    assert_int_equal(v.status, 200);
    speak(&t, &v, 4, 8, 6);
    assert_int_equal(t.spoken, 1);
    viewer_close(&v);
    viewer_close(&other);
    town_close(&t);
}

static void a_camera_may_refuse_to_hear(void **state)
{
    (void)state;
    town t = {.talk = CM_SIMCAM_TALK_REFUSED};
    viewer v;
    town_open(&t, 1, 0);
    viewer_connect(&t, &v, 1);
    say(&t, &v, "DESCRIBE", 1, REQUIRE);
    assert_int_equal(v.status, 551);
    say(&t, &v, "DESCRIBE", 1, "");
    assert_int_equal(v.status, 200);
    viewer_close(&v);
    town_close(&t);
    t = (town){.talk = CM_SIMCAM_TALK_NONE};
    town_open(&t, 1, 0);
    viewer_connect(&t, &v, 1);
    say(&t, &v, "DESCRIBE", 1, REQUIRE);
    assert_int_equal(v.status, 200);
    assert_null(strstr(v.body, "sendonly"));
    say_to(&t, &v, "SETUP", 1, "/trackID=2", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n");
    assert_int_equal(v.status, 404);
    viewer_close(&v);
    town_close(&t);
}

static void a_sound_file_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    uint8_t storage[8192];
    cm_sound_set *set = NULL;
    const cm_slice file = write_sound_file(CM_SOUND_FILE_AAC, 960, storage, sizeof storage);
    assert_int_equal(cm_sound_set_parse(file, &set), CM_OK);
    assert_int_equal(set->codec, CM_SOUND_FILE_AAC);
    assert_int_equal(set->config_size, 2);
    assert_int_equal(set->loops[7].frame_us, 20000);
    const cm_slice frame = cm_sound_loop_frame(&set->loops[7], 50 * 1000 + 49);
    assert_true(cm_slice_equal(frame, BYTES(7, 49)));
    cm_sound_set_destroy(set);
    set = NULL;
    for (size_t size = 0; size < file.size; size += size < 40 ? 1 : 97)
        assert_int_not_equal(cm_sound_set_parse(cm_slice_part(file, 0, size), &set), CM_OK);
    assert_int_equal(cm_sound_set_parse(cm_slice_over(storage, file.size + 1), &set), CM_CLOSE);
    /* Frames that begin at no microsecond, a loop of half a second, an unknown codec. */
    assert_int_equal(cm_sound_set_parse(write_sound_file(0, 1024, storage, sizeof storage), &set),
                     CM_REFUSE);
    assert_int_equal(cm_sound_set_parse(write_sound_file(0, 480, storage, sizeof storage), &set),
                     CM_REFUSE);
    assert_int_equal(cm_sound_set_parse(write_sound_file(2, 960, storage, sizeof storage), &set),
                     CM_REFUSE);
    write_sound_file(0, 960, storage, sizeof storage);
    storage[CM_SOUND_FILE_MAGIC_SIZE + 1 + 4 + 2 + 2 + 1 + 2 + 1] = 0; /* an empty frame */
    assert_int_equal(cm_sound_set_parse(cm_slice_over(storage, file.size), &set), CM_REFUSE);
    assert_null(set);
}

static void each_viewer_sees_every_picture_of_its_camera_for_minutes(void **state)
{
    (void)state;
    town t = {0};
    viewer v[5];
    town_open(&t, 5, 0);
    for (uint32_t i = 0; i < 5; i++)
        viewer_play(&t, &v[i], i + 1);
    cm_sim_run_for(t.sim, CM_SECONDS(600));
    for (uint32_t i = 0; i < 5; i++) {
        assert_in_range(v[i].stamps, 600 * 20 - 2, 600 * 20 + 6);
        assert_int_equal(v[i].gaps, 0);
        assert_int_equal(v[i].foreign, 0);
        assert_int_equal(v[i].jumps, 0);
        /* The counter is the number of picture times since 1970, modulo 2^32; cameras are spread
         * over one. */
        const int64_t behind = v[i].last_stamp.captured.us % ((INT64_C(1) << 32) * 50000) -
                               (int64_t)v[i].last_stamp.code.counter * 50000;
        assert_in_range(behind, 0, 50000);
        viewer_close(&v[i]);
    }
    cm_sim_run_for(t.sim, CM_SECONDS(1));
    assert_int_equal(cm_simcam_read_counters(t.simcam)->sessions, 0);
    town_close(&t);
}

static void trouble_comes_and_goes_on_one_camera_only(void **state)
{
    (void)state;
    town t = {0};
    viewer v[2];
    town_open(&t, 2, 0);
    viewer_play(&t, &v[0], 1);
    viewer_play(&t, &v[1], 2);
    cm_trouble_wish wish;
    assert_int_equal(cm_trouble_parse(CM_TEXT("cam1:stall@5s+10s"), &wish), CM_OK);
    assert_int_equal(cm_simcam_trouble(t.simcam, &wish), CM_OK);
    cm_sim_run_for(t.sim, CM_SECONDS(20));
    assert_in_range(v[0].stamps, 10 * 20 - 4, 10 * 20 + 4);
    assert_int_equal(v[0].jumps, 1);
    assert_int_equal(v[0].gaps, 0);
    assert_in_range(v[1].stamps, 20 * 20 - 4, 20 * 20 + 4);
    wish = (cm_trouble_wish){.camera = 1, .kind = CM_TROUBLE_CLOSE};
    assert_int_equal(cm_simcam_trouble(t.simcam, &wish), CM_OK);
    cm_sim_run_for(t.sim, CM_SECONDS(1));
    assert_true(v[0].is_closed && !v[1].is_closed);
    wish.camera = 3;
    assert_int_equal(cm_simcam_trouble(t.simcam, &wish), CM_ABSENT);
    viewer_close(&v[0]);
    viewer_close(&v[1]);
    town_close(&t);
}

static void a_camera_has_only_so_many_sessions(void **state)
{
    (void)state;
    town t = {0};
    viewer v[3];
    town_open(&t, 1, 2);
    viewer_play(&t, &v[0], 1);
    viewer_connect(&t, &v[1], 1);
    assert_int_equal(v[1].status, 200);
    viewer_connect(&t, &v[2], 1);
    assert_int_equal(v[2].status, 453);
    say(&t, &v[1], "TEARDOWN", 1, "");
    assert_int_equal(v[1].status, 200);
    say(&t, &v[2], "SETUP", 1, "Transport: RTP/AVP/TCP;interleaved=0-1\r\n");
    assert_int_equal(v[2].status, 200);
    for (size_t i = 0; i < 3; i++)
        viewer_close(&v[i]);
    town_close(&t);
}

static void a_wall_clock_that_jumps_disturbs_no_picture(void **state)
{
    (void)state;
    town t = {0};
    viewer v;
    town_open(&t, 1, 0);
    viewer_play(&t, &v, 1);
    cm_sim_run_for(t.sim, CM_SECONDS(1));
    cm_sim_wall_jump(t.sim, CM_SECONDS(7200)); /* people set clocks; pictures go on */
    cm_sim_run_for(t.sim, CM_SECONDS(10));
    assert_int_equal(v.jumps, 0);
    assert_in_range(v.stamps, 11 * 20 - 3, 11 * 20 + 3);
    viewer_close(&v);
    town_close(&t);
}

static void a_config_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    town t = {0};
    town_open(&t, 1, 0);
    const cm_scene *const scenes[] = {t.scene};
    const cm_simcam_config good = {.listen = cm_simcam_address(t.simcam),
                                   .camera_count = 1,
                                   .auth = CM_SIMCAM_AUTH_NONE,
                                   .scenes = {scenes, scenes},
                                   .scene_count = 1};
    cm_simcam *other;
    cm_simcam_config bad = good; /* the address is in use */
    assert_int_equal(cm_simcam_create(t.cameras, &bad, &other), CM_REFUSE);
    bad.listen.port = 0;
    bad.camera_count = 0;
    assert_int_equal(cm_simcam_create(t.cameras, &bad, &other), CM_REFUSE);
    bad.camera_count = 2;
    bad.code_first = 65535; /* the second would need 17 bits */
    assert_int_equal(cm_simcam_create(t.cameras, &bad, &other), CM_REFUSE);
    bad.code_first = 65534;
    bad.auth = CM_SIMCAM_AUTH_DIGEST; /* without a user */
    assert_int_equal(cm_simcam_create(t.cameras, &bad, &other), CM_REFUSE);
    town_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_says_camera_kind_value_and_time),
        cmocka_unit_test(anything_else_is_no_wish),
        cmocka_unit_test(troubles_start_once_and_end),
        cmocka_unit_test(what_happens_once_is_over_at_once),
        cmocka_unit_test(wishes_are_bounded_and_none_ends_all),
        cmocka_unit_test(each_viewer_sees_every_picture_of_its_camera_for_minutes),
        cmocka_unit_test(each_camera_is_known_by_its_sound),
        cmocka_unit_test(sound_has_its_troubles),
        cmocka_unit_test(a_sound_file_is_read_whole_or_not_at_all),
        cmocka_unit_test(sound_is_set_up_behind_the_pictures),
        cmocka_unit_test(a_camera_hears_what_is_said_to_it),
        cmocka_unit_test(a_camera_may_refuse_to_hear),
        cmocka_unit_test(trouble_comes_and_goes_on_one_camera_only),
        cmocka_unit_test(a_camera_has_only_so_many_sessions),
        cmocka_unit_test(a_wall_clock_that_jumps_disturbs_no_picture),
        cmocka_unit_test(a_config_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
