/* What is received of a peer that publishes: a sender in virtual time, a path that loses, reorders,
 * repeats and forges, and every picture compared with what was sent. */
#include <stdlib.h>

#include "h264_sets.h"
#include "ingest/whip/arrivals.h"
#include "ingest/whip/jitter.h"
#include "ingest/whip/receiver.h"
#include "loop/sim.h"
#include "proto/h264/packetize.h"
#include "proto/rtcp/feedback.h"
#include "proto/rtcp/transport_cc.h"
#include "proto/rtp/rtx.h"

enum {
    TYPE = 96,
    RTX_TYPE = 97,
    SOUND_TYPE = 111,
    PICTURES_MAX = 2000,
    SENT_MAX = 4096, /* packets that can still be sent again */
    PICTURE_US = 40000,
    DELAY_US = 20000, /* each way */
    SLICE_MAX = 100000,
    TRANSPORT_ID = 3,
};
static const uint32_t SSRC = 0x1111;
static const uint32_t RTX_SSRC = 0x2222;

typedef struct sent_packet {
    uint8_t bytes[1300];
    size_t size;
} sent_packet;

/* Of what is on its way to the receiver (or its RTCP to the sender). */
typedef struct flight {
    cm_timer timer;
    struct peer *peer;
    bool is_rtcp;
    size_t size;
    uint8_t bytes[1300];
} flight;

typedef struct peer {
    cm_sim *sim;
    cm_loop *loop;
    cm_whip_receiver *receiver;
    cm_whip_config config;
    /* the sender */
    uint16_t sequence, rtx_sequence, transport;
    uint32_t ticks;
    unsigned next; /* picture */
    unsigned keyframe_every;
    bool wants_keyframe;
    size_t slice_size;
    sent_packet sent[SENT_MAX];
    bool resends;
    bool knows_rtx;
    unsigned nacks, plis, firs, reports, arrivals, received_told, lost_told;
    cm_rtcp_block block;
    /* the path */
    bool (*loses)(struct peer *peer, unsigned packet, bool is_again);
    int64_t (*delays)(struct peer *peer, unsigned packet);
    unsigned packets;
    bool is_deaf; /* nothing of the receiver's comes back */
    size_t flying;
    /* the owner of the receiver */
    unsigned pictures[PICTURES_MAX];
    size_t picture_count;
    unsigned restarts;
    unsigned silences;
    unsigned ends;
    cm_whip_end end;
    unsigned sounds, sound_gaps, sound_restarts;
    int64_t sound_ticks;
} peer;

/* ---- pictures ---- */

static cm_slice slice_of(unsigned serial, bool is_keyframe, size_t size, uint8_t *storage)
{
    uint32_t x = serial * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        storage[i] = (uint8_t)(x >> 24 | 1);
    }
    storage[0] = is_keyframe ? 0x65 : 0x61;
    storage[1] = 0x88;
    storage[2] = (uint8_t)(0x80 | serial >> 7);
    storage[3] = (uint8_t)(0x80 | (serial & 0x7F));
    return cm_slice_over(storage, size);
}

static void on_unit(void *owner, const cm_ingest_unit *told)
{
    static uint8_t storage[SLICE_MAX];
    peer *p = owner;
    const cm_video_unit *unit = told->unit;
    const cm_slice got = unit->nals[unit->nal_count - 1];
    const unsigned serial = (got.bytes[2] & 0x7Fu) << 7 | (got.bytes[3] & 0x7Fu);
    const cm_slice expected = slice_of(serial, unit->is_keyframe, p->slice_size, storage);
    assert_int_equal(got.size, expected.size);
    assert_memory_equal(got.bytes, expected.bytes, expected.size);
    assert_int_equal(told->clock_rate, 90000);
    p->restarts += told->is_restart;
    p->pictures[p->picture_count++] = serial;
}

static void on_sound(void *owner, const cm_ingest_sound *told)
{
    peer *p = owner;
    assert_int_equal(told->format->codec, CM_SOUND_OPUS);
    assert_int_equal(told->clock_rate, 48000);
    assert_int_equal(told->duration, 960);
    assert_int_equal(told->bytes.size, 3);
    assert_true(p->sounds == 0 || told->ticks > p->sound_ticks);
    p->sound_gaps += told->lost_before;
    p->sound_restarts += told->is_restart;
    p->sound_ticks = told->ticks;
    p->sounds++;
}

static void on_silence(void *owner)
{
    peer *p = owner;
    p->silences++;
}

static void on_end(void *owner, const cm_whip_end *end)
{
    peer *p = owner;
    p->ends++;
    p->end = *end;
}

