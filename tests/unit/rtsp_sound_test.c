/* The sound of an RTSP session: which one is taken, how it is asked for, what is heard, and that
 * nothing that is wrong with it costs the pictures. A scripted camera on a simulated network. */
#include "ingest/camera.h"

#include "camera_stage.h"
#include "ingest/camera_priv.h"

enum { HEARD_MAX = 600, FRAME_BYTES = 4096 };

/* What came out of the camera's source: opened under a lease that may listen. */
typedef struct heard {
    cm_subscription *subscription;
    size_t count;
    size_t discontinuities;
    cm_sound_format format;
    size_t bytes; /* of all */
    uint8_t last[FRAME_BYTES];
    size_t last_size;
    cm_media_time media_times[HEARD_MAX];
    cm_wall captured[HEARD_MAX];
    uint16_t durations_ms[HEARD_MAX];
} heard;

typedef struct hall {
    stage s;
    heard ear;
} hall;

static bool on_frame(void *owner, const cm_opened_frame *opened)
{
    heard *h = owner;
    assert_true(h->count < HEARD_MAX && opened->count >= 2);
    assert_true((opened->frame->flags & CM_FRAME_KEYFRAME) != 0);
    assert_int_equal(cm_sound_format_read(opened->granules[0], &h->format), CM_OK);
    cm_writer w = cm_writer_over(h->last, sizeof h->last);
    for (size_t i = 1; i < opened->count; i++)
        cm_write_slice(&w, opened->granules[i]);
    assert_false(w.failed);
    h->last_size = w.used;
    h->bytes += w.used;
    h->discontinuities += (opened->frame->flags & CM_FRAME_DISCONTINUITY) != 0 ? 1 : 0;
    h->media_times[h->count] = opened->frame->media_time;
    h->captured[h->count] = opened->frame->captured;
    h->durations_ms[h->count] = opened->frame->duration_ms;
    h->count++;
    return true;
}

static void on_stale(void *owner)
{
    (void)owner;
}

static void listen(hall *h)
{
    static const cm_subscription_events EAR = {
        .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_stale};
    cm_lease *lease = NULL;
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < h->s.media.key_count; i++)
        if (h->s.media.keys[i].stream == CM_STREAM_SOUND)
            keys[count++] = h->s.media.keys[i];
    cm_lease_terms terms = testing_terms(&h->s.media, 1);
    terms.streams = UINT32_C(1) << CM_STREAM_SOUND;
    terms.rights = CM_RIGHT_LISTEN;
    terms.from = cm_loop_now(h->s.loop);
    terms.until = cm_instant_after(terms.from, CM_SECONDS(60));
    terms.keys = keys;
    terms.key_count = count;
    assert_int_equal(cm_lease_create(&terms, h->s.media.slot, &lease), CM_OK);
    assert_int_equal(
        cm_hub_subscribe(h->s.hub, lease, CM_STREAM_SOUND, &EAR, &h->ear, &h->ear.subscription),
        CM_OK);
}

static void hall_open(hall *h, const char *sdp)
{
    *h = (hall){.ear = {0}};
    stage_open(&h->s);
    h->s.camera.sdp = sdp;
}

/* Comes live with a picture; then the ear is there. */
static void hall_begin(hall *h)
{
    uint32_t timestamp = 1000;
    create(&h->s);
    cm_sealer *sealer = testing_sealer(&h->s.media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_camera_take_sealers(h->s.it, CM_STREAM_SOUND, sealer, NULL), CM_OK);
    run_ms(&h->s, 200);
    show(&h->s, 4, &timestamp);
    listen(h);
}

static void hall_close(hall *h)
{
    cm_subscription_close(h->ear.subscription);
    stage_close(&h->s);
}

static const cm_sound_status *sound_of(const hall *h)
{
    return &cm_camera_read_status(h->s.it)->sound;
}

