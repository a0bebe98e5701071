/* What both back ends have in common: dispatch, the bound on lookups, the choice of UDP ports. */
#include <assert.h>
#include <stdlib.h>

#include "net/net_priv.h"

enum {
    LOOKUPS_MAX = 64,
    LOOKUP_SECONDS = 10,
    /* Where ports are picked from: what Linux calls the local range. */
    PORT_FIRST = 32768,
    PORT_LAST = 60999,
    PORT_TRIES = 128,
    PORT_QUARANTINE_S = 60,
};

void cm_net_destroy(cm_net *net)
{
    if (net != NULL)
        net->backend->destroy(net);
}

cm_loop *cm_net_loop(const cm_net *net)
{
    return net->loop;
}

cm_status cm_net_own_addresses(cm_net *net, cm_address *out, size_t capacity, size_t *count_out)
{
    return net->backend->own_addresses(net, out, capacity, count_out);
}

/* ---- names ---- */

static void free_resolve(cm_resolve *resolve)
{
    cm_timer_stop(&resolve->timer);
    if (resolve->lookup != NULL)
        resolve->net->backend->look_up_forget(resolve);
    resolve->net->lookups--;
    free(resolve);
}

void cm_resolve_answer(cm_resolve *resolve, cm_status status, const cm_address *found, size_t count)
{
    const cm_resolve told = *resolve;
    free_resolve(resolve);
    told.on_done(told.owner, status, found, count);
}

static void on_resolve_due(cm_timer *timer)
{
    cm_resolve *resolve = CM_HOLDER(timer, cm_resolve, timer);
    const cm_address found = resolve->found;
    if (!resolve->is_known)
        cm_resolve_answer(resolve, CM_RETRY, NULL, 0); /* the lookup takes too long */
    else if (resolve->status == CM_OK)
        cm_resolve_answer(resolve, CM_OK, &found, 1);
    else
        cm_resolve_answer(resolve, resolve->status, NULL, 0);
}

static bool is_label_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/*
 * Is the last label of a name a number? Then it is none: libc would take "0177.1", "2130706433" or
 * "0x7f.1" for an IPv4 address in a form of 1983, and whoever looked at its text would have missed
 * that.
 */
static bool is_number(cm_slice label)
{
    if (cm_slice_starts_nocase(label, CM_TEXT("0x")))
        return true;
    for (size_t i = 0; i < label.size; i++) {
        if (label.bytes[i] < '0' || label.bytes[i] > '9')
            return false;
    }
    return true;
}

/* A name that the system may be asked for (RFC 1123 2.1, and underscores, which people use). */
static bool is_name(cm_slice host)
{
    if (cm_slice_ends(host, CM_TEXT(".")))
        host.size--;
    if (host.size == 0 || host.size >= CM_NET_NAME_SIZE - 1)
        return false;
    cm_slice label = {.size = 0};
    while (host.size > 0) {
        label = cm_slice_cut(&host, '.');
        if (label.size == 0 || label.size > 63)
            return false;
        for (size_t i = 0; i < label.size; i++) {
            if (!is_label_byte(label.bytes[i]))
                return false;
        }
    }
    return !is_number(label);
}

/* Known without a lookup: an address in text form, or what is not a name. */
static void know_at_once(cm_resolve *resolve, cm_slice host)
{
    cm_address found;
    /* With another default port the result differs only if the text names no port itself. */
    cm_address again;
    if (cm_address_parse(host, 0, &found) == CM_OK && cm_address_parse(host, 1, &again) == CM_OK &&
        found.port != again.port) {
        resolve->found = found;
        resolve->is_known = true;
        resolve->status = CM_OK;
    } else if (!is_name(host)) {
        resolve->is_known = true;
        resolve->status = CM_ABSENT;
    }
}

cm_status cm_net_resolve(cm_net *net, cm_slice host,
                         void (*on_done)(void *owner, cm_status status, const cm_address *found,
                                         size_t count),
                         void *owner, cm_resolve **out)
{
    CM_ENSURE(net->lookups < LOOKUPS_MAX, CM_FULL);
    cm_resolve *resolve = calloc(1, sizeof *resolve);
    CM_ENSURE(resolve != NULL, CM_BROKEN);
    *resolve = (cm_resolve){.net = net, .on_done = on_done, .owner = owner};
    cm_timer_init(&resolve->timer, net->loop, on_resolve_due);
    know_at_once(resolve, host);
    net->lookups++;
    if (!resolve->is_known) {
        char name[CM_NET_NAME_SIZE];
        cm_status status = cm_slice_to_cstr(host, name, sizeof name);
        if (status == CM_OK)
            status = net->backend->look_up(resolve, name);
        if (status != CM_OK) {
            free_resolve(resolve);
            return status;
        }
    }
    cm_timer_start(&resolve->timer, resolve->is_known ? 0 : CM_SECONDS(LOOKUP_SECONDS));
    *out = resolve;
    return CM_OK;
}

void cm_resolve_cancel(cm_resolve *resolve)
{
    if (resolve != NULL)
        free_resolve(resolve);
}

/* ---- TCP ---- */

cm_status cm_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us,
                         const cm_tcp_events *events, void *owner, cm_tcp **out)
{
    cm_tcp *tcp;
    CM_TRY(net->backend->tcp_connect(net, to, timeout_us, &tcp));
    tcp->events = *events;
    tcp->owner = owner;
    *out = tcp;
    return CM_OK;
}

void cm_tcp_listen_to(cm_tcp *tcp, const cm_tcp_events *events, void *owner)
{
    tcp->events = *events;
    tcp->owner = owner;
    cm_tcp_pause(tcp, false);
}

