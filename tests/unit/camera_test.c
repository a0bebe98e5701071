/* ingest/camera: pictures' times, back-off, turns to connect; whole cameras against a scripted one
 * on a simulated network: states, causes, what is published, what is tried again and when. */
#include "ingest/camera.h"

#include "camera_stage.h"
#include "ingest/backoff.h"
#include "ingest/camera_priv.h"

enum { FRAME_US = 50000 };

/* ---- the clock ---- */

typedef struct timing {
    cm_capture_clock clock;
    cm_random random;
    int64_t now_us;
    int64_t sent_us;  /* by the camera's clock */
    double rate;      /* camera's seconds in one of ours */
    int64_t delay_us; /* least */
    int64_t jitter_us;
    int64_t clock_rate;
    cm_capture_times times;
    bool has_times;
    int64_t age_error_us; /* of the newest: captured minus when it was, apart from the delay */
} timing;

static timing timing_begin(void)
{
    timing t = {.random = cm_random_seeded(3),
                .now_us = CM_SECONDS(500),
                .sent_us = CM_SECONDS(7),
                .rate = 1,
                .delay_us = 20000,
                .clock_rate = 90000};
    cm_capture_clock_init(&t.clock);
    return t;
}

static const int64_t WALL = CM_SECONDS(1000000);

/* One picture, `step_us` after the one before. */
static void frame_after(timing *t, int64_t step_us)
{
    t->now_us += step_us;
    t->sent_us += (int64_t)((double)step_us * t->rate);
    const int64_t jitter_us =
        t->jitter_us > 0 ? (int64_t)cm_random_below(&t->random, (uint64_t)t->jitter_us) : 0;
    const int64_t arrived_us = t->now_us + t->delay_us + jitter_us;
    const cm_media_time before = t->times.media_time;
    cm_capture_clock_take(&t->clock, t->sent_us * t->clock_rate / 1000000, (uint32_t)t->clock_rate,
                          (cm_instant){arrived_us}, (cm_wall){WALL + arrived_us}, &t->times);
    assert_true(!t->has_times || t->times.media_time > before);
    assert_true(t->times.captured.us <= WALL + arrived_us);
    t->has_times = true;
    t->age_error_us = t->times.captured.us - WALL - t->now_us - t->delay_us;
}

static void frames(timing *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        frame_after(t, FRAME_US);
}

static void jitter_is_filtered(void **state)
{
    (void)state;
    timing t = timing_begin();
    t.jitter_us = 40000;
    frames(&t, 400);
    for (int i = 0; i < 400; i++) {
        const cm_media_time before = t.times.media_time;
        frame_after(&t, FRAME_US);
        assert_in_range(t.age_error_us + 1000, 0, 6000); /* of 40 ms */
        assert_in_range(t.times.media_time - before, TICKS - 100, TICKS + 100);
    }
    assert_int_equal(t.times.duration_ms, 149);
}

static void drift_is_followed(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        timing t = timing_begin();
        t.rate = 1 + sign * 200e-6;
        t.jitter_us = 5000;
        frames(&t, 20 * 3600);
        assert_in_range(t.age_error_us + 3000, 0, 6000);
        assert_in_range(t.times.media_time - (t.now_us + t.delay_us) * 9 / 100 + 900, 0, 1800);
    }
}

static void a_leap_begins_anew(void **state)
{
    (void)state;
    static const int64_t LEAPS[] = {CM_SECONDS(7200), -CM_SECONDS(5), CM_SECONDS(2)};
    for (size_t i = 0; i < CM_COUNT(LEAPS); i++) {
        timing t = timing_begin();
        frames(&t, 200);
        const cm_media_time before = t.times.media_time;
        t.sent_us += LEAPS[i];
        frame_after(&t, FRAME_US);
        assert_in_range(t.age_error_us + 1, 0, 2);
        assert_in_range(t.times.media_time - before, TICKS - 10, TICKS + 10);
        frames(&t, 10);
        assert_in_range(t.age_error_us + 1, 0, 2);
    }
}

/* What a stalled network held back is old when it comes, and is said to be. */
static void a_stall_is_not_hidden(void **state)
{
    (void)state;
    timing t = timing_begin();
    frames(&t, 200);
    t.delay_us += CM_SECONDS(3);
    frame_after(&t, FRAME_US);
    assert_in_range(-t.age_error_us, CM_SECONDS(3) - 1000, CM_SECONDS(3) + 1000);
}

