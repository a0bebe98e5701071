/* RTCP: any datagram is walked to its end; every SR and RR, NACK, FIR, REMB and transport-cc report
 * survives writing and parsing. */
#include "fuzz.h"
#include "proto/rtcp/feedback.h"
#include "proto/rtcp/reception.h"
#include "proto/rtcp/transport_cc.h"

static void check_round_trip(const cm_rtcp_packet *packet)
{
    uint8_t storage[256];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_rtcp_block *block = packet->block_count > 0 ? &packet->blocks[0] : NULL;
    if (packet->type == CM_RTCP_SR)
        cm_rtcp_write_sr(&w, packet->ssrc, &packet->sender, block);
    else if (packet->type == CM_RTCP_RR)
        cm_rtcp_write_rr(&w, packet->ssrc, block);
    else
        cm_rtcp_write_bye(&w, packet->ssrc);
    cm_slice out;
    cm_rtcp_packet back;
    CHECK(cm_writer_finish(&w, &out) == CM_OK);
    CHECK(cm_rtcp_next(&out, &back) == CM_OK && out.size == 0);
    CHECK(back.type == packet->type && back.ssrc == packet->ssrc);
    CHECK(back.sender.ntp_timestamp == packet->sender.ntp_timestamp);
    CHECK(back.block_count == (block != NULL));
    if (block == NULL)
        return;
    CHECK(back.blocks[0].cumulative_lost == block->cumulative_lost);
    CHECK(back.blocks[0].delay_since_last_sr == block->delay_since_last_sr);
}

/* What was written is one feedback of this kind, and nothing else. */
static cm_rtcp_feedback read_back(const cm_writer *w, cm_rtcp_feedback_kind kind)
{
    cm_slice written;
    cm_rtcp_item item;
    cm_rtcp_feedback back;
    CHECK(cm_writer_finish(w, &written) == CM_OK);
    CHECK(cm_rtcp_next_item(&written, &item) == CM_OK && written.size == 0);
    CHECK(cm_rtcp_feedback_parse(&item, &back) == CM_OK && back.kind == kind);
    return back;
}

static void check_nack(const cm_rtcp_feedback *feedback)
{
    static uint16_t lost[1 << 19]; /* 17 for each 4 bytes of a datagram of at most 70,000 */
    static uint8_t storage[1 << 21];
    size_t count = 0;
    cm_rtcp_nack nack = cm_rtcp_nack_over(feedback);
    while (cm_rtcp_nack_next(&nack, &lost[count]))
        CHECK(++count <= feedback->content.size / 4 * 17);
    CHECK(count >= feedback->content.size / 4);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    /* Not in order, as it may be: then fewer fit into one word. */
    cm_rtcp_write_nack(&w, 1, 2, lost, count);
    if (w.failed)
        return;
    const cm_rtcp_feedback again = read_back(&w, CM_RTCP_NACK);
    nack = cm_rtcp_nack_over(&again);
    uint16_t sequence_number;
    CHECK(cm_rtcp_nack_next(&nack, &sequence_number) && sequence_number == lost[0]);
}

static void check_transport_cc(const cm_rtcp_feedback *feedback)
{
    static cm_rtcp_arrival arrivals[CM_RTCP_ARRIVALS_MAX];
    static uint8_t storage[1 << 16];
    cm_rtcp_transport_cc report;
    if (cm_rtcp_transport_cc_parse(feedback, &report) != CM_OK)
        return;
    size_t count = 0;
    bool has_any = false;
    while (cm_rtcp_transport_cc_next(&report, &arrivals[count]))
        has_any = arrivals[count++].is_received || has_any;
    CHECK(count == report.count && !report.chunks.failed && !report.deltas.failed);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_transport_cc(&w, 1, 2, report.feedback_count, arrivals, count);
    CHECK(has_any || w.failed);
    if (w.failed)
        return;
    const cm_rtcp_feedback again = read_back(&w, CM_RTCP_TRANSPORT_CC);
    CHECK(cm_rtcp_transport_cc_parse(&again, &report) == CM_OK && report.count == count);
    cm_rtcp_arrival back;
    for (size_t i = 0; cm_rtcp_transport_cc_next(&report, &back); i++) {
        CHECK(back.is_received == arrivals[i].is_received);
        CHECK((back.at_us - arrivals[i].at_us) % CM_RTCP_ARRIVAL_WRAP_US == 0);
    }
}

static void check_remb(const cm_rtcp_feedback *feedback)
{
    uint8_t storage[64];
    uint64_t rate;
    uint64_t back;
    if (cm_rtcp_remb_parse(feedback, &rate) != CM_OK)
        return;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_remb(&w, 1, 2, rate);
    const cm_rtcp_feedback again = read_back(&w, CM_RTCP_REMB);
    CHECK(cm_rtcp_remb_parse(&again, &back) == CM_OK && back == rate);
}

static void check_feedback(const cm_rtcp_feedback *feedback)
{
    uint8_t command;
    touch(feedback->content);
    switch (feedback->kind) {
    case CM_RTCP_NACK:
        check_nack(feedback);
        break;
    case CM_RTCP_TRANSPORT_CC:
        check_transport_cc(feedback);
        break;
    case CM_RTCP_FIR:
        (void)cm_rtcp_fir_find(feedback, 1, &command);
        break;
    case CM_RTCP_REMB:
        check_remb(feedback);
        break;
    case CM_RTCP_PLI:
        break;
    }
}

static void check_items(cm_slice rest)
{
    cm_rtcp_item item;
    cm_rtcp_feedback feedback;
    while (cm_rtcp_next_item(&rest, &item) == CM_OK)
        if (cm_rtcp_feedback_parse(&item, &feedback) == CM_OK)
            check_feedback(&feedback);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_items(cm_slice_over(data, size));
    cm_slice rest = cm_slice_over(data, size);
    cm_rtcp_reception reception;
    cm_rtcp_reception_init(&reception, 90000);
    cm_instant now = {0};
    for (;;) {
        const size_t before = rest.size;
        cm_rtcp_packet packet;
        const cm_status status = cm_rtcp_next(&rest, &packet);
        if (status != CM_OK) {
            CHECK(rest.size == 0);
            return 0;
        }
        CHECK(rest.size < before && packet.block_count <= CM_RTCP_BLOCK_MAX);
        check_round_trip(&packet);
        now = cm_instant_after(now, packet.sender.packet_count);
        cm_rtcp_reception_packet(&reception, 65536 + packet.sender.octet_count,
                                 packet.sender.rtp_timestamp, now);
        cm_rtcp_reception_sender_report(&reception, &packet.sender, now);
        cm_rtcp_block block;
        CHECK(cm_rtcp_reception_report(&reception, packet.ssrc, now, &block) == CM_OK);
        int64_t us;
        if (packet.block_count > 0 &&
            cm_rtcp_round_trip(&packet.blocks[0], packet.sender.ntp_timestamp, &us) == CM_OK)
            CHECK(us >= 0 && us <= CM_SECONDS(60));
    }
}
