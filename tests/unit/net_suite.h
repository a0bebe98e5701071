/*
 * net_suite: what net promises, as cases that run on either back end: net_test.c and sim_net_test.c
 * include this and say how a place (a loop and two nets that reach each other) is made.
 */
#pragma once

#include <stdlib.h>

#include "net/net.h"
#include "world.h"

typedef struct place {
    world w;
    cm_net *here;
    cm_net *there;
    cm_address here_host; /* port 0 */
    cm_address there_host;
    cm_address nobody;  /* a host to which there is no route */
    cm_address foreign; /* not an address of ours */
    void *extra;
} place;

static void place_open(place *p);
static void place_close(place *p);

/* ---- a TCP end that sends a pattern and checks what it gets ---- */

typedef struct end {
    cm_tcp *tcp;
    size_t to_send;
    size_t sent;
    size_t received;
    size_t read_size; /* at most this much a callback; 0: until nothing is left */
    bool echoes;
    bool is_wrong; /* a byte that does not belong */
    bool has_ended;
    bool is_connected;
    bool is_answered;
    bool closes_when_sent;
    bool closes_in_callback;
    cm_status status;
    unsigned readable_calls;
    unsigned writable_calls;
    struct end *peer;
} end;

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + at / 253);
}

static void end_send(end *e)
{
    uint8_t bytes[65536];
    while (e->sent < e->to_send) {
        const size_t left = e->to_send - e->sent;
        const size_t size = left < sizeof bytes ? left : sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = pattern(e->sent + i);
        /* In two parts, so that gathering is used. */
        const cm_slice parts[2] = {cm_slice_over(bytes, size / 3),
                                   cm_slice_over(bytes + size / 3, size - size / 3)};
        size_t taken = 0;
        const cm_status status = cm_tcp_write(e->tcp, parts, 2, &taken);
        if (status != CM_OK)
            return;
        e->sent += taken;
        if (taken < size)
            return;
    }
    if (e->closes_when_sent && e->tcp != NULL) {
        cm_tcp_close(e->tcp);
        e->tcp = NULL;
    }
}

static void end_on_connected(void *owner, cm_status status)
{
    end *e = owner;
    e->status = status;
    e->is_answered = true;
    e->is_connected = status == CM_OK;
    if (e->closes_in_callback) {
        cm_tcp_close(e->tcp);
        e->tcp = NULL;
        return;
    }
    if (status == CM_OK)
        end_send(e);
}

static void end_on_readable(void *owner)
{
    end *e = owner;
    e->readable_calls++;
    uint8_t bytes[32768];
    for (;;) {
        const size_t want = e->read_size > 0 ? e->read_size : sizeof bytes;
        size_t size = 0;
        const cm_status status = cm_tcp_read(e->tcp, bytes, want, &size);
        if (status == CM_CLOSE)
            e->has_ended = true;
        if (status != CM_OK)
            return;
        for (size_t i = 0; i < size; i++)
            e->is_wrong = e->is_wrong || bytes[i] != pattern(e->received + i);
        e->received += size;
        if (e->echoes) {
            e->to_send += size;
            end_send(e);
        }
        if (e->closes_in_callback) {
            cm_tcp_reset(e->tcp);
            e->tcp = NULL;
            return;
        }
        if (e->read_size > 0)
            return;
    }
}

static void end_on_writable(void *owner)
{
    end *e = owner;
    e->writable_calls++;
    end_send(e);
}

static const cm_tcp_events END_EVENTS = {.on_connected = end_on_connected,
                                         .on_readable = end_on_readable,
                                         .on_writable = end_on_writable};

typedef struct server {
    cm_tcp_listener *listener;
    end ends[8];
    size_t accepted;
    bool stays_paused; /* listens to nothing until told */
} server;

static void server_on_accept(void *owner, cm_tcp *tcp)
{
    server *s = owner;
    end *e = &s->ends[s->accepted++];
    e->tcp = tcp;
    e->is_connected = true;
    if (s->stays_paused)
        return;
    cm_tcp_listen_to(tcp, &END_EVENTS, e);
    end_send(e);
}

static void server_open(server *s, place *p, size_t connections_max)
{
    const cm_tcp_listener_config config = {.address = p->there_host,
                                           .connections_max = connections_max,
                                           .on_accept = server_on_accept,
                                           .owner = s};
    assert_int_equal(cm_tcp_listener_open(p->there, &config, &s->listener), CM_OK);
    assert_int_not_equal(cm_tcp_listener_address(s->listener).port, 0);
}

static void server_close(server *s)
{
    for (size_t i = 0; i < s->accepted; i++)
        cm_tcp_close(s->ends[i].tcp);
    cm_tcp_listener_close(s->listener);
}

