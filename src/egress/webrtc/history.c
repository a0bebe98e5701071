/* What was sent, so that it can be sent once more: runs of packets, and how often each went. */
#include "egress/webrtc/webrtc_priv.h"

enum {
    TIMES_MAX = 3,
    LOST_MAX = 64,         /* packets that one feedback is answered with */
    LOST_LOOKED_AT = 1024, /* numbers of one feedback that are looked up */
    TOKENS_MAX = 32 << 10, /* bytes that may go again in one burst */
    SHARE = 10,            /* resends take a tenth of the estimate */
    ROUND_TRIP_DEFAULT_MS = 100,
    ROUND_TRIP_LEAST_MS = 10,
    /* How long a packet may still be asked for: reports come every 100 ms or so, a loss is seen at
     * the next packet, and each of the TIMES_MAX resends may be lost as well. */
    KEPT_LEAST_MS = 500,
    KEPT_ROUND_TRIPS = TIMES_MAX + 1,
    KEPT_MOST_MS = 2000,
};

static sent_run *run_at(sent_history *history, uint32_t number)
{
    return &history->runs[number % HISTORY_RUNS];
}

/* The packet continues the run: one after the other in every respect. */
static bool continues(const sent_run *run, const sent_run *packet)
{
    return run->delivery == packet->delivery && run->timestamp == packet->timestamp &&
           run->flags == packet->flags && run->count < RUN_PACKETS_MAX &&
           (uint16_t)(run->first_sequence + run->count) == packet->first_sequence &&
           (uint16_t)(run->first_granule + run->count) == packet->first_granule &&
           (uint16_t)(run->first_number + run->count) == packet->first_number;
}

static uint32_t now_ms(const cm_webrtc_viewer *viewer)
{
    return (uint32_t)(cm_loop_now(viewer->config.loop).us / 1000);
}

static uint32_t round_trip_ms(const cm_webrtc_viewer *viewer)
{
    const int64_t ms = viewer->figures.round_trip_us / 1000;
    if (ms == 0)
        return ROUND_TRIP_DEFAULT_MS;
    return ms < ROUND_TRIP_LEAST_MS ? ROUND_TRIP_LEAST_MS : (uint32_t)ms;
}

void cm_webrtc_history_add(cm_webrtc_viewer *viewer, const packet_place *place)
{
    sent_history *history = &viewer->history;
    const sent_run packet = {.delivery = cm_subscription_delivery(viewer->subscription),
                             .timestamp = viewer->timestamp,
                             .at_ms = now_ms(viewer),
                             .first_sequence = place->sequence,
                             .first_granule = place->granule,
                             .first_number = place->number,
                             .count = 1,
                             .flags = viewer->flags};
    if (history->next != history->first && continues(run_at(history, history->next - 1), &packet)) {
        run_at(history, history->next - 1)->count++;
        run_at(history, history->next - 1)->at_ms = packet.at_ms;
        return;
    }
    if (history->next - history->first == HISTORY_RUNS)
        history->first++;
    *run_at(history, history->next++) = packet;
}

static uint32_t kept_ms(const cm_webrtc_viewer *viewer)
{
    const uint32_t ms = KEPT_LEAST_MS + KEPT_ROUND_TRIPS * round_trip_ms(viewer);
    return ms < KEPT_MOST_MS ? ms : KEPT_MOST_MS;
}

/* Frames that no run is of (they were passed over) go with those before them; the one that is going
 * out stays, as its first run is still to come. */
void cm_webrtc_history_age(cm_webrtc_viewer *viewer)
{
    sent_history *history = &viewer->history;
    const uint32_t now = now_ms(viewer), kept = kept_ms(viewer);
    const bool is_under_way = viewer->begun != NULL || viewer->has_waited;
    const uint32_t end = cm_subscription_delivery(viewer->subscription) + (is_under_way ? 0 : 1);
    while (history->first != history->next && now - run_at(history, history->first)->at_ms > kept)
        history->first++;
    cm_subscription_forget(viewer->subscription, history->first == history->next
                                                     ? end
                                                     : run_at(history, history->first)->delivery);
}

static const sent_run *find_run(sent_history *history, uint16_t sequence)
{
    for (uint32_t i = history->next; i != history->first; i--) {
        const sent_run *run = run_at(history, i - 1);
        if ((uint16_t)(sequence - run->first_sequence) < run->count)
            return run;
    }
    return NULL;
}

/* ---- may it go? ---- */

static void fill_tokens(cm_webrtc_viewer *viewer)
{
    sent_history *history = &viewer->history;
    const cm_instant now = cm_loop_now(viewer->config.loop);
    const int64_t elapsed_us = cm_instant_since(now, history->filled);
    const uint64_t bytes_per_second = cm_webrtc_budget(viewer) / 8 / SHARE;
    history->filled = now;
    if (elapsed_us > CM_SECONDS(10)) /* also the first time */
        history->tokens_bytes = TOKENS_MAX;
    else
        history->tokens_bytes += (int64_t)(bytes_per_second * (uint64_t)elapsed_us / 1000000);
    if (history->tokens_bytes > TOKENS_MAX)
        history->tokens_bytes = TOKENS_MAX;
}

