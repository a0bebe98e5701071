/* egress/webrtc in virtual time: what a session is given of the pictures, when, with which
 * numbers; what a peer's RTCP makes of it; and that after a cut nothing more comes. */
#include "egress/webrtc/fault_webrtc.h"
#include "media/hub_priv.h"
#include "webrtc_rig.h"

enum { MID_SIZE = 1 };

typedef struct bench {
    rig r;
    camera c;
    wire_session *s;
    cm_webrtc_config config;
    cm_webrtc_viewer *v;
    receiver rx;
    unsigned stale;
    unsigned ended;
    bool destroys_at_end;
    cm_timer watch_timer;
    /* The estimator. */
    uint64_t bits_per_second;
    cm_webrtc_estimator estimator;
    unsigned sent, feedbacks, losses;
    uint16_t last_number;
    size_t sent_bytes;
    int64_t round_trip_us;
} bench;

/* ---- the estimator that a test sets ---- */

static void on_sent(void *context, uint16_t number, size_t bytes, cm_instant now)
{
    bench *b = context;
    (void)now;
    assert_true(b->sent == 0 || (uint16_t)(b->last_number + 1) == number);
    b->last_number = number;
    b->sent++;
    b->sent_bytes += bytes;
}

static void on_feedback(void *context, const cm_rtcp_transport_cc *report, cm_instant now)
{
    bench *b = context;
    (void)now;
    assert_int_equal(report->count, 2);
    b->feedbacks++;
}

static void on_loss(void *context, uint8_t fraction_lost, int64_t round_trip_us, cm_instant now)
{
    bench *b = context;
    (void)now;
    assert_int_equal(fraction_lost, 13);
    b->round_trip_us = round_trip_us;
    b->losses++;
}

static uint64_t bits_per_second(void *context)
{
    const bench *b = context;
    return b->bits_per_second;
}

/* ---- one viewer ---- */

static void on_stale(void *owner)
{
    bench *b = owner;
    b->stale++;
}

static void on_end(void *owner)
{
    bench *b = owner;
    b->ended++;
    if (!b->destroys_at_end)
        return;
    cm_webrtc_viewer_destroy(b->v);
    b->v = NULL;
}

static const cm_webrtc_events EVENTS = {on_stale, on_end};

/* The viewer lives on the last loop, the camera on the first. */
static int setup_on(void **state, size_t loops)
{
    bench *b = calloc(1, sizeof *b);
    rig_open(&b->r, loops, 0);
    rig_start(&b->r);
    b->c.rig = &b->r;
    b->s = wire_open(b->r.loops[loops - 1]);
    b->estimator = (cm_webrtc_estimator){.on_sent = on_sent,
                                         .on_feedback = on_feedback,
                                         .on_loss = on_loss,
                                         .bits_per_second = bits_per_second,
                                         .context = b};
    b->config = (cm_webrtc_config){.hub = b->r.hubs[loops - 1],
                                   .loop = b->r.loops[loops - 1],
                                   .transport = &b->s->transport,
                                   .stream = CM_STREAM_MAIN,
                                   .media = {.payload_type = MEDIA_TYPE,
                                             .rtx_payload_type = RTX_TYPE,
                                             .ssrc = MEDIA_SSRC,
                                             .rtx_ssrc = RTX_SSRC,
                                             .extensions = EXTENSIONS,
                                             .mid = CM_TEXT("0"),
                                             .cname = CM_TEXT("casement")},
                                   .events = &EVENTS,
                                   .owner = b};
    receiver_open(&b->rx, &b->c);
    *state = b;
    return 0;
}

static int setup(void **state)
{
    return setup_on(state, 1);
}

static int teardown(void **state)
{
    bench *b = *state;
    cm_webrtc_viewer_destroy(b->v);
    receiver_close(&b->rx);
    wire_close(b->s);
    rig_close(&b->r);
    free(b);
    return 0;
}

static cm_webrtc_viewer *make_viewer(bench *b)
{
    cm_webrtc_viewer *made;
    assert_int_equal(cm_webrtc_viewer_create(&b->config, rig_lease(&b->r, &b->r.door, 1), &made),
                     CM_OK);
    assert_int_equal(cm_webrtc_viewer_start(made), CM_OK);
    return made;
}

static void watch(bench *b)
{
    b->v = make_viewer(b);
}

/* Fast enough that nothing waits for the pace, unless a test is about it. */
static void watch_fast(bench *b)
{
    b->bits_per_second = 1000000000;
    b->config.estimator = &b->estimator;
    watch(b);
    rig_run(&b->r, CM_MS(1));
}

static cm_webrtc_figures figures_of(const bench *b)
{
    cm_webrtc_figures figures;
    cm_webrtc_viewer_read_figures(b->v, &figures);
    return figures;
}

static cm_hub_counters counters_of(const bench *b)
{
    return rig_counters(&b->r, 0);
}

/* What came is exactly the pictures `first` … `first + count - 1`. */
static void assert_received(bench *b, unsigned first, size_t count)
{
    assert_int_equal(receiver_take(&b->rx, b->s), count);
    assert_int_equal(b->rx.gaps, 0);
    assert_int_equal(b->rx.unfinished, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(b->rx.serials[i], first + i);
}

/* Packet `i` of those under the media's SSRC. */
static const wire_packet *packet_at(const bench *b, size_t i)
{
    for (size_t k = 0; k < b->s->count; k++)
        if (b->s->packets[k].rtp.ssrc == MEDIA_SSRC && !b->s->packets[k].is_again && i-- == 0)
            return &b->s->packets[k];
    fail();
    return NULL;
}

/* ---- the peer's RTCP ---- */

static void say(bench *b, const cm_writer *w)
{
    assert_false(w->failed);
    cm_webrtc_viewer_rtcp(b->v, cm_writer_done(w));
}

static void say_report(bench *b, uint32_t about, uint32_t last_sr, uint32_t delay)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const cm_rtcp_block block = {
        .ssrc = about, .fraction_lost = 13, .last_sr = last_sr, .delay_since_last_sr = delay};
    cm_rtcp_write_rr(&w, PEER_SSRC, &block);
    say(b, &w);
}

static void say_lost_of(bench *b, uint32_t ssrc, const uint16_t *lost, size_t count)
{
    uint8_t bytes[1024];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_rtcp_write_nack(&w, PEER_SSRC, ssrc, lost, count);
    say(b, &w);
}

static void say_lost(bench *b, uint16_t sequence)
{
    say_lost_of(b, MEDIA_SSRC, &sequence, 1);
}

static void say_pli(bench *b)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_rtcp_write_pli(&w, PEER_SSRC, MEDIA_SSRC);
    say(b, &w);
}

static void say_fir(bench *b, uint8_t command)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_rtcp_write_fir(&w, PEER_SSRC, MEDIA_SSRC, command);
    say(b, &w);
}

/* ---- pictures and packets ---- */

