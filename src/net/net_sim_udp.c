/* UDP in the simulated network: each datagram is a timer on the loop of the host it goes to. */
#include <assert.h>
#include <stdlib.h>

#include "base/writer.h"
#include "net/net_sim_priv.h"

enum {
    DATAGRAM_MAX = 10240,  /* as on sockets: larger ones are not delivered */
    QUEUE_MAX_US = 200000, /* a link with a rate holds this much; what comes beyond is dropped */
    HEADER_SIZE = 28,
};

typedef struct sim_udp {
    cm_udp udp;
    bool is_connected;
    cm_address peer;
    cm_list arrived; /* packet.node, to be told in batches */
    cm_timer tell;
    cm_sim_closed closed;
} sim_udp;

typedef struct packet {
    cm_list node; /* of its host's packets, then of its socket's */
    cm_timer arrival;
    cm_sim_host *host;
    cm_address from;
    cm_address to;
    size_t size;
    uint8_t bytes[];
} packet;

static sim_udp *of(cm_udp *udp)
{
    return CM_HOLDER(udp, sim_udp, udp);
}

static void free_packets(cm_list *list)
{
    CM_LIST_EACH(list, node, next)
    {
        packet *p = CM_HOLDER(node, packet, node);
        cm_timer_stop(&p->arrival);
        free(p);
    }
    cm_list_init(list);
}

static void on_tell(cm_timer *timer)
{
    sim_udp *u = CM_HOLDER(timer, sim_udp, tell);
    cm_datagram datagrams[CM_NET_BATCH_MAX];
    size_t count = 0;
    cm_list batch;
    cm_list_init(&batch);
    while (!cm_list_is_empty(&u->arrived) && count < CM_NET_BATCH_MAX) {
        packet *p = CM_HOLDER(u->arrived.next, packet, node);
        cm_list_remove(&p->node);
        cm_list_add_last(&batch, &p->node);
        datagrams[count++] = (cm_datagram){
            .bytes = cm_slice_over(p->bytes, p->size), .peer = p->from, .local = p->to};
    }
    if (!cm_list_is_empty(&u->arrived))
        cm_timer_start(&u->tell, 0);
    u->udp.config.on_datagrams(u->udp.config.owner, datagrams, count);
    free_packets(&batch);
}

static void on_arrival(cm_timer *timer)
{
    packet *p = CM_HOLDER(timer, packet, arrival);
    cm_udp *udp = p->host->udp_by_port[p->to.port];
    cm_list_remove(&p->node);
    const bool is_wanted = udp != NULL && cm_sim_reaches(&udp->local, &p->to) &&
                           (!of(udp)->is_connected || cm_address_equal(&of(udp)->peer, &p->from));
    if (!is_wanted) {
        free(p);
        return;
    }
    cm_list_add_last(&of(udp)->arrived, &p->node);
    if (!cm_timer_is_running(&of(udp)->tell))
        cm_timer_start(&of(udp)->tell, 0);
}

cm_status cm_sim_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out)
{
    cm_sim_host *host = cm_sim_host_of(net);
    CM_ENSURE(cm_sim_may_bind(host, &config->local), CM_REFUSE);
    CM_ENSURE(host->udp_by_port[config->local.port] == NULL, CM_RETRY);
    sim_udp *u = calloc(1, sizeof *u);
    CM_ENSURE(u != NULL, CM_BROKEN);
    u->udp = (cm_udp){.net = net, .config = *config, .local = config->local};
    cm_list_init(&u->arrived);
    cm_timer_init(&u->tell, net->loop, on_tell);
    host->udp_by_port[config->local.port] = &u->udp;
    *out = &u->udp;
    return CM_OK;
}

cm_status cm_sim_udp_connect(cm_udp *udp, const cm_address *peer)
{
    sim_udp *u = of(udp);
    u->is_connected = true;
    u->peer = *peer;
    cm_timer_stop(&u->tell);
    free_packets(&u->arrived);
    return CM_OK;
}