static const cm_whip_events EVENTS = {on_unit, on_sound, on_silence, on_end};

/* ---- the path ---- */

static void take_rtcp(peer *p, cm_slice compound);

static void land(cm_timer *timer)
{
    flight *f = CM_HOLDER(timer, flight, timer);
    peer *p = f->peer;
    p->flying--;
    if (f->is_rtcp)
        take_rtcp(p, cm_slice_over(f->bytes, f->size));
    else if (p->receiver != NULL)
        cm_whip_receiver_rtp(p->receiver, cm_slice_over(f->bytes, f->size));
    free(f);
}

static void fly(peer *p, cm_slice bytes, bool is_rtcp, int64_t after_us)
{
    flight *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->peer = p;
    f->is_rtcp = is_rtcp;
    f->size = bytes.size;
    cm_slice_copy(bytes, f->bytes, sizeof f->bytes);
    cm_timer_init(&f->timer, p->loop, land);
    cm_timer_start(&f->timer, after_us);
    p->flying++;
}

static void send_rtp(peer *p, cm_rtp_packet *packet, bool is_again)
{
    uint8_t storage[1300];
    const cm_rtp_extension_ids ids = {.transport_sequence = TRANSPORT_ID};
    const cm_rtp_extensions extensions = {.has_transport_sequence = true,
                                          .transport_sequence = p->transport++};
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtp_header_write(&w, packet, &extensions, &ids);
    assert_false(w.failed);
    const unsigned number = p->packets++;
    if (p->loses != NULL && p->loses(p, number, is_again))
        return;
    fly(p, cm_writer_done(&w), false, DELAY_US + (p->delays != NULL ? p->delays(p, number) : 0));
}

static cm_status send_rtcp(void *context, cm_slice compound)
{
    peer *p = context;
    if (!p->is_deaf)
        fly(p, compound, true, DELAY_US);
    return CM_OK;
}

/* ---- the sender ---- */

static void send_payload(peer *p, cm_slice payload, bool is_last)
{
    cm_rtp_packet packet = {.marker = is_last,
                            .payload_type = TYPE,
                            .sequence_number = p->sequence++,
                            .timestamp = p->ticks,
                            .ssrc = SSRC,
                            .payload = payload};
    sent_packet *kept = &p->sent[packet.sequence_number % SENT_MAX];
    cm_writer w = cm_writer_over(kept->bytes, sizeof kept->bytes);
    cm_rtp_write(&w, &packet);
    assert_false(w.failed);
    kept->size = w.used;
    send_rtp(p, &packet, false);
}

static void send_picture(peer *p)
{
    static uint8_t storage[SLICE_MAX];
    const unsigned serial = p->next++;
    const bool is_keyframe = p->wants_keyframe || serial % p->keyframe_every == 0;
    const cm_slice nals[] = {SPS_BASELINE, PPS_BASELINE,
                             slice_of(serial, is_keyframe, p->slice_size, storage)};
    const cm_slice *first = is_keyframe ? nals : &nals[2];
    cm_h264_packetizer packetizer;
    cm_h264_granule granule;
    p->wants_keyframe = false;
    assert_int_equal(cm_h264_packetizer_init(&packetizer, first, is_keyframe ? 3 : 1, 1100), CM_OK);
    while (cm_h264_packetizer_next(&packetizer, &granule)) {
        uint8_t payload[1200];
        cm_writer w = cm_writer_over(payload, sizeof payload);
        cm_h264_granule_write(&w, first, &granule);
        send_payload(p, cm_writer_done(&w), granule.is_last);
    }
    p->ticks += 90 * PICTURE_US / 1000;
}

static void send_again(peer *p, uint16_t sequence)
{
    const sent_packet *kept = &p->sent[sequence % SENT_MAX];
    uint8_t payload[1300];
    cm_rtp_packet packet;
    assert_int_equal(cm_rtp_parse(cm_slice_over(kept->bytes, kept->size), &packet), CM_OK);
    assert_int_equal(packet.sequence_number, sequence);
    if (p->knows_rtx) {
        cm_writer w = cm_writer_over(payload, sizeof payload);
        cm_rtp_rtx_write(&w, sequence);
        cm_write_slice(&w, packet.payload);
        packet.ssrc = RTX_SSRC;
        packet.payload_type = RTX_TYPE;
        packet.sequence_number = p->rtx_sequence++;
        packet.payload = cm_writer_done(&w);
    }
    send_rtp(p, &packet, true);
}