static void end_connect(end *e, place *p, const cm_address *to)
{
    assert_int_equal(cm_tcp_connect(p->here, to, CM_SECONDS(1), &END_EVENTS, e, &e->tcp), CM_OK);
    assert_false(e->is_answered); /* never inside the call */
}

static void end_connect_to(end *e, place *p, const server *s)
{
    const cm_address to = cm_tcp_listener_address(s->listener);
    end_connect(e, p, &to);
}

static bool end_is_answered(void *owner)
{
    return ((const end *)owner)->is_answered;
}

static bool end_has_all(void *owner) /* everything its peer meant to send */
{
    const end *e = owner;
    return e->received >= e->peer->to_send && e->peer->to_send > 0;
}

static bool end_has_ended(void *owner)
{
    return ((const end *)owner)->has_ended;
}

/* Until `us` have passed. */
typedef struct pause_timer {
    cm_timer timer;
    bool is_over;
} pause_timer;

static void pause_over(cm_timer *timer)
{
    CM_HOLDER(timer, pause_timer, timer)->is_over = true;
}

static bool is_pause_over(void *owner)
{
    return ((const pause_timer *)owner)->is_over;
}

static void place_wait(place *p, int64_t us)
{
    pause_timer t = {.is_over = false};
    cm_timer_init(&t.timer, p->w.loop, pause_over);
    cm_timer_start(&t.timer, us);
    assert_true(world_run(&p->w, is_pause_over, &t));
}

/* A pair that is connected: client `c`, server end s->ends[0]. */
static bool both_connected(void *owner)
{
    const end *c = owner;
    return c->is_connected && c->peer->is_connected;
}

static void pair_open(place *p, server *s, end *c)
{
    place_open(p);
    server_open(s, p, 0);
    c->peer = &s->ends[0];
    s->ends[0].peer = c;
    end_connect_to(c, p, s);
    assert_true(world_run(&p->w, both_connected, c));
}

static void pair_close(place *p, server *s, end *c)
{
    cm_tcp_close(c->tcp);
    server_close(s);
    place_close(p);
}

/* ---- TCP ---- */

static void a_connection_knows_both_addresses(void **state)
{
    (void)state;
    place p;
    server s = {.accepted = 0};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    const cm_address listening = cm_tcp_listener_address(s.listener);
    const cm_address peer = cm_tcp_peer(c.tcp), local = cm_tcp_local(c.tcp);
    const cm_address their_peer = cm_tcp_peer(s.ends[0].tcp);
    const cm_address their_local = cm_tcp_local(s.ends[0].tcp);
    assert_true(cm_address_equal(&peer, &listening));
    assert_true(cm_address_equal(&their_local, &listening));
    assert_true(cm_address_equal(&their_peer, &local));
    assert_true(cm_address_same_host(&local, &p.here_host));
    pair_close(&p, &s, &c);
}

static void ten_megabytes_are_echoed_whole_through_full_buffers(void **state)
{
    (void)state;
    place p;
    server s = {.ends[0] = {.echoes = true}};
    end c = {.to_send = 10u << 20};
    pair_open(&p, &s, &c);
    assert_true(c.sent < c.to_send); /* it did not all fit */
    c.peer = &c;                     /* all it sent comes back */
    assert_true(world_run(&p.w, end_has_all, &c));
    assert_int_equal(c.received, 10u << 20);
    assert_false(c.is_wrong);
    assert_true(c.writable_calls > 0);
    pair_close(&p, &s, &c);
}

static void on_readable_comes_again_for_what_was_left_unread(void **state)
{
    (void)state;
    place p;
    server s = {.ends[0] = {.read_size = 10}};
    end c = {.to_send = 1000};
    pair_open(&p, &s, &c);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_true(s.ends[0].readable_calls >= 100);
    assert_false(s.ends[0].is_wrong);
    pair_close(&p, &s, &c);
}

static void a_paused_connection_hears_nothing_until_resumed(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.to_send = 5000};
    pair_open(&p, &s, &c);
    place_wait(&p, CM_MS(20));
    assert_int_equal(s.ends[0].readable_calls, 0); /* accepted ones begin paused */
    cm_tcp_listen_to(s.ends[0].tcp, &END_EVENTS, &s.ends[0]);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    cm_tcp_pause(s.ends[0].tcp, true);
    c.to_send = 9000;
    end_send(&c);
    place_wait(&p, CM_MS(20));
    assert_int_equal(s.ends[0].received, 5000);
    cm_tcp_pause(s.ends[0].tcp, false);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_false(s.ends[0].is_wrong);
    pair_close(&p, &s, &c);
}