static void media_time_rises_over_a_restart(void **state)
{
    (void)state;
    timing t = timing_begin();
    frames(&t, 50);
    cm_capture_clock_restart(&t.clock);
    t.sent_us = 0;
    frame_after(&t, FRAME_US); /* checks that it rises */
    assert_in_range(t.age_error_us + 1, 0, 2);
    const cm_media_time before = t.times.media_time;
    t.now_us += CM_SECONDS(60);
    cm_capture_clock_restart(&t.clock);
    frame_after(&t, FRAME_US);
    assert_in_range(t.times.media_time - before, 60 * 90000, 61 * 90000);
}

static void equal_timestamps_are_not_believed(void **state)
{
    (void)state;
    timing t = timing_begin();
    t.rate = 0;
    frames(&t, 6);
    for (int i = 0; i < 400; i++) {
        const cm_media_time before = t.times.media_time;
        frame_after(&t, FRAME_US);
        assert_in_range(t.times.media_time - before, TICKS - 10, TICKS + 10);
    }
    assert_in_range(t.age_error_us + 1, 0, 2);
}

static void a_wrong_rate_is_not_believed(void **state)
{
    (void)state;
    static const double RATES[] = {0.5, 1.11, 2};
    for (size_t i = 0; i < CM_COUNT(RATES); i++) {
        timing t = timing_begin();
        t.rate = RATES[i];
        frames(&t, 20 * 20);
        const cm_media_time before = t.times.media_time;
        frames(&t, 200);
        assert_in_range(t.times.media_time - before, 200 * TICKS - 900, 200 * TICKS + 900);
        assert_in_range(t.age_error_us + 1, 0, 2);
        t.rate = 1; /* and is believed again when it comes right */
        frames(&t, 20 * 20);
        t.jitter_us = 40000;
        frames(&t, 200);
        t.jitter_us = 1;
        t.delay_us += 30000;
        frame_after(&t, FRAME_US);
        assert_in_range(-t.age_error_us, 25000, 31000);
    }
}

static void b_pictures_get_rising_times(void **state)
{
    (void)state;
    timing t = timing_begin();
    /* In the order sent: I P B B P B B …, each 50 ms after the one before. */
    static const int64_t SHOWN[] = {0, 3, 1, 2};
    cm_media_time last = 0;
    for (int64_t i = 0; i < 400; i++) {
        const int64_t shown = i == 0 ? 0 : 3 * ((i - 1) / 3) + SHOWN[1 + (i - 1) % 3];
        t.now_us += FRAME_US;
        cm_capture_clock_take(&t.clock, shown * TICKS, 90000, (cm_instant){t.now_us},
                              (cm_wall){WALL + t.now_us}, &t.times);
        assert_true(i == 0 || t.times.media_time > last);
        if (i > 20) /* once it has learnt the order, evenly */
            assert_in_range(t.times.media_time - last, TICKS - 100, TICKS + 100);
        last = t.times.media_time;
    }
}

static void durations_have_bounds(void **state)
{
    (void)state;
    timing t = timing_begin();
    for (int i = 0; i < 50; i++)
        frame_after(&t, 10000);
    assert_int_equal(t.times.duration_ms, 100);
    timing slow = timing_begin();
    for (int i = 0; i < 50; i++)
        frame_after(&slow, CM_SECONDS(2));
    assert_in_range(slow.times.duration_ms, 5900, 6000);
}

/* ---- back-off ---- */

