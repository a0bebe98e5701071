/*
 * TCP in the simulated network: a byte pipe each way. What is written waits in a send buffer, goes
 * onto the link in segments as far as the peer's window reaches, and arrives in order. A lost
 * packet delays its segment and all behind it.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/writer.h"
#include "net/net_sim_priv.h"

enum {
    WINDOW = 262144,   /* bytes under way, or arrived and not read */
    SEND_MAX = 262144, /* waiting to go, unless limited */
    SEND_LIMIT = 1 << 20,
    SEGMENT_MAX = 16384,
    HEADER_SIZE = 40,
    RECOVERY_US = 20000,    /* beyond a round trip, for each loss */
    SYN_AGAIN_US = 1000000, /* RFC 6298 2.1 */
    DOWN_AGAIN_US = 200000, /* a path that is down is tried again */
    LINGER_US = 2000000,    /* data later than this after a close is answered with a reset */
    CONNECTIONS_DEFAULT = 1024,
};

typedef enum end_state {
    END_SYN_SENT,
    END_AWAITED, /* the server's, while the SYN is under way */
    END_OPEN,
    END_FAILED,
} end_state;

typedef struct sim_listener {
    cm_tcp_listener listener;
    cm_tcp_listener_config config;
    cm_list node;
    size_t connections;
    bool is_closed;
    cm_sim_closed closed;
} sim_listener;

typedef struct sim_end {
    cm_tcp tcp;
    struct sim_connection *connection;
    cm_sim_host *host; /* NULL: there is none, or it has gone */
    cm_list node;      /* of the host's ends */
    end_state state;
    cm_status result;  /* of connecting */
    cm_timer tell;     /* calls the owner */
    cm_timer progress; /* SYN or SYN-ACK arrives; or: tries to send again */
    cm_timer limit;    /* of connecting */
    cm_buffer unsent;
    size_t unsent_max;
    size_t in_flight; /* sent, not acknowledged */
    cm_buffer received;
    cm_instant last_arrival; /* of what this end has sent */
    cm_instant closed_at;
    sim_listener *listener;
    bool is_paused;
    bool waits_to_write;
    bool has_ended;  /* read has said CM_CLOSE */
    bool peer_ended; /* its FIN is here */
    bool is_reset;   /* its RST is here */
    bool is_closed;  /* has no owner (yet, or any more) */
    bool wants_fin;
    bool has_sent_end; /* FIN or RST */
} sim_end;

typedef struct sim_connection {
    sim_end ends[2]; /* who connected, who accepted */
    cm_sim_network *network;
    cm_sim_link *link;
    cm_list segments;
    cm_sim_closed closed;
} sim_connection;

typedef enum segment_kind {
    SEGMENT_DATA,
    SEGMENT_FIN,
    SEGMENT_RST,
    SEGMENT_ACK, /* a data segment on its way back */
} segment_kind;

typedef struct segment {
    cm_list node;
    cm_timer timer;
    sim_end *to; /* of the data; the acknowledgement goes to its peer */
    segment_kind kind;
    size_t size;
    uint8_t bytes[];
} segment;

static sim_end *of(const cm_tcp *tcp)
{
    return CM_HOLDER(tcp, sim_end, tcp);
}

static sim_end *peer_of(sim_end *e)
{
    return e == &e->connection->ends[0] ? &e->connection->ends[1] : &e->connection->ends[0];
}

static cm_instant now_of(const sim_end *e)
{
    return cm_loop_now(e->host->net.loop);
}

static bool is_readable(const sim_end *e)
{
    return e->state == END_OPEN && !e->is_closed && !e->is_paused && !e->has_ended &&
           (cm_buffer_data(&e->received).size > 0 || e->peer_ended || e->is_reset);
}

static size_t room(const sim_end *e)
{
    const size_t waiting = cm_buffer_data(&e->unsent).size;
    return waiting < e->unsent_max ? e->unsent_max - waiting : 0;
}

static bool is_writable(const sim_end *e)
{
    return e->state == END_OPEN && !e->is_closed && e->waits_to_write &&
           (e->is_reset || 2 * room(e) > e->unsent_max);
}

