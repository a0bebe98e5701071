/* The simulated network: addresses, links, names, hosts. */
#include <assert.h>
#include <stdlib.h>

#include "base/writer.h"
#include "net/net_sim_priv.h"

enum {
    DELAY_DEFAULT_US = 200,
    LOOKUP_US = 1000,
    TCP_PORT_FIRST = 32768,
};

typedef struct sim_name {
    cm_list node;
    char name[CM_NET_NAME_SIZE];
    cm_address address;
} sim_name;

/* ---- tables ---- */

/* FNV-1a */
static uint32_t hash(uint32_t seed, const cm_address *address)
{
    const cm_slice bytes = cm_address_bytes(address);
    uint32_t h = seed ^ 2166136261u;
    for (size_t i = 0; i < bytes.size; i++)
        h = (h ^ bytes.bytes[i]) * 16777619u;
    return h;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort(); /* a simulation is no server */
    return memory;
}

cm_sim_site *cm_sim_site_of(cm_sim_network *network, const cm_address *address)
{
    cm_list *bucket = &network->sites[hash(0, address) % CM_SIM_BUCKETS];
    CM_LIST_EACH(bucket, node, next)
    {
        cm_sim_site *site = CM_HOLDER(node, cm_sim_site, node);
        if (cm_address_same_host(&site->address, address))
            return site;
    }
    cm_sim_site *site = allocate(sizeof *site);
    site->address = *address;
    site->address.port = 0;
    cm_list_add_last(bucket, &site->node);
    return site;
}

cm_sim_site *cm_sim_site_seen_by(cm_sim_host *host, const cm_address *address)
{
    if (cm_address_kind_of(address) == CM_ADDRESS_LOOPBACK)
        return host->site;
    return cm_sim_site_of(host->network, address);
}

static bool is_lesser(const cm_address *a, const cm_address *b)
{
    if (a->is_v6 != b->is_v6)
        return b->is_v6;
    for (size_t i = 0; i < sizeof a->bytes; i++) {
        if (a->bytes[i] != b->bytes[i])
            return a->bytes[i] < b->bytes[i];
    }
    return false;
}

cm_sim_link *cm_sim_link_of(cm_sim_network *network, const cm_address *a, const cm_address *b)
{
    if (is_lesser(b, a))
        return cm_sim_link_of(network, b, a);
    cm_list *bucket = &network->links[hash(hash(0, a), b) % CM_SIM_BUCKETS];
    CM_LIST_EACH(bucket, node, next)
    {
        cm_sim_link *link = CM_HOLDER(node, cm_sim_link, node);
        if (cm_address_same_host(&link->a, a) && cm_address_same_host(&link->b, b))
            return link;
    }
    cm_sim_link *link = allocate(sizeof *link);
    link->a = *a;
    link->b = *b;
    link->path.delay_us = DELAY_DEFAULT_US;
    cm_list_add_last(bucket, &link->node);
    return link;
}

/* ---- links ---- */

cm_instant cm_sim_send(cm_sim_network *network, cm_sim_link *link, const cm_address *from,
                       cm_instant now, size_t size)
{
    cm_instant *busy_until = &link->busy_until[cm_address_same_host(from, &link->a) ? 0 : 1];
    cm_instant leaves = busy_until->us > now.us ? *busy_until : now;
    const cm_sim_path *path = &link->path;
    if (path->bits_per_second > 0) {
        leaves.us += (int64_t)((uint64_t)size * 8 * 1000000 / path->bits_per_second);
        *busy_until = leaves;
    }
    int64_t delay_us = path->delay_us;
    if (path->jitter_us > 0)
        delay_us += (int64_t)cm_random_below(&network->random, (uint64_t)path->jitter_us);
    return cm_instant_after(leaves, delay_us);
}

bool cm_sim_is_lost(cm_sim_network *network, const cm_sim_link *link)
{
    const uint32_t loss = link->path.loss_per_million;
    return loss > 0 && cm_random_below(&network->random, 1000000) < loss;
}

