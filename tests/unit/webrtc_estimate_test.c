/* egress/webrtc/estimate: against a path of a packet simulator (one queue, a rate, a length,
 * losses, jitter), with reports that go through the real codec. One behaviour a case. */
#include "unit.h"

#include "egress/webrtc/estimate.h"

enum {
    PACKET = 1200,
    WAY_MAX = 4096, /* packets on their way or not yet reported */
    REPORT_MS = 100,
};

/* What the path does; may be changed while it runs. */
typedef struct path {
    double bits_per_second;
    int64_t length_us; // one way
    int64_t buffer_us; // how long the queue may get, in time
    unsigned loss_percent;
    unsigned jitter_us;
    unsigned others_bits_per_second; // steady, into the same queue
    int64_t others_queue_us;         // a queue that others keep up, whatever we do
    int64_t away_until_us;           // nothing moves till then
    double policed_bits_per_second;  // what is above is dropped, but for bursts of 20 KB; 0: none
    bool is_mute;                    // no report comes back
    double clock_rate;               // of the receiver, against ours
    int64_t clock_us;                // and its offset
} path;

typedef struct packet {
    int64_t arrives_us; // INT64_MAX: lost
    uint16_t number;
} packet;

/* A report on its way back. */
typedef struct pending {
    int64_t due_us;
    size_t size;
    uint8_t bytes[8192];
} pending;

typedef struct world {
    path path;
    size_t pending_count;
    pending pending[16];
    cm_webrtc_estimate estimate;
    int64_t now_us;
    double queue_free_us; // when the bottleneck is done with all it has
    uint16_t number;
    uint32_t seed;
    uint8_t reports;
    size_t sent_count;
    packet sent[WAY_MAX]; // in the order of numbers, not yet reported
    int64_t last_arrival_us;
    double tokens; // bytes that may pass
    int64_t tokens_us;
    /* The source: pictures 30 a second, a keyframe every `group`. */
    bool is_paused;
    double fixed_bits_per_second; // 0: as the estimate says
    double keyframe_share;        // how many times an ordinary picture
    unsigned group;
    unsigned picture;
    /* Figures. */
    double queue_sum_us;
    double queue_most_us;
    uint64_t queue_count;
} world;

static unsigned dice(world *w, unsigned sides)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % sides;
}

static cm_instant now_of(const world *w)
{
    return (cm_instant){.us = w->now_us};
}

static void begin(world *w, double bits_per_second, uint64_t start)
{
    *w = (world){.path = {.bits_per_second = bits_per_second,
                          .length_us = 20000,
                          .buffer_us = 500000,
                          .clock_rate = 1},
                 .now_us = 5000000,
                 .number = 65000,
                 .seed = 7,
                 .keyframe_share = 1,
                 .group = 60};
    const cm_webrtc_estimate_config config = {.start_bits_per_second = start};
    cm_webrtc_estimate_init(&w->estimate, &config, now_of(w));
}

static double estimate_of(const world *w)
{
    return (double)cm_webrtc_estimate_bits_per_second(&w->estimate);
}

static bool is_policed(world *w, size_t size)
{
    const double rate = w->path.policed_bits_per_second;
    if (rate == 0)
        return false;
    w->tokens += (double)(w->now_us - w->tokens_us) * rate / 8e6;
    w->tokens_us = w->now_us;
    if (w->tokens > 20000)
        w->tokens = 20000;
    if (w->tokens < (double)size)
        return true;
    w->tokens -= (double)size;
    return false;
}