static void back_off_grows_to_a_minute(void **state)
{
    (void)state;
    cm_random random = cm_random_seeded(9);
    static const int64_t SECONDS[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (unsigned i = 0; i < CM_COUNT(SECONDS); i++) {
        int64_t least = INT64_MAX;
        int64_t most = 0;
        for (int n = 0; n < 500; n++) {
            const int64_t us = cm_backoff_us(i + 1, false, &random);
            least = us < least ? us : least;
            most = us > most ? us : most;
        }
        assert_in_range(least, SECONDS[i] * 800000, SECONDS[i] * 820000);
        assert_in_range(most, SECONDS[i] * 1180000, SECONDS[i] * 1200000);
    }
    assert_true(cm_backoff_us(4000000000u, false, &random) <= CM_SECONDS(72));
    for (int n = 0; n < 500; n++)
        assert_true(cm_backoff_us(1, true, &random) >= CM_SECONDS(60));
    assert_true(cm_backoff_us(100, true, &random) >= CM_SECONDS(480));
}

/* ---- a whole camera ---- */

static void it_goes_live(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    assert_int_equal(s.told + s.wanted, 0); /* nothing inside the call */
    assert_int_equal(main_of(&s)->state, CM_CAMERA_CONNECTING);
    run_ms(&s, 100);
    assert_int_equal(s.wanted, 1);
    show(&s, 100, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    assert_int_equal(main_of(&s)->cause, CM_CAUSE_NONE);
    assert_string_equal(main_of(&s)->codec, "avc1.42C00C");
    assert_int_equal(main_of(&s)->width, 320);
    assert_in_range(main_of(&s)->fps_milli, 19000, 21000);
    assert_int_equal(main_of(&s)->frames, 100);
    assert_int_equal(s.keyframes, 5);
    assert_false(cm_camera_read_status(s.it)->streams[CM_STREAM_SUB].is_configured);
    assert_null(cm_camera_source(s.it, CM_STREAM_SUB));
    assert_in_range(s.told, 3, 10); /* at most once a second, once it is live */
    stage_close(&s);
}

static bool looks_at_frame(void *owner, const cm_opened_frame *opened)
{
    (void)owner;
    assert_int_equal(opened->count, 3);
    const cm_slice sps = SPS_BASELINE;
    const cm_slice idr = FAKE_IDR;
    assert_true(cm_slice_equal(opened->granules[0], sps));
    assert_true(cm_slice_equal(opened->granules[2], idr));
    return true;
}

/* The camera's parameter sets stand in its description only. */
static void keyframes_carry_their_parameter_sets(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 1, &timestamp);
    const cm_frame *frame = cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN));
    assert_non_null(frame);
    assert_int_equal(frame->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
    cm_fanout *fanout;
    cm_lease *lease = testing_lease(&s.media, 1);
    cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    cm_fanout_viewer viewer = {.lease = lease, .cursor = &cursor};
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_fanout_open(fanout, frame, (cm_instant){CM_SECONDS(1)}, &viewer, 1, looks_at_frame);
    assert_int_equal(viewer.refusal, CM_REFUSAL_NONE);
    assert_true(cursor.has_begun);
    cm_fanout_destroy(fanout);
    cm_lease_destroy(lease);
    stage_close(&s);
}

static void without_parameter_sets_nothing_is_published(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    s.camera.sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    create(&s);
    run_ms(&s, 100);
    show(&s, 25, &timestamp);
    assert_int_equal(s.keyframes, 0);
    cm_source_counters counters;
    cm_source_read_counters(cm_camera_source(s.it, CM_STREAM_MAIN), &counters);
    assert_int_equal(counters.frames + counters.dropped, 0); /* nor what refers to it */
    /* In band they do. */
    fake_send_frame(&s.camera, SPS_BASELINE, timestamp, false);
    fake_send_frame(&s.camera, PPS_BASELINE, timestamp, false);
    show(&s, 1, &timestamp);
    assert_int_equal(s.keyframes, 1);
    stage_close(&s);
}

static void parameter_sets_may_change(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 2, &timestamp);
    fake_send_frame(&s.camera, SPS_HIGH, timestamp, false);
    fake_send_frame(&s.camera, PPS_HIGH, timestamp, false);
    show(&s, 1, &timestamp);
    assert_string_equal(main_of(&s)->codec, "avc1.640028");
    assert_int_equal(main_of(&s)->width, 1920);
    assert_int_equal(main_of(&s)->height, 1080);
    assert_int_equal(s.keyframes, 2);
    stage_close(&s);
}

/* Another SSRC's timestamps begin anywhere: half a second back is no leap, and says nothing. */
static void another_ssrc_has_another_clock(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 90000;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 20, &timestamp);
    s.camera.ssrc++;
    timestamp -= 45000;
    show(&s, 1, &timestamp);
    const cm_frame *frame = cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN));
    assert_int_equal(s.keyframes, 2);
    assert_in_range(cm_loop_wall(s.loop).us - frame->captured.us, 49000, 51000);
    assert_true((frame->flags & CM_FRAME_DISCONTINUITY) != 0);
    stage_close(&s);
}