static void tell_soon(sim_end *e, int64_t after_us)
{
    const bool has_news = is_readable(e) || is_writable(e);
    if (has_news && !cm_timer_is_running(&e->tell))
        cm_timer_start(&e->tell, after_us);
}

/* ---- life of a connection ---- */

static void free_segment(segment *s)
{
    cm_timer_stop(&s->timer);
    cm_list_remove(&s->node);
    free(s);
}

static void silence(sim_end *e)
{
    cm_timer_stop(&e->tell);
    cm_timer_stop(&e->progress);
    cm_timer_stop(&e->limit);
}

/* When neither end has an owner nobody can tell what becomes of it. */
static void free_when_unowned(sim_connection *c, cm_sim_host *host)
{
    if (!c->ends[0].is_closed || !c->ends[1].is_closed)
        return;
    CM_LIST_EACH(&c->segments, node, next)
    free_segment(CM_HOLDER(node, segment, node));
    for (size_t i = 0; i < 2; i++) {
        silence(&c->ends[i]);
        cm_list_remove(&c->ends[i].node);
        cm_buffer_deinit(&c->ends[i].unsent);
        cm_buffer_deinit(&c->ends[i].received);
    }
    cm_sim_free_later(host, &c->closed, c);
}

/* ---- segments ---- */

static void pump(sim_end *e);

static void acknowledge(segment *s)
{
    sim_end *sender = peer_of(s->to);
    sender->in_flight -= s->size;
    free_segment(s);
    pump(sender);
}

static void send_segment(sim_end *from, segment_kind kind, cm_slice bytes);

static void take_data(segment *s)
{
    sim_end *to = s->to;
    sim_end *from = peer_of(to);
    if (!to->is_closed) {
        CM_IGNORE(cm_buffer_add(&to->received, cm_slice_over(s->bytes, s->size)),
                  "the sender keeps to the window");
        tell_soon(to, 0);
    } else if (cm_instant_since(now_of(to), to->closed_at) > LINGER_US && !to->is_reset) {
        to->is_reset = true; /* once */
        send_segment(to, SEGMENT_RST, (cm_slice){.size = 0});
    }
    if (from->host == NULL) {
        free_segment(s);
        return;
    }
    s->kind = SEGMENT_ACK;
    const cm_instant back = cm_instant_after(now_of(to), to->connection->link->path.delay_us);
    s->timer.loop = from->host->net.loop;
    cm_timer_start_at(&s->timer, back);
}

static void on_segment(cm_timer *timer)
{
    segment *s = CM_HOLDER(timer, segment, timer);
    sim_end *to = s->to;
    switch (s->kind) {
    case SEGMENT_DATA:
        take_data(s);
        return;
    case SEGMENT_ACK:
        acknowledge(s);
        return;
    case SEGMENT_FIN:
        to->peer_ended = true;
        break;
    case SEGMENT_RST:
        to->is_reset = true;
        cm_buffer_clear(&to->unsent);
        break;
    }
    free_segment(s);
    tell_soon(to, 0);
}

/* How much longer the segment takes because packets of it were lost. */
static int64_t draw_delay(sim_connection *c, size_t size)
{
    int64_t delay_us = 0;
    for (size_t at = 0; at <= size; at += CM_SIM_TCP_PACKET) {
        while (cm_sim_is_lost(c->network, c->link) && delay_us < CM_SECONDS(60))
            delay_us += 2 * c->link->path.delay_us + RECOVERY_US;
    }
    return delay_us;
}

static cm_instant arrival_of(sim_end *from, size_t size)
{
    sim_connection *c = from->connection;
    cm_instant arrival = cm_sim_send(c->network, c->link, &from->host->site->address, now_of(from),
                                     size + HEADER_SIZE);
    arrival.us += draw_delay(c, size);
    if (arrival.us < from->last_arrival.us)
        arrival = from->last_arrival;
    from->last_arrival = arrival;
    return arrival;
}

