#include "egress/webrtc/estimate.h"

enum {
    START = 4000000,
    LEAST = 50000,
    MOST = 50000000,
    /* Packets sent within so long are a group, up to so many. */
    GROUP_SPAN_US = 1000,
    GROUP_PACKETS = 64,
    /* Arrival times: their steps, and a step that only another clock makes. */
    TICK_US = 250,
    ARRIVAL_JUMP_S = 10,
    /* The least time on the way is that of the last one to two windows: clocks drift, routes move.
     */
    PATH_WINDOW_S = 10,
    /* How long the means look back. */
    FAST_US = 100000,
    SLOW_US = 400000,
    DELIVERED_US = 500000,
    /* The queue that jitter explains: so much and three times the mean step, within bounds. */
    QUEUE_US = 15000,
    JITTER_FACTOR = 3,
    QUEUE_LEAST_US = 25000,
    QUEUE_MOST_US = 80000,
    /* A queue must stand so long to say what the path carries. */
    BUSY_US = 60000,
    /* A decrease shows in the next report but one, a round trip and the queue later. */
    SETTLE_US = 150000,
    SETTLE_QUEUE_MOST_US = 2000000,
    ROUND_TRIP_US = 100000, /* until it is known */
    ROUND_TRIP_MOST_US = 1000000,
    FUTILE_MAX = 4,
    /* Fewer packets say little, with arrivals in such steps; older trains are of another time. */
    TRAIN_PACKETS = 5,
    TRAIN_QUEUE_US = 5000, /* what waited longer may have been let go at once */
    TRAIN_LIFE_S = 10,
    /* After a train that lied, doubling with each. */
    DISTRUST_LEAST_S = 10,
    DISTRUST_MOST_S = 640,
    /* Loss is judged over so long, or at once when it is beyond doubt, and over so many packets. */
    LOSS_WINDOW_S = 1,
    LOSS_PACKETS = 20,
    LOSS_STEPS = 4,
    STEP_MOST_US = 500000,
    SILENCE_S = 1,
    SILENCE_REPORTS_S = 8, /* receiver reports alone come every 5 s at the latest */
};

/* A decrease is to so much of what is delivered, the less the longer the queue. */
static const double DECREASE_LEAST = 0.9;
static const double DECREASE_MOST = 0.75;
/* A queue shall be gone in so long: it shrinks by so much of the time that passes, at least. */
static const double DRAIN_S = 2;
static const double DRAIN_LEAST = 0.01;
static const double DRAIN_MOST = 0.2;
/* When so much of a queue is left it has not shrunk. */
static const double STANDS = 0.8;
/* A train lifts the estimate to about so much of what it says: others may want to go there too. */
static const double TRAIN_SHARE = 0.8;
/* Growth ends at so much of what is delivered and so many bits more, that little can become more.
 */
static const double LEAD = 1.5;
static const double LEAD_BITS = 50000;
/* The bounds of the three bands of loss. */
static const double LOSS_HOLD = 0.02;
static const double LOSS_SHRINK = 0.10;
/* Growth a second: until the path was full once, and from least to most after that. */
static const double GROWTH_FIRST = 1.0;
static const double GROWTH_LEAST = 0.05;
static const double GROWTH_MOST = 0.5;

/* --- small things ---------------------------------------------------------------------------- */

static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

