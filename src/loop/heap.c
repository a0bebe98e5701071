#include "loop/heap.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void cm_heap_init(cm_heap *heap)
{
    *heap = (cm_heap){.entries = NULL};
}

void cm_heap_deinit(cm_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->entries[i].timer->slot = SIZE_MAX;
    free(heap->entries);
    *heap = (cm_heap){.entries = NULL};
}

static bool is_before(const cm_heap_entry *a, const cm_heap_entry *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->sequence < b->sequence;
}

static void put(cm_heap *heap, size_t slot, cm_heap_entry entry)
{
    heap->entries[slot] = entry;
    entry.timer->slot = slot;
}

static void sift_up(cm_heap *heap, size_t slot, cm_heap_entry entry)
{
    while (slot > 0) {
        const size_t parent = (slot - 1) / 2;
        if (!is_before(&entry, &heap->entries[parent]))
            break;
        put(heap, slot, heap->entries[parent]);
        slot = parent;
    }
    put(heap, slot, entry);
}

static void sift_down(cm_heap *heap, size_t slot, cm_heap_entry entry)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!is_before(&heap->entries[child], &entry))
            break;
        put(heap, slot, heap->entries[child]);
        slot = child;
    }
    put(heap, slot, entry);
}

static void grow(cm_heap *heap)
{
    const size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : 2 * heap->capacity;
    cm_heap_entry *entries = reallocarray(heap->entries, capacity, sizeof *entries);
    if (entries == NULL)
        abort();
    heap->entries = entries;
    heap->capacity = capacity;
}

void cm_heap_add(cm_heap *heap, cm_timer *timer)
{
    assert(timer->slot == SIZE_MAX);
    if (heap->count == heap->capacity)
        grow(heap);
    const cm_heap_entry entry = {
        .timer = timer, .due_us = timer->due.us, .sequence = heap->sequence++};
    sift_up(heap, heap->count++, entry);
}

void cm_heap_remove(cm_heap *heap, cm_timer *timer)
{
    const size_t slot = timer->slot;
    assert(slot < heap->count && heap->entries[slot].timer == timer);
    timer->slot = SIZE_MAX;
    heap->count--;
    if (slot == heap->count)
        return;
    /* The last one fills the gap; it may belong above it or below it. */
    const cm_heap_entry last = heap->entries[heap->count];
    if (slot > 0 && is_before(&last, &heap->entries[(slot - 1) / 2]))
        sift_up(heap, slot, last);
    else
        sift_down(heap, slot, last);
}

int64_t cm_heap_due_us(const cm_heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->entries[0].due_us;
}

cm_timer *cm_heap_take_due(cm_heap *heap, cm_instant now, uint64_t sequence)
{
    if (heap->count == 0)
        return NULL;
    const cm_heap_entry first = heap->entries[0];
    if (first.due_us > now.us || first.sequence >= sequence)
        return NULL;
    cm_heap_remove(heap, first.timer);
    return first.timer;
}