static void expect_live(const hall *h)
{
    assert_int_equal(main_of(&h->s)->state, CM_CAMERA_LIVE);
    assert_true(main_of(&h->s)->frames > 0);
    assert_int_equal(main_of(&h->s)->reconnects, 0);
}

/* `count` packets of 20 ms, 160 bytes of G.711 each. */
static void speak(hall *h, size_t count, uint32_t *timestamp)
{
    uint8_t samples[160];
    for (size_t i = 0; i < count; i++) {
        memset(samples, (int)i, sizeof samples);
        fake_send_sound(&h->s.camera, cm_slice_over(samples, sizeof samples), *timestamp);
        *timestamp += 160;
        run_ms(&h->s, 20);
    }
}

/* ---- it is heard ---- */

static void pcmu_is_heard_over_tcp(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 4000000000u;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    expect_live(&h);
    assert_string_equal(main_of(&h.s)->detail, "");
    assert_int_equal(h.s.camera.sound.setups, 1);
    assert_non_null(strstr(h.s.camera.sound.transport, "interleaved=2-3"));
    assert_true(sound_of(&h)->is_there); /* before anything is heard */
    speak(&h, 50, &timestamp);
    assert_int_equal(h.ear.count, 50);
    assert_int_equal(h.ear.bytes, 50 * 160);
    assert_int_equal(h.ear.last[0], 49);
    assert_int_equal(h.ear.format.codec, CM_SOUND_PCMU);
    assert_int_equal(h.ear.format.rate, 8000);
    assert_int_equal(h.ear.format.channels, 1);
    assert_int_equal(h.ear.discontinuities, 1);
    for (size_t i = 1; i < 50; i++) {
        assert_int_equal(h.ear.durations_ms[i], 20);
        assert_in_range(h.ear.media_times[i] - h.ear.media_times[i - 1], 1790, 1810);
    }
    run_ms(&h.s, 1100);
    assert_int_equal(sound_of(&h)->frames, 50);
    assert_int_equal(sound_of(&h)->codec, CM_SOUND_PCMU);
    assert_int_equal(sound_of(&h)->packets_lost, 0);
    hall_close(&h);
}

static void nobody_hears_under_a_lease_to_look(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 0;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    cm_subscription_close(h.ear.subscription);
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    cm_lease_terms terms = testing_terms(&h.s.media, 1);
    size_t count = 0;
    for (size_t i = 0; i < h.s.media.key_count; i++)
        if (h.s.media.keys[i].stream != CM_STREAM_SOUND)
            keys[count++] = h.s.media.keys[i];
    terms.keys = keys;
    terms.key_count = count;
    terms.from = cm_loop_now(h.s.loop);
    terms.until = cm_instant_after(terms.from, CM_SECONDS(60));
    cm_lease *lease = NULL;
    assert_int_equal(cm_lease_create(&terms, h.s.media.slot, &lease), CM_OK);
    static const cm_subscription_events EAR = {
        .on_frame = on_frame, .on_stale = on_stale, .on_broken = on_stale};
    assert_int_equal(
        cm_hub_subscribe(h.s.hub, lease, CM_STREAM_SOUND, &EAR, &h.ear, &h.ear.subscription),
        CM_OK);
    speak(&h, 20, &timestamp);
    assert_int_equal(h.ear.count, 0);
    assert_int_equal(sound_of(&h)->frames, 20);
    hall_close(&h);
}