static void send_packet(world *w, size_t size)
{
    path *p = &w->path;
    cm_webrtc_estimate_sent(&w->estimate, w->number, size, now_of(w));
    double begins = w->queue_free_us > (double)w->now_us ? w->queue_free_us : (double)w->now_us;
    if (begins < (double)p->away_until_us)
        begins = (double)p->away_until_us;
    const double waits = begins - (double)w->now_us;
    assert_true(w->sent_count < WAY_MAX);
    packet *sent = &w->sent[w->sent_count++];
    *sent = (packet){.number = w->number++, .arrives_us = INT64_MAX};
    if (waits > (double)p->buffer_us || dice(w, 100) < p->loss_percent || is_policed(w, size))
        return;
    /* What waited while the radio was away comes at once. */
    const double rate = w->now_us < p->away_until_us ? 500e6 : p->bits_per_second;
    w->queue_free_us = begins + (double)size * 8e6 / rate;
    w->queue_sum_us += waits;
    w->queue_count++;
    w->queue_most_us = waits > w->queue_most_us ? waits : w->queue_most_us;
    sent->arrives_us = (int64_t)w->queue_free_us + p->length_us + p->others_queue_us +
                       (p->jitter_us > 0 ? (int64_t)dice(w, p->jitter_us) : 0);
    if (sent->arrives_us < w->last_arrival_us) /* a path keeps the order */
        sent->arrives_us = w->last_arrival_us;
    w->last_arrival_us = sent->arrives_us;
}

static void send_picture(world *w)
{
    const double rate =
        w->fixed_bits_per_second > 0 ? w->fixed_bits_per_second : estimate_of(w) * 0.95;
    const double known = rate > 0 ? rate : (double)w->estimate.config.start_bits_per_second;
    /* So that keyframe and others together have the rate. */
    const double unit = known / 8 / 30 * w->group / (w->group - 1 + w->keyframe_share);
    const bool is_keyframe = w->picture++ % w->group == 0;
    const size_t bytes = (size_t)(is_keyframe ? unit * w->keyframe_share : unit);
    const size_t packets = bytes / PACKET + 1;
    for (size_t i = 0; i < packets; i++)
        send_packet(w, bytes / packets + 1);
}

static void deliver_reports(world *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->pending_count; i++) {
        if (w->pending[i].due_us > w->now_us) {
            w->pending[kept++] = w->pending[i];
            continue;
        }
        cm_slice datagram = cm_slice_over(w->pending[i].bytes, w->pending[i].size);
        cm_rtcp_item item;
        cm_rtcp_feedback feedback;
        cm_rtcp_transport_cc parsed;
        assert_int_equal(cm_rtcp_next_item(&datagram, &item), CM_OK);
        assert_int_equal(cm_rtcp_feedback_parse(&item, &feedback), CM_OK);
        assert_int_equal(cm_rtcp_transport_cc_parse(&feedback, &parsed), CM_OK);
        cm_webrtc_estimate_feedback(&w->estimate, &parsed, now_of(w));
    }
    w->pending_count = kept;
}

static void post_report(world *w, const cm_rtcp_arrival *arrivals, size_t count)
{
    if (w->path.is_mute)
        return;
    assert_true(w->pending_count < CM_COUNT(w->pending));
    pending *post = &w->pending[w->pending_count++];
    cm_writer writer = cm_writer_over(post->bytes, sizeof post->bytes);
    cm_rtcp_write_transport_cc(&writer, 1, 2, w->reports++, arrivals, count);
    assert_false(writer.failed);
    post->size = writer.used;
    post->due_us = w->now_us + w->path.length_us;
}

/* The receiver's report on all that has arrived or must be lost, as the codec carries it. */
static void report(world *w)
{
    static cm_rtcp_arrival arrivals[WAY_MAX];
    size_t last = 0; /* behind the newest that has arrived */
    for (size_t i = 0; i < w->sent_count; i++)
        if (w->sent[i].arrives_us <= w->now_us)
            last = i + 1;
    if (last == 0)
        return;
    for (size_t i = 0; i < last; i++) {
        const packet *sent = &w->sent[i];
        const bool is_received = sent->arrives_us <= w->now_us;
        const double theirs = (double)sent->arrives_us * w->path.clock_rate;
        arrivals[i] =
            (cm_rtcp_arrival){.sequence_number = sent->number,
                              .is_received = is_received,
                              .at_us = is_received ? (int64_t)theirs + w->path.clock_us : 0};
    }
    memmove(w->sent, w->sent + last, (w->sent_count - last) * sizeof *w->sent);
    w->sent_count -= last;
    post_report(w, arrivals, last);
}

