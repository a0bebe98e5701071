#include "proto/rtp/reorder.h"

#include <assert.h>

#include "base/writer.h"

enum {
    DEFAULT_WAIT_PACKETS = 32,
    DEFAULT_WAIT_MS = 100,
};

void cm_rtp_reorder_init(cm_rtp_reorder *r, const cm_rtp_reorder_config *config, void *storage,
                         size_t storage_size)
{
    *r = (cm_rtp_reorder){.config = *config, .storage = storage, .storage_size = storage_size};
    if (r->config.wait_packets == 0)
        r->config.wait_packets = DEFAULT_WAIT_PACKETS;
    if (r->config.wait_us == 0)
        r->config.wait_us = CM_MS(DEFAULT_WAIT_MS);
    assert(r->config.wait_packets <= CM_RTP_REORDER_SLOTS && r->config.wait_us > 0);
}

void cm_rtp_reorder_reset(cm_rtp_reorder *r)
{
    r->is_started = false;
    r->is_pressed = false;
    r->has_fresh = false;
    r->slot_count = 0;
}

/* Index of the slot that holds `sequence`, or slot_count. */
static size_t find_slot(const cm_rtp_reorder *r, uint64_t sequence)
{
    size_t i = 0;
    while (i < r->slot_count && r->slots[i].sequence != sequence)
        i++;
    return i;
}

void cm_rtp_reorder_put(cm_rtp_reorder *r, uint64_t sequence, cm_slice packet, cm_instant now)
{
    assert(!r->has_fresh); /* our mistake: not taken until false */
    if (!r->is_started) {
        r->is_started = true;
        r->next = sequence;
    }
    if (sequence < r->next) {
        r->late++;
        return;
    }
    if (find_slot(r, sequence) < r->slot_count) {
        r->duplicates++;
        return;
    }
    r->has_fresh = true;
    r->fresh = (cm_rtp_reorder_slot){.sequence = sequence, .size = packet.size, .arrived = now};
    r->fresh_bytes = packet;
}

static bool is_free(const cm_rtp_reorder *r, size_t offset, size_t size)
{
    if (offset > r->storage_size || size > r->storage_size - offset)
        return false;
    for (size_t i = 0; i < r->slot_count; i++) {
        const cm_rtp_reorder_slot *slot = &r->slots[i];
        if (offset < slot->offset + slot->size && slot->offset < offset + size)
            return false;
    }
    return true;
}

/* First fit: at the start, or just behind one that waits. */
static bool find_room(const cm_rtp_reorder *r, size_t size, size_t *offset)
{
    *offset = 0;
    if (is_free(r, 0, size))
        return true;
    for (size_t i = 0; i < r->slot_count; i++) {
        *offset = r->slots[i].offset + r->slots[i].size;
        if (is_free(r, *offset, size))
            return true;
    }
    return false;
}

/* The caller takes its bytes back: what is to wait is copied. False: there is no room. */
static bool keep_fresh(cm_rtp_reorder *r)
{
    /* All that waits lies less than wait_packets ahead of a missing one. */
    assert(r->slot_count < CM_RTP_REORDER_SLOTS);
    if (!find_room(r, r->fresh.size, &r->fresh.offset))
        return false;
    cm_writer w = cm_writer_over(r->storage, r->storage_size);
    w.used = r->fresh.offset;
    cm_write_slice(&w, r->fresh_bytes);
    assert(!w.failed);
    r->slots[r->slot_count++] = r->fresh;
    r->has_fresh = false;
    return true;
}

/* Lowest and highest number and earliest arrival of what waits, the fresh one included. */
typedef struct waiting {
    uint64_t lowest;
    uint64_t highest;
    cm_instant earliest;
} waiting;

static void count_in(waiting *all, const cm_rtp_reorder_slot *slot)
{
    if (slot->sequence < all->lowest)
        all->lowest = slot->sequence;
    if (slot->sequence > all->highest)
        all->highest = slot->sequence;
    if (slot->arrived.us < all->earliest.us)
        all->earliest = slot->arrived;
}

static bool look(const cm_rtp_reorder *r, waiting *out)
{
    *out = (waiting){.lowest = UINT64_MAX, .earliest = {.us = INT64_MAX}};
    for (size_t i = 0; i < r->slot_count; i++)
        count_in(out, &r->slots[i]);
    if (r->has_fresh)
        count_in(out, &r->fresh);
    return r->slot_count > 0 || r->has_fresh;
}

/* Moves the packet numbered `sequence`, which is there, into *out. */
static void give(cm_rtp_reorder *r, uint64_t sequence, cm_rtp_reorder_packet *out)
{
    *out = (cm_rtp_reorder_packet){.sequence = sequence, .lost_before = sequence - r->next};
    r->lost += out->lost_before;
    r->next = sequence + 1;
    if (r->has_fresh && r->fresh.sequence == sequence) {
        out->bytes = r->fresh_bytes;
        out->arrived = r->fresh.arrived;
        r->has_fresh = false;
        return;
    }
    const size_t i = find_slot(r, sequence);
    assert(i < r->slot_count);
    const cm_slice all = cm_slice_over(r->storage, r->storage_size);
    out->bytes = cm_slice_part(all, r->slots[i].offset, r->slots[i].size);
    out->arrived = r->slots[i].arrived;
    r->slots[i] = r->slots[--r->slot_count];
}

bool cm_rtp_reorder_take(cm_rtp_reorder *r, cm_instant now, cm_rtp_reorder_packet *out)
{
    waiting all;
    if (!look(r, &all)) {
        r->is_pressed = false;
        return false;
    }
    const bool is_due = all.lowest == r->next || all.highest - r->next >= r->config.wait_packets ||
                        cm_instant_since(now, all.earliest) >= r->config.wait_us;
    if (!is_due && !r->is_pressed && (!r->has_fresh || keep_fresh(r)))
        return false;
    /* Without room everything goes out, the fresh one last or in its place. */
    r->is_pressed = r->is_pressed || (!is_due && r->has_fresh);
    give(r, all.lowest, out);
    return true;
}

bool cm_rtp_reorder_deadline(const cm_rtp_reorder *r, cm_instant *out)
{
    waiting all;
    if (!look(r, &all))
        return false;
    *out = cm_instant_after(all.earliest, r->config.wait_us);
    return true;
}
