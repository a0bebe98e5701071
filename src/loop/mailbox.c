#include "loop/mailbox.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

struct cm_mailbox {
    cm_loop *consumer;
    void (*on_message)(void *owner, void *message);
    void *owner;
    void **slots;
    size_t mask;
    bool is_delivering; /* the consumer's: inside on_message */
    bool is_destroyed;  /* the consumer's: the memory goes when the last delivery returns */
    cm_task delivery;
    atomic_bool is_posted; /* the delivery waits in the consumer's queue */
    /* Counts of messages, wrapping; each has one writer, and a cache line of its own. */
    _Alignas(CACHE_LINE) atomic_size_t sent; /* by the producer */
    _Alignas(CACHE_LINE) atomic_size_t seen; /* by the consumer */
};

static void free_mailbox(cm_mailbox *mailbox)
{
    free(mailbox->slots);
    free(mailbox);
}

static void deliver(cm_task *task)
{
    cm_mailbox *mailbox = CM_HOLDER(task, cm_mailbox, delivery);
    /* First the flag, then the count: what is sent after the count was read posts again. */
    atomic_exchange_explicit(&mailbox->is_posted, false, memory_order_acq_rel);
    const size_t sent = atomic_load_explicit(&mailbox->sent, memory_order_acquire);
    size_t seen = atomic_load_explicit(&mailbox->seen, memory_order_relaxed);
    mailbox->is_delivering = true;
    while (seen != sent && !mailbox->is_destroyed) {
        void *message = mailbox->slots[seen & mailbox->mask];
        atomic_store_explicit(&mailbox->seen, ++seen, memory_order_release);
        mailbox->on_message(mailbox->owner, message);
    }
    mailbox->is_delivering = false;
    if (mailbox->is_destroyed && !atomic_load_explicit(&mailbox->is_posted, memory_order_acquire))
        free_mailbox(mailbox);
}

static size_t round_up(size_t capacity)
{
    size_t power = 1;
    while (power < capacity)
        power *= 2;
    return power;
}

cm_status cm_mailbox_create(cm_loop *consumer, size_t capacity,
                            void (*on_message)(void *owner, void *message), void *owner,
                            cm_mailbox **out)
{
    CM_ENSURE(capacity > 0 && capacity <= SIZE_MAX / 2 / sizeof(void *), CM_REFUSE);
    cm_mailbox *mailbox = aligned_alloc(CACHE_LINE, sizeof *mailbox);
    CM_ENSURE(mailbox != NULL, CM_BROKEN);
    const size_t slots = round_up(capacity);
    *mailbox = (cm_mailbox){
        .consumer = consumer,
        .on_message = on_message,
        .owner = owner,
        .slots = calloc(slots, sizeof(void *)),
        .mask = slots - 1,
        .delivery = {.run = deliver},
    };
    if (mailbox->slots == NULL) {
        free(mailbox);
        return CM_BROKEN;
    }
    *out = mailbox;
    return CM_OK;
}

void cm_mailbox_destroy(cm_mailbox *mailbox, void (*on_drop)(void *message))
{
    if (mailbox == NULL)
        return;
    const size_t sent = atomic_load_explicit(&mailbox->sent, memory_order_acquire);
    size_t seen = atomic_load_explicit(&mailbox->seen, memory_order_relaxed);
    for (; seen != sent && on_drop != NULL; seen++)
        on_drop(mailbox->slots[seen & mailbox->mask]);
    atomic_store_explicit(&mailbox->seen, sent, memory_order_release);
    mailbox->is_destroyed = true;
    const bool is_posted = atomic_load_explicit(&mailbox->is_posted, memory_order_acquire);
    if (!is_posted && !mailbox->is_delivering)
        free_mailbox(mailbox);
}

cm_status cm_mailbox_send(cm_mailbox *mailbox, void *message)
{
    const size_t sent = atomic_load_explicit(&mailbox->sent, memory_order_relaxed);
    const size_t seen = atomic_load_explicit(&mailbox->seen, memory_order_acquire);
    CM_ENSURE(sent - seen <= mailbox->mask, CM_FULL);
    mailbox->slots[sent & mailbox->mask] = message;
    atomic_store_explicit(&mailbox->sent, sent + 1, memory_order_release);
    if (!atomic_exchange_explicit(&mailbox->is_posted, true, memory_order_acq_rel))
        cm_loop_post(mailbox->consumer, &mailbox->delivery);
    return CM_OK;
}