static void others(world *w)
{
    const double bytes = w->path.others_bits_per_second / 8e3;
    if (bytes == 0)
        return;
    if (w->queue_free_us < (double)w->now_us)
        w->queue_free_us = (double)w->now_us;
    if (w->queue_free_us - (double)w->now_us < (double)w->path.buffer_us)
        w->queue_free_us += bytes * 8e6 / w->path.bits_per_second;
}

/* Figures of a run. */
typedef struct run {
    double least;
    double most;
    double mean;
    double queue_mean_ms;
    double queue_most_ms;
} run;

static run run_for(world *w, int64_t ms)
{
    run r = {.least = 1e18};
    w->queue_sum_us = w->queue_most_us = 0;
    w->queue_count = 0;
    double sum = 0;
    double before = 0;
    for (int64_t i = 0; i < ms; i++) {
        w->now_us += 1000;
        others(w);
        if (!w->is_paused && w->now_us / 1000 % 33 == 0)
            send_picture(w);
        if (w->now_us / 1000 % REPORT_MS == 0)
            report(w);
        deliver_reports(w);
        const double now = estimate_of(w);
        cm_webrtc_estimate_figures figures;
        cm_webrtc_estimate_read(&w->estimate, &figures);
        if (figures.queue_us > 40000 && before > 0) /* more than any jitter explains */
            assert_true(now <= before);
        before = now;
        sum += now;
        r.least = now < r.least ? now : r.least;
        r.most = now > r.most ? now : r.most;
    }
    r.mean = sum / (double)ms;
    r.queue_mean_ms = w->queue_count > 0 ? w->queue_sum_us / (double)w->queue_count / 1e3 : 0;
    r.queue_most_ms = w->queue_most_us / 1e3;
    return r;
}

/* Bounds as shares of a rate, so that a failure tells the figure. */
static void assert_between(double value, double least, double most)
{
    if (value < least || value > most)
        fail_msg("%.0f is not between %.0f and %.0f", value, least, most);
}

static world w; /* too large for the stack of every case */

/* --- the rate of the path -------------------------------------------------------------------- */

static void a_narrow_path_is_found_from_below_and_its_queue_stays_short(void **state)
{
    (void)state;
    begin(&w, 1e6, 300000);
    (void)run_for(&w, 4000);
    const run settled = run_for(&w, 60000);
    assert_between(settled.mean, 0.85e6, 1.0e6);
    assert_between(settled.least, 0.7e6, 1.0e6);
    assert_between(settled.most, 0.9e6, 1.25e6);
    assert_between(settled.queue_mean_ms, 0, 30);
    assert_between(settled.queue_most_ms, 0, 120);
}

static void a_narrow_path_is_found_from_above_within_two_seconds(void **state)
{
    (void)state;
    begin(&w, 1e6, 0); /* the start value, four times too much */
    (void)run_for(&w, 2000);
    assert_between(estimate_of(&w), 0.6e6, 1.0e6);
    (void)run_for(&w, 1500);
    const run settled = run_for(&w, 30000);
    assert_between(settled.mean, 0.8e6, 1.0e6);
    assert_between(settled.queue_mean_ms, 0, 40);
}

static void it_doubles_each_second_until_the_path_was_full(void **state)
{
    (void)state;
    begin(&w, 1e6, 60000); /* single packets: no trains */
    (void)run_for(&w, 4500);
    assert_between(estimate_of(&w), 0.7e6, 1.3e6);
}

static void paths_of_all_rates_and_lengths_are_found(void **state)
{
    (void)state;
    static const double RATES[] = {0.4e6, 1e6, 3e6, 12e6};
    static const int64_t LENGTHS_US[] = {2000, 30000, 150000};
    for (size_t r = 0; r < CM_COUNT(RATES); r++) {
        for (size_t l = 0; l < CM_COUNT(LENGTHS_US); l++) {
            begin(&w, RATES[r], 500000);
            w.path.length_us = LENGTHS_US[l];
            w.path.jitter_us = 3000;
            (void)run_for(&w, 20000);
            const run settled = run_for(&w, 30000);
            assert_between(settled.mean, 0.7 * RATES[r], 1.05 * RATES[r]);
            assert_between(settled.queue_mean_ms, 0, 60);
        }
    }
}