static void a_paused_reader_stops_its_writer(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.to_send = 64u << 20};
    pair_open(&p, &s, &c);
    place_wait(&p, CM_MS(50));
    const size_t stuck = c.sent;
    assert_true(stuck < c.to_send);
    place_wait(&p, CM_MS(50));
    assert_int_equal(c.sent, stuck);
    pair_close(&p, &s, &c);
}

static void close_delivers_what_was_written_and_then_the_end(void **state)
{
    (void)state;
    place p;
    server s = {.accepted = 0};
    end c = {.to_send = 300000, .closes_when_sent = true};
    pair_open(&p, &s, &c);
    assert_true(world_run(&p.w, end_has_ended, &s.ends[0]));
    assert_int_equal(s.ends[0].received, 300000);
    assert_false(s.ends[0].is_wrong);
    const unsigned calls = s.ends[0].readable_calls;
    place_wait(&p, CM_MS(20));
    assert_int_equal(s.ends[0].readable_calls, calls); /* the end is told once */
    size_t size;
    uint8_t byte;
    assert_int_equal(cm_tcp_read(s.ends[0].tcp, &byte, 1, &size), CM_CLOSE);
    pair_close(&p, &s, &c);
}

static void close_delivers_even_while_the_peer_still_sends(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true, .ends[0] = {.to_send = 2000}};
    end c = {.to_send = 20000};
    pair_open(&p, &s, &c);
    place_wait(&p, CM_MS(20)); /* unread bytes wait at the server */
    end_send(&s.ends[0]);
    cm_tcp_close(s.ends[0].tcp);
    s.ends[0].tcp = NULL;
    c.to_send += 20000;
    end_send(&c);
    assert_true(world_run(&p.w, end_has_ended, &c));
    assert_int_equal(c.received, 2000);
    assert_false(c.is_wrong);
    pair_close(&p, &s, &c);
}

static void reset_kills_what_was_written_and_not_sent(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.to_send = 64u << 20};
    pair_open(&p, &s, &c);
    place_wait(&p, CM_MS(20)); /* both buffers are full */
    const size_t given = c.sent;
    cm_tcp_reset(c.tcp);
    c.tcp = NULL;
    place_wait(&p, CM_MS(20));
    cm_tcp_listen_to(s.ends[0].tcp, &END_EVENTS, &s.ends[0]);
    assert_true(world_run(&p.w, end_has_ended, &s.ends[0]));
    assert_true(s.ends[0].received < given);
    pair_close(&p, &s, &c);
}

static void a_limit_on_unsent_bytes_holds(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    cm_tcp_limit_unsent(c.tcp, 32768);
    c.to_send = 64u << 20;
    end_send(&c);
    place_wait(&p, CM_MS(50));
    /* The receiver's window is full; what waits beyond it is within the limit. */
    assert_true(c.sent < c.to_send);
    assert_true(cm_tcp_unacknowledged(c.tcp) <= 32768);
    cm_tcp_listen_to(s.ends[0].tcp, &END_EVENTS, &s.ends[0]);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_false(s.ends[0].is_wrong);
    pair_close(&p, &s, &c);
}

static void unacknowledged_bytes_are_counted(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    assert_int_equal(cm_tcp_unacknowledged(c.tcp), 0);
    c.to_send = 64u << 20;
    end_send(&c);
    place_wait(&p, CM_MS(20));
    assert_true(cm_tcp_unacknowledged(c.tcp) > 0);
    cm_tcp_listen_to(s.ends[0].tcp, &END_EVENTS, &s.ends[0]);
    c.to_send = c.sent;
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    place_wait(&p, CM_MS(60)); /* for the last, delayed acknowledgement */
    assert_int_equal(cm_tcp_unacknowledged(c.tcp), 0);
    pair_close(&p, &s, &c);
}

static void a_connection_nobody_awaits_is_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    const cm_address gone = cm_tcp_listener_address(s.listener);
    server_close(&s);
    end c = {.tcp = NULL};
    end_connect(&c, &p, &gone);
    assert_true(world_run(&p.w, end_is_answered, &c));
    assert_int_equal(c.status, CM_REFUSE);
    size_t size;
    uint8_t byte = 0;
    const cm_slice part = cm_slice_over(&byte, 1);
    assert_int_equal(cm_tcp_read(c.tcp, &byte, 1, &size), CM_CLOSE);
    assert_int_equal(cm_tcp_write(c.tcp, &part, 1, &size), CM_CLOSE);
    cm_tcp_close(c.tcp);
    place_close(&p);
}

