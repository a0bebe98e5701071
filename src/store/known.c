#include "store/known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    char id[CM_ID_SIZE];
    uint8_t kind; /* 0: free */
    uint64_t generation;
    uint64_t before; /* the one it had earlier: what a snapshot of a moment ago may still show */
} entry;

struct cm_known {
    pthread_mutex_t lock;
    entry *entries; /* open addressing, capacity a power of two, at most half full */
    size_t capacity;
    size_t count;
    uint64_t generation; /* the highest seen of the database */
    uint64_t start;      /* at the start: all that was there then is known */
};

enum { FIRST_CAPACITY = 64 };

cm_status cm_known_create(cm_known **out)
{
    cm_known *known = calloc(1, sizeof *known);
    CM_ENSURE(known != NULL, CM_BROKEN);
    known->entries = calloc(FIRST_CAPACITY, sizeof *known->entries);
    if (known->entries == NULL) {
        free(known);
        return CM_BROKEN;
    }
    known->capacity = FIRST_CAPACITY;
    pthread_mutex_init(&known->lock, NULL);
    *out = known;
    return CM_OK;
}

void cm_known_destroy(cm_known *known)
{
    if (known == NULL)
        return;
    pthread_mutex_destroy(&known->lock);
    free(known->entries);
    free(known);
}

void cm_known_begin(cm_known *known, uint64_t generation)
{
    pthread_mutex_lock(&known->lock);
    for (size_t i = 0; i < known->capacity; i++)
        known->entries[i].kind = 0;
    known->count = 0;
    known->generation = known->start = generation;
    pthread_mutex_unlock(&known->lock);
}

static void copy_id(char out[CM_ID_SIZE], const char *id)
{
    for (size_t i = 0; i < CM_ID_SIZE; i++)
        out[i] = id[i];
}

static entry *find(entry *entries, size_t capacity, cm_known_kind kind, const char *id)
{
    /* The home's half of a camera key is as good a hash as any of 32 bytes. */
    cm_camera_key key = {.home.text = {0}};
    copy_id(key.home.text, id);
    size_t at = (size_t)(cm_camera_key_hash(&key) ^ (uint64_t)kind) & (capacity - 1);
    while (entries[at].kind != 0 &&
           (entries[at].kind != (uint8_t)kind || memcmp(entries[at].id, id, CM_ID_SIZE) != 0))
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

static cm_status grow(cm_known *known)
{
    const size_t capacity = known->capacity * 2;
    entry *entries = calloc(capacity, sizeof *entries);
    CM_ENSURE(entries != NULL, CM_BROKEN);
    for (size_t i = 0; i < known->capacity; i++) {
        const entry *e = &known->entries[i];
        if (e->kind != 0)
            *find(entries, capacity, (cm_known_kind)e->kind, e->id) = *e;
    }
    free(known->entries);
    known->entries = entries;
    known->capacity = capacity;
    return CM_OK;
}

static cm_status raise_locked(cm_known *known, cm_known_kind kind, const char *id,
                              uint64_t generation)
{
    if (known->count * 2 >= known->capacity)
        CM_TRY(grow(known));
    entry *e = find(known->entries, known->capacity, kind, id);
    if (e->kind == 0) {
        *e = (entry){.kind = (uint8_t)kind, .generation = generation, .before = generation};
        copy_id(e->id, id);
        known->count++;
    } else if (generation > e->generation) {
        e->before = e->generation;
        e->generation = generation;
    }
    return CM_OK;
}

cm_status cm_known_raise(cm_known *known, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation)
{
    pthread_mutex_lock(&known->lock);
    const cm_status status = raise_locked(known, kind, id, generation);
    pthread_mutex_unlock(&known->lock);
    return status;
}

uint64_t cm_known_generation(cm_known *known)
{
    pthread_mutex_lock(&known->lock);
    const uint64_t generation = known->generation;
    pthread_mutex_unlock(&known->lock);
    return generation;
}

void cm_known_raise_generation(cm_known *known, uint64_t generation)
{
    pthread_mutex_lock(&known->lock);
    if (generation > known->generation)
        known->generation = generation;
    pthread_mutex_unlock(&known->lock);
}

static cm_status judge_locked(const cm_known *known, const entry *e, uint64_t generation,
                              uint64_t snapshot)
{
    CM_ENSURE(generation <= snapshot, CM_FOREIGN);
    if (e->kind == 0)
        return generation > known->start ? CM_OK : CM_FOREIGN;
    if (generation >= e->generation)
        return CM_OK;
    /* Older than what is known: right only in a snapshot from before that change. */
    if (e->generation <= snapshot)
        return CM_FOREIGN;
    return generation == e->before ? CM_OK : CM_RETRY;
}

cm_status cm_known_judge(cm_known *known, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation, uint64_t snapshot)
{
    pthread_mutex_lock(&known->lock);
    const entry *e = find(known->entries, known->capacity, kind, id);
    const cm_status status = judge_locked(known, e, generation, snapshot);
    pthread_mutex_unlock(&known->lock);
    return status;
}