static void every_picture_arrives_as_it_was_put_in(void **state)
{
    bench *b = *state;
    watch_fast(b);
    const size_t sizes[] = {20, 1136, 1137, 2268, 2269, 9000, 40000, 100000};
    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        camera_run(&b->c, i % 4 == 0, sizes[i]);
        assert_int_equal(b->s->flushed, b->s->count);
    }
    assert_received(b, 0, CM_COUNT(sizes));
    for (size_t i = 0; i < b->s->count; i++) {
        const wire_packet *packet = &b->s->packets[i];
        assert_int_equal(packet->rtp.payload_type, MEDIA_TYPE);
        assert_int_equal(packet->rtp.ssrc, MEDIA_SSRC);
        const bool is_last =
            i + 1 == b->s->count || packet->rtp.timestamp != b->s->packets[i + 1].rtp.timestamp;
        assert_int_equal(packet->rtp.marker, is_last);
        assert_true(packet->size <= PACKET_MAX);
    }
    /* In real time: a picture each 50 ms. */
    for (size_t i = 1; i < b->rx.count; i++)
        assert_int_equal(b->rx.timestamps[i] - b->rx.timestamps[i - 1], PICTURE_US * 9 / 100);
    assert_int_equal(figures_of(b).pictures_sent, CM_COUNT(sizes));
    assert_int_equal(figures_of(b).packets_sent, b->s->count);
    assert_int_equal(b->sent, b->s->count);
    assert_int_equal(b->sent_bytes, figures_of(b).bytes_sent);
}

static void the_first_packet_says_when_the_picture_was_taken(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 5000);
    camera_run(&b->c, false, 5000);
    unsigned picture = 0;
    bool is_first = true;
    for (size_t i = 0; i < b->s->count; i++) {
        const wire_packet *packet = &b->s->packets[i];
        assert_int_equal(packet->extensions.has_capture_time, is_first);
        if (is_first)
            assert_int_equal(cm_rtp_wall_of(packet->extensions.capture_time).us,
                             b->c.sent[picture].captured.us);
        assert_true(packet->extensions.has_transport_sequence);
        assert_int_equal(packet->extensions.transport_sequence, (uint16_t)(65500 + i));
        is_first = packet->rtp.marker;
        picture += packet->rtp.marker;
    }
    assert_int_equal(picture, 2);
}

/* Firsts: packets that begin a picture. */
static void count_extensions(const bench *b, unsigned *mids, unsigned *delays, unsigned *firsts)
{
    *mids = *delays = *firsts = 0;
    for (size_t i = 0; i < b->s->count; i++) {
        const cm_rtp_extensions *extensions = &b->s->packets[i].extensions;
        *mids += extensions->mid.size == MID_SIZE;
        *delays += extensions->has_playout_delay;
        *firsts += extensions->has_capture_time;
        if (extensions->has_playout_delay)
            assert_int_equal(extensions->playout_min_10ms + extensions->playout_max_10ms, 0);
    }
}

static void mid_and_playout_delay_go_until_the_peer_has_heard_of_us(void **state)
{
    bench *b = *state;
    unsigned mids;
    unsigned delays;
    unsigned firsts;
    watch_fast(b);
    camera_run_group(&b->c, 5000, 3, 3000);
    say_report(b, MEDIA_SSRC + 7, 0, 0); /* of somebody else */
    camera_run(&b->c, false, 3000);
    count_extensions(b, &mids, &delays, &firsts);
    assert_int_equal(mids, b->s->count);
    assert_int_equal(firsts, 5);
    assert_int_equal(delays, 5);
    say_report(b, MEDIA_SSRC, 0, 0);
    wire_forget(b->s);
    camera_run(&b->c, false, 3000);
    camera_run_group(&b->c, 5000, 3, 3000);
    count_extensions(b, &mids, &delays, &firsts);
    assert_int_equal(mids, 0);
    assert_int_equal(firsts, 5);
    assert_int_equal(delays, 1); /* of the keyframe */
}

static void what_was_not_negotiated_is_not_sent(void **state)
{
    bench *b = *state;
    b->config.media.extensions = (cm_rtp_extension_ids){0};
    watch_fast(b);
    camera_run_group(&b->c, 20000, 2, 5000);
    for (size_t i = 0; i < b->s->count; i++)
        assert_false(b->s->packets[i].rtp.has_extension);
    assert_received(b, 0, 3);
}

/* Neighbours of one size go to the kernel as one datagram: those before the slice (parameter sets)
 * are of one size, and all of the slice. */
static void packets_of_a_picture_are_of_one_size(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 30001);
    camera_run(&b->c, false, 12345);
    camera_run(&b->c, false, 3409); /* 1,136.3 bytes each, one of them a byte smaller */
    unsigned other = 0;
    for (size_t i = 1; i < b->s->count; i++)
        other +=
            b->s->packets[i].size != b->s->packets[i - 1].size && !b->s->packets[i - 1].rtp.marker;
    assert_int_equal(other, 1); /* parameter sets to slice */
    assert_received(b, 0, 3);
    assert_true(b->s->packets[0].size <= SMALL_MAX);
    for (size_t i = 2; i < b->s->count; i++)
        assert_true(b->s->packets[i].rtp.padding_size <= PADDING_MAX);
}

static void sequence_numbers_wrap(void **state)
{
    bench *b = *state;
    watch_fast(b);
    b->v->sequence = 65530;
    camera_run_group(&b->c, 30000, 3, 3000);
    assert_received(b, 0, 4);
    assert_true(b->v->sequence < 65530);
    say_lost(b, 65535);
    say_lost(b, 0);
    assert_int_equal(figures_of(b).packets_resent, 2);
    cm_rtp_packet original;
    for (size_t i = 0; i < 2; i++) {
        const wire_packet *again = &b->s->packets[b->s->count - 2 + i];
        assert_int_equal(cm_rtp_rtx_restore(&again->rtp, MEDIA_TYPE, MEDIA_SSRC, &original), CM_OK);
        assert_true(cm_slice_equal(original.payload, packet_at(b, 5 + i)->rtp.payload));
    }
}

static void sequence_numbers_begin_low_and_apart(void **state)
{
    bench *b = *state;
    uint16_t first[8];
    for (size_t i = 0; i < CM_COUNT(first); i++) {
        watch(b);
        first[i] = b->v->sequence;
        assert_true(b->v->sequence < 32768); /* RFC 3711 3.3.1 */
        assert_true(b->v->rtx_sequence < 32768);
        cm_webrtc_viewer_destroy(b->v);
        b->v = NULL;
        assert_true(i == 0 || first[i] != first[i - 1]);
    }
    assert_int_equal(b->s->controls, 0); /* who sent nothing says no goodbye */
}

static void what_cannot_be_negotiated_is_refused(void **state)
{
    bench *b = *state;
    const cm_webrtc_config good = b->config;
    for (int i = 0; i < 5; i++) {
        b->config = good;
        cm_webrtc_media *media = &b->config.media;
        if (i == 0)
            media->extensions.capture_time = 15;
        else if (i == 1)
            media->payload_type = 128;
        else if (i == 2)
            media->mid = CM_TEXT("seventeen letters");
        else if (i == 3)
            media->cname = (cm_slice){0};
        else
            media->rtx_payload_type = 200;
        cm_webrtc_viewer *made = NULL;
        assert_int_equal(
            cm_webrtc_viewer_create(&b->config, rig_lease(&b->r, &b->r.door, 1), &made), CM_REFUSE);
        assert_null(made);
    }
}

static void nothing_is_sent_before_the_start(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 3000, 3, 1000);
    assert_int_equal(cm_webrtc_viewer_create(&b->config, rig_lease(&b->r, &b->r.door, 1), &b->v),
                     CM_OK);
    say_pli(b);
    cm_webrtc_viewer_renew(b->v, rig_lease(&b->r, &b->r.door, 1));
    camera_run(&b->c, false, 1000);
    assert_int_equal(b->s->count, 0);
    assert_int_equal(counters_of(b).subscriptions, 0);
    assert_int_equal(cm_webrtc_viewer_start(b->v), CM_OK);
    rig_run(&b->r, CM_MS(20));
    assert_received(b, 0, 5);
}