/* The first sample, not the packet's arrival, by the clock that dates the pictures. */
static void it_is_dated_by_its_first_sample(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 100;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    uint8_t samples[1600] = {0}; /* 200 ms */
    for (int i = 0; i < 5; i++) {
        run_ms(&h.s, 200);
        fake_send_sound(&h.s.camera, cm_slice_over(samples, sizeof samples), timestamp);
        timestamp += 1600;
    }
    const cm_wall sent = cm_loop_wall(h.s.loop);
    run_ms(&h.s, 5);
    assert_int_equal(h.ear.count, 5 * 4); /* 60, 60, 60 and 20 ms */
    for (size_t i = 0; i < h.ear.count; i++) {
        assert_int_equal(h.ear.durations_ms[i], i % 4 == 3 ? 20 : 60);
        const int64_t began_us = sent.us - CM_MS(200) * (5 - (int64_t)(i / 4));
        const int64_t at_us = began_us + CM_MS(60) * (int64_t)(i % 4);
        /* the simulated network takes a millisecond or two */
        if (i >= 4)
            assert_in_range(h.ear.captured[i].us - at_us, 0, 5000);
    }
    hall_close(&h);
}

static void it_is_heard_over_udp(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 1;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    h.s.config.prefers_udp = true;
    hall_begin(&h);
    expect_live(&h);
    assert_true(main_of(&h.s)->is_udp);
    assert_non_null(h.s.camera.sound.rtp);
    speak(&h, 30, &timestamp);
    assert_int_equal(h.ear.count, 30);
    /* A stranger on another port of the camera's address, and another source on its own. */
    cm_udp *stranger = NULL;
    cm_udp_config config = {.local = cm_udp_local(h.s.camera.sound.rtp), .owner = &h};
    config.local.port = 0;
    cm_udp *own = h.s.camera.sound.rtp;
    assert_int_equal(cm_udp_open(h.s.there, &config, &stranger), CM_OK);
    h.s.camera.sound.rtp = stranger;
    speak(&h, 10, &timestamp);
    h.s.camera.sound.rtp = own;
    h.s.camera.sound.sequence = (uint16_t)(h.s.camera.sound.sequence - 10);
    assert_int_equal(h.ear.count, 30);
    const uint32_t ssrc = h.s.camera.sound.ssrc;
    h.s.camera.sound.ssrc = 4711;
    speak(&h, 1, &timestamp);
    h.s.camera.sound.ssrc = ssrc;
    h.s.camera.sound.sequence--;
    assert_int_equal(h.ear.count, 30);
    speak(&h, 10, &timestamp);
    assert_int_equal(h.ear.count, 40);
    cm_udp_close(stranger);
    hall_close(&h);
}

static void losses_are_counted_apart(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 1;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    speak(&h, 10, &timestamp);
    h.s.camera.sound.sequence = (uint16_t)(h.s.camera.sound.sequence + 3);
    timestamp += 3 * 160;
    speak(&h, 10, &timestamp);
    run_ms(&h.s, 1100);
    assert_int_equal(h.ear.count, 20);
    assert_int_equal(h.ear.discontinuities, 2);
    assert_int_equal(sound_of(&h)->packets_lost, 3);
    assert_int_equal(main_of(&h.s)->packets_lost, 0);
    hall_close(&h);
}

static void each_track_has_its_reports(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 1;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    speak(&h, 300, &timestamp);
    assert_true(h.s.camera.reports_on[1] > 0);
    assert_int_equal(h.s.camera.reports_on[3], h.s.camera.reports_on[1]);
    assert_int_equal(h.s.camera.reports_on[0] + h.s.camera.reports_on[2], 0);
    hall_close(&h);
}

/* ---- codecs ---- */

#define AAC_MAP "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n"
#define AAC_FMTP                                                                                   \
    "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"          \
    "indexdeltalength=3;config=1408\r\n"

static void speak_aac(hall *h, cm_slice unit, size_t per_packet, uint32_t timestamp)
{
    uint8_t storage[512];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_u16(&w, (uint16_t)(16 * per_packet));
    for (size_t i = 0; i < per_packet; i++)
        cm_write_u16(&w, (uint16_t)(unit.size << 3));
    for (size_t i = 0; i < per_packet; i++)
        cm_write_slice(&w, unit);
    assert_false(w.failed);
    fake_send_sound(&h->s.camera, cm_writer_done(&w), timestamp);
    run_ms(&h->s, (int64_t)per_packet * 64);
}

