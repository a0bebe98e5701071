/* The servers that help peers to find us: what they see us as (STUN), what they relay (TURN). */
#include <stdlib.h>

#include "base/log.h"
#include "net/rtc_priv.h"

enum {
    KEEP_SECONDS = 25, /* a NAT's binding may last no more than 30 s (RFC 8445 11) */
    AGAIN_SECONDS = 1, /* until the first answer, and then as KEEP_SECONDS says */
    AGAIN_TRIES = 5,
    SILENT_MAX = 8, /* then its name is looked up again */
    LOOKUP_SECONDS = 30,
};

/* ---- logging: once for each trouble ---- */

static void tell(cm_rtc_helper *helper, const char *cause)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    if (!helper->has_told)
        cm_log(CM_LOG_WARN, "rtc", "event=server-unreachable server=%s cause=%s",
               cm_log_quote(helper->config.host, quoted), cause);
    helper->has_told = true;
}

/* ---- Binding requests: what we are seen as, and the NAT kept open ---- */

static void send_to(const cm_rtc_helper *helper, cm_slice bytes)
{
    const cm_datagram one = {.bytes = bytes, .peer = helper->address};
    size_t sent;
    CM_IGNORE(cm_udp_send(helper->port->udp, &one, 1, &sent), "asked for again");
}

static void ask(cm_rtc_helper *helper)
{
    cm_rtc_endpoint *endpoint = helper->gather->endpoint;
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message request = {.class = CM_STUN_REQUEST, .method = CM_STUN_BINDING};
    cm_random_fill(cm_loop_random(endpoint->loop), helper->transaction, sizeof helper->transaction);
    cm_slice_copy(cm_slice_over(helper->transaction, sizeof helper->transaction),
                  request.transaction, sizeof request.transaction);
    if (cm_stun_write(endpoint->hasher, &request, (cm_slice){.size = 0}, &w) == CM_OK)
        send_to(helper, cm_writer_done(&w));
    helper->silent++;
    cm_timer_start(&helper->timer,
                   CM_SECONDS(helper->silent < AGAIN_TRIES ? AGAIN_SECONDS : KEEP_SECONDS));
}

/* The STUN server's word counts; the TURN server's where there is no other. */
static void take_mapped(cm_rtc_helper *helper, const cm_datagram *datagram,
                        const cm_stun_message *answer)
{
    cm_rtc_gather *gather = helper->gather;
    helper->silent = 0;
    helper->has_told = false;
    cm_timer_start(&helper->timer, CM_SECONDS(KEEP_SECONDS));
    if (answer->mapped.size == 0 || (helper == &gather->turn && gather->stun.is_found))
        return;
    gather->reflexive = cm_address_make(cm_slice_over(answer->mapped.bytes, answer->mapped.size),
                                        answer->mapped.port);
    gather->base = datagram->local;
    gather->base.port = helper->port->local.port;
    gather->has_reflexive = true;
}

static bool take_binding(cm_rtc_helper *helper, const cm_datagram *datagram)
{
    cm_stun_message answer;
    if (datagram->bytes.size == 0 || datagram->bytes.bytes[0] > 1 ||
        cm_stun_parse(datagram->bytes, &answer) != CM_OK || answer.method != CM_STUN_BINDING ||
        answer.class == CM_STUN_REQUEST || answer.class == CM_STUN_INDICATION)
        return false;
    const cm_slice own = cm_slice_over(helper->transaction, sizeof helper->transaction);
    if (!cm_slice_equal(own, cm_slice_over(answer.transaction, sizeof answer.transaction)))
        return false;
    take_mapped(helper, datagram, &answer);
    return true;
}

/* ---- the relay ---- */

static void on_send(void *owner, cm_slice bytes)
{
    const cm_rtc_gather *gather = owner;
    send_to(&gather->turn, bytes);
}

/* Answers tell what there is when they are made. A TURN server that is no STUN server says what we
 * are seen as too. */
