#include "audit/index.h"

#include <stdlib.h>
#include <string.h>

#include "audit/files.h"

void cm_audit_index_init(cm_audit_index *index)
{
    *index = (cm_audit_index){.first_us = INT64_MAX, .last_us = INT64_MIN};
}

void cm_audit_index_clear(cm_audit_index *index)
{
    free(index->keys);
    cm_audit_index_init(index);
}

/* ---- keys ---- */

/* FNV-1a: ids are no strangers' choice, and one too many costs only time. */
static uint64_t hash(uint64_t from, char kind, const char *id)
{
    uint64_t h = (from ^ (uint8_t)kind) * UINT64_C(0x100000001B3);
    const size_t size = strnlen(id, CM_ID_SIZE);
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)id[i]) * UINT64_C(0x100000001B3);
    return h != 0 ? h : 1; /* 0 is a free place */
}

#define BASIS UINT64_C(0xCBF29CE484222325)

uint64_t cm_audit_key_of_home(const cm_home_id *home)
{
    return hash(BASIS, 'h', home->text);
}

uint64_t cm_audit_key_of_camera(const cm_home_id *home, const cm_camera_id *camera)
{
    return hash(cm_audit_key_of_home(home), 'c', camera->text);
}

uint64_t cm_audit_key_of_account(const cm_account_id *account)
{
    return hash(BASIS, 'a', account->text);
}

uint64_t cm_audit_key_of_start(void)
{
    return hash(BASIS, 's', "");
}

/* ---- growing ---- */

static bool put(uint64_t *keys, size_t capacity, uint64_t key)
{
    size_t at = (size_t)key & (capacity - 1);
    while (keys[at] != 0 && keys[at] != key)
        at = (at + 1) & (capacity - 1);
    const bool is_fresh = keys[at] == 0;
    keys[at] = key;
    return is_fresh;
}

static bool make_room(cm_audit_index *index)
{
    if (2 * index->count < index->capacity)
        return true;
    const size_t capacity = index->capacity == 0 ? 256 : 2 * index->capacity;
    uint64_t *keys = calloc(capacity, sizeof *keys);
    if (keys == NULL)
        return false;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->keys[i] != 0)
            (void)put(keys, capacity, index->keys[i]);
    free(index->keys);
    index->keys = keys;
    index->capacity = capacity;
    return true;
}

static void add_key(cm_audit_index *index, uint64_t key)
{
    if (!cm_audit_index_is_whole(index))
        return;
    if (!make_room(index))
        index->count = SIZE_MAX;
    else if (put(index->keys, index->capacity, key))
        index->count++;
}

bool cm_audit_index_is_whole(const cm_audit_index *index)
{
    return index->count != SIZE_MAX;
}

void cm_audit_index_add(cm_audit_index *index, const cm_audit_entry *entry)
{
    if (entry->when.us < index->first_us)
        index->first_us = entry->when.us;
    if (entry->when.us > index->last_us)
        index->last_us = entry->when.us;
    add_key(index, cm_audit_key_of_home(&entry->home));
    if (entry->camera.text[0] != '\0')
        add_key(index, cm_audit_key_of_camera(&entry->home, &entry->camera));
    if (entry->account.text[0] != '\0')
        add_key(index, cm_audit_key_of_account(&entry->account));
    if (entry->other[0] != '\0') {
        cm_account_id other;
        cm_slice_copy(cm_slice_over(entry->other, CM_ID_SIZE), other.text, sizeof other.text);
        add_key(index, cm_audit_key_of_account(&other));
    }
    if (entry->kind == CM_AUDIT_SERVER_START)
        add_key(index, cm_audit_key_of_start());
}

/* ---- the file ---- */

static int by_key(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The keys to the front, rising. */
static void settle(cm_audit_index *index)
{
    size_t count = 0;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->keys[i] != 0)
            index->keys[count++] = index->keys[i];
    if (count > 0)
        qsort(index->keys, count, sizeof *index->keys, by_key);
    index->capacity = 0;
}

static void mac_of(const cm_secret *key, uint64_t sequence, cm_slice bytes,
                   uint8_t out[CM_MAC_SIZE])
{
    uint8_t number[8];
    cm_secret own;
    cm_writer w = cm_writer_over(number, sizeof number);
    cm_write_u64(&w, sequence);
    cm_secret_derive(key, "audit index", cm_writer_done(&w), &own);
    cm_secret_mac(&own, bytes, out);
    cm_secret_clear(&own);
}

cm_status cm_audit_index_write(int directory, uint64_t sequence, const cm_secret *key,
                               cm_audit_index *index)
{
    char name[CM_AUDIT_NAME_SIZE];
    CM_ENSURE(cm_audit_index_is_whole(index), CM_BROKEN);
    settle(index);
    const size_t size = 16 + 8 * index->count + CM_MAC_SIZE;
    uint8_t *bytes = malloc(size);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, size);
    cm_write_u64(&w, (uint64_t)index->first_us);
    cm_write_u64(&w, (uint64_t)index->last_us);
    for (size_t i = 0; i < index->count; i++)
        cm_write_u64(&w, index->keys[i]);
    uint8_t mac[CM_MAC_SIZE];
    mac_of(key, sequence, cm_writer_done(&w), mac);
    cm_write_slice(&w, cm_slice_over(mac, sizeof mac));
    const cm_status status = cm_audit_write_whole(
        directory, cm_audit_name(sequence, CM_AUDIT_INDEX, name), cm_writer_done(&w));
    free(bytes);
    return status;
}

static cm_status parse(cm_slice bytes, uint64_t sequence, const cm_secret *key, cm_audit_index *out)
{
    uint8_t mac[CM_MAC_SIZE];
    CM_ENSURE(bytes.size >= 16 + CM_MAC_SIZE && bytes.size % 8 == 0, CM_ABSENT);
    const cm_slice content = cm_slice_part(bytes, 0, bytes.size - CM_MAC_SIZE);
    mac_of(key, sequence, content, mac);
    CM_ENSURE(cm_secret_equal(cm_slice_from(bytes, content.size), cm_slice_over(mac, sizeof mac)),
              CM_ABSENT);
    cm_reader r = cm_reader_over(content);
    cm_audit_index index = {.count = (content.size - 16) / 8};
    index.first_us = (int64_t)cm_read_u64(&r);
    index.last_us = (int64_t)cm_read_u64(&r);
    index.keys = calloc(index.count + 1, sizeof *index.keys);
    CM_ENSURE(index.keys != NULL, CM_ABSENT);
    for (size_t i = 0; i < index.count; i++)
        index.keys[i] = cm_read_u64(&r);
    *out = index;
    return CM_OK;
}

cm_status cm_audit_index_read(int directory, uint64_t sequence, const cm_secret *key,
                              cm_audit_index *out)
{
    char name[CM_AUDIT_NAME_SIZE];
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes file = {.size = 0};
    CM_TRY(
        cm_audit_read(directory, cm_audit_name(sequence, CM_AUDIT_INDEX, name), SIZE_MAX, &file));
    return parse(cm_slice_over(file.bytes, file.size), sequence, key, out);
}

bool cm_audit_index_has(const cm_audit_index *index, uint64_t key)
{
    return index->count > 0 &&
           bsearch(&key, index->keys, index->count, sizeof *index->keys, by_key) != NULL;
}
