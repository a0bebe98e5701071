/*
 * heap: the running timers of one loop, the earliest first; those of the same instant in the order
 * in which they were started. A binary heap: start and stop cost O(log n), the earliest is at hand.
 *
 * Private to loop/. Owner: whoever embeds it. Memory grows with the number of running timers and
 * aborts when there is none: a timer is a fixed-size control object.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_heap_entry {
    cm_timer *timer;
    int64_t due_us;
    uint64_t sequence; /* of its start: breaks ties */
} cm_heap_entry;

typedef struct cm_heap {
    cm_heap_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t sequence; /* the next start's */
} cm_heap;

void cm_heap_init(cm_heap *heap);
void cm_heap_deinit(cm_heap *heap); /* timers in it are left as not running */

/* `timer->due` is set; it must not be in a heap. */
void cm_heap_add(cm_heap *heap, cm_timer *timer);
void cm_heap_remove(cm_heap *heap, cm_timer *timer); /* it must be in this heap */

/* The earliest one's instant, or INT64_MAX when empty. */
int64_t cm_heap_due_us(const cm_heap *heap);
/* Takes the earliest out if it is due at `now` and was started before `sequence`; else NULL. */
cm_timer *cm_heap_take_due(cm_heap *heap, cm_instant now, uint64_t sequence);
