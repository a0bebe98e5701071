/* An endpoint: its ports, and what peers are told of them. */
#include "net/rtc.h"

#include <assert.h>
#include <stdlib.h>

#include "net/rtc_priv.h"

enum {
    SESSIONS_DEFAULT = 1024,
    RECEIVE_BUFFER = 1024 * 1024,  /* bytes, of a port: a few keyframes of those who publish */
    SEND_BUFFER = 4 * 1024 * 1024, /* some batches, on a link slower than we are */
    PRIORITY_HOST = 126,           /* RFC 8445 5.1.2.2 */
    PRIORITY_REFLEXIVE = 100,
    PRIORITY_RELAYED = 0,
    PRIORITY_TCP = 90, /* of a host as well, below all of UDP: RFC 6544 4.2 */
    PREFERENCE_MAX = 65535,
    DIRECTION_PASSIVE = 4,
    DIRECTION_SHIFT = 13,
    COMPONENT = 1,
    PORT_TRIES = 16,
};

/* ---- ports ---- */

static void on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cm_rtc_gather_receive(owner, &datagrams[i]))
            continue;
        const cm_rtc_route route = {
            .port = owner, .local = datagrams[i].local, .peer = datagrams[i].peer};
        cm_rtc_receive(&route, datagrams[i].bytes);
    }
}

static cm_status open_sockets(cm_rtc_port *port, const cm_address *address)
{
    const cm_udp_config config = {.local = *address,
                                  .receive_buffer_bytes = RECEIVE_BUFFER,
                                  .send_buffer_bytes = SEND_BUFFER,
                                  .on_datagrams = on_datagrams,
                                  .owner = port};
    CM_TRY(cm_udp_open(port->endpoint->net, &config, &port->udp));
    port->local = cm_udp_local(port->udp);
    if (!port->endpoint->takes_tcp)
        return CM_OK;
    const cm_status status = cm_rtc_tcp_listen(port);
    if (status != CM_OK)
        cm_udp_close(port->udp);
    return status;
}

static cm_status open_port(cm_rtc_endpoint *endpoint, const cm_address *address)
{
    cm_rtc_port *port = &endpoint->ports[endpoint->port_count];
    port->endpoint = endpoint;
    cm_status status = open_sockets(port, address);
    /* A port that is free on UDP may be in use on TCP. */
    for (int i = 0; i < PORT_TRIES && status == CM_REFUSE && address->port == 0; i++)
        status = open_sockets(port, address);
    CM_TRY(status);
    endpoint->port_count++;
    return CM_OK;
}

/* ---- life ---- */

static cm_status init(cm_rtc_endpoint *endpoint, const cm_rtc_endpoint_config *config)
{
    cm_random *random = cm_loop_random(endpoint->loop);
    cm_rtc_tcp_init(endpoint);
    cm_rtc_checks_init(endpoint);
    CM_TRY(cm_rtc_arena_create(endpoint));
    CM_TRY(cm_stun_hasher_create(&endpoint->hasher));
    CM_TRY(cm_rtc_table_init(&endpoint->names, random, endpoint->sessions_max));
    CM_TRY(cm_rtc_table_init(&endpoint->pairs, random, 2 * endpoint->sessions_max));
    for (size_t i = 0; i < config->address_count; i++)
        CM_TRY(open_port(endpoint, &config->addresses[i]));
    return cm_rtc_gather_create(endpoint, config);
}

cm_status cm_rtc_endpoint_create(const cm_rtc_endpoint_config *config, cm_rtc_endpoint **out)
{
    assert(config->address_count > 0 && config->address_count <= CM_RTC_ADDRESSES_MAX);
    assert(config->announced_count <= CM_RTC_ADDRESSES_MAX);
    cm_rtc_endpoint *endpoint = calloc(1, sizeof *endpoint);
    CM_ENSURE(endpoint != NULL, CM_BROKEN);
    endpoint->net = config->net;
    endpoint->loop = cm_net_loop(config->net);
    endpoint->identity = config->identity;
    endpoint->takes_tcp = config->takes_tcp;
    endpoint->sessions_max = config->sessions_max > 0 ? config->sessions_max : SESSIONS_DEFAULT;
    for (size_t i = 0; i < config->announced_count; i++)
        endpoint->announced[endpoint->announced_count++] = config->announced[i];
    const cm_status status = init(endpoint, config);
    if (status != CM_OK) {
        cm_rtc_endpoint_destroy(endpoint);
        return status;
    }
    *out = endpoint;
    return CM_OK;
}

void cm_rtc_endpoint_destroy(cm_rtc_endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    assert(endpoint->counters.sessions == 0);
    cm_rtc_gather_destroy(endpoint->gather); /* it says goodbye by a port */
    cm_rtc_checks_deinit(endpoint);
    for (size_t i = 0; i < endpoint->port_count; i++)
        cm_udp_close(endpoint->ports[i].udp);
    cm_rtc_tcp_deinit(endpoint);
    cm_rtc_arena_destroy(endpoint);
    cm_rtc_table_deinit(&endpoint->names);
    cm_rtc_table_deinit(&endpoint->pairs);
    cm_stun_hasher_destroy(endpoint->hasher);
    free(endpoint);
}