void cm_sim_path_set(cm_sim_network *network, const cm_address *a, const cm_address *b,
                     const cm_sim_path *path)
{
    cm_sim_link_of(network, a, b)->path = *path;
}

/* ---- names ---- */

static sim_name *find_name(const cm_sim_network *network, cm_slice name)
{
    CM_LIST_EACH(&network->names, node, next)
    {
        sim_name *n = CM_HOLDER(node, sim_name, node);
        if (cm_slice_equal_nocase(cm_slice_of(n->name), name))
            return n;
    }
    return NULL;
}

cm_status cm_sim_name_set(cm_sim_network *network, const char *name, const cm_address *address)
{
    sim_name *n = find_name(network, cm_slice_of(name));
    if (n == NULL) {
        n = allocate(sizeof *n);
        const cm_status status = cm_slice_to_cstr(cm_slice_of(name), n->name, sizeof n->name);
        if (status != CM_OK) {
            free(n);
            return CM_REFUSE;
        }
        cm_list_add_last(&network->names, &n->node);
    }
    n->address = *address;
    n->address.port = 0;
    return CM_OK;
}

typedef struct sim_lookup {
    cm_timer timer;
    cm_resolve *resolve;
    char host[CM_NET_NAME_SIZE];
} sim_lookup;

static void on_lookup_due(cm_timer *timer)
{
    sim_lookup *lookup = CM_HOLDER(timer, sim_lookup, timer);
    cm_resolve *resolve = lookup->resolve;
    const cm_sim_network *network = cm_sim_host_of(resolve->net)->network;
    const sim_name *name = find_name(network, cm_slice_of(lookup->host));
    resolve->lookup = NULL;
    free(lookup);
    if (name == NULL) {
        cm_resolve_answer(resolve, CM_ABSENT, NULL, 0);
        return;
    }
    const cm_address found = name->address;
    cm_resolve_answer(resolve, CM_OK, &found, 1);
}

static cm_status look_up(cm_resolve *resolve, const char *host)
{
    sim_lookup *lookup = allocate(sizeof *lookup);
    cm_writer w = cm_writer_over(lookup->host, sizeof lookup->host);
    cm_write_text(&w, host);
    lookup->resolve = resolve;
    cm_timer_init(&lookup->timer, resolve->net->loop, on_lookup_due);
    cm_timer_start(&lookup->timer, LOOKUP_US);
    resolve->lookup = lookup;
    return CM_OK;
}

static void look_up_forget(cm_resolve *resolve)
{
    sim_lookup *lookup = resolve->lookup;
    cm_timer_stop(&lookup->timer);
    free(lookup);
}

/* ---- hosts ---- */

cm_sim_host *cm_sim_host_of(cm_net *net)
{
    return CM_HOLDER(net, cm_sim_host, net);
}

bool cm_sim_may_bind(const cm_sim_host *host, const cm_address *address)
{
    const cm_address_kind kind = cm_address_kind_of(address);
    return kind == CM_ADDRESS_UNSPECIFIED || kind == CM_ADDRESS_LOOPBACK ||
           cm_address_same_host(address, &host->site->address);
}

bool cm_sim_reaches(const cm_address *bound, const cm_address *to)
{
    return cm_address_kind_of(bound) == CM_ADDRESS_UNSPECIFIED || cm_address_same_host(bound, to);
}

static void reap(cm_timer *timer)
{
    cm_sim_host *host = CM_HOLDER(timer, cm_sim_host, reaper);
    CM_LIST_EACH(&host->closed, node, next)
    free(CM_HOLDER(node, cm_sim_closed, node)->memory);
    cm_list_init(&host->closed);
}

void cm_sim_free_later(cm_sim_host *host, cm_sim_closed *closed, void *memory)
{
    closed->memory = memory;
    cm_list_add_last(&host->closed, &closed->node);
    if (!cm_timer_is_running(&host->reaper))
        cm_timer_start(&host->reaper, 0);
}