/* ---- a turn that takes long ---- */

typedef struct late_turn {
    stage *s;
    cm_camera_push push;
    cm_task task;
    cm_video_depacketizer depacketizer;
    cm_buffer buffer;
    uint32_t timestamp;
    int64_t captured_us[2];
} late_turn;

static void read_nothing(const cm_camera_push *push, cm_camera_push_counters *out)
{
    (void)push;
    *out = (cm_camera_push_counters){0};
}

static void on_late_unit(void *context, const cm_video_unit *unit)
{
    late_turn *t = context;
    const cm_ingest_unit told = {.unit = unit,
                                 .sets = cm_video_depacketizer_sets(&t->depacketizer),
                                 .ticks = t->timestamp,
                                 .clock_rate = 90000};
    cm_camera_push_unit(&t->push, &told);
}

static int64_t put_keyframe(late_turn *t)
{
    const cm_slice nals[] = {SPS_BASELINE, PPS_BASELINE, BYTES(0x65, 0x88, 0x84, 1, 2, 3)};
    for (size_t n = 0; n < CM_COUNT(nals); n++) {
        const cm_video_payload payload = {
            .bytes = nals[n], .timestamp = t->timestamp, .marker = n + 1 == CM_COUNT(nals)};
        assert_int_equal(cm_video_depacketizer_put(&t->depacketizer, &payload), CM_OK);
    }
    return cm_source_keyframe(cm_camera_source(t->s->it, CM_STREAM_MAIN))->captured.us;
}

static void two_pictures_in_one_turn(cm_task *task)
{
    late_turn *t = CM_HOLDER(task, late_turn, task);
    t->captured_us[0] = put_keyframe(t);
    cm_sim_spend(t->s->sim, CM_MS(60)); /* others were served; meanwhile one more was taken */
    t->timestamp += 60 * 90;
    t->captured_us[1] = put_keyframe(t);
}

/* Else all that come later would be told as older than they are, for as long as the filter looks
 * back. */
static void a_picture_read_late_in_a_turn_was_not_there_when_it_began(void **state)
{
    (void)state;
    stage s;
    late_turn t = {.s = &s, .push = {.read_counters = read_nothing}};
    stage_open(&s);
    s.config.login = (cm_camera_login){.is_pushed = true};
    create(&s);
    cm_buffer_init(&t.buffer, CM_VIDEO_MAX_UNIT_BYTES);
    cm_video_depacketizer_init(&t.depacketizer, CM_VIDEO_H264, &t.buffer, on_late_unit, &t);
    assert_int_equal(cm_camera_push_begin(s.it, &s.media.camera, &t.push), CM_OK);
    run_ms(&s, 50);
    t.task.run = two_pictures_in_one_turn;
    cm_loop_post(s.loop, &t.task);
    run_ms(&s, 60);
    assert_int_equal(t.captured_us[1] - t.captured_us[0], CM_MS(60));
    const int64_t later_us = cm_loop_wall(s.loop).us - t.captured_us[1];
    t.timestamp += (uint32_t)(later_us * 9 / 100);
    assert_int_equal(put_keyframe(&t), cm_loop_wall(s.loop).us);
    cm_camera_push_end(&t.push, CM_CAUSE_NONE, "");
    cm_buffer_deinit(&t.buffer);
    stage_close(&s);
}

static void it_comes_back_after_a_loss(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 300, &timestamp); /* live for long enough to be trusted again */
    const cm_media_time before =
        cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN))->media_time;
    fake_close(&s.camera);
    run_ms(&s, 20);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_CONNECTING);
    assert_int_equal(main_of(&s)->cause, CM_CAUSE_CLOSED);
    assert_null(cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN)));
    const int64_t wait_us = main_of(&s)->next_try.us - cm_loop_wall(s.loop).us;
    assert_in_range(wait_us, 700000, 1200000);
    run_ms(&s, 1500);
    timestamp = 77; /* the camera restarted */
    show(&s, 1, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    assert_int_equal(main_of(&s)->reconnects, 1);
    assert_true(cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN))->media_time > before);
    stage_close(&s);
}