static void take_nack(peer *p, const cm_rtcp_feedback *feedback)
{
    cm_rtcp_nack nack = cm_rtcp_nack_over(feedback);
    uint16_t sequence;
    assert_int_equal(feedback->media_ssrc, SSRC);
    while (cm_rtcp_nack_next(&nack, &sequence)) {
        p->nacks++;
        if (p->resends)
            send_again(p, sequence);
    }
}

static void take_arrivals(peer *p, const cm_rtcp_feedback *feedback)
{
    cm_rtcp_transport_cc report;
    cm_rtcp_arrival arrival;
    assert_int_equal(cm_rtcp_transport_cc_parse(feedback, &report), CM_OK);
    assert_int_equal(report.feedback_count, (uint8_t)p->arrivals++);
    while (cm_rtcp_transport_cc_next(&report, &arrival))
        (*(arrival.is_received ? &p->received_told : &p->lost_told))++;
}

static void take_feedback(peer *p, const cm_rtcp_feedback *feedback)
{
    uint8_t command;
    if (feedback->kind == CM_RTCP_NACK)
        take_nack(p, feedback);
    else if (feedback->kind == CM_RTCP_TRANSPORT_CC)
        take_arrivals(p, feedback);
    else if (feedback->kind == CM_RTCP_PLI)
        p->plis++;
    else if (feedback->kind == CM_RTCP_FIR && cm_rtcp_fir_find(feedback, SSRC, &command))
        assert_int_equal(command, p->firs++);
    if (feedback->kind == CM_RTCP_PLI || feedback->kind == CM_RTCP_FIR)
        p->wants_keyframe = p->resends;
}

static void take_rtcp(peer *p, cm_slice compound)
{
    cm_rtcp_item item;
    bool is_first = true;
    while (cm_rtcp_next_item(&compound, &item) == CM_OK) {
        cm_rtcp_feedback feedback;
        cm_rtcp_packet report;
        if (is_first && !p->config.media.has_reduced_size)
            assert_int_equal(item.type, CM_RTCP_RR);
        is_first = false;
        if (cm_rtcp_feedback_parse(&item, &feedback) == CM_OK)
            take_feedback(p, &feedback);
        if (cm_rtcp_report_parse(&item, &report) == CM_OK && report.block_count == 1) {
            p->reports++;
            p->block = report.blocks[0];
        }
    }
}

/* ---- the rig ---- */

static peer *begin(void)
{
    peer *p = calloc(1, sizeof *p);
    const cm_loop_config config = {.index = 0};
    assert_non_null(p);
    assert_int_equal(cm_sim_create(7, (cm_wall){.us = 1700000000000000}, &p->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(p->sim, &config, &p->loop), CM_OK);
    p->sequence = 65000; /* wraps early */
    p->ticks = 0xFFFF0000u;
    p->transport = 65400;
    p->keyframe_every = PICTURES_MAX;
    p->wants_keyframe = true;
    p->slice_size = 5000;
    p->resends = p->knows_rtx = true;
    p->config = (cm_whip_config){.loop = p->loop,
                                 .media = {.payload_type = TYPE,
                                           .rtx_payload_type = RTX_TYPE,
                                           .ssrc = SSRC,
                                           .rtx_ssrc = RTX_SSRC,
                                           .extensions = {.transport_sequence = TRANSPORT_ID},
                                           .has_nack = true,
                                           .has_pli = true,
                                           .has_reduced_size = true},
                                 .cname = CM_TEXT("us"),
                                 .send_rtcp = send_rtcp,
                                 .context = p,
                                 .events = &EVENTS,
                                 .owner = p};
    return p;
}

static void connect_peer(peer *p)
{
    assert_int_equal(cm_whip_receiver_create(&p->config, &p->receiver), CM_OK);
}

static cm_whip_counters counters(const peer *p)
{
    cm_whip_counters c;
    cm_whip_receiver_read_counters(p->receiver, &c);
    return c;
}

static void run_pictures(peer *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        send_picture(p);
        cm_sim_run_for(p->sim, PICTURE_US);
    }
}

static void finish(peer *p)
{
    cm_sim_run_for(p->sim, CM_SECONDS(2));
    cm_whip_receiver_destroy(p->receiver);
    p->receiver = NULL;
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_int_equal(p->flying, 0);
    cm_loop_destroy(p->loop);
    cm_sim_destroy(p->sim);
    free(p);
}

/* All, in order, each once. */
static void assert_all_pictures(const peer *p)
{
    assert_int_equal(p->picture_count, p->next);
    for (unsigned i = 0; i < p->next; i++)
        assert_int_equal(p->pictures[i], i);
}