static void a_path_that_narrows_is_followed_in_a_second_and_drained_in_three(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    (void)run_for(&w, 30000);
    assert_between(estimate_of(&w), 3e6, 4.6e6);
    w.path.bits_per_second = 1e6;
    (void)run_for(&w, 1000);
    assert_between(estimate_of(&w), 0.6e6, 1.05e6);
    (void)run_for(&w, 2000);
    assert_between(run_for(&w, 500).queue_mean_ms, 0, 20);
    assert_between(run_for(&w, 10000).queue_mean_ms, 0, 30);
}

static void a_long_path_that_narrows_is_not_filled_again_while_it_drains(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    w.path.length_us = 200000;
    (void)run_for(&w, 30000);
    w.path.bits_per_second = 1e6;
    (void)run_for(&w, 3500);
    const run after = run_for(&w, 5000);
    assert_between(after.most, 0.6e6, 1.35e6);
    assert_between(after.queue_mean_ms, 0, 40);
}

static void a_path_that_widens_is_used_in_eight_seconds(void **state)
{
    (void)state;
    begin(&w, 1e6, 300000);
    (void)run_for(&w, 20000);
    w.path.bits_per_second = 4e6;
    (void)run_for(&w, 8000);
    assert_between(estimate_of(&w), 2.5e6, 4.6e6);
    assert_between(run_for(&w, 20000).mean, 3e6, 4.1e6);
}

static void keyframes_that_fill_the_path_for_a_while_do_not_starve_it(void **state)
{
    (void)state;
    begin(&w, 2e6, 1000000);
    w.keyframe_share = 8;
    (void)run_for(&w, 10000);
    const run settled = run_for(&w, 30000);
    assert_between(settled.mean, 1.4e6, 2.2e6);
    assert_between(settled.least, 1e6, 2.2e6);
}

/* --- a camera that sends less than the path carries ------------------------------------------ */

static void bursts_show_that_a_path_carries_more_than_is_sent(void **state)
{
    (void)state;
    begin(&w, 8e6, 1000000);
    w.fixed_bits_per_second = 1e6;
    w.keyframe_share = 8;
    (void)run_for(&w, 10000);
    const run settled = run_for(&w, 20000);
    assert_between(settled.least, 4e6, 8e6);
    assert_between(settled.most, 4e6, 8e6);
}

static void without_bursts_it_does_not_grow_beyond_what_was_shown(void **state)
{
    (void)state;
    begin(&w, 50e6, 100000);
    w.fixed_bits_per_second = 200000; /* single packets */
    assert_between(run_for(&w, 60000).most, 200000, 400000);
}

static void a_quiet_camera_costs_nothing_of_the_estimate(void **state)
{
    (void)state;
    begin(&w, 10e6, 3000000);
    w.fixed_bits_per_second = 100000;
    (void)run_for(&w, 1000);
    assert_between(run_for(&w, 60000).least, 2.9e6, 10e6);
}

static void a_radio_that_was_away_for_a_moment_says_nothing_of_the_rate(void **state)
{
    (void)state;
    begin(&w, 10e6, 3000000);
    w.fixed_bits_per_second = 2e6; /* pictures of 7 packets: trains */
    (void)run_for(&w, 15000);
    const double before = estimate_of(&w);
    for (int64_t i = 0; i < 6; i++) {
        w.path.away_until_us = w.now_us + 300000 + 17000 * i;
        w.fixed_bits_per_second = 2e6;
        run after = run_for(&w, 300 + 17 * i);
        w.fixed_bits_per_second = 2e5; /* no trains come after those that came at once */
        assert_between(after.least, before * 0.85, 10e6);
        after = run_for(&w, 3000);
        assert_between(after.least, before * 0.85, 10e6);
        assert_between(after.most, before * 0.85, 10e6);
    }
}

