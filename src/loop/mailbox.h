/*
 * mailbox: a bounded queue of pointers from one thread to one loop (single producer, single
 * consumer), without locks.
 *
 * When full, the producer is told (CM_FULL) and applies its own named policy. The consumer is woken
 * at most once for any number of messages that arrive before it looks. Ownership of what the
 * pointer means passes with the message. Life: created and destroyed by the consumer's thread,
 * after the producer has stopped using it.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_mailbox cm_mailbox;

/* `capacity` is rounded up to a power of two. on_message runs on `consumer`, for each message in
 * order. */
cm_status cm_mailbox_create(cm_loop *consumer, size_t capacity,
                            void (*on_message)(void *owner, void *message), void *owner,
                            cm_mailbox **out);
/* Messages still inside are handed to on_drop (may be NULL). */
void cm_mailbox_destroy(cm_mailbox *mailbox, void (*on_drop)(void *message));

/* The producer's thread. CM_FULL: not taken. */
cm_status cm_mailbox_send(cm_mailbox *mailbox, void *message);