/* ---- the receiver ---- */

static void test_all_pictures_of_a_clean_path(void **state)
{
    (void)state;
    peer *p = begin();
    connect_peer(p);
    run_pictures(p, 250); /* 10 s */
    cm_sim_run_for(p->sim, CM_MS(100));
    assert_all_pictures(p);
    assert_int_equal(p->restarts, 1); /* the first */
    const cm_whip_counters c = counters(p);
    assert_int_equal(c.units, 250);
    assert_int_equal(c.packets, p->packets);
    assert_int_equal(c.lost + c.asked + c.duplicates + c.malformed + c.restored, 0);
    assert_int_equal(c.foreign_source + c.foreign_type, 0);
    assert_int_equal(p->nacks, 0);
    /* A keyframe every 2 s at least, and no more often than once a second. */
    assert_in_range(p->plis, 4, 6);
    assert_in_range(p->reports, 9, 11);
    assert_int_equal(p->block.ssrc, SSRC);
    assert_int_equal(p->block.cumulative_lost, 0);
    assert_int_equal(p->received_told, p->packets);
    assert_int_equal(p->lost_told, 0);
    assert_in_range(p->arrivals, 50, 110); /* of 10 s */
    finish(p);
}

/* But for the last pictures: nobody misses what nothing comes after. */
static bool lose_each_tenth(peer *p, unsigned packet, bool is_again)
{
    (void)is_again;
    return packet % 10 == 9 && p->next % 50 < 45;
}

static bool lose_each_fortieth(peer *p, unsigned packet, bool is_again)
{
    (void)p;
    (void)is_again;
    return packet % 40 == 39;
}

static void test_lost_packets_come_again_by_rtx(void **state)
{
    (void)state;
    peer *p = begin();
    p->loses = lose_each_tenth;
    connect_peer(p);
    run_pictures(p, 250);
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_all_pictures(p);
    const cm_whip_counters c = counters(p);
    assert_int_equal(c.lost, 0);
    assert_in_range(c.restored, 100, 400);
    assert_true(c.asked >= c.restored);
    assert_int_equal(c.duplicates, 0);
    assert_true(p->lost_told > 0);
    assert_true(p->block.cumulative_lost > 0);
    finish(p);
}

static void test_without_rtx_they_come_again_as_they_were(void **state)
{
    (void)state;
    peer *p = begin();
    p->loses = lose_each_tenth;
    p->knows_rtx = false;
    p->config.media.rtx_payload_type = 0;
    p->config.media.has_reduced_size = false; /* each compound begins with a report */
    connect_peer(p);
    run_pictures(p, 100);
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_all_pictures(p);
    assert_int_equal(counters(p).restored, 0);
    assert_true(counters(p).asked > 0);
    finish(p);
}

static void test_a_peer_without_nack_is_not_asked(void **state)
{
    (void)state;
    peer *p = begin();
    p->loses = lose_each_fortieth;
    p->config.media.has_nack = false;
    p->keyframe_every = 5;
    connect_peer(p);
    run_pictures(p, 100);
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_int_equal(p->nacks, 0);
    assert_true(counters(p).lost > 0);
    assert_true(p->picture_count > 10 && p->picture_count < 100);
    finish(p);
}

static bool lose_picture_20(peer *p, unsigned packet, bool is_again)
{
    (void)packet;
    return p->next == 20 || is_again;
}

/* What never comes is given up, and a keyframe asked for: nothing is shown whose references lack.
 */
static void test_a_loss_for_good_asks_for_a_keyframe(void **state)
{
    (void)state;
    peer *p = begin();
    p->loses = lose_picture_20;
    connect_peer(p);
    run_pictures(p, 60);
    cm_sim_run_for(p->sim, CM_MS(100));
    assert_int_equal(counters(p).lost, 5); /* a picture of 5,000 bytes */
    assert_int_equal(p->pictures[18], 18);
    assert_true(p->pictures[19] > 30 && p->pictures[19] < 50); /* after 0.5 s, and the way */
    for (size_t i = 20; i < p->picture_count; i++)
        assert_int_equal(p->pictures[i], p->pictures[i - 1] + 1);
    finish(p);
}

static int64_t delay_each_third(peer *p, unsigned packet)
{
    (void)p;
    return packet % 3 == 0 ? 7000 : 0;
}