static void a_host_without_a_route_is_absent(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    end c = {.closes_in_callback = true};
    cm_address to = p.nobody;
    to.port = 80;
    end_connect(&c, &p, &to);
    assert_true(world_run(&p.w, end_is_answered, &c));
    assert_int_equal(c.status, CM_ABSENT);
    place_close(&p);
}

static void a_connection_closed_before_it_is_made_stays_silent(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    end c = {.tcp = NULL};
    end_connect_to(&c, &p, &s);
    cm_tcp_close(c.tcp);
    c.tcp = NULL;
    cm_address nobody = p.nobody;
    nobody.port = 80;
    end d = {.tcp = NULL};
    end_connect(&d, &p, &nobody);
    cm_tcp_reset(d.tcp);
    place_wait(&p, CM_MS(20));
    assert_false(c.is_answered);
    assert_false(d.is_answered);
    server_close(&s);
    place_close(&p);
}

static void an_owner_may_close_inside_its_callbacks(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.ends[0] = {.closes_in_callback = true}};
    server_open(&s, &p, 0);
    end c = {.to_send = 100};
    end_connect_to(&c, &p, &s);
    assert_true(world_run(&p.w, end_has_ended, &c)); /* the server reset it when it read */
    end d = {.closes_in_callback = true};
    end_connect_to(&d, &p, &s);
    assert_true(world_run(&p.w, end_is_answered, &d));
    pair_close(&p, &s, &c);
}

static void connections_past_the_bound_are_reset(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.accepted = 0};
    server_open(&s, &p, 2);
    end c[3] = {{.tcp = NULL}};
    end_connect_to(&c[0], &p, &s);
    end_connect_to(&c[1], &p, &s);
    for (int i = 0; i < 2; i++)
        assert_true(world_run(&p.w, end_is_answered, &c[i]));
    end_connect_to(&c[2], &p, &s);
    /* Refused at once, or accepted by the system and then reset. */
    c[2].peer = &c[2];
    assert_true(world_run(&p.w, end_is_answered, &c[2]));
    if (c[2].status == CM_OK)
        assert_true(world_run(&p.w, end_has_ended, &c[2]));
    assert_int_equal(s.accepted, 2);
    cm_tcp_reset(s.ends[0].tcp); /* makes room */
    s.ends[0].tcp = NULL;
    end d = {.peer = &s.ends[2]};
    end_connect_to(&d, &p, &s);
    assert_true(world_run(&p.w, both_connected, &d));
    for (int i = 0; i < 3; i++)
        cm_tcp_close(c[i].tcp);
    pair_close(&p, &s, &d);
}

static void an_address_in_use_is_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    cm_tcp_listener_config config = {.address = cm_tcp_listener_address(s.listener),
                                     .on_accept = server_on_accept};
    cm_tcp_listener *again;
    assert_int_equal(cm_tcp_listener_open(p.there, &config, &again), CM_REFUSE);
    config.address = p.foreign;
    assert_int_equal(cm_tcp_listener_open(p.there, &config, &again), CM_REFUSE);
    server_close(&s);
    place_close(&p);
}

/* ---- UDP ---- */

typedef struct catcher {
    cm_udp *udp;
    size_t count;
    size_t calls;
    size_t largest_batch;
    size_t wanted;
    cm_address last_peer;
    cm_address last_local;
    uint8_t last[16];
    size_t last_size;
    size_t largest;
    bool closes;
} catcher;

static void catch_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    catcher *c = owner;
    c->calls++;
    c->count += count;
    c->largest_batch = count > c->largest_batch ? count : c->largest_batch;
    const cm_datagram *last = &datagrams[count - 1];
    c->last_peer = last->peer;
    c->last_local = last->local;
    c->last_size = last->bytes.size;
    for (size_t i = 0; i < last->bytes.size && i < sizeof c->last; i++)
        c->last[i] = last->bytes.bytes[i];
    for (size_t i = 0; i < count; i++)
        c->largest = datagrams[i].bytes.size > c->largest ? datagrams[i].bytes.size : c->largest;
    if (c->closes) {
        cm_udp_close(c->udp);
        c->udp = NULL;
    }
}

static bool has_caught(void *owner)
{
    const catcher *c = owner;
    return c->count >= c->wanted;
}

static cm_address catcher_open(catcher *c, cm_net *net, const cm_address *host)
{
    const cm_udp_config config = {.local = *host,
                                  .receive_buffer_bytes = 1u << 20,
                                  .on_datagrams = catch_datagrams,
                                  .owner = c};
    assert_int_equal(cm_udp_open(net, &config, &c->udp), CM_OK);
    const cm_address local = cm_udp_local(c->udp);
    assert_int_not_equal(local.port, 0);
    return local;
}

