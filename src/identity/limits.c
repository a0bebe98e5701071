#include "identity/limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/writer.h"
#include "store/fold.h"

enum { KEY_SIZE = 16, BUCKETS = 1024, TRUSTED_MAX = 4, TRIES = 5, ENTRIES_MAX = 4096 };

typedef struct limit_key {
    uint8_t bytes[KEY_SIZE];
} limit_key;

typedef struct entry {
    limit_key key;
    bool is_taken;
    int32_t next; /* in its bucket; -1: the last */
    unsigned tries;
    int64_t wait_us;                /* for one more try */
    cm_instant refill;              /* when that one comes */
    limit_key trusted[TRUSTED_MAX]; /* of a name: addresses that signed in to it */
    unsigned trusted_count;
} entry;

typedef struct table {
    int32_t buckets[BUCKETS];
    entry *entries;
} table;

struct cm_limits {
    cm_limits_config config;
    pthread_mutex_t lock;
    table addresses, names;
};

static cm_status make_table(size_t entries_max, table *out)
{
    out->entries = calloc(entries_max, sizeof *out->entries);
    CM_ENSURE(out->entries != NULL, CM_BROKEN);
    for (size_t i = 0; i < BUCKETS; i++)
        out->buckets[i] = -1;
    return CM_OK;
}

cm_status cm_limits_create(const cm_limits_config *config, cm_limits **out)
{
    cm_limits *limits = calloc(1, sizeof *limits);
    CM_ENSURE(limits != NULL, CM_BROKEN);
    limits->config = *config;
    cm_limits_config *c = &limits->config;
    c->tries = c->tries != 0 ? c->tries : TRIES;
    c->refill_us = c->refill_us != 0 ? c->refill_us : CM_SECONDS(30);
    c->wait_max_us = c->wait_max_us != 0 ? c->wait_max_us : CM_SECONDS(900);
    c->entries_max = c->entries_max != 0 ? c->entries_max : ENTRIES_MAX;
    pthread_mutex_init(&limits->lock, NULL);
    cm_status status = make_table(c->entries_max, &limits->addresses);
    if (status == CM_OK)
        status = make_table(c->entries_max, &limits->names);
    if (status != CM_OK) {
        cm_limits_destroy(limits);
        return status;
    }
    *out = limits;
    return CM_OK;
}

void cm_limits_destroy(cm_limits *limits)
{
    if (limits == NULL)
        return;
    pthread_mutex_destroy(&limits->lock);
    free(limits->addresses.entries);
    free(limits->names.entries);
    free(limits);
}

/* ---- keys ---- */

static limit_key hash_key(cm_slice bytes)
{
    uint8_t hash[CM_MAC_SIZE];
    cm_secret_hash(bytes, hash);
    limit_key key;
    for (size_t i = 0; i < KEY_SIZE; i++)
        key.bytes[i] = hash[i];
    return key;
}

/* A household has one IPv4 address or one /64 of IPv6. */
static limit_key address_key(const cm_address *address)
{
    uint8_t bytes[9];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u8(&w, address->is_v6 ? 6 : 4);
    cm_write_slice(&w, cm_slice_over(address->bytes, address->is_v6 ? 8 : 4));
    return hash_key(cm_writer_done(&w));
}

/* Names count without the case of their letters; what is no name counts as it was typed. */
static limit_key name_key(cm_slice name)
{
    char folded[512];
    if (cm_fold_name(name, folded, sizeof folded) == CM_OK)
        return hash_key(cm_slice_of(folded));
    return hash_key(name);
}

static bool is_same(const limit_key *a, const limit_key *b)
{
    return cm_slice_equal(cm_slice_over(a->bytes, KEY_SIZE), cm_slice_over(b->bytes, KEY_SIZE));
}

/* ---- tables ---- */

static int32_t *bucket_of(table *t, const limit_key *key)
{
    return &t->buckets[(size_t)(key->bytes[0] << 8 | key->bytes[1]) % BUCKETS];
}

static entry *find(table *t, const limit_key *key)
{
    for (int32_t i = *bucket_of(t, key); i >= 0; i = t->entries[i].next)
        if (is_same(&t->entries[i].key, key))
            return &t->entries[i];
    return NULL;
}

static void unlink_entry(table *t, const entry *e)
{
    const int32_t at = (int32_t)(e - t->entries);
    int32_t *link = bucket_of(t, &e->key);
    while (*link != at)
        link = &t->entries[*link].next;
    *link = e->next;
}

/* When the bucket is full again: what it remembers is worth nothing from then on. */
static int64_t full_again(const cm_limits *limits, const entry *e)
{
    return e->refill.us + (int64_t)(limits->config.tries - e->tries) * e->wait_us;
}

/* A free place, or that of the bucket nearest to being full again. */
static entry *find_place(const cm_limits *limits, table *t)
{
    entry *best = &t->entries[0];
    for (size_t i = 0; i < limits->config.entries_max; i++) {
        entry *e = &t->entries[i];
        if (!e->is_taken)
            return e;
        if (full_again(limits, e) < full_again(limits, best))
            best = e;
    }
    unlink_entry(t, best);
    return best;
}