static void test_a_little_reordering_is_not_asked_about(void **state)
{
    (void)state;
    peer *p = begin();
    p->delays = delay_each_third;
    connect_peer(p);
    run_pictures(p, 100);
    cm_sim_run_for(p->sim, CM_MS(100));
    assert_all_pictures(p);
    assert_int_equal(counters(p).lost, 0);
    assert_int_equal(p->nacks, 0);
    assert_true(p->received_told >= p->packets);
    finish(p);
}

/* Bytes of one packet of a picture, as sent. */
static cm_slice some_packet(const peer *p, uint8_t type, uint32_t ssrc, uint8_t storage[1300])
{
    const sent_packet *kept = &p->sent[(uint16_t)(p->sequence - 1) % SENT_MAX];
    cm_rtp_packet packet;
    assert_int_equal(cm_rtp_parse(cm_slice_over(kept->bytes, kept->size), &packet), CM_OK);
    packet.payload_type = type;
    packet.ssrc = ssrc;
    packet.sequence_number++;
    cm_writer w = cm_writer_over(storage, 1300);
    cm_rtp_write(&w, &packet);
    return cm_writer_done(&w);
}

static void test_foreign_and_repeated_packets_are_counted(void **state)
{
    (void)state;
    uint8_t storage[1300];
    peer *p = begin();
    connect_peer(p);
    run_pictures(p, 5);
    cm_sim_run_for(p->sim, CM_MS(50));
    cm_whip_receiver_rtp(p->receiver, some_packet(p, TYPE, SSRC + 1, storage));
    cm_whip_receiver_rtp(p->receiver, some_packet(p, RTX_TYPE, SSRC, storage));
    assert_int_equal(counters(p).foreign_source, 2);
    cm_whip_receiver_rtp(p->receiver, some_packet(p, TYPE + 5, SSRC, storage));
    assert_int_equal(counters(p).foreign_type, 1);
    const sent_packet *kept = &p->sent[(uint16_t)(p->sequence - 1) % SENT_MAX];
    cm_whip_receiver_rtp(p->receiver, cm_slice_over(kept->bytes, kept->size));
    assert_int_equal(counters(p).duplicates, 1);
    /* RTX of a packet that nobody misses, and of one that was never sent */
    cm_whip_receiver_rtp(p->receiver, some_packet(p, RTX_TYPE, RTX_SSRC, storage));
    assert_int_equal(counters(p).duplicates, 2);
    cm_whip_receiver_rtp(p->receiver, BYTES(0x80, TYPE));
    assert_int_equal(counters(p).malformed, 1);
    run_pictures(p, 5);
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_all_pictures(p);
    finish(p);
}

static void test_the_first_source_is_the_source(void **state)
{
    (void)state;
    uint8_t storage[1300];
    peer *p = begin();
    p->config.media.ssrc = p->config.media.rtx_ssrc = 0;
    p->loses = lose_each_tenth;
    connect_peer(p);
    run_pictures(p, 50);
    cm_whip_receiver_rtp(p->receiver, some_packet(p, TYPE, SSRC + 1, storage));
    cm_whip_receiver_rtp(p->receiver, some_packet(p, RTX_TYPE, SSRC + 1, storage));
    assert_int_equal(counters(p).foreign_source, 2);
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_all_pictures(p);
    assert_true(counters(p).restored > 0);
    finish(p);
}

static void test_a_sender_that_begins_anew(void **state)
{
    (void)state;
    peer *p = begin();
    connect_peer(p);
    run_pictures(p, 10);
    cm_sim_run_for(p->sim, CM_MS(50));
    p->sequence += 20000;
    p->ticks += 900000000;
    p->wants_keyframe = true;
    run_pictures(p, 10);
    cm_sim_run_for(p->sim, CM_MS(50));
    /* Its first packet is not believed alone: the keyframe lacks it, and another is asked for. */
    p->wants_keyframe = true;
    run_pictures(p, 10);
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_true(p->restarts >= 2);
    assert_true(p->picture_count >= 20);
    assert_int_equal(p->pictures[p->picture_count - 1], 29);
    finish(p);
}

static void test_fir_where_pli_is_not_known(void **state)
{
    (void)state;
    peer *p = begin();
    p->config.media.has_pli = false;
    p->config.media.has_fir = true;
    connect_peer(p);
    run_pictures(p, 150);
    assert_int_equal(p->plis, 0);
    assert_in_range(p->firs, 2, 6);
    finish(p);
}

static void test_asks_once_a_second_when_nobody_listens(void **state)
{
    (void)state;
    peer *p = begin();
    p->resends = false; /* hears, and does nothing */
    p->wants_keyframe = false;
    p->next = 1;
    connect_peer(p);
    run_pictures(p, 250);
    assert_int_equal(p->picture_count, 0);
    assert_in_range(p->plis, 9, 11);
    finish(p);
}