static void send_text(catcher *from, const cm_address *to, const char *text)
{
    const cm_datagram datagram = {.bytes = cm_slice_of(text), .peer = *to};
    size_t sent;
    assert_int_equal(cm_udp_send(from->udp, &datagram, 1, &sent), CM_OK);
    assert_int_equal(sent, 1);
}

static void datagrams_arrive_in_batches_with_their_sender(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL}, b = {.wanted = 150};
    const cm_address from = catcher_open(&a, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    cm_datagram datagrams[150];
    for (size_t i = 0; i < CM_COUNT(datagrams); i++)
        datagrams[i] = (cm_datagram){.bytes = CM_TEXT("hello"), .peer = to};
    size_t sent;
    assert_int_equal(cm_udp_send(a.udp, datagrams, CM_COUNT(datagrams), &sent), CM_OK);
    assert_int_equal(sent, 150);
    assert_true(world_run(&p.w, has_caught, &b));
    assert_int_equal(b.count, 150);
    assert_true(b.largest_batch > 1);
    assert_true(b.largest_batch <= 64);
    assert_true(cm_address_equal(&b.last_peer, &from));
    assert_text(cm_slice_over(b.last, b.last_size), "hello");
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

/* Sizes and order of what arrives; every byte belongs to a pattern. */
typedef struct recorder {
    cm_udp *udp;
    size_t count;
    size_t wanted;
    size_t sizes[256];
    uint8_t firsts[256]; /* the first byte of each */
    bool is_wrong;
} recorder;

static void record_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    recorder *r = owner;
    for (size_t i = 0; i < count && r->count < CM_COUNT(r->sizes); i++) {
        const cm_slice bytes = datagrams[i].bytes;
        r->sizes[r->count] = bytes.size;
        r->firsts[r->count++] = bytes.size > 0 ? bytes.bytes[0] : 0;
        for (size_t k = 1; k < bytes.size; k++)
            r->is_wrong = r->is_wrong || bytes.bytes[k] != (uint8_t)(bytes.bytes[k - 1] + 1);
    }
}

static bool has_recorded(void *owner)
{
    const recorder *r = owner;
    return r->count >= r->wanted;
}

static cm_address recorder_open(recorder *r, cm_net *net, const cm_address *host)
{
    const cm_udp_config config = {.local = *host,
                                  .receive_buffer_bytes = 1u << 20,
                                  .on_datagrams = record_datagrams,
                                  .owner = r};
    assert_int_equal(cm_udp_open(net, &config, &r->udp), CM_OK);
    return cm_udp_local(r->udp);
}

/* Counts up from 0: a datagram cut from it begins with its offset. */
static cm_slice counting_bytes(size_t size)
{
    static uint8_t bytes[CM_UDP_SEGMENTED_BYTES_MAX];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    return cm_slice_over(bytes, size);
}

/* What arrives when `size` counting bytes are cut: appended to what is expected. */
static void expect_segments(recorder *expected, size_t size, size_t segment_size)
{
    size_t at = 0;
    do {
        const size_t left = size - at;
        expected->sizes[expected->count] = left < segment_size ? left : segment_size;
        expected->firsts[expected->count++] = left > 0 ? (uint8_t)at : 0;
        at += segment_size;
    } while (at < size);
}

static void assert_recorded(const recorder *r, const recorder *expected)
{
    assert_int_equal(r->count, expected->count);
    assert_memory_equal(r->sizes, expected->sizes, r->count * sizeof *r->sizes);
    assert_memory_equal(r->firsts, expected->firsts, r->count);
    assert_false(r->is_wrong);
}

static const struct {
    size_t size;
    uint16_t segment_size;
} CUTS[] = {{8 * 1200, 1200}, {7 * 1200 + 13, 1200}, {500, 0},  {64 * 10, 10}, {63 * 10 + 1, 10},
            {1200, 1200},     {100, 1200},           {0, 1200}, {1201, 1200},  {9000, 0},
            {64 * 1000, 1000}};

/* All of CUTS from `from` to `to` in one call; *expected is what has to arrive. */
static void send_cuts(cm_udp *from, const cm_address *to, recorder *expected)
{
    cm_datagram datagrams[CM_COUNT(CUTS)];
    size_t sent = 0;
    for (size_t i = 0; i < CM_COUNT(CUTS); i++) {
        datagrams[i] = (cm_datagram){.bytes = counting_bytes(CUTS[i].size),
                                     .peer = *to,
                                     .segment_size = CUTS[i].segment_size};
        expect_segments(expected, CUTS[i].size,
                        CUTS[i].segment_size > 0 ? CUTS[i].segment_size : CUTS[i].size + 1);
    }
    assert_int_equal(cm_udp_send(from, datagrams, CM_COUNT(CUTS), &sent), CM_OK);
    assert_int_equal(sent, CM_COUNT(CUTS));
}