static void aac_is_heard(const char *sdp)
{
    hall h;
    hall_open(&h, sdp);
    h.s.camera.sound.payload_type = 97;
    hall_begin(&h);
    expect_live(&h);
    assert_true(sound_of(&h)->is_there);
    const cm_slice unit = BYTES(0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c);
    for (uint32_t i = 0; i < 6; i++)
        speak_aac(&h, unit, 3, 500 + i * 3 * 1024);
    assert_int_equal(h.ear.count, 18);
    assert_int_equal(h.ear.format.codec, CM_SOUND_AAC);
    assert_int_equal(h.ear.format.rate, 16000);
    assert_int_equal(h.ear.format.channels, 1);
    assert_int_equal(h.ear.format.config_size, 2);
    assert_int_equal(h.ear.format.config[0] << 8 | h.ear.format.config[1], 0x1408);
    assert_true(cm_slice_equal(cm_slice_over(h.ear.last, h.ear.last_size), unit));
    assert_int_equal(h.ear.durations_ms[7], 64);
    hall_close(&h);
}

static void aac_is_heard_unit_by_unit(void **state)
{
    (void)state;
    aac_is_heard(FAKE_SDP_WITH(AAC_MAP AAC_FMTP));
}

static void aac_without_its_parameters_is_what_it_usually_is(void **state)
{
    (void)state;
    aac_is_heard(FAKE_SDP_WITH(AAC_MAP));
}

static void aac_with_a_clock_that_can_not_be_is_at_its_own_rate(void **state)
{
    (void)state;
    aac_is_heard(
        FAKE_SDP_WITH("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\n" AAC_FMTP));
}

static void a_header_of_adts_is_taken_off(void **state)
{
    (void)state;
    hall h;
    hall_open(&h, FAKE_SDP_WITH(AAC_MAP AAC_FMTP));
    h.s.camera.sound.payload_type = 97;
    hall_begin(&h);
    speak_aac(&h, BYTES(0xff, 0xf1, 0x60, 0x40, 0x01, 0x9f, 0xfc, 0x21, 0x10, 0x04), 1, 1);
    assert_int_equal(h.ear.count, 1);
    assert_true(
        cm_slice_equal(cm_slice_over(h.ear.last, h.ear.last_size), BYTES(0x21, 0x10, 0x04)));
    hall_close(&h);
}

static void opus_is_heard(void **state)
{
    (void)state;
    hall h;
    hall_open(&h, FAKE_SDP_WITH("m=audio 0 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"));
    h.s.camera.sound.payload_type = 111;
    hall_begin(&h);
    for (uint32_t i = 0; i < 10; i++) {
        fake_send_sound(&h.s.camera, BYTES(0xf8, 0xff, 0xfe), i * 960); /* CELT, 20 ms */
        run_ms(&h.s, 20);
    }
    assert_int_equal(h.ear.count, 10);
    assert_int_equal(h.ear.format.codec, CM_SOUND_OPUS);
    assert_int_equal(h.ear.format.rate, 48000);
    assert_int_equal(h.ear.durations_ms[3], 20);
    hall_close(&h);
}

static void a_long_frame_has_several_granules(void **state)
{
    (void)state;
    hall h;
    hall_open(&h, FAKE_SDP_WITH("m=audio 0 RTP/AVP 98\r\na=rtpmap:98 PCMA/32000/2\r\n"));
    h.s.camera.sound.payload_type = 98;
    hall_begin(&h);
    uint8_t samples[3000];
    for (size_t i = 0; i < sizeof samples; i++)
        samples[i] = (uint8_t)(i * 7);
    fake_send_sound(&h.s.camera, cm_slice_over(samples, sizeof samples), 1);
    run_ms(&h.s, 10);
    assert_int_equal(h.ear.count, 1);
    assert_int_equal(h.ear.format.codec, CM_SOUND_PCMA);
    assert_int_equal(h.ear.format.channels, 2);
    assert_int_equal(h.ear.last_size, sizeof samples);
    assert_memory_equal(h.ear.last, samples, sizeof samples);
    hall_close(&h);
}