static bool hangs_up(fake *f, const cm_rtsp_message *request)
{
    (void)request;
    fake_close(f);
    return true;
}

static void failures_space_out(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = hangs_up;
    create(&s);
    cm_sim_run_for(s.sim, CM_SECONDS(600));
    /* 1 + 2 + 4 + 8 + 16 + 32 + 60 … */
    assert_in_range(s.camera.connections, 12, 18);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_UNREACHABLE);
    stage_close(&s);
}

static bool speaks_http(fake *f, const cm_rtsp_message *request)
{
    (void)request;
    fake_send(f, CM_TEXT("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    return true;
}

static void what_is_no_camera_is_left_alone(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.script = speaks_http;
    create(&s);
    cm_sim_run_for(s.sim, CM_SECONDS(59));
    assert_int_equal(s.camera.connections, 1);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_UNSUPPORTED);
    assert_int_equal(main_of(&s)->cause, CM_CAUSE_PROTOCOL);
    stage_close(&s);
}

static void a_wrong_password_is_tried_seldom(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.camera.www_authenticate = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n1\"\r\n";
    s.camera.challenge = (cm_rtsp_challenge){
        .scheme = CM_RTSP_AUTH_DIGEST_MD5, .realm = CM_TEXT("cam"), .nonce = CM_TEXT("n1")};
    s.camera.user = "admin";
    s.camera.password = "right";
    s.config.login.user = "admin";
    s.config.login.password = "wrong";
    create(&s);
    cm_sim_run_for(s.sim, CM_SECONDS(59));
    assert_int_equal(s.camera.connections, 1);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_WRONG_PASSWORD);
    cm_sim_run_for(s.sim, CM_SECONDS(3600));
    assert_in_range(s.camera.connections, 5, 12);
    /* Another login is tried at once. */
    const size_t before = s.camera.connections;
    const cm_camera_login login = {
        .addresses = {"rtsp://10.0.0.2/live"}, .user = "admin", .password = "right"};
    assert_int_equal(cm_camera_set_login(s.it, &login, true), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(s.camera.connections, before + 1);
    uint32_t timestamp = 0;
    show(&s, 1, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    stage_close(&s);
}

/* As when the command line changed something else: all cameras are told their logins again. */
static void the_same_login_again_leaves_what_runs_alone(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    uint32_t timestamp = 0;
    show(&s, 1, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    const size_t before = s.camera.connections;
    assert_int_equal(cm_camera_set_login(s.it, &s.config.login, true), CM_OK);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    run_ms(&s, 500);
    assert_int_equal(s.camera.connections, before);
    stage_close(&s);
}

static void a_bad_login_changes_nothing(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 1, &timestamp);
    const cm_camera_login login = {.addresses = {"rtsp://10.0.0.2/live", "http://10.0.0.2/"}};
    assert_int_equal(cm_camera_set_login(s.it, &login, true), CM_REFUSE);
    show(&s, 1, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    assert_int_equal(s.camera.counts[CM_RTSP_TEARDOWN], 0);
    stage_close(&s);
}

static void the_same_login_again_changes_nothing(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    create(&s);
    run_ms(&s, 100);
    show(&s, 1, &timestamp);
    const size_t before = s.camera.connections;
    assert_int_equal(cm_camera_set_login(s.it, &s.config.login, true), CM_OK);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    show(&s, 1, &timestamp);
    assert_int_equal(s.camera.connections, before);
    assert_int_equal(s.camera.counts[CM_RTSP_TEARDOWN], 0);
    /* Any part of it that is another is another login. */
    cm_camera_login login = s.config.login;
    login.password = "another";
    assert_int_equal(cm_camera_set_login(s.it, &login, true), CM_OK);
    run_ms(&s, 100);
    assert_int_equal(s.camera.connections, before + 1);
    stage_close(&s);
}

static void it_connects_while_it_is_wanted(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    s.config.keep_always = false;
    create(&s);
    run_ms(&s, 1000);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_STOPPED);
    assert_int_equal(s.camera.connections, 0);
    cm_camera_want(s.it, CM_STREAM_MAIN, true);
    cm_camera_want(s.it, CM_STREAM_MAIN, true);
    run_ms(&s, 100);
    show(&s, 2, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    cm_camera_want(s.it, CM_STREAM_MAIN, false);
    show(&s, 300, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE); /* somebody else does */
    cm_camera_want(s.it, CM_STREAM_MAIN, false);
    show(&s, 180, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE); /* 9 s later */
    show(&s, 40, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_STOPPED);
    run_ms(&s, 100);
    assert_int_equal(s.camera.counts[CM_RTSP_TEARDOWN], 1);
    stage_close(&s);
}

static void silent_udp_falls_back_to_tcp(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.config.prefers_udp = true;
    create(&s);
    run_ms(&s, 4500);
    assert_int_equal(s.camera.connections, 2);
    assert_non_null(strstr(s.camera.transport, "RTP/AVP/TCP"));
    cm_udp_close(s.camera.rtp); /* what it sends goes over TCP */
    cm_udp_close(s.camera.rtcp);
    s.camera.rtp = s.camera.rtcp = NULL;
    uint32_t timestamp = 0;
    show(&s, 2, &timestamp);
    assert_int_equal(main_of(&s)->state, CM_CAMERA_LIVE);
    assert_false(main_of(&s)->is_udp);
    stage_close(&s);
}

static void without_sealers_nothing_is_published(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    s.withholds_sealers = true;
    create(&s);
    run_ms(&s, 100);
    show(&s, 40, &timestamp);
    assert_true(s.wanted > 1);
    assert_int_equal(s.keyframes, 0);
    give_sealers(&s);
    show(&s, 1, &timestamp);
    assert_int_equal(s.keyframes, 1);
    /* All that came has its number: who looks at it sees what is missing. */
    assert_int_equal(cm_source_keyframe(cm_camera_source(s.it, CM_STREAM_MAIN))->number, 40);
    stage_close(&s);
}

static void sealers_of_no_stream_are_destroyed(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    create(&s);
    cm_sealer *frames_sealer = testing_sealer(&s.media, CM_STREAM_SUB, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(&s.media, CM_STREAM_SUB, CM_OBJECT_STILL, 1);
    assert_int_equal(cm_camera_take_sealers(s.it, CM_STREAM_SUB, frames_sealer, stills),
                     CM_ABSENT); /* ASan would see a leak */
    stage_close(&s);
}

/* ---- probes ---- */

static void on_done(void *owner, const cm_camera_status *status)
{
    stage *s = owner;
    assert_false(s->is_done);
    s->is_done = true;
    s->done = *status;
    cm_camera_destroy(s->it); /* its owner may, here */
    s->it = NULL;
}

static void a_probe_tells_once(void **state)
{
    (void)state;
    stage s;
    uint32_t timestamp = 0;
    stage_open(&s);
    assert_int_equal(cm_camera_create_probe(&s.config, on_done, &s.it), CM_OK);
    run_ms(&s, 100);
    assert_false(s.is_done);
    show(&s, 2, &timestamp);
    assert_true(s.is_done);
    assert_int_equal(s.done.streams[CM_STREAM_MAIN].state, CM_CAMERA_LIVE);
    assert_string_equal(s.done.streams[CM_STREAM_MAIN].codec, "avc1.42C00C");
    stage_close(&s);
}

static void a_probe_names_the_failure(void **state)
{
    (void)state;
    static const struct {
        const char *sub;
        cm_camera_cause cause;
    } ROWS[] = {{"rtsp://10.0.0.2:555/sub", CM_CAUSE_ADDRESS_REFUSED},
                {"rtsp://nowhere.lan/sub", CM_CAUSE_NAME_NOT_FOUND}};
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        stage s;
        stage_open(&s);
        s.config.login.addresses[CM_STREAM_SUB] = ROWS[i].sub;
        assert_int_equal(cm_camera_create_probe(&s.config, on_done, &s.it), CM_OK);
        run_ms(&s, 1000);
        assert_true(s.is_done);
        assert_int_equal(s.done.streams[CM_STREAM_SUB].cause, ROWS[i].cause);
        stage_close(&s);
    }
}

static void a_probe_has_ten_seconds(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    assert_int_equal(cm_camera_create_probe(&s.config, on_done, &s.it), CM_OK);
    run_ms(&s, 9900);
    assert_false(s.is_done);
    run_ms(&s, 200);
    assert_true(s.is_done);
    assert_int_equal(s.done.streams[CM_STREAM_MAIN].cause, CM_CAUSE_NO_PICTURES);
    stage_close(&s);
}

/* ---- turns to connect ---- */

enum { TICKETS = 5 };

typedef struct crowd {
    cm_connect_ticket tickets[TICKETS];
    size_t held;
    cm_connect_ticket *order[TICKETS];
} crowd;

static crowd *the_crowd;

static void on_turn(cm_connect_ticket *ticket)
{
    the_crowd->order[the_crowd->held++] = ticket;
}

static void turns_are_bounded_and_fair(void **state)
{
    (void)state;
    stage s;
    crowd c = {.held = 0};
    cm_connect_gate *gate;
    stage_open(&s);
    the_crowd = &c;
    assert_int_equal(cm_connect_gate_create(s.loop, 2, &gate), CM_OK);
    for (size_t i = 0; i < TICKETS; i++) {
        cm_connect_ticket_init(&c.tickets[i], on_turn);
        cm_connect_ticket_ask(gate, &c.tickets[i]);
    }
    cm_connect_ticket_ask(gate, &c.tickets[0]); /* once is enough */
    assert_int_equal(c.held, 0);
    run_ms(&s, 10);
    assert_int_equal(c.held, 2);
    cm_connect_ticket_give_back(gate, &c.tickets[2]); /* leaves the queue */
    cm_connect_ticket_give_back(gate, &c.tickets[1]);
    run_ms(&s, 10);
    assert_int_equal(c.held, 3);
    assert_ptr_equal(c.order[2], &c.tickets[3]);
    for (size_t i = 0; i < TICKETS; i++)
        cm_connect_ticket_give_back(gate, &c.tickets[i]);
    cm_connect_gate_destroy(gate);
    stage_close(&s);
}

static void the_table_of_phases(void **state)
{
    (void)state;
    /* Rows: from off, queued, running, resting. Columns: to. */
    static const char *const ROWS[CM_FEED_PHASES] = {".x..", "x.x.", "x..x", "xx.."};
    for (int from = 0; from < CM_FEED_PHASES; from++) {
        for (int to = 0; to < CM_FEED_PHASES; to++)
            assert_int_equal(cm_feed_phase_may_turn((cm_feed_phase)from, (cm_feed_phase)to),
                             ROWS[from][to] == 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_is_filtered),
        cmocka_unit_test(drift_is_followed),
        cmocka_unit_test(a_leap_begins_anew),
        cmocka_unit_test(a_stall_is_not_hidden),
        cmocka_unit_test(media_time_rises_over_a_restart),
        cmocka_unit_test(equal_timestamps_are_not_believed),
        cmocka_unit_test(a_wrong_rate_is_not_believed),
        cmocka_unit_test(b_pictures_get_rising_times),
        cmocka_unit_test(durations_have_bounds),
        cmocka_unit_test(back_off_grows_to_a_minute),
        cmocka_unit_test(it_goes_live),
        cmocka_unit_test(keyframes_carry_their_parameter_sets),
        cmocka_unit_test(without_parameter_sets_nothing_is_published),
        cmocka_unit_test(parameter_sets_may_change),
        cmocka_unit_test(another_ssrc_has_another_clock),
        cmocka_unit_test(a_picture_read_late_in_a_turn_was_not_there_when_it_began),
        cmocka_unit_test(it_comes_back_after_a_loss),
        cmocka_unit_test(failures_space_out),
        cmocka_unit_test(what_is_no_camera_is_left_alone),
        cmocka_unit_test(a_wrong_password_is_tried_seldom),
        cmocka_unit_test(the_same_login_again_leaves_what_runs_alone),
        cmocka_unit_test(a_bad_login_changes_nothing),
        cmocka_unit_test(the_same_login_again_changes_nothing),
        cmocka_unit_test(it_connects_while_it_is_wanted),
        cmocka_unit_test(silent_udp_falls_back_to_tcp),
        cmocka_unit_test(without_sealers_nothing_is_published),
        cmocka_unit_test(sealers_of_no_stream_are_destroyed),
        cmocka_unit_test(a_probe_tells_once),
        cmocka_unit_test(a_probe_names_the_failure),
        cmocka_unit_test(a_probe_has_ten_seconds),
        cmocka_unit_test(turns_are_bounded_and_fair),
        cmocka_unit_test(the_table_of_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