static void segments_arrive_as_datagrams_of_their_own(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL};
    recorder b = {.udp = NULL}, expected = {.udp = NULL};
    catcher_open(&a, p.here, &p.here_host);
    const cm_address to = recorder_open(&b, p.there, &p.there_host);
    send_cuts(a.udp, &to, &expected);
    b.wanted = expected.count;
    assert_true(world_run(&p.w, has_recorded, &b));
    place_wait(&p, CM_MS(5));
    assert_recorded(&b, &expected);
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

/* `asker` sends to `asked` on `b`, which is bound to all addresses and answers. */
static void ask_and_answer(place *p, catcher *asker, catcher *b, const cm_address *asked,
                           uint16_t segment_size)
{
    asker->wanted = asker->count + (segment_size > 0 ? 3 : 1);
    b->wanted = b->count + 1;
    send_text(asker, asked, "who");
    assert_true(world_run(&p->w, has_caught, b));
    assert_true(cm_address_equal(&b->last_local, asked));
    const cm_datagram answer = {.bytes = CM_TEXT("me too"),
                                .peer = b->last_peer,
                                .local = b->last_local,
                                .segment_size = segment_size};
    size_t sent;
    assert_int_equal(cm_udp_send(b->udp, &answer, 1, &sent), CM_OK);
    assert_true(world_run(&p->w, has_caught, asker));
    assert_true(cm_address_equal(&asker->last_peer, asked));
}

static void an_answer_leaves_from_the_address_that_was_asked(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    const cm_address all = {.is_v6 = false};
    catcher a = {.udp = NULL}, b = {.udp = NULL}, c = {.udp = NULL};
    const cm_address here = catcher_open(&a, p.here, &p.here_host);
    cm_address asked = catcher_open(&b, p.there, &all);
    assert_int_equal(cm_address_kind_of(&asked), CM_ADDRESS_UNSPECIFIED);
    const uint16_t port = asked.port;
    asked = p.there_host;
    asked.port = port;
    ask_and_answer(&p, &a, &b, &asked, 0);
    ask_and_answer(&p, &a, &b, &asked, 2);
    /* Without a wish the system chooses. */
    a.wanted++;
    send_text(&b, &here, "me");
    assert_true(world_run(&p.w, has_caught, &a));
    assert_int_equal(a.last_peer.port, port);
    /* One bound to an address knows where it was asked; a wish is nothing to it. */
    c.wanted = 1;
    const cm_address bound = catcher_open(&c, p.there, &p.there_host);
    send_text(&a, &bound, "who");
    assert_true(world_run(&p.w, has_caught, &c));
    assert_true(cm_address_equal(&c.last_local, &bound));
    const cm_datagram answer = {.bytes = CM_TEXT("me"), .peer = here, .local = p.foreign};
    size_t sent;
    a.wanted++;
    assert_int_equal(cm_udp_send(c.udp, &answer, 1, &sent), CM_OK);
    assert_true(world_run(&p.w, has_caught, &a));
    assert_true(cm_address_equal(&a.last_peer, &bound));
    ask_and_answer(&p, &a, &b, &asked, 0); /* as if the other had not been */
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    cm_udp_close(c.udp);
    place_close(&p);
}