static void test_silence_and_the_end(void **state)
{
    (void)state;
    peer *p = begin();
    connect_peer(p);
    run_pictures(p, 10);
    cm_sim_run_for(p->sim, CM_SECONDS(6));
    assert_int_equal(p->silences, 1);
    run_pictures(p, 10);
    cm_sim_run_for(p->sim, CM_SECONDS(6));
    assert_int_equal(p->silences, 2);
    assert_int_equal(p->ends, 0);
    cm_sim_run_for(p->sim, CM_SECONDS(60));
    assert_int_equal(p->ends, 1);
    assert_int_equal(p->end.cause, CM_CAUSE_NO_PICTURES);
    finish(p);
}

static void test_goodbye(void **state)
{
    (void)state;
    uint8_t storage[64];
    peer *p = begin();
    connect_peer(p);
    run_pictures(p, 5);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_bye(&w, SSRC + 9); /* somebody else's */
    cm_whip_receiver_rtcp(p->receiver, cm_writer_done(&w));
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_int_equal(p->ends, 0);
    w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_bye(&w, SSRC);
    cm_whip_receiver_rtcp(p->receiver, cm_writer_done(&w));
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_int_equal(p->ends, 1);
    assert_int_equal(p->end.cause, CM_CAUSE_CLOSED);
    const size_t before = p->picture_count;
    run_pictures(p, 5);
    assert_int_equal(p->picture_count, before);
    finish(p);
}

static void test_floods_and_nonsense_end_it(void **state)
{
    (void)state;
    uint8_t zeros[1300] = {0};
    peer *p = begin();
    connect_peer(p);
    for (int i = 0; i < 300; i++)
        cm_whip_receiver_rtp(p->receiver, BYTES(1, 2, 3));
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_int_equal(p->ends, 1);
    assert_int_equal(p->end.cause, CM_CAUSE_PROTOCOL);
    finish(p);
    p = begin();
    connect_peer(p);
    run_pictures(p, 1);
    cm_writer w = cm_writer_over(zeros, sizeof zeros);
    const cm_rtp_packet packet = {.payload_type = 1, .ssrc = SSRC};
    cm_rtp_write(&w, &packet);
    for (int i = 0; i < 10000; i++)
        cm_whip_receiver_rtp(p->receiver, cm_slice_over(zeros, sizeof zeros));
    cm_sim_run_for(p->sim, CM_MS(50));
    assert_int_equal(p->ends, 1);
    assert_int_equal(p->end.cause, CM_CAUSE_PROTOCOL);
    finish(p);
}

static void hear(peer *p, uint16_t sequence, cm_slice opus, uint32_t ssrc)
{
    uint8_t storage[64];
    const cm_rtp_packet packet = {.payload_type = SOUND_TYPE,
                                  .sequence_number = sequence,
                                  .timestamp = 5000 + sequence * 960u,
                                  .ssrc = ssrc,
                                  .payload = opus};
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtp_write(&w, &packet);
    assert_false(w.failed);
    cm_whip_receiver_rtp(p->receiver, cm_writer_done(&w));
    cm_sim_run_for(p->sim, CM_MS(20));
}

static void test_sound_comes_in_order(void **state)
{
    (void)state;
    const cm_slice opus = BYTES(0x78, 1, 2); /* hybrid, 20 ms, one frame */
    peer *p = begin();
    p->config.media.has_sound = true;
    p->config.media.sound_payload_type = SOUND_TYPE;
    p->config.media.sound_ssrc = 0x3333;
    connect_peer(p);
    for (uint16_t i = 0; i < 10; i++)
        hear(p, i, opus, 0x3333);
    assert_int_equal(p->sounds, 10);
    assert_int_equal(p->sound_restarts, 1);
    hear(p, 11, opus, 0x3333); /* before 10 */
    assert_int_equal(p->sounds, 10);
    hear(p, 10, opus, 0x3333);
    assert_int_equal(p->sounds, 12);
    assert_int_equal(p->sound_gaps, 0);
    hear(p, 13, opus, 0x3333); /* 12 is lost */
    cm_sim_run_for(p->sim, CM_MS(100));
    assert_int_equal(p->sounds, 13);
    assert_int_equal(p->sound_gaps, 1);
    assert_int_equal(counters(p).sound_lost, 1);
    hear(p, 13, opus, 0x3333);
    hear(p, 14, opus, 0x4444);
    assert_int_equal(counters(p).foreign_source, 1);
    hear(p, 14, BYTES(0x7b), 0x3333); /* a count of frames is missing */
    assert_int_equal(counters(p).sound_malformed, 1);
    assert_int_equal(p->sounds, 13);
    hear(p, 40000, opus, 0x3333);
    hear(p, 40001, opus, 0x3333);
    assert_int_equal(p->sounds, 14);
    assert_int_equal(p->sound_restarts, 2);
    assert_int_equal(counters(p).units, 0);
    cm_sim_run_for(p->sim, CM_SECONDS(1));
    assert_int_equal(p->block.ssrc, 0x3333); /* the report's second half */
    finish(p);
}