/* ---- what peers are told ---- */

typedef struct candidates {
    cm_rtc_candidate *list; /* of CM_RTC_CANDIDATES_MAX */
    size_t count;
} candidates;

/* RFC 8445 5.1.2.1, RFC 6544 4.2: the sooner it was added, the better. */
static uint32_t priority_of(size_t index, const cm_rtc_candidate *c)
{
    static const uint8_t TYPES[] = {[CM_RTC_HOST] = PRIORITY_HOST,
                                    [CM_RTC_REFLEXIVE] = PRIORITY_REFLEXIVE,
                                    [CM_RTC_RELAYED] = PRIORITY_RELAYED};
    const uint32_t rank = (uint32_t)index;
    const uint32_t type = c->is_tcp ? PRIORITY_TCP : TYPES[c->type];
    const uint32_t preference = c->is_tcp
                                    ? (DIRECTION_PASSIVE + 1u) * (1u << DIRECTION_SHIFT) - 1 - rank
                                    : PREFERENCE_MAX - rank;
    return type << 24 | preference << 8 | (256 - COMPONENT);
}

static void add(candidates *c, const cm_rtc_candidate *as)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i].is_tcp == as->is_tcp && cm_address_equal(&c->list[i].address, &as->address))
            return;
    }
    if (c->count == CM_RTC_CANDIDATES_MAX)
        return;
    c->list[c->count] = *as;
    c->list[c->count].priority = priority_of(c->count, as);
    c->list[c->count].foundation = (unsigned)c->count + 1;
    c->count++;
}

static void add_candidate(candidates *c, const cm_address *address, bool is_tcp)
{
    add(c, &(cm_rtc_candidate){.address = *address, .is_tcp = is_tcp});
}

static void add_reflexive(candidates *c, const cm_rtc_gather *gather)
{
    if (gather != NULL && gather->has_reflexive)
        add(c, &(cm_rtc_candidate){.type = CM_RTC_REFLEXIVE,
                                   .address = gather->reflexive,
                                   .related = gather->base});
}

static void add_relayed(candidates *c, const cm_rtc_gather *gather)
{
    cm_rtc_candidate relayed = {.type = CM_RTC_RELAYED};
    if (gather != NULL && gather->client != NULL &&
        cm_turn_addresses(gather->client, &relayed.address, &relayed.related) == CM_OK)
        add(c, &relayed);
}

static cm_address loopback(const cm_address *any)
{
    static const uint8_t V4[4] = {127, 0, 0, 1};
    static const uint8_t V6[16] = {[15] = 1};
    const cm_slice bytes = any->is_v6 ? cm_slice_over(V6, sizeof V6) : cm_slice_over(V4, sizeof V4);
    return cm_address_make(bytes, any->port);
}

/* Those of a port that is bound to all. A peer can't reach link-local ones without a scope. */
static void add_own(candidates *c, const cm_rtc_endpoint *endpoint, const cm_address *any)
{
    cm_address own[CM_RTC_ADDRESSES_MAX];
    size_t count = 0;
    const size_t before = c->count;
    if (cm_net_own_addresses(endpoint->net, own, CM_RTC_ADDRESSES_MAX, &count) != CM_OK)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        own[i].port = any->port;
        if (own[i].is_v6 == any->is_v6 && cm_address_kind_of(&own[i]) != CM_ADDRESS_LINK_LOCAL)
            add_candidate(c, &own[i], false);
    }
    const cm_address alone = loopback(any);
    if (c->count == before)
        add_candidate(c, &alone, false);
}

static uint16_t first_port(const cm_rtc_endpoint *endpoint, bool is_v6)
{
    for (size_t i = 0; i < endpoint->port_count; i++) {
        if (endpoint->ports[i].local.is_v6 == is_v6)
            return endpoint->ports[i].local.port;
    }
    return endpoint->ports[0].local.port;
}

size_t cm_rtc_endpoint_candidates(const cm_rtc_endpoint *endpoint,
                                  cm_rtc_candidate out[CM_RTC_CANDIDATES_MAX])
{
    candidates c = {.list = out};
    for (size_t i = 0; i < endpoint->port_count; i++) {
        const cm_address *local = &endpoint->ports[i].local;
        if (cm_address_kind_of(local) == CM_ADDRESS_UNSPECIFIED)
            add_own(&c, endpoint, local);
        else
            add_candidate(&c, local, false);
    }
    for (size_t i = 0; i < endpoint->announced_count; i++) {
        cm_address address = endpoint->announced[i];
        if (address.port == 0)
            address.port = first_port(endpoint, address.is_v6);
        add_candidate(&c, &address, false);
    }
    const size_t host_count = c.count;
    add_reflexive(&c, endpoint->gather);
    for (size_t i = 0; i < host_count && endpoint->takes_tcp; i++)
        add_candidate(&c, &out[i].address, true);
    add_relayed(&c, endpoint->gather);
    return c.count;
}

const char *cm_rtc_endpoint_fingerprint(const cm_rtc_endpoint *endpoint)
{
    return cm_dtls_identity_fingerprint(endpoint->identity);
}

const cm_rtc_counters *cm_rtc_endpoint_counters(const cm_rtc_endpoint *endpoint)
{
    return &endpoint->counters;
}