cm_status cm_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out)
{
    assert(capacity > 0);
    return tcp->net->backend->tcp_read(tcp, out, capacity, size_out);
}

cm_status cm_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out)
{
    assert(count <= CM_NET_PARTS_MAX);
    return tcp->net->backend->tcp_write(tcp, parts, count, size_out);
}

void cm_tcp_pause(cm_tcp *tcp, bool is_paused)
{
    tcp->net->backend->tcp_pause(tcp, is_paused);
}

void cm_tcp_limit_unsent(cm_tcp *tcp, size_t bytes)
{
    tcp->net->backend->tcp_limit_unsent(tcp, bytes);
}

size_t cm_tcp_unacknowledged(const cm_tcp *tcp)
{
    return tcp->net->backend->tcp_unacknowledged(tcp);
}

cm_address cm_tcp_peer(const cm_tcp *tcp)
{
    return tcp->peer;
}

cm_address cm_tcp_local(const cm_tcp *tcp)
{
    return tcp->local;
}

void cm_tcp_close(cm_tcp *tcp)
{
    if (tcp != NULL)
        tcp->net->backend->tcp_close(tcp, false);
}

void cm_tcp_reset(cm_tcp *tcp)
{
    if (tcp != NULL)
        tcp->net->backend->tcp_close(tcp, true);
}

cm_status cm_tcp_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                               cm_tcp_listener **out)
{
    return net->backend->listener_open(net, config, out);
}

cm_address cm_tcp_listener_address(const cm_tcp_listener *listener)
{
    return listener->address;
}

void cm_tcp_listener_close(cm_tcp_listener *listener)
{
    if (listener != NULL)
        listener->net->backend->listener_close(listener);
}

/* ---- UDP ---- */

static uint32_t second_of(cm_instant now)
{
    return (uint32_t)(now.us / 1000000) + 1; /* 0 means never */
}

void cm_ports_note_close(cm_ports *ports, uint16_t port, cm_instant now)
{
    atomic_store_explicit(&ports->closed_s[port], second_of(now), memory_order_relaxed);
}

static bool may_use(const cm_net *net, uint16_t port)
{
    const uint32_t closed = atomic_load_explicit(&net->ports->closed_s[port], memory_order_relaxed);
    return closed == 0 || second_of(cm_loop_now(net->loop)) - closed > PORT_QUARANTINE_S;
}

static uint16_t pick_port(const cm_net *net)
{
    const uint64_t offset = cm_random_below(cm_loop_random(net->loop), PORT_LAST - PORT_FIRST + 1);
    return (uint16_t)(PORT_FIRST + offset);
}

cm_status cm_udp_open(cm_net *net, const cm_udp_config *config, cm_udp **out)
{
    if (config->local.port != 0) {
        const cm_status status = net->backend->udp_open(net, config, out);
        return status == CM_RETRY ? CM_REFUSE : status;
    }
    cm_udp_config with_port = *config;
    for (int i = 0; i < PORT_TRIES; i++) {
        with_port.local.port = pick_port(net);
        if (!may_use(net, with_port.local.port))
            continue;
        const cm_status status = net->backend->udp_open(net, &with_port, out);
        if (status != CM_RETRY)
            return status;
    }
    return CM_RETRY;
}

/* The even port and the next one, both free: CM_RETRY if either is not. */
static cm_status open_pair_at(cm_net *net, uint16_t port, const cm_udp_config *rtp,
                              const cm_udp_config *rtcp, cm_udp **rtp_out, cm_udp **rtcp_out)
{
    cm_udp_config first = *rtp;
    cm_udp_config second = *rtcp;
    first.local.port = port;
    second.local.port = (uint16_t)(port + 1);
    CM_ENSURE(may_use(net, port) && may_use(net, second.local.port), CM_RETRY);
    cm_udp *opened;
    CM_TRY(net->backend->udp_open(net, &first, &opened));
    const cm_status status = net->backend->udp_open(net, &second, rtcp_out);
    if (status != CM_OK) {
        net->backend->udp_close(opened);
        return status;
    }
    *rtp_out = opened;
    return CM_OK;
}

cm_status cm_udp_open_pair(cm_net *net, const cm_udp_config *rtp, const cm_udp_config *rtcp,
                           cm_udp **rtp_out, cm_udp **rtcp_out)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        const uint16_t port = pick_port(net) & 0xfffe;
        const cm_status status = open_pair_at(net, port, rtp, rtcp, rtp_out, rtcp_out);
        if (status != CM_RETRY)
            return status;
    }
    return CM_RETRY;
}

cm_status cm_udp_connect(cm_udp *udp, const cm_address *peer)
{
    return udp->net->backend->udp_connect(udp, peer);
}

static bool may_cut(const cm_datagram *d)
{
    return d->segment_size == 0 || (d->bytes.size <= CM_UDP_SEGMENTED_BYTES_MAX &&
                                    d->bytes.size <= (size_t)d->segment_size * CM_UDP_SEGMENTS_MAX);
}

cm_status cm_udp_send(cm_udp *udp, const cm_datagram *datagrams, size_t count, size_t *sent_out)
{
    for (size_t i = 0; i < count; i++)
        assert(may_cut(&datagrams[i]));
    return udp->net->backend->udp_send(udp, datagrams, count, sent_out);
}

cm_address cm_udp_local(const cm_udp *udp)
{
    return udp->local;
}

void cm_udp_close(cm_udp *udp)
{
    if (udp == NULL)
        return;
    cm_ports_note_close(udp->net->ports, udp->local.port, cm_loop_now(udp->net->loop));
    udp->net->backend->udp_close(udp);
}