static uint64_t or_else(uint64_t value, uint64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void set_rate(cm_webrtc_estimate *e, double rate)
{
    e->rate = clamp(rate, (double)e->config.least_bits_per_second,
                    (double)e->config.most_bits_per_second);
}

/* Moves `mean`, which looks back `span_us`, towards a value that stood for `elapsed_us`. */
static double approach(double mean, double value, int64_t elapsed_us, int64_t span_us)
{
    return mean + (value - mean) * (double)elapsed_us / (double)(elapsed_us + span_us);
}

static double rate_of(uint64_t bytes, int64_t us)
{
    return (double)bytes * 8e6 / (double)us;
}

void cm_webrtc_estimate_init(cm_webrtc_estimate *estimate, const cm_webrtc_estimate_config *config,
                             cm_instant now)
{
    *estimate = (cm_webrtc_estimate){.config = *config,
                                     .loss_from = now,
                                     .stepped = now,
                                     .trains_from = now,
                                     .path_window = now,
                                     .round_trip_us = ROUND_TRIP_US};
    cm_webrtc_estimate_config *c = &estimate->config;
    c->start_bits_per_second = or_else(c->start_bits_per_second, START);
    c->least_bits_per_second = or_else(c->least_bits_per_second, LEAST);
    c->most_bits_per_second = or_else(c->most_bits_per_second, MOST);
    set_rate(estimate, (double)c->start_bits_per_second);
}

/* --- what was sent --------------------------------------------------------------------------- */

static cm_webrtc_group *group_of(cm_webrtc_estimate *e, uint32_t index)
{
    return &e->groups[index % CM_WEBRTC_ESTIMATE_GROUPS];
}

static bool is_before(uint16_t a, uint16_t b)
{
    return (int16_t)(a - b) < 0;
}

static void check_silence(cm_webrtc_estimate *e, cm_instant now)
{
    if (!e->is_known)
        return;
    if (!e->is_waiting) {
        e->is_waiting = true;
        e->waiting_since = now;
    } else if (cm_instant_since(now, e->waiting_since) >
               (e->has_arrival ? CM_SECONDS(SILENCE_S) : CM_SECONDS(SILENCE_REPORTS_S))) {
        e->waiting_since = now;
        set_rate(e, e->rate / 2);
    }
}

/* A report on what is no longer remembered is not waited for. */
static void forget_oldest(cm_webrtc_estimate *e)
{
    if (e->group_head - e->group_at <= CM_WEBRTC_ESTIMATE_GROUPS)
        return;
    e->group_at = e->group_head - CM_WEBRTC_ESTIMATE_GROUPS;
    e->arrived = (cm_webrtc_arrived){0};
    /* Numbers are compared modulo 65,536: the one expected must stay near. */
    if (is_before(e->next_number, group_of(e, e->group_at)->first))
        e->next_number = group_of(e, e->group_at)->first;
}

void cm_webrtc_estimate_sent(cm_webrtc_estimate *estimate, uint16_t number, size_t bytes,
                             cm_instant now)
{
    cm_webrtc_estimate *e = estimate;
    check_silence(e, now);
    e->unreported_bytes += bytes;
    if (e->group_head > 0) {
        cm_webrtc_group *newest = group_of(e, e->group_head - 1);
        if (number == (uint16_t)(newest->first + newest->count) && newest->count < GROUP_PACKETS &&
            (uint32_t)now.us - newest->sent_us <= GROUP_SPAN_US) {
            newest->count++;
            newest->bytes += (uint32_t)bytes;
            return;
        }
    } else {
        e->next_number = number;
    }
    *group_of(e, e->group_head++) = (cm_webrtc_group){
        .sent_us = (uint32_t)now.us, .bytes = (uint32_t)bytes, .first = number, .count = 1};
    forget_oldest(e);
}

/* --- the queue ------------------------------------------------------------------------------- */

static int64_t path_of(const cm_webrtc_estimate *e)
{
    return e->path_us[0] < e->path_us[1] ? e->path_us[0] : e->path_us[1];
}

static void note_path(cm_webrtc_estimate *e, int64_t way_us, cm_instant now)
{
    if (!e->has_path) {
        e->has_path = true;
        e->path_us[0] = e->path_us[1] = way_us;
        e->path_window = now;
    } else if (cm_instant_since(now, e->path_window) > CM_SECONDS(PATH_WINDOW_S)) {
        e->path_us[1] = e->path_us[0];
        e->path_us[0] = way_us;
        e->path_window = now;
    } else if (way_us < e->path_us[0]) {
        e->path_us[0] = way_us;
    }
}

/* What is still no sign of a full path. */
static double tolerated_queue(const cm_webrtc_estimate *e)
{
    return clamp(QUEUE_US + JITTER_FACTOR * e->jitter_us, QUEUE_LEAST_US, QUEUE_MOST_US);
}

static void note_busy(cm_webrtc_estimate *e, int64_t queue_us, int64_t sent_us, int64_t arrived_us,
                      uint32_t bytes)
{
    cm_webrtc_busy *busy = &e->busy;
    if ((double)queue_us < tolerated_queue(e) / 2) {
        busy->is_begun = false;
        e->futile = 0;
        return;
    }
    if (!busy->is_begun)
        *busy = (cm_webrtc_busy){
            .is_begun = true, .begin_sent_us = sent_us, .begin_arrived_us = arrived_us};
    else
        busy->bytes += busy->last_bytes;
    busy->last_bytes = bytes;
    busy->sent_us = sent_us;
    busy->arrived_us = arrived_us;
}

static void note_queue(cm_webrtc_estimate *e, int64_t queue_us, int64_t sent_us)
{
    const int64_t elapsed = sent_us > e->last_sent_us ? sent_us - e->last_sent_us : 1;
    const int64_t step = queue_us - e->last_queue_us;
    e->queue_fast_us = approach(e->queue_fast_us, (double)queue_us, elapsed, FAST_US);
    e->queue_slow_us = approach(e->queue_slow_us, (double)queue_us, elapsed, SLOW_US);
    e->jitter_us = approach(e->jitter_us, (double)(step < 0 ? -step : step), elapsed, SLOW_US);
    e->last_queue_us = queue_us;
    e->last_sent_us = sent_us;
}

/* --- a group that has arrived ---------------------------------------------------------------- */

static void note_train(cm_webrtc_estimate *e, const cm_webrtc_group *group, cm_instant now)
{
    const cm_webrtc_arrived *arrived = &e->arrived;
    if (group->count < TRAIN_PACKETS || arrived->count < group->count ||
        e->last_queue_us > TRAIN_QUEUE_US)
        return;
    const int64_t span = arrived->last_us - arrived->first_us;
    const uint64_t behind_first = (uint64_t)group->bytes * (group->count - 1u) / group->count;
    for (size_t i = 0; i + 1 < CM_WEBRTC_TRAINS; i++)
        e->trains[i] = e->trains[i + 1];
    e->trains[CM_WEBRTC_TRAINS - 1] = rate_of(behind_first, span > TICK_US ? span : TICK_US);
    e->train_at = now;
}

static void note_delivered(cm_webrtc_estimate *e, uint64_t bytes, int64_t arrived_us)
{
    const int64_t elapsed = arrived_us - e->delivered_us;
    if (elapsed >= DELIVERED_US)
        e->delivered = 0;
    else if (elapsed > 0)
        e->delivered -= e->delivered * (double)elapsed / DELIVERED_US;
    e->delivered += (double)bytes;
    if (elapsed > 0)
        e->delivered_us = arrived_us;
}

static void end_group(cm_webrtc_estimate *e, cm_instant now)
{
    const cm_webrtc_group *group = group_of(e, e->group_at++);
    if (e->arrived.count > 0) {
        const int64_t sent_us = now.us - (int64_t)((uint32_t)now.us - group->sent_us);
        const int64_t way_us = e->arrived.first_us - sent_us;
        const uint32_t bytes = (uint32_t)((uint64_t)group->bytes * e->arrived.count / group->count);
        note_path(e, way_us, now);
        const int64_t queue_us = way_us - path_of(e);
        note_busy(e, queue_us, sent_us, e->arrived.first_us, bytes);
        note_queue(e, queue_us, sent_us);
        note_train(e, group, now);
        note_delivered(e, bytes, e->arrived.first_us);
    }
    e->arrived = (cm_webrtc_arrived){0};
}

/* Times that do not follow on each other, be it that they wrapped (after 12 days) or that the
 * receiver began anew: nothing from before compares with what comes. */
static void note_clock(cm_webrtc_estimate *e, int64_t at_us)
{
    const int64_t step = at_us - e->last_arrival_us;
    e->last_arrival_us = at_us;
    if (e->has_arrival && step < CM_SECONDS(ARRIVAL_JUMP_S) && step > -CM_SECONDS(ARRIVAL_JUMP_S))
        return;
    e->has_arrival = true;
    e->has_path = false;
    e->busy.is_begun = false;
    e->delivered = 0;
    e->delivered_us = at_us;
}

static void note_arrival(cm_webrtc_estimate *e, const cm_rtcp_arrival *arrival, cm_instant now)
{
    const uint16_t number = arrival->sequence_number;
    if (e->group_head == 0)
        return;
    const cm_webrtc_group *newest = group_of(e, e->group_head - 1);
    /* Told before, or not sent at all. */
    if (is_before(number, e->next_number) ||
        !is_before(number, (uint16_t)(newest->first + newest->count)))
        return;
    e->next_number = (uint16_t)(number + 1);
    while (e->group_at != e->group_head) {
        const cm_webrtc_group *group = group_of(e, e->group_at);
        if (is_before(number, (uint16_t)(group->first + group->count)))
            break;
        end_group(e, now);
    }
    e->lost += !arrival->is_received;
    e->received += arrival->is_received;
    if (!arrival->is_received)
        return;
    const int64_t at_us = arrival->at_us;
    note_clock(e, at_us);
    cm_webrtc_arrived *arrived = &e->arrived;
    if (arrived->count == 0 || at_us < arrived->first_us)
        arrived->first_us = at_us;
    if (arrived->count == 0 || at_us > arrived->last_us)
        arrived->last_us = at_us;
    arrived->count++;
}

/* --- steps ----------------------------------------------------------------------------------- */

static void decrease(cm_webrtc_estimate *e, double to, cm_instant now)
{
    if (to < e->rate)
        set_rate(e, to);
    for (size_t i = 0; i < CM_WEBRTC_TRAINS; i++)
        e->trains[i] = 0; /* they were of another path */
    e->has_decreased = true;
    e->decreased = now;
}

/* The effect of a decrease is seen a round trip later, behind the queue that stood then. */
static bool may_decrease(const cm_webrtc_estimate *e, cm_instant now)
{
    const double queue_us = clamp(e->queue_fast_us, 0, SETTLE_QUEUE_MOST_US);
    return !e->has_decreased ||
           cm_instant_since(now, e->decreased) > SETTLE_US + e->round_trip_us + (int64_t)queue_us;
}

/* A queue that is not ours counts as the length of the path. */
static void take_queue_as_path(cm_webrtc_estimate *e)
{
    e->path_us[0] = e->path_us[1] = path_of(e) + e->last_queue_us;
    e->queue_fast_us = e->queue_slow_us = 0;
    e->last_queue_us = 0;
    e->busy.is_begun = false;
    e->futile = 0;
}

/* The queue did not shrink since the decrease before this one. */
static void note_futile(cm_webrtc_estimate *e)
{
    if (e->futile == 0 || e->queue_fast_us < e->futile_queue_us * STANDS) {
        e->futile = 0;
        e->futile_queue_us = e->queue_fast_us;
    }
    if (++e->futile > FUTILE_MAX)
        take_queue_as_path(e);
}

/* Judges the time since `busy` began, in which there was a queue without end. */
static void judge_busy(cm_webrtc_estimate *e, cm_instant now)
{
    const cm_webrtc_busy *busy = &e->busy;
    const double arrived_us = (double)(busy->arrived_us - busy->begin_arrived_us);
    const double sent_us = (double)(busy->sent_us - busy->begin_sent_us);
    const double queue_s = e->queue_fast_us / 1e6;
    const double excess_s = queue_s - tolerated_queue(e) / 1e6;
    const double needed = clamp(excess_s / DRAIN_S, DRAIN_LEAST, DRAIN_MOST);
    if (arrived_us > sent_us * (1 - needed)) {
        const double share = clamp(0.95 - queue_s / DRAIN_S, DECREASE_MOST, DECREASE_LEAST);
        decrease(e, (double)busy->bytes * 8e6 / arrived_us * share, now);
    }
    e->busy.is_begun = false; /* measured anew from here on */
    if (arrived_us > sent_us * (1 - DRAIN_LEAST))
        note_futile(e);
    else
        e->futile = 0;
}

/* True: there is a queue, and no growth while it stands. */
static bool step_by_queue(cm_webrtc_estimate *e, cm_instant now)
{
    const double tolerated = tolerated_queue(e);
    /* Where it will be in half a second, if it goes on as it does. */
    const double ahead = e->queue_fast_us + 2 * (e->queue_fast_us - e->queue_slow_us);
    const bool is_too_long =
        e->queue_fast_us > tolerated || (ahead > tolerated && e->queue_fast_us > tolerated / 2);
    const cm_webrtc_busy *busy = &e->busy;
    if (is_too_long && busy->is_begun && may_decrease(e, now) &&
        busy->arrived_us - busy->begin_arrived_us >= BUSY_US)
        judge_busy(e, now);
    return e->queue_fast_us > tolerated / 2;
}

static double delivered_rate(const cm_webrtc_estimate *e)
{
    return e->delivered * 8e6 / DELIVERED_US;
}

/* More than the upper bound by more than chance has it (two standard deviations). */
static bool is_heavy(uint32_t lost, uint32_t packets)
{
    const double expected = LOSS_SHRINK * packets;
    const double beyond = lost - expected;
    return beyond > 0 && beyond * beyond > 4 * expected * (1 - LOSS_SHRINK);
}

/* Loss that stays the same however little we send is the path's nature. Where the path is full,
 * what passes stays the same instead. Judged when several decreases have been made: by then the two
 * differ by more than chance. */
static bool is_nature(const cm_webrtc_estimate *e)
{
    const double passed = (1 - e->loss_before) * e->rate_before / e->rate;
    const double expected = passed < 1 ? 1 - passed : 0;
    return e->loss_mean > (e->loss_before + expected) / 2 &&
           e->loss_mean < e->loss_before + LOSS_SHRINK;
}

static bool is_raised_lately(const cm_webrtc_estimate *e, cm_instant now)
{
    return e->is_raised_by_train && cm_instant_since(now, e->raised_at) <= CM_SECONDS(TRAIN_LIFE_S);
}

/* Bursts pass where a steady stream does not, as at one who polices: back to what it was. */
static void distrust_trains(cm_webrtc_estimate *e, cm_instant now)
{
    if (!is_raised_lately(e, now))
        return;
    e->is_raised_by_train = false;
    e->distrust_s = e->distrust_s == 0 ? DISTRUST_LEAST_S : e->distrust_s * 2;
    if (e->distrust_s > DISTRUST_MOST_S)
        e->distrust_s = DISTRUST_MOST_S;
    e->trains_from = cm_instant_after(now, CM_SECONDS(e->distrust_s));
    if (e->raised_from < e->rate)
        set_rate(e, e->raised_from);
}

static void shrink_by_loss(cm_webrtc_estimate *e, double least, cm_instant now)
{
    distrust_trains(e, now);
    if (!may_decrease(e, now) || (e->loss_steps == LOSS_STEPS && is_nature(e)))
        return;
    if (e->loss_steps == LOSS_STEPS)
        e->loss_steps = 0;
    if (e->loss_steps++ == 0) {
        e->loss_before = e->loss_mean;
        e->rate_before = e->rate;
    }
    const double passes = 1 - e->loss_mean;
    const double shrunk = e->rate * (passes > 0.5 ? (1 + passes) / 2 : passes * 1.5);
    decrease(e, shrunk > least ? shrunk : least, now);
}

/* True: it is too much for growth. */
static bool step_by_loss(cm_webrtc_estimate *e, cm_instant now)
{
    const uint32_t packets = e->lost + e->received;
    /* The first sign counts at once, what follows is measured. */
    const bool is_first = e->loss_steps == 0 && is_heavy(e->lost, packets);
    const bool is_over = cm_instant_since(now, e->loss_from) >= CM_SECONDS(LOSS_WINDOW_S);
    if (packets >= LOSS_PACKETS && (is_first || is_over)) {
        e->loss = (double)e->lost / packets;
        e->loss_mean = is_first ? e->loss : (e->loss + e->loss_mean) / 2;
        e->lost = e->received = 0;
        e->loss_from = now;
        if (e->loss_mean > LOSS_SHRINK)
            shrink_by_loss(e, delivered_rate(e) * DECREASE_LEAST, now);
        else if (e->loss_mean <= LOSS_HOLD)
            e->loss_steps = 0;
    }
    return e->loss > LOSS_HOLD;
}

/* The least of the last trains; 0: not enough of them, or too old. */
static double train_rate(const cm_webrtc_estimate *e, cm_instant now)
{
    if (cm_instant_since(now, e->train_at) > CM_SECONDS(TRAIN_LIFE_S) ||
        cm_instant_since(now, e->trains_from) < 0)
        return 0;
    double least = e->trains[0];
    for (size_t i = 1; i < CM_WEBRTC_TRAINS; i++)
        if (e->trains[i] < least)
            least = e->trains[i];
    return least;
}

/* Doubles every two seconds in which all was well. */
static double growth_of(const cm_webrtc_estimate *e, cm_instant now)
{
    if (!e->has_decreased)
        return GROWTH_FIRST;
    const int64_t doublings = cm_instant_since(now, e->decreased) / CM_SECONDS(2);
    return clamp(GROWTH_LEAST * (double)(1 << (doublings < 8 ? doublings : 8)), 0, GROWTH_MOST);
}

static void raise_by_train(cm_webrtc_estimate *e, double train, int64_t elapsed_us, cm_instant now)
{
    if (!is_raised_lately(e, now))
        e->raised_from = e->rate;
    e->is_raised_by_train = true;
    e->raised_at = now;
    set_rate(e, approach(e->rate, train, elapsed_us, STEP_MOST_US));
}

static void grow(cm_webrtc_estimate *e, bool is_lossy, int64_t elapsed_us, cm_instant now)
{
    const double train = train_rate(e, now);
    if (train * TRAIN_SHARE > e->rate && e->loss_mean <= LOSS_SHRINK)
        raise_by_train(e, train, elapsed_us, now);
    else if (!is_lossy && e->rate < delivered_rate(e) * LEAD + LEAD_BITS)
        set_rate(e, e->rate * (1 + growth_of(e, now) * (double)elapsed_us / 1e6));
}

static void step(cm_webrtc_estimate *e, cm_instant now)
{
    int64_t elapsed = cm_instant_since(now, e->stepped);
    if (elapsed > STEP_MOST_US)
        elapsed = STEP_MOST_US;
    e->stepped = now;
    const bool has_queue = step_by_queue(e, now);
    const bool is_lossy = step_by_loss(e, now);
    if (!has_queue)
        grow(e, is_lossy, elapsed, now);
}

/* --- what is told ---------------------------------------------------------------------------- */

void cm_webrtc_estimate_feedback(cm_webrtc_estimate *estimate, const cm_rtcp_transport_cc *report,
                                 cm_instant now)
{
    cm_webrtc_estimate *e = estimate;
    cm_rtcp_transport_cc walk = *report;
    cm_rtcp_arrival arrival;
    while (cm_rtcp_transport_cc_next(&walk, &arrival))
        note_arrival(e, &arrival, now);
    /* All of it was told of: it need not wait for the next report. */
    if (e->group_at != e->group_head) {
        const cm_webrtc_group *group = group_of(e, e->group_at);
        if (e->next_number == (uint16_t)(group->first + group->count))
            end_group(e, now);
    }
    e->is_known = true;
    e->is_waiting = false;
    step(e, now);
}

/* Without transport-cc: growth is measured by what was sent, as arrivals are not known. */
static void step_by_report(cm_webrtc_estimate *e, cm_instant now)
{
    const int64_t elapsed = cm_instant_since(now, e->stepped);
    if (e->loss > LOSS_SHRINK)
        shrink_by_loss(e, 0, now);
    else if (e->loss <= LOSS_HOLD && elapsed > 0 &&
             e->rate < rate_of(e->unreported_bytes, elapsed) * LEAD + LEAD_BITS) {
        const int64_t counted = elapsed < CM_SECONDS(1) ? elapsed : CM_SECONDS(1);
        set_rate(e, e->rate * (1 + growth_of(e, now) * (double)counted / 1e6));
    }
    e->stepped = now;
}

void cm_webrtc_estimate_loss(cm_webrtc_estimate *estimate, uint8_t fraction_lost,
                             int64_t round_trip_us, cm_instant now)
{
    cm_webrtc_estimate *e = estimate;
    if (round_trip_us > 0)
        e->round_trip_us = round_trip_us < ROUND_TRIP_MOST_US ? round_trip_us : ROUND_TRIP_MOST_US;
    if (e->has_arrival)
        return;
    e->is_known = true;
    e->is_waiting = false;
    e->loss = e->loss_mean = fraction_lost / 256.0;
    step_by_report(e, now);
    e->unreported_bytes = 0;
}

uint64_t cm_webrtc_estimate_bits_per_second(const cm_webrtc_estimate *estimate)
{
    return estimate->is_known ? (uint64_t)estimate->rate : 0;
}

void cm_webrtc_estimate_read(const cm_webrtc_estimate *estimate, cm_webrtc_estimate_figures *out)
{
    *out = (cm_webrtc_estimate_figures){
        .bits_per_second = cm_webrtc_estimate_bits_per_second(estimate),
        .delivered_bits_per_second = (uint64_t)delivered_rate(estimate),
        .queue_us = (int64_t)estimate->queue_fast_us,
        .loss_permille = (unsigned)(estimate->loss * 1000),
    };
}

/* --- for a viewer ---------------------------------------------------------------------------- */

static void on_sent(void *context, uint16_t number, size_t bytes, cm_instant now)
{
    cm_webrtc_estimate_sent(context, number, bytes, now);
}

static void on_feedback(void *context, const cm_rtcp_transport_cc *report, cm_instant now)
{
    cm_webrtc_estimate_feedback(context, report, now);
}

static void on_loss(void *context, uint8_t fraction_lost, int64_t round_trip_us, cm_instant now)
{
    cm_webrtc_estimate_loss(context, fraction_lost, round_trip_us, now);
}

static uint64_t bits_per_second(void *context)
{
    return cm_webrtc_estimate_bits_per_second(context);
}

cm_webrtc_estimator cm_webrtc_estimate_as_estimator(cm_webrtc_estimate *estimate)
{
    return (cm_webrtc_estimator){.on_sent = on_sent,
                                 .on_feedback = on_feedback,
                                 .on_loss = on_loss,
                                 .bits_per_second = bits_per_second,
                                 .context = estimate};
}
