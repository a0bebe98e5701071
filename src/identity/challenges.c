#include "identity/challenges.h"

#include <pthread.h>
#include <stdlib.h>

enum { PLACE_SIZE = 9 };

typedef struct entry {
    bool is_out;
    cm_instant made;
    uint8_t place[PLACE_SIZE]; /* who asked for it */
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    uint8_t purpose[CM_MAC_SIZE];
} entry;

struct cm_challenges {
    pthread_mutex_t lock;
    size_t count_max;
    entry entries[];
};

cm_status cm_challenges_create(size_t count_max, cm_challenges **out)
{
    if (count_max == 0)
        count_max = CM_CHALLENGES_DEFAULT;
    cm_challenges *challenges =
        calloc(1, sizeof *challenges + count_max * sizeof challenges->entries[0]);
    CM_ENSURE(challenges != NULL, CM_BROKEN);
    if (pthread_mutex_init(&challenges->lock, NULL) != 0) {
        free(challenges);
        return CM_BROKEN;
    }
    challenges->count_max = count_max;
    *out = challenges;
    return CM_OK;
}

void cm_challenges_destroy(cm_challenges *challenges)
{
    if (challenges == NULL)
        return;
    pthread_mutex_destroy(&challenges->lock);
    free(challenges);
}

/* A household has one IPv4 address or one /64 of IPv6. */
static void write_place(const cm_address *address, uint8_t out[PLACE_SIZE])
{
    const size_t size = address->is_v6 ? 8 : 4;
    for (size_t i = 0; i < PLACE_SIZE; i++)
        out[i] = i < size ? address->bytes[i] : 0;
    out[PLACE_SIZE - 1] = address->is_v6 ? 6 : 4;
}

static bool is_out(const entry *e, cm_instant now)
{
    return e->is_out && cm_instant_since(now, e->made) < CM_CHALLENGE_US;
}

/* A free one; else, the place having its share or the table being full, the oldest of those. */
static entry *find_room(cm_challenges *challenges, const uint8_t place[PLACE_SIZE], cm_instant now)
{
    entry *free_one = NULL, *oldest = NULL, *own_oldest = NULL;
    size_t own = 0;
    for (size_t i = 0; i < challenges->count_max; i++) {
        entry *e = &challenges->entries[i];
        if (!is_out(e, now)) {
            free_one = e;
            continue;
        }
        if (oldest == NULL || e->made.us < oldest->made.us)
            oldest = e;
        if (!cm_slice_equal(cm_slice_over(e->place, PLACE_SIZE), cm_slice_over(place, PLACE_SIZE)))
            continue;
        own++;
        if (own_oldest == NULL || e->made.us < own_oldest->made.us)
            own_oldest = e;
    }
    if (own >= CM_CHALLENGES_PER_ADDRESS)
        return own_oldest;
    return free_one != NULL ? free_one : oldest;
}

void cm_challenges_make(cm_challenges *challenges, cm_random *random,
                        const uint8_t purpose[CM_MAC_SIZE], const cm_address *from, cm_instant now,
                        uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE])
{
    entry fresh = {.is_out = true, .made = now};
    write_place(from, fresh.place);
    cm_slice_copy(cm_slice_over(purpose, CM_MAC_SIZE), fresh.purpose, CM_MAC_SIZE);
    pthread_mutex_lock(&challenges->lock);
    cm_random_fill(random, fresh.challenge, sizeof fresh.challenge);
    *find_room(challenges, fresh.place, now) = fresh;
    pthread_mutex_unlock(&challenges->lock);
    cm_slice_copy(cm_slice_over(fresh.challenge, sizeof fresh.challenge), out,
                  CM_WEBAUTHN_CHALLENGE_SIZE);
}

cm_status cm_challenges_take(cm_challenges *challenges,
                             const uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE],
                             const uint8_t purpose[CM_MAC_SIZE], cm_instant now)
{
    const cm_slice asked = cm_slice_over(challenge, CM_WEBAUTHN_CHALLENGE_SIZE);
    cm_status status = CM_ABSENT;
    pthread_mutex_lock(&challenges->lock);
    for (size_t i = 0; i < challenges->count_max; i++) {
        entry *e = &challenges->entries[i];
        if (!e->is_out || !cm_secret_equal(cm_slice_over(e->challenge, sizeof e->challenge), asked))
            continue;
        if (is_out(e, now) && cm_secret_equal(cm_slice_over(e->purpose, CM_MAC_SIZE),
                                              cm_slice_over(purpose, CM_MAC_SIZE)))
            status = CM_OK;
        e->is_out = false;
    }
    pthread_mutex_unlock(&challenges->lock);
    return status;
}