/* Its count, or a fresh one in place of the one that was taken longest ago. */
static resent_packet *resent_of(sent_history *history, uint16_t sequence)
{
    for (size_t i = 0; i < RESENT_MAX; i++)
        if (history->resent[i].times > 0 && history->resent[i].sequence == sequence)
            return &history->resent[i];
    resent_packet *place = &history->resent[history->resent_next];
    history->resent_next = (uint8_t)((history->resent_next + 1) % RESENT_MAX);
    *place = (resent_packet){.sequence = sequence};
    return place;
}

/* Counts it if it may go. */
static bool take_leave(cm_webrtc_viewer *viewer, uint16_t sequence)
{
    sent_history *history = &viewer->history;
    if (history->tokens_bytes < PACKET_MAX)
        return false;
    resent_packet *resent = resent_of(history, sequence);
    const uint32_t now = now_ms(viewer);
    if (resent->times >= TIMES_MAX ||
        (resent->times > 0 && now - resent->at_ms < round_trip_ms(viewer)))
        return false;
    resent->times++;
    resent->at_ms = now;
    history->tokens_bytes -= PACKET_MAX;
    return true;
}

/* ---- once more ---- */

typedef struct lost_packet {
    const sent_run *run; /* in the history, which does not change meanwhile */
    packet_place place;
} lost_packet;

struct resend_batch {
    lost_packet packets[LOST_MAX];
    size_t count;
    size_t from; /* those at hand: granules one after the other, of one delivery */
    size_t end;
};

static void collect(cm_webrtc_viewer *viewer, cm_rtcp_nack *lost, struct resend_batch *batch)
{
    uint16_t sequence;
    for (int i = 0; i < LOST_LOOKED_AT && cm_rtcp_nack_next(lost, &sequence); i++) {
        const sent_run *run = find_run(&viewer->history, sequence);
        if (run == NULL || batch->count == LOST_MAX || !take_leave(viewer, sequence)) {
            viewer->figures.resends_refused++;
            continue;
        }
        const uint16_t index = (uint16_t)(sequence - run->first_sequence);
        batch->packets[batch->count++] =
            (lost_packet){.run = run,
                          .place = {.granule = (uint16_t)(run->first_granule + index),
                                    .sequence = sequence,
                                    .number = (uint16_t)(run->first_number + index)}};
    }
}

static cm_status put_again(cm_webrtc_viewer *viewer, const cm_opened_frame *opened,
                           const lost_packet *lost)
{
    const sent_run *run = lost->run;
    if (viewer->config.media.rtx_payload_type > 0)
        return cm_webrtc_put_rtx(viewer, opened, run->timestamp, &lost->place);
    packet_headers headers;
    size_t size;
    cm_webrtc_headers_make(viewer, opened->frame, run->timestamp, run->flags, &headers);
    return cm_webrtc_put(viewer, &headers, opened, &lost->place,
                         viewer->config.transport->resend_rtp, &size);
}

static bool on_granules(void *owner, const cm_opened_frame *opened)
{
    cm_webrtc_viewer *viewer = owner;
    const struct resend_batch *batch = viewer->resending;
    for (size_t i = batch->from; i < batch->end; i++) {
        const lost_packet *lost = &batch->packets[i];
        if (lost->place.granule >= opened->count ||
            opened->granules[lost->place.granule].size == 0 ||
            put_again(viewer, opened, lost) != CM_OK)
            break;
        viewer->figures.packets_resent++;
    }
    return true;
}

/* Those from `from` on whose granules can be opened at one go. */
static size_t end_of_row(const struct resend_batch *batch, size_t from)
{
    size_t end = from + 1;
    while (end < batch->count &&
           batch->packets[end].run->delivery == batch->packets[from].run->delivery &&
           batch->packets[end].place.granule == batch->packets[end - 1].place.granule + 1)
        end++;
    return end;
}

void cm_webrtc_resend(cm_webrtc_viewer *viewer, cm_rtcp_nack lost)
{
    struct resend_batch batch = {0};
    if (viewer->config.media.rtx_payload_type == 0 && viewer->config.transport->resend_rtp == NULL)
        return;
    fill_tokens(viewer);
    collect(viewer, &lost, &batch);
    viewer->resending = &batch;
    for (batch.from = 0; batch.from < batch.count; batch.from = batch.end) {
        const lost_packet *first = &batch.packets[batch.from];
        batch.end = end_of_row(&batch, batch.from);
        const cm_status status = cm_subscription_open_again(
            viewer->subscription, first->run->delivery, first->place.granule,
            (uint16_t)(batch.end - batch.from), on_granules);
        if (status == CM_REFUSE || status == CM_RETRY)
            break;
    }
    viewer->resending = NULL;
}