static void send_segment(sim_end *from, segment_kind kind, cm_slice bytes)
{
    sim_end *to = peer_of(from);
    const cm_instant arrival = arrival_of(from, bytes.size);
    cm_sim_site_seen_by(from->host, &from->tcp.peer)->bytes += bytes.size;
    if (to->host == NULL)
        return;
    segment *s = calloc(1, sizeof *s + bytes.size);
    if (s == NULL)
        abort(); /* a simulation is no server */
    cm_writer w = cm_writer_over(s->bytes, bytes.size);
    cm_write_slice(&w, bytes);
    s->size = bytes.size;
    s->to = to;
    s->kind = kind;
    cm_list_add_last(&from->connection->segments, &s->node);
    cm_timer_init(&s->timer, to->host->net.loop, on_segment);
    cm_timer_start_at(&s->timer, arrival);
}

/* Sends what the window allows. */
static void pump(sim_end *e)
{
    const sim_end *to = peer_of(e);
    if (e->state != END_OPEN || e->host == NULL || e->is_reset)
        return;
    for (;;) {
        const cm_slice waiting = cm_buffer_data(&e->unsent);
        const size_t used = e->in_flight + cm_buffer_data(&to->received).size;
        const bool must_end = e->wants_fin && !e->has_sent_end && waiting.size == 0;
        if (!must_end && (waiting.size == 0 || used >= WINDOW))
            break;
        if (e->connection->link->path.is_down) {
            cm_timer_start(&e->progress, DOWN_AGAIN_US);
            break;
        }
        if (must_end) {
            e->has_sent_end = true;
            send_segment(e, SEGMENT_FIN, waiting);
            break;
        }
        const size_t most = WINDOW - used < SEGMENT_MAX ? WINDOW - used : SEGMENT_MAX;
        const cm_slice part = cm_slice_part(waiting, 0, most);
        e->in_flight += part.size;
        send_segment(e, SEGMENT_DATA, part);
        cm_buffer_consume(&e->unsent, part.size);
    }
    tell_soon(e, 0);
}

/* ---- connecting ---- */

static sim_listener *listener_at(const cm_sim_host *host, const cm_address *to)
{
    CM_LIST_EACH(&host->listeners, node, next)
    {
        sim_listener *l = CM_HOLDER(node, sim_listener, node);
        if (l->listener.address.port == to->port && cm_sim_reaches(&l->listener.address, to))
            return l;
    }
    return NULL;
}

static void on_syn(sim_end *server)
{
    sim_end *client = peer_of(server);
    if (server->connection->link->path.is_down) {
        cm_timer_start(&server->progress, SYN_AGAIN_US);
        return;
    }
    sim_listener *l = listener_at(server->host, &server->tcp.local);
    const bool is_taken = l != NULL && l->connections < l->config.connections_max;
    client->result = is_taken ? CM_OK : CM_REFUSE;
    cm_timer_start_at(&client->progress, arrival_of(server, 0));
    if (!is_taken)
        return;
    l->connections++;
    server->listener = l;
    server->state = END_OPEN;
    server->is_closed = false;
    server->is_paused = true;
    l->config.on_accept(l->config.owner, &server->tcp);
}

static void finish_connecting(sim_end *e, cm_status result)
{
    cm_timer_stop(&e->limit);
    cm_timer_stop(&e->progress);
    e->state = result == CM_OK ? END_OPEN : END_FAILED;
    if (e->tcp.events.on_connected != NULL)
        e->tcp.events.on_connected(e->tcp.owner, result);
    tell_soon(e, 0);
}

static void on_progress(cm_timer *timer)
{
    sim_end *e = CM_HOLDER(timer, sim_end, progress);
    if (e->state == END_AWAITED)
        on_syn(e);
    else if (e->state == END_SYN_SENT)
        finish_connecting(e, e->result);
    else
        pump(e);
}

static void on_limit(cm_timer *timer)
{
    sim_end *e = CM_HOLDER(timer, sim_end, limit);
    finish_connecting(e, e->host == NULL || peer_of(e)->host != NULL ? CM_RETRY : CM_ABSENT);
}

static void on_tell(cm_timer *timer)
{
    sim_end *e = CM_HOLDER(timer, sim_end, tell);
    if (is_writable(e)) {
        e->waits_to_write = false;
        if (e->tcp.events.on_writable != NULL)
            e->tcp.events.on_writable(e->tcp.owner);
    }
    if (is_readable(e) && e->tcp.events.on_readable != NULL)
        e->tcp.events.on_readable(e->tcp.owner);
    /* A microsecond later: an owner that never reads must not stop time. */
    tell_soon(e, 1);
}