/* ---- joining ---- */

static void the_cached_group_comes_at_once_and_real_time_goes_on(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 8000, 19, 1500);
    const cm_instant joined = rig_now(&b->r);
    watch(b);
    rig_run(&b->r, CM_MS(49));
    const size_t cached = b->s->count;
    assert_true(cm_instant_since(b->s->packets[cached - 1].at, joined) < CM_MS(45));
    camera_run(&b->c, false, 1500);
    camera_run(&b->c, false, 1500);
    assert_received(b, 0, 22);
    for (size_t i = 1; i < 20; i++)
        assert_int_equal(b->rx.timestamps[i] - b->rx.timestamps[i - 1], 90); /* 1 ms */
    /* The newest of them stands at its own place in real time. */
    for (size_t i = 20; i < 22; i++)
        assert_int_equal(b->rx.timestamps[i] - b->rx.timestamps[19],
                         b->c.sent[i].media_time - b->c.sent[19].media_time);
    /* Every one says when it was taken. */
    const wire_packet *first = packet_at(b, 0);
    assert_int_equal(cm_rtp_wall_of(first->extensions.capture_time).us, b->c.sent[0].captured.us);
}

static void a_group_that_grows_while_it_is_sent_comes_whole(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 120000, 19, 4000); /* 1.6 Mbit: 160 ms at the pace of 10 Mbit/s */
    watch(b);
    rig_run(&b->r, CM_MS(1));
    for (int i = 0; i < 8; i++)
        camera_run(&b->c, false, 4000);
    assert_received(b, 0, 28);
    for (size_t i = 1; i < b->rx.count; i++)
        assert_true((int32_t)(b->rx.timestamps[i] - b->rx.timestamps[i - 1]) >= 90);
    assert_int_equal(b->rx.timestamps[27] - b->rx.timestamps[19],
                     b->c.sent[27].media_time - b->c.sent[19].media_time);
}

static void of_a_group_that_is_too_large_comes_the_keyframe(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 100000, 19, 10000); /* 2.4 Mbit, and 500 ms carry 2 */
    watch(b);
    for (int i = 0; i < 5; i++)
        camera_run(&b->c, false, 10000);
    assert_received(b, 0, 1);
    assert_int_equal(figures_of(b).pictures_skipped, 24);
    const unsigned keyframe = b->c.next;
    wire_forget(b->s);
    camera_run_group(&b->c, 50000, 5, 10000);
    assert_int_equal(receiver_take(&b->rx, b->s), 7);
    assert_int_equal(b->rx.gaps, 0); /* nothing looks lost */
    for (size_t i = 1; i < 7; i++)
        assert_int_equal(b->rx.serials[i], keyframe + i - 1);
    /* All of it is dated as it was taken. */
    assert_int_equal(b->rx.timestamps[1] - b->rx.timestamps[0],
                     b->c.sent[keyframe].media_time - b->c.sent[0].media_time);
}

static void on_watch_due(cm_timer *timer)
{
    watch(CM_HOLDER(timer, bench, watch_timer));
}

/* In a turn of the camera's loop, so that the viewer's has looked at its empty ring before pictures
 * cross: on threads it is so most of the time. */
static void watch_from_there(bench *b)
{
    cm_timer_init(&b->watch_timer, b->r.loops[0], on_watch_due);
    cm_timer_start(&b->watch_timer, 0);
    rig_run(&b->r, CM_MS(5));
}

/* The first viewer on a loop where the camera is not. */
static void a_group_from_another_loop_is_squeezed_too(void **state)
{
    (void)state;
    bench *b;
    assert_int_equal(setup_on((void **)&b, 2), 0);
    camera_run_group(&b->c, 8000, 19, 1500);
    watch_from_there(b);
    rig_run(&b->r, CM_MS(40));
    camera_run(&b->c, false, 1500);
    assert_received(b, 0, 21);
    for (size_t i = 1; i < 20; i++)
        assert_int_equal(b->rx.timestamps[i] - b->rx.timestamps[i - 1], 90);
    assert_int_equal(b->rx.timestamps[20] - b->rx.timestamps[19],
                     b->c.sent[20].media_time - b->c.sent[19].media_time);
    cm_webrtc_viewer_destroy(b->v);
    b->v = NULL;
    wire_forget(b->s);
    receiver_close(&b->rx);
    receiver_open(&b->rx, &b->c);
    camera_run_group(&b->c, 100000, 24, 10000); /* too large */
    rig_run(&b->r, CM_SECONDS(1));              /* and the mirror is gone */
    watch_from_there(b);
    rig_run(&b->r, CM_SECONDS(1));
    assert_received(b, 21, 1);
    teardown((void **)&b);
}

/* A camera of one picture in a while. */
static void an_old_keyframe_with_nothing_behind_it_is_sent(void **state)
{
    bench *b = *state;
    camera_run(&b->c, true, 3000);
    rig_run(&b->r, CM_SECONDS(1));
    watch(b);
    rig_run(&b->r, CM_MS(10));
    rig_run(&b->r, CM_SECONDS(1));
    camera_run(&b->c, false, 3000);
    assert_received(b, 0, 2);
    assert_int_equal(b->rx.timestamps[1] - b->rx.timestamps[0],
                     b->c.sent[1].media_time - b->c.sent[0].media_time);
}

static void what_is_too_large_depends_on_the_estimate(void **state)
{
    bench *b = *state;
    camera_run_group(&b->c, 100000, 19, 10000);
    b->config.estimator = &b->estimator;
    b->bits_per_second = 6000000; /* 500 ms carry 3 Mbit */
    watch(b);
    rig_run(&b->r, CM_SECONDS(1));
    assert_received(b, 0, 20);
}

static void a_joiner_waits_for_the_first_keyframe(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_put(&b->c, true, 1000);
    cm_source_stop(b->r.source);
    b->c.next = 0;
    wire_forget(b->s);
    rig_run(&b->r, CM_SECONDS(1));
    assert_int_equal(b->s->count, 0);
    camera_run_group(&b->c, 3000, 3, 1000);
    assert_received(b, 0, 4);
}

/* ---- pace ---- */

/* Packets given in each burst (those of one instant), largest first. */
static size_t largest_burst(const bench *b, size_t from)
{
    size_t largest = 0;
    size_t burst = 0;
    for (size_t i = from; i < b->s->count; i++) {
        const bool is_same = i > from && b->s->packets[i].at.us == b->s->packets[i - 1].at.us;
        burst = is_same ? burst + 1 : 1;
        if (burst > largest)
            largest = burst;
    }
    return largest;
}

static void a_large_keyframe_goes_in_slices(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    const cm_instant began = rig_now(&b->r);
    camera_run(&b->c, true, 100000);
    rig_run(&b->r, CM_MS(100));
    assert_received(b, 0, 1);
    assert_int_equal(largest_burst(b, 0), 8);
    /* 100 kB at 10 Mbit/s are 80 ms; the last burst begins before they are over. */
    const int64_t took = cm_instant_since(b->s->packets[b->s->count - 1].at, began);
    assert_in_range(took, CM_MS(65), CM_MS(95));
}

static void an_ordinary_picture_goes_in_one_go(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, true, 3000);
    const size_t before = b->s->count;
    camera_run(&b->c, false, 16 * 1100);
    assert_int_equal(b->s->count, before + 16);
    assert_int_equal(largest_burst(b, before), 16);
    camera_run(&b->c, false, 24 * 1100); /* not so ordinary */
    assert_int_equal(largest_burst(b, before + 16), 8);
    rig_run(&b->r, CM_MS(100));
    assert_received(b, 0, 3);
}

