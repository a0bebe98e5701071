#include "media/epoch.h"

#include <assert.h>
#include <stdlib.h>

struct cm_epoch_page {
    _Atomic uint64_t generation;
    size_t taken;
    size_t capacity;
    cm_epoch_slot slots[];
};

cm_status cm_epoch_page_create(size_t cameras_max, cm_epoch_page **out)
{
    size_t size;
    CM_ENSURE(!__builtin_mul_overflow(cameras_max, sizeof(cm_epoch_slot), &size), CM_BROKEN);
    CM_ENSURE(!__builtin_add_overflow(size, sizeof(cm_epoch_page), &size), CM_BROKEN);
    cm_epoch_page *page = calloc(1, size);
    CM_ENSURE(page != NULL, CM_BROKEN);
    page->capacity = cameras_max;
    *out = page;
    return CM_OK;
}

void cm_epoch_page_destroy(cm_epoch_page *page)
{
    free(page);
}

cm_status cm_epoch_slot_take(cm_epoch_page *page, const cm_camera_key *camera, uint64_t min_epoch,
                             cm_epoch_slot **out)
{
    CM_ENSURE(page->taken < page->capacity, CM_FULL);
    cm_epoch_slot *slot = &page->slots[page->taken++];
    slot->camera_tag = cm_camera_key_hash(camera);
    atomic_store_explicit(&slot->min_epoch, min_epoch, memory_order_release);
    *out = slot;
    return CM_OK;
}

void cm_epoch_publish(cm_epoch_page *page, cm_epoch_slot *slot, uint64_t min_epoch)
{
    /* One writer: the control loop. Sequentially consistent: whoever sees the generation sees the
     * epoch. */
    assert(min_epoch >= atomic_load(&slot->min_epoch));
    atomic_store(&slot->min_epoch, min_epoch);
    atomic_fetch_add(&page->generation, 1);
}

uint64_t cm_epoch_generation(const cm_epoch_page *page)
{
    return atomic_load(&page->generation);
}

bool cm_epoch_is_current(const cm_epoch_slot *slot, uint64_t camera_tag, uint64_t epoch)
{
    return slot->camera_tag == camera_tag &&
           epoch >= atomic_load_explicit(&slot->min_epoch, memory_order_acquire);
}
