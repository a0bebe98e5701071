#include "ingest/whip/jitter.h"

#include <assert.h>

void cm_jitter_init(cm_jitter *j, uint8_t *storage, int64_t wait_us)
{
    *j = (cm_jitter){.storage = storage, .wait_us = wait_us};
}

void cm_jitter_reset(cm_jitter *j)
{
    j->is_started = false;
    j->next = j->end = j->gap = 0;
    j->has_fresh = false;
    for (size_t i = 0; i < CM_JITTER_SLOTS; i++)
        j->slots[i].sequence = 0;
}

static cm_jitter_slot *slot_of(cm_jitter *j, uint64_t sequence)
{
    return &j->slots[sequence % CM_JITTER_SLOTS];
}

static uint8_t *place_of(const cm_jitter *j, uint64_t sequence)
{
    return &j->storage[sequence % CM_JITTER_SLOTS * CM_JITTER_PACKET_MAX];
}

static bool is_here(const cm_jitter *j, uint64_t sequence)
{
    const cm_jitter_slot *slot = &j->slots[sequence % CM_JITTER_SLOTS];
    return slot->sequence == sequence && slot->is_here;
}

void cm_jitter_put(cm_jitter *j, uint64_t sequence, cm_slice packet)
{
    assert(!j->has_fresh); /* our mistake: not taken until false */
    assert(packet.size <= CM_JITTER_PACKET_MAX);
    if (!j->is_started) {
        j->is_started = true;
        j->next = j->end = sequence;
    }
    if (sequence < j->next) {
        j->late++;
    } else if (is_here(j, sequence)) {
        j->duplicates++;
    } else {
        j->has_fresh = true;
        j->fresh_sequence = sequence;
        j->fresh = packet;
    }
}

/* What lies between the highest so far and `sequence` is missed from here on. */
static void note_missing(cm_jitter *j, uint64_t sequence, cm_instant now)
{
    for (; j->end < sequence; j->end++)
        *slot_of(j, j->end) = (cm_jitter_slot){.sequence = j->end, .since = now};
    if (j->end == sequence)
        j->end = sequence + 1;
}

/* The caller takes its bytes back: what is early is copied. */
static void keep_fresh(cm_jitter *j, cm_instant now)
{
    note_missing(j, j->fresh_sequence, now);
    *slot_of(j, j->fresh_sequence) = (cm_jitter_slot){
        .sequence = j->fresh_sequence, .is_here = true, .size = (uint16_t)j->fresh.size};
    cm_slice_copy(j->fresh, place_of(j, j->fresh_sequence), CM_JITTER_PACKET_MAX);
    j->has_fresh = false;
}

static void give(cm_jitter *j, cm_slice bytes, cm_jitter_packet *out)
{
    *out = (cm_jitter_packet){.sequence = j->next, .lost_before = j->gap, .bytes = bytes};
    slot_of(j, j->next)->sequence = 0;
    j->gap = 0;
    j->next++;
}

static void give_up(cm_jitter *j)
{
    slot_of(j, j->next)->sequence = 0;
    j->lost++;
    j->gap++;
    j->next++;
}

/* The one that is due is in hand, in a slot, or missing. */
static bool take_next(cm_jitter *j, cm_jitter_packet *out)
{
    if (j->has_fresh && j->fresh_sequence == j->next) {
        j->has_fresh = false;
        if (j->end == j->next)
            j->end++;
        give(j, j->fresh, out);
        return true;
    }
    if (!is_here(j, j->next))
        return false;
    const cm_slice bytes = cm_slice_over(place_of(j, j->next), slot_of(j, j->next)->size);
    give(j, bytes, out);
    return true;
}

bool cm_jitter_take(cm_jitter *j, cm_instant now, cm_jitter_packet *out)
{
    for (;;) {
        if (take_next(j, out))
            return true;
        if (j->has_fresh && j->fresh_sequence - j->next >= CM_JITTER_SLOTS) {
            /* No room: what is due is given up, whether it was missed yet or not. */
            if (j->end == j->next)
                j->end++;
            give_up(j);
            continue;
        }
        if (j->has_fresh)
            keep_fresh(j, now);
        if (!cm_jitter_has_gap(j) || cm_instant_since(now, slot_of(j, j->next)->since) < j->wait_us)
            return false;
        give_up(j);
    }
}

bool cm_jitter_has_gap(const cm_jitter *j)
{
    return j->next < j->end;
}

uint64_t cm_jitter_find_missing(const cm_jitter *j, uint16_t sequence_number)
{
    const uint64_t sequence = j->next + (uint16_t)(sequence_number - (uint16_t)j->next);
    return sequence < j->end && !is_here(j, sequence) ? sequence : 0;
}

static bool is_due(const cm_jitter_slot *slot, cm_instant now)
{
    if (slot->asked == 0)
        return cm_instant_since(now, slot->since) >= CM_JITTER_FIRST_US;
    return slot->asked < CM_JITTER_ASKS_MAX &&
           cm_instant_since(now, slot->asked_at) >= CM_JITTER_AGAIN_US;
}

size_t cm_jitter_list_due(cm_jitter *j, cm_instant now, uint16_t *out, size_t max)
{
    size_t count = 0;
    for (uint64_t sequence = j->next; sequence < j->end && count < max; sequence++) {
        cm_jitter_slot *slot = slot_of(j, sequence);
        if (slot->is_here || !is_due(slot, now))
            continue;
        slot->asked++;
        slot->asked_at = now;
        out[count++] = (uint16_t)sequence;
    }
    j->asked += count;
    return count;
}