static void the_burst_grows_with_the_estimate(void **state)
{
    bench *b = *state;
    b->config.estimator = &b->estimator;
    b->bits_per_second = 40000000;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, true, 100000);
    /* 5 ms of 100 Mbit/s are 62,500 bytes: 51 packets. */
    assert_int_equal(largest_burst(b, 0), 51);
    assert_received(b, 0, 1);
}

static void pictures_behind_a_slow_one_keep_their_order(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, true, 120000); /* 96 ms */
    for (int i = 0; i < 10; i++)
        camera_run(&b->c, false, 6000);
    rig_run(&b->r, CM_MS(200));
    assert_received(b, 0, 11);
}

/* Squeezing is for what is cached: who watches gets every picture in its own time. */
static void a_keyframe_that_waits_a_little_keeps_its_time(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, true, 30000);
    camera_run(&b->c, false, 200000); /* 160 ms: the keyframe behind it waits for 110 */
    for (int i = 0; i < 3; i++)
        camera_run(&b->c, i == 0, 90000);
    rig_run(&b->r, CM_MS(500));
    assert_received(b, 0, 5);
    for (size_t i = 1; i < 5; i++)
        assert_int_equal(b->rx.timestamps[i] - b->rx.timestamps[i - 1], PICTURE_US * 9 / 100);
}

static void one_that_is_late_goes_on_at_the_newest_keyframe(void **state)
{
    bench *b = *state;
    b->config.estimator = &b->estimator;
    b->bits_per_second = 400000; /* a pace of 1 Mbit/s for a stream of 6.4 */
    watch(b);
    rig_run(&b->r, CM_MS(1));
    for (int group = 0; group < 4; group++)
        camera_run_group(&b->c, 100000, 19, 40000);
    rig_run(&b->r, CM_SECONDS(2));
    receiver_take(&b->rx, b->s);
    assert_true(b->rx.count > 0);
    /* What came whole was never later than the limit, a group and its sending. */
    assert_true(figures_of(b).begun_again + figures_of(b).pictures_skipped > 0);
    assert_int_equal(b->rx.serials[b->rx.count - 1] / 20, 3);
    assert_int_equal(b->r.alarms, 0);
}

static void without_a_measurement_a_rich_stream_is_not_held_back(void **state)
{
    bench *b = *state;
    watch(b); /* starts at 4 Mbit/s; the stream has 24 */
    rig_run(&b->r, CM_MS(1));
    for (int group = 0; group < 6; group++)
        camera_run_group(&b->c, 300000, 19, 150000);
    rig_run(&b->r, CM_SECONDS(1));
    /* In the last groups nothing is missing any more. */
    receiver_take(&b->rx, b->s);
    for (size_t i = 1; i <= 30; i++)
        assert_int_equal(b->rx.serials[b->rx.count - i], 120 - i);
}

/* ---- many viewers ---- */

static void a_pass_ends_with_one_flush(void **state)
{
    enum { VIEWERS = 20 };
    bench *b = *state;
    cm_webrtc_viewer *viewers[VIEWERS];
    camera_run(&b->c, true, 2000);
    for (size_t i = 0; i < VIEWERS; i++)
        viewers[i] = make_viewer(b);
    rig_run(&b->r, CM_MS(50));
    const unsigned before = b->s->flushes;
    const size_t sent = b->s->count;
    camera_put(&b->c, false, 3000);
    assert_int_equal(b->s->flushes, before + 1);
    assert_int_equal(b->s->count, sent + 3 * VIEWERS);
    assert_int_equal(b->s->flushed, b->s->count);
    for (size_t i = 0; i < VIEWERS; i++)
        cm_webrtc_viewer_destroy(viewers[i]);
}

static void a_viewer_takes_little_memory(void **state)
{
    (void)state;
    const size_t own = sizeof(cm_webrtc_viewer);
    const size_t in_media = sizeof(cm_subscription) + HISTORY_FRAMES * sizeof(remembered_frame);
    print_message("a viewer: %zu bytes, and %zu in media\n", own, in_media);
    assert_true(own <= 2560);
    assert_true(own + in_media <= 4096);
}

/* ---- lost packets ---- */

static void a_lost_packet_comes_again_by_rtx(void **state)
{
    bench *b = *state;
    cm_rtp_packet original;
    watch_fast(b);
    camera_run_group(&b->c, 30000, 5, 5000);
    const size_t sent = b->s->count;
    const wire_packet *lost = packet_at(b, 10);
    say_lost(b, lost->rtp.sequence_number);
    assert_int_equal(b->s->count, sent + 1);
    const wire_packet *again = &b->s->packets[sent];
    assert_int_equal(again->rtp.ssrc, RTX_SSRC);
    assert_int_equal(again->rtp.payload_type, RTX_TYPE);
    assert_int_equal(again->rtp.timestamp, lost->rtp.timestamp);
    assert_true(again->extensions.has_transport_sequence);
    assert_int_equal(again->extensions.transport_sequence,
                     (uint16_t)(packet_at(b, sent - 1)->extensions.transport_sequence + 1));
    assert_int_equal(cm_rtp_rtx_restore(&again->rtp, MEDIA_TYPE, MEDIA_SSRC, &original), CM_OK);
    assert_int_equal(original.sequence_number, lost->rtp.sequence_number);
    assert_true(cm_slice_equal(original.payload, lost->rtp.payload));
    assert_int_equal(original.marker, lost->rtp.marker);
    /* The next of them has the next number, and pictures go on. */
    say_lost(b, packet_at(b, sent - 1)->rtp.sequence_number);
    assert_int_equal(b->s->packets[sent + 1].rtp.sequence_number,
                     (uint16_t)(again->rtp.sequence_number + 1));
    assert_true(b->s->packets[sent + 1].rtp.marker);
    camera_run(&b->c, false, 5000);
    assert_received(b, 0, 7);
    assert_int_equal(figures_of(b).packets_resent, 2);
    assert_int_equal(b->sent, b->s->count);
}

static void many_lost_packets_come_again_in_one_go(void **state)
{
    bench *b = *state;
    uint16_t lost[12];
    watch_fast(b);
    camera_run_group(&b->c, 30000, 5, 5000);
    const size_t sent = b->s->count;
    /* A row, single ones, and one that nobody sent. */
    const size_t which[] = {3, 4, 5, 6, 9, 11, 30, 31, 32, 40, 41};
    for (size_t i = 0; i < CM_COUNT(which); i++)
        lost[i] = packet_at(b, which[i])->rtp.sequence_number;
    lost[11] = (uint16_t)(packet_at(b, sent - 1)->rtp.sequence_number + 1);
    const uint64_t passes = b->r.hubs[0]->counters.frames_delivered;
    say_lost_of(b, MEDIA_SSRC, lost, CM_COUNT(lost));
    assert_int_equal(b->s->count, sent + CM_COUNT(which));
    for (size_t i = 0; i < CM_COUNT(which); i++) {
        cm_rtp_packet original;
        assert_int_equal(
            cm_rtp_rtx_restore(&b->s->packets[sent + i].rtp, MEDIA_TYPE, MEDIA_SSRC, &original),
            CM_OK);
        assert_int_equal(original.sequence_number, lost[i]);
        assert_true(cm_slice_equal(original.payload, packet_at(b, which[i])->rtp.payload));
    }
    assert_int_equal(figures_of(b).resends_refused, 1);
    assert_int_equal(b->r.hubs[0]->counters.frames_delivered, passes);
}