/* ---- descriptions ---- */

static void the_first_that_is_known_is_taken(void **state)
{
    (void)state;
    static const char *const SDPS[] = {
        /* audio stands first */
        FAKE_SDP_HEAD FAKE_PCMU "a=control:trackID=2\r\n" FAKE_VIDEO_MEDIA,
        /* another codec before it, in a media of its own, and as another payload */
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA "m=audio 0 RTP/AVP 99\r\na=rtpmap:99 G726-32/8000\r\n"
                                       "a=control:trackID=3\r\n" FAKE_PCMU
                                       "a=control:trackID=2\r\n",
        FAKE_SDP_WITH("m=audio 0 RTP/AVP 99 0\r\na=rtpmap:99 G726-32/8000\r\n"),
        /* its backchannel is none; but some say so of everything */
        FAKE_SDP_HEAD FAKE_VIDEO_MEDIA
        "m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=control:trackID=3\r\n" FAKE_PCMU
        "a=control:trackID=2\r\n",
        FAKE_SDP_HEAD "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=recvonly\r\n"
                      "a=control:trackID=1\r\n" FAKE_PCMU "a=recvonly\r\na=control:trackID=2\r\n",
    };
    for (size_t i = 0; i < CM_COUNT(SDPS); i++) {
        hall h;
        hall_open(&h, SDPS[i]);
        create(&h.s);
        run_ms(&h.s, 300);
        assert_int_equal(h.s.camera.sound.setups, 1);
        assert_true(sound_of(&h)->is_there);
        hall_close(&h);
    }
}

typedef struct refusal_row {
    const char *sdp;
    uint16_t status;
    const char *reply;
    const char *detail;
} refusal_row;

static void what_is_wrong_with_it_is_said_and_pictures_come(void **state)
{
    (void)state;
    static const refusal_row ROWS[] = {
        {FAKE_SDP_WITH("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 G726-32/8000\r\n"), 0, NULL,
         "its sound is of a codec unknown here: G726-32"},
        {FAKE_SDP_WITH("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 MP4A-LATM/16000\r\n"), 0, NULL,
         "its sound is of a codec unknown here: MP4A-LATM"},
        {FAKE_SDP_WITH("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 G\033[31m726/8000\r\n"), 0, NULL,
         "its sound is of a codec unknown here: G31m726"},
        {FAKE_SDP_WITH(FAKE_PCMU), 404, NULL, "it answers 404 to SETUP of its sound"},
        {FAKE_SDP_WITH(FAKE_PCMU), 461, NULL, "it answers 461 to SETUP of its sound"},
        {FAKE_SDP_WITH(FAKE_PCMU), 302, "Location: rtsp://10.0.0.9/\r\n",
         "it answers 302 to SETUP of its sound"},
        {FAKE_SDP_WITH(FAKE_PCMU), 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n",
         "it answers 401 to SETUP of its sound"},
        {FAKE_SDP_WITH(FAKE_PCMU), 0, "Transport: RTP/AVP;unicast;server_port=5000-5001\r\n",
         "it sends its sound over another transport"},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        hall h;
        uint32_t timestamp = 0;
        hall_open(&h, ROWS[i].sdp);
        h.s.camera.sound.status = ROWS[i].status;
        h.s.camera.sound.reply = ROWS[i].reply;
        hall_begin(&h);
        expect_live(&h);
        assert_string_equal(main_of(&h.s)->detail, ROWS[i].detail);
        assert_false(sound_of(&h)->is_there);
        /* What it sends all the same is nobody's. */
        h.s.camera.sound.channel = 2;
        speak(&h, 5, &timestamp);
        assert_int_equal(h.ear.count, 0);
        expect_live(&h);
        hall_close(&h);
    }
}

