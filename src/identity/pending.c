#include "identity/pending.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct entry {
    unsigned tries; /* 0: the place is free */
    cm_instant begun;
    uint8_t token_hash[CM_MAC_SIZE];
    cm_pending_sign_in sign_in;
} entry;

struct cm_pending {
    pthread_mutex_t lock;
    size_t count_max;
    entry entries[];
};

cm_status cm_pending_create(size_t count_max, cm_pending **out)
{
    if (count_max == 0)
        count_max = CM_PENDING_DEFAULT;
    cm_pending *pending = calloc(1, sizeof *pending + count_max * sizeof pending->entries[0]);
    CM_ENSURE(pending != NULL, CM_BROKEN);
    pthread_mutex_init(&pending->lock, NULL);
    pending->count_max = count_max;
    *out = pending;
    return CM_OK;
}

void cm_pending_destroy(cm_pending *pending)
{
    if (pending == NULL)
        return;
    pthread_mutex_destroy(&pending->lock);
    free(pending);
}

static bool is_open(const entry *e, cm_instant now)
{
    return e->tries > 0 && cm_instant_since(now, e->begun) < CM_PENDING_US;
}

static void keep_older(entry **oldest, entry *e)
{
    if (*oldest == NULL || e->begun.us < (*oldest)->begun.us)
        *oldest = e;
}

/* A free place; else, the account having its share or the table being full, the oldest of those. */
static entry *find_place(cm_pending *pending, const cm_account_id *account, cm_instant now)
{
    entry *free_one = NULL, *oldest = NULL, *own_oldest = NULL;
    size_t own = 0;
    for (size_t i = 0; i < pending->count_max; i++) {
        entry *e = &pending->entries[i];
        if (!is_open(e, now)) {
            free_one = e;
            continue;
        }
        keep_older(&oldest, e);
        if (!cm_account_id_equal(&e->sign_in.account, account))
            continue;
        keep_older(&own_oldest, e);
        own++;
    }
    if (own >= CM_PENDING_PER_ACCOUNT)
        return own_oldest;
    return free_one != NULL ? free_one : oldest;
}

static entry *find_open(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE], cm_instant now)
{
    entry *found = NULL;
    for (size_t i = 0; i < pending->count_max; i++) {
        entry *e = &pending->entries[i];
        if (is_open(e, now) && cm_secret_equal(cm_slice_over(e->token_hash, CM_MAC_SIZE),
                                               cm_slice_over(token_hash, CM_MAC_SIZE)))
            found = e;
    }
    return found;
}

void cm_pending_begin(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE],
                      const cm_pending_sign_in *sign_in, cm_instant now)
{
    entry fresh = {.tries = CM_PENDING_TRIES, .begun = now, .sign_in = *sign_in};
    cm_slice_copy(cm_slice_over(token_hash, CM_MAC_SIZE), fresh.token_hash, CM_MAC_SIZE);
    pthread_mutex_lock(&pending->lock);
    *find_place(pending, &sign_in->account, now) = fresh;
    pthread_mutex_unlock(&pending->lock);
}

cm_status cm_pending_find(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE],
                          cm_instant now, cm_pending_sign_in *out)
{
    pthread_mutex_lock(&pending->lock);
    const entry *e = find_open(pending, token_hash, now);
    if (e != NULL)
        *out = e->sign_in;
    pthread_mutex_unlock(&pending->lock);
    return e != NULL ? CM_OK : CM_ABSENT;
}

cm_status cm_pending_try(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE], cm_instant now)
{
    pthread_mutex_lock(&pending->lock);
    entry *e = find_open(pending, token_hash, now);
    if (e != NULL)
        e->tries--;
    pthread_mutex_unlock(&pending->lock);
    return e != NULL ? CM_OK : CM_ABSENT;
}

void cm_pending_end(cm_pending *pending, const uint8_t token_hash[CM_MAC_SIZE])
{
    pthread_mutex_lock(&pending->lock);
    for (size_t i = 0; i < pending->count_max; i++) {
        entry *e = &pending->entries[i];
        if (cm_secret_equal(cm_slice_over(e->token_hash, CM_MAC_SIZE),
                            cm_slice_over(token_hash, CM_MAC_SIZE)))
            e->tries = 0;
    }
    pthread_mutex_unlock(&pending->lock);
}