static void the_clocks_of_both_ends_need_not_run_alike(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        begin(&w, 1e6, 300000);
        w.path.clock_rate = 1 + sign * 200e-6;
        w.path.clock_us = sign * 3600000000;
        (void)run_for(&w, 600000); /* 120 ms apart by then */
        const run settled = run_for(&w, 60000);
        assert_between(settled.mean, 0.9e6, 1.05e6);
        assert_between(settled.least, 0.8e6, 1.05e6);
        assert_between(settled.queue_mean_ms, 0, 40);
    }
}

static void arrival_times_may_wrap_and_jump(void **state)
{
    (void)state;
    begin(&w, 1e6, 300000);
    w.path.clock_us = CM_RTCP_ARRIVAL_WRAP_US / 2 - 20000000; /* 15 s from now */
    (void)run_for(&w, 10000);
    assert_between(run_for(&w, 20000).mean, 0.8e6, 1.05e6);
    for (int sign = -1; sign <= 1; sign += 2) {
        w.path.clock_us += sign * 3600000000; /* the receiver began anew */
        (void)run_for(&w, 1000);
        cm_webrtc_estimate_figures figures;
        cm_webrtc_estimate_read(&w.estimate, &figures);
        assert_between((double)figures.queue_us, 0, 80000);
        const run after = run_for(&w, 20000);
        assert_between(after.least, 0.6e6, 1.3e6);
        assert_between(after.queue_mean_ms, 0, 40);
    }
}

/* --- loss ------------------------------------------------------------------------------------ */

static void random_loss_does_not_collapse_it(void **state)
{
    (void)state;
    static const struct {
        unsigned percent;
        double least;
    } CASES[] = {{1, 3e6}, {5, 2.5e6}, {8, 1.2e6}, {20, 0.8e6}, {40, 0.1e6}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        begin(&w, 4e6, 2000000);
        w.path.loss_percent = CASES[i].percent;
        (void)run_for(&w, 10000);
        assert_between(run_for(&w, 120000).least, CASES[i].least, 4.2e6);
    }
}

static void a_path_that_polices_is_found_although_bursts_pass(void **state)
{
    (void)state;
    begin(&w, 50e6, 4000000);
    w.path.policed_bits_per_second = 2e6;
    (void)run_for(&w, 30000);
    double loss = 0;
    for (unsigned i = 0; i < 60; i++) {
        (void)run_for(&w, 1000);
        cm_webrtc_estimate_figures figures;
        cm_webrtc_estimate_read(&w.estimate, &figures);
        loss += figures.loss_permille;
    }
    assert_between(loss / 60, 0, 110); /* the band in which it holds, as random loss would be */
    const run settled = run_for(&w, 60000);
    assert_between(settled.mean, 1.6e6, 2.4e6);
    assert_between(settled.most, 1.6e6, 3e6);
}

static void far_too_much_is_taken_back_at_once(void **state)
{
    (void)state;
    begin(&w, 50e6, 20000000);
    w.path.policed_bits_per_second = 2e6;
    (void)run_for(&w, 2500);
    assert_between(estimate_of(&w), 1.5e6, 3e6);
}

static void a_queue_with_little_room_is_found(void **state)
{
    (void)state;
    begin(&w, 3e6, 9000000);
    w.path.buffer_us = 60000;
    (void)run_for(&w, 5000);
    const run settled = run_for(&w, 30000);
    assert_between(settled.mean, 2e6, 3.2e6);
    cm_webrtc_estimate_figures figures;
    cm_webrtc_estimate_read(&w.estimate, &figures);
    assert_between(figures.loss_permille, 0, 60);
}

static void receiver_reports_alone_move_it_too(void **state)
{
    (void)state;
    begin(&w, 1e6, 2000000);
    for (unsigned i = 0; i < 10; i++) { /* a second each: 1 Mbit/s sent, 25 % lost */
        w.now_us += 1000000;
        for (unsigned n = 0; n < 100; n++)
            cm_webrtc_estimate_sent(&w.estimate, w.number++, 1250, now_of(&w));
        cm_webrtc_estimate_loss(&w.estimate, 64, 50000, now_of(&w));
    }
    assert_between(estimate_of(&w), 50000, 1.4e6);
    const double least = estimate_of(&w);
    for (unsigned i = 0; i < 30; i++) {
        w.now_us += 1000000;
        for (unsigned n = 0; n < 100; n++)
            cm_webrtc_estimate_sent(&w.estimate, w.number++, 1250, now_of(&w));
        cm_webrtc_estimate_loss(&w.estimate, 0, 50000, now_of(&w));
    }
    assert_between(estimate_of(&w), least, 2.5e6);
    assert_true(estimate_of(&w) > 1.4e6);
}