/* ---- cameras that fail over it ---- */

static bool is_of_sound(const fake *f, const cm_rtsp_message *request)
{
    return cm_rtsp_method_of(request->method) == CM_RTSP_SETUP &&
           strstr(f->uris[CM_RTSP_SETUP], "trackID=2") != NULL;
}

static bool hangs_up_over_sound(fake *f, const cm_rtsp_message *request)
{
    if (!is_of_sound(f, request))
        return false;
    f->step++;
    fake_close(f);
    return true;
}

static bool is_silent_over_sound(fake *f, const cm_rtsp_message *request)
{
    const bool is_so = is_of_sound(f, request);
    f->step += is_so ? 1 : 0;
    return is_so;
}

static bool refuses_to_play_two(fake *f, const cm_rtsp_message *request)
{
    const cm_rtsp_method method = cm_rtsp_method_of(request->method);
    if (method == CM_RTSP_SETUP && !is_of_sound(f, request))
        f->step = 0;
    f->step += is_of_sound(f, request) ? 1 : 0;
    if (method != CM_RTSP_PLAY || f->step == 0)
        return false;
    fake_answer(f, request, 455, NULL, NULL);
    return true;
}

static void a_session_that_fails_over_sound_begins_again_without(void **state)
{
    (void)state;
    static bool (*const SCRIPTS[])(fake * f, const cm_rtsp_message *request) = {
        hangs_up_over_sound, is_silent_over_sound, refuses_to_play_two};
    for (size_t i = 0; i < CM_COUNT(SCRIPTS); i++) {
        hall h;
        uint32_t timestamp = 0;
        hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
        h.s.camera.script = SCRIPTS[i];
        create(&h.s);
        run_ms(&h.s, 7000);
        show(&h.s, 4, &timestamp);
        expect_live(&h);
        assert_string_not_equal(main_of(&h.s)->detail, "");
        assert_false(sound_of(&h)->is_there);
        assert_int_equal(h.s.camera.connections, SCRIPTS[i] == is_silent_over_sound ? 1 : 2);
        hall_close(&h);
    }
}

static void sound_that_makes_no_sense_ends_alone(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 0;
    hall_open(&h, FAKE_SDP_WITH("m=audio 0 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"));
    h.s.camera.sound.payload_type = 111;
    hall_begin(&h);
    for (uint32_t i = 0; i < 60; i++) {
        fake_send_sound(&h.s.camera, BYTES(0xff), i * 960); /* a code-3 packet without its count */
        run_ms(&h.s, 5);
    }
    show(&h.s, 24, &timestamp);
    expect_live(&h);
    assert_string_equal(main_of(&h.s)->detail, "it sends sound that makes no sense");
    assert_false(sound_of(&h)->is_there);
    assert_int_equal(sound_of(&h)->malformed, 31);
    assert_int_equal(main_of(&h.s)->malformed, 0);
    hall_close(&h);
}

/* ---- channels ---- */

static void sound_on_the_channel_of_the_pictures_is_told_by_its_type(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 0, pictures = 9000000;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    h.s.camera.sound.reply = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    hall_begin(&h);
    h.s.camera.sound.channel = 0;
    const uint64_t before = main_of(&h.s)->frames;
    speak(&h, 10, &timestamp);
    show(&h.s, 10, &pictures);
    assert_int_equal(h.ear.count, 10);
    assert_int_equal(main_of(&h.s)->frames, before + 10);
    hall_close(&h);
}

static void sound_on_another_channel_than_agreed_is_found(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 0;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    h.s.camera.sound.channel = 4;
    speak(&h, 10, &timestamp);
    assert_int_equal(h.ear.count, 10);
    hall_close(&h);
}