static void a_packet_of_a_picture_under_way_comes_again(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_put(&b->c, true, 100000);
    assert_int_equal(b->s->count, 8);
    say_lost(b, packet_at(b, 3)->rtp.sequence_number);
    assert_int_equal(b->s->count, 9);
    cm_rtp_packet original;
    assert_int_equal(cm_rtp_rtx_restore(&b->s->packets[8].rtp, MEDIA_TYPE, MEDIA_SSRC, &original),
                     CM_OK);
    assert_true(cm_slice_equal(original.payload, packet_at(b, 3)->rtp.payload));
    rig_run(&b->r, CM_MS(200));
    assert_received(b, 0, 1);
}

/* RFC 3711: two packets under one index must be one packet. */
static void without_rtx_the_very_same_bytes_go_again(void **state)
{
    bench *b = *state;
    b->config.media.rtx_payload_type = 0;
    b->s->transport.resend_rtp = wire_resend;
    watch(b); /* slices: several runs a picture */
    rig_run(&b->r, CM_MS(1));
    camera_put(&b->c, true, 30000);
    b->s->transport.next_number += 3; /* somebody else sends in the same session */
    rig_run(&b->r, PICTURE_US);
    for (int i = 0; i < 4; i++)
        camera_run(&b->c, false, 3409);
    say_report(b, MEDIA_SSRC, 0, 0); /* from here on packets look otherwise */
    for (int i = 0; i < 4; i++)
        camera_run(&b->c, false, 3409);
    const size_t sent = b->s->count;
    b->v->figures.round_trip_us = CM_MS(500); /* so far away all of it is remembered */
    for (size_t i = 0; i < sent; i++) {
        const size_t before = b->s->count;
        rig_run(&b->r, CM_MS(20)); /* tokens */
        say_lost(b, b->s->packets[i].rtp.sequence_number);
        assert_int_equal(b->s->count, before + 1);
        assert_true(b->s->packets[before].is_again);
        assert_int_equal(b->s->packets[before].size, b->s->packets[i].size);
        assert_memory_equal(b->s->packets[before].bytes, b->s->packets[i].bytes,
                            b->s->packets[i].size);
    }
    assert_int_equal(figures_of(b).packets_resent, sent);
}

static void without_rtx_and_a_transport_that_can_nothing_goes_again(void **state)
{
    bench *b = *state;
    b->config.media.rtx_payload_type = 0;
    watch_fast(b);
    camera_run(&b->c, true, 30000);
    const size_t sent = b->s->count;
    say_lost(b, packet_at(b, 2)->rtp.sequence_number);
    assert_int_equal(b->s->count, sent);
    assert_int_equal(figures_of(b).packets_resent, 0);
}

static void a_packet_goes_again_three_times_and_not_within_a_round_trip(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 30000, 5, 5000);
    const uint16_t lost = packet_at(b, 3)->rtp.sequence_number;
    const size_t sent = b->s->count;
    for (int i = 0; i < 10; i++)
        say_lost(b, lost);
    assert_int_equal(b->s->count, sent + 1);
    rig_run(&b->r, CM_MS(99)); /* a round trip is not known: 100 ms */
    say_lost(b, lost);
    assert_int_equal(b->s->count, sent + 1);
    for (int i = 0; i < 5; i++) {
        rig_run(&b->r, CM_MS(100));
        say_lost(b, lost);
    }
    assert_int_equal(b->s->count, sent + 3);
    assert_int_equal(figures_of(b).resends_refused, 9 + 1 + 3);
}

static void resends_take_a_tenth_of_the_estimate(void **state)
{
    bench *b = *state;
    watch(b); /* 4 Mbit/s: 50,000 bytes a second go again, 32 KiB at once */
    rig_run(&b->r, CM_MS(1));
    unsigned asked = 0;
    for (int i = 0; i < 40; i++) {
        camera_run(&b->c, i % 20 == 0, 9000);
        const size_t count = figures_of(b).packets_sent;
        for (size_t k = count - 8; k < count; k++, asked++)
            say_lost(b, packet_at(b, k)->rtp.sequence_number);
    }
    const uint64_t resent = figures_of(b).packets_resent;
    assert_true(asked == 320);
    assert_in_range(resent, 26 + 2 * 38, 27 + 2 * 42);
    assert_int_equal(figures_of(b).resends_refused, asked - resent);
}

static void what_nobody_sent_is_not_sent_again(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 30000, 5, 5000);
    const size_t sent = b->s->count;
    const uint16_t first = packet_at(b, 0)->rtp.sequence_number;
    say_lost(b, (uint16_t)(first - 1));
    say_lost(b, (uint16_t)(first + sent));
    const uint16_t lost = (uint16_t)(first + 1);
    say_lost_of(b, RTX_SSRC, &lost, 1); /* of the other stream */
    say_lost_of(b, MEDIA_SSRC + 7, &lost, 1);
    assert_int_equal(b->s->count, sent);
}

static void what_was_sent_is_remembered_while_it_may_be_asked_for(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 30000);
    const uint16_t first = packet_at(b, 0)->rtp.sequence_number;
    rig_run(&b->r, CM_MS(700));
    say_lost(b, first);
    assert_int_equal(figures_of(b).packets_resent, 1);
    rig_run(&b->r, CM_MS(2500)); /* no further picture: time alone */
    say_lost(b, first);
    assert_int_equal(figures_of(b).packets_resent, 1);
    assert_int_equal(b->v->subscription->remembered_first, b->v->subscription->remembered_next);
}

static uint32_t remembered_frames(const bench *b)
{
    return b->v->subscription->remembered_next - b->v->subscription->remembered_first;
}

/* Half a second and four round trips of them are held, whatever there is
 * room for. */
static void the_nearer_the_peer_the_less_is_remembered(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    for (int i = 0; i < HISTORY_FRAMES; i++)
        camera_run(&b->c, false, 3000);
    assert_in_range(remembered_frames(b), 900000 / PICTURE_US, 900000 / PICTURE_US + 2);
    b->v->figures.round_trip_us = 1000;
    camera_run(&b->c, false, 3000);
    assert_in_range(remembered_frames(b), 540000 / PICTURE_US, 540000 / PICTURE_US + 2);
    say_lost(b, packet_at(b, b->s->count - 1)->rtp.sequence_number);
    assert_int_equal(figures_of(b).packets_resent, 1);
    b->v->figures.round_trip_us = 2000000;
    for (int i = 0; i < 2 * HISTORY_FRAMES; i++)
        camera_run(&b->c, false, 3000);
    assert_int_equal(remembered_frames(b), HISTORY_FRAMES);
}

/* All that was sent before is too old when a picture begins: it is remembered itself. */
static void a_picture_after_a_pause_can_be_asked_for(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    rig_run(&b->r, CM_SECONDS(5));
    camera_run(&b->c, false, 3000);
    assert_int_equal(remembered_frames(b), 1);
    say_lost(b, packet_at(b, b->s->count - 1)->rtp.sequence_number);
    assert_int_equal(figures_of(b).packets_resent, 1);
}