/* ---- jitter ---- */

typedef struct order {
    cm_jitter jitter;
    uint8_t *storage;
    cm_instant now;
} order;

static order *order_begin(void)
{
    order *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->storage = malloc(CM_JITTER_STORAGE);
    o->now.us = 1000;
    cm_jitter_init(&o->jitter, o->storage, CM_MS(500));
    return o;
}

static void order_end(order *o)
{
    free(o->storage);
    free(o);
}

/* Puts one and takes what comes: how many, and the numbers lost before the first. */
static unsigned order_put(order *o, uint64_t sequence, uint64_t *lost)
{
    uint8_t bytes[8];
    cm_jitter_packet packet;
    unsigned count = 0;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u64(&w, sequence);
    *lost = 0;
    cm_jitter_put(&o->jitter, sequence, cm_writer_done(&w));
    while (cm_jitter_take(&o->jitter, o->now, &packet)) {
        cm_reader r = cm_reader_over(packet.bytes);
        assert_true(cm_read_u64(&r) == packet.sequence);
        *lost += packet.lost_before;
        count++;
    }
    return count;
}

static void test_jitter_waits_and_gives_up(void **state)
{
    (void)state;
    uint64_t lost;
    uint16_t due[16];
    cm_jitter_packet packet;
    order *o = order_begin();
    assert_int_equal(order_put(o, 100, &lost), 1);
    assert_int_equal(order_put(o, 102, &lost), 0);
    assert_int_equal(order_put(o, 104, &lost), 0);
    assert_true(cm_jitter_has_gap(&o->jitter));
    assert_int_equal(cm_jitter_find_missing(&o->jitter, 101), 101);
    assert_int_equal(cm_jitter_find_missing(&o->jitter, 102), 0);
    assert_int_equal(cm_jitter_find_missing(&o->jitter, 105), 0);
    assert_int_equal(cm_jitter_find_missing(&o->jitter, 99), 0);
    assert_int_equal(cm_jitter_list_due(&o->jitter, o->now, due, 16), 0);
    o->now = cm_instant_after(o->now, CM_MS(10));
    assert_int_equal(cm_jitter_list_due(&o->jitter, o->now, due, 16), 2);
    assert_int_equal(due[0], 101);
    assert_int_equal(due[1], 103);
    assert_int_equal(cm_jitter_list_due(&o->jitter, o->now, due, 16), 0);
    assert_int_equal(order_put(o, 101, &lost), 2);
    assert_int_equal(order_put(o, 104, &lost), 0); /* it waits already */
    assert_int_equal(o->jitter.duplicates, 1);
    assert_int_equal(order_put(o, 100, &lost), 0);
    assert_int_equal(o->jitter.late, 1);
    unsigned asks = 1;
    for (int i = 0; i < 49; i++) {
        o->now = cm_instant_after(o->now, CM_MS(10));
        asks += (unsigned)cm_jitter_list_due(&o->jitter, o->now, due, 16);
    }
    assert_int_equal(asks, CM_JITTER_ASKS_MAX);
    assert_true(cm_jitter_take(&o->jitter, o->now, &packet));
    assert_int_equal(packet.sequence, 104);
    assert_int_equal(packet.lost_before, 1);
    assert_false(cm_jitter_has_gap(&o->jitter));
    order_end(o);
}

static void test_jitter_bounds_what_waits(void **state)
{
    (void)state;
    uint64_t lost;
    order *o = order_begin();
    assert_int_equal(order_put(o, 1000, &lost), 1);
    for (uint64_t i = 1; i < CM_JITTER_SLOTS; i++)
        assert_int_equal(order_put(o, 1001 + i, &lost), 0);
    /* One more: the missing one is given up, and all that waits goes. */
    assert_int_equal(order_put(o, 1001 + CM_JITTER_SLOTS, &lost), CM_JITTER_SLOTS);
    assert_int_equal(lost, 1);
    /* A leap over more than there is room for. */
    assert_int_equal(order_put(o, 5000, &lost), 0);
    o->now = cm_instant_after(o->now, CM_MS(600));
    assert_int_equal(order_put(o, 5001, &lost), 2);
    assert_int_equal(lost, 5000 - 1002 - CM_JITTER_SLOTS);
    cm_jitter_reset(&o->jitter);
    assert_int_equal(order_put(o, 7, &lost), 1);
    assert_int_equal(lost, 0);
    order_end(o);
}

