/* RTCP: any datagram is walked to its end; every SR and RR survives writing and parsing. */
#include "fuzz.h"
#include "proto/rtcp/reception.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
    }
}