static void a_history_that_is_full_keeps_the_newest(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_put(&b->c, true, 3000);
    for (int i = 0; i < 2 * HISTORY_FRAMES; i++)
        camera_put(&b->c, false, 3000);
    const size_t sent = b->s->count;
    say_lost(b, packet_at(b, 0)->rtp.sequence_number);
    assert_int_equal(b->s->count, sent);
    for (size_t i = 1; i <= 3 * HISTORY_FRAMES; i += 7) {
        const wire_packet *lost = packet_at(b, sent - i);
        cm_rtp_packet original;
        const size_t before = b->s->count;
        say_lost(b, lost->rtp.sequence_number);
        if (before == b->s->count)
            continue; /* no tokens */
        assert_int_equal(
            cm_rtp_rtx_restore(&b->s->packets[before].rtp, MEDIA_TYPE, MEDIA_SSRC, &original),
            CM_OK);
        assert_true(cm_slice_equal(original.payload, lost->rtp.payload));
    }
    assert_true(figures_of(b).packets_resent > HISTORY_FRAMES / 3); /* but for want of tokens */
}

static void a_record_of_a_granule_that_is_not_there_sends_nothing(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    const size_t sent = b->s->count;
    b->v->history.runs[0].first_granule = 4000;
    say_lost(b, packet_at(b, 0)->rtp.sequence_number);
    assert_int_equal(b->s->count, sent);
    b->v->history.runs[0].first_granule = 0;
    b->v->history.runs[0].delivery += 5;
    say_lost(b, packet_at(b, 1)->rtp.sequence_number);
    assert_int_equal(b->s->count, sent);
    assert_int_equal(figures_of(b).packets_resent, 0);
}

/* ---- keyframes on request ---- */

static void a_pli_brings_the_group_again(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 8000, 9, 1500);
    assert_received(b, 0, 10);
    const uint32_t before = b->rx.timestamps[9];
    wire_forget(b->s);
    say_pli(b);
    rig_run(&b->r, CM_MS(49));
    camera_run(&b->c, false, 1500);
    camera_run(&b->c, false, 1500);
    assert_int_equal(receiver_take(&b->rx, b->s), 10 + 12);
    assert_int_equal(b->rx.gaps, 0);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(b->rx.serials[10 + i], i);
        assert_int_equal(b->rx.timestamps[10 + i], before + 90 * (i + 1));
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(b->rx.serials[20 + i], 10 + i);
        assert_int_equal(b->rx.timestamps[20 + i] - before,
                         b->c.sent[10 + i].media_time - b->c.sent[9].media_time);
    }
    assert_int_equal(figures_of(b).begun_again, 1);
    assert_int_equal(b->r.alarms, 0);
    assert_int_equal(figures_of(b).estimate_bits_per_second, 1000000000);
}

/* Who goes on from another address has lost what went to the former one. */
static void a_viewer_that_moves_gets_the_group_again(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 8000, 9, 1500);
    assert_received(b, 0, 10);
    wire_forget(b->s);
    cm_webrtc_viewer_moved(b->v);
    rig_run(&b->r, CM_MS(49));
    camera_run(&b->c, false, 1500);
    assert_int_equal(receiver_take(&b->rx, b->s), 10 + 11);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(b->rx.serials[10 + i], i);
    assert_int_equal(figures_of(b).begun_again, 1);
    cm_webrtc_viewer_moved(b->v); /* there and back: as for those who ask, once a second */
    rig_run(&b->r, CM_MS(49));
    assert_int_equal(figures_of(b).begun_again, 1);
}

/* A long group takes more milliseconds than there are until the next picture: from then on the
 * clock of timestamps is that much ahead, and the sender report says so. */
static void the_clock_moves_on_by_what_a_long_group_takes(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 3000, 99, 1000);
    assert_received(b, 0, 100);
    const uint32_t before = b->rx.timestamps[99];
    wire_forget(b->s);
    say_pli(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, false, 1000);
    camera_run(&b->c, false, 1000);
    assert_int_equal(receiver_take(&b->rx, b->s), 202);
    assert_int_equal(b->rx.timestamps[199], before + 100 * 90);
    assert_int_equal(b->rx.timestamps[200], before + 101 * 90);
    assert_int_equal(b->rx.timestamps[201] - b->rx.timestamps[200], PICTURE_US * 9 / 100);
    rig_run(&b->r, CM_SECONDS(2));
    cm_slice rest = cm_slice_over(b->s->control, b->s->control_size);
    cm_rtcp_packet report;
    assert_int_equal(cm_rtcp_next(&rest, &report), CM_OK);
    const int64_t since_us =
        cm_rtp_wall_of(report.sender.ntp_timestamp).us - b->c.sent[101].captured.us;
    assert_in_range(report.sender.rtp_timestamp - b->rx.timestamps[201], since_us * 9 / 100 - 9,
                    since_us * 9 / 100 + 9);
}

static void keyframes_are_given_once_a_second(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 8000, 3, 1500);
    for (int i = 0; i < 19; i++) {
        say_pli(b);
        camera_run(&b->c, false, 1500);
    }
    assert_int_equal(figures_of(b).begun_again, 1);
    rig_run(&b->r, CM_MS(100));
    say_pli(b);
    assert_int_equal(figures_of(b).begun_again, 2);
}

static void a_fir_that_comes_again_is_the_same(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 8000, 3, 1500);
    for (int i = 0; i < 3; i++) {
        say_fir(b, 7);
        camera_run_group(&b->c, 8000, 24, 1500);
    }
    assert_int_equal(figures_of(b).begun_again, 1);
    say_fir(b, 8);
    assert_int_equal(figures_of(b).begun_again, 2);
}

static void a_request_while_the_keyframe_is_under_way_changes_nothing(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_put(&b->c, true, 100000);
    assert_int_equal(b->s->count, 8);
    say_pli(b);
    rig_run(&b->r, CM_MS(200));
    assert_int_equal(figures_of(b).begun_again, 0);
    assert_received(b, 0, 1);
}

static void before_the_first_picture_a_request_changes_nothing(void **state)
{
    bench *b = *state;
    watch_fast(b);
    say_pli(b);
    say_fir(b, 1);
    camera_run_group(&b->c, 8000, 3, 1500);
    assert_int_equal(figures_of(b).begun_again, 0);
    assert_received(b, 0, 4);
}

static void of_a_large_group_a_pli_brings_the_keyframe(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run_group(&b->c, 60000, 39, 10000); /* 3.6 Mbit, and 500 ms carry 2 */
    receiver_take(&b->rx, b->s);
    assert_int_equal(b->rx.count, 40);
    const uint32_t before = b->rx.timestamps[39];
    wire_forget(b->s);
    say_pli(b);
    for (int i = 0; i < 5; i++)
        camera_run(&b->c, false, 10000);
    camera_run(&b->c, true, 10000);
    assert_int_equal(receiver_take(&b->rx, b->s), 42);
    assert_int_equal(b->rx.serials[40], 0);
    assert_int_equal(b->rx.timestamps[40], before + 90);
    assert_int_equal(b->rx.serials[41], 45);
    assert_int_equal(b->rx.timestamps[41] - before,
                     b->c.sent[45].media_time - b->c.sent[39].media_time);
}

/* ---- reports ---- */

static cm_rtcp_packet report_of(const bench *b, cm_slice *rest)
{
    cm_rtcp_packet report;
    *rest = cm_slice_over(b->s->control, b->s->control_size);
    assert_int_equal(cm_rtcp_next(rest, &report), CM_OK);
    assert_int_equal(report.type, CM_RTCP_SR);
    assert_int_equal(report.ssrc, MEDIA_SSRC);
    return report;
}