/* Sound does not stand for pictures: a session without any ends. */
static void sound_alone_keeps_no_session(void **state)
{
    (void)state;
    hall h;
    uint32_t timestamp = 0;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    hall_begin(&h);
    speak(&h, 390, &timestamp);
    run_ms(&h.s, 100);
    for (int i = 0; i < 40 && h.s.camera.tcp != NULL; i++) {
        uint8_t silence[160] = {0};
        fake_send_sound(&h.s.camera, cm_slice_over(silence, sizeof silence), timestamp);
        timestamp += 160 * 5;
        run_ms(&h.s, 100);
    }
    assert_int_equal(main_of(&h.s)->reconnects, 1);
    hall_close(&h);
}

/* ---- which session ---- */

static void wanting_sound_wants_a_session(void **state)
{
    (void)state;
    hall h;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    h.s.config.keep_always = false;
    create(&h.s);
    run_ms(&h.s, 500);
    assert_int_equal(h.s.camera.connections, 0);
    cm_camera_want(h.s.it, CM_STREAM_SOUND, true);
    cm_camera_want(h.s.it, CM_STREAM_SOUND, true);
    run_ms(&h.s, 500);
    assert_int_equal(h.s.camera.sound.setups, 1);
    assert_true(sound_of(&h)->is_there);
    cm_camera_want(h.s.it, CM_STREAM_SOUND, false);
    run_ms(&h.s, 11000);
    assert_int_equal(h.s.camera.counts[CM_RTSP_TEARDOWN], 0);
    cm_camera_want(h.s.it, CM_STREAM_SOUND, false);
    run_ms(&h.s, 11000);
    assert_int_equal(main_of(&h.s)->state, CM_CAMERA_STOPPED);
    hall_close(&h);
}

/* Two sessions have it: main's is heard; sub's while main has none. */
static void main_is_heard_before_sub(void **state)
{
    (void)state;
    hall h;
    fake sub;
    cm_net *elsewhere = NULL;
    uint32_t timestamp = 0, pictures = 1000;
    hall_open(&h, FAKE_SDP_WITH(FAKE_PCMU));
    const cm_address host = address_of("10.0.0.3"), port = address_of("10.0.0.3:554");
    assert_int_equal(cm_sim_host_create(h.s.network, h.s.loop, &host, &elsewhere), CM_OK);
    fake_init(&sub, elsewhere, &port);
    sub.sdp = FAKE_SDP_WITH("m=audio 0 RTP/AVP 8\r\n");
    sub.sound.payload_type = 8;
    h.s.config.login.addresses[CM_STREAM_SUB] = "rtsp://10.0.0.3/sub";
    hall_begin(&h);
    const uint8_t silence[160] = {0};
    fake_send_sound(&sub, cm_slice_over(silence, sizeof silence), 160);
    run_ms(&h.s, 20);
    assert_int_equal(h.ear.format.codec, CM_SOUND_PCMA); /* nothing came of main's yet */
    speak(&h, 5, &timestamp);
    assert_int_equal(h.ear.format.codec, CM_SOUND_PCMU);
    assert_int_equal(h.ear.discontinuities, 2);
    fake_send_sound(&sub, cm_slice_over(silence, sizeof silence), 320);
    run_ms(&h.s, 20);
    assert_int_equal(h.ear.count, 6); /* not sub's */
    /* Main's stops, while its pictures come: sub's is taken after a while. */
    for (uint32_t i = 0; i < 30; i++) {
        show(&h.s, 2, &pictures);
        fake_send_sound(&sub, cm_slice_over(silence, sizeof silence), 480 + i * 800);
    }
    assert_int_equal(h.ear.format.codec, CM_SOUND_PCMA);
    run_ms(&h.s, 20);
    assert_in_range(h.ear.count, 6 + 8, 6 + 12); /* the last second of three */
    for (size_t i = 1; i < h.ear.count; i++)
        assert_true(h.ear.media_times[i] > h.ear.media_times[i - 1]);
    /* Main's session goes: nothing of it is left to hear, sub's comes at once. */
    const size_t before = h.ear.count;
    fake_close(&h.s.camera);
    run_ms(&h.s, 20);
    fake_send_sound(&sub, cm_slice_over(silence, sizeof silence), 480 + 30 * 800);
    run_ms(&h.s, 20);
    assert_int_equal(h.ear.count, before + 1);
    cm_camera_destroy(h.s.it);
    h.s.it = NULL;
    fake_deinit(&sub);
    run_ms(&h.s, 3000); /* what lingers */
    cm_net_destroy(elsewhere);
    hall_close(&h);
}

