/*
 * passed: the homes, accounts and cameras that a transaction has come by, in that order, each once.
 * Whether it was there is told in constant time: logging out the whole server comes by all there
 * are.
 *
 * Life: a plain value, zeroed at first; whoever holds it clears it. Threads: its holder's.
 */
#pragma once

#include "base/id.h"
#include "store/known.h"

typedef struct cm_passed_item {
    cm_known_kind kind;
    /* Of a home or an account its id stands where a camera's home does, with no camera; a camera
     * is of the kind of its home. */
    cm_camera_key key;
} cm_passed_item;

typedef struct cm_passed {
    cm_passed_item *items;
    size_t count;
    uint32_t *slots; /* open addressing: 1 + an item's index, or 0; at most half full */
    size_t capacity; /* of the slots: 0 or a power of two */
} cm_passed;

void cm_passed_clear(cm_passed *passed);

bool cm_passed_has(const cm_passed *passed, const cm_passed_item *item);
/* What is there already is not added again. CM_BROKEN without memory. */
cm_status cm_passed_add(cm_passed *passed, const cm_passed_item *item);