static void init_end(sim_connection *c, size_t index, cm_sim_host *host, cm_net *net)
{
    sim_end *e = &c->ends[index];
    e->tcp.net = net;
    e->connection = c;
    e->host = host;
    e->state = index == 0 ? END_SYN_SENT : END_AWAITED;
    e->is_closed = index == 1;
    e->unsent_max = SEND_MAX;
    cm_buffer_init(&e->unsent, SEND_LIMIT);
    cm_buffer_init(&e->received, WINDOW);
    cm_list_init(&e->node);
    cm_timer_init(&e->tell, net->loop, on_tell);
    cm_timer_init(&e->progress, net->loop, on_progress);
    cm_timer_init(&e->limit, net->loop, on_limit);
    if (host != NULL)
        cm_list_add_last(&host->ends, &e->node);
}

static uint16_t take_port(cm_sim_host *host)
{
    if (host->next_port >= 61000)
        host->next_port = 32768;
    return host->next_port++;
}

cm_status cm_sim_tcp_connect(cm_net *net, const cm_address *to, int64_t timeout_us, cm_tcp **out)
{
    cm_sim_host *host = cm_sim_host_of(net);
    cm_sim_site *site = cm_sim_site_seen_by(host, to);
    sim_connection *c = calloc(1, sizeof *c);
    CM_ENSURE(c != NULL, CM_BROKEN);
    c->network = host->network;
    c->link = cm_sim_link_of(host->network, &host->site->address, &site->address);
    cm_list_init(&c->segments);
    sim_end *client = &c->ends[0];
    sim_end *server = &c->ends[1];
    init_end(c, 0, host, net);
    init_end(c, 1, site->host, site->host != NULL ? &site->host->net : net);
    client->tcp.peer = server->tcp.local = *to;
    client->tcp.local = site == host->site ? *to : host->site->address;
    client->tcp.local.port = take_port(host);
    server->tcp.peer = client->tcp.local;
    site->connects++;
    cm_timer_start(&client->limit, server->host == NULL ? 0 : timeout_us);
    if (server->host != NULL)
        cm_timer_start_at(&server->progress, arrival_of(client, 0));
    *out = &client->tcp;
    return CM_OK;
}

/* ---- what the owner does ---- */

cm_status cm_sim_tcp_read(cm_tcp *tcp, uint8_t *out, size_t capacity, size_t *size_out)
{
    sim_end *e = of(tcp);
    CM_ENSURE(e->state != END_SYN_SENT, CM_RETRY);
    CM_ENSURE(e->state == END_OPEN && !e->has_ended, CM_CLOSE);
    const cm_slice here = cm_slice_part(cm_buffer_data(&e->received), 0, capacity);
    if (here.size == 0) {
        e->has_ended = e->peer_ended || e->is_reset;
        return e->has_ended ? CM_CLOSE : CM_RETRY;
    }
    cm_writer w = cm_writer_over(out, capacity);
    cm_write_slice(&w, here);
    *size_out = here.size;
    cm_buffer_consume(&e->received, here.size);
    sim_end *from = peer_of(e);
    const bool is_waited_for = from->host != NULL && cm_buffer_data(&from->unsent).size > 0;
    if (is_waited_for && !cm_timer_is_running(&from->progress))
        cm_timer_start(&from->progress, e->connection->link->path.delay_us);
    return CM_OK;
}

cm_status cm_sim_tcp_write(cm_tcp *tcp, const cm_slice *parts, size_t count, size_t *size_out)
{
    sim_end *e = of(tcp);
    CM_ENSURE(e->state != END_SYN_SENT, CM_RETRY);
    CM_ENSURE(e->state == END_OPEN && !e->is_reset, CM_CLOSE);
    size_t taken = 0;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const cm_slice part = cm_slice_part(parts[i], 0, room(e));
        if (cm_buffer_add(&e->unsent, part) == CM_OK)
            taken += part.size;
        total += parts[i].size;
    }
    e->waits_to_write = taken < total;
    pump(e);
    CM_ENSURE(taken > 0 || total == 0, CM_RETRY);
    *size_out = taken;
    return CM_OK;
}