static void read_push_counters(const cm_camera_push *push, cm_camera_push_counters *out)
{
    (void)push;
    *out = (cm_camera_push_counters){0};
}

/* Sound that is brought goes the same way. */
static void sound_that_is_brought_is_heard(void **state)
{
    (void)state;
    hall h;
    cm_camera_push push = {.read_counters = read_push_counters};
    const cm_sound_format opus = {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000};
    cm_ingest_sound sound = {.format = &opus,
                             .bytes = BYTES(0xf8, 0xff, 0xfe),
                             .duration = 960,
                             .clock_rate = 48000,
                             .is_restart = true};
    hall_open(&h, NULL);
    h.s.config.login = (cm_camera_login){.is_pushed = true};
    create(&h.s);
    cm_sealer *sealer = testing_sealer(&h.s.media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    assert_int_equal(cm_camera_take_sealers(h.s.it, CM_STREAM_SOUND, sealer, NULL), CM_OK);
    assert_int_equal(cm_camera_push_begin(h.s.it, &h.s.config.key, &push), CM_OK);
    listen(&h);
    for (size_t i = 0; i < 10; i++) {
        cm_camera_push_sound(&push, &sound);
        sound.ticks += sound.duration;
        sound.is_restart = false;
        run_ms(&h.s, 20);
    }
    assert_int_equal(h.ear.count, 10);
    assert_int_equal(h.ear.format.codec, CM_SOUND_OPUS);
    assert_true(sound_of(&h)->is_there);
    cm_camera_push_end(&push, CM_CAUSE_CLOSED, "");
    cm_camera_push_sound(&push, &sound);
    run_ms(&h.s, 20);
    assert_int_equal(h.ear.count, 10);
    hall_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcmu_is_heard_over_tcp),
        cmocka_unit_test(nobody_hears_under_a_lease_to_look),
        cmocka_unit_test(it_is_dated_by_its_first_sample),
        cmocka_unit_test(it_is_heard_over_udp),
        cmocka_unit_test(losses_are_counted_apart),
        cmocka_unit_test(each_track_has_its_reports),
        cmocka_unit_test(aac_is_heard_unit_by_unit),
        cmocka_unit_test(aac_without_its_parameters_is_what_it_usually_is),
        cmocka_unit_test(aac_with_a_clock_that_can_not_be_is_at_its_own_rate),
        cmocka_unit_test(a_header_of_adts_is_taken_off),
        cmocka_unit_test(opus_is_heard),
        cmocka_unit_test(a_long_frame_has_several_granules),
        cmocka_unit_test(the_first_that_is_known_is_taken),
        cmocka_unit_test(what_is_wrong_with_it_is_said_and_pictures_come),
        cmocka_unit_test(a_session_that_fails_over_sound_begins_again_without),
        cmocka_unit_test(sound_that_makes_no_sense_ends_alone),
        cmocka_unit_test(sound_on_the_channel_of_the_pictures_is_told_by_its_type),
        cmocka_unit_test(sound_on_another_channel_than_agreed_is_found),
        cmocka_unit_test(sound_alone_keeps_no_session),
        cmocka_unit_test(main_is_heard_before_sub),
        cmocka_unit_test(sound_that_is_brought_is_heard),
        cmocka_unit_test(wanting_sound_wants_a_session),
    };
    return cmocka_run_group_tests_name("rtsp_sound", tests, NULL, NULL);
}