static entry *find_or_make(const cm_limits *limits, table *t, const limit_key *key, cm_instant now)
{
    entry *e = find(t, key);
    if (e != NULL)
        return e;
    e = find_place(limits, t);
    int32_t *bucket = bucket_of(t, key);
    *e = (entry){.key = *key,
                 .is_taken = true,
                 .next = *bucket,
                 .tries = limits->config.tries,
                 .wait_us = limits->config.refill_us,
                 .refill = now};
    *bucket = (int32_t)(e - t->entries);
    return e;
}

/* ---- buckets ---- */

static void refill(const cm_limits *limits, entry *e, cm_instant now)
{
    while (e->tries < limits->config.tries && now.us >= e->refill.us) {
        e->tries++;
        e->refill = cm_instant_after(e->refill, e->wait_us);
    }
    if (e->tries == limits->config.tries)
        e->wait_us = limits->config.refill_us;
}

/* Zero, or how long until there is one. */
static int64_t wait_of(const entry *e, cm_instant now)
{
    return e->tries > 0 ? 0 : cm_instant_since(e->refill, now);
}

static void spend(const cm_limits *limits, entry *e, cm_instant now)
{
    if (e->tries == limits->config.tries)
        e->refill = cm_instant_after(now, e->wait_us);
    e->tries--;
}

static bool is_trusted(const entry *name, const limit_key *address)
{
    for (unsigned i = 0; i < name->trusted_count; i++)
        if (is_same(&name->trusted[i], address))
            return true;
    return false;
}

static cm_status take_locked(cm_limits *limits, const limit_key *from, const limit_key *who,
                             cm_instant now, int64_t *wait_us)
{
    entry *address = find_or_make(limits, &limits->addresses, from, now);
    refill(limits, address, now);
    *wait_us = wait_of(address, now);
    CM_ENSURE(*wait_us == 0, CM_RETRY);
    entry *name = find_or_make(limits, &limits->names, who, now);
    refill(limits, name, now);
    if (!is_trusted(name, from)) {
        *wait_us = wait_of(name, now);
        CM_ENSURE(*wait_us == 0, CM_RETRY);
        spend(limits, name, now);
    }
    spend(limits, address, now);
    return CM_OK;
}

cm_status cm_limits_take(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now,
                         int64_t *wait_us)
{
    const limit_key address = address_key(from);
    const limit_key who = name_key(name);
    pthread_mutex_lock(&limits->lock);
    const cm_status status = take_locked(limits, &address, &who, now, wait_us);
    pthread_mutex_unlock(&limits->lock);
    return status;
}

/* With nothing left each failure doubles the wait. */
static void punish(const cm_limits *limits, entry *e, cm_instant now)
{
    if (e == NULL || e->tries > 0)
        return;
    e->refill = cm_instant_after(now, e->wait_us);
    const int64_t doubled = e->wait_us * 2;
    e->wait_us = doubled < limits->config.wait_max_us ? doubled : limits->config.wait_max_us;
}

void cm_limits_failed(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now)
{
    const limit_key address = address_key(from);
    const limit_key who = name_key(name);
    pthread_mutex_lock(&limits->lock);
    punish(limits, find(&limits->addresses, &address), now);
    entry *e = find(&limits->names, &who);
    if (e != NULL && !is_trusted(e, &address))
        punish(limits, e, now);
    pthread_mutex_unlock(&limits->lock);
}

static void reset(const cm_limits *limits, entry *e, cm_instant now)
{
    e->tries = limits->config.tries;
    e->wait_us = limits->config.refill_us;
    e->refill = now;
}

static void trust(entry *name, const limit_key *address)
{
    if (is_trusted(name, address))
        return;
    if (name->trusted_count == TRUSTED_MAX) {
        for (unsigned i = 1; i < TRUSTED_MAX; i++)
            name->trusted[i - 1] = name->trusted[i];
        name->trusted_count--;
    }
    name->trusted[name->trusted_count++] = *address;
}

void cm_limits_succeeded(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now)
{
    const limit_key address = address_key(from);
    const limit_key who = name_key(name);
    pthread_mutex_lock(&limits->lock);
    entry *e = find_or_make(limits, &limits->names, &who, now);
    reset(limits, e, now);
    trust(e, &address);
    reset(limits, find_or_make(limits, &limits->addresses, &address, now), now);
    pthread_mutex_unlock(&limits->lock);
}

static void give_back(const cm_limits *limits, entry *e, cm_instant now)
{
    if (e == NULL)
        return;
    refill(limits, e, now);
    e->tries += e->tries < limits->config.tries ? 1 : 0;
}

void cm_limits_spared(cm_limits *limits, const cm_address *from, cm_slice name, cm_instant now)
{
    const limit_key address = address_key(from);
    const limit_key who = name_key(name);
    pthread_mutex_lock(&limits->lock);
    give_back(limits, find(&limits->addresses, &address), now);
    entry *e = find(&limits->names, &who);
    if (e != NULL && !is_trusted(e, &address))
        give_back(limits, e, now);
    pthread_mutex_unlock(&limits->lock);
}