/* --- others ---------------------------------------------------------------------------------- */

static void what_others_leave_is_found(void **state)
{
    (void)state;
    begin(&w, 2e6, 1000000);
    (void)run_for(&w, 10000);
    w.path.others_bits_per_second = 1200000;
    (void)run_for(&w, 6000);
    const run settled = run_for(&w, 40000);
    assert_between(settled.mean, 0.6e6, 0.95e6);
    assert_between(settled.queue_mean_ms, 0, 80);
}

static void a_queue_of_others_that_never_ends_does_not_starve_it(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    (void)run_for(&w, 10000);
    w.path.others_queue_us = 150000;
    assert_between(run_for(&w, 10000).least, 1.2e6, 4e6);
    assert_between(run_for(&w, 20000).mean, 2.5e6, 4.2e6);
}

static void jitter_is_no_queue(void **state)
{
    (void)state;
    begin(&w, 2e6, 1000000);
    w.path.jitter_us = 40000;
    (void)run_for(&w, 10000);
    assert_between(run_for(&w, 30000).mean, 1.4e6, 2.1e6);
}

/* --- reports --------------------------------------------------------------------------------- */

static void before_the_first_report_nothing_is_known(void **state)
{
    (void)state;
    begin(&w, 1e6, 700000);
    cm_webrtc_estimate_sent(&w.estimate, 1, 1200, now_of(&w));
    assert_true(estimate_of(&w) == 0);
    (void)run_for(&w, 150);
    assert_between(estimate_of(&w), 650000, 900000);
}

static void silence_halves_it_each_second_to_the_least(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    (void)run_for(&w, 10000);
    const double before = estimate_of(&w);
    w.path.is_mute = true;
    (void)run_for(&w, 900);
    assert_between(estimate_of(&w), before * 0.9, before * 1.1);
    (void)run_for(&w, 2600);
    assert_between(estimate_of(&w), before / 16, before / 3);
    (void)run_for(&w, 20000);
    assert_true(estimate_of(&w) == 50000);
    w.fixed_bits_per_second = 2e6;
    (void)run_for(&w, 180000); /* more than half of the numbers there are */
    w.fixed_bits_per_second = 0;
    w.path.is_mute = false;
    (void)run_for(&w, 10000);
    assert_between(estimate_of(&w), 1.5e6, 4.6e6);
}

static void sending_nothing_is_no_silence(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    (void)run_for(&w, 10000);
    const double before = estimate_of(&w);
    w.is_paused = true;
    (void)run_for(&w, 300); /* all is reported */
    w.now_us += 600000000;
    w.is_paused = false;
    assert_between(run_for(&w, 500).least, before * 0.9, 5e6);
}

static void reports_on_what_was_not_sent_and_old_ones_change_nothing(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    (void)run_for(&w, 1250);
    const cm_webrtc_estimate before = w.estimate;
    uint8_t room[2048];
    for (unsigned round = 0; round < 2; round++) {
        cm_rtcp_arrival arrivals[200];
        for (size_t i = 0; i < CM_COUNT(arrivals); i++)
            arrivals[i] = (cm_rtcp_arrival){
                .sequence_number = (uint16_t)(round == 0 ? w.number + 5 + i : w.number - 400 + i),
                .is_received = true,
                .at_us = (int64_t)i * 30000};
        cm_writer writer = cm_writer_over(room, sizeof room);
        cm_rtcp_write_transport_cc(&writer, 1, 2, 0, arrivals, CM_COUNT(arrivals));
        cm_slice datagram = cm_writer_done(&writer);
        cm_rtcp_item item;
        cm_rtcp_feedback feedback;
        cm_rtcp_transport_cc parsed;
        assert_int_equal(cm_rtcp_next_item(&datagram, &item), CM_OK);
        assert_int_equal(cm_rtcp_feedback_parse(&item, &feedback), CM_OK);
        assert_int_equal(cm_rtcp_transport_cc_parse(&feedback, &parsed), CM_OK);
        cm_webrtc_estimate_feedback(&w.estimate, &parsed, now_of(&w));
    }
    assert_int_equal(w.estimate.received, before.received);
    assert_int_equal(w.estimate.next_number, before.next_number);
    assert_int_equal(w.estimate.group_at, before.group_at);
}