static void the_first_report_comes_with_the_first_picture(void **state)
{
    bench *b = *state;
    cm_slice rest;
    cm_rtcp_item item;
    watch_fast(b);
    rig_run(&b->r, CM_SECONDS(3));
    assert_int_equal(b->s->controls, 0);
    camera_put(&b->c, true, 3000);
    rig_run(&b->r, CM_MS(1));
    assert_int_equal(b->s->controls, 1);
    const cm_rtcp_packet report = report_of(b, &rest);
    assert_int_equal(report.sender.packet_count, b->s->count);
    size_t octets = 0;
    for (size_t i = 0; i < b->s->count; i++)
        octets += b->s->packets[i].rtp.payload.size;
    assert_int_equal(report.sender.octet_count, octets);
    assert_int_equal(report.sender.rtp_timestamp, b->s->packets[0].rtp.timestamp);
    assert_int_equal(cm_rtp_wall_of(report.sender.ntp_timestamp).us, b->c.sent[0].captured.us);
    /* RFC 3550 6.1: the CNAME is in every compound. */
    rest = cm_slice_over(b->s->control, b->s->control_size);
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_OK);
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_OK);
    assert_int_equal(item.type, CM_RTCP_SDES);
    assert_non_null(memmem(item.content.bytes, item.content.size, "casement", 8));
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_ABSENT);
}

static void reports_come_about_once_a_second(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    cm_instant last = b->s->control_at;
    unsigned even = 0;
    for (int i = 0; i < 20; i++) {
        const unsigned before = b->s->controls;
        while (b->s->controls == before)
            camera_run(&b->c, false, 1000);
        const int64_t waited = cm_instant_since(b->s->control_at, last);
        assert_in_range(waited, CM_MS(750), CM_MS(1250));
        even += waited == CM_MS(1000);
        last = b->s->control_at;
    }
    assert_true(even < 5); /* not all viewers at once */
}

static void the_report_of_a_squeezed_join_tells_real_time(void **state)
{
    bench *b = *state;
    cm_slice rest;
    camera_run_group(&b->c, 3000, 19, 1000);
    watch(b);
    rig_run(&b->r, CM_MS(40));
    const cm_rtcp_packet report = report_of(b, &rest);
    receiver_take(&b->rx, b->s);
    const int64_t since_us =
        cm_rtp_wall_of(report.sender.ntp_timestamp).us - b->c.sent[19].captured.us;
    assert_in_range(report.sender.rtp_timestamp - b->rx.timestamps[19], since_us * 9 / 100 - 9,
                    since_us * 9 / 100 + 9);
}

static void what_the_peer_reports_is_told(void **state)
{
    bench *b = *state;
    cm_slice rest;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    const cm_rtcp_packet report = report_of(b, &rest);
    const uint32_t last_sr = (uint32_t)(report.sender.ntp_timestamp >> 16);
    /* 49 ms ago, of which the peer had it for 20: the rest is the way. */
    say_report(b, MEDIA_SSRC, last_sr, 65536 / 50);
    assert_int_equal(b->losses, 1);
    assert_in_range(b->round_trip_us, 29000, 31000);
    assert_int_equal(figures_of(b).round_trip_us, b->round_trip_us);
    assert_int_equal(figures_of(b).fraction_lost, 13);
    /* And from here on that is how long a packet does not go again. */
    const uint16_t lost = packet_at(b, 1)->rtp.sequence_number;
    say_lost(b, lost);
    rig_run(&b->r, CM_MS(31));
    say_lost(b, lost);
    assert_int_equal(figures_of(b).packets_resent, 2);
}

static void transport_feedback_reaches_the_estimator(void **state)
{
    bench *b = *state;
    uint8_t bytes[128];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    const cm_rtcp_arrival arrivals[] = {
        {.sequence_number = 65500, .is_received = true, .at_us = 64000},
        {.sequence_number = 65501, .is_received = true, .at_us = 65000}};
    cm_rtcp_write_transport_cc(&w, PEER_SSRC, MEDIA_SSRC, 0, arrivals, 2);
    say(b, &w);
    assert_int_equal(b->feedbacks, 1);
}

static void nonsense_from_the_peer_is_passed_over(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run(&b->c, true, 3000);
    const size_t sent = b->s->count;
    cm_random random = cm_random_seeded(7);
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[64];
        cm_random_fill(&random, bytes, sizeof bytes);
        bytes[0] = (uint8_t)(0x80 | (bytes[0] & 0x1F));
        bytes[1] = (uint8_t)(200 + bytes[1] % 8);
        bytes[2] = 0;
        bytes[3] &= 0x0F;
        if (bytes[1] == CM_RTCP_BYE)
            continue;
        cm_webrtc_viewer_rtcp(b->v, cm_slice_over(bytes, sizeof bytes));
    }
    assert_int_equal(b->s->count, sent);
    camera_run(&b->c, false, 3000);
    assert_received(b, 0, 2);
}

static void a_goodbye_ends_it(void **state)
{
    bench *b = *state;
    uint8_t bytes[64];
    for (int destroys = 0; destroys < 2; destroys++) {
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        watch_fast(b);
        b->destroys_at_end = destroys == 1;
        camera_run(&b->c, true, 3000);
        const size_t sent = b->s->count;
        const unsigned controls = b->s->controls;
        cm_rtcp_write_rr(&w, PEER_SSRC, NULL);
        cm_rtcp_write_bye(&w, PEER_SSRC);
        say(b, &w);
        assert_int_equal(b->ended, destroys + 1);
        assert_int_equal(counters_of(b).subscriptions, 0);
        camera_run(&b->c, false, 3000);
        if (destroys == 0) {
            cm_webrtc_viewer_renew(b->v, rig_lease(&b->r, &b->r.door, 1));
            say_pli(b);
            cm_webrtc_viewer_destroy(b->v);
            b->v = NULL;
        }
        assert_int_equal(b->s->count, sent);
        assert_int_equal(b->s->controls, controls); /* it knows */
        b->sent = 0;
    }
}

/* What was negotiated is not what the camera sends from some picture on: none of it goes out. */
static void a_picture_of_the_other_codec_ends_it(void **state)
{
    bench *b = *state;
    for (int destroys = 0; destroys < 2; destroys++) {
        b->c.flags = destroys == 0 ? 0 : CM_FRAME_H265;
        b->config.media.codec = destroys == 0 ? CM_VIDEO_H264 : CM_VIDEO_H265;
        watch_fast(b);
        b->destroys_at_end = destroys == 1;
        camera_run(&b->c, true, 3000);
        const size_t sent = b->s->count;
        assert_true(sent > 0);
        assert_int_equal(b->ended, destroys);
        b->c.flags ^= CM_FRAME_H265;
        camera_run(&b->c, true, 3000);
        camera_run(&b->c, false, 3000);
        assert_int_equal(b->s->count, sent);
        assert_int_equal(b->ended, destroys + 1);
        assert_int_equal(counters_of(b).subscriptions, 0);
        if (destroys == 0)
            cm_webrtc_viewer_destroy(b->v);
        b->v = NULL;
    }
}

/* ---- leases ---- */

static cm_status seal_turns(bench *b)
{
    cm_epoch_publish(b->r.page, b->r.door.slot, 2);
    return CM_OK;
}