static void destroy(cm_net *net)
{
    cm_sim_host *host = cm_sim_host_of(net);
    assert(net->lookups == 0);
    cm_sim_udp_end_all(host);
    cm_sim_tcp_end_all(host);
    cm_timer_stop(&host->reaper);
    reap(&host->reaper);
    host->site->host = NULL;
    free(host->udp_by_port);
    free(net->ports);
    free(host);
}

static cm_status own_addresses(cm_net *net, cm_address *out, size_t capacity, size_t *count_out)
{
    *count_out = 0;
    if (capacity > 0)
        out[(*count_out)++] = cm_sim_host_of(net)->site->address;
    return CM_OK;
}

static const cm_net_backend BACKEND = {
    .destroy = destroy,
    .own_addresses = own_addresses,
    .look_up = look_up,
    .look_up_forget = look_up_forget,
    .tcp_connect = cm_sim_tcp_connect,
    .tcp_read = cm_sim_tcp_read,
    .tcp_write = cm_sim_tcp_write,
    .tcp_pause = cm_sim_tcp_pause,
    .tcp_limit_unsent = cm_sim_tcp_limit_unsent,
    .tcp_unacknowledged = cm_sim_tcp_unacknowledged,
    .tcp_close = cm_sim_tcp_close,
    .listener_open = cm_sim_listener_open,
    .listener_close = cm_sim_listener_close,
    .udp_open = cm_sim_udp_open,
    .udp_connect = cm_sim_udp_connect,
    .udp_send = cm_sim_udp_send,
    .udp_close = cm_sim_udp_close,
};

cm_status cm_sim_host_create(cm_sim_network *network, cm_loop *loop, const cm_address *address,
                             cm_net **out)
{
    cm_sim_site *site = cm_sim_site_of(network, address);
    CM_ENSURE(site->host == NULL, CM_REFUSE);
    cm_sim_host *host = allocate(sizeof *host);
    host->net = (cm_net){.backend = &BACKEND, .loop = loop, .ports = allocate(sizeof(cm_ports))};
    host->network = network;
    host->site = site;
    host->udp_by_port = allocate((UINT16_MAX + 1) * sizeof(struct cm_udp *));
    host->next_port = TCP_PORT_FIRST;
    cm_list_init(&host->packets);
    cm_list_init(&host->listeners);
    cm_list_init(&host->ends);
    cm_list_init(&host->closed);
    cm_timer_init(&host->reaper, loop, reap);
    site->host = host;
    *out = &host->net;
    return CM_OK;
}

/* ---- the network ---- */

cm_status cm_sim_network_create(cm_sim *sim, cm_sim_network **out)
{
    cm_sim_network *network = allocate(sizeof *network);
    network->sim = sim;
    network->random = cm_random_seeded(cm_random_u64(cm_sim_random(sim)));
    for (size_t i = 0; i < CM_SIM_BUCKETS; i++) {
        cm_list_init(&network->links[i]);
        cm_list_init(&network->sites[i]);
    }
    cm_list_init(&network->names);
    *out = network;
    return CM_OK;
}

void cm_sim_network_destroy(cm_sim_network *network)
{
    if (network == NULL)
        return;
    for (size_t i = 0; i < CM_SIM_BUCKETS; i++) {
        CM_LIST_EACH(&network->links[i], node, next)
        free(CM_HOLDER(node, cm_sim_link, node));
        CM_LIST_EACH(&network->sites[i], node, next)
        {
            cm_sim_site *site = CM_HOLDER(node, cm_sim_site, node);
            assert(site->host == NULL);
            cm_sim_nat_destroy(site->nat);
            free(site);
        }
    }
    CM_LIST_EACH(&network->names, node, next)
    free(CM_HOLDER(node, sim_name, node));
    free(network);
}

uint64_t cm_sim_connects_to(cm_sim_network *network, const cm_address *address)
{
    return cm_sim_site_of(network, address)->connects;
}

uint64_t cm_sim_bytes_to(cm_sim_network *network, const cm_address *address)
{
    return cm_sim_site_of(network, address)->bytes;
}
