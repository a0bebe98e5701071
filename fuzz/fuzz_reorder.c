/*
 * Sequence numbers, timestamps and the reorder buffer, fed by a small program: what comes out is in
 * order, unaltered, never twice; every number between is counted as lost; what waits is bounded.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "proto/rtp/reorder.h"
#include "proto/rtp/sequence.h"

enum { STORAGE_SIZE = 600, PACKET_MAX = 255 };

typedef struct run {
    cm_rtp_reorder reorder;
    uint64_t next; // the lowest number that may come
    uint64_t lost;
    bool has_next;
} run;

/* Every packet is filled with the low byte of its number. */
static void drain(run *r, cm_instant now)
{
    cm_rtp_reorder_packet packet;
    while (cm_rtp_reorder_take(&r->reorder, now, &packet)) {
        CHECK(!r->has_next || packet.sequence >= r->next);
        CHECK(!r->has_next || packet.lost_before == packet.sequence - r->next);
        r->lost += packet.lost_before;
        r->next = packet.sequence + 1;
        r->has_next = true;
        for (size_t i = 0; i < packet.bytes.size; i++)
            CHECK(packet.bytes.bytes[i] == (uint8_t)packet.sequence);
    }
    CHECK(r->lost == r->reorder.lost);
    cm_instant deadline;
    CHECK(!cm_rtp_reorder_deadline(&r->reorder, &deadline) || deadline.us > now.us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t storage[STORAGE_SIZE];
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    const cm_rtp_reorder_config config = {.wait_packets = cm_read_u8(&in) % 65};
    run r = {0};
    cm_rtp_sequence sequence;
    cm_rtp_timestamps timestamps;
    cm_rtp_reorder_init(&r.reorder, &config, storage, sizeof storage);
    cm_rtp_sequence_init(&sequence);
    cm_rtp_timestamps_init(&timestamps, 90000);
    cm_instant now = {0};
    uint64_t highest = 0;
    int64_t last_ticks = INT64_MIN / 2;
    while (in.rest.size > 0) {
        const uint16_t number = cm_read_u16(&in);
        const uint32_t timestamp = cm_read_u32(&in);
        uint8_t packet[PACKET_MAX];
        cm_writer w = cm_writer_over(packet, sizeof packet);
        const uint8_t packet_size = cm_read_u8(&in);
        now = cm_instant_after(now, cm_read_u8(&in) * 1000);
        if (in.failed)
            break;
        uint64_t extended;
        int64_t ticks;
        const cm_rtp_time time = cm_rtp_timestamps_unwrap(&timestamps, timestamp, now, &ticks);
        CHECK(time == CM_RTP_TIME_FIRST || ticks >= last_ticks - 10 * 90000);
        last_ticks = ticks;
        const cm_rtp_order order = cm_rtp_sequence_extend(&sequence, number, &extended);
        if (order == CM_RTP_ORDER_SUSPECT)
            continue;
        CHECK((uint16_t)extended == number);
        CHECK(order == CM_RTP_ORDER_BEHIND ? extended <= highest : extended > highest);
        highest = extended > highest ? extended : highest;
        if (order == CM_RTP_ORDER_RESTARTED) {
            cm_rtp_reorder_reset(&r.reorder);
            r.has_next = false;
        }
        for (size_t i = 0; i < packet_size; i++)
            cm_write_u8(&w, (uint8_t)extended);
        cm_rtp_reorder_put(&r.reorder, extended, cm_writer_done(&w), now);
        drain(&r, now);
    }
    now = cm_instant_after(now, CM_SECONDS(1));
    drain(&r, now);
    CHECK(r.reorder.slot_count == 0);
    return 0;
}