/* ---- arrivals ---- */

static unsigned told(cm_arrivals *a, unsigned *received)
{
    uint8_t storage[1200];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_item item;
    cm_rtcp_feedback feedback;
    cm_rtcp_transport_cc report;
    cm_rtcp_arrival arrival;
    *received = 0;
    if (!cm_arrivals_report(a, &w, 1, 2))
        return 0;
    cm_slice rest = cm_writer_done(&w);
    assert_false(w.failed);
    assert_int_equal(cm_rtcp_next_item(&rest, &item), CM_OK);
    assert_int_equal(cm_rtcp_feedback_parse(&item, &feedback), CM_OK);
    assert_int_equal(cm_rtcp_transport_cc_parse(&feedback, &report), CM_OK);
    while (cm_rtcp_transport_cc_next(&report, &arrival))
        *received += arrival.is_received;
    return report.count;
}

static void test_arrivals_are_told_once(void **state)
{
    (void)state;
    static cm_arrivals a;
    unsigned received;
    cm_arrivals_init(&a);
    assert_int_equal(told(&a, &received), 0);
    for (unsigned i = 0; i < 20; i++)
        if (i != 5)
            cm_arrivals_note(&a, (uint16_t)(65530 + i), (cm_instant){.us = 1000000 + i * 900});
    assert_int_equal(told(&a, &received), 20);
    assert_int_equal(received, 19);
    assert_int_equal(told(&a, &received), 0);
    /* The lost one comes: it is told of, with what came after it. */
    cm_arrivals_note(&a, (uint16_t)(65530 + 5), (cm_instant){.us = 1100000});
    assert_int_equal(told(&a, &received), 15);
    assert_int_equal(received, 15);
    cm_arrivals_note(&a, (uint16_t)(65530 + 5), (cm_instant){.us = 1200000}); /* replayed */
    assert_int_equal(told(&a, &received), 0);
    /* A leap forgets what lies between; an hour of silence spans no report. */
    cm_arrivals_note(&a, 5000, (cm_instant){.us = 1300000});
    assert_int_equal(told(&a, &received), 1);
    cm_arrivals_note(&a, 5001, (cm_instant){.us = 1300000});
    cm_arrivals_note(&a, 5002, (cm_instant){.us = 1300000 + CM_SECONDS(3600)});
    assert_int_equal(told(&a, &received), 2);
    assert_int_equal(received, 1);
    for (unsigned i = 0; i < 600; i++)
        cm_arrivals_note(&a, (uint16_t)(5003 + i), (cm_instant){.us = CM_SECONDS(7200) + i * 200});
    assert_int_equal(told(&a, &received), CM_ARRIVALS_REPORT_MAX);
    assert_int_equal(told(&a, &received), CM_ARRIVALS_REPORT_MAX);
    assert_int_equal(told(&a, &received), 600 - 2 * CM_ARRIVALS_REPORT_MAX);
    assert_int_equal(told(&a, &received), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pictures_of_a_clean_path),
        cmocka_unit_test(test_lost_packets_come_again_by_rtx),
        cmocka_unit_test(test_without_rtx_they_come_again_as_they_were),
        cmocka_unit_test(test_a_peer_without_nack_is_not_asked),
        cmocka_unit_test(test_a_loss_for_good_asks_for_a_keyframe),
        cmocka_unit_test(test_a_little_reordering_is_not_asked_about),
        cmocka_unit_test(test_foreign_and_repeated_packets_are_counted),
        cmocka_unit_test(test_the_first_source_is_the_source),
        cmocka_unit_test(test_a_sender_that_begins_anew),
        cmocka_unit_test(test_fir_where_pli_is_not_known),
        cmocka_unit_test(test_asks_once_a_second_when_nobody_listens),
        cmocka_unit_test(test_silence_and_the_end),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_floods_and_nonsense_end_it),
        cmocka_unit_test(test_sound_comes_in_order),
        cmocka_unit_test(test_jitter_waits_and_gives_up),
        cmocka_unit_test(test_jitter_bounds_what_waits),
        cmocka_unit_test(test_arrivals_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
