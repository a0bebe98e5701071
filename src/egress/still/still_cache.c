/* Stills that were made, sealed as they came, the least recently used going first. */
#include <stdlib.h>
#include <string.h>

#include "egress/still/still_priv.h"

typedef struct entry {
    cm_list bucket_node;
    cm_list age_node;
    still_key key;
    cm_frame *still;
} entry;

bool still_key_equal(const still_key *a, const still_key *b)
{
    return cm_camera_key_equal(&a->camera, &b->camera) && a->stream == b->stream &&
           a->width == b->width && a->epoch == b->epoch && a->number == b->number &&
           memcmp(a->instance, b->instance, sizeof a->instance) == 0;
}

void still_cache_init(still_cache *cache, size_t bytes_max, unsigned loop_index)
{
    *cache = (still_cache){.bytes_max = bytes_max, .loop_index = loop_index};
    for (size_t i = 0; i < STILL_BUCKETS; i++)
        cm_list_init(&cache->buckets[i]);
    cm_list_init(&cache->age);
}

static size_t cost_of(const entry *e)
{
    return sizeof *e + e->still->size_bytes;
}

static void drop(still_cache *cache, entry *e)
{
    cache->bytes -= cost_of(e);
    cm_list_remove(&e->bucket_node);
    cm_list_remove(&e->age_node);
    cm_frame_release(e->still, cache->loop_index);
    free(e);
}

void still_cache_deinit(still_cache *cache)
{
    while (!cm_list_is_empty(&cache->age))
        drop(cache, CM_HOLDER(cache->age.next, entry, age_node));
}

static cm_list *bucket_of(still_cache *cache, const cm_camera_key *camera)
{
    return &cache->buckets[cm_camera_key_hash(camera) % STILL_BUCKETS];
}

cm_frame *still_cache_find(still_cache *cache, const still_key *key, uint64_t epoch)
{
    CM_LIST_EACH(bucket_of(cache, &key->camera), node, next)
    {
        entry *e = CM_HOLDER(node, entry, bucket_node);
        if (!still_key_equal(&e->key, key) || e->still->epoch != epoch)
            continue;
        cm_list_remove(&e->age_node);
        cm_list_add_last(&cache->age, &e->age_node);
        return e->still;
    }
    return NULL;
}

cm_frame *still_cache_find_foreign(still_cache *cache, const cm_camera_key *camera)
{
    for (cm_list *node = cache->age.prev; node != &cache->age; node = node->prev) {
        entry *e = CM_HOLDER(node, entry, age_node);
        if (!cm_camera_key_equal(&e->key.camera, camera))
            return e->still;
    }
    return NULL;
}

static bool is_same_view(const still_key *a, const still_key *b)
{
    return cm_camera_key_equal(&a->camera, &b->camera) && a->stream == b->stream &&
           a->width == b->width;
}

void still_cache_put(still_cache *cache, const still_key *key, cm_frame *still)
{
    cm_list *bucket = bucket_of(cache, &key->camera);
    CM_LIST_EACH(bucket, node, next)
    {
        entry *e = CM_HOLDER(node, entry, bucket_node);
        if (is_same_view(&e->key, key))
            drop(cache, e);
    }
    entry *e = malloc(sizeof *e);
    if (e == NULL)
        return;
    *e = (entry){.key = *key, .still = still};
    cm_frame_hold(still, cache->loop_index);
    cm_list_add_last(bucket, &e->bucket_node);
    cm_list_add_last(&cache->age, &e->age_node);
    cache->bytes += cost_of(e);
    while (cache->bytes > cache->bytes_max)
        drop(cache, CM_HOLDER(cache->age.next, entry, age_node));
}

void still_cache_forget(still_cache *cache, const cm_camera_key *camera)
{
    CM_LIST_EACH(bucket_of(cache, camera), node, next)
    {
        entry *e = CM_HOLDER(node, entry, bucket_node);
        if (cm_camera_key_equal(&e->key.camera, camera))
            drop(cache, e);
    }
}
