#include "store/passed.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 8 };

void cm_passed_clear(cm_passed *passed)
{
    free(passed->items);
    free(passed->slots);
    *passed = (cm_passed){.count = 0};
}

static bool is_same(const cm_passed_item *a, const cm_passed_item *b)
{
    return a->kind == b->kind && cm_camera_key_equal(&a->key, &b->key);
}

/* Its slot, or the free one where it would stand. There is always a free one. */
static uint32_t *find(const cm_passed *passed, const cm_passed_item *item)
{
    const size_t mask = passed->capacity - 1;
    size_t at = (size_t)(cm_camera_key_hash(&item->key) ^ (uint64_t)item->kind) & mask;
    while (passed->slots[at] != 0 && !is_same(&passed->items[passed->slots[at] - 1], item))
        at = (at + 1) & mask;
    return &passed->slots[at];
}

bool cm_passed_has(const cm_passed *passed, const cm_passed_item *item)
{
    return passed->capacity != 0 && *find(passed, item) != 0;
}

/* Twice as many slots, and items for half of them. */
static cm_status grow(cm_passed *passed)
{
    const size_t capacity = passed->capacity != 0 ? passed->capacity * 2 : FIRST_CAPACITY;
    CM_ENSURE(capacity <= UINT32_MAX, CM_BROKEN);
    cm_passed_item *items = reallocarray(passed->items, capacity / 2, sizeof *items);
    CM_ENSURE(items != NULL, CM_BROKEN);
    passed->items = items;
    uint32_t *slots = calloc(capacity, sizeof *slots);
    CM_ENSURE(slots != NULL, CM_BROKEN);
    free(passed->slots);
    passed->slots = slots;
    passed->capacity = capacity;
    for (size_t i = 0; i < passed->count; i++)
        *find(passed, &items[i]) = (uint32_t)i + 1;
    return CM_OK;
}

cm_status cm_passed_add(cm_passed *passed, const cm_passed_item *item)
{
    if (cm_passed_has(passed, item))
        return CM_OK;
    if (passed->count * 2 >= passed->capacity)
        CM_TRY(grow(passed));
    uint32_t *slot = find(passed, item);
    passed->items[passed->count++] = *item;
    *slot = (uint32_t)passed->count;
    return CM_OK;
}