static void a_viewer_reaches_it_by_its_hooks(void **state)
{
    (void)state;
    begin(&w, 4e6, 1000000);
    const cm_webrtc_estimator hooks = cm_webrtc_estimate_as_estimator(&w.estimate);
    assert_true(hooks.bits_per_second(hooks.context) == 0);
    hooks.on_sent(hooks.context, 1, 1200, now_of(&w));
    hooks.on_loss(hooks.context, 0, 30000, now_of(&w));
    assert_true(hooks.bits_per_second(hooks.context) >= 1000000);
    assert_true(w.estimate.round_trip_us == 30000);
    const cm_rtcp_feedback feedback = {.kind = CM_RTCP_TRANSPORT_CC,
                                       .content = BYTES(0, 1, 0, 1, 0, 0, 2, 9, 0x20, 1, 4, 0)};
    cm_rtcp_transport_cc report;
    assert_int_equal(cm_rtcp_transport_cc_parse(&feedback, &report), CM_OK);
    hooks.on_feedback(hooks.context, &report, now_of(&w));
    assert_int_equal(w.estimate.received, 1);
    assert_int_equal(report.done, 0); /* the report is still the viewer's to walk */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_path_is_found_from_below_and_its_queue_stays_short),
        cmocka_unit_test(a_narrow_path_is_found_from_above_within_two_seconds),
        cmocka_unit_test(it_doubles_each_second_until_the_path_was_full),
        cmocka_unit_test(paths_of_all_rates_and_lengths_are_found),
        cmocka_unit_test(a_path_that_narrows_is_followed_in_a_second_and_drained_in_three),
        cmocka_unit_test(a_long_path_that_narrows_is_not_filled_again_while_it_drains),
        cmocka_unit_test(a_path_that_widens_is_used_in_eight_seconds),
        cmocka_unit_test(keyframes_that_fill_the_path_for_a_while_do_not_starve_it),
        cmocka_unit_test(bursts_show_that_a_path_carries_more_than_is_sent),
        cmocka_unit_test(without_bursts_it_does_not_grow_beyond_what_was_shown),
        cmocka_unit_test(a_quiet_camera_costs_nothing_of_the_estimate),
        cmocka_unit_test(a_radio_that_was_away_for_a_moment_says_nothing_of_the_rate),
        cmocka_unit_test(the_clocks_of_both_ends_need_not_run_alike),
        cmocka_unit_test(arrival_times_may_wrap_and_jump),
        cmocka_unit_test(random_loss_does_not_collapse_it),
        cmocka_unit_test(a_path_that_polices_is_found_although_bursts_pass),
        cmocka_unit_test(far_too_much_is_taken_back_at_once),
        cmocka_unit_test(a_queue_with_little_room_is_found),
        cmocka_unit_test(receiver_reports_alone_move_it_too),
        cmocka_unit_test(what_others_leave_is_found),
        cmocka_unit_test(a_queue_of_others_that_never_ends_does_not_starve_it),
        cmocka_unit_test(jitter_is_no_queue),
        cmocka_unit_test(before_the_first_report_nothing_is_known),
        cmocka_unit_test(silence_halves_it_each_second_to_the_least),
        cmocka_unit_test(sending_nothing_is_no_silence),
        cmocka_unit_test(reports_on_what_was_not_sent_and_old_ones_change_nothing),
        cmocka_unit_test(a_viewer_reaches_it_by_its_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