static void on_change(void *owner)
{
    cm_rtc_gather *gather = owner;
    cm_address relayed, mapped;
    if (gather->has_reflexive || cm_turn_addresses(gather->client, &relayed, &mapped) != CM_OK)
        return;
    gather->reflexive = mapped;
    gather->base = gather->turn.port->local;
    gather->has_reflexive = true;
}

static void on_data(void *owner, const cm_address *peer, cm_slice data)
{
    cm_rtc_gather *gather = owner;
    cm_rtc_route route = {.port = gather->turn.port, .is_relayed = true, .peer = *peer};
    if (cm_rtc_relay(gather->endpoint, &route.local) == CM_OK)
        cm_rtc_receive(&route, data);
}

static const cm_turn_events TURN_EVENTS = {
    .on_send = on_send, .on_change = on_change, .on_data = on_data};

static cm_status open_client(cm_rtc_gather *gather)
{
    const cm_turn_config config = {.loop = gather->endpoint->loop,
                                   .username = gather->username,
                                   .password = gather->password,
                                   .name = gather->turn.config.host,
                                   .counters = &gather->endpoint->counters.turn,
                                   .events = &TURN_EVENTS,
                                   .owner = gather};
    cm_turn_destroy(gather->client);
    gather->client = NULL;
    return cm_turn_create(&config, &gather->client);
}

cm_status cm_rtc_relay(const cm_rtc_endpoint *endpoint, cm_address *relayed)
{
    cm_address mapped;
    CM_ENSURE(endpoint->gather != NULL && endpoint->gather->client != NULL, CM_ABSENT);
    return cm_turn_addresses(endpoint->gather->client, relayed, &mapped);
}

/* A server would send to itself. */
static bool may_relay_to(const cm_rtc_gather *gather, const cm_address *peer)
{
    return cm_address_kind_of(peer) != CM_ADDRESS_LOOPBACK ||
           cm_address_kind_of(&gather->turn.address) == CM_ADDRESS_LOOPBACK;
}

cm_status cm_rtc_relay_send(cm_rtc_endpoint *endpoint, const cm_address *peer, cm_slice datagram)
{
    cm_rtc_gather *gather = endpoint->gather;
    CM_ENSURE(gather != NULL && gather->client != NULL, CM_ABSENT);
    CM_ENSURE(may_relay_to(gather, peer), CM_REFUSE);
    return cm_turn_send(gather->client, peer, datagram);
}

void cm_rtc_relay_bind(cm_rtc_endpoint *endpoint, const cm_address *peer)
{
    cm_rtc_gather *gather = endpoint->gather;
    if (gather != NULL && gather->client != NULL)
        CM_IGNORE(cm_turn_bind(gather->client, peer), "without a channel it still works");
}

uint16_t cm_rtc_relay_channel(cm_rtc_endpoint *endpoint, const cm_address *peer)
{
    cm_rtc_gather *gather = endpoint->gather;
    return gather != NULL && gather->client != NULL ? cm_turn_channel(gather->client, peer) : 0;
}

/* ---- finding the servers ---- */

static cm_rtc_port *port_for(cm_rtc_endpoint *endpoint, const cm_address *address)
{
    for (size_t i = 0; i < endpoint->port_count; i++) {
        if (endpoint->ports[i].local.is_v6 == address->is_v6)
            return &endpoint->ports[i];
    }
    return NULL;
}

/* IPv4 first: that is where the NATs are. */
static bool choose(cm_rtc_helper *helper, const cm_address *found, size_t count)
{
    for (int want_v6 = 0; want_v6 < 2; want_v6++) {
        for (size_t i = 0; i < count; i++) {
            cm_rtc_port *port = port_for(helper->gather->endpoint, &found[i]);
            if (found[i].is_v6 != (want_v6 == 1) || port == NULL)
                continue;
            helper->port = port;
            helper->address = found[i];
            helper->address.port = helper->config.port;
            return true;
        }
    }
    return false;
}

static void found(cm_rtc_helper *helper)
{
    cm_rtc_gather *gather = helper->gather;
    helper->is_found = true;
    helper->silent = 0;
    if (helper == &gather->turn && open_client(gather) != CM_OK)
        tell(helper, "no-memory");
    ask(helper);
}

