/* Who is known: sessions by our ufrags, and by the addresses that checks have proven. */
#include <sodium.h>
#include <stdlib.h>

#include "base/writer.h"
#include "net/rtc_priv.h"

enum {
    ROUTE_KEY_SIZE = 40,
    /* A peer checks its pair every few seconds. Nobody was heard there for so long: the address may
     * have passed to another. */
    ABANDONED_SECONDS = 15,
};

_Static_assert(crypto_shorthash_KEYBYTES == sizeof((cm_rtc_table *)0)->key, "SipHash");

cm_status cm_rtc_table_init(cm_rtc_table *table, cm_random *random, size_t entries_max)
{
    size_t count = 16;
    while (count < entries_max)
        count *= 2;
    table->buckets = calloc(count, sizeof *table->buckets);
    CM_ENSURE(table->buckets != NULL, CM_BROKEN);
    for (size_t i = 0; i < count; i++)
        cm_list_init(&table->buckets[i]);
    table->mask = count - 1;
    cm_random_fill(random, table->key, sizeof table->key);
    return CM_OK;
}

void cm_rtc_table_deinit(cm_rtc_table *table)
{
    free(table->buckets);
}

static cm_list *bucket_of(const cm_rtc_table *table, cm_slice key)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t sum = 0;
    crypto_shorthash(hash, key.bytes, key.size, table->key);
    for (size_t i = 0; i < sizeof hash; i++)
        sum = sum << 8 | hash[i];
    return &table->buckets[sum & table->mask];
}

/* ---- names ---- */

void cm_rtc_names_update(cm_rtc_session *session)
{
    cm_slice ufrags[CM_COUNT(session->names)];
    const size_t count = cm_ice_ufrags(&session->ice, ufrags);
    for (size_t i = 0; i < CM_COUNT(session->names); i++) {
        cm_rtc_name *name = &session->names[i];
        cm_list_remove(&name->node);
        if (i >= count)
            continue;
        name->ufrag = ufrags[i];
        cm_rtc_name_add(session->endpoint, name);
    }
}

void cm_rtc_name_add(cm_rtc_endpoint *endpoint, cm_rtc_name *name)
{
    cm_list_add_last(bucket_of(&endpoint->names, name->ufrag), &name->node);
}

cm_rtc_session *cm_rtc_find_name(const cm_rtc_endpoint *endpoint, cm_slice ufrag)
{
    CM_LIST_EACH(bucket_of(&endpoint->names, ufrag), node, next)
    {
        const cm_rtc_name *name = CM_HOLDER(node, cm_rtc_name, node);
        if (cm_slice_equal(name->ufrag, ufrag))
            return name->session;
    }
    return NULL;
}

/* ---- pairs ---- */

bool cm_rtc_route_equal(const cm_rtc_route *a, const cm_rtc_route *b)
{
    return a->port == b->port && a->stream == b->stream && a->is_relayed == b->is_relayed &&
           cm_address_equal(&a->peer, &b->peer) && cm_address_same_host(&a->local, &b->local);
}

static cm_list *bucket_of_route(const cm_rtc_route *route)
{
    const cm_rtc_endpoint *endpoint = route->port->endpoint;
    uint8_t key[ROUTE_KEY_SIZE];
    cm_writer w = cm_writer_over(key, sizeof key);
    cm_write_u8(&w, (uint8_t)(route->port - endpoint->ports));
    cm_write_u8(&w, route->is_relayed);
    cm_write_u16(&w, route->peer.port);
    cm_write_slice(&w, cm_address_bytes(&route->peer));
    cm_write_slice(&w, cm_address_bytes(&route->local));
    return bucket_of(&endpoint->pairs, cm_writer_done(&w));
}

cm_rtc_pair *cm_rtc_find_pair(const cm_rtc_route *route)
{
    CM_LIST_EACH(bucket_of_route(route), node, next)
    {
        cm_rtc_pair *pair = CM_HOLDER(node, cm_rtc_pair, node);
        if (cm_rtc_route_equal(&pair->route, route))
            return pair;
    }
    return NULL;
}

void cm_rtc_forget_pair(cm_rtc_pair *pair)
{
    cm_rtc_session *session = pair->session;
    cm_list_remove(&pair->node);
    pair->is_used = false;
    if (session->path == pair)
        session->path = NULL;
    if (pair->route.stream != NULL) {
        cm_rtc_arena_drop(session, pair->route.stream);
        cm_rtc_stream_close(pair->route.stream);
    }
}

/* A free place, or that of the pair least recently heard; never the path's. */
static cm_rtc_pair *free_place(cm_rtc_session *session)
{
    cm_rtc_pair *oldest = NULL;
    for (size_t i = 0; i < CM_RTC_PAIRS_MAX; i++) {
        cm_rtc_pair *pair = &session->pairs[i];
        if (!pair->is_used)
            return pair;
        if (pair != session->path && (oldest == NULL || pair->heard.us < oldest->heard.us))
            oldest = pair;
    }
    cm_rtc_forget_pair(oldest);
    return oldest;
}

cm_rtc_pair *cm_rtc_prove_pair(cm_rtc_session *session, const cm_rtc_route *route)
{
    const cm_instant now = cm_loop_now(session->endpoint->loop);
    cm_rtc_pair *pair = cm_rtc_find_pair(route);
    if (pair != NULL && pair->session != session) {
        /* Else whoever has a session could take a neighbour's packets by writing his address. A
         * connection is one session's for good. */
        if (route->stream != NULL ||
            cm_instant_since(now, pair->heard) < CM_SECONDS(ABANDONED_SECONDS))
            return NULL;
        cm_rtc_forget_pair(pair);
        pair = NULL;
    }
    if (pair == NULL) {
        pair = free_place(session);
        pair->is_used = true;
        pair->route = *route;
        cm_list_add_last(bucket_of_route(route), &pair->node);
    }
    pair->heard = now;
    if (route->is_relayed)
        cm_rtc_relay_bind(session->endpoint, &route->peer);
    return pair;
}

void cm_rtc_forget(cm_rtc_session *session)
{
    for (size_t i = 0; i < CM_COUNT(session->names); i++)
        cm_list_remove(&session->names[i].node);
    for (size_t i = 0; i < CM_RTC_PAIRS_MAX; i++) {
        if (session->pairs[i].is_used)
            cm_rtc_forget_pair(&session->pairs[i]);
    }
}