/* As what nobody has: it does not go out. */
static void nothing_leaves_from_an_address_that_is_not_ours(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    const cm_address all = {.is_v6 = false};
    catcher a = {.udp = NULL}, b = {.udp = NULL};
    const cm_address here = catcher_open(&a, p.here, &p.here_host);
    catcher_open(&b, p.there, &all);
    const cm_datagram lie = {.bytes = CM_TEXT("lie"), .peer = here, .local = p.foreign};
    size_t sent;
    assert_int_equal(cm_udp_send(b.udp, &lie, 1, &sent), CM_OK);
    assert_int_equal(sent, 1);
    a.wanted = 1;
    send_text(&b, &here, "truth");
    assert_true(world_run(&p.w, has_caught, &a));
    place_wait(&p, CM_MS(5));
    assert_int_equal(a.count, 1);
    assert_text(cm_slice_over(a.last, a.last_size), "truth");
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

static void a_datagram_of_ten_thousand_bytes_arrives_whole_and_a_larger_one_not(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL}, b = {.wanted = 2};
    catcher_open(&a, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    static const uint8_t BYTES[20000] = {1};
    const cm_datagram datagrams[] = {{.bytes = cm_slice_over(BYTES, 10000), .peer = to},
                                     {.bytes = cm_slice_over(BYTES, 20000), .peer = to},
                                     {.bytes = cm_slice_over(BYTES, 0), .peer = to}};
    size_t sent;
    assert_int_equal(cm_udp_send(a.udp, datagrams, 3, &sent), CM_OK);
    assert_true(world_run(&p.w, has_caught, &b));
    place_wait(&p, CM_MS(20));
    assert_int_equal(b.count, 2);
    assert_int_equal(b.largest, 10000);
    assert_int_equal(b.last_size, 0);
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

static void a_connected_socket_hears_its_peer_only(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher friend = {.udp = NULL}, stranger = {.udp = NULL}, b = {.wanted = 1};
    const cm_address peer = catcher_open(&friend, p.here, &p.here_host);
    catcher_open(&stranger, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    send_text(&stranger, &to, "early");
    place_wait(&p, 0);
    (void)state;
    assert_int_equal(cm_udp_connect(b.udp, &peer), CM_OK);
    const size_t before = b.count;
    send_text(&stranger, &to, "late");
    send_text(&friend, &to, "welcome");
    b.wanted = before + 1;
    assert_true(world_run(&p.w, has_caught, &b));
    place_wait(&p, CM_MS(20));
    assert_int_equal(b.count, before + 1);
    assert_text(cm_slice_over(b.last, b.last_size), "welcome");
    /* And sends need no address. */
    const cm_datagram reply = {.bytes = CM_TEXT("reply")};
    size_t sent;
    assert_int_equal(cm_udp_send(b.udp, &reply, 1, &sent), CM_OK);
    friend.wanted = 1;
    assert_true(world_run(&p.w, has_caught, &friend));
    cm_udp_close(friend.udp);
    cm_udp_close(stranger.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

static void a_udp_owner_may_close_inside_its_callback(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL}, b = {.wanted = 1, .closes = true};
    catcher_open(&a, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    send_text(&a, &to, "one");
    send_text(&a, &to, "two");
    assert_true(world_run(&p.w, has_caught, &b));
    place_wait(&p, CM_MS(5));
    assert_int_equal(b.calls, 1);
    send_text(&a, &to, "nobody there");
    place_wait(&p, CM_MS(5));
    send_text(&a, &to, "still fine");
    cm_udp_close(a.udp);
    place_close(&p);
}

static void a_pair_stands_on_an_even_port_and_the_next(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL}, b = {.udp = NULL};
    const cm_udp_config rtp = {.local = p.here_host, .on_datagrams = catch_datagrams, .owner = &a};
    const cm_udp_config rtcp = {.local = p.here_host, .on_datagrams = catch_datagrams, .owner = &b};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cm_udp_open_pair(p.here, &rtp, &rtcp, &a.udp, &b.udp), CM_OK);
        assert_int_equal(cm_udp_local(a.udp).port % 2, 0);
        assert_int_equal(cm_udp_local(b.udp).port, cm_udp_local(a.udp).port + 1);
        cm_udp_close(a.udp);
        cm_udp_close(b.udp);
    }
    place_close(&p);
}

static void a_udp_port_in_use_is_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher a = {.udp = NULL};
    const cm_address taken = catcher_open(&a, p.here, &p.here_host);
    const cm_udp_config config = {.local = taken, .on_datagrams = catch_datagrams, .owner = &a};
    cm_udp *again;
    assert_int_equal(cm_udp_open(p.here, &config, &again), CM_REFUSE);
    cm_udp_close(a.udp);
    place_close(&p);
}

/* ---- names ---- */

typedef struct answer {
    bool is_answered;
    cm_status status;
    size_t count;
    cm_address first;
} answer;

static void note_answer(void *owner, cm_status status, const cm_address *found, size_t count)
{
    answer *a = owner;
    a->is_answered = true;
    a->status = status;
    a->count = count;
    if (count > 0)
        a->first = found[0];
}

static bool is_answered(void *owner)
{
    return ((const answer *)owner)->is_answered;
}

static answer ask(place *p, const char *host)
{
    answer a = {.is_answered = false};
    cm_resolve *resolve;
    assert_int_equal(cm_net_resolve(p->here, cm_slice_of(host), note_answer, &a, &resolve), CM_OK);
    assert_false(a.is_answered); /* never inside the call */
    assert_true(world_run(&p->w, is_answered, &a));
    return a;
}

static void an_address_in_text_form_is_its_own_answer(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    static const char *const HOSTS[] = {"192.0.2.7", "2001:db8::7", "[2001:db8::7]"};
    for (size_t i = 0; i < CM_COUNT(HOSTS); i++) {
        const answer a = ask(&p, HOSTS[i]);
        cm_address expected;
        assert_int_equal(cm_address_parse(cm_slice_of(HOSTS[i]), 0, &expected), CM_OK);
        assert_int_equal(a.status, CM_OK);
        assert_int_equal(a.count, 1);
        assert_true(cm_address_equal(&a.first, &expected));
    }
    place_close(&p);
}

static void old_forms_of_addresses_are_no_names(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    static const char *const HOSTS[] = {
        "0177.1", "127.1", "2130706433",   "0x7f.1", "0x7f.0.0.0x1", "",          ".",
        "a..b",   "a b",   "192.0.2.7:80", "-\n",    "1.2.3.4.",     "host.0x7f", "[::1]:80"};
    for (size_t i = 0; i < CM_COUNT(HOSTS); i++)
        assert_int_equal(ask(&p, HOSTS[i]).status, CM_ABSENT);
    place_close(&p);
}

static void a_cancelled_lookup_stays_silent(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    answer a = {.is_answered = false};
    cm_resolve *resolve[2];
    assert_int_equal(cm_net_resolve(p.here, CM_TEXT("localhost"), note_answer, &a, &resolve[0]),
                     CM_OK);
    assert_int_equal(cm_net_resolve(p.here, CM_TEXT("192.0.2.7"), note_answer, &a, &resolve[1]),
                     CM_OK);
    cm_resolve_cancel(resolve[0]);
    cm_resolve_cancel(resolve[1]);
    place_wait(&p, CM_MS(50));
    assert_false(a.is_answered);
    place_close(&p);
}

static void too_many_lookups_are_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    answer a = {.is_answered = false};
    cm_resolve *resolve[65];
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(cm_net_resolve(p.here, CM_TEXT("192.0.2.7"), note_answer, &a, &resolve[i]),
                         CM_OK);
    assert_int_equal(cm_net_resolve(p.here, CM_TEXT("192.0.2.7"), note_answer, &a, &resolve[64]),
                     CM_FULL);
    assert_true(world_run(&p.w, is_answered, &a));
    place_wait(&p, 0);
    assert_int_equal(ask(&p, "192.0.2.7").status, CM_OK);
    place_close(&p);
}