static void on_resolved(void *owner, cm_status status, const cm_address *addresses, size_t count)
{
    cm_rtc_helper *helper = owner;
    const cm_address before = helper->address;
    helper->resolve = NULL;
    if (status == CM_OK && choose(helper, addresses, count)) {
        if (!helper->is_found || !cm_address_equal(&before, &helper->address))
            found(helper);
        else
            ask(helper);
        return;
    }
    tell(helper, status == CM_OK ? "no-port-of-its-family" : "name-not-found");
    cm_timer_start(&helper->timer, CM_SECONDS(LOOKUP_SECONDS));
}

static void look_up(cm_rtc_helper *helper)
{
    if (cm_net_resolve(helper->gather->endpoint->net, helper->config.host, on_resolved, helper,
                       &helper->resolve) != CM_OK)
        cm_timer_start(&helper->timer, CM_SECONDS(LOOKUP_SECONDS));
}

/* The relay's own client tells of its silence. */
static void fall_silent(cm_rtc_helper *helper)
{
    helper->silent = 0;
    if (helper == &helper->gather->turn)
        return;
    tell(helper, "silence");
    helper->gather->has_reflexive = false;
}

static void on_timer(cm_timer *timer)
{
    cm_rtc_helper *helper = CM_HOLDER(timer, cm_rtc_helper, timer);
    if (helper->is_found && helper->silent < SILENT_MAX) {
        ask(helper);
        return;
    }
    if (helper->is_found)
        fall_silent(helper);
    look_up(helper);
}

/* ---- what arrives ---- */

static bool is_from(const cm_rtc_helper *helper, const cm_rtc_port *port,
                    const cm_datagram *datagram)
{
    return helper->is_found && helper->port == port &&
           cm_address_equal(&helper->address, &datagram->peer);
}

bool cm_rtc_gather_receive(cm_rtc_port *port, const cm_datagram *datagram)
{
    cm_rtc_gather *gather = port->endpoint->gather;
    if (gather == NULL)
        return false;
    if (is_from(&gather->stun, port, datagram) && take_binding(&gather->stun, datagram))
        return true;
    if (!is_from(&gather->turn, port, datagram))
        return false;
    if (!take_binding(&gather->turn, datagram) && gather->client != NULL)
        cm_turn_receive(gather->client, datagram->bytes);
    return true;
}

/* ---- life ---- */

static void init_helper(cm_rtc_gather *gather, cm_rtc_helper *helper, const cm_rtc_server *config)
{
    helper->gather = gather;
    helper->config = *config;
    cm_timer_init(&helper->timer, gather->endpoint->loop, on_timer);
    if (config->host.size > 0)
        look_up(helper);
}

cm_status cm_rtc_gather_create(cm_rtc_endpoint *endpoint, const cm_rtc_endpoint_config *config)
{
    const bool has_turn = config->turn.host.size > 0;
    if (config->stun.host.size == 0 && !has_turn)
        return CM_OK;
    CM_ENSURE(!has_turn || (config->turn_username.size > 0 && config->turn_password.size > 0 &&
                            config->turn_username.size <= CM_TURN_TEXT_MAX &&
                            config->turn_password.size <= CM_TURN_TEXT_MAX),
              CM_REFUSE);
    cm_rtc_gather *gather = calloc(1, sizeof *gather);
    CM_ENSURE(gather != NULL, CM_BROKEN);
    gather->endpoint = endpoint;
    gather->username = config->turn_username;
    gather->password = config->turn_password;
    endpoint->gather = gather;
    init_helper(gather, &gather->stun, &config->stun);
    init_helper(gather, &gather->turn, &config->turn);
    return CM_OK;
}

static void deinit_helper(cm_rtc_helper *helper)
{
    cm_timer_stop(&helper->timer);
    cm_resolve_cancel(helper->resolve);
}

void cm_rtc_gather_destroy(cm_rtc_gather *gather)
{
    if (gather == NULL)
        return;
    cm_turn_destroy(gather->client);
    deinit_helper(&gather->stun);
    deinit_helper(&gather->turn);
    free(gather);
}