void cm_sim_tcp_pause(cm_tcp *tcp, bool is_paused)
{
    of(tcp)->is_paused = is_paused;
    tell_soon(of(tcp), 0);
}

void cm_sim_tcp_limit_unsent(cm_tcp *tcp, size_t bytes)
{
    of(tcp)->unsent_max = bytes < SEND_LIMIT ? bytes : SEND_LIMIT;
}

size_t cm_sim_tcp_unacknowledged(const cm_tcp *tcp)
{
    return cm_buffer_data(&of(tcp)->unsent).size + of(tcp)->in_flight;
}

static void leave_listener(sim_end *e)
{
    sim_listener *l = e->listener;
    e->listener = NULL;
    if (l != NULL && --l->connections == 0 && l->is_closed)
        cm_sim_free_later(cm_sim_host_of(l->listener.net), &l->closed, l);
}

void cm_sim_tcp_close(cm_tcp *tcp, bool is_reset)
{
    sim_end *e = of(tcp);
    assert(!e->is_closed);
    const bool was_answered = e->state == END_OPEN || peer_of(e)->state == END_OPEN;
    silence(e);
    e->is_closed = true;
    e->closed_at = now_of(e);
    cm_buffer_clear(&e->received);
    leave_listener(e);
    if (was_answered && !e->is_reset) {
        e->state = END_OPEN;
        e->wants_fin = !is_reset;
        if (is_reset) {
            e->has_sent_end = true;
            cm_buffer_clear(&e->unsent);
            send_segment(e, SEGMENT_RST, (cm_slice){.size = 0});
        }
        pump(e);
    }
    free_when_unowned(e->connection, e->host);
}

/* Forgets what is under way to an end whose host goes, or back to it. */
static void drop_segments(sim_end *gone)
{
    CM_LIST_EACH(&gone->connection->segments, node, next)
    {
        segment *s = CM_HOLDER(node, segment, node);
        const bool is_back = s->kind == SEGMENT_ACK && s->to == peer_of(gone);
        const bool is_there = s->kind != SEGMENT_ACK && s->to == gone;
        if (is_back || is_there)
            free_segment(s);
    }
}

void cm_sim_tcp_end_all(cm_sim_host *host)
{
    CM_LIST_EACH(&host->ends, node, next)
    {
        sim_end *e = CM_HOLDER(node, sim_end, node);
        assert(e->is_closed);
        silence(e);
        drop_segments(e);
        cm_list_remove(&e->node);
        if (e->state == END_OPEN && (!e->has_sent_end || cm_buffer_data(&e->unsent).size > 0))
            send_segment(e, SEGMENT_RST, (cm_slice){.size = 0});
        e->host = NULL;
    }
}

/* ---- listening ---- */

static bool is_port_free(const cm_sim_host *host, const cm_address *address)
{
    CM_LIST_EACH(&host->listeners, node, next)
    {
        const sim_listener *l = CM_HOLDER(node, sim_listener, node);
        if (l->listener.address.port == address->port)
            return false;
    }
    return true;
}

cm_status cm_sim_listener_open(cm_net *net, const cm_tcp_listener_config *config,
                               cm_tcp_listener **out)
{
    cm_sim_host *host = cm_sim_host_of(net);
    cm_address address = config->address;
    CM_ENSURE(cm_sim_may_bind(host, &address), CM_REFUSE);
    if (address.port == 0)
        address.port = take_port(host);
    CM_ENSURE(is_port_free(host, &address), CM_REFUSE);
    sim_listener *l = calloc(1, sizeof *l);
    CM_ENSURE(l != NULL, CM_BROKEN);
    l->listener = (cm_tcp_listener){.net = net, .address = address};
    l->config = *config;
    if (config->connections_max == 0)
        l->config.connections_max = CONNECTIONS_DEFAULT;
    cm_list_add_last(&host->listeners, &l->node);
    *out = &l->listener;
    return CM_OK;
}

void cm_sim_listener_close(cm_tcp_listener *listener)
{
    sim_listener *l = CM_HOLDER(listener, sim_listener, listener);
    l->is_closed = true;
    cm_list_remove(&l->node);
    if (l->connections == 0)
        cm_sim_free_later(cm_sim_host_of(listener->net), &l->closed, l);
}