static void after_the_cut_nothing_goes_out(void **state)
{
    bench *b = *state;
    watch_fast(b);
    camera_run_group(&b->c, 30000, 5, 5000);
    const size_t sent = b->s->count;
    const uint16_t lost = packet_at(b, 3)->rtp.sequence_number;
    assert_int_equal(seal_turns(b), CM_OK);
    say_lost(b, lost); /* at once, before any message */
    assert_int_equal(b->s->count, sent);
    assert_int_equal(b->stale, 1);
    say_pli(b);
    camera_run(&b->c, false, 3000);
    camera_run(&b->c, true, 3000);
    rig_run(&b->r, CM_SECONDS(3));
    say_lost(b, lost);
    assert_int_equal(b->s->count, sent);
    assert_int_equal(b->stale, 1);
    const unsigned controls = b->s->controls;
    const unsigned flushes = b->s->flushes;
    cm_webrtc_viewer_cut(b->v);
    b->v = NULL;
    assert_int_equal(b->s->controls, controls + 1);
    assert_int_equal(b->s->flushes, flushes + 1);
    cm_slice rest;
    cm_rtcp_packet bye;
    CM_IGNORE(report_of(b, &rest), "rest is wanted");
    assert_int_equal(cm_rtcp_next(&rest, &bye), CM_OK);
    assert_int_equal(bye.type, CM_RTCP_BYE);
    assert_int_equal(bye.ssrc, MEDIA_SSRC);
    assert_int_equal(b->s->count, sent);
    assert_int_equal(counters_of(b).subscriptions, 0);
    assert_int_equal(b->r.alarms, 0);
}

static void a_cut_holds_no_frames(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_run(&b->c, true, 3000);
    cm_frame *frame = b->v->subscription->remembered[0].frame;
    cm_frame_hold(frame, 0); /* ours */
    camera_run(&b->c, true, 100000);
    camera_put(&b->c, false, 30000); /* half-way out */
    cm_webrtc_viewer_cut(b->v);
    b->v = NULL;
    assert_int_equal(frame->holds[0], 1);
    cm_frame_release(frame, 0);
    const size_t sent = b->s->count;
    rig_run(&b->r, CM_SECONDS(2));
    assert_int_equal(b->s->count, sent);
}

static void a_new_lease_goes_on_where_it_was(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_put(&b->c, true, 100000); /* in slices */
    rig_run(&b->r, CM_MS(20));
    assert_int_equal(seal_turns(b), CM_OK);
    rig_run(&b->r, CM_MS(100));
    const size_t sent = b->s->count;
    assert_in_range(sent, 9, 80);
    assert_int_equal(b->stale, 1);
    cm_webrtc_viewer_renew(b->v, rig_lease(&b->r, &b->r.door, 2));
    rig_run(&b->r, CM_MS(200));
    camera_run(&b->c, false, 3000);
    assert_received(b, 0, 2);
    say_lost(b, packet_at(b, 3)->rtp.sequence_number); /* of the epoch before: it may see that */
    assert_int_equal(figures_of(b).packets_resent, 1);
}

/* A lease without the old epoch's keys: the picture that was begun is not finished. */
static void a_picture_that_may_not_be_finished_is_left(void **state)
{
    bench *b = *state;
    watch(b);
    rig_run(&b->r, CM_MS(1));
    camera_put(&b->c, true, 100000);
    rig_run(&b->r, CM_MS(20));
    assert_int_equal(seal_turns(b), CM_OK);
    rig_run(&b->r, CM_MS(100));
    const size_t sent = b->s->count;
    cm_lease_terms terms = testing_terms(&b->r.door, 2);
    terms.from = rig_now(&b->r);
    terms.until = cm_instant_after(rig_now(&b->r), CM_SECONDS(60));
    terms.keys = b->r.door.keys + 2;
    terms.key_count = 2;
    cm_lease *lease;
    assert_int_equal(cm_lease_create(&terms, b->r.door.slot, &lease), CM_OK);
    cm_webrtc_viewer_renew(b->v, lease);
    rig_run(&b->r, CM_MS(500));
    assert_int_equal(b->s->count, sent);
    camera_run_group(&b->c, 3000, 2, 1000);
    rig_run(&b->r, CM_MS(500));
    assert_int_equal(receiver_take(&b->rx, b->s), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(b->rx.serials[i], 1 + i);
    assert_int_equal(b->rx.gaps, 0);
    assert_int_equal(b->r.alarms, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* one case by name */
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
        CASE(every_picture_arrives_as_it_was_put_in),
        CASE(the_first_packet_says_when_the_picture_was_taken),
        CASE(mid_and_playout_delay_go_until_the_peer_has_heard_of_us),
        CASE(what_was_not_negotiated_is_not_sent),
        CASE(packets_of_a_picture_are_of_one_size),
        CASE(sequence_numbers_wrap),
        CASE(sequence_numbers_begin_low_and_apart),
        CASE(what_cannot_be_negotiated_is_refused),
        CASE(nothing_is_sent_before_the_start),
        CASE(the_cached_group_comes_at_once_and_real_time_goes_on),
        CASE(a_group_that_grows_while_it_is_sent_comes_whole),
        CASE(of_a_group_that_is_too_large_comes_the_keyframe),
        cmocka_unit_test(a_group_from_another_loop_is_squeezed_too),
        CASE(an_old_keyframe_with_nothing_behind_it_is_sent),
        CASE(what_is_too_large_depends_on_the_estimate),
        CASE(a_joiner_waits_for_the_first_keyframe),
        CASE(a_large_keyframe_goes_in_slices),
        CASE(an_ordinary_picture_goes_in_one_go),
        CASE(the_burst_grows_with_the_estimate),
        CASE(pictures_behind_a_slow_one_keep_their_order),
        CASE(a_keyframe_that_waits_a_little_keeps_its_time),
        CASE(one_that_is_late_goes_on_at_the_newest_keyframe),
        CASE(without_a_measurement_a_rich_stream_is_not_held_back),
        CASE(a_pass_ends_with_one_flush),
        CASE(a_viewer_takes_little_memory),
        CASE(a_lost_packet_comes_again_by_rtx),
        CASE(many_lost_packets_come_again_in_one_go),
        CASE(a_packet_of_a_picture_under_way_comes_again),
        CASE(without_rtx_the_very_same_bytes_go_again),
        CASE(without_rtx_and_a_transport_that_can_nothing_goes_again),
        CASE(a_packet_goes_again_three_times_and_not_within_a_round_trip),
        CASE(resends_take_a_tenth_of_the_estimate),
        CASE(what_nobody_sent_is_not_sent_again),
        CASE(what_was_sent_is_remembered_while_it_may_be_asked_for),
        CASE(the_nearer_the_peer_the_less_is_remembered),
        CASE(a_picture_after_a_pause_can_be_asked_for),
        CASE(a_history_that_is_full_keeps_the_newest),
        CASE(a_record_of_a_granule_that_is_not_there_sends_nothing),
        CASE(a_pli_brings_the_group_again),
        CASE(a_viewer_that_moves_gets_the_group_again),
        CASE(the_clock_moves_on_by_what_a_long_group_takes),
        CASE(keyframes_are_given_once_a_second),
        CASE(a_fir_that_comes_again_is_the_same),
        CASE(a_request_while_the_keyframe_is_under_way_changes_nothing),
        CASE(before_the_first_picture_a_request_changes_nothing),
        CASE(of_a_large_group_a_pli_brings_the_keyframe),
        CASE(the_first_report_comes_with_the_first_picture),
        CASE(reports_come_about_once_a_second),
        CASE(the_report_of_a_squeezed_join_tells_real_time),
        CASE(what_the_peer_reports_is_told),
        CASE(transport_feedback_reaches_the_estimator),
        CASE(nonsense_from_the_peer_is_passed_over),
        CASE(a_goodbye_ends_it),
        CASE(a_picture_of_the_other_codec_ends_it),
        CASE(after_the_cut_nothing_goes_out),
        CASE(a_cut_holds_no_frames),
        CASE(a_new_lease_goes_on_where_it_was),
        CASE(a_picture_that_may_not_be_finished_is_left),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