/* Where a datagram sent to `to` says it comes from. */
static cm_address source_of(const sim_udp *u, cm_sim_host *host, const cm_address *to,
                            const cm_address *wished)
{
    cm_address from = u->udp.local;
    if (cm_address_kind_of(&from) == CM_ADDRESS_UNSPECIFIED) {
        if (cm_address_kind_of(wished) != CM_ADDRESS_UNSPECIFIED)
            from = *wished;
        else
            from = cm_address_kind_of(to) == CM_ADDRESS_LOOPBACK ? *to : host->site->address;
        from.port = u->udp.local.port;
    }
    return from;
}

/* Who gets it, and what the addresses are to him. NULL: nobody. */
static cm_sim_host *pass_nats(const cm_sim_host *host, const cm_sim_site *site, cm_address *from,
                              cm_address *to)
{
    const cm_instant now = cm_loop_now(host->net.loop);
    if (host->site->nat_before != NULL)
        *from = cm_sim_nat_out(host->site->nat_before, from, to, now);
    return site->nat != NULL ? cm_sim_nat_in(site->nat, from, now, to) : site->host;
}

/* `from` as source_of() says. */
static void send_one(sim_udp *u, cm_slice bytes, const cm_address *to, const cm_address *from)
{
    cm_sim_host *host = cm_sim_host_of(u->udp.net);
    cm_sim_network *network = host->network;
    cm_sim_site *site = cm_sim_site_seen_by(host, to);
    cm_sim_link *link = cm_sim_link_of(network, &host->site->address, &site->address);
    const cm_instant now = cm_loop_now(u->udp.net->loop);
    site->bytes += bytes.size;
    if (link->path.is_down || cm_sim_is_lost(network, link) || bytes.size > DATAGRAM_MAX ||
        !cm_sim_may_bind(host, from))
        return;
    cm_address source = *from, target = *to;
    cm_sim_host *receiver = pass_nats(host, site, &source, &target);
    if (receiver == NULL)
        return;
    const cm_instant busy =
        link->busy_until[cm_address_same_host(&host->site->address, &link->a) ? 0 : 1];
    if (cm_instant_since(busy, now) > QUEUE_MAX_US)
        return;
    packet *p = calloc(1, sizeof *p + bytes.size);
    if (p == NULL)
        return; /* lost */
    cm_writer w = cm_writer_over(p->bytes, bytes.size);
    cm_write_slice(&w, bytes);
    p->size = bytes.size;
    p->host = receiver;
    p->to = target;
    p->from = source;
    cm_list_add_last(&receiver->packets, &p->node);
    cm_timer_init(&p->arrival, receiver->net.loop, on_arrival);
    cm_timer_start_at(&p->arrival, cm_sim_send(network, link, &host->site->address, now,
                                               bytes.size + HEADER_SIZE));
}

cm_status cm_sim_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count, size_t *sent_out)
{
    sim_udp *u = of(udp);
    for (size_t i = 0; i < count; i++) {
        const cm_datagram *d = &datagrams[i];
        const cm_address *to = u->is_connected ? &u->peer : &d->peer;
        const cm_address from = source_of(u, cm_sim_host_of(udp->net), to, &d->local);
        const size_t step = d->segment_size > 0 ? d->segment_size : d->bytes.size;
        size_t at = 0;
        do {
            send_one(u, cm_slice_part(d->bytes, at, step), to, &from);
            at += step;
        } while (at < d->bytes.size);
    }
    *sent_out = count;
    return CM_OK;
}

void cm_sim_udp_close(cm_udp *udp)
{
    sim_udp *u = of(udp);
    cm_sim_host *host = cm_sim_host_of(udp->net);
    host->udp_by_port[udp->local.port] = NULL;
    cm_timer_stop(&u->tell);
    free_packets(&u->arrived);
    cm_sim_free_later(host, &u->closed, u);
}

void cm_sim_udp_end_all(cm_sim_host *host)
{
    for (size_t port = 0; port <= UINT16_MAX; port++)
        assert(host->udp_by_port[port] == NULL);
    free_packets(&host->packets);
}