#define NET_SUITE                                                                                  \
    cmocka_unit_test(a_connection_knows_both_addresses),                                           \
        cmocka_unit_test(ten_megabytes_are_echoed_whole_through_full_buffers),                     \
        cmocka_unit_test(on_readable_comes_again_for_what_was_left_unread),                        \
        cmocka_unit_test(a_paused_connection_hears_nothing_until_resumed),                         \
        cmocka_unit_test(a_paused_reader_stops_its_writer),                                        \
        cmocka_unit_test(close_delivers_what_was_written_and_then_the_end),                        \
        cmocka_unit_test(close_delivers_even_while_the_peer_still_sends),                          \
        cmocka_unit_test(reset_kills_what_was_written_and_not_sent),                               \
        cmocka_unit_test(a_limit_on_unsent_bytes_holds),                                           \
        cmocka_unit_test(unacknowledged_bytes_are_counted),                                        \
        cmocka_unit_test(a_connection_nobody_awaits_is_refused),                                   \
        cmocka_unit_test(a_host_without_a_route_is_absent),                                        \
        cmocka_unit_test(a_connection_closed_before_it_is_made_stays_silent),                      \
        cmocka_unit_test(an_owner_may_close_inside_its_callbacks),                                 \
        cmocka_unit_test(connections_past_the_bound_are_reset),                                    \
        cmocka_unit_test(an_address_in_use_is_refused),                                            \
        cmocka_unit_test(datagrams_arrive_in_batches_with_their_sender),                           \
        cmocka_unit_test(segments_arrive_as_datagrams_of_their_own),                               \
        cmocka_unit_test(an_answer_leaves_from_the_address_that_was_asked),                        \
        cmocka_unit_test(nothing_leaves_from_an_address_that_is_not_ours),                         \
        cmocka_unit_test(a_datagram_of_ten_thousand_bytes_arrives_whole_and_a_larger_one_not),     \
        cmocka_unit_test(a_connected_socket_hears_its_peer_only),                                  \
        cmocka_unit_test(a_udp_owner_may_close_inside_its_callback),                               \
        cmocka_unit_test(a_pair_stands_on_an_even_port_and_the_next),                              \
        cmocka_unit_test(a_udp_port_in_use_is_refused),                                            \
        cmocka_unit_test(an_address_in_text_form_is_its_own_answer),                               \
        cmocka_unit_test(old_forms_of_addresses_are_no_names),                                     \
        cmocka_unit_test(a_cancelled_lookup_stays_silent),                                         \
        cmocka_unit_test(too_many_lookups_are_refused)
